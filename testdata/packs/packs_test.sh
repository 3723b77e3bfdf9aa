#!/usr/bin/env bash
# packs_test.sh - rules/packs: each pack is good without a warning, its tests pass, and over its sample log it says NAME.txt.
# In: BIN. GOLDEN=write replaces the NAME.txt: then read each line of the difference before it is kept.  Out: TAP.
set -uo pipefail
BIN=$(realpath "$BIN")
cd "$(dirname "$0")"
packs=../../rules/packs
names=(job-rejections flow-operations media-pipeline dubbing-platform redis-streams)
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-packs.XXXXXX")
trap 'rm -rf "$dir"' EXIT
n=0
for name in $(compgen -e | grep -E '^(MONITORING|WEIR)_'); do
	unset "$name" # the packs' defaults are under test
done

result() { # RC NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
		echo "not ok $n - $2"
		sed 's/^/# /' "$dir/out" "$dir/err" | cut -c1-300 | head -40
	fi
}
# The rules of a pack that never fire in FILE, which names a rule in each line: none is wanted.
unfired() { # PACK FILE
	grep -oP '^- rule: \K.*' "$packs/$1.yaml" | grep -vxFf "$2" >"$dir/out"
	[ ! -s "$dir/out" ]
}

for name in "${names[@]}"; do
	"$BIN/weir" check -c "$name.yaml" >"$dir/out" 2>"$dir/err" && [ ! -s "$dir/err" ]
	result $? "$name: good, without a warning"

	"$BIN/weir" test "$packs/$name.test.yaml" >"$dir/out" 2>"$dir/err"
	result $? "$name: its tests pass"
	grep -oP 'rule: \K[a-z-]+(?=, state: firing)' "$packs/$name.test.yaml" | sort -u >"$dir/fired"
	unfired "$name" "$dir/fired"
	result $? "$name: each rule fires in a test"

	"$BIN/weir" replay -c "$name.yaml" >"$dir/said" 2>"$dir/err"
	rc=$?
	if [ "${GOLDEN:-}" = write ] && [ "$rc" -eq 0 ]; then
		cp "$dir/said" "$name.txt"
	fi
	diff "$name.txt" "$dir/said" >"$dir/out" && [ "$rc" -eq 0 ]
	result $? "$name: what it says of its sample log"
	awk '/^[0-9].* (INFO|WARNING|ERROR|CRITICAL) / { sub(":$", "", $4); print $4 }' "$name.txt" | sort -u >"$dir/fired"
	unfired "$name" "$dir/fired"
	result $? "$name: each rule fires in the sample log"
done

# All in one configuration: no name is used twice. And a threshold of the environment is the rule's.
mkdir "$dir/rules"
for name in "${names[@]}"; do
	cp "$packs/$name.yaml" "$dir/rules"
done
printf 'sources: {app: {files: [none.log]}}\nrules: [rules/*.yaml]\n' >"$dir/all.yaml"
"$BIN/weir" check -c "$dir/all.yaml" >"$dir/out" 2>"$dir/err" && [ ! -s "$dir/err" ]
result $? "all packs in one configuration"

MONITORING_ERROR_RATE_THRESHOLD=0.9 "$BIN/weir" replay -c media-pipeline.yaml >"$dir/out" 2>"$dir/err"
grep -q ' media-error-rate' media-pipeline.txt && ! grep -q ' media-error-rate' "$dir/out" && grep -q ' media-cpu' "$dir/out"
result $? "MONITORING_ERROR_RATE_THRESHOLD is the error rate's threshold"
echo "1..$n"
