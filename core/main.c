/* main.c - the process's own settings, then the command line. */
#include "core/cmd.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

int
main(int argc, char **argv)
{
	umask(077);
	(void)signal(SIGPIPE, SIG_IGN); /* a peer that closes is an error code where it is written to */
#ifndef __SANITIZE_ADDRESS__ /* its leak check attaches to the process, which this forbids */
	(void)prctl(PR_SET_DUMPABLE, 0); /* secrets of the configuration reach no core file and no debugger of the same user */
#endif
	return cmd_main(argc, argv);
}
