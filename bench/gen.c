/* gen.c - log lines of a media pipeline for measurements: the same bytes for the same options, about 1 GB in seconds.
 * In: options.  Out: JSON lines on stdout.
 *
 * Each session is a small state machine over the stages of the pipeline; a line is one step of one session. The
 * first --sessions lines start every session once, so that exactly so many keys are live from there on. Event time
 * advances by 1/--rate seconds a line; 3 % of the lines are up to 400 ms older than that. 5 % of the lines hold
 * escapes, 2 % of all steps but starts fail, 1 line in 500 is a worker's heartbeat. Fields that rules ask for stand at
 * the front, in the middle and at the very end of the line, between many that no rule asks for.
 */
#include "core/base.h"
#include "core/num.h"
#include "core/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define OUT_BYTES (1 << 20)
#define LINE_BYTES 2048 /* more than any line */
#define SESSIONS_MAX 10000000

enum step { STEP_START, STEP_PROGRESS, STEP_COMPLETE };

struct stage {
	const char *name, *module, *function, *verb;
	unsigned line, base_ms; /* source line; usual duration */
};
static const struct stage stages[] = {
	{ "upload", "upload_service", "receive_upload", "Upload", 118, 900 },
	{ "analysis", "video_analysis_service", "probe_video", "Analysis", 77, 350 },
	{ "preparation", "video_prepare_service", "normalize_video", "Preparation", 203, 2100 },
	{ "merging", "video_merge_service", "merge_videos", "Video merge", 245, 3800 },
	{ "compression", "compression_service", "compress_video", "Compression", 312, 3000 },
	{ "storage_upload", "cloud_storage_service", "upload_video", "Storage upload", 164, 1200 },
	{ "cleanup", "cleanup_service", "remove_temporary", "Cleanup", 58, 80 },
};
static const char *const codes[] = { "FFMPEG_FAILED", "STORAGE_UPLOAD_FAILED", "VALIDATION_FAILED", "TIMEOUT_ERROR",
	"OUT_OF_MEMORY", "DISK_FULL", "CODEC_UNSUPPORTED", "NETWORK_RESET", "PERMISSION_DENIED", "CHECKSUM_MISMATCH",
	"QUOTA_EXCEEDED", "WORKER_LOST" };
static const char *const regions[] = { "eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-south-1" };
static const char *const codecs[] = { "h264", "hevc", "vp9", "av1" };
static const char *const sizes[] = { "1920x1080", "1280x720", "3840x2160", "1080x1920" };
/* Messages as programs really log them: quotes, newlines, tabs, paths of another system, letters beyond ASCII. */
static const char *const escaped[] = {
	"ffmpeg said: \\\"moov atom not found\\\"\\nConversion failed!",
	"cannot open \\\"C:\\\\media\\\\in\\\\clip 7.mov\\\": no such file",
	"Traceback (most recent call last):\\n\\tFile \\\"merge.py\\\", line 245, in merge_videos\\n"
	"\\tRuntimeError: exit code 187",
	"title \\u00abÉt\\u00e9 \\ud83c\\udfac\\u00bb kept as it was",
};

struct session {
	uint8_t stage, step, attempt;
};

static char out[OUT_BYTES + LINE_BYTES];
static size_t out_len;
static uint64_t rng;

static uint64_t
draw(void) /* xorshift64*: fast, and the same on every machine */
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return rng * UINT64_C(2685821657736338717);
}

static unsigned
below(unsigned n)
{
	return (unsigned)((draw() >> 32) * n >> 32);
}

static void
text(const char *z)
{
	size_t n = strlen(z);
	memcpy(out + out_len, z, n);
	out_len += n;
}

static void
number(uint64_t v, unsigned width) /* with leading zeros up to width */
{
	char d[24];
	size_t n = sizeof d;
	do
		d[--n] = (char)('0' + v % 10);
	while (v /= 10);
	while (sizeof d - n < width)
		d[--n] = '0';
	memcpy(out + out_len, d + n, sizeof d - n);
	out_len += sizeof d - n;
}

static void
thousandths(uint64_t v)
{
	number(v / 1000, 1);
	text(".");
	number(v % 1000, 3);
}

static void
hex64(uint64_t v)
{
	for (int i = 60; i >= 0; i -= 4)
		out[out_len++] = "0123456789abcdef"[v >> i & 15];
}

static void
stamp(nsec t) /* the calendar is asked once an hour of event time */
{
	static char hour[32];
	static int64_t hour_no = -1;
	int64_t ms = t / NS_PER_MS;
	if (ms / 3600000 != hour_no) {
		hour_no = ms / 3600000;
		time_t s = (time_t)(hour_no * 3600);
		struct tm tm;
		must(gmtime_r(&s, &tm));
		must(strftime(hour, sizeof hour, "%Y-%m-%dT%H:", &tm) > 0);
	}
	text(hour);
	number((uint64_t)(ms / 60000 % 60), 2);
	text(":");
	number((uint64_t)(ms / 1000 % 60), 2);
	text(".");
	number((uint64_t)(ms % 1000), 3);
	text("Z");
}

static void
flush(void)
{
	for (size_t at = 0; at < out_len;) {
		ssize_t n = write(STDOUT_FILENO, out + at, out_len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "gen: writing failed: %s\n", strerror(errno));
			exit(3);
		}
		at += (size_t)n;
	}
	out_len = 0;
}

static void
message(const struct stage *st, enum step step, bool error, const char *code)
{
	if (below(20) == 0) {
		text(escaped[below(COUNT_OF(escaped))]);
		return;
	}
	text(st->verb);
	if (error) {
		text(" failed: ffmpeg ended with exit code ");
		number(1 + below(254), 1);
		text(" (");
		text(code);
		text(")");
	} else {
		text(step == STEP_START ? " started" : step == STEP_PROGRESS ? " in progress" : " completed successfully");
	}
}

/* Where a session stands after a line; gives what the line tells. */
static enum step
advance(struct session *s, bool error)
{
	enum step step = s->step;
	if (error) {
		s->attempt++;
		if (s->attempt > 3)
			*s = (struct session){ 0 };
		return STEP_PROGRESS;
	}
	if (step == STEP_START)
		s->step = STEP_PROGRESS;
	else if (step == STEP_PROGRESS && below(2))
		s->step = STEP_COMPLETE;
	else if (step == STEP_COMPLETE) {
		s->step = STEP_START;
		s->attempt = 0;
		s->stage = (uint8_t)((s->stage + 1u) % COUNT_OF(stages));
	}
	return step;
}

static void
session_line(struct session *s, unsigned id, nsec t)
{
	const struct stage *st = &stages[s->stage];
	bool error = s->step != STEP_START && below(50) == 0;
	unsigned attempt = s->attempt + 1u;
	enum step step = advance(s, error);
	const char *code = codes[below(COUNT_OF(codes))];
	uint64_t u = below(1000);
	uint64_t ms = st->base_ms * (500 + u + (u * u / 1000) * (u * u / 1000) * 4 / 1000) / 1000;

	text("{\"timestamp\":\"");
	stamp(t);
	text(error ? "\",\"level\":\"ERROR" : ms > st->base_ms * 4u ? "\",\"level\":\"WARNING" : "\",\"level\":\"INFO");
	text("\",\"logger\":\"services.");
	text(st->module);
	text("\",\"message\":\"");
	message(st, step, error, code);
	text("\",\"module\":\"");
	text(st->module);
	text("\",\"function\":\"");
	text(st->function);
	text("\",\"line\":");
	number(st->line, 1);
	text(",\"process_id\":");
	number(4000 + id % 64, 1);
	text(",\"thread_id\":");
	number(139872340000 + id % 512, 1);
	text(",\"extra\":{\"session_id\":\"video_session_");
	number(id, 6);
	text("\",\"user_id\":\"user_");
	number(id % 7919, 1);
	text("\",\"stage\":\"");
	text(st->name);
	text("\",\"event\":\"");
	text(error ? "error" : step == STEP_START ? "start" : step == STEP_PROGRESS ? "progress" : "complete");
	text("\",\"duration_seconds\":");
	thousandths(ms);
	text(",\"file_size_bytes\":");
	number(1000000 + (uint64_t)below(60000000), 1);
	text(",\"video_count\":");
	number(2 + id % 4, 1);
	text(",\"codec\":\"");
	text(codecs[id % COUNT_OF(codecs)]);
	text("\",\"resolution\":\"");
	text(sizes[id / 4 % COUNT_OF(sizes)]);
	text("\",\"attempt\":");
	number(attempt, 1);
	text(",\"memory_usage_mb\":");
	thousandths(200000 + below(800000));
	text(",\"error_code\":");
	if (error) {
		text("\"");
		text(code);
		text("\"");
	} else {
		text("null");
	}
	text(",\"tags\":[\"batch\",\"");
	text(codecs[id % COUNT_OF(codecs)]);
	text("\"],\"request_id\":\"");
	hex64(draw());
	text("\",\"region\":\"");
	text(regions[id % COUNT_OF(regions)]);
	text("\",\"worker\":\"worker-");
	number(id % 64, 2);
	text("\",\"tenant\":\"tenant-");
	number(id % 211 % 100, 3);
	text("\"}}\n");
}

static void
heartbeat(nsec t, unsigned worker)
{
	text("{\"timestamp\":\"");
	stamp(t);
	text("\",\"level\":\"INFO\",\"logger\":\"services.worker\",\"message\":\"heartbeat\",\"module\":\"worker\","
	     "\"function\":\"beat\",\"line\":41,\"process_id\":");
	number(4000 + worker, 1);
	text(",\"thread_id\":139872340000,\"extra\":{\"queue_depth\":");
	number(below(40), 1);
	text(",\"cpu_percent\":");
	thousandths(below(100000));
	text(",\"worker\":\"worker-");
	number(worker, 2);
	text("\"}}\n");
}

static void
generate(uint64_t bytes, unsigned sessions, unsigned rate, nsec start)
{
	struct session *v = xcalloc(sessions, sizeof *v);
	uint64_t done = 0;
	for (uint64_t i = 0; done + out_len < bytes; i++) {
		nsec t = start + (nsec)(i / rate) * NS_PER_S + (nsec)(i % rate) * (NS_PER_S / rate);
		if (below(33) == 0)
			t -= (nsec)below(400) * NS_PER_MS;
		unsigned id = i < sessions ? (unsigned)i : below(sessions);
		if (i >= sessions && i % 500 == 0)
			heartbeat(t, (unsigned)(i / 500 % 64));
		else
			session_line(&v[id], id, t);
		if (out_len >= OUT_BYTES) {
			done += out_len;
			flush();
		}
	}
	flush();
	free(v);
}

static _Noreturn void
usage(const char *what, const char *value)
{
	fprintf(stderr,
		"gen: %s '%s'\n"
		"usage: gen [--bytes 1GB] [--seed 1] [--sessions 100000] [--rate 2000] [--start 2026-01-01T00:00:00Z]\n"
		"  --rate: lines a second of event time, 1 to 1000000; --sessions: 1 to %d\n",
		what, value, SESSIONS_MAX);
	exit(2);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "bytes", 1, NULL, 'b' }, { "seed", 1, NULL, 's' },
		{ "sessions", 1, NULL, 'n' }, { "rate", 1, NULL, 'r' }, { "start", 1, NULL, 't' }, { NULL, 0, NULL, 0 } };
	int64_t bytes = 1000000000, seed = 1, sessions = 100000, rate = 2000;
	nsec start = INT64_C(1767225600) * NS_PER_S;
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		struct str v = str_of(optarg);
		if (c == 'b' ? !size_parse(v, &bytes) :
			c == 's' ? !size_parse(v, &seed) :
			c == 'n' ? !size_parse(v, &sessions) || sessions < 1 || sessions > SESSIONS_MAX :
			c == 'r' ? !size_parse(v, &rate) || rate < 1 || rate > 1000000 :
			c == 't' ? !stamp_parse(v, NULL, &start) :
				   true)
			usage("cannot use", optarg ? optarg : argv[optind - 1]);
	}
	if (optind < argc)
		usage("unexpected argument", argv[optind]);
	rng = (uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (int i = 0; i < 8; i++)
		(void)draw();
	generate((uint64_t)bytes, (unsigned)sessions, (unsigned)rate, start);
	return 0;
}
