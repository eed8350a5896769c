"""What is made on one side of a branch, or in a loop, and lives on after exits."""

import numpy as np


class P:
    def __init__(self, a):
        self.a = a
        self.l = [a, a * 2]


def list_after_loop(x):
    for i in range(5):
        if x[i] > 1:
            if x[i] > 1.5:
                return 1.0
            z = [x * 2, x[i]]
            break
    else:
        return 3.0
    return np.sum(z[0]) * z[1]


def list_perhaps(x):
    for i in range(5):
        if x[i] > 1:
            if x[i] > 1.5:
                return 1.0
            if x[i] < 1.3:
                z = [x * 2, x[i]]
            break
    else:
        return 3.0
    if x[i] < 1.3:
        return np.sum(z[0]) * z[1]
    return 5.0


def dict_perhaps(x):
    for i in range(5):
        if x[i] > 1:
            if x[i] > 1.5:
                return 1.0
            if x[i] < 1.3:
                z = {"a": x * 2, "b": x[i]}
            break
    else:
        return 3.0
    if x[i] < 1.3:
        return np.sum(z["a"]) * z["b"]
    return 5.0


def object_perhaps(x):
    for i in range(5):
        if x[i] > 1:
            if x[i] > 1.5:
                return 1.0
            if x[i] < 1.3:
                z = P(x * x[i])
            break
    else:
        return 3.0
    if x[i] < 1.3:
        return np.sum(z.l[1]) * z.a[0]
    return 5.0


def object_of_two_names(x):
    for i in range(5):
        if x[i] > 1:
            if x[i] > 1.5:
                return 1.0
            z = P(x * x[i])
            w = z
            break
    else:
        return 3.0
    w.a = w.a * 2
    return np.sum(z.l[1]) * z.a[0]


def list_of_two_names(x):
    if x[0] > 1:
        z = [x * 2, x[0]]
        w = z
    else:
        z = [x * 3, x[1]]
        w = z
    w[1] = 5.0
    return z[0] + w[1] * z[1]


def best_changed(x):
    best = None
    for i in range(5):
        c = P(x * x[i])
        if best is None or c.a[0] > best.a[0]:
            best = c
        best.a = best.a * 1.5
        best.l[0] = best.a + x
    return np.sum(best.l[0] * best.a)


def one_of_two_lists(x):
    p, q = [x, 1.0], [x * 2, 2.0]
    r = p if x[0] > 1 else q
    r[1] *= x[2]
    r[0] = r[0] * x
    s = q if x[1] > 1 else r
    s[0][1] = 7.0
    s[1] += x[1]
    return np.sum(p[0] * p[1]) + np.sum(q[0] * q[1])


def one_of_two_dicts(x):
    d = {"a": x}
    e = {"a": x * 2, "b": 1.0}
    r = d if x[0] > 1 else e
    r["a"] = r["a"] + 1
    try:
        r["b"] += x[1]
    except KeyError:
        return x[0]
    return np.sum(r["a"]) * r["b"] + np.sum(e["a"] * d["a"])


def attribute_of_none(x):
    p = None
    if x[0] > 1:
        p = P(x)
    try:
        p.a = x * 3
    except AttributeError:
        return x[1] * 2
    return np.sum(p.a)


def item_of_none(x):
    p = None
    if x[0] > 1:
        p = [x, 2]
    try:
        p[0] = x * 3
    except TypeError:
        return x[1] * 2
    return np.sum(p[0])


def function_from_a_side(x):
    def make(k):
        t = k * x[0]

        def g(u):
            nonlocal t
            t = t + u
            return u * t + k

        return g

    if x[0] > 1:
        if x[1] > 1.5:
            return x[2]
        f = make(x[1] * 2)
        f(x[3])
    else:
        f = make(x[1])
    return f(x[1]) + f(x[2])


def function_from_a_loop(x):
    def make(k):
        t = k * x[0]
        return lambda u: u * t + k

    f = make(1.0)
    for i in range(5):
        if x[i] > 1:
            f = make(x[i] * 2)
            break
    return f(x[1])


def last_function(x):
    def make(k):
        t = k * x[0]
        return lambda u: u * t + k

    for i in range(5):
        f = make(x[i] * 2)
    return f(x[1])


def captured_and_returned(x):
    def make(k):
        if k > 1:
            t = k * 2

            def g(u):
                return t * u

            return g
        t = k + x[2]
        return lambda u: t + u

    f, g = make(x[0]), make(x[1])
    return f(x[3]) * g(x[4])


def captured_and_raised(x):
    n = 0.0

    def count(k):
        nonlocal n
        n += k
        if n > 2:
            raise ValueError
        return n

    s = 0.0
    for i in range(5):
        try:
            s += count(x[i])
        except ValueError:
            s += 2 * n
            n = 0.0
    return s + n


def exits_in_a_row(x):
    for i in range(5):
        if x[i] > 1:
            if x[i] > 1.5:
                return x[x > 0.1] * 2
            y = x[x > 0.3]
            if x[i] > 1.3:
                break
            z = [y, x]
        else:
            continue
        if x[0] > 5:
            return z[0] * 2
    else:
        return x[:2] * 3
    return np.sum(y) * x


def selection_or_return(x):
    for i in range(5):
        if x[i] > 1:
            if x[i] > 1.5:
                return 1.0
            y = x[x > 0.3]
            break
    else:
        return 3.0
    return np.sum(y)


def function_or_none(x):
    f = None
    if x[0] > 1:
        f = lambda u: u * x[1]  # noqa: E731
    try:
        return f(x[2])
    except TypeError:
        return x[3] * 2


def late_index(x, t, n):
    if t > 0.5:
        if np.tanh(x[n]) > -0.7:
            a = np.exp(-(t**2))
            x[(n + 2) % 9] = a
    return t + np.sum(x)


X = [np.random.default_rng(seed).uniform(0, 2, 5) for seed in range(3)]
CASES = {
    f: [(x,) for x in X]
    for f in (
        list_after_loop,
        list_perhaps,
        dict_perhaps,
        object_perhaps,
        object_of_two_names,
        list_of_two_names,
        best_changed,
        one_of_two_lists,
        one_of_two_dicts,
        attribute_of_none,
        item_of_none,
        function_from_a_side,
        function_from_a_loop,
        last_function,
        captured_and_returned,
        captured_and_raised,
        exits_in_a_row,
        selection_or_return,
        function_or_none,
    )
}
CASES[late_index] = [(np.linspace(-0.5, 1.0, 9), 0.8, 3)]
