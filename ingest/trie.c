/* trie.c - building the tree of wanted keys, once per parser at start.
 *
 * At most PATHS_MAX paths with 2^(TRIE_SPLIT_SEGS - 1) spellings each. A node's table is at most a quarter full, so
 * that a key nobody wants mostly meets an empty bucket.
 */
#include "ingest/trie.h"

#include "core/buf.h"

#include <stdlib.h>

#define TABLE_MIN_LOG2 3

static void
table_put(struct node *n, struct entry e)
{
	uint32_t at = e.tag * UINT32_C(0x9e3779b1) >> n->shift;
	while (n->table[at].node)
		at = (at + 1) & n->mask;
	n->table[at] = e;
}

static void
table_resize(struct node *n, uint32_t log2)
{
	struct entry *old = n->table;
	size_t nold = old ? (size_t)n->mask + 1 : 0;
	n->table = xcalloc((size_t)1 << log2, sizeof *n->table);
	n->shift = 32 - log2;
	n->mask = (UINT32_C(1) << log2) - 1;
	for (size_t i = 0; i < nold; i++)
		if (old[i].node)
			table_put(n, old[i]);
	free(old);
}

static struct node *
child_of(struct node *n, struct str key)
{
	struct node *c = n->table ? trie_find(n, (const unsigned char *)key.ptr, key.len) : NULL;
	if (c)
		return c;
	if (n->table == NULL) {
		table_resize(n, TABLE_MIN_LOG2);
		n->guess = xcalloc(GUESSES, sizeof *n->guess);
		for (int i = 0; i < GUESSES; i++)
			n->guess[i] = (struct guess){ .len = UINT32_MAX, .next = &n->guess[i < GUESSES - 1 ? i + 1 : i] };
	} else if (4 * (n->nchild + 1) > n->mask + 1)
		table_resize(n, 32 - n->shift + 1);
	c = xcalloc(1, sizeof *c);
	c->plain = -1;
	table_put(n, (struct entry){ .key = xstr(key), .len = (uint32_t)key.len,
			.tag = key_tag((const unsigned char *)key.ptr, key.len), .node = c });
	n->nchild++;
	n->may |= key_bit((const unsigned char *)key.ptr, key.len);
	return c;
}

/* May this segment stand in a literal dotted key? Anything people write without quotes. */
static bool
joins(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 ||
				strchr("_-@$:/", c)) ||
		    c == '\0')
			return false;
	}
	return s.len > 0;
}

/* Add one spelling: bit i of joined (from the top level down, highest first) puts a dot between segments i and i + 1. */
static void
add_spelling(struct trie *t, const struct path *p, uint32_t slot, uint32_t joined, uint8_t rank)
{
	struct node *n = t->root;
	struct buf key;
	buf_init(&key, 1 << 24);
	for (size_t i = 0; i < p->nseg; i++) {
		buf_add(&key, p->seg[i], p->len[i]);
		if (i + 1 < p->nseg && (joined >> (p->nseg - 2 - i) & 1)) {
			buf_addc(&key, '.');
			continue;
		}
		n = child_of(n, key.len ? buf_str(&key) : STR(""));
		buf_clear(&key);
	}
	must(!key.over);
	buf_free(&key);
	n->term = xrealloc(n->term, (n->nterm + 1) * sizeof *n->term);
	GROW(t->slot, t->ncell, t->cap);
	t->slot[t->ncell] = slot;
	n->plain = n->nterm == 0 && rank == 0 ? (int64_t)slot : -1;
	n->term[n->nterm++] = (struct term){ .slot = slot, .cell = (uint32_t)t->ncell++, .rank = rank };
}

void
trie_build(struct trie *t, const struct paths *paths)
{
	*t = (struct trie){ .root = xcalloc(1, sizeof *t->root) };
	for (size_t i = 0; i < paths->n; i++) {
		const struct path *p = &paths->v[i];
		uint32_t gaps = 0; /* which gaps may be joined */
		for (size_t k = 0; k + 1 < p->nseg; k++)
			gaps = gaps << 1 | (joins((struct str){ p->seg[k], p->len[k] }) &&
						joins((struct str){ p->seg[k + 1], p->len[k + 1] }));
		uint32_t all = (UINT32_C(1) << (p->nseg - 1)) - 1;
		if (p->nseg > TRIE_SPLIT_SEGS) {
			add_spelling(t, p, (uint32_t)i, 0, 0);
			if (gaps == all)
				add_spelling(t, p, (uint32_t)i, all, 1);
			continue;
		}
		for (uint32_t j = 0; j <= all; j++)
			if ((j & ~gaps) == 0)
				add_spelling(t, p, (uint32_t)i, j, (uint8_t)j);
	}
}

static void
node_free(struct node *n) /* recursion: at most PATH_SEGS_MAX deep */
{
	for (size_t i = 0; n->table && i <= n->mask; i++) {
		if (n->table[i].node == NULL)
			continue;
		char *key;
		memcpy(&key, &n->table[i].key, sizeof key); /* owned, though lookups see it const */
		free(key);
		node_free(n->table[i].node);
	}
	free(n->table);
	free(n->guess);
	free(n->term);
	free(n);
}

void
trie_free(struct trie *t)
{
	if (t->root)
		node_free(t->root);
	free(t->slot);
	*t = (struct trie){ 0 };
}

struct node *
trie_miss(struct node *n, struct guess *g, const unsigned char *key, size_t len)
{
	struct node *c = trie_find(n, key, len);
	*g = (struct guess){ .len = len <= GUESS_BYTES ? (uint32_t)len : UINT32_MAX, .node = c,
		.next = g->next };
	if (len > GUESS_BYTES)
		return c;
	if (len >= 8) {
		g->head = key_word(key);
		g->tail = key_word(key + len - 8);
		g->mid = len > 16 ? key_word(key + 8) : 0;
	} else if (len >= 4) {
		g->head = key_half(key);
		g->tail = key_half(key + len - 4);
	} else {
		g->head = key_tag(key, len);
	}
	return c;
}
