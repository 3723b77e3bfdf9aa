#!/usr/bin/env python3
"""generate.py - the sample logs of the rule packs: NAME.log as the system writes it, NAME.own.log as weir's own sources would.

Each is a day on which things go wrong; what, the comments say. Nothing is random: the same logs each time. Run it here, and
then GOLDEN=write packs_test.sh, only if the stories change.
"""
import json
from datetime import datetime, timedelta, timezone

DAY = datetime(2026, 1, 12, 8, 0, 0, tzinfo=timezone.utc)


class Log:
    def __init__(self, name, time="timestamp"):
        self.name, self.time, self.lines = name, time, []

    def put(self, at, **fields):
        """At `at` seconds into the day."""
        stamp = (DAY + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        self.lines.append((at, len(self.lines), json.dumps({self.time: stamp, **fields})))

    def write(self):
        with open(self.name, "w") as out:
            for _, _, line in sorted(self.lines):
                out.write(line + "\n")


M, H = 60, 3600


def job_rejections():
    log = Log("job-rejections.log", "created_at")
    n = 0

    def rejected(at, kind, video, frames, cost, message):
        nonlocal n
        n += 1
        log.put(at, rejection_id=f"rej-{n:04}", rejection_type=kind, video_id=video, frame_count=frames, estimated_cost_usd=cost,
                rejection_message=message, acknowledged=False)
        return f"rej-{n:04}"

    for i in range(60):  # the ordinary day
        log.put(i * 10 * M, message="job accepted", video_id=f"vid-{i:03}", frame_count=4000 + 37 * i)
    open_ = rejected(20 * M, "frame_count_exceeded", "vid-lecture", 182400, 9.81, "182400 frames, at most 100000")
    done = [rejected(65 * M, "cost_exceeded", "vid-8k", 61000, 31.4, "31.40 USD, at most 25.00")]
    for i in range(5):  # a client without a pause
        done.append(rejected(90 * M + i * 7 * M, "rate_limited", "vid-loop", 5200, 0.4, f"{i + 4} submissions within a minute"))
    for i in range(12):  # a bad deploy
        done.append(rejected(3 * H + i * 3 * M, "validation_failed", f"vid-new-{i:02}", 0, 0, "metadata names no frame rate"))
    done.append(rejected(4 * H, "queue_full", "vid-noon", 7000, 0.6, "200 of 200 places taken"))
    done.append(rejected(5 * H, "region_unavailable", "vid-west", 7100, 0.6, "no GPU in us-west"))
    for i, rejection in enumerate(done):
        log.put(8 * H + i * 20, rejection_id=rejection, acknowledged=True, acknowledged_by="ops-2")
    log.put(25 * H, rejection_id=open_, acknowledged=True, acknowledged_by="ops-1")
    log.write()


def flow_operations():
    log, own = Log("flow-operations.log"), Log("flow-operations.own.log", "time")
    for i in range(240):
        if not 100 <= i < 112:  # w2's machine is lost for twelve minutes
            log.put(i * M + 3, message="heartbeat", worker="worker-2")
        log.put(i * M, message="heartbeat", worker="worker-1")
    for i in range(48):
        log.put(i * 5 * M + 10, message="work pool", work_pool="captions", pending_runs=3 + (14 if 20 <= i < 24 else i % 4))

    def run(at, name, ends, state="COMPLETED", message="done"):
        for when, what in ((0, "PENDING"), (4, "RUNNING"), (ends, state)):
            if when is not None:
                log.put(at + when, message=message if what == state else f"state {what}", run_id=name, flow="initial-processing",
                        state=what, video_id="video" + name[3:])

    for i in range(30):
        run(i * 8 * M, f"run-{i:02}", 200)
    for i in range(4):  # storage is away
        run(70 * M + i * 9 * M, f"run-f{i}", 40, "FAILED", "upload failed: connection reset")
    run(101 * M, "run-c0", 30, "CRASHED", "worker went away")
    log.put(102 * M, event="lock_acquired", lock_type="server", video_id="video-c0", database_name="layout", run_id="run-c0")
    log.put(102 * M, video_id="video-c0", caption_status="processing", run_id="run-c0")
    log.put(50 * M, event="lock_acquired", lock_type="server", video_id="video-06", database_name="layout", run_id="run-06")
    log.put(53 * M, event="lock_released", video_id="video-06", database_name="layout")
    log.put(225 * M, event="lock_released", video_id="video-c0", database_name="layout")
    log.put(226 * M, video_id="video-c0", caption_status="error")
    log.put(104 * M, message="state PENDING", run_id="run-p0", flow="crop", state="PENDING", video_id="video-p0")
    log.put(125 * M, message="state RUNNING", run_id="run-p0", flow="crop", state="RUNNING", video_id="video-p0")
    log.put(128 * M, message="done", run_id="run-p0", flow="crop", state="COMPLETED", video_id="video-p0")
    for i in range(4):
        log.put(100 * M + i * 3 * M + 20, event="machine_restart", machine="d8901", region="iad", reason="out of memory")
    for i in range(3):
        log.put(150 * M + i * 10 * M, function="extract_frames", event="function_timeout", video_id=f"video-t{i}",
                message="modal.exception.FunctionTimeoutError: 300 s are over")
    for i in range(48):
        own.put(i * 5 * M, disk="/data", disk_percent=round(70 + i * 0.55, 1), free_bytes=10 ** 9 - i * 5 * 10 ** 6)
        own.put(i * 5 * M, disk="/", disk_percent=31.5, free_bytes=9 * 10 ** 9)
    log.put(232 * M, level="ERROR", message="(sqlite3.OperationalError) database or disk is full")
    log.put(233 * M, level="ERROR", message="(sqlite3.DatabaseError) database disk image is malformed")
    log.write()
    own.write()


def media_pipeline():
    log, own = Log("media-pipeline.log"), Log("media-pipeline.own.log", "time")
    stages = ["upload", "analysis", "preparation", "merging", "compression", "storage_upload", "cleanup"]

    def line(at, level, message, **extra):
        log.put(at, level=level, logger="services.video_merge_service", message=message, process_id=4711, extra=extra)

    def operation(at, session, stage, took, code=None):
        user = "user-" + session[-2:]
        line(at, "INFO", "operation started", event="start", stage=stage, session_id=session, user_id=user)
        if code is None:
            line(at + took, "INFO", "operation completed", event="complete", stage=stage, session_id=session, user_id=user,
                 duration_seconds=took, file_size_bytes=15728640, video_count=3)
        else:
            line(at + took, "ERROR", f"{stage} failed", event="fail", stage=stage, session_id=session, user_id=user,
                 duration_seconds=took, error_code=code, memory_usage_mb=512.3)

    for i in range(24):
        for k, stage in enumerate(stages):
            slow = stage == "cleanup" and i >= 12                         # the disk of the temporary directory is worn out
            operation(i * 5 * M + k * 20, f"s-{i:02}", stage, 330.0 if slow else 10.5 + k)
    operation(40 * M, "s-80", "merging", 45.2, "FFMPEG_FAILED")
    operation(42 * M, "s-81", "compression", 340.0)                       # slow
    line(47 * M, "INFO", "operation started", event="start", stage="merging", session_id="s-82", user_id="user-82")  # hangs
    for i in range(14):                                                   # the bucket's credentials run out
        operation(70 * M + i * 40, f"s-9{i:02}", "storage_upload", 12.0, "STORAGE_UPLOAD_FAILED")
    line(71 * M, "ERROR", "bucket answers 403", component="cloud_storage", status="critical")
    line(60 * M, "WARNING", "cpu above 80", component="system_resources", status="warning")
    line(90 * M, "ERROR", "worker process ended", stage="cleanup", session_id="s-83")
    for i in range(120):
        busy = 55 <= i < 75
        cpu = 35 if not busy else 86 if i < 65 else 97
        own.put(i * M, cpu_percent=cpu, memory_percent=60 if not busy else 83, swap_percent=0.4, load1=round(cpu / 25, 2))
        disk = 62 + i * 0.3
        own.put(i * M, disk="/srv", disk_percent=round(disk, 1), free_bytes=int(10 ** 9 * (100 - disk)))
        own.put(i * M, command="ffmpeg -version", ok=not 95 <= i < 98, version="6.1.1", duration_ms=61)
        own.put(i * M, probe="storage", url="https://bucket.example/", ok=not 70 <= i < 80, status=403 if 70 <= i < 80 else 200,
                duration_ms=80, error="status 403" if 70 <= i < 80 else None)
        if i % 5 == 0:
            own.put(i * M, dir="/srv/app/temp", bytes=4 * 10 ** 9 + i * 2 * 10 ** 8, files=40 + i,
                    oldest_seconds=80000 + i * M, writable=not 100 <= i < 105)
            own.put(i * M, dir="/srv/app/temp/logs", bytes=15 * 10 ** 8 + i * 5 * 10 ** 6, files=24, oldest_seconds=900000,
                    writable=not 100 <= i < 105)
    log.write()
    own.write()


def dubbing_platform():
    log, own = Log("dubbing-platform.log"), Log("dubbing-platform.own.log", "time")

    def request(at, endpoint, status=200, ms=120, user="user-1", level="info", message="request"):
        log.put(at, level=level, message=message, correlationId=f"req-{int(at * 10):06}", userId=user, endpoint=endpoint,
                method="POST" if endpoint == "/jobs" else "GET", status=status, durationMs=ms)

    def job(at, stage, took=12.5, error=None):
        fields = {"stage": stage, "jobId": f"job-{int(at):05}", "correlationId": f"req-{int(at):06}"}
        if error is None:
            log.put(at, level="info", message="job completed", event="job_completed", duration=took, **fields)
        else:
            log.put(at, level="error", message=f"job failed: {error}", event="job_failed", errorType=error, **fields)

    for i in range(180):
        request(i * M, "/projects" if i % 3 else "/jobs", user=f"user-{i % 11}")
    for i in range(180):
        job(i * M + 7, "stt", 12.5 if i < 120 else 31.0)                  # after two hours each takes far longer
        if i % 2:
            job(i * M + 9, "tts", 8.0)
    for i in range(40):
        log.put(i * 4 * M + 11, level="info", message="inference", event="inference_completed", model="whisper-large-v3",
                duration=3.1 if i < 30 else 13.4)
    job(20 * M, "tts", error="TimeoutError")                              # in the hour of learning
    for i in range(2):
        job(62 * M + i * 60, "tts", error="TimeoutError")
    for i in range(12):                                                   # Redis goes away for a while
        log.put(80 * M + i * 3, level="error", message="Redis connection to cache:6379 failed - connect ECONNREFUSED 10.0.0.9:6379",
                errorType="RedisConnectionError", correlationId=f"req-r{i:02}")
    for i in range(20):
        request(81 * M + i * 2, "/jobs", 503 if i % 4 == 0 else 200, 2600, level="error" if i % 4 == 0 else "info",
                message="queue unavailable" if i % 4 == 0 else "request")
    log.put(82 * M, level="error", message="Missing lock for job 4920", stage="stt", jobId="4920", errorType="QueueError")
    log.put(95 * M, level="error", message="Can't reach database server at db:5432", errorType="DatabaseError")
    log.put(96 * M, level="error", message="upload to bucket dub-media timed out", errorType="StorageError", stage="mix")
    log.put(97 * M, level="warn", message="slow query", queryMs=4210, query="select * from segments where project_id = $1")
    log.put(110 * M, level="error", message="CUDA out of memory. Tried to allocate 2.00 GiB", event="inference_failed",
            model="xtts-v2", stage="tts", errorType="OutOfMemoryError", correlationId="req-gpu")
    for i in range(25):
        log.put(112 * M + i, level="error" if i % 9 == 0 else "info", message="segment", model="lipsync-2", errorType=None)
    for i in range(30):
        log.put(113 * M + i, level="error" if i % 9 == 0 else "info", message="track", stage="mix")
    for i in range(420):                                                  # somebody's script
        request(150 * M + i * 1.2, "/videos", user="user-3")
    for i in range(18):
        log.put(i * 5 * M, level="info", message="subscription", event="subscription_renewed", userId=f"user-r{i}")
    for i in range(4):
        log.put(100 * M + i * M, level="info", message="subscription", event="subscription_cancelled", userId=f"user-c{i}")
    for i in range(180):
        if i % 2 == 0:
            own.put(i * M, metric="queue_depth", labels={"stage": "stt"}, value=140 if 120 <= i < 150 else 12 + i % 7)
        own.put(i * M, gpu=0, gpu_percent=96 if 100 <= i < 120 else 55, gpu_memory_percent=88)
        if i % 5 == 0:
            own.put(i * M, disk="/data", disk_percent=round(74 + i * 0.05, 1), free_bytes=10 ** 11)
        down = 85 <= i < 88
        own.put(i * M + 15, probe="api", url="https://api.example/health", ok=not down, status=None if down else 200, duration_ms=40,
                error="connection refused" if down else None)
    log.write()
    own.write()


def redis_streams():
    log, own = Log("redis-streams.log"), Log("redis-streams.own.log", "time")
    done, failed, timeout, merges, length = 1000, 4, 9, 1, 5000
    for i in range(140):                                                  # every minute
        at = i * M
        stalled = 50 <= i < 70                                            # twenty minutes without a success
        done += 0 if stalled else 4
        failed += 8 if 30 <= i < 45 else 0
        timeout += 1 if i == 31 else 0
        merges += 1 if i in (10, 15) else 0
        length += 0 if stalled else 6
        for outcome, value in (("success", done), ("error", failed), ("timeout", timeout)):
            own.put(at, metric="cluster_jobs_total", labels={"outcome": outcome}, value=value)
        own.put(at, metric="cluster_feedback_operations_total", labels={"operation": "merge", "outcome": "error"}, value=merges)
        own.put(at, metric="media_cluster_pending_jobs", labels={}, value=300 if 55 <= i < 72 else 120 if 52 <= i < 75 else 20)
        own.put(at, metric="media_cluster_stream_lag_seconds", labels={}, value=40 if 55 <= i < 72 else 2)
        for worker in ("worker-a", "worker-b"):
            own.put(at, scrape=worker, ok=not (worker == "worker-b" and 50 <= i < 65), duration_ms=9)
        own.put(at + 1, stream="streams:embedding.ingested", length=length)
        own.put(at + 1, stream="streams:embedding.ingested", group="cluster-workers", pending=12000 if 60 <= i < 70 else 14,
                lag=1500 if 60 <= i < 70 else 3, oldest_pending_seconds=45 if 60 <= i < 70 else 12 if i == 25 else 1)
        log.put(at + 5, message="upload", event="upload", user_id=f"u{i % 17}")
        if not stalled:
            slow = 80 <= i < 100
            log.put(at + 9, message="job done", logger="cluster.queue", pet_id=i % 23, backend="hdbscan_cpu" if slow else "faiss",
                    duration_seconds=(6.5 if i < 90 else 9.5) if slow else 0.8)
    for run, noise in enumerate([8, 33, 12, 41, 44, 52, 6]):
        log.put(run * 15 * M + 40, message="run finished", run_id=f"run-{run}", pet_id=run, cluster_last_noise_count=noise)
    for hour in (0, 1):
        log.put(hour * H + 2, message="ok" if hour == 0 else "2 of 14 checks failed: backlog, worker-b", event="health_check", ok=hour == 0)
    log.write()
    own.write()


for story in (job_rejections, flow_operations, media_pipeline, dubbing_platform, redis_streams):
    story()
