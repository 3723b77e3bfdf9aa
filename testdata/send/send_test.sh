#!/usr/bin/env bash
# send_test.sh - replay against the live run: --state gives the same transitions, byte for byte, over silences, rotation, a
# file that joins late, a restart and a kill; and --send tells the sinks what the policy says, from a state of its own.
# In: BIN.  Out: TAP. Waits for what it waits for, with a bound; nothing depends on how long it took.
set -uo pipefail
BIN=$(realpath "$BIN")
cd "$(dirname "$0")"
n=0
export DIR
DIR=$(mktemp -d "${TMPDIR:-/tmp}/weir-send-test.XXXXXX")
mkdir "$DIR/logs" "$DIR/tmp"
pid= receiver=
cleanup() {
	[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
	[ -z "$receiver" ] || kill -9 "$receiver" 2>/dev/null
	rm -rf "$DIR"
}
trap cleanup EXIT

ok() { # RC NAME [FILE to show]
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
		echo "not ok $n - $2"
		[ -z "${3:-}" ] || sed 's/^/# /' "$3" | head -40
	fi
}
start() {
	"$BIN/weir" run -c live.yaml >>"$DIR/live" 2>>"$DIR/live.err" </dev/null &
	pid=$!
}
stop() { # SIGNAL
	kill "-$1" "$pid"
	wait "$pid" 2>/dev/null
	pid=
}
line() { # FILE OFFSET_MS LEVEL EVENT JOB: a record of now plus OFFSET_MS
	local ms=$(($(date +%s%3N) + $2))
	printf '{"timestamp":"%s.%03dZ","level":"%s","event":"%s","job":"%s"}\n' \
		"$(date -u -d "@$((ms / 1000))" +%Y-%m-%dT%H:%M:%S)" $((ms % 1000)) "$3" "$4" "$5" >>"$DIR/logs/$1"
}
told() { # COUNT PATTERN: the live run has told so many of it
	for _ in $(seq 300); do
		[ "$(grep -cE "$2" "$DIR/live")" -ge "$1" ] && return 0
		sleep 0.1
	done
	echo "# never told $1 times: $2"
	grep -E 'runtime error|ERROR: ' "$DIR/live.err" | sed 's/^/# /' | head
	return 1
}

# ---- live ----
start
line a.log 0 INFO start one
told 1 '"event":"firing","rule":"open-too-long".*"one"'
ok $? "silence alone makes a pair fire"
for i in 1 2 3 4; do line a.log $((i - 5)) ERROR x two; done
told 1 '"event":"resolved","rule":"error".*"two"'
ok $? "silence alone ends a hold"
mv "$DIR/logs/a.log" "$DIR/logs/a.log.1"
line a.log -5000 ERROR start late # silence has passed this one: late
line a.log 0 INFO start three
line b.log -8000 ERROR x joined # joins behind the rules' time: late too
line b.log 0 ERROR x joined
told 1 '"event":"firing","rule":"open-too-long".*"three"'
ok $? "after a rotation"
stop TERM
line a.log 0 INFO stop three
start
line a.log 1 ERROR x four
told 1 '"event":"resolved","rule":"error".*"four"'
ok $? "after a restart"
stop KILL
start
line b.log 0 ERROR x five
line a.log 0 INFO stop one
told 1 '"event":"resolved","rule":"error".*"five"' && told 1 '"event":"resolved","rule":"open-too-long".*"one"'
ok $? "after a kill"
stop TERM

# ---- replay ----
# a delivery repeated over the kill is the same line
sort -u "$DIR/live" >"$DIR/want"
"$BIN/weir" replay --json --state "$DIR/state" -c live.yaml >"$DIR/out" 2>"$DIR/err"
rc=$?
sort "$DIR/out" >"$DIR/got"
diff "$DIR/want" "$DIR/got" >"$DIR/diff" && [ $rc -eq 0 ]
ok $? "replay --state gives what the live run gave" "$DIR/diff"
grep -q 'steps of the live run' "$DIR/err"
ok $? "and says how many steps it applied" "$DIR/err"

"$BIN/weir" replay --json -c live.yaml 2>"$DIR/err" | sort >"$DIR/got"
! diff -q "$DIR/want" "$DIR/got" >/dev/null && grep -q -- '--state .* applies what it recorded' "$DIR/err"
ok $? "without it, the late records differ, and it says so" "$DIR/err"

mkdir "$DIR/archive"
gzip -c "$DIR/logs/a.log.1" >"$DIR/archive/a.log.1.gz"
cp "$DIR/logs/a.log" "$DIR/logs/b.log" "$DIR/archive"
"$BIN/weir" replay --json --state "$DIR/state" -c live.yaml "$DIR"/archive/* 2>"$DIR/err" | sort >"$DIR/got"
diff "$DIR/want" "$DIR/got" >"$DIR/diff"
ok $? "and from an archive elsewhere, compressed" "$DIR/diff"

"$BIN/weir" replay --state "$DIR/tmp" -c live.yaml >"$DIR/out" 2>"$DIR/err"
[ $? -eq 3 ] && grep -q 'there is no state here' "$DIR/err"
ok $? "a folder that is no state" "$DIR/err"

# ---- send ----
python3 receiver.py "$DIR/port" "$DIR/sent" &
receiver=$!
for _ in $(seq 100); do
	[ -s "$DIR/port" ] && break
	sleep 0.1
done
export URL
URL=http://127.0.0.1:$(cat "$DIR/port")
# two errors of one job: the resolve between them is 2 s old when it fires again, so it settles away; the last is told
cat >"$DIR/send.log" <<'END'
{"timestamp":"2026-11-25T12:00:00Z","level":"ERROR","job":"a"}
{"timestamp":"2026-11-25T12:00:03Z","level":"ERROR","job":"a"}
{"timestamp":"2026-11-25T12:01:00Z","level":"INFO","job":"a"}
END
TMPDIR=$DIR/tmp "$BIN/weir" replay --send -c send.yaml "$DIR/send.log" >"$DIR/out" 2>"$DIR/err"
rc=$?
[ $rc -eq 0 ] && [ "$(grep -c ^services "$DIR/sent")" -eq 2 ] && grep -q '^services WARNING' "$DIR/sent" &&
	grep -q '^services RESOLVED' "$DIR/sent" && grep -q 'slack: 2 delivered$' "$DIR/err"
ok $? "--send: settle follows event time, and all is delivered" "$DIR/sent"
[ "$(grep -c 'error {job=a}' "$DIR/out")" -eq 4 ]
ok $? "--send prints each transition, once" "$DIR/out"
[ -z "$(ls -A "$DIR/tmp")" ]
ok $? "--send leaves nothing behind"
kill "$receiver"
wait "$receiver" 2>/dev/null
receiver=
TMPDIR=$DIR/tmp "$BIN/weir" replay --send --drain 300ms -c send.yaml "$DIR/send.log" >"$DIR/out" 2>"$DIR/err"
[ $? -eq 3 ] && grep -q 'not delivered in time' "$DIR/err" && [ -z "$(ls -A "$DIR/tmp")" ]
ok $? "--send to nobody says what is left, exit 3" "$DIR/err"
"$BIN/weir" replay --send -c live.yaml >"$DIR/out" 2>"$DIR/err"
[ $? -eq 2 ] && grep -q 'nowhere to send to' "$DIR/err"
ok $? "--send without a sink" "$DIR/err"
"$BIN/weir" replay --drain 5s -c live.yaml >"$DIR/out" 2>"$DIR/err"
[ $? -eq 2 ] && grep -q -- '--drain does nothing without --send' "$DIR/err"
ok $? "--drain without --send" "$DIR/err"
TMPDIR=$DIR/none "$BIN/weir" replay --send -c send.yaml "$DIR/send.log" >"$DIR/out" 2>"$DIR/err"
[ $? -eq 3 ] && grep -q 'set TMPDIR' "$DIR/err"
ok $? "--send without a folder for its state" "$DIR/err"
echo "1..$n"
