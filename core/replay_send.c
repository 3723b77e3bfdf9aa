/* replay_send.c - `weir replay --send`: transitions through the real policy, outbox and delivery, on event time's clock.
 *
 * In: transitions in the order of time. Out: what the sinks get. Owns: a private state folder under TMPDIR, removed at the end
 * (also after SIGINT and SIGTERM); the configured state is not touched, a weir that runs on it goes on.
 * The clock: before a transition is put, delivery's clock is set to its time and what is due by then is delivered. So a resolve
 * settles, a limit counts and a digest falls due as they would have live. At the end the clock goes on until all is due.
 */
#include "core/replay.h"

#include "core/cmd.h"
#include "core/log.h"
#include "core/outbox.h"
#include "core/policy.h"
#include "core/store.h"
#include "sinks/deliver.h"
#include "sinks/sink.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP_WAIT (5 * NS_PER_S)       /* for what is due before a transition; once in vain: no more waiting until the end */
#define WAIT_SLICE (200 * NS_PER_MS)   /* a signal is seen that soon */
#define PAST_SETTLED (3600 * NS_PER_S) /* added to the longest settle and limit of the policy */

struct sending {
	struct app *app;
	char *dir, *configured; /* the private folder; the state of the configuration, put back at the end */
	size_t nsink;           /* with those on stdout, which stand behind the others for now */
	struct store *store;
	struct policy *policy;
	struct deliver *deliver;
	nsec clock;
	bool impatient;         /* a sink does not take what it gets */
};

static volatile sig_atomic_t interrupted;

static void
on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

bool
sending_interrupted(void)
{
	return interrupted != 0;
}

/* ---- the folder ---- */

static char *
folder_make(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/weir-replay.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (mkdtemp(dir))
		return dir;
	fprintf(stderr, "weir: cannot make a folder %s for the time of the replay: %s; set TMPDIR to one that can be written\n", dir,
		strerror(errno));
	free(dir);
	return NULL;
}

/* It holds files only: weir's own. */
static void
folder_remove(const char *dir)
{
	DIR *d = opendir(dir);
	for (struct dirent *f; d && (f = readdir(d));)
		(void)unlinkat(dirfd(d), f->d_name, 0);
	if (d)
		closedir(d);
	if (rmdir(dir) == -1)
		fprintf(stderr, "weir: the folder %s could not be removed: %s\n", dir, strerror(errno));
}

/* ---- open ---- */

/* The sinks that write to standard output go behind the others, in their order, and are not counted. */
static void
hide_stdout(struct config *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->nsink; i++) {
		if (c->sink[i].kind == &sink_stdout.kind)
			continue;
		struct sink_conf s = c->sink[i];
		memmove(&c->sink[n + 1], &c->sink[n], (i - n) * sizeof s);
		c->sink[n++] = s;
	}
	c->nsink = n;
}

static void
put_back(struct sending *s)
{
	struct config *c = s->app->config;
	if (s->configured) {
		free(c->state);
		c->state = s->configured;
	}
	c->nsink = s->nsink;
}

static void
sending_free(struct sending *s)
{
	policy_free(s->policy);
	store_close(s->store);
	put_back(s);
	if (s->dir)
		folder_remove(s->dir);
	free(s->dir);
	free(s);
}

static bool
start(struct sending *s, int *code)
{
	struct config *c = s->app->config;
	struct errinfo why = { 0 };
	hide_stdout(c);
	if (c->nsink == 0) {
		fprintf(stderr, "weir: --send: the configuration has no sink but standard output, there is nowhere to send to\n");
		*code = CMD_USAGE;
		return false;
	}
	*code = CMD_FAILED;
	s->dir = folder_make();
	if (s->dir == NULL)
		return false;
	s->configured = c->state;
	c->state = xstrdup(s->dir);
	s->store = store_open(s->dir, 0, &why);
	if (s->store) {
		s->policy = policy_new(c, &s->app->diags); /* compiled at load: no mistakes are left */
		s->deliver = deliver_start(c, NULL, &why);
	}
	if (s->deliver == NULL)
		fprintf(stderr, "weir: --send: %s\n", why.text);
	return s->deliver != NULL;
}

struct sending *
sending_open(struct app *a, int *code)
{
	struct sending *s = xcalloc(1, sizeof *s);
	struct sigaction on = { .sa_handler = on_signal };
	s->app = a;
	s->nsink = a->config->nsink;
	s->clock = NS_NONE;
	sigaction(SIGINT, &on, NULL);
	sigaction(SIGTERM, &on, NULL);
	if (start(s, code))
		return s;
	sending_free(s);
	return NULL;
}

/* ---- transitions ---- */

static bool
drained(struct sending *s, nsec limit)
{
	nsec end = mono_ns() + limit;
	for (nsec left = limit; left > 0 && !interrupted; left = end - mono_ns())
		if (deliver_drain(s->deliver, left < WAIT_SLICE ? left : WAIT_SLICE))
			return true;
	return false;
}

/* Time goes on to t: what is due before it goes out first. */
static void
clock_to(struct sending *s, nsec t)
{
	if (s->clock != NS_NONE && t <= s->clock)
		return;
	bool first = s->clock == NS_NONE;
	s->clock = t;
	deliver_clock(s->deliver, t);
	if (!first && !s->impatient && !drained(s, STEP_WAIT))
		s->impatient = true;
}

bool
sending_put(struct sending *s, const struct alert *a)
{
	bool inserted;
	int64_t number;
	clock_to(s, a->timestamp);
	enum err e = store_begin(s->store);
	if (e == ERR_OK)
		e = store_transition(s->store, a, &inserted, &number);
	if (e == ERR_OK && inserted)
		e = policy_apply(s->policy, s->store, a, number, s->clock);
	if (e == ERR_OK)
		e = store_commit(s->store);
	if (e != ERR_OK) {
		fprintf(stderr, "weir: --send: %s\n", store_error(s->store));
		store_rollback(s->store);
		return false;
	}
	deliver_wake(s->deliver);
	return true;
}

/* ---- the end ---- */

static nsec
all_settled(const struct sending *s)
{
	const struct config *c = s->app->config;
	nsec most = 0;
	for (size_t i = 0; i < c->npolicy; i++) {
		nsec per = c->policy[i].limit_n > 0 && c->policy[i].limit_per > 0 ? c->policy[i].limit_per : 0;
		nsec one = c->policy[i].settle > per ? c->policy[i].settle : per;
		most = one > most ? one : most;
	}
	return s->clock + most + PAST_SETTLED;
}

/* What came of it, by sink. Returns whether anything was not delivered. */
static bool
tell_result(struct sending *s)
{
	const struct config *c = s->app->config;
	struct errinfo why = { 0 };
	struct outbox *o = outbox_open(s->dir, &why);
	bool bad = o == NULL;
	if (bad)
		fprintf(stderr, "weir: --send: %s\n", why.text);
	for (size_t i = 0; o && i < c->nsink; i++) {
		struct outbox_counts n;
		struct deliver_stats st;
		if (outbox_counts(o, c->sink[i].name, &n) != ERR_OK) {
			fprintf(stderr, "weir: --send: %s\n", outbox_error(o));
			bad = true;
			break;
		}
		deliver_stats(s->deliver, i, &st);
		fprintf(stderr, "%s: %lld delivered", c->sink[i].name, (long long)n.sent);
		if (n.failed)
			fprintf(stderr, ", %lld refused", (long long)n.failed);
		if (n.waiting)
			fprintf(stderr, ", %lld not delivered in time (--drain)", (long long)n.waiting);
		if (st.last_error[0])
			fprintf(stderr, "; the last answer: %s", st.last_error);
		fputc('\n', stderr);
		bad |= n.failed || n.waiting;
	}
	outbox_close(o);
	return bad;
}

int
sending_close(struct sending *s, nsec drain)
{
	if (s->clock != NS_NONE) {
		deliver_clock(s->deliver, all_settled(s));
		(void)drained(s, drain);
	}
	bool bad = tell_result(s) || interrupted;
	if (interrupted)
		fprintf(stderr, "weir: --send: stopped by a signal\n");
	deliver_stop(s->deliver, 0);
	sending_free(s);
	return bad ? CMD_FAILED : CMD_DONE;
}
