/* pace.h - when to try again, and how often at most. Pure: time and chance are arguments. */
#ifndef WEIR_PACE_H
#define WEIR_PACE_H

#include "core/base.h"

#define BACKOFF_BASE NS_PER_S
#define BACKOFF_CAP (300 * NS_PER_S)
#define BACKOFF_LEAST (50 * NS_PER_MS)

/* Full jitter: anywhere up to min(cap, base * 2^n), but never at once. */
nsec backoff(unsigned n, uint64_t chance);
/* After n answers in a row that nothing will pass: 1s, 10s, 1m, then 5 to 15 minutes. */
nsec dead_pause(unsigned n, uint64_t chance);

/* A token bucket kept as one time: when it would be full again. { 0 } is a full one. */
struct pace {
	nsec full_at;
};
/* Take one token at now (monotonic) and answer 0, or answer how long until there is one. per_minute 0: no limit. */
nsec pace_take(struct pace *p, int64_t per_minute, int64_t burst, nsec now);

uint64_t chance(void); /* from the kernel */

#endif
