"""Sinking: arrays, and views, are made where they are used first.

The backend gives an array's memory back where it is used last; made where it is used first, it takes memory for no
longer than it must. The adjoints of a long program's arrays are not all there from the start of the reverse sweep on.

Contract: an allocation, and a view of an array, moves down its block to the first statement that mentions it; if its
extents, and where the view starts, are numbers, names and operations on these, which stay what they are. Numbers
(rank 0) stay where they are: they take no memory. Views that nothing mentions are left out.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.access import looks
from wengert.ir.nodes import Alloc, Block, Buffer, Function, Module, Stmt, Storage, View
from wengert.ir.walk import expressions, rebuild, statements, storages, used


def sink(module: Module) -> Module:
    """Every function with its allocations moved to the first use."""
    return Module({n: _sunk(f) for n, f in module.functions.items()}, module.entry)


def _sunk(f: Function) -> Function:
    body = _Sinking(storages(f), f.results).block(f.body)
    return f if body is f.body else replace(f, body=body)


class _Sinking:
    def __init__(self, storages: dict[str, Storage], results: tuple[str, ...]) -> None:
        self.storages, self.results = storages, results

    def block(self, block: Block) -> Block:
        made = tuple(rebuild(s, block=self.block) for s in block)
        waiting: dict[str, Alloc | View] = {}
        out: list[Stmt] = []

        def need(name: str) -> None:
            stmt = waiting.pop(name, None)
            if stmt is not None:
                if isinstance(stmt, View):
                    need(stmt.base)
                out.append(stmt)

        for s in made:
            if isinstance(s, (Alloc, View)) and self._moves(s):
                waiting[s.buffer.name] = s
                continue
            if waiting:
                names = {n for x in statements((s,)) for n in used(x)}
                for n in [n for n in waiting if n in names]:
                    need(n)
            out.append(s)
        for n, s in list(waiting.items()):
            if isinstance(s, Alloc) or n in self.results:
                need(n)
        return block if tuple(out) == block else tuple(out)

    def _moves(self, s: Alloc | View) -> bool:
        if any(map(looks, expressions(s))) or not s.buffer.shape:
            return False
        return isinstance(s, Alloc) or isinstance(self.storages[s.base], Buffer)
