/* cell.h - the accumulators of a window rule's panes: one row of operations a kind.
 *
 * Folded kinds take partials that fronts made (exchange.h) and merge in any order. Sequenced kinds take samples, one by
 * one, in the order of time, partition and seq: their state depends on it. All zero bytes are the empty cell, but for min
 * and max, which start as NaN.
 */
#ifndef WEIR_CELL_H
#define WEIR_CELL_H

#include "rules/distinct.h"
#include "rules/exchange.h"
#include "rules/sample.h"
#include "rules/sketch.h"
#include "rules/xsum.h"

struct streak {
	uint32_t n;   /* samples in the pane */
	uint32_t run; /* the newest in a row that satisfy P */
};

struct cell_ops {
	const char *name;
	size_t size;      /* in a pane */
	uint32_t fold;    /* in a fold; 0: sequenced */
	void (*release)(void *cell);                        /* NULL: nothing to free */
	void (*merge)(void *cell, const void *fold);        /* folded kinds */
	void (*save)(const void *cell, struct buf *b);
	void (*load)(void *cell, struct reader *r);
};
extern const struct cell_ops cell_ops[CELLS];

static inline bool
cell_sequenced(enum cell_kind kind)
{
	return cell_ops[kind].fold == 0;
}
void cell_init(enum cell_kind kind, void *cell); /* of zeroed memory */

#endif
