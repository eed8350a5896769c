"""Windows over arrays, positions counted in several dimensions, elements put in and taken out, boxes of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO
from wengert.ir.types import BOOL

from .. import index, numeric
from ..registry import handles
from ..values import RArray, RScalar
from . import programs
from .common import array, axis_of, flat, integer_expr, only_default, python_int, several, stored
from .extra import programmed

if TYPE_CHECKING:
    from ..interp import Interp

_stride_tricks: Any = np.lib.stride_tricks


@handles(_stride_tricks.sliding_window_view)
def sliding_window_view(
    interp: Interp, x: Any, window_shape: Any, axis: Any = None, *, subok: Any = False, writeable: Any = False
) -> RArray:
    """A view: each windowed axis is there twice, once shorter and once as long as the window."""
    only_default(interp, "sliding_window_view", writeable=(writeable, False))
    stage = interp.stage
    value = stored(interp, x)
    windows = [integer_expr(interp, w) for w in several(interp.resolve(window_shape))]
    places = list(range(value.rank)) if axis is None else list(axes_of_window(interp, axis, value.rank))
    if len(places) != len(windows):
        raise ValueError("Must provide window_shape for all dimensions of `x`, or matching axis")
    shape = list(value.shape)
    for place, window in zip(places, windows, strict=True):
        extent = build.add(isub(shape[place], window), ONE)
        if not stage.nonnegative(extent) or not stage.less(ZERO, extent):
            message = "window shape cannot be larger than input array shape"
            stage.fail_if(stage.let(build.le(extent, ZERO)), "ValueError", message)
        shape[place] = stage.extent(extent)
    axes = (*value.axes, *(value.axes[k] for k in places))
    return replace(value, shape=(*shape, *windows), axes=axes, readonly=True)


def axes_of_window(interp: Interp, axis: Any, rank: int) -> Sequence[int]:
    return [axis_of(interp, a, rank) for a in several(interp.resolve(axis))]


@handles(_stride_tricks.as_strided)
def as_strided(interp: Interp, *args: Any, **kwargs: Any) -> Any:
    raise interp.stage.refuse("as_strided looks at memory by its bytes", "use sliding_window_view or broadcast_to")


@handles(np.unravel_index)
def unravel_index(interp: Interp, indices: Any, shape: Any, order: Any = "C") -> Any:
    extents = _extents(interp, shape)
    where = interp.as_array(indices) if isinstance(indices, list) else indices
    found = interp.call(programs.unravel_index, [where, extents if order == "C" else extents[::-1]], {})
    return found if order == "C" else found[::-1]


@handles(np.ravel_multi_index)
def ravel_multi_index(interp: Interp, multi_index: Any, dims: Any, mode: Any = "raise", order: Any = "C") -> Any:
    places, extents = tuple(interp.static_iterable(multi_index)), _extents(interp, dims)
    if not isinstance(mode, str):
        raise interp.stage.refuse("several modes for ravel_multi_index", "use one mode")
    if order == "F":
        places, extents = places[::-1], extents[::-1]
    return interp.call(programs.ravel_multi_index, [places, extents, mode], {})


def _extents(interp: Interp, shape: Any) -> tuple[Any, ...]:
    shape = interp.resolve(shape)
    single = isinstance(shape, (int, RScalar))
    return (shape,) if single else tuple(interp.static_iterable(shape))


@handles(np.gcd)
def gcd(interp: Interp, x: Any, y: Any) -> Any:
    return _of_integers(interp, np.gcd, programs.greatest_divisor, x, y)


@handles(np.lcm)
def lcm(interp: Interp, x: Any, y: Any) -> Any:
    return _of_integers(interp, np.lcm, programs.least_multiple, x, y)


def _of_integers(interp: Interp, ufunc: Any, function: Any, x: Any, y: Any) -> Any:
    if isinstance(x, int) and isinstance(y, int):
        return interp.native(lambda: ufunc(x, y))
    operands = [array(interp, v) for v in (x, y)]
    if any(v.dtype.is_inexact for v in operands):
        raise TypeError(f"ufunc '{ufunc.__name__}' not supported for the input types")
    return programmed(interp, programs.of_integers, function, *operands)


# -- elements put in and taken out -----------------------------------------------------------------------------


def _positions(interp: Interp, obj: Any, extent: Any) -> RArray | None:
    """Several positions as an array of integers (None: obj is one position)."""
    obj = interp.resolve(obj)
    if isinstance(obj, slice):
        numbers = interp.call(np.arange, [python_int(extent)], {})
        return stored(interp, interp.get_item(numbers, obj))
    if isinstance(obj, (list, tuple)) or (isinstance(obj, RArray) and obj.rank):
        places = array(interp, obj)
        if places.dtype is BOOL:
            return stored(interp, interp.call(np.flatnonzero, [places], {}))
        if places.dtype.is_inexact and constant(places.shape[0]) != 0:
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        return stored(interp, interp.call(np.asarray, [places], {"dtype": np.int64}))
    return None


@handles(np.insert)
def insert(interp: Interp, arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    value = stored(interp, arr)
    if axis is None:
        value, axis = flat(interp.stage, value), 0
    place = axis_of(interp, axis, value.rank)
    several_places = _positions(interp, obj, value.shape[place])
    if several_places is not None:
        one = constant(several_places.shape[0]) == 1
        program = programs.insert_at_one_of if one else programs.insert_several
        return programmed(interp, program, value, several_places, values, place)
    return programmed(interp, programs.insert, value, python_int(integer_expr(interp, obj)), values, place)


@handles(np.delete)
def delete(interp: Interp, arr: Any, obj: Any, axis: Any = None) -> Any:
    value = stored(interp, arr)
    if axis is None:
        value, axis = flat(interp.stage, value), 0
    mask = interp.resolve(obj)
    if isinstance(mask, RArray) and mask.dtype is BOOL and value.rank == mask.rank == 1:
        message = "boolean array argument `obj` to delete must be one dimensional and match the axis length of {}"
        n = value.shape[0]
        if not interp.stage.same(mask.shape[0], n):
            interp.stage.fail_if(build.ne(mask.shape[0], n), "ValueError", message, (n,))
        return index.getitem(interp.stage, value, numeric.ufunc(interp.stage, np.logical_not, mask))
    place = axis_of(interp, axis, value.rank)
    several_places = _positions(interp, obj, value.shape[place])
    if several_places is not None:
        return programmed(interp, programs.delete_several, value, several_places, place)
    return programmed(interp, programs.delete, value, python_int(integer_expr(interp, obj)), place)


# -- points in boxes -------------------------------------------------------------------------------------------


@handles(np.histogram2d)
def histogram2d(interp: Interp, x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None,
                weights: Any = None) -> Any:  # fmt: skip
    columns = [stored(interp, v) for v in (x, y)]
    parts = several(interp.resolve(bins))
    if len(parts) == 1 and isinstance(bins, (list, tuple)):
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    pair = tuple(parts) if len(parts) == 2 else (bins, bins)
    hist, edges = _boxes(interp, columns, pair, range, density, weights)
    return hist, *edges


@handles(np.histogramdd)
def histogramdd(interp: Interp, sample: Any, bins: Any = 10, range: Any = None, density: Any = None,
                weights: Any = None) -> Any:  # fmt: skip
    given = interp.resolve(sample)
    if isinstance(given, (list, tuple)):
        columns = [stored(interp, v) for v in several(given)]
    else:
        points = stored(interp, given)
        count = interp.stage.static_int(points.shape[1], "the number of dimensions")
        columns = [interp.get_item(points, (slice(None), k)) for k in np.arange(count).tolist()]
    bins = interp.resolve(bins)
    each = tuple(several(bins)) if isinstance(bins, (list, tuple)) else (bins,) * len(columns)
    return _boxes(interp, columns, each, range, density, weights)


def _boxes(interp: Interp, columns: list[Any], bins: tuple[Any, ...], limits: Any, density: Any, weights: Any) -> Any:
    bounds = (None,) * len(columns)
    if limits is not None:
        bounds = tuple(None if r is None else tuple(interp.static_iterable(r)) for r in interp.static_iterable(limits))
    bins = tuple(array(interp, b) if isinstance(b, (list, tuple)) else b for b in bins)
    weights = None if weights is None else stored(interp, weights)
    hist, edges = programmed(interp, programs.histogramdd, tuple(columns), bins, bounds, bool(density), weights)
    return hist, tuple(edges)


# -- polynomials -----------------------------------------------------------------------------------------------


@handles(np.polymul)
def polymul(interp: Interp, a1: Any, a2: Any) -> Any:
    """Zeros at the beginning are taken off first, as NumPy does."""
    factors = [interp.call(np.atleast_1d, [array(interp, a)], {}) for a in (a1, a2)]
    return interp.call(np.convolve, [programmed(interp, programs.trimmed, f) for f in factors], {})


@handles(np.polyint)
def polyint(interp: Interp, p: Any, m: Any = 1, k: Any = None) -> Any:
    order = interp.known_int(m, "the number of integrations")
    given = [0.0] * order if k is None else k
    constants = interp.call(np.atleast_1d, [interp.call(np.add, [given, 0.0], {})], {})
    if order > 1 and k is not None and not isinstance(k, (list, tuple)):
        constants = interp.call(np.multiply, [constants, interp.call(np.ones, [order], {})], {})
    return programmed(interp, programs.polyint, array(interp, p), order, constants)


def _series(name: str, function: Any) -> None:
    """A sum of orthogonal polynomials at points."""
    program: Any = getattr(programs, name)

    @handles(function)
    def value(interp: Interp, x: Any, c: Any, tensor: Any = True) -> Any:  # pyright: ignore[reportUnusedFunction]
        coefficients = interp.call(np.add, [array(interp, c), 0.0], {})
        if coefficients.rank != 1:
            raise interp.stage.refuse(f"{name} with several columns of coefficients", "call it once for each column")
        padded = interp.call(np.append, [coefficients, [0.0]], {})  # so that there are two coefficients at least
        points = interp.call(np.asarray, [x], {}) if isinstance(x, (list, tuple)) else x
        return interp.call(program, [points, padded], {})


for _name, _module in (("chebval", "chebyshev"), ("legval", "legendre"), ("hermval", "hermite"),
                       ("hermeval", "hermite_e"), ("lagval", "laguerre")):  # fmt: skip
    _series(_name, getattr(getattr(np.polynomial, _module), _name))
