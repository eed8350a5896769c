"""Solvers of SciPy inside try: what they raise is caught as by Python, and what they find has its derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import wengert as wg


def bracketed(a: Any) -> Any:
    try:
        x = scipy.optimize.brentq(lambda x: x**3 - a, 0.0, 3.0)
    except ValueError:
        x = a * a
    return x


def of_the_function(a: Any) -> Any:
    """The function raises, the solver does, or neither; a second solver depends on what the first finds."""

    def cubic(x):
        if x > 100.0:
            raise ZeroDivisionError("far")
        return x**3 - a

    try:
        x = scipy.optimize.newton(cubic, 1.0, maxiter=12)
        y = scipy.optimize.fsolve(lambda y: np.array([y[0] * y[1] - a, y[0] - x]), np.ones(2))[1]
    except (RuntimeError, ZeroDivisionError) as error:
        return -a * a if isinstance(error, ZeroDivisionError) else -a
    return x + y


def fitted(a: Any) -> Any:
    t = np.linspace(0.0, 1.0, 5)
    try:
        p = scipy.optimize.curve_fit(lambda t, u: u * np.exp(-t * u), t, a * np.exp(-a * t), [1.0], maxfev=6)[0]
    except RuntimeError as error:
        return 10 * a + len(str(error)[:3])
    return p[0]


def integrated(a: Any) -> Any:
    try:
        return scipy.integrate.quad(lambda t: np.exp(-a * t * t), 0.0, 1.0)[0]
    except ZeroDivisionError:
        return a


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("program", "points"),
    [(bracketed, (2.0, -2.0)), (of_the_function, (2.0, 1e9)), (fitted, (9.0,)), (integrated, (0.7,))],
)
def test_values_and_derivatives(program: Any, points: Any) -> None:
    slope = wg.value_and_grad(program)
    for a in points:
        h = 1e-4 * abs(a)
        value, found = slope(a)
        np.testing.assert_allclose(value, program(a), rtol=1e-7)
        np.testing.assert_allclose(found, (program(a + h) - program(a - h)) / (2 * h), rtol=1e-5)


def test_forward_and_second_order() -> None:
    """x = a^(1/3), or a^2 where the bracket holds no root."""
    for a, once, twice in ((2.0, 2 ** (-2 / 3) / 3, -2 / 9 * 2 ** (-5 / 3)), (-2.0, -4.0, 2.0)):
        assert float(wg.jacobian(bracketed, mode="forward")(a)) == pytest.approx(once, rel=1e-10)
        assert float(wg.grad(wg.grad(bracketed))(a)) == pytest.approx(twice, rel=1e-9)


def test_what_is_not_caught_is_raised() -> None:
    def missed(a: Any) -> Any:
        try:
            return scipy.optimize.brentq(lambda x: x**3 - a, 0.0, 3.0)
        except RuntimeError:
            return a

    with pytest.raises(ValueError, match="different signs"):
        wg.grad(missed)(-2.0)
