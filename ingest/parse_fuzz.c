/* parse_fuzz.c - any bytes through the parser, line by line, with one handle.
 *
 * What must hold: a line that is refused leaves no slot set; a slice lies in its line or in the arena, and text is
 * UTF-8; the same line gives the same answer again; a good line after it is read as ever. Links with libFuzzer
 * (-DLIBFUZZER), or runs the files named on the command line.
 */
#include "ingest/parse.h"

#include "core/json.h"
#include "core/num.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SLOTS 8

static struct paths paths;
static struct parser *parser;
static struct arena arena;

static void
setup(void)
{
	static const char *const want[SLOTS] = { "a", "a.b", "a.b.c", "b", "level", "extra.stage", "a.b.c.a.b.c", "x" };
	for (size_t i = 0; i < SLOTS; i++)
		must(paths_add_dotted(&paths, want[i]) == (int)i);
	parser = parser_new(&paths);
}

static void
check_slice(const struct record *r, const struct slice *s)
{
	if (s->kind <= K_TRUE)
		return;
	struct str text = { s->ptr, s->len };
	bool in_line = s->ptr >= r->raw.ptr && s->ptr + s->len <= r->raw.ptr + r->raw.len;
	must(in_line || (s->kind == K_STR && arena_has(&arena, s->ptr)));
	must(utf8_valid(text) == text.len);
	double v;
	nsec t;
	must(s->kind != K_NUM || num_parse(text, &v));
	(void)stamp_parse(text, NULL, &t);
}

static void
one_line(struct str line)
{
	struct slice slot[SLOTS], again[SLOTS];
	struct record r = { .slot = slot, .raw = line };
	enum parse_verdict v = parse(parser, &r, &arena);
	must(v < PARSE_LONG);
	for (size_t i = 0; i < SLOTS; i++) {
		must(v == PARSE_OK || slot[i].kind == K_NONE);
		check_slice(&r, &slot[i]);
	}
	r.slot = again;
	must(parse(parser, &r, &arena) == v);
	for (size_t i = 0; i < SLOTS; i++)
		must(slot[i].kind == again[i].kind &&
			str_eq((struct str){ slot[i].ptr, slot[i].len }, (struct str){ again[i].ptr, again[i].len }));
	r.raw = STR("{\"a\":{\"b\":1}}");
	must(parse(parser, &r, &arena) == PARSE_OK && again[0].kind == K_JSON && again[1].kind == K_NUM && again[3].kind == K_NONE);
	arena_reset(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (parser == NULL)
		setup();
	for (size_t at = 0; at < size;) {
		const uint8_t *nl = memchr(data + at, '\n', size - at);
		size_t len = nl ? (size_t)(nl - data) - at : size - at;
		char *line = xmemdup(data + at, len ? len : 1); /* of its own: a read past its end is seen */
		one_line((struct str){ line, len });
		free(line);
		at += len + 1;
	}
	return 0;
}

#ifndef LIBFUZZER
int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		static uint8_t data[1 << 20];
		FILE *f = fopen(argv[i], "rb");
		if (f == NULL) {
			perror(argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, f));
		fclose(f);
	}
	parser_free(parser);
	paths_free(&paths);
	arena_free(&arena);
	return 0;
}
#endif
