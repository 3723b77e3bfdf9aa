/* spool.c - the segment files of a spool: writing, rolling over, trimming.
 *
 * In: bytes of lines. Out: files that the link reader reads. Owns: the folder, the newest segment's descriptor.
 * Never: leaves half of a write behind a failure (the segment is cut back). Cost: one write(2) a call.
 */
#include "ingest/spool.h"
#include "core/buf.h"
#include "core/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAMPED_MAX (64 << 20) /* a chunk with a time before each of its lines */

char *
spool_path(const struct spool *sp, size_t i)
{
	return xasprintf("%s/%016" PRIx64, sp->dir, (uint64_t)sp->seg[i].base);
}

int64_t
spool_end(const struct spool *sp)
{
	return sp->n ? sp->seg[sp->n - 1].base + sp->seg[sp->n - 1].size : sp->least;
}

static int
by_base(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	return x->base < y->base ? -1 : x->base > y->base;
}

static enum err
make_folder(const char *dir, struct errinfo *why)
{
	char *path = xstrdup(dir);
	enum err e = ERR_OK;
	for (char *p = path + 1; e == ERR_OK; p++) {
		char c = *p;
		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) == -1 && errno != EEXIST)
			e = err_set(why, ERR_IO, "cannot make the folder %s: %s", path, strerror(errno));
		*p = c;
		if (c == '\0')
			break;
	}
	free(path);
	return e;
}

enum err
spool_open(struct spool *sp, const char *dir, bool stamps, int64_t keep, struct errinfo *why)
{
	*sp = (struct spool){ .dir = xstrdup(dir), .fd = -1, .stamps = stamps, .keep = keep };
	enum err e = make_folder(dir, why);
	DIR *d = e ? NULL : opendir(dir);
	if (e || !d)
		return err_set(why, ERR_IO, "cannot open the spool %s: %s", dir, strerror(errno));
	for (struct dirent *f; (f = readdir(d));) {
		char *end;
		struct stat st;
		uint64_t base = strtoull(f->d_name, &end, 16);
		if (strlen(f->d_name) != 16 || *end || base > INT64_MAX || fstatat(dirfd(d), f->d_name, &st, 0) == -1)
			continue;
		GROW(sp->seg, sp->n, sp->cap);
		sp->seg[sp->n++] = (struct segment){ (int64_t)base, st.st_size };
	}
	closedir(d);
	if (sp->n)
		qsort(sp->seg, sp->n, sizeof *sp->seg, by_base);
	/* Never after an old segment's last byte: a line that broke off there must not be glued to a new one. */
	sp->least = sp->n ? spool_end(sp) : 0;
	return ERR_OK;
}

void
spool_close(struct spool *sp)
{
	if (sp->fd >= 0)
		close(sp->fd);
	free(sp->seg);
	free(sp->dir);
	*sp = (struct spool){ .fd = -1 };
}

static enum err
trouble(const struct spool *sp, struct errinfo *why, const char *what)
{
	bool full = errno == ENOSPC || errno == EDQUOT;
	return err_set(why, full ? ERR_FULL : ERR_IO, "cannot %s the spool %s: %s", what, sp->dir, strerror(errno));
}

static enum err
new_segment(struct spool *sp, struct errinfo *why)
{
	int64_t base = spool_end(sp) > sp->least ? spool_end(sp) : sp->least;
	spool_sync(sp);
	/* A seq of its own even if the segment before is empty, or ended without a newline. */
	base += sp->n > 0;
	GROW(sp->seg, sp->n, sp->cap);
	sp->seg[sp->n] = (struct segment){ base, 0 };
	char *path = spool_path(sp, sp->n);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	free(path);
	if (fd == -1)
		return trouble(sp, why, "begin a segment of");
	if (sp->fd >= 0)
		close(sp->fd);
	sp->fd = fd;
	sp->n++;
	sp->inside = false;
	return ERR_OK;
}

static enum err
append(struct spool *sp, const char *p, size_t n, struct errinfo *why)
{
	struct segment *seg = &sp->seg[sp->n - 1];
	for (size_t done = 0; done < n;) {
		ssize_t k = pwrite(sp->fd, p + done, n - done, seg->size + (int64_t)done);
		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1) {
			enum err e = trouble(sp, why, "write to");
			if (ftruncate(sp->fd, seg->size) == -1)
				err_set(why, e, "cannot write to the spool %s", sp->dir);
			return e;
		}
		done += (size_t)k;
	}
	seg->size += (int64_t)n;
	sp->dirty = true;
	return ERR_OK;
}

/* The same bytes with the time before each line that begins in them. */
static void
stamp_lines(const struct spool *sp, const char *p, size_t n, nsec at, struct buf *out)
{
	bool inside = sp->inside;
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t k = nl ? (size_t)(nl - p) + 1 : n;
		if (!inside)
			buf_printf(out, "%" PRId64 " ", at);
		buf_add(out, p, k);
		inside = !nl;
		p += k;
		n -= k;
	}
}

static enum err
write_piece(struct spool *sp, const char *p, size_t n, nsec at, struct errinfo *why)
{
	if (n == 0)
		return ERR_OK;
	struct buf b;
	buf_init(&b, STAMPED_MAX);
	if (sp->stamps) {
		stamp_lines(sp, p, n, at, &b);
		must(!b.over);
	}
	enum err e = sp->stamps ? append(sp, b.data, b.len, why) : append(sp, p, n, why);
	if (e == ERR_OK)
		sp->inside = p[n - 1] != '\n';
	buf_free(&b);
	return e;
}

enum err
spool_write(struct spool *sp, const char *p, size_t n, nsec at, size_t *done, struct errinfo *why)
{
	enum err e = ERR_OK;
	*done = 0;
	while (e == ERR_OK && *done < n) {
		const char *from = p + *done;
		size_t k = n - *done;
		if (sp->fd < 0 || (sp->seg[sp->n - 1].size >= SEGMENT_BYTES && !sp->inside)) {
			e = new_segment(sp, why);
			if (e)
				break;
		} else if (sp->seg[sp->n - 1].size >= SEGMENT_BYTES) { /* the line that stands open belongs to the old one */
			const char *nl = memchr(from, '\n', k);
			k = nl ? (size_t)(nl - from) + 1 : k;
		}
		e = write_piece(sp, from, k, at, why);
		if (e == ERR_OK)
			*done += k;
	}
	return e;
}

void
spool_sync(struct spool *sp)
{
	if (!sp->dirty || sp->fd < 0)
		return;
	if (fdatasync(sp->fd) == -1) {
		log_error("spool", "cannot write back %s: %s; ending, a restart reads what is there", sp->dir, strerror(errno));
		_exit(3);
	}
	sp->dirty = false;
}

void
spool_trim(struct spool *sp, int64_t kept)
{
	size_t drop = 0;
	while (drop + 1 < sp->n && sp->seg[drop].base + sp->seg[drop].size <= kept && kept - sp->seg[drop].base > sp->keep) {
		char *path = spool_path(sp, drop++);
		(void)unlink(path); /* tried again at the next start if it fails: it is only space */
		free(path);
	}
	sp->n -= drop;
	memmove(sp->seg, sp->seg + drop, sp->n * sizeof *sp->seg);
}
