/* property_test.c - what must not change a transition: how input is cut into batches, the hash seed, a restart.
 *
 * Seeded: SEED=n runs one seed, ROUNDS=n that many. A round makes rules and lines, runs them a line a batch, and then
 * otherwise; whole JSON objects must be the same.
 */
#include "rules/rig.h"

#include <stdio.h>

#define ROUNDS_DEFAULT 60
#define LINES_MAX 160

static uint64_t rng_state;

static uint32_t
rnd(uint32_t n) /* 0 .. n - 1 */
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)((rng_state >> 11) % n);
}

/* ---- rules and lines ---- */

static const char *const menu[] = {
	"by: k, when: n > 5, hold: 3s",
	"by: k, when: n > 5, hold: 0, context: [s]",
	"when: {warning: n > 3, critical: n > 7}, hold: 2s",
	"by: [k, s], when: prev.n < n, hold: 4s, title: '{s} {n}'",
	"by: k, when: prev.n == 1 and @file == \"x.log\", hold: 0, forget: 20m",
	"by: '@source', when: '@raw =~ \"q+\" and n > 4', hold: 2s",
	"by: k, over: 6s, every: 2s, when: count() > 2, for: 4s",
	"by: k, over: 5s, every: 1s, when: avg(n) > 4, resolve_when: avg(n) < 4, context: [s, e], text: '{samples}'",
	"over: 4s, every: 1s, where: n > 6, when: count() == 0, context: [n]",
	"over: 4s, every: 1s, when: count() == 0 or sum(n) > 20, no_data: evaluate",
	"by: k, over: 4s, every: 2s, when: {info: sum(n) > 3, error: sum(n) > 9, critical: sum(n) > 15}, for: {error: 2s}, no_data: keep",
	"by: s, over: 2s, every: 1s, when: p90(n) > 5 and sum(n) over 8s > 10, no_data: evaluate",
	"by: s, over: 3s, every: 1s, when: min(n) < 2 or max(n) > 8, resolve_when: max(n) < 5, from: app",
	"by: k, over: 3s, every: 1s, when: count() > 0, resolve_when: count() > 0, no_data: keep",
	"over: 3s, every: 1s, where: e == \"none\", when: count() == 0, resolve_when: count() == 0",
	"by: k, open: e == \"o\", close: e == \"c\", within: 3s",
	"by: k, open: e == \"o\", close: e == \"c\", within: 3s, forget: 10s, context: [s]",
	"by: [k, '@source'], where: e == \"o\", over: 10s, when: count() > 1",
	"by: k, over: 6s, every: 2s, when: last(n) > 5 or streak(n > 3) > 2, hold: 1s",
	"by: k, over: 5s, every: 1s, when: increase(n) > 9 or changes(e) > 2, no_data: keep",
	"over: 5s, every: 1s, when: distinct(k) > 2 or distinct(n) > 4 or stddev(n) > 3",
	"by: s, over: 2s, every: 1s, when: 'count() > 1.5 * baseline(count(), 10s)'",
	"by: s, over: 2s, every: 2s, when: 'avg(n) > 1.2 * baseline(avg(n), 9s) or max(n) > baseline(p50(n), 8s) + 4', no_data: evaluate",
	"by: k, over: 4s, every: 2s, when: 'increase(m{}) > 5 or changes(m{x=\"q\"}) > 1', forget: 20s",
	"by: k, absent: 4s, expect: [a, b, 1]",
	"by: [k, s], absent: 3s, where: n > 2, forget: 40s",
	"by: k, first: n, hold: 2s",
	"by: s, first: e, learn: 5s, forget: 30s, hold: 0",
};

static void
make_rules(struct buf *out)
{
	buf_addz(out, "rules:\n");
	for (size_t i = 0; i < COUNT_OF(menu); i++)
		if (rnd(3))
			buf_printf(out, "- {rule: r%zu, %s}\n", i, menu[i]);
	buf_addz(out, "- {rule: last, when: n > 8, hold: 1s}\n");
}

static void
make_line(struct rig *r, size_t part, double *t)
{
	static const char *const sums[] = { "0.1", "1e16", "-1e16", "3", "7", "1e-9", "5", "9", "2", "\"x\"", "null", "6.5" };
	struct buf *b = &r->part[part].lines;
	double late = rnd(9) == 0 ? rnd(6) : 0;
	*t += rnd(4) == 0 ? 0 : rnd(20) == 0 ? rnd(9000) / 3.0 : rnd(1500) / 1000.0;
	if (rnd(40) == 0) {
		buf_addz(b, "not json\n\n");
		return;
	}
	buf_addc(b, '{');
	if (rnd(25))
		buf_printf(b, "\"ts\":%.3f,", *t - late);
	buf_printf(b, "\"n\":%s,\"k\":%s,\"s\":\"%c\"", sums[rnd(COUNT_OF(sums))], rnd(4) ? rnd(2) ? "1" : "1.0" : "\"a\\\"b\"", 'p' + rnd(3));
	if (rnd(2))
		buf_printf(b, ",\"e\":\"%c\"", "ocx"[rnd(3)]);
	if (rnd(3) == 0)
		buf_printf(b, ",\"metric\":\"m\",\"labels\":{\"x\":\"%c\",\"y\":\"%u\"},\"value\":%u", "pq"[rnd(2)], rnd(2), rnd(9));
	buf_addz(b, "}\n");
}

static void
make_lines(struct rig *r, const char *parts, int before)
{
	for (; *parts; parts++) {
		double t = rnd(4) - (double)before;
		for (uint32_t i = 0, n = rnd(LINES_MAX); i < n; i++)
			make_line(r, (size_t)(*parts - 'a'), &t);
	}
}

/* The next piece of partition i: at least a line, at most lines of them. */
static size_t
piece(const struct rig_part *p, uint32_t lines)
{
	size_t at = p->at;
	while (at < p->lines.len && lines--)
		at = (size_t)((char *)memchr(p->lines.data + at, '\n', p->lines.len - at) - p->lines.data) + 1;
	return at - p->at;
}

static bool
step(struct rig *r, uint32_t most)
{
	size_t with[RIG_PARTS], n = 0;
	for (size_t i = 0; i < RIG_PARTS; i++)
		if (r->part[i].used && r->part[i].at < r->part[i].lines.len)
			with[n++] = i;
	if (n == 0)
		return false;
	struct rig_part *p = &r->part[with[rnd((uint32_t)n)]];
	size_t len = piece(p, most == 1 ? 1 : 1 + rnd(most));
	char *text = xmemdup(p->lines.data + p->at, len); /* a block of its own: a view that outlives it is seen */
	rig_batch(r, (size_t)(p - r->part), text, len);
	free(text);
	r->batch.data = NULL;
	p->at += len;
	if (rnd(2))
		rig_flush(r);
	return true;
}

static void
run(struct rig *r, const char *parts, uint32_t most)
{
	buf_clear(&r->out);
	rig_start(r, parts);
	while (step(r, most))
		;
	rig_end(r, 30 * NS_PER_S);
	rig_stop(r);
}

/* ---- comparing ---- */

static int
by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Transitions as a set: rules with other sources reach a time earlier when read in other cuts. */
static char *
sorted(struct buf *out)
{
	char **v = NULL;
	size_t n = 0, cap = 0;
	struct buf b;
	for (const char *p = buf_z(out); *p;) {
		size_t len = strcspn(p, "\n");
		GROW(v, n, cap);
		v[n++] = xstrndup(p, len);
		p += len + (p[len] != '\0');
	}
	if (n)
		qsort(v, n, sizeof *v, by_line);
	buf_init(&b, SIZE_MAX / 4);
	buf_addc(&b, '\n');
	for (size_t i = 0; i < n; i++) {
		buf_printf(&b, "%s\n", v[i]);
		free(v[i]);
	}
	free(v);
	return buf_take(&b);
}

static bool
same(const char *what, uint64_t seed, const char *want, const char *got)
{
	if (strcmp(want, got) == 0)
		return true;
	size_t i = 0;
	while (want[i] == got[i])
		i++;
	while (i > 0 && want[i - 1] != '\n')
		i--;
	printf("# seed %llu, %s:\n# want %.*s\n# got  %.*s\n", (unsigned long long)seed, what, (int)strcspn(want + i, "\n"), want + i,
		(int)strcspn(got + i, "\n"), got + i);
	return false;
}

/* ---- the store: (kind, rule, key, pane) to its newest row of a valid generation ---- */

struct stored {
	enum save_kind kind;
	char *rule, *key, *data; /* data NULL: tombstone */
	size_t nrule, nkey, len;
	int64_t pane;
};

struct store {
	struct stored *row, *fresh; /* valid; of the generation being written */
	size_t n, cap, nfresh, cap_fresh;
};

static void
stored_free(struct stored *s)
{
	free(s->rule);
	free(s->key);
	free(s->data);
}

static bool
stored_same(const struct stored *a, const struct stored *b)
{
	return a->kind == b->kind && a->pane == b->pane &&
		str_eq((struct str){ a->rule, a->nrule }, (struct str){ b->rule, b->nrule }) &&
		str_eq((struct str){ a->key, a->nkey }, (struct str){ b->key, b->nkey });
}

static void
store_put(struct store *t, const struct save_row *row)
{
	GROW(t->fresh, t->nfresh, t->cap_fresh);
	t->fresh[t->nfresh++] = (struct stored){ row->kind, xmemdup(row->rule.ptr, row->rule.len), xmemdup(row->key.ptr, row->key.len),
		row->data.ptr ? xmemdup(row->data.ptr, row->data.len) : NULL, row->rule.len, row->key.len, row->data.len, row->pane };
}

/* The generation is valid: keys' rows replace their older ones, what is copied whole replaces all of its kind. */
static void
store_valid(struct store *t)
{
	size_t n = 0;
	for (size_t i = 0; i < t->n; i++)
		if (t->row[i].kind == SAVE_KEY)
			t->row[n++] = t->row[i];
		else
			stored_free(&t->row[i]);
	t->n = n;
	for (size_t i = 0; i < t->nfresh; i++) {
		struct stored *f = &t->fresh[i];
		size_t at = 0;
		while (at < t->n && !stored_same(&t->row[at], f))
			at++;
		if (at < t->n)
			stored_free(&t->row[at]);
		else if (f->data) {
			GROW(t->row, t->n, t->cap);
			t->n++;
		}
		if (f->data)
			t->row[at] = *f;
		else {
			stored_free(f);
			if (at < t->n)
				t->row[at] = t->row[--t->n];
		}
	}
	t->nfresh = 0;
}

static void
store_lost(struct store *t)
{
	for (size_t i = 0; i < t->nfresh; i++)
		stored_free(&t->fresh[i]);
	t->nfresh = 0;
}

static void
store_free(struct store *t)
{
	store_lost(t);
	for (size_t i = 0; i < t->n; i++)
		stored_free(&t->row[i]);
	free(t->row);
	free(t->fresh);
}

/* ---- a restart ---- */

static struct {
	unsigned valid, aborted, restarts, graves;
} counted;

struct note {                /* the moment of a generation: how far each partition was, and what had been told */
	size_t at[RIG_PARTS];
	size_t told;
};

static void
note_take(struct rig *r, struct note *n)
{
	rig_flush(r);
	n->told = r->out.len;
	for (size_t i = 0; i < RIG_PARTS; i++)
		n->at[i] = r->part[i].at;
	save_note(r->back);
}

/* A new process: everything from the store, then on from the note's places. */
static bool
restart(struct rig *r, const char *parts, const struct store *t, const struct note *n)
{
	static const enum save_kind order[] = { SAVE_META, SAVE_PART, SAVE_KEY, SAVE_TUPLE };
	hash_seed = hash_seed * 6364136223846793005u + 1;
	r->front = front_new(r->rules);
	r->back = back_new(r->rules);
	save_enable(r->back);
	for (size_t k = 0; k < COUNT_OF(order); k++)
		for (size_t i = 0; i < t->n; i++) {
			const struct stored *s = &t->row[i];
			struct save_row row = { s->kind, { s->rule, s->nrule }, { s->key, s->nkey }, { s->data, s->len }, s->pane };
			if (s->kind == order[k] && !save_load(r->back, &row))
				return false;
		}
	save_loaded(r->back);
	for (; *parts; parts++) {
		size_t i = (size_t)(*parts - 'a');
		struct rig_part *p = &r->part[i];
		struct str name = { parts, 1 }, pos;
		struct ptime time;
		int64_t seq;
		uint32_t number;
		if (!save_part(r->back, i / 2, name, &number, &time, &seq, &pos))
			return false;
		fpart_init(&p->front, &r->source[i / 2], number);
		p->front.time = time;
		p->used = true;
		p->at = n->at[i];
		p->seq = (int64_t)n->at[i];
		if (pos.len == 8) {
			int64_t was;
			memcpy(&was, pos.ptr, 8);
			if (was != p->seq)
				return false;
		}
	}
	return true;
}

/* A run that writes generations beside its work and stops somewhere; gives what it had told at the valid one. */
static bool
crash(struct rig *r, struct store *t, struct note *valid)
{
	struct note noted;
	struct save_row row;
	bool writing = false, any = false;
	uint32_t life = 5 + rnd(60), gap = 1 + rnd(9), most = 1 + rnd(5), slice = 5 + rnd(60), trouble = rnd(3) ? 8 : 2;
	while (life-- && step(r, most)) {
		if (!writing && rnd(gap) == 0) {
			note_take(r, &noted);
			writing = true;
		}
		for (uint32_t rows = rnd(slice); writing && rows--;) {
			if (rnd(40 * trouble) == 0) { /* the store failed: this one never becomes valid */
				save_abort(r->back);
				counted.aborted++;
				store_lost(t);
				writing = false;
			} else if (save_next(r->back, &row)) {
				counted.graves += row.data.ptr == NULL;
				store_put(t, &row);
			} else {
				if (rnd(trouble)) {
					store_valid(t);
					*valid = noted;
					any = true;
					counted.valid++;
				} else { /* its last commit failed */
					save_abort(r->back);
					counted.aborted++;
					store_lost(t);
				}
				writing = false;
			}
		}
	}
	store_lost(t);
	return any;
}

static bool
restarts(struct rig *r, const char *parts, uint64_t seed, const char *want)
{
	struct store t = { 0 };
	struct note valid = { 0 };
	bool good = true, any = false;
	uint64_t was = hash_seed;
	buf_clear(&r->out);
	rig_start(r, parts);
	save_enable(r->back);
	for (int lives = 3; good && lives--;) {
		if (crash(r, &t, &valid))
			any = true;
		if (!any)
			break; /* never a valid generation: nothing to restart from */
		rig_stop(r);
		r->out.len = valid.told; /* what was told after it is told again */
		good = restart(r, parts, &t, &valid);
		counted.restarts++;
		if (!good)
			printf("# seed %llu: rows that were written are refused\n", (unsigned long long)seed);
	}
	while (good && step(r, 9))
		;
	if (good) {
		rig_end(r, 30 * NS_PER_S);
		char *got = sorted(&r->out);
		good = same("after restarts", seed, want, got);
		free(got);
	}
	rig_stop(r);
	store_free(&t);
	hash_seed = was;
	return good;
}

/* A source that is new in the configuration, and sorts before the others, must not take what another one had reached. */
static void
another_source(void)
{
	struct rig r, n;
	struct save_row row;
	rig_load(&r, "rules:\n- {rule: a, from: app, over: 1m, when: count() > 5, no_data: keep}\n", 1);
	rig_start(&r, "a");
	save_enable(r.back);
	rig_line(&r, STR("a 500 'n':1"));
	rig_batch(&r, 0, r.part[0].lines.data, r.part[0].lines.len);
	rig_names[0] = "aaa";
	rig_names[1] = "app";
	unsigned wrong = rig_load(&n, "rules:\n- {rule: a, from: app, over: 1m, when: count() > 5, no_data: keep}\n- {rule: b, from: aaa, when: n > 1}\n", 2);
	n.front = front_new(n.rules);
	n.back = back_new(n.rules);
	save_enable(n.back);
	bool good = wrong == 0 && back_rule_reached(r.back, 0) == 498 * NS_PER_S;
	save_note(r.back);
	while (save_next(r.back, &row)) /* META, PART and KEY come in this order; nothing waits */
		good &= save_load(n.back, &row);
	save_loaded(n.back);
	uint32_t number;
	struct ptime time;
	int64_t seq;
	struct str pos;
	ok(good && back_rule_reached(n.back, 0) == 498 * NS_PER_S && back_rule_reached(n.back, 1) == NS_NONE,
		"a source's time is restored by its name");
	ok(save_part(n.back, 1, STR("a"), &number, &time, &seq, &pos) && time.greatest == 500 * NS_PER_S && !save_part(n.back, 0, STR("a"),
		&number, &time, &seq, &pos), "so are its partitions");
	rig_names[0] = "app";
	rig_names[1] = "web";
	rig_free(&n);
	rig_free(&r);
}

/* ---- rounds ---- */

static bool cuts_good = true, seeds_good = true, restart_good = true;
static size_t told_all;

static void
one_round(uint64_t seed)
{
	static const char *const sets[] = { "a", "ab", "abc", "ac", "abcd" };
	struct rig r;
	struct buf rules;
	rng_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	const char *parts = sets[rnd(COUNT_OF(sets))];
	buf_init(&rules, 1 << 16);
	make_rules(&rules);
	must(rig_load(&r, buf_z(&rules), 2) == 0);
	r.json = true;
	r.replay = false;
	make_lines(&r, parts, rnd(3) ? 0 : 50);
	run(&r, parts, 1);
	char *want = sorted(&r.out);
	told_all += r.out.len;
	for (uint32_t most = 3; most < 400; most *= 11) {
		run(&r, parts, most);
		char *got = sorted(&r.out);
		cuts_good &= same("other cuts", seed, want, got);
		free(got);
	}
	hash_seed ^= seed * 77777777 + 5;
	run(&r, parts, 50);
	char *got = sorted(&r.out);
	seeds_good &= same("another hash seed", seed, want, got);
	free(got);
	restart_good &= restarts(&r, parts, seed, want);
	free(want);
	buf_free(&rules);
	rig_free(&r);
}

int
main(void)
{
	const char *one = getenv("SEED"), *many = getenv("ROUNDS");
	uint64_t rounds = many ? strtoull(many, NULL, 10) : ROUNDS_DEFAULT;
	if (one)
		one_round(strtoull(one, NULL, 10));
	for (uint64_t i = 1; !one && i <= rounds; i++)
		one_round(i);
	another_source();
	ok(told_all > 10000 * (one ? 0 : rounds), "the rounds tell something: %zu bytes", told_all);
	ok(cuts_good, "results do not depend on how input is cut into batches");
	ok(seeds_good, "nor on the hash seed");
	ok(counted.restarts > rounds && counted.aborted > rounds / 2 && counted.graves > rounds * 5,
		"%u restarts, %u generations valid and %u not, %u tombstones", counted.restarts, counted.valid, counted.aborted, counted.graves);
	ok(restart_good, "nor on restarts from any valid generation");
	return tap_done();
}
