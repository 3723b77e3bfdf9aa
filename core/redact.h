/* redact.h - secrets leave no trace in what people or sinks see.
 *
 * Values of the named fields at any depth of a JSON text, bearer tokens, userinfo in URLs and PEM private keys become
 * [Filtered]. O(len).
 */
#ifndef WEIR_REDACT_H
#define WEIR_REDACT_H

#include "config/field.h"
#include "core/buf.h"

struct redact;
struct redact *redact_new(const struct strlist *fields); /* names compared without case */
void redact_free(struct redact *r);
void redact_text(const struct redact *r, struct str in, struct buf *out); /* JSON or plain text, whole or cut */
bool redact_field(const struct redact *r, struct str name); /* is this a field whose value is secret? last segment counts */

#endif
