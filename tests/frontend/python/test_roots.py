"""scipy.optimize: roots as SciPy finds them, derivatives by the implicit function theorem."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import wengert as wg
from derivatives import assert_derivatives
from wengert.curvature import verify_hvp
from wengert.native_engine import Native

START = np.array([1.0, 0.5, 0.2])
BOTH = np.array([2.0, 0.7])


def kepler(eccentricity, mean):
    return scipy.optimize.brentq(lambda E: E - eccentricity * np.sin(E) - mean, 0.0, 7.0)


def brackets(a):
    """A method in each branch, values captured and passed, in a loop that accumulates."""
    total = np.zeros(4)
    for i in range(4):
        c = a[0] * (i + 1)
        if i == 0:
            total[i] = scipy.optimize.bisect(lambda x, b: x**3 + x - b * c, 0.0, 9.0, args=(a[1],))
        elif i == 1:
            total[i] = scipy.optimize.ridder(lambda x: x**3 + x - c, 0.0, 9.0)
        elif i == 2:
            total[i] = scipy.optimize.brenth(lambda x, b: x**3 + b * x - c, 0.0, 9.0, args=a[1])
        else:
            total[i] = scipy.optimize.brentq(lambda x: np.exp(x) - total[i - 1] - c, -3.0, 9.0)
    return total


def starts(a):
    def cube(x, b):
        return x**3 - b * a[1]

    def slope(x, b):
        return 3 * x**2

    secant = scipy.optimize.newton(cube, 1.3, args=(a[0],))
    newton = scipy.optimize.newton(cube, 1.3, fprime=slope, args=(a[0],))
    halley = scipy.optimize.newton(cube, 1.3, fprime=slope, fprime2=lambda x, b: 6 * x, args=(a[0],), tol=1e-12)
    return secant * newton + math.sin(halley)


def counts(a):
    """What is reported: the same numbers as SciPy's."""
    f, bracket = lambda x: x**3 - a[0], (0.0, 3.0)  # noqa: E731
    found = np.zeros((8, 3))
    for k, method in enumerate(("brentq", "brenth", "bisect", "ridder")):
        r = scipy.optimize.root_scalar(f, bracket=bracket, method=method)
        found[k, 0], found[k, 1], found[k, 2] = r.root, r.iterations, r.function_calls
    r = scipy.optimize.root_scalar(f, x0=1.4, x1=1.5)
    found[4, 0], found[4, 1], found[4, 2] = r.root, r.iterations, r.function_calls
    r = scipy.optimize.root_scalar(f, x0=1.4, fprime=lambda x: 3 * x * x)
    found[5, 0], found[5, 1], found[5, 2] = r.root, r.iterations, r.function_calls
    x, r = scipy.optimize.newton(f, 1.4, lambda x: 3 * x * x, fprime2=lambda x: 6 * x, full_output=True)
    found[6, 0], found[6, 1], found[6, 2] = x, r.iterations, r.function_calls
    x, r = scipy.optimize.brentq(f, 0.0, 3.0, full_output=True, disp=False, maxiter=3)
    found[7, 0], found[7, 1] = (0.0 if r.converged else 1.0), (1.0 if r.flag == "convergence error" else 0.0)
    return found


def circle(a):
    return scipy.optimize.fsolve(lambda x: [x[0] * np.cos(x[1]) - 4 * a[0], x[1] * x[0] - x[1] - 5 * a[1]], [1, 1])


def implicit_euler(rate, start):
    """Each step solves for the next state: what a step starts from is captured, or passed."""
    u = start
    for t in range(4):
        if t % 2:
            before = u.copy()
            u = scipy.optimize.fsolve(lambda v: v - before + 0.1 * rate * v**3, u, xtol=1e-12)
        else:
            u = scipy.optimize.root(lambda v, old: v - old + 0.1 * rate * v**3, u, args=(u,), tol=1e-12).x
    return u


def with_slopes(a):
    def f(x):
        return np.array([x[0] ** 2 + x[1] - a[0], x[0] - x[1] ** 3 - a[1]])

    def slopes(x):
        return np.array([[2 * x[0], 1.0], [1.0, -3 * x[1] ** 2]])

    one = scipy.optimize.root(f, [1.5, 1.0], jac=slopes)
    two = scipy.optimize.root(lambda x: (f(x), slopes(x)), [1.5, 1.0], jac=True)
    x, info, ier, _ = scipy.optimize.fsolve(f, [1.5, 1.0], full_output=True, fprime=lambda x: slopes(x).T, col_deriv=1)
    return one.x * two.x + x + (info["nfev"] + 10 * info["njev"] if ier == 1 else 0)


def nested(a):
    """A root of a function that looks for roots."""

    def inner(y):
        return scipy.optimize.brentq(lambda x: x**3 - a[0] * y, 0.0, 9.0)

    return scipy.optimize.brentq(lambda y: inner(y) + y - 3 * a[1], 0.0, 9.0)


PROGRAMS: list[tuple[Any, tuple[Any, ...]]] = [
    (kepler, (0.3, 1.2)), (brackets, (BOTH,)), (starts, (BOTH,)), (circle, (np.array([1.0, 1.1]),)),
    (implicit_euler, (2.0, START)), (with_slopes, (np.array([2.0, 0.5]),)), (nested, (BOTH,)),
]  # fmt: skip


@pytest.mark.parametrize(("program", "args"), PROGRAMS)
def test_derivatives(program: Any, args: tuple[Any, ...]) -> None:
    assert_derivatives(program, *args)


@pytest.mark.parametrize(("program", "args"), [PROGRAMS[0], PROGRAMS[1], PROGRAMS[3], PROGRAMS[6]])
def test_second_order(program: Any, args: tuple[Any, ...]) -> None:
    findings = verify_hvp(program, args, engine=Native())
    assert findings and all(f.ok for f in findings), findings


def test_closed_forms() -> None:
    """x^3 = a: to any order."""
    f = wg.grad(wg.grad(wg.grad(lambda a: scipy.optimize.brentq(lambda x: x**3 - a, 0.0, 9.0))))
    assert float(f(2.0)) == pytest.approx(10 / 27 * 2.0 ** (-8 / 3), rel=1e-9)


def test_counts() -> None:
    a = np.array([2.0])
    np.testing.assert_allclose(wg.compile(counts)(a), counts(a), rtol=1e-12)


def test_where_a_search_starts_does_not_matter() -> None:
    def f(low, high, start):
        x = scipy.optimize.brentq(lambda x: x**3 - 2.0, low, high)
        y = scipy.optimize.newton(lambda x: x**3 - 2.0, start)
        return x + y + scipy.optimize.fsolve(lambda x: x**3 - 2.0, start)[0]

    assert wg.grad(f, wrt=(0, 1, 2))(0.0, 3.0, 1.5) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_what_is_no_root_has_no_derivative(mode: str) -> None:
    def stopped(a):
        return scipy.optimize.brentq(lambda x: x**3 - a, 0.0, 3.0, maxiter=3, full_output=True, disp=False)[0]

    def none(a):
        return scipy.optimize.fsolve(lambda x: x**2 + a, 1.0)[0]

    for program in (stopped, none):
        assert np.isnan(float(wg.jacobian(program, mode=mode)(2.0)))
        assert float(wg.compile(program)(2.0)) == pytest.approx(quietly(program), rel=1e-6)


def quietly(program: Any) -> float:
    with pytest.warns(RuntimeWarning) if program.__name__ == "none" else np.errstate():
        return float(program(2.0))


def test_no_part_of_what_is_no_root_has_a_derivative() -> None:
    """Those too whose own equations do not change."""

    def stopped(a):
        r = scipy.optimize.root(lambda x: np.array([x[0] ** 3 - a * x[1], x[1] ** 3 - 2.0]), [9.0, 9.0],
                                options={"maxfev": 4})  # fmt: skip
        return r.x

    assert np.all(np.isnan(wg.jacobian(stopped)(2.0)))


def test_what_a_program_does_without_a_root_has_its_derivative() -> None:
    def f(a):
        x, r = scipy.optimize.brentq(lambda x: x**3 - a, 0.0, 3.0, maxiter=3, full_output=True, disp=False)
        return x if r.converged else a * a

    assert float(wg.grad(f)(2.0)) == 4.0


def test_multiple_roots_have_none() -> None:
    def one(a):
        return scipy.optimize.newton(
            lambda x: (x - a) ** 2, 3.0, fprime=lambda x: 2 * (x - a), maxiter=2000, tol=1e-300
        )

    def many(a):
        return scipy.optimize.fsolve(lambda x: np.array([x[0] - a, (x[0] - a) * (x[1] - a)]), [5.0, 5.0])[0]

    for program, message in ((one, "multiple root"), (many, "Singular matrix")):
        assert float(wg.compile(program)(2.0)) == pytest.approx(2.0)
        with pytest.raises(np.linalg.LinAlgError, match=message):
            wg.grad(program)(2.0)


def same_sign(a):
    return scipy.optimize.brentq(lambda x: x**3 + a, 0.0, 3.0)


def too_few(a):
    return scipy.optimize.bisect(lambda x: x**3 - a, 0.0, 3.0, maxiter=3)


def not_a_number(a):
    return scipy.optimize.brentq(lambda x: np.sqrt(x - a), 0.0, 3.0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("program", [same_sign, too_few, not_a_number])
def test_exceptions(program: Any) -> None:
    with pytest.raises((ValueError, RuntimeError)) as expected:
        program(2.0)
    for transform in (wg.compile, wg.grad):
        with pytest.raises(type(expected.value)) as found:
            transform(program)(2.0)
        assert str(found.value).split("\n")[0] == str(expected.value)


def test_refusals() -> None:
    def changes(a):
        seen = np.zeros(1)

        def f(x):
            seen[0] = x
            return x - a

        return scipy.optimize.brentq(f, 0.0, 9.0) + seen[0]

    def by_differences(a):
        return scipy.optimize.root_scalar(lambda x: x - a, x0=1.0).root

    def broyden(a):
        return scipy.optimize.root(lambda x: x - a, [1.0], method="broyden1").x[0]

    def many_starts(a):
        return scipy.optimize.newton(lambda x: x**2 - a, np.array([1.0, 2.0]))[0]

    def complex_start(a):
        return abs(scipy.optimize.newton(lambda x: x**2 + a, 1j))

    for program, reason in (
        (changes, "changes an array from outside"),
        (by_differences, "slopes by differences"), (broyden, "broyden1"),
        (many_starts, "from an array"), (complex_start, "complex number"),
    ):  # fmt: skip
        with pytest.raises(wg.Unsupported, match=reason) as found:
            wg.compile(program)(2.0)
        assert "way out" in str(found.value)


def test_a_memory_limit() -> None:
    def steps(rate):
        x, total = 1.0, 0.0
        for _ in range(60):
            x = scipy.optimize.brentq(lambda y: y - x + 0.01 * rate * y**3, 0.0, 2.0)
            total += x * x
        return total

    assert float(wg.grad(steps, memory_limit="4 kB")(2.0)) == pytest.approx(float(wg.grad(steps)(2.0)), rel=1e-12)
