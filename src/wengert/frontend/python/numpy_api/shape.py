"""Shapes and views: moving axes, flipping, diagonals, broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr, Var
from wengert.ir.types import I64

from .. import arrays
from ..registry import handles, method
from ..values import RArray
from . import common
from .common import (
    Scalarwise,
    array,
    axes_of,
    axis_of,
    fix,
    flip,
    insert_axis,
    integer_expr,
    permute,
    python_int,
    require_equal,
    several,
    shape_of,
    static_integer,
    stored,
)
from .reshaping import flat_memory, flat_start, flat_strides, memory_of, one_number

if TYPE_CHECKING:
    from ..interp import Interp


# -- moving axes -----------------------------------------------------------------------------------------------


@handles(np.transpose, np.permute_dims)
def transpose_function(interp: Interp, a: Any, axes: Any = None) -> RArray:
    value = array(interp, a)
    if axes is None:
        return permute(interp.stage, value, range(value.rank)[::-1])
    order = [axis_of(interp, k, value.rank) for k in interp.static_iterable(axes)]
    if len(order) != value.rank:
        raise ValueError("axes don't match array")
    if len(set(order)) != len(order):
        raise ValueError("repeated axis in transpose")
    return permute(interp.stage, value, order)


@method("transpose")
def transpose(interp: Interp, a: Any, *axes: Any) -> RArray:
    if not axes or (len(axes) == 1 and axes[0] is None):
        return transpose_function(interp, a)
    return transpose_function(interp, a, axes[0] if len(axes) == 1 and not one_number(axes[0]) else axes)


@handles(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(interp: Interp, x: Any) -> RArray:
    value = array(interp, x)
    if value.rank < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {value.rank}")
    return swapaxes(interp, value, -1, -2)


@handles(np.swapaxes)
@method("swapaxes")
def swapaxes(interp: Interp, a: Any, axis1: Any, axis2: Any) -> RArray:
    value = array(interp, a)
    p, q = axis_of(interp, axis1, value.rank), axis_of(interp, axis2, value.rank)
    order = list(range(value.rank))
    order[p], order[q] = order[q], order[p]
    return permute(interp.stage, value, order)


@handles(np.moveaxis)
def moveaxis(interp: Interp, a: Any, source: Any, destination: Any) -> RArray:
    value = array(interp, a)
    places = [several(s) for s in (source, destination)]
    old, new = (axes_of(interp, tuple(p), value.rank) for p in places)
    if len(old) != len(new):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [k for k in range(value.rank) if k not in old]
    for d, s in sorted(zip(new, old, strict=True)):
        order.insert(d, s)
    return permute(interp.stage, value, order)


@handles(np.rollaxis)
def rollaxis(interp: Interp, a: Any, axis: Any, start: Any = 0) -> RArray:
    value = array(interp, a)
    place = axis_of(interp, axis, value.rank)
    to = static_integer(interp, start, "the start of rollaxis")
    if not -value.rank <= to <= value.rank:
        raise np.exceptions.AxisError(to, value.rank + 1)
    to += value.rank if to < 0 else 0
    to -= 1 if place < to else 0
    order = [k for k in range(value.rank) if k != place]
    order.insert(to, place)
    return permute(interp.stage, value, order)


@handles(np.squeeze)
@method("squeeze")
def squeeze(interp: Interp, a: Any, axis: Any = None) -> RArray:
    value = array(interp, a)
    stage = interp.stage
    if axis is None:
        known = [stage.static_int(e, "an extent that squeeze may drop") for e in value.shape]
        drop = [k for k, e in enumerate(known) if e == 1]
    else:
        drop = list(axes_of(interp, axis, value.rank))
        message = "cannot select an axis to squeeze out which has size not equal to one"
        for k in drop:
            require_equal(stage, value.shape[k], ONE, message)
    for k in sorted(drop, reverse=True):
        value = fix(stage, value, k, ZERO)
    return value


@handles(np.expand_dims)
def expand_dims(interp: Interp, a: Any, axis: Any) -> RArray:
    value = array(interp, a)
    places = several(axis)
    for k in sorted(axes_of(interp, tuple(places), value.rank + len(places))):
        value = insert_axis(interp.stage, value, k)
    return value


def _at_least(interp: Interp, arys: tuple[Any, ...], fn: Callable[[RArray], RArray]) -> Any:
    results = tuple(fn(array(interp, a)) for a in arys)
    return results[0] if len(results) == 1 else results


@handles(np.atleast_1d)
def atleast_1d(interp: Interp, *arys: Any) -> Any:
    return _at_least(interp, arys, lambda a: a if a.rank else insert_axis(interp.stage, a, 0))


def two_dimensional(interp: Interp, a: RArray) -> RArray:
    """At least two axes: new ones are added in front."""
    while a.rank < 2:
        a = insert_axis(interp.stage, a, 0)
    return a


@handles(np.atleast_2d)
def atleast_2d(interp: Interp, *arys: Any) -> Any:
    return _at_least(interp, arys, lambda a: two_dimensional(interp, a))


def three_dimensional(interp: Interp, a: RArray) -> RArray:
    """At least three axes, as np.atleast_3d."""
    a = two_dimensional(interp, a)
    return a if a.rank > 2 else insert_axis(interp.stage, a, 2)


@handles(np.atleast_3d)
def atleast_3d(interp: Interp, *arys: Any) -> Any:
    return _at_least(interp, arys, lambda a: three_dimensional(interp, a))


# -- flips and diagonals ---------------------------------------------------------------------------------------


@handles(np.flip)
def flip_(interp: Interp, m: Any, axis: Any = None) -> RArray:
    value = array(interp, m)
    for k in axes_of(interp, axis, value.rank):
        value = flip(interp.stage, value, k)
    return value


@handles(np.fliplr)
def fliplr(interp: Interp, m: Any) -> RArray:
    value = array(interp, m)
    if value.rank < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(interp.stage, value, 1)


@handles(np.flipud)
def flipud(interp: Interp, m: Any) -> RArray:
    value = array(interp, m)
    if value.rank < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(interp.stage, value, 0)


@handles(np.rot90)
def rot90(interp: Interp, m: Any, k: Any = 1, axes: Any = (0, 1)) -> RArray:
    value, stage = array(interp, m), interp.stage
    if len(tuple(axes)) != 2:
        raise ValueError("len(axes) must be 2.")
    p, q = (axis_of(interp, x, value.rank) for x in axes)
    if p == q:
        raise ValueError("Axes must be different.")
    turns = static_integer(interp, k, "the number of turns") % 4
    if turns == 0:
        return value
    if turns == 2:
        return flip(stage, flip(stage, value, p), q)
    order = list(range(value.rank))
    order[p], order[q] = order[q], order[p]
    if turns == 1:
        return permute(stage, flip(stage, value, q), order)
    return flip(stage, permute(stage, value, order), q)


@handles(np.diagonal)
@method("diagonal")
def diagonal(interp: Interp, a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> RArray:
    """The diagonal as the last axis: a view of memory that is contiguous, or stands for one."""
    stage = interp.stage
    value = array(interp, a)
    if value.rank < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    p, q = axis_of(interp, axis1, value.rank), axis_of(interp, axis2, value.rank)
    if p == q:
        raise ValueError("axis1 and axis2 cannot be the same")
    value = permute(stage, value, [*(k for k in range(value.rank) if k not in (p, q)), p, q])
    shift = integer_expr(interp, offset)
    down, right, length = diagonal_of(interp, value.shape[-2], value.shape[-1], shift)
    memory = memory_of(interp, value)
    if memory is not None:
        strides = flat_strides(value, memory)
        start = iadd(flat_start(value, memory), iadd(imul(down, strides[-2]), imul(right, strides[-1])))
        axes = tuple((None, ZERO) if value.axes[k][0] is None else (0, strides[k]) for k in range(value.rank - 2))
        step = iadd(strides[-2], strides[-1])
        shape = (*value.shape[:-2], length)
        flat = flat_memory(interp, value, memory)
        return replace(value, shape=shape, storage=flat, start=(start,), axes=(*axes, (0, step)), readonly=True)
    found = arrays.lazy(
        stage, value.dtype, (*value.shape[:-2], length),
        lambda i: arrays.element(value, [*i[:-1], iadd(down, i[-1]), iadd(right, i[-1])]), [value], cost=0,
    )  # fmt: skip
    return found if value.lazy is not None else arrays.stand_in(stage, found, value.root, "a diagonal")


def diagonal_of(interp: Interp, rows: Expr, columns: Expr, offset: Expr) -> tuple[Expr, Expr, Expr]:
    """Row and column of the first element of a diagonal, and its length."""
    stage = interp.stage
    known = constant(offset)
    if known is None:
        down, right = stage.let(build.max_(build.neg(offset), ZERO)), stage.let(build.max_(offset, ZERO))
    else:
        down, right = Const(max(-known, 0), I64), Const(max(known, 0), I64)
    return down, right, smaller(interp, isub(rows, down), isub(columns, right))


def smaller(interp: Interp, a: Expr, b: Expr) -> Expr:
    """max(min(a, b), 0) as an extent."""
    stage = interp.stage
    if stage.same(a, b) or stage.facts.nonnegative(isub(b, a)):
        least = a
    elif stage.facts.nonnegative(isub(a, b)):
        least = b
    else:
        least = build.min_(a, b)
        p, q = constant(a), constant(b)
        if p is not None and q is not None:
            least = Const(min(p, q), I64)
    known = constant(least)
    if known is not None:
        return Const(max(known, 0), I64)
    if stage.facts.nonnegative(least):
        return least
    named = stage.let(build.max_(least, ZERO), "n")
    if isinstance(named, Var):
        stage.facts.assume(named, 0)
    return named


@handles(np.fill_diagonal)
def fill_diagonal(interp: Interp, a: Any, val: Any, wrap: Any = False) -> None:
    from .. import index, numeric

    stage = interp.stage
    value = interp.resolve(a)
    if not isinstance(value, RArray) or value.rank != 2 or wrap:
        raise stage.refuse("fill_diagonal works on matrices without wrap here", "write a loop over the diagonal")
    index.require_writable(stage, value)
    assert value.root is not None
    content = common.numbers(interp, val)
    length = smaller(interp, *value.shape)
    if isinstance(content, RArray):
        size = stage.extent(arrays.size(content.shape))
        flat = arrays.reshape(stage, arrays.copy(stage, content), (size,))
        fits = stage.nonnegative(isub(size, length))
        element: Scalarwise = lambda i: arrays.element(flat, (i if fits else build.op("mod", i, size),))  # noqa: E731
    else:
        expr = stage.let(build.cast(numeric.as_scalar(content).expr, value.dtype))
        element = lambda i: expr  # noqa: E731
    arrays.before_store(stage, value.root)
    common.loop(stage, ZERO, length, lambda i: common.store(stage, value, (i, i), element(i)), "i", parallel=True)


# -- broadcasting ----------------------------------------------------------------------------------------------


@handles(np.broadcast_to)
def broadcast_to(interp: Interp, array: Any, shape: Any, subok: Any = False) -> RArray:
    value = stored(interp, array)
    target = shape_of(interp, shape)
    if value.rank > len(target):
        raise ValueError("input operand has more dimensions than allowed by the axis remapping")
    for have, want in zip(reversed(value.shape), reversed(target), strict=False):
        if constant(have) != 1:
            require_equal(interp.stage, have, want, "operands could not be broadcast together: extents {} and {}")
    return replace(arrays.broadcast(interp.stage, value, target), readonly=True)


@handles(np.broadcast_arrays)
def broadcast_arrays(interp: Interp, *args: Any, subok: Any = False) -> tuple[RArray, ...]:
    values = [stored(interp, a) for a in args]
    shape = arrays.broadcast_shapes(interp.stage, [v.shape for v in values])
    return tuple(arrays.broadcast(interp.stage, v, shape) for v in values)


@handles(np.broadcast_shapes)
def broadcast_shapes(interp: Interp, *args: Any) -> tuple[Any, ...]:
    shapes = [shape_of(interp, s) for s in args]
    return tuple(python_int(e) for e in arrays.broadcast_shapes(interp.stage, shapes))


# -- sizes -----------------------------------------------------------------------------------------------------


@handles(np.ndim)
def ndim(interp: Interp, a: Any) -> int:
    return array(interp, a).rank


@handles(np.shape)
def shape(interp: Interp, a: Any) -> tuple[Any, ...]:
    return tuple(python_int(e) for e in array(interp, a).shape)


@handles(np.size)
def size(interp: Interp, a: Any, axis: Any = None) -> Any:
    value = array(interp, a)
    axes = axes_of(interp, axis, value.rank)
    return python_int(arrays.size([value.shape[k] for k in axes]))
