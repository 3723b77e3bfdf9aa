/* outbox.c - the delivery thread's connection: due rows out, marks in.
 *
 * In: rows of the outbox and their transitions. Out: struct alert for the sinks; for a summary row one that is made here
 * of the rows folded into it. Owns: a connection. Never: sees a row before its commit, forgets a mark.
 * Cost: due is a walk of the waiting rows of one sink in order of due, ended at max; a mark is one update.
 */
#include "core/outbox.h"

#include "core/json.h"
#include "core/store_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TOP_KEYS 5
#define ANSWER_MAX 256     /* bytes of an answer kept */
#define WORDS_MAX 8192     /* bytes of a summary's text */
#define KEY_SHOWN 256      /* bytes of a key in it */

#define FREE_LANE                                                                                                      \
	"NOT EXISTS(SELECT 1 FROM outbox p WHERE p.sink=o.sink AND p.lane=o.lane AND p.state=0 AND p.id<o.id)"
/* outbox.told: 0 no, 1 taken by the delivery thread, 2 accepted or perhaps heard, which nothing takes back. */
#define HEARD "CASE WHEN told=2 THEN 2 ELSE ?3 END"

#define DUE                                                                                                            \
	"SELECT o.id,o.number,o.attempts,o.created,o.people,o.told," O_GOOD("o.") "," T_COLUMNS("t.") ",weir_crc("      \
	T_COLUMNS("t.") ")=t.crc,o.rule,o.lane FROM outbox o LEFT JOIN transition t ON t.number=o.number WHERE "

enum { O_DUE, O_TOGETHER, O_PUT_OFF, O_NEXT, O_TAKE, O_MARK, O_PARTS, O_SENT, O_ROW, O_RESOLVE, O_AT_ONCE, O_WAITING, O_FAILED, O_TOTAL, O_SUM,
	O_SUM_KEYS, O_STMTS };

static const char *const sql[O_STMTS] = {
	[O_DUE] = DUE "o.sink=?1 AND o.state=0 AND o.due<=?2 AND " FREE_LANE " ORDER BY o.due,o.id LIMIT ?3",
	/* in the order of ids: a row that was put off is due after those behind it, and still comes before them */
	[O_TOGETHER] = DUE "o.id IN(SELECT id FROM outbox WHERE sink=?1 AND state=0 AND due<=?2 ORDER BY id LIMIT ?3) "
		       "ORDER BY o.id",
	[O_PUT_OFF] = "SELECT lane,min(id) FROM outbox WHERE sink=?1 AND state=0 AND due>?2 GROUP BY lane",
	[O_NEXT] = "SELECT o.due FROM outbox o WHERE o.sink=?1 AND o.state=0 AND " FREE_LANE " ORDER BY o.due LIMIT 1",
	[O_TAKE] = "UPDATE outbox SET told=1,crc=" O_CRC("due", "state", "1", "folded", "attempts")
		   " WHERE id=?1 AND state=0 AND told=0",
	[O_MARK] = "UPDATE outbox SET state=?2,told=" HEARD ",due=coalesce(?4,due),attempts=attempts+1,answer=?5,"
		   "done_at=?6,crc=" O_CRC("coalesce(?4,due)", "?2", HEARD, "folded", "attempts+1") " WHERE id=?1 AND state=0",
	[O_PARTS] = "UPDATE outbox SET state=?2,told=" HEARD ",crc=" O_CRC("due", "?2", HEARD, "folded", "attempts")
		    " WHERE folded=?1 AND folded>0 AND state=3",
	[O_SENT] = "INSERT INTO sink_total(sink,sent) SELECT sink,1 FROM outbox WHERE id=?1 "
		   "ON CONFLICT(sink) DO UPDATE SET sent=sent+1",
	[O_ROW] = "SELECT o.sink,o.people," T_COLUMNS("t.") ",weir_crc(" T_COLUMNS("t.") ")=t.crc FROM outbox o "
		  "JOIN transition t ON t.number=o.number WHERE o.id=?1 AND o.people>0 AND o.told=0",
	[O_RESOLVE] = "SELECT o.id FROM outbox o JOIN transition t ON t.number=o.number WHERE o.lane=?1 AND o.sink=?2 "
		      "AND o.state IN(0,3) AND o.told=0 AND t.event=4 AND t.id=?3 LIMIT 1",
	[O_AT_ONCE] = "UPDATE outbox SET due=?2,crc=" O_CRC("?2", "state", "told", "folded", "attempts")
		      " WHERE id=?1 AND state=0 AND due>?2",
	[O_WAITING] = "SELECT count(*),min(created) FROM outbox WHERE sink=?1 AND state=0",
	[O_FAILED] = "SELECT count(*) FROM outbox WHERE sink=?1 AND state=2",
	[O_TOTAL] = "SELECT sent FROM sink_total WHERE sink=?1",
	[O_SUM] = "SELECT count(*),count(DISTINCT t.key),sum(t.event IN(2,3)),sum(t.event=4),max(t.level),min(t.timestamp),"
		  "max(t.timestamp),min(weir_crc(" T_COLUMNS("t.") ")=t.crc) FROM outbox o JOIN transition t "
		  "ON t.number=o.number WHERE o.folded=?1 AND o.folded>0",
	[O_SUM_KEYS] = "SELECT t.key,count(*) AS n FROM outbox o JOIN transition t ON t.number=o.number WHERE o.folded=?1 AND o.folded>0 "
		       "GROUP BY t.key ORDER BY n DESC,min(o.id) LIMIT ?2",
};

struct outbox {
	struct db db;
	sqlite3_stmt *st[O_STMTS];
	sqlite3_stmt *lane[S_STMTS]; /* S_LANE_FIRST to S_LANE_LAST only */
};

struct outbox *
outbox_open(const char *state_dir, struct errinfo *why)
{
	struct outbox *o = xcalloc(1, sizeof *o);
	char *path = xasprintf("%s/%s", state_dir, STORE_FILE);
	enum err e = db_open(&o->db, path, SQLITE_OPEN_READWRITE, why);
	free(path);
	if (!e) {
		e = db_prepare(&o->db, sql, o->st, O_STMTS);
		if (!e)
			e = db_prepare(&o->db, store_sql + S_LANE_FIRST, o->lane + S_LANE_FIRST, S_LANE_LAST - S_LANE_FIRST + 1);
		if (e)
			err_set(why, e, "%s", o->db.error);
	}
	if (e) {
		outbox_close(o);
		return NULL;
	}
	return o;
}

void
outbox_close(struct outbox *o)
{
	if (!o)
		return;
	db_finalize(o->st, O_STMTS);
	db_finalize(o->lane, S_STMTS);
	db_close(&o->db);
	free(o);
}

const char *
outbox_error(const struct outbox *o)
{
	return o->db.error;
}

/* ---- summaries ---- */

static void
summary_keys(struct outbox *o, int64_t id, int64_t keys, struct buf *text)
{
	sqlite3_stmt *st = o->st[O_SUM_KEYS];
	bool row;
	int64_t shown = 0;
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int(st, 2, TOP_KEYS);
	while (db_step(&o->db, st, &row) == ERR_OK && row) {
		struct str key = column_str(st, 0), cut = utf8_cut(key, KEY_SHOWN);
		buf_printf(text, "%s%.*s%s x%lld", shown ? ", " : "", STR_ARG(cut), cut.len < key.len ? "…" : "",
			(long long)sqlite3_column_int64(st, 1));
		shown++;
	}
	if (keys > shown)
		buf_printf(text, " and %lld more", (long long)(keys - shown));
}

/* The alert that stands for the rows folded into summary row id. Key {}: it is of the rule as a whole. */
static enum err
summary_alert(struct outbox *o, int64_t id, const char *rule, struct alert *a)
{
	sqlite3_stmt *st = o->st[O_SUM];
	struct buf text;
	bool row;
	sqlite3_bind_int64(st, 1, id);
	enum err e = db_step(&o->db, st, &row);
	if (e || !row)
		return e ? e : db_corrupt(&o->db, "the outbox");
	int64_t n = sqlite3_column_int64(st, 0), keys = sqlite3_column_int64(st, 1), open = sqlite3_column_int64(st, 2),
		over = sqlite3_column_int64(st, 3), level = sqlite3_column_int64(st, 4);
	nsec first = column_time(st, 5), last = column_time(st, 6);
	bool good = sqlite3_column_int(st, 7);
	sqlite3_reset(st);
	if (n == 0 || !good || level < 0 || level >= LEVELS)
		return db_corrupt(&o->db, "the outbox");

	char from[32], to[32];
	time_text(first, from);
	time_text(last, to);
	buf_init(&text, WORDS_MAX);
	buf_printf(&text, "Past the limit of messages of this rule: %lld more told together, from %s to %s (%lld firing, "
			  "%lld resolved%s). Most: ", (long long)n, from, to, (long long)open, (long long)over,
		open + over < n ? ", others" : "");
	summary_keys(o, id, keys, &text);
	struct str seed = str_of(rule);
	*a = (struct alert){ .event = open ? EV_FIRING : EV_RESOLVED, .state = open ? ST_FIRING : ST_RESOLVED,
		.level = (enum level)level, .rule = xstrdup(rule), .timestamp = last, .starts_at = first,
		.ends_at = open ? NS_NONE : last, .key = xstrdup("{}"), .count = n, .labels = xstrdup("{}"),
		.metadata = xstrdup("{}") };
	a->title = xasprintf("%s: %lld more of %lld %s", rule, (long long)n, (long long)keys, keys == 1 ? "key" : "keys");
	a->message = xstrdup(buf_z(&text));
	buf_free(&text);
	snprintf(a->id, sizeof a->id, "alert_%lld_%012llx", (long long)(first / NS_PER_S),
		(unsigned long long)(str_hash(seed, (uint64_t)id) & UINT64_C(0xffffffffffff)));
	return ERR_OK;
}

/* ---- due ---- */

struct due {                /* what due knows beside the row */
	bool take;          /* of people, not told yet */
	char *rule;
	int64_t lane;
};

struct put_off {            /* lanes whose first waiting row is not due: what is behind it waits too */
	int64_t lane, id;
};

static enum err
due_read(struct outbox *o, sqlite3_stmt *st, struct outbox_row *r, struct due *x)
{
	*r = (struct outbox_row){ .id = sqlite3_column_int64(st, 0), .transition = sqlite3_column_int64(st, 1),
		.attempts = sqlite3_column_int(st, 2), .created = sqlite3_column_int64(st, 3) };
	if (!sqlite3_column_int(st, 6))
		return db_corrupt(&o->db, "the outbox");
	x->lane = sqlite3_column_int64(st, 7 + T_NCOLUMNS + 2);
	x->take = sqlite3_column_int(st, 4) > 0 && !sqlite3_column_int(st, 5);
	if (sqlite3_column_type(st, 1) == SQLITE_NULL) {
		r->transition = -r->id;
		x->rule = column_dup(st, 7 + T_NCOLUMNS + 1);
		return ERR_OK;
	}
	return alert_columns(&o->db, st, 7, &r->alert);
}

/* From here on policy leaves them alone. Rows that it withdrew since they were read are dropped from the list. */
static enum err
due_take(struct outbox *o, struct outbox_row *rows, struct due *x, size_t *n)
{
	size_t kept = 0, wanted = 0;
	for (size_t i = 0; i < *n; i++)
		wanted += x[i].take;
	if (wanted == 0)
		return ERR_OK;
	enum err e = db_begin(&o->db);
	if (e)
		return e;
	for (size_t i = 0; i < *n && !e; i++) {
		if (x[i].take) {
			sqlite3_bind_int64(o->st[O_TAKE], 1, rows[i].id);
			e = db_run(&o->db, o->st[O_TAKE]);
			if (!e && sqlite3_changes(o->db.h) == 0) {
				alert_free(&rows[i].alert);
				free(x[i].rule);
				continue;
			}
			sqlite3_bind_int64(o->st[O_PARTS], 1, rows[i].id);
			sqlite3_bind_int(o->st[O_PARTS], 2, ROW_FOLDED);
			sqlite3_bind_int(o->st[O_PARTS], 3, 1);
			if (!e)
				e = db_run(&o->db, o->st[O_PARTS]);
		}
		rows[kept] = rows[i];
		x[kept++] = x[i];
	}
	if (e) {
		db_rollback(&o->db);
		return e;
	}
	*n = kept;
	return db_commit(&o->db);
}

static enum err
put_off_read(struct outbox *o, const char *sink, nsec now, struct put_off **out, size_t *n)
{
	sqlite3_stmt *st = o->st[O_PUT_OFF];
	size_t cap = 0;
	bool row;
	enum err e;
	bind_text(st, 1, sink);
	sqlite3_bind_int64(st, 2, now);
	while ((e = db_step(&o->db, st, &row)) == ERR_OK && row) {
		GROW(*out, *n, cap);
		(*out)[(*n)++] = (struct put_off){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1) };
	}
	sqlite3_reset(st);
	return e;
}

static bool
is_behind(const struct put_off *p, size_t n, int64_t lane, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].lane == lane && p[i].id < id)
			return true;
	return false;
}

enum err
outbox_due(struct outbox *o, const char *sink, nsec now, bool together, struct outbox_row *rows, size_t max, size_t *n)
{
	sqlite3_stmt *st = o->st[together ? O_TOGETHER : O_DUE];
	struct due *x = xcalloc(max + 1, sizeof *x);
	struct put_off *off = NULL;
	size_t noff = 0;
	bool row;

	*n = 0;
	enum err e = together ? put_off_read(o, sink, now, &off, &noff) : ERR_OK;
	if (e) {
		free(off);
		free(x);
		return e;
	}
	bind_text(st, 1, sink);
	sqlite3_bind_int64(st, 2, now);
	sqlite3_bind_int64(st, 3, noff ? INT64_MAX : (int64_t)max);
	while (*n < max && (e = db_step(&o->db, st, &row)) == ERR_OK && row && !e) {
		e = due_read(o, st, &rows[*n], &x[*n]);
		(*n)++;
		if (e)
			break;
		if (noff && is_behind(off, noff, x[*n - 1].lane, rows[*n - 1].id)) {
			(*n)--;
			alert_free(&rows[*n].alert);
			free(x[*n].rule);
			x[*n] = (struct due){ 0 };
		}
	}
	sqlite3_reset(st);
	free(off);
	if (!e)
		e = due_take(o, rows, x, n);
	for (size_t i = 0; i < *n && !e; i++)
		if (x[i].rule)
			e = summary_alert(o, rows[i].id, x[i].rule, &rows[i].alert);
	for (size_t i = 0; i < *n; i++)
		free(x[i].rule);
	free(x);
	if (e) {
		outbox_rows_free(rows, *n);
		*n = 0;
	}
	return e;
}

void
outbox_rows_free(struct outbox_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		alert_free(&rows[i].alert);
}

enum err
outbox_next(struct outbox *o, const char *sink, nsec *due)
{
	sqlite3_stmt *st = o->st[O_NEXT];
	bool row;
	*due = NS_NONE;
	bind_text(st, 1, sink);
	enum err e = db_step(&o->db, st, &row);
	if (!e && row)
		*due = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return e;
}

/* ---- marks ---- */

/* A firing came back surely unheard, and its end waits behind it: it is told once, as resolved, and never pages. */
static enum err
collapse(struct outbox *o, int64_t id, nsec at)
{
	sqlite3_stmt *st = o->st[O_ROW];
	struct alert a = { 0 };
	struct told told;
	int64_t resolve = 0;
	bool row;

	sqlite3_bind_int64(st, 1, id);
	enum err e = db_step(&o->db, st, &row);
	if (e || !row)
		return e;
	char *sink = column_dup(st, 0);
	bool pages = sqlite3_column_int(st, 1) & TELL_PAGES;
	e = alert_columns(&o->db, st, 2, &a);
	sqlite3_reset(st);
	st = o->st[O_RESOLVE];
	if (!e && (a.event == EV_FIRING || a.event == EV_LEVEL)) {
		sqlite3_bind_int64(st, 1, lane_of(a.rule, a.key));
		bind_text(st, 2, sink);
		bind_text(st, 3, a.id);
		e = db_step(&o->db, st, &row);
		resolve = !e && row ? sqlite3_column_int64(st, 0) : 0;
		sqlite3_reset(st);
	}
	if (!e && resolve) {
		unsigned events = 1u << EV_FIRING | 1u << EV_LEVEL;
		e = lane_told(&o->db, o->lane, sink, &a, &told);
		if (!e)
			e = lane_drop(&o->db, o->lane, sink, &a, events | (pages && !told.open ? 1u << EV_RESOLVED : 0), true);
		if (!e && !pages && !told.open) {
			sqlite3_bind_int64(o->st[O_AT_ONCE], 1, resolve);
			sqlite3_bind_int64(o->st[O_AT_ONCE], 2, at);
			e = db_run(&o->db, o->st[O_AT_ONCE]);
		}
	}
	free(sink);
	alert_free(&a);
	return e;
}

static enum err
mark_one(struct outbox *o, const struct outbox_done *v)
{
	sqlite3_stmt *st = o->st[O_MARK];
	int state = v->mark == OUTBOX_SENT ? ROW_SENT : v->mark == OUTBOX_FAILED ? ROW_FAILED : ROW_WAITING;
	bool again = v->mark == OUTBOX_RETRY || v->mark == OUTBOX_DOUBT;
	int told = v->mark == OUTBOX_SENT || v->mark == OUTBOX_DOUBT ? 2 : 0;
	char answer[ANSWER_MAX];
	struct str cut = utf8_cut(str_of(v->answer), sizeof answer - 1);

	snprintf(answer, sizeof answer, "%.*s", STR_ARG(cut));
	sqlite3_bind_int64(st, 1, v->id);
	sqlite3_bind_int(st, 2, state);
	sqlite3_bind_int(st, 3, told);
	bind_time(st, 4, again ? v->due : NS_NONE);
	bind_text(st, 5, v->answer ? answer : NULL);
	sqlite3_bind_int64(st, 6, v->at);
	enum err e = db_run(&o->db, st);
	if (e || sqlite3_changes(o->db.h) == 0)
		return e; /* marked before: once is enough */
	if (v->mark == OUTBOX_SENT) {
		sqlite3_bind_int64(o->st[O_SENT], 1, v->id);
		e = db_run(&o->db, o->st[O_SENT]);
	}
	st = o->st[O_PARTS];
	sqlite3_bind_int64(st, 1, v->id);
	sqlite3_bind_int(st, 2, v->mark == OUTBOX_FAILED ? ROW_FAILED : ROW_FOLDED);
	sqlite3_bind_int(st, 3, told);
	if (!e)
		e = db_run(&o->db, st);
	if (!e && v->mark == OUTBOX_RETRY)
		e = collapse(o, v->id, v->at);
	return e;
}

enum err
outbox_mark(struct outbox *o, const struct outbox_done *v, size_t n)
{
	if (n == 0)
		return ERR_OK;
	enum err e = db_begin(&o->db);
	if (e)
		return e;
	for (size_t i = 0; i < n && !e; i++)
		e = mark_one(o, &v[i]);
	if (e) {
		db_rollback(&o->db);
		return e;
	}
	return db_commit(&o->db);
}

static enum err
one_int(struct outbox *o, int which, const char *sink, int64_t *out, nsec *second)
{
	sqlite3_stmt *st = o->st[which];
	bool row;
	bind_text(st, 1, sink);
	enum err e = db_step(&o->db, st, &row);
	*out = !e && row ? sqlite3_column_int64(st, 0) : 0;
	if (second)
		*second = !e && row ? column_time(st, 1) : NS_NONE;
	sqlite3_reset(st);
	return e;
}

enum err
outbox_counts(struct outbox *o, const char *sink, struct outbox_counts *out)
{
	enum err e = one_int(o, O_WAITING, sink, &out->waiting, &out->oldest);
	if (!e)
		e = one_int(o, O_FAILED, sink, &out->failed, NULL);
	if (!e)
		e = one_int(o, O_TOTAL, sink, &out->sent, NULL);
	return e;
}
