/* rotate.c - rotation names: parsing, order, grouping into chains.
 *
 * In: paths. Out: order and groups. Never: touches a file. Cost: O(length) a name, one sort a group.
 */
#include "ingest/rotate.h"

#include <stdlib.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int64_t
take_digits(const char **s, const char *end, int n)
{
	int64_t v = 0;
	if (end - *s < n)
		return -1;
	for (int i = 0; i < n; i++) {
		if (!is_digit((*s)[i]))
			return -1;
		v = v * 10 + ((*s)[i] - '0');
	}
	*s += n;
	return v;
}

static bool
date_valid(int64_t y, int64_t m, int64_t d)
{
	return y >= 1970 && y < 2200 && m >= 1 && m <= 12 && d >= 1 && d <= 31;
}

/* The time of day after a date: "", or two digits each of hour, minute, second, with or without separators. */
static bool
take_clock(const char **s, const char *end, int64_t *clock)
{
	static const int top[] = { 23, 59, 60 };
	const char *at = *s;
	int64_t v = 0;
	if (at < end && (*at == 'T' || *at == '_' || *at == '-'))
		at++;
	for (int i = 0; i < 3; i++, v *= 100) {
		if (i && at < end && (*at == ':' || *at == '-') && end - at >= 3)
			at++;
		const char *before = at;
		int64_t part = take_digits(&at, end, 2);
		if (part < 0 || part > top[i]) {
			if (i == 0)
				return false;
			at = before;
			for (; i < 2; i++)
				v *= 100;
			break;
		}
		v += part;
		if (i == 2)
			break;
	}
	*s = at;
	*clock = v;
	return true;
}

/* [s, end) is DATE, with an optional .N or -N. */
static bool
parse_date(const char *s, const char *end, struct rotated *out)
{
	const char *at = s;
	int64_t y = take_digits(&at, end, 4), m, d, clock = 0;
	if (y < 0)
		return false;
	bool dashed = at < end && *at == '-';
	at += dashed;
	m = take_digits(&at, end, 2);
	if (m < 0 || (dashed && (at == end || *at++ != '-')))
		return false;
	d = take_digits(&at, end, 2);
	if (d < 0 || !date_valid(y, m, d))
		return false;
	if (at < end && *at != '.')
		(void)take_clock(&at, end, &clock);
	int64_t number = -1;
	if (end - at >= 2 && end - at <= 6 && (*at == '.' || *at == '-')) {
		const char *digits = at + 1;
		number = take_digits(&digits, end, (int)(end - at - 1));
		if (number < 0)
			return false;
		at = end;
	}
	if (at != end)
		return false;
	out->date = ((y * 100 + m) * 100 + d) * 1000000 + clock;
	out->number = number;
	return true;
}

static bool
parse_number(const char *s, const char *end, struct rotated *out)
{
	if (end - s < 1 || end - s > 5)
		return false;
	out->number = take_digits(&s, end, (int)(end - s));
	return out->number >= 0;
}

/* Ten digits that are no date: epoch seconds, in the order of dates of their own. */
static bool
parse_epoch(const char *s, const char *end, struct rotated *out)
{
	int64_t v = end - s == 10 ? take_digits(&s, end, 10) : -1;
	if (v < 0)
		return false;
	int64_t days = v / 86400, y = 1970, m = 1;
	for (;; y++) {
		int64_t len = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 366 : 365;
		if (days < len)
			break;
		days -= len;
	}
	static const int month[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	for (;; m++) {
		int64_t len = month[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
		if (days < len)
			break;
		days -= len;
	}
	v %= 86400;
	out->date = ((y * 100 + m) * 100 + days + 1) * 1000000 + v / 3600 * 10000 + v / 60 % 60 * 100 + v % 60;
	out->number = -1;
	return true;
}

static bool
ends(const char *path, size_t n, const char *suffix)
{
	size_t k = strlen(suffix);
	return n > k && memcmp(path + n - k, suffix, k) == 0;
}

void
rotate_parse(const char *path, struct rotated *out)
{
	size_t whole = strlen(path), n = whole;
	const char *slash = strrchr(path, '/');
	size_t first = slash ? (size_t)(slash - path) + 1 : 0;
	*out = (struct rotated){ .base = whole, .date = INT64_MAX, .number = -1 };
	if (ends(path, n, ".gz"))
		n -= 3;
	else if (ends(path, n, ".zst"))
		n -= 4;
	out->packed = n != whole;
	/* The longest tail that is a DATE, else a number: the cut is searched from the left. */
	for (size_t i = first + 1; i < n; i++) {
		const char *s = path + i + 1, *end = path + n;
		if (path[i] != '.' && path[i] != '-')
			continue;
		if (parse_date(s, end, out) || parse_epoch(s, end, out) ||
			(path[i] == '.' && parse_number(s, end, out))) {
			out->base = i;
			out->is = true;
			return;
		}
	}
}

static int
cmp64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

int
rotate_cmp(const char *a, const char *b)
{
	struct rotated x, y;
	rotate_parse(a, &x);
	rotate_parse(b, &y);
	if (x.is != y.is)
		return x.is ? -1 : 1;
	int c = cmp64(x.date, y.date);
	if (c == 0) /* within a day the count goes up; without a date a greater number is older */
		c = x.date != INT64_MAX ? cmp64(x.number, y.number) : cmp64(y.number, x.number);
	if (c == 0)
		c = (int)y.packed - (int)x.packed;
	return c ? c : strcmp(a, b);
}

bool
rotate_twins(const char *a, const char *b)
{
	struct rotated x, y;
	rotate_parse(a, &x);
	rotate_parse(b, &y);
	return x.is && y.is && x.packed != y.packed && x.base == y.base && memcmp(a, b, x.base) == 0 &&
		x.date == y.date && x.number == y.number;
}

static int
by_chain(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	struct rotated rx, ry;
	rotate_parse(x, &rx);
	rotate_parse(y, &ry);
	int c = str_cmp((struct str){ x, rx.base }, (struct str){ y, ry.base });
	return c ? c : rotate_cmp(x, y);
}

struct chain_names *
rotate_group(const char *const *paths, size_t n, size_t *nchains)
{
	const char **v = xcalloc(n + 1, sizeof *v);
	struct chain_names *out = NULL;
	size_t m = 0, cap = 0;
	for (size_t i = 0; i < n; i++)
		v[i] = paths[i];
	qsort(v, n, sizeof *v, by_chain);
	for (size_t i = 0; i < n; i++) {
		struct rotated r;
		rotate_parse(v[i], &r);
		if (i && strcmp(v[i], v[i - 1]) == 0)
			continue; /* named twice */
		if (m == 0 || !str_eq(str_of(out[m - 1].name), (struct str){ v[i], r.base })) {
			GROW(out, m, cap);
			out[m++] = (struct chain_names){ .name = xstrndup(v[i], r.base) };
		}
		struct chain_names *c = &out[m - 1];
		GROW(c->path, c->n, c->cap);
		c->path[c->n++] = xstrdup(v[i]);
	}
	free(v);
	*nchains = m;
	return out;
}

void
chain_names_free(struct chain_names *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < c[i].n; k++)
			free(c[i].path[k]);
		free(c[i].path);
		free(c[i].name);
	}
	free(c);
}
