/* expr.h - the expression language of DESIGN section 4: text to one shared program, and its evaluation.
 *
 * All expressions of a rule set are compiled into one struct exprs. Equal sub-expressions are one node (hash-consed),
 * so a predicate shared by many rules has one number and, through the memo of struct eval, is computed once a record.
 * Three-valued logic: a test gives TRI_FALSE, TRI_TRUE or TRI_NULL.
 *
 * exprs is read-only after compilation and shared by threads; struct eval serves one thread.
 */
#ifndef WEIR_EXPR_H
#define WEIR_EXPR_H

#include "config/config.h"
#include "core/arena.h"
#include "core/record.h"
#include "core/regex.h"

enum vtype { V_NULL, V_BOOL, V_NUM, V_STR };

struct val {
	enum vtype type;
	union {
		bool b;
		double n;
		struct str s; /* view: lives as long as the record, the literal or eval's arena */
	};
};

enum tri { TRI_FALSE, TRI_TRUE, TRI_NULL };

/* Aggregate functions. Those marked later are known by name so that an error can say so. */
enum agg_fn {
	AGG_COUNT,   /* count() and count(P) */
	AGG_RATE,    /* rate(P): count per second of `over` */
	AGG_SUM, AGG_AVG, AGG_MIN, AGG_MAX, AGG_STDDEV,
	AGG_QUANTILE, /* pNN(F) */
	AGG_LAST, AGG_DISTINCT, AGG_INCREASE, AGG_CHANGES, AGG_STREAK, AGG_BASELINE,
	AGG_FNS
};

struct agg_use {         /* one distinct aggregate of one rule */
	enum agg_fn fn;
	int arg;         /* expression id of P or F; -1: count() */
	int arg2;        /* streak(P, F): F; -1 */
	double q;        /* AGG_QUANTILE: 0.5 ... 0.999 */
	nsec over;       /* own window, NS_NONE: the rule's */
	int inner;       /* AGG_BASELINE: index of A in the same list; -1 */
	nsec depth;      /* AGG_BASELINE: D */
};

struct aggs {            /* the aggregates of one rule, owned by it; { 0 } is empty */
	struct agg_use *v;
	size_t n, cap;
};

struct exprs;
struct eval;
struct exprs *exprs_new(struct paths *paths); /* paths grows as expressions name fields */
void exprs_free(struct exprs *x);

/* What an expression may name. */
struct scope {
	bool prev;            /* prev.FIELD (record rules' `when`) */
	struct aggs *aggs;    /* aggregates allowed and collected here (window rules); NULL: an error */
	const int *outside;   /* with aggs: slots that may be named outside aggregates (the `by` fields) */
	size_t noutside;
	bool by_source;       /* with aggs: @source is a `by` field, so it may stand outside them */
	int64_t regex_limit, regex_subject;
};

/* Compile text into x. Returns the expression's id (>= 0); on mistakes reports each at its line:col (t.loc plus the
 * place in the scalar) and returns -1. Constant parts are folded. */
int expr_compile(struct exprs *x, struct text_at t, const struct scope *scope, struct diags *d);
/* A field name alone (by, context, fingerprint, first): its slot, or -1 with a diag. Also @names when at is not NULL:
 * then *at is set to the expression id instead and -2 returned. */
int expr_field(struct exprs *x, struct text_at t, int *at, struct diags *d);

/* The left side, operator text and right side of the first comparison in reading order, for `value` and the default
 * sentence; false if it has none (then the whole expression is the value). */
bool expr_first_comparison(const struct exprs *x, int id, int *left, const char **op, int *right);
/* The nth conjunct at the top of id that is `field == literal` or `field in [literals]`: its slot and literals, for
 * hash dispatch. false when there are no more. lits is borrowed from x. */
bool expr_equality(const struct exprs *x, int id, size_t nth, int *slot, const struct val **lits, size_t *nlits);
/* Slots that id reads as prev.FIELD; returns how many (at most max are written). */
size_t expr_prev_slots(const struct exprs *x, int id, int *slots, size_t max);
/* All slots that id reads, of the record or as prev.FIELD, those behind @level included; same form. */
size_t expr_slots(const struct exprs *x, int id, int *slots, size_t max);
/* What id reads of the record itself that a tuple does not carry anyway. */
enum { EXPR_FILE = 1, EXPR_OFFSET = 2, EXPR_RAW = 4 };
unsigned expr_metas(const struct exprs *x, int id);
/* What kinds of value id asks of the fields it reads. want has a byte a slot: WANT_ bits are added for each; named is set
 * for each field read, also where any kind will do. as: what the expression as a whole is asked for. @level asks nothing. */
enum { WANT_BOOL = 1, WANT_NUM = 2, WANT_STR = 4 };
void expr_wants(const struct exprs *x, int id, unsigned as, uint8_t *want, bool *named);
/* The expression's text in a canonical spelling (same node, same text), and the program listing for --explain: one
 * line an instruction, operands first, `id` last. */
void val_text(const struct val *v, struct buf *out); /* as JSON; a number beyond the range of doubles as 1e999 */
bool expr_selects(const struct exprs *x, int id); /* does it read a metric selector? */
void expr_text(const struct exprs *x, int id, struct buf *out);
void expr_listing(const struct exprs *x, int id, struct buf *out);
/* Why id is what it is for the current record or key: a line a sub-expression of and, or, not, with both sides' values. */
void expr_why(const struct exprs *x, struct eval *e, int id, unsigned indent, struct buf *out);
/* id and the parts of its and, or, not, in order of reading: at most max are written. Gives how many there are. */
size_t expr_branches(const struct exprs *x, int id, int *ids, size_t max);
size_t exprs_shared(const struct exprs *x); /* memo slots: distinct predicates used more than once or by rules */

struct eval *eval_new(const struct exprs *x, struct regex_scratch *s);
void eval_free(struct eval *e);
/* A new record: forgets memos and numbers. prev (slots by paths number) and aggs may be NULL; source is @source.
 * The record and arena must stay until the next begin. O(1). */
void eval_begin(struct eval *e, const struct record *r, struct str source, struct arena *arena);
void eval_set_prev(struct eval *e, const struct slice *prev); /* NULL: no previous record: prev comparisons are null */
void eval_set_aggs(struct eval *e, const struct val *aggs);   /* by index in the rule's list */
enum tri eval_test(struct eval *e, int id);
struct val eval_value(struct eval *e, int id);
struct val eval_slot(struct eval *e, int slot); /* a field as value; numbers converted once a record */

#endif
