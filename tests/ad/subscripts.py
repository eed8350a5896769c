"""Random in-place loop nests: every form of subscript and loop bound, to test what is taken to be final."""

from __future__ import annotations

import random

from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Function, Module, Scalar, Var
from wengert.ir.types import F64, I64

N = Var("n", I64)


def program(seed: int) -> Module:
    """f(a: f64[n, n] inout, u: f64[n] inout, n) with sequential nests that read and write a, u and a local c."""
    rng = random.Random(seed)
    e = Emitter({"a", "u", "n"})
    a, u = Buffer("a", F64, (N, N), intent="inout"), Buffer("u", F64, (N,), intent="inout")
    e.alloc("c", F64, [N, N], zero=True)
    for _ in range(rng.randint(1, 3)):
        _nest(rng, e, [], rng.randint(1, 3))
    body = e.block()
    return Module({"f": Function("f", (a, u, Scalar("n", I64)), body, ("a", "u", "c"))}, "f")


def _subscript(rng: random.Random, loops: list[Var]) -> Expr:
    kind = rng.randrange(8)
    if not loops or kind == 0:
        return rng.choice([b.i64(0), b.i64(1), b.sub(N, 1), b.i64(2)])
    i = rng.choice(loops)
    match kind:
        case 1:
            return b.sub(i, 1)
        case 2:
            return b.add(i, 1)
        case 3:
            return b.sub(b.sub(N, 1), i)
        case 4 if len(loops) > 1:
            return b.sub(i, rng.choice(loops))
        case 5:
            return b.mul(i, 2)
        case 6 if len(loops) > 1 and rng.random() < 0.5:
            return b.op("mod", b.add(i, rng.choice(loops)), N)
        case _:
            return i


def _element(rng: random.Random, loops: list[Var]) -> tuple[str, list[Expr]]:
    if rng.random() < 0.7:
        return rng.choice("ac"), [_subscript(rng, loops), _subscript(rng, loops)]
    return "u", [_subscript(rng, loops)]


def _nest(rng: random.Random, e: Emitter, loops: list[Var], depth: int) -> None:
    outer = rng.choice(loops) if loops else None
    bounds: list[tuple[Expr | int, Expr | int, int]] = [(0, N, 1), (b.sub(N, 1), -1, -1), (1, N, 1), (0, N, 2)]
    if outer is not None:
        bounds += [(0, outer, 1), (outer, N, 1), (b.add(outer, 1), N, 1), (b.sub(N, 1), outer, -1)]
        bounds += [(outer, -1, -1), (outer, b.add(outer, 2), 1), (b.sub(N, 1), b.sub(outer, 1), -2)]
    start, stop, step = rng.choice(bounds)
    with e.loop("i", start, stop, step=step) as i:
        inner = [*loops, i]
        for _ in range(rng.randint(1, 3)):
            if depth > 1 and rng.random() < 0.5:
                _nest(rng, e, inner, depth - 1)
            else:
                _update(rng, e, inner)


def _update(rng: random.Random, e: Emitter, loops: list[Var]) -> None:
    """element = sin(c * one + another * third), where all subscripts are in range."""
    target, *sources = (_element(rng, loops) for _ in range(rng.randint(2, 4)))
    subscripts = [i for _, index in (target, *sources) for i in index]
    inside = b.and_(*(b.and_(b.ge(i, 0), b.lt(i, N)) for i in subscripts if not b.is_const(i, 0)))
    total: Expr = b.const(round(rng.uniform(0.5, 1.5), 2), F64)
    with e.if_(inside):
        if rng.random() < 0.3:
            k = e.let("k", target[1][0])
            target = target[0], [k, *target[1][1:]]
        for name, index in sources:
            value = e.let("x", b.load(name, index, F64))
            total = b.add(b.mul(total, value), rng.choice([value, b.op("cos", value), b.const(0.3, F64)]))
        result = e.let("y", b.op(rng.choice(["sin", "tanh"]), total))
        if rng.random() < 0.7:
            e.store(target[0], target[1], result)
        else:
            e.accumulate(target[0], target[1], result)
