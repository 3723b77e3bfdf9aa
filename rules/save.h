/* save.h - the back's state as rows, and back from them: what a checkpoint writes.
 *
 * A generation is the state at one moment. save_note fixes it: partitions, waiting tuples and rule clocks are copied,
 * changed keys are listed. Then the back goes on; a listed key that is about to change is copied first (key_touch).
 * save_next gives the rows one by one, in any number of slices. Only changed panes of changed keys are given; a dropped
 * key or pane gives a tombstone.
 */
#ifndef WEIR_SAVE_H
#define WEIR_SAVE_H

#include "rules/back.h"

enum save_kind { SAVE_META, SAVE_PART, SAVE_KEY, SAVE_TUPLE };
#define SAVE_HEAD INT64_MIN /* pane of a key's own row */

struct save_row {
	enum save_kind kind;
	struct str rule, key, data; /* data.ptr NULL: tombstone; views until the next call */
	int64_t pane;
};

void save_enable(struct back *b); /* before the first block: changes are tracked from here on */
void save_note(struct back *b);
bool save_next(struct back *b, struct save_row *row); /* false: the generation is complete */
/* The generation could not be written, or not be made valid: the next one writes all there is. Before the next note. */
void save_abort(struct back *b);
size_t save_pending(const struct back *b); /* keys changed since the last note */

/* Restore: every row of the newest valid generation, in the order META, PART, KEY, TUPLE, before the first block.
 * Rows of rules that are gone or whose shape changed are left out and get tombstones. false: not weir's bytes. */
bool save_load(struct back *b, const struct save_row *row);
/* After the last row: timers are set. */
void save_loaded(struct back *b);
/* A partition as the last generation knew it; false: unknown. pos is a view until back_free. */
bool save_part(const struct back *b, size_t source, struct str name, uint32_t *number, struct ptime *time, int64_t *seq,
	struct str *pos);

#endif
