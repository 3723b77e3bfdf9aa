/* expr_random_test.c - random expressions against a naive evaluator.
 *
 * The test makes a tree of its own, writes it as text with all its parentheses, and computes it by walking, straight
 * from the words of the language's description: no nodes, folding, memo, instructions. Both must agree on every record.
 * The seed is fixed; WEIR_TEST_SEED=N tries another.
 */
#include "rules/expr.h"

#include "core/buf.h"
#include "core/json.h"
#include "core/num.h"
#include "core/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPRESSIONS 3000
#define RECORDS 12
#define FIELDS 6

enum what { LIT, FIELD, PREV, NOT, AND, OR, CMP, IN, MATCH, ARITH, NEG, LOWER, LEN, NUMBER, STARTS, CONTAINS, HAS };

struct tree {
	enum what kind;
	int op;              /* CMP: 0 == 1 != 2 < 3 <= 4 > 5 >=; ARITH: 0 + 1 - 2 * 3 /; FIELD; MATCH: 1 negated */
	int n;
	struct tree *sub[4];
	int lit[4];          /* in literals[] */
};

struct literal {
	const char *text;
	struct val v;
};

#define NUM(z, x) { z, { .type = V_NUM, .n = x } }
#define TEXT(z, x) { z, { .type = V_STR, .s = { "" x, sizeof(x) - 1 } } }
static const struct literal literals[] = { NUM("0", 0), NUM("1", 1), NUM("2.5", 2.5), NUM("50%", 0.5), NUM("1m", 60), NUM("1KiB", 1024),
	TEXT("\"\"", ""), TEXT("\"a\"", "a"), TEXT("'AB'", "AB"), TEXT("\"5\"", "5"), TEXT("\"\\u00e9b\"", "\303\251b"),
	{ "true", { .type = V_BOOL, .b = true } }, { "false", { .type = V_BOOL } }, { "null", { .type = V_NULL } } };

static const struct slice_text {
	const char *text;
	uint8_t kind;
} values[] = { { "", K_NONE }, { "null", K_NULL }, { "true", K_TRUE }, { "false", K_FALSE }, { "0", K_NUM }, { "1", K_NUM }, { "2.5", K_NUM },
	{ "-0", K_NUM }, { "6e1", K_NUM }, { "a", K_STR }, { "AB", K_STR }, { "5", K_STR }, { "\303\251b", K_STR }, { "", K_STR }, { "[1]", K_JSON } };

static const char *const fields[FIELDS] = { "f0", "f1", "f2", "g.a", "g.b", "h" };
static const char *const cmp_text[] = { "==", "!=", "<", "<=", ">", ">=" }, *const arith_text[] = { "+", "-", "*", "/" };
static const char *const patterns[] = { "a", "^.b$", "[A-Z]", "5?$" };

static uint64_t seed = 20240229;

static unsigned
pick(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

/* ---- the tree ---- */

static struct tree *
make(struct arena *a, int depth)
{
	static const int arity[] = { [NOT] = 1, [CMP] = 2, [IN] = 1, [MATCH] = 1, [ARITH] = 2, [NEG] = 1, [LOWER] = 1, [LEN] = 1, [NUMBER] = 1,
		[STARTS] = 2, [CONTAINS] = 2, [HAS] = 1 };
	struct tree *t = arena_alloc(a, sizeof *t);
	*t = (struct tree){ .kind = depth == 0 ? pick(3) : pick(HAS + 1) };
	switch (t->kind) {
	case LIT:
		t->lit[0] = (int)pick(COUNT_OF(literals));
		break;
	case FIELD:
	case PREV:
		t->op = (int)pick(FIELDS);
		break;
	case AND:
	case OR:
		t->n = 2 + (int)pick(3);
		break;
	case CMP:
		t->op = (int)pick(6);
		break;
	case ARITH:
		t->op = (int)pick(4);
		break;
	case MATCH:
		t->op = (int)pick(2);
		t->lit[0] = (int)pick(COUNT_OF(patterns));
		break;
	case IN:
		for (int i = 0; i < 4; i++)
			t->lit[i] = (int)pick(COUNT_OF(literals));
		break;
	default:
		break;
	}
	if (t->kind != AND && t->kind != OR)
		t->n = t->kind < NOT ? 0 : arity[t->kind];
	for (int i = 0; i < t->n; i++)
		t->sub[i] = make(a, depth - 1);
	return t;
}

static void write_tree(struct buf *b, const struct tree *t);

static void
write_sub(struct buf *b, const char *before, const struct tree *t, const char *after)
{
	buf_addz(b, before);
	write_tree(b, t);
	buf_addz(b, after);
}

static void
write_tree(struct buf *b, const struct tree *t)
{
	static const char *const call[] = { [LOWER] = "lower(", [LEN] = "len(", [NUMBER] = "number(", [HAS] = "has(", [STARTS] = "startswith(",
		[CONTAINS] = "contains(" };
	switch (t->kind) {
	case LIT:
		buf_addz(b, literals[t->lit[0]].text);
		break;
	case FIELD:
	case PREV:
		buf_printf(b, "%s%s", t->kind == PREV ? "prev." : "", fields[t->op]);
		break;
	case NOT:
		write_sub(b, pick(2) ? "not (" : "!(", t->sub[0], ")");
		break;
	case NEG:
		write_sub(b, "-(", t->sub[0], ")");
		break;
	case AND:
	case OR:
		for (int i = 0; i < t->n; i++)
			write_sub(b, i == 0 ? "(" : t->kind == AND ? (pick(2) ? " and (" : "&&(") : pick(2) ? " or (" : "||(", t->sub[i], ")");
		break;
	case CMP:
	case ARITH:
		write_sub(b, "(", t->sub[0], ")");
		buf_addz(b, t->kind == CMP ? cmp_text[t->op] : arith_text[t->op]);
		write_sub(b, "(", t->sub[1], ")");
		break;
	case IN:
		write_sub(b, "(", t->sub[0], ") in [");
		for (int i = 0; i < 4; i++)
			buf_printf(b, "%s%s", i ? ", " : "", literals[t->lit[i]].text);
		buf_addz(b, "]");
		break;
	case MATCH:
		write_sub(b, "(", t->sub[0], ")");
		buf_printf(b, " %s \"%s\"", t->op ? "!~" : "=~", patterns[t->lit[0]]);
		break;
	default:
		write_sub(b, call[t->kind], t->sub[0], "");
		if (t->n == 2)
			write_sub(b, ", ", t->sub[1], "");
		buf_addz(b, ")");
		break;
	}
}

/* ---- the naive evaluator ---- */

struct naive {
	const struct slice *slot, *prev; /* by field */
	struct arena *arena;
	struct regex *pattern[COUNT_OF(patterns)];
	struct regex_scratch *regex;
};

static const struct val none = { .type = V_NULL };

static struct val
truth(bool b)
{
	return (struct val){ .type = V_BOOL, .b = b };
}

static struct val
num(double n)
{
	return isnan(n) ? none : (struct val){ .type = V_NUM, .n = n };
}

static struct val
of_slice(const struct slice *s)
{
	double n;
	if (s->kind == K_TRUE || s->kind == K_FALSE)
		return truth(s->kind == K_TRUE);
	if (s->kind == K_NUM && num_parse((struct str){ s->ptr, s->len }, &n))
		return num(n);
	if (s->kind == K_STR || s->kind == K_JSON)
		return (struct val){ .type = V_STR, .s = { s->ptr, s->len } };
	return none;
}

static bool
reads_prev(const struct tree *t)
{
	bool yes = t->kind == PREV;
	for (int i = 0; i < t->n; i++)
		yes |= reads_prev(t->sub[i]);
	return yes;
}

static bool
equal(struct val a, struct val b)
{
	if (a.type != b.type)
		return false;
	return a.type == V_NULL || (a.type == V_BOOL && a.b == b.b) || (a.type == V_NUM && a.n == b.n) || (a.type == V_STR && str_eq(a.s, b.s));
}

static struct val
compare(int op, struct val a, struct val b)
{
	if (op == 0 || op == 1)
		return truth(equal(a, b) == (op == 0));
	double d;
	if (a.type == V_NUM && b.type == V_NUM)
		d = a.n < b.n ? -1 : a.n > b.n;
	else if (a.type == V_STR && b.type == V_STR)
		d = str_cmp(a.s, b.s);
	else
		return none;
	return truth(op == 2 ? d < 0 : op == 3 ? d <= 0 : op == 4 ? d > 0 : d >= 0);
}

static struct val
calculate(int op, struct val a, struct val b)
{
	if (a.type != V_NUM || b.type != V_NUM || (op == 3 && b.n == 0))
		return none;
	return num(op == 0 ? a.n + b.n : op == 1 ? a.n - b.n : op == 2 ? a.n * b.n : a.n / b.n);
}

static struct val walk(struct naive *n, const struct tree *t);

static struct val
walk_logic(struct naive *n, const struct tree *t)
{
	bool decides = t->kind == OR, null = false;
	for (int i = 0; i < t->n; i++) {
		struct val v = walk(n, t->sub[i]);
		if (v.type == V_BOOL && v.b == decides)
			return v;
		null |= v.type != V_BOOL;
	}
	return null ? none : truth(!decides);
}

static struct val
walk_function(struct naive *n, const struct tree *t, struct val a, struct val b)
{
	double d;
	if (a.type != V_STR || (t->n == 2 && b.type != V_STR))
		return none;
	if (t->kind == LEN)
		return num((double)utf8_len(a.s));
	if (t->kind == NUMBER)
		return num_parse(a.s, &d) ? num(d) : none;
	if (t->kind == STARTS)
		return truth(a.s.len >= b.s.len && memcmp(a.s.ptr, b.s.ptr, b.s.len) == 0);
	if (t->kind == CONTAINS) {
		bool found = false;
		for (size_t i = 0; i + b.s.len <= a.s.len; i++)
			found |= memcmp(a.s.ptr + i, b.s.ptr, b.s.len) == 0;
		return truth(found);
	}
	if (t->kind == MATCH)
		return truth((regex_interpret(n->pattern[t->lit[0]], n->regex, a.s) == REGEX_YES) != t->op);
	char *low = arena_alloc(n->arena, a.s.len + 1);
	for (size_t i = 0; i < a.s.len; i++)
		low[i] = a.s.ptr[i] >= 'A' && a.s.ptr[i] <= 'Z' ? (char)(a.s.ptr[i] + 32) : a.s.ptr[i];
	return (struct val){ .type = V_STR, .s = { low, a.s.len } };
}

static struct val
walk(struct naive *n, const struct tree *t)
{
	bool compares = t->kind == CMP || t->kind == IN || t->kind == HAS || t->kind == MATCH;
	if (compares && n->prev == NULL && reads_prev(t))
		return none;
	if (t->kind == LIT)
		return literals[t->lit[0]].v;
	if (t->kind == FIELD)
		return of_slice(&n->slot[t->op]);
	if (t->kind == PREV)
		return n->prev ? of_slice(&n->prev[t->op]) : none;
	if (t->kind == AND || t->kind == OR)
		return walk_logic(n, t);
	struct val a = walk(n, t->sub[0]), b = t->n == 2 ? walk(n, t->sub[1]) : none;
	bool found = false;
	switch (t->kind) {
	case NOT:
		return a.type == V_BOOL ? truth(!a.b) : none;
	case NEG:
		return a.type == V_NUM ? num(-a.n) : none;
	case HAS:
		return truth(a.type != V_NULL);
	case CMP:
		return compare(t->op, a, b);
	case ARITH:
		return calculate(t->op, a, b);
	case IN:
		for (int i = 0; i < 4; i++)
			found |= equal(a, literals[t->lit[i]].v);
		return truth(found);
	default:
		return walk_function(n, t, a, b);
	}
}

/* ---- the comparison ---- */

struct world {
	struct paths paths;
	struct exprs *x;
	struct diags d;
	struct regex_scratch *regex;
	struct arena arena;
	struct tree *tree[EXPRESSIONS];
	int id[EXPRESSIONS];
};

static void
random_slots(struct slice *by_field)
{
	for (int i = 0; i < FIELDS; i++) {
		const struct slice_text *v = &values[pick(COUNT_OF(values))];
		by_field[i] = (struct slice){ .ptr = v->text, .len = (uint32_t)strlen(v->text), .kind = v->kind };
	}
}

static struct slice *
by_slot(struct world *w, const struct slice *by_field)
{
	struct slice *s = arena_alloc(&w->arena, (w->paths.n + 1) * sizeof *s);
	memset(s, 0, (w->paths.n + 1) * sizeof *s);
	for (int i = 0; i < FIELDS; i++)
		s[paths_add_dotted(&w->paths, fields[i])] = by_field[i];
	return s;
}

static int
compile(struct world *w, struct buf *b)
{
	struct scope s = { .prev = true, .regex_limit = 10000, .regex_subject = 8192 };
	char *z = xstrdup(buf_z(b));
	int id = expr_compile(w->x, (struct text_at){ z, { "random", 1, 1 } }, &s, &w->d);
	free(z);
	return id;
}

static void
compile_all(struct world *w)
{
	struct buf b;
	unsigned bad = 0, unstable = 0, clashes = 0;
	buf_init(&b, 1 << 20);
	for (int i = 0; i < EXPRESSIONS; i++) {
		do { /* a literal beside one of another type is a mistake of its own: another one then */
			w->tree[i] = make(&w->arena, 1 + (int)pick(4));
			buf_clear(&b);
			buf_clear(&w->d.text);
			write_tree(&b, w->tree[i]);
			w->id[i] = compile(w, &b);
		} while (w->id[i] < 0 && strstr(buf_z(&w->d.text), "which is never true") && clashes++ < EXPRESSIONS / 10);
		if (w->id[i] < 0) {
			if (bad++ == 0)
				printf("# %s\n# %s\n", buf_z(&b), buf_z(&w->d.text));
			continue;
		}
		struct buf again;
		buf_init(&again, 1 << 20);
		expr_text(w->x, w->id[i], &again);
		if (compile(w, &again) != w->id[i] && unstable++ == 0)
			printf("# %s\n# became %s\n", buf_z(&b), buf_z(&again));
		buf_free(&again);
	}
	ok(bad == 0, "%d random expressions compile, %u do not", EXPRESSIONS, bad);
	ok(unstable == 0, "their canonical text is the same expression, but for %u", unstable);
	buf_free(&b);
}

static bool
same(struct val a, struct val b)
{
	return equal(a, b) || (a.type == V_NUM && b.type == V_NUM && isnan(a.n) && isnan(b.n));
}

static unsigned
compare_one(struct world *w, struct naive *n, struct eval *e, int i)
{
	struct val want = walk(n, w->tree[i]), got = eval_value(e, w->id[i]);
	enum tri cond = want.type != V_BOOL ? TRI_NULL : want.b ? TRI_TRUE : TRI_FALSE;
	if (same(want, got) && eval_test(e, w->id[i]) == cond)
		return 0;
	struct buf b;
	buf_init(&b, 1 << 20);
	expr_text(w->x, w->id[i], &b);
	printf("# %s: type %d, not %d\n", buf_z(&b), (int)got.type, (int)want.type);
	buf_free(&b);
	return 1;
}

static void
compare_all(struct world *w)
{
	struct naive n = { .arena = &w->arena, .regex = w->regex };
	struct eval *e = eval_new(w->x, w->regex);
	struct errinfo err = { 0 };
	struct slice now[FIELDS], before[FIELDS];
	unsigned wrong = 0, seen[4] = { 0 };
	size_t where;
	for (size_t i = 0; i < COUNT_OF(patterns); i++)
		n.pattern[i] = regex_compile(str_of(patterns[i]), 10000, 8192, &where, &err);
	for (int r = 0; r < RECORDS; r++) {
		random_slots(now);
		random_slots(before);
		struct record rec = { .slot = by_slot(w, now) };
		bool first = pick(3) == 0;
		n.slot = now;
		n.prev = first ? NULL : before;
		eval_begin(e, &rec, STR("x"), &w->arena);
		eval_set_prev(e, first ? NULL : by_slot(w, before));
		for (int i = 0; i < EXPRESSIONS && wrong < 5; i++) {
			if (w->id[i] < 0)
				continue;
			wrong += compare_one(w, &n, e, i);
			seen[eval_value(e, w->id[i]).type]++;
		}
	}
	ok(wrong == 0, "the naive evaluator agrees on %d records", RECORDS);
	ok(seen[V_NULL] > 500 && seen[V_BOOL] > 500 && seen[V_NUM] > 500 && seen[V_STR] > 500, "null %u bool %u number %u string %u: all were seen", seen[0],
		seen[1], seen[2], seen[3]);
	ok(exprs_shared(w->x) > 100, "%zu predicates are shared", exprs_shared(w->x));
	for (size_t i = 0; i < COUNT_OF(patterns); i++)
		regex_free(n.pattern[i]);
	eval_free(e);
}

int
main(void)
{
	struct world *w = xcalloc(1, sizeof *w);
	if (getenv("WEIR_TEST_SEED"))
		seed = strtoull(getenv("WEIR_TEST_SEED"), NULL, 10) * 2654435761u + 1;
	w->x = exprs_new(&w->paths);
	w->regex = regex_scratch_new();
	diags_init(&w->d);
	compile_all(w);
	compare_all(w);
	exprs_free(w->x);
	regex_scratch_free(w->regex);
	diags_free(&w->d);
	paths_free(&w->paths);
	arena_free(&w->arena);
	free(w);
	return tap_done();
}
