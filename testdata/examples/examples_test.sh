#!/usr/bin/env bash
# examples_test.sh - config/examples is good as it stands, and without a warning.  In: BIN.  Out: TAP.
set -uo pipefail
BIN=$(realpath "$BIN")
cd "$(dirname "$0")/../../config/examples"
n=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-examples.XXXXXX")
trap 'rm -rf "$dir"' EXIT
export SLACK_WEBHOOK_URL=https://hooks.slack.example/services/T0/B0/secret PAGERDUTY_ROUTING_KEY=0123456789abcdef0123456789abcdef

ok() { # RC NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
		echo "not ok $n - $2"
		sed 's/^/# /' "$dir/out" "$dir/err" | head -40
	fi
}
"$BIN/weir" check -c weir.yaml >"$dir/out" 2>"$dir/err"
[ $? -eq 0 ] && [ ! -s "$dir/err" ]
ok $? "weir.yaml and its rules are good, without a warning"
! grep -q -e secret -e 0123456789abcdef "$dir/out"
ok $? "no secret in the report"
for shape in window pair record; do
	grep -q ": $shape" "$dir/out"
	ok $? "a $shape rule"
done
# what is commented out is good too: each `# ` that hides a key of YAML is taken away
sed -E 's/^( *)# ( *(containers|errors|logs|hook|mention|checkpoint|memory|redact|rule_env|url|files|follow|format|time):)/\1\2/' \
	weir.yaml >"$dir/weir.yaml"
mkdir "$dir/rules"
cp rules/*.yaml "$dir/rules"
(umask 077 && echo 0123456789abcdef0123456789abcdef >"$dir/hook.key")
! cmp -s weir.yaml "$dir/weir.yaml"
ok $? "there is something commented out"
SENTRY_DSN=https://0123456789abcdef0123456789abcdef@sentry.example/1 "$BIN/weir" check -c "$dir/weir.yaml" >"$dir/out" 2>"$dir/err"
[ $? -eq 0 ] && [ ! -s "$dir/err" ]
ok $? "what is commented out is good too"
echo "1..$n"
