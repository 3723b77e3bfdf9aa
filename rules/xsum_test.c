/* xsum_test.c - exact sums against integers of 4,096 bits: any order, any grouping, rounded once. */
#include "rules/xsum.h"

#include "core/tap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* ---- a plain fixed-point number: limb 0 counts 2^-1100 ---- */

__extension__ typedef unsigned __int128 wide;

#define LIMBS 72
#define POINT 1100

struct big {
	uint64_t v[LIMBS]; /* two's complement */
};

static void
big_negate(struct big *b)
{
	unsigned carry = 1;
	for (int i = 0; i < LIMBS; i++) {
		b->v[i] = ~b->v[i] + carry;
		carry = carry && b->v[i] == 0;
	}
}

static void
big_add(struct big *a, const struct big *b)
{
	unsigned carry = 0;
	for (int i = 0; i < LIMBS; i++) {
		wide s = (wide)a->v[i] + b->v[i] + carry;
		a->v[i] = (uint64_t)s;
		carry = (unsigned)(s >> 64);
	}
}

static struct big
big_of(double x)
{
	struct big b = { { 0 } };
	int e;
	uint64_t m = (uint64_t)ldexp(fabs(frexp(x, &e)), 53);
	int at = e - 53 + POINT;
	if (at < 0) { /* a subnormal's trailing zeros */
		m >>= -at;
		at = 0;
	}
	b.v[at / 64] |= m << (at % 64);
	if (at % 64)
		b.v[at / 64 + 1] |= m >> (64 - at % 64);
	if (x < 0)
		big_negate(&b);
	return b;
}

static int
big_cmp(const struct big *a, const struct big *b)
{
	int64_t x = (int64_t)a->v[LIMBS - 1], y = (int64_t)b->v[LIMBS - 1];
	if (x != y)
		return x < y ? -1 : 1;
	for (int i = LIMBS - 2; i >= 0; i--)
		if (a->v[i] != b->v[i])
			return a->v[i] < b->v[i] ? -1 : 1;
	return 0;
}

static void
big_times(struct big *a, uint64_t n)
{
	bool below = (int64_t)a->v[LIMBS - 1] < 0;
	wide carry = 0;
	if (below)
		big_negate(a);
	for (int i = 0; i < LIMBS; i++) {
		carry += (wide)a->v[i] * n;
		a->v[i] = (uint64_t)carry;
		carry >>= 64;
	}
	if (below)
		big_negate(a);
}

/* Is q the double nearest to sum / n, ties to even? Compared by 2 * sum with (q + its neighbour) * n. */
static bool
nearest_to(const struct big *sum, uint64_t n, double q)
{
	struct big twice = *sum;
	uint64_t bits;
	big_add(&twice, sum);
	memcpy(&bits, &q, 8);
	for (int side = -1; side <= 1; side += 2) {
		struct big middle = big_of(q), next = big_of(nextafter(q, side > 0 ? (double)INFINITY : (double)-INFINITY));
		big_add(&middle, &next);
		big_times(&middle, n);
		int c = big_cmp(&twice, &middle) * side; /* > 0: past the middle on that side */
		if (c > 0 || (c == 0 && bits & 1))
			return false;
	}
	return true;
}

/* ---- values ---- */

static uint64_t rng = 88172645463325252u;

static uint64_t
rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static double
value(int kind, int i)
{
	double m = (double)(rnd() >> 11) / 9007199254740992.0 * (rnd() & 1 ? 1 : -1);
	switch (kind) {
	case 0: /* what logs hold */
		return (double)(int64_t)(rnd() % 2000000) / 1000;
	case 1: /* half a range apart */
		return ldexp(m, (int)(rnd() % 600) - 300);
	case 2: /* growing: every step leaves a rest behind */
		return ldexp(fabs(m) + 1, 2 * i - 400);
	case 3: /* subnormals among others */
		return rnd() & 1 ? ldexp(m, -1060) : m;
	case 4: /* ties */
		return i % 3 ? ldexp(1, (int)(rnd() % 3) * 53) : -ldexp(1, 53);
	default: /* cancels almost */
		return i % 2 ? -1e16 + (double)(rnd() % 8) : 1e16;
	}
}
#define KINDS 6

static bool
one(int kind, int n)
{
	double *v = xcalloc((size_t)n, sizeof *v);
	struct big exact = { { 0 } };
	struct xsum all = { 0 }, other = { 0 }, part = { 0 };
	for (int i = 0; i < n; i++) {
		v[i] = value(kind, i);
		struct big b = big_of(v[i]);
		big_add(&exact, &b);
		xsum_add(&all, v[i]);
	}
	for (int i = n - 1; i > 0; i--) {
		int k = (int)(rnd() % (uint64_t)(i + 1));
		double t = v[i];
		v[i] = v[k];
		v[k] = t;
	}
	for (int i = 0; i < n; i++) { /* another order, in groups */
		xsum_add(&part, v[i]);
		if (rnd() % 4 == 0 || i == n - 1) {
			xsum_merge(&other, &part);
			xsum_release(&part);
		}
	}
	double sum = xsum_value(&all), mean = xsum_mean(&all);
	bool good = nearest_to(&exact, 1, sum) && sum == xsum_value(&other) && mean == xsum_mean(&other) && all.n == other.n &&
		(fabs(mean) < 1e-290 || nearest_to(&exact, (uint64_t)n, mean));
	for (uint16_t i = 1; good && i < all.len; i++)
		good = fabs(xsum_parts(&all)[i - 1]) < fabs(xsum_parts(&all)[i]);
	if (!good)
		printf("# kind %d, %d values: sum %.17g or %.17g, mean %.17g or %.17g\n", kind, n, sum, xsum_value(&other), mean,
			xsum_mean(&other));
	xsum_release(&all);
	xsum_release(&other);
	free(v);
	return good;
}

static void
random_sums(void)
{
	static const char *const names[KINDS] = { "decimals", "far apart", "growing", "subnormals", "ties", "cancelling" };
	for (int kind = 0; kind < KINDS; kind++) {
		bool good = true;
		for (int round = 0; round < 300 && good; round++)
			good = one(kind, 1 + (int)(rnd() % (kind == 2 ? 400 : 120)));
		ok(good, "%s: exact in any order and grouping, sum and mean rounded once", names[kind]);
	}
}

static double
sum_of(const double *v, int n)
{
	struct xsum s = { 0 };
	for (int i = 0; i < n; i++)
		xsum_add(&s, v[i]);
	double x = xsum_value(&s);
	xsum_release(&s);
	return x;
}

static void
known(void)
{
	struct xsum s = { 0 };
	ok(xsum_value(&s) == 0 && s.len == 0, "nothing is 0");
	double tenth[10];
	for (int i = 0; i < 10; i++)
		tenth[i] = 0.1;
	ok(sum_of(tenth, 10) == 1.0, "ten tenths are one");
	ok(sum_of((double[]){ 1e100, 1, -1e100 }, 3) == 1, "one survives");
	ok(sum_of((double[]){ 1, DBL_EPSILON / 2, DBL_EPSILON / 2 }, 3) == 1 + DBL_EPSILON, "two halves of the last place");
	ok(sum_of((double[]){ 1, DBL_EPSILON / 2 }, 2) == 1, "a tie goes to even");
	ok(sum_of((double[]){ 1, DBL_EPSILON / 2, 1e-300 }, 3) == 1 + DBL_EPSILON, "a hair more than a tie does not");
	xsum_add(&s, 0.1);
	xsum_add(&s, 0.2);
	xsum_add(&s, 0.3);
	ok(xsum_mean(&s) == 0.2, "the mean of 0.1, 0.2, 0.3");
	xsum_release(&s);
	ok(s.n == 0 && s.len == 0 && s.cap == 0, "released is empty");
}

static void
beyond(void)
{
	struct xsum s = { 0 };
	xsum_add(&s, DBL_MAX);
	xsum_add(&s, DBL_MAX);
	ok(isinf(xsum_value(&s)) && isinf(xsum_mean(&s)), "beyond the range of doubles: infinite");
	xsum_add(&s, 1);
	xsum_add(&s, -DBL_MAX);
	ok(isinf(xsum_value(&s)) && s.n == 4 && s.len == 1, "and stays so, whatever comes");
	struct xsum t = { 0 };
	xsum_add(&t, 1);
	xsum_merge(&t, &s);
	ok(isinf(xsum_value(&t)) && t.n == 5, "merged too");
	xsum_release(&s);
	xsum_release(&t);
	xsum_add(&s, DBL_MAX / 2);
	xsum_add(&s, DBL_MAX / 4);
	xsum_add(&s, -DBL_MAX / 2);
	ok(xsum_value(&s) == DBL_MAX / 4, "near the end of the range sums are exact");
	xsum_release(&s);
}

/* Every step leaves a rest of one or two bits that no later value absorbs. */
static void
many_parts(void)
{
	struct xsum s = { 0 };
	struct big exact = { { 0 } };
	int most = 0;
	for (int i = 0; i < 960; i++) {
		double v = ldexp((double)(rnd() >> 12 | UINT64_C(1) << 52 | 1), 2 * i - 1010);
		struct big b = big_of(v);
		big_add(&exact, &b);
		xsum_add(&s, v);
		if (s.len > most)
			most = s.len;
	}
	ok(nearest_to(&exact, 1, xsum_value(&s)), "960 growing values: exact, %d components at most", most);
	xsum_release(&s);
}

int
main(void)
{
	known();
	random_sums();
	beyond();
	many_parts();
	return tap_done();
}
