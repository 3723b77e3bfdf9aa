#!/usr/bin/env python3
"""Holds `weir replay --json` against this evaluator over random cases; exit 1 at any difference.

usage: compare.py --weir PATH [--start N] [--count N] [-j N] [--keep DIR] [--shrink] [--all] [--with F,..|all] [--case DIR]

Each seed is a case of gen.py (--case: a folder that holds weir.yaml and, if wanted, until). Of each transition, in order,
event, rule, state, level, timestamp, starts_at, ends_at, key, value, cause and partial are compared as text, and of ids
their form, and that both sides mean one alert by one id. --shrink looks for fewer rules and lines that still differ.
"""
import sys

sys.dont_write_bytecode = True

import argparse
import gzip
import os
import re
import shutil
import subprocess
import tempfile

import gen
import weir_oracle
from stamp import parse_duration, parse_stamp, print_time

FIELDS = ["event", "rule", "state", "level", "timestamp", "starts_at", "ends_at", "key", "value", "cause", "partial"]
WEIR_TIMEOUT = 120


def raw_members(line):
    """The members of a JSON object as (name, raw text), so that the comparison is one of bytes."""
    from jsonline import Parser
    p = Parser(line)
    p.space()
    p.expect("{")
    out = []
    while True:
        p.space()
        name = p.string()
        p.space()
        p.expect(":")
        p.space()
        at = p.i
        p.value(0)
        out.append((name, line[at:p.i]))
        p.space()
        if p.peek() != ",":
            p.expect("}")
            p.space()
            if p.i != len(line):
                raise ValueError("more than one value: %s" % line)
            return out
        p.i += 1


def read_until(case):
    path = os.path.join(case, "until")
    return open(path).read().strip() if os.path.exists(path) else "0s"


def run_weir(weir, case, jobs):
    cmd = [os.path.abspath(weir), "replay", "-c", "weir.yaml", "--json", "--until", read_until(case)]
    if jobs:
        cmd += ["-j", str(jobs)]
    p = subprocess.run(cmd, cwd=case, capture_output=True, timeout=WEIR_TIMEOUT)
    if p.returncode != 0:
        return None, "weir ended with %d: %s" % (p.returncode, p.stderr.decode("utf-8", "replace")[-2000:])
    return p.stdout.decode("utf-8").splitlines(), None


def run_oracle(case):
    sources, rules = weir_oracle.load(os.path.join(case, "weir.yaml"))
    engine = weir_oracle.Engine(sources, rules, parse_duration(read_until(case)))
    return engine, [weir_oracle.transition_json(t) for t in engine.run()]


def show(members):
    return "  ".join("%s=%s" % (f, members.get(f)) for f in ["id"] + FIELDS)


def difference(case, weir, jobs):
    """None, or (text, rule name or None, timestamp or None, engine)."""
    engine, want = run_oracle(case)
    try:
        got, error = run_weir(weir, case, jobs)
    except subprocess.TimeoutExpired:
        got, error = None, "weir did not end within %d s" % WEIR_TIMEOUT
    if error:
        return error, None, None, engine
    ids = {}
    for n in range(max(len(want), len(got))):
        w = dict(raw_members(want[n])) if n < len(want) else {}
        try:
            order = raw_members(got[n]) if n < len(got) else []
        except Exception as e:      # whatever is wrong with the line, it is a difference
            return "transition %d: weir wrote no object (%s): %s" % (n + 1, e, got[n]), None, None, engine
        g = dict(order)
        bad = [f for f in FIELDS if w.get(f) != g.get(f)]
        if w and g and not bad:
            if [k for k, _ in order] != weir_oracle.KEYS:
                bad = ["order of keys: " + ",".join(k for k, _ in order)]
            seconds = w["id"].split("_")[1]
            if not re.fullmatch(r'"alert_%s_[0-9a-f]{12}"' % seconds, g["id"]):
                bad.append("id")
            elif ids.setdefault(w["id"], g["id"]) != g["id"]:
                bad.append("id (another than before for this alert)")
        if bad:
            where = w or g
            before = "".join("    %s\n" % show(dict(raw_members(x))) for x in want[max(0, n - 3):n])
            text = "transition %d of %d (weir: %d) differs in %s\n%s  oracle %s\n  weir   %s" % (
                n + 1, len(want), len(got), ", ".join(bad), before and "  both, before:\n" + before, show(w) if w else "none",
                show(g) if g else "none")
            rule = (w or g)["rule"].strip('"')
            times = [x["timestamp"].strip('"') for x in (w, g) if x]
            if w and g and w["rule"] != g["rule"]:
                text += "\n  (two rules: what comes first is shown below)"
                rule = min((w, g), key=lambda x: x["timestamp"])["rule"].strip('"')
            return text, rule, min(times), engine
    if len(set(ids.values())) != len(ids):
        return "two alerts share one id", None, None, engine
    return None


def tell(case, diff):
    text, rule, when, engine = diff
    print("  " + text.replace("\n", "\n  "))
    print("  until %s; sources:" % read_until(case))
    for line in open(os.path.join(case, "weir.yaml"), encoding="utf-8"):
        print("    " + line.rstrip())
    found = next((r for r in engine.rules if r.name == rule), None)
    if found is None:
        return
    print("  rule:")
    for k, v in found.doc.items():
        print("    %s: %s" % (k, gen.yaml_value(v)))
    if found.shape == "window":
        print("    (every %gs, over %gs)" % (found.every / 1e9, found.over / 1e9))
    t = parse_stamp(when)
    span = found.longest() if found.shape == "window" else max(found.hold, getattr(found, "within", 0))
    near = [r for r in engine.timeline.records if r.source in found.sources and r.time <= t + 10 ** 9
            and (found.where is None or r.value(found.where) is True)]
    near = [r for r in near if r.time >= t - span - 2 * 10 ** 9] or near
    print("  records that the rule sees, up to there (the last 25 of %d): time, verdict, file:offset, line" % len(near))
    for r in near[-25:]:
        verdict = "late" if r.late else "" if r.stamp == r.time else "moved"
        print("    %s %-5s %s:%d %s" % (print_time(r.time), verdict, os.path.basename(r.path), r.offset,
                                        r.raw.decode("utf-8", "replace")))


# ---- smaller

def log_files(case):
    for folder, _, names in os.walk(os.path.join(case, "logs")):
        for n in sorted(names):
            yield os.path.join(folder, n)


def shrink(case, weir, jobs):
    """Drops rules, then lines, as long as weir and the evaluator differ."""
    import yaml

    def differs():
        try:
            return difference(case, weir, jobs) is not None
        except Exception:
            return False        # a case that cannot be read is no smaller case
    path = os.path.join(case, "rules.yaml")
    rules = yaml.load(open(path, encoding="utf-8"), Loader=yaml.BaseLoader)["rules"]
    i = 0
    while i < len(rules) and len(rules) > 1:
        fewer = rules[:i] + rules[i + 1:]
        gen.write_rules(path, fewer)
        if differs():
            rules = fewer
        else:
            i += 1
    gen.write_rules(path, rules)
    for f in list(log_files(case)):
        opener = gzip.open if f.endswith(".gz") else open
        with opener(f, "rb") as h:
            lines = h.read().splitlines(keepends=True)

        def write(ls):
            with opener(f, "wb") as h:
                h.write(b"".join(ls))
        step = max(1, len(lines) // 2)
        while step:
            at = 0
            while at < len(lines):
                fewer = lines[:at] + lines[at + step:]
                write(fewer)
                if differs():
                    lines = fewer
                else:
                    at += step
            step //= 2
        write(lines)


def one(case, name, a):
    diff = difference(case, a.weir, a.j)
    if diff is None:
        return True
    print("DIFFERENT: %s" % name)
    if a.shrink:
        shrink(case, a.weir, a.j)
        diff = difference(case, a.weir, a.j) or diff
    tell(case, diff)
    if a.keep:
        to = os.path.join(a.keep, name.replace(" ", "-"))
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(case, to)
        print("  kept in %s" % to)
    sys.stdout.flush()
    return False


def main():
    ap = argparse.ArgumentParser(description="weir replay against the slow evaluator")
    ap.add_argument("--weir", required=True, metavar="PATH")
    ap.add_argument("--start", type=int, default=1, metavar="SEED")
    ap.add_argument("--count", type=int, default=50, metavar="N")
    ap.add_argument("-j", type=int, default=0, metavar="N", help="workers of weir replay")
    ap.add_argument("--keep", metavar="DIR", help="where failing cases are copied")
    ap.add_argument("--shrink", action="store_true", help="make a failing case small first")
    ap.add_argument("--all", action="store_true", help="go on after a difference")
    ap.add_argument("--case", metavar="DIR", help="this folder instead of seeds")
    ap.add_argument("--with", dest="features", default="", metavar="F,..", help="all, or of: " + " ".join(gen.FEATURES))
    a = ap.parse_args()
    features = gen.read_features(a.features)
    failed = 0
    if a.case:
        with tempfile.TemporaryDirectory() as d:
            case = os.path.join(d, "case")
            shutil.copytree(a.case, case)
            sys.exit(0 if one(case, "case", a) else 1)
    for seed in range(a.start, a.start + a.count):
        with tempfile.TemporaryDirectory() as d:
            gen.generate(seed, d, features)
            if not one(d, "seed %d" % seed, a):
                failed += 1
                if not a.all:
                    break
    print("%d of %d cases differ" % (failed, seed - a.start + 1))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
