/* bare_yajl.c - the floor under weir's figures: the same file, read the same way, with nothing but newlines or yajl.
 * In: mode (lines, yajl), FILE.  Out: one line: mode= bytes= records= seconds= mb_s= records_s=
 *
 * yajl runs as ingest/parse.c runs it: one handle for all lines, one call a line, the same flags. All callbacks are set
 * and do nothing; parse.c takes those out of the table that nobody wants just then, so it may come out below this
 * floor. A line that is no JSON ends the measurement with an error: it would measure something else.
 */
#include "core/base.h"
#include "ingest/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yajl/yajl_parse.h>

#define BUF_BYTES (BATCH_BYTES + (1 << 20)) /* a batch and the longest record */

static int
on_null(void *ctx)
{
	(void)ctx;
	return 1;
}

static int
on_bool(void *ctx, int v)
{
	(void)ctx;
	(void)v;
	return 1;
}

static int
on_number(void *ctx, const char *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
	return 1;
}

static int
on_text(void *ctx, const unsigned char *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_text,
	.yajl_start_map = on_null,
	.yajl_map_key = on_text,
	.yajl_end_map = on_null,
	.yajl_start_array = on_null,
	.yajl_end_array = on_null,
};

static yajl_handle
handle_new(void)
{
	yajl_handle h = yajl_alloc(&callbacks, NULL, NULL);
	must(h && yajl_config(h, yajl_allow_multiple_values, 1) && yajl_config(h, yajl_dont_validate_strings, 1));
	return h;
}

/* Lines of p[0..n); gives how many bytes belong to whole lines. h NULL: newlines only. */
static size_t
lines(yajl_handle h, const char *p, size_t n, uint64_t *records)
{
	size_t at = 0;
	for (const char *nl; (nl = memchr(p + at, '\n', n - at)) != NULL; at = (size_t)(nl - p) + 1) {
		++*records;
		if (!h)
			continue;
		size_t len = (size_t)(nl - p) - at;
		/* both calls: without the second, a line that ends inside a value would not be noticed */
		if (yajl_parse(h, (const unsigned char *)p + at, len) != yajl_status_ok || yajl_complete_parse(h) != yajl_status_ok) {
			fprintf(stderr, "bare_yajl: record %llu is not JSON\n", (unsigned long long)*records);
			exit(3);
		}
	}
	return at;
}

int
main(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[1], "lines") != 0 && strcmp(argv[1], "yajl") != 0)) {
		fprintf(stderr, "usage: bare_yajl lines|yajl FILE\n");
		return 2;
	}
	int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "bare_yajl: cannot open %s: %s\n", argv[2], strerror(errno));
		return 3;
	}
	yajl_handle h = argv[1][0] == 'y' ? handle_new() : NULL;
	char *buf = xmalloc(BUF_BYTES);
	size_t have = 0;
	uint64_t bytes = 0, records = 0;
	nsec start = mono_ns();
	for (ssize_t n; (n = read(fd, buf + have, BUF_BYTES - have < BATCH_BYTES ? BUF_BYTES - have : BATCH_BYTES)) != 0;) {
		if (n < 0) {
			fprintf(stderr, "bare_yajl: reading %s failed: %s\n", argv[2], strerror(errno));
			return 3;
		}
		bytes += (uint64_t)n;
		have += (size_t)n;
		size_t used = lines(h, buf, have, &records);
		if (used == 0 && have == BUF_BYTES) {
			fprintf(stderr, "bare_yajl: %s holds a line over 1 MiB\n", argv[2]);
			return 3;
		}
		memmove(buf, buf + used, have - used);
		have -= used;
	}
	double s = (double)(mono_ns() - start) / 1e9;
	printf("mode=%s bytes=%llu records=%llu seconds=%.3f mb_s=%.1f records_s=%.0f\n", argv[1], (unsigned long long)bytes,
		(unsigned long long)records, s, (double)bytes / 1e6 / s, (double)records / s);
	if (h)
		yajl_free(h);
	free(buf);
	(void)close(fd);
	return 0;
}
