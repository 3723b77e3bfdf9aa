/* rotate.h - the names that log rotation gives, told from names alone.
 *
 * NAME.N, NAME-DATE and NAME.DATE, each also with .gz or .zst, are rotations of NAME. N has at most five digits and
 * a greater one is older. DATE is YYYYMMDD or YYYY-MM-DD, optionally with a time of day (HH, HHMM, HHMMSS, after T, _
 * or -, or none in the short form; a date of its own may be followed by .N or -N: the N-th file of that day), or
 * epoch seconds. Dated ones come before numbered ones; NAME itself is the newest.
 */
#ifndef WEIR_ROTATE_H
#define WEIR_ROTATE_H

#include "core/base.h"

struct rotated {
	size_t base;    /* length of NAME in the path */
	bool is;        /* a rotation; else all of the path but a suffix is NAME, and the rest is as of NAME itself */
	bool packed;    /* ends in .gz or .zst */
	int64_t date;   /* YYYYMMDDhhmmss or INT64_MAX: none */
	int64_t number; /* -1: none */
};

/* A path that is no rotation has base = its whole length (.gz included): a partition of its own. */
void rotate_parse(const char *path, struct rotated *out);
/* Order within one NAME: oldest first, NAME last; of one rotation the plain file after the packed one. */
int rotate_cmp(const char *a, const char *b);
/* The same rotation, packed or not. */
bool rotate_twins(const char *a, const char *b);

struct chain_names {
	char *name;  /* NAME */
	char **path; /* oldest first */
	size_t n, cap;
};
/* Group paths into chains, ordered by name bytewise; every string is a copy. */
struct chain_names *rotate_group(const char *const *paths, size_t n, size_t *nchains);
void chain_names_free(struct chain_names *c, size_t n);

#endif
