#!/usr/bin/env bash
# idle_test.sh - what an idle weir costs: told, not judged.
# In: BIN. Out: TAP.
. "$(dirname "$0")/lib.sh"
mkdir "$dir/logs"
config "{files: [\"$dir/logs/*.log\"], start: beginning}"
{ records 1 5; last; } >"$dir/logs/app.log"
start
within 10 told out 5
ticks() { awk '{ print $14 + $15 }' "/proc/$weir/stat"; }
before=$(ticks)
sleep 10
echo "# idle: $((($(ticks) - before) * 1000 / $(getconf CLK_TCK))) ms of CPU in 10 s, $(awk '/^RssAnon/ { print $2, $3 }' "/proc/$weir/status") of its own memory"
ok "an idle weir is alive and answers" grep -q . <("$BIN/weir" status --state "$dir/state")
ok "SIGTERM: exit 0" stop
plan
