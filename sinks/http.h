/* http.h - requests out, answers back: curl's multi interface, in one thread (http.c is the only file with curl).
 *
 * A request goes only to what its URL says: http or https, no redirect followed, no proxy from the environment, no
 * credentials from files. Link-local and metadata addresses are refused when the resolved address is known, so that no
 * name leads to them. At most 64 KiB of an answer are read.
 */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

#include "sinks/sink.h"

struct sockaddr;

#define HTTP_BODY_MAX (64u << 10)

struct http;
struct http *http_new(void);
void http_free(struct http *h); /* drops what is in flight */
/* Send q, which stays as it is until its answer. fresh: on a connection of its own. cookie comes back with the answer. */
void http_start(struct http *h, const struct request *q, bool fresh, void *cookie);
/* One answer that came, or false. *r's views live until the next call. */
bool http_next(struct http *h, void **cookie, struct reply *r);
void http_wait(struct http *h, nsec limit); /* until something can move, http_wake, or the limit */
void http_wake(struct http *h);             /* any thread */
bool http_address_ok(const struct sockaddr *a); /* not link-local, not a metadata service's */

#endif
