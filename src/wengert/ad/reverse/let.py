"""The reverse of a let: its adjoint goes to the operands of its operation, or to the element it loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.ad.rules import scalar
from wengert.ir.nodes import Let, Load, Var
from wengert.ir.walk import operands

if TYPE_CHECKING:
    from wengert.ad.reverse.sweep import Sweep


def reverse(sweep: Sweep, stmt: Let) -> None:
    if stmt.name not in sweep.p.activity.values:
        return
    adj = sweep.take(stmt.name)
    if adj is None:
        return
    value = stmt.value
    if isinstance(value, Load):
        if sweep.p.is_active(value.storage):
            sweep.add_to(value.storage, value.index, adj)
        return
    args = operands(value)
    ans = sweep.at(stmt.var)
    found = scalar.adjoints(
        sweep.e,
        sweep.at(value),
        ans if isinstance(ans, Var) else stmt.var,
        adj,
        tuple(sweep.is_active_value(a) for a in args),
        stmt.name in sweep.uncertain,
        stmt.name in sweep.steep,
    )
    for position, contribution in found:
        sweep.contribute_to(args[position], contribution)
