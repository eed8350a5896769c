"""Lists whose length is known at run time only."""

import numpy as np
import scipy.optimize


def pairs(x, n):
    out = []
    for i in range(n):
        if x * i > 0.5:
            out.append((x * i, i))
    s = 0.0
    for v, k in out:
        s += v * k
    return s + out[-1][0] * len(out)


def arrays_in_list(x, n):
    hist = []
    for i in range(n):
        x = x * 1.1
        hist.append(x)
    return np.array(hist).sum(axis=0) * hist[0]


def smoothed(x, n):
    """A second sweep, backwards, replaces what the first collected; what was read before stays as it was."""
    states, sums = [], []
    for t in range(n):
        states.append(x * t + 1)
        sums.append((np.sum(x) * t, x * x))
    s = 0.0
    for t in range(n - 2, -1, -1):
        old = states[t]
        states[t] = states[t] + 0.5 * states[t + 1] * x
        sums[t] = (s, sums[t + 1][1] * old)
        s = s + np.sum(old * states[t]) + sums[t][0]
    states[0] = states[-1]
    states[-1] = x * x
    return s + np.sum(states[0] ** 3) + np.sum(states[-1]) + np.sum(sums[-2][1])


def replaced_while_read(x, n):
    states = []
    for t in range(n):
        states.append(x * t)
    s = x * 0
    for k, v in enumerate(states):
        states[n - 1 - k] = v + states[k - 1]
        s = s + v * states[0]
    return s


def replaced_beyond(x, n):
    states = []
    for t in range(n):
        states.append(x * t)
    states[n] = x
    return np.sum(states[0])


def changed_after_replacing(x, n):
    states = []
    for t in range(n):
        states.append(x * t)
    states[0] = x
    x[0] = 5.0
    return np.sum(states[0])


def aliased_hist(x, n):
    hist = []
    for i in range(n):
        x *= 1.1
        hist.append(x)
    return np.array(hist).sum(axis=0)


def copied_hist(x, n):
    hist = []
    for i in range(n):
        x *= 1.1
        hist.append(x.copy())
    x[0] = 0
    return np.array(hist).sum(axis=0)


def late_store(x, n):
    hist = []
    a = x * 2
    for i in range(n):
        hist.append(a)
    a[0] = 5.0
    return np.array(hist).sum(axis=0)


def pop_arrays(x, n):
    st = [x]
    t = 0.0
    while st:
        a = st.pop()
        t += a.sum()
        if a[0] > 0.1:
            st.append(a * 0.5)
            st.append(a * 0.3)
    return t


def slices_of_list(x, n):
    out = [x]
    for i in range(n):
        out.append(out[-1] * 0.9 + x * i)
    tail = out[1:]
    tail.append(x)
    both = out + tail
    both2 = [1.0] + out[::-1]
    return sum(tail) + 2 * sum(out[-3:]) + sum(both) * len(both) + both2[1] + max(out)


def widen(x, n):
    out = [0]
    for i in range(n):
        out.append(i)
    out[0] = x * 2.5
    return out[0] + sum(out)


def iter_list(x, n):
    out = []
    for i in range(n):
        out += [x * i, x + i]
    s = 0.0
    for k, v in enumerate(out):
        s += v * k
    for a, b in zip(out, out[1:]):
        s += a * b
    ys = [v * 2 for v in out if v > 1]
    return s + sum(ys) + len(ys)


def nested_grow(x, n):
    rows = []
    for i in range(n):
        row = []
        for j in range(i):
            row.append(x * j)
        rows.append(sum(row))
    return sum(r * k for k, r in enumerate(rows))


def clear_pop(x, n):
    buf = []
    t = 0.0
    for i in range(n):
        buf.append(x**i)
        if len(buf) == 3:
            t += buf[0] * buf[1] * buf[2]
            buf.clear()
        elif i % 4 == 3:
            t -= buf.pop()
    return t + len(buf)


def deque_like(x, n):
    q = [x]
    head = 0
    while head < len(q):
        v = q[head]
        head += 1
        if v < 4:
            q.append(v * 2 + 0.1)
            q.append(v * 3)
    return sum(q)


def mixed_ret(x, n):
    out = []
    for i in range(n):
        if i % 2:
            out.append(x * i)
    return out


def comp(x):
    return sum(v**2 for v in x if v > 0.3) + len([1 for v in x if v < 0.5])


def func_list(x, n):
    def add(lst, v):
        lst.append(v)
        return len(lst)

    out = []
    k = 0
    for i in range(n):
        if x * i > 0.3:
            k += add(out, x * i)
    return sum(out) * k


def alias_list(x, n):
    a = []
    b = a
    for i in range(n):
        if i != 2:
            a.append(x * i)
            b.append(1.0)
    return sum(a) + 2 * sum(b)


def elem_change(x, n):
    hist = []
    for i in range(n):
        hist.append(x * i)
    h = hist[1]
    h[0] = 7.0
    return hist[1] * 1.0


def dict_lists(x, n):
    d = {"a": [], "b": []}
    for i in range(n):
        d["a" if i % 2 else "b"].append(x * i) if False else d["a"].append(x * i)
        if i > 1:
            d["b"].append(x)
    return sum(d["a"]) * sum(d["b"])


def self_list(x, n):
    class_ = []
    for i in range(n):
        class_.append([x, i])
    return class_[0][0] + len(class_)


def from_long_list(x):
    out = []
    for v in LONG:
        if v * x > 0.3:
            out.append(v * x)
    s = 0.0
    for v in out:
        s += v * v
    return s


def list_after_break(x):
    total = 0.0
    for k in range(len(x)):
        if x[k] > 0.9:
            break
        items = [x[0]]
        items.append(total + x[k])
        total = 0.5 * total + items[-1]
    return total


def A(n=6, s=0):
    return np.random.default_rng(s).random(n) + 0.05


X = (0.7, 5)
LONG = [0.05 * k for k in range(30)]


def nearest_first(x):
    """Membership in a list that grows at run time."""
    chosen, total = [0], 0.0
    while len(chosen) < len(x):
        best = (np.inf, -1)
        for i in chosen:
            for j in range(len(x)):
                if j not in chosen and abs(x[i] - x[j]) < best[0]:
                    best = (abs(x[i] - x[j]), j)
        total = total * 0.9 + best[0]
        chosen.append(best[1])
    return total * (2.0 if 3 in chosen else 1.0)


def in_arrays(x, n):
    places = np.arange(n) * 2
    return x[1] if 4 in places and 5 not in places and x[0] in x[:2] else x[2]


SCALE = 2.0


def scaled_cube(t):
    return t**3 - SCALE


def of_constants(x):
    """Library functions of constants only are run by Python itself."""
    points, weights = np.polynomial.legendre.leggauss(5)
    return np.sum(weights * np.cos(points * x[0]))


def solved_by_a_library(x):
    """A library that calls the program back: the function is staged with it."""
    return scipy.optimize.brentq(scaled_cube, 0.0, 3.0) * x[1]


CASES = {
    pairs: [X],
    nearest_first: [(A(),), (A() * 0.5,)],
    in_arrays: [(A(), 4), (A(), 2)],
    of_constants: [(A(),)],
    arrays_in_list: [(A(), 4)],
    copied_hist: [(A(), 4)],
    smoothed: [(A(), 4), (A(), 2)],
    replaced_while_read: [(A(), 5), (A(), 1)],
    replaced_beyond: [(A(), 3)],
    pop_arrays: [(A(), 3)],
    slices_of_list: [X],
    widen: [X],
    iter_list: [X],
    nested_grow: [X],
    clear_pop: [(0.7, 9)],
    deque_like: [(0.7, 1)],
    mixed_ret: [X],
    comp: [(A(),)],
    func_list: [X],
    alias_list: [X],
    dict_lists: [X],
    from_long_list: [(1.3,)],
    solved_by_a_library: [(A(),)],
    list_after_break: [(A(),), (A() * 0.5,)],
}

# Programs whose meaning cannot be kept: refused, with a way out.
REFUSED = {
    aliased_hist: (A(), 4),
    late_store: (A(), 3),
    changed_after_replacing: (A(), 3),
    elem_change: (A(), 4),
    self_list: (0.7, 5),
}
