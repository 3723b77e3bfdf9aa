/* doc_test.c - places of nodes, what is refused, limits, and that no broken bytes do harm. */
#include "config/doc.h"
#include "config/env.h"
#include "core/json.h"
#include "core/tap.h"

#include <stdlib.h>

static struct doc *
parse(const char *text, struct diags *d)
{
	diags_init(d);
	return doc_parse("f", str_of(text), d);
}

static void
at(const struct node *n, int line, int col, int text_line, int text_col, const char *name)
{
	ok(n && n->loc.line == line && n->loc.col == col && n->text.line == text_line && n->text.col == text_col, "%s: %d:%d %d:%d",
		name, n ? n->loc.line : 0, n ? n->loc.col : 0, n ? n->text.line : 0, n ? n->text.col : 0);
}

static void
test_places(void)
{
	struct diags d;
	struct doc *doc = parse("a: plain\n"
				"b: \"quoted\"\n"
				"ü: [x, 'y z']\n"
				"c: |\n\n    first\n      second\n    third\n"
				"e: >-\n  folded\n  text\n"
				"f: {g: }\n",
		&d);
	ok(doc && d.n == 0 && doc->root->kind == NODE_MAP && doc->root->n == 6, "a document");
	at(node_get(doc->root, "a"), 1, 4, 1, 4, "plain");
	at(node_get(doc->root, "b"), 2, 4, 2, 5, "quoted");
	at(node_get(doc->root, "ü")->item[1], 3, 8, 3, 9, "columns count characters");
	struct node *c = node_get(doc->root, "c"), *e = node_get(doc->root, "e");
	at(c, 4, 4, 6, 5, "a literal block");
	ok(!c->exact, "whose first line is empty: no places within");
	at(e, 9, 4, 10, 3, "a folded block");
	isz(e->s, "folded text", "folded");
	struct node *g = node_get(node_get(doc->root, "f"), "g");
	ok(g && node_null(g), "a key without a value");
	isz(node_what(g), "nothing", "is nothing");
	ok(node_get(doc->root, "z") == NULL && node_get(c, "z") == NULL, "absent keys");
	doc_free(doc);
	diags_free(&d);

	doc = parse("c: |\n  ab\n  cd\nd: \"x\\\"y\"\n", &d);
	c = node_get(doc->root, "c");
	struct loc l = node_loc(c, 4);
	ok(c->exact && l.line == 3 && l.col == 4, "a place within a block");
	struct node *esc = node_get(doc->root, "d");
	l = node_loc(esc, 2);
	ok(!esc->exact && l.line == 4 && l.col == 4, "an escape: the place of the whole");
	doc_free(doc);
	diags_free(&d);
}

static void
refused(const char *text, const char *want, bool whole)
{
	struct diags d;
	struct doc *doc = parse(text, &d);
	isz(buf_z(&d.text), want, "told");
	ok((doc != NULL) == whole, "%s", whole ? "and the rest is read" : "and no document");
	doc_free(doc);
	diags_free(&d);
}

static void
test_refused(void)
{
	refused("a: 1\nb: 2\na: 3\na: 4\n", "f:3:1: \"a\" is given twice: first at line 1\nf:4:1: \"a\" is given twice: first at line 1\n",
		true);
	refused("a: &x 1\n", "f:1:4: an anchor (&x): weir reads none; put a text that starts with & in quotes\n", true);
	refused("a: *x\n", "f:1:4: an alias (*x): write out what it stands for, or put the text in quotes\n", false);
	refused("a: !x 1\n", "f:1:4: a tag (!x): weir reads none; put a text that starts with ! in quotes\n", true);
	refused("[a]: 1\n", "f:1:1: a key must be a text, this is a list; put a text that starts with { or [ in quotes\n", false);
	refused("a: [\n", "f:2:1: not valid YAML: did not find expected node content\n", false);
	refused("a: {b: 1\n", "f:2:1: not valid YAML: did not find expected ',' or '}' (of what starts at line 1)\n", false);
	refused("a: 1\n---\nb: 1\n", "f:2:1: a second document: weir reads one a file\n", false);
	refused("a: @b\n", "f:1:4: not valid YAML: found character that cannot start any token; put a value that starts with @, "
		"` or % in quotes\n", false);
}

static void
test_limits(void)
{
	struct diags d;
	char *deep = xcalloc(1, 200), *big = xmalloc(DOC_BYTES_MAX + 2);
	memset(deep, '[', 40); /* never closed: the depth is told first */
	refused(deep, "f:1:33: nested deeper than 32\n", false);
	memset(big, ' ', DOC_BYTES_MAX + 1);
	big[DOC_BYTES_MAX + 1] = '\0';
	refused(big, "f: longer than 8388608 bytes: split it\n", false);
	diags_init(&d);
	big[0] = 'a';
	for (size_t i = 1; i < DOC_BYTES_MAX / 2; i++)
		big[i] = i % 2 ? ',' : 'a';
	big[0] = '[';
	big[1] = 'a';
	struct doc *doc = doc_parse("f", (struct str){ big, DOC_BYTES_MAX / 2 }, &d);
	ok(doc == NULL && d.n == 1 && strstr(buf_z(&d.text), "more than 1000000 values"), "too many values");
	diags_free(&d);
	free(deep);
	free(big);
}

static void
test_quote(void)
{
	char q[96];
	struct node n = { .kind = NODE_SCALAR };
	char text[] = "a\nb\x7f", umlauts[200];
	n.s = text;
	isz(node_quote(&n, q), "\"a b \"", "control characters become spaces");
	for (size_t i = 0; i + 1 < sizeof umlauts; i++)
		umlauts[i] = (i % 2) ? '\xbc' : '\xc3';
	umlauts[sizeof umlauts - 1] = '\0';
	n.s = umlauts;
	ok(utf8_valid(str_of(node_quote(&n, q))) == strlen(q) && strlen(q) < 90, "a long text is cut between characters");
	n.env = true;
	n.raw = text;
	ok(strstr(node_quote(&n, q), "\xc3") == NULL, "what the environment gave is not shown");
}

/* Every prefix of a document, and every byte of it spoilt, is read or told; the sanitizers watch. */
static void
test_spoilt(void)
{
	static const char text[] = "a: {b: [1, \"x\\n\", 'y'], c: !t &d *e}\nf: |2\n   g\n? h\n: \"${X:-y}\"\n# c\n- %@`\n\t";
	char spoilt[sizeof text];
	unsigned told = 0;
	for (size_t i = 0; i + 1 < 2 * sizeof text; i++) {
		struct diags d;
		diags_init(&d);
		memcpy(spoilt, text, sizeof text);
		size_t n = i < sizeof text ? i : sizeof text - 1;
		if (i >= sizeof text)
			spoilt[i - sizeof text] = (char)(i * 37);
		struct doc *doc = doc_parse("f", (struct str){ spoilt, n }, &d);
		env_expand(doc, NULL, &d);
		told += d.n > 0 || doc != NULL;
		doc_free(doc);
		diags_free(&d);
	}
	ok(told == 2 * sizeof text - 1, "each gives a document or a mistake: %u", told);
}

int
main(void)
{
	test_places();
	test_refused();
	test_limits();
	test_quote();
	test_spoilt();
	return tap_done();
}
