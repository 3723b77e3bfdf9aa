/* base.h - the vocabulary under everything else: string views, assertions, errors, memory.
 *
 * struct str is a VIEW: pointer and length, passed by value, never freed, never NUL-terminated. It dies with
 * the bytes it points into (a record's views die with their batch). Whatever must live longer is copied with
 * an explicit x*dup. `char *` in a struct is OWNED by that struct and NUL-terminated.
 */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

struct str {
	const char *ptr;
	size_t len;
};

#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_ARG(s) (int)(s).len, (s).ptr /* for "%.*s" */

static inline struct str
str_of(const char *z) /* view of a C string; NULL gives the empty view */
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

int str_cmp(struct str a, struct str b); /* bytewise, shorter first on a common prefix */
bool str_starts(struct str s, struct str prefix);
bool str_has(struct str s, struct str part); /* memmem */
uint64_t str_hash(struct str s, uint64_t seed); /* fast, seeded, not cryptographic; O(len) */

/* A broken invariant ends the process at once with file, line and condition. Always on. Never for input. */
#define must(cond) (LIKELY(cond) ? (void)0 : must_fail(#cond, __FILE__, __LINE__))
_Noreturn void must_fail(const char *cond, const char *file, int line);

/* Allocation that cannot fail: exhaustion ends the process (restart goes on from the checkpoint). */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
void *xmemdup(const void *p, size_t n);
char *xstrdup(const char *z);          /* NULL gives NULL */
char *xstrndup(const char *p, size_t n); /* adds the NUL */
static inline char *
xstr(struct str s)
{
	return xstrndup(s.ptr, s.len);
}
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

/* Make room for one more element in a growing array: v and cap are lvalues, n is its length. Amortised O(1). */
#define GROW(v, n, cap)                                                                            \
	((n) < (cap) ? (void)0 :                                                                   \
		       (void)((cap) = (cap) ? (cap) * 2 : 8, (v) = xrealloc((v), (cap) * sizeof *(v))))

/* What a fallible call answers. Hot paths return the code only; open/config/compile paths add an errinfo. */
enum err {
	ERR_OK = 0,
	ERR_AGAIN,   /* nothing now, try later (wait for the fd or the clock) */
	ERR_EOF,     /* nothing more, ever */
	ERR_IO,      /* the system refused: errno told in the text */
	ERR_CONF,    /* the user's configuration is wrong: exit 2 */
	ERR_LIMIT,   /* a stated maximum is reached */
	ERR_CORRUPT, /* bytes on disk are not what was written: exit 3 */
	ERR_BUSY,    /* locked by another process: exit 3 */
	ERR_FULL,    /* no space on the device */
	ERR_BAD      /* malformed input */
};

struct errinfo {
	enum err code;
	char text[512]; /* one full sentence: what, where, what to do */
};

/* Fill *e (if not NULL and not yet filled: the first error wins) and return code. */
enum err err_set(struct errinfo *e, enum err code, const char *fmt, ...) PRINTF(3, 4);

typedef int64_t nsec; /* nanoseconds: since the epoch for event and wall time, since boot for monotonic */
#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_NONE INT64_MIN /* no time known */

nsec wall_ns(void); /* CLOCK_REALTIME; only the edges (sources, delivery, store) may ask */
nsec mono_ns(void); /* CLOCK_MONOTONIC */

#endif
