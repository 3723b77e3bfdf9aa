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

static int
source_index(const struct config *c, const char *name, size_t nfiles)
{
	int found = -1;
	for (size_t i = 0; i < c->nsource; i++) {
		if (strcmp(c->source[i].kind->name, "files") != 0)
			continue;
		if (name ? strcmp(c->source[i].name, name) == 0 : nfiles > 0) {
			if (found >= 0) {
				fprintf(stderr, "weir: the configuration has several `files` sources; say which one the files belong to "
					"with --source NAME\n");
				return -2;
			}
			found = (int)i;
		}
	}
	if (found < 0 && (name || nfiles)) {
		fprintf(stderr, name ? "weir: no `files` source is named %s\n" : "weir: the configuration has no `files` source%s\n",
			name ? name : "");
		return -2;
	}
	return found;
}

static void
summary(const struct lanes *l, uint64_t transitions)
{
	uint64_t bad[VERDICTS] = { 0 }, late = 0, skewed = 0, untimed = 0;
	for (size_t i = 0; i < l->nlane; i++) {
		const struct fpart *p = &l->lane[i].front;
		for (int v = 0; v < VERDICTS; v++)
			bad[v] += p->bad[v];
		late += p->time.late;
		skewed += p->time.skewed;
		untimed += p->time.untimed;
	}
	fprintf(stderr, "%llu records, %llu transitions", (unsigned long long)l->records, (unsigned long long)transitions);
	if (late || skewed || untimed)
		fprintf(stderr, "; time: %llu late, %llu skewed, %llu without", (unsigned long long)late, (unsigned long long)skewed,
			(unsigned long long)untimed);
	for (int v = 1; v < VERDICTS; v++)
		if (bad[v]) {
			fprintf(stderr, "; malformed (%s): %llu", verdict_name[v], (unsigned long long)bad[v]);
			for (size_t i = 0; i < l->nlane; i++)
				if (l->lane[i].front.bad[v]) {
					fprintf(stderr, ", such as %s", l->lane[i].front.sample[v]);
					break;
				}
		}
	fputc('\n', stderr);
}

int
cmd_replay(const struct cmd_opts *o)
{
	struct app *a = app_load(o->config);
	if (a == NULL)
		return CMD_USAGE;
	int code = CMD_DONE, only = source_index(a->config, o->source, o->noperand);
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
