/* log.h - weir's own log: one line a message on stderr, "LEVEL what: text" with the time, never a secret.
 *
 * Repeats of one message (same id) within a minute are counted and told once with the number. Thread-safe.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include "core/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
void log_set_level(enum log_level least);
void log_say(enum log_level level, const char *what, const char *fmt, ...) PRINTF(3, 4);
#define log_info(what, ...) log_say(LOG_INFO, what, __VA_ARGS__)
#define log_warn(what, ...) log_say(LOG_WARN, what, __VA_ARGS__)
#define log_error(what, ...) log_say(LOG_ERROR, what, __VA_ARGS__)

#endif
