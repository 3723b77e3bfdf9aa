/* lanes.c - level reading in replay: the partition with the least mark first, a batch at a time each. */
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
lanes_open(struct lanes *l, const struct app *a, const struct lanes_what *what, int *code)
{
	const struct config *c = a->config;
	struct source_env env = { .replay = true, .files = what->files, .nfiles = what->nfiles };
	*l = (struct lanes){ .app = a, .wall = wall_ns() };
	l->source = xcalloc(c->nsource, sizeof *l->source);
	l->workers = workers_new(a->rules, what->jobs, what->from, what->to);
	leveller_init(&l->leveller, a->rules);
	l->back = back_new(a->rules);
	block_init(&l->block);
	for (size_t i = 0; i < c->nsource; i++) {
		if ((what->only >= 0 && (size_t)what->only != i) || strcmp(c->source[i].kind->name, "files") != 0)
			continue;
		if (!source_open(l, &c->source[i], &env, code))
			return false;
		struct source *s = &l->source[l->nsource - 1];
		for (size_t k = 0; k < s->npart; k++) {
			l->lane = xrealloc(l->lane, (l->nlane + 1) * sizeof *l->lane);
			struct lane *n = &l->lane[l->nlane++];
			*n = (struct lane){ .part = s->part[k], .reach = { .source = i, .late = c->source[i].late, .mark = NS_NONE } };
			n->number = back_part_add(l->back, i, str_of(s->part[k]->name));
			fpart_init(&n->front, &a->source[i], n->number);
		}
	}
	workers_partitions(l->workers, l->nlane);
	return true;
}

static struct lane *
next_lane(struct lanes *l)
{
	struct lane *best = NULL;
	reach_begin(&l->leveller);
	for (size_t i = 0; i < l->nlane; i++)
		if (!l->lane[i].done)
			reach_count(&l->leveller, &l->lane[i].reach);
	for (size_t i = 0; i < l->nlane; i++) {
		struct lane *n = &l->lane[i];
		if (!n->done && n->reach.job == NULL && reach_before(&l->leveller, &n->reach, best ? &best->reach : NULL))
			best = n;
	}
	return best;
}

/* As many partitions as may be read now are with the workers. */
static void
read_on(struct lanes *l)
{
	struct lane *n;
	while ((n = next_lane(l))) {
		struct job *j = workers_job(l->workers, n->part->source->conf);
		if (j == NULL)
			return;
		reach_start(&l->leveller, &n->reach, j);
		j->lane = n;
		j->part = n->part;
		j->front = &n->front;
		j->wall = l->wall;
		j->replay = !l->stepped;
		workers_submit(l->workers, j);
	}
}

static void
take(struct lanes *l, struct block *b)
{
	l->records += b->records;
	back_take(l->back, b);
}

/* What the partition's own state says of the answer: before it is read on. */
static void
settle(struct lanes *l, struct lane *n, const struct job *j)
{
	struct part *p = n->part;
	reach_idle(&n->reach);
	if (j->err == ERR_OK)
		return;
	if (j->err == ERR_IO && n->errors++ < LANE_ERRORS_MAX) { /* one damaged file of a chain: the next still follow */
		log_error("replay", "%s", p->why.text);
		l->failed = true;
		return;
	}
	if (j->err != ERR_EOF) {
		log_error("replay", "%s", p->why.text);
		l->failed = true;
	}
	n->done = true;
}

/* All partitions of the source have ended, or it never had one: its time goes on as far as the live run's did. */
void
lanes_quiet(struct lanes *l, size_t source)
{
	struct ptime t;
	if (l->quiet == NULL || l->quiet[source].mark == NS_NONE)
		return;
	for (size_t i = 0; i < l->nlane; i++)
		if (l->lane[i].reach.source == source && !(l->lane[i].done && l->lane[i].leaves))
			return;
	ptime_init(&t);
	t.mark = l->quiet[source].mark;
	back_mark(l->back, l->quiet[source].number, &t);
	back_part_return(l->back, l->quiet[source].number);
}

bool
lanes_step(struct lanes *l)
{
	read_on(l);
	struct job *j = workers_take(l->workers, true);
	if (j == NULL)
		return false;
	struct lane *n = j->lane;
	reach_taken(&n->reach, &n->front, j->err == ERR_OK ? j->batch.len : 0);
	settle(l, n, j);
	bool end = n->done;
	read_on(l); /* workers go on while the back works */
	if (j->err == ERR_OK) {
		l->bytes += j->batch.len;
		take(l, &j->block);
	} else if (end) {
		fpart_steps(&n->front, INT64_MAX); /* what silence did after the last record */
		front_end(workers_front(l->workers), &n->front, &l->block, l->wall);
		take(l, &l->block);
		if (!l->stepped || n->leaves)
			back_part_leave(l->back, n->number);
		lanes_quiet(l, n->reach.source);
	}
	workers_give_back(l->workers, j);
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
	struct back_stats state;
	back_stats(l->back, &state);
	if (state.refused_keys || state.displaced_keys)
		buf_printf(out, "; keys: %llu not admitted, %llu lost their place", (unsigned long long)state.refused_keys,
			(unsigned long long)state.displaced_keys);
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
	workers_free(l->workers); /* first: nothing of a partition is out after it */
	for (size_t i = 0; i < l->nlane; i++) {
		fpart_release(&l->lane[i].front);
		free(l->lane[i].step);
	}
	for (size_t i = 0; i < l->nsource; i++)
		l->source[i].kind->close(&l->source[i]);
	block_free(&l->block);
	back_free(l->back);
	free(l->quiet);
	free(l->lane);
	free(l->source);
}
