/* alert.h - the contract between rules, store and sinks: one transition in an alert's life.
 *
 * Owned by whoever made it; alert_free releases all strings. The JSON of DESIGN section 5, in its order of
 * keys, is made in one place, alert_json, and is the same in replay output, webhook, API and store.
 */
#ifndef WEIR_ALERT_H
#define WEIR_ALERT_H

#include "core/buf.h"

enum level { LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL_CRITICAL, LEVELS };
extern const char *const level_name[LEVELS];

enum event { EV_PENDING, EV_DROPPED, EV_FIRING, EV_LEVEL, EV_RESOLVED, EV_ACKNOWLEDGED, EV_ESCALATED, EVENTS };
extern const char *const event_name[EVENTS];

enum state { ST_PENDING, ST_FIRING, ST_RESOLVED, STATES };
extern const char *const state_name[STATES];

#define ALERT_ID_MAX 48 /* "alert_" + seconds + "_" + 12 hex + NUL */

struct alert {             /* one transition */
	char id[ALERT_ID_MAX];
	enum event event;
	enum state state;
	enum level level;
	char *rule, *title, *message;
	nsec timestamp, starts_at, ends_at; /* ends_at NS_NONE until over; hold: 0 is over as it fires */
	char *key;         /* canonical JSON object, keys in `by` order: {"extra.stage":"merging"}; {} without by */
	char *value;       /* JSON text or NULL (null) */
	int64_t count;
	char *cause;       /* NULL (null): by its own condition; else "no data", "forgotten", "reconciled", "rule removed", "manual" */
	char *runbook;     /* NULL: null */
	char *labels;      /* JSON object */
	char *session_id, *user_id, *stage; /* text or NULL (null) */
	char *metadata;    /* JSON object */
	bool partial;
	bool shadow;       /* stored, never sent */
	char *fingerprint; /* JSON array for Sentry or NULL; not part of the JSON */
};

void alert_json(struct buf *b, const struct alert *a); /* one object, no newline */
void alert_free(struct alert *a);                      /* contents only */
void alert_copy(struct alert *to, const struct alert *from);

#endif
