"""Arithmetic of Python integers: exact, or an OverflowError; and what becomes of them beside floats."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.analysis.affine import canonical, constant, iadd, imul, isub
from wengert.ir import build
from wengert.ir.nodes import ZERO, Cast, Const, Expr, Op, Var
from wengert.ir.types import BOOL, F64, I64, U64, DType

from .magnitude import EXACT, LARGEST
from .stage import Stage
from .values import RScalar

_NAMES = {
    "+": "add", "-": "sub", "*": "mul", "//": "floordiv", "%": "mod", "&": "bitand", "|": "bitor", "^": "bitxor",
    "<<": "shl", ">>": "shr",
}  # fmt: skip
_LEAST = Const(-(2**63), I64)


def binary(stage: Stage, symbol: str, a: Expr, b: Expr) -> RScalar:
    """`a symbol b` of two Python integers; a divisor is known not to be zero."""
    if symbol in ("+", "-", "*"):
        exact = canonical(build.op(_NAMES[symbol], a, b))
        if stage.magnitudes.fits(exact):
            return RScalar(exact, True)
        return RScalar(stage.let(build.op(_NAMES[symbol] + "c", a, b), "n"), True)
    if symbol == "**":
        return _power(stage, a, b)
    if symbol in ("<<", ">>"):
        return _shift(stage, symbol, a, b)
    if symbol == "//" and not stage.facts.nonnegative(b) and stage.magnitudes.of(a) > LARGEST:
        stage.overflow_if(build.and_(build.eq(a, _LEAST), build.eq(b, build.i64(-1))))
    value = (_wrapped(stage, a, b) if symbol == "%" else None) or build.op(_NAMES[symbol], a, b)
    result = stage.let(value, "n")
    if symbol in ("%", "//") and isinstance(result, Var) and stage.facts.less(ZERO, b):
        if symbol == "%":
            stage.facts.assume(result, 0, build.sub(b, build.i64(1)))
        elif stage.facts.nonnegative(a):
            stage.facts.assume(result, 0, a)
    return RScalar(result, True)


def absolute(stage: Stage, a: Expr) -> RScalar:
    if stage.magnitudes.of(a) > LARGEST:
        stage.overflow_if(build.eq(a, _LEAST))
    return RScalar(stage.let(build.op("abs", a)), True)


def _power(stage: Stage, a: Expr, b: Expr) -> RScalar:
    exponent = constant(b)
    if (exponent is None or exponent < 0) and not stage.facts.nonnegative(b):
        negative = stage.let(build.op("lt", b, ZERO))
        stage.refuse_if(negative, "an integer to a negative integer power is a float in Python; use a float base")
    if exponent == 2:
        return binary(stage, "*", a, a)
    exact = build.op("ipow", a, b)
    return RScalar(stage.let(exact if stage.magnitudes.fits(exact) else build.op("ipowc", a, b), "n"), True)


def _shift(stage: Stage, symbol: str, a: Expr, b: Expr) -> RScalar:
    if not stage.facts.nonnegative(b):
        stage.fail_if(stage.let(build.lt(b, ZERO)), "ValueError", "negative shift count")
    exact = build.op(_NAMES[symbol], a, b)
    if symbol == "<<" and not stage.magnitudes.fits(exact):
        exact = build.op("shlc", a, b)
    return RScalar(stage.let(exact, "n"), True)


def _wrapped(stage: Stage, a: Expr, b: Expr) -> Expr | None:
    """a % b without a division, where a is known to be at most one period away: neighbours on a ring."""
    facts = stage.facts
    if not facts.less(ZERO, b):
        return None
    if facts.nonnegative(a) and facts.less(a, b):
        return a
    if facts.nonnegative(a) and facts.less(a, imul(Const(2, I64), b)):
        return build.select(build.lt(a, b), a, isub(a, b))
    if facts.less(a, b) and facts.nonnegative(iadd(a, b)):
        return build.select(build.lt(a, ZERO), iadd(a, b), a)
    return None


# -- beside floats -------------------------------------------------------------------------------------------

_RELATIONS: dict[str, Any] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_COMPARISONS = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_COMPARE = {"==": build.eq, "!=": build.ne, "<": build.lt, "<=": build.le, ">": build.gt, ">=": build.ge}


def compare_with_float(stage: Stage, symbol: str, a: Expr, b: Expr) -> Expr | None:
    """An integer and a float compared exactly, as Python does; None if converting the integer to a float does that."""
    if a.dtype is not I64:
        a, b, symbol = b, a, _MIRRORED[symbol]
    if a.dtype is not I64 or stage.magnitudes.of(a) <= EXACT:
        return None
    if isinstance(b, Const):
        return _compare_with_constant(symbol, a, float(b.value.real))
    rounded, f = stage.let(build.cast(a, b.dtype)), stage.let(b)
    end = build.const(2.0**63, f.dtype)
    near = stage.let(build.and_(build.eq(rounded, f), build.lt(f, end)))  # then f is an integer, and `whole`
    whole = stage.let(build.cast(build.select(near, f, 0.0), I64))
    if symbol in ("==", "!="):
        same = build.and_(near, build.eq(a, whole))
        return same if symbol == "==" else build.not_(same)
    return build.select(near, _COMPARE[symbol](a, whole), _beyond(symbol, rounded, f))


def _beyond(symbol: str, rounded: Expr, f: Expr) -> Expr:
    """The relation where rounding decides: the float is another one, or 2**63, above every integer."""
    return _COMPARE[symbol[0]](rounded, f) if symbol[0] == ">" else build.le(rounded, f)


def _compare_with_constant(symbol: str, a: Expr, f: float) -> Expr:
    if not -(2.0**63) <= f < 2.0**63:  # NaN, too
        return build.const(_RELATIONS[symbol](0, f), BOOL)
    if f.is_integer():
        return _COMPARE[symbol](a, build.i64(int(f)))
    if symbol in ("==", "!="):
        return build.const(symbol == "!=", BOOL)
    return _COMPARE["<" if symbol[0] == "<" else ">"](a, build.i64(math.ceil(f) if symbol[0] == "<" else math.floor(f)))


def of_float(stage: Stage, x: Expr) -> RScalar:
    """The integer that a float is when its fraction is dropped: exceptions as Python's, and OverflowError where
    Python's integer would have more than 64 bits."""
    if (exact := _rounded_integer(stage, x)) is not None:
        return RScalar(exact, True)
    x = stage.let(x)
    end = build.const(2.0**63, x.dtype)
    far = stage.let(build.not_(build.and_(build.ge(x, build.neg(end)), build.lt(x, end))))
    reason = "cannot convert float {} to integer"
    stage.fail_if(stage.let(build.and_(far, build.op("isnan", x))), "ValueError", reason.format("NaN"))
    stage.fail_if(stage.let(build.and_(far, build.op("isinf", x))), "OverflowError", reason.format("infinity"))
    stage.overflow_if(far)
    return RScalar(stage.let(build.cast(x, I64)), True)


def _rounded_integer(stage: Stage, x: Expr) -> Expr | None:
    """The integer of which this is a rounded float, where that is the same."""
    while True:
        match x:
            case Var(name) if name in stage.definitions:
                x = stage.definitions[name]
            case Op("floor" | "ceil" | "trunc" | "rint", (inner,)):
                x = inner
            case Cast(inner, _) if inner.dtype is I64 and x.dtype is F64:
                return inner if stage.magnitudes.fits(inner, EXACT) else None
            case _:
                return None


def of_unsigned(stage: Stage, x: Expr) -> Expr:
    """A NumPy integer as a Python one: OverflowError beyond 63 bits."""
    if x.dtype is U64:
        stage.overflow_if(stage.let(build.gt(x, build.const(LARGEST, U64))))
    return build.cast(x, I64)


def beyond(symbol: str, a: Any, b: Any) -> bool | None:
    """The outcome of comparing a run-time integer with a static one beyond 64 bits, if one of them is that."""
    for x, relation in ((a, _MIRRORED[symbol]), (b, symbol)):
        if isinstance(x, int) and not -(2**63) <= x <= LARGEST:
            return _RELATIONS[relation](0, x)
    return None


def checked_operands(stage: Stage, function: np.ufunc, operands: Sequence[Any], inputs: list[DType]) -> list[DType]:
    """The dtypes to compute in, after the test that Python integers fit where NumPy brings them to a narrower dtype;
    comparisons, which NumPy makes exactly, are made in 64 bits where they may not."""
    chosen = list(inputs)
    for value, dtype in zip(operands, inputs, strict=True):
        least, largest = _interval(dtype)
        if isinstance(value, RScalar) and value.python and value.dtype is I64 and dtype.is_integer and dtype is not I64:
            expr: Expr = value.expr
        elif type(value) is int and dtype.is_integer and not least <= value <= largest:
            expr = build.i64(value)
        else:
            continue
        if stage.magnitudes.fits(expr, min(largest, LARGEST)) and (least < 0 or stage.facts.nonnegative(expr)):
            continue
        if function in _COMPARISONS:
            if dtype is U64:
                stage.refuse_if(stage.let(build.lt(expr, ZERO)), "a negative integer is compared with a numpy.uint64")
            else:
                chosen = [I64] * len(inputs)
            continue
        low, high = build.lt(expr, build.i64(least)), build.gt(expr, build.i64(min(largest, LARGEST)))
        wrong = low if dtype is U64 else build.or_(low, high)
        message = f"Python integer {{}} out of bounds for {dtype.numpy.name}"
        stage.fail_if(stage.let(wrong), "OverflowError", message, (expr,))
    return chosen


def _interval(dtype: DType) -> tuple[int, int]:
    if not dtype.is_integer:
        return -(2**63), LARGEST
    info = np.iinfo(dtype.numpy)
    return int(info.min), int(info.max)


def fitting(value: Any, other: DType | None) -> Any:
    """A static integer beyond 64 bits as what it becomes beside a number or an array of that dtype."""
    if not isinstance(value, int) or -(2**63) <= value <= LARGEST or other is None:
        return value
    if other.is_inexact:
        return float(value)
    return RScalar(build.const(value, U64), False) if other is U64 and 0 <= value < 2**64 else value
