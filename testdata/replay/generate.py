#!/usr/bin/env python3
"""Writes logs/ anew: a media pipeline's log with its rotations, a cri log of its workers, a docker log of its gateway.

The golden files belong to exactly these bytes: run it only to change the story, and then look at every line that changes.
"""
import gzip
import json
import os
import random
import subprocess

START = 1732528800  # 2024-11-25T10:00:00Z: long past, or the clock would call it skewed
STAGES = ["scan", "merging", "transcode", "upload"]
os.chdir(os.path.dirname(os.path.abspath(__file__)))
r = random.Random(20261125)


def stamp(t, digits=3, zone="Z"):
    import time
    whole, part = divmod(round(t * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + (".%03d" % part + "0" * (digits - 3)) + zone


def media():
    out = []
    t = START
    open_sessions = []
    n = 0
    for i in range(900):
        t += r.choice([0.2, 0.7, 1.1, 2.4])
        bad = START + 420 < t < START + 620
        slow = START + 500 < t < START + 1000
        tenant = r.choice(["acme", "acme", "globex", "initech"])
        stage = r.choice(STAGES)
        extra = {"stage": stage, "duration_seconds": round(r.uniform(0.4, 3.0) * (5 if slow and stage == "transcode" else 1), 3)}
        fails = bad and tenant == "acme" and r.random() < .6
        line = {"timestamp": stamp(t), "level": "ERROR" if fails else "INFO", "logger": "media." + stage, "message":
            "operation failed" if fails else "operation done", "tenant": tenant, "extra": extra}
        if fails:
            extra["error_code"] = r.choice(["E_IO", "E_TIMEOUT"])
        out.append(json.dumps(line))
        if i % 9 == 0:
            n += 1
            sid = "s%03d" % n
            open_sessions.append((t + r.uniform(5, 200), sid))
            out.append(json.dumps({"timestamp": stamp(t), "level": "INFO", "message": "session", "extra": {"event": "start",
                "session_id": sid, "stage": stage, "user_id": n % 7}}))
        for s in [s for s in open_sessions if s[0] <= t]:
            open_sessions.remove(s)
            out.append(json.dumps({"timestamp": stamp(t), "level": "INFO", "message": "session", "extra": {"event":
                r.choice(["complete", "complete", "abort"]), "session_id": s[1]}}))
        if i in (300, 301, 640):
            out.append(json.dumps({"timestamp": stamp(t), "level": "CRITICAL", "message": "worker out of memory: killed \u2014 retrying",
                "worker": "w%d" % (i % 3), "authorization": "Bearer abcdef0123456789", "extra": {"stage": stage,
                "url": "https://user:hunter2@store.example/x"}}, ensure_ascii=i % 2 == 0))
        if i % 97 == 50:  # late, of another zone, of the old format, without a time
            out.append(json.dumps({"timestamp": stamp(t - 30), "level": "WARN", "message": "flushed late", "tenant": tenant}))
            out.append(json.dumps({"timestamp": stamp(t + 3600, zone="+01:00"), "level": "INFO", "message": "cron", "tenant": tenant}))
            out.append(json.dumps({"level": "INFO", "message": "no time", "tenant": tenant}))
        if i in (200, 500):
            out.append('{"timestamp": "%s", "level": "ERROR", "message": "cut of' % stamp(t))
    return out


def runs():
    """cri: the workers' runs, each with its states; long lines come in parts."""
    out = []
    t = START + 0.5
    state = {}
    for i in range(420):
        t += r.choice([0.9, 2.1, 3.3])
        run = "run-%d" % r.randrange(12)
        was = state.get(run, "DONE")
        now = {"DONE": "QUEUED", "FAILED": "QUEUED", "CRASHED": "QUEUED", "QUEUED": "RUNNING"}.get(was) or \
            r.choice(["RUNNING", "DONE", "DONE", "FAILED", "CRASHED"])
        state[run] = now
        text = json.dumps({"run_id": run, "state": now, "worker": "w%d" % (i % 3), "n": i})
        head = stamp(t, 9)
        if i % 40 == 7:
            out.append("%s stdout P %s" % (head, text[:20]))
            out.append("%s stderr F {\"message\":\"noise between the parts\"}" % head)
            out.append("%s stdout F %s" % (head, text[20:]))
        else:
            out.append("%s stdout F %s" % (head, text))
    return out


def gateway():
    out = []
    t = START + 1.25
    for i in range(500):
        t += r.choice([0.5, 1.5, 3.0])
        bad = START + 700 < t < START + 760
        quiet = START + 300 < t < START + 420
        if quiet:
            continue
        text = json.dumps({"path": r.choice(["/health", "/v1/jobs", "/v1/upload"]), "status": 503 if bad and r.random() < .8 else 200,
            "ms": r.randrange(2, 400)}) + "\n"
        out.append(json.dumps({"log": text, "stream": "stdout", "time": stamp(t, 9)}))
    return out


def write(name, lines):
    with open("logs/" + name, "w", encoding="utf-8") as f:
        f.write("".join(x + "\n" for x in lines))


lines = media()
cut = [0, 300, 620, 880, len(lines)]
parts = [lines[a:b] for a, b in zip(cut, cut[1:])]
with open("logs/media.log.3.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as f:
    f.write("".join(x + "\n" for x in parts[0]).encode())
write("media.log.2", parts[1])
subprocess.run(["zstd", "-q", "-19", "-f", "--rm", "logs/media.log.2"], check=True)
write("media.log.1", parts[2])
write("media.log", parts[3])
write("runs.log", runs())
write("gateway.log", gateway())
