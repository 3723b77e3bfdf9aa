/* expr_why.c - a condition taken apart: which parts it has, and what each came to.
 *
 * In: an expression, and an eval that stands at a record or a key. Out: text, numbers of expressions.
 * Owns: nothing. Cost: walks the nodes; only weir test asks.
 */
#include "rules/expr_int.h"

#define WHY_DEPTH_MAX 16

static const char *const tri_word[] = { [TRI_FALSE] = "false", [TRI_TRUE] = "true", [TRI_NULL] = "null" };

static void
value_text(struct val v, struct buf *out)
{
	if (v.type == V_STR)
		v.s = utf8_cut(v.s, 200);
	val_text(&v, out);
}

static bool
comparison(const struct node *n)
{
	return n->kind >= N_EQ && n->kind <= N_MATCH;
}

/* What stands in an expression and has a value of its own: aggregates and fields, each once. */
static size_t
leaves(const struct exprs *x, int id, int *ids, size_t n, size_t max, unsigned depth)
{
	const struct node *v = &x->node[id];
	switch (v->kind) {
	case N_SLOT: case N_PREV: case N_META: case N_AGG:
		for (size_t i = 0; i < n; i++)
			if (ids[i] == id)
				return n;
		if (n < max)
			ids[n++] = id;
		return n;
	case N_CONST: case N_SET: case N_REGEX:
		return n;
	case N_AND: case N_OR: {
		const struct list *l = v->p;
		for (size_t i = 0; i < l->n && depth < WHY_DEPTH_MAX; i++)
			n = leaves(x, l->id[i], ids, n, max, depth + 1);
		return n;
	}
	default:
		break;
	}
	if (depth < WHY_DEPTH_MAX && v->a >= 0)
		n = leaves(x, v->a, ids, n, max, depth + 1);
	if (depth < WHY_DEPTH_MAX && v->b >= 0)
		n = leaves(x, v->b, ids, n, max, depth + 1);
	return n;
}

/* ", with count() = 44": what a part was computed from, unless it is that alone. */
static void
with_leaves(const struct exprs *x, struct eval *e, int id, struct buf *out)
{
	int ids[8];
	size_t n = leaves(x, id, ids, 0, COUNT_OF(ids), 0);
	if (n == 1 && comparison(&x->node[id]) && (x->node[id].a == ids[0] || x->node[id].b == ids[0]))
		return;
	for (size_t i = 0; i < n; i++) {
		buf_addz(out, i ? ", " : ", with ");
		expr_text(x, ids[i], out);
		buf_addz(out, " = ");
		value_text(eval_value(e, ids[i]), out);
	}
}

static void
part(const struct exprs *x, struct eval *e, int id, enum tri is, struct buf *out)
{
	static const char *const sign[] = { [N_EQ] = "==", [N_NE] = "!=", [N_LT] = "<", [N_LE] = "<=", [N_GT] = ">", [N_GE] = ">=" };
	const struct node *n = &x->node[id];
	buf_printf(out, "%s: ", tri_word[is]);
	expr_text(x, id, out);
	if (n->kind >= N_EQ && n->kind <= N_GE) {
		buf_addz(out, ": ");
		value_text(eval_value(e, n->a), out);
		buf_printf(out, " %s ", sign[n->kind]);
		value_text(eval_value(e, n->b), out);
	} else if (comparison(n)) {
		buf_addz(out, ": left side is ");
		value_text(eval_value(e, n->a), out);
	}
	with_leaves(x, e, id, out);
}

static void
why(const struct exprs *x, struct eval *e, int id, unsigned indent, unsigned depth, struct buf *out)
{
	const struct node *n = &x->node[id];
	enum tri is = eval_test(e, id);
	if (n->kind == N_GUARD) { /* null without a previous record: no part of the text */
		id = n->a;
		n = &x->node[id];
	}
	buf_printf(out, "%*s", (int)indent, "");
	if (depth < WHY_DEPTH_MAX && (n->kind == N_AND || n->kind == N_OR)) {
		const struct list *l = n->p;
		buf_printf(out, "%s: %s of\n", tri_word[is], n->kind == N_AND ? "all" : "any");
		for (size_t i = 0; i < l->n; i++)
			why(x, e, l->id[i], indent + 2, depth + 1, out);
	} else if (depth < WHY_DEPTH_MAX && n->kind == N_NOT) {
		buf_printf(out, "%s: not\n", tri_word[is]);
		why(x, e, n->a, indent + 2, depth + 1, out);
	} else {
		part(x, e, id, is, out);
		buf_addc(out, '\n');
	}
}

void
expr_why(const struct exprs *x, struct eval *e, int id, unsigned indent, struct buf *out)
{
	must(id >= 0 && (size_t)id < x->n);
	why(x, e, id, indent, 0, out);
}

static size_t
branches(const struct exprs *x, int id, int *ids, size_t n, size_t max, unsigned depth)
{
	const struct node *v = &x->node[id];
	if (n < max)
		ids[n] = id;
	n++;
	if (depth == WHY_DEPTH_MAX)
		return n;
	if (v->kind == N_NOT)
		n = branches(x, v->a, ids, n, max, depth + 1);
	if (v->kind == N_AND || v->kind == N_OR) {
		const struct list *l = v->p;
		for (size_t i = 0; i < l->n; i++)
			n = branches(x, l->id[i], ids, n, max, depth + 1);
	}
	return n;
}

size_t
expr_branches(const struct exprs *x, int id, int *ids, size_t max)
{
	must(id >= 0 && (size_t)id < x->n);
	return branches(x, id, ids, 0, max, 0);
}
