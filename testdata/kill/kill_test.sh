#!/usr/bin/env bash
# kill_test.sh - weir killed 25 times while it reads rotating logs and delivers: lost 0, spurious 0, told twice only what was
# in flight. In: BIN. Out: TAP. A soak: BIN=build/release testdata/kill/kill_test.sh --kills 500 --seed 7
set -euo pipefail
if ! command -v python3 >/dev/null; then
	echo "1..0 # SKIP no python3"
	exit 0
fi
BIN=$(realpath "${BIN:-build/release}")
export BIN
exec python3 "$(dirname "$0")/kill.py" "$@"
