/* watch.h - inotify as a hint: something in these folders changed.
 *
 * Events say where to look, never what is true: lost ones (queue overflow, network file systems, no watches left) cost
 * latency only, as the poll finds the same. Bounds: WATCHES_MAX folders, the rest is polled.
 */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

#include "core/base.h"

#define WATCHES_MAX 1024

struct watch;
struct watch *watch_new(void); /* never NULL; without inotify it has no fd and says nothing */
void watch_free(struct watch *w);
void watch_folder(struct watch *w, const char *path); /* again: no cost but one call */
int watch_fd(const struct watch *w);
/* Take all events. True: names came or went, or events were lost: look at everything. modified is called with the
 * path of each file that was written to. */
bool watch_drain(struct watch *w, void (*modified)(void *ctx, const char *path), void *ctx);

#endif
