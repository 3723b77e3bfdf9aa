/* front.h - left of the exchange: a batch's lines to records, predicates once a record, partials and tuples out.
 *
 * A front serves one thread and any number of partitions, one batch at a time; a partition's batches go through in
 * order. Between batches it keeps nothing but what struct fpart holds. Cost a record: one parse, one test a distinct
 * predicate that a candidate rule reaches, one key text a distinct `by` list, one probe of the combiner a window rule.
 * No allocation once buffers have grown.
 */
#ifndef WEIR_FRONT_H
#define WEIR_FRONT_H

#include "ingest/parse.h"
#include "rules/exchange.h"

struct front_source {        /* what the front needs to know of a source: made once by front_source_new */
	const struct source_conf *conf;
	size_t index;
	struct str name;
	struct zone *zone;
	int time_slot[8];    /* tried in order */
	size_t ntime;
	uint32_t *always;    /* rules that see every record of this source */
	size_t nalways;
	struct route *route; /* rules behind an equality on one field: one look-up a field */
	size_t nroute;
};

struct place {               /* a stored step: after the record seq the partition's mark was at least this */
	int64_t seq;
	nsec mark;
};

struct fpart {               /* one partition, in use by one front at a time */
	const struct front_source *source;
	uint32_t number;     /* pipeline's number */
	uint32_t order;      /* place in the order of partitions */
	struct ptime time;
	struct buf held;     /* replay: a record that jumps, and untimed ones behind it, as lines */
	nsec held_stamp;     /* NS_NONE: nothing is held */
	uint64_t bad[VERDICTS];
	char sample[VERDICTS][80]; /* first bytes of the last malformed record, by reason */
	struct place *step;  /* restart, replay --state: marks that silence had moved, by place; borrowed */
	size_t nstep, at_step;
	uint64_t no_key;     /* records that lacked a `by` field, summed over rules */
};

void front_source_init(struct front_source *s, struct ruleset *rs, const struct source_conf *conf, size_t index);
void front_source_release(struct front_source *s);

void fpart_init(struct fpart *p, const struct front_source *s, uint32_t number);
void fpart_release(struct fpart *p);

struct front;
struct front *front_new(const struct ruleset *rs);
void front_free(struct front *f);
/* Only records with from <= event time < to reach the rules (replay --from, --to). */
void front_bounds(struct front *f, nsec from, nsec to);
/* weir check: called for each record whose time is settled, before the rules; e answers for this record. */
typedef void front_watcher(void *arg, struct eval *e, const struct front_source *s, const struct record *r);
void front_watch(struct front *f, front_watcher *watch, void *arg);
/* All records of b into out (cleared first). wall: for skew and time: read. replay: jumping records are held. */
void front_run(struct front *f, struct fpart *p, struct batch *b, struct block *out, nsec wall, bool replay);
/* Replay, end of the partition: what is held was real. */
void front_end(struct front *f, struct fpart *p, struct block *out, nsec wall);
/* Steps stored at places up to seq take effect now: before the clock decides again. */
void fpart_steps(struct fpart *p, int64_t seq);
uint64_t front_regex_limits(const struct front *f);

#endif
