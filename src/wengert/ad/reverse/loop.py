"""The reverse of a loop: the same iterations, backwards unless they may run in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.ir import build as b
from wengert.ir.nodes import Block, Expr, Let, Loop, Var
from wengert.ir.types import I64

if TYPE_CHECKING:
    from wengert.ad.reverse.regions import Region
    from wengert.ad.reverse.sweep import Sweep


def reverse(sweep: Sweep, stmt: Loop, body: Region, count: str | None) -> None:
    """`count` names the number of iterations, for loops whose header does not give it.

    With a step other than 1 and -1 the reverse counts iterations k down and derives the variable.
    """
    start = sweep.at(stmt.start)
    var = Var(sweep.e.fresh(stmt.var), I64)
    sweep.env[stmt.var] = var
    sequential = stmt.order == "sequential" or body in sweep.sequential
    by_count = count is not None or (sequential and abs(stmt.step) != 1)
    with sweep.e.at(stmt.span), sweep.e.collect() as before:
        sweep.tapes.before_loop(sweep, body)
    inside = sweep.region(body)
    if not inside:
        return
    sweep.e.emit(*before)
    with sweep.e.at(stmt.span):
        if by_count:
            _emit_counted(sweep, stmt, var, start, count, inside)
        else:
            assert stmt.stop is not None
            stop = sweep.at(stmt.stop)
            if sequential:
                first, last, step = b.sub(stop, stmt.step), b.sub(start, stmt.step), -stmt.step
                sweep.e.emit(Loop(var.name, first, last, inside, step, "sequential", None, stmt.span))
            else:
                sweep.e.emit(Loop(var.name, start, stop, inside, stmt.step, "any", None, stmt.span))
        sweep.tapes.after_loop(sweep, body)


def _emit_counted(sweep: Sweep, stmt: Loop, var: Var, start: Expr, count: str | None, inside: Block) -> None:
    """for k from the last iteration to the first: var = start + k * step; the reverse of the body."""
    trips = sweep.at(Var(count, I64)) if count is not None else _trips(stmt, start, sweep)
    k = Var(sweep.e.fresh(f"{stmt.var}_iteration"), I64)
    value = Let(var.name, b.add(start, b.mul(k, stmt.step)), stmt.span)
    sweep.e.emit(Loop(k.name, b.sub(trips, 1), b.i64(-1), (value, *inside), -1, "sequential", None, stmt.span))


def _trips(stmt: Loop, start: Expr, sweep: Sweep) -> Expr:
    """The number of iterations: the distance over the step, rounded up (0 or less if there are none)."""
    assert stmt.stop is not None
    stop = sweep.at(stmt.stop)
    distance = b.sub(stop, start) if stmt.step > 0 else b.sub(start, stop)
    return b.op("floordiv", b.add(distance, abs(stmt.step) - 1), abs(stmt.step))
