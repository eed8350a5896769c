# pyright: basic
"""Least squares as SciPy finds them, as programs that are staged: MINPACK's lmdif and lmder, and SciPy's trust region
with singular values. Both return how they ended, how many evaluations of residuals and of slopes they took, and the
parameters found.

Source: J. J. More, The Levenberg-Marquardt algorithm: implementation and theory (1978); J. J. More, B. S. Garbow and K.
E. Hillstrom, User guide for MINPACK-1 (1980)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from .implicit import along
from .minimum_programs import minimum

Array = Any
EPS = np.finfo(float).eps
TINY = np.finfo(float).tiny


def as_residuals(f: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    def function(x):
        return np.atleast_1d(np.asarray(f(x, *args, **options)) * 1.0)

    return function


def as_slopes(jac: Any, args: tuple[Any, ...], options: dict[str, Any], by_columns: bool) -> Any:
    def function(x):
        slopes = np.asarray(jac(x, *args, **options)) * 1.0
        return slopes.T if by_columns else slopes

    return function


def by_size(x0: Array, each: int, more: int) -> int:
    return each * (len(x0) + more)


def slopes_by_differences(f: Any, x: Array, fx: Array, relative: float, least: float) -> Array:
    """Steps of `relative` times what |x| is, but `least`; towards larger |x| where there is a least one."""
    slopes = np.empty((len(fx), len(x)))
    for j in range(len(x)):
        step = relative * max(abs(x[j]), least)
        if step == 0.0:
            step = relative
        if least > 0 and x[j] < 0:
            step = -step
        moved = x.copy()
        moved[j] = x[j] + step
        if least > 0:
            step = moved[j] - x[j]
        slopes[:, j] = (f(moved) - fx) / step
    return slopes


def slopes_at(f: Any, x: Array) -> Array:
    """The exact ones."""
    n = len(x)
    slopes = np.empty((len(f(x)), n))
    for j in range(n):
        unit = np.zeros(n)
        unit[j] = 1.0
        slopes[:, j] = along(f, x, unit)
    return slopes


# -- Levenberg and Marquardt's method ----------------------------------------------------------------------------


def damped(r: Array, scale: Array, qtf: Array, radius: Any, damping: Any) -> tuple[Any, Array]:
    """How much to damp, and the step p that minimises |R p + qtf|^2 + damping |scale p|^2, so that |scale p| is the
    radius within a tenth; undamped if it is shorter."""
    n = len(qtf)
    full = bool(np.all(np.diag(r) != 0.0))
    step, length, beyond, least = np.zeros(n), 0.0, np.inf, 0.0
    if full:
        step = np.linalg.solve(r, -qtf)
        length = np.linalg.norm(scale * step)
        beyond = length - radius
        if beyond <= 0.1 * radius:
            return 0.0, step
        rate = np.linalg.norm(np.linalg.solve(r.T, scale * (scale * step) / length))
        least = beyond / radius / rate / rate
    steepest = np.linalg.norm((r.T @ qtf) / scale)
    most = steepest / radius
    if most == 0.0:
        most = TINY / min(radius, 0.1)
    damping = min(max(damping, least), most)
    if damping == 0.0:
        damping = steepest / length
    turns, done = 0, False
    while not done:
        turns += 1
        if damping == 0.0:
            damping = max(TINY, 0.001 * most)
        stacked = np.vstack((r, np.sqrt(damping) * np.diag(scale)))
        q, s = np.linalg.qr(stacked)
        step = np.linalg.solve(s, -(q[:n].T @ qtf))
        length = np.linalg.norm(scale * step)
        before, beyond = beyond, length - radius
        done = abs(beyond) <= 0.1 * radius or (least == 0.0 and beyond <= before and before < 0.0) or turns == 10
        if not done:
            rate = np.linalg.norm(np.linalg.solve(s.T, scale * (scale * step) / length))
            more = beyond / radius / rate / rate
            if beyond > 0:
                least = max(least, damping)
            else:
                most = min(most, damping)
            damping = max(least, damping + more)
    return damping, step


def levenberg_marquardt(
    f: Any, jacobian: Any, x0: Array, ftol: float, xtol: float, gtol: float, most: Any, relative: float, least: float,
    factor: float, diag: Any,
) -> tuple[Any, ...]:  # fmt: skip
    n = len(x0)
    x, slopes_count, calls = np.empty(n), 0, 1
    x[:] = x0
    first = f(x)
    m = len(first)
    fx, r, qtf = np.empty(m), np.empty((n, n)), np.empty(n)
    fx[:] = first
    scale = np.ones(n)
    if diag is not None:
        scale[:] = diag
    size = np.linalg.norm(fx)
    damping, xnorm, radius, starting = 0.0, 0.0, 0.0, True
    info = 0
    while info == 0:
        if jacobian is None:
            slopes = slopes_by_differences(f, x, fx, relative, least)
            calls += n if least == 0 else 0
        else:
            slopes = jacobian(x)
        slopes_count += 1
        columns = np.sqrt(np.sum(slopes * slopes, axis=0))
        if starting:
            if diag is None:
                scale[:] = np.where(columns == 0.0, 1.0, columns)
            xnorm = np.linalg.norm(scale * x)
            radius = factor * xnorm
            if radius == 0.0:
                radius = factor
        q, triangle = np.linalg.qr(slopes)
        r[:] = triangle
        qtf[:] = q.T @ fx
        steep = 0.0
        if size != 0.0:
            steep = np.max(np.abs(r.T @ qtf) / size / np.where(columns == 0.0, np.inf, columns))
        if steep <= gtol:
            info = 4
        if diag is None:
            scale[:] = np.maximum(scale, columns)
        accepted = False
        while info == 0 and not accepted:
            damping, step = damped(r, scale, qtf, radius, damping)
            moved = x + step
            length = np.linalg.norm(scale * step)
            if starting:
                radius = min(radius, length)
            f_moved = f(moved)
            calls += 1
            size_moved = np.linalg.norm(f_moved)
            gained = 1 - (size_moved / size) ** 2 if 0.1 * size_moved < size else -1.0
            bent = (np.linalg.norm(r @ step) / size) ** 2
            held_back = (np.sqrt(damping) * length / size) ** 2
            expected, falling = bent + held_back / 0.5, -(bent + held_back)
            ratio = gained / expected if expected != 0 else 0.0
            if ratio <= 0.25:
                shrink = 0.5 if gained >= 0 else 0.5 * falling / (falling + 0.5 * gained)
                if 0.1 * size_moved >= size or shrink < 0.1:
                    shrink = 0.1
                radius = shrink * min(radius, length / 0.1)
                damping = damping / shrink
            elif damping == 0 or ratio >= 0.75:
                radius = length / 0.5
                damping = 0.5 * damping
            if ratio >= 1e-4:
                x[:] = moved
                fx[:] = f_moved
                xnorm = np.linalg.norm(scale * x)
                size = size_moved
                starting, accepted = False, True
            by_value = abs(gained) <= ftol and expected <= ftol and 0.5 * ratio <= 1
            by_step = radius <= xtol * xnorm
            if by_value or by_step:
                info = 3 if by_value and by_step else 1 if by_value else 2
            elif calls >= most:
                info = 5
            if info == 0 or info == 5:
                if abs(gained) <= EPS and expected <= EPS and 0.5 * ratio <= 1:
                    info = 6
                if radius <= EPS * xnorm:
                    info = 7
                if steep <= EPS:
                    info = 8
    return info, calls, slopes_count, x


# -- SciPy's trust region ----------------------------------------------------------------------------------------


def robust(loss: str, f: Array, width: float) -> tuple[Any, Array, Array]:
    """Twice the cost, and the first two derivatives of the loss by the squares of the residuals.

    Source: B. Triggs et al., Bundle adjustment, a modern synthesis (1999)."""
    z = (f / width) ** 2
    if loss == "soft_l1":
        t = 1 + z
        values, once, twice = 2 * (np.sqrt(t) - 1), 1 / np.sqrt(t), -0.5 / (t * np.sqrt(t))
    elif loss == "huber":
        inner, safe = z <= 1, np.where(z <= 1, 1.0, z)
        values = np.where(inner, z, 2 * np.sqrt(safe) - 1)
        once, twice = np.where(inner, 1.0, 1 / np.sqrt(safe)), np.where(inner, 0.0, -0.5 / (safe * np.sqrt(safe)))
    elif loss == "cauchy":
        values, once, twice = np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2
    elif loss == "arctan":
        values, once, twice = np.arctan(z), 1 / (1 + z**2), -2 * z / (1 + z**2) ** 2
    else:
        return np.sum(f * f), np.ones_like(f), np.zeros_like(f)
    return width**2 * np.sum(values), once, twice / width**2


def cost_of(f: Any, loss: str, width: float) -> Any:
    def function(x):
        return 0.5 * robust(loss, f(x), width)[0]

    return function


def in_radius(u: Array, s: Array, v: Array, f: Array, radius: Any, damping: Any) -> tuple[Array, Any]:
    """The step of the damped equations that is `radius` long, within a hundredth, then scaled; or Gauss-Newton's."""
    m, n = len(f), len(v)
    uf = u.T @ f
    suf = s * uf
    full = m >= n and s[-1] > EPS * m * s[0]
    low, high = 0.0, np.linalg.norm(suf) / radius
    if full:
        step = -(v @ (uf / s))
        if np.linalg.norm(step) <= radius:
            return step, 0.0
        size = np.linalg.norm(suf / s**2)
        low = (size - radius) / (np.sum(suf**2 / s**6) / size)
    elif damping == 0:
        damping = max(0.001 * high, np.sqrt(low * high))
    turns, done = 0, False
    while not done and turns < 10:
        turns += 1
        if damping < low or damping > high:
            damping = max(0.001 * high, np.sqrt(low * high))
        under = s**2 + damping
        size = np.linalg.norm(suf / under)
        beyond = size - radius
        ratio = beyond / (-np.sum(suf**2 / under**3) / size)
        if beyond < 0:
            high = damping
        low = max(low, damping - ratio)
        damping = damping - size * ratio / radius
        done = abs(beyond) < 0.01 * radius
    step = -(v @ (suf / (s**2 + damping)))
    return step * (radius / np.linalg.norm(step)), damping


def trust_region(
    f: Any, jacobian: Any, x0: Array, ftol: float, xtol: float, gtol: float, most: Any, scale: Any, loss: str,
    width: float,
) -> tuple[Any, ...]:  # fmt: skip
    n = len(x0)
    x, x_scale = np.empty(n), np.ones(n)
    x[:] = x0
    x_scale[:] = scale
    first = f(x)
    m = len(first)
    true, fx, slopes = np.empty(m), np.empty(m), np.empty((m, n))
    true[:] = first
    if not np.all(np.isfinite(true)):
        raise ValueError("Residuals are not finite in the initial point.")
    most = 100 * n if most is None else most
    radius = np.linalg.norm(x / x_scale)
    if radius == 0:
        radius = 1.0
    cost, damping = 0.5 * robust(loss, true, width)[0], 0.0
    calls, slopes_count, status, fresh, ended = 1, 0, 0, True, False
    while not ended:
        if fresh:
            if jacobian is None:
                slopes[:] = slopes_by_differences(f, x, true, np.sqrt(EPS), 1.0)
            else:
                slopes[:] = jacobian(x)
            slopes_count += 1
            fx[:] = true
            if loss != "linear":
                _, once, twice = robust(loss, true, width)
                weights = np.sqrt(np.maximum(once + 2 * twice * true**2, EPS))
                fx[:] = true * (once / weights)
                slopes[:] = slopes * weights[:, np.newaxis]
        slope = slopes.T @ fx
        if np.max(np.abs(slope), initial=0.0) < gtol:
            status = 1
        ended = status != 0 or calls == most
        fresh = False
        if not ended:
            scaled = slopes * x_scale
            u, s, vt = np.linalg.svd(scaled, full_matrices=False)
            gained = -1.0
            while gained <= 0 and calls < most and status == 0:
                step_scaled, damping = in_radius(u, s, vt.T, fx, radius, damping)
                bent = scaled @ step_scaled
                expected = -(0.5 * np.dot(bent, bent) + np.dot(step_scaled, x_scale * slope))
                step = x_scale * step_scaled
                moved = x + step
                f_moved = f(moved)
                calls += 1
                length = np.linalg.norm(step_scaled)
                if not np.all(np.isfinite(f_moved)):
                    radius = 0.25 * length
                else:
                    cost_moved = 0.5 * robust(loss, f_moved, width)[0]
                    gained = cost - cost_moved
                    ratio = 0.0
                    if expected > 0:
                        ratio = gained / expected
                    elif expected == 0 and gained == 0:
                        ratio = 1.0
                    new = radius
                    if ratio < 0.25:
                        new = 0.25 * length
                    elif ratio > 0.75 and length > 0.95 * radius:
                        new = 2.0 * radius
                    by_value = gained < ftol * cost and ratio > 0.25
                    by_step = np.linalg.norm(step) < xtol * (xtol + np.linalg.norm(x))
                    if by_value or by_step:
                        status = 4 if by_value and by_step else 2 if by_value else 3
                    else:
                        damping = damping * (radius / new)
                        radius = new
                    if gained > 0:
                        x[:] = moved
                        true[:] = f_moved
                        cost = cost_moved
                        fresh = True
    return status, calls, slopes_count, x


# -- what is returned --------------------------------------------------------------------------------------------


def good(info: int) -> bool:
    """Both methods number good ends from 1 to 4."""
    return info >= 1 and info <= 4


def fitted(f: Any, info: int, found: Array) -> Array:
    return minimum(f, None, good(info), found)


def covariance(f: Any, x: Array) -> Array:
    """(J^T J)^-1, infinite where there is none."""
    slopes = slopes_at(f, x)
    r = np.linalg.qr(slopes)[1]
    n = len(x)
    if not np.all(np.abs(np.diag(r)) > 0.0):
        return np.full((n, n), np.inf)
    inverse = np.linalg.inv(r)
    return inverse @ inverse.T


def of_curve(model: Any, xdata: Any, ydata: Array, sigma: Any) -> Any:
    """The residuals of a curve, in units of the errors of the data."""

    def function(p):
        rest = model(xdata, *p) - ydata
        if sigma is None:
            return rest
        if np.ndim(sigma) == 2 and np.size(sigma) > 1:
            return np.linalg.solve(np.linalg.cholesky(sigma), rest)
        return 1.0 / sigma * rest

    return function


def slopes_of_curve(jac: Any, xdata: Any, sigma: Any) -> Any:
    def function(p):
        slopes = np.asarray(jac(xdata, *p))
        if sigma is None:
            return slopes
        if np.ndim(sigma) == 2 and np.size(sigma) > 1:
            return np.linalg.solve(np.linalg.cholesky(sigma), slopes)
        return (1.0 / np.ravel(sigma))[:, np.newaxis] * slopes

    return function


def covariance_of_curve(f: Any, x: Array, absolute: bool) -> Array:
    found = covariance(f, x)
    if absolute:
        return found
    rest = f(x)
    if len(rest) <= len(x):
        return np.full((len(x), len(x)), np.inf)
    return found * (np.sum(rest * rest) / (len(rest) - len(x)))


def loud(info: int) -> None:
    if not good(info):
        raise RuntimeError("Optimal parameters not found")


def result(f: Any, status: int, calls: int, slopes_count: int, x: Array, loss: str, width: float) -> OptimizeResult:
    """What scipy.optimize.least_squares returns; slopes and what follows from them are exact."""
    rest, slopes = f(x), slopes_at(f, x)
    twice, once, second = robust(loss, rest, width)
    weights = np.sqrt(np.maximum(once + 2 * second * rest**2, EPS))
    slope = slopes.T @ (once * rest)
    return OptimizeResult(
        x=x, cost=0.5 * twice, fun=rest, jac=slopes * weights[:, np.newaxis], grad=slope,
        optimality=np.max(np.abs(slope), initial=0.0), active_mask=np.zeros(len(x)), nfev=calls, njev=slopes_count,
        status=status, success=status > 0,
    )  # fmt: skip


COMMON = (-1, 2, 3, 4, 1, 0, -1, -1, -1)
"""How MINPACK's ends are numbered by least_squares."""
