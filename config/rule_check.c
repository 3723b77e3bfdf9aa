/* rule_check.c - what must hold between the keys of one rule: its shape, levels, names, `expect`, `forget`.
 *
 * In: a rule whose keys are read, and its node. Out: every mistake told at the key that it concerns.
 */
#include "config/rule_keys.h"

#include "core/json.h"
#include "core/num.h"

#include <math.h>
#include <stdlib.h>

static const char *const shape_name[SHAPES_N] = { "record", "window", "pair", "absent", "first" };

static const char *
shape_of(unsigned shape)
{
	size_t i = 0;
	while (i < SHAPES_N - 1 && !(shape & (1u << i)))
		i++;
	return shape_name[i];
}

unsigned
rule_shape(struct load *l, const struct node *map, bool unknown)
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
		const struct rule_key *k = rule_key_find(map->key[i]->s);
		if (k == NULL || (k->shapes & shape))
			continue;
		struct buf b;
		buf_init(&b, 128);
		for (size_t s = 0; s < SHAPES_N; s++)
			if (k->shapes & (1u << s))
				buf_printf(&b, "%s%s", b.len ? " and " : "", shape_name[s]);
		diag(l->b.d, map->key[i]->loc, "\"%s\" is a key of %s rules; this is a%s %s rule%s", k->name, buf_z(&b),
			shape == ABSENT ? "n" : "", shape_of(shape),
			shape == RECORD && k->shapes == WINDOW ? ": it has no \"over\"" : "");
		buf_free(&b);
		good = false;
	}
	for (size_t i = 0; i < nrule_keys && !unknown; i++)
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
check_levels(struct load *l, const struct rule_def *r, const struct node *map)
{
	const struct node *severity = node_get(map, "severity");
	if (r->when.by_level && severity)
		diag_warn(l->b.d, severity->loc, "severity has no effect: the levels of \"when\" give it");
	return check_level_map(l, r, map, "resolve_when") & check_level_map(l, r, map, "for");
}

/* A value as it stands in a key: without quotes a number or boolean is one, as key values keep their JSON type. */
static bool
expect_value(struct load *l, const struct node *v, struct text_at *out)
{
	double n;
	struct buf b;

	if (!text_take(l, "expect", v, out))
		return false;
	buf_init(&b, 6 * strlen(out->s) + 64);
	if (v->plain && num_parse(str_of(out->s), &n) && isfinite(n))
		json_num(&b, n);
	else if (v->plain && (strcmp(out->s, "true") == 0 || strcmp(out->s, "false") == 0))
		buf_addz(&b, out->s);
	else
		json_str(&b, str_of(out->s));
	out->s = arena_alloc(&l->own->arena, b.len + 1);
	memcpy(out->s, buf_z(&b), b.len + 1);
	buf_free(&b);
	return true;
}

static bool
expect_row(struct load *l, const struct node *v, size_t width, struct text_at *row)
{
	bool good = true;
	if (width == 1 && v->kind != NODE_LIST)
		return expect_value(l, v, row);
	if (v->kind != NODE_LIST || v->n != width) {
		diag(l->b.d, v->loc, "expect: each entry is a list of %zu values, as \"by\" has %zu fields", width, width);
		return false;
	}
	for (size_t i = 0; i < width; i++)
		good &= expect_value(l, v->item[i], &row[i]);
	return good;
}

static bool
expect_list(struct load *l, const struct node *v, struct rule_def *r)
{
	struct arena *a = &l->own->arena;
	bool good = true;
	if (v->kind != NODE_LIST || v->n > EXPECT_MAX) {
		diag(l->b.d, v->loc, v->kind == NODE_LIST ? "expect: more than %d entries" : "expect must be a list, or {file: PATH} of one",
			EXPECT_MAX);
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

/* `expect: {file: PATH}`: the list stands in a YAML file of its own; a relative path starts at the folder of the rule's file. */
static bool
expect_file(struct load *l, const struct node *path, struct rule_def *r)
{
	if (!node_text(&l->b, "expect: file", path))
		return false;
	const char *own = path->loc.file, *slash = strrchr(own, '/');
	char *dir = slash == own ? xstrdup("/") : slash ? xstrndup(own, (size_t)(slash - own)) : xstrdup(".");
	char *whole = path_join(dir, path->s);
	struct doc *doc = doc_read(whole, l->b.d);
	bool good = doc && doc->root && expect_list(l, doc->root, r);
	if (doc && doc->root == NULL)
		diag(l->b.d, path->loc, "expect: the file %s is empty", whole);
	doc_done(l, doc);
	free(dir);
	free(whole);
	return good;
}

static bool
expect_take(struct load *l, const struct node *map, struct rule_def *r)
{
	const struct node *v = node_get(map, "expect");
	if (v == NULL)
		return true;
	if (r->nby == 0) {
		if (node_get(map, "by") == NULL)
			diag(l->b.d, v->loc, "expect names keys, and without \"by\" there is one key only");
		return false;
	}
	const struct node *file = v->n == 1 ? node_get(v, "file") : NULL;
	return file ? expect_file(l, file, r) : expect_list(l, v, r);
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

/* `from` names sources that exist: others are told and taken out, so that compiling tells them no second time. */
static bool
check_from(struct load *l, struct rule_def *r)
{
	size_t kept = 0, n = r->nfrom;
	bool good = true;
	for (size_t i = 0; i < n && !l->rules_alone; i++) {
		const char *s = r->from[i].s, *near;
		bool known = strcmp(s, "alerts") == 0, named = false;
		for (size_t k = 0; k < l->c->nsource && !known; k++)
			known = strcmp(s, l->c->source[k].name) == 0;
		for (size_t k = 0; k < l->nsource && !named; k++)
			named = strcmp(s, l->source[k]) == 0;
		if (known) {
			r->from[kept++] = r->from[i];
			continue;
		}
		good = false;
		near = nearest(str_of(s), l->source, l->nsource);
		if (!named)
			diag(l->b.d, r->from[i].loc, "from: \"%s\" is no source%s%s%s", s, near ? "; did you mean \"" : "",
				near ? near : "", near ? "\"?" : "");
	}
	r->nfrom = l->rules_alone ? n : kept;
	return good;
}

/* A field named twice in `by` would be one part of the key given twice. */
static bool
check_by(struct load *l, const struct rule_def *r)
{
	bool good = true;
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
	bool good = check_from(l, r) & check_by(l, r);
	if (fault) {
		diag(l->b.d, r->runbook.loc, "runbook: %s", fault);
		good = false;
	}
	if (hold && !(shape & (RECORD | FIRST)))
		diag_warn(l->b.d, hold->loc, "hold has no effect in a%s %s rule", shape == ABSENT ? "n" : "", shape_of(shape));
	if (shape & (RECORD | WINDOW))
		good &= check_levels(l, r, map);
	if (shape == ABSENT)
		good &= expect_take(l, map, r);
	r->forget_given = node_get(map, "forget") != NULL;
	return good & check_forget(l, r, map);
}

bool
rule_check(struct load *l, struct rule_def *r, const struct node *map, unsigned shape, bool unknown)
{
	bool good = shape && check_keys(l, map, shape, unknown);
	good &= check_name(l, r);
	return good & check_rest(l, r, map, shape);
}

void
rule_stand_in(struct rule_def *r, unsigned shape)
{
	static char no[] = "false", field[] = "@raw", name[] = "?";
	if (shape == WINDOW && r->over == NS_NONE)
		r->over = 60 * NS_PER_S;
	if (shape == PAIR && r->open.s == NULL)
		r->open.s = no;
	if (shape == PAIR && r->close.s == NULL)
		r->close.s = no;
	if (shape == PAIR && r->within == NS_NONE)
		r->within = 60 * NS_PER_S;
	if (shape == ABSENT && r->absent == NS_NONE)
		r->absent = 60 * NS_PER_S;
	if (shape == FIRST && r->first.s == NULL)
		r->first.s = field;
	if (r->name.s == NULL)
		r->name.s = name;
}
