/* reach.c - the least mark, and how far others may be past it. */
#include "core/reach.h"

void
leveller_init(struct leveller *v, const struct ruleset *rs)
{
	*v = (struct leveller){ .pane = NS_PER_S };
	for (size_t i = 0; i < SOURCES_MAX; i++) {
		v->shares[i] = UINT64_C(1) << i;
		for (size_t c = 0; c < rs->nclock; c++)
			if (rs->clock[c].sources >> i & 1)
				v->shares[i] |= rs->clock[c].sources;
	}
	for (size_t i = 0; i < rs->nevery; i++)
		if (rs->every[i] > v->pane)
			v->pane = rs->every[i];
}

void
reach_begin(struct leveller *v)
{
	v->present = 0;
}

void
reach_count(struct leveller *v, const struct reach *n)
{
	uint64_t bit = UINT64_C(1) << n->source;
	if (!(v->present & bit) || n->mark < v->least[n->source])
		v->least[n->source] = n->mark;
	v->present |= bit;
}

/* How far n is past the least of those it shares a rule with; NS_NONE, no time shown yet, is the least of all. */
static uint64_t
past(const struct leveller *v, const struct reach *n)
{
	nsec least = n->mark;
	for (uint64_t left = v->present & v->shares[n->source]; left; left &= left - 1) {
		nsec m = v->least[__builtin_ctzll(left)];
		if (m < least)
			least = m;
	}
	return (uint64_t)n->mark - (uint64_t)least;
}

bool
reach_before(const struct leveller *v, const struct reach *n, const struct reach *best)
{
	uint64_t far = past(v, n);
	if (far > 0 && (far > (uint64_t)(n->late + v->pane) || n->ahead + BATCH_BYTES > REACH_BYTES))
		return false;
	if (best == NULL)
		return true;
	uint64_t than = past(v, best);
	return far != than ? far < than : n->turn < best->turn;
}

void
reach_start(struct leveller *v, struct reach *n, struct job *j)
{
	reach_idle(n);
	if (past(v, n) == 0)
		n->ahead = 0;
	n->turn = ++v->turn;
	n->job = j;
}

void
reach_taken(struct reach *n, const struct fpart *p, size_t bytes)
{
	must(n->job != NULL);
	n->job = NULL;
	n->mark = p->time.mark;
	n->ahead += (int64_t)bytes;
}
