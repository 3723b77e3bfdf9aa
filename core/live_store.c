/* live_store.c - the durable side of `weir run`: restore, commits, checkpoints, reconciling. */
#include "core/live.h"

#include "core/json.h"
#include "core/log.h"
#include "rules/save.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- restore ---- */

struct loading {
	struct live *l;
	bool bad;
	size_t rows;
};

static void
load_row(void *arg, enum ckpt_kind kind, struct str rule, struct str key, int64_t pane, struct str data)
{
	struct loading *g = arg;
	struct save_row row = { (enum save_kind)kind, rule, key, data, pane };
	g->rows++;
	if (!g->bad && !save_load(g->l->back, &row))
		g->bad = true;
}

static size_t
rule_index(const struct live *l, const char *name)
{
	size_t i = 0;
	while (i < l->app->rules->nrule && strcmp(l->app->rules->rule[i].name, name) != 0)
		i++;
	return i;
}

static void
open_row(void *arg, const struct alert *last)
{
	struct live *l = arg;
	size_t r = rule_index(l, last->rule);
	if (r < l->app->rules->nrule && l->app->rules->rule[r].shape == SHAPE_RECORD && l->app->rules->rule[r].hold == 0)
		return; /* over at once: it has no resolve to wait for */
	GROW(l->open, l->nopen, l->cap_open);
	l->open[l->nopen] = (struct live_open){ .settled = false };
	alert_copy(&l->open[l->nopen++].last, last);
}

static void
step_row(void *arg, struct str partition, int64_t seq, int kind, struct str data)
{
	struct live *l = arg;
	struct live_lane *n = NULL;
	for (size_t i = 0; i < l->nlane && n == NULL; i++) {
		const char *source = l->lane[i]->source->conf->name;
		size_t len = strlen(source);
		if (partition.len > len && memcmp(partition.ptr, source, len + 1) == 0 &&
			str_eq((struct str){ partition.ptr + len + 1, partition.len - len - 1 }, str_of(l->lane[i]->part->name)))
			n = l->lane[i];
	}
	nsec mark;
	if (n == NULL || data.len != sizeof mark)
		return;
	memcpy(&mark, data.ptr, sizeof mark);
	if (kind == STEP_JOIN && !n->stored) { /* before its first record; the last one told decides */
		n->front.nstep = 0;
		ptime_join(&n->front.time, mark, live_wall(l, mono_ns()));
		back_mark(l->back, n->number, &n->front.time);
		n->joined = false; /* it is stored */
		return;
	}
	if (kind > STEP_JOIN || seq < n->seq)
		return;
	n->step = xrealloc(n->step, (n->front.nstep + 1) * sizeof *n->step);
	struct place *p = &n->step[n->front.nstep++];
	p->seq = seq;
	p->mark = mark;
	n->front.step = n->step;
}

static bool
restore_parts(struct live *l)
{
	for (size_t i = 0; i < l->app->config->nsource; i++) {
		struct source *s = &l->source[i];
		struct str name, pos;
		for (uint32_t n = 0; back_part_at(l->back, n, i, &name, &pos); n++) {
			struct errinfo why = { 0 };
			if (name.ptr == NULL || pos.ptr == NULL || (name.len && pos.len == 0))
				continue;
			if (s->kind->restore(s, name, pos, &why) != ERR_OK) {
				log_error(s->conf->name, "%s", why.text);
				return false;
			}
		}
	}
	return true;
}

bool
live_restore(struct live *l)
{
	struct loading g = { .l = l };
	enum err e = ckpt_load(l->store, load_row, &g);
	if (e != ERR_OK || g.bad) {
		log_error("store", "%s", e != ERR_OK ? store_error(l->store) :
			"the checkpoint holds rows that this version cannot read; `weir run --reset-state` sets the state aside");
		return false;
	}
	save_loaded(l->back);
	l->first = g.rows == 0;
	if (!restore_parts(l))
		return false;
	live_scan(l, mono_ns());
	e = store_steps_new(l->store, step_row, l);
	if (e == ERR_OK)
		e = store_open_alerts(l->store, open_row, l);
	l->newest = xcalloc(l->app->rules->nrule, sizeof *l->newest);
	for (size_t i = 0; i < l->app->rules->nrule && e == ERR_OK; i++) {
		e = store_newest(l->store, l->app->rules->rule[i].name, &l->newest[i]);
		l->unsettled += l->newest[i] != NS_NONE;
	}
	if (e != ERR_OK) {
		log_error("store", "%s", store_error(l->store));
		return false;
	}
	for (size_t i = 0; i < l->nlane; i++) { /* one that came since then has no part in what was told already */
		struct live_lane *n = l->lane[i];
		nsec told = live_told(l, n->index);
		if (!n->joined || told == NS_NONE)
			continue;
		ptime_join(&n->front.time, told + 1, live_wall(l, mono_ns()));
		n->join = n->front.time.mark;
		back_mark(l->back, n->number, &n->front.time);
	}
	if (g.rows)
		log_info("run", "goes on from the last checkpoint: %zu rows, %zu open alerts", g.rows, l->nopen);
	return true;
}

/* ---- commits ---- */

static enum err
put_one(struct live *l, const struct alert *a, nsec now)
{
	bool inserted;
	int64_t number;
	enum err e = store_transition(l->store, a, &inserted, &number);
	if (e == ERR_OK && inserted) {
		l->transitions++;
		e = policy_apply(l->policy, l->store, a, number, now);
	}
	return e;
}

static enum err
put_step(struct live *l, size_t source, const char *part, int64_t seq, int kind, nsec mark)
{
	struct buf key;
	buf_init(&key, 1 << 16);
	buf_addz(&key, l->app->config->source[source].name);
	buf_addc(&key, '\0');
	buf_addz(&key, part);
	enum err e = store_step(l->store, buf_str(&key), seq, kind, (struct str){ (const char *)&mark, sizeof mark });
	buf_free(&key);
	return e;
}

static enum err
put_steps(struct live *l)
{
	enum err e = ERR_OK;
	for (size_t i = 0; i < l->nlane && e == ERR_OK; i++) {
		const struct live_lane *n = l->lane[i];
		if (n->joined)
			e = put_step(l, n->index, n->part->name, n->join_seq, STEP_JOIN, n->join);
		for (size_t k = 0; k < n->nmoved && e == ERR_OK; k++)
			e = put_step(l, n->index, n->part->name, n->moved[k].seq, STEP_SILENCE, n->moved[k].mark);
		if (n->leaving && n->left && e == ERR_OK)
			e = put_step(l, n->index, n->part->name, n->seq, STEP_LEAVE, n->front.time.mark);
	}
	for (size_t i = 0; i < l->app->config->nsource && e == ERR_OK; i++)
		if (l->quiet[i].moved && l->quiet[i].counts) /* the source itself: a partition without a name */
			e = put_step(l, i, "", 0, STEP_SILENCE, l->quiet[i].time.mark);
	return e;
}

static bool
any_step(const struct live *l)
{
	bool any = false;
	for (size_t i = 0; i < l->nlane; i++)
		any |= l->lane[i]->nmoved > 0 || l->lane[i]->joined || l->lane[i]->leaving;
	for (size_t i = 0; i < l->app->config->nsource; i++)
		any |= l->quiet[i].moved;
	return any;
}

static void
steps_done(struct live *l)
{
	for (size_t i = 0; i < l->nlane; i++) {
		l->lane[i]->nmoved = 0;
		l->lane[i]->joined = l->lane[i]->leaving = false;
	}
	for (size_t i = 0; i < l->app->config->nsource; i++)
		l->quiet[i].moved = false;
}

/* No space: hold, give the reserve up once, and try again later. Anything else is the end of this process. */
enum err
live_commit_failed(struct live *l, enum err e)
{
	store_rollback(l->store);
	if (e != ERR_FULL) {
		log_error("store", "%s", store_error(l->store));
		l->stop = l->failing = true;
		return e;
	}
	if (!l->full)
		log_error("store", "%s; processing holds until there is space", store_error(l->store));
	store_release_reserve(l->store);
	l->full = true;
	l->full_retry = mono_ns() + NS_PER_S;
	return e;
}

enum err
live_commit(struct live *l)
{
	const struct alert *const *v;
	size_t n = back_out(l->back, INT64_MAX, &v);
	if (n == 0 && !l->full) /* full: an empty commit that succeeds ends the hold, whatever began it */
		return ERR_OK;
	nsec now = wall_ns();
	uint64_t before = l->transitions;
	enum err e = store_begin(l->store);
	if (e == ERR_OK)
		e = put_steps(l);
	for (size_t i = 0; i < n && e == ERR_OK; i++)
		e = put_one(l, v[i], now);
	if (e == ERR_OK)
		e = store_commit(l->store);
	if (e != ERR_OK) {
		l->transitions = before;
		return live_commit_failed(l, e);
	}
	if (l->full)
		log_info("store", "there is space again: processing goes on");
	l->full = false;
	l->told += n;
	l->changes++;
	steps_done(l);
	back_out_done(l->back, n);
	if (l->deliver)
		deliver_wake(l->deliver);
	return ERR_OK;
}

/* ---- reconciling after a restart ---- */

struct seek {
	const char *id;
	bool found;
};

static void
seek_id(void *arg, const char *id)
{
	struct seek *s = arg;
	s->found |= strcmp(id, s->id) == 0;
}

struct ids {
	char (*v)[ALERT_ID_MAX];
	size_t n, cap;
};

static void
keep_id(void *arg, const char *id)
{
	struct ids *v = arg;
	GROW(v->v, v->n, v->cap);
	snprintf(v->v[v->n++], ALERT_ID_MAX, "%s", id);
}

static enum err
resolve_stored(struct live *l, struct live_open *o, nsec at, const char *cause)
{
	struct alert *a = &o->last;
	enum err e = store_begin(l->store);
	a->event = a->state == ST_PENDING ? EV_DROPPED : EV_RESOLVED;
	a->state = ST_RESOLVED;
	a->timestamp = a->ends_at = at > a->timestamp ? at : a->timestamp;
	free(a->cause);
	a->cause = xstrdup(cause);
	if (e == ERR_OK)
		e = put_one(l, a, wall_ns());
	if (e == ERR_OK)
		e = store_commit(l->store);
	if (e != ERR_OK)
		return live_commit_failed(l, e);
	o->settled = true;
	log_info("run", "%s %s resolved: %s", a->rule, a->key, cause);
	return ERR_OK;
}

static void
settle_rule(struct live *l, size_t rule)
{
	nsec reached = back_rule_reached(l->back, rule);
	const char *name = l->app->rules->rule[rule].name;
	struct ids engine = { 0 };
	for (size_t i = 0; i < l->nopen; i++) {
		struct live_open *o = &l->open[i];
		if (o->settled || strcmp(o->last.rule, name) != 0)
			continue;
		struct seek s = { o->last.id, false };
		bool open = true; /* it may have ended since the start, as it should, past what had been stored */
		if (store_is_open(l->store, o->last.id, &open) != ERR_OK)
			return;
		back_open_alerts(l->back, rule, seek_id, &s);
		if (s.found || !open)
			o->settled = true;
		else if (resolve_stored(l, o, reached, "reconciled") != ERR_OK)
			return; /* again at the next turn */
	}
	back_open_alerts(l->back, rule, keep_id, &engine);
	for (size_t i = 0; i < engine.n; i++) {
		bool alive;
		if (store_is_open(l->store, engine.v[i], &alive) == ERR_OK && !alive)
			back_close(l->back, rule, engine.v[i]);
	}
	free(engine.v);
	l->newest[rule] = NS_NONE;
	l->unsettled--;
}

static void
reconcile(struct live *l)
{
	for (size_t i = 0; i < l->nopen; i++) {
		struct live_open *o = &l->open[i];
		if (!o->settled && rule_index(l, o->last.rule) == l->app->rules->nrule && strncmp(o->last.rule, "weir.", 5) != 0 &&
			resolve_stored(l, o, wall_ns(), "rule removed") != ERR_OK)
			return;
	}
	for (size_t i = 0; i < l->app->rules->nrule && l->unsettled; i++)
		if (l->newest[i] != NS_NONE && back_rule_reached(l->back, i) > l->newest[i])
			settle_rule(l, i);
}

/* ---- checkpoints ---- */

static void
ckpt_trouble(struct live *l, enum err e)
{
	if (e == ERR_FULL) {
		log_error("store", "%s; the checkpoint is tried again", store_error(l->store));
		store_rollback(l->store);
		store_release_reserve(l->store);
	} else {
		log_error("store", "%s", store_error(l->store));
		l->stop = l->failing = true;
	}
	save_abort(l->back);
	l->ckpt = CKPT_IDLE;
	l->next_ckpt = mono_ns() + l->app->config->checkpoint;
}

static enum err
store_moved(struct live *l)
{
	if (!any_step(l))
		return ERR_OK;
	enum err e = store_begin(l->store);
	if (e == ERR_OK)
		e = put_steps(l);
	if (e == ERR_OK)
		e = store_commit(l->store);
	if (e != ERR_OK)
		return live_commit_failed(l, e);
	steps_done(l);
	return ERR_OK;
}

static enum err
write_slice(struct live *l, bool all, bool *complete)
{
	struct save_row row;
	nsec from = mono_ns();
	size_t n = 0;
	enum err e = ckpt_open_slice(l->store);
	*complete = false;
	while (e == ERR_OK) {
		if (!save_next(l->back, &row)) {
			*complete = true;
			break;
		}
		e = ckpt_put(l->store, (enum ckpt_kind)row.kind, row.rule, row.key, row.pane, row.data);
		if (!all && ++n % 64 == 0 && mono_ns() - from > LIVE_SLICE / 2) /* the commit takes its part too */
			break;
	}
	return e == ERR_OK ? ckpt_close_slice(l->store) : e;
}

static void
kept(struct live *l)
{
	for (size_t i = 0; i < l->nlane; i++) {
		struct live_lane *n = l->lane[i];
		uint32_t number;
		struct ptime time;
		int64_t seq;
		struct str pos;
		if (n->source->kind->kept && n->noted_pos_len &&
			save_part(l->back, n->index, str_of(n->part->name), &number, &time, &seq, &pos))
			n->source->kind->kept(n->part, (struct str){ n->noted_pos, n->noted_pos_len });
	}
}

/* What the generation holds of each position: handed to the sources when it is durable. */
static void
note_positions(struct live *l)
{
	for (size_t i = 0; i < l->nlane; i++) {
		struct live_lane *n = l->lane[i];
		struct str pos = { 0 };
		uint32_t number;
		struct ptime time;
		int64_t seq;
		n->noted_pos_len = 0;
		if (!save_part(l->back, n->index, str_of(n->part->name), &number, &time, &seq, &pos) || pos.len == 0 ||
			pos.len > sizeof n->noted_pos)
			continue;
		if (pos.len)
			memcpy(n->noted_pos, pos.ptr, pos.len);
		n->noted_pos_len = pos.len;
	}
}

/* Until a file's position is stored, a restart after its rotation would not know of what is no longer under its name: the
 * first checkpoint waits only for each file to be read once, and a new file does not wait the whole interval. */
static bool
is_due(const struct live *l, nsec now)
{
	if (!l->first)
		return now >= l->next_ckpt || (l->soon && now >= l->last_ckpt + l->app->config->checkpoint / 10);
	for (size_t i = 0; i < l->nlane; i++)
		if (!l->lane[i]->begun)
			return now >= l->next_ckpt;
	return true;
}

void
live_checkpoint(struct live *l, nsec now, bool all)
{
	enum err e = ERR_OK;
	bool done;
	if (!l->full && (l->unsettled || l->nopen))
		reconcile(l);
	if (l->full && (!all && now < l->full_retry))
		return;
	if (l->ckpt == CKPT_IDLE && (all || is_due(l, now))) {
		if (l->changes == l->noted && !all && !l->first) { /* nothing was read, nothing told: the last one stands */
			l->next_ckpt = now + l->app->config->checkpoint;
			return;
		}
		if (store_moved(l) != ERR_OK)
			return;
		for (size_t i = 0; i < l->app->config->nsource; i++)
			if (l->source[i].kind->sync)
				l->source[i].kind->sync(&l->source[i]);
		save_note(l->back);
		note_positions(l);
		l->noted = l->changes;
		l->soon = false;
		l->ckpt = CKPT_WRITING;
		e = ckpt_begin(l->store, &l->generation);
		if (e != ERR_OK) {
			ckpt_trouble(l, e);
			return;
		}
	}
	while (l->ckpt == CKPT_WRITING) {
		e = write_slice(l, all, &done);
		if (e == ERR_OK && done)
			e = ckpt_finish(l->store);
		if (e != ERR_OK) {
			ckpt_trouble(l, e);
			return;
		}
		if (done) {
			l->ckpt = CKPT_PRUNING;
			l->first = false;
			l->last_ckpt = mono_ns();
			l->next_ckpt = now + l->app->config->checkpoint;
			kept(l);
		}
		if (!all)
			return;
	}
	if (l->ckpt == CKPT_PRUNING && !all) {
		bool more = false;
		if (ckpt_prune(l->store, 2000, &more) != ERR_OK || !more)
			l->ckpt = CKPT_IDLE;
	}
}
