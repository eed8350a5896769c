"""Every kind of array and number as argument: right, or a clear error; no other dtype, no changed caller."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import Tolerances, assert_derivatives

RNG = np.random.default_rng(8)


def mixed(x, y):
    z = x * 2.0
    z[1:] += y[:-1] * x[1:] ** 2
    return np.sum(z * z) + np.sum(y[::-1] * z)


def scale_in_place(x, a):
    x *= a
    x[0] += 1.0


def plain_gradient(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By hand."""
    z = x * 2.0
    z[1:] += y[:-1] * x[1:] ** 2
    dz = 2 * z + y[::-1]
    dx = 2 * dz
    dx[1:] += dz[1:] * 2 * y[:-1] * x[1:]
    dy = z[::-1].copy()
    dy[:-1] += dz[1:] * x[1:] ** 2
    return dx, dy


BASE = RNG.random(6)
OTHER = RNG.random(6)
LAYOUTS = {
    "strided": np.repeat(BASE, 3)[::3],
    "reversed": BASE[::-1].copy()[::-1],
    "column": np.asfortranarray(np.column_stack([OTHER, BASE]))[:, 1],
    "row of a Fortran array": np.asfortranarray(np.vstack([OTHER, BASE]))[1],
    "byte-swapped": BASE.astype(">f8"),
    "unaligned": np.frombuffer(b"\0" + BASE.tobytes(), dtype=np.uint8)[1:].view(np.float64),
    "read-only": np.frombuffer(BASE.tobytes()),
    "subclass": BASE.view(type("Tagged", (np.ndarray,), {})),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str) -> None:
    x = LAYOUTS[layout]
    before = x.copy()
    dx, dy = wg.grad(mixed, wrt=(0, 1))(x, OTHER)
    expected = plain_gradient(BASE, OTHER)
    np.testing.assert_allclose(dx, expected[0], rtol=1e-13)
    np.testing.assert_allclose(dy, expected[1], rtol=1e-13)
    np.testing.assert_array_equal(x, before)
    assert dx.dtype == np.float64
    assert wg.compile(mixed)(x, OTHER) == pytest.approx(mixed(BASE, OTHER), rel=1e-13)


@pytest.mark.parametrize("order", ["C", "F"])
def test_matrices_in_either_order(order: Any) -> None:
    def f(a, b):
        c = a @ b
        c[0] *= a[:, 1]
        return np.sum(c * c) + np.sum(a.T[1])

    a, b = np.asarray(RNG.random((3, 3)), order=order), np.asarray(RNG.random((3, 3)), order=order)
    assert_derivatives(f, a, b)
    c_order = wg.grad(f)(np.ascontiguousarray(a), np.ascontiguousarray(b))
    np.testing.assert_allclose(wg.grad(f)(a, b), c_order, rtol=1e-14)


@pytest.mark.parametrize(
    "make", [lambda: np.repeat(BASE, 2)[::2], lambda: BASE.copy()[::-1], lambda: BASE.astype(">f8")]
)
def test_mutation_through_odd_layouts(make: Any) -> None:
    """The compiled program changes a strided, reversed or byte-swapped array exactly as Python does."""
    expected, found = make(), make()
    scale_in_place(expected, 1.5)
    wg.compile(scale_in_place)(found, 1.5)
    np.testing.assert_array_equal(found, expected)


def test_mutating_a_read_only_array_is_an_error() -> None:
    with pytest.raises(ValueError, match="read-only"):
        wg.compile(scale_in_place)(LAYOUTS["read-only"], 1.5)


def test_derivatives_of_a_mutating_program_accept_read_only_arrays() -> None:
    _, pullback = wg.vjp(scale_in_place, LAYOUTS["read-only"], 1.5, wrt="x", of="x")
    np.testing.assert_allclose(pullback(np.ones(6)), np.full(6, 1.5))


def test_single_precision_stays_single() -> None:
    x = BASE.astype(np.float32)
    y = OTHER.astype(np.float32)
    gradient = wg.grad(mixed)(x, y)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, plain_gradient(BASE, OTHER)[0], rtol=1e-5)
    assert wg.compile(mixed)(x, y).dtype == mixed(x, y).dtype


def test_numbers_keep_their_kind() -> None:
    def f(a, b):
        return a * b + b**2

    assert type(wg.compile(f)(2.0, 3.0)) is float
    assert type(wg.compile(f)(np.float32(2.0), np.float32(3.0))) is np.float32
    assert type(wg.compile(f)(2, 3)) is int
    assert wg.compile(f)(2, 3) == 15
    assert wg.compile(f)(2, 3.0) == 15.0
    assert wg.grad(f, wrt=1)(2, 3.0) == 8.0
    assert wg.grad(f, wrt=1)(np.int32(2), 3.0) == 8.0


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_zero_size(shape: tuple[int, ...]) -> None:
    def f(x, a):
        y = np.exp(x) * a
        return np.sum(y) + a**2

    x = np.zeros(shape)
    dx, da = wg.grad(f, wrt=(0, 1))(x, 3.0)
    assert dx.shape == shape
    assert da == 6.0


def test_zero_size_reductions_raise_as_numpy_does() -> None:
    with pytest.raises(ValueError, match="zero-size array"):
        wg.compile(lambda x: np.max(x))(np.zeros(0))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_flow_through(special: float) -> None:
    def f(x):
        y = x * x
        y[y > 4.0] = 4.0
        return np.exp(-x) + y, np.maximum(x, 0.5), np.sum(x), np.min(x)

    x = np.array([0.5, special, -3.0, 2.5])
    with np.errstate(all="ignore"):
        expected = f(x)
    for found, wanted in zip(wg.compile(f)(x), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_a_nan_does_not_spoil_its_neighbours() -> None:
    def f(x):
        return np.sum(np.sin(x[:2])) + 0.0 * x[2]

    gradient = wg.grad(f)(np.array([0.3, 0.4, np.nan]))
    np.testing.assert_allclose(gradient[:2], np.cos([0.3, 0.4]), rtol=1e-14)


def test_complex_arguments() -> None:
    def f(z):
        w = z * z.conj()[::-1] + 2j * z
        return np.sum(np.abs(w) ** 2) + np.sum(w).real

    assert_derivatives(f, RNG.random(4) + 1j * RNG.random(4))
    gradient = wg.grad(lambda z: np.abs(z) ** 2)(3.0 + 4.0j)
    assert gradient == pytest.approx(6.0 + 8.0j)


def test_integers_beside_floats() -> None:
    def f(x, n, k, flag):
        total = 0.0
        for i in range(n):
            total += x[k[i % len(k)]] ** (i + 1)
        return total if flag else -total

    assert_derivatives(f, RNG.random(4), 5, np.array([3, 0, 2]), True)
    assert_derivatives(f, RNG.random(4), 5, np.array([3, 0, 2], dtype=np.uint8), False)


def test_nested_arguments() -> None:
    def f(tree, rest):
        a, (b, c) = tree
        return np.sum(a * b["x"]) + c * rest[0][1] ** 2, {"out": b["x"] * c}

    x = RNG.random(3)
    assert_derivatives(f, (x, ({"x": 2 * x}, 0.5)), [[1.5, 2.5], "label"])


def test_aliased_arguments_that_are_only_read() -> None:
    x = BASE.copy()
    dx, dy = wg.grad(mixed, wrt=(0, 1))(x, x)
    expected = plain_gradient(BASE, BASE)
    np.testing.assert_allclose(dx, expected[0], rtol=1e-13)
    np.testing.assert_allclose(dy, expected[1], rtol=1e-13)


def test_overlapping_arguments_that_are_written() -> None:
    """Overlap of a written and a read argument: Python's answer, or an error that names both."""

    def f(x, y):
        for i in range(len(y)):
            x[i] += y[i]

    data, other = BASE.copy(), BASE.copy()
    f(other[:-1], other[1:])
    try:
        wg.compile(f)(data[:-1], data[1:])
    except wg.WengertError as error:
        assert "'x'" in str(error)
        assert "'y'" in str(error)
    else:
        np.testing.assert_array_equal(data, other)


def test_tolerances_are_relative() -> None:
    assert_derivatives(mixed, 1e-8 * BASE, 1e8 * OTHER, tolerances=Tolerances(derivative=1e-6))
