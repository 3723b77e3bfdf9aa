/* workers_test.c - jobs over sources that stall at random: order, bounds, one job a partition, the end with jobs out. */
#include "core/app.h"
#include "core/reach.h"
#include "core/tap.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LANES 7
#define BATCHES 60
#define LINES 20 /* a batch */

struct feed {                /* a partition whose lines are numbered */
	struct part part;    /* first */
	struct fpart front;
	struct reach reach;
	int given;           /* batches; the worker's */
	atomic_int inside;   /* fills at this moment */
	unsigned random;
	/* the main thread's */
	int taken, failed;
	int64_t seq;
	bool ended, wrong;
};

static atomic_int overlaps, elsewhere, started, finished;
static pthread_t main_thread;
static bool stalls;
static char feed_name[] = "f";

static unsigned
next(unsigned *r)
{
	*r = *r * 1103515245 + 12345;
	return *r >> 16;
}

static void
stall(unsigned *r)
{
	unsigned k = next(r);
	struct timespec t = { 0, (long)(k % 700) * 1000 };
	for (unsigned i = 0; i < k % 64; i++)
		sched_yield();
	if (k % 5 == 0)
		nanosleep(&t, NULL);
}

static enum err
feed_fill(struct part *p, struct batch *b, nsec now)
{
	struct feed *f = (struct feed *)(void *)p;
	(void)now;
	atomic_fetch_add(&started, 1);
	if (atomic_fetch_add(&f->inside, 1) != 0)
		atomic_fetch_add(&overlaps, 1);
	if (!pthread_equal(pthread_self(), main_thread))
		atomic_fetch_add(&elsewhere, 1);
	if (stalls)
		stall(&f->random);
	batch_reset(b);
	enum err e = f->given == BATCHES ? ERR_EOF : next(&f->random) % 9 == 0 ? ERR_IO : ERR_OK;
	if (e == ERR_OK) {
		b->cap = LINES * 64;
		b->data = xrealloc(b->data, b->cap);
		b->seq = (int64_t)f->given * 10000;
		b->file = str_of(p->name);
		for (int i = 0; i < LINES; i++)
			b->len += (size_t)snprintf(b->data + b->len, b->cap - b->len, "{\"ts\":%d,\"n\":%d}\n",
				1600000000 + f->given * LINES + i, f->given);
		f->given++;
	}
	if (stalls)
		stall(&f->random);
	atomic_fetch_sub(&f->inside, 1);
	atomic_fetch_add(&finished, 1);
	return e;
}

static const struct source_kind feed_kind = { .fill = feed_fill };
static struct app *app;
static struct source source;
static struct feed feed[LANES];

static void
feeds_open(unsigned seed)
{
	source = (struct source){ .kind = &feed_kind, .conf = &app->config->source[0] };
	for (int i = 0; i < LANES; i++) {
		feed[i] = (struct feed){ .part = { .name = feed_name, .source = &source }, .random = seed + (unsigned)i * 77,
			.reach = { .mark = NS_NONE }, .seq = -1 };
		fpart_init(&feed[i].front, &app->source[0], (uint32_t)i);
	}
}

static void
feeds_close(void)
{
	for (int i = 0; i < LANES; i++)
		fpart_release(&feed[i].front);
}

static void
submit(struct workers *w, struct leveller *v, struct feed *f, struct job *j)
{
	reach_start(v, &f->reach, j);
	j->lane = f;
	j->part = &f->part;
	j->front = &f->front;
	j->wall = INT64_C(1700000000) * NS_PER_S;
	workers_submit(w, j);
}

/* The next batch of each feed in turn, as far as there are jobs. */
static size_t
submit_all(struct workers *w, struct leveller *v)
{
	size_t n = 0;
	for (int i = 0; i < LANES; i++) {
		struct job *j;
		if (feed[i].ended || feed[i].reach.job || (j = workers_job(w, source.conf)) == NULL)
			continue;
		submit(w, v, &feed[i], j);
		n++;
	}
	return n;
}

static void
check(struct feed *f, struct job *j)
{
	int64_t last = (int64_t)f->taken * 10000;
	if (j->err == ERR_IO) {
		f->failed++;
	} else if (j->err == ERR_EOF) {
		f->ended = true;
	} else {
		f->wrong |= j->err != ERR_OK || j->block.records != LINES || j->block.seq <= f->seq || j->block.seq < last ||
			j->block.seq > last + LINES * 64 || j->block.tuples->n != LINES;
		f->wrong |= j->block.time.records != (uint64_t)(f->taken + 1) * LINES;
		f->wrong |= j->block.time.greatest != (1600000000 + (f->taken + 1) * LINES - 1) * NS_PER_S;
		f->seq = j->block.seq;
		f->taken++;
	}
}

static void
all_of_it(int64_t threads, unsigned seed)
{
	struct workers *w = workers_new(app->rules, threads, INT64_MIN, INT64_MAX);
	struct leveller v;
	size_t most = 0, taken = 0, out = 0;
	bool fd_wrong = false;
	struct pollfd p = { workers_fd(w), POLLIN, 0 };
	leveller_init(&v, app->rules);
	feeds_open(seed);
	overlaps = elsewhere = started = finished = 0;
	for (struct job *j;;) {
		submit_all(w, &v);
		if (workers_out(w) > most)
			most = workers_out(w);
		out = workers_out(w);
		bool ready = poll(&p, 1, 0) == 1;
		j = workers_take(w, !ready);
		if (j == NULL)
			fd_wrong |= ready;
		if (j == NULL)
			break;
		if (poll(&p, 1, 0) == 1 && out == 1)
			fd_wrong = true; /* nothing is left to take */
		struct feed *f = j->lane;
		reach_taken(&f->reach, &f->front, j->batch.len);
		check(f, j);
		taken++;
		workers_give_back(w, j);
	}
	bool good = true;
	int failed = 0;
	for (int i = 0; i < LANES; i++) {
		good &= feed[i].ended && !feed[i].wrong && feed[i].taken == BATCHES;
		failed += feed[i].failed;
	}
	ok(good, "%lld workers, seed %u: each batch of each partition once, in its order", (long long)threads, seed);
	ok(failed > 0 && taken == (size_t)(LANES * (BATCHES + 1) + failed), "failures are handed on (%d)", failed);
	ok(overlaps == 0, "one job a partition at a time");
	ok(most <= (threads == 1 ? 1 : (size_t)threads * WORKERS_JOBS), "at most %zu jobs are out", most);
	ok(!fd_wrong, "the descriptor is readable as long as there is something to take");
	ok(threads == 1 ? elsewhere == 0 : elsewhere == started, "with one worker all in the caller's thread, else none");
	workers_free(w);
	feeds_close();
}

static void
end_with_jobs_out(unsigned seed)
{
	struct workers *w = workers_new(app->rules, 3, INT64_MIN, INT64_MAX);
	struct leveller v;
	unsigned r = seed;
	leveller_init(&v, app->rules);
	feeds_open(seed);
	started = finished = 0;
	size_t n = submit_all(w, &v), kept = next(&r) % 3;
	struct job *j[3];
	for (size_t i = 0; i < kept; i++) {
		j[i] = workers_take(w, true);
		must(j[i]);
	}
	for (size_t i = 0; i < kept; i++)
		workers_give_back(w, j[i]);
	workers_free(w);
	if (started != finished || (size_t)started < kept || (size_t)started > n)
		ok(false, "seed %u: %d fills begun, %d ended", seed, started, finished);
	feeds_close();
}

static void
automatic(void)
{
	struct workers *w = workers_new(app->rules, 0, INT64_MIN, INT64_MAX);
	ok(workers_threads(w) == 1, "auto: one, before there are partitions");
	workers_partitions(w, 0);
	ok(workers_threads(w) == 1, "one, as there are none");
	workers_partitions(w, 1);
	ok(workers_threads(w) == 1, "one, for one");
	workers_partitions(w, 100000);
	ok(workers_threads(w) >= 1 && workers_threads(w) <= WORKERS_MAX, "%zu for any number", workers_threads(w));
	workers_free(w);
	w = workers_new(app->rules, 5, INT64_MIN, INT64_MAX);
	workers_partitions(w, 2);
	ok(workers_threads(w) == 5, "a number that was asked for stays");
	workers_free(w);
}

/* Fewer threads than jobs, while some are out: nothing is lost. */
static void
fewer(unsigned seed)
{
	struct workers *w = workers_new(app->rules, 4, INT64_MIN, INT64_MAX);
	struct leveller v;
	size_t rounds = 0;
	leveller_init(&v, app->rules);
	feeds_open(seed);
	for (struct job *j;; rounds++) {
		workers_limit(w, rounds % 3 == 0 ? LANES : rounds % 3);
		submit_all(w, &v);
		if ((j = workers_take(w, true)) == NULL)
			break;
		struct feed *f = j->lane;
		reach_taken(&f->reach, &f->front, j->batch.len);
		check(f, j);
		workers_give_back(w, j);
	}
	bool good = true;
	for (int i = 0; i < LANES; i++)
		good &= feed[i].ended && !feed[i].wrong && feed[i].taken == BATCHES;
	ok(good, "threads come and go: all is read all the same");
	workers_free(w);
	feeds_close();
}

static void
level(void)
{
	struct leveller v;
	struct reach a = { .source = 0, .late = 2 * NS_PER_S, .mark = 100 * NS_PER_S }, b = a, other = a;
	struct job j;
	leveller_init(&v, app->rules);
	ok(v.pane == 10 * NS_PER_S, "the longest pane");
	other.source = 1;
	other.mark = 0;
	b.mark = 112 * NS_PER_S;
	reach_begin(&v);
	reach_count(&v, &a);
	reach_count(&v, &b);
	ok(reach_before(&v, &b, NULL) && reach_before(&v, &a, &b) && !reach_before(&v, &b, &a), "the least first, late and a pane past it too");
	b.mark++;
	ok(!reach_before(&v, &b, NULL), "not further");
	b.mark--;
	b.ahead = REACH_BYTES - BATCH_BYTES + 1;
	ok(!reach_before(&v, &b, NULL), "nor more than 8 MiB");
	a.ahead = INT64_C(1) << 40;
	ok(reach_before(&v, &a, NULL), "the least itself whatever it read");
	reach_start(&v, &a, &j);
	ok(a.ahead == 0 && a.turn == 1, "and counts anew from there");
	reach_count(&v, &other);
	ok(reach_before(&v, &a, NULL) && reach_before(&v, &other, &a) && !reach_before(&v, &a, &other),
		"a source without a rule in common holds nobody; they take turns");
	other.mark = NS_NONE;
	other.source = 0;
	reach_begin(&v);
	reach_count(&v, &a);
	reach_count(&v, &other);
	ok(!reach_before(&v, &a, NULL) && reach_before(&v, &other, NULL), "one that has shown no time is the least of all");
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	must(f && fputs(text, f) >= 0 && fclose(f) == 0);
	free(path);
}

int
main(void)
{
	char dir[] = "/tmp/weir-workers.XXXXXX";
	must(mkdtemp(dir));
	main_thread = pthread_self();
	write_file(dir, "weir.yaml", "sources:\n  app: {files: [x.log], time: ts}\n  b: {files: [y.log], time: ts}\nrules: [r.yaml]\n"
		"sinks:\n  out: {stdout: {}}\n");
	write_file(dir, "r.yaml", "rules:\n- {rule: each, from: app, when: n >= 0, hold: 0s}\n"
		"- {rule: w, from: b, over: 10m, when: count() > 1}\n");
	char *conf = xasprintf("%s/weir.yaml", dir);
	app = app_load(conf);
	must(app);
	level();
	automatic();
	for (int64_t n = 1; n <= 4; n++) {
		stalls = n != 3;
		all_of_it(n, (unsigned)n * 31);
	}
	stalls = true;
	fewer(5);
	for (unsigned seed = 1; seed <= 30; seed++)
		end_with_jobs_out(seed);
	ok(started == finished, "the end waits for what is being done and drops the rest");
	app_free(app);
	char *rm = xasprintf("rm -r %s", dir);
	must(system(rm) == 0);
	free(rm);
	free(conf);
	return tap_done();
}
