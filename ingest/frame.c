/* frame.c - the envelopes of container runtimes, and where a batch may end.
 *
 * In: bytes of a log file. Out: lengths and views. Owns: nothing. Never: allocates, looks inside a json record.
 */
#include "ingest/frame.h"

/* What an envelope adds to a line: time, stream, tag; a docker line also has keys and escapes. */
#define ENVELOPE_SLACK (64 << 10)

size_t
frame_limit(int format, int64_t max_record)
{
	if (format == FORMAT_JSON)
		return (size_t)max_record + 2; /* CR and newline */
	return 2 * (size_t)max_record + ENVELOPE_SLACK;
}

static bool
cut_word(struct str *s, struct str *word)
{
	const char *sp = s->len ? memchr(s->ptr, ' ', s->len) : NULL;
	if (!sp)
		return false;
	*word = (struct str){ s->ptr, (size_t)(sp - s->ptr) };
	s->len -= word->len + 1;
	s->ptr = sp + 1;
	return true;
}

static bool
stream_of(struct str name, int *stream)
{
	if (str_eq(name, STR("stdout")))
		*stream = 0;
	else if (str_eq(name, STR("stderr")))
		*stream = 1;
	else
		return false;
	return true;
}

/* TIME stdout|stderr P|F[:tag..] message */
static bool
cri_parse(struct str line, struct envelope *e)
{
	struct str name, tag;
	if (!cut_word(&line, &e->time) || !cut_word(&line, &name) || !stream_of(name, &e->stream))
		return false;
	if (!cut_word(&line, &tag)) { /* an empty message may come without the last space */
		tag = line;
		line = (struct str){ line.ptr + line.len, 0 };
	}
	if (tag.len == 0 || (tag.ptr[0] != 'P' && tag.ptr[0] != 'F') || (tag.len > 1 && tag.ptr[1] != ':'))
		return false;
	e->closes = tag.ptr[0] == 'F';
	e->text = line;
	return true;
}

static void
skip_space(struct str *s)
{
	while (s->len && (*s->ptr == ' ' || *s->ptr == '\t')) {
		s->ptr++;
		s->len--;
	}
}

/* A JSON string at the start of *s: its inner text, and *s after it. */
static bool
take_string(struct str *s, struct str *inner)
{
	if (s->len == 0 || *s->ptr != '"')
		return false;
	for (size_t i = 1; i < s->len;) {
		const char *q = memchr(s->ptr + i, '"', s->len - i);
		if (!q)
			return false;
		size_t at = (size_t)(q - s->ptr), back = 0;
		while (back < at - 1 && s->ptr[at - 1 - back] == '\\')
			back++;
		if (back % 2 == 0) {
			*inner = (struct str){ s->ptr + 1, at - 1 };
			s->ptr += at + 1;
			s->len -= at + 1;
			return true;
		}
		i = at + 1;
	}
	return false;
}

/* Any other value: up to the comma or brace that ends it at this level. */
static bool
skip_value(struct str *s)
{
	size_t depth = 0;
	while (s->len) {
		char c = *s->ptr;
		struct str in;
		if (c == '"') {
			if (!take_string(s, &in))
				return false;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}'))
			return true;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth-- == 0)
			return false;
		s->ptr++;
		s->len--;
	}
	return false;
}

static bool
take_char(struct str *s, char c)
{
	skip_space(s);
	if (s->len == 0 || *s->ptr != c)
		return false;
	s->ptr++;
	s->len--;
	return true;
}

/* {"log":"text\n","stream":"stdout","time":"..."}, keys in any order, others passed over. */
static bool
docker_parse(struct str s, struct envelope *e)
{
	bool log = false;
	e->stream = 0;
	e->time = (struct str){ NULL, 0 };
	if (!take_char(&s, '{'))
		return false;
	do {
		struct str key, value;
		skip_space(&s);
		if (!take_string(&s, &key) || !take_char(&s, ':'))
			return false;
		skip_space(&s);
		if (s.len && *s.ptr == '"') {
			if (!take_string(&s, &value))
				return false;
			if (str_eq(key, STR("log"))) {
				e->text = value;
				log = true;
			} else if (str_eq(key, STR("time"))) {
				e->time = value;
			} else if (str_eq(key, STR("stream"))) {
				(void)stream_of(value, &e->stream); /* an unknown one counts as stdout */
			}
		} else if (!skip_value(&s)) {
			return false;
		}
	} while (take_char(&s, ','));
	if (!log || !take_char(&s, '}'))
		return false;
	skip_space(&s);
	size_t n = e->text.len, back = 0;
	while (n > 1 && back + 1 < n && e->text.ptr[n - 2 - back] == '\\')
		back++;
	e->closes = n > 1 && e->text.ptr[n - 1] == 'n' && back % 2 == 1;
	if (e->closes)
		e->text.len -= 2;
	return s.len == 0;
}

bool
envelope_parse(int format, struct str line, struct envelope *out)
{
	return format == FORMAT_CRI ? cri_parse(line, out) : docker_parse(line, out);
}

static int
hex4(const char *p)
{
	int v = 0;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9' ? c - '0' :
			c >= 'a' && c <= 'f' ? c - 'a' + 10 :
			c >= 'A' && c <= 'F' ? c - 'A' + 10 :
					       -1;
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

static size_t
put_utf8(uint32_t c, char *to)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* \uXXXX at s[i]; a pair of surrogates is one character, a lone one becomes U+FFFD. Bytes used, 0: bad. */
static size_t
take_u(struct str s, size_t i, uint32_t *c)
{
	if (s.len - i < 6)
		return 0;
	int hi = hex4(s.ptr + i + 2);
	if (hi < 0)
		return 0;
	*c = (uint32_t)hi;
	if (hi < 0xd800 || hi > 0xdfff)
		return 6;
	if (hi < 0xdc00 && s.len - i >= 12 && s.ptr[i + 6] == '\\' && s.ptr[i + 7] == 'u') {
		int lo = hex4(s.ptr + i + 8);
		if (lo >= 0xdc00 && lo <= 0xdfff) {
			*c = 0x10000 + ((uint32_t)(hi - 0xd800) << 10) + (uint32_t)(lo - 0xdc00);
			return 12;
		}
	}
	*c = 0xfffd;
	return 6;
}

ssize_t
frame_unescape(struct str s, char *to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	size_t n = 0, i = 0;
	while (i < s.len) {
		const char *bs = memchr(s.ptr + i, '\\', s.len - i);
		size_t run = bs ? (size_t)(bs - s.ptr) - i : s.len - i;
		memcpy(to + n, s.ptr + i, run);
		n += run;
		i += run;
		if (!bs)
			break;
		if (s.len - i < 2)
			return -1;
		char c = s.ptr[i + 1];
		const char *at = memchr(from, c, sizeof from - 1);
		if (at) {
			to[n++] = into[at - from];
			i += 2;
		} else if (c == 'u') {
			uint32_t u = 0;
			size_t used = take_u(s, i, &u);
			if (!used)
				return -1;
			n += put_utf8(u, to + n);
			i += used;
		} else {
			return -1;
		}
	}
	return (ssize_t)n;
}

/* Walk the whole lines of data; *closed is the end of the last one after which no record is open. */
static unsigned
walk(int format, struct str data, unsigned drop, size_t *closed)
{
	unsigned open = 0;
	size_t at = 0;
	*closed = 0;
	while (at < data.len) {
		const char *p = data.ptr + at, *nl = memchr(p, '\n', data.len - at);
		if (!nl)
			break;
		struct str line = { p, (size_t)(nl - p) };
		struct envelope e;
		at += line.len + 1;
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (envelope_parse(format, line, &e)) {
			unsigned bit = 1U << e.stream;
			if (e.closes) {
				open &= ~bit;
				drop &= ~bit;
			} else if (!(drop & bit)) {
				open |= bit;
			}
		}
		if (!open)
			*closed = at;
	}
	return open | drop;
}

size_t
frame_cut(int format, struct str data, unsigned drop)
{
	size_t closed;
	if (format == FORMAT_JSON) {
		const char *nl = data.len ? memrchr(data.ptr, '\n', data.len) : NULL;
		return nl ? (size_t)(nl - data.ptr) + 1 : 0;
	}
	(void)walk(format, data, drop, &closed);
	return closed;
}

unsigned
frame_open(int format, struct str data, unsigned drop)
{
	size_t closed;
	return format == FORMAT_JSON ? 0 : walk(format, data, drop, &closed);
}
