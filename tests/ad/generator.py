"""Random IR programs that are valid by construction, bounded and smooth almost everywhere.

`program(seed)` gives a module whose root takes u: f64[n] inout, v: f64[n], w: f64[n, n] inout, x: f64, n: i64. Every
statement of the IR occurs (library calls apart): loops of all kinds, branches on data, views, reshapes, refs, lists of
scalars and of arrays, calls, recursion. What may be read and written inside `any` loops is tracked by `_Any`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Function, Growable, Module, Param, Scalar, Var
from wengert.ir.types import F64, I64, DType

N = Var("n", I64)


@dataclass
class _Any:
    """An open `any` loop: what it stores at its own variable, what it accumulates, what is declared inside."""

    var: Var
    own: str | None
    acc: str | None
    inside: set[str] = field(default_factory=set)


@dataclass
class _Scope:
    scalars: list[Expr]
    ints: list[Expr]
    vectors: list[str]
    cells: list[str]
    matrices: list[str]
    lists: list[Growable]
    stacks: list[Growable]
    refs: list[str]

    def copy(self) -> _Scope:
        return _Scope(*(list(getattr(self, f)) for f in self.__dataclass_fields__))


class _Generator:
    """One function."""

    def __init__(self, rng: random.Random, names: list[str], scope: _Scope, callees: list[str], dtype: DType):
        self.rng, self.e, self.scope = rng, Emitter(names), scope
        self.callees, self.dtype = callees, dtype
        self.group: dict[str, str] = {}
        self.anys: list[_Any] = []
        self.budget = 40

    # -- what may be touched

    def same(self, name: str) -> str:
        """The alias group (refs and what they may name are one group)."""
        return self.group.get(name, name)

    def frames(self, name: str) -> list[_Any]:
        return [f for f in self.anys if name not in f.inside]

    def readable(self, name: str) -> bool:
        taken = {self.same(x) for f in self.frames(name) for x in (f.own, f.acc) if x is not None}
        return self.same(name) not in taken

    def writable(self, name: str) -> bool:
        return not self.frames(name)

    def declare(self, name: str, group: str | None = None) -> None:
        if group is not None:
            self.group[name] = self.same(group)
        for f in self.anys:
            f.inside.add(name)

    def pick(self, names: list[str], test: object) -> str | None:
        found = [n for n in names if test(n)]  # type: ignore[operator]
        return self.rng.choice(found) if found else None

    # -- expressions

    def index(self) -> Expr:
        r = self.rng.random()
        if self.scope.ints and r < 0.75:
            i = self.rng.choice(self.scope.ints)
            if self.rng.random() < 0.3:
                return b.sub(b.sub(N, 1), i)
            return i
        return b.i64(self.rng.randrange(3))

    def load(self) -> Expr | None:
        kind = self.rng.randrange(5)
        if kind == 0 and (c := self.pick(self.scope.cells, self.readable)):
            return b.load(c, (), self.dtype)
        if kind == 1 and (m := self.pick(self.scope.matrices, self.readable)):
            return b.load(m, (self.index(), self.index()), self.dtype)
        if kind == 2 and self.anys and self.anys[-1].own in self.scope.vectors:
            own = self.anys[-1].own
            if own is not None and all(f is self.anys[-1] for f in self.frames(own)):
                return b.load(own, (self.anys[-1].var,), self.dtype)
        v = self.pick(self.scope.vectors + self.scope.refs, self.readable)
        return b.load(v, (self.index(),), self.dtype) if v else None

    def expr(self, depth: int = 0) -> Expr:
        r = self.rng.random()
        if depth > 2 or r < 0.35:
            if self.scope.scalars and self.rng.random() < 0.5:
                return self.rng.choice(self.scope.scalars)
            loaded = self.load()
            return loaded if loaded is not None else b.const(round(self.rng.uniform(-1, 1), 2), self.dtype)
        if r < 0.55:
            return b.mul(self.expr(depth + 1), self.expr(depth + 1))
        if self.dtype.is_complex and r > 0.65:
            return self.complex_expr(depth)
        if r < 0.7:
            return b.op(self.rng.choice(["add", "sub"]), self.expr(depth + 1), self.expr(depth + 1))
        if r < 0.85:
            return b.op(self.rng.choice(["sin", "cos", "tanh", "neg"]), self.expr(depth + 1))
        if r < 0.9:
            return b.div(self.expr(depth + 1), b.add(2.5, b.op("sin", self.expr(depth + 1))))
        if r < 0.94:
            return b.op(self.rng.choice(["max", "min"]), self.expr(depth + 1), self.expr(depth + 1))
        if r < 0.97 and self.scope.ints:
            return b.mul(b.cast(self.rng.choice(self.scope.ints), self.dtype), self.expr(depth + 1))
        return b.select(self.condition(), self.expr(depth + 1), self.expr(depth + 1))

    def complex_expr(self, depth: int) -> Expr:
        """Operations that only complex numbers have, and those of the others that do not grow much."""
        x = self.expr(depth + 1)
        match self.rng.randrange(6):
            case 0:
                return b.op("conj", x)
            case 1:
                return b.op("complex", b.op("imag", x), b.op("real", self.expr(depth + 1)))
            case 2:
                return b.cast(b.op("abs", x), self.dtype)
            case 3:
                return b.op(self.rng.choice(["sin", "cos", "neg"]), x)
            case 4:
                return b.div(x, b.cast(b.add(1.5, b.op("abs", self.expr(depth + 1))), self.dtype))
            case _:
                return b.select(self.condition(), x, self.expr(depth + 1))

    def value(self) -> Expr:
        """An expression that cannot blow up."""
        if self.dtype.is_complex:
            x = self.e.let("q", self.expr())
            return b.div(x, b.cast(b.add(1.0, b.op("abs", x)), self.dtype))
        return b.op(self.rng.choice(["sin", "tanh"]), self.expr())

    def condition(self) -> Expr:
        if self.scope.ints and self.rng.random() < 0.4:
            return b.op(self.rng.choice(["lt", "eq", "ge"]), self.rng.choice(self.scope.ints), self.rng.randrange(1, 3))
        x = b.op("real", self.expr(2))
        return b.op(self.rng.choice(["lt", "gt"]), x, round(self.rng.uniform(-0.5, 0.5), 3))

    # -- statements

    def block(self, depth: int) -> None:
        before = self.scope
        self.scope = before.copy()
        for _ in range(self.rng.randint(1, 5)):
            self.statement(depth)
        self.scope = before

    def statement(self, depth: int) -> None:
        self.budget -= 1
        simple = [self.let, self.let, self.store, self.store, self.store, self.accumulate, self.local, self.view]
        simple += [self.ref, self.list, self.swap, self.copy_ref, self.stack, self.extremum]
        nested = [self.sequential, self.any_loop, self.any_loop, self.branch, self.until, self.call]
        use = simple if depth > 3 or self.budget < 0 else simple + nested + nested
        self.rng.choice(use)(depth)

    def let(self, depth: int) -> None:
        self.scope.scalars.append(self.e.let("a", self.expr()))

    def target(self) -> tuple[str, tuple[Expr, ...]] | None:
        """Something that may be stored to here."""
        s = self.scope
        if self.anys and self.rng.random() < 0.6:
            own = self.anys[-1].own
            if own is not None and own in s.vectors and all(f is self.anys[-1] for f in self.frames(own)):
                return own, (self.anys[-1].var,)
        kind = self.rng.randrange(4)
        if kind == 0 and (c := self.pick(s.cells, self.writable)):
            return c, ()
        if kind == 1 and (m := self.pick(s.matrices, self.writable)):
            return m, (self.index(), self.index())
        v = self.pick(s.vectors + s.refs, self.writable)
        return (v, (self.index(),)) if v else None

    def store(self, depth: int) -> None:
        if (t := self.target()) is not None:
            self.e.store(t[0], t[1], self.value())

    def accumulate(self, depth: int) -> None:
        if self.anys and self.rng.random() < 0.7:
            acc = self.anys[-1].acc
            if acc is not None and all(f.acc == acc for f in self.frames(acc)):
                at = () if acc in self.scope.cells else (self.index(),)
                self.e.accumulate(acc, at, self.value())
                return
        if (t := self.target()) is not None:
            self.e.accumulate(t[0], t[1], self.value())

    def extremum(self, depth: int) -> None:
        if not self.dtype.is_complex and (t := self.target()) is not None:
            self.e.accumulate(t[0], t[1], self.value(), self.rng.choice(["max", "min"]))

    def local(self, depth: int) -> None:
        if self.rng.random() < 0.4:
            cell = self.e.cell("c", self.value()).name
            self.scope.cells.append(cell)
            self.declare(cell)
            return
        buffer = self.e.alloc("t", self.dtype, [N], zero=True)
        self.declare(buffer.name)
        if self.rng.random() < 0.7:
            with self.e.loop("f", 0, N, order=self.rng.choice(["any", "sequential"])) as i, self.inner():
                self.scope.ints.append(i)
                self.e.store(buffer, [i], self.value())
        self.scope.vectors.append(buffer.name)

    @contextmanager
    def inner(self) -> Iterator[None]:
        before = self.scope
        self.scope = before.copy()
        yield
        self.scope = before

    def view(self, depth: int) -> None:
        s = self.scope
        r = self.rng.random()
        if r < 0.4 and s.matrices:
            m = self.rng.choice(s.matrices)
            axis = self.rng.randrange(2)
            start = [self.index(), self.index()]
            step = self.rng.choice([1, -1])
            start[axis] = b.i64(0) if step == 1 else b.sub(N, 1)
            new = self.e.view("row", Buffer(m, self.dtype, (N, N)), start, [(axis, step)], [N]).name
            base = m
        elif r < 0.9 or not s.matrices:
            base = self.rng.choice(s.vectors + s.refs)
            new = self.e.view("rev", Buffer(base, self.dtype, (N,)), [b.sub(N, 1)], [(0, -1)], [N]).name
        else:
            free = [v for v in s.vectors if self.same(v) != "refs"]
            if not free:
                return
            base = self.rng.choice(free)
            m = self.e.view("rep", Buffer(base, self.dtype, (N,)), [0], [(None, 1), (0, 1)], [N, N]).name
            new = self.e.view("col", Buffer(m, self.dtype, (N, N)), [0, self.index()], [(0, 1)], [N]).name
            if self.readable(base):
                self.scope.scalars.append(self.e.let("r", b.load(m, (self.index(), self.index()), self.dtype)))
                self.scope.scalars.append(self.e.let("r", b.mul(b.load(new, (self.index(),), self.dtype), self.expr())))
            return
        self.group[new] = self.same(base)
        for f in self.anys:
            if base in f.inside:
                f.inside.add(new)
        s.vectors.append(new)

    def ref(self, depth: int) -> None:
        """A ref, its targets from now on in one group."""
        targets = [t for t in self.scope.vectors + self.scope.refs if self.same(t) == "refs" and not self.frames(t)]
        if not targets:
            return
        ref = self.e.ref("p", self.dtype, 1)
        self.declare(ref.name, "refs")
        self.e.rebind(ref, self.rng.choice(targets))
        self.scope.refs.append(ref.name)

    def swap(self, depth: int) -> None:
        refs = [r for r in self.scope.refs if not self.frames(r)]
        if len(refs) >= 2:
            p, q = self.rng.sample(refs, 2)
            t = self.e.ref("t", self.dtype, 1)
            self.declare(t.name, "refs")
            self.e.rebind(t, p)
            self.e.rebind(p, q)
            self.e.rebind(q, t)

    def copy_ref(self, depth: int) -> None:
        """A new buffer for a ref."""
        refs = [r for r in self.scope.refs if not self.frames(r)]
        if refs and self.readable(refs[0]):
            r = self.rng.choice(refs)
            new = self.e.alloc("copy", self.dtype, [N])
            self.declare(new.name, "refs")
            with self.e.loop("f", 0, N) as i, self.inner():
                self.scope.ints.append(i)
                self.e.store(new, [i], b.mul(self.value(), b.load(r, (i,), self.dtype)))
            self.e.rebind(r, new)
            self.scope.vectors.append(new.name)

    def list(self, depth: int) -> None:
        lists = [g for g in self.scope.lists if not self.frames(g.name)]
        if not lists or self.rng.random() < 0.3:
            g = self.e.growable("g", self.dtype)
            self.declare(g.name)
            self.e.push(g, self.value())
            self.scope.lists.append(g)
            return
        g = self.rng.choice(lists)
        kind = self.rng.randrange(5)
        if kind <= 1:
            self.e.push(g, self.value())
        elif kind == 2:
            self.e.resize(g, b.i64(self.rng.randint(1, 2)))
        elif kind == 3:
            at = self.e.let("last", b.sub(b.extent(g, 0), 1))
            self.e.store(g, [at], self.value())
            self.scope.scalars.append(self.e.let("e", b.mul(b.load(g, [0]), self.expr())))
        else:
            with self.e.if_(b.gt(b.extent(g, 0), 1)), self.inner():
                if self.rng.random() < 0.5:
                    self.scope.scalars.append(self.e.pop("x", g))
                else:
                    self.e.resize(g, b.i64(-1))
                self.store(depth)

    def stack(self, depth: int) -> None:
        """A stack of arrays: pushed, indexed, popped while it is not empty."""
        targets = [t for t in self.scope.vectors + self.scope.refs if self.same(t) == "refs" and not self.frames(t)]
        stacks = [g for g in self.scope.stacks if not self.frames(g.name)]
        if not targets:
            return
        if not stacks or self.rng.random() < 0.3:
            g = self.e.growable("h", self.dtype, ref_rank=1)
            self.declare(g.name, "refs")
            self.e.push_ref(g, self.rng.choice(targets))
            self.scope.stacks.append(g)
            return
        g, kind = self.rng.choice(stacks), self.rng.randrange(3)
        if kind == 0:
            self.e.push_ref(g, self.rng.choice(targets))
        elif kind == 1:
            with self.e.if_(b.gt(b.extent(g, 0), 0)):
                view = self.e.view("el", g, [b.sub(b.extent(g, 0), 1), 0], [(1, 1)], [N]).name
                self.e.store(view, [self.index()], b.op("sin", b.load(view, (self.index(),), self.dtype)))
        else:
            refs = [r for r in self.scope.refs if not self.frames(r)]
            if refs:
                with self.e.if_(b.gt(b.extent(g, 0), 0)):
                    self.e.pop_ref(self.rng.choice(refs), g)

    def sequential(self, depth: int) -> None:
        start, stop, step = self.rng.choice(
            [(b.i64(0), N, 1), (b.i64(0), N, 1), (b.sub(N, 1), b.i64(-1), -1), (b.i64(0), N, 2), (N, b.i64(0), 1)]
            + [(b.i64(0), i, 1) for i in self.scope.ints[-1:]]
            + [(i, N, 1) for i in self.scope.ints[-1:]]
            + [(b.sub(N, 1), b.sub(i, 1), -2) for i in self.scope.ints[-1:]]
        )
        with self.e.loop("i", start, stop, step=step) as i, self.inner():
            self.scope.ints.append(i)
            self.block(depth + 1)

    def any_loop(self, depth: int) -> None:
        s = self.scope
        start, stop = self.rng.choice(
            [(b.i64(0), N)] * 2 + [(b.i64(0), b.add(i, 1)) for i in s.ints[-1:]] + [(i, N) for i in s.ints[-1:]]
        )
        own = self.pick([v for v in s.vectors if v not in self.group], self.writable)
        free = [c for c in s.cells + s.vectors if c not in self.group and c != own]
        acc = self.pick(free, self.writable)
        if acc is None and self.anys:
            acc = self.anys[-1].acc
        own = own if self.rng.random() < 0.8 else None
        with self.e.loop("j", start, stop, order="any") as j, self.inner():
            self.anys.append(_Any(j, own, acc))
            self.scope.ints.append(j)
            self.block(depth + 1)
            self.anys.pop()

    def branch(self, depth: int) -> None:
        with self.e.if_(self.condition()):
            self.block(depth + 1)
        if self.rng.random() < 0.6:
            with self.e.else_():
                self.block(depth + 1)

    def until(self, depth: int) -> None:
        c = self.pick(self.scope.cells, self.readable)
        if c is None:
            return
        stop = self.rng.choice([b.i64(3), N, None])
        bound = b.lt(b.op("real", b.load(c, (), self.dtype)), 0.6)
        hint = Var("k", I64)
        name = self.e.fresh("k")
        hint = Var(name, I64)
        cond = b.and_(bound, b.lt(hint, 4)) if stop is None else bound
        self.e.taken.discard(name)
        with self.e.loop(name, 0, stop, cond=cond) as k, self.inner():
            assert k.name == name
            self.scope.ints.append(b.op("mod", k, N))
            self.block(depth + 1)

    def call(self, depth: int) -> None:
        s = self.scope
        names = list(self.callees)
        v = self.pick([x for x in s.vectors + s.refs if x not in ("v",)], self.writable)
        c = self.pick(s.cells, self.writable)
        if not names or v is None or c is None:
            return
        r = self.pick(s.vectors, self.writable if self.rng.random() < 0.5 else lambda x: not self.frames(x))
        if r is None:
            return
        deep = b.i64(self.rng.randint(0, 2))
        self.e.call(self.rng.choice(names), v, r, c, self.expr(), deep, N)


def _helper(rng: random.Random, name: str, callees: list[str], dtype: DType) -> Function:
    params: tuple[Param, ...] = (
        Buffer("a", dtype, (N,), True, "inout"),
        Buffer("r", dtype, (N,), True, "inout"),
        Buffer("s", dtype, (), intent="inout"),
        Scalar("x", dtype),
        Scalar("m", I64),
        Scalar("n", I64),
    )
    scope = _Scope([Var("x", dtype)], [], ["a", "r"], ["s"], [], [], [], [])
    g = _Generator(rng, [p.name for p in params], scope, callees, dtype)
    g.group = {"a": "refs", "r": "refs"} if rng.random() < 0.5 else {"a": "args", "r": "args"}
    g.budget = 12
    g.block(2)
    if rng.random() < 0.6:
        with g.e.if_(b.gt(Var("m", I64), 0)):
            g.block(3)
            g.e.call(name, "a", rng.choice(["a", "r"]), "s", g.value(), b.sub(Var("m", I64), 1), N)
            g.block(3)
    g.block(2)
    return Function(name, params, g.e.block())


def program(seed: int, dtype: DType = F64) -> Module:
    rng = random.Random(seed)
    helpers = [_helper(rng, "h0", [], dtype)] if rng.random() < 0.6 else []
    if helpers and rng.random() < 0.5:
        helpers.append(_helper(rng, "h1", ["h0"], dtype))
    params: tuple[Param, ...] = (
        Buffer("u", dtype, (N,), intent="inout"),
        Buffer("v", dtype, (N,), intent="in"),
        Buffer("w", dtype, (N, N), intent="inout"),
        Scalar("x", dtype),
        Scalar("n", I64),
    )
    scope = _Scope([Var("x", dtype)], [], ["u"], [], ["w"], [], [], [])
    g = _Generator(rng, [p.name for p in params], scope, [h.name for h in helpers], dtype)
    if rng.random() < 0.5:
        g.group["u"] = "refs"
    extra = g.e.alloc("y", dtype, [N], zero=True)
    with g.e.loop("i", 0, N, order="any") as i:
        g.e.store(extra, [i], b.op("sin", b.load("v", [i], dtype)))
    g.e.alloc("z", dtype, [N], zero=True)
    if rng.random() < 0.5:
        g.group["z"] = "refs"
    out = g.e.cell("out", b.mul(Var("x", dtype), 0.5))
    g.scope.vectors += ["y", "z"]
    g.scope.cells.append(out.name)
    for _ in range(rng.randint(3, 9)):
        g.statement(0)
    for name in ("u", "y", "z"):
        with g.e.loop("i", 0, N) as i:
            g.e.accumulate(out, [], b.mul(b.load(name, [i], dtype), b.cast(b.add(b.cast(i, F64), 0.7), dtype)))
    root = Function("f", params, g.e.block(), ("out", "y", "w"))
    return Module({"f": root, **{h.name: h for h in helpers}}, "f")
