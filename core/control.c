/* control.c - the daemon's socket, STATE/weir.sock (0600): one request line, one answer, closed.
 *
 * Requests: "status text", "status json". A client that sends nothing within its turn is dropped: it never holds the loop.
 */
#include "core/live.h"

#include "core/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_MAX 256
#define CLIENT_MS 200 /* a client on this machine has its request ready when it connects */

static bool
address(const char *state, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int n = snprintf(a->sun_path, sizeof a->sun_path, "%s/weir.sock", state);
	return n > 0 && (size_t)n < sizeof a->sun_path;
}

int
control_open(const char *state, struct errinfo *why)
{
	struct sockaddr_un a;
	if (!address(state, &a)) {
		err_set(why, ERR_CONF, "%s/weir.sock: the path is too long for a socket; choose a shorter `state`", state);
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(a.sun_path); /* of a weir that was killed: the store's lock says that none is alive */
	if (fd == -1 || bind(fd, (struct sockaddr *)&a, sizeof a) == -1 || chmod(a.sun_path, 0600) == -1 || listen(fd, 16) == -1) {
		err_set(why, ERR_IO, "cannot open the control socket %s: %s", a.sun_path, strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	return fd;
}

void
control_close(const char *state, int fd)
{
	struct sockaddr_un a;
	if (fd == -1)
		return;
	close(fd);
	if (address(state, &a))
		(void)unlink(a.sun_path);
}

static void
answer(int fd, const struct buf *b)
{
	for (size_t at = 0; at < b->len;) {
		struct pollfd p = { fd, POLLOUT, 0 };
		ssize_t n = send(fd, b->data + at, b->len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			at += (size_t)n;
		else if (n == -1 && errno == EAGAIN && poll(&p, 1, CLIENT_MS) == 1)
			continue;
		else
			break;
	}
}

void
control_serve(struct live *l)
{
	int fd = accept4(l->control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1)
		return;
	char line[REQUEST_MAX] = "";
	struct pollfd p = { fd, POLLIN, 0 };
	struct buf out;
	buf_init(&out, 16 << 20);
	ssize_t n = poll(&p, 1, CLIENT_MS) == 1 ? recv(fd, line, sizeof line - 1, 0) : -1;
	if (n > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "status json") == 0 || strcmp(line, "status text") == 0)
			live_status(l, strcmp(line, "status json") == 0, &out);
		else
			buf_addz(&out, "error: this weir knows `status text` and `status json`\n");
		answer(fd, &out);
	}
	buf_free(&out);
	close(fd);
}

/* The client's side: the whole answer of the daemon at state. */
int
control_ask(const char *state, const char *request, struct buf *out, struct errinfo *why)
{
	struct sockaddr_un a;
	if (!address(state, &a))
		return (int)err_set(why, ERR_CONF, "%s: the path is too long for a socket", state);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&a, sizeof a) == -1) {
		err_set(why, ERR_IO, "no weir answers at %s (%s); is `weir run` running with this state folder, as this user?", a.sun_path,
			strerror(errno));
		if (fd != -1)
			close(fd);
		return ERR_IO;
	}
	char *line = xasprintf("%s\n", request);
	bool sent = send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line);
	free(line);
	for (ssize_t n = 1; sent && n > 0;) {
		char *room = buf_room(out, 65536);
		n = room ? recv(fd, room, 65536, 0) : 0;
		if (n > 0)
			out->len += (size_t)n;
	}
	close(fd);
	buf_z(out);
	return sent ? ERR_OK : (int)err_set(why, ERR_IO, "weir at %s did not take the request", a.sun_path);
}
