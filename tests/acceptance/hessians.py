"""Second derivatives of plain programs by differences, and every way that wengert has to compute them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg

Scalar = Callable[[Any], Any]


def second_along(f: Scalar, x: np.ndarray, v: np.ndarray, step: float = 0.05, levels: int = 7) -> float:
    """d^2 f(x + t v) / d t^2 at 0, of the plain program: second differences, extrapolated (Richardson) in h^2."""
    middle = float(f(x.copy()))
    best, smallest = np.nan, np.inf
    previous: list[float] = []
    for k in range(levels):
        h = step / 2**k
        row = [(float(f(x + h * v)) - 2 * middle + float(f(x - h * v))) / h**2]
        for j, older in enumerate(previous):
            row.append(row[j] + (row[j] - older) / (4 ** (j + 1) - 1))
            change = abs(row[-1] - row[-2])
            if change < smallest:
                best, smallest = row[-1], change
        previous = row
    return best


def assert_second_order(f: Scalar, x: Any, seed: int = 0, rtol: float = 1e-6) -> None:
    """v^T H w of a scalar program of one array along random v, w: forward over reverse, reverse over reverse, forward
    over forward and reverse over forward, against differences of the plain program; H is symmetric to rounding."""
    x = np.asarray(x, dtype=float)
    rng = np.random.default_rng(seed)
    v, w = rng.standard_normal(x.shape), rng.standard_normal(x.shape)
    v, w = v / np.linalg.norm(v), w / np.linalg.norm(w)
    expected = (second_along(f, x, v + w) - second_along(f, x, v - w)) / 4

    def slope(x):
        return wg.jvp(f, (x,), (w,))[1]

    hw, hv = wg.hvp(f)(x, w), wg.hvp(f)(x, v)
    _, pullback = wg.vjp(wg.grad(f), x)
    found = {
        "forward over reverse": np.sum(v * hw),
        "its transpose": np.sum(w * hv),
        "reverse over reverse": np.sum(v * pullback(w)[0]),
        "forward over forward": wg.jvp(slope, (x,), (v,))[1],
        "reverse over forward": np.sum(v * wg.grad(slope)(x)),
    }
    size = np.sum(np.abs(v * hw)) + np.sum(np.abs(w * hv))
    for name, value in found.items():
        np.testing.assert_allclose(value, found["forward over reverse"], rtol=0, atol=1e-11 * size, err_msg=name)
        np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol * size, err_msg=name)
