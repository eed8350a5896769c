# pyright: basic
"""Minima without bounds by conjugate gradients and by Newton's method, as SciPy finds them: programs that are staged.

Each returns how it ended, how many iterations and evaluations of the function, its gradient and its curvature it took,
and the minimum."""

from __future__ import annotations

from typing import Any

import numpy as np

from .line_search_programs import guess, nocedal_wright, thuente
from .minimum_programs import EPS, size, slope_by_differences

Array = Any


def conjugate_gradients(
    f: Any, gradient: Any, x0: Array, eps: float, gtol: float, order: Any, most: Any, c1: float, c2: float
) -> tuple[Any, ...]:
    """Polak and Ribiere's directions. Source: J. Nocedal and S. Wright, Numerical Optimization (2006), section 5.2."""
    n = len(x0)
    most = 200 * n if most is None else most
    each = 1 + n if gradient is None else 1  # evaluations that come with those of a gradient

    def slope_at(x, fx):
        return slope_by_differences(f, x, fx, eps, None) if gradient is None else gradient(x)

    x, slope, slope_new = np.empty(n), np.empty(n), np.empty(n)
    direction, next_direction = np.empty(n), np.empty(n)
    x[:] = x0
    fx = f(x)
    slope[:] = slope_at(x, fx)
    direction[:] = -slope
    calls, slopes, count, status = each, 1, 0, 0
    before = fx + np.linalg.norm(slope) / 2

    def look(step):
        return f(x + step * direction)

    def slope_there(step, value):
        slope_new[:] = slope_at(x + step * direction, value)
        return np.dot(slope_new, direction)

    def accept(step):
        """The next direction must lead down, unless this is the end."""
        turn = max(0.0, np.dot(slope_new - slope, slope_new) / np.dot(slope, slope))
        next_direction[:] = -slope_new + turn * direction
        return size(slope_new, order) <= gtol or np.dot(next_direction, slope_new) <= -0.01 * np.dot(
            slope_new, slope_new
        )

    steep = size(slope, order)
    while status == 0 and steep > gtol and count < most:
        first = np.dot(slope, direction)
        trial = guess(fx, first, before)
        ok, step, value, more, more_slopes, _ = thuente(look, slope_there, fx, first, trial, c1, c2, 1e-100, 1e100)
        calls, slopes = calls + more + (each - 1) * more_slopes, slopes + more_slopes
        if ok:
            ok = accept(step)
        if not ok:
            ok, step, value, more, more_slopes = nocedal_wright(
                look, slope_there, fx, first, trial, c1, c2, 1e100, accept
            )
            calls, slopes = calls + more + (each - 1) * more_slopes, slopes + more_slopes
        if not ok:
            status = 2
        else:
            accept(step)
            x += step * direction
            before, fx = fx, value
            slope[:] = slope_new
            direction[:] = next_direction
            steep = size(slope, order)
            count += 1
    if status == 0 and count >= most:
        status = 1
    elif status == 0 and (np.isnan(fx) or np.isnan(steep) or np.any(np.isnan(x))):
        status = 3
    return status, count, calls, slopes, 0, x


def newton(
    f: Any, gradient: Any, curvature: Any, times: Any, x0: Array, eps: float, xtol: float, most: Any, c1: float,
    c2: float,
) -> tuple[Any, ...]:  # fmt: skip
    """Newton's steps by conjugate gradients, cut short. `curvature` is a function for the Hessian matrix, `times` one
    for its products with vectors.

    Source: J. Nocedal and S. Wright, Numerical Optimization (2006), section 7.1."""
    n = len(x0)
    most = 200 * n if most is None else most
    x, slope, slope_new, direction = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    x[:] = x0
    fx = f(x)
    slope[:] = gradient(x)
    calls, slopes, curvatures, count, status = 1, 1, 0, 0, 0
    before = np.inf

    def look(step):
        return f(x + step * direction)

    def slope_there(step, value):
        slope_new[:] = gradient(x + step * direction)
        return np.dot(slope_new, direction)

    moved = np.finfo(float).max
    while status == 0 and moved > n * xtol and count < most:
        steep = np.sum(np.abs(slope))
        enough = min(0.5, np.sqrt(steep)) * steep
        rest, part = slope.copy(), -slope
        direction[:] = 0.0
        old = np.dot(rest, rest)
        if curvature is not None:
            matrix = curvature(x)
            curvatures += 1
        turns, ended = 0, False
        while not ended and turns < 20 * n:
            if np.sum(np.abs(rest)) <= enough:
                ended = True
            else:
                if curvature is not None:
                    product = np.dot(matrix, part)
                elif times is not None:
                    product = times(x, part)
                    curvatures += 1
                else:
                    product = (gradient(x + eps * part) - slope) / eps
                    slopes += 1 if turns == 0 else 2  # SciPy takes the one at x again
                bend = np.dot(part, product)
                if 0 <= bend <= 3 * EPS:
                    ended = True
                elif bend < 0:
                    ended = True
                    if turns == 0:
                        direction[:] = old / bend * slope
                else:
                    step = old / bend
                    direction += step * part
                    rest += step * product
                    new = np.dot(rest, rest)
                    part = -rest + new / old * part
                    old = new
                    turns += 1
        if not ended:
            status = 3
        else:
            first = np.dot(slope, direction)
            trial = guess(fx, first, before)
            ok, step, value, more, more_slopes, _ = thuente(look, slope_there, fx, first, trial, c1, c2, 1e-8, 50.0)
            calls, slopes = calls + more, slopes + more_slopes
            if not ok:
                ok, step, value, more, more_slopes = nocedal_wright(look, slope_there, fx, first, trial, c1, c2, np.inf)
                calls, slopes = calls + more, slopes + more_slopes
            if not ok:
                status = 2
            else:
                move = step * direction
                before, fx = fx, value
                x += move
                slope[:] = slope_new
                moved = np.sum(np.abs(move))
                count += 1
    if status == 0 and moved > n * xtol:
        status = 1
    elif status == 0 and (np.isnan(fx) or np.isnan(moved)):
        status = 4
    return status, count, calls, slopes, curvatures, x
