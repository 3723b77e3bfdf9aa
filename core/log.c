/* log.c - weir's own log on stderr. One write(2) a line, so that threads and processes do not mix. */
#include "core/log.h"

#include "core/buf.h"
#include "core/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define SLOTS 64            /* messages remembered for counting repeats */
#define QUIET (60 * NS_PER_S)
#define LINE_MAX_BYTES 2048

static const char *const names[] = { "debug", "info", "warning", "error" };
static atomic_int least = LOG_INFO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uint64_t hash;
	nsec since;
	uint64_t held;
} seen[SLOTS]; /* under lock */

void
log_set_level(enum log_level l)
{
	atomic_store(&least, (int)l);
}

/* Is this message to be written now? *held: how many of it were not since the last. */
static bool
due(uint64_t hash, uint64_t *held)
{
	nsec now = mono_ns();
	bool yes = true;
	*held = 0;
	pthread_mutex_lock(&lock);
	size_t i = hash % SLOTS;
	if (seen[i].hash == hash && now - seen[i].since < QUIET) {
		seen[i].held++;
		yes = false;
	} else {
		if (seen[i].hash == hash)
			*held = seen[i].held;
		seen[i].hash = hash;
		seen[i].since = now;
		seen[i].held = 0;
	}
	pthread_mutex_unlock(&lock);
	return yes;
}

void
log_say(enum log_level level, const char *what, const char *fmt, ...)
{
	if ((int)level < atomic_load(&least))
		return;
	struct buf b;
	char at[32];
	buf_init(&b, LINE_MAX_BYTES);
	time_text(wall_ns(), at);
	buf_printf(&b, "%s %s %s: ", at, names[level], what);
	size_t head = b.len;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	if (b.over)
		buf_addz(&b, "...");
	for (size_t i = head; i < b.len; i++) /* log text must not forge lines or move the cursor */
		if ((unsigned char)b.data[i] < 0x20 || b.data[i] == 0x7f)
			b.data[i] = ' ';
	uint64_t held;
	if (due(str_hash((struct str){ b.data + head, b.len - head }, str_hash(str_of(what), level)), &held)) {
		if (held)
			buf_printf(&b, " (and %llu times more)", (unsigned long long)held);
		buf_addc(&b, '\n');
		if (write(STDERR_FILENO, b.data, b.len) == -1)
			(void)held; /* nowhere left to say it */
	}
	buf_free(&b);
}
