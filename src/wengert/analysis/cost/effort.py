"""How much a statement does, as a number that code can carry: whether a loop is worth threads is decided when it runs.

The unit is about an addition with its share of loads and stores, `UNIT` seconds on the committed machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.analysis.cost.machine import DEFAULT
from wengert.ir.nodes import Expr, Op, Stmt
from wengert.ir.walk import expressions, statements, subexpressions

UNIT = 0.2e-9
WORTH = 200_000.0
"""Units from which on threads are worth trying, some 4 us in vector lanes (`WG_WORTH` of the run-time library): about
twice what starting threads takes that are awake. Up to twenty-five times as many, which is how long it can take to wake
one on a virtual machine, loops find out by trying."""


def effort(stmt: Stmt) -> int:
    """Of a statement itself, not of what is nested in it."""
    return 1 + sum(_weight(x) for e in expressions(stmt) for x in subexpressions(e) if isinstance(x, Op))


def total(block: Sequence[Stmt]) -> float:
    """Of statements, nested ones included, each once."""
    return float(sum(map(effort, statements(tuple(block)))))


def _weight(e: Expr) -> int:
    assert isinstance(e, Op)
    rate = DEFAULT.operations.get(e.name) if e.args[0].dtype.is_inexact else None
    return 1 if rate is None else max(1, round(rate.vector / UNIT))
