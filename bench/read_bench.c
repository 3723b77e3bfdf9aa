/* read_bench.c - reading and framing alone: MB/s of a replayed file, against plain read(2) of the same file. */
#include "ingest/rig.h"

int
main(int argc, char **argv)
{
	static char buf[BATCH_BYTES];
	struct rig r;
	struct record rec = { 0 };
	if (argc != 2)
		return 2;
	for (int round = 0; round < 3; round++) {
		int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
		int64_t bytes = 0, records = 0;
		nsec t0 = mono_ns();
		ssize_t n;
		while (fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0)
			bytes += n;
		nsec t1 = mono_ns();
		close(fd);
		rig_init(&r, "none", START_END);
		const char *files[] = { argv[1] };
		must(rig_open(&r, &(struct source_env){ .replay = true, .files = files, .nfiles = 1 }) == ERR_OK);
		while (r.s.kind->fill(r.s.part[0], &r.b, 0) == ERR_OK)
			while (batch_next(&r.b, &rec))
				records++;
		nsec t2 = mono_ns();
		printf("read(2) %.0f MB/s; reading and framing %.0f MB/s, %.1f M records/s\n", (double)bytes * 1e3 / (double)(t1 - t0),
			(double)bytes * 1e3 / (double)(t2 - t1), (double)records * 1e3 / (double)(t2 - t1));
		rig_free(&r);
	}
	return 0;
}
