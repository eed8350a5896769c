"""The rules of `any` loops, as far as they can be decided symbolically.

Consider one `any` loop, its *points* (values of its variable) and the storages declared outside it. A name is *varying*
if it is defined inside the loop. Lets without loads are seen through, views are resolved to their bases, and each index
position becomes an integer combination of names plus opaque terms.

- A plain store must tell the points apart: some positions determine the variable, one unknown varying name at a time.
  It is an error if the variable occurs nowhere in the index, or only in sums with small constant coefficients (i + j).
- Two accesses of one storage, at least one a plain store or one an accumulation and the other a load, must be at the
  same point (equal, or positions they share determine the variable) or never meet (at some position their difference
  cannot be 0).

Where a guard mentions the variable, or an opaque term varies (A[p[i]], A[i*n + j]), the store is given the benefit of
the doubt. Running the interpreter with other orders tests what is not decided here.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

from . import build as b
from . import walk
from .nodes import (
    Accumulate,
    Block,
    Call,
    Const,
    Expr,
    Function,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Op,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Resize,
    Stmt,
    Store,
    Var,
    View,
)
from .types import I64


def any_loop_errors(function: Function, module: Module) -> list[str]:
    """What is wrong with the `any` loops of a function whose names and ranks are right."""
    lets = {s.name: s.value for s in walk.statements(function.body) if isinstance(s, Let)}
    views = {s.buffer.name: s for s in walk.statements(function.body) if isinstance(s, View)}
    errors: list[str] = []
    for s in walk.statements(function.body):
        if isinstance(s, Loop) and s.order == "any":
            where = f"{s.span}: " if s.span else ""
            found = _AnyLoop(s, lets, views, module).errors()
            errors += [f"{where}{function.name}: any loop over {s.var}: {message}" for message in found]
    return errors


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of coefficient * term. Terms are names, or opaque expressions by their repr."""

    constant: int = 0
    terms: dict[str, int] = field(default_factory=dict[str, int])

    def plus(self, other: Linear, factor: int = 1) -> Linear:
        terms = {
            k: c
            for k in {**self.terms, **other.terms}
            if (c := self.terms.get(k, 0) + factor * other.terms.get(k, 0)) != 0
        }
        return Linear(self.constant + factor * other.constant, terms)


@dataclass(frozen=True, slots=True)
class Access:
    kind: str  # "store", "accumulate" or "load"
    storage: str
    index: tuple[Linear, ...]
    guarded: bool


class _AnyLoop:
    def __init__(self, loop: Loop, lets: dict[str, Expr], views: dict[str, View], module: Module) -> None:
        self.loop = loop
        self.lets = lets
        self.views = views
        self.module = module
        self.inside = walk.definitions(loop.body) | {loop.var}
        self.loops = {s.var: s for s in walk.statements(loop.body) if isinstance(s, Loop)}
        self.opaque_varies: dict[str, bool] = {}
        self.found: list[str] = []
        self.accesses: list[Access] = []

    def errors(self) -> list[str]:
        loop = self.loop
        if loop.cond is not None or loop.stop is None:
            self.found.append("it has a condition or no end")
        self._collect(loop.body, guarded=False)
        for a in self.accesses:
            if a.kind == "store" and not a.guarded and self._collides(a):
                self.found.append(f"the store to {a.storage} does not tell the points apart")
        by_storage: dict[str, list[Access]] = {}
        for a in self.accesses:
            by_storage.setdefault(a.storage, []).append(a)
        for storage, accesses in by_storage.items():
            pairs = itertools.combinations(accesses, 2)
            if any(_conflicting(x, y) and not self._compatible(x, y) for x, y in pairs):
                self.found.append(f"{storage} is written at one point and used at another")
        return self.found

    # -- collecting

    def _collect(self, block: Block, guarded: bool) -> None:
        for s in block:
            for e in walk.expressions(s):
                for load in walk.loads(e):
                    self._access("load", load.storage, load.index, guarded)
            match s:
                case Store(storage, index, _, _):
                    self._access("store", storage, index, guarded)
                case Accumulate(storage, index, _, _, _):
                    self._access("accumulate", storage, index, guarded)
                case If(cond, then, orelse, _):
                    guard = guarded or self._varies(cond)
                    self._collect(then, guard)
                    self._collect(orelse, guard)
                case Loop(body=body):
                    self._collect(body, guarded)
                case _:
                    self._forbid(s)

    def _forbid(self, s: Stmt) -> None:
        match s:
            case Push(growable=g) | Pop(growable=g) | Resize(growable=g) | PushRef(growable=g) | Rebind(ref=g):
                written = {g}
            case PopRef(ref, growable):
                written = {ref, growable}
            case LibCall() | Call():
                written = {n for n in walk.writes(s, self.module) if not self._own_part(n)}
            case _:
                return
        for name in sorted(written - self.inside):
            self.found.append(f"{type(s).__name__} changes {name}, which is declared outside")

    def _own_part(self, name: str) -> bool:
        """Whether a storage is declared inside, or is a view of what is outside that depends on the point."""
        if name not in self.inside:
            return False
        view = self.views.get(name)
        return view is None or self._own_part(view.base) or any(self._varies(e) for e in view.start)

    def _access(self, kind: str, storage: str, index: tuple[Expr, ...], guarded: bool) -> None:
        while (view := self.views.get(storage)) is not None:
            base = list(view.start)
            for (axis, step), i in zip(view.axes, index, strict=True):
                if axis is not None:
                    base[axis] = b.add(base[axis], b.mul(step, i))
            storage, index = view.base, tuple(base)
        if storage not in self.inside:
            self.accesses.append(Access(kind, storage, tuple(map(self._linear, index)), guarded))

    # -- index arithmetic

    def _linear(self, e: Expr) -> Linear:
        match e:
            case Const(value=int(value)):
                return Linear(value)
            case Var(name=name) if name in self.lets and e.dtype is I64 and not any(walk.loads(self.lets[name])):
                return self._linear(self.lets[name])
            case Var(name=name):
                self.opaque_varies[name] = name in self.inside
                return Linear(0, {name: 1})
            case Op(name="add" | "addc", args=(x, y)):
                return self._linear(x).plus(self._linear(y))
            case Op(name="sub" | "subc", args=(x, y)):
                return self._linear(x).plus(self._linear(y), -1)
            case Op(name="neg", args=(x,)):
                return Linear().plus(self._linear(x), -1)
            case Op(name="mul" | "mulc", args=(x, y)):
                left, right = self._linear(x), self._linear(y)
                if not left.terms:
                    return Linear().plus(right, left.constant)
                if not right.terms:
                    return Linear().plus(left, right.constant)
            case _:
                pass
        self.opaque_varies[repr(e)] = self._varies(e)
        return Linear(0, {repr(e): 1})

    def _varies(self, e: Expr) -> bool:
        """Whether an expression may differ between points (a load always may)."""
        return any(isinstance(x, Load) for x in walk.subexpressions(e)) or bool(walk.names_in(e) & self.inside)

    def _unknown(self, position: Linear) -> list[str]:
        return [t for t in position.terms if self.opaque_varies[t]]

    # -- the rules

    def _determines(self, positions: list[Linear]) -> bool:
        """Whether equal values at these positions imply equal points."""
        known: set[str] = set()
        while self.loop.var not in known:
            new = {u[0] for p in positions if len(u := [t for t in self._unknown(p) if t not in known]) == 1}
            if not new:
                return False
            known |= new
        return True

    def _collides(self, store: Access) -> bool:
        if self._determines(list(store.index)) or self._is_single():
            return False
        unknown = {t for p in store.index for t in self._unknown(p)}
        if unknown <= {self.loop.var, *self.loops}:
            involved = [p for p in store.index if self.loop.var in p.terms]
            return all(self._sum_collides(p) for p in involved)
        return False

    def _is_single(self) -> bool:
        first, last = self.loop.start, self.loop.stop
        return (
            isinstance(first, Const) and isinstance(last, Const) and abs(int(last.value.real - first.value.real)) <= 1
        )

    def _sum_collides(self, p: Linear) -> bool:
        """Whether another loop variable can make up for a step of this one: a i + c j with j's extent above a / c."""
        mine = abs(p.terms[self.loop.var])
        for t in self._unknown(p):
            if t != self.loop.var and mine % p.terms[t] == 0:
                loop = self.loops[t]
                match loop.start, loop.stop:
                    case Const(value=int(start)), Const(value=int(stop)):
                        if len(range(start, stop, loop.step)) * abs(loop.step * p.terms[t]) > mine:
                            return True
                    case _:
                        return True
        return False

    def _compatible(self, x: Access, y: Access) -> bool:
        if x.guarded or y.guarded or self._is_single():
            return True
        if x.index == y.index and not self._collides(x):
            return True
        shared = [p for p, q in zip(x.index, y.index, strict=True) if p == q]
        return self._determines(shared) or any(self._never_equal(p, q) for p, q in zip(x.index, y.index, strict=True))

    def _never_equal(self, p: Linear, q: Linear) -> bool:
        """Whether p at one point and q at another always differ: their difference is no multiple of a common factor."""
        fixed = [Linear(r.constant, {t: c for t, c in r.terms.items() if not self.opaque_varies[t]}) for r in (p, q)]
        difference = fixed[0].plus(fixed[1], -1)
        if difference.terms:
            return False
        factor = math.gcd(*(r.terms[t] for r in (p, q) for t in self._unknown(r)))
        return difference.constant % factor != 0 if factor else difference.constant != 0


def _conflicting(x: Access, y: Access) -> bool:
    kinds = {x.kind, y.kind}
    return "store" in kinds or kinds == {"accumulate", "load"}
