/* buf.h - growable owned bytes with a stated maximum and a sticky overflow mark.
 *
 * { 0 } is not valid: buf_init names the maximum. Appends past it set `over` and change nothing more, so that
 * a writer appends freely and asks once at the end. data is NUL-terminated whenever len > 0 or after buf_z().
 */
#ifndef WEIR_BUF_H
#define WEIR_BUF_H

#include "core/base.h"

#include <stdarg.h>

struct buf {
	char *data;
	size_t len, cap, max;
	bool over; /* an append did not fit under max: the content is cut */
};

void buf_init(struct buf *b, size_t max); /* allocates nothing */
void buf_free(struct buf *b);             /* contents; b may be init'ed again */
void buf_clear(struct buf *b);            /* len = 0, over = false; keeps memory */
char *buf_take(struct buf *b);            /* ownership of the NUL-terminated bytes moves to the caller; b is empty after */
const char *buf_z(struct buf *b);         /* NUL-terminated view, "" when empty */
static inline struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->data, b->len };
}
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str_add(struct buf *b, struct str s);
void buf_addz(struct buf *b, const char *z);
void buf_addc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
char *buf_room(struct buf *b, size_t n); /* n writable bytes at data + len, NULL past max; then b->len += used */

#endif
