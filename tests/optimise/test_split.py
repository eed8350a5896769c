"""Which loops that add to neighbours are split, and which must not be."""

from __future__ import annotations

import pytest

from optimise.checks import becomes, stays
from wengert.optimise.split import split

SPLIT = {
    "two neighbours": (
        """for i in 1:n any {
          let y = v[i] * x
          u[i] += y
          u[i - 1] += y * 2.0
        }""",
        """for i in 1:n any {
          let y = v[i] * x
          u[i] += y
        }
        for j in 1:n any {
          let z = v[j] * x
          u[j - 1] += z * 2.0
        }""",
    ),
    "names go where they are needed": (
        """for i in 1:n any {
          let y = v[i] * x
          let z = y + 1.0
          u[i] += y
          u[i - 1] += z
        }""",
        """for i in 1:n any {
          let y = v[i] * x
          u[i] += y
        }
        for j in 1:n any {
          let y2 = v[j] * x
          let z = y2 + 1.0
          u[j - 1] += z
        }""",
    ),
    "what stays goes with what moves": (
        """let p = k[0]
        for i in 0:n - 2 any {
          u[i + 1] += a[i, 0]
          u[p] += a[i, 1]
          u[i + 2] += a[i, 2]
        }""",
        """let p = k[0]
        for i in 0:n - 2 any {
          u[i + 1] += a[i, 0]
          u[p] += a[i, 1]
        }
        for j in 0:n - 2 any {
          u[j + 2] += a[j, 2]
        }""",
    ),
    "down and up": (
        """for i in 1:n any {
          let y = v[i] * x
          u[i] += y
          u[n - i] += y * 2.0
        }""",
        """for i in 1:n any {
          let y = v[i] * x
          u[i] += y
        }
        for j in 1:n any {
          let z = v[j] * x
          u[n - j] += z * 2.0
        }""",
    ),
    "what is stored is read before": (
        """for i in 1:n any {
          let y = v[i]
          v[i] = 0.0
          u[i] += y
          u[i - 1] += y
        }""",
        """for i in 1:n any {
          let y = v[i]
          u[i] += y
        }
        for j in 1:n any {
          let z = v[j]
          v[j] = 0.0
          u[j - 1] += z
        }""",
    ),
}


@pytest.mark.parametrize("name", SPLIT)
def test_split(name: str) -> None:
    becomes(split, *SPLIT[name])


WHOLE = {
    "one sum": "for i in 1:n any { u[i - 1] += v[i] }",
    "sums that run in lanes": """
        for i in 1:n any {
          u[i] += v[i]
          a[i, 0] += v[i - 1]
        }""",
    "in sequence": """
        for i in 1:n {
          u[i] += v[i]
          u[i - 1] += v[i]
        }""",
    "dear names that both need": """
        for i in 1:n any {
          let y = exp(v[i])
          u[i] += y
          u[i - 1] += y
        }""",
    "a branch": """
        for i in 1:n any {
          if v[i] > 0.0 { u[i] += x }
          u[i - 1] += v[i]
        }""",
    "the largest of neighbours": """
        for i in 1:n any {
          u[i] max= v[i]
          u[i - 1] max= v[i]
        }""",
    "a store that is read after it": """
        for i in 1:n any {
          v[i] = x
          let y = v[i]
          u[i] += y
          u[i - 1] += y
        }""",
    "two stores of one element": """
        for i in 1:n any {
          let y = v[i]
          u[i] += y
          v[i] = 0.0
          v[i] = y * 2.0
          u[i - 1] += y
        }""",
    "bounds that are added to": """
        for i in 1:k[0] any {
          k[i] += 1
          k[i - 1] += 1
        }""",
    "a view of what is stored": """
        reshape w: f64[n] = v
        for i in 1:n any {
          let y = w[i]
          v[i] = 0.0
          u[i] += y
          u[i - 1] += y
        }""",
}


@pytest.mark.parametrize("name", WHOLE)
def test_not_split(name: str) -> None:
    stays(split, WHOLE[name])


@pytest.mark.parametrize("name", ["reshape w: f64[n] = u", "view w: f64[n, 1] = u[0] along (0: 1, 0: 1)"])
def test_views_of_another_rank(name: str) -> None:
    """What is accumulated through a view meets what is accumulated without, whatever the subscripts."""
    at = "i" if name.startswith("reshape") else "i, 0"
    becomes(
        split,
        f"""{name}
        for i in 1:n any {{
          u[i - 1] += v[i]
          w[{at}] += x
        }}""",
        f"""{name}
        for i in 1:n any {{ u[i - 1] += v[i] }}
        for j in 1:n any {{ w[{at.replace("i", "j")}] += x }}""",
    )
