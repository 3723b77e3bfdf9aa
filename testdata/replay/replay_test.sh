#!/usr/bin/env bash
# replay_test.sh - a media pipeline's logs through weir replay: the transitions byte for byte as in golden/.
# In: BIN. GOLDEN=write replaces the golden files: then look at each line of the difference before it is kept.
# The story was held against the oracle (testdata/oracle/compare.py --case) when it was written.
set -uo pipefail
cd "$(dirname "$0")"
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-replay.XXXXXX")
trap 'rm -rf "$dir"' EXIT
n=0

config=weir.yaml
replay() { # ARG..
	"$BIN/weir" replay -c "$config" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
same() { # NAME GOLDEN ARG..
	local name=$1 golden=golden/$2 rc=0
	shift 2
	n=$((n + 1))
	replay "$@" || rc=$?
	if [ "${GOLDEN:-}" = write ] && [ "$rc" -eq 0 ]; then
		cp "$dir/out" "$golden"
	fi
	if [ "$rc" -eq 0 ] && cmp -s "$dir/out" "$golden"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		echo "# exit code $rc"
		sed 's/^/# /' "$dir/err" | head -5
		diff "$golden" "$dir/out" | cut -c1-300 | head -4 | sed 's/^/# /'
	fi
}
ok() { # NAME, then the test
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
	fi
}
no_secret() { ! grep -q -e hunter2 -e abcdef0123 golden/* "$dir/err"; }
counted() { grep -q ' of 1987 records; time: 9 late, 0 skewed, 9 without; malformed (json): 2' "$dir/err"; }

same "three sources, rotations found beside the live file" all.jsonl --json --until 10m
ok "late, untimed and malformed records are counted" counted
same "the same with one worker" all.jsonl --json --until 10m -j 1
same "and with four" all.jsonl --json --until 10m -j 4
config=glob.yaml
same "with patterns that name the rotations too" all.jsonl --json --until 10m
config=weir.yaml
old=logs/media.log.3.gz mid=logs/media.log.2.zst new=logs/media.log.1 live=logs/media.log
same "a rotation set by its names, oldest first" media.jsonl --json --source media "$old" "$mid" "$new" "$live"
same "in another order" media.jsonl --json --source media "$live" "$mid" "$old" "$new"
same "and in a third" media.jsonl --json --source media "$new" "$live" "$mid" "$old"
same "without the live file, a part of the time" part.jsonl --json --source media --from 2024-11-25T10:05:00Z \
	--to 2024-11-25T10:10:00Z "$new" "$old" "$mid"
same "for people" all.txt --until 10m
ok "no secret of the logs is told" no_secret
echo "1..$n"
