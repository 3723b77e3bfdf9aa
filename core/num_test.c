/* num_test.c - numbers against strtod, time stamps against a table and against gmtime_r. Seeds are fixed. */
#include "core/num.h"

#include "core/tap.h"
#include "core/units.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

static uint64_t seed = 88172645463325252u;

static uint64_t
roll(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static bool
same_double(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0; /* the sign of zero too */
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

static void
test_table(void)
{
	static const char *const good[] = { "0", "-0", "0.0", "-0.0", "0e5", "-0E-999", "1", "-1", "0.1", "0.3", "1.5", "123456789",
		"9007199254740992", "9007199254740993", "9007199254740993.0000000001", "9007199254740995", "18446744073709551615",
		"18446744073709551616", "9999999999999999999", "99999999999999999999", "1e22", "1e23", "-1e22", "123e20", "1e-22", "1e-23",
		"8.5e-22", "1e308", "1.7976931348623157e308", "1.7976931348623159e308", "1e309", "-1e400", "1e999999999999999999999", "4.9e-324",
		"2.4703282292062327e-324", "2.4703282292062328e-324", "1e-400", "-1e-99999999999999", "2.2250738585072011e-308",
		"2.2250738585072014e-308", "0.000000000000000000000000000000000000000000001", "1E+5", "1e+05", "179769313486231580793e289",
		"7.2057594037927933e16", "5e-324", "0e999999999999", "6.0221409e+23", "3.141592653589793238462643383279502884197" };
	static const char *const bad[] = { "", "-", "+1", ".5", "5.", "01", "-01", "1e", "1e+", "e5", "1.e5", "0x1p3", "inf", "nan", "1 ", " 1",
		"1,5", "1_0", "--1", "1-", "1e5.0", "1..2", "Infinity", "true", "1f" };
	double v;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		ok(num_parse(str_of(good[i]), &v) && same_double(v, strtod(good[i], NULL)) && same_double(num_of(str_of(good[i])), v),
			"%s", good[i]);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		ok(!num_parse(str_of(bad[i]), &v), "no number: '%s'", bad[i]);
	ok(!num_parse((struct str){ "1\0", 2 }, &v), "no number: a NUL at the end");
}

static unsigned wrong;

static void
check(const char *text)
{
	double v = 0, want = strtod(text, NULL);
	if (num_parse(str_of(text), &v) && same_double(v, want))
		return;
	if (wrong++ < 5)
		printf("# %.200s: %.17g, strtod says %.17g\n", text, v, want);
}

static void
test_random(void)
{
	static char text[3000];
	wrong = 0;
	for (int i = 0; i < 60000; i++) { /* doubles of every size, short and long */
		uint64_t bits = roll();
		double d;
		memcpy(&d, &bits, sizeof d);
		if (!isfinite(d))
			continue;
		snprintf(text, sizeof text, "%.*g", 1 + (int)(roll() % 20), d);
		check(text);
	}
	ok(wrong == 0, "printed doubles");
	wrong = 0;
	for (int i = 0; i < 60000; i++) { /* what logs hold */
		snprintf(text, sizeof text, "%s%u.%0*u", i & 1 ? "-" : "", (unsigned)(roll() % 1000000), 1 + (int)(roll() % 9),
			(unsigned)(roll() % 10));
		check(text);
	}
	ok(wrong == 0, "short decimals");
	wrong = 0;
	for (int i = 0; i < 20000; i++) { /* any digits, point and exponent */
		size_t n = 1 + roll() % 45, at = 0, point = roll() % 45;
		for (size_t k = 0; k < n; k++) {
			text[at++] = (char)(k ? '0' + roll() % 10 : '1' + roll() % 9);
			if (k == point && k + 1 < n)
				text[at++] = '.';
		}
		snprintf(text + at, sizeof text - at, "e%d", (int)(roll() % 700) - 350);
		check(text);
	}
	ok(wrong == 0, "digits with exponents");
}

/* The middle between two doubles in full, and just beside it, far past the digits that are kept. */
static void
test_middles(void)
{
	static char text[3000];
	wrong = 0;
	for (int i = 0; i < 3000; i++) {
		uint64_t bits = i % 3 ? roll() >> 1 : roll() % (UINT64_C(1) << 53); /* every third subnormal or near */
		double a, b;
		memcpy(&a, &bits, sizeof a);
		bits++;
		memcpy(&b, &bits, sizeof b);
		if (!isfinite(a) || !isfinite(b))
			continue;
		long double mid = ((long double)a + (long double)b) / 2; /* exact: 64 bits hold one more than 53 */
		int n = snprintf(text, sizeof text, "%.1200Lf", mid);
		must(n > 0 && n < 2900);
		check(text);
		memcpy(text + n, "000000001", 10);
		check(text);
		n = snprintf(text, sizeof text, "%.790Le", mid);
		char *e = strchr(text, 'e');
		must(n > 0 && e);
		e[-1] = '1'; /* a digit past all of the middle's */
		check(text);
	}
	ok(wrong == 0, "middles between doubles, and just beside them");
	memset(text, '0', sizeof text);
	memcpy(text, "0.", 2);
	memcpy(text + 2500, "25e2500", 8);
	check(text);
	memset(text, '9', 2500);
	memcpy(text + 2500, "e-2400", 7);
	check(text);
	ok(wrong == 0, "thousands of digits");
}

static void
test_locale(void)
{
	static const char *const comma[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "nl_NL.UTF-8" };
	for (size_t i = 0; i < COUNT_OF(comma); i++) {
		if (setlocale(LC_NUMERIC, comma[i]) == NULL)
			continue;
		double v = num_of(STR("1234567890123456789.5e-3"));
		setlocale(LC_NUMERIC, "C");
		ok(same_double(v, 1234567890123456.7895), "a locale with a decimal comma changes nothing");
		return;
	}
	ok(true, "decimal comma # SKIP no such locale here");
}

/* --- time stamps ------------------------------------------------------------------------------------------------ */

#define T INT64_C(1764072000) /* 2025-11-25T12:00:00Z */
#define S(s, ns) ((s)*NS_PER_S + (ns))

static const struct {
	const char *text;
	nsec want; /* NS_NONE: no time */
} stamps[] = {
	{ "2025-11-25T12:00:00Z", S(T, 0) },
	{ "2025-11-25t12:00:00z", S(T, 0) },
	{ "2025-11-25 12:00:00Z", S(T, 0) },
	{ "2025-11-25T12:00:00.5Z", S(T, 500000000) },
	{ "2025-11-25T12:00:00,5Z", S(T, 500000000) },
	{ "2025-11-25T12:00:00.123456789Z", S(T, 123456789) },
	{ "2025-11-25T12:00:00.1234567899999Z", S(T, 123456789) },
	{ "2025-11-25T12:00:00.000000001Z", S(T, 1) },
	{ "2025-11-25T14:00:00+02:00", S(T, 0) },
	{ "2025-11-25T06:30:00-05:30", S(T, 0) },
	{ "2025-11-25T14:00:00.25+0200", S(T, 250000000) },
	{ "2025-11-25T14:00:00+02", S(T, 0) },
	{ "2025-11-25T12:00:00-00:00", S(T, 0) },
	{ "2025-11-26T11:59:00+23:59", S(T, 0) },
	{ "2025-11-25 12:00:00", S(T, 0) },
	{ "2025-11-25 12:00:00.123", S(T, 123000000) },
	{ "2025-11-25 12:00:00,123", S(T, 123000000) },
	{ "2025-11-25T12:00:00", S(T, 0) },
	{ "1970-01-01T00:00:00Z", 0 },
	{ "1969-12-31T23:59:59.999999999Z", -1 },
	{ "1969-12-31T23:59:59.25Z", -750000000 },
	{ "2000-02-29T00:00:00Z", S(951782400, 0) },
	{ "2024-02-29T23:59:59Z", S(1709251199, 0) },
	{ "2016-12-31T23:59:60Z", S(1483228800, 0) },
	{ "2017-01-01T05:29:60.5+05:30", S(1483228800, 500000000) },
	{ "1678-01-01T00:00:00Z", S(INT64_C(-9214560000), 0) },
	{ "2262-04-11T23:47:16.854775807Z", INT64_MAX },
	/* epochs */
	{ "0", 0 },
	{ "1764072000", S(T, 0) },
	{ "1764072000.5", S(T, 500000000) },
	{ "1764072000.123456789", S(T, 123456789) },
	{ "1764072000.1234567899", S(T, 123456789) },
	{ "1764072000123", S(T, 123000000) },
	{ "1764072000123.456789", S(T, 123456789) },
	{ "1764072000123456", S(T, 123456000) },
	{ "1764072000123456.789", S(T, 123456789) },
	{ "1764072000123456789", S(T, 123456789) },
	{ "1764072000123456789.9", S(T, 123456789) },
	{ "1.764072e9", S(T, 0) },
	{ "1764072000123e-3", S(T, 123000000) },
	{ "1.764072000123E12", S(T, 123000000) },
	{ "0.000000001", 1 },
	{ "0.5e-20", 0 },
	{ "9000000000", S(INT64_C(9000000000), 0) },
	{ "100000000000", S(INT64_C(100000000), 0) },      /* 1e11: the first that is milliseconds */
	{ "100000000000000", S(INT64_C(100000000), 0) },   /* 1e14: microseconds */
	{ "100000000000000000", S(INT64_C(100000000), 0) }, /* 1e17: nanoseconds */
	{ "-1", -NS_PER_S },
	{ "-1.5", -1500000000 },
	{ "-0", 0 },
	{ "9223372036854775807", INT64_MAX },
	/* no time */
	{ "", NS_NONE },
	{ "now", NS_NONE },
	{ "2025-11-25", NS_NONE },
	{ "2025-11-25T12:00", NS_NONE },
	{ "2025-11-25T12:00:00.Z", NS_NONE },
	{ "2025-11-25T12:00:00.", NS_NONE },
	{ "2025-11-25T12:00:00x", NS_NONE },
	{ "2025-11-25T12:00:00ZZ", NS_NONE },
	{ "2025-11-25T12:00:00 Z", NS_NONE },
	{ "2025-11-25T12:00:00+2:00", NS_NONE },
	{ "2025-11-25T12:00:00+24:00", NS_NONE },
	{ "2025-11-25T12:00:00+02:60", NS_NONE },
	{ "2025-11-25T12:00:00+02:0", NS_NONE },
	{ "2025-11-25T12:00:00+", NS_NONE },
	{ "2025-11-25_12:00:00Z", NS_NONE },
	{ "2025/11/25 12:00:00", NS_NONE },
	{ "2025-11/25 12:00:00", NS_NONE },
	{ "2025-11-25 12.00.00", NS_NONE },
	{ "25-11-2025 12:00:00", NS_NONE },
	{ "2025-00-25T12:00:00Z", NS_NONE },
	{ "2025-13-25T12:00:00Z", NS_NONE },
	{ "2025-11-00T12:00:00Z", NS_NONE },
	{ "2025-11-31T12:00:00Z", NS_NONE },
	{ "2025-02-29T12:00:00Z", NS_NONE },
	{ "2025-02-30T12:00:00Z", NS_NONE },
	{ "1900-02-29T12:00:00Z", NS_NONE },
	{ "2025-11-25T24:00:00Z", NS_NONE },
	{ "2025-11-25T12:60:00Z", NS_NONE },
	{ "2025-11-25T12:00:61Z", NS_NONE },
	{ "2025-11-25T-1:00:00Z", NS_NONE },
	{ " 2025-11-25T12:00:00Z", NS_NONE },
	{ "1677-12-31T23:59:59Z", NS_NONE },
	{ "2262-04-11T23:47:16.854775808Z", NS_NONE },
	{ "9999-12-31T23:59:59Z", NS_NONE },
	{ "0000-01-01T00:00:00Z", NS_NONE },
	{ "99999999999", NS_NONE }, /* the year 5138 */
	{ "9223372036854775808", NS_NONE },
	{ "10000000000000000000", NS_NONE },
	{ "1e30", NS_NONE },
	{ "1e999999999999", NS_NONE },
	{ "1764072000 ", NS_NONE },
	{ "+1764072000", NS_NONE },
	{ "01764072000", NS_NONE },
	{ "0x6925a0c0", NS_NONE },
	{ "1764072000s", NS_NONE },
	{ "NaN", NS_NONE },
};

static void
test_stamps(void)
{
	for (size_t i = 0; i < COUNT_OF(stamps); i++) {
		nsec t = 42, want = stamps[i].want;
		bool good = stamp_parse(str_of(stamps[i].text), NULL, &t);
		if (!ok(want == NS_NONE ? !good && t == 42 : good && t == want, "time '%s'", stamps[i].text))
			printf("# got %lld, want %lld\n", (long long)t, (long long)want);
	}
	struct zone *z = zone_open("+02:00");
	nsec t;
	ok(z && stamp_parse(STR("2025-11-25 14:00:00,5"), z, &t) && t == S(T, 500000000), "without offset: in the source's zone");
	ok(z && stamp_parse(STR("2025-11-25T12:00:00Z"), z, &t) && t == S(T, 0), "with offset: the zone does not count");
	zone_free(z);
}

static void
test_stamps_random(void)
{
	char text[128];
	unsigned bad = 0;
	for (int i = 0; i < 50000; i++) {
		int64_t s = (int64_t)(roll() % UINT64_C(18428000000)) - INT64_C(9214000000);
		int64_t ns = (int64_t)(roll() % 1000000000);
		int off = (int)(roll() % 2879) - 1439;
		time_t local = (time_t)(s + off * 60);
		struct tm tm;
		nsec t = 0;
		must(gmtime_r(&local, &tm) != NULL);
		snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09lld%c%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			tm.tm_hour, tm.tm_min, tm.tm_sec, (long long)ns, off < 0 ? '-' : '+', abs(off) / 60, abs(off) % 60);
		bool good = stamp_parse(str_of(text), NULL, &t) && t == S(s, ns);
		if (!good && bad++ < 5)
			printf("# %s: %lld\n", text, (long long)t);
	}
	ok(bad == 0, "random dates as gmtime_r writes them");
}

int
main(void)
{
	test_table();
	test_random();
	test_middles();
	test_locale();
	test_stamps();
	test_stamps_random();
	return tap_done();
}
