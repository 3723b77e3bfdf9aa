/* cmd_check.c - `weir check`: all that can be wrong before anything starts. */
#include "core/cmd.h"
#include "core/app.h"

#include <stdio.h>

int
cmd_check(const struct cmd_opts *o)
{
	struct app *a = app_load(o->config);
	if (a == NULL)
		return CMD_USAGE;
	printf("%s: %zu sources, %zu rules, %zu sinks: good\n", o->config, a->config->nsource, a->rules->nrule, a->config->nsink);
	app_free(a);
	return CMD_DONE;
}
