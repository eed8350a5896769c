# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Least squares of scipy.optimize: found as SciPy finds them; derivatives by the implicit function theorem."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize

from wengert.codes import Code

from . import arrays, fit_programs, root_programs
from .closures import Closure
from .implicit import implicit
from .numeric import as_scalar
from .numpy_api.common import cast_any, only_default
from .numpy_api.extra import programmed
from .registry import handles
from .scipy_minima import start_of
from .scipy_roots import Shared, several

if TYPE_CHECKING:
    from .interp import Interp

_ROOT_EPS = float(np.sqrt(np.finfo(float).eps))
_LOSSES = ("linear", "soft_l1", "huber", "cauchy", "arctan")


def _fit(interp: Interp, name: str, function: Any, x0: Any, find: Any, cost: Any) -> tuple[Any, ...]:
    """What `find` finds, with the derivative of the parameters where the cost is least."""
    start = start_of(interp, x0)
    shared = Shared(function)

    def attached(found: list[Any]) -> Any:
        return programmed(interp, fit_programs.fitted, cost, found[0], found[3])

    return implicit(interp, name, lambda: find(shared, start), attached)


def _levenberg_marquardt(
    interp: Interp, name: str, function: Any, slopes: Any, x0: Any, *options: Any
) -> tuple[Any, ...]:
    def find(shared: Any, start: Any) -> Any:
        return programmed(interp, fit_programs.levenberg_marquardt, shared, slopes, start, *options)

    cost = programmed(interp, fit_programs.cost_of, function, "linear", 1.0)
    return _fit(interp, name, function, x0, find, cost)


def _minpack(
    interp: Interp, name: str, function: Any, slopes: Any, x0: Any, ftol: Any = 1.49012e-8, xtol: Any = 1.49012e-8,
    gtol: Any = 0.0, maxfev: Any = 0, epsfcn: Any = None, factor: Any = 100, diag: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """With the defaults of leastsq, which curve_fit passes on."""
    most = maxfev or _by_size(interp, x0, 200 if slopes is None else 100, 1)
    relative = max(float(epsfcn or 0.0), float(np.finfo(float).eps)) ** 0.5
    options = ftol, xtol, gtol, most, relative, 0.0, factor, diag
    return _levenberg_marquardt(interp, name, function, slopes, x0, *options)


def _by_size(interp: Interp, x0: Any, each: int, more: int) -> Any:
    """Evaluations for so many parameters."""
    return programmed(interp, fit_programs.by_size, interp.call(np.ravel, [x0], {}), each, more)


@handles(scipy.optimize.leastsq)
def leastsq(
    interp: Interp, func: Any, x0: Any, args: Any = (), Dfun: Any = None, full_output: Any = False,
    col_deriv: Any = False, ftol: Any = 1.49012e-8, xtol: Any = 1.49012e-8, gtol: Any = 0.0, maxfev: Any = 0,
    epsfcn: Any = None, factor: Any = 100, diag: Any = None,
) -> Any:  # fmt: skip
    """With `full_output` the covariance is that of the exact slopes, and `infodict` has nfev and fvec."""
    parts = several(interp, args)
    function = programmed(interp, fit_programs.as_residuals, func, parts, {})
    slopes = programmed(interp, fit_programs.as_slopes, Dfun, parts, {}, bool(col_deriv)) if Dfun is not None else None
    options = ftol, xtol, gtol, maxfev, epsfcn, factor, diag
    found = _minpack(interp, "leastsq", function, slopes, x0, *options)
    if not full_output:
        return found[3], found[0]
    covariance = programmed(interp, fit_programs.covariance, function, found[3])
    return found[3], covariance, {"nfev": found[1], "fvec": interp.call(function, [found[3]], {})}, "", found[0]


@handles(scipy.optimize.curve_fit)
def curve_fit(
    interp: Interp, f: Any, xdata: Any, ydata: Any, p0: Any = None, sigma: Any = None, absolute_sigma: Any = False,
    check_finite: Any = None, bounds: Any = (-np.inf, np.inf), method: Any = None, jac: Any = None,
    full_output: Any = False, nan_policy: Any = None, **more: Any,
) -> Any:  # fmt: skip
    only_default(interp, "curve_fit", full_output=(full_output, False), nan_policy=(nan_policy, None))
    _unbounded(interp, "curve_fit", bounds)
    if method not in (None, "lm"):
        raise interp.stage.refuse(f"curve_fit with method={method!r}", 'use the method "lm"', Code.KIND)
    if unknown := sorted(set(more) - {"maxfev", "ftol", "xtol", "gtol", "factor", "diag", "epsfcn"}):
        raise interp.stage.refuse(f"curve_fit with {', '.join(unknown)}", "leave them out", Code.KIND)
    if p0 is None:
        p0 = arrays.copy(interp.stage, interp.as_array(np.ones(_positional(f) - 1)))
    if isinstance(interp.resolve(xdata), (list, tuple)):
        xdata = interp.call(np.asarray, [xdata], {})
    data, *held = (_as_now(interp, a) for a in (interp.call(np.asarray, [ydata, float], {}), xdata, sigma))
    xdata, sigma = held
    function = programmed(interp, fit_programs.of_curve, f, xdata, data, sigma)
    slopes = None if jac is None else programmed(interp, fit_programs.slopes_of_curve, jac, xdata, sigma)
    found = _minpack(interp, "curve_fit", function, slopes, p0, **more)
    programmed(interp, fit_programs.loud, found[0])
    return found[3], programmed(interp, fit_programs.covariance_of_curve, function, found[3], absolute_sigma)


def _positional(f: Any) -> int:
    """How many positional parameters a function has."""
    if isinstance(f, Closure):
        return len(f.node.args.posonlyargs) + len(f.node.args.args)
    parameters = inspect.signature(f).parameters.values()
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _as_now(interp: Interp, value: Any) -> Any:
    """An array that the program may rebind, as it is now."""
    return several(interp, (value,))[0]


def _unbounded(interp: Interp, name: str, bounds: Any) -> None:
    parts = interp.resolve(bounds)
    if not (isinstance(parts, tuple) and all(type(b) is float and not np.isfinite(b) for b in cast_any(parts))):  # pyright: ignore[reportUnknownVariableType]
        raise interp.stage.refuse(f"{name} with bounds", "leave the bounds out, or substitute the variables", Code.KIND)


@handles(scipy.optimize.least_squares)
def least_squares(
    interp: Interp, fun: Any, x0: Any, jac: Any = "2-point", bounds: Any = (-np.inf, np.inf), method: Any = "trf",
    ftol: Any = 1e-8, xtol: Any = 1e-8, gtol: Any = 1e-8, x_scale: Any = None, loss: Any = "linear",
    f_scale: Any = 1.0, diff_step: Any = None, tr_solver: Any = None, tr_options: Any = None, jac_sparsity: Any = None,
    max_nfev: Any = None, verbose: Any = 0, args: Any = (), kwargs: Any = None, callback: Any = None,
    workers: Any = None,
) -> Any:  # fmt: skip
    only_default(
        interp, "least_squares", diff_step=(diff_step, None), tr_options=(tr_options, None), workers=(workers, None),
        jac_sparsity=(jac_sparsity, None), callback=(callback, None),
    )  # fmt: skip
    _unbounded(interp, "least_squares", bounds)
    by_jac = isinstance(x_scale, str)
    if (
        method not in ("trf", "lm")
        or loss not in _LOSSES
        or tr_solver not in (None, "exact")
        or (by_jac and method == "trf")
    ):
        raise interp.stage.refuse(
            f"least_squares with method={method!r}, loss={loss!r}, tr_solver={tr_solver!r}, x_scale={x_scale!r}",
            'use the methods "trf" or "lm", and the losses that SciPy names', Code.KIND,
        )  # fmt: skip
    if isinstance(jac, str) and jac != "2-point":
        raise interp.stage.refuse(f"least_squares with jac={jac!r}", "leave it out, or give a function", Code.KIND)
    parts = several(interp, args)
    named: dict[str, Any] = kwargs or {}
    function = programmed(interp, fit_programs.as_residuals, fun, parts, named)
    slopes = None
    if not isinstance(jac, str):
        slopes = programmed(interp, fit_programs.as_slopes, jac, parts, named, False)
    if method == "lm":
        most = _by_size(interp, x0, 100, 0) if max_nfev is None else max_nfev
        diag = None if x_scale is None or by_jac else interp.call(np.divide, [1.0, x_scale], {})
        found = _levenberg_marquardt(
            interp, "least_squares", function, slopes, x0, ftol, xtol, gtol, most, _ROOT_EPS, 1.0, 100.0, diag
        )
        found = (programmed(interp, root_programs.chosen, fit_programs.COMMON, found[0]), *found[1:])
    else:
        options = ftol, xtol, gtol, max_nfev, 1.0 if x_scale is None else x_scale, loss, f_scale

        def find(shared: Any, start: Any) -> Any:
            return programmed(interp, fit_programs.trust_region, shared, slopes, start, *options)

        cost = programmed(interp, fit_programs.cost_of, function, loss, f_scale)
        found = _fit(interp, "least_squares", function, x0, find, cost)
    return programmed(interp, fit_programs.result, function, *found, loss, as_scalar(interp.resolve(f_scale)))
