/* lanes.c - level reading in replay: always the partition with the least mark, a batch at a time. */
#include "core/lanes.h"

#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

#define LANE_ERRORS_MAX 1000 /* failures of one partition before it is given up */

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
