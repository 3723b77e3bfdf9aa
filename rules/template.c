/* template.c - compile and render titles and texts. */
#include "rules/template.h"

#include "core/json.h"
#include "core/num.h"
#include "core/units.h"

#include <math.h>
#include <stdlib.h>

enum part_kind { PART_TEXT, PART_NAME, PART_SLOT };
enum part_format { FORMAT_PLAIN, FORMAT_PERCENT, FORMAT_DIGITS, FORMAT_DURATION };

struct tpl_part {
	enum part_kind kind;
	char *text;     /* PART_TEXT */
	int at;         /* PART_NAME: enum tpl_name; PART_SLOT: slot */
	enum part_format format;
	int digits;
	bool secret;    /* PART_SLOT: a field of `redact` */
};

struct template {
	struct tpl_part *v;
	size_t n, cap;
};

#define DIGITS_MAX 15
#define DURATION_MAX 9e9 /* seconds; a number beyond is told as it is */

static const char *const names[TPL_NAMES] = { "value", "threshold", "count", "over", "within", "hold", "rule", "level", "key",
	"time", "starts_at", "duration", "samples" };

static struct tpl_part *
add(struct template *t, enum part_kind kind)
{
	GROW(t->v, t->n, t->cap);
	t->v[t->n] = (struct tpl_part){ .kind = kind };
	return &t->v[t->n++];
}

static void
flush(struct template *t, struct buf *text)
{
	if (text->len)
		add(t, PART_TEXT)->text = buf_take(text);
}

static bool
format_of(struct str f, struct tpl_part *p)
{
	if (str_eq(f, STR("%"))) {
		p->format = FORMAT_PERCENT;
		return true;
	}
	if (str_eq(f, STR("d"))) {
		p->format = FORMAT_DURATION;
		return true;
	}
	if (f.len >= 2 && f.len <= 3 && f.ptr[0] == '.') {
		int d = 0;
		for (size_t i = 1; i < f.len; i++) {
			if (f.ptr[i] < '0' || f.ptr[i] > '9')
				return false;
			d = d * 10 + (f.ptr[i] - '0');
		}
		p->format = FORMAT_DIGITS;
		p->digits = d;
		return d <= DIGITS_MAX;
	}
	return false;
}

/* A field of a template: of the key for a window rule, of the record (carried) for the others. */
static bool
field(struct ruleset *rs, struct rule *r, struct tpl_part *p, struct str name, struct loc at, struct diags *d)
{
	char *z = xstr(name);
	int slot = expr_field(rs->exprs, (struct text_at){ .s = z, .loc = at }, NULL, d);
	bool good = slot >= 0;
	const struct keyset *ks = &rs->keyset[r->keyset];
	bool in_key = false;
	for (size_t i = 0; i < ks->n; i++)
		in_key |= good && ks->slot[i] == slot;
	if (good && !in_key) {
		bool carried = r->shape != SHAPE_WINDOW;
		for (size_t i = 0; i < r->carry.n; i++)
			carried |= r->carry.slot[i] == slot;
		if (!carried) {
			const char *near = nearest(name, names, TPL_NAMES);
			diag(d, at, "{%s}: a window rule's title and text know `by` and `context` fields and value, threshold, count, "
				"over ...%s%s; name the field in `context` to carry it", z, near ? "; did you mean " : "", near ? near : "");
			good = false;
		} else {
			rule_carries(r, slot);
		}
	}
	free(z);
	p->at = slot;
	p->secret = good && redact_field(rs->redact, str_of(rs->paths.v[slot].text));
	return good;
}

static bool
hole(struct ruleset *rs, struct rule *r, struct template *t, struct str inner, struct loc at, struct diags *d)
{
	/* The format follows the last colon outside brackets and quotes: a["b:c"]:% */
	size_t colon = inner.len;
	bool quoted = false;
	for (size_t i = 0; i < inner.len; i++) {
		if (inner.ptr[i] == '"')
			quoted = !quoted;
		else if (inner.ptr[i] == ':' && !quoted)
			colon = i;
	}
	struct str name = { inner.ptr, colon };
	struct tpl_part *p = add(t, PART_SLOT);
	if (colon < inner.len && !format_of((struct str){ inner.ptr + colon + 1, inner.len - colon - 1 }, p)) {
		diag(d, at, "{%.*s}: unknown format; use :%% (percentage), :.2 (digits) or :d (duration)", STR_ARG(inner));
		return false;
	}
	for (int i = 0; i < TPL_NAMES; i++)
		if (str_eq(name, str_of(names[i]))) {
			p->kind = PART_NAME;
			p->at = i;
			r->samples |= i == TPL_SAMPLES;
			return true;
		}
	return field(rs, r, p, name, at, d);
}

struct template *
template_new(struct ruleset *rs, struct rule *r, struct text_at src, struct diags *d)
{
	struct template *t = xcalloc(1, sizeof *t);
	struct buf text;
	buf_init(&text, 1 << 16);
	bool good = true;
	for (const char *p = src.s; *p;) {
		if ((*p == '{' || *p == '}') && p[1] == *p) {
			buf_addc(&text, *p);
			p += 2;
		} else if (*p == '{') {
			size_t len = strcspn(p + 1, "}");
			struct loc at = src.loc;
			const char *line = src.s;
			for (const char *nl; (nl = memchr(line, '\n', (size_t)(p - line))); line = nl + 1)
				at.line++; /* later lines start at the same column */
			at.col += (int)(p - line);
			if (p[1 + len] == '\0') {
				diag(d, at, "`{` without its `}` (write {{ for a brace)");
				good = false;
				break;
			}
			flush(t, &text);
			good &= hole(rs, r, t, (struct str){ p + 1, len }, at, d);
			p += len + 2;
		} else {
			buf_addc(&text, *p++);
		}
	}
	flush(t, &text);
	buf_free(&text);
	if (!good) {
		template_free(t);
		return NULL;
	}
	return t;
}

void
template_free(struct template *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].text);
	free(t->v);
	free(t);
}

static void
formatted(const struct tpl_part *p, double v, struct buf *out)
{
	char text[32];
	switch (p->format) {
	case FORMAT_PERCENT: /* one digit after the point is what a person reads */
		num_text(round(v * 1000) / 10, text);
		buf_printf(out, "%s%%", text);
		break;
	case FORMAT_DIGITS:
		buf_printf(out, "%.*f", p->digits, v);
		break;
	case FORMAT_DURATION:
		if (fabs(v) > DURATION_MAX) {
			buf_add(out, text, num_text(v, text));
			buf_addc(out, 's');
		} else {
			dur_about((nsec)llround(fabs(v) * 1e3) * NS_PER_MS, text);
			buf_addz(out, text);
		}
		break;
	case FORMAT_PLAIN: /* four digits are what a person reads; the alert's JSON has them all */
		if (v == floor(v))
			buf_add(out, text, num_text(v, text));
		else
			buf_printf(out, "%.4g", v);
		break;
	}
}

static void
missing(struct buf *out)
{
	buf_addc(out, '-');
}

static void
render_name(const struct tpl_part *p, struct str json, struct buf *out)
{
	double v;
	if (json.len == 0 || str_eq(json, STR("null")))
		missing(out);
	else if ((p->format != FORMAT_PLAIN || p->at == TPL_VALUE || p->at == TPL_THRESHOLD) && num_parse(json, &v))
		formatted(p, v, out);
	else
		json_plain(out, json);
}

static void
render_slot(const struct tpl_part *p, const struct slice *s, struct buf *out)
{
	double v;
	if (s == NULL || s->kind == K_NONE || s->kind == K_NULL)
		missing(out);
	else if (p->secret)
		buf_addz(out, "[Filtered]");
	else if (s->kind == K_TRUE || s->kind == K_FALSE)
		buf_addz(out, s->kind == K_TRUE ? "true" : "false");
	else if (p->format != FORMAT_PLAIN && s->kind == K_NUM && num_parse((struct str){ s->ptr, s->len }, &v))
		formatted(p, v, out);
	else
		buf_add(out, s->ptr, s->len);
}

void
template_render(const struct template *t, const struct tpl_values *v, struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct tpl_part *p = &t->v[i];
		switch (p->kind) {
		case PART_TEXT:
			buf_addz(out, p->text);
			break;
		case PART_NAME:
			render_name(p, v->name[p->at], out);
			break;
		case PART_SLOT:
			render_slot(p, v->slot ? &v->slot[p->at] : NULL, out);
			break;
		}
	}
}
