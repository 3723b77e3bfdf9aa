#!/usr/bin/env bash
# rules1000.sh - 1,000 distinct rules on stdout: the two hundred of rules200.yaml, and a limit for each stage of each customer, and
# users who asked to be watched. Most ask for one value of a field first, as rules of that many do.
set -euo pipefail
cd "$(dirname "$0")"
stages=(upload analysis preparation merging compression storage_upload cleanup)

echo "# Made by bench/rules1000.sh; not edited by hand."
sed -n '/^rules:/,$p' rules200.yaml

# 420: each of 60 tenants has its own idea of slow, by stage
n=0
for t in $(seq 0 59); do
	for s in "${stages[@]}"; do
		n=$((n + 1))
		cat <<-END

		- rule: slow-$s-tenant-$(printf %03d "$t")
		  where: extra.tenant == "tenant-$(printf %03d "$t")" and extra.stage == "$s"
		  over: 10m
		  when: p95(extra.duration_seconds) > $((20 + n % 50)) and count() >= 20
		END
	done
done

# 380 users who asked to be watched
for i in $(seq 1 380); do
	u=$((5000 + i * 7))
	cat <<-END

	- rule: watched-user-$u
	  where: extra.user_id == "user_$u"
	  by: extra.stage
	  over: 15m
	  when: count(extra.event == "error") >= 50
	  context: [extra.session_id]
	END
done
