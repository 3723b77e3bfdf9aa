/* ruletest_test.c - rule unit tests as a library: instants, order of arrival, numbers, texts; and that asking changes nothing. */
#include "core/ruletest.h"

#include "core/tap.h"
#include "core/units.h"

#include <stdlib.h>
#include <unistd.h>

static const char rules[] =
	"rules:\n"
	"- rule: errors\n"
	"  by: k\n"
	"  over: 10s\n"
	"  when: count(level == \"ERROR\") >= 3\n"
	"- rule: hung\n"
	"  by: s\n"
	"  open: e == \"start\"\n"
	"  close: e == \"end\"\n"
	"  within: 1m\n"
	"- rule: hit\n"
	"  by: k\n"
	"  when: v > 10\n"
	"  hold: 30s\n"
	"- rule: after\n"
	"  by: k\n"
	"  when: prev.v > v\n"
	"  hold: 0\n"
	"- rule: of-app\n"
	"  from: app\n"
	"  when: v == 5\n";

static char dir[] = "/tmp/weir-ruletest-XXXXXX";

static char *
put(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	must(f && fputs(text, f) >= 0 && fclose(f) == 0);
	return path;
}

/* A test file of one test: its records and expectations. */
static bool
load(struct rt_file *f, const char *records, const char *expect)
{
	char *text = xasprintf("rules: r.yaml\ntests:\n- name: t\n%s  expect:\n%s", records, expect);
	char *path = put("a_test.yaml", text);
	bool good = rt_load(f, path);
	if (!good)
		printf("# %s", buf_z(&f->app.diags.text));
	free(text);
	free(path);
	return good;
}

static bool
passes(const char *records, const char *expect)
{
	struct rt_file f;
	bool good = load(&f, records, expect);
	if (good) {
		rt_run(&f, &f.test[0], NULL);
		good = !f.test[0].failed;
	}
	if (!good)
		printf("# %s", f.ntest ? buf_z(&f.test[0].what) : "");
	rt_file_free(&f);
	return good;
}

/* It fails, and says this. */
static bool
fails(const char *records, const char *expect, const char *says)
{
	struct rt_file f;
	bool good = load(&f, records, expect);
	if (good) {
		rt_run(&f, &f.test[0], NULL);
		good = f.test[0].failed && str_has(buf_str(&f.test[0].what), str_of(says));
		if (!good)
			printf("# said: %s", buf_z(&f.test[0].what));
	}
	rt_file_free(&f);
	return good;
}

static bool
refused(const char *text, const char *says)
{
	struct rt_file f;
	char *path = put("bad_test.yaml", text);
	bool good = !rt_load(&f, path) && str_has(buf_str(&f.app.diags.text), str_of(says));
	if (!good)
		printf("# said: %s", buf_z(&f.app.diags.text));
	rt_file_free(&f);
	free(path);
	return good;
}

#define START "  records: |\n    0s {\"s\":1,\"e\":\"start\"}\n"

static void
instants(void)
{
	ok(passes(START, "  - {at: 59999999999ns, rule: hung, state: ok}\n"), "a ns before a pair is due: ok");
	ok(passes(START, "  - {at: 1m, rule: hung, state: firing}\n"), "at its time it fires, though no record says that it is so late");
	ok(passes(START "    1m {\"s\":1,\"e\":\"end\"}\n", "  - {at: 1m, rule: hung, state: resolved}\n  - {count: {rule: hung, is: 1}}\n"),
		"a timer runs before the records of its instant, and those are applied");
	ok(passes(START, "  - {never: hung}\n"), "time ends at the last record");
	ok(passes("  until: 59s\n" START, "  - {never: hung}\n"), "or at until");
	ok(!passes("  until: 1m\n" START, "  - {never: hung}\n"), "which counts itself");
	ok(passes("  until: 5s\n  records: |\n    0s x20 every 1s {\"k\":1,\"v\":11}\n", "  - {at: 5s, rule: hit, state: firing}\n"
		"  - {count: {rule: hit, event: resolved, is: 0}}\n"), "records past until do not count");
	ok(passes("  records: |\n    0s x3 every 1s {\"k\":\"a\",\"level\":\"ERROR\"}\n",
		"  - {at: 2s, rule: errors, state: ok}\n  - {at: 3s, rule: errors, state: firing}\n  - {at: 10s, rule: errors, state: firing}\n"
		"  - {at: 11s, rule: errors, state: resolved}\n"), "a window at its boundaries");
}

static void
states(void)
{
	const char *two = "  records: |\n    0s {\"k\":1,\"v\":11}\n    20s {\"k\":2,\"v\":12}\n    40s {\"k\":3,\"v\":1}\n";
	ok(passes(two, "  - {at: 35s, rule: hit, state: firing}\n"), "no key: any key that is so");
	ok(passes(two, "  - {at: 35s, rule: hit, state: resolved}\n"), "of several");
	ok(fails(two, "  - {at: 35s, rule: hit, state: ok}\n", "{\"k\":2} is firing since 20s; told then: level warning, value 12, count 1"),
		"ok: none may be open");
	ok(passes(two, "  - {at: 50s, rule: hit, state: ok}\n"), "resolved is ok");
	ok(passes(two, "  - {at: 35s, rule: hit, state: firing, key: {k: 2}, value: 12, level: warning, count: 1}\n"), "fields of one alert");
	ok(fails(two, "  - {at: 35s, rule: hit, state: firing, value: 11}\n", "should be firing, value 11"), "all of one and the same");
	ok(fails(two, "  - {at: 35s, rule: hit, state: firing, key: {k: \"2\"}}\n", "no alert of this rule and key"),
		"a key in quotes is a string");
	ok(passes(two, "  - {at: 35s, rule: hit, state: firing, cause: null, stage: ~}\n"), "null is nothing there");
	ok(fails(two, "  - {at: 50s, rule: hit, cause: forgotten}\n", "cause forgotten"), "which is no text");
	const char *hold0 = "  records: |\n    1s {\"k\":1,\"v\":2}\n    2s {\"k\":1,\"v\":1}\n";
	ok(passes(hold0, "  - {at: 2s, rule: after, state: firing}\n  - {at: 2001ms, rule: after, state: ok}\n"), "hold: 0 fires at its instant");
	ok(fails(hold0, "  - {at: 3s, rule: after, state: firing}\n", "ok (it was over at once) since 2s"), "and is over then");
}

static void
arrival(void)
{
	ok(passes("  records: |\n    0s x3 every 2s {\"k\":1,\"v\":{n}}\n    1s x3 every 2s {\"k\":1,\"v\":1{n}}\n",
		"  - {count: {rule: after, is: 2}}\n  - {at: 2s, rule: after, state: firing, value: 10}\n"),
		"lines that overlap are one order of time, {n} counts from 0");
	ok(passes("  records: |\n    0s {\"k\":1,\"v\":2,\"ts\":946684810}\n    0s {\"k\":1,\"v\":1,\"ts\":946684805}\n",
		"  - {never: after}\n  - {at: 5s, rule: after, state: ok}\n"), "a record arrives no sooner than it was written");
	ok(passes("  records: |\n    0s {\"k\":1,\"v\":20}\n    50s {\"k\":1,\"v\":20,\"ts\":946684801}\n    51s {\"k\":2}\n",
		"  - {count: {rule: hit, is: 1}}\n  - {at: 20s, rule: hit, state: firing, count: 1}\n"),
		"one that comes late counts where its partition's time stands");
	ok(passes("  source: app\n  records: |\n    0s {\"v\":5}\n", "  - {at: 0s, rule: of-app, state: firing}\n"), "a source that a rule names");
	ok(passes("  records: |\n    0s {\"v\":5}\n", "  - {at: 0s, rule: of-app, state: firing}\n"), "the only one is the default");
	ok(passes("  records:\n    \"\": |\n      0s {\"v\":5}\n", "  - {at: 0s, rule: of-app, state: firing}\n"), "the nameless one is for all");
}

static void
values(void)
{
	static const struct {
		const char *v;
		bool good;
	} v[] = { { "11.123", true }, { "11.12", false }, { "11.12345", false }, { "11.123456", true }, { "11.1235", true }, { "11", false },
		{ "1112.3456%", true }, { "\"11.123456\"", false }, { "null", false } };
	for (size_t i = 0; i < COUNT_OF(v); i++) {
		char *expect = xasprintf("  - {at: 0s, rule: hit, value: %s}\n", v[i].v);
		ok(passes("  records: |\n    0s {\"k\":1,\"v\":11.123456}\n", expect) == v[i].good, "11.123456 is %s%s", v[i].good ? "" : "not ",
			v[i].v);
		free(expect);
	}
}

static void
why(void)
{
	const char *e = "  records: |\n    0s x2 every 1s {\"k\":\"a\",\"level\":\"ERROR\"}\n    2s {\"k\":\"a\",\"level\":\"INFO\"}\n";
	ok(fails(e, "  - {at: 4s, rule: errors, state: firing}\n", "at 3s, {\"k\":\"a\"}\n      when:\n        false: count(level == \"ERROR\") >= 3: 2 >= 3"),
		"the condition at the last boundary at which it could change");
	ok(fails(e, "  - {at: 4s, rule: errors, state: firing}\n", "3 records up to then, last\n        0s "), "and the records of the key");
	ok(fails(e, "  - {at: 1s, rule: errors, state: firing}\n", "2 records up to then"), "none that come after");
	ok(fails(e, "  - {at: 4s, rule: errors, state: firing, key: {k: b}}\n", "the rule saw no record of this key"), "none at all");
	ok(fails("  records: |\n    0s {\"k\":1,\"v\":2}\n    1s {\"k\":1,\"v\":3}\n", "  - {at: 1s, rule: after, state: firing}\n",
		"false: prev.v > v: 2 > 3"), "with the previous record");
	ok(fails("  records: |\n    0s {\"k\":1,\"v\":2}\n    1s {\"k\":1,\"v\":3}\n", "  - {at: 0s, rule: after, state: firing}\n",
		"null: prev.v > v: null > 2"), "and where there is none");
	ok(fails(START "    5s {\"s\":1,\"e\":\"end\"}\n", "  - {at: 2m, rule: hung, state: firing}\n", "<- closes"), "what opened and closed");
}

/* The transitions are the same whatever is asked, and how often. */
static void
asking(void)
{
	struct buf expect;
	const char *records = "  records: |\n    0s x50 every 700ms {\"k\":{n},\"v\":12,\"level\":\"ERROR\"}\n    3s x40 every 900ms "
			      "{\"k\":7,\"v\":{n},\"level\":\"ERROR\",\"s\":{n},\"e\":\"start\"}\n    9s x9 every 3s {\"ts\":9466848{n},\"k\":1,\"v\":99}\n"
			      "    5m {\"k\":1}\n";
	struct rt_log one, many;
	struct rt_file f, g;
	buf_init(&expect, 1 << 20);
	for (int i = 0; i < 200; i++)
		buf_printf(&expect, "  - {at: %dms, rule: errors, level: warning}\n", i * 997);
	ok(load(&f, records, "  - {never: errors}\n") && load(&g, records, buf_z(&expect)), "two files with the same records");
	rt_feed(&f, &f.test[0], NULL, NULL, NULL, &one);
	rt_feed(&g, &g.test[0], NULL, NULL, NULL, &many);
	bool same = one.n == many.n && one.n > 50;
	for (size_t i = 0; same && i < one.n; i++) {
		struct buf a, b;
		buf_init(&a, 1 << 20);
		buf_init(&b, 1 << 20);
		alert_json(&a, &one.v[i]);
		alert_json(&b, &many.v[i]);
		same = str_eq(buf_str(&a), buf_str(&b));
		buf_free(&a);
		buf_free(&b);
	}
	ok(same, "%zu transitions, the same with one question and with 200", one.n);
	rt_log_free(&one);
	rt_log_free(&many);
	rt_file_free(&f);
	rt_file_free(&g);
	buf_free(&expect);
}

static void
coverage(void)
{
	struct rt_file f, g;
	struct rt_cover *c = rt_cover_new();
	struct buf out;
	buf_init(&out, 1 << 20);
	must(load(&f, "  records: |\n    0s {\"k\":1,\"v\":11}\n    1s {\"k\":1,\"v\":1}\n", "  - {at: 0s, rule: hit, state: firing}\n"));
	must(load(&g, START, "  - {at: 1m, rule: hung, state: firing}\n"));
	rt_run(&f, &f.test[0], c);
	rt_run(&g, &g.test[0], c);
	rt_cover_report(c, &out);
	ok(str_has(buf_str(&out), STR("coverage: 3 of 5 rules fired")), "rules fired, over two files");
	ok(!str_has(buf_str(&out), STR(" hit")), "one that was seen true and false is not told");
	ok(str_has(buf_str(&out), STR("hung, close: never true: e == \"end\"")), "a condition never true");
	ok(str_has(buf_str(&out), STR("errors never fired")) && str_has(buf_str(&out), STR("errors, when: never true")), "a rule never fired");
	rt_cover_free(c);
	rt_file_free(&f);
	rt_file_free(&g);
	buf_free(&out);
}

static void
junit(void)
{
	struct rt_file f, *v = &f;
	struct buf out;
	buf_init(&out, 1 << 20);
	char *path = put("a_test.yaml", "rules: r.yaml\ntests:\n- name: \"<a> & \\\"b\\\" \\e[1m\\n\"\n  records: \"0s {}\"\n  expect: [{never: hit}]\n");
	must(rt_load(&f, path));
	rt_run(&f, &f.test[0], NULL);
	rt_report_junit(&v, 1, &out);
	ok(str_has(buf_str(&out), STR("name=\"&lt;a&gt; &amp; &quot;b&quot; ?[1m&#10;\"")), "what XML cannot hold is escaped or replaced");
	ok(str_has(buf_str(&out), STR("tests=\"1\" failures=\"0\" errors=\"0\"")), "the sums");
	rt_file_free(&f);
	buf_free(&out);
	free(path);
}

#define TEST "rules: r.yaml\ntests:\n- name: t\n"

static void
mistakes(void)
{
	static const struct {
		const char *text, *says;
	} v[] = {
		{ "", "bad_test.yaml:1:1: a test file is a mapping" },
		{ "tests: []\n", "\"rules\" is missing" },
		{ "rules: r.yaml\n", "\"tests\" is missing" },
		{ "rules: r.yaml\ntests: []\n", ":2:8: there are no tests" },
		{ "rules: r.yaml\nconfig: c.yaml\ntests: []\n", "not both" },
		{ "rules: [r.yaml, s*.yaml]\ntests: []\n", ":1:17: rules: there is no file \"s*.yaml\"" },
		{ TEST "  records: \"0s x0 {}\"\n  expect: [{never: hit}]\n", ":4:16: xN says" },
		{ TEST "  records: \"0s x99999999999999999999 {}\"\n  expect: [{never: hit}]\n", ":4:16: xN says" },
		{ TEST "  records: \"0s x10000000 every 3650d {}\"\n  expect: [{never: hit}]\n", "past the year 2200" },
		{ TEST "  records: |\n    0s x10000000 {}\n    1s {}\n  expect: [{never: hit}]\n", "more than 10000000 records" },
		{ TEST "  records: \"-1s {}\"\n  expect: [{never: hit}]\n", "begins with its time" },
		{ TEST "  records: \"0s {\\\"a\\\":1} {}\"\n  expect: [{never: hit}]\n", "no JSON object (second value)" },
		{ TEST "  records: \"0s {}\"\n  expect: [{never: hit, key: 5}]\n", "key must be a mapping" },
		{ TEST "  records: \"0s {}\"\n  expect: [{never: hit, key: {kk: 5}}]\n", "did you mean \"k\"" },
		{ TEST "  records: \"0s {}\"\n  expect: {never: hit}\n", "expect is no list" },
		{ TEST "  records: \"${SECRET}\"\n  expect: [{never: hit}]\n", "SECRET" },
		{ TEST "  records_file: nowhere.log\n  expect: [{never: hit}]\n", ":4:17: records_file: cannot read" },
		{ TEST "  records: {ap: \"0s {}\"}\n  expect: [{never: hit}]\n", "did you mean \"app\"" },
	};
	for (size_t i = 0; i < COUNT_OF(v); i++)
		ok(refused(v[i].text, v[i].says), "refused: %s", v[i].says);
}

int
main(void)
{
	must(mkdtemp(dir));
	free(put("r.yaml", rules));
	instants();
	states();
	arrival();
	values();
	why();
	asking();
	coverage();
	junit();
	mistakes();
	const char *names[] = { "r.yaml", "a_test.yaml", "bad_test.yaml" };
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char *path = xasprintf("%s/%s", dir, names[i]);
		unlink(path);
		free(path);
	}
	rmdir(dir);
	return tap_done();
}
