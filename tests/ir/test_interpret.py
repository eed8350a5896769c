"""The interpreter gives the IR's meaning and notices broken rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ir.programs import SIZE, N, evaluate, module, vector
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.interpret import run
from wengert.ir.interpret_runtime import IllegalIR
from wengert.ir.nodes import Buffer, Call, Cast, Const, Expr, Fail, Function, If, Module, Op, Scalar, Span, Var
from wengert.ir.types import BOOL, C64, C128, F32, F64, I8, I64, U8


@pytest.mark.parametrize(
    ("e", "values", "expected"),
    [
        (b.add(Var("x", I8), 1), {"x": np.int8(127)}, np.int8(-128)),
        (b.mul(Var("x", F32), 0.1), {"x": np.float32(3)}, np.float32(3) * np.float32(0.1)),
        (b.div(Var("x", F64), 0.0), {"x": np.float64(-1)}, np.float64(-np.inf)),
        (Cast(Var("x", F64), I64), {"x": np.float64(-2.9)}, np.int64(-2)),
        (Cast(Var("x", I64), I8), {"x": np.int64(300)}, np.int8(44)),
        (Cast(Var("x", I64), U8), {"x": np.int64(-1)}, np.uint8(255)),
        (Cast(Var("x", F64), BOOL), {"x": np.float64(0.1)}, np.bool_(True)),
        (Cast(Var("x", C128), F32), {"x": np.complex128(2 + 3j)}, np.float32(2)),
        (Cast(Var("x", F64), C64), {"x": np.float64(1e300)}, np.complex64(np.inf)),
        (Cast(Var("x", BOOL), F64), {"x": np.bool_(True)}, np.float64(1)),
        (b.select(b.lt(Var("x", F64), 1), 2, Var("x", F64)), {"x": np.float64(3)}, np.float64(3)),
        (b.op("xor", Var("x", BOOL), Const(True, BOOL)), {"x": np.bool_(True)}, np.bool_(False)),
    ],
)
def test_expressions(e: Expr, values: dict[str, Any], expected: Any) -> None:
    value = evaluate(e, **values)
    assert value == expected and value.dtype == expected.dtype


def test_deep_expressions() -> None:
    e: Expr = Var("x", F64)
    for _ in range(100):
        e = b.op("sin", b.add(e, 1))
    x = np.float64(0.5)
    for _ in range(100):
        x = np.sin(x + 1)
    assert evaluate(e, x=np.float64(0.5)) == x


def test_loops() -> None:
    e = Emitter({"n"})
    out = e.growable("out", I64)
    with e.loop("i", 7, 0, step=-3) as i:
        e.push(out, i)
    with e.loop("j", N, None, step=2, cond=b.lt(b.extent(out, 0), 5)) as j:
        e.push(out, j)
    with e.loop("k", 3, 3) as k:
        e.push(out, k)
    (result,) = run(module((SIZE,), e, ("out",)), [10])
    assert result.tolist() == [7, 4, 1, 10, 12] and result.dtype == np.int64


def test_condition_sees_the_loop_variable() -> None:
    e = Emitter({"n"})
    s = e.alloc("s", I64, [], zero=True)
    with e.loop("i", 0, None, cond=b.lt(Var("i", I64), N)) as i:
        e.accumulate(s, [], i)
    assert run(module((SIZE,), e, ("s",)), [4])[0] == 6


def test_accumulate_keeps_the_old_value_on_ties_and_propagates_nan() -> None:
    e = Emitter()
    s = e.alloc("s", F64, [2])
    e.store(s, [0], b.const(-0.0, F64))
    e.accumulate(s, [0], b.const(0.0, F64), "max")
    e.store(s, [1], b.const(1.0, F64))
    e.accumulate(s, [1], b.const(np.nan, F64), "min")
    (s,) = run(module((), e, ("s",)), [])
    assert np.signbit(s[0]) and np.isnan(s[1])


def test_views() -> None:
    a = np.arange(12.0).reshape(3, 4)
    e = Emitter({"a"})
    base = Buffer("a", F64, (b.i64(3), b.i64(4)), intent="inout")
    v = e.view("v", base, [2, 1], [(1, 2), (None, 0), (0, -1)], [2, 2, 3])
    e.row("w", v, 1)
    flat = e.reshape("flat", base, [12])
    back = e.view("back", flat, [11], [(0, -2)], [3])
    e.store(back, [0], b.const(50.0, F64))
    e.view("empty", base, [9, 9], [(0, 1)], [0])
    results = run(module((base,), e, ("v", "w", "back", "empty", "flat")), [a])
    expected = np.broadcast_to(a[::-1, 1::2].T[:, None, :], (2, 2, 3))
    assert np.array_equal(results[0], expected) and np.array_equal(results[1], expected[1])
    assert results[2].tolist() == [50, 9, 7] and a[2, 3] == 50 and results[3].shape == (0,)
    assert all(r.flags.c_contiguous for r in results) and np.shares_memory(results[4], a)


def test_refs_swap() -> None:
    e = Emitter({"x", "y", "n"})
    x, y = vector("x", "inout"), vector("y", "inout")
    p, q, t = e.ref("p", F64, 1), e.ref("q", F64, 1), e.ref("t", F64, 1)
    e.rebind(p, x)
    e.rebind(q, y)
    with e.loop("i", 0, 3):
        e.store(p, [0], b.add(b.load(q, [0]), 1))
        e.rebind(t, p)
        e.rebind(p, q)
        e.rebind(q, t)
    xs, ys = np.array([0.0]), np.array([10.0])
    (result,) = run(module((x, y, SIZE), e, ("p",)), [xs, ys, 1])
    assert (xs[0], ys[0]) == (13, 12) and result[0] == 12


def test_ref_stacks_keep_buffers_alive() -> None:
    e = Emitter()
    stack, p = e.growable("stack", F64, ref_rank=1), e.ref("p", F64, 1)
    with e.loop("i", 1, 4) as i:
        buffer = e.alloc("buffer", F64, [i])
        e.store(buffer, [0], b.cast(i, F64))
        e.rebind(p, buffer)
        e.push_ref(stack, p)
    view = e.view("second", stack, [1, 0], [(1, 1)], [2])
    s = e.cell("s", b.load(view, [0]))
    with e.loop("k", 0, None, cond=b.gt(b.extent(stack, 0), 0)):
        e.pop_ref(p, stack)
        e.store(s, [], b.add(b.mul(b.load(s, []), 10), b.mul(b.load(p, [0]), b.cast(b.extent(p, 0), F64))))
    assert run(module((), e, ("s",)), [])[0] == 2000 + 900 + 40 + 1


def test_growables_pop_and_resize() -> None:
    e = Emitter()
    g = e.growable("g", F64)
    e.push(g, b.const(2.0, F64))
    e.resize(g, b.i64(3))
    e.accumulate(g, [2], b.const(7.0, F64))
    e.resize(g, b.i64(-1))
    v = e.pop("v", g)
    e.push(g, b.neg(v))
    assert run(module((), e, ("g",)), [])[0].tolist() == [2, 0, -7]


def test_results_that_name_parameters_are_those_objects() -> None:
    x, y = np.ones(2), np.ones(2)
    results = run(module((vector("x"), vector("y", "inout"), SIZE), (), ("x", "y", "y")), [x, y, 2])
    assert results[0] is x and results[1] is y and results[2] is y


def recursive(limit: int) -> Module:
    """f(out, k): out += k; f(out, k - 1) while k > 0."""
    out = Buffer("out", I64, (), intent="inout")
    e = Emitter({"out", "k"})
    k = Var("k", I64)
    e.accumulate(out, [], k)
    with e.if_(b.gt(k, 0)):
        e.call("f", out, b.sub(k, 1))
    f = Function("f", (out, Scalar("k", I64)), e.block())
    root = Function("main", (out,), (Call("f", ("out", b.i64(limit))),))
    return Module({"main": root, "f": f}, "main")


def test_recursion() -> None:
    out = np.zeros((), np.int64)
    run(recursive(900), [out])
    assert out == 900 * 901 // 2
    with pytest.raises(RecursionError):
        run(recursive(1000), [out])
    run(recursive(3), [out])  # the depth starts anew


def test_fail_raises_the_exception_with_its_span() -> None:
    span = Span("user.py", 7)
    fail = Fail("ZeroDivisionError", "{} of {} {{x}}", (Var("n", I64), b.const(1.5, F32)), span)
    with pytest.raises(ZeroDivisionError) as caught:
        run(module((SIZE,), (If(b.gt(N, 2), (fail,)),)), [3])
    assert str(caught.value) == "3 of 1.5 {{x}}" and caught.value.span is span
    assert caught.value.__notes__ == ["at user.py:7"]
    assert run(module((SIZE,), (If(b.gt(N, 2), (fail,)),)), [2]) == ()


@pytest.mark.parametrize("name", ["IndexError", "ValueError", "TypeError", "LinAlgError"])
def test_failures_are_told_from_faults(name: str) -> None:
    kind = {"LinAlgError": np.linalg.LinAlgError}.get(name) or getattr(__import__("builtins"), name)
    with pytest.raises(kind):
        run(module((), (Fail(name, "x"),)), [])


def test_checked_arithmetic() -> None:
    with pytest.raises(OverflowError):
        evaluate(b.op("mulc", Var("x", I64), 2), x=np.int64(2**62))


def test_library_calls() -> None:
    e = Emitter({"a"})
    a = Buffer("a", F64, (b.i64(2), b.i64(2)))
    x = e.alloc("x", F64, [2, 2])
    e.lib("inv", [x], [e.view("t", a, [0, 0], [(1, 1), (0, 1)], [2, 2])])
    m = module((Buffer("a", F64, (b.i64(2), b.i64(2)), intent="in"),), e, ("x",))
    values = np.array([[2.0, 1.0], [0.0, 4.0]])
    assert np.allclose(run(m, [values])[0], np.linalg.inv(values.T))
    with pytest.raises(np.linalg.LinAlgError):
        run(m, [np.zeros((2, 2))])


def prefix_sum(order: Any) -> Module:
    """x[i] += x[i - 1]: not an `any` loop."""
    e = Emitter({"x", "n"})
    x = vector("x", "inout")
    with e.loop("i", 1, N, order=order) as i:
        e.store(x, [i], b.add(b.load(x, [i]), b.load(x, [b.sub(i, 1)])))
    return module((x, SIZE), e)


@pytest.mark.parametrize("order", ["forward", "reverse", "random"])
def test_other_orders_expose_illegal_any_loops(order: Any) -> None:
    x, y = np.ones(8), np.ones(8)
    run(prefix_sum("any"), [x, 8], any_order=order)
    run(prefix_sum("sequential"), [y, 8], any_order=order)
    assert y.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert np.array_equal(x, y) == (order == "forward")


def illegal(build: Any) -> Module:
    e = Emitter({"x", "n"})
    build(e, vector("x"))
    return module((vector("x"), SIZE), e)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda e, x: e.let("a", b.load(x, [b.sub(N, 4)])), "index of x is out of range"),
        (lambda e, x: e.let("a", b.load(x, [N])), "out of bounds"),
        (lambda e, x: e.let("a", b.select(b.gt(N, 9), b.load(x, [9]), 0.0)), "out of bounds"),
        (lambda e, x: e.store(x, [0], b.const(1.0, F64)), "read-only"),
        (lambda e, x: e.store(e.alloc("y", F64, [3]), [b.neg(N)], b.const(1.0, F64)), "index of y"),
        (lambda e, x: e.let("a", b.load(e.ref("p", F64, 1), [0])), "ref p is not bound"),
        (lambda e, x: e.pop("a", e.growable("g", F64)), "pop from empty list"),
        (lambda e, x: e.resize(e.growable("g", F64), b.i64(-1)), "index of g"),
        (lambda e, x: e.view("v", x, [1], [(0, 1)], [N]), "index of v"),
        (lambda e, x: e.view("v", x, [0], [(0, -1)], [2]), "index of v"),
        (lambda e, x: e.reshape("v", e.view("u", x, [2], [(0, -1)], [2]), [2]), "not contiguous"),
        (lambda e, x: e.alloc("y", F64, [b.neg(N)]), "negative extent"),
        (lambda e, x: e.lib("sort", [x, e.alloc("p", I64, [N])], [x]), "aliases"),
        (lambda e, x: e.lib("sort", [e.alloc("y", F64, [2]), e.alloc("p", I64, [2])], [x]), "its output is"),
        (lambda e, x: e.fail("NoSuchError", ""), "unknown exception"),
    ],
)
def test_broken_rules_are_noticed(build: Any, message: str) -> None:
    with pytest.raises(IllegalIR, match=message):
        run(illegal(build), [np.ones(3), 3])


def test_wrong_extents_are_noticed() -> None:
    with pytest.raises(IllegalIR, match="x has extents \\(2,\\), not \\(3,\\)"):
        run(module((vector("x"), SIZE), ()), [np.ones(2), 3])


@pytest.mark.parametrize("x", [np.ones(3, np.float32), np.ones((3, 1)), [1.0, 1.0, 1.0]])
def test_wrong_arguments(x: Any) -> None:
    with pytest.raises(TypeError, match="x must be an array of f64 and rank 1"):
        run(module((vector("x"), SIZE), ()), [x, 3])
    with pytest.raises(TypeError, match="takes 2 arguments"):
        run(module((vector("x"), SIZE), ()), [x])


def test_undefined_contents_are_poison() -> None:
    e = Emitter()
    for dtype in (F64, C128, I64):
        e.alloc(f"x_{dtype.value}", dtype, [1])
    x, z, i = run(module((), e, ("x_f64", "x_c128", "x_i64")), [])
    assert np.isnan(x[0]) and np.isnan(z[0]) and i[0] > 2**62


def test_no_warnings(recwarn: pytest.WarningsRecorder) -> None:
    evaluate(Op("log", (Var("x", F64),), F64), x=np.float64(-1))
    evaluate(Op("floordiv", (Var("x", I8), Var("x", I8)), I8), x=np.int8(0))
    assert not recwarn.list
