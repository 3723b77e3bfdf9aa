#!/usr/bin/env python3
"""Random small configurations and logs from a seed: the same seed writes the same bytes.

usage: gen.py --seed N --out DIR [--with prev,stddev,...|all]      writes DIR/weir.yaml, rules.yaml, logs/..., until

What is left out on purpose are the open points of README.md; everything else of records, windows and pairs may come up.
"""
import sys

sys.dont_write_bytecode = True

import argparse
import datetime
import gzip
import json
import os
import random

# What a case may use beside records, windows, pairs and the plain aggregates; --with names some of them.
FEATURES = ["prev", "stddev", "last", "distinct", "increase", "changes", "streak", "baseline", "presence"]

T0 = 1709251200         # 2024-03-01T00:00:00Z: no change of a zone's offset near
MS = 10 ** 6
S = 10 ** 9

STAGES = ["merge", "scan", "encode", "ü\n\"x\"\\", "a/b"]
TENANTS = ["t1", "t2", "t3", "ünï", "tab\there"]


def pick(r, weighted):
    """One of {choice: weight}."""
    return r.choices(list(weighted), list(weighted.values()))[0]


# ---- stamps

def utc(ns, shift=0):
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=ns // S + shift)


def stamp_text(r, style, ns, zone_shift):
    if style == "rfc":
        frac = pick(r, {"ms": 6, "none": 1, "us": 1, "ns": 1})
        part = {"ms": ".%03d" % (ns % S // MS), "none": "", "us": ".%06d" % (ns % S // 1000), "ns": ".%09d" % (ns % S)}[frac]
        shift = pick(r, {0: 6, 7200: 1, -19800: 1, 3600: 1})
        off = "Z" if shift == 0 else "%s%02d:%02d" % ("-" if shift < 0 else "+", abs(shift) // 3600, abs(shift) % 3600 // 60)
        return json.dumps(utc(ns, shift).strftime("%Y-%m-%dT%H:%M:%S") + part + off)
    if style == "space":
        sep = r.choice([".", ","])
        return json.dumps(utc(ns, zone_shift).strftime("%Y-%m-%d %H:%M:%S") + "%s%03d" % (sep, ns % S // MS))
    if style == "s":
        return str(ns // S) if r.random() < .5 else "%d.%03d" % (ns // S, ns % S // MS)
    return str(ns // {"ms": MS, "us": 1000, "ns": 1}[style])


BAD_STAMPS = ['"soon"', "null", '"2024-13-01T00:00:00Z"', '""', "true", '{"a":1}', '"2024-02-30 00:00:00"']
BROKEN = ['{"timestamp":', "not json", '{"a":1} {"b":2}', '{"a":01}', "[1,2]", '{"a":"\\q"}', "{'a':1}", '{"a":tru}', "42",
          '{"a":"x\x01y"}', '{"a":1,}', '{"n":' + "[" * 70 + "]" * 70 + "}"]


# ---- one record

def number(r):
    return pick(r, {"int": 6, "dec": 4, "neg": 1, "zero": 1, "big": 1, "str": 1, "null": 1, "none": 1, "exp": 1})


def number_json(r):
    kind = number(r)
    return {"int": lambda: str(r.randint(1, 100)), "dec": lambda: "%.*f" % (r.randint(1, 3), r.uniform(0, 20)),
            "neg": lambda: str(-r.randint(1, 50)), "zero": lambda: r.choice(["0", "0.0", "-0"]),
            "big": lambda: str(r.randint(10 ** 6, 10 ** 9)), "str": lambda: '"%d"' % r.randint(1, 50),
            "null": lambda: "null", "none": lambda: None, "exp": lambda: "%de%d" % (r.randint(1, 9), r.randint(-2, 2))}[kind]()


def text_json(r, v):
    """A JSON string, sometimes with every character escaped that may be."""
    return json.dumps(v, ensure_ascii=r.random() < .5).replace("/", r.choice(["/", "\\/"]))


class Stream:
    """What one partition's records are about: moods change, so conditions become true and false again."""

    def __init__(self, r, keys):
        self.r, self.keys = r, keys
        self.errors, self.counter, self.open = .1, 0, {}
        self.state = {}

    def fields(self):
        r = self.r
        if r.random() < .05:
            self.errors = r.choice([0, .05, .2, .5, .9])
        f = []
        tenant = r.choice(TENANTS[:self.keys])
        f.append(("level", json.dumps(pick(r, {"ERROR": self.errors + .001, "INFO": 1 - self.errors + .001, "WARN": .1}))))
        key = pick(r, {"plain": 20, "null": 1, "none": 1, "num": 1, "bool": 1, "obj": .5})
        if key != "none":
            f.append(("tenant", {"plain": text_json(r, tenant), "null": "null", "num": r.choice(["1", "1.0", "10e-1", "2"]),
                                 "bool": "true", "obj": '{"a": [1, "x"]}'}[key]))
        extra = [("stage", text_json(r, r.choice(STAGES[:self.keys])))] if r.random() < .9 else []
        ms = number_json(r)
        if ms is not None:
            extra.append(("ms", ms))
        if r.random() < .15:
            extra.append(("deep", '{"x":[{"y":null}],"z":"}"}'))
        if r.random() < .85:
            f.append(("extra", "{%s}" % ",".join('"%s":%s' % kv for kv in extra)))
        elif r.random() < .5:
            f += [("extra." + k, v) for k, v in extra]
        f.append(("event", json.dumps(self.event(tenant))))
        state = pick(r, {"RUNNING": 3, "DONE": 2, "FAILED": 1 + 4 * self.errors, "QUEUED": 1})
        if r.random() < .9:
            f.append(("state", json.dumps(state)))
        self.counter = self.counter + r.choice([0, 0, 1, 1, 3, 10]) if r.random() > .03 else r.randint(0, 2)
        if r.random() < .7:
            f.append(("n", str(self.counter)))
        if r.random() < .7:
            f.append(("ok", r.choice(["true", "false", "true", "null", '"true"'])))
        if r.random() < .3:
            f.append(("message", text_json(r, r.choice(["request took 12ms", "timeout: gave up", "", "retry 3 of 5", "ünïcödé \u20ac"]))))
        if r.random() < .5:
            f.append(("code", json.dumps(r.choice(["0", "7", "12.5", "-3", "1e2", "", "x1", "007", " 5", "0x10"]))))
        if r.random() < .05:
            f.append(("noise", r.choice(["[]", "{}", '[{"a":[]},"\\ud83d\\ude00\\u0041"]', '{"timestamp":1,"level":"ERROR"}', "1e400"])))
        if r.random() < .05:
            f.append(("level", r.choice(['"INFO"', '"ERROR"', "null"])))      # a duplicate key: the last wins
        if r.random() < .3:
            r.shuffle(f)
        return f

    def event(self, tenant):
        x = self.r.random()
        return "start" if x < .25 else "complete" if x < .4 else "abort" if x < .45 else "tick"


# ---- one partition

def partition_lines(r, source, stream, start, n, coarse, trouble):
    """Lines of bytes in the order they were written. source: dict with time, late, jump, style, zone_shift."""
    t, out, last = start, [], start
    pace = r.choice([50 * MS, 300 * MS, S, 3 * S])
    for i in range(n):
        t += pick(r, {0: 3, r.randint(0, 2 * pace): 10, r.randint(0, 20 * pace): 1})
        if r.random() < .01:
            t += r.randint(0, 200 * pace)           # a silence
        if trouble and r.random() < .004:
            t += source["jump"] + r.randint(1, 2 * 3600 * S)        # time really jumps
        ns = t // coarse * coarse
        x = r.random()
        if trouble and x < .06:
            ns = max(0, ns - r.randint(0, source["late"]) // coarse * coarse)           # out of order, in time
        elif trouble and x < .1:
            ns = max(0, ns - source["late"] - r.randint(0, 60 * S))                     # late
        elif trouble and x < .12:
            ns += source["jump"] + r.randint(1, 6 * 3600 * S)                           # a bad stamp ahead
        elif trouble and x < .123 and 0 < i < n - 20:
            ns = (T0 + 80 * 365 * 86400) * S                                            # past every clock
        elif trouble and x < .124:
            ns += source["jump"]                                                        # just at the edge
        elif trouble and i == n - 1 and r.random() < .15:
            ns += source["jump"] + r.randint(1, 3600 * S)                               # a jump that nothing follows
        fields = stream.fields()
        y = r.random()
        style = source["style"] if r.random() < .8 else r.choice(["rfc", "ms", "s", "ns", "us"])
        if trouble and y < .03:
            if r.random() < .5:
                fields.insert(0, (source["field"], r.choice(BAD_STAMPS)))
        else:
            fields.insert(r.choice([0, 0, 0, len(fields)]), (source["field"], stamp_text(r, style, ns, source["zone_shift"])))
        if "." in source["field"]:
            fields = nest(fields, source["field"])
        space = r.choice(["", "", " "])
        line = "{" + ("," + space).join('"%s":%s%s' % (k, space, v) for k, v in fields) + "}"
        if trouble and r.random() < .02:
            line = r.choice(BROKEN)
        out.append(line.encode())
        if trouble and r.random() < .01:
            out.append(r.choice([b"", b"\xff\xfe{}", b'{"level":"ERROR","tenant":"t1\xc0\xaf"}', line[:len(line) // 2].encode()]))
    return out


def nest(fields, name):
    a, b = name.split(".")
    return [(a, '{"%s":%s}' % (b, v)) if k == name else (k, v) for k, v in fields]


def write_chain(r, folder, name, lines):
    """The lines over a live file and up to three rotations."""
    cuts = sorted(r.sample(range(len(lines) + 1), min(len(lines), r.choice([0, 0, 1, 2, 3]))))
    parts = [lines[a:b] for a, b in zip([0] + cuts, cuts + [len(lines)])]
    end = r.choice([b"\n", b"\n", b"\n", b"\r\n"])
    dated = r.random() < .3
    for i, part in enumerate(parts):
        age = len(parts) - 1 - i
        data = b"".join(x + end for x in part)
        if r.random() < .2:
            data = data[:-len(end)] if data else data       # no newline at the end
        path = os.path.join(folder, name)
        if age:
            path += "-%d" % (20240229 - age + 1) if dated else ".%d" % age
            if r.random() < .3:
                path += ".gz"
                data = gzip.compress(data, mtime=0)
        with open(path, "wb") as f:
            f.write(data)


# ---- rules

def predicate(r, depth=0):
    """A condition over one record."""
    if depth < 2 and r.random() < .25:
        a, b = predicate(r, depth + 1), predicate(r, depth + 1)
        return r.choice(["(%s and %s)", "(%s or %s)", "(%s && %s)", "(%s || %s)"]) % (a, b)
    if depth < 2 and r.random() < .08:
        return r.choice(["not (%s)", "!(%s)"]) % predicate(r, depth + 1)
    return r.choice([
        lambda: 'level == "ERROR"', lambda: 'level != "INFO"', lambda: "level in ['ERROR', 'WARN']",
        lambda: "@level >= 'warning'", lambda: "extra.ms > %d" % r.choice([0, 5, 10, 50]),
        lambda: "extra.ms <= %s" % r.choice(["1.5", "10", "2s", "4KiB", "50%"]), lambda: "ok", lambda: "ok == true",
        lambda: "ok != false", lambda: "has(extra.ms)", lambda: "extra.ms == null", lambda: 'event == "start"',
        lambda: 'event in ["complete", "abort"]', lambda: "message =~ '%s'" % r.choice(["^t", r"\d+", "o{1,2}u", r"^\w+: "]),
        lambda: "message !~ 'took'", lambda: 'startswith(message, "re")', lambda: 'contains(message, "me")',
        lambda: "len(extra.stage) %s %d" % (r.choice("<>"), r.randint(3, 6)), lambda: 'lower(level) == "error"',
        lambda: "extra.ms * 2 + 1 > n", lambda: "n / extra.ms > %d" % r.randint(0, 3), lambda: "n - 5 >= 0",
        lambda: "number(code) > %d" % r.choice([-4, 0, 5, 12]), lambda: "extra.ms > -%d" % r.randint(0, 30),
        lambda: "noise == '[]'", lambda: 'tenant == "t1"', lambda: "tenant == 1", lambda: 'extra["stage"] == "merge"', lambda: 'state == "FAILED"',
    ])()


def record_predicate(r, features):
    """One that may look back."""
    if "prev" not in features or r.random() < .5:
        return predicate(r)
    return r.choice([
        'prev.state == "RUNNING" and state == "FAILED"', "prev.state != state", "n < prev.n", "n - prev.n > 5",
        "prev.extra.ms > 10 and %s" % predicate(r), "not (prev.ok == true)", "prev.level == null or %s" % predicate(r),
        'has(prev.n) and event == "start"', 'prev.event in ["start"] and event in ["abort"]'])


def aggregate(r, own, features):
    field = r.choice(["extra.ms", "extra.ms", "n", "extra.ms * 2", "len(message)"])
    choices = [
        ("count()", 8), ("count()", 20), ("count(%s)" % predicate(r), 4), ("count(%s)" % predicate(r), 1),
        ("rate(%s)" % predicate(r), .3), ("sum(%s)" % field, 100), ("avg(%s)" % field, 15), ("min(%s)" % field, 2),
        ("max(%s)" % field, 90), ("%s(%s)" % (r.choice(["p50", "p90", "p95", "p99", "p99.9"]), field), 30)]
    choices += [c for c in [
        ("stddev(%s)" % field, 20), ("last(%s)" % r.choice([field, "ok == true", "level"]), 10),
        ("distinct(%s)" % r.choice(["tenant", "extra.ms", "state"]), 3), ("increase(n)", 10),
        ("changes(%s)" % r.choice(["state", "ok"]), 4), ("streak(%s)" % predicate(r), 2),
        ("streak(%s, %s)" % (predicate(r), r.choice(["state", "n"])), 2)] if c[0].split("(")[0] in features]
    text, scale = r.choice(choices)
    if own and r.random() < .2:
        text += " over %s" % r.choice(["2s", "15s", "45s", "3m", "10m"])
    return text, scale


def window_condition(r, by, features, up=True, shift=1.0):
    op = r.choice([">", ">="] if up else ["<", "<="])
    if r.random() < .25:
        p = predicate(r)
        text = "count(%s) / count() %s %d%%" % (p, op, r.choice([5, 10, 30, 50]) * shift)
    else:
        a, scale = aggregate(r, True, features)
        text = "%s %s %s" % (a, op, "%.3g" % (scale * shift * r.choice([.3, .7, 1, 1.5])))
    x = r.random()
    if x < .2:
        text += " and count() >= %d" % r.randint(1, 10)
    elif x < .25 and by:
        text += " and %s != %s" % (by[0], r.choice(['"t2"', '"merge"', "null", "1"]))
    elif x < .3:
        text = "not (%s)" % text
    elif x < .35:
        text += " or %s > 50" % aggregate(r, True, features)[0]
    elif x < .4:
        text = r.choice(["count() == 0", "sum(extra.ms) == 0", "avg(extra.ms) < 5"] +
                        ["increase(n) == 0"] * ("increase" in features))
    elif x < .45 and "baseline" in features:
        text = "avg(extra.ms) > 1.2 * baseline(avg(extra.ms), 20m)"
    return text


def window_rule(r, rule, features):
    by = rule.get("by", [])
    rule["over"] = r.choice(["5s", "10s", "30s", "1m", "2m", "5m", "90s", "1500ms"])
    if r.random() < .4:
        rule["every"] = r.choice(["1s", "2s", "5s", "7s", "500ms", "1500ms"])
    if r.random() < .35:
        levels = sorted(r.sample(["info", "warning", "error", "critical"], r.choice([2, 2, 3])),
                        key=["info", "warning", "error", "critical"].index)
        if r.random() < .6:
            a, scale = aggregate(r, True, features)
            rule["when"] = {lv: "%s > %.3g" % (a, scale * (.4 + .5 * i)) for i, lv in enumerate(levels)}
        else:
            rule["when"] = {lv: window_condition(r, by, features) for lv in levels}
        x = r.random()
        if x < .25:
            rule["resolve_when"] = window_condition(r, by, features, up=False)
        elif x < .45:
            rule["resolve_when"] = {lv: window_condition(r, by, features, up=False) for lv in levels}
        x = r.random()
        if x < .3:
            rule["for"] = r.choice(["5s", "15s", "40s"])
        elif x < .6:
            rule["for"] = {lv: r.choice(["0s", "3s", "10s", "30s"]) for lv in levels}
    else:
        rule["when"] = window_condition(r, by, features)
        if r.random() < .35:
            rule["resolve_when"] = window_condition(r, by, features, up=False, shift=.5)
        if r.random() < .45:
            rule["for"] = r.choice(["1s", "3s", "10s", "30s", "1m"])
    if r.random() < .5:
        rule["no_data"] = r.choice(["resolve", "keep", "evaluate"])


def make_rule(r, i, sources, features):
    rule = {"rule": "r%d" % i}
    if len(sources) > 1 and r.random() < .5:
        chosen = r.sample(sources, r.randint(1, len(sources)))
        rule["from"] = chosen if len(chosen) > 1 or r.random() < .5 else chosen[0]
    if r.random() < .3:
        rule["where"] = predicate(r)
    if r.random() < .75:
        rule["by"] = r.choice([["tenant"], ["extra.stage"], ["tenant", "extra.stage"], ["state"], ["@source"], ["level"]])
    if r.random() < .3:
        rule["severity"] = r.choice(["info", "warning", "error", "critical"])
    shape = pick(r, {"record": 3, "window": 6, "pair": 2, "presence": 3 if "presence" in features else 0})
    if shape == "record":
        rule["when"] = record_predicate(r, features)
        if r.random() < .8:
            rule["hold"] = r.choice(["0s", "1s", "5s", "20s", "2m"])
        if r.random() < .3 and "prev" in features and rule.get("hold", "2m") != "2m":
            rule["forget"] = r.choice(["30s", "5m"])
    elif shape == "pair":
        rule["open"] = r.choice(['event == "start"', 'state == "RUNNING"', predicate(r)])
        rule["close"] = r.choice(['event in ["complete", "abort"]', 'state in ["DONE", "FAILED"]', predicate(r)])
        rule["within"] = r.choice(["1s", "3s", "10s", "30s"])
        if r.random() < .5:
            rule["forget"] = r.choice(["31s", "1m", "5m"])
    elif shape == "presence" and r.random() < .5:
        rule["absent"] = r.choice(["5s", "20s", "1m"])
        if r.random() < .5:
            rule["forget"] = r.choice(["61s", "3m"])
        if rule.get("by") in (["tenant"], ["state"]):
            rule["expect"] = r.sample(TENANTS + ["RUNNING", "t9"], 2)
    elif shape == "presence":
        rule["by"] = rule.get("by", ["level"])
        rule["first"] = "extra.ms"
        rule["learn"] = r.choice(["1s", "10s", "1m"])
        rule["hold"] = r.choice(["1s", "10s"])
        if r.random() < .3:
            rule["forget"] = r.choice(["20s", "1m"])
    else:
        window_rule(r, rule, features)
    if "by" in rule and len(rule["by"]) == 1 and r.random() < .5:
        rule["by"] = rule["by"][0]
    return rule


def yaml_value(v):
    """Flow YAML; scalars in double quotes, so that no reader guesses at them."""
    if isinstance(v, dict):
        return "{" + ", ".join("%s: %s" % (k, yaml_value(x)) for k, x in v.items()) + "}"
    if isinstance(v, list):
        return "[" + ", ".join(map(yaml_value, v)) + "]"
    return json.dumps(v)


# ---- a case

def generate(seed, out, features=()):
    r = random.Random(seed)
    names = sorted(r.sample(["app", "jobs", "web"], r.choice([1, 1, 2, 3])))
    files = max(len(names), r.randint(1, 4))
    keys = r.randint(1, len(TENANTS))
    coarse = pick(r, {1: 1, MS: 4, 100 * MS: 2, S: 3})
    trouble = r.random() < .8
    start = (T0 + r.randint(0, 3600)) * S
    conf = {"sources": {}, "rules": ["rules.yaml"], "state": "state"}
    parts = [(names[i] if i < len(names) else r.choice(names), i) for i in range(files)]
    for name in names:
        os.makedirs(os.path.join(out, "logs", name))
        late = r.choice(["0s", "500ms", "2s", "2s", "10s"])
        jump = r.choice(["1h", "1h", "5m", "30m"])
        field = r.choice(["timestamp", "timestamp", "time", "ts", "meta.when"])
        zone = pick(r, {None: 3, "Europe/Berlin": 1})
        c = {"files": ["logs/%s/*.log" % name], "late": late, "max_jump": jump}
        if field == "meta.when" or r.random() < .5:
            c["time"] = field
        if zone:
            c["zone"] = zone
        if r.random() < .2:
            c["late_policy"] = "drop"
        conf["sources"][name] = c
        source = {"field": field, "late": {"0s": 0, "500ms": 500 * MS, "2s": 2 * S, "10s": 10 * S}[late],
                  "jump": {"1h": 3600 * S, "5m": 300 * S, "30m": 1800 * S}[jump],
                  "style": r.choice(["rfc", "rfc", "space", "s", "ms", "us", "ns"]), "zone_shift": 3600 if zone else 0}
        for own, i in parts:
            if own == name:
                lines = partition_lines(r, source, Stream(r, keys), start + r.randint(0, 60) * S,
                                        r.choice([5, 30, 100, 200, 300]), coarse, trouble)
                write_chain(r, os.path.join(out, "logs", name), "f%d.log" % i, lines)
    rules = [make_rule(r, i, names, features) for i in range(r.randint(2, 8))]
    until = r.choice(["0s", "0s", "1m", "10m"])
    with open(os.path.join(out, "weir.yaml"), "w", encoding="utf-8") as f:
        f.write("sources:\n")
        for name, c in conf["sources"].items():
            f.write("  %s: %s\n" % (name, yaml_value(c)))
        f.write("rules: [rules.yaml]\nstate: state\n")
    write_rules(os.path.join(out, "rules.yaml"), rules)
    with open(os.path.join(out, "until"), "w") as f:
        f.write(until + "\n")


def write_rules(path, rules):
    with open(path, "w", encoding="utf-8") as f:
        f.write("rules:\n")
        for rule in rules:
            lead = "- "
            for k, v in rule.items():
                f.write("%s%s: %s\n" % (lead, k, yaml_value(v)))
                lead = "  "


def read_features(text):
    chosen = FEATURES if text == "all" else [f for f in text.split(",") if f]
    unknown = set(chosen) - set(FEATURES)
    if unknown:
        raise SystemExit("gen: unknown feature %s; there are: all %s" % (", ".join(sorted(unknown)), " ".join(FEATURES)))
    return chosen


def main():
    ap = argparse.ArgumentParser(description="a random case from a seed")
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--with", dest="features", default="", metavar="F,..", help="all, or of: " + " ".join(FEATURES))
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    generate(a.seed, a.out, read_features(a.features))


if __name__ == "__main__":
    main()
