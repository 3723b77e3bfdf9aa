/* link.h - one file of a chain while it is read: plain or packed, from a place on, into batches of whole records.
 *
 * What a link knows of its position is exactly what a struct place says: nothing that was read ahead is kept for a
 * plain file (a line without its end is read again), so that going on and starting again cannot differ.
 * Each read of a plain file also fetches the bytes before the offset and compares them: a file that was cut or
 * written anew under the reader is noticed at that read, whatever its size is by then.
 */
#ifndef WEIR_LINK_H
#define WEIR_LINK_H

#include "ingest/ident.h"
#include "ingest/source.h"

struct unpack;
struct link {
	char *path;
	int fd; /* -1: not open */
	struct unpack *un;
	bool stream;   /* packed, or a pipe: read once, from front to end */
	bool stamped;  /* a spool whose lines begin with their read time */
	struct ident id;
	int64_t off;   /* next byte to give */
	int64_t base;  /* seq of byte 0 of the file */
	int64_t seen;  /* size of the file up to which the last fill looked */
	int64_t known; /* the greatest size any look saw since: what a truncation may cost */
	nsec mtime, ctime;
	unsigned flags; /* enum place_flag */
	bool stale;    /* the handle died (network file systems): to be opened anew by its name */
	bool at_end;   /* the last fill reached the end of what there is */
	size_t head_len, mark_len;
	char head[HEAD_MAX], mark[MARK_MAX];
	char *carry;   /* stream: read and not yet given, from off on */
	size_t carry_len, carry_cap;
};

#define LINK_NONE ((struct link){ .fd = -1 })

/* Take over fd, at offset 0; base is the seq of its first byte. The fd is closed on failure. */
enum err link_open(struct link *l, int fd, const char *path, int64_t base, struct errinfo *why) MUST_CHECK;
/* The same for a pipe; reads of it block. It has no place to come back to. */
void link_open_pipe(struct link *l, int fd, const char *path);
void link_free(struct link *l); /* *l is LINK_NONE after */
/* Go to p->off if the content is what p says, keeping its seq; ERR_BAD: another content, ERR_IO. A packed file is
 * unpacked up to there. The link must be fresh from link_open. */
enum err link_seek(struct link *l, const struct place *p, struct errinfo *why) MUST_CHECK;
/* Plain: start at the end; *tail is where the last line before it begins, -1 if there is none to take a time from. */
enum err link_to_end(struct link *l, const struct batch *shape, int64_t *tail, struct errinfo *why) MUST_CHECK;
/* One batch that holds only the line at tail, flagged time_only; the position stays. */
enum err link_tail(struct link *l, int64_t tail, struct batch *b, struct errinfo *why) MUST_CHECK;
void link_place(const struct link *l, struct place *p);
/* The next batch. last: the file ends where it ends, an unfinished line is a record. ERR_AGAIN: no whole record (last:
 * nothing at all). ERR_BAD: cut or written anew under us. ERR_IO; packed also ERR_CORRUPT, ERR_LIMIT. */
enum err link_fill(struct link *l, struct batch *b, bool last, struct errinfo *why) MUST_CHECK;
void link_stat(struct link *l); /* known, mtime, ctime anew; packed: seen too */

#endif
