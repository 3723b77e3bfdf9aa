/* text_test.c - cleaning of anything, cuts on code points, and finding a member in bytes nobody vouches for. */
#include "sinks/text.h"

#include "core/json.h"
#include "core/tap.h"

#include <stdlib.h>

static void
cleaned(const char *in, size_t n, bool one_line, const char *want, const char *name)
{
	struct buf b;
	buf_init(&b, 1 << 16);
	text_clean(&b, (struct str){ in, n }, one_line);
	is(buf_str(&b), str_of(want), name);
	buf_free(&b);
}
#define clean(in, one, want, name) cleaned(in, sizeof(in) - 1, one, want, name)

static void
fitted(const char *in, size_t max, const char *want, const char *name)
{
	struct buf b;
	buf_init(&b, 1 << 16);
	text_fit(&b, str_of(in), max);
	is(buf_str(&b), str_of(want), name);
	buf_free(&b);
}

/* Whatever the bytes: the result is valid UTF-8 without control characters. */
static void
anything(void)
{
	bool good = true;
	uint32_t x = 12345;
	for (int round = 0; round < 2000; round++) {
		char in[40];
		size_t n = (size_t)round % sizeof in;
		for (size_t i = 0; i < n; i++) {
			static const char likely[] = "\x1b[]0;m\a\\\xc2\x9b\xe2\x80\xf0\x9f\x94\xa5\xed\xa0\n\t\0a";
			x = x * 1103515245 + 12345;
			in[i] = x >> 31 ? (char)(x >> 16) : likely[(x >> 16) % sizeof likely];
		}
		char *copy = xmemdup(in, n ? n : 1); /* exact size: a read past it is found */
		struct buf b;
		buf_init(&b, 1 << 12);
		text_clean(&b, (struct str){ copy, n }, true);
		good = good && utf8_valid(buf_str(&b)) == b.len;
		for (size_t i = 0; i < b.len; i++)
			good = good && (unsigned char)b.data[i] >= 0x20 && b.data[i] != 0x7f;
		buf_free(&b);
		free(copy);
	}
	ok(good, "any bytes become clean text");
}

static void
object(const char *in, size_t pairs, size_t max, size_t total, const char *want)
{
	struct buf b;
	buf_init(&b, 1 << 16);
	text_object(&b, str_of(in), pairs, max, total);
	is(buf_str(&b), str_of(want), in);
	buf_free(&b);
}

static void
members(void)
{
	is(reply_member(STR("{\"ok\":false, \"error\" : \"no_\\\"x\"}"), "error"), STR("no_\\\"x"), "a string member");
	is(reply_member(STR("{\"retry_after\":30}"), "retry_after"), STR("30"), "a number");
	is(reply_member(STR("{\"errors\":[\"a\",\"b\"]}"), "errors"), STR("a"), "the first of a list");
	static const char *const odd[] = { "", "\"error\"", "\"error\":", "\"error\": \"", "\"error\":\"abc\\", "{\"error", "\"error\":[[[" };
	for (size_t i = 0; i < COUNT_OF(odd); i++) {
		char *copy = xmemdup(odd[i], strlen(odd[i]) ? strlen(odd[i]) : 1);
		struct str s = reply_member((struct str){ copy, strlen(odd[i]) }, "error");
		ok(s.len <= 4, "an answer cut at %zu", strlen(odd[i]));
		free(copy);
	}
}

int
main(void)
{
	clean("a\x1b[1;31mred\x1b[0m b", false, "ared b", "colours go");
	clean("a\x1b]0;title\x07" "b\x1b]8;;http://x\x1b\\link", false, "ablink", "titles and links go");
	clean("a\x1b[12", false, "a", "a cut sequence goes");
	clean("a\x1b", false, "a", "an escape at the end goes");
	clean("a\0b\rc\x7f" "d\x08", false, "abcd", "control characters go");
	clean("a\tb\nc", false, "a\tb\nc", "tab and newline stay");
	clean("a\tb\nc", true, "a b c", "or become spaces");
	clean("\xc2\x9b" "31m\xc2\xa0", false, "31m\xc2\xa0", "C1 controls go, their neighbour stays");
	clean("\xff\xc3\xa9\xc3", false, "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd", "invalid bytes are shown as such");
	clean("\xed\xa0\x80", false, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "a surrogate is invalid");
	clean("\xf0\x9f\x94\xa5\x80", false, "\xf0\x9f\x94\xa5\xef\xbf\xbd", "four bytes, then a stray one");
	anything();
	fitted("abcde", 5, "abcde", "what fits stays whole");
	fitted("abcdef", 5, "abcd\xe2\x80\xa6", "one past it is cut, the ellipsis inside");
	fitted("\xc3\xa9\xc3\xa9\xc3\xa9", 2, "\xc3\xa9\xe2\x80\xa6", "by code points");
	fitted("ab", 1, "\xe2\x80\xa6", "room for one");
	fitted("ab", 0, "", "room for none");
	object("{\"a\":1,\"b\":\"xyz\",\"c\":[1,2]}", 9, 9, 99, "{\"a\":1,\"b\":\"xyz\",\"c\":[1,2]}");
	object("{\"a\":1,\"b\":\"xyz\",\"c\":[1,2]}", 2, 9, 99, "{\"a\":1,\"b\":\"xyz\"}");
	object("{\"a\":1,\"b\":\"xyz\",\"c\":[1,2]}", 9, 2, 99, "{\"a\":1,\"b\":\"x\xe2\x80\xa6\",\"c\":\"[\xe2\x80\xa6\"}");
	object("{\"a\":1,\"b\":\"xyz\"}", 9, 9, 17, "{\"a\":1,\"b\":\"xyz\"}");
	object("{\"a\":1,\"b\":\"xyz\"}", 9, 9, 16, "{\"a\":1}");
	object("{\"a\":\"x\\u0000y\",\"b\":{\"c\":\"\\u0000\"}}", 9, 99, 99, "{\"a\":\"xy\",\"b\":\"{\\\"c\\\":\\\"\\\\u0000\\\"}\"}");
	object("{}", 9, 9, 9, "{}");
	members();
	ok(text_is_link("https://x/y?a=b") && !text_is_link("javascript:x") && !text_is_link("https://x/ y") && !text_is_link("https://") &&
			!text_is_link("https://x/<b>") && !text_is_link(NULL),
		"links are http and plain");
	return tap_done();
}
