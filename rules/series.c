/* series.c - samples in order: growth, changes, streaks, the newest value. */
#include "rules/series.h"

#include "rules/held.h"

#include <stdlib.h>

struct memory *
memory_get(struct key *k)
{
	if (k->memory == NULL) {
		k->memory = xcalloc(1, sizeof *k->memory);
		held_add(sizeof *k->memory);
		k->memory->first = NEVER;
	}
	return k->memory;
}

void
memory_free(struct memory *m)
{
	if (m == NULL)
		return;
	for (uint32_t i = 0; i < m->nseries; i++)
		sample_free(m->series[i].prev);
	if (m->cap_series)
		held_drop(m->cap_series * sizeof *m->series);
	if (m->cap_past)
		held_drop(m->cap_past * sizeof *m->past);
	held_drop(sizeof *m);
	free(m->series);
	free(m->past);
	free(m);
}

/* Where the series stands, or would: they are in order of cell and id. */
static uint32_t
series_at(const struct memory *m, uint32_t cell, uint64_t id)
{
	uint32_t lo = 0, hi = m->nseries;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct series *s = &m->series[mid];
		if (s->cell < cell || (s->cell == cell && s->id < id))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* NULL: it is new, and there is no room for it. b NULL: it was stored, and so has room. */
static struct series *
series_get(struct back *b, struct rule_state *rs, struct key *k, uint32_t cell, uint64_t id)
{
	struct memory *m = memory_get(k);
	uint32_t at = series_at(m, cell, id);
	if (at < m->nseries && m->series[at].cell == cell && m->series[at].id == id)
		return &m->series[at];
	if (b && !series_room(b, rs, m))
		return NULL;
	if (m->nseries == m->cap_series) { /* by one: most keys have a few */
		uint32_t cap = m->cap_series + 1 + m->cap_series / 4;
		held_grow(m->cap_series * sizeof *m->series, cap * sizeof *m->series);
		m->series = xrealloc(m->series, cap * sizeof *m->series);
		m->cap_series = cap;
	}
	struct series *s = &m->series[at];
	memmove(s + 1, s, (m->nseries++ - at) * sizeof *s);
	*s = (struct series){ .cell = cell, .id = id };
	return s;
}

/* The series takes a sample and gives the one before, owned by the caller, or NULL where there is none any more. */
static struct sample *
series_next(const struct rule_state *rs, struct series *s, nsec time, const char *bytes, uint32_t len)
{
	struct sample *before = s->prev;
	if (before && time - s->seen >= rs->rule->forget) {
		sample_free(before);
		before = NULL;
	}
	s->prev = sample_new(bytes, len);
	s->seen = time;
	return before;
}

/* Had the partition's source shown records before then? */
static bool
shown_before(const struct back *b, uint32_t part, nsec time)
{
	for (size_t i = 0; i < b->npart; i++)
		if (b->part[i].source == b->part[part].source && b->part[i].first != NS_NONE && b->part[i].first < time)
			return true;
	return false;
}

/* was: the value before; a first sample counts 0, that of a scrape's new series counts whole. */
static void
grow(struct xsum *sum, double was, double now)
{
	xsum_part(sum, now);
	if (now >= was) /* a fall is a reset: the new value counts whole */
		xsum_part(sum, -was);
}

static void
streak_take(struct streak *s, uint8_t test)
{
	s->n++;
	s->run = test == TRI_TRUE ? s->run + 1 : 0;
}

void
series_take(struct back *b, struct rule_state *rs, struct key *k, const struct tuple *t)
{
	const struct rule *r = rs->rule;
	struct str all = tuple_samples(t);
	struct reader in = { all.ptr, all.ptr + all.len, false };
	struct pane *p = pane_get(rs, k, t->time / r->every - (t->time % r->every < 0));
	if (p == NULL)
		return;
	p->dirty = 1;
	for (uint32_t i = 0; i < r->ncell && !in.bad; i++) {
		enum cell_kind kind = r->cell[i].kind;
		uint8_t test = TRI_NULL;
		uint64_t id = 0;
		struct val v;
		if (!cell_sequenced(kind))
			continue;
		if (kind == CELL_STREAK)
			TAKE(&in, test);
		if (r->cell[i].labelled)
			TAKE(&in, id);
		const char *from = in.p;
		if (!sample_take(&in, &v) || v.type == V_NULL)
			continue; /* no sample */
		uint32_t len = (uint32_t)(in.p - from);
		void *c = pane_cell(rs, p, i);
		struct sample *before = NULL;
		if (kind == CELL_GROWTH || kind == CELL_CHANGES || (kind == CELL_STREAK && r->cell[i].arg2 >= 0)) {
			struct series *s = series_get(b, rs, k, i, id);
			if (s == NULL)
				continue;
			before = series_next(rs, s, t->time, from, len);
		}
		bool same = before && before->len == len && memcmp(before->bytes, from, len) == 0;
		if (kind == CELL_LAST) {
			sample_free(*(struct sample **)c);
			*(struct sample **)c = sample_new(from, len);
		} else if (kind == CELL_GROWTH) {
			bool whole = before == NULL && r->cell[i].labelled && shown_before(b, t->part, t->time);
			grow(c, before ? sample_val(before).n : whole ? 0 : v.n, v.n);
		} else if (kind == CELL_CHANGES) {
			*(uint64_t *)c += before && !same;
		} else if (!same) { /* a streak by F passes over samples that show the same F */
			streak_take(c, test);
		}
		sample_free(before);
	}
}

int64_t
series_forget(struct rule_state *rs, struct key *k, int64_t at)
{
	const struct rule *r = rs->rule;
	nsec last = NS_NONE;
	struct memory *m = k->memory;
	uint32_t kept = 0;
	for (uint32_t i = 0; m && i < m->nseries; i++) {
		struct series *s = &m->series[i];
		if (s->seen + r->forget <= at * r->every) {
			sample_free(s->prev);
			continue;
		}
		if (s->seen > last)
			last = s->seen;
		m->series[kept++] = *s;
	}
	if (m)
		m->nseries = kept;
	return last == NS_NONE ? NEVER : (last + r->forget + r->every - 1) / r->every;
}

void
memory_save(const struct memory *m, struct buf *b)
{
	PUT(b, m->first);
	PUT(b, m->last);
	PUT(b, m->nseries);
	for (uint32_t i = 0; i < m->nseries; i++) {
		PUT(b, m->series[i].cell);
		PUT(b, m->series[i].id);
		PUT(b, m->series[i].seen);
		put_blob(b, m->series[i].prev->bytes, m->series[i].prev->len);
	}
	put_blob(b, m->past, m->npast * (uint32_t)sizeof *m->past);
}

bool
memory_load(struct key *k, struct reader *r)
{
	struct memory *m = memory_get(k);
	uint32_t n, len;
	TAKE(r, m->first);
	TAKE(r, m->last);
	TAKE(r, n);
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		uint32_t cell;
		uint64_t id;
		TAKE(r, cell);
		TAKE(r, id);
		struct series *s = series_get(NULL, NULL, k, cell, id);
		TAKE(r, s->seen);
		const char *p = take_blob(r, &len);
		sample_free(s->prev);
		s->prev = sample_new(p, len);
	}
	const char *p = take_blob(r, &len);
	if (r->bad || len % sizeof *m->past)
		return false;
	m->past = xmemdup(p, len);
	m->npast = m->cap_past = len / (uint32_t)sizeof *m->past;
	if (len)
		held_add(len);
	return true;
}
