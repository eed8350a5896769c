"""The plan: how the reverse sweep gets each value it needs.

A pure function from a `Problem` (the demands and what is known about every definition) to a `Plan` (an answer per
demand). `solve` is the default planner; it stores what it cannot recompute from what is there:

1. what is visible is used;
2. an operation whose operands are available is recomputed, a *kept* load (see `kept`) repeated. Comparisons of computed
   floats are not: recomputing them in other code might round differently and take another branch;
3. anything else is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wengert.ad.reverse.regions import Definition, Prepared, Region, Snapshot, has_ref_saves
from wengert.ad.reverse.trips import Trips
from wengert.ir import build as b
from wengert.ir.nodes import Buffer, Call, Cast, Const, Expr, Load, Loop, Op, Select, Var
from wengert.ir.walk import names_in, operands

Answer: TypeAlias = Literal["visible", "recomputed", "stored"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a planner may look at.

    `final` gives, for each let that is a kept load (directly or through views), that load from a top-level storage.
    """

    definitions: dict[str, Definition]
    demands: frozenset[str]
    visible: frozenset[str]
    final: dict[str, Load]

    def value(self, name: str) -> Expr | None:
        """The operation that gives a value again, None if there is none."""
        if name in self.final:
            return self.final[name]
        value = self.definitions[name].value
        return value if isinstance(value, (Op, Select, Cast, Const, Var)) else None


Answers: TypeAlias = dict[str, Answer]


def solve(problem: Problem) -> Answers:
    """The default planner: an answer for every demand, and for all that recomputation needs in turn."""
    return _Solver(problem).solve()


class _Solver:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.answers: Answers = {}
        self.grounded: dict[str, bool] = {}

    def solve(self) -> Answers:
        order = {name: k for k, name in enumerate(self.problem.definitions)}
        for name in sorted(self.problem.demands, key=order.__getitem__):
            if name in self.problem.visible:
                self.answers[name] = "visible"
            elif self._recomputable(name):
                self._recompute(name)
            else:
                self.answers[name] = "stored"
        return self.answers

    def _scalars(self, e: Expr) -> list[str]:
        """The names of lets and parameters in an operation (loop variables are always there)."""
        return sorted(n for n in names_in(e) if n in self.problem.definitions)

    def _recomputable(self, name: str) -> bool:
        """Whether the value can be computed again from what is available or free."""
        value = self.problem.value(name)
        if value is None or (name not in self.problem.final and self._is_decision(value)):
            return False
        return all(n in self.answers or self._is_grounded(n) for n in self._scalars(value))

    def _is_grounded(self, name: str) -> bool:
        """Whether the value can be computed again from visible values and kept loads alone."""
        if name in self.problem.visible:
            return True
        if name not in self.grounded:
            value = self.problem.value(name)
            self.grounded[name] = (
                value is not None
                and (name in self.problem.final or not self._is_decision(value))
                and all(self._is_grounded(n) for n in self._scalars(value))
            )
        return self.grounded[name]

    def _is_decision(self, value: Expr) -> bool:
        """Whether a discrete value is made from computed floats."""
        return not value.dtype.is_inexact and any(x.dtype.is_inexact and not self._is_exact(x) for x in operands(value))

    def _is_exact(self, e: Expr) -> bool:
        """Whether a float is read from memory, constant or visible, so that it is the same in any code."""
        return isinstance(e, Const) or (
            isinstance(e, Var) and (e.name in self.problem.visible or e.name in self.problem.final)
        )

    def _recompute(self, name: str) -> None:
        self.answers[name] = "recomputed"
        value = self.problem.value(name)
        assert value is not None
        for n in self._scalars(value):
            if n in self.problem.visible:
                self.answers[n] = "visible"
            elif n not in self.answers:
                self._recompute(n)


# -- where stored values go ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Box:
    """A buffer at the top level with an axis per loop, allocated before statement `anchor` of the root region."""

    loops: tuple[Loop, ...]
    counts: tuple[Expr, ...]
    anchor: int


@dataclass(frozen=True, slots=True)
class Push:
    """Pushed at the end of its region."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Stored in the part of the stack that is reserved before the `any` loop whose body is `anchor`."""

    anchor: Region
    loops: tuple[Loop, ...]
    counts: tuple[Expr, ...]


Place: TypeAlias = Box | Push | Reserve
Item: TypeAlias = Definition | Snapshot


@dataclass
class Plan:
    """The answers, where what is stored goes, and the loops that must run in sequence so that they can push."""

    answers: Answers
    kept: frozenset[str]
    """Snapshots that need no copy."""
    places: dict[str, Place]
    sequential: set[Region] = field(default_factory=set[Region])


def place(p: Prepared, items: Iterable[Item], boxes: bool) -> tuple[dict[str, Place], set[Region]]:
    """A place for each stored item; `boxes` if there is a top level that both sweeps share."""
    places: dict[str, Place] = {}
    rest: list[Item] = []
    for item in items:
        box = _box(p, item) if boxes else None
        if box is None:
            rest.append(item)
        else:
            places[item.name] = box
    sequential = {r for region in p.root.tree() if _pushes(region, p) for r in region.loops()}
    while True:
        before = len(sequential)
        for item in rest:
            anchor = next((r for r in item.region.loops() if _is_any(r) and r not in sequential), None)
            found = Push() if anchor is None else _reserve(p, item, anchor)
            if found is None and anchor is not None:
                sequential.add(anchor)
            elif found is not None:
                places[item.name] = found
        if len(sequential) == before:
            return places, {r for r in sequential if _is_any(r)}


def _is_any(region: Region) -> bool:
    return region.loop is not None and region.loop.order == "any"


def _pushes(region: Region, p: Prepared) -> bool:
    """Whether a region must push on stacks whatever the plan: it saves refs, or calls active functions."""
    return has_ref_saves(region, p) or any(isinstance(s, Call) and p.active_call(s) for s in region.stmts)


def _box(p: Prepared, item: Item) -> Box | None:
    """A box, if all trip counts (and the extents of a snapshot) can be evaluated at the top level."""
    bodies = item.region.loops()
    loops = tuple(r.loop for r in bodies if r.loop is not None)
    trips = Trips(p.definitions, lambda name: _at(p, name, p.root), p.nonnegative)
    counts = trips.counts(loops)
    if counts is None:
        return None
    chain = [item.region, *item.region.ancestors()]
    nested = next((r for r in chain if r.parent is p.root), None)
    anchor = nested.position if nested is not None else item.position
    if isinstance(item, Snapshot):
        extents = [e if nested is None else trips.hoisted(e) for e in item.shape]
        if any(e is None for e in extents):
            return None
        counts = (*counts, *(e for e in extents if e is not None))
    return Box(loops, counts, anchor)


def _reserve(p: Prepared, item: Item, anchor: Region) -> Reserve | None:
    bodies = item.region.loops()
    bodies = bodies[bodies.index(anchor) :]
    loops = tuple(r.loop for r in bodies if r.loop is not None)
    outside = anchor.parent
    assert outside is not None
    trips = Trips(p.definitions, lambda name: _at(p, name, outside), p.nonnegative)
    counts = trips.counts(loops)
    if counts is None:
        return None
    if isinstance(item, Snapshot):
        extents = [trips.hoisted(e) for e in item.shape]
        if any(e is None for e in extents):
            return None
        counts = (*counts, *(e for e in extents if e is not None))
    return Reserve(anchor, loops, counts)


def _at(p: Prepared, name: str, region: Region) -> bool:
    """Whether a scalar is visible in a region (at any place inside which it is used)."""
    if name in p.definitions:
        return p.definitions[name].region in region.ancestors()
    return any(r.loop is not None and r.loop.var == name for r in region.ancestors())


# -- kept loads ----------------------------------------------------------------------------------------------


class Kept:
    """Which storages' contents at a point are still there when the reverse sweep runs."""

    def __init__(self, p: Prepared, shared_top: bool) -> None:
        self.p, self.shared_top = p, shared_top
        self._last: dict[Region, dict[str, int]] = {}

    def storage(self, storage: str, region: Region, position: int) -> bool:
        """Whether the storage lives at a top level that both sweeps share, no ref may name it, and nothing that may run
        after `position` of `region` may write it."""
        if not self.shared_top or self.p.home[storage] is not self.p.root or self.p.aliases.is_rebindable(storage):
            return False
        target = self.p.aliases.of(storage)
        inner: Region | None = region
        while inner is not None:
            first = 0 if inner.loop is not None else position
            if self._last_writes(inner).get(target, -1) >= first:
                return False
            inner, position = inner.parent, inner.position + 1
        return True

    def _last_writes(self, region: Region) -> dict[str, int]:
        """The last statement of a region that, with what is nested in it, may write each class."""
        if region not in self._last:
            analysis, aliases = self.p.flow.aliases, self.p.aliases
            last: dict[str, int] = {}
            for k, stmt in enumerate(region.stmts):
                for target in analysis.targets(stmt):
                    last[aliases.of(target)] = k
                for inner in region.inner.get(k, ()):
                    last |= dict.fromkeys(self._last_writes(inner), k)
            self._last[region] = last
        return self._last[region]

    def load(self, definition: Definition) -> Load | None:
        """The load from a top-level storage that gives the same value in the reverse sweep, None if there is none."""
        value = definition.value
        if not isinstance(value, Load):
            return None
        storage, index = resolve(self.p, value.storage, value.index)
        if not self.storage(storage, definition.region, definition.position):
            return None
        return Load(storage, index, value.dtype)


def resolve(p: Prepared, storage: str, index: tuple[Expr, ...]) -> tuple[str, tuple[Expr, ...]]:
    """The element seen through views that are declared below the top level."""
    while p.home[storage] is not p.root and storage in p.views:
        if not isinstance(p.storages[p.views[storage].base], Buffer):
            break
        storage, index = through_view(p, storage, index)
    return storage, index


def through_view(p: Prepared, storage: str, index: tuple[Expr, ...]) -> tuple[str, tuple[Expr, ...]]:
    """The element of a view's base that an element of the view is."""
    view = p.views[storage]
    places = list(view.start)
    for (axis, step), i in zip(view.axes, index, strict=True):
        if axis is not None:
            places[axis] = b.add(places[axis], b.mul(step, i))
    return view.base, tuple(places)
