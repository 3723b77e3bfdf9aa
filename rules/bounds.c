/* bounds.c - what a rule may hold: `max_keys`, a share of it a shard, and `memory` over all rules.
 *
 * In: a new key that asks for a place. Out: yes, or no; at the limit another key of the rule goes for it.
 * Only a key that key_evictable allows goes: no alert, no open pair, and at most one record in its window. Those stand in line, a
 * line a shard, from the rule's first overflow on; before it nothing is kept for this.
 *
 * Invariant: once lines exist, every key of the rule that key_evictable allows stands in its shard's line. A key enters it when it is
 * made, and where its timer is set again (timers are set last, after all that can end an alert or empty a window); it leaves when it is
 * dropped, or when its turn comes and it turns out to hold more by then. So a place is found whenever there is one.
 * Cost: each look takes a key from a line, which one change of that key had put there: O(1) a change. Without a limit reached nothing.
 * Memory: a line holds its keys once, at 8 bytes; it is counted.
 */
#include "rules/back_int.h"
#include "rules/series.h"

#include "core/units.h"
#include "rules/held.h"

#include <stdlib.h>

#define LEAST_SHARD 16 /* hashes do not spread a few keys evenly: small rules are held by max_keys alone */
#define LINE_MIN 16
#define RESERVE ((size_t)24 << 20) /* the program, its batches, the store's cache */

struct line {
	struct key **v;
	uint32_t head, n, cap; /* v[head..n): NULL where one was dropped */
	uint32_t live;
};

struct spares {
	struct line line[SHARDS];
	uint32_t live, hand; /* hand: the shard that gives next where any may */
};

uint32_t
key_shard(uint64_t hash)
{
	return (uint32_t)(hash >> 58);
}

/* ---- which keys may go ---- */

/* Records in the window, as far as it matters: 0, 1, or more. */
static uint32_t
window_holds(const struct rule_state *rs, const struct key *k)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < k->npane && n < 2; i++) {
		const struct pane *p = pane_at(rs, k, i);
		if (!p->dead)
			n += p->n;
	}
	return n;
}

bool
key_evictable(const struct rule_state *rs, const struct key *k)
{
	if (k->alert || k->opened || k->dead)
		return false;
	switch (rs->rule->shape) {
	case SHAPE_WINDOW:
		return rs->rule->def->nby > 0 && window_holds(rs, k) < 2;
	case SHAPE_RECORD: /* all it holds is `prev` */
		return true;
	case SHAPE_PAIR: /* open */
		break;
	case SHAPE_PRESENCE: /* an `absent` runs; a value is known for good; a key that has shown none knows nothing */
		return rs->rule->first >= 0 && rs->rule->def->nby > 0 && k->npast == 0;
	case SHAPES:
		break;
	}
	return false;
}

/* ---- lines ---- */

static void
line_squeeze(struct line *l)
{
	uint32_t n = 0;
	for (uint32_t i = l->head; i < l->n; i++) {
		if (l->v[i] == NULL)
			continue;
		l->v[n] = l->v[i];
		l->v[n]->line = n + 1;
		n++;
	}
	l->head = 0;
	l->n = n;
}

static void
line_put(struct spares *s, struct key *k)
{
	struct line *l = &s->line[key_shard(k->hash)];
	if (l->n == l->cap) {
		if (l->live * 2 >= l->cap) {
			l->cap = l->cap ? l->cap * 2 : LINE_MIN;
			l->v = xrealloc(l->v, l->cap * sizeof(struct key *));
		}
		line_squeeze(l);
	}
	l->v[l->n++] = k;
	k->line = l->n;
	l->live++;
	s->live++;
}

static void
line_take(struct spares *s, struct key *k)
{
	struct line *l = &s->line[key_shard(k->hash)];
	l->v[k->line - 1] = NULL;
	k->line = 0;
	l->live--;
	s->live--;
	while (l->head < l->n && l->v[l->head] == NULL)
		l->head++;
	if (l->live == 0)
		l->head = l->n = 0;
}

void
key_wait(struct rule_state *rs, struct key *k)
{
	if (rs->spares && k->line == 0 && key_evictable(rs, k))
		line_put(rs->spares, k);
}

void
key_gone(struct rule_state *rs, struct key *k)
{
	if (k->line)
		line_take(rs->spares, k);
}

/* The first of this line that may still go; NULL: none. */
static struct key *
line_first(struct rule_state *rs, uint32_t shard)
{
	struct line *l = &rs->spares->line[shard];
	while (l->live) {
		struct key *k = l->v[l->head];
		if (key_evictable(rs, k))
			return k;
		line_take(rs->spares, k);
	}
	return NULL;
}

/* Newest pane first last: where the lines begin, the oldest stand in front. */
static int
by_age(const void *x, const void *y, void *arg)
{
	const struct rule_state *rs = arg;
	const struct key *a = *(struct key *const *)x, *c = *(struct key *const *)y;
	int64_t p, q;
	if (rs->rule->shape != SHAPE_WINDOW) {
		p = a->seen;
		q = c->seen;
	} else {
		p = a->npane ? pane_at(rs, a, a->npane - 1)->rel : INT64_MIN;
		q = c->npane ? pane_at(rs, c, c->npane - 1)->rel : INT64_MIN;
	}
	return (p > q) - (p < q);
}

static void
lines_begin(struct rule_state *rs)
{
	struct key **v = xcalloc(rs->nkey + 1, sizeof *v);
	size_t n = 0;
	for (uint32_t i = 0; i <= rs->mask; i++)
		if (rs->table[i].key && key_evictable(rs, rs->table[i].key))
			v[n++] = rs->table[i].key;
	qsort_r(v, n, sizeof *v, by_age, rs);
	rs->spares = xcalloc(1, sizeof *rs->spares);
	for (size_t i = 0; i < n; i++)
		line_put(rs->spares, v[i]);
	free(v);
}

void
spares_free(struct rule_state *rs)
{
	for (size_t i = 0; rs->spares && i < SHARDS; i++)
		free(rs->spares->line[i].v);
	free(rs->spares);
	rs->spares = NULL;
}

/* ---- a place for a new key ---- */

nsec
rule_span(const struct rule *r)
{
	switch (r->shape) {
	case SHAPE_WINDOW:
		return r->panes * r->every;
	case SHAPE_RECORD:
		return r->nprev ? r->forget : r->hold;
	case SHAPE_PAIR:
		return r->within;
	case SHAPE_PRESENCE:
		return r->first >= 0 ? r->hold : r->absent;
	case SHAPES:
		break;
	}
	return 0;
}

bool
rule_overflows(const struct rule_state *rs, nsec at)
{
	return rs->overflow != NS_NONE && at >= rs->overflow_from && (at < rs->overflow || at - rs->overflow <= rule_span(rs->rule));
}

static void
overflow(struct back *b, struct rule_state *rs, enum limit by)
{
	if (!rule_overflows(rs, b->arrival)) /* a new stretch, or it goes back further */
		rs->overflow_from = b->arrival;
	if (b->arrival > rs->overflow)
		rs->overflow = b->arrival;
	rs->overflow_by = by;
	b->stats.overflows++;
}

static bool
takes_place(struct back *b, struct rule_state *rs, struct key *k, enum limit by)
{
	if (rs->rule->shape != SHAPE_WINDOW || window_holds(rs, k) || k->memory) /* what went is missed where it comes again */
		overflow(b, rs, by);
	rs->displaced++;
	b->stats.displaced_keys++;
	key_drop(b, rs, k);
	return true;
}

static bool
refuse(struct back *b, struct rule_state *rs, enum limit by)
{
	overflow(b, rs, by);
	rs->refused++;
	b->stats.refused_keys++;
	return false;
}

static bool
memory_full(const struct back *b)
{
	return b->limit && b->held >= b->limit;
}

bool
value_room(struct back *b, struct rule_state *rs, const struct key *of)
{
	if (of->npast >= rs->rule->def->max_values)
		return refuse(b, rs, LIMIT_VALUES);
	return memory_full(b) ? refuse(b, rs, LIMIT_MEMORY) : true;
}

bool
series_room(struct back *b, struct rule_state *rs, const struct memory *m)
{
	if (m->nseries >= SERIES_MAX)
		return refuse(b, rs, LIMIT_SERIES);
	return memory_full(b) && m->nseries ? refuse(b, rs, LIMIT_MEMORY) : true;
}

bool
key_room(struct back *b, struct rule_state *rs, uint64_t hash)
{
	const struct rule_def *d = rs->rule->def;
	uint32_t shard = key_shard(hash), share = (uint32_t)((d->max_keys + 31) / 32);
	bool memory = memory_full(b);
	bool full = rs->shard[shard] >= (share > LEAST_SHARD ? share : LEAST_SHARD);
	struct key *k = NULL;
	if (d->nby == 0) /* one key, and the rule is nothing without it */
		return true;
	if (!full && !memory && rs->nkey - rs->nvalue < d->max_keys)
		return true;
	if (rs->spares == NULL)
		lines_begin(rs);
	struct spares *s = rs->spares;
	if (s->live)
		k = line_first(rs, shard);
	for (uint32_t i = 0; i < SHARDS && !full && k == NULL && s->live; i++) { /* it is the whole that is full: any shard may give */
		s->hand = (s->hand + 1) % SHARDS;
		k = line_first(rs, s->hand);
	}
	enum limit by = memory ? LIMIT_MEMORY : LIMIT_KEYS;
	return k ? takes_place(b, rs, k, by) : refuse(b, rs, by);
}

bool
rule_overflowing(const struct back *b, const struct rule_state *rs)
{
	nsec reached = b->clock[rs->rule->clock].reached;
	return rs->overflow != NS_NONE && (reached < rs->overflow || rule_overflows(rs, reached));
}

void
back_overflow_text(const struct back *b, size_t rule, struct buf *out)
{
	const struct rule_state *rs = b->rule[rule];
	char span[32];
	dur_text(rule_span(rs->rule), span);
	const struct rule_def *d = rs->rule->def;
	buf_printf(out, "rule %s: ", rs->rule->name);
	switch (rs->overflow_by) {
	case LIMIT_KEYS:
		buf_printf(out, "no place for more keys: it holds %u, max_keys is %lld", rs->nkey - rs->nvalue, (long long)d->max_keys);
		break;
	case LIMIT_VALUES:
		buf_printf(out, "a key shows more values than max_values, %lld", (long long)d->max_values);
		break;
	case LIMIT_SERIES:
		buf_printf(out, "a key shows more series than %d", SERIES_MAX);
		break;
	case LIMIT_MEMORY:
		buf_printf(out, "no memory for more keys: all rules hold %zu MiB, %zu MiB are for them (memory)", b->held >> 20,
			b->limit >> 20);
		break;
	}
	buf_printf(out, "; a new one takes the place of a key seen only once, or is not admitted. Its alerts say partial until that has "
		"not happened for %s", span);
}

/* ---- memory ---- */

size_t
back_memory_limit(const struct config *c)
{
	size_t all = (size_t)c->memory, reserve = RESERVE + all / 8; /* an eighth: what pools hold and do not use */
	return all - (reserve > all / 2 ? all / 2 : reserve);
}

static size_t
rule_holds(const struct rule_state *rs)
{
	size_t n = sizeof *rs + rs->pool.used + rs->pool.lists + ((size_t)rs->mask + 1) * sizeof(struct key_slot) + rs->cap_heap * sizeof(struct key *) +
		rs->cap_equal * sizeof(struct equal_line) + (rs->wheel ? WHEEL_SLOTS * sizeof(struct key *) : 0);
	for (size_t i = 0; rs->spares && i < SHARDS; i++)
		n += rs->spares->line[i].cap * sizeof(struct key *);
	if (rs->rule->shape == SHAPE_PAIR) /* each fires unless it is closed: its alert is counted from the start */
		n += (rs->nkey - rs->open) * (sizeof(struct open_alert) + HELD_BLOCK);
	return n;
}

size_t
back_rule_holds(const struct back *b, size_t rule)
{
	return rule_holds(b->rule[rule]);
}

void
back_weigh(struct back *b)
{
	size_t n = held_bytes + b->tuple_bytes + save_holds(b);
	for (size_t i = 0; i < b->rs->nrule; i++)
		n += rule_holds(b->rule[i]);
	for (size_t i = 0; i < b->rs->nclock; i++)
		n += b->clock[i].cap_wait * sizeof(struct waiting);
	b->held = n;
}
