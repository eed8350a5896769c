"""Cutting long function bodies into pieces, each a C function: compilers are superlinear in the length of a function.

The pieces of a function share a *frame*, a struct of the variables that more than one of them mentions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...ir import walk
from ...ir.nodes import Block, Buffer, Function, Op, Scalar, Stmt, Storage, Var
from .analysis import FunctionFacts, released

PIECE_LIMIT = 150
"""Statements per C function."""


class Cutter:
    """Cuts blocks into runs short enough for one C function. Answers are remembered by the identity of the block."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Block, list[Block], int]] = {}

    def pieces(self, block: Block) -> list[Block]:
        """`block` in runs; the block alone if it need not be cut."""
        return self._cut(block)[1]

    def _cut(self, block: Block) -> tuple[Block, list[Block], int]:
        """The block (kept alive), its runs, and the weight that it leaves in the function that contains it."""
        known = self._known.get(id(block))
        if known is None:
            known = self._known[id(block)] = self._cut_new(block)
        return known

    def _cut_new(self, block: Block) -> tuple[Block, list[Block], int]:
        weights = [self._weight(s) for s in block]
        total = sum(weights)
        if total <= PIECE_LIMIT:
            return block, [block], total
        runs: list[list[Stmt]] = [[]]
        weight = 0
        for s, w in zip(block, weights, strict=True):
            if runs[-1] and weight + w > PIECE_LIMIT:
                runs.append([])
                weight = 0
            runs[-1].append(s)
            weight += w
        return block, [tuple(run) for run in runs], len(runs)

    def _weight(self, stmt: Stmt) -> int:
        """Long expressions count more; a nested block that is cut counts one per piece."""
        operations = sum(isinstance(x, Op) for e in walk.expressions(stmt) for x in walk.subexpressions(e))
        return 1 + operations // 8 + sum(self._cut(b)[2] for b in walk.blocks(stmt))


def extents_used(storage: Storage) -> Iterator[str]:
    """Scalars that stand for extents of `storage` in index arithmetic."""
    if isinstance(storage, Buffer):
        yield from (e.name for e in storage.shape if isinstance(e, Var))


def framed(function: Function, of: FunctionFacts, cutter: Cutter) -> set[str] | None:
    """The names that more than one piece of the function mentions; None if it is not cut."""
    sharing = _Sharing(function, of, cutter)
    return sharing.shared if sharing.is_cut else None


class _Sharing:
    """Walks a function as the emission does, noting in which piece each name is defined and mentioned."""

    def __init__(self, function: Function, of: FunctionFacts, cutter: Cutter) -> None:
        self.shared: set[str] = set()
        self._of = of
        self._cutter = cutter
        self._home: dict[str, int] = {p.name: 0 for p in function.params}
        self._count = 0
        for p in function.params:
            if not isinstance(p, Scalar):
                self._use(extents_used(p), 0)
        self._block(function.body, 0, function.results)

    @property
    def is_cut(self) -> bool:
        return self._count > 0

    def _block(self, block: Block, piece: int, at_end: Iterable[str] = ()) -> None:
        runs = self._cutter.pieces(block)
        spent, number = self._of.spent(block), -1
        for k, run in enumerate(runs):
            here = piece
            if len(runs) > 1:
                self._count += 1
                here = self._count
            for s in run:
                number += 1
                self._statement(s, here)
                self._use(spent.get(number, ()), here)
            if k == len(runs) - 1:
                self._use([*released(block, self._of), *at_end], here)

    def _statement(self, stmt: Stmt, piece: int) -> None:
        name = walk.defined(stmt)
        if name is not None:
            self._home[name] = piece
        self._use(walk.used(stmt), piece)
        declared = walk.declared(stmt)
        if declared is not None:
            self._use(extents_used(declared), piece)
        for block in walk.blocks(stmt):
            self._block(block, piece)

    def _use(self, names: Iterable[str], piece: int) -> None:
        for name in names:
            if self._home.get(name, piece) != piece:
                self.shared.add(name)
            storage = self._of.storages.get(name)
            if storage is not None:
                self._use(extents_used(storage), piece)
