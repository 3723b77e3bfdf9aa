/* parse_model_test.c - the parser against a plain tree: duplicate keys and dotted spellings in every mix.
 *
 * Random objects over few keys, so that they repeat and shadow one another, are written as JSON and kept as a tree with
 * every entry; a path is then looked up as the manual says it: in each object the last entry of a name counts, nested
 * comes before joined, from the top level down. The seed is fixed.
 */
#include "ingest/parse.h"

#include "core/buf.h"
#include "core/tap.h"

#include <stdlib.h>

#define NODES_MAX 400
#define DOCS 30000

struct val {
	struct val *entry; /* an object's first entry */
	struct val *next;  /* in the object around */
	const char *key;   /* decoded */
	size_t from, len;  /* its text */
};

static const struct {
	const char *json, *key;
} keys[] = { { "a", "a" }, { "b", "b" }, { "c", "c" }, { "a", "a" }, { "b", "b" }, { "a.b", "a.b" }, { "b.c", "b.c" },
	{ "a.b.c", "a.b.c" }, { "c.a", "c.a" }, { "c.a.b", "c.a.b" }, { "\\u0061", "a" }, { "b\\u002ec", "b.c" },
	{ "a.b.c.a.b.c", "a.b.c.a.b.c" }, { "z", "z" } };

static const char *const paths[] = { "a", "b", "a.b", "b.a", "a.b.c", "a.a", "c.b.a", "b.c", "a.b.c.a", "a.b.c.a.b", "a.b.c.a.b.c",
	"z.a" };

static uint64_t seed = 20261125;
static struct val pool[NODES_MAX];
static size_t used;

static unsigned
roll(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void
grow(struct buf *out, struct val *v, int depth)
{
	unsigned what = depth == 0 ? 9 : roll(10);
	v->from = out->len;
	if (what >= 5 && depth < 6) {
		struct val **at = &v->entry;
		unsigned n = roll(depth < 2 ? 6 : 4);
		buf_addc(out, '{');
		for (unsigned i = 0; i < n && used < NODES_MAX; i++) {
			unsigned k = roll(COUNT_OF(keys));
			struct val *e = &pool[used++];
			*e = (struct val){ .key = keys[k].key };
			*at = e;
			at = &e->next;
			buf_printf(out, "%s\"%s\":%s", i ? "," : "", keys[k].json, roll(4) ? "" : " ");
			grow(out, e, depth + 1);
		}
		buf_addc(out, '}');
	} else if (what == 4) {
		buf_addz(out, "[{\"a\":{\"b\":1}},{\"a.b\":2}]");
	} else if (what == 3) {
		buf_addz(out, "null");
	} else {
		buf_printf(out, "%zu", out->len);
	}
	v->len = out->len - v->from;
}

static const struct val *
lookup(const struct val *v, const char *path, bool split)
{
	size_t all = strlen(path);
	for (size_t n = strcspn(path, "."); n <= all; n += n < all ? 1 + strcspn(path + n + 1, ".") : 1) {
		const struct val *last = NULL;
		for (const struct val *e = v->entry; e; e = e->next)
			if (strlen(e->key) == n && memcmp(e->key, path, n) == 0)
				last = e;
		if (last && n < all)
			last = lookup(last, path + n + 1, split);
		if (last)
			return last;
		if (!split)
			return NULL;
	}
	return NULL;
}

/* Past five segments only all nested and all joined. */
static const struct val *
find(const struct val *doc, const char *path)
{
	size_t dots = 0;
	for (const char *p = path; *p; p++)
		dots += *p == '.';
	if (dots < 5)
		return lookup(doc, path, true);
	const struct val *v = lookup(doc, path, false), *last = NULL;
	for (const struct val *e = doc->entry; e; e = e->next)
		if (strcmp(e->key, path) == 0)
			last = e;
	return v ? v : last;
}

static bool
same(const struct buf *text, const struct val *v, const struct slice *s)
{
	static const enum slice_kind other = K_NUM;
	if (v == NULL)
		return s->kind == K_NONE;
	const char *t = text->data + v->from;
	if (*t == 'n')
		return s->kind == K_NULL;
	return s->kind == (*t == '{' || *t == '[' ? K_JSON : other) && s->ptr == t && s->len == v->len;
}

int
main(void)
{
	struct paths p = { 0 };
	struct buf text;
	struct arena arena = { 0 };
	unsigned bad = 0, found = 0, none = 0;
	for (size_t i = 0; i < COUNT_OF(paths); i++)
		must(paths_add_dotted(&p, paths[i]) == (int)i);
	struct parser *parser = parser_new(&p);
	struct record r = { .slot = xcalloc(p.n, sizeof *r.slot) };
	buf_init(&text, 1 << 20);
	for (unsigned doc = 0; doc < DOCS && bad < 5; doc++) {
		struct val top = { 0 };
		used = 0;
		buf_clear(&text);
		grow(&text, &top, 0);
		r.raw = buf_str(&text);
		bool good = parse(parser, &r, &arena) == PARSE_OK;
		for (size_t i = 0; i < p.n; i++) {
			const struct val *v = find(&top, paths[i]);
			*(v ? &found : &none) += 1;
			if (good && same(&text, v, &r.slot[i]))
				continue;
			printf("# %s in %.*s\n", paths[i], STR_ARG(r.raw));
			bad++;
		}
		arena_reset(&arena);
	}
	ok(bad == 0, "%d documents like the tree says", DOCS);
	ok(found > DOCS && none > DOCS, "fields were there (%u) and not there (%u)", found, none);
	parser_free(parser);
	paths_free(&p);
	arena_free(&arena);
	buf_free(&text);
	free(r.slot);
	return tap_done();
}
