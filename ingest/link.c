/* link.c - reading one file of a chain.
 *
 * In: an open regular file. Out: batches, places. Owns: the fd, the decoder, what was unpacked ahead.
 * Never: maps a file, keeps bytes of a plain file between fills.
 * Cost: one preadv of BATCH_BYTES a batch, the bytes before the offset compared, one search for the last newline.
 */
#include "ingest/link.h"
#include "ingest/frame.h"
#include "ingest/rotate.h"
#include "ingest/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define STAMP_MAX 20 /* digits of a read time, and a space */

enum err
link_open(struct link *l, int fd, const char *path, int64_t base, struct errinfo *why)
{
	struct rotated r;
	*l = (struct link){ .fd = fd, .path = xstrdup(path), .base = base, .flags = PLACE_NUL };
	struct fstate st;
	int e = ident_fd(fd, &st);
	if (e) {
		link_free(l);
		return err_set(why, ERR_IO, "cannot stat %s: %s", path, strerror(e));
	}
	l->id = st.id;
	l->known = st.size;
	l->mtime = st.mtime;
	l->ctime = st.ctime;
	rotate_parse(path, &r);
	l->stream = r.packed;
	if (r.packed && !(l->un = unpack_open(fd, path, why))) {
		link_free(l);
		return why && why->code ? why->code : ERR_BAD;
	}
	return ERR_OK;
}

void
link_open_pipe(struct link *l, int fd, const char *path)
{
	*l = (struct link){ .fd = fd, .path = xstrdup(path), .flags = PLACE_NUL, .stream = true };
}

void
link_free(struct link *l)
{
	unpack_free(l->un);
	if (l->fd >= 0)
		close(l->fd);
	free(l->path);
	free(l->carry);
	*l = LINK_NONE;
}

void
link_stat(struct link *l)
{
	struct fstate st;
	if (l->fd < 0 || ident_fd(l->fd, &st) != 0)
		return;
	l->known = st.size;
	if (l->un)
		l->seen = st.size;
	l->mtime = st.mtime;
	l->ctime = st.ctime;
}

void
link_place(const struct link *l, struct place *p)
{
	*p = (struct place){ .id = l->id, .off = l->off, .seq = l->base + l->off, .mtime = l->mtime, .flags = l->flags };
	p->head_len = (uint16_t)l->head_len;
	p->mark_len = (uint16_t)l->mark_len;
	p->head = ident_hash(l->head, l->head_len);
	p->mark = ident_hash(l->mark, l->mark_len);
}

/* n bytes at l->off are given: remember what head and mark need of them. */
static void
advance(struct link *l, const char *p, size_t n)
{
	if (l->off < HEAD_MAX && l->head_len == (size_t)l->off) {
		size_t k = HEAD_MAX - l->head_len < n ? HEAD_MAX - l->head_len : n;
		memcpy(l->head + l->head_len, p, k);
		l->head_len += k;
	}
	if (n >= MARK_MAX) {
		memcpy(l->mark, p + n - MARK_MAX, MARK_MAX);
		l->mark_len = MARK_MAX;
	} else {
		size_t keep = l->mark_len + n > MARK_MAX ? MARK_MAX - n : l->mark_len;
		memmove(l->mark, l->mark + l->mark_len - keep, keep);
		memcpy(l->mark + keep, p, n);
		l->mark_len = keep + n;
	}
	l->off += (int64_t)n;
}

static enum err
read_plain(struct link *l, char *to, size_t room, size_t *got, struct errinfo *why)
{
	char before[MARK_MAX];
	struct iovec v[2] = { { before, l->mark_len }, { to, room } };
	ssize_t n;
	do
		n = preadv(l->fd, v, 2, l->off - (int64_t)l->mark_len);
	while (n == -1 && errno == EINTR);
	l->stale = n == -1 && errno == ESTALE;
	if (n == -1)
		return err_set(why, ERR_IO, "cannot read %s at offset %lld: %s", l->path, (long long)l->off, strerror(errno));
	if ((size_t)n < l->mark_len || memcmp(before, l->mark, l->mark_len) != 0)
		return ERR_BAD;
	*got = (size_t)n - l->mark_len;
	return ERR_OK;
}

static enum err
read_pipe(struct link *l, char *to, size_t room, size_t *got, struct errinfo *why)
{
	ssize_t n;
	do
		n = read(l->fd, to, room);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_set(why, ERR_IO, "cannot read %s: %s", l->path, strerror(errno));
	*got = (size_t)n;
	return n ? ERR_OK : ERR_EOF;
}

/* Bytes from l->off on; what the caller does not use goes back to carry through unread. */
static enum err
read_stream(struct link *l, char *to, size_t room, size_t *got, struct errinfo *why)
{
	enum err e = ERR_OK;
	*got = l->carry_len < room ? l->carry_len : room;
	if (*got) {
		memcpy(to, l->carry, *got);
		memmove(l->carry, l->carry + *got, l->carry_len - *got);
		l->carry_len -= *got;
	}
	while (e == ERR_OK && *got < room) {
		size_t n = 0;
		e = l->un ? unpack_read(l->un, to + *got, room - *got, &n, why) : read_pipe(l, to + *got, room - *got, &n, why);
		*got += n;
	}
	return e;
}

static void
unread(struct link *l, const char *p, size_t n)
{
	if (n == 0)
		return;
	if (l->carry_len + n > l->carry_cap) {
		l->carry_cap = 2 * (l->carry_len + n);
		l->carry = xrealloc(l->carry, l->carry_cap);
	}
	if (l->carry_len)
		memmove(l->carry + n, l->carry, l->carry_len);
	memcpy(l->carry, p, n);
	l->carry_len += n;
}

static bool
place_matches(const struct link *l, const struct place *p)
{
	/* The head of the link may be longer than the place's: compare what both have. */
	return l->off == p->off && l->head_len >= p->head_len && ident_hash(l->head, p->head_len) == p->head &&
		l->mark_len >= p->mark_len && ident_hash(l->mark + l->mark_len - p->mark_len, p->mark_len) == p->mark;
}

/* Put head and mark right for off, by reading. */
static enum err
load_around(struct link *l, int64_t off, struct errinfo *why)
{
	size_t h = off < HEAD_MAX ? (size_t)off : HEAD_MAX, m = off < MARK_MAX ? (size_t)off : MARK_MAX;
	ssize_t a = h ? pread(l->fd, l->head, h, 0) : 0, b = m ? pread(l->fd, l->mark, m, off - (int64_t)m) : 0;
	if (a == -1 || b == -1)
		return err_set(why, ERR_IO, "cannot read %s: %s", l->path, strerror(errno));
	if ((size_t)a != h || (size_t)b != m)
		return ERR_BAD; /* shorter than off */
	l->head_len = h;
	l->mark_len = m;
	l->off = off;
	return ERR_OK;
}

enum err
link_seek(struct link *l, const struct place *p, struct errinfo *why)
{
	enum err e = ERR_OK;
	if (!l->un) {
		e = load_around(l, p->off, why);
	} else {
		char *skip = xmalloc(BATCH_BYTES);
		while (e == ERR_OK && l->off < p->off) {
			size_t n = 0, want = p->off - l->off < BATCH_BYTES ? (size_t)(p->off - l->off) : BATCH_BYTES;
			e = unpack_read(l->un, skip, want, &n, NULL);
			advance(l, skip, n);
			/* Another file's head: no need to unpack the rest. */
			if (l->head_len >= p->head_len && ident_hash(l->head, p->head_len) != p->head)
				e = ERR_BAD;
		}
		free(skip);
		if (e && e != ERR_IO)
			e = ERR_BAD; /* it ends, or breaks, before the offset */
	}
	if (e == ERR_OK && !place_matches(l, p))
		e = ERR_BAD;
	l->base = p->seq - p->off;
	l->flags = p->flags;
	return e;
}

enum err
link_to_end(struct link *l, const struct batch *shape, int64_t *tail, struct errinfo *why)
{
	size_t room = frame_limit(shape->format, shape->max_record), n, cut = 0;
	*tail = -1;
	link_stat(l);
	if ((int64_t)room > l->known)
		room = (size_t)l->known;
	char *data = xmalloc(room + 1);
	int64_t from = l->known - (int64_t)room;
	ssize_t got = pread(l->fd, data, room, from);
	if (got == -1) {
		free(data);
		return err_set(why, ERR_IO, "cannot read %s: %s", l->path, strerror(errno));
	}
	n = (size_t)got;
	size_t skip = 0; /* the window may begin inside a line */
	if (from > 0) {
		const char *nl = memchr(data, '\n', n);
		skip = nl ? (size_t)(nl - data) + 1 : n;
	}
	cut = skip + frame_cut(shape->format, (struct str){ data + skip, n - skip }, 0);
	for (size_t end = cut; end > skip && *tail < 0;) {
		const char *nl = end - 1 > skip ? memrchr(data + skip, '\n', end - 1 - skip) : NULL;
		size_t start = nl ? (size_t)(nl - data) + 1 : skip;
		if (end - start > 2 || (end - start == 2 && data[start] != '\r'))
			*tail = from + (int64_t)start;
		end = start;
	}
	enum err e = load_around(l, from + (int64_t)cut, why);
	l->flags = l->off == 0 ? PLACE_NUL : 0;
	if (from > 0 && skip == n)
		l->flags |= PLACE_DROP; /* an overlong line is being written */
	free(data);
	return e;
}

static void
batch_room(struct batch *b, size_t n)
{
	if (b->cap < n) {
		b->data = xrealloc(b->data, n);
		b->cap = n;
	}
}

static void
batch_start(struct link *l, struct batch *b)
{
	batch_reset(b);
	b->seq = l->base + l->off;
	b->offset = l->off;
	b->file = str_of(l->path);
	b->stamped = l->stamped;
	b->drop_in = b->drop_out = l->flags / PLACE_STREAM0 & (PLACE_STREAM0 - 1);
}

static void
batch_place(const struct link *l, struct batch *b)
{
	struct place p;
	link_place(l, &p);
	b->pos_len = place_put(&p, b->pos);
}

enum err
link_tail(struct link *l, int64_t tail, struct batch *b, struct errinfo *why)
{
	size_t n = (size_t)(l->off - tail);
	batch_start(l, b);
	batch_room(b, n);
	ssize_t got = pread(l->fd, b->data, n, tail);
	if (got == -1)
		return err_set(why, ERR_IO, "cannot read %s: %s", l->path, strerror(errno));
	const char *nl = memchr(b->data, '\n', (size_t)got);
	b->len = nl ? (size_t)(nl - b->data) : (size_t)got;
	b->seq = l->base + tail;
	b->offset = tail;
	b->time_only = b->last_record = true;
	batch_place(l, b);
	return ERR_OK;
}

/* All of the batch's bytes are dropped: those of a line over max_record. */
static void
drop_all(struct link *l, struct batch *b, size_t n, bool begins)
{
	if (begins) {
		size_t k = n < sizeof b->skipped_head - 1 ? n : sizeof b->skipped_head - 1;
		b->skipped++;
		memcpy(b->skipped_head, b->data, k);
		b->skipped_head[k] = '\0';
	}
	l->flags |= PLACE_DROP;
	advance(l, b->data, n);
}

/* Where the batch ends, of n bytes read; 0: no whole record among them. skip: bytes before that are no record's. full:
 * there may be more behind them; most: but no more can be one record's. */
static size_t
cut_batch(struct batch *b, size_t skip, size_t n, bool full, bool most, bool last)
{
	struct str rest = { b->data + skip, n - skip };
	size_t cut = frame_cut(b->format, rest, b->drop_in);
	if (cut == 0 && last && !full)
		cut = rest.len;
	if (cut == 0 && most && b->format != FORMAT_JSON) {
		/* A record in parts over the limit: lines go on, its stream is dropped up to its end. */
		const char *nl = memrchr(rest.ptr, '\n', rest.len);
		cut = nl ? (size_t)(nl - rest.ptr) + 1 : 0;
	}
	b->drop_out = frame_open(b->format, (struct str){ rest.ptr, cut }, b->drop_in);
	if (last && !full && cut == rest.len) {
		b->last_record = true;
		b->drop_out = 0;
	}
	return cut ? skip + cut : 0;
}

/* Bytes at the front that belong to no record: NULs of a hole, the rest of an overlong line. All of n: no record. */
static size_t
skip_front(struct link *l, struct batch *b, size_t n)
{
	size_t skip = 0;
	if (l->flags & PLACE_NUL) {
		while (skip < n && b->data[skip] == '\0')
			skip++;
		if (skip < n)
			l->flags &= ~(unsigned)PLACE_NUL;
	}
	if (l->flags & PLACE_DROP) {
		const char *nl = memchr(b->data + skip, '\n', n - skip);
		skip = nl ? (size_t)(nl - b->data) + 1 : n;
		if (nl)
			l->flags &= ~(unsigned)PLACE_DROP;
	}
	return skip;
}

enum err
link_fill(struct link *l, struct batch *b, bool last, struct errinfo *why)
{
	size_t most = frame_limit(b->format, b->max_record) + (l->stamped ? STAMP_MAX : 0), room = BATCH_BYTES, n = 0;
	if (most < BATCH_BYTES)
		most = BATCH_BYTES;
	batch_start(l, b);
	for (;; room = 2 * room < most ? 2 * room : most) {
		batch_room(b, room);
		enum err e = l->stream ? read_stream(l, b->data, room, &n, why) : read_plain(l, b->data, room, &n, why);
		if (e && !(l->stream && (n || e == ERR_EOF || e == ERR_AGAIN)))
			return e;
		if (e && why && n) /* of a packed file: what was readable comes first, the error the next time */
			*why = (struct errinfo){ 0 };
		bool full = n == room, torn = l->stream && e != ERR_OK;
		l->at_end = !full;
		if (!l->stream)
			l->seen = l->off + (int64_t)n;
		unsigned flags = l->flags;
		size_t skip = skip_front(l, b, n);
		if (n && skip == n) { /* progress without a record */
			advance(l, b->data, n);
			batch_place(l, b);
			return ERR_OK;
		}
		/* A packed file that broke off: its last piece of a line is all that will ever be. */
		size_t cut = n ? cut_batch(b, skip, n, full, full && room == most, last || (torn && e != ERR_EOF && e != ERR_AGAIN)) : 0;
		if (cut == 0 && full && room == most) {
			drop_all(l, b, n, true);
			batch_place(l, b);
			return ERR_OK;
		}
		if (l->stream)
			unread(l, b->data + cut, n - cut);
		if (cut == 0) {
			l->flags = flags;
			if (full)
				continue;
			if (last && e == ERR_AGAIN)
				return err_set(why, ERR_CORRUPT, "%s ends inside its compressed data at offset %lld: what stands before was read",
					l->path, (long long)unpack_input(l->un));
			return ERR_AGAIN;
		}
		b->at = skip;
		b->len = cut;
		advance(l, b->data, cut);
		l->flags = (l->flags & (PLACE_STREAM0 - 1)) | b->drop_out * PLACE_STREAM0;
		batch_place(l, b);
		return ERR_OK;
	}
}
