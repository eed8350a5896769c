"""Flattening keeps the meaning, leaves one operation per let, and reuses what is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad import arrays, generator
from ad.checks import run_with, unique
from ad.programs import PROGRAMS
from wengert.ir.nodes import Cast, Const, Expr, Let, Load, Module, Op, Select, Var
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import expressions, operands, statements
from wengert.optimise.flatten import flatten, is_atom


def is_one_operation(e: Expr) -> bool:
    return is_atom(e) or all(map(is_atom, operands(e)))


def assert_flat(module: Module) -> None:
    for f in module.functions.values():
        for s in statements(f.body):
            if isinstance(s, Let):
                assert is_one_operation(s.value), s
                assert not isinstance(s.value, (Const, Var)), s
            else:
                cond = getattr(s, "cond", None) if hasattr(s, "body") else None
                assert all(is_atom(e) for e in expressions(s) if e is not cond), s


def same_meaning(module: Module, args: dict[str, Any]) -> None:
    flat = flatten(module)
    verify(flat)
    assert_flat(flat)
    assert show(flatten(flat)) == show(flat)
    for a, b in zip(run_with(module, args)[0], run_with(flat, args)[0], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    text, args = PROGRAMS[name]
    same_meaning(unique(parse(text)), args)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    args = {
        "u": rng.standard_normal(3),
        "v": rng.standard_normal(3),
        "w": rng.standard_normal((3, 3)),
        "x": 0.4,
        "n": 3,
    }
    same_meaning(generator.program(seed), args)
    same_meaning(arrays.program(seed), {"u": rng.standard_normal(4), "m": rng.standard_normal((4, 4)), "n": 4})


def lets(text: str) -> list[Expr]:
    return [s.value for s in statements(flatten(parse(text)).root.body) if isinstance(s, Let)]


def test_common_operations_are_shared_and_loads_only_until_a_write() -> None:
    values = lets("""entry f
    func f(x: f64[n] inout, n: i64) {
      x[0] = x[1] * x[1] + x[1] * x[1]
      x[2] = x[1] * x[1]
    }""")
    assert sum(isinstance(v, Load) for v in values) == 2
    assert sum(isinstance(v, Op) and v.name == "mul" for v in values) == 2


def test_a_write_through_a_view_forgets_loads() -> None:
    values = lets("""entry f
    func f(x: f64[n] inout, y: f64[n] inout, n: i64) {
      view v: f64[n] = x[0] along (0: 1)
      y[0] = x[1]
      v[1] = 2.0
      y[1] = x[1]
      y[2] = x[1]
    }""")
    assert sum(isinstance(v, Load) for v in values) == 2


def test_zeros_of_different_sign_are_different() -> None:
    values = lets("""entry f
    func f(x: f64, y: f64[2] inout) {
      y[0] = copysign(x, 0.0)
      y[1] = copysign(x, -0.0)
    }""")
    assert len(values) == 2


def test_index_expressions_stay_and_comparisons_of_floats_do_not() -> None:
    flat = flatten(
        parse("""entry f
    func f(x: f64[n], k: i64[n], y: f64[n] inout, n: i64) {
      for i in 0:n - 1 any {
        if i < n - 2 and x[i + 1] > 0.5 { y[n - 1 - i] = x[k[i] + 1] }
      }
    }""")
    )
    text = show(flat)
    assert "y[n - 1 - i] = " in text
    assert "if i < n - 2 and c {" in text
    assert any(
        isinstance(s, Let) and isinstance(s.value, Op) and s.value.name == "gt" for s in statements(flat.root.body)
    )
    assert not any(isinstance(s, Let) and isinstance(s.value, (Cast, Select)) for s in statements(flat.root.body))
