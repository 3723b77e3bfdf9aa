#!/usr/bin/env python3
"""A slow evaluator of weir's rules: configuration and logs in, transitions out, one JSON object a line.

usage: weir_oracle.py -c CONF [--until D]

Written from the design text alone, to be held against `weir replay --json`. It is built the other way round than an
engine: all logs are read first, each rule and key is then walked on its own from its first record to the end of time,
and what was told is sorted at the end.
"""
import sys

sys.dont_write_bytecode = True

import argparse
import glob
import json
import os
import re

import yaml

import expr
import shapes
from aggregates import History
from stamp import NS, number_text, parse_duration, print_time, round_up
from timeline import Source, Timeline
from windows import WindowKey, default_every

LEVELS = ["info", "warning", "error", "critical"]
KEYS = ["id", "event", "rule", "state", "level", "title", "message", "timestamp", "starts_at", "ends_at", "key", "value",
        "count", "cause", "runbook", "labels", "session_id", "user_id", "stage", "metadata", "partial"]


class ConfigError(Exception):
    pass


def as_list(v):
    return [] if v is None else v if isinstance(v, list) else [v]


def value_json(v):
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, float):
        return number_text(v)
    return json.dumps(v, ensure_ascii=False)


def path_text(path):
    out = ""
    for p in path:
        if re.fullmatch(r"@?[A-Za-z_][A-Za-z0-9_]*", p):
            out += ("." if out else "") + p
        else:
            out += "[" + json.dumps(p, ensure_ascii=False) + "]"
    return out


class Key:
    """The values of a rule's `by` fields. named: (path, value) in the order of `by`."""

    def __init__(self, named):
        self.named = named

    def by_path(self, path):
        return next((v for p, v in self.named if p == path), None)

    def json(self):
        return "{" + ",".join(value_json(path_text(p)) + ":" + value_json(v) for p, v in self.named) + "}"


class Rule:
    def __init__(self, doc, number, source_names):
        self.doc, self.number = doc, number
        self.name = doc["rule"]
        self.sources = as_list(doc.get("from")) or source_names
        self.where = expr.parse(doc["where"]) if "where" in doc else None
        self.by = [expr.parse_field(b) for b in as_list(doc.get("by"))]
        self.severity = doc.get("severity", "warning")
        self.forget = self.duration("forget", "7d")
        self.hold = self.duration("hold", "5m")
        if "over" in doc:
            self.shape = "window"
            self.read_window()
        elif "open" in doc:
            self.shape = "pair"
            self.open, self.close = expr.parse(doc["open"]), expr.parse(doc["close"])
            self.within = self.duration("within")
        elif "absent" in doc:
            self.shape = "absent"
            self.absent = self.duration("absent")
            self.expect = [as_list(row) for row in as_list(doc.get("expect"))]
        elif "first" in doc:
            self.shape = "first"
            self.first = expr.parse_field(doc["first"])
            self.learn = self.duration("learn", "1h")
        else:
            self.shape = "record"
            if isinstance(doc["when"], dict):
                raise ConfigError("levels belong to window rules (%s)" % self.name)
            self.when = [expr.parse(doc["when"], prev=True)]

    def duration(self, key, default=None):
        text = self.doc.get(key, default)
        return None if text is None else parse_duration(text)

    def read_window(self):
        over = self.duration("over")
        self.every = self.duration("every") or default_every(over)
        self.over = round_up(over, self.every)
        when, ends, wait = self.doc["when"], self.doc.get("resolve_when"), self.doc.get("for", "0")
        if isinstance(when, dict):
            self.levels = [lv for lv in LEVELS if lv in when]
            self.when = [expr.parse(when[lv], aggs=True) for lv in self.levels]
        else:
            self.levels = [self.severity]
            self.when = [expr.parse(when, aggs=True)]

        def per_level(v, missing):
            return [v.get(lv, missing) for lv in self.levels] if isinstance(v, dict) else [v] * len(self.levels)
        self.resolve_when = [None if e is None else expr.parse(e, aggs=True) for e in per_level(ends, None)]
        self.for_ = [parse_duration(w) for w in per_level(wait, "0")]
        self.no_data = self.doc.get("no_data", "resolve" if self.by else "evaluate")

    def span_of(self, agg):
        return self.over if agg.over is None else round_up(agg.over, self.every)

    def longest(self):
        spans = [self.over]
        for c in self.when + [e for e in self.resolve_when if e is not None]:
            spans += [self.span_of(a) for a in expr.aggregates(c)]
        return max(spans)

    def baselines(self):
        conditions = self.when + [e for e in self.resolve_when if e is not None]
        return [a for c in conditions for a in expr.aggregates(c) if a.fn == "baseline"]

    def key_of(self, r):
        """The record's key, or None if it lacks one of the `by` fields."""
        named = [(b.path if isinstance(b, expr.Field) else (b.name,), r.value(b)) for b in self.by]
        return None if any(v is None for _, v in named) else Key(named)


class Engine:
    def __init__(self, sources, rules, until=0, now=None):
        self.sources, self.rules = sources, rules
        self.timeline = Timeline(sources, until, now)
        self.told = []
        self.alerts = 0

    def emit_for(self, rule, key):
        key_json = key.json()
        alert = {}

        def emit(time, event, state, level, starts, ends, value, cause):
            if starts not in alert or (event == "firing" and rule.shape == "record"):
                self.alerts += 1
                alert[starts] = self.alerts
            self.told.append({
                "order": (time, rule.number, key_json.encode(), len(self.told)), "alert": alert[starts],
                "id": "alert_%d_%012x" % (starts // NS, alert[starts]), "event": event, "rule": rule.name,
                "state": state, "level": level, "timestamp": print_time(time), "starts_at": print_time(starts),
                "ends_at": print_time(ends), "key": key_json, "value": value_json(value), "cause": cause})
        return emit

    def run(self):
        if self.timeline.end is not None:
            for rule in self.rules:
                self.run_rule(rule)
        self.told.sort(key=lambda t: t["order"])
        return self.told

    def run_rule(self, rule):
        records = [r for r in self.timeline.records if r.source in rule.sources]
        if not records:
            return      # its sources never showed a record, so no key of it lives
        first_of_sources = records[0].time
        keys, seen = {}, {}
        for r in records:
            if rule.where is not None and r.value(rule.where) is not True:
                continue
            key = rule.key_of(r)
            if key is not None:
                keys.setdefault(key.json(), key)
                seen.setdefault(key.json(), []).append(r)
        expected = set()
        if rule.shape == "absent":
            for row in rule.expect:
                key = Key([(b.path if isinstance(b, expr.Field) else (b.name,), v) for b, v in zip(rule.by, row)])
                keys.setdefault(key.json(), key)
                expected.add(key.json())
        if not rule.by:
            keys.setdefault("{}", Key([]))
        end = self.timeline.end
        for name, key in keys.items():
            self.run_key(rule, key, seen.get(name, []), end, first_of_sources, name in expected)

    def run_key(self, rule, key, records, end, first_of_sources, expected):
        emit = self.emit_for(rule, key)
        if rule.shape == "record":
            shapes.run_record(rule, records, end, emit)
        elif rule.shape == "pair":
            shapes.run_pair(rule, records, end, emit)
        elif rule.shape == "absent":
            kept = expected or not rule.by
            shapes.run_absent(rule, records, end, emit, first_of_sources if kept else None, kept)
        elif rule.shape == "first":
            emits = {}

            def emit_value(v):
                joined = Key(key.named + [(rule.first.path, v)])
                return emits.setdefault(joined.json(), self.emit_for(rule, joined))
            if records:
                shapes.run_first(rule, records, end, emit_value)
        else:
            history = History()
            for r in records:
                history.add(r)
            t0 = records[0].time if rule.by else first_of_sources
            WindowKey(rule, key, history, emit).run(t0, end)


def transition_json(t):
    """The object of DESIGN section 5; what this evaluator does not compute is null or empty."""
    text = {k: "null" for k in KEYS}
    for k in ("id", "event", "rule", "state", "level", "timestamp", "starts_at", "ends_at", "cause"):
        text[k] = value_json(t[k])
    text.update(key=t["key"], value=t["value"], labels="{}", metadata="{}", partial="false")
    return "{" + ",".join('"%s":%s' % (k, text[k]) for k in KEYS) + "}"


def load_rules(files, source_names):
    rules = []
    for path in files:
        with open(path, encoding="utf-8") as f:
            doc = yaml.load(f, Loader=yaml.BaseLoader)      # scalars stay the text that was written
        for d in doc["rules"]:
            rules.append(Rule(d, len(rules), source_names))
    return rules


def load(path):
    with open(path, encoding="utf-8") as f:
        doc = yaml.load(f, Loader=yaml.BaseLoader)
    base = os.path.dirname(os.path.abspath(path))
    sources = []
    for name, s in doc["sources"].items():
        if s.get("format", "json") != "json" or "files" not in s or s.get("time") == "read":
            raise ConfigError("source %s: only JSON `files` sources here" % name)
        sources.append(Source(name, [os.path.join(base, p) for p in as_list(s["files"])], s.get("time"),
                              s.get("zone", "UTC"), parse_duration(s.get("late", "2s")), s.get("late_policy") == "drop",
                              parse_duration(s.get("max_jump", "1h"))))
    sources.sort(key=lambda s: s.name.encode())
    files = [f for p in as_list(doc.get("rules")) for f in sorted(glob.glob(os.path.join(base, p)), key=os.fsencode)]
    return sources, load_rules(files, [s.name for s in sources])


def evaluate(conf, until=0, now=None):
    sources, rules = load(conf)
    return Engine(sources, rules, until, now).run()


def main():
    ap = argparse.ArgumentParser(description="slow evaluator of weir's rules")
    ap.add_argument("-c", required=True, metavar="CONF")
    ap.add_argument("--until", default="0", metavar="D")
    a = ap.parse_args()
    for t in evaluate(a.c, parse_duration(a.until)):
        sys.stdout.write(transition_json(t) + "\n")


if __name__ == "__main__":
    main()
