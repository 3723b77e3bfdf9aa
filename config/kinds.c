/* kinds.c - `sources:` and `sinks:` of weir.yaml: which kind each entry is, and its fields onto the kind's conf.
 *
 * In: the nodes, and the tables of kinds that this binary has. Out: c->source in the order of names, c->sink in the
 * order of the file. An entry whose kind is unclear is told and left out.
 */
#include "config/load.h"
#include "core/units.h"

#include <stdlib.h>

static const char *const source_later[] = { "kafka", "redis", "host", "probe", "scrape", "listen", NULL };
static const char *const sink_later[] = { "email", "alertmanager", NULL };
static const char *const source_keys_later[] = { "pattern", "spool", NULL };
static const char *const format_name[] = { "json", "cri", "docker" };
static const char *const format_later[] = { "logfmt", "regex", "syslog", NULL };
static const char *const late_names[] = { "mark", "drop", NULL };

static const struct sink_later {
	const char *kind;
	const char *const *keys;
} sink_keys_later[] = {
	{ "slack", (const char *const[]){ "token", "channel", NULL } },
	{ "loki", (const char *const[]){ "ship", "on_full", NULL } },
	{ "webhook", (const char *const[]){ "body", NULL } },
};

struct common { /* keys of every source */
	char *time, *zone;
	nsec late, max_jump, idle, blind_after;
	int late_policy;
	int64_t max_record;
};

#define AT(member) offsetof(struct common, member)
const struct field source_fields[] = {
	{ .name = "time", .type = F_STR, .off = AT(time), .help = "field of the event time, or read" },
	{ .name = "late", .type = F_DUR, .off = AT(late), .min = 0, .max = DUR_MAX, .def = "2s",
		.help = "how far behind the newest record one may be" },
	{ .name = "late_policy", .type = F_ENUM, .off = AT(late_policy), .names = late_names, .def = "mark",
		.help = "what becomes of a late record: it takes the mark as its time, or is dropped" },
	{ .name = "max_jump", .type = F_DUR, .off = AT(max_jump), .min = 1, .max = DUR_MAX, .def = "1h",
		.help = "a stamp further ahead than this is skewed" },
	{ .name = "idle", .type = F_DUR, .off = AT(idle), .min = 1, .max = DUR_MAX, .def = "5s",
		.help = "after this long without a record time goes by the clock" },
	{ .name = "blind_after", .type = F_DUR, .off = AT(blind_after), .min = 1, .max = DUR_MAX, .def = "1m",
		.help = "how long reading may fail before the source is blind" },
	{ .name = "zone", .type = F_STR, .off = AT(zone), .help = "time zone of stamps without an offset" },
	{ .name = "max_record", .type = F_SIZE, .off = AT(max_record), .min = 64, .max = 256 << 20, .def = "1MiB",
		.help = "longest record" },
	{ .name = NULL },
};

static bool
listed(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static const struct kind *
kind_named(const struct kind *const *kinds, const char *name)
{
	for (; kinds && *kinds; kinds++)
		if (strcmp((*kinds)->name, name) == 0)
			return *kinds;
	return NULL;
}

static size_t
kind_names(const struct kind *const *kinds, const char **names, size_t max)
{
	size_t n = 0;
	for (; kinds && *kinds && n < max; kinds++)
		names[n++] = (*kinds)->name;
	return n;
}

/* No key of the mapping names a kind: say which there are, or which one a misspelt key meant. */
static void
tell_no_kind(struct load *l, const struct node *map, const char *where, const struct kind *const *kinds)
{
	const char *names[32], *near = NULL;
	size_t n = kind_names(kinds, names, COUNT_OF(names)), at = 0;
	struct buf b;

	while (at < map->n && (near = nearest(str_of(map->key[at]->s), names, n)) == NULL)
		at++;
	if (near) {
		diag_unknown(&l->b, map->key[at], names, n, where);
		return;
	}
	buf_init(&b, 400);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", names[i]);
	diag(l->b.d, map->loc, "%s names no kind; give one of %s", where, buf_z(&b));
	buf_free(&b);
}

/* The one kind that a key of map names; *value is what stands under it. NULL: told. */
static const struct kind *
kind_find(struct load *l, const struct node *map, const char *where, const struct kind *const *kinds,
	const char *const *later, const struct node **value)
{
	const struct kind *found = NULL;
	bool refused = false;

	if (map->kind != NODE_MAP) {
		diag(l->b.d, map->loc, "%s must be a mapping with its kind, this is %s", where, node_what(map));
		return NULL;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct kind *k = kind_named(kinds, map->key[i]->s);
		if (k && found && k != found) {
			diag(l->b.d, map->key[i]->loc, "%s has two kinds, %s and %s; give it one", where, found->name, k->name);
			return NULL;
		}
		if (k) {
			found = k;
			*value = node_get(map, k->name);
		} else if (listed(later, map->key[i]->s)) {
			diag(l->b.d, map->key[i]->loc, "%s is not in this version yet", map->key[i]->s);
			refused = true;
		}
	}
	if (refused)
		return NULL;
	if (found == NULL)
		tell_no_kind(l, map, where, kinds);
	return found;
}

/* Names stand in file names (the spool's), in @source and in messages. */
static void
check_name(struct load *l, const struct node *key, const char *what)
{
	char q[96];
	size_t n = strlen(key->s);
	const char *p = key->s;
	while (*p && (strchr("_.-", *p) || (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z')))
		p++;
	if (n == 0 || n > NAME_MAX_BYTES || *p || key->s[0] == '.' || key->s[0] == '-')
		diag(l->b.d, key->loc, "%s name %s: letters, digits, _ . and - only, not . or - first, at most %d", what,
			node_quote(key, q), NAME_MAX_BYTES);
}

/* The rows of the kind onto its value, or beside the common keys where one row has the kind's own name. */
static void *
kind_bind(struct load *l, const struct kind *kind, const struct node *map, const struct node *value,
	const struct rowset *common, const char *const *own, const char *const *later, const char *where)
{
	void *conf = xcalloc(1, kind->conf_size ? kind->conf_size : 1);
	const struct rowset sets[] = { { kind->fields, conf }, *common };
	const char *names[8] = { kind->name };
	struct keys outer = { names, later, where }, inner = { NULL, later, where };
	unsigned before = l->b.d->n;
	bool beside = false;

	for (size_t i = 0; own && own[i]; i++)
		names[i + 1] = own[i];
	for (const struct field *f = kind->fields; f && f->name; f++)
		beside |= strcmp(f->name, kind->name) == 0;
	if (beside)
		bind_map(&l->b, map, sets, 2, &outer);
	else {
		bind_map(&l->b, map, &sets[1], 1, &outer);
		bind_map(&l->b, value, sets, 1, &inner);
	}
	if (kind->check && l->b.d->n == before)
		kind->check(conf, value->loc, l->b.d);
	return conf;
}

static void
common_take(struct load *l, const struct node *map, const struct common *c, struct source_conf *s)
{
	const struct node *format = node_get(map, "format"), *zone = node_get(map, "zone"), *time = node_get(map, "time");
	struct zone *z = NULL;
	char q[96];

	s->late = c->late;
	s->max_jump = c->max_jump;
	s->idle = c->idle;
	s->blind_after = c->blind_after;
	s->late_drop = c->late_policy == 1;
	s->max_record = c->max_record;
	s->zone = c->zone;
	s->time_read = c->time && strcmp(c->time, "read") == 0;
	s->time = c->time;
	if (s->time_read) {
		free(s->time);
		s->time = NULL;
	}
	if (s->time && *s->time == '\0')
		diag(l->b.d, time->loc, "time is empty");
	if (s->zone && (z = zone_open(s->zone)) == NULL)
		diag(l->b.d, zone->loc, "zone: %s is no time zone such as UTC, +02:00 or Europe/Berlin", node_quote(zone, q));
	zone_free(z);
	s->format = FORMAT_JSON;
	if (format && format->kind == NODE_SCALAR && !format->bad && listed(format_later, format->s))
		diag(l->b.d, format->loc, "format %s is not in this version yet", format->s);
	else if (format)
		node_enum(&l->b, "format", format, format_name, COUNT_OF(format_name), &s->format);
}

static int
by_source_name(const void *a, const void *b)
{
	return strcmp(((const struct source_conf *)a)->name, ((const struct source_conf *)b)->name);
}

static void
source_take(struct load *l, const struct node *key, const struct node *map, const struct kind *const *kinds)
{
	static const char *const own[] = { "format", NULL };
	char q[96], where[128] = "source ";
	const struct node *value = NULL;
	struct common common = { 0 };
	const struct rowset set = { source_fields, &common };

	memccpy(where + 7, node_quote(key, q), '\0', sizeof where - 7);
	check_name(l, key, "source");
	if (strcmp(key->s, "alerts") == 0)
		diag(l->b.d, key->loc, "\"alerts\" is weir's own source; choose another name");
	const struct kind *kind = kind_find(l, map, where, kinds, source_later, &value);
	if (kind == NULL)
		return;
	struct source_conf *s = &l->c->source[l->c->nsource++];
	*s = (struct source_conf){ .name = xstrdup(key->s), .loc = key->loc, .kind = kind };
	s->conf = kind_bind(l, kind, map, value, &set, own, source_keys_later, where);
	common_take(l, map, &common, s);
}

static bool
map_of_entries(struct load *l, const struct node *map, const char *name, size_t max)
{
	if (map->kind != NODE_MAP)
		diag(l->b.d, map->loc, "%s must be a mapping from names to what each is, this is %s", name, node_what(map));
	else if (map->n > max)
		diag(l->b.d, map->loc, "%s: more than %zu", name, max);
	return map->kind == NODE_MAP && map->n <= max;
}

void
sources_load(struct load *l, const struct node *map, const struct kind *const *kinds)
{
	struct config *c = l->c;
	if (!map_of_entries(l, map, "sources", SOURCES_MAX))
		return;
	c->source = xcalloc(map->n + 1, sizeof *c->source);
	for (size_t i = 0; i < map->n; i++)
		if (node_get(map, map->key[i]->s) == map->item[i]) {
			l->source[l->nsource++] = arena_str(&l->own->arena,
				(struct str){ map->key[i]->s, strlen(map->key[i]->s) + 1 }).ptr;
			source_take(l, map->key[i], map->item[i], kinds);
		}
	qsort(c->source, c->nsource, sizeof *c->source, by_source_name);
}

static void
sink_take(struct load *l, const struct node *key, const struct node *map, const struct kind *const *kinds)
{
	char q[96], where[128] = "sink ";
	const struct node *value = NULL;
	const struct rowset none = { NULL, NULL };
	const char *const *later = NULL;

	memccpy(where + 5, node_quote(key, q), '\0', sizeof where - 5);
	check_name(l, key, "sink");
	const struct kind *kind = kind_find(l, map, where, kinds, sink_later, &value);
	if (kind == NULL)
		return;
	for (size_t i = 0; i < COUNT_OF(sink_keys_later); i++)
		if (strcmp(sink_keys_later[i].kind, kind->name) == 0)
			later = sink_keys_later[i].keys;
	struct sink_conf *s = &l->c->sink[l->c->nsink++];
	*s = (struct sink_conf){ .name = xstrdup(key->s), .loc = key->loc, .kind = kind };
	s->conf = kind_bind(l, kind, map, value, &none, NULL, later, where);
}

void
sinks_load(struct load *l, const struct node *map, const struct kind *const *kinds)
{
	struct config *c = l->c;
	if (!map_of_entries(l, map, "sinks", SINKS_MAX))
		return;
	c->sink = xcalloc(map->n + 1, sizeof *c->sink);
	for (size_t i = 0; i < map->n; i++)
		if (node_get(map, map->key[i]->s) == map->item[i]) {
			l->sink[l->nsink++] = arena_str(&l->own->arena,
				(struct str){ map->key[i]->s, strlen(map->key[i]->s) + 1 }).ptr;
			sink_take(l, map->key[i], map->item[i], kinds);
		}
}

void
kinds_free(struct config *c)
{
	for (size_t i = 0; i < c->nsource; i++) {
		struct source_conf *s = &c->source[i];
		fields_free(s->kind->fields, s->conf);
		free(s->conf);
		free(s->name);
		free(s->time);
		free(s->zone);
	}
	for (size_t i = 0; i < c->nsink; i++) {
		fields_free(c->sink[i].kind->fields, c->sink[i].conf);
		free(c->sink[i].conf);
		free(c->sink[i].name);
	}
	free(c->source);
	free(c->sink);
}
