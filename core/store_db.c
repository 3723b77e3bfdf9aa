/* store_db.c - one SQLite connection: opening it hardened, transactions in turn, failures as weir's codes and sentences.
 *
 * In: SQL and bound values. Out: rows, enum err. Owns: the connection, its ticket at the gate.
 * Never: goes on after a failed fsync (what the kernel dropped is gone, a second fsync would lie), waits without bound.
 */
#include "core/store_int.h"

#include "core/crc32c.h"
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHECKPOINT_PAGES 4000 /* of the write-ahead log, 16 MB: fewer and longer fsyncs of the main file */

/* ---- the gate: first come, first served, one for each database file of this process ---- */

struct waiter {
	pthread_cond_t cond;
	pthread_t thread;
	bool turn;
	struct waiter *next;
};

struct gate {
	dev_t dev;
	ino_t ino;
	unsigned users;
	bool held;
	pthread_t holder;
	struct waiter *first, *last;
	struct gate *next;
};

static pthread_mutex_t gates_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gate *gates; /* under gates_lock, as everything in them */

static struct gate *
gate_find(const char *path)
{
	struct stat sb;
	if (stat(path, &sb) == -1)
		return NULL;
	pthread_mutex_lock(&gates_lock);
	struct gate *g = gates;
	while (g && (g->dev != sb.st_dev || g->ino != sb.st_ino))
		g = g->next;
	if (!g) {
		g = xcalloc(1, sizeof *g);
		g->dev = sb.st_dev;
		g->ino = sb.st_ino;
		g->next = gates;
		gates = g;
	}
	g->users++;
	pthread_mutex_unlock(&gates_lock);
	return g;
}

static void
gate_drop(struct gate *g)
{
	pthread_mutex_lock(&gates_lock);
	if (--g->users == 0) {
		struct gate **at = &gates;
		while (*at != g)
			at = &(*at)->next;
		*at = g->next;
		free(g);
	}
	pthread_mutex_unlock(&gates_lock);
}

static void
gate_unlink(struct gate *g, struct waiter *w)
{
	struct waiter *prev = NULL, **at = &g->first;
	while (*at != w) {
		prev = *at;
		at = &(*at)->next;
	}
	*at = w->next;
	if (g->last == w)
		g->last = prev;
}

/* Wait for the turn. false: not within GATE_WAIT, or this thread holds it already and would wait for itself. */
static bool
gate_enter(struct gate *g)
{
	struct waiter w = { .thread = pthread_self() };
	struct timespec until;
	pthread_condattr_t attr;
	bool mine = true;

	pthread_mutex_lock(&gates_lock);
	if (!g->held) {
		g->held = true;
		g->holder = pthread_self();
		pthread_mutex_unlock(&gates_lock);
		return true;
	}
	if (pthread_equal(g->holder, pthread_self())) {
		pthread_mutex_unlock(&gates_lock);
		return false;
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w.cond, &attr);
	pthread_condattr_destroy(&attr);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += GATE_WAIT / NS_PER_S;
	if (g->last)
		g->last->next = &w;
	else
		g->first = &w;
	g->last = &w;
	while (!w.turn && mine)
		if (pthread_cond_timedwait(&w.cond, &gates_lock, &until) == ETIMEDOUT && !w.turn)
			mine = false;
	if (!mine)
		gate_unlink(g, &w);
	pthread_mutex_unlock(&gates_lock);
	pthread_cond_destroy(&w.cond);
	return mine;
}

static void
gate_leave(struct gate *g)
{
	pthread_mutex_lock(&gates_lock);
	struct waiter *w = g->first;
	if (w) { /* handed on without being let go: nobody slips in between */
		g->first = w->next;
		if (!g->first)
			g->last = NULL;
		w->turn = true;
		g->holder = w->thread;
		pthread_cond_signal(&w->cond);
	} else {
		g->held = false;
	}
	pthread_mutex_unlock(&gates_lock);
}

/* ---- failures ---- */

static void PRINTF(2, 3)
say(struct db *d, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(d->error, sizeof d->error, fmt, ap);
	va_end(ap);
}

/* Not exit(): handlers of other threads' libraries have no business in a process that must not write any more. */
static _Noreturn void
die_fsync(struct db *d, const char *doing)
{
	log_error("store", "fsync of %s failed while %s (%s): weir stops here, so that nothing is taken for stored that "
			   "is not; check the disk, then start weir again, it goes on from what is stored",
		d->path, doing, strerror(d->h ? sqlite3_system_errno(d->h) : errno));
	_exit(3);
}

enum err
db_fail(struct db *d, int rc, const char *doing)
{
	int os = d->h ? sqlite3_system_errno(d->h) : 0;
	const char *text = sqlite3_errstr(rc);

	if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
		die_fsync(d, doing);
	if ((rc & 0xff) == SQLITE_FULL || ((rc & 0xff) == SQLITE_IOERR && (os == ENOSPC || os == EDQUOT))) {
		say(d, "no space is left for %s (%s): free some on its device, nothing stored is lost", d->path, doing);
		return ERR_FULL;
	}
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		say(d, "%s is held by another program (%s): close it and try again", d->path, doing);
		return ERR_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		say(d, "%s is damaged (%s: %s): it is left as it is; restore it from a backup, or start once with "
		       "`weir run --reset-state`, which sets it aside and starts empty",
			d->path, doing, text);
		return ERR_CORRUPT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		say(d, "%s is read-only (%s): make its folder writable for weir", d->path, doing);
		return ERR_IO;
	case SQLITE_NOMEM:
		must_fail("memory for SQLite", __FILE__, __LINE__);
	default:
		say(d, "%s cannot be used (%s: %s%s%s): check the disk and the folder's permissions", d->path, doing, text,
			os ? ", " : "", os ? strerror(os) : "");
		return ERR_IO;
	}
}

enum err
db_corrupt(struct db *d, const char *what)
{
	say(d, "%s is damaged (the checksum of a row of %s does not hold): it is left as it is; restore it from a backup, "
	       "or start once with `weir run --reset-state`, which sets it aside and starts empty",
		d->path, what);
	return ERR_CORRUPT;
}

/* ---- the row checksum as an SQL function ---- */

/* weir_crc(v, ...): CRC32C over type, length and bytes of each value, so that no two lists of values look alike. */
static void
sql_crc(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	uint32_t c = 0;
	for (int i = 0; i < n; i++) {
		unsigned char head[9];
		int type = sqlite3_value_type(v[i]);
		head[0] = (unsigned char)type;
		uint64_t word = 0;
		const void *bytes = NULL;
		size_t len = 0;
		if (type == SQLITE_INTEGER) {
			word = (uint64_t)sqlite3_value_int64(v[i]);
		} else if (type != SQLITE_NULL) {
			bytes = sqlite3_value_blob(v[i]);
			word = len = (size_t)sqlite3_value_bytes(v[i]);
		}
		for (int k = 0; k < 8; k++)
			head[1 + k] = (unsigned char)(word >> (8 * k));
		c = crc32c(c, head, sizeof head);
		if (len)
			c = crc32c(c, bytes, len);
	}
	sqlite3_result_int64(ctx, c);
}

/* SQLite's own hook throws the result of its checkpoint away; a failed fsync there must end the process as well. */
static int
wal_grown(void *arg, sqlite3 *h, const char *name, int pages)
{
	struct db *d = arg;
	if (pages < CHECKPOINT_PAGES)
		return SQLITE_OK;
	int rc = sqlite3_wal_checkpoint_v2(h, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
		die_fsync(d, "moving the log into the file");
	return SQLITE_OK; /* a reader in the way, or no space: the log stays longer */
}

/* ---- open, close ---- */

enum err
db_open(struct db *d, const char *path, int flags, struct errinfo *why)
{
	static const char *const setup = "PRAGMA synchronous=FULL;PRAGMA cell_size_check=ON;PRAGMA foreign_keys=OFF;"
					 "PRAGMA cache_size=-8192;PRAGMA mmap_size=0;PRAGMA journal_size_limit=67108864;";
	*d = (struct db){ .path = xstrdup(path) };
	int rc = sqlite3_open_v2(path, &d->h, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(d->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(d->h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (rc == SQLITE_OK) /* a file found damaged must be left as it is */
		rc = sqlite3_db_config(d->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function(d->h, "weir_crc", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
			sql_crc, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(d->h, BUSY_MS);
	if (rc != SQLITE_OK)
		return err_set(why, db_fail(d, rc, "opening"), "%s", d->error);
	sqlite3_limit(d->h, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_wal_hook(d->h, wal_grown, d);
	enum err e = db_exec(d, setup);
	if (e)
		return err_set(why, e, "%s", d->error);
	d->gate = gate_find(path);
	if (!d->gate)
		return err_set(why, ERR_IO, "%s cannot be opened: %s", path, strerror(errno));
	return ERR_OK;
}

void
db_close(struct db *d)
{
	if (d->in_tx)
		db_rollback(d);
	if (d->h)
		must(sqlite3_close(d->h) == SQLITE_OK); /* a statement left open is weir's own mistake */
	if (d->gate)
		gate_drop(d->gate);
	free(d->path);
	*d = (struct db){ 0 };
}

enum err
db_exec(struct db *d, const char *sql)
{
	int rc = sqlite3_exec(d->h, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? ERR_OK : db_fail(d, rc, "setting up");
}

enum err
db_int(struct db *d, const char *sql, int64_t *out)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(d->h, sql, -1, &st, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		*out = sqlite3_column_int64(st, 0);
		rc = SQLITE_OK;
	} else if (rc == SQLITE_DONE) {
		rc = SQLITE_CORRUPT; /* asked only where there must be a row */
	}
	sqlite3_finalize(st);
	return rc == SQLITE_OK ? ERR_OK : db_fail(d, rc, "reading");
}

enum err
db_prepare(struct db *d, const char *const *sql, sqlite3_stmt **st, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = sqlite3_prepare_v3(d->h, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &st[i], NULL);
		if (rc != SQLITE_OK) {
			/* with the schema version right, a missing table is damage */
			enum err e = db_fail(d, rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc, sqlite3_errmsg(d->h));
			return e;
		}
	}
	return ERR_OK;
}

void
db_finalize(sqlite3_stmt **st, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sqlite3_finalize(st[i]);
		st[i] = NULL;
	}
}

/* ---- transactions and steps ---- */

enum err
db_begin(struct db *d)
{
	must(!d->in_tx);
	if (!gate_enter(d->gate)) {
		say(d, "the turn to write to %s did not come within %d s", d->path, (int)(GATE_WAIT / NS_PER_S));
		return ERR_BUSY;
	}
	int rc = sqlite3_exec(d->h, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		enum err e = db_fail(d, rc, "beginning a change");
		gate_leave(d->gate);
		return e;
	}
	d->in_tx = true;
	return ERR_OK;
}

enum err
db_commit(struct db *d)
{
	must(d->in_tx);
	int rc = sqlite3_exec(d->h, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		enum err e = db_fail(d, rc, "storing a change");
		db_rollback(d);
		return e;
	}
	d->in_tx = false;
	gate_leave(d->gate);
	return ERR_OK;
}

void
db_rollback(struct db *d)
{
	if (!d->in_tx)
		return;
	if (!sqlite3_get_autocommit(d->h)) { /* some failures roll back by themselves */
		int rc = sqlite3_exec(d->h, "ROLLBACK", NULL, NULL, NULL);
		must(rc == SQLITE_OK || sqlite3_get_autocommit(d->h));
	}
	d->in_tx = false;
	gate_leave(d->gate);
}

enum err
db_step(struct db *d, sqlite3_stmt *st, bool *row)
{
	int rc = sqlite3_step(st);
	*row = rc == SQLITE_ROW;
	if (*row)
		return ERR_OK;
	enum err e = rc == SQLITE_DONE ? ERR_OK : db_fail(d, rc, "reading or writing a row");
	sqlite3_reset(st);
	return e;
}

enum err
db_run(struct db *d, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	enum err e = rc == SQLITE_DONE || rc == SQLITE_ROW ? ERR_OK : db_fail(d, rc, "writing a row");
	sqlite3_reset(st);
	return e;
}

void
bind_text(sqlite3_stmt *st, int i, const char *z)
{
	must((z ? sqlite3_bind_text(st, i, z, -1, SQLITE_STATIC) : sqlite3_bind_null(st, i)) == SQLITE_OK);
}

void
bind_blob(sqlite3_stmt *st, int i, struct str s)
{
	must((s.ptr ? sqlite3_bind_blob64(st, i, s.ptr, s.len, SQLITE_STATIC) : sqlite3_bind_null(st, i)) == SQLITE_OK);
}

void
bind_time(sqlite3_stmt *st, int i, nsec t)
{
	must((t == NS_NONE ? sqlite3_bind_null(st, i) : sqlite3_bind_int64(st, i, t)) == SQLITE_OK);
}

struct str
column_str(sqlite3_stmt *st, int i)
{
	if (sqlite3_column_type(st, i) == SQLITE_NULL)
		return (struct str){ NULL, 0 };
	const char *p = sqlite3_column_blob(st, i);
	size_t n = (size_t)sqlite3_column_bytes(st, i);
	return (struct str){ p ? p : "", n };
}

nsec
column_time(sqlite3_stmt *st, int i)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL ? NS_NONE : sqlite3_column_int64(st, i);
}

char *
column_dup(sqlite3_stmt *st, int i)
{
	struct str s = column_str(st, i);
	return s.ptr ? xstr(s) : NULL;
}

int64_t
lane_of(const char *rule, const char *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (const char *p = rule; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	h = (h ^ 0) * UINT64_C(0x100000001b3);
	for (const char *p = key ? key : "{}"; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return (int64_t)h;
}
