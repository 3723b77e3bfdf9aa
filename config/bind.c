/* bind.c - rows of struct field onto a mapping.
 *
 * In: nodes whose ${} are replaced. Out: conf structs that own their strings.
 * Each pair of the mapping is looked up among the rows; so mistakes are told in the order of the file.
 */
#include "config/bind.h"

#include <stdlib.h>

#define NAMES_MAX 128 /* known keys of one mapping, for "did you mean" */

static const char *const insecure = "insecure_http";

static void *
slot(const struct field *f, void *conf)
{
	return (char *)conf + f->off;
}

static void
wipe(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

static void
field_clear(const struct field *f, void *conf)
{
	void *p = slot(f, conf);
	if (f->type == F_STR || f->type == F_SECRET || f->type == F_URL)
		wipe(p);
	else if (f->type == F_STRLIST)
		strlist_free(p);
	else if (f->type == F_STRMAP)
		strmap_free(p);
}

void
fields_free(const struct field *rows, void *conf)
{
	for (const struct field *f = rows; f && f->name; f++)
		field_clear(f, conf);
}

/* F_STRLIST: one scalar, or a sequence of them. */
static bool
list_bind(const struct bind *b, const struct field *f, const struct node *v, struct strlist *out)
{
	struct strlist l = { 0 };
	if (!node_strlist(b, f->name, v, &l))
		return false;
	if (l.n == 0 && (f->flags & F_REQUIRED)) {
		diag(b->d, v->loc, "%s is an empty list", f->name);
		strlist_free(&l);
		return false;
	}
	for (size_t i = 0; (f->flags & F_PATH) && i < l.n; i++) {
		char *joined = path_join(b->dir, l.v[i]);
		free(l.v[i]);
		l.v[i] = joined;
	}
	strlist_free(out);
	*out = l;
	return true;
}

static bool
text_bind(const struct bind *b, const struct field *f, const struct node *v, char **out)
{
	char *s = NULL;
	const char *fault = NULL;

	if (f->type == F_STR) {
		if (!node_text(b, f->name, v))
			return false;
		s = f->flags & F_PATH ? path_join(b->dir, v->s) : xstrdup(v->s);
	} else {
		s = node_secret(b, f->name, v);
		if (s == NULL)
			return false;
		fault = f->type == F_URL ? url_fault(s) : NULL;
	}
	if (fault) {
		diag(b->d, v->loc, "%s: %s", f->name, fault);
		wipe(&s);
		return false;
	}
	wipe(out);
	*out = s;
	return true;
}

static bool
value_bind(const struct bind *b, const struct field *f, void *conf, const struct node *v)
{
	void *p = slot(f, conf);
	int64_t max = f->min == 0 && f->max == 0 ? INT64_MAX : f->max;
	size_t n = 0;

	switch (f->type) {
	case F_STR:
	case F_SECRET:
	case F_URL:
		return text_bind(b, f, v, p);
	case F_BOOL:
		return node_bool(b, f->name, v, p);
	case F_INT:
		return node_int(b, f->name, v, f->min == 0 && f->max == 0 ? INT64_MIN : f->min, max, p);
	case F_DUR:
		return node_dur(b, f->name, v, f->min, max > DUR_MAX ? DUR_MAX : max, p);
	case F_SIZE:
		return node_size(b, f->name, v, f->min, max, p);
	case F_ENUM:
		while (f->names[n])
			n++;
		return node_enum(b, f->name, v, f->names, n, p);
	case F_STRLIST:
		return list_bind(b, f, v, p);
	case F_STRMAP:
		return node_strmap(b, f->name, v, p);
	}
	return false;
}

/* A default is written as a user would write it and read the same way; a wrong one is a mistake in the table. */
static void
default_one(const struct field *f, void *conf)
{
	struct diags d;
	struct bind b = { NULL, &d };
	struct node v = { .kind = NODE_SCALAR }, list = { .kind = NODE_LIST };
	char *text = xstrdup(f->def), *save = text;
	bool good;

	diags_init(&d);
	v.s = v.raw = text;
	if (f->type == F_STRLIST) {
		struct node items[16], *at[16];
		list.item = at;
		for (char *part; (part = strsep(&save, ",")) && list.n < COUNT_OF(items);) {
			items[list.n] = (struct node){ .kind = NODE_SCALAR, .s = part + strspn(part, " ") };
			at[list.n] = &items[list.n];
			list.n++;
		}
		good = value_bind(&b, f, conf, &list);
	} else
		good = value_bind(&b, f, conf, &v);
	must(good);
	free(text);
	diags_free(&d);
}

void
fields_default(const struct field *rows, void *conf)
{
	for (const struct field *f = rows; f && f->name; f++)
		if (f->def)
			default_one(f, conf);
}

static const struct field *
row_find(const struct rowset *sets, size_t nsets, const char *name, void **conf)
{
	for (size_t i = 0; i < nsets; i++)
		for (const struct field *f = sets[i].rows; f && f->name; f++)
			if (strcmp(f->name, name) == 0) {
				*conf = sets[i].conf;
				return f;
			}
	return NULL;
}

static bool
listed(const char *const *names, const char *name)
{
	for (; names && *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

void
diag_unknown(const struct bind *b, const struct node *key, const char *const *known, size_t n, const char *where)
{
	char q[96];
	const char *near = nearest(str_of(key->s), known, n), *in = *where ? " in " : "";
	struct buf list;

	if (near) {
		diag(b->d, key->loc, "unknown key %s%s%s; did you mean \"%s\"?", node_quote(key, q), in, where, near);
		return;
	}
	if (n == 0) {
		diag(b->d, key->loc, "unknown key %s%s%s: there are none here", node_quote(key, q), in, where);
		return;
	}
	buf_init(&list, 600);
	for (size_t i = 0; i < n; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", known[i]);
	diag(b->d, key->loc, "unknown key %s%s%s; known are %s", node_quote(key, q), in, where, buf_z(&list));
	buf_free(&list);
}

static void
unknown(const struct bind *b, const struct node *key, const struct rowset *sets, size_t nsets, const struct keys *keys)
{
	const char *known[NAMES_MAX];
	size_t n = 0;
	for (const char *const *k = keys->own; k && *k && n < NAMES_MAX; k++)
		known[n++] = *k;
	for (size_t i = 0; i < nsets; i++)
		for (const struct field *f = sets[i].rows; f && f->name && n < NAMES_MAX; f++)
			known[n++] = f->name;
	diag_unknown(b, key, known, n, keys->where);
}

/* 1: a row (f and conf set), 0: the caller's, -1: told. */
static int
key_find(const struct bind *b, const struct node *key, const struct rowset *sets, size_t nsets,
	const struct keys *keys, const struct field **f, void **conf)
{
	*f = row_find(sets, nsets, key->s, conf);
	if (*f)
		return 1;
	if (listed(keys->own, key->s))
		return 0;
	if (listed(keys->later, key->s))
		diag(b->d, key->loc, "%s is not in this version yet", key->s);
	else
		unknown(b, key, sets, nsets, keys);
	return -1;
}

static bool
is_map(const struct bind *b, const struct node *map, const struct keys *keys)
{
	if (map->kind == NODE_MAP || node_null(map))
		return true;
	if (!map->bad)
		diag(b->d, map->loc, "%s%smust be a mapping, this is %s", keys->where, *keys->where ? " " : "", node_what(map));
	return false;
}

bool
bind_keys(const struct bind *b, const struct node *map, const struct keys *keys)
{
	bool good = is_map(b, map, keys);
	const struct field *f;
	void *conf = NULL;
	for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++)
		if (key_find(b, map->key[i], NULL, 0, keys, &f, &conf) < 0)
			good = false;
	return good;
}

/* Plain http leaves this machine only where the configuration says so beside the URL. */
static bool
check_http(const struct bind *b, const struct node *map, const struct rowset *set)
{
	bool good = true, wanted = false;
	const struct field *f;
	for (f = set->rows; f && f->name; f++)
		if (f->type == F_BOOL && strcmp(f->name, insecure) == 0)
			memcpy(&wanted, slot(f, set->conf), sizeof wanted);
	for (f = set->rows; f && f->name && !wanted; f++) {
		const struct node *v = f->type == F_URL ? node_get(map, f->name) : NULL;
		char **url = slot(f, set->conf);
		if (v && *url && url_plain_remote(*url)) {
			diag(b->d, v->loc, "%s: plain http to another machine; use https, or set %s: true beside it", f->name,
				insecure);
			good = false;
		}
	}
	return good;
}

bool
bind_map(const struct bind *b, const struct node *map, const struct rowset *sets, size_t nsets,
	const struct keys *keys)
{
	bool good = is_map(b, map, keys);
	const struct field *f;
	void *conf = NULL;

	for (size_t i = 0; i < nsets; i++)
		fields_default(sets[i].rows, sets[i].conf);
	if (!good)
		return false;
	for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++) {
		if (node_get(map, map->key[i]->s) != map->item[i])
			continue; /* given twice: told by the document */
		int found = key_find(b, map->key[i], sets, nsets, keys, &f, &conf);
		if (found < 0 || (found > 0 && !value_bind(b, f, conf, map->item[i])))
			good = false;
	}
	for (size_t i = 0; i < nsets; i++) {
		for (f = sets[i].rows; f && f->name; f++)
			if ((f->flags & F_REQUIRED) && node_get(map, f->name) == NULL) {
				diag(b->d, map->loc, "%s%s\"%s\" is missing: %s", keys->where, *keys->where ? ": " : "", f->name,
					f->help ? f->help : "it has no default");
				good = false;
			}
		good &= check_http(b, map, &sets[i]);
	}
	return good;
}
