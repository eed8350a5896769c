"""Hessian-vector products of whole programs, and the check itself against engines that are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.curvature import verify_hvp
from wengert.differences import Vector
from wengert.native_engine import Native


def recurrence(x: np.ndarray, a: float, n: int) -> tuple[np.ndarray, dict[str, Any]]:
    for i in range(1, n):
        x[i] = a * np.sin(x[i - 1]) + x[i] ** 2
    return x * a, {"last": x[n - 1] ** 3, "count": n}


def moduli(z: np.ndarray) -> list[Any]:
    return [np.abs(z) ** 3, np.sum(z * z[::-1] * np.conj(z))]


def linear(x: np.ndarray) -> np.ndarray:
    return 3.0 * x[::-1]


def assert_good(f: Any, *args: Any) -> None:
    findings = verify_hvp(f, args, engine=Native())
    assert [finding.name for finding in findings] == ["hvp differences", "hvp", "symmetry"]
    assert all(finding.ok for finding in findings), "\n".join(map(str, findings))


def test_mutation_numbers_and_structures() -> None:
    assert_good(recurrence, np.linspace(0.2, 0.9, 6), 0.7, 6)


def test_complex_inputs() -> None:
    assert_good(moduli, np.array([1.0 + 0.5j, -0.3 + 2j, 0.4 - 0.6j]))


def test_linear_programs_have_no_curvature() -> None:
    assert_good(linear, np.linspace(1.0, 2.0, 5))


class Skewed(Native):
    """Adds something antisymmetric to the Hessian."""

    size = 0.1

    def hvp(self, *given: Any) -> Any:
        product = super().hvp(*given)

        def worse(v: list[Vector]) -> list[Vector]:
            found = product(v)
            found[0][0] += self.size * v[0][1]
            found[0][1] -= self.size * v[0][0]
            return found

        return worse


def test_wrong_products_are_found() -> None:
    args = (np.linspace(0.2, 0.9, 6), 0.7, 6)
    _, product, symmetry = verify_hvp(recurrence, args, engine=Skewed())
    assert not product.ok
    assert product.detail.startswith("input 0[")
    assert not symmetry.ok


def test_symmetry_finds_what_differences_cannot_resolve() -> None:
    engine = Skewed()
    engine.size = 1e-5
    _, product, symmetry = verify_hvp(recurrence, (np.linspace(0.2, 0.9, 6), 0.7, 6), engine=engine)
    assert product.ok
    assert not symmetry.ok
