"""Arrays of truths in loops in lanes: bytes, of which the compiler makes masks."""

from __future__ import annotations

import numpy as np
import pytest

from backend.native import agree
from wengert.backend.c import emit
from wengert.ir.nodes import Module
from wengert.ir.text import parse

HEAD = """
entry f
func f(m: bool[n, 3], q: bool[n] inout, a: f64[n, 3], u: f64[n] inout, v: f64[n] inout, n: i64) {{
  {body}
}}"""
CHOICE = "for i in 0:n any { let c = m[i, 1]  u[i] += select(c, a[i, 0], 0.0) }"
SUM = "for j in 0:3 { for i in 0:n any { v[j] += select(m[i, j], a[i, j], 0.0) } }"
BRANCH = "for i in 0:n any { if m[i, 2] and not q[i] { u[i] += a[i, 2] } else { v[i] += a[i, 1] } }"
FIXED = "for i in 0:n any { u[i] += select(q[0], a[i, 0], a[i, 1]) }"
FLIPPED = "for i in 0:n any { let c = q[i]  q[i] = not c  u[i] = select(c, a[i, 0], u[i]) }"
INDEXED = "for i in n - 1:-1 step -1 any { u[i] += select(m[n - 1 - i, 0] == q[i], 1.0, a[i, 0]) }"
SHORT = "for j in 0:n { for i in 0:3 any { u[j] += select(m[j, i], a[j, i], 0.0) } }"
SEQUENCE = "for i in 1:n { q[i] = q[i - 1] != q[i]  u[i] = select(q[i], u[i - 1], a[i, 0]) }"
LANES = {"choice": CHOICE, "sum": SUM, "branch": BRANCH, "flipped": FLIPPED, "indexed": INDEXED, "short": SHORT}


def program(body: str) -> Module:
    return parse(HEAD.format(body=body))


@pytest.mark.parametrize("size", [3, 8, 77])
@pytest.mark.parametrize("body", [*LANES.values(), FIXED, SEQUENCE], ids=[*LANES, "fixed", "sequence"])
def test_the_same_values(body: str, size: int) -> None:
    rng = np.random.default_rng(size)
    m, q = rng.random((size, 3)) < 0.4, rng.random(size) < 0.6
    a, u, v = rng.standard_normal((size, 3)), rng.standard_normal(size), rng.standard_normal(size)
    a[1, :] = np.nan, np.inf, -np.inf  # a side that is not chosen leaves no trace
    agree(program(body), [m, q, a, u, v, size], 1e-12)


@pytest.mark.parametrize("body", LANES.values(), ids=LANES)
def test_bytes_in_lanes(body: str) -> None:
    assert "WG_FLAG(" in emit(program(body))


@pytest.mark.parametrize("body", [FIXED, SEQUENCE], ids=["fixed", "sequence"])
def test_truths_elsewhere(body: str) -> None:
    assert "WG_FLAG(" not in emit(program(body))
