"""Straight-line programs whose single arrays are worth storing, or making again, at different limits."""

from __future__ import annotations

import numpy as np

from wengert.cli.bench.programs import load_module
from wengert.cli.bench.suite import BENCHMARKS

MEASURED = load_module(BENCHMARKS / "memory_programs.py")


def stages(x):
    """Dear and cheap elementwise stages."""
    a = np.exp(np.sin(x))
    b = a * x + 1.0
    c = np.sqrt(b * b + 1.0)
    d = c * np.cos(b)
    e = d / (1.0 + d * d)
    f = np.log(1.0 + e * e) * a
    return np.sum(f * e) + np.sum(d[1:] * c[:-1])


def convolved(x, k):
    """Stencils, products and sums in between; an array that is changed in place, and one that is read by views."""
    u = np.zeros_like(x)
    u[1:-1, 1:-1] = x[1:-1, 1:-1] + 0.1 * (x[2:, 1:-1] + x[:-2, 1:-1] + x[1:-1, 2:] + x[1:-1, :-2])
    v = np.exp(-u * u)
    m = v @ k
    v = v * 0.5
    v += np.sin(m)
    n = np.tanh(v.T @ m)
    for i in range(3):
        n = n + 0.1 * np.cos(n) * (i + 1.0)
    means = v.mean(axis=0)
    h = (v - means) * np.maximum(m, 0.2)
    return np.sum(h * h) + np.sum(n * n) + np.sum(np.max(h, axis=1))


def branches(x, flag):
    """Branches and a loop that stays one."""
    y = np.exp(x)
    z = np.sin(y) * x if flag > 0 else np.cos(y)
    total = 0.0
    w = np.zeros_like(x)
    for i in range(1, x.shape[0]):
        w[i] = 0.5 * w[i - 1] + z[i] * y[i - 1]
        if w[i] > 1.0:
            total += w[i] * z[i]
    v = np.sqrt(1.0 + w * w)
    return np.sum(v * y) + total


def arguments(name: str) -> tuple[tuple, int]:
    """Arguments, and what is differentiated."""
    r = np.random.default_rng(3)
    match name:
        case "perceptron":
            layers = [r.standard_normal((24, 24)) / 5 for _ in range(9)]
            return (r.standard_normal((160, 24)), layers, [r.standard_normal(24) for _ in range(9)]), 1
        case "mixed":
            return (r.standard_normal(70), r.standard_normal(50)), 0
        case "convolved":
            return (r.standard_normal((30, 30)), r.standard_normal((30, 30)) / 6), 0
        case "branches":
            return (r.standard_normal(700), 1.0), 0
        case _:
            return (r.standard_normal(2500),), 0


PROGRAMS = {
    "perceptron": MEASURED.layers,
    "stages": stages,
    "mixed": MEASURED.outer,
    "convolved": convolved,
    "branches": branches,
}
