/* expr_parse.c - the grammar, what a scope allows, and the aggregates of a rule.
 *
 *	or      and { or and }                  and     not { and not }
 *	not     { not } comparison              comparison  sum [ (== != < <= > >=) sum | in [..] | =~ ".." | !~ ".." ]
 *	sum     product { (+ -) product }       product sign { (* /) sign }
 *	sign    { - } primary                   primary literal | field | @name | prev.field | f(..) | ( or )
 *
 * In: a scalar. Out: the number of its node, or -1 and every mistake told at its place: what breaks the grammar ends
 * the text, what breaks a rule (an unknown name, a bad pattern, a field out of scope) lets the rest be read.
 */
#include "rules/expr_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct parse {
	struct exprs *x;
	const struct scope *scope;
	struct lex l;
	unsigned nest;
	bool in_agg; /* inside an aggregate's argument: fields allowed, aggregates not */
};

static int parse_or(struct parse *p);
static int parse_not(struct parse *p);
static int parse_sum(struct parse *p);
static int parse_call(struct parse *p, struct str name, size_t from);

const char *const meta_name[METAS] = { "time", "source", "file", "offset", "raw", "level" };

static const struct func {
	const char *name;
	enum node_kind kind; /* N_NE: has */
	int args;
} funcs[] = { { "has", N_NE, 1 }, { "lower", N_LOWER, 1 }, { "len", N_LEN, 1 }, { "number", N_NUMBER, 1 },
	{ "startswith", N_STARTS, 2 }, { "contains", N_CONTAINS, 2 } };

const char *const agg_name[AGG_FNS] = { [AGG_COUNT] = "count", [AGG_RATE] = "rate", [AGG_SUM] = "sum", [AGG_AVG] = "avg",
	[AGG_MIN] = "min", [AGG_MAX] = "max", [AGG_STDDEV] = "stddev", [AGG_QUANTILE] = "p", [AGG_LAST] = "last",
	[AGG_DISTINCT] = "distinct", [AGG_INCREASE] = "increase", [AGG_CHANGES] = "changes", [AGG_STREAK] = "streak",
	[AGG_BASELINE] = "baseline" };

static const struct {
	const char *name;
	double q;
} quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p95", 0.95 }, { "p99", 0.99 }, { "p99.9", 0.999 } };

/* ---- mistakes ---- */

#define WRONG(p, at, ...) diag((p)->l.d, lex_loc(&(p)->l, (at)), __VA_ARGS__)

/* A mistake of grammar: told once, then the text is over. */
#define BROKEN(p, at, ...)                                                                         \
	do {                                                                                       \
		if ((p)->l.tok != T_BAD)                                                           \
			WRONG(p, at, __VA_ARGS__);                                                 \
		(p)->l.tok = T_BAD;                                                                \
	} while (0)

static const char *
shown(const struct parse *p) /* the current token in a message */
{
	static _Thread_local char z[80];
	struct str s = lex_text(&p->l);
	if (p->l.tok == T_END)
		return "the end";
	struct str cut = utf8_cut(s, 40);
	snprintf(z, sizeof z, "'%.*s%s'", STR_ARG(cut), cut.len < s.len ? "..." : "");
	return z;
}

static bool
expect(struct parse *p, enum tok tok, const char *what)
{
	if (p->l.tok == tok) {
		lex_next(&p->l);
		return true;
	}
	BROKEN(p, p->l.from, "expected %s, found %s", what, shown(p));
	return false;
}

/* The words of other languages for what stands where an operator should. */
static const char *
operator_hint(const struct parse *p)
{
	static const struct {
		const char *word, *hint;
	} hints[] = { { "and", "; operators are in lower case: and" }, { "or", "; operators are in lower case: or" },
		{ "not", "; write not (a in [..])" }, { "in", "; operators are in lower case: in" }, { "is", "; equal is ==" },
		{ "like", "; a pattern is matched with =~" }, { "matches", "; a pattern is matched with =~" },
		{ "over", "; only an aggregate takes its own window: count() over 1h" } };
	struct str s = lex_text(&p->l);
	for (size_t i = 0; i < COUNT_OF(hints); i++)
		if (s.len == strlen(hints[i].word) && strncasecmp(s.ptr, hints[i].word, s.len) == 0)
			return hints[i].hint;
	return "";
}

static bool
enter(struct parse *p)
{
	if (++p->nest <= EXPR_NEST_MAX)
		return true;
	BROKEN(p, p->l.from, "more than %d levels of nesting", EXPR_NEST_MAX);
	return false;
}

/* ---- names ---- */

static int
null_node(struct parse *p) /* stands for what was told to be wrong, so that the rest can be read */
{
	return node_const(p->x, (struct val){ .type = V_NULL });
}

static bool
outside_allows(const struct scope *s, int slot)
{
	for (size_t i = 0; i < s->noutside; i++)
		if (s->outside[i] == slot)
			return true;
	return false;
}

#define SELECTOR_LABELS_MAX 16

/* name{label="x", ..}: the value of those series of a scrape, which is one record a series. p stands at the brace. */
static int
parse_selector(struct parse *p, size_t from, struct str name)
{
	int cond[SELECTOR_LABELS_MAX + 1];
	size_t n = 0;
	cond[n++] = node_binary(p->x, N_EQ, node_slot(p->x, paths_add_dotted(p->x->paths, "metric"), false),
		node_const(p->x, (struct val){ .type = V_STR, .s = name }));
	if (p->scope->aggs && !p->in_agg) {
		BROKEN(p, from, "a metric selector is of a record: in a window rule it stands inside an aggregate, such as increase()");
		return -1;
	}
	p->l.selector = true;
	lex_next(&p->l);
	while (p->l.tok != T_RBRACE) {
		if (p->l.tok != T_PATH || p->l.nseg != 1 || n > SELECTOR_LABELS_MAX) {
			BROKEN(p, p->l.from, "a selector is name{label=\"x\", other=\"y\"}, with at most %d labels", SELECTOR_LABELS_MAX);
			return -1;
		}
		struct str seg[2] = { STR("labels"), p->l.seg[0] };
		int slot = node_slot(p->x, paths_add(p->x->paths, seg, 2), false);
		lex_next(&p->l);
		if (p->l.tok == T_EQ)
			lex_next(&p->l);
		if (p->l.tok != T_STR) {
			BROKEN(p, p->l.from, "a label is compared with a string: name{label=\"x\"}");
			return -1;
		}
		cond[n++] = node_binary(p->x, N_EQ, slot, node_const(p->x, (struct val){ .type = V_STR, .s = p->l.str }));
		lex_next(&p->l);
		if (p->l.tok == T_COMMA)
			lex_next(&p->l);
	}
	p->l.selector = false;
	lex_next(&p->l);
	return node_only(p->x, node_logic(p->x, N_AND, cond, n), node_slot(p->x, paths_add_dotted(p->x->paths, "value"), false));
}

static int
parse_field(struct parse *p)
{
	size_t from = p->l.from;
	struct str text = lex_text(&p->l);
	bool prev = p->l.bare && p->l.nseg > 1 && str_eq(p->l.seg[0], STR("prev"));
	int slot = paths_add(p->x->paths, p->l.seg + prev, p->l.nseg - prev);
	lex_next(&p->l);
	if (p->l.tok == T_LBRACE)
		return parse_selector(p, from, text);
	if (slot < 0) {
		WRONG(p, from, "too many fields: a rule set may name %d", PATHS_MAX);
		return null_node(p);
	}
	if (prev && !p->scope->prev) {
		WRONG(p, from, "prev.FIELD is for `when` of a record rule (a field of that name: [\"prev\"].FIELD)");
		return null_node(p);
	}
	if (p->scope->aggs && !p->in_agg && !outside_allows(p->scope, slot)) {
		WRONG(p, from, "outside aggregates `when` may name only `by` fields, not %.*s; did you mean last(%.*s)?", STR_ARG(text),
			STR_ARG(text));
		return null_node(p);
	}
	return node_slot(p->x, slot, prev);
}

static int
parse_at(struct parse *p)
{
	size_t from = p->l.from;
	struct str name = p->l.str;
	lex_next(&p->l);
	for (int i = 0; i < METAS; i++) {
		if (!str_eq(name, str_of(meta_name[i])))
			continue;
		if (p->scope->aggs == NULL || p->in_agg || (p->scope->by_source && strcmp(meta_name[i], "source") == 0))
			return node_meta(p->x, (enum meta)i);
		WRONG(p, from, "@%s is of a record: in a window rule it stands inside an aggregate", meta_name[i]);
		return null_node(p);
	}
	const char *near = nearest(name, meta_name, METAS);
	WRONG(p, from, "unknown @%.*s%s%s%s (a field of that name: [\"@%.*s\"])", STR_ARG(name), near ? "; did you mean @" : "", near ? near : "",
		near ? "?" : "", STR_ARG(name));
	return null_node(p);
}

/* ---- literals ---- */

/* A literal of `in`, or of anywhere else; false: the token is none. */
static bool
literal(struct parse *p, struct val *v)
{
	switch (p->l.tok) {
	case T_NUM:
		*v = (struct val){ .type = V_NUM, .n = p->l.num };
		break;
	case T_STR:
		*v = (struct val){ .type = V_STR, .s = p->l.str };
		break;
	case T_TRUE:
	case T_FALSE:
		*v = (struct val){ .type = V_BOOL, .b = p->l.tok == T_TRUE };
		break;
	case T_NULL:
		*v = (struct val){ .type = V_NULL };
		break;
	default:
		return false;
	}
	lex_next(&p->l);
	return true;
}

static int
parse_in(struct parse *p, int left)
{
	struct val *v = NULL;
	size_t n = 0, cap = 0;
	if (!expect(p, T_LB, "a list of literals: in [1, 2]"))
		return -1;
	while (p->l.tok != T_RB || n > 0) {
		GROW(v, n, cap);
		bool minus = p->l.tok == T_SUB;
		if (minus)
			lex_next(&p->l);
		if ((minus && p->l.tok != T_NUM) || !literal(p, &v[n])) {
			BROKEN(p, p->l.from, "expected a literal in the list, found %s", shown(p));
			break;
		}
		if (minus)
			v[n].n = 0 - v[n].n;
		n++;
		if (p->l.tok != T_COMMA)
			break;
		lex_next(&p->l);
	}
	int id = expect(p, T_RB, "a comma or ] in the list") ? node_in(p->x, left, v, n) : -1;
	free(v);
	return id;
}

static int
parse_match(struct parse *p, int left, bool negate)
{
	size_t from = p->l.from, at = 0;
	struct errinfo e = { 0 };
	if (p->l.tok != T_STR) {
		BROKEN(p, from, "expected a pattern in quotes after %s, found %s", negate ? "!~" : "=~", shown(p));
		return -1;
	}
	int regex = node_regex(p->x, p->l.str, p->scope, &at, &e);
	if (regex < 0)
		WRONG(p, from, "bad pattern, at its byte %zu: %s", at, e.code ? e.text : "the rule set is too large");
	lex_next(&p->l);
	if (regex < 0)
		return null_node(p);
	int id = node_match(p->x, left, regex);
	return negate ? node_unary(p->x, N_NOT, id) : id;
}

/* ---- grammar ---- */

static int
parse_primary(struct parse *p)
{
	struct val v;
	int id;
	switch (p->l.tok) {
	case T_LP:
		if (!enter(p))
			return -1;
		lex_next(&p->l);
		id = parse_or(p);
		p->nest--;
		return expect(p, T_RP, "an operator or )") ? id : -1;
	case T_LB:
		lex_path(&p->l);
		return p->l.tok == T_BAD ? -1 : parse_field(p);
	case T_AT:
		return parse_at(p);
	case T_PATH: {
		struct lex after = p->l;
		lex_next(&after);
		if (after.tok != T_LP || !p->l.bare) {
			if (after.tok == T_BAD) { /* told already */
				p->l = after;
				return -1;
			}
			return parse_field(p);
		}
		struct str name = lex_text(&p->l);
		size_t from = p->l.from;
		p->l = after;
		return parse_call(p, name, from);
	}
	case T_NOT:
		BROKEN(p, p->l.from, "put parentheses around `not` here: (not x)");
		return -1;
	default:
		if (literal(p, &v))
			return node_const(p->x, v);
		BROKEN(p, p->l.from, "expected a value, found %s", shown(p));
		return -1;
	}
}

static int
parse_sign(struct parse *p)
{
	if (p->l.tok != T_SUB)
		return parse_primary(p);
	if (!enter(p))
		return -1;
	lex_next(&p->l);
	int id = node_unary(p->x, N_NEG, parse_sign(p));
	p->nest--;
	return id;
}

static int
parse_product(struct parse *p)
{
	int id = parse_sign(p);
	while (p->l.tok == T_MUL || p->l.tok == T_DIV) {
		enum node_kind kind = p->l.tok == T_MUL ? N_MUL : N_DIV;
		lex_next(&p->l);
		id = node_binary(p->x, kind, id, parse_sign(p));
	}
	return id;
}

static int
parse_sum(struct parse *p)
{
	int id = parse_product(p);
	while (p->l.tok == T_ADD || p->l.tok == T_SUB) {
		enum node_kind kind = p->l.tok == T_ADD ? N_ADD : N_SUB;
		lex_next(&p->l);
		id = node_binary(p->x, kind, id, parse_product(p));
	}
	return id;
}

static bool
compares(enum tok t)
{
	return (t >= T_EQ && t <= T_NOMATCH) || t == T_IN;
}

static int
parse_comparison(struct parse *p)
{
	static const uint8_t kind[] = { [T_EQ] = N_EQ, [T_NE] = N_NE, [T_LT] = N_LT, [T_LE] = N_LE, [T_GT] = N_GT, [T_GE] = N_GE };
	size_t from = p->l.from;
	int id = parse_sum(p);
	enum tok op = p->l.tok;
	if (!compares(op))
		return id;
	lex_next(&p->l);
	if (op == T_IN)
		id = parse_in(p, id);
	else if (op == T_MATCH || op == T_NOMATCH)
		id = parse_match(p, id, op == T_NOMATCH);
	else {
		int right = parse_sum(p);
		if (op != T_NE && nodes_clash(p->x, id, right))
			WRONG(p, from, "a string is compared with a number, which is never true");
		id = node_binary(p->x, (enum node_kind)kind[op], id, right);
	}
	if (compares(p->l.tok))
		BROKEN(p, p->l.from, "comparisons do not chain: join two with `and`, or put one in parentheses");
	return id;
}

static int
parse_not(struct parse *p)
{
	if (p->l.tok != T_NOT)
		return parse_comparison(p);
	if (!enter(p))
		return -1;
	lex_next(&p->l);
	int id = node_unary(p->x, N_NOT, parse_not(p));
	p->nest--;
	return id;
}

static int
parse_logic(struct parse *p, enum tok op, enum node_kind kind, int (*operand)(struct parse *))
{
	int first = operand(p), *v = NULL;
	size_t n = 0, cap = 0;
	if (p->l.tok != op)
		return first;
	GROW(v, n, cap);
	v[n++] = first;
	while (p->l.tok == op) {
		lex_next(&p->l);
		GROW(v, n, cap);
		v[n++] = operand(p);
	}
	int id = node_logic(p->x, kind, v, n);
	free(v);
	return id;
}

static int
parse_and(struct parse *p)
{
	return parse_logic(p, T_AND, N_AND, parse_not);
}

static int
parse_or(struct parse *p)
{
	return parse_logic(p, T_OR, N_OR, parse_and);
}

/* ---- functions ---- */

static int
parse_func(struct parse *p, const struct func *f, size_t from)
{
	int arg[EXPR_ARGS_MAX] = { -1, -1, -1 }, n = 0;
	if (p->l.tok != T_RP)
		do {
			if (n > 0)
				lex_next(&p->l);
			int id = parse_or(p);
			if (n < EXPR_ARGS_MAX)
				arg[n] = id;
			n++;
		} while (p->l.tok == T_COMMA);
	if (!expect(p, T_RP, "an operator, a comma or )"))
		return -1;
	if (n != f->args) {
		WRONG(p, from, "%s() takes %d argument%s, not %d", f->name, f->args, f->args == 1 ? "" : "s", n);
		return null_node(p);
	}
	if (f->kind == N_NE)
		return node_binary(p->x, N_NE, arg[0], null_node(p));
	return f->args == 1 ? node_unary(p->x, f->kind, arg[0]) : node_binary(p->x, f->kind, arg[0], arg[1]);
}

/* ---- aggregates ---- */

static int
agg_keep(struct aggs *aggs, const struct agg_use *u)
{
	for (size_t i = 0; i < aggs->n; i++) {
		const struct agg_use *o = &aggs->v[i];
		if (o->fn == u->fn && o->arg == u->arg && o->arg2 == u->arg2 && memcmp(&o->q, &u->q, sizeof o->q) == 0 &&
			o->over == u->over && o->inner == u->inner && o->depth == u->depth)
			return (int)i;
	}
	GROW(aggs->v, aggs->n, aggs->cap);
	aggs->v[aggs->n] = *u;
	return (int)aggs->n++;
}

static bool
duration(struct parse *p, const char *what, nsec *out)
{
	if (p->l.tok != T_NUM || p->l.dur == NS_NONE) {
		BROKEN(p, p->l.from, "%s is a duration such as 1h, not %s", what, shown(p));
		return false;
	}
	if (p->l.dur == 0)
		WRONG(p, p->l.from, "%s is longer than nothing", what);
	*out = p->l.dur;
	lex_next(&p->l);
	return true;
}

static int
agg_arg(struct parse *p)
{
	p->in_agg = true;
	int id = parse_or(p);
	p->in_agg = false;
	return id;
}

/* A and D of baseline(A, D): A is one aggregate over the rule's window. *inner: its node. */
static bool
baseline_args(struct parse *p, struct agg_use *u, int *inner)
{
	size_t from = p->l.from;
	*inner = parse_sum(p);
	if (*inner < 0)
		return false;
	const struct node *n = &p->x->node[*inner];
	if (n->kind != N_AGG || ((const struct agg_use *)n->p)->fn == AGG_BASELINE) {
		BROKEN(p, from, "baseline(A, D) takes one aggregate as A: baseline(avg(x), 24h)");
		return false;
	}
	if (((const struct agg_use *)n->p)->over != NS_NONE) {
		BROKEN(p, from, "within baseline an aggregate has the rule's window; leave out its `over`");
		return false;
	}
	u->inner = n->b;
	return expect(p, T_COMMA, ", and the duration D of baseline(A, D)") && duration(p, "D of baseline(A, D)", &u->depth);
}

static bool
agg_args(struct parse *p, struct agg_use *u, const char *name, size_t from, int *inner)
{
	if (u->fn == AGG_BASELINE && p->l.tok != T_RP)
		return baseline_args(p, u, inner);
	if (p->l.tok == T_RP) {
		if (u->fn == AGG_COUNT)
			return true;
		WRONG(p, from, "%s() needs an argument%s", name,
			u->fn == AGG_RATE || u->fn == AGG_STREAK ? ": the condition that a record satisfies" : "");
		return true;
	}
	u->arg = agg_arg(p);
	if (u->fn == AGG_STREAK && p->l.tok == T_COMMA) {
		lex_next(&p->l);
		u->arg2 = agg_arg(p);
	}
	if (p->l.tok == T_COMMA)
		BROKEN(p, p->l.from, "%s() takes no further argument", name);
	return p->l.tok != T_BAD && u->arg >= 0;
}

static int
parse_agg(struct parse *p, enum agg_fn fn, double q, const char *name, size_t from)
{
	struct agg_use u = { .fn = fn, .arg = -1, .arg2 = -1, .q = q, .over = NS_NONE, .inner = -1 };
	int inner = -1;
	bool fits = p->scope->aggs && !p->in_agg, was_in = p->in_agg;
	unsigned told = p->l.d->n;
	if (p->in_agg)
		WRONG(p, from, "%s() inside an aggregate; only baseline(A, D) takes one", name);
	else if (!fits)
		WRONG(p, from, "%s() needs a window: aggregates stand in `when` of a rule with `over`", name);
	if (!agg_args(p, &u, name, from, &inner) || !expect(p, T_RP, "an operator or )"))
		return -1;
	p->in_agg = was_in;
	if (p->l.tok == T_PATH && str_eq(lex_text(&p->l), STR("over"))) {
		size_t at = p->l.from;
		lex_next(&p->l);
		if (!duration(p, "an aggregate's own window", &u.over))
			return -1;
		if (fn == AGG_BASELINE)
			WRONG(p, at, "baseline() has the rule's window; leave out its `over`");
	}
	if (p->l.d->n != told)
		return null_node(p);
	int index = agg_keep(p->scope->aggs, &u);
	if ((size_t)index == p->scope->aggs->n - 1) { /* evaluated by one more rule */
		if (u.arg >= 0)
			node_use(p->x, u.arg);
		if (u.arg2 >= 0)
			node_use(p->x, u.arg2);
	}
	return node_agg(p->x, &u, index, inner);
}

static int
unknown_call(struct parse *p, struct str name, size_t from)
{
	const char *names[COUNT_OF(funcs) + AGG_FNS + COUNT_OF(quantiles)];
	size_t n = 0;
	for (size_t i = 0; i < COUNT_OF(funcs); i++)
		names[n++] = funcs[i].name;
	for (int i = 0; i < AGG_FNS; i++)
		if (i != AGG_QUANTILE)
			names[n++] = agg_name[i];
	for (size_t i = 0; i < COUNT_OF(quantiles); i++)
		names[n++] = quantiles[i].name;
	const char *near = nearest(name, names, n);
	BROKEN(p, from, "unknown function %.*s()%s%s%s", STR_ARG(name), near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	return -1;
}

/* The current token is the ( after name. */
static int
parse_call(struct parse *p, struct str name, size_t from)
{
	int id = -1;
	bool known = false;
	if (!enter(p))
		return -1;
	lex_next(&p->l);
	for (size_t i = 0; i < COUNT_OF(funcs) && !known; i++)
		if ((known = str_eq(name, str_of(funcs[i].name))))
			id = parse_func(p, &funcs[i], from);
	for (size_t i = 0; i < COUNT_OF(quantiles) && !known; i++)
		if ((known = str_eq(name, str_of(quantiles[i].name))))
			id = parse_agg(p, AGG_QUANTILE, quantiles[i].q, quantiles[i].name, from);
	for (int i = 0; i < AGG_FNS && !known; i++)
		if (i != AGG_QUANTILE && (known = str_eq(name, str_of(agg_name[i]))))
			id = parse_agg(p, (enum agg_fn)i, 0, agg_name[i], from);
	p->nest--;
	return known ? id : unknown_call(p, name, from);
}

/* ---- entry ---- */

int
expr_compile(struct exprs *x, struct text_at t, const struct scope *scope, struct diags *d)
{
	struct parse p = { .x = x, .scope = scope };
	unsigned told = d->n;
	if (!lex_open(&p.l, t, &x->arena, d))
		return -1;
	if (p.l.tok == T_END) {
		WRONG(&p, 0, "an empty expression");
		return -1;
	}
	int id = parse_or(&p);
	if (p.l.tok == T_NOT)
		BROKEN(&p, p.l.from, "expected an operator, found %s; write not (a in [..])", shown(&p));
	else if (p.l.tok != T_END)
		BROKEN(&p, p.l.from, "expected an operator, found %s%s", shown(&p), operator_hint(&p));
	if (d->n != told)
		return -1;
	if (id < 0) {
		WRONG(&p, 0, "the expression is too long: %d operators deep, or %d parts in the whole rule set", EXPR_DEPTH_MAX, EXPR_NODES_MAX);
		return -1;
	}
	node_use(x, id);
	return id;
}

int
expr_field(struct exprs *x, struct text_at t, int *at, struct diags *d)
{
	static const struct scope any = { 0 };
	struct parse p = { .x = x, .scope = &any };
	unsigned told = d->n;
	int id = -1, slot = -1;
	if (!lex_open(&p.l, t, &x->arena, d))
		return -1;
	if (p.l.tok == T_LB)
		lex_path(&p.l);
	if (p.l.tok == T_AT && at) {
		id = parse_at(&p);
	} else if (p.l.tok == T_PATH) {
		slot = paths_add(x->paths, p.l.seg, p.l.nseg);
		if (slot < 0)
			WRONG(&p, 0, "too many fields: a rule set may name %d", PATHS_MAX);
		lex_next(&p.l);
	} else {
		BROKEN(&p, p.l.from, "expected the name of a field, found %s", shown(&p));
	}
	if (p.l.tok != T_END)
		BROKEN(&p, p.l.from, "expected the end of the field's name, found %s (other characters: [\"any key\"])", shown(&p));
	if (d->n != told || (id < 0 && slot < 0))
		return -1;
	if (id < 0)
		return slot;
	node_use(x, id);
	*at = id;
	return -2;
}
