/* buf.c - growable bytes with a maximum. Growth doubles, so appending n bytes costs O(n) in all. */
#include "core/buf.h"

#include <stdio.h>
#include <stdlib.h>

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->over = false;
}

char *
buf_take(struct buf *b)
{
	char *p = b->data ? b->data : xcalloc(1, 1);
	*b = (struct buf){ .max = b->max };
	return p;
}

const char *
buf_z(struct buf *b)
{
	return b->len ? b->data : "";
}

char *
buf_room(struct buf *b, size_t n)
{
	must(b->max > 0);
	if (n > b->max || b->len > b->max - n) {
		b->over = true;
		return NULL;
	}
	if (b->len + n + 1 > b->cap) { /* one more for the NUL */
		size_t cap = b->cap ? b->cap * 2 : 64;
		while (cap < b->len + n + 1)
			cap *= 2;
		b->data = xrealloc(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = buf_room(b, n);
	if (to == NULL)
		return;
	if (n)
		memcpy(to, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void
buf_str_add(struct buf *b, struct str s)
{
	buf_add(b, s.ptr, s.len);
}

void
buf_addz(struct buf *b, const char *z)
{
	buf_add(b, z, strlen(z));
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	must(n >= 0);
	char *to = buf_room(b, (size_t)n);
	if (to == NULL)
		return;
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}
