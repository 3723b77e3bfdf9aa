/* ruletest.h - rule unit tests: records on a virtual clock through the engine itself, and what is expected of the alerts.
 *
 * A test file is read into a struct rt_file: its rules compiled, its tests checked. rt_run feeds one test's records through
 * front and back as a replay does and keeps its transitions; an expectation at T looks at the last transition of each key up
 * to T, so asking changes nothing. A failed test is run once more with watchers, which say why (ruletest_why.c).
 * Times are ns since 1970; RT_EPOCH is where a test's durations count from.
 */
#ifndef WEIR_RULETEST_H
#define WEIR_RULETEST_H

#include "config/bind.h"
#include "core/app.h"

#define RT_EPOCH (INT64_C(946684800) * NS_PER_S) /* 2000-01-01T00:00:00Z */
#define RT_RECORDS_MAX 10000000                  /* of one test */
#define RT_TESTS_MAX 10000                       /* of one file */
#define RT_TEXT_MAX (16 << 20)

struct rt_line {            /* one line of `records:`: count records */
	nsec at, every;
	int64_t count;
	const char *json;   /* view of the document; {n} stands for 0, 1, .. */
	size_t len;
	bool numbered;      /* has an {n} */
	bool stamped;       /* its records have the source's time field */
	size_t source;
};

enum rt_kind { RT_AT, RT_NEVER, RT_COUNT };
enum rt_state { RT_ANY, RT_OK, RT_PENDING, RT_FIRING, RT_RESOLVED, RT_STATES };
extern const char *const rt_state_name[RT_STATES];

/* What an expectation may name of a transition. */
enum rt_want { RT_LEVEL, RT_VALUE, RT_NUMBER, RT_TITLE, RT_MESSAGE, RT_CAUSE, RT_RUNBOOK, RT_SESSION, RT_USER, RT_STAGE, RT_LABELS,
	RT_METADATA, RT_EVENT, RT_WANTS };
extern const char *const rt_want_name[RT_WANTS];

struct rt_expect {
	enum rt_kind kind;
	struct loc loc;
	nsec at;
	const struct rule *rule;
	enum rt_state state;
	const struct node *key;             /* a mapping, or NULL: any key */
	const struct node *want[RT_WANTS];  /* NULL: not compared */
	enum event event;                   /* RT_COUNT: of these, */
	int64_t is;                         /* so many */
};

struct rt_test {
	const char *name;
	struct loc loc;
	struct rt_line *line;
	size_t nline, cap_line;
	struct strlist file;    /* records_file */
	size_t source;
	nsec until;             /* NS_NONE: the last record, or the last `at` */
	struct rt_expect *expect;
	size_t nexpect;
	/* what came of it */
	bool skipped;           /* not asked for */
	bool failed, broken;    /* broken: its records could not be read, told in what */
	double seconds;
	struct buf what;        /* for people: a failed expectation after the other */
};

struct rt_file {
	char *path;
	struct doc *doc;
	struct app app;                 /* config, rules, fronts; diags: every mistake */
	struct source_conf *own;        /* with `rules:`: the sources made here, the nameless one first; config borrows them */
	size_t nown;
	struct rt_test *test;
	size_t ntest;
};

/* ruletest_load.c: false: mistakes, all of them in f->app.diags. rt_file_free either way. */
bool rt_load(struct rt_file *f, const char *path);
void rt_file_free(struct rt_file *f);

/* ruletest_lines.c */
struct rt_reader {          /* of records as the front reads them */
	struct parser *parser;
	struct record rec;
	struct arena arena;
	const struct front_source *source;
};
void rt_lines_take(struct rt_reader *r, const struct bind *b, struct rt_test *t, const struct node *v, size_t source);
void rt_line_json(const struct rt_line *line, int64_t n, struct buf *out); /* n in place of {n} */
struct rt_arrival {
	nsec at;
	uint32_t line;
	int64_t n;
};
struct rt_arrival *rt_arrivals(const struct rt_file *f, const struct rt_test *t, size_t *n); /* in order; the caller's */

/* ruletest.c */
struct rt_log {             /* transitions in order, owned */
	struct alert *v;
	size_t n, cap;
};
struct rt_cover;
void rt_run(struct rt_file *f, struct rt_test *t, struct rt_cover *cover);
void rt_log_free(struct rt_log *log);
/* Feed everything; transitions up to `until` in log. front, back: watchers or NULL. false: told in t->what. */
bool rt_feed(struct rt_file *f, struct rt_test *t, front_watcher *front, back_watcher *back, void *arg, struct rt_log *log);

/* ruletest_why.c: the failed expectations of one test, explained. */
struct rt_ask {             /* why was the rule so, up to at? */
	const struct rule *rule;
	const struct node *key;
	char *exact;        /* or this very key; owned */
	nsec at;
	struct buf said;    /* the answer */
};
void rt_why(struct rt_file *f, struct rt_test *t, struct rt_ask *ask, size_t n);

/* ruletest_check.c */
bool rt_check(const struct rt_test *t, const struct rt_expect *x, const struct rt_log *log, struct rt_ask *ask, struct buf *what);
bool rt_key_matches(const struct node *want, const char *key); /* what want names stands so in the JSON object key */
void rt_time(nsec t, struct buf *out);                     /* 45s, 1h; far from the epoch as RFC 3339 */

/* ruletest_cover.c */
struct rt_cover *rt_cover_new(void);
void rt_cover_free(struct rt_cover *c);
void rt_cover_front(void *arg, struct eval *e, const struct front_source *s, const struct record *r);
void rt_cover_back(void *arg, struct eval *e, const struct rule *r, struct str key, nsec at);
void rt_cover_file(struct rt_cover *c, const struct rt_file *f); /* the watchers' next records are of this file's rules */
void rt_cover_fired(struct rt_cover *c, const struct rt_log *log);
void rt_cover_report(const struct rt_cover *c, struct buf *out);

/* ruletest_report.c */
void rt_report_test(const struct rt_file *f, const struct rt_test *t, struct buf *out);
void rt_report_junit(struct rt_file *const *f, size_t n, struct buf *out);

#endif
