"""Saving in the forward sweep, restoring in the reverse sweep, according to the plan.

*Box*: a buffer at the top level indexed by iteration numbers. *Push*: stacks, one per dtype; a region pushes at its
end and pops at the start of its reverse, in opposite orders. *Reserve*: the same stacks, with positions computed: before
an `any` loop the stacks grow by what its nest stores, after its reverse they shrink again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wengert.ad.loops import each
from wengert.ad.reverse.plan import Box, Item, Place, Plan, Push, Reserve
from wengert.ad.reverse.regions import Definition, Prepared, Region, Snapshot
from wengert.ad.reverse.stacks import StackKey, Stacks
from wengert.ad.reverse.sweep import Sweep, Tapes
from wengert.ad.reverse.trips import iteration
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Alloc, Buffer, Expr, Load, Loop, Storage, Var
from wengert.ir.types import DType

At = Callable[[Expr], Expr]


@dataclass
class Reserved:
    """Where the values of an item of an `any` nest are: the stack, the position of the first, the trip counts, their
    product."""

    stack: Growable
    base: Expr
    counts: tuple[Expr, ...]
    size: Expr


def items_of(p: Prepared, plan: Plan) -> dict[str, Item]:
    """What is stored, by name, in the order of definition."""
    found: dict[str, Item] = {n: d for n, d in p.definitions.items() if n in plan.places}
    found |= {n: s for n, s in p.snapshots.items() if n in plan.places}
    return found


def product(counts: Sequence[Expr]) -> Expr:
    total: Expr = b.i64(1)
    for c in counts:
        total = b.mul(total, c)
    return total


def linear(index: Sequence[Expr], counts: Sequence[Expr]) -> Expr:
    """The position of an element in C order."""
    position: Expr = b.i64(0)
    for i, n in zip(index, counts, strict=True):
        position = b.add(b.mul(position, n), i)
    return position


def iterations(loops: Sequence[Loop], at: At) -> tuple[Expr, ...]:
    return tuple(at(iteration(loop)) for loop in loops)


class Saver:
    """The forward sweep's side."""

    def __init__(self, p: Prepared, plan: Plan, e: Emitter, stacks: Stacks) -> None:
        self.p, self.plan, self.e, self.stacks = p, plan, e, stacks
        self.items = items_of(p, plan)
        self.boxes: dict[str, Buffer] = {}
        self.reserved: dict[str, Reserved] = {}

    def open(self, anchor: int) -> None:
        """At the top level, before statement `anchor`: allocate its boxes."""
        for name, item in self.items.items():
            where = self.plan.places[name]
            if isinstance(where, Box) and where.anchor == anchor:
                base = item.storage if isinstance(item, Snapshot) else name
                self.boxes[name] = self.e.alloc(f"{base}_saved", item.dtype, where.counts)

    def before_loop(self, body: Region) -> None:
        """Reserve what the nest of an `any` loop stores."""
        for item, stack, where in reserved_items(self.plan, self.items, body, self.stacks):
            counts = tuple(self.e.let("trips", c) for c in where.counts)
            base = self.e.let("base", b.extent(stack, 0))
            size = self.e.let("size", product(counts))
            self.e.resize(stack, size)
            self.reserved[item.name] = Reserved(stack, base, counts, size)

    def define(self, name: str) -> None:
        """After the definition of a scalar."""
        where = self.plan.places.get(name)
        if where is None or isinstance(where, Push):
            return
        item = self.items[name]
        self._put(item, where, (), Var(name, item.dtype))

    def _put(self, item: Item, where: Box | Reserve, inner: tuple[Expr, ...], value: Expr) -> None:
        index = (*iterations(where.loops, lambda x: x), *inner)
        if isinstance(where, Box):
            self.e.store(self.boxes[item.name], index, value)
        else:
            r = self.reserved[item.name]
            self.e.store(r.stack, (b.add(r.base, linear(index, r.counts)),), value)

    def snapshots(self, region: Region, position: int) -> None:
        """Before statement `position` of a region: copy what is needed of buffers as they are now."""
        for name, item in self.items.items():
            if not (isinstance(item, Snapshot) and item.region is region and item.position == position):
                continue
            where = self.plan.places[name]
            if isinstance(where, Push):
                self.e.emit(Alloc(Buffer(name, item.dtype, item.shape), False, self.e.span))
                each(self.e, item.shape, lambda i, s=item: self.e.store(s.name, i, b.load(s.storage, i, s.dtype)))
            else:
                each(
                    self.e,
                    item.shape,
                    lambda i, s=item, w=where: self._put(s, w, i, b.load(s.storage, i, s.dtype)),
                )

    def close(self, region: Region) -> None:
        """At the end of a region: push."""
        for name, item in self.items.items():
            if item.region is not region or not isinstance(self.plan.places[name], Push):
                continue
            stack = self.stacks.of(item.dtype)
            if isinstance(item, Snapshot):
                base = self.e.let("base", b.extent(stack, 0))
                self.e.resize(stack, self.e.let("size", product(item.shape)))
                each(
                    self.e,
                    item.shape,
                    lambda i, s=item, g=stack, o=base: self.e.store(
                        g, (b.add(o, linear(i, s.shape)),), b.load(s.name, i, s.dtype)
                    ),
                )
            else:
                self.e.push(stack, Var(name, item.dtype))


class Restorer(Tapes):
    """The reverse sweep's side."""

    def __init__(self, p: Prepared, plan: Plan, stacks: Stacks, boxes: dict[str, Buffer], final: dict[str, Load]) -> None:
        self.p, self.plan, self.stacks, self.boxes, self.final = p, plan, stacks, boxes, final
        self.items = items_of(p, plan)
        self.reserved: dict[str, Reserved] = {}
        self.buffers: dict[str, Buffer] = {}

    def restore(self, sweep: Sweep, region: Region) -> None:
        e = sweep.e
        stored = [item for item in self.items.values() if item.region is region]
        for item in reversed(stored):
            if isinstance(self.plan.places[item.name], Push):
                self._pop(sweep, item)
        for item in stored:
            where = self.plan.places[item.name]
            if not isinstance(where, Push):
                self._get(sweep, item, where)
        for name, definition in self.p.definitions.items():
            if definition.region is region and self.plan.answers.get(name) == "recomputed":
                value = self.final.get(name, definition.value)
                assert value is not None
                sweep.env[name] = e.let(name, sweep.at(value))

    def _pop(self, sweep: Sweep, item: Item) -> None:
        e, stack = sweep.e, self.stacks.of(item.dtype)
        if isinstance(item, Definition):
            sweep.env[item.name] = e.pop(item.name, stack)
            return
        shape = [e.let("extent", sweep.at(n)) for n in item.shape]
        size = e.let("size", product(shape))
        buffer = e.alloc(item.name, item.dtype, shape)
        base = e.let("base", b.sub(b.extent(stack, 0), size))
        each(e, shape, lambda i: e.store(buffer, i, b.load(stack, (b.add(base, linear(i, shape)),))))
        e.resize(stack, b.neg(size))
        self.buffers[item.name] = buffer

    def _get(self, sweep: Sweep, item: Item, where: Box | Reserve) -> None:
        e = sweep.e
        index = iterations(where.loops, sweep.at)
        if isinstance(where, Box):
            box = self.boxes[item.name]
            if isinstance(item, Definition):
                sweep.env[item.name] = e.let(item.name, b.load(box, index))
            elif not index:
                self.buffers[item.name] = box
            else:
                shape = [e.let("extent", sweep.at(n)) for n in item.shape]
                axes = [(len(index) + k, 1) for k in range(len(shape))]
                self.buffers[item.name] = e.view(item.name, box, [*index, *(0 for _ in shape)], axes, shape)
            return
        r = self.reserved[item.name]
        if isinstance(item, Definition):
            at = b.add(r.base, linear(index, r.counts))
            sweep.env[item.name] = e.let(item.name, b.load(r.stack, (at,)))
            return
        shape = [e.let("extent", sweep.at(n)) for n in item.shape]
        buffer = e.alloc(item.name, item.dtype, shape)

        def element(i: tuple[Expr, ...]) -> None:
            e.store(buffer, i, b.load(r.stack, (b.add(r.base, linear((*index, *i), r.counts)),)))

        each(e, shape, element)
        self.buffers[item.name] = buffer

    def before_loop(self, sweep: Sweep, body: Region) -> None:
        e = sweep.e
        for item, stack, where in reserved_items(self.plan, self.items, body, self.stacks):
            counts = tuple(e.let("trips", sweep.at(c)) for c in where.counts)
            size = e.let("size", product(counts))
            base = e.let("base", b.sub(b.extent(stack, 0), size))
            self.reserved[item.name] = Reserved(stack, base, counts, size)

    def after_loop(self, sweep: Sweep, body: Region) -> None:
        for item, stack, _ in reserved_items(self.plan, self.items, body, self.stacks):
            sweep.e.resize(stack, b.neg(self.reserved[item.name].size))

    def snapshot(self, sweep: Sweep, snapshot: Snapshot) -> Buffer:
        if snapshot.name not in self.plan.kept:
            return self.buffers[snapshot.name]
        storage: Storage = self.p.storages[snapshot.storage]
        assert isinstance(storage, Buffer)
        return storage


def reserved_items(
    plan: Plan, items: dict[str, Item], body: Region, stacks: Stacks
) -> list[tuple[Item, Growable, Reserve]]:
    """What is stored in parts of stacks reserved before the loop with this body: each item of a dtype has a stack of
    its own, so that the positions of different items need not be told apart."""
    found: list[tuple[Item, Growable, Reserve]] = []
    for key, (item, where) in reserve_keys(plan, items, body).items():
        found.append((item, stacks.get(key), where))
    return found


def reserve_keys(plan: Plan, items: dict[str, Item], body: Region) -> dict[StackKey, tuple[Item, Reserve]]:
    """The stack of each item reserved before the loop with this body."""
    found: dict[StackKey, tuple[Item, Reserve]] = {}
    for name, item in items.items():
        where: Place = plan.places[name]
        if isinstance(where, Reserve) and where.anchor is body:
            number = sum(k.dtype is item.dtype for k in found)
            found[StackKey(item.dtype, number)] = item, where
    return found


def stack_keys(p: Prepared, plan: Plan) -> set[StackKey]:
    """The stacks of scalars that a plan uses."""
    items = items_of(p, plan)
    keys = {StackKey(item.dtype, 0) for name, item in items.items() if isinstance(plan.places[name], Push)}
    for region in p.root.tree():
        keys |= set(reserve_keys(plan, items, region))
    return keys
