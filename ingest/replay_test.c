/* replay_test.c - archived files: grouped by rotation, oldest first, packed or not, damaged or not. */
#include "ingest/rig.h"

static enum err
replay(struct rig *r, size_t n, const char *const *names)
{
	const char *path[8];
	for (size_t i = 0; i < n; i++)
		path[i] = xasprintf("%s/%s", r->dir, names[i]);
	enum err e = rig_open(r, &(struct source_env){ .replay = true, .files = path, .nfiles = n });
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)path[i]);
	return e;
}

static void
rotations(void)
{
	struct rig r;
	rig_init(&r, "*", START_END);
	rig_add(&r, "a.log.10", 0, 100, 300);
	rig_sh(&r, "gzip a.log.10");
	rig_add(&r, "a.log.9", 100, 200, 300);
	rig_sh(&r, "zstd -q --rm a.log.9");
	rig_add(&r, "a.log.2", 200, 2200, 300);
	rig_sh(&r, "truncate -s -1 a.log.2"); /* no newline at its end */
	rig_add(&r, "a.log.1", 2200, 2300, 300);
	rig_sh(&r, "gzip -k a.log.1"); /* both stand there */
	rig_add(&r, "a.log", 2300, 2400, 300);
	must(rig_open(&r, &(struct source_env){ .replay = true }) == ERR_OK);
	ok(r.s.npart == 1 && strstr(r.s.part[0]->name, "/a.log"), "one partition, named by the live file");
	rig_read(&r);
	ok(r.last == ERR_EOF && r.s.part[0]->state == PART_ENDED, "read to its end");
	rig_exact(&r, 0, 2400, 300, "rotations with the glob of the configuration");
	rig_free(&r);
}

static void
named_files(void)
{
	struct rig r;
	rig_init(&r, "none", START_END);
	rig_puts(&r, "b.log-20261124", "2\n");
	rig_puts(&r, "b.log.2026-11-23", "1\n");
	rig_puts(&r, "a.txt", "a\n");
	rig_sh(&r, "mkfifo pipe");
	must(replay(&r, 3, (const char *const[]){ "b.log-20261124", "a.txt", "b.log.2026-11-23" }) == ERR_OK);
	ok(r.s.npart == 2, "rotations without their live file are one partition; others stand alone");
	rig_read(&r);
	is(buf_str(&r.out), STR("a\n1\n2\n"), "in order of name, oldest first");
	rig_close(&r);
	ok(replay(&r, 2, (const char *const[]){ "a.txt", "missing" }) == ERR_CONF, "a missing file is an error");
	rig_close(&r);
	ok(replay(&r, 1, (const char *const[]){ "pipe" }) == ERR_CONF, "so is one that is no regular file");
	rig_close(&r);
	ok(rig_open(&r, &(struct source_env){ .replay = true }) == ERR_CONF, "and a pattern that matches nothing");
	rig_free(&r);
}

static void
packed(void)
{
	struct rig r;
	rig_init(&r, "none", START_END);
	rig_add(&r, "x", 0, 3000, 200);
	rig_add(&r, "y", 3000, 3100, 200);
	rig_sh(&r, "gzip -c x > m.gz; gzip -c y >> m.gz; head -c 512 /dev/zero >> m.gz"); /* members, padding */
	must(replay(&r, 1, (const char *const[]){ "m.gz" }) == ERR_OK);
	rig_read(&r);
	rig_exact(&r, 0, 3100, 200, "concatenated members");
	rig_close(&r);
	rig_sh(&r, "zstd -qc x > m.zst; zstd -qc y >> m.zst");
	r.out.len = 0;
	rig_forget(&r);
	must(replay(&r, 1, (const char *const[]){ "m.zst" }) == ERR_OK);
	rig_read(&r);
	rig_exact(&r, 0, 3100, 200, "concatenated frames");
	rig_close(&r);
	const char *const kind[] = { "gz", "zst" };
	for (int i = 0; i < 2; i++) {
		char *cmd = xasprintf("cp m.%s t.%s; truncate -s 400000 t.%s", kind[i], kind[i], kind[i]);
		char *name = xasprintf("t.%s", kind[i]);
		if (i == 0)
			rig_sh(&r, "head -c 600000 /dev/urandom | base64 -w 80 > z; zstd -qc z > m.zst; gzip -c z > m.gz");
		rig_sh(&r, cmd);
		r.out.len = 0;
		rig_forget(&r);
		must(replay(&r, 2, (const char *const[]){ name, "y" }) == ERR_OK);
		rig_read(&r);
		ok(r.out.len > 10000, "a truncated .%s: what could be read is used, %zu bytes", kind[i], r.out.len);
		struct part *p = NULL;
		bool told = false, ended = true;
		/* rig_read stopped at the error of one; read on */
		for (size_t k = 0; k < r.s.npart; k++) {
			p = r.s.part[k];
			told |= p->why.code != ERR_OK && strstr(p->why.text, "offset") && strstr(p->why.text, name);
			ended &= r.s.kind->fill(p, &r.b, r.now) == ERR_EOF;
		}
		ok(told, "an error names the file and the offset");
		ok(ended, "told once, then it is over");
		rig_close(&r);
		free(cmd);
		free(name);
	}
	rig_sh(&r, "echo no > bad.gz");
	must(replay(&r, 1, (const char *const[]){ "bad.gz" }) == ERR_OK);
	rig_read(&r);
	ok(r.last == ERR_IO && strstr(r.s.part[0]->why.text, "neither gzip nor zstd"), "a name that promises too much");
	rig_free(&r);
}

int
main(void)
{
	rotations();
	named_files();
	packed();
	return tap_done();
}
