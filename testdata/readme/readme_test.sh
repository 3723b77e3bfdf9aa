#!/usr/bin/env bash
# readme_test.sh - what README.md says can be done, done: its ```yaml NAME blocks become files, its ```sh blocks are run line by
# line in one folder over made-up logs, `weir run` beside the rest. Commands in ```console are targets that make knows.
# In: BIN.  Out: TAP. Waits for what it waits for, with a bound.
set -uo pipefail
BIN=$(realpath "$BIN")
root=$(cd "$(dirname "$0")/../.." && pwd)
n=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-readme.XXXXXX")
pid=
cleanup() {
	[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
ok() { # RC NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
		echo "not ok $n - $2"
		sed 's/^/# /' "$dir/out" "$dir/err" 2>/dev/null | head -40
	fi
}
block() { # WORD: the lines of all blocks that begin with ```WORD
	awk -v w="$1" '/^```/ { on = !on && $0 == "```" w; next } on' "$root/README.md"
}
waits() { # COMMAND: until it succeeds
	for _ in $(seq 300); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}
lines() { # COUNT LEVEL: records of now
	for _ in $(seq "$1"); do
		printf '{"timestamp":"%s","level":"%s","message":"upload","tenant":"acme","extra":{"stage":"upload"}}\n' \
			"$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" "$2"
	done
}

mkdir -p "$dir/work/logs"
cd "$dir/work" || exit 1
files=0
while read -r name; do
	mkdir -p "$(dirname "$name")"
	block "yaml $name" >"$name"
	[ -s "$name" ] && files=$((files + 1))
done < <(sed -n 's/^```yaml //p' "$root/README.md")
[ $files -ge 2 ]
ok $? "the configuration and a rule are in it"

# yesterday's trouble, rotated and compressed, and a quiet log
for i in $(seq 30); do
	printf '{"timestamp":"2026-11-24T12:00:%02dZ","level":"%s","message":"upload","tenant":"acme"}\n' "$i" \
		"$([ $((i % 3)) -eq 0 ] && echo ERROR || echo INFO)"
done | gzip >logs/app.log.1.gz
lines 5 INFO >logs/app.log

while read -r -u 3 command rest; do
	[ -n "$command" ] || continue
	if [ "$command $rest" = "weir run -c weir.yaml" ]; then
		"$BIN/weir" run -c weir.yaml >"$dir/told" 2>"$dir/err" &
		pid=$!
		waits "$BIN/weir" status -c weir.yaml
		ok $? "$command $rest"
		continue
	fi
	[ "$command" = weir ]
	ok $? "a command of weir: $command"
	eval "\"\$BIN/weir\" $rest" >"$dir/out" 2>"$dir/err" </dev/null
	ok $? "$command $rest"
	case $rest in
	check*) grep -q 'error-rate: saw 5 of 5 records' "$dir/out" ;;
	replay*) grep -q 'CRITICAL error-rate {tenant=acme}: acme: .*% of operations failed in 5m' "$dir/out" ;;
	test*) grep -qx '1 passed, 0 failed' "$dir/out" ;;
	status*) grep -q 'app.log' "$dir/out" ;;
	*) false ;;
	esac
	ok $? "and it says what it should"
done 3< <(block sh)

[ -n "$pid" ]
ok $? "it was run"
lines 30 ERROR >>logs/app.log
waits grep -q 'CRITICAL error-rate {tenant=acme}: acme: .*% of operations failed in 5m' "$dir/told"
ok $? "an alert on the console"
kill -TERM "$pid"
wait "$pid"
ok $? "and it ends when told to"
pid=

while read -r first second rest; do
	[ "$first" = sudo ] && first=$second && second=${rest%% *}
	[ "$first" = make ] || continue
	[ "${second:-#}" = "#" ] && second=all
	make -C "$root" -n "$second" >"$dir/out" 2>"$dir/err"
	ok $? "make $second"
done < <(block console)
while read -r path; do
	[ -e "$root/$path" ]
	ok $? "there is a $path"
done < <(grep -oE '(core|config|ingest|rules|sinks|testdata|bench)/(README\.md|examples/|rule\.h)' "$root/README.md" | sort -u)
echo "1..$n"
