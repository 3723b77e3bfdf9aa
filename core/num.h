/* num.h - the text of a JSON number to a double, correctly rounded, without locale and mostly without strtod. */
#ifndef WEIR_NUM_H
#define WEIR_NUM_H

#include "core/base.h"

/* s must be a JSON number (RFC 8259) as the parser hands it over. Beyond the range of doubles: +-inf.
 * Exact fast path (Clinger): at most 19 digits, |exponent| <= 22 after scaling; else strtod on a copy. */
double num_of(struct str s);
/* The same for any text: false if it is no JSON number as a whole. */
bool num_parse(struct str s, double *out);

/* Event time text to ns since the epoch (DESIGN section 3): RFC 3339 with any offset; "YYYY-MM-DD HH:MM:SS[.,]fff"
 * without offset, in zone (NULL: UTC); or epoch seconds, ms, us, ns told apart by magnitude, as number or string.
 * Exact in ns; false if it is none of these or outside 1678..2262. */
struct zone;
bool stamp_parse(struct str s, const struct zone *zone, nsec *out);

#endif
