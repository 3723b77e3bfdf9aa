/* arena.h - bump memory of one batch: everything dies at arena_reset, nothing is freed singly.
 *
 * Cost: alloc O(1); reset O(1), keeps the first block. Under AddressSanitizer a reset poisons, so a view used
 * after its batch is reported. arena_has lets a test prove where bytes live.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include "core/base.h"

struct arena_block;
struct arena {
	struct arena_block *head; /* { 0 } is a valid, empty arena */
	char *at, *end;
	size_t total; /* bytes handed out since the last reset */
};

void *arena_alloc(struct arena *a, size_t n); /* 8-byte aligned, not zeroed */
struct str arena_str(struct arena *a, struct str s); /* a copy that lives as long as the arena's content */
bool arena_has(const struct arena *a, const void *p);
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#endif
