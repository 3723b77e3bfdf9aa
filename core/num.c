/* num.c - numbers and time stamps from text, without locale, libc time functions or allocation.
 *
 * Cost: a number of at most 19 digits and a small exponent is one pass and one multiplication; others go through
 * strtod on a copy that is cut, without changing the result, to NUM_DIGITS significant digits.
 */
#include "core/num.h"

#include "core/units.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* No double, and no middle between two, has more than 767 significant digits: a last digit
 * that is not 0 stands for the rest. */
#define NUM_DIGITS 770
#define EXP_LIMIT INT64_C(1000000000) /* past this an exponent's text changes nothing: digits are fewer */

/* A JSON number taken apart: digits are those of the integer part and the fraction in one row. */
struct number {
	bool neg;
	const char *whole, *frac; /* their digits */
	size_t nwhole, nfrac;
	int64_t exp;       /* as written */
	uint64_t mant;     /* the first 19 digits from the first that is not 0 */
	size_t digits;     /* from the first that is not 0 */
};

static inline bool
is_digit(char c)
{
	return (unsigned)(c - '0') <= 9;
}

static inline void
take_digit(struct number *n, char c)
{
	if (n->digits == 0 && c == '0')
		return;
	if (n->digits++ < 19)
		n->mant = n->mant * 10 + (unsigned)(c - '0');
}

/* RFC 8259's number, as a whole; false if s is none. */
static inline bool
number_split(struct str s, struct number *n)
{
	const char *p = s.ptr, *end = p + s.len;
	*n = (struct number){ 0 };
	if (p < end && *p == '-')
		n->neg = true, p++;
	n->whole = p;
	while (p < end && is_digit(*p))
		take_digit(n, *p++);
	n->nwhole = (size_t)(p - n->whole);
	if (n->nwhole == 0 || (n->nwhole > 1 && *n->whole == '0'))
		return false;
	if (p < end && *p == '.') {
		n->frac = ++p;
		while (p < end && is_digit(*p))
			take_digit(n, *p++);
		n->nfrac = (size_t)(p - n->frac);
		if (n->nfrac == 0)
			return false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		bool neg = false;
		if (++p < end && (*p == '-' || *p == '+'))
			neg = *p++ == '-';
		const char *from = p;
		for (; p < end && is_digit(*p); p++)
			if (n->exp < EXP_LIMIT)
				n->exp = n->exp * 10 + (*p - '0');
		if (p == from)
			return false;
		if (neg)
			n->exp = -n->exp;
	}
	return p == end;
}

/* The digit at place i of whole and fraction in one row. */
static inline char
digit_at(const struct number *n, size_t i)
{
	return i < n->nwhole ? n->whole[i] : n->frac[i - n->nwhole];
}

static double
number_slow(const struct number *n)
{
	static locale_t c_locale; /* a constant of libc's; whoever sets it first sets the same */
	locale_t c = __atomic_load_n(&c_locale, __ATOMIC_ACQUIRE);
	if (c == NULL) {
		c = newlocale(LC_ALL_MASK, "C", NULL);
		must(c != NULL);
		__atomic_store_n(&c_locale, c, __ATOMIC_RELEASE);
	}
	char text[NUM_DIGITS + 32];
	size_t all = n->nwhole + n->nfrac, i = all - n->digits, at = 0;
	for (; i < all && at < NUM_DIGITS; i++)
		text[at++] = digit_at(n, i);
	size_t cut = all - i;
	for (; i < all && text[at - 1] == '0'; i++) /* only a text that ends in 0 could be a middle exactly */
		if (digit_at(n, i) != '0')
			text[at - 1] = '1';
	snprintf(text + at, sizeof text - at, "e%lld", (long long)(n->exp - (int64_t)n->nfrac + (int64_t)cut));
	return strtod_l(text, NULL, c);
}

static inline double
number_value(const struct number *n)
{
	static const double pow10[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
		1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	int64_t exp = n->exp - (int64_t)n->nfrac;
	double v;
	if (n->mant == 0)
		v = 0;
	else if (LIKELY(n->digits <= 19 && n->mant <= UINT64_C(1) << 53 && exp >= -22 && exp <= 22))
		v = exp < 0 ? (double)n->mant / pow10[-exp] : (double)n->mant * pow10[exp]; /* both exact: one rounding */
	else
		v = number_slow(n);
	return n->neg ? -v : v;
}

double
num_of(struct str s)
{
	double v = 0;
	must(num_parse(s, &v));
	return v;
}

#define WHOLE_DIGITS 15 /* below 2^53: exact */

bool
num_parse(struct str s, double *out)
{
	struct number n;
	uint64_t v = 0;
	size_t i = 0;
	if (s.len && s.len <= WHOLE_DIGITS && s.ptr[0] != '0') /* most numbers of a log are short and whole */
		for (unsigned d; i < s.len && (d = (unsigned char)s.ptr[i] - (unsigned)'0') <= 9; i++)
			v = v * 10 + d;
	if (i && i == s.len) {
		*out = (double)v;
		return true;
	}
	if (!number_split(s, &n))
		return false;
	*out = number_value(&n);
	return true;
}

/* Epoch time: the unit by the number of digits before the point, then that many of them as nanoseconds. */
static bool
stamp_number(struct str s, nsec *out)
{
	struct number n;
	if (!number_split(s, &n))
		return false;
	if (n.mant == 0) {
		*out = 0;
		return true;
	}
	int64_t whole = (int64_t)n.digits - (int64_t)n.nfrac + n.exp; /* digits before the point, once exp has moved it */
	if (whole > 19)
		return false;
	int64_t take = whole + (whole <= 11 ? 9 : whole <= 14 ? 6 : whole <= 17 ? 3 : 0);
	size_t all = n.nwhole + n.nfrac, i = all - n.digits;
	uint64_t v = 0;
	for (; take > 0; take--) {
		uint64_t d = i < all ? (uint64_t)(digit_at(&n, i) - '0') : 0;
		i++;
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	if (v > INT64_MAX)
		return false;
	*out = n.neg ? -(nsec)v : (nsec)v;
	return true;
}

/* Two digits as a number, or at least 100. */
static inline unsigned
two(const char *p)
{
	unsigned a = (unsigned)(p[0] - '0'), b = (unsigned)(p[1] - '0');
	return a <= 9 && b <= 9 ? a * 10 + b : 100;
}

static int64_t
days_of(int64_t y, unsigned m, unsigned d)
{
	y -= m <= 2; /* the year begins in March: the leap day is its last */
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (int64_t)(m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static unsigned
days_in(unsigned y, unsigned m)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	return m == 2 && leap ? 29 : days[m - 1];
}

/* "Z", "+hh:mm", "+hhmm" or "+hh" as a whole: seconds east of UTC. */
static bool
offset_parse(const char *p, size_t len, int64_t *out)
{
	if (len == 1 && (*p == 'Z' || *p == 'z')) {
		*out = 0;
		return true;
	}
	if ((len != 6 && len != 5 && len != 3) || (*p != '+' && *p != '-') || (len == 6 && p[3] != ':'))
		return false;
	unsigned h = two(p + 1), m = len == 3 ? 0 : two(p + len - 2);
	if (h > 23 || m > 59)
		return false;
	*out = (*p == '-' ? -1 : 1) * (int64_t)(h * 3600 + m * 60);
	return true;
}

/* "YYYY-MM-DDTHH:MM:SS" has been seen to have its length and its first '-'. */
static bool
stamp_date(struct str s, const struct zone *zone, nsec *out)
{
	const char *p = s.ptr;
	unsigned hi = two(p), lo = two(p + 2), mon = two(p + 5), day = two(p + 8);
	unsigned hour = two(p + 11), min = two(p + 14), sec = two(p + 17);
	if (hi > 99 || lo > 99 || p[7] != '-' || (p[10] != 'T' && p[10] != 't' && p[10] != ' ') || p[13] != ':' || p[16] != ':')
		return false;
	unsigned year = hi * 100 + lo;
	/* second 60 is the leap second: told as the first of the next minute */
	if (mon < 1 || mon > 12 || day < 1 || day > days_in(year, mon) || hour > 23 || min > 59 || sec > 60)
		return false;
	size_t at = 19;
	int64_t frac = 0;
	if (at < s.len && (p[at] == '.' || p[at] == ',')) {
		size_t from = ++at;
		for (int64_t unit = NS_PER_S / 10; at < s.len && is_digit(p[at]); at++, unit /= 10)
			frac += (p[at] - '0') * unit;
		if (at == from)
			return false;
	}
	int64_t east, t = days_of(year, mon, day) * 86400 + hour * 3600 + min * 60 + sec;
	if (at == s.len)
		east = zone ? zone_offset_local(zone, t) : 0;
	else if (!offset_parse(p + at, s.len - at, &east))
		return false;
	return !__builtin_mul_overflow(t - east, NS_PER_S, &t) && !__builtin_add_overflow(t, frac, out);
}

bool
stamp_parse(struct str s, const struct zone *zone, nsec *out)
{
	static const nsec least = INT64_C(-9214560000) * NS_PER_S; /* 1678-01-01T00:00:00Z */
	nsec t;
	if (!(s.len >= 19 && s.ptr[4] == '-' ? stamp_date(s, zone, &t) : stamp_number(s, &t)) || t < least)
		return false;
	*out = t;
	return true;
}
