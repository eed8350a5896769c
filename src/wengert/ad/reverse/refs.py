"""Refs: their adjoints ("shadows") are made in the forward sweep, beside what they shadow.

A buffer that an active ref may name has its adjoint allocated where it is allocated; views of it, refs and ref stacks
have shadows that follow every view, rebinding, push and pop. The forward sweep saves the old target of each shadow
that it rebinds, and at the end of a block the shadows that the block declares; the reverse sweep restores them, so
that at each point every shadow names what it named when the forward sweep was there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.errors import NotDifferentiable
from wengert.ir.build import Emitter
from wengert.ir.nodes import (
    Alloc,
    Declare,
    Growable,
    PopRef,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Stmt,
    Storage,
    Var,
    View,
)
from wengert.ir.types import I64
from wengert.ir.walk import declared, rebuild

if TYPE_CHECKING:
    from wengert.ad.reverse.regions import Prepared, Region
    from wengert.ad.reverse.stacks import Stacks
    from wengert.ad.reverse.sweep import Sweep


class Shadows:
    """The forward sweep's side: `names` maps shadowed storages to their adjoints."""

    def __init__(self, p: Prepared, e: Emitter, stacks: Stacks) -> None:
        self.p, self.e, self.stacks = p, e, stacks
        self.names: dict[str, str] = {}

    def statement(self, stmt: Stmt) -> None:
        """After a statement of the primal: the same for shadows."""
        match stmt:
            case Alloc(buffer=buffer) if self.p.is_shadowed(buffer.name):
                self._declare(stmt)
                self.e.emit(rebuild(Alloc(buffer, True, stmt.span), name=self._name))
            case View(buffer=buffer, base=base) if self.p.is_active(buffer.name) and self.p.is_mapped(buffer.name):
                if isinstance(self.p.storages[base], Growable):
                    raise _repeats(stmt, "it is of an element of a list")
            case View(buffer=buffer) | Reshape(buffer=buffer) if self.p.is_shadowed(buffer.name):
                self._declare(stmt)
                self.e.emit(rebuild(stmt, name=self._name))
            case Declare(storage=storage) if self.p.is_shadowed(storage.name):
                self._declare(stmt)
                self.e.emit(rebuild(stmt, name=self._name))
                if isinstance(storage, Ref):
                    nothing = self.e.alloc(f"{storage.name}_none", storage.dtype, [0] * storage.rank)
                    self.e.rebind(self.names[storage.name], nothing)
            case Rebind(ref=ref) | PopRef(ref=ref) if self.p.is_active(ref):
                if isinstance(stmt, Rebind):
                    self._check_target(stmt.target, stmt)
                self.e.push_ref(self._stack(self.p.storages[ref]), self.names[ref])
                self.e.emit(rebuild(stmt, name=self._name))
            case PushRef(ref=ref) if self.p.is_active(ref):
                self._check_target(ref, stmt)
                self.e.emit(rebuild(stmt, name=self._name))
            case _:
                pass

    def close(self, region: Region) -> None:
        """At the end of a region that is not the shared top: save its shadows."""
        for storage in shadowed(self.p, region):
            stack = self._stack(storage)
            if isinstance(storage, Growable):
                held = self.e.ref(f"{storage.name}_adj_held", storage.dtype, stack.ref_rank or 0)
                with self.e.loop("k", 0, Var(self.p.lengths[storage.name], I64)):
                    self.e.pop_ref(held, self.names[storage.name])
                    self.e.push_ref(stack, held)
            else:
                self.e.push_ref(stack, self.names[storage.name])

    def of_argument(self, storage: str, stmt: Stmt) -> str:
        """The shadow to pass to a function that may bind refs to it."""
        self._check_target(storage, stmt)
        return self.names[storage]

    def _check_target(self, storage: str, stmt: Stmt) -> None:
        if self.p.is_mapped(storage):
            raise _repeats(stmt, "a ref is bound to it")

    def _declare(self, stmt: Stmt) -> None:
        storage = declared(stmt)
        assert storage is not None
        self.names[storage.name] = self.e.fresh(f"{storage.name}_adj")

    def _name(self, name: str) -> str:
        return self.names.get(name, name)

    def _stack(self, storage: Storage) -> Growable:
        return self.stacks.of_refs(storage.dtype, ref_rank(storage))


def _repeats(stmt: Stmt, reason: str) -> NotDifferentiable:
    return NotDifferentiable("a repeating view", stmt.span, reason, "copy the array that is repeated")


def ref_rank(storage: Storage) -> int:
    """The rank of what a shadow of the storage names."""
    if isinstance(storage, Growable):
        assert storage.ref_rank is not None
        return storage.ref_rank
    return storage.rank


def shadowed(p: Prepared, region: Region) -> list[Storage]:
    """The storages that a region declares and that have shadows."""
    found = (declared(s) for s in region.stmts)
    return [s for s in found if s is not None and p.is_shadowed(s.name)]


def restore(sweep: Sweep, region: Region) -> None:
    """At the start of the reverse of a region: its shadows, from where `Shadows.close` saved them."""
    if region is sweep.p.root and sweep.shared_top:
        return
    for storage in reversed(shadowed(sweep.p, region)):
        stack = sweep.stacks.of_refs(storage.dtype, ref_rank(storage))
        sweep.given.add(storage.name)
        if isinstance(storage, Growable):
            adj = sweep.e.growable(f"{storage.name}_adj", storage.dtype, storage.ref_rank)
            held = sweep.e.ref(f"{storage.name}_adj_held", storage.dtype, ref_rank(storage))
            with sweep.e.loop("k", 0, sweep.at(Var(sweep.p.lengths[storage.name], I64))):
                sweep.e.pop_ref(held, stack)
                sweep.e.push_ref(adj, held)
            sweep.adj_names[storage.name] = adj.name
        else:
            ref = sweep.e.ref(f"{storage.name}_adj", storage.dtype, storage.rank)
            sweep.e.pop_ref(ref, stack)
            sweep.adj_names[storage.name] = ref.name


def reverse_rebind(sweep: Sweep, stmt: Rebind) -> None:
    if sweep.p.is_active(stmt.ref):
        _restore_target(sweep, stmt.ref)


def reverse_push(sweep: Sweep, stmt: PushRef) -> None:
    if sweep.p.is_active(stmt.ref):
        held = sweep.e.ref(f"{stmt.ref}_adj_held", sweep.p.storages[stmt.ref].dtype, sweep.p.storages[stmt.ref].rank)
        sweep.e.pop_ref(held, sweep.adj(stmt.growable).name)


def reverse_pop(sweep: Sweep, stmt: PopRef) -> None:
    if sweep.p.is_active(stmt.ref):
        sweep.e.push_ref(sweep.adj(stmt.growable).name, sweep.adj(stmt.ref).name)
        _restore_target(sweep, stmt.ref)


def _restore_target(sweep: Sweep, ref: str) -> None:
    storage = sweep.p.storages[ref]
    stack = sweep.stacks.of_refs(storage.dtype, ref_rank(storage))
    sweep.e.pop_ref(sweep.adj(ref).name, stack)
