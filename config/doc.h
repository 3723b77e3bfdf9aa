/* doc.h - a YAML document as a tree of nodes that know where they stand.
 *
 * weir reads plain YAML: mappings, lists, scalars. Anchors, aliases, tags and a second document are refused, a key
 * may stand once in a mapping, keys are scalars. A scalar is its text: what it means is for the reader of the key.
 * Owns: everything, in one arena; doc_free wipes the scalars, as some are secrets. struct loc's file is doc->file.
 * Cost: O(bytes log keys of the largest mapping). Limits below; past one the document is refused with a sentence.
 */
#ifndef WEIR_DOC_H
#define WEIR_DOC_H

#include "core/arena.h"
#include "core/diag.h"

#define DOC_BYTES_MAX (8 << 20)
#define DOC_DEPTH_MAX 32
#define DOC_NODES_MAX 1000000

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	bool plain;         /* a scalar without quotes */
	bool env;           /* its text holds something of the environment: errors show raw */
	bool bad;           /* a mistake in it is told already: readers pass over it in silence */
	bool exact;         /* every character of s stands where text and node_loc say */
	struct loc loc;     /* where it starts */
	struct loc text;    /* scalar: of its first character, past a quote or a block's first indentation */
	char *s;            /* scalar: its text, NUL-terminated, no NUL within; replaced by env_expand */
	char *raw;          /* scalar: its text as it is in the file */
	size_t n;           /* list: elements; map: pairs */
	struct node **key;  /* map: scalars */
	struct node **item; /* list: elements; map: values */
};

struct doc {
	char *file;        /* as messages name it */
	struct node *root; /* NULL: an empty document */
	struct arena arena;
};

/* NULL if it cannot be read as a whole: told in d. A document with mistakes that leave it readable (a key given
 * twice, an anchor) is returned, and they are told too. */
struct doc *doc_parse(const char *file, struct str text, struct diags *d);
struct doc *doc_read(const char *path, struct diags *d);
void doc_free(struct doc *doc);

struct node *node_get(const struct node *map, const char *key); /* NULL: absent, or no mapping */
bool node_null(const struct node *n); /* nothing, ~ or null, without quotes */
struct loc node_loc(const struct node *n, size_t off); /* of byte off of a scalar's raw text, as near as known */
const char *node_what(const struct node *n); /* "a mapping", "a list", "nothing", "a text" */
/* A scalar for an error message: quoted, as in the file (never what the environment gave), cut, no control bytes. */
const char *node_quote(const struct node *n, char out[96]);

#endif
