"""Instances of the statements of a loop: when they run, and whether two of them may touch one element.

An instance is a statement with values of the variables of the loops around it. One is *before* another if, at the
outermost of the loops around both in which they are at different turns, its turn comes first, or, if there is none,
its text does. Two accesses of one storage are told apart by proving that their subscripts differ at some axis, from
the ranges of the loops (`Facts`). In another turn of an `any` loop no instance touches what this one stores or reads
(a rule of the IR).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wengert.analysis.affine import Facts, canonical, iadd, isub
from wengert.analysis.alias import AliasAnalysis, Aliases
from wengert.ir.nodes import (
    ONE,
    Accumulate,
    Block,
    Buffer,
    Expr,
    Extent,
    If,
    Let,
    Load,
    Loop,
    Reshape,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from wengert.ir.types import I64
from wengert.ir.walk import (
    blocks,
    declared,
    defined,
    expressions,
    loads,
    names_in,
    reads,
    subexpressions,
    substitute,
    unused,
)

When: TypeAlias = Literal["before", "after", "ever"]
Kind: TypeAlias = Literal["load", "store", "add", "whole"]
Index: TypeAlias = tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A statement, the loops around it from the given one on, and where it stands in the text."""

    stmt: Stmt
    loops: tuple[Loop, ...]
    place: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Touch:
    """What a statement does to a storage: at one element, or (`whole`) wherever it likes."""

    site: Site
    kind: Kind
    storage: str
    index: Index


def bounds(loop: Loop) -> tuple[Expr, Expr] | None:
    """The range [low, high) that a loop's variable stays in; None if it has no end."""
    if loop.stop is None:
        return None
    if loop.step > 0:
        return loop.start, loop.stop
    return iadd(loop.stop, ONE), iadd(loop.start, ONE)


class Instances:
    """The statements of a loop, whose variable is at the first level. `known`: what holds outside of it."""

    def __init__(
        self,
        loop: Loop,
        storages: Mapping[str, Storage],
        aliases: Aliases,
        calls: AliasAnalysis,
        folded: set[str],
        known: Facts,
    ) -> None:
        self.loop, self.storages, self.aliases, self.folded, self.known = loop, storages, aliases, folded, known
        self.sites = list(_sites(loop.body, (loop,), ()))
        self.lets = {s.stmt.name: s for s in self.sites if isinstance(s.stmt, Let)}
        self.local = {d.name: s for s in self.sites if (d := declared(s.stmt)) is not None}
        self.inside = {n for s in self.sites if (n := defined(s.stmt)) is not None} | {loop.var}
        self.variables = {s.stmt.var for s in self.sites if isinstance(s.stmt, Loop)} | {loop.var}
        self.touches: dict[str, list[Touch]] = {}
        for s in (Site(loop, (), ()), *self.sites):
            for t in _touches(s, calls):
                self.touches.setdefault(aliases.of(t.storage), []).append(t)
        self._resolved: dict[Expr, Expr | None] = {}
        self._facts: dict[tuple[int, ...], tuple[Facts, dict[str, Expr]]] = {}
        self._taken = names_of(known) | self.inside

    # -- integers

    def resolved(self, e: Expr) -> Expr | None:
        """An integer expression in terms of loop variables and names from outside; None if it depends on memory."""
        if e not in self._resolved:
            self._resolved[e] = self._resolve(e)
        return self._resolved[e]

    def _resolve(self, e: Expr) -> Expr | None:
        values: dict[str, Expr] = {}
        for x in subexpressions(e):
            if isinstance(x, Load) or (isinstance(x, Extent) and not self._is_fixed(x.storage)):
                return None
            if isinstance(x, Var) and x.name in self.inside and x.name not in self.variables:
                site = self.lets.get(x.name)
                value = self.resolved(site.stmt.value) if site is not None and isinstance(site.stmt, Let) else None
                if value is None:
                    return None
                values[x.name] = value
        return canonical(substitute(e, values) if values else e)

    def _is_fixed(self, storage: str) -> bool:
        return storage not in self.inside and isinstance(self.storages.get(storage), Buffer)

    def range(self, loop: Loop) -> tuple[Expr, Expr] | None:
        """The range of a loop's variable, in terms of the loops around it."""
        found = bounds(loop)
        low, high = (None, None) if found is None else map(self.resolved, found)
        return None if low is None or high is None else (low, high)

    # -- who meets whom

    def meets(self, site: Site, storage: str, index: Index, other: Touch, when: When, level: int = 0) -> bool:
        """Whether an instance of `other` before (after) one of `site` may touch the element, both being at the same
        turns of the first `level` loops."""
        if other.kind == "whole" or other.storage != storage or self.aliases.of(storage) in self.folded:
            return self._is_ever(site, other.site, when, level)
        mine = [self.resolved(e) for e in index]
        theirs = [self.resolved(e) for e in other.index]
        for m in range(level, _common(site, other.site) + 1):
            for direction in self._directions(site, other.site, m, when):
                facts, names = self._situation(site, other.site, m, direction)
                pairs = zip(mine, theirs, strict=True)
                if not any(a and b and _differ(facts, a, substitute(b, names)) for a, b in pairs):
                    return True
        return False

    def _is_ever(self, site: Site, other: Site, when: When, level: int) -> bool:
        return any(self._directions(site, other, m, when) for m in range(level, _common(site, other) + 1))

    def _directions(self, site: Site, other: Site, m: int, when: When) -> list[int]:
        """How the other's turn of loop m may lie to this one's: -1 below, 1 above; 0: all loops at the same turn."""
        if m == _common(site, other):
            if other is site:
                return []
            return [0] if when == "ever" or (other.place < site.place) == (when == "before") else []
        loop = site.loops[m]
        if loop.order == "any":
            return []
        if when == "ever":
            return [-1, 1]
        return [-1 if (when == "before") == (loop.step > 0) else 1]

    def _situation(self, site: Site, other: Site, m: int, direction: int) -> tuple[Facts, dict[str, Expr]]:
        """What holds of the variables of two instances, and the names of those of the other."""
        key = (id(site), id(other), m, direction)
        if key in self._facts:
            return self._facts[key]
        facts = Facts(dict(self.known.bounds))
        names: dict[str, Expr] = {}
        common = _common(site, other)
        for k, loop in enumerate(site.loops):
            self._assume(facts, loop, Var(loop.var, I64), {})
            if k == m and k < common:
                var = Var(unused(f"{loop.var}'", self._taken), I64)
                names[loop.var] = var
                self._assume(facts, loop, var, names)
                low, high = facts.bounds[var]
                here = Var(loop.var, I64)
                facts.assume(var, low if direction < 0 else iadd(here, ONE), isub(here, ONE) if direction < 0 else high)
        for k, loop in enumerate(other.loops):
            if k > m and k < common:
                names[loop.var] = Var(unused(f"{loop.var}'", self._taken), I64)
            if k > m or k >= common:
                var = names.get(loop.var, Var(loop.var, I64))
                self._assume(facts, loop, var, names)
        self._facts[key] = facts, names
        return facts, names

    def _assume(self, facts: Facts, loop: Loop, var: Expr, names: Mapping[str, Expr]) -> None:
        found = self.range(loop)
        if found is None:
            facts.assume(var, None, None)
        else:
            low, high = (substitute(e, names) for e in found)
            facts.assume(var, low, isub(high, ONE))

    def facts(self, loops: Iterable[Loop]) -> Facts:
        """What holds of the variables of some loops, outermost first."""
        facts = Facts(dict(self.known.bounds))
        for loop in loops:
            self._assume(facts, loop, Var(loop.var, I64), {})
        return facts


def names_of(facts: Facts) -> set[str]:
    return {n for atom in facts.bounds for n in names_in(atom)}


def _differ(facts: Facts, a: Expr, b: Expr) -> bool:
    return facts.less(a, b) or facts.less(b, a)


def _common(a: Site, b: Site) -> int:
    """How many loops are around both."""
    n = 0
    for x, y in zip(a.loops, b.loops, strict=False):
        if x is not y:
            break
        n += 1
    return n


def _sites(block: Block, loops: tuple[Loop, ...], place: tuple[int, ...]) -> Iterator[Site]:
    for k, stmt in enumerate(block):
        here = (*place, k)
        yield Site(stmt, loops, here)
        inner = (*loops, stmt) if isinstance(stmt, Loop) else loops
        for n, nested in enumerate(blocks(stmt)):
            yield from _sites(nested, inner, (*here, n))


def _touches(site: Site, calls: AliasAnalysis) -> Iterator[Touch]:
    stmt = site.stmt
    turn = site
    if isinstance(stmt, Loop) and stmt.cond is not None:  # looks at memory before each turn
        turn = Site(stmt, (*site.loops, stmt), (*site.place, 0, -1) if site.loops else (-1,))
    for e in expressions(stmt):
        for x in loads(e):
            yield Touch(turn, "load", x.storage, x.index)
    match stmt:
        case Store(storage, index):
            yield Touch(site, "store", storage, index)
        case Accumulate(storage, index, op=op):
            yield Touch(site, "add" if op == "add" else "store", storage, index)
        case Let() | Loop() | If() | View() | Reshape():
            pass
        case _:
            for name in calls.targets(stmt) | reads(stmt):
                yield Touch(site, "whole", name, ())
