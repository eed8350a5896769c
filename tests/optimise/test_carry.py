"""Which recurrences keep their elements in cells, and which must not."""

from __future__ import annotations

import random

import numpy as np
import pytest

from optimise.checks import Args, agree, becomes, keep_meaning, outcome, program, stays, transformed
from wengert.ir.nodes import Alloc, Module
from wengert.ir.text import parse, show
from wengert.ir.walk import statements
from wengert.optimise.carry import carry

CARRIED = {
    "the element before": (
        "for i in 1:n { u[i] = u[i - 1] * x + v[i] }",
        """alloc c: f64[] zero
        if 1 < n { c[] = u[0] }
        for i in 1:n {
          let old = c[]
          let new = u[i]
          let y = old * x + v[i]
          u[i] = y
          c[] = y
        }""",
    ),
    "both are stored by every turn": (
        """for i in n - 1:0 step -1 {
          let y = u[i] * x
          u[i] = 0.0
          u[i] += y
          u[i - 1] += y
        }""",
        """alloc c: f64[] zero
        if 0 < n - 1 { c[] = u[n - 1] }
        for i in n - 1:0 step -1 {
          let new = u[i - 1]
          let old = c[]
          let y = old * x
          u[i] = y
          let z = new + y
          c[] = z
        }
        if 0 < n - 1 { u[0] = c[] }""",
    ),
    "rows of their own": (
        "for j in 0:m any { for i in 1:n { a[i, j] += a[i - 1, j] } }",
        """for j in 0:m any {
          alloc c: f64[] zero
          if 1 < n { c[] = a[0, j] }
          for i in 1:n {
            let old = c[]
            let new = a[i, j]
            let y = new + old
            a[i, j] = y
            c[] = y
          }
        }""",
    ),
}


@pytest.mark.parametrize("name", CARRIED)
def test_carried(name: str) -> None:
    becomes(carry, *CARRIED[name])


WHOLE = {
    "elements that no other turn touches": "for i in 0:n { u[i] = u[i] * x + v[i] }",
    "elements that are only read": "for i in 1:n { u[i] = v[i] + v[i - 1] }",
    "far neighbours": "for i in 0:n { a[i, 0] = a[0, 0] * x }",
    "an element at another place": "for i in 1:n { u[i] = u[i - 1] + u[n - 1] }",
    "an element found by its number": "for i in 1:n { u[i] = u[i - 1] + u[k[i] - 1] }",
    "another name": "reshape w: f64[n] = u\nfor i in 1:n { u[i] = u[i - 1] + w[0] }",
    "subscripts that move twice as fast": "for i in 1:n / 2 { u[2 * i] = u[2 * i - 1] }".replace("n / 2", "2"),
    "a branch": "for i in 1:n { if v[i] > 0.0 { u[i] = u[i - 1] } }",
    "the largest so far": "for i in 1:n { u[i] max= u[i - 1] }",
    "a loop that may stop": "for i in 1:n while u[i] < 9.0 { u[i] = u[i - 1] + 9.0 }",
    "longer steps": "for i in 1:n step 2 { u[i] = u[i - 1] }",
    "no order": "for i in 1:n any { u[i - 1] += v[i]\nu[i] += v[i] }",
    "columns that others add to": "for j in 0:m any { for i in 1:n { u[i] += a[i, j]\nu[i - 1] += a[i, j] } }",
    "the row moves as well": "for i in 1:3 { a[i, i] = a[i - 1, i - 1] * x }",
    "ends found in memory": "for i in k[0] - 1:3 { u[i] = u[i - 1] }",
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole(name: str) -> None:
    stays(carry, WHOLE[name])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(120))
def test_random_recurrences(seed: int, n: int) -> None:
    """Several windows of up to four elements in one loop, in either direction, with values that are not numbers."""
    module = _random(seed)
    rng = np.random.default_rng(seed)
    args: Args = {"u": rng.standard_normal(n + 4), "v": rng.standard_normal(n + 4), "x": 0.7, "n": n}
    if seed % 5 == 0 and n:
        args["u"][n // 2] = np.inf if seed % 10 else np.nan
    agree(outcome(transformed(module, [carry]), args), outcome(module, args), exact=True)


def test_random_recurrences_are_carried() -> None:
    carried = sum(any(isinstance(s, Alloc) for s in statements(carry(m).root.body)) for m in map(_random, range(120)))
    assert carried > 60


def _random(seed: int) -> Module:
    rng = random.Random(seed)
    lines: list[str] = []
    for k in range(rng.randint(2, 6)):
        names = [f"t{j}" for j in range(k)]
        terms = [f"{rng.choice('uv')}[i + {rng.randint(0, rng.choice((1, 1, 2, 3)))}]" for _ in range(2)]
        terms += rng.sample(names, min(1, len(names)))
        lines.append(f"let t{k} = {' + '.join(terms)} * x")
        target = f"{rng.choice('uuv')}[i + {rng.randint(0, rng.choice((1, 1, 2, 3)))}]"
        lines.append(f"{target} {rng.choice(('=', '+='))} {rng.choice((f't{k}', f't{k}', '0.0'))}")
    bounds = rng.choice(("0:n", "1:n", "n - 1:-1 step -1", "n - 1:0 step -1"))
    body = "\n".join(lines)
    head = "entry f\nfunc f(u: f64[n + 4] inout, v: f64[n + 4] inout, x: f64, n: i64) -> ()"
    return parse(f"{head} {{\nfor i in {bounds} {{\n{body}\n}}\n}}")


def test_a_cell_in_place_of_an_element_of_single_precision() -> None:
    """What a cell holds is rounded as the element would be."""
    text = "entry f\nfunc f(u: f32[n] inout, n: i64) -> () {\nfor i in 1:n { u[i] = u[i] + u[i - 1] * f32(0.1) }\n}"
    module = parse(text)
    made = transformed(module, [carry])
    assert "kept" in show(made)
    args: Args = {"u": np.random.default_rng(0).standard_normal(50).astype("f4"), "n": 50}
    agree(outcome(made, args), outcome(module, args), exact=True)


def test_all_passes() -> None:
    keep_meaning(
        program(
            "for j in 0:m any { for i in 1:n { a[i, j] += a[i - 1, j] * x\nu[i] = u[i - 1] + a[i, j] } }".replace(
                "u[i] = u[i - 1] + a[i, j]", "let y = a[i, j]\na[i, j] = y * 0.5"
            )
        ),
        {
            "u": np.ones(4),
            "v": np.ones(4),
            "a": np.arange(12.0).reshape(4, 3),
            "k": np.arange(4),
            "x": 0.3,
            "n": 4,
            "m": 3,
        },
    )
