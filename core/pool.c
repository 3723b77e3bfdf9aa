/* pool.c - free lists by size class over slabs. */
#include "core/pool.h"

#include <stdlib.h>
#include <sys/mman.h>

#define SLAB_LEAST (32 << 10)
#define MALLOC_COSTS 16
#define SLAB_MOST (2 << 20) /* a huge page: a large table of keys is visited at random, and page walks would cost as much */

/* Slabs grow with their class, so that one that few objects are of stays small. */
static char *
slab_new(struct pool *p, size_t c, size_t *size)
{
	*size = SLAB_LEAST;
	while (*size < SLAB_MOST && *size < p->slab[c] / 4)
		*size *= 2;
	char *slab = *size == SLAB_MOST ? aligned_alloc(SLAB_MOST, SLAB_MOST) : malloc(*size);
	if (slab == NULL)
		slab = xmalloc(*size);
	if (*size == SLAB_MOST)
		(void)madvise(slab, SLAB_MOST, MADV_HUGEPAGE); /* a wish: without it all works as well */
	memcpy(slab, &p->slabs, sizeof(void *));
	p->slabs = slab;
	p->slab[c] += *size;
	p->bytes += *size;
	return slab;
}

static size_t
class_of(size_t size)
{
	return (size + 15) / 16 - (size > 0);
}

#if defined(__SANITIZE_ADDRESS__)
#define POOL_LIMIT 0
#else
#define POOL_LIMIT POOL_MAX
#endif

void *
pool_alloc(struct pool *p, size_t size)
{
	if (size > POOL_LIMIT) {
		p->used += size + MALLOC_COSTS;
		return xmalloc(size);
	}
	size_t c = class_of(size), n = (c + 1) * 16;
	p->used += n;
	if (p->free[c].n)
		return p->free[c].v[--p->free[c].n];
	if ((size_t)(p->end[c] - p->at[c]) < n) {
		size_t bytes;
		char *slab = slab_new(p, c, &bytes);
		p->at[c] = slab + 16;
		p->end[c] = slab + bytes;
	}
	void *o = p->at[c];
	p->at[c] += n;
	return o;
}

void *
pool_zalloc(struct pool *p, size_t size)
{
	return memset(pool_alloc(p, size), 0, size);
}

void
pool_free(struct pool *p, void *o, size_t size)
{
	if (o == NULL)
		return;
	if (size > POOL_LIMIT) {
		p->used -= size + MALLOC_COSTS;
		free(o);
		return;
	}
	size_t c = class_of(size);
	p->used -= (c + 1) * 16;
	size_t was = p->free[c].cap;
	GROW(p->free[c].v, p->free[c].n, p->free[c].cap);
	p->lists += (p->free[c].cap - was) * sizeof(void *);
	p->free[c].v[p->free[c].n++] = o;
}

void
pool_release(struct pool *p)
{
	for (void *s = p->slabs, *next; s; s = next) {
		memcpy(&next, s, sizeof(void *));
		free(s);
	}
	for (size_t c = 0; c < POOL_CLASSES; c++)
		free(p->free[c].v);
	*p = (struct pool){ 0 };
}
