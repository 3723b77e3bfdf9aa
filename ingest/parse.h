/* parse.h - one line of JSON to one record of views, by yajl (the only file that knows it).
 *
 * A parser is built for one set of paths and serves one thread. It keeps one yajl handle over many lines; after a
 * bad line the handle is made anew, so a bad record leaves no trace in the next.
 * Cost: one pass over the line; no allocation on a plain record (no escapes, depth seen before).
 */
#ifndef WEIR_PARSE_H
#define WEIR_PARSE_H

#include "core/arena.h"
#include "core/record.h"

enum parse_verdict {
	PARSE_OK,
	PARSE_JSON,   /* bad JSON, incl. form feed as white space, a line that ends inside a value */
	PARSE_UTF8,   /* invalid UTF-8, incl. overlong forms and surrogates */
	PARSE_DEPTH,  /* nesting past 64 */
	PARSE_SECOND, /* more than one value on the line */
	PARSE_OBJECT, /* valid JSON, but no object: it has no fields */
	PARSE_LONG,   /* over max_record (counted by the source, never by the parser) */
	PARSE_TIME,   /* no usable time before any timed record (counted by the front) */
	VERDICTS
};
extern const char *const verdict_name[VERDICTS]; /* words for status and logs: "json", "utf-8", ... */

struct parser;
struct parser *parser_new(const struct paths *paths); /* paths must outlive it and not grow */
void parser_free(struct parser *p);
/* Parse r->raw into r->slot (paths->n slots, all written: K_NONE where absent). Strings with escapes are decoded into
 * arena. Not PARSE_OK: every slot is K_NONE. Duplicate keys: the last wins, whole. `a.b`: nested first, then a key
 * "a.b" (and every mixed split), whatever their order in the line. */
enum parse_verdict parse(struct parser *p, struct record *r, struct arena *arena);

#endif
