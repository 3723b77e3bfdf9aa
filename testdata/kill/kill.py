#!/usr/bin/env python3
"""kill.py - weir killed again and again: is every transition told, and none twice?

A writer appends numbered records to two logs that rotate (a.log by rename and create, b.log by copy and truncate) and to
logs that appear, are written for a while and fall silent (c-N.log), with the wall clock as their time. `weir run` tails them and is sent SIGKILL at random moments, some of them chosen by what its
webhook is doing, and started again. What reached the webhook, standard output and the store must then be what
`weir replay` makes of the same bytes.

In: BIN (folder with weir). --kills N, --seed S, --steps, --keep (leave the folder). Out: TAP, and the figures as comments.

The webhook answers 200, sometimes 500, and sometimes hangs up without an answer: only a 200 counts as told. A request
that was told and whose row is not yet marked as sent when weir dies is *in flight*: weir cannot know, and may repeat it.
No more than that may be told twice.

What the wall clock decides must change nothing here, so that a replay without --state owes exactly what the live run told:
a.log and b.log are never silent; a log that fell silent holds time back, goes on at the clock's pace and has no more to say;
one that appears is newer than what was reached. The last record of each lies a minute ahead: event time passes every window.
With --steps it does change something: all logs are silent at times for longer than `idle`, and those that appear bring
records that are older than what was reached. Then a replay with the steps that the live run stored owes what it told, over
all kills.
"""
import argparse
import calendar
import collections
import http.server
import json
import os
import random
import shutil
import signal
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT = 3              # rotations beside the live file
STOP_WITHIN = 5       # seconds from SIGTERM to the exit


class Writer(threading.Thread):
    """The logs, about 300 records a second in all, and their history by hard link or copy for the replay."""

    def __init__(self, root, seed, steps):
        super().__init__(daemon=True)
        self.steps = steps
        self.rng = random.Random(seed)
        self.logs, self.history = root + "/logs", root + "/history"
        os.mkdir(self.logs)
        os.mkdir(self.history)
        self.n = 0
        self.generation = {"a.log": 0, "b.log": 0}
        self.since = {"a.log": 0, "b.log": 0}
        self.file = {name: open(f"{self.logs}/{name}", "ab", buffering=0) for name in self.generation}
        self.enough = threading.Event()
        # rotations by life, as far back as counts; none before weir's first checkpoint: what it has never seen under
        # its own name is not its to find
        self.turns = {name: [KEPT] for name in self.generation}
        self.failed = None
        self.extras = 0
        for name in self.file:  # both partitions are there before weir first looks
            self.append(name, self.record(time.time(), True))

    def record(self, now, prompt=False):
        r = self.rng
        self.n += 1
        stage = r.choice(["cut", "merge", "upload"])
        # trouble comes and goes, each stage at its own pace, so that windows fire and resolve all the time
        bad = (now / 7 + {"cut": 0, "merge": 0.35, "upload": 0.7}[stage]) % 1 < 0.4
        at = now
        if not prompt:  # some out of order, a few too late
            at -= (r.random() * 1.5 if r.random() < 0.2 else 0) + (4 if r.random() < 0.005 else 0)
        rec = {"n": self.n, "timestamp": stamp(at), "stage": stage, "ms": int(r.expovariate(1 / (600 if bad else 150))),
               "level": "ERROR" if r.random() < (0.5 if bad else 0.05) else "INFO", "bytes": r.randrange(0, 14000)}
        if self.n % 7 == 0:
            rec["mark"] = True
        if rec["level"] == "ERROR":
            rec["code"] = r.choice([404, 500, 502, 503])
        if r.random() < 0.15:
            rec["run"] = r.randrange(20)
            rec["state"] = r.choice(["RUNNING", "RUNNING", "DONE", "FAILED"])
        if r.random() < 0.2:
            rec["session"] = r.randrange(30)
            rec["event"] = r.choice(["start", "end"])
        if r.random() < 0.01:
            rec["pad"] = "x" * r.randrange(20000)
        return json.dumps(rec).encode() + b"\n"

    def append(self, name, line):
        cut = self.rng.randrange(1, len(line)) if self.rng.random() < 0.05 else 0
        for part in (line[:cut], line[cut:]):  # a line may lie there in two halves for a moment
            if part:
                os.write(self.file[name].fileno(), part)
        self.since[name] += 1

    def rotate(self, name):
        path = f"{self.logs}/{name}"
        self.generation[name] += 1
        old = f"{self.history}/{name}-{self.generation[name]:06d}"
        if name == "a.log":
            os.link(path, old)
        else:
            shutil.copyfile(path, old)
        for i in range(KEPT, 0, -1):
            older = f"{path}.{i - 1}" if i > 1 else path
            if i > 1:
                if os.path.exists(older):
                    os.rename(older, f"{path}.{i}")
            elif name == "a.log":
                os.rename(path, f"{path}.1")
                self.file[name].close()
                self.file[name] = open(path, "ab", buffering=0)
            else:
                shutil.copyfile(path, f"{path}.1")
                os.truncate(path, 0)
        self.since[name] = 0

    def may_rotate(self, name):
        """A file is deleted KEPT rotations after its last record, and a weir that is killed before its first checkpoint
        goes back to the one of an earlier life: a log turns so often at most from the start of the life that wrote the
        last checkpoint on."""
        turns = self.turns[name]
        if sum(turns) >= KEPT:
            return False
        turns[-1] += 1
        return True

    def life(self, checkpoint):
        """A new life begins; the one before it wrote a checkpoint, or not."""
        for name in self.turns:
            self.turns[name] = (self.turns[name][-1:] if checkpoint else self.turns[name]) + [0]

    def run(self):
        try:
            extra, until = None, 0
            while not self.enough.is_set():
                if time.monotonic() > until:
                    extra, until = f"c-{self.extras}.log", time.monotonic() + 4
                    self.extras += 1
                    self.since[extra] = 0
                    self.file[extra] = open(f"{self.logs}/{extra}", "ab", buffering=0)
                    for age in range(20 if self.steps else 0, 0, -1):
                        self.append(extra, self.record(time.time() - age / 3, True))
                    self.append(extra, self.record(time.time(), True))
                if self.steps and self.rng.random() < 0.0015:
                    time.sleep(1 + 2 * self.rng.random())
                name = self.rng.choice(["a.log", "a.log", "b.log", "b.log", extra])
                self.append(name, self.record(time.time()))
                if name != extra and self.since[name] > 150 and self.rng.random() < 0.01 and self.may_rotate(name):
                    self.rotate(name)
                time.sleep(0.003)
            for name in self.file:  # far enough ahead for every window to pass, near enough not to be skewed
                self.append(name, json.dumps({"n": 0, "timestamp": stamp(time.time() + 60), "end": True}).encode() + b"\n")
                shutil.copyfile(f"{self.logs}/{name}", f"{self.history}/{name}")
        except Exception as e:  # the main thread tells it
            self.failed = e

    def files(self):
        """For weir replay: NAME.1 is the newest rotation of NAME."""
        for name, last in self.generation.items():
            for i in range(last):
                os.rename(f"{self.history}/{name}-{i + 1:06d}", f"{self.history}/{name}.{last - i}")
        return sorted(f"{self.history}/{f}" for f in os.listdir(self.history))


def stamp(t):
    ms = int(t * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + ".%03dZ" % (ms % 1000)


class Catcher(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The webhook: knows what it accepted, in order, and lets the main thread wait for a moment to kill."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, seed):
        super().__init__(("127.0.0.1", 0), Hook)
        self.rng = random.Random(seed)
        self.lock = threading.Lock()
        self.accepted = []      # (webhook-id, body, the life that sent it)
        self.refused = self.hung_up = 0
        self.mended = False     # the final drain: no more refusals
        self.moment = None      # "asked": a request was read, no answer given yet; "answered"
        self.reached = threading.Event()

    def wait_for(self, moment, bound):
        self.reached.clear()
        self.moment = moment
        self.reached.wait(bound)
        self.moment = None

    def handle_error(self, request, address):
        pass  # weir was killed while we wrote to it


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "catcher"

    def do_POST(self):
        s = self.server
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # killed while it sent
            self.close_connection = True
            return
        if s.moment == "asked":
            s.reached.set()
            time.sleep(s.rng.random() * 0.02)  # the kill falls before or after the answer
        with s.lock:
            what = s.rng.random() if not s.mended else 1
            if what < 0.02:
                s.refused += 1
            elif what < 0.04:
                s.hung_up += 1
            else:
                s.accepted.append((self.headers["webhook-id"], body.decode(), int(self.path.rsplit("/", 1)[1])))
        if 0.02 <= what < 0.04:
            self.close_connection = True
            return
        self.send_response(500 if what < 0.02 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()
        if s.moment == "answered":
            s.reached.set()

    def log_message(self, *args):
        pass


class Weir:
    """One process after the other over the same state."""

    def __init__(self, root, port, steps):
        self.root, self.p, self.lives = root, None, 0
        self.env = dict(os.environ, KILL_DIR=root, KILL_PORT=str(port), KILL_LIFE="0", KILL_CHECKPOINT="1s",
                        KILL_IDLE="500ms" if steps else "5s")
        self.binary = os.environ["BIN"] + "/weir"

    def start(self, checkpoint):
        self.lives += 1
        self.env.update(KILL_LIFE=str(self.lives), KILL_CHECKPOINT=checkpoint)
        with open(f"{self.root}/out.{self.lives:04d}", "wb") as out, open(self.root + "/err", "ab") as err:
            self.p = subprocess.Popen([self.binary, "run", "-c", HERE + "/kill.yaml"], env=self.env, stdout=out, stderr=err,
                                      stdin=subprocess.DEVNULL)

    def wait_for_write(self, bound):
        """Something was just written to the store: often the first part of a checkpoint."""
        path, end, before = self.root + "/state/weir.db-wal", time.monotonic() + bound, None
        while time.monotonic() < end:
            try:
                now = os.stat(path)
            except FileNotFoundError:
                continue
            if before and (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                return
            before = now

    def kill(self):
        """False: it was dead already, which nobody asked for."""
        alive = self.p.poll() is None
        self.p.kill()
        self.p.wait()
        return alive

    def replay(self, *args):
        r = subprocess.run([self.binary, "replay", "-c", HERE + "/kill.yaml", "--json", *args], env=self.env,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        if r.returncode != 0:
            raise SystemExit("replay: " + r.stderr.decode())
        return r.stdout.decode().splitlines()

    def left(self):
        """What is not delivered yet, or not read: partitions that have not come to their last record."""
        r = subprocess.run([self.binary, "status", "--state", self.root + "/state", "--json"], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL)
        if r.returncode != 0:
            return 1
        s = json.loads(r.stdout)
        ahead = stamp(time.time() + 10)
        return sum(k["waiting"] for k in s["sinks"]) + sum((p["greatest"] or "") < ahead for p in s["partitions"]) + \
            sum((r["reached"] or "") < ahead for r in s["rules"])

    def store(self):
        """The database, as it lies there: a copy, so that looking at it mends nothing."""
        look = self.root + "/look"
        shutil.rmtree(look, ignore_errors=True)
        os.mkdir(look)
        for f in os.listdir(self.root + "/state"):
            if f.startswith("weir.db") and not f.endswith("-shm"):
                shutil.copyfile(f"{self.root}/state/{f}", f"{look}/{f}")
        return sqlite3.connect(look + "/weir.db")

    def output(self):
        """Whole lines of standard output over all lives; a line without its end was cut by a kill."""
        lines = []
        for i in range(1, self.lives + 1):
            with open(f"{self.root}/out.{i:04d}", "rb") as f:
                lines += [l.decode() for l in f.read().split(b"\n")[:-1]]
        return lines


def name_of(line):
    a = json.loads(line)
    return a["id"], a["event"], a["timestamp"]


def transition_of(body):
    """The transition inside a webhook's body, as the bytes it has there."""
    at = body.index('"data":')
    return body[at + 7:-1]


class Figures:
    def __init__(self):
        self.in_flight_out = self.in_checkpoint = self.unsent = self.corrupt = self.generation = 0
        self.waiting = []  # after each kill: (life, the transitions that the webhook's rows wait for)

    def in_flight(self, accepted):
        """By kill: what had been told by then, and was not marked. An answer may be written after the kill: the life
        that asked stands in the URL."""
        n = []
        for life, waiting in self.waiting:
            n.append(len({key(transition_of(b)) for _, b, by in accepted if by <= life} & waiting))
        return n


def look(weir, figures):
    """After a kill: what the outbox believes. True if a checkpoint was written since the last look."""
    if not os.path.exists(weir.root + "/state/weir.db"):
        return False
    db = weir.store()
    try:
        if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            figures.corrupt += 1
        rows = db.execute("SELECT o.sink, t.id, e.name, t.timestamp FROM outbox o JOIN transition t ON t.number=o.number "
                          "JOIN (SELECT 0 AS n,'pending' AS name UNION SELECT 1,'dropped' UNION SELECT 2,'firing' UNION "
                          "SELECT 3,'level' UNION SELECT 4,'resolved') e ON e.n=t.event WHERE o.state=0").fetchall()
        waiting = collections.defaultdict(set)
        for sink, ident, event, at in rows:
            waiting[sink].add((ident, event, at // 1000000))
        whole = db.execute("SELECT (SELECT max(gen) FROM ckpt_whole), (SELECT max(gen) FROM generation)").fetchone()
    except sqlite3.OperationalError:  # killed before it had made its tables
        return False
    finally:
        db.close()
    figures.in_checkpoint += whole[0] is not None and (whole[1] is None or whole[0] > whole[1])
    newer, figures.generation = (whole[1] or 0) > figures.generation, whole[1] or 0
    figures.unsent += bool(waiting["hook"])
    figures.waiting.append((weir.lives, waiting["hook"]))
    figures.in_flight_out += len({key(l) for l in weir.output()} & waiting["out"])
    return newer


def key(line):
    ident, event, at = name_of(line)
    day, rest = at[:-1].split("T")
    h, m, s = rest.split(":")
    whole = calendar.timegm(time.strptime(day, "%Y-%m-%d")) + int(h) * 3600 + int(m) * 60 + int(s.split(".")[0])
    return ident, event, whole * 1000 + int(s.split(".")[1])


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def ok(self, good, name, why=()):
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}")
        if not good:
            for line in list(why)[:6]:
                print("# " + line[:1200])
        sys.stdout.flush()


def in_order(lines, want):
    """Alerts whose transitions came in another order than the replay gives them: each (rule, key) by itself."""
    place = {l: i for i, l in enumerate(want)}
    last, wrong, seen = {}, [], set()
    for l in lines:
        if l in seen or l not in place:
            continue
        seen.add(l)
        a = json.loads(l)
        lane = (a["rule"], json.dumps(a["key"], sort_keys=True))
        if last.get(lane, -1) > place[l]:
            wrong.append(l)
        last[lane] = place[l]
    return wrong


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--kills", type=int, default=25)
    ap.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    ap.add_argument("--keep", action="store_true")
    ap.add_argument("--steps", action="store_true")
    o = ap.parse_args()
    print(f"# seed {o.seed}, {o.kills} kills")
    root = tempfile.mkdtemp(prefix="weir-kill.")
    rng = random.Random(o.seed)
    writer, catcher = Writer(root, o.seed + 1, o.steps), Catcher(o.seed + 2)
    threading.Thread(target=catcher.serve_forever, daemon=True).start()
    weir, figures, tap, died = Weir(root, catcher.server_address[1], o.steps), Figures(), Tap(), 0
    try:
        writer.start()
        for _ in range(o.kills):
            weir.start(rng.choice(["20ms", "100ms", "500ms", "2s"]))
            time.sleep(rng.choice([rng.random() * 0.3, 0.2 + rng.random() * 2]))
            kind = rng.choice(["any", "any", "asked", "answered", "wrote"])
            if kind == "wrote":
                weir.wait_for_write(2)
            elif kind != "any":
                catcher.wait_for(kind, 2)
            died += not weir.kill()
            writer.life(look(weir, figures))
        weir.start("100ms")
        catcher.mended = True
        writer.enough.set()
        writer.join(30)
        if writer.failed or writer.is_alive():
            raise SystemExit(f"the writer failed: {writer.failed}")
        want = weir.replay(*writer.files())
        done, deadline = None, 0  # as long as it goes on
        while weir.p.poll() is None:
            with catcher.lock:
                told = {transition_of(b) for _, b, _ in catcher.accepted}
            out = set(weir.output())
            left = weir.left() if o.steps else len(set(want) - told) + len(set(want) - out)
            if (left, len(told), len(out)) != done:
                done, deadline = (left, len(told), len(out)), time.monotonic() + 20
            if left == 0 or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        weir.p.send_signal(signal.SIGTERM)
        try:
            code = weir.p.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            code = f"still running {STOP_WITHIN} s after SIGTERM"
            weir.kill()
        judge(o, tap, figures, weir, catcher, writer, want, code, died)
    finally:
        if weir.p and weir.p.poll() is None:
            weir.kill()
        catcher.shutdown()
        if o.keep or tap.failed:
            print(f"# the folder is kept: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)
    sys.exit(tap.failed > 0)


def with_steps(weir):
    """The replay of all there was, under the names it had live, with the steps that the live run stored."""
    logs, history = weir.root + "/logs", weir.root + "/history"
    shutil.rmtree(logs)
    os.rename(history, logs)
    return weir.replay("--state", weir.root + "/state")


def judge(o, tap, figures, weir, catcher, writer, want, code, died):
    told = [transition_of(b) for _, b, _ in catcher.accepted]
    again, moved = with_steps(weir), set(want)
    if o.steps:
        moved, want = len(moved ^ set(again)), again
    out = weir.output()
    in_flight = figures.in_flight(catcher.accepted)
    times = collections.Counter(i for i, _, _ in catcher.accepted)
    twice = sum(n - 1 for n in times.values())
    twice_out = len(out) - len(set(out))
    lost, spurious = [l for l in want if l not in set(told)], sorted(set(told) - set(want))
    lost_out, spurious_out = [l for l in want if l not in set(out)], sorted(set(out) - set(want))
    db = weir.store()
    names = ["pending", "dropped", "firing", "level", "resolved"]
    stored = {(i, names[e], t // 1000000) for i, e, t in db.execute("SELECT id,event,timestamp FROM transition")}
    left = db.execute("SELECT count(*) FROM outbox WHERE state<>1").fetchone()[0]
    steps = db.execute("SELECT count(*) FROM step").fetchone()[0]
    db.close()
    wanted, wanted_lines = {key(l) for l in want}, set(told)
    rules = collections.Counter(json.loads(l)["rule"] for l in want)
    print(f"# {writer.n} records, {writer.generation['a.log']} rotations by rename, {writer.generation['b.log']} by truncation, "
          f"{writer.extras} logs that fell silent, "
          f"{len(want)} transitions: " + ", ".join(f"{r} {n}" for r, n in sorted(rules.items())))
    print(f"# kills {o.kills}, of them within a checkpoint {figures.in_checkpoint}, between commit and delivery "
          f"{figures.unsent}; the webhook refused {catcher.refused} and hung up on {catcher.hung_up}; steps {steps}"
          + (f", which changed {moved} transitions" if o.steps else ""))
    print(f"# webhook: lost {len(lost)}, spurious {len(spurious)}, told twice {twice}, in flight at the kills "
          f"{sum(in_flight)} (at most {max(in_flight, default=0)} at one)")
    print(f"# stdout: lost {len(lost_out)}, spurious {len(spurious_out)}, told twice {twice_out}, in flight "
          f"{figures.in_flight_out}")
    tap.ok(died == 0, "weir ended at no time by itself", [f"{died} times; see err in the folder"])
    tap.ok(code == 0, "SIGTERM: exit 0", [f"exit {code}"])
    tap.ok(len(want) > 10 * o.kills and len(rules) == 7, "the rules had something to tell", [str(rules)])
    if o.steps:
        tap.ok(moved > 0, "and the clock had a say in it")
    tap.ok(not lost, "webhook: nothing lost", lost)
    tap.ok(not spurious, "webhook: nothing that replay does not tell", spurious)
    tap.ok(twice <= sum(in_flight), "webhook: told twice only what was in flight",
           [f"{n} times {i}" for i, n in times.items() if n > 1])
    tap.ok(max(in_flight, default=0) <= 1, "webhook: one request at a time, so one in doubt", [str(in_flight)])
    tap.ok(len(times) == len(set(told)), "webhook: one webhook-id a transition, and one transition an id")
    tap.ok(not in_order(told, want), "webhook: each alert's transitions in order", in_order(told, want))
    tap.ok(not lost_out, "stdout: nothing lost", lost_out)
    tap.ok(not spurious_out, "stdout: nothing that replay does not tell", spurious_out)
    tap.ok(twice_out <= figures.in_flight_out, "stdout: told twice only what was in flight")
    tap.ok(stored == wanted, "store: the transitions of the replay",
           [f"not stored {x}" for x in sorted(wanted - stored)] + [f"not in the replay {x}" for x in sorted(stored - wanted)])
    tap.ok(set(again) == wanted_lines, "replay --state gives what the live run told",
           [f"not in it {l}" for l in sorted(wanted_lines - set(again))] + sorted(set(again) - wanted_lines))
    tap.ok(left == 0, "store: nothing waits or has failed", [f"{left} rows"])
    tap.ok(figures.corrupt == 0, "store: whole after every kill", [f"{figures.corrupt} times not"])
    print(f"1..{tap.n}")


if __name__ == "__main__":
    main()
