/* field.h - one row describes one configuration key: parsing, range check, default and help come from it.
 *
 * A kind (of source or sink) is a name, a help sentence and its rows; the struct that the rows fill is
 * allocated zeroed with conf_size bytes and freed by fields_free. Strings in it are owned by it.
 */
#ifndef WEIR_FIELD_H
#define WEIR_FIELD_H

#include "core/base.h"
#include "core/diag.h"

struct strlist {
	char **v;
	size_t n;
};

struct strmap {
	char **k, **v;
	size_t n;
};

enum field_type {
	F_STR,     /* char * */
	F_SECRET,  /* char *: a plain scalar or {file: PATH} (read, one trailing newline trimmed) */
	F_URL,     /* char *: http or https with a host, or {file: PATH} that holds one; plain http off loopback needs
	            * `insecure_http: true` beside it (a F_BOOL row of the kind) */
	F_BOOL,    /* bool */
	F_INT,     /* int64_t within min..max */
	F_DUR,     /* nsec: 250ms 5s 10m 1h 7d, within min..max (ns) */
	F_SIZE,    /* int64_t bytes: 10MB 4KiB */
	F_ENUM,    /* int: index in names (NULL-ended) */
	F_STRLIST, /* struct strlist: a sequence, or one scalar */
	F_STRMAP,  /* struct strmap: a mapping of scalars */
};

enum {
	F_REQUIRED = 1,
	F_PATH = 2 /* F_STR, F_STRLIST: paths or globs, relative to the config's folder; stored joined with it */
};

struct field {
	const char *name;
	enum field_type type;
	size_t off;           /* offsetof in the conf struct */
	unsigned flags;
	int64_t min, max;     /* F_INT, F_DUR, F_SIZE; both 0: no bound */
	const char *def;      /* default as a user would write it (F_STRLIST: a, b), or NULL: zero / NULL */
	const char *const *names; /* F_ENUM */
	const char *help;     /* one sentence */
};

struct kind {
	const char *name, *help;
	const struct field *fields; /* ended by a row with name NULL */
	size_t conf_size;
	/* More to check once the fields are in, or NULL: report mistakes with diag at loc. */
	void (*check)(void *conf, struct loc loc, struct diags *d);
};

#endif
