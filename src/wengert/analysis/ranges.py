"""Ranges of integer expressions: constants between which they lie, where the names they are made of tell."""

from __future__ import annotations

from collections.abc import Iterable

from wengert.analysis.affine import polynomial
from wengert.ir.nodes import Buffer, Const, Expr, Function, Let, Op, Var
from wengert.ir.types import I64
from wengert.ir.walk import statements

Range = tuple[int | None, int | None]
"""The least and the greatest value; None where it is not bounded."""


class Ranges:
    """Of the integers of a function: extents of parameters are not negative, names are what they are computed from."""

    def __init__(self, f: Function) -> None:
        self.lets = {s.name: s.value for s in statements(f.body) if isinstance(s, Let) and s.value.dtype is I64}
        self.sizes = {e.name for p in f.params if isinstance(p, Buffer) for e in p.shape if isinstance(e, Var)}
        self._of: dict[Expr, Range] = {}

    def of(self, e: Expr) -> Range:
        """The range of an expression."""
        if e not in self._of:
            self._of[e] = self._sum(e)
        return self._of[e]

    def _sum(self, e: Expr) -> Range:
        low: int | None = 0
        high: int | None = 0
        for atoms, factor in polynomial(e).items():
            a, b = self._product(atoms)
            if factor < 0:
                a, b = b, a
            low = None if low is None or a is None else low + factor * a
            high = None if high is None or b is None else high + factor * b
        return low, high

    def _product(self, atoms: Iterable[Expr]) -> Range:
        found = [self._atom(x) for x in atoms]
        if len(found) == 1:
            return found[0]
        low = 1
        high: int | None = 1
        for a, b in found:
            if a is None or a < 0:
                return None, None
            low *= a
            high = None if high is None or b is None else high * b
        return low, high

    def _atom(self, e: Expr) -> Range:
        match e:
            case Const(value):
                return int(value.real), int(value.real)
            case Var(name) if name in self.lets:
                return self.of(self.lets[name])
            case Var(name) if name in self.sizes:
                return 0, None
            case Op("max", (a, b)):
                (a_low, a_high), (b_low, b_high) = self.of(a), self.of(b)
                lows = [x for x in (a_low, b_low) if x is not None]
                return max(lows, default=None), None if a_high is None or b_high is None else max(a_high, b_high)
            case Op("min", (a, b)):
                (a_low, a_high), (b_low, b_high) = self.of(a), self.of(b)
                highs = [x for x in (a_high, b_high) if x is not None]
                return None if a_low is None or b_low is None else min(a_low, b_low), min(highs, default=None)
            case _:
                return None, None
