/* config.c - weir.yaml as a whole: which keys there are, the rule files it names, defaults, release.
 *
 * In: a path, or a text. Out: struct config and every mistake of every file in one go.
 * Order: read, replace ${}, sources and sinks (kinds.c), policy (policy.c), then the rule files (rules.c), as those
 * need the names of sources and what rule_env allows.
 * Relative paths in the file are relative to its folder: globs, secrets, and `state` too, wherever weir is started.
 */
#include "config/config.h"

#include "config/env.h"
#include "config/load.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#define RULE_FILES_MAX 10000

static const char *const own_keys[] = { "sources", "rules", "sinks", "policy", "workers", "retention", NULL };
static const char *const later_keys[] = { "api", "cluster", "heartbeat", "dead_letter", "silences", "inhibit", "mute",
	NULL };

#define AT(member) offsetof(struct config, member)
static const struct field top_rows[] = {
	{ .name = "redact", .type = F_STRLIST, .off = AT(redact), .def = "password, token, api_key, authorization, secret",
		.help = "fields whose values are never shown" },
	{ .name = "state", .type = F_STR, .off = AT(state), .help = "folder of the store" },
	{ .name = "checkpoint", .type = F_DUR, .off = AT(checkpoint), .min = 10 * NS_PER_MS, .max = 3600 * NS_PER_S,
		.def = "5s", .help = "time between checkpoints" },
	{ .name = "memory", .type = F_SIZE, .off = AT(memory), .min = 1 << 20, .max = INT64_C(1) << 46, .def = "512MiB",
		.help = "what all state may take" },
	{ .name = "give_up", .type = F_DUR, .off = AT(give_up), .min = NS_PER_S, .max = DUR_MAX, .def = "24h",
		.help = "how long a delivery is tried" },
	{ .name = "rule_env", .type = F_STRLIST, .off = AT(rule_env), .help = "variables that rule files may name" },
	{ .name = NULL },
};

static struct config *
config_new(struct load *l, const char *path, struct diags *d)
{
	struct config *c = xcalloc(1, sizeof *c);
	const char *slash = strrchr(path, '/');
	c->path = xstrdup(path);
	c->dir = slash == path ? xstrdup("/") : slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
	c->doc = xcalloc(1, sizeof *l->own);
	*l = (struct load){ .c = c, .own = c->doc, .b = { c->dir, d } };
	return c;
}

/* The tree may go, secrets and all; the name stays, as every struct loc points to it. */
void
doc_done(struct load *l, struct doc *doc)
{
	if (doc == NULL)
		return;
	GROW(l->own->file, l->own->nfile, l->own->cap_file);
	l->own->file[l->own->nfile++] = doc->file;
	doc->file = NULL;
	doc_free(doc);
}

static void
defaults(struct config *c)
{
	if (c->state == NULL)
		c->state = xstrdup("./weir-state");
	char *joined = path_join(c->dir, strncmp(c->state, "./", 2) == 0 && strcmp(c->dir, ".") ? c->state + 2 : c->state);
	free(c->state);
	c->state = joined;
	if (c->rule_env.v == NULL) {
		c->rule_env.v = xcalloc(3, sizeof *c->rule_env.v);
		for (size_t i = 0; rule_env_default[i]; i++)
			c->rule_env.v[c->rule_env.n++] = xstrdup(rule_env_default[i]);
	}
	if (c->retain_alerts == 0)
		c->retain_alerts = INT64_C(90) * 86400 * NS_PER_S;
}

static void
retention_load(struct load *l, const struct node *map)
{
	static const char *const own[] = { "alerts", "metrics", "logs", NULL };
	static const struct keys keys = { own, NULL, "retention" };
	const struct node *v;
	nsec metrics;
	int64_t logs;

	bind_keys(&l->b, map, &keys);
	if ((v = node_get(map, "alerts")))
		node_dur(&l->b, "alerts", v, NS_PER_S, DUR_MAX, &l->c->retain_alerts);
	if ((v = node_get(map, "metrics")) && node_dur(&l->b, "metrics", v, 1, DUR_MAX, &metrics))
		diag_warn(l->b.d, v->loc, "metrics has no effect: this version keeps none");
	if ((v = node_get(map, "logs")) && node_int(&l->b, "logs", v, 0, INT64_MAX, &logs))
		diag_warn(l->b.d, v->loc, "logs has no effect: this version keeps none");
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
rule_file_add(struct config *c, const char *path)
{
	struct strlist *l = &c->rule_file;
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], path) == 0)
			return; /* two patterns name it: it is read once, at the first's place */
	l->v[l->n++] = xstrdup(path);
}

/* A pattern leaves out what `weir test` reads: tests stand beside their rules. */
static bool
is_test_file(const char *path)
{
	static const char end[] = ".test.yaml";
	size_t n = strlen(path);
	return n >= sizeof end - 1 && strcmp(path + n - (sizeof end - 1), end) == 0;
}

/* The files that one entry of `rules:` names, sorted, onto c->rule_file. */
static void
glob_take(struct load *l, const struct node *v)
{
	struct config *c = l->c;
	struct buf b;
	glob_t g = { 0 };
	char q[96];
	bool magic = v->s[strcspn(v->s, "*?[")] != '\0';

	buf_init(&b, 65536);
	if (v->s[0] != '/' && strcmp(c->dir, ".") != 0) { /* the folder is a name, whatever characters it has */
		for (const char *p = c->dir; *p; p++)
			buf_printf(&b, "%s%c", strchr("*?[\\", *p) ? "\\" : "", *p);
		buf_addz(&b, c->dir[strlen(c->dir) - 1] == '/' ? "" : "/");
	}
	buf_addz(&b, v->s);
	int rc = glob(buf_z(&b), GLOB_NOSORT, NULL, &g);
	if (rc == GLOB_NOMATCH)
		diag(l->b.d, v->loc, magic ? "rules: no file matches %s" : "rules: there is no file %s", node_quote(v, q));
	else if (rc != 0 || b.over || g.gl_pathc + c->rule_file.n > RULE_FILES_MAX)
		diag(l->b.d, v->loc, "rules: cannot list %s", node_quote(v, q));
	else {
		qsort(g.gl_pathv, g.gl_pathc, sizeof *g.gl_pathv, by_bytes);
		c->rule_file.v = xrealloc(c->rule_file.v, (c->rule_file.n + g.gl_pathc) * sizeof *c->rule_file.v);
		for (size_t i = 0; i < g.gl_pathc; i++)
			if (!magic || !is_test_file(g.gl_pathv[i]))
				rule_file_add(c, g.gl_pathv[i]);
	}
	globfree(&g);
	buf_free(&b);
}

static void
rule_files_find(struct load *l, const struct node *list)
{
	const struct node *one[] = { list };
	bool many = list->kind == NODE_LIST;
	for (size_t i = 0; i < (many ? list->n : 1); i++) {
		const struct node *v = many ? list->item[i] : one[0];
		if (node_text(&l->b, "rules", v))
			glob_take(l, v);
	}
}

static void
rule_files_load(struct load *l, struct diags *d)
{
	struct config *c = l->c;
	for (size_t i = 0; i < c->rule_file.n; i++) {
		struct doc *doc = doc_read(c->rule_file.v[i], d);
		if (doc) {
			env_expand(doc, &c->rule_env, d);
			rules_load(l, doc);
		}
		doc_done(l, doc);
	}
	rules_finish(l);
}

static void
top_load(struct load *l, const struct doc *doc, const struct kind *const *sources, const struct kind *const *sinks)
{
	const struct node *root = doc->root, *v;
	const struct rowset set = { top_rows, l->c };
	const struct keys keys = { own_keys, later_keys, "" };
	const struct node nothing = { .kind = NODE_MAP, .loc = { doc->file, 1, 1 } };

	if (root == NULL || root->kind != NODE_MAP) {
		diag(l->b.d, root ? root->loc : nothing.loc, "a configuration is a mapping with sources, rules and sinks%s",
			root ? "" : "; the file is empty");
		root = &nothing;
	}
	bind_map(&l->b, root, &set, 1, &keys);
	if ((v = node_get(root, "sources")))
		sources_load(l, v, sources);
	if ((v = node_get(root, "sinks")))
		sinks_load(l, v, sinks);
	if ((v = node_get(root, "policy")))
		policy_load(l, v);
	if ((v = node_get(root, "workers")) && !(v->kind == NODE_SCALAR && strcmp(v->s, "auto") == 0))
		node_int(&l->b, "workers", v, 1, 256, &l->c->workers);
	if ((v = node_get(root, "retention")))
		retention_load(l, v);
	defaults(l->c);
	if ((v = node_get(root, "rules")))
		rule_files_find(l, v);
}

static struct config *
load_doc(struct load *l, struct doc *doc, const struct kind *const *sources, const struct kind *const *sinks,
	struct diags *d)
{
	if (doc) {
		env_expand(doc, NULL, d);
		top_load(l, doc, sources, sinks);
		if (d->n == 0 && l->nsource == 0)
			diag_warn(d, doc->root->loc, "no sources: there is nothing to read");
		if (d->n == 0 && l->c->rule_file.n == 0)
			diag_warn(d, doc->root->loc, "no rules: nothing will ever be told");
	} else {
		fields_default(top_rows, l->c);
		defaults(l->c);
	}
	doc_done(l, doc);
	rule_files_load(l, d);
	return l->c;
}

struct config *
config_load(const char *path, const struct kind *const *sources, const struct kind *const *sinks, struct diags *d)
{
	struct load l;
	config_new(&l, path, d);
	return load_doc(&l, doc_read(path, d), sources, sinks, d);
}

struct config *
config_load_text(const char *path, struct str text, const struct kind *const *sources, const struct kind *const *sinks,
	struct diags *d)
{
	struct load l;
	config_new(&l, path, d);
	return load_doc(&l, doc_parse(path, text, d), sources, sinks, d);
}

static struct config *
rules_new(struct load *l, struct diags *d)
{
	struct config *c = config_new(l, ".", d);
	l->rules_alone = true;
	fields_default(top_rows, c);
	defaults(c);
	return c;
}

struct config *
config_load_rules(const char *const *files, size_t n, struct diags *d)
{
	struct load l;
	struct config *c = rules_new(&l, d);
	must(n <= RULE_FILES_MAX);
	c->rule_file.v = xcalloc(n + 1, sizeof *c->rule_file.v);
	for (size_t i = 0; i < n; i++)
		rule_file_add(c, files[i]);
	rule_files_load(&l, d);
	return c;
}

struct config *
config_rules_text(const char *name, struct str text, struct diags *d)
{
	struct load l;
	struct config *c = rules_new(&l, d);
	struct doc *doc = doc_parse(name, text, d);
	if (doc) {
		env_expand(doc, &c->rule_env, d);
		rules_load(&l, doc);
	}
	doc_done(&l, doc);
	rules_finish(&l);
	return c;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	struct config_own *own = c->doc;
	kinds_free(c);
	for (size_t i = 0; i < c->nrule; i++)
		strmap_free(&c->rule[i].labels);
	for (size_t i = 0; i < c->npolicy; i++)
		strlist_free(&c->policy[i].notify);
	fields_free(top_rows, c);
	strlist_free(&c->rule_file);
	for (size_t i = 0; i < own->nfile; i++)
		free(own->file[i]);
	free(own->file);
	arena_free(&own->arena);
	free(own);
	free(c->rule);
	free(c->policy);
	free(c->path);
	free(c->dir);
	free(c);
}
