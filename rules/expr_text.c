/* expr_text.c - expressions looked at: canonical text, first comparison, equalities, the program's listing.
 *
 * The text of a node compiles to the same node. Units are gone from it (10% is 0.1, 5m is 300), parentheses are the
 * least that the grammar needs.
 */
#include "rules/expr_int.h"

#include "core/json.h"

#include "core/units.h"

#include <stdlib.h>

static void text(const struct exprs *x, int id, int outer, struct buf *out);

/* Precedence, loosest first. */
enum { P_OR, P_AND, P_NOT, P_COMPARE, P_SUM, P_PRODUCT, P_SIGN, P_PRIMARY };

static const struct {
	const char *text;
	int level;
} infix[] = { [N_AND] = { "and", P_AND }, [N_OR] = { "or", P_OR }, [N_EQ] = { "==", P_COMPARE }, [N_NE] = { "!=", P_COMPARE },
	[N_LT] = { "<", P_COMPARE }, [N_LE] = { "<=", P_COMPARE }, [N_GT] = { ">", P_COMPARE }, [N_GE] = { ">=", P_COMPARE },
	[N_IN] = { "in", P_COMPARE }, [N_MATCH] = { "=~", P_COMPARE }, [N_ADD] = { "+", P_SUM }, [N_SUB] = { "-", P_SUM },
	[N_MUL] = { "*", P_PRODUCT }, [N_DIV] = { "/", P_PRODUCT }, [N_LOWER] = { "lower", 0 }, [N_LEN] = { "len", 0 },
	[N_NUMBER] = { "number", 0 }, [N_STARTS] = { "startswith", 0 }, [N_CONTAINS] = { "contains", 0 } };

const char *const op_name[OPS] = {
#define OP(name, operands) #name,
#include "rules/opcodes.def"
};
const char *const op_operands[OPS] = {
#define OP(name, operands) operands,
#include "rules/opcodes.def"
};

void
val_text(const struct val *v, struct buf *out)
{
	if (v->type == V_STR)
		json_str(out, v->s);
	else if (v->type == V_NUM && v->n - v->n != 0)
		buf_addz(out, v->n > 0 ? "1e999" : "-1e999");
	else if (v->type == V_NUM)
		json_num(out, v->n);
	else
		buf_addz(out, v->type == V_NULL ? "null" : v->b ? "true" : "false");
}

static void
path_text(const struct exprs *x, int slot, bool prev, struct buf *out)
{
	const struct path *p = &x->paths->v[slot];
	if (prev)
		buf_addz(out, "prev");
	for (size_t i = 0; i < p->nseg; i++) {
		struct str key = { p->seg[i], p->len[i] };
		bool first = i == 0 && !prev, plain = expr_plain_key(key);
		if (first && plain)
			plain = !(key.ptr[0] >= '0' && key.ptr[0] <= '9') && !expr_keyword(key) && !(p->nseg > 1 && str_eq(key, STR("prev")));
		if (plain) {
			buf_addz(out, first ? "" : ".");
			buf_str_add(out, key);
		} else {
			buf_addc(out, '[');
			json_str(out, key);
			buf_addc(out, ']');
		}
	}
}

static void
set_text(const struct set *s, struct buf *out)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < s->n; i++) {
		buf_addz(out, i ? ", " : "");
		val_text(&s->v[i], out);
	}
	buf_addc(out, ']');
}

static void
agg_text(const struct exprs *x, const struct node *n, struct buf *out)
{
	const struct agg_use *u = n->p;
	char d[32];
	if (u->fn == AGG_QUANTILE) {
		size_t len = num_text(u->q * 100, d);
		buf_printf(out, "p%.*s(", (int)len, d);
	} else {
		buf_printf(out, "%s(", agg_name[u->fn]);
	}
	if (u->fn == AGG_BASELINE) {
		text(x, n->a, P_SUM, out);
		dur_text(u->depth, d);
		buf_printf(out, ", %s", d);
	}
	if (u->arg >= 0)
		text(x, u->arg, P_OR, out);
	if (u->arg2 >= 0) {
		buf_addz(out, ", ");
		text(x, u->arg2, P_OR, out);
	}
	buf_addc(out, ')');
	if (u->over != NS_NONE) {
		dur_text(u->over, d);
		buf_printf(out, " over %s", d);
	}
}

static void
infix_text(const struct exprs *x, const struct node *n, int outer, struct buf *out)
{
	int level = infix[n->kind].level;
	bool paren = level < outer;
	buf_addz(out, paren ? "(" : "");
	if (n->kind == N_AND || n->kind == N_OR) {
		const struct list *l = n->p;
		if (l->n == 1) /* true and x: x made a condition */
			buf_addz(out, n->kind == N_AND ? "true and " : "false or ");
		for (size_t i = 0; i < l->n; i++) {
			if (i)
				buf_printf(out, " %s ", infix[n->kind].text);
			text(x, l->id[i], level + 1, out);
		}
	} else {
		bool chain = level >= P_SUM; /* left to right; comparisons do not chain */
		text(x, n->a, chain ? level : level + 1, out);
		buf_printf(out, " %s ", infix[n->kind].text);
		text(x, n->b, level + 1, out);
	}
	buf_addz(out, paren ? ")" : "");
}

/* name{label="x"}: the conjuncts of its condition, the metric's name first. */
static void
selector_text(const struct exprs *x, const struct node *n, struct buf *out)
{
	const struct node *c = &x->node[n->a];
	const struct list *l = c->kind == N_AND ? c->p : NULL;
	for (size_t i = 0; i < (l ? l->n : 1); i++) {
		const struct node *eq = &x->node[l ? l->id[i] : n->a];
		const struct val *v = x->node[eq->b].p;
		const struct path *path = &x->paths->v[x->node[eq->a].a];
		if (i == 0) {
			buf_str_add(out, v->s);
			buf_addc(out, '{');
			continue;
		}
		buf_printf(out, "%s%s=", i > 1 ? ", " : "", path->seg[path->nseg - 1]);
		json_str(out, v->s);
	}
	buf_addc(out, '}');
}

static void
text(const struct exprs *x, int id, int outer, struct buf *out)
{
	const struct node *n = &x->node[id];
	switch ((enum node_kind)n->kind) {
	case N_CONST: {
		const struct val *v = n->p;
		val_text(v, out);
		break;
	}
	case N_SLOT:
	case N_PREV:
		path_text(x, n->a, n->kind == N_PREV, out);
		break;
	case N_META:
		buf_printf(out, "@%s", meta_name[n->a]);
		break;
	case N_AGG:
		agg_text(x, n, out);
		break;
	case N_GUARD:
		text(x, n->a, outer, out);
		break;
	case N_ONLY:
		selector_text(x, n, out);
		break;
	case N_SET:
		set_text(n->p, out);
		break;
	case N_REGEX:
		text(x, n->a, outer, out);
		break;
	case N_NOT:
	case N_NEG: {
		int level = n->kind == N_NOT ? P_NOT : P_SIGN;
		buf_addz(out, level < outer ? "(" : "");
		buf_addz(out, n->kind == N_NOT ? "not " : "-");
		text(x, n->a, level, out);
		buf_addz(out, level < outer ? ")" : "");
		break;
	}
	case N_LOWER: case N_LEN: case N_NUMBER: case N_STARTS: case N_CONTAINS:
		buf_printf(out, "%s(", infix[n->kind].text);
		text(x, n->a, P_OR, out);
		if (n->b >= 0) {
			buf_addz(out, ", ");
			text(x, n->b, P_OR, out);
		}
		buf_addc(out, ')');
		break;
	default:
		infix_text(x, n, outer, out);
		break;
	}
}

void
expr_text(const struct exprs *x, int id, struct buf *out)
{
	must(id >= 0 && (size_t)id < x->n);
	text(x, id, P_OR, out);
}

/* ---- what engines ask of an expression ---- */

/* Call f for id and all below it, each once: operands have smaller numbers, so one pass downwards does. */
static void
each_node(const struct exprs *x, int id, void (*f)(const struct exprs *, int, void *), void *arg)
{
	bool *seen = xcalloc((size_t)id + 1, sizeof *seen);
	seen[id] = true;
	for (int i = id; i >= 0; i--) {
		const struct node *n = &x->node[i];
		if (!seen[i])
			continue;
		f(x, i, arg);
		if (n->kind == N_AND || n->kind == N_OR) {
			const struct list *l = n->p;
			for (size_t k = 0; k < l->n; k++)
				seen[l->id[k]] = true;
		} else if (n->kind != N_SLOT && n->kind != N_PREV && n->kind != N_META && n->kind != N_CONST && n->kind != N_AGG) {
			if (n->a >= 0)
				seen[n->a] = true;
			if (n->b >= 0)
				seen[n->b] = true;
		}
	}
	free(seen);
}

static void
is_selector(const struct exprs *x, int id, void *arg)
{
	*(bool *)arg |= x->node[id].kind == N_ONLY;
}

bool
expr_selects(const struct exprs *x, int id)
{
	bool any = false;
	must(id >= 0 && (size_t)id < x->n);
	each_node(x, id, is_selector, &any);
	return any;
}

static bool
first_comparison(const struct exprs *x, int id, int *left, const char **op, int *right)
{
	const struct node *n = &x->node[id];
	if (n->kind == N_AND || n->kind == N_OR) {
		const struct list *l = n->p;
		for (size_t i = 0; i < l->n; i++)
			if (first_comparison(x, l->id[i], left, op, right))
				return true;
		return false;
	}
	if (n->kind == N_AGG || n->kind == N_CONST || n->kind == N_SLOT || n->kind == N_PREV || n->kind == N_META || n->kind == N_ONLY)
		return false;
	if (first_comparison(x, n->a, left, op, right))
		return true;
	if (n->kind >= N_EQ && n->kind <= N_MATCH) {
		*left = n->a;
		*op = infix[n->kind].text;
		*right = n->kind == N_MATCH ? x->node[n->b].a : n->b;
		return true;
	}
	return n->b >= 0 && first_comparison(x, n->b, left, op, right);
}

bool
expr_first_comparison(const struct exprs *x, int id, int *left, const char **op, int *right)
{
	must(id >= 0 && (size_t)id < x->n);
	return first_comparison(x, id, left, op, right);
}

/* n as `field == literal` or `field in [..]` without null: null is no value to look up. */
static bool
is_equality(const struct exprs *x, int id, int *slot, const struct val **lits, size_t *nlits)
{
	const struct node *n = &x->node[id];
	if (n->kind != N_EQ && n->kind != N_IN)
		return false;
	int field = n->a, other = n->b;
	if (x->node[field].kind != N_SLOT) {
		field = n->b;
		other = n->a;
	}
	if (x->node[field].kind != N_SLOT)
		return false;
	if (n->kind == N_IN) {
		const struct set *s = x->node[other].p;
		*lits = s->v;
		*nlits = s->n;
		if (s->null)
			return false;
	} else {
		if (!node_is_const(x, other))
			return false;
		*lits = x->node[other].p;
		*nlits = 1;
		if ((*lits)->type == V_NULL)
			return false;
	}
	*slot = x->node[field].a;
	return true;
}

bool
expr_equality(const struct exprs *x, int id, size_t nth, int *slot, const struct val **lits, size_t *nlits)
{
	must(id >= 0 && (size_t)id < x->n);
	if (x->node[id].kind != N_AND)
		return nth == 0 && is_equality(x, id, slot, lits, nlits);
	const struct list *l = x->node[id].p;
	for (size_t i = 0; i < l->n; i++)
		if (is_equality(x, l->id[i], slot, lits, nlits) && nth-- == 0)
			return true;
	return false;
}

struct slots {
	int *v;
	size_t n, max;
	bool prev_only;
	bool *seen;
};

static void
collect(struct slots *s, int slot)
{
	if (s->seen[slot])
		return;
	s->seen[slot] = true;
	if (s->n < s->max)
		s->v[s->n] = slot;
	s->n++;
}

static void
collect_node(const struct exprs *x, int id, void *arg)
{
	struct slots *s = arg;
	const struct node *n = &x->node[id];
	if (n->kind == N_PREV || (n->kind == N_SLOT && !s->prev_only))
		collect(s, n->a);
	else if (n->kind == N_META && n->a == META_LEVEL && !s->prev_only)
		for (size_t i = 0; i < x->nlevel; i++)
			collect(s, x->level_slot[i]);
}

static size_t
slots_of(const struct exprs *x, int id, int *slots, size_t max, bool prev_only)
{
	must(id >= 0 && (size_t)id < x->n);
	struct slots s = { slots, 0, max, prev_only, xcalloc(x->paths->n + 1, sizeof(bool)) };
	each_node(x, id, collect_node, &s);
	free(s.seen);
	return s.n;
}

size_t
expr_prev_slots(const struct exprs *x, int id, int *slots, size_t max)
{
	return slots_of(x, id, slots, max, true);
}

size_t
expr_slots(const struct exprs *x, int id, int *slots, size_t max)
{
	return slots_of(x, id, slots, max, false);
}

static void
collect_meta(const struct exprs *x, int id, void *arg)
{
	const struct node *n = &x->node[id];
	if (n->kind == N_META)
		*(unsigned *)arg |= n->a == META_FILE ? EXPR_FILE : n->a == META_OFFSET ? EXPR_OFFSET : n->a == META_RAW ? EXPR_RAW : 0;
}

unsigned
expr_metas(const struct exprs *x, int id)
{
	unsigned metas = 0;
	must(id >= 0 && (size_t)id < x->n);
	each_node(x, id, collect_meta, &metas);
	return metas;
}

/* ---- wants ---- */

struct wants {
	uint8_t *want;
	bool *named;
};

static void
wants_of(const struct exprs *x, const struct wants *w, int id, unsigned as)
{
	const struct node *n = &x->node[id];
	if (n->kind == N_SLOT || n->kind == N_PREV) {
		w->named[n->a] = true;
		w->want[n->a] |= (uint8_t)as;
	}
}

static unsigned
want_of_type(const struct exprs *x, int id)
{
	static const unsigned char want[] = { [ST_ANY] = 0, [ST_BOOL] = WANT_BOOL, [ST_NUM] = WANT_NUM, [ST_STR] = WANT_STR };
	return want[x->node[id].type];
}

static unsigned
want_of_set(const struct set *s)
{
	return (s->yes || s->no ? WANT_BOOL : 0u) | (s->nnum ? WANT_NUM : 0u) | (s->nstr ? WANT_STR : 0u);
}

static void
wants_node(const struct exprs *x, int id, void *arg)
{
	const struct wants *w = arg;
	const struct node *n = &x->node[id];
	const struct list *l;
	switch ((enum node_kind)n->kind) {
	case N_AND:
	case N_OR:
		l = n->p;
		for (size_t i = 0; i < l->n; i++)
			wants_of(x, w, l->id[i], WANT_BOOL);
		return;
	case N_NOT:
		wants_of(x, w, n->a, WANT_BOOL);
		return;
	case N_EQ:
	case N_NE:
	case N_LT:
	case N_LE:
	case N_GT:
	case N_GE:
		wants_of(x, w, n->a, want_of_type(x, n->b));
		wants_of(x, w, n->b, want_of_type(x, n->a));
		return;
	case N_IN:
		wants_of(x, w, n->a, want_of_set(x->node[n->b].p));
		return;
	case N_ADD:
	case N_SUB:
	case N_MUL:
	case N_DIV:
		wants_of(x, w, n->a, WANT_NUM);
		wants_of(x, w, n->b, WANT_NUM);
		return;
	case N_NEG:
		wants_of(x, w, n->a, WANT_NUM);
		return;
	case N_ONLY:
		wants_of(x, w, n->a, WANT_BOOL);
		wants_of(x, w, n->b, WANT_NUM);
		return;
	case N_STARTS:
	case N_CONTAINS:
		wants_of(x, w, n->b, WANT_STR);
		wants_of(x, w, n->a, WANT_STR);
		return;
	case N_MATCH:
	case N_LOWER:
	case N_LEN:
	case N_NUMBER:
		wants_of(x, w, n->a, WANT_STR);
		return;
	case N_GUARD:
	case N_CONST:
	case N_SLOT:
	case N_PREV:
	case N_META:
	case N_AGG:
	case N_SET:
	case N_REGEX:
		return;
	}
}

void
expr_wants(const struct exprs *x, int id, unsigned as, uint8_t *want, bool *named)
{
	must(id >= 0 && (size_t)id < x->n);
	struct wants w = { want, named };
	wants_of(x, &w, id, as);
	each_node(x, id, wants_node, &w);
}

/* ---- listing ---- */

static const char *
mask_text(unsigned mask)
{
	static const char *const names[] = { "", "<", "==", "<=", ">", "!=", ">=", "" };
	return names[mask & 7];
}

static void
operand(const struct exprs *x, const struct ins *i, int id, char what, struct buf *out)
{
	const struct node *n = &x->node[id];
	switch (what) {
	case 'a':
		buf_printf(out, "#%d", i->a);
		break;
	case 'b':
		buf_printf(out, "#%d", i->b);
		break;
	case 's':
		path_text(x, i->a, n->kind == N_PREV, out);
		break;
	case 'n':
		json_num(out, i->n);
		break;
	case 'z':
		json_str(out, (struct str){ i->z, (size_t)i->b });
		break;
	case 'w':
		buf_addz(out, level_word[i->b]);
		break;
	case 'k':
		buf_addz(out, mask_text(i->mask));
		break;
	case 'l':
		for (size_t k = 0; k < i->list->n; k++)
			buf_printf(out, "%s#%d", k ? " " : "", i->list->id[k]);
		break;
	case 'R':
		text(x, n->b, P_OR, out);
		break;
	case 'S':
		set_text(i->set, out);
		break;
	default: /* v m g: the node's own text */
		text(x, id, P_OR, out);
		break;
	}
}

static void
list_one(const struct exprs *x, int id, struct buf *out)
{
	const struct ins *i = &x->code[id];
	buf_printf(out, "#%-5d %-10s", id, op_name[i->op]);
	for (const char *o = op_operands[i->op]; *o; o++) {
		buf_addc(out, ' ');
		operand(x, i, id, *o, out);
	}
	if (i->memo >= 0)
		buf_printf(out, "    (shared, memo %d)", i->memo);
	buf_addc(out, '\n');
}

static void
mark(const struct exprs *x, int id, void *arg)
{
	bool *seen = arg;
	(void)x;
	seen[id] = true;
}

void
expr_listing(const struct exprs *x, int id, struct buf *out)
{
	must(id >= 0 && (size_t)id < x->n);
	bool *seen = xcalloc((size_t)id + 1, sizeof *seen);
	each_node(x, id, mark, seen);
	for (int i = 0; i <= id; i++)
		if (seen[i] && x->node[i].kind != N_SET && x->node[i].kind != N_REGEX)
			list_one(x, i, out);
	free(seen);
}
