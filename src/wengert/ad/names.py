"""The functions of a derivative module: naming, memoisation, and what must come along."""

from __future__ import annotations

from collections.abc import Iterable

from wengert.ir.nodes import Function, Module
from wengert.ir.walk import callees


def fresh_function(hint: str, taken: Iterable[str]) -> str:
    """`hint`, or `hint_1`, `hint_2` ... if it is taken."""
    names, name, n = set(taken), hint, 0
    while name in names:
        n += 1
        name = f"{hint}_{n}"
    return name


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
