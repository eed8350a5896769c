"""Tridiagonal systems with many right-hand sides: elimination without pivoting.

Source: L. H. Thomas, "Elliptic problems in linear difference equations over a network", Columbia University (1949);
S. D. Conte, C. de Boor, "Elementary Numerical Analysis", section 4.3.
"""

import numpy as np

PRESETS = {"S": {"n": 500, "m": 200}, "M": {"n": 1000, "m": 2000}}


def initialize(n, m):
    rng = np.random.default_rng(2)
    lower, upper = rng.uniform(-1, 1, n), rng.uniform(-1, 1, n)
    return lower, rng.uniform(2.5, 4, n), upper, rng.standard_normal((n, m))


def thomas(lower, diagonal, upper, d):
    """Solve in place for the columns of d; lower[0] and upper[-1] are not used."""
    n = len(diagonal)
    ratio = np.zeros(n)
    ratio[0] = upper[0] / diagonal[0]
    d[0] /= diagonal[0]
    for i in range(1, n):
        pivot = diagonal[i] - lower[i] * ratio[i - 1]
        ratio[i] = upper[i] / pivot
        d[i] = (d[i] - lower[i] * d[i - 1]) / pivot
    for i in range(n - 2, -1, -1):
        d[i] -= ratio[i] * d[i + 1]
