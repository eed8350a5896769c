"""Keys and names made of numbers, copies of objects, iterators that are classes, comparisons by other classes."""

import collections
import copy
import functools

import numpy as np


def keys_by_number(x, y):
    p = {f"W{i}": x[i : i + 3] * 1.0 for i in range(3)}
    p.update({f"b{i:02d}": y[i] for i in range(3)})
    h = np.ones(3)
    for i in range(3):
        h = np.tanh(p[f"W{i}"] * h + p["b%02d" % i])
        p[f"b{i:02d}"] = p["b{:02d}".format(i)] + h[0]
    for k in list(p):
        if k.startswith("W"):
            p[k + "_n"] = np.sum(p[k] ** 2)
    return h, p["b01"], [p[k] for k in sorted(p) if k.endswith("_n")]


def attributes_by_number(x, y):
    class Net:
        pass

    net, s = Net(), 0.0
    for i in range(4):
        setattr(net, f"w{i}", x[i] * y[i])
    for i in range(4):
        name = "w" + str(i)
        s += getattr(net, name) * (3 if name == "w2" else 1) if hasattr(net, name) and name in ("w1", "w2") else i
    return s


def texts_that_decide(x, y):
    s = 0.0
    for i in range(6):
        if f"{i}" == "3" or f"k{i}".endswith("5") or len(str(i * 3)) == 2:
            s += x[i]
    return s


def copies(x, y):
    class Node:
        def __init__(self, a, others):
            self.a, self.others = a, others

    st = {"a": [x.copy(), {"b": y.copy()}]}
    c, d = copy.copy(st), copy.deepcopy(st)
    c["a"][0] *= 2
    d["a"][1]["b"] += 100
    st["a"][1]["b"][0] = 5 * x[0]
    leaf = Node(x[1:3], [])
    tree = Node(y.copy(), [leaf, leaf])
    near, far = copy.copy(tree), copy.deepcopy(tree)
    near.others[0].a[0] = 7 * y[0]
    far.others[0].a[1] = 3 * y[1]
    return st, d, tree.a + near.a, leaf.a, far.others[1].a


def views_without_axes(x, y):
    a, b = np.array(0.0), x[2, ...]
    for i in range(6):
        a += x[i] * y[i]
        c = a[...]
        c += 1
    b += 5
    y[..., 1] *= 2
    return a, x, y, b.ndim


class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n


def iterators_that_are_classes(x, y):
    s, it = 0.0, Countdown(5)
    first = next(it)
    for k in it:
        s = s * 0.5 + x[k] * k
    return s, x[first] * y[first], sum(y[k] for k in Countdown(3)), next(it, 7) * x[0]


class Span:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def __eq__(self, other):
        return bool(self.low == other) if isinstance(other, float) else NotImplemented

    def __lt__(self, other):
        return bool(self.high < other)

    def __gt__(self, other):
        return bool(self.low > other)

    def __getattr__(self, name):
        if name.startswith("at_"):
            return self.low + int(name[3:]) * (self.high - self.low)
        raise AttributeError(name)


def compared_by_the_other_side(x, y):
    span = Span(x[0], x[0] + x[1])
    s = 0.0
    for k in range(6):
        if y[k] < span:
            s += x[k]
        elif y[k] > span:
            s += 2 * x[k]
    low = 1.0 * float(x[0])
    return s, 1.0 if low == span else 0.0, 1.0 if span != low else 0.0


def asked_for(x, y):
    span = Span(x[0], y[0])
    return span.at_2, getattr(span, "at_1", 0.0), getattr(span, "off", 3.0), hasattr(span, "off")


def of_the_standard_library(x, y):
    @functools.lru_cache(None)
    def binomial(n, k):
        return 1 if k in (0, n) else binomial(n - 1, k - 1) + binomial(n - 1, k)

    d = collections.OrderedDict(a=x[0], b=x[1])
    d["b"] *= 2
    return binomial(6, 2) * x[1], list(d.values()), collections.Counter("abcab")["a"] * x[2]


def keys_that_data_decide(x, y):
    d, lists, o = {"pos": 0.0, "neg": 1.0, "pos_n": 0, "neg_n": 0}, {"pos": [0.0], "neg": [1.0]}, Span(0.0, 0.0)
    o.pos, o.neg = 0.0, 1.0
    for i in range(6):
        k = "pos" if y[i] > 0 else "neg"
        d[k] += x[i]
        d[f"{k}_n"] += 1
        lists[k][0] = lists[k][0] * 0.5 + x[i]
        setattr(o, k, getattr(o, k) + x[i])
    key = "a" if x[1] > 0.5 else "b"
    t = {"a": 0.0, "b": y[0]}
    t[key] = x[2]
    return d, lists, o.pos, o.neg, t, t.get(key), key in t, t.setdefault(key, 9.0)


class Cell:
    total = 0.0

    def __init__(self, u):
        self._u, self.count, self.trace = u, 0, 0.0

    @property
    def u(self):
        return self._u

    @u.setter
    def u(self, value):
        self.count += 1
        self.trace = self.trace + value[0]
        self._u = value

    @functools.cached_property
    def area(self):
        self.count += 10
        return np.sin(self._u) * 2

    def tick(self):
        self.total += self._u[0]
        return self


def setters_of_what_changes_in_place(x, y):
    c = Cell(x.copy())
    for _ in range(4):
        c.u += y
        c.u *= 1.1
        c.u[1] -= 3
        c.tick()
    return c.u, c.count, c.trace, c.total


def properties_kept_on_one_side(x, y):
    s, t = Cell(x), 0.0
    for i in range(6):
        if y[i] > 0.3:
            t += s.area[i]
        o = Cell(x[i])
        if y[i] < 0:
            t += o.area
        t += o.area * o.count
    return t, s.area, s.count


def objects_in_the_order_of_numbers(x, y):
    class Particle:
        def __init__(self, name, energy, place):
            self.name, self.energy, self.place, self.rank = name, energy, place, 0

    ps = [Particle(f"p{i}", x[i] * y[i], np.array([x[i], y[i]])) for i in range(3)]
    ps.sort(key=lambda p: p.energy)
    for k, p in enumerate(ps):
        p.rank = k
        p.place = p.place * (k + 1)
    ps[1].energy += 5
    d, s = {"a": x[0] * y[1], "bb": x[1] * y[0], "ccc": y[2]}, 0.0
    for k, w in sorted(d.items(), key=lambda pair: pair[1]):
        s = s * 2 + w * len(k)
        d[k] += 1
    pairs = sorted(zip(x[:3], [x, y, x * y], strict=True), key=lambda p: p[0])
    names = sorted(d, key=lambda k: -d[k])
    return [p.energy for p in ps], [p.place * p.rank for p in ps], s, d, pairs[0][1], d[names[0]]


ARGUMENTS = np.random.default_rng(3).uniform(0.2, 1.4, 6), np.random.default_rng(4).uniform(-1, 1, 6)
CASES = {
    f: [ARGUMENTS]
    for f in (
        keys_by_number, attributes_by_number, texts_that_decide, copies, views_without_axes, iterators_that_are_classes,
        compared_by_the_other_side, asked_for, of_the_standard_library, keys_that_data_decide,
        setters_of_what_changes_in_place, properties_kept_on_one_side, objects_in_the_order_of_numbers,
    )
}  # fmt: skip
