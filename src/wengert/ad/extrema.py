"""Derivatives of extrema: which operand or accumulation was taken, and the order that makes that well defined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wengert.analysis.activity import Activity
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Accumulate, Alloc, Block, Expr, Function, Let, Loop, Module, Op, Stmt, Var
from wengert.ir.walk import definitions, function_names, map_statements, statements

_FIRST: dict[str, Callable[[Expr, Expr], Expr]] = {
    "max": lambda x, y: b.or_(b.ge(x, y), b.op("isnan", x)),
    "min": lambda x, y: b.or_(b.le(x, y), b.op("isnan", x)),
    "fmax": lambda x, y: b.or_(b.ge(x, y), b.op("isnan", y)),
    "fmin": lambda x, y: b.or_(b.le(x, y), b.op("isnan", y)),
}
"""When the first operand is the extremum."""


def name_choices(module: Module) -> Module:
    """Flat code with max(x, y) of floats as a named condition and a choice: all that the reverse sweep needs is the
    condition, a byte where the operands would be sixteen."""
    functions = {name: _with_choices(f) for name, f in module.functions.items()}
    return Module(functions, module.entry)


def _with_choices(f: Function) -> Function:
    e = Emitter(function_names(f))

    def visit(stmt: Stmt) -> Block:
        match stmt:
            case Let(value=Op(name=("max" | "min" | "fmax" | "fmin") as name, args=(x, y))) if x.dtype.is_float:
                with e.collect() as before, e.at(stmt.span):
                    first = e.let("first", _FIRST[name](x, y))
                return (*before, replace(stmt, value=b.select(first, x, y)))
            case _:
                return (stmt,)

    return replace(f, body=map_statements(f.body, visit))


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
