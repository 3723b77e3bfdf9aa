/* parse_test.c - the parser: verdicts on every class of bad and good JSON, values, duplicates, memory.
 *
 * testdata/json/cases holds the lines, testdata/json/verdicts.golden what becomes of each. Duplicate keys and dotted
 * spellings are compared with a plain tree that keeps everything. Each line stands in a block of exactly its size,
 * so that a sanitizer sees a read past it.
 */
#include "ingest/parse.h"

#include "core/buf.h"
#include "core/json.h"
#include "core/tap.h"

#include <stdlib.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_MALLOC 1
/* Every allocation of the process passes here, those of yajl too. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
static unsigned long allocations;

void *
malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}
#endif

/* A parser with its record: everything one test needs. */
struct bed {
	struct paths paths;
	struct parser *parser;
	struct record rec;
	struct arena arena;
	char *line;
};

static void
bed_open(struct bed *b, const char *const *dotted, size_t n)
{
	*b = (struct bed){ 0 };
	for (size_t i = 0; i < n; i++)
		must(paths_add_dotted(&b->paths, dotted[i]) == (int)i);
	b->parser = parser_new(&b->paths);
	b->rec.slot = xcalloc(b->paths.n + 1, sizeof *b->rec.slot);
}

static enum parse_verdict
bed_parse(struct bed *b, struct str line)
{
	free(b->line);
	b->line = xmalloc(line.len ? line.len : 1);
	if (line.len)
		memcpy(b->line, line.ptr, line.len);
	arena_reset(&b->arena);
	memset(b->rec.slot, 0xff, b->paths.n * sizeof *b->rec.slot); /* all slots must be written */
	b->rec.raw = (struct str){ b->line, line.len };
	return parse(b->parser, &b->rec, &b->arena);
}

static void
bed_close(struct bed *b)
{
	parser_free(b->parser);
	paths_free(&b->paths);
	arena_free(&b->arena);
	free(b->rec.slot);
	free(b->line);
}

/* A slot as text: "-" none, null, true, false, numbers and JSON as they are, strings in quotes. */
static void
slot_text(struct buf *out, const struct slice *s)
{
	static const char *const word[] = { "-", "null", "false", "true" };
	buf_clear(out);
	if (s->kind <= K_TRUE)
		buf_addz(out, word[s->kind]);
	else if (s->kind == K_STR)
		json_str(out, (struct str){ s->ptr, s->len });
	else
		buf_add(out, s->ptr, s->len);
}

/* --- verdicts --------------------------------------------------------------------------------------------------- */

static char *
file_read(const char *name)
{
	FILE *f = fopen(name, "rb");
	if (f == NULL)
		return NULL;
	struct buf b;
	buf_init(&b, 4 << 20);
	char part[4096];
	for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
		buf_add(&b, part, n);
	fclose(f);
	return buf_take(&b);
}

static unsigned
hex(const char *p)
{
	char t[3] = { p[0], p[1], 0 };
	return (unsigned)strtoul(t, NULL, 16);
}

/* %HH is a byte, %(N:text) is text N times. */
static void
expand(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '%') {
			buf_addc(out, s.ptr[i]);
		} else if (s.ptr[i + 1] != '(') {
			buf_addc(out, (char)hex(s.ptr + i + 1));
			i += 2;
		} else {
			char *colon;
			unsigned long times = strtoul(s.ptr + i + 2, &colon, 10);
			const char *end = memchr(colon, ')', (size_t)(s.ptr + s.len - colon));
			must(*colon == ':' && end);
			while (times--)
				expand(out, (struct str){ colon + 1, (size_t)(end - colon - 1) });
			i = (size_t)(end - s.ptr);
		}
	}
}

static bool
all_none(const struct bed *b)
{
	for (size_t i = 0; i < b->paths.n; i++)
		if (b->rec.slot[i].kind != K_NONE)
			return false;
	return true;
}

static const char *
golden_word(enum parse_verdict v)
{
	static const char *const word[VERDICTS] = { "ok", "json", "utf-8", "depth", "second", "object", "long", "time" };
	return word[v];
}

static void
test_verdicts(void)
{
	static const char *const want[] = { "a", "a.b" };
	char *cases = file_read("testdata/json/cases"), *golden = file_read("testdata/json/verdicts.golden");
	struct bed b;
	struct buf line;
	unsigned n = 0;
	if (!ok(cases && golden, "testdata/json is there"))
		return;
	bed_open(&b, want, COUNT_OF(want));
	buf_init(&line, 4 << 20);
	for (char *c = cases, *g = golden; *c && *g; n++) {
		struct str cl = { c, strcspn(c, "\n") }, gl = { g, strcspn(g, "\n") };
		c += cl.len + (c[cl.len] == '\n');
		g += gl.len + (g[gl.len] == '\n');
		if (cl.ptr[0] == '#')
			continue;
		struct str name = { cl.ptr, (size_t)((const char *)memchr(cl.ptr, '\t', cl.len) - cl.ptr) };
		buf_clear(&line);
		expand(&line, (struct str){ name.ptr + name.len + 1, cl.len - name.len - 1 });
		enum parse_verdict v = bed_parse(&b, line.len ? buf_str(&line) : STR(""));
		char got[128];
		snprintf(got, sizeof got, "%.*s %s", STR_ARG(name), golden_word(v));
		is(str_of(got), gl, got);
		if (v != PARSE_OK && !all_none(&b))
			ok(false, "%.*s leaves slots behind", STR_ARG(name));
		if (bed_parse(&b, STR("{\"a\":{\"b\":\"next\"}}")) != PARSE_OK || b.rec.slot[0].kind != K_JSON ||
				!str_eq((struct str){ b.rec.slot[1].ptr, b.rec.slot[1].len }, STR("next")))
			ok(false, "%.*s leaves a trace in the next line", STR_ARG(name));
	}
	ok(n >= 300, "all cases were read");
	buf_free(&line);
	bed_close(&b);
	free(cases);
	free(golden);
}

/* One odd byte at every place of lines of every length around the steps of the scan. */
static void
test_bytes(void)
{
	static const struct {
		char byte;
		enum parse_verdict want;
	} odd[] = { { '\v', PARSE_JSON }, { '\f', PARSE_JSON }, { '\t', PARSE_OK }, { '\n', PARSE_OK }, { '\r', PARSE_OK },
		{ '\x80', PARSE_UTF8 }, { '\xff', PARSE_UTF8 }, { '\x7f', PARSE_JSON }, { '\x8b', PARSE_UTF8 } };
	struct bed b;
	char line[80];
	unsigned wrong = 0;
	bed_open(&b, NULL, 0);
	for (size_t len = 3; len < sizeof line; len++)
		for (size_t at = 1; at + 1 < len; at++)
			for (size_t i = 0; i < COUNT_OF(odd); i++) {
				memset(line, ' ', len);
				line[0] = '{';
				line[len - 1] = '}';
				line[at] = odd[i].byte;
				wrong += bed_parse(&b, (struct str){ line, len }) != odd[i].want;
			}
	ok(wrong == 0, "odd bytes at every place");
	bed_close(&b);
}

/* --- values ----------------------------------------------------------------------------------------------------- */

static const char *const value_paths[] = { "a", "a.b", "a.b.c", "x", "x.y.z", "k", "p.q.r.s.t.u", "\xc3\xa9" };
static const struct {
	const char *line, *want; /* the slots of value_paths, a blank between */
} values[] = {
	{ "{\"a\":1,\"x\":\"s\",\"k\":null}", "1 - - \"s\" - null - -" },
	{ "{\"a\":true,\"x\":false}", "true - - false - - - -" },
	{ "{\"a\":18446744073709551616,\"x\":-1e999}", "18446744073709551616 - - -1e999 - - - -" },
	{ "{\"a\": { \"b\" : [1, {\"c\":2}] } }", "{ \"b\" : [1, {\"c\":2}] } [1, {\"c\":2}] - - - - - -" },
	{ "{\"a\":{\"b\":{\"c\":0}}}", "{\"b\":{\"c\":0}} {\"c\":0} 0 - - - - -" },
	{ "{\"a\":[{\"b\":1}],\"x\":[{\"y\":{\"z\":1}}]}", "[{\"b\":1}] - - [{\"y\":{\"z\":1}}] - - - -" },
	{ "{\"n\":{\"a\":1,\"x\":2},\"m\":[{\"a\":1}],\"k\":3}", "- - - - - 3 - -" },
	{ "{\"a\":\"\"}", "\"\" - - - - - - -" },
	{ "{\"a\":[],\"x\":{}}", "[] - - {} - - - -" },
	{ "{\"x\":{\"y\":{\"z\":\"v\"}}}", "- - - {\"y\":{\"z\":\"v\"}} \"v\" - - -" },
	{ "{\"p\":\"s\",\"k\":{\"a\":1}}", "- - - - - {\"a\":1} - -" }, /* a scalar where only fields below are wanted */
	/* escapes */
	{ "{\"a\":\"q\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\"}", "\"q\\\"\\\\/\\u0008\\u000c\\n\\r\\tA\xc3\xa9\" - - - - - - -" },
	{ "{\"a\":\"x\\u0000y\"}", "\"x\\u0000y\" - - - - - - -" },
	{ "{\"a\":\"\\ud83d\\ude00\"}", "\"\xf0\x9f\x98\x80\" - - - - - - -" },
	{ "{\"a\":\"\\uD800\"}", "\"\xef\xbf\xbd\" - - - - - - -" },
	{ "{\"a\":\"?\\uDC00?\",\"x\":\"\\n\"}", "\"?\xef\xbf\xbd?\" - - \"\\n\" - - - -" },
	{ "{\"a\":\"\\uD800\\u0041\"}", "\"\xef\xbf\xbd"
					"A\" - - - - - - -" },
	{ "{\"a\":\"\\uD800\\uD83D\\uDE00\\\"\"}", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\\\"\" - - - - - - -" },
	{ "{\"a\":\"\\\\\\\"\\udfff\\\\\\\\\" , \"k\":1}", "\"\\\\\\\"\xef\xbf\xbd\\\\\\\\\" - - - - 1 - -" },
	{ "{\"a\":\"\\\\ud800\"}", "\"\\\\ud800\" - - - - - - -" },
	{ "{\"n\":\"\\ud800\",\"a\":\"\\t\"}", "\"\\t\" - - - - - - -" },
	{ "{\"\\u0061\":{\"\\u0062\":1}}", "{\"\\u0062\":1} 1 - - - - - -" },
	{ "{\"\\u00e9\":1}", "- - - - - - - 1" },
	{ "{\"\xc3\xa9\":2}", "- - - - - - - 2" },
	{ "{\"\\ud800\":1,\"\\u006b\":2}", "- - - - - 2 - -" },
	{ "{\"a\":{\"s\":\"\\n\"}}", "{\"s\":\"\\n\"} - - - - - - -" },
	/* duplicates: the last wins, whole */
	{ "{\"a\":1,\"a\":2}", "2 - - - - - - -" },
	{ "{\"a\":1,\"a\":null}", "null - - - - - - -" },
	{ "{\"a\":{\"b\":1},\"a\":{\"d\":2}}", "{\"d\":2} - - - - - - -" },
	{ "{\"a\":{\"b\":{\"c\":1}},\"a\":5}", "5 - - - - - - -" },
	{ "{\"a\":5,\"a\":{\"b\":{\"c\":1}}}", "{\"b\":{\"c\":1}} {\"c\":1} 1 - - - - -" },
	{ "{\"a\":{\"b\":{\"c\":1},\"b\":{}}}", "{\"b\":{\"c\":1},\"b\":{}} {} - - - - - -" },
	{ "{\"a\":{\"b\":1},\"\\u0061\":[]}", "[] - - - - - - -" },
	/* nested first, then a dotted key, whatever the order */
	{ "{\"a.b\":1}", "- 1 - - - - - -" },
	{ "{\"a.b\":1,\"a\":{\"b\":2}}", "{\"b\":2} 2 - - - - - -" },
	{ "{\"a\":{\"b\":2},\"a.b\":1}", "{\"b\":2} 2 - - - - - -" },
	{ "{\"a.b\":1,\"a\":{\"b\":null}}", "{\"b\":null} null - - - - - -" },
	{ "{\"a.b\":1,\"a\":{\"c\":2}}", "{\"c\":2} 1 - - - - - -" },
	{ "{\"a.b.c\":1}", "- - 1 - - - - -" },
	{ "{\"a.b.c\":1,\"a.b\":{\"c\":2}}", "- {\"c\":2} 2 - - - - -" },
	{ "{\"a.b\":{\"c\":2},\"a\":{\"b.c\":3}}", "{\"b.c\":3} {\"c\":2} 3 - - - - -" },
	{ "{\"a\":{\"b.c\":3,\"b\":{\"c\":4}},\"a.b\":{\"c\":2}}", "{\"b.c\":3,\"b\":{\"c\":4}} {\"c\":4} 4 - - - - -" },
	{ "{\"p\":{\"q\":{\"r\":{\"s\":{\"t\":{\"u\":1}}}}}}", "- - - - - - 1 -" },
	{ "{\"p.q.r.s.t.u\":1}", "- - - - - - 1 -" },
	{ "{\"p\":{\"q.r.s.t.u\":1}}", "- - - - - - - -" },
	/* both */
	{ "{\"a.b\":1,\"a\":{\"b\":2},\"a\":{}}", "{} 1 - - - - - -" },
	{ "{\"a\":{\"b\":2},\"a.b\":1,\"a\":{}}", "{} 1 - - - - - -" },
	{ "{\"a\":{\"b\":2},\"a.b\":1,\"a.b\":\"\\n\",\"a\":3}", "3 \"\\n\" - - - - - -" },
};

static void
test_values(void)
{
	struct bed b;
	struct buf got, one;
	bed_open(&b, value_paths, COUNT_OF(value_paths));
	buf_init(&got, 1 << 16);
	buf_init(&one, 1 << 16);
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		buf_clear(&got);
		if (bed_parse(&b, str_of(values[i].line)) != PARSE_OK)
			buf_addz(&got, "not ok: ");
		for (size_t k = 0; k < b.paths.n; k++) {
			slot_text(&one, &b.rec.slot[k]);
			if (k)
				buf_addc(&got, ' ');
			buf_str_add(&got, buf_str(&one));
		}
		is(buf_str(&got), str_of(values[i].want), values[i].line);
	}
	buf_free(&got);
	buf_free(&one);
	bed_close(&b);
}

/* Keys that only brackets can name, a NUL in one, and two paths that end at one key. */
static void
test_any_key(void)
{
	struct bed b = { 0 };
	const struct str odd[][2] = { { STR("b c"), STR("") }, { STR("n\0l"), STR("") }, { STR("a.b"), STR("") },
		{ STR("a"), STR("b") }, { STR("a"), STR("b c") }, { STR(""), STR("") } };
	for (size_t i = 0; i < COUNT_OF(odd); i++)
		must(paths_add(&b.paths, odd[i], odd[i][1].len ? 2 : 1) == (int)i);
	b.parser = parser_new(&b.paths);
	b.rec.slot = xcalloc(b.paths.n, sizeof *b.rec.slot);
	const char *line = "{\"b c\":1,\"n\\u0000l\":2,\"a.b\":3,\"a.b c\":4,\"\":5}";
	ok(bed_parse(&b, str_of(line)) == PARSE_OK, "odd keys parse");
	const char *want[] = { "1", "2", "3", "3", "-", "5" };
	struct buf one;
	buf_init(&one, 1 << 10);
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		slot_text(&one, &b.rec.slot[i]);
		is(buf_str(&one), str_of(want[i]), b.paths.v[i].text);
	}
	buf_free(&one);
	bed_close(&b);
	bed_open(&b, NULL, 0);
	ok(bed_parse(&b, STR("{\"a\":1}")) == PARSE_OK && bed_parse(&b, STR("{\"a\":}")) == PARSE_JSON, "no paths at all");
	bed_close(&b);
}

/* Thousands of wanted keys, all found and no other. */
static void
test_many_paths(void)
{
	struct bed b = { 0 };
	struct buf line;
	buf_init(&line, 1 << 20);
	for (unsigned i = 0; i < PATHS_MAX; i++) {
		char key[32];
		snprintf(key, sizeof key, "field_%u", i);
		must(paths_add_dotted(&b.paths, key) == (int)i);
		buf_printf(&line, "%s\"field_%u\":%u,\"other_%u\":0", i ? "," : "{", i, i, i);
	}
	buf_addc(&line, '}');
	b.parser = parser_new(&b.paths);
	b.rec.slot = xcalloc(b.paths.n, sizeof *b.rec.slot);
	bool good = bed_parse(&b, buf_str(&line)) == PARSE_OK;
	for (unsigned i = 0; i < PATHS_MAX; i++) {
		char text[16];
		snprintf(text, sizeof text, "%u", i);
		good = good && str_eq((struct str){ b.rec.slot[i].ptr, b.rec.slot[i].len }, str_of(text));
	}
	ok(good, "%d wanted keys, each with its own value", PATHS_MAX);
	buf_free(&line);
	bed_close(&b);
}

/* --- memory ----------------------------------------------------------------------------------------------------- */

static bool
in_line(const struct record *r, const struct slice *s)
{
	return s->ptr >= r->raw.ptr && s->ptr + s->len <= r->raw.ptr + r->raw.len;
}

static void
test_memory(void)
{
	static const char *const want[] = { "level", "message", "extra.stage", "extra", "n", "list" };
	static const char plain[] = "{\"level\":\"INFO\",\"message\":\"caf\xc3\xa9\",\"extra\":{\"stage\":\"merge\",\"x\":[1,{}]},"
				    "\"n\":12,\"list\":[[[]]],\"unwanted\":\"with \\\"escapes\\\" \\ud800\",\"z\":{\"y\":\"\\n\"}} ";
	struct bed b;
	bed_open(&b, want, COUNT_OF(want));
	ok(bed_parse(&b, str_of(plain)) == PARSE_OK, "a plain record");
	bool good = true;
	for (size_t i = 0; i < b.paths.n; i++)
		good = good && b.rec.slot[i].kind >= K_NUM && in_line(&b.rec, &b.rec.slot[i]);
	ok(good, "every slice of it points into its line");
	ok(b.arena.total == 0, "... and nothing went to the arena");
#ifdef COUNTS_MALLOC
	unsigned long before = allocations;
	for (int i = 0; i < 1000; i++)
		good = good && parse(b.parser, &b.rec, &b.arena) == PARSE_OK;
	ok(good && allocations == before, "1000 plain records: %lu allocations", allocations - before);
	void *volatile block = malloc(1);
	free(block);
	ok(allocations > before, "the count of allocations counts");
#else
	ok(true, "allocations # SKIP the sanitizer owns malloc");
#endif
	ok(bed_parse(&b, STR("{\"level\":\"a\\nb\",\"message\":\"c\"}")) == PARSE_OK && arena_has(&b.arena, b.rec.slot[0].ptr) &&
			in_line(&b.rec, &b.rec.slot[1]),
		"a string with escapes is in the arena, its neighbour in the line");
	bed_close(&b);
}

int
main(void)
{
	test_verdicts();
	test_bytes();
	test_values();
	test_any_key();
	test_many_paths();
	test_memory();
	return tap_done();
}
