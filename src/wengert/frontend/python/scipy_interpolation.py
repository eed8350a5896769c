# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""scipy.interpolate: its own source is staged; the evaluation of piecewise polynomials, which it has in C, is here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import scipy_c_programs
from .numpy_api.extra import programmed
from .registry import handles

if TYPE_CHECKING:
    from .interp import Interp

_polynomials: Any = importlib.import_module("scipy.interpolate._ppoly")


@handles(_polynomials.evaluate)
def evaluate(interp: Interp, c: Any, breaks: Any, points: Any, order: Any, extrapolate: Any, out: Any) -> None:
    derivative = interp.known_int(order, "the order of a derivative")
    if derivative < 0:
        raise interp.stage.refuse("antiderivatives of piecewise polynomials by order", "call .antiderivative()")
    programmed(interp, scipy_c_programs.evaluate, c, breaks, points, derivative, bool(extrapolate), out)
