"""Sums into elements that move with the loop, up or down: in lanes, if no two turns meet."""

from __future__ import annotations

import numpy as np
import pytest

from backend.native import agree
from wengert.backend.c import emit
from wengert.ir.nodes import Module
from wengert.ir.text import parse
from wengert.optimise.split import split

HEAD = """
entry f
func f(a: f64[n, n], x: f64[n] inout, y: f64[n] inout, z: f64[n, n] inout, s: f64[] inout, n: i64) {{
  for j in 0:n {{
    for i in {bounds} any {{ {body} }}
  }}
}}"""
APART = {
    "down": "x[n - 1 - i] += a[j, i]",
    "down and up": "x[j - i] += a[j, i]  y[i] += a[i, j]",
    "down and a sum": "x[j - i] += a[j, i]  s[] += a[i, i]",
    "rows": "z[n - 1 - i, j] += a[j, i]",
    "both axes": "z[j - i, i] += a[j, i] * a[i, j]",
}
MEET = {
    "up and down of one": "x[i] += a[j, i]  x[j - i] += a[i, j]",
    "one in all turns, and others": "x[(i - i) + j] += a[j, i]  x[i] += a[i, j]",
    "squares": "x[mod(i * i, n)] += a[j, i]  y[i] += a[i, j]",
    "halves": "x[floordiv(j - i, 2)] += a[j, i]",
}


def program(body: str, bounds: str = "0:j + 1") -> Module:
    return parse(HEAD.format(body=body, bounds=bounds))


@pytest.mark.parametrize("bounds", ["0:j + 1", "j:-1 step -1"])
@pytest.mark.parametrize("body", [*APART.values(), *MEET.values()], ids=[*APART, *MEET])
def test_the_same_sums(body: str, bounds: str) -> None:
    rng = np.random.default_rng(3)
    n = 21
    a, z = rng.standard_normal((2, n, n))
    x, y = rng.standard_normal((2, n))
    args = [a, x, y, z, np.array(0.5), n]
    agree(program(body, bounds), args, 1e-12)
    agree(split(program(body, bounds)), args, 1e-12)


@pytest.mark.parametrize("body", APART.values(), ids=APART)
def test_in_lanes(body: str) -> None:
    assert emit(program(body)).count("omp simd") == 1


@pytest.mark.parametrize("body", MEET.values(), ids=MEET)
def test_turns_that_meet(body: str) -> None:
    assert "omp simd" not in emit(program(body))


def test_up_and_down_of_one_apart() -> None:
    assert emit(split(program(MEET["up and down of one"]))).count("omp simd") == 2
