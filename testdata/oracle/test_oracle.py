#!/usr/bin/env python3
"""Cases worked out by hand: logs and rules in, the transitions that the design text asks for out."""
import sys

sys.dont_write_bytecode = True

import gzip
import json
import os
import tempfile
import unittest

import expr
import gen
import jsonline
import stamp
import weir_oracle
from aggregates import root_to_double, sketch_value
from fractions import Fraction
from windows import default_every

EPOCH = 946684800       # 2000-01-01T00:00:00Z
S = 10 ** 9


def at(seconds):
    return stamp.print_time(round((EPOCH + seconds) * 1000) * 10 ** 6)


def line(t, **fields):
    """A record at t seconds (None: no stamp)."""
    o = {} if t is None else {"timestamp": at(t)}
    o.update(fields)
    return json.dumps(o)


class Case(unittest.TestCase):
    def run_case(self, files, rules, source="{files: ['*.log']}", until="0s", now=None):
        """files: name to lines, or to bytes. Returns (event, seconds, key, value, level, cause) of each transition."""
        with tempfile.TemporaryDirectory() as d:
            for name, lines in files.items():
                data = lines if isinstance(lines, bytes) else "".join(x + "\n" for x in lines).encode()
                with open(os.path.join(d, name), "wb") as f:
                    f.write(data)
            with open(os.path.join(d, "weir.yaml"), "w") as f:
                f.write("sources: {app: %s}\nrules: [rules.yaml]\n" % source)
            with open(os.path.join(d, "rules.yaml"), "w") as f:
                f.write(rules)
            self.told = weir_oracle.evaluate(os.path.join(d, "weir.yaml"), stamp.parse_duration(until), now)
        return self.told

    def expect(self, wanted, fields=("event", "timestamp", "key", "value")):
        got = []
        for t in self.told:
            row = []
            for f in fields:
                v = t[f]
                if f in ("timestamp", "starts_at", "ends_at") and v is not None:
                    v = round(stamp.parse_stamp(v) / S - EPOCH, 3)
                row.append(v)
            got.append(tuple(row))
        self.assertEqual(got, wanted)


class Parts(unittest.TestCase):
    def test_default_every(self):
        for over, every in ((10, 1), (60, 1), (61, 2), (300, 5), (3600, 60), (7200, 60), (86400, 360), (86401, 361)):
            self.assertEqual(default_every(over * S), every * S, over)

    def test_stamps(self):
        self.assertEqual(stamp.parse_stamp("2000-01-01T00:00:00Z"), EPOCH * S)
        self.assertEqual(stamp.parse_stamp("2000-01-01T01:30:00.5+01:30"), EPOCH * S + S // 2)
        self.assertEqual(stamp.parse_stamp("2000-01-01 00:00:00,123"), EPOCH * S + 123 * 10 ** 6)
        self.assertEqual(stamp.parse_stamp("2000-01-01T00:00:00.1234567899Z"), EPOCH * S + 123456789)
        self.assertEqual(stamp.parse_stamp("946684800"), EPOCH * S)
        self.assertEqual(stamp.parse_stamp("946684800.25"), EPOCH * S + S // 4)
        self.assertEqual(stamp.parse_stamp("946684800001"), EPOCH * S + 10 ** 6)
        self.assertEqual(stamp.parse_stamp("946684800000001"), EPOCH * S + 10 ** 3)
        self.assertEqual(stamp.parse_stamp("946684800000000001"), EPOCH * S + 1)
        for bad in ("", "yesterday", "2000-13-01T00:00:00Z", "2000-02-30T00:00:00Z", "2000-01-01", "2000-01-01T25:00:00Z"):
            self.assertIsNone(stamp.parse_stamp(bad), bad)

    def test_numbers(self):
        for v, text in ((1.0, "1"), (-0.0, "0"), (0.1, "0.1"), (5 / 45, "0.1111111111111111"), (1e6, "1000000")):
            self.assertEqual(stamp.number_text(v), text)

    def test_lines(self):
        for bad in (b"", b"{", b"{} {}", b"[1]", b"1", b'{"a":1,}', b'{"a":01}', b'{"a":"\xff"}', b'{"a":"\x01"}',
                    b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", b'\x0c{}', b'{"a":\x00}', b'{"a":"\\x"}'):
            with self.assertRaises(jsonline.Malformed, msg=bad):
                jsonline.parse_line(bad)
        t = jsonline.parse_line(b'{"a":1,"a":{"b":[1, 2]},"a.c":"\\u00e9\\ud83d\\ude00\\n","x":{"y.z":3}}')
        self.assertEqual(jsonline.find(t, ("a", "b")).text, "[1, 2]")
        self.assertEqual(jsonline.find(t, ("a", "c")).text, "\u00e9\U0001f600\n")
        self.assertEqual(jsonline.find(t, ("x", "y", "z")).text, "3")
        self.assertIsNone(jsonline.find(t, ("a", "d")))

    def value(self, text, record="{}"):
        r = weir_oracle.Timeline([]).records
        from timeline import Record
        r = Record("app", "f", "f", 1, 0, record.encode(), jsonline.parse_line(record.encode()))
        return expr.parse(text).at(r)

    def test_expressions(self):
        rec = '{"n":3,"s":"Abc","z":null,"t":true,"o":{"k":[1]},"big":1e999}'
        for text, want in (
                ("n == 3", True), ("n == '3'", False), ("n != '3'", True), ("z == null", True), ("q == null", True),
                ("n == null", False), ("n != null", True), ("z != 3", True), ("z < 3", None), ("s < 3", None),
                ("s < 'B'", True), ("z + 1", None), ("n / 0", None), ("n / 2", 1.5), ("s + s", None),
                ("z > 1 and n == 4", False), ("z > 1 or n == 3", True), ("not (z > 1)", None), ("z > 1 and n == 3", None),
                ("not n == 4 and t", True), ("n in [1, 3]", True), ("z in [1, 3]", False), ("z in [null]", True),
                ("s =~ 'b'", True), ("s !~ '^b'", True), ("z =~ 'b'", None), ("n !~ 'b'", None), ("has(z)", False),
                ("has(n)", True), ("lower(s) == 'abc'", True), ("len(s)", 3.0), ("len(n)", None), ("number('12.5')", 12.5),
                ("number('x')", None), ("startswith(s, 'A')", True), ("contains(s, 'bc')", True), ("contains(n, 'b')", None),
                ("10%", 0.1), ("5m", 300.0), ("250ms", 0.25), ("4KiB", 4096.0), ("10MB", 1e7), ("o == '{\"k\":[1]}'", True),
                ("o.k == '[1]'", True), ("1 + 2 * 3 - 4 / 2", 5.0), ("(1 + 2) * 3", 9.0), ("!(n == 3) || t", True),
                ('"a\\u0041" == "aA"', True), ("'a\\n' == 'a'", False)):
            self.assertEqual(self.value(text, rec), want, text)
        for bad in ("1 < 2 < 3", "n ==", "count() > 1", "prev.n == 1", '"\\x"', "n @ 3", "nosuch(n)"):
            with self.assertRaises(expr.ExprError, msg=bad):
                expr.parse(bad)

    def test_sketch_and_root(self):
        # g = 101/99: 1 lies in bucket 0, whose value is 2/(g+1) = 0.99.
        self.assertEqual(sketch_value(1.0), 0.99)
        self.assertEqual(sketch_value(1.01), float(Fraction(99, 100) * Fraction(101, 99)))
        self.assertEqual(sketch_value(-1.0), -0.99)
        self.assertEqual(sketch_value(0.0), 0.0)
        self.assertEqual(root_to_double(Fraction(2)), 2 ** 0.5)
        self.assertEqual(root_to_double(Fraction(9, 4)), 1.5)


class Windows(Case):
    def test_worked_example(self):
        """Section 10: 2/40 at 40s is no alert, 5/45 at 45s fires, 5/100 holds, 5/105 resolves."""
        logs = [line(i, level="INFO", extra={"stage": "merging"}) for i in range(38)]
        logs += [line(i, level="ERROR", extra={"stage": "merging"}) for i in range(38, 43)]
        logs += [line(i, level="INFO", extra={"stage": "merging"}) for i in range(43, 243)]
        self.run_case({"a.log": logs}, """
rules:
- rule: error-rate
  by: extra.stage
  over: 5m
  when: count(level == "ERROR") / count() > 10% and count() >= 20
  resolve_when: count(level == "ERROR") / count() < 5%
  severity: critical
""", until="30m")
        self.expect([
            ("firing", 45, '{"extra.stage":"merging"}', "0.1111111111111111", "critical", None),
            ("resolved", 105, '{"extra.stage":"merging"}', "0.047619047619047616", "critical", None)],
            ("event", "timestamp", "key", "value", "level", "cause"))
        self.assertTrue(self.told[0]["id"].startswith("alert_946684845_"))
        self.assertEqual(self.told[0]["id"], self.told[1]["id"])

    def test_for_pending_dropped(self):
        # Bad at 10 s and at 20..24 s, boundaries each second, over 2 s: true at 11, 12 (dropped at 13) and at 21..26.
        logs = [line(t, bad=t == 10 or 20 <= t < 25) for t in range(30)]
        self.run_case({"a.log": logs}, """
rules:
- {rule: r, over: 2s, when: count(bad) > 0, for: 3s}
""")
        self.expect([("pending", 11, 11, None), ("dropped", 13, 11, 13), ("pending", 21, 21, None),
                     ("firing", 24, 21, None), ("resolved", 27, 21, 27)], ("event", "timestamp", "starts_at", "ends_at"))

    def test_no_data(self):
        # One record at 0.5 s, over 2 s: its window is (b-2 <= 0.5 < b), so b = 1 and 2; empty at 3.
        logs = [line(0.5, k="x"), line(60, k="y")]
        rules = "rules:\n- {rule: r, by: k, over: 2s, when: count() > 0, no_data: %s}\n"
        self.run_case({"a.log": logs}, rules % "resolve", until="1m")
        self.expect([("firing", 1, '{"k":"x"}', None), ("resolved", 3, '{"k":"x"}', "no data"),
                     ("firing", 61, '{"k":"y"}', None), ("resolved", 63, '{"k":"y"}', "no data")],
                    ("event", "timestamp", "key", "cause"))
        self.run_case({"a.log": logs}, rules % "keep", until="1m")
        self.expect([("firing", 1, '{"k":"x"}'), ("firing", 61, '{"k":"y"}')], ("event", "timestamp", "key"))
        self.run_case({"a.log": logs}, rules % "evaluate", until="1m")
        self.expect([("firing", 1, None), ("resolved", 3, None), ("firing", 61, None), ("resolved", 63, None)],
                    ("event", "timestamp", "cause"))
        # avg over nothing is null, and null over nothing is no data.
        self.run_case({"a.log": [line(0.5, v=9), line(10, v=1)]},
                      "rules:\n- {rule: r, over: 2s, when: avg(v) > 5}\n")
        self.expect([("firing", 1, None, "9"), ("resolved", 3, "no data", "null")],
                    ("event", "timestamp", "cause", "value"))

    def test_silence_without_by(self):
        # Live from the first record of the sources on, though `where` lets none through: evaluated over nothing, once.
        self.run_case({"a.log": [line(0.5, x=1), line(3.2, x=2), line(9, x=1)]},
                      "rules:\n- {rule: r, where: x == 2, over: 2s, when: count() == 0}\n")
        self.expect([("firing", 1), ("resolved", 4), ("firing", 6)], ("event", "timestamp"))

    def test_key_emptied_evaluated_once(self):
        self.run_case({"a.log": [line(0.5, k=1), line(20, k=2)]},
                      "rules:\n- {rule: r, by: k, over: 2s, when: count() == 0, no_data: evaluate}\n")
        self.expect([("firing", 3, '{"k":1}')], ("event", "timestamp", "key"))

    def test_levels(self):
        # avg over 1 s of one value a second; the value of second t decides boundary t + 1.
        v = [1, 6, 9, 9, 6, 1, 9, 1, 1]
        self.run_case({"a.log": [line(t, v=x) for t, x in enumerate(v)]}, """
rules:
- {rule: r, over: 1s, every: 1s, when: {warning: max(v) > 5, critical: max(v) > 8}, for: {warning: 0s, critical: 1s}}
""")
        # 2: warning; 3: critical's clock starts; 4: critical; 5: critical is false, warning takes over; 6: none is left.
        # 7: critical and warning true, warning fires at once; 8: over.
        self.expect([("firing", 2, "warning", 2), ("level", 4, "critical", 2), ("level", 5, "warning", 2),
                     ("resolved", 6, "warning", 2), ("firing", 7, "warning", 7), ("resolved", 8, "warning", 7)],
                    ("event", "timestamp", "level", "starts_at"))

    def test_lower_level_takes_over_with_its_clock_met(self):
        # critical has no `for` and is true at 1; warning's clock of 10 s started at 1 too; at 2 only warning is true.
        self.run_case({"a.log": [line(t, v=x) for t, x in enumerate([9, 6, 6, 1, 1])]}, """
rules:
- {rule: r, over: 1s, when: {warning: max(v) > 5, critical: max(v) > 8}, for: {warning: 10s, critical: 0s}}
""")
        self.expect([("firing", 1, "critical"), ("level", 2, "warning"), ("resolved", 4, "warning")],
                    ("event", "timestamp", "level"))

    def test_fires_or_resolves_not_both(self):
        self.run_case({"a.log": [line(t) for t in range(6)]},
                      "rules:\n- {rule: r, over: 1s, when: count() > 0, resolve_when: count() > 0}\n")
        self.expect([("firing", 1), ("resolved", 2), ("firing", 3), ("resolved", 4), ("firing", 5)],
                    ("event", "timestamp"))

    def test_null_keeps(self):
        # Record at 3 has no v: avg is null over its second, the alert stays.
        self.run_case({"a.log": [line(1, v=9), line(2, v=9), line(3), line(4, v=1), line(5)]},
                      "rules:\n- {rule: r, over: 1s, when: avg(v) > 5}\n")
        self.expect([("firing", 2), ("resolved", 5)], ("event", "timestamp"))

    def test_own_window_and_rounding(self):
        # every 2 s rounds `over 3s` to 4 s and `over: 5s` to 6 s; boundaries are even seconds.
        self.run_case({"a.log": [line(t, e=t == 1) for t in range(12)]},
                      "rules:\n- {rule: r, over: 5s, every: 2s, when: count(e) over 3s > 0}\n")
        self.expect([("firing", 2), ("resolved", 6)], ("event", "timestamp"))
        self.run_case({"a.log": [line(t, e=t == 1) for t in range(12)]},
                      "rules:\n- {rule: r, over: 5s, every: 2s, when: count(e) > 0}\n")
        self.expect([("firing", 2), ("resolved", 8)], ("event", "timestamp"))

    def test_aggregates(self):
        def value(agg, records):
            self.run_case({"a.log": [line(t, **f) for t, f in records]},
                          "rules:\n- {rule: r, over: 10s, every: 10s, when: '%s != -1'}\n" % agg, until="10s")
            return self.told[0]["value"]
        rs = [(0, {"v": 0.1}), (1, {"v": 0.2}), (2, {"v": 0.3}), (3, {"v": "x"}), (4, {})]
        self.assertEqual(value("sum(v)", rs), "0.6")      # exact, rounded once (0.1 + 0.2 + 0.3 in doubles is more)
        self.assertEqual(value("avg(v)", rs), "0.2")
        self.assertEqual(value("min(v)", rs), "0.1")
        self.assertEqual(value("max(v)", rs), "0.3")
        self.assertEqual(value("last(v)", rs), '"x"')
        self.assertEqual(value("distinct(v)", rs), "4")
        self.assertEqual(value("changes(v)", rs), "3")
        self.assertEqual(value("rate(v > 0.15)", rs), "0.2")
        self.assertEqual(value("stddev(v)", [(0, {"v": 2}), (1, {"v": 4}), (2, {"v": 4}), (3, {"v": 4}), (4, {"v": 5}),
                                             (5, {"v": 5}), (6, {"v": 7}), (7, {"v": 9})]), "2")
        self.assertEqual(value("increase(v)", [(0, {"v": 5}), (1, {"v": 8}), (2, {}), (3, {"v": 2}), (4, {"v": 4})]), "7")
        self.assertEqual(value("streak(v > 1)", [(0, {"v": 5}), (1, {"v": 1}), (2, {"v": 5}), (3, {"v": 6})]), "2")
        self.assertEqual(value("streak(v > 1, run)", [(0, {"v": 5, "run": 1}), (1, {"v": 0, "run": 1}),
                                                      (2, {"v": 5, "run": 2}), (3, {"v": 0, "run": 2})]), "2")
        self.assertEqual(value("p50(v)", [(0, {"v": 1}), (1, {"v": 1}), (2, {"v": 50})]), "0.99")

    def test_baseline(self):
        # Windows of 10 s ending at 10, 20, ...; first record at 0. avg is 1 in each, then 9 in 60..70.
        logs = [line(t, v=9 if t >= 60 else 1) for t in range(75)]
        self.run_case({"a.log": logs},
                      "rules:\n- {rule: r, over: 10s, every: 10s, when: 'avg(v) > 2 * baseline(avg(v), 40s)'}\n")
        self.expect([("firing", 70, "9")], ("event", "timestamp", "value"))


class Records(Case):
    RULE = "rules:\n- {rule: r, by: k, when: bad, hold: %s}\n"

    def test_hold(self):
        logs = [line(0, k=1, bad=True), line(4, k=1, bad=True), line(9, k=1, bad=True), line(12, k=1), line(30, k=1)]
        self.run_case({"a.log": logs}, self.RULE % "5s")
        # 4 prolongs to 9; at 9 the timer runs first, so the third match is an alert of its own.
        self.expect([("firing", 0, 0, None), ("resolved", 9, 0, 9), ("firing", 9, 9, None), ("resolved", 14, 9, 14)],
                    ("event", "timestamp", "starts_at", "ends_at"))

    def test_hold_0(self):
        self.run_case({"a.log": [line(0, k=1, bad=True), line(0, k=1, bad=True)]}, self.RULE % "0", until="1h")
        self.expect([("firing", 0), ("firing", 0)], ("event", "timestamp"))
        self.assertNotEqual(self.told[0]["id"], self.told[1]["id"])

    def test_prev(self):
        logs = [line(0, run="a", state="FAILED"), line(1, run="b", state="RUNNING"), line(2, run="a", state="RUNNING"),
                line(3, run="b", state="FAILED"), line(10, run="a"), line(11, run="a", state="FAILED")]
        self.run_case({"a.log": logs},
                      'rules:\n- {rule: r, by: run, hold: 0, when: prev.state == "RUNNING" and state == "FAILED"}\n')
        self.expect([("firing", 3, '{"run":"b"}', '"RUNNING"')])
        # Without a previous record every comparison with prev. is null, `not` of it too.
        self.run_case({"a.log": logs}, 'rules:\n- {rule: r, by: run, hold: 0, when: not (prev.state == "X")}\n')
        self.expect([("firing", 2), ("firing", 3), ("firing", 10), ("firing", 11)], ("event", "timestamp"))

    def test_late_record_is_no_prev(self):
        logs = [line(0, s="a"), line(10, s="b"), line(1, s="late"), line(11, s="c")]
        self.run_case({"a.log": logs}, 'rules:\n- {rule: r, hold: 0, when: prev.s != "x"}\n')
        # The late one counts at the mark, 8; its own prev is the record at 0, and the prev of 10 is that one too.
        self.expect([("firing", 8, '"a"'), ("firing", 10, '"a"'), ("firing", 11, '"b"')],
                    ("event", "timestamp", "value"))

    def test_key_order_at_one_instant(self):
        logs = [line(0, k="b", bad=True), line(0, k="a", bad=True), line(0, k=10, bad=True), line(0, k=9.0, bad=True)]
        self.run_case({"a.log": logs}, self.RULE % "1m")
        self.expect([('{"k":"a"}',), ('{"k":"b"}',), ('{"k":10}',), ('{"k":9}',)], ("key",))


class Pairs(Case):
    RULE = 'rules:\n- {rule: r, by: k, open: e == "o", close: e == "c", within: 10s, forget: %s}\n'

    def test_pair(self):
        logs = [line(0, k=1, e="o"), line(1, k=2, e="o"), line(5, k=1, e="o"), line(9, k=2, e="c"), line(10, k=1, e="c"),
                line(30, k=2)]
        self.run_case({"a.log": logs}, self.RULE % "7d")
        # The timer due at 10 runs before the record of 10.
        self.expect([("firing", 10, '{"k":1}', 10), ("resolved", 10, '{"k":1}', 10)],
                    ("event", "timestamp", "key", "starts_at"))

    def test_forgotten(self):
        self.run_case({"a.log": [line(0, k=1, e="o"), line(7, k=1), line(100, k=2)]}, self.RULE % "30s")
        self.expect([("firing", 10, None), ("resolved", 37, "forgotten")], ("event", "timestamp", "cause"))

    def test_one_instant_openers_first(self):
        # a.log closes at 0 what b.log opens at 0: the opener goes first, so nothing stays open.
        self.run_case({"a.log": [line(0, k=1, e="c"), line(60, k=2)], "b.log": [line(0, k=1, e="o")]}, self.RULE % "7d")
        self.expect([])
        # In one partition the order of its lines stands.
        self.run_case({"a.log": [line(0, k=1, e="c"), line(0, k=1, e="o"), line(60, k=2)]}, self.RULE % "7d")
        self.expect([("firing", 10)], ("event", "timestamp"))


class Presence(Case):
    def test_absent(self):
        logs = [line(0, w="x"), line(3, w="a"), line(20, w="a"), line(40, w="x")]
        self.run_case({"a.log": logs}, "rules:\n- {rule: r, by: w, absent: 10s, expect: [a, b]}\n")
        self.expect([("firing", 10, '{"w":"b"}'), ("firing", 10, '{"w":"x"}'), ("firing", 13, '{"w":"a"}'),
                     ("resolved", 20, '{"w":"a"}'), ("firing", 30, '{"w":"a"}'), ("resolved", 40, '{"w":"x"}')],
                    ("event", "timestamp", "key"))

    def test_first(self):
        logs = [line(0, l="m", c="A"), line(5, l="m", c="B"), line(10, l="m", c="C"), line(11, l="m", c="A"),
                line(12, l="m", c="C"), line(60, l="m")]
        self.run_case({"a.log": logs}, "rules:\n- {rule: r, by: l, first: c, learn: 10s, hold: 20s}\n")
        self.expect([("firing", 10, '{"l":"m","c":"C"}'), ("resolved", 30, '{"l":"m","c":"C"}')],
                    ("event", "timestamp", "key"))


class Time(Case):
    RULE = "rules:\n- {rule: r, by: k, hold: 0, when: k > 0}\n"

    def times(self, logs, **how):
        self.run_case(logs if isinstance(logs, dict) else {"a.log": logs}, self.RULE, **how)
        return [(int(json.loads(t["key"])["k"]), round(stamp.parse_stamp(t["timestamp"]) / S - EPOCH, 3))
                for t in self.told]

    def test_late(self):
        logs = [line(10, k=1), line(8.5, k=2), line(8, k=3), line(7.9, k=4), line(11, k=5)]
        self.assertEqual(self.times(logs), [(3, 8), (4, 8), (2, 8.5), (1, 10), (5, 11)])
        self.assertEqual(self.times(logs, source="{files: ['*.log'], late_policy: drop}"),
                         [(3, 8), (2, 8.5), (1, 10), (5, 11)])

    def test_untimed(self):
        logs = [line(None, k=1), line(10, k=2), line(9, k=3), line(None, k=4), '{"k":5,"timestamp":"soon"}', "{broken",
                line(20, k=6)]
        self.assertEqual(self.times(logs), [(3, 9), (2, 10), (4, 10), (5, 10), (6, 20)])

    def test_jump_skewed(self):
        # 9000 s is past 1 h; the next timed record is back, so the held one takes the greatest time, as the untimed do.
        logs = [line(10, k=1), line(9000, k=2), line(None, k=3), line(12, k=4)]
        self.assertEqual(self.times(logs), [(1, 10), (2, 10), (3, 10), (4, 12)])

    def test_jump_real(self):
        logs = [line(10, k=1), line(9000, k=2), line(None, k=3), line(5500, k=4), line(9001, k=5)]
        self.assertEqual(self.times(logs), [(1, 10), (4, 8998), (2, 9000), (3, 9000), (5, 9001)])

    def test_jump_at_the_end_is_real(self):
        self.assertEqual(self.times([line(10, k=1), line(9000, k=2)]), [(1, 10), (2, 9000)])

    def test_jump_of_exactly_max_jump_is_none(self):
        self.assertEqual(self.times([line(10, k=1), line(3610, k=2), line(3609, k=3)]), [(1, 10), (3, 3609), (2, 3610)])

    def test_past_the_wall_clock(self):
        now = (EPOCH + 100) * S
        logs = [line(10, k=1), line(3701, k=2), line(3702, k=3), line(12, k=4)]
        self.assertEqual(self.times(logs, now=now), [(1, 10), (2, 10), (3, 10), (4, 12)])

    def test_rotations_are_one_partition(self):
        logs = {"a.log.2.gz": gzip.compress((line(1, k=1) + "\n" + line(10, k=2)).encode()),
                "a.log.1": [line(11, k=3)], "a.log": [line(5, k=4), line(12, k=5)], "b.log": [line(5, k=6)]}
        self.assertEqual(self.times(logs), [(1, 1), (6, 5), (4, 9), (2, 10), (3, 11), (5, 12)])
        order = {"a.log.10": [line(1, k=1)], "a.log.9": [line(1, k=2)], "a.log": [line(1, k=3)]}
        self.run_case(order, "rules:\n- {rule: r, hold: 0, when: 'k > 0'}\n")
        self.assertEqual([t["value"] for t in self.told], ["1", "2", "3"])
        dates = {"a.log-20000103": [line(1, k=2)], "a.log-20000102": [line(1, k=1)], "a.log": [line(1, k=3)]}
        self.run_case(dates, "rules:\n- {rule: r, hold: 0, when: 'k > 0'}\n")
        self.assertEqual([t["value"] for t in self.told], ["1", "2", "3"])

    def test_end_of_input(self):
        # Time goes to the greatest time of all partitions (20), then on by --until; the timer at 15 runs, that at 25 not.
        logs = {"a.log": [line(10, k=1), line(None, k=2)], "b.log": [line(20, k=3)]}
        rules = "rules:\n- {rule: r, by: k, when: k > 0, hold: 5s}\n"
        self.run_case(logs, rules)
        self.expect([("firing", 10), ("firing", 10), ("resolved", 15), ("resolved", 15), ("firing", 20)],
                    ("event", "timestamp"))
        self.run_case(logs, rules, until="5s")
        self.assertEqual(len(self.told), 6)

    def test_order_over_rules(self):
        rules = "rules:\n- {rule: z, when: k == 1, hold: 5s}\n- {rule: a, when: k > 0, hold: 0}\n"
        self.run_case({"a.log": [line(0, k=1), line(5, k=2)]}, rules)
        self.expect([("z", "firing", 0), ("a", "firing", 0), ("z", "resolved", 5), ("a", "firing", 5)],
                    ("rule", "event", "timestamp"))


class Generator(unittest.TestCase):
    def test_same_seed_same_bytes(self):
        def tree(seed, features):
            with tempfile.TemporaryDirectory() as d:
                gen.generate(seed, d, features)
                told = weir_oracle.evaluate(os.path.join(d, "weir.yaml"))
                out = {}
                for folder, _, names in os.walk(d):
                    for n in names:
                        with open(os.path.join(folder, n), "rb") as f:
                            out[os.path.relpath(os.path.join(folder, n), d)] = f.read()
                return out, [weir_oracle.transition_json(t) for t in told]
        seen = 0
        for seed in range(3):
            for features in ([], gen.FEATURES):
                a = tree(seed, features)
                self.assertEqual(a, tree(seed, features))
                seen += len(a[1])
                for t in a[1]:
                    self.assertEqual(list(json.loads(t)), weir_oracle.KEYS)
        self.assertGreater(seen, 0)


if __name__ == "__main__":
    unittest.main()
