# pyright: basic
"""SciPy's integration of functions and of differential equations, as ordinary programs that are staged."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate._ivp.ivp import MESSAGES, METHODS, OdeResult

Array = Any

GAUSS_NODES, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(10)
MORE_NODES = (
    0.9956571630258081, 0.9301574913557082, 0.7808177265864169, 0.5627571346686047, 0.2943928627014602,
)  # fmt: skip
MORE_WEIGHTS = (
    0.011694638867371874, 0.054755896574351995, 0.09312545458369761, 0.12349197626206584, 0.14277593857706009,
)  # fmt: skip
SHARED_WEIGHTS = (
    0.032558162307964725, 0.07503967481091996, 0.10938715880229764, 0.13470921731147334, 0.14773910490133849,
)  # fmt: skip
MIDDLE_WEIGHT = 0.1494455540029169
"""The 21-point rule of Kronrod that contains Gauss's of 10 points. Source: R. Piessens et al., QUADPACK (1983)."""
NODES = np.concatenate((np.negative(MORE_NODES), MORE_NODES, GAUSS_NODES, [0.0]))
WEIGHTS = np.concatenate(
    (MORE_WEIGHTS, MORE_WEIGHTS, SHARED_WEIGHTS, SHARED_WEIGHTS[::-1], [MIDDLE_WEIGHT])
)  # fmt: skip
EMBEDDED = np.concatenate((np.zeros(10), GAUSS_WEIGHTS, [0.0]))
EPS, TINY = np.finfo(float).eps, np.finfo(float).tiny


def quad(
    func: Any, a: float, b: float, args: tuple[Any, ...], absolute: float, relative: float, limit: int
) -> tuple[Any, Any]:
    """The interval with the largest error is halved until the sum of the errors is small enough, as by QUADPACK's QAG.
    Intervals without end are mapped to (0, 1] as its QAGI maps them."""
    sign = 1.0
    if b < a:
        a, b, sign = b, a, -1.0
    below, above = np.isinf(a), np.isinf(b)
    low, high = np.zeros(limit), np.zeros(limit)
    parts, errors = np.zeros(limit), np.zeros(limit)
    if below or above:
        high[0] = 1.0
    else:
        low[0], high[0] = a, b
    count, worst, first = 1, 0, 1
    total, bound = 0.0, 0.0
    enough = False
    while not enough:
        rounding = 0.0
        for side in range(first, 2):
            k = worst if side == 1 else count - 1
            middle, half = 0.5 * (low[k] + high[k]), 0.5 * (high[k] - low[k])
            values = np.zeros(21)
            for i in range(21):
                t = middle + half * NODES[i]
                x, weight = t, 1.0
                if below or above:
                    x, weight = (1.0 - t) / t, 1.0 / t**2
                    if not below:
                        x = a + x
                    elif not above:
                        x = b - x
                values[i] = func(x, *args) * weight
                if below and above:
                    values[i] += func(-x, *args) * weight
            mean = 0.5 * np.sum(WEIGHTS * values)
            size = abs(half) * np.sum(WEIGHTS * np.abs(values))
            spread = abs(half) * np.sum(WEIGHTS * np.abs(values - mean))
            error = abs(half * np.sum((WEIGHTS - EMBEDDED) * values))
            if spread != 0.0 and error != 0.0:
                error = spread * min(1.0, (200.0 * error / spread) ** 1.5)
            if size > TINY / (50.0 * EPS):
                error = max(50.0 * EPS * size, error)
            parts[k], errors[k] = half * np.sum(WEIGHTS * values), error
            rounding = 100.0 * EPS * size
        total, bound = np.sum(parts[:count]), np.sum(errors[:count])
        enough = bound <= max(absolute, relative * abs(total)) or (count == 1 and bound <= rounding)
        enough = enough or count >= limit or not np.isfinite(bound)
        if not enough:
            worst = np.argmax(errors[:count])
            middle = 0.5 * (low[worst] + high[worst])
            low[count], high[count] = middle, high[worst]
            high[worst] = middle
            count, first = count + 1, 0
    return sign * total, bound


def states(y0: Any) -> Array:
    """The start as SciPy's solvers take it, so that all that it lists are arrays of one kind."""
    y = np.asarray(y0)
    return y if np.iscomplexobj(y) else y.astype(float, copy=False)


def solve_ivp_at(
    fun: Any, t_span: Any, y0: Array, method: Any, t_eval: Array, vectorized: bool, args: Any, options: dict[str, Any]
) -> OdeResult:
    """SciPy's solvers, with the states at given times."""
    start, end = t_span[0] * 1.0, t_span[1] * 1.0
    if args is None:
        right = fun
    else:

        def right(t, y):
            return fun(t, y, *args)

    times = np.asarray(t_eval)
    if np.ndim(times) != 1:
        raise ValueError("`t_eval` must be 1-dimensional.")
    if np.any(times < min(start, end)) or np.any(times > max(start, end)):
        raise ValueError("Values in `t_eval` are not within `t_span`.")
    direction = 1.0 if end > start else -1.0
    if np.any(direction * np.diff(times) <= 0):
        raise ValueError("Values in `t_eval` are not properly sorted.")
    solver = (METHODS[method] if isinstance(method, str) else method)(
        right, start, y0, end, vectorized=vectorized, **options
    )
    states = np.empty((solver.n, len(times)), dtype=solver.y.dtype)
    done, status = 0, 1
    while status == 1:
        solver.step()
        if solver.status == "failed":
            status = -1
        else:
            if solver.status == "finished":
                status = 0
            now = np.searchsorted(direction * times, direction * solver.t, side="right")
            if now > done:
                states[:, done:now] = solver.dense_output()(times[done:now])
                done = now
    return OdeResult(
        t=times[:done], y=states[:, :done], sol=None, t_events=None, y_events=None, nfev=solver.nfev, njev=solver.njev,
        nlu=solver.nlu, status=status, success=status >= 0,
        message=MESSAGES[0] if status == 0 else "Required step size is less than spacing between numbers.",
    )  # fmt: skip
