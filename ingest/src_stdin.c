/* src_stdin.c - standard input: written to a spool first, and read from there.
 *
 * In: file descriptor 0. Out: one partition, "stdin". Owns: the spool and the link that reads it.
 * Never: blocks (poll asks before each read), changes the flags of a descriptor that others share, takes more of the
 * pipe than AHEAD_MAX past what was read on: the writer waits then. In a replay there is no spool and reads block.
 */
#include "core/log.h"
#include "ingest/link.h"
#include "ingest/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define AHEAD_MAX (INT64_C(64) << 20)
#define PUMP_BYTES (256 << 10) /* one read */
#define PUMP_READS 16          /* in one scan or fill */

struct stdin_conf {
	int64_t spool;
};

struct input {
	struct part part; /* first */
	pthread_mutex_t lock;
	struct spool sp;
	struct link cur;
	struct place place; /* where to go on */
	bool begun;         /* place or cur is valid */
	bool eof;           /* nothing more will come */
	bool told;          /* the trouble with the spool */
	bool replay;
	int ep;             /* readable when stdin is and we want more of it; -1 */
	bool armed, pollable;
	char *chunk;        /* read from stdin, not in the spool yet */
	size_t at, len;
	struct errinfo trouble; /* of the last write */
};

static struct input *
input_of(const struct source *s)
{
	return s->priv;
}

/* Listen to stdin only while more of it is wanted: a level-triggered wait would spin otherwise. */
static void
arm(struct input *in, bool on)
{
	if (in->ep < 0 || !in->pollable || in->armed == on)
		return;
	struct epoll_event ev = { .events = EPOLLIN };
	if (epoll_ctl(in->ep, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, STDIN_FILENO, &ev) == 0)
		in->armed = on;
	else if (on)
		in->pollable = false; /* a regular file: always ready, read when the spool is empty */
}

static enum err
open_live(struct source *s, struct input *in, const struct source_env *env, struct errinfo *why)
{
	const struct stdin_conf *conf = s->conf->conf;
	if (strchr(s->conf->name, '/') || s->conf->name[0] == '.')
		return err_set(why, ERR_CONF, "source %s: its name is to be a folder's, in the spool: no `/`, no leading dot",
			s->conf->name);
	char *dir = xasprintf("%s/spool/%s", env->state_dir, s->conf->name);
	bool stamps = s->conf->time_read && s->conf->format == FORMAT_JSON; /* envelopes have a time */
	enum err e = spool_open(&in->sp, dir, stamps, conf->spool, why);
	free(dir);
	in->chunk = xmalloc(PUMP_BYTES);
	in->ep = epoll_create1(EPOLL_CLOEXEC);
	in->pollable = true;
	arm(in, true);
	return e;
}

static enum err
stdin_open(struct source *s, const struct source_env *env, struct errinfo *why)
{
	struct input *in = xcalloc(1, sizeof *in);
	s->priv = in;
	in->replay = env->replay;
	in->cur = LINK_NONE;
	in->sp.fd = in->ep = -1;
	in->part.name = xstrdup("stdin");
	in->part.source = s;
	in->part.readable = in->part.unread = true;
	must(pthread_mutex_init(&in->lock, NULL) == 0);
	GROW(s->part, s->npart, s->cap_part);
	s->part[s->npart++] = &in->part;
	if (!env->replay)
		return open_live(s, in, env, why);
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (fd == -1)
		return err_set(why, ERR_IO, "cannot read standard input: %s", strerror(errno));
	link_open_pipe(&in->cur, fd, "stdin");
	return ERR_OK;
}

static enum err
stdin_restore(struct source *s, struct str name, struct str pos, struct errinfo *why)
{
	struct input *in = input_of(s);
	struct place p;
	if (name.len == 0)
		return ERR_OK;
	if (!str_eq(name, STR("stdin")) || !place_get(&p, pos))
		return err_set(why, ERR_CORRUPT, "source %s: the stored position of %.*s is not one that this weir wrote",
			s->conf->name, STR_ARG(name));
	in->place = p;
	in->begun = true;
	/* A machine that died may have lost the spool's end, never the position: no seq is given twice. */
	if (in->sp.least < p.seq)
		in->sp.least = p.seq;
	return ERR_OK;
}

/* seq up to which the spool has been read. */
static int64_t
read_to(const struct input *in)
{
	if (in->cur.fd >= 0)
		return in->cur.base + in->cur.off;
	return in->begun ? in->place.seq : in->sp.n ? in->sp.seg[0].base : 0;
}

static void
pump(struct source *s, struct input *in)
{
	for (int i = 0; i < PUMP_READS && !in->eof; i++) {
		struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
		bool room = spool_end(&in->sp) - read_to(in) < AHEAD_MAX;
		arm(in, room);
		if (!room || (in->at == in->len && poll(&p, 1, 0) != 1))
			return;
		if (in->at == in->len) {
			ssize_t n = read(STDIN_FILENO, in->chunk, PUMP_BYTES);
			if (n == -1 && (errno == EINTR || errno == EAGAIN))
				return;
			if (n == -1 && !in->told)
				log_warn(s->conf->name, "cannot read standard input: %s; taken as its end", strerror(errno));
			if (n <= 0) {
				in->eof = true;
				arm(in, false);
				return;
			}
			in->at = 0;
			in->len = (size_t)n;
		}
		size_t done;
		in->trouble = (struct errinfo){ 0 };
		enum err e = spool_write(&in->sp, in->chunk + in->at, in->len - in->at, wall_ns(), &done, &in->trouble);
		in->at += done;
		in->part.unread = true;
		if (e) {
			arm(in, false);
			if (!in->told)
				log_error(s->conf->name, "%s; standard input waits", in->trouble.text);
			in->told = true;
			return;
		}
		in->told = false;
	}
}

static void
stdin_scan(struct source *s, nsec now)
{
	struct input *in = input_of(s);
	(void)now;
	if (in->replay || pthread_mutex_trylock(&in->lock) != 0)
		return; /* being read: the fill pumps too */
	pump(s, in);
	pthread_mutex_unlock(&in->lock);
}

/* Index of the segment that holds seq, or of the first one after it; n: none. */
static size_t
segment_of(const struct spool *sp, int64_t seq)
{
	size_t i = 0;
	while (i < sp->n && sp->seg[i].base + sp->seg[i].size < seq)
		i++;
	return i;
}

static enum err
open_segment(struct input *in, size_t i, const struct place *p, struct errinfo *why)
{
	char *path = spool_path(&in->sp, i);
	int64_t base = in->sp.seg[i].base;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err e = fd == -1 ? err_set(why, ERR_IO, "cannot open %s: %s", path, strerror(errno)) :
				link_open(&in->cur, fd, path, base, why);
	free(path);
	if (e) {
		in->cur = LINK_NONE;
		return e;
	}
	in->cur.stamped = in->sp.stamps;
	if (p && link_seek(&in->cur, p, why)) {
		link_free(&in->cur);
		return ERR_BAD;
	}
	in->begun = true;
	return ERR_OK;
}

/* Open the segment to go on in. ERR_AGAIN: there is none yet. */
static enum err
go_on(struct source *s, struct input *in, struct errinfo *why)
{
	const struct spool *sp = &in->sp;
	size_t i = in->begun ? segment_of(sp, in->place.seq) : 0;
	if (i == sp->n)
		return ERR_AGAIN;
	bool inside = in->begun && in->place.seq >= sp->seg[i].base && in->place.seq - sp->seg[i].base == in->place.off;
	enum err e = open_segment(in, i, inside ? &in->place : NULL, why);
	if (e != ERR_BAD)
		return e;
	log_warn(s->conf->name, "the spool %s does not hold what was read of it; going on after that", sp->dir);
	*why = (struct errinfo){ 0 };
	return i + 1 < sp->n ? open_segment(in, i + 1, NULL, why) : ERR_AGAIN;
}

/* Leave cur, which is read to its end, for the next segment if there is one. */
static enum err
next_segment(struct input *in, struct errinfo *why)
{
	size_t i = 0;
	while (i < in->sp.n && in->sp.seg[i].base <= in->cur.base)
		i++;
	if (i == in->sp.n)
		return ERR_AGAIN;
	link_place(&in->cur, &in->place);
	link_free(&in->cur);
	return open_segment(in, i, NULL, why);
}

static enum err
at_end(struct input *in, struct batch *b)
{
	if (in->trouble.code) {
		in->part.why = in->trouble;
		return ERR_IO;
	}
	in->part.unread = in->eof; /* the next fill ends it */
	b->at_end = true;
	if (in->cur.fd >= 0) {
		link_stat(&in->cur);
		b->written = in->cur.mtime;
	}
	return ERR_AGAIN;
}

static enum err
ended(struct input *in)
{
	if (in->cur.fd >= 0) {
		link_place(&in->cur, &in->place);
		link_free(&in->cur);
	}
	in->part.state = PART_ENDED;
	in->part.unread = false;
	return ERR_EOF;
}

static enum err
fill_live(struct source *s, struct input *in, struct batch *b, struct errinfo *why)
{
	bool pumped = false, last = false;
	if (in->part.state == PART_ENDED)
		return ERR_EOF;
	for (;;) {
		enum err e = in->cur.fd < 0 ? go_on(s, in, why) : ERR_OK;
		bool newest = in->cur.fd < 0 || in->sp.seg[in->sp.n - 1].base == in->cur.base;
		if (e == ERR_OK) {
			e = link_fill(&in->cur, b, last || !newest, why);
			if (e == ERR_OK) {
				b->at_end = in->cur.at_end && newest && in->at == in->len;
				in->part.unread = true;
				return ERR_OK;
			}
		} else {
			batch_reset(b);
		}
		if (e == ERR_BAD) {
			log_warn(s->conf->name, "%s was changed by somebody else; going on after it", in->cur.path);
			newest = false;
		} else if (e != ERR_AGAIN) {
			return e;
		}
		if (!newest) {
			e = next_segment(in, why);
			if (e == ERR_OK)
				continue;
			return e == ERR_AGAIN ? at_end(in, b) : e;
		}
		if (last)
			return ended(in);
		if (!pumped) {
			pump(s, in);
			pumped = true;
		} else if (in->eof && in->at == in->len) {
			last = true; /* an unfinished line is a record now */
			if (in->cur.fd < 0)
				return ended(in);
		} else {
			return at_end(in, b);
		}
	}
}

static enum err
fill_replay(struct input *in, struct batch *b, struct errinfo *why)
{
	if (in->part.state == PART_ENDED)
		return ERR_EOF;
	enum err e = link_fill(&in->cur, b, true, why);
	return e == ERR_AGAIN ? ended(in) : e;
}

static enum err
stdin_fill(struct part *p, struct batch *b, nsec now)
{
	struct input *in = (struct input *)(void *)p;
	struct errinfo why = { 0 };
	(void)now;
	pthread_mutex_lock(&in->lock);
	enum err e = in->replay ? fill_replay(in, b, &why) : fill_live(p->source, in, b, &why);
	if (e == ERR_OK)
		b->file = STR("stdin");
	if (e != ERR_OK && e != ERR_AGAIN && e != ERR_EOF) {
		if (why.code)
			p->why = why;
		e = ERR_IO;
	} else {
		p->why = (struct errinfo){ 0 };
	}
	pthread_mutex_unlock(&in->lock);
	return e;
}

static void
stdin_kept(struct part *part, struct str pos)
{
	struct input *in = (struct input *)(void *)part;
	struct place p;
	if (in->replay || !place_get(&p, pos))
		return;
	pthread_mutex_lock(&in->lock);
	spool_trim(&in->sp, p.seq);
	pthread_mutex_unlock(&in->lock);
}

static void
stdin_sync(struct source *s)
{
	struct input *in = input_of(s);
	if (in->replay)
		return;
	pthread_mutex_lock(&in->lock);
	spool_sync(&in->sp);
	pthread_mutex_unlock(&in->lock);
}

static int
stdin_fd(const struct source *s)
{
	return input_of(s)->ep;
}

static void
stdin_close(struct source *s)
{
	struct input *in = input_of(s);
	if (!in)
		return;
	if (in->cur.fd >= 0)
		link_free(&in->cur);
	if (in->ep >= 0)
		close(in->ep);
	spool_close(&in->sp);
	free(in->chunk);
	free(in->part.name);
	pthread_mutex_destroy(&in->lock);
	free(in);
	free(s->part);
	s->part = NULL;
	s->npart = s->cap_part = 0;
	s->priv = NULL;
}

static const struct field stdin_fields[] = {
	{ .name = "spool", .type = F_SIZE, .off = offsetof(struct stdin_conf, spool), .min = 1 << 20,
		.max = INT64_C(1) << 40, .def = "256MiB",
		.help = "How much of what was read is kept on disk behind the checkpoint, for a replay." },
	{ .name = NULL },
};

const struct source_kind source_stdin = {
	.kind = { .name = "stdin",
		.help = "Reads standard input, through a spool on disk.",
		.fields = stdin_fields,
		.conf_size = sizeof(struct stdin_conf) },
	.open = stdin_open,
	.restore = stdin_restore,
	.scan = stdin_scan,
	.fill = stdin_fill,
	.kept = stdin_kept,
	.sync = stdin_sync,
	.fd = stdin_fd,
	.close = stdin_close,
};
