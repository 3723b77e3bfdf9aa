/* sink_webhook.c - a POST to anybody's endpoint, signed by Standard Webhooks when there is a secret.
 *
 * Wire, format weir: application/json {"type":"weir.alert.EVENT","timestamp","data":{the transition}}; format cloudevents:
 * structured mode, the transition as data. Headers: webhook-id (of the transition: the same on every retry),
 * webhook-timestamp (of the attempt), webhook-signature "v1," + base64(HMAC-SHA256(secret, "id.timestamp.body")) over the
 * exact bytes sent. A secret "whsec_..." is base64 of the key; any other is the key itself.
 * Answers: 2xx accepted; redirects are never followed; 410 gone.
 */
#include "core/json.h"
#include "sinks/digest.h"
#include "sinks/text.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

enum { HEADERS_MAX = 8, HEADER_MAX = 8192, KEY_MIN = 24, KEY_MAX = 64 };
enum { FORM_WEIR, FORM_CLOUDEVENTS };

struct webhook_conf {
	char *url, *secret;
	int format;
	struct strmap headers;
	bool insecure_http;
};

static const char *const formats[] = { "weir", "cloudevents", NULL };

static const struct field fields[] = {
	{ "url", F_URL, offsetof(struct webhook_conf, url), F_REQUIRED, 0, 0, NULL, NULL, "Where transitions are posted." },
	{ "secret", F_SECRET, offsetof(struct webhook_conf, secret), 0, 0, 0, NULL, NULL,
		"Signs each request by Standard Webhooks: whsec_ and base64 of the key, or the key itself." },
	{ "format", F_ENUM, offsetof(struct webhook_conf, format), 0, 0, 0, "weir", formats, "weir or cloudevents." },
	{ "headers", F_STRMAP, offsetof(struct webhook_conf, headers), 0, 0, 0, NULL, NULL,
		"More headers, such as {Authorization: \"Bearer ...\"}." },
	{ "insecure_http", F_BOOL, offsetof(struct webhook_conf, insecure_http), 0, 0, 0, NULL, NULL,
		"Allow plain http to another machine." },
	{ 0 },
};

static bool
secret_key(struct buf *key, const char *secret)
{
	if (strncmp(secret, "whsec_", 6) != 0) {
		buf_addz(key, secret);
		return true;
	}
	return base64_decode(key, str_of(secret + 6)) && key->len >= KEY_MIN && key->len <= KEY_MAX;
}

static void
check_headers(const struct strmap *h, struct loc loc, struct diags *d)
{
	static const char *const own[] = { "host", "content-length", "content-type", "content-encoding", "transfer-encoding",
		"connection", "expect", "webhook-id", "webhook-timestamp", "webhook-signature" };
	if (h->n > HEADERS_MAX)
		diag(d, loc, "headers holds %zu entries; at most %d are sent", h->n, HEADERS_MAX);
	for (size_t i = 0; i < h->n; i++) {
		const char *name = h->k[i], *value = h->v[i] ? h->v[i] : "";
		bool token = *name != '\0', plain = strlen(value) <= HEADER_MAX;
		for (const char *p = name; *p; p++)
			token = token && (unsigned char)*p < 0x80 && (isalnum((unsigned char)*p) || strchr("!#$%&'*+-.^_`|~", *p));
		for (const char *p = value; *p; p++)
			plain = plain && (unsigned char)*p >= 0x20 && *p != 0x7f;
		for (size_t k = 0; k < COUNT_OF(own); k++)
			if (strcasecmp(name, own[k]) == 0)
				diag(d, loc, "headers sets %s, which weir sets itself", own[k]);
		if (!token)
			diag(d, loc, "headers holds a name that is no header name; letters, digits and - are allowed");
		if (!plain)
			diag(d, loc, "the value of header %s holds a control character or is longer than %d bytes", token ? name : "?",
				HEADER_MAX);
	}
}

static void
check(void *conf, struct loc loc, struct diags *d)
{
	struct webhook_conf *c = conf;
	struct buf key;
	buf_init(&key, 64 << 10);
	url_check("url", c->url, loc, d);
	if (c->secret && *c->secret == '\0')
		diag(d, loc, "secret is empty; leave the key out for unsigned requests");
	else if (c->secret && !secret_key(&key, c->secret))
		diag(d, loc, "secret begins with whsec_ but base64 of %d to %d bytes does not follow", KEY_MIN, KEY_MAX);
	else if (c->secret && key.len < KEY_MIN)
		diag_warn(d, loc, "secret is shorter than %d bytes", KEY_MIN);
	buf_free(&key);
	check_headers(&c->headers, loc, d);
}

static void
add_uri_part(struct buf *b, const char *z)
{
	for (; *z; z++)
		if ((unsigned char)*z < 0x80 && (isalnum((unsigned char)*z) || strchr("-._~", *z)))
			buf_addc(b, *z);
		else
			buf_printf(b, "%%%02X", (unsigned char)*z);
}

static void
add_weir(struct buf *b, const struct sink_env *env, const struct alert *a)
{
	buf_printf(b, "{\"type\":\"weir.alert.%s\",\"timestamp\":", event_name[a->event]);
	json_time(b, a->timestamp);
	if (env->drill)
		buf_addz(b, ",\"drill\":true");
	buf_addz(b, ",\"data\":");
	alert_json(b, a);
	buf_addc(b, '}');
}

static void
add_cloudevent(struct buf *b, const struct sink_env *env, const struct alert *a, const char *id)
{
	buf_addz(b, "{\"specversion\":\"1.0\",\"id\":");
	json_str(b, str_of(id));
	buf_addz(b, ",\"source\":\"/weir/");
	add_uri_part(b, env->host);
	buf_printf(b, "\",\"type\":\"weir.alert.%s\",\"subject\":\"rule/", event_name[a->event]);
	add_uri_part(b, a->rule);
	buf_addz(b, "\",\"time\":");
	json_time(b, a->timestamp);
	if (env->drill)
		buf_addz(b, ",\"drill\":true");
	buf_addz(b, ",\"datacontenttype\":\"application/json\",\"data\":");
	alert_json(b, a);
	buf_addc(b, '}');
}

static enum err
sign(const char *secret, const char *id, int64_t at, struct request *q)
{
	unsigned char mac[32];
	struct buf key, text;
	buf_init(&key, 64 << 10);
	buf_init(&text, q->body.max + 256);
	if (!secret_key(&key, secret)) {
		buf_free(&key);
		return ERR_CONF;
	}
	buf_printf(&text, "%s.%lld.", id, (long long)at);
	buf_str_add(&text, buf_str(&q->body));
	hmac_sha256(buf_str(&key), buf_str(&text), mac);
	buf_clear(&text);
	base64_add(&text, mac, sizeof mac);
	request_header(q, "webhook-signature: v1,%s", buf_z(&text));
	explicit_bzero(key.data, key.len);
	buf_free(&key);
	buf_free(&text);
	return ERR_OK;
}

static enum err
format(const void *conf, const struct sink_env *env, const struct alert *const *a, size_t n, struct request *q)
{
	const struct webhook_conf *c = conf;
	char hex[DIGEST_HEX], id[48];
	must(n == 1);
	digest_transition(a[0], hex);
	snprintf(id, sizeof id, "msg_%.32s", hex);
	q->url = xstrdup(c->url);
	if (c->format == FORM_CLOUDEVENTS) {
		request_header(q, "Content-Type: application/cloudevents+json; charset=utf-8");
		add_cloudevent(&q->body, env, a[0], id);
	} else {
		request_header(q, "Content-Type: application/json");
		add_weir(&q->body, env, a[0]);
	}
	if (q->body.over)
		return ERR_LIMIT;
	int64_t at = env->now / NS_PER_S;
	request_header(q, "webhook-id: %s", id);
	request_header(q, "webhook-timestamp: %lld", (long long)at);
	for (size_t i = 0; i < c->headers.n && i < HEADERS_MAX; i++)
		request_header(q, "%s: %s", c->headers.k[i], c->headers.v[i] ? c->headers.v[i] : "");
	return c->secret ? sign(c->secret, id, at, q) : ERR_OK;
}

static void
judge(const void *conf, const struct reply *r, struct verdict *v)
{
	(void)conf;
	judge_common(r, v);
}

const struct sink_kind sink_webhook = {
	.kind = { "webhook", "Transitions posted to any HTTP endpoint.", fields, sizeof(struct webhook_conf), check },
	.least = LEVEL_INFO,
	.batch = 1,
	.format = format,
	.judge = judge,
};
