"""Derivatives of one scalar operation, both modes, from the partials of its row.

With w = f(a, b, ...): forward w_dot = sum f_a a_dot, reverse a_adj += conj(f_a) w_adj. The operations that are not
holomorphic (abs, real, imag, conj, angle of complex operands; complex) and `Cast` have their rules here, for the
convention that the gradient of a real function L of z is dL/dRe z + i dL/dIm z.

**Zero times infinity.** Where a tangent or adjoint is exactly zero and the partial is infinite or NaN, the partial is
taken as 0: `where(x < 1, x, sqrt(x))` at 0, `norm(x)**2` at 0 and `1/(1 + exp(x))` at 1000 have the right derivatives.
It is the partial that is replaced, never the product, so that second derivatives (the product's derivative with respect
to the adjoint is the partial) stay right. Forward mode does the same the other way round, too: where the partial is
exactly zero and the tangent infinite or NaN, the tangent is taken as 0. Operations whose partials are finite for all
finite operands are not guarded, unless `guard_all` says that the value may be on the untaken side of a choice (reverse)
or is a product with what a choice made zero (forward).

So that both modes agree, zero absorbs in the other order, too, where a derivative may be infinite though the value is
finite (`is_steep`: sqrt at 0): an infinite adjoint (tangent) times a partial that is exactly zero is 0. `steep` says
that the value is an operand (uses the result) of such an operation, within an expression. (Through memory that would
cost too much; roots of sums of squares are taken care of in `ad/roots.py`.)
"""

from __future__ import annotations

import cmath
from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

from wengert.analysis.cost.nominal import COSTS, cost
from wengert.errors import NotDifferentiable
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Cast, Const, Expr, Extent, Load, Op, Select, Var
from wengert.ir.ops import OPS
from wengert.ir.walk import map_expr

CHOICES = frozenset({"max", "min", "fmax", "fmin"})
"""Operations that, as `Select` does, pass on one operand."""

_FINITE = frozenset({"add", "sub", "neg", "mul", "conj", "real", "imag", "complex"})
_FINITE_REAL = _FINITE | CHOICES | {"abs", "sin", "cos", "tanh", "atan", "asinh", "erf", "erfc", "copysign"}
_STEEP = frozenset({"sqrt", "cbrt", "asin", "acos", "acosh"})


def is_steep(value: Expr) -> bool:
    """Whether an operation can have a finite value and an infinite derivative: sqrt and powers below 1 at 0."""
    match value:
        case Op(name="pow", args=(_, Const(value=y))):
            return not isinstance(y, complex) and 0 < y < 1
        case Op(name=name):
            return name in _STEEP or name == "pow"
        case _:
            return False


def tangent(
    e: Emitter,
    value: Expr,
    ans: Var,
    dot: Callable[[Expr], Expr | None],
    guard_all: bool = False,
    steep: bool = False,
) -> Expr | None:
    """The tangent of `ans`, the value of one operation, from those of its operands (None: zero)."""
    match value:
        case Op(name, args):
            dots = [dot(a) for a in args]
            if not value.dtype.is_inexact or all(d is None for d in dots):
                return None
            special = _tangent_by_name(e, value, ans, dots)
            if special is not None:
                return special
            total: Expr | None = None
            names: dict[str, Expr] = {}
            for partial, d in zip(_partials(e, value, ans, [d is not None for d in dots]), dots, strict=True):
                if partial is not None and d is not None:
                    partial = _named(e, partial, names)
                    if guard_all or steep or _is_guarded(name, d):
                        partial, d = _absorbed(e, name, partial, d)
                    total = _sum(total, scaled(e, name, partial, d, guard_all))
            return total
        case Select(cond, then, orelse):
            t, o = dot(then), dot(orelse)
            if t is None and o is None:
                return None
            zero = b.zero(value.dtype)
            return b.select(cond, zero if t is None else t, zero if o is None else o)
        case Cast(inner, dtype):
            d = dot(inner)
            return None if d is None or not dtype.is_inexact else b.cast(d, dtype)
        case Var():
            return dot(value)
        case Const() | Extent():
            return None
        case Load():
            raise ValueError("the tangent of a load is a load of the tangent")
        case _:
            assert_never(value)


def adjoints(
    e: Emitter, value: Expr, ans: Var, adj: Expr, active: tuple[bool, ...], guard_all: bool, steep: bool = False
) -> list[tuple[int, Expr]]:
    """What the adjoint of `ans` contributes to its active operands: (position, contribution) for each."""
    match value:
        case Op(name):
            if not value.dtype.is_inexact or not any(active):
                return []
            if (special := _adjoints_by_name(e, value, ans, adj)) is not None:
                return [(k, c) for k, c in enumerate(special) if active[k]]
            found: list[tuple[int, Expr]] = []
            names: dict[str, Expr] = {}
            for k, partial in enumerate(_partials(e, value, ans, active)):
                if active[k] and partial is not None:
                    partial = _named(e, partial, names)
                    if partial.dtype.is_complex:
                        partial = b.op("conj", partial)
                    partial, d = _absorbed(e, name, partial, adj) if steep else (partial, adj)
                    found.append((k, scaled(e, name, partial, d, guard_all)))
            return found
        case Select(cond):
            zero = b.zero(value.dtype)
            arms = ((1, b.select(cond, adj, zero)), (2, b.select(cond, zero, adj)))
            return [(k, c) for k, c in arms if active[k]]
        case Cast(inner, dtype):
            if not (active[0] and dtype.is_inexact):
                return []
            if dtype.is_complex and not inner.dtype.is_complex:
                adj = b.op("real", adj)
            return [(0, b.cast(adj, inner.dtype))]
        case Var() | Const() | Extent():
            return []
        case Load():
            raise ValueError("the adjoint of a load goes to the adjoint of its storage")
        case _:
            assert_never(value)


def scaled(e: Emitter, name: str, partial: Expr, d: Expr, guard_all: bool = False) -> Expr:
    """partial * d; for partials of the operation `name` that may not be finite, 0 if d is 0 and the partial is not."""
    if b.is_const(partial, 1):
        return d
    if b.is_const(partial, -1):
        return b.neg(d)
    if isinstance(partial, Const):
        if partial.value == 0:
            return b.zero(d.dtype)
        return b.mul(partial if cmath.isfinite(partial.value) else b.select(b.ne(d, 0), partial, 0), d)
    if isinstance(partial, Select) and isinstance(partial.then, Const) and isinstance(partial.orelse, Const):
        return b.select(partial.cond, scaled(e, name, partial.then, d), scaled(e, name, partial.orelse, d))
    if guard_all or _is_guarded(name, d):
        partial = e.let(f"d_{name}", partial)
        partial = b.select(b.ne(d, 0), partial, b.select(b.op("isfinite", partial), partial, 0))
    return b.mul(partial, d)


def _absorbed(e: Emitter, name: str, partial: Expr, d: Expr) -> tuple[Expr, Expr]:
    """The partial, and d, or 0 if the partial is exactly 0 and d is not finite."""
    if isinstance(partial, (Const, Select)):
        return partial, d
    partial = e.let(f"d_{name}", partial)
    return partial, b.select(b.or_(b.ne(partial, 0), b.op("isfinite", d)), d, 0)


def _is_guarded(name: str, d: Expr) -> bool:
    return name not in (_FINITE if d.dtype.is_complex else _FINITE_REAL)


def zeroed(values: Iterable[tuple[str, Expr]]) -> frozenset[str]:
    """What a choice may have made exactly zero: a `Select` with a zero arm, and products with such values."""
    found: set[str] = set()
    for name, value in values:
        match value:
            case Select(_, then, orelse):
                zero = b.is_const(then, 0) or b.is_const(orelse, 0)
            case Op(name="mul" | "neg" | "conj" | "real", args=args):
                zero = any(isinstance(a, Var) and a.name in found for a in args)
            case Op(name="add" | "sub", args=args):
                zero = all(isinstance(a, Var) and a.name in found for a in args)
            case _:
                zero = False
        if zero:
            found.add(name)
    return frozenset(found)


def _sum(total: Expr | None, term: Expr) -> Expr:
    return term if total is None else b.add(total, term)


def _partials(e: Emitter, value: Op, ans: Var, active: Sequence[bool]) -> list[Expr | None]:
    """The partials of the row; raises NotDifferentiable, with the place, where active operands have none."""
    row = OPS[value.name]
    if row.partials is None or not (row.holomorphic or not value.args[0].dtype.is_complex):
        reason, way_out = f"no derivative for {value.args[0].dtype.value}", "keep it out of the differentiated part"
        raise NotDifferentiable(value.name, e.span, reason, way_out)
    try:
        found: list[Expr | None] = []
        for partial, matters in zip(row.partials(value.args, ans), active, strict=True):
            if not isinstance(partial, NotDifferentiable):
                found.append(partial)
            elif matters:
                raise partial
            else:
                found.append(None)
        return found
    except NotDifferentiable as error:
        raise NotDifferentiable(value.name, e.span, error.problem.reason, error.problem.way_out) from None


def _named(e: Emitter, partial: Expr, names: dict[str, Expr]) -> Expr:
    """A partial in which operations that are dear have `names`: they are computed once, and outside of choices, in
    which calls would keep a loop from vector lanes."""

    def name(x: Expr) -> Expr:
        if not isinstance(x, Op) or not x.dtype.is_inexact or cost(x) <= COSTS["sqrt"]:
            return x
        key = repr(x)  # tells 0.0 from -0.0
        if key not in names:
            names[key] = e.let(f"t_{x.name}", x)
        return names[key]

    return map_expr(name, partial)


def _direction(e: Emitter, z: Expr, size: Expr) -> tuple[Expr, Expr]:
    """The parts of z/|z| (0 at 0); `size` is |z|, or 1 where that is 0."""
    return e.let("re", b.div(b.op("real", z), size)), e.let("im", b.div(b.op("imag", z), size))


def _safe_size(e: Emitter, size: Expr) -> Expr:
    return e.let("size", b.select(b.eq(size, 0), 1, size))


def _tangent_by_name(e: Emitter, value: Op, ans: Var, dots: list[Expr | None]) -> Expr | None:
    """abs: Re(conj(u) z_dot) with u = z/|z|; angle: Im(conj(u) z_dot)/|z|; the others are real-linear."""
    if value.name == "complex":
        re, im = (b.zero(value.dtype.real) if d is None else d for d in dots)
        return b.op("complex", re, im)
    z, d = value.args[0], dots[0]
    if not z.dtype.is_complex or d is None:
        return None
    match value.name:
        case "real" | "imag" | "conj":
            return b.op(value.name, d)
        case "abs":
            re, im = _direction(e, z, _safe_size(e, ans))
            return b.add(b.mul(re, b.op("real", d)), b.mul(im, b.op("imag", d)))
        case "angle":
            size = _safe_size(e, b.op("abs", z))
            re, im = _direction(e, z, size)
            return b.div(b.sub(b.mul(re, b.op("imag", d)), b.mul(im, b.op("real", d))), size)
        case _:
            return None


def _adjoints_by_name(e: Emitter, value: Op, ans: Var, adj: Expr) -> tuple[Expr, ...] | None:
    """The adjoint maps of `_tangent_by_name` under <a, b> = Re(conj(a) b)."""
    if value.name == "complex":
        return b.op("real", adj), b.op("imag", adj)
    z = value.args[0]
    if not z.dtype.is_complex:
        return None
    match value.name:
        case "real":
            return (b.cast(adj, z.dtype),)
        case "imag":
            return (b.op("complex", b.zero(adj.dtype), adj),)
        case "conj":
            return (b.op("conj", adj),)
        case "abs":
            re, im = _direction(e, z, _safe_size(e, ans))
            return (b.op("complex", scaled(e, "abs", re, adj, True), scaled(e, "abs", im, adj, True)),)
        case "angle":
            size = _safe_size(e, b.op("abs", z))
            re, im = _direction(e, z, size)
            g = e.let("g", b.div(adj, size))
            return (b.op("complex", b.neg(b.mul(im, g)), b.mul(re, g)),)
        case _:
            return None
