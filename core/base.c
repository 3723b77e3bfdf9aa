/* base.c - views, assertions, memory that cannot fail, clocks. */
#include "core/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
	return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

bool
str_has(struct str s, struct str part)
{
	return part.len == 0 || (s.len >= part.len && memmem(s.ptr, s.len, part.ptr, part.len) != NULL);
}

static inline uint64_t
load64(const char *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

static inline uint64_t
fold(uint64_t a, uint64_t b) /* the two halves of the 128-bit product: mixes all bits of both */
{
	__extension__ unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Folded multiplication over 16-byte steps, in the manner of Wang Yi's wyhash; the seed keeps hostile keys from
 * being chosen ahead. */
uint64_t
str_hash(struct str s, uint64_t seed)
{
	const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15), k1 = UINT64_C(0xd6e8feb86659fd93);
	const char *p = s.ptr;
	size_t n = s.len;
	uint64_t h = seed ^ fold(s.len ^ k0, k1);
	for (; n > 16; p += 16, n -= 16)
		h = fold(load64(p) ^ k0, load64(p + 8) ^ h);
	uint64_t a = 0, b = 0;
	if (n >= 8) {
		a = load64(p);
		b = load64(p + n - 8);
	} else if (n > 0) {
		char last[8] = { 0 };
		memcpy(last, p, n);
		a = load64(last);
	}
	return fold(a ^ k1, b ^ h ^ k0);
}

void
must_fail(const char *cond, const char *file, int line)
{
	fprintf(stderr, "weir: broken invariant: %s at %s:%d\n", cond, file, line);
	abort();
}

_Noreturn static void
die_oom(size_t n)
{
	fprintf(stderr, "weir: out of memory asking for %zu bytes; the next start goes on from the last checkpoint\n", n);
	_exit(3);
}

void *
xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);
	if (p == NULL)
		die_oom(n);
	return p;
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);
	if (p == NULL)
		die_oom(n * size);
	return p;
}

void *
xrealloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);
	if (q == NULL)
		die_oom(n);
	return q;
}

void *
xmemdup(const void *p, size_t n)
{
	void *q = xmalloc(n);
	if (n)
		memcpy(q, p, n);
	return q;
}

char *
xstrndup(const char *p, size_t n)
{
	char *q = xmalloc(n + 1);
	if (n)
		memcpy(q, p, n);
	q[n] = '\0';
	return q;
}

char *
xstrdup(const char *z)
{
	return z ? xstrndup(z, strlen(z)) : NULL;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *out;
	va_start(ap, fmt);
	if (vasprintf(&out, fmt, ap) == -1)
		die_oom(strlen(fmt));
	va_end(ap);
	return out;
}

enum err
err_set(struct errinfo *e, enum err code, const char *fmt, ...)
{
	if (e && e->code == ERR_OK) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof e->text, fmt, ap);
		va_end(ap);
		e->code = code;
	}
	return code;
}

static nsec
clock_ns(clockid_t id)
{
	struct timespec t;
	must(clock_gettime(id, &t) == 0);
	return (nsec)t.tv_sec * NS_PER_S + t.tv_nsec;
}

nsec
wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

nsec
mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}
