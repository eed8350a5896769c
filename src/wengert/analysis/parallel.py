"""Whether the iterations of an `any` loop can run on several threads (`analysis.lanes` asks the same of vector lanes).

Whatever a thread writes must be its own. A storage that is written is touched only at an element that moves with the
loop variable, under one name; or it is one element that is only added to, a *sum*; or it lives in the iteration. The
body must not leave the loop, fail, call, or ask for memory other than what `is_private` allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from wengert.analysis.access import Access, accesses, common_axis, is_plain, looks
from wengert.analysis.alias import Aliases
from wengert.ir.nodes import Accumulate, Alloc, Buffer, If, Let, Loop, Op, Reshape, Stmt, Storage, Store, View
from wengert.ir.ops import CHECKED
from wengert.ir.types import BOOL
from wengert.ir.walk import definitions, expressions, names_in, statements, subexpressions


def sums(
    loop: Loop,
    storages: Mapping[str, Storage],
    aliases: Aliases,
    folded: set[str],
    is_private: Callable[[Buffer], bool],
) -> list[Access] | None:
    """The sums of a loop, one per storage; None if it cannot run on threads.

    `storages` and `folded` (see `access.folded`) are the function's; `is_private` says of a buffer that the body
    allocates whether every thread gets its own.
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
    found: list[Access] = []
    for c, mine in touched.items():
        if c in private or not any(x.writes for x in mine):
            continue
        first = mine[0]
        if any(x.storage != first.storage for x in mine) or not _is_known(first.storage, storages, local):
            return None
        if _is_sum(mine, local) and storages[first.storage].dtype is not BOOL:
            found.append(first)
        elif c in folded or common_axis([x.index for x in mine], loop.var, local) is None:
            return None
    return found


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


def _is_sum(mine: Iterable[Access], local: set[str]) -> bool:
    """Whether one element, the same in all iterations, is only added to."""
    (index, *others) = {x.index for x in mine}
    return not others and all(x.adds for x in mine) and not any(names_in(e) & local or looks(e) for e in index)
