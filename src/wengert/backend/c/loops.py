"""Loops: bounds, looks at signals, and marks for the vectoriser.

Loops that contain loops or calls, or run on a condition, tick at their back edge. A sequential innermost loop runs in strips
of about a million iterations, with a look at signals in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir import walk
from ...ir.nodes import (
    Accumulate,
    Alloc,
    Call,
    Const,
    Expr,
    If,
    Let,
    LibCall,
    Loop,
    Op,
    Ref,
    Stmt,
    Store,
    Var,
)
from ...ir.ops import CHECKED
from .expressions import element, top
from .names import C_TYPE
from .writer import Writer

if TYPE_CHECKING:
    from .statements import BlockWriter

STRIP = 1 << 20


def loop(b: BlockWriter, stmt: Loop) -> None:
    w = b.w
    start = top(w, stmt.start)
    stop = None if stmt.stop is None else _bound(w, stmt.stop, stmt.var)
    var = w.known(stmt.var, w.name_of(stmt.var), "int64_t")
    inner = [s for s in walk.statements(stmt.body) if isinstance(s, (Loop, Call, LibCall))]
    ticks = bool(inner) or stmt.cond is not None or stop is None
    if ticks or stop is None:
        _open_plain(w, stmt, var, start, stop)
        _body(b, stmt, var)
        w.settle_overflow()
        w.line("if (wg_tick(wg)) return 1;")
        w.close()
    elif stmt.order == "any" and (sums := _vectorisable(w, stmt)) is not None:
        _vector_loop(b, stmt, var, start, stop, sums)
    elif _is_short(stmt) or (stmt.order == "any" and _touches_memory(w, stmt)):
        _open_plain(w, stmt, var, start, stop)
        _body(b, stmt, var)
        w.close()
    else:
        order = "WG_STRIPS_UP" if stmt.step > 0 else "WG_STRIPS_DOWN"
        w.open(f"{order}({var}, {start}, {stop}, {abs(stmt.step)})")
        w.open(_head(var, f"{var}_from", f"{var}_to", stmt.step))
        _body(b, stmt, var)
        w.close()
        w.settle_overflow()
        w.line(f"if ({var}_to != {stop} && wg_poll(wg)) return 1;")
        w.close()


def _bound(w: Writer, e: Expr, var: str) -> str:
    """The bound's text; evaluated once, before the loop."""
    if isinstance(e, (Const, Var)):
        return top(w, e)
    name = w.names.fresh(f"{w.name_of(var)}_stop")
    w.line(f"const int64_t {name} = {top(w, e)};")
    return name


def _head(var: str, start: str, stop: str | None, step: int, cond: str | None = None) -> str:
    tests = ([f"{var} {'<' if step > 0 else '>'} {stop}"] if stop is not None else []) + ([cond] if cond else [])
    advance = f"{var}++" if step == 1 else f"{var}--" if step == -1 else f"{var} += {step}" if step > 0 else f"{var} -= {-step}"
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


def _is_short(stmt: Loop) -> bool:
    return (
        isinstance(stmt.start, Const)
        and isinstance(stmt.stop, Const)
        and abs(stmt.stop.value.real - stmt.start.value.real) <= STRIP * abs(stmt.step)
    )


def _touches_memory(w: Writer, stmt: Loop) -> bool:
    """Whether the iterations go over an array, whose size bounds their number."""
    for s in walk.statements(stmt.body):
        if isinstance(s, Store) and s.index:
            return True
        for e in walk.expressions(s):
            if any(x.index for x in walk.loads(e)):
                return True
    return False


# -- vector loops ------------------------------------------------------------------------------------------------


def _vector_loop(
    b: BlockWriter, stmt: Loop, var: str, start: str, stop: str, sums: list[Accumulate]
) -> None:
    """A loop marked `omp simd`, its sums reductions into local variables."""
    w = b.w
    names = {s.storage: w.names.fresh(f"{w.name_of(s.storage)}_sum") for s in sums}
    if sums:
        w.open(f"if ({start} {'<' if stmt.step > 0 else '>'} {stop})")
    targets = {s.storage: element(w, w.place(s.storage), s.index) for s in sums}
    for s in sums:
        w.line(f"{C_TYPE[s.value.dtype]} {names[s.storage]} = {targets[s.storage]};")
    clause = f" reduction(+:{', '.join(names.values())})" if sums else ""
    w.line(f"#pragma omp simd{clause}")
    w.open(_head(var, start, stop, stmt.step))
    w.share(var)
    for s in stmt.body:
        _vector_statement(b, s, names, stmt)
    w.close()
    for s in sums:
        w.line(f"{targets[s.storage]} = {names[s.storage]};")
    if sums:
        w.close()


def _vector_statement(b: BlockWriter, s: Stmt, sums: dict[str, str], loop_stmt: Loop) -> None:
    w = b.w
    match s:
        case Accumulate(storage=storage, value=value) if storage in sums:
            w.show(s.span)
            w.line(f"{sums[storage]} += {top(w, value)};")
        case If(cond, then, orelse):
            w.show(s.span)
            w.open(f"if ({top(w, cond)})")
            for t in then:
                _vector_statement(b, t, sums, loop_stmt)
            if orelse:
                w.close(" else {")
                w.piece.depth += 1
                for t in orelse:
                    _vector_statement(b, t, sums, loop_stmt)
            w.close()
        case _:
            b.statement(s, loop_stmt.body)


def _vectorisable(w: Writer, stmt: Loop) -> list[Accumulate] | None:
    """The sums that become reductions, if the iterations of this `any` loop do not meet in memory; else None.

    An iteration may accumulate into elements of its own (the index moves with the loop variable) or into one element that
    the loop does not otherwise touch.
    """
    if len(w.shared.cutter.pieces(stmt.body)) > 1:
        return None
    local = walk.definitions(stmt.body) | {stmt.var}
    body = list(walk.statements(stmt.body))
    if not all(isinstance(s, (Let, Store, Accumulate, If, Alloc)) for s in body):
        return None
    if any(isinstance(x, Op) and x.name in CHECKED for s in body for e in walk.expressions(s) for x in walk.subexpressions(e)):
        return None
    for s in body:
        if isinstance(s, Alloc) and (s.buffer.shape or s.buffer.name in w.facts.held or s.buffer.name in w.facts.escaping):
            return None
    accumulated = [s for s in body if isinstance(s, Accumulate) and s.storage not in local]
    stored = [s for s in body if isinstance(s, Store) and s.storage not in local]
    sums: dict[str, Accumulate] = {}
    moving: list[Accumulate] = []
    for s in accumulated:
        if s.op != "add":
            return None
        if _is_fixed(s, local):
            if sums.setdefault(s.storage, s).index != s.index:
                return None
        elif _moves_with(s.index, stmt.var, local):
            moving.append(s)
        else:
            return None
    if not _apart(w, list(sums.values()), moving, stored, body):
        return None
    return list(sums.values())


def _is_fixed(s: Accumulate, local: set[str]) -> bool:
    """Whether the index is the same in all iterations, whatever they store."""
    return not any(walk.names_in(e) & local or any(walk.loads(e)) for e in s.index)


def _moves_with(index: tuple[Expr, ...], var: str, local: set[str]) -> bool:
    """Whether some component is the loop variable plus or minus what is fixed: then no two iterations meet."""
    return any(_is_shifted(e, var, local) for e in index)


def _is_shifted(e: Expr, var: str, local: set[str]) -> bool:
    match e:
        case Var(name=name):
            return name == var
        case Op(name="add" | "sub", args=(a, c)):
            return any(
                _is_shifted(x, var, local) and not walk.names_in(y) & local and not any(walk.loads(y))
                for x, y in ((a, c), (c, a))
            )
        case _:
            return False


def _apart(
    w: Writer, sums: list[Accumulate], moving: list[Accumulate], stored: list[Store], body: list[Stmt]
) -> bool:
    """Whether what is accumulated meets nothing else that the loop touches, in another iteration."""
    for k, s in enumerate(sums):
        others = (*sums[:k], *sums[k + 1 :], *moving, *stored)
        if any(_may_alias(w, s.storage, o.storage, s.value.dtype is o.value.dtype) for o in others):
            return False
        if any(x.storage == s.storage for t in body for e in walk.expressions(t) for x in walk.loads(e)):
            return False
    for k, s in enumerate(moving):
        for o in (*moving[:k], *moving[k + 1 :], *stored):
            if o.storage == s.storage:
                if o.index != s.index:
                    return False
            elif _may_alias(w, s.storage, o.storage, s.value.dtype is o.value.dtype):
                return False
    return True


def _may_alias(w: Writer, a: str, b: str, same_dtype: bool) -> bool:
    """Whether two names may stand for the same memory. Root parameters are apart; other parameters may be one buffer."""
    if not same_dtype:
        return False
    if a == b:
        return True
    root_a, root_b = _root(w, a), _root(w, b)
    if root_a is None or root_b is None:
        return True
    if root_a == root_b:
        return True
    params = {p.name for p in w.function.params}
    both_params = root_a in params and root_b in params
    return both_params and w.function.name != w.shared.module.entry


def _root(w: Writer, name: str) -> str | None:
    """The allocated buffer or parameter that a name is part of; None if it is not known."""
    while name in w.facts.views_of:
        name = w.facts.views_of[name]
    return None if isinstance(w.facts.storages[name], Ref) or name in w.facts.held else name
