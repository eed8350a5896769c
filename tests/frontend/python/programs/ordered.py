"""Sorting, bisection, heaps: of numbers and tuples that are known at run time only, in lists of any length."""

import bisect
import heapq
import operator
from collections import defaultdict
from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    a: float
    b: float


def sorted_tuples(x, w):
    ps = sorted([Pair(a, b) for a, b in zip(x, w)], key=lambda p: p.a * p.b)
    qs = sorted(zip(x, w), reverse=True)
    rs = sorted(((int(v > 0), v * u, u) for v, u in zip(x, w)), key=lambda t: (t[0], -t[2]), reverse=True)
    zs = [3.0 * v for v in x]
    zs.sort(reverse=True)
    return ps[0].a * ps[1].b + qs[0][0] * qs[-1][1] ** 2 + rs[0][1] * rs[1][2] + rs[-1][1] ** 2 + zs[0] * zs[1]


def ties_stay(x, w):
    order = sorted(range(len(x)), key=lambda i: round(x[i]))
    back = sorted(range(len(x)), key=lambda i: round(x[i]), reverse=True)
    return sum(w[i] * (k + 1) for k, i in enumerate(order)) + sum(w[i] ** 2 * k for k, i in enumerate(back))


def by_known_keys(x, w):
    """The keys decide, so the arrays beside them are not compared."""
    groups = defaultdict(list)
    for k, v in enumerate(x):
        groups["bca"[k % 3]].append(v * w[k])
    total = 0.0
    for k, (_, values) in enumerate(sorted(groups.items())):
        total += (k + 1) * np.var(np.array(values))
    return total


def grown(x, w):
    pairs = []
    for v, u in zip(x, w):
        if v > 0:
            pairs.append((v * u, u))
    pairs.sort(key=lambda p: p[1])
    s = 0.0
    for k, (a, b) in enumerate(pairs):
        s += (k + 1) * a * b
    values = []
    for v in x:
        if v < 0.3:
            values.append(v * v)
        if v < 0:
            values.insert(0, v)
        if v < -0.5:
            values.insert(-1, v**3)
            values.insert(40, v**4)
            values.insert(-40, v**5)
    values.sort(reverse=True)
    values.reverse()
    if len(values) > 2:
        s += values.pop(0) * values.pop(1) + values.pop(-2)
    for k, v in enumerate(sorted(values)):
        s += k * v
    for k, v in enumerate(sorted(values, key=lambda t: -t * t)):
        s += k * v * v
    return s + bisect.bisect(values, 0.1) + bisect.bisect_left(sorted(x), 0.0) * x[0]


def arrays_reversed(x, n):
    states = []
    for t in range(n):
        states.append(x * t)
    states.reverse()
    states.insert(1, x * x)
    return np.sum(states[0] ** 2) + np.sum(states[1]) + np.sum(states.pop(2)) + len(states)


def heaps(x, w):
    heap, s = [], 0.0
    for v, u in zip(x, w):
        heapq.heappush(heap, (v, u))
        if len(heap) > 2:
            a, b = heapq.heappop(heap)
            s += a * b * len(heap)
    numbers = list(x)
    heapq.heapify(numbers)
    s += heapq.heappop(numbers) * 2
    heapq.heappush(numbers, w[0])
    s += heapq.heapreplace(numbers, w[1]) ** 2 + heapq.heappushpop(numbers, w[2])
    s += sum(heapq.nlargest(2, x)) * 3 + heapq.nsmallest(2, w, key=lambda t: t * t)[1]
    for k, v in enumerate(numbers):
        s += k * v
    ordered = []
    for v in x:
        bisect.insort(ordered, v * v)
    for k, v in enumerate(ordered):
        s += k * v
    return s + heap[0][0] * heap[1][1]


def known_heap(x):
    """Nothing but the arithmetic is left for the run."""
    heap = [(5, "e"), (3, "c"), (4, "d"), (1, "a")]
    heapq.heapify(heap)
    heapq.heappush(heap, (2, "b"))
    weight = {"a": 1.0, "b": 0.5, "c": 0.25, "d": 2.0, "e": 3.0}
    total, k = 0.0, 0
    while heap:
        order, name = heapq.heappop(heap)
        total += weight[name] * x[k] ** order
        k += 1
    return total


def events(start, rate):
    queue, total, extra = [(start, 0)], 0.0, 0
    while queue:
        time, kind = heapq.heappop(queue)
        if time > 4:
            break
        total += time * time * (kind + 1)
        heapq.heappush(queue, (time + 1 / rate, 0))
        if kind == 0 and extra < 4:
            heapq.heappush(queue, (time + 0.37 * rate, 1))
            extra += 1
    return total


def shortest_path(w):
    start, end = np.array([0, 2, 4, 5, 5]), np.array([1, 2, 3, 3, 3])
    distances = np.full(4, np.inf)
    distances[0] = 0.0
    queue = [(0.0, 0)]
    while queue:
        d, u = heapq.heappop(queue)
        if d > distances[u]:
            continue
        for k in range(start[u], start[u + 1]):
            further = d + w[k]
            if further < distances[end[k]]:
                distances[end[k]] = further
                heapq.heappush(queue, (further, end[k]))
    return distances[3] * 2 + distances[2] ** 2


def compared(x, w):
    a, b = (x[0], w[0], 2.0), (x[0], w[1], 1.0)
    s = 0.0
    for p, q in ((a, b), (b, a), (a, a), (a[:2], a), ((1, x[0]), (1, x[1])), ([x[1]], [x[0], x[0]])):
        s = 2 * s + (p < q) + 3 * (p <= q) + 5 * (p > q) + 7 * (p >= q) + 11 * (p == q)
    return s * x[0] + w[0]


def unordered_lists(x):
    return 1.0 if (x[0], 1) < [x[0], 2] else x[0]


def too_far(x, n):
    values = []
    for k in range(n):
        values.append(x * k)
    return values.pop(n)


def sorted_arrays(x):
    """Whether the arrays are compared depends on the numbers beside them."""
    rows = sorted([(x[0], x), (x[1], 2 * x)])
    return np.sum(rows[0][1])


def sorted_objects(x):
    """Pairs of names and numbers, by the numbers."""
    return sorted([("a", x[0]), ("b", x[1])], key=lambda p: p[1])[0][1]


def weighted(x, y):
    """Which of the keys it is, is known at run time."""
    weights = {0: 1.0, 1: y, 2: "heavy"}
    found = weights.get(int(x), y * y)
    return x * (5.0 if isinstance(found, str) else found)


def changed_by_a_library(x):
    order = [2, 1, 0]
    if x[0] > 0:
        operator.setitem(order, 0, 1)
    return x[order[0]]


X, W = np.array([0.3, -1.2, 0.9, -0.4, 1.7, 0.25]), np.array([1.1, 0.7, -0.3, 2.0, -0.8, 0.6])

CASES = {
    sorted_tuples: [(X, W), (W, X)],
    sorted_objects: [(X,)],
    weighted: [(0.4, -1.3), (2.7, 0.6), (-0.2, 1.1)],
    ties_stay: [(X, W)],
    by_known_keys: [(X, W)],
    grown: [(X, W), (W, X)],
    arrays_reversed: [(X, 4), (X, 2)],
    heaps: [(X, W), (W, X)],
    known_heap: [(X,)],
    events: [(0.3, 1.2)],
    shortest_path: [(np.array([1.0, 4.0, 2.5, 6.0, 0.9]),)],
    compared: [(X, W)],
    unordered_lists: [(X,)],
    too_far: [(0.7, 3)],
}

REFUSED = {sorted_arrays: (X,), changed_by_a_library: (X,)}
