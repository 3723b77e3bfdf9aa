# lib.sh - what the fault tests share: one weir over one folder, bounded waits on conditions, TAP.
# In: BIN. Sourced by *_test.sh. Each script works in a folder of its own, $dir, and leaves no process behind.
set -uo pipefail
BIN=$(realpath "${BIN:-build/release}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-fault.XXXXXX")
n=0
pids=()

finish() {
	local p m
	for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
	wait 2>/dev/null
	for m in "$dir"/*; do mountpoint -q "$m" && umount "$m"; done
	rm -rf "$dir"
}
trap finish EXIT

ok() { # NAME, then the test
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		[ -e "$dir/err" ] && tail -n 6 "$dir/err" | cut -c1-300 | sed 's/^/# err: /'
		[ -e "$dir/out" ] && tail -n 3 "$dir/out" | cut -c1-200 | sed 's/^/# out: /'
		return 0
	fi
}
skip() { # NAME WHY
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}
plan() { echo "1..$n"; }

# within SECONDS COMMAND..: true as soon as the command is; false when the time is over
within() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.03
	done
}
has() { grep -q -- "$2" "$dir/$1"; }               # FILE PATTERN
times() { [ "$(grep -c -- "$3" "$dir/$2")" -eq "$1" ]; } # N FILE PATTERN
alive() { kill -0 "$1" 2>/dev/null; }
ended() { ! alive "$1"; }
lines() { [ "$(cat "$dir"/$2 | wc -l)" -ge "$1" ]; }  # at least N lines in FILE, a pattern

# config SOURCE [SINK]: a rule that tells each record with x once, and one that counts
config() {
	cat >"$dir/weir.yaml" <<-END
		sources:
		  app: $1
		rules: [rules.yaml]
		sinks:
		  sink: ${2:-{stdout: {format: json\}\}}
		state: $dir/state
		checkpoint: 200ms
	END
	cat >"$dir/rules.yaml" <<-'END'
		rules:
		- rule: each
		  when: x > 0
		  hold: 0
		  title: "x{x}"
		- rule: total
		  over: 1h
		  every: 1m
		  when: count(x > 0) > 0
		  title: "total {value}"
	END
}

# start [COMMAND..]: weir run, through COMMAND if given; its pid in $weir
start() {
	"$@" "$BIN/weir" run -c "$dir/weir.yaml" >>"$dir/out" 2>>"$dir/err" </dev/null &
	weir=$!
	pids+=("$weir")
}
up() { within 10 has err 'info run: weir '; }

# stop: SIGTERM; true if it then ends by itself within 5 s, with exit code 0
stop() {
	kill -TERM "$weir"
	within 5 ended "$weir" || return 1
	wait "$weir"
}
# code N: weir ends by itself with this exit code
code() {
	within 10 ended "$weir" || return 1
	local rc=0
	wait "$weir" || rc=$?
	[ "$rc" -eq "$1" ]
}

now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
later=$(date -u -d '30 minutes' +%Y-%m-%dT%H:%M:%SZ)
export now later
records() { # FROM TO: numbered records, all of one moment
	seq "$1" "$2" | sed "s/.*/{\"ts\":\"$now\",\"x\":&}/"
}
last() { echo "{\"ts\":\"$later\"}"; } # moves time past the boundary that counts them

each() { # FILE(pattern) FROM TO: each record told, and none twice
	cat "$dir"/$1 | sed -n 's/.*"rule":"each".*"title":"x\([0-9]*\)".*/\1/p' | sort -n | cmp -s - <(seq "$2" "$3")
}
told() { [ "$(cat "$dir"/$1 | grep -c '"rule":"each"')" -ge "$2" ]; } # FILE N: at least so many

unprivileged=(setpriv --reuid=65534 --regid=65534 --clear-groups)
# nobody: 0 if this can run weir as somebody whom permissions hold back; sets as=(command..)
nobody() {
	as=()
	[ "$(id -u)" -ne 0 ] && return 0
	chmod 755 "$dir"
	cp "$BIN/weir" "$dir/weir"
	"${unprivileged[@]}" "$dir/weir" --version >/dev/null 2>&1 || return 1
	as=("${unprivileged[@]}")
}
catcher() { # PORT: answers in $dir/got, its port in $dir/port
	rm -f "$dir/port"
	python3 "$here/catcher.py" "$dir" "$@" &
	catcher=$!
	pids+=("$catcher")
	within 10 test -s "$dir/port"
}
