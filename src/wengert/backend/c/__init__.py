"""The C backend: a module of the IR as one readable C99 translation unit."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...analysis.rows import used_by_rows
from ...ir.depth import deep
from ...ir.nodes import Module
from ...runtime.abi import Bind
from . import analysis, entry, functions
from .names import Names, text_literal
from .writer import ModuleWriter, Writer

COUNTED = 8
"""Loops of one program that can be counted (WG_COUNTED of `wengert.h`)."""


def emit(
    module: Module,
    binds: Sequence[Bind] | None = None,
    threads: int = 1,
    on_disk: Collection[str] = (),
    counted: Sequence[str] = (),
) -> str:
    """The C source of a module. It includes headers of the directory `native`; `runtime.compile` knows what to link.

    `binds` say how Python fills the root's parameters (default: a leaf per parameter); `threads`, on how many loops may
    run (with more than one, the source may need OpenMP); `on_disk` are arrays of the root (see `analysis.rows`) that a
    call may have on disk; the turns of the root's loops over the variables `counted` are counted, if they have a
    condition (at most `COUNTED` of them). Raises ValueError for binds that do not fit the parameters and for library
    operations that the backend lacks.
    """
    with deep():
        return _emit(module, entry.default_binds(module.root) if binds is None else binds, threads, on_disk, counted)


def _emit(module: Module, binds: Sequence[Bind], threads: int, on_disk: Collection[str], counted: Sequence[str]) -> str:
    names = Names()
    c_names = {name: names.fresh(name) for name in module.functions}
    shared = ModuleWriter(module, analysis.facts(module), c_names, names.taken, threads)
    shared.counted = tuple(counted)[:COUNTED]
    if on_disk:
        shared.tapes = {name: rows for name, rows in used_by_rows(module.root).items() if name in on_disk}
    in_place = entry.made_in_place(module.root, shared.facts.functions[module.entry].held)
    bodies: list[str] = []
    heads: list[str] = []
    for f in module.functions.values():
        w = Writer(shared, f)
        heads.append(functions.prototype(w))
        bodies.append(functions.function(w, heads[-1], in_place if f.name == module.entry else {}))
    tail = entry.EntryWriter(Writer(shared, module.root), binds, in_place).text()
    declarations = [f"{head};" for head, name in zip(heads, module.functions, strict=True) if name != module.entry]
    includes = "\n".join(f'#include "{header}"' for header in ("wengert.h", *sorted(shared.headers)))
    parts = [includes, *_ref_types(shared), _sites(shared), "\n".join(declarations), *bodies, tail]
    return "\n\n".join(p for p in parts if p) + "\n"


def _ref_types(shared: ModuleWriter) -> list[str]:
    """What a ref stack holds, by rank."""
    return [
        f"typedef struct {{\n    void *data;\n    wg_block *block;\n    int64_t n[{max(rank, 1)}], s[{max(rank, 1)}];\n"
        f"}} wg_ref{rank};"
        for rank in sorted(shared.ref_ranks)
    ]


def _sites(shared: ModuleWriter) -> str:
    if not shared.sites:
        return ""
    rows: list[str] = []
    for s in shared.sites:
        function, text = text_literal(s.function), text_literal(s.text)
        rows.append(f"    {{{text_literal(s.file)}, {s.line}, {s.col}, {s.end_col}, {function}, {text}}},")
    return "\n".join(["static const wg_site wg_sites[] = {", *rows, "};"])


__all__ = ["COUNTED", "emit"]
