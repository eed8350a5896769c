"""Control flow, exceptions, indexing and assignment as Python means them."""

import numpy as np


def alias_loop(x, n):
    y = x.copy()
    z = y
    for i in range(n):
        z = y
        z[0] += x[1] * 0.5
        y = y * 1.1
    return y.sum() + 2 * z.sum()


def alias_keep(x, n):
    a = x.copy()
    b = a
    for i in range(n):
        b[1] = b[1] * 1.3 + a[0]
        if i == 1:
            b = a * 2
    return a.sum() + 3 * b.sum()


def swap(x, y, n):
    for i in range(n):
        x, y = y, x
        x[0] = x[0] + y[1]
    return x[0] * 2 + y[0] + np.sum(x * y)


def zero_trip(x, n):
    s = 1.0
    for i in range(n - n):
        s = x * i
    return s * x


def tuple_alias(x, n):
    a = x.copy()
    p = (a, a * 1.0)
    for i in range(n):
        p = (p[0], p[1] * 2)
        a[0] += 1.0
    return p[0].sum() + p[1].sum() * 3


def list_rebind(x, n):
    s = [x, 1.0]
    for i in range(n):
        s = [s[0] * 0.9 + s[1], s[1] + 0.1 * s[0]]
    return s[0] * s[1]


def list_alias(x, n):
    s = [x, 1.0]
    t = s
    for i in range(n):
        t = s
        t[0] = t[0] * 1.1
        s = [s[0], s[1] + 1]
    return s[0] + 2 * t[0] + 3 * s[1] + 4 * t[1]


def dict_rebind(x, n):
    d = {"a": x, "b": x * x}
    for i in range(n):
        d = {"a": d["a"] + 0.1 * d["b"], "b": d["b"] * 0.9}
        d["a"] *= 1.01
    return d["a"] * d["b"]


def nested_break(x, n):
    t = 0.0
    for i in range(n):
        for j in range(n):
            if x * (i + j) > 2.0:
                break
            if (i + j) % 3 == 1:
                continue
            t += x * (i - j) ** 2
        else:
            t += 10 * x
        if t > 40:
            return t * 2
    else:
        t -= x
    return t


def unbound(x, n):
    for i in range(n):
        if x > 0.2:
            q = x * i
    return q


def try_loop(x, n):
    t = 0.0
    for i in range(n):
        try:
            if i == 2:
                raise ValueError("a")
            t += 1.0 / (i - 1)
            t += x
        except ZeroDivisionError:
            t += 2 * x
        except ValueError:
            t += 3 * x * t
        else:
            t += x * x
        finally:
            t += 0.1 * x
    return t


def nonloc(x, n):
    c = 0.0
    k = 0

    def step(v):
        nonlocal c, k
        c += v * x
        k += 1
        return c

    s = 0.0
    for i in range(n):
        s += step(i) * k
    return s + c


def closures_loop(x, n):
    fs = []
    for i in range(3):
        fs.append(lambda v, i=i: v * x * i)
    gs = [lambda v: v + i * x for i in range(3)]
    return sum(f(2.0) for f in fs) + sum(g(1.0) for g in gs)


def overlap(x):
    x[1:] += x[:-1]
    x[:-2] = x[2:] * 2
    x[::-1] *= x
    x[1::2], x[:-1:2] = x[:-1:2].copy(), x[1::2].copy() if len(x) % 2 == 0 else x[1::2].copy()
    return x.sum() * x[0]


def overlap2(x):
    x[::2], x[1::2] = x[1::2], x[::2]
    return x * np.arange(len(x))


def grow_branch(x, n):
    out = []
    for i in range(n):
        if x * i > 1.0:
            out.append(x * i)
        else:
            out.append(i)
            if i % 2:
                out.append(x)
    return sum(out) + len(out) + out[-1]


def joins(x, flag):
    if x > 0:
        v = 1
    else:
        v = x
    w = True if x > 0.5 else 2
    return v * x + w * x


def neg_index(x, n):
    s = 0.0
    for i in range(-1, -n - 1, -1):
        s = s * 1.1 + x[i]
    return s + x[-1] * x[-len(x)]


def slices(x, n):
    return (
        x[n:0:-1].sum()
        + 2 * x[::-2].sum()
        + 3 * x[-2:-5:-1].sum()
        + 4 * x[5:2].sum()
        + x[-100:100].sum()
        + x[n:].sum()
        - x[:-n].sum()
        + x[-n:n].sum()
    )


def while_true(x):
    k = 0
    while True:
        x = x * 0.7 + 0.1
        k += 1
        if x < 0.5:
            break
        if k > 50:
            return x
    else:
        x = 100.0
    return x * k


class Bad(Exception):
    pass


def thrower(x, i):
    if x * i > 2:
        raise Bad("too much")
    if i == 3:
        raise KeyError("three")
    return x * i


def catch_outside(x, n):
    t = 0.0
    for i in range(n):
        try:
            t += thrower(x, i)
        except Bad:
            t -= 1.5 * x
            continue
        except (KeyError, IndexError):
            t *= 1.1
    return t


def chained(x, y):
    r = 0.0
    if 0 < x < y < 2:
        r += x * y
    if x < y > 1 != 3:
        r += x
    return r + (x > 0.5) + (1 < y)


def and_or(x, y):
    a = x and y
    b = (x - x) or y
    c = x > 100 and y
    d = 0.0 or x or y
    return a + 2 * b + 3 * d + (4 if c else 5)


def cond_side(x, n):
    calls = []

    def f(v):
        calls.append(v)
        return v * 2

    r = f(x) if n > 2 else f(x * x)
    q = (n > 1 and f(x + 1)) or f(3 * x)
    return r + q + sum(calls) * len(calls)


class Obj:
    def __init__(self, v):
        self.v = v
        self.d = {}
        self.a = None


def aug_attr(x, n):
    o = Obj(x)
    o.d["k"] = 1.0
    o.a = np.ones(3) * x
    b = o.a
    for i in range(n):
        o.v += x * i
        o.d["k"] *= x + o.v
        o.a += o.v
        o.a[i % 3] -= 1
    return o.v + o.d["k"] + b.sum()


def tuple_swap(x):
    n = len(x)
    for i in range(n // 2):
        x[i], x[n - 1 - i] = x[n - 1 - i], x[i]
    i = 0
    i, x[i] = 2, 7.0 * x[1]
    x[1], x[2], x[0] = x[0], x[1], x[2]
    return x * np.arange(n)


def masks(x):
    m = x > 0.5
    y = x.copy()
    y[m] = x[m] ** 2
    y[~m & (x < 0.3)] += 1
    y[y > 1.2] = 0.5
    z = np.where(x > 0.4, np.sqrt(np.where(x > 0.4, x - 0.4, 1.0)), 0.0)
    return y, z, np.where(x > 0.6, np.log(x - 0.6 * (x > 0.6)), x)


def where_nan(x):
    return np.where(x > 0.5, np.sqrt(x - 0.5), x * 2)


def obj_loop(x, n):
    o = Obj(x)
    p = o
    for i in range(n):
        o.v = o.v * 1.1
        p = Obj(o.v + i)
        p.v += 1
    return o.v + 2 * p.v


def obj_branch(x):
    a = Obj(x)
    b = Obj(2 * x)
    c = a if x > 0.3 else b
    d = b if x > 0.9 else a
    return c.v * 3 + d.v


def int_overflow(n, x):
    k = 1
    for i in range(n):
        k = k * 7 % 1000003
    return x * k


def float_int(x, n):
    k = 0
    for i in range(n):
        k = k + i // 2
        if i == 3:
            k = k / 2
    return k * x


def ret_loop(x, n):
    for i in range(n):
        for j in range(n):
            if x[i] > x[j] + 0.3:
                return x[i] * j + i
    return x[0]


def while_else(x, n):
    i = 0
    while i < n:
        if x * i > 3:
            break
        i += 1
    else:
        x = x * 10
    return x * i


def defaults(x, n):
    def g(a, b=x * 2, *args, k=3.0, **kw):
        return a * b + k + sum(args) + sum(kw.values())

    x = x + 1
    return g(x) + g(x, 2.0) + g(1, 2, 3, 4, k=x, z=x * x)


def iterate_grow(x):
    items = [x]
    for v in items:
        if len(items) < 4:
            items.append(v * 2)
    return sum(items)


def iter_mutate(x):
    s = 0.0
    for v in x:
        x[-1] += v
        s += v
    return s


def del_names(x, n):
    d = {"a": x, "b": 2 * x, "c": 3.0}
    del d["b"]
    t = 0.0
    for k, v in d.items():
        t += v * len(k)
    y = d.pop("a") if n > 100 else x
    return t + y


def call_order(x):
    def f():
        x[0] = x[0] * 3
        return 1.0

    x[0] += f()
    y = x[0]
    y += f()
    x[1] = x[0] + f() * x[0]
    return x * 1.0 + y


def matched(x, k):
    match k:
        case 0:
            return x
        case 1 | 2 if x > 0.5:
            return x * 2
        case int(v):
            return x * v
        case _:
            return 0.0


def early(x, n):
    if n > 2:
        if x > 0.5:
            return x * 2
        y = x
    else:
        y = x * x
        if x > 5:
            return y
    z = y + 1
    if z > 1.2:
        return z * y
    return z


def swap_lists(x, n):
    a = [x, 2 * x]
    b = [1.0, 2.0]
    for i in range(n):
        a, b = b, a
        a[0] += 0.5 * b[1]
    return a[0] + 10 * b[0] + a[1] * b[1]


def two_arrays(x, n):
    u = x.copy()
    v = x.copy()
    for i in range(n):
        v[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u, v = v, u
    return u * 2 + v


def ref_branch(x, y):
    if x[0] > 0:
        z = x
    else:
        z = y
    z[1] = 5.0 * z[0]
    return x.sum() + 2 * y.sum() + z[1]


def last_index(x, n):
    for i in range(n):
        pass
    for k, v in enumerate(x):
        w = v
    return x[i] * i + k * w


def nested_lists(x, n):
    m = [[x * (i + j) for j in range(3)] for i in range(3)]
    for i in range(3):
        for j in range(i):
            m[i][j], m[j][i] = m[j][i] * 2, m[i][j]
    return sum(sum(r) for r in m) + m[2][0]


def bool_arith(x, n):
    c = 0
    for i in range(n):
        c += x[i] > 0.5
    return c * x.sum()


def float_mod(x):
    return x % 0.7 + (-x) % 0.7 + x // 0.3 * x + divmod(x, 0.4)[1] + round(x * 3) * x + int(x * 5) * x


def walrus_loop(x):
    t = 0.0
    while (t := t + x) < 5 and t != 3:
        x = x * 1.1
    return t


def maxmin(x, y, z):
    return max(x, y, z) * min(x, y) + max([x, y], key=lambda v: -v) + abs(x - y)


def starred(x):
    a, *b, c = x[0] * 2, x[1], x[2], x[0]
    (d, e), f = (a, c), b[0]
    b += [d]
    return a * c + sum(b) + d * e * f


def int_neg(x, n):
    return (
        x * (-7 // n)
        + x * (-7 % n)
        + x * (7 // -n)
        + (-n) ** 2 * x
        + n**3 * x
        + x**-n
        + 2**n * x
        + (n << 2) * x
        + (n & 5) * x
    )


def A(n=6, s=0):
    return np.random.default_rng(s).random(n) + 0.05


def B(n=12, s=3):
    return np.random.default_rng(s).random(n) + 0.05


def while_left_at_once(x, s):
    k = 0
    while k < 6 and (s < 1 or not (np.max(x) < 0.05)):
        k += 1
        if np.tanh(-0.2) < 0.3:
            break
    return x[k] * s


def best_of(x, w):
    """What is None until something is found is unpacked."""
    best, score = None, -np.inf
    for i in range(len(x) - 1):
        s = w[i] * np.sin(x[i])
        if s > score:
            score = s
            best = (i, x * w[i], x[i + 1])
    i, v, y = best
    return score * y + v[0] * (i + 1) + np.sum(v**2)


def none_is_unpacked(x, w):
    best = None
    for i in range(len(x)):
        if x[i] > 100:
            best = (x[i], i)
    a, b = best
    return a * b


def lengths_differ(x, w):
    pair = (x[0], w[1]) if x[0] > 0 else (x[1], w[0], 3.0)
    if x[1] > 0:
        pair = (pair[0], x[2])
    a, b = pair
    return a * b


def kinds_differ(x, w):
    pair = (x[0], 2) if x[0] > 0 else [x[1] * 3, w[0]]
    a, b = pair
    return a * b


def starred_choice(x, w):
    a, *b = (x[0], 2) if x[0] > 0 else (x[1] * 3, w[0], w[1])
    return a * b[0]


U, V = np.array([0.3, -1.2, 0.9]), np.array([1.1, 0.7, -0.3])

CASES = {
    best_of: [(U, V), (-U, V)],
    none_is_unpacked: [(U, V)],
    lengths_differ: [(U, V), (-U, V), (np.array([-1.0, -2.0, 0.5]), V)],
    kinds_differ: [(U, V), (-U, V)],
    while_left_at_once: [(A(), 0.7), (A(), 1.3)],
    alias_loop: [(A(), 3)],
    alias_keep: [(A(), 4), (A(), 1)],
    swap: [(A(), A(6, 1), 3), (A(), A(6, 1), 4)],
    zero_trip: [(0.7, 3)],
    tuple_alias: [(A(), 3)],
    list_rebind: [(0.7, 4)],
    dict_rebind: [(0.7, 4)],
    nested_break: [(0.7, 4), (0.3, 9), (1.5, 6)],
    unbound: [(0.5, 3), (0.1, 3)],
    try_loop: [(0.7, 5)],
    nonloc: [(0.7, 5)],
    closures_loop: [(0.7, 3)],
    overlap: [(A(8),), (B(12),)],
    overlap2: [(A(6),), (B(12),)],
    grow_branch: [(0.6, 5)],
    joins: [(0.7, 1), (-0.3, 1), (0.2, 1)],
    neg_index: [(A(), 4), (B(), 4)],
    slices: [(A(8), 3), (B(14), 3)],
    while_true: [(1.9,)],
    catch_outside: [(0.7, 7), (0.1, 6)],
    chained: [(0.7, 1.5), (0.1, 0.4)],
    and_or: [(0.7, 1.2)],
    cond_side: [(0.7, 3), (0.7, 1)],
    aug_attr: [(0.7, 5)],
    tuple_swap: [(A(),), (B(),)],
    masks: [(A(8),)],
    where_nan: [(A(8),)],
    obj_branch: [(0.7,), (0.1,), (1.1,)],
    int_overflow: [(40, 0.3)],
    float_int: [(0.7, 6)],
    ret_loop: [
        (A(),),
    ],
    while_else: [(0.7, 3), (0.7, 9)],
    defaults: [(0.7, 3)],
    iterate_grow: [(0.7,)],
    iter_mutate: [(A(),), (B(),)],
    del_names: [(0.7, 3)],
    call_order: [(A(),)],
    matched: [(0.7, 0), (0.7, 2), (0.3, 2), (0.3, 7)],
    early: [(0.7, 1), (0.7, 3), (0.1, 3), (0.1, 1)],
    swap_lists: [(0.7, 3)],
    two_arrays: [(A(), 3), (B(), 4)],
    ref_branch: [(A(), A(6, 1)), (-A(), A(6, 1))],
    last_index: [(A(), 4), (B(), 4)],
    nested_lists: [(0.7, 3)],
    bool_arith: [(A(), 6), (B(), 9)],
    float_mod: [(0.93,), (-1.31,)],
    walrus_loop: [(0.7,)],
    maxmin: [(0.7, 1.1, 0.4)],
    starred: [(A(),)],
    int_neg: [(0.7, 3)],
}
CASES[ret_loop] = [(A(), 6), (A(), 2)]

# Programs whose meaning cannot be kept: refused, with a way out.
REFUSED = {list_alias: (0.7, 3), obj_loop: (0.7, 3)}
