/* cmd.c - the commands of weir as one table, and the reading of a command line by it.
 * In: argv.  Out: struct cmd_opts for a command's function, or a text and an exit code.  Next: cmd_NAME.c
 * Owns: the list of operands; strings stay argv's.
 * Never: prints (but cmd_main), exits, or takes a part of an option's name for the whole.
 */
#include "core/cmd.h"

#include "core/diag.h"
#include "core/num.h"
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SAID_MAX (256 * 1024)
#define JOBS_MAX 256
#define NAMES_MAX 64

/* clang-format off */
#define CONFIG(req) { .name = "config", .letter = 'c', .type = OPT_STR, .off = offsetof(struct cmd_opts, config), \
	.required = (req), .metavar = "F", .help = "the configuration file" }
#define JSON(what) { .name = "json", .type = OPT_FLAG, .off = offsetof(struct cmd_opts, json), .help = (what) }

static const struct cmd_opt opts_run[] = {
	CONFIG(true),
	{ .name = "reset-state", .type = OPT_FLAG, .off = offsetof(struct cmd_opts, reset_state),
		.help = "set a corrupt or unreadable state aside, say what is lost, and start empty" },
	{ 0 },
};
static const struct cmd_opt opts_replay[] = {
	CONFIG(true),
	JSON("one JSON object a transition"),
	{ .name = "until", .type = OPT_DUR, .off = offsetof(struct cmd_opts, until), .metavar = "D",
		.help = "at the end of input, let time go on by D (default 0)" },
	{ .name = "jobs", .letter = 'j', .type = OPT_INT, .off = offsetof(struct cmd_opts, jobs), .metavar = "N",
		.help = "parse threads (default: workers of the configuration)", .min = 1, .max = JOBS_MAX },
	{ .name = "from", .type = OPT_TIME, .off = offsetof(struct cmd_opts, from), .metavar = "T",
		.help = "only records from T on (RFC 3339)" },
	{ .name = "to", .type = OPT_TIME, .off = offsetof(struct cmd_opts, to), .metavar = "T",
		.help = "only records before T (RFC 3339)" },
	{ .name = "source", .type = OPT_STR, .off = offsetof(struct cmd_opts, source), .metavar = "NAME",
		.help = "read the files as this source, where there are several of kind files" },
	{ .name = "state", .type = OPT_STR, .off = offsetof(struct cmd_opts, state), .metavar = "DIR",
		.help = "apply the steps that the live run with this state directory recorded, and end where it stood" },
	{ .name = "send", .type = OPT_FLAG, .off = offsetof(struct cmd_opts, send),
		.help = "deliver to the sinks too, in a state of its own" },
	{ .name = "drain", .type = OPT_DUR, .off = offsetof(struct cmd_opts, drain), .metavar = "D",
		.help = "with --send: wait up to D for deliveries (default 60s)", .needs = "send" },
	{ 0 },
};
static const struct cmd_opt opts_check[] = {
	CONFIG(true),
	{ .name = "explain", .type = OPT_FLAG, .off = offsetof(struct cmd_opts, explain),
		.help = "also print what the rules were compiled to" },
	{ .name = "source", .type = OPT_STR, .off = offsetof(struct cmd_opts, source), .metavar = "NAME",
		.help = "read the logs as this source, where there are several of kind files" },
	{ 0 },
};
static const struct cmd_opt opts_test[] = {
	{ .name = "run", .type = OPT_STR, .off = offsetof(struct cmd_opts, only), .metavar = "PATTERN",
		.help = "only tests whose name holds PATTERN or fits it (* ? [..])" },
	{ .name = "junit", .type = OPT_STR, .off = offsetof(struct cmd_opts, junit), .metavar = "F",
		.help = "also write the results to F as JUnit XML" },
	{ .name = "coverage", .type = OPT_FLAG, .off = offsetof(struct cmd_opts, coverage),
		.help = "rules that never fired, and parts of conditions that were never true or never false" },
	{ 0 },
};
static const char more_test[] =
	"rules: ../rules/media.yaml            # or a list; or config: ../weir.yaml, with its sources\n"
	"tests:\n"
	"- name: one failing stage pages once and clears\n"
	"  records: |                           # TIME [xN] [every D] {JSON}; {n} counts from 0\n"
	"    0s  x38  every 1s  {\"stage\":\"merge\",\"level\":\"INFO\",\"id\":{n}}\n"
	"    38s x5   every 1s  {\"stage\":\"merge\",\"level\":\"ERROR\"}\n"
	"    1m2s {\"stage\":\"merge\",\"level\":\"INFO\"}\n"
	"  until: 30m                           # default: the last record, or the last `at`\n"
	"  expect:\n"
	"  - {at: 45s, rule: error-rate, state: firing, key: {stage: merge}, level: critical}\n"
	"  - {never: stuck-session}             # fires for no key, or not for key: {..}\n"
	"  - {count: {rule: error-rate, event: firing, is: 1}}\n"
	"\n"
	"Times count from 2000-01-01T00:00:00Z; a time as in logs is taken too. `at` asks for the state after everything of that\n"
	"instant: ok (no alert), pending, firing, resolved. Only what is named is compared: key, level, value, count, title, message,\n"
	"labels, metadata, cause, runbook, session_id, user_id, stage, event; all of one alert, as last told; any key that fits.\n"
	"records_file: F  takes real logs, their times, and the source's format. source: NAME  says which source the records are of;\n"
	"records: {NAME: |..}  feeds several.\n";
static const struct cmd_opt opts_status[] = {
	CONFIG(false),
	{ .name = "state", .type = OPT_STR, .off = offsetof(struct cmd_opts, state), .metavar = "DIR",
		.help = "the state directory, instead of a configuration that names it" },
	JSON("as one JSON object"),
	{ 0 },
};
static const struct cmd_opt opts_none[] = { { 0 } };

const struct cmd cmds[] = {
	{ .name = "run", .help = "follow the sources and deliver alerts until told to stop (SIGTERM, SIGINT)",
		.opts = opts_run, .run = cmd_run },
	{ .name = "replay", .help = "archived logs through the same engine; prints each transition",
		.opts = opts_replay, .operands = "[FILE..]", .max_operands = SIZE_MAX, .run = cmd_replay },
	{ .name = "check", .help = "all that can be wrong in a configuration; with logs: what each rule would see in them",
		.opts = opts_check, .operands = "[-- LOG..]", .max_operands = SIZE_MAX, .run = cmd_check },
	{ .name = "test", .help = "rule unit tests: records on a virtual clock, and what the alerts should be",
		.more = more_test, .opts = opts_test, .operands = "FILE..", .max_operands = SIZE_MAX, .run = cmd_test_files },
	{ .name = "status", .help = "health and figures of a running or stopped weir",
		.opts = opts_status, .any_of = { "config", "state" }, .run = cmd_status },
	{ .name = "help", .help = "this page; or a command, source, sink, rule, aggregate, or one kind of source or sink",
		.opts = opts_none, .operands = "[TOPIC] [NAME]", .max_operands = 2 },
	{ .name = "version", .help = "the version", .opts = opts_none },
	{ .name = "alerts", .help = "list, show, acknowledge, resolve, silence", .later = true },
	{ .name = "tap", .help = "records and transitions as they pass", .later = true },
	{ .name = "top", .help = "live rates", .later = true },
	{ .name = "reload", .help = "take a changed configuration", .later = true },
	{ .name = "fire", .help = "a drill through the real sinks", .later = true },
	{ .name = "token", .help = "bearer tokens for the API", .later = true },
	{ .name = "init", .help = "write a first configuration", .later = true },
	{ 0 },
};
/* clang-format on */

static const struct cmd *
cmd_find(const char *name)
{
	for (const struct cmd *c = cmds; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static void
opts_init(struct cmd_opts *o, size_t argc)
{
	*o = (struct cmd_opts){ .drain = 60 * NS_PER_S, .from = NS_NONE, .to = NS_NONE };
	o->operand = xcalloc(argc + 1, sizeof *o->operand);
}

void
cmd_opts_free(struct cmd_opts *o)
{
	free(o->operand);
	o->operand = NULL;
	o->noperand = 0;
}

static int
unknown_cmd(const char *word, struct buf *said)
{
	const char *names[NAMES_MAX];
	size_t n = 0;
	for (const struct cmd *c = cmds; c->name && n < NAMES_MAX; c++)
		if (!c->later)
			names[n++] = c->name;
	const char *near = nearest(str_of(word), names, n);
	buf_printf(said, "weir: unknown command '%s'; ", word);
	if (near)
		buf_printf(said, "did you mean '%s'?\n", near);
	else
		buf_addz(said, "`weir help` lists the commands\n");
	return CMD_USAGE;
}

static int
unknown_opt(const struct cmd *c, struct str word, bool is_long, struct buf *said)
{
	const char *names[NAMES_MAX];
	size_t n = 0;
	for (const struct cmd_opt *p = c->opts; p->name && n < NAMES_MAX; p++)
		names[n++] = p->name;
	const char *near = is_long ? nearest(word, names, n) : NULL;
	buf_printf(said, "weir %s: unknown option '%s%.*s'; ", c->name, is_long ? "--" : "-", STR_ARG(word));
	if (near)
		buf_printf(said, "did you mean '--%s'?\n", near);
	else
		buf_printf(said, "`weir help %s` lists its options\n", c->name);
	return CMD_USAGE;
}

/* Bind a value; the message names what the option wants and an example of it. */
static int
bind_value(const struct cmd *c, const struct cmd_opt *p, const char *value, struct cmd_opts *o, struct buf *said)
{
	char *at = (char *)o + p->off;
	const char *wants = NULL;
	switch (p->type) {
	case OPT_FLAG:
		memcpy(at, &(bool){ true }, sizeof(bool));
		break;
	case OPT_STR:
		if (*value)
			memcpy(at, &value, sizeof value);
		else
			wants = "a value that is not empty";
		break;
	case OPT_INT: {
		char *end = NULL;
		errno = 0;
		int64_t v = strtoll(value, &end, 10);
		if (*value < '0' || *value > '9' || errno || *end || v < p->min || v > p->max)
			wants = "a whole number";
		else
			memcpy(at, &v, sizeof v);
		break;
	}
	case OPT_DUR:
	case OPT_TIME: {
		nsec t;
		bool good = p->type == OPT_DUR ? dur_parse(str_of(value), &t) : stamp_parse(str_of(value), NULL, &t);
		if (!good)
			wants = p->type == OPT_DUR ? "a duration with its unit, such as 250ms, 30s, 5m or 1h" :
						     "a time, such as 2026-11-25T12:00:00Z";
		else
			memcpy(at, &t, sizeof t);
		break;
	}
	}
	if (!wants)
		return CMD_DONE;
	buf_printf(said, "weir %s: --%s wants %s", c->name, p->name, wants);
	if (p->type == OPT_INT)
		buf_printf(said, " from %lld to %lld", (long long)p->min, (long long)p->max);
	buf_printf(said, ", not '%s'\n", value);
	return CMD_USAGE;
}

static const struct cmd_opt *
opt_find(const struct cmd *c, struct str name, char letter)
{
	for (const struct cmd_opt *p = c->opts; p->name; p++)
		if (letter ? p->letter == letter : str_eq(str_of(p->name), name))
			return p;
	return NULL;
}

struct scan {
	const struct cmd *c;
	char *const *argv;
	int argc, at;           /* the next argument */
	uint64_t given;         /* by index in c->opts */
	bool help;
};

/* One argument that begins with '-': --opt V, --opt=V, -o V, -oV. */
static int
take_opt(struct scan *s, struct cmd_opts *o, struct buf *said)
{
	const char *arg = s->argv[s->at++];
	bool is_long = arg[1] == '-';
	struct str name;
	const char *value = NULL;
	if (is_long) {
		const char *eq = strchr(arg, '=');
		name = (struct str){ arg + 2, eq ? (size_t)(eq - arg) - 2 : strlen(arg) - 2 };
		value = eq ? eq + 1 : NULL;
	} else {
		name = (struct str){ arg + 1, 1 };
		value = arg[2] ? arg + 2 : NULL;
	}
	if (str_eq(name, is_long ? STR("help") : STR("h")) && !value) {
		s->help = true;
		return CMD_DONE;
	}
	const struct cmd_opt *p = opt_find(s->c, name, is_long ? '\0' : *name.ptr);
	if (!p)
		return unknown_opt(s->c, is_long ? name : str_of(arg + 1), is_long, said);
	s->given |= UINT64_C(1) << (p - s->c->opts);
	if (p->type == OPT_FLAG) {
		if (!value)
			return bind_value(s->c, p, "", o, said);
		buf_printf(said, "weir %s: --%s takes no value\n", s->c->name, p->name);
		return CMD_USAGE;
	}
	if (!value && s->at < s->argc && (s->argv[s->at][0] != '-' || s->argv[s->at][1] == '\0'))
		value = s->argv[s->at++];
	if (!value) {
		buf_printf(said, "weir %s: --%s needs a value: --%s %s\n", s->c->name, p->name, p->name, p->metavar);
		return CMD_USAGE;
	}
	return bind_value(s->c, p, value, o, said);
}

/* What holds between options. */
static int
check_together(const struct scan *s, const struct cmd_opts *o, struct buf *said)
{
	const struct cmd *c = s->c;
	bool any = !c->any_of[0];
	for (const struct cmd_opt *p = c->opts; p->name; p++) {
		bool given = s->given >> (p - c->opts) & 1;
		const struct cmd_opt *needs = given && p->needs ? opt_find(c, str_of(p->needs), 0) : NULL;
		if (needs && !(s->given >> (needs - c->opts) & 1)) {
			buf_printf(said, "weir %s: --%s does nothing without --%s\n", c->name, p->name, p->needs);
			return CMD_USAGE;
		}
		if (p->required && !given) {
			buf_printf(said, "weir %s: needs -%c %s, %s\n", c->name, p->letter, p->metavar, p->help);
			return CMD_USAGE;
		}
		for (size_t i = 0; i < COUNT_OF(c->any_of); i++)
			any |= given && c->any_of[i] && strcmp(c->any_of[i], p->name) == 0;
	}
	if (!any) {
		buf_printf(said, "weir %s: needs --%s or --%s; `weir help %s` tells more\n", c->name, c->any_of[0], c->any_of[1],
			c->name);
		return CMD_USAGE;
	}
	if (o->noperand > c->max_operands) {
		buf_printf(said, "weir %s: unexpected argument '%s'; `weir help %s` tells what it takes\n", c->name,
			o->operand[c->max_operands], c->name);
		return CMD_USAGE;
	}
	if (o->from != NS_NONE && o->to != NS_NONE && o->from >= o->to) {
		buf_printf(said, "weir %s: --from must be before --to\n", c->name);
		return CMD_USAGE;
	}
	return CMD_DONE;
}

static const char *
top_word(const char *word)
{
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return "help";
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		return "version";
	return word;
}

int
cmd_line(int argc, char *const *argv, struct cmd_opts *o, const struct cmd **c, struct buf *said)
{
	*c = NULL;
	opts_init(o, argc > 0 ? (size_t)argc : 0);
	if (argc < 2) {
		help_overview(said);
		return CMD_USAGE;
	}
	const char *word = top_word(argv[1]);
	struct scan s = { .c = cmd_find(word), .argv = argv, .argc = argc, .at = 2 };
	if (!s.c)
		return unknown_cmd(word, said);
	if (s.c->later) {
		buf_printf(said, "weir: '%s' is not in version " WEIR_VERSION " (%s)\n", s.c->name, s.c->help);
		return CMD_USAGE;
	}
	for (bool options = true; s.at < argc;) {
		const char *arg = argv[s.at];
		int answer = CMD_DONE;
		if (options && strcmp(arg, "--") == 0) {
			options = false;
			s.at++;
		} else if (options && arg[0] == '-' && arg[1]) {
			answer = take_opt(&s, o, said);
		} else {
			o->operand[o->noperand++] = arg;
			s.at++;
		}
		if (answer != CMD_DONE)
			return answer;
	}
	if (s.help) {
		help_cmd(s.c, said);
		return CMD_DONE;
	}
	int answer = check_together(&s, o, said);
	if (answer != CMD_DONE)
		return answer;
	if (s.c->run) {
		*c = s.c;
		return CMD_DONE;
	}
	if (strcmp(s.c->name, "version") == 0)
		buf_addz(said, "weir " WEIR_VERSION "\n");
	else if (o->noperand == 0)
		help_overview(said);
	else if (o->noperand == 2 && strcmp(o->operand[0], "aggregate") == 0)
		return help_aggregate(o->operand[1], said) ? CMD_DONE : CMD_USAGE;
	else if (o->noperand == 2) {
		buf_printf(said, "weir help: unexpected argument '%s'; one topic at a time\n", o->operand[1]);
		return CMD_USAGE;
	}
	else if (!help_topic(o->operand[0], said))
		return CMD_USAGE;
	return CMD_DONE;
}

int
cmd_main(int argc, char *const *argv)
{
	struct buf said;
	struct cmd_opts o;
	const struct cmd *c;
	buf_init(&said, SAID_MAX);
	int answer = cmd_line(argc, argv, &o, &c, &said);
	fputs(buf_z(&said), answer == CMD_DONE ? stdout : stderr);
	buf_free(&said);
	if (c)
		answer = c->run(&o);
	cmd_opts_free(&o);
	/* What was promised on stdout must have got there. A reader that went away (head) knows so itself. */
	errno = 0;
	bool bad = fflush(stdout) != 0 || ferror(stdout) != 0;
	if (bad && answer == CMD_DONE) {
		if (errno != EPIPE)
			fprintf(stderr, "weir: writing to standard output failed: %s\n", errno ? strerror(errno) : "see above");
		answer = CMD_FAILED;
	}
	return answer;
}
