/* regex.c - searches that end: PCRE2 behind a literal prefilter, the same answer with JIT and without.
 *
 * JIT and interpreter count their steps differently, so the interpreter alone decides what the limit means. JIT answers
 * where that cannot differ: its "no" is no match either way, and its "yes" stands where the pattern's shape bounds the
 * interpreter's steps below the limit for a subject of this length. Otherwise the interpreter is asked.
 *
 * Work: at most `match_limit` steps at each of at most `subject` starts, 82 million with the defaults; a pattern with one
 * repeat over 8 KiB of what it repeats takes about 33 million.
 * Owns: compiled code in struct regex; the match's memory in struct regex_scratch, kept from search to search.
 */
#include "core/regex.h"

#include "core/json.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#define PATTERN_MAX 4096        /* bytes */
#define GROUPS_NEST_MAX 50
#define CAPTURES_MAX 100        /* each costs memory at every step */
#define HEAP_MAX_KIB 65536      /* the interpreter's memory; reached: as the limit */
#define JIT_STACK_START 32768
#define JIT_STACK_MAX 1048576   /* past it the interpreter is asked */

#define DEGREES 4
/* An upper bound of steps or of ways to match a subject of n bytes: the sum of c[d] * (n + 1)^d. */
struct bound {
	double c[DEGREES];
};

struct shape {
	bool known;           /* the pattern holds nothing that the scan does not know: steps is right */
	bool literal_only;    /* the pattern is its literal, nothing else */
	struct bound steps;
	char *literal;        /* every match holds it; NULL: none known */
	size_t len;
};

struct regex {
	pcre2_code *code;     /* for valid UTF-8, with JIT if there is any */
	pcre2_code *invalid;  /* for subjects that are not: interpreted, steps over what is invalid */
	struct shape shape;
	size_t subject;
	uint32_t limit;
};

struct regex_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	uint64_t limits_hit;
};

static void shape_scan(struct str pattern, struct shape *s);
static bool refused(struct str pattern, size_t *at, struct errinfo *e);

/* ---- compile ---- */

static pcre2_code *
compile(struct str pattern, uint32_t options, size_t *at, struct errinfo *e)
{
	int code = 0;
	PCRE2_SIZE offset = 0;
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	must(c != NULL);
	/* what a build of PCRE2 could choose otherwise is said here */
	pcre2_set_newline(c, PCRE2_NEWLINE_LF);
	pcre2_set_bsr(c, PCRE2_BSR_UNICODE);
	pcre2_set_parens_nest_limit(c, GROUPS_NEST_MAX);
	pcre2_set_max_pattern_length(c, PATTERN_MAX);
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | options, &code,
		&offset, c);
	pcre2_compile_context_free(c);
	if (re == NULL) {
		PCRE2_UCHAR text[160];
		pcre2_get_error_message(code, text, sizeof text);
		*at = offset;
		err_set(e, ERR_CONF, "%s", (const char *)text);
	}
	return re;
}

struct regex *
regex_compile(struct str pattern, int64_t match_limit, int64_t subject_max, size_t *at, struct errinfo *e)
{
	*at = 0;
	if (pattern.len > PATTERN_MAX) {
		err_set(e, ERR_CONF, "a pattern may have %d bytes", PATTERN_MAX);
		return NULL;
	}
	if (refused(pattern, at, e))
		return NULL;
	struct regex *r = xcalloc(1, sizeof *r);
	uint32_t captures = 0;
	r->limit = match_limit < 1 ? 1 : match_limit > UINT32_MAX ? UINT32_MAX : (uint32_t)match_limit;
	r->subject = subject_max < 0 ? 0 : (size_t)subject_max;
	r->code = compile(pattern, 0, at, e);
	if (r->code == NULL)
		goto fail;
	pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &captures);
	if (captures > CAPTURES_MAX) {
		err_set(e, ERR_CONF, "more than %d capturing groups; a group that only groups is (?:...)", CAPTURES_MAX);
		goto fail;
	}
	r->invalid = compile(pattern, PCRE2_MATCH_INVALID_UTF, at, e);
	if (r->invalid == NULL)
		goto fail;
	(void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without JIT the interpreter does all */
	shape_scan(pattern, &r->shape);
	return r;
fail:
	regex_free(r);
	return NULL;
}

void
regex_free(struct regex *r)
{
	if (r == NULL)
		return;
	pcre2_code_free(r->code);
	pcre2_code_free(r->invalid);
	free(r->shape.literal);
	free(r);
}

struct regex_scratch *
regex_scratch_new(void)
{
	struct regex_scratch *s = xcalloc(1, sizeof *s);
	s->data = pcre2_match_data_create(1, NULL);
	s->context = pcre2_match_context_create(NULL);
	must(s->data && s->context);
	pcre2_set_heap_limit(s->context, HEAP_MAX_KIB);
	s->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL); /* NULL where there is no JIT */
	pcre2_jit_stack_assign(s->context, NULL, s->stack);
	return s;
}

void
regex_scratch_free(struct regex_scratch *s)
{
	if (s == NULL)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	pcre2_jit_stack_free(s->stack);
	free(s);
}

uint64_t
regex_limits_hit(const struct regex_scratch *s)
{
	return s->limits_hit;
}

/* ---- search ---- */

static enum regex_answer
interpret(const pcre2_code *code, struct regex_scratch *s, struct str subject, uint32_t options)
{
	int rc = pcre2_match(code, (PCRE2_SPTR)subject.ptr, subject.len, 0, PCRE2_NO_JIT | options, s->data, s->context);
	if (rc >= 0)
		return REGEX_YES;
	if (rc == PCRE2_ERROR_NOMATCH)
		return REGEX_NO;
	s->limits_hit++; /* the limit itself, or the memory that so many steps may take */
	return REGEX_LIMIT;
}

/* Whether the interpreter is sure to end below the limit at each start. */
static bool
bounded(const struct regex *r, size_t len)
{
	double steps = 0;
	for (int d = DEGREES - 1; d >= 0; d--)
		steps = steps * ((double)len + 1) + r->shape.steps.c[d];
	return r->shape.known && steps + 16 < r->limit;
}

static enum regex_answer
search(const struct regex *r, struct regex_scratch *s, struct str subject, bool jit)
{
	subject = utf8_cut(subject, r->subject);
	if (subject.ptr == NULL)
		subject.ptr = "";
	if (r->shape.literal && (subject.len < r->shape.len || memmem(subject.ptr, subject.len, r->shape.literal, r->shape.len) == NULL))
		return REGEX_NO;
	if (r->shape.literal_only)
		return REGEX_YES;
	pcre2_set_match_limit(s->context, r->limit);
	pcre2_set_depth_limit(s->context, r->limit);
	if (utf8_valid(subject) != subject.len)
		return interpret(r->invalid, s, subject, 0);
	if (jit && s->stack) {
		int rc = pcre2_jit_match(r->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, PCRE2_NO_UTF_CHECK, s->data, s->context);
		if (rc == PCRE2_ERROR_NOMATCH)
			return REGEX_NO;
		if (rc >= 0 && bounded(r, subject.len))
			return REGEX_YES;
	}
	return interpret(r->code, s, subject, PCRE2_NO_UTF_CHECK);
}

enum regex_answer
regex_search(const struct regex *r, struct regex_scratch *s, struct str subject)
{
	return search(r, s, subject, true);
}

enum regex_answer
regex_interpret(const struct regex *r, struct regex_scratch *s, struct str subject)
{
	return search(r, s, subject, false);
}

/* ---- what is refused ---- */

/* Past a character class that starts at i: the byte after its ]. */
static size_t
class_end(struct str p, size_t i)
{
	i++;
	if (i < p.len && p.ptr[i] == '^')
		i++;
	if (i < p.len && p.ptr[i] == ']')
		i++;
	while (i < p.len && p.ptr[i] != ']') {
		if (p.ptr[i] == '\\' && i + 1 < p.len && p.ptr[i + 1] == 'Q') {
			const char *end = memmem(p.ptr + i, p.len - i, "\\E", 2);
			i = end ? (size_t)(end - p.ptr) + 2 : p.len;
		} else if (p.ptr[i] == '\\') {
			i += 2;
		} else if (p.ptr[i] == '[' && i + 1 < p.len && (p.ptr[i + 1] == ':' || p.ptr[i + 1] == '.' || p.ptr[i + 1] == '=')) {
			char close[2] = { p.ptr[i + 1], ']' };
			const char *end = memmem(p.ptr + i + 2, p.len - i - 2, close, 2);
			i = end ? (size_t)(end - p.ptr) + 2 : i + 1;
		} else {
			i++;
		}
	}
	return i < p.len ? i + 1 : p.len;
}

/* Verbs change limits or what a search means; \G, \C and callouts have no meaning here. */
static bool
refused(struct str p, size_t *at, struct errinfo *e)
{
	for (size_t i = 0; i < p.len;) {
		*at = i;
		char c = p.ptr[i], next = i + 1 < p.len ? p.ptr[i + 1] : '\0';
		if (c == '\\' && next == 'Q') {
			const char *end = memmem(p.ptr + i, p.len - i, "\\E", 2);
			i = end ? (size_t)(end - p.ptr) + 2 : p.len;
		} else if (c == '\\') {
			if (next == 'G' || next == 'C') {
				err_set(e, ERR_CONF, "\\%c is not supported", next);
				return true;
			}
			i += 2;
		} else if (c == '[') {
			i = class_end(p, i);
		} else if (c == '(' && next == '*') {
			err_set(e, ERR_CONF, "control verbs (*...) are not supported");
			return true;
		} else if (c == '(' && next == '?' && i + 2 < p.len && p.ptr[i + 2] == 'C') {
			err_set(e, ERR_CONF, "callouts (?C...) are not supported");
			return true;
		} else {
			i++;
		}
	}
	*at = 0;
	return false;
}

/* ---- the shape: a bound of the interpreter's steps, and a literal that every match holds ---- */

struct scan {
	struct str p;
	size_t i;
	bool known;    /* false: something unknown, nothing below counts */
	bool caseless;
	bool plain;    /* only literal characters so far */
	int nest;
	/* the literal run being read, and the longest one that is over */
	char run[PATTERN_MAX], best[PATTERN_MAX];
	size_t nrun, nbest;
};

struct part {
	struct bound ways; /* in which it can match from one place */
	struct bound steps;
};

static struct part scan_alternatives(struct scan *s, bool sure);

static struct bound
number(double c)
{
	return (struct bound){ { c } };
}

static struct bound
sum(struct bound a, struct bound b)
{
	for (int i = 0; i < DEGREES; i++)
		a.c[i] += b.c[i];
	return a;
}

static struct bound
product(struct bound a, struct bound b)
{
	struct bound out = { { 0 } };
	for (int i = 0; i < DEGREES; i++)
		for (int k = 0; k < DEGREES; k++)
			if (a.c[i] > 0 && b.c[k] > 0)
				out.c[i + k < DEGREES ? i + k : DEGREES - 1] += i + k < DEGREES ? a.c[i] * b.c[k] : HUGE_VAL;
	return out;
}

static struct part
then(struct part a, struct part b)
{
	return (struct part){ product(a.ways, b.ways), sum(a.steps, product(a.ways, b.steps)) };
}

static void
run_end(struct scan *s)
{
	if (s->nrun > s->nbest) {
		memcpy(s->best, s->run, s->nrun);
		s->nbest = s->nrun;
	}
	s->nrun = 0;
}

static const struct part once = { { { 1 } }, { { 0 } } };

/* A quantifier at s->i: its bounds; max -1: none. false: there is none. */
static bool
quantifier(struct scan *s, int *min, int *max)
{
	char c = s->i < s->p.len ? s->p.ptr[s->i] : '\0';
	size_t i = s->i;
	if (c == '*' || c == '+' || c == '?') {
		*min = c == '+';
		*max = c == '?' ? 1 : -1;
		i++;
	} else if (c == '{') {
		int v[2] = { 0, -1 }, n = 0;
		char *end;
		char text[16] = { 0 };
		memcpy(text, s->p.ptr + i + 1, s->p.len - i - 1 < 15 ? s->p.len - i - 1 : 15);
		if (!isdigit((unsigned char)text[0])) { /* literal in some versions of PCRE2, {,n} in others */
			s->known = false;
			return false;
		}
		v[n++] = (int)strtol(text, &end, 10);
		if (*end == ',' && isdigit((unsigned char)end[1]))
			v[n++] = (int)strtol(end + 1, &end, 10);
		else if (*end == ',')
			end++, n = 2;
		if (*end != '}') {
			s->known = false;
			return false;
		}
		*min = v[0];
		*max = n == 2 ? v[1] : v[0];
		i += 2 + (size_t)(end - text);
	} else {
		return false;
	}
	if (i < s->p.len && (s->p.ptr[i] == '?' || s->p.ptr[i] == '+'))
		i++;
	s->i = i;
	return true;
}

/* One character, repeated: each length is a way and a step. */
static struct part
repeat_char(int min, int max)
{
	struct bound b = max < 0 ? (struct bound){ { 0, 1 } } : number(max - min + 1);
	return (struct part){ b, b };
}

static struct part
repeat_group(struct scan *s, struct part g, int min, int max)
{
	if (max < 0 || max > 16) { /* how often is not known from the shape */
		s->known = false;
		return g;
	}
	struct part out = once, maybe = { sum(g.ways, number(1)), sum(g.steps, number(2)) };
	for (int i = 0; i < max; i++)
		out = then(out, i < min ? g : maybe);
	return out;
}

/* A literal character of len bytes at c, with its quantifier. */
static struct part
scan_literal(struct scan *s, const char *c, size_t len, bool sure)
{
	int min = 1, max = 1;
	bool repeated = quantifier(s, &min, &max);
	if (repeated)
		s->plain = false;
	if (sure && min >= 1 && !s->caseless) {
		memcpy(s->run + s->nrun, c, len);
		s->nrun += len;
	}
	if (repeated || s->caseless)
		run_end(s);
	return repeated ? repeat_char(min, max) : once;
}

/* Something that is one character of many, or none at all. */
static struct part
scan_other(struct scan *s)
{
	int min, max;
	s->plain = false;
	run_end(s);
	return quantifier(s, &min, &max) ? repeat_char(min, max) : once;
}

static struct part
scan_escape(struct scan *s, bool sure)
{
	static const char from[] = "nrtfea", to[] = "\n\r\t\f\x1b\a";
	char c = s->i + 1 < s->p.len ? s->p.ptr[s->i + 1] : '\0';
	const char *control = c ? strchr(from, c) : NULL;
	s->i += 2;
	if (c && control) {
		return scan_literal(s, &to[control - from], 1, sure);
	} else if (c && strchr("dDwWsShHvVNbBAzZ", c)) {
		return scan_other(s);
	} else if (c > ' ' && c < 0x7f && !isalnum((unsigned char)c)) {
		return scan_literal(s, s->p.ptr + s->i - 1, 1, sure);
	}
	s->known = false;
	return once;
}

/* After "(": past what says which kind of group it is; false: not one of the plain kinds. */
static bool
group_open(struct scan *s)
{
	if (s->i >= s->p.len || s->p.ptr[s->i] != '?')
		return true;
	struct str rest = { s->p.ptr + s->i, s->p.len - s->i };
	if (str_starts(rest, STR("?:"))) {
		s->i += 2;
		return true;
	}
	size_t at = str_starts(rest, STR("?<")) ? 2 : str_starts(rest, STR("?P<")) ? 3 : 0;
	const char *end = at && at < rest.len && (isalpha((unsigned char)rest.ptr[at]) || rest.ptr[at] == '_') ?
		memchr(rest.ptr, '>', rest.len) :
		NULL;
	if (end == NULL)
		return false;
	s->i += (size_t)(end - rest.ptr) + 1;
	return true;
}

static struct part
scan_group(struct scan *s, bool sure)
{
	int min = 1, max = 1;
	s->i++;
	s->plain = false;
	run_end(s);
	if (!group_open(s) || ++s->nest > GROUPS_NEST_MAX) {
		s->known = false;
		return once;
	}
	/* a group's literals count only if it must match: its quantifier comes after it, so what it found is put back */
	size_t had = s->nbest;
	char first[64];
	bool keep = had <= sizeof first;
	if (keep)
		memcpy(first, s->best, had);
	struct part g = scan_alternatives(s, sure && keep);
	run_end(s);
	s->nest--;
	if (s->i >= s->p.len || s->p.ptr[s->i] != ')') {
		s->known = false;
		return once;
	}
	s->i++;
	g.steps = sum(g.steps, number(2));
	if (!quantifier(s, &min, &max))
		return g;
	if (min == 0 && keep) {
		s->nbest = had;
		memcpy(s->best, first, had);
	}
	return repeat_group(s, g, min, max);
}

static struct part
scan_sequence(struct scan *s, bool sure)
{
	struct part out = once;
	while (s->known && s->i < s->p.len && s->p.ptr[s->i] != '|' && s->p.ptr[s->i] != ')') {
		unsigned char c = (unsigned char)s->p.ptr[s->i];
		struct part next = once;
		if (c == '\\') {
			next = scan_escape(s, sure);
		} else if (c == '(') {
			next = scan_group(s, sure);
		} else if (c == '[') {
			s->i = class_end(s->p, s->i);
			next = scan_other(s);
		} else if (c == '.' || c == '^' || c == '$') {
			s->i++;
			next = scan_other(s);
		} else if (strchr("*+?{", c)) {
			s->known = false;
		} else {
			size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
			if (len > s->p.len - s->i)
				len = s->p.len - s->i;
			s->i += len;
			next = scan_literal(s, s->p.ptr + s->i - len, len, sure);
		}
		out = then(out, next);
	}
	return out;
}

/* Whether the group (or pattern) that starts at s->i has a | of its own. */
static bool
branches(const struct scan *s)
{
	int nest = 0;
	for (size_t i = s->i; i < s->p.len;) {
		char c = s->p.ptr[i];
		if (c == '|' && nest == 0)
			return true;
		if (c == ')' && nest-- == 0)
			return false;
		nest += c == '(';
		i = c == '[' ? class_end(s->p, i) : i + 1 + (c == '\\');
	}
	return false;
}

static struct part
scan_alternatives(struct scan *s, bool sure)
{
	if (branches(s)) {
		sure = false;
		s->plain = false;
	}
	struct part out = scan_sequence(s, sure);
	while (s->known && s->i < s->p.len && s->p.ptr[s->i] == '|') {
		s->i++;
		run_end(s);
		struct part next = scan_sequence(s, sure);
		out.ways = sum(out.ways, next.ways);
		out.steps = sum(sum(out.steps, next.steps), number(1));
	}
	return out;
}

static void
shape_scan(struct str pattern, struct shape *out)
{
	struct scan *s = xcalloc(1, sizeof *s);
	*s = (struct scan){ .p = pattern, .known = true, .plain = true };
	if (str_starts(pattern, STR("(?i)"))) {
		s->caseless = true;
		s->plain = false;
		s->i = 4;
	}
	struct part all = scan_alternatives(s, true);
	run_end(s);
	out->known = s->known && s->i == pattern.len;
	out->steps = all.steps;
	if (out->known && s->nbest > 0) {
		out->literal = xmemdup(s->best, s->nbest);
		out->len = s->nbest;
		out->literal_only = s->plain;
	}
	free(s);
}
