/* ruletest.c - one test: its records through front and back, its expectations against the transitions.
 *
 * In: a checked test. Out: test->failed and what to say. Owns: the engine of one run.
 * A record arrives at its line's time, or at its own if that is later; that order is the partition's. Its event time is its
 * own where it has the source's time field, else its line's. The wall clock is the arrival. Never asks the real clock for
 * anything but how long a test took.
 */
#include "core/ruletest.h"

#include "core/lanes.h"
#include "core/workers.h"

#include <stdlib.h>

#define BATCH_TEXT (1 << 18)

void
rt_log_free(struct rt_log *log)
{
	for (size_t i = 0; i < log->n; i++)
		alert_free(&log->v[i]);
	free(log->v);
	*log = (struct rt_log){ 0 };
}

/* ---- feeding ---- */

struct feed_part {            /* the records of one source */
	struct fpart front;
	bool used;
	int64_t seq;
	struct buf text;      /* not yet fed */
	nsec last;            /* arrival of the last of them */
};

struct feed {
	struct rt_file *f;
	struct rt_test *t;
	struct front *front;
	struct back *back;
	struct feed_part *part; /* by source */
	struct block block;
};

static void
batch_run(struct feed *d, size_t source)
{
	struct feed_part *p = &d->part[source];
	struct batch b;
	batch_init(&b, &d->f->app.config->source[source]);
	b.format = FORMAT_JSON; /* whatever the source's files look like */
	b.stamped = true;
	b.data = p->text.data;
	b.len = b.cap = p->text.len;
	b.seq = b.offset = p->seq;
	b.file = STR("records");
	p->seq += (int64_t)p->text.len;
	front_run(d->front, &p->front, &b, &d->block, p->last, false);
	b.data = NULL; /* the buffer's own */
	batch_free(&b);
	back_take(d->back, &d->block);
	back_advance(d->back);
	buf_clear(&p->text);
}

/* All partitions are there before the first record: none may be overtaken by another's time. */
static void
parts_open(struct feed *d)
{
	for (size_t i = 0; i < d->t->nline; i++) {
		size_t s = d->t->line[i].source;
		struct feed_part *p = &d->part[s];
		if (p->used)
			continue;
		p->used = true;
		buf_init(&p->text, BATCH_TEXT + 2 * RT_TEXT_MAX);
		fpart_init(&p->front, &d->f->app.source[s], back_part_add(d->back, s, STR("records")));
	}
}

static void
feed_lines(struct feed *d)
{
	size_t n;
	struct rt_arrival *v = rt_arrivals(d->f, d->t, &n);
	parts_open(d);
	for (size_t i = 0; i < n; i++) {
		const struct rt_line *line = &d->t->line[v[i].line];
		struct feed_part *p = &d->part[line->source];
		buf_printf(&p->text, "%lld ", (long long)v[i].at);
		rt_line_json(line, v[i].n, &p->text);
		buf_addc(&p->text, '\n');
		p->last = v[i].at;
		if (p->text.len >= BATCH_TEXT)
			batch_run(d, line->source);
	}
	free(v);
	for (size_t i = 0; i < d->f->app.config->nsource; i++) {
		struct feed_part *p = &d->part[i];
		if (!p->used)
			continue;
		if (p->text.len)
			batch_run(d, i);
		front_end(d->front, &p->front, &d->block, p->last);
		back_take(d->back, &d->block);
		back_part_leave(d->back, p->front.number);
		fpart_release(&p->front);
		buf_free(&p->text);
	}
}

/* All input is in: time goes on to where the test ends; what was told goes to log. */
static void
finish(struct back *b, const struct rt_test *t, struct rt_log *log)
{
	const struct alert *const *v;
	nsec last = t->until;
	if (last == NS_NONE) {
		back_end(b, 0);
		for (size_t i = 0; i < t->nexpect; i++)
			last = t->expect[i].at > last ? t->expect[i].at : last;
	}
	if (last != NS_NONE)
		back_until(b, last);
	size_t n = back_out(b, t->until == NS_NONE ? INT64_MAX : t->until + 1, &v);
	for (size_t i = 0; i < n; i++) {
		GROW(log->v, log->n, log->cap);
		alert_copy(&log->v[log->n++], v[i]);
	}
}

static void
feed_records(struct rt_file *f, struct rt_test *t, front_watcher *front, back_watcher *back, void *arg, struct rt_log *log)
{
	struct feed d = { .f = f, .t = t, .front = front_new(f->app.rules), .back = back_new(f->app.rules),
		.part = xcalloc(f->app.config->nsource, sizeof *d.part) };
	block_init(&d.block);
	if (t->until != NS_NONE)
		front_bounds(d.front, INT64_MIN, t->until + 1);
	front_watch(d.front, front, arg);
	back_watch(d.back, back, arg);
	feed_lines(&d);
	finish(d.back, t, log);
	front_free(d.front);
	back_free(d.back);
	block_free(&d.block);
	free(d.part);
}

static bool
feed_files(struct rt_file *f, struct rt_test *t, front_watcher *front, back_watcher *back, void *arg, struct rt_log *log)
{
	struct lanes l;
	int code = 0;
	struct lanes_what what = { .only = (int)t->source, .files = (const char *const *)t->file.v, .nfiles = t->file.n, .jobs = 1,
		.from = INT64_MIN, .to = t->until == NS_NONE ? INT64_MAX : t->until + 1 }; /* one worker: its front is watched */
	bool good = lanes_open(&l, &f->app, &what, &code);
	if (good) {
		front_watch(workers_front(l.workers), front, arg);
		back_watch(l.back, back, arg);
		while (lanes_step(&l))
			;
		finish(l.back, t, log);
		good = !l.failed && l.nlane > 0;
	}
	lanes_close(&l);
	return good;
}

bool
rt_feed(struct rt_file *f, struct rt_test *t, front_watcher *front, back_watcher *back, void *arg, struct rt_log *log)
{
	*log = (struct rt_log){ 0 };
	if (t->file.n == 0) {
		feed_records(f, t, front, back, arg, log);
		return true;
	}
	if (feed_files(f, t, front, back, arg, log))
		return true;
	buf_printf(&t->what, "  the records_file could not be read to its end\n");
	return false;
}

void
rt_run(struct rt_file *f, struct rt_test *t, struct rt_cover *cover)
{
	nsec from = mono_ns();
	struct rt_log log;
	struct rt_ask *ask = xcalloc(t->nexpect, sizeof *ask);
	struct buf *what = xcalloc(t->nexpect, sizeof *what);
	size_t failed = 0;
	if (cover)
		rt_cover_file(cover, f);
	t->broken = !rt_feed(f, t, cover ? rt_cover_front : NULL, cover ? rt_cover_back : NULL, cover, &log);
	for (size_t i = 0; i < t->nexpect && !t->broken; i++) {
		buf_init(&what[failed], RT_TEXT_MAX);
		if (rt_check(t, &t->expect[i], &log, &ask[failed], &what[failed]))
			buf_free(&what[failed]);
		else
			failed++;
	}
	if (cover)
		rt_cover_fired(cover, &log);
	t->failed = failed > 0 || t->broken;
	if (failed)
		rt_why(f, t, ask, failed);
	for (size_t i = 0; i < failed; i++) {
		buf_str_add(&t->what, buf_str(&what[i]));
		buf_str_add(&t->what, buf_str(&ask[i].said));
		buf_free(&what[i]);
		buf_free(&ask[i].said);
		free(ask[i].exact);
	}
	rt_log_free(&log);
	free(ask);
	free(what);
	t->seconds = (double)(mono_ns() - from) / (double)NS_PER_S;
}
