"""Random IR programs that keep the rules of the IR, for comparison of the backend with the interpreter."""

from __future__ import annotations

import random

from backend.native import SIZE, N, module
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Function, Growable, Module, Op, Ref, Scalar, Span, Storage, Var
from wengert.ir.types import F64, I64

PARAMS = (
    Buffer("x", F64, (N,), intent="in"),
    Buffer("y", F64, (N,), intent="inout"),
    Buffer("a", F64, (N, N), intent="inout"),
    Buffer("at", I64, (N,), intent="in"),
    SIZE,
)
UNARY = ("sin", "cos", "tanh", "atan", "abs", "neg", "floor")
BINARY = ("add", "sub", "mul", "max", "min", "atan2")


class Program:
    """Grows one program. Every vector has extent n, every matrix n by n, so that indices modulo n are in range.

    Storages are grouped by what they may share memory with: a statement of an `any` loop reads only other groups than
    it writes.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.e = Emitter([p.name for p in PARAMS])
        self.groups: dict[str, str] = {"x": "x", "y": "y", "a": "a"}
        self.vectors: list[Storage] = [PARAMS[0], PARAMS[1]]  # pyright: ignore
        self.matrices: list[Storage] = [PARAMS[2]]  # pyright: ignore
        self.cells: list[Buffer] = []
        self.refs: list[Ref] = []
        self.lists: list[Growable] = []
        self.stacks: list[Growable] = []
        self.scalars: list[Expr] = [b.const(0.5, F64)]
        self.indices: list[Var] = []
        self.inner: set[str] = set()
        """Loop variables that stay away from both ends."""
        self.line = 0

    def module(self, length: int) -> Module:
        e = self.e
        for _ in range(2):
            self.cells.append(e.cell("c", b.const(self.rng.uniform(-1, 1), F64)))
        self.lists.append(e.growable("g", F64))
        self.stacks.append(e.growable("s", F64, ref_rank=1))
        ref = e.ref("r", F64, 1)
        e.rebind(ref, "y")
        self.refs.append(ref)
        self.groups[ref.name] = "?"
        self.vectors.append(ref)
        self.block(length, 3)
        results = [c.name for c in self.cells] + ["r", "g", "y"]
        results += [v.name for v in self.vectors if v.name not in ("x", "y", "r")]
        return module(PARAMS, e, tuple(results), helper())

    # -- expressions

    def value(self, depth: int = 2, avoid: frozenset[str] = frozenset()) -> Expr:
        """A bounded number that reads no storage of the groups in `avoid`."""
        kind = self.rng.randrange(8 if depth else 4)
        match kind:
            case 0:
                return self.rng.choice(self.scalars)
            case 1 | 2:
                return self.element(avoid)
            case 3:
                return b.const(round(self.rng.uniform(-2, 2), 2), F64)
            case 4:
                return b.op(self.rng.choice(UNARY), self.value(depth - 1, avoid))
            case 5:
                cond = self.condition(depth - 1, avoid)
                return b.select(cond, self.value(depth - 1, avoid), b.op("sin", self.value(depth - 1, avoid)))
            case _:
                left, right = self.value(depth - 1, avoid), self.value(depth - 1, avoid)
                return b.op(self.rng.choice(BINARY), left, right)

    def condition(self, depth: int = 1, avoid: frozenset[str] = frozenset()) -> Expr:
        name = self.rng.choice(["lt", "ge", "ne"])
        return b.op(name, self.value(depth, avoid), b.const(round(self.rng.uniform(-1, 1), 2), F64))

    def element(self, avoid: frozenset[str]) -> Expr:
        candidates = [
            s
            for s in (*self.cells, *self.vectors, *self.matrices)
            if self.groups.get(s.name, s.name) not in avoid and not (avoid and self.groups.get(s.name) == "?")
        ]
        if not candidates:
            return b.const(0.25, F64)
        s = self.rng.choice(candidates)
        return b.load(s, [self.index() for _ in range(s.rank)])

    def index(self) -> Expr:
        """In 0 .. n-1."""
        if self.indices and self.rng.random() < 0.5:
            i = self.rng.choice(self.indices)
            return b.add(i, self.rng.choice([-1, 0, 1])) if i.name in self.inner else i
        if self.indices and self.rng.random() < 0.5:
            return b.op("mod", b.add(self.rng.choice(self.indices), self.rng.randrange(-3, 4)), N)
        if self.rng.random() < 0.3:
            return b.load("at", [self.rng.choice([b.i64(0), b.sub(N, 1)])], I64)
        return self.rng.choice([b.i64(0), b.i64(1), b.sub(N, 1)])

    # -- statements

    def block(self, length: int, depth: int) -> None:
        for _ in range(length):
            self.line += 1
            self.e.span = Span("random.py", self.line, text=f"line {self.line}")
            self.statement(depth)

    def scope(self, length: int, depth: int) -> None:
        """A nested block: what it declares is forgotten afterwards."""
        kept = [list(k) for k in (self.vectors, self.matrices, self.cells, self.scalars, self.indices)]
        self.block(length, depth)
        self.vectors, self.matrices, self.cells, self.scalars, self.indices = kept  # pyright: ignore

    def statement(self, depth: int) -> None:
        simple = [self.store, self.accumulate, self.let, self.declare, self.view, self.rebind, self.grow, self.call]
        nested = [self.loop, self.loop, self.any_loop, self.any_loop, self.branch, self.while_loop]
        self.rng.choice(simple + nested if depth else simple)()

    def let(self) -> None:
        self.scalars.append(self.e.let("v", b.op("sin", self.value())))

    def target(self) -> tuple[Storage, list[Expr]]:
        writable = [s for s in (*self.cells, *self.vectors, *self.matrices) if s.name != "x"]
        s = self.rng.choice(writable)
        return s, [self.index() for _ in range(s.rank)]

    def store(self) -> None:
        s, at = self.target()
        self.e.store(s, at, b.op("tanh", self.value()))

    def accumulate(self) -> None:
        s, at = self.target()
        self.e.accumulate(s, at, b.op("tanh", self.value()), self.rng.choice(["add", "add", "max", "min"]))  # pyright: ignore

    def declare(self) -> None:
        zero = True
        match self.rng.randrange(4):
            case 0:
                self.cells.append(self.e.alloc("c", F64, (), zero))
                self.groups[self.cells[-1].name] = self.cells[-1].name
            case 1:
                self.matrices.append(self.e.alloc("m", F64, [N, N], zero))
                self.groups[self.matrices[-1].name] = self.matrices[-1].name
            case _:
                self.vectors.append(self.e.alloc("w", F64, [N], zero))
                self.groups[self.vectors[-1].name] = "?" if self.rng.random() < 0.3 else self.vectors[-1].name

    def view(self) -> None:
        e, rng = self.e, self.rng
        match rng.randrange(4):
            case 0:
                base = rng.choice(self.matrices)
                v = e.view("row", base, [self.index(), 0], [(1, 1)], [N])
            case 1:
                base = rng.choice(self.matrices)
                v = e.view("column", base, [b.sub(N, 1), self.index()], [(0, -1)], [N])
            case 2:
                base = rng.choice(self.matrices)
                v = e.view("turned", base, [0, b.sub(N, 1)], [(1, -1), (0, 1)], [N, N])
                self.groups[v.name] = self.groups[base.name]
                self.matrices.append(v)
                return
            case _:
                base = rng.choice([s for s in self.vectors if s.name != "x" and not isinstance(s, Ref)])
                v = e.view("back", base, [b.sub(N, 1)], [(0, -1)], [N])
        self.groups[v.name] = self.groups[base.name]
        self.vectors.append(v)

    def rebind(self) -> None:
        e, rng, (ref,), (stack,) = self.e, self.rng, self.refs, self.stacks
        shared = [s for s in self.vectors if self.groups[s.name] == "?" or s.name == "y"]
        match rng.randrange(4):
            case 0:
                e.push_ref(stack, rng.choice(shared))
            case 1:
                with e.if_(b.gt(b.extent(stack, 0), 0)):
                    e.pop_ref(ref, stack)
            case 2:
                fresh = e.alloc("fresh", F64, [N], zero=True)
                e.store(fresh, [0], b.op("sin", self.value(1)))
                e.rebind(ref, fresh)
            case _:
                e.rebind(ref, rng.choice(shared))

    def grow(self) -> None:
        e, (g,) = self.e, self.lists
        match self.rng.randrange(4):
            case 0 | 1:
                e.push(g, b.op("sin", self.value()))
            case 2:
                e.resize(g, b.i64(2))
            case _:
                with e.if_(b.gt(b.extent(g, 0), 0)):
                    v = e.pop("p", g)
                    e.accumulate(self.cells[0], [], b.mul(v, 0.5))

    def call(self) -> None:
        cells = [c for c in self.cells]
        rest = [s for s in self.vectors if s.name != "x"]
        self.e.call(
            "helper", self.rng.choice(self.vectors), self.rng.choice(rest), self.rng.choice(cells), N, self.value(1)
        )

    # -- nested statements

    def loop(self) -> None:
        start, stop, step = self.rng.choice([(b.i64(0), N, 1), (b.sub(N, 1), b.i64(-1), -1), (b.i64(1), N, 2)])
        with self.e.loop("i", start, stop, step=step) as i:
            self.indices.append(i)
            self.scope(self.rng.randrange(1, 4), self.rng.randrange(2))
            self.indices.remove(i)

    def while_loop(self) -> None:
        e = self.e
        count = e.cell("count", b.i64(0))
        with e.loop("k", 0, None, cond=b.and_(b.lt(b.load(count, []), 3), self.condition())):
            e.accumulate(count, [], b.i64(1))
            self.scope(self.rng.randrange(1, 3), 0)

    def branch(self) -> None:
        with self.e.if_(self.condition()):
            self.scope(self.rng.randrange(1, 4), 1)
        if self.rng.random() < 0.6:
            with self.e.else_():
                self.scope(self.rng.randrange(1, 3), 1)

    def any_loop(self) -> None:
        """Stores to one group, sums into others, reads of the rest; or a nest of two over a matrix."""
        e, rng = self.e, self.rng
        owned = [s for s in self.vectors if self.groups[s.name] not in ("?", "x")]
        stored = rng.choice(owned)
        sums = [c for c in self.cells if rng.random() < 0.5]
        summed = rng.choice([*owned, None])
        avoid = {self.groups[stored.name], *(c.name for c in sums)} | ({self.groups[summed.name]} if summed else set())
        kind = rng.randrange(3)
        matrix = rng.choice(self.matrices)
        if kind == 2:
            avoid.add(self.groups[matrix.name])
        frozen = frozenset(avoid)
        if kind == 2 and self.groups[matrix.name] == self.groups[stored.name]:
            kind = 0
        if summed is not None and self.groups[summed.name] == self.groups[stored.name]:
            summed = None
        if kind == 2 and summed is not None and self.groups[summed.name] == self.groups[matrix.name]:
            summed = None
        start, stop = rng.choice([(b.i64(0), N), (b.i64(1), b.sub(N, 1))])
        with e.loop("j", start, stop, order="any") as j:
            self.indices.append(j)
            if isinstance(stop, Op):
                self.inner.add(j.name)
            if kind == 2:
                with e.loop("l", 0, N, order="any") as inner:
                    self.indices.append(inner)
                    e.store(matrix, [j, inner], b.op("tanh", self.value(2, frozen)))
                    self.sum_up(sums, summed, frozen)
                    self.indices.remove(inner)
            elif kind == 1:
                with e.if_(self.condition(1, frozen)):
                    e.store(stored, [j], b.op("tanh", self.value(2, frozen)))
                    self.sum_up(sums, summed, frozen)
            else:
                e.store(stored, [j], b.op("tanh", self.value(2, frozen)))
                self.sum_up(sums, summed, frozen)
            self.indices.remove(j)

    def sum_up(self, sums: list[Buffer], summed: Storage | None, avoid: frozenset[str]) -> None:
        e = self.e
        for c in sums:
            e.accumulate(c, [], b.op("tanh", self.value(1, avoid)))
        for _ in range(self.rng.randrange(3) if summed is not None else 0):
            assert summed is not None
            e.accumulate(summed, [self.index()], b.op("tanh", self.value(1, avoid)))


def helper() -> Function:
    """target[i] += scale source[n-1-i], its own sum in `total`; the arguments may be one buffer."""
    source = Buffer("source", F64, (N,), strided=True, intent="in")
    target = Buffer("target", F64, (N,), strided=True, intent="inout")
    total = Buffer("total", F64, (), intent="inout")
    e = Emitter({"source", "target", "total", "n", "scale"})
    copy = e.alloc("copy", F64, [N])
    with e.loop("i", 0, N, order="any") as i:
        e.store(copy, [i], b.load(source, [b.sub(b.sub(N, 1), i)]))
    with e.loop("j", 0, N, order="any") as j:
        e.accumulate(target, [j], b.op("tanh", b.mul(b.load(copy, [j]), Var("scale", F64))))
        e.accumulate(total, [], b.mul(b.load(copy, [j]), 0.125))
    return Function("helper", (source, target, total, SIZE, Scalar("scale", F64)), e.block())
