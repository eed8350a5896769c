"""Gathering: a loop that adds to neighbours becomes one that adds to one element what several iterations have for it.

The adjoint of a stencil adds to x_adj[i-1], x_adj[i] and x_adj[i+1]. Instead of three loops (see `split`), each of
which reads and writes all of x_adj, one goes through x_adj and takes from iterations j+1, j and j-1; what those near
the ends of the range add beyond it is added before, one by one.

Contract: an innermost `any` loop whose sums may be done apart (`analysis/scatter.py`). Sums into one storage whose
subscripts are constants apart along the loop's variable, and equal elsewhere, go into a loop over what all of them add
to; each iteration of each sum is done once. The rest of the loop follows. The order in which an element's contributions
are added changes, as that of an `any` loop may: those of one turn are added to each other first. Names are computed
again per sum, so only cheap ones are.

Source: J. Hückelheim, N. Kukreja, S. Narayanan, F. Luporini, G. Gorman, P. Hovland, "Automatic differentiation for
adjoint stencil loops", ICPP 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

from wengert.analysis.access import offset
from wengert.analysis.affine import canonical, constant, iadd, isub
from wengert.analysis.scatter import WORK, Scatter, scatter
from wengert.ir import build as b
from wengert.ir.nodes import Accumulate, Block, Expr, Let, Load, Loop, Module, Stmt, Var
from wengert.ir.types import I64
from wengert.ir.walk import (
    definitions,
    map_expr,
    map_expressions,
    rename_block,
    substitute,
)
from wengert.optimise.scattering import Scattering

SPREAD = 8
"""The most that sums are apart."""


def gather(module: Module) -> Module:
    """Every function with sums into neighbours gathered."""
    return _Gatherer.module(module)


@dataclass(frozen=True, slots=True)
class _Row:
    """Sums into one row of a storage, by how far beyond the loop's variable, from the first of them, they add."""

    sums: tuple[tuple[int, Accumulate], ...]

    @property
    def distances(self) -> list[int]:
        return sorted({d for d, _ in self.sums})

    @property
    def parts(self) -> list[tuple[Stmt, ...]]:
        return [tuple(s for e, s in self.sums if e == d) for d in self.distances]


class _Gatherer(Scattering):
    SHORT = 16  # the ends would be most of them

    def parts(self, loop: Loop) -> list[Stmt] | None:
        if not self.is_long(loop):
            return None
        found = scatter(loop, self.aliases, self.folded)
        if found is None:
            return None
        rows = [row for row in self._rows(loop, found) if found.again(row.parts) <= WORK]
        if not rows:
            return None
        made = [one for row in rows for one in self._gathered(loop, found, row)]
        gone = {id(s) for row in rows for _, s in row.sums}
        rest = tuple(s for s in (*found.sums, *found.stores) if id(s) not in gone)
        if rest:
            made.append(self.renamed(replace(loop, body=found.body(loop, rest))))
        return made

    def _rows(self, loop: Loop, found: Scatter) -> list[_Row]:
        """The rows into which sums at several distances go."""
        local = definitions(loop.body) | {loop.var}
        rows: dict[tuple[object, ...], list[tuple[Expr, Accumulate]]] = {}
        for s in found.sums:
            axes = [k for k, e in enumerate(s.index) if offset(e, loop.var, local) is not None]
            if len(axes) != 1:
                continue
            k = axes[0]
            shift = offset(s.index[k], loop.var, local)
            assert shift is not None
            others = tuple(canonical(e) for e in (*s.index[:k], *s.index[k + 1 :]))
            rows.setdefault((s.storage, k, others), []).append((shift, s))
        made: list[_Row] = []
        for group in rows.values():
            apart = [constant(isub(shift, group[0][0])) for shift, _ in group]
            near = [(d, s) for d, (_, s) in zip(apart, group, strict=True) if d is not None]
            row = _Row(tuple(near))
            if len(row.distances) > 1 and row.distances[-1] - row.distances[0] <= SPREAD:
                made.append(row)
        return made

    def _gathered(self, loop: Loop, found: Scatter, row: _Row) -> list[Stmt]:
        """The ends of each sum, then the loop over what all of them add to; its variable is that of the first sum."""
        assert loop.stop is not None
        least, most = row.distances[0], row.distances[-1]
        low, high = iadd(loop.start, b.i64(most)), iadd(loop.stop, b.i64(least))
        made: list[Stmt] = []
        middle: list[Stmt] = []
        sums: list[Accumulate] = []
        for d in row.distances:
            part = tuple(s for e, s in row.sums if e == d)
            body = found.body(loop, part)
            first, last = isub(low, b.i64(d)), isub(high, b.i64(d))
            if d < most:
                made.append(self._end(loop, body, loop.start, b.min_(loop.stop, first)))
            if d > least:
                made.append(self._end(loop, body, b.max_(first, last), loop.stop))
            fresh = {n: self.fresh(n) for n in sorted(found.needed(part))}
            shifted = _shifted(rename_block(body, fresh), loop.var, d)
            middle += [s for s in shifted if isinstance(s, Let)]
            sums += [s for s in shifted if isinstance(s, Accumulate)]
        middle.append(replace(sums[0], value=reduce(b.add, (s.value for s in sums))))  # all loads before the store
        return [*made, self.renamed(replace(loop, start=low, stop=high, body=tuple(middle)))]

    def _end(self, loop: Loop, body: Block, start: Expr, stop: Expr) -> Loop:
        """A few iterations, one after the other: no vectors for them."""
        return self.renamed(replace(loop, start=start, stop=stop, body=body, order="sequential"))


def _shifted(block: Block, var: str, distance: int) -> Block:
    """Statements at an earlier iteration."""
    earlier = isub(Var(var, I64), b.i64(distance))

    def tidy(x: Expr) -> Expr:
        return replace(x, index=tuple(map(canonical, x.index))) if isinstance(x, Load) else x

    def moved(e: Expr) -> Expr:
        return map_expr(tidy, substitute(e, {var: earlier}))

    def statement(s: Stmt) -> Stmt:
        return replace(s, index=tuple(map(canonical, s.index))) if isinstance(s, Accumulate) else s

    return tuple(statement(s) for s in map_expressions(block, moved))
