/* pace.c - backoff and token bucket. */
#include "sinks/pace.h"

#include <sys/random.h>

nsec
backoff(unsigned n, uint64_t dice)
{
	nsec top = n < 16 ? BACKOFF_BASE << n : BACKOFF_CAP;
	if (top > BACKOFF_CAP)
		top = BACKOFF_CAP;
	nsec d = (nsec)(dice % (uint64_t)top);
	return d > BACKOFF_LEAST ? d : BACKOFF_LEAST;
}

nsec
dead_pause(unsigned n, uint64_t dice)
{
	static const nsec first[] = { 1 * NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S };
	if (n >= 1 && n <= COUNT_OF(first))
		return first[n - 1];
	return 300 * NS_PER_S + (nsec)(dice % (uint64_t)(600 * NS_PER_S));
}

nsec
pace_take(struct pace *p, int64_t per_minute, int64_t burst, nsec now)
{
	if (per_minute <= 0)
		return 0;
	nsec each = 60 * NS_PER_S / per_minute;
	nsec full = p->full_at > now ? p->full_at : now;
	nsec room = (burst > 0 ? burst - 1 : 0) * each;
	if (full - now > room)
		return full - now - room;
	p->full_at = full + each;
	return 0;
}

uint64_t
chance(void)
{
	uint64_t v = 0;
	if (getrandom(&v, sizeof v, 0) != (ssize_t)sizeof v)
		v = (uint64_t)mono_ns() * UINT64_C(0x9e3779b97f4a7c15);
	return v;
}
