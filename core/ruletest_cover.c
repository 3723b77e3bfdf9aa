/* ruletest_cover.c - which rules fired in a set of tests, and which parts of their conditions were seen true and false.
 *
 * In: records and boundaries as front and back come to them. Out: text. Owns: a row a rule, over all files that test it.
 * A part is evaluated by itself, also where `and` or `or` had no need of it. Cost: only with --coverage.
 */
#include "core/ruletest.h"

#include <stdlib.h>

#define BRANCHES_MAX 256

struct branch {
	int id;
	const char *what;   /* where, when ... */
	int level;          /* -1: of all */
	bool root, yes, no;
};

struct covered {            /* one rule, over all files that test it */
	char *file, *name;
	int line;
	bool fired;
	struct branch *v;
	size_t n;
	char **text;
};

struct rt_cover {
	struct covered *v;
	size_t n, cap;
	/* of the file whose tests run now */
	const struct rt_file *f;
	size_t *at;         /* by rule: index in v */
};

struct rt_cover *
rt_cover_new(void)
{
	return xcalloc(1, sizeof(struct rt_cover));
}

void
rt_cover_free(struct rt_cover *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++) {
		for (size_t k = 0; k < c->v[i].n; k++)
			free(c->v[i].text[k]);
		free(c->v[i].text);
		free(c->v[i].v);
		free(c->v[i].file);
		free(c->v[i].name);
	}
	free(c->v);
	free(c->at);
	free(c);
}

static void
branches_add(struct covered *v, const struct exprs *x, int id, const char *what, int level)
{
	int ids[BRANCHES_MAX];
	if (id < 0)
		return;
	size_t n = expr_branches(x, id, ids, BRANCHES_MAX);
	n = n < BRANCHES_MAX ? n : BRANCHES_MAX;
	v->v = xrealloc(v->v, (v->n + n) * sizeof *v->v);
	v->text = xrealloc(v->text, (v->n + n) * sizeof *v->text);
	for (size_t i = 0; i < n; i++) {
		struct buf b;
		buf_init(&b, RT_TEXT_MAX);
		expr_text(x, ids[i], &b);
		v->text[v->n] = xstrdup(buf_z(&b));
		v->v[v->n++] = (struct branch){ .id = ids[i], .what = what, .level = level, .root = i == 0 };
		buf_free(&b);
	}
}

static void
rule_branches(struct covered *v, const struct exprs *x, const struct rule *r)
{
	branches_add(v, x, r->where, "where", -1);
	for (int l = 0; l < LEVELS; l++)
		branches_add(v, x, r->when[l], "when", r->by_level ? l : -1);
	for (int l = 0; l < LEVELS; l++)
		branches_add(v, x, r->resolve_when[l], "resolve_when", r->def->resolve_when.by_level ? l : -1);
	branches_add(v, x, r->open, "open", -1);
	branches_add(v, x, r->close, "close", -1);
}

/* Rules that several test files test are one: the same name at the same place. Numbers of expressions are each file's own. */
static size_t
covered_of(struct rt_cover *c, const struct exprs *x, const struct rule *r)
{
	struct covered now = { .file = xstrdup(r->def->loc.file), .name = xstrdup(r->name), .line = r->def->loc.line };
	size_t i = 0;
	rule_branches(&now, x, r);
	while (i < c->n && (strcmp(c->v[i].name, now.name) != 0 || strcmp(c->v[i].file, now.file) != 0 || c->v[i].n != now.n))
		i++;
	if (i == c->n) {
		GROW(c->v, c->n, c->cap);
		c->v[c->n++] = now;
		return i;
	}
	for (size_t k = 0; k < now.n; k++) {
		c->v[i].v[k].id = now.v[k].id;
		free(now.text[k]);
	}
	free(now.text);
	free(now.v);
	free(now.file);
	free(now.name);
	return i;
}

void
rt_cover_file(struct rt_cover *c, const struct rt_file *f)
{
	if (c->f == f)
		return;
	c->f = f;
	free(c->at);
	c->at = xcalloc(f->app.rules->nrule, sizeof *c->at);
	for (size_t i = 0; i < f->app.rules->nrule; i++)
		c->at[i] = covered_of(c, f->app.rules->exprs, &f->app.rules->rule[i]);
}

static void
count(struct covered *v, struct eval *e, const char *what)
{
	for (size_t i = 0; i < v->n; i++) {
		struct branch *b = &v->v[i];
		if (b->what[0] != what[0] || strcmp(b->what, what) != 0 || (b->yes && b->no))
			continue;
		enum tri t = eval_test(e, b->id);
		b->yes |= t == TRI_TRUE;
		b->no |= t != TRI_TRUE; /* null as a condition is false */
	}
}

void
rt_cover_front(void *arg, struct eval *e, const struct front_source *s, const struct record *rec)
{
	struct rt_cover *c = arg;
	const struct ruleset *rs = c->f->app.rules;
	(void)rec;
	for (size_t i = 0; i < rs->nrule; i++) {
		const struct rule *r = &rs->rule[i];
		struct covered *v = &c->v[c->at[i]];
		if (!(r->sources >> s->index & 1))
			continue;
		if (r->where >= 0) {
			count(v, e, "where");
			if (eval_test(e, r->where) != TRI_TRUE)
				continue;
		}
		if (r->shape == SHAPE_RECORD && r->nprev == 0)
			count(v, e, "when");
		if (r->shape == SHAPE_PAIR) {
			count(v, e, "open");
			count(v, e, "close");
		}
	}
}

void
rt_cover_back(void *arg, struct eval *e, const struct rule *r, struct str key, nsec at)
{
	struct rt_cover *c = arg;
	struct covered *v = &c->v[c->at[r->index]];
	(void)key;
	(void)at;
	count(v, e, "when");
	count(v, e, "resolve_when");
}

void
rt_cover_fired(struct rt_cover *c, const struct rt_log *log)
{
	for (size_t i = 0; i < c->f->app.rules->nrule; i++)
		for (size_t k = 0; k < log->n && !c->v[c->at[i]].fired; k++)
			c->v[c->at[i]].fired = log->v[k].event == EV_FIRING && strcmp(log->v[k].rule, c->f->app.rules->rule[i].name) == 0;
}

void
rt_cover_report(const struct rt_cover *c, struct buf *out)
{
	size_t fired = 0, full = 0, parts = 0;
	for (size_t i = 0; i < c->n; i++) {
		fired += c->v[i].fired;
		for (size_t k = 0; k < c->v[i].n; k++, parts++)
			full += c->v[i].v[k].yes && c->v[i].v[k].no;
	}
	buf_printf(out, "coverage: %zu of %zu rules fired; %zu of %zu parts of conditions were seen true and false\n", fired, c->n, full,
		parts);
	for (size_t i = 0; i < c->n; i++) {
		const struct covered *v = &c->v[i];
		if (!v->fired)
			buf_printf(out, "  %s:%d: %s never fired\n", v->file, v->line, v->name);
		for (size_t k = 0; k < v->n; k++) {
			const struct branch *b = &v->v[k];
			if ((b->yes && b->no) || (!b->yes && !b->no && !b->root)) /* of what was never evaluated the whole says enough */
				continue;
			buf_printf(out, "  %s:%d: %s, %s%s%s: never %s: %s\n", v->file, v->line, v->name, b->what, b->level >= 0 ? " " : "",
				b->level >= 0 ? level_name[b->level] : "", b->yes ? "false" : b->no ? "true" : "evaluated", v->text[k]);
		}
	}
}
