#!/usr/bin/env bash
# oracle_test.sh - weir replay against the oracle: its own cases worked out by hand, then random cases in ranges of seeds.
# In: BIN; WEIR_ORACLE_START and WEIR_ORACLE_COUNT choose other seeds. Out: TAP, a line a range; a difference is printed
# with its seed.
set -uo pipefail
cd "$(dirname "$0")"
START=${WEIR_ORACLE_START:-1}
COUNT=${WEIR_ORACLE_COUNT:-60}
RANGE=10

if ! python3 -c 'import yaml' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 with yaml: make deps"
	exit 0
fi
out=$(mktemp "${TMPDIR:-/tmp}/weir-oracle.XXXXXX")
trap 'rm -f "$out"' EXIT
n=0
tell() { # NAME RC
	n=$((n + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# /' "$out" | head -n 60
	fi
}

./test_oracle.py >"$out" 2>&1
tell "cases worked out by hand" $?
for ((from = START; from < START + COUNT; from += RANGE)); do
	left=$((START + COUNT - from))
	many=$((left < RANGE ? left : RANGE))
	# every other range has prev too
	more=()
	((from / RANGE % 2)) && more=(--with prev)
	./compare.py --weir "$BIN/weir" --start "$from" --count "$many" -j 2 "${more[@]}" >"$out" 2>&1
	tell "seeds $from to $((from + many - 1))${more[*]:+, with prev}" $?
done
echo "1..$n"
