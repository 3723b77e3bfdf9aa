/* check.h - `weir check -- LOG..`: what the rules would have seen and done in some logs. */
#ifndef WEIR_CHECK_H
#define WEIR_CHECK_H

#include "core/app.h"
#include "core/cmd.h"

/* Reads the logs through front and back, and appends the report. Gives an enum cmd_exit; trouble is told on stderr. */
int check_logs(const struct app *a, const struct cmd_opts *o, struct buf *out);

#endif
