/* arena.c - bump memory. Blocks double up to 1 MiB; a larger request gets a block of its own. */
#include "core/arena.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

struct arena_block {
	struct arena_block *next; /* older blocks */
	size_t cap;
	_Alignas(8) char data[];
};

void *
arena_alloc(struct arena *a, size_t n)
{
	n = (n + 7) & ~(size_t)7;
	if ((size_t)(a->end - a->at) < n || a->head == NULL) {
		size_t cap = a->head ? a->head->cap * 2 : 4096;
		if (cap > (1 << 20))
			cap = 1 << 20;
		if (cap < n)
			cap = n;
		struct arena_block *b = xmalloc(sizeof *b + cap);
		b->cap = cap;
		b->next = a->head;
		a->head = b;
		a->at = b->data;
		a->end = b->data + cap;
		POISON(b->data, cap);
	}
	void *p = a->at;
	a->at += n;
	a->total += n;
	UNPOISON(p, n);
	return p;
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.len ? s.len : 1);
	if (s.len)
		memcpy(p, s.ptr, s.len);
	return (struct str){ p, s.len };
}

bool
arena_has(const struct arena *a, const void *p)
{
	const char *c = p;
	for (const struct arena_block *b = a->head; b; b = b->next)
		if (c >= b->data && c < b->data + b->cap)
			return true;
	return false;
}

void
arena_reset(struct arena *a)
{
	if (a->total == 0)
		return;
	struct arena_block *keep = a->head; /* the newest is the largest: steady state needs one */
	for (struct arena_block *b = keep->next, *next; b; b = next) {
		next = b->next;
		UNPOISON(b->data, b->cap);
		free(b);
	}
	keep->next = NULL;
	a->at = keep->data;
	a->end = keep->data + keep->cap;
	a->total = 0;
	POISON(keep->data, keep->cap);
}

void
arena_free(struct arena *a)
{
	for (struct arena_block *b = a->head, *next; b; b = next) {
		next = b->next;
		UNPOISON(b->data, b->cap);
		free(b);
	}
	*a = (struct arena){ 0 };
}
