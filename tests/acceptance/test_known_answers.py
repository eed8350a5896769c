"""Numbers computed elsewhere (mpmath, or by hand): scalars, modes, nesting."""

from __future__ import annotations

import math

import numpy as np
import pytest

import wengert as wg


def close(found: object, expected: object, rtol: float = 1e-14) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=rtol, atol=1e-300)


def logistic(x: float) -> float:
    v = x
    for _ in range(3):
        v = 4 * v * (1 - v)
    return v


def test_logistic_map() -> None:
    value, slope = wg.value_and_grad(logistic)(0.2)
    close(value, 0.28901376)
    close(slope, 9.0660864)
    close(wg.hessian(logistic)(0.2), 67.395584)
    close(wg.grad(wg.grad(logistic))(0.2), 67.395584)
    _, tangent = wg.jvp(logistic, (0.2,), (1.0,))
    close(tangent, 9.0660864)


def speelpenning_like(x1: float, x2: float) -> float:
    return math.log(x1) + x1 * x2 - math.sin(x2)


def test_log_product_sine() -> None:
    value, gradient = wg.value_and_grad(speelpenning_like, wrt=(0, 1))(2.0, 5.0)
    close(value, 11.652071455223084)
    close(gradient, (5.5, 1.7163378145367737))


def test_log_product_sine_hessian() -> None:
    def f(x):
        return np.log(x[0]) + x[0] * x[1] - np.sin(x[1])

    expected = np.array([[-0.25, 1.0], [1.0, -0.95892427466313847]])
    close(wg.hessian(f)(np.array([2.0, 5.0])), expected)
    v = np.array([0.3, -0.7])
    close(wg.hvp(f)(np.array([2.0, 5.0]), v), expected @ v)


def test_product_and_reciprocal() -> None:
    def f(x, y):
        return x * y + 1 / y

    value, tangent = wg.jvp(f, (3.0, 2.0), (1.0, 1.0))
    close(value, 6.5)
    close(tangent, 4.75)


def test_sum_and_multiply() -> None:
    def f(m, a):
        return m * np.sum(a)

    a = np.array([1.0, -2.0, 3.5, 0.25])
    by_m, by_a = wg.grad(f, wrt=("m", "a"))(1.75, a)
    close(by_m, 2.75)
    close(by_a, np.full(4, 1.75))


def test_perturbations_are_not_confused() -> None:
    def f(x):
        def inner(y):
            return x + y

        return x * wg.grad(inner)(1.0)

    close(wg.grad(f)(1.0), 1.0)


def test_shift_operator() -> None:
    """D(D exp) at 1 is e, also when the inner derivative goes through a shift: s(u)(f)(x) = f(x + u)."""

    def shift(u):
        return lambda f: lambda x: f(x + u)

    def exponential(x):
        return math.exp(x)

    def shifted_slope(u):
        return wg.grad(shift(u)(exponential))(0.0)

    close(wg.grad(wg.grad(exponential))(1.0), math.e)
    close(wg.grad(shifted_slope)(1.0), math.e)


def test_nested_doubling_is_linear_in_size() -> None:
    """Twenty functions f_k(x) = f_{k-1}(x) + f_{k-1}(x), by name: 2**20 x, without 2**20 of anything."""
    scope: dict[str, object] = {}
    lines = ["def f0(x):", "    return x"]
    for k in range(1, 21):
        lines += [f"def f{k}(x):", f"    return f{k - 1}(x) + f{k - 1}(x)"]
    _define("\n".join(lines) + "\n", scope)

    _, tangent = wg.jvp(scope["f20"], (np.array([1.0, 1.0]),), (np.array([2.0, 3.0]),))
    close(tangent, [2097152.0, 3145728.0])


def _define(text: str, scope: dict[str, object]) -> None:
    """Run a program text whose source can be found again, as that of a file can."""
    import linecache

    name = f"<nested {id(scope)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), scope)


def test_second_derivative_of_a_cube() -> None:
    close(wg.grad(wg.grad(lambda x: x**3))(10.0), 60.0)


def test_hessian_of_a_polynomial() -> None:
    def f(v):
        x, y = v
        return x**3 - 2 * x * y - y**6

    close(wg.hessian(f)(np.array([1.0, 2.0])), [[6.0, -2.0], [-2.0, -480.0]])


def test_where_ignores_the_side_not_taken() -> None:
    def f(x):
        return np.sum(np.where(x < 1, x, np.sqrt(x)))

    close(wg.grad(f)(np.array([0.0])), [1.0])


def test_squared_norm_at_zero() -> None:
    def f(x):
        return np.linalg.norm(x) ** 2

    np.testing.assert_array_equal(wg.grad(f)(np.zeros(3)), np.zeros(3))


def test_all_modes_agree() -> None:
    def f(x):
        return np.array([x[0] * x[1], np.sin(x[1]), x[0] ** 2 / x[1]])

    x = np.array([1.5, -0.5])
    expected = np.array([[-0.5, 1.5], [0.0, np.cos(-0.5)], [2 * 1.5 / -0.5, -(1.5**2) / 0.25]])
    for mode in ("auto", "forward", "reverse"):
        close(wg.jacobian(f, mode=mode)(x), expected)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_repeated_derivatives_of_sine(order: int) -> None:
    def sine(x):
        return math.sin(x)

    f = sine
    for _ in range(order):
        f = wg.grad(f)
    close(f(0.7), (math.cos(0.7), -math.sin(0.7), -math.cos(0.7))[order - 1])
