/* ptime.h - the time of one partition (DESIGN section 3): greatest event time, mark, and the verdict on each record.
 *
 * A verdict depends on this partition's own order alone, never on batches, workers or other partitions. The clock
 * comes as an argument: only the skew check, a first record without a past, and silence read it.
 */
#ifndef WEIR_PTIME_H
#define WEIR_PTIME_H

#include "config/config.h"

struct ptime {
	nsec greatest;   /* greatest event time of a timed record; NS_NONE: none yet */
	nsec mark;       /* no record to come is older (late ones take it as their time); NS_NONE: none yet */
	nsec base;       /* the mark as its last record or its joining made it: silence counts on from there */
	nsec base_wall;  /* wall time at which that was written or read */
	uint64_t records, late, skewed, untimed, dropped;
};

enum time_verdict {
	TIME_OK,
	TIME_LATE,      /* takes the mark; lost its place in the order */
	TIME_DROP,      /* late_policy: drop */
	TIME_SKEWED,
	TIME_UNTIMED,
	TIME_MALFORMED, /* no usable time before any timed record */
	TIME_HOLD       /* replay: jumps; decided by the next timed record. Nothing was counted or moved */
};

void ptime_init(struct ptime *t);
/* The verdict on a record with this stamp (NS_NONE: no usable time) and its event time. hold: may answer TIME_HOLD. */
enum time_verdict ptime_record(struct ptime *t, const struct source_conf *c, nsec stamp, nsec wall, bool hold, nsec *time);
bool ptime_past(nsec a, nsec b, nsec d); /* a > b + d */
/* A held record whose jump was false. */
void ptime_skewed(struct ptime *t, const struct source_conf *c, nsec wall, nsec *time);
/* A partition joins (or comes back) beside others that have reached `reached`. */
void ptime_join(struct ptime *t, nsec reached, nsec wall);
/* Silence: the mark at wall time `wall` for a partition read to its end, or the mark as it is. true if it moved. */
bool ptime_silence(struct ptime *t, const struct source_conf *c, nsec wall);

#endif
