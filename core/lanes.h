/* lanes.h - replay's reading: the partitions of some sources, each read to its end, kept level by their marks. */
#ifndef WEIR_LANES_H
#define WEIR_LANES_H

#include "core/app.h"

struct lane {
	struct part *part;
	struct fpart front;
	uint32_t number;
	bool done;
	unsigned errors;
};

struct lanes {
	const struct app *app;
	struct source *source;
	size_t nsource;
	struct lane *lane;
	size_t nlane;
	struct batch batch;
	struct block block;
	struct front *front;
	struct back *back;
	nsec wall;
	uint64_t bytes, records;
	bool failed; /* a file could not be read to its end: told */
};

/* Index of the `files` source that the named files are read as; -1: all sources; -2: unclear, told. */
int lanes_source(const struct config *c, const char *name, size_t nfiles);
/* Opens source `only` (index, -1: all) in replay over files (NULL: the configured ones). false: told, exit code in *code. */
bool lanes_open(struct lanes *l, const struct app *a, int only, const char *const *files, size_t nfiles, int *code);
/* One batch of the partition that is furthest behind through front and back. false: all are done. */
bool lanes_step(struct lanes *l);
/* "1200 records; time: 3 late ..": what was read and what was wrong with it; no newline. */
void lanes_summary(const struct lanes *l, struct buf *out);
void lanes_close(struct lanes *l);

#endif
