/* back.h - right of the exchange: all window and alert state, and the one order of time.
 *
 * One thread owns a back. It takes blocks (folds at once, tuples in order), advances each clock to the least mark of its
 * partitions, runs timers and tuples in the order of DESIGN section 3 and leaves transitions in its output. It takes time
 * from blocks and back_mark alone: no clock is read here.
 *
 * Cost: a fold is one hash probe and a merge; a key is evaluated only at boundaries where its window changed or a `for`
 * falls due; a tuple is sorted within its batch and applied once.
 */
#ifndef WEIR_BACK_H
#define WEIR_BACK_H

#include "core/alert.h"
#include "rules/exchange.h"

struct back;
struct back *back_new(const struct ruleset *rs);
void back_free(struct back *b);

/* Partitions. name orders them within their source. The number is for blocks and the calls below. */
uint32_t back_part_add(struct back *b, size_t source, struct str name);
/* Stops holding its clocks back: ended, behind or blind. Its tuples still apply. */
void back_part_leave(struct back *b, uint32_t part);
void back_part_return(struct back *b, uint32_t part);
void back_part_gone(struct back *b, uint32_t part); /* leaves and is forgotten by the next checkpoint */
/* Restore: the nth partition; false past the last. name.ptr NULL: of another source. pos.ptr NULL: not in the checkpoint. */
bool back_part_at(const struct back *b, uint32_t n, size_t source, struct str *name, struct str *pos);
/* A mark moved by a step (silence, joining) at the place of the last block. */
void back_mark(struct back *b, uint32_t part, const struct ptime *time);
nsec back_reached(const struct back *b, size_t source); /* greatest time reached by a rule of this source; NS_NONE */
/* The least mark over the partitions that still count: NS_NONE while one has none. */
nsec back_least(const struct back *b);

/* Merge a block: takes over its tuples' chunk when it has any (block.tuples NULL after). */
void back_take(struct back *b, struct block *in);
/* Run everything that is due. */
void back_advance(struct back *b);
/* Replay: all input is in. Time goes to the greatest event time, then on by until. */
void back_end(struct back *b, nsec until);

/* weir test: time goes to exactly t in every clock that is not past it: records of time <= t applied, timers due by t run. */
void back_until(struct back *b, nsec t);
/* weir test: called before a condition is judged right of the exchange: of a window at each boundary where something may
 * change, of a record rule with prev at each record. e answers for it. key is its JSON. NULL: nobody looks. */
typedef void back_watcher(void *arg, struct eval *e, const struct rule *r, struct str key, nsec at);
void back_watch(struct back *b, back_watcher *watch, void *arg);

/* Transitions made so far with timestamp < before, in the order of DESIGN section 3; the views stay until the next call
 * of back_advance or back_end. Call back_out_done to drop those given. before INT64_MAX: all. */
size_t back_out(struct back *b, nsec before, const struct alert *const **out);
void back_out_done(struct back *b, size_t n);
/* No transition to come is older than this. */
nsec back_settled(const struct back *b);

/* Alerts that are pending or firing in the engine: their ids, rule by rule. */
void back_open_alerts(const struct back *b, size_t rule, void (*each)(void *arg, const char *id), void *arg);
/* The alert with this id is closed without a transition (it is closed in the store). */
void back_close(struct back *b, size_t rule, const char *id);
nsec back_rule_reached(const struct back *b, size_t rule);

struct back_stats {
	uint64_t folds, tuples, evaluations, keys, refused_keys, displaced_keys;
	uint64_t overflows;  /* how often a limit cost a record: grows where back_rule_stats may tell of a new overflow */
	size_t held, limit;  /* bytes of all state at the last block; that may be held before no key is added, 0: any */
};
void back_stats(const struct back *b, struct back_stats *out);
struct rule_stats {
	uint64_t keys, open, refused_keys, displaced_keys;
	bool overflow;       /* a limit turned keys away within its window: its alerts are partial */
	nsec reached, last_true; /* NS_NONE: never */
	uint64_t records; /* folded or applied */
};
void back_rule_stats(const struct back *b, size_t rule, struct rule_stats *out);
size_t back_rule_holds(const struct back *b, size_t rule); /* bytes */
void back_overflow_text(const struct back *b, size_t rule, struct buf *out); /* which limit, and what follows: a sentence */
/* Bytes of `memory` that are for state; the rest is for reading, the store and delivery. */
size_t back_memory_limit(const struct config *c);

#endif
