/* template_test.c - titles and texts: formats, what is missing, what is secret, and mistakes with their places. */
#include "rules/template.h"

#include "core/tap.h"
#include "rules/rig.h"

#include <stdlib.h>

struct world {
	struct rig r;
	struct slice *slot;
};

static const char rules[] = "rules:\n- {rule: rec, by: [k, 'a[\"b c\"]'], when: n > 0}\n"
	"- {rule: win, by: k, over: 1m, when: count() > 0, context: [s]}\n";

static void
world_init(struct world *w)
{
	must(rig_load(&w->r, rules, 1) == 0);
	w->slot = NULL;
}

static struct template *
compiled(struct world *w, size_t rule, const char *text, struct diags *d)
{
	struct text_at t = { xstrdup(text), { "t.yaml", 7, 10 } };
	struct template *made = template_new(w->r.rules, &w->r.rules->rule[rule], t, d);
	free(t.s);
	return made;
}

static void
put(struct world *w, const char *path, enum slice_kind kind, const char *text)
{
	int slot = paths_add_dotted(&w->r.rules->paths, path);
	must(slot >= 0);
	w->slot[slot] = (struct slice){ text, (uint32_t)strlen(text), (uint8_t)kind, 0 };
}

static void
gives(struct world *w, const char *text, const char *want)
{
	struct diags d;
	struct buf out;
	struct tpl_values v = { .name = { [TPL_VALUE] = STR("0.12345"), [TPL_THRESHOLD] = STR("0.1"), [TPL_COUNT] = STR("45"),
		[TPL_OVER] = STR("\"5m\""), [TPL_RULE] = STR("\"win\""), [TPL_LEVEL] = STR("\"critical\""),
		[TPL_KEY] = STR("\"k=a\\nb\""), [TPL_TIME] = STR("\"2026-11-25T12:00:00.000Z\""), [TPL_DURATION] = STR("5400"),
		[TPL_SAMPLES] = STR("null") } };
	diags_init(&d);
	buf_init(&out, 1 << 16);
	struct template *t = compiled(w, 0, text, &d);
	w->slot = xcalloc(w->r.rules->paths.n + 16, sizeof *w->slot);
	put(w, "s", K_STR, "str \"q\"");
	put(w, "n", K_NUM, "1.50");
	put(w, "big", K_NUM, "1e300");
	put(w, "neg", K_NUM, "-90");
	put(w, "t", K_TRUE, "");
	put(w, "o", K_JSON, "{\"x\":[1]}");
	put(w, "nul", K_NULL, "");
	put(w, "password", K_STR, "hunter2");
	put(w, "x.token", K_NUM, "12");
	v.slot = w->slot;
	if (t)
		template_render(t, &v, &out);
	if (!is(buf_str(&out), str_of(want), text))
		printf("# %s", buf_z(&d.text));
	template_free(t);
	free(w->slot);
	buf_free(&out);
	diags_free(&d);
}

static void
formats(struct world *w)
{
	gives(w, "plain", "plain");
	gives(w, "{value} of {threshold}", "0.1235 of 0.1");
	gives(w, "{value:%}, {threshold:%}", "12.3%, 10%");
	gives(w, "{value:.2} {value:.0} {value:.15}", "0.12 0 0.123450000000000");
	gives(w, "{n} {n:.1} {n:%} {n:d}", "1.50 1.5 150% 1.5s");
	gives(w, "{duration:d} {neg:d} {count:d}", "1h30m 1m30s 45s");
	gives(w, "{big:d}", "1e+300s");
	gives(w, "{over} {rule} {level} {count} {time}", "5m win critical 45 2026-11-25T12:00:00.000Z");
	gives(w, "{key}", "k=a\nb");
	gives(w, "{s}, {t}, {o}", "str \"q\", true, {\"x\":[1]}");
	gives(w, "{s:%} {t:.2}", "str \"q\" true");
	gives(w, "{{value}} }} } {{", "{value} } } {");
	gives(w, "\u00e9{count}\u20ac", "\u00e9" "45\u20ac");
}

static void
missing(struct world *w)
{
	gives(w, "{within} {hold} {starts_at} {samples}", "- - - -");
	gives(w, "{none} {nul} {none:%} {nul:d}", "- - - -");
	gives(w, "{none.at[\"a b\"]}", "-");
}

static void
secret(struct world *w)
{
	gives(w, "{password} {x.token:%} {s}", "[Filtered] [Filtered] str \"q\"");
}

static void
wrong(struct world *w, size_t rule, const char *text, const char *want)
{
	struct diags d;
	diags_init(&d);
	struct template *t = compiled(w, rule, text, &d);
	ok(t == NULL && d.n >= 1, "refused: %s", text);
	isz(buf_z(&d.text), want, "its place and what to do");
	template_free(t);
	diags_free(&d);
}

static void
mistakes(struct world *w)
{
	wrong(w, 0, "ab {value", "t.yaml:7:13: `{` without its `}` (write {{ for a brace)\n");
	wrong(w, 0, "{value:x}", "t.yaml:7:10: {value:x}: unknown format; use :% (percentage), :.2 (digits) or :d (duration)\n");
	wrong(w, 0, "{value:.16}", "t.yaml:7:10: {value:.16}: unknown format; use :% (percentage), :.2 (digits) or :d (duration)\n");
	wrong(w, 1, "a {valu}", "t.yaml:7:12: {valu}: a window rule's title and text know `by` and `context` fields and value, threshold, "
		"count, over ...; did you mean value; name the field in `context` to carry it\n");
	wrong(w, 0, "one\n\ntwo {value:y}", "t.yaml:9:14: {value:y}: unknown format; use :% (percentage), :.2 (digits) or :d (duration)\n");
	struct diags d;
	diags_init(&d);
	struct template *t = compiled(w, 1, "{k} {s}", &d);
	ok(t && d.n == 0, "a window rule's own: by and context");
	template_free(t);
	t = compiled(w, 1, "{} {1} {other}", &d);
	ok(t == NULL && d.n == 3, "every mistake is told, not the first alone");
	diags_free(&d);
}

int
main(void)
{
	struct world w;
	world_init(&w);
	formats(&w);
	missing(&w);
	secret(&w);
	mistakes(&w);
	rig_free(&w.r);
	return tap_done();
}
