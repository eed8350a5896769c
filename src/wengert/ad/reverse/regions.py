"""The primal, prepared for reversal: a tree of regions (blocks) with the names that the reverse sweep asks for.

Preparation adds, to flat code, lets for what the reverse sweep needs to know and the primal does not say:

- `count`: the number of iterations of an active loop with a `cond` or without an end;
- `took`: whether an active max= or min= took the new value;
- `length`: the length of an active growable at the end of the block that declares it;
- extents of the refs whose contents a library rule needs.

The contents of a storage that a library rule needs are a `Snapshot`. Whether a let or snapshot is available to the
reverse sweep, and how, is decided by the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wengert.ad.extrema import sequentialise, took_new
from wengert.ad.rules import table
from wengert.analysis.activity import Activity, Flow
from wengert.analysis.alias import Aliases
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import (
    ONE,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Declare,
    Expr,
    Extent,
    Function,
    Growable,
    If,
    Let,
    LibCall,
    Loop,
    Pop,
    PopRef,
    Rebind,
    Reshape,
    Scalar,
    Span,
    Stmt,
    Storage,
    Var,
    View,
)
from wengert.ir.types import I64, DType
from wengert.ir.walk import declared, defined, function_names, statements, storages, unused, used


@dataclass(frozen=True, slots=True)
class Definition:
    """A scalar of the primal: `value` is its operation (None: a parameter, or popped)."""

    name: str
    dtype: DType
    region: Region
    position: int
    value: Expr | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The contents of `storage` just before the statement at `position` of a region; `shape` in atoms. `part`: if not
    all of it is wanted, along each axis from where and how many, in terms of the loops around it (see `parts`)."""

    name: str
    storage: str
    dtype: DType
    shape: tuple[Expr, ...]
    region: Region
    position: int
    part: tuple[tuple[Expr, Expr], ...] | None = None

    @property
    def extents(self) -> tuple[Expr, ...]:
        """Of what is wanted."""
        return self.shape if self.part is None else tuple(n for _, n in self.part)

    def element(self, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """Where in the storage an element of what is wanted is."""
        if self.part is None:
            return index
        return tuple(b.add(low, i) for (low, _), i in zip(self.part, index, strict=True))


@dataclass(frozen=True, slots=True)
class CallSite:
    """An active call: the statement at `position` of a region, and which of its arguments are active."""

    name: str
    stmt: Call
    active: tuple[bool, ...]
    region: Region
    position: int


@dataclass(eq=False)
class Region:
    """A block. `inner` holds the regions of the statements that nest, by position, `notes` the name of a loop's count
    or of an accumulation's `took`, `snapshots` those of a library call by (in or out, operand), `calls` the names of
    active calls."""

    parent: Region | None
    position: int
    loop: Loop | None = None
    stmts: list[Stmt] = field(default_factory=list[Stmt])
    inner: dict[int, tuple[Region, ...]] = field(default_factory=dict[int, "tuple[Region, ...]"])
    notes: dict[int, str] = field(default_factory=dict[int, str])
    snapshots: dict[int, dict[tuple[str, int], Snapshot]] = field(
        default_factory=dict[int, dict[tuple[str, int], Snapshot]]
    )
    calls: dict[int, str] = field(default_factory=dict[int, str])

    def ancestors(self) -> Iterator[Region]:
        """This region and those around it, innermost first."""
        region: Region | None = self
        while region is not None:
            yield region
            region = region.parent

    def loops(self) -> list[Region]:
        """The regions among the ancestors that are loop bodies, outermost first."""
        return [r for r in self.ancestors() if r.loop is not None][::-1]

    def tree(self) -> Iterator[Region]:
        """This region and all inside it."""
        yield self
        for inner in self.inner.values():
            for region in inner:
                yield from region.tree()


@dataclass
class Prepared:
    """A function as regions, and where everything is defined."""

    function: Function
    activity: Activity
    flow: Flow
    root: Region
    definitions: dict[str, Definition]
    storages: dict[str, Storage]
    home: dict[str, Region]
    """The region that declares each storage (the root for parameters)."""
    views: dict[str, View]
    bases: dict[str, str]
    """What each view or reshape names a part of."""
    snapshots: dict[str, Snapshot]
    lengths: dict[str, str]
    """The let that holds a growable's final length."""
    names: set[str]
    nonnegative: frozenset[str]
    """Names that are extents, so not negative."""
    calls: dict[str, CallSite] = field(default_factory=dict[str, CallSite])
    checkpointed: dict[str, CallSite] = field(default_factory=dict[str, CallSite])
    """By the name of the call that is the body of a loop whose iterations run again: the call that is reversed, of a
    step or a segment."""
    remade: dict[str, Expr] = field(default_factory=dict[str, Expr])
    """What else gives the values of loads (see `remake`)."""

    @property
    def aliases(self) -> Aliases:
        return self.flow.aliases.aliases[self.function.name]

    def is_active(self, storage: str) -> bool:
        return storage in self.activity.storages

    def fresh(self, hint: str) -> str:
        """A name that is not in use."""
        name = unused(hint, self.names)
        self.names.add(name)
        return name

    def is_shadowed(self, storage: str) -> bool:
        """Whether the storage's adjoint must exist from the forward sweep on, because refs may name it."""
        return self.is_active(storage) and self.aliases.is_rebindable(storage) and not self.is_mapped(storage)

    def is_mapped(self, storage: str) -> bool:
        """Whether a storage repeats elements of its base (or of a base's base): it has no adjoint of its own."""
        view = self.views.get(storage)
        return view is not None and (any(axis is None for axis, _ in view.axes) or self.is_mapped(view.base))

    def active_call(self, stmt: Call) -> tuple[bool, ...] | None:
        """Which arguments are active, None if the call need not be differentiated."""
        active = tuple(
            self.is_active(a) if isinstance(a, str) else isinstance(a, Var) and a.name in self.activity.values
            for a in stmt.args
        )
        return active if any(active[k] for k in self.flow.aliases.written[stmt.function]) else None


def prepare(function: Function, activity: Activity, flow: Flow) -> Prepared:
    """The regions of a flat function."""
    p = _Preparation(function, activity, flow)
    body = sequentialise(function.body, activity)
    root = p.region(body, None, 0, None)
    prepared = p.result(root)
    for region in root.tree():
        for k, stmt in enumerate(region.stmts):
            active = prepared.active_call(stmt) if isinstance(stmt, Call) else None
            if isinstance(stmt, Call) and active is not None:
                name = region.calls[k] = prepared.fresh(f"{stmt.function}_call")
                prepared.calls[name] = CallSite(name, stmt, active, region, k)
    return prepared


class _Preparation:
    def __init__(self, function: Function, activity: Activity, flow: Flow) -> None:
        self.function, self.activity, self.flow = function, activity, flow
        self.e = Emitter(function_names(function))
        self.storages = storages(function)
        self.snapshots: dict[str, Snapshot] = {}
        self.lengths: dict[str, str] = {}

    def result(self, root: Region) -> Prepared:
        definitions = {
            p.name: Definition(p.name, p.dtype, root, -1, None) for p in self.function.params if isinstance(p, Scalar)
        }
        found: dict[str, Storage] = {p.name: p for p in self.function.params if not isinstance(p, Scalar)}
        home = dict.fromkeys(found, root)
        views: dict[str, View] = {}
        bases: dict[str, str] = {}
        for region in root.tree():
            for k, stmt in enumerate(region.stmts):
                match stmt:
                    case Let(name, value):
                        definitions[name] = Definition(name, value.dtype, region, k, value)
                    case Pop(name, _, dtype):
                        definitions[name] = Definition(name, dtype, region, k, None)
                    case _:
                        pass
                if isinstance(stmt, View):
                    views[stmt.buffer.name] = stmt
                if isinstance(stmt, (View, Reshape)):
                    bases[stmt.buffer.name] = stmt.base
                if (storage := declared(stmt)) is not None:
                    found[storage.name] = storage
                    home[storage.name] = region
        return Prepared(
            self.function,
            self.activity,
            self.flow,
            root,
            definitions,
            found,
            home,
            views,
            bases,
            self.snapshots,
            self.lengths,
            self.e.taken,
            frozenset(e.name for s in found.values() if isinstance(s, Buffer) for e in s.shape if isinstance(e, Var)),
        )

    def region(self, block: Block, parent: Region | None, position: int, loop: Loop | None) -> Region:
        region = Region(parent, position, loop)
        for stmt in block:
            with self.e.at(stmt.span):
                self._statement(region, stmt)
        for stmt in block:
            if isinstance(stmt, Declare) and isinstance(stmt.storage, Growable) and self._active(stmt.storage.name):
                name = self.e.fresh(f"{stmt.storage.name}_length")
                self.lengths[stmt.storage.name] = name
                region.stmts.append(Let(name, Extent(stmt.storage.name, 0), stmt.span))
        return region

    def _active(self, storage: str) -> bool:
        return storage in self.activity.storages

    def _statement(self, region: Region, stmt: Stmt) -> None:
        stmts = region.stmts
        match stmt:
            case Loop(cond=cond, stop=stop) if (cond is not None or stop is None) and self._touches(stmt):
                self._counted(region, stmt)
            case Loop():
                stmts.append(stmt)
                region.inner[len(stmts) - 1] = (self.region(stmt.body, region, len(stmts) - 1, stmt),)
            case If():
                stmts.append(stmt)
                k = len(stmts) - 1
                region.inner[k] = (
                    self.region(stmt.then, region, k, None),
                    self.region(stmt.orelse, region, k, None),
                )
            case Accumulate(op="max" | "min", storage=storage) if self._active(storage):
                with self.e.collect() as before:
                    took = took_new(self.e, stmt)
                stmts.extend([*before, stmt])
                region.notes[len(stmts) - 1] = took.name
            case LibCall() if any(self._active(o) for o in stmt.outs):
                self._library(region, stmt)
            case _:
                stmts.append(stmt)

    def _touches(self, stmt: Stmt) -> bool:
        """Whether a statement has anything to do with active names."""
        names = (n for s in statements((stmt,)) for n in (*used(s), defined(s)) if n is not None)
        return any(self.activity.has(n) for n in names)

    def _counted(self, region: Region, stmt: Loop) -> None:
        cell = Buffer(self.e.fresh(f"{stmt.var}_counter"), I64, ())
        name = self.e.fresh(f"{stmt.var}_count")
        self.storages[cell.name] = cell
        self.flow.aliases.aliases[self.function.name].add(cell.name)
        region.stmts.append(Alloc(cell, True, stmt.span))
        region.stmts.append(stmt)
        k = len(region.stmts) - 1
        body = (*stmt.body, Accumulate(cell.name, (), ONE, "add", stmt.span))
        region.inner[k] = (self.region(body, region, k, stmt),)
        region.stmts.append(Let(name, b.load(cell, ()), stmt.span))
        region.notes[k] = name

    def _library(self, region: Region, stmt: LibCall) -> None:
        rule = table.rule(stmt)
        active = tuple(isinstance(i, str) and self._active(i) for i in stmt.ins), tuple(map(self._active, stmt.outs))
        ins, outs = rule.needs(*active) if all(map(any, active)) else (frozenset[int](), frozenset[int]())
        wanted = [(("in", k), stmt.ins[k]) for k in sorted(ins)] + [(("out", k), stmt.outs[k]) for k in sorted(outs)]
        roles = {role: name for role, name in wanted if isinstance(name, str)}
        shapes = {name: self._shape(region, name) for name in dict.fromkeys(roles.values())}
        region.stmts.append(stmt)
        position = len(region.stmts)
        taken = {
            name: Snapshot(self.e.fresh(f"{name}_then"), name, self.storages[name].dtype, shape, region, position)
            for name, shape in shapes.items()
        }
        self.snapshots |= {s.name: s for s in taken.values()}
        region.snapshots[position - 1] = {role: taken[name] for role, name in roles.items()}

    def _shape(self, region: Region, name: str) -> tuple[Expr, ...]:
        """The extents of a storage as atoms; those of a ref become lets."""
        storage = self.storages[name]
        if isinstance(storage, Buffer):
            return storage.shape
        shape: list[Expr] = []
        for axis in range(storage.rank):
            with self.e.collect() as stmts:
                shape.append(self.e.let(f"{name}_n{axis}", Extent(name, axis)))
            region.stmts.extend(stmts)
        return tuple(shape)


def has_ref_saves(region: Region, prepared: Prepared) -> bool:
    """Whether the region itself saves refs: it rebinds active refs, or declares storages that active refs may name."""
    for stmt in region.stmts:
        match stmt:
            case Rebind(ref=ref) | PopRef(ref=ref) if prepared.is_active(ref):
                return True
            case _:
                storage = declared(stmt)
                if storage is not None and prepared.is_shadowed(storage.name):
                    return True
    return False


def span_of(item: Definition | Snapshot) -> Span | None:
    """Where an item comes from: a copy that a library operation needs, from that operation before it."""
    stmts, k = item.region.stmts, item.position
    if isinstance(item, Snapshot) and k > 0 and isinstance(stmts[k - 1], LibCall):
        k -= 1
    return stmts[min(k, len(stmts) - 1)].span if stmts and k >= 0 else None
