"""From what the reverse sweep demands to a storage problem: the ways in which each value can be had.

A scalar (a let) is a node. It can be stored, once per iteration of the loops around it, or had again:

- an operation, from its operands. *Decisions*, discrete values made from floats, are not unless these floats have the
  same bits in any code (see `exact`): other code might round differently and take another branch;
- a load of an element that is final in memory that lives on;
- a load of an element that is final in an array that does not, if that array is available (a node of its own: stored by
  *hoisting* it, which makes it a part of a buffer at the top level, or by copying it; or rebuilt, see `slices`);
- a load of an element that was not yet changed at some earlier point outside the loops around it, or is not changed
  until some later one, if a copy of the buffer as it was there is stored (a node of its own: a *snapshot*);
- a load from memory that the reverse sweep takes back (a node of its own, see `inversion`).

A call of an active function is a node, too. It is *stored* if the forward sweep leaves what the callee's reverse needs
on stacks (split reversal), or *again* if the callee runs again in the reverse sweep, followed at once by its reverse
(joint reversal), which needs its arguments as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from wengert.ad.reverse.exact import Exactness
from wengert.ad.reverse.inversion import Inversion, Inverted, Updates, inversion
from wengert.ad.reverse.kept import AFTER, BEFORE, Direction, Index, Kept
from wengert.ad.reverse.plan import Arguments, Box, box_of
from wengert.ad.reverse.problem import Cost, Node, Problem
from wengert.ad.reverse.regions import CallSite, Definition, Prepared, Region, Snapshot
from wengert.ad.reverse.slices import Slice, Slicer
from wengert.analysis.cost.counts import Counts, itemsize
from wengert.analysis.cost.nominal import STORED, cost, library
from wengert.ir.nodes import Accumulate, Buffer, Cast, Const, Expr, LibCall, Load, Op, Select, Store, Var
from wengert.ir.types import DType
from wengert.ir.walk import declared, expressions, names_in, operands

Place: TypeAlias = tuple[str, Region, int]
"""A buffer, and the point at which its contents are wanted."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a scalar is had again: by a load, and the array or snapshot it needs (None: memory that stays); or, in place
    of a load, from what else gives its value (see `remake`)."""

    value: Expr
    source: str | None

    @property
    def operands(self) -> tuple[Expr, ...]:
        """What must be there: the subscripts of a load, or the value."""
        return self.value.index if isinstance(self.value, Load) else (self.value,)


@dataclass(frozen=True, slots=True)
class Rerun:
    """What a call costs, once: `split` if the callee leaves values on stacks, `joint` if it runs again, which takes
    `work` more. `read`: by parameter, whether what it holds at entry is read. `only`: it has to run again."""

    split: Cost
    joint: Cost
    work: float
    read: tuple[bool, ...]
    only: bool = False


Reruns: TypeAlias = Callable[[CallSite], Rerun | None]
"""None: the call cannot run again."""


class Values:
    """The nodes of one function, and what stands behind them. `updates`: those that may be undone."""

    def __init__(
        self, p: Prepared, kept: Kept, visible: frozenset[str], rerun: Reruns, updates: Updates | None = None
    ) -> None:
        self.p, self.kept, self.visible, self._rerun = p, kept, visible, rerun
        self.final = kept.values()
        self.counts = Counts(p.function)
        self.slicer = Slicer(p, kept, self.final, () if updates is None else updates)
        self.banned: set[str] = set()
        """Arrays that turned out not to be rebuildable with what is stored where."""
        self.slices: dict[str, Slice | None] = {}
        self.boxes: dict[str, Box | None] = {}
        self.places: dict[Place, Snapshot] = {}
        self.ends: dict[str, Snapshot] = {}
        """Arrays that are copied at the end of their life if they are stored."""
        self.exact = Exactness(self)
        self._ways: dict[str, Way | None] = {}
        self._copies: set[str] = set()
        self._trips: dict[Region, float] = {}
        self.inversion = Inversion()
        if updates is not None:
            self.inversion = inversion(p, kept, self.final, updates, visible, self._slice)

    # -- the problem

    def problem(self, demands: frozenset[str]) -> Problem:
        """The nodes that the demands may need."""
        nodes: dict[str, Node] = {}
        todo = sorted(demands)
        while todo:
            name = todo.pop()
            if name not in nodes:
                node = nodes[name] = self._node(name)
                todo += sorted(node.needs | node.together)
        return Problem(nodes, demands)

    def _node(self, name: str) -> Node:
        if name in self.p.definitions:
            return self._scalar(self.p.definitions[name])
        if name in self.p.snapshots:
            return self._snapshot(self.p.snapshots[name])
        if name in self.p.calls:
            return self._call(self.p.calls[name])
        if name in self.inversion.memory:
            return self._inverted(self.inversion.memory[name])
        return self._array(name)

    def _scalar(self, d: Definition) -> Node:
        if d.name in self.visible:
            return Node(d.name, inf, 0.0, kept=True)
        trips = self.trips(d.region)
        store = trips * itemsize(d.dtype) * STORED
        way, value = self.way(d.name), self.operation(d.name)
        if way is not None:
            needs = self.scalars(*way.operands) | ({way.source} if way.source else set[str]())
            return Node(d.name, store, trips, frozenset(needs), kept=way.source is None and isinstance(way.value, Load))
        if value is None or self._is_decision(value):
            return Node(d.name, store, inf)
        needs = self.scalars(value)
        free = not needs or (not d.dtype.is_inexact and needs <= self.visible)
        return Node(d.name, store, trips * cost(value), frozenset(needs), kept=free)

    def _snapshot(self, s: Snapshot) -> Node:
        """A copy: of what is final, that is no copy at all."""
        store = self._size(s.shape, s.dtype) * self.trips(s.region)
        if s.name in self._copies:
            return Node(s.name, store, inf)
        memory, names = self.inversion.snapshots.get(s.name), set[str]()
        if not self.kept.is_final(s.storage, None, s.region, s.position) and memory is None:
            return Node(s.name, store, inf)
        base = s.storage
        while not self.kept.is_top(base) and base in self.p.bases:  # a view that is gone is made again
            view, buffer = self.p.views.get(base), self.p.storages[base]
            assert isinstance(buffer, Buffer)
            steps = () if view is None else (*view.start, *(step for _, step in view.axes))
            names |= self.scalars(*buffer.shape, *steps)
            base = self.p.bases[base]
        if memory is not None:
            return Node(s.name, store, 0.0, frozenset(names | {memory}))
        if not isinstance(self.p.storages[base], Buffer) or self.p.aliases.is_rebindable(base):
            return Node(s.name, store, inf)
        if self.kept.is_top(base):
            return Node(s.name, store, 0.0, frozenset(names), kept=not names)
        if self.kept.allocation(base) is not None:
            return Node(s.name, store, 0.0, frozenset(names | {base}))
        return Node(s.name, store, inf)

    def _array(self, name: str) -> Node:
        alloc = self.kept.allocation(name)
        assert alloc is not None
        home = self.p.home[name]
        store = self._size(alloc.buffer.shape, alloc.buffer.dtype) * self.trips(home) if alloc.buffer.shape else inf
        made = None if name in self.banned else self.slice(name)
        if made is None:
            return Node(name, store, inf)
        cost = sum(self._work(region, k) for region, k in made.statements) + sum(
            self.trips(self.p.definitions[n].region) * self._inline_cost(n) for n in made.inline
        )
        needs = made.needs | self.inversion.arrays.get(name, frozenset())
        return Node(name, store, cost, frozenset(needs), frozenset(made.together), stepwise=True)

    def _inverted(self, memory: Inverted) -> Node:
        """Memory that is taken back: a copy to begin with, unless it is taken back in place, and the updates undone."""
        copy, again, needs = memory.copy, 0.0, set[str]()
        if not memory.in_place:
            again += self._size(copy.shape, copy.dtype) * self.trips(copy.region)
            needs |= self.scalars(*copy.shape)
        for u in memory.updates:
            region = u.write.region
            again += self.trips(region) * len(u.terms)
            needs |= self.scalars(*u.index, *(e for e, _ in u.terms))
            while region is not copy.region and region.parent is not None:
                region, k = region.parent, region.position
                needs |= self.scalars(*expressions(region.stmts[k]))
                needs |= {region.notes[k]} if k in region.notes else set[str]()
        return Node(memory.name, inf, again, frozenset(needs), stepwise=True)

    def _call(self, site: CallSite) -> Node:
        """A call: what running it again stores is there for one call at a time."""
        found = self._rerun(site)
        buffers = [self.p.storages[a] for a in site.stmt.args if isinstance(a, str)]
        if site.name in self.p.checkpointed:
            assert found is not None
            needs = self.scalars(*(e for s in buffers if isinstance(s, Buffer) for e in s.shape))
            needs |= self.scalars(*(a for a in site.stmt.args if not isinstance(a, str)))
            needs |= {s for s in self.arguments(site) if s is not None}
            return Node(site.name, inf, self.trips(site.region) * found.work + found.joint.total, frozenset(needs))
        if found is None or self._shares_writes(site) or not all(isinstance(s, Buffer) for s in buffers):
            return Node(site.name, 0.0, inf)
        trips = self.trips(site.region)
        store = trips * (found.split.stored + found.split.again)
        again = trips * (found.work + found.joint.again) + found.joint.stored
        args = site.stmt.args
        extents = [e for s in buffers if isinstance(s, Buffer) for e in s.shape]
        needs = self.scalars(*extents, *(a for a in args if not isinstance(a, str)))
        needs |= {s for s in self.arguments(site) if s is not None}
        return Node(site.name, inf if found.only else store, again, frozenset(needs))

    def _shares_writes(self, site: CallSite) -> bool:
        """Whether a call writes what it sees through two arguments."""
        names = [a for a in site.stmt.args if isinstance(a, str)]
        classes = [self.p.aliases.of(a) for a in names]
        written = {site.stmt.args[k] for k in self.p.flow.aliases.written[site.stmt.function]}
        return any(classes.count(self.p.aliases.of(a)) > 1 for a in names if a in written)

    def arguments(self, site: CallSite) -> Arguments:
        """The snapshots of what a call reads, as it was before the call."""
        found = self._rerun(site)
        assert found is not None
        # What the steps of a loop change that run again is stored with their states.
        moving = self.p.flow.aliases.written[site.stmt.function] if site.name in self.p.checkpointed else set[int]()
        return tuple(
            self._before(a, site.region, site.position).name
            if isinstance(a, str) and read and k not in moving
            else None
            for k, (a, read) in enumerate(zip(site.stmt.args, found.read, strict=True))
        )

    def _before(self, storage: str, region: Region, position: int) -> Snapshot:
        """The contents of a storage at a point, taken as early, and outside as many loops, as they are the same."""
        home = self.p.home[storage]
        while region is not home:
            assert region.parent is not None
            if self.kept.is_written_in(storage, region.parent, region.position):
                break
            region, position = region.parent, region.position
        first = self.kept.after_last_write(storage, region, position)
        if region is home:
            declared_at = (
                k for k, s in enumerate(region.stmts) if (d := declared(s)) is not None and d.name == storage
            )
            first = max(first, next(declared_at, -1) + 1)
        return self._taken((storage, region, first))

    def slice(self, name: str) -> Slice | None:
        """How an array is rebuilt, None if it cannot be, or not from what is as it was."""
        made = self._slice(name)
        return None if made is not None and made.restored and name not in self.inversion.arrays else made

    def _slice(self, name: str) -> Slice | None:
        if name not in self.slices:
            self.slices[name] = self.slicer.slice(name)
        return self.slices[name]

    def box(self, array: str) -> Box | None:
        """The top-level buffer that an array would be a part of, None if its extents are not known there."""
        if array not in self.boxes:
            alloc, home = self.kept.hoistable(array), self.p.home[array]
            if alloc is None:
                self.boxes[array] = None
            else:
                buffer = alloc.buffer
                self.boxes[array] = box_of(self.p, Snapshot(array, array, buffer.dtype, buffer.shape, home, 0))
        return self.boxes[array]

    def end(self, array: str) -> Snapshot:
        """The copy of an array at the end of its life."""
        if array not in self.ends:
            buffer, home = self.p.storages[array], self.p.home[array]
            assert isinstance(buffer, Buffer)
            name = self.p.fresh(f"{array}_then")
            made = Snapshot(name, array, buffer.dtype, buffer.shape, home, len(home.stmts))
            self.ends[array] = self.p.snapshots[name] = made
            self._copies.add(name)
        return self.ends[array]

    # -- scalars

    def operation(self, name: str) -> Expr | None:
        """The operation on scalars that a let is."""
        value = self.p.definitions[name].value
        return value if isinstance(value, (Op, Select, Cast, Const, Var)) else None

    def scalars(self, *exprs: Expr) -> set[str]:
        """The lets and parameters in expressions (loop variables are always there)."""
        return {n for e in exprs for n in names_in(e) if n in self.p.definitions}

    def _is_decision(self, value: Expr) -> bool:
        """Whether a discrete value is made from floats that other code might compute differently."""
        return not value.dtype.is_inexact and not all(map(self.exact.atom, operands(value)))

    def way(self, name: str) -> Way | None:
        """The load that gives a value again, if that is how it is had."""
        if name not in self._ways:
            self._ways[name] = self._find_way(name)
        return self._ways[name]

    def _find_way(self, name: str) -> Way | None:
        definition, value = self.p.definitions[name], self.operation(name)
        load = self.final.get(name)
        if load is not None:
            decided = value is not None and (self._is_decision(value) or cost(value) > 1)
            wanted = self.kept.is_top(load.storage) and (value is None or decided) and definition.position >= 0
            if wanted and self._is_early(load.index, definition):
                return Way(load, None)
            if isinstance(definition.value, Load):
                own, _ = self.kept.resolve(definition.value.storage, definition.value.index)
                if own == load.storage:  # not one that the value is stored to: rebuilding that would need the value
                    return Way(load, own)
        place, remade = self._place(definition), self.p.remade.get(name)
        inverted = self.inversion.loads.get(name)
        if inverted is not None and (place is None or place[1] is not self.p.home[place[0]]):
            return Way(*inverted)
        if remade is not None and (place is None or self._lasts(remade)):
            return Way(remade, None)
        if place is None:
            return None
        assert isinstance(definition.value, Load)
        _, index = self.kept.resolve_fully(definition.value.storage, definition.value.index)
        snapshot = self._taken(place)
        return Way(Load(snapshot.name, index, definition.dtype), snapshot.name)

    def _lasts(self, e: Expr) -> bool:
        """Whether a value follows, by operations alone, from memory that is final."""
        for name in self.scalars(e) - self.visible:
            value = self.p.remade.get(name) or self.p.definitions[name].value
            if value is None or self._is_decision(value):
                return False
            if name in self.p.remade or not isinstance(value, Load):
                if not self._lasts(value):
                    return False
            elif name not in self.final:
                return False
        return True

    def _is_early(self, index: Index, at: Definition) -> bool:
        """Whether an index can be had again at a definition: from what comes before it, and from operations and loads
        of lasting memory that come after it, but not from the value defined."""
        for d in (self.p.definitions[n] for n in self.scalars(*index)):
            if d.region is not at.region or d.position < at.position:
                continue
            value, load = self.operation(d.name), self.final.get(d.name)
            if value is not None and d.name != at.name and self.way(d.name) is None:
                operands_ = (value,)
            elif isinstance(d.value, Load) and load is not None and self.kept.is_top(load.storage):
                operands_ = load.index
            else:
                return False
            if not self._is_early(operands_, at):
                return False
        return True

    def _taken(self, place: Place) -> Snapshot:
        if place not in self.places:
            storage, region, position = place
            buffer = self.p.storages[storage]
            assert isinstance(buffer, Buffer)
            name = self.p.fresh(f"{storage}_then")
            made = Snapshot(name, storage, buffer.dtype, buffer.shape, region, position)
            self.places[place] = self.p.snapshots[name] = made
        return self.places[place]

    def _place(self, definition: Definition) -> Place | None:
        """A point outside the load's own block, and outside as many loops as possible, at which a buffer holds the
        element that it loads: the earliest one from which on the element is not written until the load, or the last one
        until which it is not written after the load. None if there is none."""
        if not isinstance(definition.value, Load):
            return None
        storage, index = self.kept.resolve_fully(definition.value.storage, definition.value.index)
        if not index or storage in self.p.bases or not isinstance(self.p.storages[storage], Buffer):
            return None
        if self.p.aliases.is_rebindable(storage):
            return None
        before, after = (self._reach(storage, index, definition, way) for way in (BEFORE, AFTER))
        is_earlier = self.trips(before[0]) <= self.trips(after[0])
        region, position = before if is_earlier else after
        if region is definition.region:
            return None
        if not is_earlier:
            position = self.kept.before_next_write(storage, region, position)
        return storage, region, self.kept.after_last_write(storage, region, position)

    def _reach(self, storage: str, index: Index, load: Definition, direction: Direction) -> tuple[Region, int]:
        """The outermost place whose statement does not write the element before (or after) a load inside it."""
        region, position = load.region, load.position
        while region is not self.p.home[storage] and region.parent is not None:
            outer, at = region.parent, region.position
            if self.kept.is_written_in(storage, outer, at) and not self.kept.untouched_within(
                storage, index, load.region, load.position, outer, at, direction
            ):
                break
            region, position = outer, at
        return region, position

    # -- nominal costs

    def trips(self, region: Region) -> float:
        """How often a region runs."""
        if region not in self._trips:
            outer = 1.0 if region.parent is None else self.trips(region.parent)
            self._trips[region] = outer if region.loop is None else outer * self.counts.trips(region.loop)
        return self._trips[region]

    def _size(self, shape: Index, dtype: DType) -> float:
        size = itemsize(dtype) * STORED
        for n in shape:
            size *= self.counts.extent(n)
        return size

    def _work(self, region: Region, position: int) -> float:
        """A statement of a slice, run as often as it is."""
        match region.stmts[position]:
            case Store() | Accumulate():
                return self.trips(region)
            case LibCall() as stmt:
                return library(stmt, self.counts) * self.trips(region)
            case _:
                return 0.0

    def _inline_cost(self, name: str) -> float:
        value = self.operation(name)
        return 1.0 if value is None else cost(value)
