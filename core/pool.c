/* pool.c - free lists by size class over slabs. */
#include "core/pool.h"

#include <stdlib.h>

#define SLAB_BYTES (32 << 10)

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
	if (size > POOL_LIMIT)
		return xmalloc(size);
	size_t c = class_of(size), n = (c + 1) * 16;
	if (p->free[c].n)
		return p->free[c].v[--p->free[c].n];
	if ((size_t)(p->end[c] - p->at[c]) < n) {
		char *slab = xmalloc(SLAB_BYTES);
		memcpy(slab, &p->slabs, sizeof(void *));
		p->slabs = slab;
		p->bytes += SLAB_BYTES;
		p->at[c] = slab + 16;
		p->end[c] = slab + SLAB_BYTES;
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
		free(o);
		return;
	}
	size_t c = class_of(size);
	GROW(p->free[c].v, p->free[c].n, p->free[c].cap);
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
