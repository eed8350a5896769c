"""Running sums and products, differences, the trapezoidal rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr
from wengert.ir.types import BOOL, F64, I64, DType

from .. import arrays, numeric
from ..registry import handles, method
from ..stage import Stage
from ..values import RArray
from .common import (
    NO_VALUE,
    Scalarwise,
    add_to_cell,
    array,
    axes_of,
    axis_of,
    cast,
    consume,
    flat,
    given,
    hint_of,
    insert_axis,
    loop,
    numbers,
    part,
    peek,
    require_equal,
    static_integer,
    store,
    type_error,
)
from .reduce import Combine, accumulator_dtype, sum_, written

if TYPE_CHECKING:
    from ..interp import Interp


def scan(interp: Interp, a: RArray, axis: int, dtype: DType, combine: Combine | None, hint: str = "scan") -> RArray:
    """Running combinations along an axis (sums if `combine` is None), starting at the first element."""
    stage = interp.stage
    target = stage.alloc(dtype, a.shape, hint_of(interp, hint))
    consume(stage, a)
    outer = [e for k, e in enumerate(a.shape) if k != axis]

    def line(at: tuple[Expr, ...]) -> None:
        full: Callable[[Expr], list[Expr]] = lambda i: [*at[:axis], i, *at[axis:]]  # noqa: E731
        start = build.zero(dtype) if combine is None else None
        cell = stage.cell(dtype, "acc", init=start)

        def step(i: Expr) -> None:
            value = build.cast(arrays.element(a, full(i)), dtype)
            if combine is None:
                add_to_cell(stage, cell, value)
            else:
                stage.store_cell(cell, stage.let(combine(stage.load_cell(cell, "acc"), value)))
            store(stage, target, full(i), peek(cell))

        if combine is None:
            loop(stage, ZERO, a.shape[axis], step)
            return

        def begin(i: Expr) -> None:
            stage.store_cell(cell, stage.let(build.cast(arrays.element(a, full(i)), dtype)))
            store(stage, target, full(i), peek(cell))

        size = a.shape[axis]
        head = ONE if stage.less(ZERO, size) else build.min_(size, ONE)
        loop(stage, ZERO, head, begin)
        loop(stage, ONE, size, step)

    arrays.nest(stage, outer, line)
    return target


def _cumulative(interp: Interp, a: Any, axis: Any, dtype: Any, out: Any, combine: Combine | None, name: str) -> Any:
    value = array(interp, a)
    if axis is None:
        value, axis = flat(interp.stage, value), 0
    place = axis_of(interp, axis, value.rank)
    kind = accumulator_dtype(interp, dtype, value.dtype)
    return written(interp, scan(interp, value, place, kind, combine, name), out, name)


@handles(np.cumsum)
@method("cumsum")
def cumsum(interp: Interp, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return _cumulative(interp, a, axis, dtype, out, None, "cumsum")


@handles(np.cumprod)
@method("cumprod")
def cumprod(interp: Interp, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return _cumulative(interp, a, axis, dtype, out, build.mul, "cumprod")


def _cumulative_with(interp: Interp, x: Any, axis: Any, dtype: Any, out: Any, include: Any, product: bool) -> Any:
    value = array(interp, x)
    if axis is None:
        if value.rank != 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    result = (cumprod if product else cumsum)(interp, value, axis, dtype, None)
    if include:
        from .join import concatenate

        place = axis_of(interp, axis, value.rank)
        shape = (*result.shape[:place], ONE, *result.shape[place + 1 :])
        first = interp.stage.alloc(result.dtype, shape, "first")
        arrays.fill(interp.stage, first, lambda i: build.const(int(product), result.dtype))
        result = concatenate(interp, [first, result], axis=place)
    return written(interp, result, out, "cumulative")


@handles(np.cumulative_sum)
def cumulative_sum(
    interp: Interp, x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: Any = False
) -> Any:
    return _cumulative_with(interp, x, axis, dtype, out, include_initial, False)


@handles(np.cumulative_prod)
def cumulative_prod(
    interp: Interp, x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: Any = False
) -> Any:
    return _cumulative_with(interp, x, axis, dtype, out, include_initial, True)


# -- differences -----------------------------------------------------------------------------------------------


def shorter(interp: Interp, extent: Expr, by: int) -> Expr:
    """max(extent - by, 0)."""
    left = isub(extent, Const(by, I64))
    if interp.stage.nonnegative(left):
        return left
    known = constant(left)
    return Const(max(known, 0), I64) if known is not None else interp.stage.extent(build.max_(left, ZERO))


def neighbours(interp: Interp, a: RArray, axis: int) -> tuple[RArray, RArray]:
    """The views a[1:] and a[:-1] along an axis of a stored array."""
    n = shorter(interp, a.shape[axis], 1)
    return part(interp.stage, a, axis, ONE, n), part(interp.stage, a, axis, ZERO, n)


@handles(np.diff)
def diff(interp: Interp, a: Any, n: Any = 1, axis: Any = -1, prepend: Any = NO_VALUE, append: Any = NO_VALUE) -> Any:
    times = static_integer(interp, n, "the order of differences")
    if times < 0:
        raise ValueError(f"order must be non-negative but got {times}")
    value: Any = array(interp, a)
    if value.rank == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    place = axis_of(interp, axis, value.rank)
    if given(prepend) or given(append):
        value = _extended(interp, value, place, prepend, append)
    function = np.not_equal if value.dtype is BOOL else np.subtract
    for _ in range(times):
        value = arrays.stored(interp.stage, value, "diff")
        value = numeric.ufunc(interp.stage, function, *neighbours(interp, value, place))
    return value


def _extended(interp: Interp, value: RArray, axis: int, prepend: Any, append: Any) -> RArray:
    from .join import concatenate

    value = arrays.stored(interp.stage, value)
    pieces: list[RArray] = []
    for piece in (prepend, value, append):
        if not given(piece):
            continue
        p = array(interp, piece)
        if p.rank == 0:
            shape = (*value.shape[:axis], ONE, *value.shape[axis + 1 :])
            p = arrays.broadcast(interp.stage, p, shape)
        pieces.append(p)
    return concatenate(interp, pieces, axis=axis)


@handles(np.ediff1d)
def ediff1d(interp: Interp, ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    value = diff(interp, flat(interp.stage, array(interp, ary)))
    if to_end is None and to_begin is None:
        return value
    from .join import concatenate

    ends = [None if e is None else flat(interp.stage, array(interp, e)) for e in (to_begin, to_end)]
    for e in ends:
        if e is not None and not np.can_cast(e.dtype.numpy, value.dtype.numpy, "same_kind"):
            raise interp.stage.refuse("the ends of ediff1d have another kind of dtype", "convert them first")
    pieces = [p for p in (ends[0], value, ends[1]) if p is not None]
    return concatenate(interp, pieces, axis=0, dtype=value.dtype.numpy)


@handles(np.trapezoid)
def trapezoid(interp: Interp, y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    stage = interp.stage
    value = arrays.stored(stage, array(interp, y))
    place = axis_of(interp, axis, value.rank)
    width: Any = numbers(interp, dx)
    if x is not None:
        width = diff(interp, x) if array(interp, x).rank == 1 else diff(interp, x, axis=axis)
        if isinstance(width, RArray) and width.rank == 1:
            for _ in range(value.rank - 1 - place):
                width = insert_axis(stage, width, width.rank)
    right, left = neighbours(interp, value, place)
    total = numeric.ufunc(stage, np.add, right, left)
    area = numeric.ufunc(stage, np.true_divide, numeric.ufunc(stage, np.multiply, width, total), 2.0)
    return sum_(interp, area, axis=place)


if hasattr(np, "trapz"):
    handles(vars(np)["trapz"])(trapezoid)


@handles(np.gradient)
def gradient(interp: Interp, f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    """np.gradient with uniform or given spacing: central differences inside, one-sided ones at the ends."""
    stage = interp.stage
    value = arrays.stored(stage, array(interp, f))
    if not value.dtype.is_inexact:
        value = arrays.copy(stage, value, "t", F64)
    axes = axes_of(interp, axis, value.rank)
    if len(varargs) not in (0, 1, len(axes)):
        type_error("invalid number of arguments")
    spacings: Sequence[Any] = (
        [1.0] * len(axes) if not varargs else varargs * len(axes) if len(varargs) == 1 else varargs
    )
    order = static_integer(interp, edge_order, "the edge order")
    if order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    results = [_derivative(interp, value, k, numbers(interp, h), order) for k, h in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _derivative(interp: Interp, f: RArray, axis: int, h: Any, order: int) -> RArray:
    stage = interp.stage
    n = f.shape[axis]
    least = Const(order + 1, I64)
    if not stage.nonnegative(isub(n, least)):
        message = (
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )
        if constant(n) is not None:
            raise ValueError(message)
        stage.fail_if(stage.let(build.lt(n, least)), "ValueError", message)
    target = stage.alloc(f.dtype, f.shape, hint_of(interp, "gradient"))
    at: Callable[[Sequence[Expr], Expr], Expr] = lambda i, k: arrays.element(f, [*i[:axis], k, *i[axis + 1 :]])  # noqa: E731
    if isinstance(h, RArray):
        if h.rank != 1:
            raise ValueError("distances must be either scalars or 1d")
        message = "when 1d, distances must match the length of the corresponding dimension"
        require_equal(stage, h.shape[0], n, message)
        widths = arrays.stored(stage, diff(interp, h if h.dtype.is_inexact else cast(stage, h, F64)))
        step: Scalarwise = lambda k: build.cast(arrays.element(widths, (k,)), f.dtype)  # noqa: E731
    else:
        width = stage.let(build.cast(numeric.as_scalar(h).expr, f.dtype))
        step = lambda k: width  # noqa: E731
    uniform = not isinstance(h, RArray)
    inside = part(
        stage, target, axis, ONE, isub(n, Const(2, I64)) if stage.nonnegative(isub(n, Const(2, I64))) else ZERO
    )
    arrays.fill(stage, inside, lambda i: _central(stage, lambda k: at(i, k), i[axis], step, uniform, f.dtype))
    last = isub(n, ONE)
    for place, forward in ((ZERO, True), (last, False)):
        edge = part(stage, target, axis, place, ONE)

        def value(i: Sequence[Expr], place: Expr = place, forward: bool = forward) -> Expr:
            return _edge(stage, lambda k: at(i, k), place, step, uniform, order, forward, f.dtype)

        arrays.fill(stage, edge, value)
    return target


def _central(stage: Stage, at: Scalarwise, i: Expr, step: Scalarwise, uniform: bool, dtype: DType) -> Expr:
    before, here, after = at(i), at(iadd(i, ONE)), at(iadd(i, Const(2, I64)))
    if uniform:
        return build.div(build.sub(after, before), build.mul(build.const(2, dtype), step(ZERO)))
    d1, d2 = stage.let(step(i)), stage.let(step(iadd(i, ONE)))
    total = stage.let(build.add(d1, d2))
    a = build.div(build.neg(d2), build.mul(d1, total))
    b = build.div(build.sub(d2, d1), build.mul(d1, d2))
    c = build.div(d1, build.mul(d2, total))
    return build.add(build.add(build.mul(a, before), build.mul(b, here)), build.mul(c, after))


def _edge(
    stage: Stage, at: Scalarwise, place: Expr, step: Scalarwise, uniform: bool, order: int, forward: bool, dtype: DType
) -> Expr:
    move: Callable[[int], Expr] = lambda k: iadd(place, Const(k if forward else -k, I64))  # noqa: E731
    d1 = stage.let(step(ZERO if forward else isub(place, ONE)))
    if order == 1:
        ends = (at(move(1)), at(place)) if forward else (at(place), at(move(1)))
        return build.div(build.sub(*ends), d1)
    d2 = d1 if uniform else stage.let(step(ONE if forward else isub(place, Const(2, I64))))
    sign: Scalarwise = (lambda e: e) if forward else build.neg
    total = stage.let(build.add(d1, d2))
    two = build.const(2, dtype)
    a = sign(build.div(build.neg(build.add(build.mul(two, d1), d2)), build.mul(d1, total)))
    b = sign(build.div(total, build.mul(d1, d2)))
    c = sign(build.div(build.neg(d1), build.mul(d2, total)))
    return build.add(build.add(build.mul(a, at(place)), build.mul(b, at(move(1)))), build.mul(c, at(move(2))))
