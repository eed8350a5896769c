"""IR functions as C functions."""

from __future__ import annotations

from typing import assert_never

from ...ir.nodes import Buffer, Const, Growable, Param, Scalar, Var
from ...ir.types import DType
from . import storages, streams
from .names import C_TYPE
from .statements import BlockWriter, passed_extents
from .writer import RESULTS, Place, Writer


def prototype(w: Writer) -> str:
    """The head of a function, its parameters registered with the writer. Call it once."""
    texts = ["wg *wg"]
    for p in w.function.params:
        texts.extend(_parameter(w, p))
    if w.function.results:
        texts.append(f"wg_result *const {w.known(RESULTS, RESULTS, 'wg_result *')}")
    return f"static int {w.base}({', '.join(texts)})"


def _parameter(w: Writer, p: Param) -> list[str]:
    name = w.name_of(p.name)
    match p:
        case Scalar(dtype=dtype):
            w.known(p.name, name, C_TYPE[dtype])
            return [f"const {C_TYPE[dtype]} {name}"]
        case Growable():
            w.known(p.name, name, "wg_list *")
            w.places[p.name] = Place(p, "list", name)
            return [f"wg_list *const {name}"]
        case Buffer():
            return _buffer_parameter(w, p, name)
        case _:
            assert_never(p)


def _buffer_parameter(w: Writer, p: Buffer, name: str) -> list[str]:
    pointer = storages.pointer(p)
    w.known(p.name, name, pointer)
    texts = [f"{pointer}const {name}"]

    def more(suffix: str, c_type: str) -> str:
        variable = w.known(p.name, w.names.fresh(name + suffix), c_type)
        texts.append(f"{c_type}const {variable}" if c_type.endswith("*") else f"const {c_type} {variable}")
        return variable

    passed = passed_extents(p)
    ns: list[str] = []
    for axis, e in enumerate(p.shape):
        match e:
            case Const(value):
                ns.append(str(value))
            case Var(name=n):
                ns.append(w.name_of(n))
            case _:
                assert axis in passed
                ns.append(more(f"_n{axis}", "int64_t"))
    strides = tuple(more(f"_s{axis}", "int64_t") for axis in range(p.rank)) if p.strided else None
    block = more("_block", "wg_block *") if p.name in w.facts.held else "NULL"
    w.places[p.name] = Place(p, "array", name, tuple(ns), strides, block)
    return texts


def function(w: Writer, head: str, in_place: dict[str, int]) -> str:
    """The C functions for an IR function, its frame before them; `in_place` numbers results made in place."""
    f = w.function
    is_root = f.name == w.shared.module.entry
    for variable, v in tuple(w.variables.items()):
        if v.shared:
            w.share(variable)

    def at_end() -> None:
        streams.end(w)
        for k, name in enumerate(f.results):
            _result(w, k, name)

    BlockWriter(w, in_place).block(f.body, at_end, releases=not is_root)
    w.settle_overflow()
    start: list[str] = []
    if w.facts.recurses:
        start.append("if (wg_descend(wg)) return 1;")
        w.line("wg->depth--;")
    if w.is_cut:
        start.extend(_frame(w))
    w.piece.prologue[:0] = [f"    {text}" for text in start]
    parts = [w.frame_text(), *w.finished, w.text(head)]
    return "\n\n".join(p for p in parts if p)


def _frame(w: Writer) -> list[str]:
    if not (w.frame_is_large or w.facts.recurses):
        return [f"{w.frame_type} wg_frame, *const frame = &wg_frame;"]
    if w.function.name != w.shared.module.entry:
        w.line("wg_free(wg, wg_block_of(frame));")
    return [
        f"{w.frame_type} *const frame = wg_alloc(wg, sizeof({w.frame_type}), false);",
        "if (!frame) return 1;",
    ]


def _result(w: Writer, k: int, name: str) -> None:
    """Tell the entry where a result is."""
    place = w.place(name)
    result = f"{w.use(RESULTS)}[{k}]"
    if place.kind == "list":
        w.line(f"{result}.data = {w.data(place)}->data;")
        w.line(f"{result}.extent[0] = {w.data(place)}->length;")
        w.line(f"{result}.stride[0] = 1;")
        return
    if not place.extents:
        value = w.data(place) if place.kind == "cell" else f"*{w.data(place)}"
        w.line(f"{result}.value.{number_field(place.storage.dtype)} = {value};")
        return
    w.line(f"{result}.data = {w.address(place)};")
    for axis, (n, s) in enumerate(zip(place.extents, w.strides(place), strict=True)):
        w.line(f"{result}.extent[{axis}] = {w.use(n)};")
        w.line(f"{result}.stride[{axis}] = {s};")


def number_field(dtype: DType) -> str:
    """The member of `wg_number` for a dtype."""
    return "truth" if dtype is DType.BOOL else dtype.value
