/* digest.h - names for transitions that are the same on every retry: SHA-256, HMAC and base64 from libcrypto. */
#ifndef WEIR_SINK_DIGEST_H
#define WEIR_SINK_DIGEST_H

#include "core/alert.h"

#define DIGEST_HEX 65 /* 64 digits and the NUL */

/* SHA-256 over the parts, each led by its length, so that ("ab","c") and ("a","bc") differ. */
void digest_parts(const struct str *part, size_t n, char hex[DIGEST_HEX]);
void digest_transition(const struct alert *a, char hex[DIGEST_HEX]); /* id, event, timestamp: the store's key */
void digest_subject(const struct alert *a, char hex[DIGEST_HEX]);    /* rule, key: the same over an alert's life */
void hmac_sha256(struct str key, struct str message, unsigned char out[32]);
void base64_add(struct buf *b, const void *p, size_t n);
bool base64_decode(struct buf *b, struct str s); /* RFC 4648 section 4, padded or not; false: it is none */

#endif
