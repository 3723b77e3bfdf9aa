/* sink_slack.c - a Slack incoming webhook: one message a transition.
 *
 * Wire: POST application/json to the webhook URL, which is the secret. {"text", "attachments":[{"color","fallback",
 * "blocks"}]}: text is what notifications show; one attachment gives the colour bar. Limits: header 150 characters,
 * section 3000, field 2000, 10 fields a section, 50 blocks, and 12000 characters of block text in all (more is refused
 * though no page says so); all counted after escaping. Log text can never ping: & < > are escaped everywhere, texts are
 * plain_text or verbatim mrkdwn, values stand in code spans; control sequences come from `mention` alone.
 * Answers: 200 "ok"; else one token of plain text, which is told apart before the status.
 * Cost: O(bytes of the transition), cut early.
 */
#include "core/json.h"
#include "core/units.h"
#include "sinks/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 3000, HEADER_MAX = 150, SECTION_MAX = 3000, FIELD_MAX = 2000, FIELDS_MAX = 10, NAME_MAX_CHARS = 200,
	BLOCKS_MAX = 50, TOTAL_MAX = 12000 };
enum { TAIL_BLOCKS = 2, TAIL_CHARS = 3400 }; /* kept free for the runbook and the context */
#define WORK_MAX (16u << 20)

struct slack_conf {
	char *webhook_url;
	struct strmap mention;
	bool insecure_http;
};

static const struct field fields[] = {
	{ "webhook_url", F_URL, offsetof(struct slack_conf, webhook_url), F_REQUIRED, 0, 0, NULL, NULL,
		"The incoming webhook's URL; all of it is a secret." },
	{ "mention", F_STRMAP, offsetof(struct slack_conf, mention), 0, 0, 0, NULL, NULL,
		"Whom to ping by level, such as {critical: \"<!subteam^S1>\"}; sent with firing, level and escalated." },
	{ "insecure_http", F_BOOL, offsetof(struct slack_conf, insecure_http), 0, 0, 0, NULL, NULL,
		"Allow plain http to another machine." },
	{ 0 },
};

static void
check(void *conf, struct loc loc, struct diags *d)
{
	struct slack_conf *c = conf;
	url_check("webhook_url", c->webhook_url, loc, d);
	for (size_t i = 0; i < c->mention.n; i++) {
		bool known = false;
		for (int l = 0; l < LEVELS; l++)
			known = known || strcmp(c->mention.k[i], level_name[l]) == 0;
		if (!known)
			diag(d, loc, "mention names no level: \"%s\"; it is one of info, warning, error, critical", c->mention.k[i]);
		if (c->mention.v[i] == NULL || utf8_len(str_of(c->mention.v[i])) > 500)
			diag(d, loc, "mention of %s is empty or longer than 500 characters", c->mention.k[i]);
	}
}

/* Append clean text escaped for Slack, at most max characters on the wire; gives how many it took. */
static size_t
add_escaped(struct buf *out, struct str clean, size_t max)
{
	size_t cost = 0, used = 0, i = 0;
	for (size_t k = 0; k < clean.len; k++) {
		char c = clean.ptr[k];
		cost += c == '&' ? 5 : c == '<' || c == '>' ? 4 : ((unsigned char)c & 0xc0) != 0x80;
	}
	bool cut = cost > max;
	size_t room = cut && max ? max - 1 : max;
	while (i < clean.len) {
		size_t n = 1;
		while (i + n < clean.len && ((unsigned char)clean.ptr[i + n] & 0xc0) == 0x80)
			n++;
		char c = clean.ptr[i];
		const char *name = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
		size_t one = name ? strlen(name) : 1;
		if (used + one > room)
			break;
		if (name)
			buf_addz(out, name);
		else
			buf_add(out, clean.ptr + i, n);
		used += one;
		i += n;
	}
	if (cut && max) {
		buf_addz(out, "\xe2\x80\xa6");
		used++;
	}
	return used;
}

struct message {
	struct buf *out;
	struct buf clean, text; /* work space of one text */
	size_t left;            /* characters of block text still allowed */
	size_t blocks, nfields; /* blocks begun; fields in the open section */
	size_t dropped;         /* fields that found no room */
};

static void
block_begin(struct message *m)
{
	if (m->blocks++)
		buf_addc(m->out, ',');
}

static void
fields_end(struct message *m)
{
	if (m->nfields)
		buf_addz(m->out, "]}");
	m->nfields = 0;
}

/* m->text := s cleaned and escaped, at most max characters. */
static size_t
prepare(struct message *m, struct str s, size_t max, bool one_line)
{
	buf_clear(&m->clean);
	buf_clear(&m->text);
	text_clean(&m->clean, s, one_line);
	return add_escaped(&m->text, buf_str(&m->clean), max);
}

/* One name and value, the value in a code span: nothing in it is read as markup, emoji or link. */
static void
add_field(struct message *m, struct str name, struct str value)
{
	bool opens = m->nfields == 0 || m->nfields == FIELDS_MAX;
	if (m->left < TAIL_CHARS + NAME_MAX_CHARS + 6 || (opens && m->blocks + TAIL_BLOCKS >= BLOCKS_MAX)) {
		m->dropped++;
		return;
	}
	struct buf text;
	buf_init(&text, 64 << 10);
	size_t room = m->left - TAIL_CHARS;
	room = room < FIELD_MAX ? room : FIELD_MAX;
	size_t used = 5 + prepare(m, name, NAME_MAX_CHARS, true);
	buf_printf(&text, "*%s*\n`", buf_z(&m->text));
	used += prepare(m, value.len ? value : STR("\"\""), room - used, true);
	for (size_t i = 0; i < m->text.len; i++) /* a backtick would end the span: U+02BC looks alike, one character too */
		if (m->text.data[i] == '`')
			buf_addz(&text, "\xca\xbc");
		else
			buf_addc(&text, m->text.data[i]);
	buf_addc(&text, '`');
	if (opens) {
		fields_end(m);
		block_begin(m);
		buf_addz(m->out, "{\"type\":\"section\",\"fields\":[");
	}
	buf_addz(m->out, m->nfields++ ? ",{\"type\":\"mrkdwn\",\"text\":" : "{\"type\":\"mrkdwn\",\"text\":");
	json_str(m->out, buf_str(&text));
	buf_addz(m->out, ",\"verbatim\":true}");
	m->left -= used;
	buf_free(&text);
}

static void
add_named(struct message *m, const char *name, const char *value)
{
	if (value && *value)
		add_field(m, str_of(name), str_of(value));
}

static void
add_json_field(struct message *m, struct str name, struct str json)
{
	struct buf plain, key;
	buf_init(&plain, WORK_MAX);
	buf_init(&key, WORK_MAX);
	json_unescape(&key, name);
	json_plain(&plain, json);
	add_field(m, buf_str(&key), buf_str(&plain));
	buf_free(&plain);
	buf_free(&key);
}

static void
add_fields(struct message *m, const struct alert *a)
{
	struct json_it it = { 0 };
	struct str key, value;
	add_named(m, "Rule", a->rule);
	if (a->value)
		add_json_field(m, STR("Value"), str_of(a->value));
	if (a->key)
		while (json_each(str_of(a->key), &it, &key, &value))
			add_json_field(m, key, value);
	add_named(m, "Cause", a->cause);
	add_named(m, "Stage", a->stage);
	add_named(m, "Session", a->session_id);
	add_named(m, "User", a->user_id);
	fields_end(m);
}

static void
add_runbook(struct message *m, const struct alert *a)
{
	if (!text_is_link(a->runbook))
		return;
	struct buf link;
	buf_init(&link, 16 << 10);
	size_t cost = strlen(a->runbook);
	for (const char *p = a->runbook; *p; p++)
		cost += *p == '&' ? 4 : 0;
	if (cost > SECTION_MAX - 100) { /* a cut link leads nowhere */
		m->dropped++;
		return;
	}
	buf_addc(&link, '<');
	m->left -= 10 + add_escaped(&link, str_of(a->runbook), cost);
	buf_addz(&link, "|Runbook>");
	block_begin(m);
	buf_addz(m->out, "{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":");
	json_str(m->out, buf_str(&link));
	buf_addz(m->out, ",\"verbatim\":true}}");
	buf_free(&link);
}

static void
add_context(struct message *m, const struct sink_env *env, const struct alert *a)
{
	char at[32];
	struct buf b;
	buf_init(&b, 4096);
	time_text(a->timestamp, at);
	buf_printf(&b, "%s \xe2\x80\xa2 %s \xe2\x80\xa2 weir on %.200s", at, a->id, env->host);
	if (a->partial)
		buf_addz(&b, " \xe2\x80\xa2 partial: not all records were seen");
	if (m->dropped)
		buf_printf(&b, " \xe2\x80\xa2 +%zu more fields", m->dropped);
	prepare(m, buf_str(&b), 390, true);
	block_begin(m);
	buf_addz(m->out, "{\"type\":\"context\",\"elements\":[{\"type\":\"plain_text\",\"text\":");
	json_str(m->out, buf_str(&m->text));
	buf_addz(m->out, ",\"emoji\":false}]}");
	buf_free(&b);
}

static const char *
colour(const struct alert *a)
{
	static const char *const by_level[LEVELS] = { "#439fe0", "#f2c744", "#e8590c", "#d00000" };
	return a->event == EV_RESOLVED || a->event == EV_DROPPED ? "good" : by_level[a->level];
}

static const char *
mention(const struct slack_conf *c, const struct alert *a)
{
	if (a->event == EV_FIRING || a->event == EV_LEVEL || a->event == EV_ESCALATED)
		for (size_t i = 0; i < c->mention.n; i++)
			if (strcmp(c->mention.k[i], level_name[a->level]) == 0)
				return c->mention.v[i];
	return NULL;
}

static void
add_blocks(struct message *m, const struct sink_env *env, const struct alert *a, struct str headline)
{
	m->left -= prepare(m, headline, HEADER_MAX, true);
	block_begin(m);
	buf_addz(m->out, "{\"type\":\"header\",\"text\":{\"type\":\"plain_text\",\"text\":");
	json_str(m->out, buf_str(&m->text));
	buf_addz(m->out, ",\"emoji\":false}}");
	if (a->message && *a->message && !str_eq(str_of(a->message), text_title(a))) {
		m->left -= prepare(m, str_of(a->message), SECTION_MAX, false);
		if (m->text.len) {
			block_begin(m);
			buf_addz(m->out, "{\"type\":\"section\",\"text\":{\"type\":\"plain_text\",\"text\":");
			json_str(m->out, buf_str(&m->text));
			buf_addz(m->out, ",\"emoji\":false}}");
		}
	}
	add_fields(m, a);
	add_runbook(m, a);
	add_context(m, env, a);
}

static enum err
format(const void *conf, const struct sink_env *env, const struct alert *const *a, size_t n, struct request *q)
{
	const struct slack_conf *c = conf;
	must(n == 1);
	struct message m = { .out = &q->body, .left = TOTAL_MAX };
	struct buf headline, text;
	buf_init(&m.clean, WORK_MAX);
	buf_init(&m.text, WORK_MAX);
	buf_init(&headline, WORK_MAX);
	buf_init(&text, 64 << 10);
	text_headline(&headline, env, a[0]);
	q->url = xstrdup(c->webhook_url);
	request_header(q, "Content-Type: application/json; charset=utf-8");

	const char *who = mention(c, a[0]);
	size_t lead = who ? utf8_len(str_of(who)) + 1 : 0;
	if (who)
		buf_printf(&text, "%s ", who);
	prepare(&m, buf_str(&headline), TEXT_MAX - lead, true);
	buf_str_add(&text, buf_str(&m.text));
	buf_addz(m.out, "{\"text\":");
	json_str(m.out, buf_str(&text));
	if (!env->minimal) {
		buf_printf(m.out, ",\"attachments\":[{\"color\":\"%s\",\"fallback\":", colour(a[0]));
		json_str(m.out, buf_str(&m.text));
		buf_addz(m.out, ",\"blocks\":[");
		add_blocks(&m, env, a[0], buf_str(&headline));
		buf_addz(m.out, "]}]");
	}
	buf_addz(m.out, ",\"unfurl_links\":false,\"unfurl_media\":false}");
	buf_free(&m.clean);
	buf_free(&m.text);
	buf_free(&headline);
	buf_free(&text);
	return q->body.over ? ERR_LIMIT : ERR_OK;
}

struct token {
	const char *word;
	enum outcome outcome;
	bool minimal; /* the plain text form may pass where blocks did not */
};

static const struct token tokens[] = {
	{ "invalid_payload", OUT_REJECTED, false },
	{ "invalid_blocks", OUT_REJECTED, true },
	{ "invalid_blocks_format", OUT_REJECTED, true },
	{ "invalid_attachments", OUT_REJECTED, true },
	{ "msg_blocks_too_long", OUT_REJECTED, true },
	{ "msg_too_long", OUT_REJECTED, true },
	{ "too_many_attachments", OUT_REJECTED, true },
	{ "no_text", OUT_REJECTED, false },
	{ "missing_text_or_fallback_or_attachments", OUT_REJECTED, false },
	{ "user_not_found", OUT_DEAD, false },
	{ "action_prohibited", OUT_DEAD, false },
	{ "posting_to_general_channel_denied", OUT_DEAD, false },
	{ "invalid_token", OUT_DEAD, false },
	{ "invalid_auth", OUT_DEAD, false },
	{ "channel_not_found", OUT_DEAD, false },
	{ "channel_is_archived", OUT_DEAD, false },
	{ "is_archived", OUT_DEAD, false },
	{ "no_service", OUT_DEAD, false },
	{ "no_service_id", OUT_DEAD, false },
	{ "no_active_hooks", OUT_DEAD, false },
	{ "no_team", OUT_DEAD, false },
	{ "team_disabled", OUT_DEAD, false },
	{ "ratelimited", OUT_THROTTLED, false },
	{ "rate_limited", OUT_THROTTLED, false },
	{ "message_limit_exceeded", OUT_THROTTLED, false },
	{ "rollup_error", OUT_RETRY, false },
	{ "internal_error", OUT_RETRY, false },
	{ "fatal_error", OUT_RETRY, false },
	{ "service_unavailable", OUT_RETRY, false },
	{ "request_timeout", OUT_RETRY, false },
};

static struct str
trim(struct str s)
{
	while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]))
		s.len--;
	while (s.len && strchr(" \t\r\n", s.ptr[0]))
		s.ptr++, s.len--;
	return s;
}

/* A pause that only the body tells. */
static nsec
body_pause(struct str body)
{
	struct str s = reply_member(body, "retry_after");
	char text[16] = { 0 };
	if (s.len == 0 || s.len >= sizeof text)
		return 0;
	memcpy(text, s.ptr, s.len);
	long v = strtol(text, NULL, 10);
	return v > 0 && v <= 3600 ? v * NS_PER_S : 0;
}

static void
judge(const void *conf, const struct reply *r, struct verdict *v)
{
	(void)conf;
	judge_common(r, v);
	if (r->status == 0)
		return;
	struct str said = trim(r->body);
	bool json = said.len && said.ptr[0] == '{';
	if (json)
		said = reply_member(said, "error");
	for (size_t i = 0; i < COUNT_OF(tokens) && said.len; i++)
		if (str_eq(said, str_of(tokens[i].word))) {
			bool paused = v->outcome == OUT_THROTTLED;
			v->outcome = tokens[i].outcome;
			v->again_minimal = tokens[i].minimal;
			if (v->outcome != OUT_THROTTLED)
				v->wait = 0;
			else if (!paused)
				v->wait = 30 * NS_PER_S;
			break;
		}
	if (v->outcome == OUT_THROTTLED && (r->retry_after == NS_NONE || r->retry_after <= 0) && body_pause(r->body))
		v->wait = body_pause(r->body);
	v->again_minimal = v->again_minimal || r->status == 413;
	/* A proxy's or portal's page with 200 is no acceptance. */
	bool refused = json ? str_eq(reply_member(r->body, "ok"), STR("false")) : said.len && !str_eq(said, STR("ok"));
	if (v->outcome == OUT_OK && refused) {
		v->outcome = OUT_RETRY;
		snprintf(v->why, sizeof v->why, "HTTP %d, but the answer is not Slack's \"ok\"", r->status);
	}
}

const struct sink_kind sink_slack = {
	.kind = { "slack", "Messages to a Slack channel through an incoming webhook.", fields, sizeof(struct slack_conf), check },
	.people = true,
	.least = LEVEL_INFO,
	.batch = 1,
	.per_minute = 60,
	.burst = 5,
	.fresh = true,
	.format = format,
	.judge = judge,
};
