"""Steady diffusion with a coefficient that varies in space: conjugate gradients without a matrix.

Five-point differences on a square, zero on its border, harmonic means of the coefficient between the points. Source:
M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems", J. Res. NBS 49 (1952).
Few iterations: after some fifty the directions are no longer orthogonal, and the iterates depend on the last digit.
"""

import numpy as np

PRESETS = {"S": {"n": 150, "iterations": 30}, "M": {"n": 500, "iterations": 35}}


def initialize(n, iterations):
    rng = np.random.default_rng(5)
    conductivity = np.exp(0.5 * rng.standard_normal((n + 2, n + 2)))
    return conductivity, rng.standard_normal((n, n)), iterations


def diffuse(x, east, north):
    """The operator applied to the inner points x: what leaves each point."""
    n = len(x)
    padded = np.zeros((n + 2, n + 2))
    padded[1:-1, 1:-1] = x
    flux_x = east * (padded[1:, 1:-1] - padded[:-1, 1:-1])
    flux_y = north * (padded[1:-1, 1:] - padded[1:-1, :-1])
    return flux_x[:-1] - flux_x[1:] + flux_y[:, :-1] - flux_y[:, 1:]


def conjugate_gradient(conductivity, source, iterations):
    """The temperature after a number of iterations from zero, and the squared norms of the residuals."""
    k = conductivity
    east = 2 * k[1:, 1:-1] * k[:-1, 1:-1] / (k[1:, 1:-1] + k[:-1, 1:-1])
    north = 2 * k[1:-1, 1:] * k[1:-1, :-1] / (k[1:-1, 1:] + k[1:-1, :-1])
    x = np.zeros_like(source)
    r = source.copy()
    p = source.copy()
    norms = np.zeros(iterations)
    rr = np.sum(r * r)
    for it in range(iterations):
        q = diffuse(p, east, north)
        step = rr / np.sum(p * q)
        x += step * p
        r -= step * q
        new = np.sum(r * r)
        p *= new / rr
        p += r
        rr = new
        norms[it] = rr
    return x, norms
