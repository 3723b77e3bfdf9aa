/* live.h - `weir run`: sources to transitions to outbox, with checkpoints.
 *
 * One turn of the loop: look at the sources, let workers (workers.h; one: the loop itself) read and parse a batch of the
 * partitions that are furthest behind, take what they have done into the back, commit what it gave, a slice of the checkpoint,
 * then wait for a worker, a file, a signal, a client or the next tick. Delivery is a thread of its own. Order of durability:
 * transitions and their outbox rows, then the generation that passes them.
 * While a partition is with a worker its lane's front and part are not touched: silence and status wait for all (live_settle).
 */
#ifndef WEIR_LIVE_H
#define WEIR_LIVE_H

#include "core/app.h"
#include "core/policy.h"
#include "core/reach.h"
#include "core/store.h"
#include "sinks/deliver.h"

#define LIVE_TICK NS_PER_S          /* silence and timers are looked at this often */
#define LIVE_SCAN (50 * NS_PER_MS)  /* and, while workers read, the sources */
#define LIVE_SLICE (20 * NS_PER_MS) /* a checkpoint holds the back at most that long at a time */

struct live_lane {
	struct part *part;
	struct fpart front;
	struct source *source;
	struct reach reach;  /* while reach.job is set, front and part are a worker's */
	size_t index;        /* of the source in the configuration */
	uint32_t number;
	int64_t seq;         /* of the last record taken */
	bool at_end, left;
	bool leaving;        /* left since the last commit: a step to store */
	bool joined;         /* began beside others since the last commit: a step to store, with its place and its mark */
	nsec join;
	int64_t join_seq;
	nsec retry;          /* monotonic: not before (a read failed) */
	struct place *step;
	bool stored;         /* the last checkpoint knew it */
	bool begun;          /* was read at least once: it has a position */
	struct place *moved; /* where silence moved its mark since the last commit: steps to store, one a place */
	size_t nmoved, cap_moved;
	char noted_pos[POSITION_MAX]; /* as the generation being written holds it */
	size_t noted_pos_len;
};

struct live_quiet {          /* a source without partitions goes on as one quiet one */
	uint32_t number;
	struct ptime time;
	bool counts, moved;  /* moved: since the last commit, a step to store */
};

struct live {
	struct app *app;
	struct store *store;
	struct policy *policy;
	struct deliver *deliver;
	struct deliver_hooks hooks;
	struct workers *workers;
	struct leveller leveller;
	struct back *back;
	struct source *source;
	nsec next_scan;          /* monotonic */
	bool look_again;         /* the last scan was left out, or could not see all */
	struct live_quiet *quiet; /* one a source */
	struct live_lane **lane;
	size_t nlane, cap_lane;
	size_t here;             /* lanes that have not left */
	nsec wall0, mono0;       /* the wall clock at start goes on at the monotonic clock's pace */

	/* checkpoint */
	enum { CKPT_IDLE, CKPT_WRITING, CKPT_PRUNING } ckpt;
	nsec next_ckpt, last_ckpt; /* monotonic */
	bool first, soon;          /* there is none yet; a partition began, whose position should be stored soon */
	int64_t generation;
	uint64_t changes, noted; /* batches and transitions taken; as of the last note */
	bool full;               /* no space: processing holds */
	nsec full_retry;
	bool lack_told;          /* weir.state-full is open; at start true: one of an earlier life may be */

	/* restart: alerts open in the store, compared once their rule's time has passed its newest transition */
	struct live_open {
		struct alert last;
		bool settled;
	} *open;
	size_t nopen, cap_open;
	nsec *newest;            /* by rule; NS_NONE: compared already */
	size_t unsettled;        /* rules still to compare */

	/* weir.key-overflow */
	signed char *overflow;   /* by rule: is it told? -1: unknown, an earlier life may have */
	uint64_t overflows;      /* of the back's, as of the last look */
	nsec next_overflow;      /* monotonic: the next look where there was no new one */

	/* weir.delivery-failed: told by the delivery thread */
	struct live_failed *failed;

	uint64_t transitions, told;
	int signal_fd, control_fd;
	bool stop, failing;      /* failing: stopped by an error, exit 3 */
};

/* live_read.c */
bool live_sources_open(struct live *l); /* false: told */
void live_sources_close(struct live *l);
bool live_read(struct live *l, nsec now);  /* what workers have done, or a batch; false: there is nothing now */
void live_settle(struct live *l);          /* nothing is with a worker any more; what was is in the back */
/* The newest transition of the source's rules that an earlier life told and this one has not come to yet; NS_NONE: none. */
nsec live_told(const struct live *l, size_t index);
void live_scan(struct live *l, nsec now);
void live_silence(struct live *l);
bool live_ended(const struct live *l);     /* all sources can bring no more, ever */
nsec live_wall(const struct live *l, nsec mono);

/* live_store.c */
bool live_restore(struct live *l);         /* false: told, exit 3 */
enum err live_commit(struct live *l);      /* transitions of the back, in one commit */
void live_checkpoint(struct live *l, nsec now, bool all); /* a slice; all: to its end */
enum err live_commit_failed(struct live *l, enum err e); /* no space: processing holds; else this process ends */

/* live_self.c: key {field: name}; but_sink SIZE_MAX: all hear it. false: not stored, try again */
bool live_self_alert(struct live *l, const char *rule, const char *field, const char *name, enum level level, const char *text,
	bool firing, size_t but_sink);
void live_tell_space(struct live *l);
void live_tell_overflow(struct live *l, nsec now);

/* control.c, live_status.c */
int control_open(const char *state, struct errinfo *why);
void control_serve(struct live *l);
int control_ask(const char *state, const char *request, struct buf *out, struct errinfo *why); /* the client; an enum err */
void control_close(const char *state, int fd);
void live_status(struct live *l, bool json, struct buf *out);

#endif
