/* sink.h - a sink is two pure functions: make a request out of transitions, judge an answer.
 *
 * deliver.c does all network, time and retry. A sink allocates only inside the request it fills, keeps no state, and
 * is tested without a network against golden files. Wire contracts: the comment atop each sink_NAME.c.
 */
#ifndef WEIR_SINK_H
#define WEIR_SINK_H

#include "config/config.h"
#include "core/alert.h"

enum outcome {
	OUT_OK,        /* accepted */
	OUT_RETRY,     /* transient: back off, bounded by age (give_up) */
	OUT_THROTTLED, /* the destination asks for a pause: hold the whole sink until verdict.wait */
	OUT_REJECTED,  /* this request will never be accepted: the row fails with its answer */
	OUT_DEAD,      /* destination or credential is gone: hold the sink, probe slowly, tell once */
	OUT_PARTIAL,   /* some of a batch was stored: counted, never resent whole */
	OUT_AMBIGUOUS, /* sent, no answer: retried under the same idempotency key */
	OUTCOMES
};
extern const char *const outcome_name[OUTCOMES];

#define WEIR_AGENT "weir/1.0" /* User-Agent, and the client in Sentry envelopes */

struct sink_env {        /* what a format may know besides its conf and the transitions */
	const char *sink; /* the sink's name in the configuration */
	const char *host; /* this machine's name */
	nsec now;         /* wall clock of this attempt */
	int64_t row;      /* outbox row id of the first transition: the same over retries */
	bool drill;       /* weir fire: mark [DRILL] */
	bool minimal;     /* the full form was refused for its size or shape: make the smallest true one */
};

#define REQUEST_HEADERS_MAX 16
struct request {
	char *url;            /* owned; NULL: write body to stdout (the stdout sink) */
	char *header[REQUEST_HEADERS_MAX]; /* "Name: value", owned; no CR, LF or NUL */
	size_t nheader;
	struct buf body;      /* bytes on the wire (already encoded) */
};
void request_init(struct request *q);
void request_free(struct request *q);
void request_header(struct request *q, const char *fmt, ...) PRINTF(2, 3);
/* Replace the body by its gzip form and add Content-Encoding. */
void request_gzip(struct request *q);

struct reply {
	int status;           /* HTTP; 0: none came */
	int curl;             /* CURLcode */
	const char *trouble;  /* status 0: what the transport says; static text, no URL */
	bool local;           /* weir itself refused the address: link-local */
	bool sent;            /* the whole request went out */
	struct str body;      /* at most 64 KiB of it */
	nsec retry_after;     /* from the header; NS_NONE: absent or unreadable */
	struct str rate_limits; /* X-Sentry-Rate-Limits, empty if absent */
};

struct verdict {
	enum outcome outcome;
	nsec wait;            /* THROTTLED: hold that long; OK: accepted, but hold before the next; 0: the delivery's own pace */
	bool again_minimal;   /* REJECTED once for size or shape: try the minimal form once */
	char why[256];        /* for status and log: no secret, no URL */
};

struct sink_kind {
	struct kind kind;         /* first: a sink_kind is a struct kind to config */
	bool people;              /* settle, limit and "told once as resolved" apply */
	bool pages;               /* never told of an alert that was over before it was told (PagerDuty) */
	enum level least;         /* without a policy: the least level it hears */
	size_t batch;             /* transitions a request may carry: 1, or more (Loki) */
	int64_t per_minute;       /* the destination's own rate, 0: unlimited; with a burst */
	int64_t burst;
	bool fresh;               /* a connection of its own each time: the destination has no idempotency key, and a
	                             request resent on a connection found dead would be told twice */
	enum err (*format)(const void *conf, const struct sink_env *env, const struct alert *const *a, size_t n,
		struct request *out) MUST_CHECK;
	void (*judge)(const void *conf, const struct reply *r, struct verdict *out);
};

extern const struct sink_kind sink_slack, sink_pagerduty, sink_sentry, sink_loki, sink_webhook, sink_stdout;
extern const struct kind *const sink_kinds[]; /* NULL-ended, in the order of the manual */

/* The classes of answer common to all (SINKS section 0 of the contracts): curl codes and statuses no sink names. */
void judge_common(const struct reply *r, struct verdict *out);

#endif
