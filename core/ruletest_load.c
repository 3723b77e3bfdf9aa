/* ruletest_load.c - a test file to checked tests: keys, records, expectations, and the rules they are about.
 *
 * In: a path. Out: struct rt_file, or every mistake of the test file, the rules and the configuration in one go.
 * Next: ruletest.c. Owns: the document, whose texts the tests view.
 */
#include "core/ruletest.h"

#include "config/bind.h"
#include "config/env.h"
#include "core/num.h"
#include "core/policy.h"
#include "ingest/source.h"
#include "sinks/sink.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#define RULE_FILES_MAX 1000
#define KEYS_MAX 64

const char *const rt_state_name[RT_STATES] = { "any", "ok", "pending", "firing", "resolved" };
const char *const rt_want_name[RT_WANTS] = { "level", "value", "count", "title", "message", "cause", "runbook", "session_id", "user_id",
	"stage", "labels", "metadata", "event" };

struct load {
	struct rt_file *f;
	struct bind b;
	struct rt_reader reader; /* parser NULL while the rules are wrong */
	const char **rule;      /* names */
	bool wrong;             /* the rules or the configuration have mistakes */
};

/* ---- rules ---- */

static void
source_add(struct rt_file *f, const char *name)
{
	for (size_t i = 0; i < f->nown; i++)
		if (strcmp(f->own[i].name, name) == 0)
			return;
	if (f->nown >= SOURCES_MAX)
		return; /* the rules' compiler tells that this one is not there */
	f->own = xrealloc(f->own, (f->nown + 1) * sizeof *f->own);
	f->own[f->nown++] = (struct source_conf){ .name = xstrdup(name), .kind = &source_files.kind,
		.conf = xcalloc(1, source_files.kind.conf_size), .max_jump = 3600 * NS_PER_S, .idle = 5 * NS_PER_S,
		.blind_after = 60 * NS_PER_S, .format = FORMAT_JSON, .max_record = 1 << 20 };
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct source_conf *)a)->name, ((const struct source_conf *)b)->name);
}

/* Rules alone name sources that are configured elsewhere: each gets one here, and a nameless one, which all rules see,
 * stands for any. */
static void
sources_make(struct rt_file *f)
{
	struct config *c = f->app.config;
	source_add(f, "");
	for (size_t i = 0; i < c->nrule; i++)
		for (size_t k = 0; k < c->rule[i].nfrom; k++)
			if (c->rule[i].from[k].s && strcmp(c->rule[i].from[k].s, "alerts") != 0)
				source_add(f, c->rule[i].from[k].s);
	qsort(f->own, f->nown, sizeof *f->own, by_name);
	c->source = f->own;
	c->nsource = f->nown;
}

static void
nameless_for_all(struct ruleset *rs)
{
	for (size_t i = 0; i < rs->nrule; i++)
		rs->rule[i].sources |= 1;
	for (size_t i = 0; i < rs->nclock; i++)
		rs->clock[i].sources |= 1;
}

/* The files that one entry of `rules:` names, onto list. */
static void
glob_take(struct load *l, const struct node *v, struct strlist *list)
{
	glob_t g = { 0 };
	char q[96];
	if (!node_text(&l->b, "rules", v))
		return;
	char *path = path_join(l->b.dir, v->s);
	int rc = glob(path, 0, NULL, &g);
	if (rc != 0)
		diag(l->b.d, v->loc, "rules: there is no file %s", node_quote(v, q));
	for (size_t i = 0; rc == 0 && i < g.gl_pathc && list->n < RULE_FILES_MAX; i++) {
		list->v = xrealloc(list->v, (list->n + 1) * sizeof *list->v);
		list->v[list->n++] = xstrdup(g.gl_pathv[i]);
	}
	globfree(&g);
	free(path);
}

static void
rules_load(struct load *l, const struct node *v)
{
	struct strlist list = { 0 };
	unsigned before = l->b.d->n;
	if (v->kind == NODE_LIST)
		for (size_t i = 0; i < v->n; i++)
			glob_take(l, v->item[i], &list);
	else
		glob_take(l, v, &list);
	l->f->app.config = config_load_rules((const char *const *)list.v, list.n, l->b.d);
	l->wrong = l->b.d->n > before;
	if (!l->wrong && l->f->app.config->nrule == 0)
		diag(l->b.d, v->loc, "there are no rules to test");
	strlist_free(&list);
	sources_make(l->f);
}

static void
config_of(struct load *l, const struct node *v)
{
	if (!node_text(&l->b, "config", v))
		return;
	unsigned before = l->b.d->n;
	char *path = path_join(l->b.dir, v->s);
	l->f->app.config = config_load(path, source_kinds, sink_kinds, l->b.d);
	policy_free(policy_new(l->f->app.config, l->b.d)); /* its mistakes are told with the others */
	l->wrong = l->b.d->n > before;
	free(path);
}

static void
compile(struct load *l)
{
	struct app *a = &l->f->app;
	if (a->config == NULL)
		return;
	unsigned before = l->b.d->n;
	a->rules = ruleset_new(a->config, l->b.d);
	l->rule = xcalloc(a->rules->nrule + 1, sizeof *l->rule);
	for (size_t i = 0; i < a->rules->nrule; i++)
		l->rule[i] = a->rules->rule[i].name;
	if (l->wrong || l->b.d->n > before)
		return;
	if (l->f->own)
		nameless_for_all(a->rules);
	a->source = xcalloc(a->config->nsource, sizeof *a->source);
	for (size_t i = 0; i < a->config->nsource; i++)
		front_source_init(&a->source[i], a->rules, &a->config->source[i], i);
	l->reader.source = a->source;
	l->reader.parser = parser_new(&a->rules->paths);
	l->reader.rec.slot = xcalloc(a->rules->paths.n + 1, sizeof *l->reader.rec.slot);
}

/* ---- small values ---- */

/* A duration from the epoch, or a time as in logs. */
static bool
time_take(struct load *l, const char *name, const struct node *v, nsec *out)
{
	if (!node_text(&l->b, name, v))
		return false;
	if (strchr(v->s, 'T') && strlen(v->s) >= 11 && stamp_parse(str_of(v->s), NULL, out))
		return true;
	if (!node_dur(&l->b, name, v, 0, DUR_MAX, out))
		return false;
	*out += RT_EPOCH;
	return true;
}

static bool
source_take(struct load *l, const struct node *v, const char *name, size_t *out)
{
	const struct config *c = l->f->app.config;
	const char *names[SOURCES_MAX + 2], *near;
	char q[96];
	size_t n = 0;
	for (size_t i = 0; c && i < c->nsource && n <= SOURCES_MAX; i++) {
		if (strcmp(c->source[i].name, name) == 0) {
			*out = i;
			return true;
		}
		if (*c->source[i].name)
			names[n++] = c->source[i].name;
	}
	if (l->reader.parser == NULL)
		return true; /* what is wrong with the configuration is told */
	near = nearest(str_of(name), names, n);
	if (near)
		diag(l->b.d, v->loc, "source: no source is named %s; did you mean \"%s\"?", node_quote(v, q), near);
	else
		diag(l->b.d, v->loc, l->f->own ? "source: no rule names a source %s in `from`" : "source: the configuration has no %s",
			node_quote(v, q));
	return false;
}

static const struct rule *
rule_take(struct load *l, const char *key, const struct node *v)
{
	const struct ruleset *rs = l->f->app.rules;
	char q[96];
	if (!node_text(&l->b, key, v) || rs == NULL)
		return NULL;
	for (size_t i = 0; i < rs->nrule; i++)
		if (rs->rule[i].name && strcmp(rs->rule[i].name, v->s) == 0)
			return &rs->rule[i];
	const char *near = nearest(str_of(v->s), l->rule, rs->nrule);
	diag(l->b.d, v->loc, "%s: no rule is named %s%s%s%s", key, node_quote(v, q), near ? "; did you mean \"" : "", near ? near : "",
		near ? "\"?" : "");
	return NULL;
}

static void
key_take(struct load *l, const struct node *v, struct rt_expect *x)
{
	if (v->kind != NODE_MAP) {
		diag(l->b.d, v->loc, "key must be a mapping of `by` fields and values, this is %s", node_what(v));
		return;
	}
	x->key = v;
	if (l->reader.parser == NULL || x->rule == NULL)
		return;
	const struct keyset *ks = &l->f->app.rules->keyset[x->rule->keyset_out];
	for (size_t i = 0; i < v->n; i++) {
		size_t k = 0;
		while (k < ks->n && strcmp(ks->name[k], v->key[i]->s) != 0)
			k++;
		const char *first = x->rule->def->first.s; /* its value stands in the alert's key beside `by` */
		if (k == ks->n && (first == NULL || strcmp(first, v->key[i]->s) != 0))
			diag_unknown(&l->b, v->key[i], (const char *const *)ks->name, ks->n, "key: the rule's `by`");
		else
			node_text(&l->b, v->key[i]->s, v->item[i]);
	}
}

/* ---- records ---- */

static void
records_take(struct load *l, struct rt_test *t, const struct node *v)
{
	if (v->kind != NODE_MAP) {
		rt_lines_take(&l->reader, &l->b, t, v, t->source);
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		size_t source = 0;
		if (source_take(l, v->key[i], v->key[i]->s, &source))
			rt_lines_take(&l->reader, &l->b, t, v->item[i], source);
	}
}

static void
records_check(struct load *l, struct rt_test *t, const struct node *map, bool known)
{
	int64_t n = 0;
	const struct node *records = node_get(map, "records");
	for (size_t i = 0; i < t->nline; i++)
		n += t->line[i].count;
	if (n > RT_RECORDS_MAX)
		diag(l->b.d, records->loc, "more than %d records", RT_RECORDS_MAX);
	if (records && node_get(map, "records_file"))
		diag(l->b.d, records->loc, "a test has records or a records_file, not both");
	else if (known && records == NULL && node_get(map, "records_file") == NULL)
		diag(l->b.d, map->loc, "this test has no records: give records, or records_file");
}

static void
files_take(struct load *l, struct rt_test *t, const struct node *v)
{
	struct strlist list = { 0 };
	if (!node_strlist(&l->b, "records_file", v, &list))
		return;
	for (size_t i = 0; i < list.n; i++) {
		char *path = path_join(l->b.dir, list.v[i]);
		if (access(path, R_OK) != 0)
			diag(l->b.d, v->kind == NODE_LIST ? v->item[i]->loc : v->loc, "records_file: cannot read %s: %s", path,
				strerror(errno));
		free(list.v[i]);
		list.v[i] = path;
	}
	t->file = list;
	const struct config *c = l->f->app.config;
	if (l->reader.parser && strcmp(c->source[t->source].kind->name, "files") != 0)
		diag(l->b.d, v->loc, "records_file: source %s is no `files` source", c->source[t->source].name);
}

/* ---- expectations ---- */

static void
want_check(struct load *l, enum rt_want w, const struct node *v)
{
	int n;
	switch (w) {
	case RT_LEVEL:
		node_enum(&l->b, "level", v, level_name, LEVELS, &n);
		break;
	case RT_EVENT:
		node_enum(&l->b, "event", v, event_name, EV_ACKNOWLEDGED, &n);
		break;
	case RT_NUMBER: {
		int64_t i;
		node_int(&l->b, "count", v, 0, INT64_MAX, &i);
		break;
	}
	case RT_LABELS:
	case RT_METADATA:
		if (v->kind != NODE_MAP)
			diag(l->b.d, v->loc, "%s must be a mapping, this is %s", rt_want_name[w], node_what(v));
		break;
	case RT_VALUE: case RT_TITLE: case RT_MESSAGE: case RT_CAUSE: case RT_RUNBOOK: case RT_SESSION: case RT_USER: case RT_STAGE:
		if (!node_null(v))
			node_text(&l->b, rt_want_name[w], v);
		break;
	case RT_WANTS:
		break;
	}
}

static void
at_take(struct load *l, const struct node *map, bool known, struct rt_expect *x)
{
	const struct node *v;
	int n;
	x->kind = RT_AT;
	if ((v = node_get(map, "at")) == NULL && !known)
		return; /* it may be the misspelt one */
	if (v == NULL)
		diag(l->b.d, map->loc, "an expectation says `at` a time, or `never`, or `count`");
	else
		time_take(l, "at", v, &x->at);
	if ((v = node_get(map, "rule")) == NULL && known)
		diag(l->b.d, map->loc, "\"rule\" is missing: which rule's alerts are meant");
	else if (v)
		x->rule = rule_take(l, "rule", v);
	if ((v = node_get(map, "state")) && node_enum(&l->b, "state", v, rt_state_name + RT_OK, RT_STATES - RT_OK, &n))
		x->state = (enum rt_state)(RT_OK + n);
	if ((v = node_get(map, "key")))
		key_take(l, v, x);
	size_t wants = 0;
	for (int w = 0; w < RT_WANTS; w++) {
		x->want[w] = node_get(map, rt_want_name[w]);
		if (x->want[w])
			want_check(l, (enum rt_want)w, x->want[w]);
		wants += x->want[w] != NULL;
	}
	if (known && node_get(map, "state") == NULL && wants == 0)
		diag(l->b.d, map->loc, "nothing is expected: give state, or what to compare, such as level or value");
	if (x->state == RT_OK && wants)
		diag(l->b.d, map->loc, "state: ok means no alert: there is nothing else to compare");
}

static void
count_take(struct load *l, const struct node *map, struct rt_expect *x)
{
	static const char *const own[] = { "rule", "event", "is", "key", NULL };
	static const struct keys keys = { own, NULL, "count" };
	const struct node *v;
	int n;
	x->kind = RT_COUNT;
	x->event = EV_FIRING;
	if (!bind_keys(&l->b, map, &keys))
		return;
	if ((v = node_get(map, "rule")))
		x->rule = rule_take(l, "rule", v);
	else
		diag(l->b.d, map->loc, "\"rule\" is missing: whose transitions are counted");
	if ((v = node_get(map, "event")) && node_enum(&l->b, "event", v, event_name, EV_ACKNOWLEDGED, &n))
		x->event = (enum event)n;
	if ((v = node_get(map, "is")))
		node_int(&l->b, "is", v, 0, INT64_MAX, &x->is);
	else
		diag(l->b.d, map->loc, "\"is\" is missing: how many there are");
	if ((v = node_get(map, "key")))
		key_take(l, v, x);
}

static void
expect_take(struct load *l, const struct node *map, struct rt_expect *x)
{
	static const char *const at[] = { "at", "rule", "state", "key", "level", "value", "count", "title", "message", "cause", "runbook",
		"session_id", "user_id", "stage", "labels", "metadata", "event", "never", NULL };
	static const char *const never[] = { "never", "key", NULL };
	static const char *const count[] = { "count", NULL };
	static const char *const later[] = { "sent", NULL };
	const struct node *counted = node_get(map, "count");
	bool counts = counted && counted->kind == NODE_MAP, nevers = node_get(map, "never") != NULL;
	const struct keys keys = { counts ? count : nevers ? never : at, later, "this expectation" };
	*x = (struct rt_expect){ .loc = map->loc, .at = NS_NONE };
	bool known = bind_keys(&l->b, map, &keys);
	if (map->kind != NODE_MAP)
		return;
	if (counts) {
		count_take(l, counted, x);
	} else if (nevers) {
		x->kind = RT_NEVER;
		x->rule = rule_take(l, "never", node_get(map, "never"));
		if (node_get(map, "key"))
			key_take(l, node_get(map, "key"), x);
	} else {
		at_take(l, map, known, x);
	}
}

/* ---- tests ---- */

/* Which source a test's records are of, where it does not say. */
static void
source_default(struct load *l, struct rt_test *t, const struct node *map)
{
	const struct config *c = l->f->app.config;
	const struct node *v = node_get(map, "source"), *records = node_get(map, "records");
	t->source = 0;
	if (v) {
		if (node_text(&l->b, "source", v))
			source_take(l, v, v->s, &t->source);
	} else if (l->f->own && l->f->nown == 2) {
		t->source = 1; /* the only one that the rules name */
	} else if (l->reader.parser && c->nsource == 0) {
		diag(l->b.d, map->loc, "the configuration has no source");
		l->reader.parser = NULL;
	} else if (l->reader.parser && l->f->own == NULL && c->nsource > 1 && !(records && records->kind == NODE_MAP)) {
		diag(l->b.d, map->loc, "the configuration has several sources: say which one the records are of, source: NAME");
	}
}

static void
test_take(struct load *l, const struct node *map, struct rt_test *t)
{
	static const char *const own[] = { "name", "source", "records", "records_file", "until", "expect", NULL };
	static const struct keys keys = { own, NULL, "this test" };
	const struct node *v;
	*t = (struct rt_test){ .name = "?", .loc = map->loc, .until = NS_NONE };
	buf_init(&t->what, RT_TEXT_MAX);
	bool known = bind_keys(&l->b, map, &keys); /* what seems to be missing may be misspelt */
	if (map->kind != NODE_MAP)
		return;
	if ((v = node_get(map, "name")) == NULL && known)
		diag(l->b.d, map->loc, "\"name\" is missing: what this test shows");
	else if (v && node_text(&l->b, "name", v))
		t->name = v->s;
	source_default(l, t, map);
	if ((v = node_get(map, "records")))
		records_take(l, t, v);
	if ((v = node_get(map, "records_file")))
		files_take(l, t, v);
	records_check(l, t, map, known);
	if ((v = node_get(map, "until")))
		time_take(l, "until", v, &t->until);
	if ((v = node_get(map, "expect")) == NULL && !known)
		return;
	if (v == NULL || v->kind != NODE_LIST || v->n == 0) {
		diag(l->b.d, v ? v->loc : map->loc, "expect is %s: a list of what must be so", v ? v->kind == NODE_LIST ? "empty" :
			"no list" : "missing");
		return;
	}
	t->expect = xcalloc(v->n, sizeof *t->expect);
	for (size_t i = 0; i < v->n; i++) {
		struct rt_expect *x = &t->expect[t->nexpect++];
		expect_take(l, v->item[i], x);
		if (t->until != NS_NONE && x->at != NS_NONE && x->at > t->until)
			diag(l->b.d, x->loc, "at is after until: the test has ended then");
	}
}

static void
tests_take(struct load *l, const struct node *list)
{
	struct rt_file *f = l->f;
	if (list->kind != NODE_LIST || list->n == 0 || list->n > RT_TESTS_MAX) {
		diag(l->b.d, list->loc, list->kind != NODE_LIST ? "tests must be a list" : list->n ? "more than %d tests" : "there are no tests",
			RT_TESTS_MAX);
		return;
	}
	f->test = xcalloc(list->n, sizeof *f->test);
	for (size_t i = 0; i < list->n; i++)
		test_take(l, list->item[i], &f->test[f->ntest++]);
}

static void
root_take(struct load *l)
{
	static const char *const own[] = { "rules", "config", "tests", NULL };
	static const struct keys keys = { own, NULL, "a test file" };
	struct doc *doc = l->f->doc;
	const struct node *root = doc->root, *v;
	struct strlist env = { 0 };
	if (root == NULL || root->kind != NODE_MAP) {
		diag(l->b.d, root ? root->loc : (struct loc){ doc->file, 1, 1 }, "a test file is a mapping with rules (or config) and tests");
		return;
	}
	if ((v = node_get(root, "config"))) /* first: it says which names of the environment may stand in this file */
		config_of(l, v);
	for (size_t i = 0; rule_env_default[i]; i++)
		env.n++;
	env.v = xcalloc(env.n + 1, sizeof *env.v);
	for (size_t i = 0; i < env.n; i++)
		env.v[i] = xstrdup(rule_env_default[i]);
	env_expand(doc, l->f->app.config ? &l->f->app.config->rule_env : &env, l->b.d);
	strlist_free(&env);
	bool known = bind_keys(&l->b, root, &keys);
	v = node_get(root, "rules");
	if (v && l->f->app.config)
		diag(l->b.d, v->loc, "a test file has rules or config, not both");
	else if (v)
		rules_load(l, v);
	else if (known && node_get(root, "config") == NULL)
		diag(l->b.d, root->loc, "\"rules\" is missing: the rule files under test, or config: a weir.yaml");
	compile(l);
	if ((v = node_get(root, "tests")))
		tests_take(l, v);
	else if (known)
		diag(l->b.d, root->loc, "\"tests\" is missing");
}

bool
rt_load(struct rt_file *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == path ? xstrdup("/") : slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
	*f = (struct rt_file){ .path = xstrdup(path) };
	diags_init(&f->app.diags);
	struct load l = { .f = f, .b = { dir, &f->app.diags } };
	f->doc = doc_read(path, &f->app.diags);
	if (f->doc)
		root_take(&l);
	parser_free(l.reader.parser);
	free(l.reader.rec.slot);
	arena_free(&l.reader.arena);
	free(l.rule);
	free(dir);
	return f->app.diags.n == 0;
}

void
rt_file_free(struct rt_file *f)
{
	struct app *a = &f->app;
	for (size_t i = 0; i < f->ntest; i++) {
		free(f->test[i].line);
		free(f->test[i].expect);
		strlist_free(&f->test[i].file);
		buf_free(&f->test[i].what);
	}
	free(f->test);
	for (size_t i = 0; a->source && i < a->config->nsource; i++)
		front_source_release(&a->source[i]);
	free(a->source);
	ruleset_free(a->rules);
	if (f->own && a->config) {
		a->config->source = NULL;
		a->config->nsource = 0;
	}
	config_free(a->config);
	for (size_t i = 0; i < f->nown; i++) {
		free(f->own[i].name);
		free(f->own[i].conf);
	}
	free(f->own);
	diags_free(&a->diags);
	doc_free(f->doc);
	free(f->path);
	*f = (struct rt_file){ 0 };
}
