"""Parts of reshaped arrays that are reshaped again, and `.flat`: views of what they came from, or copies of it."""

from __future__ import annotations

import numpy as np


def columns_of_a_reshaped_array(x):
    a = x.reshape(3, 4)
    b = a[:, :2].ravel()
    c = a[:, :2].reshape(2, 3)
    d = np.reshape(a[:2, :3], (6,))
    return b * 2, c, d, a[:, :1].flatten(), np.ravel(a[:, :3])[4]


def columns_that_are_copied_and_written(x):
    a = x.reshape(3, 4)
    b = a[:, :2].ravel()
    b[0] = 200.0
    a[:, :2].reshape(-1)[1] = 5.0
    np.ravel(a[:, :3])[2] *= 3
    return x, b


def rows_that_are_written_through(x):
    a = x.reshape(3, 4)
    b = a[:2].ravel()
    b[5] = x[11] * 2
    a[1:].reshape(2, 4)[0, 0] *= 3
    c = a[:1].reshape(2, 2)
    c[1] += c[0]
    return x, b, c


def blocks_multiplied(x):
    a = x.reshape(2, 3, 2)
    return a[:1] @ a[0].T, np.tensordot(a[:, :2], a[:, :2], axes=2), np.dot(a[:, :1], x[:2])


def columns_of_unknown_size(x):
    n = len(x) // 4
    a = x.reshape(n, 4)
    return np.sum(a[:, :3].reshape(-1) * np.arange(3.0 * n)), a[:, 1:].ravel()


def flat_of_whole_arrays(x):
    a = x.reshape(3, 4)
    a.flat[1] = 9.0
    a.flat[2:5] = x[7]
    a.flat[[7, 8]] *= 2
    return x, a.flat[3], a[:2].flat[1]


def flat_of_parts_read(x):
    a = x.reshape(3, 4)[:, 1:3]
    total = 0.0
    for k, v in enumerate(a.flat):
        total += k * v * v
    return total, a.flat[3], a.T.flat[1]


def flat_of_a_part_written(x):
    a = x.reshape(3, 4)[:, :3]
    a.flat[4] = 2.0
    return x


def flat_of_a_transpose_written(x):
    a = x.reshape(3, 4).T
    a.flat[1] = 2.0
    return x


def flat_of_a_part_that_changes_meanwhile(x):
    a = x.reshape(3, 4)[:, :2]
    for v in a.flat:
        x[1] += v
    return x


ARGUMENTS = (np.arange(12.0) * 0.3 - 1.5,)
REFUSED = {
    f: ARGUMENTS for f in (flat_of_a_part_written, flat_of_a_transpose_written, flat_of_a_part_that_changes_meanwhile)
}
CASES = {
    f: [ARGUMENTS, (np.arange(48.0) * 0.1,)] if f is columns_of_unknown_size else [ARGUMENTS]
    for f in list(globals().values())
    if getattr(f, "__module__", "") == __name__ and f not in REFUSED
}
