/* trie.h - the wanted field paths as a tree of keys: what a parser asks at each key of a record.
 *
 * In: a set of paths. Out: for a node and a key the child node, or NULL: not wanted. A path of n segments stands in
 * the tree once for each way to spell it: nested throughout (rank 0), and with neighbouring segments joined by a dot
 * into one literal key. Ranks order the spellings of one path, the lower wins: bit by bit from the top level down,
 * nested before joined. Up to TRIE_SPLIT_SEGS segments every split is there, beyond it only all nested and all joined.
 * Only segments that need no quotes are joined: a["b c"] has one spelling.
 * Owns its keys. Belongs to one parser, which keeps its marks (`seen`) in the nodes.
 * Cost: a lookup is one hash of four bytes, and one comparison of the key if it is there. Loggers write their keys in one
 * order, so a node remembers which key stood at each place: a right guess costs one comparison, wanted or not.
 */
#ifndef WEIR_TRIE_H
#define WEIR_TRIE_H

#include "core/record.h"

#define TRIE_SPLIT_SEGS 5

struct term {          /* a path that ends at this node */
	uint32_t slot;
	uint32_t cell; /* number of this spelling, 0.. trie.ncell */
	uint8_t rank;
};

struct entry { /* one bucket of a node's table; node NULL: empty */
	const char *key;
	uint32_t len, tag;
	struct node *node;
};

#define GUESSES 64     /* places remembered: power of two */
#define GUESS_BYTES 24 /* a longer key is looked up */

struct guess { /* the key met at this place the last time */
	uint32_t len;            /* UINT32_MAX: none */
	uint64_t head, mid, tail; /* words of it that tell it from any other of its length: see guess_right */
	struct node *node;       /* NULL: not wanted */
	struct guess *next;      /* the place after it; beyond the last all keys share that */
};

struct node {
	struct entry *table; /* NULL: no children */
	struct guess *guess; /* GUESSES of them where there is a table */
	uint32_t shift;      /* 32 - log2 of the table's size */
	uint32_t mask;
	uint64_t may;          /* a bit a child: most unwanted keys end here */
	struct term *term;
	int64_t plain; /* slot of the one term there is, if it is of rank 0; -1: otherwise */
	uint32_t nterm, nchild;
	uint64_t seen; /* the parser's: serial of the pass in which this key was last met */
	uint64_t live; /* ... in which one of its children was */
};

struct trie {
	struct node *root;
	uint32_t *slot; /* of each cell; the cells of one path stand together, in order of rank */
	size_t ncell, cap;
};

void trie_build(struct trie *t, const struct paths *paths);
void trie_free(struct trie *t);

/* First, middle and last byte and the length: for keys of up to three bytes nothing more is needed. */
static inline uint32_t
key_tag(const unsigned char *key, size_t len)
{
	if (UNLIKELY(len == 0))
		return 0;
	return (uint32_t)key[0] | (uint32_t)key[len - 1] << 8 | (uint32_t)key[len >> 1] << 16 | (uint32_t)len << 24;
}

/* memcmp for keys whose first, middle and last byte and length are the same: in words, without a call. */
static inline bool
key_same(const char *a, const char *b, size_t len)
{
	uint64_t x, y;
	uint32_t u, v;
	if (LIKELY(len >= 8)) {
		for (size_t i = 0; i < len - 8; i += 8) {
			memcpy(&x, a + i, 8);
			memcpy(&y, b + i, 8);
			if (x != y)
				return false;
		}
		memcpy(&x, a + len - 8, 8); /* the last word overlaps the one before */
		memcpy(&y, b + len - 8, 8);
		return x == y;
	}
	if (len < 4)
		return true;
	memcpy(&u, a, 4);
	memcpy(&v, b, 4);
	if (u != v)
		return false;
	memcpy(&u, a + len - 4, 4);
	memcpy(&v, b + len - 4, 4);
	return u == v;
}

static inline uint64_t
key_bit(const unsigned char *key, size_t len)
{
	return UINT64_C(1) << ((len == 0 ? 0u : key[0] ^ (unsigned)key[len - 1] << 1 ^ (unsigned)len << 2) & 63);
}

static inline struct node *
trie_find(const struct node *n, const unsigned char *key, size_t len)
{
	if (!(n->may & key_bit(key, len)))
		return NULL;
	uint32_t tag = key_tag(key, len);
	uint32_t at = tag * UINT32_C(0x9e3779b1) >> n->shift;
	for (const struct entry *e = &n->table[at]; e->node; e = &n->table[at = (at + 1) & n->mask])
		if (e->tag == tag && e->len == len && key_same(e->key, (const char *)key, len))
			return e->node;
	return NULL;
}

static inline uint64_t
key_word(const unsigned char *key)
{
	uint64_t w;
	memcpy(&w, key, 8);
	return w;
}

static inline uint32_t
key_half(const unsigned char *key)
{
	uint32_t w;
	memcpy(&w, key, 4);
	return w;
}

/* Is the key the guess? Overlapping words cover up to 24 bytes. */
static inline bool
guess_right(const struct guess *g, const unsigned char *key, size_t len)
{
	if (g->len != len)
		return false;
	if (LIKELY(len >= 8))
		return key_word(key) == g->head && key_word(key + len - 8) == g->tail && (len <= 16 || key_word(key + 8) == g->mid);
	if (LIKELY(len >= 4))
		return key_half(key) == g->head && key_half(key + len - 4) == g->tail;
	return key_tag(key, len) == g->head;
}

/* A wrong guess: look the key up and remember it. */
struct node *trie_miss(struct node *n, struct guess *g, const unsigned char *key, size_t len);

#endif
