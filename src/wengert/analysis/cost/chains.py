"""How long a turn of a sequential loop must wait for the one before: the longest way from what a turn loads of what
earlier ones stored to what it stores there itself."""

from __future__ import annotations

from wengert.analysis.cost.machine import Machine
from wengert.analysis.cost.scope import Index, Scope
from wengert.ir.nodes import Accumulate, Block, Cast, Const, Expr, Extent, If, Let, Load, Loop, Op, Select, Store, Var
from wengert.ir.walk import operands, statements

Waits = dict[str, float]
"""By array that was written in an earlier turn: seconds until something that depends on it is known."""


def wait(loop: Loop, scope: Scope, machine: Machine) -> float:
    """Seconds that each turn takes at least."""
    return _Chain(loop, scope, machine).longest()


class _Chain:
    def __init__(self, loop: Loop, scope: Scope, machine: Machine) -> None:
        self.loop, self.scope, self.machine = loop, scope, machine
        self.names: dict[str, Waits] = {}
        self.stored: dict[str, list[tuple[str, Index]]] = {}
        self.held: dict[tuple[str, Index], Waits] = {}
        """What elements that this turn has stored already wait for."""
        self.links: dict[tuple[str, str], float] = {}
        for s in statements(loop.body):
            if isinstance(s, (Store, Accumulate)):
                self.stored.setdefault(scope.place(s.storage, s.index)[0], []).append((s.storage, s.index))

    def longest(self) -> float:
        if not self.stored:
            return 0.0
        self._block(self.loop.body)
        alone = max((w for (a, b), w in self.links.items() if a == b), default=0.0)
        pairs = [(w + self.links[b, a]) / 2 for (a, b), w in self.links.items() if a < b and (b, a) in self.links]
        return max(alone, max(pairs, default=0.0))

    def _block(self, block: Block) -> None:
        for s in block:
            match s:
                case Let(name, value):
                    self.names[name] = self._expr(value)
                    self.scope.let(s)
                case Store(storage, index, value):
                    self._store(storage, index, self._expr(value))
                case Accumulate(storage, index, value):
                    before = self._load(storage, index)
                    own = {**self._expr(value)}
                    for source, w in before.items():
                        own[source] = max(own.get(source, 0.0), w)
                    rate = self.machine.rate(s.op if s.op == "add" else "add").latency
                    self._store(storage, index, {k: w + rate for k, w in own.items()})
                case If(then=then, orelse=orelse):
                    self._block(then)
                    self._block(orelse)
                case _:
                    pass

    def _store(self, storage: str, index: Index, waits: Waits) -> None:
        root = self.scope.place(storage, index)[0]
        self.held[storage, index] = waits
        for source, w in waits.items():
            self.links[source, root] = max(self.links.get((source, root), 0.0), w)

    def _load(self, storage: str, index: Index) -> Waits:
        if (storage, index) in self.held:
            return self.held[storage, index]
        root, forms = self.scope.place(storage, index)
        writers = self.stored.get(root)
        if writers is None:
            return {}
        if not index:
            return {root: 0.0}
        for name, at in writers:
            _, other = self.scope.place(name, at)
            if None in other or None in forms:
                continue
            gaps = [a.plus(b, -1.0) for a, b in zip(other, forms, strict=True) if a is not None and b is not None]
            if any(g.terms for g in gaps):
                continue
            moves = [a.factor(self.loop.var) for a in other if a is not None]
            if all(not m and not g.constant for m, g in zip(moves, gaps, strict=True)):
                return {root: self.machine.forward}
            turns = {g.constant / (m * self.loop.step) if m else (0.0 if not g.constant else None)
                     for m, g in zip(moves, gaps, strict=True) if m or g.constant}  # fmt: skip
            if len(turns) == 1 and (turn := turns.pop()) is not None and turn > 0:
                return {root: self.machine.forward / turn}
        return {}

    def _expr(self, e: Expr) -> Waits:
        match e:
            case Const() | Extent():
                return {}
            case Var(name):
                return self.names.get(name, {})
            case Load(storage, index):
                return self._load(storage, index)
            case Op() | Select() | Cast():
                waits: Waits = {}
                for a in operands(e):
                    for source, w in self._expr(a).items():
                        waits[source] = max(waits.get(source, 0.0), w)
                if not waits:
                    return waits
                more = self._latency(e)
                return {source: w + more for source, w in waits.items()}

    def _latency(self, e: Op | Select | Cast) -> float:
        m = self.machine
        if not isinstance(e, Op) or not e.args[0].dtype.is_inexact:
            return m.rate("add").latency / 3
        if e.name in ("sub", "add", "max", "min", "fmax", "fmin"):
            return m.rate("add").latency * (2.0 if e.name in ("max", "min") else 1.0)
        if e.name in ("neg", "abs", "real", "imag", "conj", "complex") or e.dtype.is_integer or not e.dtype.is_inexact:
            return m.rate("add").latency / 3
        return m.rate(e.name).latency
