/* sketch_test.c - buckets against exact fractions, merging, ranks, and the promise of 1 %. */
#include "rules/sketch.h"

#include "core/tap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* ---- natural numbers, least limb first: enough for 101^1000 ---- */

#define LIMBS 400

struct nat {
	uint32_t v[LIMBS];
	int n;
};

static void
nat_times(struct nat *a, uint32_t k)
{
	uint64_t carry = 0;
	for (int i = 0; i < a->n || carry; i++) {
		if (i == a->n) {
			must(a->n < LIMBS);
			a->v[a->n++] = 0;
		}
		carry += (uint64_t)a->v[i] * k;
		a->v[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

static void
nat_shift(struct nat *a, int bits)
{
	for (; bits >= 16; bits -= 16)
		nat_times(a, 1 << 16);
	nat_times(a, UINT32_C(1) << bits);
}

static int
nat_cmp(const struct nat *a, const struct nat *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	for (int i = a->n - 1; i >= 0; i--)
		if (a->v[i] != b->v[i])
			return a->v[i] < b->v[i] ? -1 : 1;
	return 0;
}

/* The sign of x + half/2 of its last place - num * 101^i / 99^i / den, exactly. x > 0 */
static int
cmp_power(double x, int half, int i, uint32_t num, uint32_t den)
{
	static struct nat l, r;
	int e;
	uint64_t m = (uint64_t)ldexp(frexp(x, &e), 54) + (uint64_t)half;
	e -= 54;
	l = (struct nat){ { (uint32_t)m, (uint32_t)(m >> 32) }, 2 };
	r = (struct nat){ { num }, 1 };
	nat_times(&l, den);
	for (int k = 0; k < abs(i); k++) {
		nat_times(i > 0 ? &r : &l, 101);
		nat_times(i > 0 ? &l : &r, 99);
	}
	nat_shift(e < 0 ? &r : &l, abs(e));
	while (l.n && l.v[l.n - 1] == 0)
		l.n--;
	while (r.n && r.v[r.n - 1] == 0)
		r.n--;
	return nat_cmp(&l, &r);
}

#define ZERO_TO 40000 /* code of a positive bucket less its number */

static uint64_t rng = 12345678912345u;

static uint32_t
rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 11) % n);
}

static void
buckets(void)
{
	bool inside = true, edges = true, values = true;
	for (int n = 0; n < 60; n++) {
		double x = ldexp(1 + rnd(1 << 30) / 1073741824.0, (int)rnd(40) - 20);
		int i = sketch_code(x) - ZERO_TO;
		inside &= cmp_power(x, 0, i, 1, 1) <= 0 && cmp_power(x, 0, i - 1, 1, 1) > 0;
	}
	ok(inside, "a value lies in g^(i-1) < x <= g^i");
	for (int i = -300; i <= 300; i += 37) { /* the two doubles around an edge */
		double edge = (double)powl(101.0L / 99.0L, i), x[3] = { nextafter(edge, 0), edge, nextafter(edge, DBL_MAX) };
		for (int k = 0; k < 3; k++) {
			int got = sketch_code(x[k]) - ZERO_TO;
			edges &= got == (cmp_power(x[k], 0, i, 1, 1) <= 0 ? i : i + 1);
		}
	}
	ok(edges, "beside an edge too");
	for (int i = -400; i <= 400; i += 29) { /* 2 g^i / (g + 1) = 0.99 g^i, rounded once */
		double v = sketch_bucket_value(i + ZERO_TO);
		values &= cmp_power(v, -1, i, 99, 100) <= 0 && cmp_power(v, 1, i, 99, 100) >= 0;
	}
	ok(values, "a bucket's value is 2 g^i / (g + 1), rounded once");
	ok(sketch_code(1) == ZERO_TO && sketch_bucket_value(sketch_code(1)) == 0.99, "1 is an edge, and belongs below it");
	ok(sketch_code(0.0) == 0 && sketch_code(-0.0) == 0 && sketch_bucket_value(0) == 0, "zero has a bucket of its own");
	ok(sketch_code(-5) == -sketch_code(5) && sketch_bucket_value(-sketch_code(5)) == -sketch_bucket_value(sketch_code(5)),
		"negatives mirror positives");
	ok(sketch_code(DBL_TRUE_MIN) > 0 && sketch_code(DBL_MAX) < 2 * ZERO_TO && isfinite(sketch_bucket_value(sketch_code(DBL_MAX))) &&
		sketch_bucket_value(sketch_code(DBL_TRUE_MIN)) >= 0, "the ends of the range of doubles");
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void
quantiles(void)
{
	static const double qs[] = { 0.5, 0.9, 0.95, 0.99, 0.999 };
	static const int permille[] = { 500, 900, 950, 990, 999 };
	bool near = true, merged = true;
	for (int round = 0; round < 100; round++) {
		double v[1200];
		int n = 1 + (int)rnd(round < 50 ? 20 : 1200);
		struct sketch_sum flat = { 0 };
		struct sketch all = { 0 }, part[3] = { { 0 }, { 0 }, { 0 } }, sum = { 0 };
		for (int i = 0; i < n; i++) {
			v[i] = rnd(10) == 0 ? 0 : ldexp((double)rnd(1000) - 200, (int)rnd(20) - 10);
			sketch_add(&all, sketch_code(v[i]), 1);
			sketch_add(&part[rnd(3)], sketch_code(v[i]), 1);
		}
		for (int i = 0; i < 3; i++)
			sketch_merge(&sum, &part[(i + round) % 3]);
		merged &= sum.len == all.len && memcmp(sum.v, all.v, all.len * sizeof *all.v) == 0 && sketch_count(&all) == (uint64_t)n;
		for (int again = 0; again < 2; again++) { /* a quantile empties it */
			for (int i = 0; i < 3; i++)
				sketch_sum_add(&flat, &part[i]);
			merged &= flat.total == (uint64_t)n && sketch_sum_quantile(&flat, qs[again]) == sketch_quantile(&all, qs[again]) && flat.total == 0;
		}
		sketch_sum_free(&flat);
		qsort(v, (size_t)n, sizeof *v, by_size);
		for (size_t k = 0; k < COUNT_OF(qs); k++) {
			double want = v[(n * permille[k] + 999) / 1000 - 1], got = sketch_quantile(&all, qs[k]);
			near &= fabs(got - want) <= fabs(want) * 0.010000001;
		}
		sketch_release(&all);
		sketch_release(&sum);
		for (int i = 0; i < 3; i++)
			sketch_release(&part[i]);
	}
	ok(near, "a quantile is within 1 %% of the value of rank ceil(q n)");
	ok(merged, "merging in any order gives the same sketch");
	struct sketch s = { 0 };
	for (int i = 1; i <= 100; i++)
		sketch_add(&s, sketch_code(i), 1);
	ok(sketch_quantile(&s, 0.95) == sketch_bucket_value(sketch_code(95)), "0.95 of 100 is the 95th, not the 96th");
	ok(sketch_quantile(&s, 0.999) == sketch_bucket_value(sketch_code(100)), "0.999 of 100 is the last");
	sketch_release(&s);
	ok(s.len == 0 && s.v == NULL, "released is empty");
}

int
main(void)
{
	buckets();
	quantiles();
	return tap_done();
}
