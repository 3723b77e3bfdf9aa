/* aggregate.c - what a rule's aggregates are at a boundary, computed from the panes of a key's windows.
 *
 * Cost: O(panes with records) a cell that is read; a key is asked only where its windows changed.
 */
#include "rules/series.h"
#include "rules/held.h"

#include <math.h>
#include <stdlib.h>

/* Panes of the last `panes` before the boundary: [*lo, *hi) */
static void
range(const struct rule_state *rs, const struct key *k, int64_t at, int64_t panes, uint32_t *lo, uint32_t *hi)
{
	int64_t end = at - rs->base, start = end - panes;
	uint32_t i = k->npane;
	while (i > 0 && pane_at(rs, k, i - 1)->rel >= end)
		i--;
	*hi = i;
	while (i > 0 && pane_at(rs, k, i - 1)->rel >= start && !pane_at(rs, k, i - 1)->dead)
		i--;
	*lo = i;
}

uint64_t
window_records(const struct rule_state *rs, const struct key *k, int64_t at, int64_t panes)
{
	uint32_t lo, hi;
	uint64_t n = 0;
	range(rs, k, at, panes, &lo, &hi);
	for (uint32_t i = lo; i < hi; i++)
		n += pane_at(rs, k, i)->n;
	return n;
}

static struct val
number(double v) /* a sum beyond the range of doubles is no number */
{
	return isfinite(v) ? (struct val){ .type = V_NUM, .n = v } : (struct val){ .type = V_NULL };
}

static struct val
sum_value(struct rule_state *rs, struct key *k, const struct agg_def *a, uint32_t lo, uint32_t hi)
{
	struct xsum s = { 0 };
	struct val v = { .type = V_NULL };
	for (uint32_t i = lo; i < hi; i++)
		xsum_merge(&s, pane_cell(rs, pane_at(rs, k, i), (size_t)a->cell));
	if (a->fn != AGG_AVG)
		v = number(xsum_value(&s));
	else if (s.n)
		v = number(xsum_mean(&s));
	xsum_release(&s);
	return v;
}

static struct val
edge_value(struct rule_state *rs, struct key *k, const struct agg_def *a, uint32_t lo, uint32_t hi)
{
	double best = (double)NAN;
	for (uint32_t i = lo; i < hi; i++) {
		double e = *(double *)pane_cell(rs, pane_at(rs, k, i), (size_t)a->cell);
		if (!isnan(e) && (isnan(best) || (a->fn == AGG_MIN ? e < best : e > best)))
			best = e;
	}
	return isnan(best) ? (struct val){ .type = V_NULL } : number(best);
}

static struct val
quantile_value(struct back *b, struct rule_state *rs, struct key *k, const struct agg_def *a, uint32_t lo, uint32_t hi)
{
	struct val v = { .type = V_NULL };
	for (uint32_t i = lo; i < hi; i++)
		sketch_sum_add(&b->sketches, pane_cell(rs, pane_at(rs, k, i), (size_t)a->cell));
	if (b->sketches.total)
		v = number(sketch_sum_quantile(&b->sketches, a->q));
	return v;
}

static struct val
stddev_value(struct rule_state *rs, struct key *k, const struct agg_def *a, uint32_t lo, uint32_t hi)
{
	struct xsum s = { 0 }, sq = { 0 };
	struct val v = { .type = V_NULL };
	for (uint32_t i = lo; i < hi; i++) {
		xsum_merge(&s, pane_cell(rs, pane_at(rs, k, i), (size_t)a->cell));
		xsum_merge(&sq, pane_cell(rs, pane_at(rs, k, i), (size_t)a->cell2));
	}
	if (s.n)
		v = number(xsum_stddev(&s, &sq));
	xsum_release(&s);
	xsum_release(&sq);
	return v;
}

static struct val
distinct_value(struct rule_state *rs, struct key *k, const struct agg_def *a, uint32_t lo, uint32_t hi)
{
	struct distinct d = { 0 };
	for (uint32_t i = lo; i < hi; i++)
		distinct_merge(&d, pane_cell(rs, pane_at(rs, k, i), (size_t)a->cell));
	struct val v = number(distinct_count(&d));
	distinct_release(&d);
	return v;
}

static struct val
last_value(struct rule_state *rs, struct key *k, const struct agg_def *a, uint32_t lo, uint32_t hi)
{
	for (uint32_t i = hi; i > lo; i--) {
		struct sample *s = *(struct sample **)pane_cell(rs, pane_at(rs, k, i - 1), (size_t)a->cell);
		if (s)
			return sample_val(s);
	}
	return (struct val){ .type = V_NULL };
}

/* The newest samples in a row: back through panes that are all of it. */
static double
streak_value(struct rule_state *rs, struct key *k, const struct agg_def *a, uint32_t lo, uint32_t hi)
{
	uint64_t n = 0;
	for (uint32_t i = hi; i > lo; i--) {
		const struct streak *s = pane_cell(rs, pane_at(rs, k, i - 1), (size_t)a->cell);
		n += s->run;
		if (s->run < s->n)
			break;
	}
	return (double)n;
}

static double
count_value(struct rule_state *rs, struct key *k, const struct agg_def *a, uint32_t lo, uint32_t hi)
{
	uint64_t n = 0;
	for (uint32_t i = lo; i < hi; i++) {
		struct pane *p = pane_at(rs, k, i);
		n += a->cell < 0 ? p->n : *(uint64_t *)pane_cell(rs, p, (size_t)a->cell);
	}
	return (double)n;
}

/* ---- baselines ---- */

static int
by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return (a > b) - (a < b);
}

/* The lower median of A over the windows that ended within [at - over - D, at - over] and after the key's first record. */
static struct val
baseline_value(const struct rule *r, const struct key *k, uint32_t agg, int64_t at)
{
	const struct memory *m = k->memory;
	const struct agg_def *a = &r->agg[agg];
	struct val v = { .type = V_NULL };
	size_t n = 0;
	if (m == NULL)
		return v;
	double *values = xcalloc(m->npast, sizeof *values);
	for (uint32_t i = 0; i < m->npast; i++) {
		const struct past *p = &m->past[i];
		if (p->agg == agg && p->at >= at - r->own_panes - a->depth && p->at <= at - r->own_panes)
			values[n++] = p->value;
	}
	if (n >= 3) {
		qsort(values, n, sizeof *values, by_value);
		v = number(values[(n - 1) / 2]);
	}
	free(values);
	return v;
}

static struct val
agg_value(struct back *b, struct rule_state *rs, struct key *k, uint32_t agg, int64_t at)
{
	const struct agg_def *a = &rs->rule->agg[agg];
	uint32_t lo, hi;
	range(rs, k, at, a->panes, &lo, &hi);
	switch (a->fn) {
	case AGG_COUNT:
	case AGG_CHANGES:
		return number(count_value(rs, k, a, lo, hi));
	case AGG_RATE:
		return number(count_value(rs, k, a, lo, hi) / a->seconds);
	case AGG_SUM:
	case AGG_AVG:
	case AGG_INCREASE:
		return sum_value(rs, k, a, lo, hi);
	case AGG_STDDEV:
		return stddev_value(rs, k, a, lo, hi);
	case AGG_MIN:
	case AGG_MAX:
		return edge_value(rs, k, a, lo, hi);
	case AGG_QUANTILE:
		return quantile_value(b, rs, k, a, lo, hi);
	case AGG_LAST:
		return last_value(rs, k, a, lo, hi);
	case AGG_DISTINCT:
		return distinct_value(rs, k, a, lo, hi);
	case AGG_STREAK:
		return number(streak_value(rs, k, a, lo, hi));
	case AGG_BASELINE:
		return baseline_value(rs->rule, k, agg, at);
	case AGG_FNS:
		break;
	}
	return (struct val){ .type = V_NULL };
}

void
aggregates_at(struct back *b, struct rule_state *rs, struct key *k, int64_t at)
{
	bool none = rs->base == NEVER; /* the rule saw no record yet: any base will do */
	if (none)
		rs->base = at;
	for (uint32_t i = 0; i < rs->rule->aggs.n; i++)
		b->aggs[i] = agg_value(b, rs, k, i, at);
	if (none)
		rs->base = NEVER;
}

void
baseline_note(struct back *b, struct rule_state *rs, struct key *k, int64_t at)
{
	const struct rule *r = rs->rule;
	struct memory *m = k->memory;
	if (r->depth == 0 || m == NULL || at % r->own_panes != 0 || at <= m->first)
		return;
	uint32_t gone = 0;
	while (gone < m->npast && m->past[gone].at < at - r->own_panes - r->depth)
		gone++;
	m->npast -= gone;
	if (m->npast)
		memmove(m->past, m->past + gone, m->npast * sizeof *m->past);
	for (uint32_t i = 0; i < r->aggs.n; i++) {
		if (r->agg[i].fn != AGG_BASELINE)
			continue;
		struct val v = b->aggs[r->agg[i].inner];
		if (v.type != V_NUM)
			continue;
		size_t was = m->cap_past;
		GROW(m->past, m->npast, m->cap_past);
		held_grow(was * sizeof *m->past, m->cap_past * sizeof *m->past);
		m->past[m->npast++] = (struct past){ at, i, v.n };
	}
}
