#!/usr/bin/env bash
# input_test.sh - input that is missing, forbidden, damaged or rotated away: told clearly, and nothing of it lost.
# In: BIN. Out: TAP.
. "$(dirname "$0")/lib.sh"

config "{files: [\"$dir/later/*.log\"], start: end, idle: 10m}"
start
ok "a missing folder: weir says so and waits" within 10 has err 'nothing matches .*/later/\*\.log'
mkdir "$dir/later"
records 1 3 >"$dir/later/app.log"
last >>"$dir/later/app.log"
ok "once it is there it is read whole" within 10 told out 3
ok "it was said once" times 1 err 'nothing matches'
ok "SIGTERM: exit 0" stop
ok "each record told once" each out 1 3

rm -rf "$dir/state" "$dir/out" "$dir/err" "$dir/later"
mkdir "$dir/logs"
config "{files: [\"$dir/logs/*.log\"], start: beginning, idle: 1s}"
if nobody; then
	records 1 3 >"$dir/logs/open.log"
	records 4 6 >"$dir/logs/shut.log"
	last | tee -a "$dir/logs/open.log" >>"$dir/logs/shut.log"
	chmod 000 "$dir/logs/shut.log"
	mkdir "$dir/state"
	[ "${#as[@]}" -eq 0 ] || chown 65534 "$dir/state"
	before=$BIN
	[ "${#as[@]}" -eq 0 ] || BIN=$dir
	start "${as[@]}"
	BIN=$before
	ok "an unreadable file: which, and why" within 10 has err 'cannot open .*/logs/shut.log: Permission denied'
	ok "it holds up no other" within 10 told out 3
	chmod 644 "$dir/logs/shut.log"
	ok "it is read once it can be" within 15 told out 6
	ok "that was said once" times 1 err 'cannot open'
	ok "SIGTERM: exit 0, as nobody" stop
	ok "each record of both told once" each out 1 6
else
	skip "an unreadable file" "root reads everything, and nobody cannot run weir here"
fi

rm -rf "$dir/state" "$dir/out" "$dir/err" "$dir/logs"
mkdir "$dir/logs"
config "{files: [\"$dir/logs/*.log\"], start: beginning, idle: 10m}" # all of one moment: silence has no part in the count
seq 1 20000 | awk '{ printf "{\"ts\":\"%s\",\"x\":%d,\"pad\":\"%d\"}\n", ENVIRON["now"], $1, ($1 * 7919 * 7919) % 1000003 }' | gzip >"$dir/whole.gz"
head -c $(($(stat -c %s "$dir/whole.gz") / 2)) "$dir/whole.gz" >"$dir/logs/app.log.1.gz"
{ records 20001 20003; last; } >"$dir/logs/app.log"
truncated() {
	local rc=0
	"$BIN/weir" replay -c "$dir/weir.yaml" --json >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	[ "$rc" -eq 3 ]
}
first_ones() { # a run from 1 on, without a hole
	sed -n 's/.*"rule":"each".*"title":"x\([0-9]*\)".*/\1/p' "$dir/out" | sort -n | awk '$1 > 20000 { late++; next } $1 != NR { exit 1 } { k++ }
		END { exit !(k > 1000 && k < 20000 && late == 3) }'
}
ok "replay of a .gz cut in the middle: exit 3" truncated
ok "it names the file and the offset" grep -Eq 'app\.log\.1\.gz.*offset [0-9]+' "$dir/err"
ok "what could be read of it was used, and what follows it" first_ones

for how in rename copytruncate; do
	rm -rf "$dir/state" "$dir/out" "$dir/err" "$dir/logs"
	mkdir "$dir/logs"
	: >"$dir/logs/app.log"
	start
	up
	ok "$how: the writer is done" python3 "$here/rotate.py" "$how" "$dir/logs/app.log" 6000
	ok "$how, while weir reads: all is told" within 20 told out 6000
	ok "$how: the count is exact" within 10 has out '"title":"total 6000"'
	ok "$how: SIGTERM: exit 0" stop
	ok "$how: each record told once" each out 1 6000
done
plan
