/* value.h - one node to one checked value: text, number, duration, list, secret, URL, path.
 *
 * Each reader tells a mistake once, at its place, and then returns false (or NULL) and leaves *out as it was. name is
 * the key, for the message. No message shows a secret, a URL or what the environment gave.
 */
#ifndef WEIR_VALUE_H
#define WEIR_VALUE_H

#include "config/doc.h"
#include "config/field.h"

#define SECRET_BYTES_MAX 65536
#define LIST_MAX 10000 /* entries of one list or map of texts */
#define DUR_MAX (INT64_C(3650) * 86400 * NS_PER_S) /* no duration is longer: sums of times stay within nsec */

struct bind {
	const char *dir; /* the config's folder: {file: PATH} and F_PATH values are relative to it */
	struct diags *d;
};

bool node_text(const struct bind *b, const char *name, const struct node *v); /* is it a scalar that is given? */
/* A bare 0 needs no unit where min allows it. */
bool node_dur(const struct bind *b, const char *name, const struct node *v, nsec min, nsec max, nsec *out);
bool node_size(const struct bind *b, const char *name, const struct node *v, int64_t min, int64_t max, int64_t *out);
bool node_int(const struct bind *b, const char *name, const struct node *v, int64_t min, int64_t max, int64_t *out);
bool node_bool(const struct bind *b, const char *name, const struct node *v, bool *out);
bool node_enum(const struct bind *b, const char *name, const struct node *v, const char *const *names, size_t n,
	int *out);
/* A list of scalars, or one. What *out and *map held is freed on success. */
bool node_strlist(const struct bind *b, const char *name, const struct node *v, struct strlist *out);
bool node_strmap(const struct bind *b, const char *name, const struct node *v, struct strmap *out);
void strlist_free(struct strlist *l);
void strmap_free(struct strmap *m);

/* A plain scalar, or {file: PATH}: the file's text without one newline at its end; owned. NULL: told. A file that
 * group or others may read is a warning. */
char *node_secret(const struct bind *b, const char *name, const struct node *v);

/* The sentence about a wrong URL (it does not quote it), or NULL if it is http or https with a host. */
const char *url_fault(const char *url);
bool url_plain_remote(const char *url); /* http to a host that is not loopback */

char *path_join(const char *dir, const char *path); /* owned; path itself if absolute or dir is "." */

#endif
