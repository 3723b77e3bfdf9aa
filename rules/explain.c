/* explain.c - a compiled rule set in words and numbers.
 *
 * In: a rule set. Out: text. Owns: nothing.
 * Never: says what the program does not do: all is read from the structs that run.
 */
#include "rules/explain.h"

#include "core/units.h"
#include "rules/cell.h"
#include "rules/held.h"
#include "rules/route.h"
#include "rules/series.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELD_BYTES 32   /* a key's value, a carried field: as text with its header */
#define SAMPLE_BYTES (sizeof(struct sample) + FIELD_BYTES + HELD_BLOCK)
#define TABLE_BYTES 40   /* a key's share of its table, of which a third to two thirds are in use, and of its timer's place */
#define TEXT_MAX (16 << 20)

void
explain_bytes(double n, struct buf *out)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;
	for (; n >= 1024 && u + 1 < COUNT_OF(unit); u++)
		n /= 1024;
	buf_printf(out, n < 10 && u > 0 ? "%.1f %s" : "%.0f %s", n, unit[u]);
}

/* ---- state ---- */

/* An array that grows by half from `from`, as those of panes (up) and buckets do, once it holds n. */
static size_t
grown(size_t from, size_t n, size_t up)
{
	while (from < n)
		from += (from + up) / 2;
	return from;
}

/* Panes of a key whose window is full: one is leaving, one fills, and those after it come early by as much as records may be late. */
static size_t
panes_held(const struct ruleset *rs, const struct rule *r)
{
	nsec late = 0;
	for (size_t i = 0; i < rs->config->nsource; i++)
		if (r->sources >> i & 1 && rs->config->source[i].late > late)
			late = rs->config->source[i].late;
	return (size_t)(r->panes + 2 + (late + r->every - 1) / r->every);
}

static size_t
block(size_t bytes) /* as a pool and the allocator give it */
{
	return (bytes + 15) / 16 * 16 + (bytes > POOL_MAX ? HELD_BLOCK : 0);
}

/* What a cell holds beside its place in the pane. */
static size_t
cell_bytes(enum cell_kind kind)
{
	switch (kind) {
	case CELL_SKETCH:
		return grown(4, EXPLAIN_BUCKETS, 0) * sizeof(struct bucket) + HELD_BLOCK;
	case CELL_DISTINCT:
		return EXPLAIN_DISTINCT * sizeof(uint64_t) + HELD_BLOCK;
	case CELL_LAST:
		return SAMPLE_BYTES;
	case CELL_COUNT:
	case CELL_SUM:
	case CELL_SQUARES:
	case CELL_MIN:
	case CELL_MAX:
	case CELL_GROWTH:
	case CELL_CHANGES:
	case CELL_STREAK:
	case CELLS:
		break;
	}
	return 0;
}

static size_t
pane_bytes(const struct rule *r, size_t *stride)
{
	struct rule_state *rs = rule_state_new(r);
	size_t n = *stride = rs->stride;
	rule_state_free(rs);
	for (size_t i = 0; i < r->ncell; i++)
		n += cell_bytes(r->cell[i].kind);
	return n;
}

/* Series and baselines: what outlives the panes. */
static size_t
memory_bytes(const struct rule *r)
{
	size_t series = 0, past = 0;
	for (size_t i = 0; i < r->ncell; i++)
		if (r->cell[i].kind == CELL_GROWTH || r->cell[i].kind == CELL_CHANGES ||
			(r->cell[i].kind == CELL_STREAK && r->cell[i].arg2 >= 0))
			series++;
	for (size_t i = 0; i < r->aggs.n; i++)
		if (r->agg[i].fn == AGG_BASELINE)
			past += (size_t)((r->agg[i].depth + r->own_panes - 1) / r->own_panes) + 1;
	if (series == 0 && past == 0)
		return 0;
	return sizeof(struct memory) + 3 * HELD_BLOCK + series * (sizeof(struct series) + SAMPLE_BYTES) + past * 3 / 2 * sizeof(struct past);
}

static size_t
carried_bytes(const struct rule *r)
{
	if (r->shape == SHAPE_WINDOW && !r->carry.n && !r->samples)
		return 0;
	return block(sizeof(struct carried) + r->carry.n * FIELD_BYTES + (r->lines ? RAW_KEPT * (r->samples ? 3u : 1u) : 0));
}

size_t
explain_value_bytes(const struct ruleset *rs, const struct rule *r)
{
	size_t fields = rs->keyset[r->keyset].n + 1;
	if (r->shape != SHAPE_PRESENCE || r->first < 0)
		return 0;
	return block(sizeof(struct key) + fields * FIELD_BYTES) + TABLE_BYTES + sizeof(struct open_alert) + HELD_BLOCK + carried_bytes(r);
}

size_t
explain_key_bytes(const struct ruleset *rs, const struct rule *r)
{
	size_t stride, n = block(sizeof(struct key) + rs->keyset[r->keyset].n * FIELD_BYTES) + TABLE_BYTES;
	if (r->shape == SHAPE_PRESENCE && r->first >= 0) /* what it carries and its alert are its values' */
		return n;
	n += sizeof(struct open_alert) + HELD_BLOCK + carried_bytes(r);
	if (r->shape == SHAPE_WINDOW) {
		size_t panes = panes_held(rs, r), full = pane_bytes(r, &stride);
		n += block(grown(2, panes, 1) * stride) + panes * (full - stride) + memory_bytes(r);
	}
	if (r->nprev)
		n += block(r->carry.n * FIELD_BYTES);
	return n;
}

int64_t
explain_keys(const struct rule *r)
{
	return r->def->nby ? r->def->max_keys : 1;
}

/* ---- one line ---- */

static void
dur(const char *before, nsec d, struct buf *out)
{
	char text[32];
	dur_text(d, text);
	buf_printf(out, "%s%s", before, text);
}

static void
levels(const struct rule *r, struct buf *out)
{
	size_t n = 0;
	for (int l = 0; r->by_level && l < LEVELS; l++)
		if (r->when[l] >= 0)
			buf_printf(out, "%s%s", n++ ? ", " : "", level_name[l]);
	if (n == 0)
		buf_addz(out, level_name[r->def->severity]);
}

static void
shape_words(const struct rule *r, struct buf *out)
{
	nsec last = 0;
	switch (r->shape) {
	case SHAPE_RECORD:
		buf_addz(out, r->nprev ? "record with the one before" : "record");
		if (r->hold > 0)
			dur(", hold ", r->hold, out);
		else
			buf_addz(out, ", each match its own alert");
		break;
	case SHAPE_WINDOW:
		dur("window ", r->over, out);
		dur(", every ", r->every, out);
		for (int l = 0; l < LEVELS; l++)
			if (r->when[l] >= 0 && r->for_[l] > 0 && r->for_[l] != last) {
				dur(last ? "/" : ", for ", r->for_[l], out);
				last = r->for_[l];
			}
		break;
	case SHAPE_PAIR:
		dur("pair, within ", r->within, out);
		break;
	case SHAPE_PRESENCE:
	case SHAPES:
		buf_addz(out, r->def->first.s ? "first" : "absent");
		break;
	}
}

void
explain_line(const struct ruleset *rs, const struct rule *r, struct buf *out)
{
	const struct keyset *k = &rs->keyset[r->keyset];
	shape_words(r, out);
	buf_addz(out, k->n ? "; key " : "; one key");
	for (size_t i = 0; i < k->n; i++)
		buf_printf(out, "%s%s", i ? ", " : "", k->name[i]);
	buf_addz(out, "; ");
	levels(r, out);
	if (r->def->shadow)
		buf_addz(out, "; shadow: never sent");
}

/* ---- the program ---- */

static void
program(const struct ruleset *rs, const char *what, int id, struct buf *out)
{
	if (id < 0)
		return;
	buf_printf(out, "  %-14s #%-5d ", what, id);
	expr_text(rs->exprs, id, out);
	buf_addc(out, '\n');
}

static void
conditions(const struct ruleset *rs, const struct rule *r, const char *what, const int *v, struct buf *out)
{
	char name[40];
	for (int l = 0; l < LEVELS; l++) {
		snprintf(name, sizeof name, r->by_level ? "%s %s" : "%s", what, level_name[l]);
		program(rs, name, v[l], out);
	}
}

static void
dispatch(const struct ruleset *rs, const struct rule *r, struct buf *out)
{
	const struct dispatch *d = &r->dispatch;
	if (d->slot < 0) {
		buf_addz(out, "  reached by     every record of its sources\n");
		return;
	}
	buf_printf(out, "  reached by     %s in [", rs->paths.v[d->slot].text);
	size_t n = 0;
	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < d->nlits[i]; k++) {
			buf_addz(out, n++ ? ", " : "");
			val_text(&d->lits[i][k], out);
		}
	buf_addz(out, "] (one hash look-up)\n");
}

static void
windows(const struct ruleset *rs, const struct rule *r, struct buf *out)
{
	size_t stride, pane = pane_bytes(r, &stride);
	for (size_t i = 0; i < r->ncell; i++) {
		char name[40];
		snprintf(name, sizeof name, "cell %zu %s", i, cell_ops[r->cell[i].kind].name);
		program(rs, name, r->cell[i].arg, out);
	}
	for (size_t i = 0; i < r->aggs.n; i++) {
		const struct agg_def *a = &r->agg[i];
		buf_printf(out, "  aggregate %-4zu ", i);
		if (a->cell < 0)
			buf_addz(out, "records of a pane");
		else
			buf_printf(out, "cell %d", a->cell);
		if (a->fn == AGG_QUANTILE)
			buf_printf(out, ", quantile %g", a->q);
		buf_printf(out, ", %lld panes\n", (long long)a->panes);
	}
	dur("  panes          ", r->every, out);
	buf_printf(out, " each, %lld at most, %zu B of state each", (long long)r->panes, stride);
	if (pane > stride)
		buf_printf(out, " and buckets (counted: %zu B)", pane - stride);
	buf_addc(out, '\n');
}

void
explain_rule(const struct ruleset *rs, const struct rule *r, struct buf *out)
{
	buf_printf(out, "%s: ", r->name);
	explain_line(rs, r, out);
	buf_addc(out, '\n');
	dispatch(rs, r, out);
	program(rs, "where", r->where, out);
	conditions(rs, r, "when", r->when, out);
	conditions(rs, r, "resolve_when", r->resolve_when, out);
	program(rs, "open", r->open, out);
	program(rs, "close", r->close, out);
	if (r->shape == SHAPE_WINDOW)
		windows(rs, r, out);
	if (r->carry.n) {
		buf_addz(out, "  carries        ");
		for (size_t i = 0; i < r->carry.n; i++)
			buf_printf(out, "%s%s", i ? ", " : "", rs->paths.v[r->carry.slot[i]].text);
		buf_addc(out, '\n');
	}
	buf_addz(out, "  a key          up to ");
	explain_bytes((double)explain_key_bytes(rs, r), out);
	buf_addc(out, '\n');
}

static void
roots(const struct rule *r, void (*each)(void *arg, int id), void *arg)
{
	each(arg, r->where);
	each(arg, r->open);
	each(arg, r->close);
	for (int l = 0; l < LEVELS; l++) {
		each(arg, r->when[l]);
		each(arg, r->resolve_when[l]);
	}
	for (size_t i = 0; i < r->ncell; i++)
		each(arg, r->cell[i].arg);
}

struct listing {
	const struct exprs *x;
	struct buf lines; /* of all roots, one after the other */
};

static void
list_root(void *arg, int id)
{
	struct listing *l = arg;
	if (id >= 0)
		expr_listing(l->x, id, &l->lines);
}

static int
by_number(const void *a, const void *b)
{
	long x = strtol(*(char *const *)a + 1, NULL, 10), y = strtol(*(char *const *)b + 1, NULL, 10);
	return (x > y) - (x < y);
}

void
explain_program(const struct ruleset *rs, struct buf *out)
{
	struct listing l = { .x = rs->exprs };
	char **line = NULL;
	size_t n = 0, cap = 0;
	buf_init(&l.lines, TEXT_MAX);
	for (size_t i = 0; i < rs->nrule; i++)
		roots(&rs->rule[i], list_root, &l);
	for (char *p = l.lines.len ? l.lines.data : NULL, *end; p && (end = strchr(p, '\n')); p = end + 1) {
		GROW(line, n, cap);
		*end = '\0';
		line[n++] = p;
	}
	if (n)
		qsort(line, n, sizeof *line, by_number);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || by_number(&line[i - 1], &line[i]) != 0)
			buf_printf(out, "  %s\n", line[i]);
	free(line);
	buf_free(&l.lines);
}

void
explain_source(const struct ruleset *rs, const struct front_source *s, struct buf *out)
{
	buf_printf(out, "  %s: %zu fields wanted by all rules; %zu rules see every record", s->conf->name, rs->paths.n, s->nalways);
	for (size_t i = 0; i < s->nroute; i++) {
		size_t values = 0;
		for (uint32_t k = 0; k <= s->route[i].mask; k++)
			values += s->route[i].table[k].value.ptr != NULL;
		buf_printf(out, "; %zu value%s of %s behind a hash look-up", values, values == 1 ? "" : "s",
			rs->paths.v[s->route[i].slot].text);
	}
	buf_addc(out, '\n');
}
