"""Derivatives inside programs leave the program's arrays alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize

import wengert as wg


def cubes(y):
    y[:2] = y[:2] ** 3
    return np.sum(y)


def outer(y):
    slopes = wg.grad(cubes)(y)
    return np.sum(slopes * y)


def outer_jvp(y):
    value, slope = wg.jvp(cubes, (y,), (y * 2.0,))
    return value + slope + np.sum(y)


SHARED = np.array([1.0, 2.0])


def captures(y):
    SHARED[0] = y[0]
    return np.sum(SHARED * y[:2])


@pytest.mark.parametrize("f", [outer, outer_jvp])
def test_arguments_stay(f) -> None:
    y = np.array([0.5, 0.7, -0.3])
    before = y.copy()
    gradient = wg.grad(f)(y)
    np.testing.assert_array_equal(y, before)
    a, b, c = y
    cube = np.array([9 * a**2, 9 * b**2, 1.0])
    expected = cube if f is outer else np.array([3 * a**2 + 18 * a**2 + 1, 3 * b**2 + 18 * b**2 + 1, 4.0])
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


def test_gradient_of_a_gradient() -> None:
    y = np.array([0.5, 0.7, -0.3])
    direction = np.array([0.3, 0.2, 0.5])
    expected = 6 * y * direction * [1, 1, 0]
    gradient = wg.grad(cubes)
    np.testing.assert_allclose(wg.jvp(gradient, (y,), (direction,))[1], expected, rtol=1e-12)
    (found,) = wg.vjp(gradient, y)[1](direction)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_a_captured_array_is_not_changed() -> None:
    with pytest.raises(wg.Unsupported, match="captures"):
        wg.jvp(wg.grad(captures), (np.array([0.5, 0.7]),), (np.ones(2),))


def list_on_one_side(x):
    factor = 1.0
    if x[0] > 0.0:
        items = [x[1]]
        items.append(x[0] * x[2])
        factor = items[-1]
    return factor * np.sum(x**2)


@pytest.mark.parametrize("first", [0.5, -0.5])
def test_lists_inside(first: float) -> None:
    x, v = np.array([first, 0.7, -0.3]), np.array([0.3, 0.2, 0.5])
    hessian = wg.hessian(list_on_one_side)(x)
    np.testing.assert_allclose(wg.jvp(wg.grad(list_on_one_side), (x,), (v,))[1], hessian @ v, rtol=1e-12)
    h = 1e-6
    ahead, behind = (wg.grad(list_on_one_side)(x + t * v) for t in (h, -h))
    np.testing.assert_allclose((ahead - behind) / (2 * h), hessian @ v, rtol=1e-6)


OPTIONS = {"power": 2}


def switched(x):
    with np.errstate(divide="ignore"):
        return np.sum(x**3 / (x + 2))


def restored(x):
    power = OPTIONS["power"]
    OPTIONS["power"] = 3
    result = np.sum(x ** OPTIONS["power"])
    OPTIONS["power"] = power
    return result


def changed(x):
    OPTIONS["last"] = x[0]
    return np.sum(x**2)


@pytest.mark.parametrize("f", [switched, restored])
def test_what_is_changed_back(f: Any) -> None:
    x, v = np.array([0.5, 0.7, 0.3]), np.array([0.3, 0.2, 0.5])
    h = 1e-6
    ahead, behind = (wg.grad(f)(x + t * v) for t in (h, -h))
    np.testing.assert_allclose(wg.jvp(wg.grad(f), (x,), (v,))[1], (ahead - behind) / (2 * h), rtol=1e-6)


def test_what_is_not_changed_back() -> None:
    with pytest.raises(wg.Unsupported, match="outside"):
        wg.jvp(wg.grad(changed), (np.ones(2),), (np.ones(2),))


def root(x):
    return scipy.optimize.brentq(lambda t: t * t * x[0] - x[1], 0, 7, xtol=1e-14, rtol=1e-14)


def test_functions_inside_capture_an_argument() -> None:
    """The function that is searched for a root uses the array that the inner derivative is by."""
    x = np.array([0.5, 1.2])  # sqrt(x1 / x0)
    slope = wg.grad(lambda y: np.sum(wg.grad(root)(y)))(x)
    a, b = x
    first, mixed, second = 0.75 * b**0.5 * a**-2.5, -0.25 * b**-0.5 * a**-1.5, -0.25 * b**-1.5 * a**-0.5
    np.testing.assert_allclose(slope, [first + mixed, mixed + second], rtol=1e-9)


def spectrum(x):
    w = np.fft.fft(x + 1j * x[::-1])
    w[1:] *= np.exp(1j * x[0])
    return np.sum(np.abs(np.fft.ifft(w * w)) ** 2)


def test_transforms_whose_result_matters_for_the_value_only() -> None:
    x, v = np.array([0.7, 1.1, 0.4]), np.array([0.3, -0.2, 0.5])
    found = wg.grad(lambda y: wg.jvp(spectrum, (y,), (v,))[1])(x)
    np.testing.assert_allclose(found, wg.hvp(spectrum)(x, v), rtol=1e-12)


def test_generators_inside() -> None:
    """The function is staged until its result settles; what an attempt before made is not outside of it."""

    def powers(x):
        term = x[0]
        for k in range(4):
            yield term * term
            term = term * x[k % 2]

    x = np.array([0.9, 1.2])
    found = wg.grad(lambda y: np.sum(wg.grad(lambda z: sum(powers(z)))(y)))(x)
    a, b = x  # a^2 + a^4 + a^4 b^2 + a^6 b^2
    first = 2 + 12 * a**2 + 12 * a**2 * b**2 + 30 * a**4 * b**2
    mixed = 8 * a**3 * b + 12 * a**5 * b
    np.testing.assert_allclose(found, [first + mixed, mixed + 2 * a**4 + 2 * a**6], rtol=1e-12)


native_cubes = wg.compile(cubes)
TABLES = [
    lambda y: np.sum(wg.vjp(np.sin, y)[1](y)[0]),
    lambda y: np.sum(wg.jacobian(np.sin)(y)),
    lambda y: np.sum(wg.hessian(lambda z: np.sum(z**3))(y)),
]


@pytest.mark.parametrize("program", TABLES)
def test_transforms_that_are_refused_inside(program) -> None:
    with pytest.raises(wg.Unsupported, match="inside a program that is compiled") as found:
        wg.grad(program)(np.ones(2))
    assert len(found.value.problems) == 1


def test_compiled_functions_inside() -> None:
    y = np.array([0.5, 0.7, -0.3])
    expected = wg.grad(lambda y: cubes(y.copy()))(y)
    for program in (lambda y: native_cubes(y.copy()), lambda y: wg.compile(cubes)(y.copy())):
        np.testing.assert_allclose(wg.grad(program)(y), expected, rtol=1e-15)
