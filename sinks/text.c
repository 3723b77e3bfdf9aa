/* text.c - cleaning, cutting, and the words people read.
 *
 * In: strings of transitions, which may hold anything a log line held. Out: bytes appended to a buffer.
 * Owns: nothing. Never: cuts a code point. Cost: O(bytes), two passes.
 */
#include "sinks/text.h"

#include "core/json.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define CLEAN_MAX (16u << 20) /* a cleaned text: three bytes for each invalid one of a 4 MiB text */

/* Length of the terminal sequence at p (p[0] is ESC): CSI, OSC or two characters. */
static size_t
escape_len(const char *p, size_t n)
{
	size_t i = 2;
	if (n < 2)
		return 1;
	if (p[1] == '[') {
		while (i < n && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x40)
			i++;
		return i < n && (unsigned char)p[i] >= 0x40 && (unsigned char)p[i] < 0x7f ? i + 1 : i;
	}
	if (p[1] == ']') {
		while (i < n && p[i] != '\a' && p[i] != '\x1b' && p[i] != '\n')
			i++;
		if (i < n && p[i] == '\a')
			return i + 1;
		return i + 1 < n && p[i] == '\x1b' && p[i + 1] == '\\' ? i + 2 : i;
	}
	return (unsigned char)p[1] >= 0x20 && (unsigned char)p[1] < 0x7f ? 2 : 1;
}

void
text_clean(struct buf *out, struct str in, bool one_line)
{
	size_t i = 0;
	while (i < in.len) {
		unsigned char c = (unsigned char)in.ptr[i];
		if (c == 0x1b) {
			i += escape_len(in.ptr + i, in.len - i);
		} else if (c < 0x20 || c == 0x7f) {
			if (c == '\t' || c == '\n')
				buf_addc(out, one_line ? ' ' : (char)c);
			i++;
		} else if (c < 0x80) {
			size_t from = i;
			while (i < in.len && (unsigned char)in.ptr[i] >= 0x20 && (unsigned char)in.ptr[i] < 0x7f)
				i++;
			buf_add(out, in.ptr + from, i - from);
		} else {
			size_t n = 2; /* the one length that is a whole sequence, or 1: an invalid byte */
			while (n <= 4 && (i + n > in.len || utf8_valid((struct str){ in.ptr + i, n }) != n))
				n++;
			bool c1 = c == 0xc2 && (unsigned char)in.ptr[i + (n == 2)] < 0xa0;
			if (n > 4)
				n = 1;
			if (n == 1)
				buf_addz(out, "\xef\xbf\xbd");
			else if (!(n == 2 && c1))
				buf_add(out, in.ptr + i, n);
			i += n;
		}
	}
}

void
text_fit(struct buf *out, struct str clean, size_t max)
{
	if (max == 0)
		return;
	struct str head = utf8_cut_chars(clean, max);
	if (head.len == clean.len) {
		buf_str_add(out, clean);
		return;
	}
	buf_str_add(out, utf8_cut_chars(clean, max - 1));
	buf_addz(out, ELLIPSIS);
}

void
text_json(struct buf *out, const char *key, struct str in, size_t max, bool one_line)
{
	struct buf clean, cut;
	buf_init(&clean, CLEAN_MAX);
	buf_init(&cut, CLEAN_MAX);
	text_clean(&clean, in, one_line);
	text_fit(&cut, buf_str(&clean), max);
	if (key)
		buf_printf(out, ",\"%s\":", key);
	json_str(out, buf_str(&cut));
	buf_free(&clean);
	buf_free(&cut);
}

/* Many stores refuse U+0000, so a value that holds it goes as cleaned text. */
static bool
goes_raw(struct str value, size_t max)
{
	return value.len > 0 && value.ptr[0] != '"' && value.len <= max && !str_has(value, STR("\\u0000"));
}

void
text_object(struct buf *out, struct str object, size_t pairs, size_t max, size_t total)
{
	struct json_it it = { 0 };
	struct str key, value;
	struct buf one, plain;
	size_t start = out->len, n = 0;
	buf_init(&one, CLEAN_MAX);
	buf_init(&plain, CLEAN_MAX);
	buf_addc(out, '{');
	while (n < pairs && json_each(object, &it, &key, &value)) {
		buf_clear(&one);
		buf_clear(&plain);
		json_unescape(&plain, key);
		text_json(&one, NULL, buf_str(&plain), 200, true);
		buf_addc(&one, ':');
		if (goes_raw(value, max)) {
			buf_str_add(&one, value);
		} else {
			buf_clear(&plain);
			json_plain(&plain, value);
			text_json(&one, NULL, buf_str(&plain), max, false);
		}
		if (out->len - start + one.len + 2 > total)
			break;
		if (n++)
			buf_addc(out, ',');
		buf_str_add(out, buf_str(&one));
	}
	buf_addc(out, '}');
	buf_free(&one);
	buf_free(&plain);
}

struct str
text_title(const struct alert *a)
{
	return str_of(a->title && *a->title ? a->title : a->rule);
}

void
text_headline(struct buf *out, const struct sink_env *env, const struct alert *a)
{
	if (env->drill)
		buf_addz(out, "[DRILL] ");
	char level[16];
	size_t n = 0;
	for (const char *p = level_name[a->level]; *p && n < sizeof level - 1; p++)
		level[n++] = (char)toupper((unsigned char)*p);
	level[n] = '\0';
	switch (a->event) {
	case EV_RESOLVED:
		buf_addz(out, "RESOLVED");
		break;
	case EV_DROPPED:
		buf_addz(out, "DROPPED");
		break;
	case EV_ACKNOWLEDGED:
		buf_addz(out, "ACKNOWLEDGED");
		break;
	case EV_PENDING:
		buf_printf(out, "PENDING %s", level);
		break;
	case EV_LEVEL:
		buf_printf(out, "NOW %s", level);
		break;
	case EV_ESCALATED:
		buf_printf(out, "ESCALATED %s", level);
		break;
	case EV_FIRING:
	case EVENTS:
		buf_addz(out, level);
		break;
	}
	buf_addz(out, ": ");
	buf_str_add(out, text_title(a));
}

bool
text_is_link(const char *url)
{
	if (url == NULL || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
		return false;
	if (strchr(url, ':')[3] == '\0')
		return false;
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("\"<>|\\^`{}", *p))
			return false;
	return true;
}

struct str
reply_member(struct str body, const char *name)
{
	char quoted[64];
	int n = snprintf(quoted, sizeof quoted, "\"%s\"", name);
	const char *end = body.ptr + body.len;
	const char *p = body.len ? memmem(body.ptr, body.len, quoted, (size_t)n) : NULL;
	if (p == NULL)
		return (struct str){ 0 };
	p += n;
	while (p < end && (*p == ' ' || *p == ':' || *p == '\n' || *p == '\t' || *p == '['))
		p++;
	if (p == end)
		return (struct str){ 0 };
	const char *from = p + (*p == '"');
	if (*p == '"')
		for (p = from; p < end && *p != '"'; p++)
			p += *p == '\\' && p + 1 < end;
	else
		while (p < end && !strchr(",}] \n\t", *p))
			p++;
	return (struct str){ from, (size_t)(p - from) };
}

void
url_check(const char *field, const char *url, struct loc loc, struct diags *d)
{
	const char *rest = url ? strstr(url, "://") : NULL;
	if (rest && memchr(rest + 3, '@', strcspn(rest + 3, "/?#")))
		diag(d, loc, "%s holds a user name or password, which weir does not send; take it out of the URL", field);
}
