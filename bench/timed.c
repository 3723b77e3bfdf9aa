/* timed.c - run a command; tell its time and memory in one line that scripts can read.
 * In: FILE for the line, then the command.  Out: seconds (wall), cpu (user and system), rss_kb (greatest resident
 * size). Small on purpose: a child starts with its parent's greatest size, so the parent must be smaller than what
 * it measures.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
tv(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int
main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: timed FILE COMMAND [ARG..]\n");
		return 2;
	}
	double start = now();
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		fprintf(stderr, "timed: cannot run %s: %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	int status;
	struct rusage u;
	if (pid < 0 || wait4(pid, &status, 0, &u) != pid) {
		fprintf(stderr, "timed: %s\n", strerror(errno));
		return 3;
	}
	double end = now();
	double cpu = tv(u.ru_utime) + tv(u.ru_stime);
	FILE *f = fopen(argv[1], "w");
	if (!f || fprintf(f, "seconds=%.3f cpu=%.3f rss_kb=%ld\n", end - start, cpu, u.ru_maxrss) < 0 || fclose(f) != 0) {
		fprintf(stderr, "timed: cannot write %s: %s\n", argv[1], strerror(errno));
		return 3;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
