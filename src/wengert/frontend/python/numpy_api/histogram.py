"""Counting into bins: bincount and histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Expr, Var
from wengert.ir.types import BOOL, F64, I64, DType

from .. import arrays, numeric
from ..registry import handles
from ..values import RArray, RScalar
from .common import (
    NO_VALUE,
    Scalarwise,
    add_to,
    add_to_cell,
    array,
    cast,
    flat,
    hint_of,
    integer_expr,
    numbers,
    peek,
    require_equal,
    require_nonnegative,
    stored,
    type_error,
    when,
)
from .ranges import linspace
from .reduce import extremum, sum_
from .scans import diff, neighbours
from .searching import decreases, search

if TYPE_CHECKING:
    from ..interp import Interp


@handles(np.bincount)
def bincount(interp: Interp, x: Any, /, weights: Any = None, minlength: Any = 0) -> RArray:
    stage = interp.stage
    value = stored(interp, x)
    if value.rank != 1:
        raise ValueError("object of too small depth for desired array")
    if not (value.dtype.is_integer or value.dtype is BOOL):
        type_error("Cannot cast array data from dtype('float64') to dtype('int64') according to the rule 'safe'")
    least = integer_expr(interp, minlength)
    require_nonnegative(stage, least, "'minlength' must not be negative")
    top = stage.cell(I64, "top", init=isub(least, ONE))
    negative = stage.cell(BOOL, "negative", init=build.const(False, BOOL))

    def survey(i: tuple[Expr, ...]) -> None:
        v = stage.let(build.cast(arrays.element(value, i), I64))
        add_to_cell(stage, top, v, "max")
        add_to_cell(stage, negative, build.lt(v, ZERO), "max")

    arrays.nest(stage, value.shape, survey)
    bad = stage.load_cell(negative, "negative")
    stage.fail_if(bad, "ValueError", "'list' argument must have no negative elements")
    length = stage.let(build.add(peek(top), ONE), "n")
    assert isinstance(length, Var)
    stage.count(length)
    kind = I64 if weights is None or constant(value.shape[0]) == 0 else F64  # of nothing NumPy counts
    target = stage.alloc(kind, (length,), hint_of(interp, "counts"), zero=True)
    load: RArray | None = None
    if weights is not None:
        load = stored(interp, weights)
        require_equal(stage, value.shape[0], load.shape[0], "The weights and list don't have the same length.")

    def count(i: tuple[Expr, ...]) -> None:
        place = build.cast(arrays.element(value, i), I64)
        add_to(stage, target, (place,), build.one(I64) if load is None else arrays.element(load, i))

    arrays.nest(stage, value.shape, count)
    return target


@handles(np.histogram)
def histogram(
    interp: Interp, a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, RArray]:
    """np.histogram of equal bins (with NumPy's arithmetic and correction at the edges) or of given edges."""
    stage = interp.stage
    data = flat(stage, stored(interp, a))
    if data.dtype.is_complex:
        raise stage.refuse("the histogram of complex numbers", "take abs() or .real")
    if data.dtype is BOOL:
        data = arrays.stored(stage, cast(stage, data, DType.U8))
    load = None if weights is None else flat(stage, stored(interp, weights))
    if load is not None:
        require_equal(stage, data.shape[0], load.shape[0], "weights should have the same shape as a.")
    number = numbers(interp, bins) if not isinstance(bins, str) else bins
    if isinstance(number, str):
        raise stage.refuse("histogram with automatic bins", "give the number of bins or their edges")
    if isinstance(number, RArray):
        edges = arrays.stored(stage, number)
        if edges.rank != 1:
            raise ValueError("`bins` must be 1d, when an array")
        message = "`bins` must increase monotonically, when an array"
        stage.fail_if(decreases(interp, edges), "ValueError", message)
        counts = _given_bins(interp, data, load, edges)
    else:
        counts, edges = _equal_bins(interp, data, load, integer_expr(interp, number), range)
    if not density:
        return counts, edges
    widths = cast(stage, array(interp, diff(interp, edges)), F64)
    share = numeric.ufunc(stage, np.true_divide, counts, widths)
    result = numeric.ufunc(stage, np.true_divide, share, sum_(interp, counts))
    assert isinstance(result, RArray)
    return arrays.stored(stage, result), edges


def _count_dtype(load: RArray | None) -> DType:
    return I64 if load is None else load.dtype


def _weight(load: RArray | None, i: tuple[Expr, ...]) -> Expr:
    return build.one(I64) if load is None else arrays.element(load, i)


def _given_bins(interp: Interp, data: RArray, load: RArray | None, edges: RArray) -> RArray:
    """Counts per bin [edge, next edge), the last one closed."""
    stage = interp.stage
    kind = numeric.result_type([data, edges])
    m = edges.shape[0]
    bins = isub(m, ONE)
    target = stage.alloc(_count_dtype(load), (bins,), hint_of(interp, "counts"), zero=True)
    read: Scalarwise = lambda k: build.cast(arrays.element(edges, (k,)), kind)  # noqa: E731

    def put(i: tuple[Expr, ...]) -> None:
        x = stage.let(build.cast(arrays.element(data, i), kind), "x")
        after = search(stage, read, m, lambda e: build.le(e, x))
        top = stage.let(read(bins))
        last = stage.let(build.eq(x, top))
        inside = build.and_(build.gt(after, ZERO), build.or_(build.lt(after, m), last))
        place = build.select(last, isub(bins, ONE), build.sub(after, ONE))
        if kind.is_float:
            inside = build.and_(inside, build.not_(build.op("isnan", x)))
        when(stage, stage.let(inside), lambda: add_to(stage, target, (stage.let(place, "bin"),), _weight(load, i)))

    arrays.nest(stage, data.shape, put)
    return target


def _outer_edges(interp: Interp, data: RArray, range_: Any) -> tuple[Any, Any]:
    """The ends of the bins, in the dtype NumPy has them in; moved apart if they coincide."""
    stage = interp.stage
    if range_ is not None:
        low, high = (numbers(interp, e) for e in interp.static_iterable(range_))
        message = "max must be larger than min in range parameter."
        wrong = interp.truth(interp.relation(">", low, high))
        if wrong is True:
            raise ValueError(message)
        if not isinstance(wrong, bool):
            stage.fail_if(wrong, "ValueError", message)
    else:
        if not stage.less(ZERO, data.shape[0]):
            raise stage.refuse("the histogram of an array that may be empty needs a range", "pass range=(low, high)")
        low, high = (extremum(interp, data, None, None, False, NO_VALUE, True, op) for op in ("min", "max"))
    kind = numeric.result_type([low, high])
    exprs = [stage.let(build.cast(numeric.as_scalar(e).expr, kind)) for e in (low, high)]
    if kind.is_float:
        finite = build.and_(*(build.op("isfinite", e) for e in exprs))
        stage.fail_if(stage.let(build.not_(finite)), "ValueError", "the range of a histogram is not finite")
    python = range_ is not None and all(numeric.python_number(e) for e in (low, high))
    same = stage.let(build.eq(exprs[0], exprs[1]))
    if isinstance(same, build.Const) and not same.value:
        return RScalar(exprs[0], python), RScalar(exprs[1], python)
    wide = kind if kind.is_float else F64
    half = build.const(0.5, wide)
    first, last = (build.cast(e, wide) for e in exprs)
    start = stage.let(build.select(same, build.sub(first, half), first))
    stop = stage.let(build.select(same, build.add(last, half), last))
    return RScalar(start, python), RScalar(stop, python)


def _equal_bins(interp: Interp, data: RArray, load: RArray | None, bins: Expr, range_: Any) -> tuple[RArray, RArray]:
    stage = interp.stage
    message = "`bins` must be positive, when an integer"
    known = constant(bins)
    if known is not None and known < 1:
        raise ValueError(message)
    if not stage.less(ZERO, bins):
        stage.fail_if(stage.let(build.lt(bins, ONE)), "ValueError", message)
    first, last = _outer_edges(interp, data, range_)
    kind = numeric.result_type([first, last, data])
    kind = kind if kind.is_inexact else F64
    edges = linspace(interp, first, last, RScalar(iadd(bins, ONE), True), dtype=kind.numpy)
    _check_distinct(interp, edges)
    low, high = (stage.let(build.cast(e.expr, kind)) for e in (first, last))
    width = stage.let(build.sub(high, low), "width")
    count = stage.let(build.cast(bins, kind), "bins")
    target = stage.alloc(_count_dtype(load), (bins,), hint_of(interp, "counts"), zero=True)

    def put(i: tuple[Expr, ...]) -> None:
        x = stage.let(build.cast(arrays.element(data, i), kind), "x")
        inside = stage.let(build.and_(build.ge(x, low), build.le(x, high)))

        def add() -> None:
            ratio = build.mul(build.div(build.sub(x, low), width), count)
            k = stage.let(build.cast(ratio, I64), "k")
            k = stage.let(build.select(build.eq(k, bins), build.sub(k, ONE), k), "k")
            below = build.lt(x, arrays.element(edges, (k,)))
            k = stage.let(build.select(below, build.sub(k, ONE), k), "k")
            reached = build.ge(x, arrays.element(edges, (iadd(k, ONE),)))
            above = build.and_(reached, build.ne(k, isub(bins, ONE)))
            k = stage.let(build.select(above, build.add(k, ONE), k), "bin")
            add_to(stage, target, (k,), _weight(load, i))

        when(stage, inside, add)

    arrays.nest(stage, data.shape, put)
    return target, edges


def _check_distinct(interp: Interp, edges: RArray) -> None:
    stage = interp.stage
    bad = stage.cell(BOOL, "equal", init=build.const(False, BOOL))
    right, left = neighbours(interp, edges, 0)
    arrays.nest(
        stage, right.shape,
        lambda i: add_to_cell(stage, bad, build.ge(arrays.element(left, i), arrays.element(right, i)), "max"),
    )  # fmt: skip
    stage.fail_if(stage.load_cell(bad, "equal"), "ValueError", "Too many bins for data range.")


@handles(np.histogram_bin_edges)
def histogram_bin_edges(interp: Interp, a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> RArray:
    return histogram(interp, a, bins, range)[1]
