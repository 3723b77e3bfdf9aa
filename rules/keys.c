/* keys.c - a rule's keys: the table, the two timers, key text to JSON and to slots.
 *
 * Window timers fall on boundaries, so they sit in a hashed wheel (Varghese and Lauck, SOSP 1987, scheme 6): O(1) to set.
 * Record and pair timers are single instants, mostly set in the order in which they fall due: a queue, and an indexed binary
 * heap for the rest. A key has one timer at most.
 */
#include "rules/series.h"

#include "core/json.h"
#include "rules/held.h"

#include <stdlib.h>
#include <sys/mman.h>

#define TABLE_MIN 16

struct rule_state *
rule_state_new(const struct rule *r)
{
	struct rule_state *rs = xcalloc(1, sizeof *rs);
	rs->rule = r;
	rs->mask = TABLE_MIN - 1;
	rs->table = xcalloc(TABLE_MIN, sizeof *rs->table);
	rs->at = rs->base = NEVER;
	rs->equal_ms = rs->last_true = rs->started = rs->overflow = rs->overflow_from = NS_NONE;
	rs->cell_off = xcalloc(r->ncell, sizeof *rs->cell_off);
	rs->stride = sizeof(struct pane);
	for (size_t i = 0; i < r->ncell; i++) {
		rs->cell_off[i] = rs->stride;
		rs->stride += cell_ops[r->cell[i].kind].size;
	}
	return rs;
}

size_t held_bytes;

static void
val_own(struct val *to, const struct val *from)
{
	if (to->type == V_STR) {
		held_drop(to->s.len);
		free((void *)(uintptr_t)to->s.ptr);
	}
	*to = *from;
	if (from->type == V_STR) {
		held_add(to->s.len);
		to->s.ptr = xmemdup(from->s.ptr, from->s.len);
	}
}

void
alert_values(struct open_alert *a, const struct val *value, const struct val *threshold)
{
	val_own(&a->value, value);
	val_own(&a->threshold, threshold);
}

struct open_alert *
alert_new(struct key *k)
{
	k->alert = xcalloc(1, sizeof *k->alert);
	held_add(sizeof *k->alert);
	return k->alert;
}

void
alert_drop(struct key *k)
{
	static const struct val none;
	if (k->alert) {
		alert_values(k->alert, &none, &none);
		held_drop(sizeof *k->alert);
	}
	free(k->alert);
	k->alert = NULL;
}

void
key_release(struct rule_state *rs, struct key *k)
{
	panes_release(rs, k);
	pool_free(&rs->pool, k->panes, k->cap_pane * rs->stride);
	alert_drop(k);
	key_carry(rs, k, NULL);
	memory_free(k->memory);
	pool_free(&rs->pool, k->prev, k->prev_len);
	pool_free(&rs->pool, k, sizeof *k + k->klen + 1);
}

void
rule_state_free(struct rule_state *rs)
{
	for (uint32_t i = 0; i <= rs->mask; i++)
		if (rs->table[i].key)
			key_release(rs, rs->table[i].key);
	pool_release(&rs->pool);
	spares_free(rs);
	free(rs->table);
	free(rs->wheel);
	free(rs->heap);
	free(rs->equal);
	free(rs->cell_off);
	free(rs);
}

/* ---- the table: linear probing, deletion by moving back ---- */

struct key *
key_find(const struct rule_state *rs, struct str text, uint64_t hash)
{
	for (uint32_t i = (uint32_t)hash & rs->mask; rs->table[i].key; i = (i + 1) & rs->mask) {
		struct key *k = rs->table[i].key;
		if (rs->table[i].hash == hash && k->klen == text.len && memcmp(k->text, text.ptr, text.len) == 0)
			return k;
	}
	return NULL;
}

void
key_prefetch(const struct rule_state *rs, uint64_t hash)
{
	__builtin_prefetch(&rs->table[(uint32_t)hash & rs->mask]);
}

void
key_prefetch_deep(const struct rule_state *rs, uint64_t hash)
{
	const struct key_slot *s = &rs->table[(uint32_t)hash & rs->mask];
	if (s->key && s->hash == hash) {
		__builtin_prefetch(s->key);
		__builtin_prefetch((const char *)s->key + 64);
		__builtin_prefetch((const char *)s->key + 128); /* its text */
	}
}

static void
table_put(struct rule_state *rs, struct key_slot s)
{
	uint32_t i = (uint32_t)s.hash & rs->mask;
	while (rs->table[i].key)
		i = (i + 1) & rs->mask;
	rs->table[i] = s;
}

static struct key_slot *
table_new(size_t n)
{
	size_t bytes = n * sizeof(struct key_slot), huge = (size_t)2 << 20;
	if (bytes < huge)
		return xcalloc(n, sizeof(struct key_slot));
	void *t = aligned_alloc(huge, bytes);
	must(t != NULL);
	(void)madvise(t, bytes, MADV_HUGEPAGE); /* visited at random: page walks would cost as much as the visits */
	return memset(t, 0, bytes);
}

static void
table_grow(struct rule_state *rs)
{
	struct key_slot *old = rs->table;
	uint32_t n = rs->mask + 1;
	rs->mask = n * 2 - 1;
	rs->table = table_new((size_t)n * 2);
	for (uint32_t i = 0; i < n; i++)
		if (old[i].key)
			table_put(rs, old[i]);
	free(old);
}

static void
table_remove(struct rule_state *rs, const struct key *k)
{
	uint32_t i = (uint32_t)k->hash & rs->mask;
	while (rs->table[i].key != k)
		i = (i + 1) & rs->mask;
	for (uint32_t hole = i;;) {
		i = (i + 1) & rs->mask;
		struct key_slot m = rs->table[i];
		if (m.key == NULL) {
			rs->table[hole].key = NULL;
			return;
		}
		uint32_t home = (uint32_t)m.hash & rs->mask;
		if (((i - home) & rs->mask) >= ((i - hole) & rs->mask)) {
			rs->table[hole] = m;
			hole = i;
		}
	}
}

static struct key *
key_new(struct back *b, struct rule_state *rs, struct str text, uint64_t hash)
{
	if (rs->nkey * 3 >= rs->mask * 2)
		table_grow(rs);
	struct key *k = pool_zalloc(&rs->pool, sizeof *k + text.len + 1);
	k->hash = hash;
	k->klen = (uint32_t)text.len;
	k->due = NEVER;
	k->seen = k->opened_at = NS_NONE;
	memcpy(k->text, text.ptr, text.len);
	table_put(rs, (struct key_slot){ hash, k });
	rs->nkey++;
	rs->shard[key_shard(hash)]++;
	b->stats.keys++;
	return k;
}

struct key *
key_get(struct back *b, struct rule_state *rs, struct str text, uint64_t hash)
{
	struct key *k = key_find(rs, text, hash);
	if (k == NULL && key_room(b, rs, hash)) {
		k = key_new(b, rs, text, hash);
		key_wait(rs, k);
	}
	return k;
}

struct key *
key_always(struct back *b, struct rule_state *rs, struct str text, uint64_t hash)
{
	struct key *k = key_find(rs, text, hash);
	return k ? k : key_new(b, rs, text, hash);
}

struct key *
key_value(struct back *b, struct rule_state *rs, struct key *of, struct str text, uint64_t hash)
{
	if (!value_room(b, rs, of))
		return NULL;
	struct key *k = key_new(b, rs, text, hash);
	of->npast++;
	key_is_value(rs, k);
	return k;
}

void
key_is_value(struct rule_state *rs, struct key *k)
{
	k->opened = true;
	rs->nvalue++;
	rs->shard[key_shard(k->hash)]--;
}

void
key_drop(struct back *b, struct rule_state *rs, struct key *k)
{
	key_touch(b, rs, k);
	wheel_set(rs, k, NEVER);
	timer_set(rs, k, NEVER);
	key_gone(rs, k);
	table_remove(rs, k);
	rs->nkey--;
	if (rs->rule->shape == SHAPE_PRESENCE && k->opened)
		rs->nvalue--;
	else
		rs->shard[key_shard(k->hash)]--;
	b->stats.keys--;
	key_bury(b, rs, k);
	k->dead = true;
	if (k->dirty)
		save_dead(b);
	else
		key_release(rs, k);
}

/* ---- timers ---- */

void
wheel_set(struct rule_state *rs, struct key *k, int64_t due)
{
	if (rs->rule->shape != SHAPE_WINDOW)
		return;
	key_wait(rs, k);
	if (k->link) {
		if (k->due == due)
			return;
		*k->link = k->next;
		if (k->next)
			k->next->link = k->link;
		k->link = NULL;
		rs->in_wheel--;
	}
	k->due = due;
	if (due == NEVER)
		return;
	if (rs->wheel == NULL)
		rs->wheel = xcalloc(WHEEL_SLOTS, sizeof(struct key *));
	struct key **head = &rs->wheel[(uint64_t)due & (WHEEL_SLOTS - 1)];
	k->next = *head;
	if (k->next)
		k->next->link = &k->next;
	k->link = head;
	*head = k;
	rs->in_wheel++;
}

static void
heap_put(struct rule_state *rs, uint32_t i, struct key *k)
{
	rs->heap[i] = k;
	k->heap = i + 1;
}

static void
sift(struct rule_state *rs, uint32_t i, struct key *k)
{
	while (i > 0 && rs->heap[(i - 1) / 2]->due > k->due) {
		heap_put(rs, i, rs->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= rs->nheap)
			break;
		if (child + 1 < rs->nheap && rs->heap[child + 1]->due < rs->heap[child]->due)
			child++;
		if (rs->heap[child]->due >= k->due)
			break;
		heap_put(rs, i, rs->heap[child]);
		i = child;
	}
	heap_put(rs, i, k);
}

static void
queue_remove(struct rule_state *rs, struct key *k)
{
	*k->link = k->next;
	if (k->next)
		k->next->link = k->link;
	else
		rs->queue_last = k->link == &rs->queue ? NULL : (struct key *)(void *)((char *)k->link - offsetof(struct key, next));
	k->link = NULL;
}

static void
heap_remove(struct rule_state *rs, struct key *k)
{
	uint32_t i = k->heap - 1;
	struct key *last = rs->heap[--rs->nheap];
	k->heap = 0;
	if (last != k)
		sift(rs, i, last);
}

void
timer_set(struct rule_state *rs, struct key *k, nsec due)
{
	if (rs->rule->shape == SHAPE_WINDOW)
		return;
	key_wait(rs, k);
	if (k->link)
		queue_remove(rs, k);
	if (k->heap)
		heap_remove(rs, k);
	k->due = due;
	if (due == NEVER)
		return;
	if (rs->queue_last && rs->queue_last->due > due) {
		GROW(rs->heap, rs->nheap, rs->cap_heap);
		sift(rs, rs->nheap++, k);
		return;
	}
	k->next = NULL;
	k->link = rs->queue_last ? &rs->queue_last->next : &rs->queue;
	*k->link = k;
	rs->queue_last = k;
}

struct key *
timer_first(const struct rule_state *rs)
{
	struct key *q = rs->queue, *h = rs->nheap ? rs->heap[0] : NULL;
	return q == NULL || (h && h->due < q->due) ? h : q;
}

/* ---- key text ---- */

/* The next value of a key text: its JSON, or false at the closing brace. */
static bool
next_value(struct str text, size_t *at, struct str *value)
{
	size_t i = *at;
	if (i >= text.len || text.ptr[i] == '}')
		return false;
	bool quoted = false;
	size_t from = i;
	for (; quoted || (text.ptr[i] != ',' && text.ptr[i] != '}'); i++) {
		if (quoted && text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == '"')
			quoted = !quoted;
	}
	*value = (struct str){ text.ptr + from, i - from };
	*at = text.ptr[i] == ',' ? i + 1 : i;
	return true;
}

void
key_json(const struct ruleset *rs, const struct rule *r, struct str text, struct buf *out)
{
	const struct keyset *ks = &rs->keyset[r->keyset_out];
	struct str v;
	size_t at = 0;
	for (size_t i = 0; next_value(text, &at, &v); i++) {
		buf_addz(out, ks->prefix[i]);
		buf_str_add(out, v);
	}
	buf_addz(out, ks->n ? "}" : "{}");
}

void
key_phrase(const struct ruleset *rs, const struct rule *r, struct str text, struct buf *out)
{
	const struct keyset *ks = &rs->keyset[r->keyset_out];
	struct str v;
	size_t at = 0;
	for (size_t i = 0; next_value(text, &at, &v); i++) {
		buf_printf(out, "%s%s=", i ? ", " : "", ks->name[i]);
		json_plain(out, v);
	}
}

struct str
key_slots(struct back *b, const struct rule *r, struct str text)
{
	const struct keyset *ks = &b->rs->keyset[r->keyset_out];
	struct str v, source = STR("");
	size_t at = 0;
	for (size_t i = 0; next_value(text, &at, &v); i++) {
		if (ks->slot[i] < 0) { /* source names need no escapes */
			if (strcmp(ks->name[i], "@source") == 0)
				source = (struct str){ v.ptr + 1, v.len - 2 };
			continue;
		}
		struct slice *s = &b->rec.slot[ks->slot[i]];
		if (v.ptr[0] != '"') {
			*s = (struct slice){ v.ptr, (uint32_t)v.len,
				(uint8_t)(v.ptr[0] == 't' ? K_TRUE : v.ptr[0] == 'f' ? K_FALSE : K_NUM), 0 };
			continue;
		}
		struct str inner = { v.ptr + 1, v.len - 2 };
		if (memchr(inner.ptr, '\\', inner.len)) {
			struct buf d;
			buf_init(&d, inner.len + 1);
			json_unescape(&d, inner);
			inner = arena_str(&b->arena, buf_str(&d));
			buf_free(&d);
		}
		*s = (struct slice){ inner.ptr, (uint32_t)inner.len, K_STR, 0 };
	}
	return source;
}

void
carried_slots(struct back *b, const struct rule *r, const char *p, uint32_t len)
{
	const char *end = p + len;
	for (size_t i = 0; i < r->carry.n && p < end; i++) {
		struct slice *s = &b->rec.slot[r->carry.slot[i]];
		*s = (struct slice){ .kind = (uint8_t)*p };
		memcpy(&s->len, p + 1, 4);
		s->ptr = p + 5;
		p += 5 + (s->kind <= K_TRUE ? 0 : s->len);
	}
}

void
slots_clear(struct back *b, const struct rule *r)
{
	const struct keyset *ks = &b->rs->keyset[r->keyset_out];
	for (size_t i = 0; i < ks->n; i++)
		if (ks->slot[i] >= 0)
			b->rec.slot[ks->slot[i]] = (struct slice){ 0 };
	for (size_t i = 0; i < r->carry.n; i++)
		b->rec.slot[r->carry.slot[i]] = (struct slice){ 0 };
}

#define SAMPLES 3

static size_t
carried_bytes(const struct carried *c)
{
	size_t n = c->slots;
	for (uint32_t i = 0; i < c->nline; i++)
		n += c->line[i];
	return n;
}

struct carried *
carried_new(struct rule_state *rs, size_t bytes)
{
	struct carried *c = pool_alloc(&rs->pool, sizeof *c + bytes);
	*c = (struct carried){ 0 };
	return c;
}

void
key_carry(struct rule_state *rs, struct key *k, struct carried *c)
{
	pool_free(&rs->pool, k->carry, sizeof *c + k->carry_bytes);
	k->carry = c;
	k->carry_bytes = c ? (uint32_t)carried_bytes(c) : 0;
}

struct carried *
carried_of(struct rule_state *rs, const struct tuple *t, const struct carried *before)
{
	uint32_t keep = rs->rule->samples && before ? before->nline : 0, skip = keep == SAMPLES, size = 0;
	const char *old = before ? before->bytes + before->slots : NULL;
	uint32_t old_at = skip ? before->line[0] : 0;
	struct str raw = utf8_cut(tuple_raw(t), RAW_KEPT);
	for (uint32_t i = skip; i < keep; i++)
		size += before->line[i];
	struct carried *c = carried_new(rs, t->slots + size + raw.len);
	c->slots = t->slots;
	memcpy(c->bytes, tuple_slots(t), t->slots);
	if (size)
		memcpy(c->bytes + t->slots, old + old_at, size);
	for (uint32_t i = skip; i < keep; i++)
		c->line[c->nline++] = before->line[i];
	memcpy(c->bytes + t->slots + size, raw.ptr, raw.len);
	c->line[c->nline++] = (uint32_t)raw.len;
	return c;
}
