/* lane.h - one sink's queue as the delivery thread sees it: rows due become jobs, answers become marks.
 *
 * No network and no thread here: time, rows and replies are arguments, so every rule of retry is tested without waiting.
 */
#ifndef WEIR_LANE_H
#define WEIR_LANE_H

#include "core/outbox.h"
#include "sinks/deliver.h"
#include "sinks/pace.h"
#include "sinks/sink.h"

enum job_state {
	JOB_READY,   /* formatted: to be sent (or written) */
	JOB_SENT,    /* in flight */
	JOB_ANSWERED /* its mark is to be committed */
};

struct job {               /* one request: a row, or a batch of them */
	struct job *next;
	enum job_state state;
	struct outbox_row *row; /* owned */
	size_t n;
	struct request req;
	size_t written;        /* of a request without URL: bytes on stdout so far */
	bool minimal, told;
	enum outbox_mark mark;
	nsec due;
	char answer[256];
};

struct lane {
	const struct sink_conf *sink;
	const struct sink_kind *kind;
	const char *host;
	nsec give_up;
	struct job *jobs;
	size_t njobs;
	bool look;             /* the outbox may hold rows that are due */
	nsec next_due;         /* wall: when to look again; NS_NONE: only when woken */
	nsec retry_until;      /* wall: the latest time a row was put off to */
	nsec held_until;       /* monotonic: the whole sink waits; NS_NONE */
	unsigned fails, deads; /* answers of that class in a row */
	struct pace pace;
	struct deliver_stats stats;
};

struct clock_now {
	nsec wall, mono;
};

void lane_init(struct lane *l, const struct config *c, size_t sink, const char *host);
void lane_free(struct lane *l);
/* Read due rows and make ready jobs of them, as far as the sink may have more in flight. */
enum err lane_fill(struct lane *l, struct outbox *o, struct clock_now now) MUST_CHECK;
/* An answer to j: j is answered, or ready again in its minimal form. */
void lane_answer(struct lane *l, struct job *j, const struct reply *r, struct clock_now now);
/* The marks of j are committed: frees it. */
void lane_done(struct lane *l, struct job *j);
/* How long until the lane may have something to do by itself. */
nsec lane_wait(const struct lane *l, struct clock_now now);
bool lane_idle(const struct lane *l, struct clock_now now); /* nothing in flight, due, held or put off */

/* Replace what is secret in a sink's configuration (keys, URLs and their parts) wherever it stands in text. */
void scrub(const struct sink_conf *s, char *text, size_t size);

#endif
