/* redact.c - secrets out of text, in one pass that needs no valid JSON.
 *
 * In: a line, a message or a JSON text, whole or cut anywhere. Out: the same with each secret replaced by [Filtered].
 * A quoted name followed by a colon is a key at any depth, also in JSON that stands escaped inside a JSON string: the
 * quote of depth L is led by 2^L - 1 backslashes. Owns: the names. Cost: O(bytes), a key is looked at up to NAME_LOOK bytes.
 */
#include "core/redact.h"

#include "core/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define NAME_LOOK 1024 /* a key longer than this is no configured name, escapes and all */
#define FILTERED "[Filtered]"

struct redact {
	char **name;
	size_t n;
};

struct redact *
redact_new(const struct strlist *fields)
{
	struct redact *r = xcalloc(1, sizeof *r);
	r->name = xcalloc(fields->n + 1, sizeof *r->name);
	for (size_t i = 0; i < fields->n; i++)
		if (fields->v[i] && *fields->v[i])
			r->name[r->n++] = xstrdup(fields->v[i]);
	return r;
}

void
redact_free(struct redact *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++)
		free(r->name[i]);
	free(r->name);
	free(r);
}

static bool
is_name(const struct redact *r, struct str s)
{
	for (size_t i = 0; i < r->n; i++)
		if (strlen(r->name[i]) == s.len && strncasecmp(r->name[i], s.ptr, s.len) == 0)
			return true;
	return false;
}

bool
redact_field(const struct redact *r, struct str name)
{
	if (name.len == 0)
		return false;
	if (is_name(r, name))
		return true;
	if (name.len > 4 && name.ptr[name.len - 1] == ']' && name.ptr[name.len - 2] == '"') { /* a["b c"] */
		struct str inner = { name.ptr, name.len - 2 };
		const char *open = memrchr(inner.ptr, '"', inner.len);
		return open && is_name(r, (struct str){ open + 1, (size_t)(inner.ptr + inner.len - open - 1) });
	}
	const char *dot = memrchr(name.ptr, '.', name.len);
	return dot && is_name(r, (struct str){ dot + 1, (size_t)(name.ptr + name.len - dot - 1) });
}

/* A quote at i with the backslashes before it: how many of them lead it. */
static size_t
backslashes(struct str in, size_t quote)
{
	size_t n = 0;
	while (n < quote && in.ptr[quote - 1 - n] == '\\')
		n++;
	return n;
}

/* The backslashes of the depth a quote led by n of them opens or closes: the ones at the end of n in binary. */
static size_t
depth_of(size_t n)
{
	size_t b = 0;
	while (n & (b + 1))
		b = b * 2 + 1;
	return b;
}

/* From inside a string of depth b at i: the position of its closing quote, or of an outer string's, or limit. *own tells
 * the first. */
static size_t
string_end(struct str in, size_t i, size_t b, size_t limit, bool *own)
{
	*own = false;
	for (; i < limit; i++) {
		if (in.ptr[i] != '"')
			continue;
		size_t n = backslashes(in, i);
		if (depth_of(n) > b)
			continue;
		*own = depth_of(n) == b;
		return i;
	}
	return limit;
}

static size_t
skip_space(struct str in, size_t i)
{
	while (i < in.len && (in.ptr[i] == ' ' || in.ptr[i] == '\t' || in.ptr[i] == '\n' || in.ptr[i] == '\r'))
		i++;
	return i;
}

static bool
name_is_secret(const struct redact *r, struct str raw)
{
	if (redact_field(r, raw))
		return true;
	if (raw.len == 0 || !memchr(raw.ptr, '\\', raw.len))
		return false;
	struct buf plain;
	buf_init(&plain, 4 * NAME_LOOK);
	json_unescape(&plain, raw);
	bool secret = redact_field(r, buf_str(&plain));
	buf_free(&plain);
	return secret;
}

/* After the value that starts at i, within a text of depth b. Strings in it are passed whole. */
static size_t
value_end(struct str in, size_t i, size_t b)
{
	size_t nest = 0;
	bool own;
	for (; i < in.len; i++) {
		char c = in.ptr[i];
		if (c == '"') {
			size_t at = depth_of(backslashes(in, i));
			if (at < b)
				return i - at; /* the string around this JSON ends */
			i = string_end(in, i + 1, at, in.len, &own);
			if (i >= in.len || !own)
				return i < in.len ? i : in.len;
			if (nest == 0)
				return i + 1;
		} else if (c == '{' || c == '[') {
			nest++;
		} else if (c == '}' || c == ']') {
			if (nest == 0)
				return i;
			if (--nest == 0)
				return i + 1;
		} else if (nest == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
			return i;
		}
	}
	return i;
}

struct scan {
	const struct redact *r;
	struct str in;
	size_t from; /* what is before it is written */
	struct buf *out;
};

/* in[at, to) is secret: write what came before it, then the mark. */
static void
filter(struct scan *s, size_t at, size_t to, const char *mark)
{
	buf_add(s->out, s->in.ptr + s->from, at - s->from);
	buf_addz(s->out, mark);
	s->from = to;
}

/* A quote at i: does it open a key whose value is secret? */
static bool
take_key(struct scan *s, size_t i)
{
	struct str in = s->in;
	size_t b = depth_of(backslashes(in, i)), from = i + 1;
	size_t limit = in.len - from > NAME_LOOK ? from + NAME_LOOK : in.len;
	bool own;
	size_t end = string_end(in, from, b, limit, &own);
	if (!own || end - from < b)
		return false;
	size_t at = skip_space(in, end + 1);
	if (at >= in.len || in.ptr[at] != ':' || !name_is_secret(s->r, (struct str){ in.ptr + from, end - from - b }))
		return false;
	at = skip_space(in, at + 1);
	size_t to = value_end(in, at, b);
	if (to <= at)
		return false;
	static const char *const mark[] = { "\"" FILTERED "\"", "\\\"" FILTERED "\\\"", "\\\\\\\"" FILTERED "\\\\\\\"" };
	filter(s, at, to, b == 0 ? mark[0] : b == 1 ? mark[1] : b == 3 ? mark[2] : FILTERED);
	return true;
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* The end of what an opening ' or " at i encloses (not after it), for texts that are no JSON. */
static size_t
enclosed_end(struct str in, size_t i)
{
	char quote = in.ptr[i++];
	for (; i < in.len && in.ptr[i] != quote; i++)
		i += in.ptr[i] == '\\';
	return i < in.len ? i : in.len;
}

static bool
is_one_of(char c, const char *set)
{
	return c == '\0' || strchr(set, c) != NULL;
}

static bool
take_bearer(struct scan *s, struct str word, size_t end)
{
	struct str in = s->in;
	size_t from = end;
	if (word.len != 6 || strncasecmp(word.ptr, "bearer", 6) != 0)
		return false;
	while (from < in.len && in.ptr[from] == ' ')
		from++;
	size_t to = from;
	while (to < in.len && ((unsigned char)in.ptr[to] < 0x80) &&
		(isalnum((unsigned char)in.ptr[to]) || (in.ptr[to] && strchr("-._~+/=", in.ptr[to]))))
		to++;
	if (from == end || to == from)
		return false;
	filter(s, from, to, FILTERED);
	return true;
}

/* name=value and 'name': value, as log lines and Python write them. */
static bool
take_pair(struct scan *s, struct str word, size_t i, size_t end)
{
	struct str in = s->in;
	bool quoted = i > 0 && in.ptr[i - 1] == '\'' && end < in.len && in.ptr[end] == '\'';
	size_t from = quoted ? skip_space(in, end + 1) : end;
	if (from >= in.len || in.ptr[from] != (quoted ? ':' : '=') || !redact_field(s->r, word))
		return false;
	from = quoted ? skip_space(in, from + 1) : from + 1;
	if (from >= in.len)
		return false;
	size_t to = from;
	if (in.ptr[from] == '\'' || in.ptr[from] == '"')
		to = enclosed_end(in, from++);
	else
		while (to < in.len && !is_one_of(in.ptr[to], " \t\r\n\"'\\&;,)}]"))
			to++;
	if (to <= from)
		return false;
	filter(s, from, to, FILTERED);
	return true;
}

/* "://" or ":\/\/" at i: is there userinfo behind it? */
static bool
take_authority(struct scan *s, size_t i)
{
	struct str in = s->in, rest = { in.ptr + i, in.len - i };
	size_t lead = str_starts(rest, STR("://")) ? 3 : str_starts(rest, STR(":\\/\\/")) ? 5 : 0;
	size_t from = i + lead, at = 0;
	for (size_t to = from; lead && to < in.len && !is_one_of(in.ptr[to], "/?#\"'<>\\ \t\r\n"); to++)
		if (in.ptr[to] == '@')
			at = to;
	if (at <= from)
		return false;
	filter(s, from, at, FILTERED);
	return true;
}

/* "-----BEGIN ... PRIVATE KEY-----" at i: secret to its END line, or where the text or the string around it ends. */
static bool
take_pem(struct scan *s, size_t i)
{
	static const char last[] = "-----END ";
	struct str in = s->in, rest = { in.ptr + i, in.len - i };
	if (!str_starts(rest, STR("-----BEGIN ")))
		return false;
	size_t label = i + 11, look = in.len - label < 80 ? in.len - label : 80;
	const char *dash = memmem(in.ptr + label, look, "-----", 5);
	size_t until = dash ? (size_t)(dash - in.ptr) : label + look;
	if (!str_has((struct str){ in.ptr + label, until - label }, STR("PRIVATE KEY")))
		return false;
	const char *end = memmem(in.ptr + until, in.len - until, last, sizeof last - 1);
	bool own;
	size_t to = end ? in.len : string_end(in, until, 0, in.len, &own);
	if (end) {
		size_t name = (size_t)(end - in.ptr) + sizeof last - 1;
		const char *close = memmem(in.ptr + name, in.len - name < 80 ? in.len - name : 80, "-----", 5);
		to = close ? (size_t)(close - in.ptr) + 5 : in.len;
	}
	filter(s, i, to, FILTERED);
	return true;
}

void
redact_text(const struct redact *r, struct str in, struct buf *out)
{
	struct scan s = { r, in, 0, out };
	size_t i = 0;
	while (i < in.len) {
		char c = in.ptr[i];
		size_t end = i + 1;
		bool found = c == '"' ? take_key(&s, i) : c == ':' ? take_authority(&s, i) : c == '-' ? take_pem(&s, i) : false;
		if (!found && is_word(c)) {
			for (end = i; end < in.len && is_word(in.ptr[end]); end++)
				if (end > i && in.ptr[end] == '-' && str_starts((struct str){ in.ptr + end, in.len - end }, STR("-----")))
					break; /* a PEM line right behind a word */
			struct str word = { in.ptr + i, end - i };
			found = take_bearer(&s, word, end) || take_pair(&s, word, i, end);
		}
		i = found ? s.from : end;
	}
	buf_add(out, in.ptr + s.from, in.len - s.from);
}
