/* store.c - opening STATE/weir.db: one writer a folder, made whole or not at all, checked before it is used; steps.
 *
 * STATE/lock      held by flock as long as the daemon lives; holds its pid
 * STATE/weir.db   the file (made as weir.db.new and renamed, so that an empty one is damage and not a new one)
 * STATE/reserve   16 MiB to give up when the device is full
 * All are 0600 whatever the umask.
 * Cost: open reads the whole file once (quick_check); the rest is one statement each.
 */
#include "core/store_int.h"

#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define RESERVE_EVERY (30 * NS_PER_S)

static char *
in_dir(const char *dir, const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static enum err
os_error(struct errinfo *why, const char *path, const char *doing)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return err_set(why, ERR_FULL, "no space is left for %s: free some on its device, then start weir again", path);
	if (errno == EROFS || errno == EACCES || errno == EPERM)
		return err_set(why, ERR_IO, "%s: %s: %s; make the state folder writable for weir", doing, path, strerror(errno));
	return err_set(why, ERR_IO, "%s: %s: %s", doing, path, strerror(errno));
}

static enum err
dir_make(const char *dir, struct errinfo *why)
{
	struct stat sb;
	if (mkdir(dir, 0700) == 0)
		return ERR_OK;
	if (errno != EEXIST)
		return os_error(why, dir, "cannot make the state folder");
	if (stat(dir, &sb) == -1)
		return os_error(why, dir, "cannot use the state folder");
	if (!S_ISDIR(sb.st_mode))
		return err_set(why, ERR_IO, "%s is not a folder: give `state:` another path", dir);
	return ERR_OK;
}

/* A file of ours, 0600 even under a strange umask. */
static int
file_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd != -1 && fchmod(fd, 0600) == -1) {
		int keep = errno;
		close(fd);
		errno = keep;
		return -1;
	}
	return fd;
}

static enum err
lock_take(struct store *s, struct errinfo *why)
{
	char *path = in_dir(s->dir, "lock");
	char pid[32] = "";
	enum err e = ERR_OK;

	s->lock = file_open(path, O_RDWR);
	if (s->lock == -1) {
		e = os_error(why, path, "cannot lock the state folder");
	} else if (flock(s->lock, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK) {
			e = os_error(why, path, "cannot lock the state folder");
			goto out;
		}
		ssize_t n = pread(s->lock, pid, sizeof pid - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		e = err_set(why, ERR_BUSY, "%s is in use by another weir (pid %s): stop it, or give this one another `state:`",
			s->dir, pid[0] ? pid : "unknown");
	} else {
		int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
		if (ftruncate(s->lock, 0) == -1 || pwrite(s->lock, pid, (size_t)n, 0) != n)
			e = os_error(why, path, "cannot write");
	}
out:
	free(path);
	return e;
}

/* ---- the reserve ---- */

static bool
reserve_room(const char *dir)
{
	struct statvfs v;
	return statvfs(dir, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize >= 2 * (uint64_t)STORE_RESERVE;
}

/* 0 or errno. */
static int
reserve_fill(const char *path)
{
	int fd = file_open(path, O_WRONLY);
	if (fd == -1)
		return errno;
	int rc = posix_fallocate(fd, 0, STORE_RESERVE);
	close(fd);
	if (rc)
		unlink(path);
	return rc;
}

void
reserve_make(struct store *s)
{
	nsec now = mono_ns();
	if (s->reserved || s->readonly || now - s->reserve_tried < RESERVE_EVERY)
		return;
	s->reserve_tried = now;
	if (!reserve_room(s->dir))
		return;
	char *path = in_dir(s->dir, "reserve");
	s->reserved = reserve_fill(path) == 0;
	free(path);
}

bool
store_release_reserve(struct store *s)
{
	if (!s->reserved)
		return false;
	char *path = in_dir(s->dir, "reserve");
	s->reserved = false;
	s->reserve_tried = mono_ns();
	bool gone = unlink(path) == 0 || errno == ENOENT;
	free(path);
	if (gone)
		log_warn("store", "no space is left in %s: the reserve of 16 MiB is given up", s->dir);
	return gone;
}

bool
store_has_reserve(const struct store *s)
{
	return s->reserved;
}

static enum err
reserve_open(struct store *s, struct errinfo *why)
{
	char *path = in_dir(s->dir, "reserve");
	struct stat sb;
	enum err e = ERR_OK;
	s->reserved = lstat(path, &sb) == 0 && S_ISREG(sb.st_mode) && sb.st_size >= STORE_RESERVE;
	if (!s->reserved) {
		int rc = reserve_fill(path);
		s->reserved = rc == 0;
		errno = rc;
		if (rc)
			e = os_error(why, path, "cannot make the reserve of 16 MiB");
	}
	free(path);
	return e;
}

/* ---- making and setting aside ---- */

static enum err
sync_dir(const char *dir, struct errinfo *why)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = ERR_OK;
	if (fd == -1 || fsync(fd) == -1)
		e = os_error(why, dir, "cannot sync the state folder");
	if (fd != -1)
		close(fd);
	return e;
}

/* Leftovers of a database that is not there any more would be replayed into the new one. */
static void
sidecars_drop(const char *path)
{
	static const char *const tail[] = { "-wal", "-shm", "-journal" };
	for (size_t i = 0; i < COUNT_OF(tail); i++) {
		char *side = xasprintf("%s%s", path, tail[i]);
		unlink(side);
		free(side);
	}
}

static enum err
schema_write(const char *path, struct errinfo *why)
{
	struct db d;
	char *mark = xasprintf("PRAGMA application_id=%d;PRAGMA user_version=%d;COMMIT;PRAGMA journal_mode=WAL;",
		STORE_APPLICATION, STORE_VERSION);
	enum err e = db_open(&d, path, SQLITE_OPEN_READWRITE, why);
	if (!e) {
		sqlite3_db_config(d.h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		e = db_exec(&d, "BEGIN IMMEDIATE");
		if (!e)
			e = db_exec(&d, store_schema);
		if (!e)
			e = db_exec(&d, mark);
		if (e)
			err_set(why, e, "%s", d.error);
	}
	db_close(&d);
	free(mark);
	return e;
}

static enum err
file_make(const char *dir, const char *path, struct errinfo *why)
{
	char *fresh = in_dir(dir, STORE_FILE ".new");
	enum err e = ERR_OK;
	sidecars_drop(path);
	sidecars_drop(fresh);
	unlink(fresh);
	int fd = file_open(fresh, O_RDWR | O_EXCL);
	if (fd == -1)
		e = os_error(why, fresh, "cannot make the state file");
	else
		close(fd);
	if (!e)
		e = schema_write(fresh, why);
	if (!e && rename(fresh, path) == -1)
		e = os_error(why, path, "cannot make the state file");
	if (!e) {
		sidecars_drop(fresh);
		e = sync_dir(dir, why);
	}
	free(fresh);
	return e;
}

/* What a reset loses, in words; the file may be beyond reading. */
static void
loss_tell(const char *path, const char *aside)
{
	struct db d;
	struct errinfo why = { 0 };
	int64_t open = -1, waiting = -1;
	if (db_open(&d, path, SQLITE_OPEN_READONLY, &why) ||
	    db_int(&d, "SELECT count(*) FROM open_alert", &open) ||
	    db_int(&d, "SELECT count(*) FROM outbox WHERE state=0", &waiting))
		log_warn("store", "the old state is set aside as %s; it cannot be read: lost are the read positions, the windows, "
				  "the open alerts and what was not delivered yet; sources are read again as if new", aside);
	else
		log_warn("store", "the old state is set aside as %s: lost are the read positions, the windows, %lld open alerts and "
				  "%lld messages not delivered yet; sources are read again as if new",
			aside, (long long)open, (long long)waiting);
	db_close(&d);
}

static enum err
set_aside(const char *dir, const char *path, struct errinfo *why)
{
	static const char *const tail[] = { "", "-wal", "-shm" };
	char stamp[32];
	struct tm tm;
	time_t now = time(NULL);
	enum err e = ERR_OK;

	if (access(path, F_OK) == -1)
		return ERR_OK;
	must(gmtime_r(&now, &tm) && strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm) > 0);
	char *aside = xasprintf("%s.bad.%s", path, stamp);
	for (int again = 2; access(aside, F_OK) == 0; again++) { /* twice within a second */
		free(aside);
		aside = xasprintf("%s.bad.%s.%d", path, stamp, again);
	}
	loss_tell(path, aside);
	for (size_t i = 0; i < COUNT_OF(tail) && !e; i++) {
		char *from = xasprintf("%s%s", path, tail[i]), *to = xasprintf("%s%s", aside, tail[i]);
		if (rename(from, to) == -1 && errno != ENOENT)
			e = os_error(why, from, "cannot set the old state aside");
		free(from);
		free(to);
	}
	free(aside);
	return e ? e : sync_dir(dir, why);
}

/* ---- checking ---- */

static enum err
version_check(struct db *d, struct errinfo *why)
{
	int64_t version = 0, application = 0;
	enum err e = db_int(d, "PRAGMA user_version", &version);
	if (!e)
		e = db_int(d, "PRAGMA application_id", &application);
	if (e)
		return err_set(why, e, "%s", d->error);
	if (application == STORE_APPLICATION && version > STORE_VERSION)
		return err_set(why, ERR_CONF, "%s was made by a newer weir (its version is %lld, this weir knows %d): use that "
					      "weir, or give this one another `state:`",
			d->path, (long long)version, STORE_VERSION);
	if (application != STORE_APPLICATION || version < 1) {
		e = db_fail(d, SQLITE_NOTADB, "it is no state of weir");
		return err_set(why, e, "%s", d->error);
	}
	return ERR_OK; /* version 1 is the first: nothing to migrate */
}

static enum err
pages_check(struct db *d, struct errinfo *why)
{
	sqlite3_stmt *st = NULL;
	char text[256] = "";
	int rc = sqlite3_prepare_v2(d->h, "PRAGMA quick_check(1)", -1, &st, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(st, 0));
		rc = strcmp(text, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
	}
	sqlite3_finalize(st);
	if (rc == SQLITE_OK)
		return ERR_OK;
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	enum err e = db_fail(d, rc, text[0] ? text : "checking its pages");
	return err_set(why, e, "%s", d->error);
}

/* What is still to be delivered is read by another thread, later: find damage while the answer can be exit 3. */
static enum err
waiting_check(struct db *d, struct errinfo *why)
{
	int64_t bad = 0;
	enum err e = db_int(d, "SELECT count(*) FROM outbox o LEFT JOIN transition t ON t.number=o.number WHERE o.state=0 AND ("
			       "NOT(" O_GOOD("o.") ") OR (o.number IS NOT NULL AND (t.number IS NULL OR NOT(weir_crc("
			       T_COLUMNS("t.") ")=t.crc))))", &bad);
	if (!e && bad)
		e = db_corrupt(d, "the outbox");
	return e ? err_set(why, e, "%s", d->error) : ERR_OK;
}

/* A first write, so that a full or read-only device is told at the start. */
static enum err
first_write(struct store *s, struct errinfo *why)
{
	enum err e = db_begin(&s->db);
	if (!e) {
		bind_text(s->st[S_META_SET], 1, "opened");
		bind_time(s->st[S_META_SET], 2, wall_ns());
		e = db_run(&s->db, s->st[S_META_SET]);
		if (e)
			db_rollback(&s->db);
		else
			e = db_commit(&s->db);
	}
	return e ? err_set(why, e, "%s", s->db.error) : ERR_OK;
}

static enum err
file_open_checked(struct store *s, const char *path, struct errinfo *why)
{
	struct stat sb;
	if (stat(path, &sb) == 0 && sb.st_size == 0)
		return err_set(why, ERR_CORRUPT, "%s is damaged (it is empty): it is left as it is; restore it from a backup, or "
						 "start once with `weir run --reset-state`, which sets it aside and starts empty",
			path);
	enum err e = db_open(&s->db, path, s->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, why);
	if (!e)
		e = version_check(&s->db, why);
	if (!e && !s->readonly)
		e = pages_check(&s->db, why);
	if (!e && db_prepare(&s->db, store_sql, s->st, S_STMTS))
		e = err_set(why, ERR_CORRUPT, "%s", s->db.error);
	if (!e && !s->readonly)
		e = waiting_check(&s->db, why);
	if (!e && !s->readonly)
		e = first_write(s, why);
	if (!e) {
		e = ckpt_attach(s);
		if (e)
			err_set(why, e, "%s", s->db.error);
	}
	if (!e && !s->readonly)
		sqlite3_db_config(s->db.h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return e;
}

struct store *
store_open(const char *dir, unsigned flags, struct errinfo *why)
{
	struct store *s = xcalloc(1, sizeof *s);
	s->dir = xstrdup(dir);
	s->lock = -1;
	s->readonly = flags & STORE_READONLY;
	s->reserve_tried = mono_ns() - RESERVE_EVERY;
	char *path = in_dir(dir, STORE_FILE);
	enum err e = ERR_OK;

	if (!s->readonly) {
		e = dir_make(dir, why);
		if (!e)
			e = lock_take(s, why);
		if (!e && (flags & STORE_RESET))
			e = set_aside(dir, path, why);
		if (!e && access(path, F_OK) == -1)
			e = errno == ENOENT ? file_make(dir, path, why) : os_error(why, path, "cannot open");
	} else if (access(path, F_OK) == -1) {
		e = err_set(why, ERR_IO, "%s: there is no state here (%s); is `state:` right, has weir run yet?", path,
			strerror(errno));
	}
	if (!e)
		e = file_open_checked(s, path, why);
	if (!e && !s->readonly)
		e = reserve_open(s, why);
	free(path);
	if (e) {
		store_close(s);
		return NULL;
	}
	return s;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	ckpt_detach(s);
	db_finalize(s->st, S_STMTS);
	db_close(&s->db);
	if (s->lock != -1)
		close(s->lock);
	free(s->dir);
	free(s);
}

const char *
store_error(const struct store *s)
{
	return s->db.error;
}

/* ---- a step of the back ---- */

enum err
store_begin(struct store *s)
{
	return db_begin(&s->db);
}

enum err
store_commit(struct store *s)
{
	return db_commit(&s->db);
}

void
store_rollback(struct store *s)
{
	db_rollback(&s->db);
	ckpt_rolled_back(s);
}

enum err
store_step(struct store *s, struct str partition, int64_t seq, int kind, struct str data)
{
	sqlite3_stmt *st = s->st[S_STEP_LAST];
	enum err e = ERR_OK;
	must(s->db.in_tx);
	if (kind == STEP_SILENCE) {
		bool row;
		bind_blob(st, 1, partition.ptr ? partition : STR(""));
		sqlite3_bind_int64(st, 2, seq);
		e = db_step(&s->db, st, &row);
		if (!e && row) {
			int64_t id = sqlite3_column_int64(st, 0);
			bool replace = sqlite3_column_int64(st, 1) == STEP_SILENCE;
			sqlite3_reset(st);
			if (replace) {
				sqlite3_bind_int64(s->st[S_STEP_DROP], 1, id);
				e = db_run(&s->db, s->st[S_STEP_DROP]);
			}
		}
		if (e)
			return e;
	}
	st = s->st[S_STEP];
	bind_blob(st, 1, partition.ptr ? partition : STR(""));
	sqlite3_bind_int64(st, 2, seq);
	sqlite3_bind_int64(st, 3, kind);
	bind_blob(st, 4, data.ptr ? data : STR(""));
	sqlite3_bind_int64(st, 5, wall_ns());
	return db_run(&s->db, st);
}

static enum err
steps_after(struct store *s, int64_t id, void (*row)(void *arg, struct str partition, int64_t seq, int kind, struct str data),
	void *arg)
{
	sqlite3_stmt *st = s->st[S_STEPS];
	bool more;
	enum err e;
	sqlite3_bind_int64(st, 1, id);
	while ((e = db_step(&s->db, st, &more)) == ERR_OK && more) {
		if (!sqlite3_column_int(st, 4)) {
			sqlite3_reset(st);
			return db_corrupt(&s->db, "the steps");
		}
		row(arg, column_str(st, 0), sqlite3_column_int64(st, 1), sqlite3_column_int(st, 2), column_str(st, 3));
	}
	return e;
}

enum err
store_steps_load(struct store *s, void (*row)(void *arg, struct str partition, int64_t seq, int kind, struct str data),
	void *arg)
{
	return steps_after(s, 0, row, arg);
}

enum err
store_steps_new(struct store *s, void (*row)(void *arg, struct str partition, int64_t seq, int kind, struct str data),
	void *arg)
{
	return steps_after(s, s->ckpt.valid_step, row, arg);
}
