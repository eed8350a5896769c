"""scipy.integrate: quad and solve_ivp of functions that depend on what is differentiated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.special

import wengert as wg
from derivatives import gradient
from wengert.frontend.python.scipy_integration import EMBEDDED, NODES, WEIGHTS

INF = np.inf


def test_the_rule_of_kronrod() -> None:
    """It integrates polynomials up to degree 31, the one inside up to 19."""
    for rule, degree in ((WEIGHTS, 31), (EMBEDDED, 19)):
        for n in range(0, degree + 1, 2):
            assert np.sum(rule * NODES**n) == pytest.approx(2 / (n + 1), rel=1e-14)


def gaussian(a):
    return scipy.integrate.quad(lambda x: np.exp(-a * x * x), -INF, INF)[0]


def tail(a):
    return scipy.integrate.quad(lambda x, c: c * np.exp(-x), a, INF, args=(2.0 * a,))[0]


def from_below(a):
    return scipy.integrate.quad(lambda x: np.exp(a * x), -INF, a)[0]


def against_the_order(a):
    return scipy.integrate.quad(lambda x: x**a, 1.0, 0.0)[0] + scipy.integrate.quad(lambda x: np.exp(-a * x), INF, 0)[0]


def many_waves(a):
    value, error = scipy.integrate.quad(lambda x: np.sin(9 * a * x) / (1 + x), 0, 2 * a)
    return value + (1.0 if error > 1e-6 else 0.0)


def kink(a):
    return scipy.integrate.quad(lambda x: abs(x - a), 0, 3, epsabs=1e-13, epsrel=1e-13, limit=200)[0]


def twice(a):
    return scipy.integrate.quad(lambda y: scipy.integrate.quad(lambda x: np.exp(-a * x * y), 0, y)[0], 0, 1)[0]


@pytest.mark.parametrize("program", [gaussian, tail, from_below, against_the_order, many_waves, kink, twice])
def test_quad(program: Any) -> None:
    assert float(wg.compile(program)(1.3)) == pytest.approx(program(1.3), rel=1e-9)
    step = 1e-3
    around = [program(1.3 + k * step) for k in (-2, -1, 1, 2)]
    slope = (around[0] - 8 * around[1] + 8 * around[2] - around[3]) / (12 * step)
    assert float(wg.grad(program)(1.3)) == pytest.approx(slope, rel=1e-5)


def test_quad_in_closed_form() -> None:
    a = 1.3
    root = math.sqrt(math.pi)
    assert float(wg.grad(gaussian)(a)) == pytest.approx(-0.5 * root * a**-1.5, rel=1e-9)
    assert float(wg.grad(wg.grad(gaussian))(a)) == pytest.approx(0.75 * root * a**-2.5, rel=1e-9)
    assert float(wg.grad(tail)(a)) == pytest.approx(2 * math.exp(-a) * (1 - a), rel=1e-9)


def logistic(rate, start, method, times):
    def right(t, y, p):
        return p * y * (1 - y)

    found = scipy.integrate.solve_ivp(
        right, (0.0, 2.0), start, method=method, t_eval=times, rtol=1e-10, atol=1e-12, args=(rate,)
    )
    return found.y[:, -1] * (1.0 if found.success else 0.0) + 0.0 * found.t[-1]


@pytest.mark.parametrize("times", [None, [0.0, 0.3, 0.31, 2.0]])
@pytest.mark.parametrize("method", ["RK45", "DOP853"])
def test_solve_ivp(method: str, times: Any) -> None:
    """Against the solution y0 e^(pt) / (1 + y0 (e^(pt) - 1))."""
    rate, start = 0.7, np.array([0.1, 0.4])
    times = None if times is None else np.array(times)
    want = logistic(rate, start, method, times)
    np.testing.assert_allclose(wg.compile(logistic)(rate, start, method, times), want, rtol=1e-13)
    tangent = wg.jacobian(logistic)(rate, start, method, times)
    np.testing.assert_allclose(tangent, 2.0 * want * (1 - want), rtol=1e-7)  # dy/dp = t y (1 - y)


def pendulum(start, length):
    def right(t, y):
        return [y[1], -9.81 / length * np.sin(y[0])]

    found = scipy.integrate.solve_ivp(right, (1.0, 0.2), start, t_eval=np.linspace(1.0, 0.2, 5), rtol=1e-9, atol=1e-9)
    return np.sum(found.y**2 * np.arange(5.0)) + found.nfev


def test_backwards_in_time() -> None:
    """The steps follow the arguments, and jump with their number: differences are as accurate as the steps."""
    start, length = np.array([0.4, 0.1]), 1.7
    assert float(wg.compile(pendulum)(start, length)) == pytest.approx(pendulum(start, length), rel=1e-12)
    found = wg.grad(pendulum, wrt=("start", "length"))(start, length)
    for got, want in zip(found, gradient(pendulum, start, length), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("start", [lambda a: [a, 1], lambda a: (1, a)])
def test_a_start_that_is_no_array(start: Any) -> None:
    """Without `t_eval`, SciPy lists it as it is beside the arrays of later times."""

    def end(a):
        return scipy.integrate.solve_ivp(lambda t, y: [y[1], -a * y[0]], (0, 1), start(a)).y[0, -1]

    assert wg.compile(end)(0.7) == pytest.approx(end(0.7), rel=1e-13)
    assert wg.grad(end)(0.7) == pytest.approx((end(0.7 + 1e-6) - end(0.7 - 1e-6)) / 2e-6, rel=1e-6)


def test_what_is_refused() -> None:
    def stiff(k):
        return scipy.integrate.odeint(lambda y, t: -k * y, np.ones(2), np.linspace(0, 1, 3))

    def dense(k):
        found = scipy.integrate.solve_ivp(
            lambda t, y: -k * y, (0.0, 1.0), np.ones(2), t_eval=np.linspace(0, 1, 3), dense_output=True
        )
        return found.sol(0.5)

    for program in (stiff, dense):
        with pytest.raises(wg.Unsupported):
            wg.compile(program)(0.5)


@pytest.mark.parametrize("times", [np.array([0.0, 3.0]), np.array([0.5, 0.2]), np.ones((2, 2))])
def test_times_that_do_not_fit(times: Any) -> None:
    with pytest.raises(ValueError) as expected:
        logistic(0.7, np.ones(2), "RK45", times)
    with pytest.raises(ValueError) as found:
        wg.compile(logistic)(0.7, np.ones(2), "RK45", times)
    assert str(found.value).split("\n")[0] == str(expected.value)
