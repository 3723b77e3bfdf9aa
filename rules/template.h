/* template.h - title and text: `{tenant}: {value:%} failed in {over}`.
 *
 * {NAME} is a field (by, context, or of the record for record and pair rules) or one of value, threshold, count, over,
 * within, hold, rule, level, key, time, starts_at, duration, samples; {{ and }} are braces. {NAME:FORMAT}: `%` a
 * percentage, `.N` N digits after the point, `d` a duration in seconds as people write it. A missing value is "-".
 * Unknown names are errors at compile.
 */
#ifndef WEIR_TEMPLATE_H
#define WEIR_TEMPLATE_H

#include "core/buf.h"
#include "rules/rule.h"

enum tpl_name { TPL_VALUE, TPL_THRESHOLD, TPL_COUNT, TPL_OVER, TPL_WITHIN, TPL_HOLD, TPL_RULE, TPL_LEVEL, TPL_KEY, TPL_TIME,
	TPL_STARTS_AT, TPL_DURATION, TPL_SAMPLES, TPL_NAMES };

struct tpl_values {              /* what a rendering may draw on: JSON texts, empty view = missing */
	struct str name[TPL_NAMES];
	const struct slice *slot; /* by paths number: key fields, carried fields */
};

/* Compiles t for rule r, adding to r->carry what it needs of the record. NULL with a diag on mistakes. */
struct template *template_new(struct ruleset *rs, struct rule *r, struct text_at t, struct diags *d);
void template_free(struct template *t);
void template_render(const struct template *t, const struct tpl_values *v, struct buf *out);

#endif
