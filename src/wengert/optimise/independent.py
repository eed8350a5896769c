"""Loops whose turns do not depend on one another, though the program writes them in sequence, may take any order.

Contract: a `sequential` loop becomes an `any` loop, and one that runs down runs up. Every turn does the same; sums are
added in another order. Legal if the loop has an end and no condition, and nothing in it fails, calls or leaves it; what
it writes is its own (made in the turn), moves with the loop's variable and is touched nowhere else, or is only added to
(`analysis/parallel.py`). What comes after treats it as it does a whole-array operation: it is fused, interchanged, runs
in vector lanes and on threads.

Source: U. Banerjee, "Dependence analysis", Kluwer 1997 (loops without carried dependences are parallel).
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.access import folded
from wengert.analysis.affine import iadd
from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.analysis.parallel import sharing
from wengert.analysis.ranges import Ranges
from wengert.ir.nodes import ONE, Block, Function, Loop, Module, Stmt
from wengert.ir.walk import rebuild, statements, storages


def independent(module: Module) -> Module:
    """Every function with its independent loops marked."""
    calls = analyse(module)
    functions = {n: _Independent(f, calls).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


class _Independent:
    def __init__(self, f: Function, calls: AliasAnalysis) -> None:
        self.f = f
        self.aliases = calls.aliases[f.name]
        self.folded = folded(f.body, self.aliases)
        self.ranges = Ranges(f)
        self.storages = storages(f)

    def function(self) -> Function:
        if not any(isinstance(s, Loop) and s.order != "any" for s in statements(self.f.body)):
            return self.f
        body = self.block(self.f.body)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        return tuple(map(self.statement, block))

    def statement(self, s: Stmt) -> Stmt:
        made = rebuild(s, block=self.block)
        return _in_any_order(made) if isinstance(made, Loop) and self._is_independent(made) else made

    def _is_independent(self, loop: Loop) -> bool:
        if loop.order == "any" or loop.cond is not None or loop.stop is None or abs(loop.step) != 1:
            return False
        asked = replace(loop, order="any")
        return sharing(asked, self.storages, self.aliases, self.folded, self.ranges, lambda _: True) is not None


def _in_any_order(loop: Loop) -> Loop:
    """The loop, upwards."""
    assert loop.stop is not None
    if loop.step > 0:
        return replace(loop, order="any")
    return replace(loop, order="any", start=iadd(loop.stop, ONE), stop=iadd(loop.start, ONE), step=1)
