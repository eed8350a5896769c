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

from wengert.analysis.scatter import WORK, scatter
from wengert.ir.nodes import Accumulate, Loop, Module, Stmt, Store
from wengert.optimise.scattering import Scattering

PARTS = 8


def split(module: Module) -> Module:
    """Every function with its scattering loops split."""
    return _Splitter.module(module)


class _Splitter(Scattering):
    def parts(self, loop: Loop) -> list[Stmt] | None:
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
        first, *others = [replace(loop, body=found.body(loop, tuple(part))) for part in parts]
        return [first, *map(self.renamed, others)]
