"""Splitting: a loop that adds to neighbours becomes one loop per neighbour, each of which runs in vector lanes.

The adjoint of a stencil adds to x_adj[i-1], x_adj[i] and x_adj[i+1], that of a product to x_adj[i] and, in every
iteration, to x_adj[k]: in one loop, iterations meet. Contract: an innermost `any` loop of names, sums and stores is
split by where in x_adj it adds, if nothing it reads is added to in it, and what its stores overwrite is read before;
the stores go with the last part. Names are computed again in each part, so only cheap ones are. The order in which an
element's contributions are added changes, as that of an `any` loop may.

Source: distribution, as in K. Kennedy, K. McKinley (see `fuse`).
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.access import accesses, common_axis, differ, folded, is_plain
from wengert.analysis.alias import Aliases, analyse
from wengert.analysis.lanes import in_lanes, is_fixed
from wengert.ir.nodes import Accumulate, Block, Function, Let, Loop, Module, Op, Select, Stmt, Store
from wengert.ir.walk import (
    definitions,
    expressions,
    function_names,
    names_in,
    rebuild,
    rename_block,
    subexpressions,
    unused,
)

CHEAP = frozenset(
    {"add", "sub", "mul", "neg", "max", "min", "abs", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge"}
)
WORK = 40
"""The most operations that are computed again in all parts together."""
PARTS = 8


def split(module: Module) -> Module:
    """Every function with its scattering loops split."""
    aliases = analyse(module)
    functions = {n: _Splitter(f, aliases.aliases[n]).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


class _Splitter:
    def __init__(self, f: Function, aliases: Aliases) -> None:
        self.f, self.aliases, self.names = f, aliases, function_names(f)
        self.folded = folded(f.body, aliases)

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        made: list[Stmt] = []
        for s in block:
            parts = self._parts(s) if isinstance(s, Loop) and is_plain(s) else None
            made.extend(parts if parts is not None else [rebuild(s, block=self.block)])
        return block if tuple(made) == block else tuple(made)

    def _parts(self, loop: Loop) -> list[Stmt] | None:
        """The loops that a loop is split into, None if it is to stay."""
        sums = [s for s in loop.body if isinstance(s, Accumulate)]
        lets = {s.name: s for s in loop.body if isinstance(s, Let)}
        stores = [s for s in loop.body if isinstance(s, Store)]
        if len(sums) < 2 or len(sums) + len(lets) + len(stores) != len(loop.body) or any(s.op != "add" for s in sums):
            return None
        if in_lanes(loop, self.aliases) or not self._stores_come_last(loop, stores):
            return None
        local = definitions(loop.body) | {loop.var}
        written = {self.aliases.of(s.storage) for s in sums}
        if any(self.aliases.of(x.storage) in written for x in accesses((loop,)) if not x.writes):  # bounds, too
            return None
        if any(self.aliases.of(s.storage) in written for s in stores):
            return None
        groups: list[list[Accumulate]] = []
        for s in sums:
            if not is_fixed(s, local) and common_axis([s.index], loop.var, local) is None:
                return None
            home = next((g for g in groups if all(self._get_along(s, o, local) for o in g)), None)
            if home is None:
                groups.append([s])
            else:
                home.append(s)
        parts: list[list[Accumulate | Store]] = [list(g) for g in groups]
        parts[-1] += stores
        needs = [_needed(part, lets) for part in parts]
        again = [sum(work(lets[n]) for n in names) for names in needs]
        if len(parts) > PARTS or sum(again) - max(again) > WORK:
            return None
        return [self._part(loop, part, names, k == 0) for k, (part, names) in enumerate(zip(parts, needs, strict=True))]

    def _stores_come_last(self, loop: Loop, stores: list[Store]) -> bool:
        """Whether every store may wait until the other parts are done: what it overwrites is read before it, in the
        same iteration only, and it is the only one."""
        local = definitions(loop.body) | {loop.var}
        for store in stores:
            if self.aliases.of(store.storage) in self.folded:
                return False
            mine = [
                (k, x)
                for k, s in enumerate(loop.body)
                for x in accesses((s,))
                if self.aliases.of(x.storage) == self.aliases.of(store.storage)
            ]
            place = next(k for k, s in enumerate(loop.body) if s is store)
            if any(k > place or (x.writes and k != place) or x.storage != store.storage for k, x in mine):
                return False
            if common_axis([x.index for _, x in mine], loop.var, local) is None:
                return False
        return True

    def _get_along(self, a: Accumulate, b: Accumulate, local: set[str]) -> bool:
        """Whether two sums can be in one loop in lanes."""
        if self.aliases.of(a.storage) != self.aliases.of(b.storage):
            return True
        if a.storage != b.storage or is_fixed(a, local) != is_fixed(b, local):
            return False
        return a.index == b.index or (not is_fixed(a, local) and differ(a.index, b.index, local))

    def _part(self, loop: Loop, sums: list[Accumulate | Store], names: set[str], first: bool) -> Loop:
        keep = {id(s) for s in sums}
        body = tuple(s for s in loop.body if id(s) in keep or (isinstance(s, Let) and s.name in names))
        made = replace(loop, body=body)
        if first:
            return made
        fresh = {n: self._fresh(n) for n in sorted({*names, loop.var})}
        (renamed,) = rename_block((made,), fresh)
        assert isinstance(renamed, Loop)
        return renamed

    def _fresh(self, name: str) -> str:
        made = unused(name, self.names)
        self.names.add(made)
        return made


def _needed(sums: list[Accumulate | Store], lets: dict[str, Let]) -> set[str]:
    """The lets that some sums depend on."""
    todo = [n for s in sums for e in expressions(s) for n in names_in(e)]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in lets and name not in found:
            found.add(name)
            todo += names_in(lets[name].value)
    return found


def work(let: Let) -> int:
    """The operations of a let, with what is dear counted so that it is never computed twice."""
    total = 0
    for x in subexpressions(let.value):
        if isinstance(x, Op):
            total += 1 if x.name in CHEAP or not x.dtype.is_inexact else WORK + 1
        elif isinstance(x, Select):
            total += 1
    return total
