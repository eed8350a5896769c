"""The plan of one function: a schedule, and what follows from it.

The storage problem (`values`), a planner's schedule for it, where what is stored goes, and what is rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wengert.ad.reverse.inversion import Inverted
from wengert.ad.reverse.packing import Packing, packing
from wengert.ad.reverse.pins import Obeyed
from wengert.ad.reverse.problem import Cost
from wengert.ad.reverse.regions import Definition, Prepared, Region, Snapshot, has_ref_saves
from wengert.ad.reverse.trips import Trips, iteration
from wengert.ir.nodes import Expr, Loop

Answer: TypeAlias = Literal["visible", "recomputed", "reloaded", "stored"]
Answers: TypeAlias = dict[str, Answer]
Arguments: TypeAlias = tuple[str | None, ...]
"""For each argument of a call, the snapshot of the storage; None if it is a scalar, or what it holds is not read."""


@dataclass(frozen=True, slots=True)
class Box:
    """A buffer at the top level with an axis per loop, allocated before statement `anchor` of the root region.
    `counts`: its extents, but for what `packing` says."""

    loops: tuple[Loop, ...]
    counts: tuple[Expr, ...]
    anchor: int
    packing: Packing | None = None

    @property
    def shape(self) -> tuple[Expr, ...]:
        """The extents of the buffer."""
        return self.counts if self.packing is None else self.packing.shape(self.counts)

    def place(self, at: Callable[[Expr], Expr], inner: Sequence[Expr] = ()) -> tuple[Expr, ...]:
        """Where an element of what an iteration stores is; without one, where that begins (along the axes of the
        iterations). `at`: what stands for the loops' variables."""
        index = (*(at(iteration(loop)) for loop in self.loops), *inner)
        return index if self.packing is None else self.packing.index(index, at(self.packing.before))


@dataclass(frozen=True, slots=True)
class Push:
    """Pushed at the end of its region."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Stored in the part of the stack that is reserved before the `any` loop whose body is `anchor`."""

    anchor: Region
    loops: tuple[Loop, ...]
    counts: tuple[Expr, ...]

    def place(self, at: Callable[[Expr], Expr], inner: Sequence[Expr] = ()) -> tuple[Expr, ...]:
        """As for boxes, with all axes."""
        return (*(at(iteration(loop)) for loop in self.loops), *inner)


Place: TypeAlias = Box | Push | Reserve
Item: TypeAlias = Definition | Snapshot


@dataclass
class Replay:
    """What runs again at a point of the reverse of a region, to rebuild arrays.

    By region, the statements by position (among them the lets that are computed as the replay runs), and, inside, what
    is fetched from tapes. `inline`: lets that find the states that pass, so that they are as in the program. `uses`:
    all that this needs, and what is rebuilt on the way.
    """

    steps: dict[Region, set[int]] = field(default_factory=dict[Region, set[int]])
    gets: dict[Region, set[str]] = field(default_factory=dict[Region, set[str]])
    inline: set[str] = field(default_factory=set[str])
    uses: set[str] = field(default_factory=set[str])

    def merge(self, other: Replay) -> None:
        self.inline |= other.inline
        self.uses |= other.uses
        for region, steps in other.steps.items():
            self.steps.setdefault(region, set()).update(steps)
        for region, names in other.gets.items():
            self.gets.setdefault(region, set()).update(names)


@dataclass
class Plan:
    """The answers, and what follows from them."""

    answers: Answers
    ways: dict[str, Expr]
    """The loads for what is reloaded, and what gives the value of a load that is recomputed."""
    kept: dict[str, str]
    """Snapshots that need no copy: the storages that hold the same."""
    hoisted: dict[str, Box]
    """Arrays below the top level that become parts of a buffer at the top level, to be read in the reverse sweep."""
    ends: dict[str, str]
    """Arrays that are copied at the end of their life: the snapshot's name."""
    rebuilt: dict[tuple[Region, int], Replay]
    """Arrays that are rebuilt, by the region they live in and the point of its reverse."""
    rebuilt_arrays: frozenset[str]
    unchanged: frozenset[str]
    """Snapshots of what is not written in the rest of their region: if pushed, they need no copy before."""
    places: dict[str, Place]
    """Where what is stored goes."""
    parts: dict[str, Snapshot]
    """Snapshots that are stored of which a part is."""
    sequential: set[Region]
    """The bodies of `any` loops that must run in sequence so that they can push."""
    reruns: dict[str, Arguments]
    """Calls that run again in the reverse sweep, and what they are given then."""
    inverted: tuple[Inverted, ...]
    """Memory that is taken back."""
    late: dict[str, int]
    """What is had again only when its region's reverse has come to a point: it depends on such memory."""
    stored: dict[str, float]
    """What storing each node costs that is stored."""
    cost: Cost
    obeyed: Obeyed = field(default_factory=Obeyed)
    pinned: frozenset[str] = frozenset()
    """What the user has left one way for."""


def place(
    p: Prepared, items: Iterable[Item], boxes: bool, reruns: Container[str]
) -> tuple[dict[str, Place], set[Region]]:
    """A place for each stored item; `boxes` if there is a top level that both sweeps share, `reruns` the calls that
    store nothing."""
    places: dict[str, Place] = {}
    rest: list[Item] = []
    for item in items:
        box = box_of(p, item) if boxes else None
        if box is None:
            rest.append(item)
        else:
            places[item.name] = box
    sequential = {r for region in p.root.tree() if _pushes(region, p, reruns) for r in region.loops()}
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


def _pushes(region: Region, p: Prepared, reruns: Container[str]) -> bool:
    """Whether a region must push on stacks whatever is stored: it saves refs, or calls functions that push."""
    return has_ref_saves(region, p) or any(name not in reruns for name in region.calls.values())


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
        pairs = zip(item.extents, item.shape, strict=True)
        extents = [part if nested is None else trips.hoisted(part) or trips.hoisted(whole) for part, whole in pairs]
        if any(e is None for e in extents):
            return None
        counts = (*counts, *(e for e in extents if e is not None))
    return Box(loops, counts, anchor, packing(loops, item.extents if isinstance(item, Snapshot) else (), counts, trips))


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
