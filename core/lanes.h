/* lanes.h - replay's reading: the partitions of some sources, each read to its end, kept level by their marks.
 *
 * With workers (workers.h) several partitions are read at once; blocks reach the back in the order in which they are done.
 */
#ifndef WEIR_LANES_H
#define WEIR_LANES_H

#include "core/app.h"
#include "core/reach.h"

struct lane {
	struct part *part;
	struct fpart front;
	uint32_t number;
	bool done;
	unsigned errors;
	struct place *step; /* with steps: the live run's, owned */
	size_t nstep;
	bool leaves;        /* its last step: the live run saw it end */
	struct reach reach; /* while reach.job is set, front and part are a worker's */
};

struct lanes {
	const struct app *app;
	struct source *source;
	size_t nsource;
	struct lane *lane;
	size_t nlane;
	struct block block; /* of front_end */
	struct workers *workers;
	struct leveller leveller;
	struct back *back;
	nsec wall;
	uint64_t bytes, records;
	struct lanes_quiet { /* a source that went on without partitions, with steps */
		nsec mark;
		uint32_t number;
	} *quiet;       /* one a source; NULL: none */
	bool stepped; /* replay_steps.c: time goes as far as the live run's did, and no record is held */
	bool failed; /* a file could not be read to its end: told */
};

struct lanes_what {
	int only;                 /* index of the source; -1: all of kind files */
	const char *const *files; /* NULL: the configured ones */
	size_t nfiles;
	int64_t jobs;             /* workers; 0: auto */
	nsec from, to;            /* only records with from <= event time < to reach the rules */
};

/* Index of the `files` source that the named files are read as; -1: all sources; -2: unclear, told. */
int lanes_source(const struct config *c, const char *name, size_t nfiles);
/* false: told, exit code in *code. lanes_close either way. */
bool lanes_open(struct lanes *l, const struct app *a, const struct lanes_what *what, int *code);
/* Reads on, and one batch goes through the back. false: all are done. */
bool lanes_step(struct lanes *l);
void lanes_quiet(struct lanes *l, size_t source); /* with steps: see there */
/* "1200 records; time: 3 late ..": what was read and what was wrong with it; no newline. */
void lanes_summary(const struct lanes *l, struct buf *out);
void lanes_close(struct lanes *l);

#endif
