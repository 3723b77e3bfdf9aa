/* back_int.h - the back's own structures: shared by back*.c, keys.c and shape_*.c alone. */
#ifndef WEIR_BACK_INT_H
#define WEIR_BACK_INT_H

#include "core/pool.h"
#include "rules/back.h"
#include "rules/cell.h"

#define SHARDS 64
#define WHEEL_SLOTS 4096 /* power of two */
#define NEVER INT64_MAX

/* ---- one key of one rule ---- */

struct open_alert {          /* what is kept while an alert is pending or firing */
	enum state state;
	enum level level;
	nsec start;          /* names the alert: with `for` the pending boundary */
	nsec last;           /* record: newest match */
	int64_t count;
	bool partial;
	uint8_t clocks;      /* window: bit a level whose clock runs: all while pending, those above level while firing */
	nsec since[LEVELS];  /* window: the boundary at which that clock started */
	struct val value, threshold; /* record: of the newest match, told again when it resolves; strings owned */
};

struct carried {             /* of the newest record: slots as in a tuple, and raw lines (newest last) */
	uint32_t slots, nline, line[3];
	char bytes[];
};

/* Panes lie in one array, oldest first: this header, then the rule's cells. */
struct pane {
	int32_t rel;         /* pane number less rule_state.base */
	uint32_t n : 29;     /* records */
	uint32_t dirty : 1;  /* changed since its row was written */
	uint32_t stored : 1; /* has a row in the store */
	uint32_t dead : 1;   /* left every window; kept until its tombstone is written */
};
#define PANE_RECORDS_MAX ((1u << 29) - 1)

struct key {
	uint64_t hash;
	struct key *next, **link; /* wheel: list of a slot; record, pair: the queue; link NULL: in none */
	int64_t due;         /* window: boundary number; else ns; NEVER: no timer */
	uint32_t heap;       /* 1 + place in the heap; 0: not in it */
	uint32_t klen;
	uint32_t npane, cap_pane;
	char *panes;
	struct open_alert *alert;
	struct carried *carry;
	uint32_t carry_bytes; /* of what carry holds: its memory is freed without a look at it */
	uint32_t line;       /* bounds.c: 1 + place in its shard's line; 0: in none */
	char *prev;          /* record with prev: slots of the previous record, as in a tuple */
	uint32_t prev_len;
	bool dirty : 1;      /* in back.dirty: changed since the last generation was noted */
	bool noted : 1;      /* in the generation being written, its row not yet written */
	bool stored : 1;     /* has rows in the store, or in the generation being written */
	bool dead : 1;       /* dropped; the struct stays until the next note, as a list holds it */
	bool listed : 1;     /* in the list of the generation being written, its turn still to come */
	bool opened : 1;     /* pair; presence: a value of `first` */
	bool expected : 1;   /* presence: named in `expect`, or the key of a rule without `by`: never dropped */
	bool emptied : 1;    /* window: its window was seen empty since its last record */
	struct memory *memory; /* window: series and baselines (series.h); NULL: none */
	uint32_t npast;      /* presence: values that a key of `first` showed */
	uint32_t base_len;   /* presence: of a value's text, the bytes of its key (its last one a comma or brace) */
	nsec seen;           /* time of the newest tuple (forget), pair: of the open while opened */
	nsec opened_at;
	char text[];         /* canonical JSON values of the key: "merging",12} */
};

struct rule_state {
	const struct rule *rule;
	struct key_slot {
		uint64_t hash; /* beside the pointer: a probe that misses touches no key */
		struct key *key;
	} *table;            /* open addressing, power of two */
	uint32_t mask, nkey, nvalue; /* nvalue: those that are values of `first`, in no shard's count */
	struct pool pool;    /* keys, their panes, what they carry */
	uint32_t shard[SHARDS]; /* keys a shard: each may hold max_keys / 32 */
	uint64_t refused, displaced, records, open;
	struct spares *spares; /* bounds.c; NULL: no limit was reached yet */
	nsec overflow;       /* event time of the newest record that a limit turned away or that took a key's place; NS_NONE */
	nsec overflow_from;  /* of the oldest one without a whole window free of them since */
	enum limit { LIMIT_KEYS, LIMIT_VALUES, LIMIT_SERIES, LIMIT_MEMORY } overflow_by;
	nsec last_true;      /* greatest time at which the condition was seen true (pair: fired); NS_NONE */
	nsec started;        /* presence: the first record that expected keys count from; NS_NONE: not yet */
	bool kept;           /* restore: its stored state has this rule's shape */
	/* window: timers */
	struct key **wheel;  /* WHEEL_SLOTS of them, from the first timer on */
	uint32_t in_wheel;
	int64_t at;          /* last boundary that was run; NEVER: none yet */
	int64_t base;        /* pane number that rel counts from; NEVER: none yet */
	size_t stride;       /* bytes of a pane with its cells */
	size_t *cell_off;
	/* record, pair: timers. Most are set in the order in which they fall due: those form a queue, the others a heap */
	struct key *queue, *queue_last;
	struct key **heap;
	uint32_t nheap, cap_heap;
	/* hold: 0: equal lines of one ms */
	nsec equal_ms;
	struct equal_line {
		uint64_t line[2];
		uint64_t hash;
		uint32_t n;
	} *equal;
	size_t nequal, cap_equal;
};

/* ---- the back ---- */

struct bpart {
	size_t source;
	char *name;
	uint32_t rank;       /* place in the order of partitions */
	bool counts;         /* holds its clocks back */
	bool gone;           /* ended for good: not stored any more */
	nsec first;          /* least event time of its records; NS_NONE: none */
	struct ptime time;   /* as of the last block or step taken */
	char *pos;           /* position as of the last block taken */
	size_t pos_len;
	int64_t seq;
};

struct waiting {             /* a tuple that waits for its turn */
	nsec time;
	int64_t seq;
	uint32_t rank, part;
	const struct tuple *tuple;
	struct chunk *chunk;
};

struct clock {
	uint64_t sources;
	nsec reached;        /* NS_NONE: not yet */
	nsec first;          /* least event time of its sources' records */
	struct waiting *wait;
	size_t head, nwait, cap_wait; /* those from head to nwait wait; the ones before were applied */
	size_t sorted;       /* in order up to here */
	uint32_t *rule;      /* its rules */
	size_t nrule;
};

struct emission {
	struct alert alert;
	uint32_t rule;
	uint64_t seq;        /* the order of an alert's life */
	char *order;         /* key text: canonical order */
};

struct back {
	const struct ruleset *rs;
	struct rule_state **rule;
	struct clock *clock;
	struct bpart *part;
	size_t npart, cap_part;
	bool ranks_stale;
	struct eval *eval;
	struct regex_scratch *regex;
	struct record rec;   /* for evaluation over tuples and keys */
	struct arena arena;
	struct val *aggs;
	struct sketch_sum sketches; /* the panes of one quantile, added up */
	struct emission *out;
	size_t nout, cap_out, sorted_out;
	const struct alert **view;
	size_t cap_view;
	uint64_t emitted;
	nsec greatest;       /* event time over all partitions */
	struct back_stats stats;
	nsec arrival;        /* event time of what is being taken or applied: its pane's start, if a fold */
	size_t held, limit;  /* bytes: of all state, as of the last block; that may be held, 0: any */
	size_t tuple_bytes;  /* of chunks that wait */
	struct save *save;   /* NULL: nothing is written (replay) */
	back_watcher *watch; /* weir test; else NULL */
	void *watch_arg;
};

/* back.c */
void back_wait(struct back *b, struct block *in); /* take over the tuples of a block */
void back_seen(struct back *b, const struct rule *r, const struct key *k, nsec at); /* to who watches */

/* keys.c */
struct rule_state *rule_state_new(const struct rule *r);
void rule_state_free(struct rule_state *rs);
struct key *key_find(const struct rule_state *rs, struct str text, uint64_t hash);
struct key *key_get(struct back *b, struct rule_state *rs, struct str text, uint64_t hash); /* NULL: not admitted */
struct key *key_always(struct back *b, struct rule_state *rs, struct str text, uint64_t hash); /* the same, whatever the limits */
/* A new value of a key of `first`: not counted in max_keys. NULL: not admitted */
struct key *key_value(struct back *b, struct rule_state *rs, struct key *of, struct str text, uint64_t hash);
void key_is_value(struct rule_state *rs, struct key *k); /* restore */
void key_drop(struct back *b, struct rule_state *rs, struct key *k);
void alert_values(struct open_alert *a, const struct val *value, const struct val *threshold); /* copies */
struct open_alert *alert_new(struct key *k); /* zeroed */
void alert_drop(struct key *k); /* its alert is over */
void key_release(struct rule_state *rs, struct key *k); /* frees memory of a key that no table or list holds */
void wheel_set(struct rule_state *rs, struct key *k, int64_t due); /* boundary number or NEVER */
void timer_set(struct rule_state *rs, struct key *k, nsec due);    /* ns or NEVER */
struct key *timer_first(const struct rule_state *rs);              /* the key that falls due first; NULL: none */
void key_prefetch(const struct rule_state *rs, uint64_t hash);     /* it will be looked up soon: its place in the table */
void key_prefetch_deep(const struct rule_state *rs, uint64_t hash); /* then the key itself */
void key_carry(struct rule_state *rs, struct key *k, struct carried *c); /* frees what it carried; c may be NULL */
void key_json(const struct ruleset *rs, const struct rule *r, struct str text, struct buf *out);
void key_phrase(const struct ruleset *rs, const struct rule *r, struct str text, struct buf *out); /* a=1, b=x */
/* The key's values into b->rec slots (views into text or b->arena); clear with slots_clear. Gives its @source, if it has. */
struct str key_slots(struct back *b, const struct rule *r, struct str text);
void carried_slots(struct back *b, const struct rule *r, const char *slots, uint32_t len);
void slots_clear(struct back *b, const struct rule *r);
struct carried *carried_of(struct rule_state *rs, const struct tuple *t, const struct carried *before);
struct carried *carried_new(struct rule_state *rs, size_t bytes);

/* Must be called before anything of the key changes (save.c: a noted key is copied first). */
void key_touch(struct back *b, struct rule_state *rs, struct key *k);

/* bounds.c */
uint32_t key_shard(uint64_t hash);
bool key_evictable(const struct rule_state *rs, const struct key *k); /* a new key may take its place */
bool key_room(struct back *b, struct rule_state *rs, uint64_t hash);  /* false: a key of this hash is not admitted; told and counted */
bool series_room(struct back *b, struct rule_state *rs, const struct memory *m); /* may the key remember one more series? */
bool value_room(struct back *b, struct rule_state *rs, const struct key *of); /* the same for another value of a key of `first` */
void key_wait(struct rule_state *rs, struct key *k); /* it changed: if it may go, it stands in line */
void key_gone(struct rule_state *rs, struct key *k); /* it is dropped */
void spares_free(struct rule_state *rs);
nsec rule_span(const struct rule *r);                /* what an overflow lies behind when it has no part in alerts any more */
bool rule_overflows(const struct rule_state *rs, nsec at); /* alerts of that time are partial */
bool rule_overflowing(const struct back *b, const struct rule_state *rs); /* its window has not passed without one yet */
void back_weigh(struct back *b);

static inline struct pane *
pane_at(const struct rule_state *rs, const struct key *k, uint32_t i)
{
	return (struct pane *)(void *)(k->panes + i * rs->stride);
}
static inline void *
pane_cell(const struct rule_state *rs, struct pane *p, size_t cell)
{
	return (char *)p + rs->cell_off[cell];
}

/* shape_window.c */
void window_fold(struct back *b, struct rule_state *rs, struct fold *f);
void window_start(struct back *b, struct rule_state *rs, nsec first); /* the key of a rule without `by` */
void window_run(struct back *b, struct rule_state *rs, nsec upto);    /* boundaries <= upto */
void window_tuple(struct back *b, struct rule_state *rs, const struct tuple *t);
void panes_release(struct rule_state *rs, struct key *k);
void pane_remove(struct rule_state *rs, struct key *k, uint32_t i);
struct pane *pane_get(struct rule_state *rs, struct key *k, int64_t pane);
/* aggregate.c */
uint64_t window_records(const struct rule_state *rs, const struct key *k, int64_t at, int64_t panes);
/* All aggregates of the rule at this boundary into b->aggs. */
void aggregates_at(struct back *b, struct rule_state *rs, struct key *k, int64_t at);
/* A baseline's windows end at multiples of `over`: keep A where this boundary is one. */
void baseline_note(struct back *b, struct rule_state *rs, struct key *k, int64_t at);

/* shape_presence.c */
void presence_start(struct back *b, struct rule_state *rs, nsec first); /* keys that are expected */
void presence_tuple(struct back *b, struct rule_state *rs, const struct tuple *t);
void presence_timer(struct back *b, struct rule_state *rs, struct key *k, nsec now);
void presence_wake(struct rule_state *rs, struct key *k);

/* shape_record.c */
void record_wake(struct rule_state *rs, struct key *k); /* restore */
void equal_put(struct rule_state *rs, const struct equal_line *e); /* restore: one that is not there yet */
void record_tuple(struct back *b, struct rule_state *rs, const struct tuple *t);
void record_timer(struct back *b, struct rule_state *rs, struct key *k, nsec now);
/* shape_pair.c */
void pair_tuple(struct back *b, struct rule_state *rs, const struct tuple *t);
void pair_wake(struct rule_state *rs, struct key *k);
void pair_timer(struct back *b, struct rule_state *rs, struct key *k, nsec now);

/* save.c */
void key_bury(struct back *b, struct rule_state *rs, const struct key *k);
void save_free(struct save *s);
void save_dead(struct back *b); /* a dirty key was dropped */
size_t save_holds(const struct back *b); /* bytes */

/* emit.c */
struct emit {
	enum event event;
	enum state state;
	enum level level;
	nsec timestamp, start, ends;
	struct val value;
	struct val threshold;
	int64_t count;
	const char *cause;
	bool partial;
	bool by_resolve;     /* value and threshold are those of resolve_when */
	const uint64_t *line; /* hold: 0: two words and the number among equal lines; else NULL */
};
void alert_id(const struct back *b, const struct rule *r, const struct key *k, nsec start, const uint64_t *line,
	char out[ALERT_ID_MAX]);
void emit(struct back *b, struct rule_state *rs, const struct key *k, const struct emit *e);

#endif
