/* value_test.c - URLs, paths, durations and numbers as keys take them. */
#include "config/bind.h"
#include "core/tap.h"

#include <stdlib.h>

static void
test_urls(void)
{
	static const struct {
		const char *url;
		bool good, remote;
	} t[] = {
		{ "https://example.org", true, false },
		{ "HTTPS://example.org/a?b#c", true, false },
		{ "http://example.org:80/x", true, true },
		{ "http://localhost:9105/", true, false },
		{ "http://LOCALHOST", true, false },
		{ "http://127.0.0.1", true, false },
		{ "http://127.255.0.9:1/x", true, false },
		{ "http://[::1]:9000/", true, false },
		{ "http://[::2]/", true, true },
		{ "http://127.0.0.1.example.org/", true, true },
		{ "http://127.0.0.1@example.org/", true, true },
		{ "http://example.org@127.0.0.1/", true, false },
		{ "http://localhost.example.org/", true, true },
		{ "http://example.org/@localhost", true, true },
		{ "http://example.org?@localhost", true, true },
		{ "http://user:pass@example.org:8080/", true, true },
		{ "https://", false, false },
		{ "http:///path", false, false },
		{ "http://:80/", false, false },
		{ "http://[::1", false, false },
		{ "http://[::1]x/", false, false },
		{ "http://h:0/", false, true },
		{ "http://h:65536/", false, true },
		{ "http://h:-1/", false, true },
		{ "http://h:/", false, true },
		{ "http://h:8x/", false, true },
		{ "http://h/a b", false, true },
		{ "http://h/\n", false, true },
		{ "ftp://example.org/", false, false },
		{ "example.org", false, false },
		{ "", false, false },
	};
	for (size_t i = 0; i < COUNT_OF(t); i++)
		ok((url_fault(t[i].url) == NULL) == t[i].good && url_plain_remote(t[i].url) == t[i].remote, "%.*s",
			(int)strcspn(t[i].url, "\n"), t[i].url);
}

static void
test_paths(void)
{
	static const char *const t[][3] = { { "/etc/weir", "a", "/etc/weir/a" }, { "/", "a", "/a" }, { ".", "a", "a" },
		{ "conf", "../a", "conf/../a" }, { "conf", "/a", "/a" } };
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		char *p = path_join(t[i][0], t[i][1]);
		isz(p, t[i][2], t[i][2]);
		free(p);
	}
}

struct all {
	char *s, *url;
	bool b;
	int64_t i, size;
	nsec dur;
	int choice;
	struct strlist list;
	struct strmap map;
};
static const char *const choices[] = { "red", "green", NULL };
#define AT(member) offsetof(struct all, member)
static const struct field rows[] = {
	{ .name = "s", .type = F_STR, .off = AT(s), .def = "text" },
	{ .name = "url", .type = F_URL, .off = AT(url), .def = "https://example.org/" },
	{ .name = "b", .type = F_BOOL, .off = AT(b), .def = "true" },
	{ .name = "i", .type = F_INT, .off = AT(i), .min = -5, .max = 5, .def = "3" },
	{ .name = "size", .type = F_SIZE, .off = AT(size), .min = 1, .max = 1 << 20, .def = "4KiB" },
	{ .name = "dur", .type = F_DUR, .off = AT(dur), .min = NS_PER_S, .max = 60 * NS_PER_S, .def = "2s" },
	{ .name = "choice", .type = F_ENUM, .off = AT(choice), .names = choices, .def = "green" },
	{ .name = "list", .type = F_STRLIST, .off = AT(list), .def = "a, b" },
	{ .name = "map", .type = F_STRMAP, .off = AT(map) },
	{ .name = NULL },
};

static bool
bound(const char *yaml, struct all *a, struct diags *d)
{
	struct bind b = { ".", d };
	struct rowset set = { rows, a };
	struct keys keys = { NULL, NULL, "" };
	diags_init(d);
	*a = (struct all){ 0 };
	struct doc *doc = doc_parse("f", str_of(yaml), d);
	must(doc && doc->root);
	bool good = bind_map(&b, doc->root, &set, 1, &keys);
	doc_free(doc);
	return good;
}

static void
test_rows(void)
{
	struct all a;
	struct diags d;
	ok(bound("{}", &a, &d) && strcmp(a.s, "text") == 0 && strcmp(a.url, "https://example.org/") == 0 && a.b && a.i == 3 &&
			a.size == 4096 && a.dur == 2 * NS_PER_S && a.choice == 1 && a.list.n == 2 && a.map.n == 0,
		"defaults of every type");
	isz(a.list.v[1], "b", "a list's default is cut at commas");
	fields_free(rows, &a);
	ok(a.s == NULL && a.list.v == NULL, "freed");
	ok(bound("{s: '', b: false, i: -5, size: 1MiB, dur: 1m, choice: red, list: x, map: {k: v, l: ''}}", &a, &d),
		"values of every type");
	ok(*a.s == '\0' && !a.b && a.i == -5 && a.size == 1 << 20 && a.dur == 60 * NS_PER_S && a.choice == 0 && a.list.n == 1 &&
			a.map.n == 2 && strcmp(a.map.v[0], "v") == 0,
		"are there");
	fields_free(rows, &a);
	ok(!bound("{i: 6, size: 2MiB, dur: 61s}", &a, &d), "past the bounds");
	isz(buf_z(&d.text), "f:1:5: i must be at most 5\nf:1:14: size must be at most 1048576\nf:1:25: dur must be at most 1m\n",
		"told");
	ok(a.i == 3 && a.size == 4096 && a.dur == 2 * NS_PER_S, "and the defaults stay");
	fields_free(rows, &a);
	diags_free(&d);
	ok(!bound("{i: -6, size: 0, dur: 999ms}", &a, &d), "under the bounds");
	isz(buf_z(&d.text), "f:1:5: i must be at least -5\nf:1:15: size must be at least 1\nf:1:23: dur must be at least 1s\n", "told");
	fields_free(rows, &a);
	diags_free(&d);
	ok(!bound("{i: 99999999999999999999, size: -1, dur: -1s, b: 1, i: 1}", &a, &d) && d.n == 5, "no numbers, a key twice");
	fields_free(rows, &a);
	diags_free(&d);
}

int
main(void)
{
	test_urls();
	test_paths();
	test_rows();
	return tap_done();
}
