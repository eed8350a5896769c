"""From what the reverse sweep demands to a storage problem: the ways in which each value can be had.

A scalar (a let) is a node. It can be stored, once per iteration of the loops around it, or had again:

- an operation, from its operands. *Decisions*, discrete values made from floats, are not unless these floats have the
  same bits in any code (see `exact`): other code might round differently and take another branch;
- a load of an element that is final in memory that lives on;
- a load of an element that is final in an array that does not, if that array is available (a node of its own: stored by
  *hoisting* it, which makes it a part of a buffer at the top level, or by copying it; or rebuilt, see `slices`);
- a load of an element that was not yet changed at some earlier point outside the loops around it, if a copy of the
  buffer as it was there is stored (a node of its own: a *snapshot*).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from wengert.ad.reverse.exact import Exactness
from wengert.ad.reverse.kept import Index, Kept
from wengert.ad.reverse.plan import Box, box_of
from wengert.ad.reverse.problem import Node, Problem
from wengert.ad.reverse.regions import Definition, Prepared, Region, Snapshot
from wengert.ad.reverse.slices import Slice, Slicer
from wengert.analysis.affine import constant, isub
from wengert.ir.nodes import Accumulate, Buffer, Cast, Const, Expr, LibCall, Load, Loop, Op, Select, Store, Var
from wengert.ir.types import DType
from wengert.ir.walk import names_in, operands

MANY = 256.0
"""Nominal trip count or extent where it is not known."""
STORED = 8.0
"""Storing a byte, in additions: memory is what reverse mode runs out of."""
COSTS = {
    "add": 1.0, "sub": 1.0, "mul": 1.0, "neg": 1.0, "real": 1.0, "imag": 1.0, "conj": 1.0, "complex": 1.0, "abs": 1.0,
    "max": 2.0, "min": 2.0, "div": 4.0, "sqrt": 6.0, "pow": 40.0,
}  # fmt: skip
"""Operations on floats, in additions."""
OTHER = 20.0
"""exp, sin and the like."""
LIBRARY = 8.0
"""An element of a library operation's result, per element of its largest operand's last extent."""

Place: TypeAlias = tuple[str, Region, int]
"""A buffer, and the point at which its contents are wanted."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a scalar is had again by loading: the load, and the array or snapshot it needs (None: memory that stays)."""

    load: Load
    source: str | None


class Values:
    """The nodes of one function, and what stands behind them."""

    def __init__(self, p: Prepared, kept: Kept, visible: frozenset[str]) -> None:
        self.p, self.kept, self.visible = p, kept, visible
        self.final = kept.values()
        self.slicer = Slicer(p, kept, self.final)
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
        return self._array(name)

    def _scalar(self, d: Definition) -> Node:
        if d.name in self.visible:
            return Node(d.name, inf, 0.0, kept=True)
        trips = self.trips(d.region)
        store = trips * _bytes(d.dtype) * STORED
        way, value = self.way(d.name), self.operation(d.name)
        if way is not None:
            needs = self.scalars(*way.load.index) | ({way.source} if way.source else set[str]())
            return Node(d.name, store, trips, frozenset(needs), kept=way.source is None)
        if value is None or self._is_decision(value):
            return Node(d.name, store, inf)
        needs = self.scalars(value)
        free = not needs or (not d.dtype.is_inexact and needs <= self.visible)
        return Node(d.name, store, trips * _cost(value), frozenset(needs), kept=free)

    def _snapshot(self, s: Snapshot) -> Node:
        """A copy: of what is final, that is no copy at all."""
        store = self._size(s.shape, s.dtype) * self.trips(s.region)
        if s.name in self._copies:
            return Node(s.name, store, inf)
        if not self.kept.is_final(s.storage, None, s.region, s.position):
            return Node(s.name, store, inf)
        base, names = s.storage, set[str]()
        while not self.kept.is_top(base) and base in self.p.bases:  # a view that is gone is made again
            view, buffer = self.p.views.get(base), self.p.storages[base]
            assert isinstance(buffer, Buffer)
            steps = () if view is None else (*view.start, *(step for _, step in view.axes))
            names |= self.scalars(*buffer.shape, *steps)
            base = self.p.bases[base]
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
        return Node(name, store, cost, frozenset(made.needs), frozenset(made.together))

    def slice(self, name: str) -> Slice | None:
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
            decided = value is not None and (self._is_decision(value) or _cost(value) > 1)
            wanted = self.kept.is_top(load.storage) and (value is None or decided) and definition.position >= 0
            if wanted and self._is_early(load.index, definition):
                return Way(load, None)
            if isinstance(definition.value, Load):
                own, _ = self.kept.resolve(definition.value.storage, definition.value.index)
                if own == load.storage:  # not one that the value is stored to: rebuilding that would need the value
                    return Way(load, own)
        place = self._place(definition)
        if place is None:
            return None
        assert isinstance(definition.value, Load)
        _, index = self.kept.resolve_fully(definition.value.storage, definition.value.index)
        snapshot = self._taken(place)
        return Way(Load(snapshot.name, index, definition.dtype), snapshot.name)

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
            self._copies.add(name)
        return self.places[place]

    def _place(self, definition: Definition) -> Place | None:
        """The earliest point from which on the element of a load is not written until the load, outside all loops that
        allow it; None if there is none outside the load's own block."""
        if not isinstance(definition.value, Load):
            return None
        storage, index = self.kept.resolve_fully(definition.value.storage, definition.value.index)
        if not index or storage in self.p.bases or not isinstance(self.p.storages[storage], Buffer):
            return None
        if self.p.aliases.is_rebindable(storage):
            return None
        region, position = definition.region, definition.position
        while region is not self.p.home[storage] and region.parent is not None:
            outer, at = region.parent, region.position
            if self.kept.is_written_in(storage, outer, at) and not self.kept.untouched_since(
                storage, index, definition.region, definition.position, outer, at
            ):
                break
            region, position = outer, at
        if region is definition.region:
            return None
        return storage, region, self.kept.after_last_write(storage, region, position)

    # -- nominal costs

    def trips(self, region: Region) -> float:
        """How often a region runs."""
        if region not in self._trips:
            outer = 1.0 if region.parent is None else self.trips(region.parent)
            self._trips[region] = outer if region.loop is None else outer * _count(region.loop)
        return self._trips[region]

    def _size(self, shape: Index, dtype: DType) -> float:
        size = _bytes(dtype) * STORED
        for n in shape:
            size *= _nominal(n)
        return size

    def _work(self, region: Region, position: int) -> float:
        """A statement of a slice, run as often as it is."""
        match region.stmts[position]:
            case Store() | Accumulate():
                return self.trips(region)
            case LibCall(ins=ins):
                operands_ = [self.p.storages[i] for i in ins if isinstance(i, str)]
                sizes = [[_nominal(n) for n in s.shape] for s in operands_ if isinstance(s, Buffer)]
                work = max((_product(s) * (s[-1] if s else 1.0) for s in sizes), default=MANY)
                return LIBRARY * work * self.trips(region)
            case _:
                return 0.0

    def _inline_cost(self, name: str) -> float:
        value = self.operation(name)
        return 1.0 if value is None else _cost(value)


def _product(sizes: list[float]) -> float:
    total = 1.0
    for s in sizes:
        total *= s
    return total


def _nominal(e: Expr) -> float:
    known = constant(e)
    return MANY if known is None else float(max(known, 1))


def _count(loop: Loop) -> float:
    if loop.stop is None or loop.cond is not None:
        return MANY
    known = constant(isub(loop.stop, loop.start))
    return MANY if known is None else max(1.0, abs(known) / abs(loop.step))


def _bytes(dtype: DType) -> float:
    return float(dtype.numpy.itemsize)


def _cost(value: Expr) -> float:
    if not value.dtype.is_inexact:
        return 1.0
    return COSTS.get(value.name, OTHER) if isinstance(value, Op) else 1.0
