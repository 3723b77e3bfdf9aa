/* watch.c - inotify. In: folders. Out: hints. Owns: the inotify descriptor and the folders' names. Never: blocks. */
#include "ingest/watch.h"

#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

struct watch {
	int fd;
	struct folder {
		int wd;
		char *path;
	} *v;
	size_t n, cap;
};

struct watch *
watch_new(void)
{
	struct watch *w = xcalloc(1, sizeof *w);
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return w;
}

void
watch_free(struct watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i].path);
	free(w->v);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

int
watch_fd(const struct watch *w)
{
	return w->fd;
}

void
watch_folder(struct watch *w, const char *path)
{
	if (w->fd < 0)
		return;
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->v[i].path, path) == 0)
			return;
	if (w->n == WATCHES_MAX)
		return;
	int wd = inotify_add_watch(w->fd, path,
		IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF |
			IN_DELETE_SELF | IN_ONLYDIR);
	if (wd == -1)
		return; /* not there yet, not readable, no watches left: the poll does it */
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].wd == wd)
			return; /* the same folder by another name */
	GROW(w->v, w->n, w->cap);
	w->v[w->n++] = (struct folder){ wd, xstrdup(path) };
}

static struct folder *
folder_of(struct watch *w, int wd)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].wd == wd)
			return &w->v[i];
	return NULL;
}

/* True: more than a write. */
static bool
one(struct watch *w, const struct inotify_event *e, void (*modified)(void *, const char *), void *ctx)
{
	if (e->mask & IN_Q_OVERFLOW)
		return true;
	struct folder *f = folder_of(w, e->wd);
	if (!f)
		return false;
	if (e->mask & (IN_IGNORED | IN_MOVE_SELF | IN_DELETE_SELF)) {
		/* The folder is gone or has another name: watched again when the next look finds one of this name. */
		if (!(e->mask & IN_IGNORED))
			(void)inotify_rm_watch(w->fd, e->wd);
		free(f->path);
		*f = w->v[--w->n];
		return true;
	}
	if (e->mask & ~(uint32_t)IN_MODIFY || e->len == 0)
		return true;
	char *path = strcmp(f->path, ".") == 0 ? xstrdup(e->name) :
						 xasprintf("%s/%s", strcmp(f->path, "/") == 0 ? "" : f->path, e->name);
	modified(ctx, path);
	free(path);
	return false;
}

bool
watch_drain(struct watch *w, void (*modified)(void *ctx, const char *path), void *ctx)
{
	union {
		struct inotify_event align;
		char bytes[16 << 10];
	} buf;
	bool all = false;
	ssize_t n;
	while (w->fd >= 0 && (n = read(w->fd, buf.bytes, sizeof buf.bytes)) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf.bytes + at);
			all |= one(w, e, modified, ctx);
			at += (ssize_t)(sizeof *e + e->len);
		}
	}
	return all;
}
