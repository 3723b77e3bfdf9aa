/* sinks_test.c - the sinks of a configuration file as a user writes it, and what all sinks share. */
#include "sinks/sink_test.h"

#include "config/config.h"
#include "sinks/text.h"

static const char good[] = "sinks:\n"
			   "  ops:     {slack: {webhook_url: \"http://127.0.0.1:9/services/x\", mention: {critical: \"<!subteam^S1>\"}}}\n"
			   "  oncall:  {pagerduty: {routing_key: 0123456789abcdef0123456789abcdef}}\n"
			   "  errors:  {sentry: {dsn: \"https://k@sentry.example/4\", environment: production}}\n"
			   "  logs:    {loki: {url: \"http://127.0.0.1:3100\", labels: [rule, level, stage], tenant: media}}\n"
			   "  hook:    {webhook: {url: \"https://example.org/hook\", secret: plain-secret-of-24-bytes!, format: cloudevents}}\n"
			   "  console: {stdout: {}}\n";

static const struct {
	const char *sink, *says;
} bad[] = {
	{ "{slack: {}}", "webhook_url" },
	{ "{slack: {webhook_url: \"http://hooks.example/x\"}}", "plain http" },
	{ "{slack: {webhook_url: \"https://h.example/x\", mention: {urgent: x}}}", "no level" },
	{ "{pagerduty: {routing_key: \"\"}}", "routing_key" },
	{ "{sentry: {dsn: \"https://sentry.example/4\"}}", "dsn" },
	{ "{sentry: {dsn: \"http://k@sentry.example/4\"}}", "plain http" },
	{ "{loki: {url: \"http://127.0.0.1.example:3100\"}}", "plain http" },
	{ "{loki: {url: \"http://127.0.0.1:3100\", labels: [lvel]}}", "did you mean level" },
	{ "{webhook: {url: \"https://a:b@example.org/hook\"}}", "user name" },
	{ "{webhook: {url: \"https://example.org/hook\", secret: whsec_x}}", "whsec_" },
	{ "{webhook: {url: \"https://example.org/hook\", format: xml}}", "format" },
	{ "{stdout: {format: jsn}}", "json" },
};

static void
configuration(void)
{
	struct diags d;
	diags_init(&d);
	struct config *c = config_load_text("weir.yaml", str_of(good), NULL, sink_kinds, &d);
	ok(!strstr(buf_z(&d.text), "sinks") && c->nsink == 6, "the sinks of the manual are understood: %s", buf_z(&d.text));
	static const struct sink_kind *const want[] = { &sink_slack, &sink_pagerduty, &sink_sentry, &sink_loki, &sink_webhook, &sink_stdout };
	struct sink_env env = env_of_test();
	struct alert a = alert_firing();
	for (size_t i = 0; i < c->nsink && i < 6; i++) {
		ok(c->sink[i].kind == &want[i]->kind && sink_kinds[i] == &want[i]->kind, "%s is %s", c->sink[i].name, want[i]->kind.name);
		struct request q = request_of(want[i], c->sink[i].conf, &env, &a);
		ok(q.body.len > 0 && (q.url == NULL) == (i == 5), "and has a form for an alert");
		request_free(&q);
	}
	ok(sink_kinds[6] == NULL, "no other is in the table");
	alert_free(&a);
	config_free(c);
	diags_free(&d);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char *text = xasprintf("sinks:\n  x: %s\n", bad[i].sink);
		diags_init(&d);
		c = config_load_text("weir.yaml", str_of(text), NULL, sink_kinds, &d);
		ok(d.n > 0 && strstr(buf_z(&d.text), bad[i].says), "%s: %s", bad[i].sink, bad[i].says);
		config_free(c);
		diags_free(&d);
		free(text);
	}
}

static void
transport(void)
{
	static const struct {
		int curl;
		bool sent, local;
		enum outcome want;
	} t[] = { { 7, false, false, OUT_RETRY }, { 6, false, false, OUT_RETRY }, { 28, true, false, OUT_AMBIGUOUS },
		{ 52, true, false, OUT_AMBIGUOUS }, { 35, false, false, OUT_RETRY }, { 60, false, false, OUT_DEAD }, { 3, false, false, OUT_DEAD },
		{ 7, false, true, OUT_REJECTED } };
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct reply r = { .curl = t[i].curl, .sent = t[i].sent, .local = t[i].local, .trouble = "some trouble", .retry_after = NS_NONE };
		struct verdict v;
		judge_common(&r, &v);
		ok(v.outcome == t[i].want && v.why[0], "transport %d%s: %s", t[i].curl, t[i].sent ? ", all sent" : "", outcome_name[v.outcome]);
	}
	char *body = repeat("\xc3\xa9\x1b[31m\n", 40000);
	struct reply r = { .status = 418, .body = str_of(body), .retry_after = NS_NONE };
	struct verdict v;
	judge_common(&r, &v);
	ok(utf8_valid(str_of(v.why)) == strlen(v.why) && !strpbrk(v.why, "\x1b\n") && strlen(v.why) < sizeof v.why, "an answer is told clean and short");
	free(body);
}

int
main(void)
{
	configuration();
	transport();
	struct request q;
	request_init(&q);
	request_header(&q, "X-A: %s", "a\r\nX-B: b\x7f");
	isz(q.header[0], "X-A: a  X-B: b ", "a header is one line");
	buf_addz(&q.body, "hello hello hello hello");
	request_gzip(&q);
	gunzip(&q);
	is(buf_str(&q.body), STR("hello hello hello hello"), "gzip and back");
	isz(header_of(&q, "Content-Encoding"), "gzip", "is said");
	request_free(&q);
	return tap_done();
}
