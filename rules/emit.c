/* emit.c - a transition out of a key's state: id, texts, the record's fields. */
#include "rules/back_int.h"

#include "core/json.h"
#include "core/units.h"
#include "rules/template.h"

#include <math.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX (64 << 10)  /* a title or message */
#define FIELDS_MAX (1 << 20) /* context as JSON */
#define LINE_SHOWN 512

/* alert_<start seconds>_<12 hex>: SHA-256 over the length-prefixed rule, key and start in ms (and line of hold: 0). */
void
alert_id(const struct back *b, const struct rule *r, const struct key *k, nsec start, const uint64_t *line, char out[ALERT_ID_MAX])
{
	struct buf key, t;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	int64_t ms = start / NS_PER_MS - (start % NS_PER_MS < 0), s = ms / 1000 - (ms % 1000 < 0);
	buf_init(&key, FIELDS_MAX);
	buf_init(&t, 2 * FIELDS_MAX);
	key_json(b->rs, r, (struct str){ k->text, k->klen }, &key);
	buf_printf(&t, "%zu:%s%zu:", strlen(r->name), r->name, key.len);
	buf_str_add(&t, buf_str(&key));
	buf_printf(&t, "%lld", (long long)ms);
	if (line)
		buf_printf(&t, ":%016llx%016llx:%llu", (unsigned long long)line[0], (unsigned long long)line[1],
			(unsigned long long)line[2]);
	SHA256((const unsigned char *)t.data, t.len, digest);
	buf_free(&key);
	buf_free(&t);
	snprintf(out, ALERT_ID_MAX, "alert_%lld_%02x%02x%02x%02x%02x%02x", (long long)s, digest[0], digest[1], digest[2],
		digest[3], digest[4], digest[5]);
}

static char *
val_json(const struct val *v)
{
	struct buf b;
	struct val shown = *v;
	if (v->type == V_NULL)
		return NULL;
	if (v->type == V_STR)
		shown.s = utf8_cut(v->s, LINE_SHOWN);
	buf_init(&b, FIELDS_MAX);
	val_text(&shown, &b);
	return buf_take(&b);
}

#define FILTERED "[Filtered]"

/* Text without its secrets; a view into b->arena. */
static struct str
cleaned(struct back *b, struct str s)
{
	struct buf out;
	buf_init(&out, FIELDS_MAX);
	redact_text(b->rs->redact, s, &out);
	struct str clean = arena_str(&b->arena, buf_str(&out));
	buf_free(&out);
	return clean;
}

/* What is told of a value: a field of `redact` is not. */
static struct val
told(struct back *b, const struct rule *r, struct val v)
{
	if (v.type != V_NULL && r->secret)
		return (struct val){ .type = V_STR, .s = STR(FILTERED) };
	if (v.type == V_STR)
		v.s = cleaned(b, v.s);
	return v;
}

static void
slice_json(struct back *from, struct buf *b, const struct slice *s, bool secret)
{
	if (secret && s->kind > K_NULL) {
		buf_addz(b, "\"" FILTERED "\"");
		return;
	}
	switch ((enum slice_kind)s->kind) {
	case K_NONE:
	case K_NULL:
		buf_addz(b, "null");
		break;
	case K_TRUE:
		buf_addz(b, "true");
		break;
	case K_FALSE:
		buf_addz(b, "false");
		break;
	case K_NUM:
		buf_add(b, s->ptr, s->len);
		break;
	case K_JSON:
		buf_str_add(b, cleaned(from, (struct str){ s->ptr, s->len }));
		break;
	case K_STR:
		json_str(b, cleaned(from, (struct str){ s->ptr, s->len }));
		break;
	}
}

/* ---- texts ---- */

static void
fill(struct buf *b, struct str *to, struct buf *from)
{
	size_t at = b->len;
	buf_str_add(b, buf_str(from));
	*to = (struct str){ NULL, b->len - at }; /* placed once b stops moving */
	buf_clear(from);
}

struct said {                /* the values a template may name, as JSON texts in one buffer */
	struct buf bytes;
	struct tpl_values v;
};

static void
said_of(struct said *s, struct back *b, struct rule_state *rs, const struct key *k, const struct emit *e, const char *key)
{
	const struct rule *r = rs->rule;
	struct buf t;
	char text[32];
	size_t from[TPL_NAMES];
	buf_init(&s->bytes, FIELDS_MAX);
	buf_init(&t, FIELDS_MAX);
	s->v = (struct tpl_values){ .slot = b->rec.slot };
	const struct val *vals[2] = { &e->value, &e->threshold };
	for (int i = 0; i < TPL_NAMES; i++) {
		switch ((enum tpl_name)i) {
		case TPL_VALUE:
		case TPL_THRESHOLD: {
			char *j = val_json(vals[i - TPL_VALUE]);
			buf_addz(&t, j ? j : "null");
			free(j);
			break;
		}
		case TPL_COUNT:
			buf_printf(&t, "%lld", (long long)e->count);
			break;
		case TPL_OVER:
		case TPL_WITHIN:
		case TPL_HOLD: {
			nsec d = i == TPL_OVER ? r->def->over : i == TPL_WITHIN ? r->within : r->hold;
			if (i == TPL_WITHIN && r->shape == SHAPE_PRESENCE && r->first < 0)
				d = r->absent;
			if (d == NS_NONE)
				break;
			dur_text(d, text);
			buf_printf(&t, "\"%s\"", text);
			break;
		}
		case TPL_RULE:
			json_str(&t, str_of(r->name));
			break;
		case TPL_LEVEL:
			json_str(&t, str_of(level_name[e->level]));
			break;
		case TPL_KEY: {
			struct buf phrase;
			buf_init(&phrase, TEXT_MAX);
			key_phrase(b->rs, r, (struct str){ k->text, k->klen }, &phrase);
			json_str(&t, buf_str(&phrase));
			buf_free(&phrase);
			break;
		}
		case TPL_TIME:
			json_time(&t, e->timestamp);
			break;
		case TPL_STARTS_AT:
			json_time(&t, e->start);
			break;
		case TPL_DURATION:
			json_num(&t, (double)(e->timestamp - e->start) / (double)NS_PER_S);
			break;
		case TPL_SAMPLES: {
			struct buf lines, clean;
			buf_init(&lines, TEXT_MAX);
			buf_init(&clean, TEXT_MAX);
			const char *p = k->carry ? k->carry->bytes + k->carry->slots : NULL;
			for (uint32_t n = 0; k->carry && n < k->carry->nline; p += k->carry->line[n++]) {
				buf_clear(&clean);
				redact_text(b->rs->redact, (struct str){ p, k->carry->line[n] }, &clean);
				if (n)
					buf_addc(&lines, '\n');
				buf_str_add(&lines, buf_str(&clean));
			}
			json_str(&t, buf_str(&lines));
			buf_free(&lines);
			buf_free(&clean);
			break;
		}
		case TPL_NAMES:
			break;
		}
		from[i] = s->bytes.len;
		fill(&s->bytes, &s->v.name[i], &t);
	}
	(void)key;
	for (int i = 0; i < TPL_NAMES; i++)
		s->v.name[i].ptr = s->bytes.data + from[i];
	buf_free(&t);
}

static void
add_key(struct back *b, const struct rule *r, const struct key *k, struct buf *out, const char *before)
{
	if (b->rs->keyset[r->keyset_out].n == 0)
		return;
	buf_addz(out, before);
	key_phrase(b->rs, r, (struct str){ k->text, k->klen }, out);
}

static void
default_title(struct back *b, const struct rule *r, const struct key *k, struct buf *out)
{
	buf_addz(out, r->name);
	add_key(b, r, k, out, ": ");
}

/* A value as a person reads it: four digits are enough. */
static void
shown(const struct val *v, struct buf *out)
{
	char *j = val_json(v), text[32];
	if (v->type == V_NUM && v->n != floor(v->n)) {
		snprintf(text, sizeof text, "%.4g", v->n);
		buf_addz(out, text);
	} else {
		buf_addz(out, j ? j : "nothing");
	}
	free(j);
}

static bool
same(const struct val *a, const struct val *b)
{
	return a->type == b->type && ((a->type == V_STR && str_eq(a->s, b->s)) || (a->type == V_NUM && a->n == b->n) ||
		(a->type == V_BOOL && a->b == b->b));
}

static void
pair_text(const struct rule *r, const struct key *k, const struct emit *e, struct buf *out)
{
	char text[32], at[32], later[32];
	dur_text(r->within, text);
	dur_about(e->timestamp - k->opened_at, later);
	time_text(k->opened_at, at);
	if (e->event == EV_RESOLVED && e->cause == NULL)
		buf_printf(out, "opened at %s and closed %s later (alerts after %s)", at, later, text);
	else
		buf_printf(out, "opened at %s and not closed within %s", at, text);
}

/* k->seen is the record before the one that resolves; opened_at says that an expected key never had one. */
static void
presence_text(struct back *b, const struct rule *r, const struct key *k, const struct emit *e, struct buf *out)
{
	char text[32], at[32], later[32];
	dur_text(r->absent, text);
	time_text(k->seen, at);
	dur_about(e->timestamp - k->seen, later);
	if (r->first >= 0) {
		buf_addz(out, "a value of ");
		expr_text(b->rs->exprs, r->first, out);
		buf_addz(out, " not seen before");
	} else if (e->event == EV_RESOLVED && e->cause == NULL) {
		buf_printf(out, "records again after %s without (alerts after %s)", later, text);
	} else {
		buf_printf(out, k->opened_at == NS_NONE ? "no record for %s, the last at %s" : "no record for %s: none ever, since %s", text, at);
	}
}

/* "count() is 12 (> 10) over 5m, stage=merging": what was measured, against what, for whom. */
static void
default_text(struct back *b, struct rule_state *rs, const struct key *k, const struct emit *e, struct buf *out)
{
	const struct rule *r = rs->rule;
	char text[32];
	if (r->shape == SHAPE_PAIR || r->shape == SHAPE_PRESENCE) {
		if (r->shape == SHAPE_PAIR)
			pair_text(r, k, e, out);
		else
			presence_text(b, r, k, e, out);
		add_key(b, r, k, out, ", ");
		return;
	}
	int left = (e->by_resolve ? r->resolve_left : r->left)[e->level];
	int right = (e->by_resolve ? r->resolve_right : r->right)[e->level];
	if (left >= 0) {
		expr_text(b->rs->exprs, left, out);
		buf_addz(out, " is ");
		shown(&e->value, out);
	}
	if (right >= 0 && !same(&e->value, &e->threshold)) {
		buf_printf(out, e->event == EV_RESOLVED && !e->by_resolve ? " (alerts when %s " : " (%s ",
			(e->by_resolve ? r->resolve_op : r->op)[e->level]);
		shown(&e->threshold, out);
		buf_addc(out, ')');
	}
	if (r->shape == SHAPE_WINDOW) {
		dur_text(r->over, text);
		buf_printf(out, " over %s", text);
	}
	add_key(b, r, k, out, ", ");
	if (r->shape == SHAPE_RECORD && k->carry && k->carry->nline) {
		struct buf clean;
		buf_init(&clean, TEXT_MAX);
		redact_text(b->rs->redact, (struct str){ k->carry->bytes + k->carry->slots, k->carry->line[0] }, &clean);
		buf_addz(out, ": ");
		buf_str_add(out, utf8_cut(buf_str(&clean), LINE_SHOWN));
		buf_free(&clean);
	}
}

static void
texts(struct back *b, struct rule_state *rs, const struct key *k, const struct emit *e, struct alert *a)
{
	const struct rule *r = rs->rule;
	struct said s;
	struct buf out;
	buf_init(&out, TEXT_MAX);
	said_of(&s, b, rs, k, e, a->key);
	if (r->title)
		template_render(r->title, &s.v, &out);
	else
		default_title(b, r, k, &out);
	a->title = xstr(cleaned(b, buf_str(&out)));
	buf_clear(&out);
	if (r->text)
		template_render(r->text, &s.v, &out);
	else
		default_text(b, rs, k, e, &out);
	a->message = xstr(cleaned(b, buf_str(&out)));
	buf_free(&out);
	buf_free(&s.bytes);
}

/* ---- the record's fields ---- */

static char *
standard(struct back *b, const int slots[2])
{
	for (int i = 0; i < 2; i++) {
		if (slots[i] < 0)
			continue;
		const struct slice *s = &b->rec.slot[slots[i]];
		if (s->kind > K_NULL && redact_field(b->rs->redact, str_of(b->rs->paths.v[slots[i]].text)))
			return xstrdup(FILTERED);
		if (s->kind == K_STR || s->kind == K_NUM || s->kind == K_JSON)
			return xstr(cleaned(b, (struct str){ s->ptr, s->len }));
		if (s->kind == K_TRUE || s->kind == K_FALSE)
			return xstrdup(s->kind == K_TRUE ? "true" : "false");
	}
	return NULL;
}

static char *
fields_json(struct back *b, const int *slots, size_t n, bool object)
{
	struct buf out;
	buf_init(&out, FIELDS_MAX);
	buf_addc(&out, object ? '{' : '[');
	for (size_t i = 0; i < n; i++) {
		struct str name = str_of(b->rs->paths.v[slots[i]].text);
		if (i)
			buf_addc(&out, ',');
		if (object) {
			json_str(&out, name);
			buf_addc(&out, ':');
		}
		slice_json(b, &out, &b->rec.slot[slots[i]], redact_field(b->rs->redact, name));
	}
	buf_addc(&out, object ? '}' : ']');
	return buf_take(&out);
}

void
emit(struct back *b, struct rule_state *rs, const struct key *k, const struct emit *what)
{
	const struct rule *r = rs->rule;
	struct emit own = *what, *e = &own;
	struct buf key;
	own.value = told(b, r, what->value);
	own.threshold = told(b, r, what->threshold);
	GROW(b->out, b->nout, b->cap_out);
	struct emission *to = &b->out[b->nout++];
	*to = (struct emission){ .rule = (uint32_t)r->index, .seq = b->emitted++, .order = xstrndup(k->text, k->klen) };
	struct alert *a = &to->alert;
	buf_init(&key, FIELDS_MAX);
	key_json(b->rs, r, (struct str){ k->text, k->klen }, &key);
	a->key = buf_take(&key);
	alert_id(b, r, k, e->start, e->line, a->id);
	a->event = e->event;
	a->state = e->state;
	a->level = e->level;
	a->rule = xstrdup(r->name);
	a->timestamp = e->timestamp;
	a->starts_at = e->start;
	a->ends_at = e->ends;
	a->value = val_json(&e->value);
	a->count = e->count;
	a->cause = xstrdup(e->cause);
	a->runbook = xstrdup(r->def->runbook.s);
	a->labels = xstrdup(r->labels);
	a->partial = e->partial || rule_overflows(rs, e->timestamp);
	a->shadow = r->def->shadow;
	key_slots(b, r, (struct str){ k->text, k->klen });
	if (k->carry)
		carried_slots(b, r, k->carry->bytes, k->carry->slots);
	texts(b, rs, k, e, a);
	a->session_id = standard(b, r->session_id);
	a->user_id = standard(b, r->user_id);
	a->stage = standard(b, r->stage);
	a->metadata = fields_json(b, r->context, r->def->ncontext, true);
	if (r->def->nfingerprint)
		a->fingerprint = fields_json(b, r->fingerprint, r->def->nfingerprint, false);
}
