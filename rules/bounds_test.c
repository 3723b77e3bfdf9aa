/* bounds_test.c - what happens at a limit: who goes, who is not admitted, what is told, what a checkpoint holds.
 *
 * The property runs against a model that knows each key's records. Seeded: SEED=n runs one seed, ROUNDS=n that many.
 */
#include "rules/back_int.h"
#include "rules/held.h"
#include "rules/rig.h"

#include <stdio.h>

static uint64_t rng_state;

static uint32_t
rnd(uint32_t n) /* 0 .. n - 1 */
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)((rng_state >> 11) % n);
}

/* ---- one line at a time, taken and advanced apart ---- */

static void
take_line(struct rig *r, nsec t, const char *fields)
{
	char text[200];
	struct rig_part *p = &r->part[0];
	struct batch *b = &r->batch;
	int len = snprintf(text, sizeof text, "{\"ts\":%lld.%03lld,%s}\n", (long long)(t / NS_PER_S), (long long)(t % NS_PER_S / NS_PER_MS), fields);
	must(len > 0 && (size_t)len < sizeof text);
	batch_reset(b);
	b->data = text;
	b->len = b->cap = (size_t)len;
	b->seq = b->offset = p->seq;
	b->file = str_of("x.log");
	b->pos_len = 8;
	p->seq += len;
	memcpy(b->pos, &p->seq, 8);
	front_run(r->front, &p->front, b, &r->block, r->wall, false);
	back_take(r->back, &r->block);
	b->data = NULL;
}

/* ---- the model: keys are numbers ---- */

#define KEYS 600
#define PANES 8 /* over 8s, every 1s */

struct model {
	bool in;
	uint32_t n[PANES + 4]; /* records by pane, modulo */
	int64_t pane[PANES + 4];
};
static struct model model[KEYS];

static struct key *
held(const struct rule_state *rs, uint32_t key)
{
	char text[16];
	snprintf(text, sizeof text, "%u}", key);
	return key_find(rs, str_of(text), str_hash(str_of(text), hash_seed));
}

static uint32_t
count(const struct rule_state *rs, uint32_t key)
{
	const struct model *m = &model[key];
	uint32_t n = 0;
	for (size_t i = 0; i < COUNT_OF(m->n); i++)
		if (m->n[i] && (rs->at == NEVER || m->pane[i] + PANES >= rs->at))
			n += m->n[i];
	return n;
}

static uint32_t
has(const struct rule_state *rs, const struct key *k)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < k->npane; i++)
		if (!pane_at(rs, k, i)->dead)
			n += pane_at(rs, k, i)->n;
	return n;
}

static void
add(uint32_t key, int64_t pane)
{
	struct model *m = &model[key];
	size_t i = (size_t)(pane % (int64_t)COUNT_OF(m->n));
	if (!m->in)
		*m = (struct model){ .in = true };
	if (m->pane[i] != pane)
		m->n[i] = 0;
	m->pane[i] = pane;
	m->n[i]++;
}

static struct {
	bool goes, place, counts, lines, limit, stored;
	uint64_t displaced, refused, left;
} seen = { true, true, true, true, true, true, 0, 0, 0 };

/* What a record of this key did to the others. The model still holds what was before it. */
static void
judge_take(struct rule_state *rs, uint32_t key, uint32_t spare, uint32_t spare_here, uint64_t displaced, uint64_t refused, bool shard_full,
	bool full)
{
	uint32_t gone = 0;
	for (uint32_t i = 0; i < KEYS; i++)
		if (i != key && model[i].in && held(rs, i) == NULL) {
			gone++;
			seen.goes &= count(rs, i) < 2; /* with no record at all it had an alert that ended: still 0 or 1 */
			model[i].in = false;
		}
	seen.counts &= gone == rs->displaced - displaced && gone <= 1;
	if (model[key].in)
		seen.place &= gone == 0 && held(rs, key);
	else if (held(rs, key))
		seen.place &= gone == (full || shard_full) && refused == rs->refused;
	else /* not admitted only where nobody could go */
		seen.place &= rs->refused == refused + 1 && gone == 0 && (shard_full ? spare_here == 0 : full && spare == 0);
}

static void
judge_all(struct rule_state *rs, const struct rule_def *d)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i <= rs->mask; i++) {
		const struct key *k = rs->table[i].key;
		if (k == NULL)
			continue;
		n++;
		seen.lines &= rs->spares == NULL || k->line || !key_evictable(rs, k);
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		const struct key *k = held(rs, i);
		if (model[i].in && k == NULL)
			seen.left++;
		model[i].in = k != NULL;
		if (k)
			seen.counts &= has(rs, k) == count(rs, i);
	}
	seen.limit &= n == rs->nkey && n <= d->max_keys;
}

/* ---- a store of keys' rows ---- */

struct stored {
	char *key, *data;
	size_t len;
	int64_t pane;
};
struct store {
	struct stored *v;
	size_t n, cap;
};

static void
store_row(struct store *t, const struct save_row *row)
{
	size_t i = 0;
	if (row->kind != SAVE_KEY)
		return;
	while (i < t->n && (t->v[i].pane != row->pane || !str_eq(str_of(t->v[i].key), row->key)))
		i++;
	if (i == t->n) {
		GROW(t->v, t->n, t->cap);
		t->v[t->n++] = (struct stored){ .key = xstr(row->key), .pane = row->pane };
	}
	free(t->v[i].data);
	t->v[i].data = row->data.ptr ? xmemdup(row->data.ptr, row->data.len) : NULL;
	t->v[i].len = row->data.len;
}

/* What a restart finds is what is held: who lost its place does not come back. */
static bool
store_fits(const struct store *t, const struct rule_state *rs)
{
	uint32_t heads = 0;
	bool good = true;
	for (size_t i = 0; i < t->n; i++) {
		const struct stored *s = &t->v[i];
		if (s->data == NULL)
			continue;
		heads += s->pane == SAVE_HEAD;
		good &= key_find(rs, str_of(s->key), str_hash(str_of(s->key), hash_seed)) != NULL;
	}
	return good && heads == rs->nkey;
}

static void
store_free(struct store *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].key);
		free(t->v[i].data);
	}
	free(t->v);
}

static void
save_rest(struct rig *r, struct store *t)
{
	struct save_row row;
	while (save_next(r->back, &row))
		store_row(t, &row);
}

static void
one_round(uint64_t seed)
{
	struct rig r;
	struct store t = { 0 };
	char rules[200], fields[40];
	rng_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	uint32_t most = 1 + rnd(60) * (rnd(2) ? 1 : 8);
	snprintf(rules, sizeof rules, "rules:\n- {rule: a, by: k, over: 8s, every: 1s, when: count() >= 4, max_keys: %u%s}\n", most,
		rnd(2) ? "" : ", no_data: keep, resolve_when: count() < 2");
	must(rig_load(&r, rules, 1) == 0);
	rig_start(&r, "a");
	if (seed % 2)
		save_enable(r.back);
	memset(model, 0, sizeof model);
	struct rule_state *rs = r.back->rule[0];
	const struct rule_def *d = rs->rule->def;
	nsec now = 100 * NS_PER_S;
	for (uint32_t i = 0; i < 1500; i++) {
		uint32_t key = rnd(3) ? rnd(KEYS) : rnd(1 + most / 2), here = 0, all = 0;
		struct save_row row;
		now += rnd(80) == 0 ? rnd(9000) * NS_PER_MS : rnd(30) * NS_PER_MS;
		snprintf(fields, sizeof fields, "\"k\":%u", key);
		char text[16];
		snprintf(text, sizeof text, "%u}", key);
		uint32_t shard = key_shard(str_hash(str_of(text), hash_seed));
		for (uint32_t k = 0; k < KEYS; k++)
			if (model[k].in && count(rs, k) < 2 && held(rs, k)->alert == NULL) {
				all++;
				here += key_shard(held(rs, k)->hash) == shard;
			}
		uint64_t displaced = rs->displaced, refused = rs->refused;
		uint32_t share = (uint32_t)(d->max_keys + 31) / 32;
		bool shard_full = rs->shard[shard] >= (share > 16 ? share : 16), full = rs->nkey >= d->max_keys;
		take_line(&r, now, fields);
		judge_take(rs, key, all, here, displaced, refused, shard_full, full);
		if (held(rs, key))
			add(key, now / NS_PER_S);
		back_advance(r.back);
		rig_flush(&r);
		judge_all(rs, d);
		if (seed % 2 == 0)
			continue;
		for (uint32_t n = rnd(30); n; n--) /* a generation a few hundred lines, in slices */
			if (save_next(r.back, &row))
				store_row(&t, &row);
		if (rnd(200) == 0) {
			save_rest(&r, &t);
			save_note(r.back);
		}
	}
	if (seed % 2) {
		save_rest(&r, &t);
		save_note(r.back);
		save_rest(&r, &t);
		seen.stored &= store_fits(&t, rs);
	}
	seen.displaced += rs->displaced;
	seen.refused += rs->refused;
	rig_stop(&r);
	rig_free(&r);
	store_free(&t);
}

static void
test_property(void)
{
	const char *one = getenv("SEED"), *many = getenv("ROUNDS");
	uint64_t rounds = many ? strtoull(many, NULL, 10) : 16;
	if (one)
		one_round(strtoull(one, NULL, 10));
	for (uint64_t i = 1; !one && i <= rounds; i++)
		one_round(i);
	ok(one || (seen.displaced > 100 * rounds && seen.refused > rounds && seen.left > 100), "%llu lost their place, %llu were not admitted",
		(unsigned long long)seen.displaced, (unsigned long long)seen.refused);
	ok(seen.goes, "who has two records in its window never goes");
	ok(seen.place, "a new key is refused only where nobody could go, and nobody goes for one that was there");
	ok(seen.counts, "counts are exact");
	ok(seen.lines, "whoever may go stands in line");
	ok(seen.limit, "never more than max_keys");
	ok(seen.stored, "a checkpoint holds who is held, and no one else");
}

/* ---- alerts of the time of an overflow ---- */

static void
test_partial(void)
{
	struct rig r;
	must(rig_load(&r, "rules:\n- {rule: a, by: k, over: 10s, every: 1s, when: count() >= 2, max_keys: 1}\n"
		"- {rule: b, by: k, over: 10s, every: 1s, when: count() >= 2}\n", 1) == 0);
	r.json = true;
	rig_script(&r, "a",
		"a 100.1 'k':'x'\na 100.2 'k':'x'\na 103.5 'k':'y'\na 105.5 'k':'x'\na 130.5 'k':'x'\na 130.6 'k':'x'\na 150.1 'k':'x'\n", 0);
	struct buf got;
	buf_init(&got, 1 << 16);
	struct str rest = buf_str(&r.out);
	while (rest.len) {
		const char *nl = memchr(rest.ptr, '\n', rest.len);
		struct str line = { rest.ptr, (size_t)(nl - rest.ptr) }, v;
		rest = (struct str){ nl + 1, rest.len - line.len - 1 };
		char *z = xstr(line);
		const char *event = strstr(z, "\"event\":\"") + 9, *rule = strstr(z, "\"rule\":\"") + 8, *time = strstr(z, "\"timestamp\":\"") + 13;
		v = (struct str){ strstr(z, "\"partial\":") + 10, 4 };
		buf_printf(&got, "%.2s %.1s %.2s %.4s\n", time + 17, rule, event, v.ptr);
		free(z);
	}
	isz(buf_z(&got),
		"41 a fi fals\n41 b fi fals\n" /* 100.2: two of them, and no overflow yet */
		"51 a re true\n51 b re fals\n" /* y was turned away at 103 */
		"11 a fi fals\n11 b fi fals\n21 a re fals\n21 b re fals\n",
		"alerts of a rule are partial until its window has passed without overflow");
	buf_free(&got);
	rig_free(&r);
}

/* An overflow outlives a restart: what is told after it is partial too. */
static void
test_restart(void)
{
	struct rig r, n;
	struct save_row row;
	struct rule_stats s;
	static const char text[] = "rules:\n- {rule: a, by: k, over: 10s, every: 1s, when: count() >= 2, max_keys: 1}\n";
	must(rig_load(&r, text, 1) == 0 && rig_load(&n, text, 1) == 0);
	rig_start(&r, "a");
	n.back = back_new(n.rules);
	save_enable(r.back);
	save_enable(n.back);
	take_line(&r, 100 * NS_PER_S, "\"k\":1");
	take_line(&r, 101 * NS_PER_S, "\"k\":1");
	take_line(&r, 102 * NS_PER_S, "\"k\":2");
	take_line(&r, 106 * NS_PER_S, "\"k\":1");
	back_advance(r.back);
	save_note(r.back);
	bool good = true;
	while (save_next(r.back, &row))
		good &= save_load(n.back, &row);
	save_loaded(n.back);
	back_rule_stats(n.back, 0, &s);
	const struct rule_state *rs = n.back->rule[0];
	ok(good && s.overflow && held(rs, 1) && !held(rs, 2), "a restart knows of the overflow");
	ok(!rule_overflows(rs, 101 * NS_PER_S) && rule_overflows(rs, 102 * NS_PER_S) && rule_overflows(rs, 112 * NS_PER_S) &&
		!rule_overflows(rs, 113 * NS_PER_S), "and when it was");
	rig_flush(&r);
	rig_stop(&r);
	rig_free(&r);
	rig_free(&n);
}

/* ---- memory ---- */

static void
test_memory(void)
{
	struct rig r;
	char fields[64];
	must(rig_load(&r, "rules:\n- {rule: a, by: k, over: 1h, when: count() >= 1000000, max_keys: 1000000}\n"
		"- {rule: b, by: j, over: 1h, when: count() >= 1000000, max_keys: 1000000}\n"
		"- {rule: all, over: 1h, where: has(z), when: count() >= 1}\n", 1) == 0);
	rig_start(&r, "a");
	save_enable(r.back);
	struct rule_state *a = r.back->rule[0], *b = r.back->rule[1];
	struct back_stats s;
	struct rule_stats rule;
	size_t most = 0;
	r.back->limit = 2 << 20;
	for (uint32_t i = 0; i < 60000; i++) {
		snprintf(fields, sizeof fields, "\"k\":%u%s", i < 4 ? i : i / 2, i >= 50000 ? ",\"j\":1" : ""); /* two records each */
		take_line(&r, 1000 * NS_PER_S + i * NS_PER_MS, fields);
		back_advance(r.back);
		back_stats(r.back, &s);
		if (s.held > most)
			most = s.held;
	}
	back_rule_stats(r.back, 0, &rule);
	ok(a->refused > 1000 && a->nkey > 1000 && a->nkey < 20000 && rule.overflow, "past `memory` a new key is not admitted");
	ok(most < (2 << 20) + (1 << 18), "and what is held stays there: %zu bytes", most);
	ok(b->nkey == 0 && b->refused > 0, "in no rule");
	struct buf text;
	buf_init(&text, 1 << 12);
	back_overflow_text(r.back, 0, &text);
	ok(strstr(buf_z(&text), "(memory)") && strstr(buf_z(&text), "1h"), "it is told why: %s", buf_z(&text));
	buf_free(&text);
	take_line(&r, 1100 * NS_PER_S, "\"z\":1");
	back_advance(r.back);
	ok(r.back->rule[2]->nkey == 1, "but the one key of a rule without `by` is");
	r.back->limit = 4 << 20;
	take_line(&r, 1101 * NS_PER_S, "\"j\":1");
	ok(b->nkey == 1, "with room again keys are admitted again");
	uint64_t refused = a->refused, displaced = a->displaced;
	for (uint32_t i = 0; i < 100000; i++) { /* each is new and seen once, and no generation is noted meanwhile */
		snprintf(fields, sizeof fields, "\"k\":%u", 1000000 + i);
		take_line(&r, 1102 * NS_PER_S + i * NS_PER_MS, fields);
		back_advance(r.back);
		back_stats(r.back, &s);
		if (s.held > most)
			most = s.held;
	}
	ok(a->refused - refused < 1000 && a->displaced - displaced > 50000, "those seen once make room for each other");
	ok(most < (4 << 20) + (4 << 20) / 6, "keys that come and go between two checkpoints are not kept for the next: %zu bytes", most);
	rig_stop(&r);
	rig_free(&r);
	ok(held_bytes == 0, "nothing is counted as held that is not");
}

/* ---- the other shapes ---- */

static void
test_shapes(void)
{
	struct rig r;
	must(rig_load(&r, "rules:\n- {rule: p, by: k, open: 'e == \"o\"', close: 'e == \"c\"', within: 1m, max_keys: 2}\n"
		"- {rule: m, by: k, when: n > 5, hold: 10s, max_keys: 2}\n"
		"- {rule: v, by: k, when: prev.n > 5 and n > 5, hold: 10s, max_keys: 2}\n", 1) == 0);
	rig_start(&r, "a");
	const struct rule_state *p = r.back->rule[0], *m = r.back->rule[1], *v = r.back->rule[2];
	static const char *const line[] = { "\"k\":1,\"e\":\"o\",\"n\":6", "\"k\":2,\"e\":\"o\",\"n\":6", "\"k\":2,\"e\":\"o\",\"n\":7",
		"\"k\":3,\"e\":\"o\",\"n\":6", "\"k\":4,\"n\":1", "\"k\":4,\"n\":1" };
	for (size_t i = 0; i < COUNT_OF(line); i++) {
		take_line(&r, (100 + (nsec)i) * NS_PER_S, line[i]);
		back_advance(r.back);
	}
	take_line(&r, 107 * NS_PER_S, "\"k\":9");
	back_advance(r.back);
	ok(p->nkey == 2 && held(p, 1) && held(p, 2) && p->refused == 1 && p->displaced == 0, "an open pair keeps its place");
	ok(m->nkey == 2 && held(m, 1) && held(m, 2) && m->refused == 1 && m->displaced == 0, "so does an open alert");
	ok(v->nkey == 2 && held(v, 2) && held(v, 4) && v->refused == 0 && v->displaced == 2, "a previous record does not, beside one");
	rig_stop(&r);
	rig_free(&r);
}

static void
test_presence(void)
{
	struct rig r;
	must(rig_load(&r, "rules:\n- {rule: a, by: k, absent: 1m, expect: [8, 9], max_keys: 3}\n"
		"- {rule: f, by: k, first: v, learn: 1s, hold: 10s, max_keys: 2, max_values: 3, forget: 30s}\n", 1) == 0);
	rig_start(&r, "a");
	const struct rule_state *a = r.back->rule[0], *f = r.back->rule[1];
	static const char *const line[] = { "\"k\":1,\"v\":1", "\"k\":1,\"v\":2", "\"k\":1,\"v\":3", "\"k\":1,\"v\":4", "\"k\":2",
		"\"k\":3,\"v\":1", "\"k\":4,\"v\":1", "\"k\":1,\"v\":4", "\"k\":8" };
	struct rule_stats s;
	for (size_t i = 0; i < COUNT_OF(line); i++) {
		take_line(&r, (100 + (nsec)i) * NS_PER_S, line[i]);
		back_advance(r.back);
	}
	take_line(&r, 111 * NS_PER_S, "\"x\":9");
	back_advance(r.back);
	ok(held(a, 8) && held(a, 9) && held(a, 1) && a->nkey == 3 && a->refused == 3, "absent: a running one and an expected one keep their places");
	ok(held(f, 1) && held(f, 3) && f->nkey - f->nvalue == 2 && f->displaced == 1, "first: only a key without values goes");
	ok(f->nvalue == 4 && f->refused == 4, "values are counted by key, not in max_keys");
	back_rule_stats(r.back, 1, &s);
	ok(s.overflow, "and past max_values it is told");
	take_line(&r, 150 * NS_PER_S, "\"k\":1,\"v\":9");
	take_line(&r, 160 * NS_PER_S, "\"x\":9");
	back_advance(r.back);
	ok(f->nvalue == 1 && held(f, 1)->npast == 1, "forgotten values leave room for others");
	back_rule_stats(r.back, 1, &s);
	ok(!s.overflow, "until the rule's window has passed");
	rig_stop(&r);
	rig_free(&r);
}

int
main(void)
{
	test_property();
	test_partial();
	test_restart();
	test_memory();
	test_shapes();
	test_presence();
	return tap_done();
}
