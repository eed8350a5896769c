"""Objects, exceptions, closures and containers as Python means them."""

from typing import NamedTuple

import numpy as np


class P:
    def __init__(self, x, v):
        self.x = x
        self.v = v

    def step(self, dt):
        self.x += self.v * dt
        self.v -= self.x * dt
        return self


class Point(NamedTuple):
    x: float
    y: float = 1.0

    def dot(self, other):
        return self.x * other.x + self.y * other.y


def named_tuples(a, b):
    v = Point(a, b)
    w = v._replace(x=v.y * 2)
    u = Point._make([a * b, a])
    return v.dot(w) + sum(v) + u.dot(w) * u._asdict()["x"] + Point(b).dot(u)


def sorted_numbers(x):
    values = sorted(x.tolist())
    places = sorted(range(len(values)), key=lambda i: -x[i])
    other = list(x)
    other.sort(key=lambda v: v * v, reverse=True)
    mixed = sorted([1.0, float(x[0]), 0.5], reverse=True)
    return values[0] * values[-1] + x[places[0]] * places[1] + other[0] * other[3] + mixed[0] * x[1] - mixed[2] ** 2


def sorted_ties(x):
    pairs = sorted([float(x[0]), 2.0, float(x[1])], key=lambda v: v > 100)
    down = sorted([0.0, -0.0, float(x[0])], key=abs, reverse=True)
    return pairs[0] * 3 + pairs[1] * 5 + pairs[2] + down[0] + np.copysign(1.0, down[1]) * 7 * x[1]


class Tree:
    def __init__(self, value, left=None, right=None):
        self.value = value
        self.left = left
        self.right = right


def stack_of_nodes(x):
    stack = [Tree(x, Tree(2 * x, Tree(3 * x)), Tree(x * x))]
    total = 0.0
    while stack:
        node = stack.pop()
        total = total * 0.5 + node.value
        if node.left is not None:
            stack.append(node.left)
        if node.right:
            stack.append(node.right)
    else:
        total += 1
    return total


def objs_in_list(x, n):
    ps = [P(x * k, 1.0 - k) for k in range(3)]
    for i in range(n):
        for p in ps:
            p.step(0.1)
        ps[0].x, ps[1].x = ps[1].x, ps[0].x
    return sum(p.x * p.v for p in ps)


def obj_swap(x, n):
    a, b = P(x, 1.0), P(2 * x, -1.0)
    for i in range(n):
        a, b = b, a
        a.step(0.1 * x)
    return a.x + 2 * b.x


def best_obj(x, n):
    best = None
    for i in range(n):
        p = P(x * i, (i - 2) ** 2 * x)
        if best is None or p.v < best.v:
            best = p
    return best.x + best.v


def linked(x, n):
    node = None
    for i in range(3):
        node = (x * i, node)
    t = 0.0
    while node is not None:
        t += node[0]
        node = node[1]
    return t


def finally_return(x, n):
    t = 0.0
    for i in range(n):
        try:
            if i == 2:
                return t * x
            t += x
        finally:
            t += 0.5
    return t


def finally_override(x):
    def f():
        try:
            return x
        finally:
            return 2 * x

    return f()


def nested_try(x, n):
    t = 0.0
    for i in range(n):
        try:
            try:
                if i == 1:
                    raise KeyError("k")
                if i == 2:
                    raise ValueError("v")
                t += x
            except KeyError:
                t += 2 * x
                raise IndexError("i")
            finally:
                t *= 1.1
        except (IndexError, ValueError):
            t -= 0.3 * x
    return t


def while_cond_effects(x, n):
    c = [0]

    def more():
        c[0] += 1
        return c[0] < n

    while more():
        x = x * 1.1
    return x * c[0]


def gen_sum(x, n):
    return sum(x * i for i in range(n)) + max(x * (i - 2) ** 2 for i in range(5)) + any(i > 2 for i in range(n))


def dict_loop(x, n):
    acc = {}
    for i in range(n):
        for k in ("a", "b"):
            acc[k] = acc.get(k, 0.0) + x * (i if k == "a" else 1)
    return acc["a"] * acc["b"]


def default_mut(x, n):
    def f(v, memo=[]):
        memo.append(v)
        return sum(memo)

    return f(x) + f(2 * x) + f(3.0)


def kwonly(x, *, k=2.0, **rest):
    return x * k + sum(rest.values())


def call_kw(x, n):
    args = (x,)
    kw = {"k": x, "z": 3.0}
    return kwonly(*args, **kw) + kwonly(x)


def lambda_late(x, n):
    fs = []
    k = 1.0
    for i in range(3):
        k = k * 2
        fs.append(lambda: k * x + i)
    return sum(f() for f in fs)


def str_branch(x, n):
    mode = "a" if x > 0.5 else "b"
    t = 0.0
    for i in range(n):
        if mode == "a":
            t += x
            mode = "b"
        elif mode == "b":
            t *= 2
            mode = "c"
        else:
            mode = "a"
    return t


def none_default(x, n):
    last = None
    for i in range(n):
        cur = x * i
        if last is not None:
            x = x + 0.1 * (cur - last)
        last = cur
    return x


def int_div(x, n):
    lo, hi = 0, 100
    while hi - lo > 1:
        mid = (lo + hi) // 2
        if mid * mid > x * 50:
            hi = mid
        else:
            lo = mid
    return x * lo


def neg_range(x, n):
    t = 0.0
    for i in range(n, -n, -2):
        t += x**2 * i
    for j in range(5, 2):
        t = 100.0
    return t + (i if n > 0 else 0)


def nan_where(x):
    y = np.where(x > 0.5, np.log(x - 0.5), 0.0)
    return np.where(np.isnan(y), 0.0, y), np.nansum(np.sqrt(x - 0.3))


def aug_matrix(m, n):
    for i in range(n):
        m[i] -= m[i, i] * m[(i + 1) % n]
        m[:, i] *= 0.5
        m[i, ::-1] += m[i]
    m.T[0] += 1.0
    return m


def roll(x, n):
    for i in range(n):
        x[1:], x[0] = x[:-1].copy(), x[-1] * 1.1
    return x * np.arange(len(x))


def roll_overlap(x, n):
    for i in range(n):
        last = x[-1]
        x[1:] = x[:-1]
        x[0] = last * 1.1
    return x * np.arange(len(x))


def early_return_array(x, n):
    for i in range(n):
        x = x * 1.2
        if x.sum() > 6:
            return x[:2] * 3.0
    return x[-2:] + 1


def bools(x, n):
    a = x > 0.5
    b = not a
    c = a and not b or n > 10
    t = 0.0
    for i in range(n):
        a = not a
        c ^= a
        t += x if a else 2 * x if c else 3 * x
    return t + a + c


def divzero(x, n):
    t = 0.0
    for i in range(n):
        try:
            t += x / (i - 2)
        except ZeroDivisionError:
            t += 5 * x
    return t


def np_scalars(x, n):
    a = x[0]
    b = x[1:2]
    c = np.float64(2.0) / (a - a + 1e-300)
    d = a / 0.0 if a > 100 else a**0.5
    return d + b + min(c, 3.0)


def raised(x, n):
    for i in range(n):
        if x * i > 2:
            raise ValueError(f"too big: {i}")
    return x


def index_err(x, n):
    t = 0.0
    try:
        for i in range(100):
            t += x[i]
    except IndexError:
        t *= 2
    return t


def key_err(x, n):
    d = {"a": x}
    try:
        v = d["b"]
    except KeyError:
        v = d["a"] * 3
    return v


def assert_in(x, n):
    try:
        assert x < 0, "neg"
        y = x
    except AssertionError:
        y = 2 * x
    return y


def multi_assign(x, n):
    a = b = x.copy()
    a[0] = 3.0
    c, d = e = (a, b)
    d = d + 1
    return b.sum() + e[1].sum() + d.sum()


def while_nested_break(x, n):
    t = 0.0
    i = 0
    while True:
        j = 0
        while True:
            if j > i:
                break
            t += x * j
            j += 1
            if t > 3:
                break
        else:
            t = -1
        i += 1
        if i >= n or t > 5:
            break
    return t + i


def cumulative_max(x):
    m = -np.inf
    out = np.empty_like(x)
    for i, v in enumerate(x):
        if v > m:
            m = v
        out[i] = m
    return out


def complex_loop(x, n):
    z = 0
    for i in range(n):
        z = z * z + complex(x, 0.1)
    return abs(z) + z.real


def set_ops(x, n):
    s = {1, 2}
    t = 0.0
    for i in range(n):
        if i in s:
            t += x
    return t


def star_call(x, n):
    def f(*a, **k):
        return a[0] + len(a) + k.get("q", 1.0)

    return f(*[x, 2 * x], q=x) + f(*(x for _ in range(3)))


SETTINGS = {"scale": 2.0, "depth": 0}


def scaled(x):
    y = x
    for k in range(12):
        y = np.sin(y * SETTINGS["scale"] + k)
        for _ in range(3):
            y = y + 0.1 * np.cos(y[0] * y)
    return np.sum(y * x)


def changed_settings(x):
    before = SETTINGS["scale"]
    results = [scaled(x)]
    for scale in (1.5, 1.25, 1.25, 1.0):
        SETTINGS["scale"] = scale
        results.append(scaled(x))
    SETTINGS["scale"] = before
    results.append(scaled(x))
    return results


def halved(x, n):
    with np.errstate(divide="raise"):
        part = x / n
    return part if n < 2 or x < 0.01 else part + halved(x * 0.5, n - 1)


def quotients(y, m):
    return np.sin(np.cos(np.sin(np.cos(y / m) / m) / m) / m)


def divisions(x, m):
    y = quotients(x, m) + x[0] / m[0] + x[1] / m[1] + x[2] / m[2]
    y = quotients(y, m) + y[0] / m[0] + y[1] / m[1] + y[2] / m[2]
    return quotients(y, m) + y[0] / m[0] + y[1] / m[1] + y[2] / m[2]


def errors_now_and_then(x, m):
    total = divisions(x, m + 1) + divisions(x, m + 2) + divisions(x, m + 3)
    try:
        with np.errstate(divide="raise", invalid="raise"):
            return total + divisions(x, m)
    except FloatingPointError:
        return total + x


def raised_twice(x):
    try:
        if x[1] > 1:
            raise ValueError
        if x[1] > 0.5:
            raise ValueError
        return x * 2
    except ValueError:
        return x**3


def A(n=6, s=0):
    return np.random.default_rng(s).random(n) + 0.05


X = (0.7, 5)
CASES = {
    f: [X]
    for f in (
        objs_in_list,
        obj_swap,
        best_obj,
        linked,
        finally_return,
        nested_try,
        while_cond_effects,
        gen_sum,
        dict_loop,
        default_mut,
        call_kw,
        lambda_late,
        str_branch,
        none_default,
        int_div,
        neg_range,
        bools,
        divzero,
        raised,
        key_err,
        assert_in,
        while_nested_break,
        complex_loop,
        set_ops,
        star_call,
    )
}
CASES.update(
    {
        stack_of_nodes: [(0.7,)],
        named_tuples: [(1.5, -0.7)],
        sorted_numbers: [(A(),)],
        sorted_ties: [(A(),)],
        finally_override: [(0.7,)],
        nan_where: [(A(8),)],
        aug_matrix: [(A(16).reshape(4, 4), 4)],
        roll: [(A(), 3)],
        roll_overlap: [(A(), 3)],
        early_return_array: [(A(), 3), (A(), 9)],
        np_scalars: [(A(), 3)],
        index_err: [(A(), 3)],
        multi_assign: [(A(), 3)],
        cumulative_max: [(A(),)],
        raised_twice: [(A() * 0.1,), (A() + 1,), (A() * 0 + 0.6,)],
        changed_settings: [(A(),)],
        halved: [(0.7, 5)],
        errors_now_and_then: [(A(), np.arange(1, 7)), (A(), np.arange(6))],
    }
)
