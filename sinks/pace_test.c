/* pace_test.c - backoff within its bounds, the slow ladder, the bucket's arithmetic. */
#include "sinks/pace.h"

#include "core/tap.h"

int
main(void)
{
	bool in = true, far = false;
	for (unsigned n = 0; n < 70; n++)
		for (uint64_t dice = 0; dice < 2000; dice++) {
			nsec top = n < 9 ? BACKOFF_BASE << n : BACKOFF_CAP, d = backoff(n, dice * UINT64_C(0x9e3779b97f4a7c15));
			if (top > BACKOFF_CAP)
				top = BACKOFF_CAP;
			in = in && d >= BACKOFF_LEAST && d <= top;
			far = far || d > BACKOFF_CAP * 9 / 10;
		}
	ok(in, "a backoff is between 50 ms and min(5 min, 1 s * 2^n)");
	ok(far, "and uses the whole range");
	ok(dead_pause(1, 9) == NS_PER_S && dead_pause(2, 9) == 10 * NS_PER_S && dead_pause(3, 9) == 60 * NS_PER_S, "dead: 1 s, 10 s, 1 min");
	ok(dead_pause(4, 0) == 300 * NS_PER_S && dead_pause(1000, UINT64_MAX) <= 900 * NS_PER_S, "then 5 to 15 min");

	struct pace p = { 0 };
	nsec now = 1000 * NS_PER_S;
	int burst = 0;
	while (burst < 100 && pace_take(&p, 60, 5, now) == 0)
		burst++;
	ok(burst == 5, "a bucket of 5 gives 5 at once");
	ok(pace_take(&p, 60, 5, now) == NS_PER_S, "and the sixth in a second");
	ok(pace_take(&p, 60, 5, now + NS_PER_S - 1) == 1, "not before");
	ok(pace_take(&p, 60, 5, now + NS_PER_S) == 0, "then it is there");
	ok(pace_take(&p, 60, 5, now + NS_PER_S) > 0, "one only");
	burst = 0;
	while (burst < 100 && pace_take(&p, 60, 5, now + 3600 * NS_PER_S) == 0)
		burst++;
	ok(burst == 5, "idle hours save up no more than the burst");
	ok(pace_take(&p, 0, 0, now) == 0, "no rate, no limit");
	return tap_done();
}
