/* ident_test.c - identity, positions as bytes, rotation names and their order. */
#include "ingest/ident.h"
#include "core/tap.h"
#include "ingest/rotate.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void
positions(void)
{
	struct place p = { .id = { 1, UINT64_MAX, 3, -4 }, .off = INT64_C(1) << 40, .seq = INT64_MAX, .mtime = NS_NONE,
		.flags = 9, .head_len = 1024, .mark_len = 7, .head = ident_hash("abc", 3), .mark = 1 }, q;
	char a[PLACE_BYTES], b[PLACE_BYTES];
	ok(place_put(&p, a) == PLACE_BYTES && place_get(&q, (struct str){ a, PLACE_BYTES }) &&
			place_put(&q, b) == PLACE_BYTES && memcmp(a, b, PLACE_BYTES) == 0 && q.off == p.off && q.id.ino == p.id.ino &&
			q.id.btime == -4 && q.mtime == NS_NONE && q.flags == 9,
		"a position comes back as it was");
	int taken = 0;
	for (size_t i = 0; i < PLACE_BYTES; i++) {
		memcpy(b, a, PLACE_BYTES);
		b[i] ^= 0x10;
		taken += place_get(&q, (struct str){ b, PLACE_BYTES });
	}
	ok(taken == 0 && !place_get(&q, (struct str){ a, PLACE_BYTES - 1 }) && !place_get(&q, (struct str){ NULL, 0 }),
		"any changed byte, or another length, is refused");
	ok(ident_hash("weir stores this", 16) == UINT64_C(0x35fb79331f77af6f), "the hash is the same in every version");
	ok(ident_hash("abc", 3) != ident_hash("abd", 3), "it tells bytes apart");
	ok(ident_hash("a\0", 2) != ident_hash("a", 1), "and lengths");
}

static void
files(void)
{
	char path[] = "/tmp/weir-ident-XXXXXX";
	int fd = mkstemp(path);
	struct fstate a, b;
	must(fd >= 0 && ident_fd(fd, &a) == 0 && ident_path(path, &b) == 0);
	ok(a.regular && ident_same(&a.id, &b.id) && a.id.btime != 0, "by descriptor and by path");
	close(fd);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	must(fd >= 0 && ident_fd(fd, &b) == 0);
	ok(!ident_same(&a.id, &b.id), "a new file is another one, whatever its inode");
	close(fd);
	unlink(path);
	ok(ident_path(path, &b) != 0, "a missing one has none");
}

static void
names(void)
{
	static const struct {
		const char *path, *base;
	} t[] = {
		{ "/l/app.log", "/l/app.log" },
		{ "/l/app.log.1", "/l/app.log" },
		{ "/l/app.log.12.gz", "/l/app.log" },
		{ "/l/app.log-20261125", "/l/app.log" },
		{ "/l/app.log.2026-11-25.zst", "/l/app.log" },
		{ "/l/app.log-2026-11-25T10", "/l/app.log" },
		{ "/l/app.log-2026112510", "/l/app.log" },
		{ "/l/app.log-20261125-101500.gz", "/l/app.log" },
		{ "/l/app.log.2026-11-25_10-15-00", "/l/app.log" },
		{ "/l/app.log-1764072000", "/l/app.log" },
		{ "/l/app.log.2026-11-25.3", "/l/app.log" },
		{ "/l/app.log.gz", "/l/app.log.gz" },
		{ "/l/app-2026-11-25.log", "/l/app-2026-11-25.log" },
		{ "/l/app.log-5", "/l/app.log-5" },
		{ "/l/app.log.123456", "/l/app.log.123456" },
		{ "/l/app.log-20261345", "/l/app.log-20261345" },
		{ "/l/app.log.1x", "/l/app.log.1x" },
		{ "/l/.1", "/l/.1" },
		{ "/l.1/app", "/l.1/app" },
		{ "app.1", "app" },
		{ "1.gz", "1.gz" },
	};
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct rotated r;
		rotate_parse(t[i].path, &r);
		is(((struct str){ t[i].path, r.base }), str_of(t[i].base), t[i].path);
		ok(r.is == (strcmp(t[i].path, t[i].base) != 0), "a rotation or not");
	}
}

static void
order(void)
{
	static const char *const in[] = { "a", "a.1", "a.10.gz", "a.2", "b.1", "a.2.gz", "a-2026-11-24", "a.20261125", "a.11",
		"a.2026-11-25.2", "a.2026-11-25.1", "a-20261125-09", "a.1" };
	size_t n;
	struct chain_names *c = rotate_group(in, COUNT_OF(in), &n);
	ok(n == 2 && strcmp(c[0].name, "a") == 0 && strcmp(c[1].name, "b") == 0 && c[0].n == 11 && c[1].n == 1,
		"two chains, a path named twice once");
	/* the counted ones of a day are of its midnight */
	static const char *const want[] = { "a-2026-11-24", "a.20261125", "a.2026-11-25.1", "a.2026-11-25.2", "a-20261125-09",
		"a.11", "a.10.gz", "a.2.gz", "a.2", "a.1", "a" };
	bool good = c[0].n == COUNT_OF(want);
	for (size_t i = 0; good && i < c[0].n; i++)
		good = strcmp(c[0].path[i], want[i]) == 0;
	ok(good, "oldest first");
	chain_names_free(c, n);
	ok(rotate_twins("a.2.gz", "a.2") && !rotate_twins("a.2.gz", "a.3") && !rotate_twins("a.2", "a.2"), "twins");
	ok(rotate_cmp("a-1764072000", "a-20261125") < 0, "epoch seconds stand among dates");
}

int
main(void)
{
	positions();
	files();
	names();
	order();
	return tap_done();
}
