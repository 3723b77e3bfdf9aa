/* record.c - the registry of field paths. Built at start, so a linear search is fine. */
#include "core/record.h"

#include "core/buf.h"
#include "core/json.h"

#include <stdlib.h>

static bool
plain_key(struct str s)
{
	if (s.len == 0 || (s.ptr[0] >= '0' && s.ptr[0] <= '9'))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return true;
}

static char *
spelling(const struct str *seg, size_t nseg)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < nseg; i++) {
		if (plain_key(seg[i])) {
			if (i)
				buf_addc(&b, '.');
			buf_str_add(&b, seg[i]);
		} else {
			buf_addc(&b, '[');
			json_str(&b, seg[i]);
			buf_addc(&b, ']');
		}
	}
	return buf_take(&b);
}

static bool
same(const struct path *p, const struct str *seg, size_t nseg)
{
	if (p->nseg != nseg)
		return false;
	for (size_t i = 0; i < nseg; i++)
		if (!str_eq((struct str){ p->seg[i], p->len[i] }, seg[i]))
			return false;
	return true;
}

int
paths_add(struct paths *p, const struct str *seg, size_t nseg)
{
	if (nseg == 0 || nseg > PATH_SEGS_MAX)
		return -1;
	for (size_t i = 0; i < p->n; i++)
		if (same(&p->v[i], seg, nseg))
			return (int)i;
	if (p->n == PATHS_MAX)
		return -1;
	GROW(p->v, p->n, p->cap);
	struct path *q = &p->v[p->n];
	*q = (struct path){ .text = spelling(seg, nseg), .nseg = nseg };
	q->seg = xcalloc(nseg, sizeof *q->seg);
	q->len = xcalloc(nseg, sizeof *q->len);
	for (size_t i = 0; i < nseg; i++) {
		q->seg[i] = xstr(seg[i]);
		q->len[i] = seg[i].len;
	}
	return (int)p->n++;
}

int
paths_add_dotted(struct paths *p, const char *dotted)
{
	struct str seg[PATH_SEGS_MAX];
	size_t n = 0;
	for (const char *at = dotted;;) {
		size_t len = strcspn(at, ".");
		if (n == PATH_SEGS_MAX)
			return -1;
		seg[n++] = (struct str){ at, len };
		if (at[len] == '\0')
			return paths_add(p, seg, n);
		at += len + 1;
	}
}

void
paths_free(struct paths *p)
{
	for (size_t i = 0; i < p->n; i++) {
		for (size_t k = 0; k < p->v[i].nseg; k++)
			free(p->v[i].seg[k]);
		free(p->v[i].seg);
		free(p->v[i].len);
		free(p->v[i].text);
	}
	free(p->v);
	*p = (struct paths){ 0 };
}
