/* live_status.c - what `weir status` tells: one walk over the daemon, as a table for people or as JSON. */
#include "core/live.h"

#include "core/cmd.h"
#include "core/json.h"
#include "core/outbox.h"
#include "core/units.h"

#include <stdio.h>

static void
ago(nsec then, nsec now, char out[32])
{
	nsec d = then == NS_NONE ? 0 : now - then;
	if (then == NS_NONE)
		snprintf(out, 32, "-");
	else
		dur_about(d, out);
}

static void
json_pair(struct buf *b, const char *key, uint64_t v)
{
	buf_printf(b, ",\"%s\":%llu", key, (unsigned long long)v);
}

static void
json_bad(struct buf *b, const struct fpart *p)
{
	bool first = true;
	buf_addz(b, ",\"malformed\":{");
	for (int v = 1; v < VERDICTS; v++) {
		if (p->bad[v] == 0)
			continue;
		buf_printf(b, "%s\"%s\":{\"count\":%llu,\"sample\":", first ? "" : ",", verdict_name[v], (unsigned long long)p->bad[v]);
		json_str(b, str_of(p->sample[v]));
		buf_addc(b, '}');
		first = false;
	}
	buf_addc(b, '}');
}

static void
parts_json(const struct live *l, struct buf *b)
{
	bool first = true;
	buf_addz(b, ",\"partitions\":[");
	for (size_t i = 0; i < l->nlane; i++) {
		const struct live_lane *n = l->lane[i];
		const struct ptime *t = &n->front.time;
		if (n->left)
			continue;
		buf_addz(b, first ? "{\"source\":" : ",{\"source\":");
		first = false;
		json_str(b, str_of(n->source->conf->name));
		buf_addz(b, ",\"name\":");
		json_str(b, str_of(n->part->name));
		buf_printf(b, ",\"at_end\":%s,\"greatest\":", n->at_end && !n->part->unread ? "true" : "false");
		json_time(b, t->greatest);
		buf_addz(b, ",\"mark\":");
		json_time(b, t->mark);
		json_pair(b, "records", t->records);
		json_pair(b, "late", t->late);
		json_pair(b, "dropped", t->dropped);
		json_pair(b, "skewed", t->skewed);
		json_pair(b, "untimed", t->untimed);
		json_pair(b, "no_key", n->front.no_key);
		json_pair(b, "lost_bytes", n->part->lost);
		json_bad(b, &n->front);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void
rules_json(const struct live *l, struct buf *b)
{
	buf_addz(b, ",\"rules\":[");
	for (size_t i = 0; i < l->app->rules->nrule; i++) {
		struct rule_stats s;
		back_rule_stats(l->back, i, &s);
		buf_addz(b, i ? ",{\"rule\":" : "{\"rule\":");
		json_str(b, str_of(l->app->rules->rule[i].name));
		buf_addz(b, ",\"reached\":");
		json_time(b, s.reached);
		json_pair(b, "records", s.records);
		json_pair(b, "keys", s.keys);
		json_pair(b, "firing", s.open);
		json_pair(b, "keys_not_admitted", s.refused_keys);
		json_pair(b, "keys_displaced", s.displaced_keys);
		buf_printf(b, ",\"overflow\":%s", s.overflow ? "true" : "false");
		json_pair(b, "state_bytes", back_rule_holds(l->back, i));
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void
sinks_json(const struct live *l, struct outbox *o, struct buf *b)
{
	buf_addz(b, ",\"sinks\":[");
	for (size_t i = 0; i < l->app->config->nsink; i++) {
		const struct sink_conf *c = &l->app->config->sink[i];
		struct outbox_counts n = { .oldest = NS_NONE };
		struct deliver_stats s;
		deliver_stats(l->deliver, i, &s);
		if (o == NULL || outbox_counts(o, c->name, &n) != ERR_OK)
			n = (struct outbox_counts){ .waiting = -1, .failed = -1, .sent = -1, .oldest = NS_NONE };
		buf_addz(b, i ? ",{\"sink\":" : "{\"sink\":");
		json_str(b, str_of(c->name));
		buf_addz(b, ",\"kind\":");
		json_str(b, str_of(c->kind->name));
		buf_printf(b, ",\"waiting\":%lld,\"failed\":%lld,\"sent\":%lld,\"oldest\":", (long long)n.waiting, (long long)n.failed,
			(long long)n.sent);
		json_time(b, n.oldest);
		json_pair(b, "retried", s.retried);
		json_pair(b, "throttled", s.throttled);
		buf_addz(b, ",\"held_until\":");
		json_time(b, s.held_until);
		buf_addz(b, ",\"last_error\":");
		json_str(b, str_of(s.last_error));
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void
status_json(const struct live *l, struct outbox *o, struct buf *b)
{
	struct back_stats s;
	nsec now = mono_ns();
	back_stats(l->back, &s);
	buf_addz(b, "{\"version\":\"" WEIR_VERSION "\"");
	json_pair(b, "uptime_seconds", (uint64_t)((now - l->mono0) / NS_PER_S));
	json_pair(b, "transitions", l->transitions);
	json_pair(b, "keys", s.keys);
	json_pair(b, "keys_not_admitted", s.refused_keys);
	json_pair(b, "keys_displaced", s.displaced_keys);
	json_pair(b, "state_bytes", s.held);
	json_pair(b, "state_bytes_limit", s.limit);
	json_pair(b, "regex_limits", workers_regex_limits(l->workers));
	buf_printf(b, ",\"store_full\":%s,\"checkpoint\":{\"generation\":%lld,\"age_seconds\":", l->full ? "true" : "false",
		(long long)l->generation);
	if (l->last_ckpt == NS_NONE)
		buf_addz(b, "null}");
	else
		buf_printf(b, "%lld}", (long long)((now - l->last_ckpt) / NS_PER_S));
	parts_json(l, b);
	rules_json(l, b);
	sinks_json(l, o, b);
	buf_addz(b, "}\n");
}

static void
status_text(const struct live *l, struct outbox *o, struct buf *b)
{
	struct back_stats s;
	char at[32], lag[32];
	nsec now = mono_ns(), wall = wall_ns();
	back_stats(l->back, &s);
	dur_about(now - l->mono0, at);
	ago(l->last_ckpt, now, lag);
	buf_printf(b, "weir %s, up %s, %llu transitions, %llu keys, %zu of %zu MiB of state, checkpoint %lld, %s old%s\n\n", WEIR_VERSION, at,
		(unsigned long long)l->transitions, (unsigned long long)s.keys, s.held >> 20, s.limit >> 20, (long long)l->generation, lag,
		l->full ? ", HOLDING: no space for the state" : "");
	buf_printf(b, "%-12s %-40s %10s %8s %8s %8s %10s\n", "SOURCE", "PARTITION", "RECORDS", "LATE", "SKEWED", "BAD", "BEHIND");
	for (size_t i = 0; i < l->nlane; i++) {
		const struct live_lane *n = l->lane[i];
		uint64_t bad = 0;
		if (n->left)
			continue;
		for (int v = 1; v < VERDICTS; v++)
			bad += n->front.bad[v];
		ago(n->front.time.mark, wall, lag);
		buf_printf(b, "%-12s %-40s %10llu %8llu %8llu %8llu %10s\n", n->source->conf->name, n->part->name,
			(unsigned long long)n->front.time.records, (unsigned long long)n->front.time.late,
			(unsigned long long)n->front.time.skewed, (unsigned long long)bad, lag);
	}
	buf_printf(b, "\n%-28s %10s %10s %8s %14s %10s\n", "RULE", "RECORDS", "KEYS", "FIRING", "NOT ADMITTED", "DISPLACED");
	for (size_t i = 0; i < l->app->rules->nrule; i++) {
		struct rule_stats r;
		back_rule_stats(l->back, i, &r);
		buf_printf(b, "%-28s %10llu %10llu %8llu %14llu %10llu\n", l->app->rules->rule[i].name, (unsigned long long)r.records,
			(unsigned long long)r.keys, (unsigned long long)r.open, (unsigned long long)r.refused_keys,
			(unsigned long long)r.displaced_keys);
	}
	buf_printf(b, "\n%-12s %-10s %8s %8s %8s %8s  %s\n", "SINK", "KIND", "WAITING", "FAILED", "SENT", "OLDEST", "LAST ERROR");
	for (size_t i = 0; i < l->app->config->nsink; i++) {
		const struct sink_conf *c = &l->app->config->sink[i];
		struct outbox_counts n = { .oldest = NS_NONE };
		struct deliver_stats d;
		deliver_stats(l->deliver, i, &d);
		if (o == NULL || outbox_counts(o, c->name, &n) != ERR_OK)
			n.oldest = NS_NONE;
		ago(n.oldest, wall, lag);
		buf_printf(b, "%-12s %-10s %8lld %8lld %8lld %8s  %s\n", c->name, c->kind->name, (long long)n.waiting,
			(long long)n.failed, (long long)n.sent, lag, d.last_error);
	}
}

void
live_status(struct live *l, bool json, struct buf *out)
{
	struct errinfo why = { 0 };
	live_settle(l); /* what partitions count is theirs alone to touch while they are read */
	struct outbox *o = outbox_open(l->app->config->state, &why);
	if (json)
		status_json(l, o, out);
	else
		status_text(l, o, out);
	outbox_close(o);
}
