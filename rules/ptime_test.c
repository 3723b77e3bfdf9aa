/* ptime_test.c - each verdict on event time, one table of records at a time. Seconds; late 2, max_jump 3600, idle 5. */
#include "rules/ptime.h"

#include "core/tap.h"

#define S NS_PER_S
#define NO NS_NONE

struct seen {
	nsec stamp, wall; /* wall 0: far ahead, so that nothing is skewed */
	bool hold;
	enum time_verdict want;
	nsec time;        /* NO: none is given */
	nsec greatest, mark;
};

static const char *const verdicts[] = { "ok", "late", "drop", "skewed", "untimed", "malformed", "hold" };

static struct source_conf
conf(bool drop)
{
	return (struct source_conf){ .late = 2 * S, .max_jump = 3600 * S, .idle = 5 * S, .late_drop = drop };
}

static nsec
secs(nsec v)
{
	return v == NO ? NO : v * S;
}

static void
run(const char *name, struct ptime *t, bool drop, const struct seen *v, size_t n)
{
	struct source_conf c = conf(drop);
	for (size_t i = 0; i < n; i++) {
		nsec time = NO;
		enum time_verdict got = ptime_record(t, &c, secs(v[i].stamp), v[i].wall ? v[i].wall * S : 4000000000 * S, v[i].hold, &time);
		if (!ok(got == v[i].want && (v[i].time == NO || time == secs(v[i].time)) && t->greatest == secs(v[i].greatest) &&
			t->mark == secs(v[i].mark), "%s: record %zu is %s", name, i, verdicts[v[i].want]))
			printf("# %s, time %lld, greatest %lld, mark %lld\n", verdicts[got], (long long)time, (long long)t->greatest, (long long)t->mark);
	}
}
#define RUN(name, t, drop, v) run(name, t, drop, v, COUNT_OF(v))

static void
order(void)
{
	static const struct seen v[] = {
		{ NO, 0, false, TIME_MALFORMED, NO, NO, NO },
		{ 100, 0, false, TIME_OK, 100, 100, 98 },
		{ 98, 0, false, TIME_OK, 98, 100, 98 },     /* at the mark: not older than it */
		{ 97, 0, false, TIME_LATE, 98, 100, 98 },
		{ NO, 0, false, TIME_UNTIMED, 100, 100, 98 },
		{ 101, 0, false, TIME_OK, 101, 101, 99 },
		{ -5000, 0, false, TIME_LATE, 99, 101, 99 },
		{ 3700, 0, false, TIME_OK, 3700, 3700, 3698 }, /* a jump, but not past the clock */
	};
	struct ptime t;
	ptime_init(&t);
	RUN("order", &t, false, v);
	ok(t.records == 7 && t.late == 2 && t.untimed == 1 && t.skewed == 0 && t.dropped == 0, "counted");
	static const struct seen d[] = { { 100, 0, false, TIME_OK, 100, 100, 98 }, { 97, 0, false, TIME_DROP, NO, 100, 98 },
		{ 99, 0, false, TIME_OK, 99, 100, 98 } };
	ptime_init(&t);
	RUN("late_policy: drop", &t, true, d);
	ok(t.late == 1 && t.dropped == 1, "dropped is late too");
}

static void
skew(void)
{
	static const struct seen v[] = {
		{ 1000, 1000, false, TIME_OK, 1000, 1000, 998 },
		{ 4601, 1000, false, TIME_SKEWED, 1000, 1000, 998 },  /* past both by more than 3600 */
		{ 4602, 1000, false, TIME_SKEWED, 1000, 1000, 998 },  /* however many agree */
		{ 4600, 1000, false, TIME_OK, 4600, 4600, 4598 },     /* exactly max_jump: not more */
		{ 8201, 4602, false, TIME_OK, 8201, 8201, 8199 },     /* past the partition, not past the clock */
		{ 8300, 10, false, TIME_OK, 8300, 8300, 8298 },       /* past the clock, not past the partition */
	};
	struct ptime t;
	ptime_init(&t);
	RUN("skew", &t, false, v);
	static const struct seen first[] = { { 9000, 1000, false, TIME_SKEWED, 1000, 1000, 998 }, { 1001, 1000, false, TIME_OK, 1001, 1001, 999 } };
	ptime_init(&t);
	RUN("skew before any time: the wall clock", &t, false, first);
	ptime_init(&t);
	ptime_join(&t, 5000 * S, 5000 * S);
	static const struct seen joined[] = { { 9000, 1000, false, TIME_SKEWED, 5000, NO, 5000 } };
	RUN("skew where only the mark is known", &t, false, joined);
}

/* 1700 and 2261: further apart than 64 bits of ns. */
static void
centuries(void)
{
	static const struct seen v[] = {
		{ -8520336000, 1795600800, false, TIME_OK, -8520336000, -8520336000, -8520336002 },
		{ 9151000000, 1795600800, false, TIME_SKEWED, -8520336000, -8520336000, -8520336002 },
		{ 9151000000, 9151000000, true, TIME_HOLD, NO, -8520336000, -8520336002 },
		{ 9151000000, 9151000000, false, TIME_OK, 9151000000, 9151000000, 9150999998 },
		{ -8520336000, 1795600800, false, TIME_LATE, 9150999998, 9151000000, 9150999998 },
	};
	struct ptime t;
	ptime_init(&t);
	RUN("centuries", &t, false, v);
}

static void
holding(void)
{
	static const struct seen v[] = {
		{ 0, 0, true, TIME_OK, 0, 0, -2 },
		{ 3600, 0, true, TIME_OK, 3600, 3600, 3598 },
		{ 7201, 0, true, TIME_HOLD, NO, 3600, 3598 },  /* nothing moved, nothing counted */
		{ 7201, 0, false, TIME_OK, 7201, 7201, 7199 }, /* found real */
		{ 99999, 5, true, TIME_SKEWED, 7201, 7201, 7199 }, /* the clock's verdict stands in a replay too */
	};
	struct ptime t;
	struct source_conf c = conf(false);
	nsec time = NO;
	ptime_init(&t);
	RUN("hold", &t, false, v);
	ok(t.records == 4 && t.skewed == 1, "a held record is counted when it is decided");
	ptime_skewed(&t, &c, 0, &time);
	ok(time == 7201 * S && t.skewed == 2 && t.records == 5 && t.mark == 7199 * S, "a false jump takes the greatest time and moves nothing");
}

static void
join(void)
{
	struct ptime t;
	ptime_init(&t);
	ptime_join(&t, NO, 7);
	ok(t.mark == NO, "joining beside nobody: no mark");
	ptime_join(&t, 50 * S, 1000 * S);
	ok(t.mark == 50 * S && t.greatest == NO, "a partition that joins starts with what its rules have reached");
	static const struct seen v[] = {
		{ NO, 0, false, TIME_MALFORMED, NO, NO, 50 },
		{ 49, 0, false, TIME_LATE, 50, NO, 50 },
		{ NO, 0, false, TIME_UNTIMED, 50, NO, 50 }, /* there was a timed one: it took the mark */
		{ 51, 0, false, TIME_OK, 51, 51, 50 },
		{ 60, 0, false, TIME_OK, 60, 60, 58 },
	};
	RUN("joined", &t, false, v);
	ptime_join(&t, 40 * S, 1000 * S);
	ok(t.mark == 58 * S, "coming back never moves a mark back");
	ptime_join(&t, 70 * S, 1000 * S);
	ok(t.mark == 70 * S && t.greatest == 60 * S, "nor does it invent a greatest time");
	static const struct seen w[] = { { NO, 0, false, TIME_UNTIMED, 70, 60, 70 }, { 65, 0, false, TIME_LATE, 70, 60, 70 } };
	RUN("come back", &t, false, w);
}

static void
silence(void)
{
	struct ptime t;
	struct source_conf c = conf(false);
	nsec time;
	ptime_init(&t);
	ok(!ptime_silence(&t, &c, 9000 * S) && t.mark == NO, "no time shown: silence has nothing to go on from");
	ptime_record(&t, &c, 100 * S, 1000 * S, false, &time);
	ok(!ptime_silence(&t, &c, 1005 * S) && t.mark == 98 * S, "idle is not over");
	ok(ptime_silence(&t, &c, 1006 * S) && t.mark == 99 * S, "then the mark goes on at the clock's pace, less idle");
	ok(!ptime_silence(&t, &c, 1005 * S) && t.mark == 99 * S, "never back");
	ok(ptime_silence(&t, &c, 1105 * S) && t.mark == 198 * S && t.greatest == 100 * S, "however long");
	ok(ptime_record(&t, &c, 150 * S, 1106 * S, false, &time) == TIME_LATE && time == 198 * S, "what silence has passed is late");
	ok(ptime_record(&t, &c, NO, 1106 * S, false, &time) == TIME_UNTIMED && time == 198 * S, "an untimed one takes the mark, it is later");
	ok(ptime_silence(&t, &c, 1107 * S) && t.mark == 200 * S, "late and untimed records move nothing");
	ok(ptime_record(&t, &c, 201 * S, 1108 * S, false, &time) == TIME_OK && t.mark == 200 * S && t.greatest == 201 * S,
		"a record behind the silent mark is on time and moves it not");
	ok(ptime_record(&t, &c, 300 * S, 1109 * S, false, &time) == TIME_OK && t.mark == 298 * S, "a later one takes over");
	ok(!ptime_silence(&t, &c, 1114 * S) && ptime_silence(&t, &c, 1115 * S) && t.mark == 299 * S, "and silence counts from it");
	struct ptime j;
	ptime_init(&j);
	ptime_join(&j, 70 * S, 1000 * S);
	ok(ptime_silence(&j, &c, 1015 * S) && j.mark == 80 * S, "silence counts from joining too");
}

int
main(void)
{
	order();
	skew();
	centuries();
	holding();
	join();
	silence();
	return tap_done();
}
