/* expr_test.c - the expression language: one line an expression, mistakes with their places, aggregates, limits.
 * Random expressions against a naive evaluator: rules/expr_random_test.c
 */
#include "rules/expr.h"

#include "core/buf.h"
#include "core/json.h"
#include "core/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct world {
	struct paths paths;
	struct exprs *x;
	struct diags d;
	struct regex_scratch *regex;
	struct eval *e;
	struct arena arena;
	struct aggs aggs;
};

static void
world_init(struct world *w)
{
	*w = (struct world){ 0 };
	w->x = exprs_new(&w->paths);
	diags_init(&w->d);
	w->regex = regex_scratch_new();
}

static void
world_free(struct world *w)
{
	eval_free(w->e);
	exprs_free(w->x);
	regex_scratch_free(w->regex);
	diags_free(&w->d);
	paths_free(&w->paths);
	arena_free(&w->arena);
	free(w->aggs.v);
}

static struct text_at
at(const char *z)
{
	static char text[70000];
	snprintf(text, sizeof text, "%s", z);
	return (struct text_at){ text, { "r.yaml", 3, 9 } };
}

static int
compile(struct world *w, const char *text, bool prev)
{
	struct scope s = { .prev = prev, .regex_limit = 10000, .regex_subject = 8192 };
	return expr_compile(w->x, at(text), &s, &w->d);
}

/* A flat object such as {"a.b":1,"s":"x"} to slots: a dot in a key means a nested field. */
static struct slice *
slots_of(struct world *w, const char *object)
{
	struct slice *slot = xcalloc(w->paths.n + 1, sizeof *slot);
	struct json_it it = { 0 };
	struct str key, value;
	while (object && json_each(str_of(object), &it, &key, &value))
		for (size_t i = 0; i < w->paths.n; i++) {
			if (!str_eq(key, str_of(w->paths.v[i].text)))
				continue;
			char c = value.ptr[0];
			slot[i] = (struct slice){ .ptr = value.ptr, .len = (uint32_t)value.len,
				.kind = c == '"' ? K_STR : c == 't' ? K_TRUE : c == 'f' ? K_FALSE : c == 'n' ? K_NULL : c == '{' || c == '[' ? K_JSON : K_NUM };
			if (c == '"') {
				struct buf b;
				buf_init(&b, 1 << 16);
				json_unescape(&b, (struct str){ value.ptr + 1, value.len - 2 });
				struct str s = arena_str(&w->arena, buf_str(&b));
				slot[i].ptr = s.ptr;
				slot[i].len = (uint32_t)s.len;
				buf_free(&b);
			}
		}
	return slot;
}

static void
show(struct buf *b, struct val v)
{
	if (v.type == V_STR)
		json_str(b, v.s);
	else if (v.type == V_NUM && isinf(v.n))
		buf_addz(b, v.n > 0 ? "inf" : "-inf");
	else if (v.type == V_NUM)
		json_num(b, v.n);
	else
		buf_addz(b, v.type == V_NULL ? "null" : v.b ? "true" : "false");
}

static const char *
tri_text(enum tri t)
{
	return t == TRI_NULL ? "null" : t == TRI_TRUE ? "true" : "false";
}

/* ---- one line an expression ---- */

struct row {
	const char *text, *record, *want;
};

static const struct row rows[] = {
	/* literals and units */
	{ "10%", "{}", "0.1" }, { "0.7%", "{}", "0.007" }, { "7%", "{}", "0.07" }, { "1e2%", "{}", "1" }, { "2s", "{}", "2" },
	{ "5m", "{}", "300" }, { "1h", "{}", "3600" }, { "7d", "{}", "604800" }, { "250ms", "{}", "0.25" }, { "1.5h", "{}", "5400" },
	{ "10MB", "{}", "10000000" }, { "4KiB", "{}", "4096" }, { "1e3", "{}", "1000" }, { "-2.5e-1", "{}", "-0.25" },
	{ "-0", "{}", "0" }, { "0 * -1", "{}", "0" }, { "1e999", "{}", "inf" },
	{ "\"a\\u00e9\\ud83d\\ude00\\n\\/\"", "{}", "\"a\303\251\360\237\230\200\\n/\"" }, { "'a\\n\"'", "{}", "\"a\\\\n\\\"\"" },
	{ "true", "{}", "true" }, { "false", "{}", "false" }, { "null", "{}", "null" },
	/* fields */
	{ "a", "{\"a\":1.50}", "1.5" }, { "a", "{\"a\":-0}", "0" }, { "a", "{\"a\":\"x\"}", "\"x\"" }, { "a", "{\"a\":true}", "true" },
	{ "a", "{\"a\":null}", "null" }, { "a", "{}", "null" }, { "a", "{\"a\":{\"b\":1}}", "\"{\\\"b\\\":1}\"" },
	{ "a.b", "{\"a.b\":7}", "7" }, { "a[\"b\"]", "{\"a.b\":7}", "7" }, { "a['b']", "{\"a.b\":7}", "7" }, { "[\"a\"].b", "{\"a.b\":7}", "7" },
	{ "[\"a\"][\"b\"]", "{\"a.b\":7}", "7" }, { "a.in", "{\"a.in\":7}", "7" }, { "prev", "{\"prev\":7}", "7" },
	{ "[\"prev\"].a", "{\"prev.a\":7}", "7" }, { "count", "{\"count\":7}", "7" }, { "over", "{\"over\":7}", "7" },
	{ "a.or or b", "{\"a.or\":true}", "true" }, { "has(a)", "{\"a\":0}", "true" }, { "has(a)", "{\"a\":null}", "false" }, { "has(a)", "{}", "false" },
	/* equality and null */
	{ "a == null", "{}", "true" }, { "a == null", "{\"a\":0}", "false" }, { "a != null", "{}", "false" }, { "a != null", "{\"a\":0}", "true" },
	{ "null == a", "{}", "true" }, { "a == b", "{}", "true" }, { "a == b", "{\"a\":1}", "false" }, { "a != b", "{\"a\":1}", "true" },
	{ "a == 5", "{}", "false" }, { "a != 5", "{}", "true" }, { "a == \"x\"", "{}", "false" }, { "a != \"x\"", "{}", "true" },
	{ "a == 5", "{\"a\":5}", "true" }, { "a == 5", "{\"a\":5.0}", "true" }, { "5 == a", "{\"a\":5e0}", "true" }, { "a == 5", "{\"a\":\"5\"}", "false" },
	{ "a != 5", "{\"a\":\"5\"}", "true" }, { "a == \"5\"", "{\"a\":5}", "false" }, { "a == \"x\"", "{\"a\":\"x\"}", "true" },
	{ "\"x\" == a", "{\"a\":\"x\"}", "true" }, { "a != \"x\"", "{\"a\":\"xy\"}", "true" }, { "a == \"\"", "{\"a\":\"\"}", "true" },
	{ "a == true", "{\"a\":true}", "true" }, { "a == true", "{\"a\":\"true\"}", "false" }, { "a == 1", "{\"a\":true}", "false" },
	{ "a == b", "{\"a\":\"x\",\"b\":\"x\"}", "true" }, { "a == '{\"b\":1}'", "{\"a\":{\"b\":1}}", "true" }, { "1/0 == 2/0", "{}", "true" },
	/* orderings */
	{ "a < 5", "{\"a\":4}", "true" }, { "a < 5", "{\"a\":5}", "false" }, { "a <= 5", "{\"a\":5}", "true" }, { "a > 5", "{\"a\":5}", "false" },
	{ "a >= 5", "{\"a\":5}", "true" }, { "5 > a", "{\"a\":4}", "true" }, { "5 <= a", "{\"a\":4}", "false" }, { "a < 5", "{}", "null" },
	{ "a < 5", "{\"a\":\"4\"}", "null" }, { "a < 5", "{\"a\":true}", "null" }, { "a < \"b\"", "{\"a\":\"a\"}", "true" },
	{ "a < \"b\"", "{\"a\":\"B\"}", "true" }, { "\"Z\" < \"a\"", "{}", "true" }, { "\"a\" < \"ab\"", "{}", "true" }, { "\"\303\251\" > \"z\"", "{}", "true" },
	{ "a < b", "{\"a\":1,\"b\":2}", "true" }, { "a < b", "{\"a\":\"x\",\"b\":\"y\"}", "true" }, { "a < b", "{\"a\":1,\"b\":\"y\"}", "null" },
	{ "a < b", "{\"a\":true,\"b\":false}", "null" }, { "null < null", "{}", "null" }, { "a < 5", "{\"a\":{}}", "null" },
	/* logic */
	{ "null and false", "{}", "false" }, { "false and null", "{}", "false" }, { "null and true", "{}", "null" }, { "null or true", "{}", "true" },
	{ "true or null", "{}", "true" }, { "null or false", "{}", "null" }, { "not null", "{}", "null" }, { "not true", "{}", "false" },
	{ "!a", "{\"a\":false}", "true" }, { "a && b", "{\"a\":true,\"b\":true}", "true" }, { "a || b", "{\"a\":false}", "null" },
	{ "a and b", "{\"b\":false}", "false" }, { "a or b", "{\"b\":true}", "true" }, { "a and true", "{\"a\":5}", "null" }, { "not a", "{\"a\":5}", "null" },
	{ "not not a", "{\"a\":true}", "true" }, { "not not a", "{\"a\":5}", "null" }, { "true and a", "{\"a\":\"x\"}", "null" },
	{ "a < 1 and b > 1", "{\"b\":1}", "false" },
	/* precedence */
	{ "not a == 1 and b == 2", "{\"a\":2,\"b\":2}", "true" }, { "not (a == 1 and b == 2)", "{\"a\":2,\"b\":2}", "true" },
	{ "not a and b", "{\"a\":false,\"b\":false}", "false" }, { "true or false and false", "{}", "true" }, { "(true or false) and false", "{}", "false" },
	{ "!a == 1", "{\"a\":2}", "true" }, { "1 + 2 * 3", "{}", "7" }, { "(1 + 2) * 3", "{}", "9" }, { "10 - 3 - 2", "{}", "5" }, { "8 / 4 / 2", "{}", "1" },
	{ "-2 * -3", "{}", "6" }, { "1 - -1", "{}", "2" }, { "- - 1", "{}", "1" }, { "1 + a < b * 2 and true", "{\"a\":1,\"b\":2}", "true" },
	{ "not a in [1] and true", "{\"a\":2}", "true" }, { "(a == 1) == true", "{\"a\":1}", "true" },
	/* arithmetic */
	{ "a + b", "{\"a\":1,\"b\":2}", "3" }, { "a + b", "{\"a\":1}", "null" }, { "a + 1", "{\"a\":\"1\"}", "null" }, { "\"a\" + \"b\"", "{}", "null" },
	{ "a / 0", "{\"a\":1}", "null" }, { "a / b", "{\"a\":1,\"b\":0}", "null" }, { "0 / 0", "{}", "null" }, { "-a", "{\"a\":2}", "-2" }, { "-a", "{}", "null" },
	{ "-a", "{\"a\":0}", "0" }, { "a - a", "{\"a\":1e999}", "null" }, { "a * 0.1", "{\"a\":3}", "0.30000000000000004" }, { "a + true", "{\"a\":1}", "null" },
	/* in */
	{ "a in [\"x\", 'y']", "{\"a\":\"y\"}", "true" }, { "a in [\"x\"]", "{\"a\":\"y\"}", "false" }, { "a in [1, -2, 10%]", "{\"a\":-2}", "true" },
	{ "a in [1, -2, 10%]", "{\"a\":0.1}", "true" }, { "a in [1]", "{\"a\":\"1\"}", "false" }, { "a in [1]", "{}", "false" }, { "a in [null]", "{}", "true" },
	{ "a in [null]", "{\"a\":1}", "false" }, { "a in [true]", "{\"a\":true}", "true" }, { "a in [true]", "{\"a\":false}", "false" }, { "a in []", "{\"a\":1}", "false" },
	{ "a in [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\"]", "{\"a\":\"j\"}", "true" },
	{ "a in [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\"]", "{\"a\":\"k\"}", "false" },
	{ "a in[\"x\"]", "{\"a\":\"x\"}", "true" }, { "lower(a) in [\"x\"]", "{\"a\":\"X\"}", "true" }, { "a + 1 in [2]", "{\"a\":1}", "true" },
	/* matches */
	{ "a =~ \"b+\"", "{\"a\":\"abbc\"}", "true" }, { "a =~ \"^b\"", "{\"a\":\"abbc\"}", "false" }, { "a =~ \"b\"", "{}", "null" }, { "a =~ \"1\"", "{\"a\":1}", "null" },
	{ "a !~ \"b\"", "{\"a\":\"abc\"}", "false" }, { "a !~ \"b\"", "{\"a\":\"ac\"}", "true" }, { "a !~ \"b\"", "{}", "null" }, { "a =~ '\\d{3}'", "{\"a\":\"x123\"}", "true" },
	{ "a =~ '^.$'", "{\"a\":\"\303\251\"}", "true" }, { "a =~ '\\w'", "{\"a\":\"\303\251\"}", "false" }, { "\"abc\" =~ \"b\"", "{}", "true" },
	{ "a =~ '\"k\":1'", "{\"a\":{\"k\":1}}", "true" },
	/* functions */
	{ "lower(a)", "{\"a\":\"ABC\303\211x\"}", "\"abc\303\211x\"" }, { "lower(a)", "{\"a\":1}", "null" }, { "lower(\"AB\")", "{}", "\"ab\"" }, { "len(a)", "{\"a\":\"\303\251x\"}", "2" },
	{ "len(a)", "{}", "null" }, { "len(a)", "{\"a\":12}", "null" }, { "len(a)", "{\"a\":[1]}", "3" }, { "len(a) > 2", "{\"a\":\"abc\"}", "true" }, { "number(a)", "{\"a\":\"1e2\"}", "100" },
	{ "number(a)", "{\"a\":\"x\"}", "null" }, { "number(a)", "{\"a\":\" 1\"}", "null" }, { "number(a)", "{\"a\":\"\"}", "null" }, { "number(a)", "{}", "null" },
	{ "number(\"5\") == 5", "{}", "true" }, { "number(a)", "{\"a\":5}", "null" }, { "startswith(a, \"ab\")", "{\"a\":\"abc\"}", "true" },
	{ "startswith(a, \"bc\")", "{\"a\":\"abc\"}", "false" }, { "startswith(a, \"\")", "{\"a\":\"abc\"}", "true" }, { "startswith(a, \"b\")", "{}", "null" },
	{ "contains(a, \"bc\")", "{\"a\":\"abcd\"}", "true" }, { "contains(a, \"cb\")", "{\"a\":\"abcd\"}", "false" }, { "contains(a, b)", "{\"a\":\"abcd\",\"b\":\"d\"}", "true" },
	{ "contains(a, b)", "{\"a\":\"abcd\",\"b\":1}", "null" }, { "contains(a, \"x\") == null", "{}", "true" },
	/* the record itself */
	{ "@source", "{}", "\"app\"" }, { "@file", "{}", "\"/var/log/app.log\"" }, { "@offset", "{}", "4096" }, { "@raw", "{}", "\"{}\"" },
	{ "@time", "{}", "1700000000.25" }, { "@time > 1", "{}", "true" }, { "@source == \"app\" and @offset >= 4KiB", "{}", "true" },
	/* @level */
	{ "@level", "{}", "null" }, { "@level", "{\"level\":\"WARN\"}", "\"warning\"" }, { "@level", "{\"severity\":\"Fatal\"}", "\"critical\"" },
	{ "@level", "{\"lvl\":\"dbg\"}", "\"debug\"" }, { "@level", "{\"levelname\":\"NOTICE\"}", "\"info\"" }, { "@level", "{\"log.level\":\"err\"}", "\"error\"" },
	{ "@level", "{\"level\":30}", "\"info\"" }, { "@level", "{\"level\":60}", "\"critical\"" }, { "@level", "{\"level\":3}", "\"error\"" }, { "@level", "{\"level\":10}", "\"debug\"" },
	{ "@level", "{\"level\":\"odd\",\"severity\":\"info\"}", "\"info\"" }, { "@level", "{\"level\":99}", "null" }, { "@level", "{\"level\":\"error\",\"severity\":\"info\"}", "\"error\"" },
	{ "@level >= \"warning\"", "{\"level\":\"ERROR\"}", "true" }, { "@level >= \"warning\"", "{\"level\":\"info\"}", "false" }, { "@level >= \"warn\"", "{\"level\":\"W\"}", "true" },
	{ "@level < \"critical\"", "{\"level\":\"debug\"}", "true" }, { "\"error\" <= @level", "{\"level\":\"critical\"}", "true" }, { "@level >= \"warning\"", "{}", "null" },
	{ "@level == \"error\"", "{\"level\":\"ERROR\"}", "true" }, { "@level == \"ERROR\"", "{\"level\":\"err\"}", "true" }, { "@level == \"error\"", "{}", "false" },
	{ "@level != \"error\"", "{}", "true" }, { "@level in [\"error\", \"FATAL\"]", "{\"level\":\"critical\"}", "true" }, { "@level == null", "{}", "true" },
	{ "@level > a", "{\"level\":\"error\",\"a\":\"debug\"}", "true" }, { "@level > a", "{\"level\":\"error\",\"a\":\"critical\"}", "false" }, { "@level == 5", "{\"level\":\"info\"}", "false" },
	{ "@level < 5", "{\"level\":\"info\"}", "null" },
};

static void
run_row(const struct row *r)
{
	struct world w;
	struct buf got;
	world_init(&w);
	buf_init(&got, 1 << 16);
	int id = compile(&w, r->text, false);
	if (id < 0) {
		ok(false, "%s: %s", r->text, buf_z(&w.d.text));
	} else {
		w.e = eval_new(w.x, w.regex);
		struct slice *slot = slots_of(&w, r->record);
		struct record rec = { .slot = slot, .raw = str_of(r->record), .offset = 4096, .file = STR("/var/log/app.log"),
			.time = INT64_C(1700000000250000000) };
		eval_begin(w.e, &rec, STR("app"), &w.arena);
		struct val v = eval_value(w.e, id);
		show(&got, v);
		ok(strcmp(buf_z(&got), r->want) == 0, "%s of %s is %s", r->text, r->record, buf_z(&got));
		const char *cond = v.type == V_BOOL ? r->want : "null";
		if (strcmp(tri_text(eval_test(w.e, id)), cond) != 0)
			ok(false, "%s of %s as a condition is %s", r->text, r->record, cond);
		buf_clear(&got);
		expr_text(w.x, id, &got);
		if (compile(&w, buf_z(&got), false) != id)
			ok(false, "%s: its canonical text %s is another expression %s", r->text, buf_z(&got), buf_z(&w.d.text));
		free(slot);
	}
	buf_free(&got);
	world_free(&w);
}

/* ---- prev ---- */

static const struct {
	const char *text, *prev, *record, *want; /* prev NULL: there is none */
} prevs[] = {
	{ "prev.s == \"A\"", "{\"s\":\"A\"}", "{}", "true" }, { "prev.s == \"A\"", "{}", "{}", "false" }, { "prev.s == null", "{}", "{}", "true" },
	{ "prev.s == \"A\"", NULL, "{}", "null" }, { "prev.s != \"A\"", NULL, "{}", "null" }, { "prev.s == null", NULL, "{}", "null" },
	{ "prev.s != null", NULL, "{}", "null" }, { "has(prev.s)", NULL, "{}", "null" }, { "has(prev.s)", "{\"s\":1}", "{}", "true" },
	{ "prev.s in [\"A\"]", NULL, "{}", "null" }, { "not (prev.s == \"A\")", NULL, "{}", "null" }, { "prev.n < n", "{\"n\":1}", "{\"n\":2}", "true" },
	{ "prev.n < n", NULL, "{\"n\":2}", "null" }, { "prev.n + 1 == n", "{\"n\":1}", "{\"n\":2}", "true" }, { "prev.n + 1 == n", NULL, "{}", "null" },
	{ "prev.s == \"A\" or s == \"B\"", NULL, "{\"s\":\"B\"}", "true" }, { "prev.s == s", "{\"s\":\"x\"}", "{\"s\":\"x\"}", "true" },
	{ "prev.a.b == 1", "{\"a.b\":1}", "{}", "true" }, { "prev[\"s\"] == 1", "{\"s\":1}", "{}", "true" }, { "prev.s =~ \"x\"", "{\"s\":\"x\"}", "{}", "true" },
	{ "prev.s =~ \"x\"", NULL, "{}", "null" },
};

static void
test_prev(void)
{
	for (size_t i = 0; i < COUNT_OF(prevs); i++) {
		struct world w;
		struct buf t;
		world_init(&w);
		buf_init(&t, 4096);
		int id = compile(&w, prevs[i].text, true), slots[4];
		must(id >= 0);
		w.e = eval_new(w.x, w.regex);
		struct slice *slot = slots_of(&w, prevs[i].record), *before = slots_of(&w, prevs[i].prev);
		struct record rec = { .slot = slot };
		eval_begin(w.e, &rec, STR("app"), &w.arena);
		eval_set_prev(w.e, prevs[i].prev ? before : NULL);
		isz(tri_text(eval_test(w.e, id)), prevs[i].want, prevs[i].text);
		expr_text(w.x, id, &t);
		ok(compile(&w, buf_z(&t), true) == id && expr_prev_slots(w.x, id, slots, 4) == 1, "%s is the same expression, one field of prev",
			buf_z(&t));
		free(slot);
		free(before);
		buf_free(&t);
		world_free(&w);
	}
}

/* ---- mistakes ---- */

static const struct {
	const char *text, *want; /* place and the beginning of the message */
} mistakes[] = {
	{ "", "3:9: an empty expression" }, { "a ==", "3:13: expected a value, found the end" }, { "a == 1 1", "3:16: expected an operator, found '1'" },
	{ "a < b < c", "3:15: comparisons do not chain" }, { "a == b == c", "3:16: comparisons do not chain" }, { "a in [1] == true", "3:18: comparisons do not chain" },
	{ "a = 1", "3:11: unexpected '='; equal is ==" }, { "a <> 1", "3:11: unexpected '<>'; unequal is !=" }, { "a & b", "3:11: unexpected '&'; and is" },
	{ "a AND b", "3:11: expected an operator, found 'AND'; operators are in lower case: and" }, { "cuont()", "3:9: unknown function cuont(); did you mean count?" },
	{ "lowr(a)", "3:9: unknown function lowr(); did you mean lower?" }, { "p75(a)", "3:9: unknown function p75(); did you mean p95?" },
	{ "frobnicate(a)", "3:9: unknown function frobnicate()\n" }, { "count() > 1", "3:9: count() needs a window" }, { "lower()", "3:9: lower() takes 1 argument, not 0" },
	{ "startswith(a)", "3:9: startswith() takes 2 arguments, not 1" }, { "prev.s == 1", "3:9: prev.FIELD is for" }, { "@tim > 1", "3:9: unknown @tim; did you mean @time?" },
	{ "@timestamp", "3:9: unknown @timestamp (a field of that name: [\"@timestamp\"])" }, { "a =~ b", "3:14: expected a pattern in quotes after =~, found 'b'" },
	{ "a =~ \"(\"", "3:14: bad pattern, at its byte 1: missing closing parenthesis" }, { "a =~ \"(*COMMIT)\"", "3:14: bad pattern, at its byte 0: control verbs" },
	{ "\"a\\q\"", "3:11: unknown escape in a string" }, { "\"a\\u12\"", "3:11: \\u needs four hex digits" }, { "\"\\ud800\"", "3:10: half of a surrogate pair" },
	{ "\"abc", "3:9: this string has no closing \"" }, { "'abc", "3:9: this string has no closing '" }, { "5x", "3:10: unknown unit 'x'" }, { "5M", "3:10: unknown unit 'M'" },
	{ "007", "3:9: '007' is no number" }, { ".5", "3:9: '.5' is no number" }, { "5 % 2", "3:11: unexpected '%'; a percentage" }, { "(a", "3:11: expected an operator or ), found the end" },
	{ "a)", "3:10: expected an operator, found ')'" }, { "a in b", "3:14: expected a list of literals" }, { "a in [b]", "3:15: expected a literal in the list, found 'b'" },
	{ "a in [1,]", "3:17: expected a literal in the list, found ']'" }, { "a in [1 2]", "3:17: expected a comma or ]" }, { "a not in [1]", "3:11: expected an operator, found 'not'; write not (a in" },
	{ "a == not b", "3:14: put parentheses around `not`" }, { "a.", "3:11: expected a key after '.'" }, { "a .b", "3:11: unexpected '.'; a field is written a.b" },
	{ "a[1]", "3:10: expected an operator, found '['" }, { "[1]", "3:10: a key in brackets is a string" }, { "metric{label=x} > 1", "3:22: a label is compared with a string" },
	{ "a == 1 and\n  b = 2", "4:5: unexpected '='" }, { "lowr(a) and lenn(b)", "3:9: unknown function lowr(); did you mean lower?" }, { "a =~ \"(\" and b =~ \"[\"", "3:14: bad pattern" },
	{ "#", "3:9: unexpected '#'" }, { "sum(x)", "3:9: sum() needs a window" }, { "a over 1h", "3:11: expected an operator, found 'over'; only an aggregate" },
};

static void
test_mistakes(void)
{
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		struct world w;
		world_init(&w);
		int id = compile(&w, mistakes[i].text, false);
		struct str got = buf_str(&w.d.text), want = str_of(mistakes[i].want);
		bool good = id == -1 && str_starts(got, STR("r.yaml:")) && str_starts((struct str){ got.ptr + 7, got.len - 7 }, want);
		ok(good, "mistake %zu: %.*s", i, (int)strcspn(mistakes[i].want, "\n"), mistakes[i].want);
		if (!good)
			printf("# %s\n# got %d: %s\n", mistakes[i].text, id, buf_z(&w.d.text));
		world_free(&w);
	}
	struct world w;
	world_init(&w);
	ok(compile(&w, "a =~ \"(\" and @x == 1 and lower() == 2", false) == -1 && w.d.n == 3, "three mistakes are told at once");
	world_free(&w);
}

static void
nested(char *t, size_t n)
{
	memset(t, '(', n);
	t[n] = 'a';
	memset(t + n + 1, ')', n);
	t[2 * n + 1] = '\0';
}

static void
repeated(char *t, int n, const char *between)
{
	size_t at_ = 1;
	t[0] = 'a';
	for (int i = 0; i < n; i++)
		at_ += (size_t)snprintf(t + at_, 32, "%s%d", between, i);
}

static void
test_limits(void)
{
	struct world w;
	char *t = xmalloc(70000);
	world_init(&w);
	nested(t, 65);
	ok(compile(&w, t, false) == -1 && strstr(buf_z(&w.d.text), "more than 64 levels of nesting"), "nesting ends at 64");
	nested(t, 64);
	ok(compile(&w, t, false) >= 0, "64 levels are compiled");
	repeated(t, 3000, " or a == ");
	ok(compile(&w, t, false) >= 0, "3,000 alternatives are one expression");
	repeated(t, 1000, " + a + ");
	ok(compile(&w, t, false) == -1 && strstr(buf_z(&w.d.text), "operators deep"), "a chain of 1,000 additions is too long");
	memset(t, ' ', 66000);
	t[66000] = '\0';
	t[0] = 'a';
	ok(compile(&w, t, false) == -1 && strstr(buf_z(&w.d.text), "may have 65536 bytes"), "a text ends at 64 KiB");
	free(t);
	world_free(&w);
}

/* ---- aggregates ---- */

static int
window(struct world *w, const char *text, const int *by, size_t nby)
{
	struct scope s = { .aggs = &w->aggs, .outside = by, .noutside = nby, .regex_limit = 10000, .regex_subject = 8192 };
	return expr_compile(w->x, at(text), &s, &w->d);
}

static const struct {
	const char *text, *want; /* canonical text, or the place and beginning of the mistake */
} aggregates[] = {
	{ "count(level == \"ERROR\") / count() > 10% and count() >= 20", "count(level == \"ERROR\") / count() > 0.1 and count() >= 20" },
	{ "p95(a.d) > 5", "p95(a.d) > 5" }, { "p99.9(a) > 1 and p50(a)<1", "p99.9(a) > 1 and p50(a) < 1" },
	{ "avg(x) over 1h > 2 * baseline(avg(x), 24h)", "avg(x) over 1h > 2 * baseline(avg(x), 1d)" },
	{ "streak(n > 30, run_id) >= 3 and streak(n > 30) > 1", "streak(n > 30, run_id) >= 3 and streak(n > 30) > 1" },
	{ "rate(ok) + sum(a) + min(a) + max(a) + stddev(a) + distinct(a) + increase(a) + changes(a) + avg(a) > 1",
		"rate(ok) + sum(a) + min(a) + max(a) + stddev(a) + distinct(a) + increase(a) + changes(a) + avg(a) > 1" },
	{ "increase(jobs_total{outcome=\"success\", job=\"a\"}) == 0", "increase(jobs_total{outcome=\"success\", job=\"a\"}) == 0" },
	{ "last(up{}) == 0", "last(up{}) == 0" }, { "up{} == 0", "3:9: a metric selector is of a record" },
	{ "count() == \"many\"", "3:9: a string is compared with a number, which is never true" },
	{ "count() > 1 or \"a\" > 5", "3:24: a string is compared with a number, which is never true" },
	{ "last(s) == \"x\"", "last(s) == \"x\"" }, { "tenant == \"a\" and count() > 1", "tenant == \"a\" and count() > 1" },
	{ "sum(a + b * 2) > 1", "sum(a + b * 2) > 1" }, { "count(a or b) > 1", "count(a or b) > 1" },
	{ "a > 1", "3:9: outside aggregates `when` may name only `by` fields, not a; did you mean last(a)?" },
	{ "@level == \"error\"", "3:9: @level is of a record" }, { "count(count() > 1) > 1", "3:15: count() inside an aggregate" },
	{ "sum() > 1", "3:9: sum() needs an argument" }, { "rate() > 1", "3:9: rate() needs an argument: the condition" },
	{ "sum(a, b) > 1", "3:14: sum() takes no further argument" }, { "streak(a, b, c) > 1", "3:20: streak() takes no further argument" },
	{ "avg(x) over 5 > 1", "3:21: an aggregate's own window is a duration such as 1h, not '5'" },
	{ "baseline(x, 1h) > 1", "3:18: outside aggregates" }, { "baseline(1, 1h) > 1", "3:18: baseline(A, D) takes one aggregate as A" },
	{ "baseline(avg(x) over 1h, 1d) > 1", "3:18: within baseline an aggregate has the rule's window" },
	{ "baseline(avg(x), 5) > 1", "3:26: D of baseline(A, D) is a duration" }, { "baseline(avg(x)) > 1", "3:24: expected , and the duration D" },
	{ "baseline(avg(x), 1d) over 1h > 1", "3:30: baseline() has the rule's window" }, { "count() > 1 and prev.a == 1", "3:25: prev.FIELD is for" },
};

static void
test_aggregates(void)
{
	for (size_t i = 0; i < COUNT_OF(aggregates); i++) {
		struct world w;
		struct buf t;
		world_init(&w);
		buf_init(&t, 4096);
		int by = paths_add_dotted(&w.paths, "tenant"), id = window(&w, aggregates[i].text, &by, 1);
		size_t n = w.aggs.n;
		if (id >= 0)
			expr_text(w.x, id, &t);
		struct str got = id >= 0 ? buf_str(&t) : buf_str(&w.d.text), want = str_of(aggregates[i].want);
		if (id < 0)
			got = (struct str){ got.ptr + 7, want.len < got.len - 7 ? want.len : got.len - 7 };
		is(got, want, aggregates[i].text);
		if (id >= 0 && (window(&w, buf_z(&t), &by, 1) != id || w.aggs.n != n))
			ok(false, "%s compiled again is the same and adds no aggregate", buf_z(&t));
		buf_free(&t);
		world_free(&w);
	}
}

static void
test_agg_values(void)
{
	struct world w;
	world_init(&w);
	int when = window(&w, "count(a > 1) / count() > 10% and count(a > 1) over 1h >= 2", NULL, 0);
	int resolve = window(&w, "count(a > 1) / count() < 5%", NULL, 0);
	ok(when >= 0 && resolve >= 0 && w.aggs.n == 3, "one rule's aggregates are kept once each");
	const struct agg_use *u = w.aggs.v;
	ok(u[0].fn == AGG_COUNT && u[0].arg >= 0 && u[1].arg == -1 && u[2].arg == u[0].arg && u[0].over == NS_NONE && u[2].over == 3600 * NS_PER_S,
		"with their argument and own window");
	w.e = eval_new(w.x, w.regex);
	struct val v[3] = { { .type = V_NUM, .n = 2 }, { .type = V_NUM, .n = 10 }, { .type = V_NUM, .n = 2 } };
	eval_begin(w.e, NULL, STR(""), NULL);
	ok(eval_test(w.e, when) == TRI_NULL, "without aggregates they are null");
	eval_set_aggs(w.e, v);
	ok(eval_test(w.e, when) == TRI_TRUE && eval_test(w.e, resolve) == TRI_FALSE, "2 of 10 are more than 10%%");
	v[0].n = 0;
	ok(eval_test(w.e, when) == TRI_FALSE && eval_test(w.e, resolve) == TRI_TRUE, "0 of 10 are less than 5%%: nothing is remembered");
	v[1].n = 0;
	ok(eval_test(w.e, resolve) == TRI_NULL, "0 of 0 is null");
	int left, right;
	const char *op;
	ok(expr_first_comparison(w.x, when, &left, &op, &right) && strcmp(op, ">") == 0 && eval_value(w.e, right).n == 0.1,
		"the first comparison is not the one inside count()");
	world_free(&w);
}

/* ---- what engines ask ---- */

static void
test_questions(void)
{
	struct world w;
	const struct val *lits;
	const char *op;
	size_t n;
	int slot, left, right, slots[16];
	world_init(&w);
	int id = compile(&w, "s == \"A\" and n > 3 and 5 == m and t in [\"x\", \"y\"] and u == null", false);
	ok(expr_equality(w.x, id, 0, &slot, &lits, &n) && slot == paths_add_dotted(&w.paths, "s") && n == 1 && str_eq(lits[0].s, STR("A")),
		"the first equality");
	ok(expr_equality(w.x, id, 1, &slot, &lits, &n) && slot == paths_add_dotted(&w.paths, "m") && n == 1 && lits[0].n == 5, "the second");
	ok(expr_equality(w.x, id, 2, &slot, &lits, &n) && slot == paths_add_dotted(&w.paths, "t") && n == 2 && str_eq(lits[1].s, STR("y")), "a list");
	ok(!expr_equality(w.x, id, 3, &slot, &lits, &n), "null is nothing to look up");
	ok(!expr_equality(w.x, compile(&w, "s == \"A\" or n == 1", false), 0, &slot, &lits, &n), "or is no conjunct");
	ok(expr_equality(w.x, compile(&w, "s == \"A\"", false), 0, &slot, &lits, &n), "one equality alone");
	ok(expr_first_comparison(w.x, id, &left, &op, &right) && strcmp(op, "==") == 0, "the first comparison");
	ok(expr_first_comparison(w.x, compile(&w, "ok and not (n + 1 <= 3)", false), &left, &op, &right) && strcmp(op, "<=") == 0, "inside not");
	ok(expr_first_comparison(w.x, compile(&w, "s =~ \"x\"", false), &left, &op, &right) && strcmp(op, "=~") == 0, "a match");
	ok(!expr_first_comparison(w.x, compile(&w, "ok", false), &left, &op, &right), "a field alone has none");
	ok(expr_slots(w.x, id, slots, 16) == 5, "five fields are read");
	ok(expr_slots(w.x, compile(&w, "@level == \"error\"", false), slots, 16) == 5, "@level reads the usual level fields");
	int two = compile(&w, "(prev.s == \"A\" or prev.n > 1) and s == \"B\" and prev.s != s", true);
	ok(expr_prev_slots(w.x, two, slots, 16) == 2, "two fields of the previous record");
	int field = -1;
	ok(expr_field(w.x, at("extra[\"b c\"]"), NULL, &w.d) >= 0, "a field's name");
	ok(expr_field(w.x, at("@source"), &field, &w.d) == -2 && field >= 0, "an @name");
	ok(expr_field(w.x, at("a-b"), NULL, &w.d) == -1 && strstr(buf_z(&w.d.text), "r.yaml:3:10: expected the end of the field's name"), "a-b is none");
	ok(expr_field(w.x, at("@source"), NULL, &w.d) == -1 && expr_field(w.x, at(""), NULL, &w.d) == -1, "nor is nothing");
	world_free(&w);
}

static void
test_sharing(void)
{
	struct world w;
	struct buf t;
	world_init(&w);
	buf_init(&t, 4096);
	int a = compile(&w, "level == \"ERROR\" and n > 5", false), b = compile(&w, "level==\"\\u0045RROR\"  and (n > 5)", false);
	ok(a >= 0 && a == b, "equal text, equal id");
	int c = compile(&w, "n > 5 or x == 1", false);
	ok(c != a && exprs_shared(w.x) == 2, "the whole and n > 5 are shared, level and x are not: %zu", exprs_shared(w.x));
	w.e = eval_new(w.x, w.regex);
	struct slice *one = slots_of(&w, "{\"level\":\"ERROR\",\"n\":6}"), *two = slots_of(&w, "{\"level\":\"ERROR\",\"n\":5}");
	struct record r1 = { .slot = one }, r2 = { .slot = two };
	eval_begin(w.e, &r1, STR("app"), &w.arena);
	ok(eval_test(w.e, a) == TRI_TRUE && eval_test(w.e, c) == TRI_TRUE && eval_test(w.e, a) == TRI_TRUE, "of one record");
	eval_begin(w.e, &r2, STR("app"), &w.arena);
	ok(eval_test(w.e, c) == TRI_FALSE && eval_test(w.e, a) == TRI_FALSE, "and of the next: the memo is of one record");
	expr_listing(w.x, a, &t);
	ok(strstr(buf_z(&t), "SLOT_STR") && strstr(buf_z(&t), "level == \"ERROR\"") && strstr(buf_z(&t), "memo"), "the listing shows instructions");
	free(one);
	free(two);
	buf_free(&t);
	world_free(&w);
}

/* A shared predicate is computed once a record: its search at the limit is counted once. */
static void
test_once(void)
{
	struct world w;
	world_init(&w);
	int a = compile(&w, "m =~ \"(a+)+$\" and n == 1", false), b = compile(&w, "m =~ \"(a+)+$\" and n == 2", false);
	w.e = eval_new(w.x, w.regex);
	struct slice *slot = slots_of(&w, "{\"m\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\",\"n\":1}");
	struct record r = { .slot = slot };
	for (int i = 0; i < 3; i++) {
		eval_begin(w.e, &r, STR("app"), &w.arena);
		(void)eval_test(w.e, a);
		(void)eval_test(w.e, b);
	}
	ok(regex_limits_hit(w.regex) == 3, "three records, two rules, three searches: %llu", (unsigned long long)regex_limits_hit(w.regex));
	free(slot);
	world_free(&w);
}

int
main(void)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		run_row(&rows[i]);
	test_prev();
	test_mistakes();
	test_limits();
	test_aggregates();
	test_agg_values();
	test_questions();
	test_sharing();
	test_once();
	return tap_done();
}
