"""Programs that other tools differentiate wrongly or refuse: linear algebra, choices, and a loss that can fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from acceptance.hessians import assert_second_order
from derivatives import assert_derivatives

RNG = np.random.default_rng(3)


def exactly(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-14)


# -- 10: nested reverse over linear algebra with a constant operand --------------------------------------------------

MATRIX = RNG.standard_normal((4, 4)) + 4 * np.eye(4)
POSITIVE = MATRIX @ MATRIX.T
SQUARE = RNG.standard_normal((4, 4))


def matmul_constant_left(x):
    return np.sum((MATRIX @ x) ** 3)


def matmul_constant_right(x):
    return np.sum(SQUARE * (x @ MATRIX) ** 3)


def solve_constant_matrix(x):
    return np.sum(np.linalg.solve(MATRIX, x) ** 3)


def solve_constant_right_side(x):
    return np.sum(SQUARE * np.linalg.solve(MATRIX + x, SQUARE) ** 2)


def cholesky_of_constant(x):
    factor = np.linalg.cholesky(POSITIVE)
    return np.sum(np.linalg.solve(factor, x) ** 3)


def cholesky_with_constant(x):
    factor = np.linalg.cholesky(POSITIVE + x @ x.T)
    return np.sum(SQUARE * factor**2) + np.sum(np.linalg.solve(factor, SQUARE) ** 2)


def inverse_and_determinant(x):
    return np.sum(SQUARE * np.linalg.inv(MATRIX + x)) * np.linalg.det(POSITIVE + x * x)


@pytest.mark.parametrize(
    "f",
    [
        matmul_constant_left,
        matmul_constant_right,
        solve_constant_matrix,
        solve_constant_right_side,
        cholesky_of_constant,
        cholesky_with_constant,
        inverse_and_determinant,
    ],
)
def test_nested_reverse_over_linear_algebra(f: Any) -> None:
    x = 0.3 * RNG.standard_normal((4, 4))
    assert_derivatives(f, x)
    assert_second_order(f, x)


def test_nested_reverse_in_closed_form() -> None:
    """sum((A x)^3) has the Hessian 6 A^T diag(A x) A; with A^-1 for A, the same; by reverse over reverse as well."""
    x = RNG.standard_normal(4)
    for f, a in ((matmul_constant_left, MATRIX), (solve_constant_matrix, np.linalg.inv(MATRIX))):
        expected = 6 * a.T @ np.diag(a @ x) @ a
        np.testing.assert_allclose(wg.hessian(f)(x), expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(wg.jacobian(wg.grad(f), mode="reverse")(x), expected, rtol=1e-10, atol=1e-12)


def test_constant_operand_inside_an_inner_gradient() -> None:
    """d/dx of the gradient with respect to y of sum((A (x*y))^2), summed: 4 A^T A (x*y) elementwise parts."""

    def inner_slope(x, y):
        return np.sum(wg.grad(lambda y: np.sum((MATRIX @ (x * y)) ** 2))(y))

    x, y = RNG.standard_normal(4), RNG.standard_normal(4)
    gram = MATRIX.T @ MATRIX
    expected = 2 * gram @ (x * y) + 2 * y * (gram @ x)
    np.testing.assert_allclose(wg.grad(inner_slope)(x, y), expected, rtol=1e-12)


# -- 12: choices, histograms, masks ---------------------------------------------------------------------------------


def angles(y, x):
    return np.arctan2(y, x) * np.array([1.0, -2.0, 3.0, 0.5])


def test_arctan2_in_all_quadrants() -> None:
    y, x = np.array([0.7, 0.4, -1.1, -0.3]), np.array([1.2, -0.8, -0.5, 0.9])
    assert_derivatives(angles, y, x)
    by_y, by_x = wg.grad(lambda y, x: np.sum(np.arctan2(y, x)), wrt=(0, 1))(y, x)
    exactly(by_y, x / (x * x + y * y))
    exactly(by_x, -y / (x * x + y * y))
    assert_second_order(lambda yx: np.sum(np.arctan2(yx[0], yx[1]) ** 2), np.stack([y, x]))


def clipped(x, low, high):
    return np.clip(x, low, high) * x


def test_clip_and_its_bounds() -> None:
    x = np.array([-2.0, -0.4, 0.3, 1.7])
    assert_derivatives(clipped, x, -1.0, 1.2)
    exactly(wg.grad(lambda x, low, high: np.sum(np.clip(x, low, high)), wrt=(0, 1, 2))(x, -1.0, 1.2)[1:], [1.0, 1.0])
    exactly(wg.grad(lambda x: np.sum(np.clip(x, -1.0, 1.2)))(x), [0.0, 1.0, 1.0, 0.0])


def histogram_weights(x, weights):
    counts, _ = np.histogram(x, bins=4, range=(0.0, 1.0), weights=weights)
    return counts * counts


def histogram_mean(x, weights):
    """The mean of the weights in each bin, as azimuthal integration does it."""
    total, _ = np.histogram(x, bins=4, range=(0.0, 1.0), weights=weights)
    count, _ = np.histogram(x, bins=4, range=(0.0, 1.0))
    return total / count


def test_histogram_weights() -> None:
    x, weights = np.array([0.1, 0.9, 0.3, 0.35, 0.6, 0.12]), RNG.random(6)
    assert_derivatives(histogram_weights, x, weights)
    assert_derivatives(histogram_mean, x, weights)
    bins = (x * 4).astype(int)
    sums = np.bincount(bins, weights, 4)
    by_x, by_weights = wg.grad(lambda x, w: np.sum(histogram_weights(x, w)), wrt=(0, 1))(x, weights)
    exactly(by_x, np.zeros(6))
    exactly(by_weights, 2 * sums[bins])


def at_the_largest(x, y):
    return y[np.argmax(x)] * np.max(x)


def rows_at_the_largest(x, y):
    """A gather whose index is found per row, and a scatter back."""
    best = np.argmax(x, axis=1)
    picked = y[np.arange(len(y)), best]
    out = x * 1.0
    out[np.arange(len(y)), best] *= picked
    return out


def test_gather_at_the_largest() -> None:
    assert_derivatives(at_the_largest, RNG.random(6), RNG.random(6))
    assert_derivatives(rows_at_the_largest, RNG.random((3, 4)), RNG.random((3, 4)))
    x, y = np.array([0.1, 0.9, 0.4]), np.array([2.0, 3.0, 5.0])
    by_x, by_y = wg.grad(at_the_largest, wrt=(0, 1))(x, y)
    exactly(by_x, [0.0, 3.0, 0.0])
    exactly(by_y, [0.0, 0.9, 0.0])


def negative_powers_of_positives(x):
    x[x > 0] = x[x > 0] ** (-1.5)
    return x


def powers_of_positives(x):
    x[x > 0] = x[x > 0] ** (-1.5)
    return np.arctan2(x, 2.0) + np.clip(x, -0.5, 1.5)


def test_masked_powers() -> None:
    x = np.array([0.8, -0.3, 2.0, 0.0, -1.2])
    assert_derivatives(powers_of_positives, x + 1e-3)
    expected = np.where(x > 0, -1.5 * np.abs(np.where(x > 0, x, 1.0)) ** -2.5, 1.0)
    exactly(wg.grad(lambda x: np.sum(negative_powers_of_positives(x)))(x), expected)
    _, tangent = wg.jvp(lambda x: negative_powers_of_positives(x), (x,), (np.ones(5),))
    exactly(tangent, expected)
    curved = np.where(x > 0, 3.75 * np.abs(np.where(x > 0, x, 1.0)) ** -3.5, 0.0)
    exactly(wg.hessian(lambda x: np.sum(negative_powers_of_positives(x)))(x), np.diag(curved))


# -- 13: a loss that can fail -----------------------------------------------------------------------------------


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def softmax_rows(x, w):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return np.sum(w * e / np.sum(e, axis=-1, keepdims=True))


def softmax_by_loops(x, w):
    top = x[0]
    for i in range(1, len(x)):
        if x[i] > top:
            top = x[i]
    total = 0.0
    for i in range(len(x)):
        total += np.exp(x[i] - top)
    loss = 0.0
    for i in range(len(x)):
        loss += w[i] * np.exp(x[i] - top) / total
    return loss


def test_softmax_with_weights() -> None:
    x, w = RNG.standard_normal(5), RNG.random(5)
    p = np.exp(x) / np.exp(x).sum()
    expected = p * (w - np.sum(w * p))
    for f in (lambda x, w: np.sum(w * softmax(x)), softmax_rows, softmax_by_loops):
        np.testing.assert_allclose(wg.grad(f)(x, w), expected, rtol=1e-13)
        np.testing.assert_allclose(wg.grad(f)(x, np.ones(5)), np.zeros(5), atol=1e-15)
        np.testing.assert_allclose(wg.grad(f)(x + 1000, w), expected, rtol=1e-11)
    assert_second_order(lambda x: np.sum(w * softmax(x)), x)
    assert_derivatives(softmax_rows, RNG.standard_normal((3, 5)), RNG.random((3, 5)))


def test_log_of_softmax() -> None:
    """d log softmax_k / d x = e_k - softmax: the other loss in which a forgotten term shows."""
    x = RNG.standard_normal(5)
    p = np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(wg.grad(lambda x: np.log(softmax(x))[2])(x), np.eye(5)[2] - p, rtol=1e-13)
    np.testing.assert_allclose(
        wg.hessian(lambda x: np.log(softmax(x))[2])(x), np.outer(p, p) - np.diag(p), rtol=1e-11, atol=1e-14
    )
