#!/usr/bin/env bash
# workers_test.sh - the number of workers changes no byte: replays by 1, 2 and 4, a live run by 1 and 4.
# In: BIN.  Out: TAP.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
oracle=$here/../oracle
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-workers.XXXXXX")
live=
trap '[ -z "$live" ] || kill "$live"; rm -rf "$dir"' EXIT
n=0
WAIT=600 # tenths of a second for a live run to read its logs

result() { # GOOD NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		[ ! -s "$dir/err" ] || tail -3 "$dir/err" | sed 's/^/# /'
	fi
}

# same NAME LEAST ARG..: `weir replay ARG..` in the current folder by 1, 2 and 4 workers gives the same, LEAST lines at least
same() {
	local name=$1 least=$2 j bad=0
	shift 2
	for j in 1 2 4; do
		"$BIN/weir" replay -j $j --json "$@" >"$dir/out.$j" 2>"$dir/err" || bad=1
		sed 's/; malformed.*//' "$dir/err" >"$dir/sum.$j"
	done
	for j in 2 4; do
		cmp "$dir/out.1" "$dir/out.$j" >&2 || bad=1
		cmp "$dir/sum.1" "$dir/sum.$j" >&2 || bad=1
	done
	[ "$(wc -l <"$dir/out.1")" -ge "$least" ] || bad=1
	result $bad "$name ($(wc -l <"$dir/out.1") transitions)"
}

[ -x "$BIN/bench/gen" ] || { echo "1..0 # SKIP bench/gen is not built (make test does)"; exit 0; }

# 1: one log in 9 files, round-robin, each line with a value that makes an order of additions seen
mkdir "$dir/logs"
"$BIN/bench/gen" --bytes 24MB --sessions 2000 --rate 2000 | awk -v dir="$dir/logs" 'BEGIN { split("1e16 -1e16 0.1 0.30000000000000004 1 1e-9 123456789.125 -0.7 9007199254740993", v, " ") }
	{ sub(/^{/, "{\"v\":" v[NR * NR % 9 + 1] ","); print >(dir "/" NR * 7 % 9 ".log") }'
lines=$(cat "$dir"/logs/*.log | wc -l)
cp "$here/rules.yaml" "$dir/rules.yaml"
printf 'sources:\n  app: {files: [logs/*.log], time: timestamp, start: beginning, idle: 1h}\nrules: [rules.yaml]\nsinks:\n  out: {stdout: {}}\n' >"$dir/weir.yaml"
cd "$dir" || exit 1
same "nine files at once" 1000 -c weir.yaml
same "and time goes on after them" 1000 -c weir.yaml --until 1m
same "by the names of the files" 1000 -c weir.yaml logs/8.log logs/1.log logs/0.log logs/2.log logs/3.log logs/4.log logs/5.log logs/6.log logs/7.log
same "a part of them" 100 -c weir.yaml --from 2026-01-01T00:00:05Z --to 2026-01-01T00:00:09Z

# 2: cases of the oracle: rotations, packed files, two sources, late, untimed, malformed and jumping records
for seed in 3 5 8 13 21 34; do
	python3 "$oracle/gen.py" --seed $seed --out "$dir/case" 2>"$dir/err" && cd "$dir/case" || exit 1
	same "oracle's case $seed" 0 -c weir.yaml --until "$(cat until 2>/dev/null || echo 0s)"
	cd "$dir" && rm -r "$dir/case"
done

# 3: live: what the replay tells, as far as its time goes
"$BIN/weir" replay -c weir.yaml 2>"$dir/err" | sort >"$dir/replay"
progress() { # STATE: records read, and whether time is where the marks are and nothing waits to be told
	"$BIN/weir" status --state "$1" --json 2>/dev/null | python3 -c '
import json, sys
s = json.load(sys.stdin)
mark = min(p["mark"] for p in s["partitions"])
print(sum(p["records"] for p in s["partitions"]),
      "quiet" if all(r["reached"] == mark for r in s["rules"]) and s["sinks"][0]["waiting"] == 0 else "busy")' 2>/dev/null || echo 0 busy
}
run() { # WORKERS
	local i=0 at="0 busy" rc=0
	sed "\$a workers: $1\nstate: state.$1" weir.yaml >live.yaml
	"$BIN/weir" run -c live.yaml >"$dir/live" 2>"$dir/err" </dev/null &
	live=$!
	while [ "$at" != "$lines quiet" ] && [ $i -lt $WAIT ] && kill -0 $live 2>/dev/null; do
		sleep 0.1
		i=$((i + 1))
		at=$(progress "state.$1")
	done
	kill $live && wait $live || rc=1
	live=
	sort "$dir/live" >"$dir/live.$1"
	[ "$at" = "$lines quiet" ] && [ $rc -eq 0 ]
	result $? "a live run by $1 reads all ($at of $lines)"
}
run 1
run 4
cmp "$dir/live.1" "$dir/live.4" >&2
result $? "and both tell the same"
[ "$(wc -l <"$dir/live.1")" -ge 1000 ] && [ -z "$(comm -23 "$dir/live.1" "$dir/replay")" ]
result $? "which is what the replay tells ($(wc -l <"$dir/live.1") of $(wc -l <"$dir/replay") lines)"
echo "1..$n"
