/* batch.c - a buffer of whole records, and taking them out one by one.
 *
 * In: bytes that a source has put into b->data. Out: struct record, whose raw is a view into the batch (a line) or
 * into its arena (an envelope's text, parts joined). Owns: the buffer, the arena, the joins.
 * Never: copies a json line; asks a clock. Cost: json one memchr over the bytes.
 */
#include "core/num.h"
#include "core/units.h"
#include "ingest/frame.h"

#include <stdlib.h>

struct part_text { /* one stream's record while its parts come in */
	bool open, dropping;
	char *ptr; /* arena */
	size_t len, cap;
	nsec stamp;
};

struct frame_join {
	struct part_text stream[STREAMS];
	bool begun, ended;
	int left; /* streams at the end of the batch seen so far */
};

void
batch_init(struct batch *b, const struct source_conf *c)
{
	*b = (struct batch){ .format = c->format, .max_record = c->max_record, .written = NS_NONE };
	if (c->format != FORMAT_JSON)
		b->join = xcalloc(1, sizeof *b->join);
}

void
batch_free(struct batch *b)
{
	free(b->data);
	free(b->join);
	arena_free(&b->arena);
	*b = (struct batch){ 0 };
}

void
batch_reset(struct batch *b)
{
	arena_reset(&b->arena);
	if (b->join)
		b->join->begun = false;
	b->len = b->at = 0;
	b->written = NS_NONE;
	b->at_end = b->time_only = b->stamped = b->last_record = false;
	b->drop_in = b->drop_out = 0;
	b->skipped = 0;
	b->skipped_head[0] = '\0';
}

static void
count_skipped(struct batch *b, struct str head)
{
	size_t n = head.len < sizeof b->skipped_head - 1 ? head.len : sizeof b->skipped_head - 1;
	b->skipped++;
	memcpy(b->skipped_head, head.ptr, n);
	b->skipped_head[n] = '\0';
}

/* The next line that is not empty, without newline and CR. */
static bool
next_line(struct batch *b, struct str *line, size_t *at)
{
	while (b->at < b->len) {
		const char *p = b->data + b->at, *nl = memchr(p, '\n', b->len - b->at);
		size_t n = nl ? (size_t)(nl - p) : b->len - b->at;
		*at = b->at;
		b->at += n + (nl != NULL);
		if (n && p[n - 1] == '\r')
			n--;
		if (n) {
			*line = (struct str){ p, n };
			return true;
		}
	}
	return false;
}

/* A spool line of `time: read`: "NANOSECONDS text". */
static void
cut_stamp(struct str *line, nsec *stamp)
{
	int64_t v = 0;
	size_t i = 0;
	while (i < line->len && i < 19 && line->ptr[i] >= '0' && line->ptr[i] <= '9')
		v = v * 10 + (line->ptr[i++] - '0');
	if (i == 0 || i >= line->len || line->ptr[i] != ' ')
		return;
	*stamp = v;
	line->ptr += i + 1;
	line->len -= i + 1;
}

static bool
next_plain(struct batch *b, struct record *r)
{
	struct str line;
	size_t at;
	while (next_line(b, &line, &at)) {
		r->stamp = NS_NONE;
		if (b->stamped)
			cut_stamp(&line, &r->stamp);
		if (UNLIKELY(line.len > (size_t)b->max_record)) {
			count_skipped(b, line);
			continue;
		}
		if (UNLIKELY(line.len == 0))
			continue;
		r->raw = line;
		r->seq = b->seq + (int64_t)at;
		r->offset = b->offset + (int64_t)at;
		r->file = b->file;
		return true;
	}
	return false;
}

static void
join_add(struct batch *b, struct part_text *t, struct str s)
{
	if (t->dropping)
		return;
	if (t->len + s.len > (size_t)b->max_record) {
		count_skipped(b, t->len ? (struct str){ t->ptr, t->len } : s);
		t->dropping = true;
		return;
	}
	if (t->len + s.len > t->cap) {
		size_t cap = 2 * (t->len + s.len);
		char *to = arena_alloc(&b->arena, cap);
		if (t->len)
			memcpy(to, t->ptr, t->len);
		t->ptr = to;
		t->cap = cap;
	}
	if (s.len)
		memcpy(t->ptr + t->len, s.ptr, s.len);
	t->len += s.len;
}

static void
stream_clear(struct part_text *t)
{
	*t = (struct part_text){ .stamp = NS_NONE };
}

static void
give(struct batch *b, struct record *r, struct str raw, nsec stamp, size_t at)
{
	if (raw.len && raw.ptr[raw.len - 1] == '\r')
		raw.len--;
	r->raw = raw;
	r->stamp = stamp;
	r->seq = b->seq + (int64_t)at;
	r->offset = b->offset + (int64_t)at;
	r->file = b->file;
}

/* The file ended inside a record in parts: what came of it is one. Its place is past every line before it. */
static bool
next_left(struct batch *b, struct record *r)
{
	struct frame_join *j = b->join;
	if (!b->last_record)
		return false;
	while (j->left < STREAMS) {
		struct part_text *t = &j->stream[j->left++];
		if (!t->open || t->dropping || t->len == 0)
			continue;
		give(b, r, (struct str){ t->ptr, t->len }, t->stamp, b->len - (size_t)(STREAMS + 1 - j->left));
		stream_clear(t);
		return true;
	}
	return false;
}

/* Text of an envelope: itself where it holds no escape, else decoded in the arena. false: a bad escape. */
static bool
envelope_text(struct batch *b, struct envelope *e)
{
	if (b->format != FORMAT_DOCKER || e->text.len == 0 || !memchr(e->text.ptr, '\\', e->text.len))
		return true;
	char *to = arena_alloc(&b->arena, e->text.len);
	ssize_t n = frame_unescape(e->text, to);
	if (n < 0)
		return false;
	e->text = (struct str){ to, (size_t)n };
	return true;
}

static nsec
envelope_time(const struct envelope *e)
{
	nsec t;
	return e->time.len && stamp_parse(e->time, NULL, &t) ? t : NS_NONE;
}

static void
streams_begin(struct batch *b)
{
	*b->join = (struct frame_join){ .begun = true };
	for (int i = 0; i < STREAMS; i++) {
		stream_clear(&b->join->stream[i]);
		b->join->stream[i].open = b->join->stream[i].dropping = b->drop_in >> i & 1;
	}
}

static bool
next_enveloped(struct batch *b, struct record *r)
{
	struct str line;
	size_t at;
	if (!b->join->begun)
		streams_begin(b);
	while (next_line(b, &line, &at)) {
		struct envelope e;
		if (!envelope_parse(b->format, line, &e) || !envelope_text(b, &e)) {
			if (line.len > (size_t)b->max_record) {
				count_skipped(b, line);
				continue;
			}
			give(b, r, line, NS_NONE, at);
			return true;
		}
		struct part_text *t = &b->join->stream[e.stream];
		if (e.closes && !t->open && e.text.len <= (size_t)b->max_record) {
			if (e.text.len == 0 || (e.text.len == 1 && *e.text.ptr == '\r'))
				continue;
			give(b, r, e.text, envelope_time(&e), at);
			return true;
		}
		if (!t->open)
			t->stamp = envelope_time(&e);
		t->open = true;
		join_add(b, t, e.text);
		if (!e.closes)
			continue;
		struct part_text whole = *t;
		stream_clear(t);
		if (whole.dropping || whole.len == 0)
			continue;
		give(b, r, (struct str){ whole.ptr, whole.len }, whole.stamp, at);
		return true;
	}
	if (!b->join->ended) {
		b->join->ended = true;
		/* An overlong record goes on in the next batch; it is counted here, where it began. */
		for (int i = 0; i < STREAMS; i++) {
			struct part_text *t = &b->join->stream[i];
			if ((b->drop_out >> i & 1) && t->open && !t->dropping) {
				count_skipped(b, (struct str){ t->ptr, t->len });
				t->dropping = true;
			}
		}
	}
	return next_left(b, r);
}

bool
batch_next(struct batch *b, struct record *r)
{
	return b->format == FORMAT_JSON ? next_plain(b, r) : next_enveloped(b, r);
}
