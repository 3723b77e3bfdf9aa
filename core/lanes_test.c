/* lanes_test.c - the same files by one thread and by several that stall at random: the same bytes.
 *
 * The stalls are the test's own: it puts its fill before the source's, and there cuts batches into pieces, too. What is told is compared as JSON, with the order in
 * which it was given out; sums are of values whose doubles depend on the order of additions.
 */
#include "core/lanes.h"
#include "core/tap.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FILES 8
#define RUNS 12
#define SPAN 300 /* seconds of event time */

static char dir[] = "/tmp/weir-lanes.XXXXXX";

static unsigned
next(unsigned *r)
{
	*r = *r * 1103515245 + 12345;
	return *r >> 16 & 0x7fff;
}

static FILE *
create(const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	must(f);
	free(path);
	return f;
}

/* Values that no order of plain additions gives twice the same sum of. */
static void
value(FILE *f, unsigned *r)
{
	static const char *const v[] = { "1e16", "-1e16", "0.1", "0.30000000000000004", "1", "1e-9", "123456789.125", "-0.7", "9007199254740993",
		"1.7e308" };
	fprintf(f, "\"v\":%s", v[next(r) % COUNT_OF(v)]);
}

static void
line(FILE *f, int part, double at, unsigned *r)
{
	static const char *const events[] = { "start", "complete", "tick", "tick" };
	unsigned k = next(r);
	if (k % 50 == 0) {
		fputs("{\"ts\": broken\n", f);
		return;
	}
	double ts = 1600000000 + at - (k % 40 == 1 ? 6 : 0); /* some are late */
	if (k % 60 == 2)
		fputs("{", f);
	else
		fprintf(f, "{\"ts\":%.3f,", ts);
	fprintf(f, "\"level\":\"%s\",\"tenant\":\"t%u\",\"event\":\"%s\",\"s\":%u,\"file\":%d,", next(r) % 4 ? "INFO" : "ERROR",
		next(r) % 5, events[next(r) % 4], next(r) % 30, part);
	value(f, r);
	fputs("}\n", f);
}

static void
write_logs(unsigned seed)
{
	for (int i = 0; i < FILES; i++) {
		char name[16];
		unsigned r = seed * 1000 + (unsigned)i;
		snprintf(name, sizeof name, "%d.log", i);
		FILE *f = create(name);
		double pace = (double)(1 + next(&r) % 400) / 1000, at = next(&r) % 20; /* some files are small, some large */
		for (int n = 0; at < SPAN && n < 15000; n++, at += pace)
			line(f, i, (double)(int64_t)(at * 4) / 4, &r); /* many share an instant with other files */
		if (seed % 2 && i == 3)
			line(f, i, SPAN + 9000, &r); /* held to the end: a jump */
		must(fclose(f) == 0);
	}
}

static void
write_conf(void)
{
	FILE *f = create("weir.yaml");
	fputs("sources:\n  a: {files: ['[0-5].log'], time: ts, late: 1s}\n  b: {files: ['[67].log'], time: ts, late: 3s}\n"
		"rules: [r.yaml]\nsinks:\n  out: {stdout: {}}\n", f);
	must(fclose(f) == 0);
	f = create("r.yaml");
	fputs("rules:\n"
		"- {rule: sums, by: tenant, over: 30s, every: 3s, when: sum(v) > 0.4, context: [s, file]}\n"
		"- {rule: mean, over: 20s, when: avg(v) > 1, resolve_when: avg(v) < 0.1, text: '{value} {samples}'}\n"
		"- {rule: quiet, from: b, where: level == 'ERROR', over: 10s, when: count() == 0, no_data: evaluate, context: [s]}\n"
		"- {rule: p, from: a, by: [tenant, level], over: 15s, when: p90(v) > 5 and max(v) > 2, for: 4s}\n"
		"- {rule: pairs, by: s, open: event == 'start', close: event == 'complete', within: 20s, context: [file, tenant]}\n"
		"- {rule: each, where: level == 'ERROR', when: v == 1, by: tenant, hold: 0s}\n"
		"- {rule: held, from: b, when: v > 1, by: s, hold: 5s, context: [file]}\n"
		"- {rule: turned, when: prev.level == 'INFO' and level == 'ERROR', by: [s, tenant], hold: 3s}\n", f);
	must(fclose(f) == 0);
}

/* ---- stalls ---- */

static struct source_kind stalling, real;
static unsigned dice;
static pthread_mutex_t dice_lock = PTHREAD_MUTEX_INITIALIZER;

static void
stall(void)
{
	pthread_mutex_lock(&dice_lock);
	unsigned k = next(&dice);
	pthread_mutex_unlock(&dice_lock);
	struct timespec t = { 0, (long)(k % 300) * 1000 };
	if (k % 16 == 0)
		nanosleep(&t, NULL);
	for (unsigned i = 0; i < k % 16; i++)
		sched_yield();
}

/* A part's last batch as far as it was not given yet; in use by one thread at a time, as its part is. */
static struct rest {
	struct part *part;
	struct batch whole;
	size_t at;
} rest[FILES];

static struct rest *
rest_of(struct part *p)
{
	pthread_mutex_lock(&dice_lock);
	size_t i = 0;
	while (rest[i].part && rest[i].part != p)
		i++;
	rest[i].part = p;
	pthread_mutex_unlock(&dice_lock);
	return &rest[i];
}

static enum err
stalling_fill(struct part *p, struct batch *b, nsec now)
{
	struct rest *r = rest_of(p);
	stall();
	if (r->whole.data == NULL)
		batch_init(&r->whole, p->source->conf);
	if (r->at == r->whole.len) {
		enum err e = real.fill(p, &r->whole, now);
		r->at = 0;
		if (e) {
			r->whole.len = 0;
			return e;
		}
	}
	stall();
	pthread_mutex_lock(&dice_lock);
	size_t n = r->at + 1 + next(&dice) * (next(&dice) % 4 == 0) / 8;
	pthread_mutex_unlock(&dice_lock);
	while (n < r->whole.len && r->whole.data[n - 1] != '\n')
		n++;
	if (n > r->whole.len)
		n = r->whole.len;
	batch_reset(b);
	b->len = n - r->at;
	if (b->cap < b->len) {
		b->cap = b->len;
		b->data = xrealloc(b->data, b->cap);
	}
	memcpy(b->data, r->whole.data + r->at, b->len);
	b->seq = r->whole.seq + (int64_t)r->at;
	b->offset = r->whole.offset + (int64_t)r->at;
	b->file = r->whole.file;
	r->at = n;
	return ERR_OK;
}

static void
told(struct lanes *l, nsec before, struct buf *out)
{
	const struct alert *const *v;
	size_t n = back_out(l->back, before, &v);
	for (size_t i = 0; i < n; i++) {
		alert_json(out, v[i]);
		buf_addc(out, '\n');
	}
	back_out_done(l->back, n);
}

static void
replay(const struct app *a, int64_t jobs, unsigned seed, struct buf *out, uint64_t *records)
{
	struct lanes_what what = { .only = -1, .jobs = jobs, .from = INT64_MIN, .to = INT64_MAX };
	struct lanes l;
	int code = 0;
	dice = seed;
	must(lanes_open(&l, a, &what, &code));
	real = *l.source[0].kind;
	stalling = real;
	stalling.fill = stalling_fill;
	for (size_t i = 0; i < l.nsource && seed; i++)
		l.source[i].kind = &stalling;
	while (lanes_step(&l))
		told(&l, back_settled(l.back), out);
	back_end(l.back, 60 * NS_PER_S);
	told(&l, INT64_MAX, out);
	*records = l.records;
	lanes_close(&l);
	for (size_t i = 0; i < FILES; i++)
		batch_free(&rest[i].whole);
	memset(rest, 0, sizeof rest);
}

int
main(void)
{
	uint64_t want_records, records;
	struct buf want, got;
	must(mkdtemp(dir));
	write_conf();
	char *conf = xasprintf("%s/weir.yaml", dir);
	struct app *a = app_load(conf);
	must(a);
	buf_init(&want, 64 << 20);
	buf_init(&got, 64 << 20);
	for (unsigned seed = 1; seed <= RUNS; seed++) {
		int64_t jobs = seed % 4 == 3 ? 8 : 1 + seed % 4;
		write_logs(seed);
		buf_clear(&want);
		buf_clear(&got);
		replay(a, 1, 0, &want, &want_records);
		replay(a, jobs, seed, &got, &records);
		size_t lines = 0, at = 0;
		for (size_t i = 0; i < want.len; i++)
			lines += want.data[i] == '\n';
		while (at < want.len && at < got.len && want.data[at] == got.data[at])
			at++;
		if (!ok(lines > 100 && str_eq(buf_str(&want), buf_str(&got)) && records == want_records,
			    "seed %u: %lld workers give the bytes of one (%zu transitions of %llu records)", seed, (long long)jobs, lines,
			    (unsigned long long)records)) {
			while (at > 0 && want.data[at - 1] != '\n')
				at--;
			printf("#  got: %.*s\n# want: %.*s\n", (int)strcspn(buf_z(&got) + at, "\n"), got.data + at,
				(int)strcspn(buf_z(&want) + at, "\n"), want.data + at);
		}
	}
	buf_free(&want);
	buf_free(&got);
	app_free(a);
	char *rm = xasprintf("rm -r %s", dir);
	must(system(rm) == 0);
	free(rm);
	free(conf);
	return tap_done();
}
