/* rig.h - for tests: a source in a temporary folder, read and restarted at will; the oracle is the exact sequence.
 *
 * The clock is the rig's own (rig->now): quiet times pass without waiting.
 */
#ifndef WEIR_RIG_H
#define WEIR_RIG_H

#include "core/tap.h"
#include "ingest/ident.h"
#include "ingest/src_files.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct rig_pos {
	char *name;
	char pos[POSITION_MAX];
	size_t len;
	int64_t seq;
};

struct rig {
	char dir[64];
	const struct source_kind *kind;
	struct source s;
	struct source_conf conf;
	struct files_conf files;
	char *pattern[4];
	struct batch b;
	nsec now;
	struct rig_pos pos[64];
	size_t npos;
	struct buf out;      /* the records, newline after each */
	uint64_t skipped;
	size_t batches;      /* filled since the last open */
	size_t stop;         /* stop before filling more batches than this; 0: never */
	bool order_broken;   /* seq did not grow */
	size_t time_only;    /* batches of that kind */
	struct buf time_line;
	enum err last;       /* of the last fill */
};

static inline void
rig_init(struct rig *r, const char *pattern, int start)
{
	*r = (struct rig){ .now = 1000 * NS_PER_S, .kind = &source_files };
	snprintf(r->dir, sizeof r->dir, "/tmp/weir-ingest-XXXXXX");
	must(mkdtemp(r->dir));
	r->pattern[0] = xasprintf("%s/%s", r->dir, pattern);
	r->files = (struct files_conf){ .files = { r->pattern, 1 }, .start = start };
	static char name[] = "app";
	r->conf = (struct source_conf){ .name = name, .kind = &source_files.kind, .conf = &r->files,
		.format = FORMAT_JSON, .max_record = 1 << 20 };
	buf_init(&r->out, 1 << 28);
	buf_init(&r->time_line, 1 << 20);
}

static inline enum err
rig_open(struct rig *r, const struct source_env *env)
{
	struct errinfo why = { 0 };
	r->s = (struct source){ .kind = r->kind, .conf = &r->conf };
	batch_init(&r->b, &r->conf);
	r->batches = 0;
	enum err e = r->kind->open(&r->s, env, &why);
	if (e)
		printf("# open: %s\n", why.text);
	for (size_t i = 0; e == ERR_OK && i < r->npos && !env->replay; i++)
		must(r->kind->restore(&r->s, str_of(r->pos[i].name), (struct str){ r->pos[i].pos, r->pos[i].len }, &why) ==
			ERR_OK);
	return e;
}

static inline void
rig_live(struct rig *r)
{
	must(rig_open(r, &(struct source_env){ .state_dir = r->dir }) == ERR_OK);
}

static inline void
rig_close(struct rig *r) /* as a SIGKILL would: nothing is written back */
{
	r->kind->close(&r->s);
	batch_free(&r->b);
}

static inline void
rig_restart(struct rig *r)
{
	rig_close(r);
	rig_live(r);
}

static inline struct rig_pos *
rig_pos(struct rig *r, const char *name)
{
	for (size_t i = 0; i < r->npos; i++)
		if (strcmp(r->pos[i].name, name) == 0)
			return &r->pos[i];
	must(r->npos < COUNT_OF(r->pos));
	r->pos[r->npos] = (struct rig_pos){ .name = xstrdup(name), .seq = -1 };
	return &r->pos[r->npos++];
}

static inline void
rig_take(struct rig *r, struct part *p)
{
	struct rig_pos *at = rig_pos(r, p->name);
	struct record rec = { 0 };
	int64_t seq = at->seq;
	while (batch_next(&r->b, &rec)) {
		if (r->b.time_only) {
			buf_str_add(&r->time_line, rec.raw);
			continue;
		}
		if (rec.seq <= seq)
			r->order_broken = true;
		seq = rec.seq;
		buf_str_add(&r->out, rec.raw);
		buf_addc(&r->out, '\n');
	}
	r->time_only += r->b.time_only;
	r->skipped += r->b.skipped;
	r->batches++;
	memcpy(at->pos, r->b.pos, r->b.pos_len);
	at->len = r->b.pos_len;
	at->seq = seq;
}

/* Scan, then fill every partition until it has no more. */
static inline void
rig_read(struct rig *r)
{
	r->s.kind->scan(&r->s, r->now);
	for (size_t i = 0; i < r->s.npart; i++) {
		struct part *p = r->s.part[i];
		for (;;) {
			if (r->stop && r->batches == r->stop)
				return;
			r->last = r->s.kind->fill(p, &r->b, r->now);
			if (r->last != ERR_OK)
				break;
			rig_take(r, p);
		}
	}
}

/* Time passes: looks, quiet times. */
static inline void
rig_settle(struct rig *r)
{
	for (int i = 0; i < 4; i++) {
		rig_read(r);
		r->now += 3 * NS_PER_S;
	}
	rig_read(r);
}

static inline char *
rig_path(const struct rig *r, const char *name)
{
	static char path[4][256];
	static int i;
	char *p = path[i++ & 3];
	snprintf(p, sizeof path[0], "%s/%s", r->dir, name);
	return p;
}

static inline void
rig_write(const struct rig *r, const char *name, const void *p, size_t n)
{
	int fd = open(rig_path(r, name), O_WRONLY | O_CREAT | O_APPEND, 0644);
	must(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

static inline void
rig_puts(const struct rig *r, const char *name, const char *z)
{
	rig_write(r, name, z, strlen(z));
}

/* Lines from..to-1, numbered; pad makes them longer. */
static inline char *
rig_lines(size_t from, size_t to, size_t pad)
{
	struct buf b;
	buf_init(&b, 1 << 28);
	for (size_t i = from; i < to; i++) {
		buf_printf(&b, "{\"n\":%zu,\"pad\":\"", i);
		for (size_t k = 0; k < pad; k++)
			buf_addc(&b, (char)('a' + (i + k) % 26));
		buf_addz(&b, "\"}\n");
	}
	return b.data ? buf_take(&b) : xstrdup("");
}

static inline void
rig_add(const struct rig *r, const char *name, size_t from, size_t to, size_t pad)
{
	char *z = rig_lines(from, to, pad);
	rig_puts(r, name, z);
	free(z);
}

static inline void
rig_mv(const struct rig *r, const char *from, const char *to)
{
	must(rename(rig_path(r, from), rig_path(r, to)) == 0);
}

static inline void
rig_rm(const struct rig *r, const char *name)
{
	must(unlink(rig_path(r, name)) == 0);
}

static inline void
rig_sh(const struct rig *r, const char *command) /* in the folder */
{
	char *z = xasprintf("cd %s && %s", r->dir, command);
	must(system(z) == 0);
	free(z);
}

/* Exactly the lines from..to-1 came, in order, seq growing. */
static inline void
rig_exact(struct rig *r, size_t from, size_t to, size_t pad, const char *what)
{
	char *want = rig_lines(from, to, pad);
	bool good = str_eq(str_of(want), (struct str){ r->out.data, r->out.len });
	ok(good && !r->order_broken, "%s: %zu lines, no gap, no repeat", what, to - from);
	if (!good) {
		size_t n = 0;
		while (n < r->out.len && want[n] && want[n] == r->out.data[n])
			n++;
		printf("# want %zu bytes, got %zu, same up to %zu; got there: %.60s\n", strlen(want), r->out.len, n,
			n < r->out.len ? r->out.data + n : "(end)");
	}
	free(want);
}

static inline int
rig_unlink(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

/* As if no checkpoint had ever been made. */
static inline void
rig_forget(struct rig *r)
{
	for (size_t i = 0; i < r->npos; i++)
		free(r->pos[i].name);
	r->npos = 0;
}

static inline void
rig_free(struct rig *r)
{
	rig_close(r);
	rig_forget(r);
	for (size_t i = 0; i < r->files.files.n; i++)
		free(r->pattern[i]);
	buf_free(&r->out);
	buf_free(&r->time_line);
	(void)nftw(r->dir, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
