"""Packing: tapes of nests whose extents shrink or grow from turn to turn have one turn after the other, no padding.

A box has an axis per loop and per axis of what it holds, each as long as it ever gets. Where one of the extents depends
linearly on one loop's variable (triangles), that loop's axis goes, and along the other one the turns follow each other:
what turn t stores begins where the turns before it end, at the sum of their extents. Legal if that extent is the number
of elements in every turn, so never negative, and the loop is sequential: elements of different turns of an `any` loop
would have to be told apart by subscripts that are quadratic in its variable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.ad.reverse.trips import Trips, degree
from wengert.analysis.affine import Facts, canonical, iadd, imul, isub
from wengert.ir import build as b
from wengert.ir.nodes import ONE, ZERO, Expr, Loop, Var
from wengert.ir.types import I64
from wengert.ir.walk import names_in, substitute


@dataclass(frozen=True, slots=True)
class Packing:
    """Axis `outer`, a loop's, goes; along axis `inner` its turns follow each other, `total` elements together.
    `before`: how many the turns before this one have, in terms of the loop's variable."""

    outer: int
    inner: int
    before: Expr
    total: Expr

    def shape(self, counts: Sequence[Expr]) -> tuple[Expr, ...]:
        """The extents of the box, from those it has with all axes."""
        packed = [self.total if k == self.inner else n for k, n in enumerate(counts)]
        return (*packed[: self.outer], *packed[self.outer + 1 :])

    def index(self, index: Sequence[Expr], before: Expr) -> tuple[Expr, ...]:
        """Where an element is, from where it is with all axes (of which the last ones may be left out)."""
        packed = [b.add(before, i) if k == self.inner else i for k, i in enumerate(index)]
        return (*packed[: self.outer], *packed[self.outer + 1 :])


def packing(loops: Sequence[Loop], extents: Sequence[Expr], counts: Sequence[Expr], trips: Trips) -> Packing | None:
    """How a box of a nest may be packed, whose items have certain extents; `counts`: of its axes without. None if no
    extent depends on a loop's variable, or not in this way."""
    variables = [loop.var for loop in loops]
    if len(set(variables)) < len(variables):
        return None
    inner = frozenset(variables)
    lengths: list[Expr | None] = []
    for loop in loops:
        start, stop = _bounds(loop, trips, inner)
        if start is None or stop is None or loop.step not in (1, -1):
            lengths.append(None)
        else:
            lengths.append(isub(stop, start) if loop.step > 0 else isub(start, stop))
    for e in extents:
        found = trips.hoisted(e, inner)
        lengths.append(None if found is None else canonical(found))
    if any(n is None for n in lengths):
        return None
    dependent = [(k, n) for k, n in enumerate(lengths) if n is not None and names_in(n) & inner]
    if len(dependent) != 1:
        return None
    ((axis, length),) = dependent
    used = names_in(length) & inner
    if len(used) != 1 or axis > len(loops):
        return None
    outer = variables.index(next(iter(used)))
    loop = loops[outer]
    start, stop = _bounds(loop, trips, inner)
    if loop.order == "any" or start is None or stop is None or names_in(start) & inner or names_in(stop) & inner:
        return None
    if degree(length, loop.var) != 1 or not _is_count(length, loop, start, stop, trips.nonnegative):
        return None
    first = canonical(substitute(length, {loop.var: start}))
    growth = isub(substitute(length, {loop.var: iadd(start, b.i64(loop.step))}), first)
    done = isub(Var(loop.var, I64), start) if loop.step > 0 else isub(start, Var(loop.var, I64))
    return Packing(outer, axis, _sum(done, first, growth), _sum(counts[outer], first, growth))


def _bounds(loop: Loop, trips: Trips, inner: frozenset[str]) -> tuple[Expr | None, Expr | None]:
    return trips.hoisted(loop.start, inner), None if loop.stop is None else trips.hoisted(loop.stop, inner)


def _is_count(length: Expr, loop: Loop, start: Expr, stop: Expr, nonnegative: frozenset[str]) -> bool:
    """Whether an extent is not negative in any turn of a loop."""
    facts = Facts()
    for name in sorted(nonnegative):
        facts.assume(Var(name, I64), 0)
    low, high = (start, isub(stop, ONE)) if loop.step > 0 else (iadd(stop, ONE), start)
    facts.assume(Var(loop.var, I64), low, high)
    return facts.nonnegative(length)


def _sum(turns: Expr, first: Expr, growth: Expr) -> Expr:
    """first + (first + growth) + ..., of so many turns."""
    pairs = b.op("floordiv", imul(turns, isub(turns, ONE)), 2) if growth != ZERO else ZERO
    return iadd(imul(turns, first), imul(growth, pairs))
