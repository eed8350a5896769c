# pyright: basic
"""Powell's hybrid method for systems of equations, as MINPACK's hybrd and hybrj have it, as a program that is staged.

Source: M. J. D. Powell, A hybrid method for nonlinear equations (1970); J. J. More, B. S. Garbow and K. E. Hillstrom,
User guide for MINPACK-1 (1980)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from .root_programs import chosen

Array = Any
EPS = np.finfo(float).eps


def as_system(f: Any, args: tuple[Any, ...], n: int) -> Any:
    def function(x):
        values = np.atleast_1d(np.asarray(f(x, *args)) * 1.0)
        if np.ndim(values) != 1 or len(values) != n:
            raise TypeError("there is a mismatch between the input and output shape of the function")
        return values

    return function


def as_jacobian(f: Any, args: tuple[Any, ...], by_columns: bool) -> Any:
    def function(x):
        slopes = np.asarray(f(x, *args)) * 1.0
        return slopes.T if by_columns else slopes

    return function


def slopes_by_differences(f: Any, x: Array, fx: Array, smallest: float) -> Array:
    n = len(x)
    slopes = np.empty((n, n))
    relative = np.sqrt(max(smallest, EPS))
    for j in range(n):
        step = relative * abs(x[j])
        if step == 0.0:
            step = relative
        moved = x.copy()
        moved[j] = x[j] + step
        slopes[:, j] = (f(moved) - fx) / step
    return slopes


def dogleg(r: Array, scale: Array, qtf: Array, radius: Any) -> Array:
    """The step between Gauss and Newton's and that of steepest descent that is `radius` long, in units of `scale`."""
    n = len(qtf)
    newton = np.zeros(n)
    for i in range(n):
        k = n - 1 - i
        pivot = r[k, k]
        if pivot == 0.0:
            pivot = EPS * np.max(np.abs(r[: k + 1, k]))
            if pivot == 0.0:
                pivot = EPS
        rest = qtf[k]
        for j in range(k + 1, n):
            rest = rest - r[k, j] * newton[j]
        newton[k] = rest / pivot
    length = np.linalg.norm(scale * newton)
    if length <= radius:
        return newton
    steepest = (r.T @ qtf) / scale
    size = np.linalg.norm(steepest)
    best, weight = 0.0, radius / length
    if size != 0.0:
        steepest = steepest / size / scale
        growth = np.linalg.norm(r @ steepest)
        best = size / growth / growth
        weight = 0.0
        if best < radius:
            whole = np.linalg.norm(qtf)
            part, ratio = radius / length, best / radius
            t = whole / size * (whole / length) * ratio
            t = t - part * ratio**2 + np.sqrt((t - part) ** 2 + (1 - part**2) * (1 - ratio**2))
            weight = part * (1 - ratio**2) / t
    return (1 - weight) * min(best, radius) * steepest + weight * newton


def hybrid(
    f: Any, jacobian: Any, x0: Array, xtol: float, most: int, smallest: float, factor: float, diag: Any
) -> tuple[Any, ...]:
    """Returns why it ended, as MINPACK numbers it, how many evaluations it took, of slopes, and the root."""
    n = len(x0)
    x, fx = np.empty(n), np.empty(n)
    q, r, qtf = np.empty((n, n)), np.empty((n, n)), np.empty(n)
    scale = np.ones(n)
    x[:] = x0
    fx[:] = f(x)
    size = np.linalg.norm(fx)
    calls, jacobians = 1, 0
    if diag is not None:
        scale[:] = diag
    radius, xnorm = 0.0, 0.0
    first = True
    successes, failures, slow, slow_slopes = 0, 0, 0, 0
    info = 0
    while info == 0:
        if jacobian is None:
            slopes = slopes_by_differences(f, x, fx, smallest)
            calls += n
        else:
            slopes = jacobian(x)
        jacobians += 1
        fresh = True
        if diag is None:
            columns = np.sqrt(np.sum(slopes * slopes, axis=0))
            if first:
                scale[:] = np.where(columns == 0.0, 1.0, columns)
            else:
                scale[:] = np.maximum(scale, columns)
        if first:
            xnorm = np.linalg.norm(scale * x)
            radius = factor * xnorm
            if radius == 0.0:
                radius = factor
        q[:], r[:] = np.linalg.qr(slopes)
        qtf[:] = q.T @ fx
        again = False
        while info == 0 and not again:
            step = -dogleg(r, scale, qtf, radius)
            moved = x + step
            length = np.linalg.norm(scale * step)
            if first:
                radius = min(radius, length)
            f_moved = f(moved)
            calls += 1
            size_moved = np.linalg.norm(f_moved)
            gained = 1 - (size_moved / size) ** 2 if size_moved < size else -1.0
            foreseen = qtf + r @ step
            size_foreseen = np.linalg.norm(foreseen)
            expected = 1 - (size_foreseen / size) ** 2 if size_foreseen < size else 0.0
            ratio = gained / expected if expected > 0 else 0.0
            if ratio < 0.1:
                successes, failures = 0, failures + 1
                radius = 0.5 * radius
            else:
                successes, failures = successes + 1, 0
                if ratio >= 0.5 or successes > 1:
                    radius = max(radius, length / 0.5)
                if abs(ratio - 1) <= 0.1:
                    radius = length / 0.5
            if ratio >= 1e-4:
                x[:] = moved
                fx[:] = f_moved
                xnorm = np.linalg.norm(scale * x)
                size = size_moved
                first = False
            slow = 0 if gained >= 0.001 else slow + 1
            if fresh:
                slow_slopes += 1
            if gained >= 0.1:
                slow_slopes = 0
            if radius <= xtol * xnorm or size == 0.0:
                info = 1
            elif slow == 10:
                info = 5
            elif slow_slopes == 5:
                info = 4
            elif 0.1 * max(0.1 * radius, length) <= EPS * xnorm:
                info = 3
            elif calls >= most:
                info = 2
            elif failures == 2:
                again = True
            else:
                turned = q.T @ f_moved
                change = (turned - foreseen) / length
                if ratio >= 1e-4:
                    qtf[:] = turned
                turn, turned_r = np.linalg.qr(r + np.outer(change, scale * (scale * step / length)))
                r[:] = turned_r
                q[:] = q @ turn
                qtf[:] = turn.T @ qtf
                fresh = False
    return info, calls, jacobians, x


MESSAGES = (
    "Improper input parameters were entered.",
    "The solution converged.",
    "The number of calls to function has reached the maximum allowed.",
    "The relative error between two consecutive iterates is too small.",
    "The iteration is not making good progress: the last five Jacobian matrices brought little.",
    "The iteration is not making good progress: the last ten steps brought little.",
)


def find_root(
    function: Any, jacobian: Any, x0: Array, xtol: float, most: int, smallest: Any, factor: float, diag: Any
) -> tuple[Any, ...]:
    n = len(x0)
    if most == 0:
        most = 200 * (n + 1) if jacobian is None else 100 * (n + 1)
    info, calls, jacobians, x = hybrid(
        function, jacobian, x0, xtol, most, EPS if smallest is None else smallest, factor, diag
    )
    return info, calls + 2, jacobians, x  # SciPy looks twice at the shape of what the function returns


def result(f: Any, info: int, calls: int, jacobians: int, x: Array, with_jacobian: bool) -> OptimizeResult:
    """What scipy.optimize.root returns, without the factors of its last approximation of slopes."""
    more = {"njev": jacobians} if with_jacobian else {}
    return OptimizeResult(
        x=x, success=info == 1, status=info, method="hybr", nfev=calls, fun=f(x), message=chosen(MESSAGES, info), **more
    )


def full_output(f: Any, info: int, calls: int, jacobians: int, x: Array, with_jacobian: bool) -> tuple[Any, ...]:
    more = {"njev": jacobians} if with_jacobian else {}
    return x, {"nfev": calls, **more, "fvec": f(x)}, info, chosen(MESSAGES, info)
