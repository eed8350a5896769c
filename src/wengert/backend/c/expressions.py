"""Expressions and elements as C text."""

from __future__ import annotations

from typing import assert_never

from ...ir.nodes import Cast, Const, Expr, Extent, Load, Op, Select, Var
from ...ir.ops import CHECKED, OPS
from ...ir.special import OF_SCIPY
from ...ir.types import BOOL, DType
from ...ir.walk import names_in
from .names import C_TYPE, literal
from .writer import Place, Writer, unparenthesised

SPECIAL = "scipy_special.h"


def expr(w: Writer, e: Expr, plain: bool = False) -> str:
    """A C expression of exactly `e.dtype`, safe as an operand; with `plain` a small i64 constant may be an `int`."""
    match e:
        case Const(value, dtype):
            return literal(value, dtype, plain)
        case Var(name=name):
            return w.use(w.name_of(name))
        case Extent(storage, axis):
            return w.extent(w.place(storage), axis)
        case Load(storage, index, dtype):
            text = element(w, w.place(storage), index)
            return f"WG_FLAG({text})" if dtype is BOOL and in_lanes(w, index) else text
        case Op(name, args, _):
            return _operation(w, name, args)
        case Select(cond, then, orelse):
            return f"({expr(w, cond)} ? {expr(w, then)} : {expr(w, orelse)})"
        case Cast(value, dtype):
            return cast(expr(w, value), value.dtype, dtype)
        case _:
            assert_never(e)


def in_lanes(w: Writer, index: tuple[Expr, ...]) -> bool:
    """Whether an element is another one in every lane: there, truths are read and written as bytes."""
    return bool(w.moving) and any(names_in(e) & w.moving for e in index)


def top(w: Writer, e: Expr) -> str:
    """A C expression for the right side of an assignment, an argument or a condition."""
    return unparenthesised(expr(w, e, plain=True))


def _operation(w: Writer, name: str, args: tuple[Expr, ...]) -> str:
    if name == "mul" and (guarded := _guarded_product(*args)) is not None:
        partial, d = (expr(w, x) for x in guarded)
        return f"({d} != 0 ? {partial} * {d} : 0)"
    plain = not all(isinstance(a, Const) for a in args)
    texts = [expr(w, a, plain) for a in args]
    if name in CHECKED:
        return f"wg_{name}({w.overflow_flag()}, {w.current_site()}, {', '.join(texts)})"
    dtype = args[0].dtype
    if dtype.is_complex and name in ("div", "pow"):  # C's own differ from NumPy's at zero
        return f"wg_{name}_{dtype.value}({', '.join(texts)})"
    if name == "pow" and isinstance(args[1], Const) and (short := _short_power(dtype, texts[0], args[1])):
        return short
    if name in OF_SCIPY:
        w.shared.headers.add(SPECIAL)
    return OPS[name].c(dtype, texts)


def _guarded_product(a: Expr, d: Expr) -> tuple[Expr, Expr] | None:
    """p and d of a product with a guarded partial, `select(d != 0, p, select(isfinite(p), p, 0)) * d` (see `ad.rules`):
    nothing differentiates C, so p times d or zero is the same but for the sign of a zero, in half the operations."""
    match a:
        case Select(
            Op("ne", (Var() as x, Const(0))),
            Var() as p,
            Select(Op("isfinite", (Var() as q,)), Var() as r, Const(0)),
        ) if x == d and p == q == r and p.dtype.is_float:
            return p, d
        case _:
            return None


def _short_power(dtype: DType, base: str, exponent: Const) -> str | None:
    """A power without a call of pow, for the exponents that have one."""
    halves = 2 * exponent.value.real
    if halves in (-5, -3, -1, 3, 5):
        return f"wg_pow_halves_{dtype.value}({base}, {int(halves)})"
    if halves in (-6, -4, 6, 8):
        return f"wg_pow_whole_{dtype.value}({base}, {int(halves) // 2})"
    return None


def cast(text: str, old: DType, new: DType) -> str:
    if new is old:
        return text
    if new is BOOL:
        return f"({text} != 0)"
    if old.is_complex and not new.is_complex:
        text = f"creal{'f' if old is DType.C64 else ''}({text})"
    return f"(({C_TYPE[new]}){text})"


def element(w: Writer, place: Place, index: tuple[Expr, ...]) -> str:
    """An element of a storage, as an lvalue or an operand."""
    match place.kind:
        case "cell":
            return w.data(place)
        case "list":
            return f"WG_AT({C_TYPE[place.storage.dtype]}, {w.data(place)}, {top(w, index[0])})"
        case "array":
            if not index:
                return f"(*{w.data(place)})"
            return f"{w.data(place)}[{offset(w, place, index)}]"
        case _:
            assert_never(place.kind)


def offset(w: Writer, place: Place, index: tuple[Expr, ...]) -> str:
    """The position of an element, in elements from the first."""
    if place.strides is None:
        return _horner(w, place, index)
    terms: list[str] = []
    for e, stride in zip(index, w.strides(place), strict=True):
        if stride == "0" or (isinstance(e, Const) and e.value == 0):
            continue
        terms.append(expr(w, e, True) if stride == "1" else f"{expr(w, e, True)}*{stride}")
    return " + ".join(terms) or "0"


def _horner(w: Writer, place: Place, index: tuple[Expr, ...]) -> str:
    text = ""
    for axis, e in enumerate(index):
        zero = isinstance(e, Const) and e.value == 0
        if text:
            inner = f"({text})" if " + " in text else text
            text = f"{inner}*{w.extent(place, axis)}"
        if zero:
            continue
        term = expr(w, e, plain=bool(text) or len(index) == 1)
        text = f"{text} + {term}" if text else term
    return unparenthesised(text or "0")
