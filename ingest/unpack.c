/* unpack.c - streaming decompression; the only file that knows zlib and zstd.
 *
 * In: an open file. Out: its decompressed bytes in order. Owns: one input buffer and one decoder.
 * Never: seeks back, holds more than the bounds in unpack.h.
 */
#include "ingest/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define IN_BYTES (64 << 10)
#define RATIO_MAX 2000
#define RATIO_FREE (INT64_C(64) << 20) /* output that no ratio is asked of */
#define WINDOW_LOG_MAX 27

struct unpack {
	int fd;
	char *path;
	bool zstd;
	z_stream z;
	ZSTD_DStream *zs;
	int64_t at;       /* input read so far */
	int64_t out;      /* output given so far */
	size_t len, used; /* of in */
	bool inside;      /* in the middle of a member */
	bool junk;        /* zero padding after the last member */
	struct errinfo failed; /* a broken stream stays broken: told after what was readable before it */
	unsigned char in[IN_BYTES];
};

struct unpack *
unpack_open(int fd, const char *path, struct errinfo *why)
{
	unsigned char magic[4];
	ssize_t n = pread(fd, magic, sizeof magic, 0);
	bool gz = n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b;
	bool zs = n >= 4 && magic[0] == 0x28 && magic[1] == 0xb5 && magic[2] == 0x2f && magic[3] == 0xfd;
	if (!gz && !zs) {
		err_set(why, n == -1 ? ERR_IO : ERR_BAD, n == -1 ? "cannot read %s: %s" : "%s is neither gzip nor zstd%s",
			path, n == -1 ? strerror(errno) : ": its name promises one of them");
		return NULL;
	}
	struct unpack *u = xcalloc(1, sizeof *u);
	u->fd = fd;
	u->path = xstrdup(path);
	u->zstd = zs;
	if (zs) {
		u->zs = ZSTD_createDStream();
		must(u->zs && !ZSTD_isError(ZSTD_DCtx_setParameter(u->zs, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)));
	} else {
		must(inflateInit2(&u->z, 15 + 16) == Z_OK); /* fails only without memory */
	}
	return u;
}

void
unpack_free(struct unpack *u)
{
	if (!u)
		return;
	if (u->zstd)
		ZSTD_freeDStream(u->zs);
	else
		inflateEnd(&u->z);
	free(u->path);
	free(u);
}

int64_t
unpack_input(const struct unpack *u)
{
	return u->at - (int64_t)(u->len - u->used);
}

/* More input. ERR_EOF: there is none now. */
static enum err
refill(struct unpack *u, struct errinfo *why)
{
	if (u->used < u->len)
		return ERR_OK;
	ssize_t n = pread(u->fd, u->in, sizeof u->in, u->at);
	if (n == -1)
		return err_set(why, ERR_IO, "cannot read %s at offset %lld: %s", u->path, (long long)u->at, strerror(errno));
	u->used = 0;
	u->len = (size_t)n;
	u->at += n;
	return n ? ERR_OK : ERR_EOF;
}

static enum err
broken(struct unpack *u, struct errinfo *why, const char *what)
{
	err_set(&u->failed, ERR_CORRUPT, "%s is damaged at offset %lld (%s): what stands before was read", u->path,
		(long long)unpack_input(u), what);
	return err_set(why, ERR_CORRUPT, "%s", u->failed.text);
}

static enum err
step_gzip(struct unpack *u, char *to, size_t n, size_t *got, struct errinfo *why)
{
	if (!u->inside) { /* the next member, or the padding that some tools add */
		if (u->in[u->used] == 0 && u->out > 0)
			u->junk = true;
		if (u->junk) {
			u->used = u->len;
			*got = 0;
			return ERR_OK;
		}
		must(inflateReset(&u->z) == Z_OK);
		u->inside = true;
	}
	u->z.next_in = u->in + u->used;
	u->z.avail_in = (uInt)(u->len - u->used);
	u->z.next_out = (unsigned char *)to;
	u->z.avail_out = (uInt)(n < (1U << 30) ? n : 1U << 30);
	uInt room = u->z.avail_out;
	int r = inflate(&u->z, Z_NO_FLUSH);
	u->used = u->len - u->z.avail_in;
	*got = room - u->z.avail_out;
	if (r == Z_STREAM_END)
		u->inside = false;
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return broken(u, why, u->z.msg ? u->z.msg : "bad data");
	return ERR_OK;
}

static enum err
step_zstd(struct unpack *u, char *to, size_t n, size_t *got, struct errinfo *why)
{
	ZSTD_inBuffer in = { u->in, u->len, u->used };
	ZSTD_outBuffer out = { to, n, 0 };
	size_t r = ZSTD_decompressStream(u->zs, &out, &in);
	u->used = in.pos;
	*got = out.pos;
	if (ZSTD_isError(r))
		return broken(u, why, ZSTD_getErrorName(r));
	u->inside = r != 0;
	return ERR_OK;
}

enum err
unpack_read(struct unpack *u, char *to, size_t n, size_t *got, struct errinfo *why)
{
	*got = 0;
	if (u->failed.code)
		return err_set(why, u->failed.code, "%s", u->failed.text);
	while (*got == 0) {
		enum err e = refill(u, why);
		bool dry = e == ERR_EOF;
		if (dry && u->inside) /* output may still stand in the decoder */
			e = ERR_OK;
		if (e)
			return e;
		e = u->zstd ? step_zstd(u, to, n, got, why) : step_gzip(u, to, n, got, why);
		u->out += (int64_t)*got;
		if (e && *got) { /* first what was readable */
			if (why)
				*why = (struct errinfo){ 0 };
			return ERR_OK;
		}
		if (e)
			return e;
		if (u->out > RATIO_FREE + RATIO_MAX * u->at) {
			err_set(&u->failed, ERR_LIMIT,
				"%s grows to more than %d times its size at offset %lld: not read further", u->path,
				RATIO_MAX, (long long)unpack_input(u));
		}
		if (dry && *got == 0)
			return u->inside ? ERR_AGAIN : ERR_EOF;
	}
	return ERR_OK;
}
