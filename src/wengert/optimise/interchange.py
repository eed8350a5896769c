"""Interchange: a sequential loop moves inside the independent loop that it contains, so that one row after the other
goes through all steps, out of the cache.

Contract: `for k: for i any: ...` becomes `for i any: for k: ...` if whatever is written is, for every k, touched only
at an element that moves with i in the same way, or is only added to; `i`'s bounds must not depend on k, or on what is
written, and nothing inside may fail. Names that are computed per k are computed again for every i, so only cheap ones
may be. The order in which an element's contributions are added changes, as that of an `any` loop may.

It pays for nests (`i` and at least one loop in it): their inner loops, which run in vector lanes, stay as they are.

Source: R. Allen, K. Kennedy, "Automatic loop interchange", SIGPLAN Notices 19(6), 1984.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.access import Access, accesses, common_axis, is_plain
from wengert.analysis.alias import Aliases, analyse
from wengert.analysis.scatter import WORK, work
from wengert.ir.nodes import Alloc, Block, Function, Let, Loop, Module, Stmt
from wengert.ir.walk import definitions, loads, names_in, rebuild, statements
from wengert.optimise.fuse import is_simple


def interchange(module: Module) -> Module:
    """Every function with its sequential loops inside the independent ones."""
    aliases = analyse(module)
    functions = {n: _Interchange(f, aliases.aliases[n]).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


class _Interchange:
    def __init__(self, f: Function, aliases: Aliases) -> None:
        self.f, self.aliases = f, aliases

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        made = tuple(self._moved(rebuild(s, block=self.block)) for s in block)
        return block if made == block else made

    def _moved(self, s: Stmt) -> Stmt:
        """The nest with its independent loop outside, if it is one that may and should be."""
        if not isinstance(s, Loop) or s.order == "any" or s.cond is not None or s.stop is None or not s.body:
            return s
        *names, nest = s.body
        lets = [n for n in names if isinstance(n, Let)]
        if len(lets) != len(names) or not isinstance(nest, Loop) or not is_plain(nest):
            return s
        if not any(isinstance(x, Loop) for x in statements(nest.body)) or not self._is_legal(s, lets, nest):
            return s
        inner = replace(s, body=(*lets, *nest.body))
        return replace(nest, body=(inner,))

    def _is_legal(self, loop: Loop, lets: list[Let], nest: Loop) -> bool:
        if not all(is_simple(x) and not isinstance(x, Alloc) for x in statements(loop.body)):
            return False
        touched = list(accesses(loop.body))
        written = {self.aliases.of(x.storage) for x in touched if x.writes}
        changing = {loop.var, *(x.name for x in lets)}
        bounds = [e for e in (nest.start, nest.stop) if e is not None]
        if any(names_in(e) & changing for e in bounds):
            return False
        ends = [e for e in (loop.start, loop.stop) if e is not None]  # found again for every i
        if any(self.aliases.of(x.storage) in written for e in ends for x in loads(e)):
            return False
        if sum(map(work, lets)) > WORK:
            return False
        local = definitions(loop.body) | {loop.var}
        return all(
            self._is_apart([x for x in touched if self.aliases.of(x.storage) == c], nest, local) for c in written
        )

    def _is_apart(self, both: list[Access], nest: Loop, local: set[str]) -> bool:
        """Whether iterations of the nest's loop meet nowhere in a class of storages, or only where they add."""
        if all(x.adds for x in both):
            return True
        one_name = len({x.storage for x in both}) == 1
        return one_name and common_axis([x.index for x in both], nest.var, local) is not None
