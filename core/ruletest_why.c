/* ruletest_why.c - looking on: why a rule was as it was, and which parts of its conditions a set of tests has seen.
 *
 * In: records and boundaries as front and back come to them, with an eval that answers for each. Out: text.
 * Owns: what was seen of a few keys. Never on in a run that is not asked about: the engine calls nobody then.
 */
#include "core/ruletest.h"

#include "core/json.h"

#include <math.h>
#include <stdlib.h>

#define KEYS_SHOWN 3
#define LINES_SHOWN 3
#define LINE_SHOWN 200
#define BRANCHES_MAX 256

/* ---- why ---- */

struct seen_line {
	nsec at;
	const char *note;   /* what the record did */
	char *text;
};

struct seen_key {
	char *key;
	nsec judged;        /* boundary or record; NS_NONE: none */
	struct buf why;     /* its conditions then */
	struct seen_line line[LINES_SHOWN];
	size_t nline;       /* all that there were: the last stand at nline % LINES_SHOWN .. */
};

struct asked {
	struct rt_ask *ask;
	struct seen_key key[KEYS_SHOWN + 1]; /* in order; the one more is dropped */
	size_t nkey, others;
};

struct looking {
	struct rt_file *f;
	struct asked *v;
	size_t n;
};

static void
seen_free(struct seen_key *k)
{
	free(k->key);
	buf_free(&k->why);
	for (size_t i = 0; i < LINES_SHOWN; i++)
		free(k->line[i].text);
}

/* The state of this key among the least KEYS_SHOWN; NULL: not among them. */
static struct seen_key *
seen_get(struct asked *q, struct str key)
{
	size_t i = 0;
	int c = 1;
	while (i < q->nkey && (c = str_cmp(str_of(q->key[i].key), key)) < 0)
		i++;
	if (i < q->nkey && c == 0)
		return &q->key[i];
	if (i == KEYS_SHOWN) {
		q->others++;
		return NULL;
	}
	memmove(&q->key[i + 1], &q->key[i], (q->nkey - i) * sizeof q->key[0]);
	q->key[i] = (struct seen_key){ .key = xstr(key), .judged = NS_NONE };
	buf_init(&q->key[i].why, RT_TEXT_MAX);
	if (++q->nkey > KEYS_SHOWN) {
		seen_free(&q->key[--q->nkey]);
		q->others++;
	}
	return &q->key[i];
}

/* Is the question about this rule, key and time? */
static bool
asks(const struct asked *q, const struct rule *r, struct str key, nsec at)
{
	const struct rt_ask *a = q->ask;
	if (a->rule != r || at > a->at)
		return false;
	if (a->exact)
		return str_eq(str_of(a->exact), key);
	char *z = xstr(key);
	bool good = rt_key_matches(a->key, z);
	free(z);
	return good;
}

static void
condition(const struct exprs *x, struct eval *e, const char *what, const int id[LEVELS], bool by_level, bool secret, struct buf *out)
{
	for (int l = 0; l < LEVELS; l++) {
		if (id[l] < 0)
			continue;
		if (secret) {
			buf_printf(out, "      %s: a side of it is a field of `redact`: its values are not shown\n", what);
			return;
		}
		if (by_level)
			buf_printf(out, "      %s %s:\n", what, level_name[l]);
		else
			buf_printf(out, "      %s:\n", what);
		expr_why(x, e, id[l], 8, out);
	}
}

static void
look_back(void *arg, struct eval *e, const struct rule *r, struct str key, nsec at)
{
	struct looking *w = arg;
	const struct exprs *x = w->f->app.rules->exprs;
	for (size_t i = 0; i < w->n; i++) {
		struct seen_key *k = asks(&w->v[i], r, key, at) ? seen_get(&w->v[i], key) : NULL;
		if (k == NULL)
			continue;
		k->judged = at;
		buf_clear(&k->why);
		condition(x, e, "when", r->when, r->by_level, r->secret, &k->why);
		condition(x, e, "resolve_when", r->resolve_when, r->def->resolve_when.by_level, r->secret, &k->why);
	}
}

/* A record's key as JSON; false: it lacks a field. */
static bool
record_key(const struct ruleset *rs, const struct rule *r, struct eval *e, struct buf *out)
{
	const struct keyset *ks = &rs->keyset[r->keyset];
	for (size_t i = 0; i < ks->n; i++) {
		struct val v = ks->slot[i] < 0 ? eval_value(e, ks->expr[i]) : eval_slot(e, ks->slot[i]);
		if (v.type == V_NULL || (v.type == V_NUM && !isfinite(v.n)))
			return false;
		buf_addz(out, ks->prefix[i]);
		if (v.type == V_NUM)
			json_num(out, v.n);
		else if (v.type == V_STR)
			json_str(out, v.s);
		else
			buf_addz(out, v.b ? "true" : "false");
	}
	buf_addz(out, ks->n ? "}" : "{}");
	return true;
}

static const char *
what_it_did(const struct rule *r, struct eval *e)
{
	if (r->shape == SHAPE_PAIR)
		return eval_test(e, r->open) == TRI_TRUE ? "opens" : eval_test(e, r->close) == TRI_TRUE ? "closes" : "neither opens nor closes";
	if (r->shape != SHAPE_RECORD || r->nprev)
		return "";
	for (int l = 0; l < LEVELS; l++)
		if (r->when[l] >= 0 && eval_test(e, r->when[l]) == TRI_TRUE)
			return "matches";
	return "does not match";
}

static void
look_front(void *arg, struct eval *e, const struct front_source *s, const struct record *rec)
{
	struct looking *w = arg;
	const struct ruleset *rs = w->f->app.rules;
	for (size_t i = 0; i < w->n; i++) {
		struct asked *q = &w->v[i];
		const struct rule *r = q->ask->rule;
		struct buf key;
		if (!(r->sources >> s->index & 1) || rec->time > q->ask->at || (r->where >= 0 && eval_test(e, r->where) != TRI_TRUE))
			continue;
		buf_init(&key, RT_TEXT_MAX);
		struct seen_key *k = record_key(rs, r, e, &key) && asks(q, r, buf_str(&key), rec->time) ? seen_get(q, buf_str(&key)) : NULL;
		buf_free(&key);
		if (k == NULL)
			continue;
		struct seen_line *l = &k->line[k->nline++ % LINES_SHOWN];
		free(l->text);
		*l = (struct seen_line){ rec->time, what_it_did(r, e), xstr(utf8_cut(rec->raw, LINE_SHOWN)) };
		if (r->shape == SHAPE_RECORD && r->nprev == 0) {
			k->judged = rec->time;
			buf_clear(&k->why);
			condition(rs->exprs, e, "when", r->when, r->by_level, r->secret, &k->why);
		}
	}
}

static void
say_seen(const struct asked *q, struct seen_key *k, struct buf *out)
{
	if (k->judged != NS_NONE) {
		buf_addz(out, "    at ");
		rt_time(k->judged, out);
		buf_printf(out, "%s%s\n%s", strcmp(k->key, "{}") ? ", " : "", strcmp(k->key, "{}") ? k->key : "", buf_z(&k->why));
	} else if (strcmp(k->key, "{}") != 0) {
		buf_printf(out, "    %s\n", k->key);
	}
	size_t n = k->nline < LINES_SHOWN ? k->nline : LINES_SHOWN;
	if (n == 0)
		buf_addz(out, "      no record of it up to then\n");
	else
		buf_printf(out, "      %zu record%s up to then, last\n", k->nline, k->nline == 1 ? "" : "s");
	for (size_t i = k->nline - n; i < k->nline; i++) {
		const struct seen_line *l = &k->line[i % LINES_SHOWN];
		buf_addz(out, "        ");
		rt_time(l->at, out);
		buf_printf(out, " %s%s%s\n", l->text, *l->note ? "  <- " : "", l->note);
	}
	(void)q;
}

/* Real logs may hold some, and results go to CI. */
static void
without_secrets(const struct ruleset *rs, struct buf *b)
{
	struct buf clean;
	buf_init(&clean, RT_TEXT_MAX);
	redact_text(rs->redact, buf_str(b), &clean);
	buf_free(b);
	*b = clean;
}

void
rt_why(struct rt_file *f, struct rt_test *t, struct rt_ask *ask, size_t n)
{
	struct looking w = { .f = f, .v = xcalloc(n, sizeof *w.v), .n = n };
	struct rt_log log;
	for (size_t i = 0; i < n; i++)
		w.v[i].ask = &ask[i];
	rt_feed(f, t, look_front, look_back, &w, &log);
	rt_log_free(&log);
	for (size_t i = 0; i < n; i++) {
		struct asked *q = &w.v[i];
		struct buf *out = &ask[i].said;
		buf_init(out, RT_TEXT_MAX);
		buf_addz(out, "  because\n");
		for (size_t k = 0; k < q->nkey; k++) {
			say_seen(q, &q->key[k], out);
			seen_free(&q->key[k]);
		}
		if (q->others)
			buf_addz(out, "    and other keys\n");
		without_secrets(f->app.rules, out);
		if (q->nkey == 0)
			buf_printf(out, "    the rule saw no record%s up to then\n", ask[i].key ? " of this key" : "");
	}
	free(w.v);
}

/* ---- coverage ---- */

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
			if (b->yes && b->no)
				continue;
			buf_printf(out, "  %s:%d: %s, %s%s%s: never %s: %s\n", v->file, v->line, v->name, b->what, b->level >= 0 ? " " : "",
				b->level >= 0 ? level_name[b->level] : "", b->yes ? "false" : b->no ? "true" : "evaluated", v->text[k]);
		}
	}
}
