"""The reverse of a library operation: its rule, then zero for the adjoints of what it overwrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.ad.loops import each
from wengert.ad.reverse import dense
from wengert.ad.rules import table
from wengert.ad.rules.library import Operand
from wengert.ir import build as b
from wengert.ir.nodes import Buffer, Expr, LibCall, Storage

if TYPE_CHECKING:
    from wengert.ad.reverse.regions import Region
    from wengert.ad.reverse.sweep import Sweep


def reverse(sweep: Sweep, stmt: LibCall, region: Region, position: int) -> None:
    snapshots = region.snapshots.get(position)
    if snapshots is None:
        return
    rule = table.rule(stmt)
    copies: list[tuple[str, Buffer]] = []

    def operand(role: str, k: int, arg: str | Expr) -> Operand:
        snapshot = snapshots.get((role, k))
        value: Storage | None = None if snapshot is None else sweep.tapes.snapshot(sweep, snapshot)
        if not isinstance(arg, str) or not sweep.p.is_active(arg):
            return Operand(value, None)
        return Operand(value, dense.adjoint(sweep, arg, copies))

    ins = tuple(operand("in", k, a) for k, a in enumerate(stmt.ins))
    outs = tuple(operand("out", k, a) for k, a in enumerate(stmt.outs))
    if any(o.derivative is not None for o in ins) and any(o.derivative is not None for o in outs):
        rule.reverse(sweep.e, dict(stmt.attrs), ins, outs)
    dense.scatter(sweep, copies)
    for name, out in zip(stmt.outs, outs, strict=True):
        adj = out.derivative
        if adj is not None and not sweep.kept.is_first(name, None, region, position):
            shape = tuple(b.extent(adj, k) for k in range(adj.rank))
            each(sweep.e, shape, lambda i, s=adj: sweep.e.store(s, i, b.zero(s.dtype)))
