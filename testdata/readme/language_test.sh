#!/usr/bin/env bash
# language_test.sh - the page on the language in rules/README.md: its ```yaml NAME blocks become files, and their tests pass.
# In: BIN.  Out: TAP.
set -uo pipefail
BIN=$(realpath "$BIN")
page=$(cd "$(dirname "$0")/../../rules" && pwd)/README.md
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-language.XXXXXX")
trap 'rm -rf "$dir"' EXIT
n=0
ok() { # RC NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
		echo "not ok $n - $2"
		sed 's/^/# /' "$dir/out" | head -60
	fi
}
for name in rules.yaml rules.test.yaml; do
	awk -v w="\`\`\`yaml $name" '/^```/ { on = !on && $0 == w; next } on' "$page" >"$dir/$name"
	[ -s "$dir/$name" ]
	ok $? "$name is in it"
done
"$BIN/weir" test "$dir/rules.test.yaml" >"$dir/out" 2>&1
ok $? "its tests pass"
"$BIN/weir" test --coverage "$dir/rules.test.yaml" >"$dir/out" 2>&1
[ $? -eq 0 ] && ! grep -q 'never fired' "$dir/out"
ok $? "and every rule fires in them"
echo "1..$n"
