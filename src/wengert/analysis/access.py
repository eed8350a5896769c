"""Which elements statements touch: accesses with their subscripts, and whether two of them meet in one iteration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from wengert.analysis.affine import canonical, constant, isub
from wengert.analysis.alias import AliasAnalysis, Aliases
from wengert.ir.nodes import Accumulate, Block, Buffer, Const, Expr, Extent, Load, Loop, Stmt, Storage, Store, Var, View
from wengert.ir.types import I64
from wengert.ir.walk import (
    defined,
    definitions,
    expressions,
    loads,
    map_expr,
    names_in,
    reads,
    statements,
    subexpressions,
    used,
)


@dataclass(frozen=True, slots=True)
class Access:
    """An element that a statement loads or writes; `adds`: it only adds to it."""

    storage: str
    index: tuple[Expr, ...]
    writes: bool
    adds: bool = False


def accesses(block: Block) -> Iterator[Access]:
    """The loads, stores and accumulations of a block, nested ones included."""
    for stmt in statements(block):
        for e in expressions(stmt):
            for load in loads(e):
                yield Access(load.storage, load.index, False)
        if isinstance(stmt, (Store, Accumulate)):
            yield Access(stmt.storage, stmt.index, True, isinstance(stmt, Accumulate) and stmt.op == "add")


def is_plain(loop: Loop) -> bool:
    """An `any` loop with an end, that runs to it."""
    return loop.order == "any" and loop.cond is None and loop.stop is not None


def offset(e: Expr, var: str, local: set[str]) -> Expr | None:
    """What a subscript is beyond a loop's variable, if that does not change in the loop; else None."""
    rest = isub(e, Var(var, I64))
    names = names_in(rest)
    return None if var in names or names & local or looks(rest) else canonical(rest)


def looks(e: Expr) -> bool:
    """Whether an expression may change while its names do not: it loads, or asks for the length of a list."""
    return any(isinstance(x, (Load, Extent)) for x in subexpressions(e))


class Extents:
    """Extents of arrays, which stay what they were declared with."""

    def __init__(self, storages: Mapping[str, Storage]) -> None:
        self.storages = storages

    def resolved(self, e: Expr) -> Expr:
        """An expression without the extents of arrays whose declaration does not look at memory."""

        def value(x: Expr) -> Expr:
            if not isinstance(x, Extent):
                return x
            storage = self.storages.get(x.storage)
            if not isinstance(storage, Buffer):
                return x
            found = self.resolved(storage.shape[x.axis])
            return x if looks(found) else found

        return map_expr(value, e)


def common_axis(indices: Iterable[tuple[Expr, ...]], var: str, local: set[str]) -> int | None:
    """An axis at which all subscripts are the loop's variable plus the same: what iterations touch is apart."""
    rows = list(indices)
    for k in range(min((len(r) for r in rows), default=0)):
        found = {offset(r[k], var, local) for r in rows}
        if len(found) == 1 and None not in found:
            return k
    return None


def moves(index: tuple[Expr, ...], var: str, local: set[str]) -> bool:
    """Whether every turn has an element of its own: a subscript is the loop's variable, up or down, plus what stays."""
    return any(
        offset(e, var, local) is not None or offset(isub(Const(0, I64), e), var, local) is not None for e in index
    )


def folded(block: Block, aliases: Aliases) -> set[str]:
    """The classes of storages with views in which two subscripts may be one element (two axes along one of the base):
    there, subscripts that differ say nothing."""
    found: set[str] = set()
    for s in statements(block):
        if isinstance(s, View):
            bases = [axis for axis, _ in s.axes if axis is not None]
            if len(set(bases)) < len(bases):
                found.add(aliases.of(s.buffer.name))
    return found


def differ(a: tuple[Expr, ...], b: tuple[Expr, ...], local: set[str]) -> bool:
    """Whether two subscripts differ, by a constant, at an axis that does not change in the loop."""
    for x, y in zip(a, b, strict=True):
        gap = constant(isub(x, y))
        if gap and not (names_in(x) | names_in(y)) & local:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Effects:
    """What a statement, with all that is nested in it, depends on and changes: alias classes and names."""

    reads: frozenset[str]
    writes: frozenset[str]
    needs: frozenset[str]
    defines: frozenset[str]

    def union(self, other: Effects) -> Effects:
        """The effects of a statement that does what two do."""
        return Effects(
            self.reads | other.reads,
            self.writes | other.writes,
            self.needs | other.needs,
            self.defines | other.defines,
        )

    def before(self, other: Effects) -> bool:
        """Whether the other statement, which comes later, must stay behind this one."""
        return bool(
            self.writes & (other.reads | other.writes) or self.reads & other.writes or self.defines & other.needs
        )


def effects(stmt: Stmt, aliases: Aliases, calls: AliasAnalysis) -> Effects:
    """The effects of a statement of a function."""
    mine = (stmt,)
    inside = definitions(mine)
    touched: set[str] = set()
    written: set[str] = set()
    names: set[str] = set()
    for s in statements(mine):
        written |= {aliases.of(n) for n in calls.targets(s) if n in aliases.parent}
        touched |= {aliases.of(n) for n in reads(s) if n in aliases.parent}
        names |= used(s)
        for e in expressions(s):
            names |= names_in(e)
            touched |= {aliases.of(x.storage) for x in subexpressions(e) if isinstance(x, Extent)}
    own = defined(stmt)
    defines = frozenset[str]() if own is None else frozenset({own})
    return Effects(frozenset(touched), frozenset(written), frozenset(names - inside), defines)
