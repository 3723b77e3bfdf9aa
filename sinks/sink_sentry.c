/* sink_sentry.c - Sentry events in envelopes.
 *
 * Wire: POST DSN-host/PATH/api/PROJECT/envelope/, application/x-sentry-envelope, gzip. Three lines: envelope header
 * (event_id, dsn, sent_at: the time of this attempt, sdk), item header (its length in bytes), event. event_id is of the
 * transition (id, event, timestamp), so a retry is stored once. level: critical is Sentry's fatal; what is over or
 * acknowledged is info. Default fingerprint: ["weir", rule, key]. Limits kept: message 8192 characters, tag key 32 and
 * value 200 without newline, context 8 kB, extra 16 kB a value and 50 pairs, so that an event stays far under 1 MiB.
 * Answers: 200; X-Sentry-Rate-Limits on any answer (only the categories error and default, or all, concern weir); 429
 * without it: Retry-After, else 60 s; 413: once more as the smallest event.
 */
#include "core/json.h"
#include "sinks/digest.h"
#include "sinks/text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_MAX = 8192, TAG_KEY_MAX = 32, TAG_MAX = 200, TAGS_MAX = 50, CONTEXT_MAX = 8000, VALUE_MAX = 1024,
	EXTRA_VALUE_MAX = 16000, EXTRA_MAX = 256000, RELEASE_MAX = 200, ENVIRONMENT_MAX = 64 };
#define LIMIT_DEFAULT (60 * NS_PER_S)
#define LIMIT_MAX (24 * 3600 * NS_PER_S)

struct sentry_conf {
	char *dsn, *environment, *release;
	bool insecure_http;
};

static const struct field fields[] = {
	{ "dsn", F_URL, offsetof(struct sentry_conf, dsn), F_REQUIRED, 0, 0, NULL, NULL,
		"The project's DSN, https://KEY@HOST/PROJECT." },
	{ "environment", F_STR, offsetof(struct sentry_conf, environment), 0, 0, 0, NULL, NULL, "Such as production." },
	{ "release", F_STR, offsetof(struct sentry_conf, release), 0, 0, 0, NULL, NULL, "The release events belong to." },
	{ "insecure_http", F_BOOL, offsetof(struct sentry_conf, insecure_http), 0, 0, 0, NULL, NULL,
		"Allow plain http to another machine." },
	{ 0 },
};

struct dsn { /* views into the DSN */
	struct str scheme, key, secret, host, path, project;
};

/* scheme://key[:secret]@host[:port][/path]/project */
static bool
dsn_parse(struct dsn *d, const char *z)
{
	*d = (struct dsn){ 0 };
	const char *p = z ? strstr(z, "://") : NULL;
	if (p == NULL)
		return false;
	d->scheme = (struct str){ z, (size_t)(p - z) };
	p += 3;
	size_t n = strcspn(p, "/?#");
	const char *at = memrchr(p, '@', n);
	if (at == NULL)
		return false;
	const char *colon = memchr(p, ':', (size_t)(at - p));
	d->key = (struct str){ p, (size_t)((colon ? colon : at) - p) };
	if (colon)
		d->secret = (struct str){ colon + 1, (size_t)(at - colon - 1) };
	d->host = (struct str){ at + 1, (size_t)(p + n - at - 1) };
	const char *rest = p + n;
	size_t len = strcspn(rest, "?#");
	while (len > 1 && rest[len - 1] == '/')
		len--;
	const char *slash = len ? memrchr(rest, '/', len) : NULL;
	if (slash == NULL)
		return false;
	d->path = (struct str){ rest, (size_t)(slash - rest) };
	d->project = (struct str){ slash + 1, (size_t)(rest + len - slash - 1) };
	return d->key.len && d->host.len && d->project.len;
}

static bool
is_release(const char *z)
{
	return *z && strcmp(z, ".") != 0 && strcmp(z, "..") != 0 && strpbrk(z, "\n\r\t/\\") == NULL &&
	       strspn(z, " ") != strlen(z) && utf8_len(str_of(z)) <= RELEASE_MAX;
}

static bool
is_environment(const char *z)
{
	return *z && strcmp(z, "None") != 0 && strpbrk(z, "\n\r/") == NULL && utf8_len(str_of(z)) <= ENVIRONMENT_MAX;
}

static void
check(void *conf, struct loc loc, struct diags *d)
{
	struct sentry_conf *c = conf;
	struct dsn dsn;
	if (!dsn_parse(&dsn, c->dsn))
		diag(d, loc, "dsn is not of the form https://KEY@HOST/PROJECT; copy it from the project's client keys");
	if (c->environment && !is_environment(c->environment))
		diag(d, loc, "environment is nothing Sentry takes: at most %d characters, no slash or newline, not \"None\"",
			ENVIRONMENT_MAX);
	if (c->release && !is_release(c->release))
		diag(d, loc, "release is nothing Sentry takes: at most %d characters, no slash, backslash, tab or newline",
			RELEASE_MAX);
}

static const char *
level_of(const struct alert *a)
{
	if (a->event == EV_RESOLVED || a->event == EV_DROPPED || a->event == EV_ACKNOWLEDGED)
		return "info";
	return a->level == LEVEL_CRITICAL ? "fatal" : level_name[a->level];
}

struct tags {
	struct buf *out;
	size_t n;
};

static void
add_tag(struct tags *t, struct str prefix, struct str name, struct str value)
{
	char key[TAG_KEY_MAX + 1];
	size_t n = 0;
	for (size_t part = 0; part < 2; part++) {
		struct str s = part ? name : prefix;
		for (size_t i = 0; i < s.len && n < TAG_KEY_MAX; i++) {
			char c = s.ptr[i];
			key[n++] = isalnum((unsigned char)c) || strchr("_.:-", c) ? c : '_';
			if (c == '\0')
				key[n - 1] = '_';
		}
	}
	key[n] = '\0';
	if (n == 0 || value.len == 0 || t->n >= TAGS_MAX)
		return;
	if (t->n++)
		buf_addc(t->out, ',');
	json_str(t->out, (struct str){ key, n });
	buf_addc(t->out, ':');
	text_json(t->out, NULL, value, TAG_MAX, true);
}

static void
add_tags_of(struct tags *t, struct str prefix, const char *object)
{
	struct json_it it = { 0 };
	struct str key, value;
	struct buf name, plain;
	buf_init(&name, 16u << 20);
	buf_init(&plain, 16u << 20);
	while (object && json_each(str_of(object), &it, &key, &value)) {
		buf_clear(&name);
		buf_clear(&plain);
		json_unescape(&name, key);
		json_plain(&plain, value);
		add_tag(t, prefix, buf_str(&name), buf_str(&plain));
	}
	buf_free(&name);
	buf_free(&plain);
}

static void
add_tags(struct buf *b, const struct sink_env *env, const struct alert *a, bool minimal)
{
	struct tags t = { b, 0 };
	buf_addz(b, ",\"tags\":{");
	add_tag(&t, STR(""), STR("rule"), str_of(a->rule));
	add_tag(&t, STR(""), STR("event"), str_of(event_name[a->event]));
	add_tag(&t, STR(""), STR("severity"), str_of(level_name[a->level]));
	if (env->drill)
		add_tag(&t, STR(""), STR("drill"), STR("true"));
	if (!minimal) {
		add_tag(&t, STR(""), STR("stage"), str_of(a->stage));
		add_tags_of(&t, STR("key."), a->key);
		add_tags_of(&t, STR(""), a->labels);
	}
	buf_addc(b, '}');
}

static void
add_text(struct buf *b, const char *key, const char *z)
{
	if (z && *z)
		text_json(b, key, str_of(z), VALUE_MAX, false);
}

static void
add_contexts(struct buf *b, const struct alert *a)
{
	buf_addz(b, ",\"contexts\":{\"alert\":{\"id\":");
	json_str(b, str_of(a->id));
	add_text(b, "rule", a->rule);
	add_text(b, "state", state_name[a->state]);
	if (a->value && strlen(a->value) <= VALUE_MAX)
		buf_printf(b, ",\"value\":%s", a->value);
	buf_printf(b, ",\"count\":%lld,\"starts_at\":", (long long)a->count);
	json_time(b, a->starts_at);
	buf_addz(b, ",\"ends_at\":");
	json_time(b, a->ends_at);
	add_text(b, "cause", a->cause);
	add_text(b, "runbook", a->runbook);
	add_text(b, "session_id", a->session_id);
	add_text(b, "stage", a->stage);
	if (a->partial)
		buf_addz(b, ",\"partial\":true");
	buf_addz(b, "},\"key\":");
	text_object(b, str_of(a->key ? a->key : "{}"), 50, VALUE_MAX, CONTEXT_MAX);
	buf_addz(b, "},\"extra\":");
	text_object(b, str_of(a->metadata ? a->metadata : "{}"), 50, EXTRA_VALUE_MAX, EXTRA_MAX);
}

static void
add_message(struct buf *b, const struct sink_env *env, const struct alert *a, bool minimal)
{
	struct buf text;
	buf_init(&text, 16u << 20);
	if (env->drill)
		buf_addz(&text, "[DRILL] ");
	if (a->event == EV_RESOLVED)
		buf_addz(&text, "Resolved: ");
	else if (a->event == EV_ACKNOWLEDGED)
		buf_addz(&text, "Acknowledged: ");
	else if (a->event == EV_ESCALATED)
		buf_addz(&text, "Escalated: ");
	buf_str_add(&text, text_title(a));
	if (!minimal && a->message && *a->message && !str_eq(str_of(a->message), text_title(a)))
		buf_printf(&text, "\n%s", a->message);
	buf_addz(b, ",\"logentry\":{\"formatted\":");
	text_json(b, NULL, buf_str(&text), minimal ? VALUE_MAX : MESSAGE_MAX, false);
	buf_addc(b, '}');
	buf_free(&text);
}

static void
add_fingerprint(struct buf *b, const struct alert *a)
{
	buf_addz(b, ",\"fingerprint\":");
	if (a->fingerprint && a->fingerprint[0] == '[' && strcmp(a->fingerprint, "[]") != 0) {
		buf_addz(b, a->fingerprint);
		return;
	}
	buf_addz(b, "[\"weir\",");
	json_str(b, str_of(a->rule));
	buf_addc(b, ',');
	text_json(b, NULL, str_of(a->key ? a->key : "{}"), VALUE_MAX, true);
	buf_addc(b, ']');
}

static void
add_event(struct buf *b, const struct sentry_conf *c, const struct sink_env *env, const struct alert *a, const char *id)
{
	buf_printf(b, "{\"event_id\":\"%.32s\",\"timestamp\":", id);
	json_time(b, a->timestamp);
	buf_printf(b, ",\"platform\":\"other\",\"level\":\"%s\",\"logger\":\"weir\"", level_of(a));
	text_json(b, "server_name", str_of(env->host), 200, true);
	if (c->release)
		text_json(b, "release", str_of(c->release), RELEASE_MAX, true);
	if (c->environment)
		text_json(b, "environment", str_of(c->environment), ENVIRONMENT_MAX, true);
	add_message(b, env, a, env->minimal);
	add_fingerprint(b, a);
	add_tags(b, env, a, env->minimal);
	if (!env->minimal) {
		if (a->user_id && *a->user_id) {
			buf_addz(b, ",\"user\":{\"id\":");
			text_json(b, NULL, str_of(a->user_id), 200, true);
			buf_addc(b, '}');
		}
		add_contexts(b, a);
	}
	buf_addz(b, ",\"sdk\":{\"name\":\"weir\",\"version\":\"1.0.0\"}}");
}

static enum err
format(const void *conf, const struct sink_env *env, const struct alert *const *list, size_t n, struct request *q)
{
	const struct sentry_conf *c = conf;
	const struct alert *a = list[0];
	struct dsn d;
	struct buf event;
	char hex[DIGEST_HEX];
	must(n == 1);
	if (!dsn_parse(&d, c->dsn))
		return ERR_CONF;
	digest_transition(a, hex);
	buf_init(&event, 900 << 10);
	add_event(&event, c, env, a, hex);
	q->url = xasprintf("%.*s://%.*s%.*s/api/%.*s/envelope/", STR_ARG(d.scheme), STR_ARG(d.host), STR_ARG(d.path),
		STR_ARG(d.project));
	request_header(q, "Content-Type: application/x-sentry-envelope");
	request_header(q, "X-Sentry-Auth: Sentry sentry_version=7, sentry_client=" WEIR_AGENT ", sentry_key=%.*s%s%.*s", STR_ARG(d.key),
		d.secret.len ? ", sentry_secret=" : "", STR_ARG(d.secret));
	buf_printf(&q->body, "{\"event_id\":\"%.32s\",\"dsn\":", hex);
	json_str(&q->body, str_of(c->dsn));
	buf_addz(&q->body, ",\"sent_at\":");
	json_time(&q->body, env->now);
	buf_addz(&q->body, ",\"sdk\":{\"name\":\"weir\",\"version\":\"1.0.0\"}}\n");
	buf_printf(&q->body, "{\"type\":\"event\",\"length\":%zu,\"content_type\":\"application/json\"}\n", event.len);
	buf_str_add(&q->body, buf_str(&event));
	buf_addc(&q->body, '\n');
	bool over = event.over || q->body.over;
	buf_free(&event);
	if (over)
		return ERR_LIMIT;
	request_gzip(q);
	return ERR_OK;
}

static struct str
cut_at(struct str *rest, char sep)
{
	struct str s = *rest;
	const char *at = s.len ? memchr(s.ptr, sep, s.len) : NULL;
	if (at == NULL) {
		*rest = (struct str){ 0 };
	} else {
		rest->ptr = at + 1;
		rest->len = (size_t)(s.ptr + s.len - at - 1);
		s.len = (size_t)(at - s.ptr);
	}
	while (s.len && s.ptr[0] == ' ')
		s.ptr++, s.len--;
	while (s.len && s.ptr[s.len - 1] == ' ')
		s.len--;
	return s;
}

/* Does a limit with these categories (separated by ';') hold events back? None named: it holds everything. */
static bool
concerns(struct str categories)
{
	if (categories.len == 0)
		return true;
	while (categories.len) {
		struct str one = cut_at(&categories, ';');
		if (str_eq(one, STR("error")) || str_eq(one, STR("default")))
			return true;
	}
	return false;
}

static nsec
seconds(struct str s)
{
	char text[32] = { 0 }, *end;
	if (s.len == 0 || s.len >= sizeof text)
		return LIMIT_DEFAULT;
	memcpy(text, s.ptr, s.len);
	double v = strtod(text, &end);
	if (*end || !isfinite(v) || v < 0)
		return LIMIT_DEFAULT;
	nsec ns = v > 86400 ? LIMIT_MAX : (nsec)(ceil(v) * 1e9);
	return ns;
}

/* "60:error;default:organization:reason, 2700::key": the longest pause that concerns weir's events; 0: none. */
static nsec
limits_pause(struct str header)
{
	nsec longest = 0;
	while (header.len) {
		struct str one = cut_at(&header, ',');
		if (one.len == 0)
			continue;
		nsec pause = seconds(cut_at(&one, ':'));
		if (concerns(cut_at(&one, ':')) && pause > longest)
			longest = pause;
	}
	return longest;
}

static void
judge(const void *conf, const struct reply *r, struct verdict *v)
{
	(void)conf;
	judge_common(r, v);
	nsec pause = limits_pause(r->rate_limits);
	if (r->status == 429) {
		if (r->rate_limits.len)
			v->wait = pause ? pause : NS_PER_S; /* refused by a limit that is not ours: only not at once */
		else if (r->retry_after == NS_NONE || r->retry_after <= 0)
			v->wait = LIMIT_DEFAULT;
	} else if (pause && r->status != 0 && v->outcome != OUT_DEAD) {
		v->wait = pause > v->wait ? pause : v->wait;
	}
	if (r->status == 413)
		v->again_minimal = true;
}

const struct sink_kind sink_sentry = {
	.kind = { "sentry", "Events to Sentry, or to what speaks its envelopes.", fields, sizeof(struct sentry_conf), check },
	.people = true,
	.least = LEVEL_ERROR,
	.batch = 1,
	.format = format,
	.judge = judge,
};
