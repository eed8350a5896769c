# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Minima of scipy.optimize: found as SciPy finds them; derivatives are those of the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize

from wengert.codes import Code

from . import arrays, minimum_programs, root_programs
from .implicit import implicit
from .numpy_api.extra import programmed
from .registry import HANDLERS, handles
from .scipy_roots import Shared, several

if TYPE_CHECKING:
    from .interp import Interp

_SCALAR: dict[str, tuple[Callable[..., Any], frozenset[str]]] = {
    "brent": (minimum_programs.by_brent, frozenset({"xtol", "maxiter"})),
    "golden": (minimum_programs.by_golden, frozenset({"xtol", "maxiter"})),
    "bounded": (minimum_programs.in_bounds, frozenset({"xatol", "maxiter"})),
}


def options_of(interp: Interp, given: Any, known: Any) -> dict[str, Any]:
    """Those of a dict that change what is found."""
    options: dict[str, Any] = given or {}
    found = {k: v for k, v in options.items() if k not in ("disp", "return_all") or v}
    if unknown := sorted(set(found) - set(known)):
        raise interp.stage.refuse(f"a search of scipy.optimize with {', '.join(unknown)}", "leave them out", Code.KIND)
    return found


# -- of functions of a number ------------------------------------------------------------------------------------


@handles(scipy.optimize.minimize_scalar)
def minimize_scalar(
    interp: Interp, fun: Any, bracket: Any = None, bounds: Any = None, args: Any = (), method: Any = None,
    tol: Any = None, options: Any = None,
) -> Any:  # fmt: skip
    name = str(method or ("brent" if bounds is None else "bounded")).lower()
    if name not in _SCALAR or (bounds is None) == (name == "bounded"):
        raise interp.stage.refuse(
            f"minimize_scalar by {name}{' with' if bounds is not None else ' without'} bounds",
            'use the methods "brent" or "golden", or "bounded" with bounds',
            Code.KIND,
        )
    tolerance = {} if tol is None else {"xatol" if name == "bounded" else "xtol": tol}
    chosen = tolerance | options_of(interp, options, _SCALAR[name][1])
    function, found = _scalar(interp, name, fun, args, bracket if bounds is None else bounds, chosen)
    return programmed(interp, minimum_programs.scalar_result, function, *found)


def _scalar(interp: Interp, name: str, fun: Any, args: Any, within: Any, options: dict[str, Any]) -> tuple[Any, ...]:
    """The function, and what was found."""
    function = programmed(interp, root_programs.with_args, fun, several(interp, args))
    shared, bounds = Shared(function), within if name == "bounded" else None

    def find() -> Any:
        return programmed(interp, _SCALAR[name][0], shared, within, options)

    def attached(found: list[Any]) -> Any:
        return programmed(interp, minimum_programs.scalar_minimum, function, bounds, found[0], found[4])

    return function, implicit(interp, name, find, attached)


def _short(name: str, iterations: int) -> Callable[..., Any]:
    """The handler of scipy.optimize.brent or golden."""

    def handler(interp: Interp, func: Any, args: Any = (), brack: Any = None, tol: Any = None, full_output: Any = 0,
                maxiter: Any = iterations) -> Any:  # fmt: skip
        options = {"maxiter": maxiter} | ({} if tol is None else {"xtol": tol})
        function, found = _scalar(interp, name, func, args, brack, options)
        if not full_output:
            return found[4]
        value = interp.call(function, [found[4]], {})
        return (found[4], value, found[1], found[2]) if name == "brent" else (found[4], value, found[2])

    HANDLERS[getattr(scipy.optimize, name)] = handler
    return handler


_short("brent", 500)
_short("golden", 5000)


@handles(scipy.optimize.fminbound)
def fminbound(
    interp: Interp, func: Any, x1: Any, x2: Any, args: Any = (), xtol: Any = 1e-5, maxfun: Any = 500,
    full_output: Any = 0, disp: Any = 1,
) -> Any:  # fmt: skip
    options = {"xatol": xtol, "maxiter": maxfun}
    function, found = _scalar(interp, "bounded", func, args, (x1, x2), options)
    if not full_output:
        return found[4]
    return found[4], interp.call(function, [found[4]], {}), found[0], found[2]


# -- of functions of arrays --------------------------------------------------------------------------------------


def start_of(interp: Interp, x0: Any) -> Any:
    """What a search starts from: an array of one dimension of its own."""
    return arrays.copy(interp.stage, interp.call(np.ravel, [interp.call(np.multiply, [x0, 1.0], {})], {}))
