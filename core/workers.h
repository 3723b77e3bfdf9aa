/* workers.h - threads that read and parse beside the main one: the left side of the exchange, N times.
 *
 * A job is one batch of one partition: fill, then front_run into the job's own block. The main thread submits jobs and takes
 * them back when they are done, in the order in which they were done; the back is its alone. With one worker there are no
 * threads: workers_submit does the job where it stands.
 *
 * The rule that keeps this simple: a partition has at most one job out, and from workers_submit to workers_take its struct
 * fpart (time, steps, counters), what fill writes of its struct part (unread, state, why, lost) and the job belong to the
 * worker. The main thread neither reads nor writes them in that time; it knows of the partition only what it kept itself
 * (struct reach). struct reach holds the job, and reach_idle() is the must() before every touch.
 *
 * Why the number of workers changes no result. (1) A partition's batches go through one after the other, so its verdicts,
 * marks, folds and tuples are those of one thread. (2) Its blocks reach the back in that order. (3) The back may get the
 * blocks of different partitions in any order: folds are exact and merge in any order; a tuple waits until the least mark has
 * passed it, and all that have are in the total order (time, partition, seq, rule); a boundary is evaluated once the least
 * mark has reached it, when no record before it can come; and what is told is sorted before it is given. So a block that
 * comes early only waits. core/lanes_test.c stalls workers at random and compares bytes.
 *
 * Cost: a worker takes the lock once a batch, the main thread twice; never per record. Memory: at most WORKERS_JOBS jobs a
 * worker, each a batch (256 KiB, or a record up to max_record) and its block.
 */
#ifndef WEIR_WORKERS_H
#define WEIR_WORKERS_H

#include "rules/front.h"

#define WORKERS_MAX 256
#define WORKERS_JOBS 4 /* jobs a worker: some wait to be taken while the main thread commits */

struct job {
	/* set before workers_submit */
	void *lane;          /* the caller's */
	struct part *part;
	struct fpart *front;
	nsec now, wall;      /* for fill, for front_run */
	bool replay;
	/* the answer */
	enum err err;        /* of fill; ERR_OK: block is set */
	struct batch batch;  /* as fill left it: len, at_end, written */
	struct block block;
	/* private */
	const struct source_conf *conf;
	struct job *next;
};

struct workers;
/* asked: threads, 0: auto, which is the CPUs that this process may use less one, never more than partitions
 * (workers_partitions), at least one. No thread is started before there is work for it. Records outside from <= time < to
 * count for time only. */
struct workers *workers_new(const struct ruleset *rs, int64_t asked, nsec from, nsec to);
/* Ends the threads: what they do now is finished, what waits is dropped, as is what was not taken. */
void workers_free(struct workers *w);
void workers_partitions(struct workers *w, size_t n);
void workers_limit(struct workers *w, size_t n); /* no more than n threads from here on; at any time */
size_t workers_threads(const struct workers *w); /* that may run now; 1: none, the caller's own */
struct front *workers_front(struct workers *w);  /* the main thread's own */

/* A job for a partition of this source. NULL: as many are out, or not yet given back, as may be. */
struct job *workers_job(struct workers *w, const struct source_conf *c);
void workers_submit(struct workers *w, struct job *j);
/* The next job that is done. NULL: none is (wait: none is out). */
struct job *workers_take(struct workers *w, bool wait);
void workers_give_back(struct workers *w, struct job *j);
size_t workers_out(const struct workers *w); /* submitted and not taken */
/* Readable while a job is done and not taken; to be asked for before the first job. */
int workers_fd(struct workers *w);
uint64_t workers_regex_limits(const struct workers *w); /* with no job out */

#endif
