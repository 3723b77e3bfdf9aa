/* engine_test.c - rules end to end: a rule text and a few records (rig.h), and the transitions worked out by hand. */
#include "rules/rig.h"

#include <stdio.h>

struct engine_case {
	const char *name, *rules, *parts, *script;
	nsec until;
	const char *want;
	bool replay;
};

#define S NS_PER_S

static void
run_case(const struct engine_case *c)
{
	struct rig r;
	unsigned wrong = rig_load(&r, c->rules, strpbrk(c->parts, "cd") ? 2 : 1);
	r.replay = c->replay;
	if (wrong == 0)
		rig_script(&r, c->parts, c->script, c->until);
	if (!ok(wrong == 0 && strcmp(buf_z(&r.out), c->want) == 0, "%s", c->name))
		printf("# got:\n%s# want:\n%s", buf_z(&r.out), c->want);
	rig_free(&r);
}

/* ---- record rules ---- */

static const struct engine_case records[] = {
	{ "record: less than hold after the last match goes on, at last + hold it is over",
		"rules:\n- {rule: h, when: n > 0, hold: 10s}\n", "a",
		"a 0 'n':1\na 9.999 'n':2\na 19.998 'n':3\na 29.998 'n':4\n", 60 * S,
		"0.000 firing h warning {} value=1 count=1 start=0.000\n"
		"29.998 resolved h warning {} value=3 count=3 start=0.000\n"
		"29.998 firing h warning {} value=4 count=1 start=29.998\n"
		"39.998 resolved h warning {} value=4 count=1 start=29.998\n", false },
	{ "record: a match within the same instant is one alert; output ends where time ends",
		"rules:\n- {rule: h, when: n > 0, hold: 10s, severity: error}\n", "a",
		"a 5 'n':1\na 5 'n':7\na 14.999 'n':0\n", 0,
		"5.000 firing h error {} value=1 count=1 start=5.000\n", false },
	{ "record: the timer of an instant runs before its records, and at the end of input",
		"rules:\n- {rule: h, when: n > 0, hold: 10s}\n", "a",
		"a 5 'n':1\na 15 'n':0\n", 0,
		"5.000 firing h warning {} value=1 count=1 start=5.000\n"
		"15.000 resolved h warning {} value=1 count=1 start=5.000\n", false },
	{ "record: prev is of the key; a late record is tested against it and is none itself",
		"rules:\n- {rule: p, by: k, when: prev.n < n, hold: 0}\n", "a",
		"a 10 'k':1,'n':5\na 11 'k':2,'n':9\na 20 'k':1,'n':3\n"
		"a 12 'k':1,'n':8\n" /* late: its time is the mark, 18; prev on time applied before 18 is n=5 */
		"a 21 'k':1,'n':4\n" /* prev is 3, not 8 */
		"a 22 'k':2,'n':9\n", 0,
		"18.000 firing p warning {\"k\":1} value=5 count=1 start=18.000\n"
		"21.000 firing p warning {\"k\":1} value=3 count=1 start=21.000\n", false },
	{ "record: the value of prev stays that of the last match when it resolves",
		"rules:\n- {rule: p, when: 'prev.s == \"RUN\" and s == \"FAIL\"', hold: 5s}\n", "a",
		"a 1 's':'RUN'\na 2 's':'FAIL'\na 3 's':'x'\n", 10 * S,
		"2.000 firing p warning {} value=\"RUN\" count=1 start=2.000\n"
		"7.000 resolved p warning {} value=\"RUN\" count=1 start=2.000\n", false },
	{ "record: what names the record itself is a value too",
		"rules:\n- {rule: f, when: '@file == \"x.log\"', hold: 5s}\n- {rule: o, when: '@offset >= 7', hold: 0}\n"
		"- {rule: s, when: '@source == \"app\" and n == 1', hold: 5s}\n", "a",
		"a 1 'n':1\na 2 'n':2\n", 10 * S,
		"1.000 firing f warning {} value=\"x.log\" count=1 start=1.000\n"
		"1.000 firing s warning {} value=\"app\" count=1 start=1.000\n"
		"2.000 firing o warning {} value=15 count=1 start=2.000\n"
		"6.000 resolved s warning {} value=\"app\" count=1 start=1.000\n"
		"7.000 resolved f warning {} value=\"x.log\" count=2 start=1.000\n", false },
	{ "record: prev beside what names the record itself",
		"rules:\n- {rule: f, when: 'prev.n == 1 and @file == \"x.log\" and @offset == 15', hold: 0}\n", "a",
		"a 1 'n':1\na 2 'n':2\n", 0,
		"2.000 firing f warning {} value=1 count=1 start=2.000\n", false },
	{ "record: prev is forgotten after `forget`, at that time exactly",
		"rules:\n- {rule: p, by: k, when: prev.n < n, hold: 0, forget: 10m}\n", "a",
		"a 0 'k':1,'n':1\na 0 'k':2,'n':1\na 599.999 'k':1,'n':2\na 600 'k':2,'n':2\n", 0,
		"599.999 firing p warning {\"k\":1} value=1 count=1 start=599.999\n", false },
	{ "record: levels follow the newest match",
		"rules:\n- {rule: l, when: {warning: n > 1, critical: n > 10}, hold: 10s}\n", "a",
		"a 0 'n':2\na 1 'n':20\na 2 'n':3\na 3 'n':4\n", 60 * S,
		"0.000 firing l warning {} value=2 count=1 start=0.000\n"
		"1.000 level l critical {} value=20 count=2 start=0.000\n"
		"2.000 level l warning {} value=3 count=3 start=0.000\n"
		"13.000 resolved l warning {} value=4 count=4 start=0.000\n", false },
	{ "record: one instant is told in the order of rules, then of keys",
		"rules:\n- {rule: b, by: k, when: n > 0, hold: 0}\n- {rule: a, by: [k, s], when: n > 0, hold: 0}\n", "a",
		"a 1 'k':'b','s':'x','n':1\na 1 'k':'a','s':true,'n':1\na 1 'k':12,'s':'x','n':1\na 1 'k':1,'s':'x','n':1\n", 0,
		"1.000 firing b warning {\"k\":\"a\"} value=1 count=1 start=1.000\n"
		"1.000 firing b warning {\"k\":\"b\"} value=1 count=1 start=1.000\n"
		"1.000 firing b warning {\"k\":12} value=1 count=1 start=1.000\n"
		"1.000 firing b warning {\"k\":1} value=1 count=1 start=1.000\n"
		"1.000 firing a warning {\"k\":\"a\",\"s\":true} value=1 count=1 start=1.000\n"
		"1.000 firing a warning {\"k\":\"b\",\"s\":\"x\"} value=1 count=1 start=1.000\n"
		"1.000 firing a warning {\"k\":1,\"s\":\"x\"} value=1 count=1 start=1.000\n"
		"1.000 firing a warning {\"k\":12,\"s\":\"x\"} value=1 count=1 start=1.000\n", false },
	{ "keys: 1 and 1.0 are one, \"1\" is another, null and missing are none",
		"rules:\n- {rule: k, by: k, when: n > 0, hold: 1m}\n", "a",
		"a 1 'k':1,'n':1\na 2 'k':1.0,'n':2\na 3 'k':10e-1,'n':3\na 4 'k':'1','n':4\na 5 'k':null,'n':5\na 6 'n':6\na 7 'k':1e999,'n':7\n", 0,
		"1.000 firing k warning {\"k\":1} value=1 count=1 start=1.000\n"
		"4.000 firing k warning {\"k\":\"1\"} value=4 count=1 start=4.000\n", false },
	{ "keys: @source",
		"rules:\n- {rule: k, by: '@source', when: n > 0, hold: 0}\n- {rule: w, by: ['@source', k], over: 1m, every: 1s, when: 'count() > 0 and @source == \"web\"'}\n",
		"ac", "a 1 'k':1,'n':1\nc 1 'k':1,'n':1\n", 0,
		"1.000 firing k warning {\"@source\":\"app\"} value=1 count=1 start=1.000\n"
		"1.000 firing k warning {\"@source\":\"web\"} value=1 count=1 start=1.000\n", false },
	{ "keys: a window keyed by @source is told apart by it",
		"rules:\n- {rule: w, by: ['@source', k], over: 2s, every: 1s, when: 'count() > 0 and @source == \"web\"'}\n",
		"ac", "a 1 'k':1,'n':1\nc 1 'k':1,'n':1\n", 10 * S,
		"2.000 firing w warning {\"@source\":\"web\",\"k\":1} value=1 count=1 start=2.000\n"
		"4.000 resolved w warning {\"@source\":\"web\",\"k\":1} value=0 count=0 start=2.000 cause=no data\n", false },
	{ "time: a second of NULs is none, before any time was read or after",
		"rules:\n- {rule: t, when: n > 0, hold: 0}\n", "a",
		"a - 'ts':'\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000.5Z','n':1\n"
		"a - 'ts':'1970-01-01T00:00:07.25Z','n':2\na - 'ts':'1970-01-01T00:00:07.5Z','n':3\na - 'ts':'1970-01-01T00:00:07.x5Z','n':4\n"
		"a - 'ts':'1970-01-01T00:00:07.123456789Z','n':5\na - 'ts':'1970-01-01T00:00:07.Z','n':6\n", 0,
		"7.123 firing t warning {} value=5 count=1 start=7.123\n7.250 firing t warning {} value=2 count=1 start=7.250\n"
		"7.500 firing t warning {} value=3 count=1 start=7.500\n7.500 firing t warning {} value=4 count=1 start=7.500\n"
		"7.500 firing t warning {} value=6 count=1 start=7.500\n", false },
	{ "replay: a jump is held until the next timed record says whether it was real",
		"rules:\n- {rule: t, by: i, when: n > 0, hold: 0}\n", "a",
		"a 0 'i':1,'n':1\na 9000 'i':2,'n':1\na - 'i':3,'n':1\na 1 'i':4,'n':1\n" /* false: 2 and 3 take the greatest time, 0 */
		"a 8000 'i':5,'n':1\na 8001 'i':6,'n':1\n", 0,
		"0.000 firing t warning {\"i\":1} value=1 count=1 start=0.000\n"
		"0.000 firing t warning {\"i\":2} value=1 count=1 start=0.000\n"
		"0.000 firing t warning {\"i\":3} value=1 count=1 start=0.000\n"
		"1.000 firing t warning {\"i\":4} value=1 count=1 start=1.000\n"
		"8000.000 firing t warning {\"i\":5} value=1 count=1 start=8000.000\n"
		"8001.000 firing t warning {\"i\":6} value=1 count=1 start=8001.000\n", true },
	{ "replay: a jump at the end of input is real; its @file is its own",
		"rules:\n- {rule: t, when: '@file == \"x.log\" and n > 1', hold: 0}\n", "a",
		"a 0 'n':1\na 9000 'n':2\n", 0,
		"9000.000 firing t warning {} value=\"x.log\" count=1 start=9000.000\n", true },
};

/* ---- windows ---- */

static const struct engine_case windows[] = {
	{ "window: `for` counts from the first true boundary; the id's start is that of pending",
		"rules:\n- {rule: w, over: 4s, every: 2s, when: count() > 1, for: 4s}\n", "a",
		"a 0\na 1\na 2\na 3\na 4\na 5\na 6\na 7\na 8\n", 60 * S,
		"2.000 pending w warning {} value=2 count=2 start=2.000\n"
		"6.000 firing w warning {} value=4 count=4 start=2.000\n"
		"12.000 resolved w warning {} value=1 count=1 start=2.000\n", false },
	{ "window: `for` before 1970",
		"rules:\n- {rule: w, over: 12s, every: 3s, when: count() > 1, for: 6s}\n", "a",
		"a -20\na -19.5\na -9.5\n", 0, /* nothing enters or leaves at -12 */
		"-18.000 pending w warning {} value=2 count=2 start=-18.000\n"
		"-12.000 firing w warning {} value=2 count=2 start=-18.000\n", false },
	{ "window: pending that ends is dropped, without a cause",
		"rules:\n- {rule: w, by: k, over: 2s, every: 2s, when: sum(n) > 1, for: 10s, severity: info}\n", "a",
		"a 0 'k':'x','n':2\na 2 'k':'x','n':1\na 5 'k':'y','n':1\n", 10 * S,
		"2.000 pending w info {\"k\":\"x\"} value=2 count=1 start=2.000\n"
		"4.000 dropped w info {\"k\":\"x\"} value=1 count=1 start=2.000\n", false },
	{ "window: resolve_when decides the end, its value is told; null keeps the state",
		"rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: avg(n) > 10, resolve_when: max(n) < 3}\n", "a",
		"a 0 'k':1,'n':20\na 2 'k':1,'n':5\na 4 'k':1,'n':'no'\na 6 'k':1,'n':2\na 20 'k':1\n", 0,
		"1.000 firing w warning {\"k\":1} value=20 count=1 start=1.000\n"
		"7.000 resolved w warning {\"k\":1} value=2 count=1 start=1.000\n", false },
	{ "window: no_data resolve ends firing and pending with its cause",
		"rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: count() > 0}\n- {rule: p, by: k, over: 2s, every: 1s, when: count() > 0, for: 1h}\n",
		"a", "a 0 'k':1\n", 10 * S,
		"1.000 firing w warning {\"k\":1} value=1 count=1 start=1.000\n"
		"1.000 pending p warning {\"k\":1} value=1 count=1 start=1.000\n"
		"3.000 resolved w warning {\"k\":1} value=0 count=0 start=1.000 cause=no data\n"
		"3.000 dropped p warning {\"k\":1} value=0 count=0 start=1.000 cause=no data\n", false },
	{ "window: no_data keep stays firing over the gap, one alert",
		"rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: count() > 0, no_data: keep, resolve_when: sum(n) > 5}\n",
		"a", "a 0 'k':1,'n':1\na 100 'k':1,'n':1\na 200 'k':1,'n':9\na 300 'k':2\n", 0,
		"1.000 firing w warning {\"k\":1} value=1 count=1 start=1.000\n"
		"201.000 resolved w warning {\"k\":1} value=9 count=1 start=1.000\n"
		"202.000 firing w warning {\"k\":1} value=1 count=1 start=202.000\n", false },
	{ "window: without `by`, evaluate: live from the first record of its sources on, once when emptied",
		"rules:\n- {rule: w, over: 2s, every: 1s, where: n > 0, when: count() == 0}\n", "a",
		"a 0 'n':0\na 5 'n':1\na 20 'n':0\n", 0,
		"1.000 firing w warning {} value=0 count=0 start=1.000\n"
		"6.000 resolved w warning {} value=1 count=1 start=1.000\n"
		"8.000 firing w warning {} value=0 count=0 start=8.000\n", false },
	{ "window: the same with a context to carry, all in one batch",
		"rules:\n- {rule: w, over: 2s, every: 1s, where: n > 0, when: count() == 0, context: [n]}\n", "a",
		"a RAW {\"ts\":0,\"n\":0}\n\na 5 'n':1\na 20 'n':0\n", 0,
		"1.000 firing w warning {} value=0 count=0 start=1.000\n"
		"6.000 resolved w warning {} value=1 count=1 start=1.000\n"
		"8.000 firing w warning {} value=0 count=0 start=8.000\n", false },
	{ "window: evaluate with a null that decides ends it as no data",
		"rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: avg(n) > 1, no_data: evaluate}\n", "a",
		"a 0 'k':1,'n':2\n", 10 * S,
		"1.000 firing w warning {\"k\":1} value=2 count=1 start=1.000\n"
		"3.000 resolved w warning {\"k\":1} value=null count=0 start=1.000 cause=no data\n", false },
	{ "window: own windows, the key lives by the longest",
		"rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: sum(n) > 1 and sum(n) over 5s > 5}\n", "a",
		"a 0 'k':1,'n':4\na 3 'k':1,'n':2\na 4 'k':1,'n':2\n", 20 * S,
		"4.000 firing w warning {\"k\":1} value=2 count=1 start=4.000\n"
		"6.000 resolved w warning {\"k\":1} value=2 count=1 start=4.000\n", false },
	{ "window: a level that stops hands over to the next lower one at once",
		"rules:\n- {rule: w, by: k, over: 1s, every: 1s, when: {info: sum(n) > 1, error: sum(n) > 10, critical: sum(n) > 100}, for: {critical: 2s}}\n", "a",
		"a 0 'k':1,'n':5\na 1 'k':1,'n':500\na 2 'k':1,'n':500\na 3 'k':1,'n':500\na 4 'k':1,'n':3\na 5 'k':1,'n':0\n", 10 * S,
		"1.000 firing w info {\"k\":1} value=5 count=1 start=1.000\n"
		"2.000 level w error {\"k\":1} value=500 count=1 start=1.000\n"
		"4.000 level w critical {\"k\":1} value=500 count=1 start=1.000\n"
		"5.000 level w info {\"k\":1} value=3 count=1 start=1.000\n"
		"6.000 resolved w info {\"k\":1} value=0 count=1 start=1.000\n", false },
	{ "window: at one boundary a key fires or resolves, not both",
		"rules:\n- {rule: w, by: k, over: 3s, every: 1s, when: count() > 0, resolve_when: count() > 0}\n", "a",
		"a 0 'k':1\na 9 'k':2\n", 0,
		"1.000 firing w warning {\"k\":1} value=1 count=1 start=1.000\n"
		"2.000 resolved w warning {\"k\":1} value=1 count=1 start=1.000\n"
		"3.000 firing w warning {\"k\":1} value=1 count=1 start=3.000\n"
		"4.000 resolved w warning {\"k\":1} value=0 count=0 start=3.000 cause=no data\n", false },
	{ "window: a jump over more boundaries than the wheel has slots",
		"rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: count() > 0, no_data: keep, resolve_when: count() > 1}\n", "a",
		"a 0 'k':1\na 100000 'k':1\na 100000.5 'k':1\na 999999 'k':2\n", 0,
		"1.000 firing w warning {\"k\":1} value=1 count=1 start=1.000\n"
		"100001.000 resolved w warning {\"k\":1} value=2 count=2 start=1.000\n"
		"100002.000 firing w warning {\"k\":1} value=2 count=2 start=100002.000\n", false },
	{ "window: boundaries before 1970",
		"rules:\n- {rule: w, by: k, over: 7s, every: 7s, when: count() > 0}\n", "a",
		"a -20 'k':1\na -0.001 'k':2\na 0 'k':3\na 30 'k':4\n", 0,
		"-14.000 firing w warning {\"k\":1} value=1 count=1 start=-14.000\n"
		"-7.000 resolved w warning {\"k\":1} value=0 count=0 start=-14.000 cause=no data\n"
		"0.000 firing w warning {\"k\":2} value=1 count=1 start=0.000\n"
		"7.000 resolved w warning {\"k\":2} value=0 count=0 start=0.000 cause=no data\n"
		"7.000 firing w warning {\"k\":3} value=1 count=1 start=7.000\n"
		"14.000 resolved w warning {\"k\":3} value=0 count=0 start=7.000 cause=no data\n", false },
	{ "window: a sum past the range of doubles is no number",
		"rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: sum(n) > 1}\n- {rule: v, by: k, over: 2s, every: 1s, when: avg(n) > 1}\n", "a",
		"a 0 'k':1,'n':1.7e308\na 0.1 'k':1,'n':1.7e308\na 2 'k':1,'n':1.7e308\na 2 'k':1,'n':1.7e308\na 9 'k':2\n", 0, "", false },
	{ "window: a late record counts at its partition's mark",
		"rules:\n- {rule: w, by: k, over: 1s, every: 1s, when: count() > 1}\n", "a",
		"a 0 'k':1\na 5 'k':2\na 3 'k':1\na 1 'k':1\na 9 'k':3\n", 0, /* the mark is 3: both count in [3, 4) */
		"4.000 firing w warning {\"k\":1} value=2 count=2 start=4.000\n"
		"5.000 resolved w warning {\"k\":1} value=0 count=0 start=4.000 cause=no data\n", false },
	{ "window: quantiles, min, rate",
		"rules:\n- {rule: w, by: k, over: 10s, every: 10s, when: p50(n) > 0 and min(n) == -3 and rate(n > 0) == 0.2}\n", "a",
		"a 0 'k':1,'n':1\na 1 'k':1,'n':-3\na 2 'k':1,'n':100\na 30 'k':2\n", 0,
		"10.000 firing w warning {\"k\":1} value=0.99 count=3 start=10.000\n"
		"20.000 resolved w warning {\"k\":1} value=null count=0 start=10.000 cause=no data\n", false },
};

/* ---- pairs ---- */

static const struct engine_case pairs[] = {
	{ "pair: a close at open + within comes after the timer",
		"rules:\n- {rule: p, by: k, open: e == \"o\", close: e == \"c\", within: 10s}\n", "a",
		"a 0 'k':1,'e':'o'\na 1 'k':1,'e':'o'\na 2 'k':2,'e':'o'\na 10 'k':1,'e':'c'\na 11.999 'k':2,'e':'c'\na 30 'k':3,'e':'c'\n", 0,
		"10.000 firing p warning {\"k\":1} value=null count=1 start=10.000\n"
		"10.000 resolved p warning {\"k\":1} value=null count=1 start=10.000\n", false },
	{ "pair: one instant over two partitions: who opens next goes first, each keeps its own order",
		"rules:\n- {rule: p, by: k, open: e == \"o\", close: e == \"c\", within: 10s}\n", "ab",
		"a 1 'k':1,'e':'c'\nb 1 'k':1,'e':'o'\n" /* b opens first, a closes */
		"a 1 'k':2,'e':'c'\na 1 'k':2,'e':'o'\nb 1 'k':2,'e':'c'\n" /* none opens: a's close, a's open, b's close */
		"a 1 'k':3,'e':'o'\nb 1 'k':3,'e':'c'\nb 1 'k':3,'e':'o'\n" /* a opens, b closes, b opens: open */
		"a 50 'k':9\nb 50 'k':9\n", 0,
		"11.000 firing p warning {\"k\":3} value=null count=1 start=11.000\n", false },
	{ "pair: records that neither open nor close do not stand in the way of an open",
		"rules:\n- {rule: p, by: k, open: e == \"o\", close: e == \"c\", within: 10s, forget: 1h}\n", "ab",
		"a 1 'k':1,'e':'c'\nb 1 'k':1,'e':'x'\nb 1 'k':1,'e':'o'\na 50 'k':9\nb 50 'k':9\n", 0, "", false },
	{ "pair: forgotten after its last record, whatever that was",
		"rules:\n- {rule: p, by: k, open: e == \"o\", close: e == \"c\", within: 10s, forget: 20s}\n", "a",
		"a 0 'k':1,'e':'o'\na 5 'k':1\na 15 'k':1\na 34.999 'k':1\na 60 'k':2\n", 0,
		"10.000 firing p warning {\"k\":1} value=null count=1 start=10.000\n"
		"54.999 resolved p warning {\"k\":1} value=null count=1 start=10.000 cause=forgotten\n", false },
	{ "pair: a record that satisfies both opens, and closes where it is open",
		"rules:\n- {rule: p, by: k, open: 'e in [\"o\", \"b\"]', close: 'e in [\"c\", \"b\"]', within: 10s}\n", "a",
		"a 0 'k':1,'e':'b'\na 50 'k':9\n", 0,
		"10.000 firing p warning {\"k\":1} value=null count=1 start=10.000\n", false },
};

/* ---- presence ---- */

static const struct engine_case presence[] = {
	{ "absent: fires at last + absent, resolves at the next record, again after it",
		"rules:\n- {rule: q, by: k, absent: 5s, forget: 1h}\n", "a",
		"a 0 'k':1\na 4.999 'k':1\na 9.998 'k':1\na 20 'k':1\na 22 'k':2\na 26 'k':3\n", 0,
		"14.998 firing q warning {\"k\":1} value=null count=1 start=14.998\n"
		"20.000 resolved q warning {\"k\":1} value=null count=1 start=14.998\n"
		"25.000 firing q warning {\"k\":1} value=null count=1 start=25.000\n", false },
	{ "absent: expected keys count from the first record of the sources, others from their own; both forgotten or not",
		"rules:\n- {rule: q, by: k, absent: 5s, expect: [x, y], forget: 20s}\n", "a",
		"a 1 'k':'y'\na 2 'k':'z'\na 50 'k':'y'\n", 0,
		"6.000 firing q warning {\"k\":\"x\"} value=null count=1 start=6.000\n"
		"6.000 firing q warning {\"k\":\"y\"} value=null count=1 start=6.000\n"
		"7.000 firing q warning {\"k\":\"z\"} value=null count=1 start=7.000\n"
		"22.000 resolved q warning {\"k\":\"z\"} value=null count=1 start=7.000 cause=forgotten\n"
		"50.000 resolved q warning {\"k\":\"y\"} value=null count=1 start=6.000\n", false },
	{ "absent: without by the rule is one key, though where takes none",
		"rules:\n- {rule: q, absent: 5s, where: e == \"x\"}\n", "a",
		"a 1 'n':1\na 4 'n':1\na 9 'n':1,'e':'x'\na 13 'n':1\na 15 'n':1\n", 0,
		"6.000 firing q warning {} value=null count=1 start=6.000\n"
		"9.000 resolved q warning {} value=null count=1 start=6.000\n"
		"14.000 firing q warning {} value=null count=1 start=14.000\n", false },
	{ "absent: a key of two values is expected as a list",
		"rules:\n- {rule: q, by: [k, n], absent: 5s, expect: [[a, 1], [b, 2]]}\n", "a",
		"a 0 'k':'a','n':1\na 5 'k':'a','n':1\na 9 'k':'a','n':1\n", 0,
		"5.000 firing q warning {\"k\":\"a\",\"n\":1} value=null count=1 start=5.000\n"
		"5.000 resolved q warning {\"k\":\"a\",\"n\":1} value=null count=1 start=5.000\n"
		"5.000 firing q warning {\"k\":\"b\",\"n\":2} value=null count=1 start=5.000\n", false },
	{ "first: shown before learn ends is learnt in silence; a value is an alert of its own",
		"rules:\n- {rule: q, by: k, first: e, learn: 10s, hold: 3s}\n", "a",
		"a 0 'k':1,'e':'a'\na 9.999 'k':1,'e':'b'\na 10 'k':1,'e':'c'\na 11 'k':1,'e':'b'\na 12 'k':1,'e':'c'\n"
		"a 15 'k':2,'e':'c'\na 20 'k':1,'e':'d'\na 30 'k':1\n", 0,
		"10.000 firing q warning {\"k\":1,\"e\":\"c\"} value=null count=1 start=10.000\n"
		"13.000 resolved q warning {\"k\":1,\"e\":\"c\"} value=null count=1 start=10.000\n"
		"20.000 firing q warning {\"k\":1,\"e\":\"d\"} value=null count=1 start=20.000\n"
		"23.000 resolved q warning {\"k\":1,\"e\":\"d\"} value=null count=1 start=20.000\n", false },
	{ "first: a value not seen for forget is new again",
		"rules:\n- {rule: q, first: e, learn: 0s, hold: 2s, forget: 10s}\n", "a",
		"a 0 'e':'a'\na 5 'e':'a'\na 14 'e':'a'\na 30 'e':'a'\na 40 'n':1\n", 0,
		"0.000 firing q warning {\"e\":\"a\"} value=null count=1 start=0.000\n"
		"2.000 resolved q warning {\"e\":\"a\"} value=null count=1 start=0.000\n"
		"30.000 firing q warning {\"e\":\"a\"} value=null count=1 start=30.000\n"
		"32.000 resolved q warning {\"e\":\"a\"} value=null count=1 start=30.000\n", false },
};

/* ---- samples in order ---- */

static const struct engine_case sequences[] = {
	{ "window: increase counts resets whole, a first sample 0; the sample before outlives the window",
		"rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: increase(n) >= 1, forget: 1h}\n", "a",
		"a 0 'k':1,'n':100\na 1 'k':1,'n':103\na 10 'k':1,'n':5\na 11 'k':1\na 20 'k':1,'n':5\na 30 'k':1,'n':7.5\na 40 'k':2\n", 0,
		"2.000 firing w warning {\"k\":1} value=3 count=2 start=2.000\n"
		"4.000 resolved w warning {\"k\":1} value=0 count=0 start=2.000 cause=no data\n"
		"11.000 firing w warning {\"k\":1} value=5 count=1 start=11.000\n"
		"13.000 resolved w warning {\"k\":1} value=0 count=1 start=11.000\n"
		"31.000 firing w warning {\"k\":1} value=2.5 count=1 start=31.000\n"
		"33.000 resolved w warning {\"k\":1} value=0 count=0 start=31.000 cause=no data\n", false },
	{ "window: a scrape's series are told apart by their labels, in any order of them; a new one counts whole",
		"rules:\n- {rule: w, over: 2s, every: 1s, when: 'increase(jobs{r=\"e\"}) > 0'}\n", "a",
		"a 0 'metric':'jobs','labels':{'r':'e','i':'1'},'value':900\na 0 'metric':'jobs','labels':{'r':'e','i':'2'},'value':20\n"
		"a 10 'metric':'jobs','labels':{'r':'e','i':'1'},'value':900\na 10 'metric':'jobs','labels':{'i':'2', 'r':'e'},'value':20\n"
		"a 20 'metric':'jobs','labels':{'r':'e','i':'1'},'value':901\na 20 'metric':'jobs','labels':{'r':'e','i':'2'},'value':19\n"
		"a 30 'metric':'jobs','labels':{'r':'e','i':'3'},'value':4\na 30 'metric':'jobs','labels':{'r':'s','i':'3'},'value':40\n"
		"a 40 'metric':'other','labels':{'r':'e','i':'3'},'value':7\n", 0,
		"21.000 firing w warning {} value=20 count=2 start=21.000\n"
		"23.000 resolved w warning {} value=0 count=0 start=21.000\n"
		"31.000 firing w warning {} value=4 count=2 start=31.000\n"
		"33.000 resolved w warning {} value=0 count=0 start=31.000\n", false },
	{ "window: changes and streaks, by sample and by change; null breaks the row",
		"rules:\n- {rule: c, by: k, over: 10s, every: 10s, when: changes(e) == 2, no_data: keep}\n"
		"- {rule: s, by: k, over: 10s, every: 10s, when: streak(n > 1) == 2, no_data: keep}\n"
		"- {rule: f, by: k, over: 10s, every: 10s, when: 'streak(n > 1, e) == 2', no_data: keep}\n", "a",
		"a 0 'k':1,'e':'a','n':2\na 1 'k':1,'e':'b'\na 2 'k':1,'e':'b','n':2\na 3 'k':1,'e':'a','n':2\n"
		"a 4 'k':2,'e':'a','n':1\na 5 'k':2,'e':'b','n':3\na 6 'k':2,'e':'b','n':0\na 7 'k':2,'e':'c','n':3\na 30 'k':3\n", 0,
		"10.000 firing c warning {\"k\":1} value=2 count=4 start=10.000\n"
		"10.000 firing c warning {\"k\":2} value=2 count=4 start=10.000\n"
		"10.000 firing s warning {\"k\":1} value=2 count=4 start=10.000\n"
		"10.000 firing f warning {\"k\":2} value=2 count=4 start=10.000\n", false },
	{ "window: last is the newest value there is, by time; distinct and stddev",
		"rules:\n- {rule: l, by: k, over: 10s, every: 10s, when: last(n) == 7 and distinct(n) == 2 and stddev(n) == 2}\n", "a",
		"a 1 'k':1,'n':3\na 3 'k':1,'n':7\na 5 'k':1,'n':7\na 4 'k':1,'n':3\na 5.5 'k':1\na 40 'k':2\n", 0,
		"10.000 firing l warning {\"k\":1} value=7 count=5 start=10.000\n"
		"20.000 resolved l warning {\"k\":1} value=null count=0 start=10.000 cause=no data\n", false },
	{ "window: a baseline is the lower median of the windows before, from three on",
		"rules:\n- {rule: b, by: k, over: 2s, every: 2s, when: 'count() > 2 * baseline(count(), 8s)'}\n", "a",
		"a 0.5 'k':1\na 2.5 'k':1\na 4.5 'k':1\na 6.5 'k':1\na 8.5 'k':1\na 8.6 'k':1\na 8.7 'k':1\na 20 'k':2\n", 0,
		"10.000 firing b warning {\"k\":1} value=3 count=3 start=10.000\n"
		"12.000 resolved b warning {\"k\":1} value=0 count=0 start=10.000 cause=no data\n", false },
};

static void
worked_example(void)
{
	struct rig r;
	struct buf script;
	char want[] = "45.000 firing error-rate critical {\"extra.stage\":\"merging\"} value=0.1111111111111111 count=45 start=45.000\n"
		"105.000 resolved error-rate critical {\"extra.stage\":\"merging\"} value=0.047619047619047616 count=105 start=45.000\n";
	rig_load(&r, "rules:\n- rule: error-rate\n  by: extra.stage\n  over: 5m\n"
		"  when: count(level == \"ERROR\") / count() > 10% and count() >= 20\n"
		"  resolve_when: count(level == \"ERROR\") / count() < 5%\n  severity: critical\n", 1);
	buf_init(&script, 1 << 20);
	for (int i = 0; i < 243; i++)
		buf_printf(&script, "a %d 'level':'%s','extra':{'stage':'merging'}\n", i, i >= 38 && i < 43 ? "ERROR" : "INFO");
	rig_script(&r, "a", buf_z(&script), 1800 * S);
	/* its window is empty 5m after the last record: the alert is over long before */
	isz(buf_z(&r.out), want, "the worked example of rule tests");
	buf_free(&script);
	rig_free(&r);
}

/* ---- ids ---- */

static size_t
ids(struct buf *out, char (*id)[64], size_t max)
{
	size_t n = 0;
	for (const char *p = buf_z(out); (p = strstr(p, "{\"id\":\"")) && n < max; n++) {
		p += 7;
		size_t len = strcspn(p, "\"");
		must(len < 64);
		memcpy(id[n], p, len);
		id[n][len] = '\0';
	}
	return n;
}

static void
hold_zero_ids(void)
{
	static const char script[] = "a -0.0005 'n':1\na RAW {\"ts\":0.0001,\"n\":1}\na RAW {\"ts\":0.0001,\"n\":1}\na RAW {\"ts\":0.0001,\"n\":2}\n"
		"a RAW {\"ts\":0.0001,\"n\":1}\na RAW {\"n\":7}\na 5 'n':0\na RAW {\"n\":7}\n";
	struct rig r;
	char one[16][64] = { "" }, two[16][64] = { "" };
	rig_load(&r, "rules:\n- {rule: z, when: n > 0, hold: 0}\n", 1);
	r.json = true;
	rig_script(&r, "a", script, 0);
	size_t n = ids(&r.out, one, 16), same = 0;
	ok(n == 7, "hold: 0: each match is its own alert");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			same += strcmp(one[i], one[k]) == 0;
	ok(same == 0, "equal lines of one ms have ids of their own");
	ok(strstr(buf_z(&r.out), "\"state\":\"firing\"") && !strstr(buf_z(&r.out), "resolved") &&
		strstr(buf_z(&r.out), "\"ends_at\":\"1970-01-01T00:00:05.000Z\""), "over at once, with no resolve");
	uint64_t seed = hash_seed;
	hash_seed ^= UINT64_C(0x123456789abcdef);
	rig_script(&r, "a", script, 0);
	hash_seed = seed;
	ok(ids(&r.out, two, 16) == n && memcmp(one, two, n * sizeof *one) == 0, "ids are pure: the same in every run");
	/* a line's number counts equal lines of its own ms alone, on both sides of the epoch */
	rig_script(&r, "a", "a RAW {\"ts\":-0.0005,\"n\":1}\na RAW {\"n\":7}\na RAW {\"ts\":0.0005,\"n\":1}\na RAW {\"n\":7}\n", 0);
	size_t m = ids(&r.out, one, 16);
	rig_script(&r, "a", "a RAW {\"ts\":0.0004,\"n\":2}\na RAW {\"ts\":0.0005,\"n\":1}\na RAW {\"n\":7}\n", 0);
	ids(&r.out, two, 16);
	ok(m == 4 && strcmp(one[3], two[2]) == 0, "the ms before the epoch is not the one after it");
	rig_free(&r);
}

static void
pure_ids(void)
{
	struct rig r;
	char one[8][64] = { "" }, two[8][64] = { "" };
	rig_load(&r, "rules:\n- {rule: w, by: k, over: 2s, every: 1s, when: count() > 0, for: 1s}\n", 1);
	r.json = true;
	rig_script(&r, "a", "a 0.5 'k':'x'\na 1 'k':'x'\na 9 'k':'x'\n", 10 * S);
	size_t n = ids(&r.out, one, 8);
	ok(n == 6 && strcmp(one[0], one[1]) == 0 && strcmp(one[1], one[2]) == 0 && strcmp(one[2], one[3]) != 0,
		"one alert has one id, the next another");
	ok(str_starts(str_of(one[0]), STR("alert_1_")) && strlen(one[0]) == strlen("alert_1_") + 12, "its form");
	hash_seed++;
	rig_script(&r, "a", "a 0.5 'k':'x'\na 1.9 'k':'x'\n", 0);
	ok(ids(&r.out, two, 8) >= 1 && strcmp(one[0], two[0]) == 0, "the id is of rule, key and start");
	hash_seed--;
	rig_free(&r);
}

/* What is not about one record's verdict: a record too large for the line buffers of a test, held. */
static void
large_held(void)
{
	struct rig r;
	struct buf line;
	rig_load(&r, "rules:\n- {rule: t, when: n > 0, hold: 0}\n", 1);
	r.replay = true;
	buf_init(&line, 2 << 20);
	rig_start(&r, "a");
	buf_addz(&line, "{\"ts\":0,\"n\":1}\n{\"ts\":90000,\"n\":2,\"s\":\"");
	size_t from = line.len - strlen("{\"ts\":90000,\"n\":2,\"s\":\"");
	while (line.len - from < (1 << 20) - 2)
		buf_addc(&line, 'x');
	buf_addz(&line, "\"}\n");
	rig_batch(&r, 0, line.data, line.len);
	rig_end(&r, 0);
	isz(buf_z(&r.out), "0.000 firing t warning {} value=1 count=1 start=0.000\n90000.000 firing t warning {} value=2 count=1 start=90000.000\n",
		"a record of max_record bytes that jumps is held whole");
	buf_free(&line);
	rig_free(&r);
}

/* A rule's alert says nothing of another rule's record. */
static void
own_fields(void)
{
	struct rig r;
	rig_load(&r, "rules:\n- {rule: p, by: k, open: e == \"o\", close: e == \"c\", within: 1s, context: [secret, h]}\n"
		"- {rule: w, by: k, over: 10s, every: 5s, when: count() > 0, context: [i]}\n", 1);
	r.json = true;
	rig_script(&r, "a", "a 0 'k':1,'e':'o','session_id':'s1','stage':'st','secret':'x1x','h':'Bearer abc'\na 30 'k':2,'session_id':'s2'\n", 0);
	const char *p = strstr(buf_z(&r.out), "\"rule\":\"p\""), *w = strstr(buf_z(&r.out), "\"rule\":\"w\"");
	ok(p && w && w > p, "a pair's alert, then a window's");
	ok(p && strstr(p, "\"session_id\":\"s1\"") && strstr(p, "\"stage\":\"st\""), "the pair's opener has a session and a stage");
	ok(p && strstr(p, "\"metadata\":{\"secret\":\"[Filtered]\",\"h\":\"Bearer [Filtered]\"}") && !strstr(p, "x1x") && !strstr(p, "abc"),
		"its context is told without secrets");
	ok(w && strstr(w, "\"session_id\":null") && strstr(w, "\"stage\":null"), "the window's alert has none");
	rig_free(&r);
}

static void
secrets(void)
{
	struct rig r;
	rig_load(&r, "rules:\n- rule: a\n  when: password == \"hunter2\"\n  hold: 1s\n  title: '{password} {n} {o}'\n"
		"- rule: b\n  when: n > 0\n  hold: 0\n  text: 'at {n}: {o} {s}'\n  context: [o]\n"
		"- rule: c\n  when: startswith(s, \"http\") == true and s != \"\"\n  hold: 0\n"
		"- rule: d\n  when: s != \"\"\n  hold: 0\n", 1);
	r.json = true;
	rig_script(&r, "a", "a 0 'password':'hunter2','n':1,'o':{'token':'hunter2','m':1},'s':'https://u:hunter2@h/x'\n", 5 * S);
	if (!ok(!strstr(buf_z(&r.out), "hunter2"), "no text, value or context of an alert holds a secret"))
		printf("# %s", buf_z(&r.out));
	ok(strstr(buf_z(&r.out), "\"value\":\"[Filtered]\"") && strstr(buf_z(&r.out), "\"value\":\"https://[Filtered]@h/x\""),
		"their values say that there was one");
	ok(strstr(buf_z(&r.out), "\"metadata\":{\"o\":{\"token\":\"[Filtered]\",\"m\":1}}"), "an object keeps what is none");
	rig_free(&r);
}

static void
samples(void)
{
	struct rig r;
	char text[] = "{\"password\":\"hunter2\",\"a\"\n{\"token\":\"hunter2\"}\n\xc3\n";
	rig_load(&r, "rules:\n- {rule: a, when: n > 0}\n", 1);
	rig_start(&r, "a");
	rig_batch(&r, 0, text, strlen(text));
	const struct fpart *p = &r.part[0].front;
	ok(p->bad[PARSE_JSON] == 1 && p->bad[PARSE_TIME] == 1 && p->bad[PARSE_UTF8] + p->bad[PARSE_JSON] == 2, "bad records by reason");
	isz(p->sample[PARSE_JSON], "{\"password\":\"[Filtered]\",\"a\"", "a sample of each, without secrets");
	isz(p->sample[PARSE_TIME], "{\"token\":\"[Filtered]\"}", "of those without a time too");
	rig_free(&r);
}

int
main(void)
{
	for (size_t i = 0; i < COUNT_OF(records); i++)
		run_case(&records[i]);
	for (size_t i = 0; i < COUNT_OF(windows); i++)
		run_case(&windows[i]);
	for (size_t i = 0; i < COUNT_OF(pairs); i++)
		run_case(&pairs[i]);
	for (size_t i = 0; i < COUNT_OF(presence); i++)
		run_case(&presence[i]);
	for (size_t i = 0; i < COUNT_OF(sequences); i++)
		run_case(&sequences[i]);
	worked_example();
	hold_zero_ids();
	pure_ids();
	large_held();
	own_fields();
	secrets();
	samples();
	return tap_done();
}
