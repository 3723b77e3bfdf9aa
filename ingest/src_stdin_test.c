/* src_stdin_test.c - standard input through the spool: nothing that was read is lost, restarts, limits, the end. */
#include "ingest/rig.h"
#include "ingest/spool.h"

static int writer; /* the other end of descriptor 0 */

static void
new_pipe(void)
{
	int p[2];
	must(pipe2(p, O_CLOEXEC) == 0 && dup2(p[0], STDIN_FILENO) == STDIN_FILENO);
	close(p[0]);
	writer = p[1];
	must(fcntl(writer, F_SETPIPE_SZ, 1 << 20) > 0);
}

struct stdin_rig {
	struct rig r;
	int64_t spool; /* first and only field of the source's configuration */
};

static void
begin(struct stdin_rig *q)
{
	rig_init(&q->r, "unused", START_END);
	q->spool = 256 << 20;
	q->r.kind = &source_stdin;
	q->r.conf.kind = &source_stdin.kind;
	q->r.conf.conf = &q->spool;
}

static void
put(const char *z)
{
	must(write(writer, z, strlen(z)) == (ssize_t)strlen(z));
}

static void
restarts(void)
{
	struct stdin_rig q;
	struct rig *r = &q.r;
	begin(&q);
	new_pipe();
	rig_live(r);
	rig_read(r);
	ok(r->last == ERR_AGAIN && r->b.at_end, "an open pipe without data: read to its end");
	put("one\ntwo\nthr");
	rig_read(r);
	is(buf_str(&r->out), STR("one\ntwo\n"), "lines come through the spool");
	rig_forget(r); /* killed before any checkpoint */
	r->out.len = 0;
	rig_restart(r);
	rig_read(r);
	is(buf_str(&r->out), STR("one\ntwo\n"), "read and never checkpointed: there again");
	put("ee\nfour\n");
	rig_read(r);
	rig_restart(r);
	put("five\n");
	rig_read(r);
	/* The unfinished line belonged to the process that died with its pipe. */
	is(buf_str(&r->out), STR("one\ntwo\nthr\nee\nfour\nfive\n"), "from the checkpoint on, each line once");
	ok(!r->order_broken, "seq grows over restarts");
	put("six");
	close(writer);
	rig_read(r);
	is(buf_str(&r->out), STR("one\ntwo\nthr\nee\nfour\nfive\nsix\n"), "the end of input ends the last line");
	ok(r->last == ERR_EOF && r->s.part[0]->state == PART_ENDED, "and the partition");
	new_pipe();
	rig_restart(r);
	put("seven\n");
	rig_read(r);
	ok(str_has(buf_str(&r->out), STR("six\nseven\n")) && r->s.part[0]->state == PART_LIVE, "a new run goes on behind it");
	close(writer);
	rig_free(r);
}

static void
read_times(void)
{
	struct stdin_rig q;
	struct rig *r = &q.r;
	struct record rec = { 0 };
	nsec before = wall_ns();
	begin(&q);
	q.r.conf.time_read = true;
	q.r.conf.max_record = 8;
	new_pipe();
	rig_live(r);
	put("{\"a\":1}\n12345678\n123456789\n77 x");
	r->s.kind->scan(&r->s, r->now);
	rig_close(r); /* killed between writing and reading */
	nsec after = wall_ns();
	rig_live(r);
	put(" y\n");
	must(r->s.kind->fill(r->s.part[0], &r->b, r->now) == ERR_OK);
	ok(batch_next(&r->b, &rec) && str_eq(rec.raw, STR("{\"a\":1}")) && rec.stamp >= before && rec.stamp <= after,
		"time: read: the time is that of reading, over a restart");
	isz(r->b.file.len == 5 ? "stdin" : "", "stdin", "@file is stdin");
	ok(batch_next(&r->b, &rec) && str_eq(rec.raw, STR("12345678")), "max_record does not count the stamp");
	ok(!batch_next(&r->b, &rec) && r->b.skipped == 1, "one over the limit");
	must(r->s.kind->fill(r->s.part[0], &r->b, r->now) == ERR_OK);
	ok(batch_next(&r->b, &rec) && str_eq(rec.raw, STR("77 x")), "a text that begins with digits keeps them");
	close(writer);
	rig_free(r);
}

/* More than fits: segments roll over at line starts, old ones go once a checkpoint is past them. */
static void
limits(void)
{
	struct stdin_rig q;
	struct rig *r = &q.r;
	begin(&q);
	q.spool = 20 << 20;
	new_pipe();
	rig_live(r);
	size_t n = 0;
	bool exact = true;
	int most = 0;
	for (int i = 0; i < 120; i++) {
		char *z = rig_lines(n, n + 1000, 600);
		n += 1000;
		put(z);
		r->out.len = 0;
		rig_read(r);
		exact &= str_eq(str_of(z), buf_str(&r->out));
		free(z);
		struct rig_pos *at = rig_pos(r, "stdin");
		r->s.kind->sync(&r->s);
		r->s.kind->kept(r->s.part[0], (struct str){ at->pos, at->len });
		if (i % 30 == 29) {
			struct found f = { 0 };
			char *pat = xasprintf("%s/spool/app/*", r->dir);
			glob_find(pat, &f);
			most = (int)f.n > most ? (int)f.n : most;
			free(pat);
			found_free(&f);
			rig_restart(r);
		}
	}
	ok(exact && !r->order_broken, "%zu lines of %d MiB came once each", n, (int)(n * 620 >> 20));
	ok(most >= 2 && most <= 4, "the spool keeps its limit and no more: %d segments at most", most);
	close(writer);
	rig_free(r);
}

static void
back_pressure(void)
{
	struct stdin_rig q;
	struct rig *r = &q.r;
	begin(&q);
	new_pipe();
	rig_live(r);
	must(fcntl(writer, F_SETFL, O_NONBLOCK) == 0);
	char *z = rig_lines(0, 1000, 1000);
	size_t len = strlen(z), sent = 0;
	for (int i = 0; i < 1000; i++) { /* nobody fills */
		ssize_t k = write(writer, z, len);
		if (k > 0)
			sent += (size_t)k;
		r->s.kind->scan(&r->s, r->now);
	}
	free(z);
	ok(sent > 60 << 20 && sent < 72 << 20, "an unread spool of 64 MiB makes the writer wait: %zu MiB", sent >> 20);
	close(writer);
	rig_free(r);
}

static void
damaged_spool(void)
{
	struct stdin_rig q;
	struct rig *r = &q.r;
	begin(&q);
	new_pipe();
	rig_live(r);
	put("one\ntwo\n");
	rig_read(r);
	rig_close(r);
	rig_sh(r, "for f in spool/app/*; do printf one > $f; done"); /* the machine lost power */
	rig_live(r);
	put("three\n");
	rig_read(r);
	is(buf_str(&r->out), STR("one\ntwo\nthree\n"), "a spool that lost its end: what comes after is read");
	ok(!r->order_broken, "with a seq of its own");
	close(writer);
	rig_free(r);
}

static void
replayed(void)
{
	struct stdin_rig q;
	struct rig *r = &q.r;
	begin(&q);
	new_pipe();
	char *z = rig_lines(0, 1000, 600);
	put(z);
	put("last");
	close(writer);
	must(rig_open(r, &(struct source_env){ .replay = true }) == ERR_OK);
	rig_read(r);
	must(r->out.len > 5);
	is(((struct str){ r->out.data + r->out.len - 5, 5 }), STR("last\n"), "replay reads the pipe to its end");
	r->out.len -= 5;
	rig_exact(r, 0, 1000, 600, "replay of stdin");
	ok(r->last == ERR_EOF, "and ends");
	free(z);
	rig_free(r);
}

int
main(void)
{
	restarts();
	read_times();
	limits();
	back_pressure();
	damaged_spool();
	replayed();
	return tap_done();
}
