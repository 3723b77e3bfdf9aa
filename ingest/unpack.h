/* unpack.h - bytes out of a .gz (all its members) or a .zst (all its frames), as a stream.
 *
 * Bounds: 64 KiB of input in memory; a zstd window of at most 128 MiB; output at most 64 MiB plus 2000 times the
 * input read so far (gzip cannot pass 1032), so that a small file cannot keep a reader busy for ever.
 * Cost: O(bytes); there is no going back.
 */
#ifndef WEIR_UNPACK_H
#define WEIR_UNPACK_H

#include "core/base.h"

struct unpack;
/* fd is borrowed and read with pread from its start. By its first bytes; neither format: NULL, why says so. */
struct unpack *unpack_open(int fd, const char *path, struct errinfo *why);
void unpack_free(struct unpack *u);
/* Up to n bytes. ERR_OK: *got > 0. ERR_EOF: the end, at a whole member. ERR_AGAIN: the input stops inside a member (cut
 * off, or still being written: more may come). ERR_CORRUPT, ERR_LIMIT, ERR_IO: why names the offset; all that was
 * readable before it has been given. */
enum err unpack_read(struct unpack *u, char *to, size_t n, size_t *got, struct errinfo *why) MUST_CHECK;
int64_t unpack_input(const struct unpack *u); /* offset reached in the packed file */

#endif
