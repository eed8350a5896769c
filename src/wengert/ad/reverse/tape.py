"""Saving in the forward sweep, restoring in the reverse sweep, according to the plan.

*Box*: a buffer at the top level indexed by iteration numbers. *Push*: stacks, one per dtype; a region pushes at its
end and pops at the start of its reverse, in opposite orders. *Reserve*: stacks, with positions computed: before
an `any` loop the stacks grow by what its nest stores, after its reverse they shrink again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from wengert.ad.loops import each
from wengert.ad.reverse.inversion import Update
from wengert.ad.reverse.kept import Kept
from wengert.ad.reverse.plan import Box, Item, Plan, Push, Replay, Reserve
from wengert.ad.reverse.record import Sizes
from wengert.ad.reverse.regions import CallSite, Definition, Prepared, Region, Snapshot
from wengert.ad.reverse.stacks import StackKey, Stacks
from wengert.ad.reverse.sweep import Sweep, Tapes
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import (
    ONE,
    ZERO,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Expr,
    Growable,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Pop,
    Reshape,
    Span,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)  # fmt: skip
from wengert.ir.types import I64
from wengert.ir.walk import names_in

At = Callable[[Expr], Expr]


@dataclass
class Reserved:
    """Where the values of an item of an `any` nest are: the stack, the position of the first, the trip counts, their
    product."""

    stack: Growable
    base: Expr
    counts: tuple[Expr, ...]
    size: Expr


class Layout:
    """What a plan stores, and where, by region.

    Each item of a dtype that is reserved before the same loop has a stack of its own, so that the positions of
    different items need not be told apart.
    """

    def __init__(self, p: Prepared, plan: Plan) -> None:
        self.places = plan.places
        self.items: dict[str, Item] = {n: d for n, d in p.definitions.items() if n in plan.places}
        self.items |= {n: plan.parts.get(n, s) for n, s in p.snapshots.items() if n in plan.places}
        self.by_region: dict[Region, list[Item]] = {}
        self.taken: dict[tuple[Region, int], list[Snapshot]] = {}
        """Snapshots by the point they are taken at."""
        self.boxes: dict[int, list[tuple[Item, Box]]] = {}
        """By the statement of the root region before which they are allocated."""
        self.reserves: dict[Region, list[tuple[StackKey, Item, Reserve]]] = {}
        """By the body of the loop before which they are reserved."""
        for name, item in self.items.items():
            self.by_region.setdefault(item.region, []).append(item)
            if isinstance(item, Snapshot):
                self.taken.setdefault((item.region, item.position), []).append(item)
            match plan.places[name]:
                case Box(anchor=position) as where:
                    self.boxes.setdefault(position, []).append((item, where))
                case Reserve(anchor=anchor) as where:
                    mine = self.reserves.setdefault(anchor, [])
                    number = sum(k.dtype is item.dtype for k, _, _ in mine)
                    mine.append((StackKey(item.dtype, number), item, where))
                case Push():
                    pass

    def pushed(self, region: Region) -> list[Item]:
        """What a region pushes, in order: copies before scalars, so that their extents are popped before they are."""
        items = [i for i in self.by_region.get(region, ()) if isinstance(self.places[i.name], Push)]
        return sorted(items, key=lambda i: isinstance(i, Definition))

    def stack_keys(self) -> set[StackKey]:
        """The stacks of scalars that are used."""
        pushed = {StackKey(i.dtype, 0) for i in self.items.values() if isinstance(self.places[i.name], Push)}
        return pushed | {key for mine in self.reserves.values() for key, _, _ in mine}


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


def part_of(part: Buffer, box: Buffer, where: Box, at: At, span: Span | None) -> View:
    """The part of a box that belongs to one iteration."""
    start = where.place(at, [ZERO] * part.rank)
    axes = tuple((box.rank - part.rank + k, ONE) for k in range(part.rank))
    return View(part, box.name, start, axes, span)


def unchanged(e: Expr) -> Expr:
    return e


class Saver:
    """The forward sweep's side."""

    def __init__(self, p: Prepared, plan: Plan, e: Emitter, stacks: Stacks, sizes: Sizes | None = None) -> None:
        self.p, self.plan, self.e, self.stacks, self.layout, self.sizes = p, plan, e, stacks, Layout(p, plan), sizes
        self.boxes: dict[str, Buffer] = {}
        self.reserved: dict[str, Reserved] = {}

    def _note(self, item: str, count: Expr) -> None:
        if self.sizes is not None:
            self.sizes.note(item, count)

    def open(self, anchor: int) -> None:
        """At the top level, before statement `anchor`: allocate its boxes."""
        for item, where in self.layout.boxes.get(anchor, ()):
            base = item.storage if isinstance(item, Snapshot) else item.name
            self.boxes[item.name] = self.e.alloc(f"{base}_saved", item.dtype, where.shape)
            self._note(item.name, product(where.shape))
        for name, where in self.plan.hoisted.items():
            if where.anchor == anchor:
                alloc = next(s for s in self.p.home[name].stmts if isinstance(s, Alloc) and s.buffer.name == name)
                with self.e.at(alloc.span):
                    self.boxes[name] = self.e.alloc(f"{name}_saved", alloc.buffer.dtype, where.shape, alloc.zero)
                    self._note(name, product(where.shape))

    def allocate(self, stmt: Alloc) -> None:
        """An allocation of the primal: of a part of a buffer at the top level, if it is hoisted."""
        buffer, where = stmt.buffer, self.plan.hoisted.get(stmt.buffer.name)
        if where is None:
            self.e.emit(stmt)
            return
        part = Buffer(buffer.name, buffer.dtype, buffer.shape, strided=True)
        self.e.emit(part_of(part, self.boxes[buffer.name], where, unchanged, stmt.span))

    def before_loop(self, body: Region) -> None:
        """Reserve what the nest of an `any` loop stores."""
        for key, item, where in self.layout.reserves.get(body, ()):
            stack = self.stacks.get(key)
            counts = tuple(self.e.let("trips", c) for c in where.counts)
            base = self.e.let("base", b.extent(stack, 0))
            size = self.e.let("size", product(counts))
            self.e.resize(stack, size)
            self._note(item.name, size)
            self.reserved[item.name] = Reserved(stack, base, counts, size)

    def define(self, name: str) -> None:
        """After the definition of a scalar."""
        where = self.layout.places.get(name)
        if where is None or isinstance(where, Push):
            return
        item = self.layout.items[name]
        self._put(item, where, (), Var(name, item.dtype))

    def _put(self, item: Item, where: Box | Reserve, inner: tuple[Expr, ...], value: Expr) -> None:
        if isinstance(where, Box):
            self.e.store(self.boxes[item.name], where.place(unchanged, inner), value)
        else:
            r = self.reserved[item.name]
            self.e.store(r.stack, (b.add(r.base, linear(where.place(unchanged, inner), r.counts)),), value)

    def snapshots(self, region: Region, position: int) -> None:
        """Before statement `position` of a region: copy what is needed of buffers as they are now."""
        for item in self.layout.taken.get((region, position), ()):
            where = self.layout.places[item.name]
            if isinstance(where, Push):
                if item.name in self.plan.unchanged:
                    continue
                self.e.emit(Alloc(Buffer(item.name, item.dtype, item.extents), False, self.e.span))
                each(self.e, item.extents, lambda i, s=item: self.e.store(s.name, i, _element(s, i)))
            else:
                each(self.e, item.extents, lambda i, s=item, w=where: self._put(s, w, i, _element(s, i)))

    def close(self, region: Region) -> None:
        """At the end of a region: push."""
        for item in self.layout.pushed(region):
            stack = self.stacks.of(item.dtype)
            if isinstance(item, Snapshot):
                is_copied = item.name not in self.plan.unchanged
                base = self.e.let("base", b.extent(stack, 0))
                size = self.e.let("size", product(item.extents))
                self.e.resize(stack, size)
                self._note(item.name, size)

                def put(i: tuple[Expr, ...], s: Snapshot = item, o: Expr = base, copied: bool = is_copied) -> None:
                    value = b.load(s.name, i, s.dtype) if copied else _element(s, i)
                    self.e.store(self.stacks.of(s.dtype), (b.add(o, linear(i, s.extents)),), value)

                each(self.e, item.extents, put)
            else:
                self.e.push(stack, Var(item.name, item.dtype))
                self._note(item.name, ONE)


def _element(s: Snapshot, index: tuple[Expr, ...]) -> Expr:
    return b.load(s.storage, s.element(index), s.dtype)


class Restorer(Tapes):
    """The reverse sweep's side."""

    def __init__(self, p: Prepared, kept: Kept, plan: Plan, stacks: Stacks, boxes: dict[str, Buffer]) -> None:
        self.p, self.kept, self.plan, self.stacks, self.boxes = p, kept, plan, stacks, boxes
        self.layout = Layout(p, plan)
        self.buffers: dict[str, Buffer] = {}
        """What snapshots and arrays of the forward sweep are called here."""
        self.again: dict[tuple[Region, int], set[int]] = {}
        """The positions of lets that are computed or loaded again, by point of the region's reverse."""
        for name, definition in p.definitions.items():
            if plan.answers.get(name) in ("recomputed", "reloaded"):
                point = plan.late.get(name, len(definition.region.stmts))
                self.again.setdefault((definition.region, point), set()).add(definition.position)
        self.arrays: dict[Region, list[str]] = {}
        for name in plan.hoisted:
            self.arrays.setdefault(p.home[name], []).append(name)
        self.reserved: dict[str, Reserved] = {}
        self.updates: dict[tuple[Region, int], list[tuple[str, Update]]] = {}
        """What is undone, by statement, and what the memory is called that is taken back."""
        self.standing_in = {memory.copy.name for memory in plan.inverted if memory.stands_in}
        for memory in plan.inverted:
            if memory.in_place:
                buffer = p.storages[memory.copy.storage]
                assert isinstance(buffer, Buffer)
                self.buffers[memory.copy.name] = buffer
            for u in memory.updates:
                self.updates.setdefault((u.write.region, u.write.position), []).append((memory.copy.name, u))

    def restore(self, sweep: Sweep, region: Region) -> None:
        """Scalars from tapes, what the extents of copies are computed from, copies, and the rest."""
        items = self.layout.by_region.get(region, ())
        steps, replay = self._due(region, len(region.stmts))
        first = self._extents(region, [i for i in items if isinstance(i, Snapshot)])
        for kind in (Definition, Snapshot):
            for item in reversed(self.layout.pushed(region)):
                if type(item) is kind:
                    self._pop(sweep, item)
            for item in items:
                where = self.layout.places[item.name]
                if type(item) is kind and not isinstance(where, Push):
                    self._get(sweep, item, where)
            if kind is Definition:
                self._steps(sweep, region, first, replay)
        for name in self.arrays.get(region, ()):
            self._part(sweep, name)
        self._steps(sweep, region, steps - first, replay)

    def resume(self, sweep: Sweep, region: Region, point: int) -> None:
        if point < len(region.stmts):
            steps, replay = self._due(region, point)
            self._steps(sweep, region, steps, replay)

    def _due(self, region: Region, point: int) -> tuple[set[int], Replay]:
        """The statements that run again at a point of a region's reverse, and what is rebuilt there."""
        replay = self.plan.rebuilt.get((region, point), Replay())
        return self.again.get((region, point), set()) | replay.steps.get(region, set()), replay

    def undo(self, sweep: Sweep, region: Region, position: int) -> None:
        for name, u in self.updates.get((region, position), ()):
            for term, is_added in u.terms:
                value = sweep.at(term)
                back = b.neg(value) if is_added else value
                sweep.e.accumulate(self.buffers[name], sweep.shape(u.index), back)

    def _extents(self, region: Region, copies: list[Snapshot]) -> set[int]:
        """The positions of the lets, had again in this region, that the extents of copies depend on."""
        todo = [n for s in copies for e in s.extents for n in names_in(e)]
        found: set[int] = set()
        again = self.again.get((region, len(region.stmts)), set())
        while todo:
            d = self.p.definitions.get(todo.pop())
            if d is not None and d.region is region and d.position in again and d.position not in found:
                found.add(d.position)
                value = self.plan.ways.get(d.name, d.value)
                todo += [] if value is None else [n for n in names_in(value) if n in self.p.definitions]
        return found

    def _part(self, sweep: Sweep, name: str) -> None:
        """The part of a box that a hoisted array was."""
        where, box = self.plan.hoisted[name], self.boxes[name]
        part = Buffer(sweep.e.fresh(name), box.dtype, where.counts[len(where.loops) :], strided=True)
        sweep.e.emit(part_of(part, box, where, sweep.at, sweep.e.span))
        self.buffers[name] = part

    def _value(self, sweep: Sweep, let: Definition, replay: Replay) -> Expr:
        """What gives a value that is not stored again: by the plan's way, or as the program does."""
        way = None if let.name in replay.inline else self.plan.ways.get(let.name)
        value = let.value if way is None else way
        assert value is not None
        if not isinstance(value, Load):
            return sweep.at(value)
        storage, index = value.storage, value.index
        if way is None:
            storage, index = self.kept.resolve_fully(storage, index)
        return Load(self._now(storage), sweep.shape(index), value.dtype)

    def _now(self, storage: str) -> str:
        """What a storage of the forward sweep is called in the reverse sweep."""
        return self.buffers[storage].name if storage in self.buffers else storage

    # -- rebuilding

    def _steps(self, sweep: Sweep, region: Region, steps: Collection[int], replay: Replay) -> None:
        """Run statements of the forward sweep again, in their order; but before a value is loaded from where it was
        stored, what the index is computed from, which may come later."""
        done: set[int] = set()

        def run(k: int) -> None:
            if k in done:
                return
            done.add(k)
            stmt = region.stmts[k]
            if isinstance(stmt, Let | Pop) and stmt.name in self.plan.ways:
                early(names_in(self.plan.ways[stmt.name]))
            with sweep.e.at(stmt.span):
                self._step(sweep, region, k, stmt, replay)

        def early(names: Iterable[str]) -> None:
            for d in (self.p.definitions[n] for n in names if n in self.p.definitions):
                if d.region is region and d.position in steps and d.position not in done:
                    value = self.plan.ways.get(d.name, d.value)
                    early(() if value is None else names_in(value))
                    run(d.position)

        for k in sorted(steps):
            run(k)

    def _step(self, sweep: Sweep, region: Region, k: int, stmt: Stmt, replay: Replay) -> None:
        e = sweep.e
        match stmt:
            case Let(name) | Pop(name):
                sweep.env[name] = e.let(name, self._value(sweep, self.p.definitions[name], replay))
            case Alloc(buffer, zero):
                self.buffers[buffer.name] = e.alloc(buffer.name, buffer.dtype, sweep.shape(buffer.shape), zero)
            case View(buffer, base, start, axes):
                steps = tuple((axis, sweep.at(step)) for axis, step in axes)
                shape = sweep.shape(buffer.shape)
                self.buffers[buffer.name] = view = Buffer(e.fresh(buffer.name), buffer.dtype, shape, strided=True)
                e.emit(View(view, self._now(base), sweep.shape(start), steps, e.span))
            case Reshape(buffer, base):
                shape = sweep.shape(buffer.shape)
                self.buffers[buffer.name] = made = Buffer(e.fresh(buffer.name), buffer.dtype, shape)
                e.emit(Reshape(made, self._now(base), e.span))
            case Store(storage, index, value):
                storage, index = self.kept.resolve_fully(storage, index)
                e.store(self._now(storage), sweep.shape(index), sweep.at(value))
            case Accumulate(storage, index, value, op):
                storage, index = self.kept.resolve_fully(storage, index)
                e.accumulate(self._now(storage), sweep.shape(index), sweep.at(value), op)
            case LibCall(op, outs, ins, attrs):
                given = tuple(self._now(i) if isinstance(i, str) else sweep.at(i) for i in ins)
                e.emit(LibCall(op, tuple(map(self._now, outs)), given, attrs, e.span))
            case Loop():
                self._loop(sweep, stmt, region.inner[k][0], replay)
            case If(cond):
                then, orelse = (self._block(sweep, r, replay) for r in region.inner[k])
                e.emit(If(sweep.at(cond), then, orelse, e.span))
            case _:
                raise AssertionError(f"{type(stmt).__name__} in a replay")

    def _loop(self, sweep: Sweep, stmt: Loop, body: Region, replay: Replay) -> None:
        assert stmt.stop is not None
        start, stop = sweep.at(stmt.start), sweep.at(stmt.stop)
        var = Var(sweep.e.fresh(stmt.var), I64)
        outer = sweep.env.get(stmt.var)
        sweep.env[stmt.var] = var
        inside = self._block(sweep, body, replay)
        if outer is None:
            del sweep.env[stmt.var]
        else:
            sweep.env[stmt.var] = outer
        sweep.e.emit(Loop(var.name, start, stop, inside, stmt.step, stmt.order, None, sweep.e.span))

    def _block(self, sweep: Sweep, region: Region, replay: Replay) -> Block:
        """A region inside a replay. What it defines is not known after it."""
        known = dict(sweep.env)
        with sweep.e.collect() as stmts:
            for name in sorted(replay.gets.get(region, ())):
                if name in self.plan.hoisted:
                    self._part(sweep, name)
                    continue
                item = self.layout.items[self.plan.ends.get(name, name)]
                where = self.layout.places[item.name]
                assert isinstance(where, Box)
                self._get(sweep, item, where)
            self._steps(sweep, region, replay.steps.get(region, set()), replay)
        sweep.env.clear()
        sweep.env.update(known)
        return tuple(stmts)

    # -- tapes

    def _pop(self, sweep: Sweep, item: Item) -> None:
        e, stack = sweep.e, self.stacks.of(item.dtype)
        if isinstance(item, Definition):
            sweep.env[item.name] = e.pop(item.name, stack)
            return
        shape = [e.let("extent", sweep.at(n)) for n in item.extents]
        size = e.let("size", product(shape))
        buffer = e.alloc(item.name, item.dtype, shape)
        base = e.let("base", b.sub(b.extent(stack, 0), size))
        each(e, shape, lambda i: e.store(buffer, i, b.load(stack, (b.add(base, linear(i, shape)),))))
        e.resize(stack, b.neg(size))
        self._hold(item, buffer)

    def _hold(self, item: Snapshot, buffer: Buffer) -> None:
        """A snapshot is in this buffer, and so is the array of which it is the end, or which is taken back from it."""
        self.buffers[item.name] = buffer
        if self.plan.ends.get(item.storage) == item.name or item.name in self.standing_in:
            self.buffers[item.storage] = buffer

    def _get(self, sweep: Sweep, item: Item, where: Box | Reserve) -> None:
        e = sweep.e
        if isinstance(where, Box):
            box = self.boxes[item.name]
            if isinstance(item, Definition):
                sweep.env[item.name] = e.let(item.name, b.load(box, where.place(sweep.at)))
            elif not where.loops:
                self._hold(item, box)
            else:
                shape = tuple(e.let("extent", sweep.at(n)) for n in item.extents)
                part = Buffer(e.fresh(item.name), item.dtype, shape, strided=True)
                e.emit(part_of(part, box, where, sweep.at, e.span))
                self._hold(item, part)
            return
        index = where.place(sweep.at)
        r = self.reserved[item.name]
        if isinstance(item, Definition):
            at = b.add(r.base, linear(index, r.counts))
            sweep.env[item.name] = e.let(item.name, b.load(r.stack, (at,)))
            return
        shape = [e.let("extent", sweep.at(n)) for n in item.extents]
        buffer = e.alloc(item.name, item.dtype, shape)

        def element(i: tuple[Expr, ...]) -> None:
            e.store(buffer, i, b.load(r.stack, (b.add(r.base, linear((*index, *i), r.counts)),)))

        each(e, shape, element)
        self._hold(item, buffer)

    def before_loop(self, sweep: Sweep, body: Region) -> None:
        e = sweep.e
        for key, item, where in self.layout.reserves.get(body, ()):
            stack = self.stacks.get(key)
            counts = tuple(e.let("trips", sweep.at(c)) for c in where.counts)
            size = e.let("size", product(counts))
            base = e.let("base", b.sub(b.extent(stack, 0), size))
            self.reserved[item.name] = Reserved(stack, base, counts, size)

    def after_loop(self, sweep: Sweep, body: Region) -> None:
        for _, item, _ in self.layout.reserves.get(body, ()):
            r = self.reserved[item.name]
            sweep.e.resize(r.stack, b.neg(r.size))

    def rerun(self, sweep: Sweep, site: CallSite) -> tuple[Buffer | None, ...] | None:
        names = self.plan.reruns.get(site.name)
        if names is None:
            return None
        return tuple(None if n is None else self.snapshot(sweep, self.p.snapshots[n]) for n in names)

    def snapshot(self, sweep: Sweep, snapshot: Snapshot) -> Buffer:
        source = self.plan.kept.get(snapshot.name)
        return self.buffers[snapshot.name] if source is None else self._shown(sweep, source)

    def _shown(self, sweep: Sweep, name: str) -> Buffer:
        """A storage of the forward sweep: itself, what stands for it, or a view of that made again."""
        if name in self.buffers:
            return self.buffers[name]
        storage: Storage = self.p.storages[name]
        assert isinstance(storage, Buffer)
        if self.kept.is_top(name) or name not in self.p.bases:
            return storage
        base, stmt, e = self._shown(sweep, self.p.bases[name]), self.p.views.get(name), sweep.e
        if stmt is None:
            made = Buffer(e.fresh(name), storage.dtype, sweep.shape(storage.shape))
            e.emit(Reshape(made, base.name, e.span))
            return made
        axes = [(axis, sweep.at(step)) for axis, step in stmt.axes]
        return e.view(name, base, list(sweep.shape(stmt.start)), axes, list(sweep.shape(storage.shape)))
