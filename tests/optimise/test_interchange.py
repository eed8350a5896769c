"""Which sequential loops move inside, and which must not."""

from __future__ import annotations

import pytest

from optimise.checks import becomes, stays
from wengert.optimise.interchange import interchange

MOVED = {
    "rows on their own": (
        """for t in 0:3 {
          for i in 0:n any { for j in 1:m { a[i, j] = a[i, j - 1] * x + a[i, j] } }
        }""",
        """for i in 0:n any {
          for t in 0:3 { for j in 1:m { a[i, j] = a[i, j - 1] * x + a[i, j] } }
        }""",
    ),
    "cheap names come along": (
        """for t in 3:-1 step -1 {
          let y = f64(t) * x
          for i in 0:n any { for j in 0:m any { a[i, j] = a[i, j] + y } }
        }""",
        """for i in 0:n any {
          for t in 3:-1 step -1 {
            let y = f64(t) * x
            for j in 0:m any { a[i, j] = a[i, j] + y }
          }
        }""",
    ),
    "neighbours that are only added to": (
        """for t in 0:3 {
          for i in 1:n any { for j in 0:m any {
            u[i] += a[i, j] * f64(t)
            u[i - 1] += a[i, j]
          } }
        }""",
        """for i in 1:n any {
          for t in 0:3 { for j in 0:m any {
            u[i] += a[i, j] * f64(t)
            u[i - 1] += a[i, j]
          } }
        }""",
    ),
    "the same shift everywhere": (
        """for t in 0:3 {
          for i in 1:n any { for j in 0:m any {
            a[i - 1, j] = a[i - 1, j] * x
            u[i - 1] += a[i - 1, j]
          } }
        }""",
        """for i in 1:n any {
          for t in 0:3 { for j in 0:m any {
            a[i - 1, j] = a[i - 1, j] * x
            u[i - 1] += a[i - 1, j]
          } }
        }""",
    ),
}
KEPT = {
    "a place that moves with the step": """
        for t in 0:2 { for i in 0:2 any { for j in 0:m any { a[i + t, j] = a[i + t, j] * x } } }""",
    "one place per step": """
        for t in 0:2 { for i in 0:n any { for j in 0:m any { v[t] += a[i, j] * v[t + 2] } } }""",
    "bounds that depend on the step": """
        for t in 0:3 { for i in t:n any { for j in 0:m any { a[i, j] = a[i, j] * x } } }""",
    "bounds that are written": """
        for t in 0:3 { for i in 1:k[0] any { for j in 0:m { k[i] = 2 } } }""",
    "steps that are counted in what is written": """
        for t in 0:k[n - 1] { for i in 1:n any { for j in 0:m { k[i] = k[i] + 1 } } }""",
    "a name that reads what is written": """
        for t in 0:3 {
          let y = u[0]
          for i in 0:n any { for j in 0:m { u[i] = u[i] + y } }
        }""",
    "a loop without one inside": """
        for t in 0:3 { for i in 0:n any { u[i] = u[i] * x } }""",
    "a dear name": """
        for t in 0:3 {
          let y = exp(x * f64(t))
          for i in 0:n any { for j in 0:m any { a[i, j] = a[i, j] * y } }
        }""",
    "more than the nest": """
        for t in 0:3 {
          u[0] = x
          for i in 0:n any { for j in 0:m any { a[i, j] = a[i, j] * x } }
        }""",
    "a loop that may stop": """
        alloc s: f64[] zero
        for t in 0:3 while s[] < 2.0 {
          for i in 0:n any { for j in 0:m any { s[] += a[i, j] * a[i, j] } }
        }""",
    "a view of what is written": """
        reshape w: f64[n, m] = a
        for t in 0:3 { for i in 0:n any { for j in 0:m any { a[i, j] = w[i, j] * x } } }""",
}


@pytest.mark.parametrize("name", MOVED)
def test_moved(name: str) -> None:
    becomes(interchange, *MOVED[name])


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    stays(interchange, KEPT[name])
