/* value.c - one node to one checked value.
 *
 * In: nodes whose ${} are replaced. Out: values owned by the caller. A node that is marked bad was told already.
 */
#include "config/value.h"

#include "core/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

bool
node_text(const struct bind *b, const char *name, const struct node *v)
{
	if (v->bad)
		return false;
	if (v->kind == NODE_SCALAR && !node_null(v))
		return true;
	if (v->kind == NODE_SCALAR)
		diag(b->d, v->loc, "%s has no value", name);
	else
		diag(b->d, v->loc, "%s must be a text, this is %s; put a text that starts with %s in quotes", name,
			node_what(v), v->kind == NODE_MAP ? "{" : "[");
	return false;
}

bool
node_dur(const struct bind *b, const char *name, const struct node *v, nsec min, nsec max, nsec *out)
{
	char q[96], t[32];
	nsec n = 0;

	if (!node_text(b, name, v))
		return false;
	size_t digits = strspn(v->s, "0123456789.");
	bool bare = digits > 0 && v->s[digits] == '\0';
	if (strcmp(v->s, "0") == 0 && min <= 0) {
		*out = 0;
		return true;
	}
	if (bare && strcmp(v->s, "0") != 0)
		diag(b->d, v->loc, "%s: %s has no unit; write %ss, %sm, %sh or %sd", name, node_quote(v, q),
			v->env ? "30" : v->s, v->env ? "30" : v->s, v->env ? "30" : v->s, v->env ? "30" : v->s);
	else if (!bare && !dur_parse(str_of(v->s), &n))
		diag(b->d, v->loc, "%s: %s is no duration such as 250ms, 30s, 5m, 1h30m or 7d", name, node_quote(v, q));
	else if (n < min && min <= 1)
		diag(b->d, v->loc, "%s must be more than 0", name);
	else if (n < min) {
		dur_text(min, t);
		diag(b->d, v->loc, "%s must be at least %s", name, t);
	} else if (n > max) {
		dur_text(max, t);
		diag(b->d, v->loc, "%s must be at most %s", name, t);
	} else {
		*out = n;
		return true;
	}
	return false;
}

static bool
in_range(const struct bind *b, const char *name, const struct node *v, int64_t n, int64_t min, int64_t max)
{
	if (n < min)
		diag(b->d, v->loc, "%s must be at least %lld", name, (long long)min);
	else if (n > max)
		diag(b->d, v->loc, "%s must be at most %lld", name, (long long)max);
	return n >= min && n <= max;
}

bool
node_size(const struct bind *b, const char *name, const struct node *v, int64_t min, int64_t max, int64_t *out)
{
	char q[96];
	int64_t n;
	if (!node_text(b, name, v))
		return false;
	if (!size_parse(str_of(v->s), &n)) {
		diag(b->d, v->loc, "%s: %s is no size such as 4096, 64KiB, 10MB or 1GiB", name, node_quote(v, q));
		return false;
	}
	if (!in_range(b, name, v, n, min, max))
		return false;
	*out = n;
	return true;
}

bool
node_int(const struct bind *b, const char *name, const struct node *v, int64_t min, int64_t max, int64_t *out)
{
	char q[96], *end;
	if (!node_text(b, name, v))
		return false;
	errno = 0;
	long long n = strtoll(v->s, &end, 10);
	bool digits = v->s[0] == '-' ? v->s[1] >= '0' && v->s[1] <= '9' : v->s[0] >= '0' && v->s[0] <= '9';
	if (!digits || *end || errno) {
		diag(b->d, v->loc, "%s: %s is no whole number", name, node_quote(v, q));
		return false;
	}
	if (!in_range(b, name, v, n, min, max))
		return false;
	*out = n;
	return true;
}

bool
node_bool(const struct bind *b, const char *name, const struct node *v, bool *out)
{
	char q[96];
	if (!node_text(b, name, v))
		return false;
	if (strcmp(v->s, "true") != 0 && strcmp(v->s, "false") != 0) {
		diag(b->d, v->loc, "%s: %s is neither true nor false", name, node_quote(v, q));
		return false;
	}
	*out = v->s[0] == 't';
	return true;
}

bool
node_enum(const struct bind *b, const char *name, const struct node *v, const char *const *names, size_t n, int *out)
{
	char q[96];
	struct buf list;
	if (!node_text(b, name, v))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(v->s, names[i]) == 0) {
			*out = (int)i;
			return true;
		}
	const char *near = nearest(str_of(v->s), names, n);
	if (near && !v->env)
		diag(b->d, v->loc, "%s: %s is unknown; did you mean \"%s\"?", name, node_quote(v, q), near);
	else {
		buf_init(&list, 400);
		for (size_t i = 0; i < n; i++)
			buf_printf(&list, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", names[i]);
		diag(b->d, v->loc, "%s: %s is unknown; it must be %s", name, node_quote(v, q), buf_z(&list));
		buf_free(&list);
	}
	return false;
}

bool
node_strlist(const struct bind *b, const char *name, const struct node *v, struct strlist *out)
{
	struct strlist l = { 0 };
	bool good = true;

	if (v->kind != NODE_LIST) {
		if (v->kind == NODE_MAP || !node_text(b, name, v)) {
			if (v->kind == NODE_MAP)
				diag(b->d, v->loc, "%s must be a list, this is a mapping", name);
			return false;
		}
		l.v = xcalloc(1, sizeof *l.v);
		l.v[l.n++] = xstrdup(v->s);
	} else if (v->n > LIST_MAX) {
		diag(b->d, v->loc, "%s: more than %d entries", name, LIST_MAX);
		return false;
	} else {
		l.v = xcalloc(v->n + 1, sizeof *l.v);
		for (size_t i = 0; i < v->n; i++)
			if (node_text(b, name, v->item[i]))
				l.v[l.n++] = xstrdup(v->item[i]->s);
			else
				good = false;
	}
	if (!good) {
		strlist_free(&l);
		return false;
	}
	strlist_free(out);
	*out = l;
	return true;
}

bool
node_strmap(const struct bind *b, const char *name, const struct node *v, struct strmap *out)
{
	struct strmap m = { 0 };
	bool good = true;

	if (v->kind != NODE_MAP || v->n > LIST_MAX) {
		if (v->kind == NODE_MAP)
			diag(b->d, v->loc, "%s: more than %d entries", name, LIST_MAX);
		else if (!v->bad)
			diag(b->d, v->loc, "%s must be a mapping, this is %s", name, node_what(v));
		return false;
	}
	m.k = xcalloc(v->n + 1, sizeof *m.k);
	m.v = xcalloc(v->n + 1, sizeof *m.v);
	for (size_t i = 0; i < v->n; i++) {
		if (!node_text(b, v->key[i]->s, v->item[i])) {
			good = false;
			continue;
		}
		m.k[m.n] = xstrdup(v->key[i]->s);
		m.v[m.n++] = xstrdup(v->item[i]->s);
	}
	if (!good) {
		strmap_free(&m);
		return false;
	}
	strmap_free(out);
	*out = m;
	return true;
}

void
strlist_free(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strlist){ 0 };
}

void
strmap_free(struct strmap *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->k[i]);
		if (m->v[i])
			explicit_bzero(m->v[i], strlen(m->v[i])); /* a header's value may be a token */
		free(m->v[i]);
	}
	free(m->k);
	free(m->v);
	*m = (struct strmap){ 0 };
}

/* The bytes of a secret's file, NUL-terminated; NULL: told. */
static char *
secret_read(const struct bind *b, const char *name, struct loc at, const char *path)
{
	char *text = xcalloc(1, SECRET_BYTES_MAX + 2);
	size_t len = 0;
	ssize_t got = 1;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool good = fd != -1 && fstat(fd, &st) == 0;

	if (!good)
		diag(b->d, at, "%s: cannot read %s: %s", name, path, strerror(errno));
	else if (!S_ISREG(st.st_mode)) {
		diag(b->d, at, "%s: %s is not a regular file", name, path);
		good = false;
	} else if (st.st_mode & 077)
		diag_warn(b->d, at, "%s: %s may be read by others (mode %04o): chmod 600 it", name, path,
			(unsigned)st.st_mode & 07777);
	while (good && got > 0 && len <= SECRET_BYTES_MAX) {
		got = read(fd, text + len, SECRET_BYTES_MAX + 1 - len);
		if (got > 0)
			len += (size_t)got;
		else if (got == -1 && errno == EINTR)
			got = 1;
	}
	if (good && (got == -1 || len > SECRET_BYTES_MAX || memchr(text, '\0', len))) {
		diag(b->d, at, "%s: cannot read %s: %s", name, path,
			got == -1 ? strerror(errno) : len > SECRET_BYTES_MAX ? "too long for a secret" : "it holds a NUL byte");
		good = false;
	}
	if (fd != -1)
		close(fd);
	if (good && len && text[len - 1] == '\n')
		text[--len] = '\0';
	if (good && len && text[len - 1] == '\r')
		text[--len] = '\0';
	if (good && len == 0) {
		diag(b->d, at, "%s: %s is empty", name, path);
		good = false;
	}
	char *out = good ? xstrndup(text, len) : NULL;
	explicit_bzero(text, SECRET_BYTES_MAX + 2);
	free(text);
	return out;
}

char *
node_secret(const struct bind *b, const char *name, const struct node *v)
{
	struct node *file = node_get(v, "file");

	if (v->bad)
		return NULL;
	if (v->kind == NODE_MAP && v->n == 1 && file) {
		if (!node_text(b, "file", file))
			return NULL;
		char *path = path_join(b->dir, file->s), *out = secret_read(b, name, file->loc, path);
		free(path);
		return out;
	}
	if (v->kind != NODE_SCALAR) {
		diag(b->d, v->loc, "%s must be a text, \"${NAME}\" or {file: PATH}", name);
		return NULL;
	}
	if (!node_text(b, name, v))
		return NULL;
	if (v->s[0] == '\0') {
		diag(b->d, v->loc, "%s is empty", name);
		return NULL;
	}
	return xstrdup(v->s);
}

struct url { /* views into the text */
	bool plain; /* http, not https */
	struct str host; /* without brackets */
	bool six;   /* it stood in brackets */
	struct str port;
};

static bool
url_split(const char *url, struct url *u)
{
	*u = (struct url){ 0 };
	if (strncasecmp(url, "http://", 7) == 0)
		u->plain = true;
	else if (strncasecmp(url, "https://", 8) != 0)
		return false;
	const char *p = url + (u->plain ? 7 : 8), *end = p + strcspn(p, "/?#"), *at = end;
	while (at > p && at[-1] != '@')
		at--;
	if (*at == '[') {
		const char *close = memchr(at, ']', (size_t)(end - at));
		if (close == NULL)
			return false;
		u->six = true;
		u->host = (struct str){ at + 1, (size_t)(close - at - 1) };
		at = close + 1;
	} else {
		const char *colon = memchr(at, ':', (size_t)(end - at));
		u->host = (struct str){ at, (size_t)((colon ? colon : end) - at) };
		at = colon ? colon : end;
	}
	if (at < end && *at != ':')
		return false;
	if (at < end)
		u->port = (struct str){ at + 1, (size_t)(end - at - 1) };
	return u->host.len > 0;
}

const char *
url_fault(const char *url)
{
	struct url u;
	char port[8] = "", *end = port;

	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			return "a URL holds no spaces or control characters";
	if (!url_split(url, &u))
		return "must be a URL that starts with http:// or https:// and names a host";
	if (u.port.ptr) {
		snprintf(port, sizeof port, "%.*s", STR_ARG(u.port));
		long n = strtol(port, &end, 10);
		if (u.port.len == 0 || u.port.len > 5 || *end || port[0] == '-' || port[0] == '+' || n < 1 || n > 65535)
			return "the URL's port must be 1 to 65535";
	}
	return NULL;
}

bool
url_plain_remote(const char *url)
{
	struct url u;
	char host[64];
	unsigned char addr[16];

	if (!url_split(url, &u) || !u.plain)
		return false;
	if (u.host.len >= sizeof host)
		return true;
	memcpy(host, u.host.ptr, u.host.len);
	host[u.host.len] = '\0';
	if (u.six)
		return inet_pton(AF_INET6, host, addr) != 1 || memcmp(addr, &in6addr_loopback, sizeof addr) != 0;
	if (strcasecmp(host, "localhost") == 0)
		return false;
	return inet_pton(AF_INET, host, addr) != 1 || addr[0] != 127;
}

char *
path_join(const char *dir, const char *path)
{
	if (path[0] == '/' || dir == NULL || strcmp(dir, ".") == 0)
		return xstrdup(path);
	return xasprintf("%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", path);
}
