# pyright: basic
"""How SciPy finds minima, and how minima change with what they depend on, as ordinary programs that are staged.

Programs that find return how it ended (as SciPy numbers it, 0 for success), how many iterations and evaluations of the
function and of its gradient it took, and the minimum. Those of a function of a number are SciPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, _optimize

from .implicit import along, change, gradient_of, held
from .line_search_programs import guess, nocedal_wright, thuente
from .root_programs import chosen

Array = Any
EPS = np.finfo(float).eps
NEAR = 1e-3
"""Newton's step from what was found may be so long, relative to it, if it is to be a minimum."""


# -- of functions of a number ------------------------------------------------------------------------------------


def by_brent(f: Any, bracket: Any, options: Any) -> tuple[Any, ...]:
    return _ended(_optimize._minimize_scalar_brent(f, bracket, **options))


def by_golden(f: Any, bracket: Any, options: Any) -> tuple[Any, ...]:
    return _ended(_optimize._minimize_scalar_golden(f, bracket, **options))


def in_bounds(f: Any, bounds: Any, options: Any) -> tuple[Any, ...]:
    return _ended(_optimize._minimize_scalar_bounded(f, bounds, **options))


def _ended(r: Any) -> tuple[Any, ...]:
    return 0 if r.success else 1, r.nit, r.nfev, 0, np.float64(r.x)


def scalar_minimum(f: Any, bounds: Any, status: int, minimum: float) -> float:
    """The minimum of f in an interval: x' = -(df/dx)' / (d2f/dx2); that of its bound if f falls towards it; of what is
    none NaN."""
    x = held(minimum)
    slope = gradient_of(f, x)
    curvature = held(along(lambda y: gradient_of(f, y), x, 1.0))
    if status != 0:
        return x + change(np.nan * slope)
    if bounds is not None:
        low, high = float(bounds[0]), float(bounds[1])
        towards = held(x - slope / curvature) if curvature > 0 else (-np.inf if held(slope) > 0 else np.inf)
        if towards < held(low):
            return x + change(low)
        if towards > held(high):
            return x + change(high)
    if not curvature > 0:
        raise np.linalg.LinAlgError("the derivative of a minimum is infinite: the function has no curvature there")
    return x + change(-slope / curvature)


# -- of functions of arrays --------------------------------------------------------------------------------------


def minimum(f: Any, bounds: Any, reached: bool, found: Array) -> Array:
    """The minimum of f: H x' = -(df/dx)'; of what is none, or from where Newton's step is long, NaN. What lies at a
    bound that f falls towards moves with it, and the rest with that."""
    x = held(found)
    n = len(x)
    curvature = np.eye(n)
    if reached:
        for j in range(n):
            unit = np.zeros(n)
            unit[j] = 1.0
            curvature[:, j] = held(along(lambda y: gradient_of(f, y), x, unit))
    free, gap = np.ones(n, dtype=bool), np.zeros(n)
    if bounds is not None:
        at_low, at_high = at_bounds(x, held(gradient_of(f, x)), np.diag(curvature), held(bounds[0]), held(bounds[1]))
        gap = np.where(at_low, x - held(bounds[0]), np.where(at_high, x - held(bounds[1]), 0.0))
        x = x + np.where(at_low, change(bounds[0]), 0.0) + np.where(at_high, change(bounds[1]), 0.0)
        free = ~(at_low | at_high)
        curvature = np.where(free & free[:, None], curvature, np.eye(n))
    step = np.linalg.solve(curvature, np.where(free, gradient_of(f, x), 0.0))
    reached = reached and held(np.linalg.norm(step + gap)) <= NEAR * (1 + np.linalg.norm(x))
    return x + change(-step if reached else np.nan * (step + np.sum(step)))


def at_bounds(x: Array, slope: Array, bend: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """What lies at its lower or upper bound: f falls towards it, and Newton's step along that axis leads beyond."""
    reach = np.where(bend > 0, np.abs(slope) / np.where(bend > 0, bend, 1.0), np.inf)
    at_low = ((slope > 0) & (x - low <= reach)) | (low == high)
    return at_low, (slope < 0) & (high - x <= reach) & ~at_low


def as_objective(f: Any, args: tuple[Any, ...]) -> Any:
    def function(x):
        return float(np.asarray(f(x, *args)).reshape(()))

    return function


def as_gradient(jac: Any, args: tuple[Any, ...]) -> Any:
    def function(x):
        return np.atleast_1d(np.asarray(jac(x, *args)) * 1.0)

    return function


def as_products(hessp: Any, args: tuple[Any, ...]) -> Any:
    def function(x, p):
        return np.asarray(hessp(x, p, *args) * 1.0)

    return function


def as_limit(values: Any, x: Array) -> Array:
    """Bounds of each element."""
    return np.broadcast_to(np.asarray(values) * 1.0, x.shape).copy()


def slope_by_differences(f: Any, x: Array, fx: Any, eps: float, bounds: Any) -> Array:
    """Steps stay within bounds; the slope along what they fix is zero."""
    slope = np.zeros(len(x))
    for j in range(len(x)):
        step = eps
        if (x[j] + step) - x[j] == 0.0:
            step = np.sqrt(EPS) * (1.0 if x[j] >= 0 else -1.0) * max(1.0, abs(x[j]))
        if bounds is not None:
            below, above = x[j] - bounds[0][j], bounds[1][j] - x[j]
            if abs(step) > max(below, above):
                step = above if above >= below else -below
            elif step > above or -step > below:
                step = -step
        if step != 0.0:
            moved = x.copy()
            moved[j] = x[j] + step
            slope[j] = (f(moved) - fx) / (moved[j] - x[j])
    return slope


def size(slope: Array, order: Any) -> Any:
    return np.sum(np.abs(slope) ** order) ** (1.0 / order) if np.isfinite(order) else np.max(np.abs(slope), initial=0.0)


def bfgs(f: Any, gradient: Any, x0: Array, eps: float, gtol: float, order: Any, most: Any, xrtol: float, c1: float,
         c2: float) -> tuple[Any, ...]:  # fmt: skip
    """Source: J. Nocedal and S. Wright, Numerical Optimization (2006), algorithm 6.1."""
    n = len(x0)
    most = 200 * n if most is None else most
    each = 1 + n if gradient is None else 1  # evaluations that come with those of a gradient

    def slope_at(x, fx):
        return slope_by_differences(f, x, fx, eps, None) if gradient is None else gradient(x)

    x, slope, inverse = np.empty(n), np.empty(n), np.eye(n)
    direction, slope_new = np.empty(n), np.empty(n)
    x[:] = x0
    fx = f(x)
    slope[:] = slope_at(x, fx)
    calls, slopes, count, status = each, 1, 0, 0
    before = fx + np.linalg.norm(slope) / 2

    def look(step):
        return f(x + step * direction)

    def slope_there(step, value):
        slope_new[:] = slope_at(x + step * direction, value)
        return np.dot(slope_new, direction)

    done = not size(slope, order) > gtol
    while not done and count < most:
        direction[:] = -(inverse @ slope)
        first = np.dot(slope, direction)
        trial = guess(fx, first, before)
        ok, step, value, more, more_slopes, _ = thuente(look, slope_there, fx, first, trial, c1, c2, 1e-100, 1e100)
        calls, slopes = calls + more + (each - 1) * more_slopes, slopes + more_slopes
        if not ok:
            ok, step, value, more, more_slopes = nocedal_wright(look, slope_there, fx, first, trial, c1, c2, 1e100)
            calls, slopes = calls + more + (each - 1) * more_slopes, slopes + more_slopes
        if not ok:
            status, done = 2, True
        else:
            move, turn = step * direction, slope_new - slope
            before, fx = fx, value
            x += move
            slope[:] = slope_new
            count += 1
            done = not size(slope, order) > gtol or step * np.linalg.norm(direction) <= xrtol * (
                xrtol + np.linalg.norm(x)
            )
            if not done and not np.isfinite(fx):
                status, done = 2, True
            if not done:
                product = np.dot(turn, move)
                weight = 1000.0 if product == 0.0 else 1.0 / product
                left = np.eye(n) - weight * np.outer(move, turn)
                inverse[:] = left @ inverse @ left.T + weight * np.outer(move, move)
    if status == 0 and count >= most:
        status = 1
    elif status == 0 and (np.isnan(fx) or np.isnan(size(slope, order)) or np.any(np.isnan(x))):
        status = 3
    return status, count, calls, slopes, 0, x


def scalar_result(f: Any, status: int, count: int, calls: int, slopes: int, x: float) -> OptimizeResult:
    return OptimizeResult(x=x, fun=f(x), success=status == 0, nit=count, nfev=calls)


def result(
    f: Any, ends: tuple[Any, ...], fields: tuple[str, ...], end: int, count: int, calls: int, slopes: int,
    curvatures: int, x: Array,
) -> OptimizeResult:  # fmt: skip
    """What scipy.optimize.minimize returns, but approximations of the inverse of the curvature; `jac` is exact."""
    status = chosen(ends[0], end)
    made = OptimizeResult(
        x=x, fun=f(x), success=status == 0, status=status, nit=count, nfev=calls, message=chosen(ends[1], end)
    )
    if "njev" in fields:
        made.jac, made.njev = gradient_of(f, x), slopes
    if "nhev" in fields:
        made.nhev = curvatures
    return made
