/* ruletest_why.c - looking on: why a rule was as it was.
 *
 * In: records and boundaries as front and back come to them, with an eval that answers for each. Out: text.
 * Owns: what was seen of a few keys. Never on in a run that is not asked about: the engine calls nobody then.
 */
#include "core/ruletest.h"

#include "core/json.h"

#include <math.h>
#include <stdlib.h>

#define KEYS_SHOWN 3
#define LINES_SHOWN 3
#define LINE_SHOWN 200

struct seen_line {
	nsec at;
	const char *note;   /* what the record did */
	char *text;
};

struct seen_key {
	char *key;
	nsec judged;        /* boundary or record; NS_NONE: none */
	struct buf why;     /* its conditions then */
	struct seen_line line[LINES_SHOWN];
	size_t nline;       /* all that there were: the last stand at nline % LINES_SHOWN .. */
};

struct asked {
	struct rt_ask *ask;
	struct seen_key key[KEYS_SHOWN + 1]; /* in order; the one more is dropped */
	size_t nkey, others;
};

struct looking {
	struct rt_file *f;
	struct asked *v;
	size_t n;
};

static void
seen_free(struct seen_key *k)
{
	free(k->key);
	buf_free(&k->why);
	for (size_t i = 0; i < LINES_SHOWN; i++)
		free(k->line[i].text);
}

/* The state of this key among the least KEYS_SHOWN; NULL: not among them. */
static struct seen_key *
seen_get(struct asked *q, struct str key)
{
	size_t i = 0;
	int c = 1;
	while (i < q->nkey && (c = str_cmp(str_of(q->key[i].key), key)) < 0)
		i++;
	if (i < q->nkey && c == 0)
		return &q->key[i];
	if (i == KEYS_SHOWN) {
		q->others++;
		return NULL;
	}
	memmove(&q->key[i + 1], &q->key[i], (q->nkey - i) * sizeof q->key[0]);
	q->key[i] = (struct seen_key){ .key = xstr(key), .judged = NS_NONE };
	buf_init(&q->key[i].why, RT_TEXT_MAX);
	if (++q->nkey > KEYS_SHOWN) {
		seen_free(&q->key[--q->nkey]);
		q->others++;
	}
	return &q->key[i];
}

/* Is the question about this rule, key and time? */
static bool
asks(const struct asked *q, const struct rule *r, struct str key, nsec at)
{
	const struct rt_ask *a = q->ask;
	if (a->rule != r || at > a->at)
		return false;
	if (a->exact)
		return str_eq(str_of(a->exact), key);
	char *z = xstr(key);
	bool good = rt_key_matches(a->key, z);
	free(z);
	return good;
}

static void
condition(const struct exprs *x, struct eval *e, const char *what, const int id[LEVELS], bool by_level, bool secret, struct buf *out)
{
	for (int l = 0; l < LEVELS; l++) {
		if (id[l] < 0)
			continue;
		if (secret) {
			buf_printf(out, "      %s: a side of it is a field of `redact`: its values are not shown\n", what);
			return;
		}
		if (by_level)
			buf_printf(out, "      %s %s:\n", what, level_name[l]);
		else
			buf_printf(out, "      %s:\n", what);
		expr_why(x, e, id[l], 8, out);
	}
}

static void
look_back(void *arg, struct eval *e, const struct rule *r, struct str key, nsec at)
{
	struct looking *w = arg;
	const struct exprs *x = w->f->app.rules->exprs;
	for (size_t i = 0; i < w->n; i++) {
		struct seen_key *k = asks(&w->v[i], r, key, at) ? seen_get(&w->v[i], key) : NULL;
		if (k == NULL)
			continue;
		k->judged = at;
		buf_clear(&k->why);
		condition(x, e, "when", r->when, r->by_level, r->secret, &k->why);
		condition(x, e, "resolve_when", r->resolve_when, r->def->resolve_when.by_level, r->secret, &k->why);
	}
}

/* A record's key as JSON; false: it lacks a field. */
static bool
record_key(const struct ruleset *rs, const struct rule *r, struct eval *e, struct buf *out)
{
	const struct keyset *ks = &rs->keyset[r->keyset_out]; /* with the value of a `first` rule */
	for (size_t i = 0; i < ks->n; i++) {
		struct val v = ks->slot[i] < 0 ? eval_value(e, ks->expr[i]) : eval_slot(e, ks->slot[i]);
		if (v.type == V_NULL || (v.type == V_NUM && !isfinite(v.n)))
			return false;
		buf_addz(out, ks->prefix[i]);
		val_text(&v, out);
	}
	buf_addz(out, ks->n ? "}" : "{}");
	return true;
}

static const char *
what_it_did(const struct rule *r, struct eval *e)
{
	if (r->shape == SHAPE_PAIR)
		return eval_test(e, r->open) == TRI_TRUE ? "opens" : eval_test(e, r->close) == TRI_TRUE ? "closes" : "neither opens nor closes";
	if (r->shape != SHAPE_RECORD || r->nprev)
		return "";
	for (int l = 0; l < LEVELS; l++)
		if (r->when[l] >= 0 && eval_test(e, r->when[l]) == TRI_TRUE)
			return "matches";
	return "does not match";
}

static void
look_front(void *arg, struct eval *e, const struct front_source *s, const struct record *rec)
{
	struct looking *w = arg;
	const struct ruleset *rs = w->f->app.rules;
	for (size_t i = 0; i < w->n; i++) {
		struct asked *q = &w->v[i];
		const struct rule *r = q->ask->rule;
		struct buf key;
		if (!(r->sources >> s->index & 1) || rec->time > q->ask->at || (r->where >= 0 && eval_test(e, r->where) != TRI_TRUE))
			continue;
		buf_init(&key, RT_TEXT_MAX);
		struct seen_key *k = record_key(rs, r, e, &key) && asks(q, r, buf_str(&key), rec->time) ? seen_get(q, buf_str(&key)) : NULL;
		buf_free(&key);
		if (k == NULL)
			continue;
		struct seen_line *l = &k->line[k->nline++ % LINES_SHOWN];
		free(l->text);
		*l = (struct seen_line){ rec->time, what_it_did(r, e), xstr(utf8_cut(rec->raw, LINE_SHOWN)) };
		if (r->shape == SHAPE_RECORD && r->nprev == 0) {
			k->judged = rec->time;
			buf_clear(&k->why);
			condition(rs->exprs, e, "when", r->when, r->by_level, r->secret, &k->why);
		}
	}
}

static void
say_seen(const struct asked *q, struct seen_key *k, struct buf *out)
{
	if (k->judged != NS_NONE) {
		buf_addz(out, "    at ");
		rt_time(k->judged, out);
		buf_printf(out, "%s%s\n%s", strcmp(k->key, "{}") ? ", " : "", strcmp(k->key, "{}") ? k->key : "", buf_z(&k->why));
	} else if (strcmp(k->key, "{}") != 0) {
		buf_printf(out, "    %s\n", k->key);
	}
	size_t n = k->nline < LINES_SHOWN ? k->nline : LINES_SHOWN;
	if (n == 0)
		buf_addz(out, "      no record of it up to then\n");
	else
		buf_printf(out, "      %zu record%s up to then, last\n", k->nline, k->nline == 1 ? "" : "s");
	for (size_t i = k->nline - n; i < k->nline; i++) {
		const struct seen_line *l = &k->line[i % LINES_SHOWN];
		buf_addz(out, "        ");
		rt_time(l->at, out);
		buf_printf(out, " %s%s%s", l->text, *l->note ? "  <- " : "", l->note);
		if (q->ask->rule->shape == SHAPE_PAIR && strcmp(l->note, "opens") == 0) {
			buf_addz(out, ": fires at ");
			rt_time(l->at + q->ask->rule->within, out);
			buf_addz(out, " if it is the first and nothing closes it");
		}
		if (q->ask->rule->shape == SHAPE_PRESENCE && q->ask->rule->first < 0) {
			buf_addz(out, "  <- fires at ");
			rt_time(l->at + q->ask->rule->absent, out);
			buf_addz(out, " if none follows");
		}
		buf_addc(out, '\n');
	}
}

/* Real logs may hold some, and results go to CI. */
static void
without_secrets(const struct ruleset *rs, struct buf *b)
{
	struct buf clean;
	buf_init(&clean, RT_TEXT_MAX);
	redact_text(rs->redact, buf_str(b), &clean);
	buf_free(b);
	*b = clean;
}

void
rt_why(struct rt_file *f, struct rt_test *t, struct rt_ask *ask, size_t n)
{
	struct looking w = { .f = f, .v = xcalloc(n, sizeof *w.v), .n = n };
	struct rt_log log;
	for (size_t i = 0; i < n; i++)
		w.v[i].ask = &ask[i];
	rt_feed(f, t, look_front, look_back, &w, &log);
	rt_log_free(&log);
	for (size_t i = 0; i < n; i++) {
		struct asked *q = &w.v[i];
		struct buf *out = &ask[i].said;
		buf_init(out, RT_TEXT_MAX);
		buf_addz(out, "  because\n");
		for (size_t k = 0; k < q->nkey; k++) {
			say_seen(q, &q->key[k], out);
			seen_free(&q->key[k]);
		}
		if (q->others)
			buf_addz(out, "    and other keys\n");
		without_secrets(f->app.rules, out);
		if (q->nkey == 0)
			buf_printf(out, "    the rule saw no record%s up to then\n", ask[i].key ? " of this key" : "");
	}
	free(w.v);
}
