/* store_int.h - inside the store: one SQLite connection, how it fails, and what the store's own files share.
 *
 * Included by core/store*.c and core/outbox.c only, the files that know sqlite3.h. A connection serves one thread.
 * Write transactions of one process queue at a gate in the order they came, so that short ones (marks of delivery)
 * always get their turn between the slices of a checkpoint; SQLite's own busy handler is for other processes.
 */
#ifndef WEIR_STORE_INT_H
#define WEIR_STORE_INT_H

#include "core/store.h"

#include <sqlite3.h>

#define STORE_VERSION 1              /* PRAGMA user_version */
#define STORE_APPLICATION 0x77656972 /* PRAGMA application_id: "weir" */
#define STORE_FILE "weir.db"
#define STORE_RESERVE (16 << 20)     /* bytes set aside for the day the disk is full */
#define GATE_WAIT (10 * NS_PER_S)    /* the longest wait for the turn to write */
#define BUSY_MS 5000                 /* and for another process */

/* Row CRCs: over the values of the row's columns in the order given, by the SQL function weir_crc. */
enum { ROW_WAITING, ROW_SENT, ROW_FAILED, ROW_FOLDED /* told by the summary row that `folded` names */ };

struct gate;
struct db {
	sqlite3 *h;
	char *path;
	struct gate *gate;
	bool in_tx;
	char error[512]; /* the sentence of the last failure */
};

/* flags: SQLITE_OPEN_*. On failure *d needs db_close still. */
enum err db_open(struct db *d, const char *path, int flags, struct errinfo *why) MUST_CHECK;
void db_close(struct db *d);
/* The error of the last SQLite call as code, and its sentence in d->error. A failed fsync does not return. */
enum err db_fail(struct db *d, int rc, const char *doing);
enum err db_exec(struct db *d, const char *sql) MUST_CHECK;
enum err db_int(struct db *d, const char *sql, int64_t *out) MUST_CHECK; /* first column of the first row */
enum err db_prepare(struct db *d, const char *const *sql, sqlite3_stmt **st, size_t n) MUST_CHECK;
void db_finalize(sqlite3_stmt **st, size_t n);
enum err db_begin(struct db *d) MUST_CHECK;  /* BEGIN IMMEDIATE, in turn */
enum err db_commit(struct db *d) MUST_CHECK; /* on failure rolled back */
void db_rollback(struct db *d);
/* One row (*row true) or the end (false; the statement is reset). On failure it is reset as well. */
enum err db_step(struct db *d, sqlite3_stmt *st, bool *row) MUST_CHECK;
enum err db_run(struct db *d, sqlite3_stmt *st) MUST_CHECK; /* to its end, no rows wanted */
void bind_text(sqlite3_stmt *st, int i, const char *z);     /* NULL: null; borrowed until the next reset */
void bind_blob(sqlite3_stmt *st, int i, struct str s);      /* ptr NULL: null */
void bind_time(sqlite3_stmt *st, int i, nsec t);            /* NS_NONE: null */
struct str column_str(sqlite3_stmt *st, int i);             /* NULL: ptr NULL; empty: "" */
nsec column_time(sqlite3_stmt *st, int i);
char *column_dup(sqlite3_stmt *st, int i);
enum err db_corrupt(struct db *d, const char *what);        /* a row's CRC does not hold */

/* The columns of a transition, each with prefix p ("t."), in the order of alert_columns. */
#define T_COLUMNS(p)                                                                                                   \
	p "id," p "event," p "timestamp," p "state," p "level," p "rule," p "title," p "message," p "starts_at," p         \
	  "ends_at," p "key," p "value," p "count," p "cause," p "runbook," p "labels," p "session_id," p "user_id," p    \
	  "stage," p "metadata," p "partial," p "shadow," p "fingerprint"
#define T_NCOLUMNS 23
/* Read the T_NCOLUMNS columns from `at` on, then one that says whether the CRC holds. a is owned by the caller. */
enum err alert_columns(struct db *d, sqlite3_stmt *st, int at, struct alert *a) MUST_CHECK;

/* The outbox's CRC with the columns that change given as SQL. */
#define O_CRC(due, state, told, folded, attempts)                                                                      \
	"weir_crc(number,sink,rule,lane,created,slot,people," due "," state "," told "," folded "," attempts ")"
#define O_GOOD(p)                                                                                                      \
	"weir_crc(" p "number," p "sink," p "rule," p "lane," p "created," p "slot," p "people," p "due," p         \
	"state," p "told," p "folded," p "attempts)=" p "crc"

/* One alert's way to one sink: rule and key as 64 bits (FNV-1a; kept in the file, so its value never changes). */
int64_t lane_of(const char *rule, const char *key);

/* store.c */
struct store_rule { /* a rule's small number in the file */
	char *name;
	size_t len;
	int64_t id;
};

struct ckpt {
	int64_t gen;       /* being written, 0: none */
	int64_t valid;     /* newest valid generation, 0: none */
	int64_t last;      /* greatest row id of it: rows past it are not valid */
	int64_t next, seq; /* next row id of the keys, of the whole kinds */
	int64_t step;      /* newest step when gen began */
	int64_t rows;      /* key rows in the file, valid and superseded */
	int64_t floor;     /* rows left by the last sweep */
	int64_t valid_step; /* the steps up to this one are behind the valid generation */
	struct sweep *sweep; /* running, or NULL */
	bool slice;        /* the open transaction is one of its slices */
	bool broken;       /* a slice was rolled back: the generation must begin anew */
	struct store_rule *rule;
	size_t nrule, caprule;
	size_t hot;        /* the rule of the last put */
};

enum store_stmt {
	S_TRANSITION, S_TRANSITION_FIND, S_ALERT_OPEN, S_ALERT_OVER, S_STEP, S_STEP_LAST, S_STEP_DROP, S_STEPS,
	S_OPEN_ALERTS, S_IS_OPEN, S_NEWEST, S_PRUNE_PICK, S_PRUNE_OUTBOX, S_PRUNE_SUMMARY, S_PRUNE_ROW, S_PRUNE_STEPS,
	S_LANE, S_OUTBOX, S_LEVELS,
	S_TOLD, S_RESOLVE_WAITS, S_OPEN_WAITS, S_OPENED, S_DROP_PICK, S_DROP, S_FOLD_LEFT,
	S_LIMIT_COUNT, S_LIMIT_BOOKED, S_FOLD, S_SUMMARY_FIND, S_OPEN_TOGETHER,
	S_CKPT_KEY, S_CKPT_WHOLE, S_CKPT_DROP_KEY, S_CKPT_DROP_WHOLE, S_CKPT_VALID, S_CKPT_OLD_WHOLE, S_CKPT_OLD_GEN,
	S_CKPT_LOAD_KEY, S_CKPT_LOAD_WHOLE, S_SWEEP_SCAN, S_SWEEP_ROW, S_SWEEP_DELETE, S_META_SET, S_RULE_ADD,
	S_STMTS,
	S_LANE_FIRST = S_TOLD, S_LANE_LAST = S_FOLD_LEFT
};
extern const char *const store_sql[S_STMTS];
extern const char store_schema[];

struct store {
	struct db db;
	sqlite3_stmt *st[S_STMTS];
	char *dir;
	int lock;      /* the lock file, -1: a reader */
	bool readonly;
	bool reserved; /* the reserve file stands */
	nsec reserve_tried; /* monotonic */
	struct ckpt ckpt;
};

struct outbox_new {
	int64_t number;       /* transition; 0: a summary */
	const char *sink, *rule;
	int64_t lane;
	nsec created, slot, due; /* slot: the planned time, counted by the limit; due moves with retries */
	int people;           /* outbox.people */
};
enum err outbox_put(struct store *s, const struct outbox_new *n, int64_t *id) MUST_CHECK;

/* The statements of a lane, on either connection: st is indexed by enum store_stmt, from S_LANE_FIRST to S_LANE_LAST. */
enum err lane_told(struct db *d, sqlite3_stmt *const *st, const char *sink, const struct alert *a, struct told *out) MUST_CHECK;
enum err lane_drop(struct db *d, sqlite3_stmt *const *st, const char *sink, const struct alert *a, unsigned events,
	bool this_alert) MUST_CHECK;

void ckpt_rolled_back(struct store *s);
enum err ckpt_attach(struct store *s) MUST_CHECK; /* at open: what is valid, what is left over */
void ckpt_detach(struct store *s);
void reserve_make(struct store *s);               /* when missing and there is room; never an error */

#endif
