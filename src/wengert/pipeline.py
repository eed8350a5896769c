"""The passes, in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from wengert.ad.attach import forget
from wengert.ir.depth import deep
from wengert.ir.nodes import Module
from wengert.optimise.carry import carry
from wengert.optimise.contract import contract
from wengert.optimise.dce import eliminate_dead_code
from wengert.optimise.expand import expand
from wengert.optimise.factor_sums import factor_sums
from wengert.optimise.final_writes import drop_final_writes
from wengert.optimise.first_writes import drop_zeros
from wengert.optimise.fuse import fuse
from wengert.optimise.gather import gather
from wengert.optimise.independent import independent
from wengert.optimise.interchange import interchange
from wengert.optimise.jam import jam
from wengert.optimise.layout import layout
from wengert.optimise.mirror import mirror
from wengert.optimise.names import tidy_names
from wengert.optimise.place_products import place_products
from wengert.optimise.raise_contractions import raise_contractions
from wengert.optimise.recompute import recompute
from wengert.optimise.selections import selections
from wengert.optimise.share_copies import share_copies
from wengert.optimise.share_factors import share_factors
from wengert.optimise.sink import sink
from wengert.optimise.skip import skip
from wengert.optimise.split import split
from wengert.optimise.strips import strips
from wengert.runtime.compile import wanted_threads

Pass = Callable[..., Module]
"""Takes a module, and perhaps more."""

LAST: tuple[Pass, ...] = (
    independent,
    drop_zeros,
    share_copies,
    factor_sums,
    mirror,
    raise_contractions,
    place_products,
    share_factors,
    fuse,
    recompute,
    contract,
    selections,
    interchange,
    strips,
    expand,
    gather,
    split,
    skip,
    layout,
    carry,
    jam,
    eliminate_dead_code,
    sink,
)
"""The passes over a program or derivative that is about to be compiled."""


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a pass."""

    name: str
    before: Module
    after: Module
    seconds: float


Observer = Callable[[Step], None]
_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


def prepare(module: Module, names: Mapping[str, str] | None = None) -> Module:
    """What happens to a staged program before it is differentiated or compiled; `names`: the user's for staged ones."""
    with deep():
        module = _run(eliminate_dead_code, module)
        return _run(tidy_names, module, names or {})


def finish(module: Module, unread: Collection[str] = ()) -> Module:
    """What happens to a program or a derivative before it is compiled; `unread`: parameters of the root whose contents
    nobody reads afterwards."""
    without = skipped()
    with deep():
        module = forget(module)
        if (unread or len(module.functions) > 1) and drop_final_writes.__name__ not in without:
            module = _run(drop_final_writes, module, unread)
        for one in LAST:
            if one.__name__ not in without:
                module = _run(one, module)
    return module


def skipped() -> frozenset[str]:
    """Passes that are left out: the environment variable WENGERT_WITHOUT names them, with commas between. On several
    threads nests do not go through arrays in strips, which would be too short for each to have a part, and rows of
    their own for what iterations add would be asked for by several at once."""
    named = frozenset(os.environ.get("WENGERT_WITHOUT", "").split(",")) - {""}
    return named if wanted_threads() == 1 else named | {strips.__name__, expand.__name__, jam.__name__}


@contextmanager
def observed(by: Observer) -> Generator[None]:
    """Tell `by` what every pass does that runs within, in this thread."""
    token = _observer.set(by)
    try:
        yield
    finally:
        _observer.reset(token)


def _run(one: Pass, module: Module, *rest: Any) -> Module:
    start = time.perf_counter()
    after = one(module, *rest)
    seconds = time.perf_counter() - start
    observer = _observer.get()
    if observer is not None:
        observer(Step(one.__name__, module, after, seconds))
    return after
