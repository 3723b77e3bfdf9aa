/* rules_test.c - rule files: every key of every shape, then the mistakes of testdata/config/rules. */
#include "config/config.h"
#include "core/tap.h"

#include <glob.h>
#include <stdlib.h>

static struct config *
rules(const char *text, struct diags *d)
{
	diags_init(d);
	return config_rules_text("r.yaml", str_of(text), d);
}

static void
test_record(const struct rule_def *r)
{
	isz(r->name.s, "failed", "rule");
	ok(r->loc.line == 2 && r->loc.col == 3, "its place");
	ok(r->nfrom == 2 && strcmp(r->from[1].s, "in") == 0 && r->nby == 2 && strcmp(r->by[1].s, "extra.stage") == 0,
		"from, by");
	ok(r->by[1].loc.line == 4 && r->by[1].loc.col == 16, "the place of a list's entry");
	isz(r->where.s, "message =~ \"a${x}\"", "$${ is a literal ${");
	ok(r->when.given && !r->when.by_level && strcmp(r->when.one.s, "prev.state == \"RUNNING\" and state in [\"FAILED\"]") == 0,
		"when");
	ok(r->hold == 0 && r->forget == INT64_C(7) * 86400 * NS_PER_S, "hold: 0, forget by default");
	ok(r->over == NS_NONE && r->within == NS_NONE && r->absent == NS_NONE && r->every == NS_NONE, "no other shape");
	ok(r->severity == LEVEL_ERROR, "severity from a default");
	isz(r->title.s, "{run_id} failed", "title");
	ok(r->title.loc.line == 9 && r->title.loc.col == 11, "a quoted text's place is past the quote");
	isz(r->text.s, "one\ntwo\n", "a block");
	ok(r->text.loc.line == 11 && r->text.loc.col == 5, "a block's place is its first character");
	ok(r->labels.n == 2 && strcmp(r->labels.k[1], "tier") == 0 && strcmp(r->labels.v[1], "1") == 0, "labels");
	ok(r->ncontext == 1 && r->nfingerprint == 1 && strcmp(r->fingerprint[0].s, "logger") == 0, "context, fingerprint");
	ok(r->shadow && r->max_keys == 500 && r->regex_limit == 20000 && r->regex_subject == 16384, "shadow, max_keys, regex");
	ok(!r->broken, "whole");
}

static void
test_window(const struct rule_def *r, const struct rule_def *burst)
{
	ok(r->over == 600 * NS_PER_S && r->every == 10 * NS_PER_S && r->no_data == NO_DATA_KEEP, "over, every, no_data");
	ok(r->when.given && r->when.by_level && r->when.one.s == NULL && r->when.level[LEVEL_INFO].s == NULL, "when by level");
	isz(r->when.level[LEVEL_CRITICAL].s, "p95(ms) > 8", "one level's condition");
	ok(r->when.level[LEVEL_CRITICAL].loc.line == 5 && r->when.level[LEVEL_CRITICAL].loc.col == 43, "and place");
	ok(r->resolve_when.by_level && r->resolve_when.level[LEVEL_WARNING].s, "resolve_when by level");
	ok(r->for_given && r->for_[LEVEL_CRITICAL] == 120 * NS_PER_S && r->for_[LEVEL_WARNING] == NS_NONE, "for by level");
	ok(burst->for_given && burst->for_[LEVEL_INFO] == 30 * NS_PER_S && burst->for_[LEVEL_CRITICAL] == 30 * NS_PER_S,
		"one for serves all");
	ok(burst->no_data == NO_DATA_DEFAULT && burst->severity == LEVEL_WARNING && burst->every == NS_NONE &&
			burst->max_keys == 100000 && burst->regex_limit == 10000 && burst->regex_subject == 8192 &&
			burst->max_values == 10000 && !burst->resolve_when.given,
		"defaults");
}

static void
test_expect_file(void)
{
	struct diags d;
	diags_init(&d);
	struct config *c = config_rules_text("testdata/config/r.yaml",
		STR("rules:\n- {rule: a, by: w, absent: 5m, expect: {file: expect/workers.yaml}}\n"
		"- {rule: b, by: w, absent: 5m, expect: {file: expect/none.yaml}}\n"), &d);
	ok(c->nrule >= 1 && c->rule[0].nexpect == 2, "the keys of a file");
	isz(c->rule[0].expect[1][0].s, "2", "one of them");
	ok(strstr(c->rule[0].expect[1][0].loc.file, "workers.yaml") && c->rule[0].expect[1][0].loc.line == 2, "and its place");
	ok(d.n == 1 && strstr(buf_z(&d.text), "none.yaml: cannot read it"), "a file that is not there");
	config_free(c);
	diags_free(&d);
}

static void
test_others(const struct rule_def *pair, const struct rule_def *absent, const struct rule_def *first)
{
	ok(strcmp(pair->open.s, "event == \"start\"") == 0 && pair->close.s && pair->within == 1800 * NS_PER_S, "pair");
	ok(pair->forget == INT64_C(8) * 86400 * NS_PER_S && pair->hold == NS_NONE, "forget");
	ok(absent->absent == 300 * NS_PER_S && absent->nexpect == 2, "absent, expect");
	isz(absent->expect[0][0].s, "\"w1\"", "a text");
	isz(absent->expect[0][1].s, "3", "3.0 is the number 3");
	isz(absent->expect[1][1].s, "\"4\"", "\"4\" is a text");
	ok(absent->expect[1][1].loc.line == 22 && absent->expect[1][1].loc.col == 31, "its place");
	ok(strcmp(first->first.s, "extra.code") == 0 && first->learn == 0 && first->max_values == 50 &&
			first->hold == 300 * NS_PER_S,
		"first");
}

static void
test_good(void)
{
	static const char *const files[] = { "testdata/config/good/rules/a.yaml", "testdata/config/good/rules/b.yaml" };
	struct diags d;
	diags_init(&d);
	struct config *c = config_load_rules(files, 2, &d);
	isz(buf_z(&d.text), "", "no mistakes; from is not checked without sources");
	ok(c->nrule == 6 && d.nwarn == 0, "six rules");
	if (c->nrule == 6) {
		test_record(&c->rule[0]);
		test_window(&c->rule[1], &c->rule[2]);
		test_others(&c->rule[3], &c->rule[4], &c->rule[5]);
		isz(c->rule[5].loc.file, files[1], "the place names the file");
	}
	config_free(c);
	diags_free(&d);
}

static char *
slurp(const char *path)
{
	char *text = xcalloc(1, 65536);
	FILE *f = fopen(path, "r");
	if (f) {
		text[fread(text, 1, 65535, f)] = '\0';
		fclose(f);
	}
	return text;
}

static void
golden(const char *const *files, size_t n, const char *path)
{
	struct diags d;
	diags_init(&d);
	struct config *c = config_load_rules(files, n, &d);
	char *want = slurp(path), *got = xasprintf("%s%s", buf_z(&d.text), buf_z(&d.warn));
	isz(got, want, files[0]);
	ok(d.n > 0, "and there are mistakes");
	for (size_t i = 0; i < c->nrule; i++)
		if (c->rule[i].name.s == NULL)
			ok(false, "a rule without a name");
	free(got);
	free(want);
	config_free(c);
	diags_free(&d);
}

static void
test_bad(void)
{
	static const char *const same[] = { "testdata/config/rules/same-a.yaml", "testdata/config/rules/same-b.yaml" };
	glob_t g;
	must(glob("testdata/config/rules/*.yaml", 0, NULL, &g) == 0);
	ok(g.gl_pathc >= 10, "bad rule files are there");
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *one[] = { g.gl_pathv[i] };
		char *name = xstrndup(one[0], strlen(one[0]) - 5), *path = xasprintf("%s.txt", name);
		if (strstr(one[0], "same-") == NULL)
			golden(one, 1, path);
		free(path);
		free(name);
	}
	globfree(&g);
	golden(same, 2, "testdata/config/rules/same-a.txt");
}

/* A rule with a mistake keeps its shape, so that its expressions are checked as what they were meant for. */
static void
test_broken(void)
{
	struct diags d;
	struct config *c = rules("rules:\n- rule: w\n  over: 5\n  when: count() > 1\n- rule: p\n  open: a\n  close:\n  within: 5m\n"
		"- when: a\n- rule: fine\n  when: a\n", &d);
	ok(d.n == 3 && c->nrule == 4, "three mistakes, all rules kept");
	ok(c->rule[0].broken && c->rule[0].over != NS_NONE, "a window stays a window");
	ok(c->rule[1].broken && c->rule[1].close.s && c->rule[1].within == 300 * NS_PER_S, "a pair stays a pair");
	ok(c->rule[2].broken && c->rule[2].name.s, "a nameless rule has a name to print");
	ok(!c->rule[3].broken, "the next one is whole");
	config_free(c);
	diags_free(&d);
}

static void
test_many(void)
{
	struct diags d;
	struct buf b;
	buf_init(&b, 4 << 20);
	buf_addz(&b, "rules:\n");
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "- {rule: r%d, when: a == %d}\n", i, i);
	buf_addz(&b, "- {rule: r17, when: a == 1}\n");
	struct config *c = rules(buf_z(&b), &d);
	ok(c->nrule == 5001 && d.n == 1, "5,001 rules and one name given twice");
	isz(buf_z(&d.text), "r.yaml:5002:10: rule \"r17\" is there already: r.yaml:19:10\n", "which says where the first is");
	config_free(c);
	diags_free(&d);
	buf_free(&b);
}

int
main(void)
{
	test_expect_file();
	setenv("MONITORING_KEY", "k3y", 1);
	unsetenv("MONITORING_SEVERITY");
	unsetenv("WEIR_UNSET");
	test_good();
	test_bad();
	test_broken();
	test_many();
	return tap_done();
}
