/* globs.c - patterns to paths.
 *
 * In: patterns. Out: owned paths. Never: opens a file. Cost: one walk of the folders a pattern names.
 */
#include "ingest/globs.h"

#include <dirent.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DEPTH_MAX 16

static void
add(struct found *f, const char *path)
{
	if (f->n == PATHS_FOUND_MAX) {
		f->cut = true;
		return;
	}
	GROW(f->path, f->n, f->cap);
	f->path[f->n++] = xstrdup(path);
}

void
found_free(struct found *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->path[i]);
	free(f->path);
	*f = (struct found){ 0 };
}

static void
plain_glob(const char *pattern, struct found *out)
{
	glob_t g;
	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			add(out, g.gl_pathv[i]);
		globfree(&g);
	}
}

static bool
is_folder(const char *dir, const struct dirent *d)
{
	if (d->d_name[0] == '.')
		return false;
	if (d->d_type != DT_UNKNOWN)
		return d->d_type == DT_DIR;
	struct stat st;
	char *path = xasprintf("%s/%s", dir, d->d_name);
	bool is = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
	free(path);
	return is;
}

/* The text of dir as a pattern that names only itself. */
static char *
quoted(const char *dir)
{
	char *to = xmalloc(2 * strlen(dir) + 1), *p = to;
	for (; *dir; dir++) {
		if (strchr("*?[]\\", *dir))
			*p++ = '\\';
		*p++ = *dir;
	}
	*p = '\0';
	return to;
}

static void
walk(const char *dir, const char *rest, int depth, struct found *out)
{
	char *q = quoted(dir), *pattern = xasprintf("%s/%s", q, rest);
	glob_find(pattern, out);
	free(pattern);
	free(q);
	DIR *d = depth < DEPTH_MAX ? opendir(dir) : NULL;
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		if (!is_folder(dir, e))
			continue;
		char *sub = xasprintf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, e->d_name);
		walk(sub, rest, depth + 1, out);
		free(sub);
	}
	closedir(d);
}

/* The first component that is **, or NULL. */
static const char *
stars(const char *pattern)
{
	for (const char *p = pattern; (p = strstr(p, "**")); p += 2)
		if ((p == pattern || p[-1] == '/') && p[2] == '/')
			return p;
	return NULL;
}

void
glob_find(const char *pattern, struct found *out)
{
	const char *at = stars(pattern);
	if (!at) {
		plain_glob(pattern, out);
		return;
	}
	struct found top = { 0 };
	if (at == pattern) {
		add(&top, ".");
	} else {
		char *head = xstrndup(pattern, (size_t)(at - pattern) - (at - pattern > 1));
		plain_glob(head, &top);
		free(head);
	}
	for (size_t i = 0; i < top.n; i++)
		walk(top.path[i], at + 3, 0, out);
	found_free(&top);
}

char *
glob_prefix(const char *pattern)
{
	size_t wild = strcspn(pattern, "*?[\\"), n = wild;
	while (n > 0 && pattern[n - 1] != '/')
		n--;
	if (n == 0)
		return xstrdup(".");
	return n == 1 ? xstrdup("/") : xstrndup(pattern, n - 1);
}

void
glob_folders(const char *pattern, struct found *out)
{
	char *prefix = glob_prefix(pattern);
	add(out, prefix);
	size_t fixed = strcmp(prefix, ".") == 0 ? 0 : strlen(prefix);
	/* Every folder level that a wildcard names: NAME/a*, NAME/a* /b*, ... without the last component. */
	for (const char *p = pattern + fixed; (p = strchr(p + (p == pattern + fixed && *p == '/'), '/')); p++) {
		char *head = xstrndup(pattern, (size_t)(p - pattern));
		struct found at = { 0 };
		if (stars(p) == NULL && strlen(head) > fixed) {
			char *slash = xasprintf("%s/", head);
			glob_find(slash, &at);
			free(slash);
		}
		for (size_t i = 0; i < at.n; i++) {
			size_t n = strlen(at.path[i]);
			if (n > 1 && at.path[i][n - 1] == '/')
				at.path[i][n - 1] = '\0';
			add(out, at.path[i]);
		}
		found_free(&at);
		free(head);
	}
	free(prefix);
}
