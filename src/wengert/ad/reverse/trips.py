"""How often loops run, as expressions that can be evaluated before them: the extents of tapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.ad.reverse.regions import Definition
from wengert.analysis.affine import canonical, polynomial
from wengert.ir import build as b
from wengert.ir.nodes import Cast, Const, Expr, Loop, Op, Select, Var
from wengert.ir.walk import operands, substitute, with_operands

MAX_ENDS = 4
"""How many end points of an outer loop's range are compared at most."""


class Trips:
    """Trip counts over the names that are visible somewhere.

    `visible` tells which scalars those are; integer lets that are not are replaced by their operations.
    """

    def __init__(
        self, definitions: dict[str, Definition], visible: Callable[[str], bool], nonnegative: frozenset[str]
    ) -> None:
        self.definitions, self.visible, self.nonnegative = definitions, visible, nonnegative

    def hoisted(self, e: Expr, inner: frozenset[str] = frozenset()) -> Expr | None:
        """An integer atom over visible names and the loop variables `inner`; None if there is none."""
        match e:
            case Const():
                return e
            case Var(name):
                if name in inner or self.visible(name):
                    return e
                definition = self.definitions.get(name)
                return None if definition is None or definition.value is None else self.hoisted(definition.value, inner)
            case Op() | Cast() | Select() if not e.dtype.is_inexact:
                parts = [self.hoisted(x, inner) for x in operands(e)]
                known = tuple(p for p in parts if p is not None)
                return with_operands(e, known) if len(known) == len(parts) else None
            case _:
                return None

    def counts(self, loops: Sequence[Loop]) -> tuple[Expr, ...] | None:
        """The trip count of each loop of a nest (outermost first), or None.

        At most one loop may depend on the variables of others; it must do so linearly, and its count is the greatest.
        """
        counts: list[Expr] = []
        ranges: list[tuple[str, Expr, Expr]] = []
        dependent = 0
        for loop in loops:
            if loop.cond is not None or loop.stop is None:
                return None
            inner = frozenset(name for name, _, _ in ranges)
            start, stop = self.hoisted(loop.start, inner), self.hoisted(loop.stop, inner)
            if start is None or stop is None:
                return None
            spans = [canonical(b.sub(stop, start) if loop.step > 0 else b.sub(start, stop))]
            last = b.sub(stop, 1) if loop.step > 0 else b.add(stop, 1)
            ends = self._ends(spans, ranges)
            if ends is None:
                return None
            dependent += ends != spans
            if dependent > 1:
                return None
            counts.append(self._count(ends, abs(loop.step)))
            ranges.append((loop.var, start, last))
        return tuple(counts)

    def _ends(self, spans: list[Expr], ranges: list[tuple[str, Expr, Expr]]) -> list[Expr] | None:
        """Expressions without loop variables whose greatest is the greatest span: linear ones have it at an end."""
        for var, first, last in reversed(ranges):
            found: dict[Expr, None] = {}
            for span in spans:
                power = degree(span, var)
                if power is None:
                    return None
                for end in (first, last) if power else (span,):
                    found[canonical(substitute(span, {var: end})) if power else span] = None
            spans = list(found)
            if len(spans) > MAX_ENDS:
                return None
        return spans

    def _count(self, spans: list[Expr], step: int) -> Expr:
        nonnegative = any(
            (isinstance(s, Var) and s.name in self.nonnegative) or (isinstance(s, Const) and int(s.value.real) >= 0)
            for s in spans
        )
        top: Expr = spans[0] if nonnegative else b.i64(0)
        for s in spans[1:] if nonnegative else spans:
            top = b.max_(top, s)
        return top if step == 1 else b.op("floordiv", b.add(top, step - 1), step)


def iteration(loop: Loop) -> Expr:
    """The number of the current iteration, counted from 0."""
    done = b.sub(Var(loop.var, loop.start.dtype), loop.start)
    return done if loop.step == 1 else b.op("floordiv", done, loop.step)


def degree(e: Expr, var: str) -> int | None:
    """0 if the expression does not use the variable, 1 if it is linear in it, else None."""
    power = 0
    for monomial in polynomial(e):
        uses = sum(isinstance(atom, Var) and atom.name == var for atom in monomial)
        if uses > 1 or any(not isinstance(atom, Var) and _mentions(atom, var) for atom in monomial):
            return None
        power = max(power, uses)
    return power


def _mentions(e: Expr, var: str) -> bool:
    return (isinstance(e, Var) and e.name == var) or any(_mentions(x, var) for x in operands(e))
