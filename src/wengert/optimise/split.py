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

from wengert.analysis.access import folded, is_plain
from wengert.analysis.alias import Aliases, analyse
from wengert.analysis.scatter import WORK, scatter
from wengert.ir.nodes import Accumulate, Block, Function, Let, Loop, Module, Stmt, Store
from wengert.ir.walk import function_names, rebuild, rename_block, unused

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
        found = scatter(loop, self.aliases, self.folded)
        if found is None:
            return None
        groups = found.groups(loop, self.aliases)
        if groups is None:
            return None
        parts: list[list[Accumulate | Store]] = [list(g) for g in groups]
        parts[-1] += found.stores
        if len(parts) > PARTS or found.again([tuple(p) for p in parts]) > WORK:
            return None
        needs = [found.needed(tuple(part)) for part in parts]
        return [self._part(loop, part, names, k == 0) for k, (part, names) in enumerate(zip(parts, needs, strict=True))]

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
