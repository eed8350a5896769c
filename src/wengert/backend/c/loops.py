"""Loops: bounds, looks at signals, and marks for the vectoriser.

Loops that contain loops or calls, or run on a condition, tick at their back edge, but for short nests of constant
bounds. Other loops whose length no array bounds run in strips of about a million iterations, with a look at signals in
between.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...analysis import access
from ...ir import walk
from ...ir.nodes import Accumulate, Call, Const, Expr, If, LibCall, Loop, Stmt, Store, Var
from ...ir.types import BOOL
from . import streams
from .expressions import element, top
from .lane_sums import fits_lanes, vector_statement, write_lane_sums
from .names import C_TYPE, literal
from .vectors import reductions
from .writer import Writer

if TYPE_CHECKING:
    from .statements import BlockWriter

STRIP = 1 << 20
BRIEF = 1024
"""Iterations of a nest that need no look at signals."""
BYTES = " simdlen(16)"
"""Lanes of a loop with arrays of truths: gcc would take as many as there are bytes in a vector, and run what is shorter
one by one (nbody of 25 bodies took 1.13 times as long)."""


def bounds(w: Writer, stmt: Loop, often: bool = False) -> tuple[str, str | None]:
    """The texts of a loop's start and stop, evaluated before the loop; `often`: the start is needed more than once."""
    start = _bound(w, stmt.start, stmt.var, "start") if often else top(w, stmt.start)
    return start, None if stmt.stop is None else _bound(w, stmt.stop, stmt.var, "stop")


def write(b: BlockWriter, stmt: Loop, start: str, stop: str | None) -> None:
    """A loop between bounds that are texts."""
    w = b.w
    var = w.known(stmt.var, w.name_of(stmt.var), "int64_t")
    ticks = (has_inner(stmt) or stmt.cond is not None or stop is None) and not is_brief(stmt)
    if ticks or stop is None:
        _open_plain(w, stmt, var, start, stop)
        if stmt.var in w.shared.counted and w.function is w.shared.module.root and w.team is None:
            w.line(f"wg->turns[{w.shared.counted.index(stmt.var)}]++;")
        _body(b, stmt, var)
        w.settle_overflow()
        w.look()
        w.close()
    elif stmt.order == "any" and (sums := reductions(w, stmt)) is not None:
        w.moving = _moving(w, stmt)
        _vector_loop(b, stmt, var, start, stop, sums)
        w.moving = frozenset()
    elif _is_bounded(stmt):
        _open_plain(w, stmt, var, start, stop)
        _body(b, stmt, var)
        w.close()
    else:
        _open_strips(w, stmt, var, start, stop)
        _body(b, stmt, var)
        _close_strips(w, var, stop)


def _open_strips(w: Writer, stmt: Loop, var: str, start: str, stop: str, mark: str = "") -> None:
    order = "WG_STRIPS_UP" if stmt.step > 0 else "WG_STRIPS_DOWN"
    w.open(f"{order}({var}, {start}, {stop}, {abs(stmt.step)})")
    if mark:
        w.line(mark)
    w.open(_head(var, f"{var}_from", f"{var}_to", stmt.step))


def _close_strips(w: Writer, var: str, stop: str) -> None:
    w.close()
    w.settle_overflow()
    w.look(f"{var}_to != {stop}")
    w.close()


def has_inner(stmt: Loop) -> bool:
    """Whether a loop contains loops or calls."""
    return any(isinstance(s, (Loop, Call, LibCall)) for s in walk.statements(stmt.body))


def _bound(w: Writer, e: Expr, var: str, end: str) -> str:
    """The bound's text; evaluated once, before the loop."""
    if isinstance(e, (Const, Var)):
        return top(w, e)
    name = w.names.fresh(f"{w.name_of(var)}_{end}")
    w.line(f"const int64_t {name} = {top(w, e)};")
    return name


def _head(var: str, start: str, stop: str | None, step: int, cond: str | None = None) -> str:
    tests = ([f"{var} {'<' if step > 0 else '>'} {stop}"] if stop is not None else []) + ([cond] if cond else [])
    sign = "+" if step > 0 else "-"
    advance = f"{var}{sign}{sign}" if abs(step) == 1 else f"{var} {sign}= {abs(step)}"
    return f"for (int64_t {var} = {start}; {' && '.join(tests)}; {advance})"


def _open_plain(w: Writer, stmt: Loop, var: str, start: str, stop: str | None) -> None:
    """Open a loop; a shared loop variable is copied to the frame before `cond` can mention it in another piece."""
    cond = None
    if stmt.cond is not None:
        if w.variables[var].shared:
            w.piece.local.add(var)
        cond = top(w, stmt.cond)
        cond = f"({cond})" if stop is not None and ("||" in cond or "?" in cond) else cond
    w.open(_head(var, start, stop, stmt.step, cond))


def _body(b: BlockWriter, stmt: Loop, var: str) -> None:
    b.w.share(var)
    b.block(stmt.body)


def is_brief(stmt: Loop) -> bool:
    """Whether a nest surely ends soon: constant bounds, few iterations in all, no calls."""
    return 0 <= _turns(stmt) <= BRIEF


def _turns(stmt: Stmt) -> float:
    """The iterations of the nests in a statement at the most; infinite if that is not known."""
    match stmt:
        case Loop(start=Const(low), stop=Const(high)):
            own = max(0, (high.real - low.real) // stmt.step)
            return own * max(1, sum(map(_turns, stmt.body)))
        case If(then=then, orelse=orelse):
            return sum(map(_turns, (*then, *orelse)))
        case Loop() | Call() | LibCall():
            return math.inf
        case _:
            return 0


def _is_bounded(stmt: Loop) -> bool:
    """Whether the loop is short, or over an array, whose size bounds its length."""
    if isinstance(stmt.start, Const) and isinstance(stmt.stop, Const):
        return abs(stmt.stop.value.real - stmt.start.value.real) <= STRIP * abs(stmt.step)
    body = list(walk.statements(stmt.body))
    moving = walk.definitions(stmt.body) | {stmt.var}
    if stmt.order != "any":  # subscripts may be anything: one must be the variable itself, but for what stays
        found = [x.index for x in access.accesses(tuple(s for s in stmt.body if not isinstance(s, If)))]
        return any(access.offset(e, stmt.var, moving) is not None for index in found for e in index)
    indices = [s.index for s in body if isinstance(s, (Store, Accumulate))]
    indices += [x.index for s in body for e in walk.expressions(s) for x in walk.loads(e)]
    return any(walk.names_in(e) & moving for index in indices for e in index)


# -- vector loops ------------------------------------------------------------------------------------------------


def _moving(w: Writer, stmt: Loop) -> frozenset[str]:
    """The names by which elements are others in every lane: of a loop with arrays of truths, which are bytes then. None
    if the loop looks up where an array is: a byte that is written may be anything, so it would look again each turn."""
    inside = walk.definitions(stmt.body)
    found = [(x.storage, x.index) for x in access.accesses(stmt.body) if x.index and x.storage not in inside]
    places = {name: w.place(name) for name, _ in found}
    if not any(p.storage.dtype is BOOL for p in places.values()):
        return frozenset()
    looks = any(p.kind != "array" or w.data(p) != p.data for p in places.values())
    return frozenset() if looks else frozenset(inside | {stmt.var})


def _vector_loop(b: BlockWriter, stmt: Loop, var: str, start: str, stop: str, sums: list[Accumulate]) -> None:
    """A loop marked `omp simd`, its sums reductions into local variables."""
    w = b.w
    if fits_lanes(stmt, sums):
        write_lane_sums(b, stmt, var, sums, _head(var, start, stop, stmt.step))
        return
    names = {(s.storage, s.index): w.names.fresh(f"{w.name_of(s.storage)}_sum") for s in sums}
    guarded = bool(sums) and not 0 < _turns(stmt) < math.inf
    if guarded:
        w.open(f"if ({start} {'<' if stmt.step > 0 else '>'} {stop})")
    for s in sums:
        w.line(f"{C_TYPE[s.value.dtype]} {names[s.storage, s.index]} = {literal(0, s.value.dtype, plain=True)};")
    clause = f" reduction(+:{', '.join(names.values())})" if sums else ""
    mark = f"#pragma omp simd{BYTES if w.moving else ''}{clause}"

    def turn(loop: Loop) -> None:
        w.share(var)
        for s in loop.body:
            vector_statement(b, s, names, loop)

    def lanes(loop: Loop, start: str, stop: str) -> None:
        w.line(mark)
        w.open(_head(var, start, stop, loop.step))
        turn(loop)
        w.close()

    if not _is_bounded(stmt):
        _open_strips(w, stmt, var, start, stop, mark)
        turn(stmt)
        _close_strips(w, var, stop)
    elif stores := streams.streamed(w, stmt):
        w.open(f"if ({streams.worth(w, stores, start, stop)})")
        streams.write(w, stmt, stores, start, stop, lanes)
        w.close(" else {")
        w.piece.depth += 1
        lanes(stmt, start, stop)
        w.close()
    else:
        lanes(stmt, start, stop)
    for s in sums:
        w.line(f"{element(w, w.place(s.storage), s.index)} += {names[s.storage, s.index]};")
    if guarded:
        w.close()
