/* src_files_read.c - a fill: the next batch of a chain, over the ends of its links.
 *
 * In: a chain. Out: a batch and the position after it. Owns: nothing. Never: blocks (but for a disk).
 * The order of a chain is its links one after the other, live as in a replay: a link that lost its name is read
 * until it has been quiet for QUIET_NS (late writers still hold it open) before the next one begins.
 */
#include "ingest/src_files.h"
#include "core/log.h"
#include "ingest/rotate.h"

static bool
is_quiet(const struct chain *c, nsec now)
{
	nsec changed = c->cur.mtime > c->cur.ctime ? c->cur.mtime : c->cur.ctime;
	/* With yet another file after the next one its writers have moved on; or the file's own times say so. */
	return c->copy || c->after > 1 || now - c->quiet >= QUIET_NS || wall_ns() - changed >= QUIET_NS;
}

/* Nothing now. */
static enum err
at_end(struct chain *c, struct batch *b)
{
	c->part.unread = c->rotated && c->more;
	b->at_end = !c->part.unread;
	b->written = c->cur.mtime;
	return ERR_AGAIN;
}

/* The file was cut or written anew: what was not read of it may stand in a copy; then it goes on from its start. */
static enum err
cut_under_us(struct source *s, struct chain *c, nsec now, struct errinfo *why)
{
	int64_t missed = c->cur.known > c->cur.off ? c->cur.known - c->cur.off : 0;
	struct place *p = &c->place;
	chain_close(s, c);
	enum err e = chain_restart(s, c, now);
	if (e != ERR_AGAIN)
		return e;
	if (missed) {
		c->part.lost += (uint64_t)missed;
		log_warn(s->conf->name, "%s was cut before %lld bytes of it were read: they are lost", c->part.name,
			(long long)missed);
	}
	*p = (struct place){ .id = p->id, .seq = p->seq, .mtime = p->mtime, .flags = PLACE_NUL };
	p->head = p->mark = ident_hash("", 0);
	return chain_resume(s, c, now, why);
}

static enum err
reopen(struct source *s, struct chain *c, struct batch *b, nsec now, struct errinfo *why)
{
	if (c->part.state == PART_ENDED)
		return ERR_EOF;
	if (!c->part.unread && !c->rotated) { /* closed to save a descriptor */
		batch_reset(b);
		return at_end(c, b);
	}
	enum err e = chain_resume(s, c, now, why);
	if (e == ERR_EOF)
		c->part.state = PART_ENDED;
	return e;
}

/* A whole batch: is it all there was? */
static enum err
whole(struct chain *c, struct batch *b, nsec now)
{
	c->quiet = now;
	c->part.unread = true;
	if (c->cur.at_end && !c->rotated) {
		link_stat(&c->cur);
		c->part.unread = false;
		b->at_end = true;
		b->written = c->cur.mtime;
	}
	return ERR_OK;
}

static enum err
fill_live(struct source *s, struct chain *c, struct batch *b, nsec now, struct errinfo *why)
{
	bool last = false; /* cur has ended: what is left of it is a record */
	for (;;) {
		enum err e = c->cur.fd < 0 ? reopen(s, c, b, now, why) : ERR_OK;
		if (e)
			return e;
		if (c->tail >= 0) {
			e = link_tail(&c->cur, c->tail, b, why);
			c->tail = -1;
			return e;
		}
		e = link_fill(&c->cur, b, last, why);
		if (e == ERR_OK && c->fresh && chain_step_back(s, c))
			continue;
		if (e == ERR_OK)
			return whole(c, b, now);
		if (e == ERR_BAD) {
			last = false;
			e = cut_under_us(s, c, now, why);
			if (e)
				return e;
			continue;
		}
		if (e == ERR_IO) {
			if (c->cur.stale)
				chain_close(s, c);
			return e;
		}
		link_stat(&c->cur);
		if (!c->rotated || (!last && !is_quiet(c, now)))
			return at_end(c, b);
		if (e == ERR_AGAIN && !last) {
			last = true;
			continue;
		}
		if (e != ERR_AGAIN) { /* damaged: what was readable was read */
			log_warn(s->conf->name, "%s", why->text);
			*why = (struct errinfo){ 0 };
		}
		last = false;
		e = chain_advance(s, c, now, why);
		if (e == ERR_EOF) {
			chain_close(s, c);
			c->part.state = PART_ENDED;
			c->part.unread = false;
		}
		if (e)
			return e;
	}
}

/* Replay: does the packed l hold what the plain file at path holds? By the first batch of it. */
static bool
copy_of(struct source *s, struct link *l, const char *path)
{
	struct files *f = files_of(s);
	struct link plain;
	struct errinfo why = { 0 };
	struct place p;
	struct batch b;
	bool same = false;
	if (chain_open(s, &plain, path, 0, &why))
		return false;
	batch_init(&b, s->conf);
	if (link_fill(&plain, &b, true, &why) == ERR_OK) {
		link_place(&plain, &p);
		same = link_seek(l, &p, &why) == ERR_OK;
	}
	batch_free(&b);
	link_free(&plain);
	atomic_fetch_sub(&f->open_fds, 1);
	return same;
}

/* Is elem[i] a packed copy of the plain one after it? Such are passed over. */
static enum err
passed_over(struct source *s, const struct chain *c, size_t i, bool *copy, struct errinfo *why)
{
	struct link l;
	*copy = false;
	if (i + 1 == c->nelem || !rotate_twins(c->elem[i], c->elem[i + 1]))
		return ERR_OK;
	if (chain_open(s, &l, c->elem[i], 0, why))
		return ERR_IO;
	*copy = copy_of(s, &l, c->elem[i + 1]);
	link_free(&l);
	atomic_fetch_sub(&files_of(s)->open_fds, 1);
	return ERR_OK;
}

/* Open elem[next]. */
static enum err
next_replayed(struct source *s, struct chain *c, int64_t base, struct errinfo *why)
{
	for (;;) {
		bool copy;
		if (c->next == c->nelem)
			return ERR_EOF;
		size_t i = c->next++;
		if (passed_over(s, c, i, &copy, why))
			return ERR_IO;
		if (!copy)
			return chain_open(s, &c->cur, c->elem[i], base, why) ? ERR_IO : ERR_OK;
	}
}

/* Bytes of a file as a chain counts them: unpacked. */
static int64_t
whole_size(struct source *s, const char *path)
{
	struct link l;
	struct batch b;
	struct errinfo why = { 0 };
	if (chain_open(s, &l, path, 0, &why))
		return 0;
	batch_init(&b, s->conf);
	link_stat(&l);
	while (l.un && link_fill(&l, &b, true, &why) == ERR_OK)
		;
	int64_t n = l.un ? l.off : l.known;
	batch_free(&b);
	link_free(&l);
	atomic_fetch_sub(&files_of(s)->open_fds, 1);
	return n;
}

void
chain_align(struct source *s, struct chain *c, const struct place *p)
{
	struct found list = { .path = c->elem, .n = c->nelem };
	struct link l = LINK_NONE;
	struct errinfo why = { 0 };
	ssize_t at = chain_find(s, c, &list, p, &l);
	if (at < 0)
		return;
	link_free(&l);
	atomic_fetch_sub(&files_of(s)->open_fds, 1);
	int64_t before = 0;
	for (size_t i = 0; i < (size_t)at; i++) {
		bool copy;
		if (passed_over(s, c, i, &copy, &why) == ERR_OK && !copy)
			before += whole_size(s, c->elem[i]);
	}
	c->place.seq = p->seq - p->off - before;
}

/* Replay: each link to its end. A failure is answered once, then the rest follows. */
static enum err
fill_replay(struct source *s, struct chain *c, struct batch *b, struct errinfo *why)
{
	for (;;) {
		if (c->cur.fd < 0) {
			enum err e = next_replayed(s, c, c->place.seq, why);
			if (e == ERR_EOF) {
				c->part.state = PART_ENDED;
				c->part.unread = false;
			}
			if (e)
				return e;
			c->begun = c->part.readable = true;
		}
		enum err e = link_fill(&c->cur, b, true, why);
		if (e == ERR_OK) {
			b->written = c->cur.mtime;
			return ERR_OK;
		}
		if (e == ERR_BAD)
			err_set(why, ERR_IO, "%s was written anew while it was replayed, at offset %lld", c->cur.path,
				(long long)c->cur.off);
		chain_close(s, c);
		if (e != ERR_AGAIN)
			return ERR_IO;
	}
}

enum err
files_fill(struct part *p, struct batch *b, nsec now)
{
	struct chain *c = chain_of(p);
	struct source *s = p->source;
	struct errinfo why = { 0 };
	enum err e;
	pthread_mutex_lock(&c->lock);
	if (files_of(s)->replay)
		e = fill_replay(s, c, b, &why);
	else if (c->begun)
		e = fill_live(s, c, b, now, &why);
	else
		e = ERR_IO; /* never opened: scan keeps trying, and has told why */
	if (e == ERR_OK || e == ERR_AGAIN || e == ERR_EOF) {
		p->why = (struct errinfo){ 0 };
	} else {
		if (why.code)
			p->why = why;
		p->unread = true;
		e = ERR_IO;
	}
	pthread_mutex_unlock(&c->lock);
	return e;
}
