/* text.h - text from logs made fit for people and for the destinations' limits.
 *
 * Order of the steps: clean first, then cut by code points, then escape as the destination asks (each sink its own).
 */
#ifndef WEIR_SINK_TEXT_H
#define WEIR_SINK_TEXT_H

#include "core/alert.h"
#include "sinks/sink.h"

/* Append in as valid UTF-8 without terminal sequences and control characters; tab and newline stay, or become
 * spaces where one_line. */
void text_clean(struct buf *out, struct str in, bool one_line);
/* Append clean text, at most max code points; what is cut ends in an ellipsis that counts. */
void text_fit(struct buf *out, struct str clean, size_t max);
/* The same two and a JSON string around: ,"key":"...". key NULL: the string alone. */
void text_json(struct buf *out, const char *key, struct str in, size_t max, bool one_line);
/* A JSON object of weir's own form with at most pairs members, values cut at max code points (a longer object or
 * array becomes its cut text) and at most total bytes. */
void text_object(struct buf *out, struct str object, size_t pairs, size_t max, size_t total);

/* "[DRILL] CRITICAL: title" for people; the state's word first when it is no plain firing. Not cleaned. */
void text_headline(struct buf *out, const struct sink_env *env, const struct alert *a);
struct str text_title(const struct alert *a); /* its rule's name where it has none */
bool text_is_link(const char *url); /* http or https, printable ASCII without quotes, spaces and angle brackets */

/* The string value of a member in a destination's answer, found by its quoted name; still escaped, empty if absent.
 * The answer is anybody's bytes: nothing is assumed of it. */
struct str reply_member(struct str body, const char *name);
/* Refuse userinfo in a URL of the configuration (config checks the rest). Does not tell the URL. */
void url_check(const char *field, const char *url, struct loc loc, struct diags *d);

#endif
