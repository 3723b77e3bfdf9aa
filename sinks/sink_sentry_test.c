/* sink_sentry_test.c - envelopes byte for byte, DSNs, limits, and which rate limits concern weir. */
#include "sinks/sink_test.h"

struct sentry_conf { /* as in sink_sentry.c */
	char *dsn, *environment, *release;
	bool insecure_http;
};

static struct sentry_conf conf = { (char[]){ "http://k3y@127.0.0.1:9000/pre/fix/42" }, (char[]){ "production" }, (char[]){ "app@1.2" },
	false };

static void
payloads(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing(), b = alert_resolved();
	golden_of("sentry/firing.json", &sink_sentry, &conf, &env, &a);
	golden_of("sentry/resolved.json", &sink_sentry, &conf, &env, &b);
	env.minimal = env.drill = true;
	golden_of("sentry/minimal-drill.json", &sink_sentry, &conf, &env, &a);
	env = env_of_test();
	struct request q = request_of(&sink_sentry, &conf, &env, &a);
	isz(q.url, "http://127.0.0.1:9000/pre/fix/api/42/envelope/", "the path stands before /api/");
	isz(header_of(&q, "X-Sentry-Auth"), "Sentry sentry_version=7, sentry_client=weir/1.0, sentry_key=k3y", "the key is a header");
	isz(header_of(&q, "Content-Type"), "application/x-sentry-envelope", "its content type");
	isz(header_of(&q, "Content-Encoding"), "gzip", "compressed");
	gunzip(&q);
	char *line2 = strchr(buf_z(&q.body), '\n') + 1, *line3 = strchr(line2, '\n') + 1;
	size_t said = strtoul(strstr(line2, "\"length\":") + 9, NULL, 10);
	ok(strlen(line3) == said + 1 && line3[said] == '\n', "length is the event's bytes");
	char *id = xstrndup(strstr(line3, "\"event_id\":\"") + 12, 32);
	env.now += 3600 * NS_PER_S;
	struct request again = request_of(&sink_sentry, &conf, &env, &a);
	gunzip(&again);
	ok(strstr(buf_z(&again.body), id) != NULL, "a retry has the same event_id");
	ok(strncmp(again.body.data, q.body.data, (size_t)(line2 - q.body.data)) != 0, "and its own sent_at");
	a.timestamp++;
	request_free(&again);
	again = request_of(&sink_sentry, &conf, &env, &a);
	gunzip(&again);
	ok(strstr(buf_z(&again.body), id) == NULL, "another transition has another");
	set(&a.fingerprint, "[\"mine\",\"x\"]");
	request_free(&again);
	again = request_of(&sink_sentry, &conf, &env, &a);
	gunzip(&again);
	ok(strstr(buf_z(&again.body), "\"fingerprint\":[\"mine\",\"x\"]") != NULL, "a rule's fingerprint is used");
	request_free(&again);
	request_free(&q);
	free(id);
	alert_free(&a);
	alert_free(&b);
}

static void
limits(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	for (size_t extra = 0; extra < 2; extra++) {
		char *value = repeat("v", 200 + extra), *name = repeat("n", 32 + extra);
		char *labels = xasprintf("{\"%s\":\"%s\"}", name, value);
		set(&a.labels, labels);
		free(a.message);
		a.message = repeat("m", 8192 - strlen(a.title) - 1 + extra);
		struct request q = request_of(&sink_sentry, &conf, &env, &a);
		gunzip(&q);
		name[32] = '\0';
		char *want = xasprintf("\"%s\":\"", name);
		const char *tag = strstr(buf_z(&q.body), want);
		struct str got = { tag ? tag + 35 + 1 : "", tag ? strcspn(tag + 36, "\"") : 0 };
		ok(tag && utf8_len(got) == 200 && str_has(got, STR("\xe2\x80\xa6")) == (extra == 1), "a tag of %zu and %zu characters", 32 + extra,
			200 + extra);
		const char *m = strstr(buf_z(&q.body), "\"formatted\":\"") + 13;
		struct str text = { m, strcspn(m, "\"") };
		ok(utf8_len(text) - 1 == 8192 && str_has(text, STR("\xe2\x80\xa6")) == (extra == 1), "a message of %zu characters", 8192 + extra);
		request_free(&q);
		free(value);
		free(name);
		free(labels);
		free(want);
	}
	struct buf big;
	buf_init(&big, 4 << 20);
	for (int i = 0; i < 60; i++) {
		char *x = repeat("z", 20000);
		buf_printf(&big, "%c\"m%d\":\"%s\"", i ? ',' : '{', i, x);
		free(x);
	}
	buf_addc(&big, '}');
	set(&a.metadata, buf_z(&big));
	set(&a.key, buf_z(&big));
	struct request q = request_of(&sink_sentry, &conf, &env, &a);
	gunzip(&q);
	ok(q.body.len > 100000 && q.body.len < (900 << 10), "an event stays small whatever it is given: %zu bytes", q.body.len);
	request_free(&q);
	buf_free(&big);
	alert_free(&a);
}

static const struct answer answers[] = {
	{ 200, "{\"id\":\"1\"}", OUT_OK, false, 0 },
	{ 200, "", OUT_OK, false, 0 },
	{ 400, "{\"detail\":\"invalid event envelope\"}", OUT_REJECTED, false, 0 },
	{ 401, "", OUT_DEAD, false, 0 },
	{ 403, "", OUT_DEAD, false, 0 },
	{ 404, "", OUT_DEAD, false, 0 },
	{ 413, "", OUT_REJECTED, true, 0 },
	{ 429, "", OUT_THROTTLED, false, 60 * NS_PER_S },
	{ 500, "", OUT_RETRY, false, 0 },
	{ 502, "", OUT_RETRY, false, 0 },
	{ 0, "", OUT_AMBIGUOUS, false, 0 },
};

static void
rate_limits(void)
{
	static const struct {
		int status;
		const char *header;
		nsec retry_after, wait;
	} t[] = {
		{ 200, "86400:transaction;span:organization", NS_NONE, 0 },
		{ 200, "60:error:organization", NS_NONE, 60 * NS_PER_S },
		{ 200, "60:default;error;security:organization", NS_NONE, 60 * NS_PER_S },
		{ 200, "2700::key", NS_NONE, 2700 * NS_PER_S },
		{ 200, "2700", NS_NONE, 2700 * NS_PER_S },
		{ 200, "60:never_heard:key", NS_NONE, 0 },
		{ 200, "1.5:error:key:reason:a;b", NS_NONE, 2 * NS_PER_S },
		{ 200, "soon:error:key", NS_NONE, 60 * NS_PER_S },
		{ 200, "-5:error:key", NS_NONE, 60 * NS_PER_S },
		{ 200, "10:error:key, 90:error;monitor:project, 300:session:key", NS_NONE, 90 * NS_PER_S },
		{ 200, ",, ,", NS_NONE, 0 },
		{ 429, "120:error:key", 5 * NS_PER_S, 120 * NS_PER_S },
		{ 429, "120:transaction:key", 300 * NS_PER_S, 1 * NS_PER_S },
		{ 429, "", 5 * NS_PER_S, 5 * NS_PER_S },
		{ 200, "1e300:error:key", NS_NONE, 86400 * NS_PER_S },
	};
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct verdict v = judged(&sink_sentry, &conf, t[i].status, "", t[i].retry_after, t[i].header);
		ok(v.wait == t[i].wait && v.outcome == (t[i].status == 200 ? OUT_OK : OUT_THROTTLED), "limits \"%s\": %lld s", t[i].header,
			(long long)(t[i].wait / NS_PER_S));
	}
}

static void
configuration(void)
{
	static const struct {
		const char *dsn;
		bool good;
	} t[] = { { "https://k@h/1", true }, { "https://k:s@h:8/p/1", true }, { "https://k@[::1]:9/1/", true }, { "https://h/1", false },
		{ "https://k@h/", false }, { "https://k@h", false }, { "https://@h/1", false }, { "k@h/1", false },
		{ "", false } };
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct sentry_conf c = { .dsn = xstrdup(t[i].dsn) };
		ok((mistakes(&sink_sentry, &c) == 0) == t[i].good, "DSN \"%s\" is %s", t[i].dsn, t[i].good ? "fine" : "refused");
		free(c.dsn);
	}
	static const char *const bad[] = { "a/b", "None", "a\nb", "" };
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct sentry_conf c = conf;
		c.environment = xstrdup(bad[i]);
		ok(mistakes(&sink_sentry, &c) == 1, "environment \"%s\" is refused", i == 2 ? "a\\nb" : bad[i]);
		free(c.environment);
	}
	for (size_t extra = 0; extra < 2; extra++) {
		struct sentry_conf c = conf;
		c.environment = repeat("e", 64 + extra);
		c.release = repeat("r", 200 + extra);
		ok(mistakes(&sink_sentry, &c) == 2 * extra, "an environment of %zu and a release of %zu", 64 + extra, 200 + extra);
		free(c.environment);
		free(c.release);
	}
}

int
main(void)
{
	payloads();
	limits();
	judge_table(&sink_sentry, &conf, answers, COUNT_OF(answers));
	rate_limits();
	configuration();
	return tap_done();
}
