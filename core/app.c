/* app.c - load, compile, report. */
#include "core/app.h"

#include "core/policy.h"
#include "sinks/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct app *
app_load(const char *path)
{
	struct app *a = xcalloc(1, sizeof *a);
	if (getrandom(&hash_seed, sizeof hash_seed, 0) != sizeof hash_seed)
		hash_seed ^= (uint64_t)mono_ns();
	diags_init(&a->diags);
	a->config = config_load(path, source_kinds, sink_kinds, &a->diags);
	a->rules = ruleset_new(a->config, &a->diags);
	policy_free(policy_new(a->config, &a->diags)); /* its mistakes are told with the others */
	fputs(buf_z(&a->diags.warn), stderr);
	if (a->diags.n) {
		fputs(buf_z(&a->diags.text), stderr);
		fprintf(stderr, "weir: %u mistake%s in %s and its rule files; nothing was started\n", a->diags.n,
			a->diags.n == 1 ? "" : "s", path);
		app_free(a);
		return NULL;
	}
	a->source = xcalloc(a->config->nsource, sizeof *a->source);
	for (size_t i = 0; i < a->config->nsource; i++)
		front_source_init(&a->source[i], a->rules, &a->config->source[i], i);
	return a;
}

void
app_free(struct app *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; a->source && i < a->config->nsource; i++)
		front_source_release(&a->source[i]);
	free(a->source);
	ruleset_free(a->rules);
	config_free(a->config);
	diags_free(&a->diags);
	free(a);
}
