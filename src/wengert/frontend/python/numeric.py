"""Arithmetic on runtime scalars and arrays: NumPy's promotion, Python's own rules for Python numbers.

`ufunc` applies an elementwise NumPy operation; `binary`, `unary` and `compare` implement Python's operators.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.analysis.affine import constant
from wengert.codes import Code
from wengert.errors import Problem, Unsupported
from wengert.ir import build
from wengert.ir.nodes import FALSE, ZERO, Accumulate, Const, Expr, Select
from wengert.ir.types import BOOL, C128, F64, I64, U64, DType

from . import arrays, float_errors, integers
from .python_values import is_numpy_scalar
from .stage import Stage
from .values import RArray, RScalar, scalar_const

ElementFn = Callable[[Stage, list[Expr]], Expr]


def scalar(expr: Expr, python: bool = False) -> RScalar:
    return RScalar(expr, python)


def python_number(value: Any) -> bool:
    """Whether the value behaves as a Python number (and is weak in promotion)."""
    if isinstance(value, RScalar):
        return value.python
    return isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic)


def native_dtype(dtype: np.dtype[Any]) -> DType:
    """The IR type of a number that meets run-time data."""
    try:
        return DType.of(dtype)
    except KeyError:
        reason = f"numbers of dtype {dtype}, which has no native counterpart, meet run-time data or come of it"
        way_out = "use float32/64, complex64/128, bool or an integer dtype"
        raise Unsupported([Problem(None, reason, way_out, Code.DTYPE)]) from None


def as_scalar(value: Any) -> RScalar:
    """A runtime scalar of a number."""
    if isinstance(value, RScalar):
        return value
    if is_numpy_scalar(value):
        return RScalar(build.const(value, native_dtype(value.dtype)), False)
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        raise OverflowError("an integer that meets run-time data does not fit in 64 bits")
    return RScalar(scalar_const(value), True)


def is_number(value: Any) -> bool:
    return isinstance(value, (RScalar, bool, int, float, complex, np.generic))


def _weak(value: Any) -> Any:
    """What NumPy's promotion sees of an operand."""
    if isinstance(value, RArray):
        return value.dtype.numpy
    s = as_scalar(value)
    if s.python:
        return {BOOL: np.dtype(bool), I64: int, F64: float, C128: complex}[s.dtype]
    return s.dtype.numpy


def result_type(values: Sequence[Any]) -> DType:
    """NumPy's result type of values, Python numbers being weak."""
    strong = [_weak(v) for v in values if not isinstance(_weak(v), type)]
    weak = [{int: 0, float: 0.0, complex: 0j}[_weak(v)] for v in values if isinstance(_weak(v), type)]
    return DType.of(np.result_type(*strong, *weak))


# -- elementwise functions ------------------------------------------------------------------------------------


def _op(name: str) -> ElementFn:
    return lambda stage, a: build.op(name, *a)


def _bool_or(name: str, boolean: str) -> ElementFn:
    return lambda stage, a: build.op(boolean if a[0].dtype is BOOL else name, *a)


def _square(stage: Stage, a: list[Expr]) -> Expr:
    x = stage.let(a[0])
    return build.mul(x, x)


def power(stage: Stage, a: list[Expr]) -> Expr:
    if not a[0].dtype.is_integer:
        exponent = a[1]
        if isinstance(exponent, Const):
            x = a[0]
            if exponent.value == 2:
                return _square(stage, [x])
            if exponent.value == 1:
                return x
            if exponent.value == 0.5 and x.dtype.is_float:
                return build.op("sqrt", x)
            if exponent.value == -1 and x.dtype.is_float:
                return build.div(build.const(1, x.dtype), x)
            if exponent.value == 0:
                return build.const(1, x.dtype)
        return build.op("pow", *a)
    return build.op("ipow", *a)


def _constant_times(factor: float) -> ElementFn:
    return lambda stage, a: build.mul(a[0], build.const(factor, a[0].dtype))


def _logaddexp(stage: Stage, a: list[Expr]) -> Expr:
    return smooth_maximum(stage, a, lambda gap: build.op("log1p", build.op("exp", gap)))


def smooth_maximum(stage: Stage, a: list[Expr], tail: Callable[[Expr], Expr]) -> Expr:
    """The larger of two plus `tail(smaller - larger)`, written so that the derivative is right where they are equal."""
    x, y = stage.let(a[0]), stage.let(a[1])
    first = stage.let(build.ge(x, y))
    larger, smaller = build.select(first, x, y), build.select(first, y, x)
    same = build.and_(build.eq(x, y), build.op("isinf", x))
    return build.select(same, x, build.add(larger, tail(stage.let(build.sub(smaller, larger)))))


def _ldexp(stage: Stage, a: list[Expr]) -> Expr:
    return build.op("ldexp", a[0], build.cast(a[1], a[0].dtype))


def _spacing(stage: Stage, a: list[Expr]) -> Expr:
    size = stage.let(build.op("abs", a[0]))
    gap = stage.let(build.sub(build.op("nextafter", size, build.const(math.inf, size.dtype)), size))
    return build.select(build.lt(a[0], build.const(0.0, size.dtype)), build.neg(gap), gap)


def _sign(stage: Stage, a: list[Expr]) -> Expr:
    return build.op("sign", a[0])


def _abs(stage: Stage, a: list[Expr]) -> Expr:
    return a[0] if a[0].dtype is BOOL else build.op("abs", a[0])


def _conj(stage: Stage, a: list[Expr]) -> Expr:
    return build.op("conj", a[0]) if a[0].dtype.is_complex else a[0]


def _logical(name: str) -> ElementFn:
    return lambda stage, a: build.op(name, *(truth(x) for x in a))


def _heaviside(stage: Stage, a: list[Expr]) -> Expr:
    x, h = stage.let(a[0]), a[1]
    one, zero = build.const(1, x.dtype), build.const(0, x.dtype)
    at_zero = build.select(build.op("eq", x, zero), h, build.select(build.op("gt", x, zero), one, zero))
    return build.select(build.op("isnan", x), x, at_zero)


def _identity_for_int(name: str) -> ElementFn:
    return lambda stage, a: build.op(name, *a) if a[0].dtype.is_inexact else a[0]


def _predicate(name: str, for_int: bool) -> ElementFn:
    def fn(stage: Stage, a: list[Expr]) -> Expr:
        x = a[0]
        if x.dtype.is_complex:
            x = stage.let(x)
            parts = [build.op(name, build.op(p, x)) for p in ("real", "imag")]
            return build.op("and" if name == "isfinite" else "or", *parts)
        return build.op(name, x) if x.dtype.is_float else Const(for_int, BOOL)

    return fn


def truth(x: Expr) -> Expr:
    return x if x.dtype is BOOL else build.op("ne", x, build.const(0, x.dtype))


UFUNCS: dict[np.ufunc, ElementFn] = {
    np.add: _bool_or("add", "or"),
    np.subtract: _op("sub"),
    np.multiply: _bool_or("mul", "and"),
    np.true_divide: _op("div"),
    np.floor_divide: _op("floordiv"),
    np.remainder: _op("mod"),
    np.fmod: _op("fmod"),
    np.power: power,
    np.float_power: power,
    np.negative: _op("neg"),
    np.positive: lambda stage, a: a[0],
    np.absolute: _abs,
    np.fabs: _op("abs"),
    np.sign: _sign,
    np.square: _square,
    np.reciprocal: lambda stage, a: build.div(build.const(1, a[0].dtype), a[0]),
    np.sqrt: _op("sqrt"),
    np.cbrt: _op("cbrt"),
    np.conjugate: _conj,
    np.maximum: _bool_or("max", "or"),
    np.minimum: _bool_or("min", "and"),
    np.fmax: _op("fmax"),
    np.fmin: _op("fmin"),
    np.arctan2: _op("atan2"),
    np.hypot: _op("hypot"),
    np.copysign: _op("copysign"),
    np.logaddexp: _logaddexp,
    np.heaviside: _heaviside,
    np.deg2rad: _constant_times(np.pi / 180),
    np.radians: _constant_times(np.pi / 180),
    np.rad2deg: _constant_times(180 / np.pi),
    np.degrees: _constant_times(180 / np.pi),
    np.equal: _op("eq"),
    np.not_equal: _op("ne"),
    np.less: _op("lt"),
    np.less_equal: _op("le"),
    np.greater: _op("gt"),
    np.greater_equal: _op("ge"),
    np.logical_and: _logical("and"),
    np.logical_or: _logical("or"),
    np.logical_xor: _logical("xor"),
    np.logical_not: _logical("not"),
    np.bitwise_and: _bool_or("bitand", "and"),
    np.bitwise_or: _bool_or("bitor", "or"),
    np.bitwise_xor: _bool_or("bitxor", "xor"),
    np.invert: _bool_or("bitnot", "not"),
    np.left_shift: _op("shl"),
    np.right_shift: _op("shr"),
    np.bitwise_count: _op("popcount"),
    np.nextafter: _op("nextafter"),
    np.spacing: _spacing,
    np.ldexp: _ldexp,
    np.isnan: _predicate("isnan", False),
    np.isinf: _predicate("isinf", False),
    np.isfinite: _predicate("isfinite", True),
    np.signbit: _op("signbit"),
    np.floor: _identity_for_int("floor"),
    np.ceil: _identity_for_int("ceil"),
    np.trunc: _identity_for_int("trunc"),
    np.rint: _op("rint"),
}
_NAMED = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh,
}  # fmt: skip
UFUNCS.update({u: _op(name) for name, u in _NAMED.items()})


def loop_types(ufunc: np.ufunc, operands: Sequence[Any], dtype: DType | None = None) -> tuple[list[DType], DType]:
    """The dtypes NumPy computes this ufunc in: of the inputs and of the output."""
    types = [_weak(v) for v in operands]
    wanted = (*types, *[None] * ufunc.nout)
    if dtype is None:
        resolved = ufunc.resolve_dtypes(wanted)
    else:
        resolved = ufunc.resolve_dtypes(wanted, signature=(*[None] * ufunc.nin, dtype.numpy))
    return [native_dtype(t) for t in resolved[: ufunc.nin]], native_dtype(resolved[ufunc.nin])


def ufunc_of_array(stage: Stage, function: np.ufunc, *operands: Any, dtype: DType | None = None) -> RArray:
    """`ufunc` where an operand is an array."""
    result = ufunc(stage, function, *operands, dtype=dtype)
    assert isinstance(result, RArray)
    return result


def ufunc(stage: Stage, function: np.ufunc, *operands: Any, dtype: DType | None = None) -> RArray | RScalar:
    """An elementwise operation with NumPy's broadcasting and promotion; a scalar if all operands are scalars."""
    if function not in UFUNCS:
        raise stage.refuse(f"numpy.{function.__name__} is not supported", "write it with the supported operations")
    operands = fitted([_number(stage, o) for o in operands])
    inputs, output = loop_types(function, operands, dtype)
    inputs = integers.checked_operands(stage, function, operands, inputs)
    if function is np.power and inputs[1].is_integer:
        operands = (operands[0], _exponent(stage, operands[1]))
    fn = UFUNCS[function]
    strict = any(stage.raised.values())
    if not any(isinstance(o, RArray) for o in operands):
        exprs = [build.cast(as_scalar(o).expr, t) for o, t in zip(operands, inputs, strict=True)]
        result = stage.let(build.cast(fn(stage, exprs), output))
        if strict:
            float_errors.check_scalar(stage, function, exprs, result)
        return RScalar(result, False)
    if strict:
        operands = tuple(arrays.stored(stage, o) if isinstance(o, RArray) else o for o in operands)

    def element(s: Stage, parts: Sequence[Expr]) -> Expr:
        return build.cast(fn(s, [build.cast(x, t) for x, t in zip(parts, inputs, strict=True)]), output)

    lazy = elementwise(stage, element, output, operands)
    return _checked(stage, function, operands, inputs, lazy) if strict else lazy


def _exponent(stage: Stage, value: Any) -> Any:
    """The exponent of a power of NumPy's integers, after the test that no element of it is negative."""
    message = "Integers to negative integer powers are not allowed."
    if isinstance(value, RArray):
        value = arrays.stored(stage, value)
        found = stage.cell(BOOL, "negative", init=FALSE)

        def body(index: tuple[Expr, ...]) -> None:
            exponent = stage.let(arrays.element(value, index))
            stage.emit(Accumulate(found.name, (), build.lt(exponent, build.zero(exponent.dtype)), "max", stage.span))

        if value.dtype.is_integer and value.dtype.numpy.kind != "u":
            arrays.nest(stage, value.shape, body)
            stage.fail_if(stage.load_cell(found, "negative"), "ValueError", message)
        return value
    exponent = as_scalar(value)
    if exponent.dtype.numpy.kind == "i" and not stage.facts.nonnegative(exponent.expr):
        negative = build.lt(exponent.expr, build.zero(exponent.dtype))
        stage.fail_if(stage.let(negative), "ValueError", message)
    return value


def fitted(operands: Sequence[Any]) -> tuple[Any, ...]:
    """The operands with static integers beyond 64 bits as what they become beside the others."""
    kinds = [o.dtype for o in operands if isinstance(o, (RArray, RScalar))]
    kinds += [native_dtype(o.dtype) for o in operands if is_numpy_scalar(o)]
    widest = max(kinds, key=lambda d: (d.is_inexact, d is U64), default=None)
    return tuple(integers.fitting(o, widest) for o in operands)


def _number(stage: Stage, operand: Any) -> Any:
    """Arrays of rank 0 as NumPy scalars: ufuncs return those."""
    if isinstance(operand, RArray) and operand.rank == 0:
        stage.pending.pop(id(operand), None)
        return RScalar(stage.let(arrays.element(operand, ())), False)
    return operand


def _checked(
    stage: Stage, function: np.ufunc, operands: Sequence[Any], inputs: Sequence[DType], lazy: RArray
) -> RArray:
    """The stored result, after the tests of np.errstate(...="raise")."""
    result = arrays.stored(stage, lazy)
    wide: list[RArray | Expr] = []
    for o, t in zip(operands, inputs, strict=True):
        if isinstance(o, RArray):
            same = arrays.lazy(stage, t, o.shape, lambda i, o=o, t=t: build.cast(arrays.element(o, i), t), [o], cost=0)
            wide.append(arrays.broadcast(stage, arrays.stored(stage, same), result.shape))
        else:
            wide.append(build.cast(as_scalar(o).expr, t))
    float_errors.check_array(stage, function, wide, result)
    return result


def elementwise(stage: Stage, fn: ElementFn, dtype: DType, operands: Sequence[Any], cost: int = 1) -> RArray:
    """The lazy array fn(operand elements) over the broadcast of the operands (arrays and numbers)."""
    array_operands = [o for o in operands if isinstance(o, RArray)]
    shape = arrays.broadcast_shapes(stage, [o.shape for o in array_operands])
    parts: list[RArray | Expr] = []
    for o in operands:
        if isinstance(o, RArray):
            if array_operands.count(o) > 1:
                o = arrays.stored(stage, o)
            parts.append(arrays.broadcast(stage, o, shape))
        else:
            parts.append(stage.let(as_scalar(o).expr))

    def at(index: Sequence[Expr]) -> Expr:
        return fn(stage, [arrays.element(p, index) if isinstance(p, RArray) else p for p in parts])

    return arrays.lazy(stage, dtype, shape, at, [p for p in parts if isinstance(p, RArray)], cost)


# -- Python's operators ---------------------------------------------------------------------------------------

_operator: Any = operator  # several of its functions have no types in typeshed
OPERATORS: dict[str, tuple[Callable[..., Any], np.ufunc]] = {
    "+": (_operator.add, np.add),
    "-": (_operator.sub, np.subtract),
    "*": (_operator.mul, np.multiply),
    "/": (_operator.truediv, np.true_divide),
    "//": (_operator.floordiv, np.floor_divide),
    "%": (_operator.mod, np.remainder),
    "**": (_operator.pow, np.power),
    "&": (_operator.and_, np.bitwise_and),
    "|": (_operator.or_, np.bitwise_or),
    "^": (_operator.xor, np.bitwise_xor),
    "<<": (_operator.lshift, np.left_shift),
    ">>": (_operator.rshift, np.right_shift),
    "==": (_operator.eq, np.equal),
    "!=": (_operator.ne, np.not_equal),
    "<": (_operator.lt, np.less),
    "<=": (_operator.le, np.less_equal),
    ">": (_operator.gt, np.greater),
    ">=": (_operator.ge, np.greater_equal),
}
_BY_ZERO = {"/": "division by zero", "//": "integer division or modulo by zero", "%": "integer modulo by zero"}
_FLOAT_BY_ZERO = {"/": "float division by zero", "//": "float floor division by zero", "%": "float modulo"}
_COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def binary(stage: Stage, symbol: str, a: Any, b: Any) -> RScalar | RArray:
    """`a symbol b` where at least one is a runtime number or array and the other is one too, or a static number."""
    _, function = OPERATORS[symbol]
    if isinstance(a, RArray) or isinstance(b, RArray) or not (python_number(a) and python_number(b)):
        return ufunc(stage, function, a, b)
    a, b = fitted([a, b])
    if symbol in _COMPARE and (outcome := integers.beyond(symbol, a, b)) is not None:
        return RScalar(Const(outcome, BOOL), True)
    return _python_binary(stage, symbol, as_scalar(a), as_scalar(b))


def _python_binary(stage: Stage, symbol: str, a: RScalar, b: RScalar) -> RScalar:
    common = max(a.dtype, b.dtype, key=[BOOL, I64, F64, C128].index)
    if symbol in _COMPARE:
        kind = I64 if common is BOOL else common
        cond = build.op(_COMPARE[symbol], build.cast(a.expr, kind), build.cast(b.expr, kind))
        if kind is I64:
            cond = _decide(stage, symbol, build.cast(a.expr, kind), build.cast(b.expr, kind)) or cond
        elif kind is F64 and a.dtype is not b.dtype:
            cond = integers.compare_with_float(stage, symbol, a.expr, b.expr) or cond
        return RScalar(stage.let(cond), True)
    if symbol in ("&", "|", "^") and common is BOOL:
        return RScalar(stage.let(build.op({"&": "and", "|": "or", "^": "xor"}[symbol], a.expr, b.expr)), True)
    if common is BOOL:
        common = I64
    if symbol == "/" and common is I64:
        common = F64
    x, y = build.cast(a.expr, common), build.cast(b.expr, common)
    if symbol in ("/", "//", "%"):
        zero = build.const(0, common)
        message = (_BY_ZERO if common is I64 else _FLOAT_BY_ZERO)[symbol]
        if not (common is I64 and stage.facts.less(ZERO, y)):
            stage.fail_if(stage.let(build.op("eq", y, zero)), "ZeroDivisionError", message)
    if common is I64:
        return integers.binary(stage, symbol, x, y)
    if symbol == "**":
        return _python_pow(stage, a, b, common)
    names = {"+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floordiv", "%": "mod"}
    return RScalar(stage.let(build.op(names[symbol], x, y)), True)


def _python_pow(stage: Stage, a: RScalar, b: RScalar, common: DType) -> RScalar:
    x, y = build.cast(a.expr, common), build.cast(b.expr, common)
    if common is F64:
        exponent = y.value if isinstance(y, Const) and not isinstance(y.value, complex) else None
        integral = exponent is not None and float(exponent).is_integer()
        zero = build.const(0.0, F64)
        if exponent is None or exponent < 0:
            bad = build.op("and", build.op("eq", x, zero), build.op("lt", y, zero))
            stage.fail_if(stage.let(bad), "ZeroDivisionError", "0.0 cannot be raised to a negative power")
        if not integral and b.dtype is not I64:
            fractional = build.op("ne", build.op("floor", y), y)
            bad = build.op("and", build.op("lt", x, zero), fractional)
            stage.refuse_if(
                stage.let(bad),
                "a negative float to a fractional power is complex in Python; convert the base to complex first",
            )
    return RScalar(stage.let(power(stage, [x, y])), True)


def _decide(stage: Stage, symbol: str, x: Expr, y: Expr) -> Expr | None:
    """The outcome of an integer comparison, where it can be proved."""
    less = stage.facts.less
    match symbol:
        case "<" | ">=":
            yes, no = less(x, y), stage.facts.nonnegative(build.sub(x, y))
            positive = symbol == "<"
        case ">" | "<=":
            yes, no = less(y, x), stage.facts.nonnegative(build.sub(y, x))
            positive = symbol == ">"
        case _:
            no = less(x, y) or less(y, x)
            yes = not no and constant(build.sub(x, y)) == 0
            positive = symbol == "=="
    if yes or no:
        return Const(yes == positive, BOOL)
    return None


def unary(stage: Stage, symbol: str, a: RScalar | RArray) -> RScalar | RArray:
    if isinstance(a, RArray) or not a.python:
        return ufunc(stage, {"-": np.negative, "+": np.positive, "~": np.invert}[symbol], a)
    value = build.cast(a.expr, I64) if a.dtype is BOOL else a.expr
    match symbol:
        case "-" if value.dtype is I64:
            return integers.binary(stage, "-", ZERO, value)
        case "-":
            return RScalar(stage.let(build.neg(value)), True)
        case "+":
            return RScalar(value, True)
        case _:
            return RScalar(stage.let(build.op("bitnot", value)), True)


def truth_value(stage: Stage, value: RScalar | RArray) -> Expr:
    """The truth of a runtime number as a bool expression."""
    if isinstance(value, RArray):
        if any(constant(e) != 1 for e in value.shape):
            raise stage.refuse("the truth of an array with more than one element is ambiguous", "use .any() or .all()")
        return stage.let(truth(arrays.element(value, [ZERO] * value.rank)))
    return stage.let(truth(value.expr))


def select(stage: Stage, cond: Expr, then: RScalar, orelse: RScalar) -> RScalar:
    """A conditional value; the two are brought to a common dtype."""
    python = then.python and orelse.python
    dtype = join_dtype(then, orelse)
    value = Select(cond, build.cast(then.expr, dtype), build.cast(orelse.expr, dtype))
    return RScalar(stage.let(value), python)


def join_dtype(a: RScalar, b: RScalar) -> DType:
    """The dtype in which two numbers meet at a join: it must hold both values exactly as the program sees them."""
    if a.python and b.python:
        return max(a.dtype, b.dtype, key=[BOOL, I64, F64, C128].index)
    return result_type([a, b])
