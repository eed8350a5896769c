"""The math and cmath modules on runtime numbers, with Python's domain errors."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wengert.ir import build
from wengert.ir.nodes import Expr
from wengert.ir.types import C128, F64, I64

from . import integers, list_programs, numeric
from .builtin import single
from .registry import HANDLERS, handles
from .values import RScalar, contains_runtime

if TYPE_CHECKING:
    from .interp import Interp

Domain = Callable[..., Expr]


def _real(interp: Interp, value: Any) -> Expr:
    value = single(interp, interp.resolve(value))
    s = numeric.as_scalar(value)
    if s.dtype.is_complex:
        raise TypeError("must be real number, not complex")
    return build.cast(s.expr, F64)


def _function(fn: Any, op: str, outside: Domain | None = None, overflow: bool = False) -> None:
    """Register math.fn as an operation; `outside` says where Python raises 'math domain error'."""

    def handler(interp: Interp, *args: Any) -> Any:
        if not contains_runtime(args):
            return interp.native(lambda: fn(*args))
        exprs = [_real(interp, a) for a in args]
        if outside is not None:
            interp.stage.fail_if(interp.stage.let(outside(*exprs)), "ValueError", "math domain error")
        result = interp.stage.let(build.op(op, *exprs))
        if overflow:
            finite_in = build.op("isfinite", exprs[0])
            interp.stage.fail_if(
                interp.stage.let(build.and_(build.op("isinf", result), finite_in)), "OverflowError", "math range error"
            )
        return RScalar(result, True)

    HANDLERS[fn] = handler


def _below(limit: float) -> Domain:
    def inside(x: Expr) -> Expr:
        return build.lt(x, build.const(limit, F64))

    return inside


def _at_most(limit: float) -> Domain:
    def inside(x: Expr) -> Expr:
        return build.le(x, build.const(limit, F64))

    return inside


def _beyond_one(x: Expr) -> Expr:
    return build.gt(build.op("abs", x), build.const(1.0, F64))


def _not_inside_one(x: Expr) -> Expr:
    return build.ge(build.op("abs", x), build.const(1.0, F64))


def _infinite(x: Expr) -> Expr:
    return build.op("isinf", x)


def _no_remainder(x: Expr, y: Expr) -> Expr:
    """x infinite or y zero, unless the other one is NaN."""
    by_zero = build.and_(build.eq(y, build.const(0.0, F64)), build.not_(build.op("isnan", x)))
    return build.or_(by_zero, build.and_(_infinite(x), build.not_(build.op("isnan", y))))


_function(math.sqrt, "sqrt", _below(0.0))
_function(math.log1p, "log1p", _at_most(-1.0))
_function(math.log2, "log2", _at_most(0.0))
_function(math.log10, "log10", _at_most(0.0))
_function(math.asin, "asin", _beyond_one)
_function(math.acos, "acos", _beyond_one)
_function(math.atanh, "atanh", _not_inside_one)
_function(math.acosh, "acosh", _below(1.0))
_function(math.fmod, "fmod", _no_remainder)
_function(math.remainder, "remainder", _no_remainder)
for _fn, _op in ((math.sin, "sin"), (math.cos, "cos"), (math.tan, "tan")):
    _function(_fn, _op, _infinite)
for _fn, _op in ((math.exp, "exp"), (math.expm1, "expm1"), (math.sinh, "sinh"), (math.cosh, "cosh")):
    _function(_fn, _op, None, overflow=True)
for _fn, _op in (
    (math.atan, "atan"), (math.tanh, "tanh"), (math.asinh, "asinh"), (math.atan2, "atan2"), (math.exp2, "exp2"),
    (math.cbrt, "cbrt"), (math.fabs, "abs"), (math.copysign, "copysign"), (math.erf, "erf"), (math.erfc, "erfc"),
    (math.gamma, "gamma"), (math.lgamma, "lgamma"),
):  # fmt: skip
    _function(_fn, _op)


@handles(math.log)
def log(interp: Interp, x: Any, base: Any = None) -> Any:
    if not contains_runtime((x, base)):
        return interp.native(lambda: math.log(x) if base is None else math.log(x, base))
    value = _real(interp, x)
    interp.stage.fail_if(interp.stage.let(build.le(value, build.const(0.0, F64))), "ValueError", "math domain error")
    result = RScalar(interp.stage.let(build.op("log", value)), True)
    return result if base is None else interp.binary("/", result, log(interp, base))


@handles(math.pow)
def pow_(interp: Interp, x: Any, y: Any) -> Any:
    if not contains_runtime((x, y)):
        return interp.native(lambda: math.pow(x, y))
    a, b = _real(interp, x), _real(interp, y)
    fractional = build.and_(build.lt(a, build.const(0.0, F64)), build.ne(build.op("floor", b), b))
    pole = build.and_(build.eq(a, build.const(0.0, F64)), build.lt(b, build.const(0.0, F64)))
    interp.stage.fail_if(interp.stage.let(build.or_(fractional, pole)), "ValueError", "math domain error")
    return RScalar(interp.stage.let(numeric.power(interp.stage, [a, b])), True)


@handles(math.hypot)
def hypot(interp: Interp, *values: Any) -> Any:
    if not contains_runtime(values):
        return interp.native(lambda: math.hypot(*values))
    exprs = [_real(interp, v) for v in values]
    result = build.op("abs", exprs[0])
    for e in exprs[1:]:
        result = interp.stage.let(build.op("hypot", result, e))
    return RScalar(interp.stage.let(result), True)


def _to_int(fn: Any, op: str) -> None:
    def handler(interp: Interp, value: Any) -> Any:
        value = single(interp, value)
        if not isinstance(value, RScalar):
            return interp.native(lambda: fn(value))
        if value.dtype.is_integer:
            return RScalar(integers.of_unsigned(interp.stage, value.expr), True)
        return integers.of_float(interp.stage, build.op(op, _real(interp, value)))

    HANDLERS[fn] = handler


for _fn, _op in ((math.floor, "floor"), (math.ceil, "ceil"), (math.trunc, "trunc")):
    _to_int(_fn, _op)


def _predicate(fn: Any, op: str) -> None:
    def handler(interp: Interp, value: Any) -> Any:
        if not contains_runtime(value):
            return interp.native(lambda: fn(value))
        return RScalar(interp.stage.let(build.op(op, _real(interp, value))), True)

    HANDLERS[fn] = handler


for _fn, _op in ((math.isnan, "isnan"), (math.isinf, "isinf"), (math.isfinite, "isfinite")):
    _predicate(_fn, _op)


def _scaled(fn: Any, factor: float) -> None:
    def handler(interp: Interp, value: Any) -> Any:
        if not contains_runtime(value):
            return interp.native(lambda: fn(value))
        return RScalar(interp.stage.let(build.mul(_real(interp, value), build.const(factor, F64))), True)

    HANDLERS[fn] = handler


_scaled(math.degrees, 180.0 / math.pi)
_scaled(math.radians, math.pi / 180.0)


@handles(math.fsum)
def fsum(interp: Interp, values: Any) -> Any:
    return interp.call(list_programs.fsum, [values], {})


@handles(math.prod)
def prod(interp: Interp, values: Any, *, start: Any = 1) -> Any:
    result = start
    for v in interp.static_iterable(values):
        result = interp.binary("*", result, v)
    return result


@handles(math.dist)
def dist(interp: Interp, p: Any, q: Any) -> Any:
    pairs = zip(interp.static_iterable(p), interp.static_iterable(q), strict=True)
    return hypot(interp, *[interp.binary("-", a, b) for a, b in pairs])


@handles(math.isclose)
def isclose(interp: Interp, a: Any, b: Any, *, rel_tol: Any = 1e-9, abs_tol: Any = 0.0) -> Any:
    if not contains_runtime((a, b, rel_tol, abs_tol)):
        return interp.native(lambda: math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol))
    x, y = _real(interp, a), _real(interp, b)
    size = build.max_(build.op("abs", x), build.op("abs", y))
    bound = build.max_(build.mul(_real(interp, rel_tol), size), _real(interp, abs_tol))
    close = build.le(build.op("abs", build.sub(x, y)), bound)
    return RScalar(interp.stage.let(build.or_(build.eq(x, y), close)), True)


@handles(math.modf)
def modf(interp: Interp, value: Any) -> Any:
    if not contains_runtime(value):
        return interp.native(lambda: math.modf(value))
    x = _real(interp, value)
    whole = interp.stage.let(build.op("trunc", x))
    return RScalar(interp.stage.let(build.sub(x, whole)), True), RScalar(whole, True)


@handles(math.frexp)
def frexp(interp: Interp, value: Any) -> Any:
    if not contains_runtime(value):
        return interp.native(lambda: math.frexp(value))
    x = _real(interp, value)
    exponent = interp.stage.let(build.op("exponent", x))
    part = interp.stage.let(build.op("ldexp", x, build.neg(exponent)))
    return RScalar(part, True), RScalar(interp.stage.let(build.cast(exponent, I64)), True)


@handles(math.ldexp)
def ldexp(interp: Interp, x: Any, i: Any) -> Any:
    if not contains_runtime((x, i)):
        return interp.native(lambda: math.ldexp(x, i))
    exponent = numeric.as_scalar(single(interp, i)).expr
    if not exponent.dtype.is_integer:
        raise TypeError("Expected an int as second argument to ldexp.")
    value = _real(interp, x)
    result = interp.stage.let(build.op("ldexp", value, build.cast(exponent, F64)))
    overflow = build.and_(build.op("isinf", result), build.op("isfinite", value))
    interp.stage.fail_if(interp.stage.let(overflow), "OverflowError", "math range error")
    return RScalar(result, True)


# -- cmath ---------------------------------------------------------------------------------------------------


def _complex(interp: Interp, value: Any) -> Expr:
    return build.cast(numeric.as_scalar(single(interp, value)).expr, C128)


def _complex_function(fn: Any, op: str) -> None:
    def handler(interp: Interp, value: Any) -> Any:
        if not contains_runtime(value):
            return interp.native(lambda: fn(value))
        return RScalar(interp.stage.let(build.op(op, _complex(interp, value))), True)

    HANDLERS[fn] = handler


for _name in ("exp", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "log10"):
    _complex_function(getattr(cmath, _name), _name)


@handles(cmath.log)
def clog(interp: Interp, value: Any, base: Any = None) -> Any:
    if not contains_runtime((value, base)):
        return interp.native(lambda: cmath.log(value) if base is None else cmath.log(value, base))
    result = RScalar(interp.stage.let(build.op("log", _complex(interp, value))), True)
    return result if base is None else interp.binary("/", result, clog(interp, base))


@handles(cmath.phase)
def phase(interp: Interp, value: Any) -> Any:
    if not contains_runtime(value):
        return interp.native(lambda: cmath.phase(value))
    return RScalar(interp.stage.let(build.op("angle", _complex(interp, value))), True)


@handles(cmath.polar)
def polar(interp: Interp, value: Any) -> Any:
    z = _complex(interp, value)
    return RScalar(interp.stage.let(build.op("abs", z)), True), RScalar(interp.stage.let(build.op("angle", z)), True)


@handles(cmath.rect)
def rect(interp: Interp, r: Any, phi: Any) -> Any:
    a, p = _real(interp, r), _real(interp, phi)
    x, y = build.mul(a, build.op("cos", p)), build.mul(a, build.op("sin", p))
    return RScalar(interp.stage.let(build.op("complex", x, y)), True)
