#!/usr/bin/env bash
# check_test.sh - `weir check` as a user meets it: NAME.txt beside NAME.yaml is what it says of it, stdout then stderr.
# In: BIN. UPDATE=1 writes the NAME.txt anew (read the difference before you keep it).  Out: TAP.
# Sizes are masked: they are those of structs.
set -uo pipefail
BIN=$(realpath "$BIN")
cd "$(dirname "$0")"
n=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-check.XXXXXX")
trap 'rm -rf "$dir"' EXIT

result() { # RC NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
		echo "not ok $n - $2"
		sed 's/^/# /' "$dir/diff" | head -40
	fi
}
# says GOLDEN RC ARG..
says() {
	local golden=$1 want=$2 rc=0
	shift 2
	"$BIN/weir" check "$@" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	{
		cat "$dir/out"
		echo "-- stderr, exit $rc"
		cat "$dir/err"
	} | sed -E 's/[0-9.]+ (B|KiB|MiB|GiB)/N \1/g; s/N (B|KiB|MiB|GiB)/SIZE/g' >"$dir/said"
	[ -z "${UPDATE:-}" ] || cp "$dir/said" "$golden"
	diff "$golden" "$dir/said" >"$dir/diff" && [ "$rc" -eq "$want" ]
	result $? "check $* gives $golden"
}

says good.txt 0 -c good.yaml
says good-logs.txt 0 -c good.yaml -- logs/app.log
says good-explain.txt 0 -c good.yaml --explain
says misspelt.txt 0 -c misspelt.yaml -- logs/app.log
says large.txt 0 -c large.yaml
says bad.txt 2 -c bad.yaml
says several.txt 2 -c several.yaml -- logs/app.log
says no-log.txt 2 -c good.yaml -- logs/none.log
says source.txt 0 -c several.yaml --source other -- logs/app.log

# What a rule set may take is told in bytes a key, and that is not nothing.
"$BIN/weir" check -c large.yaml >"$dir/out" 2>/dev/null
grep -qE 'large: .* up to [1-9][0-9.]* KiB a key, [1-9][0-9.]* GiB for 100000' "$dir/out"
result $? "bytes a key are told"
echo "1..$n"
