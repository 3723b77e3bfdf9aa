/* front.c - the hot path: lines to folds and tuples.
 *
 * In: struct batch.  Out: struct block.  Next: back.c.
 * The combiner is a direct-mapped table of the folds of the current block: a record whose (rule, key, pane) is there is
 * merged in place, so a block carries a hot key once.
 */
#include "rules/front.h"

#include "core/json.h"
#include "core/num.h"
#include "core/units.h"
#include "rules/cell.h"
#include "rules/route.h"

#include <math.h>
#include <stdlib.h>

#define COMBINER_SLOTS 4096 /* power of two */
#define KEY_BYTES_MAX (1 << 16) /* a longer key is no key: counted with those that lack one */
#define HELD_BYTES_MAX (1 << 20)
#define SUM_VALUE_MAX 0x1p990 /* 1e298: no 2^32 of them leave a double's range. Larger ones are no numbers to a sum */
#define STAMP_SECOND 19 /* bytes of a date and time to the second */

struct key_text {        /* of the current record, one a keyset */
	uint64_t gen;
	uint64_t hash;
	bool null;       /* the record lacks a field of it */
	struct buf text; /* canonical JSON values: "merging",12} */
};

struct slot_of {         /* combiner: where in the block's folds */
	uint64_t gen;
	uint32_t at;
};

struct front {
	const struct ruleset *rs;
	struct parser *parser;
	struct regex_scratch *regex;
	struct eval *eval;
	struct record rec, held_rec;
	struct key_text *key;
	int64_t *pane;         /* of the current record, by pane class */
	uint64_t *pane_gen;
	uint64_t gen;          /* of the record */
	struct code {
		uint64_t gen;
		int arg;
		int32_t code;
	} code[16];            /* buckets of values, by expression */
	struct slot_of *combiner;
	uint64_t block_gen;
	struct arena held_arena;
	struct buf samples;    /* of the tuple being made; empty between */
	char second[STAMP_SECOND]; /* the last stamp read, to its second, and that second */
	nsec second_ns;
	nsec from, to;         /* records outside count for time only */
	front_watcher *watch;  /* weir check; else NULL */
	void *watch_arg;
};

static const char *const usual_times[] = { "timestamp", "time", "ts", "@timestamp" };

void
front_source_init(struct front_source *s, struct ruleset *rs, const struct source_conf *conf, size_t index)
{
	*s = (struct front_source){ .conf = conf, .index = index, .name = str_of(conf->name) };
	s->zone = conf->zone ? zone_open(conf->zone) : NULL;
	if (conf->time)
		s->time_slot[s->ntime++] = paths_add_dotted(&rs->paths, conf->time);
	else if (!conf->time_read)
		for (size_t i = 0; i < COUNT_OF(usual_times); i++)
			s->time_slot[s->ntime++] = paths_add_dotted(&rs->paths, usual_times[i]);
	routes_build(s, rs);
}

void
front_source_release(struct front_source *s)
{
	zone_free(s->zone);
	routes_free(s);
}

void
fpart_init(struct fpart *p, const struct front_source *s, uint32_t number)
{
	*p = (struct fpart){ .source = s, .number = number, .order = number, .held_stamp = NS_NONE };
	ptime_init(&p->time);
	buf_init(&p->held, 2 * HELD_BYTES_MAX + (size_t)s->conf->max_record); /* the one that jumps always fits */
}

void
fpart_release(struct fpart *p)
{
	buf_free(&p->held);
}

struct front *
front_new(const struct ruleset *rs)
{
	struct front *f = xcalloc(1, sizeof *f);
	f->rs = rs;
	f->parser = parser_new(&rs->paths);
	f->regex = regex_scratch_new();
	f->eval = eval_new(rs->exprs, f->regex);
	f->rec.slot = xcalloc(rs->paths.n + 1, sizeof *f->rec.slot);
	f->held_rec.slot = xcalloc(rs->paths.n + 1, sizeof *f->held_rec.slot);
	f->key = xcalloc(rs->nkeyset, sizeof *f->key);
	for (size_t i = 0; i < rs->nkeyset; i++)
		buf_init(&f->key[i].text, KEY_BYTES_MAX);
	f->pane = xcalloc(rs->nevery, sizeof *f->pane);
	f->pane_gen = xcalloc(rs->nevery, sizeof *f->pane_gen);
	f->combiner = xcalloc(COMBINER_SLOTS, sizeof *f->combiner);
	memset(f->second, 0xff, sizeof f->second); /* no text has these bytes */
	buf_init(&f->samples, 1 << 20);
	f->from = INT64_MIN;
	f->to = INT64_MAX;
	return f;
}

void
front_bounds(struct front *f, nsec from, nsec to)
{
	f->from = from;
	f->to = to;
}

void
front_watch(struct front *f, front_watcher *watch, void *arg)
{
	f->watch = watch;
	f->watch_arg = arg;
}

void
front_free(struct front *f)
{
	if (f == NULL)
		return;
	parser_free(f->parser);
	eval_free(f->eval);
	regex_scratch_free(f->regex);
	free(f->rec.slot);
	free(f->held_rec.slot);
	for (size_t i = 0; i < f->rs->nkeyset; i++)
		buf_free(&f->key[i].text);
	free(f->key);
	free(f->pane);
	free(f->pane_gen);
	free(f->combiner);
	arena_free(&f->held_arena);
	buf_free(&f->samples);
	free(f);
}

uint64_t
front_regex_limits(const struct front *f)
{
	return regex_limits_hit(f->regex);
}

/* ---- keys ---- */

static void
key_value(struct buf *b, struct eval *e, int slot, const struct slice *s)
{
	char text[32];
	switch ((enum slice_kind)s->kind) {
	case K_NUM: /* equal values are equal keys: 1 and 1.0 */
		buf_add(b, text, num_text(eval_slot(e, slot).n, text));
		break;
	case K_STR:
	case K_JSON:
		json_str(b, (struct str){ s->ptr, s->len });
		break;
	case K_TRUE:
		buf_add(b, "true", 4);
		break;
	case K_FALSE:
		buf_add(b, "false", 5);
		break;
	case K_NONE:
	case K_NULL:
		break;
	}
}

/* An @name in `by`: text as a rule sees it. */
static bool
key_at(struct front *f, struct buf *b, int expr)
{
	char text[32];
	struct val v = eval_value(f->eval, expr);
	if (v.type == V_NUM) /* a time or an offset: finite */
		buf_add(b, text, num_text(v.n, text));
	else if (v.type == V_STR)
		json_str(b, v.s);
	else if (v.type == V_BOOL)
		buf_addz(b, v.b ? "true" : "false");
	return v.type != V_NULL;
}

/* The usual key: all its fields are strings as they stand in the line. Those hold no escape, so the line's own bytes are
 * their canonical form. Gives the end of the text, NULL where a field is anything else. */
static char *
key_plain(const struct record *r, const struct keyset *ks, struct buf *text)
{
	size_t size = ks->n + 1;
	for (size_t i = 0; i < ks->n; i++) {
		if (ks->slot[i] < 0)
			return NULL;
		const struct slice *s = &r->slot[ks->slot[i]];
		if (s->kind != K_STR || (size_t)(s->ptr - r->raw.ptr) > r->raw.len)
			return NULL;
		size += s->len + 2;
	}
	char *p = text->cap > size ? text->data : buf_room(text, size);
	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < ks->n; i++) {
		const struct slice *s = &r->slot[ks->slot[i]];
		if (i)
			*p++ = ',';
		*p++ = '"';
		p = mempcpy(p, s->ptr, s->len);
		*p++ = '"';
	}
	*p++ = '}';
	return p;
}

static void
key_any(struct front *f, const struct keyset *ks, struct key_text *k)
{
	for (size_t i = 0; i < ks->n && !k->null; i++) {
		if (i)
			buf_addc(&k->text, ',');
		if (ks->slot[i] < 0) {
			k->null = !key_at(f, &k->text, ks->expr[i]);
			continue;
		}
		const struct slice *s = &f->rec.slot[ks->slot[i]];
		k->null = s->kind <= K_NULL || (s->kind == K_NUM && !isfinite(eval_slot(f->eval, ks->slot[i]).n));
		if (!k->null)
			key_value(&k->text, f->eval, ks->slot[i], s);
	}
	buf_addc(&k->text, '}');
	k->null |= k->text.over;
}

static const struct key_text *
key_of(struct front *f, size_t keyset)
{
	struct key_text *k = &f->key[keyset];
	if (k->gen == f->gen)
		return k;
	const struct keyset *ks = &f->rs->keyset[keyset];
	k->gen = f->gen;
	k->null = false;
	buf_clear(&k->text);
	char *end = key_plain(&f->rec, ks, &k->text);
	if (end)
		k->text.len = (size_t)(end - k->text.data);
	else
		key_any(f, ks, k);
	k->hash = str_hash(buf_str(&k->text), hash_seed);
	return k;
}

/* ---- folds ---- */

static int64_t
pane_of(struct front *f, size_t pane_class)
{
	if (f->pane_gen[pane_class] != f->gen) {
		nsec every = f->rs->every[pane_class], t = f->rec.time;
		f->pane[pane_class] = t / every - (t % every < 0);
		f->pane_gen[pane_class] = f->gen;
	}
	return f->pane[pane_class];
}

static struct slot_of *
combiner_at(struct front *f, const struct rule *r, uint64_t hash)
{
	return &f->combiner[(hash ^ r->index * UINT64_C(0x9e3779b97f4a7c15)) >> 7 & (COMBINER_SLOTS - 1)];
}

static struct fold *
fold_new(struct front *f, struct block *out, const struct rule *r, const struct key_text *k, int64_t pane)
{
	size_t size = (sizeof(struct fold) + r->fold_cells + k->text.len + 7) & ~(size_t)7;
	struct fold *d = (struct fold *)(void *)buf_room(&out->folds, size);
	must(d != NULL);
	*d = (struct fold){ (uint32_t)r->index, (uint32_t)k->text.len, k->hash, pane, 0, (uint32_t)size };
	memset(d + 1, 0, r->fold_cells);
	for (size_t i = 0; i < r->ncell; i++)
		if (!cell_sequenced(r->cell[i].kind))
			cell_init(r->cell[i].kind, fold_cell(d, r, i));
	memcpy((char *)(d + 1) + r->fold_cells, k->text.data, k->text.len);
	struct slot_of *s = combiner_at(f, r, k->hash);
	s->gen = f->block_gen;
	s->at = (uint32_t)out->folds.len;
	out->folds.len += size;
	return d;
}

static struct fold *
fold_of(struct front *f, struct block *out, const struct rule *r, const struct key_text *k, int64_t pane)
{
	const struct slot_of *s = combiner_at(f, r, k->hash);
	if (s->gen == f->block_gen) {
		struct fold *d = (struct fold *)(void *)(out->folds.data + s->at);
		if (d->rule == r->index && d->hash == k->hash && d->pane == pane && d->klen == k->text.len &&
			memcmp(fold_key(d, r), k->text.data, d->klen) == 0)
			return d;
	}
	return fold_new(f, out, r, k, pane);
}

/* Add v; false: it does not fit exactly, the caller starts a new fold. */
static bool
sum_add(struct fold_sum *c, double v)
{
	double s = c->hi + v, bb = s - c->hi;
	double lo = (c->hi - (s - bb)) + (v - bb);
	double t = c->lo + lo;
	bb = t - c->lo;
	if ((c->lo - (t - bb)) + (lo - bb) != 0 || !isfinite(s))
		return false;
	c->hi = s;
	c->lo = t;
	c->n++;
	return true;
}

/* The bucket of an expression's value, found once a record however many rules look at it. */
static int32_t
code_of(struct front *f, int arg, double v)
{
	struct code *c = &f->code[(unsigned)arg % COUNT_OF(f->code)];
	if (c->gen != f->gen || c->arg != arg)
		*c = (struct code){ f->gen, arg, sketch_code(v) };
	return c->code;
}

static bool
sketch_take(struct fold_sketch *c, int32_t code)
{
	for (uint64_t i = 0; i < c->used; i++)
		if (c->v[i].code == code) {
			c->v[i].n++;
			return true;
		}
	if (c->used == FOLD_BUCKETS)
		return false;
	c->v[c->used++] = (struct bucket){ code, 1 };
	return true;
}

/* v * v, exactly, into the expansion (xsum.h); false: it has no room left. */
static bool
squares_add(struct fold_squares *c, double v)
{
	double p = v * v, part[2] = { fma(v, v, -p), p };
	if (!isfinite(p) || c->n + 2 > FOLD_PARTS)
		return !isfinite(p);
	for (int k = 0; k < 2; k++) {
		uint64_t kept = 0;
		double x = part[k];
		for (uint64_t i = 0; i < c->n; i++) {
			double s = x + c->v[i], bb = s - x, lo = (x - (s - bb)) + (c->v[i] - bb);
			if (lo != 0)
				c->v[kept++] = lo;
			x = s;
		}
		if (x != 0)
			c->v[kept++] = x;
		c->n = kept;
	}
	return true;
}

static bool
distinct_take(struct fold_distinct *c, const struct val *v)
{
	char room[SAMPLE_MAX + 16];
	struct buf b = { .data = room, .cap = sizeof room, .max = sizeof room - 1 };
	sample_put(&b, v);
	uint64_t hash = distinct_hash(buf_str(&b));
	for (uint64_t i = 0; i < c->used; i++)
		if (c->v[i] == hash)
			return true;
	if (c->used == FOLD_HASHES)
		return false;
	c->v[c->used++] = hash;
	return true;
}

static bool
cell_take(struct front *f, const struct cell_def *def, void *c)
{
	if (def->kind == CELL_COUNT) {
		*(uint64_t *)c += eval_test(f->eval, def->arg) == TRI_TRUE;
		return true;
	}
	struct val v = eval_value(f->eval, def->arg);
	if (def->kind == CELL_DISTINCT)
		return v.type == V_NULL || distinct_take(c, &v);
	double *edge = c;
	if (v.type != V_NUM || !isfinite(v.n))
		return true;
	switch (def->kind) {
	case CELL_SUM:
		return fabs(v.n) > SUM_VALUE_MAX || sum_add(c, v.n);
	case CELL_MIN:
		if (!(*edge <= v.n))
			*edge = v.n;
		return true;
	case CELL_MAX:
		if (!(*edge >= v.n))
			*edge = v.n;
		return true;
	case CELL_SQUARES:
		return squares_add(c, v.n);
	case CELL_SKETCH:
		return sketch_take(c, code_of(f, def->arg, v.n));
	case CELL_COUNT:
	case CELL_DISTINCT:
	case CELL_LAST:
	case CELL_GROWTH:
	case CELL_CHANGES:
	case CELL_STREAK:
	case CELLS:
		break;
	}
	return true;
}

static void
emit_fold(struct front *f, struct block *out, const struct rule *r, const struct key_text *k)
{
	int64_t pane = pane_of(f, r->pane_class);
	struct fold *d = fold_of(f, out, r, k, pane);
	d->n++;
	for (size_t i = 0; i < r->ncell; i++)
		if (!cell_sequenced(r->cell[i].kind) && !cell_take(f, &r->cell[i], fold_cell(d, r, i))) {
			d = fold_new(f, out, r, k, pane);
			must(cell_take(f, &r->cell[i], fold_cell(d, r, i)));
		}
}

/* ---- tuples ---- */

/* The series of a scrape's record: its source and its label set. */
static uint64_t
series_id(const struct front *f, const struct fpart *p, const struct rule *r)
{
	const struct slice *labels = &f->rec.slot[r->series_labels];
	return str_hash(p->source->name, 0) ^ (labels->kind == K_JSON ? labels_hash((struct str){ labels->ptr, labels->len }) : 0);
}

/* What the sequenced cells take of this record, and a presence rule its value. f->samples; false: nothing. */
static bool
samples_of(struct front *f, const struct fpart *p, const struct rule *r)
{
	struct buf *b = &f->samples;
	bool any = false;
	buf_clear(b);
	for (size_t i = 0; i < r->ncell; i++) {
		const struct cell_def *c = &r->cell[i];
		if (!cell_sequenced(c->kind))
			continue;
		if (c->kind == CELL_STREAK) {
			uint8_t t = (uint8_t)eval_test(f->eval, c->arg);
			struct val v = { .type = V_BOOL, .b = true };
			if (c->arg2 >= 0)
				v = eval_value(f->eval, c->arg2);
			PUT(b, t);
			sample_put(b, &v);
			any |= v.type != V_NULL;
			continue;
		}
		struct val v = eval_value(f->eval, c->arg);
		if (c->kind == CELL_GROWTH && (v.type != V_NUM || !isfinite(v.n)))
			v = (struct val){ .type = V_NULL };
		if (c->labelled) {
			uint64_t series = series_id(f, p, r);
			PUT(b, series);
		}
		sample_put(b, &v);
		any |= v.type != V_NULL;
	}
	if (r->first >= 0) {
		struct val v = eval_value(f->eval, r->first);
		sample_put(b, &v);
		any = true; /* without a value it is still a record of its key */
	}
	if (!any)
		buf_clear(b);
	return any;
}

static void
emit_tuple(struct front *f, struct fpart *p, struct block *out, const struct rule *r, const struct key_text *k, uint32_t flags,
	bool with_record)
{
	struct buf *b = &out->tuples->bytes;
	const struct record *rec = &f->rec;
	size_t size = sizeof(struct tuple) + k->text.len;
	struct str raw = STR(""), file = STR("");
	if (with_record && (r->lines || r->metas & EXPR_RAW))
		raw = r->metas & EXPR_RAW ? rec->raw : utf8_cut(rec->raw, RAW_KEPT);
	if (with_record && r->metas & EXPR_FILE)
		file = rec->file;
	for (size_t i = 0; with_record && i < r->carry.n; i++) {
		const struct slice *s = &rec->slot[r->carry.slot[i]];
		size += 5 + (s->kind <= K_TRUE ? 0 : s->len);
	}
	uint32_t slots = (uint32_t)(size - sizeof(struct tuple) - k->text.len);
	size = (size + raw.len + file.len + f->samples.len + 7) & ~(size_t)7;
	char *at = buf_room(b, size);
	must(at != NULL);
	struct tuple *t = (struct tuple *)(void *)at;
	*t = (struct tuple){ .rule = (uint32_t)r->index, .klen = (uint32_t)k->text.len, .hash = k->hash, .time = rec->time,
		.seq = rec->seq, .part = p->number, .flags = flags | (rec->late ? TUPLE_LATE : 0), .size = (uint32_t)size,
		.slots = slots, .raw = (uint32_t)raw.len, .file = (uint32_t)file.len, .samples = (uint32_t)f->samples.len, .offset = rec->offset };
	at = mempcpy(t + 1, k->text.data, k->text.len);
	for (size_t i = 0; with_record && i < r->carry.n; i++) {
		const struct slice *s = &rec->slot[r->carry.slot[i]];
		*at++ = (char)s->kind;
		at = mempcpy(at, &s->len, 4);
		if (s->kind > K_TRUE)
			at = mempcpy(at, s->ptr, s->len);
	}
	at = mempcpy(at, raw.ptr, raw.len);
	at = mempcpy(at, file.ptr, file.len);
	if (f->samples.len)
		at = mempcpy(at, f->samples.data, f->samples.len);
	memset(at, 0, (size_t)((char *)t + size - at));
	if (with_record && r->shape == SHAPE_RECORD && r->hold == 0) {
		t->line[0] = str_hash(rec->raw, 1);
		t->line[1] = str_hash(rec->raw, 2);
	}
	b->len += size;
	out->tuples->n++;
}

/* The highest level whose condition is true; -1: none. */
static int
record_level(struct front *f, const struct rule *r)
{
	for (int l = LEVELS - 1; l >= 0; l--)
		if (r->when[l] >= 0 && eval_test(f->eval, r->when[l]) == TRI_TRUE)
			return l;
	return -1;
}

static void
apply_rule(struct front *f, struct fpart *p, struct block *out, const struct rule *r)
{
	if (r->where >= 0 && eval_test(f->eval, r->where) != TRI_TRUE)
		return;
	uint32_t flags = 0;
	bool carries = true;
	switch (r->shape) {
	case SHAPE_RECORD:
		if (r->nprev == 0) { /* with prev the back decides, in order */
			int level = record_level(f, r);
			if (level < 0)
				return;
			flags = TUPLE_LEVEL * (uint32_t)level;
		}
		break;
	case SHAPE_PAIR:
		if (eval_test(f->eval, r->open) == TRI_TRUE)
			flags = TUPLE_OPEN;
		else if (eval_test(f->eval, r->close) == TRI_TRUE)
			flags = TUPLE_CLOSE;
		else if (!r->def->forget_given)
			return;
		carries = flags == TUPLE_OPEN;
		break;
	case SHAPE_WINDOW:
		carries = r->carry.n > 0 || r->samples;
		break;
	case SHAPE_PRESENCE:
		break;
	case SHAPES:
		return;
	}
	const struct key_text *k = key_of(f, r->keyset);
	if (k->null) {
		p->no_key++;
		return;
	}
	if (r->shape == SHAPE_WINDOW) {
		emit_fold(f, out, r, k);
		bool sampled = r->sequenced && !f->rec.late && samples_of(f, p, r);
		if (!carries && !sampled)
			return;
	} else if (r->first >= 0) {
		samples_of(f, p, r);
	}
	emit_tuple(f, p, out, r, k, flags, carries);
	buf_clear(&f->samples);
}

/* ---- records ---- */

/* The first bytes of a bad record, for people: without its secrets. */
static void
sample(const struct front *f, struct fpart *p, enum parse_verdict why, struct str raw)
{
	struct buf clean;
	buf_init(&clean, 1 << 12);
	redact_text(f->rs->redact, utf8_cut(raw, sizeof p->sample[why] - 1), &clean);
	struct str head = utf8_cut(buf_str(&clean), sizeof p->sample[why] - 1);
	if (head.len)
		memcpy(p->sample[why], head.ptr, head.len);
	p->sample[why][head.len] = '\0';
	buf_free(&clean);
}

static void
malformed(const struct front *f, struct fpart *p, enum parse_verdict why, const struct record *r)
{
	p->bad[why]++;
	sample(f, p, why, r->raw);
}

/* Most stamps differ from the one before in their fraction alone: "2026-11-25T12:00:00" is read once a second. */
static bool
stamp_fast(struct front *f, struct str s, nsec *out)
{
	if (s.len < STAMP_SECOND + 3 || s.len > STAMP_SECOND + 11 || s.ptr[STAMP_SECOND] != '.' || s.ptr[s.len - 1] != 'Z' ||
		memcmp(s.ptr, f->second, STAMP_SECOND) != 0)
		return false;
	nsec frac = 0, unit = NS_PER_S;
	for (size_t i = STAMP_SECOND + 1; i < s.len - 1; i++) {
		unsigned d = (unsigned char)s.ptr[i] - '0';
		if (d > 9)
			return false;
		frac = frac * 10 + d;
		unit /= 10;
	}
	*out = f->second_ns + frac * unit;
	return true;
}

static bool
stamp_read(struct front *f, struct str s, const struct zone *zone, nsec *out)
{
	if (stamp_fast(f, s, out))
		return true;
	if (!stamp_parse(s, zone, out))
		return false;
	if (s.len > STAMP_SECOND + 1 && s.ptr[STAMP_SECOND] == '.' && s.ptr[s.len - 1] == 'Z') {
		memcpy(f->second, s.ptr, STAMP_SECOND);
		f->second_ns = *out - (*out % NS_PER_S + NS_PER_S) % NS_PER_S;
	}
	return true;
}

static nsec
stamp_of(struct front *f, const struct front_source *s, const struct record *r, nsec wall)
{
	nsec t;
	if (s->conf->time_read)
		return r->stamp != NS_NONE ? r->stamp : wall;
	for (size_t i = 0; i < s->ntime; i++) {
		const struct slice *v = &r->slot[s->time_slot[i]];
		if ((v->kind == K_STR || v->kind == K_NUM) && stamp_read(f, (struct str){ v->ptr, v->len }, s->zone, &t))
			return t;
	}
	return r->stamp;
}

/* A record whose time is settled: all rules that may want it. */
static void
record_apply(struct front *f, struct fpart *p, struct block *out, struct record *rec, struct arena *arena)
{
	const struct front_source *s = p->source;
	if (rec != &f->rec) { /* a held one: key and tuple code reads f->rec */
		struct record swap = f->rec;
		f->rec = *rec;
		*rec = swap;
	}
	if (f->rec.time < f->from || f->rec.time >= f->to)
		goto out;
	f->gen++;
	eval_begin(f->eval, &f->rec, s->name, arena);
	if (out->first_time == NS_NONE || f->rec.time < out->first_time)
		out->first_time = f->rec.time;
	if (UNLIKELY(f->watch != NULL))
		f->watch(f->watch_arg, f->eval, s, &f->rec);
	for (size_t i = 0; i < s->nalways; i++)
		apply_rule(f, p, out, &f->rs->rule[s->always[i]]);
	for (size_t i = 0; i < s->nroute; i++) {
		const uint32_t *rules;
		size_t n = route_find(&s->route[i], &f->rec.slot[s->route[i].slot], &rules);
		for (size_t k = 0; k < n; k++)
			apply_rule(f, p, out, &f->rs->rule[rules[k]]);
	}
out:
	if (rec != &f->rec) {
		struct record swap = f->rec;
		f->rec = *rec;
		*rec = swap;
	}
}

/* Held lines: a header each, then the text and the file's name. The first is the one that jumps. */
struct held {
	int64_t seq, offset;
	nsec stamp;
	size_t len, file;
};

static void
hold(struct fpart *p, const struct record *r)
{
	struct held h = { r->seq, r->offset, r->stamp, r->raw.len, r->file.len };
	buf_add(&p->held, &h, sizeof h);
	buf_str_add(&p->held, r->raw);
	buf_str_add(&p->held, r->file);
	must(!p->held.over);
}

/* The jump of what is held was real or false: its records go on, in their order. */
static void
release(struct front *f, struct fpart *p, struct block *out, nsec wall, bool real)
{
	struct record *r = &f->held_rec;
	nsec stamp = p->held_stamp;
	p->held_stamp = NS_NONE;
	for (size_t at = 0; at < p->held.len;) {
		struct held h;
		memcpy(&h, p->held.data + at, sizeof h);
		bool first = at == 0;
		r->raw = (struct str){ p->held.data + at + sizeof h, h.len };
		r->seq = h.seq;
		r->offset = h.offset;
		r->stamp = h.stamp;
		r->file = (struct str){ r->raw.ptr + h.len, h.file };
		at += sizeof h + h.len + h.file;
		arena_reset(&f->held_arena);
		if (parse(f->parser, r, &f->held_arena) != PARSE_OK)
			continue; /* it parsed before: cannot be */
		if (first && !real)
			ptime_skewed(&p->time, p->source->conf, wall, &r->time);
		else
			ptime_record(&p->time, p->source->conf, first ? stamp : NS_NONE, wall, false, &r->time);
		r->late = false;
		record_apply(f, p, out, r, &f->held_arena);
	}
	buf_clear(&p->held);
}

void
fpart_steps(struct fpart *p, int64_t seq)
{
	for (; p->at_step < p->nstep && p->step[p->at_step].seq <= seq; p->at_step++)
		if (p->step[p->at_step].mark > p->time.mark)
			p->time.mark = p->step[p->at_step].mark;
}

static void
one(struct front *f, struct fpart *p, struct block *out, struct batch *b, nsec wall, bool replay)
{
	struct record *r = &f->rec;
	const struct front_source *s = p->source;
	if (p->at_step < p->nstep)
		fpart_steps(p, r->seq - 1);
	enum parse_verdict v = parse(f->parser, r, &b->arena);
	if (v != PARSE_OK) {
		malformed(f, p, v, r);
		return;
	}
	nsec stamp = stamp_of(f, s, r, wall);
	if (p->held_stamp != NS_NONE) {
		if (stamp == NS_NONE && p->held.len + r->raw.len + r->file.len + sizeof(struct held) <= HELD_BYTES_MAX) {
			hold(p, r);
			return;
		}
		release(f, p, out, wall, stamp == NS_NONE || !ptime_past(p->held_stamp, stamp, s->conf->max_jump));
	}
	enum time_verdict tv = ptime_record(&p->time, s->conf, stamp, wall, replay, &r->time);
	if (b->time_only)
		return;
	switch (tv) {
	case TIME_HOLD:
		p->held_stamp = stamp;
		hold(p, r);
		return;
	case TIME_MALFORMED:
		malformed(f, p, PARSE_TIME, r);
		return;
	case TIME_DROP:
		return;
	case TIME_LATE:
		r->late = true;
		break;
	case TIME_OK:
	case TIME_SKEWED:
	case TIME_UNTIMED:
		r->late = false;
		break;
	}
	record_apply(f, p, out, r, &b->arena);
}

static void
close_block(struct fpart *p, struct block *out)
{
	out->part = p->number;
	out->time = p->time;
	out->tuples->refs = out->tuples->n;
}

void
front_run(struct front *f, struct fpart *p, struct batch *b, struct block *out, nsec wall, bool replay)
{
	block_clear(out);
	f->block_gen++;
	while (batch_next(b, &f->rec)) {
		out->seq = f->rec.seq;
		out->records++;
		one(f, p, out, b, wall, replay);
	}
	p->bad[PARSE_LONG] += b->skipped;
	if (b->skipped)
		sample(f, p, PARSE_LONG, str_of(b->skipped_head));
	close_block(p, out);
	memcpy(out->pos, b->pos, b->pos_len);
	out->pos_len = b->pos_len;
}

void
front_end(struct front *f, struct fpart *p, struct block *out, nsec wall)
{
	block_clear(out);
	f->block_gen++;
	if (p->held_stamp != NS_NONE)
		release(f, p, out, wall, true);
	close_block(p, out);
}
