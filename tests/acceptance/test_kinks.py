"""The policy at kinks and singular points, row by row as in docs/kinks.md: value, JVP, VJP and second derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives

INF, NAN = math.inf, math.nan
Program = Callable[[np.ndarray], Any]


class Row(NamedTuple):
    """A program at a point: its value and its Jacobian there; its second derivative (of the sum) where that is finite
    or said by the policy."""

    name: str
    f: Program
    x: list[float]
    value: Any
    jacobian: Any
    hessian: Any = None


def check(row: Row) -> None:
    """Plain and native value; the Jacobian column by column (JVP), row by row (VJP) and by hand; the second derivative
    forward over reverse and reverse over reverse."""
    f, x = row.f, np.array(row.x, dtype=float)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(f(x.copy()), row.value, rtol=1e-15)
    np.testing.assert_allclose(wg.compile(f)(x.copy()), row.value, rtol=1e-15)

    expected = np.array(row.jacobian, dtype=float)
    value, pullback = wg.vjp(f, x)
    np.testing.assert_allclose(value, row.value, rtol=1e-15)
    columns, rows = np.zeros(expected.shape), np.zeros(expected.shape)
    for j in range(len(x)):
        columns[..., j] = wg.jvp(f, (x,), (np.eye(len(x))[j],))[1]
    for i in np.ndindex(expected.shape[:-1]):
        seed = np.zeros(expected.shape[:-1])
        seed[i] = 1.0
        rows[i] = pullback(seed if seed.ndim else 1.0)[0]
    np.testing.assert_allclose(columns, expected, rtol=1e-14, err_msg="JVP")
    np.testing.assert_allclose(rows, expected, rtol=1e-14, err_msg="VJP")

    if row.hessian is not None:
        total = f if expected.ndim == 1 else lambda x: np.sum(f(x))
        second = np.array(row.hessian, dtype=float)
        np.testing.assert_allclose(wg.hessian(total)(x), second, rtol=1e-13, atol=1e-14, err_msg="second derivative")
        again = wg.jacobian(wg.grad(total), mode="reverse")(x)
        np.testing.assert_allclose(again, second, rtol=1e-13, atol=1e-14, err_msg="reverse over reverse")


def abs_stored(x):
    a = np.empty_like(x)
    for i in range(len(x)):
        a[i] = abs(x[i])
    return a


Z2, Z3 = np.zeros((2, 2)), np.zeros((3, 3))

# fmt: off
CHOICES = [
    Row("maximum", lambda x: np.maximum(x[0], x[1]), [1, 1], 1, [1, 0], Z2),
    Row("minimum", lambda x: np.minimum(x[0], x[1]), [1, 1], 1, [1, 0], Z2),
    Row("maximum of arrays", lambda x: np.maximum(x, x[::-1]), [1, 1], [1, 1], np.eye(2)),
    Row("fmax", lambda x: np.fmax(x[0], x[1]), [1, 1], 1, [1, 0]),
    Row("fmin", lambda x: np.fmin(x[0], x[1]), [1, 1], 1, [1, 0]),
    Row("fmax, first NaN", lambda x: np.fmax(x[0], x[1]), [NAN, 1], 1, [0, 1]),
    Row("fmax, second NaN", lambda x: np.fmax(x[0], x[1]), [1, NAN], 1, [1, 0]),
    Row("maximum, first NaN", lambda x: np.maximum(x[0], x[1]), [NAN, 1], NAN, [1, 0]),
    Row("maximum, second NaN", lambda x: np.maximum(x[0], x[1]), [1, NAN], NAN, [0, 1]),
    Row("minimum, first NaN", lambda x: np.minimum(x[0], x[1]), [NAN, 1], NAN, [1, 0]),
    Row("Python's max", lambda x: max(x[0], x[1], x[2]), [1, 1, 1], 1, [1, 0, 0]),
    Row("Python's min", lambda x: min(x[0], x[1], x[2]), [2, 1, 1], 1, [0, 1, 0]),
    Row("Python's max of a list", lambda x: max([x[0], x[1], x[2]]), [0, 1, 1], 1, [0, 1, 0]),
    Row("rectifier, x first", lambda x: np.maximum(x, 0.0), [0], [0], [[1]]),
    Row("rectifier, 0 first", lambda x: np.maximum(0.0, x), [0], [0], [[0]]),
    Row("np.max", lambda x: np.max(x), [2, 3, 3, 1], 3, [0, 1, 0, 0], np.zeros((4, 4))),
    Row("np.min", lambda x: np.min(x), [2, 1, 3, 1], 1, [0, 1, 0, 0]),
    Row("np.max, initial", lambda x: np.max(x, initial=3.0), [1, 3], 3, [0, 0]),
    Row("np.max along an axis", lambda x: x.reshape(2, 2).max(axis=0), [3, 1, 3, 1], [3, 1],
        [[1, 0, 0, 0], [0, 1, 0, 0]]),
    Row("np.maximum.reduce", lambda x: np.maximum.reduce(x), [2, 3, 3], 3, [0, 1, 0]),
    Row("np.nanmax", lambda x: np.nanmax(x), [NAN, 3, 3], 3, [0, 1, 0]),
    Row("running maximum", lambda x: np.maximum.accumulate(x), [1, 3, 3, 2], [1, 3, 3, 3],
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]),
    Row("running minimum", lambda x: np.minimum.accumulate(x), [3, 1, 1], [3, 1, 1], [[1, 0, 0], [0, 1, 0], [0, 1, 0]]),
    Row("np.ptp", lambda x: np.ptp(x), [1, 3, 3, 1], 2, [-1, 1, 0, 0]),
    Row("maximum norm", lambda x: np.linalg.norm(x, np.inf), [1, -3, 3], 3, [0, -1, 0]),
    Row("element at argmax", lambda x: x[np.argmax(x)], [1, 2, 2], 2, [0, 1, 0]),
    Row("element at argmin", lambda x: x[np.argmin(x)], [1, 2, 1], 1, [1, 0, 0]),
    Row("clip at its bounds", lambda x: np.clip(x, -1.0, 1.0), [-1, 1, 0, 2], [-1, 1, 0, 1], np.diag([1, 1, 1, 0])),
    Row("bounds of clip, below", lambda x: np.clip(x[0], x[1], x[2]), [1, 1, 2], 1, [1, 0, 0]),
    Row("bounds of clip, above", lambda x: np.clip(x[0], x[1], x[2]), [2, 1, 2], 2, [1, 0, 0]),
    Row("bounds of clip, beyond", lambda x: np.clip(x[0], x[1], x[2]), [3, 1, 2], 2, [0, 0, 1]),
    Row("conditional expression", lambda x: x[0] if x[0] > x[1] else x[1], [1, 1], 1, [0, 1]),
    Row("np.sort", lambda x: np.sort(x), [2, 1, 2], [1, 2, 2], [[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
    Row("by np.argsort", lambda x: x[np.argsort(x)], [2, 1, 2], [1, 2, 2], [[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
    Row("np.median, odd", lambda x: np.median(x), [2, 2, 2], 2, [0, 1, 0]),
    Row("np.median, even", lambda x: np.median(x), [2, 2, 2, 2], 2, [0, 0.5, 0.5, 0]),
    Row("np.interp", lambda x: np.interp(x, np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 4.0])), [0, 1, 2, 3],
        [0, 1, 4, 4], np.diag([1, 3, 3, 0])),
]

STEPS = [
    Row("sign", lambda x: np.sign(x), [0, -2], [0, -1], Z2),
    Row("floor", lambda x: np.floor(x), [1, 1.5], [1, 1], Z2),
    Row("ceil", lambda x: np.ceil(x), [1, 1.5], [1, 2], Z2),
    Row("trunc", lambda x: np.trunc(x), [1, -1.5], [1, -1], Z2),
    Row("round", lambda x: np.round(x), [0.5, 1.5], [0, 2], Z2),
    Row("heaviside", lambda x: np.heaviside(x, 0.5), [0], [0.5], [[0]]),
    Row("//", lambda x: x[0] // x[1], [4, 2], 2, [0, 0]),
    Row("%", lambda x: x[0] % x[1], [4, 2], 0, [1, -2]),
    Row("% of a negative", lambda x: x[0] % x[1], [-4, 2], 0, [1, 2]),
    Row("fmod", lambda x: np.fmod(x[0], x[1]), [-4, 2], 0, [1, 2]),
    Row("comparison as a number", lambda x: np.where(x > 0, 1.0, 0.0), [0, 1], [0, 1], Z2),
]

ROOTS = [
    Row("abs", lambda x: np.abs(x), [0, -0.0], [0, 0], Z2, Z2),
    Row("Python's abs", lambda x: abs(x[0]), [0], 0, [0], [[0]]),
    Row("abs, squared", lambda x: np.abs(x[0]) ** 2, [0], 0, [0], [[2]]),
    Row("1-norm", lambda x: np.linalg.norm(x, 1), [0, -3], 3, [0, -1]),
    Row("abs, squared, stored between", lambda x: np.sum(abs_stored(x) ** 2), [0, 3], 9, [0, 6], np.diag([0, 2])),
    Row("complex abs", lambda x: np.abs(x[0] + 1j * x[1]), [0, 0], 0, [0, 0]),
    Row("complex abs, squared", lambda x: np.abs(x[0] + 1j * x[1]) ** 2, [0, 0], 0, [0, 0], 2 * np.eye(2)),
    Row("sqrt", lambda x: np.sqrt(x), [0], [0], [[INF]]),
    Row("math.sqrt", lambda x: math.sqrt(x[0]), [0], 0, [INF]),
    Row("sqrt, squared", lambda x: np.sqrt(x[0]) ** 2, [0], 0, [1], [[0]]),
    Row("cbrt", lambda x: np.cbrt(x), [0], [0], [[INF]], [[-INF]]),
    Row("norm", lambda x: np.linalg.norm(x), [0, 0], 0, [0, 0], Z2),
    Row("norm, squared", lambda x: np.linalg.norm(x) ** 2, [0, 0], 0, [0, 0], 2 * np.eye(2)),
    Row("norm of rows", lambda x: np.linalg.norm(x.reshape(2, 2), axis=1), [0, 0, 3, 4], [0, 5],
        [[0, 0, 0, 0], [0, 0, 0.6, 0.8]]),
    Row("root of a difference of squares", lambda x: np.sqrt(x[0] ** 2 - x[1] ** 2), [1, 1], 0, [INF, -INF]),
    Row("norm by hand", lambda x: np.sqrt(np.sum(x * x)), [0, 0], 0, [0, 0], Z2),
    Row("norm by products", lambda x: np.sqrt(x @ x), [0, 0], 0, [0, 0], Z2),
    Row("norm of a difference", lambda x: np.sqrt((x[0] - x[1]) ** 2 + (x[0] * x[1]) ** 2), [0, 0], 0, [0, 0]),
    Row("norm, cubed", lambda x: np.linalg.norm(x) ** 3, [0, 0], 0, [0, 0], Z2),
    Row("standard deviation", lambda x: np.std(x), [1, 1, 1], 0, [0, 0, 0]),
    Row("standard deviation without NaN", lambda x: np.nanstd(x), [1, NAN, 1], 0, [0, 0, 0]),
    Row("3-norm", lambda x: np.linalg.norm(x, 3), [0, 0], 0, [0, 0]),
    Row("weighted norm", lambda x: np.sqrt(np.sum(np.array([1.0, 2.0]) * x**2)), [0, 0], 0, [0, 0]),
    Row("root of a maximum", lambda x: np.sqrt(np.maximum(x, 0.0)), [-1, 0, 4], [0, 0, 2], np.diag([0, INF, 0.25])),
    Row("root of abs", lambda x: np.abs(x) ** 0.5, [0, 4], [0, 2], np.diag([0, 0.25])),
    Row("root of a fourth power", lambda x: np.sqrt(x[0] ** 4), [0], 0, [0]),
    Row("root of a root's product", lambda x: np.sqrt(x[0]) * x[1], [0, 0], 0, [0, 0]),
    Row("hypot", lambda x: np.hypot(x[0], x[1]), [0, 0], 0, [0, 0]),
    Row("math.hypot", lambda x: math.hypot(x[0], x[1]), [0, 0], 0, [0, 0]),
    Row("math.dist", lambda x: math.dist([x[0], x[1]], [0.0, 0.0]), [0, 0], 0, [0, 0]),
    Row("hypot, squared", lambda x: np.hypot(x[0], x[1]) ** 2, [0, 0], 0, [0, 0], 2 * np.eye(2)),
    Row("arctan2", lambda x: np.arctan2(x[0], x[1]), [0, 0], 0, [0, 0]),
    Row("angle", lambda x: np.angle(x[0] + 1j * x[1]), [0, 0], 0, [0, 0]),
    Row("copysign", lambda x: np.copysign(x[0], x[1]), [0, -1], 0, [0, 0]),
    Row("arcsin", lambda x: np.arcsin(x), [1], [math.pi / 2], [[INF]]),
]

POWERS = [
    Row("x**0", lambda x: x**0, [0, 2], [1, 1], Z2, Z2),
    Row("x**0.0", lambda x: x**0.0, [0, 2], [1, 1], Z2, Z2),
    Row("x**1", lambda x: x**1, [0], [0], [[1]], [[0]]),
    Row("x**1.0", lambda x: x**1.0, [0], [0], [[1]], [[0]]),
    Row("x**2", lambda x: x**2, [0], [0], [[0]], [[2]]),
    Row("x**2.0", lambda x: x**2.0, [0], [0], [[0]], [[2]]),
    Row("x**3.0 of a negative", lambda x: x**3.0, [-2], [-8], [[12]], [[-12]]),
    Row("x**0.5", lambda x: x**0.5, [0], [0], [[INF]]),
    Row("x**0.7", lambda x: x**0.7, [0], [0], [[INF]]),
    Row("x**-1.0", lambda x: x**-1.0, [0], [INF], [[-INF]]),
    Row("x**y at (0, 0)", lambda x: x[0] ** x[1], [0, 0], 1, [0, 0]),
    Row("x**y at (0, 1)", lambda x: x[0] ** x[1], [0, 1], 0, [1, 0]),
    Row("x**y at (0, 2)", lambda x: x[0] ** x[1], [0, 2], 0, [0, 0], [[2, 0], [0, 0]]),
    Row("x**y at (0, 1/2)", lambda x: x[0] ** x[1], [0, 0.5], 0, [INF, 0]),
    Row("x**y, x negative", lambda x: x[0] ** x[1], [-2, 3], -8, [12, NAN]),
    Row("0**y", lambda x: 0.0**x, [2, 0], [0, 1], Z2, Z2),
]

POLES = [
    Row("1/x", lambda x: 1.0 / x, [0], [INF], [[-INF]]),
    Row("log", lambda x: np.log(x), [0], [-INF], [[INF]]),
    Row("log1p", lambda x: np.log1p(x), [-1], [-INF], [[INF]]),
]

NOT_TAKEN = [
    Row("where, sqrt at 0", lambda x: np.where(x < 1, x, np.sqrt(x)), [0, 4], [0, 2], np.diag([1, 0.25]),
        np.diag([0, -1 / 32])),
    Row("where, sqrt of a negative", lambda x: np.where(x < 0, x, np.sqrt(x)), [-1, 4], [-1, 2], np.diag([1, 0.25])),
    Row("where, log at 0", lambda x: np.where(x > 0, np.log(x), 0.0), [0, 2], [0, math.log(2)], np.diag([0, 0.5]),
        np.diag([0, -0.25])),
    Row("where, log of a negative", lambda x: np.where(x > 0, np.log(x), x), [-1, 2], [-1, math.log(2)],
        np.diag([1, 0.5])),
    Row("where, 0/0", lambda x: np.where(x != 0, (1 - x) * x / x, 1.0), [0, 2], [1, -1], np.diag([0, -1]), Z2),
    Row("where, overflow", lambda x: np.where(x < 1, x, np.exp(1000 * x)), [0.9, 0], [0.9, 0], np.eye(2), Z2),
    Row("where, arccos beyond 1", lambda x: np.where(np.abs(x) < 1, np.arccos(x), x), [1, 2, 0],
        [1, 2, math.pi / 2], np.diag([1, 1, -1]), Z3),
    Row("where, a NaN that is data", lambda x: np.where(np.array([True, False]), x, x * np.array([1.0, NAN])[::-1]),
        [1, 2], [1, 2], np.eye(2), Z2),
    Row("entropy", lambda x: np.where(x > 0, x * np.log(x), 0.0), [0, 1], [0, 0], np.diag([0, 1]), np.diag([0, 1])),
    Row("softplus", lambda x: np.where(x > 20, x, np.log1p(np.exp(x))), [1000, 0], [1000, math.log(2)],
        np.diag([1, 0.5]), np.diag([0, 0.25])),
    Row("nan_to_num", lambda x: np.nan_to_num(x, posinf=1.0), [1, NAN, INF], [1, 0, 1], np.diag([1, 0, 0])),
    Row("nansum", lambda x: np.nansum(x * x), [1, NAN, 3], 10, [2, 0, 6]),
]

SMOOTH = [
    Row("sinc", lambda x: np.sinc(x), [0], [1], [[0]], [[-math.pi**2 / 3]]),
    Row("logaddexp of equals", lambda x: np.logaddexp(x[0], x[1]), [1, 1], 1 + math.log(2), [0.5, 0.5],
        [[0.25, -0.25], [-0.25, 0.25]]),
    Row("logaddexp2 of equals", lambda x: np.logaddexp2(x[0], x[1]), [1, 1], 2, [0.5, 0.5]),
    Row("logaddexp with -inf", lambda x: np.logaddexp(x[0], -np.inf), [1], 1, [1], [[0]]),
    Row("product with a zero", lambda x: np.prod(x), [0, 2, 3], 0, [6, 0, 0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
    Row("product with two zeros", lambda x: np.prod(x), [0, 0, 3], 0, [0, 0, 0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
    Row("running product", lambda x: np.cumprod(x), [0, 2, 3], [0, 0, 0], [[1, 0, 0], [2, 0, 0], [6, 0, 0]]),
    Row("x*abs(x)", lambda x: x * np.abs(x), [0], [0], [[0]], [[0]]),
]
# fmt: on

ROWS = [*CHOICES, *STEPS, *ROOTS, *POWERS, *POLES, *NOT_TAKEN, *SMOOTH]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_kink(row: Row) -> None:
    check(row)


# -- tests for equality ---------------------------------------------------------------------------------------


def product_that_stops(x):
    p = 1.0
    for v in x:
        p = p * v
        if p == 0:
            break
    return p


def square_but_for_one(x):
    return 1.0 if x == 1 else x * x


def test_equality_tests_are_taken_at_their_word() -> None:
    """The derivative is that of the branch taken, though it is taken at one point only: not what the limit says."""
    x = np.array([1.0, 2.0, 0.0, 3.0])
    np.testing.assert_array_equal(wg.grad(product_that_stops)(x), [0.0, 0.0, 2.0, 0.0])
    assert wg.grad(square_but_for_one)(1.0) == 0.0
    assert wg.jvp(square_but_for_one, (1.0,), (1.0,))[1] == 0.0
    assert wg.grad(square_but_for_one)(1.0 + 1e-15) == pytest.approx(2.0)


def test_variance_by_subtraction_is_loud() -> None:
    """A root of a difference is not seen to be a norm; where it is 0 the gradient is not a number."""

    def spread(x):
        return np.sqrt(np.mean(x**2) - np.mean(x) ** 2)

    assert np.all(np.isnan(wg.grad(spread)(np.ones(4))))
    np.testing.assert_allclose(wg.grad(spread)(np.array([1.0, 3.0])), [-0.5, 0.5])


# -- masks in programs -----------------------------------------------------------------------------------------


def forces(pos, mass):
    """Newton's law; the force of a body on itself is 0/0, and masked."""
    d = pos[None, :, :] - pos[:, None, :]
    r = np.sqrt(np.sum(d * d, axis=-1))
    inverse = np.where(r > 0, 1.0 / r**3, 0.0)
    return np.sum(mass[None, :, None] * d * inverse[:, :, None], axis=1)


def forces_by_assignment(pos, mass):
    d = pos[None, :, :] - pos[:, None, :]
    inverse = np.sum(d**2, axis=-1)
    inverse[inverse > 0] = inverse[inverse > 0] ** (-1.5)
    return np.sum(mass[None, :, None] * d * inverse[:, :, None], axis=1)


def forces_masked_late(pos, mass):
    """The mask is applied to what is 0/0 already, after it was stored."""
    d = pos[None, :, :] - pos[:, None, :]
    r = np.sqrt(np.sum(d * d, axis=-1))
    unit = d / r[:, :, None]
    pull = mass[None, :, None] * unit / (r * r)[:, :, None]
    off = r[:, :, None] > 0
    return np.sum(np.where(off, pull, 0.0), axis=1)


def forces_by_loops(pos, mass):
    out = np.zeros_like(pos)
    for i in range(len(pos)):
        for j in range(len(pos)):
            d = pos[j] - pos[i]
            r = np.linalg.norm(d)
            if r > 0:
                out[i] += mass[j] * d / r**3
    return out


def potential(pos, mass):
    d = pos[None, :, :] - pos[:, None, :]
    r = np.linalg.norm(d, axis=-1)
    pairs = mass[:, None] * mass[None, :]
    return -0.5 * np.sum(np.where(r > 0, pairs / r, 0.0))


@pytest.mark.parametrize("f", [forces, forces_by_assignment, forces_masked_late, forces_by_loops])
def test_bodies_do_not_pull_themselves(f: Any) -> None:
    rng = np.random.default_rng(5)
    pos, mass = rng.standard_normal((4, 3)), rng.random(4)
    with np.errstate(all="ignore"):
        assert_derivatives(f, pos, mass)
        assert_derivatives(forces_by_loops, pos, mass)
    weights = rng.standard_normal((4, 3))
    first, second = (wg.grad(lambda p, g=g: np.sum(weights * g(p, mass)))(pos) for g in (f, forces_by_loops))
    np.testing.assert_allclose(first, second, rtol=1e-11)


def test_potential_of_bodies_to_second_order() -> None:
    """The gradient is minus the forces; the Hessian is finite, symmetric, and has translations in its kernel."""
    rng = np.random.default_rng(6)
    pos, mass = rng.standard_normal((4, 3)), rng.random(4)
    np.testing.assert_allclose(
        wg.grad(potential)(pos, mass), -mass[:, None] * forces_by_loops(pos, mass), rtol=1e-12, atol=1e-14
    )
    hessian = np.asarray(wg.hessian(potential)(pos, mass)).reshape(12, 12)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    np.testing.assert_allclose(hessian @ np.tile([1.0, -2.0, 0.5], 4), np.zeros(12), atol=1e-11)
    assert np.linalg.norm(hessian) > 0.1


def normalised(a):
    size = np.linalg.norm(a, axis=1, keepdims=True)
    return np.where(size > 0, a / size, 0.0)


def normalised_safely(a):
    size = np.sqrt(np.sum(a * a, axis=1))
    safe = np.where(size == 0, 1.0, size)
    return a / safe[:, None]


def normalised_by_rows(a):
    out = a.copy()
    for i in range(len(a)):
        size = np.sqrt(a[i] @ a[i])
        if size != 0.0:
            out[i] /= size
    return out


@pytest.mark.parametrize("f", [normalised, normalised_safely, normalised_by_rows])
def test_rows_of_zeros_stay_unnormalised(f: Any) -> None:
    """Rows of zeros are left as they are: derivative 0 or 1 as the program says, and the others' are right."""
    rng = np.random.default_rng(7)
    a, w = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    a[1] = 0.0
    unit = a / np.where((size := np.linalg.norm(a, axis=1, keepdims=True)) > 0, size, 1.0)
    expected = (w - unit * np.sum(w * unit, axis=1, keepdims=True)) / np.where(size > 0, size, 1.0)
    if f is normalised:
        expected[1] = 0.0
    np.testing.assert_allclose(wg.grad(lambda a: np.sum(w * f(a)))(a), expected, rtol=1e-13)
    direction = rng.standard_normal((3, 4))
    _, tangent = wg.jvp(lambda a: np.sum(w * f(a)), (a,), (direction,))
    np.testing.assert_allclose(tangent, np.sum(expected * direction), rtol=1e-13)


def log_likelihood(p, n):
    """Multinomial: counts of zero with probability zero contribute nothing."""
    return np.sum(np.where(n > 0, n * np.log(p), 0.0))


def log_likelihood_by_selection(p, n):
    seen = n > 0
    return np.sum(n[seen] * np.log(p[seen]))


def log_likelihood_in_place(p, n):
    terms = np.log(p)
    terms[n == 0] = 0.0
    return np.sum(terms * n)


@pytest.mark.parametrize("f", [log_likelihood, log_likelihood_by_selection, log_likelihood_in_place])
def test_log_at_zero_masked(f: Any) -> None:
    p, n = np.array([0.5, 0.0, 0.25, 0.25]), np.array([3.0, 0.0, 2.0, 0.0])
    expected = np.where(n > 0, n / np.where(p > 0, p, 1), 0)
    np.testing.assert_allclose(wg.grad(f)(p, n), expected)
    _, tangent = wg.jvp(lambda p: f(p, n), (p,), (np.array([0.3, 1.0, -0.2, 0.7]),))
    np.testing.assert_allclose(tangent, expected @ [0.3, 1.0, -0.2, 0.7])
    np.testing.assert_allclose(wg.hessian(f)(p, n), np.diag([-12.0, 0, -32.0, 0]), atol=1e-300)


def masked_mean(x, mask):
    """The mean of what the mask lets through, per row; 0 for a row of which nothing is left."""
    count = np.sum(mask, axis=1)
    mean = np.sum(x * mask, axis=1) / count
    return np.where(count > 0, mean, 0.0)


def test_mean_of_nothing_masked() -> None:
    x, mask = np.arange(6.0).reshape(2, 3) + 1, np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    expected = np.array([[0.5, 0, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(masked_mean(x, mask)))(x), expected)
    _, tangent = wg.jvp(lambda x: masked_mean(x, mask), (x,), (x * x,))
    np.testing.assert_array_equal(tangent, [5.0, 0.0])


def stored_then_masked(x):
    """An infinite intermediate waits in an array until a mask leaves it out."""
    inverse = np.empty_like(x)
    for i in range(len(x)):
        inverse[i] = 1.0 / x[i]
    scaled = inverse * x * x
    total = 0.0
    for i in range(len(x)):
        if x[i] != 0.0:
            total += scaled[i]
    return total


def test_stored_infinities_are_left_out() -> None:
    x = np.array([2.0, 0.0, 3.0])
    np.testing.assert_allclose(wg.grad(stored_then_masked)(x), [1.0, 0.0, 1.0])
    for k, slope in enumerate([1.0, 0.0, 1.0]):
        np.testing.assert_allclose(wg.jvp(stored_then_masked, (x,), (np.eye(3)[k],))[1], slope)


def fit(a, b, t, y):
    """Observations that are missing are NaN."""
    return np.nanmean((y - a * np.exp(-b * t)) ** 2)


def fit_by_selection(a, b, t, y):
    residual = y - a * np.exp(-b * t)
    residual = residual[~np.isnan(residual)]
    return np.mean(residual**2)


def fit_by_loop(a, b, t, y):
    squares = (y - a * np.exp(-b * t)) ** 2
    total, count = 0.0, 0
    for s in squares:
        if not np.isnan(s):
            total += s
            count += 1
    return total / count


@pytest.mark.parametrize("f", [fit, fit_by_selection, fit_by_loop])
def test_missing_observations(f: Any) -> None:
    t = np.linspace(0.0, 2.0, 6)
    y = 1.5 * np.exp(-0.7 * t) + 0.1 * np.cos(5 * t)
    y[[1, 4]] = np.nan
    seen = ~np.isnan(y)
    residual, slope = (y - 1.2 * np.exp(-0.5 * t))[seen], np.exp(-0.5 * t)[seen]
    expected = np.array([-2 * np.mean(residual * slope), 2 * np.mean(residual * 1.2 * t[seen] * slope)])
    np.testing.assert_allclose(wg.grad(f, wrt=("a", "b"))(1.2, 0.5, t, y), expected, rtol=1e-13)
    _, tangent = wg.jvp(lambda a, b: f(a, b, t, y), (1.2, 0.5), (1.0, -2.0))
    np.testing.assert_allclose(tangent, expected @ [1.0, -2.0], rtol=1e-13)
    _, pullback = wg.vjp(lambda y: f(1.2, 0.5, t, y), y)
    by_y = np.zeros(6)
    by_y[seen] = 2 * residual / 4
    np.testing.assert_allclose(pullback(1.0)[0], by_y, rtol=1e-13)


def pair_energy(pos):
    """Lennard-Jones over pairs by np.triu: the diagonal is infinite before it is left out."""
    d = pos[:, None, :] - pos[None, :, :]
    inverse = 1.0 / np.sum(d * d, axis=-1)
    sixth = inverse * inverse * inverse
    return np.sum(np.triu(4.0 * (sixth * sixth - sixth), 1))


def test_pairs_above_the_diagonal() -> None:
    rng = np.random.default_rng(8)
    pos = rng.permutation(np.argwhere(np.ones((2, 2, 2))))[:5] * 1.1 + 0.1 * rng.random((5, 3))
    found = wg.grad(pair_energy)(pos)
    expected = np.zeros((5, 3))
    for i in range(5):
        for j in range(5):
            if i != j:
                d = pos[i] - pos[j]
                s = d @ d
                expected[i] += (-48.0 * s**-7 + 24.0 * s**-4) * d
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    direction = rng.standard_normal((5, 3))
    with np.errstate(all="ignore"):
        _, tangent = wg.jvp(pair_energy, (pos,), (direction,))
    np.testing.assert_allclose(tangent, np.sum(expected * direction), rtol=1e-12)
