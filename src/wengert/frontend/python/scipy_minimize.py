# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Minima of functions of arrays: found as SciPy finds them; derivatives by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize

from wengert.codes import Code

from . import bounded_programs, descent_programs, minimum_programs, root_programs, simplex_programs
from .implicit import implicit
from .numpy_api.common import only_default
from .numpy_api.extra import programmed
from .registry import handles
from .scipy_minima import options_of, start_of
from .scipy_roots import Shared, several

if TYPE_CHECKING:
    from .interp import Interp

_ROOT_EPS = float(np.sqrt(np.finfo(float).eps))
_DONE = "Optimization terminated successfully."
_LOSS = "Desired error not necessarily achieved due to precision loss."
_MANY, _MANY_CALLS = (f"Maximum number of {what} has been exceeded." for what in ("iterations", "function evaluations"))
_NAN = "NaN result encountered."
_LIMITS = ("STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT", "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT")


@dataclass(frozen=True)
class Method:
    """A search: its program, options with their defaults, those that `tol` sets, and what its ends mean."""

    find: Callable[..., Any]
    options: dict[str, Any]
    tol: tuple[str, ...]
    statuses: tuple[int, ...]
    messages: tuple[str, ...]
    good: tuple[bool, ...]
    fields: tuple[str, ...] = ("njev",)
    bounded: bool = False


_DESCENT = (0, 1, 2, 3), (_DONE, _MANY, _LOSS, _NAN), (True, False, True, False)
_METHODS = {
    "BFGS": Method(
        minimum_programs.bfgs,
        {"eps": _ROOT_EPS, "gtol": 1e-5, "norm": np.inf, "maxiter": None, "xrtol": 0.0, "c1": 1e-4, "c2": 0.9},
        ("gtol",), *_DESCENT,
    ),
    "CG": Method(
        descent_programs.conjugate_gradients,
        {"eps": _ROOT_EPS, "gtol": 1e-5, "norm": np.inf, "maxiter": None, "c1": 1e-4, "c2": 0.4},
        ("gtol",), *_DESCENT,
    ),
    "NEWTON-CG": Method(
        descent_programs.newton,
        {"eps": _ROOT_EPS, "xtol": 1e-5, "maxiter": None, "c1": 1e-4, "c2": 0.9},
        ("xtol",),
        (0, 1, 2, 3, 3),
        (
            _DONE, f"Warning: {_MANY}", f"Warning: {_LOSS}",
            "Warning: CG iterations didn't converge. The Hessian is not positive definite.", _NAN,
        ),
        (True, False, True, False, False),
        ("njev", "nhev"),
    ),
    "L-BFGS-B": Method(
        bounded_programs.lbfgsb,
        {
            "eps": 1e-8, "maxcor": 10, "ftol": 2.2204460492503131e-09, "gtol": 1e-5, "maxfun": 15000, "maxiter": 15000,
            "maxls": 20,
        },
        ("ftol", "gtol"),
        (0, 0, 1, 1, 2),
        (
            "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL",
            "CONVERGENCE: RELATIVE REDUCTION OF F <= FACTR*EPSMCH", *_LIMITS, "ABNORMAL: ",
        ),
        (True, True, False, False, True),
        bounded=True,
    ),
    "NELDER-MEAD": Method(
        simplex_programs.nelder_mead,
        {"maxiter": None, "maxfev": None, "initial_simplex": None, "xatol": 1e-4, "fatol": 1e-4, "adaptive": False},
        ("xatol", "fatol"),
        (0, 1, 2), (_DONE, _MANY_CALLS, _MANY), (True, False, False), (), True,
    ),
}  # fmt: skip


@handles(scipy.optimize.minimize)
def minimize(
    interp: Interp, fun: Any, x0: Any, args: Any = (), method: Any = None, jac: Any = None, hess: Any = None,
    hessp: Any = None, bounds: Any = None, constraints: Any = (), tol: Any = None, callback: Any = None,
    options: Any = None,
) -> Any:  # fmt: skip
    only_default(interp, "minimize", constraints=(() if constraints in ([], {}) else constraints, ()))
    only_default(interp, "minimize", callback=(callback, None))
    name = str(method or ("BFGS" if bounds is None else "L-BFGS-B")).upper()
    if name not in _METHODS:
        raise interp.stage.refuse(
            f"minimize with method={method!r}", f"use one of the methods {', '.join(_METHODS)}", Code.KIND
        )
    way = _METHODS[name]
    if bounds is not None and not way.bounded:
        raise interp.stage.refuse(
            f"minimize with method={method!r} and bounds", "use the method L-BFGS-B or Nelder-Mead", Code.KIND
        )
    if name != "NEWTON-CG":
        hess = hessp = None  # SciPy warns that it does not use them
    chosen = way.options | ({} if tol is None else dict.fromkeys(way.tol, tol))
    chosen |= options_of(interp, options, chosen)
    if isinstance(jac, str) or isinstance(hess, str):
        raise interp.stage.refuse(
            f"minimize with jac={jac!r}, hess={hess!r}", "leave them out, or give functions", Code.KIND
        )
    parts = several(interp, args)
    if jac is True:
        fun, jac = (programmed(interp, root_programs.part_of, fun, k) for k in (0, 1))
    function = programmed(interp, minimum_programs.as_objective, fun, parts)
    given: list[Any] = []
    if "njev" in way.fields:
        given.append(programmed(interp, minimum_programs.as_gradient, jac, parts) if jac else None)
    if name == "NEWTON-CG":
        if not jac:
            interp.native(_no_slope)
        given.append(programmed(interp, minimum_programs.as_gradient, hess, parts) if hess else None)
        given.append(programmed(interp, minimum_programs.as_products, hessp, parts) if hessp else None)
    start, shared = start_of(interp, x0), Shared(function)
    limits = None if bounds is None else _limits(interp, bounds, start)
    if way.bounded:
        chosen = {"bounds": limits, **chosen}

    def find() -> Any:
        return programmed(interp, way.find, shared, *given, start, *chosen.values())

    def attached(found: list[Any]) -> Any:
        reached = programmed(interp, root_programs.chosen, way.good, found[0])
        return programmed(interp, minimum_programs.minimum, function, limits, reached, found[5])

    found = implicit(interp, "minimize", find, attached)
    return programmed(interp, minimum_programs.result, function, (way.statuses, way.messages), way.fields, *found)


def _no_slope() -> None:
    raise ValueError("Jacobian is required for Newton-CG method")


def _limits(interp: Interp, bounds: Any, start: Any) -> tuple[Any, Any]:
    """Lower and upper bounds as arrays, of an object with both, a matrix or pairs in which None is no bound."""
    bounds = interp.resolve(bounds)
    if isinstance(bounds, scipy.optimize.Bounds):
        both = interp.get_attribute(bounds, "lb"), interp.get_attribute(bounds, "ub")
    else:
        pairs = [list(interp.static_iterable(p)) for p in interp.static_iterable(bounds)]
        free = (-np.inf, np.inf)
        both = tuple([free[k] if interp.resolve(p[k]) is None else p[k] for p in pairs] for k in (0, 1))
    return tuple(programmed(interp, minimum_programs.as_limit, b, start) for b in both)  # pyright: ignore[reportReturnType]


# -- under older names -------------------------------------------------------------------------------------------


@handles(scipy.optimize.fmin)
def fmin(
    interp: Interp, func: Any, x0: Any, args: Any = (), xtol: Any = 1e-4, ftol: Any = 1e-4, maxiter: Any = None,
    maxfun: Any = None, full_output: Any = 0, disp: Any = 1, retall: Any = 0, callback: Any = None,
    initial_simplex: Any = None,
) -> Any:  # fmt: skip
    options = {"xatol": xtol, "fatol": ftol, "maxiter": maxiter, "maxfev": maxfun, "initial_simplex": initial_simplex}
    r = minimize(interp, func, x0, args, "Nelder-Mead", callback=callback, options={**options, "return_all": retall})
    return _fields(interp, r, ("x", "fun", "nit", "nfev", "status"), full_output)


@handles(scipy.optimize.fmin_cg)
def fmin_cg(
    interp: Interp, f: Any, x0: Any, fprime: Any = None, args: Any = (), gtol: Any = 1e-5, norm: Any = np.inf,
    epsilon: Any = _ROOT_EPS, maxiter: Any = None, full_output: Any = 0, disp: Any = 1, retall: Any = 0,
    callback: Any = None, c1: Any = 1e-4, c2: Any = 0.4,
) -> Any:  # fmt: skip
    options = {"gtol": gtol, "norm": norm, "eps": epsilon, "maxiter": maxiter, "c1": c1, "c2": c2}
    r = minimize(interp, f, x0, args, "CG", fprime, callback=callback, options={**options, "return_all": retall})
    return _fields(interp, r, ("x", "fun", "nfev", "njev", "status"), full_output)


@handles(scipy.optimize.fmin_bfgs)
def fmin_bfgs(
    interp: Interp, f: Any, x0: Any, fprime: Any = None, args: Any = (), gtol: Any = 1e-5, norm: Any = np.inf,
    epsilon: Any = _ROOT_EPS, maxiter: Any = None, full_output: Any = 0, disp: Any = 1, retall: Any = 0,
    callback: Any = None, xrtol: Any = 0, c1: Any = 1e-4, c2: Any = 0.9, hess_inv0: Any = None,
) -> Any:  # fmt: skip
    """Without `full_output`, which has the search's approximation of the curvature."""
    only_default(interp, "fmin_bfgs", full_output=(full_output, 0), hess_inv0=(hess_inv0, None))
    options = {"gtol": gtol, "norm": norm, "eps": epsilon, "maxiter": maxiter, "xrtol": xrtol, "c1": c1, "c2": c2}
    r = minimize(interp, f, x0, args, "BFGS", fprime, callback=callback, options={**options, "return_all": retall})
    return _fields(interp, r, ("x",), False)


@handles(scipy.optimize.fmin_ncg)
def fmin_ncg(
    interp: Interp, f: Any, x0: Any, fprime: Any, fhess_p: Any = None, fhess: Any = None, args: Any = (),
    avextol: Any = 1e-5, epsilon: Any = _ROOT_EPS, maxiter: Any = None, full_output: Any = 0, disp: Any = 1,
    retall: Any = 0, callback: Any = None, c1: Any = 1e-4, c2: Any = 0.9,
) -> Any:  # fmt: skip
    options = {"xtol": avextol, "eps": epsilon, "maxiter": maxiter, "c1": c1, "c2": c2, "return_all": retall}
    r = minimize(interp, f, x0, args, "Newton-CG", fprime, fhess, fhess_p, callback=callback, options=options)
    return _fields(interp, r, ("x", "fun", "nfev", "njev", "nhev", "status"), full_output)


@handles(scipy.optimize.fmin_l_bfgs_b)
def fmin_l_bfgs_b(
    interp: Interp, func: Any, x0: Any, fprime: Any = None, args: Any = (), approx_grad: Any = 0, bounds: Any = None,
    m: Any = 10, factr: Any = 1e7, pgtol: Any = 1e-5, epsilon: Any = 1e-8, iprint: Any = None, maxfun: Any = 15000,
    maxiter: Any = 15000, disp: Any = None, callback: Any = None, maxls: Any = 20,
) -> Any:  # fmt: skip
    slope = None if approx_grad else True if fprime is None else fprime
    options = {
        "maxcor": m, "ftol": interp.call(np.multiply, [factr, float(np.finfo(float).eps)], {}), "gtol": pgtol,
        "eps": epsilon, "maxfun": maxfun, "maxiter": maxiter, "maxls": maxls,
    }  # fmt: skip
    r = minimize(interp, func, x0, args, "L-BFGS-B", slope, bounds=bounds, callback=callback, options=options)
    x, value, *more = _fields(interp, r, ("x", "fun", "jac", "message", "nfev", "nit", "status"), True)
    return x, value, dict(zip(("grad", "task", "funcalls", "nit", "warnflag"), more, strict=True))


def _fields(interp: Interp, result: Any, names: tuple[str, ...], several: Any) -> Any:
    values = tuple(interp.get_attribute(result, n) for n in names)
    return values if several else values[0]
