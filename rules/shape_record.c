/* shape_record.c - one record is enough: matches, `hold`, and `prev`.
 *
 * Without prev a tuple is a match, its level found by the front. With prev every record the rule saw is a tuple, and
 * `when` is tested here, in order, against the previous one of the key.
 */
#include "rules/back_int.h"

#include <stdlib.h>

static void
values(struct back *b, const struct rule *r, enum level level, struct emit *e)
{
	if (r->left[level] >= 0)
		e->value = eval_value(b->eval, r->left[level]);
	if (r->right[level] >= 0)
		e->threshold = eval_value(b->eval, r->right[level]);
}

/* The tuple's record into b->rec, and the previous one beside it. prev_slots has paths.n slots. */
static void
record_open(struct back *b, struct rule_state *rs, const struct key *k, const struct tuple *t, struct slice *prev)
{
	const struct rule *r = rs->rule;
	if (k && k->prev) {
		carried_slots(b, r, k->prev, k->prev_len);
		for (size_t i = 0; i < r->nprev; i++)
			prev[r->prev[i]] = b->rec.slot[r->prev[i]];
		slots_clear(b, r);
	}
	carried_slots(b, r, tuple_slots(t), t->slots);
	b->rec.raw = tuple_raw(t);
	b->rec.file = tuple_file(t);
	b->rec.offset = t->offset;
	b->rec.time = t->time;
	b->rec.seq = t->seq;
	eval_begin(b->eval, &b->rec, str_of(b->rs->config->nsource ? b->rs->config->source[b->part[t->part].source].name : ""),
		&b->arena);
	eval_set_prev(b->eval, k && k->prev ? prev : NULL);
}

static void
record_close(struct back *b, const struct rule *r)
{
	slots_clear(b, r);
	b->rec.raw = b->rec.file = STR("");
	eval_set_prev(b->eval, NULL);
	arena_reset(&b->arena);
}

static int
level_of(struct back *b, const struct rule *r, const struct tuple *t)
{
	if (r->nprev == 0)
		return (int)(t->flags / TUPLE_LEVEL & 3);
	for (int l = LEVELS - 1; l >= 0; l--)
		if (r->when[l] >= 0 && eval_test(b->eval, r->when[l]) == TRI_TRUE)
			return l;
	return -1;
}

#define EQUAL_MAX (1 << 20) /* distinct lines of one ms that are told apart from their equals */
#define EQUAL_MIN 16
#define EQUAL_KEPT 1024     /* a larger table is not kept for the next ms */

/* hold: 0. The entry of a line of a key, or the free one where it belongs. */
static struct equal_line *
equal_at(const struct rule_state *rs, uint64_t key, const uint64_t line[2])
{
	size_t i = (size_t)(key ^ line[0]) & (rs->cap_equal - 1);
	for (; rs->equal[i].n; i = (i + 1) & (rs->cap_equal - 1))
		if (rs->equal[i].hash == key && memcmp(rs->equal[i].line, line, sizeof rs->equal[i].line) == 0)
			break;
	return &rs->equal[i];
}

static void
equal_clear(struct rule_state *rs)
{
	if (rs->cap_equal > EQUAL_KEPT) {
		free(rs->equal);
		rs->equal = NULL;
		rs->cap_equal = 0;
	} else if (rs->nequal) {
		memset(rs->equal, 0, rs->cap_equal * sizeof *rs->equal);
	}
	rs->nequal = 0;
}

void
equal_put(struct rule_state *rs, const struct equal_line *e)
{
	if (rs->nequal * 3 >= rs->cap_equal * 2) {
		struct equal_line *old = rs->equal;
		size_t n = rs->cap_equal;
		rs->cap_equal = n ? n * 2 : EQUAL_MIN;
		rs->equal = xcalloc(rs->cap_equal, sizeof *rs->equal);
		for (size_t i = 0; i < n; i++)
			if (old[i].n)
				*equal_at(rs, old[i].hash, old[i].line) = old[i];
		free(old);
	}
	*equal_at(rs, e->hash, e->line) = *e;
	rs->nequal++;
}

/* The number of this line among equal ones of the same key and ms. */
static uint64_t
equal_number(struct rule_state *rs, const struct tuple *t)
{
	nsec ms = t->time / NS_PER_MS - (t->time % NS_PER_MS < 0); /* as in the id */
	if (rs->equal_ms != ms) {
		rs->equal_ms = ms;
		equal_clear(rs);
	}
	struct equal_line e = { .n = 1 };
	e.hash = str_hash((struct str){ tuple_key(t), t->klen }, 3); /* not the process's seed: it is stored */
	memcpy(e.line, t->line, sizeof e.line);
	struct equal_line *have = rs->nequal ? equal_at(rs, e.hash, e.line) : NULL;
	if (have && have->n)
		return have->n++;
	if (rs->nequal < EQUAL_MAX)
		equal_put(rs, &e);
	return 0;
}

static void
match(struct back *b, struct rule_state *rs, struct key *k, const struct tuple *t, enum level level)
{
	const struct rule *r = rs->rule;
	struct emit e = { .event = EV_FIRING, .state = ST_FIRING, .level = level, .timestamp = t->time, .start = t->time,
		.ends = NS_NONE, .count = 1 };
	if (t->time > rs->last_true)
		rs->last_true = t->time;
	key_carry(rs, k, carried_of(rs, t, NULL));
	if (r->hold == 0) {
		uint64_t line[3] = { t->line[0], t->line[1], equal_number(rs, t) };
		e.line = line;
		e.ends = t->time; /* over at once: it has no resolve */
		values(b, r, level, &e);
		emit(b, rs, k, &e);
		return;
	}
	struct open_alert *a = k->alert;
	if (a == NULL) {
		a = alert_new(k);
		*a = (struct open_alert){ .state = ST_FIRING, .level = level, .start = t->time, .last = t->time, .count = 1 };
		rs->open++;
		values(b, r, level, &e);
		alert_values(a, &e.value, &e.threshold);
		emit(b, rs, k, &e);
		return;
	}
	a->last = t->time;
	a->count++;
	values(b, r, level, &e);
	alert_values(a, &e.value, &e.threshold);
	if (a->level != level) { /* the newest match says how bad it is */
		a->level = level;
		e.event = EV_LEVEL;
		e.start = a->start;
		e.count = a->count;
		emit(b, rs, k, &e);
	}
}

void
record_wake(struct rule_state *rs, struct key *k)
{
	const struct rule *r = rs->rule;
	nsec due = NEVER;
	if (k->alert)
		due = k->alert->last + r->hold;
	if (k->prev && k->seen + r->forget < due)
		due = k->seen + r->forget;
	timer_set(rs, k, due);
}

void
record_tuple(struct back *b, struct rule_state *rs, const struct tuple *t)
{
	const struct rule *r = rs->rule;
	struct str text = { tuple_key(t), t->klen };
	struct key *k = key_get(b, rs, text, t->hash);
	if (k == NULL)
		return;
	struct slice *prev = r->nprev ? xcalloc(b->rs->paths.n, sizeof *prev) : NULL;
	key_touch(b, rs, k);
	rs->records++;
	record_open(b, rs, k, t, prev);
	if (UNLIKELY(b->watch != NULL) && r->nprev)
		back_seen(b, r, k, t->time);
	int level = level_of(b, r, t);
	if (level >= 0)
		match(b, rs, k, t, (enum level)level);
	record_close(b, r);
	free(prev);
	if (r->nprev) {
		k->seen = t->time;
		if (!(t->flags & TUPLE_LATE)) { /* a late one lost its place: it is no `prev` */
			pool_free(&rs->pool, k->prev, k->prev_len);
			k->prev = memcpy(pool_alloc(&rs->pool, t->slots), tuple_slots(t), t->slots);
			k->prev_len = t->slots;
		}
	}
	if (k->alert == NULL && k->prev == NULL)
		key_drop(b, rs, k);
	else
		record_wake(rs, k);
}

void
record_timer(struct back *b, struct rule_state *rs, struct key *k, nsec now)
{
	const struct rule *r = rs->rule;
	struct open_alert *a = k->alert;
	key_touch(b, rs, k);
	if (a && a->last + r->hold <= now) {
		struct emit e = { .event = EV_RESOLVED, .state = ST_RESOLVED, .level = a->level, .timestamp = a->last + r->hold,
			.start = a->start, .ends = a->last + r->hold, .count = a->count, .value = a->value, .threshold = a->threshold };
		emit(b, rs, k, &e);
		record_close(b, r);
		alert_drop(k);
		rs->open--;
	}
	if (k->prev && k->seen + r->forget <= now) {
		pool_free(&rs->pool, k->prev, k->prev_len);
		k->prev = NULL;
		k->prev_len = 0;
	}
	if (k->alert == NULL && k->prev == NULL)
		key_drop(b, rs, k);
	else
		record_wake(rs, k);
}
