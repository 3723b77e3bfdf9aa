/* route.c - hash dispatch on string equality. */
#include "rules/route.h"

#include <stdlib.h>

#define ROUTES_MAX 16 /* look-ups a record at most; rules on further fields see every record */

static bool
routable(const struct dispatch *d)
{
	if (d->slot < 0)
		return false;
	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < d->nlits[i]; k++)
			if (d->lits[i][k].type != V_STR)
				return false;
	return true;
}

#define SHORT_MAX 64 /* values that a few bytes mostly tell apart: length, both ends, the middle */
#define LONG_SEED 7

static inline uint32_t
value_hash(const struct route *r, struct str v)
{
	if (r->mask >= SHORT_MAX)
		return (uint32_t)str_hash(v, LONG_SEED);
	if (v.len == 0)
		return 0;
	uint32_t h = (uint32_t)v.len << 24 ^ (uint32_t)(unsigned char)v.ptr[0] << 16 ^ (uint32_t)(unsigned char)v.ptr[v.len / 2] << 8 ^
		(uint32_t)(unsigned char)v.ptr[v.len - 1];
	return h * UINT32_C(0x9e3779b1) >> 8;
}

static inline struct route_entry *
probe(const struct route *r, struct str v)
{
	uint32_t i = value_hash(r, v) & r->mask;
	while (r->table[i].value.ptr && !str_eq(r->table[i].value, v))
		i = (i + 1) & r->mask;
	return &r->table[i];
}

static void
add(struct route *r, struct str v, uint32_t rule)
{
	struct route_entry *e = probe(r, v);
	if (e->value.ptr == NULL)
		e->value = v.len ? v : STR("");
	if (e->n && e->rules[e->n - 1] == rule)
		return; /* the same literal twice in one rule */
	e->rules = xrealloc(e->rules, (e->n + 1) * sizeof *e->rules);
	e->rules[e->n++] = rule;
}

static struct route *
route_on(struct front_source *s, int slot, size_t values)
{
	for (size_t i = 0; i < s->nroute; i++)
		if (s->route[i].slot == slot)
			return &s->route[i];
	if (s->nroute == ROUTES_MAX)
		return NULL;
	s->route = xrealloc(s->route, (s->nroute + 1) * sizeof *s->route);
	struct route *r = &s->route[s->nroute++];
	uint32_t size = 16;
	while (size < values * 2)
		size *= 2;
	*r = (struct route){ slot, xcalloc(size, sizeof *r->table), size - 1 };
	return r;
}

void
routes_build(struct front_source *s, const struct ruleset *rs)
{
	size_t values = 0; /* an upper bound of the entries of any one table */
	for (size_t i = 0; i < rs->nrule; i++)
		values += rs->rule[i].dispatch.nlits[0] + rs->rule[i].dispatch.nlits[1];
	s->always = xcalloc(rs->nrule, sizeof *s->always);
	for (uint32_t i = 0; i < rs->nrule; i++) {
		const struct dispatch *d = &rs->rule[i].dispatch;
		if (!(rs->rule[i].sources >> s->index & 1))
			continue;
		struct route *r = routable(d) ? route_on(s, d->slot, values) : NULL;
		if (r == NULL) {
			s->always[s->nalways++] = i;
			continue;
		}
		for (int k = 0; k < 2; k++)
			for (size_t l = 0; l < d->nlits[k]; l++)
				add(r, d->lits[k][l].s, i);
	}
}

void
routes_free(struct front_source *s)
{
	for (size_t i = 0; i < s->nroute; i++) {
		for (uint32_t k = 0; k <= s->route[i].mask; k++)
			free(s->route[i].table[k].rules);
		free(s->route[i].table);
	}
	free(s->route);
	free(s->always);
}

size_t
route_find(const struct route *r, const struct slice *s, const uint32_t **rules)
{
	if (s->kind != K_STR && s->kind != K_JSON)
		return 0;
	const struct route_entry *e = probe(r, (struct str){ s->ptr, s->len });
	*rules = e->rules;
	return e->value.ptr ? e->n : 0;
}
