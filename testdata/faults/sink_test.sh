#!/usr/bin/env bash
# sink_test.sh - a sink that is down, or slow when weir is told to end: each alert arrives, and once.
# In: BIN. Out: TAP.
. "$(dirname "$0")/lib.sh"
if ! command -v python3 >/dev/null; then
	echo "1..0 # SKIP no python3"
	exit 0
fi
got() { # FROM TO: the records that the catcher accepted, each once
	grep -o '"title":"x[0-9]*"' "$dir/got" | tr -dc '0-9\n' | sort -n | cmp -s - <(seq "$1" "$2")
}
waiting() { [ "$("$BIN/weir" status --state "$dir/state" --json | grep -o '"waiting":[0-9-]*')" = "\"waiting\":$1" ]; }

port=$(python3 "$here/catcher.py" --port)
mkdir "$dir/logs"
config "{files: [\"$dir/logs/*.log\"], start: beginning, idle: 10m}" "{webhook: {url: \"http://127.0.0.1:$port/\"}}"
{ records 1 5; last; } >"$dir/logs/app.log"
start
up
ok "nobody listens: what is due waits" within 10 waiting 6
ok "and status tells why" grep -q 'refused\|connect' <("$BIN/weir" status --state "$dir/state" --json)
catcher "$port"
ok "the sink is up: all arrives" within 60 waiting 0
ok "each alert once" got 1 5
ok "SIGTERM: exit 0" stop

rm -f "$dir/got" "$dir/asked"
kill "$catcher"
wait "$catcher" 2>/dev/null
rm -rf "$dir/state" "$dir/err"
catcher "$port" 1
start
ok "a request is in flight" within 10 test -s "$dir/asked"
ok "SIGTERM waits for its answer: exit 0" stop
ok "which came" test "$(wc -l <"$dir/got")" -ge 1
had=$(wc -l <"$dir/got")
start
ok "the next start goes on behind it" within 20 waiting 0
ok "each alert once, over both" got 1 5
echo "# $had of 6 before the stop"
ok "SIGTERM with nothing to do: exit 0" stop

rm -rf "$dir/state" "$dir/err" "$dir/got"
kill "$catcher"
wait "$catcher" 2>/dev/null
catcher "$port"
{ records 1 1000; last; } >"$dir/logs/app.log"
began=$(date +%s%N)
start
up
ok "a thousand alerts of one rule arrive" within 60 got 1 1000
echo "# in $((($(date +%s%N) - began) / 1000000)) ms"
ok "each once, and nothing waits" within 5 waiting 0
ok "SIGTERM: exit 0 again" stop
plan
