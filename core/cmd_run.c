/* cmd_run.c - `weir run`: the daemon. */
#include "core/cmd.h"
#include "core/live.h"
#include "core/log.h"
#include "rules/save.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DRAIN (3 * NS_PER_S) /* what is in flight may take that long at SIGTERM */
#define DRAIN_ENDED (60 * NS_PER_S) /* at the end of all input what is due is waited for */
#define POLL_FDS_MAX 66

/* ---- deliveries that failed for good: told by the delivery thread, made an alert by the loop ---- */

struct live_failed {
	struct live_failed *next;
	size_t sink;
	char why[256];
};

static pthread_mutex_t failed_lock = PTHREAD_MUTEX_INITIALIZER;

static void
delivery_failed(void *arg, size_t sink, const struct alert *a, const char *why)
{
	struct live *l = arg;
	struct live_failed *f = xcalloc(1, sizeof *f);
	f->sink = sink;
	snprintf(f->why, sizeof f->why, "%s of %s was refused: %s", event_name[a->event], a->rule, why);
	pthread_mutex_lock(&failed_lock);
	f->next = l->failed;
	l->failed = f;
	pthread_mutex_unlock(&failed_lock);
}

static void
tell_failed(struct live *l)
{
	pthread_mutex_lock(&failed_lock);
	struct live_failed *f = l->failed;
	l->failed = NULL;
	pthread_mutex_unlock(&failed_lock);
	for (struct live_failed *next; f; f = next) {
		next = f->next;
		live_self_alert(l, "weir.delivery-failed", "sink", l->app->config->sink[f->sink].name, LEVEL_ERROR, f->why, true, f->sink);
		free(f);
	}
	for (size_t i = 0; i < l->nopen; i++) { /* over once its sink accepts again */
		const struct alert *a = &l->open[i].last;
		if (l->open[i].settled || strcmp(a->rule, "weir.delivery-failed") != 0)
			continue;
		for (size_t s = 0; s < l->app->config->nsink; s++) {
			struct deliver_stats st;
			char *key = xasprintf("{\"sink\":\"%s\"}", l->app->config->sink[s].name);
			deliver_stats(l->deliver, s, &st);
			if (strcmp(key, a->key) == 0 && st.last_ok > a->timestamp)
				live_self_alert(l, a->rule, "sink", l->app->config->sink[s].name, LEVEL_ERROR, "", false, s);
			free(key);
		}
	}
}

/* ---- the loop ---- */

static void
take_signals(struct live *l)
{
	struct signalfd_siginfo s;
	while (read(l->signal_fd, &s, sizeof s) == sizeof s) {
		if (s.ssi_signo == SIGHUP)
			log_warn("run", "reload is not in this version yet; restart to take a new configuration");
		else
			l->stop = true;
	}
}

/* Only what the next turn will look at: what stays readable would make this a spin. */
static void
wait_for(struct live *l, bool busy)
{
	struct pollfd p[POLL_FDS_MAX] = { { l->signal_fd, POLLIN, 0 }, { l->control_fd, POLLIN, 0 } };
	nfds_t n = 2;
	nsec wait = l->ckpt != CKPT_IDLE ? NS_PER_MS : LIVE_TICK;
	if (!l->full && workers_out(l->workers)) {
		p[n++] = (struct pollfd){ workers_fd(l->workers), POLLIN, 0 };
		if (wait > LIVE_SCAN) /* the sources are looked at then */
			wait = LIVE_SCAN;
	} else {
		for (size_t i = 0; !l->full && i < l->app->config->nsource && n < POLL_FDS_MAX; i++) {
			int fd = l->source[i].kind->fd(&l->source[i]);
			if (fd >= 0)
				p[n++] = (struct pollfd){ fd, POLLIN, 0 };
		}
	}
	if (busy || (l->look_again && !l->full && workers_out(l->workers) == 0))
		wait = 0;
	int ms = (int)(wait / NS_PER_MS);
	if (poll(p, n, ms) <= 0)
		return;
	if (p[0].revents & POLLIN)
		take_signals(l);
	if (p[1].revents & POLLIN)
		control_serve(l);
}

static void
loop(struct live *l)
{
	nsec tick = 0;
	while (!l->stop) {
		nsec now = mono_ns();
		bool busy = false;
		if (!l->full || now >= l->full_retry) {
			bool out = workers_out(l->workers) > 0;
			if (!out || now >= l->next_scan) {
				live_scan(l, now);
				l->next_scan = now + LIVE_SCAN;
			}
			l->look_again = out; /* what a worker holds cannot be looked at */
			busy = !l->full && live_read(l, now);
			if (now - tick >= LIVE_TICK || (!busy && workers_out(l->workers) == 0)) {
				live_silence(l);
				tick = now;
			}
			back_advance(l->back);
			if (live_commit(l) != ERR_OK)
				busy = false;
		}
		if (l->stop)
			break;
		tell_failed(l);
		live_tell_space(l);
		live_tell_overflow(l, now);
		live_checkpoint(l, now, false);
		if (!busy && !l->full && live_ended(l)) {
			back_end(l->back, 0); /* no record is to come that could be older than the last ones */
			break;
		}
		wait_for(l, busy);
	}
}

/* All input has ended: what is due is delivered, unless a signal or the time says otherwise. */
static void
drain_ended(struct live *l)
{
	nsec by = mono_ns() + DRAIN_ENDED;
	bool done = false;
	while (!done && !l->stop && mono_ns() < by) {
		done = deliver_drain(l->deliver, NS_PER_S / 5);
		take_signals(l);
	}
	if (!done)
		log_warn("run", "not all was delivered before the end; the next start goes on with it");
}

/* All that was taken is committed and in a checkpoint before the end. */
static int
finish(struct live *l, bool failed)
{
	if (!failed) {
		live_settle(l);
		back_advance(l->back);
		failed = live_commit(l) != ERR_OK;
		if (!failed && !l->full) {
			if (l->ckpt == CKPT_WRITING)
				live_checkpoint(l, mono_ns(), true);
			l->ckpt = CKPT_IDLE;
			live_checkpoint(l, mono_ns(), true);
		}
	}
	if (!failed && !l->stop)
		drain_ended(l);
	if (l->deliver)
		deliver_stop(l->deliver, DRAIN);
	return failed ? CMD_FAILED : CMD_DONE;
}

static int
fail(const struct errinfo *why)
{
	fprintf(stderr, "weir: %s\n", why->text);
	return CMD_FAILED;
}

static int
run(struct live *l, const struct cmd_opts *o)
{
	const struct config *c = l->app->config;
	struct errinfo why = { 0 };
	sigset_t signals;
	if (c->nsource == 0) {
		fprintf(stderr, "weir: %s names no sources: there is nothing to read\n", o->config);
		return CMD_USAGE;
	}
	l->store = store_open(c->state, o->reset_state ? STORE_RESET : 0, &why);
	if (l->store == NULL)
		return fail(&why);
	l->control_fd = control_open(c->state, &why);
	if (l->control_fd == -1)
		return fail(&why);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	must(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0); /* before any thread: they inherit it */
	l->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	must(l->signal_fd != -1);
	l->policy = policy_new(c, &l->app->diags);
	if (l->app->diags.n) {
		fputs(buf_z(&l->app->diags.text), stderr);
		return CMD_USAGE;
	}
	l->workers = workers_new(l->app->rules, c->workers, INT64_MIN, INT64_MAX);
	leveller_init(&l->leveller, l->app->rules);
	(void)workers_fd(l->workers);
	l->back = back_new(l->app->rules);
	save_enable(l->back);
	if (!live_sources_open(l) || !live_restore(l))
		return CMD_FAILED;
	l->hooks = (struct deliver_hooks){ l, delivery_failed };
	l->deliver = deliver_start(c, &l->hooks, &why);
	if (l->deliver == NULL)
		return fail(&why);
	l->next_ckpt = mono_ns() + c->checkpoint;
	log_info("run", "weir %s: %zu sources, %zu rules, %zu sinks, state in %s", WEIR_VERSION, c->nsource, l->app->rules->nrule,
		c->nsink, c->state);
	loop(l);
	int code = finish(l, l->failing);
	log_info("run", "ended after %llu transitions", (unsigned long long)l->transitions);
	return code;
}

int
cmd_run(const struct cmd_opts *o)
{
	struct live l = { .app = app_load(o->config), .signal_fd = -1, .control_fd = -1, .last_ckpt = NS_NONE, .lack_told = true };
	if (l.app == NULL)
		return CMD_USAGE;
	l.wall0 = wall_ns();
	l.mono0 = mono_ns();
	int code = run(&l, o);
	control_close(l.app->config->state, l.control_fd);
	workers_free(l.workers); /* first: nothing of a partition is out after it */
	live_sources_close(&l);
	back_free(l.back);
	policy_free(l.policy);
	store_close(l.store);
	for (size_t i = 0; i < l.nopen; i++)
		alert_free(&l.open[i].last);
	free(l.open);
	free(l.newest);
	free(l.overflow);
	if (l.signal_fd != -1)
		close(l.signal_fd);
	app_free(l.app);
	return code;
}
