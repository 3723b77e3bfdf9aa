/* spool.h - lines that cannot be read again, on disk before anything else is done with them.
 *
 * A folder of segment files, each named by the seq of its first byte (16 hex digits) and begun at a line's start. New
 * bytes go to the newest; what lies before the checkpoint is kept up to a limit and then dropped by whole segments.
 * Durable against the death of the process at once; against that of the machine once the kernel has written it back
 * (spool_sync asks for that before a checkpoint may rely on it).
 */
#ifndef WEIR_SPOOL_H
#define WEIR_SPOOL_H

#include "core/base.h"

#define SEGMENT_BYTES (INT64_C(16) << 20)

struct segment {
	int64_t base, size; /* seq of its first byte; bytes */
};

struct spool {
	char *dir;
	struct segment *seg; /* ascending */
	size_t n, cap;
	int fd;              /* of the newest, once written to; -1 */
	bool stamps;         /* put the time before each line */
	bool inside;         /* the last byte written was no newline */
	int64_t least;       /* the next segment begins at this seq or later */
	int64_t keep;        /* bytes kept behind the checkpoint */
	bool dirty;          /* written since the last sync */
};

/* dir is created if need be; what it holds is found. */
enum err spool_open(struct spool *sp, const char *dir, bool stamps, int64_t keep, struct errinfo *why) MUST_CHECK;
void spool_close(struct spool *sp);
/* Append; at is the time of reading. ERR_FULL, ERR_IO: only the first *done bytes are in. */
enum err spool_write(struct spool *sp, const char *p, size_t n, nsec at, size_t *done, struct errinfo *why) MUST_CHECK;
void spool_sync(struct spool *sp); /* a failure ends the process: nothing says what is on the disk then */
void spool_trim(struct spool *sp, int64_t kept); /* the checkpoint stands at seq kept */
int64_t spool_end(const struct spool *sp);       /* seq after the last byte */
char *spool_path(const struct spool *sp, size_t i); /* owned by the caller */

#endif
