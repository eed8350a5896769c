"""The counts of several loops that run again, chosen together: an integer linear program over menus.

Each loop offers a *menu* of items: so many slots and iterations per segment take so many *resident* bytes (the stored
states, there from the forward to the reverse sweep of the loop), so many *transient* bytes (what a segment keeps while
it is reversed) and so many seconds. One item per loop is chosen:

    minimise    sum over i, j of seconds[i, j] x[i, j]
    subject to  sum over j of x[i, j] = 1                                                      for each loop i,
                sum over i in R(p), j of resident[i, j] x[i, j]
                  + sum over j of transient[p, j] x[p, j] <= room                              for each loop p,
                x[i, j] in {0, 1},

R(p) being the loops whose states are there while p is reversed: those that lie in no other loops than p does, p
included. Seconds are for all runs of a loop's reverse sweep: a loop inside others that run step by step is reversed
once per step. All selections of few and short menus are looked at; else HiGHS solves it, in a process of its own that
is ended after a while (see `solver`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.solver import Program, solve

SECONDS = 10.0
"""How long the solver may take."""
SELECTIONS = 1_000_000
"""Up to so many selections, all are looked at."""


@dataclass(frozen=True, slots=True)
class Item:
    """A choice for one loop."""

    resident: int
    transient: int
    seconds: float
    slots: int
    length: int


@dataclass(frozen=True, slots=True)
class Menu:
    """What a loop offers; `around`: the numbers of the loops that it lies in."""

    around: frozenset[int]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Menus:
    """The problem: one item of each menu, within `room` bytes."""

    menus: tuple[Menu, ...]
    room: int

    def present(self, p: int) -> list[int]:
        """The loops whose states are there while loop p is reversed."""
        return [i for i, m in enumerate(self.menus) if m.around <= self.menus[p].around]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a selection takes: the most bytes at any time, and seconds."""

    peak: int
    seconds: float


def replay(problem: Menus, chosen: Sequence[int]) -> Taken:
    """Add up what a selection takes, loop by loop in the reverse sweep."""
    items = [m.items[j] for m, j in zip(problem.menus, chosen, strict=True)]
    peaks = [sum(items[i].resident for i in problem.present(p)) + items[p].transient for p in range(len(items))]
    return Taken(max(peaks, default=0), sum(x.seconds for x in items))


def pareto(items: Sequence[Item]) -> tuple[Item, ...]:
    """Those that no other is better than in everything."""
    kept: list[Item] = []
    for x in sorted(items, key=lambda x: (x.seconds, x.resident + x.transient, x.resident)):
        if not any(y.resident <= x.resident and y.transient <= x.transient for y in kept):
            kept.append(x)
    return tuple(kept)


def choose(problem: Menus, seconds: float = SECONDS) -> tuple[int, ...] | None:
    """The best selection; None if there is none, or none was found in time."""
    count = math.prod(len(m.items) for m in problem.menus)
    return enumerated(problem) if count <= SELECTIONS else programmed(problem, seconds)


def enumerated(problem: Menus) -> tuple[int, ...] | None:
    """The best of all selections; None if there is none."""
    n = len(problem.menus)

    def along(i: int, values: Sequence[float]) -> Any:
        return np.array(values).reshape([-1 if k == i else 1 for k in range(n)])

    resident = [along(i, [x.resident for x in m.items]) for i, m in enumerate(problem.menus)]
    times: Any = sum(along(i, [x.seconds for x in m.items]) for i, m in enumerate(problem.menus))
    times = np.broadcast_to(times, [len(m.items) for m in problem.menus]).copy()
    for p, menu in enumerate(problem.menus):
        peak: Any = sum(resident[i] for i in problem.present(p)) + along(p, [x.transient for x in menu.items])
        times[np.broadcast_to(peak > problem.room, times.shape)] = np.inf
    if not times.size or np.isinf(times.min()):
        return None
    return tuple(int(k) for k in np.unravel_index(int(times.argmin()), times.shape))


def programmed(problem: Menus, seconds: float = SECONDS) -> tuple[int, ...] | None:
    """The best selection by the integer program; None if there is none, or none was found in time."""
    sizes = [len(m.items) for m in problem.menus]
    first = [sum(sizes[:i]) for i in range(len(sizes))]
    columns = sum(sizes)
    objective = [x.seconds for m in problem.menus for x in m.items]
    rows: list[list[tuple[int, float]]] = []
    low: list[float] = []
    high: list[float] = []
    for i, n in enumerate(sizes):
        rows.append([(first[i] + j, 1.0) for j in range(n)])
        low.append(1.0)
        high.append(1.0)
    scale = max(problem.room, 1)
    for p in range(len(sizes)):
        row = [0.0] * columns
        for i in problem.present(p):
            for j, x in enumerate(problem.menus[i].items):
                row[first[i] + j] += x.resident / scale
        for j, x in enumerate(problem.menus[p].items):
            row[first[p] + j] += x.transient / scale
        rows.append([(k, v) for k, v in enumerate(row) if v])
        low.append(0.0)
        high.append(problem.room / scale)
    found = solve(Program(objective, rows, low, high), seconds)
    if found is None:
        return None
    taken = [found[first[i] : first[i] + n] for i, n in enumerate(sizes)]
    chosen = tuple(values.index(max(values)) for values in taken)
    return chosen if replay(problem, chosen).peak <= problem.room else None
