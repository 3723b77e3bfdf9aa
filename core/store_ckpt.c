/* store_ckpt.c - generations of state: appended, valid with their last row, swept when half of them is superseded.
 *
 * Key rows form a log in order of id; a generation's rows are next to each other and `generation.last` is the id of its
 * last one, so validity is a comparison and what a crash left over is a range. There is deliberately no index on
 * (rule, key, pane): maintaining one costs more than everything else here (100,000 rows by six generations: 2.6 s a
 * generation with an index on the columns, 1.2 s with one on their hash, 0.15 s without, on the machine of
 * bench/). What an index would be for, finding superseded rows, is done by a sweep once as many rows were appended as
 * the last sweep left (and SWEEP_LEAST): newest to oldest, remembering the hash of each key seen, at most SWEEP_KEYS of
 * them a pass (a pass serves one part of the hashes). So a row costs O(1) amortised, the file is at most about twice
 * what lives, and the memory is bounded.
 *
 * The kinds that every generation writes in full (meta, partitions, waiting tuples) are a table of their own.
 */
#include "core/store_int.h"

#include "core/crc32c.h"

#include <stdio.h>
#include <stdlib.h>

#define SWEEP_LEAST 200000      /* rows appended before a sweep is worth its reading */
#define SWEEP_KEYS (1u << 20)   /* keys a pass remembers: 32 MiB of table */
#define SWEEP_READS 16          /* rows looked at for each row that may be deleted */
#define DROP_ROWS 20000         /* rows of an unfinished generation deleted in one commit */
#define IDENT_SEED 0x77656972

struct seen {
	uint64_t hash;
	int64_t id;             /* newest row of that hash; 0: free */
};

struct sweep {
	int64_t upto, at;       /* ids upto and below are swept; the last one looked at */
	unsigned part, parts;   /* this pass serves hashes with hash % parts == part */
	struct seen *seen;
	size_t slots, used;
	int64_t *tomb;          /* newest rows that are tombstones: useless once nothing older is left */
	size_t ntomb, captomb, dropped;
};

static uint32_t
row_crc(enum ckpt_kind kind, int64_t gen, struct str rule, struct str key, int64_t pane, struct str data)
{
	int64_t head[6] = { (int64_t)kind, gen, pane, (int64_t)rule.len, (int64_t)key.len,
		data.ptr ? (int64_t)data.len : -1 };
	uint32_t c = crc32c(0, head, sizeof head);
	c = crc32c(c, rule.ptr, rule.len);
	c = crc32c(c, key.ptr, key.len);
	return data.ptr ? crc32c(c, data.ptr, data.len) : c;
}

static enum err
meta_set(struct store *s, const char *name, int64_t value)
{
	bind_text(s->st[S_META_SET], 1, name);
	sqlite3_bind_int64(s->st[S_META_SET], 2, value);
	return db_run(&s->db, s->st[S_META_SET]);
}

/* ---- the names of rules ---- */

static enum err
rules_read(struct store *s)
{
	struct ckpt *c = &s->ckpt;
	sqlite3_stmt *st = NULL;
	bool row;
	int rc = sqlite3_prepare_v2(s->db.h, "SELECT id,name FROM rule_name", -1, &st, NULL);
	if (rc != SQLITE_OK)
		return db_fail(&s->db, rc, "reading the names of rules");
	for (size_t i = 0; i < c->nrule; i++)
		free(c->rule[i].name);
	c->nrule = c->hot = 0;
	enum err e;
	while ((e = db_step(&s->db, st, &row)) == ERR_OK && row) {
		struct str name = column_str(st, 1);
		GROW(c->rule, c->nrule, c->caprule);
		c->rule[c->nrule++] = (struct store_rule){ xstr(name), name.len, sqlite3_column_int64(st, 0) };
	}
	sqlite3_finalize(st);
	return e;
}

static enum err
rule_id(struct store *s, struct str name, int64_t *id)
{
	struct ckpt *c = &s->ckpt;
	for (size_t i = 0; i < c->nrule; i++) { /* rows come rule by rule: the first try hits */
		size_t k = (c->hot + i) % c->nrule;
		if (c->rule[k].len == name.len && (name.len == 0 || memcmp(c->rule[k].name, name.ptr, name.len) == 0)) {
			c->hot = k;
			*id = c->rule[k].id;
			return ERR_OK;
		}
	}
	int64_t top = 0;
	for (size_t i = 0; i < c->nrule; i++)
		top = c->rule[i].id > top ? c->rule[i].id : top;
	sqlite3_bind_int64(s->st[S_RULE_ADD], 1, top + 1);
	bind_blob(s->st[S_RULE_ADD], 2, name.ptr ? name : STR(""));
	enum err e = db_run(&s->db, s->st[S_RULE_ADD]);
	if (e)
		return e;
	GROW(c->rule, c->nrule, c->caprule);
	c->rule[c->nrule] = (struct store_rule){ xstrndup(name.ptr ? name.ptr : "", name.len), name.len, top + 1 };
	c->hot = c->nrule++;
	*id = top + 1;
	return ERR_OK;
}

/* ---- at open ---- */

/* Rows past the newest valid generation, in commits of bounded size. */
static enum err
unfinished_drop(struct store *s)
{
	for (;;) {
		sqlite3_stmt *st = s->st[S_CKPT_DROP_KEY];
		enum err e = db_begin(&s->db);
		if (e)
			return e;
		sqlite3_bind_int64(st, 1, s->ckpt.last);
		sqlite3_bind_int64(st, 2, DROP_ROWS);
		e = db_run(&s->db, st);
		int gone = sqlite3_changes(s->db.h);
		if (!e) {
			sqlite3_bind_int64(s->st[S_CKPT_DROP_WHOLE], 1, s->ckpt.valid);
			e = db_run(&s->db, s->st[S_CKPT_DROP_WHOLE]);
		}
		if (e)
			db_rollback(&s->db);
		else
			e = db_commit(&s->db);
		if (e || gone < DROP_ROWS)
			return e;
	}
}

enum err
ckpt_attach(struct store *s)
{
	struct ckpt *c = &s->ckpt;
	enum err e = db_int(&s->db, "SELECT coalesce(max(gen),0) FROM generation", &c->valid);
	if (!e)
		e = db_int(&s->db, "SELECT coalesce(max(last),0) FROM generation", &c->last);
	if (!e)
		e = db_int(&s->db, "SELECT coalesce(max(step),0) FROM generation", &c->valid_step);
	if (!e)
		e = rules_read(s);
	if (!e && !s->readonly)
		e = unfinished_drop(s);
	if (!e)
		e = db_int(&s->db, "SELECT count(*) FROM ckpt_key", &c->rows);
	if (!e)
		e = db_int(&s->db, "SELECT coalesce((SELECT value FROM meta WHERE name='swept'),0)", &c->floor);
	return e;
}

static void
sweep_free(struct store *s)
{
	struct sweep *w = s->ckpt.sweep;
	if (w) {
		free(w->seen);
		free(w->tomb);
		free(w);
	}
	s->ckpt.sweep = NULL;
}

void
ckpt_detach(struct store *s)
{
	sweep_free(s);
	for (size_t i = 0; i < s->ckpt.nrule; i++)
		free(s->ckpt.rule[i].name);
	free(s->ckpt.rule);
	s->ckpt = (struct ckpt){ 0 };
}

/* ---- writing a generation ---- */

enum err
ckpt_begin(struct store *s, int64_t *gen)
{
	struct ckpt *c = &s->ckpt;
	must(!s->db.in_tx);
	enum err e = ERR_OK;
	if (c->gen) { /* the last one was given up half-way */
		e = unfinished_drop(s);
		if (!e)
			e = rules_read(s); /* a slice rolled back may have named some */
		if (e)
			return e;
		c->rows -= c->next - 1 - c->last;
	}
	c->next = c->last + 1;
	c->seq = 0;
	c->broken = false;
	e = db_int(&s->db, "SELECT coalesce(max(id),0) FROM step", &c->step);
	if (!e)
		*gen = c->gen = c->valid + 1;
	return e;
}

enum err
ckpt_open_slice(struct store *s)
{
	must(s->ckpt.gen);
	enum err e = db_begin(&s->db);
	s->ckpt.slice = !e;
	return e;
}

void
ckpt_rolled_back(struct store *s)
{
	s->ckpt.broken = s->ckpt.broken || s->ckpt.slice;
	s->ckpt.slice = false;
}

enum err
ckpt_close_slice(struct store *s)
{
	enum err e = db_commit(&s->db);
	if (e)
		ckpt_rolled_back(s);
	s->ckpt.slice = false;
	return e;
}

/* A generation that lost a slice would be valid and wrong. */
static enum err
whole_check(struct store *s)
{
	if (!s->ckpt.broken)
		return ERR_OK;
	snprintf(s->db.error, sizeof s->db.error, "a slice of the checkpoint was not stored: it must begin anew");
	return ERR_AGAIN;
}

enum err
ckpt_put(struct store *s, enum ckpt_kind kind, struct str rule, struct str key, int64_t pane, struct str data)
{
	struct ckpt *c = &s->ckpt;
	sqlite3_stmt *st = s->st[kind == CKPT_KEY ? S_CKPT_KEY : S_CKPT_WHOLE];
	int64_t id;

	must(c->gen && s->db.in_tx);
	enum err e = whole_check(s);
	if (!e)
		e = rule_id(s, rule, &id);
	if (e)
		return e;
	sqlite3_bind_int64(st, 1, kind == CKPT_KEY ? c->next : c->seq);
	sqlite3_bind_int64(st, 2, c->gen);
	sqlite3_bind_int64(st, 3, id);
	sqlite3_bind_int64(st, 4, pane);
	bind_blob(st, 5, key.ptr ? key : STR(""));
	bind_blob(st, 6, data);
	sqlite3_bind_int64(st, 7, row_crc(kind, c->gen, rule, key, pane, data));
	if (kind != CKPT_KEY)
		sqlite3_bind_int(st, 8, (int)kind);
	e = db_run(&s->db, st);
	if (!e && kind == CKPT_KEY) {
		c->next++;
		c->rows++;
	} else if (!e) {
		c->seq++;
	}
	return e;
}

enum err
ckpt_finish(struct store *s)
{
	struct ckpt *c = &s->ckpt;
	sqlite3_stmt *st = s->st[S_CKPT_VALID];
	must(c->gen);
	enum err e = whole_check(s);
	if (!e)
		e = db_begin(&s->db);
	if (e)
		return e;
	sqlite3_bind_int64(st, 1, c->gen);
	sqlite3_bind_int64(st, 2, c->next - 1);
	sqlite3_bind_int64(st, 3, c->step);
	sqlite3_bind_int64(st, 4, wall_ns());
	e = db_run(&s->db, st);
	if (e)
		db_rollback(&s->db);
	else
		e = db_commit(&s->db);
	if (e)
		return e;
	c->valid = c->gen;
	c->last = c->next - 1;
	c->valid_step = c->step;
	c->gen = 0;
	reserve_make(s);
	return ERR_OK;
}

/* ---- superseded rows ---- */

static uint64_t
ident_hash(int64_t rule, int64_t pane, struct str key)
{
	return str_hash(key, IDENT_SEED ^ (uint64_t)rule * UINT64_C(0x9e3779b97f4a7c15) ^
				     (uint64_t)pane * UINT64_C(0xd6e8feb86659fd93));
}

static void
sweep_start(struct store *s)
{
	struct ckpt *c = &s->ckpt;
	struct sweep *w = xcalloc(1, sizeof *w);
	w->upto = w->at = c->last;
	w->at++;
	w->parts = (unsigned)(c->rows / SWEEP_KEYS) + 1;
	w->slots = 1024;
	while (w->slots < (size_t)(c->rows / w->parts) * 2 && w->slots < 2 * (size_t)SWEEP_KEYS)
		w->slots *= 2;
	w->seen = xcalloc(w->slots, sizeof *w->seen);
	c->sweep = w;
}

/* Where the hash is, or the free slot for it. */
static struct seen *
seen_find(struct sweep *w, uint64_t hash)
{
	size_t i = hash & (w->slots - 1);
	while (w->seen[i].id && w->seen[i].hash != hash)
		i = (i + 1) & (w->slots - 1);
	return &w->seen[i];
}

/* Two rows of one hash: are they of one key? */
static enum err
same_ident(struct store *s, int64_t id, int64_t rule, int64_t pane, struct str key, bool *same)
{
	sqlite3_stmt *st = s->st[S_SWEEP_ROW];
	bool row;
	sqlite3_bind_int64(st, 1, id);
	enum err e = db_step(&s->db, st, &row);
	*same = !e && row && sqlite3_column_int64(st, 0) == rule && sqlite3_column_int64(st, 1) == pane &&
		str_eq(column_str(st, 2), key);
	sqlite3_reset(st);
	return e;
}

static enum err
row_delete(struct store *s, int64_t id)
{
	sqlite3_bind_int64(s->st[S_SWEEP_DELETE], 1, id);
	enum err e = db_run(&s->db, s->st[S_SWEEP_DELETE]);
	if (!e)
		s->ckpt.rows--;
	return e;
}

/* One row of the scan: remembered if newest of its key, else deleted (*gone). */
static enum err
sweep_row(struct store *s, sqlite3_stmt *st, bool *gone)
{
	struct sweep *w = s->ckpt.sweep;
	int64_t id = sqlite3_column_int64(st, 0), rule = sqlite3_column_int64(st, 1), pane = sqlite3_column_int64(st, 2);
	struct str key = column_str(st, 3);
	uint64_t hash = ident_hash(rule, pane, key);
	bool same;

	*gone = false;
	if ((hash >> 40) % w->parts != w->part)
		return ERR_OK;
	struct seen *x = seen_find(w, hash);
	if (x->id == 0) {
		if (w->used >= w->slots - w->slots / 8)
			return ERR_OK; /* the table is full: the row stays until another sweep */
		*x = (struct seen){ hash, id };
		w->used++;
		if (sqlite3_column_int(st, 4)) {
			GROW(w->tomb, w->ntomb, w->captomb);
			w->tomb[w->ntomb++] = id;
		}
		return ERR_OK;
	}
	enum err e = same_ident(s, x->id, rule, pane, key, &same);
	if (e || !same)
		return e;
	*gone = true;
	return row_delete(s, id);
}

/* The pass has seen all: its tombstones have nothing left to hide. */
static enum err
sweep_tombs(struct store *s, size_t rows, size_t *deleted)
{
	struct sweep *w = s->ckpt.sweep;
	enum err e = ERR_OK;
	for (; w->dropped < w->ntomb && *deleted < rows && !e; (*deleted)++)
		e = row_delete(s, w->tomb[w->dropped++]);
	return e;
}

static enum err
sweep_slice(struct store *s, size_t rows, size_t *deleted)
{
	struct sweep *w = s->ckpt.sweep;
	sqlite3_stmt *st = s->st[S_SWEEP_SCAN];
	size_t looked = 0;
	bool more = false, gone;
	enum err e = ERR_OK;

	if (w->at > 0) {
		sqlite3_bind_int64(st, 1, w->at - 1);
		while (*deleted < rows && looked++ < rows * SWEEP_READS) {
			e = db_step(&s->db, st, &more);
			if (e || !more)
				break;
			w->at = sqlite3_column_int64(st, 0);
			e = sweep_row(s, st, &gone);
			if (e)
				break;
			*deleted += gone;
		}
		sqlite3_reset(st);
		if (!e && !more)
			w->at = 0;
	}
	if (e || w->at > 0)
		return e;
	e = sweep_tombs(s, rows, deleted);
	if (e || w->dropped < w->ntomb)
		return e;
	if (++w->part < w->parts) {
		memset(w->seen, 0, w->slots * sizeof *w->seen);
		w->used = w->ntomb = w->dropped = 0;
		w->at = w->upto + 1;
		return ERR_OK;
	}
	sweep_free(s);
	s->ckpt.floor = s->ckpt.rows;
	return meta_set(s, "swept", s->ckpt.floor);
}

static enum err
prune_slice(struct store *s, size_t rows, size_t *deleted)
{
	struct ckpt *c = &s->ckpt;
	sqlite3_bind_int64(s->st[S_CKPT_OLD_WHOLE], 1, c->valid);
	sqlite3_bind_int64(s->st[S_CKPT_OLD_WHOLE], 2, (int64_t)rows);
	enum err e = db_run(&s->db, s->st[S_CKPT_OLD_WHOLE]);
	if (e)
		return e;
	*deleted = (size_t)sqlite3_changes(s->db.h);
	if (*deleted >= rows)
		return ERR_OK;
	sqlite3_bind_int64(s->st[S_CKPT_OLD_GEN], 1, c->valid);
	e = db_run(&s->db, s->st[S_CKPT_OLD_GEN]);
	if (!e && c->sweep)
		e = sweep_slice(s, rows, deleted);
	return e;
}

enum err
ckpt_prune(struct store *s, size_t rows, bool *more)
{
	struct ckpt *c = &s->ckpt;
	size_t deleted = 0;
	int64_t before = c->rows;

	*more = false;
	if (rows == 0 || c->valid == 0)
		return ERR_OK;
	int64_t grown = c->rows - c->floor;
	if (!c->sweep && grown >= SWEEP_LEAST && grown >= c->floor)
		sweep_start(s);
	enum err e = db_begin(&s->db);
	if (e)
		return e;
	e = prune_slice(s, rows, &deleted);
	if (e)
		db_rollback(&s->db);
	else
		e = db_commit(&s->db);
	if (e) { /* what was deleted is there again: a sweep begins anew */
		sweep_free(s);
		c->rows = before;
		return e;
	}
	*more = deleted >= rows || c->sweep;
	return ERR_OK;
}

/* ---- reading ---- */

typedef void ckpt_row(void *arg, enum ckpt_kind kind, struct str rule, struct str key, int64_t pane, struct str data);

/* Rows come newest first of each (kind, rule, key, pane): the first of them is told, unless it is a tombstone. */
static enum err
load_rows(struct store *s, sqlite3_stmt *st, ckpt_row *row, void *arg)
{
	struct buf last;
	enum err e;
	bool more, any = false;
	int64_t last_rule = 0, last_pane = 0, last_kind = 0;

	buf_init(&last, SIZE_MAX);
	while ((e = db_step(&s->db, st, &more)) == ERR_OK && more) {
		int64_t gen = sqlite3_column_int64(st, 1), rule = sqlite3_column_int64(st, 2),
			pane = sqlite3_column_int64(st, 3), kind = sqlite3_column_int64(st, 7);
		struct str key = column_str(st, 4), data = column_str(st, 5), name = column_str(st, 8);
		if (kind < CKPT_META || kind > CKPT_TUPLE || !name.ptr || !key.ptr ||
		    sqlite3_column_int64(st, 6) != row_crc((enum ckpt_kind)kind, gen, name, key, pane, data)) {
			sqlite3_reset(st);
			e = db_corrupt(&s->db, "the checkpoint");
			break;
		}
		if (any && kind == last_kind && rule == last_rule && pane == last_pane && str_eq(key, buf_str(&last)))
			continue;
		any = true;
		last_kind = kind;
		last_rule = rule;
		last_pane = pane;
		buf_clear(&last);
		buf_str_add(&last, key);
		if (data.ptr)
			row(arg, (enum ckpt_kind)kind, name, key, pane, data);
	}
	buf_free(&last);
	return e;
}

static enum err
load_whole(struct store *s, enum ckpt_kind from, enum ckpt_kind to, ckpt_row *row, void *arg)
{
	sqlite3_stmt *st = s->st[S_CKPT_LOAD_WHOLE];
	sqlite3_bind_int64(st, 1, s->ckpt.valid);
	sqlite3_bind_int(st, 2, (int)from);
	sqlite3_bind_int(st, 3, (int)to);
	return load_rows(s, st, row, arg);
}

enum err
ckpt_load(struct store *s, ckpt_row *row, void *arg)
{
	if (s->ckpt.valid == 0)
		return ERR_OK;
	enum err e = load_whole(s, CKPT_META, CKPT_PART, row, arg);
	if (!e) {
		sqlite3_bind_int64(s->st[S_CKPT_LOAD_KEY], 1, s->ckpt.last);
		e = load_rows(s, s->st[S_CKPT_LOAD_KEY], row, arg);
	}
	if (!e)
		e = load_whole(s, CKPT_TUPLE, CKPT_TUPLE, row, arg);
	return e;
}
