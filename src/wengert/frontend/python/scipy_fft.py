# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""scipy.fft: the transforms that numpy.fft has, and cosine transforms of types 2 and 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft

from . import scipy_c_programs
from .numpy_api.common import only_default
from .numpy_api.extra import programmed
from .registry import HANDLERS

if TYPE_CHECKING:
    from .interp import Interp

_LINES = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_SEVERAL = ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "irfft2", "rfftn", "irfftn")


def _as_numpy(name: str, several: bool) -> None:
    transform: Any = getattr(np.fft, name)
    sizes, places = ("s", "axes") if several else ("n", "axis")

    def handler(
        interp: Interp, x: Any, size: Any = None, place: Any = None, norm: Any = None, overwrite_x: Any = False,
        workers: Any = None, *, plan: Any = None, **named: Any,
    ) -> Any:  # fmt: skip
        given = {sizes: size, places: place, "norm": norm, **named}
        return interp.call(transform, [x], {k: v for k, v in given.items() if v is not None})

    HANDLERS[getattr(scipy.fft, name)] = handler


for _name in _LINES:
    _as_numpy(_name, False)
for _name in _SEVERAL:
    _as_numpy(_name, True)
for _name in ("fftfreq", "rfftfreq", "fftshift", "ifftshift"):
    if (_found := getattr(scipy.fft, _name)) is not getattr(np.fft, _name):
        HANDLERS[_found] = HANDLERS[getattr(np.fft, _name)]


def _cosine(interp: Interp, x: Any, kind: Any, n: Any, axis: Any, norm: Any, inverse: bool) -> Any:
    only_default(interp, "dct", n=(n, None))
    if kind not in (2, 3) or norm not in (None, "backward", "ortho"):
        raise interp.stage.refuse("a cosine transform of another type or norm", "use type 2 or 3, norm None or 'ortho'")
    lines = interp.call(np.moveaxis, [interp.call(np.multiply, [x, 1.0], {}), axis, -1], {})
    program = scipy_c_programs.dct2 if (kind == 2) != inverse else scipy_c_programs.dct3
    found = programmed(interp, program, lines, norm)
    if inverse and norm != "ortho":
        extent = interp.get_item(interp.get_attribute(lines, "shape"), -1)
        found = interp.binary("/", found, interp.binary("*", 2, extent))
    return interp.call(np.moveaxis, [found, -1, axis], {})


def _cosines(transform: Any, inverse: bool) -> None:
    def handler(
        interp: Interp, x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None,
        overwrite_x: Any = False, workers: Any = None, orthogonalize: Any = None,
    ) -> Any:  # fmt: skip
        only_default(interp, transform.__name__, orthogonalize=(orthogonalize, None))
        return _cosine(interp, x, type, n, axis, norm, inverse)

    HANDLERS[transform] = handler


_cosines(scipy.fft.dct, False)
_cosines(scipy.fft.idct, True)
