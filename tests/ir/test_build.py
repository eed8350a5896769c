"""Constructors fold what is exact and nothing else; the emitter builds what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.programs import evaluate
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Cast, Const, Expr, If, Let, Loop, Op, Span, Var
from wengert.ir.types import BOOL, C128, F32, F64, I8, I64, U8

K, X, Z, P = Var("i", I64), Var("x", F64), Var("z", C128), Var("p", BOOL)


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (b.add(K, 0), K),
        (b.add(0, K), K),
        (b.sub(K, K), b.i64(0)),
        (b.add(b.sub(K, 3), 5), Op("add", (K, b.i64(2)), I64)),
        (b.sub(b.add(K, 2), 5), Op("sub", (K, b.i64(3)), I64)),
        (b.mul(K, 0), b.i64(0)),
        (b.mul(1, X), X),
        (b.mul(Z, 1), Z),
        (b.sub(X, 0.0), X),
        (b.add(X, -0.0), X),
        (b.neg(b.neg(X)), X),
        (b.div(X, 1.0), X),
        (b.op("pow", X, 1.0), X),
        (b.op("pow", X, 0.0), b.one(F64)),
        (b.cast(X, F64), X),
        (b.cast(b.const(300, I64), I8), b.const(44, I8)),
        (b.cast(b.const(-1, I64), U8), b.const(255, U8)),
        (b.cast(b.const(-2.7, F64), I64), b.i64(-2)),
        (b.cast(b.const(1e300, F64), F32), b.const(math.inf, F32)),
        (b.and_(P, True), P),
        (b.and_(P, False), Const(False, BOOL)),
        (b.or_(), Const(False, BOOL)),
        (b.not_(b.not_(P)), P),
        (b.lt(K, K), Const(False, BOOL)),
        (b.select(True, X, 2.0), X),
        (b.select(P, X, X), X),
        (b.op("real", X), X),
        (b.add(b.const(1, I64), 2), b.i64(3)),
        (b.add(b.const(2**63 - 1, I64), 1), b.i64(-(2**63))),
    ],
)
def test_folds(built: Expr, expected: Expr) -> None:
    assert b.same(built, expected)


@pytest.mark.parametrize(
    "built",
    [
        b.add(X, 0.0),  # -0.0 + 0.0 is 0.0
        b.sub(X, -0.0),
        b.mul(X, 0.0),
        b.sub(X, X),
        b.eq(X, X),
        b.select(P, b.const(0.0, F64), -0.0),
        b.cast(b.const(1e300, F64), I64),  # undefined in C
        b.cast(b.const(math.nan, F64), I8),
        b.op("addc", b.const(2**63 - 1, I64), 1),  # raises at run time
        b.op("subc", b.op("addc", K, 1), 1),
    ],
)
def test_leaves_alone_what_is_not_exact(built: Expr) -> None:
    assert not isinstance(built, (Const, Var))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["add", "sub", "mul", "max", "floordiv"]),
    st.sampled_from(["add", "sub"]),
    *[st.sampled_from([-128, -3, -1, 0, 1, 2, 127])] * 3,
)
def test_folding_keeps_the_value(outer: str, inner: str, x: int, c: int, d: int) -> None:
    v = Var("v", I8)
    folded = b.op(outer, b.op(inner, v, c), d)
    plain = Op(outer, (Op(inner, (v, Const(c, I8)), I8), Const(d, I8)), I8)
    assert evaluate(folded, v=np.int8(x)) == evaluate(plain, v=np.int8(x))


def test_constants_are_rounded_and_typed() -> None:
    assert b.const(0.1, F32).value == float(np.float32(0.1))
    assert type(b.const(1, F64).value) is float and type(b.const(1, C128).value) is complex
    with pytest.raises(OverflowError):
        b.const(300, I8)
    assert b.is_const(b.const(0.0, F64), 0) and not b.is_const(b.const(-0.0, F64), 0)
    assert not b.is_const(b.i64(0), 0.5)


def test_operand_types_must_agree() -> None:
    with pytest.raises(TypeError, match="different types: f64, i64"):
        b.add(X, K)
    with pytest.raises(TypeError, match="sqrt does not accept i64"):
        b.op("sqrt", K)
    with pytest.raises(TypeError, match="2 operands"):
        b.op("add", X)
    with pytest.raises(TypeError, match="must be an expression"):
        b.add(1, 2)


def test_fresh_names() -> None:
    e = Emitter({"x", "x_1"})
    assert [e.fresh("x"), e.fresh("x"), e.fresh("y"), e.fresh("y")] == ["x_2", "x_3", "y", "y_1"]


def test_emitter_nests() -> None:
    e = Emitter(span=Span("f.py", 1))
    with e.loop("i", 0, 3) as i:
        with e.at(Span("f.py", 2)):
            v = e.let("v", b.add(i, 1))
        with e.if_(b.gt(v, 1)):
            e.fail("ValueError", "one")
        with e.else_():
            e.fail("ValueError", "two")
    with e.collect() as aside:
        e.let("w", Cast(i, F64))
    match e.block():
        case (Loop("i", body=(Let("v", span=Span(line=2)), If(then=(_,), orelse=(_,))), span=Span(line=1)),):
            pass
        case other:
            pytest.fail(str(other))
    assert [s.name for s in aside] == ["w"]
    with pytest.raises(ValueError, match="else_ must follow if_"), e.else_():
        pass


def test_let_names_only_what_needs_a_name() -> None:
    e = Emitter()
    assert e.let("a", X) is X and e.let("b", b.one(F64)) == b.one(F64)
    assert e.block() == ()


def test_row_view() -> None:
    e = Emitter({"A"})
    row = e.row("r", Buffer("A", F64, (b.i64(2), K)), 1)
    assert row.shape == (K,) and row.strided
