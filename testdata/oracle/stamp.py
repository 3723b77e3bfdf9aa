"""Event times, durations, and how both and numbers are printed. Times are ints: ns since the epoch."""
import datetime
import re
import zoneinfo
from decimal import Decimal, localcontext

NS = 10 ** 9
UNITS = {"ns": 1, "us": 10 ** 3, "ms": 10 ** 6, "s": NS, "m": 60 * NS, "h": 3600 * NS, "d": 86400 * NS}

STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)([Tt ])(\d\d):(\d\d):(\d\d)(?:([.,])(\d+))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def exact(text):
    with localcontext() as c:
        c.prec = 60
        return Decimal(text)


def epoch(text):
    """Seconds, ms, us or ns told apart by magnitude: below 1e11 seconds, 1e14 ms, 1e17 us, else ns. Exact, cut to ns."""
    v = exact(text)
    size = abs(v)
    scale = NS if size < 10 ** 11 else 10 ** 6 if size < 10 ** 14 else 10 ** 3 if size < 10 ** 17 else 1
    with localcontext() as c:
        c.prec = 80
        ns = v * scale
        return int(ns.to_integral_value(rounding="ROUND_FLOOR"))


def civil(y, mo, d, h, mi, s):
    try:
        day = datetime.date(y, mo, d).toordinal() - datetime.date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    if h > 23 or mi > 59 or s > 60:
        return None
    return day * 86400 + h * 3600 + mi * 60 + s


def parse_stamp(text, zone="UTC"):
    """Text of a stamp to ns, or None if it is none."""
    if NUMBER.fullmatch(text):
        return epoch(text)
    m = STAMP.fullmatch(text)
    if not m:
        return None
    y, mo, d, sep, h, mi, s, dot, frac, off = m.groups()
    sec = civil(int(y), int(mo), int(d), int(h), int(mi), int(s))
    if sec is None or (off and dot == ","):
        return None
    ns = int((frac or "").ljust(9, "0")[:9])
    if off is None:
        if zone == "UTC":
            shift = 0
        else:
            when = datetime.datetime(int(y), int(mo), int(d), int(h), int(mi), min(int(s), 59),
                                     tzinfo=zoneinfo.ZoneInfo(zone))
            shift = int(when.utcoffset().total_seconds())
    elif off in "Zz":
        shift = 0
    else:
        oh, om = int(off[1:3]), int(off[4:6])
        if oh > 23 or om > 59:
            return None
        shift = (oh * 3600 + om * 60) * (-1 if off[0] == "-" else 1)
    return (sec - shift) * NS + ns


def stamp_of(node, zone):
    """The time that a field's Node holds, or None."""
    if node is None or node.kind not in ("number", "string"):
        return None
    return parse_stamp(node.text, zone)


def print_time(ns):
    if ns is None:
        return None
    ms = ns // 10 ** 6
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (ms % 1000)


def parse_duration(text):
    """250ms 2s 1h30m 1.5h; a plain 0 is a duration too (hold: 0)."""
    text = str(text).strip()
    if text == "0":
        return 0
    total, at = Decimal(0), 0
    for m in re.finditer(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)", text):
        if m.start() != at:
            break
        total += Decimal(m.group(1)) * UNITS[m.group(2)]
        at = m.end()
    if at != len(text) or not text:
        raise ValueError("no duration: %r" % text)
    return int(total)


def round_up(value, step):
    return -(-value // step) * step


def number_text(v):
    """A double in its shortest digits, laid out as JavaScript does; -0 is 0, no number is null."""
    if v != v or v in (float("inf"), float("-inf")):
        return "null"
    if v == 0:
        return "0"
    sign, digits, exp = Decimal(repr(v)).as_tuple()
    digits = "".join(map(str, digits)).rstrip("0") or "0"
    exp = Decimal(repr(v)).adjusted()       # of the first digit
    if 0 <= exp < 21:
        if len(digits) <= exp + 1:
            text = digits.ljust(exp + 1, "0")
        else:
            text = digits[:exp + 1] + "." + digits[exp + 1:]
    elif -6 <= exp < 0:
        text = "0." + "0" * (-exp - 1) + digits
    else:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + "e%+d" % exp
    return ("-" if sign else "") + text
