/* compile_test.c - rules to programs: pane lengths, windows, shared cells and keys, dispatch, and refusals word by word. */
#include "rules/rig.h"
#include "rules/route.h"

#include <stdlib.h>

/* `over` to the default `every` and the rounded `over`, in seconds: over / 60 up to whole seconds, at least 1, at most
 * the greater of 60 and over / 240. */
static const struct {
	const char *over;
	int64_t every, rounded;
} defaults[] = {
	{ "1ms", 1, 1 }, { "1s", 1, 1 }, { "59s", 1, 59 }, { "1m", 1, 60 }, { "60001ms", 2, 62 }, { "61s", 2, 62 }, { "2m", 2, 120 },
	{ "5m", 5, 300 }, { "301s", 6, 306 }, { "10m", 10, 600 }, { "1h", 60, 3600 }, { "3601s", 60, 3660 }, { "90m", 60, 5400 },
	{ "4h", 60, 14400 }, { "14401s", 61, 14457 }, { "6h", 90, 21600 }, { "1d", 360, 86400 }, { "7d", 2520, 604800 },
};

static void
panes(void)
{
	for (size_t i = 0; i < COUNT_OF(defaults); i++) {
		struct rig r;
		char *text = xasprintf("rules:\n- {rule: w, over: %s, when: count() > 0}\n", defaults[i].over);
		unsigned wrong = rig_load(&r, text, 1);
		const struct rule *w = &r.rules->rule[0];
		if (!ok(wrong == 0 && w->every == defaults[i].every * NS_PER_S && w->over == defaults[i].rounded * NS_PER_S &&
			w->own_panes == w->over / w->every && w->panes == w->own_panes, "over: %s", defaults[i].over))
			printf("# every %lld, over %lld ns\n", (long long)w->every, (long long)w->over);
		free(text);
		rig_free(&r);
	}
}

static void
windows(void)
{
	struct rig r;
	ok(rig_load(&r, "rules:\n- rule: w\n  by: k\n  over: 10s\n  every: 4s\n  when: avg(n) over 1m > 2 and sum(n) + max(n) over 1s > p50(n) - p95(n) and count() > 0\n"
		"- {rule: v, by: k, over: 12s, every: 4s, when: rate(n > 1) > 1, no_data: keep}\n- {rule: u, over: 1m, when: count() > 0}\n", 1) == 0,
		"windows of their own");
	const struct rule *w = &r.rules->rule[0], *v = &r.rules->rule[1], *u = &r.rules->rule[2];
	ok(w->over == 12 * NS_PER_S && w->own_panes == 3 && w->panes == 15, "each is rounded up to panes, the key lives by the longest");
	ok(w->ncell == 3, "sum and avg share a cell, both quantiles too; max has one");
	size_t max = 0;
	while (max < w->aggs.n && w->agg[max].fn != AGG_MAX)
		max++;
	ok(max < w->aggs.n && w->agg[max].panes == 1, "shorter than a pane: one pane");
	ok(v->agg[0].seconds == 12 && v->agg[0].panes == 3, "rate counts in the rounded window");
	ok(w->keyset == v->keyset && w->pane_class == v->pane_class && u->keyset != w->keyset && u->pane_class != w->pane_class,
		"equal keys and panes are shared");
	ok(w->no_data == NO_DATA_RESOLVE && v->no_data == NO_DATA_KEEP && u->no_data == NO_DATA_EVALUATE, "no_data by its default");
	rig_free(&r);
}

static void
dispatching(void)
{
	struct rig r;
	ok(rig_load(&r, "rules:\n- {rule: a, where: 'stage == \"m\" and n > 1', by: k, over: 1m, when: count() > 0}\n"
		"- {rule: b, when: 'e in [\"x\", \"y\"]'}\n- {rule: c, when: 'prev.n < n and e == \"x\"'}\n"
		"- {rule: d, by: k, open: e == \"o\", close: e == \"c\", within: 1m}\n"
		"- {rule: e, by: k, open: e == \"o\", close: e == \"c\", within: 1m, forget: 1h}\n"
		"- {rule: f, by: k, open: e == \"o\", close: x == \"c\", within: 1m}\n- {rule: g, when: n == 1}\n"
		"- {rule: h, when: {info: e == \"x\", error: e == \"y\"}}\n", 1) == 0, "rules behind an equality");
	const struct rule *v = r.rules->rule;
	ok(v[0].dispatch.slot >= 0 && v[0].dispatch.nlits[0] == 1 && v[1].dispatch.nlits[0] == 2, "of `where`, of `when`, with `in`");
	ok(v[2].dispatch.slot < 0, "with prev each record counts");
	ok(v[3].dispatch.slot >= 0 && v[3].dispatch.nlits[1] == 1, "a pair whose both sides test one field");
	ok(v[4].dispatch.slot < 0 && v[5].dispatch.slot < 0 && v[7].dispatch.slot < 0, "forget, two fields, levels: each record");
	ok(r.source[0].nroute == 2 && r.source[0].nalways == 5, "two look-ups a record, the number's equality and four see all");
	rig_free(&r);
}

/* Values alike in length, ends and middle, in tables small and large. */
static void
routes(size_t n)
{
	struct rig r;
	struct buf text;
	buf_init(&text, 1 << 20);
	buf_addz(&text, "rules:\n");
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "- {rule: r%zu, when: 'user in [\"u-%03zu-00-x\", \"all\"]'}\n", i, i);
	bool good = rig_load(&r, buf_z(&text), 1) == 0 && r.source[0].nroute == 1 && r.source[0].nalways == 0;
	const uint32_t *v;
	for (size_t i = 0; i < n + 5; i++) {
		char *z = xasprintf("u-%03zu-00-x", i);
		struct slice s = { z, (uint32_t)strlen(z), K_STR, 0 };
		size_t found = route_find(&r.source[0].route[0], &s, &v);
		good &= i < n ? found == 1 && v[0] == i : found == 0;
		free(z);
	}
	struct slice all = { "all", 3, K_STR, 0 }, none = { "", 0, K_STR, 0 };
	good &= route_find(&r.source[0].route[0], &all, &v) == n && v[n - 1] == n - 1 && route_find(&r.source[0].route[0], &none, &v) == 0;
	ok(good, "%zu rules behind values of one field", n);
	buf_free(&text);
	rig_free(&r);
}

static void
told(const char *rules, const char *want, const char *name)
{
	struct diags d;
	diags_init(&d);
	struct config *c = config_rules_text("r.yaml", str_of(rules), &d);
	struct ruleset *rs = ruleset_new(c, &d);
	isz(buf_z(&d.text), want, name);
	ruleset_free(rs);
	config_free(c);
	diags_free(&d);
}

static void
refusals(void)
{
	told("rules:\n- {rule: c, over: 1d, when: 'streak(n > 1) > 0 and avg(n) > 2 * baseline(avg(n), 2d)'}\n",
		"r.yaml:2:3: rule c: the D of baseline(A, D) must be at least four times `over`: 4d\n", "a baseline too short");
	told("rules:\n- {rule: d, absent: 5m}\n- {rule: e, by: k, first: n, learn: x}\n",
		"r.yaml:3:37: learn: \"x\" is no duration such as 250ms, 30s, 5m, 1h30m or 7d\n", "presence rules");
	told("rules:\n- {rule: f, over: 365d, every: 1s, when: count() > 0}\n",
		"r.yaml:2:3: rule f: its windows have 31536000 panes, at most 1000000 are kept; make `every` longer\n", "panes");
	told("rules:\n- {rule: g, by: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q], when: n > 0}\n",
		"r.yaml:2:17: by: more than 16 entries\n", "17 fields");
	told("rules:\n- {rule: j, when: sum(n) > 0, title: '{n'}\n",
		"r.yaml:2:19: sum() needs a window: aggregates stand in `when` of a rule with `over`\n"
		"r.yaml:2:39: `{` without its `}` (write {{ for a brace)\n", "an aggregate in a record rule, and its title");
	told("rules:\n- {rule: k, open: prev.n > 1, close: n >, within: 3m}\n- {rule: l, where: 1 +, over: 1m, when: count(n >) > 1}\n"
		"- {rule: m, by: 'a b', when: n > 0}\n",
		"r.yaml:2:19: prev.FIELD is for `when` of a record rule (a field of that name: [\"prev\"].FIELD)\n"
		"r.yaml:2:41: expected a value, found the end\nr.yaml:3:23: expected a value, found the end\n"
		"r.yaml:3:50: expected a value, found ')'\n"
		"r.yaml:4:20: expected the end of the field's name, found 'b' (other characters: [\"any key\"])\n",
		"mistakes in every place of a rule are told");
}

int
main(void)
{
	panes();
	windows();
	dispatching();
	routes(3);
	routes(500);
	refusals();
	return tap_done();
}
