"""Which floats have the same bits in the reverse sweep as in the forward sweep, however they are had there.

Memory that still holds a value, or a tape, gives the same bits; memory that was taken back does not. Computing it again
does if all operations are correctly rounded (IEEE 754: +, -, *, /, square root of reals; nothing is contracted or
reassociated) and their operands are exact. Sums over loops (which may be split into lanes), elementary functions (which
have vector variants) and library operations are not. What is decided from exact values need not be recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.ir.nodes import Accumulate, Cast, Const, Expr, LibCall, Load, Op, Select, Var
from wengert.ir.walk import operands

if TYPE_CHECKING:
    from wengert.ad.reverse.slices import Slice
    from wengert.ad.reverse.values import Values

ROUNDED = frozenset({"add", "sub", "mul", "div", "neg", "abs", "sqrt", "max", "min", "copysign"})
"""Correctly rounded operations on reals."""


def is_rounded(value: Expr) -> bool:
    """Whether an operation gives the same bits for the same operands wherever it is computed."""
    match value:
        case Const() | Var() | Cast() | Select():
            return True
        case Op(name, args):
            discrete = not value.dtype.is_inexact
            return discrete or (name in ROUNDED and not any(x.dtype.is_complex for x in args))
        case _:
            return False


class Exactness:
    """Answers for one function. Discrete values are exact: they are recorded unless they are made from exact ones."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self._scalars: dict[str, bool] = {}
        self._arrays: dict[str, bool] = {}

    def atom(self, e: Expr) -> bool:
        """Whether an atom is exact."""
        if not isinstance(e, Var) or not e.dtype.is_inexact:
            return True
        known = self._scalars.get(e.name)
        if known is None:
            known = self._scalars[e.name] = self._scalar(e.name)
        return known

    def _scalar(self, name: str) -> bool:
        definition = self.values.p.definitions[name]
        if name in self.values.visible or definition.value is None:
            return True
        way = self.values.way(name)
        if way is not None and not isinstance(way.value, Load):
            return self.atom(way.value)
        if way is not None and way.source in self.values.inversion.memory:
            return False
        if way is not None:
            return way.source is None or way.source in self.values.p.snapshots or self.array(way.source)
        value = self.values.operation(name)
        if value is None:
            return True  # a load without a way is stored
        return is_rounded(value) and all(map(self.atom, operands(value)))

    def array(self, name: str) -> bool:
        """Whether an array is exact: it is stored, or what writes it writes exact values."""
        if name not in self._arrays:
            self._arrays[name] = False  # while it is found out, for arrays that are rebuilt together
            made = self.values.slice(name)
            self._arrays[name] = made is None or self._slice(made)
        return self._arrays[name]

    def _slice(self, made: Slice) -> bool:
        for region, position in made.statements:
            match region.stmts[position]:
                case Accumulate(value=value) if value.dtype.is_inexact:
                    return False
                case LibCall():
                    return False
                case _:
                    pass
        definitions = self.values.p.definitions
        if not all(self.atom(Var(n, definitions[n].dtype)) for n in made.needs):
            return False
        for n in made.inline:
            value = definitions[n].value
            if value is None or not (isinstance(value, Load) or is_rounded(value)):
                return False
        return all(map(self.array, made.together))
