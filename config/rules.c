/* rules.c - rule files to struct rule_def: keys, shapes, durations, levels (DESIGN section 4).
 *
 * In: a document whose ${} are replaced. Out: l->c->rule. Next: rules/ compiles the expressions, whose text and place
 * stand in struct text_at; nothing here looks inside an expression.
 * A rule with mistakes is kept and marked broken, so that its expressions are checked in the same go.
 */
#include "config/rule_keys.h"

#include <stdlib.h>

#define AT(member) offsetof(struct rule_def, member)
const struct rule_key rule_keys[] = {
	{ "rule", KEY_TEXT, ANY, ANY, AT(name), 0, 0 },
	{ "from", KEY_TEXTS, ANY, 0, AT(from), AT(nfrom), TEXTS_MAX },
	{ "where", KEY_TEXT, ANY, 0, AT(where), 0, 0 },
	{ "by", KEY_TEXTS, ANY, 0, AT(by), AT(nby), BY_MAX },
	{ "when", KEY_COND, RECORD | WINDOW, RECORD | WINDOW, AT(when), 0, 0 },
	{ "over", KEY_DUR, WINDOW, WINDOW, AT(over), 0, 0 },
	{ "every", KEY_DUR, WINDOW, 0, AT(every), 0, 0 },
	{ "for", KEY_FOR, WINDOW, 0, AT(for_), 0, 0 },
	{ "resolve_when", KEY_COND, WINDOW, 0, AT(resolve_when), 0, 0 },
	{ "no_data", KEY_NO_DATA, WINDOW, 0, 0, 0, 0 },
	{ "open", KEY_TEXT, PAIR, PAIR, AT(open), 0, 0 },
	{ "close", KEY_TEXT, PAIR, PAIR, AT(close), 0, 0 },
	{ "within", KEY_DUR, PAIR, PAIR, AT(within), 0, 0 },
	{ "absent", KEY_DUR, ABSENT, ABSENT, AT(absent), 0, 0 },
	{ "expect", KEY_LATER, ABSENT, 0, 0, 0, 0 },
	{ "first", KEY_TEXT, FIRST, FIRST, AT(first), 0, 0 },
	{ "learn", KEY_DUR0, FIRST, 0, AT(learn), 0, 0 },
	{ "max_values", KEY_INT, FIRST, 0, AT(max_values), 0, 1000000 },
	{ "forget", KEY_DUR, ANY, 0, AT(forget), 0, 0 },
	{ "hold", KEY_DUR0, ANY, 0, AT(hold), 0, 0 },
	{ "severity", KEY_SEVERITY, ANY, 0, 0, 0, 0 },
	{ "title", KEY_TEXT, ANY, 0, AT(title), 0, 0 },
	{ "text", KEY_TEXT, ANY, 0, AT(text), 0, 0 },
	{ "runbook", KEY_TEXT, ANY, 0, AT(runbook), 0, 0 },
	{ "labels", KEY_LABELS, ANY, 0, 0, 0, 0 },
	{ "context", KEY_TEXTS, ANY, 0, AT(context), AT(ncontext), TEXTS_MAX },
	{ "fingerprint", KEY_TEXTS, ANY, 0, AT(fingerprint), AT(nfingerprint), TEXTS_MAX },
	{ "shadow", KEY_BOOL, ANY, 0, AT(shadow), 0, 0 },
	{ "max_keys", KEY_INT, ANY, 0, AT(max_keys), 0, 10000000 },
	{ "regex", KEY_REGEX, ANY, 0, 0, 0, 0 },
};

const size_t nrule_keys = COUNT_OF(rule_keys);

static void *
slot(const struct rule_key *k, struct rule_def *r)
{
	return (char *)r + k->off;
}

bool
text_take(struct load *l, const char *name, const struct node *v, struct text_at *out)
{
	if (!node_text(&l->b, name, v))
		return false;
	if (v->s[strspn(v->s, " \t\n")] == '\0') {
		diag(l->b.d, v->loc, "%s is empty", name);
		return false;
	}
	size_t n = strlen(v->s) + 1;
	out->s = arena_alloc(&l->own->arena, n);
	memcpy(out->s, v->s, n);
	out->loc = v->text;
	return true;
}

static bool
texts_take(struct load *l, const char *name, const struct node *v, size_t max, struct text_at **out, size_t *n)
{
	bool good = true;

	if (v->kind == NODE_MAP) {
		diag(l->b.d, v->loc, "%s must be a text or a list of texts, this is a mapping", name);
		return false;
	}
	if (v->kind == NODE_SCALAR) {
		if (!text_take(l, name, v, *out = arena_alloc(&l->own->arena, sizeof **out)))
			return false;
		*n = 1;
		return true;
	}
	if (v->n == 0 || v->n > max) {
		diag(l->b.d, v->loc, v->n ? "%s: more than %zu entries" : "%s is an empty list", name, max);
		return false;
	}
	*out = arena_alloc(&l->own->arena, v->n * sizeof **out);
	for (size_t i = 0; i < v->n; i++)
		if (text_take(l, name, v->item[i], &(*out)[*n]))
			(*n)++;
		else
			good = false;
	return good;
}

/* A level's name as the key of a `when`, `for` or `resolve_when` map, or -1: told. */
static int
level_key(struct load *l, const char *name, const struct node *key)
{
	char q[96];
	for (int i = 0; i < LEVELS; i++)
		if (strcmp(key->s, level_name[i]) == 0)
			return i;
	const char *near = nearest(str_of(key->s), level_name, LEVELS);
	diag(l->b.d, key->loc, "%s: %s is no level; %s%s%s", name, node_quote(key, q), near ? "did you mean \"" : "",
		near ? near : "levels are info, warning, error and critical", near ? "\"?" : "");
	return -1;
}

static bool
levels_given(struct load *l, const char *name, const struct node *v)
{
	if (v->n == 0)
		diag(l->b.d, v->loc, "%s: an empty mapping; give a condition, or one a level", name);
	return v->n > 0;
}

static bool
cond_take(struct load *l, const char *name, const struct node *v, struct cond_def *c)
{
	bool good;
	c->given = true;
	if (v->kind != NODE_MAP)
		return text_take(l, name, v, &c->one);
	c->by_level = true;
	good = levels_given(l, name, v);
	for (size_t i = 0; i < v->n; i++) {
		int level = level_key(l, name, v->key[i]);
		if (level < 0 || !text_take(l, level_name[level], v->item[i], &c->level[level]))
			good = false;
	}
	return good;
}

static bool
for_take(struct load *l, const char *name, const struct node *v, struct rule_def *r)
{
	bool good = true;
	nsec one;
	r->for_given = true;
	if (v->kind != NODE_MAP) {
		if (!node_dur(&l->b, name, v, 0, DUR_MAX, &one))
			return false;
		for (int i = 0; i < LEVELS; i++)
			r->for_[i] = one;
		return true;
	}
	good = levels_given(l, name, v);
	for (size_t i = 0; i < v->n; i++) {
		int level = level_key(l, name, v->key[i]);
		if (level < 0 || !node_dur(&l->b, level_name[level], v->item[i], 0, DUR_MAX, &r->for_[level]))
			good = false;
	}
	return good;
}

static bool
regex_take(struct load *l, const struct node *v, struct rule_def *r)
{
	static const char *const own[] = { "limit", "subject", NULL };
	const struct keys keys = { own, NULL, "regex" };
	const struct node *limit = node_get(v, "limit"), *subject = node_get(v, "subject");
	bool good = bind_keys(&l->b, v, &keys);
	if (limit)
		good &= node_int(&l->b, "limit", limit, 1, 10000000, &r->regex_limit);
	if (subject)
		good &= node_size(&l->b, "subject", subject, 1, 1 << 20, &r->regex_subject);
	return good;
}

static bool
key_take(struct load *l, const struct rule_key *k, const struct node *v, struct rule_def *r)
{
	static const char *const no_data[] = { "resolve", "keep", "evaluate" };
	int n;

	switch (k->type) {
	case KEY_TEXT:
		return text_take(l, k->name, v, slot(k, r));
	case KEY_TEXTS:
		return texts_take(l, k->name, v, (size_t)k->max, slot(k, r), (size_t *)(void *)((char *)r + k->noff));
	case KEY_COND:
		return cond_take(l, k->name, v, slot(k, r));
	case KEY_DUR:
		return node_dur(&l->b, k->name, v, 1, DUR_MAX, slot(k, r));
	case KEY_DUR0:
		return node_dur(&l->b, k->name, v, 0, DUR_MAX, slot(k, r));
	case KEY_FOR:
		return for_take(l, k->name, v, r);
	case KEY_BOOL:
		return node_bool(&l->b, k->name, v, slot(k, r));
	case KEY_INT:
		return node_int(&l->b, k->name, v, 1, k->max, slot(k, r));
	case KEY_SEVERITY:
		if (!node_enum(&l->b, k->name, v, level_name, LEVELS, &n))
			return false;
		r->severity = (enum level)n;
		return true;
	case KEY_NO_DATA:
		if (!node_enum(&l->b, k->name, v, no_data, COUNT_OF(no_data), &n))
			return false;
		r->no_data = (enum no_data)(NO_DATA_RESOLVE + n);
		return true;
	case KEY_LABELS:
		return node_strmap(&l->b, k->name, v, &r->labels);
	case KEY_REGEX:
		return regex_take(l, v, r);
	case KEY_LATER:
		return true;
	}
	return false;
}

const struct rule_key *
rule_key_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(rule_keys); i++)
		if (strcmp(rule_keys[i].name, name) == 0)
			return &rule_keys[i];
	return NULL;
}

static void
rule_default(struct rule_def *r, struct loc loc)
{
	*r = (struct rule_def){ .loc = loc, .severity = LEVEL_WARNING, .over = NS_NONE, .every = NS_NONE, .within = NS_NONE,
		.absent = NS_NONE, .learn = NS_NONE, .hold = NS_NONE, .forget = INT64_C(7) * 86400 * NS_PER_S, .max_keys = 100000,
		.max_values = 10000, .regex_limit = 10000, .regex_subject = 8192 };
	for (int i = 0; i < LEVELS; i++)
		r->for_[i] = NS_NONE;
}

static void
rule_take(struct load *l, const struct node *map, struct rule_def *r)
{
	const char *known[COUNT_OF(rule_keys)], *where = "this rule";
	bool unknown = false;
	char q[96];
	struct buf b;

	rule_default(r, map->loc);
	buf_init(&b, 256);
	if (node_get(map, "rule") && node_get(map, "rule")->kind == NODE_SCALAR) {
		buf_printf(&b, "rule %s", node_quote(node_get(map, "rule"), q));
		where = buf_z(&b);
	}
	for (size_t i = 0; i < COUNT_OF(rule_keys); i++)
		known[i] = rule_keys[i].name;
	for (size_t i = 0; i < map->n; i++) {
		const struct rule_key *k = rule_key_find(map->key[i]->s);
		if (node_get(map, map->key[i]->s) != map->item[i])
			continue; /* given twice: told by the document */
		if (k == NULL) {
			diag_unknown(&l->b, map->key[i], known, COUNT_OF(known), where);
			unknown = true;
		} else if (!key_take(l, k, map->item[i], r))
			r->broken = true;
	}
	unsigned shape = rule_shape(l, map, unknown);
	if ((shape & (RECORD | FIRST)) && r->hold == NS_NONE)
		r->hold = 300 * NS_PER_S;
	if (shape == FIRST && r->learn == NS_NONE)
		r->learn = 3600 * NS_PER_S;
	if (!rule_check(l, r, map, shape, unknown) || unknown)
		r->broken = true;
	if (r->broken)
		rule_stand_in(r, shape);
	buf_free(&b);
}

void
rules_load(struct load *l, const struct doc *doc)
{
	static const char *const own[] = { "rules", NULL };
	static const struct keys keys = { own, NULL, "" };
	const struct loc top = { doc->file, 1, 1 };
	struct config *c = l->c;
	const struct node *list;

	if (doc->root == NULL || (bind_keys(&l->b, doc->root, &keys) && node_get(doc->root, "rules") == NULL)) {
		diag(l->b.d, doc->root ? doc->root->loc : top, "a rule file holds \"rules:\" and a list");
		return;
	}
	list = node_get(doc->root, "rules");
	if (list == NULL)
		return; /* told */
	if (list->kind != NODE_LIST) {
		diag(l->b.d, list->loc, "rules must be a list of rules, this is %s", node_what(list));
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (list->item[i]->kind != NODE_MAP) {
			diag(l->b.d, list->item[i]->loc, "a rule is a mapping, this is %s", node_what(list->item[i]));
			continue;
		}
		if (c->nrule == RULES_MAX) {
			diag(l->b.d, list->item[i]->loc, "more than %d rules", RULES_MAX);
			return;
		}
		GROW(c->rule, c->nrule, l->own->cap_rule);
		rule_take(l, list->item[i], &c->rule[c->nrule++]);
	}
}

static int
by_name(const void *a, const void *b)
{
	const struct rule_def *x = *(struct rule_def *const *)a, *y = *(struct rule_def *const *)b;
	int c = strcmp(x->name.s, y->name.s);
	return c ? c : (x > y) - (x < y); /* one array: its order is that of the files */
}

void
rules_finish(struct load *l)
{
	struct config *c = l->c;
	struct rule_def **v = xcalloc(c->nrule + 1, sizeof *v), **first = v;
	size_t n = 0;

	for (size_t i = 0; i < c->nrule; i++)
		if (c->rule[i].name.loc.line)
			v[n++] = &c->rule[i];
	qsort(v, n, sizeof *v, by_name);
	for (size_t i = 1; i < n; i++) {
		const struct loc at = (*first)->name.loc;
		if (strcmp((*first)->name.s, v[i]->name.s) != 0)
			first = &v[i];
		else {
			diag(l->b.d, v[i]->name.loc, "rule \"%s\" is there already: %s:%d:%d", v[i]->name.s, at.file, at.line, at.col);
			v[i]->broken = true;
		}
	}
	free(v);
}
