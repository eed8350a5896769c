# pyright: basic
"""Minima by values alone: SciPy's own program, which is staged."""

from __future__ import annotations

from typing import Any

from scipy.optimize import Bounds, _optimize


def nelder_mead(
    f: Any, x0: Any, bounds: Any, most: Any, most_calls: Any, simplex: Any, xatol: float, fatol: float, adaptive: bool
) -> tuple[Any, ...]:
    """How it ended, how many iterations and evaluations of the function it took, and the minimum."""

    def function(x):
        return f(x)

    within = None if bounds is None else Bounds(*bounds)
    r = _optimize._minimize_neldermead(
        function, x0, bounds=within, maxiter=most, maxfev=most_calls, initial_simplex=simplex, xatol=xatol,
        fatol=fatol, adaptive=adaptive,
    )  # fmt: skip
    return r.status, r.nit, r.nfev, 0, 0, r.x
