/* policy.c - `policy:` of weir.yaml: who is told, as entries in the order of the file.
 *
 * Out: c->policy. `match` is an expression over the alert: its text and place go on to who compiles it.
 */
#include "config/load.h"
#include "core/units.h"

#include <stdlib.h>

/* 10/min, 3/h, 5/10m: at most that many a time; none: no limit. */
static bool
limit_take(struct load *l, const struct node *v, struct policy_def *p)
{
	static const struct {
		const char *name;
		nsec per;
	} units[] = { { "s", NS_PER_S }, { "sec", NS_PER_S }, { "min", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S },
		{ "hour", 3600 * NS_PER_S }, { "d", 86400 * NS_PER_S }, { "day", 86400 * NS_PER_S } };
	char q[96], *end;

	if (!node_text(&l->b, "limit", v))
		return false;
	if (strcmp(v->s, "none") == 0) {
		p->limit_n = 0;
		return true;
	}
	long n = v->s[0] >= '1' && v->s[0] <= '9' ? strtol(v->s, &end, 10) : 0;
	if (n > 0 && n <= 1000000 && *end == '/') {
		nsec per = 0;
		for (size_t i = 0; i < COUNT_OF(units); i++)
			if (strcmp(end + 1, units[i].name) == 0)
				per = units[i].per;
		if (per > 0 || (dur_parse(str_of(end + 1), &per) && per > 0 && per <= DUR_MAX)) {
			p->limit_n = n;
			p->limit_per = per;
			return true;
		}
	}
	diag(l->b.d, v->loc, "limit: %s is no limit such as 10/min, 100/h or none", node_quote(v, q));
	return false;
}

static void
notify_take(struct load *l, const struct node *map, struct policy_def *p)
{
	const struct node *v = node_get(map, "notify");
	if (v == NULL) {
		diag(l->b.d, map->loc, "\"notify\" is missing: the sinks that are told; [] tells nobody");
		return;
	}
	if (!node_strlist(&l->b, "notify", v, &p->notify))
		return;
	for (size_t i = 0; i < p->notify.n; i++) {
		const char *s = p->notify.v[i], *near;
		const struct node *item = v->kind == NODE_LIST ? v->item[i] : v;
		bool known = false;
		char q[96];
		for (size_t k = 0; k < l->nsink && !known; k++)
			known = strcmp(s, l->sink[k]) == 0;
		if (known)
			continue;
		near = nearest(str_of(s), l->sink, l->nsink);
		diag(l->b.d, item->loc, "notify: %s is no sink%s%s%s", node_quote(item, q), near ? "; did you mean \"" : "", near ? near : "",
			near ? "\"?" : "");
	}
}

static void
entry_take(struct load *l, const struct node *map, struct policy_def *p)
{
	static const char *const own[] = { "match", "notify", "continue", "settle", "limit", NULL };
	static const char *const later[] = { "group", "repeat", "escalate", "digest", NULL };
	static const struct keys keys = { own, later, "a policy entry" };
	const struct node *v;

	*p = (struct policy_def){ .loc = map->loc, .settle = 120 * NS_PER_S, .limit_n = 10, .limit_per = 60 * NS_PER_S };
	bind_keys(&l->b, map, &keys);
	if ((v = node_get(map, "match")))
		text_take(l, "match", v, &p->match);
	if ((v = node_get(map, "continue")))
		node_bool(&l->b, "continue", v, &p->cont);
	if ((v = node_get(map, "settle")))
		node_dur(&l->b, "settle", v, 0, DUR_MAX, &p->settle);
	if ((v = node_get(map, "limit")))
		limit_take(l, v, p);
	notify_take(l, map, p);
}

void
policy_load(struct load *l, const struct node *list)
{
	struct config *c = l->c;
	if (list->kind != NODE_LIST || list->n > POLICY_MAX) {
		if (list->kind == NODE_LIST)
			diag(l->b.d, list->loc, "policy: more than %d entries", POLICY_MAX);
		else if (!list->bad)
			diag(l->b.d, list->loc, "policy must be a list of entries, this is %s", node_what(list));
		return;
	}
	c->policy = xcalloc(list->n + 1, sizeof *c->policy);
	for (size_t i = 0; i < list->n; i++)
		if (list->item[i]->kind == NODE_MAP)
			entry_take(l, list->item[i], &c->policy[c->npolicy++]);
		else
			diag(l->b.d, list->item[i]->loc, "a policy entry is a mapping, this is %s", node_what(list->item[i]));
}
