"""Boolean indexing on both sides of an assignment: what is read and what is written, and with which mask."""

import numpy as np


def same_mask(x, c):
    z = x.copy()
    m = z > 0.2
    z[m] = z[m] ** 2 + c[m] * 0.5
    return z


def shifted_source(x):
    m = x > 0.0
    x[m] = x[::-1][m] * 2.0 + x[m]
    return np.sum(x * x)


def view_of_itself(x):
    inner, m = x[1:-1], x[1:-1] > 0.0
    inner[m] = x[:-2][m] + 3.0 * inner[m]
    return x


def two_masks(x, y):
    m = x > 0.0
    n = -x < 0.0
    x[m] = y[n] * x[m]
    return x


def mask_changed_between(x, y):
    m = x > 0.0
    a = y[m]
    m[0] = not m[0]
    x[m] = y[m] * 2.0
    return np.sum(a), x


def mask_changed_in_loop(x, y, n):
    m = x > 0.0
    s = np.sum(y[m])
    for _ in range(n):
        x[m] = x[m] * 0.5 + y[m]
        s += np.sum(y[m])
        m[:] = x > 0.3
    return s, x


def mask_written_through_a_view(x, y):
    m = x > 0.0
    t = y[m]
    head = m[:2]
    head[:] = True
    x[m] = y[m] + 1.0
    return np.sum(t), x


def rows(x, w):
    m = np.sum(x, axis=1) > 0.0
    x[m] = x[m] * 2.0 - w[m]
    x[m] += w
    return x


def rows_by_broadcast(x, v):
    m = x[:, 0] > 0.0
    x[m] = np.sin(x[m]) * v
    return x


def counts(x, k):
    n = np.zeros(x.shape, dtype=np.int64)
    m = x > 0.0
    n[m] = n[m] + k
    n[m] = n[m] * 2 + 1
    x[m] = x[m] * n[m]
    return n, x


def wider(x):
    y = x.astype(np.complex128)
    m = x > 0.0
    y[m] = x[m] * 1.5
    return y


def of_a_mask(x):
    m = x > 0.0
    k = x > 0.5
    m[k] = ~m[k]
    k[k] = False
    return np.sum(x[m]), np.sum(x[k])


def mask_is_a_column(x):
    m = x > 0.0
    first = m[:, 0]
    m[first] = ~m[first]
    return np.sum(x[m])


def in_branch(x, y, flag):
    m = x > 0.0
    s = x[m]
    if flag > 0.5:
        x[m] = y[m] * s
        m[1] = True
    x[m] = x[m] + y[m]
    return x


def number_in_front(x):
    m = x > 0.0
    x[m] = 3.0 - x[m] / np.sum(x[m])
    return x


def wrong_count(x, y):
    m = x > 0.0
    x[m] = y[:2]
    return x


def wrong_shape(x, y):
    m = x > 0.0
    x[m] = y[1:][m] * 2.0
    return x


def index_array_in_between(x, y, i):
    m = x > 0.0
    x[m] = y[m] + y[i][m]
    return x


def A(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


CASES = {
    same_mask: [(A(9), A(9, 1)), (A((3, 4)), A((3, 4), 1)), (A(0), A(0))],
    shifted_source: [(A(8),)],
    view_of_itself: [(A(9),)],
    two_masks: [(A(7), A(7, 1))],
    mask_changed_between: [(A(7), A(7, 1))],
    mask_changed_in_loop: [(A(7), A(7, 1), 4)],
    mask_written_through_a_view: [(A(7), A(7, 1))],
    rows: [(A((5, 3)), A((5, 3), 1))],
    rows_by_broadcast: [(A((5, 3)), A(3, 1)), (A((5, 1)), A(1, 1))],
    counts: [(A(7), 3), (A((2, 9)), 2)],
    wider: [(A(7),)],
    of_a_mask: [(A(9),)],
    mask_is_a_column: [(A((5, 3)),)],
    in_branch: [(A(7), A(7, 1), 1.0), (A(7), A(7, 1), 0.0)],
    number_in_front: [(A(7),)],
    wrong_count: [(A(7), A(7, 1))],
    wrong_shape: [(A(7), A(7, 1))],
    index_array_in_between: [(A(7), A(7, 1), np.array([3, 3, 0, 1, 6, 5, 2]))],
}
