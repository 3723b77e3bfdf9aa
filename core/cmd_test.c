/* cmd_test.c - the command line: binding, every kind of mistake, and help that fits the tables. */
#include "core/cmd.h"

#include "core/tap.h"
#include "ingest/source.h"
#include "sinks/sink.h"

#define ARGS_MAX 32

static struct cmd_opts o;
static const struct cmd *c;
static struct buf said;

/* Reads "weir " + line cut at spaces. The answers stay until the next call. */
static int
run_line(const char *line)
{
	static char text[512];
	static char *argv[ARGS_MAX];
	int argc = 0;
	size_t n = strlen(line);
	must(n < sizeof text);
	memcpy(text, line, n + 1);
	argv[argc++] = text + n; /* "" */
	for (char *p = text; *p;) {
		must(argc < ARGS_MAX);
		argv[argc++] = p;
		p += strcspn(p, " ");
		if (*p)
			*p++ = '\0';
	}
	cmd_opts_free(&o);
	buf_clear(&said);
	return cmd_line(argc, argv, &o, &c, &said);
}

static bool
told(const char *part)
{
	return str_has(buf_str(&said), str_of(part));
}

static void
binds(void)
{
	ok(run_line("replay -c w.yaml --json --until 30m -j 4 --source app --state st --send --drain=5s a.log b.log") == 0,
		"replay with all its options");
	ok(c && strcmp(c->name, "replay") == 0 && c->run == cmd_replay, "finds its function");
	isz(o.config, "w.yaml", "-c F");
	ok(o.json && o.send && !o.explain && !o.reset_state, "flags");
	ok(o.until == 1800 * NS_PER_S && o.drain == 5 * NS_PER_S, "durations");
	ok(o.jobs == 4, "-j N");
	isz(o.source, "app", "--source");
	isz(o.state, "st", "--state");
	ok(o.noperand == 2 && !o.operand[2], "two operands, NULL after them");
	isz(o.operand[1], "b.log", "operands keep their order");

	ok(run_line("replay a.log --config=w.yaml --from 2026-11-25T12:00:00+01:00 b.log --to=2026-11-25T12:00:00Z") == 0,
		"options after operands");
	ok(o.from == INT64_C(1795604400) * NS_PER_S, "--from in ns");
	ok(o.to - o.from == 3600 * NS_PER_S, "--to is an hour later");
	ok(o.noperand == 2, "operands around options");

	ok(run_line("replay -cw.yaml -j8") == 0 && o.jobs == 8, "letters with joined values");
	isz(o.config, "w.yaml", "-cF");
	ok(o.until == 0 && o.drain == 60 * NS_PER_S && o.from == NS_NONE && o.to == NS_NONE && !o.state, "defaults");
	ok(run_line("check -c w.yaml -- --json -x") == 0 && o.noperand == 2, "-- ends options");
	isz(o.operand[0], "--json", "what follows -- is an operand");
	ok(run_line("replay -c a -c b -") == 0 && strcmp(o.config, "b") == 0 && strcmp(o.operand[0], "-") == 0,
		"the last wins; - is an operand");
	ok(run_line("status --state d --json") == 0 && c->run == cmd_status, "status by directory");
	ok(run_line("run -c w --reset-state") == 0 && o.reset_state, "run");
}

static void
mistakes(void)
{
	static const struct {
		const char *line, *says;
	} v[] = {
		{ "", "usage:" },
		{ "rum -c w", "did you mean 'run'" },
		{ "xyzzy", "weir help" },
		{ "run", "needs -c F" },
		{ "run -c", "--config needs a value" },
		{ "run -c --reset-state", "--config needs a value" },
		{ "run -c w x", "unexpected argument 'x'" },
		{ "run -c w --reset-stat", "did you mean '--reset-state'" },
		{ "run -c w --jso", "weir help run" },
		{ "run -c w -z", "unknown option '-z'" },
		{ "run -c w --reset-state=yes", "takes no value" },
		{ "run --config=", "not empty" },
		{ "replay -c w --until 30", "duration with its unit" },
		{ "replay -c w --unti 30m", "did you mean '--until'" },
		{ "replay -c w -j 0", "from 1 to" },
		{ "replay -c w -j 4x", "whole number" },
		{ "replay -c w -j +4", "whole number" },
		{ "replay -c w -j 99999999999999999999", "whole number" },
		{ "replay -c w --from yesterday", "2026-11-25T12:00:00Z" },
		{ "replay -c w --from 2026-11-25T12:00:00Z --to 2026-11-25T12:00:00Z", "before --to" },
		{ "status --json", "--config or --state" },
		{ "tap x", "is not in version" },
		{ "test --coverag x", "did you mean '--coverage'" },
		{ "help slak", "did you mean 'slack'" },
		{ "help nosuchthing", "source, sink and rule" },
		{ "help run replay", "unexpected argument 'replay'" },
		{ "version x", "unexpected argument" },
	};
	for (size_t i = 0; i < COUNT_OF(v); i++)
		if (!ok(run_line(v[i].line) == CMD_USAGE && !c && told(v[i].says), "refused: weir %s", v[i].line))
			printf("# said: %s", buf_z(&said));
}

static void
helps(void)
{
	ok(run_line("--version") == 0 && !c && told("weir " WEIR_VERSION "\n"), "--version");
	ok(run_line("version") == 0 && told(WEIR_VERSION), "version");
	ok(run_line("--help") == 0 && told("\n  replay "), "--help lists the commands");
	for (const struct cmd *p = cmds; p->name; p++) {
		char line[64];
		snprintf(line, sizeof line, "\n  %s ", p->name);
		if (p->later)
			ok(!told(line), "--help leaves out %s", p->name);
	}
	for (const struct cmd *p = cmds; p->name; p++) {
		if (p->later)
			continue;
		char line[64];
		snprintf(line, sizeof line, "help %s", p->name);
		bool good = run_line(line) == 0 && !c;
		for (const struct cmd_opt *q = p->opts; q->name; q++)
			good = good && told(q->name) && told(q->help);
		ok(good, "weir %s names all its options", line);
		snprintf(line, sizeof line, "%s --help", p->name);
		ok(run_line(line) == 0 && !c && told("usage: weir"), "weir %s wants nothing else", line);
	}
	const struct {
		const char *page;
		const struct kind *const *kinds;
	} v[] = { { "sink", sink_kinds }, { "source", source_kinds } };
	for (size_t i = 0; i < COUNT_OF(v); i++) {
		for (const struct kind *const *k = v[i].kinds; *k; k++) {
			char line[64];
			snprintf(line, sizeof line, "help %s", v[i].page);
			ok(run_line(line) == 0 && told((*k)->help), "weir %s tells of %s", line, (*k)->name);
			snprintf(line, sizeof line, "help %s", (*k)->name);
			bool good = run_line(line) == 0;
			for (const struct field *f = (*k)->fields; f && f->name; f++)
				good = good && told(f->name);
			ok(good, "weir %s names all its fields", line);
		}
	}
	ok(run_line("help rule") == 0 && told("resolve_when") && told("=~") && told("p95") && told("within"),
		"help rule: keys, operators, aggregates");
	ok(run_line("help aggregate increase") == 0 && told("growth of a counter") && told("jobs_total"), "one aggregate");
	ok(run_line("help aggregate p99") == 0 && told("quantiles"), "any quantile");
	ok(run_line("help aggregate averge") == 2 && told("no aggregate"), "no such aggregate");
	ok(run_line("help aggregate") == 0 && told("baseline(A, D)"), "all of them");
	ok(run_line("help rules") == 0 && told("resolve_when"), "plural too");
}

int
main(void)
{
	buf_init(&said, 1 << 20);
	binds();
	mistakes();
	helps();
	cmd_opts_free(&o);
	buf_free(&said);
	return tap_done();
}
