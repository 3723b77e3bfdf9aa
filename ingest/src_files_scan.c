/* src_files_scan.c - what files are there: matches to chains, and what a look at a chain changes.
 *
 * In: patterns, inotify's hints, the clock for the poll. Out: partitions, and in each whether its file is still the
 * one that is read. Owns: nothing. Never: reads a file's content (but to find the end at the very first start).
 * Cost: nothing while inotify is silent; else one walk of the patterns and one statx a file.
 */
#include "ingest/src_files.h"
#include "core/log.h"
#include "ingest/rotate.h"

#include <errno.h>
#include <stdlib.h>

static void
set_elems(struct chain *c, struct chain_names *names)
{
	for (size_t i = 0; i < c->nelem; i++)
		free(c->elem[i]);
	free(c->elem);
	c->elem = NULL;
	c->nelem = 0;
	if (names) {
		c->elem = names->path;
		c->nelem = names->n;
		names->path = NULL;
		names->n = 0;
	}
}

static void
cannot(struct source *s, struct chain *c, const struct errinfo *why)
{
	c->part.why = *why;
	c->part.unread = true;
	if (!c->told)
		log_warn(s->conf->name, "%s; trying on", why->text);
	c->told = true;
}

/* Another chain reads, or has read, the file that path names: it is not ours as long as that chain lives, or as it
 * holds nothing new. True: leave it for now. False: nobody has it, or it is ours from where the other left it (begun). */
static bool
held_by_other(struct source *s, struct chain *c, const char *path, const struct fstate *st)
{
	struct files *f = files_of(s);
	bool held = false;
	for (size_t i = 0; i < s->npart && !held && !c->begun; i++) {
		struct chain *o = chain_of(s->part[i]);
		if (o == c)
			continue;
		if (pthread_mutex_trylock(&o->lock) != 0) {
			f->hint = true;
			return true; /* not to be known now: the next scan looks again */
		}
		const struct ident *id = o->cur.fd >= 0 ? &o->cur.id : &o->place.id;
		struct errinfo why = { 0 };
		if (!o->begun || !ident_same(id, &st->id)) {
			;
		} else if (o->part.state != PART_ENDED) {
			held = true;
			if (!o->rotated && files_tell_once(f, path))
				log_info(s->conf->name, "%s is the same file as %s: read once", path, o->part.name);
		} else if (st->size <= o->place.off || chain_open(s, &c->cur, path, 0, &why)) {
			held = true;
		} else if (link_seek(&c->cur, &o->place, &why)) {
			atomic_fetch_sub(&f->open_fds, 1);
			link_free(&c->cur); /* the same inode, another content: as new */
		} else {
			c->begun = c->part.readable = c->part.unread = true;
		}
		pthread_mutex_unlock(&o->lock);
	}
	return held;
}

/* The first open of a chain. */
static void
first_open(struct source *s, struct chain *c, nsec now)
{
	struct files *f = files_of(s);
	bool end = !f->scanned && !f->restored && f->conf->start == START_END;
	const char *path = c->elem[end ? c->nelem - 1 : 0];
	struct errinfo why = { 0 };
	if (chain_open(s, &c->cur, path, 0, &why)) {
		cannot(s, c, &why);
		return;
	}
	if (end && !c->cur.un) {
		if (link_to_end(&c->cur, &f->shape, &c->tail, &why)) {
			link_free(&c->cur);
			atomic_fetch_sub(&f->open_fds, 1);
			cannot(s, c, &why);
			return;
		}
	}
	c->begun = c->part.readable = c->part.unread = true;
	c->after = end ? 0 : c->nelem - 1;
	c->rotated = c->more = c->after > 0;
	c->quiet = now;
	c->told = false;
}

/* How many files come after cur, by identity alone; 1 where cur has no name any more. */
static size_t
count_after(const struct chain *c, const struct ident *id)
{
	struct found list = chain_list(c);
	struct fstate st;
	size_t after = list.n ? 1 : 0;
	for (size_t i = list.n; i-- > 0;)
		if (ident_path(list.path[i], &st) == 0 && ident_same(&st.id, id)) {
			after = list.n - 1 - i;
			break;
		}
	found_free(&list);
	return after;
}

/* What has become of the chain's names. */
static void
look(struct source *s, struct chain *c, nsec now)
{
	struct fstate st;
	const char *last = c->nelem ? c->elem[c->nelem - 1] : NULL;
	const struct ident *id = c->cur.fd >= 0 ? &c->cur.id : &c->place.id;
	int e = last ? ident_path(last, &st) : ENOENT;
	if (!c->begun) {
		if (!e && !held_by_other(s, c, last, &st) && !c->begun)
			first_open(s, c, now);
		return;
	}
	bool same = !e && ident_same(&st.id, id);
	if (same) {
		if (c->part.state == PART_ENDED && st.size == c->place.off)
			return;
		c->rotated = false;
		c->after = 0;
		if (c->cur.fd >= 0 && st.size > c->cur.known)
			c->cur.known = st.size;
		int64_t seen = c->cur.fd >= 0 ? c->cur.seen : c->place.off;
		if (st.size != seen || st.mtime != c->cur.mtime)
			c->part.unread = true;
	} else {
		if (c->part.state == PART_ENDED && e)
			return;
		if (!c->rotated)
			c->quiet = now;
		c->rotated = true;
		c->after = count_after(c, id);
		c->more = c->after > 1 || (c->after == 1 && !e && st.size > 0);
		/* Quiet for long enough: the next fill takes what is left, and ends it if nothing follows. */
		c->part.unread = c->part.unread || c->more || c->part.state == PART_ENDED || now - c->quiet >= QUIET_NS;
	}
	if (c->part.state == PART_ENDED) { /* it is back */
		c->part.state = PART_LIVE;
		c->part.unread = true;
	}
}

/* All matches of all patterns; patterns that match nothing are told once. */
static struct found
find_all(struct source *s)
{
	struct files *f = files_of(s);
	struct found all = { 0 };
	for (size_t i = 0; i < f->pattern.n; i++) {
		size_t before = all.n;
		glob_find(f->pattern.path[i], &all);
		if (all.n > before)
			f->told_none[i] = false;
		else if (!f->told_none[i]) {
			log_info(s->conf->name, "nothing matches %s yet", f->pattern.path[i]);
			f->told_none[i] = true;
		}
	}
	if (all.cut && files_tell_once(f, "\n\n"))
		log_warn(s->conf->name, "the patterns match more than %d files: the rest is not read", PATHS_FOUND_MAX);
	return all;
}

/* Only regular files; others are told once. */
static void
keep_regular(struct source *s, struct found *all)
{
	size_t n = 0;
	for (size_t i = 0; i < all->n; i++) {
		struct fstate st;
		int e = ident_path(all->path[i], &st);
		if (!e && !st.regular && files_tell_once(files_of(s), all->path[i]))
			log_warn(s->conf->name, "%s is no regular file: not read", all->path[i]);
		if (e == ENOENT || (!e && !st.regular))
			free(all->path[i]);
		else
			all->path[n++] = all->path[i];
	}
	all->n = n;
}

static void
watch_all(struct files *f)
{
	for (size_t i = 0; i < f->pattern.n; i++) {
		struct found dirs = { 0 };
		glob_folders(f->pattern.path[i], &dirs);
		for (size_t k = 0; k < dirs.n; k++)
			watch_folder(f->watch, dirs.path[k]);
		found_free(&dirs);
	}
}

static void
watch_of(struct files *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = !slash ? xstrdup(".") : slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	watch_folder(f->watch, dir);
	free(dir);
}

/* A chain of which only rotations or archives are there at the very first start: nothing of it is live. */
static bool
only_past(const struct files *f, const struct chain_names *g)
{
	struct rotated r;
	rotate_parse(g->path[g->n - 1], &r);
	return r.packed && !f->scanned && !f->restored && f->conf->start == START_END;
}

static void
look_at_all(struct source *s, nsec now)
{
	struct files *f = files_of(s);
	watch_all(f); /* first: what comes while we look is an event then */
	struct found all = find_all(s);
	keep_regular(s, &all);
	size_t n, at = 0;
	struct chain_names *g = rotate_group((const char *const *)all.path, all.n, &n);
	for (size_t i = 0; i < n; i++) {
		watch_of(f, g[i].path[g[i].n - 1]);
		if (files_chain(s, g[i].name, false) || (!only_past(f, &g[i]) && files_chain(s, g[i].name, true)))
			continue;
	}
	/* Both are in order of name: a chain without matches has lost its names. */
	for (size_t i = 0; i < s->npart; i++) {
		struct chain *c = chain_of(s->part[i]);
		while (at < n && str_cmp(str_of(g[at].name), str_of(c->part.name)) < 0)
			at++;
		bool here = at < n && strcmp(g[at].name, c->part.name) == 0;
		if (pthread_mutex_trylock(&c->lock) != 0) {
			f->hint = true; /* being read: the next scan looks again */
			continue;
		}
		set_elems(c, here ? &g[at] : NULL);
		look(s, c, now);
		pthread_mutex_unlock(&c->lock);
	}
	chain_names_free(g, n);
	found_free(&all);
	f->scanned = true;
}

static void
modified(void *ctx, const char *path)
{
	struct source *s = ctx;
	struct chain *c = files_chain(s, path, false);
	if (!c) {
		struct rotated r;
		rotate_parse(path, &r);
		char *name = xstrndup(path, r.base);
		c = files_chain(s, name, false);
		free(name);
	}
	if (!c) {
		files_of(s)->hint = true;
		return;
	}
	if (pthread_mutex_trylock(&c->lock) != 0) {
		files_of(s)->hint = true;
		return;
	}
	c->part.unread = c->part.unread || c->part.state == PART_LIVE;
	pthread_mutex_unlock(&c->lock);
}

void
files_scan(struct source *s, nsec now)
{
	struct files *f = files_of(s);
	if (f->replay)
		return;
	bool all = f->hint || !f->scanned || now >= f->next_poll;
	f->hint = false;
	if (watch_drain(f->watch, modified, s))
		all = true;
	if (!all)
		return;
	nsec began = mono_ns();
	look_at_all(s, now);
	/* Many files on a slow disk: at most a fiftieth of the time goes into looking. */
	nsec took = 50 * (mono_ns() - began);
	f->next_poll = now + (took > POLL_NS ? took : POLL_NS);
}

/* Rotations beside a live file belong to it even where the pattern does not name them: live reading finds them too. */
static void
add_rotations(struct found *all)
{
	for (size_t i = 0, n = all->n; i < n; i++) {
		struct rotated r;
		rotate_parse(all->path[i], &r);
		if (r.is)
			continue;
		struct found near = { 0 };
		for (int k = 0; k < 2; k++) {
			char *pattern = xasprintf("%s%c*", all->path[i], k ? '-' : '.');
			glob_find(pattern, &near);
			free(pattern);
		}
		for (size_t k = 0; k < near.n; k++) {
			rotate_parse(near.path[k], &r);
			bool known = !r.is || r.base != strlen(all->path[i]);
			for (size_t m = 0; m < all->n && !known; m++)
				known = strcmp(all->path[m], near.path[k]) == 0;
			if (known)
				continue;
			GROW(all->path, all->n, all->cap);
			all->path[all->n++] = xstrdup(near.path[k]);
		}
		found_free(&near);
	}
}

enum err
files_replay_setup(struct source *s, struct errinfo *why)
{
	struct files *f = files_of(s);
	struct found all = { 0 };
	for (size_t i = 0; i < f->pattern.n; i++) {
		size_t before = all.n;
		if (f->named) {
			struct fstate st;
			int e = ident_path(f->pattern.path[i], &st);
			if (e || !st.regular) {
				found_free(&all);
				return err_set(why, ERR_CONF, "cannot replay %s: %s", f->pattern.path[i],
					e ? strerror(e) : "it is no regular file");
			}
			GROW(all.path, all.n, all.cap);
			all.path[all.n++] = xstrdup(f->pattern.path[i]);
			continue;
		}
		glob_find(f->pattern.path[i], &all);
		if (all.n == before) {
			found_free(&all);
			return err_set(why, ERR_CONF, "source %s: nothing matches %s, there is nothing to replay", s->conf->name,
				f->pattern.path[i]);
		}
	}
	if (!f->named) {
		add_rotations(&all);
		keep_regular(s, &all);
	}
	size_t n;
	struct chain_names *g = rotate_group((const char *const *)all.path, all.n, &n);
	for (size_t i = 0; i < n; i++) {
		struct chain *c = files_chain(s, g[i].name, true);
		if (!c)
			break;
		set_elems(c, &g[i]);
		c->part.unread = true;
	}
	chain_names_free(g, n);
	found_free(&all);
	f->scanned = true;
	return ERR_OK;
}
