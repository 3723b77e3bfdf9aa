/* ident.h - what a file is, whatever its name: and a position in it as bytes.
 *
 * Device and inode alone name a file only while it exists: ext4 hands out a freed inode at once. So the inode's
 * generation and the birth time belong to it (each 0 where the file system has none), and a position carries what
 * the file said: a fingerprint of its head, as much of it as was read, and a hash of the bytes just before the
 * offset. A copy of a file, compressed or not, has the same head and the same bytes there.
 */
#ifndef WEIR_IDENT_H
#define WEIR_IDENT_H

#include "core/base.h"

struct ident {
	uint64_t dev, ino;
	uint64_t gen;  /* FS_IOC_GETVERSION; only from an open file */
	int64_t btime; /* ns */
};

struct fstate { /* what a file is like now */
	struct ident id;
	int64_t size;
	nsec mtime, ctime;
	bool regular;
};

/* 0 or an errno. */
int ident_fd(int fd, struct fstate *out) MUST_CHECK;
int ident_path(const char *path, struct fstate *out) MUST_CHECK; /* without gen */
/* Parts that one side does not know are not compared. */
bool ident_same(const struct ident *a, const struct ident *b);

#define HEAD_MAX 1024 /* bytes of the fingerprint, and of the hash before the offset */
#define MARK_MAX 1024

uint64_t ident_hash(const void *p, size_t n); /* stable over versions: it is stored */

enum place_flag {
	PLACE_DROP = 1,    /* inside a line over max_record: up to the newline it is dropped */
	PLACE_NUL = 2,     /* everything so far was NUL (a hole that a truncation left): no record has begun */
	PLACE_STREAM0 = 4, /* inside an overlong record of that envelope stream; the next bit: of stream 1 */
};

struct place {
	struct ident id;
	int64_t off;   /* in the file, decompressed */
	int64_t seq;   /* of that byte in its partition */
	nsec mtime;    /* as last seen: tells, once the file is gone, which others are newer */
	unsigned flags;
	uint16_t head_len, mark_len;
	uint64_t head, mark;
};

#define PLACE_BYTES 86
size_t place_put(const struct place *p, char *out); /* PLACE_BYTES written */
bool place_get(struct place *p, struct str bytes);  /* false: not such bytes, or of another version */

#endif
