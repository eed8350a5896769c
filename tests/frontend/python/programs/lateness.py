"""Iterators, views and generators of Python read what they go through when it is asked for, and once."""

from __future__ import annotations

# ruff: noqa: B023, B031, C416
from itertools import islice

import numpy as np


def items_of_a_dict_that_changes(x, y):
    d = {"a": x[0], "b": y[1], "c": x[2]}
    for _, w in d.items():
        d["b"] = d["b"] + 2 * w
        d["c"] = d["c"] * w
    s = 0.0
    for w in d.values():
        d["c"] = d["c"] + 1
        s = s * 2 + w
    return d, s


def a_list_that_changes(x, y):
    held = [x[0], x[1], x[2], x[3]]
    other = [y[0], y[1], y[2], y[3]]
    for i, w in enumerate(held):
        held[-1] = held[-1] + w * i
    for p, q in zip(held, other, strict=True):
        held[3] = held[3] + q
        other[3] = other[3] * p
    for w in reversed(held):
        held[0] = held[0] + w
    for w, name in zip(x, ["a", "b", "c", "d"], strict=False):
        x[3] = x[3] * w + len(name)
    return held, other


def elements_written_before_their_turn(x, y):
    d = {}
    names = ["a", "b", "c", "d", "e", "f"]
    for i, w in enumerate(x):
        d[names[i]] = w
        x[(i + 1) % 6] += w * y[i]
    return d, x


def a_long_list_that_changes(x, y):
    held = [x[i % 6] * i for i in range(20)]
    for w in held:
        held[19] = held[19] * 0.5 + w
    return held


def generators_bound_to_names(x, y):
    k, held = y[1], [x[0], x[1]]
    terms = (w * k for w in held)
    scaled = map(lambda z: z * k, held)
    kept = filter(lambda z: z * k > -9, held)
    k, held[1] = y[2], x[5]
    return sum(terms), sum(terms), sum(scaled), sum(scaled), sum(kept)


def read_once(x, y):
    s = 0.0
    pairs, numbered, back = zip(x, y, strict=True), enumerate([x[0], y[1]]), reversed([x[0], x[1]])
    for a, b in pairs:
        s += a * b
    for a, _ in pairs:
        s += a
    for _, a in numbered:
        s += a
    return s, list(numbered), list(back), list(back)


def read_on(x, y):
    it = iter([x[0], x[1], x[2], x[3], x[4]])
    first, second = next(it), next(it)
    cut = list(islice(it, 2))
    over = iter(y)
    previous, s = next(over), 0.0
    for now in over:
        s += (now - previous) ** 2
        previous = now
    return first - second, cut, next(it), next(it, 3.0), s


def first_that_holds(x, y):
    k = next((k for k in range(6) if x[k] > 0.9), -1)
    j = next(i for i, w in enumerate(y) if w > 0)
    return x[k] * y[j]


def no_more_than_needed(x, y):
    seen = []

    def f(w):
        seen.append(w)
        return w > 0.5

    found = any(f(w) for w in [x[0], x[1], x[2], x[3]])
    return found, all(f(w) for w in (y[0], y[1])), sum(seen)


def functions_made_by_a_comprehension(x, y):
    k = x[0]
    fs = [lambda a: a * k for _ in range(2)]
    for i in range(5):
        k = y[i] * 2
    return fs[0](x[1])


def objects_made_in_a_loop(x, y):
    class Filter:
        def __init__(self, start):
            self.state, self.turns = start, 0

        def update(self, z):
            self.state = self.state * 0.5 + z
            self.turns += 1

    s, w = 0.0, x[0]
    for i in range(len(x)):
        one, held = Filter(x[i]), {"k": w}
        for j in range(len(y)):
            one.update(y[j] * w)
            held["k"] = held["k"] * y[j] + one.state
        s = s + one.state * one.turns
        w = w * 0.9 + 0.01 * held["k"]
    return s, w


def shapes_assigned(x, y):
    class Holder:
        pass

    held, d, o = [x * y], {"a": x.copy()}, Holder()
    o.a = y * 2
    held[0].shape = (2, 3)
    d["a"].shape = (3, 2)
    o.a.shape = (3, 2)
    return held[0] @ d["a"], o.a, held[0].shape


def rounded(x, y):
    b, n = float(x[0]), 12345 + int(x[1] * 0)
    halves = [round(2.675 + 0 * b, 2), round(1.005 + 0 * b, 2), round(0.285 + 0 * b, 2), round(-2.5 + 0 * b)]
    return [b * h for h in halves], round(n, -2) * b, round(-n, -1) * b, round(1234567.891 + 0 * b, -3) * b


def texts(x, y):
    s, t = f"{x[0]:.3f}", str(y[0])
    return x[0] if isinstance(s, str) and type(t) is str else y[0]


def views_made_before(x, y):
    d = {"a": x[0]}
    keys, values, pairs = d.keys(), d.values(), d.items()
    d["b"] = y[0]
    s = sum(values)
    return s, len(keys), list(keys) == ["a", "b"], "b" in keys, list(pairs)[1][1], list(values)


def largest_of_generators(x, y):
    def sums(t):
        s = 0.0
        for w in x:
            s += w * y[1]
            if s > t:
                return
            yield s

    def chained():
        yield from sums(2.0)
        yield x[0]

    def pairs():
        for i in range(6):
            if y[i] > 0:
                yield x[i] * y[i], i

    return max(chained()), min(sums(-9.0), default=3.0), max(pairs(), key=lambda p: p[0])[1], min(map(abs, list(y[:3])))


ARGUMENTS = np.random.default_rng(3).uniform(0.2, 1.4, 6), np.random.default_rng(4).uniform(-1, 1, 6)


def named_where_it_is_tested(x, y):
    """What := binds in a comprehension is a name of the function around it."""
    kept = [u * 2.0 for u in x if (w := u * u) > 0.2]
    return sum(kept) + w


def named_in_what_is_made(x, y):
    rows = [[(last := u * v) for v in x[:2]] for u in x]
    table = {k: (best := max(row)) for k, row in enumerate(rows)}
    return last * best + table[0] + sum(map(sum, rows))


def named_by_the_first_that_holds(x, y):
    found = 0.0
    if any((w := u) > 0.6 for u in x):
        found = w * w
    return found + sum(x)


def named_before(x, y):
    w = x[0]
    total = [w := w + u for u in x]
    return w * total[1]


CASES = {f: [ARGUMENTS] for f in list(globals().values()) if getattr(f, "__module__", "") == __name__}
