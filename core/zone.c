/* zone.c - time zones: UTC, fixed offsets, and the system's zone files (TZif, RFC 8536).
 *
 * In: a name. Out: offsets east of UTC at an instant or at a civil time. A zone owns its table, is read-only once open
 * and is shared by threads. Files are read from $TZDIR or the usual folder, at most ZONE_FILE_MAX bytes, names without
 * "..", and refused whole if anything in them is out of bounds; files with leap seconds ("right/...") are refused, as
 * weir's seconds have none.
 * Cost: a binary search over the file's changes; after the last one, the rule in the file's footer.
 */
#include "core/units.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ZONE_FILE_MAX (256 << 10)
#define ZONE_NAME_MAX 128
#define DAY 86400

struct day_rule {
	char form;      /* 'J': day 1..365, no leap day; 'n': day 0..365; 'M': month, week, weekday */
	int m, w, d;
	int32_t at;     /* seconds of local time since that day's midnight */
};

struct zone {
	size_t n;         /* changes */
	int64_t *when;    /* UTC, rising */
	int32_t *east;    /* from that change on */
	int32_t first;    /* before the first */
	bool rule, dst;   /* the footer: there is one; it has summer time */
	int32_t std_east, dst_east;
	struct day_rule start, end;
};

struct cursor {
	const unsigned char *p, *end;
};

static int64_t
big_endian(const unsigned char *p, size_t n)
{
	uint64_t v = n && p[0] & 0x80 ? UINT64_MAX : 0;
	while (n--)
		v = v << 8 | *p++;
	return (int64_t)v;
}

/* --- the footer: a POSIX TZ string ----------------------------------------------------------------------------- */

static bool
eat(struct cursor *c, char want)
{
	if (c->p == c->end || *c->p != (unsigned char)want)
		return false;
	c->p++;
	return true;
}

static bool
eat_number(struct cursor *c, int max, int *out)
{
	const unsigned char *from = c->p;
	int v = 0;
	while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && v <= max)
		v = v * 10 + (*c->p++ - '0');
	*out = v;
	return c->p > from && v <= max;
}

static bool
eat_name(struct cursor *c) /* at least three letters, or anything in <> */
{
	const unsigned char *from = c->p;
	if (eat(c, '<')) {
		while (c->p < c->end && *c->p != '>')
			c->p++;
		return eat(c, '>');
	}
	while (c->p < c->end && ((*c->p | 32) >= 'a' && (*c->p | 32) <= 'z'))
		c->p++;
	return c->p - from >= 3;
}

/* [+-]hh[:mm[:ss]]; hours up to 167 as in version 3. */
static bool
eat_time(struct cursor *c, int32_t *out)
{
	int h, m = 0, s = 0;
	bool neg = eat(c, '-');
	if (!neg)
		eat(c, '+');
	if (!eat_number(c, 167, &h) || (eat(c, ':') && (!eat_number(c, 59, &m) || (eat(c, ':') && !eat_number(c, 59, &s)))))
		return false;
	*out = (neg ? -1 : 1) * (h * 3600 + m * 60 + s);
	return true;
}

static bool
eat_day(struct cursor *c, struct day_rule *r)
{
	*r = (struct day_rule){ .form = 'n', .at = 2 * 3600 };
	if (eat(c, 'M')) {
		r->form = 'M';
		if (!eat_number(c, 12, &r->m) || !eat(c, '.') || !eat_number(c, 5, &r->w) || !eat(c, '.') ||
				!eat_number(c, 6, &r->d) || r->m < 1 || r->w < 1)
			return false;
	} else {
		if (eat(c, 'J'))
			r->form = 'J';
		if (!eat_number(c, 365, &r->d) || (r->form == 'J' && r->d < 1))
			return false;
	}
	return !eat(c, '/') || eat_time(c, &r->at);
}

static bool
footer_parse(struct zone *z, struct cursor c)
{
	int32_t west;
	if (c.p == c.end)
		return true; /* none: the last change holds on */
	z->rule = true;
	if (!eat_name(&c) || !eat_time(&c, &west))
		return false;
	z->std_east = -west;
	if (c.p == c.end)
		return true;
	z->dst = true;
	if (!eat_name(&c))
		return false;
	z->dst_east = z->std_east + 3600;
	if (c.p < c.end && *c.p != ',') {
		if (!eat_time(&c, &west))
			return false;
		z->dst_east = -west;
	}
	return eat(&c, ',') && eat_day(&c, &z->start) && eat(&c, ',') && eat_day(&c, &z->end) && c.p == c.end;
}

static int64_t
year_start(int64_t y) /* days since the epoch of January 1st */
{
	y--;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 - 719162;
}

static bool
is_leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int64_t
year_of(int64_t days)
{
	int64_t y = 1970 + days / 366; /* short of the mark by a year in about 1500: the loops are for that */
	while (year_start(y) > days)
		y--;
	while (year_start(y + 1) <= days)
		y++;
	return y;
}

/* Local seconds of a rule's moment in year y. */
static int64_t
moment(const struct day_rule *r, int64_t y)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
	int64_t day = year_start(y);
	bool leap = is_leap(y);
	if (r->form == 'J') {
		day += r->d - 1 + (leap && r->d >= 60);
	} else if (r->form == 'n') {
		day += r->d;
	} else {
		int len = before[r->m] - before[r->m - 1] + (leap && r->m == 2);
		day += before[r->m - 1] + (leap && r->m > 2);
		int64_t weekday = ((day + 4) % 7 + 7) % 7; /* the epoch was a Thursday */
		int64_t in = (r->d - weekday + 7) % 7 + (r->w - 1) * 7;
		day += in >= len ? in - 7 : in;
	}
	return day * DAY + r->at;
}

static int32_t
rule_offset(const struct zone *z, int64_t t)
{
	if (!z->dst)
		return z->std_east;
	int64_t local = t + z->std_east;
	int64_t y = year_of(local / DAY - (local % DAY < 0));
	int64_t from = moment(&z->start, y) - z->std_east, to = moment(&z->end, y) - z->dst_east;
	bool dst = from < to ? t >= from && t < to : !(t >= to && t < from);
	return dst ? z->dst_east : z->std_east;
}

/* --- the file -------------------------------------------------------------------------------------------------- */

struct header {
	size_t utc, std, leap, times, types, chars;
};

static bool
header_parse(struct cursor *c, struct header *h, unsigned char *version)
{
	if (c->end - c->p < 44 || memcmp(c->p, "TZif", 4) != 0)
		return false;
	size_t v[6];
	for (size_t i = 0; i < 6; i++) {
		int64_t n = big_endian(c->p + 20 + 4 * i, 4);
		if (n < 0 || n > ZONE_FILE_MAX)
			return false;
		v[i] = (size_t)n;
	}
	*h = (struct header){ v[0], v[1], v[2], v[3], v[4], v[5] };
	*version = c->p[4];
	c->p += 44;
	return true;
}

static size_t
block_size(const struct header *h, size_t word)
{
	return h->times * (word + 1) + h->types * 6 + h->chars + h->leap * (word + 4) + h->std + h->utc;
}

static bool
block_parse(struct zone *z, const unsigned char *p, const struct header *h, size_t word)
{
	const unsigned char *index = p + h->times * word, *types = index + h->times;
	if (h->types == 0 || h->types > 256 || h->leap != 0)
		return false;
	z->n = h->times;
	z->when = xcalloc(h->times + 1, sizeof *z->when);
	z->east = xcalloc(h->times + 1, sizeof *z->east);
	for (size_t i = 0; i < h->types; i++) {
		int64_t east = big_endian(types + 6 * i, 4);
		if (east < -26 * 3600 || east > 26 * 3600)
			return false;
	}
	z->first = (int32_t)big_endian(types, 4);
	for (size_t i = 0; i < h->times; i++) {
		z->when[i] = big_endian(p + i * word, word);
		if (index[i] >= h->types || (i && z->when[i] <= z->when[i - 1]))
			return false;
		z->east[i] = (int32_t)big_endian(types + 6 * index[i], 4);
	}
	return true;
}

static bool
tzif_parse(struct zone *z, const unsigned char *data, size_t len)
{
	struct cursor c = { data, data + len };
	struct header h;
	unsigned char version;
	size_t word = 4;
	if (!header_parse(&c, &h, &version))
		return false;
	if (version >= '2') { /* the same again, in 64 bits, and a footer */
		size_t skip = block_size(&h, 4);
		if ((size_t)(c.end - c.p) < skip)
			return false;
		c.p += skip;
		if (!header_parse(&c, &h, &version))
			return false;
		word = 8;
	}
	size_t size = block_size(&h, word);
	if ((size_t)(c.end - c.p) < size || !block_parse(z, c.p, &h, word))
		return false;
	c.p += size;
	if (word == 4)
		return true;
	const unsigned char *nl;
	if (!eat(&c, '\n') || (nl = memchr(c.p, '\n', (size_t)(c.end - c.p))) == NULL)
		return false;
	c.end = nl;
	return footer_parse(z, c);
}

static bool
name_ok(const char *name)
{
	size_t len = strlen(name);
	if (len == 0 || len > ZONE_NAME_MAX || name[0] == '/' || strstr(name, ".."))
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/.") == len;
}

static bool
file_load(struct zone *z, const char *name)
{
	const char *dir = getenv("TZDIR");
	char path[4096];
	int n = snprintf(path, sizeof path, "%s/%s", dir && *dir ? dir : "/usr/share/zoneinfo", name);
	if (!name_ok(name) || n < 0 || (size_t)n >= sizeof path)
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return false;
	unsigned char *data = xmalloc(ZONE_FILE_MAX);
	size_t len = 0;
	ssize_t got;
	while (len < ZONE_FILE_MAX && (got = read(fd, data + len, ZONE_FILE_MAX - len)) > 0)
		len += (size_t)got;
	close(fd);
	bool good = tzif_parse(z, data, len);
	free(data);
	return good;
}

/* "+02:00", "-0530", "+02" */
static bool
fixed(struct zone *z, const char *name)
{
	size_t len = strlen(name);
	if ((name[0] != '+' && name[0] != '-') || (len != 3 && len != 5 && len != 6) || (len == 6 && name[3] != ':'))
		return false;
	int v[2] = { 0, 0 };
	for (size_t i = 1, at = 0; i < len; i++) {
		if (i == 3 && len == 6)
			continue;
		if (name[i] < '0' || name[i] > '9')
			return false;
		v[at / 2] = v[at / 2] * 10 + (name[i] - '0');
		at++;
	}
	if (v[0] > 23 || v[1] > 59)
		return false;
	z->first = (name[0] == '-' ? -1 : 1) * (v[0] * 3600 + v[1] * 60);
	return true;
}

struct zone *
zone_open(const char *name)
{
	struct zone *z = xcalloc(1, sizeof *z);
	if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0 || strcmp(name, "z") == 0 || fixed(z, name) || file_load(z, name))
		return z;
	zone_free(z);
	return NULL;
}

void
zone_free(struct zone *z)
{
	if (z == NULL)
		return;
	free(z->when);
	free(z->east);
	free(z);
}

int32_t
zone_offset_utc(const struct zone *z, int64_t t)
{
	if (z->n == 0)
		return z->rule ? rule_offset(z, t) : z->first;
	if (t < z->when[0])
		return z->first;
	if (z->rule && t >= z->when[z->n - 1])
		return rule_offset(z, t);
	size_t lo = 0, hi = z->n; /* when[lo] <= t < when[hi] */
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (z->when[mid] <= t)
			lo = mid;
		else
			hi = mid;
	}
	return z->east[lo];
}

/* Offsets are at most 26 h, so what holds a good day before and after are the only two candidates unless a zone changed
 * twice in between, which none does. */
int32_t
zone_offset_local(const struct zone *z, int64_t local)
{
	int32_t before = zone_offset_utc(z, local - 27 * 3600), after = zone_offset_utc(z, local + 27 * 3600);
	if (before == after || zone_offset_utc(z, local - before) == before)
		return before;
	return zone_offset_utc(z, local - after) == after ? after : before;
}
