"""Making arrays again: what was made before the turn of a function and is used after it need not be there meanwhile.

An array that is chosen is let go after its last use before the turn, and made again just before its first use after it
(see `analysis.making` for the turn, and for what can be made again). What that needs is made again as well, if it is
chosen or nothing else uses it after the turn; else it stays. Where the statement that uses the array first is a nest
over the same range, the two are fused, and the array may become a number.

Contract: results are the same but for sums that are added in another order; each array is made again at most once. Not
part of the usual passes: memory limits ask for it (see `trades`).

Source: rematerialisation, as P. Briggs, K. Cooper, L. Torczon, PLDI 1992, have it for registers; for arrays of neural
networks T. Chen et al., arXiv:1604.06174, and P. Jain et al., "Checkmate", MLSys 2020.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from wengert.analysis.making import Makings
from wengert.ir.depth import deep
from wengert.ir.nodes import Alloc, Module, Reshape, Stmt, View
from wengert.ir.walk import definitions, function_names, rename_block, statements, unused, used
from wengert.optimise.contract import contract
from wengert.optimise.dce import eliminate_dead_code
from wengert.optimise.fuse import fuse_parts
from wengert.optimise.sink import sink


@deep()
def make_again(module: Module, makings: Makings, again: Collection[str], held: Collection[str] = ()) -> Module:
    """The module with these arrays of a function made again; `held` as for `Makings.schedule`."""
    made = _Rewriting(makings, again, held)
    f = replace(makings.function, body=tuple(made.out))
    module = fuse_parts(Module({**module.functions, f.name: f}, module.entry), f.name, made.parts)
    return sink(eliminate_dead_code(contract(module)))


class _Rewriting:
    def __init__(self, makings: Makings, again: Collection[str], held: Collection[str]) -> None:
        self.makings = makings
        self.taken = function_names(makings.function)
        self.now: dict[str, str] = {}
        """What arrays and views are called at this place."""
        self.views: dict[str, View | Reshape] = {}
        """Those declared so far."""
        self.out: list[Stmt] = []
        self.parts: list[tuple[int, int]] = []
        """Stretches to be fused: what is made again, and the statement that it is for."""
        schedule = makings.schedule(again, held)
        moving = {name for names in schedule.values() for name in names}
        for k, s in enumerate(makings.function.body):
            first = len(self.out)
            for name in schedule.get(k, ()):
                self._make(name)
            if isinstance(s, (View, Reshape)):
                self.views[s.buffer.name] = s
                if self._root(s.base) in moving:
                    self.now[s.buffer.name] = ""  # made when it is used
                    continue
            self.out += self._renamed((s,))
            if k in schedule:
                self.parts.append((first, len(self.out)))

    def _make(self, name: str) -> None:
        made = self.makings.arrays[name]
        assert made.block is not None
        fresh = self._fresh(name)
        self._forget(name)
        self.now[name] = fresh
        self.out.append(Alloc(replace(made.buffer, name=fresh), made.alloc.zero, made.alloc.span))
        inside = {n: self._fresh(n) for n in sorted(definitions(made.block))}
        self.out += rename_block(self._renamed(made.block), inside)

    def _forget(self, name: str) -> None:
        """Views of an array that is made again are made again when they are used."""
        for view in self.views:
            if self._root(view) == name:
                self.now[view] = ""

    def _renamed(self, block: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        """Statements in terms of what is there now; views of what was made again are made before them."""
        names = sorted({n for s in statements(block) for n in used(s)})
        for n in names:
            self._view(n)
        mine = {n: self.now[n] for n in names if n in self.now}
        return rename_block(block, mine) if mine else block

    def _view(self, name: str) -> None:
        if self.now.get(name) != "":
            return
        stmt = self.views[name]
        self._view(stmt.base)
        self.now[name] = self._fresh(name)
        mine = {n: self.now[n] for n in (name, stmt.base) if n in self.now}
        self.out += rename_block((stmt,), mine)

    def _root(self, name: str) -> str:
        while name in self.views:
            name = self.views[name].base
        return name

    def _fresh(self, name: str) -> str:
        made = unused(f"{name}_again", self.taken)
        self.taken.add(made)
        return made
