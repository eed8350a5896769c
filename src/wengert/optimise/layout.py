"""Layout: an array that only its own function sees has its axes in the order in which it is walked through.

Contract: the axes of a buffer that is allocated here are permuted, everywhere alike, if nothing uses it as a whole (no
result, view, call or library operation). The axis that moves with the innermost loop, in most of the accesses, weighted
by how deeply they are nested, becomes the last: neighbours in the loop are then neighbours in memory. Results are the
same to the last bit.

Source: M. Kandemir, A. Choudhary, J. Ramanujam, P. Banerjee, "A framework for interprocedural locality optimization
using both loop and data layout transformations", ICPP 1999 (within one function here).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from wengert.analysis.access import offset
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Expr,
    Extent,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Stmt,
    Store,
)
from wengert.ir.walk import blocks, expressions, loads, map_expr, rebuild, statements, used

LEVEL = 16
"""How many times an access counts for every loop around it."""


def layout(module: Module) -> Module:
    """Every function with its local arrays laid out as they are walked through."""
    return Module({n: _function(f) for n, f in module.functions.items()}, module.entry)


def _function(f: Function) -> Function:
    whole = set(f.results)
    local: dict[str, int] = {}
    for s in statements(f.body):
        if isinstance(s, Alloc):
            local[s.buffer.name] = s.buffer.rank
        elif not isinstance(s, (Store, Accumulate, Let, Loop, If)):
            whole |= used(s)
    candidates = {n: rank for n, rank in local.items() if rank > 1 and n not in whole}
    if not candidates:
        return f
    votes = {n: Counter[int]() for n in candidates}
    _count(f.body, None, 1, votes)
    orders = {n: order for n, v in votes.items() if (order := _order(candidates[n], v)) is not None}
    return replace(f, body=_permuted(f.body, orders)) if orders else f


def _count(block: Block, around: Loop | None, weight: int, votes: dict[str, Counter[int]]) -> None:
    """Add up which axis of which array moves with the innermost loop."""

    def vote(storage: str, index: tuple[Expr, ...]) -> None:
        if storage not in votes or around is None:
            return
        for axis, e in enumerate(index):
            if offset(e, around.var, set()) is not None:
                votes[storage][axis] += weight

    for s in block:
        for e in expressions(s):
            for x in loads(e):
                vote(x.storage, x.index)
        if isinstance(s, (Store, Accumulate)):
            vote(s.storage, s.index)
        for inner in blocks(s):
            _count(inner, s if isinstance(s, Loop) else around, weight * (LEVEL if isinstance(s, Loop) else 1), votes)


def _order(rank: int, votes: Counter[int]) -> tuple[int, ...] | None:
    """The axes in their new order; None if they are to stay."""
    if not votes:
        return None
    best = max(votes, key=lambda axis: (votes[axis], axis))
    if best == rank - 1 or votes[best] <= 2 * votes[rank - 1]:
        return None
    return (*(k for k in range(rank) if k != best), best)


def _permuted(block: Block, orders: dict[str, tuple[int, ...]]) -> Block:
    def access(x: Expr) -> Expr:
        match x:
            case Load(storage, index, dtype) if storage in orders:
                return Load(storage, tuple(index[k] for k in orders[storage]), dtype)
            case Extent(storage, axis) if storage in orders:
                return Extent(storage, orders[storage].index(axis))
            case _:
                return x

    def statement(s: Stmt) -> Stmt:
        made = rebuild(s, expr=lambda e: map_expr(access, e), block=lambda inner: tuple(map(statement, inner)))
        match made:
            case Alloc(buffer) if buffer.name in orders:
                shape = tuple(buffer.shape[k] for k in orders[buffer.name])
                return replace(made, buffer=Buffer(buffer.name, buffer.dtype, shape, buffer.strided, buffer.intent))
            case Store(storage=storage) | Accumulate(storage=storage) if storage in orders:
                return replace(made, index=tuple(made.index[k] for k in orders[storage]))
            case _:
                return made

    return tuple(map(statement, block))
