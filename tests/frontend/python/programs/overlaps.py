"""Writes through index arrays whose values, indices or masks share its memory, or do not fit into it."""

import numpy as np


def permuted_by_itself(x, order):
    x[order] = x
    return x * x


def value_is_a_view(x, order):
    x[order] = x[::-1]
    return np.sin(x)


def rows_by_themselves(m, order):
    m[order] = m
    return m * m


def through_two_indices(m, order):
    m[order, order[::-1]] = m[0]
    return m


def index_is_written(k):
    k[2:][k[:-2]] = 3
    return k


def index_is_written_whole(k, x):
    k[k] = k
    return x[k] * x


def added_at_itself(x, order):
    np.add.at(x, order, x)
    return x * x


def multiplied_at_itself(x, order):
    x[order] *= x[order[::-1]] + x
    return x


def into_a_column(m, v):
    m[:, [0]] = v
    return m * m


def into_a_row(m, v):
    m[[0], :] = v
    return m * m


def in_place(m, v):
    m += v
    return m * m


def through_a_mask(m, b):
    m[b] = 2.0
    return m * m


def added_where(m, v, b):
    np.add(m, v, out=m, where=b)
    return m * m


def summed_where(m, b):
    return np.sum(m * m, where=b)


def along_an_axis(m, picks, v):
    np.put_along_axis(m, picks, v, 1)
    return m * m


def weighted(m, w):
    return np.average(m, axis=0, weights=w)


def slope(x, at):
    return np.gradient(x * x, at)


def middle(x, k):
    return np.partition(x, k)[k]


def summed_by_arrays(m, order):
    return np.einsum(m, [np.int64(1), 0], [0, 1]) @ m + order.sum()


def half(x, at):
    return x[:at]


def zero_dimensional_masks(x):
    y = x * 1.0
    y[np.array(True)] += x[::-1]
    y[np.array(False)] = 7.0
    return x[np.array(True)] * 2.0, x[np.array(False)].sum(), y


def _x(n=5):
    return np.random.default_rng(n).normal(size=n)


def _m(rows=5, columns=3):
    return np.random.default_rng(rows + columns).normal(size=(rows, columns))


ORDER = np.array([3, 1, 4, 0, 2])
REPEATED = np.array([3, 3, 0, 1, 0])
SQUARE = _m(5, 5)

CASES = {
    permuted_by_itself: [(_x(), ORDER), (_x(), REPEATED), (_x(), ORDER[::-1])],
    value_is_a_view: [(_x(), ORDER), (_x(), REPEATED)],
    rows_by_themselves: [(_m(), ORDER), (_m(), REPEATED)],
    through_two_indices: [(SQUARE, ORDER)],
    index_is_written: [(np.arange(5),)],
    index_is_written_whole: [(ORDER, _x()), (REPEATED, _x())],
    added_at_itself: [(_x(), ORDER), (_x(), REPEATED)],
    multiplied_at_itself: [(_x(), ORDER)],
    into_a_column: [(_m(), _m(5, 1)), (_m(), _m(5, 2)), (_m(), _m(5, 0)), (_m(), _m(1, 1)), (_m(), _x(1))],
    into_a_row: [(_m(), _x(3)), (_m(5, 1), _m(2, 1)), (_m(5, 1), _x(2))],
    in_place: [(_m(), _x(3)), (_m(5, 1), _m(5, 2)), (_m(1, 3), _m(5, 3)), (_x(3), _m(1, 3)), (_x(1), _x(3))],
    through_a_mask: [
        (_m(), _m() > 0), (_x(3), np.array([True])), (_m(), np.ones((5, 1), bool)), (_m(), np.ones(5, bool)),
    ],
    added_where: [
        (_m(), _x(3), _m() > 0), (_m(), _x(3), _m(5, 1) > 0), (_x(3), _x(3), np.ones((2, 3), bool)),
        (_x(1), _x(1), np.ones(3, bool)),
    ],
    summed_where: [(_m(), _m() > 0), (_m(), _m(1, 3) > 0), (_x(3), np.ones((2, 3), bool)), (_x(3), np.ones(2, bool))],
    along_an_axis: [
        (_m(), ORDER[:, None] % 3, _m(5, 1)), (_m(), np.array([[0, 2]]), 1.5), (_m(), np.array([[0, 2]]), _m(5, 1)),
        (_m(), np.zeros((7, 1), int), 1.0), (_m(), np.zeros((5, 2), int), _m(4, 2)), (_m(), ORDER, 1.0),
    ],
    weighted: [(_m(), _x() ** 2), (_m(), _m() ** 2), (_m(), _x(4) ** 2)],
    slope: [(_x(), np.sort(_x())), (_x(), np.arange(4.0)), (_x(), 0.5)],
    middle: [(_x(), 2), (_x(), -1), (_x(), 5)],
    summed_by_arrays: [(SQUARE, ORDER)],
    half: [(_x(), 2), (_x(), 0.5)],
    zero_dimensional_masks: [(_x(),)],
}  # fmt: skip
