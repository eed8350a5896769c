"""The plan: how the reverse sweep gets each value it needs.

A pure function from a `Problem` (the demands and what is known about every definition) to a `Plan` (an answer per
demand). `solve` is the default planner; it stores what it cannot recompute from what is there:

1. what is visible is used;
2. an operation whose operands are available is recomputed, and what memory still holds (see `kept`) is loaded again;
   where both are possible, a cheap operation on what is there anyway comes first. Comparisons of computed floats are
   never recomputed: other code might round differently and take another branch;
3. anything else is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wengert.ad.reverse.regions import Definition, Prepared, Region, Snapshot, has_ref_saves
from wengert.ad.reverse.trips import Trips
from wengert.ir.nodes import Call, Cast, Const, Expr, Load, Loop, Op, Select, Var
from wengert.ir.walk import names_in, operands

Answer: TypeAlias = Literal["visible", "recomputed", "reloaded", "stored"]
Answers: TypeAlias = dict[str, Answer]

CHEAP = frozenset({"add", "sub", "mul", "neg", "real", "imag", "conj", "complex"})
"""Operations that cost less than a load that may miss the cache."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a planner may look at.

    `final` gives, for each let that memory will still hold in the reverse sweep, a load that gives its value.
    """

    definitions: dict[str, Definition]
    demands: frozenset[str]
    visible: frozenset[str]
    final: dict[str, Load]

    def operation(self, name: str) -> Expr | None:
        """The operation on scalars that gives a value again, None if there is none."""
        value = self.definitions[name].value
        return value if isinstance(value, (Op, Select, Cast, Const, Var)) else None


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
            self._answer(name)
        return self.answers

    def _answer(self, name: str) -> None:
        """Answer a demand, and what the answer needs."""
        if name in self.answers:
            return
        if name in self.problem.visible:
            self.answers[name] = "visible"
            return
        operation, load = self._operation(name), self.problem.final.get(name)
        if load is not None and not self._is_available(load):
            load = None
        if operation is not None and (load is None or (_is_cheap(operation) and self._is_at_hand(operation))):
            self.answers[name], needs = "recomputed", operation
        elif load is not None:
            self.answers[name], needs = "reloaded", load
        else:
            self.answers[name] = "stored"
            return
        for n in self._scalars(needs):
            self._answer(n)

    def _operation(self, name: str) -> Expr | None:
        """The operation that computes a value again, if it may be used and its operands are available or free."""
        value = self.problem.operation(name)
        return value if value is not None and not self._is_decision(value) and self._is_available(value) else None

    def _scalars(self, e: Expr) -> list[str]:
        """The names of lets and parameters in an operation (loop variables are always there)."""
        return sorted(n for n in names_in(e) if n in self.problem.definitions)

    def _is_at_hand(self, value: Expr) -> bool:
        """Whether all operands are there anyway."""
        return all(n in self.answers or n in self.problem.visible for n in self._scalars(value))

    def _is_available(self, value: Expr) -> bool:
        """Whether all operands are there or can be had without storing anything."""
        return all(n in self.answers or self._is_grounded(n) for n in self._scalars(value))

    def _is_grounded(self, name: str) -> bool:
        """Whether the value can be computed again from visible values and loads of what is final."""
        if name in self.problem.visible:
            return True
        if name not in self.grounded:
            self.grounded[name] = False  # definitions are not recursive; this is for safety
            load, value = self.problem.final.get(name), self.problem.operation(name)
            self.grounded[name] = (load is not None and all(map(self._is_grounded, self._scalars(load)))) or (
                value is not None and not self._is_decision(value) and all(map(self._is_grounded, self._scalars(value)))
            )
        return self.grounded[name]

    def _is_decision(self, value: Expr) -> bool:
        """Whether a discrete value is made from computed floats."""
        return not value.dtype.is_inexact and any(x.dtype.is_inexact and not self._is_exact(x) for x in operands(value))

    def _is_exact(self, e: Expr) -> bool:
        """Whether a float is read from memory, constant or visible, so that it is the same in any code."""
        if isinstance(e, Const):
            return True
        name = e.name if isinstance(e, Var) else ""
        loaded = name in self.problem.final and isinstance(self.problem.definitions[name].value, Load)
        return name in self.problem.visible or loaded


def _is_cheap(value: Expr) -> bool:
    return not value.dtype.is_inexact or not isinstance(value, Op) or value.name in CHEAP


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
    """The answers, and what follows from them."""

    answers: Answers
    final: dict[str, Load]
    """The loads for what is reloaded."""
    kept: frozenset[str]
    """Snapshots that need no copy."""
    hoisted: dict[str, Box]
    """Buffers below the top level that become parts of a buffer at the top level, to be read in the reverse sweep."""
    unchanged: frozenset[str]
    """Snapshots of what is not written in the rest of their region: if pushed, they need no copy before."""
    places: dict[str, Place]
    """Where what is stored goes."""
    sequential: set[Region] = field(default_factory=set[Region])
    """The bodies of `any` loops that must run in sequence so that they can push."""


def place(p: Prepared, items: Iterable[Item], boxes: bool) -> tuple[dict[str, Place], set[Region]]:
    """A place for each stored item; `boxes` if there is a top level that both sweeps share."""
    places: dict[str, Place] = {}
    rest: list[Item] = []
    for item in items:
        box = box_of(p, item) if boxes else None
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


def box_of(p: Prepared, item: Item) -> Box | None:
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
