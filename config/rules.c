/* rules.c - rule files to struct rule_def: keys, shapes, durations, levels (DESIGN section 4).
 *
 * In: a document whose ${} are replaced. Out: l->c->rule. Next: rules/ compiles the expressions, whose text and place
 * stand in struct text_at; nothing here looks inside an expression.
 * A rule with mistakes is kept and marked broken, so that its expressions are checked in the same go.
 */
#include "config/load.h"

#include <stdlib.h>

#define BY_MAX 16
#define TEXTS_MAX 64
#define EXPECT_MAX 10000

enum shape { RECORD = 1, WINDOW = 2, PAIR = 4, ABSENT = 8, FIRST = 16, ANY = 31 };
static const char *const shape_name[] = { "record", "window", "pair", "absent", "first" };

enum key_type {
	KEY_TEXT,   /* struct text_at */
	KEY_TEXTS,  /* struct text_at * and its count: a list, or one */
	KEY_COND,   /* struct cond_def: one, or a map by level */
	KEY_DUR,    /* nsec > 0 */
	KEY_DUR0,   /* nsec >= 0 */
	KEY_FOR,    /* nsec[LEVELS] */
	KEY_BOOL, KEY_INT, KEY_SEVERITY, KEY_NO_DATA,
	KEY_LABELS, KEY_REGEX,
	KEY_LATER   /* read once `by` is known */
};

struct rule_key {
	const char *name;
	enum key_type type;
	unsigned shapes, needed; /* enum shape: where it may stand, where it must */
	size_t off, noff;
	int64_t max;
};

#define AT(member) offsetof(struct rule_def, member)
static const struct rule_key rule_keys[] = {
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
	out->plain = v->plain;
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

static const struct rule_key *
key_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(rule_keys); i++)
		if (strcmp(rule_keys[i].name, name) == 0)
			return &rule_keys[i];
	return NULL;
}

static const char *
shape_of(unsigned shape)
{
	size_t i = 0;
	while (i < COUNT_OF(shape_name) - 1 && !(shape & (1u << i)))
		i++;
	return shape_name[i];
}

/* The one shape that the keys name, or 0: told (but for a misspelt key, which is told already). */
static unsigned
shape_find(struct load *l, const struct node *map, bool unknown)
{
	static const char *const marks[] = { "over", "open", "close", "within", "absent", "first" };
	static const unsigned of[] = { WINDOW, PAIR, PAIR, PAIR, ABSENT, FIRST };
	unsigned shape = 0;
	const char *by = NULL;

	for (size_t i = 0; i < COUNT_OF(marks); i++) {
		if (node_get(map, marks[i]) == NULL || shape == of[i])
			continue;
		if (shape) {
			diag(l->b.d, map->loc, "a rule has one shape: \"%s\" makes it a%s %s rule, \"%s\" a%s %s rule", by,
				shape == ABSENT ? "n" : "", shape_of(shape), marks[i], of[i] == ABSENT ? "n" : "", shape_of(of[i]));
			return 0;
		}
		shape = of[i];
		by = marks[i];
	}
	if (shape == 0 && node_get(map, "when"))
		return RECORD;
	if (shape == 0 && !unknown)
		diag(l->b.d, map->loc, "the rule has no condition: give when (record), over and when (window), open, close and "
			"within (pair), absent or first (presence)");
	return shape;
}

/* Which keys may and must stand in a rule of this shape. */
static bool
check_keys(struct load *l, const struct node *map, unsigned shape, bool unknown)
{
	bool good = true;
	for (size_t i = 0; i < map->n; i++) {
		const struct rule_key *k = key_find(map->key[i]->s);
		if (k == NULL || (k->shapes & shape))
			continue;
		struct buf b;
		buf_init(&b, 128);
		for (size_t s = 0; s < COUNT_OF(shape_name); s++)
			if (k->shapes & (1u << s))
				buf_printf(&b, "%s%s", b.len ? " and " : "", shape_name[s]);
		diag(l->b.d, map->key[i]->loc, "\"%s\" is a key of %s rules; this is a%s %s rule%s", k->name, buf_z(&b),
			shape == ABSENT ? "n" : "", shape_of(shape),
			shape == RECORD && k->shapes == WINDOW ? ": it has no \"over\"" : "");
		buf_free(&b);
		good = false;
	}
	for (size_t i = 0; i < COUNT_OF(rule_keys) && !unknown; i++)
		if ((rule_keys[i].needed & shape) && node_get(map, rule_keys[i].name) == NULL) {
			diag(l->b.d, map->loc, "\"%s\" is missing: a%s %s rule needs it", rule_keys[i].name,
				shape == ABSENT ? "n" : "", shape_of(shape));
			good = false;
		}
	return good;
}

/* Each level of `resolve_when` or `for` must be one of `when`; a single one serves all. */
static bool
check_level_map(struct load *l, const struct rule_def *r, const struct node *map, const char *name)
{
	const struct node *v = node_get(map, name);
	bool good = true;
	if (v == NULL || v->kind != NODE_MAP)
		return true;
	if (!r->when.by_level) {
		diag(l->b.d, v->loc, "%s has levels, \"when\" has none: give both as mappings, or one %s", name, name);
		return false;
	}
	for (size_t i = 0; i < v->n; i++)
		for (int level = 0; level < LEVELS; level++)
			if (strcmp(v->key[i]->s, level_name[level]) == 0 && r->when.level[level].s == NULL &&
				node_get(node_get(map, "when"), level_name[level]) == NULL) {
				diag(l->b.d, v->key[i]->loc, "%s: \"when\" has no level %s", name, level_name[level]);
				good = false;
			}
	return good;
}

static bool
check_levels(struct load *l, const struct rule_def *r, const struct node *map, unsigned shape)
{
	const struct node *severity = node_get(map, "severity");
	bool good = true;
	if (shape == RECORD && r->when.by_level) {
		diag(l->b.d, node_get(map, "when")->loc, "levels are for window rules; a record rule has one \"when\" and a "
			"\"severity\"");
		good = false;
	}
	if (r->when.by_level && severity)
		diag_warn(l->b.d, severity->loc, "severity has no effect: the levels of \"when\" give it");
	return check_level_map(l, r, map, "resolve_when") && check_level_map(l, r, map, "for") && good;
}

static bool
expect_row(struct load *l, const struct node *v, size_t width, struct text_at *row)
{
	bool good = true;
	if (width == 1 && v->kind != NODE_LIST)
		return text_take(l, "expect", v, row);
	if (v->kind != NODE_LIST || v->n != width) {
		diag(l->b.d, v->loc, "expect: each entry is a list of %zu values, as \"by\" has %zu fields", width, width);
		return false;
	}
	for (size_t i = 0; i < width; i++)
		good &= text_take(l, "expect", v->item[i], &row[i]);
	return good;
}

static bool
expect_take(struct load *l, const struct node *map, struct rule_def *r)
{
	const struct node *v = node_get(map, "expect");
	struct arena *a = &l->own->arena;
	bool good = true;

	if (v == NULL)
		return true;
	if (r->nby == 0) {
		if (node_get(map, "by") == NULL)
			diag(l->b.d, v->loc, "expect names keys, and without \"by\" there is one key only");
		return false;
	}
	if (v->kind != NODE_LIST || v->n > EXPECT_MAX) {
		diag(l->b.d, v->loc, v->kind == NODE_LIST ? "expect: more than %d entries" : "expect must be a list", EXPECT_MAX);
		return false;
	}
	r->expect = arena_alloc(a, (v->n + 1) * sizeof *r->expect);
	for (size_t i = 0; i < v->n; i++) {
		struct text_at *row = arena_alloc(a, r->nby * sizeof *row);
		if (expect_row(l, v->item[i], r->nby, row))
			r->expect[r->nexpect++] = row;
		else
			good = false;
	}
	return good;
}

static bool
check_name(struct load *l, const struct rule_def *r)
{
	const char *s = r->name.s;
	if (s == NULL)
		return true; /* told */
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127) {
			diag(l->b.d, r->name.loc, "a rule's name is one line without control characters");
			return false;
		}
	if (strlen(s) > RULE_NAME_MAX)
		diag(l->b.d, r->name.loc, "a rule's name is at most %d bytes", RULE_NAME_MAX);
	else if (strncmp(s, "weir.", 5) == 0)
		diag(l->b.d, r->name.loc, "names that start with weir. are weir's own");
	else
		return true;
	return false;
}

/* `from` names sources that exist; no list names a thing twice. */
static bool
check_names(struct load *l, const struct rule_def *r)
{
	bool good = true;
	for (size_t i = 0; i < r->nfrom && !l->rules_alone; i++) {
		const char *s = r->from[i].s, *near;
		bool known = strcmp(s, "alerts") == 0;
		for (size_t k = 0; k < l->nsource && !known; k++)
			known = strcmp(s, l->source[k]) == 0;
		if (known)
			continue;
		near = nearest(str_of(s), l->source, l->nsource);
		diag(l->b.d, r->from[i].loc, "from: \"%s\" is no source%s%s%s", s, near ? "; did you mean \"" : "", near ? near : "",
			near ? "\"?" : "");
		good = false;
	}
	for (size_t i = 1; i < r->nby; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(r->by[i].s, r->by[k].s) == 0) {
				diag(l->b.d, r->by[i].loc, "by: \"%s\" is named twice", r->by[i].s);
				good = false;
			}
	return good;
}

static bool
check_forget(struct load *l, const struct rule_def *r, const struct node *map)
{
	const struct node *given = node_get(map, "forget");
	nsec than = r->absent != NS_NONE ? r->absent : r->within;
	const char *name = r->absent != NS_NONE ? "absent" : "within";
	if (than == NS_NONE || r->forget > than || (given && r->forget == NS_NONE))
		return true;
	if (given)
		diag(l->b.d, given->loc, "forget must be more than \"%s\"", name);
	else
		diag(l->b.d, node_get(map, name)->loc, "%s must be less than forget, which is 7d unless it is given", name);
	return false;
}

static bool
check_rest(struct load *l, struct rule_def *r, const struct node *map, unsigned shape)
{
	const char *fault = r->runbook.s ? url_fault(r->runbook.s) : NULL;
	const struct node *hold = node_get(map, "hold");
	bool good = check_names(l, r);
	if (fault) {
		diag(l->b.d, r->runbook.loc, "runbook: %s", fault);
		good = false;
	}
	if (hold && !(shape & (RECORD | FIRST)))
		diag_warn(l->b.d, hold->loc, "hold has no effect in a%s %s rule", shape == ABSENT ? "n" : "", shape_of(shape));
	if (shape & (RECORD | WINDOW))
		good &= check_levels(l, r, map, shape);
	if (shape == ABSENT)
		good &= expect_take(l, map, r);
	return good & check_forget(l, r, map);
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
		const struct rule_key *k = key_find(map->key[i]->s);
		if (node_get(map, map->key[i]->s) != map->item[i])
			continue; /* given twice: told by the document */
		if (k == NULL) {
			diag_unknown(&l->b, map->key[i], known, COUNT_OF(known), where);
			unknown = true;
		} else if (!key_take(l, k, map->item[i], r))
			r->broken = true;
	}
	unsigned shape = shape_find(l, map, unknown);
	bool good = shape && check_keys(l, map, shape, unknown);
	if ((shape & (RECORD | FIRST)) && r->hold == NS_NONE)
		r->hold = 300 * NS_PER_S;
	if (shape == FIRST && r->learn == NS_NONE)
		r->learn = 3600 * NS_PER_S;
	good &= check_name(l, r);
	good &= check_rest(l, r, map, shape);
	r->broken |= unknown || !good;
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
		if (c->rule[i].name.s)
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
