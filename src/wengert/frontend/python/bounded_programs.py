# pyright: basic
"""Minima within bounds by quasi-Newton steps of limited memory, as L-BFGS-B finds them: a program that is staged.

Source: R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, A limited memory algorithm for bound constrained optimization (1995);
J. L. Morales and J. Nocedal, Remark on algorithm 778 (2011)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .line_search_programs import thuente
from .minimum_programs import EPS, slope_by_differences

Array = Any
FLAT, SMALL, CALLS, TURNS, STUCK = range(5)
"""How it ends: the slope vanishes, the function stays, too many evaluations or iterations, no step is found."""


def lbfgsb(
    f: Any, gradient: Any, x0: Array, bounds: Any, eps: float, memory: int, ftol: float, gtol: float, most_calls: int,
    most: int, most_steps: int,
) -> tuple[Any, ...]:  # fmt: skip
    n = len(x0)
    low, high = np.full(n, -np.inf), np.full(n, np.inf)
    if bounds is not None:
        low[:], high[:] = bounds[0], bounds[1]
        if np.any(low > high):
            raise ValueError("LBFGSB - one of the lower bounds is greater than an upper bound.")
    some = np.any(np.isfinite(low)) or np.any(np.isfinite(high))
    boxed = np.all(np.isfinite(low)) and np.all(np.isfinite(high))
    each = 1 + np.sum(low < high) if gradient is None else 1  # evaluations that come with those of a gradient

    def slope_at(x, fx):
        return slope_by_differences(f, x, fx, eps, (low, high)) if gradient is None else gradient(x)

    x, slope, aim = np.empty(n), np.empty(n), np.empty(n)
    x_old, slope_old, direction = np.empty(n), np.empty(n), np.empty(n)
    moves, turns = np.zeros((memory, n)), np.zeros((memory, n))  # the newest last; as far as known
    inverse = np.eye(2 * memory)
    theta, known = 1.0, 0
    x[:] = np.clip(x0, low, high)
    fx = f(x)
    slope[:] = slope_at(x, fx)

    def look(step):
        if step == 1.0:
            x[:] = aim
        else:
            x[:] = np.clip(step * direction + x_old, low, high)
        return f(x)

    def slope_there(step, value):
        slope[:] = slope_at(x, value)
        return np.dot(slope, direction)

    calls, slopes, count, end = each, 1, 0, -1
    if remaining(x, slope, low, high) <= gtol:
        end = FLAT
    while end < 0:
        wide = np.concatenate((turns, theta * moves)).T
        free = np.ones(n, dtype=bool)
        weights = np.zeros(2 * memory)
        if some or known == 0:
            cauchy(x, slope, low, high, theta, wide, inverse, aim, free, weights)
        else:
            aim[:] = x
        if known > 0 and np.any(free):
            within_free(x, slope, low, high, theta, wide, inverse, aim, free, weights)
        direction[:] = aim - x
        x_old[:], slope_old[:] = x, slope
        fx_old, first = fx, np.dot(slope, direction)
        longest = 1e10
        if some:
            longest = 1.0 if count == 0 else room(x, direction, low, high, 1e10)
        trial = 1.0
        if count == 0 and not boxed:
            trial = min(1.0 / np.linalg.norm(direction), longest)
        ok, step, fx, more, more_slopes, narrow = thuente(
            look, slope_there, fx, first, trial, 1e-3, 0.9, 0.0, longest, 0.1, most_steps
        )
        calls, slopes = calls + each * more, slopes + more_slopes
        if not ok and not narrow:
            x[:], slope[:] = x_old, slope_old
            fx = fx_old
            if known == 0:
                end = STUCK
            known, theta = 0, 1.0
            moves[:], turns[:], inverse[:] = 0.0, 0.0, np.eye(2 * memory)
        else:
            count += 1
            now = np.dot(slope, direction)
            bend = (now - first) * step
            if count >= most:
                end = TURNS
            elif calls > most_calls:
                end = CALLS
            elif remaining(x, slope, low, high) <= gtol:
                end = FLAT
            elif fx_old - fx <= ftol * max(abs(fx_old), abs(fx), 1.0):
                end = SMALL
            elif bend > EPS * -first * step:
                moves[:-1], turns[:-1] = moves[1:].copy(), turns[1:].copy()
                moves[-1], turns[-1] = step * direction, slope - slope_old
                theta = np.dot(turns[-1], turns[-1]) / bend
                known = min(known + 1, memory)
                inverse[:] = np.linalg.inv(middle(moves, turns, theta, known))
    return end, count, calls, slopes, 0, x


def remaining(x: Array, slope: Array, low: Array, high: Array) -> Any:
    """The largest element of the slope, as far as bounds leave room to follow it."""
    return np.max(np.abs(np.where(slope < 0, np.maximum(x - high, slope), np.minimum(x - low, slope))))


def room(x: Array, direction: Array, low: Array, high: Array, most: float) -> Any:
    """How many times a direction fits between x and the bounds."""
    for i in range(len(x)):
        d = direction[i]
        left = (low[i] if d < 0 else high[i]) - x[i]
        if (d < 0 and left >= 0) or (d > 0 and left <= 0):
            most = 0.0
        elif d != 0 and abs(d) * most > abs(left):
            most = left / d
    return most


def middle(moves: Array, turns: Array, theta: Any, known: int) -> Array:
    """K of B = theta I - W K^-1 W^T, the identity where there are no moves yet."""
    many = len(moves)
    products = moves @ turns.T
    whole = np.eye(2 * many)
    first = many - known
    for i in range(first, many):
        whole[i, i] = -products[i, i]
        for j in range(first, many):
            whole[many + i, many + j] = theta * np.dot(moves[i], moves[j])
            if j < i:
                whole[many + i, j] = whole[j, many + i] = products[i, j]
    return whole


def cauchy(
    x: Array, slope: Array, low: Array, high: Array, theta: Any, wide: Array, inverse: Array, aim: Array, free: Array,
    weights: Array,
) -> None:  # fmt: skip
    """The first minimum of the model along the projected descent: in `aim`, with W^T (aim - x) in `weights`, and what
    does not lie at bounds there in `free`."""
    n = len(x)
    down, until = -slope, np.full(n, np.inf)
    aim[:] = x
    for i in range(n):
        if low[i] == high[i] or (x[i] <= low[i] and slope[i] >= 0) or (x[i] >= high[i] and slope[i] <= 0):
            free[i] = slope[i] == 0 and low[i] != high[i]
            down[i] = 0.0
        elif slope[i] > 0 and np.isfinite(low[i]):
            until[i] = (x[i] - low[i]) / slope[i]
        elif slope[i] < 0 and np.isfinite(high[i]):
            until[i] = (x[i] - high[i]) / slope[i]
    left = np.sum(np.isfinite(until))
    unbounded = np.any((down != 0) & np.isinf(until))
    along = wide.T @ down
    first = -np.dot(down, down)
    second = -theta * first - along @ inverse @ along
    smallest = EPS * -theta * first
    total = 0.0
    wanted = -first / second if first < 0 else 0.0
    done = not first < 0
    while not done and left > 0:
        k = np.argmin(until)
        step = until[k] - total
        if wanted < step:
            done = True
        else:
            left -= 1
            total = until[k]
            part = down[k]
            aim[k] = high[k] if part > 0 else low[k]
            gone = aim[k] - x[k]
            down[k], until[k], free[k] = 0.0, np.inf, False
            weights += step * along
            if left == 0 and not unbounded:
                done, wanted = True, 0.0
            else:
                row = wide[k]
                turned = inverse @ row
                first += step * second + part**2 - theta * part * gone + part * np.dot(weights, turned)
                second += -theta * part**2 + 2.0 * part * np.dot(along, turned) - part**2 * np.dot(row, turned)
                along -= part * row
                second = max(smallest, second)
                wanted = -first / second
    wanted = max(wanted, 0.0)
    aim += (total + wanted) * down
    weights += wanted * along


def within_free(
    x: Array, slope: Array, low: Array, high: Array, theta: Any, wide: Array, inverse: Array, aim: Array, free: Array,
    weights: Array,
) -> None:  # fmt: skip
    """From `aim` to the minimum of the model over what is free, projected, or as far as bounds allow."""
    many = len(inverse)
    rest = np.where(free, -(slope + theta * (aim - x) - wide @ (inverse @ weights)), 0.0)
    inner = np.where(free[:, None], wide, 0.0)
    part = inverse @ (inner.T @ rest)
    part = np.linalg.solve(np.eye(many) - inverse @ (inner.T @ inner) / theta, part)
    direction = (rest + inner @ part / theta) / theta
    start = aim.copy()
    aim[:] = np.clip(start + direction, low, high)
    if np.any(aim != start + direction) and np.dot(aim - x, slope) > 0:
        step = room(start, direction, low, high, 1.0)
        aim[:] = np.clip(start + step * direction, low, high)
