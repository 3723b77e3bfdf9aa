/* expr_vm.c - runs the instructions of rules/expr_compile.c on one record after another.
 *
 * In: struct record, prev's slots, aggregates. Out: TRI_FALSE, TRI_TRUE, TRI_NULL or a value.
 * Owns: the memo and the converted numbers of one thread. Both carry the generation of the record that they are of,
 * so that a new record forgets them in O(1).
 * Never: allocates for a record, but lower() of a text with capitals, in the arena.
 */
#include "rules/expr_int.h"

#include <math.h>
#include <stdlib.h>

struct number { /* a field as a number, of record gen */
	uint32_t gen;
	double n;
};

struct eval {
	const struct ins *code;
	const struct slice *slot;  /* of the record; without a record: none */
	uint32_t *memo;            /* gen << 2 | tri */
	struct number *number;     /* by slot */
	uint32_t gen;
	uint32_t level_gen;
	int level;                 /* of record level_gen */
	const struct slice *prev;
	const struct val *aggs;
	const struct record *record;
	struct str source;
	struct arena *arena;
	struct regex_scratch *regex;
	const struct exprs *x;
	struct slice *none;
	struct arena own;          /* where no arena is given */
	size_t ncode, nslot;
};

static enum tri test(struct eval *e, int id);
static struct val value(struct eval *e, int id);
static bool number(struct eval *e, int id, double *n);
static bool string(struct eval *e, int id, struct str *s);

#define GEN_MAX (UINT32_MAX >> 2)

const char *const level_word[5] = { "debug", "info", "warning", "error", "critical" };

struct eval *
eval_new(const struct exprs *x, struct regex_scratch *s)
{
	struct eval *e = xcalloc(1, sizeof *e);
	e->x = x;
	e->code = x->code;
	e->ncode = x->n;
	e->nslot = x->paths->n;
	e->memo = xcalloc(x->nmemo + 1, sizeof *e->memo);
	e->number = xcalloc(e->nslot + 1, sizeof *e->number);
	e->none = xcalloc(e->nslot + 1, sizeof *e->none);
	e->slot = e->none;
	e->regex = s;
	e->arena = &e->own;
	e->gen = 1;
	return e;
}

void
eval_free(struct eval *e)
{
	if (e == NULL)
		return;
	arena_free(&e->own);
	free(e->memo);
	free(e->number);
	free(e->none);
	free(e);
}

void
eval_begin(struct eval *e, const struct record *r, struct str source, struct arena *arena)
{
	if (UNLIKELY(e->gen == GEN_MAX)) {
		memset(e->memo, 0, e->x->nmemo * sizeof *e->memo);
		memset(e->number, 0, e->nslot * sizeof *e->number);
		e->gen = e->level_gen = 0;
	}
	e->gen++;
	e->record = r;
	e->slot = r ? r->slot : e->none;
	e->source = source;
	e->prev = NULL;
	e->aggs = NULL;
	if (UNLIKELY(e->own.total))
		arena_reset(&e->own);
	e->arena = arena ? arena : &e->own;
}

void
eval_set_prev(struct eval *e, const struct slice *prev)
{
	e->prev = prev;
}

void
eval_set_aggs(struct eval *e, const struct val *aggs)
{
	e->aggs = aggs;
}

enum tri
eval_test(struct eval *e, int id)
{
	must(id >= 0 && (size_t)id < e->ncode);
	return test(e, id);
}

struct val
eval_value(struct eval *e, int id)
{
	must(id >= 0 && (size_t)id < e->ncode);
	return value(e, id);
}

/* ---- what operators mean ---- */

static unsigned
order(double a, double b)
{
	return a < b ? IS_LESS : a > b ? IS_MORE : IS_EQUAL;
}

static unsigned
order_str(struct str a, struct str b)
{
	int c = str_cmp(a, b);
	return c < 0 ? IS_LESS : c > 0 ? IS_MORE : IS_EQUAL;
}

#define TRI(cond) ((cond) ? TRI_TRUE : TRI_FALSE)

static bool
equality(unsigned mask)
{
	return mask == IS_EQUAL || mask == (IS_LESS | IS_MORE);
}

enum tri
val_compare(struct val a, struct val b, unsigned mask)
{
	if (a.type == V_NUM && b.type == V_NUM)
		return TRI(order(a.n, b.n) & mask);
	if (equality(mask)) {
		bool same = a.type == b.type &&
			(a.type == V_NULL || (a.type == V_BOOL && a.b == b.b) || (a.type == V_STR && str_eq(a.s, b.s)));
		return TRI(same == (mask == IS_EQUAL));
	}
	if (a.type == V_STR && b.type == V_STR)
		return TRI(order_str(a.s, b.s) & mask);
	return TRI_NULL;
}

/* No result is -0: equal numbers print equally. */
static bool
arith(enum op op, double a, double b, double *out)
{
	double n;
	switch (op) {
	case OP_ADD:
		n = a + b;
		break;
	case OP_SUB:
		n = a - b;
		break;
	case OP_MUL:
		n = a * b;
		break;
	default:
		if (b == 0)
			return false;
		n = a / b;
		break;
	}
	*out = n + 0.0;
	return !isnan(n);
}

struct val
val_arith(enum op op, double a, double b)
{
	struct val v = { .type = V_NUM };
	if (!arith(op, a, b, &v.n))
		v.type = V_NULL;
	return v;
}

struct val
val_number(struct str s)
{
	struct val v = { .type = V_NUM };
	if (!num_parse(s, &v.n))
		return (struct val){ .type = V_NULL };
	v.n += 0.0;
	return v;
}

/* ASCII letters alone: an answer must not depend on a locale. s itself where there is nothing to change. */
struct str
val_lower(struct str s, struct arena *arena)
{
	size_t i = 0;
	while (i < s.len && !(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z'))
		i++;
	if (i == s.len)
		return s;
	char *p = arena_alloc(arena, s.len);
	memcpy(p, s.ptr, i);
	for (; i < s.len; i++)
		p[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] | 32) : s.ptr[i];
	return (struct str){ p, s.len };
}

static bool
set_has_num(const struct set *s, double n)
{
	size_t lo = 0, hi = s->nnum;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (s->num[mid] < n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nnum && s->num[lo] == n;
}

static bool
set_has_str(const struct set *s, struct str z)
{
	if (s->mask == 0) {
		for (size_t i = 0; i < s->nstr; i++)
			if (str_eq(s->str[i], z))
				return true;
		return false;
	}
	for (size_t at = str_hash(z, 0) & s->mask; s->table[at] >= 0; at = (at + 1) & s->mask)
		if (str_eq(s->str[s->table[at]], z))
			return true;
	return false;
}

enum tri
set_has(const struct set *s, struct val v)
{
	switch (v.type) {
	case V_NULL:
		return TRI(s->null);
	case V_BOOL:
		return TRI(v.b ? s->yes : s->no);
	case V_NUM:
		return TRI(set_has_num(s, v.n));
	case V_STR:
		break;
	}
	return TRI(set_has_str(s, v.s));
}

/* ---- @level ---- */

static const struct {
	const char *word;
	int rank;
} level_words[] = { { "trace", 0 }, { "verbose", 0 }, { "debug", 0 }, { "dbg", 0 }, { "fine", 0 }, { "finer", 0 }, { "finest", 0 },
	{ "t", 0 }, { "d", 0 }, { "info", 1 }, { "information", 1 }, { "informational", 1 }, { "inf", 1 }, { "notice", 1 }, { "i", 1 },
	{ "n", 1 }, { "warning", 2 }, { "warn", 2 }, { "wrn", 2 }, { "w", 2 }, { "error", 3 }, { "err", 3 }, { "severe", 3 }, { "e", 3 },
	{ "critical", 4 }, { "crit", 4 }, { "fatal", 4 }, { "ftl", 4 }, { "panic", 4 }, { "dpanic", 4 }, { "alert", 4 }, { "emerg", 4 },
	{ "emergency", 4 }, { "f", 4 }, { "c", 4 } };

int
level_rank(struct str word)
{
	char z[16];
	if (word.len == 0 || word.len >= sizeof z)
		return -1;
	for (size_t i = 0; i < word.len; i++)
		z[i] = word.ptr[i] >= 'A' && word.ptr[i] <= 'Z' ? (char)(word.ptr[i] | 32) : word.ptr[i];
	for (size_t i = 0; i < COUNT_OF(level_words); i++)
		if (level_words[i].word[0] == z[0] && str_eq((struct str){ z, word.len }, str_of(level_words[i].word)))
			return level_words[i].rank;
	return -1;
}

/* syslog's 0 (emergency) to 7 (debug); bunyan's and pino's 10 (trace) to 60 (fatal) with what lies between. */
static int
level_number(double n)
{
	static const int syslog[] = { 4, 4, 4, 3, 2, 1, 1, 0 }, pino[] = { 0, 0, 1, 2, 3, 4 };
	if (n >= 0 && n < 8)
		return n == (int)n ? syslog[(int)n] : -1;
	return n >= 10 && n < 70 ? pino[(int)n / 10 - 1] : -1;
}

static double
slot_number(struct eval *e, int slot)
{
	struct number *c = &e->number[slot];
	if (c->gen != e->gen) {
		c->n = num_of((struct str){ e->slot[slot].ptr, e->slot[slot].len }) + 0.0;
		c->gen = e->gen;
	}
	return c->n;
}

static int
level(struct eval *e)
{
	if (e->level_gen == e->gen)
		return e->level;
	e->level_gen = e->gen;
	e->level = -1;
	for (size_t i = 0; i < e->x->nlevel && e->level < 0; i++) {
		int slot = e->x->level_slot[i];
		const struct slice *f = &e->slot[slot];
		if (f->kind == K_STR)
			e->level = level_rank((struct str){ f->ptr, f->len });
		else if (f->kind == K_NUM)
			e->level = level_number(slot_number(e, slot));
	}
	return e->level;
}

static enum tri
level_compare(struct eval *e, const struct ins *i)
{
	struct val a = value(e, i->a), b = value(e, i->b);
	int ra = a.type == V_STR ? level_rank(a.s) : -1, rb = b.type == V_STR ? level_rank(b.s) : -1;
	if (ra >= 0 && rb >= 0)
		return TRI(order(ra, rb) & i->mask);
	return val_compare(a, b, i->mask);
}

/* ---- fields ---- */

static struct val
slice_val(const struct slice *f)
{
	switch ((enum slice_kind)f->kind) {
	case K_NONE:
	case K_NULL:
		break;
	case K_FALSE:
	case K_TRUE:
		return (struct val){ .type = V_BOOL, .b = f->kind == K_TRUE };
	case K_NUM:
		return (struct val){ .type = V_NUM, .n = num_of((struct str){ f->ptr, f->len }) + 0.0 };
	case K_STR:
	case K_JSON:
		return (struct val){ .type = V_STR, .s = { f->ptr, f->len } };
	}
	return (struct val){ .type = V_NULL };
}

struct val
eval_slot(struct eval *e, int slot)
{
	must(slot >= 0 && (size_t)slot < e->nslot);
	if (e->slot[slot].kind == K_NUM)
		return (struct val){ .type = V_NUM, .n = slot_number(e, slot) };
	return slice_val(&e->slot[slot]);
}

static struct val
str_or_null(struct str s)
{
	return s.ptr ? (struct val){ .type = V_STR, .s = s } : (struct val){ .type = V_NULL };
}

static struct val
meta(struct eval *e, enum meta m)
{
	const struct record *r = e->record;
	if (r) {
		switch (m) {
		case META_TIME: /* seconds since the epoch */
			if (r->time != NS_NONE)
				return (struct val){ .type = V_NUM,
					.n = (double)(r->time / NS_PER_S) + (double)(r->time % NS_PER_S) / 1e9 };
			break;
		case META_SOURCE:
			return str_or_null(e->source);
		case META_FILE:
			return str_or_null(r->file);
		case META_OFFSET:
			if (r->offset >= 0)
				return (struct val){ .type = V_NUM, .n = (double)r->offset };
			break;
		case META_RAW:
			return str_or_null(r->raw);
		case META_LEVEL:
			if (level(e) >= 0)
				return (struct val){ .type = V_STR, .s = str_of(level_word[level(e)]) };
			break;
		case METAS:
			break;
		}
	}
	return (struct val){ .type = V_NULL };
}

/* ---- instructions ---- */

static enum tri
all(struct eval *e, const struct list *l)
{
	enum tri out = TRI_TRUE;
	for (size_t i = 0; i < l->n; i++) {
		enum tri t = test(e, l->id[i]);
		if (t == TRI_FALSE)
			return t;
		if (t == TRI_NULL)
			out = t;
	}
	return out;
}

static enum tri
any(struct eval *e, const struct list *l)
{
	enum tri out = TRI_FALSE;
	for (size_t i = 0; i < l->n; i++) {
		enum tri t = test(e, l->id[i]);
		if (t == TRI_TRUE)
			return t;
		if (t == TRI_NULL)
			out = t;
	}
	return out;
}

static enum tri
slot_str(const struct eval *e, const struct ins *i)
{
	const struct slice *f = &e->slot[i->a];
	bool same = f->kind >= K_STR && f->len == (uint32_t)i->b && (f->len == 0 || memcmp(f->ptr, i->z, f->len) == 0);
	return TRI(same == (i->mask == IS_EQUAL));
}

static enum tri
two_strings(struct eval *e, const struct ins *i)
{
	struct str a, b;
	if (!string(e, i->a, &a) || !string(e, i->b, &b))
		return TRI_NULL;
	return TRI(i->op == OP_STARTS ? str_starts(a, b) : str_has(a, b));
}

static enum tri
run(struct eval *e, const struct ins *i)
{
	double a, b;
	struct str s;
	enum tri t;
	switch ((enum op)i->op) {
	case OP_AND:
		return all(e, i->list);
	case OP_OR:
		return any(e, i->list);
	case OP_NOT:
		t = test(e, i->a);
		return t == TRI_NULL ? t : TRI(t == TRI_FALSE);
	case OP_SLOT_STR:
		return slot_str(e, i);
	case OP_SLOT_NUM:
		if (e->slot[i->a].kind != K_NUM)
			return TRI(i->mask != IS_EQUAL);
		return TRI(order(slot_number(e, i->a), i->n) & i->mask);
	case OP_SLOT_ORD:
		if (e->slot[i->a].kind != K_NUM)
			return TRI_NULL;
		return TRI(order(slot_number(e, i->a), i->n) & i->mask);
	case OP_SLOT_NULL:
		return TRI((e->slot[i->a].kind <= K_NULL) == (i->mask == IS_EQUAL));
	case OP_NULL:
		return TRI((value(e, i->a).type == V_NULL) == (i->mask == IS_EQUAL));
	case OP_ORD_NUM:
		if (!number(e, i->a, &a) || !number(e, i->b, &b))
			return TRI_NULL;
		return TRI(order(a, b) & i->mask);
	case OP_EQ:
	case OP_ORD:
		return val_compare(value(e, i->a), value(e, i->b), i->mask);
	case OP_LEVEL_ORD:
		return level_compare(e, i);
	case OP_LEVEL_IS:
		if (level(e) < 0)
			return i->a ? TRI(i->mask != IS_EQUAL) : TRI_NULL;
		return TRI(order(level(e), i->b) & i->mask);
	case OP_SLOT_IN:
		if (e->slot[i->a].kind >= K_STR)
			return TRI(set_has_str(i->set, (struct str){ e->slot[i->a].ptr, e->slot[i->a].len }));
		return set_has(i->set, eval_slot(e, i->a));
	case OP_IN:
		return set_has(i->set, value(e, i->a));
	case OP_MATCH:
		return string(e, i->a, &s) ? TRI(regex_search(i->re, e->regex, s) == REGEX_YES) : TRI_NULL;
	case OP_STARTS:
	case OP_CONTAINS:
		return two_strings(e, i);
	case OP_GUARD:
		return e->prev ? test(e, i->a) : TRI_NULL;
	case OP_CONST: case OP_SLOT: case OP_PREV: case OP_META: case OP_AGG: case OP_ONLY: case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV:
	case OP_NEG: case OP_LOWER: case OP_LEN: case OP_NUMBER: case OPS:
		break;
	}
	return tri_val(value(e, (int)(i - e->code)));
}

static enum tri
test(struct eval *e, int id)
{
	const struct ins *i = &e->code[id];
	if (i->memo < 0)
		return run(e, i);
	uint32_t *m = &e->memo[i->memo];
	if (*m >> 2 != e->gen)
		*m = e->gen << 2 | (uint32_t)run(e, i);
	return (enum tri)(*m & 3);
}

static bool
number(struct eval *e, int id, double *n)
{
	const struct ins *i = &e->code[id];
	struct str s;
	double b;
	switch ((enum op)i->op) {
	case OP_SLOT:
		if (e->slot[i->a].kind != K_NUM)
			return false;
		*n = slot_number(e, i->a);
		return true;
	case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV:
		return number(e, i->a, n) && number(e, i->b, &b) && arith((enum op)i->op, *n, b, n);
	case OP_NEG:
		if (!number(e, i->a, n))
			return false;
		*n = 0 - *n;
		return true;
	case OP_LEN:
		if (!string(e, i->a, &s))
			return false;
		*n = (double)utf8_len(s);
		return true;
	default:
		break;
	}
	struct val v = value(e, id);
	*n = v.n;
	return v.type == V_NUM;
}

static bool
string(struct eval *e, int id, struct str *s)
{
	const struct ins *i = &e->code[id];
	if (i->op == OP_SLOT) {
		const struct slice *f = &e->slot[i->a];
		*s = (struct str){ f->ptr, f->len };
		return f->kind >= K_STR;
	}
	struct val v = value(e, id);
	*s = v.s;
	return v.type == V_STR;
}

static struct val
value(struct eval *e, int id)
{
	const struct ins *i = &e->code[id];
	struct val v = { .type = V_NULL };
	struct str s;
	switch ((enum op)i->op) {
	case OP_CONST:
		return *i->v;
	case OP_SLOT:
		return eval_slot(e, i->a);
	case OP_PREV:
		return e->prev ? slice_val(&e->prev[i->a]) : v;
	case OP_META:
		return meta(e, (enum meta)i->mask);
	case OP_AGG:
		return e->aggs ? e->aggs[i->b] : v;
	case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: case OP_NEG: case OP_LEN:
		v.type = number(e, id, &v.n) ? V_NUM : V_NULL;
		return v;
	case OP_LOWER:
		return string(e, i->a, &s) ? (struct val){ .type = V_STR, .s = val_lower(s, e->arena) } : v;
	case OP_NUMBER:
		return string(e, i->a, &s) ? val_number(s) : v;
	case OP_ONLY:
		return test(e, i->a) == TRI_TRUE ? value(e, i->b) : v;
	default:
		return val_tri(test(e, id));
	}
}
