/* env.h - ${NAME} in a document's scalars, replaced from the environment. */
#ifndef WEIR_ENV_H
#define WEIR_ENV_H

#include "config/doc.h"
#include "config/field.h"

#define ENV_TEXT_MAX (1 << 20) /* of one scalar once replaced */

extern const char *const rule_env_default[]; /* NULL-ended: what rule files may name without `rule_env` */

/* Replace ${NAME} and ${NAME:-default} in every scalar value of doc (keys stay as they are); $${ becomes ${.
 * allow: patterns with * that a name must match; NULL: any name. Mistakes are told and leave the text as it is. */
void env_expand(struct doc *doc, const struct strlist *allow, struct diags *d);

#endif
