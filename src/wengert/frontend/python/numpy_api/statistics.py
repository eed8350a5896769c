"""Statistics: weighted means, covariance, reductions that skip NaNs, convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, AccumulateOp, Const, Expr
from wengert.ir.types import F64, I64

from .. import arrays, numeric
from ..registry import handles
from ..stage import Stage
from ..values import RArray, RScalar
from .common import (
    NO_VALUE,
    add_to,
    array,
    axes_of,
    cast,
    dtype_of,
    filled,
    given,
    hint_of,
    insert_axis,
    loop,
    only_default,
    permute,
    require_equal,
    require_nonempty,
    stored,
)
from .products import matrix_product
from .reduce import (
    Combine,
    count_of,
    extremum,
    mean,
    position,
    sum_,
    variance,
    written,
)
from .shape import diagonal

if TYPE_CHECKING:
    from ..interp import Interp


# -- averages and covariance -----------------------------------------------------------------------------------


@handles(np.average)
def average(
    interp: Interp, a: Any, axis: Any = None, weights: Any = None, returned: Any = False, *, keepdims: Any = False
) -> Any:
    stage = interp.stage
    value = arrays.stored(stage, array(interp, a))
    axes = axes_of(interp, axis, value.rank)
    if weights is None:
        result = mean(interp, value, axis=axis, keepdims=keepdims)
        if not returned:
            return result
        count = stage.let(build.cast(arrays.size([value.shape[k] for k in axes]), result.dtype), "count")
        if isinstance(result, RScalar):
            return result, RScalar(count, False)
        return result, arrays.stored(stage, filled(stage, result.dtype, result.shape, count))
    load = arrays.stored(stage, array(interp, weights))
    kind = numeric.result_type([value, load]) if value.dtype.is_inexact else numeric.result_type([value, load, 0.0])
    if not kind.is_inexact:
        kind = F64
    if load.rank != value.rank:
        if axis is None or isinstance(axis, (tuple, list)) or load.rank != 1:
            raise stage.refuse("average with weights of another shape", "broadcast the weights first")
        require_equal(
            stage,
            load.shape[0],
            value.shape[axes[0]],
            "Shape of weights must be consistent with shape of a along specified axis.",
        )
        for k in range(value.rank):
            if k != axes[0]:
                load = insert_axis(stage, load, k)
    elif not all(stage.same(m, n) for m, n in zip(load.shape, value.shape, strict=True)):
        for have, want in zip(load.shape, value.shape, strict=True):
            message = "Axis must be specified when shapes of a and weights differ."
            stage.fail_if(build.ne(have, want), "TypeError", message)
    load = arrays.broadcast(stage, load, value.shape)
    scale = sum_(interp, load, axis=axis, dtype=kind.numpy, keepdims=keepdims)
    scale = arrays.stored(stage, scale) if isinstance(scale, RArray) else scale
    zero = numeric.ufunc(stage, np.equal, scale, 0)
    found = zero if isinstance(zero, RScalar) else _any(interp, zero)
    stage.fail_if(found.expr, "ZeroDivisionError", "Weights sum to zero, can't be normalized")
    total = sum_(interp, numeric.ufunc(stage, np.multiply, value, load), axis=axis, dtype=kind.numpy, keepdims=keepdims)
    result = numeric.ufunc(stage, np.true_divide, total, scale)
    return (result, scale) if returned else result


def _number(stage: Stage, a: RArray) -> RScalar:
    return RScalar(stage.let(arrays.element(a, ())), False)


def _any(interp: Interp, a: RArray) -> RScalar:
    from .reduce import any_

    return any_(interp, a)


TURNS_SINGLE_ROWS = np.lib.NumpyVersion(np.__version__) >= "2.2.0"
"""Earlier versions took a single row for one variable, whatever `rowvar` says."""


@handles(np.cov)
def cov(
    interp: Interp, m: Any, y: Any = None, rowvar: Any = True, bias: Any = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """The covariance matrix of the rows: of the observations less their mean."""
    only_default(interp, "cov", fweights=(fweights, None), aweights=(aweights, None))
    from .join import concatenate

    stage = interp.stage
    value = _variables(interp, m, rowvar)
    if y is not None:
        value = concatenate(interp, [value, _variables(interp, y, rowvar)], 0)
    kind = numeric.result_type([value, np.float64(0)]) if dtype is None else dtype_of(interp, dtype)
    less = (0 if bias else 1) if ddof is None else interp.resolve(ddof)
    value = arrays.stored(stage, cast(stage, value, kind))
    middle = mean(interp, value, axis=1, keepdims=True)
    centred = numeric.ufunc(stage, np.subtract, value, middle)
    assert isinstance(centred, RArray)
    centred = arrays.stored(stage, centred)
    turned = permute(stage, centred, (1, 0))
    if kind.is_complex:
        turned = array(interp, numeric.ufunc(stage, np.conjugate, turned))
    product = matrix_product(interp, centred, turned, kind)
    freedom = build.sub(build.cast(value.shape[1], F64), build.cast(numeric.as_scalar(less).expr, F64))
    divisor = stage.let(build.cast(build.max_(freedom, build.zero(F64)), kind), "freedom")
    # NumPy multiplies by the reciprocal.
    factor = stage.let(build.div(build.one(kind), divisor), "factor")
    result = arrays.lazy(stage, kind, product.shape, lambda i: build.mul(arrays.element(product, i), factor), [product])
    if constant(value.shape[0]) == 1:
        return arrays.reshape(stage, result, ())
    return result


def _variables(interp: Interp, m: Any, rowvar: Any) -> RArray:
    value = array(interp, m)
    if value.rank > 2:
        raise ValueError("m has more than 2 dimensions")
    if value.rank < 2:
        while value.rank < 2:
            value = insert_axis(interp.stage, value, 0)
        return value
    if not rowvar and (TURNS_SINGLE_ROWS or constant(value.shape[0]) != 1):
        return permute(interp.stage, value, (1, 0))
    return value


@handles(np.corrcoef)
def corrcoef(interp: Interp, x: Any, y: Any = None, rowvar: Any = True, *, dtype: Any = None) -> Any:
    stage = interp.stage
    c = cov(interp, x, y, rowvar, dtype=dtype)
    if c.rank == 0:
        return numeric.ufunc(stage, np.true_divide, _number(stage, arrays.stored(stage, c)), _number(stage, c))
    c = arrays.stored(stage, c)
    real = cast(stage, _real(interp, diagonal(interp, c)), c.dtype.real)
    spread = arrays.stored(stage, numeric.ufunc_of_array(stage, np.sqrt, real))
    rows = numeric.ufunc(stage, np.true_divide, c, insert_axis(stage, spread, 1))
    scaled = numeric.ufunc(stage, np.true_divide, rows, insert_axis(stage, spread, 0))
    if c.dtype.is_complex:
        raise stage.refuse("corrcoef of complex numbers is not supported", "use np.cov")
    low, high = build.const(-1.0, c.dtype), build.const(1.0, c.dtype)
    return numeric.elementwise(stage, lambda s, e: build.min_(build.max_(e[0], low), high), c.dtype, [scaled])


def _real(interp: Interp, a: RArray) -> RArray:
    if not a.dtype.is_complex:
        return a
    return arrays.lazy(interp.stage, a.dtype.real, a.shape, lambda i: build.op("real", arrays.element(a, i)), [a])


# -- NaNs skipped ----------------------------------------------------------------------------------------------


def _valid(interp: Interp, a: Any) -> tuple[RArray, RArray]:
    """The stored array and the mask of its elements that are not NaN."""
    value = stored(interp, a)
    dtype = value.dtype

    def fn(stage: Stage, e: list[Expr]) -> Expr:
        return build.not_(build.op("isnan", e[0])) if dtype.is_inexact else build.const(True, build.BOOL)

    mask = numeric.elementwise(interp.stage, fn, build.BOOL, [value])
    return value, arrays.stored(interp.stage, mask, "valid")


@handles(np.nansum)
def nansum(
    interp: Interp, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = NO_VALUE, where: Any = True,
) -> Any:  # fmt: skip
    only_default(interp, "nansum", where=(where, True))
    value, mask = _valid(interp, a)
    options = {"initial": initial} if given(initial) else {}
    keep = bool(keepdims) if given(keepdims) else False
    return sum_(interp, value, axis=axis, dtype=dtype, out=out, keepdims=keep, where=mask, **options)


@handles(np.nanprod)
def nanprod(interp: Interp, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    from .reduce import prod

    value, mask = _valid(interp, a)
    keep = bool(keepdims) if given(keepdims) else False
    return prod(interp, value, axis=axis, dtype=dtype, out=out, keepdims=keep, where=mask)


@handles(np.nanmean)
def nanmean(
    interp: Interp,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    only_default(interp, "nanmean", where=(where, True))
    value, mask = _valid(interp, a)
    keep = bool(keepdims) if given(keepdims) else False
    return mean(interp, value, axis=axis, dtype=dtype, out=out, keepdims=keep, where=mask)


def _nan_spread(root: bool) -> Callable[..., Any]:
    def handler(
        interp: Interp,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
    ) -> Any:
        value, mask = _valid(interp, a)
        keep = bool(keepdims) if given(keepdims) else False
        if numeric.python_number(interp.resolve(ddof)) and ddof != 0:
            raise interp.stage.refuse("nanvar and nanstd with ddof", "mask the NaNs out and use np.var")
        return written(interp, variance(interp, value, axis, dtype, ddof, keep, mask, root), out, "nanvar")

    return handler


handles(np.nanvar)(_nan_spread(False))
handles(np.nanstd)(_nan_spread(True))


def _nan_extremum(op: AccumulateOp) -> Callable[..., Any]:
    def handler(
        interp: Interp, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = NO_VALUE,
        where: Any = True,
    ) -> Any:  # fmt: skip
        """The extremum of what is not NaN; NaN where there is nothing else."""
        stage = interp.stage
        only_default(interp, f"nan{op}", where=(where, True), initial=(initial, NO_VALUE))
        keep = bool(keepdims) if given(keepdims) else False
        value = array(interp, a)
        if not value.dtype.is_float:
            return extremum(interp, value, axis, out, keep, NO_VALUE, True, op)
        from .reduce import fold, require_elements

        axes = axes_of(interp, axis, value.rank)
        require_elements(interp, value, axes, "fmax" if op == "max" else "fmin")
        combine: Combine = lambda x, y: build.op(f"f{op}", x, y)  # noqa: E731
        result = fold(interp, arrays.stored(stage, value), axes, keep, value.dtype, combine, None)
        return written(interp, result, out, op)

    return handler


handles(np.nanmax)(_nan_extremum("max"))
handles(np.nanmin)(_nan_extremum("min"))


def _nan_position(name: str) -> Callable[..., Any]:
    def handler(interp: Interp, a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        value = stored(interp, a)
        keep = bool(keepdims) if given(keepdims) else False
        if not value.dtype.is_float:
            return position(interp, value, axis, out, keep, name)
        fill = build.const(-np.inf if name == "argmax" else np.inf, value.dtype)
        replaced = numeric.elementwise(
            interp.stage, lambda s, e: build.select(build.op("isnan", s.let(e[0])), fill, e[0]), value.dtype, [value]
        )
        axes = axes_of(interp, axis, value.rank)
        _, mask = _valid(interp, value)
        count = count_of(interp, value, axes, mask, False)
        assert isinstance(count, RArray)
        empty = numeric.ufunc(interp.stage, np.equal, count if count.rank else _number(interp.stage, count), 0)
        none = empty if isinstance(empty, RScalar) else _any(interp, empty)
        interp.stage.fail_if(none.expr, "ValueError", "All-NaN slice encountered")
        return position(interp, replaced, axis, out, keep, name)

    return handler


handles(np.nanargmax)(_nan_position("argmax"))
handles(np.nanargmin)(_nan_position("argmin"))


# -- convolution -----------------------------------------------------------------------------------------------


def _slide(interp: Interp, a: RArray, v: RArray, mode: Any, flipped: bool) -> RArray:
    """sum_k a[i + k] v[k] over all overlaps (v conjugated unless flipped), cut to the mode; a is not shorter than v."""
    stage = interp.stage
    kind = numeric.result_type([a, v])
    n, m = a.shape[0], v.shape[0]
    full = isub(iadd(n, m), ONE)
    modes = {"full": full, "same": n, "valid": iadd(isub(n, m), ONE)}
    if isinstance(mode, int):
        mode = ("valid", "same", "full")[mode]
    if mode not in modes:
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    length = modes[mode]
    lead = isub(m, ONE)
    if mode == "same":
        known = constant(lead)
        skip: Expr = stage.let(build.op("floordiv", lead, Const(2, I64))) if known is None else Const(known // 2, I64)
    else:
        skip = {"full": ZERO, "valid": lead}[mode]
    target = stage.alloc(kind, (length,), hint_of(interp, "convolved"), zero=True)

    def output(i: Expr) -> None:
        # Output i is position p of the full result: element p - k of a meets element k of the flipped v.
        p = stage.let(iadd(i, skip), "p")
        low = stage.let(build.max_(isub(p, isub(n, ONE)), ZERO), "low")
        high = stage.let(build.min_(iadd(p, ONE), m), "high")

        def term(k: Expr) -> None:
            x = build.cast(arrays.element(a, (isub(p, k),)), kind)
            y = build.cast(arrays.element(v, (k if flipped else isub(lead, k),)), kind)
            add_to(stage, target, (i,), build.mul(x, y))

        loop(stage, low, high, term, "k", parallel=True)

    loop(stage, ZERO, length, output, "i", parallel=True)
    return target


def _vectors(interp: Interp, a: Any, v: Any) -> tuple[RArray, RArray]:
    x, y = stored(interp, a), stored(interp, v)
    x, y = (insert_axis(interp.stage, w, 0) if w.rank == 0 else w for w in (x, y))
    if x.rank != 1 or y.rank != 1:
        raise ValueError("object too deep for desired array")
    for w, name in ((x, "a"), (y, "v")):
        require_nonempty(interp.stage, w.shape[0], f"{name} cannot be empty")
    return x, y


def _shorter(interp: Interp, x: RArray, y: RArray) -> bool:
    """Whether x is shorter than y; must be known."""
    stage = interp.stage
    if stage.facts.nonnegative(isub(x.shape[0], y.shape[0])):
        return False
    if stage.facts.less(x.shape[0], y.shape[0]):
        return True
    n, m = (stage.static_int(w.shape[0], "which of the convolved vectors is longer") for w in (x, y))
    return n < m


@handles(np.convolve)
def convolve(interp: Interp, a: Any, v: Any, mode: Any = "full") -> RArray:
    x, y = _vectors(interp, a, v)
    if mode != "full" and _shorter(interp, x, y):
        x, y = y, x
    return _slide(interp, x, y, mode, flipped=True)


@handles(np.correlate)
def correlate(interp: Interp, a: Any, v: Any, mode: Any = "valid") -> RArray:
    stage = interp.stage
    x, y = _vectors(interp, a, v)
    if y.dtype.is_complex:
        y = arrays.stored(stage, numeric.ufunc_of_array(stage, np.conjugate, y))
    if mode != "full" and _shorter(interp, x, y):
        turned = _slide(interp, y, x, mode, flipped=False)
        from .common import flip

        return flip(stage, turned, 0)
    return _slide(interp, x, y, mode, flipped=False)
