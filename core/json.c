/* json.c - the JSON writer and a walker over what it wrote. */
#include "core/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Length of the valid UTF-8 sequence at p (n > 0 bytes), 0 if there is none. RFC 3629 table 3-7. */
static size_t
utf8_seq(const unsigned char *p, size_t n)
{
	unsigned char c = p[0];
	if (c < 0x80)
		return 1;
	size_t len = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	if (len == 0 || n < len)
		return 0;
	unsigned char lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	unsigned char hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t
utf8_valid(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t i = 0;
	while (i < s.len) {
#ifdef __SSE2__
		while (i + 16 <= s.len && _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i))) == 0)
			i += 16;
		if (i == s.len)
			break;
#endif
		size_t n = utf8_seq(p + i, s.len - i);
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

struct str
utf8_cut(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return (struct str){ s.ptr, max };
}

struct str
utf8_cut_chars(struct str s, size_t max)
{
	size_t i = 0;
	for (size_t chars = 0; i < s.len; i++)
		if (((unsigned char)s.ptr[i] & 0xc0) != 0x80 && chars++ == max)
			break;
	return (struct str){ s.ptr, i };
}

size_t
utf8_len(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
	return n;
}

void
json_escaped(struct buf *b, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t from = 0, i = 0;
	while (i < s.len) {
		unsigned char c = p[i];
		size_t n = c < 0x80 ? 1 : utf8_seq(p + i, s.len - i);
		if (c >= 0x20 && c != '"' && c != '\\' && n > 0) {
			i += n;
			continue;
		}
		buf_add(b, s.ptr + from, i - from);
		if (n == 0)
			buf_addz(b, "\xef\xbf\xbd"); /* U+FFFD */
		else if (c == '"' || c == '\\')
			buf_add(b, (char[]){ '\\', (char)c }, 2);
		else if (c == '\n')
			buf_addz(b, "\\n");
		else if (c == '\t')
			buf_addz(b, "\\t");
		else if (c == '\r')
			buf_addz(b, "\\r");
		else
			buf_printf(b, "\\u%04x", c);
		from = ++i;
	}
	buf_add(b, s.ptr + from, i - from);
}

void
json_str(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	json_escaped(b, s);
	buf_addc(b, '"');
}

static int
atoi_small(const char *p) /* an exponent as printf writes it: a sign, digits */
{
	int v = 0;
	for (const char *d = p + 1; *d; d++)
		v = v * 10 + (*d - '0');
	return *p == '-' ? -v : v;
}

/* Digits and a decimal exponent as JavaScript lays a number out (ECMA-262, Number::toString): plain up to 21 digits and
 * down to 1e-6, else with an exponent. v = 0.DIGITS * 10^point. */
static size_t
layout(const char *digits, int n, int point, char *out)
{
	char *p = out;
	if (point > 0 && point <= 21) {
		for (int i = 0; i < n || i < point; i++) {
			if (i == point)
				*p++ = '.';
			*p++ = i < n ? digits[i] : '0';
		}
	} else if (point <= 0 && point > -6) {
		*p++ = '0';
		*p++ = '.';
		for (int i = point; i < 0; i++)
			*p++ = '0';
		memcpy(p, digits, (size_t)n);
		p += n;
	} else {
		*p++ = digits[0];
		if (n > 1) {
			*p++ = '.';
			memcpy(p, digits + 1, (size_t)n - 1);
			p += n - 1;
		}
		*p++ = 'e';
		*p++ = point > 0 ? '+' : '-';
		int e = point > 0 ? point - 1 : 1 - point;
		if (e >= 100)
			*p++ = (char)('0' + e / 100);
		if (e >= 10)
			*p++ = (char)('0' + e / 10 % 10);
		*p++ = (char)('0' + e % 10);
	}
	*p = '\0';
	return (size_t)(p - out);
}

size_t
num_text(double v, char out[32])
{
	size_t sign = 0;
	if (v == 0) { /* -0 and 0 are equal, so one text */
		memcpy(out, "0", 2);
		return 1;
	}
	if (v < 0) {
		out[sign++] = '-';
		v = -v;
	}
	char *to = out + sign;
	if (v <= 9007199254740992.0 && v == floor(v)) { /* the usual case, without printf's search for digits */
		char rev[24];
		size_t n = 0, at = 0;
		for (uint64_t u = (uint64_t)v; u; u /= 10)
			rev[n++] = (char)('0' + u % 10);
		while (n)
			to[at++] = rev[--n];
		to[at] = '\0';
		return sign + at;
	}
	if (!isfinite(v)) {
		memcpy(out, "null", 5);
		return 4;
	}
	for (int prec = 14;; prec++) { /* 17 digits always read back */
		char e[40], digits[20];
		int n = 0;
		snprintf(e, sizeof e, "%.*e", prec, v);
		if (prec < 16 && strtod(e, NULL) != v)
			continue;
		const char *p = e;
		for (; *p != 'e'; p++)
			if (*p != '.')
				digits[n++] = *p;
		while (n > 1 && digits[n - 1] == '0')
			n--;
		return sign + layout(digits, n, atoi_small(p + 1) + 1, to);
	}
}

void
json_num(struct buf *b, double v)
{
	char text[32];
	if (isfinite(v))
		buf_add(b, text, num_text(v, text));
	else
		buf_addz(b, "null");
}

static char *
digits(char *p, int64_t v, int n)
{
	for (int i = n; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + n;
}

/* Civil date from days since the epoch; Howard Hinnant, "chrono-compatible low-level date algorithms". */
void
time_text(nsec t, char out[32])
{
	int64_t ms = t / NS_PER_MS - (t % NS_PER_MS < 0);
	int64_t days = ms / 86400000 - (ms % 86400000 < 0);
	int64_t in_day = ms - days * 86400000;
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t day = doy - (153 * mp + 2) / 5 + 1;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);
	char *p = out;
	p = digits(p, year, 4), *p++ = '-';
	p = digits(p, month, 2), *p++ = '-';
	p = digits(p, day, 2), *p++ = 'T';
	p = digits(p, in_day / 3600000, 2), *p++ = ':';
	p = digits(p, in_day / 60000 % 60, 2), *p++ = ':';
	p = digits(p, in_day / 1000 % 60, 2), *p++ = '.';
	p = digits(p, in_day % 1000, 3), *p++ = 'Z';
	*p = '\0';
}

void
json_time(struct buf *b, nsec t)
{
	char text[32];
	if (t == NS_NONE) {
		buf_addz(b, "null");
		return;
	}
	time_text(t, text);
	buf_printf(b, "\"%s\"", text);
}

/* End of the JSON value that starts at i: after its last byte. */
static size_t
value_end(struct str o, size_t i)
{
	int depth = 0;
	bool quoted = false;
	for (; i < o.len; i++) {
		char c = o.ptr[i];
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
			if (!quoted && depth == 0)
				return i + 1;
			continue;
		}
		if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth == 0)
				return i;
			if (--depth == 0)
				return i + 1;
		} else if (c == ',' && depth == 0) {
			return i;
		}
	}
	return i;
}

bool
json_each(struct str o, struct json_it *it, struct str *key, struct str *value)
{
	size_t i = it->at ? it->at : 1; /* past '{' */
	if (i < o.len && o.ptr[i] == ',')
		i++;
	if (i >= o.len || o.ptr[i] != '"')
		return false;
	size_t end = value_end(o, i);
	*key = (struct str){ o.ptr + i + 1, end - i - 2 };
	i = end + 1; /* past ':' */
	end = value_end(o, i);
	*value = (struct str){ o.ptr + i, end - i };
	it->at = end;
	return true;
}

static void
add_utf8(struct buf *b, uint32_t c)
{
	char t[4];
	size_t n;
	if (c < 0x80) {
		t[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		t[0] = (char)(0xc0 | c >> 6);
		t[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		t[0] = (char)(0xe0 | c >> 12);
		t[1] = (char)(0x80 | (c >> 6 & 0x3f));
		t[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		t[0] = (char)(0xf0 | c >> 18);
		t[1] = (char)(0x80 | (c >> 12 & 0x3f));
		t[2] = (char)(0x80 | (c >> 6 & 0x3f));
		t[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	buf_add(b, t, n);
}

static uint32_t
hex4(const char *p)
{
	char t[5] = { p[0], p[1], p[2], p[3], 0 };
	return (uint32_t)strtoul(t, NULL, 16);
}

void
json_unescape(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '\\' || i + 1 >= s.len) {
			buf_addc(b, s.ptr[i]);
			continue;
		}
		char c = s.ptr[++i];
		static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
		const char *at = strchr(from, c);
		if (c == 'u' && i + 4 < s.len) {
			uint32_t u = hex4(s.ptr + i + 1);
			i += 4;
			if (u >= 0xd800 && u < 0xdc00 && i + 6 < s.len && s.ptr[i + 1] == '\\' && s.ptr[i + 2] == 'u') {
				uint32_t low = hex4(s.ptr + i + 3);
				if (low >= 0xdc00 && low < 0xe000) {
					u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
					i += 6;
				}
			}
			add_utf8(b, u >= 0xd800 && u < 0xe000 ? 0xfffd : u);
		} else {
			buf_addc(b, c && at ? to[at - from] : c);
		}
	}
}

void
json_plain(struct buf *b, struct str v)
{
	if (v.len >= 2 && v.ptr[0] == '"')
		json_unescape(b, (struct str){ v.ptr + 1, v.len - 2 });
	else
		buf_str_add(b, v);
}
