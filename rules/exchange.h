/* exchange.h - what crosses from front to back: the one seam where a process becomes a cluster.
 *
 * A block is what one batch of one partition gave. It owns all its bytes: no view of the batch crosses.
 *  - folds: partials of (rule, key, pane). They merge in any order, so a front may merge what it likes; the back takes them
 *    at once.
 *  - tuples: sequenced facts of (time, partition, seq): record matches, opens and closes, newest context. The back puts
 *    them in order and applies them when no earlier one can come.
 *  - the partition's time and position after the batch.
 * Flat bytes without pointers: a block can be written to a wire as it is (same byte order).
 */
#ifndef WEIR_EXCHANGE_H
#define WEIR_EXCHANGE_H

#include "core/buf.h"
#include "ingest/source.h"
#include "rules/ptime.h"
#include "rules/rule.h"
#include "rules/sketch.h"

#define BLOCK_BYTES_MAX (256 << 20) /* of folds or tuples; a batch of 256 KiB stays far below */
#define FOLD_BUCKETS 8

/* The cells of a fold, by kind; where each lies is rule->fold_off. */
struct fold_sum {
	double hi, lo; /* hi + lo is the exact sum */
	uint64_t n;
};
#define FOLD_PARTS 7
struct fold_squares {
	double v[FOLD_PARTS]; /* an expansion (xsum.h) of the exact sum of squares */
	uint64_t n;           /* components in use */
};
#define FOLD_HASHES 6
struct fold_distinct {
	uint64_t used, v[FOLD_HASHES];
};
struct fold_sketch {
	uint64_t used;
	struct bucket v[FOLD_BUCKETS];
};
/* CELL_COUNT: uint64_t. CELL_MIN, CELL_MAX: double, NaN while empty. */

struct fold { /* 8-aligned: header, rule->fold_cells bytes of cells, klen key bytes, padding */
	uint32_t rule, klen;
	uint64_t hash; /* of the key bytes: same seed in every part of a process */
	int64_t pane;
	uint32_t n;    /* records */
	uint32_t size; /* of the whole, to the next fold */
};

enum { TUPLE_OPEN = 1, TUPLE_CLOSE = 2, TUPLE_LATE = 4, TUPLE_LEVEL = 8 /* times the level, two bits */ };

struct tuple { /* 8-aligned: header, klen key bytes, slots, raw line, file, samples */
	uint32_t rule, klen;
	uint64_t hash;
	nsec time;
	int64_t seq;
	uint32_t part;     /* the partition's place in the order of partitions */
	uint32_t flags;
	uint32_t size;     /* of the whole, to the next tuple */
	uint32_t slots;    /* bytes of the carried slots: each kind (1), length (4), bytes */
	uint32_t raw;      /* bytes of the raw line kept: cut at RAW_KEPT, unless the back reads @raw */
	uint32_t file;     /* bytes of @file, where the back reads it */
	int64_t offset;    /* @offset */
	uint32_t samples;  /* bytes of samples (sample.h): one a sequenced cell of the rule, for streak(P, F) two */
	uint32_t pad;
	uint64_t line[2];  /* hash of the whole raw line, the same on every machine: for hold: 0 ids */
};
#define RAW_KEPT 512

static inline void *
fold_cell(struct fold *f, const struct rule *r, size_t cell)
{
	return (char *)(f + 1) + r->fold_off[cell];
}
static inline const char *
fold_key(const struct fold *f, const struct rule *r)
{
	return (const char *)(f + 1) + r->fold_cells;
}
static inline const char *
tuple_key(const struct tuple *t)
{
	return (const char *)(t + 1);
}
static inline const char *
tuple_slots(const struct tuple *t)
{
	return tuple_key(t) + t->klen;
}
static inline struct str
tuple_raw(const struct tuple *t)
{
	return (struct str){ tuple_slots(t) + t->slots, t->raw };
}

static inline struct str
tuple_file(const struct tuple *t)
{
	return (struct str){ tuple_slots(t) + t->slots + t->raw, t->file };
}

static inline struct str
tuple_samples(const struct tuple *t)
{
	return (struct str){ tuple_slots(t) + t->slots + t->raw + t->file, t->samples };
}

struct chunk {         /* the tuples of one block: lives until the last is applied */
	struct buf bytes;
	uint32_t n;
	uint32_t refs;     /* tuples not yet applied: the back's */
};

struct block {
	struct buf folds;
	struct chunk *tuples;
	uint32_t part;     /* pipeline's number of the partition */
	struct ptime time; /* after the batch */
	nsec first_time;   /* least event time of its records, NS_NONE: no record */
	char pos[POSITION_MAX];
	size_t pos_len;
	int64_t seq;       /* of the last record: the place of steps */
	uint64_t records;
};

extern uint64_t hash_seed; /* of keys: random a process, set before the first front */

void block_init(struct block *b);
void block_clear(struct block *b); /* folds and counters; an untaken chunk is emptied, a taken one replaced */
void block_free(struct block *b);
void chunk_free(struct chunk *c); /* kept for a later block */
void chunks_release(void);        /* at the end: what was kept */

#endif
