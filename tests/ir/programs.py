"""IR programs that the tests of `ir` share."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.interpret import run
from wengert.ir.nodes import Block, Buffer, Const, Expr, Function, Growable, Module, Param, Scalar, Span, Var
from wengert.ir.types import BOOL, C64, C128, F32, F64, I8, I64, U8, DType

N = Var("n", I64)
SIZE = Scalar("n", I64)


def vector(name: str, intent: Any = "in", dtype: DType = F64) -> Buffer:
    return Buffer(name, dtype, (N,), intent=intent)


def module(params: tuple[Param, ...], body: Block | Emitter, results: tuple[str, ...] = ()) -> Module:
    block = body.block() if isinstance(body, Emitter) else body
    return Module({"main": Function("main", params, block, results)}, "main")


def evaluate(e: Expr, **values: Any) -> Any:
    """The value of an expression over scalar variables."""
    params = tuple(Scalar(k, DType.of(np.asarray(v).dtype)) for k, v in values.items())
    emitter = Emitter(values)
    out = emitter.cell("out", e)
    return run(module(params, emitter, (out.name,)), list(values.values()))[0][()]


def everything() -> Module:
    """A valid module with every statement, every kind of expression and awkward names; not meant to be run."""
    span = Span("dir/a file.py", 12, 5, 20, "f")
    x = Buffer("x", F64, (N, Const(3, I64)), intent="inout")
    z = Buffer("step", C128, (), intent="in")
    tape, strided = Growable("tape", F64), Buffer("s", F32, (N,), strided=True, intent="inout")
    e = Emitter({"x", "step", "tape", "s", "n", "alpha"}, span)
    i = e.alloc("order", I64, [N], zero=True)
    stack = e.growable("stack", F64, ref_rank=2)
    p, q = e.ref("p", F64, 2), e.ref("q", F64, 2)
    e.rebind(p, x)
    e.push_ref(stack, p)
    e.pop_ref(q, stack)
    v = e.view("v", x, [b.sub(N, 1), 0], [(0, -1), (None, 0), (1, 2)], [N, 4, 2])
    w = e.reshape("w", x, [b.mul(N, 3)])
    e.span = Span("g.py", 3)
    with e.loop("t", 0, N, step=2) as t:
        a = e.let("zero", b.mul(b.load(w, [t]), b.add(1.5, Var("alpha", F64))))
        e.store(x, [t, 2], b.select(b.and_(b.lt(a, 2.5), b.not_(b.eq(t, 1))), b.neg(a), b.op("sin", b.neg(a))))
        e.push(tape, b.sub(b.sub(a, b.mul(a, a)), b.sub(a, b.div(a, 3.0))))
        e.accumulate(w, [t], b.load(v, [0, 1, 0]))
        e.accumulate(w, [t], a, "max")
        e.accumulate(w, [t], a, "min")
    with e.loop("k", 5, None, cond=b.lt(b.extent(tape, 0), 7)) as k:
        with e.if_(b.gt(k, 3)):
            e.resize(tape, b.i64(-1))
        with e.else_():
            popped = e.pop("popped", tape)
            e.fail("ValueError", 'a "quoted" {} and\n{}', popped, b.cast(popped, I8))
    with e.loop("j", 0, N, order="any") as j:
        e.store(i, [j], b.i64(-3))
    c = b.load(z, [])
    e.let(
        "c", b.add(b.mul(c, b.const(1 - 0.0j, C128)), b.op("complex", b.const(float("-inf"), F64), Var("alpha", F64)))
    )
    e.let("small", b.add(b.op("bitnot", b.cast(N, U8)), b.const(200, U8)))
    e.let("single", b.select(b.op("isnan", b.load(strided, [0])), float("nan"), b.mul(0.1, b.load(strided, [0]))))
    e.let("c8", b.cast(b.op("conj", b.cast(c, C64)), C128))
    flat = e.let("flat", b.or_(b.le(b.extent(x, 1), 4), b.op("xor", b.eq(N, 0), Const(True, BOOL))))
    e.let("negative", b.op("neg", b.op("floordiv", N, -2)))
    spectrum = e.alloc("spectrum", C64, [N])
    signal = e.alloc("signal", C64, [N], zero=True)
    e.lib("fft", [spectrum], [signal], inverse=False)
    e.call("helper", w, b.i64(3), tape)
    e.let("last", b.op("not", flat))
    ys = Buffer("ys", F64, (Const(0, I64),), strided=True, intent="inout")
    helper = Function("helper", (ys, Scalar("m", I64), Growable("g", F64)), (), (), span)
    root = Function("root", (x, z, tape, strided, SIZE, Scalar("alpha", F64)), e.block(), ("w", "x"))
    return Module({"root": root, "helper": helper}, "root")
