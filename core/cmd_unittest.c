/* cmd_unittest.c - `weir test`: rule unit tests. (cmd_test.c is the command line's own unit test.)
 *
 * All files are read first: with any mistake in any of them nothing is run, exit 2. A failed test: exit 1.
 * Mistakes go to stderr, results to stdout.
 */
#include "core/cmd.h"
#include "core/ruletest.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

static bool
wanted(const char *pattern, const char *name)
{
	return pattern == NULL || strstr(name, pattern) || fnmatch(pattern, name, 0) == 0;
}

static bool
write_junit(const char *path, struct rt_file *const *f, size_t n)
{
	struct buf out;
	buf_init(&out, SIZE_MAX / 4);
	rt_report_junit(f, n, &out);
	FILE *to = fopen(path, "we");
	bool good = to != NULL;
	errno = 0;
	if (to) {
		good = fwrite(out.data, 1, out.len, to) == out.len;
		good &= fclose(to) == 0;
	}
	if (!good)
		fprintf(stderr, "weir test: cannot write %s: %s\n", path, strerror(errno));
	buf_free(&out);
	return good;
}

static int
load(struct rt_file **f, const struct cmd_opts *o)
{
	unsigned mistakes = 0;
	for (size_t i = 0; i < o->noperand; i++) {
		f[i] = xcalloc(1, sizeof *f[i]);
		rt_load(f[i], o->operand[i]);
		mistakes += f[i]->app.diags.n;
		fputs(buf_z(&f[i]->app.diags.text), stderr);
	}
	if (mistakes == 0)
		return CMD_DONE;
	fprintf(stderr, "weir test: %u mistake%s; nothing was run\n", mistakes, mistakes == 1 ? "" : "s");
	return CMD_USAGE;
}

static int
run(struct rt_file **f, const struct cmd_opts *o)
{
	size_t passed = 0, failed = 0, passed_over = 0;
	struct rt_cover *cover = o->coverage ? rt_cover_new() : NULL;
	struct buf out;
	buf_init(&out, SIZE_MAX / 4);
	for (size_t i = 0; i < o->noperand; i++)
		for (size_t k = 0; k < f[i]->ntest; k++) {
			struct rt_test *t = &f[i]->test[k];
			t->skipped = !wanted(o->only, t->name);
			if (t->skipped) {
				passed_over++;
				continue;
			}
			rt_run(f[i], t, cover);
			passed += !t->failed;
			failed += t->failed;
			buf_clear(&out);
			rt_report_test(f[i], t, &out);
			fwrite(out.data, 1, out.len, stdout);
			fflush(stdout);
		}
	printf("%zu passed, %zu failed", passed, failed);
	if (passed_over)
		printf(", %zu not run", passed_over);
	putchar('\n');
	buf_clear(&out);
	if (cover) {
		rt_cover_report(cover, &out);
		fwrite(out.data, 1, out.len, stdout);
	}
	rt_cover_free(cover);
	buf_free(&out);
	if (passed + failed == 0) {
		fprintf(stderr, "weir test: no test's name fits --run %s\n", o->only);
		return CMD_USAGE;
	}
	if (o->junit && !write_junit(o->junit, f, o->noperand))
		return CMD_FAILED;
	return failed ? CMD_FOUND : CMD_DONE;
}

int
cmd_test_files(const struct cmd_opts *o)
{
	if (o->noperand == 0) {
		fprintf(stderr, "weir test: needs at least one test file\n");
		return CMD_USAGE;
	}
	struct rt_file **f = xcalloc(o->noperand, sizeof *f);
	int code = load(f, o);
	if (code == CMD_DONE)
		code = run(f, o);
	for (size_t i = 0; i < o->noperand; i++) {
		rt_file_free(f[i]);
		free(f[i]);
	}
	free(f);
	return code;
}
