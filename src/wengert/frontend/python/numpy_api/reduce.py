"""Reductions: sums, products, means, extrema and their positions, truth.

Sums of float32 are accumulated in float64 and converted at the end, which is closer to the exact sum than NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, AccumulateOp, Const, Expr, Load
from wengert.ir.types import BOOL, C64, C128, F32, F64, I64, U64, DType

from .. import arrays, float_errors, numeric
from ..registry import handles, method
from ..values import Element, RArray, RScalar
from .common import (
    NO_VALUE,
    Scalarwise,
    add_to,
    array,
    axes_of,
    axis_of,
    consume,
    dtype_of,
    given,
    hint_of,
    holds,
    loop,
    loops,
    numbers,
    peek,
    require_equal,
    require_nonempty,
    scalar,
    store,
    type_error,
    when,
)

if TYPE_CHECKING:
    from ..interp import Interp

Combine = Callable[[Expr, Expr], Expr]
Position = Callable[[Sequence[Expr]], list[Expr]]
WIDE = {F32: F64, C64: C128}


# -- the loops -------------------------------------------------------------------------------------------------


def kept_shape(shape: Sequence[Expr], axes: Sequence[int], keepdims: bool) -> tuple[Expr, ...]:
    """The shape of a reduction's result."""
    if keepdims:
        return tuple(ONE if k in axes else e for k, e in enumerate(shape))
    return tuple(e for k, e in enumerate(shape) if k not in axes)


def kept_index(index: Sequence[Expr], axes: Sequence[int], keepdims: bool) -> tuple[Expr, ...]:
    """Where an element's contribution goes."""
    if keepdims:
        return tuple(ZERO if k in axes else i for k, i in enumerate(index))
    return tuple(i for k, i in enumerate(index) if k not in axes)


def full_index(rank: int, axes: Sequence[int], outer: Sequence[Expr], inner: Sequence[Expr]) -> list[Expr]:
    """The index with `inner` at the reduced axes and `outer` at the others."""
    rest, reduced = iter(outer), iter(inner)
    return [next(reduced) if k in axes else next(rest) for k in range(rank)]


def finish(interp: Interp, result: RArray, dtype: DType, fn: Callable[[Expr], Expr] | None = None) -> RArray | RScalar:
    """The reduced values, converted: a NumPy scalar if no axis is left."""
    convert: Scalarwise = (lambda e: e) if fn is None else fn
    stage = interp.stage
    if result.rank == 0:
        return scalar(stage, build.cast(convert(arrays.element(result, ())), dtype), hint_of(interp, "total"))
    if fn is None and result.dtype is dtype:
        return result
    at: Element = lambda i: build.cast(convert(arrays.element(result, i)), dtype)  # noqa: E731
    return arrays.lazy(stage, dtype, result.shape, at, [result])


def accumulated(
    interp: Interp, a: RArray, axes: Sequence[int], keepdims: bool, dtype: DType, op: AccumulateOp, init: Expr | None,
    fn: Scalarwise | None = None, where: RArray | None = None, hint: str = "total",
) -> RArray:  # fmt: skip
    """Elements (under fn, where the mask holds) accumulated over axes into a new array of `dtype`.

    It starts at `init`; without, at the first element of each group, of which there must be one.
    """
    stage = interp.stage
    if op == "add" and dtype.is_inexact:
        float_errors.unchecked(stage, "a sum")
    shape = kept_shape(a.shape, axes, keepdims)
    inner: Scalarwise = (lambda e: e) if fn is None else fn
    convert: Scalarwise = lambda e: build.cast(inner(e), dtype)  # noqa: E731
    if init is None and a.cost > arrays.CHEAP:
        a = arrays.stored(stage, a)
    zero = isinstance(init, Const) and not init.value
    target = stage.alloc(dtype, shape, hint_of(interp, hint), zero=zero)
    consume(stage, a)
    if init is not None and not zero:
        arrays.fill(stage, target, lambda i: build.cast(init, dtype))
    elif init is None:
        first: Element = lambda i: convert(arrays.element(a, _first(a.rank, axes, keepdims, i)))  # noqa: E731
        arrays.fill(stage, target, first)
    wide = None if where is None else arrays.broadcast(stage, where, a.shape)

    def body(index: tuple[Expr, ...]) -> None:
        put = lambda: add_to(stage, target, kept_index(index, axes, keepdims), convert(arrays.element(a, index)), op)  # noqa: E731
        if wide is None:
            put()
        else:
            when(stage, stage.let(arrays.element(wide, index)), put)

    arrays.nest(stage, a.shape, body)
    return target


def _first(rank: int, axes: Sequence[int], keepdims: bool, index: Sequence[Expr]) -> list[Expr]:
    if keepdims:
        return [ZERO if k in axes else i for k, i in enumerate(index)]
    return full_index(rank, axes, index, [ZERO] * len(axes))


def fold(
    interp: Interp, a: RArray, axes: Sequence[int], keepdims: bool, dtype: DType, combine: Combine, init: Expr | None,
    where: RArray | None = None,
) -> RArray | RScalar:  # fmt: skip
    """Elements combined in order over axes, starting at `init` or the first element of each group."""
    stage = interp.stage
    a = arrays.stored(stage, a) if a.cost > arrays.CHEAP and init is None else a
    target = stage.alloc(dtype, kept_shape(a.shape, axes, keepdims), hint_of(interp, "total"))
    consume(stage, a)
    wide = None if where is None else arrays.broadcast(stage, where, a.shape)
    inner = [a.shape[k] for k in sorted(axes)]

    def group(at: tuple[Expr, ...]) -> None:
        outer = at if not keepdims else tuple(i for k, i in enumerate(at) if k not in axes)
        full: Position = lambda i: full_index(a.rank, axes, outer, i)  # noqa: E731
        start = (
            build.cast(arrays.element(a, full([ZERO] * len(inner))), dtype) if init is None else build.cast(init, dtype)
        )
        cell = stage.cell(dtype, "acc", init=stage.let(start))

        def step(i: tuple[Expr, ...]) -> None:
            def put() -> None:
                old = stage.load_cell(cell, "acc")
                stage.store_cell(cell, stage.let(combine(old, build.cast(arrays.element(a, full(i)), dtype))))

            when(stage, build.const(True, BOOL) if wide is None else stage.let(arrays.element(wide, full(i))), put)

        if init is None and len(inner) == 1:
            loop(stage, ONE, inner[0], lambda i: step((i,)))
        elif init is None:
            first: Element = lambda i: _conjunction([build.eq(k, ZERO) for k in i])  # noqa: E731
            loops(stage, inner, lambda i: when(stage, stage.let(first(i)), lambda: None, lambda: step(i)))
        else:
            loops(stage, inner, step)
        store(stage, target, at, peek(cell))

    arrays.nest(stage, target.shape, group)
    return finish(interp, target, dtype)


def _conjunction(conditions: Sequence[Expr]) -> Expr:
    return build.and_(*conditions)


# -- arguments -------------------------------------------------------------------------------------------------


def mask_of(interp: Interp, where: Any, shape: tuple[Expr, ...]) -> RArray | None:
    """The `where` argument of a reduction; None if everything counts."""
    where = interp.resolve(where)
    if not given(where) or where is None or holds(where):
        return None
    mask = array(interp, where)
    if mask.dtype is not BOOL:
        type_error("where= must be an array of booleans")
    arrays.require_fits(interp.stage, mask.shape, shape, "could not broadcast where mask from shape {} into shape {}")
    return arrays.stored(interp.stage, mask, "mask")


def initial_of(interp: Interp, initial: Any, default: Expr | None, dtype: DType) -> Expr | None:
    if not given(initial) or initial is None:
        return default
    return interp.stage.let(build.cast(numeric.as_scalar(numbers(interp, initial)).expr, dtype))


def accumulator_dtype(interp: Interp, dtype: Any, kind: DType) -> DType:
    """The result dtype of a sum or product: NumPy widens small integers and bools to 64 bits."""
    if given(dtype) and dtype is not None:
        return dtype_of(interp, dtype)
    if kind is BOOL or kind.is_integer:
        return U64 if kind.numpy.kind == "u" else I64
    return kind


def require_elements(interp: Interp, a: RArray, axes: Sequence[int], name: str) -> None:
    """Raise ValueError here if a group is empty (unless there is no group at all)."""
    message = f"zero-size array to reduction operation {name} which has no identity"
    outer = arrays.size([e for k, e in enumerate(a.shape) if k not in axes])
    group = arrays.size([a.shape[k] for k in axes])
    if constant(outer) == 0:
        return
    if constant(group) == 0 and interp.stage.less(ZERO, outer):
        raise ValueError(message)
    if interp.stage.less(ZERO, outer) or (constant(group) is None and interp.stage.less(ZERO, group)):
        require_nonempty(interp.stage, group, message)
        return
    if constant(group) is not None and constant(group) != 0:
        return
    bad = build.and_(build.le(group, ZERO), build.gt(outer, ZERO))
    interp.stage.fail_if(interp.stage.let(bad), "ValueError", message)


def written(interp: Interp, result: Any, out: Any, name: str, exact: bool = True) -> Any:
    """The result, or `out` with the result in it; `exact` unless the result is broadcast into it, as a ufunc does."""
    if out is None or not given(out):
        return result
    from .ufuncs import write_out

    place = interp.resolve(out)
    if exact and isinstance(place, RArray):
        shape = result.shape if isinstance(result, RArray) else ()
        if len(shape) != place.rank:
            raise ValueError(
                f"output parameter for {name} has the wrong number of dimensions: found {place.rank} but expected "
                f"{len(shape)}"
            )
        for have, want in zip(place.shape, shape, strict=True):
            require_equal(interp.stage, have, want, f"output parameter for {name} has an extent {{}} instead of {{}}")
    return write_out(interp, name, result, out)


# -- sums and means --------------------------------------------------------------------------------------------


@handles(np.sum)
@method("sum")
def sum_(
    interp: Interp, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = NO_VALUE, where: Any = True,
) -> Any:  # fmt: skip
    value = array(interp, a)
    axes = axes_of(interp, axis, value.rank)
    kind = accumulator_dtype(interp, dtype, value.dtype)
    calc = WIDE.get(kind, kind)
    start = initial_of(interp, initial, build.zero(calc), calc)
    mask = mask_of(interp, where, value.shape)
    if kind is BOOL:
        total = accumulated(interp, value, axes, bool(keepdims), BOOL, "max", start, numeric.truth, mask)
    else:
        total = accumulated(interp, value, axes, bool(keepdims), calc, "add", start, None, mask)
    return written(interp, finish(interp, total, kind), out, "add")


@handles(np.prod)
@method("prod")
def prod(
    interp: Interp, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = NO_VALUE, where: Any = True,
) -> Any:  # fmt: skip
    value = array(interp, a)
    axes = axes_of(interp, axis, value.rank)
    kind = accumulator_dtype(interp, dtype, value.dtype)
    start = initial_of(interp, initial, build.one(kind), kind)
    mask = mask_of(interp, where, value.shape)
    combine = build.and_ if kind is BOOL else build.mul
    return written(interp, fold(interp, value, axes, bool(keepdims), kind, combine, start, mask), out, "multiply")


def count_of(interp: Interp, a: RArray, axes: Sequence[int], mask: RArray | None, keepdims: bool) -> Expr | RArray:
    """How many elements each group of a reduction has: one number, or per group under a mask."""
    if mask is None:
        return arrays.size([a.shape[k] for k in axes])
    wide = arrays.broadcast(interp.stage, mask, a.shape)
    return accumulated(interp, wide, axes, keepdims, I64, "add", ZERO, hint="count")


def divided(interp: Interp, total: RArray, count: Expr | RArray, less: Expr | None, dtype: DType,
            fn: Scalarwise | None = None) -> RArray | RScalar:  # fmt: skip
    """total / max(count - less, 0), converted; `fn` is applied to the quotient."""
    stage = interp.stage

    def divisor(n: Expr) -> Expr:
        real = build.cast(n, total.dtype.real)
        if less is not None:
            real = build.max_(build.sub(real, build.cast(less, real.dtype)), build.zero(real.dtype))
        return build.cast(real, total.dtype)

    post: Scalarwise = (lambda e: e) if fn is None else fn
    if isinstance(count, RArray):
        at: Element = lambda i: post(build.div(arrays.element(total, i), divisor(arrays.element(count, i))))  # noqa: E731
        quotient = arrays.lazy(stage, total.dtype, total.shape, at, [total, count])
        return finish(interp, quotient, dtype, lambda e: e)
    n = stage.let(divisor(count))
    return finish(interp, total, dtype, lambda e: post(build.div(e, n)))


def _mean_dtype(interp: Interp, dtype: Any, kind: DType) -> DType:
    if given(dtype) and dtype is not None:
        return dtype_of(interp, dtype)
    return kind if kind.is_inexact else F64


@handles(np.mean)
@method("mean")
def mean(
    interp: Interp,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    value = array(interp, a)
    axes = axes_of(interp, axis, value.rank)
    kind = _mean_dtype(interp, dtype, value.dtype)
    if not kind.is_inexact:
        raise interp.stage.refuse(f"mean with dtype={kind.value} is not supported", "leave out dtype")
    mask = mask_of(interp, where, value.shape)
    if mask is not None:
        value = arrays.stored(interp.stage, value)
    calc = WIDE.get(kind, kind)
    total = accumulated(interp, value, axes, bool(keepdims), calc, "add", build.zero(calc), None, mask)
    count = count_of(interp, value, axes, mask, bool(keepdims))
    return written(interp, divided(interp, total, count, None, kind), out, "mean")


def variance(
    interp: Interp, a: Any, axis: Any, dtype: Any, ddof: Any, keepdims: bool, where: Any, root: bool
) -> RArray | RScalar:
    """The variance or, with `root`, the standard deviation: two passes, in at least float64."""
    stage = interp.stage
    value = arrays.stored(stage, array(interp, a))
    axes = axes_of(interp, axis, value.rank)
    kind = _mean_dtype(interp, dtype, value.dtype)
    calc = WIDE.get(kind, kind)
    mask = mask_of(interp, where, value.shape)
    count = count_of(interp, value, axes, mask, True)
    total = accumulated(interp, value, axes, True, calc, "add", build.zero(calc), None, mask, "mean")
    middle = divided(interp, total, count, None, calc)
    assert isinstance(middle, RArray) or value.rank == 0
    middle = arrays.stored(stage, middle, "mean") if isinstance(middle, RArray) else middle

    def square(s: Any, e: list[Expr]) -> Expr:
        d = s.let(build.sub(build.cast(e[0], calc), e[1]))
        if not calc.is_complex:
            return build.mul(d, d)
        re, im = s.let(build.op("real", d)), s.let(build.op("imag", d))
        return build.add(build.mul(re, re), build.mul(im, im))

    deviations = numeric.elementwise(stage, square, calc.real, [value, middle])
    sums = accumulated(interp, deviations, axes, keepdims, calc.real, "add", build.zero(calc.real), None, mask, "var")
    if isinstance(count, RArray) and not keepdims:
        count = count_of(interp, value, axes, mask, False)
    less = numeric.as_scalar(numbers(interp, ddof)).expr
    fn: Scalarwise | None = (lambda e: build.op("sqrt", e)) if root else None
    return divided(interp, sums, count, less, kind.real, fn)


def _correction(interp: Interp, ddof: Any, correction: Any, mean_given: Any) -> Any:
    if given(mean_given):
        raise interp.stage.refuse("std and var with mean= are not supported", "leave it out")
    return correction if given(correction) else ddof


@handles(np.var)
@method("var")
def var(
    interp: Interp, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False,
    *, where: Any = True, mean: Any = NO_VALUE, correction: Any = NO_VALUE,
) -> Any:  # fmt: skip
    less = _correction(interp, ddof, correction, mean)
    return written(interp, variance(interp, a, axis, dtype, less, bool(keepdims), where, False), out, "var")


@handles(np.std)
@method("std")
def std(
    interp: Interp, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False,
    *, where: Any = True, mean: Any = NO_VALUE, correction: Any = NO_VALUE,
) -> Any:  # fmt: skip
    less = _correction(interp, ddof, correction, mean)
    return written(interp, variance(interp, a, axis, dtype, less, bool(keepdims), where, True), out, "std")


# -- extrema ---------------------------------------------------------------------------------------------------


def extremum(
    interp: Interp, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any, op: AccumulateOp
) -> Any:
    """The largest or smallest element of each group, NaN if there is one."""
    value = array(interp, a)
    name = "maximum" if op == "max" else "minimum"
    if value.dtype.is_complex:
        raise interp.stage.refuse("the extremum of complex numbers is not supported", "compare abs() or .real")
    axes = axes_of(interp, axis, value.rank)
    mask = mask_of(interp, where, value.shape)
    start = initial_of(interp, initial, None, value.dtype)
    if mask is not None and start is None:
        raise ValueError(
            f"reduction operation '{name}' does not have an identity, "
            "so to use a where mask one has to specify 'initial'"
        )
    if start is None:
        require_elements(interp, value, axes, name)
    total = accumulated(interp, value, axes, bool(keepdims), value.dtype, op, start, None, mask, op)
    return written(interp, finish(interp, total, value.dtype), out, name)


@handles(np.max, np.amax)
@method("max")
def max_(
    interp: Interp,
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    return extremum(interp, a, axis, out, keepdims, initial, where, "max")


@handles(np.min, np.amin)
@method("min")
def min_(
    interp: Interp,
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    return extremum(interp, a, axis, out, keepdims, initial, where, "min")


@handles(np.ptp)
def ptp(interp: Interp, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    value = arrays.stored(interp.stage, array(interp, a))
    largest = extremum(interp, value, axis, None, keepdims, NO_VALUE, True, "max")
    smallest = extremum(interp, value, axis, None, keepdims, NO_VALUE, True, "min")
    return written(interp, numeric.ufunc(interp.stage, np.subtract, largest, smallest), out, "subtract")


def position(interp: Interp, a: Any, axis: Any, out: Any, keepdims: Any, name: str) -> Any:
    """argmax or argmin: the first extreme element, or the first NaN."""
    stage = interp.stage
    value = arrays.stored(stage, array(interp, a))
    if value.dtype.is_complex:
        raise stage.refuse(f"{name} of complex numbers is not supported", "compare abs() or .real")
    axes = tuple(range(value.rank)) if axis is None else (axis_of(interp, axis, value.rank),)
    group = arrays.size([value.shape[k] for k in axes])
    message = f"attempt to get {name} of an empty sequence"
    if constant(arrays.size(kept_shape(value.shape, axes, False))) != 0:
        require_nonempty(stage, group, message)
    no_better = build.le if name == "argmax" else build.ge
    target = stage.alloc(I64, kept_shape(value.shape, axes, bool(keepdims)), hint_of(interp, name))
    inner = [value.shape[k] for k in axes]

    def search(at: tuple[Expr, ...]) -> None:
        outer = [i for k, i in enumerate(at) if k not in axes] if keepdims else at
        full: Position = lambda i: full_index(value.rank, axes, outer, i)  # noqa: E731
        best = stage.cell(value.dtype, "best", init=stage.let(arrays.element(value, full([ZERO] * len(inner)))))
        place = stage.cell(I64, "place", init=ZERO)

        def compare(i: tuple[Expr, ...]) -> None:
            x, old = stage.let(arrays.element(value, full(i))), stage.load_cell(best, "best")
            better = build.and_(build.not_(no_better(x, old)), build.eq(old, old))  # the first NaN is best
            flat: Expr = ZERO
            for extent, k in zip(inner, i, strict=True):
                flat = iadd(imul(flat, extent), k)

            def put() -> None:
                stage.store_cell(best, x)
                stage.store_cell(place, flat)

            when(stage, stage.let(better), put)

        loops(stage, inner, compare)
        store(stage, target, at, Load(place.name, (), I64))

    arrays.nest(stage, target.shape, search)
    return written(interp, finish(interp, target, I64), out, name)


@handles(np.argmax)
@method("argmax")
def argmax(interp: Interp, a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return position(interp, a, axis, out, keepdims, "argmax")


@handles(np.argmin)
@method("argmin")
def argmin(interp: Interp, a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return position(interp, a, axis, out, keepdims, "argmin")


# -- truth -----------------------------------------------------------------------------------------------------


def _truth(interp: Interp, a: Any, axis: Any, out: Any, keepdims: Any, where: Any, op: AccumulateOp) -> Any:
    value = array(interp, a)
    axes = axes_of(interp, axis, value.rank)
    mask = mask_of(interp, where, value.shape)
    start = build.const(op == "min", BOOL)
    total = accumulated(interp, value, axes, bool(keepdims), BOOL, op, start, numeric.truth, mask, "found")
    return written(interp, finish(interp, total, BOOL), out, "logical_or")


@handles(np.any)
@method("any")
def any_(interp: Interp, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
    return _truth(interp, a, axis, out, keepdims, where, "max")


@handles(np.all)
@method("all")
def all_(interp: Interp, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
    return _truth(interp, a, axis, out, keepdims, where, "min")


@handles(np.count_nonzero)
def count_nonzero(interp: Interp, a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    value = array(interp, a)
    axes = axes_of(interp, axis, value.rank)
    total = accumulated(interp, value, axes, bool(keepdims), I64, "add", ZERO, numeric.truth, None, "count")
    return finish(interp, total, I64)
