# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Roots of scipy.optimize: found as SciPy finds them; derivatives are those of the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize

from wengert.codes import Code

from . import arrays, hybrid_programs, root_programs
from .decisions import NotAFunction
from .implicit import implicit
from .numeric import as_scalar
from .numpy_api.common import cast_any, only_default
from .numpy_api.extra import programmed
from .registry import CALLABLES, HANDLERS, handles
from .values import RArray, RScalar

if TYPE_CHECKING:
    from .interp import Interp

_EPS = 4 * float(np.finfo(float).eps)


def several(interp: Interp, args: Any) -> tuple[Any, ...]:
    """Arrays that the program rebinds are passed as they are now."""
    many: tuple[Any, ...] = cast_any(args) if isinstance(args, tuple) else (args,)
    return tuple(arrays.copy(interp.stage, a) if _is_ref(a) else a for a in map(interp.resolve, many))


def _is_ref(value: Any) -> bool:
    return isinstance(value, RArray) and value.root is not None and value.root.is_ref


def _bracketing(name: str, find: Any, *more: Any) -> Callable[..., Any]:
    """The handler of a solver in brackets: how it finds, and what tells it from others that find so."""

    def handler(interp: Interp, f: Any, a: Any, b: Any, args: Any = (), xtol: Any = 2e-12, rtol: Any = _EPS,
                maxiter: Any = 100, full_output: Any = False, disp: Any = True) -> Any:  # fmt: skip
        options = args, xtol, rtol, maxiter, full_output, disp
        return _in_bracket(interp, name, find, more, f, a, b, *options)

    HANDLERS[getattr(scipy.optimize, name)] = handler
    return handler


def _in_bracket(
    interp: Interp, name: str, find: Any, more: tuple[Any, ...], f: Any, a: Any, b: Any, args: Any, xtol: Any,
    rtol: Any, maxiter: Any, full_output: Any, disp: Any,
) -> Any:  # fmt: skip
    function = programmed(interp, root_programs.with_args, f, several(interp, args))
    given = Shared(function), a, b, xtol, rtol, maxiter, bool(disp), more
    found = _root(interp, name, function, lambda: programmed(interp, root_programs.in_bracket, find, *given))
    return _reported(interp, found, name, full_output)


def _root(interp: Interp, name: str, function: Any, find: Callable[[], Any]) -> tuple[Any, ...]:
    def attached(found: list[Any]) -> Any:
        return programmed(interp, root_programs.scalar_root, function, found[0], found[3])

    return implicit(interp, name, find, attached)


def _reported(interp: Interp, found: tuple[Any, ...], method: str, full_output: Any) -> Any:
    if not full_output:
        return found[3]
    return found[3], programmed(interp, root_programs.results, *found, method)


@handles(scipy.optimize.newton)
def newton(
    interp: Interp, func: Any, x0: Any, fprime: Any = None, args: Any = (), tol: Any = 1.48e-8, maxiter: Any = 50,
    fprime2: Any = None, x1: Any = None, rtol: Any = 0.0, full_output: Any = False, disp: Any = True,
) -> Any:  # fmt: skip
    """Of a number; complex ones, and arrays of starts, are refused."""
    parts = several(interp, args)
    given = [None if f is None else programmed(interp, root_programs.with_args, f, parts)
             for f in (func, fprime, fprime2)]  # fmt: skip
    start = interp.as_array(x0)
    if start.rank > 0 or start.dtype.is_complex:
        raise interp.stage.refuse("newton from an array or a complex number", "call it for each number of a loop")
    more = x0, x1, tol, rtol, maxiter, bool(disp)
    found = _root(interp, "newton", given[0], lambda: programmed(interp, root_programs.from_start, *given, *more))
    method = "secant" if fprime is None else "newton" if fprime2 is None else "halley"
    return _reported(interp, found, method, full_output)


@handles(scipy.optimize.root_scalar)
def root_scalar(
    interp: Interp, f: Any, args: Any = (), method: Any = None, bracket: Any = None, fprime: Any = None,
    fprime2: Any = None, x0: Any = None, x1: Any = None, xtol: Any = None, rtol: Any = None, maxiter: Any = None,
    options: Any = None,
) -> Any:  # fmt: skip
    only_default(interp, "root_scalar", options=(options, None))
    fprime, fprime2 = fprime or None, fprime2 or None
    if fprime is True:
        both, fprime = f, programmed(interp, root_programs.part_of, f, 1)
        f = programmed(interp, root_programs.part_of, both, 0)
        if fprime2 is True:
            fprime2 = programmed(interp, root_programs.part_of, both, 2)
    if not method:
        slopes = "newton" if fprime2 is None else "halley"
        method = "brentq" if bracket is not None else "secant" if x1 is not None and fprime is None else slopes
    name = str(method).lower()
    more = {k: v for k, v in (("rtol", rtol), ("maxiter", maxiter)) if v is not None}
    reported: dict[str, Any] = {**more, "args": args, "full_output": True, "disp": False}
    if name in _BRACKETS:
        if bracket is None:
            raise interp.stage.refuse(f"root_scalar by {name} without a bracket", "give bracket=(a, b)", Code.KIND)
        a, b = interp.static_iterable(bracket)[:2]
        tolerance = {} if xtol is None else {"xtol": xtol}
        return _BRACKETS[name](interp, f, a, b, **tolerance, **reported)[1]
    if name not in ("secant", "newton", "halley") or x0 is None or (name != "secant" and fprime is None):
        raise interp.stage.refuse(
            f"root_scalar with the method {name} and without what it needs, or slopes by differences",
            "give a bracket, or x0 and x1, or x0 and fprime",
            Code.KIND,
        )
    given = {"secant": (None, None), "newton": (fprime, None), "halley": (fprime, fprime2)}[name]
    tolerance = {} if xtol is None else {"tol": xtol}
    second = x1 if name == "secant" else None
    return newton(interp, f, x0, given[0], fprime2=given[1], x1=second, **tolerance, **reported)[1]


_BRACKETS: dict[str, Callable[..., Any]] = {
    "brentq": _bracketing("brentq", root_programs.brent, False),
    "brenth": _bracketing("brenth", root_programs.brent, True),
    "bisect": _bracketing("bisect", root_programs.bisect),
    "ridder": _bracketing("ridder", root_programs.ridder),
}


# -- systems of equations ----------------------------------------------------------------------------------------


@handles(scipy.optimize.fsolve)
def fsolve(
    interp: Interp, func: Any, x0: Any, args: Any = (), fprime: Any = None, full_output: Any = 0, col_deriv: Any = 0,
    xtol: Any = 1.49012e-8, maxfev: Any = 0, band: Any = None, epsfcn: Any = None, factor: Any = 100, diag: Any = None,
) -> Any:  # fmt: skip
    only_default(interp, "fsolve", band=(band, None))
    function, found = _system(
        interp, "fsolve", func, x0, several(interp, args), fprime, bool(col_deriv), xtol, maxfev, epsfcn, factor, diag
    )
    if not full_output:
        return found[3]
    return programmed(interp, hybrid_programs.full_output, function, *found, fprime is not None)


@handles(scipy.optimize.root)
def root(
    interp: Interp, fun: Any, x0: Any, args: Any = (), method: Any = "hybr", jac: Any = None, tol: Any = None,
    callback: Any = None, options: Any = None,
) -> Any:  # fmt: skip
    only_default(interp, "root", callback=(callback, None))
    if str(method).lower() != "hybr":
        raise interp.stage.refuse(f"scipy.optimize.root with method={method!r}", 'use the method "hybr"', Code.KIND)
    if jac is True:
        fun, jac = (programmed(interp, root_programs.part_of, fun, k) for k in (0, 1))
    given: dict[str, Any] = {"xtol": 1.49012e-8 if tol is None else tol, **(options or {})}
    known = {"col_deriv": 0, "xtol": None, "maxfev": 0, "eps": None, "factor": 100, "diag": None}
    if set(given) - set(known):
        names = ", ".join(sorted(set(given) - set(known)))
        raise interp.stage.refuse(f"scipy.optimize.root with the options {names}", "leave them out", Code.KIND)
    col_deriv, *more = ({**known, **given}[k] for k in known)
    jac = jac or None
    function, found = _system(interp, "root", fun, x0, several(interp, args), jac, bool(col_deriv), *more)
    return programmed(interp, hybrid_programs.result, function, *found, jac is not None)


def _system(
    interp: Interp, name: str, func: Any, x0: Any, args: tuple[Any, ...], fprime: Any, by_columns: bool, xtol: Any,
    *more: Any,
) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
    """The function, and what was found."""
    start = interp.call(np.ravel, [interp.call(np.multiply, [x0, 1.0], {})], {})
    if start.dtype.is_complex:
        raise interp.stage.refuse(f"{name} from complex numbers", "solve for real and imaginary parts", Code.KIND)
    size = RScalar(start.shape[0], True)
    function = programmed(interp, hybrid_programs.as_system, func, args, size)
    slopes = None if fprime is None else programmed(interp, hybrid_programs.as_jacobian, fprime, args, by_columns)
    shared = Shared(function)
    start = arrays.copy(interp.stage, start)

    def find() -> Any:
        return programmed(interp, hybrid_programs.find_root, shared, slopes, start, xtol, *more)

    def attached(found: list[Any]) -> Any:
        return programmed(interp, root_programs.system_root, function, found[0], found[3])

    return function, implicit(interp, name, find, attached)


class Shared:
    """A function that a solver calls at several places: it is staged once, if it can be."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.built: dict[Any, Any] = {}


def _call_shared(interp: Interp, made: Shared, args: list[Any], kwargs: dict[str, Any]) -> Any:
    args = [a if isinstance(a, RArray) else as_scalar(a) for a in map(interp.resolve, args)]
    key: Any = tuple((a.dtype, a.shape if isinstance(a, RArray) else a.python) for a in args)

    def inline(formals: list[Any]) -> Any:
        return interp.call(made.function, formals, {})

    if interp.handlers:
        return inline(args)  # what it raises is caught here
    try:
        if key not in made.built:
            made.built[key] = None
            made.built[key] = interp.build_function(object(), "function", args, inline)
        if made.built[key] is not None:
            return interp.emit_call(made.built[key], args)
    except NotAFunction:
        made.built[key] = None
    return inline(args)


CALLABLES[Shared] = _call_shared
