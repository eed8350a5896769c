# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""scipy.optimize: what is found is found as SciPy finds it; derivatives are those of the implicit function theorem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import scipy.optimize

from wengert.codes import Code

from . import scipy_fits, scipy_minima, scipy_minimize, scipy_roots  # pyright: ignore[reportUnusedImport]  # noqa: F401
from .registry import handles

if TYPE_CHECKING:
    from .interp import Interp


@handles(
    scipy.optimize.toms748, scipy.optimize.fixed_point, scipy.optimize.fmin_powell, scipy.optimize.fmin_tnc,
    scipy.optimize.fmin_cobyla, scipy.optimize.fmin_slsqp, scipy.optimize.basinhopping,
    scipy.optimize.brute, scipy.optimize.differential_evolution, scipy.optimize.dual_annealing, scipy.optimize.shgo,
)  # fmt: skip
def refused(interp: Interp, *args: Any, **options: Any) -> Any:
    """Following their steps would give the derivatives of the steps, which are not those of what they lead to."""
    raise interp.stage.refuse(
        "this search of scipy.optimize has no derivative here",
        "call minimize, minimize_scalar, least_squares, curve_fit, or search for roots (root, root_scalar)",
        Code.KIND,
    )
