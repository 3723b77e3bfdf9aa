/* cmd_replay.c - archived logs through the same engine: `weir replay`. */
#include "core/cmd.h"
#include "core/json.h"
#include "core/lanes.h"
#include "core/log.h"
#include "sinks/sink.h"

#include <stdio.h>
#include <stdlib.h>

static void
print(const struct alert *a, bool json, struct buf *out)
{
	if (json) {
		alert_json(out, a);
		buf_addc(out, '\n');
		return;
	}
	struct sink_env env = { .sink = "console", .host = "", .now = a->timestamp };
	struct request q;
	void *conf = xcalloc(1, sink_stdout.kind.conf_size);
	request_init(&q);
	if (sink_stdout.format(conf, &env, &a, 1, &q) == ERR_OK)
		buf_str_add(out, buf_str(&q.body));
	request_free(&q);
	free(conf);
}

/* Transitions that no later one can precede, in order. */
static uint64_t
flush(struct lanes *l, nsec before, bool json)
{
	const struct alert *const *v;
	struct buf out;
	size_t n = back_out(l->back, before, &v);
	buf_init(&out, SIZE_MAX / 4);
	for (size_t i = 0; i < n; i++)
		print(v[i], json, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_free(&out);
	back_out_done(l->back, n);
	return n;
}

static void
summary(const struct lanes *l, uint64_t transitions)
{
	struct buf out;
	buf_init(&out, 1 << 16);
	lanes_summary(l, &out);
	fprintf(stderr, "%llu transitions of %s\n", (unsigned long long)transitions, buf_z(&out));
	buf_free(&out);
}

int
cmd_replay(const struct cmd_opts *o)
{
	struct app *a = app_load(o->config);
	if (a == NULL)
		return CMD_USAGE;
	int code = CMD_DONE, only = lanes_source(a->config, o->source, o->noperand);
	if (only == -2) {
		app_free(a);
		return CMD_USAGE;
	}
	struct lanes l;
	uint64_t told = 0;
	struct lanes_what what = { .only = only, .files = o->operand, .nfiles = o->noperand,
		.jobs = o->jobs ? o->jobs : a->config->workers, .from = o->from == NS_NONE ? INT64_MIN : o->from,
		.to = o->to == NS_NONE ? INT64_MAX : o->to };
	if (lanes_open(&l, a, &what, &code)) {
		while (lanes_step(&l))
			told += flush(&l, back_settled(l.back), o->json);
		back_end(l.back, o->until);
		told += flush(&l, INT64_MAX, o->json);
		fflush(stdout);
		summary(&l, told);
		if (l.failed)
			code = CMD_FAILED;
	}
	lanes_close(&l);
	app_free(a);
	return code;
}
