/* outbox.h - what waits to be delivered, as the delivery thread sees it: rows in the store's database.
 *
 * A connection of its own (WAL), used by one thread. Rows are put in by the back, in the commit of their transition;
 * here they are read, and marked once their sink has answered. Order: rows of one sink and alert (rule, key) leave in
 * the order of their ids; a row behind an unfinished one of the same sink and alert is not due.
 */
#ifndef WEIR_OUTBOX_H
#define WEIR_OUTBOX_H

#include "core/alert.h"

struct outbox;
struct outbox *outbox_open(const char *state_dir, struct errinfo *why); /* NULL on failure */
void outbox_close(struct outbox *o);
const char *outbox_error(const struct outbox *o); /* the sentence of the last failed call */

struct outbox_row {
	int64_t id;
	int64_t transition;   /* its number in the store: Sentry's event_id and the webhook's id come from it */
	int attempts;
	nsec created;         /* wall clock of its commit: give_up counts from it */
	struct alert alert;   /* owned by the row: outbox_rows_free */
};

/* Rows of a sink that are due at now, at most max, oldest first; of each alert at most one, or with `together` (a machine's
 * batch, that is accepted or not as a whole) as many as are due, in their order. A row is given again until it is marked:
 * the caller knows what it has in flight. Rows of people's sinks are *taken* by this: policy withdraws
 * a row only before that, or after it came back with OUTBOX_RETRY. A row with transition < 0 is a
 * summary of what passed the limit: its alert says count and top keys. */
enum err outbox_due(struct outbox *o, const char *sink, nsec now, bool together, struct outbox_row *rows, size_t max,
	size_t *n) MUST_CHECK;
void outbox_rows_free(struct outbox_row *rows, size_t n);
/* The wall time at which the next waiting row of the sink becomes due; NS_NONE: none waits. */
enum err outbox_next(struct outbox *o, const char *sink, nsec *due) MUST_CHECK;

enum outbox_mark {
	OUTBOX_SENT,
	OUTBOX_RETRY,         /* surely not heard: policy may withdraw it again */
	OUTBOX_FAILED,
	OUTBOX_DOUBT          /* as RETRY, but it went out and no answer came: it may have been heard */
};
struct outbox_done {
	int64_t id;
	enum outbox_mark mark;
	nsec due;             /* OUTBOX_RETRY, OUTBOX_DOUBT: not before */
	const char *answer;   /* short text of the answer, for status; borrowed */
	nsec at;              /* wall clock */
};
/* All marks in one commit. */
enum err outbox_mark(struct outbox *o, const struct outbox_done *v, size_t n) MUST_CHECK;

struct outbox_counts {
	int64_t waiting, failed, sent;
	nsec oldest;          /* created of the oldest waiting row; NS_NONE */
};
enum err outbox_counts(struct outbox *o, const char *sink, struct outbox_counts *out) MUST_CHECK;

#endif
