/* back.c - blocks in, order, clocks, transitions out. */
#include "rules/back_int.h"

#include <stdlib.h>

struct back *
back_new(const struct ruleset *rs)
{
	struct back *b = xcalloc(1, sizeof *b);
	size_t naggs = 1;
	b->rs = rs;
	b->greatest = NS_NONE;
	b->regex = regex_scratch_new();
	b->eval = eval_new(rs->exprs, b->regex);
	b->rec.slot = xcalloc(rs->paths.n + 1, sizeof *b->rec.slot);
	b->rec.raw = b->rec.file = STR("");
	b->rule = xcalloc(rs->nrule, sizeof(struct rule_state *));
	b->clock = xcalloc(rs->nclock, sizeof *b->clock);
	for (size_t i = 0; i < rs->nclock; i++)
		b->clock[i] = (struct clock){ .sources = rs->clock[i].sources, .reached = NS_NONE, .first = NS_NONE,
			.rule = xcalloc(rs->nrule, sizeof(uint32_t)) };
	for (size_t i = 0; i < rs->nrule; i++) {
		const struct rule *r = &rs->rule[i];
		struct clock *c = &b->clock[r->clock];
		b->rule[i] = rule_state_new(r);
		c->rule[c->nrule++] = (uint32_t)i;
		if (r->aggs.n > naggs)
			naggs = r->aggs.n;
	}
	b->aggs = xcalloc(naggs, sizeof *b->aggs);
	b->limit = back_memory_limit(rs->config);
	return b;
}

void
back_free(struct back *b)
{
	if (b == NULL)
		return;
	back_out_done(b, b->nout);
	save_free(b->save);
	for (size_t i = 0; i < b->rs->nrule; i++)
		rule_state_free(b->rule[i]);
	for (size_t i = 0; i < b->rs->nclock; i++) {
		struct clock *c = &b->clock[i];
		for (size_t k = c->head; k < c->nwait; k++)
			if (--c->wait[k].chunk->refs == 0)
				chunk_free(c->wait[k].chunk);
		free(c->wait);
		free(c->rule);
	}
	for (size_t i = 0; i < b->npart; i++) {
		free(b->part[i].name);
		free(b->part[i].pos);
	}
	free(b->part);
	free(b->clock);
	free(b->rule);
	free(b->aggs);
	free(b->out);
	free(b->view);
	free(b->rec.slot);
	eval_free(b->eval);
	regex_scratch_free(b->regex);
	arena_free(&b->arena);
	sketch_sum_free(&b->sketches);
	chunks_release();
	free(b);
}

/* ---- partitions ---- */

uint32_t
back_part_add(struct back *b, size_t source, struct str name)
{
	GROW(b->part, b->npart, b->cap_part);
	struct bpart *p = &b->part[b->npart];
	*p = (struct bpart){ .source = source, .name = xstr(name), .counts = true, .first = NS_NONE, .seq = -1 };
	ptime_init(&p->time);
	b->ranks_stale = true;
	return (uint32_t)b->npart++;
}

static int
by_order(const void *x, const void *y, void *arg)
{
	const struct back *b = arg;
	const struct bpart *p = &b->part[*(const uint32_t *)x], *q = &b->part[*(const uint32_t *)y];
	if (p->source != q->source) /* sources stand in the order of their names */
		return p->source < q->source ? -1 : 1;
	int c = str_cmp(str_of(p->name), str_of(q->name));
	return c ? c : (p > q) - (p < q);
}

static void
rank_parts(struct back *b)
{
	uint32_t *at = xcalloc(b->npart, sizeof *at);
	for (uint32_t i = 0; i < b->npart; i++)
		at[i] = i;
	qsort_r(at, b->npart, sizeof *at, by_order, b);
	for (uint32_t i = 0; i < b->npart; i++)
		b->part[at[i]].rank = i;
	free(at);
	for (size_t i = 0; i < b->rs->nclock; i++) {
		struct clock *c = &b->clock[i];
		for (size_t k = c->head; k < c->nwait; k++)
			c->wait[k].rank = b->part[c->wait[k].part].rank;
		c->sorted = c->head;
	}
	b->ranks_stale = false;
}

void
back_part_leave(struct back *b, uint32_t part)
{
	b->part[part].counts = false;
}

void
back_part_gone(struct back *b, uint32_t part)
{
	b->part[part].counts = false;
	b->part[part].gone = true;
}

void
back_part_return(struct back *b, uint32_t part)
{
	b->part[part].counts = true;
	b->part[part].gone = false;
}

bool
back_part_at(const struct back *b, uint32_t n, size_t source, struct str *name, struct str *pos)
{
	if (n >= b->npart)
		return false;
	const struct bpart *p = &b->part[n];
	*name = p->source == source ? str_of(p->name) : (struct str){ NULL, 0 };
	*pos = (struct str){ p->pos, p->pos_len };
	return true;
}

void
back_mark(struct back *b, uint32_t part, const struct ptime *time)
{
	b->part[part].time = *time;
}

nsec
back_reached(const struct back *b, size_t source)
{
	nsec most = NS_NONE;
	for (size_t i = 0; i < b->rs->nclock; i++)
		if (b->clock[i].sources >> source & 1 && b->clock[i].reached > most)
			most = b->clock[i].reached;
	return most;
}

/* Least mark over the partitions of these sources that count. *any: is there one? NS_NONE while one shows no time. */
static nsec
least_mark(const struct back *b, uint64_t sources, bool *any)
{
	nsec least = NEVER;
	*any = false;
	for (size_t i = 0; i < b->npart; i++) {
		const struct bpart *p = &b->part[i];
		if (!p->counts || !(sources >> p->source & 1))
			continue;
		*any = true;
		if (p->time.mark < least)
			least = p->time.mark;
	}
	return *any ? least : NS_NONE;
}

nsec
back_least(const struct back *b)
{
	bool any;
	return least_mark(b, ~UINT64_C(0), &any);
}

/* ---- blocks ---- */

void
back_wait(struct back *b, struct block *in)
{
	struct chunk *c = in->tuples;
	for (size_t at = 0; at < c->bytes.len;) {
		const struct tuple *t = (const struct tuple *)(const void *)(c->bytes.data + at);
		struct clock *k = &b->clock[b->rs->rule[t->rule].clock];
		GROW(k->wait, k->nwait, k->cap_wait);
		k->wait[k->nwait++] = (struct waiting){ t->time, t->seq, b->part[t->part].rank, t->part, t, c };
		at += t->size;
	}
	b->stats.tuples += c->n;
	b->tuple_bytes += c->bytes.len;
	in->tuples = NULL;
}

void
back_take(struct back *b, struct block *in)
{
	struct bpart *p = &b->part[in->part];
	if (b->ranks_stale)
		rank_parts(b);
	back_weigh(b);
	for (size_t at = 0; at < in->folds.len;) {
		struct fold *f = (struct fold *)(void *)(in->folds.data + at);
		if (at + f->size < in->folds.len) {
			const struct fold *next = (const struct fold *)(const void *)(in->folds.data + at + f->size);
			key_prefetch(b->rule[next->rule], next->hash);
		}
		b->arrival = f->pane * b->rs->rule[f->rule].every;
		window_fold(b, b->rule[f->rule], f);
		b->stats.folds++;
		at += f->size;
	}
	if (in->tuples->n)
		back_wait(b, in);
	p->time = in->time;
	if (in->pos_len) {
		p->pos = xrealloc(p->pos, in->pos_len);
		memcpy(p->pos, in->pos, in->pos_len);
		p->pos_len = in->pos_len;
	}
	if (in->records)
		p->seq = in->seq;
	if (in->first_time != NS_NONE && (p->first == NS_NONE || in->first_time < p->first))
		p->first = in->first_time;
	if (in->time.greatest > b->greatest)
		b->greatest = in->time.greatest;
	for (size_t i = 0; in->first_time != NS_NONE && i < b->rs->nclock; i++) {
		struct clock *c = &b->clock[i];
		if (c->sources >> p->source & 1 && (c->first == NS_NONE || in->first_time < c->first))
			c->first = in->first_time;
	}
}

/* ---- order ---- */

static int
by_turn(const void *x, const void *y)
{
	const struct waiting *a = x, *c = y;
	if (a->time != c->time)
		return a->time < c->time ? -1 : 1;
	if (a->rank != c->rank)
		return a->rank < c->rank ? -1 : 1;
	if (a->seq != c->seq)
		return a->seq < c->seq ? -1 : 1;
	return a->tuple->rule < c->tuple->rule ? -1 : a->tuple->rule > c->tuple->rule;
}

/* Records come nearly in order of time: an insertion sort moves little then, and a merge sort takes over where it does. */
static void
sort_fresh(struct waiting *w, size_t n)
{
	size_t moves = 0;
	for (size_t i = 1; i < n; i++) {
		if (by_turn(&w[i - 1], &w[i]) <= 0)
			continue;
		struct waiting in = w[i];
		size_t k = i;
		do
			w[k] = w[k - 1];
		while (--k > 0 && by_turn(&w[k - 1], &in) > 0);
		w[k] = in;
		moves += i - k;
		if (moves > 16 * n) {
			qsort(w, n, sizeof *w, by_turn);
			return;
		}
	}
}

/* Where in the sorted ones w belongs: after all that do not come later. */
static size_t
place_of(const struct clock *c, const struct waiting *w)
{
	size_t lo = c->head, hi = c->sorted;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (by_turn(&c->wait[mid], w) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* What is sorted already stays where it is; new arrivals are sorted, and merged with those that come after the first. */
static void
sort_waiting(struct clock *c)
{
	size_t fresh = c->nwait - c->sorted;
	if (fresh == 0)
		return;
	struct waiting *w = c->wait + c->sorted;
	sort_fresh(w, fresh);
	size_t from = place_of(c, w), old = c->sorted - from;
	if (old) { /* from the back, so that nothing is overwritten before it was moved */
		struct waiting *in = xmemdup(w, fresh * sizeof *in);
		size_t to = c->nwait, k = fresh;
		while (k > 0)
			c->wait[--to] = old > 0 && by_turn(&c->wait[from + old - 1], &in[k - 1]) > 0 ? c->wait[from + --old] : in[--k];
		free(in);
	}
	c->sorted = c->nwait;
}

static void
run_instants(struct back *b, struct rule_state *rs, nsec upto)
{
	for (struct key *k; (k = timer_first(rs)) && k->due <= upto;) {
		if (rs->rule->shape == SHAPE_RECORD)
			record_timer(b, rs, k, k->due);
		else if (rs->rule->shape == SHAPE_PRESENCE)
			presence_timer(b, rs, k, k->due);
		else
			pair_timer(b, rs, k, k->due);
	}
}

static void
run_timers(struct back *b, struct rule_state *rs, nsec upto)
{
	if (rs->rule->shape == SHAPE_WINDOW)
		window_run(b, rs, upto);
	else
		run_instants(b, rs, upto);
}

static void
apply(struct back *b, const struct tuple *t)
{
	struct rule_state *rs = b->rule[t->rule];
	b->arrival = t->time;
	run_timers(b, rs, t->time); /* a timer due at T runs before the records of T */
	switch (rs->rule->shape) {
	case SHAPE_RECORD:
		record_tuple(b, rs, t);
		break;
	case SHAPE_PAIR:
		pair_tuple(b, rs, t);
		break;
	case SHAPE_WINDOW:
		window_tuple(b, rs, t);
		break;
	case SHAPE_PRESENCE:
		presence_tuple(b, rs, t);
		break;
	case SHAPES:
		break;
	}
}

static int
by_key(const void *x, const void *y)
{
	const struct tuple *a = ((const struct waiting *)x)->tuple, *c = ((const struct waiting *)y)->tuple;
	if (a->rule != c->rule)
		return a->rule < c->rule ? -1 : 1;
	if (a->hash != c->hash)
		return a->hash < c->hash ? -1 : 1;
	return by_turn(x, y);
}

/* Opens and closes of one key at one instant: each partition's order is kept, a partition whose next record opens goes
 * first. w is sorted by partition, then seq. */
static void
merge_pair(struct back *b, struct waiting *w, size_t n)
{
	for (size_t left = n; left > 0; left--) {
		size_t first = n, chosen = n;
		for (size_t i = 0; i < n; i++) { /* the next of each partition is its first not yet applied */
			if (w[i].tuple == NULL)
				continue;
			if (first == n)
				first = i;
			bool next = true;
			for (size_t k = i; k-- > 0 && w[k].part == w[i].part;)
				next &= w[k].tuple == NULL;
			if (next && w[i].tuple->flags & TUPLE_OPEN) {
				chosen = i;
				break;
			}
		}
		if (chosen == n)
			chosen = first;
		apply(b, w[chosen].tuple);
		w[chosen].tuple = NULL;
	}
}

/* All tuples of one instant, in order. */
static void
apply_instant(struct back *b, struct waiting *w, size_t n)
{
	bool mixed = false;
	for (size_t i = 1; i < n; i++)
		mixed |= w[i].part != w[0].part;
	size_t pairs = 0;
	struct waiting *pair = mixed ? xmalloc(n * sizeof *pair) : NULL;
	for (size_t i = 0; i < n; i++) {
		if (mixed && w[i].tuple->flags & (TUPLE_OPEN | TUPLE_CLOSE) && b->rs->rule[w[i].tuple->rule].shape == SHAPE_PAIR)
			pair[pairs++] = w[i]; /* what does neither has no say in who goes first */
		else
			apply(b, w[i].tuple);
	}
	if (pairs)
		qsort(pair, pairs, sizeof *pair, by_key);
	for (size_t i = 0, k; i < pairs; i = k) {
		const struct tuple *t = pair[i].tuple;
		for (k = i + 1; k < pairs && pair[k].tuple->rule == t->rule && pair[k].tuple->hash == t->hash; k++)
			;
		merge_pair(b, pair + i, k - i);
	}
	free(pair);
}

/* Tuples with time < upto (or <= with inclusive), then timers <= upto. */
static void
clock_run(struct back *b, struct clock *c, nsec upto, bool inclusive)
{
	for (size_t i = 0; i < c->nrule; i++) { /* before the tuples, whose turn runs boundaries too */
		struct rule_state *rs = b->rule[c->rule[i]];
		if (rs->rule->shape == SHAPE_WINDOW && b->rs->keyset[rs->rule->keyset].n == 0 && c->first != NS_NONE)
			window_start(b, rs, c->first);
		else if (rs->rule->shape == SHAPE_PRESENCE && c->first != NS_NONE)
			presence_start(b, rs, c->first);
	}
	sort_waiting(c);
	size_t n = c->head;
	for (size_t k; n < c->nwait && (c->wait[n].time < upto || (inclusive && c->wait[n].time == upto)); n = k) {
		for (k = n + 1; k < c->nwait && c->wait[k].time == c->wait[n].time; k++)
			;
		if (k + 12 < c->nwait)
			key_prefetch(b->rule[c->wait[k + 12].tuple->rule], c->wait[k + 12].tuple->hash);
		if (k + 5 < c->nwait)
			key_prefetch_deep(b->rule[c->wait[k + 5].tuple->rule], c->wait[k + 5].tuple->hash);
		apply_instant(b, c->wait + n, k - n);
		for (size_t i = n; i < k; i++)
			if (--c->wait[i].chunk->refs == 0) {
				b->tuple_bytes -= c->wait[i].chunk->bytes.len;
				chunk_free(c->wait[i].chunk);
			}
	}
	c->head = n;
	if (c->head > c->nwait - c->head) { /* more gone than left: move those up, at O(1) each */
		memmove(c->wait, c->wait + c->head, (c->nwait - c->head) * sizeof *c->wait);
		c->nwait -= c->head;
		c->head = 0;
	}
	c->sorted = c->nwait;
	for (size_t i = 0; i < c->nrule; i++)
		run_timers(b, b->rule[c->rule[i]], upto);
	c->reached = upto;
}

void
back_advance(struct back *b)
{
	bool any, others;
	if (b->ranks_stale)
		rank_parts(b);
	for (size_t i = 0; i < b->rs->nclock; i++) {
		struct clock *c = &b->clock[i];
		nsec least = least_mark(b, c->sources, &any);
		if (!any) /* all its partitions have left: it goes with the rest */
			least = least_mark(b, ~UINT64_C(0), &others);
		if (least != NS_NONE && least != NEVER && least > c->reached)
			clock_run(b, c, least, false);
	}
}

void
back_end(struct back *b, nsec until)
{
	nsec end = b->greatest;
	if (b->ranks_stale)
		rank_parts(b);
	for (size_t i = 0; i < b->rs->nclock; i++) {
		struct clock *c = &b->clock[i];
		nsec last = end;
		for (size_t k = c->head; k < c->nwait; k++) /* an untimed or skewed record may lie past all timed ones */
			if (c->wait[k].time > last)
				last = c->wait[k].time;
		if (last == NS_NONE)
			continue;
		if (last > c->reached || c->nwait > c->head)
			clock_run(b, c, last > c->reached ? last : c->reached, true);
		if (until > 0)
			clock_run(b, c, (end > c->reached ? end : c->reached) + until, true);
	}
}

void
back_until(struct back *b, nsec t)
{
	if (b->ranks_stale)
		rank_parts(b);
	for (size_t i = 0; i < b->rs->nclock; i++)
		if (t >= b->clock[i].reached)
			clock_run(b, &b->clock[i], t, true);
}

void
back_watch(struct back *b, back_watcher *watch, void *arg)
{
	b->watch = watch;
	b->watch_arg = arg;
}

void
back_seen(struct back *b, const struct rule *r, const struct key *k, nsec at)
{
	struct buf key;
	buf_init(&key, 1 << 20);
	key_json(b->rs, r, (struct str){ k->text, k->klen }, &key);
	b->watch(b->watch_arg, b->eval, r, buf_str(&key), at);
	buf_free(&key);
}

/* ---- transitions out ---- */

nsec
back_settled(const struct back *b)
{
	nsec least = NEVER;
	for (size_t i = 0; i < b->rs->nclock; i++)
		if (b->clock[i].reached < least)
			least = b->clock[i].reached;
	return least;
}

static int
by_told(const void *x, const void *y)
{
	const struct emission *a = x, *c = y;
	if (a->alert.timestamp != c->alert.timestamp)
		return a->alert.timestamp < c->alert.timestamp ? -1 : 1;
	if (a->rule != c->rule)
		return a->rule < c->rule ? -1 : 1;
	int k = strcmp(a->order, c->order);
	return k ? k : a->seq < c->seq ? -1 : a->seq > c->seq;
}

size_t
back_out(struct back *b, nsec before, const struct alert *const **out)
{
	if (b->nout)
		qsort(b->out, b->nout, sizeof *b->out, by_told);
	size_t n = 0;
	while (n < b->nout && b->out[n].alert.timestamp < before)
		n++;
	if (n > b->cap_view) {
		b->view = xrealloc(b->view, n * sizeof *b->view);
		b->cap_view = n;
	}
	for (size_t i = 0; i < n; i++)
		b->view[i] = &b->out[i].alert;
	*out = b->view;
	return n;
}

void
back_out_done(struct back *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		alert_free(&b->out[i].alert);
		free(b->out[i].order);
	}
	b->nout -= n;
	if (b->nout)
		memmove(b->out, b->out + n, b->nout * sizeof *b->out);
}

void
back_open_alerts(const struct back *b, size_t rule, void (*each)(void *arg, const char *id), void *arg)
{
	const struct rule_state *rs = b->rule[rule];
	char id[ALERT_ID_MAX];
	for (uint32_t i = 0; i <= rs->mask; i++)
		if (rs->table[i].key && rs->table[i].key->alert) {
			alert_id(b, rs->rule, rs->table[i].key, rs->table[i].key->alert->start, NULL, id);
			each(arg, id);
		}
}

void
back_close(struct back *b, size_t rule, const char *id)
{
	struct rule_state *rs = b->rule[rule];
	char have[ALERT_ID_MAX];
	for (uint32_t i = 0; i <= rs->mask; i++) {
		struct key *k = rs->table[i].key;
		if (k == NULL || k->alert == NULL)
			continue;
		alert_id(b, rs->rule, k, k->alert->start, NULL, have);
		if (strcmp(have, id) != 0)
			continue;
		key_touch(b, rs, k);
		if (k->alert->state == ST_FIRING)
			rs->open--;
		alert_drop(k);
		key_wait(rs, k);
		return;
	}
}

nsec
back_rule_reached(const struct back *b, size_t rule)
{
	return b->clock[b->rs->rule[rule].clock].reached;
}

void
back_stats(const struct back *b, struct back_stats *out)
{
	*out = b->stats;
	out->held = b->held;
	out->limit = b->limit;
}

void
back_rule_stats(const struct back *b, size_t rule, struct rule_stats *out)
{
	const struct rule_state *rs = b->rule[rule];
	*out = (struct rule_stats){ .keys = rs->nkey, .open = rs->open, .refused_keys = rs->refused, .last_true = rs->last_true,
		.displaced_keys = rs->displaced, .reached = b->clock[rs->rule->clock].reached, .records = rs->records,
		.overflow = rule_overflowing(b, rs) };
}
