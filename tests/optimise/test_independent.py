"""Which loops of programs may take their turns in any order, and which must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from analysis.test_parallel import APART, MEETING, NOT, ROWS
from optimise.checks import becomes, keep_meaning, program, stays
from wengert.ir.nodes import Loop
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise.independent import independent

Array = np.ndarray[Any, Any]

WRITTEN = APART | {name: body for name, (body, _, _) in MEETING.items()} | ROWS
"""Loops that may run on threads may take any order, and the other way round."""
UP = {
    "upwards": ("for i in 0:n { u[i] = v[i] }", "for i in 0:n any { u[i] = v[i] }"),
    "downwards": ("for i in n - 1:-1 step -1 { u[i] = v[i] }", "for i in 0:n any { u[i] = v[i] }"),
    "the inner one only": (
        "for l in 0:n { for i in 0:n { u[i] += u[i] * v[l] } }",
        "for l in 0:n { for i in 0:n any { u[i] += u[i] * v[l] } }",
    ),
    "a nest that adds": (
        "for i in 0:n { for j in 0:m { v[j] += a[i, j] } }",
        "for i in 0:n any { for j in 0:m any { v[j] += a[i, j] } }",
    ),
}
STAYS = {
    "a recurrence": "for i in 1:n { u[i] = u[i - 1] * x }",
    "a recurrence of sums": "for i in 1:n { u[i] += u[i - 1] }",
    "a running value": "alloc s: f64[] zero for i in 0:n { s[] = s[] * x + v[i]  u[i] = s[] }",
    "a running sum that is read": "alloc s: f64[] zero for i in 0:n { s[] += v[i]  u[i] = s[] }",
    "what another turn wrote": "for i in 0:n - 1 { u[i] = u[i + 1] * x }",
    "the last one counts": "alloc s: f64[] zero for i in 0:n { s[] = v[i] } u[0] = s[]",
    "a loop that is left": "for i in 0:n while u[0] < 9.0 { u[i] += v[i] }",
    "places from data": "for i in 0:n { u[k[i]] = v[i] }",
    "reversed in place": "for i in 0:n { u[i] = u[n - 1 - i] }",
}


@pytest.mark.parametrize("name", UP)
def test_any_order(name: str) -> None:
    becomes(independent, *UP[name])


def outermost(body: str) -> Loop:
    module = independent(program(body))
    verify(module)
    return next(s for s in statements(module.root.body) if isinstance(s, Loop))


@pytest.mark.parametrize("name", WRITTEN)
def test_loops_that_may_run_on_threads(name: str) -> None:
    if "step" not in WRITTEN[name]:
        text = WRITTEN[name].replace(" any ", " ")
        assert outermost(text).order == "any"
        rng = np.random.default_rng(7)
        u, v, a = rng.standard_normal(9), rng.standard_normal(9), rng.standard_normal((9, 7))
        args = {"u": u, "v": v, "a": a, "k": rng.integers(0, 9, 9), "x": 0.3, "n": 9, "m": 7}
        keep_meaning(program(text), args, [(independent,)])


@pytest.mark.parametrize("name", STAYS)
def test_in_sequence(name: str) -> None:
    stays(independent, STAYS[name])


@pytest.mark.parametrize("name", NOT)
def test_others_do_not(name: str) -> None:
    if " any " in NOT[name]:
        assert outermost(NOT[name].replace(" any ", " ")).order == "sequential"


def loops(x: Array, a: Array) -> Any:
    """A program of loops, as one writes it who does not know whole-array operations."""
    n, m = a.shape
    y = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            y[i, j] = np.exp(a[i, j]) * x[j]
    z = np.zeros(m)
    for i in range(n):
        for j in range(m - 1, -1, -1):
            z[j] += y[i, j] * a[i, j]
    total = 0.0
    for j in range(1, m):
        z[j] = z[j] + 0.5 * z[j - 1]
        total += z[j] ** 2
    return total


def test_programs_of_loops() -> None:
    rng = np.random.default_rng(3)
    x, a = rng.normal(size=7), rng.normal(size=(5, 7))
    np.testing.assert_allclose(wg.compile(loops)(x, a), loops(x, a), rtol=1e-12)
    wg.check(loops, x, a)
