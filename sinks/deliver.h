/* deliver.h - the one thread that sends: outbox rows to sinks.
 *
 * Owns its outbox connection and all requests in flight: at most DELIVER_INFLIGHT_MAX of a people's sink, one of a
 * machine's (they get their transitions in order), one of an alert. Never sends a row before its commit, never marks it
 * before its answer. Accepted: sent. 429: the sink waits as long as it was asked to. 5xx and transport errors: again, with
 * full jitter, up to give_up. Other 3xx and 4xx: failed, told through the hook; where they mean that nothing will pass, the
 * sink is tried ever more slowly.
 */
#ifndef WEIR_DELIVER_H
#define WEIR_DELIVER_H

#include "config/config.h"

#define DELIVER_INFLIGHT_MAX 4

struct deliver_hooks {
	void *arg;
	/* A row of sink (index in the config) has failed for good: weir.delivery-failed. Called on the delivery thread,
	 * before the row is marked: a crash between the two tells it again. why: no secret, no URL. */
	void (*failed)(void *arg, size_t sink, const struct alert *a, const char *why);
};

struct deliver;
/* Opens the outbox under c->state. hooks may be NULL; c and *hooks must outlive it. */
struct deliver *deliver_start(const struct config *c, const struct deliver_hooks *hooks, struct errinfo *why);
void deliver_wake(struct deliver *d); /* rows were committed; any thread */
/* Stop: what is in flight may finish until drain has passed; rows left wait in the outbox. Joins and frees. */
void deliver_stop(struct deliver *d, nsec drain);
/* Blocks until no row waits (settling ones aside) or the time is over: replay --send. true when empty. */
bool deliver_drain(struct deliver *d, nsec limit);

/* replay --send: the wall clock of this delivery is now at `now`, and goes on from there: what is due, retries and give_up
 * follow it. Any thread. */
void deliver_clock(struct deliver *d, nsec now);

struct deliver_stats {
	uint64_t sent, retried, failed, throttled;
	char last_error[256]; /* of this sink, no secret; "" if the last answer was good */
	nsec last_ok;         /* wall time of the last accepted request; 0: none yet */
	nsec held_until;      /* wall; NS_NONE */
};
void deliver_stats(struct deliver *d, size_t sink, struct deliver_stats *out); /* by index in the config */

#endif
