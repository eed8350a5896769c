"""Choosing elements: where, select, take, nonzero, clip, comparisons of whole arrays, cleaning of NaNs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Expr
from wengert.ir.types import BOOL, I64, DType

from .. import arrays, index, masks, numeric
from ..registry import handles, method
from ..stage import Stage
from ..values import RArray, RScalar
from .common import (
    NO_VALUE,
    add_to_cell,
    array,
    axis_of,
    cast,
    flat,
    given,
    numbers,
    only_default,
    several,
    store,
    type_error,
    when,
)
from .reduce import all_, written
from .ufuncs import apply, native, plain_number

if TYPE_CHECKING:
    from ..interp import Interp


# -- where -----------------------------------------------------------------------------------------------------


@handles(np.where)
def where(interp: Interp, condition: Any, x: Any = NO_VALUE, y: Any = NO_VALUE, /) -> Any:
    """np.where: with three arguments an elementwise choice, with one the positions that hold."""
    if not given(x) or not given(y):
        if given(x) or given(y):
            raise ValueError("either both or neither of x and y should be given")
        return nonzero(interp, condition)
    operands = [numbers(interp, v) for v in (condition, x, y)]
    dtype = numeric.result_type(operands[1:])
    result = apply(interp.stage, lambda s, a: chosen(s, numeric.truth(a[0]), a[1], a[2], dtype), dtype, operands)
    return result if isinstance(result, RArray) else array(interp, result)


def chosen(stage: Stage, cond: Expr, then: Expr, orelse: Expr, dtype: DType) -> Expr:
    return build.select(stage.let(cond), build.cast(then, dtype), build.cast(orelse, dtype))


@handles(np.select)
def select(interp: Interp, condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    conditions, choices = interp.static_iterable(condlist), interp.static_iterable(choicelist)
    if len(conditions) != len(choices):
        raise ValueError("list of cases must be same length as list of conditions")
    if not conditions:
        raise ValueError("select with an empty condition list is not possible")
    result: Any = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        mask = numbers(interp, condition)
        if isinstance(mask, RArray) and mask.dtype is not BOOL:
            type_error("invalid entry in condlist: should be boolean ndarray")
        result = where(interp, mask, choice, result)
    return result


@handles(np.piecewise)
def piecewise(interp: Interp, x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """np.piecewise: every function is applied to the whole of x; the conditions choose."""
    stage = interp.stage
    value = arrays.stored(stage, array(interp, x))
    conditions = several(condlist)
    functions = interp.static_iterable(funclist)
    default: Any = build.zero(value.dtype)
    if len(functions) == len(conditions) + 1:
        *functions, otherwise = functions
        default = interp.call(otherwise, [value, *args], kw) if not numeric.is_number(otherwise) else otherwise
    elif len(functions) != len(conditions):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions "
            "are expected"
        )
    else:
        default = RScalar(default, False)
    result = default
    for condition, f in zip(conditions, functions, strict=True):
        branch = f if numeric.is_number(f) else interp.call(f, [value, *args], kw)
        result = where(interp, condition, branch, result)
    return cast(stage, array(interp, result), value.dtype)


# -- positions -------------------------------------------------------------------------------------------------


@handles(np.nonzero)
@method("nonzero")
def nonzero(interp: Interp, a: Any) -> tuple[RArray, ...]:
    value = array(interp, a)
    if value.rank == 0:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.")
    return tuple(masks.nonzero(interp.stage, value))


@handles(np.flatnonzero)
def flatnonzero(interp: Interp, a: Any) -> RArray:
    return nonzero(interp, flat(interp.stage, array(interp, a)))[0]


@handles(np.argwhere)
def argwhere(interp: Interp, a: Any) -> RArray:
    from .join import stack

    return stack(interp, list(nonzero(interp, a)), axis=1)


@handles(np.compress)
def compress(interp: Interp, condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    value = array(interp, a)
    if axis is None:
        value, axis = flat(interp.stage, value), 0
    place = axis_of(interp, axis, value.rank)
    chosen_ = flatnonzero(interp, condition)
    return written(interp, take(interp, value, chosen_, place), out, "compress")


@method("compress")
def compress_method(interp: Interp, a: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    return compress(interp, condition, a, axis, out)


@handles(np.extract)
def extract(interp: Interp, condition: Any, arr: Any) -> Any:
    mask = flat(interp.stage, array(interp, condition))
    return take(interp, flat(interp.stage, array(interp, arr)), flatnonzero(interp, mask), 0)


# -- take ------------------------------------------------------------------------------------------------------


@handles(np.take)
@method("take")
def take(interp: Interp, a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
    value = array(interp, a)
    if axis is None:
        value, axis = flat(interp.stage, value), 0
    place = axis_of(interp, axis, value.rank)
    key = numbers(interp, indices)
    if mode in ("clip", "wrap"):
        key = _within(interp, key, value.shape[place], mode)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    picked = index.getitem(interp.stage, value, (*[slice(None)] * place, key))
    return written(interp, picked, out, "take")


def _within(interp: Interp, key: Any, n: Expr, mode: str) -> Any:
    """Indices brought into range."""
    stage = interp.stage

    def fn(s: Stage, a: list[Expr]) -> Expr:
        i = build.cast(a[0], I64)
        if mode == "wrap":
            return build.op("mod", i, build.max_(n, ONE))
        return build.max_(build.min_(i, build.sub(n, ONE)), ZERO)

    return apply(stage, fn, I64, [key])


@handles(np.take_along_axis)
def take_along_axis(interp: Interp, arr: Any, indices: Any, axis: Any = -1) -> RArray:
    stage = interp.stage
    value, picks = (arrays.stored(stage, array(interp, v)) for v in (arr, indices))
    if axis is None:
        value, axis = flat(stage, value), 0
    if value.rank != picks.rank:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    place = axis_of(interp, axis, value.rank)
    full = _along(stage, value, picks, place)
    n = value.shape[place]
    checked = index.checked_indices(stage, picks, n, place)
    wide_picks = arrays.broadcast(stage, checked, full)
    wide = arrays.broadcast(stage, value, (*full[:place], n, *full[place + 1 :]))
    return arrays.lazy(
        stage, value.dtype, full,
        lambda i: arrays.element(wide, [*i[:place], build.cast(arrays.element(wide_picks, i), I64), *i[place + 1 :]]),
        [value, picks],
    )  # fmt: skip


def _along(stage: Stage, value: RArray, picks: RArray, place: int) -> tuple[Expr, ...]:
    """The shape that the indices of an axis select: broadcast with the array along the others."""
    others = [(*v.shape[:place], ONE, *v.shape[place + 1 :]) for v in (value, picks)]
    shape = index.broadcast_indices(stage, others)
    return (*shape[:place], picks.shape[place], *shape[place + 1 :])


@handles(np.put_along_axis)
def put_along_axis(interp: Interp, arr: Any, indices: Any, values: Any, axis: Any) -> None:
    stage = interp.stage
    value = interp.resolve(arr)
    if not isinstance(value, RArray) or axis is None:
        raise stage.refuse("put_along_axis needs an array and an axis", "assign through an index array")
    place = axis_of(interp, axis, value.rank)
    picks = arrays.stored(stage, array(interp, indices))
    if value.rank != picks.rank:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    shape = _along(stage, value, picks, place)
    if arrays.overlaps(stage, value, picks):
        picks = arrays.copy(stage, picks)
    content = numbers(interp, values)
    content = (
        arrays.copy(stage, content) if isinstance(content, RArray) else RScalar(numeric.as_scalar(content).expr, False)
    )
    index.require_writable(stage, value)
    checked = index.checked_indices(stage, picks, value.shape[place], place)
    if isinstance(content, RArray):
        arrays.require_fits(stage, content.shape, shape, index.MISMATCH)
    wide = arrays.broadcast(stage, content, shape) if isinstance(content, RArray) else content
    wide_picks = arrays.broadcast(stage, checked, shape)
    assert value.root is not None
    arrays.before_store(stage, value.root)

    def body(i: tuple[Expr, ...]) -> None:
        at = [*i[:place], build.cast(arrays.element(wide_picks, i), I64), *i[place + 1 :]]
        store(stage, value, at, arrays.element(wide, i) if isinstance(wide, RArray) else wide.expr)

    from .common import loops

    loops(stage, shape, body)


# -- bounds ----------------------------------------------------------------------------------------------------


@handles(np.clip)
def clip(
    interp: Interp, a: Any, a_min: Any = NO_VALUE, a_max: Any = NO_VALUE, out: Any = None, *,
    min: Any = NO_VALUE, max: Any = NO_VALUE, dtype: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """np.clip: minimum(maximum(a, low), high); a bound that is None is left out."""
    low = a_min if given(a_min) else min
    high = a_max if given(a_max) else max
    bounds = [b if given(b) else None for b in (low, high)]
    only_default(interp, "clip", dtype=(dtype, None), where=(where, True))
    if all(b is None or plain_number(b) for b in bounds) and plain_number(a):
        return native(interp, np.clip, [a, *bounds])
    value = numbers(interp, a)
    bounds = _effective_bounds(value, bounds)
    operands = [value, *(numbers(interp, b) for b in bounds if b is not None)]
    kind = numeric.result_type(operands)

    def fn(stage: Stage, e: list[Expr]) -> Expr:
        parts = [build.cast(x, kind) for x in e]
        x, rest = parts[0], parts[1:]
        if bounds[0] is not None:
            x = numeric.UFUNCS[np.maximum](stage, [stage.let(x), rest.pop(0)])
        if bounds[1] is not None:
            x = numeric.UFUNCS[np.minimum](stage, [stage.let(x), rest[0]])
        return x

    return written(interp, apply(interp.stage, fn, kind, operands), out, "clip", exact=False)


def _effective_bounds(value: Any, bounds: Sequence[Any]) -> list[Any]:
    """The bounds without Python integers that no element can pass; OverflowError for others the dtype cannot hold."""
    if not isinstance(value, RArray) or not value.dtype.is_integer:
        return list(bounds)
    info = np.iinfo(value.dtype.numpy)
    low, high = bounds
    low = None if type(low) is int and low <= info.min else low
    high = None if type(high) is int and high >= info.max else high
    for b in (low, high):
        if type(b) is int and not info.min <= b <= info.max:
            raise OverflowError(f"Python integer {b} out of bounds for {value.dtype.numpy.name}")
    return [low, high]


@method("clip")
def clip_method(interp: Interp, a: Any, min: Any = None, max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    return clip(interp, a, min, max, out, **kwargs)


# -- closeness -------------------------------------------------------------------------------------------------


@handles(np.isclose)
def isclose(interp: Interp, a: Any, b: Any, rtol: Any = 1.0e-5, atol: Any = 1.0e-8, equal_nan: Any = False) -> Any:
    operands = [numbers(interp, v) for v in (a, b, rtol, atol)]
    kind = numeric.result_type([*operands, 1.0])

    def fn(stage: Stage, e: list[Expr]) -> Expr:
        x, y = (stage.let(build.cast(v, kind)) for v in e[:2])
        rel, absolute = (build.cast(v, kind.real) for v in e[2:])
        gap = build.op("abs", build.sub(x, y))
        near = build.le(gap, build.add(absolute, build.mul(rel, build.op("abs", y))))
        result = build.or_(build.and_(near, build.op("isfinite", y)), build.eq(x, y))
        if equal_nan:
            result = build.or_(result, build.and_(build.op("isnan", x), build.op("isnan", y)))
        return result

    return apply(interp.stage, fn, BOOL, operands)


@handles(np.allclose)
def allclose(interp: Interp, a: Any, b: Any, rtol: Any = 1.0e-5, atol: Any = 1.0e-8, equal_nan: Any = False) -> Any:
    close = isclose(interp, a, b, rtol, atol, equal_nan)
    return _python(interp, all_(interp, close))


def _python(interp: Interp, value: RScalar) -> RScalar:
    return RScalar(value.expr, True)


@handles(np.array_equal)
def array_equal(interp: Interp, a1: Any, a2: Any, equal_nan: Any = False) -> Any:
    stage = interp.stage
    x, y = array(interp, a1), array(interp, a2)
    if x.rank != y.rank:
        return False
    same: Expr = build.const(True, BOOL)
    for p, q in zip(x.shape, y.shape, strict=True):
        if not stage.same(p, q):
            if constant(p) is not None and constant(q) is not None:
                return False
            same = build.and_(same, build.eq(p, q))
    kind = numeric.result_type([x, y])
    x, y = (arrays.stored(stage, v) for v in (x, y))
    result = stage.cell(BOOL, "equal", init=same)

    def compare(i: tuple[Expr, ...]) -> None:
        p, q = (stage.let(build.cast(arrays.element(v, i), kind)) for v in (x, y))
        equal = build.eq(p, q)
        if equal_nan and kind.is_inexact:
            equal = build.or_(equal, build.and_(build.op("isnan", p), build.op("isnan", q)))
        add_to_cell(stage, result, equal, "min")

    when(stage, stage.let(same), lambda: arrays.nest(stage, x.shape, compare))
    return RScalar(stage.load_cell(result, "equal"), True)


@handles(np.nan_to_num)
def nan_to_num(interp: Interp, x: Any, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    value = numbers(interp, x)
    dtype = value.dtype if isinstance(value, RArray) else numeric.as_scalar(value).dtype
    if not dtype.is_inexact:
        return value if isinstance(value, RScalar) else arrays.copy(interp.stage, array(interp, value))
    if dtype.is_complex or copy is not True:
        raise interp.stage.refuse("nan_to_num of complex numbers or in place", "use np.where with np.isnan")
    info = np.finfo(dtype.numpy)
    fills = [
        interp.stage.let(build.cast(numeric.as_scalar(numbers(interp, f)).expr, dtype))
        for f in (nan, info.max if posinf is None else posinf, info.min if neginf is None else neginf)
    ]

    def fn(stage: Stage, e: list[Expr]) -> Expr:
        v = stage.let(e[0])
        infinite = build.select(build.gt(v, build.zero(dtype)), fills[1], fills[2])
        return build.select(build.op("isnan", v), fills[0], build.select(build.op("isinf", v), infinite, v))

    return apply(interp.stage, fn, dtype, [value])


def _signed_infinity(positive: bool) -> Callable[..., Any]:
    def handler(interp: Interp, x: Any, out: Any = None) -> Any:
        def fn(stage: Stage, e: list[Expr]) -> Expr:
            if not e[0].dtype.is_float:
                return build.const(False, BOOL)
            v = stage.let(e[0])
            side = (build.gt if positive else build.lt)(v, build.zero(v.dtype))
            return build.and_(build.op("isinf", v), side)

        return written(interp, apply(interp.stage, fn, BOOL, [numbers(interp, x)]), out, "isposinf", exact=False)

    return handler


handles(np.isposinf)(_signed_infinity(True))
handles(np.isneginf)(_signed_infinity(False))
