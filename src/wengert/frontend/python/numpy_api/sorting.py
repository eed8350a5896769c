"""Order: sort, argsort, medians and quantiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from wengert.analysis.affine import constant, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr, LibCall
from wengert.ir.types import BOOL, F32, F64, I64, DType

from .. import arrays, index, numeric
from ..registry import handles, method
from ..stage import Stage
from ..values import RArray
from . import programs
from .common import (
    Scalarwise,
    add_to,
    array,
    axes_of,
    axis_of,
    element0,
    fix,
    flat,
    given,
    hint_of,
    insert_axis,
    integer_expr,
    numbers,
    only_default,
    permute,
)
from .reduce import written

if TYPE_CHECKING:
    from ..interp import Interp


# -- sort ------------------------------------------------------------------------------------------------------


def sorted_along(interp: Interp, a: RArray, axis: int) -> tuple[RArray, RArray]:
    """The elements in ascending order along an axis (stable, NaN last) and the positions they come from."""
    stage = interp.stage
    a = arrays.stored(stage, a)
    if a.dtype.is_complex:
        return interp.call(programs.sorted_complex, [a, axis], {})
    values = stage.alloc(a.dtype, a.shape, hint_of(interp, "sorted"))
    order = stage.alloc(I64, a.shape, "order")
    outer = [e for k, e in enumerate(a.shape) if k != axis]

    def line(at: tuple[Expr, ...]) -> None:
        names = [arrays.as_storage(stage, _line(stage, v, axis, at)) for v in (values, order, a)]
        stage.emit(LibCall("sort", (names[0], names[1]), (names[2],), (), stage.span))

    arrays.nest(stage, outer, line)
    return values, order


def _line(stage: Stage, a: RArray, axis: int, at: Sequence[Expr]) -> RArray:
    """The vector along an axis at the given position of the other axes."""
    for k, i in reversed(list(enumerate(at))):
        a = fix(stage, a, k if k < axis else k + 1, i)
    return a


def _sort_axis(interp: Interp, a: RArray, axis: Any) -> tuple[RArray, int]:
    if axis is None:
        return flat(interp.stage, a), 0
    if a.rank == 0:
        raise np.exceptions.AxisError(-1, 0)
    return a, axis_of(interp, axis, a.rank)


@handles(np.sort)
def sort(interp: Interp, a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> RArray:
    only_default(interp, "sort", order=(order, None))
    value, place = _sort_axis(interp, array(interp, a), axis)
    return sorted_along(interp, value, place)[0]


@handles(np.argsort)
@method("argsort")
def argsort(
    interp: Interp, a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> RArray:
    only_default(interp, "argsort", order=(order, None))
    value, place = _sort_axis(interp, array(interp, a), axis)
    return sorted_along(interp, value, place)[1]


@method("sort")
def sort_in_place(interp: Interp, a: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> None:
    only_default(interp, "sort", order=(order, None))
    value, place = _sort_axis(interp, array(interp, a), axis)
    index.require_writable(interp.stage, value)
    arrays.assign(interp.stage, value, sorted_along(interp, value, place)[0])


@handles(np.partition)
def partition(interp: Interp, a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> RArray:
    """A sorted copy: NumPy leaves the order of the two sides open."""
    check_kth(interp, a, kth, axis)
    return sort(interp, a, axis)


@method("partition")
def partition_in_place(interp: Interp, a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> None:
    check_kth(interp, a, kth, axis)
    sort_in_place(interp, a, axis, order=order)


def check_kth(interp: Interp, a: Any, kth: Any, axis: Any) -> None:
    """Raise ValueError unless every position of a partition is one of the axis."""
    value = array(interp, a)
    n = arrays.size(value.shape) if axis is None else value.shape[axis_of(interp, axis, value.rank)]
    many = interp.resolve(kth)
    positions: Sequence[Any] = cast("Sequence[Any]", many) if isinstance(many, (list, tuple)) else [many]
    for k in positions:
        if isinstance(k, RArray):
            raise interp.stage.refuse(
                "an array of positions of a partition", "pass the positions as a list of integers"
            )
        place = integer_expr(interp, k)
        bad = build.op("or", build.lt(place, build.neg(n)), build.ge(place, n))
        interp.stage.fail_if(bad, "ValueError", "kth(={}) out of bounds ({})", (place, n))


# -- medians and quantiles -------------------------------------------------------------------------------------


def _gathered(interp: Interp, a: Any, axis: Any) -> tuple[RArray, tuple[int, ...]]:
    """The array with the reduced axes merged into one last axis, and the axes."""
    value = array(interp, a)
    axes = axes_of(interp, axis, value.rank)
    rest = [k for k in range(value.rank) if k not in axes]
    moved = permute(interp.stage, arrays.stored(interp.stage, value), [*rest, *sorted(axes)])
    merged = arrays.size([value.shape[k] for k in sorted(axes)])
    if len(axes) != 1:
        moved = arrays.reshape(interp.stage, moved, (*moved.shape[: len(rest)], merged))
    return moved, axes


def _keep(interp: Interp, result: RArray, axes: Sequence[int], keepdims: Any, leading: int = 0) -> Any:
    if keepdims:
        for k in sorted(axes):
            result = insert_axis(interp.stage, result, k + leading)
    return element0(interp.stage, result) if result.rank == 0 else result


def _refuse_empty(stage: Stage, n: Expr) -> None:
    message = "the median or a quantile of an empty array (NaN in NumPy) is not supported"
    if constant(n) == 0:
        raise stage.refuse(message, "test the size first")
    if not stage.less(ZERO, n):
        stage.refuse_if(stage.let(build.le(n, ZERO)), message)


@handles(np.median)
def median(
    interp: Interp, a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False, keepdims: Any = False
) -> Any:
    """The mean of the middle elements; NaN if there is a NaN or no element."""
    stage = interp.stage
    value, axes = _gathered(interp, a, axis)
    dtype = value.dtype if value.dtype.is_inexact else F64
    ordered, _ = sorted_along(interp, value, value.rank - 1)
    n = value.shape[-1]
    _refuse_empty(stage, n)
    low = stage.let(build.op("floordiv", isub(n, ONE), Const(2, I64)), "low")
    high = stage.let(build.op("floordiv", n, Const(2, I64)), "high")
    calc = F64 if dtype is F32 else dtype
    half = build.const(0.5, calc)

    def at(i: Sequence[Expr]) -> Expr:
        p, q, last = (stage.let(build.cast(arrays.element(ordered, [*i, k]), calc)) for k in (low, high, isub(n, ONE)))
        middle = build.select(build.eq(low, high), p, build.mul(build.add(p, q), half))
        return build.cast(build.select(build.op("isnan", last), last, middle), dtype)

    result = arrays.lazy(stage, dtype, value.shape[:-1], at, [ordered])
    return written(interp, _keep(interp, result, axes, keepdims), out, "median")


_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")
_DISCRETE = ("lower", "higher", "nearest")
"""The result is one of the elements: integers stay integers, and the type of q doesn't matter."""


def _quantiles(
    interp: Interp, a: Any, q: Any, scale: float, axis: Any, out: Any, method_: Any, keepdims: Any, message: str,
    skip_nan: bool = False,
) -> Any:  # fmt: skip
    """Quantiles of each group, NaN if it has a NaN; with `skip_nan` of what is not NaN (NaN of nothing)."""
    stage = interp.stage
    if method_ not in _METHODS:
        raise stage.refuse(f"quantiles with method={method_!r}", f"use one of {', '.join(_METHODS)}")
    value, axes = _gathered(interp, a, axis)
    where = numbers(interp, q)
    dtype = value.dtype
    if method_ not in _DISCRETE:
        dtype = numeric.result_type([value if dtype.is_inexact else np.float64(0), where])
    ordered, _ = sorted_along(interp, value, value.rank - 1)
    n = value.shape[-1]
    _refuse_empty(stage, n)
    fractions = arrays.stored(stage, array(interp, where) if isinstance(where, RArray) else _as_vector(interp, where))
    bad = stage.cell(BOOL, "outside", init=build.const(False, BOOL))

    def check(i: tuple[Expr, ...]) -> None:
        from .common import add_to_cell

        f = stage.let(build.div(build.cast(arrays.element(fractions, i), F64), build.const(scale, F64)))
        inside = build.and_(build.ge(f, build.const(0.0, F64)), build.le(f, build.const(1.0, F64)))
        add_to_cell(stage, bad, build.not_(inside), "max")

    arrays.nest(stage, fractions.shape, check)
    stage.fail_if(stage.load_cell(bad, "outside"), "ValueError", message)
    k = fractions.rank
    valid = _valid_counts(stage, ordered) if skip_nan else None

    def at(i: Sequence[Expr]) -> Expr:
        f = build.div(build.cast(arrays.element(fractions, i[:k]), F64), build.const(scale, F64))
        read: Scalarwise = lambda p: arrays.element(ordered, [*i[k:], p])  # noqa: E731
        if valid is None:
            return _quantile(stage, read, n, f, method_, dtype)
        # Without any valid element the first one, a NaN, is taken.
        count = stage.let(build.max_(arrays.element(valid, i[k:]), ONE), "n")
        return _quantile(stage, read, count, f, method_, dtype)

    result = arrays.lazy(stage, dtype, (*fractions.shape, *value.shape[:-1]), at, [ordered, fractions], cost=8)
    if not isinstance(where, RArray):
        result = fix(stage, result, 0, ZERO)
    return written(interp, _keep(interp, result, axes, keepdims, result.rank - value.rank + 1), out, "quantile")


def _valid_counts(stage: Stage, ordered: RArray) -> RArray:
    """How many elements of each sorted group are not NaN."""
    counts = stage.alloc(I64, ordered.shape[:-1], "valid", zero=True)

    def count(i: tuple[Expr, ...]) -> None:
        there = build.not_(build.op("isnan", arrays.element(ordered, i)))
        add_to(stage, counts, i[:-1], build.cast(there, I64))

    arrays.nest(stage, ordered.shape, count)
    return counts


def _as_vector(interp: Interp, value: Any) -> RArray:
    expr = interp.stage.let(numeric.as_scalar(value).expr)
    return arrays.lazy(interp.stage, expr.dtype, (ONE,), lambda i: expr, [], cost=0)


def _quantile(stage: Stage, read: Callable[[Expr], Expr], n: Expr, f: Expr, method_: str, dtype: DType) -> Expr:
    """NumPy's interpolation between neighbours, from the nearer end."""
    last = isub(n, ONE)
    virtual = stage.let(build.mul(f, build.cast(last, F64)), "virtual")
    down = stage.let(build.op("floor", virtual))
    low = stage.let(build.max_(build.min_(build.cast(down, I64), last), ZERO), "low")
    high = stage.let(build.min_(build.cast(build.op("ceil", virtual), I64), last), "high")
    top = stage.let(read(last))
    match method_:
        case "lower":
            result = read(low)
        case "higher":
            result = read(high)
        case "nearest":
            result = read(stage.let(build.max_(build.min_(build.cast(build.op("rint", virtual), I64), last), ZERO)))
        case _:
            a, b = stage.let(read(low)), stage.let(read(high))
            if not a.dtype.is_inexact:
                a, b = build.cast(a, dtype), build.cast(b, dtype)
            t = build.cast(build.sub(virtual, down), dtype)
            if method_ == "midpoint":
                whole = build.eq(low, high)
                t = build.select(whole, build.zero(dtype), build.const(0.5, dtype))
            t = stage.let(t)
            gap = build.cast(stage.let(build.sub(b, a)), dtype)  # of two elements, in their own type
            a, b = build.cast(a, dtype), build.cast(b, dtype)
            one, half = build.one(dtype), build.const(0.5, dtype)
            near, far = build.add(a, build.mul(gap, t)), build.sub(b, build.mul(gap, build.sub(one, t)))
            result = build.select(build.ge(t, half), far, near)
    return build.select(build.op("isnan", top), build.cast(top, dtype), result) if top.dtype.is_inexact else result


@handles(np.quantile)
def quantile(
    interp: Interp, a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False,
    method: Any = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    only_default(interp, "quantile", weights=(weights, None))
    return _quantiles(interp, a, q, 1.0, axis, out, method, keepdims, "Quantiles must be in the range [0, 1]")


@handles(np.percentile)
def percentile(
    interp: Interp, a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False,
    method: Any = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    only_default(interp, "percentile", weights=(weights, None))
    return _quantiles(interp, a, q, 100.0, axis, out, method, keepdims, "Percentiles must be in the range [0, 100]")


@handles(np.nanquantile)
def nanquantile(
    interp: Interp, a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False,
    method: Any = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    only_default(interp, "nanquantile", weights=(weights, None))
    keep = bool(keepdims) if given(keepdims) else False
    return _quantiles(interp, a, q, 1.0, axis, out, method, keep, "Quantiles must be in the range [0, 1]", True)


@handles(np.nanpercentile)
def nanpercentile(
    interp: Interp, a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False,
    method: Any = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    only_default(interp, "nanpercentile", weights=(weights, None))
    keep = bool(keepdims) if given(keepdims) else False
    return _quantiles(interp, a, q, 100.0, axis, out, method, keep, "Percentiles must be in the range [0, 100]", True)


@handles(np.nanmedian)
def nanmedian(
    interp: Interp, a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False, keepdims: Any = False
) -> Any:
    return nanquantile(interp, a, 0.5, axis, out, keepdims=keepdims)
