/* live_self.c - weir's own alerts: no rule of a file makes them, the loop does.
 *
 * In: what befell delivery and the store. Out: transitions and their outbox rows, in a commit of their own; every sink
 * hears them but the one that they are about. They stay open over a restart until their own condition ends them.
 */
#include "core/live.h"

#include "core/json.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

bool
live_self_alert(struct live *l, const char *rule, const char *field, const char *name, enum level level, const char *text,
	bool firing, size_t but_sink)
{
	nsec now = wall_ns();
	struct buf key;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct live_open *o = NULL;
	buf_init(&key, 1 << 12);
	buf_printf(&key, "{\"%s\":", field);
	json_str(&key, str_of(name));
	buf_addc(&key, '}');
	for (size_t i = 0; i < l->nopen; i++)
		if (!l->open[i].settled && strcmp(l->open[i].last.rule, rule) == 0 && strcmp(l->open[i].last.key, buf_z(&key)) == 0)
			o = &l->open[i];
	if ((o != NULL) == firing) {
		buf_free(&key);
		return true;
	}
	if (firing) {
		GROW(l->open, l->nopen, l->cap_open);
		o = &l->open[l->nopen++];
		*o = (struct live_open){ .last = { .event = EV_FIRING, .state = ST_FIRING, .level = level, .timestamp = now,
			.starts_at = now, .ends_at = NS_NONE, .count = 1 } };
		o->last.rule = xstrdup(rule);
		o->last.title = xasprintf("%s: %s", rule, name);
		o->last.message = xstrdup(text);
		o->last.key = xstrdup(buf_z(&key));
		o->last.labels = xstrdup("{}");
		o->last.metadata = xstrdup("{}");
		char *seed = xasprintf("%s%s%lld", rule, o->last.key, (long long)(now / NS_PER_MS));
		SHA256((const unsigned char *)seed, strlen(seed), digest);
		free(seed);
		snprintf(o->last.id, ALERT_ID_MAX, "alert_%lld_%02x%02x%02x%02x%02x%02x", (long long)(now / NS_PER_S), digest[0],
			digest[1], digest[2], digest[3], digest[4], digest[5]);
	} else {
		o->last.event = EV_RESOLVED;
		o->last.state = ST_RESOLVED;
		o->last.timestamp = o->last.ends_at = now;
		o->settled = true;
	}
	buf_free(&key);
	bool inserted;
	int64_t number;
	enum err e = store_begin(l->store);
	if (e == ERR_OK)
		e = store_transition(l->store, &o->last, &inserted, &number);
	for (size_t i = 0; i < l->app->config->nsink && e == ERR_OK; i++)
		if (i != but_sink)
			e = store_outbox(l->store, number, l->app->config->sink[i].name, now, now);
	if (e == ERR_OK)
		e = store_commit(l->store);
	if (e != ERR_OK) {
		(void)live_commit_failed(l, e);
		if (firing) {
			alert_free(&o->last);
			l->nopen--;
		} else {
			o->settled = false;
			o->last.state = ST_FIRING;
		}
		return false;
	}
	deliver_wake(l->deliver);
	return true;
}

/* The device is full, or was and has no room for the reserve again. The first chance is what the reserve left. */
void
live_tell_space(struct live *l)
{
	bool lack = l->full || !store_has_reserve(l->store);
	if (lack == l->lack_told)
		return;
	if (live_self_alert(l, "weir.state-full", "state", l->app->config->state, LEVEL_CRITICAL,
		    "no space is left for weir's state: the reserve is given up, and without space processing holds", lack, SIZE_MAX))
		l->lack_told = lack;
}

#define OVERFLOW_RULE "weir.key-overflow"

/* What an earlier life told of rules that are gone ends with them. */
static void
overflow_of_gone(struct live *l)
{
	const struct ruleset *rules = l->app->rules;
	for (size_t i = 0; i < l->nopen; i++) {
		struct alert *a = &l->open[i].last;
		const char *of = OVERFLOW_RULE ": ";
		if (l->open[i].settled || strcmp(a->rule, OVERFLOW_RULE) != 0 || !str_starts(str_of(a->title), str_of(of)))
			continue;
		char *name = xstrdup(a->title + strlen(of));
		size_t r = 0;
		while (r < rules->nrule && strcmp(rules->rule[r].name, name) != 0)
			r++;
		if (r == rules->nrule) {
			free(a->cause);
			a->cause = xstrdup("rule removed");
			live_self_alert(l, OVERFLOW_RULE, "rule", name, a->level, "", false, SIZE_MAX);
		}
		free(name);
	}
}

/* Rules at a limit: told once, and over when the rule's longest window has passed without it. */
void
live_tell_overflow(struct live *l, nsec now)
{
	struct back_stats all;
	size_t n = l->app->rules->nrule;
	back_stats(l->back, &all);
	if (all.overflows == l->overflows && now < l->next_overflow)
		return;
	if (l->overflow == NULL) {
		l->overflow = memset(xcalloc(n + 1, 1), -1, n);
		overflow_of_gone(l);
	}
	l->overflows = all.overflows;
	l->next_overflow = now + LIVE_TICK;
	for (size_t i = 0; i < n; i++) {
		struct rule_stats s;
		struct buf text;
		back_rule_stats(l->back, i, &s);
		if (l->overflow[i] == s.overflow)
			continue;
		buf_init(&text, 1 << 12);
		back_overflow_text(l->back, i, &text);
		if (live_self_alert(l, OVERFLOW_RULE, "rule", l->app->rules->rule[i].name, LEVEL_WARNING, buf_z(&text), s.overflow,
			    SIZE_MAX))
			l->overflow[i] = (signed char)s.overflow;
		buf_free(&text);
	}
}
