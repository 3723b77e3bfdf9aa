"""Aggregates of a key over a slice of its records, each computed from nothing with exact numbers.

A History holds all records of one rule and key in the order of application. Samples that look back (increase, changes,
streak, last) skip late records: those have lost their place in the order.
"""
import math
from bisect import bisect_left
from fractions import Fraction

GAMMA = Fraction(101, 99)       # 1.01/0.99
FORGET_SERIES = 7 * 86400 * 10 ** 9


def to_double(x):
    try:
        return float(x)         # Fraction's division rounds once, correctly
    except OverflowError:
        return None


def root_to_double(x):
    """The square root of a Fraction, rounded once."""
    if x == 0:
        return 0.0
    shift = max(0, 130 - (x.numerator.bit_length() - x.denominator.bit_length()))
    shift += shift % 2
    scaled = (x.numerator << shift) // x.denominator
    r = math.isqrt(scaled)
    rest = r * r * x.denominator != x.numerator << shift
    return to_double(Fraction(2 * r + rest, 1 << (shift // 2 + 1)))


def bucket(x):
    """i with g^(i-1) < x <= g^i, for x > 0."""
    i = round(math.log(x) / math.log(101 / 99))
    x = Fraction(x)
    while GAMMA ** i < x:
        i += 1
    while GAMMA ** (i - 1) >= x:
        i -= 1
    return i


BUCKET_VALUES = {}


def sketch_value(x):
    if x == 0:
        return 0.0
    if x < 0:
        return -sketch_value(-x)
    i = bucket(x)
    if i not in BUCKET_VALUES:
        BUCKET_VALUES[i] = to_double(2 * GAMMA ** i / (GAMMA + 1))
    return BUCKET_VALUES[i]


def quantile(values, q):
    if not values:
        return None
    n = len(values)
    rank = max(1, math.ceil(Fraction(q) / 100 * n))
    return sketch_value(sorted(values)[rank - 1])


class History:
    def __init__(self):
        self.records = []
        self.times = []
        self.cache = {}
        self.growth = {}

    def add(self, r):
        self.records.append(r)
        self.times.append(r.time)

    def span(self, b, over):
        return bisect_left(self.times, b - over), bisect_left(self.times, b)

    def value(self, agg, b, over):
        """The aggregate's value over b - over <= time < b."""
        lo, hi = self.span(b, over)
        at = (id(agg), lo, hi)
        if at not in self.cache:
            self.cache[at] = self.compute(agg, lo, hi, over)
        return self.cache[at]

    def compute(self, agg, lo, hi, over):
        rs = self.records[lo:hi]
        arg = agg.args[0] if agg.args else None
        if agg.fn == "count":
            return float(len(rs) if arg is None else sum(r.value(arg) is True for r in rs))
        if agg.fn == "rate":
            n = len(rs) if arg is None else sum(r.value(arg) is True for r in rs)
            return to_double(Fraction(n * 10 ** 9, over))
        if agg.fn in ("increase", "changes"):
            grown = self.samples(agg)
            return to_double(sum(grown[lo:hi], Fraction(0)))
        if agg.fn == "streak":
            return self.streak(agg, lo, hi)
        if agg.fn == "last":
            seen = [r.value(arg) for r in rs if not r.late and r.value(arg) is not None]
            return seen[-1] if seen else None
        if agg.fn == "distinct":
            return float(len({(type(r.value(arg)), r.value(arg)) for r in rs if r.value(arg) is not None}))
        numbers = [r.value(arg) for r in rs if isinstance(r.value(arg), float)]
        if agg.fn == "sum":
            return to_double(sum(map(Fraction, numbers), Fraction(0)))
        if not numbers:
            return None
        if agg.fn == "avg":
            return to_double(sum(map(Fraction, numbers), Fraction(0)) / len(numbers))
        if agg.fn == "min":
            return min(numbers)
        if agg.fn == "max":
            return max(numbers)
        if agg.fn == "p":
            return quantile(numbers, agg.q)
        if agg.fn == "stddev":
            exact = [Fraction(x) for x in numbers]
            mean = sum(exact) / len(exact)
            return root_to_double(sum((x - mean) ** 2 for x in exact) / len(exact))
        raise NotImplementedError(agg.fn)

    def samples(self, agg):
        """What each record adds to increase or changes, by its place in the history."""
        if id(agg) not in self.growth:
            grown, last, last_time = [], None, None
            for r in self.records:
                v = None if r.late else r.value(agg.args[0])
                if v is None or (agg.fn == "increase" and not isinstance(v, float)):
                    grown.append(Fraction(0))
                    continue
                if last is not None and r.time - last_time >= FORGET_SERIES:
                    last = None
                if last is None:
                    grown.append(Fraction(0))
                elif agg.fn == "increase":
                    grown.append(Fraction(v) - Fraction(last) if v >= last else Fraction(v))
                else:
                    grown.append(Fraction(int(type(v) is not type(last) or v != last)))
                last, last_time = v, r.time
            self.growth[id(agg)] = grown
        return self.growth[id(agg)]

    def streak(self, agg, lo, hi):
        """How many of the newest in a row satisfy P; with F only records at which F differs from the sample before."""
        counted = []
        if len(agg.args) == 1:
            counted = [r for r in self.records[lo:hi] if not r.late]
        else:
            last, last_time = None, None
            for i, r in enumerate(self.records[:hi]):
                v = None if r.late else r.value(agg.args[1])
                if v is None:
                    continue
                if last is not None and r.time - last_time >= FORGET_SERIES:
                    last = None
                if (last is None or type(v) is not type(last) or v != last) and i >= lo:
                    counted.append(r)
                last, last_time = v, r.time
        n = 0
        for r in reversed(counted):
            if r.value(agg.args[0]) is not True:
                break
            n += 1
        return float(n)
