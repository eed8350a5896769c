"""How long loops take whose iterations run again, and the numbers of slots and lengths of segments that are worth
considering.

Time is beyond what all plans have in common: what runs again (`advances`), the copies of states, what writing and
reading the tape of a segment costs where that lies (`analysis.cost.machine`), memory that the system has to give.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wengert.analysis.cost.machine import DEFAULT
from wengert.analysis.cost.model import KEPT as SPARE
from wengert.menus import Item

KEPT = int(SPARE)
"""Peaks up to which memory is kept between calls."""
RUN = 1e-6
"""Seconds to start a run of a segment, where its code does not say: its function, its own arrays."""
DISK_FAULT = 1e-9
"""Seconds per byte that the program itself takes for a tape on disk, each way: page faults."""
ROUNDS = 12
"""How often the counts of several loops are improved in turn."""


def binomial(n: int, k: int) -> int:
    return math.comb(n, k) if 0 <= k <= n else 0


@functools.lru_cache(maxsize=1 << 16)
def advances(segments: int, slots: int) -> int:
    """How many segments run again in the reverse sweep, beside the run that each is reversed by: the least possible
    with so many slots (see `ad.reverse.revolve`) but for the first sweep, which the program itself makes."""
    if segments <= 1:
        return 0
    if slots == 1:
        return segments * (segments - 1) // 2 - (segments - 1)
    low, r = 0, 1
    while binomial(slots + r, slots) < segments:
        low, r = r, 2 * r
    while r - low > 1:
        middle = (low + r) // 2
        low, r = (middle, r) if binomial(slots + middle, slots) < segments else (low, middle)
    return r * segments - binomial(slots + r, slots + 1) - (segments - 1)


@dataclass(frozen=True, slots=True)
class Counts:
    """Slots, and iterations in a segment, of one loop."""

    slots: int = 1
    length: int = 1


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds per byte written to a disk, and read from it."""

    write: float = 1 / 0.3e9
    read: float = 1 / 0.5e9


PLAIN = Rates()


@dataclass(frozen=True, slots=True)
class Steps:
    """A loop at the sizes of the call: its turns, the seconds of one, the bytes of a slot, and those of another
    iteration in a segment (0: there are no segments). `disk`: bytes of a slot that lie on disk; `most`: the slots that
    there is room for there (0: as many as there are turns), `rates` how fast that is. `start`: seconds to start a run
    of a segment."""

    turns: int
    seconds: float
    slot: int = 0
    iteration: int = 0
    disk: int = 0
    most: int = 0
    rates: Rates = PLAIN
    start: float = RUN

    @property
    def slots(self) -> int:
        """The most slots that are of use."""
        return min(self.turns, self.most) if self.most else self.turns


def moved(size: float, footprint: float) -> float:
    """Seconds to write so many bytes and read them later, in memory of which `footprint` bytes are in use by turns."""
    m = DEFAULT
    return max(size / m.vector_bytes * (m.load + m.store), m.transfer(footprint, size, size))


def spilled(size: float, busy: float, rates: Rates) -> float:
    """Seconds to write so many bytes to disk and read them later, while the program is busy for so long with other
    things each way."""
    waiting = max(size * rates.write - busy, 0.0) + max(size * rates.read - busy, 0.0)
    return 2 * size * DISK_FAULT + waiting


def given(peak: int) -> float:
    """Seconds for memory that the system gives anew at every call."""
    return DEFAULT.fresh(peak) if peak > KEPT else 0.0


def again(loop: Steps, count: Counts) -> float:
    """Seconds of one reverse sweep over a loop beyond reversing what is there: each iteration runs once more to be
    reversed, and as often as it takes to reach it; states and tapes are written and read."""
    segments = -(-loop.turns // count.length)
    runs = advances(segments, count.slots)
    copies = moved((segments + runs) * loop.slot, count.slots * loop.slot)
    tape = moved(loop.turns * loop.iteration, count.length * loop.iteration)
    stored = spilled((segments + runs) * loop.disk, loop.seconds * loop.turns, loop.rates) if loop.disk else 0.0
    return loop.seconds * (loop.turns + runs * count.length) + loop.start * (segments + runs) + copies + tape + stored


def menu(turns: int, part: int = 8) -> Iterable[int]:
    """Numbers of slots, or iterations, that are worth considering: each by a part more than the one before."""
    n = 1
    while n < turns:
        yield n
        n = max(n + 1, n + n // part)
    yield turns


def items(room: int, loop: Steps, times: float) -> Iterable[Item]:
    """What one loop can do in `room` bytes more than with one slot and one iteration in a segment."""
    for slots in menu(loop.slots, 5):
        resident = (slots - 1) * loop.slot
        if resident > room:
            return
        for length in menu(loop.turns, 5) if loop.iteration else (1,):
            transient = (length - 1) * loop.iteration
            if resident + transient <= room:
                yield Item(resident, transient, times * again(loop, Counts(slots, length)), slots, length)


def shared(room: int, loops: Sequence[Steps]) -> tuple[Counts, ...]:
    """The counts of least time in `room` bytes more than with one slot and one iteration each, as far as memory grows
    by the bytes of slots and iterations; loops share what there is in proportion to their time, in turns."""
    counts = [Counts() for _ in loops]
    share = [1.0 / len(loops)] * len(loops)
    for _ in range(ROUNDS if len(loops) > 1 else 1):
        for k, loop in enumerate(loops):
            counts[k] = _alone(room * share[k], loop)
        times = [again(x, c) for x, c in zip(loops, counts, strict=True)]
        total = sum(times)
        share = [(s + t / total) / 2 for s, t in zip(share, times, strict=True)]
    return tuple(counts)


def _alone(room: float, loop: Steps) -> Counts:
    """The counts of least time of one loop. Of the lengths, the longest that fits counts, and the longest whose tape
    stays in a cache."""
    best, seconds = Counts(), again(loop, Counts())
    for slots in menu(loop.slots):
        left = room - (slots - 1) * loop.slot
        if left < 0:
            break
        for length in _lengths(left, loop):
            taken = again(loop, Counts(slots, length))
            if taken < seconds:
                best, seconds = Counts(slots, length), taken
    return best


def _lengths(left: float, loop: Steps) -> set[int]:
    if not loop.iteration:
        return {1}
    caches = [DEFAULT.first, *(level.size for level in DEFAULT.levels[:-1])]
    longest = [1 + int(left // loop.iteration), *(int(size // loop.iteration) for size in caches)]
    found = {min(n, longest[0], loop.turns) for n in longest if n > 0}
    return found | {-(-loop.turns // -(-loop.turns // n)) for n in found}
