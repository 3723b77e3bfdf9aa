/* explain.h - what a rule was compiled to, and what it may cost: for `weir check`. */
#ifndef WEIR_EXPLAIN_H
#define WEIR_EXPLAIN_H

#include "rules/front.h"

/* Bytes that one key may take: every pane of its longest window filled, an alert open, the newest record kept. A sketch is
 * counted with EXPLAIN_BUCKETS buckets a pane: values spread over a factor of twelve; a set with EXPLAIN_DISTINCT values a pane. */
#define EXPLAIN_BUCKETS 128
#define EXPLAIN_DISTINCT 256
size_t explain_key_bytes(const struct ruleset *rs, const struct rule *r);
size_t explain_value_bytes(const struct ruleset *rs, const struct rule *r); /* a value of `first`, of which a key has up to max_values; else 0 */
int64_t explain_keys(const struct rule *r); /* the most keys it may have */

/* "window 5m by 5s; key extra.stage; critical": no newline. */
void explain_line(const struct ruleset *rs, const struct rule *r, struct buf *out);
/* The whole of it: dispatch, expressions by number, cells, panes, state. Indented lines. */
void explain_rule(const struct ruleset *rs, const struct rule *r, struct buf *out);
/* The programs of all rules as one listing, an instruction once: what the numbers in explain_rule mean. */
void explain_program(const struct ruleset *rs, struct buf *out);
/* Which look-ups a record of this source costs, and which rules see every record. */
void explain_source(const struct ruleset *rs, const struct front_source *s, struct buf *out);

void explain_bytes(double n, struct buf *out); /* 812 B, 1.4 KiB, 2 GiB */

#endif
