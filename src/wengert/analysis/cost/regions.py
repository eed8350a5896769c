"""Which parts of arrays a statement touches, in bytes, and what must come from beyond each cache.

Subscripts are linear forms of the variables of open loops. Closing a loop widens a region by the loop's range. What is
touched is the hull of what the accesses touch whose subscripts move alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import NamedTuple

from wengert.analysis.cost.machine import LINE, Machine

Terms = tuple[tuple[str, float], ...]


class Linear(NamedTuple):
    """constant + the sum of factor * variable."""

    terms: Terms
    constant: float

    def plus(self, other: Linear, factor: float = 1.0) -> Linear:
        if not other.terms:
            return Linear(self.terms, self.constant + factor * other.constant)
        made = dict(self.terms)
        for name, f in other.terms:
            made[name] = made.get(name, 0.0) + factor * f
        return Linear(_ordered(made), self.constant + factor * other.constant)

    def times(self, factor: float) -> Linear:
        return Linear(tuple((n, f * factor) for n, f in self.terms if factor), self.constant * factor)

    def factor(self, name: str) -> float:
        return next((f for n, f in self.terms if n == name), 0.0)


def _ordered(terms: Mapping[str, float]) -> Terms:
    return tuple(sorted((n, f) for n, f in terms.items() if f))


class Range(NamedTuple):
    """Subscripts at an axis: those of `terms`, plus anything from `low` to `high`."""

    terms: Terms
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Region:
    """`touches`: how many elements are touched at the most; `scattered`: in no order."""

    root: str
    axes: tuple[Range, ...]
    shape: tuple[float, ...]
    itemsize: float
    touches: float
    written: bool
    scattered: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        return self.root, self.shape, tuple(a.terms for a in self.axes)

    @property
    def size(self) -> float:
        """Bytes, whole lines."""
        spans = [min(a.high - a.low + 1.0, max(n, 1.0)) for a, n in zip(self.axes, self.shape, strict=True)]
        rows = prod(spans[:-1])
        row = spans[-1] * self.itemsize if spans else self.itemsize
        if rows == 1.0 or row < self.shape[-1] * self.itemsize:
            row = max(row, LINE) if rows == 1.0 else ceil(row / LINE) * LINE
        return min(rows * row, self.touches * LINE, max(self.whole, LINE))

    @property
    def whole(self) -> float:
        return prod(self.shape) * self.itemsize

    def joined(self, other: Region) -> Region:
        """Of the same key."""
        axes = tuple(
            Range(a.terms, min(a.low, b.low), max(a.high, b.high)) for a, b in zip(self.axes, other.axes, strict=True)
        )
        touches = self.touches + other.touches
        return replace(
            self,
            axes=axes,
            touches=touches,
            written=self.written or other.written,
            scattered=self.scattered and other.scattered,
        )

    def moves(self, var: str) -> bool:
        """Whether it depends on a loop's variable."""
        return any(name == var for a in self.axes for name, _ in a.terms)

    def closed(self, var: str, start: Linear, step: float, trips: float) -> Region:
        """What all turns of a loop touch."""
        axes: list[Range] = []
        moves = self.scattered
        for a in self.axes:
            factor = next((f for n, f in a.terms if n == var), 0.0)
            if not factor:
                axes.append(a)
                continue
            moves = True
            rest = Linear(tuple(t for t in a.terms if t[0] != var), 0.0).plus(start, factor)
            span = factor * step * (max(trips, 1.0) - 1.0)
            axes.append(
                Range(rest.terms, a.low + rest.constant + min(span, 0.0), a.high + rest.constant + max(span, 0.0))
            )
        return replace(self, axes=tuple(axes), touches=self.touches * trips if moves else self.touches)


Regions = dict[tuple[object, ...], Region]


def union(parts: Iterable[Region]) -> Regions:
    found: Regions = {}
    for r in parts:
        same = found.get(r.key)
        found[r.key] = r if same is None else same.joined(r)
    return found


class Bytes(NamedTuple):
    """Bytes only read, those of them in no order, and bytes written."""

    read: float = 0.0
    scattered: float = 0.0
    written: float = 0.0

    @property
    def total(self) -> float:
        return self.read + self.scattered + self.written

    def plus(self, other: Bytes, factor: float = 1.0) -> Bytes:
        return Bytes(*(a + factor * b for a, b in zip(self, other, strict=True)))

    def times(self, factor: float) -> Bytes:
        return Bytes(*(factor * a for a in self))

    def least(self, other: Bytes) -> Bytes:
        return self if self.total <= other.total else other


def footprint(regions: Regions) -> Bytes:
    """What is touched, each array at the most once."""
    by_root: dict[str, list[Region]] = {}
    for r in regions.values():
        by_root.setdefault(r.root, []).append(r)
    found = Bytes()
    for mine in by_root.values():
        whole = max(r.whole for r in mine)
        sizes = [r.size for r in mine]
        scale = min(1.0, max(whole, LINE) / total) if (total := sum(sizes)) else 1.0
        for r, size in zip(mine, sizes, strict=True):
            s = size * scale
            part = Bytes(0.0, 0.0, s) if r.written else Bytes(0.0, s) if r.scattered else Bytes(s)
            found = found.plus(part)
    return found


class Traffic(NamedTuple):
    """What must come from beyond each cache, the first one first."""

    beyond: tuple[Bytes, ...]

    def plus(self, other: Traffic, factor: float = 1.0) -> Traffic:
        return Traffic(tuple(a.plus(b, factor) for a, b in zip(self.beyond, other.beyond, strict=True)))

    def times(self, factor: float) -> Traffic:
        return Traffic(tuple(a.times(factor) for a in self.beyond))

    def seconds(self, machine: Machine) -> float:
        """What the caches cannot serve is read from the next one, or written to it."""
        total = 0.0
        for k, level in enumerate(machine.levels):
            here = self.beyond[k]
            if k + 1 < len(self.beyond):
                here = here.plus(self.beyond[k + 1], -1.0)
            total += max(here.read, 0.0) * level.read
            total += max(here.scattered, 0.0) * level.scattered
            total += max(here.written, 0.0) * level.write
        return total


def sizes(machine: Machine) -> tuple[float, ...]:
    """Of the caches."""
    return machine.first, *(level.size for level in machine.levels[:-1])


def nothing(machine: Machine) -> Traffic:
    return Traffic(tuple(Bytes() for _ in sizes(machine)))


def fit(size: float, cache: float) -> float:
    """How much of data of that size a cache keeps: all of it if it has room to spare, nothing if it lacks room. What
    else is in the cache, and where lines may lie in it, makes the step smooth."""
    return min(1.0, max(0.0, (1.3 - size / cache) / 0.6))


def repeated(
    body: Traffic, again: Traffic, all_turns: Bytes, per_turn: Bytes, trips: float, machine: Machine
) -> Traffic:
    """The traffic of a loop. A cache that holds what a turn touches is filled once with what all turns touch, another
    in every turn: with `body` in the first one, with `again` in one that follows another."""
    beyond: list[Bytes] = []
    for k, cache in enumerate(sizes(machine)):
        every = body.beyond[k].times(min(trips, 1.0)).plus(again.beyond[k], max(trips - 1.0, 0.0))
        kept = fit(per_turn.total, cache)
        beyond.append(all_turns.times(kept).plus(every, 1.0 - kept).least(every))
    return Traffic(tuple(beyond))


class Reuse:
    """Statements in a row: which of what one touches a cache still holds from those before it.

    Data that two statements touch lies, on average, half of each and all that is touched between them apart.
    """

    def __init__(self, machine: Machine) -> None:
        self._sizes = sizes(machine)
        self._touched = 0.0
        self._last: dict[str, float] = {}
        """By array: how much was touched, altogether, up to the middle of the statement that touched it last."""

    def next(self, regions: Regions, traffic: Traffic, moving: str = "") -> Traffic:
        """The traffic of a statement after those before. What moves with a loop's variable `moving` was not touched in
        its turn before."""
        by_root: dict[str, list[Region]] = {}
        for r in regions.values():
            by_root.setdefault(r.root, []).append(r)
        whole = footprint(regions).total
        middle = self._touched + whole / 2
        held = [Bytes() for _ in self._sizes]
        for root, mine in by_root.items():
            before = self._last.get(root)
            self._last[root] = middle
            if before is None:
                continue
            touched = footprint({r.key: r for r in mine if not r.moves(moving)})
            for k, cache in enumerate(self._sizes):
                held[k] = held[k].plus(touched, fit(middle - before, cache))
        self._touched += whole
        beyond = [
            Bytes(*(max(0.0, a - h) for a, h in zip(t, mine, strict=True)))
            for t, mine in zip(traffic.beyond, held, strict=True)
        ]
        return Traffic(tuple(beyond))


Parts = tuple[tuple[Regions, Traffic], ...]


def again(parts: Parts, moving: str, machine: Machine) -> Traffic:
    """The traffic of statements in a row that follow a run of themselves, in the next turn of a loop over `moving`."""
    reuse = Reuse(machine)
    for regions, traffic in parts:
        reuse.next(regions, traffic)
    total, seen = nothing(machine), set[str]()
    for regions, traffic in parts:
        roots = {r.root for r in regions.values()}
        total = total.plus(reuse.next(regions, traffic, "" if roots <= seen else moving))
        seen |= roots
    return total
