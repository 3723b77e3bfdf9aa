#!/usr/bin/env python3
"""catcher.py - stands in for Slack, PagerDuty, Sentry and Loki in the demo, and shows what weir sends them.

In: a folder. Out: FOLDER/port once it listens (on 127.0.0.1, any free port); on stdout the first request to each service
as it is on the wire, later ones in a line or two (DEMO_FULL=1: all as they are); counts in FOLDER/seen at each change. It answers as the services do. FOLDER/console, a named pipe, is weir's standard output and is
shown between the requests, a line at a time, by the same lock.
"""
import gzip
import http.server
import json
import os
import re
import sys
import threading
import time

BODY_MAX = 1 << 20
LINES_MAX = 28
lock = threading.Lock()
folder = sys.argv[1]
tty = sys.stdout.isatty()
seen = {}
shown = set()  # services whose first request was shown whole


def paint(code, text):
    return "\x1b[%sm%s\x1b[0m" % (code, text) if tty else text


def say(head, lines, colour):
    with lock:
        print(paint(colour, time.strftime("%H:%M:%S ") + head))
        for line in lines:
            print("         " + line)
        sys.stdout.flush()


def count(name):
    with lock:
        seen[name] = seen.get(name, 0) + 1
        with open(os.path.join(folder, "seen.new"), "w") as f:
            f.writelines("%s %d\n" % item for item in sorted(seen.items()))
        os.replace(os.path.join(folder, "seen.new"), os.path.join(folder, "seen"))


def pretty(text):
    """JSON in lines, short values of an object or list kept on one line; anything else as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.splitlines()

    def walk(v, indent, lead):
        one = json.dumps(v, ensure_ascii=False)
        if len(one) + len(indent) + len(lead) <= 100 or not isinstance(v, (dict, list)) or not v:
            return [indent + lead + (one if len(one) <= 150 else one[:149] + "…")]
        is_map = isinstance(v, dict)
        out = [indent + lead + ("{" if is_map else "[")]
        for i, (k, x) in enumerate(v.items() if is_map else enumerate(v)):
            out += walk(x, indent + "  ", json.dumps(k) + ": " if is_map else "")
            if i < len(v) - 1:
                out[-1] += ","
        return out + [indent + ("}" if is_map else "]")]

    return walk(value, "", "")


def answer_slack(path, body):
    if path.startswith("/services/"):
        return 200, "text/html", "ok"
    return 200, "application/json", json.dumps({"ok": True, "channel": "C0DEMO", "ts": "%.6f" % time.time()})


def answer_pagerduty(_path, body):
    event = json.loads(body)
    count("PagerDuty-" + event["event_action"])
    return 202, "application/json", json.dumps({"status": "success", "message": "Event processed",
                                                "dedup_key": event.get("dedup_key", "")})


def answer_sentry(_path, body):
    return 200, "application/json", json.dumps({"id": json.loads(body.split("\n", 1)[0]).get("event_id")})


def answer_loki(_path, _body):
    return 204, None, ""


def short_slack(body):
    return [json.loads(body)["text"]]


def short_pagerduty(body):
    event = json.loads(body)
    told = event.get("payload") or {}
    return ["%s%s" % (event["event_action"], ": %s, %s" % (told["severity"], told["summary"]) if told else ""),
            "dedup_key %s" % event["dedup_key"]]


def short_sentry(body):
    event = json.loads(body.split("\n")[2])
    return ["%s: %s" % (event["level"], event["logentry"]["formatted"].split("\n")[0]),
            "fingerprint %s" % json.dumps(event["fingerprint"], ensure_ascii=False)]


def short_loki(body):
    lines = []
    for stream in json.loads(body)["streams"]:
        labels = ", ".join("%s=%s" % (k, v) for k, v in sorted(stream["stream"].items()) if k != "app")
        for value in stream["values"]:
            told = json.loads(value[1])
            lines.append("{%s} %s: %s" % (labels, told["event"], told["title"]))
    return lines


SHORT = {"Slack": short_slack, "PagerDuty": short_pagerduty, "Sentry": short_sentry, "Loki": short_loki}
full = bool(os.environ.get("DEMO_FULL"))
SERVICES = [("/services/", "Slack", answer_slack, "35"), ("/api/chat.", "Slack", answer_slack, "35"),
            ("/v2/enqueue", "PagerDuty", answer_pagerduty, "32"), ("/api/", "Sentry", answer_sentry, "34"),
            ("/loki/api/v1/push", "Loki", answer_loki, "33")]
TOLD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +(\S+) +([^ {:]+)")  # 2026-11-25 12:00:00 RESOLVED rule {..}: title
HEADERS = ["Content-Type", "Content-Encoding", "Authorization", "X-Sentry-Auth", "X-Scope-OrgID", "User-Agent"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        raw = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), BODY_MAX))
        body = (gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw).decode("utf-8")
        for prefix, name, answer, colour in SERVICES:
            if self.path.startswith(prefix):
                break
        else:
            self.send_error(404)
            return
        status, kind, text = answer(self.path, body)
        if full or name not in shown:
            shown.add(name)
            lines = ["%s: %s" % (h, self.headers[h]) for h in HEADERS if self.headers[h]]
            for part in body.splitlines() if name == "Sentry" else [body]:
                lines += pretty(part)
            if len(lines) > LINES_MAX and not full:
                lines[LINES_MAX - 1:] = ["… %d more lines" % (len(lines) - LINES_MAX + 1)]
            say("%s gets POST %s, answers %d%s" % (name, self.path, status, "" if full else "; as it is on the wire:"), lines, colour)
        else:
            lines = [line if len(line) <= 150 else line[:149] + "…" for line in SHORT[name](body)]
            say("%s gets: %s" % (name, lines[0]), lines[1:], colour)
        count(name)
        data = text.encode()
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data if kind else b"")

    def log_message(self, *_args):
        pass


def console():
    with open(os.path.join(folder, "console"), encoding="utf-8") as f:
        for line in f:
            say("console: " + line.rstrip("\n"), [], "1")
            found = TOLD.match(re.sub(r"\x1b\[[0-9;]*m", "", line))
            if found:
                count("%s %s" % found.groups())


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=console, daemon=True).start()
    with open(os.path.join(folder, "port.new"), "w") as f:
        f.write("%d\n" % server.server_address[1])
    os.replace(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
    server.serve_forever()


main()
