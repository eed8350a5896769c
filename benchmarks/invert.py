"""What undone updates save, and what they take: `python benchmarks/invert.py`.

For each program the bytes of its tapes, the peak and the time of a gradient (the least of many, with and without in
turns), without and with `invert=True`, on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg

ROUNDS = 30


def gram_schmidt(a: Any) -> Any:
    """Modified Gram-Schmidt, column by column."""
    q, r = np.zeros_like(a), np.zeros((a.shape[1], a.shape[1]))
    for k in range(a.shape[1]):
        r[k, k] = np.sqrt(np.dot(a[:, k], a[:, k]))
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, a.shape[1]):
            r[k, j] = np.dot(q[:, k], a[:, j])
            a[:, j] -= q[:, k] * r[k, j]
    return np.sum(q * np.cos(q)) + np.sum(r)


def springs(x: Any, v: Any, dt: float, steps: int) -> Any:
    """Masses in a row, with springs that stiffen: leapfrog."""
    for _ in range(steps):
        x[1:-1] += 0.5 * dt * v[1:-1]
        v[1:-1] += dt * (x[2:] - 2 * x[1:-1] + x[:-2] - x[1:-1] ** 3)
        x[1:-1] += 0.5 * dt * v[1:-1]
    return np.sum(x * x) + np.sum(v)


def reversible(x: Any, y: Any, u: Any, w: Any) -> Any:
    """A residual network of two streams."""
    for k in range(u.shape[0]):
        x += np.tanh(y @ u[k])
        y += np.tanh(x @ w[k])
    return np.sum(x * y)


def measured(f: Callable[..., Any], args: tuple[Any, ...], wrt: tuple[int, ...]) -> str:
    """A row of the table."""
    kinds = [wg.grad(f, wrt), wg.grad(f, wrt, invert=True)]
    best = [np.inf, np.inf]
    for _ in range(ROUNDS):
        for k, g in enumerate(kinds):
            start = time.perf_counter()
            g(*args)
            best[k] = min(best[k], time.perf_counter() - start)
    made = [wg.explain(f, *args, wrt=wrt, invert=inverted) for inverted in (False, True)]
    tapes, peaks = ([f"{getattr(e, name) / 1e6:.3g}" for e in made] for name in ("tape_bytes", "peak_bytes"))
    times = [f"{1e3 * t:.3g}" for t in best]
    return f"| {f.__name__} | {' | '.join([*tapes, *peaks, *times])} |"


def main() -> None:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return 0.1 * rng.standard_normal(shape)

    print("| program | tapes, MB | inverted | peak, MB | inverted | gradient, ms | inverted |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(measured(gram_schmidt, (rng.standard_normal((240, 200)),), (0,)), flush=True)
    print(measured(springs, (normal(10_000), normal(10_000), 0.01, 1_000), (0, 1)), flush=True)
    weights = normal(32, 64, 64), normal(32, 64, 64)
    print(measured(reversible, (normal(256, 64), normal(256, 64), *weights), (0, 1, 2, 3)), flush=True)


if __name__ == "__main__":
    main()
