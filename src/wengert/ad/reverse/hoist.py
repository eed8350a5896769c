"""Hoisting: a buffer that is allocated in a loop becomes a part of one at the top level, where the reverse sweep can
read it. It costs no copy: the forward sweep writes to the part in the first place.
"""

from __future__ import annotations

from wengert.ad.reverse.kept import Kept
from wengert.ad.reverse.plan import Answers, Box, box_of
from wengert.ad.reverse.regions import Prepared, Region, Snapshot
from wengert.ir.nodes import Alloc, Load


class Hoisting:
    """Which buffers are worth it.

    A buffer is hoisted if it holds a snapshot, or the value of a let that would be stored otherwise in at least as many
    nested loops, inside the buffer's lifetime, as the buffer has axes: then the buffer is no larger than the tape.
    """

    def __init__(self, p: Prepared, kept: Kept) -> None:
        self.p, self.kept = p, kept
        self.values = kept.values()
        self.boxes: dict[str, Box | None] = {}
        self.required: set[str] = set()
        self.chosen: set[str] = set()

    def keep(self, s: Snapshot) -> bool:
        """Whether the reverse sweep can read a snapshot where it is; its buffer is hoisted if need be."""
        if not self.kept.buffer(s.storage, s.region, s.position):
            return False
        if not self._is_top(s.storage):
            if self.box(s.storage) is None:
                return False
            self.required.add(s.storage)
            self.chosen.add(s.storage)
        return True

    def readable(self) -> dict[str, Load]:
        """The loads that give values in the reverse sweep, given what is hoisted."""
        return {n: load for n, load in self.values.items() if self._is_top(load.storage) or load.storage in self.chosen}

    def extend(self, answers: Answers) -> bool:
        """Choose what helps with values that are stored; whether there was any."""
        more = {
            load.storage
            for name, load in self.values.items()
            if answers.get(name) == "stored" and load.storage not in self.chosen and self._is_worth_it(name, load)
        }
        self.chosen |= more
        return bool(more)

    def used(self, answers: Answers) -> dict[str, Box]:
        """The boxes of what is read in the end."""
        read = {self.values[n].storage for n, answer in answers.items() if answer == "reloaded"} | self.required
        boxes = {s: self.box(s) for s in sorted(read) if not self._is_top(s)}
        return {s: box for s, box in boxes.items() if box is not None}

    def box(self, storage: str) -> Box | None:
        """The top-level buffer that a buffer would be a part of, None if its extents are not known there."""
        if storage not in self.boxes:
            alloc, home = self.kept.hoistable(storage), self.p.home[storage]
            self.boxes[storage] = None if alloc is None else self._box(alloc, home)
        return self.boxes[storage]

    def _box(self, alloc: Alloc, home: Region) -> Box | None:
        buffer = alloc.buffer
        return box_of(self.p, Snapshot(buffer.name, buffer.name, buffer.dtype, buffer.shape, home, 0))

    def _is_top(self, storage: str) -> bool:
        return self.p.home[storage] is self.p.root

    def _is_worth_it(self, name: str, load: Load) -> bool:
        if self._is_top(load.storage) or self.box(load.storage) is None:
            return False
        outside = len(self.p.home[load.storage].loops())
        inside = len(self.p.definitions[name].region.loops()) - outside
        return inside >= len(load.index)
