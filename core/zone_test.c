/* zone_test.c - offsets against the C library's own reading of the system's zone files, and files made here: old, slim,
 * cut and broken ones. Without zone files on the system the comparison is skipped, and says so. */
#include "core/units.h"

#include "core/buf.h"
#include "core/tap.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t seed = 20261125;

static uint64_t
roll(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void
test_fixed(void)
{
	static const struct {
		const char *name;
		int32_t east;
	} good[] = { { "UTC", 0 }, { "Z", 0 }, { "+02:00", 7200 }, { "-05:30", -19800 }, { "+0545", 20700 }, { "-03", -10800 },
		{ "+00:00", 0 }, { "+23:59", 86340 } };
	static const char *const bad[] = { "", "+", "+2", "+24:00", "+02:60", "+2:00", "02:00", "+02-00", "+02:0x", "Nowhere/City",
		"../../etc/passwd", "/etc/localtime", "Europe/../Europe/Berlin", "Europe", "Europe/Berlin ", "tzdata.zi" };
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct zone *z = zone_open(good[i].name);
		ok(z && zone_offset_utc(z, 1764072000) == good[i].east && zone_offset_local(z, -5) == good[i].east, "zone %s", good[i].name);
		zone_free(z);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		ok(zone_open(bad[i]) == NULL, "no zone: '%s'", bad[i]);
}

static unsigned
compare(const char *name, const struct zone *z)
{
	unsigned bad = 0;
	setenv("TZ", name, 1);
	tzset();
	for (int i = 0; i < 3000; i++) {
		int64_t t = (int64_t)(roll() % UINT64_C(18000000000)) - INT64_C(9000000000);
		if (i & 1)
			t = (int64_t)(roll() % UINT64_C(4000000000)); /* half of them where people live */
		time_t when = (time_t)t;
		struct tm tm;
		must(localtime_r(&when, &tm) != NULL);
		int32_t got = zone_offset_utc(z, t);
		if (got != tm.tm_gmtoff && bad++ < 3)
			printf("# %s at %lld: %d, libc %ld\n", name, (long long)t, got, tm.tm_gmtoff);
	}
	return bad;
}

static void
test_system(void)
{
	static const char *const names[] = { "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kathmandu", "Africa/Casablanca",
		"America/Sao_Paulo", "Europe/Dublin", "Pacific/Apia", "Asia/Gaza", "Australia/Lord_Howe", "America/St_Johns", "Asia/Tokyo",
		"America/Nuuk", "Antarctica/Troll", "Asia/Tehran", "Etc/UTC", "EST5EDT", "Etc/GMT+5" };
	unsigned seen = 0, bad = 0;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct zone *z = zone_open(names[i]);
		if (z == NULL)
			continue;
		seen++;
		bad += compare(names[i], z);
		zone_free(z);
	}
	setenv("TZ", "UTC", 1);
	tzset();
	if (seen == 0)
		ok(true, "system zones # SKIP no zone files here");
	else
		ok(bad == 0, "%u system zones like the C library has them", seen);
}

/* A TZif block's numbers are big-endian. */
static void
put(struct buf *b, int64_t v, int bytes)
{
	while (bytes--)
		buf_addc(b, (char)((uint64_t)v >> (8 * bytes)));
}

static void
header(struct buf *b, char version, int leap, int times, int types)
{
	buf_add(b, "TZif", 4);
	buf_addc(b, version);
	for (int i = 0; i < 15; i++)
		buf_addc(b, 0);
	put(b, 0, 4);
	put(b, 0, 4);
	put(b, leap, 4);
	put(b, times, 4);
	put(b, types, 4);
	put(b, 4, 4);
}

/* Two types, 1 h and 2 h east, and one change at 1000 from the first to the second. */
static void
block(struct buf *b, int word)
{
	put(b, 1000, word);
	buf_addc(b, 1);
	put(b, 3600, 4);
	buf_add(b, "\0\0", 2);
	put(b, 7200, 4);
	buf_add(b, "\1\0", 2);
	buf_add(b, "ABC\0", 4);
}

static char dir[64];

static struct zone *
zone_from(struct str bytes)
{
	char path[128];
	snprintf(path, sizeof path, "%s/Test", dir);
	FILE *f = fopen(path, "wb");
	must(f && fwrite(bytes.ptr, 1, bytes.len, f) == bytes.len && fclose(f) == 0);
	struct zone *z = zone_open("Test");
	unlink(path);
	return z;
}

static struct zone *
zone_with_footer(struct buf *b, const char *footer)
{
	buf_clear(b);
	header(b, '2', 0, 1, 2);
	block(b, 4);
	header(b, '2', 0, 1, 2);
	block(b, 8);
	buf_printf(b, "\n%s\n", footer);
	return zone_from(buf_str(b));
}

static void
test_files(struct buf *b)
{
	header(b, 0, 0, 1, 2);
	block(b, 4);
	struct zone *z = zone_from(buf_str(b));
	ok(z && zone_offset_utc(z, 999) == 3600 && zone_offset_utc(z, 1000) == 7200 && zone_offset_utc(z, INT64_C(1) << 40) == 7200,
		"version 1, no footer: the last change holds on");
	zone_free(z);
	z = zone_with_footer(b, "");
	ok(z && zone_offset_utc(z, 999) == 3600 && zone_offset_utc(z, 5000000000) == 7200, "version 2, empty footer");
	zone_free(z);
	unsigned opened = 0;
	z = zone_with_footer(b, "CET-1CEST,M3.5.0,M10.5.0/3");
	struct buf whole;
	buf_init(&whole, 1 << 16);
	buf_str_add(&whole, buf_str(b));
	for (size_t n = 0; n < whole.len; n++) {
		struct zone *cut = zone_from((struct str){ whole.data, n });
		opened += cut != NULL;
		zone_free(cut);
	}
	ok(opened == 0, "a file cut anywhere is refused");
	for (unsigned i = 0; i < 3000; i++) { /* must not read out of bounds, whatever it says */
		size_t at = roll() % whole.len;
		char old = whole.data[at];
		whole.data[at] = (char)roll();
		struct zone *odd = zone_from(buf_str(&whole));
		if (odd)
			opened += zone_offset_local(odd, (int64_t)(roll() % 4000000000u)) != 0;
		zone_free(odd);
		whole.data[at] = old;
	}
	ok(opened > 0, "bytes changed at random: %u files still readable", opened);
	buf_free(&whole);
	/* the rule of Central Europe: gap and overlap */
	ok(z && zone_offset_utc(z, 1774745999) == 3600 && zone_offset_utc(z, 1774746000) == 7200, "summer time begins 2026-03-29 01:00 UTC");
	ok(z && zone_offset_utc(z, 1792889999) == 7200 && zone_offset_utc(z, 1792890000) == 3600, "... and ends 2026-10-25 01:00 UTC");
	ok(z && zone_offset_local(z, 1774749599) == 3600 && zone_offset_local(z, 1774753200) == 7200, "civil times beside the gap");
	ok(z && zone_offset_local(z, 1774751400) == 3600, "in the gap: the earlier offset");
	ok(z && zone_offset_local(z, 1792895400) == 7200, "in the overlap: the earlier offset");
	ok(z && zone_offset_local(z, 1792893599) == 7200 && zone_offset_local(z, 1792897200) == 3600, "civil times beside the overlap");
	zone_free(z);
	buf_clear(b);
	header(b, 0, 1, 1, 2);
	block(b, 4);
	put(b, 0, 8);
	ok(zone_from(buf_str(b)) == NULL, "a file with leap seconds is refused");
}

static void
test_footers(struct buf *b)
{
	static const struct {
		const char *footer;
		int64_t at;
		int32_t east;
	} good[] = { { "UTC0", 1764072000, 0 }, { "<+0330>-3:30", 1764072000, 12600 }, { "EST5", 1764072000, -18000 },
		{ "EST5EDT,M3.2.0,M11.1.0", 1783000000, -14400 }, { "EST5EDT,M3.2.0,M11.1.0", 1764072000, -18000 },
		{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1764072000, 39600 }, { "AEST-10AEDT,M10.1.0,M4.1.0/3", 1783000000, 36000 },
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", 1764072000, 0 }, { "IST-1GMT0,M10.5.0,M3.5.0/1", 1783000000, 3600 },
		{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1783000000, -3600 }, { "AAA0BBB,J60/0,J61/0", 1772323200, 3600 }, /* 2026-03-01 */
		{ "AAA0BBB,J60/0,J61/0", 1709251200, 3600 },                                                      /* 2024-03-01 */
		{ "AAA0BBB,J60/0,J61/0", 1709251199, 0 }, { "AAA0BBB,59/0,60/0", 1709164800, 3600 },              /* 2024-02-29 */
		{ "XXX5YYY,0/0,J365/25", 1764072000, -14400 } };
	static const char *const bad[] = { "A5", "EST", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.2.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0",
		"EST5EDT,M3.2.7,M11.1.0", "EST5EDT,J0,J5", "EST5EDT,M3.2.0,M11.1.0x", "EST168", "EST5:60", "<EST5", "EST5EDT,366,1", "EST5 " };
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct zone *z = zone_with_footer(b, good[i].footer);
		ok(z && zone_offset_utc(z, good[i].at) == good[i].east, "rule %s at %lld", good[i].footer, (long long)good[i].at);
		zone_free(z);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		ok(zone_with_footer(b, bad[i]) == NULL, "no rule: '%s'", bad[i]);
}

int
main(void)
{
	struct buf b;
	test_fixed();
	test_system();
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%.40s/weir-zone.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	must(mkdtemp(dir) != NULL);
	setenv("TZDIR", dir, 1);
	buf_init(&b, 1 << 16);
	test_files(&b);
	test_footers(&b);
	buf_free(&b);
	rmdir(dir);
	return tap_done();
}
