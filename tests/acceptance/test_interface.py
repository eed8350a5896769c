"""The public transforms: what they take and give back, and how they combine."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(21)


def objective(a, x, *, power=2.0):
    return a * np.sum(x**power)


def solver(u, k, steps):
    """Mutates u; returns a diagnostic."""
    for _ in range(steps):
        u[1:-1] += k * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.max(u)


def test_wrt_by_position_name_and_tuple() -> None:
    a, x = 1.5, np.array([1.0, 2.0])
    assert wg.grad(objective)(a, x) == 5.0
    np.testing.assert_allclose(wg.grad(objective, wrt=1)(a, x), 3 * x)
    np.testing.assert_allclose(wg.grad(objective, wrt="x")(a, x), 3 * x)
    np.testing.assert_allclose(wg.grad(objective, wrt=-1)(a, x), 3 * x)
    both = wg.grad(objective, wrt=("x", "a"))(a, x)
    assert isinstance(both, tuple)
    np.testing.assert_allclose(both[0], 3 * x)
    assert both[1] == 5.0


def test_keyword_arguments() -> None:
    a, x = 1.5, np.array([1.0, 2.0])
    np.testing.assert_allclose(wg.grad(objective, wrt="x")(a, x=x), 3 * x)
    np.testing.assert_allclose(wg.grad(objective, wrt="x")(a, x, power=3.0), 4.5 * x**2)
    expected = a * np.sum(x**2 * np.log(x))
    assert wg.grad(objective, wrt="power")(a, x, power=2.0) == pytest.approx(expected, rel=1e-14)


def test_value_and_grad() -> None:
    value, gradient = wg.value_and_grad(objective, wrt="x")(1.5, np.array([1.0, 2.0]))
    assert value == 7.5
    assert gradient.tolist() == [3.0, 6.0]


def test_compile_mutates_as_the_program_does() -> None:
    expected, found = np.arange(6.0) ** 2, np.arange(6.0) ** 2
    a, b = solver(expected, 0.1, 4), wg.compile(solver)(found, 0.1, 4)
    assert a == pytest.approx(b, rel=1e-15)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_compile_gives_back_the_very_array() -> None:
    def f(x):
        x += 1
        return x

    x = np.zeros(3)
    assert wg.compile(f)(x) is x


def test_vjp_of_a_mutated_parameter() -> None:
    u, k = RNG.random(6), 0.1
    before = u.copy()
    outputs, pullback = wg.vjp(solver, u, k, 3, wrt=("u", "k"), of="u")
    np.testing.assert_array_equal(u, before)
    final = u.copy()
    solver(final, k, 3)
    np.testing.assert_allclose(outputs, final, rtol=1e-15)
    weights = RNG.random(6)
    by_u, by_k = pullback(weights)
    matrix = np.eye(6)
    for i in range(1, 5):
        matrix[i, i - 1 : i + 2] += k * np.array([1.0, -2.0, 1.0])
    np.testing.assert_allclose(by_u, np.linalg.matrix_power(matrix, 3).T @ weights, rtol=1e-13)
    h = 1e-6
    ends = []
    for step in (h, -h):
        final = u.copy()
        solver(final, k + step, 3)
        ends.append(weights @ final)
    assert by_k == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-8)


def test_a_pullback_can_be_called_again() -> None:
    _, pullback = wg.vjp(lambda x: np.sin(x) * x, np.array([0.3, 0.7]), wrt=0)
    one, two = pullback(np.array([1.0, 0.0])), pullback(np.array([0.0, 2.0]))
    np.testing.assert_allclose(pullback(np.array([1.0, 2.0])), one + two, rtol=1e-15)
    np.testing.assert_allclose(one, pullback(np.array([1.0, 0.0])))


def test_a_pullback_remembers_its_point() -> None:
    """The caller may reuse the array for something else before the pullback is called."""
    x = np.array([0.3, 0.7])
    _, pullback = wg.vjp(lambda x: np.sum(x**3), x, wrt=0)
    x[:] = 100.0
    np.testing.assert_allclose(pullback(1.0), 3 * np.array([0.3, 0.7]) ** 2)


Pair = namedtuple("Pair", ["left", "right"])


def test_outputs_keep_their_structure() -> None:
    def f(x):
        return {"a": x * 2, "rest": [x[0] ** 2, Pair(3, x[1])], "name": "result"}

    x = np.array([1.5, -2.0])
    for found in (wg.compile(f)(x), wg.vjp(f, x)[0], wg.jvp(f, (x,), (np.ones(2),))[0]):
        assert found["name"] == "result"
        assert found["rest"][1] == Pair(3, -2.0)
        assert found["rest"][0] == 2.25
        np.testing.assert_array_equal(found["a"], 2 * x)
    _, tangents = wg.jvp(f, (x,), (np.array([1.0, 10.0]),))
    np.testing.assert_array_equal(tangents["a"], [2.0, 20.0])
    assert tangents["rest"][0] == 3.0
    assert tangents["rest"][1].right == 10.0


def test_jvp_with_none_for_zero() -> None:
    value, tangent = wg.jvp(objective, (2.0, np.array([1.0, 2.0])), (None, np.array([1.0, 0.5])))
    assert value == 10.0
    assert tangent == 8.0


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobians_of_complex_numbers(mode: str) -> None:
    x, y = np.array([0.5, 2.0], np.float32), np.array([0.3 - 0.2j, 1.0 + 0.4j], np.complex64)
    z = x * np.exp(y)
    by_x, by_y = wg.jacobian(lambda x, y: x * np.exp(y), (0, 1), mode)(x, y)
    np.testing.assert_allclose(by_x, np.diag(z / x), rtol=1e-6, strict=True)
    np.testing.assert_allclose(by_y, np.diag(z), rtol=1e-6, strict=True)
    for program in (lambda x, y: x * np.abs(y), lambda x, y: x + y * y.imag):
        with pytest.raises(TypeError, match="holomorphic"):
            wg.jacobian(program, 1, mode)(x, y)
    with pytest.raises(TypeError, match="int64"):
        wg.jacobian(lambda x: np.arange(3), mode=mode)(x)
    assert wg.jacobian(lambda x: x[:0], mode=mode)(x).dtype == np.float32


def test_jacobian_hessian_and_products() -> None:
    from scipy.optimize import rosen_der, rosen_hess, rosen_hess_prod

    x, v = np.array([1.3, 0.7, 0.8, 1.9, 1.2]), RNG.random(5)
    np.testing.assert_allclose(wg.grad(rosenbrock)(x), rosen_der(x), rtol=1e-13)
    np.testing.assert_allclose(wg.hessian(rosenbrock)(x), rosen_hess(x), rtol=1e-13)
    np.testing.assert_allclose(wg.hvp(rosenbrock)(x, v), rosen_hess_prod(x, v), rtol=1e-13)
    np.testing.assert_allclose(wg.jacobian(wg.grad(rosenbrock))(x), rosen_hess(x), rtol=1e-13)


def test_library_functions_are_read_like_the_users() -> None:
    from scipy.optimize import rosen, rosen_der

    x = np.array([1.3, 0.7, 0.8, 1.9, 1.2])
    np.testing.assert_allclose(wg.grad(rosen)(x), rosen_der(x), rtol=1e-13)


def in_place_energy(x, n):
    u = x.copy()
    for _ in range(n):
        u[1:] = 0.5 * u[1:] + 0.3 * u[:-1] * u[1:]
        if u[-1] > 0.2:
            u *= 0.9
    return np.sum(u**3)


def test_reverse_over_reverse_and_mixed() -> None:
    """Second order through in-place updates, branches and tapes: every combination of modes gives the same."""
    x, v = RNG.random(5), RNG.random(5)

    def gradient(x):
        return wg.grad(in_place_energy)(x, 4)

    _, forward_over_reverse = wg.jvp(gradient, (x,), (v,))
    _, pullback = wg.vjp(gradient, x, wrt=0)
    reverse_over_reverse = pullback(v)

    def slope(x):
        return wg.jvp(in_place_energy, (x, 4), (v, None))[1]

    reverse_over_forward = wg.grad(slope)(x)
    h = 1e-6
    differences = (gradient(x + h * v) - gradient(x - h * v)) / (2 * h)
    np.testing.assert_allclose(forward_over_reverse, differences, rtol=1e-7)
    np.testing.assert_allclose(reverse_over_reverse, forward_over_reverse, rtol=1e-12)
    np.testing.assert_allclose(reverse_over_forward, forward_over_reverse, rtol=1e-12)


def test_minimize_with_jac_true() -> None:
    from scipy.optimize import minimize

    found = minimize(wg.value_and_grad(rosenbrock), np.zeros(4), jac=True, method="BFGS")
    np.testing.assert_allclose(found.x, np.ones(4), rtol=1e-5)


def test_check_finds_nothing_wrong() -> None:
    report = wg.check(solver, RNG.random(6), 0.1, 3)
    assert report
    assert "vjp" in str(report)


def test_methods_and_callable_objects() -> None:
    class Quadratic:
        def __init__(self, a: np.ndarray) -> None:
            self.a = a

        def __call__(self, x: Any) -> Any:
            return x @ self.a @ x

        def shifted(self, x: Any, s: Any = 1.0) -> Any:
            return self(x - s)

        @staticmethod
        def cube(x: Any) -> Any:
            return np.sum(x**3)

    q, x = Quadratic(np.array([[2.0, 1.0], [0.0, 3.0]])), np.array([1.0, -1.0])
    symmetric = q.a + q.a.T
    np.testing.assert_allclose(wg.grad(q)(x), symmetric @ x)
    np.testing.assert_allclose(wg.grad(q.shifted)(x), symmetric @ (x - 1))
    np.testing.assert_allclose(wg.grad(Quadratic.cube)(x), 3 * x**2)


def test_decorators_and_partials() -> None:
    import functools

    def twice(f: Any) -> Any:
        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return 2 * f(*args, **kwargs)

        return wrapped

    @twice
    def square(x: Any, a: Any = 1.0) -> Any:
        return a * x**2

    assert wg.grad(square)(3.0) == 12.0
    assert wg.grad(functools.partial(square, a=2.0))(3.0) == 24.0
