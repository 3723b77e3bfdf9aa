/* policy.c - who hears of a transition and when (DESIGN section 5), decided once, in the transition's own commit.
 *
 * In: an inserted transition. Out: outbox rows; waiting ones withdrawn. Owns: the compiled matches; nothing that a
 * restart would lose: what was told and what waits is asked of the store.
 * Never: reads a clock. Cost: one evaluation a policy entry, a few look-ups a people's sink.
 *
 * What people know of a rule and key is what their sink was told last. So
 *  - a firing while a resolve of what they know as open still settles: both are dropped, unless its level is news;
 *  - a resolve of a firing they were not told yet: told once, as resolved; a pager is told nothing;
 *  - a resolve goes to whoever was told of the alert, also when its level has changed since.
 */
#include "core/policy.h"

#include "core/json.h"
#include "rules/expr.h"
#include "sinks/sink.h"

#include <stdlib.h>

#define SETTLE (120 * NS_PER_S) /* the defaults without a policy */
#define LIMIT_N 10
#define LIMIT_PER (60 * NS_PER_S)
#define MATCH_REGEX_LIMIT 10000
#define MATCH_REGEX_SUBJECT 8192
#define VALUE_MAX (1u << 20) /* bytes of one decoded key or label */
#define OPENINGS (1u << EV_FIRING | 1u << EV_LEVEL)

struct entry {
	const struct policy_def *def;
	int match; /* expression, -1: all */
};

struct policy {
	const struct config *c;
	struct paths paths;   /* what the matches name */
	struct exprs *x;
	struct regex_scratch *regex;
	struct eval *eval;
	struct arena arena;   /* of one transition */
	struct slice *slot;   /* paths.n */
	struct entry *entry;
	size_t nentry;
	const struct policy_def **by, **earlier; /* c->nsink: the entry that named the sink, NULL: none */
	struct policy_def fallback; /* settle and limit without entries */
};

/* ---- names in a match ---- */

/* The path's text behind its first key: "labels.a" gives "a", `key["b c"]` gives `["b c"]`. */
static struct str
path_rest(const struct path *p)
{
	const char *rest = p->text + p->len[0];
	return str_of(*rest == '.' ? rest + 1 : rest);
}

static bool
is_own(const struct path *p)
{
	static const char *const own[] = { "severity", "rule", "state", "event" };
	for (size_t i = 0; i < COUNT_OF(own); i++)
		if (p->nseg == 1 && strcmp(p->text, own[i]) == 0)
			return true;
	return p->nseg > 1 && (strcmp(p->seg[0], "labels") == 0 || strcmp(p->seg[0], "key") == 0);
}

static bool
rule_has(const struct rule_def *r, const char *name, bool *key, bool *label)
{
	*key = *label = false;
	for (size_t i = 0; i < r->nby; i++)
		*key = *key || (r->by[i].s && strcmp(r->by[i].s, name) == 0);
	for (size_t i = 0; i < r->labels.n; i++)
		*label = *label || strcmp(r->labels.k[i], name) == 0;
	return *key || *label;
}

/* A bare name must be a key or a label, and no rule's both. weir's own alerts have keys no rule file knows. */
static void
bare_check(const struct config *c, const struct path *p, struct loc at, struct diags *d)
{
	bool key, label, known = c->nrule == 0;
	for (size_t i = 0; i < c->nrule; i++) {
		known = rule_has(&c->rule[i], p->text, &key, &label) || known;
		if (key && label) {
			diag(d, at, "match: \"%s\" is both a key and a label of rule \"%s\": write key.%s or labels.%s", p->text,
				c->rule[i].name.s ? c->rule[i].name.s : "", p->text, p->text);
			return;
		}
	}
	if (!known)
		diag_warn(d, at, "match: no rule has a key or label \"%s\"; names are severity, rule, state, event, labels.NAME, "
				 "key.FIELD", p->text);
}

static void
match_compile(struct policy *p, struct entry *e, struct diags *d)
{
	struct scope scope = { .regex_limit = MATCH_REGEX_LIMIT, .regex_subject = MATCH_REGEX_SUBJECT };
	size_t before = p->paths.n;
	e->match = -1;
	if (!e->def->match.s)
		return;
	e->match = expr_compile(p->x, e->def->match, &scope, d);
	for (size_t i = before; i < p->paths.n; i++)
		if (!is_own(&p->paths.v[i]))
			bare_check(p->c, &p->paths.v[i], e->def->match.loc, d);
}

struct policy *
policy_new(const struct config *c, struct diags *d)
{
	struct policy *p = xcalloc(1, sizeof *p);
	p->c = c;
	p->x = exprs_new(&p->paths);
	p->regex = regex_scratch_new();
	p->fallback = (struct policy_def){ .settle = SETTLE, .limit_n = LIMIT_N, .limit_per = LIMIT_PER };
	p->entry = xcalloc(c->npolicy + 1, sizeof *p->entry);
	p->nentry = c->npolicy;
	for (size_t i = 0; i < c->npolicy; i++) {
		p->entry[i].def = &c->policy[i];
		match_compile(p, &p->entry[i], d);
	}
	p->eval = eval_new(p->x, p->regex);
	p->slot = xcalloc(p->paths.n + 1, sizeof *p->slot);
	p->by = xcalloc(c->nsink + 1, sizeof *p->by);
	p->earlier = xcalloc(c->nsink + 1, sizeof *p->earlier);
	return p;
}

void
policy_free(struct policy *p)
{
	if (!p)
		return;
	eval_free(p->eval);
	exprs_free(p->x);
	regex_scratch_free(p->regex);
	paths_free(&p->paths);
	arena_free(&p->arena);
	free(p->slot);
	free(p->entry);
	free(p->by);
	free(p->earlier);
	free(p);
}

/* ---- a transition as a record ---- */

static struct slice
text_slice(struct str s)
{
	return (struct slice){ .ptr = s.ptr, .len = (uint32_t)s.len, .kind = K_STR };
}

/* A JSON value that weir wrote. */
static struct slice
json_slice(struct policy *p, struct str value)
{
	struct slice out = { .ptr = value.ptr, .len = (uint32_t)value.len };
	switch (value.len ? value.ptr[0] : 'n') {
	case '"': {
		struct buf b;
		buf_init(&b, VALUE_MAX);
		json_unescape(&b, (struct str){ value.ptr + 1, value.len - 2 });
		out = text_slice(arena_str(&p->arena, buf_str(&b)));
		buf_free(&b);
		return out;
	}
	case 't':
		out.kind = K_TRUE;
		return out;
	case 'f':
		out.kind = K_FALSE;
		return out;
	case 'n':
		out.kind = K_NULL;
		return out;
	case '{':
	case '[':
		out.kind = K_JSON;
		return out;
	default:
		out.kind = K_NUM;
		return out;
	}
}

/* The member of that name in a flat object; false if there is none. */
static bool
member(struct policy *p, const char *object, struct str name, struct slice *out)
{
	struct json_it it = { 0 };
	struct str key, value;
	struct buf b;
	bool found = false;
	buf_init(&b, VALUE_MAX);
	while (!found && object && json_each(str_of(object), &it, &key, &value)) {
		buf_clear(&b);
		json_unescape(&b, key);
		if (str_eq(buf_str(&b), name)) {
			*out = json_slice(p, value);
			found = true;
		}
	}
	buf_free(&b);
	return found;
}

static struct slice
slot_fill(struct policy *p, const struct path *path, const struct alert *a)
{
	struct slice out = { .kind = K_NONE };
	if (strcmp(path->text, "severity") == 0)
		return text_slice(str_of(level_name[a->level]));
	if (strcmp(path->text, "rule") == 0)
		return text_slice(str_of(a->rule));
	if (strcmp(path->text, "state") == 0)
		return text_slice(str_of(state_name[a->state]));
	if (strcmp(path->text, "event") == 0)
		return text_slice(str_of(event_name[a->event]));
	if (path->nseg > 1 && strcmp(path->seg[0], "key") == 0)
		(void)member(p, a->key, path_rest(path), &out);
	else if (path->nseg == 2 && strcmp(path->seg[0], "labels") == 0)
		(void)member(p, a->labels, (struct str){ path->seg[1], path->len[1] }, &out);
	else if (path->nseg > 1 && strcmp(path->seg[0], "labels") == 0)
		(void)member(p, a->labels, path_rest(path), &out);
	else if (!member(p, a->key, str_of(path->text), &out))
		(void)member(p, a->labels, str_of(path->text), &out);
	return out;
}

/* ---- who ---- */

/* weir cannot tell of a sink's trouble through that sink. */
static bool
is_about(struct policy *p, const struct alert *a, const char *sink)
{
	struct slice s;
	return strcmp(a->rule, "weir.delivery-failed") == 0 && member(p, a->key, STR("sink"), &s) && s.kind == K_STR &&
		str_eq((struct str){ s.ptr, s.len }, str_of(sink));
}

static const struct sink_kind *
kind_of(const struct sink_conf *sink)
{
	return (const struct sink_kind *)(const void *)sink->kind; /* a sink_kind begins with its kind */
}

static void
name_sinks(struct policy *p, const struct policy_def *def, const struct policy_def **by)
{
	for (size_t i = 0; i < def->notify.n; i++)
		for (size_t k = 0; k < p->c->nsink; k++)
			if (!by[k] && strcmp(p->c->sink[k].name, def->notify.v[i]) == 0)
				by[k] = def;
}

static void
route(struct policy *p, const struct alert *a, enum level level, const struct policy_def **by)
{
	struct alert as = *a;
	struct record r = { .slot = p->slot, .raw = STR(""), .file = STR(""), .time = a->timestamp };

	as.level = level;
	for (size_t k = 0; k < p->c->nsink; k++)
		by[k] = p->nentry == 0 && level >= kind_of(&p->c->sink[k])->least ? &p->fallback : NULL;
	if (p->nentry == 0)
		return;
	for (size_t i = 0; i < p->paths.n; i++)
		p->slot[i] = slot_fill(p, &p->paths.v[i], &as);
	eval_begin(p->eval, &r, STR("alerts"), &p->arena);
	for (size_t i = 0; i < p->nentry; i++) {
		const struct entry *e = &p->entry[i];
		if (e->match >= 0 && eval_test(p->eval, e->match) != TRI_TRUE)
			continue;
		name_sinks(p, e->def, by);
		if (!e->def->cont)
			break;
	}
}

/* Does the match read what only an alert knows: a value of its rule's key? */
static bool
reads_key(const struct policy *p, const struct entry *e, const struct rule_def *r)
{
	int slots[PATH_SEGS_MAX * 4];
	size_t n = e->match < 0 ? 0 : expr_slots(p->x, e->match, slots, COUNT_OF(slots));
	for (size_t i = 0; i < n && i < COUNT_OF(slots); i++) {
		const struct path *path = &p->paths.v[slots[i]];
		bool in_key = path->nseg > 1 && strcmp(path->seg[0], "key") == 0;
		struct str name = in_key ? path_rest(path) : str_of(path->text);
		for (size_t k = 0; k < r->nby; k++)
			if ((in_key || !is_own(path)) && r->by[k].s && str_eq(name, str_of(r->by[k].s)))
				return true;
	}
	return n > COUNT_OF(slots);
}

bool
policy_reaches(struct policy *p, const struct rule_def *r, enum level level)
{
	struct buf labels;
	struct alert a = { .event = EV_FIRING, .state = ST_FIRING, .level = level, .rule = r->name.s };
	struct record rec = { .slot = p->slot, .raw = STR(""), .file = STR("") };
	bool reached = false;
	if (p->nentry == 0) {
		for (size_t i = 0; i < p->c->nsink; i++)
			reached |= level >= kind_of(&p->c->sink[i])->least;
		return reached;
	}
	buf_init(&labels, VALUE_MAX);
	buf_addc(&labels, '{');
	for (size_t i = 0; i < r->labels.n; i++) {
		buf_addz(&labels, i ? "," : "");
		json_str(&labels, str_of(r->labels.k[i]));
		buf_addc(&labels, ':');
		json_str(&labels, str_of(r->labels.v[i]));
	}
	buf_addc(&labels, '}');
	a.labels = buf_take(&labels);
	arena_reset(&p->arena);
	for (size_t i = 0; i < p->paths.n; i++)
		p->slot[i] = slot_fill(p, &p->paths.v[i], &a);
	eval_begin(p->eval, &rec, STR("alerts"), &p->arena);
	for (size_t i = 0; i < p->nentry && !reached; i++) {
		const struct entry *e = &p->entry[i];
		bool maybe = reads_key(p, e, r), sure = e->match < 0 || (!maybe && eval_test(p->eval, e->match) == TRI_TRUE);
		reached = (maybe || sure) && e->def->notify.n > 0;
		if (sure && !e->def->cont)
			break;
	}
	free(a.labels);
	return reached;
}

/* The entries that would have named a sink at a level the alert had before. */
static enum err
route_earlier(struct policy *p, struct store *s, const struct alert *a)
{
	unsigned levels = 0;
	memset(p->earlier, 0, (p->c->nsink + 1) * sizeof *p->earlier);
	if (a->event != EV_RESOLVED)
		return ERR_OK;
	const struct policy_def **by = xcalloc(p->c->nsink + 1, sizeof *by);
	enum err e = store_levels(s, a->id, &levels);
	for (unsigned l = LEVELS; l-- > 0 && !e;) {
		if (!(levels & 1u << l) || l == (unsigned)a->level)
			continue;
		route(p, a, (enum level)l, by);
		for (size_t k = 0; k < p->c->nsink; k++)
			if (!p->earlier[k])
				p->earlier[k] = by[k];
	}
	free(by);
	return e;
}

/* ---- when ---- */

struct hearer {             /* one sink for one transition */
	const struct sink_conf *sink;
	const struct policy_def *def;
	bool follow;        /* named for an earlier level only: hears of it if it knows it as open */
	bool pages;
	struct told told;
};

static enum err
tell(struct store *s, const struct alert *a, int64_t number, const struct hearer *h, nsec due, nsec now, bool fold)
{
	/* a pager's resolve wakes nobody and must not be lost in a summary: its incident would stay open */
	bool counted = !h->pages || (OPENINGS & 1u << a->event);
	struct tell t = { .sink = h->sink->name, .how = (counted ? TELL_COUNTED : 0u) | (h->pages ? TELL_PAGES : 0u),
		.fold = fold, .due = due, .now = now, .limit_n = h->def->limit_n,
		.limit_per = h->def->limit_per > 0 ? h->def->limit_per : LIMIT_PER };
	return store_tell(s, number, a, &t);
}

static enum err
tell_firing(struct store *s, const struct alert *a, int64_t number, const struct hearer *h, nsec now)
{
	const struct told *t = &h->told;
	if (t->resolve_waits && t->any && t->open) {
		enum err e = store_drop(s, h->sink->name, a, 1u << EV_RESOLVED, false);
		if (e || t->level == a->level)
			return e; /* they know it as firing, and so it is */
	}
	return tell(s, a, number, h, now, now, false);
}

static enum err
tell_resolved(struct store *s, const struct alert *a, int64_t number, const struct hearer *h, nsec now)
{
	const struct told *t = &h->told;
	bool known = t->any && t->open;
	bool others = false;

	if (t->open_waits) {
		enum err e = store_drop(s, h->sink->name, a, OPENINGS, true);
		if (e)
			return e;
	}
	if (!known) {
		if (h->pages || (h->follow && !t->open_waits))
			return ERR_OK;
		bool once = t->open_waits || t->opened; /* this is the first they hear of it */
		return tell(s, a, number, h, once ? now : now + h->def->settle, now, false);
	}
	if (h->pages && t->together) { /* the incident is the summary's: it ends with the last of its alerts */
		enum err e = store_together(s, h->sink->name, a, &others);
		if (e || others)
			return e;
		return tell(s, a, number, h, now + h->def->settle, now, true);
	}
	return tell(s, a, number, h, now + h->def->settle, now, false);
}

static enum err
tell_people(struct store *s, const struct alert *a, int64_t number, struct hearer *h, nsec now)
{
	if (a->event == EV_PENDING || a->event == EV_DROPPED)
		return ERR_OK;
	enum err e = store_told(s, h->sink->name, a, &h->told);
	if (e)
		return e;
	switch (a->event) {
	case EV_FIRING:
		return tell_firing(s, a, number, h, now);
	case EV_RESOLVED:
		return tell_resolved(s, a, number, h, now);
	case EV_ACKNOWLEDGED:
	case EV_ESCALATED: /* news only to who knows or will know of the alert */
		return (h->told.any && h->told.open) || h->told.open_waits ? tell(s, a, number, h, now, now, false) : ERR_OK;
	default:
		return tell(s, a, number, h, now, now, false);
	}
}

static enum err
tell_machine(struct store *s, const struct alert *a, int64_t number, struct hearer *h, nsec now)
{
	if (h->follow) {
		enum err e = store_told(s, h->sink->name, a, &h->told);
		if (e || !((h->told.any && h->told.open) || h->told.open_waits))
			return e;
	}
	return store_outbox(s, number, h->sink->name, now, now);
}

enum err
policy_apply(struct policy *p, struct store *s, const struct alert *a, int64_t number, nsec now)
{
	if (a->shadow)
		return ERR_OK;
	arena_reset(&p->arena);
	enum err e = route_earlier(p, s, a);
	if (!e)
		route(p, a, a->level, p->by);
	for (size_t k = 0; k < p->c->nsink && !e; k++) {
		struct hearer h = { .sink = &p->c->sink[k], .def = p->by[k] ? p->by[k] : p->earlier[k], .follow = !p->by[k],
			.pages = kind_of(&p->c->sink[k])->pages };
		if (!h.def || is_about(p, a, h.sink->name))
			continue;
		e = kind_of(h.sink)->people ? tell_people(s, a, number, &h, now) : tell_machine(s, a, number, &h, now);
	}
	return e;
}
