/* sink_test.h - what the tests of sinks share: two alerts, requests, golden files.
 *
 * A golden file holds the exact bytes of a body (decompressed). WEIR_GOLDEN=write makes them anew; read the diff then.
 */
#ifndef WEIR_SINK_TEST_H
#define WEIR_SINK_TEST_H

#include "core/json.h"
#include "core/tap.h"
#include "sinks/sink.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#define T0 (INT64_C(1795599000) * NS_PER_S) /* 2026-11-25T09:30:00Z */

static inline struct alert
alert_firing(void)
{
	struct alert a = { .event = EV_FIRING, .state = ST_FIRING, .level = LEVEL_CRITICAL, .timestamp = T0 + 123456789,
		.starts_at = T0, .ends_at = NS_NONE, .count = 42 };
	memcpy(a.id, "alert_1795599000_0123456789ab", 30);
	a.rule = xstrdup("error-rate");
	a.title = xstrdup("acme <eu> & co: 12% of operations failed in 5m");
	a.message = xstrdup("tenant acme: 12% > 10%\n<!channel> \"quoted\" \x1b[31mred\x1b[0m *bold* `tick` bad\xff");
	a.key = xstrdup("{\"tenant\":\"acme <eu>\",\"extra.stage\":\"merg`ing\",\"n\":7}");
	a.value = xstrdup("0.12");
	a.runbook = xstrdup("https://runbooks.example/error-rate?a=1&b=2");
	a.labels = xstrdup("{\"team\":\"media\",\"env\":\"prod\"}");
	a.session_id = xstrdup("s-1");
	a.user_id = xstrdup("u-9");
	a.stage = xstrdup("merging");
	a.metadata = xstrdup("{\"extra.duration_seconds\":8.5,\"ctx\":{\"a\":[1,null]},\"nul\":\"x\\u0000y\"}");
	return a;
}

static inline struct alert
alert_resolved(void)
{
	struct alert a = alert_firing();
	a.event = EV_RESOLVED;
	a.state = ST_RESOLVED;
	a.timestamp = a.ends_at = T0 + 300 * NS_PER_S;
	a.cause = xstrdup("no data");
	a.partial = true;
	return a;
}

static inline void
set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

/* n times the text. */
static inline char *
repeat(const char *z, size_t n)
{
	size_t len = strlen(z);
	char *p = xmalloc(len * n + 1);
	for (size_t i = 0; i < n; i++)
		memcpy(p + i * len, z, len);
	p[len * n] = '\0';
	return p;
}

static inline struct sink_env
env_of_test(void)
{
	return (struct sink_env){ .sink = "ops", .host = "host-1", .now = T0 + 5 * NS_PER_S, .row = 7 };
}

static inline struct request
request_of(const struct sink_kind *k, const void *conf, const struct sink_env *env, const struct alert *a)
{
	struct request q;
	request_init(&q);
	if (k->format(conf, env, &a, 1, &q) != ERR_OK)
		buf_clear(&q.body);
	return q;
}

static inline const char *
header_of(const struct request *q, const char *name)
{
	for (size_t i = 0; i < q->nheader; i++)
		if (strncmp(q->header[i], name, strlen(name)) == 0 && q->header[i][strlen(name)] == ':')
			return q->header[i] + strlen(name) + 2;
	return NULL;
}

static inline void
gunzip(struct request *q)
{
	struct buf out;
	z_stream z = { 0 };
	buf_init(&out, 16u << 20);
	must(inflateInit2(&z, 16 + MAX_WBITS) == Z_OK);
	z.next_in = (unsigned char *)q->body.data;
	z.avail_in = (unsigned)q->body.len;
	int rc = Z_OK;
	while (rc == Z_OK) {
		z.next_out = (unsigned char *)buf_room(&out, 1 << 16);
		z.avail_out = 1 << 16;
		rc = inflate(&z, Z_NO_FLUSH);
		out.len += (1 << 16) - z.avail_out;
	}
	must(rc == Z_STREAM_END && z.avail_in == 0);
	inflateEnd(&z);
	buf_addz(&out, "");
	buf_free(&q->body);
	q->body = out;
}

static inline void
golden(const char *file, struct str body)
{
	char path[256];
	snprintf(path, sizeof path, "testdata/golden/%s", file);
	const char *mode = getenv("WEIR_GOLDEN");
	if (mode && strcmp(mode, "write") == 0) {
		char dir[256];
		snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
		mkdir("testdata", 0755);
		mkdir("testdata/golden", 0755);
		mkdir(dir, 0755);
		FILE *f = fopen(path, "w");
		must(f && fwrite(body.ptr, 1, body.len, f) == body.len);
		fclose(f);
	}
	FILE *f = fopen(path, "r");
	char *text = xmalloc(1 << 20);
	size_t n = f ? fread(text, 1, 1 << 20, f) : 0;
	if (f)
		fclose(f);
	struct str want = { text, n };
	is(body, want, file);
	free(text);
}

static inline void
golden_of(const char *file, const struct sink_kind *k, const void *conf, const struct sink_env *env, const struct alert *a)
{
	struct request q = request_of(k, conf, env, a);
	if (header_of(&q, "Content-Encoding"))
		gunzip(&q);
	golden(file, buf_str(&q.body));
	request_free(&q);
}

static inline struct verdict
judged(const struct sink_kind *k, const void *conf, int status, const char *body, nsec retry_after, const char *limits)
{
	struct reply r = { .status = status, .sent = true, .body = str_of(body), .retry_after = retry_after,
		.rate_limits = str_of(limits) };
	struct verdict v = { 0 };
	k->judge(conf, &r, &v);
	return v;
}

/* One row of a judge table. */
struct answer {
	int status;
	const char *body;
	enum outcome want;
	bool minimal;
	nsec wait;
};

static inline void
judge_table(const struct sink_kind *k, const void *conf, const struct answer *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct verdict v = judged(k, conf, t[i].status, t[i].body, NS_NONE, NULL);
		ok(v.outcome == t[i].want && v.again_minimal == t[i].minimal && v.wait == t[i].wait, "%s answers %d %.40s: %s%s",
			k->kind.name, t[i].status, t[i].body ? t[i].body : "", outcome_name[t[i].want],
			t[i].minimal ? ", then smaller" : "");
		if (v.outcome != t[i].want)
			printf("#  got: %s\n", outcome_name[v.outcome]);
	}
}

/* How many mistakes does the kind find in this configuration? */
static inline unsigned
mistakes(const struct sink_kind *k, void *conf)
{
	struct diags d;
	diags_init(&d);
	k->kind.check(conf, (struct loc){ "weir.yaml", 3, 5 }, &d);
	unsigned n = d.n;
	diags_free(&d);
	return n;
}

#endif
