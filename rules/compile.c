/* compile.c - rule definitions to a ruleset: names to slots and sources, texts to programs, aggregates to cells. */
#include "rules/rule.h"

#include "core/json.h"
#include "core/units.h"
#include "rules/cell.h"
#include "rules/template.h"

#include <stdlib.h>

#define PANES_MAX 1000000

static int
carry_add(struct carry *c, int slot)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->slot[i] == slot)
			return (int)i;
	GROW(c->slot, c->n, c->cap);
	c->slot[c->n] = slot;
	return (int)c->n++;
}

int
rule_carries(struct rule *r, int slot)
{
	return carry_add(&r->carry, slot);
}

/* ---- sources and clocks ---- */

static void
sources_of(struct ruleset *rs, struct rule *r, struct diags *d)
{
	const struct config *c = rs->config;
	const char *names[SOURCES_MAX];
	for (size_t i = 0; i < c->nsource; i++)
		names[i] = c->source[i].name;
	if (r->def->nfrom == 0)
		r->sources = c->nsource == SOURCES_MAX ? ~UINT64_C(0) : (UINT64_C(1) << c->nsource) - 1;
	if (c->nsource == 0)
		r->sources = 1; /* rules alone (weir test, bench): one nameless source */
	for (size_t i = 0; i < r->def->nfrom && c->nsource; i++) {
		struct text_at t = r->def->from[i];
		size_t k = 0;
		while (k < c->nsource && strcmp(names[k], t.s) != 0)
			k++;
		if (k < c->nsource) {
			r->sources |= UINT64_C(1) << k;
			continue;
		}
		if (strcmp(t.s, "alerts") == 0) {
			diag(d, t.loc, "from: alerts is not in this version yet");
			continue;
		}
		const char *near = nearest(str_of(t.s), names, c->nsource);
		diag(d, t.loc, "no source is named `%s`%s%s", t.s, near ? "; did you mean " : "", near ? near : "");
	}
	for (r->clock = 0; r->clock < rs->nclock; r->clock++)
		if (rs->clock[r->clock].sources == r->sources)
			return;
	rs->clock = xrealloc(rs->clock, (rs->nclock + 1) * sizeof *rs->clock);
	rs->clock[rs->nclock++] = (struct clock_def){ r->sources };
}

/* ---- keys ---- */

/* The index of k, added if it is new. Its names are to be freed by the set. */
static size_t
keyset_add(struct ruleset *rs, struct keyset *k)
{
	for (size_t i = 0; i < rs->nkeyset; i++) {
		const struct keyset *have = &rs->keyset[i];
		if (have->n == k->n && memcmp(have->slot, k->slot, sizeof k->slot) == 0 && memcmp(have->expr, k->expr, sizeof k->expr) == 0) {
			for (size_t n = 0; n < k->n; n++)
				free(k->name[n]);
			return i;
		}
	}
	for (size_t i = 0; i < k->n; i++) {
		struct buf b;
		buf_init(&b, 1 << 16);
		buf_addc(&b, i ? ',' : '{');
		json_str(&b, str_of(k->name[i]));
		buf_addc(&b, ':');
		k->prefix[i] = buf_take(&b);
	}
	rs->keyset = xrealloc(rs->keyset, (rs->nkeyset + 1) * sizeof *rs->keyset);
	rs->keyset[rs->nkeyset] = *k;
	return rs->nkeyset++;
}

static void
keyset_of(struct ruleset *rs, struct rule *r, struct diags *d)
{
	struct keyset k = { 0 };
	if (r->def->nby > BY_MAX) {
		diag(d, r->def->by[BY_MAX].loc, "`by` takes at most %d fields", BY_MAX);
		return;
	}
	for (size_t i = 0; i < r->def->nby; i++) {
		int at = -1, slot = expr_field(rs->exprs, r->def->by[i], &at, d);
		if (slot < 0 && at < 0) {
			r->keyset = SIZE_MAX;
			return;
		}
		k.slot[k.n] = slot < 0 ? -1 : slot;
		k.expr[k.n] = at;
		k.name[k.n++] = xstrdup(slot < 0 ? r->def->by[i].s : rs->paths.v[slot].text);
	}
	r->keyset = r->keyset_out = keyset_add(rs, &k);
}

/* ---- conditions ---- */

static int
compile(struct ruleset *rs, struct text_at t, const struct scope *scope, struct diags *d)
{
	return t.s ? expr_compile(rs->exprs, t, scope, d) : -1;
}

/* A condition a level; a single one stands at `severity`, or at every level where `all` has levels. */
static void
conditions(struct ruleset *rs, struct rule *r, const struct cond_def *c, int out[LEVELS], const struct scope *scope,
	struct diags *d)
{
	int one = c->given && !c->by_level ? compile(rs, c->one, scope, d) : -1;
	for (int l = 0; l < LEVELS; l++) {
		bool serves = r->by_level ? r->when[l] >= 0 : l == (int)r->def->severity;
		out[l] = c->by_level ? compile(rs, c->level[l], scope, d) : serves ? one : -1;
	}
}

static void
side(const struct ruleset *rs, int id, int *left, const char **op, int *right)
{
	*left = *right = -1;
	if (id >= 0 && !expr_first_comparison(rs->exprs, id, left, op, right))
		*left = id; /* no comparison: the condition itself is the value */
}

static bool
shows_secret(const struct ruleset *rs, int id)
{
	int slots[PATH_SEGS_MAX * 4];
	size_t n = id < 0 ? 0 : expr_slots(rs->exprs, id, slots, COUNT_OF(slots));
	bool secret = n > COUNT_OF(slots);
	for (size_t i = 0; i < n && !secret; i++)
		secret = redact_field(rs->redact, str_of(rs->paths.v[slots[i]].text));
	return secret;
}

static void
sides(struct ruleset *rs, struct rule *r)
{
	for (int l = 0; l < LEVELS; l++) {
		side(rs, r->when[l], &r->left[l], &r->op[l], &r->right[l]);
		side(rs, r->resolve_when[l], &r->resolve_left[l], &r->resolve_op[l], &r->resolve_right[l]);
		r->secret |= shows_secret(rs, r->left[l]) || shows_secret(rs, r->right[l]) || shows_secret(rs, r->resolve_left[l]) ||
			shows_secret(rs, r->resolve_right[l]);
	}
}

/* ---- windows ---- */

static nsec
round_up(nsec v, nsec unit)
{
	return (v + unit - 1) / unit * unit;
}

static nsec
default_every(nsec over)
{
	nsec every = round_up((over + 59) / 60, NS_PER_S), most = round_up((over + 239) / 240, NS_PER_S);
	if (most < 60 * NS_PER_S)
		most = 60 * NS_PER_S;
	if (every < NS_PER_S)
		every = NS_PER_S;
	return every < most ? every : most;
}

static int
cell_of2(struct rule *r, enum cell_kind kind, int arg, int arg2)
{
	for (size_t i = 0; i < r->ncell; i++)
		if (r->cell[i].kind == kind && r->cell[i].arg == arg && r->cell[i].arg2 == arg2)
			return (int)i;
	r->cell = xrealloc(r->cell, (r->ncell + 1) * sizeof *r->cell);
	r->cell[r->ncell] = (struct cell_def){ kind, arg, arg2, false };
	r->sequenced |= cell_sequenced(kind);
	return (int)r->ncell++;
}

static int
cell_of(struct rule *r, enum cell_kind kind, int arg)
{
	return cell_of2(r, kind, arg, -1);
}

/* The cells that an aggregate reads. */
static void
cells_of(struct rule *r, const struct agg_use *u, struct agg_def *a, struct diags *d)
{
	char text[32];
	switch (u->fn) {
	case AGG_SUM:
	case AGG_AVG:
		a->cell = cell_of(r, CELL_SUM, u->arg);
		break;
	case AGG_STDDEV:
		a->cell = cell_of(r, CELL_SUM, u->arg);
		a->cell2 = cell_of(r, CELL_SQUARES, u->arg);
		break;
	case AGG_MIN:
		a->cell = cell_of(r, CELL_MIN, u->arg);
		break;
	case AGG_MAX:
		a->cell = cell_of(r, CELL_MAX, u->arg);
		break;
	case AGG_QUANTILE:
		a->cell = cell_of(r, CELL_SKETCH, u->arg);
		break;
	case AGG_DISTINCT:
		a->cell = cell_of(r, CELL_DISTINCT, u->arg);
		break;
	case AGG_LAST:
		a->cell = cell_of(r, CELL_LAST, u->arg);
		break;
	case AGG_INCREASE:
		a->cell = cell_of(r, CELL_GROWTH, u->arg);
		break;
	case AGG_CHANGES:
		a->cell = cell_of(r, CELL_CHANGES, u->arg);
		break;
	case AGG_STREAK:
		a->cell = cell_of2(r, CELL_STREAK, u->arg, u->arg2);
		break;
	case AGG_BASELINE:
		a->inner = u->inner;
		a->depth = round_up(u->depth, r->every) / r->every;
		if (u->depth < 4 * r->def->over) {
			dur_text(4 * r->def->over, text);
			diag(d, r->def->loc, "rule %s: the D of baseline(A, D) must be at least four times `over`: %s", r->name, text);
		}
		if (a->depth > r->depth)
			r->depth = a->depth;
		break;
	case AGG_COUNT:
	case AGG_RATE:
	case AGG_FNS:
		if (u->arg >= 0)
			a->cell = cell_of(r, CELL_COUNT, u->arg);
		break;
	}
}

/* Cells that look back on a metric selector's series. */
static void
labelled_cells(struct ruleset *rs, struct rule *r)
{
	for (size_t i = 0; i < r->ncell; i++) {
		struct cell_def *c = &r->cell[i];
		if ((c->kind != CELL_GROWTH && c->kind != CELL_CHANGES) || !expr_selects(rs->exprs, c->arg))
			continue;
		r->series_labels = paths_add_dotted(&rs->paths, "labels");
		c->labelled = r->series_labels >= 0; /* too many fields were told where the selector stands */
	}
}

static void
aggregates(struct ruleset *rs, struct rule *r, struct diags *d)
{
	r->agg = xcalloc(r->aggs.n, sizeof *r->agg);
	r->panes = r->own_panes;
	for (size_t i = 0; i < r->aggs.n; i++) {
		const struct agg_use *u = &r->aggs.v[i];
		struct agg_def *a = &r->agg[i];
		nsec over = u->over == NS_NONE ? r->over : round_up(u->over, r->every);
		*a = (struct agg_def){ .fn = u->fn, .cell = -1, .cell2 = -1, .inner = -1, .q = u->q, .panes = over / r->every,
			.seconds = (double)over / (double)NS_PER_S };
		if (a->panes > r->panes)
			r->panes = a->panes;
		cells_of(r, u, a, d);
	}
	labelled_cells(rs, r);
	if (r->panes > PANES_MAX)
		diag(d, r->def->loc, "rule %s: its windows have %lld panes, at most %d are kept; make `every` longer", r->name,
			(long long)r->panes, PANES_MAX);
}

static void
fold_layout(struct rule *r)
{
	r->fold_off = xcalloc(r->ncell, sizeof *r->fold_off);
	for (size_t i = 0; i < r->ncell; i++) {
		r->fold_off[i] = r->fold_cells;
		r->fold_cells += cell_ops[r->cell[i].kind].fold;
	}
}

static void
window(struct ruleset *rs, struct rule *r, struct scope *scope, struct diags *d)
{
	const struct rule_def *def = r->def;
	r->every = def->every != NS_NONE ? def->every : default_every(def->over);
	r->over = round_up(def->over, r->every);
	r->own_panes = r->over / r->every;
	r->no_data = def->no_data != NO_DATA_DEFAULT ? def->no_data : def->nby ? NO_DATA_RESOLVE : NO_DATA_EVALUATE;
	for (r->pane_class = 0; r->pane_class < rs->nevery; r->pane_class++)
		if (rs->every[r->pane_class] == r->every)
			break;
	if (r->pane_class == rs->nevery) {
		rs->every = xrealloc(rs->every, (rs->nevery + 1) * sizeof *rs->every);
		rs->every[rs->nevery++] = r->every;
	}
	scope->aggs = &r->aggs;
	scope->outside = rs->keyset[r->keyset].slot;
	scope->noutside = rs->keyset[r->keyset].n;
	for (size_t i = 0; i < def->nby; i++)
		scope->by_source |= strcmp(def->by[i].s, "@source") == 0;
	conditions(rs, r, &def->when, r->when, scope, d);
	conditions(rs, r, &def->resolve_when, r->resolve_when, scope, d);
	aggregates(rs, r, d);
	fold_layout(r);
}

/* ---- what the alert says ---- */

static void
standard_fields(struct ruleset *rs, struct rule *r)
{
	static const char *const names[3][2] = { { "session_id", "extra.session_id" }, { "user_id", "extra.user_id" },
		{ "stage", "extra.stage" } };
	int *const to[3] = { r->session_id, r->user_id, r->stage };
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 2; k++) {
			to[i][k] = paths_add_dotted(&rs->paths, names[i][k]);
			if (r->shape != SHAPE_WINDOW && to[i][k] >= 0)
				rule_carries(r, to[i][k]);
		}
}

static int *
carried(struct ruleset *rs, struct rule *r, const struct text_at *v, size_t n, struct diags *d)
{
	int *slots = xcalloc(n, sizeof *slots);
	for (size_t i = 0; i < n; i++) {
		int slot = slots[i] = expr_field(rs->exprs, v[i], NULL, d);
		bool in_key = slot < 0;
		for (size_t k = 0; k < rs->keyset[r->keyset].n; k++)
			in_key |= rs->keyset[r->keyset].slot[k] == slot;
		if (slot >= 0 && !(in_key && r->shape == SHAPE_WINDOW))
			rule_carries(r, slot);
	}
	return slots;
}

static char *
labels_of(const struct strmap *m)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_addc(&b, '{');
	for (size_t i = 0; i < m->n; i++) {
		if (i)
			buf_addc(&b, ',');
		json_str(&b, str_of(m->k[i]));
		buf_addc(&b, ':');
		json_str(&b, str_of(m->v[i]));
	}
	buf_addc(&b, '}');
	return buf_take(&b);
}

/* ---- dispatch ---- */

/* The nth equality of id on slot; slot -1: on any. */
static bool
equality(const struct ruleset *rs, int id, int slot, struct dispatch *d, int side)
{
	int found;
	const struct val *lits;
	size_t nlits;
	for (size_t n = 0; id >= 0 && expr_equality(rs->exprs, id, n, &found, &lits, &nlits); n++)
		if (slot < 0 || found == slot) {
			d->slot = found;
			d->lits[side] = lits;
			d->nlits[side] = nlits;
			return true;
		}
	return false;
}

static void
dispatch(const struct ruleset *rs, struct rule *r)
{
	struct dispatch *d = &r->dispatch;
	d->slot = -1;
	if (equality(rs, r->where, -1, d, 0))
		return;
	if (r->shape == SHAPE_RECORD && r->nprev == 0 && !r->by_level && equality(rs, r->when[r->def->severity], -1, d, 0))
		return;
	if (r->shape == SHAPE_PAIR && !r->def->forget_given && equality(rs, r->open, -1, d, 0) && equality(rs, r->close, d->slot, d, 1))
		return;
	*d = (struct dispatch){ .slot = -1 };
}

/* ---- one rule ---- */

static void
shape_text(const struct ruleset *rs, struct rule *r)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_printf(&b, "%d|", r->shape);
	for (size_t i = 0; i < rs->keyset[r->keyset].n; i++)
		buf_printf(&b, "%s,", rs->keyset[r->keyset].name[i]);
	buf_printf(&b, "|%lld|%lld|", (long long)r->every, (long long)r->panes);
	if (r->where >= 0)
		expr_text(rs->exprs, r->where, &b);
	for (size_t i = 0; i < r->ncell; i++) {
		buf_printf(&b, "|%s:", cell_ops[r->cell[i].kind].name);
		expr_text(rs->exprs, r->cell[i].arg, &b);
		if (r->cell[i].arg2 >= 0)
			expr_text(rs->exprs, r->cell[i].arg2, &b);
	}
	for (size_t i = 0; i < r->nprev; i++)
		buf_printf(&b, "|prev %s", rs->paths.v[r->prev[i]].text);
	if (r->shape == SHAPE_PAIR) {
		buf_addc(&b, '|');
		expr_text(rs->exprs, r->open, &b);
		buf_addc(&b, '|');
		expr_text(rs->exprs, r->close, &b);
	}
	for (size_t i = 0; i < r->aggs.n; i++)
		if (r->agg[i].fn == AGG_BASELINE)
			buf_printf(&b, "|baseline %d %lld", r->agg[i].inner, (long long)r->agg[i].depth);
	if (r->first >= 0) {
		buf_addz(&b, "|first ");
		expr_text(rs->exprs, r->first, &b);
	}
	for (size_t i = 0; i < r->carry.n; i++)
		buf_printf(&b, "|%s", rs->paths.v[r->carry.slot[i]].text);
	buf_printf(&b, "|%u", r->metas);
	r->state_shape = buf_take(&b);
}

static enum shape
shape_of(const struct rule_def *def)
{
	if (def->open.s)
		return SHAPE_PAIR;
	if (def->absent != NS_NONE || def->first.s)
		return SHAPE_PRESENCE;
	return def->over != NS_NONE ? SHAPE_WINDOW : SHAPE_RECORD;
}

static void
record_prev(struct ruleset *rs, struct rule *r)
{
	int slots[PATH_SEGS_MAX * 4];
	for (int l = 0; l < LEVELS; l++) {
		if (r->when[l] < 0)
			continue;
		size_t n = expr_prev_slots(rs->exprs, r->when[l], slots, COUNT_OF(slots));
		for (size_t i = 0; i < n && i < COUNT_OF(slots); i++) {
			size_t k = 0;
			while (k < r->nprev && r->prev[k] != slots[i])
				k++;
			if (k == r->nprev) {
				r->prev = xrealloc(r->prev, (r->nprev + 1) * sizeof *r->prev);
				r->prev[r->nprev++] = slots[i];
			}
		}
	}
	if (r->nprev == 0)
		return;
	for (size_t i = 0; i < r->nprev; i++)
		rule_carries(r, r->prev[i]);
	for (int l = 0; l < LEVELS; l++) /* the back evaluates `when`: it needs all it names */
		for (size_t i = 0, n = r->when[l] < 0 ? 0 : expr_slots(rs->exprs, r->when[l], slots, COUNT_OF(slots)); i < n; i++)
			rule_carries(r, slots[i]);
	for (int l = 0; l < LEVELS; l++)
		r->metas |= r->when[l] < 0 ? 0 : expr_metas(rs->exprs, r->when[l]);
}

/* The back tells a record alert's value and threshold from what the tuple carries. */
static void
carry_value(struct ruleset *rs, struct rule *r)
{
	int slots[PATH_SEGS_MAX * 4];
	for (int i = 0; i < 2 * LEVELS; i++) {
		int id = i < LEVELS ? r->left[i] : r->right[i - LEVELS];
		size_t n = id < 0 ? 0 : expr_slots(rs->exprs, id, slots, COUNT_OF(slots));
		for (size_t k = 0; k < n && k < COUNT_OF(slots); k++)
			rule_carries(r, slots[k]);
		r->metas |= id < 0 ? 0 : expr_metas(rs->exprs, id);
	}
}

/* `absent` with the keys it expects, or `first` with the field whose values it learns. */
static void
presence(struct ruleset *rs, struct rule *r, const struct scope *scope, struct diags *d)
{
	const struct rule_def *def = r->def;
	if (def->first.s) {
		int slot = expr_field(rs->exprs, def->first, NULL, d);
		r->first = slot < 0 ? -1 : expr_compile(rs->exprs, def->first, scope, d);
		struct keyset k = rs->keyset[r->keyset];
		if (k.n == BY_MAX)
			diag(d, def->first.loc, "`by` takes at most %d fields where `first` joins them", BY_MAX - 1);
		if (slot < 0 || k.n == BY_MAX)
			return;
		for (size_t i = 0; i < k.n; i++)
			k.name[i] = xstrdup(k.name[i]);
		k.slot[k.n] = slot;
		k.expr[k.n] = -1;
		k.name[k.n++] = xstrdup(rs->paths.v[slot].text);
		r->keyset_out = keyset_add(rs, &k);
		return;
	}
	r->expect = xcalloc(def->nexpect, sizeof *r->expect);
	for (size_t i = 0; i < def->nexpect; i++) {
		struct buf b;
		buf_init(&b, 1 << 16);
		for (size_t f = 0; f < def->nby; f++) {
			if (f)
				buf_addc(&b, ',');
			buf_addz(&b, def->expect[i][f].s);
		}
		buf_addc(&b, '}');
		r->expect[r->nexpect++] = buf_take(&b);
	}
}

static void
rule_compile(struct ruleset *rs, struct rule *r, const struct rule_def *def, size_t index, struct diags *d)
{
	*r = (struct rule){ .index = index, .def = def, .name = def->name.s, .shape = shape_of(def), .where = -1, .open = -1,
		.close = -1, .first = -1, .absent = def->absent, .learn = def->learn, .dispatch = { .slot = -1 } };
	for (int l = 0; l < LEVELS; l++)
		r->when[l] = r->resolve_when[l] = r->left[l] = r->right[l] = -1;
	unsigned before = d->n;
	r->by_level = def->when.by_level;
	r->has_resolve = def->resolve_when.given;
	for (int l = 0; l < LEVELS; l++)
		r->for_[l] = def->for_given && def->for_[l] != NS_NONE ? def->for_[l] : 0;
	r->hold = def->hold;
	r->within = def->within;
	r->forget = def->forget;
	sources_of(rs, r, d);
	keyset_of(rs, r, d);
	if (r->keyset >= rs->nkeyset)
		return; /* its `by` is wrong and told: nothing else can be checked against it */
	struct scope scope = { .regex_limit = def->regex_limit, .regex_subject = def->regex_subject };
	r->where = compile(rs, def->where, &scope, d);
	switch (r->shape) {
	case SHAPE_RECORD:
		scope.prev = true;
		conditions(rs, r, &def->when, r->when, &scope, d);
		record_prev(rs, r);
		break;
	case SHAPE_WINDOW:
		window(rs, r, &scope, d);
		break;
	case SHAPE_PAIR:
		r->open = compile(rs, def->open, &scope, d);
		r->close = compile(rs, def->close, &scope, d);
		break;
	case SHAPE_PRESENCE:
		presence(rs, r, &scope, d);
		break;
	case SHAPES:
		break;
	}
	sides(rs, r);
	if (r->shape == SHAPE_RECORD)
		carry_value(rs, r);
	r->context = carried(rs, r, def->context, def->ncontext, d);
	r->fingerprint = carried(rs, r, def->fingerprint, def->nfingerprint, d);
	standard_fields(rs, r);
	if (def->title.s)
		r->title = template_new(rs, r, def->title, d);
	if (def->text.s)
		r->text = template_new(rs, r, def->text, d);
	r->lines = r->samples || r->shape == SHAPE_RECORD;
	r->labels = labels_of(&def->labels);
	if (d->n > before)
		return; /* what is wrong with it is told; it is never run */
	dispatch(rs, r);
	shape_text(rs, r);
}

struct ruleset *
ruleset_new(const struct config *c, struct diags *d)
{
	struct ruleset *rs = xcalloc(1, sizeof *rs);
	rs->config = c;
	rs->exprs = exprs_new(&rs->paths);
	rs->redact = redact_new(&c->redact);
	rs->rule = xcalloc(c->nrule, sizeof *rs->rule);
	if (c->nsource > SOURCES_MAX)
		diag(d, c->source[SOURCES_MAX].loc, "at most %d sources", SOURCES_MAX);
	for (size_t i = 0; i < c->nrule && c->nsource <= SOURCES_MAX; i++)
		rule_compile(rs, &rs->rule[rs->nrule++], &c->rule[i], i, d);
	return rs;
}

void
ruleset_free(struct ruleset *rs)
{
	if (rs == NULL)
		return;
	for (size_t i = 0; i < rs->nrule; i++) {
		struct rule *r = &rs->rule[i];
		free(r->aggs.v);
		free(r->agg);
		free(r->cell);
		free(r->fold_off);
		free(r->prev);
		free(r->carry.slot);
		free(r->context);
		free(r->fingerprint);
		for (size_t k = 0; k < r->nexpect; k++)
			free(r->expect[k]);
		free(r->expect);
		template_free(r->title);
		template_free(r->text);
		free(r->labels);
		free(r->state_shape);
	}
	for (size_t i = 0; i < rs->nkeyset; i++)
		for (size_t k = 0; k < rs->keyset[i].n; k++)
			free(rs->keyset[i].prefix[k]), free(rs->keyset[i].name[k]);
	free(rs->keyset);
	free(rs->clock);
	free(rs->every);
	free(rs->rule);
	exprs_free(rs->exprs);
	redact_free(rs->redact);
	paths_free(&rs->paths);
	free(rs);
}
