/* ptime.c - verdicts on event time. */
#include "rules/ptime.h"

void
ptime_init(struct ptime *t)
{
	*t = (struct ptime){ .greatest = NS_NONE, .mark = NS_NONE, .base = NS_NONE, .base_wall = NS_NONE };
}

static nsec
later(nsec a, nsec b) /* NS_NONE is the least of all */
{
	return a > b ? a : b;
}

/* Is a more than d past b? Stamps may lie 584 years apart: their difference may not fit. */
bool
ptime_past(nsec a, nsec b, nsec d)
{
	return a > b && (uint64_t)a - (uint64_t)b > (uint64_t)d;
}

void
ptime_skewed(struct ptime *t, const struct source_conf *c, nsec wall, nsec *time)
{
	t->records++;
	t->skewed++;
	if (t->greatest == NS_NONE && t->mark == NS_NONE) { /* no past to take: the clock's, which is its event time from here */
		t->greatest = wall;
		t->mark = t->base = wall - c->late;
		t->base_wall = wall;
	}
	*time = later(t->greatest, t->mark);
}

enum time_verdict
ptime_record(struct ptime *t, const struct source_conf *c, nsec stamp, nsec wall, bool hold, nsec *time)
{
	if (stamp == NS_NONE) {
		if (t->greatest == NS_NONE && t->records == 0)
			return TIME_MALFORMED;
		t->records++;
		t->untimed++;
		*time = later(t->greatest, t->mark);
		return TIME_UNTIMED;
	}
	bool jumps = t->greatest != NS_NONE && ptime_past(stamp, t->greatest, c->max_jump);
	if ((jumps || t->greatest == NS_NONE) && ptime_past(stamp, wall, c->max_jump)) {
		ptime_skewed(t, c, wall, time);
		return TIME_SKEWED;
	}
	if (jumps && hold)
		return TIME_HOLD;
	t->records++;
	if (t->mark != NS_NONE && stamp < t->mark) {
		t->late++;
		*time = t->mark;
		if (c->late_drop) {
			t->dropped++;
			return TIME_DROP;
		}
		return TIME_LATE;
	}
	*time = stamp;
	if (stamp > t->greatest) {
		t->greatest = stamp;
		if (stamp - c->late > t->mark) {
			t->mark = stamp - c->late;
			t->base = t->mark;
			t->base_wall = wall;
		}
	}
	return TIME_OK;
}

void
ptime_join(struct ptime *t, nsec reached, nsec wall)
{
	if (reached == NS_NONE || reached <= t->mark)
		return;
	t->mark = t->base = reached;
	t->base_wall = wall;
}

bool
ptime_silence(struct ptime *t, const struct source_conf *c, nsec wall)
{
	if (t->base == NS_NONE || wall - t->base_wall <= c->idle)
		return false;
	nsec mark = t->base + (wall - t->base_wall) - c->idle;
	if (mark <= t->mark)
		return false;
	t->mark = mark;
	return true;
}
