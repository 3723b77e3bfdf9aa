/* sink_slack_test.c - payloads byte for byte, limits at their edge and one past it, every documented answer. */
#include "sinks/sink_test.h"

#include <ctype.h>

struct slack_conf { /* as in sink_slack.c: the test fills it as config does */
	char *webhook_url;
	struct strmap mention;
	bool insecure_http;
};

static char *mention_k[] = { (char[]){ "critical" } }, *mention_v[] = { (char[]){ "<!subteam^S1>" } };
static struct slack_conf conf = { (char[]){ "https://hooks.slack.example/services/T1/B1/x" }, { mention_k, mention_v, 1 }, false };

/* The value of the n-th "name": string in a body, decoded. */
static void
string_in(struct buf *out, struct str body, const char *before, size_t nth)
{
	const char *p = body.ptr, *end = body.ptr + body.len;
	buf_clear(out);
	for (size_t i = 0; i <= nth && p; i++) {
		p = memmem(p, (size_t)(end - p), before, strlen(before));
		p = p ? p + strlen(before) : NULL;
	}
	if (p == NULL)
		return;
	const char *q = p;
	while (*q != '"')
		q += *q == '\\' ? 2 : 1;
	json_unescape(out, (struct str){ p, (size_t)(q - p) });
}

static void
payloads(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing(), b = alert_resolved();
	golden_of("slack/firing.json", &sink_slack, &conf, &env, &a);
	golden_of("slack/resolved.json", &sink_slack, &conf, &env, &b);
	env.drill = true;
	env.minimal = true;
	golden_of("slack/minimal-drill.json", &sink_slack, &conf, &env, &a);
	env.drill = env.minimal = false;
	struct request q = request_of(&sink_slack, &conf, &env, &a);
	isz(q.url, conf.webhook_url, "the URL is the configured one");
	isz(header_of(&q, "Content-Type"), "application/json; charset=utf-8", "its content type");
	struct str body = buf_str(&q.body);
	size_t controls = 0;
	for (size_t i = 0; i + 1 < body.len; i++)
		controls += body.ptr[i] == '<' && body.ptr[i + 1] == '!';
	ok(controls == 1 && str_has(body, STR("<!subteam^S1>")), "the only control sequence is the configuration's");
	ok(str_has(body, STR("&lt;!channel&gt;")), "log text cannot ping");
	request_free(&q);
	a.level = LEVEL_ERROR;
	q = request_of(&sink_slack, &conf, &env, &a);
	ok(!str_has(buf_str(&q.body), STR("<!")), "a level without mention pings nobody");
	request_free(&q);
	q = request_of(&sink_slack, &conf, &env, &b);
	ok(!str_has(buf_str(&q.body), STR("<!")), "a resolve pings nobody");
	request_free(&q);
	alert_free(&a);
	alert_free(&b);
}

/* Message of n units (each wide characters on the wire) against the 3000 of a section. */
static void
message_edge(const char *unit, size_t wide, size_t n, bool cut)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	struct buf got;
	buf_init(&got, 1 << 20);
	free(a.message);
	a.message = repeat(unit, n);
	struct request q = request_of(&sink_slack, &conf, &env, &a);
	string_in(&got, buf_str(&q.body), "{\"type\":\"section\",\"text\":{\"type\":\"plain_text\",\"text\":\"", 0);
	size_t len = utf8_len(buf_str(&got));
	bool ends = str_has(buf_str(&got), STR("\xe2\x80\xa6"));
	ok(len <= 3000 && ends == cut && (cut ? len > 3000 - wide - 1 : len == n * wide) && utf8_valid(buf_str(&got)) == got.len,
		"a message of %zu x %s: %s", n, unit, cut ? "cut within 3000" : "whole");
	request_free(&q);
	buf_free(&got);
	alert_free(&a);
}

static void
limits(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	struct buf got;
	buf_init(&got, 1 << 20);
	message_edge("x", 1, 3000, false);
	message_edge("x", 1, 3001, true);
	message_edge("&", 5, 600, false);
	message_edge("&", 5, 601, true);
	message_edge("\xf0\x9f\x94\xa5", 1, 3000, false);
	message_edge("\xf0\x9f\x94\xa5", 1, 3001, true);
	for (size_t extra = 0; extra < 2; extra++) {
		free(a.title);
		a.title = repeat("t", 150 - strlen("CRITICAL: ") + extra);
		struct request q = request_of(&sink_slack, &conf, &env, &a);
		string_in(&got, buf_str(&q.body), "{\"type\":\"header\",\"text\":{\"type\":\"plain_text\",\"text\":\"", 0);
		ok(utf8_len(buf_str(&got)) == 150 && str_has(buf_str(&got), STR("\xe2\x80\xa6")) == (extra == 1),
			"a headline of %zu characters", 150 + extra);
		request_free(&q);
	}
	for (size_t extra = 0; extra < 2; extra++) {
		char *value = repeat("v", 2000 - strlen("*k*\n``") + extra);
		char *key = xasprintf("{\"k\":\"%s\"}", value);
		set(&a.key, key);
		struct request q = request_of(&sink_slack, &conf, &env, &a);
		string_in(&got, buf_str(&q.body), "{\"type\":\"mrkdwn\",\"text\":\"*k*", 0);
		size_t len = utf8_len(buf_str(&got)) + 3;
		ok(len == 2000 && got.data[got.len - 1] == '`' && str_has(buf_str(&got), STR("\xe2\x80\xa6")) == (extra == 1),
			"a field of %zu characters keeps its closing backtick", 2000 + extra);
		request_free(&q);
		free(value);
		free(key);
	}
	buf_free(&got);
	alert_free(&a);
}

/* A key of 600 fields with long values: at most 50 blocks, 10 fields each, 12000 characters. */
static void
totals(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	for (size_t wide = 1; wide <= 1500; wide += 1499) {
		char *value = repeat("w", wide);
		struct buf key, got;
		buf_init(&key, 4 << 20);
		buf_init(&got, 1 << 20);
		for (int i = 0; i < 600; i++)
			buf_printf(&key, "%c\"k%d\":\"%s\"", i ? ',' : '{', i, value);
		buf_addc(&key, '}');
		set(&a.key, buf_z(&key));
		free(a.message);
		a.message = repeat("m", 4000);
		struct request q = request_of(&sink_slack, &conf, &env, &a);
		size_t blocks = 0, total = 0, fields = 0, most = 0;
		for (const char *p = q.body.data; (p = strstr(p, "\"type\":\"")) != NULL; p++) {
			bool block = !strncmp(p + 8, "section", 7) || !strncmp(p + 8, "header", 6) || !strncmp(p + 8, "context", 7);
			blocks += block;
			fields = block ? 0 : fields + 1;
			most = fields > most ? fields : most;
		}
		const char *list = strstr(q.body.data, "\"blocks\":");
		for (size_t i = 0;; i++) {
			string_in(&got, str_of(list), "\"text\":\"", i);
			if (got.len == 0)
				break;
			total += utf8_len(buf_str(&got));
		}
		ok(blocks <= 50 && blocks > 3, "%zu blocks of at most 50", blocks);
		ok(wide == 1 ? most == 10 : most <= 10, "%zu fields in a section, at most 10", most);
		ok(total <= 12000, "%zu characters in all, at most 12000", total);
		ok(str_has(buf_str(&q.body), STR(" more fields")), "what found no room is counted");
		request_free(&q);
		buf_free(&key);
		buf_free(&got);
		free(value);
	}
	alert_free(&a);
}

static const struct answer answers[] = {
	{ 200, "ok", OUT_OK, false, 0 },
	{ 200, " ok ", OUT_OK, false, 0 },
	{ 200, "", OUT_OK, false, 0 },
	{ 200, "{\"ok\":true}", OUT_OK, false, 0 },
	{ 200, "<html>log in</html>", OUT_RETRY, false, 0 },
	{ 200, "{\"ok\":false,\"error\":\"invalid_auth\"}", OUT_DEAD, false, 0 },
	{ 200, "{\"ok\": false}", OUT_RETRY, false, 0 },
	{ 200, "{\"ok\":false,\"error\":\"ratelimited\"}", OUT_THROTTLED, false, 30 * NS_PER_S },
	{ 400, "invalid_payload", OUT_REJECTED, false, 0 },
	{ 400, "invalid_blocks", OUT_REJECTED, true, 0 },
	{ 400, "invalid_attachments", OUT_REJECTED, true, 0 },
	{ 400, "no_text", OUT_REJECTED, false, 0 },
	{ 400, "too_many_attachments", OUT_REJECTED, true, 0 },
	{ 400, "user_not_found", OUT_DEAD, false, 0 },
	{ 400, "never heard of", OUT_REJECTED, false, 0 },
	{ 413, "", OUT_REJECTED, true, 0 },
	{ 403, "action_prohibited", OUT_DEAD, false, 0 },
	{ 403, "invalid_token", OUT_DEAD, false, 0 },
	{ 404, "no_service", OUT_DEAD, false, 0 },
	{ 404, "channel_not_found", OUT_DEAD, false, 0 },
	{ 404, "no_active_hooks", OUT_DEAD, false, 0 },
	{ 410, "channel_is_archived", OUT_DEAD, false, 0 },
	{ 401, "what", OUT_DEAD, false, 0 },
	{ 302, "", OUT_DEAD, false, 0 },
	{ 429, "", OUT_THROTTLED, false, 30 * NS_PER_S },
	{ 429, "{\"retry_after\":7,\"ok\":false,\"error\":\"rate_limited\"}", OUT_THROTTLED, false, 7 * NS_PER_S },
	{ 500, "rollup_error", OUT_RETRY, false, 0 },
	{ 503, "", OUT_RETRY, false, 0 },
	{ 0, "", OUT_AMBIGUOUS, false, 0 },
};

static void
configuration(void)
{
	struct slack_conf c = conf;
	ok(mistakes(&sink_slack, &c) == 0, "a good configuration");
	c.webhook_url = (char[]){ "https://user@hooks.slack.example/x" };
	ok(mistakes(&sink_slack, &c) == 1, "a user name in the URL is refused");
	c = conf;
	c.mention.k = (char *[]){ (char[]){ "urgent" } };
	ok(mistakes(&sink_slack, &c) == 1, "mention of no level is refused");
}

int
main(void)
{
	payloads();
	limits();
	totals();
	judge_table(&sink_slack, &conf, answers, COUNT_OF(answers));
	struct verdict v = judged(&sink_slack, &conf, 429, "", 12 * NS_PER_S, NULL);
	ok(v.outcome == OUT_THROTTLED && v.wait == 12 * NS_PER_S, "Retry-After is kept");
	configuration();
	return tap_done();
}
