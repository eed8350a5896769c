"""Views of the real and imaginary parts of an array."""

import numpy as np


def real_alias(z):
    re = z.real
    z *= 2
    return re.sum()


def imag_assign(z, x):
    w = z * 1.0
    w.imag = x
    w.real[1:3] = x[:2] * 2
    w.imag[x > 0.5] = 0.25
    w.real[[0, 2]] += x[:2]
    v = w.imag.reshape(2, 3).T
    v[0, 1] = 9.0
    w.real[::2] *= 3
    return w, w.real @ x, np.linalg.norm(w.imag)


def swap_parts(z):
    w = z.copy()
    w.real, w.imag = w.imag.copy(), w.real.copy()
    w.real[:] = w.imag
    return w


def part_arg(z, x):
    def bump(a, n):
        for i in range(n):
            a[i] += x[i]

    w = z.copy()
    for k in range(5):
        bump(w.imag, 3)
    return w


def loop_part(z, n):
    r = z.real
    for i in range(n):
        r = r * 0.5 + z.imag
    s = np.real(z)
    return r + s


def diag(z):
    m = np.outer(z, z)
    np.fill_diagonal(m.real, 3.0)
    m.imag[np.diag_indices(6)] = 1.0
    return m, np.diagonal(m).imag


rng = np.random.default_rng(0)
Z = rng.random(6) + 1j * rng.random(6)
X = rng.random(6)
CASES = {
    real_alias: [(Z,)],
    imag_assign: [(Z, X)],
    swap_parts: [(Z,)],
    part_arg: [(Z, X)],
    loop_part: [(Z, 3)],
    diag: [(Z,)],
}
