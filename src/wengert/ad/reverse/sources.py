"""Where the reverse sweep can read what the forward sweep read: memory that still holds it, or that is made to.

Three ways to avoid a tape for each loaded value, the cheapest first:

- the element is final in a buffer at the top level: it is simply loaded again;
- it is final in a buffer that is allocated in a loop: the buffer is *hoisted*, it becomes a part of one at the top
  level. This costs no copy, the forward sweep writes to the part in the first place;
- several loads in a nest of loops are of one buffer that the nest does not write: a *snapshot* of it is stored.
"""

from __future__ import annotations

from wengert.ad.reverse.kept import Kept
from wengert.ad.reverse.plan import Answers, Box, box_of
from wengert.ad.reverse.regions import Prepared, Region, Snapshot
from wengert.ir.nodes import Alloc, Buffer, Load

Place = tuple[str, Region, int]
"""A storage, and a point from which on it is not written until all loads considered are done."""


class Sources:
    """What is worth hoisting or copying, given the answers so far.

    A buffer is hoisted, or copied, only for loads in at least as many nested loops as it has axes (inside the buffer's
    lifetime, or after the snapshot): then it is no larger than the tape of one such load. A copy must replace two.
    """

    def __init__(self, p: Prepared, kept: Kept) -> None:
        self.p, self.kept = p, kept
        self.values = kept.values()
        self.boxes: dict[str, Box | None] = {}
        self.required: set[str] = set()
        self.hoisted: set[str] = set()
        self.copies: dict[Place, Snapshot] = {}
        self.copied: dict[str, Load] = {}
        """Loads of snapshots, for lets that are not in `values`."""

    def keep(self, s: Snapshot) -> bool:
        """Whether the reverse sweep can read a snapshot where it is; its buffer is hoisted if need be."""
        if not self.kept.buffer(s.storage, s.region, s.position):
            return False
        if not self._is_top(s.storage):
            if self.box(s.storage) is None:
                return False
            self.required.add(s.storage)
            self.hoisted.add(s.storage)
        return True

    def readable(self) -> dict[str, Load]:
        """The loads that give values in the reverse sweep, given what is hoisted and copied."""
        return self.copied | {n: load for n, load in self.values.items() if self._is_readable(load)}

    def extend(self, answers: Answers) -> bool:
        """Choose what helps with values that are stored; whether there was any."""
        stored = [n for n, answer in answers.items() if answer == "stored"]
        more = {load.storage for n in stored if (load := self.values.get(n)) is not None and self._is_worth_it(n, load)}
        self.hoisted |= more
        return bool(more) or self._copy(stored)

    def used_boxes(self, answers: Answers) -> dict[str, Box]:
        """What is hoisted and read in the end."""
        read = {load.storage for n, load in self.readable().items() if answers.get(n) == "reloaded"} | self.required
        boxes = {s: self.box(s) for s in sorted(read & self.hoisted)}
        return {s: box for s, box in boxes.items() if box is not None}

    def used_copies(self, answers: Answers) -> list[Snapshot]:
        """What is copied and read in the end."""
        read = {load.storage for n, load in self.copied.items() if answers.get(n) == "reloaded"}
        return [s for s in self.copies.values() if s.name in read]

    # -- hoisting

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

    def _is_readable(self, load: Load) -> bool:
        return self._is_top(load.storage) or load.storage in self.hoisted

    def _is_worth_it(self, name: str, load: Load) -> bool:
        if self._is_readable(load) or self.box(load.storage) is None:
            return False
        return self._loops(name, self.p.home[load.storage]) >= len(load.index)

    def _loops(self, name: str, outside: Region) -> int:
        """The number of loops around the definition of a let, inside a region."""
        return len(self.p.definitions[name].region.loops()) - len(outside.loops())

    # -- copies

    def _copy(self, stored: list[str]) -> bool:
        """Choose snapshots that replace the tapes of at least two loads; whether there was any."""
        groups: dict[Place, list[str]] = {}
        for name in stored:
            place = self._place(name)
            if place is not None and place not in self.copies:
                groups.setdefault(place, []).append(name)
        chosen = [
            place
            for place, names in groups.items()
            if sum(self._loops(n, place[1]) >= self.p.storages[place[0]].rank for n in names) >= 2
        ]
        for storage, region, position in chosen:
            buffer = self.p.storages[storage]
            assert isinstance(buffer, Buffer)
            name = self.p.fresh(f"{storage}_then")
            snapshot = Snapshot(name, storage, buffer.dtype, buffer.shape, region, position)
            self.copies[storage, region, position] = self.p.snapshots[name] = snapshot
        if chosen:
            self._use_copies()
        return bool(chosen)

    def _use_copies(self) -> None:
        for definition in self.p.definitions.values():
            place = self._place(definition.name)
            if place in self.copies and isinstance(definition.value, Load):
                _, index = self.kept.resolve_fully(definition.value.storage, definition.value.index)
                self.copied[definition.name] = Load(self.copies[place].name, index, definition.dtype)

    def _place(self, name: str) -> Place | None:
        """The earliest point from which on the buffer of a load is not written until after the load, outside all loops
        that allow it; None if there is none outside the load's own block."""
        definition = self.p.definitions[name]
        if not isinstance(definition.value, Load):
            return None
        storage, index = self.kept.resolve_fully(definition.value.storage, definition.value.index)
        if not index or storage in self.p.bases or not isinstance(self.p.storages[storage], Buffer):
            return None
        region, position = definition.region, definition.position
        while region is not self.p.home[storage] and region.parent is not None:
            if self.kept.is_written_in(storage, region.parent, region.position):
                break
            region, position = region.parent, region.position
        if region is definition.region:
            return None
        return storage, region, self.kept.after_last_write(storage, region, position)
