/* store_tap.h - for the tests of the store: a folder that goes away, alerts in few words. */
#ifndef WEIR_STORE_TAP_H
#define WEIR_STORE_TAP_H

#include "core/alert.h"
#include "core/tap.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char tmp_dir[64];

static inline void
tmp_clear(void) /* flat folders only */
{
	DIR *d = opendir(tmp_dir);
	if (!d)
		return;
	for (struct dirent *f; (f = readdir(d));)
		if (strcmp(f->d_name, ".") && strcmp(f->d_name, ".."))
			(void)unlinkat(dirfd(d), f->d_name, 0);
	closedir(d);
	rmdir(tmp_dir);
}

static inline const char *
tmp_new(void)
{
	if (tmp_dir[0])
		tmp_clear();
	snprintf(tmp_dir, sizeof tmp_dir, "/tmp/weir-test-XXXXXX");
	must(mkdtemp(tmp_dir));
	return tmp_dir;
}

/* A transition of rule and key {"k":KEY}; its strings are owned, alert_free it. */
static inline struct alert
alert_new(const char *rule, const char *key, enum event event, nsec at)
{
	struct alert a = { .event = event, .timestamp = at, .starts_at = at, .ends_at = NS_NONE, .level = LEVEL_ERROR };
	a.state = event == EV_PENDING ? ST_PENDING : event == EV_RESOLVED || event == EV_DROPPED ? ST_RESOLVED : ST_FIRING;
	if (a.state == ST_RESOLVED)
		a.ends_at = at;
	snprintf(a.id, sizeof a.id, "alert_%s_%s", rule, key);
	a.rule = xstrdup(rule);
	a.key = xasprintf("{\"k\":\"%s\"}", key);
	a.title = xasprintf("%s of %s", rule, key);
	a.message = xstrdup("text");
	a.labels = xstrdup("{}");
	a.metadata = xstrdup("{}");
	return a;
}

#endif
