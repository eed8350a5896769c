"""Where what iterations add is kept in rows, and where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optimise.checks import becomes, keep_meaning, normal, program, stays, transformed
from wengert.optimise.expand import expand
from wengert.optimise.gather import gather
from wengert.optimise.split import split

EXPANDED = {
    "one value for two neighbours, another one": (
        """for i in 1:n - 1 any {
          let y = exp(v[i])
          let z = y * x
          v[i] = 0.0
          u[i] += y
          u[i - 1] += z
          u[i + 1] += z
          u[i + 1] += y * y
          u[0] += 2.0
          a[i, 0] += z
        }""",
        """alloc terms: f64[2, max(n - 2, 0)]
        for i in 1:n - 1 any {
          let y = exp(v[i])
          let z = y * x
          v[i] = 0.0
          u[i] += y
          terms[0, i - 1] = z
          terms[1, i - 1] = y * y
          u[0] += 2.0
          a[i, 0] += z
        }
        for j in 1:n - 1 any {
          u[j - 1] += terms[0, j - 1]
          u[j + 1] += terms[0, j - 1]
          u[j + 1] += terms[1, j - 1]
        }""",
    ),
    "an element and a name": (
        """for i in 1:n any {
          let y = exp(v[i])
          u[i] += y
          u[i - 1] += v[i]
          u[i - 1] += y
        }""",
        """alloc terms: f64[2, max(n - 1, 0)]
        for i in 1:n any {
          let y = exp(v[i])
          u[i] += y
          terms[0, i - 1] = v[i]
          terms[1, i - 1] = y
        }
        for j in 1:n any {
          u[j - 1] += terms[0, j - 1]
          u[j - 1] += terms[1, j - 1]
        }""",
    ),
}


@pytest.mark.parametrize("name", EXPANDED)
def test_expanded(name: str) -> None:
    becomes(expand, *EXPANDED[name])


STAY = {
    "cheap": "for i in 1:n any {\nlet y = v[i] * x\nu[i] += y\nu[i - 1] += y\n}",
    "dear, but the same in all turns": "for i in 1:n any {\nlet y = exp(x)\nu[i] += y\nu[i - 1] += y\n}",
    "in lanes as it is": "for i in 1:n any {\nlet y = exp(v[i])\nu[i] += y\na[i, 0] += y\n}",
    "in sequence": "for i in 1:n {\nlet y = exp(v[i])\nu[i] += y\nu[i - 1] += y\n}",
    "few turns": "for i in 1:3 any {\nlet y = exp(v[i])\nu[i] += y\nu[i - 1] += y\n}",
    "no vectors of it": "for i in 1:n any {\nlet y = lgamma(v[i])\nu[i] += y\nu[i - 1] += y\n}",
    "an end that is written": """for i in 1:k[0] any {
          let y = exp(v[i])
          k[i] = 0
          u[i] += y
          u[i - 1] += y
        }""",
    "somewhere": "for i in 1:n any {\nlet y = exp(v[i])\nu[i] += y\nu[k[i] - 1] += y\n}",
    "read after it is stored": "for i in 1:n any {\nv[i] = x\nlet y = exp(v[i])\nu[i] += y\nu[i - 1] += y\n}",
}


@pytest.mark.parametrize("name", STAY)
def test_stay(name: str) -> None:
    stays(expand, STAY[name])


@pytest.mark.parametrize("n", range(9))
def test_ranges_of_any_length(n: int) -> None:
    """With what other passes make of the second loop."""
    rng = np.random.default_rng(n)
    module = program(
        """for i in 2:n - 3 any {
          let y = exp(v[i])
          u[i + 3] += y * x
          u[i - 2] += y
          u[i] += y * y
        }"""
    )
    assert normal(transformed(module, [expand])) != normal(module)
    args: dict[str, Any] = {
        "u": rng.standard_normal(n),
        "v": rng.standard_normal(n),
        "a": np.zeros((n, 1)),
        "k": np.zeros(n, dtype=np.int64),
        "x": 0.7,
        "n": n,
        "m": 1,
    }
    keep_meaning(module, args, ((expand,), (expand, gather), (expand, gather, split)))
