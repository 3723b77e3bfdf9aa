/* expr_fuzz.c - any bytes as an expression, run on any record.
 *
 * Input: the text up to the first NUL, then one byte a field: its kind and which of the input's bytes are its value.
 * Each input is compiled as a record rule's `when` and as a window rule's. What compiles must have a canonical text that
 * compiles to the same expression.
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. rules/expr_fuzz.c -o expr_fuzz libweir.a ...
 *	cc -DFUZZ_REPLAY ... rules/expr_fuzz.c     a main that runs the files named on its command line, without libFuzzer
 */
#include "rules/expr_int.h"

#include "core/buf.h"
#include "core/num.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
compile(struct exprs *x, struct paths *paths, struct aggs *aggs, char *text, struct diags *d)
{
	int by = paths_add_dotted(paths, "k");
	struct scope s = { .prev = aggs == NULL, .aggs = aggs, .outside = &by, .noutside = aggs ? 1 : 0, .regex_limit = 200, .regex_subject = 64 };
	return expr_compile(x, (struct text_at){ text, { "fuzz", 1, 1 } }, &s, d);
}

/* Fields as a parser would hand them over: a number is a JSON number, all point into the input. */
static struct slice *
fields(const struct paths *paths, const uint8_t *data, size_t size)
{
	struct slice *slot = xcalloc(paths->n + 1, sizeof *slot);
	for (size_t i = 0; i < paths->n && size > 0; i++) {
		size_t from = data[i % size] % size, len = (size - from) % 24;
		struct slice s = { (const char *)data + from, (uint32_t)len, data[i % size] % (K_JSON + 1), 0 };
		double n;
		if (s.kind == K_NUM && !num_parse((struct str){ s.ptr, s.len }, &n)) {
			s.ptr = "-12.5e1";
			s.len = 7;
		}
		slot[i] = s;
	}
	return slot;
}

static void
once(char *text, const uint8_t *data, size_t size, struct aggs *aggs)
{
	struct paths paths = { 0 };
	struct exprs *x = exprs_new(&paths);
	struct diags d;
	diags_init(&d);
	int id = compile(x, &paths, aggs, text, &d);
	must((id >= 0) == (d.n == 0));
	if (id >= 0) {
		struct buf t;
		buf_init(&t, 1 << 24);
		expr_text(x, id, &t);
		size_t n = aggs ? aggs->n : 0;
		must(t.len > EXPR_TEXT_MAX || compile(x, &paths, aggs, t.data, &d) == id);
		must(aggs == NULL || aggs->n == n);
		expr_listing(x, id, &t);
		buf_free(&t);
		struct regex_scratch *re = regex_scratch_new();
		struct eval *e = eval_new(x, re);
		struct slice *slot = fields(&paths, data, size);
		struct val v[16] = { { .type = V_NUM, .n = 1 } };
		struct record r = { .slot = slot, .raw = { (const char *)data, size } };
		eval_begin(e, &r, STR("s"), NULL);
		if (size % 2)
			eval_set_prev(e, slot);
		if (n <= 16)
			eval_set_aggs(e, v);
		struct val got = eval_value(e, id);
		enum tri tri = eval_test(e, id);
		must(tri == (got.type != V_BOOL ? TRI_NULL : got.b ? TRI_TRUE : TRI_FALSE));
		free(slot);
		eval_free(e);
		regex_scratch_free(re);
	}
	diags_free(&d);
	exprs_free(x);
	paths_free(&paths);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = strnlen((const char *)data, size);
	char *text = xstrndup((const char *)data, len);
	struct aggs aggs = { 0 };
	once(text, data + len, size - len, NULL);
	once(text, data + len, size - len, &aggs);
	free(aggs.v);
	free(text);
	return 0;
}

#ifdef FUZZ_REPLAY
int
main(int argc, char **argv)
{
	static uint8_t data[1 << 20];
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		if (f == NULL) {
			perror(argv[i]);
			return 1;
		}
		size_t n = fread(data, 1, sizeof data, f);
		fclose(f);
		LLVMFuzzerTestOneInput(data, n);
	}
	printf("%d files\n", argc - 1);
	return 0;
}
#endif
