/* src_files_model_test.c - any order of writing, rotating, packing, cutting, reading and dying: the exact sequence.
 *
 * Seeded and reproducible: a failure prints its seed and what was done. The writer's lines are numbered; whatever
 * happens, the records must be 0..n-1. The steps leave out only what no reader can survive: bytes removed unread.
 */
#include "core/log.h"
#include "ingest/rig.h"

struct model {
	struct rig r;
	uint64_t seed;
	size_t n;         /* lines written whole, or begun */
	size_t half;      /* bytes of line n that stand in the live file */
	struct buf said;  /* what was done */
	bool late;        /* the writer still has the file that was renamed last */
};

static unsigned
pick(struct model *m, unsigned below)
{
	m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(m->seed >> 33) % below;
}

static void
put(struct model *m, const char *name, size_t count, size_t pad)
{
	char *z = rig_lines(m->n, m->n + count, pad);
	rig_puts(&m->r, name, z + m->half);
	m->half = 0;
	m->n += count;
	free(z);
}

static void
put_half(struct model *m)
{
	if (m->half)
		return;
	char *z = rig_lines(m->n, m->n + 1, 40);
	m->half = 1 + pick(m, (unsigned)strlen(z) - 2);
	rig_write(&m->r, "a.log", z, m->half);
	free(z);
}

static void
shift(struct model *m)
{
	rig_sh(&m->r, "for i in 30 29 28 27 26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1; do for x in '' "
		      ".gz .zst; do [ -e a.log.$i$x ] && mv a.log.$i$x a.log.$((i+1))$x; done; done; true");
}

static void
step(struct model *m)
{
	static const char *const name[] = { "write", "big", "half", "rename", "late", "copytruncate", "pack", "read", "batch",
		"restart", "die+rename", "settle" };
	unsigned what = pick(m, COUNT_OF(name));
	bool has = access(rig_path(&m->r, "a.log"), F_OK) == 0;
	buf_printf(&m->said, " %s", name[what]);
	switch (what) {
	case 0:
		put(m, "a.log", 1 + pick(m, 5), 40);
		m->late = false;
		break;
	case 1:
		put(m, "a.log", 900, 40 + 500 * pick(m, 2));
		m->late = false;
		break;
	case 2:
		put_half(m);
		m->late = false;
		break;
	case 3:
	case 10:
		if (!has || m->half)
			break; /* a line is never torn over two files */
		if (what == 10)
			rig_close(&m->r);
		shift(m);
		rig_mv(&m->r, "a.log", "a.log.1");
		m->late = what == 3;
		if (pick(m, 2))
			put(m, "a.log", 1 + pick(m, 3), 40), m->late = false;
		if (what == 10)
			rig_live(&m->r);
		break;
	case 4: /* only what stands directly before the live file is written to late */
		if (m->late && !m->half && access(rig_path(&m->r, "a.log.1"), F_OK) == 0)
			put(m, "a.log.1", 1 + pick(m, 3), 40);
		break;
	case 5:
		if (!has || m->half)
			break;
		shift(m);
		rig_sh(&m->r, "cp a.log a.log.1; : > a.log");
		m->late = false;
		if (pick(m, 2))
			put(m, "a.log", 1 + pick(m, 800), 40);
		break;
	case 6:
		m->late = false;
		rig_sh(&m->r, pick(m, 2) ? "for f in a.log.[12]; do [ -e $f ] && gzip $f; done; true" :
					   "for f in a.log.[23]; do [ -e $f ] && zstd -q --rm $f; done; true");
		break;
	case 7:
		rig_read(&m->r);
		break;
	case 8:
		m->r.stop = m->r.batches + 1;
		rig_read(&m->r);
		m->r.stop = 0;
		m->r.now += NS_PER_S;
		break;
	case 9:
		rig_restart(&m->r);
		break;
	default:
		rig_settle(&m->r);
		m->late = false;
	}
}

static void
run(uint64_t seed, const char *pattern)
{
	struct model m = { .seed = seed };
	rig_init(&m.r, pattern, START_BEGINNING);
	buf_init(&m.said, 1 << 16);
	rig_live(&m.r);
	/* The first checkpoint: before it nothing says where reading began. */
	put(&m, "a.log", 1, 40);
	rig_read(&m.r);
	for (int i = 0; i < 40; i++)
		step(&m);
	put(&m, "a.log", 1, 40);
	rig_settle(&m.r);
	for (int i = 0; i < 12; i++)
		rig_settle(&m.r);
	size_t want = 0, at = 0;
	struct str out = buf_str(&m.r.out);
	bool good = !m.r.order_broken;
	while (good && at < out.len) {
		char head[32];
		int k = snprintf(head, sizeof head, "{\"n\":%zu,", want);
		const char *nl = memchr(out.ptr + at, '\n', out.len - at);
		good = nl && strncmp(out.ptr + at, head, (size_t)k) == 0 && nl[-1] == '}';
		if (good)
			want++;
		else
			printf("# at line %zu: %.40s\n", want, out.ptr + at);
		at = nl ? (size_t)(nl - out.ptr) + 1 : out.len;
	}
	ok(good && want == m.n, "seed %llu, %s: %zu lines", (unsigned long long)seed, pattern, m.n);
	if (!good || want != m.n)
		printf("# read %zu of %zu%s, lost %d:%s\n", want, m.n, m.r.order_broken ? ", seq fell" : "",
			m.r.s.npart ? (int)m.r.s.part[0]->lost : -1, buf_z(&m.said));
	buf_free(&m.said);
	rig_free(&m.r);
}

int
main(int argc, char **argv)
{
	log_set_level(argc > 3 ? LOG_DEBUG : LOG_ERROR); /* a third argument: with the log */
	uint64_t from = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, to = argc > 2 ? strtoull(argv[2], NULL, 10) : from + 9;
	for (uint64_t i = from; i <= to; i++)
		run(i, i % 2 ? "a.log" : "a.log*");
	return tap_done();
}
