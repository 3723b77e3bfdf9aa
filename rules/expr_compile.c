/* expr_compile.c - nodes, made once each, constants folded, lowered to instructions.
 *
 * In: calls of rules/expr_parse.c, operands first. Out: struct exprs. Next: rules/expr_vm.c
 * Owns: every node, literal and regular expression of a rule set, until exprs_free.
 * Equal nodes get the same number (hash-consing), so that what many rules share is one instruction.
 */
#include "rules/expr_int.h"

#include <stdlib.h>

static int node_add(struct exprs *x, struct node n, const void *payload);
static void lower(struct exprs *x, int id);

static const char *const level_fields[] = { "level", "severity", "lvl", "levelname", "log.level" };

struct exprs *
exprs_new(struct paths *paths)
{
	struct exprs *x = xcalloc(1, sizeof *x);
	x->paths = paths;
	x->table_size = 256;
	x->table = xmalloc(x->table_size * sizeof *x->table);
	memset(x->table, 0xff, x->table_size * sizeof *x->table);
	return x;
}

void
exprs_free(struct exprs *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < x->nregex; i++)
		regex_free(x->regex[i]);
	free(x->regex);
	arena_free(&x->arena);
	free(x->node);
	free(x->code);
	free(x->table);
	free(x);
}

size_t
exprs_shared(const struct exprs *x)
{
	return x->nmemo;
}

/* ---- hash-consing ---- */

static bool
same_val(const struct val *a, const struct val *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case V_NULL:
		return true;
	case V_BOOL:
		return a->b == b->b;
	case V_NUM:
		return memcmp(&a->n, &b->n, sizeof a->n) == 0;
	case V_STR:
		break;
	}
	return str_eq(a->s, b->s);
}

static uint64_t
hash_val(const struct val *v, uint64_t seed)
{
	if (v->type == V_STR)
		return str_hash(v->s, seed);
	double n = v->type == V_NUM ? v->n : v->type == V_BOOL ? v->b : 0;
	return str_hash((struct str){ (const char *)&n, sizeof n }, seed + v->type);
}

static uint64_t
hash_agg(const struct agg_use *u, uint64_t seed)
{
	int64_t w[] = { u->fn, u->arg, u->arg2, u->over, u->depth, (int64_t)(u->q * 1e6) };
	return str_hash((struct str){ (const char *)w, sizeof w }, seed);
}

static uint32_t
hash_node(const struct node *n, const void *payload)
{
	int32_t w[] = { n->kind, n->a, n->b, n->c, n->d };
	uint64_t h = str_hash((struct str){ (const char *)w, sizeof w }, 1);
	if (n->kind == N_CONST) {
		h = hash_val(payload, h);
	} else if (n->kind == N_AGG) {
		h = hash_agg(payload, h);
	} else if (n->kind == N_AND || n->kind == N_OR) {
		const struct list *l = payload;
		h = str_hash((struct str){ (const char *)l->id, l->n * sizeof *l->id }, h);
	} else if (n->kind == N_SET) {
		const struct set *s = payload;
		for (size_t i = 0; i < s->n; i++)
			h = hash_val(&s->v[i], h);
	}
	return (uint32_t)(h ^ h >> 32);
}

static bool
same_agg(const struct agg_use *a, const struct agg_use *b)
{
	return a->fn == b->fn && a->arg == b->arg && a->arg2 == b->arg2 && a->over == b->over && a->depth == b->depth &&
		memcmp(&a->q, &b->q, sizeof a->q) == 0;
}

static bool
same_payload(const struct node *n, const void *payload)
{
	if (n->kind == N_CONST)
		return same_val(n->p, payload);
	if (n->kind == N_AGG)
		return same_agg(n->p, payload);
	if (n->kind == N_AND || n->kind == N_OR) {
		const struct list *a = n->p, *b = payload;
		return a->n == b->n && memcmp(a->id, b->id, a->n * sizeof *a->id) == 0;
	}
	if (n->kind == N_SET) {
		const struct set *a = n->p, *b = payload;
		for (size_t i = 0; i < a->n && a->n == b->n; i++)
			if (!same_val(&a->v[i], &b->v[i]))
				return false;
		return a->n == b->n;
	}
	return true;
}

static void
table_grow(struct exprs *x)
{
	x->table_size *= 2;
	x->table = xrealloc(x->table, x->table_size * sizeof *x->table);
	memset(x->table, 0xff, x->table_size * sizeof *x->table);
	for (size_t i = 0; i < x->n; i++) {
		size_t at = x->node[i].hash & (x->table_size - 1);
		while (x->table[at] >= 0)
			at = (at + 1) & (x->table_size - 1);
		x->table[at] = (int32_t)i;
	}
}

/* Place in the table of the node that is n with payload, or of the free slot where it belongs. */
static size_t
node_find(const struct exprs *x, const struct node *n, const void *payload)
{
	size_t at = n->hash & (x->table_size - 1);
	for (; x->table[at] >= 0; at = (at + 1) & (x->table_size - 1)) {
		const struct node *o = &x->node[x->table[at]];
		if (o->hash == n->hash && o->kind == n->kind && o->a == n->a && o->b == n->b && o->c == n->c && o->d == n->d &&
			same_payload(o, payload))
			break;
	}
	return at;
}

static const struct set *set_keep(struct exprs *x, const struct set *s);

static const void *
payload_keep(struct exprs *x, const struct node *n, const void *payload)
{
	size_t size = n->kind == N_CONST ? sizeof(struct val) : sizeof(struct agg_use);
	if (n->kind == N_SET)
		return set_keep(x, payload);
	if (n->kind == N_AND || n->kind == N_OR)
		size = sizeof(struct list) + ((const struct list *)payload)->n * sizeof(int);
	else if (n->kind != N_CONST && n->kind != N_AGG)
		return payload;
	void *p = arena_alloc(&x->arena, size);
	memcpy(p, payload, size);
	if (n->kind == N_CONST && ((struct val *)p)->type == V_STR)
		((struct val *)p)->s = arena_str(&x->arena, ((struct val *)p)->s);
	return p;
}

static void
child(struct exprs *x, struct node *n, int id)
{
	const struct node *c = &x->node[id];
	if (c->depth >= n->depth)
		n->depth = (uint16_t)(c->depth + 1);
	n->flags |= c->flags;
	node_use(x, id);
}

/* The number of the node, made if there is none like it. Too deep or too many: -1 (the parser tells). */
static int
node_add(struct exprs *x, struct node n, const void *payload)
{
	n.hash = hash_node(&n, payload);
	size_t at = node_find(x, &n, payload);
	if (x->table[at] >= 0)
		return x->table[at];
	if (x->n >= EXPR_NODES_MAX)
		return -1;
	if (n.kind == N_AND || n.kind == N_OR) {
		const struct list *l = payload;
		for (size_t i = 0; i < l->n; i++)
			child(x, &n, l->id[i]);
	} else if (n.kind != N_CONST && n.kind != N_SLOT && n.kind != N_PREV && n.kind != N_META && n.kind != N_AGG) {
		if (n.a >= 0)
			child(x, &n, n.a);
		if (n.b >= 0)
			child(x, &n, n.b);
	}
	if (n.depth > EXPR_DEPTH_MAX)
		return -1;
	n.p = payload_keep(x, &n, payload);
	size_t cap = x->cap;
	GROW(x->node, x->n, x->cap);
	if (cap != x->cap)
		x->code = xrealloc(x->code, x->cap * sizeof *x->code);
	int id = (int)x->n++;
	x->node[id] = n;
	x->code[id] = (struct ins){ .memo = -1 };
	x->table[at] = id;
	if (x->n * 2 > x->table_size)
		table_grow(x);
	lower(x, id);
	return id;
}

void
node_use(struct exprs *x, int id)
{
	struct node *n = &x->node[id];
	if (++n->uses == 2 && n->type == ST_BOOL && n->flags == 0 && n->kind != N_CONST)
		x->code[id].memo = (int32_t)x->nmemo++;
}

/* ---- one function a kind of node ---- */

int
node_const(struct exprs *x, struct val v)
{
	static const uint8_t type[] = { [V_NULL] = ST_ANY, [V_BOOL] = ST_BOOL, [V_NUM] = ST_NUM, [V_STR] = ST_STR };
	return node_add(x, (struct node){ .kind = N_CONST, .type = type[v.type], .a = -1, .b = -1 }, &v);
}

int
node_slot(struct exprs *x, int slot, bool prev)
{
	return node_add(x,
		(struct node){ .kind = prev ? N_PREV : N_SLOT, .type = ST_ANY, .flags = prev ? NODE_PREV : 0, .a = slot, .b = -1 },
		NULL);
}

int
node_only(struct exprs *x, int cond, int value)
{
	return node_add(x, (struct node){ .kind = N_ONLY, .type = ST_ANY, .a = cond, .b = value }, NULL);
}

int
node_meta(struct exprs *x, enum meta m)
{
	if (m == META_LEVEL && x->nlevel == 0)
		for (size_t i = 0; i < COUNT_OF(level_fields); i++) {
			int slot = paths_add_dotted(x->paths, level_fields[i]);
			if (slot >= 0)
				x->level_slot[x->nlevel++] = slot;
		}
	uint8_t type = m == META_TIME || m == META_OFFSET ? ST_NUM : ST_STR;
	return node_add(x, (struct node){ .kind = N_META, .type = type, .a = (int)m, .b = -1 }, NULL);
}

int
node_agg(struct exprs *x, const struct agg_use *use, int index, int inner)
{
	static const bool any[AGG_FNS] = { [AGG_LAST] = true };
	return node_add(x,
		(struct node){ .kind = N_AGG, .type = any[use->fn] ? ST_ANY : ST_NUM, .flags = NODE_AGG, .a = inner, .b = index }, use);
}

static const struct val *
const_of(const struct exprs *x, int id)
{
	return x->node[id].kind == N_CONST ? x->node[id].p : NULL;
}

static int
fold_unary(struct exprs *x, enum node_kind kind, struct val v)
{
	struct val out = { .type = V_NULL };
	if (kind == N_NOT && v.type == V_BOOL)
		out = (struct val){ .type = V_BOOL, .b = !v.b };
	else if (kind == N_NEG && v.type == V_NUM)
		out = (struct val){ .type = V_NUM, .n = 0 - v.n };
	else if (kind == N_LOWER && v.type == V_STR)
		out = (struct val){ .type = V_STR, .s = val_lower(v.s, &x->arena) };
	else if (kind == N_LEN && v.type == V_STR)
		out = (struct val){ .type = V_NUM, .n = (double)utf8_len(v.s) };
	else if (kind == N_NUMBER && v.type == V_STR)
		out = val_number(v.s);
	return node_const(x, out);
}

int
node_unary(struct exprs *x, enum node_kind kind, int a)
{
	if (a < 0)
		return -1;
	const struct val *v = const_of(x, a);
	if (v)
		return fold_unary(x, kind, *v);
	if (kind == N_NOT && x->node[a].kind == N_NOT && x->node[x->node[a].a].type == ST_BOOL)
		return x->node[a].a;
	uint8_t type = kind == N_NOT ? ST_BOOL : kind == N_LOWER ? ST_STR : ST_NUM;
	return node_add(x, (struct node){ .kind = (uint8_t)kind, .type = type, .a = a, .b = -1 }, NULL);
}

static unsigned
outcomes(enum node_kind kind)
{
	static const uint8_t mask[] = { [N_EQ] = IS_EQUAL, [N_NE] = IS_LESS | IS_MORE, [N_LT] = IS_LESS, [N_LE] = IS_LESS | IS_EQUAL,
		[N_GT] = IS_MORE, [N_GE] = IS_MORE | IS_EQUAL };
	return mask[kind];
}

static struct val
fold_binary(enum node_kind kind, struct val a, struct val b)
{
	if (kind >= N_EQ && kind <= N_GE)
		return val_tri(val_compare(a, b, outcomes(kind)));
	if (kind >= N_ADD && kind <= N_DIV && a.type == V_NUM && b.type == V_NUM)
		return val_arith((enum op)(OP_ADD + (kind - N_ADD)), a.n, b.n);
	if (kind == N_STARTS && a.type == V_STR && b.type == V_STR)
		return (struct val){ .type = V_BOOL, .b = str_starts(a.s, b.s) };
	if (kind == N_CONTAINS && a.type == V_STR && b.type == V_STR)
		return (struct val){ .type = V_BOOL, .b = str_has(a.s, b.s) };
	return (struct val){ .type = V_NULL };
}

/* == with null is never null, so a comparison that reads prev needs to be told that there is none. */
static int
guarded(struct exprs *x, int id)
{
	if (id < 0 || !(x->node[id].flags & NODE_PREV))
		return id;
	return node_add(x, (struct node){ .kind = N_GUARD, .type = ST_BOOL, .a = id, .b = -1 }, NULL);
}

static bool
is_level(const struct exprs *x, int id)
{
	return x->node[id].kind == N_META && x->node[id].a == META_LEVEL;
}

/* A level word in any usual spelling beside @level means that level: "WARN" is "warning". */
static struct val
level_literal(struct val v)
{
	int rank = v.type == V_STR ? level_rank(v.s) : -1;
	return rank < 0 ? v : (struct val){ .type = V_STR, .s = str_of(level_word[rank]) };
}

bool
nodes_clash(const struct exprs *x, int a, int b)
{
	if (a < 0 || b < 0 || is_level(x, a) || is_level(x, b))
		return false;
	const struct node *text = &x->node[a], *n = &x->node[b];
	if (text->type != ST_STR) {
		text = n;
		n = &x->node[a];
	}
	return text->kind == N_CONST && text->type == ST_STR && n->type == ST_NUM && (n->kind == N_CONST || n->flags & NODE_AGG);
}

int
node_binary(struct exprs *x, enum node_kind kind, int a, int b)
{
	if (a < 0 || b < 0)
		return -1;
	const struct val *va = const_of(x, a), *vb = const_of(x, b);
	bool compares = kind >= N_EQ && kind <= N_GE;
	if (va && vb)
		return node_const(x, fold_binary(kind, *va, *vb));
	if (compares && is_level(x, a) && vb)
		b = node_const(x, level_literal(*vb));
	else if (compares && is_level(x, b) && va)
		a = node_const(x, level_literal(*va));
	if (a < 0 || b < 0)
		return -1;
	uint8_t type = kind >= N_ADD && kind <= N_DIV ? ST_NUM : ST_BOOL;
	int id = node_add(x, (struct node){ .kind = (uint8_t)kind, .type = type, .a = a, .b = b }, NULL);
	return kind == N_EQ || kind == N_NE ? guarded(x, id) : id;
}

/* `and`, `or` of n operands. Nested ones of the same kind are taken in; a constant that changes nothing is left out; one
 * that decides decides, but where prev is read: a comparison around it must still know. */
int
node_logic(struct exprs *x, enum node_kind kind, const int *id, size_t n)
{
	size_t max = 0;
	for (size_t i = 0; i < n; i++) {
		if (id[i] < 0)
			return -1;
		max += x->node[id[i]].kind == kind ? ((const struct list *)x->node[id[i]].p)->n : 1;
	}
	struct list *l = xmalloc(sizeof *l + max * sizeof *l->id);
	l->n = 0;
	bool decides = kind == N_OR, decided = false, prev = false;
	for (size_t i = 0; i < n; i++)
		prev |= x->node[id[i]].flags & NODE_PREV;
	for (size_t i = 0; i < n; i++) {
		const struct val *v = const_of(x, id[i]);
		if (x->node[id[i]].kind == kind) {
			const struct list *in = x->node[id[i]].p;
			memcpy(l->id + l->n, in->id, in->n * sizeof *in->id);
			l->n += in->n;
		} else if (v && v->type == V_BOOL && !(prev && v->b == decides)) {
			decided |= v->b == decides;
		} else {
			l->id[l->n++] = id[i];
		}
	}
	int out;
	if (decided || l->n == 0)
		out = node_const(x, (struct val){ .type = V_BOOL, .b = decided == decides });
	else if (l->n == 1 && x->node[l->id[0]].type == ST_BOOL)
		out = l->id[0];
	else
		out = node_add(x, (struct node){ .kind = (uint8_t)kind, .type = ST_BOOL, .a = -1, .b = -1 }, l);
	free(l);
	return out;
}

/* ---- in ---- */

#define SET_HASH_MIN 8 /* fewer strings are compared one by one */

static int
by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void
set_hash(struct exprs *x, struct set *s)
{
	size_t size = 16;
	while (size < s->nstr * 2)
		size *= 2;
	int32_t *table = arena_alloc(&x->arena, size * sizeof *table);
	memset(table, 0xff, size * sizeof *table);
	for (size_t i = 0; i < s->nstr; i++) {
		size_t at = str_hash(s->str[i], 0) & (size - 1);
		while (table[at] >= 0)
			at = (at + 1) & (size - 1);
		table[at] = (int32_t)i;
	}
	s->table = table;
	s->mask = size - 1;
}

static const struct set *
set_keep(struct exprs *x, const struct set *from)
{
	struct set *s = arena_alloc(&x->arena, sizeof *s);
	struct val *v = arena_alloc(&x->arena, from->n * sizeof *v + 1);
	double *num = arena_alloc(&x->arena, from->n * sizeof *num + 1);
	struct str *str = arena_alloc(&x->arena, from->n * sizeof *str + 1);
	*s = (struct set){ .n = from->n, .v = v, .num = num, .str = str };
	for (size_t i = 0; i < s->n; i++) {
		v[i] = from->v[i];
		if (v[i].type == V_STR)
			str[s->nstr++] = v[i].s = arena_str(&x->arena, v[i].s);
		else if (v[i].type == V_NUM)
			num[s->nnum++] = v[i].n;
		else if (v[i].type == V_NULL)
			s->null = true;
		else
			*(v[i].b ? &s->yes : &s->no) = true;
	}
	qsort(num, s->nnum, sizeof *num, by_number);
	if (s->nstr >= SET_HASH_MIN)
		set_hash(x, s);
	return s;
}

int
node_in(struct exprs *x, int a, const struct val *v, size_t n)
{
	if (a < 0)
		return -1;
	struct val *lit = xmalloc((n + 1) * sizeof *lit);
	for (size_t i = 0; i < n; i++)
		lit[i] = is_level(x, a) ? level_literal(v[i]) : v[i];
	struct set s = { .n = n, .v = lit };
	int set = node_add(x, (struct node){ .kind = N_SET, .type = ST_ANY, .a = -1, .b = -1 }, &s);
	free(lit);
	if (set < 0)
		return -1;
	if (const_of(x, a))
		return node_const(x, val_tri(set_has(x->node[set].p, *const_of(x, a))));
	return guarded(x, node_add(x, (struct node){ .kind = N_IN, .type = ST_BOOL, .a = a, .b = set }, NULL));
}

/* ---- =~ ---- */

static int32_t
limited(int64_t v)
{
	return v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

int
node_regex(struct exprs *x, struct str pattern, const struct scope *s, size_t *at, struct errinfo *e)
{
	int text = node_const(x, (struct val){ .type = V_STR, .s = pattern });
	if (text < 0)
		return -1;
	struct node n = { .kind = N_REGEX, .type = ST_ANY, .a = text, .b = -1, .c = limited(s->regex_limit), .d = limited(s->regex_subject) };
	n.hash = hash_node(&n, NULL);
	size_t found = node_find(x, &n, NULL);
	if (x->table[found] >= 0)
		return x->table[found];
	struct regex *re = regex_compile(pattern, n.c, n.d, at, e);
	if (re == NULL)
		return -1;
	int id = node_add(x, n, re);
	GROW(x->regex, x->nregex, x->regex_cap);
	x->regex[x->nregex++] = re;
	return id;
}

int
node_match(struct exprs *x, int a, int regex)
{
	if (a < 0 || regex < 0)
		return -1;
	return node_add(x, (struct node){ .kind = N_MATCH, .type = ST_BOOL, .a = a, .b = regex }, NULL);
}

/* ---- lowering: the cheapest instruction that means the node ---- */

static unsigned
mirrored(unsigned mask)
{
	return (mask & IS_EQUAL) | (mask & IS_LESS ? IS_MORE : 0) | (mask & IS_MORE ? IS_LESS : 0);
}

static void
lower_equality(const struct exprs *x, struct ins *i, const struct val *v)
{
	bool slot = x->node[i->a].kind == N_SLOT;
	if (v->type == V_NULL) {
		i->op = slot ? OP_SLOT_NULL : OP_NULL;
	} else if (v->type == V_STR && slot) {
		i->op = OP_SLOT_STR;
		i->z = v->s.ptr;
		i->b = (int32_t)v->s.len;
	} else if (v->type == V_NUM && slot) {
		i->op = OP_SLOT_NUM;
		i->n = v->n;
	} else {
		return;
	}
	if (slot)
		i->a = x->node[i->a].a;
}

static void
lower_comparison(const struct exprs *x, const struct node *n, struct ins *i)
{
	bool equality = n->kind == N_EQ || n->kind == N_NE;
	i->op = equality ? OP_EQ : OP_ORD;
	i->mask = (uint8_t)outcomes((enum node_kind)n->kind);
	if (const_of(x, n->a)) { /* the constant to the right: only the instruction is turned, the node stays as written */
		i->a = n->b;
		i->b = n->a;
		i->mask = (uint8_t)mirrored(i->mask);
	}
	const struct val *v = const_of(x, i->b);
	if (is_level(x, i->a) && v && v->type == V_STR && level_rank(v->s) >= 0) {
		i->op = OP_LEVEL_IS;
		i->a = equality; /* a level that is not known: == false, < null */
		i->b = level_rank(v->s);
	} else if ((is_level(x, i->a) || is_level(x, i->b)) && !v) {
		i->op = OP_LEVEL_ORD;
	} else if (equality && v) {
		lower_equality(x, i, v);
	} else if (!equality && v && v->type == V_NUM && x->node[i->a].kind == N_SLOT) {
		i->op = OP_SLOT_ORD;
		i->a = x->node[i->a].a;
		i->n = v->n;
	} else if (!equality && (x->node[i->a].type == ST_NUM || x->node[i->b].type == ST_NUM)) {
		i->op = OP_ORD_NUM;
	}
}

static const uint8_t plain[] = { [N_CONST] = OP_CONST, [N_SLOT] = OP_SLOT, [N_PREV] = OP_PREV, [N_META] = OP_META, [N_AGG] = OP_AGG,
	[N_GUARD] = OP_GUARD, [N_NOT] = OP_NOT, [N_AND] = OP_AND, [N_OR] = OP_OR, [N_IN] = OP_IN, [N_MATCH] = OP_MATCH, [N_ADD] = OP_ADD,
	[N_SUB] = OP_SUB, [N_MUL] = OP_MUL, [N_DIV] = OP_DIV, [N_NEG] = OP_NEG, [N_LOWER] = OP_LOWER, [N_LEN] = OP_LEN,
	[N_NUMBER] = OP_NUMBER, [N_STARTS] = OP_STARTS, [N_CONTAINS] = OP_CONTAINS, [N_ONLY] = OP_ONLY };

static void
lower(struct exprs *x, int id)
{
	static const struct val none = { .type = V_NULL };
	const struct node *n = &x->node[id];
	struct ins *i = &x->code[id];
	i->a = n->a;
	i->b = n->b;
	if (n->kind >= N_EQ && n->kind <= N_GE) {
		lower_comparison(x, n, i);
		return;
	}
	if (n->kind == N_SET || n->kind == N_REGEX) { /* never run: as a value it is null */
		i->op = OP_CONST;
		i->v = &none;
		return;
	}
	i->op = plain[n->kind];
	if (n->kind == N_CONST)
		i->v = n->p;
	else if (n->kind == N_META)
		i->mask = (uint8_t)n->a;
	else if (n->kind == N_AND || n->kind == N_OR)
		i->list = n->p;
	else if (n->kind == N_MATCH)
		i->re = x->node[n->b].p;
	else if (n->kind == N_IN) {
		i->set = x->node[n->b].p;
		if (x->node[n->a].kind == N_SLOT) {
			i->op = OP_SLOT_IN;
			i->a = x->node[n->a].a;
		}
	}
}
