/* src_files_threads_test.c - one thread scans while others fill and a writer rotates: each line of each file once. */
#include "core/log.h"
#include "ingest/rig.h"

#define FILES 4
#define LINES 4000

struct reader {
	struct rig *r;
	struct part *part;
	size_t lines;
	bool wrong;
	atomic_bool done;
	pthread_t thread;
};

static atomic_bool stop;
static _Atomic nsec now; /* moved by the scanning thread: quiet times pass without waiting */

static void *
read_one(void *arg)
{
	struct reader *me = arg;
	struct batch b;
	struct record rec = { 0 };
	batch_init(&b, &me->r->conf);
	while (!atomic_load(&stop) && me->lines < LINES && !me->wrong) {
		enum err e = me->r->s.kind->fill(me->part, &b, atomic_load(&now));
		while (e == ERR_OK && batch_next(&b, &rec)) {
			char head[32];
			int k = snprintf(head, sizeof head, "{\"n\":%zu,", me->lines++);
			me->wrong |= rec.raw.len < (size_t)k || memcmp(rec.raw.ptr, head, (size_t)k) != 0;
		}
	}
	batch_free(&b);
	atomic_store(&me->done, true);
	return NULL;
}

int
main(void)
{
	struct rig r;
	struct reader reader[FILES];
	log_set_level(LOG_ERROR);
	rig_init(&r, "*.log", START_BEGINNING);
	for (int i = 0; i < FILES; i++) {
		char name[16];
		snprintf(name, sizeof name, "%d.log", i);
		rig_add(&r, name, 0, 1, 10);
	}
	rig_live(&r);
	atomic_store(&now, r.now);
	r.s.kind->scan(&r.s, r.now);
	must(r.s.npart == FILES);
	for (int i = 0; i < FILES; i++) {
		reader[i] = (struct reader){ .r = &r, .part = r.s.part[i] };
		must(pthread_create(&reader[i].thread, NULL, read_one, &reader[i]) == 0);
	}
	for (size_t n = 1; n < LINES; n += 93) {
		size_t to = n + 93 < LINES ? n + 93 : LINES;
		for (int i = 0; i < FILES; i++) {
			char name[16], old[24];
			snprintf(name, sizeof name, "%d.log", i);
			if (n % 4 == 1) {
				for (int k = 40; k > 0; k--) {
					char a[24];
					snprintf(a, sizeof a, "%d.log.%d", i, k);
					snprintf(old, sizeof old, "%d.log.%d", i, k + 1);
					(void)rename(rig_path(&r, a), rig_path(&r, old));
				}
				snprintf(old, sizeof old, "%d.log.1", i);
				rig_mv(&r, name, old);
			}
			rig_add(&r, name, n, to, 10);
		}
		r.s.kind->scan(&r.s, atomic_fetch_add(&now, NS_PER_S));
	}
	nsec began = mono_ns(); /* a bound for a broken reader, no measure */
	for (int running = FILES; running && mono_ns() - began < 60 * NS_PER_S;) {
		r.s.kind->scan(&r.s, atomic_fetch_add(&now, NS_PER_S));
		running = 0;
		for (int i = 0; i < FILES; i++)
			running += !atomic_load(&reader[i].done);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < FILES; i++) {
		must(pthread_join(reader[i].thread, NULL) == 0);
		ok(reader[i].lines == LINES && !reader[i].wrong, "file %d: %zu lines in order", i, reader[i].lines);
	}
	rig_free(&r);
	return tap_done();
}
