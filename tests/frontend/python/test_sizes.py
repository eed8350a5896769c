"""Relations between the sizes of a call: used where they prove something, guarded from then on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives
from wengert.ir.text import show
from wengert.programs import program_of

RNG = np.random.default_rng(0)


def gates(x, w, u):
    """A recurrence whose weights hold three gates side by side."""
    n = len(u)
    h = np.zeros(n)
    for t in range(len(x)):
        z = x[t] @ w + h @ u
        h = np.tanh(z[:n]) * z[n : 2 * n] + z[2 * n : 3 * n]
    return h


def halves(x, y):
    n = len(y)
    return np.sum(x[:n] * y) + np.sum(x[n : 2 * n] * y**2)


def pairs(n, x):
    total = 0.0
    for i in range(n):
        total += x[2 * i] * x[2 * i + 1]
    return total


def unrelated(x, y):
    n = len(y)
    return np.sum(x[:n] * y)


def text(f: Any, *args: Any) -> str:
    return show(program_of(f).stage(args, {}).module)


def gate_arguments(n: int, columns: int) -> tuple[Any, ...]:
    return RNG.standard_normal((5, 10)), RNG.standard_normal((10, columns)), RNG.standard_normal((n, columns))


def test_a_multiple_that_the_program_relies_on() -> None:
    args = gate_arguments(11, 33)
    assert_derivatives(gates, *args)
    code = text(gates, *args)
    assert "min(" not in code and "ref " not in code


def test_the_relation_is_guarded() -> None:
    run, gradient = wg.compile(halves), wg.grad(halves)
    for n, m in ((20, 10), (30, 15), (31, 15), (29, 15), (45, 15), (20, 10), (24, 24)):
        x, y = RNG.standard_normal(n), RNG.standard_normal(m)
        try:
            expected = halves(x, y)
        except ValueError:
            with pytest.raises(ValueError):
                run(x, y)
            continue
        np.testing.assert_allclose(run(x, y), expected, rtol=1e-12)
        slope = np.zeros(n)
        slope[:m], slope[m : 2 * m] = y, (y**2)[: max(n - m, 0)]
        np.testing.assert_allclose(gradient(x, y), slope, rtol=1e-12)


def test_one_compilation_serves_every_size_so_related(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))

    def both(x, y):
        return halves(x, y)

    run = wg.compile(both)
    for m in (10, 12, 40):
        run(RNG.standard_normal(2 * m), RNG.standard_normal(m))
    assert len(program_of(both).variants["value"]) == 1
    run(RNG.standard_normal(41), RNG.standard_normal(20))
    assert len(program_of(both).variants["value"]) == 2


def test_a_number_may_be_the_unit() -> None:
    x = RNG.standard_normal(40)
    assert_derivatives(pairs, 20, x)
    assert "fail" not in text(pairs, 20, x)
    run = wg.compile(pairs)
    run(20, x)
    assert run(15, x) == pytest.approx(pairs(15, x))
    with pytest.raises(IndexError, match="index 40 is out of bounds"):
        run(21, x)


def test_chance_multiples_are_left_alone() -> None:
    staged = program_of(unrelated).stage((np.ones(40), np.ones(20)), {})
    assert all(times == 1 for _, times, _, _ in staged.equal)
