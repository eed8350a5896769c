"""Stores past the cache: what a loop writes into a large result goes to memory without the line being read before.

A result of many megabytes is not in the cache when it is written, nor when it is read next. An ordinary store reads the
line first, so a third of the traffic of a loop that reads one array and writes another is of no use. Here a stretch of
the row is written into a buffer on the stack, which stays in the cache, and copied by stores that do not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from ...analysis import access
from ...ir import walk
from ...ir.nodes import Accumulate, Block, Buffer, Loop, Op, Stmt, Store, Var
from ...ir.types import BOOL, I64
from .expressions import element
from .names import C_TYPE
from .writer import Place, Writer

STRETCH = 256
"""Elements of a row that are written at a time."""


def streamed(w: Writer, stmt: Loop) -> list[Store]:
    """The stores of a loop in lanes that may go past the cache: into results of the program, along rows, each element
    once, and not into what other nests as deep go through."""
    into_results = [s for s in stmt.body if isinstance(s, Store) and s.storage in w.function.results]
    if w.function is not w.shared.module.root or stmt.step != 1 or not into_results:
        return []
    moving = walk.definitions(stmt.body) | {stmt.var}
    aliases, _ = w.shared.aliases(w.function)
    touched = Counter(aliases.of(x.storage) for x in access.accesses(stmt.body))

    def is_one(s: Store) -> bool:
        storage = w.facts.storages[s.storage]
        return (
            isinstance(storage, Buffer)
            and storage.intent == "local"
            and storage.dtype is not BOOL
            and bool(s.index)
            and w.place(s.storage).strides is None
            and touched[aliases.of(s.storage)] == 1
            and access.offset(s.index[-1], stmt.var, moving) is not None
            and not any(walk.names_in(e) & moving for e in s.index[:-1])
            and _passes(w.function.body, s.storage, len(s.index)) == 1
        )

    return [s for s in into_results if is_one(s)]


def _passes(block: Block, name: str, depth: int) -> int:
    """How many statements touch a storage inside at least so many loops."""
    found = 0
    for s in block:
        mine = [x.storage for e in walk.expressions(s) for x in walk.loads(e)]
        if isinstance(s, (Store, Accumulate)):
            mine.append(s.storage)
        found += depth <= 0 and name in mine
        found += sum(_passes(inner, name, depth - isinstance(s, Loop)) for inner in walk.blocks(s))
    return found


def worth(w: Writer, stores: Sequence[Store], start: str, stop: str) -> str:
    """When it pays: a C expression."""
    sizes: list[str] = []
    for s in stores:
        place = w.place(s.storage)
        extents = "*".join(f"(double){w.extent(place, k)}" for k in range(len(s.index)))
        sizes.append(f"{extents}*sizeof({C_TYPE[s.value.dtype]}) >= WG_STREAM")
    return f"WG_STREAMS && {stop} - {start} >= {STRETCH // 4} && {' && '.join(sizes)}"


def write(
    w: Writer, stmt: Loop, stores: Sequence[Store], start: str, stop: str, body: Callable[[Loop, str, str], None]
) -> None:
    """The loop in stretches; `body(loop, start, stop)` writes one of them."""
    var = w.name_of(stmt.var)
    first, last = w.names.fresh(f"{var}_first"), w.names.fresh(f"{var}_last")
    w.c_names[first] = first
    from_first = Op("sub", (Var(stmt.var, I64), Var(first, I64)), I64)
    places = {s.storage: w.place(s.storage) for s in stores}
    rows = {name: w.names.fresh(f"{w.name_of(name)}_row") for name in places}
    w.open(f"for (int64_t {first} = {start}; {first} < {stop}; {first} += {STRETCH})")
    w.line(f"const int64_t {last} = wg_min_i64({stop}, {first} + {STRETCH});")
    for name, row in rows.items():
        w.line(f"WG_LINE {C_TYPE[places[name].storage.dtype]} {row}[{STRETCH}];")
        w.places[name] = Place(places[name].storage, "array", row, (str(STRETCH),))
    here: list[Stmt] = [replace(s, index=(from_first,)) if s in stores else s for s in stmt.body]
    body(replace(stmt, body=tuple(here)), first, last)
    w.places.update(places)
    for s in stores:
        index = tuple(walk.substitute(e, {stmt.var: Var(first, I64)}) for e in s.index)
        size = f"({last} - {first})*sizeof({C_TYPE[s.value.dtype]})"
        w.line(f"wg_stream(&{element(w, places[s.storage], index)}, {rows[s.storage]}, {size});")
    w.close()
    w.streams = True


def end(w: Writer) -> None:
    """Let other threads see what this one stored past the cache, if it did."""
    if w.streams:
        w.line("wg_end_streams();")
