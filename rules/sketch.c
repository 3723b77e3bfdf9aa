/* sketch.c - DDSketch with exact integer buckets. */
#include "rules/sketch.h"

#include "rules/held.h"

#include <math.h>
#include <stdlib.h>

#define CODE_ZERO_TO 40000 /* bucket numbers of doubles lie within +-37,300 */
#define CODE_MAX (2 * CODE_ZERO_TO)

/* Long double keeps the powers right to the last digit of a double. */
static const long double g = 101.0L / 99.0L;

int32_t
sketch_code(double x)
{
	static const double log_g = 0x1.47b0e059d0597p-6; /* logl(g) */
	if (x == 0)
		return 0;
	double r = log(fabs(x)) / log_g;
	int32_t i = (int32_t)ceil(r);
	if (fabs(r - nearbyint(r)) < 1e-9) { /* beside the edge of two buckets, the quotient's rounding must not decide */
		i = (int32_t)nearbyint(r);
		if ((long double)fabs(x) > powl(g, i))
			i++;
	}
	return x > 0 ? i + CODE_ZERO_TO : -(i + CODE_ZERO_TO);
}

/* A double and what its rounding lost: twice the precision, enough that g^i comes out correctly rounded. */
struct dd {
	double hi, lo;
};

static struct dd
dd_mul(struct dd a, struct dd b)
{
	double p = a.hi * b.hi, e = fma(a.hi, b.hi, -p) + (a.hi * b.lo + a.lo * b.hi);
	return (struct dd){ p + e, e - ((p + e) - p) };
}

static struct dd
dd_ratio(double a, double b)
{
	double q = a / b, r = fma(-q, b, a) / b;
	return (struct dd){ q + r, r - ((q + r) - q) };
}

double
sketch_bucket_value(int32_t code)
{
	if (code == 0)
		return 0;
	int32_t i = (code > 0 ? code : -code) - CODE_ZERO_TO;
	struct dd v = dd_ratio(99, 100), base = i < 0 ? dd_ratio(99, 101) : dd_ratio(101, 99); /* 2/(g+1) = 0.99 */
	for (uint32_t n = (uint32_t)(i < 0 ? -i : i); n; n >>= 1, base = dd_mul(base, base))
		if (n & 1)
			v = dd_mul(v, base);
	return code > 0 ? v.hi : -v.hi;
}

/* Index of code, or where it belongs. */
static uint32_t
find(const struct sketch *s, int32_t code)
{
	uint32_t lo = 0, hi = s->len;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (s->v[mid].code < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
sketch_add(struct sketch *s, int32_t code, uint32_t n)
{
	uint32_t i = find(s, code);
	if (i < s->len && s->v[i].code == code) {
		s->v[i].n += n;
		return;
	}
	if (s->len == s->cap) {
		uint32_t was = s->cap;
		s->cap = s->cap ? s->cap + s->cap / 2 : 4;
		held_grow(was * sizeof *s->v, s->cap * sizeof *s->v);
		s->v = xrealloc(s->v, s->cap * sizeof *s->v);
	}
	memmove(s->v + i + 1, s->v + i, (s->len - i) * sizeof *s->v);
	s->v[i] = (struct bucket){ code, n };
	s->len++;
}

void
sketch_merge(struct sketch *s, const struct sketch *from)
{
	for (uint32_t i = 0; i < from->len; i++)
		sketch_add(s, from->v[i].code, from->v[i].n);
}

uint64_t
sketch_count(const struct sketch *s)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < s->len; i++)
		n += s->v[i].n;
	return n;
}

/* q is a decimal such as 0.95 whose double may lie a hair above: rank by thousandths, which q is made of. */
static uint64_t
rank_of(uint64_t n, double q)
{
	return (n * (uint64_t)llround(q * 1000) + 999) / 1000;
}

double
sketch_quantile(const struct sketch *s, double q)
{
	uint64_t rank = rank_of(sketch_count(s), q), seen = 0;
	for (uint32_t i = 0; i < s->len; i++) {
		seen += s->v[i].n;
		if (seen >= rank)
			return sketch_bucket_value(s->v[i].code);
	}
	must(s->len > 0);
	return sketch_bucket_value(s->v[s->len - 1].code);
}

void
sketch_sum_add(struct sketch_sum *sum, const struct sketch *s)
{
	if (s->len == 0)
		return;
	if (sum->n == NULL)
		sum->n = xcalloc(2 * CODE_MAX + 1, sizeof *sum->n);
	if (sum->total == 0) {
		sum->lo = INT32_MAX;
		sum->hi = INT32_MIN;
	}
	if (s->v[0].code < sum->lo)
		sum->lo = s->v[0].code;
	if (s->v[s->len - 1].code > sum->hi)
		sum->hi = s->v[s->len - 1].code;
	for (uint32_t i = 0; i < s->len; i++) {
		sum->n[s->v[i].code + CODE_MAX] += s->v[i].n;
		sum->total += s->v[i].n;
	}
}

double
sketch_sum_quantile(struct sketch_sum *sum, double q)
{
	uint64_t rank = rank_of(sum->total, q), seen = 0;
	int32_t code = sum->lo;
	while ((seen += sum->n[code + CODE_MAX]) < rank)
		code++;
	memset(sum->n + sum->lo + CODE_MAX, 0, (size_t)(sum->hi - sum->lo + 1) * sizeof *sum->n);
	sum->total = 0;
	return sketch_bucket_value(code);
}

void
sketch_sum_free(struct sketch_sum *sum)
{
	free(sum->n);
	*sum = (struct sketch_sum){ 0 };
}

void
sketch_release(struct sketch *s)
{
	free(s->v);
	if (s->cap)
		held_drop(s->cap * sizeof *s->v);
	*s = (struct sketch){ 0 };
}
