/* src_files.h - the files source from the inside: chains of links.
 *
 * A chain is a partition: NAME with its rotations. One link of it is read at a time, `cur`; a chain that is not read
 * (ended, out of descriptors, just restored) knows its place instead. What comes after cur is never remembered: it is
 * looked up in the folder when cur is finished, by what the files are (find_place), so that going on after a restart
 * is the same code as going on.
 * Threads: scan by one thread; fill of different partitions at once, also with scan: each chain has a lock.
 */
#ifndef WEIR_SRC_FILES_H
#define WEIR_SRC_FILES_H

#include "ingest/globs.h"
#include "ingest/link.h"
#include "ingest/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define QUIET_NS (5 * NS_PER_S) /* a file that left its name is waited for so long after its last growth */
#define POLL_NS NS_PER_S        /* all is looked at so often, whatever inotify says */
#define CHAINS_MAX 20000

enum files_start { START_END, START_BEGINNING };

struct files_conf {
	struct strlist files;  /* patterns */
	int start;             /* enum files_start */
	struct strlist follow; /* folders to which links may lead */
};

struct chain {
	struct part part; /* first: a part of this source is a chain */
	pthread_mutex_t lock;
	struct link cur;
	struct place place; /* valid if begun and cur is not open */
	bool begun;
	bool rotated;   /* cur is not what the chain's last name names now */
	bool copy;      /* cur is a copy of what was being read: nobody writes to it */
	bool told;      /* that it cannot be opened */
	bool fresh;     /* nothing was given of cur yet; prev is where the chain stood before it */
	struct place prev;
	size_t after;   /* links known to come after cur */
	bool more;      /* and that they hold something */
	nsec quiet;     /* monotonic: cur's last growth since it left its name */
	int64_t tail;   /* the line whose time alone is wanted, or -1 */
	char **elem;    /* the chain's paths among the matches of the last look, oldest first */
	size_t nelem;
	size_t next;    /* replay: of elem */
};

struct files {
	const struct files_conf *conf;
	struct batch shape; /* format and max_record, no data */
	bool replay, named; /* named: replay of files given by name */
	bool scanned, restored;
	struct found pattern; /* or the names */
	bool *told_none;      /* by pattern: that it matches nothing */
	struct found told;    /* paths told about once, at most TOLD_MAX */
	struct watch *watch;
	bool hint;
	nsec next_poll;
	atomic_int open_fds;
	int max_fds;
	pthread_rwlock_t parts; /* the array of partitions */
};

static inline struct chain *
chain_of(struct part *p)
{
	return (struct chain *)(void *)p;
}

static inline struct files *
files_of(const struct source *s)
{
	return s->priv;
}

/* src_files.c */
enum err files_open_fd(struct source *s, const char *path, int *fd, struct errinfo *why) MUST_CHECK;
struct chain *files_chain(struct source *s, const char *name, bool add); /* NULL: not there (add: CHAINS_MAX) */
bool files_tell_once(struct files *f, const char *path); /* true the first time */

/* src_files_scan.c */
void files_scan(struct source *s, nsec now);
enum err files_replay_setup(struct source *s, struct errinfo *why) MUST_CHECK;

/* src_files_chain.c: from link to link */
struct found chain_list(const struct chain *c); /* all files of the chain that there are, oldest first */
/* Open the file that holds p now, at p: its index in list, or -1. */
ssize_t chain_find(struct source *s, const struct chain *c, const struct found *list, const struct place *p,
	struct link *out);
enum err chain_open(struct source *s, struct link *l, const char *path, int64_t base, struct errinfo *why) MUST_CHECK;
void chain_close(struct source *s, struct chain *c); /* keeps its place */
/* Go on from c->place: in the file that holds it (chain_restart; ERR_AGAIN: none does), else in what is newer. */
enum err chain_restart(struct source *s, struct chain *c, nsec now) MUST_CHECK;
enum err chain_resume(struct source *s, struct chain *c, nsec now, struct errinfo *why) MUST_CHECK;
enum err chain_advance(struct source *s, struct chain *c, nsec now, struct errinfo *why) MUST_CHECK; /* past cur */
/* The first bytes of cur were read. A file without a record given has no content to know it by: if it was rotated or cut
 * away in the meantime, others stand between it and the one before. True: back at the end of that one. */
bool chain_step_back(struct source *s, struct chain *c);

/* src_files_read.c */
/* Replay: number the chain's bytes as the run did that was at p. Without effect if no file of it holds p. */
void chain_align(struct source *s, struct chain *c, const struct place *p);
enum err files_fill(struct part *p, struct batch *b, nsec now) MUST_CHECK;

#endif
