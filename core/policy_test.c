/* policy_test.c - who is told what and when, by delivering on a virtual clock: settle, told once, pages, limit, match. */
#include "core/outbox.h"
#include "core/policy.h"
#include "core/store_tap.h"
#include "sinks/sink.h"

#define S NS_PER_S
#define T0 (INT64_C(1000000) * S)

static const struct sink_kind chat_kind = { .kind = { .name = "slack" }, .people = true, .least = LEVEL_INFO };
static const struct sink_kind pager_kind = { .kind = { .name = "pagerduty" }, .people = true, .pages = true, .least = LEVEL_CRITICAL };
static const struct sink_kind hook_kind = { .kind = { .name = "webhook" }, .least = LEVEL_INFO };

static struct sink_conf sinks[] = { { .name = (char[]){ "chat" }, .kind = &chat_kind.kind },
	{ .name = (char[]){ "pager" }, .kind = &pager_kind.kind }, { .name = (char[]){ "hook" }, .kind = &hook_kind.kind } };
static struct config conf;
static struct policy *p;
static struct store *s;
static struct outbox *o;
static unsigned life; /* tells episodes of one key apart */

static void
reopen(void)
{
	struct errinfo why = { 0 };
	struct diags d;
	diags_init(&d);
	policy_free(p);
	outbox_close(o);
	store_close(s);
	s = store_open(tmp_dir, 0, &why);
	must(s);
	o = outbox_open(tmp_dir, &why);
	p = policy_new(&conf, &d);
	must(o && p && d.n == 0);
	diags_free(&d);
}

static void
fresh(struct policy_def *def, size_t n)
{
	conf = (struct config){ .sink = sinks, .nsink = COUNT_OF(sinks), .policy = def, .npolicy = n };
	policy_free(p);
	outbox_close(o);
	store_close(s);
	p = NULL;
	o = NULL;
	s = NULL;
	tmp_new();
	life = 0;
	reopen();
}

/* One transition at second `at`, committed with its rows. */
static void
happen_as(const char *rule, const char *key, enum event event, enum level level, int64_t at, const char *labels)
{
	struct alert a = alert_new(rule, key, event, T0 + at * S);
	bool inserted;
	int64_t number;
	a.level = level;
	if (event == EV_FIRING)
		life++;
	snprintf(a.id, sizeof a.id, "alert_%u_%s", life, key);
	if (labels) {
		free(a.labels);
		a.labels = xstrdup(labels);
	}
	must(store_begin(s) == ERR_OK && store_transition(s, &a, &inserted, &number) == ERR_OK && inserted);
	must(policy_apply(p, s, &a, number, T0 + at * S) == ERR_OK && store_commit(s) == ERR_OK);
	alert_free(&a);
}

static void
happen(const char *key, enum event event, int64_t at)
{
	happen_as("r", key, event, LEVEL_CRITICAL, at, NULL);
}

static struct outbox_row row[32];
static size_t nrow;

static const char *
take(const char *sink, int64_t at)
{
	static char text[4096];
	size_t len = 0;
	must(outbox_due(o, sink, T0 + at * S, false, row, COUNT_OF(row), &nrow) == ERR_OK);
	text[0] = '\0';
	for (size_t i = 0; i < nrow; i++) {
		const struct alert *a = &row[i].alert;
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %s", i ? ", " : "",
			row[i].transition < 0 ? a->title : a->key, event_name[a->event]);
	}
	return text;
}

static void
answer(enum outbox_mark mark, int64_t at)
{
	struct outbox_done done[32];
	for (size_t i = 0; i < nrow; i++)
		done[i] = (struct outbox_done){ .id = row[i].id, .mark = mark, .due = T0 + at * S, .at = T0 + at * S };
	must(outbox_mark(o, done, nrow) == ERR_OK);
	outbox_rows_free(row, nrow);
	nrow = 0;
}

/* What the sink hears until second `at`, all accepted. */
static const char *
hears(const char *sink, int64_t at)
{
	static char text[8192];
	size_t len = 0;
	text[0] = '\0';
	for (const char *t = take(sink, at); *t; t = take(sink, at)) {
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len ? ", " : "", t);
		answer(OUTBOX_SENT, at);
	}
	return text;
}

#define F(k) "{\"k\":\"" k "\"} firing"
#define R(k) "{\"k\":\"" k "\"} resolved"
#define L(k) "{\"k\":\"" k "\"} level"

static void
test_plain(void)
{
	fresh(NULL, 0);
	happen("x", EV_PENDING, 0);
	happen("x", EV_FIRING, 1);
	happen_as("r", "low", EV_FIRING, LEVEL_WARNING, 2, NULL);
	isz(hears("chat", 3), F("x") ", " F("low"), "people hear it, but nothing of pending");
	isz(hears("pager", 3), F("x"), "a pager hears critical");
	isz(hears("hook", 3), "{\"k\":\"x\"} pending, " F("low") ", " F("x"), "a machine hears all");
	life = 1;
	happen("x", EV_RESOLVED, 10);
	isz(hears("hook", 10), R("x"), "a machine hears the end at once");
	isz(hears("chat", 129), "", "people after settle");
	reopen();
	isz(hears("chat", 130), R("x"), "and over a restart");
	isz(hears("pager", 130), R("x"), "so does the pager");
	happen("gone", EV_PENDING, 140);
	happen("gone", EV_DROPPED, 141);
	isz(hears("chat", 999), "", "people never hear of a pending one that went");
	isz(hears("hook", 999), "{\"k\":\"gone\"} pending, {\"k\":\"gone\"} dropped", "a machine does");

	struct alert a = alert_new("r", "shadow", EV_FIRING, T0);
	bool inserted;
	int64_t number;
	a.shadow = true;
	must(store_begin(s) == ERR_OK && store_transition(s, &a, &inserted, &number) == ERR_OK);
	must(policy_apply(p, s, &a, number, T0) == ERR_OK && store_commit(s) == ERR_OK);
	alert_free(&a);
	isz(hears("hook", 999), "", "a shadow is never sent");
}

static void
test_settle(void)
{
	fresh(NULL, 0);
	happen("x", EV_FIRING, 0);
	isz(hears("chat", 0), F("x"), "told");
	happen("x", EV_RESOLVED, 10);
	happen("x", EV_FIRING, 60);
	isz(hears("chat", 999), "", "fires again before settle: nobody is told");
	isz(hears("hook", 999), F("x") ", " R("x") ", " F("x"), "a machine is told of all");
	happen("x", EV_RESOLVED, 1000);
	isz(hears("chat", 1120), R("x"), "its end is told");
	happen("x", EV_FIRING, 1200);
	isz(hears("chat", 1200), F("x"), "a new one is told");

	happen_as("r", "y", EV_FIRING, LEVEL_WARNING, 2000, NULL);
	isz(hears("chat", 2000), F("y"), "told at warning");
	happen_as("r", "y", EV_RESOLVED, LEVEL_WARNING, 2010, NULL);
	happen_as("r", "y", EV_FIRING, LEVEL_CRITICAL, 2020, NULL);
	isz(hears("chat", 2999), F("y"), "fires again at another level: that is news");
}

static void
test_untold(void)
{
	fresh(NULL, 0);
	happen("x", EV_FIRING, 0);
	happen("x", EV_RESOLVED, 1);
	isz(hears("chat", 1), R("x"), "over before it was told: told once, as resolved, at once");
	isz(hears("pager", 999), "", "and never pages");
	happen("x", EV_FIRING, 10);
	happen("x", EV_RESOLVED, 11);
	happen("x", EV_FIRING, 12);
	isz(hears("chat", 12), R("x") ", " F("x"), "fires again before that was told: both, as nothing was known");
	isz(hears("pager", 12), F("x"), "the pager hears what is true");

	/* in flight counts as told */
	fresh(NULL, 0);
	happen("x", EV_FIRING, 0);
	isz(take("chat", 0), F("x"), "taken");
	happen("x", EV_RESOLVED, 1);
	answer(OUTBOX_SENT, 2);
	isz(hears("chat", 120), "", "its resolve settles");
	isz(hears("chat", 121), R("x"), "and is told");

	/* came back unheard, with its end behind it */
	fresh(NULL, 0);
	happen("x", EV_FIRING, 0);
	isz(take("chat", 0), F("x"), "taken by the chat");
	happen("x", EV_RESOLVED, 1);
	answer(OUTBOX_RETRY, 2);
	isz(hears("chat", 2), R("x"), "refused meanwhile: told once, as resolved");
	isz(hears("chat", 999), "", "nothing else");
	fresh(NULL, 0);
	happen("x", EV_FIRING, 0);
	isz(take("pager", 0), F("x"), "taken by the pager");
	happen("x", EV_RESOLVED, 1);
	answer(OUTBOX_RETRY, 2);
	isz(hears("pager", 999), "", "refused meanwhile: never pages");

	/* perhaps heard: cannot be taken back */
	fresh(NULL, 0);
	happen("x", EV_FIRING, 0);
	isz(take("pager", 0), F("x"), "taken by the pager");
	answer(OUTBOX_DOUBT, 2);
	isz(take("pager", 2), F("x"), "no answer: tried again");
	answer(OUTBOX_RETRY, 3);
	happen("x", EV_RESOLVED, 4);
	isz(hears("pager", 999), F("x") ", " R("x"), "both are told, as the first try may have paged");
}

static void
test_levels(void)
{
	fresh(NULL, 0);
	happen_as("r", "x", EV_FIRING, LEVEL_WARNING, 0, NULL);
	isz(hears("pager", 0), "", "a warning does not page");
	isz(hears("chat", 0), F("x"), "people hear it");
	happen_as("r", "x", EV_LEVEL, LEVEL_CRITICAL, 10, NULL);
	isz(hears("pager", 10), L("x"), "becoming critical does");
	isz(hears("chat", 10), L("x"), "people hear that, too");
	happen_as("r", "x", EV_LEVEL, LEVEL_WARNING, 20, NULL);
	isz(hears("pager", 20), "", "a warning again is no page");
	happen_as("r", "x", EV_RESOLVED, LEVEL_WARNING, 30, NULL);
	isz(hears("pager", 150), R("x"), "but the incident is resolved");
	isz(hears("chat", 150), R("x"), "a level that was not told yet gives way to the end");
	happen_as("r", "y", EV_FIRING, LEVEL_WARNING, 200, NULL);
	happen_as("r", "y", EV_RESOLVED, LEVEL_WARNING, 210, NULL);
	isz(hears("pager", 999), "", "nothing of what was never critical");
}

static void
test_limit(void)
{
	char key[8];
	fresh(NULL, 0);
	for (int i = 0; i < 30; i++) {
		snprintf(key, sizeof key, "%d", i % 20);
		happen(key, EV_FIRING, i / 10); /* ten a second; keys 0..9 twice (each its own alert) */
	}
	const char *t = hears("chat", 3);
	size_t commas = 0;
	for (const char *c = t; *c; c++)
		commas += *c == ',';
	ok(commas == 9, "ten are told: %s", t);
	isz(take("chat", 59), "", "the rest is not told before the minute is over");
	reopen();
	isz(take("chat", 60), "r: 20 more of 20 keys firing", "one message then, over a restart");
	const char *want = "Past the limit of messages of this rule: 20 more told together, from 1970-01-12T13:46:41.000Z to "
			   "1970-01-12T13:46:42.000Z (20 firing, 0 resolved). Most: {\"k\":\"10\"} x1, {\"k\":\"11\"} x1, "
			   "{\"k\":\"12\"} x1, {\"k\":\"13\"} x1, {\"k\":\"14\"} x1 and 15 more";
	isz(nrow ? row[0].alert.message : "", want, "with the count and the top keys");
	ok(nrow == 1 && strcmp(row[0].alert.key, "{}") == 0 && row[0].alert.count == 20 && row[0].transition < 0, "of the rule");
	happen("late", EV_FIRING, 61);
	answer(OUTBOX_SENT, 62);
	isz(hears("chat", 62), F("late"), "the next minute has room");
	isz(hears("hook", 0), "{\"k\":\"0\"} firing, {\"k\":\"1\"} firing, {\"k\":\"2\"} firing, {\"k\":\"3\"} firing, "
		"{\"k\":\"4\"} firing, {\"k\":\"5\"} firing, {\"k\":\"6\"} firing, {\"k\":\"7\"} firing, {\"k\":\"8\"} firing, "
		"{\"k\":\"9\"} firing", "machines have no limit");
	happen_as("other", "k", EV_FIRING, LEVEL_ERROR, 63, NULL);
	isz(hears("chat", 63), F("k"), "nor does one rule's limit touch another");
}

/* A storm that ends as one: never more than the limit and its summaries. */
static void
test_limit_resolves(void)
{
	char key[8];
	fresh(NULL, 0);
	for (int i = 0; i < 15; i++) {
		snprintf(key, sizeof key, "%d", i);
		happen(key, EV_FIRING, 0);
	}
	(void)hears("chat", 60);
	for (int i = 0; i < 15; i++) {
		snprintf(key, sizeof key, "%d", i);
		life = (unsigned)i + 1;
		happen(key, EV_RESOLVED, 100);
	}
	const char *t = hears("chat", 220);
	size_t n = 1;
	for (const char *c = t; *c; c++)
		n += *c == ',';
	ok(n == 10, "ten resolves are told: %s", t);
	isz(hears("chat", 279), "", "the others");
	isz(hears("chat", 280), "r: 5 more of 5 keys resolved", "in one message, as resolved");

	/* a firing makes room among booked resolves */
	fresh(NULL, 0);
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof key, "%d", i);
		happen(key, EV_FIRING, 0);
	}
	(void)hears("chat", 0);
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof key, "%d", i);
		life = (unsigned)i + 1;
		happen(key, EV_RESOLVED, 10); /* booked for 130 */
	}
	life = 20;
	happen("new", EV_FIRING, 125);
	isz(hears("chat", 125), F("new"), "a firing is not kept waiting by resolves booked for later");
	t = hears("chat", 130);
	n = 1;
	for (const char *c = t; *c; c++)
		n += *c == ',';
	ok(n == 9, "one of them gave way: %s", t);
	isz(hears("chat", 190), "r: 1 more of 1 key resolved", "and is told at the end of the minute");

	/* folded, then over before the summary went: nothing of it is left */
	fresh(NULL, 0);
	for (int i = 0; i < 11; i++) {
		snprintf(key, sizeof key, "%d", i);
		happen(key, EV_FIRING, 0);
	}
	(void)hears("pager", 0);
	happen("10", EV_RESOLVED, 5);
	isz(hears("pager", 999), "", "a pager's summary of nothing is not sent");
}

static void
test_limit_pages(void)
{
	char key[8];
	fresh(NULL, 0);
	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof key, "%d", i);
		happen(key, EV_FIRING, 0);
	}
	(void)hears("pager", 0);
	isz(hears("pager", 60), "r: 2 more of 2 keys firing", "the pager's summary");
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof key, "%d", i);
		life = (unsigned)i + 1;
		happen(key, EV_RESOLVED, 100);
	}
	life = 11;
	happen("10", EV_RESOLVED, 100);
	const char *t = hears("pager", 220);
	size_t n = 1;
	for (const char *c = t; *c; c++)
		n += *c == ',';
	ok(n == 10 && !strstr(t, "more"), "each incident is resolved, whatever the limit: %s", t);
	life = 12;
	happen("11", EV_RESOLVED, 300);
	isz(hears("pager", 480), "r: 1 more of 1 key resolved", "the summary's incident with the last of its alerts");
}

static struct text_at
match(const char *text)
{
	return (struct text_at){ .s = xstrdup(text), .loc = { "weir.yaml", 1, 1 } };
}

static void
test_match(void)
{
	char *chat[] = { (char[]){ "chat" } }, *hook[] = { (char[]){ "hook" } };
	struct policy_def def[] = {
		{ .match = match("tenant == 'test'"), .notify = { NULL, 0 }, .settle = 0, .limit_n = 0 },
		{ .match = match("severity == \"critical\" and rule =~ '^disk'"), .notify = { chat, 1 }, .cont = true, .settle = 0,
			.limit_n = 1, .limit_per = 60 * S },
		{ .match = match("labels.team == \"a\" or key.k == 'only'"), .notify = { hook, 1 }, .settle = 0, .limit_n = 0 },
		{ .match = match("state == \"resolved\""), .notify = { hook, 1 }, .settle = 0, .limit_n = 0 },
	};
	fresh(def, COUNT_OF(def));
	happen_as("disk-full", "a", EV_FIRING, LEVEL_CRITICAL, 0, "{\"team\":\"a\"}");
	isz(hears("chat", 0), F("a"), "by severity and rule");
	isz(hears("hook", 0), F("a"), "continue goes on to the next that matches");
	happen_as("disk-full", "a", EV_RESOLVED, LEVEL_WARNING, 1, "{\"team\":\"a\"}");
	isz(hears("chat", 61), "disk-full: 1 more of 1 key resolved", "settle: 0, limit: 1, and the level it had before");
	isz(hears("hook", 61), R("a"), "of the first entry only");
	happen_as("disk-full", "b", EV_FIRING, LEVEL_CRITICAL, 100, "{\"tenant\":\"test\"}");
	isz(hears("chat", 100), "", "the first entry that matches ends the list");
	happen_as("cpu", "only", EV_FIRING, LEVEL_INFO, 110, NULL);
	isz(hears("hook", 110), F("only"), "by key");
	happen_as("cpu", "none", EV_FIRING, LEVEL_CRITICAL, 120, NULL);
	isz(hears("chat", 120), "", "nobody is named");
	happen_as("cpu", "none", EV_RESOLVED, LEVEL_CRITICAL, 130, NULL);
	isz(hears("hook", 130), R("none"), "by state");

	struct diags d;
	struct text_at by = { .s = (char[]){ "k" }, .loc = { "r.yaml", 1, 1 } };
	char *label[] = { (char[]){ "k" } }, *value[] = { (char[]){ "v" } };
	struct rule_def rule = { .name = { .s = (char[]){ "r" }, .loc = { "r.yaml", 1, 1 } }, .by = &by, .nby = 1, .labels = { label, value, 1 } };
	static const struct {
		const char *text, *says;
		bool warns;
	} bad[] = {
		{ "k == 1", "both a key and a label", false },
		{ "tennant == 1", "no rule has a key or label", true },
		{ "severity ==", "weir.yaml:1", false },
		{ "key.k == 1 and labels.k == 'v'", "", false },
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct policy_def one = { .match = match(bad[i].text) };
		struct config c = { .sink = sinks, .nsink = COUNT_OF(sinks), .policy = &one, .npolicy = 1, .rule = &rule, .nrule = 1 };
		diags_init(&d);
		struct policy *q = policy_new(&c, &d);
		const char *text = buf_z(bad[i].warns ? &d.warn : &d.text);
		ok(strstr(text, bad[i].says) && (d.n > 0) == (bad[i].says[0] && !bad[i].warns), "%s: %s", bad[i].text, text);
		policy_free(q);
		diags_free(&d);
		free(one.match.s);
	}
	fresh(NULL, 0);
	for (size_t i = 0; i < COUNT_OF(def); i++)
		free(def[i].match.s);
}

static void
test_own_trouble(void)
{
	struct alert a = alert_new("weir.delivery-failed", "x", EV_FIRING, T0);
	bool inserted;
	int64_t number;
	fresh(NULL, 0);
	free(a.key);
	a.key = xstrdup("{\"sink\":\"chat\"}");
	must(store_begin(s) == ERR_OK && store_transition(s, &a, &inserted, &number) == ERR_OK);
	must(policy_apply(p, s, &a, number, T0) == ERR_OK && store_commit(s) == ERR_OK);
	isz(hears("chat", 0), "", "a sink's own trouble is not told through it");
	isz(hears("hook", 0), "{\"sink\":\"chat\"} firing", "but through the others");
	alert_free(&a);
}

int
main(void)
{
	test_plain();
	test_settle();
	test_untold();
	test_levels();
	test_limit();
	test_limit_resolves();
	test_limit_pages();
	test_match();
	test_own_trouble();
	policy_free(p);
	outbox_close(o);
	store_close(s);
	tmp_clear();
	return tap_done();
}
