/* globs.h - the paths that patterns name: glob(3), and a path component that is ** stands for any number of folders
 * (none, or up to 16 deep; links to folders are not followed by it).
 */
#ifndef WEIR_GLOBS_H
#define WEIR_GLOBS_H

#include "core/base.h"

#define PATHS_FOUND_MAX 100000 /* more are left out, and told */

struct found {
	char **path;
	size_t n, cap;
	bool cut; /* the maximum was reached */
};

void glob_find(const char *pattern, struct found *out); /* appends; nothing found is no error */
void found_free(struct found *f);
/* The folder before the first component with a wildcard ("/" or "." at least); owned by the caller. A pattern without
 * wildcards: the file's folder. */
char *glob_prefix(const char *pattern);
/* The folders in which a match may appear now: for watching. */
void glob_folders(const char *pattern, struct found *out);

#endif
