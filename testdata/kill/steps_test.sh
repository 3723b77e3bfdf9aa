#!/usr/bin/env bash
# steps_test.sh - the same where silence and late joiners move time: what was told over 15 kills is what the stored steps
# give in a replay. In: BIN. Out: TAP.
set -euo pipefail
exec "$(dirname "$0")/kill_test.sh" --steps --kills 15 "$@"
