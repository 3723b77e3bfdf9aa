"""Files to partitions, partitions to records with their event times, all records in the order they are applied.

This is DESIGN section 3 for a replay: only records move time. Marks need no simulation here: a record's verdict (late,
skewed, untimed, held) depends on its own partition alone, and the order of application is the order of
(time, partition, offset); so each partition is walked by itself and the results are sorted.
"""
import glob
import gzip
import os
import re
import time

import jsonline
from stamp import stamp_of

USUAL_TIMES = ["timestamp", "time", "ts", "@timestamp"]
USUAL_LEVELS = ["level", "severity", "lvl", "loglevel", "levelname"]
LEVEL_WORDS = {
    "trace": "debug", "debug": "debug", "info": "info", "information": "info", "notice": "info",
    "warn": "warning", "warning": "warning", "err": "error", "error": "error",
    "crit": "critical", "critical": "critical", "fatal": "critical", "alert": "critical", "emerg": "critical",
    "emergency": "critical", "panic": "critical",
}
ROTATED = re.compile(r"(.+?)(?:\.(\d{1,5})|[-.](\d{8}(?:[-_T]?\d{2,6})?|\d{4}-\d\d-\d\d(?:[-_T]\d\d[-:]?\d\d(?:[-:]?\d\d)?)?))(\.gz|\.zst)?")


class Source:
    def __init__(self, name, files, time_field=None, zone="UTC", late=2 * 10 ** 9, drop=False, max_jump=3600 * 10 ** 9):
        self.name, self.files, self.time_field, self.zone = name, files, time_field, zone
        self.late, self.drop, self.max_jump = late, drop, max_jump


class Record:
    """One record: its tree, its place, and the verdict about its time."""

    def __init__(self, source, base, path, seq, offset, raw, tree):
        self.source, self.base, self.path, self.seq, self.offset = source, base, path, seq, offset
        self.raw, self.tree = raw, tree
        self.stamp = None       # what the record says, ns
        self.time = None        # what it counts as, ns
        self.late = False
        self.memo = {}

    # env of an expression over this record
    has_prev = False

    def field(self, path):
        if path not in self.memo:
            self.memo[path] = node_value(jsonline.find(self.tree, path))
        return self.memo[path]

    def meta(self, name):
        if name == "@time":
            return self.time / 10 ** 9
        if name == "@source":
            return self.source
        if name == "@file":
            return self.path
        if name == "@offset":
            return float(self.offset)
        if name == "@raw":
            return self.raw.decode("utf-8")
        if name == "@level":
            for f in USUAL_LEVELS:
                v = self.field((f,))
                if isinstance(v, str):
                    return LEVEL_WORDS.get(v.lower())
            return None
        raise KeyError(name)

    def value(self, node):
        """An expression's value over this record, computed once."""
        if id(node) not in self.memo:
            self.memo[id(node)] = (node, node.at(self))     # the node is kept so that its id stays its own
        return self.memo[id(node)][1]

    def place(self):
        return (self.time, self.source.encode(), self.base.encode(), self.seq)


def node_value(node):
    if node is None or node.kind == "null":
        return None
    if node.kind in ("true", "false"):
        return node.kind == "true"
    if node.kind == "number":
        v = float(node.text)
        return 0.0 if v == 0 else v if abs(v) != float("inf") else None
    return node.text


# ---- files

def chains(patterns):
    """{live path: [files, oldest first]} of the globs, each file's rotations found beside it."""
    found = {}
    for pattern in patterns:
        names = set(glob.glob(pattern)) | set(glob.glob(pattern + ".*")) | set(glob.glob(pattern + "-*"))
        live = set(glob.glob(pattern))
        for path in names:
            if not os.path.isfile(path):
                continue
            m = ROTATED.fullmatch(path)
            if m and (m.group(1) in live or path not in live):
                base = m.group(1)
                if base not in live and not glob.fnmatch.fnmatch(base, pattern):
                    continue
                number, date = m.group(2), m.group(3)
                age = (0, -int(number), "") if number else (0, 0, date)
            elif path in live:
                base, age = path, (1, 0, "")
            else:
                continue
            found.setdefault(base, set()).add((age, path))
    return {base: [p for _, p in sorted(files)] for base, files in found.items()}


def lines_of(path):
    """(offset, line) of a file; a last line without newline counts; a CR before the newline is cut."""
    if path.endswith(".zst"):
        raise SystemExit("oracle: no zstd in Python's library: %s" % path)
    with (gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")) as f:
        data = f.read()
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end
        line = data[at:stop]
        if line.endswith(b"\r"):
            line = line[:-1]
        if line:
            yield at, line
        at = stop + 1


def read_chain(source, base, files):
    """The well-formed records of one partition, in order, with their stamps; nothing is decided yet."""
    out, seq = [], 0
    for path in files:
        for offset, line in lines_of(path):
            seq += 1
            if len(line) > 1 << 20:
                continue
            try:
                tree = jsonline.parse_line(line)
            except jsonline.Malformed:
                continue
            r = Record(source.name, base, path, seq, offset, line, tree)
            names = [tuple(source.time_field.split("."))] if source.time_field else [(n,) for n in USUAL_TIMES]
            for name in names:
                r.stamp = stamp_of(jsonline.find(tree, name), source.zone)
                if r.stamp is not None:
                    break
            out.append(r)
    return out


# ---- verdicts

class Partition:
    """Walks one partition's records and gives each its time. out: those that the rules may see, in reading order."""

    def __init__(self, source, now):
        self.source, self.now = source, now
        self.greatest = None
        self.held = []          # a jumping record and the untimed ones behind it
        self.out = []
        self.counts = {"late": 0, "skewed": 0, "untimed": 0, "malformed": 0, "held": 0}

    def mark(self):
        return self.greatest - self.source.late

    def take(self, r):
        """The next record of the partition."""
        if r.stamp is None:
            if self.held:
                self.held.append(r)
            else:
                self.untimed(r)
            return
        if self.held:
            self.release(real=not r.stamp < self.held[0].stamp - self.source.max_jump)
        limit = self.now if self.greatest is None else max(self.now, self.greatest)
        if r.stamp > limit + self.source.max_jump:
            if self.greatest is None:
                r.time = self.greatest = self.now
            else:
                r.time = self.greatest
            self.counts["skewed"] += 1
            self.out.append(r)
        elif self.greatest is not None and r.stamp > self.greatest + self.source.max_jump:
            self.counts["held"] += 1
            self.held = [r]
        else:
            self.timed(r)

    def release(self, real):
        first, rest = self.held[0], self.held[1:]
        self.held = []
        if real:
            self.timed(first)
        else:
            first.time = self.greatest
            self.counts["skewed"] += 1
            self.out.append(first)
        for r in rest:
            self.untimed(r)

    def untimed(self, r):
        if self.greatest is None:
            self.counts["malformed"] += 1
            return
        self.counts["untimed"] += 1
        r.time = self.greatest
        self.out.append(r)

    def timed(self, r):
        if self.greatest is not None and r.stamp < self.mark():
            self.counts["late"] += 1
            if self.source.drop:
                return
            r.late, r.time = True, self.mark()
        else:
            r.time = r.stamp
            self.greatest = r.stamp if self.greatest is None else max(self.greatest, r.stamp)
        self.out.append(r)

    def end(self):
        if self.held:
            self.release(real=True)


class Timeline:
    def __init__(self, sources, until=0, now=None):
        now = time.time_ns() if now is None else now
        self.records, self.greatest, self.counts = [], None, {}
        for source in sources:
            for base, files in chains(source.files).items():
                p = Partition(source, now)
                for r in read_chain(source, base, files):
                    p.take(r)
                p.end()
                self.records += p.out
                self.counts[base] = p.counts
                if p.greatest is not None:
                    self.greatest = p.greatest if self.greatest is None else max(self.greatest, p.greatest)
        self.records.sort(key=Record.place)
        self.end = None if self.greatest is None else self.greatest + until
