/* shape_presence.c - a key fell silent (`absent`), or a field showed a value never seen (`first`).
 *
 * absent: each record of a key moves its timer; a key that is expected, and the key of a rule without `by`, count from the
 * first record of the rule's sources and are never dropped.
 * first: a key's entry knows when its learning ends; each value it showed is an entry of its own, named by the key's values
 * and itself, which also names its alert.
 */
#include "rules/back_int.h"

#include "rules/cell.h"

#include <stdlib.h>

static void
tell(struct back *b, struct rule_state *rs, struct key *k, enum event event, nsec at, const char *cause)
{
	struct open_alert *a = k->alert;
	bool over = event == EV_RESOLVED;
	struct emit e = { .event = event, .state = over ? ST_RESOLVED : ST_FIRING, .level = a->level, .timestamp = at,
		.start = a->start, .ends = over ? at : NS_NONE, .count = 1, .cause = cause };
	emit(b, rs, k, &e);
	slots_clear(b, rs->rule);
	arena_reset(&b->arena);
}

static void
fire(struct back *b, struct rule_state *rs, struct key *k, nsec at)
{
	alert_new(k);
	k->alert->state = ST_FIRING;
	k->alert->level = rs->rule->def->severity;
	k->alert->start = at;
	rs->open++;
	tell(b, rs, k, EV_FIRING, at, NULL);
}

static void
resolve(struct back *b, struct rule_state *rs, struct key *k, nsec at, const char *cause)
{
	tell(b, rs, k, EV_RESOLVED, at, cause);
	alert_drop(k);
	rs->open--;
}

void
presence_wake(struct rule_state *rs, struct key *k)
{
	const struct rule *r = rs->rule;
	nsec due = NEVER;
	if (r->first < 0) {
		due = k->alert ? NEVER : k->seen + r->absent;
		if (!k->expected && k->seen + r->forget < due)
			due = k->seen + r->forget;
	} else if (k->opened) {
		due = k->seen + r->forget;
		if (k->alert && k->alert->start + r->hold < due)
			due = k->alert->start + r->hold;
	}
	timer_set(rs, k, due);
}

/* ---- absent ---- */

/* An expected key counts from `first` until its first record; opened_at says that it had none yet. */
static void
start_key(struct back *b, struct rule_state *rs, struct str text, nsec first)
{
	struct key *k = key_always(b, rs, text, str_hash(text, hash_seed));
	key_touch(b, rs, k);
	k->expected = true;
	if (k->seen == NS_NONE || k->opened_at != NS_NONE)
		k->seen = k->opened_at = first;
	presence_wake(rs, k);
}

void
presence_start(struct back *b, struct rule_state *rs, nsec first)
{
	const struct rule *r = rs->rule;
	if (r->first >= 0 || (rs->started != NS_NONE && rs->started <= first))
		return;
	rs->started = first;
	for (size_t i = 0; i < r->nexpect; i++)
		start_key(b, rs, str_of(r->expect[i]), first);
	if (b->rs->keyset[r->keyset].n == 0)
		start_key(b, rs, STR("}"), first);
}

static void
absent_tuple(struct back *b, struct rule_state *rs, const struct tuple *t)
{
	struct key *k = key_get(b, rs, (struct str){ tuple_key(t), t->klen }, t->hash);
	if (k == NULL)
		return;
	key_touch(b, rs, k);
	rs->records++;
	key_carry(rs, k, carried_of(rs, t, NULL));
	if (k->alert)
		resolve(b, rs, k, t->time, NULL);
	k->seen = t->time;
	k->opened_at = NS_NONE;
	presence_wake(rs, k);
}

/* ---- first ---- */

/* The name of a value: the key's values, then it, as canonical JSON. */
static void
value_text(const struct tuple *t, const struct val *v, struct buf *out)
{
	buf_add(out, tuple_key(t), t->klen - 1);
	if (t->klen > 1)
		buf_addc(out, ',');
	val_text(v, out);
	buf_addc(out, '}');
}

static void
first_value(struct back *b, struct rule_state *rs, struct key *base, const struct tuple *t, const struct val *v)
{
	const struct rule *r = rs->rule;
	struct buf text;
	buf_init(&text, 1 << 17);
	value_text(t, v, &text);
	uint64_t hash = str_hash(buf_str(&text), hash_seed);
	struct key *k = key_find(rs, buf_str(&text), hash);
	bool known = k != NULL, learnt = t->time >= base->opened_at + r->learn;
	if (!known && (k = key_value(b, rs, base, buf_str(&text), hash)) != NULL) {
		key_touch(b, rs, k);
		k->base_len = t->klen;
		key_carry(rs, k, carried_of(rs, t, NULL));
		k->seen = t->time;
		if (learnt)
			fire(b, rs, k, t->time);
	}
	if (known)
		key_touch(b, rs, k);
	if (k) {
		k->seen = t->time;
		presence_wake(rs, k);
	}
	buf_free(&text);
}

static void
first_tuple(struct back *b, struct rule_state *rs, const struct tuple *t)
{
	struct str all = tuple_samples(t);
	struct reader in = { all.ptr, all.ptr + all.len, false };
	struct val v;
	struct key *base = key_get(b, rs, (struct str){ tuple_key(t), t->klen }, t->hash);
	if (base == NULL || !sample_take(&in, &v))
		return;
	rs->records++;
	if (base->opened_at == NS_NONE) { /* its first record: what it shows from here on is learnt in silence for a while */
		key_touch(b, rs, base);
		base->opened_at = base->seen = t->time;
	}
	if (v.type == V_NULL)
		return;
	key_touch(b, rs, base);
	first_value(b, rs, base, t, &v);
}

void
presence_tuple(struct back *b, struct rule_state *rs, const struct tuple *t)
{
	if (rs->rule->first >= 0)
		first_tuple(b, rs, t);
	else
		absent_tuple(b, rs, t);
}

/* ---- timers ---- */

static void
forget_value(struct back *b, struct rule_state *rs, struct key *k)
{
	struct str base = { k->text, k->base_len };
	char *text = xstr(base);
	text[base.len - 1] = '}';
	struct key *of = key_find(rs, (struct str){ text, base.len }, str_hash((struct str){ text, base.len }, hash_seed));
	if (of) {
		key_touch(b, rs, of);
		of->npast -= of->npast > 0;
	}
	free(text);
	key_drop(b, rs, k);
}

void
presence_timer(struct back *b, struct rule_state *rs, struct key *k, nsec now)
{
	const struct rule *r = rs->rule;
	key_touch(b, rs, k);
	if (r->first >= 0) {
		if (k->alert && k->alert->start + r->hold <= now)
			resolve(b, rs, k, k->alert->start + r->hold, NULL);
		if (k->seen + r->forget <= now) {
			if (k->alert)
				resolve(b, rs, k, k->seen + r->forget, "forgotten");
			forget_value(b, rs, k);
			return;
		}
	} else {
		if (k->alert == NULL && k->seen + r->absent <= now)
			fire(b, rs, k, k->seen + r->absent);
		if (!k->expected && k->seen + r->forget <= now) {
			if (k->alert)
				resolve(b, rs, k, k->seen + r->forget, "forgotten");
			key_drop(b, rs, k);
			return;
		}
	}
	presence_wake(rs, k);
}
