/* scrub.c - an answer may echo what was sent: a sink's own secrets never come back out of it.
 *
 * In: the text of an answer. Secrets are found through the sink's field rows, so a new sink needs nothing here.
 * Cost: O(text * secrets).
 */
#include "sinks/lane.h"

#include <stdlib.h>

enum { LEAST = 6 }; /* a shorter value would blank ordinary words */

static void
blank(char *text, size_t size, struct str secret)
{
	static const char mark[] = "[Filtered]";
	if (secret.len < LEAST)
		return;
	char *at = text;
	for (;;) {
		size_t n = strlen(at);
		at = memmem(at, n, secret.ptr, secret.len);
		if (at == NULL)
			return;
		size_t tail = strlen(at + secret.len), room = size - 1 - (size_t)(at - text);
		size_t m = sizeof mark - 1 < room ? sizeof mark - 1 : room;
		if (tail > room - m)
			tail = room - m;
		memmove(at + m, at + secret.len, tail);
		memcpy(at, mark, m);
		at[m + tail] = '\0';
		at += m;
	}
}

/* A value and, where it is a URL, its userinfo, path and query, which hold the secret by themselves. */
static void
blank_value(char *text, size_t size, const char *value)
{
	if (value == NULL)
		return;
	blank(text, size, str_of(value));
	const char *rest = strstr(value, "://");
	if (rest == NULL)
		return;
	rest += 3;
	size_t host = strcspn(rest, "/?#");
	const char *at = memrchr(rest, '@', host);
	if (at) {
		struct str info = { rest, (size_t)(at - rest) };
		const char *colon = memchr(info.ptr, ':', info.len);
		blank(text, size, info);
		blank(text, size, (struct str){ info.ptr, colon ? (size_t)(colon - info.ptr) : info.len });
	}
	blank(text, size, str_of(rest + host));
}

void
scrub(const struct sink_conf *s, char *text, size_t size)
{
	for (const struct field *f = s->kind->fields; f->name; f++) {
		const char *at = (const char *)s->conf + f->off;
		if (f->type == F_SECRET || f->type == F_URL) {
			char *value;
			memcpy(&value, at, sizeof value);
			blank_value(text, size, value);
		} else if (f->type == F_STRMAP) {
			struct strmap map;
			memcpy(&map, at, sizeof map);
			for (size_t i = 0; i < map.n; i++)
				blank_value(text, size, map.v[i]);
		}
	}
}
