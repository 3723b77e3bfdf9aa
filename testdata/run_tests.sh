#!/usr/bin/env bash
# run_tests.sh - `make test`: runs every unit test and every script testdata/*/*.sh that ends in _test.sh, and sums up.
# In: BIN (folder with weir and the *_test programs, built by make). T=name: only tests whose path holds it.
# Out: what failed, then `N passed, N failed[, N skipped]` as the last line; 1 if anything failed.
#
# A test prints TAP. It has failed as a program too if it exits non-zero, prints no plan, or one that does not fit: that
# counts as one failure more. `1..0 # SKIP why` and `ok N # SKIP why` count as skipped and are told.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
BIN=$(realpath "${BIN:-$root/build/release}")
cd "$root"
export BIN
LIMIT=300 # seconds for one test
out=$(mktemp -d "${TMPDIR:-/tmp}/weir-test.XXXXXX")
trap 'rm -rf "$out"' EXIT
passed=0 failed=0 skipped=0

# tally FILE RC NAME: adds one test's TAP to the sums and shows what is wrong
tally() {
	local p f s plan seen
	read -r p f s plan seen < <(awk '
		/^ok / { n++; if (/# SKIP/) s++; else p++ }
		/^not ok / { n++; f++ }
		/^1\.\.[0-9]+/ { plan = substr($1, 4); if (plan == "0" && /# SKIP/) s++; planned = 1 }
		END { printf "%d %d %d %s %d\n", p, f, s, planned ? plan : "none", n }' "$1")
	if [ "$f" -eq 0 ] && { [ "$2" -ne 0 ] || [ "$plan" != "$seen" ]; }; then
		f=1
		echo "# $3: exit code $2, plan $plan, $seen results"
		tail -n 20 "$1" | sed 's/^/#   /'
	elif [ "$f" -gt 0 ]; then
		echo "# $3:"
		awk '/^not ok /{show = 1} /^ok /{show = 0} show && /^(not ok|#)/{print "#   " $0}' "$1"
	fi
	if [ "$f" -gt 0 ] && [ -s "$1.err" ]; then
		tail -n 20 "$1.err" | sed 's/^/#   stderr: /'
	fi
	grep -h '# SKIP' "$1" | sed "s|^|# $3: |" || :
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

run() { # NAME COMMAND
	local rc=0
	[[ $1 == *"${T:-}"* ]] || return 0
	timeout "$LIMIT" "$2" >"$out/tap" 2>"$out/tap.err" </dev/null || rc=$?
	tally "$out/tap" "$rc" "$1"
}

for source in core/*_test.c config/*_test.c ingest/*_test.c rules/*_test.c sinks/*_test.c; do
	[ -e "$source" ] || continue
	run "${source%.c}" "$BIN/${source%.c}"
done
for script in testdata/*/*_test.sh; do
	[ -e "$script" ] || continue
	run "${script%.sh}" "$script"
done

printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
echo
[ "$failed" -eq 0 ]
