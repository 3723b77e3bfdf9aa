/* cmd_replay.c - archived logs through the same engine: `weir replay`. */
#include "core/cmd.h"
#include "core/json.h"
#include "core/log.h"
#include "core/replay.h"
#include "sinks/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* Transitions that no later one can precede, in order. false: --send failed, told. */
static bool
flush(struct lanes *l, struct sending *s, nsec before, bool json, uint64_t *told)
{
	const struct alert *const *v;
	struct buf out;
	size_t n = back_out(l->back, before, &v);
	bool good = true;
	buf_init(&out, SIZE_MAX / 4);
	for (size_t i = 0; i < n; i++)
		print(v[i], json, &out);
	if (out.len)
		fwrite(out.data, 1, out.len, stdout);
	buf_free(&out);
	if (s && n)
		fflush(stdout); /* deliveries take their time */
	for (size_t i = 0; s && i < n && good && !sending_interrupted(); i++)
		good = sending_put(s, v[i]);
	back_out_done(l->back, n);
	*told += n;
	return good;
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

/* What a live run with this configuration knows and this replay does not use. */
static void
tell_steps(const struct config *c)
{
	char *file = xasprintf("%s/weir.db", c->state);
	if (access(file, F_OK) == 0)
		fprintf(stderr, "a weir has run with this configuration: where it moved time by the clock (silence, files that came "
			"and went) this replay may differ from it; --state %s applies what it recorded\n", c->state);
	free(file);
}

/* Rules at a limit, each once; told: by rule. */
static void
tell_overflow(const struct lanes *l, bool *told, uint64_t *seen)
{
	struct back_stats all;
	back_stats(l->back, &all);
	if (all.overflows == *seen)
		return;
	*seen = all.overflows;
	for (size_t i = 0; i < l->app->rules->nrule; i++) {
		struct rule_stats s;
		struct buf text;
		back_rule_stats(l->back, i, &s);
		if (told[i] || !s.overflow)
			continue;
		told[i] = true;
		buf_init(&text, 1 << 12);
		back_overflow_text(l->back, i, &text);
		log_warn("replay", "%s", buf_z(&text));
		buf_free(&text);
	}
}

static int
replay(struct lanes *l, struct app *a, const struct cmd_opts *o)
{
	int code = CMD_DONE;
	uint64_t told = 0, overflows = 0;
	if (o->state && !steps_load(l, o->state, &code))
		return code;
	if (o->state == NULL)
		tell_steps(a->config);
	struct sending *s = o->send ? sending_open(a, &code) : NULL;
	if (o->send && s == NULL)
		return code;
	bool good = true, *full = xcalloc(a->rules->nrule + 1, sizeof *full);
	while (good && !(s && sending_interrupted()) && lanes_step(l)) {
		tell_overflow(l, full, &overflows);
		good = flush(l, s, back_settled(l->back), o->json, &told);
	}
	free(full);
	if (good && (!l->stepped || o->until > 0)) /* with steps time ends where the live run's did */
		back_end(l->back, o->until);
	good = good && flush(l, s, INT64_MAX, o->json, &told);
	fflush(stdout);
	summary(l, told);
	if (s)
		code = sending_close(s, o->drain);
	return good && !l->failed ? code : CMD_FAILED;
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
	struct lanes_what what = { .only = only, .files = o->operand, .nfiles = o->noperand,
		.jobs = o->jobs ? o->jobs : a->config->workers, .from = o->from == NS_NONE ? INT64_MIN : o->from,
		.to = o->to == NS_NONE ? INT64_MAX : o->to };
	if (lanes_open(&l, a, &what, &code))
		code = replay(&l, a, o);
	lanes_close(&l);
	app_free(a);
	return code;
}
