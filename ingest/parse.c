/* parse.c - JSON to slices: yajl's callbacks over the tree of wanted keys.
 *
 * In: one line. Out: its wanted values as views of the line, or a verdict why there are none. Owns the yajl handle,
 * the tree and a small stack. Never copies but a string with escapes, never converts a number, never allocates on a
 * plain record.
 *
 * What is not wanted is not called for: before each value, and on the way into a container that holds nothing wanted,
 * the entries of the callback table that nobody needs are set to NULL, which yajl reads as "skip" (it then does not even
 * decode escapes). Should a yajl copy the table, the callbacks find nothing wanted and return: slower, not wrong.
 *
 * yajl's own check of strings is off, as it takes overlong forms and surrogates for UTF-8: the line is checked before.
 * yajl_complete_parse is not needed for a line whose object has been seen to close: the next line goes on as the next
 * value of one stream. Only what is odd pays for it (see finish).
 */
#include "ingest/parse.h"

#include "core/json.h"
#include "ingest/trie.h"

#include <stdlib.h>
#include <yajl/yajl_parse.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define DEPTH_MAX 64

const char *const verdict_name[VERDICTS] = { "ok", "json", "utf-8", "depth", "second value", "no object", "too long",
	"no time" };

struct frame {              /* a container that was entered, or is wanted as a whole */
	struct node *node;  /* of the map around it */
	struct node *value; /* the wanted key it is the value of, NULL: none */
	size_t start;
	struct guess *guess; /* of the map around it: where its keys go on */
};

struct parser {
	yajl_callbacks cb; /* yajl reads it at each token */
	yajl_handle yajl;
	struct node *node; /* of the innermost map entered */
	struct node *want; /* of the value that comes next, NULL: not wanted */
	unsigned depth;
	unsigned skip;     /* depth of the outermost container in which nothing is wanted; 0: none */
	bool values;       /* the value callbacks are in cb */
	struct record *rec;
	struct arena *arena;
	const char *line;
	size_t len;
	size_t done;       /* where the first top-level object closed; 0: not yet */
	unsigned count;    /* top-level values begun */
	bool object;       /* the first of them is an object */
	enum parse_verdict bad;  /* why a callback stopped yajl */
	int surrogates;    /* does the line hold \ud...: -1 not looked yet */
	bool shadowed;     /* two spellings of one path met */
	bool again;        /* ... and a value under the better one was taken back: slots do not tell what the other had */
	bool exact;        /* second pass: each spelling has its own cell */
	bool odd;          /* exact, or a joined spelling was met in this record */
	struct guess *guess; /* of the next key of the object that is open */
	uint64_t serial;
	struct slice *cell;
	struct trie trie;
	const struct paths *paths;
	struct buf text;   /* strings with surrogates, decoded */
	struct frame frame[DEPTH_MAX + 1];
};

static int on_null(void *ctx);
static int on_boolean(void *ctx, int v);
static int on_number(void *ctx, const char *p, size_t len);
static int on_string(void *ctx, const unsigned char *p, size_t len);
static int on_key(void *ctx, const unsigned char *p, size_t len);

static __attribute__((noinline)) int
values_set(struct parser *p, bool on)
{
	p->values = on;
	p->cb.yajl_null = on ? on_null : NULL;
	p->cb.yajl_boolean = on ? on_boolean : NULL;
	p->cb.yajl_number = on ? on_number : NULL;
	p->cb.yajl_string = on ? on_string : NULL;
	return 1;
}

static inline int
values_call(struct parser *p, bool on)
{
	return p->values == on ? 1 : values_set(p, on);
}

static void
skip_begin(struct parser *p)
{
	p->skip = p->depth;
	p->cb.yajl_map_key = NULL;
	values_call(p, false);
}

static void
skip_end(struct parser *p)
{
	p->skip = 0;
	p->cb.yajl_map_key = on_key;
	values_call(p, true);
}

static inline void
put(struct parser *p, const struct node *n, const char *ptr, size_t len, enum slice_kind kind)
{
	const struct term *t = n->term;
	if (LIKELY(n->plain >= 0 && !p->odd)) { /* nothing of a lower rank can be there */
		p->rec->slot[n->plain] = (struct slice){ ptr, (uint32_t)len, (uint8_t)kind, 0 };
		return;
	}
	for (uint32_t i = 0; i < n->nterm; i++, t++) {
		struct slice v = { ptr, (uint32_t)len, (uint8_t)kind, t->rank };
		struct slice *to = &p->rec->slot[t->slot];
		if (LIKELY(t->rank == 0 && !p->odd)) { /* nothing of a lower rank can be there */
			*to = v;
			continue;
		}
		if (UNLIKELY(p->exact)) {
			p->cell[t->cell] = v;
			continue;
		}
		p->odd |= t->rank > 0;
		if (UNLIKELY(to->kind != K_NONE && to->rank != t->rank)) {
			p->shadowed = true;
			if (to->rank < t->rank)
				continue;
		}
		*to = v;
	}
}

/* A key came again: its earlier value never was, nor anything below it. Recursion: at most PATH_SEGS_MAX deep. */
static void
take_back(struct parser *p, struct node *n)
{
	for (uint32_t i = 0; i < n->nterm; i++) {
		struct slice *s = &p->rec->slot[n->term[i].slot];
		p->cell[n->term[i].cell].kind = K_NONE;
		if (s->kind == K_NONE || s->rank != n->term[i].rank)
			continue;
		*s = (struct slice){ 0 };
		p->again |= p->shadowed;
	}
	for (size_t i = 0; n->live == p->serial && i <= n->mask; i++)
		if (n->table[i].node)
			take_back(p, n->table[i].node);
	n->seen = n->live = 0;
}

static inline bool
in_line(const struct parser *p, const void *at)
{
	return (uintptr_t)at - (uintptr_t)p->line < p->len;
}

/* Is there an escape that may be half of a pair: \\ud.. or \\uD..? */
static bool
has_surrogate(const char *line, size_t len)
{
	const char *p = line, *end = line + len;
	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL && end - p > 2) {
		if (p[1] == 'u' && (p[2] | 0x20) == 'd')
			return true;
		p += 2;
	}
	return false;
}

/* Text that yajl decoded into its own buffer, kept in the arena. yajl makes no difference between a lone surrogate
 * and other text, so in a line that has surrogate escapes the text is decoded from the line again. */
static struct str
keep_decoded(struct parser *p, const void *text, size_t len)
{
	if (p->surrogates < 0)
		p->surrogates = has_surrogate(p->line, p->len);
	if (!p->surrogates)
		return arena_str(p->arena, (struct str){ text, len });
	size_t end = yajl_get_bytes_consumed(p->yajl) - 1; /* the closing quote */
	size_t from = end, slashes;
	do { /* back to the opening one: the nearest that is not escaped */
		while (p->line[--from] != '"')
			;
		for (slashes = 0; from > slashes && p->line[from - 1 - slashes] == '\\';)
			slashes++;
	} while (slashes % 2);
	from++;
	buf_clear(&p->text);
	json_unescape(&p->text, (struct str){ p->line + from, end - from });
	return arena_str(p->arena, buf_str(&p->text));
}

static int
scalar(struct parser *p, const char *ptr, size_t len, enum slice_kind kind)
{
	if (LIKELY(p->want != NULL))
		put(p, p->want, ptr, len, kind);
	else if (p->depth == 0)
		p->count++;
	return 1;
}

static int
on_null(void *ctx)
{
	return scalar(ctx, NULL, 0, K_NULL);
}

static int
on_boolean(void *ctx, int v)
{
	return scalar(ctx, NULL, 0, v ? K_TRUE : K_FALSE);
}

static int
on_number(void *ctx, const char *ptr, size_t len)
{
	return scalar(ctx, ptr, len, K_NUM);
}

/* The rare ways of the two hot callbacks stand apart, so that those need no stack. */
static __attribute__((noinline, cold)) int
string_decoded(struct parser *p, const unsigned char *ptr, size_t len)
{
	struct str s = keep_decoded(p, ptr, len);
	return scalar(p, s.ptr, s.len, K_STR);
}

static int
on_string(void *ctx, const unsigned char *ptr, size_t len)
{
	struct parser *p = ctx;
	if (UNLIKELY(p->want && !in_line(p, ptr)))
		return string_decoded(p, ptr, len);
	return scalar(p, (const char *)ptr, len, K_STR);
}

static __attribute__((noinline, cold)) int
key_again(struct parser *p, struct node *n)
{
	take_back(p, n);
	n->seen = p->node->live = p->serial;
	return values_call(p, true);
}

static inline int
key_is(struct parser *p, struct node *n)
{
	p->want = n;
	if (n == NULL)
		return values_call(p, false);
	if (UNLIKELY(n->seen == p->serial))
		return key_again(p, n);
	n->seen = p->node->live = p->serial;
	return values_call(p, true);
}

static __attribute__((noinline)) int
key_miss(struct parser *p, struct guess *g, const unsigned char *ptr, size_t len)
{
	return key_is(p, trie_miss(p->node, g, ptr, len));
}

static inline int
key(struct parser *p, const unsigned char *ptr, size_t len)
{
	struct guess *g = p->guess;
	p->guess = g->next;
	return LIKELY(guess_right(g, ptr, len)) ? key_is(p, g->node) : key_miss(p, g, ptr, len);
}

static __attribute__((noinline, cold)) int
key_decoded(struct parser *p, const unsigned char *ptr, size_t len)
{
	struct str s = keep_decoded(p, ptr, len);
	return key(p, (const unsigned char *)s.ptr, s.len);
}

static int
on_key(void *ctx, const unsigned char *ptr, size_t len)
{
	struct parser *p = ctx;
	if (UNLIKELY(!in_line(p, ptr)))
		return key_decoded(p, ptr, len);
	return key(p, ptr, len);
}

static void
node_enter(struct parser *p, struct node *n)
{
	p->node = n;
	p->guess = n->guess;
}

static int
container(struct parser *p, bool map)
{
	if (++p->depth > DEPTH_MAX) {
		p->bad = PARSE_DEPTH;
		return 0;
	}
	if (p->skip)
		return 1;
	struct node *into = NULL;
	struct frame *f = &p->frame[p->depth];
	*f = (struct frame){ .node = p->node, .guess = p->guess };
	if (p->depth == 1) {
		if (p->count++ == 0)
			p->object = map;
		into = p->trie.root;
	} else if (p->want) {
		into = p->want;
		if (into->nterm) {
			f->value = into;
			f->start = yajl_get_bytes_consumed(p->yajl) - 1;
		}
	}
	if (map && into && into->table)
		node_enter(p, into);
	else
		skip_begin(p);
	p->want = NULL;
	return 1;
}

static int
container_end(struct parser *p)
{
	if (p->skip) {
		if (p->depth != p->skip) {
			p->depth--;
			return 1;
		}
		skip_end(p);
	}
	const struct frame *f = &p->frame[p->depth];
	p->node = f->node;
	p->guess = f->guess;
	p->want = NULL;
	if (f->value)
		put(p, f->value, p->line + f->start, yajl_get_bytes_consumed(p->yajl) - f->start, K_JSON);
	if (--p->depth == 0) {
		if (p->done == 0)
			p->done = yajl_get_bytes_consumed(p->yajl);
		values_call(p, true); /* a second value is counted */
	}
	return 1;
}

static int
on_map(void *ctx)
{
	return container(ctx, true);
}

static int
on_array(void *ctx)
{
	return container(ctx, false);
}

static int
on_end(void *ctx)
{
	return container_end(ctx);
}

static void
yajl_renew(struct parser *p)
{
	if (p->yajl)
		yajl_free(p->yajl);
	p->values = false;
	values_call(p, true);
	p->cb.yajl_map_key = on_key;
	p->cb.yajl_start_map = on_map;
	p->cb.yajl_end_map = on_end;
	p->cb.yajl_start_array = on_array;
	p->cb.yajl_end_array = on_end;
	p->yajl = yajl_alloc(&p->cb, NULL, p);
	must(p->yajl != NULL);
	must(yajl_config(p->yajl, yajl_allow_multiple_values, 1));
	must(yajl_config(p->yajl, yajl_dont_validate_strings, 1));
}

struct parser *
parser_new(const struct paths *paths)
{
	struct parser *p = xcalloc(1, sizeof *p);
	p->paths = paths;
	trie_build(&p->trie, paths);
	p->cell = xcalloc(p->trie.ncell + 1, sizeof *p->cell);
	buf_init(&p->text, UINT32_MAX);
	yajl_renew(p);
	return p;
}

void
parser_free(struct parser *p)
{
	if (p == NULL)
		return;
	yajl_free(p->yajl);
	trie_free(&p->trie);
	free(p->cell);
	buf_free(&p->text);
	free(p);
}

/* What yajl lets pass: bytes that are no UTF-8, and vertical tab and form feed as white space (inside a string they are
 * wrong as well, so wrong anywhere). */
static enum parse_verdict
check_bytes(struct str s)
{
	bool high = false, white = false;
	size_t i = 0;
#ifdef __SSE2__
	__m128i any = _mm_setzero_si128(), least = _mm_set1_epi8(-1);
#define SEE(at) do { \
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + (at))); \
	any = _mm_or_si128(any, v); \
	least = _mm_min_epu8(least, v); \
} while (0)
	for (; i + 64 <= s.len; i += 64)
		for (size_t at = i; at < i + 64; at += 16)
			SEE(at);
	for (; i + 16 <= s.len; i += 16)
		SEE(i);
	if (i < s.len && s.len >= 16) { /* the last one overlaps the one before */
		SEE(s.len - 16);
		i = s.len;
	}
#undef SEE
	high = _mm_movemask_epi8(any) != 0;
	if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(least, _mm_set1_epi8('\f')), least)) != 0)
		white = memchr(s.ptr, '\v', s.len) != NULL || memchr(s.ptr, '\f', s.len) != NULL; /* or only tabs */
#endif
	for (; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		high |= c >= 0x80;
		white |= c == '\v' || c == '\f';
	}
	if (high && utf8_valid(s) != s.len)
		return PARSE_UTF8;
	return white ? PARSE_JSON : PARSE_OK;
}

static bool
blank(struct str s, size_t from)
{
	while (from < s.len && (s.ptr[from] == ' ' || s.ptr[from] == '\t' || s.ptr[from] == '\r' || s.ptr[from] == '\n'))
		from++;
	return from == s.len;
}

static yajl_status
walk(struct parser *p)
{
	p->serial++;
	p->depth = p->skip = p->count = 0;
	p->done = 0;
	p->want = NULL;
	p->object = p->shadowed = p->again = false;
	p->odd = p->exact;
	p->node = NULL;
	p->guess = NULL;
	p->bad = PARSE_JSON;
	return yajl_parse(p->yajl, (const unsigned char *)p->line, p->len);
}

/* A line that did not end with the end of its one object: let yajl say what it makes of the rest. It finds nothing wrong
 * with a string that is still open at the top level, so one more quote asks: does that close a string? The handle is then
 * of no more use. */
static enum parse_verdict
finish(struct parser *p, yajl_status st)
{
	if (st == yajl_status_ok)
		st = yajl_complete_parse(p->yajl);
	unsigned count = p->count;
	if (st == yajl_status_ok)
		st = yajl_parse(p->yajl, (const unsigned char *)"\"", 1);
	yajl_renew(p);
	if (st != yajl_status_ok || p->count != count || count == 0)
		return p->bad;
	return count > 1 ? PARSE_SECOND : PARSE_OBJECT;
}

/* Duplicate keys met two spellings of one path: walk once more with a cell for each spelling. */
static void
walk_exact(struct parser *p)
{
	memset(p->cell, 0, p->trie.ncell * sizeof *p->cell);
	p->exact = true;
	must(walk(p) == yajl_status_ok);
	p->exact = false;
	struct slice *slot = p->rec->slot;
	memset(slot, 0, p->paths->n * sizeof *slot);
	for (size_t i = 0; i < p->trie.ncell; i++) { /* the cells of one path stand in order of rank */
		struct slice *to = &slot[p->trie.slot[i]];
		if (to->kind == K_NONE)
			*to = p->cell[i];
	}
}

enum parse_verdict
parse(struct parser *p, struct record *r, struct arena *arena)
{
	must(r->raw.len <= UINT32_MAX);
	if (p->paths->n)
		memset(r->slot, 0, p->paths->n * sizeof *r->slot);
	enum parse_verdict v = check_bytes(r->raw);
	if (UNLIKELY(v != PARSE_OK))
		return v;
	p->rec = r;
	p->arena = arena;
	p->line = r->raw.ptr;
	p->len = r->raw.len;
	p->surrogates = -1;
	yajl_status st = walk(p);
	if (LIKELY(st == yajl_status_ok && p->count == 1 && p->object && p->done && blank(r->raw, p->done))) {
		if (UNLIKELY(p->again))
			walk_exact(p);
		return PARSE_OK;
	}
	v = finish(p, st);
	if (p->paths->n)
		memset(r->slot, 0, p->paths->n * sizeof *r->slot);
	return v;
}
