/* shape_pair.c - opened and not closed in time: stuck sessions, missing replies.
 *
 * A key exists from its open to its close. Where the rule says `forget` itself, every record of the key that the rule sees
 * is a tuple and keeps it; with the default of 7d only opens and closes do.
 */
#include "rules/back_int.h"

#include <stdlib.h>

static void
tell(struct back *b, struct rule_state *rs, struct key *k, enum event event, nsec at, const char *cause)
{
	struct open_alert *a = k->alert;
	bool over = event == EV_RESOLVED;
	struct emit e = { .event = event, .state = over ? ST_RESOLVED : ST_FIRING, .level = a->level, .timestamp = at,
		.start = a->start, .ends = over ? at : NS_NONE, .count = 1, .cause = cause };
	emit(b, rs, k, &e);
	slots_clear(b, rs->rule); /* they are views of this key: the next rule must not find them */
	arena_reset(&b->arena);
}

static void
finish(struct back *b, struct rule_state *rs, struct key *k, nsec at, const char *cause)
{
	if (k->alert) {
		tell(b, rs, k, EV_RESOLVED, at, cause);
		rs->open--;
	}
	key_drop(b, rs, k);
}

void
pair_tuple(struct back *b, struct rule_state *rs, const struct tuple *t)
{
	struct str text = { tuple_key(t), t->klen };
	bool opens = t->flags & TUPLE_OPEN;
	struct key *k = opens ? key_get(b, rs, text, t->hash) : key_find(rs, text, t->hash);
	if (k == NULL)
		return;
	key_touch(b, rs, k);
	rs->records++;
	k->seen = t->time;
	if (!opens && !(t->flags & TUPLE_CLOSE))
		return; /* only seen: its timer looks again when it is due */
	if (!opens) {
		finish(b, rs, k, t->time, NULL);
		return;
	}
	if (k->opened)
		return;
	k->opened = true;
	k->opened_at = t->time;
	key_carry(rs, k, carried_of(rs, t, NULL));
	timer_set(rs, k, t->time + rs->rule->within);
}

void
pair_wake(struct rule_state *rs, struct key *k)
{
	timer_set(rs, k, k->alert ? k->seen + rs->rule->forget : k->opened_at + rs->rule->within);
}

void
pair_timer(struct back *b, struct rule_state *rs, struct key *k, nsec now)
{
	const struct rule *r = rs->rule;
	key_touch(b, rs, k);
	if (k->alert == NULL && k->opened_at + r->within <= now) {
		alert_new(k);
		k->alert->state = ST_FIRING;
		k->alert->level = r->def->severity;
		k->alert->start = k->opened_at + r->within;
		rs->open++;
		if (k->alert->start > rs->last_true)
			rs->last_true = k->alert->start;
		tell(b, rs, k, EV_FIRING, k->alert->start, NULL);
	}
	if (k->seen + r->forget <= now)
		finish(b, rs, k, k->seen + r->forget, "forgotten");
	else
		pair_wake(rs, k);
}
