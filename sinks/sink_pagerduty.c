/* sink_pagerduty.c - PagerDuty Events API v2: trigger, acknowledge, resolve.
 *
 * Wire: POST application/json to .../v2/enqueue, the routing key in the body, one event a request, not compressed, at
 * most 512 KB. dedup_key is "weir:" and a SHA-256 of rule and key: an alert and all its retries are one incident, no
 * level, count or time in it. Limits: summary 1024 characters. Over the size, in steps: without metadata and labels, with
 * a short message, then without details; the alert itself always goes.
 * Answers: 202 accepted; 400 names what is wrong (the routing key: nothing will pass); 429 slow down.
 */
#include "core/json.h"
#include "sinks/digest.h"
#include "sinks/text.h"

#include <stdio.h>
#include <stdlib.h>

#define PD_URL "https://events.pagerduty.com/v2/enqueue"
enum { SUMMARY_MAX = 1024, BODY_MAX = 512000, TEXT_MAX = 200000, SHORT_MAX = 1024, NAME_CHARS = 255, LINK_MAX = 2048 };

struct pagerduty_conf {
	char *routing_key, *url, *source;
	bool insecure_http;
};

static const struct field fields[] = {
	{ "routing_key", F_SECRET, offsetof(struct pagerduty_conf, routing_key), F_REQUIRED, 0, 0, NULL, NULL,
		"The integration key of an Events API v2 integration." },
	{ "url", F_URL, offsetof(struct pagerduty_conf, url), 0, 0, 0, PD_URL, NULL,
		"Where events go; for European accounts https://events.eu.pagerduty.com." },
	{ "source", F_STR, offsetof(struct pagerduty_conf, source), 0, 0, 0, NULL, NULL,
		"The source shown in incidents; default this machine's name." },
	{ "insecure_http", F_BOOL, offsetof(struct pagerduty_conf, insecure_http), 0, 0, 0, NULL, NULL,
		"Allow plain http to another machine." },
	{ 0 },
};

static void
check(void *conf, struct loc loc, struct diags *d)
{
	struct pagerduty_conf *c = conf;
	url_check("url", c->url, loc, d);
	size_t n = c->routing_key ? strlen(c->routing_key) : 0;
	if (n == 0)
		diag(d, loc, "routing_key is empty; give the integration key of an Events API v2 integration");
	else if (n != 32)
		diag_warn(d, loc, "routing_key has %zu characters; PagerDuty's have 32", n);
}

/* The configured URL may name the host alone. */
static char *
endpoint(const char *url)
{
	if (url == NULL)
		return xstrdup(PD_URL);
	const char *host = strstr(url, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;
	if (path == NULL)
		return xasprintf("%s/v2/enqueue", url);
	if (strcmp(path, "/") == 0)
		return xasprintf("%sv2/enqueue", url);
	if (strcmp(path, "/v2") == 0)
		return xasprintf("%s/enqueue", url);
	if (strcmp(path, "/v2/") == 0)
		return xasprintf("%senqueue", url);
	return xstrdup(url);
}

static const char *
action(enum event e)
{
	switch (e) {
	case EV_FIRING:
	case EV_LEVEL:
	case EV_ESCALATED:
		return "trigger";
	case EV_ACKNOWLEDGED:
		return "acknowledge";
	case EV_RESOLVED:
	case EV_DROPPED:
		return "resolve";
	case EV_PENDING: /* nobody is woken for what has not fired */
	case EVENTS:
		break;
	}
	return NULL;
}

enum step { FULL, NO_EXTRAS, SHORT_TEXT, MINIMAL, STEPS };

static void
add_object(struct buf *b, const char *key, const char *json, size_t max)
{
	buf_printf(b, ",\"%s\":", key);
	text_object(b, str_of(json ? json : "{}"), 100, max, BODY_MAX);
}

static void
add_text(struct buf *b, const char *key, const char *z, size_t max)
{
	if (z && *z)
		text_json(b, key, str_of(z), max, false);
}

static void
add_details(struct buf *b, const struct alert *a, enum step step)
{
	size_t max = step < SHORT_TEXT ? TEXT_MAX : SHORT_MAX;
	buf_addz(b, ",\"custom_details\":{\"id\":");
	json_str(b, str_of(a->id));
	add_text(b, "rule", a->rule, NAME_CHARS);
	add_text(b, "message", a->message, max);
	buf_addz(b, ",\"key\":");
	text_object(b, str_of(a->key ? a->key : "{}"), 100, max, step < SHORT_TEXT ? BODY_MAX : 64000);
	if (a->value && strlen(a->value) <= SHORT_MAX)
		buf_printf(b, ",\"value\":%s", a->value);
	buf_printf(b, ",\"count\":%lld,\"starts_at\":", (long long)a->count);
	json_time(b, a->starts_at);
	add_text(b, "cause", a->cause, NAME_CHARS);
	add_text(b, "session_id", a->session_id, SHORT_MAX);
	add_text(b, "user_id", a->user_id, SHORT_MAX);
	add_text(b, "stage", a->stage, SHORT_MAX);
	if (step == FULL) {
		add_object(b, "labels", a->labels, max);
		add_object(b, "metadata", a->metadata, max);
	}
	if (a->partial)
		buf_addz(b, ",\"partial\":true");
	buf_addc(b, '}');
}

static void
add_payload(struct buf *b, const struct pagerduty_conf *c, const struct sink_env *env, const struct alert *a, enum step step)
{
	struct buf summary;
	buf_init(&summary, 16u << 20);
	if (env->drill)
		buf_addz(&summary, "[DRILL] ");
	if (a->event == EV_ESCALATED)
		buf_addz(&summary, "Escalated: ");
	buf_str_add(&summary, text_title(a));
	buf_addz(b, ",\"client\":\"weir\",\"payload\":{\"summary\":");
	text_json(b, NULL, buf_str(&summary), SUMMARY_MAX, true);
	buf_free(&summary);
	text_json(b, "source", str_of(c->source && *c->source ? c->source : env->host), NAME_CHARS, true);
	buf_printf(b, ",\"severity\":\"%s\",\"timestamp\":", level_name[a->level]);
	json_time(b, a->timestamp);
	if (a->stage && *a->stage)
		text_json(b, "component", str_of(a->stage), NAME_CHARS, true);
	text_json(b, "class", str_of(a->rule), NAME_CHARS, true);
	if (step < MINIMAL)
		add_details(b, a, step);
	buf_addc(b, '}');
	if (step < MINIMAL && text_is_link(a->runbook) && strlen(a->runbook) <= LINK_MAX) {
		buf_addz(b, ",\"links\":[{\"href\":");
		json_str(b, str_of(a->runbook));
		buf_addz(b, ",\"text\":\"Runbook\"}]");
	}
}

static enum err
format(const void *conf, const struct sink_env *env, const struct alert *const *list, size_t n, struct request *q)
{
	const struct pagerduty_conf *c = conf;
	const struct alert *a = list[0];
	const char *act = action(a->event);
	char hex[DIGEST_HEX];
	must(n == 1);
	if (act == NULL)
		return ERR_BAD;
	digest_subject(a, hex);
	q->url = endpoint(c->url);
	request_header(q, "Content-Type: application/json");
	for (enum step step = env->minimal ? MINIMAL : FULL; step < STEPS; step++) {
		buf_clear(&q->body);
		buf_addz(&q->body, "{\"routing_key\":");
		json_str(&q->body, str_of(c->routing_key));
		buf_printf(&q->body, ",\"event_action\":\"%s\",\"dedup_key\":\"weir:%s\"", act, hex);
		if (strcmp(act, "trigger") == 0)
			add_payload(&q->body, c, env, a, step);
		buf_addc(&q->body, '}');
		if (!q->body.over && q->body.len <= BODY_MAX)
			return ERR_OK;
	}
	return ERR_LIMIT;
}

static void
judge(const void *conf, const struct reply *r, struct verdict *v)
{
	(void)conf;
	judge_common(r, v);
	if (r->status == 400 && (str_has(r->body, STR("routing_key")) || str_has(r->body, STR("Routing key"))))
		v->outcome = OUT_DEAD;
	else if (r->status == 413)
		v->again_minimal = true;
	else if (r->status == 400)
		v->again_minimal = str_has(r->body, STR("too long")) || str_has(r->body, STR("too large")) ||
				   str_has(r->body, STR("exceed"));
}

const struct sink_kind sink_pagerduty = {
	.kind = { "pagerduty", "Incidents through PagerDuty's Events API v2.", fields, sizeof(struct pagerduty_conf), check },
	.people = true,
	.pages = true,
	.least = LEVEL_CRITICAL,
	.batch = 1,
	.per_minute = 100,
	.burst = 20,
	.format = format,
	.judge = judge,
};
