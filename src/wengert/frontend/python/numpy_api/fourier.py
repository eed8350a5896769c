"""numpy.fft."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr, Var
from wengert.ir.types import C64, C128, F32, F64, I64

from .. import arrays, numeric
from ..registry import handles
from ..values import RArray, RScalar
from .common import (
    array,
    axis_of,
    cast,
    generated,
    hint_of,
    integer_expr,
    only_default,
    part,
    permute,
    require_nonempty,
    several,
)
from .linalg import at, library

if TYPE_CHECKING:
    from ..interp import Interp


# -- Fourier transforms ----------------------------------------------------------------------------------------


def _transform(interp: Interp, a: Any, n: Any, axis: Any, norm_: Any, inverse: bool) -> RArray:
    stage = interp.stage
    value = array(interp, a)
    if value.rank == 0:
        raise np.exceptions.AxisError(-1, 0)
    kind = C64 if value.dtype in (F32, C64) else C128
    place = axis_of(interp, axis, value.rank)
    if n is not None:
        value = _resized(interp, value, place, integer_expr(interp, n))
    length = value.shape[place]
    require_nonempty(stage, length, f"Invalid number of FFT data points ({constant(length) or 0}) specified.")
    if norm_ not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm_}; should be "backward", "ortho" or "forward".')
    moved = permute(stage, value, [*(k for k in range(value.rank) if k != place), place])
    source = arrays.stored(stage, cast(stage, moved, kind))
    target = stage.alloc(kind, source.shape, hint_of(interp, "spectrum"))

    def line(i: tuple[Expr, ...]) -> None:
        library(interp, "fft", [at(interp, target, i)], [at(interp, source, i)], inverse=inverse)

    arrays.nest(stage, source.shape[:-1], line)
    result: RArray | RScalar = target
    power = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}[norm_] * (1 if inverse else -1)
    if power:
        scale = build.op("pow", build.cast(length, F64), build.const(power, F64))
        factor = RScalar(stage.let(build.cast(scale, kind.real), "scale"), False)
        result = numeric.ufunc(stage, np.multiply, target, factor)
    assert isinstance(result, RArray)
    order = list(range(value.rank - 1))
    order.insert(place, value.rank - 1)
    return permute(stage, result, order)


def _resized(interp: Interp, value: RArray, axis: int, n: Expr) -> RArray:
    """Cut or padded with zeros to n elements along an axis."""
    stage = interp.stage
    have = value.shape[axis]
    if stage.same(n, have):
        return value
    if stage.facts.nonnegative(isub(have, n)):
        return part(stage, value, axis, ZERO, n)
    value = arrays.stored(stage, value)
    shape = (*value.shape[:axis], n, *value.shape[axis + 1 :])
    target = stage.alloc(value.dtype, shape, "padded", zero=True)
    both = have if stage.facts.nonnegative(isub(n, have)) else stage.extent(build.min_(n, have))
    arrays.fill(stage, part(stage, target, axis, ZERO, both), lambda i: arrays.element(value, i))
    return target


@handles(np.fft.fft)
def fft(interp: Interp, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> RArray:
    only_default(interp, "fft", out=(out, None))
    return _transform(interp, a, n, axis, norm, False)


@handles(np.fft.ifft)
def ifft(interp: Interp, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> RArray:
    only_default(interp, "ifft", out=(out, None))
    return _transform(interp, a, n, axis, norm, True)


def _over_axes(interp: Interp, a: Any, s: Any, axes: Any, norm_: Any, inverse: bool) -> RArray:
    if s is not None:
        raise interp.stage.refuse("multi-dimensional transforms with s= are not supported", "pad the array first")
    value = array(interp, a)
    places = range(value.rank) if axes is None else axes
    for k in places:
        value = _transform(interp, value, None, k, norm_, inverse)
    return value


@handles(np.fft.fft2)
def fft2(interp: Interp, a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> RArray:
    return _over_axes(interp, a, s, axes, norm, False)


@handles(np.fft.ifft2)
def ifft2(interp: Interp, a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> RArray:
    return _over_axes(interp, a, s, axes, norm, True)


@handles(np.fft.fftn)
def fftn(interp: Interp, a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> RArray:
    return _over_axes(interp, a, s, axes, norm, False)


@handles(np.fft.ifftn)
def ifftn(interp: Interp, a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> RArray:
    return _over_axes(interp, a, s, axes, norm, True)


@handles(np.fft.rfft)
def rfft(interp: Interp, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> RArray:
    """The non-negative half of the spectrum of a real array."""
    stage = interp.stage
    value = array(interp, a)
    if value.dtype.is_complex:
        raise stage.refuse("rfft of a complex array", "use fft")
    place = axis_of(interp, axis, value.rank)
    full = arrays.stored(stage, _transform(interp, value, n, place, norm, False))
    half = iadd(_half(interp, full.shape[place]), ONE)
    return part(stage, full, place, ZERO, half)


def _half(interp: Interp, n: Expr) -> Expr:
    value = constant(n)
    if value is not None:
        return Const(value // 2, I64)
    named = interp.stage.let(build.op("floordiv", n, Const(2, I64)), "half")
    if isinstance(named, Var):
        interp.stage.facts.assume(named, 0, n)
    return named


@handles(np.fft.irfft)
def irfft(interp: Interp, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """The real array of a half spectrum: the other half is its mirror image."""
    stage = interp.stage
    value = array(interp, a)
    place = axis_of(interp, axis, value.rank)
    m = value.shape[place]
    length = imul(Const(2, I64), isub(m, ONE)) if n is None else integer_expr(interp, n)
    require_nonempty(stage, length, "Invalid number of FFT data points specified.")
    kind = C64 if value.dtype in (F32, C64) else C128
    half = arrays.stored(stage, _resized(interp, cast(stage, value, kind), place, iadd(_half(interp, length), ONE)))
    shape = (*half.shape[:place], length, *half.shape[place + 1 :])

    def element(i: Sequence[Expr]) -> Expr:
        k = i[place]
        mirror = isub(length, k)
        near = build.le(k, mirror)
        first = build.or_(build.eq(k, ZERO), build.eq(k, mirror))
        where = stage.let(build.select(near, k, mirror))
        z = stage.let(arrays.element(half, [*i[:place], where, *i[place + 1 :]]))
        real = build.cast(build.op("real", z), kind)
        return build.select(first, real, build.select(near, z, build.op("conj", z)))

    whole = arrays.lazy(stage, kind, shape, element, [half])
    spectrum = arrays.stored(stage, _transform(interp, whole, None, place, norm, True))
    return arrays.lazy(stage, kind.real, shape, lambda i: build.op("real", arrays.element(spectrum, i)), [spectrum])


@handles(np.fft.fftfreq)
def fftfreq(interp: Interp, n: Any, d: Any = 1.0, device: Any = None) -> RArray:
    return _frequencies(interp, n, d, symmetric=True)


@handles(np.fft.rfftfreq)
def rfftfreq(interp: Interp, n: Any, d: Any = 1.0, device: Any = None) -> RArray:
    return _frequencies(interp, n, d, symmetric=False)


def _frequencies(interp: Interp, n: Any, d: Any, symmetric: bool) -> RArray:
    stage = interp.stage
    count = integer_expr(interp, n)
    spacing = build.cast(numeric.as_scalar(interp.resolve(d)).expr, F64)
    unit = stage.let(build.div(build.const(1.0, F64), build.mul(build.cast(count, F64), spacing)), "unit")
    if not symmetric:
        points = iadd(_half(interp, count), ONE)
        return generated(stage, F64, (points,), lambda i: build.mul(build.cast(i[0], F64), unit))
    positive = _half(interp, iadd(count, ONE))

    def value(i: Sequence[Expr]) -> Expr:
        k = build.select(build.lt(i[0], positive), i[0], build.sub(i[0], count))
        return build.mul(build.cast(k, F64), unit)

    return generated(stage, F64, (count,), value)


def _shifted(interp: Interp, x: Any, axes: Any, inverse: bool) -> RArray:
    from .join import roll

    value = array(interp, x)
    places = range(value.rank) if axes is None else several(axes)
    for k in places:
        place = axis_of(interp, k, value.rank)
        half = _half(interp, value.shape[place])
        by = isub(ZERO, half) if inverse else half
        value = roll(interp, value, RScalar(by, True), place)
    return value


@handles(np.fft.fftshift)
def fftshift(interp: Interp, x: Any, axes: Any = None) -> RArray:
    return _shifted(interp, x, axes, False)


@handles(np.fft.ifftshift)
def ifftshift(interp: Interp, x: Any, axes: Any = None) -> RArray:
    return _shifted(interp, x, axes, True)
