/* store_test.c - opening, locking, damage, full and failing disks; transitions whole and once; steps. */
#include "core/store.h"
#include "core/outbox.h"
#include "core/store_tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- the disk that fails: SQLite finds these before the C library's ---- */

static atomic_bool disk_full, sync_fails;

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at);
int fdatasync(int fd);
int fsync(int fd);

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	static ssize_t (*next)(int, const void *, size_t, off64_t);
	if (!next)
		next = (ssize_t(*)(int, const void *, size_t, off64_t))(uintptr_t)dlsym(RTLD_NEXT, "pwrite64");
	if (disk_full) {
		errno = ENOSPC;
		return -1;
	}
	return next(fd, p, n, at);
}

static int
sync_fd(int fd, const char *name)
{
	int (*next)(int) = (int (*)(int))(uintptr_t)dlsym(RTLD_NEXT, name);
	if (sync_fails) {
		errno = EIO;
		return -1;
	}
	return next(fd);
}

int
fdatasync(int fd)
{
	return sync_fd(fd, "fdatasync");
}

int
fsync(int fd)
{
	return sync_fd(fd, "fsync");
}

/* ---- helpers ---- */

static char *
file(const char *name)
{
	return xasprintf("%s/%s", tmp_dir, name);
}

static bool
there(const char *name)
{
	char *p = file(name);
	bool yes = access(p, F_OK) == 0;
	free(p);
	return yes;
}

static void
sql(const char *text) /* behind weir's back */
{
	char *p = file("weir.db"), *msg = NULL;
	sqlite3 *h;
	must(sqlite3_open(p, &h) == SQLITE_OK);
	if (sqlite3_exec(h, text, NULL, NULL, &msg) != SQLITE_OK)
		printf("# %s: %s\n", text, msg);
	must(!msg);
	must(sqlite3_close(h) == SQLITE_OK);
	free(p);
}

static struct store *
open_ok(unsigned flags)
{
	struct errinfo why = { 0 };
	struct store *s = store_open(tmp_dir, flags, &why);
	ok(s != NULL, "opens %s", why.text);
	must(s);
	return s;
}

static void
open_fails(unsigned flags, enum err code, const char *words, const char *name)
{
	struct errinfo why = { 0 };
	struct store *s = store_open(tmp_dir, flags, &why);
	ok(!s && why.code == code && strstr(why.text, words), "%s: %s", name, why.text);
	store_close(s);
}

static enum err
add(struct store *s, const struct alert *a, bool *inserted, int64_t *number)
{
	enum err e = store_begin(s);
	if (!e)
		e = store_transition(s, a, inserted, number);
	if (e)
		store_rollback(s);
	else
		e = store_commit(s);
	return e;
}

/* ---- tests ---- */

static void
test_open(void)
{
	struct stat sb;
	mode_t old = umask(0);
	tmp_new();
	rmdir(tmp_dir);
	struct store *s = open_ok(0);
	static const char *const names[] = { "weir.db", "weir.db-wal", "weir.db-shm", "lock", "reserve" };

	ok(stat(tmp_dir, &sb) == 0 && (sb.st_mode & 0777) == 0700, "the folder is 0700");
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char *p = file(names[i]);
		ok(stat(p, &sb) == 0 && (sb.st_mode & 0777) == 0600, "%s is 0600", names[i]);
		free(p);
	}
	umask(old);

	char pid[32];
	snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
	open_fails(0, ERR_BUSY, pid, "a second writer");
	struct store *reader = open_ok(STORE_READONLY);
	store_close(reader);
	store_close(s);
	ok(!there("weir.db-wal"), "closed cleanly the log is gone");
	s = open_ok(0);
	store_close(s);
	tmp_new();
	open_fails(STORE_READONLY, ERR_IO, "no state here", "a reader where nothing is");
	char *p = file("lock");
	int fd = open(p, O_CREAT | O_WRONLY, 0600);
	must(fd != -1);
	close(fd);
	struct errinfo why = { 0 };
	ok(!store_open(p, 0, &why) && why.code == ERR_IO && strstr(why.text, "not a folder"), "a file as folder: %s", why.text);
	free(p);
}

static void
damage(const char *name, long at, const char *bytes, size_t n)
{
	char *p = file(name);
	int fd = open(p, O_WRONLY);
	must(fd != -1 && pwrite(fd, bytes, n, at) == (ssize_t)n);
	close(fd);
	free(p);
}

static uint64_t
file_hash(const char *name)
{
	char *p = file(name), *bytes = xmalloc(1 << 20);
	int fd = open(p, O_RDONLY);
	ssize_t n = read(fd, bytes, 1 << 20);
	must(fd != -1 && n >= 0);
	uint64_t h = str_hash((struct str){ bytes, (size_t)n }, 1);
	close(fd);
	free(bytes);
	free(p);
	return h;
}

static bool
aside_there(void)
{
	bool yes = false;
	DIR *d = opendir(tmp_dir);
	must(d);
	for (struct dirent *f; (f = readdir(d));)
		yes = yes || strncmp(f->d_name, "weir.db.bad.", 12) == 0;
	closedir(d);
	return yes;
}

static void
test_damage(void)
{
	struct alert a = alert_new("r", "x", EV_FIRING, 5 * NS_PER_S);
	bool inserted;
	int64_t number;

	tmp_new();
	struct store *s = open_ok(0);
	must(add(s, &a, &inserted, &number) == ERR_OK);
	store_close(s);
	damage("weir.db", 0, "not a database at all", 21);
	uint64_t before = file_hash("weir.db");
	open_fails(0, ERR_CORRUPT, "--reset-state", "a file that is no database");
	ok(file_hash("weir.db") == before && !aside_there(), "is left as it is");
	s = open_ok(STORE_RESET);
	ok(aside_there(), "a reset sets it aside");
	store_close(s);

	tmp_new();
	s = open_ok(0);
	store_close(s);
	char junk[4096];
	memset(junk, 0xEE, sizeof junk);
	damage("weir.db", 4096 * 2, junk, sizeof junk);
	before = file_hash("weir.db");
	open_fails(0, ERR_CORRUPT, "damaged", "a page of noise");
	ok(file_hash("weir.db") == before, "is left as it is");

	tmp_new();
	s = open_ok(0);
	store_close(s);
	char *p = file("weir.db");
	must(truncate(p, 0) == 0);
	free(p);
	open_fails(0, ERR_CORRUPT, "empty", "an empty file");

	tmp_new();
	s = open_ok(0);
	store_close(s);
	sql("PRAGMA user_version=99");
	open_fails(0, ERR_CONF, "newer weir", "of a newer weir");
	s = open_ok(STORE_RESET);
	ok(aside_there(), "a reset sets that aside, too");
	store_close(s);

	tmp_new();
	s = open_ok(0);
	must(store_begin(s) == ERR_OK && store_transition(s, &a, &inserted, &number) == ERR_OK &&
	     store_outbox(s, number, "ops", 1, 1) == ERR_OK && store_commit(s) == ERR_OK);
	store_close(s);
	sql("UPDATE transition SET title='forged'");
	open_fails(0, ERR_CORRUPT, "checksum", "a waiting row's transition that changed");
	sql("UPDATE outbox SET state=1");
	s = open_ok(0);
	ok(store_open_alerts(s, NULL, NULL) == ERR_CORRUPT && strstr(store_error(s), "checksum"), "found when read: %s",
		store_error(s));
	store_close(s);

	tmp_new();
	s = open_ok(0);
	int64_t gen;
	must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK &&
	     ckpt_put(s, CKPT_KEY, STR("r"), STR("k"), 1, STR("data")) == ERR_OK && ckpt_close_slice(s) == ERR_OK &&
	     ckpt_finish(s) == ERR_OK);
	must(store_begin(s) == ERR_OK && store_step(s, STR("p"), 1, 2, STR("step")) == ERR_OK && store_commit(s) == ERR_OK);
	store_close(s);
	sql("UPDATE ckpt_key SET pane=2; UPDATE step SET seq=9");
	s = open_ok(0);
	ok(ckpt_load(s, NULL, NULL) == ERR_CORRUPT, "a checkpoint row that changed");
	ok(store_steps_load(s, NULL, NULL) == ERR_CORRUPT, "a step that changed");
	store_close(s);
	alert_free(&a);
}

static struct alert got;
static int ngot;

static void
keep_alert(void *arg, const struct alert *a)
{
	(void)arg;
	if (ngot++)
		alert_free(&got);
	alert_copy(&got, a);
}

static void
test_transitions(void)
{
	struct alert a = alert_new("disk", "x", EV_PENDING, 100);
	struct buf one, two;
	bool inserted = false;
	int64_t n1 = 0, n2 = 0, n3 = 0;
	nsec newest;

	buf_init(&one, 1 << 16);
	buf_init(&two, 1 << 16);
	a.value = xstrdup("0.25");
	a.count = INT64_C(1) << 40;
	a.cause = xstrdup("no data");
	a.runbook = xstrdup("https://r.example/x");
	a.session_id = xstrdup("");
	a.user_id = xstrdup("u\xc3\xbc");
	a.stage = xstrdup("merging");
	a.fingerprint = xstrdup("[\"a\"]");
	a.partial = a.shadow = true;
	tmp_new();
	struct store *s = open_ok(0);
	ok(add(s, &a, &inserted, &n1) == ERR_OK && inserted && n1 == 1, "inserted");
	ok(add(s, &a, &inserted, &n2) == ERR_OK && !inserted && n2 == n1, "not twice; the number is told");
	ngot = 0;
	ok(store_open_alerts(s, keep_alert, NULL) == ERR_OK && ngot == 1, "one open alert");
	alert_json(&one, &a);
	alert_json(&two, &got);
	is(buf_str(&two), buf_str(&one), "comes back as it was");
	ok(got.shadow && strcmp(got.fingerprint, "[\"a\"]") == 0 && got.cause && got.session_id[0] == '\0' && !got.metadata[2],
		"and what is not in the JSON");

	struct alert f = alert_new("disk", "x", EV_FIRING, 200);
	ok(add(s, &f, &inserted, &n3) == ERR_OK && inserted && n3 == 2, "the next of the same alert");
	ok(store_open_alerts(s, keep_alert, NULL) == ERR_OK && ngot == 2 && got.event == EV_FIRING, "the last one counts");
	bool open = false;
	ok(store_is_open(s, f.id, &open) == ERR_OK && open, "it is open");
	struct alert ack = alert_new("disk", "x", EV_ACKNOWLEDGED, 999);
	must(add(s, &ack, &inserted, &n3) == ERR_OK);
	ok(store_newest(s, "disk", &newest) == ERR_OK && newest == 200, "the newest by event time, acknowledgements apart");
	ok(store_newest(s, "none", &newest) == ERR_OK && newest == NS_NONE, "of a rule without any");
	struct alert r = alert_new("disk", "x", EV_RESOLVED, 300), once = alert_new("disk", "once", EV_FIRING, 250);
	once.ends_at = 250;
	must(add(s, &r, &inserted, &n3) == ERR_OK && add(s, &once, &inserted, &n3) == ERR_OK);
	ok(store_is_open(s, r.id, &open) == ERR_OK && !open, "resolved it is not");
	ok(store_is_open(s, once.id, &open) == ERR_OK && !open, "nor what was over at once");
	ok(store_is_open(s, "alert_0_unknown", &open) == ERR_OK && open, "of an unknown one nothing says that it is over");
	ngot = 0;
	alert_free(&got);
	ok(store_open_alerts(s, keep_alert, NULL) == ERR_OK && ngot == 0, "resolved ones and those over at once are not open");

	/* rollback */
	struct alert b = alert_new("disk", "b", EV_FIRING, 400);
	must(store_begin(s) == ERR_OK && store_transition(s, &b, &inserted, &n1) == ERR_OK);
	store_rollback(s);
	ok(add(s, &b, &inserted, &n2) == ERR_OK && inserted, "what was rolled back was not there");
	store_close(s);
	s = open_ok(0);
	ok(add(s, &b, &inserted, &n3) == ERR_OK && !inserted && n3 == n2, "there after a restart");

	/* pruning: only whole alerts that are over, behind both limits */
	ok(store_prune_alerts(s, 300, 1000, 100) == ERR_OK, "prune before the resolve");
	must(add(s, &f, &inserted, &n3) == ERR_OK);
	ok(!inserted, "nothing of the alert went while its end is newer");
	must(store_prune_alerts(s, 1000, 251, 100) == ERR_OK && add(s, &f, &inserted, &n3) == ERR_OK);
	ok(!inserted, "nor what is newer than the checkpoint");
	must(add(s, &once, &inserted, &n3) == ERR_OK);
	ok(inserted, "what is behind both is gone");
	must(store_begin(s) == ERR_OK && store_outbox(s, n3, "ops", 1, 1) == ERR_OK && store_commit(s) == ERR_OK);
	must(store_prune_alerts(s, 1000, 1000, 100) == ERR_OK && add(s, &once, &inserted, &n3) == ERR_OK);
	ok(!inserted, "what waits to be delivered stays");
	must(add(s, &b, &inserted, &n3) == ERR_OK);
	ok(!inserted, "what is open stays");
	must(add(s, &r, &inserted, &n3) == ERR_OK);
	ok(inserted, "the rest is gone");
	store_close(s);
	buf_free(&one);
	buf_free(&two);
	alert_free(&a);
	alert_free(&f);
	alert_free(&r);
	alert_free(&b);
	alert_free(&ack);
	alert_free(&once);
}

static struct buf steps;

static void
step_text(void *arg, struct str partition, int64_t seq, int kind, struct str data)
{
	(void)arg;
	buf_printf(&steps, "%.*s@%lld:%d=%.*s ", STR_ARG(partition), (long long)seq, kind, STR_ARG(data));
}

static void
test_steps(void)
{
	tmp_new();
	struct store *s = open_ok(0);
	buf_init(&steps, 4096);
	must(store_begin(s) == ERR_OK);
	must(store_step(s, STR("a"), 5, STEP_SILENCE, STR("one")) == ERR_OK);
	must(store_step(s, STR("b"), 5, STEP_SILENCE, STR("other")) == ERR_OK);
	must(store_step(s, STR("a"), 5, STEP_SILENCE, STR("two")) == ERR_OK);
	must(store_step(s, STR("a"), 5, 3, STR("left")) == ERR_OK);
	must(store_step(s, STR("a"), 5, 3, STR("left again")) == ERR_OK);
	must(store_step(s, STR("a"), 5, STEP_SILENCE, STR("")) == ERR_OK);
	must(store_commit(s) == ERR_OK);
	store_close(s);
	s = open_ok(0);
	ok(store_steps_load(s, step_text, NULL) == ERR_OK, "loads");
	isz(buf_z(&steps), "b@5:0=other a@5:0=two a@5:3=left a@5:3=left again a@5:0= ",
		"in order; a silence step replaces the one before it at its place");
	buf_free(&steps);
	store_close(s);
}

static void
test_full(void)
{
	struct alert a = alert_new("r", "x", EV_FIRING, 5), b = alert_new("r", "y", EV_FIRING, 6);
	bool inserted;
	int64_t number;
	tmp_new();
	struct store *s = open_ok(0);
	disk_full = true;
	enum err e = add(s, &a, &inserted, &number);
	ok(e == ERR_FULL && strstr(store_error(s), "no space"), "full: %s", store_error(s));
	ok(there("reserve") && store_release_reserve(s) && !there("reserve"), "the reserve is given up");
	ok(!store_release_reserve(s), "once");
	disk_full = false;
	ok(add(s, &a, &inserted, &number) == ERR_OK && inserted, "space again: it goes on");
	disk_full = true;
	int64_t gen;
	must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
	must(ckpt_put(s, CKPT_KEY, STR("r"), STR("k"), 1, STR("data")) == ERR_OK);
	ok(ckpt_close_slice(s) == ERR_FULL && ckpt_finish(s) == ERR_AGAIN, "a generation that met a full disk is not valid");
	disk_full = false;
	ok(add(s, &b, &inserted, &number) == ERR_OK && inserted, "and on");
	store_close(s);
	disk_full = true;
	open_fails(0, ERR_FULL, "no space", "full at the start");
	disk_full = false;
	s = open_ok(0);
	ok(there("reserve"), "the reserve is there again");
	store_close(s);
	alert_free(&a);
	alert_free(&b);
}

static void
test_sync(void)
{
	struct alert a = alert_new("r", "x", EV_FIRING, 5);
	int status = 0;
	tmp_new();
	fflush(stdout);
	pid_t child = fork();
	must(child != -1);
	if (child == 0) {
		bool inserted;
		int64_t number;
		struct errinfo why = { 0 };
		int fd = open("/dev/null", O_WRONLY);
		must(fd != -1 && dup2(fd, STDERR_FILENO) != -1);
		struct store *s = store_open(tmp_dir, 0, &why);
		sync_fails = true;
		if (!s || add(s, &a, &inserted, &number) != ERR_OK)
			_exit(1);
		_exit(0);
	}
	ok(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3, "a failed fsync ends the process");
	struct store *s = open_ok(0);
	store_close(s);
	alert_free(&a);
}

/* A child killed in the middle of a commit's life leaves a whole store. */
static void
test_kill(void)
{
	struct alert a = alert_new("r", "x", EV_FIRING, 5), b = alert_new("r", "y", EV_FIRING, 6);
	bool inserted;
	int64_t number;
	int status;
	tmp_new();
	fflush(stdout);
	pid_t child = fork();
	must(child != -1);
	if (child == 0) {
		struct errinfo why = { 0 };
		struct store *s = store_open(tmp_dir, 0, &why);
		must(s && add(s, &a, &inserted, &number) == ERR_OK && store_begin(s) == ERR_OK);
		must(store_transition(s, &b, &inserted, &number) == ERR_OK);
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	must(waitpid(child, &status, 0) == child);
	ok(WIFSIGNALED(status), "killed in the middle of a step");
	struct store *s = open_ok(0);
	ok(add(s, &a, &inserted, &number) == ERR_OK && !inserted, "what was committed is there");
	ok(add(s, &b, &inserted, &number) == ERR_OK && inserted, "what was not is not");
	store_close(s);
	alert_free(&a);
	alert_free(&b);
}

/* Marks get their turn while the writer does slice after slice. */
static atomic_int marks;

static void *
marker(void *arg)
{
	struct outbox *o = arg;
	for (int i = 0; i < 50; i++) {
		struct outbox_done done = { .id = 1, .mark = OUTBOX_RETRY, .due = 5, .at = 5 };
		if (outbox_mark(o, &done, 1) == ERR_OK)
			marks++;
	}
	return NULL;
}

static void
test_turns(void)
{
	struct errinfo why = { 0 };
	struct alert a = alert_new("r", "x", EV_FIRING, 5);
	bool inserted;
	int64_t number, gen, slices = 0;
	pthread_t thread;

	tmp_new();
	struct store *s = open_ok(0);
	must(store_begin(s) == ERR_OK && store_transition(s, &a, &inserted, &number) == ERR_OK &&
	     store_outbox(s, number, "hook", 1, 1) == ERR_OK && store_commit(s) == ERR_OK);
	struct outbox *o = outbox_open(tmp_dir, &why);
	must(o);
	must(pthread_create(&thread, NULL, marker, o) == 0);
	must(ckpt_begin(s, &gen) == ERR_OK);
	while (marks < 50 && slices < 100000) {
		must(ckpt_open_slice(s) == ERR_OK);
		must(ckpt_put(s, CKPT_KEY, STR("r"), STR("k"), slices, STR("data")) == ERR_OK);
		must(ckpt_close_slice(s) == ERR_OK);
		slices++;
	}
	pthread_join(thread, NULL);
	ok(marks == 50 && slices < 1000, "50 marks came through between %lld slices", (long long)slices);
	must(ckpt_open_slice(s) == ERR_OK);
	struct outbox_done done = { .id = 1, .mark = OUTBOX_SENT, .at = 5 };
	ok(outbox_mark(o, &done, 1) == ERR_BUSY, "a thread cannot wait for itself");
	must(ckpt_close_slice(s) == ERR_OK);
	outbox_close(o);
	store_close(s);
	alert_free(&a);
}

int
main(void)
{
	test_open();
	test_damage();
	test_transitions();
	test_steps();
	test_full();
	test_sync();
	test_kill();
	test_turns();
	tmp_clear();
	return tap_done();
}
