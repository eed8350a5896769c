"""The tables and adapters through which the run-time library calls the root function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from ...ir import walk
from ...ir.nodes import Alloc, Buffer, Expr, Extent, Function, Growable, Let, Load, Op, Param, Scalar, Var
from ...ir.ops import CHECKED
from ...runtime.abi import Bind
from .expressions import SPECIAL, top
from .functions import number_field
from .library import LINEAR_ALGEBRA
from .names import C_TYPE, text_literal
from .statements import passed_extents
from .writer import Place, Writer


def default_binds(root: Function) -> tuple[Bind, ...]:
    """A leaf per parameter, in order: arrays for buffers, but numbers for those of rank 0 that are only read."""

    def is_array(p: Param) -> bool:
        return isinstance(p, Buffer) and (p.rank > 0 or p.intent != "in")

    return tuple(Bind("array" if is_array(p) else "scalar", k) for k, p in enumerate(root.params))


def made_in_place(root: Function, held: set[str]) -> dict[str, int]:
    """Results (by name, with their number) whose arrays can be made before the call: allocated once, at the top level,
    with extents that follow from the parameters alone, and not `held` by a ref."""
    lets = _early_lets(root)
    found: dict[str, int] = {}
    for s in root.body:
        if not isinstance(s, Alloc) or not s.buffer.shape or s.buffer.name not in root.results:
            continue
        if s.buffer.name not in held and all(_is_early(e, lets, root) for e in s.buffer.shape):
            found[s.buffer.name] = root.results.index(s.buffer.name)
    return found


def _early_lets(root: Function) -> dict[str, Let]:
    """Lets at the top level that follow from the parameters."""
    lets: dict[str, Let] = {}
    for s in root.body:
        if isinstance(s, Let) and _is_early(s.value, lets, root):
            lets[s.name] = s
    return lets


def _is_early(e: Expr, lets: dict[str, Let], root: Function) -> bool:
    params = {p.name: p for p in root.params}
    for x in walk.subexpressions(e):
        match x:
            case Var(name=name) if name not in lets and not isinstance(params.get(name), Scalar):
                return False
            case Extent(storage=storage) if not isinstance(params.get(storage), Buffer):
                return False
            case Load():
                return False
            case Op(name=name) if name in CHECKED:
                return False
            case _:
                pass
    return True


class EntryWriter:
    """Writes what follows the functions. Needs a writer of its own for the root, whose parameters it registers."""

    def __init__(self, w: Writer, binds: Sequence[Bind], in_place: dict[str, int]) -> None:
        self.w = w
        self.root = w.function
        self.binds = binds
        self.in_place = in_place
        if len(binds) != len(self.root.params):
            raise ValueError(f"{self.root.name} has {len(self.root.params)} parameters, not {len(binds)}")

    def text(self) -> str:
        parts = [self._params(), self._returned(), self._mismatch()]
        if self.in_place:
            parts.append(self._foresee())
        parts += [self._run(), self._program()]
        return "\n\n".join(parts)

    # -- tables

    def _params(self) -> str:
        rows: list[str] = []
        for p, bind in zip(self.root.params, self.binds, strict=True):
            written = isinstance(p, Buffer) and p.intent != "in"
            rank = p.rank if isinstance(p, Buffer) else 0
            cells = [
                _source(p, bind), f"WG_{p.dtype.name}", str(rank), "true" if written else "false", str(bind.leaf),
                str(bind.axis), text_literal(p.name),
            ]  # fmt: skip
            rows.append(f"    {{{', '.join(cells)}}},")
        return _table("wg_param", "wg_params", rows)

    def _returned(self) -> str:
        rows: list[str] = []
        zero = {s.buffer.name: s.zero for s in self.root.body if isinstance(s, Alloc)}
        leaves = {p.name: b.leaf for p, b in zip(self.root.params, self.binds, strict=True) if b.kind == "array"}
        for k, name in enumerate(self.root.results):
            storage = self.w.facts.storages[name]
            known = self.in_place.get(name) == k
            cells = [
                f"WG_{storage.dtype.name}", str(storage.rank), "true" if known and zero[name] else "false",
                "true" if known else "false", str(leaves.get(name, -1)),
            ]  # fmt: skip
            rows.append(f"    {{{', '.join(cells)}}},")
        return _table("wg_returned", "wg_returned_table", rows)

    # -- adapters

    def _parameters(self) -> list[str]:
        """The scalar parameters as C locals, so that extents can be evaluated; places for arrays."""
        lines: list[str] = []
        for k, p in enumerate(self.root.params):
            name = self.w.name_of(p.name)
            if isinstance(p, Scalar):
                lines.append(f"    const {C_TYPE[p.dtype]} {name} WG_UNUSED = value[{k}].as.{number_field(p.dtype)};")
            elif isinstance(p, Buffer):
                ns = tuple(f"(int64_t)value[{k}].extent[{axis}]" for axis in range(p.rank))
                self.w.places[p.name] = Place(p, "array", name, ns)
        return lines

    def _mismatch(self) -> str:
        lines = ["static int wg_mismatch(const wg_value *value) {", "    (void)value;", *self._parameters()]
        for k, p in enumerate(self.root.params):
            if not isinstance(p, Buffer) or self.binds[k].kind != "array":
                continue
            for axis, e in enumerate(p.shape):
                if e != Extent(p.name, axis):
                    lines.append(f"    if (value[{k}].extent[{axis}] != {top(self.w, e)}) return {k};")
        return "\n".join([*lines, "    return -1;", "}"])

    def _foresee(self) -> str:
        head = "static void wg_foresee(const wg_value *value, wg_result *result) {"
        lines = [head, "    (void)value;", *self._parameters()]
        lets = _early_lets(self.root)
        allocs = {s.buffer.name: s.buffer for s in self.root.body if isinstance(s, Alloc)}
        for let in _needed([e for name in self.in_place for e in allocs[name].shape], lets):
            lines.append(f"    const {C_TYPE[let.value.dtype]} {self.w.name_of(let.name)} = {top(self.w, let.value)};")
        for name, k in self.in_place.items():
            for axis, e in enumerate(allocs[name].shape):
                lines.append(f"    result[{k}].extent[{axis}] = {top(self.w, e)};")
        return "\n".join([*lines, "}"])

    def _run(self) -> str:
        texts = ["wg"]
        for k, p in enumerate(self.root.params):
            match p:
                case Scalar(dtype=dtype):
                    texts.append(f"value[{k}].as.{number_field(dtype)}")
                case Buffer():
                    texts.append(f"value[{k}].data")
                    texts += [f"(int64_t)value[{k}].extent[{axis}]" for axis in passed_extents(p)]
                    texts += ["NULL"] if p.name in self.w.facts.held else []
                case Growable():
                    raise ValueError(f"{p.name}: a growable cannot be a parameter of the root")
                case _:
                    assert_never(p)
        if self.root.results:
            texts.append("result")
        return "\n".join(
            [
                "static int wg_run(wg *wg, const wg_value *value, wg_result *result) {",
                "    (void)value, (void)result;",
                f"    return {self.w.base}({', '.join(texts)});",
                "}",
            ]
        )

    def _program(self) -> str:
        leaves = 1 + max((b.leaf for b in self.binds), default=-1)
        cells = [
            str(leaves), str(len(self.root.params)), str(len(self.root.results)), "wg_params", "wg_returned_table",
            "wg_mismatch", "wg_foresee" if self.in_place else "NULL", "wg_run",
            "true" if any(of.recurses for of in self.w.shared.facts.functions.values()) else "false",
            *(("WG_ROUTINE_NAMES", "wg_routine") if LINEAR_ALGEBRA in self.w.shared.headers else ("NULL", "NULL")),
            *(("WG_SPECIAL_NAMES", "wg_special") if SPECIAL in self.w.shared.headers else ("NULL", "NULL")),
        ]  # fmt: skip
        return f"const wg_program wg_the_program = {{{', '.join(cells)}}};"


def _source(p: Param, bind: Bind) -> str:
    """Where a parameter's value comes from; raises ValueError if the bind cannot fill it."""
    match bind.kind:
        case "array" if isinstance(p, Buffer):
            return "WG_FROM_ARRAY"
        case "scalar" if isinstance(p, Scalar) or (isinstance(p, Buffer) and p.rank == 0):
            return "WG_FROM_SCALAR"
        case "extent" if isinstance(p, Scalar):
            return "WG_FROM_EXTENT"
        case _:
            raise ValueError(f"{p.name} cannot be bound as {bind.kind}")


def _needed(es: list[Expr], lets: dict[str, Let]) -> list[Let]:
    """The lets that expressions need, in the order of definition."""
    needed: set[str] = set()
    todo = list(es)
    while todo:
        for name in walk.names_in(todo.pop()):
            if name in lets and name not in needed:
                needed.add(name)
                todo.append(lets[name].value)
    return [let for name, let in lets.items() if name in needed]


def _table(c_type: str, name: str, rows: list[str]) -> str:
    return "\n".join([f"static const {c_type} {name}[] = {{", *(rows or ["    {0},"]), "};"])
