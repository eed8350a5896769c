"""Random programs of loops that share arrays: what fusion, contraction, splitting and first writes look for.

Valid by construction: in an `any` loop each group of storages that may overlap is read only, or stored and read at one
element per iteration, or added to anywhere.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Function, Module, Param, Scalar, Var
from wengert.ir.types import F64, I64

N = Var("n", I64)
PARAMS: tuple[Param, ...] = (
    Buffer("u", F64, (N,), intent="inout"),
    Buffer("v", F64, (N,), intent="in"),
    Buffer("w", F64, (N, N), intent="inout"),
    Buffer("k", I64, (b.i64(3),), intent="inout"),
    Scalar("x", F64),
    Scalar("n", I64),
)


def arguments(seed: int, n: int = 5) -> dict[str, Any]:
    """k: how far some loops go, and how large u may be before the program fails."""
    rng = np.random.default_rng(seed)
    u, v, w = rng.standard_normal(n), rng.standard_normal(n), rng.standard_normal((n, n))
    return {"u": u, "v": v, "w": w, "k": np.array([n - 1, n, seed % 4 - 1]), "x": 0.3, "n": n}


def program(seed: int) -> Module:
    g = _Loops(random.Random(seed))
    for _ in range(g.rng.randint(3, 9)):
        g.statement(0)
    e = g.e
    for name in [*g.vectors, *g.matrices]:
        if name not in ("u", "w", "v") and name not in g.undefined and g.rng.random() < 0.5:
            rank = 1 if name in g.vectors else 2
            with e.loop("i", 0, N) as i:
                e.accumulate("out", (), b.mul(b.load(name, [i] * rank, F64), b.cast(b.add(i, 1), F64)))
    results = ["out", *g.cells, "u", "w"]
    results += [v for v in g.vectors if v not in (*g.views, *g.undefined, "v", "u") and g.rng.random() < 0.3]
    return Module({"f": Function("f", PARAMS, e.block(), tuple(dict.fromkeys(results)))}, "f")


class _Loops:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.e = Emitter([p.name for p in PARAMS])
        self.vectors, self.matrices, self.cells, self.scalars = ["u", "v"], ["w"], list[str](), [Var("x", F64)]
        self.views: dict[str, str] = {}
        self.undefined: set[str] = set()
        self.e.alloc("out", F64, (), zero=True)
        self.lists = [self.e.growable("g", I64)]

    # -- statements outside loops

    def statement(self, depth: int) -> None:
        kinds = [self.vector_loop] * 8 + [self.nest] * 4 + [self.temporary] * 6 + [self.cell] * 2 + [self.scalar] * 2
        kinds += [self.scatter] * 3 + [self.sums] * 3
        kinds += [self.view, self.failure, self.guard, self.time, self.push] if depth < 2 else []
        self.rng.choice(kinds)(depth)

    def inside(self, depth: int) -> None:
        """A nested block: what it declares is gone after it."""
        before = self.vectors, self.matrices, self.cells, self.scalars
        views, undefined = dict(self.views), set(self.undefined)
        self.vectors, self.matrices, self.cells, self.scalars = (list(x) for x in before)
        for _ in range(self.rng.randint(1, 4)):
            self.statement(depth + 1)
        self.vectors, self.matrices, self.cells, self.scalars = before
        self.views, self.undefined = views, undefined

    def temporary(self, depth: int) -> None:
        zero = self.rng.random() < 0.6
        if self.rng.random() < 0.3:
            made = self.e.alloc("m", F64, [N, N], zero=zero)
            self.matrices.append(made.name)
        else:
            made = self.e.alloc("t", F64, [N], zero=zero)
            self.vectors.append(made.name)
        if not zero:
            self.undefined.add(made.name)
            if self.rng.random() < 0.8:
                self.fill(made)

    def fill(self, made: Buffer) -> None:
        if made.rank == 1:
            with self.e.loop("i", 0, N, order="any") as i:
                self.e.store(made, [i], self.value([i], {made.name}, None))
        else:
            with self.e.loop("i", 0, N, order="any") as i, self.e.loop("j", 0, N, order="any") as j:
                self.e.store(made, [i, j], self.value([i, j], {made.name}, None))
        self.undefined.discard(made.name)

    def cell(self, depth: int) -> None:
        if self.cells and self.rng.random() < 0.6:
            name = self.rng.choice(self.cells)
            value = self.value([], set(), None)
            self.rng.choice([self.e.store, self.e.accumulate])(name, (), value)
        else:
            self.cells.append(self.e.cell("c", self.value([], set(), None)).name)

    def scalar(self, depth: int) -> None:
        value = self.e.let("s", self.value([], set(), None))
        if isinstance(value, Var):
            self.scalars.append(value)

    def view(self, depth: int) -> None:
        base = self.rng.choice(self.vectors)
        if base in self.undefined or base in self.views:
            return
        if self.rng.random() < 0.5:
            made = self.e.view("r", Buffer(base, F64, (N,)), [b.sub(N, 1)], [(0, -1)], [N])
        else:
            made = self.e.view("r", Buffer(base, F64, (N,)), [0], [(0, 1)], [N])
        self.vectors.append(made.name)
        self.views[made.name] = base

    def failure(self, depth: int) -> None:
        u = b.load("u", [0], F64)
        with self.e.if_(b.gt(u, b.cast(b.load("k", [2], I64), F64))):
            self.e.fail("ValueError", "too large")

    def guard(self, depth: int) -> None:
        with self.e.if_(b.gt(self.value([], set(), None), 0.0)):
            self.inside(depth)

    def time(self, depth: int) -> None:
        with self.e.loop("t", 0, 2):
            self.inside(depth)

    def push(self, depth: int) -> None:
        self.e.push(self.lists[0], b.i64(self.rng.randrange(3)))
        if self.rng.random() < 0.5:
            self.e.store("k", [self.rng.randrange(2)], b.sub(N, self.rng.randint(0, 2)))

    # -- loops

    def group(self, name: str) -> str:
        return self.views.get(name, name)

    def bounds(self) -> tuple[Expr | int, Expr, int]:
        """A range, and how far subscripts may shift in it."""
        chosen = self.rng.randrange(10)
        if chosen < 6:
            return 0, N, 0
        if chosen < 8:
            return 1, b.sub(N, 1), 1
        return self.rng.choice([(0, b.load("k", [0], I64), 0), (0, b.load("k", [1], I64), 0), (1, N, 0)])

    def subscript(self, i: Expr, shift: int) -> Expr:
        chosen = self.rng.randrange(6)
        if chosen == 0:
            return b.sub(b.sub(N, 1), i)
        if chosen < 4 or not shift:
            return i
        return b.add(i, 1) if chosen == 4 else b.sub(i, 1)

    def value(self, at: list[Expr], taken: set[str], own: tuple[str, list[Expr]] | None, shift: int = 0) -> Expr:
        """A bounded number that reads `own` at its element and other storages, but those of groups in `taken`."""
        rng = self.rng
        total: Expr = b.const(round(rng.uniform(-1, 1), 2), F64)
        for _ in range(rng.randint(0, 3)):
            free = [v for v in self.vectors if self.group(v) not in taken and v not in self.undefined]
            full = [m for m in self.matrices if m not in taken and m not in self.undefined]
            chosen = rng.randrange(6)
            term: Expr = rng.choice(self.scalars)
            if chosen == 0 and own is not None:
                term = b.load(own[0], own[1], F64)
            elif chosen <= 2 and free:
                i = self.subscript(rng.choice(at), shift) if at and rng.random() < 0.8 else b.i64(1)
                term = b.load(rng.choice(free), [i], F64)
            elif chosen == 3 and full and at:
                i, j = (self.subscript(rng.choice(at), shift) for _ in range(2))
                term = b.load(rng.choice(full), [i, j], F64)
            elif chosen == 4 and self.cells and not taken & set(self.cells):
                term = b.load(rng.choice(self.cells), (), F64)
            total = rng.choice([b.add, b.sub, b.mul])(total, term)
        return b.op(rng.choice(["sin", "tanh", "abs"]), total) if rng.random() < 0.6 else b.op("tanh", total)

    def vector_loop(self, depth: int) -> None:
        rng = self.rng
        start, stop, shift = self.bounds()
        order = "any" if rng.random() < 0.85 else "sequential"
        targets = [v for v in self.vectors if self.group(v) != "v"]
        own = [v for v in rng.sample(targets, min(len(targets), rng.randint(0, 2))) if v not in self.undefined]
        own = [v for v in own if all(self.group(v) != self.group(o) for o in own if o is not v)]
        sums = [v for v in targets if self.group(v) not in map(self.group, own) and v not in self.undefined]
        sums = rng.sample(sums, min(len(sums), rng.randint(0, 1)))
        total = rng.choice([*self.cells, None]) if self.cells else None
        with self.e.loop("i", start, stop, order=order) as i:
            at = {v: self.subscript(i, shift) for v in own}
            taken = {self.group(v) for v in (*own, *sums)} | ({total} if total else set())
            self.body(i, shift, own, sums, total, at, taken, rng.randint(1, 4), 0)

    def body(
        self,
        i: Expr,
        shift: int,
        own: list[str],
        sums: list[str],
        total: str | None,
        at: dict[str, Expr],
        taken: set[str],
        length: int,
        depth: int,
    ) -> None:
        rng, before = self.rng, list(self.scalars)
        for _ in range(length):
            chosen = rng.randrange(7)
            mine = rng.choice(own) if own else None
            value = self.value([i], taken, None if mine is None else (mine, [at[mine]]), shift)
            if chosen == 0:
                made = self.e.let("s", value)
                self.scalars += [made] if isinstance(made, Var) else []
            elif chosen <= 2 and mine is not None:
                self.e.store(mine, [at[mine]], value)
            elif chosen == 3 and mine is not None:
                self.e.accumulate(mine, [at[mine]], value)
            elif chosen == 4 and sums:
                for _ in range(rng.randint(1, 3)):
                    self.e.accumulate(sums[0], [self.subscript(i, shift)], value)
            elif chosen == 5 and total is not None:
                self.e.accumulate(total, (), value)
            elif chosen == 6 and depth == 0:
                with self.e.if_(b.gt(value, 0.1)):
                    self.body(i, shift, own, sums, total, at, taken, 2, 1)
        self.scalars = before

    def scatter(self, depth: int) -> None:
        """Sums into neighbours, or into one element, as adjoints of stencils have them."""
        rng = self.rng
        targets = [v for v in self.vectors if self.group(v) != "v" and v not in self.undefined]
        chosen = rng.sample(targets, min(len(targets), rng.randint(1, 2)))
        taken = {self.group(v) for v in chosen}
        others = [v for v in targets if self.group(v) not in taken]
        before = list(self.scalars)
        with self.e.loop("i", 1, b.sub(N, 1), order="any") as i:
            own = (rng.choice(others), [i]) if others and rng.random() < 0.5 else None
            for _ in range(rng.randint(0, 2)):
                made = self.e.let("s", self.value([i], taken | ({self.group(own[0])} if own else set()), own, 1))
                self.scalars += [made] if isinstance(made, Var) else []
            place = rng.randrange(3)
            for k in range(3):
                at = rng.choice([i, b.add(i, 1), b.sub(i, 1), b.i64(1)])
                self.e.accumulate(rng.choice(chosen), [at], rng.choice(self.scalars))
                if k == place and own is not None:
                    self.e.store(own[0], own[1], rng.choice(self.scalars))
        self.scalars = before

    def sums(self, depth: int) -> None:
        """Zeros that a loop adds to at once, perhaps not at every element."""
        rng = self.rng
        if rng.random() < 0.5:
            made = self.e.alloc("t", F64, [N], zero=True)
            with self.e.loop("i", 0, rng.choice([N, N, b.load("k", [0], I64)]), order="any") as i:
                for _ in range(rng.randint(1, 2)):
                    at = [i if rng.random() < 0.8 else b.sub(b.sub(N, 1), i)]
                    self.e.accumulate(made, at, self.value([i], {made.name}, None))
            self.vectors.append(made.name)
            return
        made = self.e.alloc("m", F64, [N, N], zero=True)
        with self.e.loop("i", 0, N, order="any") as i, self.e.loop("j", 0, rng.choice([N, N, i]), order="any") as j:
            at = rng.choice([[i, j], [j, i], [i, i]])
            self.e.accumulate(made, at, self.value([i, j], {made.name}, None))
        self.matrices.append(made.name)

    def nest(self, depth: int) -> None:
        """Two loops over a matrix, with work between them."""
        rng = self.rng
        start, stop, shift = self.bounds()
        orders = [rng.choice(["any", "any", "any", "sequential"]) for _ in range(2)]
        targets = [m for m in self.matrices if m not in self.undefined]
        own = rng.choice([*targets, None])
        vectors = [v for v in self.vectors if self.group(v) != "v" and v not in self.undefined]
        row = rng.choice([*vectors, None]) if vectors else None
        taken = {x for x in (own, None if row is None else self.group(row)) if x is not None} | set(self.cells)
        before = list(self.scalars)
        with self.e.loop("i", start, stop, order=orders[0]) as i:
            if row is not None and rng.random() < 0.3:
                self.e.accumulate(row, [i], self.value([i], taken, None, shift))
            if rng.random() < 0.3:
                made = self.e.let("s", self.value([i], taken, None, shift))
                self.scalars += [made] if isinstance(made, Var) else []
            with self.e.loop("j", *self.bounds()[:2] if rng.random() < 0.2 else (start, stop), order=orders[1]) as j:
                value = self.value([i, j], taken, None if own is None else (own, [i, j]), 0)
                if own is not None:
                    rng.choice([self.e.store, self.e.accumulate])(own, [i, j], value)
                if row is not None and rng.random() < 0.6:
                    self.e.accumulate(row, [i if rng.random() < 0.7 else j], value)
                elif self.cells and rng.random() < 0.4 and "any" in orders:
                    self.e.accumulate(rng.choice(self.cells), (), self.value([i, j], taken, None))
        self.scalars = before
