/* config.h - weir.yaml and the rule files as checked structs.
 *
 * config_load reads everything, reports every mistake into diags and returns a config even then (do not start
 * on one with d->n > 0). All strings are owned by the config; config_free releases it whole.
 * Layering: config knows kinds only through the tables it is handed.
 */
#ifndef WEIR_CONFIG_H
#define WEIR_CONFIG_H

#include "config/field.h"
#include "core/alert.h"

struct text_at { /* a scalar and where it stands, for errors inside it */
	char *s; /* NULL: key absent */
	struct loc loc; /* of its first character, past a quote; later lines of a `|` text start at the same column */
};

struct source_conf {
	char *name;
	struct loc loc;
	const struct kind *kind; /* files, stdin ... */
	void *conf;              /* kind->conf_size bytes, filled by its fields */
	/* keys common to all sources */
	char *time;              /* dotted field, NULL: the usual names; see time_read */
	bool time_read;          /* time: read */
	nsec late, max_jump, idle, blind_after; /* 2s 1h 5s 1m */
	bool late_drop;          /* late_policy: drop */
	int format;              /* enum format */
	char *zone;              /* for stamps without an offset; NULL: UTC */
	int64_t max_record;      /* bytes, default 1 MiB */
};
enum format { FORMAT_JSON, FORMAT_CRI, FORMAT_DOCKER };

struct sink_conf {
	char *name;
	struct loc loc;
	const struct kind *kind;
	void *conf;
};

struct cond_def {              /* a condition: one for all levels, or one a level */
	bool given, by_level;
	struct text_at one;
	struct text_at level[LEVELS]; /* s NULL: no condition for that level */
};

enum no_data { NO_DATA_DEFAULT, NO_DATA_RESOLVE, NO_DATA_KEEP, NO_DATA_EVALUATE };

struct rule_def {
	struct loc loc;
	bool broken;             /* has mistakes, told: check its expressions (what is absent has s NULL), never run it */
	struct text_at name;
	struct text_at *from;    /* source names or "alerts"; nfrom 0: all */
	size_t nfrom;
	struct text_at where;
	struct text_at *by;
	size_t nby;
	/* record, window */
	struct cond_def when, resolve_when;
	nsec over, every;        /* NS_NONE: absent; same for all durations here. hold, learn, forget have their defaults */
	nsec for_[LEVELS];       /* a single `for` fills all; NS_NONE: none for that level */
	bool for_given;
	enum no_data no_data;
	nsec hold;
	/* pair */
	struct text_at open, close;
	nsec within;
	/* presence */
	nsec absent;
	struct text_at **expect; /* rows of nby values, each as the JSON text it has in a key: "w1", 3, true */
	size_t nexpect;
	struct text_at first;
	nsec learn;
	nsec forget;
	bool forget_given;       /* not the default */
	/* what the alert says */
	enum level severity;
	struct text_at title, text, runbook;
	struct strmap labels;
	struct text_at *context;
	size_t ncontext;
	struct text_at *fingerprint;
	size_t nfingerprint;
	bool shadow;
	int64_t max_keys;        /* default 100000 */
	int64_t max_values;      /* default 10000 */
	int64_t regex_limit, regex_subject; /* 10000, 8192 */
};

struct policy_def {          /* one entry; what later issues add is refused by name until then */
	struct loc loc;
	struct text_at match;    /* s NULL: matches all */
	struct strlist notify;
	bool cont;
	nsec settle;             /* default 2m */
	int64_t limit_n;         /* default 10 a limit_per; 0: no limit */
	nsec limit_per;
};

struct config {
	char *path, *dir;        /* of weir.yaml; relative paths in it are relative to dir */
	struct source_conf *source; /* in the order of their names, bytewise */
	size_t nsource;
	struct sink_conf *sink;  /* in file order */
	size_t nsink;
	struct rule_def *rule;   /* in the order of the rule files and of the rules in them */
	size_t nrule;
	struct policy_def *policy;
	size_t npolicy;
	struct strlist redact;
	char *state;             /* directory */
	nsec checkpoint;
	int64_t workers;         /* 0: auto */
	int64_t memory;
	nsec retain_alerts;
	nsec give_up;            /* outbox: 24h */
	struct strlist rule_env;
	struct strlist rule_file; /* what the globs of `rules:` named, for messages */
	void *doc;               /* private: the documents, kept for the file names in struct loc */
};

extern const struct field source_fields[]; /* the keys common to all sources, for help; offsets are the loader's own */

struct config *config_load(const char *path, const struct kind *const *sources, const struct kind *const *sinks,
	struct diags *d);
/* The same of a text, as if it stood in a file at path. */
struct config *config_load_text(const char *path, struct str text, const struct kind *const *sources,
	const struct kind *const *sinks, struct diags *d);
/* Rules alone (weir test, bench): files are rule files; no sources, no sinks. */
struct config *config_load_rules(const char *const *files, size_t n, struct diags *d);
/* The rules of one text; name is what messages call it. */
struct config *config_rules_text(const char *name, struct str text, struct diags *d);
void config_free(struct config *c);

#endif
