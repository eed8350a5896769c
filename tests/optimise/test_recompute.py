"""Which arrays are computed where they are read, and which must not be."""

from __future__ import annotations

import pytest

from optimise.checks import becomes, stays
from wengert.optimise.recompute import recompute

READER = "for q in 0:n any { for l in 0:m any { a[q, l] = t[q, l] * x } }"
PAIRS = "alloc t: f64[n, m]\nfor i in 0:n any { for j in 0:m any { t[i, j] = v[i] - u[j] } }"

RECOMPUTED = {
    "a difference of pairs": (
        f"{PAIRS}\n{READER}",
        f"{PAIRS}\nfor q in 0:n any {{ for l in 0:m any {{ a[q, l] = (v[q] - u[l]) * x }} }}",
    ),
    "read the other way round, and in a loop in sequence": (
        f"{PAIRS}\nfor l in 0:m {{ for q in 0:n {{ a[q, l] = t[q, l] * x }} }}",
        f"{PAIRS}\nfor l in 0:m {{ for q in 0:n {{ a[q, l] = (v[q] - u[l]) * x }} }}",
    ),
    "a predicate, from the number that is kept": (
        """alloc t: f64[n]
        alloc p: bool[n]
        for i in 0:n any {
          let s = v[i] * x
          v[i] = s
          let y = v[i]
          let w = y > 0.0
          p[i] = w
          let z = v[i]
          t[i] = z
          v[i] = sqrt(z)
        }
        for j in 0:n any { if p[j] { u[j] = t[j] } }""",
        """alloc t: f64[n]
        alloc p: bool[n]
        for i in 0:n any {
          let s = v[i] * x
          v[i] = s
          let y = v[i]
          let w = y > 0.0
          p[i] = w
          let z = v[i]
          t[i] = z
          v[i] = sqrt(z)
        }
        for j in 0:n any { if t[j] > 0.0 { u[j] = t[j] } }""",
    ),
    "names of outer loops, at another element": (
        """alloc t: f64[n, m]
        for i in 0:n any {
          let y = v[i]
          for j in 0:m any { t[i, j] = y * x }
        }
        for q in 0:m any { u[q] = t[q + 1, 0] }""",
        """alloc t: f64[n, m]
        for i in 0:n any {
          let y = v[i]
          for j in 0:m any { t[i, j] = y * x }
        }
        for q in 0:m any { u[q] = v[q + 1] * x }""",
    ),
    "a loop's variable": (
        "alloc t: bool[n]\nfor i in 0:n any { t[i] = i >= m }\nfor j in 0:n any { u[j] = select(t[j], x, v[j]) }",
        "alloc t: bool[n]\nfor i in 0:n any { t[i] = i >= m }\nfor j in 0:n any { u[j] = select(j >= m, x, v[j]) }",
    ),
}


@pytest.mark.parametrize("name", RECOMPUTED)
def test_recomputed(name: str) -> None:
    becomes(recompute, *RECOMPUTED[name])


KEPT = {
    "an operand is written in between": f"{PAIRS}\nu[1] = x\n{READER}",
    "an operand is written by a later reader": f"{PAIRS}\n{READER}\nfor o in 0:m any {{ u[o] = t[o, o] }}",
    "an operand is written in the same iteration": """alloc t: f64[n]
        for i in 0:n any {
          let y = v[i]
          v[i] = x
          t[i] = y + x
        }
        for j in 0:n any { u[j] = t[j] }""",
    "an operand is written under another name": f"reshape w: f64[n] = u\n{PAIRS}\nw[1] = x\n{READER}",
    "only a part is stored": """alloc t: f64[n] zero
        for i in 1:n any { t[i] = v[i] + x }
        for j in 0:n any { u[j] = t[j] }""",
    "stored on a condition": """alloc t: f64[n] zero
        for i in 0:n any { if v[i] > 0.0 { t[i] = v[i] + x } }
        for j in 0:n any { u[j] = t[j] }""",
    "stored twice": """alloc t: f64[n]
        for i in 0:n any { t[i] = v[i] + x }
        t[1] = 0.0
        for j in 0:n any { u[j] = t[j] }""",
    "read before": """alloc t: f64[n] zero
        for j in 0:n any { u[j] = t[j] }
        for i in 0:n any { t[i] = v[i] + x }
        for l in 0:n any { u[l] = t[l] }""",
    "something dear": """alloc t: f64[n]
        for i in 0:n any { t[i] = sin(v[i]) }
        for j in 0:n any { u[j] = t[j] }""",
    "many operations": """alloc t: f64[n]
        for i in 0:n any { t[i] = v[i] * x + v[i] / x + x }
        for j in 0:n any { u[j] = t[j] }""",
    "far neighbours": """alloc t: f64[m, n]
        for i in 0:m any { for j in 0:n any { t[i, j] = a[j, i] + x } }
        for q in 0:m any { for l in 0:n any { u[q] += t[q, l] } }""",
    "a number that the iteration allocates": """alloc t: f64[n]
        for i in 0:n any {
          alloc s: f64[]
          s[] = v[i]
          s[] += x
          t[i] = s[] + x
        }
        for j in 0:n any { u[j] = t[j] }""",
    "another turn of a loop around it": """alloc t: f64[n] zero
        for q in 0:m {
          for j in 0:n any { u[j] += t[j] }
          for i in 0:n any { t[i] = v[i] + x }
        }""",
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    stays(recompute, KEPT[name])


def test_results_are_kept() -> None:
    stays(recompute, f"{PAIRS}\n{READER}", "t")
