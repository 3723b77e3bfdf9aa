/* distinct.c - exact sets that become sketches. */
#include "rules/distinct.h"

#include "rules/held.h"

#include <math.h>
#include <stdlib.h>

uint64_t
distinct_hash(struct str value)
{
	return str_hash(value, UINT64_C(0x64697374696e6374)); /* fixed: sets are stored and merged across processes */
}

static void
reg_add(uint8_t *reg, uint64_t hash)
{
	uint64_t rest = hash << HLL_BITS | UINT64_C(1) << (HLL_BITS - 1); /* a one at the end bounds the run of zeros */
	uint8_t run = (uint8_t)(__builtin_clzll(rest) + 1);
	uint8_t *r = &reg[hash >> (64 - HLL_BITS)];
	if (run > *r)
		*r = run;
}

static void
to_registers(struct distinct *d)
{
	d->reg = xcalloc(HLL_REGISTERS, 1);
	held_add(HLL_REGISTERS);
	if (d->cap)
		held_drop(d->cap * sizeof *d->v);
	for (uint32_t i = 0; i < d->n; i++)
		reg_add(d->reg, d->v[i]);
	free(d->v);
	d->v = NULL;
	d->n = d->cap = 0;
}

static uint32_t
place(const struct distinct *d, uint64_t hash)
{
	uint32_t lo = 0, hi = d->n;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (d->v[mid] < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
distinct_add(struct distinct *d, uint64_t hash)
{
	if (d->reg) {
		reg_add(d->reg, hash);
		return;
	}
	uint32_t i = place(d, hash);
	if (i < d->n && d->v[i] == hash)
		return;
	if (d->n == DISTINCT_EXACT) {
		to_registers(d);
		reg_add(d->reg, hash);
		return;
	}
	size_t was = d->cap;
	GROW(d->v, d->n, d->cap);
	held_grow(was * sizeof *d->v, d->cap * sizeof *d->v);
	memmove(d->v + i + 1, d->v + i, (d->n - i) * sizeof *d->v);
	d->v[i] = hash;
	d->n++;
}

void
distinct_merge(struct distinct *d, const struct distinct *from)
{
	if (from->reg) {
		if (d->reg == NULL)
			to_registers(d);
		for (int i = 0; i < HLL_REGISTERS; i++)
			if (from->reg[i] > d->reg[i])
				d->reg[i] = from->reg[i];
		return;
	}
	for (uint32_t i = 0; i < from->n; i++)
		distinct_add(d, from->v[i]);
}

double
distinct_count(const struct distinct *d)
{
	if (d->reg == NULL)
		return d->n;
	double sum = 0, m = HLL_REGISTERS;
	int zeros = 0;
	for (int i = 0; i < HLL_REGISTERS; i++) {
		sum += ldexp(1, -d->reg[i]);
		zeros += d->reg[i] == 0;
	}
	double e = 0.7213 / (1 + 1.079 / m) * m * m / sum;
	if (e <= 2.5 * m && zeros)
		e = m * log(m / zeros);
	e = round(e);
	return e > DISTINCT_EXACT ? e : DISTINCT_EXACT + 1; /* it was counted past that */
}

void
distinct_release(struct distinct *d)
{
	if (d->cap)
		held_drop(d->cap * sizeof *d->v);
	if (d->reg)
		held_drop(HLL_REGISTERS);
	free(d->v);
	free(d->reg);
	*d = (struct distinct){ 0 };
}
