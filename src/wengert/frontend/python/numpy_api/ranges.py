"""Ranges of numbers and the grids built from them: arange, linspace, mgrid, meshgrid, indices, np.r_."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr
from wengert.ir.types import BOOL, F64, I64, DType

from .. import arrays, numeric
from ..registry import handles
from ..values import RArray, RRange, RScalar
from . import create
from .common import (
    array,
    axis_of,
    cast,
    dtype_of,
    fix,
    generated,
    hint_of,
    insert_axis,
    integer_expr,
    number_dtype,
    numbers,
    only_default,
    permute,
    require_nonnegative,
    scalar,
    shape_of,
    store,
    type_error,
    when,
)

if TYPE_CHECKING:
    from ..interp import Interp


# -- arange ----------------------------------------------------------------------------------------------------


@handles(np.arange)
def arange(interp: Interp, *args: Any, dtype: Any = None, device: Any = None, like: Any = None, **named: Any) -> RArray:
    """np.arange: as NumPy, element i of a float range is start + i*((start + step) - start)."""
    only_default(interp, "arange", like=(like, None))
    start, stop, step, position_dtype = _arange_arguments(args, named)
    dtype = position_dtype if dtype is None else dtype
    bounds = [numbers(interp, v) for v in (start, stop, step)]
    if any(isinstance(v, RArray) for v in bounds):
        raise interp.stage.refuse("arange is called with an array", "call it with numbers")
    kinds = [number_dtype(v).numpy for v in bounds]
    want = DType.of(np.result_type(np.int64, *kinds)) if dtype is None else dtype_of(interp, dtype)
    exprs = [numeric.as_scalar(v).expr for v in bounds]
    if all(e.dtype.is_integer or e.dtype is BOOL for e in exprs):
        first, last, stride = (build.cast(e, I64) for e in exprs)
        known = constant(stride)
        if known == 0:
            raise ZeroDivisionError("division by zero")
        return create.from_range(interp, RRange(first, last, known, stride), want)
    if any(e.dtype.is_complex for e in exprs) or want.is_complex or want is BOOL:
        raise interp.stage.refuse(
            "arange of complex or boolean numbers is not supported", "use a real arange and convert"
        )
    return _float_range(interp, [build.cast(e, F64) for e in exprs], want)


def _arange_arguments(args: Sequence[Any], named: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    values = dict(zip(("start", "stop", "step", "dtype"), args, strict=False)) | named
    if values.get("stop") is None:
        values["start"], values["stop"] = 0, values.get("start")
    if values["stop"] is None:
        type_error("arange() requires stop to be specified.")
    step = values.get("step")
    return values.get("start", 0), values["stop"], 1 if step is None else step, values.get("dtype")


def _float_range(interp: Interp, bounds: Sequence[Expr], want: DType) -> RArray:
    stage = interp.stage
    start, stop, step = (stage.let(e) for e in bounds)
    message = "float division by zero"
    if isinstance(step, Const) and step.value == 0:
        raise ZeroDivisionError(message)
    stage.fail_if(stage.let(build.eq(step, build.zero(F64))), "ZeroDivisionError", message)
    length = _ceil(interp, build.div(build.sub(stop, start), step))
    calc = want if want.is_float else I64
    first = stage.let(build.cast(start, calc))
    second = build.cast(build.add(start, step), calc)
    delta = stage.let(build.sub(second, first))
    return generated(
        stage, want, (length,), lambda i: build.cast(build.add(first, build.mul(build.cast(i[0], calc), delta)), want)
    )


def _ceil(interp: Interp, ratio: Expr) -> Expr:
    """The smallest extent that is not below a float."""
    if isinstance(ratio, Const):
        return Const(max(0, math.ceil(float(ratio.value.real))), I64)
    length = interp.stage.let(build.cast(build.max_(build.op("ceil", ratio), build.zero(ratio.dtype)), I64), "n")
    return interp.stage.count(length)


# -- linspace and its relatives --------------------------------------------------------------------------------


@handles(np.linspace)
def linspace(
    interp: Interp, start: Any, stop: Any, num: Any = 50, endpoint: Any = True, retstep: Any = False, dtype: Any = None,
    axis: Any = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """np.linspace: element i is i*step + start, and with `endpoint` the last one is exactly stop."""
    stage = interp.stage
    first, last = numbers(interp, start), numbers(interp, stop)
    calc = numeric.result_type([first, last, 0.0])
    want = calc if dtype is None else dtype_of(interp, dtype)
    count = integer_expr(interp, num)
    require_nonnegative(stage, count, f"Number of samples, {_shown(count)}, must be non-negative.")
    divisions = isub(count, ONE) if endpoint else count
    begin, end = (_at_least_scalar(interp, v, calc) for v in (first, last))
    parts = build.cast(build.cast(divisions if stage.less(ZERO, divisions) else build.max_(divisions, ONE), F64), calc)
    parts = stage.let(parts)
    delta: Any
    if isinstance(begin, RScalar) and isinstance(end, RScalar):
        delta = RScalar(stage.let(build.div(build.sub(end.expr, begin.expr), parts), "step"), False)
    else:
        lazy = numeric.elementwise(stage, lambda s, a: build.div(build.sub(a[0], a[1]), parts), calc, [end, begin])
        delta = arrays.stored(stage, lazy, "step")
    inner = delta.shape if isinstance(delta, RArray) else ()
    target = stage.alloc(want, (count, *inner), hint_of(interp, "linspace"))
    floor = want.is_integer and calc.is_float

    def fit(value: Expr) -> Expr:
        return build.cast(build.op("floor", value), want) if floor else value

    def at(i: Sequence[Expr]) -> Expr:
        return fit(build.add(build.mul(build.cast(i[0], calc), _read(stage, delta, inner, i[1:])),
                             _read(stage, begin, inner, i[1:])))  # fmt: skip

    arrays.fill(stage, target, at)
    if endpoint:
        final = fix(stage, target, 0, isub(count, ONE))
        put = lambda: arrays.fill(stage, final, lambda i: fit(_read(stage, end, inner, i)))  # noqa: E731
        when(stage, build.const(True, BOOL) if stage.less(ONE, count) else stage.let(build.gt(count, ONE)), put)
    result = target if not inner else _axis_moved(interp, target, axis)
    return (result, _step(interp, delta, divisions)) if retstep else result


def _shown(count: Expr) -> str:
    value = constant(count)
    return "a negative number" if value is None else str(value)


def _at_least_scalar(interp: Interp, value: Any, dtype: DType) -> RScalar | RArray:
    if isinstance(value, RArray):
        return arrays.stored(interp.stage, cast(interp.stage, value, dtype))
    return RScalar(interp.stage.let(build.cast(numeric.as_scalar(value).expr, dtype)), False)


def _read(stage: Any, value: RScalar | RArray, shape: tuple[Expr, ...], index: Sequence[Expr]) -> Expr:
    if isinstance(value, RScalar):
        return value.expr
    return arrays.element(arrays.broadcast(stage, value, shape), index)


def _axis_moved(interp: Interp, target: RArray, axis: Any) -> RArray:
    place = axis_of(interp, axis, target.rank)
    order = list(range(1, target.rank))
    order.insert(place, 0)
    return permute(interp.stage, target, order)


def _step(interp: Interp, delta: Any, divisions: Expr) -> Any:
    """The step linspace returns: NaN if there is none."""
    known = constant(divisions)
    if known is not None and known <= 0:
        return math.nan
    if known is None and not interp.stage.less(ZERO, divisions):
        if isinstance(delta, RArray):
            raise interp.stage.refuse("linspace(retstep=True) of arrays with a run-time number", "use a fixed number")
        value = build.select(build.gt(divisions, ZERO), delta.expr, build.const(math.nan, delta.dtype))
        return scalar(interp.stage, value, "step")
    return delta


@handles(np.logspace)
def logspace(
    interp: Interp, start: Any, stop: Any, num: Any = 50, endpoint: Any = True, base: Any = 10.0, dtype: Any = None,
    axis: Any = 0,
) -> RArray:  # fmt: skip
    exponents = linspace(interp, start, stop, num, endpoint, False, None, axis)
    result = numeric.ufunc(interp.stage, np.power, numbers(interp, base), exponents)
    assert isinstance(result, RArray)
    return result if dtype is None else create.as_array(interp, result, dtype)


@handles(np.geomspace)
def geomspace(
    interp: Interp, start: Any, stop: Any, num: Any = 50, endpoint: Any = True, dtype: Any = None, axis: Any = 0
) -> RArray:
    """np.geomspace of real numbers of one sign."""
    stage = interp.stage
    a, b = numbers(interp, start), numbers(interp, stop)
    if isinstance(a, RArray) or isinstance(b, RArray) or number_dtype(a).is_complex or number_dtype(b).is_complex:
        raise stage.refuse("geomspace of arrays or complex numbers is not supported", "call it with two real numbers")
    calc = numeric.result_type([a, b, 0.0])
    x, y = (stage.let(build.cast(numeric.as_scalar(v).expr, calc)) for v in (a, b))
    zero = build.zero(calc)
    message = "Geometric sequence cannot include zero"
    for v in (x, y):
        if isinstance(v, Const) and v.value == 0:
            raise ValueError(message)
        stage.fail_if(stage.let(build.eq(v, zero)), "ValueError", message)
    sign = stage.let(build.op("sign", x), "sign")
    logs = [RScalar(stage.let(build.op("log10", build.div(v, sign))), False) for v in (x, y)]
    powers = numeric.ufunc(stage, np.power, 10.0, linspace(interp, *logs, num, endpoint))
    scaled = numeric.ufunc(stage, np.multiply, powers, RScalar(sign, False))
    assert isinstance(scaled, RArray)
    result = arrays.stored(stage, scaled, hint_of(interp, "geomspace"))
    count = result.shape[0]
    for at, value, least in ((ZERO, x, ZERO), (isub(count, ONE), y, ONE)):
        if least is ZERO or endpoint:
            put = lambda at=at, value=value: store(stage, result, (at,), value)  # noqa: E731
            when(stage, build.const(True, BOOL) if stage.less(least, count) else stage.let(build.gt(count, least)), put)
    return result if dtype is None else create.as_array(interp, result, dtype)


# -- grids -----------------------------------------------------------------------------------------------------


def _open(interp: Interp, axis: RArray, place: int, rank: int) -> RArray:
    for k in range(rank):
        if k != place:
            axis = insert_axis(interp.stage, axis, k)
    return axis


def _dense(interp: Interp, axes: Sequence[RArray], dtype: DType) -> RArray:
    stage = interp.stage
    shape = tuple(a.shape[0] for a in axes)
    target = stage.alloc(dtype, (Const(len(axes), I64), *shape), hint_of(interp, "grid"))
    for k, axis in enumerate(axes):
        arrays.fill(
            stage, fix(stage, target, 0, Const(k, I64)), lambda i, k=k, axis=axis: arrays.element(axis, (i[k],))
        )
    return target


@handles(np.indices)
def indices(interp: Interp, dimensions: Any, dtype: Any = int, sparse: Any = False) -> Any:
    shape = shape_of(interp, dimensions)
    kind = dtype_of(interp, dtype)
    axes = [arrays.stored(interp.stage, create.from_range(interp, RRange(ZERO, n, 1, ONE), kind)) for n in shape]
    if sparse:
        return tuple(_open(interp, a, k, len(axes)) for k, a in enumerate(axes))
    return _dense(interp, axes, kind)


@handles(np.meshgrid)
def meshgrid(interp: Interp, *xi: Any, copy: Any = True, sparse: Any = False, indexing: Any = "xy") -> tuple[Any, ...]:
    stage = interp.stage
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    vectors = [_vector(interp, x) for x in xi]
    places = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        places[0], places[1] = 1, 0
    opened = [_open(interp, v, p, len(vectors)) for v, p in zip(vectors, places, strict=True)]
    if sparse:
        return tuple(arrays.copy(stage, v) if copy else v for v in opened)
    shape = arrays.broadcast_shapes(stage, [v.shape for v in opened])
    wide = [arrays.broadcast(stage, v, shape) for v in opened]
    return tuple(arrays.copy(stage, w, hint_of(interp, "mesh")) if copy else w for w in wide)


def _vector(interp: Interp, value: Any) -> RArray:
    a = arrays.stored(interp.stage, array(interp, value))
    return arrays.reshape(interp.stage, a, (arrays.size(a.shape),))
