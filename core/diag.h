/* diag.h - the mistakes in a user's files: all of them, each `file:line:column: what; did you mean ...`. */
#ifndef WEIR_DIAG_H
#define WEIR_DIAG_H

#include "core/buf.h"

struct loc {
	const char *file; /* borrowed from the document that was read: lives as long as the config */
	int line, col;    /* from 1; 0: unknown */
};

struct diags {
	struct buf text; /* one line a mistake, '\n' ended; at most 1 MiB, then counted only */
	unsigned n;
	struct buf warn; /* warnings of `weir check`, same form */
	unsigned nwarn;
};

void diags_init(struct diags *d);
void diags_free(struct diags *d);
void diag(struct diags *d, struct loc at, const char *fmt, ...) PRINTF(3, 4);
void diag_warn(struct diags *d, struct loc at, const char *fmt, ...) PRINTF(3, 4);

/* The name nearest to word by edit distance (at most 2, or a third of its length), or NULL: for "did you mean". */
const char *nearest(struct str word, const char *const *names, size_t n);

#endif
