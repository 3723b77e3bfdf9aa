/* deliver.c - the delivery thread: reads due rows, sends, marks what was answered.
 *
 * In: the outbox. Out: requests (http.c) and standard output. Owns: the thread, the outbox connection, one lane a sink.
 * A pass: take answers, commit their marks in one transaction, start what is due, wait. Marks that cannot be committed
 * (a full disk) are tried again, and their rows are not sent meanwhile.
 */
#include "sinks/deliver.h"

#include "core/log.h"
#include "sinks/http.h"
#include "sinks/lane.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { HOST_MAX = 256, CHUNK = 4096 /* PIPE_BUF: a pipe that is ready takes it whole */ };
#define PASS_MAX NS_PER_S         /* never wait longer: a wakeup may get lost in the library */
#define STDOUT_WAIT (20 * NS_PER_MS)

struct deliver {
	const struct config *config;
	const struct deliver_hooks *hooks;
	struct outbox *outbox;
	struct http *http;
	struct lane *lane;
	size_t nlane;
	char host[HOST_MAX];
	nsec trouble_until; /* monotonic: the outbox failed, wait before the next try */
	pthread_t thread;
	atomic_bool rung, stop;
	_Atomic nsec ahead; /* of the wall clock: what deliver_clock made it */
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t drained;
	nsec stop_by;              /* monotonic */
	uint64_t drain_asked, drain_seen;
	struct deliver_stats *stats;
};

static struct clock_now
now_both(struct deliver *d)
{
	return (struct clock_now){ wall_ns() + atomic_load(&d->ahead), mono_ns() };
}

static void
trouble(struct deliver *d, const char *what, enum err e)
{
	if (e == ERR_CORRUPT) /* no retry mends it; the next start tells what to do */
		log_error("delivery", "the outbox cannot be %s: %s", what, outbox_error(d->outbox));
	else
		log_error("delivery", "the outbox cannot be %s: %s; nothing is lost, it is tried again", what,
			outbox_error(d->outbox));
	d->trouble_until = mono_ns() + NS_PER_S;
}

static void
tell_failed(struct deliver *d, size_t sink, struct job *j)
{
	if (j->mark != OUTBOX_FAILED || j->told)
		return;
	j->told = true;
	log_warn(d->lane[sink].sink->name, "%s of rule %s cannot be delivered: %s", j->row[0].alert.id, j->row[0].alert.rule,
		j->answer);
	if (d->hooks && d->hooks->failed)
		d->hooks->failed(d->hooks->arg, sink, &j->row[0].alert, j->answer);
}

/* Commit the marks of all answered jobs. */
static void
mark_answered(struct deliver *d)
{
	struct outbox_done *done = NULL;
	size_t n = 0, cap = 0;
	nsec at = now_both(d).wall;
	for (size_t s = 0; s < d->nlane; s++)
		for (struct job *j = d->lane[s].jobs; j; j = j->next) {
			if (j->state != JOB_ANSWERED)
				continue;
			tell_failed(d, s, j);
			for (size_t i = 0; i < j->n; i++) {
				GROW(done, n, cap);
				done[n++] = (struct outbox_done){ j->row[i].id, j->mark, j->due, j->answer, at };
			}
		}
	enum err e = n ? outbox_mark(d->outbox, done, n) : ERR_OK;
	free(done);
	if (e != ERR_OK) {
		trouble(d, "written", e);
		return;
	}
	for (size_t s = 0; s < d->nlane; s++)
		for (struct job *j = d->lane[s].jobs, *next; j; j = next) {
			next = j->next;
			if (j->state == JOB_ANSWERED)
				lane_done(&d->lane[s], j);
		}
}

/* As much of a job as standard output takes without blocking; answers it when all is written or nothing can be. */
static void
write_out(struct deliver *d, struct lane *l, struct job *j)
{
	struct reply r = { .status = 200, .retry_after = NS_NONE };
	while (j->written < j->req.body.len) {
		struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
		if (poll(&p, 1, 0) == 0)
			return;
		size_t left = j->req.body.len - j->written;
		ssize_t n = write(STDOUT_FILENO, j->req.body.data + j->written, left < CHUNK ? left : CHUNK);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			return;
		if (n == -1) {
			r = (struct reply){ .trouble = "standard output cannot be written", .retry_after = NS_NONE };
			break;
		}
		j->written += (size_t)n;
	}
	lane_answer(l, j, &r, now_both(d));
}

/* Send what is ready. true: standard output is behind. */
static bool
start_ready(struct deliver *d, bool only_begun)
{
	bool behind = false;
	for (size_t s = 0; s < d->nlane; s++)
		for (struct job *j = d->lane[s].jobs; j; j = j->next) {
			if (j->state != JOB_READY)
				continue;
			if (j->req.url == NULL) {
				if (only_begun && j->written == 0)
					continue;
				write_out(d, &d->lane[s], j);
				behind = behind || j->state == JOB_READY;
			} else if (!only_begun) {
				j->state = JOB_SENT;
				http_start(d->http, &j->req, d->lane[s].kind->fresh, j);
			}
		}
	return behind;
}

/* The lane of a job that is in flight. */
static struct lane *
lane_of(struct deliver *d, const struct job *job)
{
	for (size_t s = 0; s < d->nlane; s++)
		for (const struct job *j = d->lane[s].jobs; j; j = j->next)
			if (j == job)
				return &d->lane[s];
	return NULL;
}

static void
take_answers(struct deliver *d)
{
	void *cookie;
	struct reply r;
	while (http_next(d->http, &cookie, &r)) {
		struct lane *l = lane_of(d, cookie);
		must(l != NULL);
		lane_answer(l, cookie, &r, now_both(d));
	}
}

static void
fill_lanes(struct deliver *d)
{
	struct clock_now now = now_both(d);
	if (d->trouble_until > now.mono)
		return;
	for (size_t s = 0; s < d->nlane; s++) {
		enum err e = lane_fill(&d->lane[s], d->outbox, now);
		if (e != ERR_OK) {
			trouble(d, "read", e);
			return;
		}
	}
}

static bool
any(const struct deliver *d, enum job_state state)
{
	for (size_t s = 0; s < d->nlane; s++)
		for (const struct job *j = d->lane[s].jobs; j; j = j->next)
			if (j->state == state)
				return true;
	return false;
}

static nsec
pass_wait(struct deliver *d, bool behind)
{
	struct clock_now now = now_both(d);
	nsec wait = PASS_MAX;
	if (any(d, JOB_READY) || any(d, JOB_ANSWERED))
		wait = behind || d->trouble_until > now.mono ? STDOUT_WAIT : 0;
	for (size_t s = 0; s < d->nlane && d->trouble_until <= now.mono; s++) {
		nsec one = lane_wait(&d->lane[s], now);
		wait = one < wait ? one : wait;
	}
	return wait;
}

/* Show figures, and let those go on who wait for an empty outbox. seen: what had been asked before this pass. */
static void
publish(struct deliver *d, uint64_t seen)
{
	struct clock_now now = now_both(d);
	bool idle = d->trouble_until <= now.mono;
	pthread_mutex_lock(&d->lock);
	for (size_t s = 0; s < d->nlane; s++) {
		d->stats[s] = d->lane[s].stats;
		idle = idle && lane_idle(&d->lane[s], now);
	}
	if (idle && d->drain_seen < seen) {
		d->drain_seen = seen;
		pthread_cond_broadcast(&d->drained);
	}
	pthread_mutex_unlock(&d->lock);
}

static uint64_t
asked(struct deliver *d)
{
	pthread_mutex_lock(&d->lock);
	uint64_t n = d->drain_asked;
	bool fresh = n > d->drain_seen;
	pthread_mutex_unlock(&d->lock);
	if (atomic_exchange(&d->rung, false) || fresh)
		for (size_t s = 0; s < d->nlane; s++)
			d->lane[s].look = true;
	return n;
}

static bool
may_stop(struct deliver *d)
{
	pthread_mutex_lock(&d->lock);
	nsec by = d->stop_by;
	pthread_mutex_unlock(&d->lock);
	if (mono_ns() >= by)
		return true;
	for (size_t s = 0; s < d->nlane; s++)
		for (const struct job *j = d->lane[s].jobs; j; j = j->next)
			if (j->state != JOB_READY || j->written)
				return false;
	return true;
}

static void *
run(void *arg)
{
	struct deliver *d = arg;
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (;;) {
		uint64_t seen = asked(d);
		bool stop = atomic_load(&d->stop);
		take_answers(d);
		mark_answered(d);
		if (!stop)
			fill_lanes(d);
		bool behind = start_ready(d, stop);
		mark_answered(d);
		publish(d, seen);
		if (stop && may_stop(d))
			return NULL;
		nsec wait = pass_wait(d, behind);
		if (stop && wait == 0)
			wait = STDOUT_WAIT; /* what is due stays for the next start: only answers count now */
		if (!atomic_load(&d->rung) && stop == atomic_load(&d->stop))
			http_wait(d->http, wait);
	}
}

struct deliver *
deliver_start(const struct config *c, const struct deliver_hooks *hooks, struct errinfo *why)
{
	struct outbox *o = outbox_open(c->state, why);
	if (o == NULL)
		return NULL;
	struct deliver *d = xcalloc(1, sizeof *d);
	d->config = c;
	d->hooks = hooks;
	d->outbox = o;
	d->http = http_new();
	if (gethostname(d->host, sizeof d->host - 1) == -1 || d->host[0] == '\0')
		memcpy(d->host, "unknown", sizeof "unknown");
	d->nlane = c->nsink;
	d->lane = xcalloc(c->nsink + 1, sizeof *d->lane);
	d->stats = xcalloc(c->nsink + 1, sizeof *d->stats);
	for (size_t s = 0; s < c->nsink; s++) {
		lane_init(&d->lane[s], c, s, d->host);
		d->stats[s] = d->lane[s].stats;
	}
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->drained, &attr);
	pthread_condattr_destroy(&attr);
	must(pthread_create(&d->thread, NULL, run, d) == 0);
	return d;
}

void
deliver_wake(struct deliver *d)
{
	atomic_store(&d->rung, true);
	http_wake(d->http);
}

void
deliver_clock(struct deliver *d, nsec now)
{
	atomic_store(&d->ahead, now - wall_ns());
	deliver_wake(d);
}

void
deliver_stop(struct deliver *d, nsec drain)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop_by = mono_ns() + drain;
	pthread_mutex_unlock(&d->lock);
	atomic_store(&d->stop, true);
	http_wake(d->http);
	pthread_join(d->thread, NULL);
	http_free(d->http); /* before the lanes: requests in flight point into their jobs */
	for (size_t s = 0; s < d->nlane; s++)
		lane_free(&d->lane[s]);
	outbox_close(d->outbox);
	pthread_cond_destroy(&d->drained);
	pthread_mutex_destroy(&d->lock);
	free(d->lane);
	free(d->stats);
	free(d);
}

bool
deliver_drain(struct deliver *d, nsec limit)
{
	nsec end = mono_ns() + limit;
	struct timespec ts = { .tv_sec = end / NS_PER_S, .tv_nsec = end % NS_PER_S };
	pthread_mutex_lock(&d->lock);
	uint64_t want = ++d->drain_asked;
	pthread_mutex_unlock(&d->lock);
	deliver_wake(d);
	pthread_mutex_lock(&d->lock);
	int rc = 0;
	while (d->drain_seen < want && rc == 0)
		rc = pthread_cond_timedwait(&d->drained, &d->lock, &ts);
	bool empty = d->drain_seen >= want;
	pthread_mutex_unlock(&d->lock);
	return empty;
}

void
deliver_stats(struct deliver *d, size_t sink, struct deliver_stats *out)
{
	must(sink < d->nlane);
	pthread_mutex_lock(&d->lock);
	*out = d->stats[sink];
	pthread_mutex_unlock(&d->lock);
}
