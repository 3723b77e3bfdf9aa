#!/usr/bin/env bash
# ruletest_test.sh - `weir test` as a user meets it: NAME.txt is what it says of NAME_test.yaml, stdout then stderr.
# In: BIN. UPDATE=1 writes the NAME.txt anew (read the difference before you keep it).  Out: TAP.
set -uo pipefail
BIN=$(realpath "$BIN")
cd "$(dirname "$0")"
n=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-ruletest.XXXXXX")
trap 'rm -rf "$dir"' EXIT

result() { # RC NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
		echo "not ok $n - $2"
		sed 's/^/# /' "$dir/diff" | head -40
	fi
}
same() { # GOLDEN FILE
	[ -z "${UPDATE:-}" ] || cp "$2" "$1"
	diff "$1" "$2" >"$dir/diff"
}
# says GOLDEN RC ARG..
says() {
	local golden=$1 want=$2 rc=0
	shift 2
	"$BIN/weir" test "$@" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	{
		cat "$dir/out"
		echo "-- stderr, exit $rc"
		cat "$dir/err"
	} >"$dir/said"
	same "$golden" "$dir/said" && [ "$rc" -eq "$want" ]
	result $? "test ${*//$dir/DIR} gives $golden"
}

says good.txt 0 good_test.yaml --coverage
says config.txt 0 config_test.yaml
says failing.txt 1 failing_test.yaml --junit "$dir/junit.xml"
sed -E 's/ time="[0-9.]+"/ time="T"/g' "$dir/junit.xml" >"$dir/junit"
same junit.xml "$dir/junit"
result $? "the same as JUnit XML"
python3 -c 'import sys, xml.etree.ElementTree as t; s = t.parse(sys.argv[1]).getroot()[0]
sys.exit(not (s.get("tests") == "7" and s.get("failures") == "6" == str(len(s.findall("testcase/failure")))))' "$dir/junit.xml"
result $? "which an XML parser reads, with its sums"
says broken.txt 2 broken_test.yaml
says nosource.txt 2 nosource_test.yaml
says mistakes.txt 2 badrules_test.yaml good_test.yaml none_test.yaml
says run.txt 0 good_test.yaml failing_test.yaml --run 'a state*' --coverage
says part.txt 0 failing_test.yaml --run holds
says norun.txt 2 good_test.yaml --run 'no such'
says nofile.txt 2
"$BIN/weir" test good_test.yaml --junit "$dir/none/junit.xml" >/dev/null 2>"$dir/diff"
[ $? -eq 3 ] && grep -q 'cannot write .*/none/junit.xml' "$dir/diff"
result $? "a result that cannot be written is a failure"
! grep -rq hunter2 "$dir/junit.xml" failing.txt
result $? "no secret of a record is told"
echo "1..$n"
