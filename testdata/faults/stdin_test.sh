#!/usr/bin/env bash
# stdin_test.sh - standard input: through the spool, to the end, and over a kill.
# In: BIN. Out: TAP.
. "$(dirname "$0")/lib.sh"
config "{stdin: {}, idle: 10m}"
rc=0
{ records 1 3000; last; } | timeout 60 "$BIN/weir" run -c "$dir/weir.yaml" >"$dir/out" 2>"$dir/err" || rc=$?
ok "producer | weir run: exit 0 at the end of input" test "$rc" -eq 0
ok "each record told once, also the newest" each out 1 3000
ok "the count is exact" has out '"title":"total 3000"'
ok "it went through the spool" test "$(cat "$dir"/state/spool/app/* | grep -c '"x":')" -eq 3000

rm -rf "$dir/state" "$dir/out" "$dir/err"
mkfifo "$dir/in"
run() { # N: a weir that reads the pipe
	"$BIN/weir" run -c "$dir/weir.yaml" <"$dir/in" >"$dir/out.$1" 2>>"$dir/err" &
	weir=$!
	pids+=("$weir")
}
spooled() { [ "$(cat "$dir"/state/spool/app/* | grep -c '"x":')" -ge "$1" ]; }
run 1
exec 7>"$dir/in"
records 1 2000 >&7
within 20 spooled 2000
kill -KILL "$weir"
wait "$weir" 2>/dev/null
ok "killed with all of it in the spool, and not all told" test "$(grep -c '"rule":"each"' "$dir/out.1")" -lt 2000
exec 7>&-
run 2
{ records 2001 4000; last; } >"$dir/in"
ok "the next one ends with 0" code 0
all_told() { [ "$(cat "$dir"/out.[12] | sed -n 's/.*"rule":"each".*"title":"x\([0-9]*\)".*/\1/p' | sort -nu | wc -l)" -eq 4000 ]; }
ok "all is told, from the spool and from what came after" all_told
ok "the count is exact over the kill" has out.2 '"title":"total 4000"'
twice=$(cat "$dir"/out.[12] | sed -n 's/.*"rule":"each".*"title":"x\([0-9]*\)".*/\1/p' | sort -n | uniq -d | wc -l)
ok "told twice: at most what one write to stdout held at the kill" test "$twice" -le 256
echo "# told twice: $twice"
plan
