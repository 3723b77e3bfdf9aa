/* replay.h - what `weir replay` does besides reading: the live run's steps, and delivery. */
#ifndef WEIR_REPLAY_H
#define WEIR_REPLAY_H

#include "core/lanes.h"

/* --state: the steps recorded in dir to the lanes they belong to, before the first lanes_step. Tells on stderr what was
 * found. false: told, exit code in *code. */
bool steps_load(struct lanes *l, const char *dir, int *code);

/* --send: a store of its own in a private folder, the outbox and a delivery thread over it. */
struct sending;
/* NULL: told, exit code in *code. Takes the stdout sinks out of the configuration: replay itself prints. */
struct sending *sending_open(struct app *a, int *code);
/* One transition, in the order of time: the policy's clock and the delivery's go on to its time. false: told. */
bool sending_put(struct sending *s, const struct alert *a);
/* Waits up to drain for what is left, tells it on stderr, removes the folder. Gives an enum cmd_exit. */
int sending_close(struct sending *s, nsec drain);
bool sending_interrupted(void); /* SIGINT or SIGTERM came */

#endif
