/* units.c - durations and sizes as text. */
#include "core/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct unit {
	const char *name;
	double size;
};

static const struct unit durs[] = { { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
	{ "d", 86400e9 }, { "w", 7 * 86400e9 } };
static const struct unit sizes[] = { { "KiB", 1024 }, { "MiB", 1048576 }, { "GiB", 1073741824 }, { "TiB", 1099511627776 },
	{ "kB", 1e3 }, { "KB", 1e3 }, { "MB", 1e6 }, { "GB", 1e9 }, { "TB", 1e12 }, { "B", 1 } };

/* Decimal digits with at most one point at s[*at]; false if there are none. */
static bool
decimal(struct str s, size_t *at, double *out)
{
	char t[32];
	size_t n = 0, digits = 0;
	bool point = false;
	for (; *at < s.len && n < sizeof t - 1; (*at)++) {
		char c = s.ptr[*at];
		if (c == '.' && !point)
			point = true;
		else if (c >= '0' && c <= '9')
			digits++;
		else
			break;
		t[n++] = c;
	}
	t[n] = '\0';
	*out = strtod(t, NULL);
	return digits > 0 && t[n - 1] != '.';
}

static const struct unit *
unit_at(struct str s, size_t *at, const struct unit *units, size_t n)
{
	const struct unit *best = NULL;
	size_t len = 0;
	while (*at + len < s.len && ((s.ptr[*at + len] | 32) >= 'a' && (s.ptr[*at + len] | 32) <= 'z'))
		len++;
	for (size_t i = 0; i < n && best == NULL; i++)
		if (str_eq((struct str){ s.ptr + *at, len }, str_of(units[i].name)))
			best = &units[i];
	*at += len;
	return best;
}

bool
dur_parse(struct str s, nsec *out)
{
	double total = 0, v;
	size_t at = 0;
	if (s.len == 0)
		return false;
	while (at < s.len) {
		if (!decimal(s, &at, &v))
			return false;
		const struct unit *u = unit_at(s, &at, durs, COUNT_OF(durs));
		if (u == NULL)
			return false;
		total += v * u->size;
	}
	if (total > 9e18)
		return false;
	*out = (nsec)llround(total);
	return true;
}

bool
size_parse(struct str s, int64_t *out)
{
	double v;
	size_t at = 0;
	if (!decimal(s, &at, &v))
		return false;
	if (at < s.len) {
		const struct unit *u = unit_at(s, &at, sizes, COUNT_OF(sizes));
		if (u == NULL || at != s.len)
			return false;
		v *= u->size;
	}
	if (v > 9e18)
		return false;
	*out = (int64_t)llround(v);
	return true;
}

size_t
dur_text(nsec d, char out[32])
{
	static const struct {
		nsec size;
		const char *name;
	} by[] = { { 86400 * NS_PER_S, "d" }, { 3600 * NS_PER_S, "h" }, { 60 * NS_PER_S, "m" }, { NS_PER_S, "s" }, { NS_PER_MS, "ms" },
		{ 1000, "us" }, { 1, "ns" } };
	size_t i = 0;
	while (i < COUNT_OF(by) - 1 && (d % by[i].size || d == 0))
		i++;
	if (d == 0)
		return (size_t)snprintf(out, 32, "0s");
	return (size_t)snprintf(out, 32, "%lld%s", (long long)(d / by[i].size), by[i].name);
}

size_t
dur_about(nsec d, char out[32])
{
	static const struct {
		nsec size;
		const char *name;
	} by[] = { { 86400 * NS_PER_S, "d" }, { 3600 * NS_PER_S, "h" }, { 60 * NS_PER_S, "m" }, { NS_PER_S, "s" } };
	if (d < NS_PER_S)
		return dur_text(d > 0 ? d / NS_PER_MS * NS_PER_MS : 0, out);
	if (d < 60 * NS_PER_S)
		return (size_t)snprintf(out, 32, "%.3gs", (double)(d / NS_PER_MS) / 1e3);
	size_t i = 0;
	while (d < by[i].size)
		i++;
	long long big = d / by[i].size, small = i + 1 < COUNT_OF(by) ? d % by[i].size / by[i + 1].size : 0;
	if (small == 0)
		return (size_t)snprintf(out, 32, "%lld%s", big, by[i].name);
	return (size_t)snprintf(out, 32, "%lld%s%lld%s", big, by[i].name, small, by[i + 1].name);
}
