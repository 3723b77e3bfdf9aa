"""Record, pair and presence rules: one key's life over its records. All take the key's records in order of application.

A timer due at T runs before the records of time T; end is the last time that is reached (timers due at it still run).
"""
from expr import value_node


class RecordEnv:
    """One record with the record before it."""

    def __init__(self, record, prev):
        self.record, self.before = record, prev
        self.has_prev = prev is not None

    def field(self, path):
        return self.record.field(path)

    def prev(self, path):
        return None if self.before is None else self.before.field(path)

    def meta(self, name):
        return self.record.meta(name)


def run_record(rule, records, end, emit):
    prev, seen, last, starts, value = None, None, None, None, None
    when = rule.when[0]

    def resolve():
        emit(time=last + rule.hold, event="resolved", state="resolved", level=rule.severity, starts=starts,
             ends=last + rule.hold, value=value, cause=None)

    for r in records:
        if starts is not None and last + rule.hold <= r.time:
            resolve()
            starts = None
        if seen is not None and r.time - seen >= rule.forget:
            prev = None
        env = RecordEnv(r, prev)
        if when.at(env) is True:
            value = value_node(when).at(env)
            last = r.time
            if starts is None:
                emit(time=r.time, event="firing", state="firing", level=rule.severity, starts=r.time, ends=r.time if rule.hold == 0 else None,
                     value=value, cause=None)
                starts = None if rule.hold == 0 else r.time
        if not r.late:
            prev = r
        seen = r.time
    if starts is not None and last + rule.hold <= end:
        resolve()


def merge_instant(rule, records):
    """Records of one instant in the order a pair takes them: each partition's own order, openers first."""
    queues = {}
    for r in records:
        opens, closes = r.value(rule.open) is True, r.value(rule.close) is True
        if opens or closes:
            queues.setdefault((r.source.encode(), r.base.encode()), []).append((r, opens))
    out = []
    while queues:
        order = sorted(queues)
        part = next((p for p in order if queues[p][0][1]), order[0])
        out.append(queues[part].pop(0))
        if not queues[part]:
            del queues[part]
    return out


def run_pair(rule, records, end, emit):
    opened, fired, seen = None, None, None

    def timers(upto):
        """Runs what is due at or before upto."""
        nonlocal opened, fired
        if opened is not None and fired is None and opened + rule.within <= upto:
            fired = opened + rule.within
            emit(time=fired, event="firing", state="firing", level=rule.severity, starts=fired, ends=None, value=None,
                 cause=None)
        if seen is not None and seen + rule.forget <= upto:
            if fired is not None:
                emit(time=seen + rule.forget, event="resolved", state="resolved", level=rule.severity, starts=fired,
                     ends=seen + rule.forget, value=None, cause="forgotten")
            opened = fired = None

    i = 0
    while i < len(records):
        t = records[i].time
        j = i
        while j < len(records) and records[j].time == t:
            j += 1
        timers(t)
        for r, opens in merge_instant(rule, records[i:j]):
            if opens:
                if opened is None:
                    opened = t
            else:
                if fired is not None:
                    emit(time=t, event="resolved", state="resolved", level=rule.severity, starts=fired, ends=t,
                         value=None, cause=None)
                opened = fired = None
        seen = t
        i = j
    timers(end)


def run_absent(rule, records, end, emit, counts_from, kept):
    """counts_from: the first record of the sources for expected keys and rules without `by`, else None."""
    last, fired = counts_from, None

    def timers(upto):
        nonlocal last, fired
        if last is not None and fired is None and last + rule.absent <= upto:
            fired = last + rule.absent
            emit(time=fired, event="firing", state="firing", level=rule.severity, starts=fired, ends=None, value=None,
                 cause=None)
        if last is not None and not kept and last + rule.forget <= upto:
            if fired is not None:
                emit(time=last + rule.forget, event="resolved", state="resolved", level=rule.severity, starts=fired,
                     ends=last + rule.forget, value=None, cause="forgotten")
            last = fired = None

    for r in records:
        timers(r.time)
        if fired is not None:
            emit(time=r.time, event="resolved", state="resolved", level=rule.severity, starts=fired, ends=r.time,
                 value=None, cause=None)
            fired = None
        last = r.time
    timers(end)


def run_first(rule, records, end, emit_for):
    """emit_for(value) gives the emit of the alert whose key that value joined."""
    known, opened = {}, {}      # value: last seen; value: start of its open alert
    learnt = records[0].time + rule.learn

    def close(v, upto):
        if v not in opened:
            return
        held, forgotten = opened[v] + rule.hold, known[v] + rule.forget
        at = min(held, forgotten)
        if at <= upto:
            emit_for(v[1])(time=at, event="resolved", state="resolved", level=rule.severity, starts=opened.pop(v),
                           ends=at, value=None, cause=None if held <= forgotten else "forgotten")

    for r in records:
        value = r.value(rule.first)
        if value is None:
            continue
        v = (type(value), value)
        close(v, r.time)
        if v in known and r.time - known[v] >= rule.forget:
            del known[v]
        if v not in known and r.time >= learnt:
            emit_for(value)(time=r.time, event="firing", state="firing", level=rule.severity, starts=r.time, ends=None,
                            value=None, cause=None)
            opened[v] = r.time
        known[v] = r.time
    for v in list(opened):
        close(v, end)
