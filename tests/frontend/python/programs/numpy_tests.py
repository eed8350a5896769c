"""What NumPy's own tests found: edges of functions of numpy.lib."""

import numpy as np


def inserted(m, v):
    return np.insert(m, 1, v, axis=1), np.insert(m, -1, v, axis=0)


def flat_inserted(m, v):
    return np.insert(m, 2, v)


def without(x, mask):
    return np.delete(x, mask) * 2.0


def slope(x, at):
    return np.gradient(x * x, at)


def covariance(m):
    return np.cov(m, rowvar=False)


def interpolated(x, at, y):
    return np.interp(x, at, y)


def lowest(x):
    return np.quantile(x, [0.2, 0.9], method="lower"), np.percentile(x, 60, method="nearest")


def fraction_of(x, q):
    return np.quantile(x, q), np.percentile(x, 100 * q, method="midpoint")


def summed_into(m, out):
    np.sum(m, axis=0, out=out)
    return out * out


def clipped_into(x, out):
    np.clip(x, -0.5, 0.5, out=out)
    return out * out


def of_stacks(m):
    return np.linalg.trace(m, offset=1), np.linalg.diagonal(m) ** 2


def _m(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


AT = np.array([0.5, 0.25, 1.5, -1.0])
INF = np.inf

CASES = {
    inserted: [(_m(3, 3), _m(3, 1)), (_m(3, 3), _m(3)), (_m(3, 3), 5.0), (_m(3, 3), _m(1, 3)), (_m(3, 3), _m(2, 3))],
    flat_inserted: [(_m(3, 3), _m(2)), (_m(3, 3), 7.0)],
    without: [(_m(3), np.array([True, False, True])), (_m(3), np.array([True, False]))],
    slope: [(_m(3), np.array([9, 5, 1], np.uint8)), (_m(3), np.array([-128, 127, 3], np.int8))],
    covariance: [(_m(1, 3),), (_m(4, 2),)],
    interpolated: [
        (AT, np.array(at, float), np.array(y, float) * unit)
        for at, y in [
            ([-INF, INF], [10, 10]), ([-INF, 1], [0, 10]), ([0, 1], [-INF, 10]), ([0, 1], [10, INF]),
            ([0, 1], [-INF, INF]),
        ]
        for unit in (1.0, 1.0 + 1.0j)
    ],
    summed_into: [(_m(2, 3), _m(3)), (_m(2, 3), _m(1, 3)), (_m(2, 1), _m(3)), (_m(2, 3), _m(4))],
    clipped_into: [(_m(3), _m(3)), (_m(3), _m(2, 3)), (_m(3), _m(4))],
    of_stacks: [(_m(2, 3, 4),), (_m(3, 3),)],
    lowest: [(np.array([3, 1, 2]),), (np.array([3, 1, 2], np.uint8),), (_m(5),)],
    fraction_of: [
        (_m(5).astype(np.float32), np.float64(0.3)), (_m(5).astype(np.float32), 0.3), (_m(5), np.array([0.2])),
    ],
}  # fmt: skip
