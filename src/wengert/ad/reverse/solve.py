"""From a function's demands to its plan: the problem, the planner's schedule, places for what is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from wengert.ad.reverse.inversion import Inverted
from wengert.ad.reverse.parts import parts, within
from wengert.ad.reverse.pins import Pinned, Pins
from wengert.ad.reverse.plan import Answer, Answers, Arguments, Box, Item, Place, Plan, Replay, Reserve, place
from wengert.ad.reverse.problem import Cost, Planner, Schedule, replay
from wengert.ad.reverse.regions import Region, Snapshot
from wengert.ad.reverse.values import Values
from wengert.ir.nodes import Load
from wengert.ir.walk import names_in


def make_plan(values: Values, demands: frozenset[str], shared_top: bool, planner: Planner, pins: Pins) -> Plan:
    """The plan for `demands`, names of scalars, snapshots and calls. It is solved again when the tapes it asks for have
    demands themselves, and when an array cannot be rebuilt from what is stored where. Raises PinError."""
    while True:
        pinned = Pinned.of(pins, values.p, values.problem(demands))
        problem = pinned.problem
        schedule = planner(problem)
        obeyed = pinned.obeyed(schedule)
        cost = replay(problem, schedule)
        made = _Decided(values, schedule, shared_top)
        more = made.own_demands() - demands
        if more:
            demands |= more
            continue
        unreadable = made.unreadable()
        if not unreadable:
            stored = {n: problem.nodes[n].store for n, answer in schedule.items() if answer == "stored"}
            return replace(made.plan(stored, cost), obeyed=obeyed, pinned=made.with_ends(obeyed.settled))
        values.banned |= unreadable


class _Decided:
    """A schedule in terms of the program."""

    def __init__(self, values: Values, schedule: Schedule, shared_top: bool) -> None:
        self.values, self.schedule, self.p = values, schedule, values.p
        self.answers: Answers = {}
        self.kept: dict[str, str] = {}
        self.hoisted: dict[str, Box] = {}
        self.ends: dict[str, str] = {}
        self.rebuilt: list[str] = []
        self.reruns: dict[str, Arguments] = {}
        self.inverted: dict[str, Inverted] = {}
        stored: list[Item] = []
        for name in self._in_order():
            again = schedule[name] == "again"
            if name in self.p.definitions:
                self.answers[name] = self._answer(name, again)
                if not again:
                    stored.append(self.p.definitions[name])
            elif name in self.p.snapshots:
                if again:
                    self.kept[name] = self.p.snapshots[name].storage
                else:
                    stored.append(self.p.snapshots[name])
            elif name in self.p.calls:
                if again:
                    self.reruns[name] = values.arguments(self.p.calls[name])
            elif name in values.inversion.memory:
                memory = self.inverted[name] = values.inversion.memory[name]
                if memory.in_place:
                    self.kept[memory.copy.name] = memory.copy.storage
                else:
                    stored.append(memory.copy)
            elif again:
                self.rebuilt.append(name)
            elif (box := values.box(name)) is not None:
                self.hoisted[name] = box
            else:
                end = values.end(name)
                self.ends[name] = end.name
                stored.append(end)
        again = [n for n, a in self.answers.items() if a in ("reloaded", "recomputed")]
        self.ways = {n: way.value for n in again if (way := values.way(n)) is not None}
        self.parts = self._parts(stored)
        stored = [self.parts.get(item.name, item) for item in stored]
        self.places, self.sequential = place(self.p, stored, shared_top, self.reruns)
        self.replays = {name: self._replay(name) for name in self.rebuilt}
        self.late = self._late() if self.inverted else {}

    def _parts(self, stored: Iterable[Item]) -> dict[str, Snapshot]:
        """Of which of the snapshots that are stored a part is."""
        copies = [item for item in stored if isinstance(item, Snapshot)]
        whole = {*self.ends.values(), *(m.copy.name for m in self.inverted.values())}
        whole |= {*(s for args in self.reruns.values() for s in args if s is not None)}
        for region in self.p.root.tree():
            whole |= {s.name for roles in region.snapshots.values() for s in roles.values()}
        return parts(self.p, self.values.kept, self.values.visible, copies, self.ways, whole)

    def with_ends(self, names: Iterable[str]) -> frozenset[str]:
        """Nodes, and the copies of those that are stored by copying them."""
        return frozenset({*names, *(self.ends[n] for n in names if n in self.ends)})

    def _in_order(self) -> Iterable[str]:
        """The names of a schedule, scalars in the order of the program, the others in that of their names."""
        yield from (n for n in self.p.definitions if n in self.schedule)
        yield from sorted(n for n in self.schedule if n not in self.p.definitions)

    def _answer(self, name: str, again: bool) -> Answer:
        if not again:
            return "stored"
        if name in self.values.visible:
            return "visible"
        way = self.values.way(name)
        return "reloaded" if way is not None and isinstance(way.value, Load) else "recomputed"

    def own_demands(self) -> frozenset[str]:
        """The scalars that extents of copies, and sizes of reserved tapes, are computed from in the reverse sweep."""
        shapes = [e for n in self.places if (s := self.p.snapshots.get(n)) is not None for e in s.shape]
        counts = [c for where in self.places.values() if isinstance(where, Reserve) for c in where.counts]
        return frozenset(n for e in (*shapes, *counts) for n in names_in(e) if n in self.p.definitions)

    def unreadable(self) -> set[str]:
        """Rebuilt arrays whose replay would need what lies on a stack."""
        return {
            array
            for array, made in self.replays.items()
            if any(not self._is_random_access(n) for names in made.gets.values() for n in names)
        }

    def _is_random_access(self, name: str) -> bool:
        return name in self.hoisted or isinstance(self.places.get(self.ends.get(name, name)), Box)

    def _replay(self, array: str) -> Replay:
        """What rebuilding an array runs, and what it fetches inside."""
        home = self.p.home[array]
        made = Replay()
        arrays: set[str] = set()
        names: set[str] = set()

        def array_needed(name: str) -> None:
            made.uses.add(name)
            if name in arrays or (self.p.home.get(name) is home and name != array):
                return
            if home not in self.p.home[name].ancestors():
                return  # it is there, from outside
            arrays.add(name)
            if self.schedule.get(name) == "stored":
                made.gets.setdefault(self.p.home[name], set()).add(name)
                return
            found = self.values.slice(name)
            assert found is not None
            for region, k in found.statements:
                made.steps.setdefault(region, set()).add(k)
            for n in found.names:
                name_needed(n, n in found.inline)
            for other in found.together:
                array_needed(other)

        def name_needed(name: str, inline: bool) -> None:
            d = self.p.definitions[name]
            made.uses.add(name)
            if name in names or home not in d.region.ancestors():
                return
            if d.region is home and name in self.schedule:
                return
            names.add(name)
            if inline:
                made.inline.add(name)
            elif self.schedule[name] == "stored":
                made.gets.setdefault(d.region, set()).add(name)
                return
            made.steps.setdefault(d.region, set()).add(d.position)
            way = None if inline else self.values.way(name)
            if way is not None:
                for n in self.values.scalars(*way.operands):
                    name_needed(n, False)
                if way.source is not None:
                    source_needed(way.source)
                return
            value = d.value
            if not inline:
                assert value is not None
                for n in self.values.scalars(value):
                    name_needed(n, False)
            elif isinstance(value, Load):
                array_needed(self.values.kept.resolve_fully(value.storage, value.index)[0])

        def source_needed(source: str) -> None:
            snapshot = self.p.snapshots.get(source)
            if source in self.inverted:
                made.uses.add(source)
            elif snapshot is None:
                array_needed(source)
            elif snapshot.region is not home and home in snapshot.region.ancestors():
                made.gets.setdefault(snapshot.region, set()).add(source)

        array_needed(array)
        made.uses |= self.values.inversion.arrays.get(array, frozenset())
        return made

    def _late(self) -> dict[str, int]:
        """What depends on memory that is taken back, itself or by what lives in the same region: the points at which it
        is had."""
        late: dict[str, int] = {}

        def depends(names: Iterable[str], home: Region) -> bool:
            return any(
                n in self.inverted
                or (n in late and (self.p.definitions[n].region if n in self.p.definitions else self.p.home[n]) is home)
                for n in names
            )

        def put(name: str, home: Region, names: Iterable[str]) -> bool:
            if name in late or not depends(names, home):
                return False
            late[name] = self.values.inversion.points[name][home]
            return True

        again = [n for n, a in self.answers.items() if a in ("reloaded", "recomputed")]
        changed = True
        while changed:
            changed = False
            for name in again:
                d, way = self.p.definitions[name], self.values.way(name)
                exprs = (d.value,) if way is None and d.value is not None else () if way is None else way.operands
                source = () if way is None or way.source is None else (way.source,)
                changed |= put(name, d.region, (*self.values.scalars(*exprs), *source))
            for array, made in self.replays.items():
                changed |= put(array, self.p.home[array], made.uses)
        return late

    def plan(self, stored: dict[str, float], cost: Cost) -> Plan:
        rebuilt: dict[tuple[Region, int], Replay] = {}
        for array, made in self.replays.items():
            home = self.p.home[array]
            rebuilt.setdefault((home, self.late.get(array, len(home.stmts))), Replay()).merge(made)
        ways = {n: within(way, self.parts) for n, way in self.ways.items()}
        places: dict[str, Place] = self.places
        unchanged = frozenset(
            n
            for n in places
            if (s := self.p.snapshots.get(n)) is not None
            and self.values.kept.is_unwritten_after(s.storage, s.region, s.position)
        )
        arrays = frozenset(self.rebuilt)
        return Plan(
            self.answers,
            ways,
            self.kept,
            self.hoisted,
            self.ends,
            rebuilt,
            arrays,
            unchanged,
            places,
            self.parts,
            self.sequential,
            self.reruns,
            tuple(self.inverted.values()),
            self.late,
            stored,
            cost,
        )
