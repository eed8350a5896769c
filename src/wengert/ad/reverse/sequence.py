"""The reverse of growables: the adjoint of push is pop, of pop push, of a resize by d a resize by -d.

What a resize appends is constant, and what it removes is gone, so the adjoint it removes is dropped and the adjoint it
appends is zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.ir import build as b
from wengert.ir.nodes import Growable, Pop, Push, Resize

if TYPE_CHECKING:
    from wengert.ad.reverse.sweep import Sweep


def reverse_push(sweep: Sweep, stmt: Push) -> None:
    if sweep.p.is_active(stmt.growable):
        adj = sweep.e.pop(f"{stmt.growable}_adj_at", _adj(sweep, stmt.growable))
        sweep.contribute_to(stmt.value, adj)


def reverse_pop(sweep: Sweep, stmt: Pop) -> None:
    if sweep.p.is_active(stmt.growable):
        adj = sweep.take(stmt.name) if stmt.name in sweep.p.activity.values else None
        sweep.e.push(_adj(sweep, stmt.growable), b.zero(stmt.dtype) if adj is None else adj)


def reverse_resize(sweep: Sweep, stmt: Resize) -> None:
    if sweep.p.is_active(stmt.growable):
        sweep.e.resize(_adj(sweep, stmt.growable), b.neg(sweep.at(stmt.delta)))


def _adj(sweep: Sweep, growable: str) -> Growable:
    adj = sweep.adj(growable)
    assert isinstance(adj, Growable)
    return adj
