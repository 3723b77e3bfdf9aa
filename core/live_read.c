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
	l->batch = xcalloc(c->nsource, sizeof *l->batch);
	l->quiet = xcalloc(c->nsource, sizeof *l->quiet);
	for (size_t i = 0; i < c->nsource; i++) {
		struct errinfo why = { 0 };
		struct source *s = &l->source[i];
		*s = (struct source){ .kind = (const struct source_kind *)(const void *)c->source[i].kind, .conf = &c->source[i] };
		batch_init(&l->batch[i], s->conf);
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
		free(l->lane[i]);
	}
	free(l->lane);
	for (size_t i = 0; l->source && i < l->app->config->nsource; i++) {
		if (l->source[i].priv)
			l->source[i].kind->close(&l->source[i]);
		batch_free(&l->batch[i]);
	}
	free(l->source);
	free(l->batch);
	free(l->quiet);
}

/* It begins, or is back, beside others that have gone on. */
static void
lane_join(struct live *l, struct live_lane *n, nsec now)
{
	nsec reached = back_reached(l->back, n->index);
	ptime_join(&n->front.time, reached, live_wall(l, now));
	n->left = n->at_end = false;
	n->joined = reached != NS_NONE;
	n->join = n->front.time.mark;
	n->join_seq = n->seq;
	back_mark(l->back, n->number, &n->front.time);
	back_part_return(l->back, n->number);
	l->changes++;
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
			if (n == NULL)
				lane_add(l, i, s->part[k], now);
			else if (n->left)
				lane_join(l, n, now);
		}
	}
}

static void
lane_leave(struct live *l, struct live_lane *n)
{
	n->left = true;
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

static bool
lane_read(struct live *l, struct live_lane *n, nsec now)
{
	struct batch *b = &l->batch[n->index];
	enum err e = n->source->kind->fill(n->part, b, now);
	if (!n->begun && (e == ERR_OK || e == ERR_AGAIN)) {
		n->begun = true;
		l->soon |= !n->stored;
	}
	if (e == ERR_OK) {
		front_run(l->front, &n->front, b, &l->block, live_wall(l, now), false);
		if (l->block.records)
			n->seq = l->block.seq;
		n->at_end = b->at_end;
		if (b->at_end)
			written_at(n, b->written);
		l->block.time = n->front.time;
		back_take(l->back, &l->block);
		l->changes++;
		return true;
	}
	if (e == ERR_AGAIN) {
		if (!n->at_end)
			written_at(n, b->written);
		n->at_end = true;
		if (n->front.at_step < n->front.nstep) { /* past the last record: what was decided before goes first */
			fpart_steps(&n->front, INT64_MAX);
			back_mark(l->back, n->number, &n->front.time);
		}
	} else if (e == ERR_EOF) {
		lane_leave(l, n);
		l->changes++;
	} else {
		log_warn(n->source->conf->name, "%s; trying again", n->part->why.text);
		n->retry = now + RETRY;
	}
	return false;
}

/* Level reading: of those that have something unread, the one with the least mark. */
bool
live_read(struct live *l, nsec now)
{
	for (size_t tries = 0; tries < l->nlane; tries++) {
		struct live_lane *best = NULL;
		for (size_t i = 0; i < l->nlane; i++) {
			struct live_lane *n = l->lane[i];
			if (n->left || now < n->retry || (n->at_end && !n->part->unread && n->part->state == PART_LIVE))
				continue;
			if (best == NULL || n->front.time.mark < best->front.time.mark)
				best = n;
		}
		if (best == NULL)
			return false;
		if (lane_read(l, best, now))
			return true;
		if (best->part->unread)
			best->retry = now + NS_PER_MS; /* it had nothing: the others first */
	}
	return false;
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
	if (moved) {
		n->moved = true;
		back_mark(l->back, n->number, t);
	}
}

void
live_silence(struct live *l)
{
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
