/* deliver_test.c - the whole path with a real store, a real thread and a server that misbehaves by script. */
#include "sinks/deliver.h"

#include "core/log.h"
#include "core/outbox.h"
#include "core/store.h"
#include "sinks/fake_http.h"
#include "sinks/http.h"
#include "sinks/sink_test.h"

#include <fcntl.h>

#define PATIENCE (40 * NS_PER_S)

struct webhook_conf { /* as in sink_webhook.c */
	char *url, *secret;
	int format;
	struct strmap headers;
	bool insecure_http;
};
struct slack_conf {
	char *webhook_url;
	struct strmap mention;
	bool insecure_http;
};
struct loki_conf {
	char *url, *tenant;
	struct strlist labels;
	bool insecure_http;
};
struct stdout_conf {
	int format, color;
};

static char hook[] = "hook";

/* A store, a configuration with one sink, a server, and what the hook was told. */
struct bed {
	char dir[64];
	struct store *store;
	struct config config;
	struct sink_conf sink;
	struct fake fake;
	struct deliver_hooks hooks;
	struct deliver *deliver;
	pthread_mutex_t lock;
	size_t nfailed;
	char why[256];
};

static void
on_failed(void *arg, size_t sink, const struct alert *a, const char *why)
{
	struct bed *b = arg;
	must(sink == 0 && a->rule);
	pthread_mutex_lock(&b->lock);
	b->nfailed++;
	snprintf(b->why, sizeof b->why, "%s", why);
	pthread_mutex_unlock(&b->lock);
}

static void
bed_make(struct bed *b, const struct sink_kind *kind, void *conf, const struct say *script, size_t n, bool gated)
{
	struct errinfo why = { 0 };
	*b = (struct bed){ .dir = "/tmp/weir-deliver-XXXXXX" };
	must(mkdtemp(b->dir) != NULL);
	b->store = store_open(b->dir, 0, &why);
	must(b->store != NULL);
	pthread_mutex_init(&b->lock, NULL);
	b->sink = (struct sink_conf){ .name = hook, .kind = &kind->kind, .conf = conf };
	b->config = (struct config){ .sink = &b->sink, .nsink = 1, .state = b->dir, .give_up = 24 * 3600 * NS_PER_S };
	b->hooks = (struct deliver_hooks){ b, on_failed };
	fake_start(&b->fake, script, n, gated);
}

static void
bed_start(struct bed *b)
{
	struct errinfo why = { 0 };
	b->deliver = deliver_start(&b->config, &b->hooks, &why);
	must(b->deliver != NULL);
}

static void
bed_free(struct bed *b)
{
	deliver_stop(b->deliver, 0);
	fake_stop(&b->fake);
	store_close(b->store);
	char *rm = xasprintf("rm -rf %s", b->dir);
	must(system(rm) == 0);
	free(rm);
	pthread_mutex_destroy(&b->lock);
}

/* A transition with its outbox row, in one commit. */
static void
put(struct bed *b, int key, enum event event, nsec at)
{
	struct alert a = alert_firing();
	bool inserted;
	int64_t number;
	char *text = xasprintf("{\"n\":%d}", key);
	snprintf(a.id, sizeof a.id, "alert_1795599000_%012d", key);
	set(&a.key, text);
	a.event = event;
	a.state = event == EV_RESOLVED ? ST_RESOLVED : ST_FIRING;
	a.timestamp = at;
	must(store_begin(b->store) == ERR_OK);
	must(store_transition(b->store, &a, &inserted, &number) == ERR_OK && inserted);
	must(store_outbox(b->store, number, "hook", wall_ns(), wall_ns()) == ERR_OK);
	must(store_commit(b->store) == ERR_OK);
	free(text);
	alert_free(&a);
	if (b->deliver)
		deliver_wake(b->deliver);
}

static struct outbox_counts
counts(struct bed *b)
{
	struct errinfo why = { 0 };
	struct outbox *o = outbox_open(b->dir, &why);
	struct outbox_counts c = { 0 };
	must(o != NULL && outbox_counts(o, "hook", &c) == ERR_OK);
	outbox_close(o);
	return c;
}

static char *
url_of(const struct bed *b, const char *path)
{
	return xasprintf("http://127.0.0.1:%u%s", b->fake.port, path);
}

static bool
seen_has(const struct bed *b, size_t i, const char *part)
{
	return strstr(b->fake.seen[i].body.data ? b->fake.seen[i].body.data : "", part) != NULL;
}

/* Every way to fail, then an answer: one id, order kept, sent once at the end. */
static void
retries(void)
{
	static const struct say script[] = { { SAY_STATUS, 500, NULL, "oops" }, { SAY_STATUS, 429, "Retry-After: 1\r\n", "slow down" },
		{ SAY_NOTHING, 0, NULL, NULL }, { SAY_STATUS, 200, NULL, "fine" }, { SAY_HUGE, 0, NULL, NULL } };
	struct bed b;
	struct webhook_conf conf = { .secret = (char[]){ "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB" } };
	struct deliver_stats st;
	bed_make(&b, &sink_webhook, &conf, script, COUNT_OF(script), false);
	conf.url = url_of(&b, "/hook");
	put(&b, 1, EV_FIRING, T0);
	put(&b, 1, EV_RESOLVED, T0 + NS_PER_S);
	bed_start(&b);
	ok(deliver_drain(b.deliver, PATIENCE), "all is delivered in the end");
	ok(b.fake.nseen == 5, "in five requests (%zu)", b.fake.nseen);
	bool same = true, firing = true;
	char *id = xstrdup(seen_header(&b.fake, 0, "webhook-id"));
	for (size_t i = 0; i < 4 && i < b.fake.nseen; i++) {
		same = same && strcmp(seen_header(&b.fake, i, "webhook-id"), id) == 0;
		firing = firing && seen_has(&b, i, "weir.alert.firing");
	}
	ok(same && *id, "every try of a transition has the same webhook-id");
	ok(firing && seen_has(&b, 4, "weir.alert.resolved"), "the resolve came after the firing was accepted");
	ok(strcmp(seen_header(&b.fake, 4, "webhook-id"), id) != 0, "with an id of its own");
	isz(seen_header(&b.fake, 0, "user-agent"), "weir/1.0", "weir says who it is");
	ok(strstr(b.fake.seen[0].head, "POST /hook HTTP/1.1\r\n") == b.fake.seen[0].head, "posted to the URL's path");
	deliver_stats(b.deliver, 0, &st);
	ok(st.sent == 2 && st.retried == 3 && st.throttled == 1 && st.failed == 0, "counted: sent %d retried %d throttled %d failed %d",
		(int)st.sent, (int)st.retried, (int)st.throttled, (int)st.failed);
	isz(st.last_error, "", "and no error stands");
	struct outbox_counts c = counts(&b);
	ok(c.sent == 2 && c.waiting == 0 && c.failed == 0, "the outbox knows");
	free(id);
	free(conf.url);
	bed_free(&b);
}

/* No mark before the answer; a stop in between leaves the row, the next start sends it under the same id. */
static void
marks(void)
{
	struct bed b;
	struct webhook_conf conf = { 0 };
	bed_make(&b, &sink_webhook, &conf, NULL, 0, true);
	conf.url = url_of(&b, "/");
	bed_start(&b);
	put(&b, 1, EV_FIRING, T0);
	ok(fake_saw(&b.fake, 1), "the request is there");
	struct outbox_counts c = counts(&b);
	ok(c.waiting == 1 && c.sent == 0, "its row waits while there is no answer");
	deliver_stop(b.deliver, 100 * NS_PER_MS);
	b.deliver = NULL;
	c = counts(&b);
	ok(c.waiting == 1 && c.sent == 0, "a stop leaves it waiting");
	fake_open(&b.fake);
	bed_start(&b);
	ok(deliver_drain(b.deliver, PATIENCE), "the next start delivers it");
	c = counts(&b);
	ok(c.waiting == 0 && c.sent == 1 && b.fake.nseen == 2, "once more, and then it is sent");
	char *id = xstrdup(seen_header(&b.fake, 0, "webhook-id"));
	isz(seen_header(&b.fake, 1, "webhook-id"), id, "under the same id");
	free(id);
	free(conf.url);
	bed_free(&b);
}

/* An answer that comes while weir stops is taken. */
static void
stop_waits(void)
{
	struct bed b;
	struct webhook_conf conf = { 0 };
	bed_make(&b, &sink_webhook, &conf, NULL, 0, true);
	conf.url = url_of(&b, "/");
	bed_start(&b);
	put(&b, 1, EV_FIRING, T0);
	put(&b, 2, EV_FIRING, T0);
	ok(fake_saw(&b.fake, 1), "one is in flight");
	fake_open(&b.fake);
	deliver_stop(b.deliver, PATIENCE);
	b.deliver = NULL;
	struct outbox_counts c = counts(&b);
	ok(c.sent >= 1 && c.sent + c.waiting == 2, "what was in flight is marked, the rest waits");
	free(conf.url);
	bed_free(&b);
}

/* A redirect is no acceptance and is never followed; the sink goes on with the next row. */
static void
redirects(void)
{
	struct bed b;
	struct webhook_conf conf = { 0 };
	static struct say script[1];
	bed_make(&b, &sink_webhook, &conf, script, 1, true);
	char *location = xasprintf("Location: http://127.0.0.1:%u/elsewhere\r\n", b.fake.port);
	script[0] = (struct say){ SAY_STATUS, 302, location, "" };
	fake_open(&b.fake);
	conf.url = url_of(&b, "/hook-of-many-letters");
	put(&b, 1, EV_FIRING, T0);
	put(&b, 2, EV_FIRING, T0);
	bed_start(&b);
	ok(deliver_drain(b.deliver, PATIENCE), "nothing waits");
	bool followed = false;
	for (size_t i = 0; i < b.fake.nseen; i++)
		followed = followed || strstr(b.fake.seen[i].head, "elsewhere");
	ok(!followed && b.fake.nseen == 2, "the redirect was not followed");
	struct outbox_counts c = counts(&b);
	ok(c.failed == 1 && c.sent == 1, "its row failed, the next was sent");
	ok(b.nfailed == 1 && strstr(b.why, "302"), "the failure was told: %s", b.why);
	free(location);
	free(conf.url);
	bed_free(&b);
}

/* 4xx: no retry; what the answer echoes of weir's secrets is not shown. */
static void
refusals(void)
{
	struct bed b;
	struct webhook_conf conf = { .secret = (char[]){ "a-very-secret-key-of-this-hook" } };
	static const struct say script[] = { { SAY_STATUS, 422, NULL, "bad request to /services/T0/B0/pathsecret with a-very-secret-key-of-this-hook" } };
	struct deliver_stats st;
	bed_make(&b, &sink_webhook, &conf, script, 1, false);
	conf.url = url_of(&b, "/services/T0/B0/pathsecret");
	bed_start(&b);
	put(&b, 1, EV_FIRING, T0);
	put(&b, 1, EV_RESOLVED, T0 + 1);
	ok(deliver_drain(b.deliver, PATIENCE), "nothing waits");
	deliver_stats(b.deliver, 0, &st);
	ok(b.fake.nseen == 2 && st.failed == 1 && st.sent == 1 && st.retried == 0, "422 is not retried, and holds nothing back");
	ok(strstr(b.why, "HTTP 422") && strstr(b.why, "[Filtered]"), "the failure is told: %s", b.why);
	ok(!strstr(b.why, "pathsecret") && !strstr(b.why, "very-secret"), "without the secrets it echoed");
	free(conf.url);
	bed_free(&b);
}

static void
again_smaller(void)
{
	struct bed b;
	struct slack_conf conf = { 0 };
	static const struct say script[] = { { SAY_STATUS, 400, NULL, "invalid_blocks" }, { SAY_STATUS, 200, NULL, "ok" } };
	bed_make(&b, &sink_slack, &conf, script, COUNT_OF(script), false);
	conf.webhook_url = url_of(&b, "/services/x");
	bed_start(&b);
	put(&b, 1, EV_FIRING, T0);
	ok(deliver_drain(b.deliver, PATIENCE), "nothing waits");
	ok(b.fake.nseen == 2 && seen_has(&b, 0, "attachments") && !seen_has(&b, 1, "attachments"), "refused for its shape: again as plain text");
	ok(counts(&b).sent == 1 && b.nfailed == 0, "and sent");
	free(conf.webhook_url);
	bed_free(&b);
}

static void
gives_up(void)
{
	struct bed b;
	struct webhook_conf conf = { 0 };
	static const struct say script[] = { { SAY_STATUS, 503, NULL, "busy" } };
	bed_make(&b, &sink_webhook, &conf, script, 1, false);
	b.config.give_up = 1;
	conf.url = url_of(&b, "/");
	bed_start(&b);
	put(&b, 1, EV_FIRING, T0);
	ok(deliver_drain(b.deliver, PATIENCE), "nothing waits");
	ok(counts(&b).failed == 1 && b.nfailed == 1 && strstr(b.why, "given up") && strstr(b.why, "503"), "past give_up a row fails: %s", b.why);
	free(conf.url);
	bed_free(&b);
}

static void
addresses(void)
{
	static const struct {
		const char *text;
		bool good;
	} t[] = { { "127.0.0.1", true }, { "10.0.0.1", true }, { "169.253.255.255", true }, { "169.254.0.0", false },
		{ "169.254.169.254", false }, { "169.255.0.0", true }, { "100.100.100.200", false }, { "::1", true }, { "fe80::1", false },
		{ "febf::1", false }, { "fec0::1", true }, { "::ffff:169.254.169.254", false }, { "::169.254.1.1", false },
		{ "64:ff9b::a9fe:a9fe", false }, { "2002:a9fe:a9fe::1", false }, { "fd00:ec2::254", false }, { "2001:db8::1", true } };
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct sockaddr_storage s = { 0 };
		struct sockaddr_in a = { .sin_family = AF_INET };
		struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
		if (inet_pton(AF_INET, t[i].text, &a.sin_addr) == 1)
			memcpy(&s, &a, sizeof a);
		else if (inet_pton(AF_INET6, t[i].text, &a6.sin6_addr) == 1)
			memcpy(&s, &a6, sizeof a6);
		ok(http_address_ok((struct sockaddr *)&s) == t[i].good, "%s is %s", t[i].text, t[i].good ? "connected to" : "refused");
	}
	static const char *const urls[] = { "http://169.254.10.10:9/x", "http://0xa9fea9fe/x", "http://[fe80::1]:9/x" };
	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		struct bed b;
		struct webhook_conf conf = { .url = xstrdup(urls[i]), .insecure_http = true };
		bed_make(&b, &sink_webhook, &conf, NULL, 0, false);
		bed_start(&b);
		put(&b, 1, EV_FIRING, T0);
		ok(deliver_drain(b.deliver, PATIENCE) && counts(&b).failed == 1 && strstr(b.why, "link-local"), "%s: %s", urls[i], b.why);
		free(conf.url);
		bed_free(&b);
	}
}

/* Many alerts, one request; a batch that fails is sent again whole. */
static void
batches(void)
{
	struct bed b;
	struct loki_conf conf = { 0 };
	static const struct say script[] = { { SAY_STATUS, 500, NULL, "" }, { SAY_STATUS, 204, NULL, NULL } };
	bed_make(&b, &sink_loki, &conf, script, COUNT_OF(script), false);
	conf.url = url_of(&b, "");
	for (int i = 0; i < 20; i++)
		put(&b, i, EV_FIRING, T0 + i);
	put(&b, 3, EV_RESOLVED, T0 + 100);
	bed_start(&b);
	ok(deliver_drain(b.deliver, PATIENCE), "nothing waits");
	ok(b.fake.nseen == 2, "twenty alerts and the resolve of one in one request and its retry (%zu)", b.fake.nseen);
	size_t values = 0;
	struct request q;
	request_init(&q);
	buf_str_add(&q.body, buf_str(&b.fake.seen[1].body));
	gunzip(&q);
	for (const char *p = q.body.data; (p = strstr(p, "alert_id")) != NULL; p++)
		values++;
	ok(values == 21, "all of them in it");
	ok(counts(&b).sent == 21, "all are sent");
	request_free(&q);
	free(conf.url);
	bed_free(&b);
}

/* Many alerts through a sink that gets them in order, over an outage. */
static void
in_order(void)
{
	struct bed b;
	struct webhook_conf conf = { 0 };
	static const struct say script[] = { { SAY_STATUS, 200, NULL, "" }, { SAY_STATUS, 502, NULL, "" }, { SAY_NOTHING, 0, NULL, NULL } };
	bed_make(&b, &sink_webhook, &conf, script, COUNT_OF(script), false);
	conf.url = url_of(&b, "/");
	for (int i = 0; i < 30; i++)
		put(&b, i, EV_FIRING, T0 + i);
	bed_start(&b);
	ok(deliver_drain(b.deliver, PATIENCE), "nothing waits");
	int last = -1;
	bool ordered = true;
	for (size_t i = 0; i < b.fake.nseen; i++) {
		const char *p = strstr(b.fake.seen[i].body.data, "\"key\":{\"n\":");
		int n = p ? (int)strtol(p + 11, NULL, 10) : -1;
		ordered = ordered && n >= last;
		last = n;
	}
	ok(ordered && b.fake.nseen == 32 && last == 29, "a machine's sink gets all in order, over an outage (%zu requests)", b.fake.nseen);
	free(conf.url);
	bed_free(&b);
}

static void
standard_output(void)
{
	struct bed b;
	struct stdout_conf conf = { 1, 0 };
	char path[128];
	bed_make(&b, &sink_stdout, &conf, NULL, 0, false);
	snprintf(path, sizeof path, "%s/out", b.dir);
	for (int i = 0; i < 100; i++)
		put(&b, i, EV_FIRING, T0 + i);
	fflush(stdout);
	int saved = dup(STDOUT_FILENO), fd = open(path, O_CREAT | O_RDWR, 0600);
	must(saved != -1 && fd != -1 && dup2(fd, STDOUT_FILENO) != -1);
	bed_start(&b);
	bool empty = deliver_drain(b.deliver, PATIENCE);
	dup2(saved, STDOUT_FILENO);
	ok(empty, "nothing waits");
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = xcalloc(1, (size_t)size + 1);
	must(pread(fd, text, (size_t)size, 0) == size);
	int lines = 0;
	bool ordered = true;
	for (const char *p = text; (p = strstr(p, "\"key\":{\"n\":")) != NULL; p++)
		ordered = ordered && (int)strtol(p + 11, NULL, 10) == lines++;
	ok(lines == 100 && ordered && text[size - 1] == '\n', "a hundred lines in order");
	free(text);
	close(fd);
	close(saved);
	bed_free(&b);
}

int
main(void)
{
	log_set_level(LOG_ERROR);
	retries();
	marks();
	stop_waits();
	redirects();
	refusals();
	again_smaller();
	gives_up();
	addresses();
	batches();
	in_order();
	standard_output();
	return tap_done();
}
