# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""scipy.ndimage and scipy.signal: their own source is staged; what it calls in C is here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.signal

from . import scipy_c_programs
from .numpy_api.common import array
from .numpy_api.extra import programmed
from .registry import handles

if TYPE_CHECKING:
    from .interp import Interp

_images: Any = importlib.import_module("scipy.ndimage._nd_image")
_signals: Any = importlib.import_module("scipy.signal._sigtools")
_PADDING = {0: "edge", 1: "wrap", 2: "symmetric", 3: "reflect", 4: "constant"}
"""How numpy.pad calls SciPy's extension modes."""


def _padding(interp: Interp, mode: Any) -> str:
    code = interp.known_int(mode, "the mode of a filter")
    if code not in _PADDING:
        raise interp.stage.refuse("filters with a mode of grids", "use reflect, mirror, nearest, wrap or constant")
    return _PADDING[code]


@handles(_images.correlate1d)
def correlate1d(
    interp: Interp, source: Any, weights: Any, axis: Any, output: Any, mode: Any, outside: Any, origin: Any
) -> None:
    padding = _padding(interp, mode)
    programmed(interp, scipy_c_programs.correlate1d, source, weights, axis, output, padding, outside, origin)


@handles(_images.uniform_filter1d)
def uniform_filter1d(
    interp: Interp, source: Any, size: Any, axis: Any, output: Any, mode: Any, outside: Any, origin: Any
) -> None:
    count = interp.known_int(size, "the size of a filter")
    correlate1d(interp, source, np.full(count, 1.0 / count), axis, output, mode, outside, origin)


@handles(_images.correlate)
def correlate(interp: Interp, source: Any, weights: Any, output: Any, mode: Any, outside: Any, origins: Any) -> None:
    if array(interp, source).rank != 2:
        raise interp.stage.refuse("filters of arrays that are not two-dimensional", "filter along each axis in turn")
    padding = _padding(interp, mode)
    programmed(interp, scipy_c_programs.correlate_plane, source, weights, output, padding, outside, origins)


@handles(_signals._linear_filter)
def linear_filter(interp: Interp, b: Any, a: Any, x: Any, axis: Any = -1, start: Any = None) -> Any:
    return programmed(interp, scipy_c_programs.linear_filter, b, a, x, axis, start)


@handles(scipy.signal.sosfilt)
def sosfilt(interp: Interp, sos: Any, x: Any, axis: Any = -1, zi: Any = None) -> Any:
    return programmed(interp, scipy_c_programs.in_sections, sos, x, axis, zi)


@handles(_signals._convolve2d)
def convolve2d(interp: Interp, x: Any, y: Any, flip: Any = 1, mode: Any = 2, boundary: Any = 0, fill: Any = 0) -> Any:
    if interp.known_int(boundary, "the boundary of convolve2d"):
        raise interp.stage.refuse(
            "convolve2d with a boundary other than 'fill'", "call np.pad first, then mode='valid'"
        )
    if not isinstance(fill, (int, float)) or fill != 0:
        raise interp.stage.refuse("convolve2d with a fill value", "call np.pad first, then mode='valid'")
    if not flip:
        y = interp.get_item(y, (slice(None, None, -1), slice(None, None, -1)))
    name = {0: "valid", 1: "same", 2: "full"}[interp.known_int(mode, "the mode of convolve2d")]
    return programmed(interp, scipy_c_programs.convolve_planes, x, y, name)


def _convolved(interp: Interp, x: Any, y: Any, mode: Any) -> Any:
    ranks = {array(interp, v).rank for v in (x, y)}
    if len(ranks) > 1:
        raise ValueError("volume and kernel should have the same dimensionality")
    if ranks not in ({1}, {2}):
        raise interp.stage.refuse("convolutions of arrays of more than two dimensions", "loop over the other ones")
    if mode not in ("full", "same", "valid"):
        raise ValueError("acceptable mode flags are 'valid', 'same', or 'full'")
    program = scipy_c_programs.convolve_lines if ranks == {1} else scipy_c_programs.convolve_planes
    return programmed(interp, program, x, y, mode)


@handles(scipy.signal.convolve)
def convolve(interp: Interp, in1: Any, in2: Any, mode: Any = "full", method: Any = "auto") -> Any:
    """By whatever method: they agree to rounding."""
    return _convolved(interp, in1, in2, mode)


@handles(scipy.signal.fftconvolve)
def fftconvolve(interp: Interp, in1: Any, in2: Any, mode: Any = "full", axes: Any = None) -> Any:
    if interp.resolve(axes) is not None:
        raise interp.stage.refuse("fftconvolve along some axes", "loop over the others")
    return _convolved(interp, in1, in2, mode)


@handles(scipy.signal.correlate)
def correlate_signals(interp: Interp, in1: Any, in2: Any, mode: Any = "full", method: Any = "auto") -> Any:
    turned = interp.call(np.conj, [interp.call(np.flip, [in2], {})], {})
    return _convolved(interp, in1, turned, mode)
