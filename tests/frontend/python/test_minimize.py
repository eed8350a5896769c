"""scipy.optimize.minimize by each of its methods: values and counts are SciPy's, derivatives those of the minimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize

import wengert as wg

AT = np.array([1.2, 0.9])


def valley(x: Any, a: Any) -> Any:
    return (x[0] - a[0]) ** 2 + 100 * (x[1] - a[1] * x[0] ** 2) ** 2 + (x[2] - 2.0) ** 2


def slope(x: Any, a: Any) -> Any:
    rest = x[1] - a[1] * x[0] ** 2
    return np.array([2 * (x[0] - a[0]) - 400 * a[1] * x[0] * rest, 200 * rest, 2 * (x[2] - 2.0)])


def bends(x: Any, a: Any) -> Any:
    return np.array(
        [[2 - 400 * a[1] * (x[1] - 3 * a[1] * x[0] ** 2), -400 * a[1] * x[0], 0.0], [-400 * a[1] * x[0], 200.0, 0.0],
         [0.0, 0.0, 2.0]]
    )  # fmt: skip


def times(x: Any, p: Any, a: Any) -> Any:
    return bends(x, a) @ p


WAYS: dict[str, dict[str, Any]] = {
    "conjugate gradients": {"method": "CG", "options": {"maxiter": 9}},
    "conjugate gradients, slopes": {"method": "cg", "jac": slope, "tol": 1e-9},
    "Newton": {"method": "Newton-CG", "jac": slope, "hess": bends, "tol": 1e-6},
    "Newton, products": {"method": "Newton-CG", "jac": slope, "hessp": times},
    "Newton, differences": {"method": "Newton-CG", "jac": slope},
    "limited memory": {"method": "L-BFGS-B"},
    "limited memory, slopes": {"method": "L-BFGS-B", "jac": slope, "options": {"maxcor": 3, "ftol": 0.0}},
    "within bounds": {"bounds": [(None, 0.9), (0.6, None), (2.5, 4.0)], "jac": slope},
    "within bounds, differences": {"bounds": [(-9.0, 1.1), (1.0, 9.0), (1.5, 1.5)]},
    "within half bounds": {"bounds": scipy.optimize.Bounds(-np.inf, [1.0, np.inf, np.inf]), "jac": slope},
    "simplex": {"method": "Nelder-Mead", "tol": 1e-9},
    "simplex within bounds": {"method": "Nelder-Mead", "bounds": [(None, 0.9), (0.4, 2.0), (0.0, 1.0)]},
    "few turns": {"method": "L-BFGS-B", "options": {"maxiter": 3}},
    "few calls": {"method": "Nelder-Mead", "options": {"maxfev": 20}},
}


@pytest.mark.parametrize("way", WAYS)
def test_values_and_counts(way: str) -> None:
    """The same steps: as many iterations and evaluations, the same end."""
    options = WAYS[way]

    def found(a: Any) -> Any:
        r = scipy.optimize.minimize(valley, np.array([0.5, 0.5, 1.0]), args=(a,), **options)
        counts = [r.nit, r.nfev, r.status, r.success]
        if "njev" in r:
            counts.append(r.njev)
        return r.x, r.fun, counts, r.message

    ours, wanted = wg.compile(found)(AT), found(AT)
    np.testing.assert_allclose(ours[0], wanted[0], rtol=1e-7 if "jac" in options else 1e-4)
    np.testing.assert_allclose(ours[1], wanted[1], rtol=1e-6, atol=1e-8)
    assert [int(c) for c in ours[2]] == [int(c) for c in wanted[2]]
    assert ours[3] == wanted[3]


def between(a: Any) -> Any:
    """One variable at a bound that moves, one inside: derivatives of the latter through the former."""
    bounds = [(a[0] * a[1], None), (None, 3.0)]
    x, value, _ = scipy.optimize.fmin_l_bfgs_b(lambda x: (curved(x, a), slope_of_curved(x, a)), np.ones(2),
                                               bounds=bounds, factr=0.0, pgtol=1e-12)  # fmt: skip
    return np.append(x, value)


def curved(x: Any, a: Any) -> Any:
    return np.cosh(x[0] - a[0]) + 0.5 * np.sum((x - a[1]) ** 2) + 0.3 * a[0] * x[0] * x[1]


def slope_of_curved(x: Any, a: Any) -> Any:
    return np.array([np.sinh(x[0] - a[0]), 0.0]) + (x - a[1]) + 0.3 * a[0] * x[::-1]


def inside(a: Any) -> Any:
    x = scipy.optimize.minimize(curved, np.ones(2), (a,), "Newton-CG", slope_of_curved, tol=1e-11).x
    return np.append(x, curved(x, a))


def simplex(a: Any) -> Any:
    """The same minimum, as far as values alone can tell."""
    x = scipy.optimize.fmin(curved, np.ones(2), (a,), xtol=1e-9, ftol=1e-14)
    return np.append(x, curved(x, a))


@pytest.mark.parametrize("program", [between, inside, simplex])
def test_derivatives(program: Any) -> None:
    exact = inside if program is simplex else program
    h = 1e-3

    def differences(f: Any) -> Any:
        return np.stack([(8 * (f(AT + s) - f(AT - s)) - f(AT + 2 * s) + f(AT - 2 * s)) / (12 * h)
                         for s in np.eye(2) * h], axis=-1)  # fmt: skip

    found = wg.jacobian(program, mode="reverse")(AT)
    np.testing.assert_allclose(found, differences(exact), atol=1e-5)
    np.testing.assert_allclose(wg.jacobian(program, mode="forward")(AT), found, rtol=1e-12, atol=1e-14)
    if program is not simplex:
        bend = wg.hessian(lambda a: np.sum(program(a) ** 3))(AT)
        np.testing.assert_allclose(bend, differences(wg.grad(lambda a: np.sum(exact(a) ** 3))), atol=1e-4)


def test_minima_on_bounds_move_with_them() -> None:
    """Each has its own: below, above, fixed, and inside, where the bounds do not matter."""

    def least(b: Any) -> Any:
        target = np.array([-3.0, 5.0, 1.0, 0.25])
        low, high = np.array([b[0], -9.0, b[2], -9.0]), np.array([9.0, b[1], b[2], 9.0])
        bounds = scipy.optimize.Bounds(low, high)
        return scipy.optimize.minimize(lambda x: (x - target) @ (x - target), np.zeros(4), bounds=bounds).x

    b = np.array([-1.0, 2.0, 0.5])
    np.testing.assert_allclose(least(b), [-1.0, 2.0, 0.5, 0.25], atol=1e-6)
    np.testing.assert_allclose(wg.jacobian(least)(b), np.eye(4, 3), atol=1e-9)


def test_stopped_short() -> None:
    def stopped(a: Any) -> Any:
        return scipy.optimize.minimize(valley, np.zeros(3), (a,), "L-BFGS-B", options={"maxiter": 2}).x

    assert np.all(np.isnan(wg.jacobian(stopped)(AT)))


def test_exceptions_and_refusals() -> None:
    def crossed(a: Any) -> Any:
        return scipy.optimize.minimize(lambda x: (x[0] - a) ** 2, [0.0], bounds=[(a, 1.0)]).x

    def slopeless(a: Any) -> Any:
        return scipy.optimize.minimize(lambda x: (x[0] - a) ** 2, [0.0], method="Newton-CG").x

    def trusted(a: Any) -> Any:
        return scipy.optimize.minimize(lambda x: (x[0] - a) ** 2, [0.0], method="trust-constr").x

    def constrained(a: Any) -> Any:
        return scipy.optimize.minimize(lambda x: (x[0] - a) ** 2, [0.0], bounds=[(0.0, 1.0)], method="CG").x

    with pytest.raises(ValueError, match="greater than an upper bound"):
        wg.compile(crossed)(2.0)
    with pytest.raises(ValueError, match="Jacobian is required"):
        wg.compile(slopeless)(2.0)
    for program, reason in (trusted, "trust-constr"), (constrained, "CG' and bounds"):
        with pytest.raises(wg.Unsupported, match=reason):
            wg.compile(program)(2.0)
