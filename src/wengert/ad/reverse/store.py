"""The reverse of stores.

s[i] = v: v_adj += s_adj[i], then s_adj[i] = 0 (the old content has no influence), unless nothing looks at it any more.
s[i] += v: v_adj += s_adj[i].
s[i] max= v, which took the new value or not: one of the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.ir import build as b
from wengert.ir.nodes import Accumulate, Expr, Storage, Store, Var
from wengert.ir.types import BOOL

if TYPE_CHECKING:
    from wengert.ad.reverse.regions import Region
    from wengert.ad.reverse.sweep import Sweep


def reverse_store(sweep: Sweep, stmt: Store, region: Region, position: int) -> None:
    if not sweep.p.is_active(stmt.storage):
        return
    target, index = sweep.element(stmt.storage, stmt.index)
    if sweep.is_active_value(stmt.value):
        sweep.contribute_to(stmt.value, _adjoint(sweep, target, index))
    if not sweep.kept.is_first(stmt.storage, stmt.index, region, position):
        sweep.e.store(target, index, b.zero(stmt.value.dtype))


def reverse_accumulate(sweep: Sweep, stmt: Accumulate, took: str | None) -> None:
    if not sweep.p.is_active(stmt.storage):
        return
    target, index = sweep.element(stmt.storage, stmt.index)
    active = sweep.is_active_value(stmt.value)
    if took is None:
        if active:
            sweep.contribute_to(stmt.value, _adjoint(sweep, target, index))
        return
    adj, zero = _adjoint(sweep, target, index), b.zero(stmt.value.dtype)
    taken = sweep.at(Var(took, BOOL))
    if active:
        sweep.contribute_to(stmt.value, b.select(taken, adj, zero))
    sweep.e.store(target, index, b.select(taken, zero, adj))


def _adjoint(sweep: Sweep, target: Storage, index: tuple[Expr, ...]) -> Expr:
    """The adjoint of an element at this point, named because it may change after."""
    return sweep.e.let(f"{target.name}_at", b.load(target, index))
