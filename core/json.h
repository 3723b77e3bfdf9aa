/* json.h - writing JSON, and walking JSON that weir itself wrote.
 *
 * The writer appends to a struct buf; the caller places commas through json_sep or writes them itself.
 * Strings are made valid UTF-8 on the way out (each invalid byte sequence becomes U+FFFD) and escaped as
 * RFC 8259 asks: '"', '\\' and U+0000..U+001F; nothing else.
 */
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

#include "core/buf.h"

void json_str(struct buf *b, struct str s);    /* with the quotes */
void json_escaped(struct buf *b, struct str s); /* without the quotes */
void json_num(struct buf *b, double v);        /* shortest text that reads back as v; not finite: null */
size_t num_text(double v, char out[32]);       /* the same text, NUL-terminated; returns its length */
void json_time(struct buf *b, nsec t);         /* "2026-11-25T12:00:00.000Z" with quotes, ms cut; NS_NONE: null */
void time_text(nsec t, char out[32]);          /* the same without quotes */

/* Walk a flat JSON object written by weir (trusted form: no spaces, valid). Call with *it = {0} first;
 * gives key text (still escaped, without quotes) and the value's raw JSON text. false at the end. */
struct json_it {
	size_t at;
};
bool json_each(struct str object, struct json_it *it, struct str *key, struct str *value);
/* Decode a JSON string's inner text (escapes) into b. */
void json_unescape(struct buf *b, struct str inner);
/* A JSON value as people read it: a string without quotes and decoded, everything else as its text. */
void json_plain(struct buf *b, struct str value);

/* UTF-8 (RFC 3629: no overlongs, no surrogates). Length of the valid prefix. O(len), 16 ASCII bytes a step. */
size_t utf8_valid(struct str s);
/* Longest prefix of s with at most max bytes that does not cut a code point. */
struct str utf8_cut(struct str s, size_t max);
/* Longest prefix of s with at most max code points (s valid UTF-8). */
struct str utf8_cut_chars(struct str s, size_t max);
size_t utf8_len(struct str s); /* code points */

#endif
