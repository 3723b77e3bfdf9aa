/* rule.h - a rule file's rules, compiled: what front and back share, read-only after ruleset_new.
 *
 * All expressions of all rules are one struct exprs (expr.h). A window rule's aggregates read *cells*: small folded
 * accumulators, one set a pane; equal ones are shared (avg(x) and sum(x), p50(x) and p95(x)). Rules with the same `by`
 * list share one key text a record (struct keyset). Rules with the same set of sources share one clock.
 */
#ifndef WEIR_RULE_H
#define WEIR_RULE_H

#include "config/config.h"
#include "core/redact.h"
#include "rules/expr.h"

#define BY_MAX 16     /* fields in a `by` list */
#define SOURCES_MAX 64 /* a clock is a set of sources in one word */

enum shape { SHAPE_RECORD, SHAPE_WINDOW, SHAPE_PAIR, SHAPE_PRESENCE, SHAPES };

enum cell_kind {
	CELL_COUNT,  /* records for which arg is true */
	CELL_SUM,    /* exact sum and number of numbers: sum, avg */
	CELL_SQUARES, /* exact sum of squares: stddev */
	CELL_MIN, CELL_MAX,
	CELL_SKETCH,  /* quantiles */
	CELL_DISTINCT,
	/* sequenced: filled by samples in order (cell.h) */
	CELL_LAST,
	CELL_GROWTH,  /* increase */
	CELL_CHANGES,
	CELL_STREAK,
	CELLS
};

struct cell_def {
	enum cell_kind kind;
	int arg;  /* expression id */
	int arg2; /* CELL_STREAK: F; -1 */
	bool labelled; /* growth and changes of a metric selector: its series are told apart by source and labels */
};

struct agg_def {         /* one aggregate of a rule: how its value comes from a cell */
	enum agg_fn fn;
	int cell;        /* -1: count() and its like read the number of records */
	int cell2;       /* stddev: the squares */
	int inner;       /* baseline: index of A */
	int64_t depth;   /* baseline: D in panes */
	double q;
	int64_t panes;   /* its window in panes */
	double seconds;  /* and in seconds, for rate */
};

struct template;

/* What an alert says of its record: slots carried from the record into the alert. */
struct carry {
	int *slot;
	size_t n, cap;
};

struct dispatch {        /* seen only by records whose slot holds one of these values; slot -1: by every record */
	int slot;
	const struct val *lits[2];
	size_t nlits[2];
};

struct rule {
	size_t index;            /* place in the rule files: the order of output */
	const struct rule_def *def;
	const char *name;
	enum shape shape;
	uint64_t sources;        /* bit a source index */
	size_t clock;            /* index in ruleset.clock */
	size_t keyset;           /* index in ruleset.keyset */
	int where;               /* expression ids; -1: absent */
	struct dispatch dispatch;

	/* record, window: a condition a level; without levels only `severity` has one */
	int when[LEVELS], resolve_when[LEVELS];
	int left[LEVELS], right[LEVELS]; /* sides of the first comparison: value and threshold; -1: none */
	const char *op[LEVELS];
	int resolve_left[LEVELS], resolve_right[LEVELS]; /* of resolve_when */
	const char *resolve_op[LEVELS];
	bool has_resolve, by_level;
	bool secret;             /* a side of a comparison is a field of `redact` */
	nsec for_[LEVELS];

	/* window */
	nsec every;
	nsec over;               /* rounded up to a multiple of every */
	int64_t panes;           /* of the longest window */
	int64_t own_panes;       /* of `over` */
	enum no_data no_data;
	struct aggs aggs;        /* as the expressions index them */
	struct agg_def *agg;     /* the same, resolved to cells */
	struct cell_def *cell;
	size_t ncell;
	bool sequenced;          /* some cell takes samples */
	int series_labels;       /* slot of the record's labels where a cell is labelled */
	int64_t depth;           /* the longest baseline's D, in panes; 0: none */
	uint32_t *fold_off, fold_cells; /* bytes of each cell's place in a fold, and of all (exchange.h) */
	size_t pane_class;       /* index in ruleset.every */

	/* record */
	nsec hold;
	int *prev;               /* slots whose previous values are kept */
	size_t nprev;
	unsigned metas;          /* what the back reads of the record itself: EXPR_FILE ... */
	/* pair */
	int open, close;
	nsec within;
	nsec forget;
	/* presence */
	nsec absent;             /* NS_NONE: a `first` rule */
	char **expect;           /* key texts of those expected */
	size_t nexpect;
	int first;               /* expression id of the field whose values are learnt */
	nsec learn;
	size_t keyset_out;       /* of the alert's key: for `first` the value joins it */

	struct carry carry;      /* what a tuple brings of its record, see exchange.h */
	bool samples;            /* the three newest lines are kept for {samples} */
	bool lines;              /* a tuple brings its raw line */
	int *context, *fingerprint; /* slots, as the rule lists them */
	int session_id[2], user_id[2], stage[2]; /* slots: plain and in extra */
	struct template *title, *text;
	char *labels;            /* JSON object */
	char *state_shape;       /* what its stored state depends on: equal text, state can be kept */
};

struct keyset {          /* one distinct `by` list */
	int slot[BY_MAX]; /* -1: an @name, whose expression is */
	int expr[BY_MAX];
	size_t n;
	char *name[BY_MAX];
	char *prefix[BY_MAX]; /* "{\"extra.stage\":" then ",\"b\":": written before each value */
};

struct clock_def {
	uint64_t sources;
};

struct ruleset {
	struct paths paths;
	struct exprs *exprs;
	struct rule *rule;
	size_t nrule;
	struct keyset *keyset;
	size_t nkeyset;
	struct clock_def *clock;
	size_t nclock;
	nsec *every;             /* distinct pane lengths: a record's pane number is computed once each */
	size_t nevery;
	struct redact *redact;
	const struct config *config;
};

/* Compile the rules of c. Mistakes go to d; the set must not be used if d->n grew. c must outlive it. */
struct ruleset *ruleset_new(const struct config *c, struct diags *d);
void ruleset_free(struct ruleset *rs);
int rule_carries(struct rule *r, int slot); /* index in carry of slot, added if new */

#endif
