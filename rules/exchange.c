/* exchange.c - blocks and their tuples' chunks. */
#include "rules/exchange.h"

#include <pthread.h>
#include <stdlib.h>

uint64_t hash_seed = UINT64_C(0x5851f42d4c957f2d);

/* Chunks go from the back to the next block of any front: a batch's worth of bytes is not asked of the system each time. */
#define SPARE_CHUNKS 64

static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct chunk *spare[SPARE_CHUNKS]; /* under spare_lock */
static size_t nspare;

static struct chunk *
chunk_new(void)
{
	struct chunk *c = NULL;
	pthread_mutex_lock(&spare_lock);
	if (nspare)
		c = spare[--nspare];
	pthread_mutex_unlock(&spare_lock);
	if (c == NULL) {
		c = xcalloc(1, sizeof *c);
		buf_init(&c->bytes, BLOCK_BYTES_MAX);
	}
	return c;
}

void
chunk_free(struct chunk *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&spare_lock);
	bool keep = nspare < SPARE_CHUNKS && c->bytes.cap <= 4 * BATCH_BYTES;
	if (keep)
		spare[nspare++] = c;
	pthread_mutex_unlock(&spare_lock);
	if (keep)
		return;
	buf_free(&c->bytes);
	free(c);
}

void
chunks_release(void)
{
	while (nspare) {
		struct chunk *c = spare[--nspare];
		buf_free(&c->bytes);
		free(c);
	}
}

void
block_init(struct block *b)
{
	*b = (struct block){ .first_time = NS_NONE };
	buf_init(&b->folds, BLOCK_BYTES_MAX);
	b->tuples = chunk_new();
}

void
block_clear(struct block *b)
{
	buf_clear(&b->folds);
	if (b->tuples == NULL)
		b->tuples = chunk_new();
	buf_clear(&b->tuples->bytes);
	b->tuples->n = b->tuples->refs = 0;
	b->first_time = NS_NONE;
	b->pos_len = 0;
	b->records = 0;
}

void
block_free(struct block *b)
{
	buf_free(&b->folds);
	chunk_free(b->tuples);
	b->tuples = NULL;
}
