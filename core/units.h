/* units.h - durations, sizes and zones as people write them. */
#ifndef WEIR_UNITS_H
#define WEIR_UNITS_H

#include "core/base.h"

/* "250ms" "2s" "5m" "1h" "7d", also "1.5h" and "1h30m"; a bare number is no duration. ns, never negative. */
bool dur_parse(struct str s, nsec *out);
/* "10MB" = 10^7, "4KiB" = 4096, "512" = 512 bytes; kB MB GB TB, KiB MiB GiB TiB, B. */
bool size_parse(struct str s, int64_t *out);
/* The duration as people write it: the largest unit that divides it ("5m", "90s", "250ms"). */
size_t dur_text(nsec d, char out[32]);
/* About how long, for people: its two largest units, or three digits below a minute ("3m9s", "2d4h", "1.5s", "250ms"). */
size_t dur_about(nsec d, char out[32]);

/* A time zone: "UTC", "Z", "+02:00", or a name of the system's zone files such as "Europe/Berlin" (TZif, RFC 8536). */
struct zone;
struct zone *zone_open(const char *name); /* NULL: unknown name; owned by the caller */
void zone_free(struct zone *z);
/* Seconds east of UTC at a local civil time (seconds as if it were UTC); in a gap or overlap the earlier offset. */
int32_t zone_offset_local(const struct zone *z, int64_t local_s);
int32_t zone_offset_utc(const struct zone *z, int64_t utc_s);

#endif
