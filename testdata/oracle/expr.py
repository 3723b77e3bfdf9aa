"""The expression language: text to a tree, and the tree's value over one record or one window.

Values are None (null), bool, float and str. A condition holds where its value is True.
Every node has at(env). env gives field(path), prev(path), has_prev, meta(name) and aggregate(node).
"""
import re

from jsonline import is_number
from stamp import UNITS

KEYWORDS = {"and", "or", "not", "in", "true", "false", "null", "over"}
SIZES = {"B": 1, "kB": 10 ** 3, "KB": 10 ** 3, "MB": 10 ** 6, "GB": 10 ** 9, "TB": 10 ** 12,
         "KiB": 2 ** 10, "MiB": 2 ** 20, "GiB": 2 ** 30, "TiB": 2 ** 40}
AGGREGATES = {"count", "rate", "sum", "avg", "min", "max", "stddev", "last", "distinct", "increase", "changes",
              "streak", "baseline"}
FUNCTIONS = {"has": 1, "lower": 1, "len": 1, "number": 1, "startswith": 2, "contains": 2}
LEVELS = ["debug", "info", "warning", "error", "critical"]

TOKEN = re.compile(r"""
    (?P<space>[ \t\r\n]+)
  | (?P<quantile>p\d+(?:\.\d+)?(?=\s*\())
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<unit>%|[A-Za-z]+)?
  | (?P<name>@?[A-Za-z_][A-Za-z0-9_]*)
  | (?P<double>"(?:[^"\\]|\\.)*")
  | (?P<single>'[^']*')
  | (?P<op>&&|\|\||==|!=|<=|>=|=~|!~|[-+*/<>!()\[\],.])
""", re.VERBOSE | re.DOTALL | re.ASCII)


class ExprError(Exception):
    pass


class Token:
    def __init__(self, kind, text, pos, value=None):
        self.kind, self.text, self.pos, self.value = kind, text, pos, value


def unescape(text):
    from jsonline import Malformed, Parser
    p = Parser(text)
    try:
        return p.string()
    except Malformed as e:
        raise ExprError(str(e)) from None


def literal(number, unit):
    """A number with its unit as the double nearest to what was written."""
    from decimal import Decimal
    if unit is None:
        return float(number)
    if unit == "%":
        return float(Decimal(number) / 100)
    if unit in UNITS:
        return float(Decimal(number) * UNITS[unit] / 10 ** 9)
    if unit in SIZES:
        return float(Decimal(number) * SIZES[unit])
    raise ExprError("unknown unit %r" % unit)


def tokens(text):
    out, i = [], 0
    while i < len(text):
        m = TOKEN.match(text, i)
        if not m:
            raise ExprError("unexpected %r at %d of %r" % (text[i], i, text))
        kind = m.lastgroup
        if m.group("number"):
            out.append(Token("number", m.group(), i, literal(m.group("number"), m.group("unit"))))
        elif kind == "double":
            out.append(Token("string", m.group(), i, unescape(m.group())))
        elif kind == "single":
            out.append(Token("string", m.group(), i, m.group()[1:-1]))
        elif kind != "space":
            out.append(Token(kind, m.group(), i))
        i = m.end()
    out.append(Token("end", "", len(text)))
    return out


# ---- what values do

def same(a, b):
    if a is None or b is None:
        return a is None and b is None
    return type(a) is type(b) and a == b


def finite(v):
    return v if v == v and abs(v) != float("inf") else None


def ordered(op, a, b):
    if type(a) is not type(b) or not isinstance(a, (float, str)):
        return None
    if isinstance(a, str):
        a, b = a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass")
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


# ---- nodes

class Literal:
    def __init__(self, value):
        self.value = value

    def kids(self):
        return []

    def at(self, env):
        return self.value


class Field:
    def __init__(self, path, prev=False):
        self.path, self.prev = path, prev

    def kids(self):
        return []

    def at(self, env):
        return env.prev(self.path) if self.prev else env.field(self.path)


class Meta:
    """@time, @source ..."""

    def __init__(self, name):
        self.name = name

    def kids(self):
        return []

    def at(self, env):
        return env.meta(self.name)


class Compare:
    """== != < <= > >= in =~ !~"""

    def __init__(self, op, left, right, pos):
        self.op, self.left, self.right, self.pos = op, left, right, pos
        self.on_prev = uses_prev(self)
        if op in ("=~", "!~"):
            self.regex = re.compile(right.value, re.ASCII)

    def kids(self):
        return [self.left] + (self.right if self.op == "in" else [self.right])

    def at(self, env):
        if self.on_prev and not env.has_prev:
            return None
        a = self.left.at(env)
        if self.op == "in":
            return any(same(a, x.at(env)) for x in self.right)
        b = self.right.at(env)
        if self.op == "==":
            return same(a, b)
        if self.op == "!=":
            return not same(a, b)
        if self.op in ("=~", "!~"):
            if not isinstance(a, str):
                return None
            cut = a.encode("utf-8")[:8192].decode("utf-8", "ignore")
            found = self.regex.search(cut) is not None
            return found if self.op == "=~" else not found
        if isinstance(self.left, Meta) and self.left.name == "@level" or \
                isinstance(self.right, Meta) and self.right.name == "@level":
            if a not in LEVELS or b not in LEVELS:
                return None
            return ordered(self.op, float(LEVELS.index(a)), float(LEVELS.index(b)))
        return ordered(self.op, a, b)


class Not:
    def __init__(self, x):
        self.x = x

    def kids(self):
        return [self.x]

    def at(self, env):
        v = self.x.at(env)
        return (not v) if isinstance(v, bool) else None


class Logic:
    def __init__(self, op, left, right):
        self.op, self.left, self.right = op, left, right

    def kids(self):
        return [self.left, self.right]

    def at(self, env):
        a, b = self.left.at(env), self.right.at(env)
        a = a if isinstance(a, bool) else None
        b = b if isinstance(b, bool) else None
        decides = self.op == "or"
        if a is decides or b is decides:
            return decides
        return None if a is None or b is None else not decides


class Arithmetic:
    def __init__(self, op, left, right):
        self.op, self.left, self.right = op, left, right

    def kids(self):
        return [self.left, self.right]

    def at(self, env):
        a, b = self.left.at(env), self.right.at(env)
        if not isinstance(a, float) or not isinstance(b, float):
            return None
        if self.op == "/":
            return finite(a / b) if b != 0 else None
        return finite({"+": a + b, "-": a - b, "*": a * b}[self.op])


class Call:
    def __init__(self, name, args, pos):
        self.name, self.args, self.pos = name, args, pos
        self.left = args[0]
        self.on_prev = name == "has" and uses_prev(args[0])

    def kids(self):
        return self.args

    def at(self, env):
        if self.on_prev and not env.has_prev:
            return None         # has(x) is the comparison x != null
        v = [a.at(env) for a in self.args]
        if self.name == "has":
            return v[0] is not None
        if not all(isinstance(x, str) for x in v):
            return None
        if self.name == "lower":
            return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in v[0])
        if self.name == "len":
            return float(len(v[0]))
        if self.name == "number":
            return finite(float(v[0])) if is_number(v[0]) else None
        if self.name == "startswith":
            return v[0].startswith(v[1])
        return v[1] in v[0]


class Aggregate:
    """fn(args) over D; its value comes from the window that is being looked at."""

    def __init__(self, fn, args, q=None):
        self.fn, self.args, self.q = fn, args, q
        self.over = None        # ns, its own window
        self.depth = None       # ns, baseline's D

    def kids(self):
        return []               # what stands inside is about single records, not about the window

    def at(self, env):
        return env.aggregate(self)


def uses_prev(node):
    if isinstance(node, Field):
        return node.prev
    return any(uses_prev(k) for k in node.kids())


def walk(node):
    yield node
    for k in node.kids():
        yield from walk(k)


def value_node(node):
    """The left side of the first comparison in reading order, else the whole."""
    found = [n for n in walk(node) if isinstance(n, Compare) or (isinstance(n, Call) and n.name == "has")]
    return min(found, key=lambda n: n.pos).left if found else node


def aggregates(node):
    return [n for n in walk(node) if isinstance(n, Aggregate)]


# ---- grammar

class Grammar:
    def __init__(self, text, prev=False, aggs=False):
        self.text = text
        self.toks = tokens(text)
        self.i = 0
        self.allow_prev, self.allow_aggs = prev, aggs

    def tok(self):
        return self.toks[self.i]

    def take(self, *texts):
        t = self.tok()
        if t.kind in ("op", "name") and t.text in texts:
            self.i += 1
            return t
        return None

    def need(self, text):
        if not self.take(text):
            self.fail("expected %r" % text)

    def fail(self, why):
        raise ExprError("%s at %d of %r" % (why, self.tok().pos, self.text))

    def whole(self):
        node = self.disjunction()
        if self.tok().kind != "end":
            self.fail("unexpected %r" % self.tok().text)
        return node

    def disjunction(self):
        node = self.conjunction()
        while self.take("or", "||"):
            node = Logic("or", node, self.conjunction())
        return node

    def conjunction(self):
        node = self.negation()
        while self.take("and", "&&"):
            node = Logic("and", node, self.negation())
        return node

    def negation(self):
        if self.take("not", "!"):
            return Not(self.negation())
        return self.comparison()

    def comparison(self):
        left = self.sum()
        t = self.take("==", "!=", "<", "<=", ">", ">=", "=~", "!~", "in")
        if not t:
            return left
        if t.text == "in":
            self.need("[")
            items = [self.sum()]
            while self.take(","):
                items.append(self.sum())
            self.need("]")
            node = Compare("in", left, items, t.pos)
        else:
            node = Compare(t.text, left, self.sum(), t.pos)
        if self.tok().text in ("==", "!=", "<", "<=", ">", ">=", "=~", "!~", "in") and self.tok().kind != "string":
            self.fail("comparisons do not chain")
        return node

    def sum(self):
        node = self.product()
        while True:
            t = self.take("+", "-")
            if not t:
                return node
            node = Arithmetic(t.text, node, self.product())

    def product(self):
        node = self.unary()
        while True:
            t = self.take("*", "/")
            if not t:
                return node
            node = Arithmetic(t.text, node, self.unary())

    def unary(self):
        if self.take("-"):
            return Arithmetic("-", Literal(0.0), self.unary())
        return self.primary()

    def primary(self):
        t = self.tok()
        if self.take("("):
            node = self.disjunction()
            self.need(")")
            return node
        if t.kind in ("number", "string"):
            self.i += 1
            return Literal(t.value)
        if t.kind == "quantile":
            self.i += 1
            self.need("(")
            node = Aggregate("p", [self.inside()], q=t.text[1:])
            self.need(")")
            return self.own_window(node)
        if t.kind == "name" and t.text in ("true", "false", "null"):
            self.i += 1
            return Literal({"true": True, "false": False, "null": None}[t.text])
        if t.kind == "name" and t.text.startswith("@"):
            self.i += 1
            return Meta(t.text)
        if t.kind == "name" and t.text not in KEYWORDS:
            if self.toks[self.i + 1].kind == "op" and self.toks[self.i + 1].text == "(":
                return self.call()
            return self.field()
        if t.kind == "op" and t.text == "[":
            return self.field()
        self.fail("a value expected")

    def inside(self):
        """An argument of an aggregate: about one record, so no aggregates and no prev in it."""
        was, self.allow_aggs = self.allow_aggs, False
        node = self.disjunction()
        self.allow_aggs = was
        return node

    def call(self):
        name, pos = self.tok().text, self.tok().pos
        self.i += 2
        if name in FUNCTIONS:
            args = [self.disjunction()]
            while self.take(","):
                args.append(self.disjunction())
            self.need(")")
            if len(args) != FUNCTIONS[name]:
                self.fail("%s takes %d" % (name, FUNCTIONS[name]))
            return Call(name, args, pos)
        if name not in AGGREGATES:
            self.fail("unknown function %r" % name)
        if not self.allow_aggs:
            self.fail("no aggregate may stand here")
        if name == "baseline":
            inner = self.primary()
            self.need(",")
            node = Aggregate(name, [inner])
            node.depth = self.duration()
            self.need(")")
            return node
        args = []
        if not self.take(")"):
            args.append(self.inside())
            while self.take(","):
                args.append(self.inside())
            self.need(")")
        return self.own_window(Aggregate(name, args))

    def own_window(self, node):
        if not self.allow_aggs:
            self.fail("no aggregate may stand here")
        if self.take("over"):
            node.over = self.duration()
        return node

    def duration(self):
        from stamp import parse_duration
        t = self.tok()
        if t.kind != "number":
            self.fail("a duration expected")
        self.i += 1
        return parse_duration(t.text)

    def field(self):
        path = []
        while True:
            if self.take("["):
                t = self.tok()
                if t.kind != "string":
                    self.fail("a name expected")
                self.i += 1
                path.append(t.value)
                self.need("]")
            else:
                t = self.tok()
                if t.kind != "name":
                    self.fail("a name expected")
                self.i += 1
                path.append(t.text)
            if self.take("."):
                continue
            if self.tok().kind == "op" and self.tok().text == "[":
                continue
            break
        if path[0] == "prev" and len(path) > 1:
            if not self.allow_prev:
                self.fail("no prev here")
            return Field(tuple(path[1:]), prev=True)
        return Field(tuple(path))


def parse(text, prev=False, aggs=False):
    return Grammar(str(text), prev, aggs).whole()


def parse_field(text):
    """A `by` field or one of @names: a Field or Meta."""
    node = Grammar(str(text)).whole()
    if not isinstance(node, (Field, Meta)):
        raise ExprError("no field: %r" % text)
    return node
