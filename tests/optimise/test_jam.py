"""Which nests run four rows at a time, and which must not; that every row is done once."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from optimise.checks import agree, becomes, outcome, stays, transformed
from wengert import pipeline
from wengert.ir.nodes import Loop
from wengert.ir.text import parse
from wengert.ir.walk import statements
from wengert.optimise.jam import ROWS, jam

JAMMED = {
    "sums of rows": (
        """for i in 0:n any { for j in 0:m any { u[i] += a[i, j] * v[0] } }""",
        """let w = floordiv(max(n, 0), 4) * 4
        for i in 0:w step 4 {
          for j in 0:m any {
            let t0 = a[i, j] * v[0]
            let t1 = a[i + 1, j] * v[0]
            let t2 = a[i + 2, j] * v[0]
            let t3 = a[i + 3, j] * v[0]
            u[i] += t0
            u[i + 1] += t1
            u[i + 2] += t2
            u[i + 3] += t3
          }
        }
        for i2 in w:n any { for j2 in 0:m any { u[i2] += a[i2, j2] * v[0] } }""",
    ),
    "sums of rows; what they share is named once, and numbers of their own are apart": (
        """for i in 1:n - 1 any {
          alloc s: f64[] zero
          let y = u[i]
          for j in 0:m any {
            let z = v[j]
            let t = z * y
            s[] += a[i, j] * t
          }
          k[i] += i64(s[])
        }""",
        """let w = floordiv(max(n - 2, 0), 4) * 4
        for i in 1:w + 1 step 4 {
          alloc s0: f64[] zero
          let y0 = u[i]
          alloc s1: f64[] zero
          let y1 = u[i + 1]
          alloc s2: f64[] zero
          let y2 = u[i + 2]
          alloc s3: f64[] zero
          let y3 = u[i + 3]
          for j in 0:m any {
            let z = v[j]
            let t0 = z * y0
            let r0 = a[i, j] * t0
            let t1 = z * y1
            let r1 = a[i + 1, j] * t1
            let t2 = z * y2
            let r2 = a[i + 2, j] * t2
            let t3 = z * y3
            let r3 = a[i + 3, j] * t3
            s0[] += r0
            s1[] += r1
            s2[] += r2
            s3[] += r3
          }
          k[i] += i64(s0[])
          k[i + 1] += i64(s1[])
          k[i + 2] += i64(s2[])
          k[i + 3] += i64(s3[])
        }
        for i2 in w + 1:n - 1 any {
          alloc s4: f64[] zero
          let y4 = u[i2]
          for j2 in 0:m any {
            let z2 = v[j2]
            let t4 = z2 * y4
            s4[] += a[i2, j2] * t4
          }
          k[i2] += i64(s4[])
        }""",
    ),
    "rows that are added up, of known number": (
        """for i in 0:4 any { for j in 0:m any { v[j] += a[i, j] } }""",
        """for i in 0:4 step 4 {
          for j in 0:m any {
            let t0 = a[i, j]
            let t1 = a[i + 1, j]
            let t2 = a[i + 2, j]
            let t3 = a[i + 3, j]
            v[j] += t0
            v[j] += t1
            v[j] += t2
            v[j] += t3
          }
        }""",
    ),
}
KEPT = {
    "sums that are short": """
        for i in 0:n any { for j in 0:3 any { u[i] += a[i, j] } }""",
    "few rows": """
        for i in 0:3 any { for j in 0:m any { u[i] += a[i, j] } }""",
    "nothing is shared": """
        for i in 0:n any { for j in 0:m any { a[i, j] += u[i] * v[j] } }""",
    "one number": """
        alloc s: f64[] zero
        for i in 0:n any { for j in 0:m any { s[] += a[i, j] } }""",
    "bounds of the row's own": """
        for i in 0:n any { for j in 0:min(i, m) any { u[i] += a[i, j] } }""",
    "a sequence": """
        for i in 0:n { for j in 0:m any { u[i] += a[i, j] } }""",
    "functions, which would take the registers": """
        for i in 0:n any { for j in 0:m any { u[i] += exp(a[i, j]) } }""",
    "a condition": """
        for i in 0:n any { for j in 0:m any { if a[i, j] > x { u[i] += a[i, j] } } }""",
    "what may fail": """
        for i in 0:n any { for j in 0:m any { k[i] += mulc(j, i) } }""",
    "rows that add to each other's elements": """
        for i in 1:n any { for j in 0:m any {
          u[i] += a[i, j]
          u[i - 1] += a[i, j]
        } }""",
    "rows of one element": """
        for i in 0:n any { for j in 0:m any { u[floordiv(i, 2)] += a[i, j] } }""",
    "an element that the rows' ends add to, too": """
        for i in 0:n any {
          for j in 0:m any { v[j] += a[i, j] }
          v[0] += x
        }""",
}


@pytest.mark.parametrize("name", JAMMED)
def test_jammed(name: str) -> None:
    becomes(jam, *JAMMED[name])


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    stays(jam, KEPT[name])


HEAD = "entry f\nfunc f(p: f64[n] inout, q: f64[m] inout, a: f64[n, m] inout, b: f64[n, m] inout, n: i64, m: i64)"
BODIES = {
    "sums": "for i in 0:n any { for j in 0:m any { p[i] += a[i, j] * q[j] } }",
    "rows": "for i in 0:n any { let y = p[i]\n for j in 0:m any { q[j] += a[i, j] * y } }",
    "columns": "for j in 0:m any { for i in 0:n any { q[j] += a[i, j] * p[i] } }",
    "sums and a matrix": """for i in 0:n any { for j in 0:m any {
        p[i] += a[i, j] * q[j]
        b[i, j] += a[i, j] * a[i, j]
    } }""",
    "from one, in a loop": """for t in 0:2 { for i in 1:n - 1 any { for j in 1:m any {
        p[i] += a[i, j] * q[j - 1] - a[i, j - 1]
    } } }""",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("m", [0, 1, 5, 33])
def test_every_row_once_in_the_same_order(name: str, n: int, m: int) -> None:
    """To the last bit, with infinities and not-a-numbers, whatever the sizes."""
    module = parse(f"{HEAD} {{\n{BODIES[name]}\n}}")
    made = transformed(module, [jam])
    assert any(isinstance(s, Loop) and s.step == ROWS for s in statements(made.root.body))
    rng = np.random.default_rng(n * 100 + m)
    a = rng.standard_normal((n, m)) * 10.0 ** rng.integers(-8, 8, (n, m))
    if a.size > 3:
        a.flat[a.size // 2], a.flat[0] = np.inf, np.nan
    args = {"p": rng.standard_normal(n), "q": rng.standard_normal(m), "a": a, "b": a.copy(), "n": n, "m": m}
    agree(outcome(made, args), outcome(module, args), True)
    for order in ("reverse", "random"):
        agree(outcome(made, args, order), outcome(module, args), False)


@pytest.mark.parametrize("shape", [(0, 5), (1, 40), (4, 40), (7, 18), (9, 1), (30, 33)])
def test_compiled(shape: tuple[int, int]) -> None:
    """A function of a matrix times a vector, written as a sum; its gradient has sums of rows and of columns."""

    def f(a, x):
        return np.sum(np.cos(np.sum(a * x, axis=1)))

    rng = np.random.default_rng(1)
    a, x = rng.standard_normal(shape), rng.standard_normal(shape[1])
    slope = -np.sin(a @ x)
    a_adj, x_adj = wg.grad(f, (0, 1))(a, x)
    np.testing.assert_allclose(a_adj, np.outer(slope, x), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(x_adj, slope @ a, rtol=1e-12, atol=1e-13)


def test_not_on_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the rows are shared out among them."""
    monkeypatch.setattr(pipeline, "wanted_threads", lambda: 4)
    assert "jam" in pipeline.skipped()
