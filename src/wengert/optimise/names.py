"""Names a reader recognises: the user's where a value was bound to a name, the shortest free ones elsewhere.

Contract: only the names of lets, loop variables and local storages change; parameters and functions keep theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from wengert.ir.nodes import Function, Loop, Module
from wengert.ir.walk import defined, rename_block, statements, unused

_NUMBERED = re.compile(r"(_\d+)+$")


def tidy_names(module: Module, wanted: Mapping[str, str]) -> Module:
    """`wanted` gives the user's name of a staged one, if it has one."""
    functions = {n: _function(f, wanted) for n, f in module.functions.items()}
    return Module(functions, module.entry)


def _function(f: Function, wanted: Mapping[str, str]) -> Function:
    taken = {p.name for p in f.params}
    names: dict[str, str] = {}
    for s in statements(f.body):
        old = s.var if isinstance(s, Loop) else defined(s)
        if old is None or old in names:
            continue
        base = wanted.get(old) or _NUMBERED.sub("", old)
        new = unused(base, taken)
        taken.add(new)
        names[old] = new
    results = tuple(names.get(r, r) for r in f.results)
    return replace(f, body=rename_block(f.body, names), results=results)
