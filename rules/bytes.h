/* bytes.h - rows of bytes, written and read back: integers and doubles as they lie in memory, blobs with their length.
 *
 * A reader that ran short is bad, gives zeros, and stays bad: ask once at the end.
 */
#ifndef WEIR_BYTES_H
#define WEIR_BYTES_H

#include "core/buf.h"

#define PUT(b, v) buf_add((b), &(v), sizeof(v))

static inline void
put_blob(struct buf *b, const void *p, uint32_t n)
{
	PUT(b, n);
	if (n)
		buf_add(b, p, n);
}

struct reader {
	const char *p, *end;
	bool bad;
};

static inline void
take(struct reader *r, void *to, size_t n)
{
	if ((size_t)(r->end - r->p) < n) {
		r->bad = true;
		memset(to, 0, n);
		return;
	}
	memcpy(to, r->p, n);
	r->p += n;
}
#define TAKE(r, v) take((r), &(v), sizeof(v))

static inline const char * /* a view of the row */
take_blob(struct reader *r, uint32_t *n)
{
	TAKE(r, *n);
	if (r->bad || (size_t)(r->end - r->p) < *n) {
		r->bad = true;
		*n = 0;
	}
	const char *p = r->p;
	r->p += *n;
	return p;
}

#endif
