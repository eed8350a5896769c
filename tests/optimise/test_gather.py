"""Which sums into neighbours are gathered, and which must not be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optimise.checks import becomes, keep_meaning, normal, program, stays, transformed
from wengert.optimise.gather import gather

GATHERED = {
    "two neighbours": (
        """for i in 1:n any {
          let y = v[i] * x
          u[i] += y
          u[i - 1] += y * 2.0
        }""",
        """for i in 1:min(n, 2) {
          let y = v[i] * x
          u[i - 1] += y * 2.0
        }
        for j in max(1, n - 1):n {
          let z = v[j] * x
          u[j] += z
        }
        for k0 in 1:n - 1 any {
          let y1 = v[k0 + 1] * x
          let z1 = v[k0] * x
          u[k0] += y1 * 2.0 + z1
        }""",
    ),
    "what is stored is read before, a sum elsewhere": (
        """for i in 0:n - 2 any {
          let y = v[i]
          v[i] = 0.0
          a[0, 0] += y
          u[i] += y
          u[i + 2] += x
        }""",
        """for i in 0:min(n - 2, 2) {
          let y = v[i]
          u[i] += y
        }
        for j in max(0, n - 4):n - 2 { u[j + 2] += x }
        for k0 in 2:n - 2 any {
          let y1 = v[k0]
          u[k0] += y1 + x
        }
        for l in 0:n - 2 any {
          let y2 = v[l]
          v[l] = 0.0
          a[0, 0] += y2
        }""",
    ),
    "of a row; neighbours in the other direction stay": (
        """for i in 1:n - 1 {
          for j in 1:m any {
            a[i, j] += v[j]
            a[i - 1, j] += v[j]
            a[i, j - 1] += v[j]
            a[i + 1, j] += v[j]
          }
        }""",
        """for i in 1:n - 1 {
          for j in 1:min(m, 2) { a[i, j - 1] += v[j] }
          for l in max(1, m - 1):m { a[i, l] += v[l] }
          for o in 1:m - 1 any { a[i, o] += v[o + 1] + v[o] }
          for q in 1:m any {
            a[i - 1, q] += v[q]
            a[i + 1, q] += v[q]
          }
        }""",
    ),
}


@pytest.mark.parametrize("name", GATHERED)
def test_gathered(name: str) -> None:
    becomes(gather, *GATHERED[name])


STAY = {
    "one sum": "for i in 1:n any { u[i - 1] += v[i] }",
    "into one element": "for i in 1:n any {\nu[i] += v[i]\nu[i] += x\n}",
    "two rows": "for i in 1:n any {\nu[i] += v[i]\na[i, 0] += v[i - 1]\n}",
    "in sequence": "for i in 1:n {\nu[i] += v[i]\nu[i - 1] += v[i]\n}",
    "a distance that varies": "for i in 0:n - m any {\nu[i] += v[i]\nu[i + m] += v[i]\n}",
    "too far apart": "for i in 0:n - 20 any {\nu[i] += v[i]\nu[i + 20] += v[i]\n}",
    "the other way round": "for i in 0:n any {\nu[i] += v[i]\nu[n - 1 - i] += v[i]\n}",
    "dear names that both need": """for i in 1:n any {
          let y = exp(v[i])
          u[i] += y
          u[i - 1] += y
        }""",
    "a branch": """for i in 1:n any {
          if v[i] > 0.0 { u[i] += x }
          u[i - 1] += v[i]
        }""",
    "the largest of neighbours": "for i in 1:n any {\nu[i] max= v[i]\nu[i - 1] max= v[i]\n}",
    "a store that is read after it": """for i in 1:n any {
          v[i] = x
          let y = v[i]
          u[i] += y
          u[i - 1] += y
        }""",
    "bounds that are added to": "for i in 1:k[0] any {\nk[i] += 1\nk[i - 1] += 1\n}",
    "few turns": "for i in 1:3 any {\nu[i] += v[i]\nu[i - 1] += v[i]\n}",
    "a view of what is stored": """reshape w: f64[n] = v
        for i in 1:n any {
          let y = w[i]
          v[i] = 0.0
          u[i] += y
          u[i - 1] += y
        }""",
}


@pytest.mark.parametrize("name", STAY)
def test_stay(name: str) -> None:
    stays(gather, STAY[name])


@pytest.mark.parametrize("n", range(12))
def test_ranges_of_any_length(n: int) -> None:
    """Empty ones, and ones that are shorter than the sums are apart."""
    rng = np.random.default_rng(n)
    module = program(
        """for i in 3:n - 4 any {
          u[i + 4] += v[i] * x
          u[i - 3] += v[i + 1]
          u[i] += v[i] * v[i]
          a[i, 0] += v[i]
        }"""
    )
    made = transformed(module, [gather])
    assert normal(made) != normal(module)
    args: dict[str, Any] = {
        "u": rng.standard_normal(n),
        "v": rng.standard_normal(n),
        "a": np.zeros((n, 1)),
        "k": np.zeros(n, dtype=np.int64),
        "x": 0.7,
        "n": n,
        "m": 1,
    }
    keep_meaning(module, args, ((gather,),))
