/* cmd.h - the command line: one table of commands that parses, binds and documents itself.
 *
 * A row names a command, its options and its function; `weir help` is printed from the same rows that parsing reads.
 * All errors are told at once as text with exit code 2. Adding a command: a row in cmd.c and a file cmd_NAME.c.
 */
#ifndef WEIR_CMD_H
#define WEIR_CMD_H

#include "core/buf.h"

#define WEIR_VERSION "0.1.0"

enum cmd_exit { CMD_DONE = 0, CMD_FOUND = 1, CMD_USAGE = 2, CMD_FAILED = 3 };

struct cmd_opts {        /* the bound values of all options; what a command does not take keeps its default */
	const char *config;  /* -c F; strings are views of argv */
	const char *state;   /* --state DIR or NULL */
	const char *source;  /* --source NAME or NULL */
	const char *junit;   /* --junit F or NULL */
	const char *only;    /* --run PATTERN or NULL */
	bool json, reset_state, send, explain, coverage;
	nsec until;          /* 0 */
	nsec drain;          /* 60s */
	nsec from, to;       /* NS_NONE: no bound */
	int64_t jobs;        /* -j N; 0: as the configuration says */
	const char **operand; /* NULL-ended; owned by the struct */
	size_t noperand;
};

enum cmd_opt_type {
	OPT_FLAG, /* bool */
	OPT_STR,  /* const char *, not empty */
	OPT_INT,  /* int64_t within min..max */
	OPT_DUR,  /* nsec: 250ms 5s 10m 1h 7d */
	OPT_TIME  /* nsec since the epoch: RFC 3339 */
};

struct cmd_opt {
	const char *name; /* without --; a table ends with NULL */
	char letter;      /* -c, or 0 */
	enum cmd_opt_type type;
	size_t off;       /* offsetof in struct cmd_opts */
	bool required;
	const char *metavar, *help;
	int64_t min, max; /* OPT_INT */
	const char *needs; /* another option without which this one says nothing; NULL */
};

struct cmd {
	const char *name;
	const char *help;         /* one line, no full stop */
	const char *more;         /* what `weir help COMMAND` adds after the options; NULL */
	const struct cmd_opt *opts;
	const char *operands;     /* for the usage line: "[FILE..]"; NULL: takes none */
	size_t max_operands;
	const char *any_of[2];    /* at least one of these options must be given; NULL: no such rule */
	int (*run)(const struct cmd_opts *o); /* gives an enum cmd_exit; NULL: answered by the command line itself */
	bool later;               /* known by name, in no released version yet */
};

extern const struct cmd cmds[]; /* ended by a row with name NULL */

/* Read argv (argv[0] is the program). CMD_DONE with *c: bound, call (*c)->run. CMD_DONE without: said is for stdout.
 * CMD_USAGE: said tells what is wrong. o is valid after every answer until cmd_opts_free. */
int cmd_line(int argc, char *const *argv, struct cmd_opts *o, const struct cmd **c, struct buf *said) MUST_CHECK;
void cmd_opts_free(struct cmd_opts *o);
/* cmd_line, then run or print: the whole program but for the process's own settings. */
int cmd_main(int argc, char *const *argv) MUST_CHECK;

/* help.c: `weir help [TOPIC]` into out; false for an unknown topic (out then holds the message). */
bool help_topic(const char *topic, struct buf *out) MUST_CHECK;
bool help_aggregate(const char *name, struct buf *out) MUST_CHECK; /* `weir help aggregate NAME`: the same */
void help_overview(struct buf *out);
void help_cmd(const struct cmd *c, struct buf *out);

int cmd_run(const struct cmd_opts *o);
int cmd_replay(const struct cmd_opts *o);
int cmd_check(const struct cmd_opts *o);
int cmd_status(const struct cmd_opts *o);
int cmd_test_files(const struct cmd_opts *o);

#endif
