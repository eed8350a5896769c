"""Whether the iterations of an `any` loop can run on several threads (`analysis.lanes` asks the same of vector lanes).

Whatever a thread writes must be its own. A storage that is written has one name in the loop, and

- is touched only at an element that moves with the loop variable, or
- is only added to, at elements that move with the loop variable a bounded distance apart, as neighbours do: iterations
  meet only if they are no more than the *reach* apart; or
- is one element that is only added to, a *sum*; or
- is an array that is only added to, anywhere: each part of the loop then has a *row* of its own, of that size; or
- lives in the iteration.

These conditions are enough by themselves: `optimise/independent.py` asks the same of sequential loops, to mark them.

The body must not leave the loop, fail, call, or ask for memory other than what `is_private` allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from wengert.analysis.access import Access, accesses, common_axis, is_plain, looks, offset
from wengert.analysis.affine import isub
from wengert.analysis.alias import Aliases
from wengert.analysis.ranges import Ranges
from wengert.ir.nodes import Accumulate, Alloc, Buffer, If, Let, Loop, Op, Reshape, Stmt, Storage, Store, View
from wengert.ir.ops import CHECKED
from wengert.ir.types import BOOL
from wengert.ir.walk import definitions, expressions, names_in, statements, subexpressions


@dataclass(frozen=True, slots=True)
class Sharing:
    """How iterations meet: in `sums`, one per storage; in what others within `reach` add to; in arrays, `rows`."""

    sums: tuple[Access, ...] = ()
    reach: int = 0
    rows: tuple[str, ...] = ()


def sharing(
    loop: Loop,
    storages: Mapping[str, Storage],
    aliases: Aliases,
    folded: set[str],
    ranges: Ranges,
    is_private: Callable[[Buffer], bool],
) -> Sharing | None:
    """How the iterations of a loop meet; None if it cannot run on threads.

    `storages`, `folded` (see `access.folded`) and `ranges` are the function's; `is_private` says of a buffer that the
    body allocates whether every thread gets its own.
    """
    body = list(statements(loop.body))
    if not is_plain(loop) or not all(_is_simple(s, storages) for s in body):
        return None
    local = definitions(loop.body) | {loop.var}
    own = [s.buffer for s in body if isinstance(s, Alloc)]
    if not all(is_private(b) and not aliases.is_rebindable(b.name) for b in own):
        return None
    private = {aliases.of(b.name) for b in own}
    touched: dict[str, list[Access]] = {}
    for x in accesses(loop.body):
        touched.setdefault(aliases.of(x.storage), []).append(x)
    sums: list[Access] = []
    rows: list[str] = []
    reach = 0
    for c, mine in touched.items():
        if c in private or not any(x.writes for x in mine):
            continue
        first = mine[0]
        if any(x.storage != first.storage for x in mine) or not _is_known(first.storage, storages, local):
            return None
        if _is_sum(mine, local) and storages[first.storage].dtype is not BOOL:
            sums.append(first)
            continue
        gap = None if c in folded else _reach(mine, loop.var, local, ranges)
        if gap is not None:
            reach = max(reach, gap)
        elif all(x.adds for x in mine) and _has_rows(storages[first.storage]):
            rows.append(first.storage)
        else:
            return None
    return Sharing(tuple(sums), reach, tuple(rows))


def _is_simple(s: Stmt, storages: Mapping[str, Storage]) -> bool:
    if any(isinstance(x, Op) and x.name in CHECKED for e in expressions(s) for x in subexpressions(e)):
        return False
    match s:
        case Loop(stop=stop, cond=cond):
            return cond is None and stop is not None
        case View(base=base) | Reshape(base=base):
            return isinstance(storages[base], Buffer)
        case _:
            return isinstance(s, (Alloc, Let, Store, Accumulate, If))


def _is_known(name: str, storages: Mapping[str, Storage], local: set[str]) -> bool:
    """Whether a storage is the same in all iterations, and different subscripts are different elements.

    What a ref or a strided parameter stands for may have been made elsewhere in any way.
    """
    storage = storages[name]
    if isinstance(storage, Buffer) and storage.strided and storage.intent != "local":
        return False
    return name not in local and isinstance(storage, Buffer)


def _has_rows(storage: Storage) -> bool:
    return isinstance(storage, Buffer) and not storage.strided and storage.dtype is not BOOL


def _is_sum(mine: Iterable[Access], local: set[str]) -> bool:
    """Whether one element, the same in all iterations, is only added to."""
    (index, *others) = {x.index for x in mine}
    return not others and all(x.adds for x in mine) and not any(names_in(e) & local or looks(e) for e in index)


def _reach(mine: list[Access], var: str, local: set[str], ranges: Ranges) -> int | None:
    """How far apart iterations are at the most that touch one element of a storage; None if that is not known."""
    rows = [x.index for x in mine]
    if common_axis(rows, var, local) is not None:
        return 0
    if not all(x.adds for x in mine):
        return None
    for k in range(len(rows[0])):
        offsets = [offset(r[k], var, local) for r in rows]
        known = [o for o in offsets if o is not None]
        if len(known) < len(offsets):
            continue
        gaps = [ranges.of(isub(o, known[0])) for o in known]
        lows, highs = [low for low, _ in gaps if low is not None], [high for _, high in gaps if high is not None]
        if len(lows) == len(highs) == len(gaps):
            return max(highs) - min(lows)
    return None
