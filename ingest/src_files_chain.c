/* src_files_chain.c - from link to link: which file holds a place now, and which one comes after it.
 *
 * In: a place, the files of a chain as they are now. Out: an open link. Owns: nothing between calls.
 * Never: trusts a name. Identity comes first; a file that is gone is looked for by content among the rotations (a
 * copy, a compressed copy); where that fails too, what was modified after the place was taken is new.
 * Cost: one listing of a folder; a compressed candidate is unpacked up to the place.
 */
#include "ingest/src_files.h"
#include "core/log.h"
#include "ingest/rotate.h"

#include <dirent.h>
#include <stdlib.h>

static int
by_age(const void *a, const void *b)
{
	return rotate_cmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of a plain file and its compressed twin only the plain one: the other is being made of it. */
static void
drop_twins(struct found *f)
{
	size_t n = 0;
	for (size_t i = 0; i < f->n; i++) {
		bool same = i + 1 < f->n && strcmp(f->path[i], f->path[i + 1]) == 0;
		if (same || (i + 1 < f->n && rotate_twins(f->path[i], f->path[i + 1])))
			free(f->path[i]);
		else
			f->path[n++] = f->path[i];
	}
	f->n = n;
}

static void
put(struct found *f, char *owned)
{
	GROW(f->path, f->n, f->cap);
	f->path[f->n++] = owned;
}

struct found
chain_list(const struct chain *c)
{
	const char *name = c->part.name, *slash = strrchr(name, '/'), *leaf = slash ? slash + 1 : name;
	char *dir = !slash ? xstrdup(".") : slash == name ? xstrdup("/") : xstrndup(name, (size_t)(slash - name));
	size_t n = strlen(leaf);
	struct found out = { 0 };
	DIR *d = opendir(dir);
	for (struct dirent *e; d && out.n < PATHS_FOUND_MAX && (e = readdir(d));) {
		struct rotated r;
		struct fstate st;
		if (strncmp(e->d_name, leaf, n) != 0)
			continue;
		char *path = xasprintf("%.*s%s", (int)(leaf - name), name, e->d_name);
		rotate_parse(path, &r);
		bool ours = strcmp(e->d_name, leaf) == 0 || (r.is && r.base == strlen(name));
		if (ours && ident_path(path, &st) == 0 && st.regular)
			put(&out, path);
		else
			free(path);
	}
	if (d)
		closedir(d);
	free(dir);
	if (out.n)
		qsort(out.path, out.n, sizeof *out.path, by_age);
	drop_twins(&out);
	return out;
}

enum err
chain_open(struct source *s, struct link *l, const char *path, int64_t base, struct errinfo *why)
{
	int fd;
	enum err e = files_open_fd(s, path, &fd, why);
	if (e == ERR_OK)
		e = link_open(l, fd, path, base, why);
	if (e == ERR_OK)
		atomic_fetch_add(&files_of(s)->open_fds, 1);
	else
		*l = LINK_NONE;
	return e;
}

static void
drop_link(struct source *s, struct link *l)
{
	if (l->fd >= 0)
		atomic_fetch_sub(&files_of(s)->open_fds, 1);
	link_free(l);
}

void
chain_close(struct source *s, struct chain *c)
{
	nsec mtime = c->cur.mtime;
	if (c->fresh)
		c->place = c->prev; /* nothing was given of cur: the place is where the one before ended */
	else
		link_place(&c->cur, &c->place);
	c->fresh = false;
	drop_link(s, &c->cur);
	c->cur.mtime = mtime;
}

static bool
open_at(struct source *s, const char *path, const struct place *p, bool identity, struct link *out)
{
	struct errinfo why = { 0 };
	if (chain_open(s, out, path, 0, &why))
		return false;
	if ((!identity || ident_same(&out->id, &p->id)) && link_seek(out, p, &why) == ERR_OK)
		return true;
	drop_link(s, out);
	return false;
}

ssize_t
chain_find(struct source *s, const struct chain *c, const struct found *list, const struct place *p, struct link *out)
{
	struct fstate st;
	for (size_t i = list->n; i-- > 0;)
		if (ident_path(list->path[i], &st) == 0 && ident_same(&st.id, &p->id) &&
			open_at(s, list->path[i], p, true, out))
			return (ssize_t)i;
	if (p->off == 0)
		return -1; /* nothing was read: no content to know it by */
	for (size_t i = list->n; i-- > 0;) {
		struct rotated r;
		rotate_parse(list->path[i], &r);
		/* A new live file may begin like the old one (a banner): it must match in more than that. */
		bool live = strcmp(list->path[i], c->part.name) == 0;
		if ((live && p->off < HEAD_MAX) || ident_path(list->path[i], &st) != 0 || (!r.packed && st.size < p->off))
			continue;
		if (open_at(s, list->path[i], p, false, out))
			return (ssize_t)i;
	}
	return -1;
}

/* The oldest file that was written to after p was taken; the live one always is. */
static size_t
first_newer(const struct chain *c, const struct found *list, const struct place *p)
{
	struct fstate st;
	size_t i = 0;
	for (; i < list->n; i++)
		if (strcmp(list->path[i], c->part.name) == 0 ||
			(ident_path(list->path[i], &st) == 0 && st.mtime > p->mtime))
			break;
	return i;
}

static void
begin(struct chain *c, const struct found *list, size_t i, nsec now)
{
	c->begun = true;
	c->after = list->n - 1 - i;
	c->rotated = c->after > 0 || c->nelem == 0;
	c->more = c->after > 0; /* the next look knows better */
	c->quiet = now;
	c->copy = c->fresh = false;
	c->part.readable = true;
	c->part.unread = true;
	c->told = false;
}

/* Start list[i] or, if it has gone in the meantime, what follows, at its beginning. ERR_EOF: nothing follows. */
static enum err
start_at(struct source *s, struct chain *c, const struct found *list, size_t i, int64_t seq, nsec now, struct errinfo *why)
{
	for (; i < list->n; i++) {
		struct link l;
		struct fstate st;
		struct errinfo no = { 0 };
		enum err e = chain_open(s, &l, list->path[i], seq, &no);
		if (e == ERR_OK) {
			if (c->cur.fd >= 0)
				drop_link(s, &c->cur);
			c->cur = l;
			begin(c, list, i, now);
			return ERR_OK;
		}
		if (ident_path(list->path[i], &st) != 0)
			continue;
		if (e == ERR_BAD && i + 1 < list->n) { /* .gz by name only: it would hold up all that follows */
			log_warn(s->conf->name, "%s: passed over", no.text);
			continue;
		}
		return err_set(why, ERR_IO, "%s", no.text);
	}
	return ERR_EOF;
}

enum err
chain_restart(struct source *s, struct chain *c, nsec now)
{
	struct found list = chain_list(c);
	struct link l = LINK_NONE;
	ssize_t i = chain_find(s, c, &list, &c->place, &l);
	if (i >= 0) {
		c->cur = l;
		begin(c, &list, (size_t)i, now);
		/* A packed one may still be in the making. */
		c->copy = !l.un && !ident_same(&l.id, &c->place.id);
	}
	found_free(&list);
	return i >= 0 ? ERR_OK : ERR_AGAIN;
}

enum err
chain_resume(struct source *s, struct chain *c, nsec now, struct errinfo *why)
{
	if (chain_restart(s, c, now) == ERR_OK)
		return ERR_OK;
	struct found list = chain_list(c);
	enum err e = start_at(s, c, &list, first_newer(c, &list, &c->place), c->place.seq, now, why);
	if (e == ERR_OK && c->place.off > 0)
		log_warn(s->conf->name,
			"%s: the file that was being read is gone or was written anew, and no copy of it is there; going on with %s",
			c->part.name, c->cur.path);
	found_free(&list);
	return e;
}

enum err
chain_advance(struct source *s, struct chain *c, nsec now, struct errinfo *why)
{
	struct place p;
	struct found list = chain_list(c);
	struct link l = LINK_NONE;
	link_place(&c->cur, &p);
	ssize_t i = chain_find(s, c, &list, &p, &l);
	drop_link(s, &l);
	enum err e = start_at(s, c, &list, i >= 0 ? (size_t)i + 1 : first_newer(c, &list, &p), p.seq, now, why);
	if (e == ERR_OK) {
		c->prev = p;
		c->fresh = true;
	}
	found_free(&list);
	return e;
}

/* The index of the file that is id, by identity alone; -1. */
static ssize_t
index_of(const struct found *list, const struct ident *id)
{
	struct fstate st;
	for (size_t i = list->n; i-- > 0;)
		if (ident_path(list->path[i], &st) == 0 && ident_same(&st.id, id))
			return (ssize_t)i;
	return -1;
}

bool
chain_step_back(struct source *s, struct chain *c)
{
	struct found list = chain_list(c);
	struct link l = LINK_NONE;
	ssize_t before = index_of(&list, &c->prev.id), at = index_of(&list, &c->cur.id);
	if (before < 0) { /* packed by now, maybe */
		before = chain_find(s, c, &list, &c->prev, &l);
		drop_link(s, &l);
	}
	found_free(&list);
	c->fresh = false;
	if (before < 0 || at < 0 || at == before + 1)
		return false;
	drop_link(s, &c->cur);
	c->place = c->prev;
	return true;
}
