/* save_int.h - shared by save.c and load.c. */
#ifndef WEIR_SAVE_INT_H
#define WEIR_SAVE_INT_H

#include "rules/back_int.h"
#include "rules/save.h"

#define SAVE_VERSION 0x77720005u /* "wr", 5: another layout or byte order reads as something else */

struct save_key {
	struct rule_state *rs;
	struct key *key;
};

struct save {
	struct save_key *dirty, *noted; /* changed since the note; of the generation being written */
	size_t ndirty, cap_dirty, nnoted, cap_noted;
	size_t at;           /* in noted */
	size_t ndead, sweep_at; /* dropped ones in dirty; how many it takes for a look at them, less DEAD_MIN */
	struct buf copies;   /* rows of noted keys: of those that changed before their turn, and of the one at turn */
	size_t copied;
	struct buf fixed;    /* rows copied whole at the note */
	size_t fixed_at;
	struct buf row;
	struct buf graves;   /* tombstones for the next generation */
	struct buf given;    /* those of the generation being written, again the next one's if it fails */
	bool all;            /* the next note lists every key */
};

void save_clock_key(const struct back *b, uint64_t sources, struct buf *out); /* the names of its sources */
void save_part_key(const struct back *b, uint32_t part, struct buf *out);
void save_grave(struct back *b, const struct save_row *row);

#endif
