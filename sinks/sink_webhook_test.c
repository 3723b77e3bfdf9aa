/* sink_webhook_test.c - bodies byte for byte, signatures against a known vector, headers that cannot be forged. */
#include "sinks/digest.h"
#include "sinks/sink_test.h"

struct webhook_conf { /* as in sink_webhook.c */
	char *url, *secret;
	int format;
	struct strmap headers;
	bool insecure_http;
};

static struct webhook_conf conf = { .url = (char[]){ "https://example.org/hook" } };

static void
payloads(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing(), b = alert_resolved();
	struct webhook_conf ce = conf;
	ce.format = 1;
	golden_of("webhook/firing.json", &sink_webhook, &conf, &env, &a);
	golden_of("webhook/resolved.json", &sink_webhook, &conf, &env, &b);
	golden_of("webhook/cloudevents.json", &sink_webhook, &ce, &env, &a);
	struct request q = request_of(&sink_webhook, &ce, &env, &a);
	isz(header_of(&q, "Content-Type"), "application/cloudevents+json; charset=utf-8", "a cloudevent's content type");
	request_free(&q);
	alert_free(&a);
	alert_free(&b);
}

static void
signatures(void)
{
	/* the published way of signing, on a vector made with another implementation */
	struct buf key, out;
	unsigned char mac[32];
	buf_init(&key, 100);
	buf_init(&out, 100);
	ok(base64_decode(&key, STR("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB")), "a secret decodes");
	hmac_sha256(buf_str(&key), STR("msg_1.1700000000.{\"a\":1}"), mac);
	base64_add(&out, mac, 32);
	is(buf_str(&out), STR("mSEYnaDKZG+8ab/gTDp2gPPgh5/gyP9GtFWmYRbj86A="), "the signature of the vector");

	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	struct webhook_conf c = conf;
	c.secret = (char[]){ "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB" };
	struct request q = request_of(&sink_webhook, &c, &env, &a);
	const char *id = header_of(&q, "webhook-id"), *at = header_of(&q, "webhook-timestamp");
	ok(id && strncmp(id, "msg_", 4) == 0 && strlen(id) == 36 && at && strcmp(at, "1795599005") == 0, "an id and this attempt's time");
	char *text = xasprintf("%s.%s.%s", id, at, buf_z(&q.body));
	hmac_sha256(buf_str(&key), str_of(text), mac);
	buf_clear(&out);
	buf_addz(&out, "v1,");
	base64_add(&out, mac, 32);
	isz(header_of(&q, "webhook-signature"), buf_z(&out), "the signature is over the bytes sent");
	env.now += 60 * NS_PER_S;
	struct request again = request_of(&sink_webhook, &c, &env, &a);
	isz(header_of(&again, "webhook-id"), id, "a retry keeps its id");
	ok(strcmp(header_of(&again, "webhook-timestamp"), at) != 0, "and has a new timestamp");
	ok(strcmp(header_of(&again, "webhook-signature"), header_of(&q, "webhook-signature")) != 0, "and so a new signature");
	is(buf_str(&again.body), buf_str(&q.body), "the body is the same");
	request_free(&again);
	a.timestamp++;
	again = request_of(&sink_webhook, &c, &env, &a);
	ok(strcmp(header_of(&again, "webhook-id"), id) != 0, "another transition has another id");
	request_free(&again);
	request_free(&q);
	q = request_of(&sink_webhook, &conf, &env, &a);
	ok(header_of(&q, "webhook-signature") == NULL && header_of(&q, "webhook-id") != NULL, "no secret, no signature");
	request_free(&q);
	buf_free(&key);
	buf_free(&out);
	free(text);
	alert_free(&a);
}

static void
base64(void)
{
	static const char *const bad[] = { "A", "AAAAA", "AA=A", "A===", "AB==x", "A*AA", "AB==", "AA=" };
	struct buf b;
	buf_init(&b, 100);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		buf_clear(&b);
		ok(!base64_decode(&b, str_of(bad[i])), "\"%s\" is no base64", bad[i]);
	}
	buf_clear(&b);
	ok(base64_decode(&b, STR("aGk=")) && str_eq(buf_str(&b), STR("hi")), "padded");
	buf_clear(&b);
	ok(base64_decode(&b, STR("aGk")) && str_eq(buf_str(&b), STR("hi")), "and not");
	buf_free(&b);
}

static void
configuration(void)
{
	struct webhook_conf c = conf;
	ok(mistakes(&sink_webhook, &c) == 0, "a good configuration");
	for (size_t n = 23; n <= 65; n += n == 24 ? 40 : 1) { /* 23 24 64 65 bytes */
		struct buf b;
		char *raw = repeat("k", n);
		buf_init(&b, 200);
		buf_addz(&b, "whsec_");
		base64_add(&b, raw, n);
		c.secret = b.data;
		ok((mistakes(&sink_webhook, &c) == 0) == (n >= 24 && n <= 64), "a whsec_ secret of %zu bytes", n);
		buf_free(&b);
		free(raw);
	}
	c.secret = (char[]){ "whsec_***" };
	ok(mistakes(&sink_webhook, &c) == 1, "whsec_ and no base64 is refused");
	c.secret = NULL;
	char *k[] = { (char[]){ "Authorization" }, (char[]){ "X-A" } }, *v[] = { (char[]){ "Bearer x" }, (char[]){ "a\r\nX-B: c" } };
	c.headers = (struct strmap){ k, v, 1 };
	ok(mistakes(&sink_webhook, &c) == 0, "a header more");
	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	struct request q = request_of(&sink_webhook, &c, &env, &a);
	isz(header_of(&q, "Authorization"), "Bearer x", "is sent");
	request_free(&q);
	c.headers.n = 2;
	ok(mistakes(&sink_webhook, &c) == 1, "a value with a line end is refused");
	q = request_of(&sink_webhook, &c, &env, &a);
	isz(header_of(&q, "X-A"), "a  X-B: c", "and could not end its header anyway");
	request_free(&q);
	k[1] = (char[]){ "Content-Length" };
	v[1] = (char[]){ "0" };
	ok(mistakes(&sink_webhook, &c) == 1, "a header of weir's own is refused");
	k[1] = (char[]){ "X A" };
	ok(mistakes(&sink_webhook, &c) == 1, "a name that is none is refused");
	alert_free(&a);
}

static const struct answer answers[] = {
	{ 200, "", OUT_OK, false, 0 },
	{ 204, "", OUT_OK, false, 0 },
	{ 301, "", OUT_DEAD, false, 0 },
	{ 400, "", OUT_REJECTED, false, 0 },
	{ 401, "", OUT_DEAD, false, 0 },
	{ 404, "", OUT_DEAD, false, 0 },
	{ 408, "", OUT_RETRY, false, 0 },
	{ 410, "", OUT_DEAD, false, 0 },
	{ 415, "", OUT_REJECTED, false, 0 },
	{ 422, "", OUT_REJECTED, false, 0 },
	{ 425, "", OUT_RETRY, false, 0 },
	{ 429, "", OUT_THROTTLED, false, 30 * NS_PER_S },
	{ 500, "", OUT_RETRY, false, 0 },
	{ 501, "", OUT_DEAD, false, 0 },
	{ 502, "", OUT_RETRY, false, 0 },
	{ 599, "", OUT_RETRY, false, 0 },
	{ 0, "", OUT_AMBIGUOUS, false, 0 },
};

int
main(void)
{
	payloads();
	signatures();
	base64();
	configuration();
	judge_table(&sink_webhook, &conf, answers, COUNT_OF(answers));
	struct verdict v = judged(&sink_webhook, &conf, 503, "", 9 * NS_PER_S, NULL);
	ok(v.outcome == OUT_THROTTLED && v.wait == 9 * NS_PER_S, "503 with Retry-After is a pause");
	v = judged(&sink_webhook, &conf, 429, "", 7200 * NS_PER_S, NULL);
	ok(v.wait == 3600 * NS_PER_S, "of at most an hour");
	return tap_done();
}
