/* tap.h - the whole test framework: TAP on stdout (https://testanything.org), one program a test file.
 *
 * ok(cond, name...) counts and prints one line; tap_done() prints the plan and gives main's answer.
 */
#ifndef WEIR_TAP_H
#define WEIR_TAP_H

#include "core/base.h"

#include <stdarg.h>
#include <stdio.h>

static int tap_run, tap_failed;

static inline bool PRINTF(4, 5)
tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	printf("%sok %d - ", good ? "" : "not ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!good) {
		tap_failed++;
		printf("# at %s:%d\n", file, line);
	}
	fflush(stdout);
	return good;
}
#define ok(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)

static inline bool
tap_is(struct str got, struct str want, const char *file, int line, const char *name)
{
	bool good = tap_ok(str_eq(got, want), file, line, "%s", name);
	if (!good)
		printf("#  got: %.*s\n# want: %.*s\n", STR_ARG(got), STR_ARG(want));
	return good;
}
#define is(got, want, name) tap_is((got), (want), __FILE__, __LINE__, (name))
#define isz(got, want, name) tap_is(str_of(got), str_of(want), __FILE__, __LINE__, (name))

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed ? 1 : 0;
}

#endif
