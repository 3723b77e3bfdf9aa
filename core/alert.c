/* alert.c - the one JSON form of a transition. */
#include "core/alert.h"

#include "core/json.h"

#include <stdlib.h>

const char *const level_name[LEVELS] = { "info", "warning", "error", "critical" };
const char *const event_name[EVENTS] = { "pending", "dropped", "firing", "level", "resolved", "acknowledged", "escalated" };
const char *const state_name[STATES] = { "pending", "firing", "resolved" };

static void
text(struct buf *b, const char *key, const char *z)
{
	buf_printf(b, ",\"%s\":", key);
	if (z)
		json_str(b, str_of(z));
	else
		buf_addz(b, "null");
}

static void
raw(struct buf *b, const char *key, const char *json)
{
	buf_printf(b, ",\"%s\":%s", key, json);
}

static void
when(struct buf *b, const char *key, nsec t)
{
	buf_printf(b, ",\"%s\":", key);
	json_time(b, t);
}

void
alert_json(struct buf *b, const struct alert *a)
{
	buf_addz(b, "{\"id\":");
	json_str(b, str_of(a->id));
	text(b, "event", event_name[a->event]);
	text(b, "rule", a->rule);
	text(b, "state", state_name[a->state]);
	text(b, "level", level_name[a->level]);
	text(b, "title", a->title);
	text(b, "message", a->message);
	when(b, "timestamp", a->timestamp);
	when(b, "starts_at", a->starts_at);
	when(b, "ends_at", a->ends_at);
	raw(b, "key", a->key ? a->key : "{}");
	raw(b, "value", a->value ? a->value : "null");
	buf_printf(b, ",\"count\":%lld", (long long)a->count);
	text(b, "cause", a->cause);
	text(b, "runbook", a->runbook);
	raw(b, "labels", a->labels ? a->labels : "{}");
	text(b, "session_id", a->session_id);
	text(b, "user_id", a->user_id);
	text(b, "stage", a->stage);
	raw(b, "metadata", a->metadata ? a->metadata : "{}");
	raw(b, "partial", a->partial ? "true" : "false");
	buf_addc(b, '}');
}

/* Every owned string of an alert, so that free and copy cannot forget one. */
#define STRINGS(X)                                                                                                     \
	X(rule) X(title) X(message) X(key) X(value) X(cause) X(runbook) X(labels) X(session_id) X(user_id) X(stage)       \
	X(metadata) X(fingerprint)

void
alert_free(struct alert *a)
{
#define X(f) free(a->f);
	STRINGS(X)
#undef X
	*a = (struct alert){ 0 };
}

void
alert_copy(struct alert *to, const struct alert *from)
{
	*to = *from;
#define X(f) to->f = xstrdup(from->f);
	STRINGS(X)
#undef X
}
