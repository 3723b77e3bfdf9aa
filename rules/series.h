/* series.h - what a window's sequenced cells remember from sample to sample, beyond the window.
 *
 * A series is a rule's key (for a metric selector: one source's label set in it) as one cell sees it: its newest sample and when that was.
 * It lives `forget` long, whatever becomes of the key: a key without records stays as long as it has one.
 */
#ifndef WEIR_SERIES_H
#define WEIR_SERIES_H

#include "rules/back_int.h"

#define SERIES_MAX 10000 /* a key */

struct series {
	uint32_t cell;
	uint64_t id;             /* of its source and labels; 0: the key's own */
	nsec seen;
	struct sample *prev;
};

struct past {                    /* one window of a baseline: A at a boundary that is a multiple of `over` */
	int64_t at;
	uint32_t agg;
	double value;
};

struct memory {                  /* of a key: owned, NULL while it has none */
	struct series *series;   /* by cell, then id */
	uint32_t nseries, cap_series;
	struct past *past;       /* oldest first */
	uint32_t npast, cap_past;
	int64_t first, last;     /* panes of the first and newest record of its present life; first NEVER: none yet */
};

/* The samples of one tuple, in its turn, into the cells of its pane. */
void series_take(struct back *b, struct rule_state *rs, struct key *k, const struct tuple *t);
/* The boundary at which the last of the key's series is forgotten; NEVER: it has none. Drops those forgotten at `at`. */
int64_t series_forget(struct rule_state *rs, struct key *k, int64_t at);
void memory_free(struct memory *m);
struct memory *memory_get(struct key *k);
void memory_save(const struct memory *m, struct buf *b);
bool memory_load(struct key *k, struct reader *r);

#endif
