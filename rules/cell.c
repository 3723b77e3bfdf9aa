/* cell.c - the table of cell kinds. */
#include "rules/cell.h"

#include <math.h>
#include <stdlib.h>

void
cell_init(enum cell_kind kind, void *cell)
{
	if (kind == CELL_MIN || kind == CELL_MAX)
		*(double *)cell = (double)NAN;
}

/* ---- counts: 8 bytes ---- */

static void
count_merge(void *cell, const void *fold)
{
	uint64_t n;
	memcpy(&n, fold, sizeof n);
	*(uint64_t *)cell += n;
}

static void
word_save(const void *cell, struct buf *b)
{
	buf_add(b, cell, 8);
}

static void
word_load(void *cell, struct reader *r)
{
	take(r, cell, 8);
}

/* ---- least and greatest ---- */

static void
min_merge(void *cell, const void *fold)
{
	double v, *edge = cell;
	memcpy(&v, fold, sizeof v);
	if (!(*edge <= v) && !isnan(v))
		*edge = v;
}

static void
max_merge(void *cell, const void *fold)
{
	double v, *edge = cell;
	memcpy(&v, fold, sizeof v);
	if (!(*edge >= v) && !isnan(v))
		*edge = v;
}

/* ---- exact sums ---- */

static void
sum_merge(void *cell, const void *fold)
{
	const struct fold_sum *f = fold;
	struct xsum *s = cell;
	if (f->hi != 0)
		xsum_part(s, f->hi);
	if (f->lo != 0)
		xsum_part(s, f->lo);
	s->n += (uint32_t)f->n;
}

static void
squares_merge(void *cell, const void *fold)
{
	const struct fold_squares *f = fold;
	struct xsum *s = cell;
	for (uint32_t i = 0; i < f->n; i++)
		xsum_part(s, f->v[i]);
}

static void
sum_release(void *cell)
{
	xsum_release(cell);
}

static void
sum_save(const void *cell, struct buf *b)
{
	const struct xsum *s = cell;
	PUT(b, s->n);
	put_blob(b, xsum_parts(s), s->len * (uint32_t)sizeof(double));
}

static void
sum_load(void *cell, struct reader *r)
{
	struct xsum *s = cell;
	uint32_t n, len;
	TAKE(r, n);
	const char *v = take_blob(r, &len);
	for (uint32_t at = 0; at + sizeof(double) <= len; at += sizeof(double)) {
		double d;
		memcpy(&d, v + at, sizeof d);
		xsum_part(s, d);
	}
	s->n = n;
}

/* ---- sketches ---- */

static void
sketch_cell_merge(void *cell, const void *fold)
{
	const struct fold_sketch *f = fold;
	for (uint64_t i = 0; i < f->used; i++)
		sketch_add(cell, f->v[i].code, f->v[i].n);
}

static void
sketch_cell_release(void *cell)
{
	sketch_release(cell);
}

static void
sketch_save(const void *cell, struct buf *b)
{
	const struct sketch *s = cell;
	put_blob(b, s->v, s->len * (uint32_t)sizeof(struct bucket));
}

static void
sketch_load(void *cell, struct reader *r)
{
	uint32_t len;
	const char *v = take_blob(r, &len);
	for (uint32_t at = 0; at + sizeof(struct bucket) <= len; at += sizeof(struct bucket)) {
		struct bucket d;
		memcpy(&d, v + at, sizeof d);
		sketch_add(cell, d.code, d.n);
	}
}

/* ---- different values ---- */

static void
distinct_cell_merge(void *cell, const void *fold)
{
	const struct fold_distinct *f = fold;
	for (uint64_t i = 0; i < f->used; i++)
		distinct_add(cell, f->v[i]);
}

static void
distinct_cell_release(void *cell)
{
	distinct_release(cell);
}

static void
distinct_save(const void *cell, struct buf *b)
{
	const struct distinct *d = cell;
	put_blob(b, d->v, d->n * (uint32_t)sizeof *d->v);
	put_blob(b, d->reg, d->reg ? HLL_REGISTERS : 0);
}

static void
distinct_load(void *cell, struct reader *r)
{
	struct distinct *d = cell;
	uint32_t len, regs;
	const char *v = take_blob(r, &len);
	for (uint32_t at = 0; at + sizeof *d->v <= len; at += sizeof *d->v) {
		uint64_t h;
		memcpy(&h, v + at, sizeof h);
		distinct_add(d, h);
	}
	const char *reg = take_blob(r, &regs);
	if (regs == HLL_REGISTERS) {
		struct distinct other = { .reg = xmemdup(reg, regs) };
		distinct_merge(d, &other);
		free(other.reg);
	} else if (regs) {
		r->bad = true;
	}
}

/* ---- the newest value ---- */

static void
last_release(void *cell)
{
	sample_free(*(struct sample **)cell);
}

static void
last_save(const void *cell, struct buf *b)
{
	const struct sample *s = *(struct sample *const *)cell;
	put_blob(b, s ? s->bytes : NULL, s ? s->len : 0);
}

static void
last_load(void *cell, struct reader *r)
{
	uint32_t len;
	const char *v = take_blob(r, &len);
	*(struct sample **)cell = len ? sample_new(v, len) : NULL;
}

const struct cell_ops cell_ops[CELLS] = {
	[CELL_COUNT] = { "count", sizeof(uint64_t), sizeof(uint64_t), NULL, count_merge, word_save, word_load },
	[CELL_SUM] = { "sum", sizeof(struct xsum), sizeof(struct fold_sum), sum_release, sum_merge, sum_save, sum_load },
	[CELL_SQUARES] = { "squares", sizeof(struct xsum), sizeof(struct fold_squares), sum_release, squares_merge, sum_save,
		sum_load },
	[CELL_MIN] = { "min", sizeof(double), sizeof(double), NULL, min_merge, word_save, word_load },
	[CELL_MAX] = { "max", sizeof(double), sizeof(double), NULL, max_merge, word_save, word_load },
	[CELL_SKETCH] = { "sketch", sizeof(struct sketch), sizeof(struct fold_sketch), sketch_cell_release, sketch_cell_merge,
		sketch_save, sketch_load },
	[CELL_DISTINCT] = { "distinct", sizeof(struct distinct), sizeof(struct fold_distinct), distinct_cell_release,
		distinct_cell_merge, distinct_save, distinct_load },
	[CELL_LAST] = { "last", sizeof(struct sample *), 0, last_release, NULL, last_save, last_load },
	[CELL_GROWTH] = { "growth", sizeof(struct xsum), 0, sum_release, NULL, sum_save, sum_load },
	[CELL_CHANGES] = { "changes", sizeof(uint64_t), 0, NULL, NULL, word_save, word_load },
	[CELL_STREAK] = { "streak", sizeof(struct streak), 0, NULL, NULL, word_save, word_load },
};
