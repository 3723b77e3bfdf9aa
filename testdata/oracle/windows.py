"""Window rules: one key's life over its boundaries (DESIGN section 4, "Windows")."""
from expr import aggregates, value_node
from stamp import NS, round_up

MINUTE = 60 * NS


def default_every(over):
    return min(max(NS, round_up(-(-over // 60), NS)), max(MINUTE, round_up(-(-over // 240), NS)))


class WindowEnv:
    """What `when` may name at a boundary: the key's own fields and aggregates."""
    has_prev = False

    def __init__(self, rule, key, history, b, first):
        self.rule, self.key, self.history, self.b, self.first = rule, key, history, b, first

    def field(self, path):
        return self.key.by_path(path)

    def meta(self, name):
        return self.key.by_path((name,))

    def aggregate(self, agg):
        if agg.fn == "baseline":
            return self.baseline(agg)
        return self.history.value(agg, self.b, self.rule.span_of(agg))

    def baseline(self, agg):
        over = self.rule.over
        last = self.b - over
        e = last // over * over
        values = []
        while e > self.first and e >= last - agg.depth:
            v = agg.args[0].at(WindowEnv(self.rule, self.key, self.history, e, self.first))
            if v is not None:
                values.append(v)
            e -= over
        if len(values) < 3:
            return None
        return sorted(values)[(len(values) - 1) // 2]


class WindowKey:
    """The alert of one key. Levels are indexes into rule.levels, lowest first; a rule without levels has one."""

    def __init__(self, rule, key, history, emit):
        self.rule, self.key, self.history, self.emit = rule, key, history, emit
        self.since = [None] * len(rule.levels)  # each level's clock: its first true boundary
        self.state = None                       # None, "pending", "firing"
        self.level = None
        self.starts = None
        self.first = None                       # the key's first record of this life

    # ---- the loop over boundaries

    def run(self, t0, end):
        """t0: the time the key becomes live. end: the last time that is reached."""
        rule, times = self.rule, self.history.times
        every, longest = rule.every, rule.longest()
        self.first = t0
        b = (t0 // every + 1) * every
        evaluated_empty = False
        while b <= end:
            lo, hi = self.history.span(b, longest)
            if lo < hi:
                evaluated_empty = False
                self.step(b, empty=False)
                b += every
                continue
            mode = rule.no_data
            if self.state is None:
                if mode == "evaluate" and not evaluated_empty:
                    self.step(b, empty=True)
                    evaluated_empty = True
            elif mode == "resolve":
                self.finish(b, "no data")
            elif mode == "evaluate":
                self.step(b, empty=True)
                evaluated_empty = True
            if self.state is None or mode == "keep":
                # Nothing can change until the key has a record again; a key with `by` is gone until then.
                if hi == len(times):
                    return
                if self.state is None and rule.by:
                    self.since = [None] * len(rule.levels)
                    if self.life_over(times[hi - 1], times[hi]):
                        self.first = times[hi]
                    evaluated_empty = False
                b = (times[hi] // every + 1) * every
            else:
                b += every

    def life_over(self, last, record):
        """With a baseline a key lives until D has passed since its last record, told at a boundary before the next."""
        depth = max([a.depth for a in self.rule.baselines()], default=None)
        if depth is None:
            return True
        return -(-(last + depth) // self.rule.every) * self.rule.every <= record

    # ---- one boundary

    def step(self, b, empty):
        env = WindowEnv(self.rule, self.key, self.history, b, self.first)
        self.env = env
        when = [self.tri(c.at(env)) for c in self.rule.when]
        if self.state == "firing":
            self.step_firing(b, empty, when)
        else:
            self.step_waiting(b, empty, when)

    @staticmethod
    def tri(v):
        return v if isinstance(v, bool) else None

    def clocks(self, b, empty, when, levels):
        """Moves the clocks of levels; True if one stopped because its condition was null over nothing."""
        nulled = False
        for i in levels:
            if when[i] is True:
                if self.since[i] is None:
                    self.since[i] = b
            elif when[i] is False:
                self.since[i] = None
            elif empty and self.since[i] is not None:
                self.since[i] = None
                nulled = True
        return nulled

    def due(self, b, when, levels):
        """The highest of levels that may fire at b."""
        for i in reversed(levels):
            if when[i] is True and b - self.since[i] >= self.rule.for_[i]:
                return i
        return None

    def step_waiting(self, b, empty, when):
        levels = range(len(when))
        nulled = self.clocks(b, empty, when, levels)
        fires = self.due(b, when, levels)
        if fires is not None:
            if self.state is None:
                self.starts = b
            self.state, self.level = "firing", fires
            self.tell(b, "firing", self.rule.when[fires])
            return
        running = [i for i in levels if self.since[i] is not None]
        if running and self.state is None:
            self.state, self.starts, self.level = "pending", b, running[-1]
            self.tell(b, "pending", self.rule.when[self.level])
        elif not running and self.state == "pending":
            self.end(b, "dropped", self.rule.when[self.level], "no data" if nulled else None)

    def step_firing(self, b, empty, when):
        above = range(self.level + 1, len(when))
        self.clocks(b, empty, when, above)
        up = self.due(b, when, above)
        if up is not None:
            self.level = up
            self.tell(b, "level", self.rule.when[up])
            return
        ends = self.rule.resolve_when[self.level]
        if ends is not None:
            decides, verdict = ends, self.tri(ends.at(self.env))
            stops = verdict is True
        else:
            decides, verdict = self.rule.when[self.level], when[self.level]
            stops = verdict is False
        if verdict is None and empty:
            self.end(b, "resolved", decides, "no data")
            return
        if not stops:
            return
        for lower in range(self.level - 1, -1, -1):
            if when[lower] is True or (when[lower] is None and not empty):
                for i in range(lower, self.level + 1):
                    self.since[i] = None
                self.level = lower
                self.tell(b, "level", self.rule.when[lower])
                return
        self.end(b, "resolved", decides, None)

    def finish(self, b, cause):
        """The window is empty and `no_data: resolve` ends what there is."""
        self.env = WindowEnv(self.rule, self.key, self.history, b, self.first)
        if self.state == "pending":
            self.end(b, "dropped", self.rule.when[self.level], cause)
        else:
            ends = self.rule.resolve_when[self.level]
            self.end(b, "resolved", self.rule.when[self.level] if ends is None else ends, cause)

    def end(self, b, event, condition, cause):
        self.tell(b, event, condition, cause, over=True)
        self.state = self.level = self.starts = None
        self.since = [None] * len(self.rule.levels)

    def tell(self, b, event, condition, cause=None, over=False):
        self.emit(time=b, event=event, state="resolved" if over else self.state, level=self.rule.levels[self.level],
                  starts=self.starts, ends=b if over else None, value=value_node(condition).at(self.env), cause=cause)
