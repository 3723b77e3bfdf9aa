/* regex.h - a bounded regular expression search (the only file that knows PCRE2).
 *
 * UTF, ASCII classes, JIT. The subject is cut at `subject` bytes (on a code point); match_limit holds at each start
 * offset; a search that ends at the limit is no match and is counted. Answers never depend on the machine: a pattern
 * gives the same answer by JIT and by interpretation. Refused at compile: \G, \C, control verbs such as (*COMMIT)
 * or (*LIMIT_MATCH=), callouts. A literal that every match must hold is looked for first (memmem).
 * Bounded work: at most match_limit steps at each of at most subject_max starts (10,000 * 8 KiB = 82 million with the
 * defaults); what a limit for each start does not stop is the quadratic search (\s+$ on 8 KiB of blanks): that is this sum.
 * struct regex is read-only after compile and shared by threads; struct regex_scratch serves one thread.
 */
#ifndef WEIR_REGEX_H
#define WEIR_REGEX_H

#include "core/base.h"

struct regex;
struct regex_scratch;

/* NULL on a bad pattern: e->text says what and *at the offset in the pattern. */
struct regex *regex_compile(struct str pattern, int64_t match_limit, int64_t subject_max, size_t *at, struct errinfo *e);
void regex_free(struct regex *r);
struct regex_scratch *regex_scratch_new(void);
void regex_scratch_free(struct regex_scratch *s);

enum regex_answer { REGEX_NO, REGEX_YES, REGEX_LIMIT /* no match, counted in *s */ };
/* subject is valid UTF-8 or not (then: no match on the invalid part; lone surrogates decoded by JSON escapes). */
enum regex_answer regex_search(const struct regex *r, struct regex_scratch *s, struct str subject);
/* The same by interpretation alone: for the test that says so, and where there is no JIT. */
enum regex_answer regex_interpret(const struct regex *r, struct regex_scratch *s, struct str subject);
uint64_t regex_limits_hit(const struct regex_scratch *s);

#endif
