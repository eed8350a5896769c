"""scipy.optimize: minima and fits as SciPy finds them, derivatives by the implicit function theorem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize._lsq.least_squares import construct_loss_function

import wengert as wg
from wengert.frontend.python.fit_programs import robust as robust_loss

T = np.linspace(0.0, 4.0, 15)
NOISE = 0.1 * np.random.default_rng(0).standard_normal(15)
BOTH = np.array([1.2, 0.9])
TIGHT = {"ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14}


def decay(p: Any) -> Any:
    return p[0] * np.exp(-p[1] * T)


def of_numbers(a):
    """Each search in one dimension, values captured and passed, one found from another."""
    x = scipy.optimize.minimize_scalar(lambda x: np.cosh(x - a[0]) + a[1] * x, tol=1e-10).x
    y = scipy.optimize.brent(lambda y, b: np.exp(y) - b * y, args=(x + a[0],), tol=1e-10)
    z = scipy.optimize.golden(lambda z: np.cosh(z - x * a[1]), brack=(-1.0, 2.0), tol=1e-9)
    w = scipy.optimize.fminbound(lambda w: np.cosh(w - a[0]) + w * y, -3.0, 9.0, xtol=1e-9)
    return np.array([x, y, z, w])


def at_bounds(a):
    """Minima at bounds, which change with what those depend on, and inside."""
    low = scipy.optimize.minimize_scalar(lambda x: x * a[0], bounds=(a[1] ** 2, 4.0), method="bounded").x
    high = scipy.optimize.minimize_scalar(lambda x: -(x**2), bounds=(1.0, 3 * a[0] * a[1])).x
    inside = scipy.optimize.minimize_scalar(lambda x: (x - a[0]) ** 2, bounds=(a[1] - 5.0, a[1] + 5.0)).x
    return np.array([low, high, inside])


def rosenbrock(a):
    def f(x, b):
        return (x[0] - a[0]) ** 2 + 100 * (x[1] - b * x[0] ** 2) ** 2

    def slope(x, b):
        rest = x[1] - b * x[0] ** 2
        return np.array([2 * (x[0] - a[0]) - 400 * b * x[0] * rest, 200 * rest])

    r = scipy.optimize.minimize(f, [0.5, 0.5], args=(a[1],), jac=slope, tol=1e-11)
    return np.append(r.x, [r.fun, np.sum(r.jac) * 0])


def value_and_slope(a):
    def f(x):
        return np.sum(np.cosh(x - a[0])) + np.prod(x), np.sinh(x - a[0]) + a[1] * 0 + np.array([x[1], x[0]])

    return scipy.optimize.minimize(f, np.ones(2), method="BFGS", jac=True, options={"gtol": 1e-11}).x


def energy(a):
    """What is least has the derivative of the function at the minimum alone."""
    r = scipy.optimize.minimize(lambda x: np.sum((x - a) ** 4) + 0.5 * np.dot(x, x) * a[0], np.zeros(2), tol=1e-7)
    return np.array([r.fun, np.sum(r.x)])


def fits(a):
    y = decay(a) + NOISE
    one = scipy.optimize.leastsq(lambda p, y: decay(p) - y, [1.0, 1.0], args=(y,), ftol=1e-14, xtol=1e-14)[0]
    two = scipy.optimize.least_squares(lambda p: decay(p) - y, [1.0, 1.0], **TIGHT)
    three = scipy.optimize.least_squares(lambda p: decay(p) - y, one + 0.1, method="lm", **TIGHT)
    return np.concatenate((one, two.x * two.cost, three.x * three.x))


def with_slopes(a):
    y = decay(a) + NOISE

    def slopes(p):
        return np.stack((np.exp(-p[1] * T), -p[0] * T * np.exp(-p[1] * T)), axis=1)

    one = scipy.optimize.leastsq(lambda p: decay(p) - y, [1.0, 1.0], Dfun=lambda p: slopes(p).T, col_deriv=True,
                                 ftol=1e-14, xtol=1e-14)[0]  # fmt: skip
    two = scipy.optimize.least_squares(lambda p, s: s * (decay(p) - y), [1.0, 1.0], jac=lambda p, s: s * slopes(p),
                                       args=(2.0,), **TIGHT)  # fmt: skip
    return one + two.x


def robust(a):
    y = decay(a) + 3 * NOISE
    r = scipy.optimize.least_squares(lambda p: decay(p) - y, [1.0, 1.0], loss="cauchy", f_scale=0.2 * a[1], **TIGHT)
    return np.append(r.x, r.cost)


def curves(a):
    def model(t, u, v, w):
        return u * np.exp(-v * t) + w

    p, covariance = scipy.optimize.curve_fit(model, T, decay(a) + NOISE + 0.3, ftol=1e-14, xtol=1e-14)
    q, other = scipy.optimize.curve_fit(
        lambda t, u, v: u * np.sin(v * t), T, a[0] * np.sin(a[1] * T) + NOISE, p0=(1.0, 1.0),
        sigma=0.1 + 0.05 * T * a[0], absolute_sigma=True, ftol=1e-14, xtol=1e-14,
    )  # fmt: skip
    return np.concatenate((p, np.sqrt(np.diag(covariance)), q, other.ravel()))


PROGRAMS: list[Any] = [
    of_numbers, at_bounds, rosenbrock, value_and_slope, energy, fits, with_slopes, robust, curves,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_values_and_derivatives(program: Any) -> None:
    """Differences of what is found have its errors, which are those of the searches' tolerances."""
    value, pullback = wg.vjp(program, BOTH)
    np.testing.assert_allclose(value, program(BOTH), rtol=2e-5, atol=1e-7)
    h = 1e-3
    steps = np.eye(2) * h
    wanted = np.stack(
        [(8 * (program(BOTH + s) - program(BOTH - s)) - program(BOTH + 2 * s) + program(BOTH - 2 * s)) / (12 * h)
         for s in steps], axis=-1,
    )  # fmt: skip
    found = np.stack([np.squeeze(pullback(unit)) for unit in np.eye(len(value))])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    if program in (of_numbers, energy):
        np.testing.assert_allclose(wg.jacobian(program, mode="forward")(BOTH), found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy", "arctan"])
def test_losses(loss: str) -> None:
    f = 3 * NOISE
    known = construct_loss_function(len(f), loss, 0.2)
    values, once, twice = robust_loss(loss, f, 0.2)
    if known is not None:
        wanted = known(f)
        np.testing.assert_allclose(values, np.sum(wanted[0]), rtol=1e-14)
        np.testing.assert_allclose(once, wanted[1], rtol=1e-14)
        np.testing.assert_allclose(twice, wanted[2], rtol=1e-13)
    assert loss != "linear" or (values == np.sum(f * f) and np.all(once == 1) and not np.any(twice))


def test_closed_forms() -> None:
    """To any order: the minimum of (x - a)^4 / 4 + b x is a - b^(1/3); that of |x - a|^2 + |x|^2 is a / 2."""
    f = wg.grad(lambda b: scipy.optimize.minimize_scalar(lambda x: (x - 1.0) ** 4 / 4 + b * x, tol=1e-12).x)
    assert float(f(0.5)) == pytest.approx(-(0.5 ** (-2 / 3)) / 3, rel=1e-6)
    assert float(wg.grad(f)(0.5)) == pytest.approx(2 / 9 * 0.5 ** (-5 / 3), rel=1e-6)

    def halves(a):
        return scipy.optimize.minimize(lambda x: np.sum((x - a) ** 2) + np.dot(x, x), np.zeros(3)).x

    a = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(wg.jacobian(halves)(a), np.eye(3) / 2, atol=1e-12)
    np.testing.assert_allclose(wg.hessian(lambda a: np.sum(halves(a) ** 3))(a), np.diag(0.75 * a), atol=1e-6)


def test_linear_least_squares_are_the_pseudoinverse() -> None:
    m = np.random.default_rng(1).standard_normal((6, 3))
    y = np.arange(6.0)
    for method in ("lm", "trf"):
        f = wg.jacobian(
            lambda y: scipy.optimize.least_squares(lambda x: m @ x - y, np.zeros(3), method=method).x  # noqa: B023
        )
        np.testing.assert_allclose(f(y), np.linalg.pinv(m), atol=1e-10)


def counts(a):
    found = np.zeros((4, 4))
    y = decay(a) + NOISE

    def f(x):
        return (x[0] - a[0]) ** 2 + 100 * (x[1] - a[1] * x[0] ** 2) ** 2

    def slope(x):
        rest = x[1] - a[1] * x[0] ** 2
        return np.array([2 * (x[0] - a[0]) - 400 * a[1] * x[0] * rest, 200 * rest])

    r = scipy.optimize.minimize(f, [0.5, 0.5], jac=slope)
    found[0] = r.nit, r.nfev, r.njev, r.status
    r = scipy.optimize.minimize(f, [0.5, 0.5], tol=1e-3)
    found[1] = r.nit, r.nfev, r.njev, r.status
    r = scipy.optimize.least_squares(lambda p: decay(p) - y, [1.0, 1.0])
    found[2] = r.nfev, r.njev, r.status, r.success
    r = scipy.optimize.minimize_scalar(lambda x: np.cosh(x - a[0]))
    found[3] = r.nit, r.nfev, r.success, 0
    return found


def test_counts() -> None:
    np.testing.assert_array_equal(wg.compile(counts)(BOTH), counts(BOTH))


def test_what_is_no_minimum_has_no_derivative() -> None:
    def stopped(a):
        return scipy.optimize.minimize(lambda x: np.sum((x - a) ** 4), np.zeros(2), options={"maxiter": 1}).x[0]

    def exhausted(a):
        return scipy.optimize.least_squares(lambda x: np.exp(x) - a, 3.0, max_nfev=2).x[0]

    for program in (stopped, exhausted):
        assert float(wg.compile(program)(2.0)) == pytest.approx(program(2.0), rel=1e-6)
        for mode in ("forward", "reverse"):
            assert np.isnan(float(wg.jacobian(program, mode=mode)(2.0)))


def test_flat_minima_have_none() -> None:
    def flat(a):
        return scipy.optimize.minimize_scalar(lambda x: abs(x - 1.0) * a).x

    def undetermined(a):
        return scipy.optimize.least_squares(
            lambda p: np.array([p[0] + p[1] - a, 2.0 * (p[0] + p[1] - a)]), [0.5, 0.5]
        ).x

    with pytest.raises(np.linalg.LinAlgError, match="no curvature"):
        wg.grad(flat)(2.0)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        wg.jacobian(undetermined)(2.0)


def too_few(a):
    return scipy.optimize.curve_fit(lambda t, u, v: u * np.exp(-v * t), T, a * np.exp(-T) + NOISE, maxfev=2)[0]


def test_exceptions() -> None:
    for transform in (wg.compile, wg.jacobian):
        with pytest.raises(RuntimeError, match="Optimal parameters not found"):
            transform(too_few)(2.0)


def test_refusals() -> None:
    def method(a):
        return scipy.optimize.minimize(lambda x: (x[0] - a) ** 2, [0.0], method="TNC").x

    def differences(a):
        return scipy.optimize.minimize(lambda x: (x[0] - a) ** 2, [0.0], jac="3-point").x

    def options(a):
        return scipy.optimize.minimize(lambda x: (x[0] - a) ** 2, [0.0], options={"hess_inv0": np.eye(1)}).x

    def within(a):
        return scipy.optimize.curve_fit(lambda t, u: u * t * a, T, T, bounds=(0.0, 9.0))[0]

    def dogbox(a):
        return scipy.optimize.least_squares(lambda x: x - a, [0.0], method="dogbox").x

    def mixed(a):
        return scipy.optimize.minimize_scalar(lambda x: (x - a) ** 2, bounds=(0.0, 9.0), method="brent").x

    def walk(a):
        return scipy.optimize.basinhopping(lambda x: (x[0] - a) ** 2, [0.0])

    for program, reason in (
        (method, "TNC"), (differences, "3-point"), (options, "hess_inv0"),
        (within, "curve_fit with bounds"), (dogbox, "dogbox"), (mixed, "brent with bounds"),
        (walk, "no derivative here"),
    ):  # fmt: skip
        with pytest.raises(wg.Unsupported, match=reason) as found:
            wg.compile(program)(2.0)
        assert "way out" in str(found.value)
