#!/usr/bin/env bash
# config_test.sh - a wrong configuration: every mistake in one go, exit 2, and nothing was begun.
# In: BIN. Out: TAP.
. "$(dirname "$0")/lib.sh"
cat >"$dir/weir.yaml" <<-END
	sources:
	  app: {fils: ["$dir/logs/*.log"], late: 2}
	  b: {files: ["$dir/logs/*.log"], late: 2}
	rules: [rules.yaml]
	sinks:
	  out: {stdot: {}}
	state: $dir/state
	chekpoint: 5s
END
cat >"$dir/rules.yaml" <<-'END'
	rules:
	- rule: broken
	  when: x >
	- rule: half
	  over: 5m
	  wen: count() > 1
END
for command in run check replay; do
	rc=0
	timeout 20 "$BIN/weir" "$command" -c "$dir/weir.yaml" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	cat "$dir/out" "$dir/err" >"$dir/all"
	ok "$command: exit 2" test "$rc" -eq 2
	for mistake in 'weir.yaml:2:.*fils' 'weir.yaml:3:.*late' 'weir.yaml:6:.*stdot' 'weir.yaml:8:.*chekpoint' 'rules.yaml:3:' 'rules.yaml:6:.*wen'; do
		ok "$command tells $mistake" grep -q "$mistake" "$dir/all"
	done
	ok "$command has made nothing" test ! -e "$dir/state"
done
plan
