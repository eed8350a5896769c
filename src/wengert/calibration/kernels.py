"""The kernels that are timed, as one module of the IR: `run(which, n, repeats, ...)` calls one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Call, Expr, Function, If, Module, Scalar, Stmt, Var
from wengert.ir.types import F64, I64

N, REPEATS, ROWS = (Var(name, I64) for name in ("n", "repeats", "rows"))
X = Buffer("x", F64, (N,), intent="in")
Z = Buffer("z", F64, (N,), intent="in")
Y = Buffer("y", F64, (N,), intent="inout")
PLACES = Buffer("places", I64, (N,), intent="in")
PARAMS = (Scalar("n", I64), Scalar("repeats", I64), Scalar("rows", I64), X, Z, Y, PLACES)

Order = Literal["any", "sequential"]
Fill = Callable[[Emitter], None]

UNARY = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
    "cosh", "tanh", "cbrt", "erf",
)  # fmt: skip
BINARY = ("pow", "atan2", "hypot", "mod", "floordiv")
CHAIN = {"add": 8, "mul": 8, "div": 8, "sqrt": 8, "exp": 2}
"""Operations in a turn of the kernels that measure latencies."""
STEPS = 16
"""Operations of one kind in a row."""


@dataclass(frozen=True, slots=True)
class Kernel:
    name: str
    function: Function


def elementwise(value: Callable[[Var], Expr], order: Order) -> Fill:
    """y[i] = value(i), for 8 <= i < n - 16, so that neighbours exist."""

    def fill(e: Emitter) -> None:
        with e.loop("i", 8, b.sub(N, 16), order=order) as i:
            e.store(Y, [i], value(i))

    return fill


def chain(value: Callable[[Expr], Expr], turns: int = 8) -> Fill:
    """A number that each operation needs from the one before."""

    def fill(e: Emitter) -> None:
        cell = e.cell("s", b.load(X, [b.i64(0)]))
        with e.loop("i", 0, b.sub(N, 16)):
            for _ in range(turns):
                e.store(cell, [], value(b.load(cell, [])))
        e.store(Y, [b.i64(0)], b.load(cell, []))

    return fill


def at(i: Expr, shift: int = 0) -> Expr:
    return b.load(X, [b.add(i, shift)])


def repeated(step: Callable[[Expr, int], Expr]) -> Callable[[Var], Expr]:
    def value(i: Var) -> Expr:
        e = at(i)
        for k in range(STEPS):
            e = step(e, k)
        return e

    return value


def mixed(i: Var) -> Expr:
    """A stencil of eight neighbours, each with a factor."""
    total = b.mul(at(i, -4), 0.11)
    for k in range(1, 8):
        total = b.add(total, b.mul(at(i, k - 4), 0.11 + 0.01 * k))
    return total


def neighbours(i: Var) -> Expr:
    total = at(i, -8)
    for k in range(1, STEPS):
        total = b.add(total, at(i, k - 8))
    return total


def carried(e: Emitter) -> None:
    """Each element from the one before."""
    with e.loop("i", 8, b.sub(N, 16)) as i:
        e.store(Y, [i], b.add(b.load(Y, [b.sub(i, 1)]), at(i)))


def chosen(e: Emitter) -> None:
    """A store if an element is small."""
    with e.loop("i", 8, b.sub(N, 16)) as i, e.if_(b.lt(at(i), 0.5)):
        e.store(Y, [i], at(i))


def short(e: Emitter) -> None:
    """Many loops of four turns, which the compiler cannot know."""
    four = e.let("four", b.op("floordiv", N, 260))
    with e.loop("r", 0, ROWS) as r:
        start = e.let("start", b.mul(r, four))
        with e.loop("i", start, b.add(start, four), order="any") as i:
            e.store(Y, [i], b.add(at(i), 1.0))


def read(e: Emitter) -> None:
    """Four sums at once: fast enough for any memory."""
    part = e.let("part", b.op("floordiv", N, 4))
    cells = [e.cell(f"s{k}", b.const(0.0, F64)) for k in range(4)]
    with e.loop("i", 0, part, order="any") as i:
        for k, cell in enumerate(cells):
            e.accumulate(cell, [], b.load(X, [b.add(i, b.mul(part, k))]))
    for k, cell in enumerate(cells):
        e.store(Y, [b.i64(k)], b.load(cell, []))


def gathered(e: Emitter) -> None:
    cell = e.cell("s", b.const(0.0, F64))
    with e.loop("i", 0, N) as i:
        e.accumulate(cell, [], b.load(X, [b.load(PLACES, [i])]))
    e.store(Y, [b.i64(0)], b.load(cell, []))


def _kernels() -> list[tuple[str, Fill]]:
    found: list[tuple[str, Fill]] = [
        ("latency add", chain(lambda s: b.add(s, 1e-9))),
        ("latency mul", chain(lambda s: b.mul(s, 0.999999))),
        ("latency div", chain(lambda s: b.div(0.7, s))),
        ("latency sqrt", chain(lambda s: b.op("sqrt", s))),
        ("latency exp", chain(lambda s: b.op("exp", b.neg(s)), CHAIN["exp"])),
        ("carried", carried),
        ("chosen", chosen),
        ("short", short),
        ("read", read),
        ("gathered", gathered),
    ]
    orders: tuple[tuple[str, Order], ...] = (("vector", "any"), ("scalar", "sequential"))
    for form, order in orders:
        rows: list[tuple[str, Callable[[Var], Expr]]] = [
            ("fill", lambda i: b.const(0.5, F64)),
            ("copy", at),
            ("neighbours", neighbours),
            ("mixed", mixed),
            ("gather", lambda i: b.load(X, [b.load(PLACES, [i])])),
            ("add", repeated(lambda e, k: b.add(e, 0.001 * (k + 1)))),
            ("mul", repeated(lambda e, k: b.mul(e, 0.9 + 0.01 * k))),
            ("div", lambda i: b.div(b.load(Z, [i]), at(i))),
            ("sqrt", lambda i: b.op("sqrt", at(i))),
            *((name, lambda i, name=name: b.op(name, at(i))) for name in UNARY),
            *((name, lambda i, name=name: b.op(name, at(i), b.load(Z, [i]))) for name in BINARY),
        ]
        found += [(f"{form} {name}", elementwise(value, order)) for name, value in rows]
    return found


def _function(name: str, fill: Fill) -> Function:
    e = Emitter({p.name for p in PARAMS})
    with e.loop("turn", 0, REPEATS):
        fill(e)
    return Function(name, PARAMS, e.block())


def module() -> tuple[Module, list[str]]:
    """The module, and the kernels' names by number."""
    made = [(name, _function(f"kernel_{k}", fill)) for k, (name, fill) in enumerate(_kernels())]
    which = Var("which", I64)
    body: list[Stmt] = []
    args: Sequence[Expr | str] = [N, REPEATS, ROWS, "x", "z", "y", "places"]
    for k, (_, f) in enumerate(made):
        body.append(If(b.eq(which, k), (Call(f.name, tuple(args)),)))
    root = Function("run", (Scalar("which", I64), *PARAMS), tuple(body))
    functions = {f.name: f for _, f in made}
    return Module({**functions, "run": root}, "run"), [name for name, _ in made]


LIBRARY = ("matmul", "solve", "cholesky", "det", "eigh", "sort", "fft")


def library(op: str) -> Module:
    """`run(...)`: one library operation, as often as `repeats` says."""
    m, n, k = (Var(name, I64) for name in ("m", "n", "k"))
    sizes = [Scalar(v.name, I64) for v in (m, n, k)]
    from wengert.ir.types import C128

    match op:
        case "matmul":
            ins = [Buffer("a", F64, (m, k), intent="in"), Buffer("b", F64, (k, n), intent="in")]
            outs = [Buffer("c", F64, (m, n), intent="inout")]
        case "solve":
            ins = [Buffer("a", F64, (m, m), intent="in"), Buffer("b", F64, (m, n), intent="in")]
            outs = [Buffer("c", F64, (m, n), intent="inout")]
        case "cholesky":
            ins, outs = [Buffer("a", F64, (m, m), intent="in")], [Buffer("c", F64, (m, m), intent="inout")]
        case "det":
            ins, outs = [Buffer("a", F64, (m, m), intent="in")], [Buffer("c", F64, (), intent="inout")]
        case "eigh":
            ins = [Buffer("a", F64, (m, m), intent="in")]
            outs = [Buffer("w", F64, (m,), intent="inout"), Buffer("c", F64, (m, m), intent="inout")]
        case "sort":
            ins = [Buffer("a", F64, (m,), intent="in")]
            outs = [Buffer("c", F64, (m,), intent="inout"), Buffer("p", I64, (m,), intent="inout")]
        case _:
            ins, outs = [Buffer("a", C128, (m,), intent="in")], [Buffer("c", C128, (m,), intent="inout")]
    e = Emitter({s.name for s in (*sizes, *ins, *outs)} | {"repeats"})
    attrs = {"inverse": False} if op == "fft" else {}
    with e.loop("turn", 0, REPEATS):
        e.lib(op, outs, ins, **attrs)
    return Module({"run": Function("run", (*sizes, Scalar("repeats", I64), *ins, *outs), e.block())}, "run")
