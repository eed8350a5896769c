"""Programs that the tests of the runtime share."""

from __future__ import annotations

from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Block, Buffer, Function, Module, Param, Scalar, Var
from wengert.ir.types import F64, I64
from wengert.runtime.abi import Bind

N = Var("n", I64)
SIZE = Scalar("n", I64)
X = Buffer("x", F64, (N,), intent="in")
ARRAY_AND_SIZE = (Bind("array", 0), Bind("extent", 0, 0))
"""How `X` and `SIZE` are filled from one leaf."""


def module(params: tuple[Param, ...], body: Block | Emitter, results: tuple[str, ...] = ()) -> Module:
    block = body.block() if isinstance(body, Emitter) else body
    return Module({"main": Function("main", params, block, results)}, "main")


def scaled(factor: float = 2.0) -> Module:
    """y = factor * x."""
    e = Emitter({"x", "n"})
    y = e.alloc("y", F64, [N])
    with e.loop("i", 0, N, order="any") as i:
        e.store(y, [i], b.mul(b.load(X, [i]), factor))
    return module((X, SIZE), e, ("y",))


def busy(kind: str) -> Module:
    """A program of `n` steps that does next to nothing, and returns how many it took: a nest, one loop or a `while`."""
    e = Emitter({"n"})
    count = e.alloc("count", I64, (), zero=True)
    match kind:
        case "nest":
            with e.loop("i", 0, N), e.loop("j", 0, 1000, order="any") as j:
                with e.if_(b.eq(j, 0)):
                    e.accumulate(count, [], b.i64(1))
        case "loop":
            with e.loop("i", 0, N) as i:
                e.store(count, [], b.op("bitxor", b.mul(b.load(count, []), 3), i))
        case "while":
            with e.loop("i", 0, None, cond=b.lt(b.load(count, []), N)):
                e.accumulate(count, [], b.i64(1))
        case _:
            raise ValueError(kind)
    return module((SIZE,), e, ("count",))


def descending() -> Module:
    """count = n, one recursive call at a time."""
    out = Buffer("out", I64, (), intent="inout")
    f = Emitter({"out", "n"})
    with f.if_(b.gt(N, 0)):
        f.call("down", out, b.sub(N, 1))
        f.accumulate(out, [], b.i64(1))
    e = Emitter({"n"})
    count = e.alloc("count", I64, (), zero=True)
    e.call("down", count, N)
    down = Function("down", (out, SIZE), f.block())
    root = Function("main", (SIZE,), e.block(), ("count",))
    return Module({"down": down, "main": root}, "main")
