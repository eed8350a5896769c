"""Derivatives of max= and min=: which accumulation took the new value, and the order that makes that well defined."""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.activity import Activity
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Accumulate, Alloc, Block, Let, Loop, Stmt, Var
from wengert.ir.walk import definitions, map_statements, statements


def took_new(e: Emitter, stmt: Accumulate) -> Var:
    """A condition, before the statement, on which it stores its new value (an old NaN and ties keep the old one)."""
    old = e.let(f"{stmt.storage}_old", b.load(stmt.storage, stmt.index, stmt.value.dtype))
    better = b.gt(stmt.value, old) if stmt.op == "max" else b.lt(stmt.value, old)
    took = Let(e.fresh(f"{stmt.storage}_took"), b.or_(better, b.op("isnan", stmt.value)), stmt.span)
    e.emit(took)
    return took.var


def sequentialise(block: Block, activity: Activity) -> Block:
    """`any` loops in which active max= or min= of several iterations may meet made sequential.

    Iterations that subscript with their loop's variable itself cannot meet.
    """

    def meets(loop: Loop) -> bool:
        inside = definitions(loop.body)
        own = {s.buffer.name for s in statements(loop.body) if isinstance(s, Alloc)}
        return any(
            isinstance(s, Accumulate)
            and s.op != "add"
            and s.storage in activity.storages
            and s.storage not in own
            and (s.storage in inside or not any(isinstance(i, Var) and i.name == loop.var for i in s.index))
            for s in statements(loop.body)
        )

    def visit(stmt: Stmt) -> Block:
        if isinstance(stmt, Loop) and stmt.order == "any" and meets(stmt):
            return (replace(stmt, order="sequential"),)
        return (stmt,)

    return map_statements(block, visit)
