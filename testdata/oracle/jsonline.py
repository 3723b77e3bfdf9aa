"""One log line to a record: strict JSON (RFC 8259), keeping the raw text of numbers, objects and arrays.

A record is a tree of Node. Strings are decoded, numbers keep their text (they become doubles when an expression asks),
objects and arrays keep their JSON text as it stood in the line, because to an expression they are that string.
"""

MAX_DEPTH = 64
SPACE = " \t\n\r"


class Malformed(Exception):
    pass


class Node:
    __slots__ = ("kind", "text", "members")

    def __init__(self, kind, text, members=None):
        self.kind = kind        # null false true number string object array
        self.text = text        # number: its text; string: decoded; object, array: raw JSON
        self.members = members  # object: dict of name to Node, the last of duplicates


class Parser:
    def __init__(self, text):
        self.s = text
        self.i = 0

    def peek(self):
        return self.s[self.i] if self.i < len(self.s) else ""

    def space(self):
        while self.peek() and self.peek() in SPACE:
            self.i += 1

    def expect(self, c):
        if self.peek() != c:
            raise Malformed("expected %r at %d" % (c, self.i))
        self.i += 1

    def word(self, w, kind):
        if not self.s.startswith(w, self.i):
            raise Malformed("no value at %d" % self.i)
        self.i += len(w)
        return Node(kind, w)

    def value(self, depth):
        self.space()
        c = self.peek()
        if c == "{":
            return self.object(depth + 1)
        if c == "[":
            return self.array(depth + 1)
        if c == '"':
            return Node("string", self.string())
        if c == "t":
            return self.word("true", "true")
        if c == "f":
            return self.word("false", "false")
        if c == "n":
            return self.word("null", "null")
        return self.number()

    def object(self, depth):
        if depth > MAX_DEPTH:
            raise Malformed("nesting")
        start = self.i
        members = {}
        self.i += 1
        self.space()
        if self.peek() == "}":
            self.i += 1
            return Node("object", self.s[start:self.i], members)
        while True:
            self.space()
            name = self.string()
            self.space()
            self.expect(":")
            members[name] = self.value(depth)
            self.space()
            if self.peek() == ",":
                self.i += 1
                continue
            self.expect("}")
            return Node("object", self.s[start:self.i], members)

    def array(self, depth):
        if depth > MAX_DEPTH:
            raise Malformed("nesting")
        start = self.i
        self.i += 1
        self.space()
        if self.peek() == "]":
            self.i += 1
            return Node("array", self.s[start:self.i])
        while True:
            self.value(depth)
            self.space()
            if self.peek() == ",":
                self.i += 1
                continue
            self.expect("]")
            return Node("array", self.s[start:self.i])

    def digits(self):
        start = self.i
        while self.peek() and self.peek() in "0123456789":
            self.i += 1
        if self.i == start:
            raise Malformed("digit expected at %d" % start)

    def number(self):
        start = self.i
        if self.peek() == "-":
            self.i += 1
        if self.peek() == "0":
            self.i += 1
        else:
            self.digits()
        if self.peek() == ".":
            self.i += 1
            self.digits()
        if self.peek() and self.peek() in "eE":
            self.i += 1
            if self.peek() and self.peek() in "+-":
                self.i += 1
            self.digits()
        return Node("number", self.s[start:self.i])

    def hex4(self):
        h = self.s[self.i:self.i + 4]
        if len(h) != 4 or any(c not in "0123456789abcdefABCDEF" for c in h):
            raise Malformed("bad \\u at %d" % self.i)
        self.i += 4
        return int(h, 16)

    def string(self):
        self.expect('"')
        out = []
        while True:
            c = self.peek()
            if c == "" or ord(c) < 0x20:
                raise Malformed("string not closed at %d" % self.i)
            self.i += 1
            if c == '"':
                return "".join(out)
            if c != "\\":
                out.append(c)
                continue
            e = self.peek()
            self.i += 1
            if e == "u":
                out.append(self.code_point())
            elif e and e in '"\\/bfnrt':
                out.append({"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}.get(e, e))
            else:
                raise Malformed("bad escape at %d" % self.i)

    def code_point(self):
        u = self.hex4()
        if 0xD800 <= u < 0xDC00 and self.s.startswith("\\u", self.i):
            back = self.i
            self.i += 2
            low = self.hex4()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00))
            self.i = back
        if 0xD800 <= u < 0xE000:
            return "\ufffd"     # half a pair: open point
        return chr(u)


def parse_line(raw):
    """bytes of one line to the Node of its object; Malformed if it is no record."""
    try:
        text = raw.decode("utf-8")  # Python's decoder refuses overlong forms and surrogates
    except UnicodeDecodeError:
        raise Malformed("utf-8") from None
    p = Parser(text)
    node = p.value(0)
    p.space()
    if p.i != len(text):
        raise Malformed("second value")
    if node.kind != "object":
        raise Malformed("no object")
    return node


def find(node, path):
    """The node that path (a tuple of names) names, or None: nested first, then keys that hold the dots themselves."""
    if not path:
        return node
    if node.kind != "object":
        return None
    for n in range(1, len(path) + 1):
        child = node.members.get(".".join(path[:n]))
        if child is not None:
            found = find(child, path[n:])
            if found is not None:
                return found
    return None


def is_number(text):
    p = Parser(text)
    try:
        p.number()
    except Malformed:
        return False
    return p.i == len(text)
