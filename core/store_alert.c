/* store_alert.c - transitions: put in once, read back whole, pruned by alert; the plain outbox row.
 *
 * In: struct alert (rules). Out: the same, field by field; every row checked by its CRC when read.
 * Cost: a transition is one insert and one look-up by its id.
 */
#include "core/store_int.h"

#include <stdio.h>
#include <stdlib.h>

static void
alert_bind(sqlite3_stmt *st, const struct alert *a)
{
	bind_text(st, 1, a->id);
	sqlite3_bind_int(st, 2, (int)a->event);
	bind_time(st, 3, a->timestamp);
	sqlite3_bind_int(st, 4, (int)a->state);
	sqlite3_bind_int(st, 5, (int)a->level);
	bind_text(st, 6, a->rule);
	bind_text(st, 7, a->title);
	bind_text(st, 8, a->message);
	bind_time(st, 9, a->starts_at);
	bind_time(st, 10, a->ends_at);
	bind_text(st, 11, a->key);
	bind_text(st, 12, a->value);
	sqlite3_bind_int64(st, 13, a->count);
	bind_text(st, 14, a->cause);
	bind_text(st, 15, a->runbook);
	bind_text(st, 16, a->labels);
	bind_text(st, 17, a->session_id);
	bind_text(st, 18, a->user_id);
	bind_text(st, 19, a->stage);
	bind_text(st, 20, a->metadata);
	sqlite3_bind_int(st, 21, a->partial);
	sqlite3_bind_int(st, 22, a->shadow);
	bind_text(st, 23, a->fingerprint);
}

enum err
alert_columns(struct db *d, sqlite3_stmt *st, int at, struct alert *a)
{
	*a = (struct alert){ 0 };
	int64_t event = sqlite3_column_int64(st, at + 1), state = sqlite3_column_int64(st, at + 3),
		level = sqlite3_column_int64(st, at + 4);
	struct str id = column_str(st, at);
	if (!sqlite3_column_int(st, at + T_NCOLUMNS) || event < 0 || event >= EVENTS || state < 0 || state >= STATES ||
	    level < 0 || level >= LEVELS || id.len >= ALERT_ID_MAX)
		return db_corrupt(d, "the alerts");
	memcpy(a->id, id.ptr ? id.ptr : "", id.len);
	a->event = (enum event)event;
	a->timestamp = column_time(st, at + 2);
	a->state = (enum state)state;
	a->level = (enum level)level;
	a->rule = column_dup(st, at + 5);
	a->title = column_dup(st, at + 6);
	a->message = column_dup(st, at + 7);
	a->starts_at = column_time(st, at + 8);
	a->ends_at = column_time(st, at + 9);
	a->key = column_dup(st, at + 10);
	a->value = column_dup(st, at + 11);
	a->count = sqlite3_column_int64(st, at + 12);
	a->cause = column_dup(st, at + 13);
	a->runbook = column_dup(st, at + 14);
	a->labels = column_dup(st, at + 15);
	a->session_id = column_dup(st, at + 16);
	a->user_id = column_dup(st, at + 17);
	a->stage = column_dup(st, at + 18);
	a->metadata = column_dup(st, at + 19);
	a->partial = sqlite3_column_int(st, at + 20) != 0;
	a->shadow = sqlite3_column_int(st, at + 21) != 0;
	a->fingerprint = column_dup(st, at + 22);
	return ERR_OK;
}

/* An alert that is over at once (hold: 0) has its end in its firing and is never open. */
static bool
is_open(const struct alert *a)
{
	return a->state != ST_RESOLVED && a->ends_at == NS_NONE;
}

static enum err
open_note(struct store *s, const struct alert *a, int64_t number)
{
	sqlite3_stmt *st = s->st[is_open(a) ? S_ALERT_OPEN : S_ALERT_OVER];
	bind_text(st, 1, a->rule);
	bind_text(st, 2, a->id);
	if (is_open(a))
		sqlite3_bind_int64(st, 3, number);
	return db_run(&s->db, st);
}

enum err
store_transition(struct store *s, const struct alert *a, bool *inserted, int64_t *number)
{
	sqlite3_stmt *st = s->st[S_TRANSITION];
	bool row;

	must(s->db.in_tx && a->timestamp != NS_NONE && a->rule);
	*inserted = false;
	sqlite3_stmt *find = s->st[S_TRANSITION_FIND]; /* first: an insert that is ignored would use up a number */
	bind_text(find, 1, a->id);
	sqlite3_bind_int(find, 2, (int)a->event);
	bind_time(find, 3, a->timestamp);
	enum err e = db_step(&s->db, find, &row);
	if (e)
		return e;
	if (row) {
		*number = sqlite3_column_int64(find, 0);
		sqlite3_reset(find);
		return ERR_OK;
	}
	alert_bind(st, a);
	e = db_run(&s->db, st);
	if (e)
		return e;
	*inserted = true;
	*number = sqlite3_last_insert_rowid(s->db.h);
	return open_note(s, a, *number);
}

/* The rule and key of a stored transition decide the row's lane. */
enum err
store_outbox(struct store *s, int64_t number, const char *sink, nsec due, nsec now)
{
	sqlite3_stmt *st = s->st[S_LANE];
	bool row;
	must(s->db.in_tx);
	sqlite3_bind_int64(st, 1, number);
	enum err e = db_step(&s->db, st, &row);
	if (e)
		return e;
	must(row); /* rows are put in after their transition, in one commit */
	char *rule = column_dup(st, 0), *key = column_dup(st, 1);
	sqlite3_reset(st);
	int64_t id;
	e = outbox_put(s, &(struct outbox_new){ .number = number, .sink = sink, .rule = rule, .lane = lane_of(rule, key),
		.created = now, .slot = due, .due = due }, &id);
	free(rule);
	free(key);
	return e;
}

enum err
outbox_put(struct store *s, const struct outbox_new *n, int64_t *id)
{
	sqlite3_stmt *st = s->st[S_OUTBOX];
	if (n->number)
		sqlite3_bind_int64(st, 1, n->number);
	else
		sqlite3_bind_null(st, 1);
	bind_text(st, 2, n->sink);
	bind_text(st, 3, n->rule);
	sqlite3_bind_int64(st, 4, n->lane);
	sqlite3_bind_int64(st, 5, n->created);
	sqlite3_bind_int64(st, 6, n->slot);
	sqlite3_bind_int(st, 7, n->people);
	sqlite3_bind_int64(st, 8, n->due);
	enum err e = db_run(&s->db, st);
	*id = sqlite3_last_insert_rowid(s->db.h);
	return e;
}

enum err
store_open_alerts(struct store *s, void (*row)(void *arg, const struct alert *last), void *arg)
{
	sqlite3_stmt *st = s->st[S_OPEN_ALERTS];
	bool more;
	enum err e;
	while ((e = db_step(&s->db, st, &more)) == ERR_OK && more) {
		struct alert a;
		e = alert_columns(&s->db, st, 0, &a);
		if (e) {
			sqlite3_reset(st);
			return e;
		}
		row(arg, &a);
		alert_free(&a);
	}
	return e;
}

enum err
store_is_open(struct store *s, const char *id, bool *open)
{
	sqlite3_stmt *st = s->st[S_IS_OPEN];
	bool row;
	bind_text(st, 1, id);
	enum err e = db_step(&s->db, st, &row);
	*open = e || !row || sqlite3_column_int(st, 0);
	sqlite3_reset(st);
	return e;
}

enum err
store_newest(struct store *s, const char *rule, nsec *timestamp)
{
	sqlite3_stmt *st = s->st[S_NEWEST];
	bool row;
	*timestamp = NS_NONE;
	bind_text(st, 1, rule);
	enum err e = db_step(&s->db, st, &row);
	if (!e && row) {
		*timestamp = column_time(st, 0);
		sqlite3_reset(st);
	}
	return e;
}

static enum err
prune_numbers(struct store *s, const int64_t *number, size_t n)
{
	enum err e = ERR_OK;
	for (size_t i = 0; i < n && !e; i++) {
		sqlite3_bind_int64(s->st[S_PRUNE_OUTBOX], 1, number[i]);
		e = db_run(&s->db, s->st[S_PRUNE_OUTBOX]);
		if (e)
			break;
		sqlite3_bind_int64(s->st[S_PRUNE_ROW], 1, number[i]);
		e = db_run(&s->db, s->st[S_PRUNE_ROW]);
	}
	return e;
}

static enum err
prune_rest(struct store *s, nsec before, size_t rows)
{
	sqlite3_bind_int64(s->st[S_PRUNE_SUMMARY], 1, (int64_t)rows);
	enum err e = db_run(&s->db, s->st[S_PRUNE_SUMMARY]);
	if (e)
		return e;
	sqlite3_bind_int64(s->st[S_PRUNE_STEPS], 1, s->ckpt.valid_step);
	sqlite3_bind_int64(s->st[S_PRUNE_STEPS], 2, before);
	sqlite3_bind_int64(s->st[S_PRUNE_STEPS], 3, (int64_t)rows);
	return db_run(&s->db, s->st[S_PRUNE_STEPS]);
}

enum err
store_prune_alerts(struct store *s, nsec before, nsec checkpoint, size_t rows)
{
	sqlite3_stmt *st = s->st[S_PRUNE_PICK];
	int64_t *number = xcalloc(rows + 1, sizeof *number);
	size_t n = 0;
	bool more = true;
	enum err e = db_begin(&s->db);

	if (!e) {
		bind_time(st, 1, before < checkpoint ? before : checkpoint);
		sqlite3_bind_int64(st, 2, (int64_t)rows);
		while (n < rows && (e = db_step(&s->db, st, &more)) == ERR_OK && more)
			number[n++] = sqlite3_column_int64(st, 0);
		sqlite3_reset(st);
		if (!e)
			e = prune_numbers(s, number, n);
		if (!e)
			e = prune_rest(s, before, rows);
		if (e)
			db_rollback(&s->db);
		else
			e = db_commit(&s->db);
	}
	free(number);
	return e;
}
