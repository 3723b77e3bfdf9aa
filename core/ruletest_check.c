/* ruletest_check.c - expectations against transitions, and what is said of one that does not hold.
 *
 * In: a test's transitions in order. Out: true, or what was expected and what was there, and what to ask the engine.
 * Owns: nothing.
 */
#include "core/ruletest.h"

#include "core/json.h"
#include "core/num.h"
#include "core/units.h"

#include <math.h>
#include <stdlib.h>

void
rt_time(nsec t, struct buf *out)
{
	char text[32];
	if (t >= RT_EPOCH && t - RT_EPOCH <= INT64_C(3650) * 86400 * NS_PER_S)
		dur_text(t - RT_EPOCH, text);
	else
		time_text(t, text);
	buf_addz(out, text);
}

/* ---- comparing ---- */

/* A YAML scalar against a JSON value. A quoted scalar is a string; a plain one may be what it looks like. */
static bool
scalar_is(const struct node *want, struct str json)
{
	struct buf b;
	double a, w;
	bool same, quoted = json.len && json.ptr[0] == '"';
	if (want->kind != NODE_SCALAR)
		return false;
	if (node_null(want))
		return str_eq(json, STR("null"));
	if (!want->plain && !quoted)
		return false;
	if (!quoted && num_parse(json, &a) && num_parse(str_of(want->s), &w))
		return a == w;
	buf_init(&b, RT_TEXT_MAX);
	json_plain(&b, json);
	same = str_eq(buf_str(&b), str_of(want->s));
	buf_free(&b);
	return same;
}

bool
rt_key_matches(const struct node *want, const char *json)
{
	for (size_t i = 0; want && i < want->n; i++) {
		struct json_it it = { 0 };
		struct str key, value;
		bool found = false;
		while (!found && json_each(str_of(json), &it, &key, &value)) {
			struct buf name;
			buf_init(&name, RT_TEXT_MAX);
			json_unescape(&name, key);
			found = str_eq(buf_str(&name), str_of(want->key[i]->s)) && scalar_is(want->item[i], value);
			buf_free(&name);
		}
		if (!found)
			return false;
	}
	return true;
}

/* A number with three or more decimals is compared to as many; 5% is 0.05. */
static bool
value_is(const struct node *want, const char *json)
{
	size_t n = strlen(want->s);
	double a, w;
	bool percent = want->plain && n > 1 && want->s[n - 1] == '%';
	if (json == NULL)
		return node_null(want);
	if (!want->plain || !num_parse(str_of(json), &a) || !num_parse((struct str){ want->s, n - percent }, &w))
		return scalar_is(want, str_of(json));
	if (percent)
		a *= 100;
	const char *point = strchr(want->s, '.');
	size_t digits = point ? strspn(point + 1, "0123456789") : 0;
	if (digits >= 3 && strpbrk(want->s, "eE") == NULL)
		return fabs(a - w) <= 0.5000001 * pow(10, -(double)digits);
	return fabs(a - w) <= 1e-9 * fabs(w);
}

static bool
text_is(const struct node *want, const char *have)
{
	if (have == NULL)
		return node_null(want);
	return !node_null(want) && strcmp(want->s, have) == 0;
}

static bool
want_is(enum rt_want w, const struct node *want, const struct alert *a)
{
	switch (w) {
	case RT_LEVEL:
		return text_is(want, level_name[a->level]);
	case RT_EVENT:
		return text_is(want, event_name[a->event]);
	case RT_VALUE:
		return value_is(want, a->value);
	case RT_NUMBER:
		return strtoll(want->s, NULL, 10) == a->count;
	case RT_TITLE:
		return text_is(want, a->title);
	case RT_MESSAGE:
		return text_is(want, a->message);
	case RT_CAUSE:
		return text_is(want, a->cause);
	case RT_RUNBOOK:
		return text_is(want, a->runbook);
	case RT_SESSION:
		return text_is(want, a->session_id);
	case RT_USER:
		return text_is(want, a->user_id);
	case RT_STAGE:
		return text_is(want, a->stage);
	case RT_LABELS:
		return rt_key_matches(want, a->labels ? a->labels : "{}");
	case RT_METADATA:
		return rt_key_matches(want, a->metadata ? a->metadata : "{}");
	case RT_WANTS:
		break;
	}
	return false;
}

/* ---- expectations ---- */

/* Each alert of the rule as it was at an instant: the last transition of each key that the expectation means. */
struct now {
	const struct alert **v;
	size_t n, cap;
};

static void
now_at(const struct rt_log *log, const struct rt_expect *x, nsec at, struct now *now)
{
	for (size_t i = 0; i < log->n && log->v[i].timestamp <= at; i++) {
		const struct alert *a = &log->v[i];
		size_t k = 0;
		if (strcmp(a->rule, x->rule->name) != 0 || !rt_key_matches(x->key, a->key))
			continue;
		while (k < now->n && strcmp(now->v[k]->key, a->key) != 0)
			k++;
		if (k == now->n) {
			GROW(now->v, now->n, now->cap);
			now->n++;
		}
		now->v[k] = a;
	}
}

/* hold: 0: an alert is over as it fires; it fires at its own instant, and is ok after it. */
static enum rt_state
state_at(const struct alert *a, nsec at)
{
	if (a->state == ST_RESOLVED)
		return RT_RESOLVED;
	if (a->ends_at != NS_NONE && a->ends_at < at)
		return RT_OK;
	return a->state == ST_FIRING ? RT_FIRING : RT_PENDING;
}

static bool
satisfies(const struct rt_expect *x, const struct alert *a)
{
	if (x->state != RT_ANY && state_at(a, x->at) != x->state)
		return false;
	for (int w = 0; w < RT_WANTS; w++)
		if (x->want[w] && !want_is((enum rt_want)w, x->want[w], a))
			return false;
	return true;
}

static bool
holds_at(const struct rt_expect *x, const struct now *now)
{
	bool any = false, open = false;
	for (size_t i = 0; i < now->n; i++) {
		enum rt_state s = state_at(now->v[i], x->at);
		open |= s == RT_PENDING || s == RT_FIRING;
		any |= satisfies(x, now->v[i]);
	}
	return x->state == RT_OK ? !open : any;
}

static void
say_key(const struct node *key, struct buf *out)
{
	for (size_t i = 0; key && i < key->n; i++)
		buf_printf(out, "%s%s: %s", i ? ", " : " {", key->key[i]->s, key->item[i]->s);
	if (key)
		buf_addc(out, '}');
}

static void
say_want(const struct node *v, struct buf *out)
{
	if (v->kind == NODE_MAP)
		say_key(v, out);
	else
		buf_printf(out, " %s", v->s);
}

static void
say_expected(const struct rt_expect *x, struct buf *out)
{
	bool first = true;
	buf_printf(out, "  %s:%d:%d: at ", x->loc.file, x->loc.line, x->loc.col);
	rt_time(x->at, out);
	buf_printf(out, " %s", x->rule->name);
	say_key(x->key, out);
	buf_addz(out, " should be");
	if (x->state != RT_ANY) {
		buf_printf(out, " %s", rt_state_name[x->state]);
		first = false;
	}
	for (int w = 0; w < RT_WANTS; w++)
		if (x->want[w]) {
			buf_printf(out, "%s %s", first ? "" : ",", rt_want_name[w]);
			say_want(x->want[w], out);
			first = false;
		}
	buf_addc(out, '\n');
}

static const char *
text_of(enum rt_want w, const struct alert *a)
{
	char *const text[RT_WANTS] = { [RT_TITLE] = a->title, [RT_MESSAGE] = a->message, [RT_CAUSE] = a->cause, [RT_RUNBOOK] = a->runbook,
		[RT_SESSION] = a->session_id, [RT_USER] = a->user_id, [RT_STAGE] = a->stage, [RT_LABELS] = a->labels,
		[RT_METADATA] = a->metadata };
	return text[w] ? text[w] : "null";
}

static void
say_alert(const struct rt_expect *x, const struct alert *a, nsec at, struct buf *out)
{
	enum rt_state s = state_at(a, at);
	buf_printf(out, "    %s%s%s since ", strcmp(a->key, "{}") ? a->key : "", strcmp(a->key, "{}") ? " is " : "",
		s == RT_OK ? "ok (it was over at once)" : a->event == EV_DROPPED ? "resolved (dropped before it fired)" : rt_state_name[s]);
	rt_time(a->timestamp, out);
	buf_printf(out, "; told then: level %s, value %s, count %lld", level_name[a->level], a->value ? a->value : "null", (long long)a->count);
	if (a->cause)
		buf_printf(out, ", cause %s", a->cause);
	if (s == RT_PENDING) {
		buf_addz(out, "; fires no sooner than ");
		rt_time(a->timestamp + x->rule->for_[a->level], out);
	}
	buf_addc(out, '\n');
	for (int w = 0; w < RT_WANTS; w++)
		if (x->want[w] && w > RT_NUMBER && w != RT_CAUSE && w != RT_EVENT && !want_is((enum rt_want)w, x->want[w], a))
			buf_printf(out, "      %s: %s\n", rt_want_name[w], text_of((enum rt_want)w, a));
}

static void
say_there(const struct rt_expect *x, const struct now *now, nsec at, struct buf *out)
{
	buf_addz(out, "  there was\n");
	for (size_t i = 0; i < now->n && i < 5; i++)
		say_alert(x, now->v[i], at, out);
	if (now->n > 5)
		buf_printf(out, "    and %zu more keys\n", now->n - 5);
	if (now->n == 0)
		buf_printf(out, "    no alert of this rule%s up to then\n", x->key ? " and key" : "");
}

static uint64_t
count_of(const struct rt_log *log, const struct rt_expect *x, const struct alert **first)
{
	uint64_t n = 0;
	enum event e = x->kind == RT_NEVER ? EV_FIRING : x->event;
	for (size_t i = 0; i < log->n; i++) {
		const struct alert *a = &log->v[i];
		if (a->event != e || strcmp(a->rule, x->rule->name) != 0 || !rt_key_matches(x->key, a->key))
			continue;
		if (n++ == 0)
			*first = a;
	}
	return n;
}

bool
rt_check(const struct rt_test *t, const struct rt_expect *x, const struct rt_log *log, struct rt_ask *ask, struct buf *what)
{
	const struct alert *first = NULL;
	struct now now = { 0 };
	uint64_t n;
	bool good;
	*ask = (struct rt_ask){ .rule = x->rule, .key = x->key, .at = x->at };
	switch (x->kind) {
	case RT_AT:
		now_at(log, x, x->at, &now);
		good = holds_at(x, &now);
		if (!good) {
			say_expected(x, what);
			say_there(x, &now, x->at, what);
		}
		free(now.v);
		return good;
	case RT_NEVER:
	case RT_COUNT:
		n = count_of(log, x, &first);
		good = n == (x->kind == RT_NEVER ? 0 : (uint64_t)x->is);
		if (good)
			return true;
		buf_printf(what, "  %s:%d:%d: ", x->loc.file, x->loc.line, x->loc.col);
		if (x->kind == RT_NEVER)
			buf_printf(what, "%s should never fire", x->rule->name);
		else
			buf_printf(what, "%s should be told %lld times as %s", x->rule->name, (long long)x->is, event_name[x->event]);
		say_key(x->key, what);
		buf_printf(what, "\n  there were %llu, first\n", (unsigned long long)n);
		if (first) {
			say_alert(x, first, first->timestamp, what);
			ask->exact = xstrdup(first->key);
			ask->at = first->timestamp;
		} else {
			buf_addz(what, "    none\n");
			ask->at = t->until == NS_NONE ? INT64_MAX : t->until;
		}
		return false;
	}
	return true;
}
