/* batch_test.c - records out of a batch, in each format, and out of parts that fall over batches. */
#include "core/num.h"
#include "ingest/frame.h"
#include "ingest/rig.h"

static void
fill_with(struct batch *b, const char *z, bool last)
{
	batch_reset(b);
	b->cap = strlen(z);
	free(b->data);
	b->data = xmemdup(z, b->cap + 1);
	b->len = b->cap;
	b->last_record = last;
	b->seq = 1000;
	b->offset = 5;
}

static void
lines(int format, const char *z, bool last, const char *want, const char *name)
{
	struct source_conf c = { .format = format, .max_record = 16 };
	struct batch b;
	struct record r = { 0 };
	struct buf out;
	int64_t seq = 0;
	bool grows = true;
	buf_init(&out, 1 << 16);
	batch_init(&b, &c);
	fill_with(&b, z, last);
	while (batch_next(&b, &r)) {
		buf_str_add(&out, r.raw);
		buf_addc(&out, '|');
		grows &= r.seq > seq && r.seq - r.offset == 995;
		seq = r.seq;
	}
	buf_printf(&out, "%d", (int)b.skipped);
	is(buf_str(&out), str_of(want), name);
	ok(grows, "with growing seq");
	buf_free(&out);
	batch_free(&b);
}

#define O "2026-11-25T10:00:00.5Z stdout "
#define E "2026-11-25T10:00:01Z stderr "

static void
formats(void)
{
	lines(FORMAT_JSON, "a\n\r\nb\r\n\nc", true, "a|b|c|0", "json: lines");
	lines(FORMAT_JSON, "0123456789abcdef\n0123456789abcdefg\nx\n", false, "0123456789abcdef|x|1", "json: max_record");
	lines(FORMAT_CRI, O "F one\n" E "F\n" O "F:tag two\r\n", false, "one|two|0", "cri: full lines, an empty one");
	lines(FORMAT_CRI, O "P a\n" E "P 1\n" O "P b\n" E "F 2\n" O "F c\n", false, "12|abc|0", "cri: parts of two streams");
	lines(FORMAT_CRI, "no envelope\n" O "F x\n", false, "no envelope|x|0", "cri: another line comes as it is");
	lines(FORMAT_CRI, O "P 0123456789\n" E "F err\n" O "P 0123456789\n" O "F z\n" O "F ok\n", false, "err|ok|1",
		"cri: an overlong record goes alone");
	lines(FORMAT_CRI, O "P a\n" E "P b\n" E "F c\n" O "P d\n", true, "bc|ad|0", "cri: a file that ends inside parts");
	lines(FORMAT_DOCKER, "{\"log\":\"a\\\"\\u00e9\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-25T10:00:00Z\"}\n"
			     "{\"log\":\"b\",\"stream\":\"stdout\"}\n{\"log\":\"x\\n\",\"stream\":\"stderr\"}\n"
			     "{\"log\":\"c\\\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":[1,\"}\"]}}\n{\"log\":\"\\r\\n\"}\n{\"n\":1}\n",
		false, "a\"\xc3\xa9|x|bc\\n|{\"n\":1}|0", "docker: escapes, parts, other keys, no envelope");
	lines(FORMAT_DOCKER, "{\"log\":\"\\q\\n\"}\n{\"log\":\"\\ud83d\\ude00\\ud83d\\n\"}\n", false,
		"{\"log\":\"\\q\\n\"}|\xf0\x9f\x98\x80\xef\xbf\xbd|0", "docker: bad escape as it is, surrogates");
	struct source_conf c = { .format = FORMAT_CRI, .max_record = 100 };
	struct batch b;
	struct record r = { 0 };
	nsec want;
	must(stamp_parse(STR("2026-11-25T10:00:00.5Z"), NULL, &want));
	batch_init(&b, &c);
	fill_with(&b, O "P a\n" E "F x\n" O "F b\n", false);
	ok(batch_next(&b, &r) && r.stamp == want + NS_PER_S / 2 && batch_next(&b, &r) && r.stamp == want,
		"the stamp is the envelope's, of the first part");
	ok(arena_has(&b.arena, r.raw.ptr), "joined in the arena");
	batch_free(&b);
	isz(frame_cut(FORMAT_CRI, STR(O "F a\n" O "P b\n" E "F c\n"), 0) == strlen(O "F a\n") ? "y" : "n", "y",
		"a batch ends where no record is open");
	isz(frame_cut(FORMAT_JSON, STR("a\nb\nc"), 0) == 4 ? "y" : "n", "y", "json: at the last newline");
}

/* A file of records in parts, read in batches with a restart after each: every record whole, once. */
static void
parts_over_batches(int format, size_t part, size_t parts)
{
	struct rig r;
	struct buf want, file;
	rig_init(&r, "a.log", START_BEGINNING);
	r.conf.format = format;
	buf_init(&want, 1 << 26);
	buf_init(&file, 1 << 26);
	for (int i = 0; i < 120; i++) {
		for (size_t k = 0; k <= parts; k++) {
			bool end = k == parts;
			if (format == FORMAT_CRI)
				buf_printf(&file, O "%c ", end ? 'F' : 'P');
			else
				buf_addz(&file, "{\"log\":\"");
			for (size_t n = 0; n < part; n++) {
				char c = (char)('a' + (i + (int)k + (int)n) % 26);
				buf_addc(&file, c);
				buf_addc(&want, c);
			}
			if (format == FORMAT_DOCKER)
				buf_addz(&file, end ? "\\n\",\"stream\":\"stdout\"}" : "\",\"stream\":\"stdout\"}");
			buf_addc(&file, '\n');
			if (k == 1 && format == FORMAT_CRI) {
				/* the other stream's line comes out first: its record is whole earlier */
				buf_printf(&file, E "F err%d\n", i);
			}
		}
		buf_addc(&want, '\n');
	}
	rig_write(&r, "a.log", file.data, file.len);
	rig_live(&r);
	r.stop = 1;
	for (int i = 0; i < 200; i++) {
		rig_read(&r);
		rig_restart(&r);
	}
	/* take the err lines out */
	struct buf got;
	buf_init(&got, 1 << 26);
	size_t errs = 0;
	for (size_t at = 0; at < r.out.len;) {
		const char *p = r.out.data + at, *nl = memchr(p, '\n', r.out.len - at);
		size_t n = (size_t)(nl - p) + 1;
		if (str_starts((struct str){ p, n }, STR("err")))
			errs++;
		else
			buf_add(&got, p, n);
		at += n;
	}
	ok(str_eq(buf_str(&got), buf_str(&want)) && !r.order_broken && r.skipped == 0,
		"%s: records of %zu parts, restarted after each batch", format == FORMAT_CRI ? "cri" : "docker", parts + 1);
	if (!str_eq(buf_str(&got), buf_str(&want)))
		printf("# got %zu want %zu, broken order %d, skipped %d\n", got.len, want.len, r.order_broken, (int)r.skipped);
	ok(errs == (format == FORMAT_CRI ? 120 : 0), "and the other stream's");
	buf_free(&got);
	buf_free(&want);
	buf_free(&file);
	rig_free(&r);
}

/* One stream never closes its record: it is dropped at the limit, the other stream goes on. */
static void
endless_part(void)
{
	struct rig r;
	rig_init(&r, "a.log", START_BEGINNING);
	r.conf.format = FORMAT_CRI;
	r.conf.max_record = 100000;
	rig_puts(&r, "a.log", O "P lost\n");
	for (int i = 0; i < 20000; i++) {
		char z[128];
		snprintf(z, sizeof z, E "F line %06d\n", i);
		rig_puts(&r, "a.log", z);
	}
	rig_puts(&r, "a.log", O "F lost too\n" O "F back\n");
	rig_live(&r);
	r.stop = 1;
	for (int i = 0; i < 20; i++) {
		rig_read(&r);
		rig_restart(&r);
	}
	struct str out = buf_str(&r.out);
	ok(out.len == 20000 * 12 + 5 && !str_has(out, STR("lost")) && str_has(out, STR("019999\nback\n")),
		"a record that never ends is dropped, all others come");
	ok(r.skipped == 1, "counted once: %d", (int)r.skipped);
	rig_free(&r);
}

int
main(void)
{
	formats();
	parts_over_batches(FORMAT_CRI, 16000, 3);
	parts_over_batches(FORMAT_DOCKER, 16000, 20);
	endless_part();
	return tap_done();
}
