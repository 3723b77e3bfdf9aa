/* unpack_test.c - the bounds of decompression, and files that are still being written. */
#include "ingest/unpack.h"
#include "core/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/weir-unpack-XXXXXX";

static void
sh(const char *command)
{
	char *z = xasprintf("cd %s && %s", dir, command);
	must(system(z) == 0);
	free(z);
}

static struct unpack *
open_it(const char *name, int *fd, struct errinfo *why)
{
	char *path = xasprintf("%s/%s", dir, name);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	must(*fd >= 0);
	struct unpack *u = unpack_open(*fd, path, why);
	free(path);
	return u;
}

/* Bytes read until something else than ERR_OK. */
static size_t
drain(struct unpack *u, enum err *end, struct errinfo *why)
{
	static char buf[1 << 16];
	size_t n, all = 0;
	while ((*end = unpack_read(u, buf, sizeof buf, &n, why)) == ERR_OK)
		all += n;
	return all;
}

static void
bomb(const char *make, const char *name)
{
	int fd;
	enum err e;
	struct errinfo why = { 0 };
	sh(make);
	struct unpack *u = open_it(name, &fd, &why);
	size_t n = drain(u, &e, &why);
	ok(e == ERR_LIMIT && n >= 64 << 20 && n < 200 << 20 && strstr(why.text, "offset"), "%s stops after %zu MiB: %s", name,
		n >> 20, why.text);
	ok(drain(u, &e, NULL) == 0 && e == ERR_LIMIT, "and stays stopped");
	unpack_free(u);
	close(fd);
}

static void
growing(const char *pack, const char *name)
{
	int fd;
	enum err e;
	struct errinfo why = { 0 };
	sh(pack);
	char *z = xasprintf("head -c 150000 whole > %s", name);
	sh(z);
	free(z);
	struct unpack *u = open_it(name, &fd, &why);
	size_t n = drain(u, &e, &why);
	ok(e == ERR_AGAIN && n > 50000, "%s, half written: %zu bytes, then again", name, n);
	z = xasprintf("tail -c +150001 whole >> %s", name);
	sh(z);
	free(z);
	n += drain(u, &e, &why);
	ok(e == ERR_EOF && n == 810526, "the rest comes when it is there: %zu", n);
	unpack_free(u);
	close(fd);
}

static void
damaged(const char *pack, const char *name)
{
	int fd;
	enum err e;
	struct errinfo why = { 0 };
	sh(pack);
	struct unpack *u = open_it(name, &fd, &why);
	size_t n = drain(u, &e, &why);
	ok(e == ERR_CORRUPT && n > 0 && strstr(why.text, "offset"), "%s: %zu bytes, then: %s", name, n, why.text);
	unpack_free(u);
	close(fd);
}

int
main(void)
{
	must(mkdtemp(dir));
	sh("head -c 600000 /dev/urandom | base64 -w 80 > text && truncate -s 810526 text");
	bomb("head -c 400000000 /dev/zero | zstd -q > bomb.zst", "bomb.zst");
	growing("gzip -c text > whole", "g.gz");
	growing("zstd -qc text > whole", "g.zst");
	damaged("gzip -c text > d.gz; printf XXXXXXXX | dd of=d.gz bs=1 seek=300000 conv=notrunc status=none", "d.gz");
	damaged("zstd -qc --check text > d.zst; printf XXXXXXXX | dd of=d.zst bs=1 seek=300000 conv=notrunc status=none", "d.zst");
	int fd;
	struct errinfo why = { 0 };
	ok(!open_it("text", &fd, &why) && why.code == ERR_BAD, "another format is refused: %s", why.text);
	close(fd);
	sh("rm -rf -- *");
	return rmdir(dir) ? 1 : tap_done();
}
