"""Which arrays of a derivative's top level are stored from its forward to its reverse sweep, and which are made again:
an integer linear program over single values, at the sizes of the call.

Every array v that is made before the turn of the code (`analysis.making`) and used after it is stored or made again.
One that nothing uses after the turn may be kept all the same, for what is made again from it. Making v again takes its
operands: each is stored, or made again then or before. Everything is made again as late as possible, and once.

Positions p are points of the code; events e are those before the first uses after the turn, q(v), where something may
be made again. Variables:

    s[v] in {0, 1}      v is stored (or, if nothing uses it after the turn, kept)
    y[v, e] in [0, 1]   v has been made again at event e or before; a[v], the last of them: it is made again at all
    z[v, e] in [0, 1]   v is there at event e, after its own last use, for others to be made again from
    m[p] >= 0           the bytes of stored arrays that wait at p
    x[e] >= 0           what making arrays again takes at e for a moment

    minimise    sum over v of seconds[v] a[v]
    subject to  s[v] + a[v] = 1                          if v is used after the turn; otherwise <= 1
                y[v, e] <= y[v, e + 1]
                y[v, e] <= sum over users w of y[w, e]   before its own first use nothing is made but for others
                y[u, e] + s[u] >= y[w, e]                u an operand of w, e before the first use of u (or u has none)
                z[u, e] >= s[u] + y[u, e] + a[w] - y[w, e - 1] - 1      u an operand of w, e after u's last use
                x[e] >= extra[v] (y[v, e] - y[v, e - 1])
                m[p] = m[p - 1] + sum of size[v] s[v] over v whose last use before the turn is at p - 1
                                - sum of size[v] s[v] over v whose first use after it is at p
                rest[p] + m[p] + x[p]
                  + sum of size[v] y[v, e] over v whose first use is after p, e the last event up to p
                  + sum of size[v] z[v, e] over v whose last use is before p, e the first event from p on
                  - sum of (size[v] - held[v]) (y[v, q] - y[v, q - 1]) over v in use at p, q = q(v)      <= room

rest[p] is the footprint of the code at p without the arrays that wait there. held[v] is 0 if v becomes a number when it
is made again just before the nest that uses it, the only one that does. extra[v]: arrays in between that nothing else
needs are made again with v. Of equal rows p the strictest is taken. With s in {0, 1} the least y, z are integers, too.

`Trades.taken` is the independent replay. Up to FEW arrays are looked at in all combinations; for more HiGHS solves the
program, in a process of its own (`solver`). The footprint of the code that results decides whether a plan is used.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import inf, isinf
from typing import Any, cast

import numpy as np

from wengert.solver import Program, solve

SECONDS = 12.0
"""How long the solver may take."""
FEW = 15
"""Up to so many arrays, all combinations are looked at."""
PROVED = 40
"""Beyond so many arrays, the best to a thousandth is good enough, and other ways than the program are tried, too."""
MANY = 300
"""Up to so many, what was found without the program is improved before the two are compared."""
IMPROVING = 4.0
"""Seconds to improve what was found without the program."""
EVENTS = 8_000
"""About how many y there are at most: beyond, arrays are made again only at the last events before their first use."""


@dataclass(frozen=True, slots=True)
class Value:
    """An array: its bytes, the seconds to make it again (inf: not possible), the numbers of its operands, the last
    position before the turn and the first and last one after it that use it (None: none does), the bytes that it takes
    from its first use on if it is made again just before, and those that making it again takes for a moment besides."""

    name: str
    size: int
    seconds: float
    operands: tuple[int, ...]
    early: int
    first: int | None
    last: int | None
    held: int
    extra: int = 0


@dataclass(frozen=True)
class Trades:
    """The problem: arrays in the order in which they are made, and the bytes that are there at every position if all
    that is used after the turn is stored."""

    values: tuple[Value, ...]
    most: tuple[int, ...]

    @cached_property
    def users(self) -> list[list[int]]:
        """By array, what is made from it."""
        found: list[list[int]] = [[] for _ in self.values]
        for w, v in enumerate(self.values):
            for u in v.operands:
                found[u].append(w)
        return found

    @cached_property
    def rows(self) -> list[tuple[int, int]]:
        """Positions that stand for those up to the next one: what waits is the same there; with the most bytes."""
        ends = {0, len(self.most)}
        for v in self.values:
            ends |= {v.early + 1}
            if v.first is not None and v.last is not None:
                ends |= {v.first, v.first + 1, v.last + 1}
        marks = sorted(e for e in ends if e <= len(self.most))
        return [(p, max(self.most[p:q])) for p, q in pairwise(marks)]

    def taken(self, stored: Any) -> tuple[Any, Any]:
        """The replay: peaks and seconds of selections, rows of truth values by array. Seconds are inf where something
        would have to be made again that cannot be."""
        m, n = stored.shape
        never, marks = len(self.most) + 1, [p for p, _ in self.rows]
        made = np.full((m, n), never)
        until = np.full((m, n), -1)
        seconds = np.zeros(m)
        change = np.zeros((m, len(marks) + 2))
        moment = np.zeros_like(change)
        each = cast(Any, np.arange(m))

        def count(first: Any, beyond: Any, where: Any, size: int) -> None:
            """So many bytes more from one position to another, where something holds."""
            for at, sign in ((first, 1.0), (beyond, -1.0)):
                change[each, np.searchsorted(marks, at)] += np.where(where, sign * size, 0.0)

        events = np.array([-1, *self.events])
        for u in range(n - 1, -1, -1):
            v = self.values[u]
            need = np.full(m, never if v.first is None else v.first)
            for w in self.users[u]:
                need = np.minimum(need, made[:, w])
                until[:, u] = np.maximum(until[:, u], np.where(made[:, w] < never, made[:, w], -1))
            at = made[:, u] = np.where(stored[:, u], never, need)
            again, end = at < never, until[:, u]
            if v.extra:
                k = np.searchsorted(marks, at)
                moment[each, k] = np.maximum(moment[each, k], np.where(again, v.extra, 0))
            seconds += np.where(again, v.seconds, 0.0)
            if v.first is not None and v.last is not None:
                count(v.early + 1, np.minimum(at, v.first), again, -v.size)
                count(v.first, v.last + 1, at == v.first, v.held - v.size)
                count(v.last + 1, end + 1, end > v.last, v.size)
            else:
                before = events[np.maximum(np.searchsorted(events, at) - 1, 0)]
                count(
                    np.where(again, np.maximum(before, v.early), v.early) + 1,
                    end + 1,
                    (end > v.early) & (again | stored[:, u]),
                    v.size,
                )
        most = np.array([b for _, b in self.rows])
        peaks = ((np.cumsum(change, axis=1) + moment)[:, : len(marks)] + most).max(axis=1, initial=0)
        return peaks, seconds

    @cached_property
    def events(self) -> list[int]:
        """The statements before which something may be made again."""
        return sorted({v.first for v in self.values if v.first is not None})

    def of(self, stored: Sequence[bool]) -> tuple[float, float]:
        """Peak and seconds of one selection."""
        peaks, seconds = self.taken(np.array([stored], bool).reshape(1, -1))
        return float(peaks[0]), float(seconds[0])

    @cached_property
    def floor(self) -> float:
        """A peak that no selection is below: all that can be made again takes nothing but where it is used."""
        marks = [p for p, _ in self.rows]
        change = np.zeros(len(marks) + 2)
        for v in self.values:
            if v.first is not None and v.last is not None and not isinf(v.seconds):
                for first, beyond, size in ((v.early + 1, v.first, v.size), (v.first, v.last + 1, v.size - v.held)):
                    change[bisect_left(marks, first)] -= size
                    change[bisect_left(marks, beyond)] += size
        most = np.array([b for _, b in self.rows])
        return float((np.cumsum(change)[: len(marks)] + most).max(initial=0))

    # -- the best selection

    def best(self, room: float, seconds: float = SECONDS) -> tuple[bool, ...] | None:
        """The selection of least time within so many bytes; None if there is none, or none was found."""
        if self.floor > room:
            return None
        if len(self.values) <= FEW:
            return self._pick(self._all, room)
        other = self._pick(self._regular, room)
        if other is None and self.of(self.least)[0] > room:
            return None
        found = programmed(self, room, seconds)
        if other is not None and (found is None or PROVED < len(self.values) <= MANY):
            other = self._improved(other, room)
        return min((x for x in (found, other) if x is not None), key=lambda x: self.of(x)[::-1], default=None)

    @cached_property
    def least(self) -> tuple[bool, ...]:
        """A selection of the least peak that is found."""
        few = len(self.values) <= FEW
        every, peaks, times = self._all if few else self._regular
        best = np.lexsort((times, np.where(np.isinf(times), inf, peaks)))[0]
        found = tuple(bool(x) for x in every[best])
        other = None if few else programmed(self, None)
        return found if other is None else min(found, other, key=self.of)

    def _pick(self, among: tuple[Any, Any, Any], room: float) -> tuple[bool, ...] | None:
        every, peaks, times = among
        times = np.where(peaks <= room, times, inf)
        best = np.lexsort((peaks, times))[0]
        return None if isinf(times[best]) else tuple(bool(x) for x in every[best])

    @cached_property
    def _all(self) -> tuple[Any, Any, Any]:
        n = len(self.values)
        every = cast(Any, np.arange(2**n)[:, None] >> np.arange(n)) & 1 == 1
        peaks, times = self.taken(every)
        return every, peaks, times

    @cached_property
    def _regular(self) -> tuple[Any, Any, Any]:
        """Selections that do without a solver: every k-th array stored, and those that are dear for their bytes."""
        n = len(self.values)
        rows = [np.ones(n, bool)]
        dear = np.array([min(v.seconds / max(v.size, 1), 1e300) for v in self.values])
        for k in (1, 2, 3, *(int(1.2**x) for x in range(8, 38))):
            if k <= n:
                rows.append(np.arange(n) % k == k - 1)
        for part in range(1, 16):
            rows.append(dear >= np.quantile(dear, part / 16))
        every = np.array(rows) | np.isinf([v.seconds for v in self.values])
        return every, *self.taken(every)

    def _improved(self, stored: tuple[bool, ...], room: float) -> tuple[bool, ...]:
        """A selection from which no single change makes a better one, or nearly."""
        now, n = np.array(stored), len(stored)
        end = time.monotonic() + IMPROVING
        taken = self.of(stored)[1]
        while time.monotonic() < end:
            tried = now ^ np.eye(n, dtype=bool)
            peaks, times = self.taken(tried)
            better = [k for k in np.argsort(times) if peaks[k] <= room and times[k] < taken]
            if not better:
                break
            for k in better:  # those that still help after the others
                other = now.copy()
                other[k] = not other[k]
                peak, seconds = self.of(tuple(other))
                if peak <= room and seconds < taken:
                    now, taken = other, seconds
                if time.monotonic() > end:
                    break
        return tuple(bool(x) for x in now)


def programmed(problem: Trades, room: float | None, seconds: float = SECONDS) -> tuple[bool, ...] | None:
    """The best selection by the integer program; with no room given, one of least peak. None if there is none, or none
    was found in time."""
    made = _Linear(problem, room)
    found = solve(made.program(), seconds)
    if found is None:
        return None
    stored = tuple(x > 0.5 for x in found[: len(problem.values)])
    peak, taken = problem.of(stored)
    return None if isinf(taken) or (room is not None and peak > room) else stored


@dataclass
class _Linear:
    """The program, column by column."""

    problem: Trades
    room: float | None
    objective: list[float] = field(default_factory=list[float])
    upper: list[float] = field(default_factory=list[float])
    rows: list[list[tuple[int, float]]] = field(default_factory=list[list[tuple[int, float]]])
    low: list[float] = field(default_factory=list[float])
    high: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        values = self.problem.values
        self.scale = float(max(self.problem.most, default=1) or 1)
        dear = max((v.seconds for v in values if not isinf(v.seconds)), default=1.0) or 1.0
        weight = 1.0 if self.room is not None else 1e-4 / max(len(values), 1)
        self.s = [self._column(0.0, 1.0) for _ in values]
        self.peak = None if self.room is not None else self._column(1.0, inf)
        self.events = self.problem.events
        self.y: list[dict[int, int]] = []
        self.times: list[list[int]] = []
        """By array, its columns by event, those after which it is not looked at first."""
        window = max(4, EVENTS // max(len(values), 1))
        reach = self._reach()
        for u, v in enumerate(values):
            if isinf(v.seconds):
                self.y.append({})
                self.times.append([])
                continue
            times = sorted(reach[u])[-window:]
            self.y.append({e: self._column(0.0, 1.0) for e in times})
            self.times.append(times)
            if times:
                self.objective[self.y[u][times[-1]]] += weight * v.seconds / dear
        for u, v in enumerate(values):
            self._had(u, v)
        for u, v in enumerate(values):
            for w in self.problem.users[u]:
                self._operand(u, v, w)
        self._memory()

    def _column(self, cost: float, upper: float) -> int:
        self.objective.append(cost)
        self.upper.append(upper)
        return len(self.objective) - 1

    def _row(self, entries: Sequence[tuple[int, float]], low: float, high: float) -> None:
        self.rows.append(list(entries))
        self.low.append(low)
        self.high.append(high)

    def _reach(self) -> list[set[int]]:
        """By array, the events at which it may be made again."""
        found: list[set[int]] = [set() for _ in self.problem.values]
        for u in range(len(found) - 1, -1, -1):
            first = self.problem.values[u].first
            for w in self.problem.users[u]:
                found[u] |= found[w]
            if first is not None:
                found[u] = {e for e in found[u] if e < first} | {first}
        return found

    def _at(self, u: int, e: int) -> list[tuple[int, float]]:
        """y[u, e]: the column of the last of its events up to e."""
        k = bisect_right(self.times[u], e)
        return [(self.y[u][self.times[u][k - 1]], 1.0)] if k else []

    def _ever(self, u: int) -> list[tuple[int, float]]:
        return self._at(u, len(self.problem.most))

    def _had(self, u: int, v: Value) -> None:
        columns = list(self.y[u].values())
        for a, b in pairwise(columns):
            self._row([(b, 1.0), (a, -1.0)], 0.0, inf)
        if v.first is not None:
            self._row([(self.s[u], 1.0), *self._ever(u)], 1.0, 1.0)
        else:
            self._row([(self.s[u], 1.0), *self._ever(u)], 0.0, 1.0)
        for e, column in self.y[u].items():
            if e != v.first:
                self._row(
                    _summed([(column, -1.0), *(x for w in self.problem.users[u] for x in self._at(w, e))]), 0.0, inf
                )

    def _operand(self, u: int, v: Value, w: int) -> None:
        for e, column in self.y[w].items():
            if v.first is None or e < v.first:
                self._row([*self._at(u, e), (self.s[u], 1.0), (column, -1.0)], 0.0, inf)

    def _after(self, u: int) -> dict[int, int]:
        """The columns of z."""
        v = self.problem.values[u]
        last = v.early if v.last is None else v.last
        found: dict[int, int] = {}
        for w in self.problem.users[u]:
            for e in self.y[w]:
                for t in (x for x in self.events if last < x <= e):
                    if t not in found:
                        found[t] = self._column(0.0, 1.0)
        for w in self.problem.users[u]:
            for t, column in found.items():
                before = [(k, -x) for k, x in self._at(w, t - 1)]
                entries = _summed([(self.s[u], 1.0), *self._at(u, t), *self._ever(w), *before])
                self._row([(column, 1.0), *((k, -x) for k, x in entries)], -1.0, inf)
        return found

    def _memory(self) -> None:
        values, scale, rows = self.problem.values, self.scale, self.problem.rows
        marks = [p for p, _ in rows]
        entries: list[list[tuple[int, float]]] = [[] for _ in rows]
        change = [0.0] * (len(rows) + 1)
        stored: list[list[tuple[int, float]]] = [[] for _ in rows]
        moments: dict[int, int] = {}
        for u, v in enumerate(values):
            share = v.size / scale
            if v.first is not None:
                begin, end = (bisect_left(marks, p) for p in (v.early + 1, v.first))
                change[begin] -= share
                change[end] += share
                stored[begin].append((self.s[u], -share))
                stored[end].append((self.s[u], share))
                for k in range(bisect_left(marks, self.times[u][0]) if self.times[u] else end, end):
                    entries[k] += [(c, share * x) for c, x in self._at(u, marks[k])]
                saved = (v.size - v.held) / scale
                for k in range(end, bisect_left(marks, (v.last or 0) + 1)) if saved else ():
                    entries[k] += [(c, -saved * x) for c, x in self._at(u, v.first)]
                    entries[k] += [(c, saved * x) for c, x in self._at(u, v.first - 1)]
            if v.extra:
                for t in self.times[u]:
                    if t not in moments:
                        moments[t] = self._column(0.0, inf)
                        entries[bisect_left(marks, t)].append((moments[t], 1.0))
                    now, before = self._at(u, t), self._at(u, t - 1)
                    added = [(c, -v.extra / scale * x) for c, x in now] + [(c, v.extra / scale * x) for c, x in before]
                    self._row(_summed([(moments[t], 1.0), *added]), 0.0, inf)
            before = v.early if v.last is None else v.last
            for t, column in sorted(self._after(u).items()):
                for k in range(bisect_left(marks, before + 1), bisect_right(marks, t)):
                    entries[k].append((column, share))
                before = t
        waiting: list[tuple[int, float]] = []
        rest = 0.0
        for k, (_, most) in enumerate(rows):
            rest += change[k]
            if stored[k]:
                now = self._column(0.0, inf)
                self._row(_summed([(now, 1.0), *stored[k], *((c, -x) for c, x in waiting)]), 0.0, 0.0)
                waiting = [(now, 1.0)]
            row = _summed([*waiting, *entries[k]])
            left = -(most / scale + rest)
            if self.peak is not None:
                self._row([*row, (self.peak, -1.0)], -inf, left)
            else:
                self._row(row, -inf, (self.room or 0.0) / scale + left)

    def program(self) -> Program:
        integers = [1.0] * len(self.s) + [0.0] * (len(self.objective) - len(self.s))
        gap = 1e-6 if len(self.s) <= PROVED else 1e-3
        return Program(self.objective, self.rows, self.low, self.high, self.upper, integers, gap)


def _summed(entries: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """One entry per column."""
    total: dict[int, float] = {}
    for k, x in entries:
        total[k] = total.get(k, 0.0) + x
    return [(k, x) for k, x in total.items() if x]
