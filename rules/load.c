/* load.c - rows to state: what a restart goes on from. */
#include "rules/save_int.h"
#include "rules/series.h"

#include <stdlib.h>

static struct rule_state *
rule_named(struct back *b, struct str name)
{
	for (size_t i = 0; i < b->rs->nrule; i++)
		if (str_eq(name, str_of(b->rs->rule[i].name)))
			return b->rule[i];
	return NULL;
}

/* ---- meta ---- */

static bool
load_rule(struct back *b, const struct save_row *row)
{
	struct rule_state *rs = rule_named(b, row->rule);
	struct reader r = { row->data.ptr, row->data.ptr + row->data.len, false };
	uint32_t version, nequal;
	int64_t at;
	uint64_t records;
	nsec equal_ms, started, overflow, overflow_from;
	if (rs == NULL)
		return true;
	TAKE(&r, version);
	TAKE(&r, at);
	TAKE(&r, records);
	TAKE(&r, equal_ms);
	TAKE(&r, started);
	TAKE(&r, overflow);
	TAKE(&r, overflow_from);
	TAKE(&r, nequal);
	const char *equal = r.p;
	if (r.bad || version != SAVE_VERSION || (size_t)(r.end - r.p) < nequal * sizeof *rs->equal)
		return false;
	struct str shape = { equal + nequal * sizeof *rs->equal, (size_t)(r.end - equal) - nequal * sizeof *rs->equal };
	if (!str_eq(shape, str_of(rs->rule->state_shape)))
		return true; /* other windows or keys: its state cannot be kept */
	rs->kept = true;
	rs->at = at;
	rs->records = records;
	rs->equal_ms = equal_ms;
	rs->started = started;
	rs->overflow = overflow;
	rs->overflow_from = overflow_from;
	for (uint32_t i = 0; i < nequal; i++) {
		struct equal_line e;
		memcpy(&e, equal + i * sizeof e, sizeof e);
		if (e.n == 0)
			return false;
		equal_put(rs, &e);
	}
	return true;
}

static bool
load_clock(struct back *b, const struct save_row *row)
{
	struct reader r = { row->data.ptr, row->data.ptr + row->data.len, false };
	nsec reached, first, greatest;
	struct buf key;
	buf_init(&key, 1 << 16);
	TAKE(&r, reached);
	TAKE(&r, first);
	TAKE(&r, greatest);
	for (size_t i = 0; i < b->rs->nclock; i++) {
		save_clock_key(b, b->clock[i].sources, &key);
		if (!str_eq(buf_str(&key), row->key))
			continue;
		b->clock[i].reached = reached;
		b->clock[i].first = first;
	}
	buf_free(&key);
	if (greatest > b->greatest)
		b->greatest = greatest;
	return !r.bad;
}

/* ---- partitions ---- */

/* Number of the partition of a row's key (source name, NUL, name); -1: its source is gone. */
static int64_t
part_of(struct back *b, struct str key, bool add)
{
	const struct config *c = b->rs->config;
	const char *nul = memchr(key.ptr, '\0', key.len);
	if (nul == NULL)
		return -1;
	struct str source = { key.ptr, (size_t)(nul - key.ptr) }, name = { nul + 1, key.len - source.len - 1 };
	for (size_t i = 0; i < b->npart; i++)
		if (str_eq(name, str_of(b->part[i].name)) && str_eq(source, str_of(c->source[b->part[i].source].name)))
			return (int64_t)i;
	for (size_t i = 0; add && i < c->nsource; i++)
		if (str_eq(source, str_of(c->source[i].name)))
			return back_part_add(b, i, name);
	return -1;
}

static bool
load_part(struct back *b, const struct save_row *row)
{
	struct reader r = { row->data.ptr, row->data.ptr + row->data.len, false };
	int64_t n = part_of(b, row->key, true);
	if (n < 0)
		return true;
	struct bpart *p = &b->part[n];
	uint32_t len;
	TAKE(&r, p->time);
	TAKE(&r, p->first);
	TAKE(&r, p->seq);
	const char *pos = take_blob(&r, &len);
	p->pos = xmalloc(len + 1); /* also where there is none: a stored partition is told from a new one by it */
	memcpy(p->pos, pos, len);
	p->pos_len = len;
	return !r.bad;
}

bool
save_part(const struct back *b, size_t source, struct str name, uint32_t *number, struct ptime *time, int64_t *seq,
	struct str *pos)
{
	for (size_t i = 0; i < b->npart; i++) {
		const struct bpart *p = &b->part[i];
		if (p->source != source || p->gone || !str_eq(name, str_of(p->name)))
			continue;
		*number = (uint32_t)i;
		*time = p->time;
		*seq = p->seq;
		*pos = (struct str){ p->pos, p->pos_len };
		return true;
	}
	return false;
}

/* ---- keys ---- */

static struct val
val_of(struct reader *r)
{
	uint8_t head[2];
	uint32_t len;
	struct val v = { .type = V_NULL };
	TAKE(r, head);
	if (head[0] > V_STR) {
		r->bad = true;
		return v;
	}
	v.type = (enum vtype)head[0];
	if (v.type == V_BOOL)
		v.b = head[1];
	else if (v.type == V_NUM)
		TAKE(r, v.n);
	else if (v.type == V_STR) {
		v.s.ptr = take_blob(r, &len);
		v.s.len = len;
	}
	return v;
}

static bool
load_head(struct rule_state *rs, struct key *k, struct reader *r, nsec *due)
{
	uint8_t flags, small[4];
	uint32_t len;
	TAKE(r, flags);
	TAKE(r, k->seen);
	TAKE(r, k->opened_at);
	TAKE(r, k->npast);
	TAKE(r, k->base_len);
	TAKE(r, *due);
	k->opened = flags >> 3 & 1;
	k->emptied = flags >> 4 & 1;
	k->expected = flags >> 6 & 1;
	if (flags & 1) {
		struct open_alert *a = alert_new(k);
		TAKE(r, small);
		if (small[0] >= STATES || small[1] >= LEVELS)
			return false;
		a->state = (enum state)small[0];
		a->level = (enum level)small[1];
		a->partial = small[2];
		a->clocks = small[3];
		TAKE(r, a->start);
		TAKE(r, a->last);
		TAKE(r, a->count);
		TAKE(r, a->since);
		struct val value = val_of(r), threshold = val_of(r);
		alert_values(a, &value, &threshold);
	}
	if (flags & 2) {
		struct carried c;
		TAKE(r, c.slots);
		TAKE(r, c.nline);
		TAKE(r, c.line);
		const char *p = take_blob(r, &len);
		size_t size = c.slots;
		for (uint32_t i = 0; i < c.nline && i < COUNT_OF(c.line); i++)
			size += c.line[i];
		if (size != len || c.nline > COUNT_OF(c.line))
			return false;
		struct carried *to = carried_new(rs, len);
		to->slots = c.slots;
		to->nline = c.nline;
		memcpy(to->line, c.line, sizeof c.line);
		memcpy(to->bytes, p, len);
		key_carry(rs, k, to);
	}
	if (flags & 4) {
		const char *p = take_blob(r, &len);
		k->prev = memcpy(pool_alloc(&rs->pool, len), p, len);
		k->prev_len = len;
	}
	if (flags & 32 && !memory_load(k, r))
		return false;
	return !r->bad;
}

static bool
load_pane(struct rule_state *rs, struct key *k, int64_t pane, struct reader *r)
{
	struct pane *p = pane_get(rs, k, pane);
	uint32_t n;
	if (p == NULL)
		return false;
	TAKE(r, n);
	p->n = n & PANE_RECORDS_MAX;
	p->stored = 1;
	for (size_t i = 0; i < rs->rule->ncell && !r->bad; i++)
		cell_ops[rs->rule->cell[i].kind].load(pane_cell(rs, p, i), r);
	return !r->bad;
}

static bool
load_key(struct back *b, const struct save_row *row)
{
	struct rule_state *rs = rule_named(b, row->rule);
	struct reader r = { row->data.ptr, row->data.ptr + row->data.len, false };
	if (rs == NULL || !rs->kept) {
		save_grave(b, row);
		return true;
	}
	struct key *k = key_always(b, rs, row->key, str_hash(row->key, hash_seed)); /* it had its place: shards depend on the process */
	k->stored = true;
	if (row->pane != SAVE_HEAD)
		return load_pane(rs, k, row->pane, &r);
	int64_t due;
	if (!load_head(rs, k, &r, &due))
		return false;
	if (rs->rule->shape == SHAPE_PRESENCE && k->opened)
		key_is_value(rs, k);
	if (rs->rule->shape == SHAPE_WINDOW)
		wheel_set(rs, k, due); /* what a transition or the rule's first record made due is in no pane */
	if (k->alert && k->alert->state == ST_FIRING)
		rs->open++;
	return true;
}

/* ---- waiting tuples ---- */

static bool
load_tuple(struct back *b, const struct save_row *row)
{
	struct rule_state *rs = rule_named(b, row->rule);
	int64_t part = part_of(b, row->key, false);
	if (row->data.len < sizeof(struct tuple))
		return false;
	if (rs == NULL || !rs->kept)
		return true;
	if (part < 0) { /* of a partition that had ended: it was not stored, what waits of it still has its place in the order */
		part = part_of(b, row->key, true);
		if (part < 0)
			return true;
		back_part_gone(b, (uint32_t)part);
	}
	struct block in;
	block_init(&in);
	buf_str_add(&in.tuples->bytes, row->data);
	struct tuple *t = (struct tuple *)(void *)in.tuples->bytes.data;
	if (t->size != row->data.len || sizeof *t + t->klen + t->slots + t->raw + t->file > t->size) {
		block_free(&in);
		return false;
	}
	t->rule = (uint32_t)rs->rule->index;
	t->part = (uint32_t)part;
	t->hash = str_hash((struct str){ tuple_key(t), t->klen }, hash_seed);
	in.tuples->n = in.tuples->refs = 1;
	back_wait(b, &in);
	block_free(&in);
	return true;
}

bool
save_load(struct back *b, const struct save_row *row)
{
	switch (row->kind) {
	case SAVE_META:
		return row->rule.len ? load_rule(b, row) : load_clock(b, row);
	case SAVE_PART:
		return load_part(b, row);
	case SAVE_KEY:
		return load_key(b, row);
	case SAVE_TUPLE:
		return load_tuple(b, row);
	}
	return false;
}

void
save_loaded(struct back *b)
{
	for (size_t i = 0; i < b->rs->nrule; i++) {
		struct rule_state *rs = b->rule[i];
		for (uint32_t t = 0; t <= rs->mask; t++) {
			struct key *k = rs->table[t].key;
			if (k == NULL)
				continue;
			switch (rs->rule->shape) {
			case SHAPE_WINDOW: /* its timer came with its row */
			case SHAPES:
				break;
			case SHAPE_RECORD:
				record_wake(rs, k);
				break;
			case SHAPE_PAIR:
				pair_wake(rs, k);
				break;
			case SHAPE_PRESENCE:
				presence_wake(rs, k);
				break;
			}
		}
	}
}
