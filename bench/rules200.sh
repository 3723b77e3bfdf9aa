#!/usr/bin/env bash
# rules200.sh - 200 distinct rules on stdout: what a platform team has when every tenant, stage, code and worker has its
# own limit. The ten of rules10.yaml come first; most others ask for one value of a field first.
set -euo pipefail
cd "$(dirname "$0")"
stages=(upload analysis preparation merging compression storage_upload cleanup)
regions=(eu-west-1 eu-central-1 us-east-1 us-west-2 ap-south-1)
codes=(FFMPEG_FAILED STORAGE_UPLOAD_FAILED VALIDATION_FAILED TIMEOUT_ERROR OUT_OF_MEMORY DISK_FULL CODEC_UNSUPPORTED
	NETWORK_RESET PERMISSION_DENIED CHECKSUM_MISMATCH QUOTA_EXCEEDED WORKER_LOST)
modules=(upload_service video_analysis_service video_prepare_service video_merge_service compression_service
	cloud_storage_service cleanup_service)

echo "# Made by bench/rules200.sh; not edited by hand."
sed -n '/^rules:/,$p' rules10.yaml

# 60 tenants with an error budget of their own
for i in $(seq 0 59); do
	cat <<-END

	- rule: budget-tenant-$(printf %03d "$i")
	  where: extra.tenant == "tenant-$(printf %03d "$i")"
	  over: $((5 + i % 3 * 5))m
	  when: count(level == "ERROR") / count() > $((8 + i % 7))% and count() >= $((100 + i))
	  severity: error
	END
done

# 35: each stage in each region has its own idea of slow
n=0
for s in "${stages[@]}"; do
	for r in "${regions[@]}"; do
		n=$((n + 1))
		cat <<-END

		- rule: slow-$s-$r
		  where: extra.stage == "$s" and extra.region == "$r"
		  over: 10m
		  when: p95(extra.duration_seconds) > $((20 + n)) and count() >= 20
		END
	done
done

# 48: each error code, by what it may be blamed on
for c in "${codes[@]}"; do
	for by in worker tenant region stage; do
		cat <<-END

		- rule: $(tr 'A-Z_' 'a-z-' <<<"$c")-by-$by
		  where: level == "ERROR" and extra.error_code == "$c"
		  by: extra.$by
		  over: 10m
		  when: count() >= 5000
		END
	done
done

# 16 workers on probation: memory
for w in $(seq 0 15); do
	cat <<-END

	- rule: memory-worker-$(printf %02d "$w")
	  where: extra.worker == "worker-$(printf %02d "$w")"
	  over: 5m
	  when: avg(extra.memory_usage_mb) > $((900 + w)) and max(extra.memory_usage_mb) > $((980 + w))
	END
done

# 14: messages of each module that mean trouble, as regular expressions
for m in "${modules[@]}"; do
	cat <<-END

	- rule: killed-in-$m
	  where: module == "$m" and message =~ "exit code (137|139|143)\\\\b"
	  over: 5m
	  when: count() >= 2000

	- rule: traceback-in-$m
	  where: module == "$m" and message =~ "^Traceback .*RuntimeError"
	  over: 5m
	  when: count() >= 20000
	END
done

# 7: sessions that do not get through a stage
for s in "${stages[@]}"; do
	cat <<-END

	- rule: stuck-in-$s
	  where: extra.stage == "$s"
	  by: extra.session_id
	  open: extra.event == "start"
	  close: extra.event == "complete"
	  within: 45m
	  severity: error
	END
done

# 10 users who asked to be watched
for u in 17 101 404 512 777 1024 2048 3001 5000 7000; do
	cat <<-END

	- rule: user-$u
	  where: extra.user_id == "user_$u"
	  by: extra.stage
	  over: 15m
	  when: count(extra.event == "error") >= 50
	  context: [extra.session_id]
	END
done
