/* check_logs.c - the rules over real logs: what each saw, when it was last true, and which of its fields were not there.
 *
 * In: logs, read as replay reads them. Out: a report. Owns: counts by rule and field.
 * A field in `where` is counted over all records of the rule's sources, every other one over those that `where` lets
 * through: a misspelt name shows as absent in all of them.
 */
#include "core/check.h"

#include "core/json.h"
#include "core/lanes.h"
#include "core/workers.h"

#include <stdio.h>
#include <stdlib.h>

struct named {            /* one field of one rule */
	int slot;
	unsigned want;    /* WANT_ bits; 0: any kind */
	bool where;       /* counted over all records of the sources */
	uint64_t present, right;
	uint8_t other;    /* enum slice_kind of one that was not as wanted */
};

struct seen {             /* one rule */
	struct named *field;
	size_t nfield;
	uint64_t records, where, no_key, opened, closed;
	uint64_t told[EVENTS];
};

struct check {
	const struct app *app;
	struct seen *rule;
};

/* ---- what a rule names ---- */

static void
ask(const struct exprs *x, int id, unsigned as, uint8_t *want, bool *named)
{
	if (id >= 0)
		expr_wants(x, id, as, want, named);
}

static void
collect(struct seen *s, const struct ruleset *rs, const uint8_t *want, const bool *named, bool where)
{
	for (size_t i = 0; i < rs->paths.n; i++) {
		if (!named[i])
			continue;
		s->field = xrealloc(s->field, (s->nfield + 1) * sizeof *s->field);
		s->field[s->nfield++] = (struct named){ .slot = (int)i, .want = want[i], .where = where };
	}
}

static void
name_texts(const struct ruleset *rs, const struct text_at *v, size_t n, bool *named)
{
	struct diags quiet;
	diags_init(&quiet);
	for (size_t i = 0; i < n; i++) {
		int at, slot = expr_field(rs->exprs, v[i], &at, &quiet);
		if (slot >= 0)
			named[slot] = true;
	}
	diags_free(&quiet);
}

static void
fields_of(const struct ruleset *rs, const struct rule *r, struct seen *s)
{
	uint8_t *want = xcalloc(rs->paths.n + 1, 1);
	bool *named = xcalloc(rs->paths.n + 1, sizeof *named);
	ask(rs->exprs, r->where, WANT_BOOL, want, named);
	collect(s, rs, want, named, true);
	memset(want, 0, rs->paths.n);
	memset(named, 0, rs->paths.n * sizeof *named);
	for (int l = 0; l < LEVELS; l++) {
		ask(rs->exprs, r->when[l], WANT_BOOL, want, named);
		ask(rs->exprs, r->resolve_when[l], WANT_BOOL, want, named);
	}
	ask(rs->exprs, r->open, WANT_BOOL, want, named);
	ask(rs->exprs, r->close, WANT_BOOL, want, named);
	for (size_t i = 0; i < r->ncell; i++)
		ask(rs->exprs, r->cell[i].arg, r->cell[i].kind == CELL_COUNT ? WANT_BOOL : WANT_NUM, want, named);
	name_texts(rs, r->def->by, r->def->nby, named);
	name_texts(rs, r->def->context, r->def->ncontext, named);
	name_texts(rs, r->def->fingerprint, r->def->nfingerprint, named);
	collect(s, rs, want, named, false);
	free(want);
	free(named);
}

/* ---- counting ---- */

static unsigned
kind_want(uint8_t kind)
{
	static const unsigned char want[] = { [K_NONE] = 0, [K_NULL] = 0, [K_FALSE] = WANT_BOOL, [K_TRUE] = WANT_BOOL,
		[K_NUM] = WANT_NUM, [K_STR] = WANT_STR, [K_JSON] = WANT_STR };
	return want[kind];
}

static void
count_fields(struct seen *s, const struct record *r, bool where)
{
	for (size_t i = 0; i < s->nfield; i++) {
		struct named *f = &s->field[i];
		uint8_t kind = r->slot[f->slot].kind;
		if (f->where != where || kind <= K_NULL)
			continue;
		f->present++;
		if (f->want == 0 || f->want & kind_want(kind))
			f->right++;
		else
			f->other = kind;
	}
}

static void
watch(void *arg, struct eval *e, const struct front_source *source, const struct record *rec)
{
	struct check *c = arg;
	const struct ruleset *rs = c->app->rules;
	for (size_t i = 0; i < rs->nrule; i++) {
		const struct rule *r = &rs->rule[i];
		const struct keyset *k = &rs->keyset[r->keyset];
		struct seen *s = &c->rule[i];
		bool whole = true;
		if (!(r->sources >> source->index & 1))
			continue;
		s->records++;
		count_fields(s, rec, true);
		if (r->where >= 0 && eval_test(e, r->where) != TRI_TRUE)
			continue;
		s->where++;
		count_fields(s, rec, false);
		for (size_t n = 0; n < k->n; n++)
			whole &= k->slot[n] < 0 || rec->slot[k->slot[n]].kind > K_NULL;
		s->no_key += !whole;
		if (r->shape != SHAPE_PAIR || !whole)
			continue;
		if (eval_test(e, r->open) == TRI_TRUE)
			s->opened++;
		else
			s->closed += eval_test(e, r->close) == TRI_TRUE;
	}
}

static void
count_told(struct check *c, struct back *b)
{
	const struct alert *const *v;
	size_t n = back_out(b, INT64_MAX, &v);
	for (size_t i = 0; i < n; i++)
		for (size_t r = 0; r < c->app->rules->nrule; r++)
			if (strcmp(c->app->rules->rule[r].name, v[i]->rule) == 0)
				c->rule[r].told[v[i]->event]++;
	back_out_done(b, n);
}

/* ---- the report ---- */

static const char *
want_words(unsigned want)
{
	static const char *const word[] = { "anything", "true or false", "a number", "true, false or a number", "a string",
		"true, false or a string", "a number or a string", "anything" };
	return word[want & 7];
}

static void
tell_field(const struct ruleset *rs, const struct named *f, uint64_t of, struct buf *out)
{
	static const char *const kinds[] = { [K_NONE] = "", [K_NULL] = "", [K_FALSE] = "true or false", [K_TRUE] = "true or false",
		[K_NUM] = "a number", [K_STR] = "a string", [K_JSON] = "an object or array" };
	const char *name = rs->paths.v[f->slot].text, *in = f->where ? " (in where)" : "";
	if (of == 0)
		return;
	if (f->present == 0)
		buf_printf(out, "    %s%s: absent in all %llu records\n", name, in, (unsigned long long)of);
	else if (f->right == 0)
		buf_printf(out, "    %s%s: %s in all %llu records that have it; the rule wants %s\n", name, in,
			kinds[f->other], (unsigned long long)f->present, want_words(f->want));
}

static void
tell_events(const struct seen *s, struct buf *out)
{
	size_t n = 0;
	for (int e = 0; e < EVENTS; e++)
		if (s->told[e])
			buf_printf(out, "%s%llu %s", n++ ? ", " : "; would tell ", (unsigned long long)s->told[e], event_name[e]);
	if (n == 0)
		buf_addz(out, "; would tell nothing");
}

static void
tell_rule(const struct check *c, const struct lanes *l, size_t i, struct buf *out)
{
	const struct ruleset *rs = c->app->rules;
	const struct rule *r = &rs->rule[i];
	const struct seen *s = &c->rule[i];
	struct rule_stats st;
	char at[32];
	back_rule_stats(l->back, i, &st);
	buf_printf(out, "  %s: saw %llu of %llu records", r->name, (unsigned long long)(s->where - s->no_key),
		(unsigned long long)s->records);
	if (s->no_key)
		buf_printf(out, " (%llu lack a `by` field)", (unsigned long long)s->no_key);
	if (r->shape == SHAPE_PAIR)
		buf_printf(out, ", %llu open and %llu close", (unsigned long long)s->opened, (unsigned long long)s->closed);
	if (st.last_true == NS_NONE) {
		buf_addz(out, r->shape == SHAPE_PAIR ? "; nothing stayed open too long" : "; never true");
	} else {
		time_text(st.last_true, at);
		buf_printf(out, "; last true %s", at);
	}
	tell_events(s, out);
	if (st.open)
		buf_printf(out, ", %llu still open", (unsigned long long)st.open);
	if (st.refused_keys)
		buf_printf(out, "; %llu times no room for a new key (max_keys)", (unsigned long long)st.refused_keys);
	buf_addc(out, '\n');
	for (size_t k = 0; k < s->nfield; k++)
		tell_field(rs, &s->field[k], s->field[k].where ? s->records : s->where, out);
}

static void
tell_silent(const struct check *c, const struct lanes *l, struct buf *out)
{
	size_t n = 0;
	for (size_t i = 0; i < c->app->rules->nrule; i++) {
		struct rule_stats st;
		back_rule_stats(l->back, i, &st);
		if (st.last_true == NS_NONE)
			buf_printf(out, "%s%s", n++ ? ", " : "  silent in these logs: ", c->app->rules->rule[i].name);
	}
	if (n)
		buf_addc(out, '\n');
}

int
check_logs(const struct app *a, const struct cmd_opts *o, struct buf *out)
{
	struct check c = { .app = a, .rule = xcalloc(a->rules->nrule, sizeof *c.rule) };
	struct lanes l;
	int code = CMD_DONE, only = lanes_source(a->config, o->source, o->noperand);
	struct lanes_what what = { .only = only, .files = o->operand, .nfiles = o->noperand, .jobs = 1, .from = INT64_MIN,
		.to = INT64_MAX }; /* one worker: its front counts */
	if (only == -2) {
		free(c.rule);
		return CMD_USAGE;
	}
	for (size_t i = 0; i < a->rules->nrule; i++)
		fields_of(a->rules, &a->rules->rule[i], &c.rule[i]);
	if (lanes_open(&l, a, &what, &code)) {
		front_watch(workers_front(l.workers), watch, &c);
		while (lanes_step(&l))
			count_told(&c, l.back);
		back_end(l.back, 0);
		count_told(&c, l.back);
		buf_printf(out, "\nlogs: ");
		lanes_summary(&l, out);
		buf_addc(out, '\n');
		for (size_t i = 0; i < a->rules->nrule; i++)
			tell_rule(&c, &l, i, out);
		tell_silent(&c, &l, out);
		if (l.failed)
			code = CMD_FAILED;
	}
	lanes_close(&l);
	for (size_t i = 0; i < a->rules->nrule; i++)
		free(c.rule[i].field);
	free(c.rule);
	return code;
}
