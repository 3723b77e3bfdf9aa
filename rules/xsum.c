/* xsum.c - exact sums by expansions. */
#include "rules/xsum.h"

#include "rules/held.h"

#include <math.h>
#include <stdlib.h>

#define XSUM_MAX 64 /* 2098 bits of range over 53 bits a component are 40 once compressed */

const double *
xsum_parts(const struct xsum *s)
{
	return s->cap ? s->u.out : s->u.in;
}

/* Components that do not overlap may still lie close: a rest of one bit each, left behind by growing values. Makes them
 * lie 53 bits apart (Shewchuk, COMPRESS): one way down, gathering, and one way up. */
static uint16_t
compress(double *p, uint16_t n)
{
	uint16_t bottom = (uint16_t)(n - 1), top = 0;
	double q = p[n - 1];
	for (int i = n - 2; i >= 0; i--) {
		double hi = q + p[i], lo = p[i] - (hi - q);
		q = hi;
		if (lo != 0) {
			p[bottom--] = hi;
			q = lo;
		}
	}
	p[bottom] = q;
	for (int i = bottom + 1; i < n; i++) {
		double hi = p[i] + q, lo = q - (hi - p[i]);
		if (lo != 0)
			p[top++] = lo;
		q = hi;
	}
	p[top++] = q;
	return top;
}

static void
append(struct xsum *s, double v)
{
	if (s->cap == 0 && s->len < XSUM_INLINE) {
		s->u.in[s->len++] = v;
		return;
	}
	if (s->cap == 0) {
		double *out = xmalloc(8 * sizeof *out);
		held_add(8 * sizeof *out);
		memcpy(out, s->u.in, sizeof s->u.in);
		s->u.out = out;
		s->cap = 8;
	} else if (s->len == s->cap) {
		must(s->cap < XSUM_MAX);
		held_grow(s->cap * sizeof *s->u.out, 2 * s->cap * sizeof *s->u.out);
		s->cap *= 2;
		s->u.out = xrealloc(s->u.out, s->cap * sizeof *s->u.out);
	}
	s->u.out[s->len++] = v;
	if (s->len == XSUM_MAX)
		s->len = compress(s->u.out, s->len);
}

/* Knuth's two-sum: a + b == *hi + *lo exactly, without a branch on their sizes. */
static inline void
two_sum(double a, double b, double *hi, double *lo)
{
	double s = a + b, bb = s - a;
	*hi = s;
	*lo = (a - (s - bb)) + (b - bb);
}

void
xsum_part(struct xsum *s, double v)
{
	double *p = s->cap ? s->u.out : s->u.in;
	uint16_t kept = 0;
	if (s->len && isinf(p[s->len - 1]))
		return; /* beyond the range once: for good */
	for (uint16_t i = 0; i < s->len; i++) {
		double hi, lo;
		two_sum(v, p[i], &hi, &lo);
		if (lo != 0)
			p[kept++] = lo;
		v = hi;
	}
	s->len = isfinite(v) ? kept : 0; /* past the range there is nothing left to be exact about */
	if (v != 0)
		append(s, isfinite(v) ? v : (double)INFINITY);
}

void
xsum_add(struct xsum *s, double v)
{
	xsum_part(s, v);
	s->n++;
}

void
xsum_merge(struct xsum *s, const struct xsum *from)
{
	const double *p = xsum_parts(from);
	for (uint16_t i = 0; i < from->len; i++)
		xsum_part(s, p[i]);
	s->n += from->n;
}

/* The components do not overlap and grow, so summing from the top is exact until the first nonzero rest; then only a
 * tie can round wrongly, which the sign of the next component decides. */
double
xsum_value(const struct xsum *s)
{
	const double *p = xsum_parts(s);
	int i = s->len;
	if (i == 0)
		return 0;
	double hi = p[--i], lo = 0;
	while (i > 0) {
		double x = hi, y = p[--i];
		hi = x + y;
		lo = y - (hi - x);
		if (lo != 0)
			break;
	}
	if (i > 0 && ((lo < 0 && p[i - 1] < 0) || (lo > 0 && p[i - 1] > 0))) {
		double y = lo * 2, x = hi + y;
		if (y == x - hi)
			hi = x;
	}
	return hi;
}

/* Sign of 2 * sum - (a + b) * n, exactly: on which side of the middle of a and b does sum / n lie? */
static int
side(const struct xsum *s, double a, double b)
{
	struct xsum t = { 0 };
	const double *p = xsum_parts(s);
	for (uint16_t i = 0; i < s->len; i++)
		xsum_part(&t, 2 * p[i]);
	double n = s->n, q[2] = { a, b };
	for (int i = 0; i < 2; i++) {
		double prod = q[i] * n;
		xsum_part(&t, -prod);
		xsum_part(&t, -fma(q[i], n, -prod));
	}
	double v = xsum_value(&t);
	xsum_release(&t);
	return (v > 0) - (v < 0);
}

static bool
even(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, 8);
	return (bits & 1) == 0;
}

double
xsum_mean(const struct xsum *s)
{
	double q = xsum_value(s) / s->n;
	if (!isfinite(q) || s->n == 1 || fabs(q) < 1e-290 || fabs(q) > 1e290)
		return q; /* at the ends of the range the products below would not be exact */
	for (;;) {
		double up = nextafter(q, INFINITY), down = nextafter(q, -INFINITY);
		int hi = side(s, q, up), lo = side(s, q, down);
		if (hi > 0 || (hi == 0 && !even(q)))
			q = up;
		else if (lo < 0 || (lo == 0 && !even(q)))
			q = down;
		else
			return q;
	}
}

void
xsum_release(struct xsum *s)
{
	if (s->cap) {
		held_drop(s->cap * sizeof *s->u.out);
		free(s->u.out);
	}
	*s = (struct xsum){ 0 };
}

static void
add_product(struct xsum *s, double a, double b)
{
	double p = a * b;
	xsum_part(s, p);
	xsum_part(s, fma(a, b, -p));
}

/* Sign of 4 * a - (n * (x + y))^2: on which side of the middle of x and y does sqrt(a) / n lie? */
static int
root_side(const struct xsum *a, double n, double x, double y)
{
	struct xsum d = { 0 };
	double xh = n * x, yh = n * y, t[4] = { xh, fma(n, x, -xh), yh, fma(n, y, -yh) };
	const double *p = xsum_parts(a);
	for (uint16_t i = 0; i < a->len; i++)
		xsum_part(&d, 4 * p[i]);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 4; k++)
			add_product(&d, -t[i], t[k]);
	double v = xsum_value(&d);
	xsum_release(&d);
	return (v > 0) - (v < 0);
}

double
xsum_stddev(const struct xsum *sum, const struct xsum *squares)
{
	struct xsum a = { 0 }; /* n * squares - sum * sum, exactly: n * n times the variance */
	const double *s = xsum_parts(sum), *q = xsum_parts(squares);
	double n = sum->n;
	for (uint16_t i = 0; i < squares->len; i++)
		add_product(&a, n, q[i]);
	for (uint16_t i = 0; i < sum->len; i++)
		for (uint16_t k = 0; k < sum->len; k++)
			add_product(&a, -s[i], s[k]);
	double v = xsum_value(&a), r = v > 0 ? sqrt(v) / n : 0;
	while (isfinite(r) && r > 1e-140 && r < 1e140) { /* beyond, the products below would not be exact */
		double up = nextafter(r, INFINITY), down = nextafter(r, 0);
		int hi = root_side(&a, n, r, up), lo = root_side(&a, n, down, r);
		if (hi > 0 || (hi == 0 && !even(r)))
			r = up;
		else if (lo < 0 || (lo == 0 && !even(r)))
			r = down;
		else
			break;
	}
	xsum_release(&a);
	return r;
}
