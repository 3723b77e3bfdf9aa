/* policy.h - who hears of a transition and when: rows for the outbox, within the transition's own commit.
 *
 * Runs on the wall clock from the commit of the transition, only for transitions that were inserted. Machines' sinks
 * get every transition at once, in order. People's sinks: an alert that resolved before it was first told is told
 * once, as resolved, and never pages; a resolve waits `settle` and is dropped with the new firing if it fires again
 * before; past `limit` messages of a rule one message tells count and top keys.
 */
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include "config/config.h"
#include "core/store.h"

struct policy;
struct policy *policy_new(const struct config *c, struct diags *d); /* compiles matches; the defaults without entries */
void policy_free(struct policy *p);
/* May a firing of r at this level be told to any sink? What depends on the key counts as yes. */
bool policy_reaches(struct policy *p, const struct rule_def *r, enum level level);
/* Inside store_begin/commit. */
enum err policy_apply(struct policy *p, struct store *s, const struct alert *a, int64_t number, nsec now) MUST_CHECK;

#endif
