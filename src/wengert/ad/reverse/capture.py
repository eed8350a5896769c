"""Views that repeat what a ref names: the ref is captured first.

A view keeps naming what the ref named when the view was made. The adjoint of a repeating view is found through its
base, which must therefore not be rebound.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.ir.build import Emitter
from wengert.ir.nodes import Block, Buffer, Declare, Function, Growable, Module, Rebind, Ref, Stmt, View
from wengert.ir.walk import function_names, map_statements, storages


def capture(module: Module) -> Module:
    """Every view with a repeated axis of a ref made a view of a ref of its own."""
    return Module({name: _capture(f) for name, f in module.functions.items()}, module.entry)


def _capture(f: Function) -> Function:
    found, e = storages(f), Emitter(function_names(f))

    def visit(stmt: Stmt) -> Block:
        if not isinstance(stmt, View) or all(axis is not None for axis, _ in stmt.axes):
            return (stmt,)
        match found[stmt.base]:
            case Ref(name, dtype, rank):
                own = Ref(e.fresh(f"{name}_then"), dtype, rank)
                view = replace(stmt, base=own.name)
                return Declare(own, stmt.span), Rebind(own.name, name, stmt.span), view
            case Growable() | Buffer():
                return (stmt,)

    return replace(f, body=map_statements(f.body, visit))
