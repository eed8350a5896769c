"""The text form reads back what it wrote."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.programs import everything, module
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.interpret import run
from wengert.ir.nodes import Cast, Const, Expr, Let, Module, Op, Scalar, Select, Var
from wengert.ir.ops import OPS
from wengert.ir.text import ParseError, parse, plain, show, show_expr
from wengert.ir.types import BOOL, C64, C128, F32, F64, I8, I64, U64, DType

EXAMPLE = """
entry energy

func energy(u: f64[N] inout, nu: f64, n: i64, N: i64) -> (s) {        # burgers.py:4:1-20 in energy
  alloc un: f64[N]
  for t in 0:n {
    for i in 0:N any { un[i] = u[i] }
    for i2 in 1:N-1 any {                                             # a remark, no span
      let c = un[i2]
      let d = c - un[i2-1]
      u[i2] = c - nu*c*d                                              # burgers.py:7:9-60
    }
  }
  alloc s: f64[] zero
  for i3 in 0:N any { s[] += u[i3]*u[i3] }
}
"""


def test_every_construct_round_trips() -> None:
    m = everything()
    assert plain(m) == m
    assert parse(show(m)) == m
    assert show(parse(show(m))) == show(m)


def test_hand_written_text_runs() -> None:
    m = parse(EXAMPLE)
    assert str(m.root.span) == "burgers.py:4" and m.root.span.function == "energy"
    u = np.array([1.0, 2.0, 4.0])
    assert run(m, [u, 0.1, 1, 3])[0] == 1 + (2 - 0.1 * 2 * 1) ** 2 + 16
    assert parse(show(m)) == m


def test_span_text_is_dropped_and_nothing_else() -> None:
    m = everything()
    text = show(m)
    assert "# dir/a file.py:12:5-20 in f" in text and "# g.py:3:1-1" in text


def test_empty_module() -> None:
    assert parse(show(Module())) == Module()


CONSTANTS = [
    Const(value, dtype)
    for dtype, values in {
        BOOL: [True, False],
        I64: [0, -1, 2**63 - 1, -(2**63)],
        U64: [2**64 - 1],
        I8: [-128],
        F64: [0.0, -0.0, 0.1, -1e-300, 1e16, math.inf, -math.inf, 5e-324],
        F32: [float(np.float32(0.1)), -math.inf],
        C128: [complex(1.5, -0.0), complex(-0.0, math.inf)],
        C64: [1j],
    }.items()
    for value in values
]


@pytest.mark.parametrize("c", CONSTANTS, ids=repr)
def test_constants_round_trip_to_the_bit(c: Const) -> None:
    m = module((), (Let("x", Op("neg", (c,), c.dtype) if c.dtype is not BOOL else c),))
    value = parse(show(m)).root.body[0]
    assert repr(value) == repr(m.root.body[0])


def test_a_nan_equals_itself() -> None:
    nan, other = b.const(math.nan, F32), b.const(-math.nan, F32)
    assert nan == other
    assert hash(nan) == hash(other)
    assert nan != b.const(math.nan, F64)
    assert b.const(0.0, F64) == b.const(-0.0, F64)
    assert b.const(1.0, F64) != Var("x", F64)
    assert Let("x", nan) == Let("x", other)


def test_nan_round_trips() -> None:
    m = module((), (Let("x", b.const(math.nan, F32)),))
    assert parse(show(m)) == m


def expressions() -> st.SearchStrategy[Expr]:
    leaves = st.sampled_from([Var("x", F64), Var("and", F64), Const(2.0, F64), Const(-0.5, F64)])
    names = [r.name for r in OPS.values() if r.accepts(F64) and r.result in ("same", "real")]

    def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        op = st.sampled_from(names).flatmap(
            lambda n: st.tuples(*[inner] * OPS[n].arity).map(lambda args: Op(n, args, F64))
        )
        comparison = st.builds(lambda n, x, y: Op(n, (x, y), BOOL), st.sampled_from(["lt", "eq"]), inner, inner)
        logic = st.builds(lambda n, x, y: Op(n, (x, y), BOOL), st.sampled_from(["and", "or"]), comparison, comparison)
        negated = st.builds(lambda x: Op("not", (x,), BOOL), logic)
        choice = st.builds(Select, st.one_of(comparison, logic, negated), inner, inner)
        casts = st.builds(lambda x, d: Cast(Cast(x, d), F64), inner, st.sampled_from([F32, I64, C128, BOOL]))
        return st.one_of(op, choice, casts)

    return st.recursive(leaves, grow, max_leaves=12)


@settings(max_examples=150, deadline=None)
@given(expressions())
def test_expressions_round_trip(e: Expr) -> None:
    m = module((Scalar("x", F64), Scalar("and", F64)), (Let("y", e),))
    assert parse(show(m)) == m


def test_parentheses_only_where_needed() -> None:
    x, y = Var("x", F64), Var("y", F64)
    assert show_expr(b.sub(x, b.sub(y, b.mul(x, y)))) == "x - (y - x * y)"
    assert show_expr(b.mul(b.add(x, y), b.neg(x))) == "(x + y) * -x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entry f\nfunc f() {\n  let x = y\n}", "line 3: y is not a scalar"),
        ("entry f\nfunc f() {\n  u[0] = 1.0 $\n}", "line 3: unexpected '\\$'"),
        ("entry f\nfunc f() {\n  let x = 1 + 2.0\n}", "line 3: add does not accept"),
        ("entry f\nfunc f() {\n", "found 'the end'"),
        ("entry f\nfunc f(x: f64", "the parameters do not end"),
    ],
)
def test_errors_name_the_line(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse(text)


def test_every_dtype_is_a_cast() -> None:
    e = Emitter({"x"})
    for dtype in DType:
        e.let("y", Cast(Var("x", F64), dtype))
    m = module((Scalar("x", F64),), e)
    assert parse(show(m)) == m
