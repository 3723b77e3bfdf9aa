/* save.c - state to rows.
 *
 * Encoding: integers and doubles as they lie in memory (little-endian machines only, checked at load by a version word),
 * each row on its own. The store adds the CRC.
 */
#include "rules/save_int.h"
#include "rules/series.h"

#include <stdlib.h>

#define ROW_MAX (64 << 20)

void
save_enable(struct back *b)
{
	b->save = xcalloc(1, sizeof *b->save);
	buf_init(&b->save->copies, SIZE_MAX / 4);
	buf_init(&b->save->row, ROW_MAX);
	buf_init(&b->save->fixed, SIZE_MAX / 4);
	buf_init(&b->save->graves, SIZE_MAX / 4);
	buf_init(&b->save->given, SIZE_MAX / 4);
}

void
save_free(struct save *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->ndirty; i++)
		if (s->dirty[i].key->dead)
			key_release(s->dirty[i].rs, s->dirty[i].key);
	free(s->dirty);
	free(s->noted);
	buf_free(&s->copies);
	buf_free(&s->row);
	buf_free(&s->fixed);
	buf_free(&s->graves);
	buf_free(&s->given);
	free(s);
}

/* ---- encoding ---- */

static void
put(struct buf *b, const void *p, size_t n)
{
	buf_add(b, p, n);
}

static void
put_val(struct buf *b, const struct val *v)
{
	uint8_t head[2] = { (uint8_t)v->type, v->type == V_BOOL && v->b };
	PUT(b, head);
	if (v->type == V_NUM)
		PUT(b, v->n);
	else if (v->type == V_STR)
		put_blob(b, v->s.ptr, (uint32_t)v->s.len);
}

static void
encode_head(const struct key *k, struct buf *b)
{
	uint8_t flags = (uint8_t)((k->alert != NULL) | (k->carry != NULL) << 1 | (k->prev != NULL) << 2 | k->opened << 3 |
		k->emptied << 4 | (k->memory != NULL) << 5 | k->expected << 6);
	PUT(b, flags);
	PUT(b, k->seen);
	PUT(b, k->opened_at);
	PUT(b, k->npast);
	PUT(b, k->base_len);
	PUT(b, k->due);
	if (k->alert) {
		const struct open_alert *a = k->alert;
		uint8_t small[4] = { (uint8_t)a->state, (uint8_t)a->level, a->partial, a->clocks };
		PUT(b, small);
		PUT(b, a->start);
		PUT(b, a->last);
		PUT(b, a->count);
		PUT(b, a->since);
		put_val(b, &a->value);
		put_val(b, &a->threshold);
	}
	if (k->carry) {
		uint32_t size = k->carry->slots;
		for (uint32_t i = 0; i < k->carry->nline; i++)
			size += k->carry->line[i];
		PUT(b, k->carry->slots);
		PUT(b, k->carry->nline);
		PUT(b, k->carry->line);
		put_blob(b, k->carry->bytes, size);
	}
	if (k->prev)
		put_blob(b, k->prev, k->prev_len);
	if (k->memory)
		memory_save(k->memory, b);
}

static void
encode_pane(const struct rule_state *rs, struct pane *p, struct buf *b)
{
	uint32_t n = p->n;
	PUT(b, n);
	for (size_t i = 0; i < rs->rule->ncell; i++)
		cell_ops[rs->rule->cell[i].kind].save(pane_cell(rs, p, i), b);
}

/* ---- rows of one key ---- */

struct head {                /* of a row in save.copies and save.fixed: then rule, key and data bytes */
	uint32_t kind, rule, klen;
	int64_t pane, dlen;  /* dlen -1: tombstone */
};

static void
keep_row(struct buf *to, enum save_kind kind, struct str rule, struct str key, int64_t pane, const struct buf *data)
{
	struct head h = { kind, (uint32_t)rule.len, (uint32_t)key.len, pane, data ? (int64_t)data->len : -1 };
	PUT(to, h);
	buf_str_add(to, rule);
	buf_str_add(to, key);
	if (data)
		buf_str_add(to, buf_str(data));
}

/* Everything of a key that changed, appended to save.copies. */
static void
copy_key(struct save *s, struct rule_state *rs, struct key *k)
{
	struct str rule = str_of(rs->rule->name), key = { k->text, k->klen };
	buf_clear(&s->row);
	encode_head(k, &s->row);
	keep_row(&s->copies, SAVE_KEY, rule, key, SAVE_HEAD, &s->row);
	for (uint32_t i = 0; i < k->npane;) {
		struct pane *p = pane_at(rs, k, i);
		if (p->dead) {
			keep_row(&s->copies, SAVE_KEY, rule, key, rs->base + p->rel, NULL);
		} else if (p->dirty) {
			buf_clear(&s->row);
			encode_pane(rs, p, &s->row);
			keep_row(&s->copies, SAVE_KEY, rule, key, rs->base + p->rel, &s->row);
			p->stored = 1;
		}
		p->dirty = 0;
		if (p->dead)
			pane_remove(rs, k, i);
		else
			i++;
	}
	k->stored = true;
}

/* A stored key is dropped: its tombstones open the next generation, so a new key of that name comes after them. */
void
key_bury(struct back *b, struct rule_state *rs, const struct key *k)
{
	struct str rule = str_of(rs->rule->name), key = { k->text, k->klen };
	if (b->save == NULL || !k->stored)
		return;
	keep_row(&b->save->graves, SAVE_KEY, rule, key, SAVE_HEAD, NULL);
	for (uint32_t i = 0; i < k->npane; i++)
		if (pane_at(rs, k, i)->stored)
			keep_row(&b->save->graves, SAVE_KEY, rule, key, rs->base + pane_at(rs, k, i)->rel, NULL);
}

void
key_touch(struct back *b, struct rule_state *rs, struct key *k)
{
	struct save *s = b->save;
	if (s == NULL)
		return;
	if (k->noted) {
		copy_key(s, rs, k);
		k->noted = false;
	}
	if (k->dirty)
		return;
	k->dirty = true;
	GROW(s->dirty, s->ndirty, s->cap_dirty);
	s->dirty[s->ndirty++] = (struct save_key){ rs, k };
}

#define DEAD_MIN 1024

/* Keys that come and go between two generations are not kept until the next: half of the list at most is of the dead, where memory
 * lacks an eighth; those apart that the generation being written still holds. O(1) a drop. */
void
save_dead(struct back *b)
{
	struct save *s = b->save;
	size_t n = 0, share = b->limit && b->held >= b->limit ? 8 : 2;
	if (++s->ndead < s->sweep_at + DEAD_MIN || s->ndead < s->ndirty / share)
		return;
	s->ndead = 0;
	for (size_t i = 0; i < s->ndirty; i++) {
		struct save_key k = s->dirty[i];
		if (k.key->dead && !k.key->listed) {
			key_release(k.rs, k.key);
			continue;
		}
		s->ndead += k.key->dead;
		s->dirty[n++] = k;
	}
	s->ndirty = n;
	s->sweep_at = 2 * s->ndead;
}

size_t
save_holds(const struct back *b)
{
	const struct save *s = b->save;
	return s == NULL ? 0 : (s->cap_dirty + s->cap_noted) * sizeof *s->dirty + s->copies.cap + s->fixed.cap + s->graves.cap + s->given.cap;
}

size_t
save_pending(const struct back *b)
{
	return b->save->ndirty;
}

/* ---- what is small and copied whole at the note ---- */

/* By name: a source added to the configuration moves the numbers of the others. */
void
save_clock_key(const struct back *b, uint64_t sources, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < b->rs->config->nsource; i++)
		if (sources >> i & 1)
			buf_add(out, b->rs->config->source[i].name, strlen(b->rs->config->source[i].name) + 1);
}

static void
fix_rules(struct back *b, struct save *s)
{
	struct buf key;
	buf_init(&key, 1 << 16);
	for (size_t i = 0; i < b->rs->nrule; i++) {
		struct rule_state *rs = b->rule[i];
		uint32_t version = SAVE_VERSION, nequal = (uint32_t)rs->nequal;
		buf_clear(&s->row);
		PUT(&s->row, version);
		PUT(&s->row, rs->at);
		PUT(&s->row, rs->records);
		PUT(&s->row, rs->equal_ms);
		PUT(&s->row, rs->started);
		PUT(&s->row, rs->overflow);
		PUT(&s->row, rs->overflow_from);
		PUT(&s->row, nequal);
		for (size_t k = 0; k < rs->cap_equal; k++)
			if (rs->equal[k].n)
				PUT(&s->row, rs->equal[k]);
		buf_addz(&s->row, rs->rule->state_shape);
		keep_row(&s->fixed, SAVE_META, str_of(rs->rule->name), STR(""), 0, &s->row);
	}
	for (size_t i = 0; i < b->rs->nclock; i++) {
		struct clock *c = &b->clock[i];
		buf_clear(&s->row);
		PUT(&s->row, c->reached);
		PUT(&s->row, c->first);
		PUT(&s->row, b->greatest);
		save_clock_key(b, c->sources, &key);
		keep_row(&s->fixed, SAVE_META, STR(""), buf_str(&key), 1, &s->row);
	}
	buf_free(&key);
}

void
save_part_key(const struct back *b, uint32_t part, struct buf *out)
{
	const struct bpart *p = &b->part[part];
	buf_clear(out);
	buf_addz(out, b->rs->config->nsource ? b->rs->config->source[p->source].name : "");
	buf_addc(out, '\0');
	buf_addz(out, p->name);
}

static void
fix_parts(struct back *b, struct save *s)
{
	struct buf key;
	buf_init(&key, 1 << 16);
	for (uint32_t i = 0; i < b->npart; i++) {
		const struct bpart *p = &b->part[i];
		if (p->gone)
			continue;
		save_part_key(b, i, &key);
		buf_clear(&s->row);
		PUT(&s->row, p->time);
		PUT(&s->row, p->first);
		PUT(&s->row, p->seq);
		put_blob(&s->row, p->pos, (uint32_t)p->pos_len);
		keep_row(&s->fixed, SAVE_PART, STR(""), buf_str(&key), 0, &s->row);
	}
	for (size_t i = 0, n = 0; i < b->rs->nclock; i++)
		for (size_t k = b->clock[i].head; k < b->clock[i].nwait; k++, n++) {
			const struct tuple *t = b->clock[i].wait[k].tuple;
			save_part_key(b, t->part, &key);
			buf_clear(&s->row);
			put(&s->row, t, t->size);
			keep_row(&s->fixed, SAVE_TUPLE, str_of(b->rs->rule[t->rule].name), buf_str(&key), (int64_t)n, &s->row);
		}
	buf_free(&key);
}

static void
note_all(struct back *b, struct save *s)
{
	for (size_t i = 0; i < b->rs->nrule; i++) {
		struct rule_state *rs = b->rule[i];
		for (uint32_t t = 0; t <= rs->mask; t++) {
			struct key *k = rs->table[t].key;
			if (k == NULL)
				continue;
			for (uint32_t p = 0; p < k->npane; p++)
				pane_at(rs, k, p)->dirty = 1;
			key_touch(b, rs, k);
		}
	}
	s->all = false;
}

void
save_note(struct back *b)
{
	struct save *s = b->save;
	must(s->at == s->nnoted);
	if (s->all)
		note_all(b, s);
	struct save_key *swap = s->noted;
	size_t cap = s->cap_noted;
	s->noted = s->dirty;
	s->nnoted = s->ndirty;
	s->cap_noted = s->cap_dirty;
	s->dirty = swap;
	s->cap_dirty = cap;
	s->ndirty = 0;
	s->at = s->copied = s->fixed_at = 0;
	buf_clear(&s->copies);
	buf_clear(&s->fixed);
	buf_clear(&s->given);
	size_t n = 0;
	for (size_t i = 0; i < s->nnoted; i++) {
		struct save_key k = s->noted[i];
		if (k.key->dead) { /* buried already; this list was the last to hold it */
			key_release(k.rs, k.key);
			continue;
		}
		k.key->noted = k.key->listed = true;
		k.key->dirty = false;
		s->noted[n++] = k;
	}
	s->nnoted = n;
	s->ndead = s->sweep_at = 0;
	fix_rules(b, s);
	fix_parts(b, s);
	buf_str_add(&s->fixed, buf_str(&s->graves));
	buf_clear(&s->graves);
}

static bool
read_row(const struct buf *from, size_t *at, struct save_row *row)
{
	struct head h;
	if (*at >= from->len)
		return false;
	memcpy(&h, from->data + *at, sizeof h);
	const char *p = from->data + *at + sizeof h;
	row->kind = (enum save_kind)h.kind;
	row->rule = (struct str){ p, h.rule };
	row->key = (struct str){ p + h.rule, h.klen };
	row->pane = h.pane;
	row->data = h.dlen < 0 ? (struct str){ NULL, 0 } : (struct str){ p + h.rule + h.klen, (size_t)h.dlen };
	*at += sizeof h + h.rule + h.klen + (h.dlen < 0 ? 0 : (size_t)h.dlen);
	return true;
}

static bool
next_row(struct save *s, struct save_row *row)
{
	if (read_row(&s->fixed, &s->fixed_at, row))
		return true;
	for (;;) {
		if (read_row(&s->copies, &s->copied, row))
			return true;
		if (s->copied) { /* all taken: reuse the room */
			buf_clear(&s->copies);
			s->copied = 0;
		}
		if (s->at == s->nnoted)
			return false;
		struct save_key n = s->noted[s->at++];
		n.key->listed = false;
		if (n.key->noted) {
			copy_key(s, n.rs, n.key);
			n.key->noted = false;
		}
	}
}

bool
save_next(struct back *b, struct save_row *row)
{
	if (!next_row(b->save, row))
		return false;
	if (row->data.ptr == NULL)
		keep_row(&b->save->given, row->kind, row->rule, row->key, row->pane, NULL);
	return true;
}

void
save_abort(struct back *b)
{
	struct save *s = b->save;
	struct save_row row;
	while (save_next(b, &row))
		;
	/* Those keys may be gone for good: their tombstones must not be lost. Newer ones come after them. */
	buf_str_add(&s->given, buf_str(&s->graves));
	struct buf swap = s->graves;
	s->graves = s->given;
	s->given = swap;
	buf_clear(&s->given);
	s->all = true;
}

void
save_grave(struct back *b, const struct save_row *row)
{
	keep_row(&b->save->graves, row->kind, row->rule, row->key, row->pane, NULL);
}
