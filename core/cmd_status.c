/* cmd_status.c - `weir status`: asks the daemon through its socket. */
#include "core/cmd.h"
#include "core/live.h"
#include "sinks/sink.h"

#include <stdio.h>
#include <stdlib.h>

int
cmd_status(const struct cmd_opts *o)
{
	struct errinfo why = { 0 };
	struct buf out;
	char *state = xstrdup(o->state);
	if (state == NULL) {
		struct diags d;
		diags_init(&d);
		struct config *c = config_load(o->config, source_kinds, sink_kinds, &d);
		if (d.n == 0)
			state = xstrdup(c->state);
		else
			fputs(buf_z(&d.text), stderr);
		config_free(c);
		diags_free(&d);
		if (state == NULL)
			return CMD_USAGE;
	}
	buf_init(&out, 16 << 20);
	int e = control_ask(state, o->json ? "status json" : "status text", &out, &why);
	if (e == ERR_OK)
		fwrite(out.data, 1, out.len, stdout);
	else
		fprintf(stderr, "weir: %s\n", why.text);
	buf_free(&out);
	free(state);
	return e == ERR_OK ? CMD_DONE : CMD_FAILED;
}
