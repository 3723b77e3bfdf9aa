/* sample.h - a value kept beyond its record: what `last`, `changes`, `increase` and `streak` remember.
 *
 * Encoded as type and payload, so that equal values are equal bytes (1 and 1.0; 0 and -0).
 */
#ifndef WEIR_SAMPLE_H
#define WEIR_SAMPLE_H

#include "rules/bytes.h"
#include "rules/expr.h"

void sample_put(struct buf *b, const struct val *v);     /* appends the encoding; strings cut at SAMPLE_MAX on a code point */
bool sample_take(struct reader *r, struct val *v);       /* v's string is a view of the row; false: not an encoding */
#define SAMPLE_MAX 4096

/* Of a JSON object's members in any order, with any space between them. Not seeded: it is kept over restarts. O(len) */
uint64_t labels_hash(struct str object);

struct sample {                  /* owned */
	uint32_t len;
	char bytes[];            /* the encoding */
};
struct sample *sample_new(const char *bytes, uint32_t len);
void sample_free(struct sample *s); /* may be NULL */
struct val sample_val(const struct sample *s);           /* NULL gives null; views live as long as s */

#endif
