/* bind.h - field rows put onto a mapping: values, range checks, defaults, unknown keys.
 *
 * Every mistake goes to diags with its place and does not stop the rest. A value that is wrong leaves the default.
 */
#ifndef WEIR_BIND_H
#define WEIR_BIND_H

#include "config/value.h"

struct rowset {
	const struct field *rows; /* ended by a row with name NULL */
	void *conf;
};

struct keys { /* what a mapping may hold beside the rows */
	const char *const *own;   /* read by the caller; NULL-ended or NULL */
	const char *const *later; /* known by name, but refused: not in this version; NULL-ended or NULL */
	const char *where;        /* for messages: "source \"app\"", or "" */
};

/* Fill each set's conf from map (a null scalar is an empty mapping): defaults first, then the values given; tells
 * unknown, missing and refused keys, and plain http off loopback without insecure_http. False if anything is wrong. */
bool bind_map(const struct bind *b, const struct node *map, const struct rowset *sets, size_t nsets,
	const struct keys *keys);
/* Only the keys: true if map is a mapping (or nothing) that holds no other than keys->own. */
bool bind_keys(const struct bind *b, const struct node *map, const struct keys *keys);

void fields_default(const struct field *rows, void *conf); /* zeroed memory gets its defaults */
void fields_free(const struct field *rows, void *conf);    /* strings and lists in conf, not conf itself; wiped */

/* unknown key "wher" in WHERE; did you mean "where"? */
void diag_unknown(const struct bind *b, const struct node *key, const char *const *known, size_t n, const char *where);

#endif
