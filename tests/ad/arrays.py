"""Random array programs, as a naive translation of NumPy would give them.

Temporaries, copies, shifted slices, updates in place, in time loops, while loops, branches, functions and parallel
batches: they exercise what is hoisted and copied.
"""

from __future__ import annotations

import random

from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Function, Module, Scalar, Var
from wengert.ir.types import F64, I64

N = Var("n", I64)


class _Arrays:
    def __init__(self, rng: random.Random, names: list[str], vectors: list[Buffer], matrices: list[Buffer]) -> None:
        self.rng, self.e = rng, Emitter(names)
        self.vectors, self.matrices = list(vectors), list(matrices)
        self.helper: str | None = None
        self.batch = False

    def shifted(self, i: Expr) -> Expr:
        return self.rng.choice([i, b.sub(i, 1), b.add(i, 1), b.sub(b.sub(N, 1), i)])

    def element(self, index: list[Expr], sources: list[Buffer]) -> Expr:
        """A bounded, nonlinear function of some shifted elements."""
        total: Expr = b.const(round(self.rng.uniform(0.5, 1.5), 2), F64)
        for s in self.rng.choices(sources, k=self.rng.randint(1, 3)):
            at = [self.shifted(self.rng.choice(index)) for _ in range(s.rank)]
            x = self.e.let("x", b.load(s, at))
            total = b.add(b.mul(total, x), self.rng.choice([x, b.mul(x, x), b.op("cos", x)]))
        return b.op(self.rng.choice(["sin", "tanh"]), total)

    def nest(self, target: Buffer, sources: list[Buffer], inside: bool) -> None:
        """target[i, ...] = f(sources), on the inside (shifts stay in range) in any order."""
        order = self.rng.choice(["any", "any", "sequential"])
        start, stop = (1, b.sub(N, 1)) if inside else (0, N)
        with self.e.loop("i", start, stop, order=order) as i:
            index: list[Expr] = [i]
            if target.rank == 2:
                with self.e.loop("j", start, stop, order=order) as j:
                    self.assign(target, [i, j], sources, inside)
            else:
                self.assign(target, index, sources, inside)

    def assign(self, target: Buffer, index: list[Expr], sources: list[Buffer], inside: bool) -> None:
        if inside:
            value = self.element(index, sources)
        else:
            s = self.rng.choice([s for s in sources if s.rank <= len(index)] or [None])
            value = b.const(0.3, F64) if s is None else b.load(s, index[: s.rank])
            if self.rng.random() < 0.5:
                value = b.op("sin", value)
        if self.rng.random() < 0.8:
            self.e.store(target, index, value)
        else:
            self.e.accumulate(target, index, value)

    def statement(self, depth: int) -> None:
        everything = [*self.vectors, *self.matrices]
        match self.rng.randrange(9):
            case 0 | 1:
                rank = self.rng.choice([1, 1, 2])
                t = self.e.alloc("t", F64, [N] * rank, zero=True)
                self.nest(t, everything, inside=False)
                self.nest(t, everything, inside=True)
                (self.vectors if rank == 1 else self.matrices).append(t)
            case 2 | 3 | 4:
                target = self.rng.choice(everything)
                sources = [s for s in everything if s is not target]
                if sources:
                    self.nest(target, sources, inside=True)
            case 5 if depth < 2:
                with self.e.loop("t", 0, self.rng.choice([2, 3])):
                    self.block(depth + 1)
            case 6 if depth < 2:
                t = Var(self.e.fresh("s"), I64)
                self.e.taken.discard(t.name)
                with self.e.loop(t.name, 0, None, cond=b.lt(t, 2)):
                    self.block(depth + 1)
            case 7 if depth < 2:
                x = self.rng.choice(self.vectors)
                with self.e.if_(b.gt(b.load(x, [1]), 0.1)):
                    self.block(depth + 1)
            case _:
                if self.helper is not None and self.matrices and depth < 2:
                    self.rows(depth)

    def rows(self, depth: int) -> None:
        """Each row of a matrix on its own, in any order or in sequence; a call or work on local buffers."""
        m = self.rng.choice(self.matrices)
        with self.e.loop("r", 0, N, order=self.rng.choice(["any", "sequential"])) as r:
            row = self.e.row("row", m, r)
            if self.rng.random() < 0.5 and self.helper is not None:
                self.e.call(self.helper, row, N)
                return
            t = self.e.alloc("w", F64, [N], zero=True)
            self.nest(t, [row], inside=False)
            self.nest(t, [row], inside=True)
            self.nest(row, [t], inside=True)

    def block(self, depth: int) -> None:
        before = list(self.vectors), list(self.matrices)
        for _ in range(self.rng.randint(2, 4)):
            self.statement(depth)
        self.vectors, self.matrices = before


def program(seed: int) -> Module:
    """f(u: f64[n] inout, m: f64[n, n] inout, n)."""
    rng = random.Random(seed)
    strided = Buffer("row", F64, (N,), True, "inout")
    g = _Arrays(rng, ["row", "n"], [strided], [])
    g.block(1)
    helper = Function("g", (strided, Scalar("n", I64)), g.e.block())
    u, m = Buffer("u", F64, (N,), intent="inout"), Buffer("m", F64, (N, N), intent="inout")
    h = _Arrays(rng, ["u", "m", "n"], [u], [m])
    h.helper = "g"
    c = h.e.alloc("c", F64, [N], zero=True)
    h.vectors.append(c)
    for _ in range(rng.randint(2, 5)):
        h.statement(0)
    root = Function("f", (u, m, Scalar("n", I64)), h.e.block(), ("u", "m", "c"))
    return Module({"f": root, "g": helper}, "f")
