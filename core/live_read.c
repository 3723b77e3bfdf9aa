/* live_read.c - the reading side of `weir run`: partitions come and go, are read level, and silence moves their time. */
#include "core/live.h"

#include "core/log.h"
#include "rules/save.h"

#include <stdlib.h>

#define RETRY (5 * NS_PER_S)

nsec
live_wall(const struct live *l, nsec mono)
{
	return l->wall0 + (mono - l->mono0);
}

bool
live_sources_open(struct live *l)
{
	const struct config *c = l->app->config;
	struct source_env env = { .state_dir = c->state };
	l->source = xcalloc(c->nsource, sizeof *l->source);
	l->quiet = xcalloc(c->nsource, sizeof *l->quiet);
	for (size_t i = 0; i < c->nsource; i++) {
		struct errinfo why = { 0 };
		struct source *s = &l->source[i];
		*s = (struct source){ .kind = (const struct source_kind *)(const void *)c->source[i].kind, .conf = &c->source[i] };
		l->quiet[i].number = back_part_add(l->back, i, STR(""));
		back_part_leave(l->back, l->quiet[i].number);
		ptime_init(&l->quiet[i].time);
		if (s->kind->open(s, &env, &why) != ERR_OK) {
			log_error(s->conf->name, "%s", why.text);
			return false;
		}
	}
	return true;
}

void
live_sources_close(struct live *l)
{
	for (size_t i = 0; i < l->nlane; i++) {
		fpart_release(&l->lane[i]->front);
		free(l->lane[i]->step);
		free(l->lane[i]->moved);
		free(l->lane[i]);
	}
	free(l->lane);
	for (size_t i = 0; l->source && i < l->app->config->nsource; i++) {
		if (l->source[i].priv)
			l->source[i].kind->close(&l->source[i]);
	}
	free(l->source);
	free(l->quiet);
}

nsec
live_told(const struct live *l, size_t index)
{
	nsec told = NS_NONE;
	for (size_t i = 0; l->newest && i < l->app->rules->nrule; i++)
		if (l->app->rules->rule[i].sources >> index & 1 && l->newest[i] != NS_NONE && (told == NS_NONE || l->newest[i] > told))
			told = l->newest[i];
	return told;
}

/* It begins, or is back, beside others that have gone on: in this life or, after a restart, in the one before. */
static void
lane_join(struct live *l, struct live_lane *n, nsec now)
{
	nsec reached = back_reached(l->back, n->index), told = live_told(l, n->index);
	if (reached != NS_NONE && told != NS_NONE && told >= reached)
		reached = told + 1;
	ptime_join(&n->front.time, reached, live_wall(l, now));
	n->left = n->at_end = false;
	n->joined = reached != NS_NONE;
	n->join = n->front.time.mark;
	n->join_seq = n->seq;
	back_mark(l->back, n->number, &n->front.time);
	back_part_return(l->back, n->number);
	l->changes++;
}

/* From here on it is read, level with the others. */
static void
lane_counts(struct live *l, struct live_lane *n)
{
	n->reach = (struct reach){ .source = n->index, .late = n->source->conf->late, .mark = n->front.time.mark };
	workers_partitions(l->workers, ++l->here);
}

/* A partition that was not there before, or one that the last checkpoint knew. */
static void
lane_add(struct live *l, size_t index, struct part *p, nsec now)
{
	struct str pos;
	GROW(l->lane, l->nlane, l->cap_lane);
	struct live_lane *n = l->lane[l->nlane++] = xcalloc(1, sizeof *n);
	n->part = p;
	n->source = &l->source[index];
	n->index = index;
	p->user = n;
	struct ptime time;
	int64_t seq = 0;
	n->stored = save_part(l->back, index, str_of(p->name), &n->number, &time, &seq, &pos);
	if (!n->stored)
		n->number = back_part_add(l->back, index, str_of(p->name));
	fpart_init(&n->front, &l->app->source[index], n->number);
	n->seq = n->stored ? seq : -1;
	if (n->stored) {
		n->front.time = time;
		ptime_join(&n->front.time, back_reached(l->back, index), live_wall(l, now)); /* it had ended: time went past it */
		back_mark(l->back, n->number, &n->front.time);
		back_part_return(l->back, n->number);
	} else {
		lane_join(l, n, now);
	}
	lane_counts(l, n);
}

void
live_scan(struct live *l, nsec now)
{
	for (size_t i = 0; i < l->app->config->nsource; i++) {
		struct source *s = &l->source[i];
		s->kind->scan(s, now);
		for (size_t k = 0; k < s->npart; k++) {
			struct live_lane *n = s->part[k]->user;
			if (s->part[k]->state != PART_LIVE || !s->part[k]->readable)
				continue;
			if (n == NULL) {
				lane_add(l, i, s->part[k], now);
			} else if (n->left) {
				lane_join(l, n, now);
				lane_counts(l, n);
			}
		}
	}
}

static void
lane_leave(struct live *l, struct live_lane *n)
{
	reach_idle(&n->reach);
	n->left = n->leaving = true;
	workers_partitions(l->workers, --l->here);
	if (n->front.time.mark > l->quiet[n->index].time.mark)
		l->quiet[n->index].time = n->front.time;
	if (n->source->kind->kept) /* a spool is still there at the next start: its place stays known */
		back_part_leave(l->back, n->number);
	else
		back_part_gone(l->back, n->number);
}

/* The mtime of what was read to its end tells when its last record was written, unless it is plainly not true. */
static void
written_at(struct live_lane *n, nsec written)
{
	struct ptime *t = &n->front.time;
	if (written == NS_NONE || t->base == NS_NONE || written >= t->base_wall)
		return;
	if (written < t->base - n->source->conf->max_jump)
		return;
	t->base_wall = written;
}

/* What fill said of the partition. true: there is a block. */
static bool
lane_answer(struct live *l, struct live_lane *n, struct job *j)
{
	const struct batch *b = &j->batch;
	reach_idle(&n->reach);
	if (!n->begun && (j->err == ERR_OK || j->err == ERR_AGAIN)) {
		n->begun = true;
		l->soon |= !n->stored;
	}
	switch (j->err) {
	case ERR_OK:
		if (j->block.records)
			n->seq = j->block.seq;
		n->at_end = b->at_end;
		if (b->at_end)
			written_at(n, b->written);
		j->block.time = n->front.time;
		return true;
	case ERR_AGAIN:
		if (!n->at_end)
			written_at(n, b->written);
		n->at_end = true;
		if (n->front.at_step < n->front.nstep) { /* past the last record: what was decided before goes first */
			fpart_steps(&n->front, INT64_MAX);
			n->reach.mark = n->front.time.mark;
			back_mark(l->back, n->number, &n->front.time);
		}
		break;
	case ERR_EOF:
		lane_leave(l, n);
		l->changes++;
		return false;
	default:
		log_warn(n->source->conf->name, "%s; trying again", n->part->why.text);
		n->retry = j->now + RETRY;
		return false;
	}
	if (n->part->unread)
		n->retry = j->now + NS_PER_MS; /* it had nothing: the others first */
	return false;
}

static bool
has_unread(const struct live_lane *n, nsec now)
{
	if (n->reach.job)
		return true;
	return !n->left && now >= n->retry && !(n->at_end && !n->part->unread && n->part->state == PART_LIVE);
}

static struct live_lane *
next_lane(struct live *l, nsec now)
{
	struct live_lane *best = NULL;
	reach_begin(&l->leveller);
	for (size_t i = 0; i < l->nlane; i++)
		if (has_unread(l->lane[i], now))
			reach_count(&l->leveller, &l->lane[i]->reach);
	for (size_t i = 0; i < l->nlane; i++) {
		struct live_lane *n = l->lane[i];
		if (n->reach.job == NULL && has_unread(n, now) && reach_before(&l->leveller, &n->reach, best ? &best->reach : NULL))
			best = n;
	}
	return best;
}

/* As many partitions as may be read now are with the workers. */
static void
read_on(struct live *l, nsec now)
{
	struct live_lane *n;
	while ((n = next_lane(l, now))) {
		struct job *j = workers_job(l->workers, n->source->conf);
		if (j == NULL)
			return;
		reach_start(&l->leveller, &n->reach, j);
		j->lane = n;
		j->part = n->part;
		j->front = &n->front;
		j->now = now;
		j->wall = live_wall(l, now);
		j->replay = false;
		workers_submit(l->workers, j);
	}
}

/* true: a block came of it. */
static bool
take(struct live *l, struct job *j, bool on, nsec now)
{
	struct live_lane *n = j->lane;
	reach_taken(&n->reach, &n->front, j->err == ERR_OK ? j->batch.len : 0);
	bool block = lane_answer(l, n, j);
	if (on)
		read_on(l, now); /* workers go on while the back works */
	if (block) {
		back_take(l->back, &j->block);
		l->changes++;
	}
	workers_give_back(l->workers, j);
	return block;
}

bool
live_read(struct live *l, nsec now)
{
	size_t most = workers_threads(l->workers), blocks = 0; /* a turn also commits and answers: not too many */
	struct job *j;
	while (blocks < most) {
		read_on(l, now);
		j = workers_take(l->workers, false);
		if (j == NULL)
			break;
		blocks += take(l, j, true, now);
	}
	return blocks > 0;
}

void
live_settle(struct live *l)
{
	struct job *j;
	while ((j = workers_take(l->workers, true)))
		(void)take(l, j, false, 0);
}

static int
by_mark(const void *x, const void *y)
{
	nsec a = *(const nsec *)x, b = *(const nsec *)y;
	return (a > b) - (a < b);
}

/* The lower median mark of a source's partitions that have shown a time; NS_NONE: none has. */
static nsec
median_mark(const struct live *l, size_t index)
{
	nsec *v = xcalloc(l->nlane, sizeof *v);
	size_t n = 0;
	for (size_t i = 0; i < l->nlane; i++)
		if (!l->lane[i]->left && l->lane[i]->index == index && l->lane[i]->front.time.greatest != NS_NONE)
			v[n++] = l->lane[i]->front.time.mark;
	qsort(v, n, sizeof *v, by_mark);
	nsec m = n ? v[(n - 1) / 2] : NS_NONE;
	free(v);
	return m;
}

static void
lane_silence(struct live *l, struct live_lane *n, nsec wall)
{
	const struct source_conf *c = n->source->conf;
	struct ptime *t = &n->front.time;
	bool moved;
	reach_idle(&n->reach);
	if (t->base != NS_NONE) {
		moved = ptime_silence(t, c, wall);
	} else {
		nsec mark = median_mark(l, n->index);
		if (mark == NS_NONE)
			mark = wall - c->late - c->idle;
		moved = mark > t->mark;
		if (moved)
			t->mark = mark;
	}
	if (!moved)
		return;
	if (n->nmoved == 0 || n->moved[n->nmoved - 1].seq != n->seq) { /* at one place the last is the step */
		GROW(n->moved, n->nmoved, n->cap_moved);
		n->nmoved++;
	}
	n->moved[n->nmoved - 1] = (struct place){ n->seq, t->mark };
	n->reach.mark = t->mark;
	back_mark(l->back, n->number, t);
}

void
live_silence(struct live *l)
{
	live_settle(l);
	nsec wall = live_wall(l, mono_ns());
	for (size_t s = 0; s < l->app->config->nsource; s++) {
		const struct source_conf *c = &l->app->config->source[s];
		struct live_quiet *q = &l->quiet[s];
		bool any = false;
		for (size_t i = 0; i < l->nlane; i++) {
			struct live_lane *n = l->lane[i];
			if (n->index != s || n->left)
				continue;
			any = true;
			if (n->at_end && !n->part->unread)
				lane_silence(l, n, wall);
		}
		if (any != !q->counts) { /* the source got its first partition, or lost its last */
			q->counts = !any;
			if (any)
				back_part_leave(l->back, q->number);
			else
				back_part_return(l->back, q->number);
		}
		if (!q->counts)
			continue;
		q->moved = true;
		if (q->time.base != NS_NONE)
			ptime_silence(&q->time, c, wall);
		else if (wall - c->late - c->idle > q->time.mark)
			q->time.mark = wall - c->late - c->idle;
		back_mark(l->back, q->number, &q->time);
	}
}

bool
live_ended(const struct live *l)
{
	for (size_t i = 0; i < l->app->config->nsource; i++)
		if (strcmp(l->source[i].kind->kind.name, "stdin") != 0)
			return false;
	for (size_t i = 0; i < l->nlane; i++)
		if (!l->lane[i]->left)
			return false;
	return l->nlane > 0;
}
