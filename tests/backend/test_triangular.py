"""Triangular systems: `solve` finds them out, whatever the layout, and substitutes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(0)
SHAPES = {
    "full": lambda a: a,
    "lower": np.tril,
    "upper": np.triu,
    "lower transposed": lambda a: np.tril(a).T,
    "upper by columns": lambda a: np.asfortranarray(np.triu(a)),
    "diagonal": lambda a: np.diag(np.diag(a)),
}


def solve(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b)


def solve_part(a: Any, b: Any) -> Any:
    return np.linalg.solve(a[::2, ::2].T, b)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_solve(shape: str, dtype: Any, n: int) -> None:
    a = RNG.standard_normal((n, n)) + n * np.eye(n)
    b = RNG.standard_normal((n, 3))
    if np.issubdtype(dtype, np.complexfloating):
        a, b = a + 1j * RNG.standard_normal((n, n)), b + 1j
    a, b = SHAPES[shape](a.astype(dtype)), b.astype(dtype)
    tolerance = 1e-4 if np.finfo(dtype).eps > 1e-10 else 1e-12
    np.testing.assert_allclose(wg.compile(solve)(a, b), np.linalg.solve(a, b), rtol=tolerance, atol=tolerance)


def test_strided_views() -> None:
    a, b = np.tril(RNG.standard_normal((24, 24))) + 20 * np.eye(24), RNG.standard_normal((12, 2))
    np.testing.assert_allclose(wg.compile(solve_part)(a, b), solve_part(a, b), rtol=1e-12)


def test_zero_on_the_diagonal() -> None:
    a = np.tril(np.ones((9, 9)), -1)
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        wg.compile(solve)(a, np.ones((9, 1)))


def test_derivatives() -> None:
    a, b = np.tril(RNG.standard_normal((9, 9))) + 9 * np.eye(9), RNG.standard_normal((9, 2))
    assert wg.check(lambda a, b: np.sum(np.linalg.solve(a, b) ** 2), a, b)
