/* cmd_check.c - `weir check`: all that can be wrong before anything starts, what the rules cost, and over logs what they see.
 *
 * Mistakes and warnings go to stderr, the report to stdout. Exit 2 on any mistake; warnings are no mistake.
 */
#include "core/check.h"
#include "core/policy.h"
#include "core/units.h"
#include "rules/explain.h"
#include "sinks/sink.h"

#include <stdio.h>
#include <stdlib.h>

#define REPORT_MAX (64 << 20)

static const char *const format_name[] = { [FORMAT_JSON] = "json", [FORMAT_CRI] = "cri", [FORMAT_DOCKER] = "docker" };

static void
sources(const struct app *a, struct buf *out)
{
	char late[32];
	buf_addz(out, "\nsources\n");
	for (size_t i = 0; i < a->config->nsource; i++) {
		const struct source_conf *s = &a->config->source[i];
		dur_text(s->late, late);
		buf_printf(out, "  %-16s %s; %s; time: %s; late by at most %s\n", s->name, s->kind->name, format_name[s->format],
			s->time_read ? "when it is read" : s->time ? s->time : "timestamp, time, ts or @timestamp", late);
	}
}

static void
sinks(const struct app *a, struct buf *out)
{
	buf_addz(out, "\nsinks\n");
	for (size_t i = 0; i < a->config->nsink; i++) {
		const struct sink_conf *s = &a->config->sink[i];
		const struct sink_kind *k = (const struct sink_kind *)(const void *)s->kind;
		buf_printf(out, "  %-16s %s; %s", s->name, s->kind->name,
			k->people ? "for people: resolves settle, floods become one message" : "for machines: every transition at once");
		if (a->config->npolicy == 0 && k->least > LEVEL_INFO)
			buf_printf(out, "; without a policy: %s%s", level_name[k->least], k->least < LEVEL_CRITICAL ? " and above" : "");
		buf_addc(out, '\n');
	}
	if (a->config->nsink == 0)
		buf_addz(out, "  none: alerts are stored, and nobody is told\n");
}

static void
rules(const struct app *a, double *worst, struct buf *out)
{
	const struct ruleset *rs = a->rules;
	*worst = 0;
	buf_addz(out, "\nrules\n");
	for (size_t i = 0; i < rs->nrule; i++) {
		const struct rule *r = &rs->rule[i];
		double key = (double)explain_key_bytes(rs, r), value = (double)explain_value_bytes(rs, r);
		int64_t keys = explain_keys(r);
		double all = (key + value * (double)r->def->max_values) * (double)keys;
		*worst += all;
		buf_printf(out, "  %s: ", r->name);
		explain_line(rs, r, out);
		buf_addz(out, "; up to ");
		explain_bytes(key, out);
		if (r->def->nby)
			buf_addz(out, " a key");
		if (value > 0) {
			buf_addz(out, " and ");
			explain_bytes(value, out);
			buf_addz(out, " a value");
		}
		if (r->def->nby || value > 0) {
			buf_addz(out, ", ");
			explain_bytes(all, out);
			buf_printf(out, " for %lld", (long long)(r->def->nby ? keys : r->def->max_values));
		}
		if (value > 0)
			buf_printf(out, r->def->nby ? " of %lld values" : " values", (long long)r->def->max_values);
		buf_addc(out, '\n');
	}
	if (rs->nrule == 0)
		buf_addz(out, "  none: records are read and nothing is told\n");
}

/* Levels that a rule's alert may have and no sink would hear. */
static void
unheard(const struct app *a, struct policy *p, struct diags *d)
{
	for (size_t i = 0; i < a->rules->nrule && a->config->nsink; i++) {
		const struct rule *r = &a->rules->rule[i];
		for (int l = 0; l < LEVELS; l++) {
			bool can = r->by_level ? r->when[l] >= 0 : l == (int)r->def->severity;
			if (can && !r->def->shadow && !policy_reaches(p, r->def, (enum level)l))
				diag_warn(d, r->def->loc, "rule %s: no %s would send its %s alerts to any sink", r->name,
					a->config->npolicy ? "policy entry" : "sink's default", level_name[l]);
		}
	}
}

static void
over_memory(const struct app *a, double worst, struct buf *out)
{
	buf_addz(out, "  all rules, worst case: ");
	explain_bytes(worst, out);
	buf_addz(out, "; memory: ");
	explain_bytes((double)a->config->memory, out);
	buf_addz(out, ", of which ");
	explain_bytes((double)back_memory_limit(a->config), out);
	buf_addz(out, " are for them\n");
	if (worst <= (double)back_memory_limit(a->config))
		return;
	fprintf(stderr, "weir: warning: with max_keys of every rule reached the rules could take more than `memory` leaves them: new "
		"keys would not be admitted from there on; lower the max_keys of the largest, or raise memory\n");
}

static void
explain(const struct app *a, struct buf *out)
{
	buf_addz(out, "\nprogram (an instruction once, however many rules use it; `shared` ones are computed once a record)\n");
	explain_program(a->rules, out);
	buf_addz(out, "\ndispatch\n");
	for (size_t i = 0; i < a->config->nsource; i++)
		explain_source(a->rules, &a->source[i], out);
	for (size_t i = 0; i < a->rules->nrule; i++) {
		buf_addc(out, '\n');
		explain_rule(a->rules, &a->rules->rule[i], out);
	}
}

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

int
cmd_check(const struct cmd_opts *o)
{
	struct app *a = app_load(o->config);
	if (a == NULL)
		return CMD_USAGE;
	struct diags d;
	struct buf out;
	double worst;
	int code = CMD_DONE;
	diags_init(&d);
	buf_init(&out, REPORT_MAX);
	struct policy *p = policy_new(a->config, &a->diags); /* compiled once already: nothing new is told */
	unheard(a, p, &d);
	fputs(buf_z(&d.warn), stderr);
	buf_printf(&out, "%s: good: %zu source%s, %zu rule%s, %zu sink%s\n", o->config, a->config->nsource,
		plural(a->config->nsource), a->rules->nrule, plural(a->rules->nrule), a->config->nsink, plural(a->config->nsink));
	sources(a, &out);
	sinks(a, &out);
	rules(a, &worst, &out);
	over_memory(a, worst, &out);
	if (o->explain)
		explain(a, &out);
	if (o->noperand)
		code = check_logs(a, o, &out);
	if (code != CMD_USAGE)
		fwrite(out.data, 1, out.len, stdout);
	policy_free(p);
	buf_free(&out);
	diags_free(&d);
	app_free(a);
	return code;
}
