/* src_files.c - the files source: its configuration, opening files, its partitions.
 *
 * In: struct files_conf. Out: the source_kind. Owns: the chains. Next: src_files_scan.c (what files are there),
 * src_files_chain.c (from link to link), src_files_read.c (a fill).
 * Never: opens what is no regular file, or lies outside the folders it may read.
 */
#include "ingest/src_files.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TOLD_MAX 1024

bool
files_tell_once(struct files *f, const char *path)
{
	for (size_t i = 0; i < f->told.n; i++)
		if (strcmp(f->told.path[i], path) == 0)
			return false;
	if (f->told.n < TOLD_MAX) {
		GROW(f->told.path, f->told.n, f->told.cap);
		f->told.path[f->told.n++] = xstrdup(path);
	}
	return true;
}

/* real is root itself or in it; *rel is the rest. */
static bool
within(const char *real, const char *root, const char **rel)
{
	size_t n = strlen(root);
	if (n == 1)
		n = 0; /* "/" */
	if (strncmp(real, root, n) != 0 || real[n] != '/')
		return false;
	*rel = real + n + 1;
	return true;
}

/* The allowed folder that real lies in, resolved; NULL if none. */
static char *
root_of(const struct files *f, const char *real, const char **rel)
{
	for (size_t i = 0; i < f->pattern.n + f->conf->follow.n; i++) {
		bool follow = i >= f->pattern.n;
		char *prefix = follow ? xstrdup(f->conf->follow.v[i - f->pattern.n]) : glob_prefix(f->pattern.path[i]);
		char *root = realpath(prefix, NULL);
		free(prefix);
		if (root && within(real, root, rel))
			return root;
		free(root);
	}
	return NULL;
}

/* Open a resolved path so that no link put there since can lead elsewhere. */
static int
open_beneath(const char *root, const char *rel)
{
	struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return -1;
	int fd = (int)syscall(SYS_openat2, dir, rel, &how, sizeof how);
	if (fd == -1 && errno == ENOSYS) /* before Linux 5.6 */
		fd = openat(dir, rel, (int)how.flags | O_NOFOLLOW);
	int e = errno;
	close(dir);
	errno = e;
	return fd;
}

/* Close the descriptor of one chain, so that another may have it: one that has nothing to read, or any whose file still
 * has its name, so that it can be opened again. Packed ones stay: they would be unpacked from the start again. */
static bool
close_one(struct source *s, bool idle)
{
	bool done = false;
	for (size_t i = 0; i < s->npart && !done; i++) {
		struct chain *c = chain_of(s->part[i]);
		if (pthread_mutex_trylock(&c->lock) != 0)
			continue; /* in use, maybe by us */
		done = c->cur.fd >= 0 && !c->cur.stream && !c->rotated && (!idle || (c->cur.at_end && !c->part.unread));
		if (done)
			chain_close(s, c);
		pthread_mutex_unlock(&c->lock);
	}
	return done;
}

static void
make_room(struct source *s)
{
	struct files *f = files_of(s);
	pthread_rwlock_rdlock(&f->parts);
	if (!close_one(s, true))
		(void)close_one(s, false);
	pthread_rwlock_unlock(&f->parts);
}

static enum err
refuse(struct errinfo *why, const char *path)
{
	int e = errno;
	return err_set(why, ERR_IO, "cannot open %s: %s", path, strerror(e));
}

enum err
files_open_fd(struct source *s, const char *path, int *fd, struct errinfo *why)
{
	struct files *f = files_of(s);
	struct fstate st;
	int e = ident_path(path, &st);
	*fd = -1;
	if (e) {
		errno = e;
		return refuse(why, path);
	}
	if (!st.regular)
		return err_set(why, ERR_CONF, "%s is no regular file: only these are read by `files`", path);
	if (atomic_load(&f->open_fds) >= f->max_fds)
		make_room(s);
	if (f->named) {
		*fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	} else {
		char *real = realpath(path, NULL);
		const char *rel = NULL;
		char *root = real ? root_of(f, real, &rel) : NULL;
		if (real && !root) {
			err_set(why, ERR_IO, "%s leads to %s, outside of the pattern's folder: name that folder in `follow:` to allow it",
				path, real);
			free(real);
			return ERR_IO;
		}
		if (root)
			*fd = open_beneath(root, rel);
		e = errno;
		free(root);
		free(real);
		errno = e;
	}
	if (*fd == -1)
		return refuse(why, path);
	e = ident_fd(*fd, &st);
	if (e || !st.regular) { /* exchanged since the look above */
		close(*fd);
		*fd = -1;
		return err_set(why, ERR_IO, "%s changed while it was opened", path);
	}
	return ERR_OK;
}

/* Place of name among the partitions: where it is, or belongs. */
static size_t
slot(const struct source *s, const char *name, bool *found)
{
	size_t lo = 0, hi = s->npart;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = str_cmp(str_of(s->part[mid]->name), str_of(name));
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = false;
	return lo;
}

struct chain *
files_chain(struct source *s, const char *name, bool add)
{
	struct files *f = files_of(s);
	bool found;
	size_t at = slot(s, name, &found);
	if (found)
		return chain_of(s->part[at]);
	if (!add)
		return NULL;
	if (s->npart == CHAINS_MAX) {
		if (files_tell_once(f, "\n"))
			log_warn(s->conf->name, "more than %d files: %s and further ones are not read", CHAINS_MAX, name);
		return NULL;
	}
	struct chain *c = xcalloc(1, sizeof *c);
	c->part.name = xstrdup(name);
	c->part.source = s;
	c->cur = LINK_NONE;
	c->tail = -1;
	must(pthread_mutex_init(&c->lock, NULL) == 0);
	pthread_rwlock_wrlock(&f->parts);
	GROW(s->part, s->npart, s->cap_part);
	memmove(s->part + at + 1, s->part + at, (s->npart - at) * sizeof *s->part);
	s->part[at] = &c->part;
	s->npart++;
	pthread_rwlock_unlock(&f->parts);
	return c;
}

static enum err
files_open(struct source *s, const struct source_env *env, struct errinfo *why)
{
	struct files *f = xcalloc(1, sizeof *f);
	struct rlimit lim;
	s->priv = f;
	f->conf = s->conf->conf;
	f->shape = (struct batch){ .format = s->conf->format, .max_record = s->conf->max_record };
	f->replay = env->replay;
	f->named = env->replay && env->nfiles > 0;
	/* Half of the descriptors: the rest is for the store, the sinks and the API. */
	f->max_fds = getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < INT_MAX ? (int)lim.rlim_cur / 2 : 4096;
	must(pthread_rwlock_init(&f->parts, NULL) == 0);
	size_t n = f->named ? env->nfiles : f->conf->files.n;
	for (size_t i = 0; i < n; i++) {
		GROW(f->pattern.path, f->pattern.n, f->pattern.cap);
		f->pattern.path[f->pattern.n++] = xstrdup(f->named ? env->files[i] : f->conf->files.v[i]);
	}
	f->told_none = xcalloc(n + 1, sizeof *f->told_none);
	if (f->replay)
		return files_replay_setup(s, why);
	f->watch = watch_new();
	return ERR_OK;
}

static enum err
files_restore(struct source *s, struct str name, struct str pos, struct errinfo *why)
{
	struct files *f = files_of(s);
	struct place p;
	f->restored = true;
	if (name.len == 0)
		return ERR_OK;
	char *z = xstr(name);
	struct chain *c = NULL;
	enum err e = ERR_OK;
	if (!place_get(&p, pos)) {
		e = err_set(why, ERR_CORRUPT, "source %s: the stored position of %s is not one that this weir wrote", s->conf->name, z);
	} else if (f->replay) {
		if ((c = files_chain(s, z, false)))
			chain_align(s, c, &p);
		free(z);
		return ERR_OK;
	} else if (!(c = files_chain(s, z, true))) {
		e = err_set(why, ERR_LIMIT, "source %s: more than %d files", s->conf->name, CHAINS_MAX);
	}
	free(z);
	if (e)
		return e;
	c->place = p;
	c->begun = true;
	c->part.readable = true;
	c->part.unread = true;
	c->rotated = true; /* until the first look says otherwise */
	return ERR_OK;
}

static int
files_fd(const struct source *s)
{
	const struct files *f = files_of(s);
	return f->watch ? watch_fd(f->watch) : -1;
}

static void
chain_free(struct chain *c)
{
	link_free(&c->cur);
	for (size_t i = 0; i < c->nelem; i++)
		free(c->elem[i]);
	free(c->elem);
	free(c->part.name);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void
files_close(struct source *s)
{
	struct files *f = files_of(s);
	if (!f)
		return;
	for (size_t i = 0; i < s->npart; i++)
		chain_free(chain_of(s->part[i]));
	free(s->part);
	s->part = NULL;
	s->npart = s->cap_part = 0;
	watch_free(f->watch);
	found_free(&f->pattern);
	found_free(&f->told);
	free(f->told_none);
	pthread_rwlock_destroy(&f->parts);
	free(f);
	s->priv = NULL;
}

static const char *const start_names[] = { "end", "beginning", NULL };

static const struct field files_fields[] = {
	{ .name = "files", .type = F_STRLIST, .off = offsetof(struct files_conf, files), .flags = F_REQUIRED | F_PATH,
		.help = "Patterns of the files to read; ** stands for any number of folders. Their rotations belong to them." },
	{ .name = "start", .type = F_ENUM, .off = offsetof(struct files_conf, start), .def = "end", .names = start_names,
		.help = "Where reading begins in files that are there at the very first start; later ones are read whole." },
	{ .name = "follow", .type = F_STRLIST, .off = offsetof(struct files_conf, follow), .flags = F_PATH,
		.help = "Folders outside of the patterns' own to which links may lead." },
	{ .name = NULL },
};

const struct source_kind source_files = {
	.kind = { .name = "files",
		.help = "Follows log files through their rotations.",
		.fields = files_fields,
		.conf_size = sizeof(struct files_conf) },
	.open = files_open,
	.restore = files_restore,
	.scan = files_scan,
	.fill = files_fill,
	.fd = files_fd,
	.close = files_close,
};
