"""Names that share memory, through loops and branches."""

import numpy as np


def after_zero(x, n):
    y = x.copy()
    z = y
    while z.sum() > 100:
        z = z * 0.5
    z[0] = 1.0
    return y.sum() + z.sum()


def post_swap(x, y, n):
    for i in range(n):
        x, y = y, x
    x[0] = 5.0
    return x.sum() * 2 + y.sum()


def two_names(x, n):
    a = x
    b = x
    for i in range(n):
        t = a * 1.1
        a = t
        b = t
    a[0] += 1.0
    return a.sum() + 2 * b.sum()


def branch_names(x, c):
    if c > 0:
        a = x * 2
        b = a
    else:
        a = x * 3
        b = x * 1.0
    a[0] = 9.0
    return a.sum() + 2 * b.sum()


def branch_view(x, c):
    a = x * 2
    if c > 0:
        b = a[1:]
    else:
        b = x[1:] * 1.0
    b[0] = 4.0
    return a.sum() + 3 * b.sum()


def cond_expr(x, y):
    z = x if x[0] > y[0] else y
    z[1] = 3 * z[0]
    w = (x if x[1] > y[1] else y)[2:]
    w *= 2
    return x.sum() + 2 * y.sum()


def loop_view(x, n):
    v = x[:3]
    for i in range(n):
        v[0] += 1.0
        v = x[i : i + 3]
    v[1] = 0.5
    return x * 1.0


def outer_inner(x, n):
    y = x * 2
    for k in range(n):
        y[k] += 0.3 * x[0]
        for i in range(k):
            x, y = y, x
    return x.sum() + 3 * y.sum()


def keep_best(x, n):
    best = x
    bv = -10.0
    for i in range(n):
        x = x * 1.1 - 0.2
        if x.sum() > bv:
            bv = x.sum()
            best = x
        x[0] += 0.1
    return best * bv


def keep_best_copy(x, n):
    best = x.copy()
    bv = -10.0
    for i in range(n):
        x[i] += 0.3
        s = (x * x).sum()
        if s > bv:
            bv = s
            best = x.copy()
        x *= 0.8
    return best * bv


def history(x, n):
    prev = x
    cur = x.copy()
    for i in range(n):
        prev = cur
        cur = cur.copy()
        cur[0] += prev[1]
        cur[1] -= 0.1
    prev[0] = 0.0
    return prev.sum() + 2 * cur.sum()


def obj_arrays(x, n):
    class_ = {"u": x, "v": x.copy()}
    d = class_
    for i in range(n):
        d["u"], d["v"] = d["v"], d["u"]
        d["u"][0] += 1.0
    return d["u"].sum() + 2 * d["v"].sum() + 3 * x.sum()


def nested_fn(x, n):
    def relax(u):
        u[1:-1] = 0.5 * (u[2:] + u[:-2])
        return u

    v = x
    for i in range(n):
        v = relax(v)
    v[0] = 7.0
    return x.sum() + v.sum()


def rebinding_arg(x, n):
    for i in range(n):
        x = x * 1.5
    x[0] = 2.0
    return x


def swap3(x, n):
    a, b, c = x.copy(), x * 2, x * 3
    for i in range(n):
        a, b, c = b, c, a
        b[0] += a[1]
    return a.sum() + 2 * b.sum() + 3 * c.sum()


def list_of_arrays(x, n):
    ls = [x.copy(), x * 2]
    for i in range(n):
        ls[0], ls[1] = ls[1], ls[0]
        ls[0][1] += 0.5
        ls[1] = ls[1] * 0.9
    return ls[0].sum() + 2 * ls[1].sum()


def break_alias(x, n):
    y = x.copy()
    z = y
    for i in range(n):
        if z[i] > 0.4:
            break
        z = z + 0.1
    z[0] = 3.0
    return y.sum() + 2 * z.sum()


def try_alias(x, n):
    y = x.copy()
    z = y
    for i in range(n):
        try:
            if i == 1:
                raise ValueError
            z = z * 2
            z[0] += 1
        except ValueError:
            z = y
            z[1] += 2
    return y.sum() + 2 * z.sum()


def A(n=6, s=0):
    return np.random.default_rng(s).random(n) + 0.05


CASES = {
    after_zero: [(A(), 3)],
    post_swap: [(A(), A(6, 1), 2), (A(), A(6, 1), 3)],
    two_names: [(A(), 3)],
    branch_names: [(A(), 0.5), (A(), -0.5)],
    branch_view: [(A(), 0.5), (A(), -0.5)],
    cond_expr: [(A(), A(6, 1)), (A(6, 1), A())],
    loop_view: [(A(), 3)],
    outer_inner: [(A(), 4)],
    keep_best: [(A(), 4)],
    keep_best_copy: [(A(), 4)],
    history: [(A(), 4)],
    obj_arrays: [(A(), 3)],
    nested_fn: [(A(), 3)],
    rebinding_arg: [(A(), 3)],
    swap3: [(A(), 4)],
    list_of_arrays: [(A(), 3)],
    break_alias: [(A(), 4), (-A(), 4)],
    try_alias: [(A(), 4)],
}
