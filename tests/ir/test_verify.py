"""The verifier accepts valid programs and names what is wrong with others."""

from __future__ import annotations

from typing import Any

import pytest

from ir.programs import SIZE, N, everything, module, vector
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Buffer,
    Call,
    Cast,
    Const,
    Declare,
    Extent,
    Fail,
    Function,
    Growable,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Op,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Resize,
    Scalar,
    Select,
    Span,
    Store,
    Var,
    View,
)
from wengert.ir.text import parse
from wengert.ir.types import BOOL, C128, F32, F64, I64, U8
from wengert.ir.verify import VerifyError, verify

ONE, TWO, HALF, YES = Const(1, I64), Const(2, I64), Const(0.5, F64), Const(True, BOOL)
X = Var("a", F64)
PARAMS = (
    vector("x"), vector("y", "inout"), SIZE, Scalar("a", F64), Growable("g", F64), Growable("stack", F64, 1),
    Buffer("A", F64, (N, N), intent="inout"), Buffer("s", F64, (N,), strided=True, intent="inout"),
)  # fmt: skip
HELPER = Function("helper", (vector("v", "inout"), SIZE), ())


def problems(*body: Any, results: tuple[str, ...] = ()) -> list[str]:
    m = Module({"main": Function("main", PARAMS, body, results), "helper": HELPER}, "main")
    try:
        verify(m)
    except VerifyError as error:
        return error.errors
    return []


def test_the_sample_program_is_valid() -> None:
    verify(everything())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # names
        ((Let("b", Var("c", F64)),), "c is not a scalar of f64 in scope"),
        ((Let("b", Var("a", F32)),), "a is not a scalar of f32"),
        ((Let("b", Var("x", F64)),), "x is not a scalar"),
        ((Let("a", X),), "a is defined twice"),
        ((Let("b", X), If(YES, (Let("b", X),))), "b is defined twice"),
        ((If(YES, (Let("b", X),)), Let("c", Var("b", F64))), "b is not a scalar"),
        ((Loop("i", ONE, N, ()), Let("c", Var("i", I64))), "i is not a scalar"),
        ((Let("b c", X),), "'b c' is not an identifier"),
        # expressions
        ((Let("b", Const(1, F64)),), "constant 1 of f64 must be a float"),
        ((Let("b", Const(True, I64)),), "must be a int"),
        ((Let("b", Const(256, U8)),), "does not fit u8"),
        ((Let("b", Load("x", (), F64)),), "x has rank 1, not 0"),
        ((Let("b", Load("x", (HALF,), F64)),), "index of x is f64, not i64"),
        ((Let("b", Load("x", (ONE,), F32)),), "x holds f64, not f32"),
        ((Let("b", Load("a", (ONE,), F64)),), "a is not a storage"),
        ((Let("b", Load("stack", (ONE,), F64)),), "stack holds refs"),
        ((Let("b", Extent("x", 1)),), "x has no axis 1"),
        ((Let("b", Op("add", (X, N), F64)),), "add does not accept f64, i64"),
        ((Let("b", Op("add", (X,), F64)),), "add takes 2 operands"),
        ((Let("b", Op("lt", (X, X), F64)),), "lt gives bool, not f64"),
        ((Let("b", Op("sinus", (X,), F64)),), "no operation sinus"),
        ((Let("b", Select(X, X, X)),), "the condition of a select is f64"),
        ((Let("b", Select(YES, X, N)),), "other branch of a select is i64"),
        ((Let("b", Cast(Var("q", F64), I64)),), "q is not a scalar"),
        # statements
        ((Store("y", (ONE,), ONE),), "the value stored in y is i64, not f64"),
        ((Store("x", (ONE,), X),), "x is read-only"),
        ((Accumulate("x", (ONE,), X),), "x is read-only"),
        ((Alloc(Buffer("z", C128, ())), Accumulate("z", (), Const(1j, C128), "max")), "max= does not accept c128"),
        ((If(ONE, ()),), "condition of an if is i64"),
        ((Loop("i", HALF, N, ()),), "start of a loop is f64"),
        ((Loop("i", ONE, X, ()),), "stop of a loop is f64"),
        ((Loop("i", ONE, N, (), step=0),), "step 0"),
        ((Loop("i", ONE, N, (), cond=ONE),), "condition of a loop"),
        ((Fail("ValueError", "{}"),), "does not show 0 values"),
        ((Fail("Oops", ""),), "unknown exception Oops"),
        # storages
        ((Alloc(Buffer("z", F64, (HALF,))),), "extents of z is f64"),
        ((Alloc(Buffer("z", F64, (N,), strided=True)),), "z must not be strided"),
        ((Alloc(Buffer("z", F64, (N,), intent="in")),), "z is not a parameter"),
        ((View(Buffer("z", F64, (N,)), "x", (ONE,), ((0, ONE),)),), "z must be strided"),
        ((View(Buffer("z", F64, (N,), True), "A", (ONE,), ((0, ONE),)),), "needs 2 starts"),
        ((View(Buffer("z", F64, (N,), True), "A", (ONE, ONE), ((2, ONE),)),), "an axis that A does not have"),
        ((View(Buffer("z", F64, (N,), True), "A", (ONE, ONE), ()),), "has 0 axes and rank 1"),
        ((View(Buffer("z", F32, (N,), True), "x", (ONE,), ((0, ONE),)),), "its base x is f64"),
        ((View(Buffer("z", F64, (N,), True), "g", (ONE,), ((0, ONE),)),), "cannot be viewed"),
        ((View(Buffer("z", F64, (N,), True), "y", (ONE,), ((None, ONE),)), Store("z", (ONE,), X)), "z is read-only"),
        ((View(Buffer("z", F64, (N,), True), "x", (ONE,), ((0, ONE),)), Store("z", (ONE,), X)), "z is read-only"),
        ((Reshape(Buffer("z", F64, (N,)), "s"),), "s is not contiguous"),
        ((Declare(Ref("p", F64, 2)), Rebind("p", "x")), "p and x differ"),
        ((Rebind("x", "y"),), "x is not a ref"),
        ((Push("g", N),), "pushed on g is i64"),
        ((Push("stack", X),), "stack is not a growable of scalars"),
        ((Push("x", X),), "x is not a growable"),
        ((Pop("b", "g", F32),), "g holds f64, not f32"),
        ((Resize("g", X),), "change of length is f64"),
        ((PushRef("stack", "A"),), "stack and A differ"),
        ((PushRef("g", "x"),), "g is not a growable of refs"),
        ((Declare(Ref("p", F32, 1)), PopRef("p", "stack")), "stack and p differ"),
        # calls
        ((Call("nothing", ()),), "no function nothing"),
        ((Call("helper", ("y",)),), "takes 2 arguments, not 1"),
        ((Call("helper", ("y", X)),), "argument n of helper is f64"),
        ((Call("helper", ("y", "x")),), "must be a scalar"),
        ((Call("helper", (X, N)),), "must be a storage"),
        ((Call("helper", ("x", N)),), "x is read-only"),
        ((Call("helper", ("A", N)),), "differ in kind, dtype or rank"),
        ((Call("helper", ("s", N)),), "must be contiguous"),
        ((LibCall("magic", (), ()),), "no library operation magic"),
        ((LibCall("inv", (), ("A",)),), "takes 1 inputs and 1 outputs"),
        ((LibCall("inv", ("A",), ("A",)),), "aliases another operand"),
        ((Reshape(Buffer("z", F64, (N, N)), "A"), LibCall("inv", ("z",), ("A",))), "aliases"),
        ((LibCall("inv", ("y",), ("A",)),), "y must be a buffer of f64 and rank 2"),
        ((LibCall("sort", ("y", "s"), ("x",)),), "s must be a buffer of i64"),
        ((LibCall("fft", ("y",), ("s",)),), "takes the attributes"),
        ((LibCall("fft", ("y",), ("s",), (("inverse", True),)),), "fft does not accept f64"),
    ],
)
def test_faults_are_named(body: tuple[Any, ...], message: str) -> None:
    found = problems(*body)
    assert any(message in e for e in found), found


def test_all_faults_are_listed_with_their_places() -> None:
    found = problems(Let("b", Var("c", F64), Span("f.py", 3)), Let("d", Var("e", F64), Span("f.py", 4)))
    assert found == [
        "f.py:3: main: c is not a scalar of f64 in scope",
        "f.py:4: main: e is not a scalar of f64 in scope",
    ]


def test_modules() -> None:
    assert "result z is not a storage" in problems(results=("z",))[0]
    assert "result b is not a storage" in problems(Let("b", X), results=("b",))[0]
    for m, message in (
        (Module({}, "f"), "entry 'f' is not"),
        (Module({"f": HELPER}, "f"), "helper is filed under f"),
        (module((Buffer("x", F64, ()),), ()), "parameter x has intent local"),
        (Module({"f": Function("f", (vector("v"), SIZE), (Call("f", ("v", N)),), ("v",))}, "f"), "cannot be called"),
    ):
        with pytest.raises(VerifyError, match=message):
            verify(m)


# -- any loops -----------------------------------------------------------------------------------------------

HEADER = """entry main
func main(u: f64[n] inout, v: f64[n], A: f64[n, n] inout, p: i64[n], n: i64, m: i64) {
  alloc c: f64[]
  alloc tape: f64[n * n]
  declare g: growable f64
"""


def any_errors(body: str) -> list[str]:
    try:
        verify(parse(HEADER + body + "\n}"))
    except VerifyError as error:
        return error.errors
    return []


LEGAL = """
for i in 0:n any { u[i] = u[i] + v[i] }
for i in 0:n any { u[i] += u[i] }
for i in 1:n any { u[n - i] = v[i - 1] }
for i in 0:n any { for j in 0:n any { A[j, i] = A[j, i] + 1.0 } }
for i in 0:n any { for j in 0:n any { A[i, i + j - n] = 1.0 } }
for i in 0:n any { for k in 1:n { A[i, k] = A[i, k - 1] } }
for t in 1:n { for i in 1:n any { A[t, i] = A[t - 1, i - 1] } }
for i in 1:m any { u[2 * i] = u[2 * i - 1] + u[2 * i + 1] }
for i in 0:n any { for j in 0:m any { tape[i * m + j] = 1.0 } }
for i in 0:n any { for j in 0:2 any { tape[2 * i + j] = 1.0 } }
for i in 0:n any { let q = p[i]  u[q] = u[q] + v[i] }
for i in 0:n any { c[] += u[i] }
for i in 0:n any { u[p[i]] += 1.0 }
for i in 0:n any { if i == 3 { c[] = u[i] } }
for i in 0:n any { alloc t: f64[3]  for k in 0:3 { t[k] = u[i] }  u[i] = t[0] + t[1] }
for i in 0:n any { let j = i + 1  let k = j - 1  u[k] = u[i] }
for i in 0:n any { view r: f64[n] = A[i, 0] along (1: 1)  for k in 0:n { r[k] = A[i, k] } }
for i in 0:n any { declare h: growable f64  push h: u[i]  pop x = h  u[i] = x }
for i in 0:1 any { c[] = u[i] }
for i in 0:n { c[] = u[i]  for j in 0:n any { u[j] = c[] } }
for i in 0:n any { view r: f64[n] = A[i, 0] along (1: 1)  alloc o: i64[n]  lib sort(r, o; v) }
""".strip().splitlines()

ILLEGAL = """
for i in 0:n any { c[] = u[i] }  |  the store to c does not tell
for i in 0:n any { u[0] = v[i] }  |  the store to u does not tell
for i in 0:n any { for j in 0:n any { u[i + j] = 1.0 } }  |  over i: the store to u does not tell
for i in 0:n any { for j in 0:n { u[i - j] = 1.0 } }  |  the store to u does not tell
for i in 0:n any { for j in 0:n any { A[i, i] = 1.0 } }  |  over j: the store to A does not tell
for i in 0:n any { for j in 0:3 any { tape[2 * i + j] = 1.0 } }  |  does not tell
for i in 1:n any { u[i] = u[i - 1] }  |  u is written at one point and used at another
for i in 1:n any { u[i] = 1.0  u[i - 1] = 2.0 }  |  u is written at one point
for i in 0:n any { u[i] = u[p[i]] }  |  u is written at one point
for i in 0:n any { c[] += u[i]  u[i] = c[] }  |  c is written at one point
for i in 0:n any { for k in 1:n { A[i, k] = A[i - 1, k] } }  |  A is written at one point
for i in 1:m any { u[2 * i] = u[4 * i + 2] }  |  u is written at one point
for i in 0:n any { view r: f64[n] = A[0, i] along (0: 1)  r[0] = 1.0  r[1] = A[0, i + 1] }  |  A is written
for i in 0:n any { push g: u[i] }  |  Push changes g
for i in 0:n any { resize g: 1 }  |  Resize changes g
for i in 0:n any while true { u[i] = 1.0 }  |  it has a condition
for i in 0: any { u[i] = 1.0 }  |  no end
for i in 0:n any { alloc o: i64[n]  lib sort(u, o; v) }  |  LibCall changes u
""".strip().splitlines()


@pytest.mark.parametrize("body", LEGAL)
def test_legal_any_loops(body: str) -> None:
    assert any_errors(body) == []


@pytest.mark.parametrize("case", ILLEGAL)
def test_illegal_any_loops(case: str) -> None:
    body, message = case.split("  |  ")
    found = any_errors(body)
    assert any(message in e for e in found), found


@pytest.mark.parametrize("case", ILLEGAL)
def test_the_same_loops_in_sequence_are_legal(case: str) -> None:
    assert any_errors(case.split("  |  ")[0].replace(" any", "")) == []
