"""Adjoints as whole storages, for calls: views that repeat their base have none, they get a copy that is summed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.ad.loops import each
from wengert.ir import build as b
from wengert.ir.nodes import Buffer, Expr, Storage

if TYPE_CHECKING:
    from wengert.ad.reverse.sweep import Sweep


def adjoint(sweep: Sweep, storage: str, copies: list[tuple[str, Buffer]]) -> Storage:
    """The adjoint of an active storage; a new one of zeros, listed in `copies`, if the storage repeats its base."""
    if not sweep.p.is_mapped(storage):
        return sweep.adj(storage)
    primal = sweep.p.storages[storage]
    assert isinstance(primal, Buffer)
    copy = sweep.e.alloc(f"{storage}_adj", primal.dtype, sweep.shape(primal.shape), zero=True)
    copies.append((storage, copy))
    return copy


def scatter(sweep: Sweep, copies: list[tuple[str, Buffer]]) -> None:
    """Add the copies to the adjoints of the bases."""
    for storage, copy in copies:
        primal = sweep.p.storages[storage]
        assert isinstance(primal, Buffer)

        def element(index: tuple[Expr, ...], storage: str = storage, copy: Buffer = copy) -> None:
            # The index is of the reverse sweep: no primal name in it.
            sweep.add_to(storage, index, b.load(copy, index))

        each(sweep.e, copy.shape, element)
