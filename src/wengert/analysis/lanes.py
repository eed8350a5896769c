"""Whether the iterations of an innermost `any` loop can run in lanes of a vector.

Its stores are apart by the rule of the IR. What it accumulates must be of two kinds: sums into elements that are the
same in all iterations (reductions: collected apart and added at the end, so whatever is only added to may be among
them), or elements that move with the loop variable.
"""

from __future__ import annotations

from collections.abc import Callable

from wengert.analysis.access import differ, moves
from wengert.analysis.alias import Aliases
from wengert.ir.nodes import Accumulate, Alloc, Expr, If, Let, Loop, Op, Stmt, Store
from wengert.ir.ops import CHECKED
from wengert.ir.walk import definitions, expressions, loads, names_in, statements, subexpressions

MayMeet = Callable[[Accumulate, Accumulate | Store], bool]
"""Whether two statements that name different storages may write one element."""

Index = tuple[Expr, ...]


def in_lanes(loop: Loop, aliases: Aliases) -> bool:
    return reductions(loop, lambda a, b: aliases.of(a.storage) == aliases.of(b.storage)) is not None


def reductions(loop: Loop, may_meet: MayMeet) -> list[Accumulate] | None:
    """The sums that become reductions (one statement per element); None if the loop cannot run in lanes."""
    local = definitions(loop.body) | {loop.var}
    body = list(statements(loop.body))
    if not all(_is_simple(s) for s in body):
        return None
    stored = [s for s in body if isinstance(s, Store) and s.storage not in local]
    sums: dict[tuple[str, Index], Accumulate] = {}
    moving: list[Accumulate] = []
    for s in body:
        if not isinstance(s, Accumulate) or s.storage in local:
            continue
        if s.op != "add":
            return None
        if is_fixed(s, local):
            sums.setdefault((s.storage, s.index), s)
        elif moves(s.index, loop.var, local):
            moving.append(s)
        else:
            return None
    return list(sums.values()) if _apart(list(sums.values()), moving, stored, body, local, may_meet) else None


def is_fixed(s: Accumulate, local: set[str]) -> bool:
    """Whether the index is the same in all iterations, whatever they store."""
    return not any(names_in(e) & local or any(loads(e)) for e in s.index)


def _is_simple(s: Stmt) -> bool:
    """Whether a statement neither leaves the loop nor needs memory beyond a cell."""
    if any(isinstance(x, Op) and x.name in CHECKED for e in expressions(s) for x in subexpressions(e)):
        return False
    if isinstance(s, Alloc):
        return not s.buffer.shape
    return isinstance(s, (Let, Store, Accumulate, If))


def _apart(
    sums: list[Accumulate],
    moving: list[Accumulate],
    stored: list[Store],
    body: list[Stmt],
    local: set[str],
    may_meet: MayMeet,
) -> bool:
    """Whether what is accumulated meets nothing else that the loop touches, in another iteration."""
    loaded = {x.storage for t in body for e in expressions(t) for x in loads(e)} if sums else set[str]()
    for s in sums:
        if s.storage in loaded or any(o.storage == s.storage or may_meet(s, o) for o in stored):
            return False
    for k, s in enumerate(moving):
        for o in (*moving[:k], *moving[k + 1 :], *stored):
            if o.storage == s.storage:
                if o.index != s.index and not differ(o.index, s.index, local):
                    return False
            elif may_meet(s, o):
                return False
    return True
