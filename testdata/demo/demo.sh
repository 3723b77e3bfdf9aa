#!/usr/bin/env bash
# demo.sh - `make demo`: a media pipeline in trouble, its log rotated under weir's feet, and what four services get told.
# In: BIN (folder of weir). Takes about 45 seconds, listens on loopback only, leaves nothing behind.
set -euo pipefail
BIN=$(realpath "${BIN:-$(dirname "$0")/../../build/release}")
cd "$(dirname "$0")"

RUN=34  # seconds of pipeline
MORE=15 # seconds at most for the last messages
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-demo.XXXXXX")
pids=()
cleanup() {
	trap - EXIT INT TERM
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || :; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || :; done
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
	echo "demo: $*" >&2
	if [ -s "$dir/weir.log" ]; then
		echo "demo: the end of weir's own log:" >&2
		tail -20 "$dir/weir.log" >&2
	fi
	exit 3
}
alive() { kill -0 "$1" 2>/dev/null; }
seen() { awk -v n="$1" '{ c = $NF; sub(/ [0-9]+$/, ""); if ($0 == n) found = c } END { print found + 0 }' "$dir/seen" 2>/dev/null; }

[ -x "$BIN/weir" ] || fail "no weir at $BIN/weir: run make first"
command -v python3 >/dev/null || fail "needs python3: make deps"

mkdir "$dir/logs"
mkfifo "$dir/console"
python3 catcher.py "$dir" &
catcher=$!
pids+=("$catcher")
for _ in $(seq 100); do
	[ -s "$dir/port" ] && break
	alive "$catcher" || fail "the catcher did not start"
	sleep 0.1
done
[ -s "$dir/port" ] || fail "the catcher did not listen within 10 seconds"
port=$(cat "$dir/port")
export DEMO_DIR=$dir DEMO_URL=http://127.0.0.1:$port
export DEMO_COLOR=never
[ ! -t 1 ] || DEMO_COLOR=always
export DEMO_SENTRY_DSN=http://0123456789abcdef0123456789abcdef@127.0.0.1:$port/1

cat <<END
demo: a pipeline writes $dir/logs/media.log and rotates it every 11 seconds. In the next $RUN seconds
demo: most operations of one tenant fail, a stage is slow, a session hangs and a worker runs out of memory; then all
demo: recovers.
demo: weir runs with testdata/demo/demo.yaml; its sinks point to a catcher on 127.0.0.1:$port, which prints what
demo: Slack, PagerDuty, Sentry and Loki would get: the first request to each as it is on the wire, later ones in short.
demo: After each rotation the old file is watched for 5 more seconds for late writers: what is told then waits as long.
END

python3 pipeline.py "$dir/logs/media.log" "$RUN" &
pipeline=$!
pids+=("$pipeline")
"$BIN/weir" run -c demo.yaml >"$dir/console" 2>"$dir/weir.log" &
weir=$!
pids+=("$weir")

while alive "$pipeline"; do
	alive "$weir" || fail "weir ended early"
	sleep 0.5
done
all=(error-rate slow-stage stuck-session out-of-memory)
told() {
	local r
	for r in "${all[@]}"; do [ "$(seen "RESOLVED $r")" -ge 1 ] || return 1; done
	[ "$(seen PagerDuty-trigger)" -ge 1 ] && [ "$(seen PagerDuty-resolve)" -ge 1 ] && [ "$(seen Sentry)" -ge 3 ] &&
		[ "$(seen Slack)" -ge 8 ] && [ "$(seen Loki)" -ge 1 ]
}
for _ in $(seq $((MORE * 4))); do
	told && break
	alive "$weir" || fail "weir ended early"
	sleep 0.25
done
told || fail "not all of it was told within $((RUN + MORE)) seconds; seen so far: $(tr '\n' ',' <"$dir/seen")"

kill "$weir"
pids=("$catcher" "$pipeline")
wait "$weir" || fail "weir did not stop cleanly"
cat <<END

demo: done. Four alerts fired and resolved over $(ls "$dir/logs" | wc -l) files of one rotated log:
demo:   Slack $(seen Slack) messages, PagerDuty $(seen PagerDuty) (a trigger and its resolve), Sentry $(seen Sentry), Loki $(seen Loki) pushes.
demo: What to try next:
demo:   read testdata/demo/rules.yaml, change a threshold, and run make demo again
demo:   weir check -c YOUR.yaml -- LOG         are the rules right, and which fields do they miss in your log
demo:   weir replay -c YOUR.yaml OLD.log.gz    what your rules would have said about last week
demo:   weir help rule                         the rule language on a page
END
