/* source.h - where records come from: a source has partitions, a partition fills batches.
 *
 * A partition is what has one order and one time of its own: a file with its chain of rotations, a spool, a
 * Kafka partition. `seq` grows strictly along it, over rotations too. A batch is one buffer of whole records;
 * every view made from it dies at the next fill of the same batch. Nothing here blocks; nothing here asks the
 * wall clock except through file times.
 *
 * The position after a batch is an opaque string of bytes that only its source reads; the back stores it when
 * it has taken the batch, and hands it back through restore at the next start.
 */
#ifndef WEIR_SOURCE_H
#define WEIR_SOURCE_H

#include "config/config.h"
#include "core/arena.h"
#include "core/record.h"

#define POSITION_MAX 4096
#define BATCH_BYTES (1 << 18) /* what a fill aims at; a record up to max_record makes it larger */

struct batch {
	char *data;         /* len bytes of raw input, cap allocated; owned */
	size_t len, cap;
	struct arena arena; /* decoded strings, joined lines; reset by fill */
	size_t at;          /* framing cursor of batch_next */
	int64_t seq;        /* of data[0] */
	int64_t offset;     /* of data[0] in its file */
	struct str file;    /* path it was read from: borrowed from the partition until its next fill */
	char pos[POSITION_MAX];
	size_t pos_len;
	bool at_end;        /* after this batch the partition was read to its end */
	nsec written;       /* mtime of the file when it was read to its end, else NS_NONE */
	int format;         /* enum format */
	int64_t max_record;
	uint64_t skipped;   /* records over max_record dropped on the way; complete once batch_next said false */
	char skipped_head[64]; /* first bytes of the last one dropped, NUL-terminated */
	bool time_only;     /* holds the last line before a start at the end: take its time, evaluate nothing */
	/* private to framing */
	bool stamped;       /* a spool that keeps read times: each line begins with its own */
	unsigned drop_in, drop_out; /* envelope streams inside an overlong record at the first and after the last byte */
	bool last_record;   /* the file ends here: parts without their end are a record */
	struct frame_join *join; /* records in parts, one a stream; owned */
};

void batch_init(struct batch *b, const struct source_conf *c);
void batch_free(struct batch *b);
void batch_reset(struct batch *b); /* empty again: what every fill does first; views into it die */
/* The next record of the batch: its text (raw, stamp, seq, offset, file set in *r; slots untouched). Empty lines
 * are skipped; a trailing CR is cut. cri: the tag is cut, its time becomes the stamp, P parts are joined up to
 * their F in the arena. docker: `log` is decoded into the arena, parts joined, `time` becomes the stamp; a line that
 * is no envelope comes out as it is, for the parser to refuse. false at the end. */
bool batch_next(struct batch *b, struct record *r);

enum part_state {
	PART_LIVE,
	PART_ENDED /* live: unlinked or renamed out of the glob, read to its end, quiet for 5s; replay: read to its end */
};

struct part {
	char *name;       /* orders the partitions of a source, bytewise: the live file's path */
	struct source *source;
	enum part_state state;
	bool readable;    /* has been opened at least once (before: "could never be read") */
	bool unread;      /* there is data not yet read, as far as the source knows */
	struct errinfo why; /* the last failure of fill, code ERR_OK if none */
	uint64_t lost;      /* bytes known to have been written and never read: a truncation was faster, a file is gone */
	void *user;       /* the pipeline's */
};

/* How a source is opened. */
struct source_env {
	const char *state_dir; /* for spools; NULL in replay */
	bool replay;           /* read to the end, then ended; rotations joined with their live file */
	const char *const *files; /* replay: these files instead of the configured glob; nfiles 0: the glob's */
	size_t nfiles;
};

struct source {
	const struct source_kind *kind;
	const struct source_conf *conf;
	struct part **part;    /* in order of name; grows at scan; pointers are stable */
	size_t npart, cap_part;
	void *priv;
};

struct source_kind {
	struct kind kind; /* first: a source_kind is a struct kind to config */
	/* s->conf and s->kind are set. */
	enum err (*open)(struct source *s, const struct source_env *env, struct errinfo *why) MUST_CHECK;
	/* A partition known from the last checkpoint: called after open, before the first scan. The partition is added
	 * under that name and goes on from pos (whose identity decides what file that is now). An empty name: the last
	 * checkpoint knew the source, so that what it finds and was not restored has appeared since. In replay: before the first
	 * fill of that partition; records are numbered as the run at pos did, and are read from the beginning all the same. */
	enum err (*restore)(struct source *s, struct str name, struct str pos, struct errinfo *why) MUST_CHECK;
	/* Look for new, renamed, gone files. Cheap when nothing happened (inotify said nothing and the slow poll is not
	 * due); now is monotonic. Missing or unreadable things are told through core/log once, not returned. */
	void (*scan)(struct source *s, nsec now);
	/* The next batch of p: ERR_OK with at least one whole record or progress in pos; ERR_AGAIN: read to its end
	 * (b->at_end, b->written set); ERR_EOF: ended; ERR_IO: see p->why, try again later. */
	enum err (*fill)(struct part *p, struct batch *b, nsec now) MUST_CHECK;
	/* Called before a checkpoint that holds positions of s is made durable: what they stand on must be so first. NULL:
	 * nothing to do. */
	void (*sync)(struct source *s);
	/* The checkpoint that holds pos is durable: what lies before it is needed no more. NULL: of no use to the kind. */
	void (*kept)(struct part *p, struct str pos);
	int (*fd)(const struct source *s); /* becomes readable when scan or fill may have something; -1: poll only */
	void (*close)(struct source *s);   /* frees partitions and priv */
};

extern const struct source_kind source_files, source_stdin;
extern const struct kind *const source_kinds[]; /* NULL-ended, in the order of the manual */

#endif
