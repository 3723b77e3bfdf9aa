/* lanes.c - level reading in replay: always the partition with the least mark, a batch at a time. */
#include "core/lanes.h"

#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

#define LANE_ERRORS_MAX 1000 /* failures of one partition before it is given up */

int
lanes_source(const struct config *c, const char *name, size_t nfiles)
{
	int found = -1;
	for (size_t i = 0; i < c->nsource; i++) {
		if (strcmp(c->source[i].kind->name, "files") != 0)
			continue;
		if (name ? strcmp(c->source[i].name, name) == 0 : nfiles > 0) {
			if (found >= 0) {
				fprintf(stderr, "weir: the configuration has several `files` sources; say which one the files belong to "
					"with --source NAME\n");
				return -2;
			}
			found = (int)i;
		}
	}
	if (found < 0 && name)
		fprintf(stderr, "weir: no `files` source is named %s\n", name);
	else if (found < 0 && nfiles)
		fprintf(stderr, "weir: the configuration has no `files` source to read these files as\n");
	return found < 0 && (name || nfiles) ? -2 : found;
}

static bool
source_open(struct lanes *l, const struct source_conf *c, const struct source_env *env, int *code)
{
	struct errinfo why = { 0 };
	struct source *s = &l->source[l->nsource];
	*s = (struct source){ .kind = (const struct source_kind *)(const void *)c->kind, .conf = c };
	enum err e = s->kind->open(s, env, &why);
	l->nsource++;
	if (e == ERR_OK) {
		s->kind->scan(s, 0);
		return true;
	}
	fprintf(stderr, "weir: %s\n", why.text);
	*code = e == ERR_CONF ? 2 : 3;
	return false;
}

bool
lanes_open(struct lanes *l, const struct app *a, int only, const char *const *files, size_t nfiles, int *code)
{
	const struct config *c = a->config;
	struct source_env env = { .replay = true, .files = files, .nfiles = nfiles };
	*l = (struct lanes){ .app = a, .wall = wall_ns() };
	l->source = xcalloc(c->nsource, sizeof *l->source);
	l->front = front_new(a->rules);
	l->back = back_new(a->rules);
	block_init(&l->block);
	for (size_t i = 0; i < c->nsource; i++) {
		if ((only >= 0 && (size_t)only != i) || strcmp(c->source[i].kind->name, "files") != 0)
			continue;
		if (l->nsource == 0)
			batch_init(&l->batch, &c->source[i]);
		if (!source_open(l, &c->source[i], &env, code))
			return false;
		struct source *s = &l->source[l->nsource - 1];
		for (size_t k = 0; k < s->npart; k++) {
			l->lane = xrealloc(l->lane, (l->nlane + 1) * sizeof *l->lane);
			struct lane *n = &l->lane[l->nlane++];
			*n = (struct lane){ .part = s->part[k] };
			n->number = back_part_add(l->back, i, str_of(s->part[k]->name));
			fpart_init(&n->front, &a->source[i], n->number);
		}
	}
	return true;
}

static struct lane *
furthest_behind(struct lanes *l)
{
	struct lane *best = NULL;
	for (size_t i = 0; i < l->nlane; i++)
		if (!l->lane[i].done && (best == NULL || l->lane[i].front.time.mark < best->front.time.mark))
			best = &l->lane[i];
	return best;
}

static void
take(struct lanes *l)
{
	l->records += l->block.records;
	back_take(l->back, &l->block);
}

bool
lanes_step(struct lanes *l)
{
	struct lane *n = furthest_behind(l);
	if (n == NULL)
		return false;
	struct part *p = n->part;
	enum err e = p->source->kind->fill(p, &l->batch, 0);
	if (e == ERR_OK) {
		l->bytes += l->batch.len;
		front_run(l->front, &n->front, &l->batch, &l->block, l->wall, true);
		take(l);
	} else if (e == ERR_IO && n->errors++ < LANE_ERRORS_MAX) { /* one damaged file of a chain: the next still follow */
		log_error("replay", "%s", p->why.text);
		l->failed = true;
	} else {
		if (e != ERR_EOF && e != ERR_IO) {
			log_error("replay", "%s", p->why.text);
			l->failed = true;
		}
		front_end(l->front, &n->front, &l->block, l->wall);
		take(l);
		back_part_leave(l->back, n->number);
		n->done = true;
	}
	back_advance(l->back);
	return true;
}

void
lanes_summary(const struct lanes *l, struct buf *out)
{
	uint64_t bad[VERDICTS] = { 0 }, late = 0, skewed = 0, untimed = 0;
	for (size_t i = 0; i < l->nlane; i++) {
		const struct fpart *p = &l->lane[i].front;
		for (int v = 0; v < VERDICTS; v++)
			bad[v] += p->bad[v];
		late += p->time.late;
		skewed += p->time.skewed;
		untimed += p->time.untimed;
	}
	buf_printf(out, "%llu records", (unsigned long long)l->records);
	if (late || skewed || untimed)
		buf_printf(out, "; time: %llu late, %llu skewed, %llu without", (unsigned long long)late, (unsigned long long)skewed,
			(unsigned long long)untimed);
	for (int v = 1; v < VERDICTS; v++)
		if (bad[v]) {
			buf_printf(out, "; malformed (%s): %llu", verdict_name[v], (unsigned long long)bad[v]);
			for (size_t i = 0; i < l->nlane; i++)
				if (l->lane[i].front.bad[v]) {
					buf_printf(out, ", such as %s", l->lane[i].front.sample[v]);
					break;
				}
		}
}

void
lanes_close(struct lanes *l)
{
	for (size_t i = 0; i < l->nlane; i++)
		fpart_release(&l->lane[i].front);
	for (size_t i = 0; i < l->nsource; i++)
		l->source[i].kind->close(&l->source[i]);
	if (l->nsource)
		batch_free(&l->batch);
	block_free(&l->block);
	front_free(l->front);
	back_free(l->back);
	free(l->lane);
	free(l->source);
}
