/* expr_lex.c - the text of an expression to tokens.
 *
 * In: a scalar of a rule file. Out: one token at a time in struct lex. Next: rules/expr_parse.c
 * Owns: nothing; decoded strings go to the caller's arena. A mistake is reported where it stands and ends the text.
 */
#include "rules/expr_int.h"

#include "core/units.h"

#include <stdio.h>
#include <stdlib.h>

static void bad(struct lex *l, size_t offset, const char *fmt, ...) PRINTF(3, 4);
static void number(struct lex *l);
static void quoted(struct lex *l);
static void raw_string(struct lex *l);
static void symbol(struct lex *l);

static const struct {
	const char *word;
	enum tok tok;
} keywords[] = { { "and", T_AND }, { "or", T_OR }, { "not", T_NOT }, { "in", T_IN }, { "true", T_TRUE }, { "false", T_FALSE },
	{ "null", T_NULL } };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(char c) /* any byte past ASCII is a letter: keys are UTF-8 */
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || (c & 0x80);
}

bool
expr_plain_key(struct str key)
{
	for (size_t i = 0; i < key.len; i++)
		if (!is_word(key.ptr[i]))
			return false;
	return key.len > 0;
}

static enum tok
keyword(struct str word)
{
	for (size_t i = 0; i < COUNT_OF(keywords); i++)
		if (str_eq(word, str_of(keywords[i].word)))
			return keywords[i].tok;
	return T_PATH;
}

bool
expr_keyword(struct str word)
{
	return keyword(word) != T_PATH;
}

static char
peek(const struct lex *l, size_t ahead)
{
	return l->at + ahead < l->text.len ? l->text.ptr[l->at + ahead] : '\0';
}

bool
lex_open(struct lex *l, struct text_at t, struct arena *arena, struct diags *d)
{
	*l = (struct lex){ .src = t, .text = str_of(t.s), .arena = arena, .d = d };
	size_t valid = utf8_valid(l->text);
	if (l->text.len > EXPR_TEXT_MAX)
		bad(l, 0, "an expression may have %d bytes, this one has %zu", EXPR_TEXT_MAX, l->text.len);
	else if (valid < l->text.len)
		bad(l, valid, "a byte that is not UTF-8");
	else
		lex_next(l);
	return l->tok != T_BAD;
}

struct str
lex_text(const struct lex *l)
{
	return (struct str){ l->text.ptr + l->from, l->at - l->from };
}

/* The scalar's own place plus the bytes before offset; past a line break the column is that of the text's own line. */
struct loc
lex_loc(const struct lex *l, size_t offset)
{
	struct loc at = l->src.loc;
	if (at.line == 0)
		return at;
	at.col += (int)offset;
	for (size_t i = 0; i < offset && i < l->text.len; i++) {
		if (l->text.ptr[i] == '\n') {
			at.line++;
			at.col = (int)(offset - i);
		}
	}
	return at;
}

static void
bad(struct lex *l, size_t offset, const char *fmt, ...)
{
	char what[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	diag(l->d, lex_loc(l, offset), "%s", what);
	l->tok = T_BAD;
	l->at = l->text.len;
}

void
lex_next(struct lex *l)
{
	if (l->tok == T_BAD)
		return;
	while (l->at < l->text.len && strchr(" \t\r\n", l->text.ptr[l->at]))
		l->at++;
	l->from = l->at;
	if (l->at == l->text.len) {
		l->tok = T_END;
		return;
	}
	char c = l->text.ptr[l->at];
	if (is_digit(c) || (c == '.' && is_digit(peek(l, 1))))
		number(l);
	else if (c == '"')
		quoted(l);
	else if (c == '\'')
		raw_string(l);
	else if (c == '@' || is_word(c))
		lex_path(l);
	else
		symbol(l);
}

/* ---- numbers and their units ---- */

/* The number in s with its decimal point moved by shift: through the text, so that 7% is 0.07 and not a rounded product. */
static bool
scaled(struct str s, int shift, double *out)
{
	char t[80];
	size_t e = 0;
	while (e < s.len && (s.ptr[e] | 32) != 'e')
		e++;
	long exp = 0;
	if (s.len > 60)
		return false;
	if (e < s.len) {
		char digits[64];
		memcpy(digits, s.ptr + e + 1, s.len - e - 1);
		digits[s.len - e - 1] = '\0';
		exp = strtol(digits, NULL, 10);
		if (exp > 9999 || exp < -9999)
			return false;
	}
	int n = snprintf(t, sizeof t, "%.*se%ld", (int)e, s.ptr, exp + shift);
	return num_parse((struct str){ t, (size_t)n }, out);
}

static void
unit(struct lex *l, struct str digits)
{
	size_t from = l->at;
	while (l->at < l->text.len && (is_word(l->text.ptr[l->at]) || l->text.ptr[l->at] == '.'))
		l->at++;
	struct str all = lex_text(l), word = { l->text.ptr + from, l->at - from };
	int64_t bytes;
	if (dur_parse(all, &l->dur)) {
		l->num = (double)l->dur / 1e9;
		if (str_eq(word, STR("ms")))
			(void)scaled(digits, -3, &l->num);
	} else if (size_parse(all, &bytes)) {
		l->dur = NS_NONE;
		l->num = (double)bytes;
	} else {
		bad(l, from, "unknown unit '%.*s'; units are %%, ms s m h d, and kB MB GB TB KiB MiB GiB TiB", STR_ARG(word));
	}
}

static void
number(struct lex *l)
{
	l->tok = T_NUM;
	l->dur = NS_NONE;
	while (is_digit(peek(l, 0)))
		l->at++;
	if (peek(l, 0) == '.' && is_digit(peek(l, 1)))
		for (l->at++; is_digit(peek(l, 0));)
			l->at++;
	if ((peek(l, 0) | 32) == 'e') {
		size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';
		if (is_digit(peek(l, 1 + sign)))
			for (l->at += 1 + sign; is_digit(peek(l, 0));)
				l->at++;
	}
	struct str digits = lex_text(l);
	if (!num_parse(digits, &l->num)) {
		bad(l, l->from, "'%.*s' is no number as JSON writes it", STR_ARG(digits));
	} else if (peek(l, 0) == '%') {
		l->at++;
		if (!scaled(digits, -2, &l->num))
			bad(l, l->from, "'%.*s' has too many digits for a percentage", STR_ARG(digits));
	} else if (is_word(peek(l, 0))) {
		unit(l, digits);
	}
}

/* ---- strings ---- */

static bool
hex4(const struct lex *l, size_t ahead, uint32_t *out)
{
	*out = 0;
	for (size_t i = 0; i < 4; i++) {
		char c = peek(l, ahead + i);
		const char *digits = "0123456789abcdef", *d = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 32 : c) : NULL;
		if (d == NULL)
			return false;
		*out = *out << 4 | (uint32_t)(d - digits);
	}
	return true;
}

static size_t
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)((0xf00 >> n & 0xff) | c);
	return n;
}

/* \uXXXX at l->at; 0: reported. Both halves of a pair are taken together. */
static size_t
unicode(struct lex *l, char *to)
{
	uint32_t c, low;
	if (!hex4(l, 2, &c)) {
		bad(l, l->at, "\\u needs four hex digits");
		return 0;
	}
	size_t used = 6;
	if (c >= 0xd800 && c < 0xdc00 && peek(l, 6) == '\\' && peek(l, 7) == 'u' && hex4(l, 8, &low) && low >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		used = 12;
	} else if (c >= 0xd800 && c < 0xe000) {
		bad(l, l->at, "half of a surrogate pair is no character");
		return 0;
	}
	l->at += used;
	return put_utf8(to, c);
}

static void
quoted(struct lex *l)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char *out = arena_alloc(l->arena, l->text.len - l->at);
	size_t n = 0;
	l->tok = T_STR;
	for (l->at++; l->at < l->text.len && l->text.ptr[l->at] != '"' && l->text.ptr[l->at] != '\n';) {
		char c = l->text.ptr[l->at], e = peek(l, 1);
		const char *known = e ? strchr(from, e) : NULL;
		if (c != '\\') {
			out[n++] = c;
			l->at++;
		} else if (e == 'u') {
			n += unicode(l, out + n);
			if (l->tok == T_BAD)
				return;
		} else if (known) {
			out[n++] = to[known - from];
			l->at += 2;
		} else {
			bad(l, l->at, "unknown escape in a string; JSON's are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX (a raw string stands in '')");
			return;
		}
	}
	if (peek(l, 0) != '"') {
		bad(l, l->from, "this string has no closing \"");
		return;
	}
	l->at++;
	l->str = (struct str){ out, n };
}

static void
raw_string(struct lex *l)
{
	const char *p = l->text.ptr + l->at + 1, *end = memchr(p, '\'', l->text.len - l->at - 1);
	if (end == NULL) {
		bad(l, l->from, "this string has no closing '");
		return;
	}
	l->tok = T_STR;
	l->str = arena_str(l->arena, (struct str){ p, (size_t)(end - p) });
	l->at += l->str.len + 2;
}

/* ---- names ---- */

static struct str
word_at(struct lex *l)
{
	size_t from = l->at;
	while (l->at < l->text.len && is_word(l->text.ptr[l->at]))
		l->at++;
	return (struct str){ l->text.ptr + from, l->at - from };
}

static bool
bracket_key(struct lex *l, struct str *key) /* ["any key"] */
{
	size_t from = l->from;
	l->at++;
	l->from = l->at;
	if (peek(l, 0) == '"')
		quoted(l);
	else if (peek(l, 0) == '\'')
		raw_string(l);
	else
		bad(l, l->from, "a key in brackets is a string: [\"key\"]");
	if (l->tok != T_BAD && peek(l, 0) != ']')
		bad(l, l->at, "expected ] after a key in brackets");
	l->from = from;
	if (l->tok == T_BAD)
		return false;
	l->at++;
	*key = l->str;
	return true;
}

void
lex_path(struct lex *l)
{
	l->at = l->from;
	l->nseg = 0;
	l->bare = false;
	if (peek(l, 0) == '@') {
		l->at++;
		l->tok = T_AT;
		l->str = word_at(l);
		return;
	}
	if (peek(l, 0) != '[') {
		l->bare = true;
		l->seg[l->nseg++] = word_at(l);
		l->tok = keyword(l->seg[0]);
		if (l->tok != T_PATH)
			return;
	}
	for (;;) {
		struct str key;
		bool dot = peek(l, 0) == '.' && l->nseg > 0;
		if (!dot && !(peek(l, 0) == '[' && (l->nseg == 0 || peek(l, 1) == '"' || peek(l, 1) == '\'')))
			break;
		size_t from = l->at;
		if (dot) {
			l->at++;
			key = word_at(l);
			if (key.len == 0) {
				bad(l, l->at, "expected a key after '.'");
				return;
			}
		} else if (!bracket_key(l, &key)) {
			return;
		}
		if (l->nseg == PATH_SEGS_MAX) {
			bad(l, from, "a field may be %d keys deep", PATH_SEGS_MAX);
			return;
		}
		l->seg[l->nseg++] = key;
	}
	l->tok = T_PATH;
}

/* ---- the rest ---- */

static void
symbol(struct lex *l)
{
	static const struct {
		char text[3];
		enum tok tok;
	} symbols[] = { { "==", T_EQ }, { "!=", T_NE }, { "<=", T_LE }, { ">=", T_GE }, { "=~", T_MATCH }, { "!~", T_NOMATCH },
		{ "&&", T_AND }, { "||", T_OR }, { "<", T_LT }, { ">", T_GT }, { "!", T_NOT }, { "+", T_ADD }, { "-", T_SUB },
		{ "*", T_MUL }, { "/", T_DIV }, { "(", T_LP }, { ")", T_RP }, { "[", T_LB }, { "]", T_RB }, { ",", T_COMMA },
		{ "{", T_LBRACE }, { "}", T_RBRACE } };
	static const struct {
		char text[3];
		const char *hint;
	} near[] = { { "<>", "; unequal is !=" }, { "=", "; equal is ==" }, { "&", "; and is `and` or &&" }, { "|", "; or is `or` or ||" },
		{ "%", "; a percentage has its % right after the number: 10%" }, { ".", "; a field is written a.b, without spaces" } };
	char two[3] = { peek(l, 0), peek(l, 1), '\0' };
	const char *hint = "";
	for (size_t i = COUNT_OF(near); i-- > 0;)
		if (strncmp(two, near[i].text, strlen(near[i].text)) == 0)
			hint = near[i].hint;
	if (l->selector && two[0] == '=' && two[1] != '=') {
		l->tok = T_EQ;
		l->at++;
		return;
	}
	bool wrong = two[0] == '<' && two[1] == '>';
	for (size_t i = 0; i < COUNT_OF(symbols) && !wrong; i++) {
		size_t n = strlen(symbols[i].text);
		if (strncmp(two, symbols[i].text, n) == 0) {
			l->tok = symbols[i].tok;
			l->at += n;
			return;
		}
	}
	bad(l, l->at, "unexpected '%.*s'%s", wrong ? 2 : 1, two, hint);
}
