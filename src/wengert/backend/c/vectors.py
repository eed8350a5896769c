"""Which loops are written so that the C compiler runs their iterations in lanes of a vector (see `analysis.lanes`)."""

from __future__ import annotations

from ...analysis import lanes
from ...ir import walk
from ...ir.nodes import Accumulate, Alloc, Loop, Store
from .writer import Writer


def reductions(w: Writer, stmt: Loop) -> list[Accumulate] | None:
    """The sums that become reductions (one statement per element); None if the loop cannot run in lanes."""
    if len(w.shared.cutter.pieces(stmt.body)) > 1:
        return None
    cells = {s.buffer.name for s in walk.statements(stmt.body) if isinstance(s, Alloc)}
    if cells & w.facts.held or cells & w.facts.escaping:
        return None

    def may_meet(a: Accumulate, b: Accumulate | Store) -> bool:
        return a.value.dtype is b.value.dtype and w.facts.may_overlap(a.storage, b.storage)

    return lanes.reductions(stmt, may_meet)
