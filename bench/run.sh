#!/usr/bin/env bash
# run.sh - `make bench`: weir's figures beside the floor they stand on, in one run, on one core.
# In: BIN (folder of weir, bench/gen, ...), and if wanted BENCH_BYTES, BENCH_ROUNDS, BENCH_CPU; BENCH_QUICK=1: a look, no figures to
# quote: few bytes, one round, no million of keys.
# Out: a table on stdout and in BIN/bench/result.md.
# Programs take turns in each round and the best round of each counts, so that a busy machine is unfair to none.
set -euo pipefail
BIN=$(realpath "${BIN:-$(dirname "$0")/../build/release}")
cd "$(dirname "$0")"
key_counts=(100000 1000000)
if [ -n "${BENCH_QUICK:-}" ]; then
	BENCH_BYTES=${BENCH_BYTES:-64MB}
	BENCH_ROUNDS=${BENCH_ROUNDS:-1}
	key_counts=(100000)
fi
BENCH_BYTES=${BENCH_BYTES:-512MB}
BENCH_ROUNDS=${BENCH_ROUNDS:-3}
KEYS=100000
KEY_BYTES=1300 # of lines a key in the memory runs: two lines
shapes=(count p95 record pair absent first)
RATE=2000 # lines a second of event time
cpu=${BENCH_CPU:-$(taskset -pc $$ | sed 's/.*: *//; s/[-,].*//')}
one=(taskset -c "$cpu")
work=$BIN/bench/work
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT

say() { printf '%s\n' "$*" >&2; }
die() { say "bench: $*"; exit 3; }

# field NAME FILE: the value of NAME=value in a line
field() { sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" "$2"; }
calc() { awk "BEGIN { printf \"%.${2:-1}f\", $1 }"; }

say "bench: writing $BENCH_BYTES of log lines"
log=$work/media.log
"$BIN/bench/gen" --bytes "$BENCH_BYTES" --sessions $KEYS --rate $RATE >"$log"
bytes=$(stat -c %s "$log")
cat "$log" >/dev/null # from here on in the page cache

# measure NAME COMMAND..: keeps the least seconds of NAME, and its processor time
declare -A best
measure() {
	local name=$1 s
	shift
	if ! "$BIN/bench/timed" "$work/timed" "${one[@]}" "$@" >"$work/out" 2>"$work/err"; then
		tail -5 "$work/err" >&2
		die "$name failed: $*"
	fi
	s=$(field seconds "$work/timed")
	if [ -z "${best[$name]:-}" ] || awk "BEGIN { exit !($s < ${best[$name]}) }"; then
		best[$name]=$s
		best[$name.cpu]=$(field cpu "$work/timed")
		best[$name.rss]=$(field rss_kb "$work/timed")
	fi
	say "bench: $name ${s}s"
}

replay() { # NAME CONFIG FILE
	measure "$1" "$BIN/weir" replay -c "$2" -j 1 --json "$3"
}

for round in $(seq "$BENCH_ROUNDS"); do
	say "bench: round $round of $BENCH_ROUNDS"
	measure lines "$BIN/bench/bare_yajl" lines "$log"
	records=$(field records "$work/out")
	measure yajl "$BIN/bench/bare_yajl" yajl "$log"
	replay rules10 weir10.yaml "$log"
	replay rules200 weir200.yaml "$log"
	replay rules1000 weir1000.yaml "$log"
done

rm "$log"
for keys in "${key_counts[@]}"; do
	say "bench: memory, $keys keys"
	log=$work/keys.log
	"$BIN/bench/gen" --bytes $((keys * KEY_BYTES)) --sessions "$keys" --rate $((keys / 200)) >"$log"
	for m in none "${shapes[@]}"; do
		replay "mem.$m.$keys" "memory/$m.yaml" "$log"
	done
done

row() { # LABEL NAME
	local s=${best[$2]}
	printf '| %-24s | %9s | %11s | %8s | %8s | %12s | %13s |\n' "$1" "$(calc "$bytes / 1e6 / $s")" "$(calc "$records / $s" 0)" \
		"$s" "${best[$2.cpu]}" "$(calc "$s / ${best[yajl]}" 2)" "$(calc "$s / ${best[rules10]}" 2)"
}
mem() { # LABEL NAME
	local keys kb line
	line=$(printf '| %-26s |' "$1")
	for keys in "${key_counts[@]}"; do
		kb=${best[mem.$2.$keys.rss]}
		line+=$(printf ' %12s | %11s |' "$(calc "$kb / 1024")" \
			"$([ "$2" = none ] && echo - || calc "($kb - ${best[mem.none.$keys.rss]}) * 1024 / $keys" 0)")
	done
	echo "$line"
}
mem_head() {
	local keys one='| greatest size of a process |' two='|----------------------------|'
	for keys in "${key_counts[@]}"; do
		one+=$(printf ' %12s | bytes a key |' "MiB, $keys")
		two+='--------------|-------------|'
	done
	printf '%s\n%s\n' "$one" "$two"
}

{
	printf '%s; %s; Linux %s; one core; %s bytes in %s records; best of %s\n\n' "$(date -u +%Y-%m-%d)" \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" "$(uname -r)" "$bytes" "$records" "$BENCH_ROUNDS"
	printf '| %-24s | %9s | %11s | %8s | %8s | %12s | %13s |\n' "" "MB/s" "records/s" "seconds" "cpu s" "x bare yajl" "x 10 rules"
	echo '|--------------------------|-----------|-------------|----------|----------|--------------|---------------|'
	row "newlines only" lines
	row "bare yajl" yajl
	row "weir replay, 10 rules" rules10
	row "weir replay, 200 rules" rules200
	row "weir replay, 1000 rules" rules1000
	echo
	mem_head
	mem "no keys" none
	mem "count over 10m" count
	mem "p95 over 10m" p95
	mem "the record before (prev)" record
	mem "pair, all open" pair
	mem "absent, all running" absent
	mem "first, a key and its value" first
	printf '\nEach key was seen once at least, twice on average.\n'
} | tee "$BIN/bench/result.md"
