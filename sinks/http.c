/* http.c - one multi handle, a pool of easy handles, every option that keeps a request where its URL says.
 *
 * Owns: the handles and the bytes of answers. Never: logs (curl's own messages hold URLs), follows, retries.
 */
#include "sinks/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { POOL_MAX = 16, CONNECT_MS = 5000, WHOLE_MS = 20000, SLOW_BYTES = 10, SLOW_S = 15, LIMITS_MAX = 4096 };

struct transfer {
	struct transfer *next;
	CURL *easy;
	struct curl_slist *headers;
	struct buf body, limits;
	size_t length;
	void *cookie;
	bool refused; /* an address that must not be connected to came up */
};

struct http {
	CURLM *multi;
	struct transfer *running, *idle, *last; /* last: its answer is with the caller */
	size_t nidle;
};

static void
global(void)
{
	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct http *
http_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, global);
	struct http *h = xcalloc(1, sizeof *h);
	h->multi = curl_multi_init();
	must(h->multi != NULL);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 32L);
	return h;
}

static void
transfer_free(struct transfer *t)
{
	if (t == NULL)
		return;
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	buf_free(&t->body);
	buf_free(&t->limits);
	free(t);
}

static void
list_free(struct transfer *t)
{
	while (t) {
		struct transfer *next = t->next;
		transfer_free(t);
		t = next;
	}
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	for (struct transfer *t = h->running; t; t = t->next)
		curl_multi_remove_handle(h->multi, t->easy);
	list_free(h->running);
	list_free(h->idle);
	transfer_free(h->last);
	curl_multi_cleanup(h->multi);
	free(h);
}

static bool
v4_ok(uint32_t a)
{
	return a >> 16 != 0xa9fe /* 169.254/16 */ && a != 0x646464c8 /* 100.100.100.200 */;
}

bool
http_address_ok(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof in);
		return v4_ok(ntohl(in.sin_addr.s_addr));
	}
	if (sa->sa_family != AF_INET6)
		return true;
	struct sockaddr_in6 in6;
	memcpy(&in6, sa, sizeof in6);
	const unsigned char *b = in6.sin6_addr.s6_addr;
	static const unsigned char nat64[12] = { 0x00, 0x64, 0xff, 0x9b }, aws[16] = { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54 };
	static const unsigned char zero[12] = { 0 };
	uint32_t low = (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15];
	if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) || memcmp(b, aws, 16) == 0)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) || memcmp(b, nat64, 12) == 0 || memcmp(b, zero, 12) == 0)
		return v4_ok(low);
	if (b[0] == 0x20 && b[1] == 0x02) /* 6to4 */
		return v4_ok((uint32_t)b[2] << 24 | (uint32_t)b[3] << 16 | (uint32_t)b[4] << 8 | b[5]);
	return true;
}

/* Here the name is resolved: what a URL's text hides (odd spellings, rebinding) is plain now. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = arg;
	(void)purpose;
	if (!http_address_ok(&a->addr)) {
		t->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Past the cap the transfer is cut: the status is known by then, and the rest says nothing weir needs. */
static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t got = size * n, room = t->body.max - t->body.len;
	buf_add(&t->body, p, got < room ? got : room);
	return got <= room ? got : 0;
}

static void
set_options(struct transfer *t, const struct request *q, bool fresh)
{
	CURL *e = t->easy;
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_URL, q->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)WHOLE_MS);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, 60L);
	curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, 3600L);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_FORBID_REUSE, fresh ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body.data ? q->body.data : "");
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_USERAGENT, WEIR_AGENT);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
}

void
http_start(struct http *h, const struct request *q, bool fresh, void *cookie)
{
	struct transfer *t = h->idle;
	if (t) {
		h->idle = t->next;
		h->nidle--;
	} else {
		t = xcalloc(1, sizeof *t);
		buf_init(&t->body, HTTP_BODY_MAX);
		buf_init(&t->limits, LIMITS_MAX);
		t->easy = curl_easy_init();
		must(t->easy != NULL);
	}
	t->cookie = cookie;
	t->length = q->body.len;
	for (size_t i = 0; i < q->nheader; i++)
		t->headers = curl_slist_append(t->headers, q->header[i]);
	t->headers = curl_slist_append(t->headers, "Expect:"); /* no waiting for 100-continue */
	set_options(t, q, fresh);
	t->next = h->running;
	h->running = t;
	must(curl_multi_add_handle(h->multi, t->easy) == CURLM_OK);
}

/* Back to the pool, without what the last request left in it. */
static void
recycle(struct http *h)
{
	struct transfer *t = h->last;
	h->last = NULL;
	if (t == NULL)
		return;
	if (h->nidle >= POOL_MAX) {
		transfer_free(t);
		return;
	}
	curl_easy_reset(t->easy);
	curl_slist_free_all(t->headers);
	t->headers = NULL;
	t->refused = false;
	buf_clear(&t->body);
	buf_clear(&t->limits);
	t->next = h->idle;
	h->idle = t;
	h->nidle++;
}

static void
fill_reply(struct transfer *t, CURLcode code, struct reply *r)
{
	long status = 0;
	curl_off_t after = 0, up = 0;
	struct curl_header *header;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
	curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	for (size_t i = 0; curl_easy_header(t->easy, "X-Sentry-Rate-Limits", i, CURLH_HEADER, -1, &header) == CURLHE_OK; i++)
		buf_printf(&t->limits, "%s%s", i ? "," : "", header->value);
	*r = (struct reply){
		.status = status >= 200 ? (int)status : 0, /* told in full, whatever became of the body behind it */
		.curl = (int)code,
		.trouble = curl_easy_strerror(code),
		.sent = t->length > 0 && up >= (curl_off_t)t->length,
		.body = buf_str(&t->body),
		.retry_after = after > 0 ? (after < 86400 ? after : 86400) * NS_PER_S : NS_NONE,
		.rate_limits = buf_str(&t->limits),
	};
	r->local = t->refused && r->status == 0;
}

bool
http_next(struct http *h, void **cookie, struct reply *r)
{
	int running, left;
	recycle(h);
	curl_multi_perform(h->multi, &running);
	for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left)) != NULL;) {
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		struct transfer *t = NULL;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		struct transfer **at = &h->running;
		while (*at != t)
			at = &(*at)->next;
		*at = t->next;
		curl_multi_remove_handle(h->multi, t->easy);
		fill_reply(t, code, r);
		*cookie = t->cookie;
		h->last = t;
		return true;
	}
	return false;
}

void
http_wait(struct http *h, nsec limit)
{
	nsec ms = (limit + NS_PER_MS - 1) / NS_PER_MS;
	curl_multi_poll(h->multi, NULL, 0, ms < 0 ? 0 : ms > 1000 ? 1000 : (int)ms, NULL);
}

void
http_wake(struct http *h)
{
	curl_multi_wakeup(h->multi);
}
