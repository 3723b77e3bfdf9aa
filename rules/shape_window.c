/* shape_window.c - sliding windows over panes: when a key is evaluated, and what a level's conditions do.
 *
 * A key is evaluated only at boundaries where something can change: a pane enters or leaves one of its windows, a pending
 * level's `for` falls due, or the boundary after a resolve. Between those its aggregates are what they were, so its state is.
 */
#include "rules/series.h"

#include <math.h>
#include <stdlib.h>

/* ---- panes ---- */

static void
cells_release(struct rule_state *rs, struct pane *p)
{
	for (size_t i = 0; i < rs->rule->ncell; i++)
		if (cell_ops[rs->rule->cell[i].kind].release)
			cell_ops[rs->rule->cell[i].kind].release(pane_cell(rs, p, i));
}

void
panes_release(struct rule_state *rs, struct key *k)
{
	for (uint32_t i = 0; i < k->npane; i++)
		cells_release(rs, pane_at(rs, k, i));
	k->npane = 0;
}

struct pane *
pane_get(struct rule_state *rs, struct key *k, int64_t pane)
{
	if (rs->base == NEVER)
		rs->base = pane;
	int64_t wide = pane - rs->base;
	if (wide > INT32_MAX || wide < INT32_MIN)
		return NULL; /* 68 years of seconds from the rule's first record: no pane for it */
	int32_t rel = (int32_t)wide;
	uint32_t i = k->npane;
	while (i > 0 && pane_at(rs, k, i - 1)->rel > rel)
		i--;
	if (i > 0 && pane_at(rs, k, i - 1)->rel == rel)
		return pane_at(rs, k, i - 1);
	if (k->npane == k->cap_pane) { /* grow by half: most keys hold few panes, and memory is counted */
		uint32_t cap = k->cap_pane ? k->cap_pane + (k->cap_pane + 1) / 2 : 2;
		char *v = pool_alloc(&rs->pool, cap * rs->stride);
		memcpy(v, k->panes ? k->panes : v, k->npane * rs->stride);
		pool_free(&rs->pool, k->panes, k->cap_pane * rs->stride);
		k->panes = v;
		k->cap_pane = cap;
	}
	memmove(k->panes + (i + 1) * rs->stride, k->panes + i * rs->stride, (k->npane - i) * rs->stride);
	k->npane++;
	struct pane *p = pane_at(rs, k, i);
	memset(p, 0, rs->stride);
	p->rel = rel;
	for (size_t c = 0; c < rs->rule->ncell; c++)
		cell_init(rs->rule->cell[c].kind, pane_cell(rs, p, c));
	return p;
}

void
pane_remove(struct rule_state *rs, struct key *k, uint32_t i)
{
	cells_release(rs, pane_at(rs, k, i));
	k->npane--;
	memmove(k->panes + i * rs->stride, k->panes + (i + 1) * rs->stride, (k->npane - i) * rs->stride);
}

void
window_fold(struct back *b, struct rule_state *rs, struct fold *f)
{
	struct key *k = key_get(b, rs, (struct str){ fold_key(f, rs->rule), f->klen }, f->hash);
	if (k == NULL)
		return;
	key_touch(b, rs, k);
	struct pane *p = pane_get(rs, k, f->pane);
	if (p == NULL)
		return;
	bool fresh = p->n == 0;
	p->n = (p->n + f->n > PANE_RECORDS_MAX ? PANE_RECORDS_MAX : p->n + f->n) & PANE_RECORDS_MAX;
	p->dirty = 1;
	for (size_t i = 0; i < rs->rule->ncell; i++)
		if (!cell_sequenced(rs->rule->cell[i].kind))
			cell_ops[rs->rule->cell[i].kind].merge(pane_cell(rs, p, i), fold_cell(f, rs->rule, i));
	rs->records += f->n;
	int64_t enters = f->pane + 1;
	if (rs->at != NEVER && enters <= rs->at)
		enters = rs->at + 1;
	if (fresh && enters < k->due)
		wheel_set(rs, k, enters);
}

void
window_tuple(struct back *b, struct rule_state *rs, const struct tuple *t)
{
	struct key *k = key_get(b, rs, (struct str){ tuple_key(t), t->klen }, t->hash);
	if (k == NULL)
		return;
	key_touch(b, rs, k);
	if (rs->rule->carry.n || rs->rule->samples)
		key_carry(rs, k, carried_of(rs, t, k->carry));
	if (t->samples)
		series_take(b, rs, k, t);
}

void
window_start(struct back *b, struct rule_state *rs, nsec first)
{
	struct str text = STR("}");
	uint64_t hash = str_hash(text, hash_seed);
	struct key *k = key_get(b, rs, text, hash);
	if (k == NULL || (k->seen != NS_NONE && k->seen <= first))
		return;
	key_touch(b, rs, k);
	k->seen = first; /* live from then on */
	int64_t enters = first / rs->rule->every - (first % rs->rule->every < 0) + 1;
	if (rs->at != NEVER && enters <= rs->at)
		enters = rs->at + 1;
	if (enters < k->due)
		wheel_set(rs, k, enters);
}

struct view {                /* one key at one boundary */
	int64_t at;          /* boundary number: the window ends before at * every */
	uint64_t n, n_long;  /* records in the rule's own window, in the longest */
};

/* ---- conditions and levels ---- */

struct verdicts {
	enum tri when[LEVELS], stop[LEVELS]; /* stop: resolve_when, or not when */
	bool null;                           /* no data: what decided was null */
};

static enum tri
negate(enum tri t)
{
	return t == TRI_NULL ? t : t == TRI_TRUE ? TRI_FALSE : TRI_TRUE;
}

static void
judge(struct back *b, const struct rule *r, struct verdicts *v)
{
	v->null = false;
	for (int l = 0; l < LEVELS; l++) {
		v->when[l] = r->when[l] < 0 ? TRI_FALSE : eval_test(b->eval, r->when[l]);
		v->stop[l] = r->resolve_when[l] >= 0 ? eval_test(b->eval, r->resolve_when[l]) : negate(v->when[l]);
	}
}

/* An empty window under `evaluate`: what decides is evaluated, and null counts as `resolve` would. */
static void
judge_empty(struct back *b, const struct rule *r, const struct open_alert *a, struct verdicts *v)
{
	judge(b, r, v);
	if (a && a->state == ST_FIRING)
		v->null = v->stop[a->level] == TRI_NULL;
	for (int l = 0; l < LEVELS; l++) {
		if (v->when[l] != TRI_NULL)
			continue;
		v->when[l] = TRI_FALSE;
		v->null |= a && a->state == ST_PENDING && a->clocks >> l & 1;
	}
}

static void
tell(struct back *b, struct rule_state *rs, struct key *k, const struct view *v, enum event event, const char *cause)
{
	const struct rule *r = rs->rule;
	struct open_alert *a = k->alert;
	nsec now = v->at * r->every;
	bool over = event == EV_RESOLVED || event == EV_DROPPED;
	bool by_resolve = event == EV_RESOLVED && r->resolve_when[a->level] >= 0;
	int left = (by_resolve ? r->resolve_left : r->left)[a->level], right = (by_resolve ? r->resolve_right : r->right)[a->level];
	struct emit e = { .event = event, .state = over ? ST_RESOLVED : a->state, .level = a->level, .timestamp = now,
		.start = a->start, .ends = over ? now : NS_NONE, .count = (int64_t)v->n, .cause = cause };
	if (left >= 0)
		e.value = eval_value(b->eval, left);
	if (right >= 0)
		e.threshold = eval_value(b->eval, right);
	e.by_resolve = by_resolve;
	emit(b, rs, k, &e);
}

static void
finish(struct back *b, struct rule_state *rs, struct key *k, const struct view *v, const char *cause)
{
	tell(b, rs, k, v, k->alert->state == ST_PENDING ? EV_DROPPED : EV_RESOLVED, cause);
	if (k->alert->state == ST_FIRING)
		rs->open--;
	alert_drop(k);
}

static int
highest(unsigned bits)
{
	int l = LEVELS - 1;
	while (l >= 0 && !(bits >> l & 1))
		l--;
	return l;
}

/* Run the clocks of the levels above `above`; gives the levels that are due as bits. */
static unsigned
clocks_step(const struct rule *r, struct open_alert *a, const struct verdicts *v, nsec now, int above)
{
	unsigned due = 0;
	for (int l = above + 1; l < LEVELS; l++) {
		uint8_t bit = (uint8_t)(1 << l);
		if (v->when[l] == TRI_FALSE)
			a->clocks &= (uint8_t)~bit;
		if (v->when[l] != TRI_TRUE)
			continue;
		if (!(a->clocks & bit)) {
			a->clocks |= bit;
			a->since[l] = now;
		}
		if (now - a->since[l] >= r->for_[l])
			due |= bit;
	}
	return due;
}

/* From now on the alert is of this level; clocks of it and below are of no use while it holds. */
static void
take_level(struct open_alert *a, int level)
{
	a->level = (enum level)level;
	a->clocks &= (uint8_t)(0xfe << level);
}

/* A firing alert at a boundary. A higher level that is due wins over the end of this one; else its end
 * hands over to the next lower one whose `when` is not false, its `for` counted as met. */
static void
firing_step(struct back *b, struct rule_state *rs, struct key *k, const struct view *view, const struct verdicts *v)
{
	const struct rule *r = rs->rule;
	struct open_alert *a = k->alert;
	int was = (int)a->level, level = highest(clocks_step(r, a, v, view->at * r->every, was));
	if (level < 0 && v->stop[was] != TRI_TRUE && !v->null)
		return;
	for (int l = was - 1; level < 0 && l >= 0 && !v->null; l--)
		if (r->when[l] >= 0 && v->when[l] != TRI_FALSE)
			level = l;
	if (level < 0) {
		finish(b, rs, k, view, v->null ? "no data" : NULL);
		return;
	}
	for (int l = level; l < was; l++) /* what stopped starts anew at the next boundary */
		a->clocks &= (uint8_t) ~(1 << l);
	a->clocks &= (uint8_t) ~(1 << was);
	take_level(a, level);
	tell(b, rs, k, view, EV_LEVEL, NULL);
}

static void
condition_step(struct back *b, struct rule_state *rs, struct key *k, const struct view *view, const struct verdicts *v)
{
	const struct rule *r = rs->rule;
	nsec now = view->at * r->every;
	bool opened = k->alert == NULL, any = false;
	for (int l = 0; l < LEVELS; l++)
		any |= v->when[l] == TRI_TRUE;
	if (any)
		rs->last_true = now;
	if (opened) {
		if (!any)
			return;
		alert_new(k);
		k->alert->state = ST_PENDING;
		k->alert->start = now;
	}
	struct open_alert *a = k->alert;
	if (a->state == ST_FIRING) {
		firing_step(b, rs, k, view, v);
		return;
	}
	int level = highest(clocks_step(r, a, v, now, -1));
	if (level >= 0) {
		a->state = ST_FIRING;
		take_level(a, level);
		rs->open++;
		tell(b, rs, k, view, EV_FIRING, NULL);
	} else if (a->clocks == 0) {
		finish(b, rs, k, view, v->null ? "no data" : NULL);
	} else if (opened) {
		a->level = (enum level)highest(a->clocks);
		tell(b, rs, k, view, EV_PENDING, NULL);
	}
}

/* The window holds no record at all. */
static void
empty_step(struct back *b, struct rule_state *rs, struct key *k, const struct view *view)
{
	const struct rule *r = rs->rule;
	bool first = !k->emptied;
	struct verdicts v;
	k->emptied = true;
	switch (r->no_data) {
	case NO_DATA_KEEP:
		return;
	case NO_DATA_EVALUATE:
		if (k->alert == NULL && !first)
			return;
		judge_empty(b, r, k->alert, &v);
		condition_step(b, rs, k, view, &v);
		return;
	case NO_DATA_RESOLVE:
	case NO_DATA_DEFAULT:
		if (k->alert)
			finish(b, rs, k, view, "no data");
		return;
	}
}

/* ---- when next ---- */

static void
least(int64_t *to, int64_t v, int64_t after)
{
	if (v > after && v < *to)
		*to = v;
}

/* The first boundary at t or later. */
static int64_t
boundary_from(nsec t, nsec every)
{
	return t / every + (t % every > 0);
}

/* The next boundary after `at` at which this key may change. */
static int64_t
next_wake(const struct rule_state *rs, const struct key *k, int64_t at)
{
	const struct rule *r = rs->rule;
	int64_t next = NEVER;
	for (uint32_t i = 0; i < k->npane; i++) {
		const struct pane *p = pane_at(rs, k, i);
		int64_t pane = rs->base + p->rel;
		if (p->dead)
			continue;
		if (pane >= at) { /* not yet in any window: the first such is the earliest */
			least(&next, pane + 1, at);
			break;
		}
		least(&next, pane + r->own_panes + 1, at);
		for (size_t a = 0; a < r->aggs.n; a++)
			if (r->agg[a].panes != r->own_panes)
				least(&next, pane + r->agg[a].panes + 1, at);
	}
	for (int l = 0; k->alert && l < LEVELS; l++)
		if (k->alert->clocks >> l & 1)
			least(&next, boundary_from(k->alert->since[l] + r->for_[l], r->every), at);
	return next;
}

/* With a baseline a key's life begins at the first of its records that have come into a window, and goes on until D after
 * the newest of them; records already folded for later do not count yet. */
static void
life_note(struct rule_state *rs, struct key *k, int64_t at)
{
	struct memory *m = memory_get(k);
	for (uint32_t i = 0; i < k->npane; i++) {
		const struct pane *p = pane_at(rs, k, i);
		if (rs->base + p->rel >= at)
			break;
		if (p->dead)
			continue;
		m->last = rs->base + p->rel;
		if (m->first == NEVER)
			m->first = m->last;
	}
}

/* A key's life beyond its window: with a baseline until D after its last record, evaluated at each end of `over`; then its
 * series, until they are forgotten. true: its life is over; *next says when its series are. */
static bool
remember(struct rule_state *rs, struct key *k, int64_t at, bool over, int64_t *next)
{
	const struct rule *r = rs->rule;
	struct memory *m = k->memory;
	if (r->depth && m && m->first != NEVER) {
		if (!over || m->last + 1 + r->depth > at) {
			least(next, (at / r->own_panes - (at % r->own_panes < 0) + 1) * r->own_panes, at);
			over = false;
		} else { /* records to come begin a life of their own */
			m->first = NEVER;
			m->npast = 0;
		}
	}
	int64_t forgotten = series_forget(rs, k, at);
	if (over && *next == NEVER)
		least(next, forgotten, at);
	return over;
}

static void
evaluate(struct back *b, struct rule_state *rs, struct key *k, int64_t at)
{
	const struct rule *r = rs->rule;
	struct view view = { .at = at };
	struct verdicts v;
	uint64_t told = b->emitted;
	key_touch(b, rs, k);
	b->stats.evaluations++;
	if (rs->base != NEVER) {
		view.n = window_records(rs, k, at, r->own_panes);
		view.n_long = r->panes == r->own_panes ? view.n : window_records(rs, k, at, r->panes);
	}
	aggregates_at(b, rs, k, at);
	if (r->depth) {
		life_note(rs, k, at);
		baseline_note(b, rs, k, at);
	}
	struct str source = key_slots(b, r, (struct str){ k->text, k->klen });
	b->rec.time = at * r->every;
	eval_begin(b->eval, &b->rec, source, &b->arena);
	eval_set_aggs(b->eval, b->aggs);
	if (UNLIKELY(b->watch != NULL))
		back_seen(b, r, k, b->rec.time);
	if (view.n_long == 0) {
		empty_step(b, rs, k, &view);
	} else {
		k->emptied = false;
		judge(b, r, &v);
		condition_step(b, rs, k, &view, &v);
	}
	slots_clear(b, r);
	arena_reset(&b->arena);
	/* Panes that have left every window. */
	for (uint32_t i = 0; i < k->npane && rs->base + pane_at(rs, k, i)->rel + r->panes < at;) {
		struct pane *p = pane_at(rs, k, i);
		if (b->save && p->stored) { /* its row needs a tombstone first */
			p->dead = p->dirty = 1;
			i++;
		} else {
			pane_remove(rs, k, i);
		}
	}
	int64_t next = next_wake(rs, k, at);
	if (b->emitted != told) /* what did not count beside this transition counts at the next boundary */
		least(&next, at + 1, at);
	bool over = k->alert == NULL && view.n_long == 0 && b->rs->keyset[r->keyset].n;
	if (r->sequenced || r->depth)
		over = remember(rs, k, at, over, &next);
	if (over) { /* records already folded for later begin another life: what it carried ends here in any case */
		key_carry(rs, k, NULL);
	}
	if (over && next == NEVER)
		key_drop(b, rs, k);
	else
		wheel_set(rs, k, next);
}

/* The least boundary any key waits for: after a jump over more boundaries than the wheel has slots. */
static int64_t
wheel_least(const struct rule_state *rs)
{
	int64_t next = NEVER;
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		for (const struct key *k = rs->wheel[i]; k; k = k->next)
			if (k->due < next)
				next = k->due;
	return next;
}

void
window_run(struct back *b, struct rule_state *rs, nsec upto)
{
	int64_t target = upto / rs->rule->every - (upto % rs->rule->every < 0);
	if (rs->at == NEVER) {
		int64_t first = rs->in_wheel ? wheel_least(rs) : target + 1;
		rs->at = first <= target ? first - 1 : target;
	}
	for (int64_t idle = 0; rs->at < target;) {
		if (rs->in_wheel == 0) {
			rs->at = target;
			break;
		}
		if (idle > WHEEL_SLOTS) {
			int64_t next = wheel_least(rs) - 1;
			rs->at = next < target ? next : target;
			idle = 0;
			continue;
		}
		int64_t at = ++rs->at;
		idle++;
		for (struct key *k = rs->wheel[(uint64_t)at & (WHEEL_SLOTS - 1)], *next; k; k = next) {
			next = k->next;
			if (k->due != at)
				continue;
			evaluate(b, rs, k, at);
			idle = 0;
		}
	}
}
