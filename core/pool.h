/* pool.h - small objects that come and go by the hundred thousand: keys of rules, what alerts carry.
 *
 * Sizes are rounded up to 16 bytes; each class has a stack of free objects and takes its memory in slabs that are never given back
 * (a rule's keys come again). Above POOL_MAX malloc serves. The caller says the size again when it frees. One thread.
 * Cost: a push or pop. Under AddressSanitizer every object is malloc's own, so that misuse is seen.
 */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include "core/base.h"

#define POOL_MAX 1024
#define POOL_CLASSES (POOL_MAX / 16)

struct pool {             /* { 0 } is empty */
	struct {
		void **v; /* beside the objects: what is freed is not touched, as it is mostly out of the cache by then */
		uint32_t n, cap;
	} free[POOL_CLASSES];
	char *at[POOL_CLASSES], *end[POOL_CLASSES];
	size_t slab[POOL_CLASSES]; /* bytes in the slabs of a class */
	void *slabs; /* list of all, by their first word */
	size_t bytes; /* in slabs */
	size_t used;  /* in objects, malloc's own among them */
	size_t lists; /* of the stacks of free objects */
};

void *pool_alloc(struct pool *p, size_t size);  /* not zeroed, 16-byte aligned */
void *pool_zalloc(struct pool *p, size_t size);
void pool_free(struct pool *p, void *o, size_t size); /* o may be NULL */
void pool_release(struct pool *p);              /* everything at once */

#endif
