#!/usr/bin/env bash
# store_test.sh - the state folder held by another weir, read-only, full, or damaged.
# In: BIN. Out: TAP.
. "$(dirname "$0")/lib.sh"
refuses() { # [COMMAND..]: weir run ends with 3 by itself; what it says is in $dir/why
	local rc=0
	timeout 20 "$@" "$BIN/weir" run -c "$dir/weir.yaml" >"$dir/why" 2>&1 </dev/null || rc=$?
	[ "$rc" -eq 3 ]
}
sum() { sha256sum "$dir"/state/weir.db*; }
mkdir "$dir/logs"
config "{files: [\"$dir/logs/*.log\"], start: beginning, idle: 10m}"
{ records 1 200; last; } >"$dir/logs/app.log"

start
up
first=$weir
ok "the first weir tells" within 10 told out 200
ok "a second weir on the same state: exit 3" refuses
ok "it names the process that holds it" grep -Eq "(^|[^0-9])$first([^0-9]|$)" "$dir/why"
ok "the first one is not disturbed" alive "$first"
ok "SIGTERM: exit 0" stop
ok "each record told once" each out 1 200

# damaged: bytes in the middle of the file, which a page or a row no longer fits
size=$(stat -c %s "$dir/state/weir.db")
rm -f "$dir"/state/weir.db-wal "$dir"/state/weir.db-shm
python3 - "$dir/state/weir.db" "$size" <<-'END'
	import sys
	with open(sys.argv[1], "r+b") as f:
	    for at in range(4096, int(sys.argv[2]), 4096):
	        f.seek(at + 8)
	        f.write(b"\xa5" * 600)
END
before=$(sha256sum <"$dir/state/weir.db")
ok "a damaged state: exit 3" refuses
ok "it says what to do" grep -q -- '--reset-state' "$dir/why"
ok "the file is untouched" test "$before" = "$(sha256sum <"$dir/state/weir.db")"
rm -f "$dir/out" "$dir/err"
"$BIN/weir" run -c "$dir/weir.yaml" --reset-state >>"$dir/out" 2>>"$dir/err" </dev/null &
weir=$!
pids+=("$weir")
ok "--reset-state sets it aside and says what is lost" within 10 has err 'set aside as .*lost are'
ok "the old file is kept as it was" test "$before" = "$(cat "$dir"/state/weir.db.bad.*Z | sha256sum)"
ok "and weir reads anew" within 10 told out 200
ok "SIGTERM: exit 0 after the reset" stop

rm -rf "$dir/state"
mkdir "$dir/state"
chmod 755 "$dir/logs"
if nobody; then
	chmod 555 "$dir/state"
	saved=$BIN
	[ "${#as[@]}" -eq 0 ] || BIN=$dir
	ok "a read-only state folder: exit 3" refuses "${as[@]}"
	ok "it names the folder and the reason" grep -q "$dir/state.*Permission denied" "$dir/why"
	BIN=$saved
	chmod 755 "$dir/state"
else
	skip "a read-only state folder" "root writes everywhere, and nobody cannot run weir here"
fi

space() { # SIZE: the state folder becomes a file system of this size
	rm -rf "$dir/state"
	mkdir "$dir/state"
	mount -t tmpfs -o "size=$1,mode=700" weir-test "$dir/state" 2>/dev/null
}
if space 1m; then
	ok "no space for the state at the start: exit 3" refuses
	ok "it says so" grep -qi 'no space' "$dir/why"
	umount "$dir/state"

	space 24m
	rm -f "$dir/out" "$dir/err" "$dir/logs/app.log"
	: >"$dir/logs/app.log"
	start
	up
	within 10 test -s "$dir/state/weir.sock" -o -S "$dir/state/weir.sock"
	# whatever becomes free is taken at once, the reserve too
	(while [ ! -e "$dir/enough" ]; do
		cat /dev/zero >>"$dir/state/filler" 2>/dev/null
		sleep 0.02
	done) &
	filler=$!
	pids+=("$filler")
	full() { [ "$(stat -f -c %a "$dir/state")" -eq 0 ]; }
	within 10 full
	records 1 4000 >>"$dir/logs/app.log"
	last >>"$dir/logs/app.log"
	ok "full while running: it is told" within 20 has err 'no space is left'
	ok "and weir goes on running" alive "$weir"
	ok "status still answers" grep -q . <(timeout 5 "$BIN/weir" status --state "$dir/state")
	touch "$dir/enough"
	wait "$filler"
	rm "$dir/state/filler"
	ok "there is space again: processing goes on by itself" within 30 told out 4000
	ok "weir.state-full was told" within 10 has out '"event":"firing","rule":"weir.state-full"'
	ok "SIGTERM: exit 0 after that" stop
	ok "each record told once, with a full disk in between" each out 1 4000
	umount "$dir/state"
else
	skip "a full disk" "no file system may be mounted here"
fi
plan
