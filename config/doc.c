/* doc.c - YAML text to struct node, by libyaml's events (the only file that knows it).
 *
 * In: a file or a text. Out: struct doc. Next: env.c replaces ${NAME}, field.c and rules.c read the nodes.
 * Never: resolves types (5 is a text until a key wants a number), follows an alias, recurses past DOC_DEPTH_MAX.
 */
#include "config/doc.h"

#include "core/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

struct reader {
	yaml_parser_t yaml;
	struct doc *doc;
	struct diags *d;
	struct str text;
	size_t at;  /* start of line `line` in text: block scalars look up their indentation, in order */
	int line;
	size_t nodes;
	bool bad;   /* something is told that leaves no usable document */
};

struct kids { /* children while their parent is read */
	struct node **v;
	size_t n, cap;
};

static bool next(struct reader *r, yaml_event_t *e);
static struct node *node_read(struct reader *r, yaml_event_t *e, unsigned depth);
static void syntax(struct reader *r);

struct doc *
doc_parse(const char *file, struct str text, struct diags *d)
{
	struct doc *doc = xcalloc(1, sizeof *doc);
	struct reader r = { .doc = doc, .d = d, .text = text };
	yaml_event_t e;

	doc->file = xstrdup(file);
	if (text.len > DOC_BYTES_MAX) {
		diag(d, (struct loc){ doc->file, 0, 0 }, "longer than %d bytes: split it", DOC_BYTES_MAX);
		doc_free(doc);
		return NULL;
	}
	if (!yaml_parser_initialize(&r.yaml))
		abort(); /* out of memory, the one thing it fails by */
	/* Without this a byte order mark would choose UTF-16, and every position would be of another text. */
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
	for (bool more = true; more && !r.bad && next(&r, &e);) {
		yaml_event_type_t type = e.type;
		struct loc at = { doc->file, (int)e.start_mark.line + 1, (int)e.start_mark.column + 1 };
		bool node = type == YAML_SCALAR_EVENT || type == YAML_MAPPING_START_EVENT ||
			type == YAML_SEQUENCE_START_EVENT || type == YAML_ALIAS_EVENT;
		if (type == YAML_DOCUMENT_START_EVENT && doc->root) {
			diag(d, at, "a second document: weir reads one a file");
			r.bad = true;
		}
		if (node)
			doc->root = node_read(&r, &e, 0);
		else
			yaml_event_delete(&e);
		more = type != YAML_STREAM_END_EVENT;
	}
	yaml_parser_delete(&r.yaml);
	if (r.bad) {
		doc_free(doc);
		return NULL;
	}
	if (doc->root && node_null(doc->root))
		doc->root = NULL;
	return doc;
}

struct doc *
doc_read(const char *path, struct diags *d)
{
	struct loc at = { path, 0, 0 };
	struct stat st;
	struct doc *doc = NULL;
	struct buf b;
	ssize_t got = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1 || fstat(fd, &st) == -1) {
		diag(d, at, "cannot read it: %s", strerror(errno));
		if (fd != -1)
			close(fd);
		return NULL;
	}
	buf_init(&b, DOC_BYTES_MAX + 2); /* one byte more than allowed tells that it is longer; one for the NUL */
	if (!S_ISREG(st.st_mode))
		diag(d, at, "not a regular file");
	else {
		while (got > 0 && b.len <= DOC_BYTES_MAX) {
			size_t want = DOC_BYTES_MAX + 1 - b.len < 65536 ? DOC_BYTES_MAX + 1 - b.len : 65536;
			char *room = buf_room(&b, want);
			must(room != NULL);
			got = read(fd, room, want);
			if (got == -1 && errno == EINTR)
				got = 1;
			else if (got > 0)
				b.len += (size_t)got;
		}
		if (got == -1)
			diag(d, at, "cannot read it: %s", strerror(errno));
		else
			doc = doc_parse(path, buf_str(&b), d);
	}
	close(fd);
	if (b.cap)
		explicit_bzero(b.data, b.cap);
	buf_free(&b);
	return doc;
}

static void
node_wipe(struct node *n)
{
	if (n->kind == NODE_SCALAR) {
		explicit_bzero(n->raw, strlen(n->raw));
		explicit_bzero(n->s, strlen(n->s));
		return;
	}
	for (size_t i = 0; i < n->n; i++)
		node_wipe(n->item[i]);
}

void
doc_free(struct doc *doc)
{
	if (doc == NULL)
		return;
	if (doc->root)
		node_wipe(doc->root);
	arena_free(&doc->arena);
	free(doc->file);
	free(doc);
}

struct node *
node_get(const struct node *map, const char *key)
{
	if (map == NULL || map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->key[i]->s, key) == 0)
			return map->item[i];
	return NULL;
}

bool
node_null(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->plain && !n->env &&
		(n->s[0] == '\0' || strcmp(n->s, "~") == 0 || strcmp(n->s, "null") == 0);
}

struct loc
node_loc(const struct node *n, size_t off)
{
	struct loc at = n->text;
	if (n->kind != NODE_SCALAR || !n->exact)
		return n->loc;
	for (size_t i = 0; i < off && n->raw[i]; i++) {
		if (n->raw[i] == '\n') {
			at.line++;
			at.col = n->text.col;
		} else if (((unsigned char)n->raw[i] & 0xc0) != 0x80)
			at.col++;
	}
	return at;
}

const char *
node_what(const struct node *n)
{
	if (n->kind == NODE_MAP)
		return "a mapping";
	if (n->kind == NODE_LIST)
		return "a list";
	return node_null(n) ? "nothing" : "a text";
}

const char *
node_quote(const struct node *n, char out[96])
{
	const char *s = n->kind == NODE_SCALAR ? (n->env ? n->raw : n->s) : node_what(n);
	size_t len = 0;
	out[len++] = '"';
	for (; *s && len < 72; s++) {
		if (len > 64 && ((unsigned char)*s & 0xc0) != 0x80) /* cut between characters */
			break;
		out[len++] = (unsigned char)*s < ' ' || *s == 127 ? ' ' : *s;
	}
	if (*s) {
		memcpy(out + len, "...", 3);
		len += 3;
	}
	out[len++] = '"';
	out[len] = '\0';
	return out;
}

static struct loc
mark(const struct reader *r, yaml_mark_t m)
{
	return (struct loc){ r->doc->file, (int)m.line + 1, (int)m.column + 1 };
}

static bool
next(struct reader *r, yaml_event_t *e)
{
	if (yaml_parser_parse(&r->yaml, e))
		return true;
	syntax(r);
	r->bad = true;
	return false;
}

/* Where byte off of the text stands; invalid UTF-8 is the one error that libyaml places by bytes. */
static struct loc
byte_loc(const struct reader *r, size_t off)
{
	struct loc at = { r->doc->file, 1, 1 };
	for (size_t i = 0; i < off && i < r->text.len; i++) {
		unsigned char c = (unsigned char)r->text.ptr[i];
		if (c == '\n') {
			at.line++;
			at.col = 1;
		} else if ((c & 0xc0) != 0x80)
			at.col++;
	}
	return at;
}

/* The offset of a place in the text. */
static size_t
offset_of(const struct reader *r, struct loc at)
{
	const char *p = r->text.ptr;
	size_t i = 0;
	for (int line = 1; i < r->text.len && line < at.line; i++)
		line += p[i] == '\n';
	for (int col = 1; i < r->text.len && p[i] != '\n' && col < at.col; col++)
		for (i++; i < r->text.len && ((unsigned char)p[i] & 0xc0) == 0x80;)
			i++;
	return i;
}

/* libyaml's words, with what they mostly mean in a file of expressions and globs. */
static void
syntax(struct reader *r)
{
	const yaml_parser_t *y = &r->yaml;
	const char *hint = "", *problem = y->problem ? y->problem : "unreadable";
	struct loc at = mark(r, y->problem_mark);
	char told[64] = "";

	if (y->error == YAML_READER_ERROR) {
		diag(r->d, byte_loc(r, y->problem_offset), "not valid YAML: %s", problem);
		return;
	}
	if (y->context && (strcmp(y->context, "while scanning an alias") == 0 ||
				  strcmp(y->context, "while scanning an anchor") == 0)) {
		at = mark(r, y->context_mark);
		hint = "; put a value that starts with * or & in quotes";
	}
	size_t i = offset_of(r, at), before = i;
	char c = i < r->text.len ? r->text.ptr[i] : '\0';
	while (before > 0 && r->text.ptr[before - 1] == ' ')
		before--;
	char last = before > 0 ? r->text.ptr[before - 1] : '\0';
	if (c == '\t')
		hint = "; indent with spaces, not tabs";
	else if (c == '@' || c == '`' || c == '%')
		hint = "; put a value that starts with @, ` or % in quotes";
	else if ((last == '"' || last == '\'') && strcmp(problem, "did not find expected key") == 0)
		hint = "; a value that goes on after its closing quote needs quotes around the whole";
	if (y->context && y->context_mark.line != y->problem_mark.line)
		snprintf(told, sizeof told, " (of what starts at line %zu)", y->context_mark.line + 1);
	diag(r->d, at, "not valid YAML: %s%s%s", problem, told, hint);
}

static char *
keep(struct reader *r, const char *p, size_t n)
{
	char *s = arena_alloc(&r->doc->arena, n + 1);
	memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

/* The column at which a block scalar's first line with text starts, and that line. */
static struct loc
block_text(struct reader *r, struct loc head)
{
	struct loc at = { head.file, head.line + 1, 1 };
	const char *p = r->text.ptr;
	for (; r->line < head.line && r->at < r->text.len; r->at++)
		r->line += p[r->at] == '\n';
	for (size_t i = r->at; i < r->text.len && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r'); i++) {
		if (p[i] == '\n') {
			at.line++;
			at.col = 1;
		} else
			at.col++;
	}
	return at;
}

static void
scalar(struct reader *r, struct node *n, const yaml_event_t *e)
{
	const char *p = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	bool one_line = e->start_mark.line == e->end_mark.line;

	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = n->loc;
	n->exact = n->plain && one_line;
	if (e->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
		e->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE) {
		n->text.col++;
		/* An escape would move what follows it: then the source is longer than the text and its two quotes. */
		n->exact = one_line && e->end_mark.index - e->start_mark.index == utf8_len((struct str){ p, len }) + 2;
	} else if (!n->plain) {
		n->text = block_text(r, n->loc);
		n->exact = e->data.scalar.style == YAML_LITERAL_SCALAR_STYLE && len > 0 && p[0] != '\n';
	}
	if (memchr(p, '\0', len)) {
		diag(r->d, n->loc, "a NUL character in a text");
		len = strlen(p);
	}
	n->s = keep(r, p, len);
	n->raw = keep(r, p, len);
}

static int
by_key(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
	int c = strcmp(x->s, y->s);
	if (c)
		return c;
	return x->loc.line != y->loc.line ? x->loc.line - y->loc.line : x->loc.col - y->loc.col;
}

/* A key twice in one mapping: YAML leaves open which counts, so none does. */
static void
check_keys(struct reader *r, const struct node *map)
{
	struct node **sorted = xcalloc(map->n + 1, sizeof *sorted);
	size_t first = 0;
	if (map->n)
		memcpy(sorted, map->key, map->n * sizeof *sorted);
	qsort(sorted, map->n, sizeof *sorted, by_key);
	for (size_t i = 1; i < map->n; i++) {
		char q[96];
		if (strcmp(sorted[first]->s, sorted[i]->s) != 0)
			first = i;
		else
			diag(r->d, sorted[i]->loc, "%s is given twice: first at line %d", node_quote(sorted[i], q),
				sorted[first]->loc.line);
	}
	free(sorted);
}

static void
kids_take(struct reader *r, struct kids *k, struct node ***out)
{
	*out = arena_alloc(&r->doc->arena, (k->n + 1) * sizeof **out);
	if (k->n)
		memcpy(*out, k->v, k->n * sizeof **out);
	free(k->v);
}

/* The children of a list or mapping, up to its end. */
static void
children(struct reader *r, struct node *n, unsigned depth)
{
	struct kids keys = { 0 }, items = { 0 };
	yaml_event_t e;
	bool map = n->kind == NODE_MAP, want_key = map;

	while (!r->bad && next(r, &e)) {
		if (e.type == YAML_MAPPING_END_EVENT || e.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&e);
			break;
		}
		struct node *kid = node_read(r, &e, depth + 1);
		if (kid == NULL)
			break;
		struct kids *k = want_key ? &keys : &items;
		if (want_key && kid->kind != NODE_SCALAR) {
			diag(r->d, kid->loc, "a key must be a text, this is %s; put a text that starts with { or [ in quotes",
				node_what(kid));
			r->bad = true;
		}
		GROW(k->v, k->n, k->cap);
		k->v[k->n++] = kid;
		want_key = map && !want_key;
	}
	n->n = items.n;
	keys.n = map ? items.n : 0; /* after an error a key may stand without its value */
	kids_take(r, &keys, &n->key);
	kids_take(r, &items, &n->item);
	if (map && !r->bad)
		check_keys(r, n);
}

/* The node that e begins; e is deleted. NULL: refused, r->bad is set. */
static struct node *
node_read(struct reader *r, yaml_event_t *e, unsigned depth)
{
	struct node *n = arena_alloc(&r->doc->arena, sizeof *n);
	const yaml_char_t *anchor = NULL, *tag = NULL;

	*n = (struct node){ .loc = mark(r, e->start_mark) };
	if (++r->nodes > DOC_NODES_MAX) {
		diag(r->d, n->loc, "more than %d values: split the file", DOC_NODES_MAX);
		r->bad = true;
	}
	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
		scalar(r, n, e);
	} else if (e->type == YAML_ALIAS_EVENT) {
		diag(r->d, n->loc, "an alias (*%s): write out what it stands for, or put the text in quotes",
			(const char *)e->data.alias.anchor);
		r->bad = true;
	} else {
		n->kind = e->type == YAML_MAPPING_START_EVENT ? NODE_MAP : NODE_LIST;
		anchor = n->kind == NODE_MAP ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
		tag = n->kind == NODE_MAP ? e->data.mapping_start.tag : e->data.sequence_start.tag;
		if (depth == DOC_DEPTH_MAX) {
			diag(r->d, n->loc, "nested deeper than %d", DOC_DEPTH_MAX);
			r->bad = true;
		}
	}
	if (anchor)
		diag(r->d, n->loc, "an anchor (&%s): weir reads none; put a text that starts with & in quotes",
			(const char *)anchor);
	if (tag)
		diag(r->d, n->loc, "a tag (%s): weir reads none; put a text that starts with ! in quotes", (const char *)tag);
	yaml_event_delete(e);
	if (!r->bad && n->kind != NODE_SCALAR)
		children(r, n, depth);
	return r->bad ? NULL : n;
}
