/* sink_stdout_test.c - what people and programs read on standard output. */
#include "sinks/sink_test.h"

struct stdout_conf { /* as in sink_stdout.c */
	int format, color;
};

int
main(void)
{
	struct sink_env env = env_of_test();
	struct alert a = alert_firing(), b = alert_resolved(), c = alert_firing();
	struct stdout_conf plain = { 0, 2 }, coloured = { 0, 1 }, json = { 1, 0 };
	c.event = EV_LEVEL;
	c.level = LEVEL_WARNING;
	set(&c.key, "{}");
	set(&c.message, "");
	golden_of("stdout/firing.txt", &sink_stdout, &plain, &env, &a);
	golden_of("stdout/resolved.txt", &sink_stdout, &plain, &env, &b);
	golden_of("stdout/level.txt", &sink_stdout, &plain, &env, &c);
	golden_of("stdout/firing.json", &sink_stdout, &json, &env, &a);
	const struct alert *both[] = { &a, &b };
	struct request q;
	request_init(&q);
	ok(sink_stdout.format(&json, &env, both, 2, &q) == ERR_OK && q.url == NULL, "two at once, written and not sent");
	struct buf want;
	buf_init(&want, 1 << 20);
	alert_json(&want, &a);
	buf_addc(&want, '\n');
	alert_json(&want, &b);
	buf_addc(&want, '\n');
	is(buf_str(&q.body), buf_str(&want), "json is the transition, one a line");
	buf_free(&want);
	request_free(&q);
	q = request_of(&sink_stdout, &coloured, &env, &a);
	size_t esc = 0;
	for (size_t i = 0; i < q.body.len; i++)
		esc += q.body.data[i] == '\x1b';
	ok(esc == 2, "colour is weir's own two sequences, none from the log");
	request_free(&q);
	alert_free(&a);
	alert_free(&b);
	alert_free(&c);
	return tap_done();
}
