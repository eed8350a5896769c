# pyright: basic
"""How SciPy finds roots, and how roots change with what they depend on, as ordinary programs that are staged.

Programs that find return whether they did, how many iterations and evaluations it took, and the root."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import RootResults

from .implicit import along, change, held

Array = Any
SMALLEST_RTOL = 4 * np.finfo(float).eps
Found = tuple[Any, Any, Any, Any]


def with_args(f: Any, args: tuple[Any, ...]) -> Any:
    def function(x):
        return f(x, *args)

    return function


def part_of(f: Any, place: int) -> Any:
    """The part of what a function returns that is its value, or a derivative."""

    def function(x, *args):
        return f(x, *args)[place]

    return function


def chosen(table: tuple[Any, ...], number: int) -> Any:
    """The entry of a table at a number that is known when the program runs."""
    entry = table[0]
    for k in range(1, len(table)):
        if number == k:
            entry = table[k]
    return entry


# -- of functions of a number, by brackets -----------------------------------------------------------------------


def in_bracket(
    find: Any, function: Any, a: float, b: float, xtol: float, rtol: float, most: int, loud: bool, options: Any
) -> Found:
    if xtol <= 0:
        raise ValueError("xtol too small (it must be positive)")
    if rtol < SMALLEST_RTOL:
        raise ValueError("rtol too small (it must be at least four times the rounding unit)")

    def checked(x):
        value = function(x)
        if np.isnan(value):
            raise ValueError(f"The function value at x={x} is NaN; solver cannot continue.")
        return float(value)

    found = find(checked, float(a), float(b), xtol, rtol, most, *options)
    if loud and not found[0]:
        raise RuntimeError(f"Failed to converge after {found[1]} iterations.")
    return found


def at_end(a: float, b: float, fa: float, fb: float) -> int:
    """Whether an end of a bracket is the root: 1 or 2."""
    if fa == 0.0:
        return 1
    if fb == 0.0:
        return 2
    if np.signbit(fa) == np.signbit(fb):
        raise ValueError("f(a) and f(b) must have different signs")
    return 0


def brent(f: Any, a: float, b: float, xtol: float, rtol: float, most: int, hyperbolic: bool) -> Found:
    """Inverse quadratic (or hyperbolic) interpolation, bisection where that shrinks too slowly.

    Source: R. P. Brent, Algorithms for Minimization Without Derivatives (1973), chapter 4; J. C. P. Bus and T. J.
    Dekker, Two efficient algorithms with guaranteed convergence (1975)."""
    last, x = a, b
    f_last, fx = f(last), f(x)
    end = at_end(a, b, f_last, fx)
    if end > 0:
        return True, 0, 2, (a if end == 1 else b)
    other, f_other = 0.0, 0.0
    step, before = 0.0, 0.0
    count, converged = 0, False
    while not converged and count < most:
        count += 1
        if f_last != 0.0 and fx != 0.0 and np.signbit(f_last) != np.signbit(fx):
            other, f_other = last, f_last
            step = before = x - last
        if abs(f_other) < abs(fx):
            last, x, other = x, other, x
            f_last, fx, f_other = fx, f_other, fx
        tolerance = (xtol + rtol * abs(x)) / 2
        half = (other - x) / 2
        if fx == 0.0 or abs(half) < tolerance:
            converged = True
        else:
            wide = True
            if abs(before) > tolerance and abs(fx) < abs(f_last):
                if last == other:
                    trial = -fx * (x - last) / (fx - f_last)
                else:
                    slope, slope_other = (f_last - fx) / (last - x), (f_other - fx) / (other - x)
                    if hyperbolic:
                        trial = -fx * (f_other - f_last) / (f_other * slope - f_last * slope_other)
                    else:
                        trial = (
                            -fx * (f_other * slope_other - f_last * slope) / (slope_other * slope * (f_other - f_last))
                        )
                if 2 * abs(trial) < min(abs(before), 3 * abs(half) - tolerance):
                    before, step, wide = step, trial, False
            if wide:
                before = step = half
            last, f_last = x, fx
            if abs(step) > tolerance:
                x = x + step
            else:
                x = x + (tolerance if half > 0 else -tolerance)
            fx = f(x)
    return converged, count, count + (1 if converged else 2), x


def bisect(f: Any, a: float, b: float, xtol: float, rtol: float, most: int) -> Found:
    fa = f(a)
    end = at_end(a, b, fa, f(b))
    if end > 0:
        return True, 0, 2, (a if end == 1 else b)
    low, width = a, b - a
    middle = a
    count, converged = 0, False
    while not converged and count < most:
        count += 1
        width = 0.5 * width
        middle = low + width
        value = f(middle)
        if np.signbit(value) == np.signbit(fa):
            low = middle
        converged = value == 0.0 or abs(width) < xtol + rtol * abs(middle)
    return converged, count, count + 2, middle


def ridder(f: Any, a: float, b: float, xtol: float, rtol: float, most: int) -> Found:
    """Source: C. J. F. Ridders, A new algorithm for computing a single root (1979)."""
    fa, fb = f(a), f(b)
    end = at_end(a, b, fa, fb)
    if end > 0:
        return True, 0, 2, (a if end == 1 else b)
    low, high, x = a, b, a
    tolerance = xtol + rtol * min(abs(a), abs(b))
    count, converged = 0, False
    while not converged and count < most:
        count += 1
        half = 0.5 * (high - low)
        middle = low + half
        value = f(middle)
        move = (1.0 if fb - fa > 0 else -1.0) * half * value / float(np.sqrt(value * value - fa * fb))
        x = middle - (1.0 if move > 0 else -1.0) * min(abs(move), abs(half) - 0.5 * tolerance)
        fx = f(x)
        if np.signbit(fx) != np.signbit(value):
            low, fa, high, fb = x, fx, middle, value
        elif np.signbit(fx) != np.signbit(fa):
            high, fb = x, fx
        else:
            low, fa = x, fx
        tolerance = xtol + rtol * x
        converged = fx == 0.0 or abs(high - low) < tolerance
    return converged, count, 2 * count + 2, x


# -- from a start ------------------------------------------------------------------------------------------------


def secant(f: Any, x0: Any, x1: Any, tol: float, rtol: float, most: int) -> Found:
    last, x = x0, x1
    f_last, fx = f(last), f(x)
    if abs(fx) < abs(f_last):
        last, x, f_last, fx = x, last, fx, f_last
    count, converged, done = 0, False, False
    while not done and count < most:
        count += 1
        if fx == f_last:
            converged, done = x == last, True
            new = (x + last) / 2.0
        else:
            if abs(fx) > abs(f_last):
                new = (-f_last / fx * x + last) / (1 - f_last / fx)
            else:
                new = (-fx / f_last * last + x) / (1 - fx / f_last)
            converged = done = abs(new - x) <= tol + rtol * abs(x)
        last, f_last, x = x, fx, new
        if not done:
            fx = f(x)
    return converged, count, count + (1 if done else 2), x


def by_slopes(f: Any, fprime: Any, fprime2: Any, x0: Any, tol: float, rtol: float, most: int) -> Found:
    """Newton's method; with second derivatives Halley's."""
    x = x0
    count, calls, converged, done = 0, 0, False, False
    while not done and count < most:
        value = f(x)
        count, calls = count + 1, calls + 1
        if value == 0:
            converged = done = True
        else:
            slope = fprime(x)
            calls += 1
            if slope == 0:
                done = True
            else:
                step = value / slope
                if fprime2 is not None:
                    bend = step * fprime2(x) / slope / 2
                    calls += 1
                    if abs(bend) < 1:
                        step = step / (1.0 - bend)
                new = x - step
                converged = done = abs(new - x) <= tol + rtol * abs(x)
                x = new
    return converged, count, calls, x


def from_start(
    f: Any, fprime: Any, fprime2: Any, x0: Any, x1: Any, tol: float, rtol: float, most: int, loud: bool
) -> Found:
    if tol <= 0:
        raise ValueError(f"tol too small ({tol} <= 0)")
    start = np.float64(x0) * 1.0
    if fprime is not None:
        found = by_slopes(f, fprime, fprime2, start, tol, rtol, most)
    else:
        if x1 is not None:
            if x1 == x0:
                raise ValueError("x1 and x0 must be different")
            second = np.float64(x1)
        else:
            second = start * (1 + 1e-4)
            second += 1e-4 if second >= 0 else -1e-4
        found = secant(f, start, second, tol, rtol, most)
    if loud and not found[0]:
        raise RuntimeError(f"Failed to converge after {found[1]} iterations, value is {found[3]}.")
    return found


def results(converged: bool, count: int, calls: int, root: float, method: str) -> RootResults:
    made = RootResults(root, count, calls, 0, method)
    if not converged:
        made.converged, made.flag = converged, "convergence error"
    return made


# -- derivatives -------------------------------------------------------------------------------------------------


def scalar_root(f: Any, converged: bool, root: float) -> float:
    """The root of f(x) = 0: x' = -f' / (df/dx); of what is no root NaN."""
    x = held(root)
    slope = held(along(f, x, 1.0))
    if converged and slope == 0:
        raise np.linalg.LinAlgError(
            "the derivative of a root is infinite: the function has slope 0 there (a multiple root)"
        )
    return x + change(-f(x) * (1.0 / slope if converged else np.nan))


def system_root(f: Any, info: int, root: Array) -> Array:
    """The root of f(x) = 0: J x' = -f'; of what is no root NaN."""
    x = held(root)
    n, converged = len(x), info == 1
    slopes = np.eye(n)
    if converged:
        for j in range(n):
            unit = np.zeros(n)
            unit[j] = 1.0
            slopes[:, j] = along(f, x, unit)
    step = np.linalg.solve(held(slopes), f(x))
    return x + change(-step if converged else np.nan * (step + np.sum(step)))
