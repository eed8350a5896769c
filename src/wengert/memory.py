"""Derivatives within a memory limit.

The limit is on the bytes that wengert allocates for a call beyond the caller's own arrays: copies of arguments and
seeds, tapes, stored states, adjoints, scratch arrays and results, each array rounded up to 64 bytes, at any time of the
call. It is known before the call what that will be (`backend.c.footprint`); a plan that stays within the limit is
chosen (`planning`), and the allocator of the compiled code enforces it while it runs. Not counted: the code itself,
what Python and NumPy need to be there, numbers and small arrays of fixed extents on the machine stack.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.ad import LoopOf
from wengert.backend.c import COUNTED
from wengert.backend.c.footprint import Held, Unbounded
from wengert.codes import Code
from wengert.disk import ANY, Disk, DiskError, DiskFailed
from wengert.errors import WengertError
from wengert.frontend.python.python_values import is_ndarray
from wengert.ir.locks import ForkedLock
from wengert.ir.nodes import Buffer, Module, Span
from wengert.plan_cache import Plans
from wengert.plan_search import UNKNOWN_TURNS
from wengert.plan_time import PLAIN
from wengert.planning import NOTHING, Choices, Decided, Infeasible, Made, Planner, Sizes, Turns
from wengert.runtime.abi import Bind
from wengert.runtime.call import Kernel
from wengert.trading import Remade

UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
Limit = int | str
Directory = str | os.PathLike[str]
AGAIN = 3
"""How often a call is planned anew at the most, because loops of unknown length had other turns than expected."""
PLANS = 64
"""Plans remembered per program and transform."""


class MemoryLimitError(WengertError, MemoryError):
    """A derivative cannot be computed within the memory limit. `least`: the smallest limit for which a plan was found,
    in bytes; None if there is none for any."""

    code = Code.LIMIT

    def __init__(self, message: str, least: int | None) -> None:
        super().__init__(message, Code.UNBOUNDED if least is None else None)
        self.least = least


@dataclass(frozen=True, slots=True)
class Memory:
    """What a call took: `peak`, the most bytes that were allocated at any time, as counted while it ran; `predicted`,
    what was expected before; both with the `outside` bytes of copies of arguments and seeds. `loops`: those that ran
    again from stored states, with slots and iterations per segment. `again`: single arrays, by their names in the
    derivative's code, that were not stored but made again. `disk`: the most bytes that tapes had on disk, `on_disk`
    their names in the derivative's code."""

    limit: int
    predicted: int
    peak: int
    outside: int
    loops: tuple[tuple[str, int, int], ...]
    again: tuple[str, ...] = ()
    disk: int = 0
    on_disk: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a derivative may take: bytes of memory (None: any), and where tapes may lie on disk (None: nowhere)."""

    limit: int | None = None
    disk: Disk | None = None

    @staticmethod
    def of(memory_limit: Limit | None, disk: Directory | None = None, disk_limit: Limit | None = None) -> Bounds:
        """From what users say; raises ValueError."""
        limit = parse_limit(memory_limit)
        if disk is None:
            if disk_limit is not None:
                raise ValueError("disk_limit says how much of a directory may be used: name one by disk")
            return Bounds(limit)
        if limit is None:
            raise ValueError("disk is for tapes that do not fit in memory: say by memory_limit what does")
        most = parse_limit(disk_limit)
        return Bounds(limit, Disk(os.path.abspath(os.fsdecode(disk)), ANY if most is None else most))


UNBOUND = Bounds()


def parse_limit(limit: Limit | None) -> int | None:
    """A number of bytes; text has a unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB). Raises ValueError."""
    if limit is None:
        return None
    if isinstance(limit, str):
        text = limit.strip()
        digits = text.rstrip("BKMGTikb").strip()
        unit = text[len(digits) :].strip() or "B"
        try:
            value = float(digits)
        except ValueError:
            value = -1.0
        if unit not in UNITS or not 0 < value < 2**62 / UNITS[unit]:
            raise ValueError(
                f"{limit!r} is no memory limit; write a number of bytes or, for example, '512 MiB' or '2 GB'"
            )
        return int(value * UNITS[unit])
    if isinstance(limit, bool) or not hasattr(limit, "__index__") or not 0 < int(limit) < 2**62:
        raise ValueError(f"{limit!r} is no memory limit; it is a positive number of bytes, or text such as '512 MiB'")
    return int(limit)


def size_text(n: float) -> str:
    """A number of bytes for people: 1234567 is "1.23 MB"."""
    units = ("B", "kB", "MB", "GB", "TB")
    x, k = float(n), 0
    while x >= 1000 and k < len(units) - 1:
        x, k = x / 1000, k + 1
    return f"{int(n)} B" if k == 0 else f"{x:.3g} {units[k]}"


class Limited:
    """A derivative that is compiled once for every way of keeping within limits that turns out to be needed, and run
    with the counts (slots, lengths of segments) that the limit and the sizes of the call ask for.

    `make` gives the code for choices (see `planning.Planner`), whose binds have the leaves -1, -2 ... for the counts.
    """

    def __init__(self, what: str, make: Callable[[Choices], Made], flat: Module, loops: Sequence[LoopOf]) -> None:
        self.what = what
        self.planner = Planner(make, flat, loops)
        self._kernels: dict[tuple[Choices, Remade, tuple[str, ...]], Kernel] = {}
        self._plans: dict[tuple[int | Disk | None, ...], Decided] = {}
        self._stored: Plans | None = None
        self._uncertain = self.planner.uncertain()
        self._turns: dict[tuple[int, ...], Turns] = {}
        """Of loops of unknown length, at the latest call with these sizes."""
        self._again: dict[tuple[int | Disk | None, ...], int] = {}
        """How often a call was planned anew because its loops had other turns than expected."""
        self._lock = ForkedLock()

    def run(
        self, leaves: tuple[Any, ...], limit: int, outside: int, disk: Disk | None = None
    ) -> tuple[tuple[Any, ...], Memory]:
        """The results of a call and what it took. `outside`: bytes of copies that were made for it before. Raises
        MemoryLimitError, before anything runs, if no plan keeps within the limit, and DiskError if tapes cannot lie on
        disk: before anything runs, unless others take the room meanwhile."""
        plan = self.plan(leaves, limit, outside, disk)
        kernel = self.kernel(plan.choices, plan.remade, plan.on_disk)
        room, given = max(limit - outside, 1), (*leaves, *plan.parameters())
        loops = tuple((c.var, x.slots, x.length) for c, x in zip(plan.choices, plan.counts, strict=True))
        taken = Memory(limit, plan.peak + outside, 0, outside, loops, plan.remade.again, on_disk=plan.on_disk)
        if disk is None or not plan.on_disk:
            results, peak = kernel.limited(given, room)
            self._count(leaves, kernel)
            return results, replace(taken, peak=peak + outside)
        try:
            results, peak = kernel.limited(given, room, disk.directory, disk.limit)
        except DiskFailed as failed:
            raise disk.failed(failed) from None
        self._count(leaves, kernel)
        return results, replace(taken, peak=peak + outside, disk=kernel.on_disk())

    def _count(self, leaves: tuple[Any, ...], kernel: Kernel) -> None:
        """Remember how many turns loops of unknown length had, for the next plan for calls of these sizes."""
        if self._uncertain:
            turns = tuple((loop, kernel.turns(k)) for k, loop in enumerate(self._uncertain[:COUNTED]))
            with self._lock:
                if len(self._turns) >= PLANS:
                    self._turns.clear()
                self._turns[self._sizes_key(leaves)] = turns

    def _sizes_key(self, leaves: tuple[Any, ...]) -> tuple[int, ...]:
        plain = self.planner.code(())
        assert plain is not None
        return tuple(sizes_of(*plain, leaves).values())

    def kernel(self, choices: Choices, remade: Remade = NOTHING, on_disk: tuple[str, ...] = ()) -> Kernel:
        """The compiled code of a plan."""
        key = choices, remade, on_disk
        with self._lock:
            if key not in self._kernels:
                made = self.planner.code(choices, remade)
                assert made is not None
                module, binds = made
                first = 1 + max((b.leaf for b in binds), default=-1)
                self._kernels[key] = Kernel(
                    module,
                    [replace(b, leaf=first - 1 - b.leaf) if b.leaf < 0 else b for b in binds],
                    on_disk,
                    [var for _, var in self._uncertain],
                )
            return self._kernels[key]

    def plan(self, leaves: tuple[Any, ...], limit: int, outside: int, disk: Disk | None = None) -> Decided:
        """The plan for a call with these leaves, remembered by their sizes."""
        if disk is None:
            return self._plan(leaves, limit, outside)
        free = disk.free()
        plan = self._plan(leaves, limit, outside, disk)
        if plan.disk <= free:
            return plan
        try:  # in powers of two, so that few plans are made
            return self._plan(leaves, limit, outside, replace(disk, limit=1 << free.bit_length() - 1 if free else 0))
        except MemoryLimitError:
            raise disk.full(plan.disk, free) from None

    def _plan(self, leaves: tuple[Any, ...], limit: int, outside: int, disk: Disk | None = None) -> Decided:
        with self._lock:
            plain = self.planner.code(())
            assert plain is not None
            sizes = sizes_of(*plain, leaves)
            key = (limit, outside, disk, *sizes.values())
            found = self._plans.get(key)
            turns = self._turns.get(tuple(sizes.values()), ())
            if found is not None and self._again.get(key, 0) < AGAIN and not _as_expected(found, turns):
                self._again[key] = self._again.get(key, 0) + 1
                found = None
            if found is None:
                try:
                    found = self._planned(sizes, limit - outside, disk, turns)
                except Infeasible as failed:
                    raise self._refused(failed, limit, outside) from None
                if len(self._plans) >= PLANS:
                    self._plans.clear()
                    self._again.clear()
                self._plans[key] = found
            return found

    def _planned(self, sizes: Sizes, room: int, disk: Disk | None, turns: Turns) -> Decided:
        """The plan that an earlier process found, or a new one."""
        plain = self.planner.code(())
        assert plain is not None
        self._stored = self._stored or Plans(self.planner.flat, plain[0])
        most = 0 if disk is None else disk.limit
        known = self._stored.load(sizes, room, most)
        found = None if known is None else self.planner.replayed(known, sizes, room, most)
        if found is None or not _as_expected(found, turns):
            found = self.planner.plan(sizes, room, most, PLAIN if disk is None else disk.rates(), turns)
            self._stored.save(sizes, room, most, found)
        return found

    def _refused(self, failed: Infeasible, bound: int, outside: int) -> MemoryLimitError:
        limit = size_text(bound)
        if failed.least is None:
            reason = failed.reason
            text = f"the memory that {self.what} needs cannot be bounded before it runs"
            if reason is not None:
                text += f": {reason.args[0]}"
            return MemoryLimitError(f"{text}\n  way out: call it without memory_limit={limit}", None)
        least = failed.least.peak + outside
        smallest = f"the smallest limit found is {least} bytes ({size_text(least)})"
        lines = [f"{self.what} does not fit in memory_limit={limit}; {smallest}"]
        if outside:
            lines.append(f"  {size_text(outside):>9}  copies of arguments and seeds")
        held = failed.least.held.held if failed.least.held is not None else ()
        for h in largest(held):
            lines.append(f"  {size_text(h.bytes):>9}  {described(h)}")
        return MemoryLimitError("\n".join(lines), least)


def _as_expected(plan: Decided, turns: Turns) -> bool:
    """Whether loops of unknown length had about as many turns as a plan that depends on them took them to have."""
    expected, chosen = dict(plan.turns), {c.var for c in plan.choices}
    return not any(
        loop[1] in chosen and not 0.5 <= n / max(expected.get(loop, UNKNOWN_TURNS), 1) <= 2.0 for loop, n in turns if n
    )


def settled(module: Module, binds: Sequence[Bind]) -> Made:
    """The counts, whose leaves are -1, -2 ..., after all other leaves."""
    first = 1 + max((b.leaf for b in binds), default=-1)
    return module, [replace(b, leaf=first - 1 - b.leaf) if b.leaf < 0 else b for b in binds]


def largest(held: Sequence[Held], count: int = 6) -> list[Held]:
    """The largest allocations, those of one name together."""
    total: dict[tuple[str, Span | None], Held] = {}
    for h in held:
        before = total.get((h.name, h.span))
        total[h.name, h.span] = h if before is None else replace(before, bytes=before.bytes + h.bytes)
    return sorted(total.values(), key=lambda h: -h.bytes)[:count]


def described_name(h: Held) -> str:
    """The name of an allocation in the user's words."""
    for suffix, words in (("_saved", "stored values of {}"), ("_adj", "adjoint of {}"), ("_dot", "tangent of {}")):
        base, found, rest = h.name.partition(suffix)
        if found and (not rest or rest.lstrip("_").isdigit()):
            return words.format(base)
    return h.name


def described(h: Held) -> str:
    """An allocation in the user's words: name, place, source line."""
    name = described_name(h)
    return name if h.span is None else f"{name}  ({h.span}: {h.span.text.strip()})"


def sizes_of(module: Module, binds: Sequence[Bind], leaves: tuple[Any, ...]) -> dict[str, int]:
    """The integer parameters of the root, extents among them, that the leaves give."""
    found: dict[str, int] = {}
    for p, bind in zip(module.root.params, binds, strict=True):
        if bind.kind == "extent":
            found[p.name] = int(np.shape(leaves[bind.leaf])[bind.axis])
        elif bind.kind == "scalar" and not isinstance(p, Buffer) and p.dtype.is_integer:
            found[p.name] = int(leaves[bind.leaf])
    return found


def bytes_of(values: Sequence[Any]) -> int:
    """Bytes of the arrays among them, as they are counted."""
    return sum(max(-(-v.nbytes // 64), 1) * 64 for v in values if is_ndarray(v))


__all__ = ["Bounds", "DiskError", "Limited", "Memory", "MemoryLimitError", "Unbounded", "parse_limit", "size_text"]
