"""Programs of our own, after reports about other tools that were wrong, silently zero, NaN or refused: the numerics.

docs/right_or_loud.md has the reports; memory, loops and the language are in test_other_tools.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wengert as wg
from acceptance.hessians import assert_second_order
from derivatives import assert_derivatives

RNG = np.random.default_rng(11)


def closely(found: Any, expected: Any, rtol: float = 1e-13) -> None:
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-15)


def masked_spectrum(x, mask):
    """A mask that is not symmetric under conjugation shows a forgotten conjugate."""
    return np.sum(np.abs(np.fft.fft(x) * mask) ** 2)


def test_spectrum_under_a_lopsided_mask() -> None:
    x = RNG.standard_normal(8) + 1j * RNG.standard_normal(8)
    mask = np.array([1.0, 1, 1, 0, 0, 0, 0, 0])
    closely(wg.grad(masked_spectrum)(x, mask), 2 * 8 * np.fft.ifft(mask * np.fft.fft(x)))
    assert_derivatives(masked_spectrum, x, mask)
    assert_second_order(lambda x: masked_spectrum(x[0] + 1j * x[1], mask), np.stack([x.real, x.imag]))


def complex_products(a, b):
    c = a @ b
    return np.sum(np.abs(c) ** 2) + np.sum((c * c).imag)


def test_complex_matrix_product() -> None:
    a = RNG.standard_normal((2, 3)) + 1j * RNG.standard_normal((2, 3))
    b = RNG.standard_normal((3, 2)) + 1j * RNG.standard_normal((3, 2))
    c_adj = 2 * (a @ b) + 2j * np.conj(a @ b)
    by_a, by_b = wg.grad(complex_products, wrt=(0, 1))(a, b)
    closely(by_a, c_adj @ b.conj().T)
    closely(by_b, a.conj().T @ c_adj)
    assert_derivatives(complex_products, a, b)


def trace_by_eigenvalues(a):
    w, _ = np.linalg.eigh(a)
    return np.sum(w) + np.sum(w**3)


def spectral_function(a):
    """V exp(w) V^T is smooth where eigenvalues coincide, though the eigenvectors are not."""
    w, v = np.linalg.eigh(a)
    return np.trace(v @ np.diag(np.exp(w)) @ v.T)


def test_coinciding_eigenvalues() -> None:
    """tr A + tr A^3 has the gradient I + 3 A^2, of the lower triangle twice that below the diagonal."""

    def of_lower(full):
        return np.tril(full + full.T) - np.diag(np.diag(full))

    for a in (np.eye(3), np.diag([2.0, 2.0, 5.0])):
        closely(wg.grad(trace_by_eigenvalues)(a), of_lower(np.eye(3) + 3 * a @ a))
        direction = RNG.standard_normal((3, 3))
        symmetric = np.tril(direction) + np.tril(direction, -1).T
        _, tangent = wg.jvp(trace_by_eigenvalues, (a,), (direction,))
        closely(tangent, np.trace(symmetric + 3 * a @ a @ symmetric))
    closely(wg.grad(spectral_function)(np.diag([0.5, 0.5, 1.0])), np.diag(np.exp([0.5, 0.5, 1.0])))


def test_eigenvectors_of_coinciding_eigenvalues_are_loud() -> None:
    """One eigenvector of a double eigenvalue has no derivative: not finite, rather than a number."""

    def first_component(a):
        _, v = np.linalg.eigh(a)
        return v[0, 0] * v[1, 0]

    assert not np.all(np.isfinite(wg.grad(first_component)(np.eye(2))))

    def singular_component(a):
        u, _, _ = np.linalg.svd(a)
        return u[0, 0] * u[1, 0]

    def general_component(a):
        _, v = np.linalg.eig(a + 0j)
        return (v[0, 0] * v[1, 0]).real + v[0, 1].imag

    assert not np.all(np.isfinite(wg.grad(singular_component)(np.eye(2))))
    assert not np.all(np.isfinite(wg.grad(general_component)(np.eye(2))))


def test_pseudo_inverse_of_equal_singular_values() -> None:
    """At constant rank it is smooth, whatever its singular values."""

    def weighted(a):
        return np.sum(np.linalg.pinv(a) * np.array([[1.0, 2.0], [3.0, 5.0]]))

    def low(x, y):
        return np.sum(np.linalg.pinv(np.outer(x, y), rcond=1e-10) * np.array([[1.0, 2.0], [3.0, 5.0]]))

    w = np.array([[1.0, 2.0], [3.0, 5.0]])
    closely(wg.grad(weighted)(2 * np.eye(2)), -w / 4)
    x, y = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    gradient = wg.grad(low)(x, y)
    size = (x @ x) * (y @ y)
    closely(gradient, (w.T @ y - 2 * x * (y @ w @ x) / (x @ x)) / size)


def running_products(x):
    return np.cumprod(x)


@pytest.mark.parametrize("x", [[2.0, 0.0, 3.0, 4.0], [0.0, 2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
def test_products_with_zeros(x: list[float]) -> None:
    """Products of the others, never quotients."""
    at = np.array(x)
    others = np.array([np.prod(np.delete(at, i)) for i in range(4)])
    closely(wg.grad(lambda x: np.prod(x))(at), others)
    expected = np.array([[np.prod(np.delete(at[: k + 1], i)) if i <= k else 0.0 for i in range(4)] for k in range(4)])
    for mode in ("forward", "reverse"):
        closely(wg.jacobian(running_products, mode=mode)(at), expected)
    pairs = np.array([[0.0 if i == j else np.prod(np.delete(at, [i, j])) for j in range(4)] for i in range(4)])
    closely(wg.hessian(lambda x: np.prod(x))(at), pairs)


def cross_entropy(logits, target):
    return np.log(np.sum(np.exp(logits - logits.max()))) + logits.max() - np.sum(target * logits)


def test_curvature_of_the_cross_entropy() -> None:
    """At equal logits, where a maximum is taken out of a tie."""
    logits, target = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    closely(wg.grad(cross_entropy)(logits, target), [-0.5, 0.5])
    for second in (wg.hessian(cross_entropy), wg.jacobian(wg.grad(cross_entropy), mode="reverse")):
        closely(second(logits, target), [[0.25, -0.25], [-0.25, 0.25]])


def exprel(x):
    """(exp(x) - 1)/x, by its series near 0."""
    series = 1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5)))
    return np.where(np.abs(x) < 1e-3, series, np.expm1(x) / x)


def test_removable_singularity() -> None:
    x = np.array([0.0, 1e-4, 0.5])
    for k, derivative in enumerate((wg.grad(lambda x: np.sum(exprel(x))), wg.hessian(lambda x: np.sum(exprel(x))))):
        found = derivative(x)
        closely(found[0] if k == 0 else found[0, 0], 1 / (k + 2))
        assert np.all(np.isfinite(found))
    closely(wg.jacobian(wg.grad(lambda x: np.sum(exprel(x))), mode="reverse")(x)[0, 0], 1 / 3)


def softplus(x):
    return np.logaddexp(0.0, x)


def test_small_second_derivatives() -> None:
    """sigmoid(x) sigmoid(-x), to full relative accuracy where it is 1e-16, and never NaN."""
    for x in (-37.43, -2.0, 0.0, 3.0, 37.43, 200.0, 1000.0):
        e = math.exp(-abs(x))
        closely(wg.grad(softplus)(x), (1.0 if x > 0 else e) / (1 + e))
        np.testing.assert_allclose(wg.grad(wg.grad(softplus))(x), e / (1 + e) ** 2, rtol=1e-12)


@pytest.mark.parametrize("power", [0, 1, 2, 3, 4])
def test_derivatives_of_powers_at_zero(power: int) -> None:
    """The n-th derivative of x^n at 0 is n!, the next is 0, none is NaN."""

    def f(x):
        return x**power

    derivative = f
    for order in range(power + 2):
        expected = math.factorial(power) if order == power else 0
        closely(derivative(0.0), expected)
        if order <= power:
            derivative = wg.grad(derivative)


def sorted_sum(x, w):
    order = np.argsort(x)
    return np.sum(w * x[order]) + np.sum(w * np.sort(x) ** 2)


def test_order_statistics() -> None:
    x, w = np.array([0.3, -1.2, 0.9, 0.1]), np.array([1.0, 2.0, 3.0, 4.0])
    rank = np.argsort(np.argsort(x))
    closely(wg.grad(sorted_sum)(x, w), w[rank] * (1 + 2 * x))
    closely(wg.hessian(sorted_sum)(x, w), np.diag(2 * w[rank]))


def fixed_point(a):
    """Iterates to convergence; the derivative is that of the fixed point, not of the number of rounds."""
    x = 1.0
    for _ in range(1000):
        new = math.cos(a * x)
        if abs(new - x) < 1e-15:
            return new
        x = new
    raise RuntimeError("no convergence")


def test_iteration_to_convergence() -> None:
    a, x = 0.8, 1.0
    for _ in range(500):
        x = math.cos(a * x)
    slope = -x * math.sin(a * x) / (1 + a * math.sin(a * x))
    closely(wg.grad(fixed_point)(a), slope, 1e-11)
    _, tangent = wg.jvp(fixed_point, (a,), (1.0,))
    closely(tangent, slope, 1e-11)


def test_a_null_vector_by_svd() -> None:
    """A homography from four points is the last right singular vector of an 8 by 9 matrix."""

    def homography(points, images):
        rows = []
        for k in range(4):
            (x, y), (u, v) = points[k], images[k]
            rows.append(np.array([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, -u]))
            rows.append(np.array([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, -v]))
        _, _, right = np.linalg.svd(np.array(rows))
        h = right[-1].reshape(3, 3)
        return h / h[2, 2]

    made = np.random.default_rng(3)
    points = np.array([[0.0, 0.0], [1.0, 0.1], [0.9, 1.2], [-0.1, 1.0]])
    images = points @ np.array([[1.1, 0.2], [-0.1, 0.9]]) + 0.05 * made.normal(size=(4, 2)) + 0.3
    assert_derivatives(homography, points, images)


def test_vectors_that_are_not_unique_are_loud() -> None:
    def further(a):
        u, s, _ = np.linalg.svd(a)
        return u[0, -1] ** 2 + s[0]

    def thin(a):
        u, s, right = np.linalg.svd(a)
        return np.sum((u[:, :2] * s @ right) ** 3) + u[1, 0] ** 2

    a = np.random.default_rng(4).normal(size=(5, 2))
    assert np.all(np.isnan(wg.grad(further)(a)))
    assert_derivatives(thin, a)
    assert_second_order(thin, a)
