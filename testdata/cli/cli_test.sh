#!/usr/bin/env bash
# cli_test.sh - the command line as a user meets it: what goes to which stream, and the exit codes.
# In: BIN.  Out: TAP.
set -uo pipefail
n=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-cli.XXXXXX")
trap 'rm -rf "$dir"' EXIT

ok() { # NAME, then the test
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# stdout: /' "$dir/out" | head -5
		sed 's/^/# stderr: /' "$dir/err" | head -5
	fi
}
# answers RC STREAM PATTERN ARG..: weir gives RC, STREAM (out or err) holds PATTERN and the other stream is empty
answers() {
	local rc=0 want=$1 stream=$2 pattern=$3 other=out
	shift 3
	[ "$stream" = out ] && other=err
	"$BIN/weir" "$@" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	[ "$rc" -eq "$want" ] && grep -q -- "$pattern" "$dir/$stream" && [ ! -s "$dir/$other" ]
}
full_disk() {
	local rc=0
	: >"$dir/out"
	"$BIN/weir" help >/dev/full 2>"$dir/err" || rc=$?
	[ "$rc" -eq 3 ] && grep -q "No space left" "$dir/err"
}
reader_gone() { # the reader closes before weir writes: no message, no death by signal
	local rc=0
	: >"$dir/out"
	mkfifo "$dir/pipe"
	exec 8<>"$dir/pipe" 9>"$dir/pipe" 8>&-
	"$BIN/weir" help >&9 2>"$dir/err" || rc=$?
	exec 9>&-
	[ "$rc" -eq 3 ] && [ ! -s "$dir/err" ]
}

ok "--version" answers 0 out '^weir [0-9]' --version
ok "--help on stdout" answers 0 out 'replay' --help
ok "no command: usage on stderr" answers 2 err 'usage: weir'
ok "unknown command" answers 2 err "did you mean 'replay'" reply
ok "unknown option" answers 2 err "did you mean '--until'" replay -c x --untill 5m
ok "a bad duration" answers 2 err 'with its unit' replay -c x --until 5
ok "help for all sinks" answers 0 out 'routing_key' help sink
ok "help for one sink" answers 0 out 'webhook_url' help slack
ok "help for sources" answers 0 out 'max_jump' help source
ok "help for rules" answers 0 out 'resolve_when' help rule
ok "help for a misspelt topic" answers 2 err "did you mean 'sentry'" help sentri
ok "a full disk is told" full_disk
ok "a reader that went away is not" reader_gone
echo "1..$n"
