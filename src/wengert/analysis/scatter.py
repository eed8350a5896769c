"""Loops whose sums may be done apart: each in a loop of its own, in any order, and the stores at the end.

Such a loop consists of names, sums and stores. Nothing that it reads is added to in it, and what its stores overwrite
is read before, by the same iteration alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.analysis.access import accesses, common_axis, differ, moves
from wengert.analysis.alias import Aliases
from wengert.analysis.lanes import in_lanes, is_fixed
from wengert.ir.nodes import Accumulate, Let, Loop, Op, Select, Stmt, Store
from wengert.ir.walk import definitions, expressions, names_in, subexpressions

CHEAP = frozenset(
    {"add", "sub", "mul", "neg", "max", "min", "abs", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge"}
)
WORK = 40
"""The most operations that are computed again in all parts together."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """The statements of such a loop, by kind."""

    sums: tuple[Accumulate, ...]
    lets: dict[str, Let]
    stores: tuple[Store, ...]
    fixed: frozenset[str]
    """Names whose values are the same in all iterations: they are computed once, whatever the number of loops."""

    def needed(self, part: tuple[Stmt, ...]) -> set[str]:
        """The names that some of the statements depend on."""
        todo = [n for s in part for e in expressions(s) for n in names_in(e)]
        found: set[str] = set()
        while todo:
            name = todo.pop()
            if name in self.lets and name not in found:
                found.add(name)
                todo += names_in(self.lets[name].value)
        return found

    def body(self, loop: Loop, part: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        """Some of the statements of the loop with the names that they depend on, in order."""
        names, kept = self.needed(part), {id(s) for s in part}
        return tuple(s for s in loop.body if id(s) in kept or (isinstance(s, Let) and s.name in names))

    def again(self, parts: list[tuple[Stmt, ...]]) -> int:
        """The operations that are computed more than once if these are apart."""
        each = [sum(work(self.lets[n]) for n in self.needed(part) - self.fixed) for part in parts]
        return sum(each) - max(each)

    def groups(self, loop: Loop, aliases: Aliases) -> list[list[Accumulate]] | None:
        """The sums by the loops in lanes in which they can be; None if one of them can be in none."""
        local = definitions(loop.body) | {loop.var}
        groups: list[list[Accumulate]] = []
        for s in self.sums:
            if not is_fixed(s, local) and not moves(s.index, loop.var, local):
                return None
            home = next((g for g in groups if all(_get_along(s, o, local, aliases) for o in g)), None)
            if home is None:
                groups.append([s])
            else:
                home.append(s)
        return groups


def scatter(loop: Loop, aliases: Aliases, folded: set[str]) -> Scatter | None:
    """The statements of an innermost `any` loop that does not run in lanes, if its sums may be done apart."""
    sums = tuple(s for s in loop.body if isinstance(s, Accumulate))
    lets = {s.name: s for s in loop.body if isinstance(s, Let)}
    stores = tuple(s for s in loop.body if isinstance(s, Store))
    if len(sums) < 2 or len(sums) + len(lets) + len(stores) != len(loop.body) or any(s.op != "add" for s in sums):
        return None
    if in_lanes(loop, aliases) or not _stores_come_last(loop, stores, aliases, folded):
        return None
    written = {aliases.of(s.storage) for s in sums}
    if any(aliases.of(x.storage) in written for x in accesses((loop,)) if not x.writes):  # bounds, too
        return None
    if any(aliases.of(s.storage) in written for s in stores):
        return None
    return Scatter(sums, lets, stores, _fixed(loop))


def _fixed(loop: Loop) -> frozenset[str]:
    moving = {loop.var}
    written = {s.storage for s in loop.body if isinstance(s, (Store, Accumulate))}
    for s in loop.body:
        if isinstance(s, Let) and names_in(s.value) & (moving | written):
            moving.add(s.name)
    return frozenset(s.name for s in loop.body if isinstance(s, Let) and s.name not in moving)


def _get_along(a: Accumulate, b: Accumulate, local: set[str], aliases: Aliases) -> bool:
    """Whether two sums can be in one loop in lanes."""
    if aliases.of(a.storage) != aliases.of(b.storage):
        return True
    if a.storage != b.storage:
        return False
    if is_fixed(a, local) != is_fixed(b, local):  # what stays is summed apart, and added after the loop
        return True
    return a.index == b.index or (not is_fixed(a, local) and differ(a.index, b.index, local))


def _stores_come_last(loop: Loop, stores: tuple[Store, ...], aliases: Aliases, folded: set[str]) -> bool:
    """Whether every store may wait until the other parts are done: what it overwrites is read before it, in the
    same iteration only, and it is the only one."""
    local = definitions(loop.body) | {loop.var}
    for store in stores:
        c = aliases.of(store.storage)
        if c in folded:
            return False
        mine = [(k, x) for k, s in enumerate(loop.body) for x in accesses((s,)) if aliases.of(x.storage) == c]
        place = next(k for k, s in enumerate(loop.body) if s is store)
        if any(k > place or (x.writes and k != place) or x.storage != store.storage for k, x in mine):
            return False
        if common_axis([x.index for _, x in mine], loop.var, local) is None:
            return False
    return True


def work(let: Let) -> int:
    """The operations of a let, with what is dear counted so that it is never computed twice."""
    total = 0
    for x in subexpressions(let.value):
        if isinstance(x, Op):
            total += 1 if x.name in CHEAP or not x.dtype.is_inexact else WORK + 1
        elif isinstance(x, Select):
            total += 1
    return total
