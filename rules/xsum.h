/* xsum.h - an exact sum of doubles: independent of order and grouping, rounded once when asked.
 *
 * The sum is kept as an expansion: doubles that do not overlap, whose exact sum is the exact sum of all that was
 * added (J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997, GROW-EXPANSION). Real log data needs
 * one or two of them; 64 always suffice. { 0 } is the empty sum.
 * Only finite values may be added. A sum that leaves the range of doubles on its way is infinite from then on. Cost: add O(len); value O(len).
 */
#ifndef WEIR_XSUM_H
#define WEIR_XSUM_H

#include "core/base.h"

#define XSUM_INLINE 2

struct xsum {
	uint32_t n;          /* values added */
	uint16_t len, cap;   /* cap 0: the components are inline */
	union {
		double in[XSUM_INLINE];
		double *out;
	} u;
};

void xsum_add(struct xsum *s, double v);                  /* n grows by one */
void xsum_part(struct xsum *s, double v);                 /* v without counting it: a component of a partial sum */
void xsum_merge(struct xsum *s, const struct xsum *from); /* adds sum and n */
double xsum_value(const struct xsum *s);                  /* correctly rounded, half to even; beyond range: inf */
double xsum_mean(const struct xsum *s);                   /* sum / n correctly rounded as one division; n > 0 */
/* The population's standard deviation of the n numbers whose sum and sum of squares these are, rounded once. */
double xsum_stddev(const struct xsum *sum, const struct xsum *squares);
const double *xsum_parts(const struct xsum *s);           /* s->len components, smallest first */
void xsum_release(struct xsum *s);                        /* back to empty */

#endif
