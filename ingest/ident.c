/* ident.c - file identity, and positions as bytes.
 *
 * In: an open file or a path. Out: struct fstate, or bytes of a fixed layout (little-endian, version first).
 * Never: opens or reads a file.
 */
#include "ingest/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define PLACE_VERSION 1

static int
state_of(int fd, const char *path, struct fstate *out)
{
	struct statx x;
	int flags = path ? AT_NO_AUTOMOUNT : AT_EMPTY_PATH;
	if (statx(path ? AT_FDCWD : fd, path ? path : "", flags, STATX_BASIC_STATS | STATX_BTIME, &x) == -1)
		return errno;
	*out = (struct fstate){
		.id = { .dev = makedev(x.stx_dev_major, x.stx_dev_minor), .ino = x.stx_ino },
		.size = (int64_t)x.stx_size,
		.mtime = x.stx_mtime.tv_sec * NS_PER_S + x.stx_mtime.tv_nsec,
		.ctime = x.stx_ctime.tv_sec * NS_PER_S + x.stx_ctime.tv_nsec,
		.regular = S_ISREG(x.stx_mode),
	};
	if (x.stx_mask & STATX_BTIME)
		out->id.btime = x.stx_btime.tv_sec * NS_PER_S + x.stx_btime.tv_nsec;
	return 0;
}

int
ident_path(const char *path, struct fstate *out)
{
	return state_of(-1, path, out);
}

int
ident_fd(int fd, struct fstate *out)
{
	int e = state_of(fd, NULL, out);
	long gen = 0; /* the kernel writes an int on some systems, a long on others */
	if (e == 0 && out->regular && ioctl(fd, FS_IOC_GETVERSION, &gen) == 0)
		out->id.gen = (uint32_t)gen;
	return e;
}

bool
ident_same(const struct ident *a, const struct ident *b)
{
	return a->dev == b->dev && a->ino == b->ino && (!a->gen || !b->gen || a->gen == b->gen) &&
		(!a->btime || !b->btime || a->btime == b->btime);
}

uint64_t
ident_hash(const void *p, size_t n)
{
	const unsigned char *s = p;
	uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ n;
	while (n) {
		uint64_t w = 0;
		size_t k = n < 8 ? n : 8;
		for (size_t i = 0; i < k; i++)
			w |= (uint64_t)s[i] << (8 * i);
		h = (h ^ w) * UINT64_C(0xd6e8feb86659fd93);
		h ^= h >> 32;
		s += k;
		n -= k;
	}
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 29;
}

static char *
put(char *to, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (char)(v >> (8 * i) & 0xff);
	return to + bytes;
}

static uint64_t
get(const char **from, size_t bytes)
{
	uint64_t v = 0;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)(unsigned char)(*from)[i] << (8 * i);
	*from += bytes;
	return v;
}

size_t
place_put(const struct place *p, char *out)
{
	char *to = put(out, PLACE_VERSION, 1);
	to = put(to, p->flags, 1);
	to = put(to, (uint64_t)p->off, 8);
	to = put(to, (uint64_t)p->seq, 8);
	to = put(to, p->id.dev, 8);
	to = put(to, p->id.ino, 8);
	to = put(to, p->id.gen, 8);
	to = put(to, (uint64_t)p->id.btime, 8);
	to = put(to, (uint64_t)p->mtime, 8);
	to = put(to, p->head_len, 2);
	to = put(to, p->mark_len, 2);
	to = put(to, p->head, 8);
	to = put(to, p->mark, 8);
	to = put(to, ident_hash(out, (size_t)(to - out)), 8);
	must(to - out == PLACE_BYTES);
	return (size_t)(to - out);
}

bool
place_get(struct place *p, struct str s)
{
	char same[PLACE_BYTES];
	const char *at = s.ptr;
	if (s.len != PLACE_BYTES || get(&at, 1) != PLACE_VERSION)
		return false;
	p->flags = (unsigned)get(&at, 1);
	p->off = (int64_t)get(&at, 8);
	p->seq = (int64_t)get(&at, 8);
	p->id.dev = get(&at, 8);
	p->id.ino = get(&at, 8);
	p->id.gen = get(&at, 8);
	p->id.btime = (int64_t)get(&at, 8);
	p->mtime = (int64_t)get(&at, 8);
	p->head_len = (uint16_t)get(&at, 2);
	p->mark_len = (uint16_t)get(&at, 2);
	p->head = get(&at, 8);
	p->mark = get(&at, 8);
	/* Written again it must give the same bytes, its own hash included. */
	return p->off >= 0 && p->seq >= 0 && p->head_len <= HEAD_MAX && p->mark_len <= MARK_MAX &&
		place_put(p, same) == s.len && memcmp(same, s.ptr, s.len) == 0;
}
