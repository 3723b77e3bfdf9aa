/* held.h - bytes that state holds beside its pools: sketches, sums, sets, samples, open alerts.
 *
 * One count for the process, as those structs know of no rule. Only threads that own a back's state touch it; today that is one.
 * Each place that takes or gives memory says so; bounds.c adds it to what pools and tables hold.
 */
#ifndef WEIR_RULES_HELD_H
#define WEIR_RULES_HELD_H

#include <stddef.h>

#define HELD_BLOCK 16 /* what the allocator adds to a block */

extern size_t held_bytes;

static inline void
held_add(size_t bytes)
{
	held_bytes += bytes + HELD_BLOCK;
}
static inline void
held_drop(size_t bytes)
{
	held_bytes -= bytes + HELD_BLOCK;
}
static inline void
held_grow(size_t from, size_t to) /* from 0: there was no block */
{
	held_bytes += to - from + (from == 0 ? HELD_BLOCK : 0);
}

#endif
