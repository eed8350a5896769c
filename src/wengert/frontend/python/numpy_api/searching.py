"""Searching in sorted data: searchsorted, digitize, interp."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import iadd, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr, Loop, Var
from wengert.ir.types import BOOL, F64, I64, DType

from .. import arrays, index, numeric
from ..registry import handles, method
from ..stage import Stage
from ..values import RArray
from .common import (
    add_to_cell,
    array,
    consume,
    flip,
    hint_of,
    number_dtype,
    numbers,
    only_default,
    peek,
    require_equal,
    require_nonempty,
    scalar,
    store,
    stored,
    type_error,
    when,
)
from .scans import neighbours

if TYPE_CHECKING:
    from ..interp import Interp


# -- searching -------------------------------------------------------------------------------------------------


def search(
    stage: Stage, read: Callable[[Expr], Expr], n: Expr, before: Callable[[Expr], Expr], hint: str = "place"
) -> Expr:
    """The number of leading elements for which `before` holds (it must hold for a prefix): binary search."""
    low, high = stage.cell(I64, "low", init=ZERO), stage.cell(I64, "high", init=n)
    with stage.block() as body:
        lo, hi = stage.load_cell(low, "low"), stage.load_cell(high, "high")
        middle = stage.let(build.op("floordiv", build.add(lo, hi), Const(2, I64)), "middle")
        go_right = stage.let(before(stage.let(read(middle))))
        when(
            stage, go_right,
            lambda: stage.store_cell(low, build.add(middle, ONE)), lambda: stage.store_cell(high, middle),
        )  # fmt: skip
    cond = build.lt(peek(low), peek(high))
    stage.emit(Loop(stage.fresh("turn"), ZERO, None, tuple(body), cond=cond, span=stage.span))
    found = stage.load_cell(low, hint)
    assert isinstance(found, Var)
    stage.facts.assume(found, 0, n)
    return found


def precedes(x: Expr, key: Expr) -> Expr:
    """x < key in sorting order: NaN comes last."""
    less = build.lt(x, key)
    if not x.dtype.is_float:
        return less
    return build.or_(less, build.and_(build.op("isnan", key), build.not_(build.op("isnan", x))))


@handles(np.searchsorted)
def searchsorted(interp: Interp, a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    stage = interp.stage
    if side not in ("left", "right"):
        raise ValueError(f"search side must be 'left' or 'right' (got {side!r})")
    if sorter is not None:
        a = index.getitem(stage, array(interp, a), array(interp, sorter))
    data = stored(interp, a)
    if data.rank != 1:
        raise ValueError("object too deep for desired array")
    keys = numbers(interp, v)
    kind = DType.of(np.promote_types(data.dtype.numpy, number_dtype(keys).numpy))
    if kind.is_complex:
        raise stage.refuse("searchsorted of complex numbers is not supported", "search among real numbers")
    return _searched(interp, data, keys, kind, side, None)


def _searched(interp: Interp, data: RArray, keys: Any, kind: DType, side: str, descending: Expr | None) -> Any:
    """The places of keys in sorted data; where `descending` holds, among the data in reverse."""
    stage = interp.stage
    n = data.shape[0]
    last = isub(n, ONE)

    def read(k: Expr) -> Expr:
        k = k if descending is None else build.select(descending, build.sub(last, k), k)
        return build.cast(arrays.element(data, (k,)), kind)

    def find(key: Expr) -> Expr:
        key = stage.let(build.cast(key, kind), "key")
        left = side == "left"
        found = search(stage, read, n, lambda x: precedes(x, key) if left else build.not_(precedes(key, x)))
        return found if descending is None else build.select(descending, build.sub(n, found), found)

    if not isinstance(keys, RArray):
        return scalar(stage, find(numeric.as_scalar(keys).expr), hint_of(interp, "place"))
    target = stage.alloc(I64, keys.shape, hint_of(interp, "place"))
    consume(stage, keys)
    arrays.nest(stage, keys.shape, lambda i: store(stage, target, i, find(arrays.element(keys, i))))
    if stage.less(ZERO, n):
        stage.safe_indices[target.storage] = iadd(n, ONE)
    return target


@method("searchsorted")
def searchsorted_method(interp: Interp, a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    return searchsorted(interp, a, v, side, sorter)


@handles(np.digitize)
def digitize(interp: Interp, x: Any, bins: Any, right: Any = False) -> Any:
    """np.digitize of bins that increase or decrease, which is found out at run time."""
    stage = interp.stage
    edges = stored(interp, bins)
    if edges.rank != 1:
        raise ValueError("object too deep for desired array")
    keys = numbers(interp, x)
    kind = DType.of(np.promote_types(edges.dtype.numpy, number_dtype(keys).numpy))
    if kind.is_complex:
        type_error("x may not be complex")
    falls = decreases(interp, edges)
    rises = decreases(interp, flip(stage, edges, 0))
    neither = stage.let(build.and_(falls, rises))
    stage.fail_if(neither, "ValueError", "bins must be monotonically increasing or decreasing")
    return _searched(interp, edges, keys, kind, "left" if right else "right", falls)


def decreases(interp: Interp, edges: RArray) -> Expr:
    """Whether an element of a vector is smaller than the one before."""
    stage = interp.stage
    bad = stage.cell(BOOL, "unsorted", init=build.const(False, BOOL))
    right, left = neighbours(interp, edges, 0)

    def check(i: tuple[Expr, ...]) -> None:
        add_to_cell(stage, bad, build.gt(arrays.element(left, i), arrays.element(right, i)), "max")

    arrays.nest(stage, right.shape, check)
    return stage.load_cell(bad, "unsorted")


def _slope(stage: Stage, x0: Expr, x1: Expr, y0: Expr, y1: Expr) -> Expr:
    """Of the line through two points; infinite or NaN only if their values are."""
    width = build.sub(x1, x0)
    width = stage.let(build.select(build.eq(width, build.zero(F64)), build.one(F64), width))
    return build.div(build.sub(y1, y0), width)


@handles(np.interp)
def interp_(interp: Interp, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """np.interp: piecewise linear, constant outside unless `left` or `right` are given.

    The derivative at a knot is that of the piece which starts there; at the last one of the piece which ends there.
    """
    stage = interp.stage
    only_default(interp, "interp", period=(period, None))
    xs, ys = (stored(interp, v) for v in (xp, fp))
    if xs.rank != 1 or ys.rank != 1:
        raise ValueError("object too deep for desired array")
    n = xs.shape[0]
    require_equal(stage, n, ys.shape[0], "fp and xp are not of the same length.")
    require_nonempty(stage, n, "array of sample points is empty")
    kind = ys.dtype if ys.dtype.is_complex else F64
    kind = kind.complex if kind.is_complex else F64

    def at(v: RArray, k: Expr, t: DType) -> Expr:
        return build.cast(arrays.element(v, (k,)), t)

    last = isub(n, ONE)
    ends = [
        build.cast(numeric.as_scalar(numbers(interp, e)).expr, kind) if e is not None else None for e in (left, right)
    ]
    lower, upper = (stage.let(e if e is not None else at(ys, k, kind)) for e, k in zip(ends, (ZERO, last), strict=True))

    def value(key: Expr) -> Expr:
        key = stage.let(build.cast(key, F64), "x")
        place = search(stage, lambda k: at(xs, k, F64), n, lambda p: build.not_(build.lt(key, p)))
        j = stage.let(build.max_(build.min_(build.sub(place, ONE), isub(last, ONE)), ZERO), "j")
        after = stage.let(build.min_(iadd(j, ONE), last), "after")
        x0, x1 = stage.let(at(xs, j, F64)), stage.let(at(xs, after, F64))
        y0, y1 = stage.let(at(ys, j, kind)), stage.let(at(ys, after, kind))
        ending = stage.let(build.ge(build.sub(place, ONE), last))

        def piece(y0: Expr, y1: Expr) -> Expr:
            """On the line from its left end, where that is NaN from the right one."""
            slope = stage.let(_slope(stage, x0, x1, y0, y1))
            base_x, base_y = build.select(ending, x1, x0), build.select(ending, y1, y0)
            ahead = stage.let(build.add(build.mul(slope, build.sub(key, base_x)), base_y))
            back = stage.let(build.add(build.mul(slope, build.sub(key, x1)), y1))
            level = build.and_(build.op("isnan", back), build.eq(y0, y1))
            inside = build.select(build.op("isnan", ahead), build.select(level, y0, back), ahead)
            exact = build.and_(build.eq(key, base_x), build.not_(build.op("isfinite", slope)))
            return build.select(exact, base_y, inside)

        parts = [piece(build.op(part, y0), build.op(part, y1)) for part in ("real", "imag")] if kind.is_complex else []
        result = build.op("complex", *parts) if parts else piece(y0, y1)
        result = build.select(build.gt(key, at(xs, last, F64)), upper, result)
        result = build.select(build.eq(place, ZERO), lower, result)
        return build.select(build.op("isnan", key), build.cast(key, kind), result)

    keys = numbers(interp, x)
    if not isinstance(keys, RArray):
        return scalar(stage, value(numeric.as_scalar(keys).expr), hint_of(interp, "y"))
    target = stage.alloc(kind, keys.shape, hint_of(interp, "y"))
    consume(stage, keys)
    arrays.nest(stage, keys.shape, lambda i: store(stage, target, i, value(arrays.element(keys, i))))
    return target
