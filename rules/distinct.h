/* distinct.h - how many different values: exact up to 4,096, then HyperLogLog.
 *
 * Values are 64-bit hashes (the same in every process), so sets merge in any order. Past DISTINCT_EXACT a set becomes
 * 4,096 registers of a HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, AofA 2007; linear counting below 2.5 m): about
 * 1.6 % of error, the same whatever the order. { 0 } is empty. Cost: add O(n) in the exact set, O(1) after.
 */
#ifndef WEIR_DISTINCT_H
#define WEIR_DISTINCT_H

#include "core/base.h"

#define DISTINCT_EXACT 4096

struct distinct {
	uint64_t *v;   /* sorted, n of them */
	uint32_t n, cap;
	uint8_t *reg;  /* HLL_REGISTERS, or NULL while exact */
};

#define HLL_BITS 12
#define HLL_REGISTERS (1 << HLL_BITS)

uint64_t distinct_hash(struct str value);
void distinct_add(struct distinct *d, uint64_t hash);
void distinct_merge(struct distinct *d, const struct distinct *from);
double distinct_count(const struct distinct *d); /* a whole number */
void distinct_release(struct distinct *d);

#endif
