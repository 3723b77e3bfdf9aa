/* regex_test.c - bounded searches: what matches, what is refused, what the limit stops (told by counts, not by the
 * clock), and that JIT and interpreter never differ in what matches.
 */
#include "core/regex.h"

#include "core/tap.h"

#include <stdlib.h>

static struct regex *
compile(const char *pattern)
{
	struct errinfo e = { 0 };
	size_t at;
	struct regex *r = regex_compile(str_of(pattern), 10000, 8192, &at, &e);
	if (r == NULL)
		printf("# %s: at %zu: %s\n", pattern, at, e.text);
	return r;
}

static const char *
answer(enum regex_answer a)
{
	return a == REGEX_YES ? "yes" : a == REGEX_NO ? "no" : "limit";
}

static const struct {
	const char *pattern, *subject, *want;
} rows[] = {
	{ "abc", "xabcx", "yes" }, { "abc", "xabx", "no" }, { "", "", "yes" }, { "^abc$", "abc", "yes" }, { "^abc$", "abc\n", "yes" }, { "^abc$", "xabc", "no" },
	{ "a.c", "a\303\251c", "yes" }, { "^.$", "\303\251", "yes" }, { "\\w", "\303\251", "no" }, { "\\d", "\331\243", "no" }, { "(?i)ABC", "xaBc", "yes" },
	{ "[[:alpha:]]+\\d", "ab1", "yes" }, { "[]x]y", "]y", "yes" }, { "\\Qa.b\\E", "xa.b", "yes" }, { "\\Qa(*b\\E", "a(*b", "yes" }, { "a\\.b", "a.b", "yes" },
	{ "a\\.b", "axb", "no" }, { "foo|bar", "a bar", "yes" }, { "foo(bar)?baz", "foobaz", "yes" }, { "foo(?:bar)+baz", "foobarbarbaz", "yes" },
	{ "x{2,3}y", "axxy", "yes" }, { "x{2,3}y", "axy", "no" }, { "a+b", "aab", "yes" }, { "ab*c", "ac", "yes" }, { "ab?c", "ac", "yes" }, { "ab{0}c", "ac", "yes" },
	{ "\303\251*x", "x", "yes" }, { "(a|b)c", "bc", "yes" }, { "(?<n>a)\\k<n>", "aa", "yes" }, { "(a)\\1", "ab", "no" }, { "(?=foo)f", "foo", "yes" },
	{ "a(?!b)", "ab", "no" }, { "(?<=a)b", "ab", "yes" }, { "(?x) a b # c", "ab", "yes" }, { "\\bfoo\\b", "a foo b", "yes" }, { "\\x41", "A", "yes" }, { "a\\tb", "a\tb", "yes" },
	{ "(?s)a.b", "a\nb", "yes" }, { "a.b", "a\nb", "no" }, { "(?:a|(?:b|c)d)e", "cde", "yes" }, { "(?P<x>a)b", "ab", "yes" }, { "timeout|refused", "connection refused", "yes" },
	{ "(ab", NULL, "missing closing parenthesis" }, { "[a", NULL, "missing terminating ]" }, { "a**", NULL, "quantifier does not follow" }, { "*a", NULL, "quantifier does not follow" },
	{ "\\Ga", NULL, "\\G is not supported" }, { "a\\C", NULL, "\\C is not supported" }, { "(*COMMIT)a", NULL, "control verbs" }, { "a(*SKIP)b", NULL, "control verbs" },
	{ "(*LIMIT_MATCH=1)a", NULL, "control verbs" }, { "(*UTF)a", NULL, "control verbs" }, { "a(?C1)b", NULL, "callouts" }, { "\\(*a", "((a", "yes" }, { "[(*)]", "*", "yes" },
	{ "[\\](*]x", "(x", "yes" }, { "[[:digit:](*]x", "(x", "yes" },
};

static void
test_rows(void)
{
	struct regex_scratch *s = regex_scratch_new();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct errinfo e = { 0 };
		size_t at;
		struct regex *r = regex_compile(str_of(rows[i].pattern), 10000, 8192, &at, &e);
		if (rows[i].subject == NULL) {
			ok(r == NULL && e.code == ERR_CONF && strstr(e.text, rows[i].want), "%s is refused: %s", rows[i].pattern, e.text);
		} else if (r == NULL) {
			ok(false, "%s: %s", rows[i].pattern, e.text);
		} else {
			const char *jit = answer(regex_search(r, s, str_of(rows[i].subject)));
			const char *slow = answer(regex_interpret(r, s, str_of(rows[i].subject)));
			ok(strcmp(jit, rows[i].want) == 0 && strcmp(slow, jit) == 0, "pattern %zu %s: %s", i, rows[i].pattern, jit);
		}
		regex_free(r);
	}
	ok(regex_limits_hit(s) == 0, "none of these comes near the limit");
	regex_scratch_free(s);
}

static struct str
filled(char *z, size_t n, const char *unit, const char *end)
{
	size_t u = strlen(unit), e = strlen(end);
	for (size_t i = 0; i < n; i++)
		z[i] = unit[i % u];
	memcpy(z + n, end, e);
	return (struct str){ z, n + e };
}

static struct regex_scratch *scratch;

static void
both(const char *pattern, struct str subject, const char *jit, const char *slow)
{
	struct regex *r = compile(pattern);
	uint64_t before = regex_limits_hit(scratch);
	enum regex_answer a = r ? regex_search(r, scratch, subject) : REGEX_YES;
	uint64_t hit = regex_limits_hit(scratch) - before;
	enum regex_answer b = r ? regex_interpret(r, scratch, subject) : REGEX_YES;
	ok(r && strcmp(answer(a), jit) == 0 && strcmp(answer(b), slow) == 0 && hit == (a == REGEX_LIMIT), "%s on %zu bytes: %s, %s", pattern, subject.len,
		answer(a), answer(b));
	regex_free(r);
}

/* Patterns that take exponential or quadratic time if nothing stops them. */
static void
test_redos(void)
{
	char *z = xmalloc(20000);
	scratch = regex_scratch_new();
	both("(a+)+$", filled(z, 40, "a", "!"), "limit", "limit");
	both("(a|aa)+$", filled(z, 40, "a", "!"), "limit", "limit");
	both("(.*a){12}$", filled(z, 40, "a", "!"), "limit", "limit");
	both("^(([a-z])+.)+[A-Z]([a-z])+$", filled(z, 40, "a", ""), "limit", "limit");
	both("(\\w+\\s?)*$", filled(z, 40, "a", "!"), "limit", "limit");
	/* never at the limit at one start, quadratic over all: at most 8,192 starts of 8,192 steps */
	both("\\s+$", filled(z, 8190, " ", "x"), "no", "no");
	both(".*x.*y", filled(z, 80, "x", "!"), "no", "no");
	/* blocks that stay below the limit at each start: bounded by starts times limit */
	both("(a+)+$", filled(z, 8000, "aaaaaaaaa!", ""), "no", "no");
	/* the subject is cut, on a code point */
	both("x$", filled(z, 9000, "a", "x"), "no", "no");
	both("aaa", filled(z, 9000, "b", "aaa"), "no", "no");
	both("^b+$", filled(z, 8192, "b", "aaa"), "yes", "yes");
	filled(z, 8191, "b", "\303\251");
	both("^b+$", (struct str){ z, 8193 }, "yes", "yes");
	/* deep recursion of a plain pattern is no trouble for either */
	both("^(?:a|b)*$", filled(z, 4000, "ab", ""), "yes", "yes");
	free(z);
	regex_scratch_free(scratch);
}

static void
test_limit_raised(void)
{
	struct errinfo e = { 0 };
	size_t at;
	struct regex_scratch *s = regex_scratch_new();
	struct regex *low = regex_compile(STR("(a+)+b$"), 100, 8192, &at, &e), *high = regex_compile(STR("(a+)+b$"), 1000000, 8192, &at, &e);
	struct str subject = STR("aaaaaaaaaaaabaaaaaaaaaaab!");
	ok(regex_search(low, s, subject) == REGEX_LIMIT && regex_search(high, s, subject) == REGEX_NO, "a rule's own limit");
	ok(regex_limits_hit(s) == 1, "counted");
	regex_free(low);
	regex_free(high);
	struct regex *cut = regex_compile(STR("b"), 100, 3, &at, &e);
	ok(regex_search(cut, s, STR("aaab")) == REGEX_NO && regex_search(cut, s, STR("aab")) == REGEX_YES, "a rule's own subject");
	regex_free(cut);
	char *long_ = xmalloc(5000);
	memset(long_, 'a', 5000);
	struct regex *most = regex_compile((struct str){ long_, 4096 }, 10000, 8192, &at, &e);
	ok(most && regex_search(most, s, (struct str){ long_, 4096 }) == REGEX_YES, "4 KiB of pattern");
	regex_free(most);
	ok(regex_compile((struct str){ long_, 4097 }, 10000, 8192, &at, &e) == NULL && e.code == ERR_CONF, "and no more");
	free(long_);
	regex_scratch_free(s);
}

/* Lone surrogates of JSON escapes reach a search as the three bytes that UTF-8 forbids. */
static void
test_invalid(void)
{
	struct regex_scratch *s = regex_scratch_new();
	struct str bad = STR("ab\355\240\200cd");
	static const struct {
		const char *pattern;
		enum regex_answer want;
	} t[] = { { "ab", REGEX_YES }, { "cd$", REGEX_YES }, { "^cd", REGEX_NO }, { "ab$", REGEX_NO }, { "b.c", REGEX_NO }, { "b.*c", REGEX_NO }, { "[a-z]d", REGEX_YES } };
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct regex *r = compile(t[i].pattern);
		ok(regex_search(r, s, bad) == t[i].want && regex_interpret(r, s, bad) == t[i].want, "%s beside invalid bytes: %s", t[i].pattern, answer(t[i].want));
		regex_free(r);
	}
	regex_scratch_free(s);
}

/* ---- JIT = interpreter, on random patterns ---- */

static uint64_t seed = 7;

static unsigned
pick(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static size_t
random_text(char *z, size_t max, const char *const *parts, unsigned n)
{
	size_t len = 0;
	while (len + 8 < max && pick(12)) {
		const char *p = parts[pick(n)];
		memcpy(z + len, p, strlen(p));
		len += strlen(p);
	}
	z[len] = '\0';
	return len;
}

static void
test_random(void)
{
	static const char *const pattern[] = { "a", "b", "c", "ab", ".", "a+", "b*", "(a|b)", "(a+)+", "(?:ab)*", "[ab]", "\\w+", "\\s", "^", "$", "c?", "|", "(b|c)+", "a{2,3}",
		"(?:a|ab)(?:c|bcd)", ".*", ".*?", "(?=a)", "\303\251", "(?i)", "\\b", "(ab?)", "[^a]+" };
	static const char *const subject[] = { "a", "b", "c", "ab", "aaaa", " ", "abcd", "\303\251", "bb", "\n", "AB" };
	unsigned seen[3] = { 0 }, differ = 0, compiled = 0;
	char p[256], z[256];
	struct regex_scratch *s = regex_scratch_new();
	for (int i = 0; i < 1500; i++) {
		struct errinfo e = { 0 };
		size_t at;
		random_text(p, 40, pattern, COUNT_OF(pattern));
		struct regex *r = regex_compile(str_of(p), 60 + pick(400), 8192, &at, &e);
		compiled += r != NULL;
		for (int k = 0; r && k < 20; k++) {
			struct str t = { z, random_text(z, sizeof z, subject, COUNT_OF(subject)) };
			enum regex_answer a = regex_search(r, s, t), b = regex_interpret(r, s, t);
			seen[b]++;
			if ((a == REGEX_YES) != (b == REGEX_YES) && differ++ == 0)
				printf("# %s on %s: %s, %s\n", p, z, answer(a), answer(b));
		}
		regex_free(r);
	}
	ok(compiled > 1000, "%u random patterns", compiled);
	ok(differ == 0, "JIT and interpreter match the same, but for %u", differ);
	ok(seen[REGEX_YES] > 1000 && seen[REGEX_NO] > 1000 && seen[REGEX_LIMIT] > 20, "yes %u, no %u, limit %u: all were seen", seen[REGEX_YES], seen[REGEX_NO],
		seen[REGEX_LIMIT]);
	regex_scratch_free(s);
}

int
main(void)
{
	test_rows();
	test_redos();
	test_limit_raised();
	test_invalid();
	test_random();
	return tap_done();
}
