/* replay_steps.c - `weir replay --state DIR`: what silence and the coming and going of files did in the live run.
 *
 * In: the steps and the newest checkpoint of a state folder, read only: the weir that owns it may run. Out: the lanes' steps.
 * A step's place is its partition and the seq of the record before it. Partitions are found by name; where the files are not
 * where the live run had them, by the file's own name. The positions of the checkpoint say how the live run counted.
 */
#include "core/replay.h"

#include "core/cmd.h"
#include "core/store.h"
#include "rules/save.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct loading {
	struct lanes *l;
	struct back *positions; /* only its partitions */
	size_t steps, parts, lost;
	bool bad;
	char *last_lost;        /* partition of the last step without a lane */
};

/* The folder resolved, the file's own name kept: rotation may have taken it. */
static char *
resolved(const char *path)
{
	char real[PATH_MAX];
	const char *slash = strrchr(path, '/');
	char *dir = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
	char *out = realpath(dir, real) ? xasprintf("%s/%s", real, slash ? slash + 1 : path) : xstrdup(path);
	free(dir);
	return out;
}

static const char *
leaf(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static struct lane *
lane_named(struct lanes *l, const char *source, const char *name)
{
	struct lane *same_leaf = NULL, *found = NULL;
	size_t nleaf = 0;
	char *want = resolved(name);
	for (size_t i = 0; i < l->nlane && found == NULL; i++) {
		struct lane *n = &l->lane[i];
		if (strcmp(n->part->source->conf->name, source) != 0)
			continue;
		char *have = resolved(n->part->name);
		if (strcmp(have, want) == 0)
			found = n;
		else if (strcmp(leaf(have), leaf(want)) == 0 && nleaf++ == 0)
			same_leaf = n;
		free(have);
	}
	free(want);
	return found ? found : nleaf == 1 ? same_leaf : NULL;
}

static void
ckpt_row(void *arg, enum ckpt_kind kind, struct str rule, struct str key, int64_t pane, struct str data)
{
	struct loading *g = arg;
	struct save_row row = { (enum save_kind)kind, rule, key, data, pane };
	if (kind == CKPT_PART && !g->bad && !save_load(g->positions, &row))
		g->bad = true;
}

static void
quiet_step(struct loading *g, const char *source, struct str data)
{
	const struct config *c = g->l->app->config;
	for (size_t i = 0; i < c->nsource; i++)
		if (strcmp(c->source[i].name, source) == 0 && data.len == sizeof(nsec))
			memcpy(&g->l->quiet[i].mark, data.ptr, sizeof(nsec));
}

/* A partition is `source NUL name`; without a name it is the source itself, when it had no partition. */
static void
step_row(void *arg, struct str partition, int64_t seq, int kind, struct str data)
{
	struct loading *g = arg;
	const char *nul = memchr(partition.ptr, '\0', partition.len);
	if (nul == NULL)
		return;
	char *source = xstrndup(partition.ptr, (size_t)(nul - partition.ptr));
	char *name = xstrndup(nul + 1, partition.len - (size_t)(nul - partition.ptr) - 1);
	struct lane *n = *name ? lane_named(g->l, source, name) : NULL;
	if (*name == '\0') {
		quiet_step(g, source, data);
	} else if (n == NULL) {
		if (g->last_lost == NULL || strcmp(g->last_lost, name) != 0) {
			free(g->last_lost);
			g->last_lost = xstrdup(name);
		}
		g->lost++;
	} else {
		g->steps++;
		n->leaves = kind == STEP_LEAVE;
		if (kind == STEP_JOIN && seq < 0) /* before its first record: the last one told decides */
			n->nstep = 0;
		if (kind != STEP_LEAVE && data.len == sizeof(nsec)) {
			n->step = xrealloc(n->step, (n->nstep + 1) * sizeof *n->step);
			n->step[n->nstep].seq = seq;
			memcpy(&n->step[n->nstep++].mark, data.ptr, sizeof(nsec));
		}
	}
	free(source);
	free(name);
}

static void
count_as_live(struct loading *g)
{
	const struct config *c = g->l->app->config;
	struct str name, pos;
	struct errinfo why = { 0 };
	for (size_t i = 0; i < c->nsource; i++)
		for (uint32_t k = 0; back_part_at(g->positions, k, i, &name, &pos); k++) {
			if (name.len == 0 || pos.len == 0)
				continue;
			char *z = xstr(name);
			struct lane *n = lane_named(g->l, c->source[i].name, z);
			free(z);
			if (n && n->part->source->kind->restore(n->part->source, str_of(n->part->name), pos, &why) != ERR_OK)
				g->bad = true;
		}
}

static void
quiet_open(struct lanes *l)
{
	size_t n = l->app->config->nsource;
	l->quiet = xcalloc(n, sizeof *l->quiet);
	for (size_t i = 0; i < n; i++) {
		l->quiet[i] = (struct lanes_quiet){ NS_NONE, back_part_add(l->back, i, STR("")) };
		back_part_leave(l->back, l->quiet[i].number);
	}
}

bool
steps_load(struct lanes *l, const char *dir, int *code)
{
	struct errinfo why = { 0 };
	struct loading g = { .l = l, .positions = back_new(l->app->rules) };
	quiet_open(l);
	struct store *s = store_open(dir, STORE_READONLY, &why);
	enum err e = s ? ckpt_load(s, ckpt_row, &g) : ERR_IO;
	if (e == ERR_OK)
		e = store_steps_load(s, step_row, &g);
	if (e == ERR_OK && !g.bad)
		count_as_live(&g);
	if (e != ERR_OK || g.bad) {
		fprintf(stderr, "weir: --state: %s\n", s == NULL ? why.text : e != ERR_OK ? store_error(s) :
			"the checkpoint holds positions that this version cannot read");
		*code = CMD_FAILED;
	} else {
		for (size_t i = 0; i < l->nlane; i++) {
			l->lane[i].front.step = l->lane[i].step;
			l->lane[i].front.nstep = l->lane[i].nstep;
			g.parts += l->lane[i].nstep > 0;
		}
		for (size_t i = 0; i < l->app->config->nsource; i++)
			lanes_quiet(l, i);
		l->stepped = true;
		fprintf(stderr, "%zu steps of the live run in %s apply to %zu partitions", g.steps, dir, g.parts);
		if (g.lost)
			fprintf(stderr, "; %zu are of partitions that are not replayed, such as %s", g.lost, g.last_lost);
		fputc('\n', stderr);
	}
	free(g.last_lost);
	back_free(g.positions);
	store_close(s);
	return e == ERR_OK && !g.bad;
}
