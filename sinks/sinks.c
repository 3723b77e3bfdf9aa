/* sinks.c - the table of sinks, what all requests share, and the classes of answer common to all.
 *
 * In: replies. Out: verdicts. Owns: the strings of a request. Never: network.
 */
#include "sinks/sink.h"

#include "core/json.h"
#include "sinks/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define BODY_MAX (8u << 20)
#define RETRY_AFTER_MAX (3600 * NS_PER_S)
#define THROTTLE_DEFAULT (30 * NS_PER_S)

const struct kind *const sink_kinds[] = { &sink_slack.kind, &sink_pagerduty.kind, &sink_sentry.kind, &sink_loki.kind,
	&sink_webhook.kind, &sink_stdout.kind, NULL };

const char *const outcome_name[OUTCOMES] = { "ok", "retry", "throttled", "rejected", "dead", "partial", "ambiguous" };

void
request_init(struct request *q)
{
	*q = (struct request){ 0 };
	buf_init(&q->body, BODY_MAX);
}

void
request_free(struct request *q)
{
	for (size_t i = 0; i < q->nheader; i++)
		free(q->header[i]);
	free(q->url);
	buf_free(&q->body);
	*q = (struct request){ .body.max = BODY_MAX };
}

void
request_header(struct request *q, const char *fmt, ...)
{
	struct buf b;
	va_list ap;
	buf_init(&b, 64 << 10);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	must(!b.over && q->nheader < REQUEST_HEADERS_MAX);
	for (size_t i = 0; i < b.len; i++) /* a header never ends early, whatever a value held */
		if ((unsigned char)b.data[i] < 0x20 || b.data[i] == 0x7f)
			b.data[i] = ' ';
	q->header[q->nheader++] = buf_take(&b);
}

void
request_gzip(struct request *q)
{
	z_stream z = { 0 };
	must(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	size_t room = deflateBound(&z, q->body.len) + 64;
	struct buf out;
	buf_init(&out, room);
	z.next_in = (unsigned char *)q->body.data;
	z.avail_in = (unsigned)q->body.len;
	z.next_out = (unsigned char *)buf_room(&out, room);
	z.avail_out = (unsigned)room;
	must(deflate(&z, Z_FINISH) == Z_STREAM_END);
	out.len = room - z.avail_out;
	deflateEnd(&z);
	buf_free(&q->body);
	q->body = out;
	request_header(q, "Content-Encoding: gzip");
}

/* Codes of the transport that no waiting mends: a URL, certificate or file of the configuration is wrong. The numbers
 * are libcurl's, fixed by its ABI; the library itself is known to http.c alone. */
static bool
is_misconfigured(int curl)
{
	static const int code[] = { 1 /* protocol */, 3 /* URL */, 51, 60 /* certificate */, 58, 59, 64, 66, 77, 91 };
	for (size_t i = 0; i < COUNT_OF(code); i++)
		if (code[i] == curl)
			return true;
	return false;
}

static void
tell(const struct reply *r, struct verdict *v)
{
	struct buf b;
	buf_init(&b, 64 << 10);
	buf_printf(&b, "HTTP %d", r->status);
	if (r->body.len) {
		struct buf clean;
		buf_init(&clean, 64 << 10);
		text_clean(&clean, utf8_cut(r->body, 1024), true);
		buf_addz(&b, ": ");
		text_fit(&b, buf_str(&clean), 160);
		buf_free(&clean);
	}
	struct str cut = utf8_cut(buf_str(&b), sizeof v->why - 1);
	snprintf(v->why, sizeof v->why, "%.*s", STR_ARG(cut));
	buf_free(&b);
}

static void
judge_transport(const struct reply *r, struct verdict *v)
{
	const char *said = r->trouble ? r->trouble : "no answer";
	if (r->local) {
		v->outcome = OUT_REJECTED;
		said = "its address is link-local or a metadata service's, and weir does not connect to those";
	} else if (is_misconfigured(r->curl)) {
		v->outcome = OUT_DEAD;
	} else {
		v->outcome = r->sent ? OUT_AMBIGUOUS : OUT_RETRY;
	}
	snprintf(v->why, sizeof v->why, "%s%s", v->outcome == OUT_AMBIGUOUS ? "sent, but no answer: " : "", said);
}

static nsec
pause_of(const struct reply *r)
{
	if (r->retry_after == NS_NONE || r->retry_after <= 0)
		return THROTTLE_DEFAULT;
	return r->retry_after < RETRY_AFTER_MAX ? r->retry_after : RETRY_AFTER_MAX;
}

void
judge_common(const struct reply *r, struct verdict *v)
{
	*v = (struct verdict){ 0 };
	if (r->status == 0) {
		judge_transport(r, v);
		return;
	}
	tell(r, v);
	int s = r->status;
	if (s >= 200 && s < 300) {
		v->outcome = OUT_OK;
	} else if (s == 429 || (s >= 500 && r->retry_after != NS_NONE && r->retry_after > 0)) {
		v->outcome = OUT_THROTTLED;
		v->wait = pause_of(r);
	} else if (s == 401 || s == 403 || s == 404 || s == 410 || s == 501 || s == 505 || (s >= 300 && s < 400)) {
		v->outcome = OUT_DEAD;
	} else if (s == 408 || s == 425 || s >= 500 || s < 200) {
		v->outcome = OUT_RETRY;
	} else {
		v->outcome = OUT_REJECTED;
	}
}
