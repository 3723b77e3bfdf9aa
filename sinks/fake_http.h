/* fake_http.h - an HTTP server for tests: one thread, any free port of the loopback, answers by script.
 *
 * Each request takes the next answer of the script; past its end: 200. A gate holds answers back until the test has looked.
 */
#ifndef WEIR_FAKE_HTTP_H
#define WEIR_FAKE_HTTP_H

#include "core/buf.h"
#include "core/tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SAY_STATUS, SAY_NOTHING /* hang up after the request */, SAY_HUGE /* 200 and a megabyte */ };

struct say {
	int how, status;
	const char *headers, *body;
};

#define SEEN_MAX 256
struct fake {
	int fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct say *script;
	size_t nscript, next;
	struct seen {
		char *head; /* request line and headers */
		struct buf body;
	} seen[SEEN_MAX];
	size_t nseen;
	bool gated; /* no answer until it is false */
};

static inline const char *
seen_header(const struct fake *f, size_t i, const char *name)
{
	static _Thread_local char value[1024];
	size_t n = strlen(name);
	for (const char *p = f->seen[i].head; p && *p; p = strstr(p, "\r\n") ? strstr(p, "\r\n") + 2 : NULL)
		if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
			size_t len = strcspn(p + n + 2, "\r\n");
			snprintf(value, sizeof value, "%.*s", (int)len, p + n + 2);
			return value;
		}
	return "";
}

/* Reads one request; false when the peer went away. */
static inline bool
fake_read(int c, struct seen *s)
{
	struct buf b;
	buf_init(&b, 16u << 20);
	size_t want = 0;
	char *end = NULL;
	while (end == NULL || b.len < want) {
		char *to = buf_room(&b, 65536);
		ssize_t n = to ? read(c, to, 65536) : -1;
		if (n <= 0) {
			buf_free(&b);
			return false;
		}
		b.len += (size_t)n;
		b.data[b.len] = '\0';
		if (end == NULL && (end = strstr(b.data, "\r\n\r\n")) != NULL) {
			const char *length = strcasestr(b.data, "content-length:");
			want = (size_t)(end - b.data) + 4 + (length ? strtoul(length + 15, NULL, 10) : 0);
		}
		end = b.data ? strstr(b.data, "\r\n\r\n") : NULL;
	}
	size_t head = (size_t)(end - b.data) + 4;
	s->head = xstrndup(b.data, head);
	buf_init(&s->body, 16u << 20);
	buf_add(&s->body, b.data + head, b.len - head);
	buf_free(&b);
	return true;
}

static inline void
fake_say(int c, const struct say *y)
{
	struct buf b;
	buf_init(&b, 4u << 20);
	const char *body = y->body ? y->body : "";
	if (y->how == SAY_HUGE) {
		buf_addz(&b, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
		for (int i = 0; i < 1 << 14; i++)
			buf_addz(&b, "0123456789012345678901234567890123456789012345678901234567890123");
	} else if (y->how == SAY_STATUS) {
		buf_printf(&b, "HTTP/1.1 %d Said\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", y->status, y->headers ? y->headers : "",
			strlen(body), body);
	}
	for (size_t at = 0; at < b.len;) {
		ssize_t n = send(c, b.data + at, b.len - at, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	buf_free(&b);
}

static inline void *
fake_run(void *arg)
{
	struct fake *f = arg;
	for (int c; (c = accept(f->fd, NULL, NULL)) != -1; close(c)) {
		struct seen s;
		static const struct say fine = { SAY_STATUS, 200, NULL, "ok" };
		if (!fake_read(c, &s))
			continue;
		pthread_mutex_lock(&f->lock);
		const struct say *y = f->next < f->nscript ? &f->script[f->next++] : &fine;
		must(f->nseen < SEEN_MAX);
		f->seen[f->nseen++] = s;
		pthread_cond_broadcast(&f->changed);
		while (f->gated)
			pthread_cond_wait(&f->changed, &f->lock);
		pthread_mutex_unlock(&f->lock);
		fake_say(c, y);
	}
	return NULL;
}

static inline void
fake_start(struct fake *f, const struct say *script, size_t n, bool gated)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	*f = (struct fake){ .script = script, .nscript = n, .gated = gated };
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(f->fd != -1 && bind(f->fd, (struct sockaddr *)&a, len) == 0 && listen(f->fd, 64) == 0);
	must(getsockname(f->fd, (struct sockaddr *)&a, &len) == 0);
	f->port = ntohs(a.sin_port);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	must(pthread_create(&f->thread, NULL, fake_run, f) == 0);
}

/* Wait until n requests were seen, at most 30 s. */
static inline bool
fake_saw(struct fake *f, size_t n)
{
	struct timespec by;
	clock_gettime(CLOCK_REALTIME, &by);
	by.tv_sec += 30;
	int rc = 0;
	pthread_mutex_lock(&f->lock);
	while (f->nseen < n && rc == 0)
		rc = pthread_cond_timedwait(&f->changed, &f->lock, &by);
	bool saw = f->nseen >= n;
	pthread_mutex_unlock(&f->lock);
	return saw;
}

static inline void
fake_open(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	f->gated = false;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static inline void
fake_stop(struct fake *f)
{
	fake_open(f);
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->fd);
	for (size_t i = 0; i < f->nseen; i++) {
		free(f->seen[i].head);
		buf_free(&f->seen[i].body);
	}
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
}

#endif
