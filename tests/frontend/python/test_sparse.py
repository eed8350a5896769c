"""Products of sparse matrices (captured, global or given) with dense arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import wengert as wg
from derivatives import assert_derivatives

RNG = np.random.default_rng(5)
DENSE = np.where(RNG.random((6, 5)) < 0.5, RNG.standard_normal((6, 5)), 0.0)
KINDS = [sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, sp.csr_array, sp.csc_array, sp.coo_array]
X, Y, MANY = RNG.standard_normal(5), RNG.standard_normal(6), RNG.standard_normal((5, 3))


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_products(kind: Any) -> None:
    A = kind(DENSE)

    def captured(x, y, many):
        return A @ x, A.dot(many), A.T @ y, y @ A, (2.0 * A) @ x, A.T @ (A @ x), A.toarray() * x

    def given(A, x, many):
        return A.dot(x), A @ many, A.T.dot(A @ many)

    assert_derivatives(captured, X, Y, MANY)
    assert_derivatives(given, A, X, MANY)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_gradient_by_the_numbers_of_a_matrix(kind: Any) -> None:
    A = kind(DENSE)
    gradient = wg.grad(lambda A, x: np.sum((A @ x) ** 2))(A, X)
    row, column = A.tocoo().coords
    assert np.allclose(gradient.data, 2 * (DENSE @ X)[row] * X[column])


def test_empty_rows_and_other_dtypes() -> None:
    A = sp.csr_array((np.array([2, 3], np.int32), np.array([4, 0]), np.array([0, 0, 1, 1, 2])), shape=(4, 5))
    assert_derivatives(lambda x: A @ x, X)
    B = sp.csr_array(np.zeros((3, 5)))
    assert_derivatives(lambda x: np.sum(B @ x) + x[0], X)
    C = sp.csc_array(DENSE * (1 + 2j))
    assert_derivatives(lambda x: np.abs(C @ x) ** 2, X)


def test_other_sizes_are_served_and_wrong_ones_raise() -> None:
    compiled = wg.compile(lambda A, x: A @ x)
    for n in (20, 30):
        A = sp.random_array((n, n + 1), density=0.2, format="csr", rng=RNG)
        x = RNG.standard_normal(n + 1)
        assert np.allclose(compiled(A, x), A @ x)
    with pytest.raises(ValueError, match="dimension mismatch"):
        compiled(A, x[1:])


def test_the_rest_is_refused() -> None:
    A = sp.csr_array(DENSE)
    row = sp.coo_array(DENSE[:1])
    with pytest.raises(RuntimeError, match="of one row is a number"):
        wg.compile(lambda M, x: M @ x)(row, X)
    for f in (
        lambda x: (A @ A.T) @ np.ones(6) * x[0],
        lambda x: A[1:] @ x,
        lambda x: sp.csr_array((x, (np.arange(5), np.arange(5)))) @ x,
    ):
        with pytest.raises(wg.Unsupported, match="products with dense arrays only"):
            wg.compile(f)(X)
