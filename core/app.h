/* app.h - a configuration brought to life: what run, replay and check have in common.
 *
 * Load and compile with every mistake told at once; then fronts and a back over it. Owns all it points to.
 */
#ifndef WEIR_APP_H
#define WEIR_APP_H

#include "rules/back.h"
#include "rules/front.h"

struct app {
	struct config *config;
	struct ruleset *rules;
	struct front_source *source; /* one a configured source, same index */
	struct diags diags;
};

/* NULL after printing every mistake to stderr (exit 2). Warnings are printed too. */
struct app *app_load(const char *config_path);
void app_free(struct app *a);

#endif
