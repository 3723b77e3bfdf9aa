/* sink_loki_test.c - pushes byte for byte: streams, order, ties, names; limits; every documented answer. */
#include "sinks/sink_test.h"

struct loki_conf { /* as in sink_loki.c */
	char *url, *tenant;
	struct strlist labels;
	bool insecure_http;
};

static struct loki_conf conf = { .url = (char[]){ "http://127.0.0.1:3100/" }, .tenant = (char[]){ "media" } };

static void
push(const struct loki_conf *c, const struct alert *const *a, size_t n, bool minimal, struct request *q)
{
	struct sink_env env = env_of_test();
	env.minimal = minimal;
	request_init(q);
	ok(sink_loki.format(c, &env, a, n, q) == ERR_OK, "a push of %zu", n);
	gunzip(q);
}

static void
payloads(void)
{
	struct alert a = alert_firing(), b = alert_resolved(), c = alert_firing(), d = alert_firing();
	set(&c.stage, "uploading");
	set(&d.rule, "other");
	const struct alert *list[] = { &b, &a, &c, &a, &d };
	struct request q;
	push(&conf, list, 5, false, &q);
	golden("loki/batch.json", buf_str(&q.body));
	isz(q.url, "http://127.0.0.1:3100/loki/api/v1/push", "the path is added");
	isz(header_of(&q, "X-Scope-OrgID"), "media", "the tenant is a header");
	isz(header_of(&q, "Content-Encoding"), "gzip", "compressed");
	request_free(&q);
	push(&conf, list, 1, true, &q);
	golden("loki/minimal.json", buf_str(&q.body));
	request_free(&q);
	char *names[] = { (char[]){ "event" }, (char[]){ "labels.team" }, (char[]){ "key.extra.stage" }, (char[]){ "key.n" },
		(char[]){ "labels.none" }, (char[]){ "state" } };
	struct loki_conf other = { .url = conf.url, .labels = { names, COUNT_OF(names) } };
	push(&other, list, 1, false, &q);
	static const char want[] = "{\"streams\":[{\"stream\":{\"app\":\"weir\",\"event\":\"resolved\",\"extra_stage\":\"merg`ing\",\"n\":\"7\","
				   "\"state\":\"resolved\",\"team\":\"media\"},\"values\":[[\"";
	ok(strncmp(q.body.data, want, sizeof want - 1) == 0, "labels come from event, state, labels.x and key.x");
	ok(header_of(&q, "X-Scope-OrgID") == NULL, "no tenant, no header");
	request_free(&q);
	alert_free(&a);
	alert_free(&b);
	alert_free(&c);
	alert_free(&d);
}

static void
names(void)
{
	static const char *const t[][2] = { { "a-b.c", "a_b_c" }, { "9x", "_9x" }, { "__name", "name" }, { "\xc3\xa9", "__" }, { "ok_1", "ok_1" } };
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct alert a = alert_firing();
		char *labels = xasprintf("{\"%s\":\"v\"}", t[i][0]), *which = xasprintf("labels.%s", t[i][0]);
		char *want = xasprintf("\"%s\":\"v\"", t[i][1]);
		set(&a.labels, labels);
		struct loki_conf c = { .url = conf.url, .labels = { &which, 1 } };
		const struct alert *list = &a;
		struct request q;
		push(&c, &list, 1, false, &q);
		ok(strstr(buf_z(&q.body), want) != NULL, "label %s becomes %s", t[i][0], t[i][1]);
		request_free(&q);
		free(labels);
		free(which);
		free(want);
		alert_free(&a);
	}
}

/* The line of the first value, decoded. */
static struct buf
line_of(const struct request *q)
{
	struct buf b;
	buf_init(&b, 4 << 20);
	const char *p = strstr(q->body.data, "\"values\":[[\"") + 12;
	p = strchr(p, '"') + 3;
	const char *e = p;
	while (*e != '"')
		e += *e == '\\' ? 2 : 1;
	json_unescape(&b, (struct str){ p, (size_t)(e - p) });
	return b;
}

static void
limits(void)
{
	struct alert a = alert_firing();
	const struct alert *list = &a;
	set(&a.metadata, "{\"m\":1}");
	set(&a.message, "");
	struct buf json;
	buf_init(&json, 1 << 20);
	alert_json(&json, &a);
	size_t bare = json.len;
	for (size_t extra = 0; extra < 2; extra++) {
		free(a.message);
		a.message = repeat("m", (256 << 10) - bare + extra);
		struct request q;
		push(&conf, &list, 1, false, &q);
		struct buf line = line_of(&q);
		ok(extra ? line.len < (256 << 10) && strstr(line.data, "\"metadata\":{}") : line.len == 256 << 10, "a line of %zu bytes",
			(256u << 10) + extra);
		request_free(&q);
		buf_free(&line);
	}
	free(a.message);
	a.message = repeat("m", 400000);
	struct request q;
	push(&conf, &list, 1, false, &q);
	struct buf line = line_of(&q);
	ok(line.len < 5000 && strstr(line.data, "m\xe2\x80\xa6\"") != NULL, "then the message is cut");
	buf_free(&line);
	request_free(&q);
	buf_free(&json);
	for (size_t extra = 0; extra < 2; extra++) {
		free(a.stage);
		a.stage = repeat("s", 2048 + extra);
		push(&conf, &list, 1, false, &q);
		const char *v = strstr(buf_z(&q.body), "\"stage\":\"") + 9;
		ok(strcspn(v, "\"") == 2048, "a label value of %zu bytes", 2048 + extra);
		request_free(&q);
	}
	alert_free(&a);
}

static const struct answer answers[] = {
	{ 204, "", OUT_OK, false, 0 },
	{ 200, "", OUT_OK, false, 0 },
	{ 202, "", OUT_RETRY, false, 0 },
	{ 260, "blocked", OUT_REJECTED, false, 0 },
	{ 400, "entry with timestamp ignored", OUT_PARTIAL, false, 0 },
	{ 400, "stream uses structured metadata, which is not allowed", OUT_PARTIAL, true, 0 },
	{ 401, "no org id", OUT_DEAD, false, 0 },
	{ 403, "", OUT_DEAD, false, 0 },
	{ 404, "", OUT_DEAD, false, 0 },
	{ 413, "", OUT_REJECTED, false, 0 },
	{ 422, "", OUT_REJECTED, false, 0 },
	{ 429, "rate_limited", OUT_THROTTLED, false, 30 * NS_PER_S },
	{ 500, "", OUT_RETRY, false, 0 },
	{ 501, "", OUT_DEAD, false, 0 },
	{ 503, "", OUT_RETRY, false, 0 },
	{ 0, "", OUT_AMBIGUOUS, false, 0 },
};

int
main(void)
{
	payloads();
	names();
	limits();
	judge_table(&sink_loki, &conf, answers, COUNT_OF(answers));
	struct loki_conf c = conf;
	ok(mistakes(&sink_loki, &c) == 0, "a good configuration");
	char *wrong[] = { (char[]){ "lvel" }, (char[]){ "labels." } };
	c.labels = (struct strlist){ wrong, 2 };
	ok(mistakes(&sink_loki, &c) == 2, "labels that are none are refused");
	c = conf;
	c.tenant = (char[]){ "a\r\nX: y" };
	ok(mistakes(&sink_loki, &c) == 1, "a tenant cannot add a header");
	return tap_done();
}
