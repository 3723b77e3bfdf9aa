/* explain_test.c - bytes a key: what `weir check` tells, held against what full keys are counted to hold. */
#include "rules/back_int.h"
#include "rules/explain.h"
#include "rules/held.h"
#include "rules/rig.h"

#include <math.h>
#include <stdio.h>

/* Each second: every key shows `values` values, over a factor of twelve. */
static void
feed(struct rig *r, uint32_t from, uint32_t to, uint32_t values, uint32_t seconds)
{
	static const char raw[] = "a line of a program that has much to say of itself, as programs do, so that what is kept of it is cut: ";
	struct buf b;
	buf_init(&b, 256 << 20);
	for (uint32_t s = 0; s < seconds; s++) {
		buf_clear(&b);
		for (uint32_t k = from; k < to; k++)
			for (uint32_t v = 0; v < values; v++) {
				buf_printf(&b, "{\"ts\":%u.%03u,\"k\":\"upload_session_%010u\",\"n\":%.6g,\"e\":\"o\",\"c\":\"context of %06u at %u\"", 1000 + s, k % 1000, k,
					pow(12, (double)v / (values + 1)) + s * 1e-4, k, s);
				if (values == 1)
					buf_printf(&b, ",\"raw\":\"%s%s%s%s%s\"", raw, raw, raw, raw, raw);
				buf_addz(&b, "}\n");
			}
		rig_batch(r, 0, b.data, b.len);
		rig_flush(r);
		buf_clear(&r->out);
	}
	r->batch.data = NULL;
	buf_free(&b);
}

static size_t
measure(const char *rule, uint32_t keys, uint32_t values, uint32_t seconds, size_t *told)
{
	struct rig r;
	char text[400];
	snprintf(text, sizeof text, "rules:\n- {rule: a, max_keys: 1000000, %s}\n", rule);
	must(rig_load(&r, text, 1) == 0);
	rig_start(&r, "a");
	feed(&r, 0, keys, values, seconds);
	back_weigh(r.back);
	const struct rule *rl = &r.rules->rule[0];
	size_t held = r.back->held - r.back->tuple_bytes, value = explain_value_bytes(r.rules, rl);
	for (size_t i = 0; i < r.rules->nclock; i++)
		held -= r.back->clock[i].cap_wait * sizeof(struct waiting);
	*told = explain_key_bytes(r.rules, rl) + (value ? value * seconds * values : 0);
	rig_stop(&r);
	rig_free(&r);
	return held;
}

int
main(void)
{
	static const struct {
		const char *rule;
		uint32_t keys, values, seconds;
	} t[] = {
		{ "by: k, over: 10s, every: 1s, when: count() > 0", 3000, 1, 14 },
		{ "by: k, over: 100s, every: 1s, when: count() > 0", 300, 1, 104 },
		{ "by: k, over: 10s, every: 1s, when: avg(n) > 0 and max(n) > 0 and stddev(n) >= 0", 3000, 1, 14 },
		{ "by: k, over: 10s, every: 1s, when: p95(n) > 0", 200, 128, 14 },
		{ "by: k, over: 5s, every: 1s, when: distinct(n) > 0", 200, 256, 9 },
		{ "by: k, over: 10s, every: 1s, when: last(c) != \"o\"", 2000, 1, 14 },
		{ "by: k, over: 10s, every: 1s, when: increase(n) >= 0 and changes(n) >= 0 and streak(n > 0) > 0", 2000, 1, 14 },
		{ "by: k, over: 2s, every: 1s, when: 'count() > 0 and not (count() > 2 * baseline(count(), 20s))'", 2000, 1, 30 },
		{ "by: k, over: 10s, every: 1s, when: count() > 0, context: [c], text: '{samples}'", 1000, 1, 14 },
		{ "by: k, when: n > 0, context: [c]", 3000, 1, 4 },
		{ "by: k, when: prev.n >= 0, context: [c]", 3000, 1, 5 },
		{ "by: k, open: e == \"o\", close: e == \"c\", within: 1s", 3000, 1, 5 },
		{ "by: k, absent: 1ms", 3000, 1, 5 },
		{ "by: k, first: c, learn: 1s", 300, 1, 100 },
	};
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		size_t told;
		size_t few = measure(t[i].rule, t[i].keys / 3, t[i].values, t[i].seconds, &told);
		size_t many = measure(t[i].rule, t[i].keys, t[i].values, t[i].seconds, &told);
		double got = (double)(many - few) / (t[i].keys - t[i].keys / 3);
		ok(got < 1.3 * (double)told && got > 0.7 * (double)told, "%s: %zu told, %.0f held", t[i].rule, told, got);
	}
	ok(held_bytes == 0, "and nothing is counted as held that is not");
	return tap_done();
}
