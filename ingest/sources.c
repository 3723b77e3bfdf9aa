/* sources.c - the table of source kinds. A new kind: its file, and a line here. */
#include "ingest/source.h"

const struct kind *const source_kinds[] = {
	&source_files.kind,
	&source_stdin.kind,
	NULL,
};
