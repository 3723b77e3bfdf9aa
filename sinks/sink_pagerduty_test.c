/* sink_pagerduty_test.c - events byte for byte, the two limits at their edge, every documented answer. */
#include "sinks/sink_test.h"

struct pagerduty_conf { /* as in sink_pagerduty.c */
	char *routing_key, *url, *source;
	bool insecure_http;
};

static struct pagerduty_conf conf = { (char[]){ "0123456789abcdef0123456789abcdef" }, (char[]){ "http://127.0.0.1:9/v2/enqueue" }, NULL,
	false };

static void
payloads(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing(), b = alert_resolved();
	golden_of("pagerduty/trigger.json", &sink_pagerduty, &conf, &env, &a);
	golden_of("pagerduty/resolve.json", &sink_pagerduty, &conf, &env, &b);
	b.event = EV_ACKNOWLEDGED;
	golden_of("pagerduty/acknowledge.json", &sink_pagerduty, &conf, &env, &b);
	env.minimal = env.drill = true;
	golden_of("pagerduty/minimal-drill.json", &sink_pagerduty, &conf, &env, &a);
	env = env_of_test();
	a.event = EV_PENDING;
	struct request q;
	request_init(&q);
	const struct alert *list = &a;
	ok(sink_pagerduty.format(&conf, &env, &list, 1, &q) == ERR_BAD, "what is pending wakes nobody");
	request_free(&q);
	alert_free(&a);
	alert_free(&b);
}

static char *
dedup_key(const struct alert *a)
{
	struct sink_env env = env_of_test();
	struct request q = request_of(&sink_pagerduty, &conf, &env, a);
	char *at = strstr(buf_z(&q.body), "\"dedup_key\":\"");
	char *key = at ? xstrndup(at + 13, strcspn(at + 13, "\"")) : xstrdup("");
	request_free(&q);
	return key;
}

static void
identity(void)
{
	struct alert a = alert_firing(), b = alert_resolved(), c = alert_firing();
	char *x = dedup_key(&a), *y = dedup_key(&b);
	ok(strlen(x) == 69 && strncmp(x, "weir:", 5) == 0, "the dedup key is weir: and a SHA-256");
	isz(y, x, "it is the same over an alert's life");
	set(&c.rule, "error-rat");
	set(&c.key, "e{\"tenant\":\"acme\"}");
	char *z = dedup_key(&c);
	ok(strcmp(x, z) != 0, "another rule and key, another incident");
	free(x);
	free(y);
	free(z);
	alert_free(&a);
	alert_free(&b);
	alert_free(&c);
}

static void
urls(void)
{
	static const char *const t[][2] = { { "http://h", "http://h/v2/enqueue" }, { "http://h/", "http://h/v2/enqueue" },
		{ "http://h/v2", "http://h/v2/enqueue" }, { "http://h/v2/", "http://h/v2/enqueue" },
		{ "http://h/x/enqueue", "http://h/x/enqueue" } };
	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct pagerduty_conf c = conf;
		c.url = xstrdup(t[i][0]);
		struct request q = request_of(&sink_pagerduty, &c, &env, &a);
		isz(q.url, t[i][1], t[i][0]);
		request_free(&q);
		free(c.url);
	}
	alert_free(&a);
}

static void
limits(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	for (size_t extra = 0; extra < 2; extra++) {
		free(a.title);
		a.title = repeat("\xc3\xa9", 1024 + extra);
		struct request q = request_of(&sink_pagerduty, &conf, &env, &a);
		const char *s = strstr(buf_z(&q.body), "\"summary\":\"");
		s = s ? s + 11 : "\"";
		struct str got = { s, strcspn(s, "\"") };
		ok(utf8_len(got) == 1024 && str_has(got, STR("\xe2\x80\xa6")) == (extra == 1), "a summary of %zu characters", 1024 + extra);
		request_free(&q);
	}
	/* metadata fills the request to its limit, and to one byte past it */
	struct request q = request_of(&sink_pagerduty, &conf, &env, &a);
	set(&a.metadata, "{}");
	request_free(&q);
	q = request_of(&sink_pagerduty, &conf, &env, &a);
	size_t bare = q.body.len;
	request_free(&q);
	for (size_t extra = 0; extra < 2; extra++) {
		struct buf meta;
		buf_init(&meta, 1 << 20);
		size_t left = 512000 - bare + extra - 3 * strlen("\"a\":\"\"") - 2;
		size_t part[3] = { 200000, 200000, left - 400000 };
		for (size_t i = 0; i < 3; i++) {
			char *x = repeat("m", part[i]);
			buf_printf(&meta, "%c\"%c\":\"%s\"", i ? ',' : '{', (int)('a' + i), x);
			free(x);
		}
		buf_addc(&meta, '}');
		set(&a.metadata, buf_z(&meta));
		buf_free(&meta);
		q = request_of(&sink_pagerduty, &conf, &env, &a);
		bool whole = strstr(buf_z(&q.body), "\"metadata\"") != NULL;
		ok(extra ? !whole && q.body.len < 512000 : whole && q.body.len == 512000, "a request of %zu bytes %s", 512000 + extra,
			extra ? "loses its metadata" : "goes whole");
		ok(strstr(buf_z(&q.body), "\"message\"") != NULL, "and keeps its message");
		request_free(&q);
	}
	free(a.message);
	a.message = repeat("\"", 300000); /* two bytes each on the wire */
	q = request_of(&sink_pagerduty, &conf, &env, &a);
	ok(q.body.len > 0 && q.body.len <= 512000 && strstr(buf_z(&q.body), "\"trigger\""), "whatever it holds, it goes: %zu bytes", q.body.len);
	request_free(&q);
	alert_free(&a);
}

static const struct answer answers[] = {
	{ 202, "{\"status\":\"success\",\"message\":\"Event processed\",\"dedup_key\":\"weir:1\"}", OUT_OK, false, 0 },
	{ 400, "{\"status\":\"invalid event\",\"message\":\"Event object is invalid\",\"errors\":[\"'summary' is too long (maximum is 1024 characters)\"]}",
		OUT_REJECTED, true, 0 },
	{ 400, "{\"status\":\"invalid event\",\"errors\":[\"Length of 'routing_key' is incorrect (should be 32 characters)\"]}", OUT_DEAD,
		false, 0 },
	{ 400, "{\"status\":\"invalid event\",\"errors\":[\"'severity' is invalid\"]}", OUT_REJECTED, false, 0 },
	{ 404, "", OUT_DEAD, false, 0 },
	{ 413, "", OUT_REJECTED, true, 0 },
	{ 429, "", OUT_THROTTLED, false, 30 * NS_PER_S },
	{ 500, "", OUT_RETRY, false, 0 },
	{ 503, "", OUT_RETRY, false, 0 },
	{ 0, "", OUT_AMBIGUOUS, false, 0 },
};

int
main(void)
{
	payloads();
	identity();
	urls();
	limits();
	judge_table(&sink_pagerduty, &conf, answers, COUNT_OF(answers));
	struct pagerduty_conf c = conf;
	ok(mistakes(&sink_pagerduty, &c) == 0, "a good configuration");
	c.routing_key = (char[]){ "" };
	ok(mistakes(&sink_pagerduty, &c) == 1, "an empty routing key is refused");
	return tap_done();
}
