"""Every kind of statement, compiled, against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from backend.native import SIZE, N, agree, module, vector
from wengert.backend.c import emit
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Accumulate, Buffer, Function, Growable, Op, Scalar, Span, Store, Var
from wengert.ir.types import BOOL, C128, F32, F64, I32, I64
from wengert.runtime.call import Kernel

RNG = np.random.default_rng(3)
M = Var("m", I64)
COLUMNS = Scalar("m", I64)


def matrix(name: str, intent: str = "in", dtype=F64) -> Buffer:
    return Buffer(name, dtype, (N, M), intent=intent)  # pyright: ignore


# -- loops


@pytest.mark.parametrize("order", ["any", "sequential"])
@pytest.mark.parametrize(
    ("start", "stop", "step"), [(0, 7, 1), (2, 9, 3), (6, -1, -1), (9, 0, -4), (5, 5, 1), (3, 1, 2)]
)
def test_loop_bounds(order: str, start: int, stop: int, step: int) -> None:
    e = Emitter({"n"})
    count, order_seen = e.alloc("count", I64, (), zero=True), e.alloc("seen", I64, [12], zero=True)
    for k, (first, last) in enumerate([(b.i64(start), b.i64(stop)), (b.add(N, start), b.add(N, stop))]):
        with e.loop(f"i{k}", first, last, step=step, order=order) as i:  # pyright: ignore
            e.accumulate(count, [], i)
            e.accumulate(order_seen, [b.sub(i, first if k else 0) if step > 0 and k == 0 else 0], b.i64(1))
    agree(module((SIZE,), e, ("count", "seen")), [0])


def test_strips_meet_at_the_boundary() -> None:
    """A sequential loop longer than a strip visits every iteration once, for each sign of the step."""
    for step in (1, 3, -1, -7):
        e = Emitter({"n"})
        total, calls = e.alloc("total", I64, (), zero=True), e.alloc("calls", I64, (), zero=True)
        first, last = (b.i64(5), N) if step > 0 else (N, b.i64(5))
        with e.loop("i", first, last, step=step) as i:
            e.accumulate(total, [], i)
            e.accumulate(calls, [], b.i64(1))
        domain = range(5, 8_500_000, step) if step > 0 else range(8_500_000, 5, step)
        got = Kernel(module((SIZE,), e, ("total", "calls")))((8_500_000,))
        assert [int(g) for g in got] == [sum(domain), len(domain)]


def test_values_are_read_before_they_are_cleared() -> None:
    """gcc 12 makes calls of memcpy and memset of such loops, and calls them in the wrong order."""
    e = Emitter({"n"})
    pairs: list[tuple[Buffer, Buffer]] = []
    for k in range(2):
        x = e.alloc(f"x{k}", F64, [N, 4])
        with e.loop("i", 0, N) as i, e.loop("j", 0, 4) as j:
            e.store(x, [i, j], b.load(vector(f"v{k}"), [i]))
        pairs.append((x, e.alloc(f"sum{k}", F64, (), zero=True)))
    with e.loop("turn", 0, N):
        parts = [e.alloc("part", F64, [2, 3]) for _ in pairs]
        with e.loop("i", 0, 2, order="any") as i, e.loop("j", 0, 3, order="any") as j:
            values = [e.let("a", b.load(x, [b.add(i, 1), j])) for x, _ in pairs]
            for x, _ in pairs:
                e.store(x, [b.add(i, 1), j], b.const(0.0, F64))
            for part, value in zip(parts, values, strict=True):
                e.store(part, [i, j], value)
        with e.loop("i", 0, 2) as i, e.loop("j", 0, 3) as j:
            for part, (_, total) in zip(parts, pairs, strict=True):
                e.accumulate(total, [], b.load(part, [i, j]))
    params = (SIZE, vector("v0"), vector("v1"))
    agree(module(params, e, ("sum0", "sum1")), [5, RNG.random(5), RNG.random(5)])


def test_loop_with_condition() -> None:
    e = Emitter({"n"})
    x = e.cell("x", b.const(1.0, F64))
    with e.loop("i", 0, N, cond=b.lt(b.load(x, []), 1000.0)):
        e.store(x, [], b.mul(b.load(x, []), 3.0))
    steps = e.alloc("steps", I64, (), zero=True)
    stop = b.or_(b.gt(b.load(x, []), 1.0), b.eq(N, 3))
    with e.loop("k", 0, None, cond=stop) as k:
        e.store(x, [], b.div(b.load(x, []), 2.0))
        e.store(steps, [], b.add(k, 1))
        with e.if_(b.eq(N, 3)):
            with e.if_(b.gt(k, 3)):
                e.fail("StopIteration", "enough")
    for n in (0, 4, 40):
        agree(module((SIZE,), e, ("x", "steps")), [n])


def test_condition_sees_the_loop_variable() -> None:
    x = vector("x")
    e = Emitter({"x", "n"})
    total = e.alloc("total", F64, (), zero=True)
    with e.loop("i", 0, N, cond=b.gt(b.load(x, [Var("i", I64)]), 0.0)) as i:
        e.accumulate(total, [], b.load(x, [i]))
    agree(module((x, SIZE), e, ("total",)), [np.array([1.0, 2, 3, -1, 5]), 5])


def test_bounds_are_evaluated_once() -> None:
    e = Emitter()
    stop = e.cell("stop", b.i64(4))
    total = e.alloc("total", I64, (), zero=True)
    with e.loop("i", b.load(stop, []), b.add(b.load(stop, []), 3)) as i:
        e.store(stop, [], b.i64(0))
        e.accumulate(total, [], i)
    agree(module((), e, ("total",)), [])


# -- elements


def test_store_and_accumulate_every_operation() -> None:
    a = matrix("a", "inout")
    e = Emitter({"a", "n", "m"})
    high, low = e.cell("high", b.const(-1e9, F64)), e.cell("low", b.const(1e9, F64))
    row = e.alloc("row", F64, [M], zero=True)
    with e.loop("i", 0, N, order="any") as i:
        with e.loop("j", 0, M, order="any") as j:
            e.accumulate(row, [j], b.load(a, [i, j]))
            e.accumulate(high, [], b.load(a, [i, j]), "max")
            e.accumulate(low, [], b.load(a, [i, j]), "min")
    with e.loop("i2", 0, N, order="any") as i:
        with e.loop("j2", 0, M, order="any") as j:
            e.store(a, [i, j], b.mul(b.load(a, [i, j]), 2.0))
    m = module((a, SIZE, COLUMNS), e, ("row", "high", "low", "a"))
    values = RNG.normal(size=(5, 7))
    agree(m, [values, 5, 7])
    values[2, 3] = np.nan
    agree(m, [values, 5, 7])
    agree(m, [np.zeros((0, 7)), 0, 7])


def test_sums_into_what_the_loop_does_not_index() -> None:
    """Inner sums become reductions; what meets other elements of the loop does not."""
    a = matrix("a")
    e = Emitter({"a", "n", "m"})
    y, z, w = e.alloc("y", F64, [N], zero=True), e.alloc("z", F64, [M], zero=True), e.alloc("w", F64, [N], zero=True)
    with e.loop("i", 0, N, order="any") as i:
        with e.loop("j", 0, M, order="any") as j:
            e.accumulate(y, [i], b.load(a, [i, j]))
            with e.if_(b.gt(b.load(a, [i, j]), 0.0)):
                e.accumulate(z, [j], b.load(a, [i, j]))
                e.accumulate(w, [i], b.load(a, [i, j]))
    with e.loop("k", 1, b.sub(M, 1), order="any") as k:
        e.accumulate(z, [k], b.const(1.0, F64))
        e.accumulate(z, [b.sub(k, 1)], b.const(2.0, F64))
        e.accumulate(z, [b.add(k, 1)], b.const(4.0, F64))
    with e.loop("l", 0, N, order="any"):
        e.accumulate(y, [0], b.const(1.0, F64))
        e.accumulate(y, [1], b.const(1.0, F64))
    m = module((a, SIZE, COLUMNS), e, ("y", "z", "w"))
    for shape in ((3, 50), (40, 9)):
        agree(m, [RNG.normal(size=shape), *shape])


def test_colliding_accumulation() -> None:
    """A histogram: iterations meet where the index is data."""
    at, y = vector("at", dtype=I64), Buffer("y", F64, (b.i64(4),), intent="inout")
    e = Emitter({"at", "y", "n"})
    with e.loop("i", 0, N, order="any") as i:
        e.accumulate(y, [b.load(at, [i])], b.cast(i, F64))
    agree(module((at, y, SIZE), e), [RNG.integers(0, 4, 200), np.zeros(4), 200])


def test_accumulation_through_overlapping_views() -> None:
    x = vector("x", "inout")
    e = Emitter({"x", "n"})
    left = e.view("left", x, [0], [(0, 1)], [b.sub(N, 1)])
    right = e.view("right", x, [1], [(0, 1)], [b.sub(N, 1)])
    with e.loop("i", 0, b.sub(N, 1), order="any") as i:
        e.accumulate(left, [i], b.const(1.0, F64))
        e.accumulate(right, [i], b.const(10.0, F64))
    agree(module((x, SIZE), e), [np.zeros(100), 100])


def test_branches_and_selects() -> None:
    x = vector("x")
    e = Emitter({"x", "n"})
    y = e.alloc("y", F64, [N])
    with e.loop("i", 0, N) as i:
        v = e.let("v", b.load(x, [i]))
        with e.if_(b.or_(b.lt(v, 0.0), b.eq(i, 3))):
            e.store(y, [i], b.neg(v))
        with e.else_():
            with e.if_(b.gt(v, 0.5)):
                e.store(y, [i], b.select(b.gt(v, 0.8), b.mul(v, v), b.const(7.0, F64)))
            with e.else_():
                e.store(y, [i], v)
    agree(module((x, SIZE), e, ("y",)), [np.linspace(-1, 1, 11), 11])


# -- views


def test_views_of_every_kind() -> None:
    a = matrix("a", "inout")
    e = Emitter({"a", "n", "m"})
    flipped = e.view("flipped", a, [b.sub(N, 1), 1], [(0, -1), (1, 2)], [N, b.i64(2)])
    transposed = e.view("transposed", a, [0, 0], [(1, 1), (0, 1)], [M, N])
    repeated = e.view("repeated", a, [1, 0], [(None, 0), (1, 1)], [b.i64(3), M])
    diagonal = e.view("diagonal", a, [0, 0], [(0, 1)], [N])
    element = e.view("element", a, [2, 1], [], [])
    again = e.view("again", flipped, [1, 1], [(0, 2)], [b.i64(2)])
    tilted = e.view("tilted", a, [0, 0], [(0, b.sub(N, 3)), (1, b.sub(M, 5))], [2, 2])
    row = e.row("row", a, b.sub(N, 1))
    out = e.alloc("out", F64, [b.mul(N, 20)], zero=True)
    position = e.alloc("position", I64, (), zero=True)
    for v in (flipped, transposed, repeated, diagonal, again, row, element, tilted):
        _copy(e, v, out, position)
    e.store(element, [], b.const(5.0, F64))
    with e.loop("q", 0, 2, order="any") as q:
        e.store(again, [q], b.const(-1.0, F64))
        e.accumulate(diagonal, [q], b.const(100.0, F64))
    m = module((a, SIZE, COLUMNS), e, ("out", "transposed", "flipped", "again"))
    agree(m, [RNG.normal(size=(4, 6)), 4, 6])


def _copy(e: Emitter, v: Buffer, out: Buffer, position: Buffer) -> None:
    """Append the elements of `v` to `out`."""

    def element(*at: Var) -> None:
        e.store(out, [b.load(position, [])], b.load(v, at))
        e.store(position, [], b.add(b.load(position, []), 1))

    match v.rank:
        case 0:
            element()
        case 1:
            with e.loop("c", 0, v.shape[0]) as i:
                element(i)
        case _:
            with e.loop("c", 0, v.shape[0]) as i, e.loop("d", 0, v.shape[1]) as j:
                element(i, j)


def test_reshape() -> None:
    a = matrix("a", "inout")
    e = Emitter({"a", "n", "m"})
    flat = e.reshape("flat", a, [b.mul(N, M)])
    cube = e.reshape("cube", flat, [b.i64(2), b.i64(1), b.op("floordiv", b.mul(N, M), 2)])
    cell = e.cell("cell", b.const(3.0, F64))
    one = e.reshape("one", cell, [1, 1])
    e.store(one, [0, 0], b.add(b.load(cell, []), 1.0))
    e.store(flat, [3], b.load(cell, []))
    e.store(cube, [1, 0, 2], b.const(9.0, F64))
    agree(module((a, SIZE, COLUMNS), e, ("cube", "one", "cell")), [RNG.normal(size=(4, 6)), 4, 6])


# -- refs and growables


def test_refs_swap_and_grow() -> None:
    """x, y = y, x and x = concatenation in a loop: targets outlive their blocks, extents change."""
    x = vector("x")
    e = Emitter({"x", "n"})
    p, q, t = e.ref("p", F64, 1), e.ref("q", F64, 1), e.ref("t", F64, 1)
    first = e.alloc("first", F64, [N], zero=True)
    e.rebind(p, x)
    e.rebind(q, first)
    with e.loop("k", 0, 5) as k:
        size = e.let("size", b.add(b.extent(p, 0), 1))
        longer = e.alloc("longer", F64, [size])
        with e.loop("i", 0, b.sub(size, 1)) as i:
            e.store(longer, [i], b.mul(2.0, b.load(p, [i])))
        e.store(longer, [b.sub(size, 1)], b.cast(k, F64))
        e.rebind(p, longer)
        e.rebind(t, p)
        e.rebind(p, q)
        e.rebind(q, t)
        e.rebind(p, p)
    agree(module((x, SIZE), e, ("p", "q")), [np.arange(3.0), 3])


def test_refs_to_strided_targets_and_views_of_refs() -> None:
    a = matrix("a")
    e = Emitter({"a", "n", "m"})
    r = e.ref("r", F64, 1)
    column = e.view("column", a, [0, 2], [(0, 1)], [N])
    copy = e.alloc("copy", F64, [M])
    with e.loop("j", 0, M) as j:
        e.store(copy, [j], b.load(a, [1, j]))
    total = e.alloc("total", F64, (), zero=True)
    with e.loop("k", 0, 2) as k:
        with e.if_(b.eq(k, 0)):
            e.rebind(r, column)
        with e.else_():
            e.rebind(r, copy)
        back = e.view("back", r, [b.sub(b.extent(r, 0), 1)], [(0, -1)], [b.extent(r, 0)])
        fresh = e.alloc("fresh", F64, [2], zero=True)
        e.rebind(r, fresh)
        with e.loop("i", 0, b.extent(back, 0)) as i:
            e.accumulate(total, [], b.mul(b.load(back, [i]), b.cast(b.add(i, 1), F64)))
    agree(module((a, SIZE, COLUMNS), e, ("r", "total")), [RNG.normal(size=(4, 6)), 4, 6])


def test_ref_to_a_rank_0_buffer() -> None:
    e = Emitter({"n"})
    r = e.ref("r", I64, 0)
    one, two = e.cell("one", b.i64(1)), e.cell("two", b.i64(2))
    e.rebind(r, one)
    with e.if_(b.gt(N, 3)):
        e.rebind(r, two)
    e.store(r, [], b.add(b.load(r, []), 10))
    for n in (1, 5):
        agree(module((SIZE,), e, ("one", "two", "r")), [n])


@pytest.mark.parametrize("dtype", [F64, I32, BOOL, C128])
def test_growables(dtype) -> None:
    x = vector("x", dtype=dtype)
    e = Emitter({"x", "n"})
    g = e.growable("g", dtype)
    with e.loop("i", 0, N) as i:
        e.push(g, b.load(x, [i]))
        with e.if_(b.eq(b.op("mod", i, 3), 2)):
            v = e.pop("v", g)
            e.push(g, v)
            e.push(g, v)
    e.resize(g, b.i64(5))
    e.store(g, [b.sub(b.extent(g, 0), 2)], b.load(g, [0]))
    e.resize(g, b.i64(-2))
    e.resize(g, b.i64(0))
    length = e.cell("length", b.extent(g, 0))
    m = module((x, SIZE), e, ("g", length.name))
    for n in (1, 40):
        agree(m, [RNG.integers(0, 9, n).astype(dtype.numpy), n])


def test_popping_an_empty_growable() -> None:
    e = Emitter({"n"}, Span("a.py", 3))
    g = e.growable("g", F64)
    e.resize(g, N)
    e.pop("v", g)
    kernel = Kernel(module((SIZE,), e))
    kernel((1,))
    with pytest.raises(IndexError, match="pop from empty list"):
        kernel((0,))


@pytest.mark.parametrize("rank", [1, 2])
def test_ref_stacks(rank: int) -> None:
    """A list of arrays: elements are viewed, overwritten, popped; the stack owns its targets."""
    e = Emitter({"n"})
    stack, r = e.growable("stack", F64, ref_rank=rank), e.ref("r", F64, rank)
    with e.loop("i", 0, N) as i:
        shape = [b.add(i, 1), b.i64(2)][:rank]
        block = e.alloc("block", F64, shape, zero=True)
        e.store(block, [b.i64(0)] * rank, b.cast(i, F64))
        e.push_ref(stack, block)
    total = e.alloc("total", F64, (), zero=True)
    with e.loop("j", 0, b.extent(stack, 0)) as j:
        v = e.view("v", stack, [j, *[0] * rank], [(k + 1, 1) for k in range(rank)], [1] * rank)
        e.accumulate(v, [0] * rank, b.const(0.5, F64))
        e.accumulate(total, [], b.load(v, [0] * rank))
    top = e.view(
        "top", stack, [b.sub(b.extent(stack, 0), 1), *[0] * rank], [(k + 1, 1) for k in range(rank)], [1] * rank
    )
    e.pop_ref(r, stack)
    e.pop_ref(r, stack)
    e.accumulate(total, [], b.load(top, [0] * rank))
    e.resize(stack, b.i64(-1))
    m = module((SIZE,), e, ("r", "total"))
    agree(m, [6])
    agree(m, [3])


# -- calls


def callee(strided: bool = True) -> Function:
    """y[i] += scale x[i], done counts; the tape gets the sum."""
    x = Buffer("x", F64, (N,), strided=strided, intent="in")
    y = Buffer("y", F64, (b.extent("y", 0),), strided=strided, intent="inout")
    done = Buffer("done", I64, (), intent="inout")
    e = Emitter({"x", "y", "done", "n", "scale", "tape"})
    with e.loop("i", 0, N) as i:
        e.accumulate(y, [i], b.mul(Var("scale", F64), b.load(x, [i])))
    e.accumulate(done, [], b.extent("y", 0))
    e.push("tape", b.load(y, [0]))
    return Function("callee", (x, y, SIZE, Scalar("scale", F64), done, Growable("tape", F64)), e.block())


def test_calls_with_strided_and_rank_0_arguments() -> None:
    a = matrix("a", "inout")
    e = Emitter({"a", "n", "m"})
    done = e.alloc("done", I64, (), zero=True)
    tape = e.growable("tape", F64)
    with e.loop("j", 1, M) as j:
        left = e.view("left", a, [0, b.sub(j, 1)], [(0, 1)], [N])
        right = e.view("right", a, [b.sub(N, 1), j], [(0, -1)], [N])
        e.call("callee", left, right, N, b.const(0.5, F64), done, tape)
    agree(module((a, SIZE, COLUMNS), e, ("done", "tape"), callee()), [RNG.normal(size=(4, 6)), 4, 6])


def test_callee_keeps_a_target_alive() -> None:
    """A function pushes its own buffer and one of its caller's on a ref stack of the caller."""
    given = Buffer("given", F64, (N,), intent="in")
    f = Emitter({"given", "n", "kept"})
    own = f.alloc("own", F64, [2])
    f.store(own, [0], b.load(given, [0]))
    f.store(own, [1], b.const(4.0, F64))
    f.push_ref("kept", own)
    f.push_ref("kept", "given")
    keep = Function("keep", (given, SIZE, Growable("kept", F64, 1)), f.block())
    e = Emitter({"n"})
    kept, r, s = e.growable("kept", F64, ref_rank=1), e.ref("r", F64, 1), e.ref("s", F64, 1)
    with e.loop("k", 0, 3) as k:
        mine = e.alloc("mine", F64, [N], zero=True)
        e.store(mine, [0], b.cast(k, F64))
        e.call("keep", mine, N, kept)
    e.pop_ref(r, kept)
    e.pop_ref(s, kept)
    agree(module((SIZE,), e, ("r", "s"), keep), [3])


def recursive() -> Function:
    """out += fib(n)."""
    out = Buffer("out", I64, (), intent="inout")
    f = Emitter({"out", "n"})
    with f.if_(b.lt(N, 2)):
        f.accumulate(out, [], N)
    with f.else_():
        f.call("fib", out, b.sub(N, 1))
        f.call("fib", out, b.sub(N, 2))
    return Function("fib", (out, SIZE), f.block())


def test_recursion() -> None:
    e = Emitter({"n"})
    out = e.alloc("out", I64, (), zero=True)
    e.call("fib", out, N)
    agree(module((SIZE,), e, ("out",), recursive()), [15])


def test_endless_recursion_is_an_error() -> None:
    f = Emitter({"n", "out"})
    f.call("down", "out", b.add(N, 1))
    down = Function("down", (Buffer("out", I64, (), intent="inout"), SIZE), f.block())
    e = Emitter({"n"})
    out = e.alloc("out", I64, (), zero=True)
    e.call("down", out, N)
    m = module((SIZE,), e, ("out",), down)
    agree(m, [1])


# -- errors


def test_failures_show_their_values_and_place() -> None:
    x = Buffer("x", F32, (), intent="in")
    e = Emitter({"n", "x"}, Span("dir/prog.py", 7, 3, 9, "f", "assert n"))
    with e.if_(b.gt(N, 3)):
        e.fail("IndexError", "index {} is out of bounds for {} ({})", N, b.load(x, []), b.gt(N, 0))
    with e.if_(b.gt(N, 1)):
        e.fail("LinAlgError", 'a "quoted" 50%% \\ ?? é message')
    e.fail("OwnError", "{}", b.op("complex", b.const(1.0, F64), b.const(-2.0, F64)))
    m = module((SIZE, x), e)
    kernel = Kernel(m)
    with pytest.raises(IndexError) as caught:
        kernel((5, np.float32(0.5)))
    assert str(caught.value) == "index 5 is out of bounds for 0.5 (True)"
    assert caught.value.__notes__ == ["  at dir/prog.py:7, in f: assert n"]
    assert caught.value.span == e.span
    with pytest.raises(np.linalg.LinAlgError) as linear:
        kernel((2, 0.1))
    assert str(linear.value) == 'a "quoted" 50%% \\ ?? é message'
    with pytest.raises(RuntimeError, match=r"^OwnError: \(1-2j\)"):
        kernel((0, 0.1))


@pytest.mark.parametrize("start", [1, 2**62])
def test_overflow_comes_before_what_it_causes(start: int) -> None:
    """A sum that does not fit is an OverflowError, not the IndexError or endless loop that would follow."""
    e = Emitter({"n"}, Span("p.py", 4))
    x = e.cell("x", N)
    double = Op("mulc", (b.load(x, []), b.i64(4)), I64)
    e.store(x, [], double)
    with e.if_(b.lt(b.load(x, []), 1)):
        e.fail("IndexError", "out of range")
    with e.loop("k", 0, None, cond=b.lt(b.load(x, []), 2**60)):
        e.store(x, [], Op("mulc", (b.load(x, []), b.i64(2)), I64))
    agree(module((SIZE,), e, ("x",)), [start])


# -- results and names


def test_results_of_every_kind() -> None:
    x, y = vector("x"), vector("y", "inout")
    e = Emitter({"x", "y", "n"})
    zeros = e.alloc("zeros", F32, [N, b.add(N, 1)], zero=True)
    twice = e.let("twice", b.mul(N, 2))
    late = e.let("late", b.cast(b.load(x, [0]), I64))
    known, unknown = e.alloc("known", I64, [twice], zero=True), e.alloc("unknown", BOOL, [late, 2], zero=True)
    flag = e.cell("flag", b.gt(N, 2))
    number = e.cell("number", b.op("complex", b.load(x, [0]), b.load(x, [1])))
    tail = e.view("tail", x, [b.sub(N, 1)], [(0, -1)], [b.sub(N, 1)])
    held, r = e.alloc("held", F64, [3], zero=True), e.ref("r", F64, 1)
    e.rebind(r, held)
    e.store(y, [0], b.const(1.0, F64))
    names = ("zeros", "known", "unknown", "flag", "number", "tail", "r", "x", "y", "known", "held")
    m = module((x, y, SIZE), e, names)
    agree(m, [np.array([3.0, 2.0, 1.0]), np.zeros(3), 3])
    a, c = np.array([3.0, 2.0, 1.0]), np.zeros(3)
    got = Kernel(m)((a, c, 3))
    assert got[7] is a and got[8] is c
    assert isinstance(got[3], np.bool_) and isinstance(got[4], np.complex128)
    assert (
        got[1] is not got[9] and (zeros, known, unknown, flag, number, tail) and all(g.flags.owndata for g in got[:3])
    )


def test_names_that_c_reserves() -> None:
    names = ["double", "exp", "wg", "frame", "I", "int64_t", "n_2", "π", "wg_fail", "_A", "y0", "linux", "results", "E"]
    e = Emitter({"n"})
    out = e.alloc("main", F64, [len(names)])
    for k, name in enumerate(names):
        e.emit(*Emitter().block())
        v = e.let(name, b.op("exp", b.cast(b.add(N, k), F64)))
        e.store(out, [k], v)
    m = module((SIZE,), e, ("main",))
    agree(m, [1])


def test_source_lines_are_shown_once() -> None:
    e = Emitter(span=Span("dir/prog.py", 3, text="x = 1 /* a */"))
    x = e.cell("x", b.const(1.0, F64))
    e.store(x, [], b.const(2.0, F64))
    e.span = Span("dir/prog.py", 4)
    e.store(x, [], b.const(3.0, F64))
    text = emit(module((), e, ("x",)))
    assert text.count("/* prog.py:3: x = 1 / * a * / */") == 1
    assert text.count("/* prog.py:4 */") == 1


def test_local_arrays_and_zeroing_in_loops() -> None:
    """Small buffers live on the C stack and are zeroed anew in every iteration."""
    e = Emitter({"n"})
    total = e.alloc("total", F64, (), zero=True)
    with e.loop("i", 0, N) as i:
        small, large = e.alloc("small", F64, [2, 3], zero=True), e.alloc("large", F64, [b.add(N, 100)], zero=True)
        e.accumulate(small, [1, 2], b.cast(i, F64))
        e.accumulate(large, [b.add(i, 99)], b.const(1.0, F64))
        e.accumulate(total, [], b.add(b.load(small, [1, 2]), b.load(large, [b.add(i, 99)])))
        view = e.view("view", small, [1, 0], [(1, 2)], [2])
        e.accumulate(total, [], b.load(view, [1]))
    agree(module((SIZE,), e, ("total",)), [9])


def test_the_statement_constructors_are_all_covered() -> None:
    """Store and Accumulate without an emitter, so that nothing is folded."""
    x = Buffer("x", F64, (), intent="inout")
    body = (Store("x", (), b.const(-0.0, F64)), Accumulate("x", (), b.const(-0.0, F64)))
    (got,) = agree(module((x,), body), [np.array(3.0)])
    assert np.signbit(got)


def test_stack_of_rank_0_refs() -> None:
    e = Emitter({"n"})
    stack, r = e.growable("stack", F64, ref_rank=0), e.ref("r", F64, 0)
    with e.loop("i", 0, N) as i:
        e.push_ref(stack, e.cell("cell", b.cast(i, F64)))
    with e.loop("j", 0, b.extent(stack, 0)) as j:
        v = e.view("v", stack, [j], [], [])
        e.accumulate(v, [], b.const(0.5, F64))
    e.pop_ref(r, stack)
    e.pop_ref(r, stack)
    assert Kernel(module((SIZE,), e, ("r",)))((6,)) == (4.5,)
