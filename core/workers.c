/* workers.c - one queue of jobs, one list of those done, one lock. */
#include "core/workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fifo {
	struct job *head, **tail;
};

struct worker {
	struct workers *pool;
	struct front *front;
	pthread_t thread;
};

struct workers {
	const struct ruleset *rs;
	nsec from, to;
	struct front *front;   /* the main thread's */
	size_t most, limit;    /* threads that may ever run; that may now */
	bool automatic;
	/* the main thread's alone */
	struct worker *worker;
	size_t nworker;
	struct job *idle;      /* to be used again */
	size_t njob, nidle, out;
	/* under lock */
	pthread_mutex_t lock;
	pthread_cond_t work, ready;
	struct fifo todo, done;
	bool stop, asleep;     /* asleep: the main thread waits for ready */
	int fd;                /* readable while done is not empty; -1: nobody asked */
};

static void
fifo_init(struct fifo *f)
{
	f->head = NULL;
	f->tail = &f->head;
}

static void
fifo_put(struct fifo *f, struct job *j)
{
	j->next = NULL;
	*f->tail = j;
	f->tail = &j->next;
}

static struct job *
fifo_get(struct fifo *f)
{
	struct job *j = f->head;
	if (j == NULL)
		return NULL;
	f->head = j->next;
	if (f->head == NULL)
		f->tail = &f->head;
	return j;
}

/* The CPUs that this process may run on: online, and not taken from it (taskset, a container's cpuset). */
static size_t
cpus(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		return (size_t)CPU_COUNT(&set);
	long n = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than the set holds */
	return n > 0 ? (size_t)n : 1;
}

static struct front *
front_make(const struct workers *w)
{
	struct front *f = front_new(w->rs);
	front_bounds(f, w->from, w->to);
	return f;
}

struct workers *
workers_new(const struct ruleset *rs, int64_t asked, nsec from, nsec to)
{
	struct workers *w = xcalloc(1, sizeof *w);
	w->rs = rs;
	w->from = from;
	w->to = to;
	w->automatic = asked == 0;
	w->most = asked ? (size_t)asked : cpus() - 1;
	if (w->most == 0)
		w->most = 1;
	if (w->most > WORKERS_MAX)
		w->most = WORKERS_MAX;
	w->limit = w->automatic ? 1 : w->most;
	w->front = front_make(w);
	w->worker = xcalloc(w->most, sizeof *w->worker);
	w->fd = -1;
	fifo_init(&w->todo);
	fifo_init(&w->done);
	must(pthread_mutex_init(&w->lock, NULL) == 0);
	must(pthread_cond_init(&w->work, NULL) == 0 && pthread_cond_init(&w->ready, NULL) == 0);
	return w;
}

static void
job_free(struct job *j)
{
	batch_free(&j->batch);
	block_free(&j->block);
	free(j);
}

void
workers_free(struct workers *w)
{
	struct job *j;
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < w->nworker; i++) {
		must(pthread_join(w->worker[i].thread, NULL) == 0);
		front_free(w->worker[i].front);
	}
	while ((j = fifo_get(&w->todo)) || (j = fifo_get(&w->done)))
		job_free(j);
	while ((j = w->idle)) {
		w->idle = j->next;
		job_free(j);
	}
	front_free(w->front);
	free(w->worker);
	if (w->fd != -1)
		close(w->fd);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->ready);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void
workers_limit(struct workers *w, size_t n)
{
	w->limit = n < 1 ? 1 : n < w->most ? n : w->most;
}

void
workers_partitions(struct workers *w, size_t n)
{
	if (w->automatic)
		workers_limit(w, n);
}

size_t
workers_threads(const struct workers *w)
{
	return w->limit;
}

struct front *
workers_front(struct workers *w)
{
	return w->front;
}

size_t
workers_out(const struct workers *w)
{
	return w->out;
}

uint64_t
workers_regex_limits(const struct workers *w)
{
	uint64_t n = front_regex_limits(w->front);
	must(w->out == 0);
	for (size_t i = 0; i < w->nworker; i++)
		n += front_regex_limits(w->worker[i].front);
	return n;
}

int
workers_fd(struct workers *w)
{
	if (w->fd == -1) {
		must(w->nworker == 0);
		w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		must(w->fd != -1);
	}
	return w->fd;
}

/* ---- a job ---- */

static void
run(struct job *j, struct front *f)
{
	j->err = j->part->source->kind->fill(j->part, &j->batch, j->now);
	if (j->err == ERR_OK)
		front_run(f, j->front, &j->batch, &j->block, j->wall, j->replay);
}

/* Under lock. */
static void
finished(struct workers *w, struct job *j)
{
	uint64_t one = 1;
	if (w->done.head == NULL && w->fd != -1)
		must(write(w->fd, &one, sizeof one) == sizeof one);
	fifo_put(&w->done, j);
	if (w->asleep)
		pthread_cond_signal(&w->ready);
}

static void *
work(void *arg)
{
	struct worker *me = arg;
	struct workers *w = me->pool;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->stop && w->todo.head == NULL)
			pthread_cond_wait(&w->work, &w->lock);
		if (w->stop)
			break;
		struct job *j = fifo_get(&w->todo);
		pthread_mutex_unlock(&w->lock);
		run(j, me->front);
		pthread_mutex_lock(&w->lock);
		finished(w, j);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* One thread more. Signals are the main thread's. A thread that cannot be had is done without, if there is another. */
static void
start(struct workers *w)
{
	struct worker *k = &w->worker[w->nworker];
	sigset_t all, before;
	*k = (struct worker){ .pool = w, .front = front_make(w) };
	sigfillset(&all);
	must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	int e = pthread_create(&k->thread, NULL, work, k);
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (e == 0) {
		w->nworker++;
		return;
	}
	front_free(k->front);
	w->limit = w->most = w->nworker ? w->nworker : 1;
}

/* ---- the main thread's side ---- */

struct job *
workers_job(struct workers *w, const struct source_conf *c)
{
	struct job **at = &w->idle;
	size_t most = w->limit > 1 ? w->limit * WORKERS_JOBS : 1;
	if (w->njob - w->nidle >= most)
		return NULL;
	while (*at && (*at)->conf != c && (*at)->next)
		at = &(*at)->next;
	struct job *j = *at;
	if (j == NULL || (j->conf != c && w->njob < most)) {
		j = xcalloc(1, sizeof *j);
		block_init(&j->block);
		w->njob++;
	} else {
		*at = j->next;
		w->nidle--;
	}
	if (j->conf != c) { /* formats differ in what a batch holds */
		batch_free(&j->batch);
		batch_init(&j->batch, c);
		j->conf = c;
	}
	return j;
}

void
workers_submit(struct workers *w, struct job *j)
{
	w->out++;
	if (w->limit > 1 && w->nworker < w->limit && w->out > w->nworker)
		start(w);
	bool here = w->nworker == 0 || (w->limit == 1 && w->out == 1);
	if (here)
		run(j, w->front);
	pthread_mutex_lock(&w->lock);
	if (here) {
		finished(w, j);
	} else {
		fifo_put(&w->todo, j);
		pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->lock);
}

struct job *
workers_take(struct workers *w, bool wait)
{
	uint64_t seen;
	if (w->out == 0)
		return NULL;
	pthread_mutex_lock(&w->lock);
	w->asleep = wait;
	while (wait && w->done.head == NULL)
		pthread_cond_wait(&w->ready, &w->lock);
	w->asleep = false;
	struct job *j = fifo_get(&w->done);
	if (j && w->done.head == NULL && w->fd != -1)
		must(read(w->fd, &seen, sizeof seen) == sizeof seen);
	pthread_mutex_unlock(&w->lock);
	if (j)
		w->out--;
	return j;
}

void
workers_give_back(struct workers *w, struct job *j)
{
	j->lane = NULL;
	j->part = NULL;
	j->front = NULL;
	j->next = w->idle;
	w->idle = j;
	w->nidle++;
}
