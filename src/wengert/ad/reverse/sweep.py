"""The reverse sweep of one function: its state, and the walk over regions.

The modules beside this one hold the rule of each construct. A rule gets the sweep and a statement of the primal and
emits the reverse of it. Primal names go through `at`, which gives what stands for them in the reverse sweep. The sweep
is made twice: first with every primal name standing for itself, to find the demands, then according to the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from wengert.ad.reverse import branch, call, let, library, loop, refs, sequence, store
from wengert.ad.reverse.call import Callee
from wengert.ad.reverse.kept import Kept, through_view
from wengert.ad.reverse.regions import CallSite, Prepared, Region, Snapshot
from wengert.ad.reverse.revolve import Revolver
from wengert.ad.reverse.stacks import Stacks
from wengert.ad.rules.scalar import CHOICES, is_steep
from wengert.ir import build as b
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Declare,
    Expr,
    Fail,
    Growable,
    If,
    Let,
    LibCall,
    Loop,
    Op,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Resize,
    Select,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from wengert.ir.types import I64
from wengert.ir.walk import names_in, substitute

MAX_TERMS = 8
"""How many contributions to an adjoint are summed in one expression."""


@dataclass
class Frame:
    """The reverse of one region while it is made."""

    region: Region
    sums: dict[str, list[Expr]] = field(default_factory=dict[str, list[Expr]])
    """What this region contributes to the adjoint of each scalar, so far."""
    cells: dict[str, Buffer] = field(default_factory=dict[str, Buffer])
    """Adjoints, of scalars of this region, that nested regions add to."""


class Tapes:
    """How the sweep gets back what the plan has saved. This one is for finding demands: nothing is saved."""

    def restore(self, sweep: Sweep, region: Region) -> None:
        """At the start of the reverse of a region: emit what makes its values available."""

    def resume(self, sweep: Sweep, region: Region, point: int) -> None:
        """At a point of the reverse of a region, before that of statement `point - 1`: the same for late values."""

    def undo(self, sweep: Sweep, region: Region, position: int) -> None:
        """After the reverse of a statement: undo it, if it is an update of memory that is taken back."""

    def before_loop(self, sweep: Sweep, body: Region) -> None:
        """Before the reverse of the loop with this body."""

    def after_loop(self, sweep: Sweep, body: Region) -> None:
        """After it."""

    def rerun(self, sweep: Sweep, site: CallSite) -> tuple[Buffer | None, ...] | None:
        """If a call runs again: by argument, the storage that holds what it read."""

    def snapshot(self, sweep: Sweep, snapshot: Snapshot) -> Buffer:
        """The storage that holds a snapshot."""
        return Buffer(snapshot.name, snapshot.dtype, sweep.shape(snapshot.shape))


Callees = Callable[[str, tuple[bool, ...]], Callee]


@dataclass(frozen=True, slots=True)
class Revolving:
    """A loop whose iterations run again, and the function that reverses some of them jointly."""

    revolver: Revolver
    joint: str


class Sweep:
    """The state: what stands for scalars (`env`) and the adjoint storages (`adj_names`)."""

    def __init__(
        self,
        p: Prepared,
        kept: Kept,
        tapes: Tapes,
        stacks: Stacks,
        sequential: set[Region],
        callee: Callees,
        shared_top: bool,
        revolving: Mapping[Region, Revolving] | None = None,
    ) -> None:
        self.revolving = revolving or {}
        self.p, self.kept, self.e, self.tapes, self.stacks = p, kept, stacks.e, tapes, stacks
        self.sequential, self.callee, self.shared_top = sequential, callee, shared_top
        self.env: dict[str, Expr] = {}
        self.adj_names: dict[str, str] = {}
        self.param_cells: dict[str, Buffer] = {}
        """The adjoints of active scalar parameters."""
        self.frames: list[Frame] = []
        self.given: set[str] = set()
        """Storages whose adjoint exists without being declared in the reverse of their region."""
        self.uncertain = _uncertain(p) | p.flow.left_out(p.function.name)
        self.steep = p.flow.around(p.function.name, is_steep, reverse=True)

    # -- primal names

    def at(self, e: Expr) -> Expr:
        """A primal atom or operation over what stands for its names."""
        return substitute(e, self.env)

    def shape(self, shape: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return tuple(map(self.at, shape))

    def is_active_value(self, e: Expr) -> bool:
        return isinstance(e, Var) and e.name in self.p.activity.values

    # -- adjoints of scalars

    def contribute(self, name: str, value: Expr) -> None:
        """Add to the adjoint of an active scalar of the primal."""
        terms = self.frames[-1].sums.setdefault(name, [])
        terms.append(value)
        if len(terms) == MAX_TERMS:
            terms[:] = [self.e.let(f"{name}_adj_part", _sum(terms))]

    def contribute_to(self, e: Expr, value: Expr) -> None:
        """Add to the adjoint of an atom, if it is active."""
        if isinstance(e, Var) and self.is_active_value(e):
            self.contribute(e.name, value)

    def take(self, name: str) -> Var | None:
        """The adjoint of a scalar of the current region, complete at its definition; None if nothing contributes."""
        frame = self.frames[-1]
        terms = frame.sums.pop(name, [])
        cell = frame.cells.get(name)
        if cell is not None:
            terms.append(b.load(cell, ()))
        if not terms:
            return None
        if len(terms) == 1 and isinstance(terms[0], Var):
            return terms[0]
        let = Let(self.e.fresh(f"{name}_adj"), _sum(terms), self.e.span)
        self.e.emit(let)
        return let.var

    def _cell(self, name: str) -> Buffer:
        if name in self.param_cells:
            return self.param_cells[name]
        definition = self.p.definitions[name]
        frame = next(f for f in self.frames if f.region is definition.region)
        if name not in frame.cells:
            frame.cells[name] = Buffer(self.e.fresh(f"{name}_adj"), definition.dtype, ())
        return frame.cells[name]

    def _flush(self, frame: Frame) -> None:
        """Pass what a region contributes to scalars of outer regions on to their cells."""
        for name, terms in frame.sums.items():
            self.e.accumulate(self._cell(name), (), _sum(terms))
        frame.sums.clear()

    # -- adjoints of storages

    def adj(self, storage: str) -> Storage:
        """The adjoint of an active storage (not of one that repeats its base: see `is_mapped`)."""
        if storage not in self.adj_names:
            self.adj_names[storage] = self.e.fresh(f"{storage}_adj")
        name, s = self.adj_names[storage], self.p.storages[storage]
        match s:
            case Buffer():
                if storage in self.p.bases and storage not in self.given:
                    self.adj(self.p.bases[storage])
                return Buffer(name, s.dtype, self.shape(s.shape), s.strided, "inout")
            case Ref():
                return Ref(name, s.dtype, s.rank)
            case Growable():
                return Growable(name, s.dtype, s.ref_rank)

    def element(self, storage: str, index: tuple[Expr, ...]) -> tuple[Storage, tuple[Expr, ...]]:
        """The element of an adjoint that belongs to an element of a primal storage."""
        while self.p.is_mapped(storage):
            storage, index = through_view(self.p, storage, index)
        return self.adj(storage), self.shape(index)

    def add_to(self, storage: str, index: tuple[Expr, ...], value: Expr) -> None:
        """Add to the adjoint of an element."""
        target, at = self.element(storage, index)
        self.e.accumulate(target, at, value)

    # -- regions

    def region(self, region: Region, middle: Callable[[], None] | None = None) -> Block:
        """The reverse of a region: restores, adjoint storages, then its statements backwards. `middle` emits what
        comes between."""
        frame = Frame(region)
        self.frames.append(frame)
        with self.e.collect() as restores:
            self.tapes.restore(self, region)
            refs.restore(self, region)
        with self.e.collect() as body:
            if middle is not None:
                middle()
            for k in reversed(range(len(region.stmts))):
                with self.e.at(region.stmts[k].span):
                    self.tapes.resume(self, region, k + 1)
                    self.statement(region, k)
                    self.tapes.undo(self, region, k)
            self._flush(frame)
        with self.e.collect() as declarations:
            self._declare(region)
            for cell in frame.cells.values():
                self.e.emit(Alloc(cell, True, region.loop.span if region.loop else None))
        self.frames.pop()
        return (*restores, *declarations, *body)

    def _declare(self, region: Region) -> None:
        """Declare the adjoints, in use, of the storages of a region."""
        for stmt in region.stmts:
            with self.e.at(stmt.span):
                match stmt:
                    case Alloc(buffer=buffer) if self._is_used(buffer.name):
                        self.e.emit(Alloc(self._buffer(buffer.name), True, self.e.span))
                    case View(buffer, base, start, axes) if self._is_used(buffer.name):
                        steps = tuple((axis, self.at(step)) for axis, step in axes)
                        view = self._buffer(buffer.name)
                        self.e.emit(View(view, self.adj(base).name, self.shape(start), steps, self.e.span))
                    case Reshape(buffer, base) if self._is_used(buffer.name):
                        self.e.emit(Reshape(self._buffer(buffer.name), self.adj(base).name, self.e.span))
                    case Declare(Growable() as growable) if self._is_used(growable.name):
                        adj = self.adj(growable.name)
                        assert isinstance(adj, Growable)
                        self.e.emit(Declare(adj, self.e.span))
                        length = Var(self.p.lengths[growable.name], I64)
                        self.e.resize(adj, self.at(length))
                    case _:
                        pass

    def _is_used(self, storage: str) -> bool:
        return storage in self.adj_names and storage not in self.given

    def _buffer(self, storage: str) -> Buffer:
        adj = self.adj(storage)
        assert isinstance(adj, Buffer)
        return Buffer(adj.name, adj.dtype, adj.shape, adj.strided)

    def statement(self, region: Region, k: int) -> None:
        """The reverse of one statement."""
        stmt: Stmt = region.stmts[k]
        match stmt:
            case Let():
                let.reverse(self, stmt)
            case Store():
                store.reverse_store(self, stmt, region, k)
            case Accumulate():
                store.reverse_accumulate(self, stmt, region.notes.get(k))
            case Loop() if region.inner[k][0] in self.revolving:
                self._revolve(self.revolving[region.inner[k][0]], region.notes.get(k))
            case Loop():
                loop.reverse(self, stmt, region.inner[k][0], region.notes.get(k))
            case If():
                branch.reverse(self, stmt, *region.inner[k])
            case LibCall():
                library.reverse(self, stmt, region, k)
            case Call():
                if k in region.calls:
                    site = self.p.calls[region.calls[k]]
                    call.reverse(self, site, self.callee(stmt.function, site.active))
            case Push():
                sequence.reverse_push(self, stmt)
            case Pop():
                sequence.reverse_pop(self, stmt)
            case Resize():
                sequence.reverse_resize(self, stmt)
            case Rebind():
                refs.reverse_rebind(self, stmt)
            case PushRef():
                refs.reverse_push(self, stmt)
            case PopRef():
                refs.reverse_pop(self, stmt)
            case Alloc() | Declare() | View() | Reshape() | Fail():
                pass  # adjoints are declared at the start of the region's reverse
            case _:
                assert_never(stmt)

    def _revolve(self, revolving: Revolving, count: str | None) -> None:
        """The reverse of a loop whose iterations run again."""
        site = revolving.revolver.site
        held = self.tapes.rerun(self, site) or (None,) * len(site.stmt.args)
        revolving.revolver.reverse(self, count, held, revolving.joint)


def _sum(terms: list[Expr]) -> Expr:
    total = terms[0]
    for t in terms[1:]:
        total = b.add(total, t)
    return total


def _uncertain(p: Prepared) -> frozenset[str]:
    """The lets that only a choice may use, so that they may be meaningless: operands of select, max and min, and what
    those are computed from. Their adjoints are exactly zero where they are not chosen."""
    todo: list[str] = []
    for definition in p.definitions.values():
        match definition.value:
            case Select(_, then, orelse):
                todo += [a.name for a in (then, orelse) if isinstance(a, Var)]
            case Op(name, args) if name in CHOICES:
                todo += [a.name for a in args if isinstance(a, Var)]
            case _:
                pass
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found and name in p.activity.values:
            found.add(name)
            value = p.definitions[name].value
            todo += [] if value is None else [n for n in names_in(value) if n in p.definitions]
    return frozenset(found)
