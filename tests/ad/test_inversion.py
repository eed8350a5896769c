"""Updates that are undone in place of tapes: random programs on IR, with and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad.checks import active_params, jvp_of, outputs, random_like, run_with, unique, vjp_of
from ad.updates import Updates
from wengert.ad.reverse.pins import Pins
from wengert.ad.reverse.problem import Node, PlanError, Problem, replay
from wengert.ad.reverse.record import Record
from wengert.ir.nodes import Module
from wengert.ir.text import parse
from wengert.ir.verify import verify

SEEDS = 60


def agree(module: Module, args: dict[str, Any], seed: int = 0, tolerance: float = 1e-9) -> tuple[Module, list[str]]:
    """Gradients with and without `invert`, in three orders of `any` loops; the derivative, and what was inverted."""
    verify(module)
    base, after = run_with(module, args)
    wrt = active_params(module)
    of = outputs(module, wrt)
    found = dict(zip(module.root.results, base, strict=True)) | after
    rng = np.random.default_rng(seed)
    seeds = [random_like(rng, found[name]) for name in of]
    _, pull = vjp_of(module, args, wrt, of)
    expected = pull(seeds)[2]
    record = Record()
    derivative, pull = vjp_of(module, args, wrt, of, pins=Pins(invert=True), record=record)
    scale = max(float(np.max(np.abs(g), initial=0.0)) for g in expected)
    for order in ("forward", "reverse", "random"):
        given, results, gradients = pull(seeds, order)
        for r, b in zip(results, base, strict=True):
            np.testing.assert_allclose(r, b, rtol=1e-13)
        for g, e in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=0, atol=tolerance * scale, err_msg=order)
    left = run_with(derivative, given)[1]
    for p in module.root.params:
        np.testing.assert_array_equal(left[p.name], after[p.name], err_msg="what the program left")
    return derivative, [d.name for d in record.decisions if d.how == "inverted" and d.array]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_programs(seed: int) -> None:
    program = Updates(seed)
    agree(parse(program.text()), program.args(), seed)


def test_most_random_programs_are_inverted() -> None:
    inverted = 0
    for seed in range(SEEDS):
        program = Updates(seed)
        module, record = parse(program.text()), Record()
        wrt = active_params(module)
        vjp_of(module, program.args(), wrt, outputs(module, wrt), pins=Pins(invert=True), record=record)
        inverted += any(d.how == "inverted" for d in record.decisions)
    assert inverted > SEEDS // 2


@pytest.mark.parametrize("seed", range(0, SEEDS, 6))
def test_second_order(seed: int) -> None:
    """Both modes of what was made with undone updates give what they give of what was made without."""
    program = Updates(seed)
    module, args = parse(program.text()), program.args()
    wrt = active_params(module)
    rng = np.random.default_rng(seed)
    made = [vjp_of(module, args, wrt, ["s"], pins=Pins(invert=inverted)) for inverted in (False, True)]
    given = made[0][1]([np.array(0.7)])[0]
    assert made[0][0].root.params == made[1][0].root.params
    of = [f"{x}_adj" for x in wrt]
    direction = {x: random_like(rng, given[x]) for x in wrt}
    seeds = [random_like(rng, given[x]) for x in wrt]
    found: list[list[np.ndarray]] = []
    for derivative, _ in made:
        dots = jvp_of(derivative, given, wrt)[1](direction)[2]
        found.append([*dots, *vjp_of(derivative, given, wrt, of)[1](seeds)[2]])
    scale = max(float(np.max(np.abs(g))) for g in found[0])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-8 * scale)


PROGRAMS = {
    "the summand reads what it changes": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = sin(a)
          x[i] += b
        }
        """,
        [],
    ),
    "the old element is needed after it has changed": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = v[i]
          x[i] += b
          let c = sin(a)
          v[i] += c
        }
        """,
        [],
    ),
    "in one nest": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = sin(a)
          v[i] += b
          let c = v[i]
          let d = cos(c)
          x[i] += d
        }
        """,
        ["v", "x"],
    ),
    "a store to the element ends it": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = sin(a)
          v[i] += b
        }
        for i in 0:n any {
          let a = v[i]
          let b = cos(a)
          x[i] += b
        }
        v[0] = 0.0
        x[1] = 0.5
        """,
        [],
    ),
    "other elements may be stored to": (
        """
        for i in 1:n any {
          let a = x[i]
          let b = sin(a)
          v[i] += b
        }
        for i in 1:n any {
          let a = v[i]
          let b = cos(a)
          x[i] += b
        }
        v[0] = 0.0
        x[0] = 0.5
        """,
        ["v", "x"],
    ),
    "sums that are stored": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = v[i]
          let c = a + b
          let d = sin(c)
          let e = b - d
          x[i] = c
          v[i] = e
        }
        """,
        ["v", "x"],
    ),
    "a sum of what the element held before": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = sin(a)
          v[i] += b
        }
        for i in 0:n any {
          let a = x[i]
          let c = v[i]
          let d = cos(c)
          x[i] += d
          let e = 0.5 * d
          let g = a + e
          x[i] = g
        }
        """,
        ["v"],
    ),
    "a sum of another element": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = sin(a)
          v[i] += b
        }
        for i in 0:n - 1 {
          let a = x[i + 1]
          let b = v[i]
          let c = a + b
          x[i] = c
        }
        """,
        [],
    ),
    "subscripts that come back, too": (
        """
        for i in 0:n any {
          let j = p[i]
          let a = x[j]
          let b = sin(a)
          let c = 0.5 * b
          v[i] += c
        }
        for i in 0:n any {
          let a = v[i]
          let b = cos(a)
          x[i] += b
        }
        let odd = mod(t, 2)
        let move = 1 - 2 * odd
        for i in 0:n any {
          p[i] += move
        }
        """,
        ["p", "v", "x"],
    ),
    "products cannot be undone": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = sin(a)
          v[i] += b
          let c = v[i]
          let d = cos(c)
          let e = a * d
          x[i] = e
        }
        """,
        ["v"],
    ),
    "maxima cannot be undone": (
        """
        for i in 0:n any {
          let a = x[i]
          let b = sin(a)
          v[i] max= b
        }
        for i in 0:n any {
          let a = v[i]
          let b = a * a
          v[i] max= b
        }
        """,
        [],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_can_be_undone(name: str) -> None:
    body, expected = PROGRAMS[name]
    text = f"""
    entry f

    func f(n: i64, x: f64[n] inout, v: f64[n] inout, p: i64[n] inout) -> () {{
      for t in 0:5 {{
        {body}
      }}
    }}
    """
    rng = np.random.default_rng(3)
    args = {"n": 4, "x": rng.uniform(-1, 1, 4), "v": rng.uniform(-1, 1, 4), "p": np.array([2, 0, 1, 1])}
    _, found = agree(unique(parse(text)), args)
    assert sorted(found) == expected


def test_a_replay_refuses_what_needs_itself() -> None:
    nodes = {n: Node(n, 1.0, 1.0, frozenset({m})) for n, m in (("a", "b"), ("b", "a"))}
    with pytest.raises(PlanError, match="from one another"):
        replay(Problem(nodes, frozenset({"a"})), {"a": "again", "b": "again"})
    nodes["b"] = Node("b", 1.0, 1.0, frozenset({"a"}), stepwise=True)
    assert replay(Problem(nodes, frozenset({"a"})), {"a": "again", "b": "again"}).again == 2.0
