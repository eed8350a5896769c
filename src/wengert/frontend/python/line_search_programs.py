# pyright: basic
"""Searches along a line for a step that satisfies the strong Wolfe conditions, as programs that are staged.

    f(x + s p) <= f(x) + c1 s f'(x) p,    |f'(x + s p) p| <= c2 |f'(x) p|

`look(s)` is the value there, `slope_there(s, value)` the derivative along the line; `start` and `first` are those at x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def guess(start: Any, first: Any, before: Any) -> Any:
    """The step that would gain what the last one did, one at most."""
    step = 1.0
    if first != 0:
        step = min(1.0, 1.01 * 2 * (start - before) / first)
    return 1.0 if step < 0 else step


# -- More and Thuente's search -----------------------------------------------------------------------------------


def thuente(
    look: Any, slope_there: Any, start: Any, first: Any, step: Any, c1: float, c2: float, smallest: float,
    largest: float, narrow: float = 1e-14, most: int = 99,
) -> tuple[Any, ...]:  # fmt: skip
    """Whether it found a step, the step, the value there, how many values and slopes it looked at, and whether it ended
    at a step that is as good as any: the interval is `narrow`, or the step the smallest or largest.

    Source: J. J. More and D. J. Thuente, Line search algorithms with guaranteed sufficient decrease (1994), as
    MINPACK-2's dcsrch has it."""
    needed = c1 * first
    best, f_best, d_best = 0.0, start, first
    other, f_other, d_other = 0.0, start, first
    bracketed, modified = False, True
    width, width_before = largest - smallest, 2 * (largest - smallest)
    low, high = 0.0, 5.0 * step
    value = start
    found, failed, turns = False, not (first < 0 and smallest <= step <= largest), 0
    while not found and not failed and turns < most:
        turns += 1
        value = look(step)
        slope = slope_there(step, value)
        enough = start + step * needed
        if modified and value <= enough and slope >= 0:
            modified = False
        if value <= enough and abs(slope) <= c2 * -first:
            found = True
        elif (
            (bracketed and (step <= low or step >= high or high - low <= narrow * high))
            or (step == largest and value <= enough and slope <= needed)
            or (step == smallest and (value > enough or slope >= needed))
            or not np.isfinite(step)
        ):
            failed = True
        else:
            shift = needed if modified and value <= f_best and value > enough else 0.0
            best, f_best, d_best, other, f_other, d_other, step, bracketed = interpolate(
                best, f_best - best * shift, d_best - shift, other, f_other - other * shift, d_other - shift, step,
                value - step * shift, slope - shift, bracketed, low, high,
            )  # fmt: skip
            f_best, d_best = f_best + best * shift, d_best + shift
            f_other, d_other = f_other + other * shift, d_other + shift
            if bracketed:
                if abs(other - best) >= 0.66 * width_before:
                    step = best + 0.5 * (other - best)
                width_before, width = width, abs(other - best)
                low, high = min(best, other), max(best, other)
            else:
                low, high = step + 1.1 * (step - best), step + 4.0 * (step - best)
            step = min(max(step, smallest), largest)
            if bracketed and (step <= low or step >= high or high - low <= narrow * high):
                step = best
    return found, step, value, turns, turns, failed and turns > 0


def interpolate(
    best: Any, f_best: Any, d_best: Any, other: Any, f_other: Any, d_other: Any, step: Any, value: Any, slope: Any,
    bracketed: Any, low: Any, high: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """The interval after a step, and the next step: by cubic and quadratic interpolation, as near as is safe."""
    turned = slope * np.sign(d_best) < 0
    if value > f_best:  # higher: a minimum lies between
        cubic = cubic_step(best, f_best, d_best, step, value, slope)
        square = best + d_best / ((f_best - value) / (step - best) + d_best) / 2 * (step - best)
        new = cubic if abs(cubic - best) <= abs(square - best) else cubic + (square - cubic) / 2
        inside = True
    elif turned:
        cubic = cubic_step(step, value, slope, best, f_best, d_best)
        square = step + slope / (slope - d_best) * (best - step)
        new = cubic if abs(cubic - step) > abs(square - step) else square
        inside = True
    elif abs(slope) < abs(d_best):
        theta, gamma = cubic_parts(step, value, slope, best, f_best, d_best)
        ratio = ((gamma - slope) + theta) / ((gamma + (d_best - slope)) + gamma)
        cubic = high if step > best else low
        if ratio < 0 and gamma != 0:
            cubic = step + ratio * (best - step)
        square = step + slope / (slope - d_best) * (best - step)
        nearer = abs(cubic - step) < abs(square - step)
        if bracketed:
            new = cubic if nearer else square
            most = step + 0.66 * (other - step)
            new = min(most, new) if step > best else max(most, new)
        else:
            further = abs(cubic - step) > abs(square - step)
            new = min(max(cubic if further else square, low), high)
        inside = bracketed
    elif bracketed:
        new, inside = cubic_step(step, value, slope, other, f_other, d_other), True
    else:
        new, inside = (high if step > best else low), False
    if value > f_best:
        return best, f_best, d_best, step, value, slope, new, inside
    if turned:
        return step, value, slope, best, f_best, d_best, new, inside
    return step, value, slope, other, f_other, d_other, new, inside


def cubic_parts(a: Any, fa: Any, da: Any, b: Any, fb: Any, db: Any) -> tuple[Any, Any]:
    theta = 3 * (fb - fa) / (a - b) + db + da
    scale = max(abs(theta), abs(da), abs(db))
    gamma = scale * np.sqrt(max(0.0, (theta / scale) ** 2 - (da / scale) * (db / scale)))
    return theta, (-gamma if a > b else gamma)


def cubic_step(a: Any, fa: Any, da: Any, b: Any, fb: Any, db: Any) -> Any:
    """The minimum, from a, of the cubic polynomial with these values and derivatives at a and b."""
    theta, gamma = cubic_parts(a, fa, da, b, fb, db)
    return a + ((gamma - da) + theta) / (((gamma - da) + gamma) + db) * (b - a)


# -- Nocedal and Wright's ----------------------------------------------------------------------------------------


def nocedal_wright(
    look: Any, slope_there: Any, start: Any, first: Any, step: Any, c1: float, c2: float, largest: float,
    accept: Any = lambda step: True,
) -> tuple[Any, ...]:  # fmt: skip
    """Whether it found a step, the step, the value there, and how many values and slopes it looked at. A step that
    satisfies the conditions must also be one to `accept`.

    Source: J. Nocedal and S. Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6."""
    last, f_last, d_last = 0.0, start, first
    step = min(step, largest)
    value, slope = look(step), 0.0
    calls, slopes = 1, 0
    a, fa, da, b, fb = 0.0, 0.0, 0.0, 0.0, 0.0
    found, failed, between, turns = False, False, False, 0
    while not found and not failed and not between:
        if turns == 10:
            slope, found = slope_there(step, value), True
            slopes += 1
        elif step == 0 or last == largest:
            failed = True
        elif value > start + c1 * step * first or (value >= f_last and turns > 0):
            between = True
            a, fa, da, b, fb = last, f_last, d_last, step, value
        else:
            slope = slope_there(step, value)
            slopes += 1
            if abs(slope) <= -c2 * first and accept(step):
                found = True
            elif slope >= 0:
                between = True
                a, fa, da, b, fb = step, value, slope, last, f_last
            else:
                last, f_last, d_last = step, value, slope
                step = min(2 * step, largest)
                value = look(step)
                calls += 1
                turns += 1
    third, f_third, turns = 0.0, start, 0
    while between and not found and not failed:
        width = b - a
        nearest, furthest = (min(a, b), max(a, b))
        step = third_degree(a, fa, da, b, fb, third, f_third) if turns > 0 else np.nan
        margin = 0.2 * width
        if np.isnan(step) or step > furthest - margin or step < nearest + margin:
            step = second_degree(a, fa, da, b, fb)
            margin = 0.1 * width
            if np.isnan(step) or step > furthest - margin or step < nearest + margin:
                step = a + 0.5 * width
        value = look(step)
        calls += 1
        if value > start + c1 * step * first or value >= fa:
            third, f_third, b, fb = b, fb, step, value
        else:
            slope = slope_there(step, value)
            slopes += 1
            if abs(slope) <= -c2 * first and accept(step):
                found = True
            else:
                if slope * width >= 0:
                    third, f_third, b, fb = b, fb, a, fa
                else:
                    third, f_third = a, fa
                a, fa, da = step, value, slope
        turns += 1
        failed = turns > 10
    return found, step, value, calls, slopes


def second_degree(a: Any, fa: Any, da: Any, b: Any, fb: Any) -> Any:
    """The minimum of the parabola with these values, and this derivative at a; NaN if there is none."""
    width = b - a
    curvature = (fb - fa - da * width) / (width * width)
    least = a - da / (2.0 * curvature)
    return least if np.isfinite(least) else np.nan


def third_degree(a: Any, fa: Any, da: Any, b: Any, fb: Any, c: Any, fc: Any) -> Any:
    """The same of the cubic polynomial with three values."""
    db, dc = b - a, c - a
    scale = (db * dc) ** 2 * (db - dc)
    rest_b, rest_c = fb - fa - da * db, fc - fa - da * dc
    cubic = (dc**2 * rest_b - db**2 * rest_c) / scale
    square = (-(dc**3) * rest_b + db**3 * rest_c) / scale
    under = square * square - 3 * cubic * da
    least = a + (-square + np.sqrt(max(under, 0.0))) / (3 * cubic)
    return least if under >= 0 and np.isfinite(least) else np.nan
