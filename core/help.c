/* help.c - `weir help`: commands from cmd.c's table, kinds of sources and sinks from their fields, rules from the
 * tables here.
 * In: a topic.  Out: text.
 * Never: more than one page for one topic; a key or default that the reading code does not have.
 */
#include "core/cmd.h"

#include "core/diag.h"
#include "ingest/source.h"
#include "sinks/sink.h"

#define TOPICS_MAX 64

struct line {
	const char *left, *right;
};

/* clang-format off */
static const struct line rule_shapes[] = {
	{ "record", "when                 each record for which it is true; prev.FIELD is the previous record of the key" },
	{ "window", "over, when           aggregates over a sliding window of event time" },
	{ "pair", "open, close, within  opened and not closed in time" },
	{ "presence", "absent               a key fell silent" },
	{ "presence", "first                a field showed a value never seen before" },
	{ 0 },
};
static const struct line rule_keys[] = {
	{ "rule", "the name, unique" },
	{ "from", "source or list of sources (default: all)" },
	{ "where", "which records the rule sees" },
	{ "by", "field or list: separate state for each key" },
	{ "severity", "info, warning, error, critical (default warning)" },
	{ "title, text", "templates: {FIELD} {value} {value:%} {over} {n}" },
	{ "runbook", "http or https address" },
	{ "labels", "map of texts for the sinks" },
	{ "context", "fields of the newest record to carry" },
	{ "fingerprint", "grouping for Sentry" },
	{ "shadow", "true: evaluated and stored, never sent" },
	{ "max_keys", "keys at most (default 100000); past it one seen once makes room, or weir.key-overflow" },
	{ "regex", "{limit, subject}: bounds of a search (10000, 8KiB)" },
	{ 0 },
};
static const struct line shape_keys[] = {
	{ "when", "condition, or one for each level: {warning: .., critical: ..}" },
	{ "hold", "record: resolves so long after the last match (5m); 0: each match is its own alert" },
	{ "over, every", "window: length, and step of evaluation (default over/60, at least 1s)" },
	{ "for", "window: must stay true so long; also one for each level" },
	{ "resolve_when", "window: resolves when this is true (default: when `when` is false)" },
	{ "no_data", "window: resolve (default with `by`), keep, evaluate (default without)" },
	{ "open, close, within", "pair: fires `within` after a record that opens, unless one closes" },
	{ "absent", "presence: fires when a key showed no record for so long, resolves at the next" },
	{ "expect", "absent: keys that must show, as a list or {file: PATH} of one; several `by` fields: lists" },
	{ "first", "presence: the field; its value joins the alert's key; resolves `hold` later" },
	{ "learn", "first: a key's values are learnt in silence for so long (1h)" },
	{ "max_values", "first: values a key at most (10000)" },
	{ "forget", "a key (first: a value) not seen for so long is dropped (7d); so is what prev. and a counter's increase know of it" },
	{ 0 },
};
static const struct line expressions[] = {
	{ "a.b  a[\"b c\"]", "a field; one that is missing is null" },
	{ "@time @source @file @offset @raw @level", "the record itself; @level is one of debug info warning error critical" },
	{ "\"text\" 'raw'", "strings; in double quotes with JSON's escapes" },
	{ "10%  250ms 5m 7d  10MB 4KiB", "0.1; seconds; bytes" },
	{ "== != < <= > >=", "different types are never equal; order with null or of different types is null" },
	{ "and or not  && || !", "three-valued; null as a condition is false" },
	{ "+ - * /", "of numbers; x/0 is null" },
	{ "x in [1, 2]", "equal to one of them" },
	{ "x =~ \"PCRE2\"  x !~ ..", "a search, bounded by counts" },
	{ "has(x) lower(x) len(x) number(x)", "x != null; small letters; code points; a string's number" },
	{ "startswith(x, \"..\") contains(x, \"..\")", "of strings" },
	{ "${NAME} ${NAME:-default}", "environment, only names that rule_env allows" },
	{ 0 },
};
static const struct aggregate {
	const char *name, *left, *right, *more;
} aggregates[] = {
	{ "count", "count()  count(P)", "records; those for which P is true", "Of nothing it is 0.\n  when: count(level == \"ERROR\") / count() > 10% and count() >= 20" },
	{ "rate", "rate()  rate(P)", "the same for each second of `over`", "`over` is the window as rounded up to a multiple of `every`.\n  when: rate(status >= 500) > 2" },
	{ "sum", "sum(F)", "of the numbers F, exact", "Rounded once: neither order nor grouping shows. Of nothing it is 0.\n  when: sum(bytes) > 10GB" },
	{ "avg", "avg(F)", "mean of the numbers F, exact", "Of nothing it is null.\n  when: avg(duration) > 2s" },
	{ "min", "min(F)", "least of the numbers F", "Of nothing it is null.\n  when: min(free) < 1GB" },
	{ "max", "max(F)", "greatest of the numbers F", "Of nothing it is null.\n  when: max(queue) > 100" },
	{ "stddev", "stddev(F)", "standard deviation of the numbers F, of the population", "Exact sums, rounded once. Of nothing it is null.\n  when: stddev(duration) > 5" },
	{ "p95", "p50 p90 p95 p99 p99.9 (F)", "quantiles of the numbers F, within 1 %", "The value of rank ceil(q * n) as a bucket of DDSketch tells it: at most 1 % off. Of nothing it is null.\n  when: p95(duration) > 2s" },
	{ "last", "last(F)", "the newest value there is", "Of any type; by time, and by place in the log where times are equal.\n  when: last(state) == \"degraded\"" },
	{ "distinct", "distinct(F)", "how many different values", "Exact to 4,096, from there an estimate (HyperLogLog). Of nothing it is 0.\n  when: distinct(user) > 50" },
	{ "increase", "increase(F)", "growth of a counter", "Each sample's growth over the one before, at its own time; a fall is a restart and counts the new value.\nThe first sample counts 0. A selector NAME{LABEL=\"x\"} takes the series of a scrape, each for itself; one that\nappears later counts whole.\n  when: increase(jobs_total{outcome=\"success\"}) == 0" },
	{ "changes", "changes(F)", "how often F differs from the sample before", "Series and samples are as with increase.\n  when: changes(state) > 5" },
	{ "streak", "streak(P)  streak(P, F)", "how many of the newest records in a row satisfy P", "Null breaks the row. With F only records at which F differs from the key's sample before are counted.\n  when: streak(noise > 30, run) >= 3" },
	{ "baseline", "baseline(A, D)", "median of aggregate A over the windows of the last D before this one", "Windows end at multiples of `over`; null until there are three. D is at least four times `over`.\n  when: avg(duration) > 2 * baseline(avg(duration), 24h)" },
};
static const char example[] =
	"  - rule: error-rate\n"
	"    by: tenant\n"
	"    over: 5m\n"
	"    when: count(level == \"ERROR\") / count() > 10% and count() >= 20\n"
	"    resolve_when: count(level == \"ERROR\") / count() < 5%\n"
	"    severity: critical\n"
	"    title: \"{tenant}: {value:%} of operations failed in {over}\"\n";
/* clang-format on */

static void
lines(struct buf *out, const struct line *v)
{
	int width = 0;
	for (const struct line *l = v; l->left; l++) {
		int n = (int)strlen(l->left);
		if (n > width && n <= 34)
			width = n;
	}
	for (const struct line *l = v; l->left; l++) {
		if ((int)strlen(l->left) > width)
			buf_printf(out, "  %s\n  %*s  %s\n", l->left, width, "", l->right);
		else
			buf_printf(out, "  %-*s  %s\n", width, l->left, l->right);
	}
}

void
help_overview(struct buf *out)
{
	buf_addz(out, "weir - turns log records into alerts that reach a person\n\nusage: weir COMMAND [OPTION..]\n\n");
	struct line v[TOPICS_MAX] = { { 0 } };
	size_t n = 0;
	for (const struct cmd *c = cmds; c->name; c++)
		if (!c->later && n < TOPICS_MAX - 1)
			v[n++] = (struct line){ c->name, c->help };
	lines(out, v);
	buf_addz(out, "\n`weir help COMMAND` tells its options; `weir help source`, `sink` and `rule` the configuration.\n"
		      "Exit codes: 0 done, 1 found failures, 2 usage or configuration error, 3 runtime failure.\n");
}

static void
opt_left(const struct cmd_opt *p, struct buf *b)
{
	if (p->letter)
		buf_printf(b, "-%c, ", p->letter);
	buf_printf(b, "--%s", p->name);
	if (p->metavar)
		buf_printf(b, " %s", p->metavar);
}

void
help_cmd(const struct cmd *c, struct buf *out)
{
	buf_printf(out, "usage: weir %s", c->name);
	for (const struct cmd_opt *p = c->opts; p->name; p++) {
		char dash[4] = { '-', p->letter, '\0' };
		buf_printf(out, p->required ? " %s%s" : " [%s%s", p->letter ? dash : "--", p->letter ? "" : p->name);
		if (p->metavar)
			buf_printf(out, " %s", p->metavar);
		if (!p->required)
			buf_addc(out, ']');
	}
	if (c->operands)
		buf_printf(out, " %s", c->operands);
	buf_printf(out, "\n\n%s\n", c->help);
	if (!c->opts->name)
		return; /* none that has no options has more to say */
	buf_addc(out, '\n');
	for (const struct cmd_opt *p = c->opts; p->name; p++) {
		struct buf left;
		buf_init(&left, 128);
		opt_left(p, &left);
		buf_printf(out, "  %-16s  %s\n", buf_z(&left), p->help);
		buf_free(&left);
	}
	if (c->more)
		buf_printf(out, "\n%s", c->more);
}

static void
field_type(const struct field *f, struct buf *b)
{
	static const char *const word[] = {
		[F_STR] = "text", [F_SECRET] = "secret", [F_URL] = "url", [F_BOOL] = "true, false", [F_INT] = "number",
		[F_DUR] = "duration", [F_SIZE] = "size", [F_ENUM] = "", [F_STRLIST] = "list", [F_STRMAP] = "map",
	};
	buf_addz(b, word[f->type]);
	for (const char *const *n = f->type == F_ENUM ? f->names : NULL; n && *n; n++)
		buf_printf(b, "%s%s", n == f->names ? "" : ", ", *n);
}

static void
fields(const struct field *f, struct buf *out)
{
	for (; f && f->name; f++) {
		struct buf type;
		buf_init(&type, 512);
		field_type(f, &type);
		buf_printf(out, "  %-14s  %s (%s", f->name, f->help ? f->help : "", buf_z(&type));
		if (f->flags & F_REQUIRED)
			buf_addz(out, "; required");
		else if (f->def)
			buf_printf(out, "; default %s", f->def);
		buf_addz(out, ")\n");
		buf_free(&type);
	}
}

static void
help_kind(const struct kind *k, struct buf *out)
{
	buf_printf(out, "%s - %s\n", k->name, k->help);
	fields(k->fields, out);
}

static void
help_kinds(const struct kind *const *v, struct buf *out)
{
	for (size_t i = 0; v[i]; i++) {
		if (i)
			buf_addc(out, '\n');
		help_kind(v[i], out);
	}
}

static void
help_sinks(struct buf *out)
{
	buf_addz(out, "sinks:\n  NAME: {KIND: {KEY: VALUE, ..}}\n\n"
		      "A secret is a plain value, ${ENV} or {file: PATH}. Plain http off loopback needs insecure_http: true.\n\n");
	help_kinds(sink_kinds, out);
}

static void
help_sources(struct buf *out)
{
	buf_addz(out, "sources:\n  NAME: {KIND: VALUE, KEY: VALUE, ..}\n\nKeys of every source:\n");
	fields(source_fields, out);
	buf_addz(out, "  format          how records stand in lines (json, cri, docker; default json)\n\n");
	help_kinds(source_kinds, out);
}

static void
help_aggregates(struct buf *out)
{
	buf_addz(out, "Aggregates, in `when` of a window rule; `AGG over 1h` takes a window of its own:\n");
	struct line v[COUNT_OF(aggregates) + 1] = { { 0 } };
	for (size_t i = 0; i < COUNT_OF(aggregates); i++)
		v[i] = (struct line){ aggregates[i].left, aggregates[i].right };
	lines(out, v);
	buf_addz(out, "`weir help aggregate NAME` tells more of one.\n");
}

static void
help_rules(struct buf *out)
{
	buf_addz(out, "rules:\n");
	buf_addz(out, example);
	buf_addz(out, "\nShapes, told apart by their keys:\n");
	lines(out, rule_shapes);
	buf_addz(out, "\nKeys of every rule:\n");
	lines(out, rule_keys);
	buf_addz(out, "\nKeys of the shapes:\n");
	lines(out, shape_keys);
	buf_addz(out, "\nExpressions (`not` binds tighter than `and`, `and` than `or`; comparisons do not chain):\n");
	lines(out, expressions);
	buf_addc(out, '\n');
	help_aggregates(out);
}

static bool
is_quantile(const char *name)
{
	return name[0] == 'p' && name[1] >= '0' && name[1] <= '9';
}

bool
help_aggregate(const char *name, struct buf *out)
{
	const char *names[COUNT_OF(aggregates)];
	for (size_t i = 0; i < COUNT_OF(aggregates); i++) {
		const struct aggregate *a = &aggregates[i];
		names[i] = a->name;
		if (strcmp(a->name, name) != 0 && !(is_quantile(name) && is_quantile(a->name)))
			continue;
		buf_printf(out, "%s: %s\n\n%s\n", a->left, a->right, a->more);
		return true;
	}
	const char *near = nearest(str_of(name), names, COUNT_OF(aggregates));
	buf_printf(out, "weir help: no aggregate '%s'; ", name);
	if (near)
		buf_printf(out, "did you mean '%s'?\n", near);
	else
		buf_addz(out, "`weir help aggregate` lists them\n");
	return false;
}

static const struct {
	const char *name;
	void (*write)(struct buf *out);
} pages[] = { { "sink", help_sinks }, { "source", help_sources }, { "rule", help_rules },
	{ "aggregate", help_aggregates } };

static const struct kind *
kind_find(const struct kind *const *v, const char *name, const char **names, size_t *n)
{
	for (; *v; v++) {
		if (strcmp((*v)->name, name) == 0)
			return *v;
		if (*n < TOPICS_MAX)
			names[(*n)++] = (*v)->name;
	}
	return NULL;
}

bool
help_topic(const char *topic, struct buf *out)
{
	const char *names[TOPICS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		size_t len = strlen(pages[i].name);
		if (strncmp(topic, pages[i].name, len) == 0 && (!topic[len] || strcmp(topic + len, "s") == 0)) {
			pages[i].write(out);
			return true;
		}
		names[n++] = pages[i].name;
	}
	for (const struct cmd *c = cmds; c->name && n < TOPICS_MAX; c++) {
		if (c->later)
			continue;
		if (strcmp(c->name, topic) == 0) {
			help_cmd(c, out);
			return true;
		}
		names[n++] = c->name;
	}
	const struct kind *k = kind_find(sink_kinds, topic, names, &n);
	if (!k)
		k = kind_find(source_kinds, topic, names, &n);
	if (k) {
		help_kind(k, out);
		return true;
	}
	const char *near = nearest(str_of(topic), names, n);
	buf_printf(out, "weir help: no page on '%s'; ", topic);
	if (near)
		buf_printf(out, "did you mean '%s'?\n", near);
	else
		buf_addz(out, "`weir help` lists commands; source, sink and rule are pages too\n");
	return false;
}
