"""The functions of a derivative module: what must come along."""

from __future__ import annotations

from wengert.ir.nodes import Function, Module
from wengert.ir.walk import callees


def reachable(functions: dict[str, Function], entry: str) -> Module:
    """The module of `entry` and all it calls, directly or not."""
    found: dict[str, Function] = {}
    todo = [entry]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = functions[name]
            todo += sorted(callees(functions[name]))
    return Module(found, entry)
