/* store.h - the one SQLite file: transitions, outbox, steps and checkpoints (WAL, synchronous FULL).
 *
 * One writer connection, used by the back's thread. Transitions, their outbox rows and the steps before them are one
 * commit (store_begin ... store_commit). A checkpoint is a generation of rows: begun, put in slices that each commit,
 * valid only with its last row. Rows are never overwritten; superseded ones are pruned in slices once a newer
 * generation is valid. Every row of state, step and outbox carries a CRC32C (Castagnoli, RFC 3720 B.4), checked when
 * read: a mismatch is ERR_CORRUPT. A failed fsync ends the process.
 */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include "core/alert.h"

struct store;

enum { STORE_READONLY = 1, STORE_RESET = 2 /* set a corrupt or old state aside and start empty */ };
/* dir is made (0700) if missing. Errors: ERR_BUSY (another weir holds it), ERR_IO, ERR_FULL, ERR_CORRUPT, ERR_CONF
 * (made by a newer weir); why->text is the sentence for the user. */
struct store *store_open(const char *dir, unsigned flags, struct errinfo *why);
void store_close(struct store *s);
const char *store_error(const struct store *s); /* the sentence of the last failed call */
/* After ERR_FULL: give the 16 MiB of STATE/reserve to the device, so that what must still be told fits. false: already
 * given. ckpt_finish makes the file again once there is room for it twice over. */
bool store_release_reserve(struct store *s);
bool store_has_reserve(const struct store *s);

/* One step. Between begin and commit: any number of the three below. Rollback drops all. */
enum err store_begin(struct store *s) MUST_CHECK;
enum err store_commit(struct store *s) MUST_CHECK; /* durable when it returns ERR_OK; ERR_FULL: rolled back, try later */
void store_rollback(struct store *s);
/* INSERT OR IGNORE by (id, event, timestamp): *inserted false if it was there. *number counts transitions. */
enum err store_transition(struct store *s, const struct alert *a, bool *inserted, int64_t *number) MUST_CHECK;
/* One row for one sink; due is wall time. */
enum err store_outbox(struct store *s, int64_t number, const char *sink, nsec due, nsec now) MUST_CHECK;

/* What policy asks and changes about one sink and one alert's rule and key (its *lane*), within store_begin/commit.
 * A row counts as told from the moment the delivery thread takes it, unless it comes back surely unheard. */
struct told {
	bool any;           /* a firing, level or resolve was told: the newest is ... */
	bool open;          /* ... no resolve */
	enum level level;
	bool together;      /* told only as part of a summary */
	bool resolve_waits; /* a resolve of the lane waits, untold */
	bool open_waits;    /* a firing or level of this very alert (id) waits, untold */
	bool opened;        /* a row for a firing or level of this very alert was made, whatever became of it */
};
enum err store_told(struct store *s, const char *sink, const struct alert *a, struct told *out) MUST_CHECK;
/* Drop the lane's untold rows of people's sinks with these events (1u << enum event); this_alert: only of a's id. */
enum err store_drop(struct store *s, const char *sink, const struct alert *a, unsigned events, bool this_alert) MUST_CHECK;
enum { TELL_COUNTED = 2 /* counts for the limit */, TELL_PAGES = 4 };
struct tell {           /* a row for a people's sink */
	const char *sink;
	unsigned how;       /* TELL_ bits */
	bool fold;          /* tell it with a summary whatever the count */
	nsec due, now;
	int64_t limit_n;    /* messages of this rule and sink within limit_per; 0: no limit. Past it: a summary at the end */
	nsec limit_per;
};
enum err store_tell(struct store *s, int64_t number, const struct alert *a, const struct tell *t) MUST_CHECK;
/* Is another alert of a's rule open that this sink was told of in a summary? */
enum err store_together(struct store *s, const char *sink, const struct alert *a, bool *others) MUST_CHECK;
enum err store_levels(struct store *s, const char *id, unsigned *levels) MUST_CHECK; /* 1u << level, over its transitions */

/* A step that is no record (DESIGN section 3), kept as long as alerts: opaque to the store, given back in the order of
 * the calls. kind STEP_SILENCE takes the place of the newest step of that partition and seq if that is of this kind too. */
enum { STEP_SILENCE = 0, STEP_JOIN, STEP_LEAVE }; /* of a source without partitions: its name is empty, STEP_SILENCE */
enum err store_step(struct store *s, struct str partition, int64_t seq, int kind, struct str data) MUST_CHECK;
enum err store_steps_load(struct store *s,
	void (*row)(void *arg, struct str partition, int64_t seq, int kind, struct str data), void *arg) MUST_CHECK;
/* Only those that the newest valid generation does not hold: what a restart has to apply. */
enum err store_steps_new(struct store *s,
	void (*row)(void *arg, struct str partition, int64_t seq, int kind, struct str data), void *arg) MUST_CHECK;

/* Checkpoints. kind orders the load: 0 meta, 1 partition, 2 key state, 3 waiting tuple. data.ptr NULL: tombstone. */
enum ckpt_kind { CKPT_META, CKPT_PART, CKPT_KEY, CKPT_TUPLE };
enum err ckpt_begin(struct store *s, int64_t *gen) MUST_CHECK;  /* also drops rows of a generation never finished */
enum err ckpt_open_slice(struct store *s) MUST_CHECK;           /* BEGIN of one slice */
enum err ckpt_put(struct store *s, enum ckpt_kind kind, struct str rule, struct str key, int64_t pane,
	struct str data) MUST_CHECK;
enum err ckpt_close_slice(struct store *s) MUST_CHECK;          /* COMMIT of it */
enum err ckpt_finish(struct store *s) MUST_CHECK;               /* the generation is valid from here on */
enum err ckpt_prune(struct store *s, size_t rows, bool *more) MUST_CHECK; /* delete at most rows superseded rows */
/* The newest valid row of each (kind, rule, key, pane), tombstones left out, in that order. META, PART and TUPLE rows
 * are whole-generation: only those of the newest valid generation are given. */
enum err ckpt_load(struct store *s, void (*row)(void *arg, enum ckpt_kind kind, struct str rule, struct str key,
	int64_t pane, struct str data), void *arg) MUST_CHECK;

/* The last transition of every alert that is not resolved (for reconciling), and a rule's newest timestamp. */
enum err store_open_alerts(struct store *s, void (*row)(void *arg, const struct alert *last), void *arg) MUST_CHECK;
/* false only if the store knows the alert and its last transition says that it is over. */
enum err store_is_open(struct store *s, const char *id, bool *open) MUST_CHECK;
enum err store_newest(struct store *s, const char *rule, nsec *timestamp) MUST_CHECK; /* NS_NONE: none */
enum err store_prune_alerts(struct store *s, nsec before, nsec checkpoint, size_t rows) MUST_CHECK;

#endif
