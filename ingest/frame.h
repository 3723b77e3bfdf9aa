/* frame.h - where records end, and what an envelope (cri, docker) says about its line.
 *
 * json: a record is a line. cri and docker wrap each line, and cut long ones into parts; a record is all parts of
 * one stream up to the closing one, and parts of the two streams may alternate. Used by batch_next to take records
 * out of a batch and by the readers to end a batch where no record is open.
 * Owns: nothing. Cost: json O(bytes of the last line); envelopes one pass over the bytes.
 */
#ifndef WEIR_FRAME_H
#define WEIR_FRAME_H

#include "ingest/source.h"

#include <sys/types.h>

enum { STREAMS = 2 }; /* stdout, stderr */

struct envelope {
	int stream;      /* 0 stdout, 1 stderr */
	bool closes;     /* the record ends with this line */
	struct str text; /* cri: the message as it stands; docker: the inner text of `log`, still escaped */
	struct str time; /* as written */
};
/* line has no newline and no CR at its end. false: no envelope of that format. */
bool envelope_parse(int format, struct str line, struct envelope *out);
/* Decode a JSON string's inner text; to has room for s.len bytes. Returns the length, or -1: a bad escape. */
ssize_t frame_unescape(struct str s, char *to);

/* The most bytes that one record may take in a file, newline included; more is over max_record for certain. */
size_t frame_limit(int format, int64_t max_record);
/* Length of the longest prefix of data that ends where no record is open (0: none). drop: streams that are inside an
 * overlong record at the start; they do not hold a batch open. */
size_t frame_cut(int format, struct str data, unsigned drop);
/* Streams that are inside a record after data. */
unsigned frame_open(int format, struct str data, unsigned drop);

#endif
