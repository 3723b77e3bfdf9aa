/* lane.c - a sink's queue: what to send now, and what an answer means for its rows and its sink.
 *
 * In: rows of the outbox, verdicts of the sink. Out: jobs with a request, then with a mark.
 * Owns: its jobs. Never: waits, sends, commits.
 */
#include "sinks/lane.h"

#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { FETCH_MAX = 256 + DELIVER_INFLIGHT_MAX, IN_ORDER_TRIES = 3 };
#define AGAIN (250 * NS_PER_MS)
#define FAR (365 * 24 * 3600 * NS_PER_S)

void
lane_init(struct lane *l, const struct config *c, size_t sink, const char *host)
{
	const struct sink_conf *s = &c->sink[sink];
	*l = (struct lane){
		.sink = s,
		.kind = (const struct sink_kind *)(const void *)s->kind, /* sinks are given to config by their first member */
		.host = host,
		.give_up = c->give_up,
		.look = true,
		.next_due = NS_NONE,
		.retry_until = NS_NONE,
		.held_until = NS_NONE,
		.stats.held_until = NS_NONE,
	};
}

static void
job_free(struct job *j)
{
	outbox_rows_free(j->row, j->n);
	free(j->row);
	request_free(&j->req);
	free(j);
}

void
lane_free(struct lane *l)
{
	while (l->jobs) {
		struct job *next = l->jobs->next;
		job_free(l->jobs);
		l->jobs = next;
	}
	l->njobs = 0;
}

void
lane_done(struct lane *l, struct job *j)
{
	struct job **at = &l->jobs;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	l->njobs--;
	l->look = true; /* the row behind it may be due now */
	job_free(j);
}

static void
hold(struct lane *l, struct clock_now now, nsec pause)
{
	if (l->held_until == NS_NONE || l->held_until < now.mono + pause) {
		l->held_until = now.mono + pause;
		l->stats.held_until = now.wall + pause;
	}
}

/* alone: the row waits by itself and others pass it. Else the sink is held as long, and the row, due since it was made,
 * is the first when that is over: the outbox gives rows in the order of due. */
static void
put_off(struct lane *l, struct job *j, struct clock_now now, nsec pause, bool alone)
{
	nsec until = now.wall + pause, last = j->row[0].created + l->give_up;
	if (last > now.wall && until > last)
		until = last; /* one try is left for the end */
	j->mark = OUTBOX_RETRY;
	j->due = alone ? until : j->row[0].created;
	if (l->retry_until == NS_NONE || l->retry_until < until)
		l->retry_until = until;
	l->stats.retried++;
}

static void
fail(struct lane *l, struct job *j)
{
	j->mark = OUTBOX_FAILED;
	l->stats.failed += j->n;
}

static void
put_off_or_fail(struct lane *l, struct job *j, struct clock_now now, nsec pause, bool alone)
{
	if (now.wall - j->row[0].created < l->give_up) {
		put_off(l, j, now, pause, alone);
		return;
	}
	char last[sizeof j->answer];
	snprintf(last, sizeof last, "%s", j->answer);
	snprintf(j->answer, sizeof j->answer, "given up after %lld s; the last answer: %.200s",
		(long long)((now.wall - j->row[0].created) / NS_PER_S), last);
	fail(l, j);
}

/* Fill the request. What has no form fails here, without an answer. */
static void
job_format(struct lane *l, struct job *j, struct clock_now now)
{
	for (;;) {
		const struct alert *a[FETCH_MAX];
		for (size_t i = 0; i < j->n; i++)
			a[i] = &j->row[i].alert;
		struct sink_env env = { l->sink->name, l->host, now.wall, j->row[0].id, false, j->minimal };
		request_free(&j->req);
		request_init(&j->req);
		enum err e = l->kind->format(l->sink->conf, &env, a, j->n, &j->req);
		j->state = JOB_READY;
		j->written = 0;
		if (e == ERR_OK)
			return;
		if (e == ERR_LIMIT && j->n > 1) { /* the rest is read again with the next batch */
			outbox_rows_free(j->row + (j->n + 1) / 2, j->n / 2);
			j->n = (j->n + 1) / 2;
			continue;
		}
		if (e == ERR_LIMIT && !j->minimal) {
			j->minimal = true;
			continue;
		}
		snprintf(j->answer, sizeof j->answer, "%s",
			e == ERR_LIMIT ? "it is larger than the sink takes even in its smallest form" :
					 "a transition of this kind has no form for this sink");
		j->state = JOB_ANSWERED;
		fail(l, j);
		return;
	}
}

static void
add_job(struct lane *l, const struct outbox_row *row, size_t n, struct clock_now now)
{
	struct job *j = xcalloc(1, sizeof *j);
	j->row = xmemdup(row, n * sizeof *row);
	j->n = n;
	request_init(&j->req);
	struct job **at = &l->jobs; /* at the end: jobs start in the order of their rows */
	while (*at)
		at = &(*at)->next;
	*at = j;
	l->njobs++;
	job_format(l, j, now);
}

static bool
is_busy(const struct lane *l, int64_t id)
{
	for (const struct job *j = l->jobs; j; j = j->next)
		for (size_t i = 0; i < j->n; i++)
			if (j->row[i].id == id)
				return true;
	return false;
}

/* How many of n requests the sink's rate allows now. What is read is as good as told, so nothing is read in vain; none:
 * the sink is held until there is a token. */
static size_t
tokens(struct lane *l, size_t n, struct clock_now now)
{
	struct pace p = l->pace;
	for (size_t i = 0; i < n; i++) {
		nsec pause = pace_take(&p, l->kind->per_minute, l->kind->burst, now.mono);
		if (pause > 0 && i == 0)
			hold(l, now, pause);
		if (pause > 0)
			return i;
	}
	return n;
}

/* Nothing more is due: when to look again? A row in flight, or behind one that was put off, is due and yet not to be had:
 * then the outbox's answer lies in the past, and the clock serves. */
static enum err
look_again(struct lane *l, struct outbox *o, struct clock_now now)
{
	enum err e = outbox_next(o, l->sink->name, &l->next_due);
	if (e == ERR_OK && l->next_due != NS_NONE && l->next_due <= now.wall)
		l->next_due = now.wall + AGAIN;
	return e;
}

enum err
lane_fill(struct lane *l, struct outbox *o, struct clock_now now)
{
	size_t limit = l->kind->people && l->deads == 0 ? DELIVER_INFLIGHT_MAX : 1, busy = 0, n = 0, kept = 0;
	if (l->next_due != NS_NONE && l->next_due <= now.wall) {
		l->look = true;
		l->next_due = NS_NONE;
	}
	if (l->held_until != NS_NONE && l->held_until <= now.mono)
		l->held_until = l->stats.held_until = NS_NONE;
	if (!l->look || l->held_until != NS_NONE || l->njobs >= limit)
		return ERR_OK;
	for (const struct job *j = l->jobs; j; j = j->next)
		busy += j->n;
	size_t want = l->kind->batch > 1 ? l->kind->batch : tokens(l, limit - l->njobs, now);
	must(busy + want <= FETCH_MAX);
	if (want == 0)
		return ERR_OK;
	struct outbox_row row[FETCH_MAX];
	enum err e = outbox_due(o, l->sink->name, now.wall, !l->kind->people && l->kind->batch > 1, row, busy + want, &n);
	if (e != ERR_OK)
		return e;
	bool all = n < busy + want;
	for (size_t i = 0; i < n; i++) { /* rows in flight are due too, until they are marked */
		if (is_busy(l, row[i].id) || kept >= want)
			outbox_rows_free(&row[i], 1);
		else
			row[kept++] = row[i];
	}
	for (size_t used = 0, part; used < kept; used += part) {
		must(pace_take(&l->pace, l->kind->per_minute, l->kind->burst, now.mono) == 0);
		part = l->kind->batch > 1 ? kept : 1;
		add_job(l, row + used, part, now);
	}
	if (!all)
		return ERR_OK;
	l->look = false;
	return look_again(l, o, now);
}

static void
on_dead(struct lane *l, struct job *j, const struct reply *r, struct clock_now now)
{
	if (l->deads++ == 0)
		log_error(l->sink->name, "the sink refuses everything (%s); it is tried ever more slowly. Check its configuration",
			j->answer);
	nsec pause = dead_pause(l->deads, chance());
	hold(l, now, pause);
	if (r->status >= 300 && r->status < 500)
		fail(l, j); /* an answer that a retry does not change */
	else
		put_off_or_fail(l, j, now, pause, false);
}

/* The first tries of a row hold its sink: what is behind it stays behind it through a short outage. A row that keeps
 * failing waits alone, so that it cannot keep the others. A destination that cannot be reached holds all in any case. */
static void
on_retry(struct lane *l, struct job *j, const struct verdict *v, const struct reply *r, struct clock_now now)
{
	nsec pause = backoff(l->fails++, chance());
	hold(l, now, pause);
	bool doubt = v->outcome == OUT_AMBIGUOUS;
	bool alone = j->row[0].attempts >= IN_ORDER_TRIES && (r->status != 0 || doubt);
	if (alone)
		pause = backoff((unsigned)j->row[0].attempts, chance());
	put_off_or_fail(l, j, now, pause, alone);
	if (doubt && j->mark == OUTBOX_RETRY)
		j->mark = OUTBOX_DOUBT;
}

static void
on_accepted(struct lane *l, struct job *j, struct clock_now now)
{
	j->mark = OUTBOX_SENT;
	l->stats.sent += j->n;
	if (l->deads)
		log_info(l->sink->name, "the sink accepts again");
	l->fails = l->deads = 0;
	l->stats.last_error[0] = '\0';
	l->stats.last_ok = now.wall;
}

void
lane_answer(struct lane *l, struct job *j, const struct reply *r, struct clock_now now)
{
	struct verdict v = { 0 };
	l->kind->judge(l->sink->conf, r, &v);
	if (v.again_minimal && !j->minimal && (v.outcome == OUT_REJECTED || v.outcome == OUT_PARTIAL)) {
		j->minimal = true;
		job_format(l, j, now);
		return;
	}
	j->state = JOB_ANSWERED;
	scrub(l->sink, v.why, sizeof v.why);
	snprintf(j->answer, sizeof j->answer, "%s", v.why);
	if (v.outcome != OUT_OK)
		snprintf(l->stats.last_error, sizeof l->stats.last_error, "%s", j->answer);
	switch (v.outcome) {
	case OUT_OK:
		on_accepted(l, j, now);
		break;
	case OUT_RETRY:
	case OUT_AMBIGUOUS:
		on_retry(l, j, &v, r, now);
		break;
	case OUT_THROTTLED:
		l->stats.throttled++;
		v.wait = v.wait > 0 ? v.wait : BACKOFF_BASE;
		v.wait += (nsec)(chance() % (uint64_t)(v.wait / 10 + 1));
		put_off_or_fail(l, j, now, v.wait, false);
		break;
	case OUT_DEAD:
		on_dead(l, j, r, now);
		break;
	case OUT_REJECTED:
	case OUT_PARTIAL:
	case OUTCOMES:
		l->fails = l->deads = 0; /* it answers: only this request is wrong */
		fail(l, j);
		break;
	}
	if (v.wait > 0 && v.outcome != OUT_DEAD)
		hold(l, now, v.wait);
}

nsec
lane_wait(const struct lane *l, struct clock_now now)
{
	if (l->held_until != NS_NONE)
		return l->held_until > now.mono ? l->held_until - now.mono : 0;
	if (l->look && l->njobs == 0)
		return 0;
	if (l->next_due == NS_NONE)
		return FAR;
	return l->next_due > now.wall ? l->next_due - now.wall : 0;
}

bool
lane_idle(const struct lane *l, struct clock_now now)
{
	return l->njobs == 0 && !l->look && (l->held_until == NS_NONE || l->held_until <= now.mono) &&
	       (l->retry_until == NS_NONE || l->retry_until < now.wall) && (l->next_due == NS_NONE || l->next_due > now.wall);
}
