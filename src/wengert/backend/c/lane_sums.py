"""Sums over few turns, whose number is known: the terms in lanes, then the lanes by halves.

gcc begins and ends a loop marked `omp simd reduction` with a loop over the lanes in memory: for eight turns that takes
ten times as long as the sum. Here each turn stores its term in an array of its own, which stays in registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from ...ir.nodes import Accumulate, Const, Expr, If, Loop, Stmt
from .expressions import element, top
from .names import C_TYPE, literal
from .writer import Writer

if TYPE_CHECKING:
    from .statements import BlockWriter

Index: TypeAlias = tuple[Expr, ...]

MOST = 16
"""The most turns whose terms are kept apart."""
LANES = 4
"""The least number of turns that are worth lanes."""


def fits_lanes(stmt: Loop, sums: list[Accumulate]) -> bool:
    """Whether a loop that runs in lanes has sums of few terms each."""
    if not sums or not all(s.value.dtype.is_inexact and not s.value.dtype.is_complex for s in sums):
        return False
    return 0 < _turns(stmt) <= MOST


def write_lane_sums(b: BlockWriter, stmt: Loop, var: str, sums: list[Accumulate], head: str) -> None:
    """The loop, under `head`, and what it sums."""
    w = b.w
    turns = _turns(stmt)
    targets = {(s.storage, s.index): element(w, w.place(s.storage), s.index) for s in sums}
    names = {(s.storage, s.index): w.names.fresh(f"{w.name_of(s.storage)}_sum") for s in sums}
    in_lanes = turns >= LANES
    lanes = {(s.storage, s.index): w.names.fresh(f"{w.name_of(s.storage)}_terms") for s in sums if in_lanes}
    for s in sums:
        zero = literal(0, s.value.dtype, plain=True)  # apart: the loop may add to the element by another subscript, too
        what = f"{lanes[s.storage, s.index]}[{turns}]" if in_lanes else f"{names[s.storage, s.index]} = {zero}"
        w.line(f"{C_TYPE[s.value.dtype]} {what};")
    if in_lanes:
        w.line("#pragma omp simd")
    w.open(head)
    w.share(var)
    for s in sums if in_lanes else ():
        w.line(f"{C_TYPE[s.value.dtype]} {names[s.storage, s.index]} = 0;")
    for s in stmt.body:
        vector_statement(b, s, names, stmt)
    for s in sums if in_lanes else ():
        w.line(f"{lanes[s.storage, s.index]}[{_position(stmt, var)}] = {names[s.storage, s.index]};")
    w.close()
    for s in sums:
        total = _halved(w, lanes[s.storage, s.index], turns) if in_lanes else names[s.storage, s.index]
        w.line(f"{targets[s.storage, s.index]} += {total};")


def _turns(stmt: Loop) -> int:
    """The number of turns of a loop one by one; 0 if that is not known."""
    match stmt:
        case Loop(start=Const(low), stop=Const(high), step=(1 | -1) as step):
            return max(0, int(high.real - low.real) * step)
        case _:
            return 0


def _position(stmt: Loop, var: str) -> str:
    """The turn's number."""
    assert isinstance(stmt.start, Const)
    first = int(stmt.start.value.real)
    if stmt.step < 0:
        return f"{first} - {var}"
    return f"{var} - {first}" if first else var


def _halved(w: Writer, terms: str, count: int) -> str:
    """The sum of an array's elements; the upper half is added to the lower one while that fills lanes."""
    while count >= 2 * LANES:
        half = (count + 1) // 2
        q = w.names.fresh("q")
        w.line("#pragma omp simd")
        w.line(f"for (int64_t {q} = 0; {q} < {count - half}; {q}++) {terms}[{q}] += {terms}[{q} + {half}];")
        count = half
    return _tree([f"{terms}[{q}]" for q in range(count)])


def _tree(terms: list[str]) -> str:
    if len(terms) == 1:
        return terms[0]
    half = (len(terms) + 1) // 2
    left, right = _tree(terms[:half]), _tree(terms[half:])
    return " + ".join(f"({x})" if "+" in x else x for x in (left, right))


def vector_statement(b: BlockWriter, s: Stmt, sums: Mapping[tuple[str, Index], str], loop_stmt: Loop) -> None:
    """A statement in lanes; `sums`: by element, the local variables that are added to."""
    w = b.w
    match s:
        case Accumulate(storage=storage, index=index, value=value) if (storage, index) in sums:
            w.show(s.span)
            w.line(f"{sums[storage, index]} += {top(w, value)};")
        case If(cond, then, orelse):
            w.show(s.span)
            w.open(f"if ({top(w, cond)})")
            for t in then:
                vector_statement(b, t, sums, loop_stmt)
            if orelse:
                w.close(" else {")
                w.piece.depth += 1
                for t in orelse:
                    vector_statement(b, t, sums, loop_stmt)
            w.close()
        case _:
            b.statement(s, loop_stmt.body)
