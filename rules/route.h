/* route.h - which rules may want a record: those behind an equality on a field are found by one look-up of its value.
 *
 * `where: extra.stage == "merging"` puts its rule behind the value "merging" of slot extra.stage; a thousand such rules
 * cost one hash look-up a record. Rules without such a condition see every record. Built once, read-only after.
 */
#ifndef WEIR_ROUTE_H
#define WEIR_ROUTE_H

#include "rules/front.h"

struct route_entry {
	struct str value;  /* borrowed from the expressions' literals; ptr NULL: free */
	uint32_t *rules;
	uint32_t n;
};

struct route {
	int slot;
	struct route_entry *table;
	uint32_t mask;
};

void routes_build(struct front_source *s, const struct ruleset *rs);
void routes_free(struct front_source *s);
/* Rules behind the value of this slice; returns how many. */
size_t route_find(const struct route *r, const struct slice *s, const uint32_t **rules);

#endif
