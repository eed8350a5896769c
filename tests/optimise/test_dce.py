"""Dead code goes, and nothing else: programs and their derivatives compute the same without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ad import arrays, generator
from ad.checks import active_params, outputs, random_like, run_with, unique, values, vjp_of
from ad.programs import PROGRAMS
from wengert.ir.nodes import Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise.dce import eliminate_dead_code


def same_meaning(module: Module, args: dict[str, Any]) -> None:
    """Results and written arguments are alike, exactly."""
    less = eliminate_dead_code(module)
    verify(less)
    found, after = run_with(less, args)
    wanted, expected = run_with(module, args)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    for name, value in expected.items():
        np.testing.assert_array_equal(after[name], value)


def gradient_only(module: Module, args: dict[str, Any]) -> None:
    """The same of the derivative when its primal results are not asked for: then much of the forward sweep is dead."""
    wrt = active_params(module)
    of = outputs(module, wrt)
    seeds = [random_like(np.random.default_rng(0), v) for v in values(module, *run_with(module, args), of)]
    derivative, apply = vjp_of(module, args, wrt, of)
    root = replace(derivative.root, results=derivative.root.results[len(module.root.results) :])
    same_meaning(Module({**derivative.functions, root.name: root}, root.name), apply(seeds)[0])


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    text, args = PROGRAMS[name]
    args = {k: np.asarray(v) if isinstance(v, (float, complex)) else v for k, v in args.items()}
    module = unique(parse(text))
    same_meaning(module, args)
    gradient_only(module, args)


@pytest.mark.parametrize("seed", range(20))
def test_random_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = {"u": rng.standard_normal(3), "v": rng.standard_normal(3)}
    args = {**vectors, "w": rng.standard_normal((3, 3)), "x": np.asarray(0.4), "n": 3}
    same_meaning(generator.program(seed), args)
    gradient_only(generator.program(seed), args)
    gradient_only(arrays.program(seed), {"u": rng.standard_normal(4), "m": rng.standard_normal((4, 4)), "n": 4})


def test_what_is_dead_goes() -> None:
    less = eliminate_dead_code(
        parse("""entry f
    func f(x: f64[n], n: i64) -> (s) {
      alloc s: f64[] zero
      alloc t: f64[n]
      declare g: growable f64
      for i in 0:n {
        let a = x[i] * 2.0
        let d = sin(a)
        t[i] = d
        push g: d
        s[] += a
      }
      if n > 3 { t[0] = 1.0 }
    }""")
    )
    assert "sin" not in show(less)
    assert len(list(statements(less.root.body))) == 4, show(less)


CALLS = """entry f
func f(x: f64[n], n: i64) -> (s) {{
  alloc s: f64[] zero
  for i in 0:2 {{
    alloc r: f64[n]
    call g(x, n, r)
    {use}
  }}
}}
func g(x: f64[n], n: i64, out: f64[n] inout) {{
  {body}
  for i in 0:n any {{ out[i] = 2.0 * x[i] }}
}}"""


@pytest.mark.parametrize(
    ("use", "body", "stays"),
    [
        ("s[] += x[i]", "", False),
        ("s[] += r[i]", "", True),
        ("s[] += x[i]", "if x[0] > 9.0 { fail ValueError('large') }", True),
        ("s[] += x[i]", "for k in 0:n while x[k] < 0.5 { out[0] = 1.0 }", True),
        ("s[] += x[i]", "let k = addc(n, 1)", True),
    ],
)
def test_calls_nobody_needs_go(use: str, body: str, stays: bool) -> None:
    module = parse(CALLS.format(use=use, body=body))
    same_meaning(module, {"x": np.array([0.3, 0.7, 0.1]), "n": 3})
    assert ("g" in eliminate_dead_code(module).functions) is stays
