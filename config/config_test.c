/* config_test.c - weir.yaml whole: every key once, then the mistakes of testdata/config/bad against their golden text. */
#include "config/config.h"
#include "core/tap.h"

#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Kinds as sources and sinks have them, but few and of this test's own: the loader knows kinds by their tables alone. */
struct files_conf {
	struct strlist files, follow;
	int start;
};
static const char *const starts[] = { "end", "beginning", NULL };
static const struct field files_rows[] = {
	{ .name = "files", .type = F_STRLIST, .off = offsetof(struct files_conf, files), .flags = F_REQUIRED | F_PATH },
	{ .name = "follow", .type = F_STRLIST, .off = offsetof(struct files_conf, follow), .flags = F_PATH },
	{ .name = "start", .type = F_ENUM, .off = offsetof(struct files_conf, start), .names = starts, .def = "end" },
	{ .name = NULL },
};
static const struct kind files = { "files", "rotated files", files_rows, sizeof(struct files_conf), NULL };
static const struct kind in = { "stdin", "standard input", NULL, 0, NULL };
static const struct kind *const sources[] = { &files, &in, NULL };

struct slack_conf {
	char *webhook_url, *secret;
	struct strmap mention;
	struct strlist levels;
	bool insecure_http;
};
static const struct field slack_rows[] = {
	{ .name = "webhook_url", .type = F_URL, .off = offsetof(struct slack_conf, webhook_url), .flags = F_REQUIRED,
		.help = "where messages go" },
	{ .name = "secret", .type = F_SECRET, .off = offsetof(struct slack_conf, secret) },
	{ .name = "mention", .type = F_STRMAP, .off = offsetof(struct slack_conf, mention) },
	{ .name = "levels", .type = F_STRLIST, .off = offsetof(struct slack_conf, levels), .def = "error, critical" },
	{ .name = "insecure_http", .type = F_BOOL, .off = offsetof(struct slack_conf, insecure_http) },
	{ .name = NULL },
};
static void
slack_check(void *conf, struct loc loc, struct diags *d)
{
	struct slack_conf *c = conf;
	if (c->mention.n > 1)
		diag(d, loc, "more than one mention");
}
static const struct kind slack = { "slack", "Slack", slack_rows, sizeof(struct slack_conf), slack_check };
static const struct kind *const sinks[] = { &slack, NULL };

static void
test_sources(const struct config *c)
{
	ok(c->nsource == 4, "four sources");
	isz(c->source[0].name, "Zed", "in the bytewise order of their names");
	isz(c->source[1].name, "app", "second");
	isz(c->source[2].name, "in", "third");
	isz(c->source[3].name, "text", "fourth");
	const struct source_conf *app = &c->source[1], *text = &c->source[3], *zed = &c->source[0];
	const struct files_conf *f = app->conf, *t = text->conf;
	ok(app->kind == &files && zed->kind == &in, "kinds");
	ok(f->files.n == 2, "two globs");
	isz(f->files.v[0], "/var/log/app/*.log", "an absolute glob stays");
	isz(f->files.v[1], "testdata/config/good/more/*.json", "a relative one is joined with the folder");
	isz(app->time, "timestamp", "time");
	ok(!app->time_read && text->time_read && text->time == NULL, "time: read");
	ok(app->late == 3 * NS_PER_S && app->late_drop && app->max_jump == 7200 * NS_PER_S, "late, late_policy, max_jump");
	ok(app->idle == 250 * NS_PER_MS && app->blind_after == 90 * NS_PER_S, "idle, blind_after");
	ok(app->format == FORMAT_CRI && app->max_record == 65536, "format, max_record");
	isz(app->zone, "+02:00", "zone");
	ok(f->start == 0 && t->start == 1, "a kind's own field beside the common ones, and its default");
	isz(t->files.v[0], "testdata/config/good/logs/*.log", "one glob without a list");
	isz(t->follow.v[0], "/mnt/logs", "follow");
	ok(text->late == 0, "late: 0 needs no unit");
	ok(zed->late == 2 * NS_PER_S && zed->max_jump == 3600 * NS_PER_S && zed->idle == 5 * NS_PER_S &&
			zed->blind_after == 60 * NS_PER_S && zed->format == FORMAT_JSON && zed->max_record == 1 << 20 &&
			!zed->late_drop && zed->zone == NULL && zed->time == NULL,
		"defaults of a source");
}

static void
test_rest(const struct config *c)
{
	ok(c->nsink == 2, "two sinks");
	isz(c->sink[0].name, "ops", "in the order of the file");
	const struct slack_conf *ops = c->sink[0].conf, *hook = c->sink[1].conf;
	isz(ops->webhook_url, "https://hooks.example/k3y", "a variable in a URL");
	isz(ops->mention.k[0], "critical", "a map's key");
	isz(ops->mention.v[0], "<!here>", "and value");
	ok(ops->levels.n == 2 && strcmp(ops->levels.v[1], "critical") == 0, "a list's default");
	isz(hook->webhook_url, "http://127.0.0.1:9/x", "plain http on loopback needs no leave");
	isz(hook->secret, "hush", "a secret's file without its newline");
	ok(c->npolicy == 2 && c->policy[0].notify.n == 2 && c->policy[1].notify.n == 1, "policy");
	isz(c->policy[0].match.s, "severity == \"critical\"", "match");
	ok(c->policy[0].match.loc.line == 23 && c->policy[0].match.loc.col == 10, "and its place");
	ok(c->policy[0].cont && !c->policy[1].cont && c->policy[0].settle == 0 && c->policy[1].settle == 120 * NS_PER_S,
		"continue, settle");
	ok(c->policy[0].limit_n == 3 && c->policy[0].limit_per == 3600 * NS_PER_S && c->policy[1].limit_n == 0, "limit");
	ok(c->policy[1].match.s == NULL, "no match");
	ok(c->redact.n == 2 && c->checkpoint == 10 * NS_PER_S && c->workers == 3 && c->memory == 1 << 30, "top keys");
	ok(c->retain_alerts == INT64_C(30) * 86400 * NS_PER_S && c->give_up == 3600 * NS_PER_S, "retention, give_up");
	isz(c->state, "testdata/config/good/data/state", "state is relative to the folder");
	ok(c->rule_file.n == 2, "a file that two patterns name is read once");
	isz(c->rule_file.v[1], "testdata/config/good/rules/b.yaml", "rule files in order, without the tests beside them");
	ok(c->nrule == 6, "six rules");
	isz(c->rule[0].runbook.s, "http://runbooks.example/k3y", "rule_env allows MONITORING_*");
}

static void
test_good(void)
{
	struct diags d;
	diags_init(&d);
	chmod("testdata/config/good/hook.key", 0600); /* git keeps no such mode */
	struct config *c = config_load("testdata/config/good/weir.yaml", sources, sinks, &d);
	isz(buf_z(&d.text), "", "no mistakes");
	isz(buf_z(&d.warn), "", "no warnings");
	if (c->nsource == 4 && c->nsink == 2 && c->npolicy == 2) {
		test_sources(c);
		test_rest(c);
	}
	config_free(c);
	diags_free(&d);
}

static void
test_defaults(void)
{
	struct diags d;
	diags_init(&d);
	struct config *c = config_load_text("weir.yaml", STR("sources: {a: {stdin: {}}}\n"), sources, NULL, &d);
	isz(buf_z(&d.text), "", "a source alone is a configuration");
	ok(strstr(buf_z(&d.warn), "weir.yaml:1:1: warning: no rules"), "though without rules it is worth a word");
	isz(c->state, "./weir-state", "state");
	ok(c->checkpoint == 5 * NS_PER_S && c->workers == 0 && c->memory == 512 << 20 && c->give_up == 86400 * NS_PER_S &&
			c->retain_alerts == INT64_C(90) * 86400 * NS_PER_S,
		"checkpoint, workers, memory, give_up, retention");
	ok(c->redact.n == 5 && strcmp(c->redact.v[2], "api_key") == 0, "redact");
	ok(c->rule_env.n == 2 && strcmp(c->rule_env.v[1], "WEIR_*") == 0, "rule_env");
	config_free(c);
	diags_free(&d);
}

static char *
slurp(const char *path)
{
	char *text = xcalloc(1, 65536);
	FILE *f = fopen(path, "r");
	if (f) {
		text[fread(text, 1, 65535, f)] = '\0';
		fclose(f);
	}
	return text;
}

/* Each bad/NAME.yaml gives exactly bad/NAME.txt: the mistakes, then the warnings. */
static void
test_bad(void)
{
	glob_t g;
	must(glob("testdata/config/bad/*.yaml", 0, NULL, &g) == 0);
	ok(g.gl_pathc >= 10, "bad configurations are there");
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct diags d;
		diags_init(&d);
		struct config *c = config_load(g.gl_pathv[i], sources, sinks, &d);
		char *name = xstrndup(g.gl_pathv[i], strlen(g.gl_pathv[i]) - 5), *golden = xasprintf("%s.txt", name);
		char *want = slurp(golden), *got = xasprintf("%s%s", buf_z(&d.text), buf_z(&d.warn));
		isz(got, want, g.gl_pathv[i]);
		ok(d.n + d.nwarn > 0, "and it is not empty");
		ok(strstr(got, "s3cr3t") == NULL, "and shows no secret");
		free(got);
		free(want);
		free(golden);
		free(name);
		config_free(c);
		diags_free(&d);
	}
	globfree(&g);
}

static void
test_missing(void)
{
	struct diags d;
	diags_init(&d);
	struct config *c = config_load("testdata/config/none.yaml", sources, sinks, &d);
	isz(buf_z(&d.text), "testdata/config/none.yaml: cannot read it: No such file or directory\n", "no such file");
	ok(c->checkpoint == 5 * NS_PER_S && c->nrule == 0, "a config all the same, with defaults");
	config_free(c);
	diags_free(&d);
}

/* Secrets' files: modes, newlines, what is refused. */
static void
test_secret(const char *dir, const char *bytes, size_t n, mode_t mode, const char *want, const char *told)
{
	char *path = xasprintf("%s/key", dir), *conf = xasprintf("%s/weir.yaml", dir), *place;
	struct diags d;
	FILE *f = fopen(path, "w");
	must(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0 && chmod(path, mode) == 0);
	diags_init(&d);
	struct config *c = config_load_text(conf,
		STR("sinks: {a: {slack: {webhook_url: 'https://h/', secret: {file: key}}}}"), NULL, sinks, &d);
	const struct slack_conf *s = c->nsink ? c->sink[0].conf : NULL;
	isz(s ? s->secret : "", want, told[0] ? told : "read");
	place = strstr(*told == 'w' ? buf_z(&d.warn) : buf_z(&d.text), *told == 'w' ? told + 1 : told);
	ok(place != NULL && (d.n == 0) == (want != NULL), "told: %s", told);
	config_free(c);
	diags_free(&d);
	unlink(path);
	free(path);
	free(conf);
}

static void
test_secrets(void)
{
	char dir[] = "/tmp/weir-config-XXXXXX";
	must(mkdtemp(dir) != NULL);
	test_secret(dir, "abc\n\n", 5, 0600, "abc\n", "");
	test_secret(dir, "abc\r\n", 5, 0600, "abc", "");
	test_secret(dir, "abc", 3, 0640, "abc", "wsecret: ");
	test_secret(dir, "abc", 3, 0604, "abc", "wmay be read by others (mode 0604): chmod 600 it");
	test_secret(dir, "\n", 1, 0600, NULL, "key is empty");
	test_secret(dir, "a\0b", 3, 0600, NULL, "it holds a NUL byte");
	char *big = xcalloc(1, 70000);
	memset(big, 'x', 70000);
	test_secret(dir, big, 70000, 0600, NULL, "too long for a secret");
	free(big);
	rmdir(dir);
}

int
main(void)
{
	setenv("MONITORING_KEY", "k3y", 1);
	setenv("WEIR_SECRET", "s3cr3t", 1);
	unsetenv("WEIR_STATE");
	unsetenv("MONITORING_SEVERITY");
	unsetenv("WEIR_UNSET");
	test_good();
	test_defaults();
	test_bad();
	test_missing();
	test_secrets();
	return tap_done();
}
