/* reach.h - level reading (DESIGN section 3): which partition is read next.
 *
 * Not further than `late` plus the longest pane, or 8 MiB, past the least mark of those that have unread data and count in
 * the time of a rule they share. The one that is least is always allowed, so reading never stands still.
 * Cost: O(partitions) a batch.
 */
#ifndef WEIR_REACH_H
#define WEIR_REACH_H

#include "core/workers.h"

#define REACH_BYTES (INT64_C(8) << 20)

struct reach {               /* what the main thread knows of a partition, whatever a worker does with it */
	size_t source;
	nsec late;
	nsec mark;           /* as of the last job taken */
	int64_t ahead;       /* bytes read since it was the least */
	uint64_t turn;       /* when it was read last */
	struct job *job;     /* out, or NULL */
};

struct leveller {
	uint64_t shares[SOURCES_MAX]; /* by source: the sources with which it shares a rule, itself too */
	nsec pane;                    /* the longest */
	uint64_t turn;
	/* while choosing */
	nsec least[SOURCES_MAX];
	uint64_t present;
};

void leveller_init(struct leveller *v, const struct ruleset *rs);
/* One choice: begin, count all that have unread data (those with a job out too), weigh all that may be read now (idle ones
 * of those), the last best is the choice. */
void reach_begin(struct leveller *v);
void reach_count(struct leveller *v, const struct reach *n);
/* Is n to be read before best (NULL: none yet)? false too if it has to wait for others. */
bool reach_before(const struct leveller *v, const struct reach *n, const struct reach *best);
void reach_start(struct leveller *v, struct reach *n, struct job *j); /* n is read now */
void reach_taken(struct reach *n, const struct fpart *p, size_t bytes); /* its job was taken */

/* Nothing of this partition is with a worker: its fpart and part may be touched. */
static inline void
reach_idle(const struct reach *n)
{
	must(n->job == NULL);
}

#endif
