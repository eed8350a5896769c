"""Expansion: where iterations meet in what they add to, and what they add is dear, it is kept in rows, and added after.

The adjoint of a stencil of products (a step of Navier and Stokes) adds to neighbours what takes dozens of operations:
neither can the loop run in vector lanes nor is it worth to compute all of that again for each neighbour (see `gather`,
`split`). Here it runs in lanes and stores what it would have added, a row per value; a second loop adds the rows, which
`gather` and `split` make run in lanes.

Contract: an innermost `any` loop whose sums may be done apart (`analysis/scatter.py`), for all of which the C compiler
has vector instructions, and which `split` leaves as too dear. Sums that get along with the first one stay, with all
names and stores. The order in which an element's contributions are added changes, as that of an `any` loop may. The
rows are new memory, as long as the loop.

Source: scalar expansion, D. Padua, M. Wolfe, "Advanced compiler optimizations for supercomputers", CACM 29(12), 1986.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.access import looks
from wengert.analysis.affine import isub
from wengert.analysis.cost.instructions import has_vector_code
from wengert.analysis.cost.machine import DEFAULT
from wengert.analysis.scatter import WORK, Scatter, scatter
from wengert.ir import build as b
from wengert.ir.nodes import (
    ZERO,
    Accumulate,
    Alloc,
    Buffer,
    Const,
    Expr,
    Load,
    Loop,
    Module,
    Stmt,
    Store,
    Var,
)
from wengert.ir.types import I64
from wengert.ir.walk import rename_block
from wengert.optimise.scattering import Scattering

ROWS = 24
"""The most values that are kept."""


def expand(module: Module) -> Module:
    """Every function with what is dear and meets in sums kept in rows."""
    return _Expansion.module(module)


class _Expansion(Scattering):
    SHORT = 16

    def parts(self, loop: Loop) -> list[Stmt] | None:
        assert loop.stop is not None
        if not self.is_long(loop) or looks(loop.start) or looks(loop.stop):
            return None  # the first loop's stores may be what bounds read
        found = scatter(loop, self.aliases, self.folded)
        groups = None if found is None else found.groups(loop, self.aliases)
        if found is None or groups is None or not self._is_worth(loop, found, groups):
            return None
        kept = {id(s) for s in groups[0]}
        return self._expanded(loop, [s for s in found.sums if id(s) not in kept])

    def _is_worth(self, loop: Loop, found: Scatter, groups: list[list[Accumulate]]) -> bool:
        parts: list[tuple[Stmt, ...]] = [tuple(g) for g in groups]
        if found.again([*parts[:-1], (*parts[-1], *found.stores)]) <= WORK:
            return False
        real = all(s.value.dtype.is_inexact and not s.value.dtype.is_complex for s in found.sums)
        return real and has_vector_code(loop, DEFAULT)

    def _expanded(self, loop: Loop, moved: list[Accumulate]) -> list[Stmt] | None:
        """New memory, the loop without the sums that move, and these."""
        assert loop.stop is not None
        place = isub(Var(loop.var, I64), loop.start)
        rows: dict[Expr | int, tuple[Expr, ...]] = {}
        """Where the values are kept: one name is one value, other expressions are looked at each for itself."""
        first: list[Stmt] = []
        second: list[Accumulate] = []
        name, dtype, moving = self.fresh("terms"), moved[0].value.dtype, {id(s) for s in moved}
        for s in loop.body:
            if id(s) not in moving or not isinstance(s, Accumulate):
                first.append(s)
                continue
            if isinstance(s.value, Const):
                second.append(s)
                continue
            key = s.value if isinstance(s.value, Var) else id(s)
            if key not in rows:
                rows[key] = (Const(len(rows), I64), place)
                first.append(Store(name, rows[key], s.value, s.span))
            second.append(replace(s, value=Load(name, rows[key], dtype)))
        if len(rows) > ROWS or any(s.value.dtype is not dtype for s in moved):
            return None
        extent = b.max_(isub(loop.stop, loop.start), ZERO)
        made = Alloc(Buffer(name, dtype, (Const(len(rows), I64), extent)), False, loop.span)
        (adding,) = rename_block((replace(loop, body=tuple(second)),), {loop.var: self.fresh(loop.var)})
        return [made, replace(loop, body=tuple(first)), adding]
