/* store_policy.c - what policy keeps: who was told what, what may still be withdrawn, the limit and its summaries.
 *
 * All of it is in the outbox itself: a row carries whether it was told, its planned time (slot) by which the limit
 * counts, and, folded into a summary, the summary's id. So it is in the transition's commit and survives a restart.
 * A summary row stands for the rows that name it; its words are made when it is sent (outbox.c).
 */
#include "core/store_int.h"

static void
lane_bind(sqlite3_stmt *st, const char *sink, const struct alert *a)
{
	sqlite3_bind_int64(st, 1, lane_of(a->rule, a->key));
	bind_text(st, 2, sink);
	bind_text(st, 3, a->rule);
	bind_text(st, 4, a->key);
}

static enum err
lane_has(struct db *d, sqlite3_stmt *st, const char *sink, const struct alert *a, const char *id, bool *has)
{
	lane_bind(st, sink, a);
	if (id)
		bind_text(st, 5, id);
	enum err e = db_step(d, st, has);
	sqlite3_reset(st);
	return e;
}

enum err
lane_told(struct db *d, sqlite3_stmt *const *st, const char *sink, const struct alert *a, struct told *out)
{
	sqlite3_stmt *told = st[S_TOLD];
	*out = (struct told){ 0 };
	lane_bind(told, sink, a);
	enum err e = db_step(d, told, &out->any);
	if (!e && out->any) {
		out->open = sqlite3_column_int(told, 0) != EV_RESOLVED;
		out->level = (enum level)sqlite3_column_int(told, 1);
		out->together = !sqlite3_column_int(told, 2);
	}
	sqlite3_reset(told);
	if (!e)
		e = lane_has(d, st[S_RESOLVE_WAITS], sink, a, NULL, &out->resolve_waits);
	if (!e)
		e = lane_has(d, st[S_OPEN_WAITS], sink, a, a->id, &out->open_waits);
	if (!e)
		e = lane_has(d, st[S_OPENED], sink, a, a->id, &out->opened);
	return e;
}

enum err
lane_drop(struct db *d, sqlite3_stmt *const *st, const char *sink, const struct alert *a, unsigned events, bool this_alert)
{
	for (;;) {
		sqlite3_stmt *pick = st[S_DROP_PICK];
		bool row;
		lane_bind(pick, sink, a);
		sqlite3_bind_int64(pick, 5, events);
		bind_text(pick, 6, this_alert ? a->id : NULL);
		enum err e = db_step(d, pick, &row);
		int64_t id = sqlite3_column_int64(pick, 0), folded = sqlite3_column_int64(pick, 1);
		sqlite3_reset(pick);
		if (e || !row)
			return e;
		sqlite3_bind_int64(st[S_DROP], 1, id);
		e = db_run(d, st[S_DROP]);
		if (!e && folded) { /* a summary of nothing is not sent */
			sqlite3_bind_int64(st[S_FOLD_LEFT], 1, folded);
			e = db_run(d, st[S_FOLD_LEFT]);
		}
		if (e)
			return e;
	}
}

enum err
store_told(struct store *s, const char *sink, const struct alert *a, struct told *out)
{
	return lane_told(&s->db, s->st, sink, a, out);
}

enum err
store_drop(struct store *s, const char *sink, const struct alert *a, unsigned events, bool this_alert)
{
	must(s->db.in_tx);
	return lane_drop(&s->db, s->st, sink, a, events, this_alert);
}

enum err
store_levels(struct store *s, const char *id, unsigned *levels)
{
	sqlite3_stmt *st = s->st[S_LEVELS];
	enum err e;
	bool row;
	*levels = 0;
	bind_text(st, 1, id);
	while ((e = db_step(&s->db, st, &row)) == ERR_OK && row)
		*levels |= 1u << (sqlite3_column_int(st, 0) & 31);
	return e;
}

enum err
store_together(struct store *s, const char *sink, const struct alert *a, bool *others)
{
	sqlite3_stmt *st = s->st[S_OPEN_TOGETHER];
	bind_text(st, 1, sink);
	bind_text(st, 2, a->rule);
	bind_text(st, 3, a->id);
	enum err e = db_step(&s->db, st, others);
	sqlite3_reset(st);
	return e;
}

/* ---- the limit ---- */

struct window {             /* single messages of a rule and sink around a time */
	int64_t around, past; /* within limit_per before and after; of these not after */
	nsec start;           /* the oldest of `past`, or the time itself */
};

static void
limit_bind(sqlite3_stmt *st, const struct alert *a, const struct tell *t, nsec at)
{
	bind_text(st, 1, t->sink);
	bind_text(st, 2, a->rule);
	sqlite3_bind_int64(st, 3, at);
	sqlite3_bind_int64(st, 4, t->limit_per);
}

static enum err
window_count(struct store *s, const struct alert *a, const struct tell *t, nsec at, struct window *out)
{
	sqlite3_stmt *st = s->st[S_LIMIT_COUNT];
	bool row;
	limit_bind(st, a, t, at);
	enum err e = db_step(&s->db, st, &row);
	if (!e) {
		out->around = sqlite3_column_int64(st, 0);
		out->past = sqlite3_column_int64(st, 1);
		nsec first = column_time(st, 2);
		out->start = first == NS_NONE ? at : first;
	}
	sqlite3_reset(st);
	return e;
}

/* Put row id, planned for `at`, into the summary of that minute, which is made if there is none that is still untold. */
static enum err
fold(struct store *s, const struct alert *a, const struct tell *t, int64_t id, nsec at)
{
	sqlite3_stmt *st = s->st[S_SUMMARY_FIND];
	struct window w;
	int64_t summary = 0;
	bool row;

	bind_text(st, 1, t->sink);
	bind_text(st, 2, a->rule);
	sqlite3_bind_int64(st, 3, at);
	enum err e = db_step(&s->db, st, &row);
	if (!e && row)
		summary = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	if (!e && !summary) {
		e = window_count(s, a, t, at, &w);
		if (!e)
			e = outbox_put(s, &(struct outbox_new){ .sink = t->sink, .rule = a->rule,
				.lane = lane_of(a->rule, "summary"), .created = t->now, .slot = w.start,
				.due = w.start + t->limit_per, .people = 1 | (int)(t->how & TELL_PAGES) }, &summary);
	}
	if (e)
		return e;
	sqlite3_bind_int64(s->st[S_FOLD], 1, id);
	sqlite3_bind_int64(s->st[S_FOLD], 2, summary);
	return db_run(&s->db, s->st[S_FOLD]);
}

/* An opening comes before what is booked for later: the last booked row makes room for it. */
static enum err
make_room(struct store *s, const struct alert *a, const struct tell *t, bool *made)
{
	sqlite3_stmt *st = s->st[S_LIMIT_BOOKED];
	limit_bind(st, a, t, t->due);
	enum err e = db_step(&s->db, st, made);
	int64_t id = sqlite3_column_int64(st, 0);
	nsec slot = sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return e || !*made ? e : fold(s, a, t, id, slot);
}

static enum err
over_limit(struct store *s, const struct alert *a, const struct tell *t, bool *over)
{
	struct window w;
	bool made = false;
	*over = t->fold;
	if (t->fold || t->limit_n == 0 || !(t->how & TELL_COUNTED))
		return ERR_OK;
	enum err e = window_count(s, a, t, t->due, &w);
	if (e || w.around < t->limit_n)
		return e;
	if (w.past < t->limit_n && a->event != EV_RESOLVED)
		e = make_room(s, a, t, &made);
	*over = !made;
	return e;
}

enum err
store_tell(struct store *s, int64_t number, const struct alert *a, const struct tell *t)
{
	bool over;
	int64_t id;
	must(s->db.in_tx && t->limit_per >= 0);
	enum err e = over_limit(s, a, t, &over);
	if (!e)
		e = outbox_put(s, &(struct outbox_new){ .number = number, .sink = t->sink, .rule = a->rule,
			.lane = lane_of(a->rule, a->key), .created = t->now, .slot = t->due, .due = t->due,
			.people = 1 | (int)t->how }, &id);
	if (!e && over)
		e = fold(s, a, t, id, t->due);
	return e;
}
