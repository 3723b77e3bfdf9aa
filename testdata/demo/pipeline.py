#!/usr/bin/env python3
"""pipeline.py - a media pipeline that writes its log in real time, for the demo.

In: the log's path, seconds to run. Out: JSON lines in that file, rotated every 11 seconds (.1 and .2 are kept).
What goes wrong is placed: from second 4 to 13 most of northwind's operations fail, from 8 to 17 compression is slow, from
second 6 to 28 one session hangs in storage_upload, at second 15 a worker runs out of memory. The rest is in order.
"""
import datetime
import json
import os
import random
import sys
import time

ROTATE = 11
STAGES = ["upload", "analysis", "preparation", "merging", "compression", "storage_upload", "cleanup"]
TENANTS = ["acme", "northwind", "umbra"]
USUAL = {"upload": 0.9, "analysis": 0.4, "preparation": 2.1, "merging": 3.8, "compression": 3.0, "storage_upload": 1.2,
         "cleanup": 0.1}


class Log:
    def __init__(self, path):
        self.path, self.file = path, open(path, "a", encoding="utf-8")

    def rotate(self):
        """Rename and create, as logrotate does without copytruncate."""
        self.file.close()
        if os.path.exists(self.path + ".1"):
            os.replace(self.path + ".1", self.path + ".2")
        os.replace(self.path, self.path + ".1")
        self.file = open(self.path, "a", encoding="utf-8")

    def line(self, level, stage, message, **extra):
        now = datetime.datetime.now(datetime.timezone.utc)
        record = {"timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (now.microsecond // 1000), "level": level,
                  "logger": "services." + stage, "message": message, "module": stage, "function": "run_" + stage,
                  "line": 245, "process_id": os.getpid(), "thread_id": 67890, "extra": dict(stage=stage, **extra)}
        self.file.write(json.dumps(record, separators=(",", ":")) + "\n")
        self.file.flush()


def step(log, rnd, t, session):
    """One stage of one session: a line when it starts, a line when it ends."""
    stage, tenant = STAGES[session["stage"]], session["tenant"]
    extra = {"session_id": session["id"], "user_id": session["user"], "tenant": tenant, "worker": session["worker"]}
    if not session["started"]:
        session["started"] = True
        log.line("INFO", stage, stage + " started", event="start", **extra)
        return
    seconds = USUAL[stage] * rnd.uniform(0.7, 1.4)
    if stage == "compression" and 8 <= t < 17:
        seconds *= 4
    session["started"] = False
    failing = tenant == "northwind" and 4 <= t < 13 and rnd.random() < 0.7
    if failing:
        log.line("ERROR", stage, 'ffmpeg said: "moov atom not found"\nConversion failed!', event="abort",
                 error_code="FFMPEG_FAILED", duration_seconds=round(seconds, 3), **extra)
        return
    log.line("INFO", stage, stage + " completed successfully", event="complete", duration_seconds=round(seconds, 3),
             file_size_bytes=rnd.randrange(10 ** 6, 6 * 10 ** 7), video_count=3, **extra)
    session["stage"] = (session["stage"] + 1) % len(STAGES)


def main():
    path, run_for = sys.argv[1], float(sys.argv[2])
    rnd, log, begun = random.Random(7), Log(path), time.monotonic()
    sessions = [{"id": "video_session_%03d" % i, "user": "user_%d" % (400 + i), "tenant": TENANTS[i % 3], "stage": i % 7,
                 "worker": "worker-%d" % (i % 4), "started": False} for i in range(12)]
    hung = {"session_id": "video_session_999", "user_id": "user_456", "tenant": "acme", "worker": "worker-2"}
    placed = [(6, lambda: log.line("INFO", "storage_upload", "storage_upload started", event="start", **hung)),
              (15, lambda: log.line("CRITICAL", "compression", "Killed: out of memory", event="error",
                                    error_code="OUT_OF_MEMORY", memory_usage_mb=4095.5, session_id="video_session_003",
                                    user_id="user_403", tenant="acme", worker="worker-3")),
              (28, lambda: log.line("INFO", "storage_upload", "storage_upload completed successfully", event="complete",
                                    duration_seconds=1.3, attempt=2, **hung))]
    rotate_at, turn = ROTATE, 0
    while (t := time.monotonic() - begun) < run_for:
        if placed and t >= placed[0][0]:
            placed.pop(0)[1]()
        if t >= rotate_at:
            log.rotate()
            rotate_at += ROTATE
        step(log, rnd, t, sessions[turn % len(sessions)])
        turn += 1
        time.sleep(0.04)


main()
