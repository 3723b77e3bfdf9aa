/* exchange.c - blocks and their tuples' chunks. */
#include "rules/exchange.h"

#include <stdlib.h>

uint64_t hash_seed = UINT64_C(0x5851f42d4c957f2d);

static struct chunk *
chunk_new(void)
{
	struct chunk *c = xcalloc(1, sizeof *c);
	buf_init(&c->bytes, BLOCK_BYTES_MAX);
	return c;
}

void
chunk_free(struct chunk *c)
{
	if (c)
		buf_free(&c->bytes);
	free(c);
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
