/* record.h - the contract between ingest and rules: one log record as views.
 *
 * struct paths is the set of all field paths that any rule, template, key, context or source wants. Each has
 * a slot number, the same in every record. Built once at start; read-only after.
 * A record's slices point into its line or, for a string with escapes, into the batch's arena; they die with
 * the batch. Nothing here is freed.
 */
#ifndef WEIR_RECORD_H
#define WEIR_RECORD_H

#include "core/base.h"

enum slice_kind {
	K_NONE, /* the record has no such field */
	K_NULL, /* JSON null: the same as missing to every expression */
	K_FALSE,
	K_TRUE,
	K_NUM,  /* its JSON text, converted when asked */
	K_STR,  /* decoded text, no quotes */
	K_JSON  /* an object or array: its raw JSON text; a string to every expression */
};

struct slice {
	const char *ptr;
	uint32_t len; /* max_record keeps a record under 4 GiB */
	uint8_t kind; /* enum slice_kind */
	uint8_t rank; /* parser's: how the path was found; lower wins (nested before a dotted key) */
};

struct path {
	char *text;   /* canonical spelling: a.b, a["b c"] */
	char **seg;   /* the keys from the top level down, decoded */
	size_t *len;  /* their lengths (a key may hold NUL) */
	size_t nseg;
};

struct paths {
	struct path *v;
	size_t n, cap; /* at most PATHS_MAX */
};
#define PATHS_MAX 4096
#define PATH_SEGS_MAX 16

/* Slot of the path with these segments, added if new. PATHS_MAX reached or nseg > PATH_SEGS_MAX: -1. */
int paths_add(struct paths *p, const struct str *seg, size_t nseg);
/* Slot of a dotted spelling such as "extra.stage" (no brackets). */
int paths_add_dotted(struct paths *p, const char *dotted);
void paths_free(struct paths *p);

struct record {
	struct slice *slot; /* paths.n of them; kind K_NONE where absent */
	struct str raw;     /* the record's line, without its newline */
	nsec stamp;         /* time by an envelope (cri, docker) or the source (Kafka): NS_NONE if none */
	int64_t seq;        /* place in its partition: strictly growing, over rotations too */
	int64_t offset;     /* byte offset in its file: @offset */
	struct str file;    /* @file */
	/* set by the front */
	nsec time;          /* event time after the partition's verdict (late, skewed, untimed) */
	bool late;          /* lost its place in the order: no sample, no prev */
};

#endif
