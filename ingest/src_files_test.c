/* src_files_test.c - rotation as it happens, live, with a restart wherever one can fall. */
#include "ingest/rig.h"

static void
plain_tail(void)
{
	struct rig r;
	rig_init(&r, "*.log", START_BEGINNING);
	rig_add(&r, "a.log", 0, 1000, 500); /* two batches */
	rig_live(&r);
	rig_read(&r);
	rig_exact(&r, 0, 1000, 500, "what is there");
	ok(r.last == ERR_AGAIN && r.b.at_end && r.b.written != NS_NONE, "read to its end, with the file's time");
	rig_add(&r, "a.log", 1000, 1500, 500);
	rig_read(&r);
	rig_exact(&r, 0, 1500, 500, "appended");
	rig_restart(&r);
	rig_read(&r);
	rig_add(&r, "a.log", 1500, 1600, 500);
	rig_read(&r);
	rig_exact(&r, 0, 1600, 500, "over a restart");
	rig_free(&r);
}

static void
partial_line(void)
{
	struct rig r;
	rig_init(&r, "a.log", START_BEGINNING);
	rig_puts(&r, "a.log", "one\ntw");
	rig_live(&r);
	rig_read(&r);
	is(buf_str(&r.out), STR("one\n"), "a line without its end is waited for");
	ok(r.b.at_end && !r.s.part[0]->unread, "and is no unread data");
	rig_restart(&r);
	rig_puts(&r, "a.log", "o\r\n\n\r\nthr");
	rig_read(&r);
	is(buf_str(&r.out), STR("one\ntwo\n"), "its end comes after a restart; CR cut, empty lines skipped");
	rig_mv(&r, "a.log", "a.log.1");
	rig_puts(&r, "a.log", "four\n");
	rig_settle(&r);
	is(buf_str(&r.out), STR("one\ntwo\nthr\nfour\n"), "rotated: what stands there is the record");
	rig_rm(&r, "a.log");
	rig_settle(&r);
	ok(r.s.part[0]->state == PART_ENDED && r.last == ERR_EOF, "unlinked and quiet: ended");
	rig_puts(&r, "a.log", "five\n");
	rig_settle(&r);
	is(buf_str(&r.out), STR("one\ntwo\nthr\nfour\nfive\n"), "created again: from its beginning");
	ok(r.s.part[0]->state == PART_LIVE && !r.order_broken, "and live again");
	rig_free(&r);
}

static void
start_end(void)
{
	struct rig r;
	rig_init(&r, "*.log", START_END);
	rig_puts(&r, "a.log", "old\nlast\npart");
	rig_puts(&r, "empty.log", "");
	rig_live(&r);
	rig_read(&r);
	is(buf_str(&r.out), STR(""), "start: end gives no record of before");
	is(buf_str(&r.time_line), STR("last"), "but the last line, for its time alone");
	rig_puts(&r, "a.log", "ial\n");
	rig_puts(&r, "empty.log", "e\n");
	rig_puts(&r, "b.log", "b\n");
	rig_settle(&r);
	is(buf_str(&r.out), STR("partial\nb\ne\n"), "an unfinished line is new; files that come later are read whole");
	rig_restart(&r);
	rig_puts(&r, "c.log", "c\n");
	rig_settle(&r);
	is(buf_str(&r.out), STR("partial\nb\ne\nc\n"), "so are those that came while weir was down");
	ok(r.time_only == 1, "once");
	rig_free(&r);
}

/* Rename and create, many times, with late writers, restarted after every step. */
static void
rename_create(bool restart)
{
	struct rig r;
	size_t n = 0;
	rig_init(&r, "a.log*", START_BEGINNING);
	rig_add(&r, "a.log", n, n + 10, 100);
	n += 10;
	rig_live(&r);
	for (int i = 0; i < 8; i++) {
		rig_read(&r);
		if (restart)
			rig_restart(&r);
		rig_add(&r, "a.log", n, n + 7, 100);
		n += 7;
		rig_sh(&r, "for i in 5 4 3 2 1; do [ -e a.log.$i ] && mv a.log.$i a.log.$((i+1)); done; mv a.log a.log.1");
		if (i % 2)
			rig_read(&r);
		rig_add(&r, "a.log.1", n, n + 3, 100); /* the writer has not reopened yet */
		n += 3;
		rig_read(&r);
		if (restart)
			rig_restart(&r);
		rig_add(&r, "a.log", n, n + 5, 100);
		n += 5;
		rig_read(&r);
		rig_settle(&r);
	}
	rig_exact(&r, 0, n, 100, restart ? "rename and create, restarted in between" : "rename and create");
	ok(r.s.npart == 1, "rotations that match the glob are no partitions");
	rig_free(&r);
}

static void
down_rotations(const char *pattern, const char *pack)
{
	struct rig r;
	rig_init(&r, pattern, START_BEGINNING);
	rig_add(&r, "a.log", 0, 1000, 500);
	rig_live(&r);
	r.stop = 1; /* inside the file */
	rig_read(&r);
	r.stop = 0;
	ok(r.batches == 1 && r.out.len < 400000, "read in part");
	rig_add(&r, "a.log", 1000, 1100, 500);
	rig_close(&r);
	rig_sh(&r, "mv a.log a.log.1");
	rig_add(&r, "a.log", 1100, 1200, 500);
	rig_sh(&r, "mv a.log.1 a.log.2; mv a.log a.log.1");
	if (*pack)
		rig_sh(&r, pack);
	rig_add(&r, "a.log", 1200, 1300, 500);
	rig_live(&r);
	r.stop = 1;
	for (int i = 0; i < 40; i++) { /* a restart after every batch */
		rig_read(&r);
		r.now += 3 * NS_PER_S;
		rig_restart(&r);
	}
	r.stop = 0;
	rig_settle(&r);
	rig_exact(&r, 0, 1300, 500, *pack ? "two rotations while down, compressed" : "two rotations while down");
	rig_free(&r);
}

static void
copytruncate(void)
{
	struct rig r;
	rig_init(&r, "a.log*", START_BEGINNING);
	rig_add(&r, "a.log", 0, 50, 100);
	rig_live(&r);
	rig_read(&r);
	rig_add(&r, "a.log", 50, 60, 100); /* not read yet: stands in the copy */
	rig_sh(&r, "cp a.log a.log.1; : > a.log");
	rig_add(&r, "a.log", 60, 65, 100);
	rig_settle(&r);
	rig_exact(&r, 0, 65, 100, "copytruncate, the rest from the copy");
	rig_close(&r);
	rig_add(&r, "a.log", 65, 70, 100);
	rig_sh(&r, "mv a.log.1 a.log.2; cp a.log a.log.1; gzip a.log.1; : > a.log");
	rig_add(&r, "a.log", 70, 170, 100); /* longer than the offset by now */
	rig_live(&r);
	rig_settle(&r);
	rig_exact(&r, 0, 170, 100, "while down, the copy compressed");
	rig_add(&r, "a.log", 170, 180, 100);
	rig_read(&r);
	rig_sh(&r, "rm a.log.*");
	rig_puts(&r, "a.log", "these are lost\n");
	r.now += 2 * NS_PER_S;
	r.s.kind->scan(&r.s, r.now); /* seen, not read */
	rig_sh(&r, ": > a.log");
	rig_add(&r, "a.log", 180, 600, 100); /* regrown past the offset: only the bytes before it tell */
	rig_settle(&r);
	rig_exact(&r, 0, 600, 100, "cut and regrown, no copy");
	ok(r.s.part[0]->lost == strlen("these are lost\n"), "the loss is counted: %lld", (long long)r.s.part[0]->lost);
	rig_free(&r);
}

static void
hole_after_truncate(void)
{
	struct rig r;
	rig_init(&r, "a.log", START_BEGINNING);
	rig_add(&r, "a.log", 0, 100, 100);
	rig_live(&r);
	rig_read(&r);
	/* A writer without O_APPEND goes on at its old offset: NULs before it. */
	int fd = open(rig_path(&r, "a.log"), O_WRONLY);
	struct stat st;
	must(fd >= 0 && fstat(fd, &st) == 0 && ftruncate(fd, 0) == 0);
	char *z = rig_lines(100, 110, 100);
	must(pwrite(fd, z, strlen(z), st.st_size) == (ssize_t)strlen(z));
	close(fd);
	free(z);
	rig_settle(&r);
	rig_exact(&r, 0, 110, 100, "a hole before the first line");
	rig_write(&r, "a.log", "x\0y\n", 4);
	r.out.len = 0;
	rig_read(&r);
	is(buf_str(&r.out), ((struct str){ "x\0y\n", 4 }), "NULs inside a line stay");
	rig_free(&r);
}

static void
new_inode(void)
{
	struct rig r;
	rig_init(&r, "a.log", START_BEGINNING);
	size_t n = 0;
	rig_live(&r);
	for (int i = 0; i < 6; i++) {
		rig_add(&r, "a.log", n, n + 4, 10);
		n += 4;
		rig_settle(&r);
		if (i % 2)
			rig_close(&r);
		rig_rm(&r, "a.log");
		rig_add(&r, "a.log", n, n + 5, 10); /* likely the inode just freed, and longer than the offset */
		n += 5;
		if (i % 2)
			rig_live(&r);
		rig_settle(&r);
	}
	rig_exact(&r, 0, n, 10, "delete and create, inode used again");
	rig_free(&r);
}

static void
overlong(void)
{
	struct rig r;
	rig_init(&r, "a.log", START_BEGINNING);
	r.conf.max_record = 300000;
	char *big = xmalloc(2000001);
	memset(big, 'x', 2000000);
	big[2000000] = '\0';
	rig_puts(&r, "a.log", "one\n");
	rig_write(&r, "a.log", big, 300000); /* just fits */
	rig_puts(&r, "a.log", "\r\ntwo\n");
	rig_write(&r, "a.log", big, 300001);
	rig_puts(&r, "a.log", "\nthree\n");
	rig_write(&r, "a.log", big, 2000000);
	rig_live(&r);
	r.stop = 1;
	for (int i = 0; i < 30; i++) {
		rig_read(&r);
		rig_restart(&r);
	}
	rig_puts(&r, "a.log", "tail of it\nfour\n");
	for (int i = 0; i < 5; i++) {
		rig_read(&r);
		rig_restart(&r);
	}
	ok(r.skipped == 2, "two records over max_record: %llu", (unsigned long long)r.skipped);
	struct str out = buf_str(&r.out);
	ok(out.len == 4 + 300001 + 4 + 6 + 5 && str_starts(out, STR("one\nxxx")) && !str_has(out, STR("tail")) &&
			memcmp(out.ptr + out.len - 15, "two\nthree\nfour\n", 15) == 0,
		"all others came, the limit itself too, over restarts after each batch");
	free(big);
	rig_free(&r);
}

static void
gz_of_what_was_read(void)
{
	struct rig r;
	rig_init(&r, "*", START_BEGINNING);
	rig_add(&r, "a.log", 0, 100, 50);
	rig_live(&r);
	rig_read(&r);
	rig_mv(&r, "a.log", "a.log-20261125");
	rig_add(&r, "a.log", 100, 150, 50);
	rig_settle(&r);
	rig_sh(&r, "gzip a.log-20261125");
	rig_add(&r, "a.log", 150, 200, 50);
	rig_settle(&r);
	rig_restart(&r);
	rig_settle(&r);
	/* The file that is being read goes, and only its compressed copy stays. */
	rig_sh(&r, "gzip -c a.log > a.log-20261126.gz; rm a.log");
	rig_settle(&r);
	rig_add(&r, "a.log", 200, 210, 50);
	rig_settle(&r);
	rig_exact(&r, 0, 210, 50, "compressed copies of what was read");
	ok(r.s.npart == 1, "are no partitions");
	rig_free(&r);
}

static void
dated_live(void)
{
	struct rig r;
	rig_init(&r, "access.log.*", START_BEGINNING);
	rig_add(&r, "access.log.2026-11-24", 0, 10, 0);
	rig_add(&r, "access.log.2026-11-25", 10, 20, 0);
	rig_live(&r);
	rig_settle(&r);
	rig_add(&r, "access.log.2026-11-25", 20, 25, 0);
	rig_read(&r);
	rig_add(&r, "access.log.2026-11-26", 25, 30, 0);
	rig_settle(&r);
	rig_exact(&r, 0, 30, 0, "dated names without a base: the newest is live");
	rig_free(&r);
}

static void
odd_files(void)
{
	struct rig r;
	rig_init(&r, "sub/*.log", START_END);
	rig_live(&r);
	rig_read(&r);
	ok(r.s.npart == 0, "a missing folder is waited for");
	rig_sh(&r, "mkdir sub; mkfifo sub/f.log; echo secret > out; ln -s ../out sub/l.log; echo a > sub/a.log; ln sub/a.log sub/b.log");
	rig_settle(&r);
	is(buf_str(&r.out), STR("a\n"), "no FIFO, no link out of the folder, two names of one file once");
	rig_sh(&r, "echo hello > sub/z.log; mv sub/z.log sub/y.log");
	rig_settle(&r);
	rig_sh(&r, "mv sub/y.log sub/x.log; echo more >> sub/x.log");
	rig_settle(&r);
	rig_sh(&r, "echo again >> sub/x.log");
	rig_settle(&r);
	is(buf_str(&r.out), STR("a\nhello\nmore\nagain\n"), "a file under another name goes on");
	rig_free(&r);
}

static void
follow_links(void)
{
	struct rig r;
	rig_init(&r, "in/*.log", START_BEGINNING);
	rig_sh(&r, "mkdir in pods; echo p > pods/p; ln -s ../pods/p in/p.log");
	char *dir = xasprintf("%s/pods", r.dir);
	r.files.follow = (struct strlist){ &dir, 1 };
	rig_live(&r);
	rig_settle(&r);
	is(buf_str(&r.out), STR("p\n"), "a link into a folder of follow: is read");
	free(dir);
	rig_free(&r);
}

static void
few_descriptors(void)
{
	struct rig r;
	rig_init(&r, "**/*.log", START_BEGINNING);
	rig_sh(&r, "mkdir -p d/e; for i in $(seq 40); do echo $i > d/e/$i.log; done");
	rig_live(&r);
	files_of(&r.s)->max_fds = 8;
	rig_read(&r);
	rig_read(&r);
	ok(atomic_load(&files_of(&r.s)->open_fds) <= 9, "descriptors stay within their share");
	rig_sh(&r, "for i in $(seq 40); do echo x$i >> d/e/$i.log; done");
	r.out.len = 0;
	rig_settle(&r);
	size_t lines = 0;
	for (size_t i = 0; i < r.out.len; i++)
		lines += r.out.data[i] == 'x';
	ok(r.s.npart == 40 && lines == 40, "and each file is read: %zu of %zu", lines, r.s.npart);
	rig_free(&r);
}

/* As another user: root may read everything. */
static void
unreadable(void)
{
	struct rig r;
	rig_init(&r, "*.log", START_BEGINNING);
	if (geteuid() != 0) {
		ok(true, "# SKIP needs root to become somebody else");
		rig_live(&r);
		rig_free(&r);
		return;
	}
	rig_sh(&r, "chmod 755 .; echo a > a.log; chmod 600 a.log");
	must(seteuid(65534) == 0);
	rig_live(&r);
	rig_read(&r);
	struct part *p = r.s.part[0];
	ok(r.last == ERR_IO && !p->readable && strstr(p->why.text, "a.log"), "unreadable: told, and no partition yet");
	must(seteuid(0) == 0);
	rig_sh(&r, "chmod 644 a.log");
	must(seteuid(65534) == 0);
	rig_settle(&r);
	is(buf_str(&r.out), STR("a\n"), "tried on until it can be read");
	ok(p->readable && p->why.code == ERR_OK, "and forgotten");
	/* After a rotation the new file cannot be read: what is open is drained, what is not is blind. */
	must(seteuid(0) == 0);
	rig_sh(&r, "echo b >> a.log; mv a.log a.log.1; echo c > a.log; chmod 600 a.log");
	must(seteuid(65534) == 0);
	rig_settle(&r);
	is(buf_str(&r.out), STR("a\nb\n"), "the old file to its end");
	ok(r.last == ERR_IO && p->unread && p->readable, "then reads fail");
	must(seteuid(0) == 0);
	rig_sh(&r, "chmod 644 a.log");
	must(seteuid(65534) == 0);
	rig_settle(&r);
	is(buf_str(&r.out), STR("a\nb\nc\n"), "until they do not");
	must(seteuid(0) == 0);
	rig_free(&r);
}

/* The poll finds what inotify does not say; inotify finds it before the poll is due. */
static void
hints(void)
{
	struct rig r;
	rig_init(&r, "*.log", START_BEGINNING);
	rig_puts(&r, "a.log", "1\n");
	rig_live(&r);
	rig_read(&r);
	struct part *p = r.s.part[0];
	ok(!p->unread, "all read");
	rig_puts(&r, "a.log", "2\n");
	r.s.kind->scan(&r.s, r.now);
	ok(p->unread, "inotify tells of a write at once");
	rig_read(&r);
	watch_free(files_of(&r.s)->watch);
	files_of(&r.s)->watch = watch_new(); /* watches nothing yet */
	rig_puts(&r, "a.log", "3\n");
	r.s.kind->scan(&r.s, r.now);
	ok(!p->unread, "without it nothing is known");
	r.now += 2 * POLL_NS;
	r.s.kind->scan(&r.s, r.now);
	ok(p->unread, "until the poll");
	rig_free(&r);
}

int
main(void)
{
	plain_tail();
	partial_line();
	start_end();
	rename_create(false);
	rename_create(true);
	down_rotations("a.log", "");
	down_rotations("a.log", "gzip a.log.2");
	down_rotations("a.log*", "zstd -q --rm a.log.2 && gzip a.log.1");
	copytruncate();
	hole_after_truncate();
	new_inode();
	overlong();
	gz_of_what_was_read();
	dated_live();
	odd_files();
	follow_links();
	few_descriptors();
	unreadable();
	hints();
	return tap_done();
}
