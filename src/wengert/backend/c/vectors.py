"""Whether the iterations of an innermost `any` loop can run in lanes of a vector.

Its stores are apart by the rule of the IR. What it accumulates must be of two kinds: sums into one element that the
loop does not otherwise touch (reductions), or elements that move with the loop variable.
"""

from __future__ import annotations

from ...analysis.access import differ
from ...ir import walk
from ...ir.nodes import Accumulate, Alloc, Expr, If, Let, Loop, Op, Stmt, Store, Var
from ...ir.ops import CHECKED
from .writer import Writer


def reductions(w: Writer, stmt: Loop) -> list[Accumulate] | None:
    """The sums that become reductions (one statement per storage); None if the loop cannot run in lanes."""
    local = walk.definitions(stmt.body) | {stmt.var}
    body = list(walk.statements(stmt.body))
    if len(w.shared.cutter.pieces(stmt.body)) > 1 or not all(_is_simple(w, s) for s in body):
        return None
    stored = [s for s in body if isinstance(s, Store) and s.storage not in local]
    sums: dict[str, Accumulate] = {}
    moving: list[Accumulate] = []
    for s in body:
        if not isinstance(s, Accumulate) or s.storage in local:
            continue
        if s.op != "add":
            return None
        if _is_fixed(s, local):
            if sums.setdefault(s.storage, s).index != s.index:
                return None
        elif any(_is_shifted(e, stmt.var, local) for e in s.index):
            moving.append(s)
        else:
            return None
    return list(sums.values()) if _apart(w, list(sums.values()), moving, stored, body, local) else None


def _is_simple(w: Writer, s: Stmt) -> bool:
    """Whether a statement neither leaves the loop nor needs memory of its own."""
    if any(
        isinstance(x, Op) and x.name in CHECKED for e in walk.expressions(s) for x in walk.subexpressions(e)
    ):  # fmt: skip
        return False
    if isinstance(s, Alloc):
        name = s.buffer.name
        return not s.buffer.shape and name not in w.facts.held and name not in w.facts.escaping
    return isinstance(s, (Let, Store, Accumulate, If))


def _is_fixed(s: Accumulate, local: set[str]) -> bool:
    """Whether the index is the same in all iterations, whatever they store."""
    return not any(walk.names_in(e) & local or any(walk.loads(e)) for e in s.index)


def _is_shifted(e: Expr, var: str, local: set[str]) -> bool:
    """Whether an index is the loop variable plus or minus what is fixed: then no two iterations meet."""
    match e:
        case Var(name=name):
            return name == var
        case Op(name="add" | "sub", args=(a, c)):
            return any(
                _is_shifted(x, var, local) and not walk.names_in(y) & local and not any(walk.loads(y))
                for x, y in ((a, c), (c, a))
            )
        case _:
            return False


def _apart(
    w: Writer, sums: list[Accumulate], moving: list[Accumulate], stored: list[Store], body: list[Stmt], local: set[str]
) -> bool:
    """Whether what is accumulated meets nothing else that the loop touches, in another iteration."""
    for k, s in enumerate(sums):
        others = (*sums[:k], *sums[k + 1 :], *moving, *stored)
        if any(_may_meet(w, s, o) for o in others):
            return False
        if any(x.storage == s.storage for t in body for e in walk.expressions(t) for x in walk.loads(e)):
            return False
    for k, s in enumerate(moving):
        for o in (*moving[:k], *moving[k + 1 :], *stored):
            if o.storage == s.storage:
                if o.index != s.index and not differ(o.index, s.index, local):
                    return False
            elif _may_meet(w, s, o):
                return False
    return True


def _may_meet(w: Writer, s: Accumulate, o: Accumulate | Store) -> bool:
    return s.value.dtype is o.value.dtype and w.facts.may_overlap(s.storage, o.storage)
