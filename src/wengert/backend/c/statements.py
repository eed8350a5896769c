"""Statements as C text, and blocks cut into pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from ...ir import walk
from ...ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Const,
    Declare,
    Expr,
    Fail,
    Growable,
    If,
    Let,
    LibCall,
    Loop,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Reshape,
    Resize,
    Scalar,
    Stmt,
    Store,
    Var,
    View,
)
from ...ir.ops import OPS
from ...ir.types import BOOL, DType
from . import library, storages, threads
from .analysis import released
from .expressions import element, in_lanes, top
from .names import C_TYPE, text_literal
from .writer import Writer


class BlockWriter:
    """Writes the blocks of one function. `results` numbers the root's results that can be made in place."""

    def __init__(self, w: Writer, results: dict[str, int]) -> None:
        self.w = w
        self._in_place = results
        self._initial: Expr | None = None

    def block(self, block: Block, at_end: Callable[[], None] | None = None, releases: bool = True) -> None:
        """The statements of a block, arrays released where they are used last, then `at_end`, then the release of the
        other storages; long blocks in pieces."""
        w = self.w
        runs = w.shared.cutter.pieces(block)
        spent, number = w.facts.spent(block), -1
        for k, run in enumerate(runs):
            outer = w.begin_piece() if len(runs) > 1 else None
            for at, stmt in enumerate(run):
                number += 1
                if self._initial is not None:  # `stmt` is the store that the declaration before it has done
                    self._initial = None
                else:
                    store = _initial_store(w, stmt, run[at + 1] if at + 1 < len(run) else None)
                    if store is not None:
                        storages.touch(w, store)
                        self._initial = store.value
                        stmt = replace(stmt, span=store.span or stmt.span)
                    storages.touch(w, run[at])
                    self.statement(stmt, block)
                storages.release(w, spent.get(number, ()))
            if k == len(runs) - 1:
                if at_end:
                    at_end()
                if releases:
                    storages.release(w, released(block, w.facts))
            if outer:
                w.end_piece(outer)

    def statement(self, stmt: Stmt, block: Block) -> None:
        w = self.w
        w.show(stmt.span)
        w.span = stmt.span
        match stmt:
            case Let(name, value):
                text = top(w, value)
                w.declare(name, w.name_of(name), C_TYPE[value.dtype], text)
            case Store(storage, index, value):
                target = element(w, w.place(storage), index)
                byte = value.dtype is BOOL and in_lanes(w, index)
                w.line(f"WG_SET_FLAG({target}, {top(w, value)});" if byte else f"{target} = {top(w, value)};")
            case Accumulate():
                accumulate(w, stmt)
            case Loop():
                threads.loop(self, stmt)
            case If():
                self._if(stmt)
            case Fail():
                _fail(w, stmt)
            case Call():
                _call(w, stmt)
            case LibCall():
                w.settle_overflow()
                library.call(w, stmt)
            case _:
                self._storage_statement(stmt, block)

    def _storage_statement(
        self,
        stmt: Alloc | Declare | View | Reshape | Rebind | Push | Pop | Resize | PushRef | PopRef,
        block: Block,
    ) -> None:
        w = self.w
        match stmt:
            case Alloc():
                storages.alloc(w, stmt, self._in_place.get(stmt.buffer.name), self._initial)
            case Declare():
                storages.declare(w, stmt)
            case View():
                storages.view(w, stmt, block)
            case Reshape():
                storages.reshape(w, stmt)
            case Rebind():
                storages.rebind(w, stmt)
            case Push():
                storages.push(w, stmt)
            case Pop():
                storages.pop(w, stmt)
            case Resize():
                storages.resize(w, stmt)
            case PushRef():
                storages.push_ref(w, stmt)
            case PopRef():
                storages.pop_ref(w, stmt)
            case _:
                assert_never(stmt)

    def _if(self, stmt: If) -> None:
        w = self.w
        w.open(f"if ({top(w, stmt.cond)})")
        self.block(stmt.then)
        if stmt.orelse:
            w.close(" else {")
            w.piece.depth += 1
            self.block(stmt.orelse)
        w.close()


def _initial_store(w: Writer, stmt: Stmt, after: Stmt | None) -> Store | None:
    """The statement after the declaration of a cell, if it stores the cell's first value."""
    match stmt, after:
        case Alloc(buffer=Buffer(name=name, shape=())), Store(storage=storage, value=value) if storage == name:
            local = name not in w.facts.held and name not in w.facts.escaping
            return after if local and name not in walk.names_in(value) else None
        case _:
            return None


def accumulate(w: Writer, stmt: Accumulate) -> None:
    place = w.place(stmt.storage)
    target, value = element(w, place, stmt.index), top(w, stmt.value)
    dtype = stmt.value.dtype
    if stmt.op == "add":
        w.line(f"{target} += {value};")
    else:
        w.line(f"{target} = {OPS[stmt.op].c(dtype, [target, value])};")


def _fail(w: Writer, stmt: Fail) -> None:
    w.settle_overflow()
    shown = ", ".join(_shown(w, e) for e in stmt.args)
    args = f"{len(stmt.args)}, (wg_shown[]){{{shown}}}" if stmt.args else "0, NULL"
    site = w.shared.site(stmt.span)
    w.line(f"return wg_fail(wg, {site}, {text_literal(stmt.exception)}, {text_literal(stmt.message)}, {args});")


def _shown(w: Writer, e: Expr) -> str:
    text = top(w, e)
    match e.dtype:
        case DType.BOOL:
            return f"{{'b', {text}, 0, 0}}"
        case DType.F32 | DType.F64:
            return f"{{'f', 0, {text}, 0}}"
        case DType.C64 | DType.C128:
            f = "f" if e.dtype is DType.C64 else ""
            return f"{{'c', 0, creal{f}({text}), cimag{f}({text})}}"
        case _:
            return f"{{'{e.dtype.numpy.kind}', (int64_t)({text}), 0, 0}}"


def _call(w: Writer, stmt: Call) -> None:
    w.settle_overflow()
    callee = w.shared.module.functions[stmt.function]
    held = w.shared.facts.functions[stmt.function].held
    texts = ["wg"]
    for a, p in zip(stmt.args, callee.params, strict=True):
        match p:
            case Scalar():
                assert not isinstance(a, str)
                texts.append(top(w, a))
            case Growable():
                assert isinstance(a, str)
                texts.append(w.data(w.place(a)))
            case Buffer():
                assert isinstance(a, str)
                texts.extend(_passed(w, a, p, p.name in held))
    w.line(f"if ({w.shared.function_names[stmt.function]}({', '.join(texts)})) return 1;")


def _passed(w: Writer, storage: str, param: Buffer, held: bool) -> list[str]:
    """The C arguments for a buffer parameter, in the order of `functions.parameters`."""
    place = w.place(storage)
    texts = [w.address(place)]
    texts += [w.extent(place, axis) for axis in passed_extents(param)]
    if param.strided:
        texts += w.strides(place)
    if held:
        texts.append(w.use(place.block))
    return texts


def passed_extents(param: Buffer) -> list[int]:
    """Axes whose extents are passed, being neither constants nor scalar parameters."""
    return [k for k, e in enumerate(param.shape) if not isinstance(e, (Const, Var))]
