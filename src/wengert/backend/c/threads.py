"""Loops on several threads: which ones, and how the outermost of a nest is shared out.

A loop that may run on threads is written twice: in parts, one a thread, for when it has enough to do, and as it is.
Where neighbouring iterations add to the same elements there are two parts a thread, none shorter than they reach; every
other one runs first, then the rest. Parts do not depend on how many threads there are in the end, and their sums are
added in order: results are the same from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from ...analysis import parallel
from ...analysis.cost.effort import effort
from ...ir import walk
from ...ir.nodes import Block, Buffer, Const, Expr, Let, Load, Loop, Op
from ...ir.types import I64
from . import loops, storages, streams
from .expressions import element, top
from .names import C_TYPE, literal
from .vectors import reductions
from .writer import Place, Team, Writer

if TYPE_CHECKING:
    from .statements import BlockWriter

GRAIN = 64
"""Parts of vector loops start at multiples of this, so that the same iterations as without threads are in whole vectors
(the last few are not, and library functions may then differ in the last place)."""
SMALL = 1024
"""Elements of an array, known when compiled, of which every part can have its own."""
GUESS = 8
"""The iterations of an inner loop whose bounds depend on data."""


def loop(b: BlockWriter, stmt: Loop) -> None:
    """A loop, on threads if it is the outermost that can be."""
    w = b.w
    shared = _sharing(w, stmt)
    start, stop = loops.bounds(w, stmt, often=shared is not None)
    if shared is None or stop is None:
        loops.write(b, stmt, start, stop)
        return
    var = w.name_of(stmt.var)
    trips = w.names.fresh(f"{var}_trips")
    w.line(f"const int64_t {trips} = wg_trips({start}, {stop}, {stmt.step});")
    w.considered = True
    work = w.names.fresh(f"{var}_work")
    w.line(f"const double {work} = (double){trips} * ({_work(w, stmt)});")
    count = w.shared.threads * (2 if shared.reach else 1)
    rows = {name: _Row(w, name, count) for name in shared.rows}
    fit = "".join(f" && wg_has_rows(wg, {r.elements}, {count}, sizeof({r.c_type}), {work})" for r in rows.values())
    w.open(f"if (wg_is_worth(wg, {trips}, {work}, {count * max(shared.reach, 1)}){fit})")
    _parts(b, stmt, _Parts(start, trips, work, count), shared, rows)
    w.close(" else {")
    w.piece.depth += 1
    w.considered = all(row.is_small for row in rows.values())  # else the loops inside may have the threads
    loops.write(b, stmt, start, stop)
    w.close()
    w.considered = False


def _sharing(w: Writer, stmt: Loop) -> parallel.Sharing | None:
    if w.shared.threads == 1 or w.considered or loops.is_brief(stmt) or not _is_whole(w, stmt.body):
        return None

    def is_private(buffer: Buffer) -> bool:
        return storages.is_cell(w, buffer) or storages.fits_locally(w, buffer)

    aliases, folded = w.shared.aliases(w.function)
    return parallel.sharing(stmt, w.facts.storages, aliases, folded, w.shared.ranges(w.function), is_private)


def _is_whole(w: Writer, block: Block) -> bool:
    """Whether a block is in one C function with all that is nested in it."""
    whole = len(w.shared.cutter.pieces(block)) == 1
    return whole and all(_is_whole(w, inner) for s in block for inner in walk.blocks(s))


@dataclass(frozen=True, slots=True)
class _Parts:
    """A loop's first value, its iterations, its operations (C expressions), and in how many parts it is."""

    start: str
    trips: str
    work: str
    count: int


class _Row:
    """What each part of a loop has for an array that all add to: `elements` of it, at a distance of `stride`."""

    def __init__(self, w: Writer, name: str, count: int) -> None:
        self.place = place = w.place(name)
        self.c_type = C_TYPE[place.storage.dtype]
        self.elements = w.names.fresh(f"{w.name_of(name)}_elements")
        self.data = w.names.fresh(f"{w.name_of(name)}_parts")
        self.count = count
        extents = [w.extent(place, axis) for axis in range(len(place.extents))]
        self.is_small = all(n.isdigit() for n in extents) and prod(map(int, extents)) <= SMALL
        w.line(f"const int64_t {self.elements} = {'*'.join(extents)};")

    @property
    def stride(self) -> str:
        """In elements: whole cache lines."""
        return f"(({self.elements} + 63) / 64 * 64)"

    def make(self, w: Writer) -> None:
        size = f"wg_times(sizeof({self.c_type}), {self.count} * {self.stride})"
        w.line(f"{self.c_type} *const {self.data} = wg_alloc(wg, {size}, true);")
        w.line(f"if (WG_UNLIKELY(!{self.data})) return 1;")

    def part(self, w: Writer, name: str) -> Place:
        """The array in a part."""
        mine = w.names.fresh(f"{w.name_of(name)}_part")
        w.line(f"{self.c_type} *const {mine} = {self.data} + wg_part*{self.stride};")
        return replace(self.place, data=mine)

    def add(self, w: Writer) -> None:
        """Add the parts in order, and give them back."""
        w.open(f"for (int wg_part = 0; wg_part < {self.count}; wg_part++)")
        target = f"{w.data(self.place)}[wg_k] += {self.data}[wg_part*{self.stride} + wg_k];"
        w.line(f"for (int64_t wg_k = 0; wg_k < {self.elements}; wg_k++) {target}")
        w.close()
        w.line(f"wg_free(wg, wg_block_of({self.data}));")


def _parts(b: BlockWriter, stmt: Loop, parts: _Parts, shared: parallel.Sharing, rows: dict[str, _Row]) -> None:
    """The loop in parts. A part that hears of an interrupt leaves, and so do then the others."""
    w, sums, count = b.w, shared.sums, parts.count
    in_lanes = reductions(w, stmt) is not None and not loops.has_inner(stmt)
    grain = GRAIN if in_lanes and not shared.reach else 1
    places = {x.storage: w.place(x.storage) for x in sums}
    targets = {name: element(w, places[name], x.index) for name, x in zip(places, sums, strict=True)}
    totals = {name: w.names.fresh(f"{w.name_of(name)}_parts") for name in places}
    for name, total in totals.items():
        w.line(f"{C_TYPE[places[name].storage.dtype]} {total}[{count}];")
    for row in rows.values():
        row.make(w)
    w.settle_overflow()
    var = w.name_of(stmt.var)
    first, last = w.names.fresh(f"{var}_first"), w.names.fresh(f"{var}_last")
    w.line("static _Thread_local wg_team wg_team;")
    w.line(f"const int wg_threads = wg_team_begin(&wg_team, {parts.work}, {w.shared.threads});")
    if shared.reach:
        w.open("for (int wg_turn = 0; wg_turn < 2; wg_turn++)")
    w.line("#pragma omp parallel for num_threads(wg_threads) schedule(static, 1)")
    first_part, step = ("wg_turn", "wg_part += 2") if shared.reach else ("0", "wg_part++")
    w.open(f"for (int wg_part = {first_part}; wg_part < {count}; {step})")
    for name, part in ((first, "wg_part"), (last, "wg_part + 1")):
        w.line(
            f"const int64_t {name} = "
            f"wg_part_start({parts.start}, {parts.trips}, {stmt.step}, {grain}, {part}, {count});"
        )
    team = w.team = Team(w.names.fresh("leave"))
    w.line("int64_t wg_ticks = WG_TEAM_TICKS;")
    for name, place in places.items():
        total = w.names.fresh(f"{w.name_of(name)}_part")
        w.line(f"{C_TYPE[place.storage.dtype]} {total} = {literal(0, place.storage.dtype, plain=True)};")
        w.places[name] = Place(place.storage, "cell", total)
    for name, row in rows.items():
        w.places[name] = row.part(w, name)
    loops.write(b, stmt, first, last)
    w.team = None
    for name, total in totals.items():
        w.line(f"{total}[wg_part] = {w.data(w.place(name))};")
    if team.leaves:
        w.line(f"{team.label}:;")
    streams.end(w)
    w.close()
    if shared.reach:
        w.close()
    w.line(f"wg_team_end(&wg_team, {parts.work}, wg_threads);")
    w.places.update(places)
    w.places.update({name: row.place for name, row in rows.items()})
    if team.leaves:
        w.line("if (wg->stopped) return 1;")
    for row in rows.values():
        row.add(w)
    for name, total in totals.items():
        w.line(f"for (int wg_part = 0; wg_part < {count}; wg_part++) {targets[name]} += {total}[wg_part];")


# -- what an iteration costs ---------------------------------------------------------------------------------------


def _work(w: Writer, stmt: Loop) -> str:
    """About how many operations an iteration takes (see `analysis.cost.effort`), as a C expression."""
    local = walk.definitions(stmt.body) | {stmt.var}
    values: dict[str, Expr] = {}
    _remember_middle(values, stmt, stmt.start, stmt.stop, local=set())
    return _block_work(w, stmt.body, values, local)


def _block_work(w: Writer, block: Block, values: dict[str, Expr], local: set[str]) -> str:
    fixed, more = 0, list[str]()
    for s in block:
        fixed += effort(s)
        match s:
            case Let(name, value) if value.dtype is I64:
                values[name] = walk.substitute(value, values)
            case Loop():
                more.append(_loop_work(w, s, values, local))
            case _:
                more += [text for inner in walk.blocks(s) if (text := _block_work(w, inner, values, local)) != "0"]
    return " + ".join([str(fixed), *more])


def _loop_work(w: Writer, stmt: Loop, values: dict[str, Expr], local: set[str]) -> str:
    assert stmt.stop is not None
    start, stop = walk.substitute(stmt.start, values), walk.substitute(stmt.stop, values)
    trips = str(GUESS)
    if _is_outside(start, local) and _is_outside(stop, local):
        trips = f"(double)wg_trips({top(w, start)}, {top(w, stop)}, {stmt.step})"
    _remember_middle(values, stmt, start, stop, local)
    return f"{trips}*({_block_work(w, stmt.body, values, local)})"


def _remember_middle(values: dict[str, Expr], stmt: Loop, start: Expr, stop: Expr | None, local: set[str]) -> None:
    """Let a loop's variable stand for the middle of its range."""
    assert stop is not None
    if _is_outside(start, local) and _is_outside(stop, local):
        values[stmt.var] = Op("floordiv", (Op("add", (start, stop), I64), Const(2, I64)), I64)


def _is_outside(e: Expr, local: set[str]) -> bool:
    """Whether an expression can be evaluated before the loop."""
    return not any(isinstance(x, Load) for x in walk.subexpressions(e)) and not walk.names_in(e) & local
