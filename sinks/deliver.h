/* deliver.h - the one thread that sends: outbox rows to sinks through curl's multi interface (the only file with curl).
 *
 * Owns its outbox connection, one multi handle, a pool of easy handles. At most INFLIGHT_MAX requests a sink at once,
 * one an alert. Never sends a row before its commit, never marks it before its answer.
 */
#ifndef WEIR_DELIVER_H
#define WEIR_DELIVER_H

#include "config/config.h"

#define DELIVER_INFLIGHT_MAX 4

struct deliver;
struct deliver *deliver_start(const struct config *c, struct errinfo *why); /* opens the outbox under c->state */
void deliver_wake(struct deliver *d); /* rows were committed; any thread */
/* Stop: what is in flight may finish until drain has passed; rows left wait in the outbox. Joins and frees. */
void deliver_stop(struct deliver *d, nsec drain);
/* Blocks until no row waits (settling ones aside) or the time is over: replay --send. true when empty. */
bool deliver_drain(struct deliver *d, nsec limit);

struct deliver_stats {
	uint64_t sent, retried, failed, throttled;
	char last_error[256]; /* of this sink, no secret; "" if the last answer was good */
	nsec held_until;      /* wall; NS_NONE */
};
void deliver_stats(struct deliver *d, size_t sink, struct deliver_stats *out); /* by index in the config */

#endif
