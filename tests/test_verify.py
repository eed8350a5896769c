"""The checks check: differences against known derivatives, and `verify` against engines that are right and wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reference_engine import Differences
from wengert import differences as fd
from wengert.verify import Linearization, verify


def smooth(x: np.ndarray, a: float) -> tuple[np.ndarray, float]:
    x *= a
    return np.exp(-x) * np.sin(x), float(x[0]) ** 3


@pytest.mark.parametrize(
    ("g", "expected"),
    [
        (np.exp, 1.0),
        (lambda t: np.sin(5 * t), 5.0),
        (lambda t: np.abs(t - 1e-3), -1.0),
        (lambda t: np.sqrt(1e-4 + t), 50.0),
        (lambda t: 1e6 + t**3 + 2 * t, 2.0),
        (lambda t: np.abs(t - 1e-5) + 3 * t, 2.0),
        (lambda t: np.where(t > 1e-6, 1.0, 0.0) + t, 1.0),
    ],
)
def test_differences_of_known_functions(g: Any, expected: float) -> None:
    def vector(t: complex) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.array([g(t)])

    estimate = fd.richardson(vector, vector(0.0))
    assert abs(estimate.value[0] - expected) <= max(1e-7 * expected, 10 * estimate.error[0])
    assert estimate.error[0] < 1e-5 * abs(expected)


def test_complex_step_is_exact() -> None:
    estimate = fd.derivative_at_zero(lambda t: np.array([np.exp(np.sin(1.5 + t))]))
    assert estimate.value[0] == pytest.approx(np.exp(np.sin(1.5)) * np.cos(1.5), rel=1e-15)


def test_complex_step_is_not_believed_where_it_is_wrong() -> None:
    estimate = fd.derivative_at_zero(lambda t: np.array([np.abs(-2.0 - t) ** 2]))
    assert estimate.value[0] == pytest.approx(4.0, rel=1e-9)


def test_trees_round_trip() -> None:
    @dataclass
    class Pair:
        left: np.ndarray
        label: str

    tree = ({"a": Pair(np.arange(3.0), "x"), "n": 3}, [2.0, np.float32(1.5), 1j])
    values = fd.floats(tree)
    assert [v.shape for v in values] == [(3,), (), (), ()]
    fresh = fd.with_floats(tree, [v + 1 for v in values])
    assert fresh[0]["a"].left.tolist() == [1, 2, 3]
    assert fresh[0]["a"].label == "x"
    assert fresh[0]["n"] == 3
    assert type(fresh[1][0]) is float
    assert type(fresh[1][1]) is np.float32
    assert fresh[1][2] == 1 + 1j
    assert tree[0]["a"].left.tolist() == [0, 1, 2]


def test_mutation_is_found() -> None:
    assert fd.mutated(smooth, (np.ones(3), 2.0)) == (0,)


def test_verify_accepts_a_right_engine() -> None:
    report = verify(smooth, (np.array([0.3, 1.0, 2.0]), 1.7), engine=Differences())
    assert report, str(report)
    assert report.named("vjp")
    assert report.named("dot product")


def test_verify_accepts_a_right_engine_on_complex_programs() -> None:
    def f(z: np.ndarray) -> tuple[np.ndarray, float]:
        return z * np.conj(z[::-1]) + z**2, float(np.sum(np.abs(z)))

    z = np.array([1.0 + 2j, 0.5 - 1j, -0.3 + 0.1j])
    report = verify(f, (z,), engine=Differences())
    assert report.named("jvp"), str(report)
    assert report.named("vjp"), str(report)


class Wrong(Differences):
    """Loses one element of the gradient, as an overwritten value would."""

    def vjp(self, at: Linearization) -> Any:
        outputs, pullback = super().vjp(at)

        def worse(weights: list[fd.Vector]) -> list[fd.Vector]:
            gradients = pullback(weights)
            gradients[0][1] *= 0.999
            return gradients

        return outputs, worse


def test_verify_locates_a_wrong_element() -> None:
    report = verify(smooth, (np.linspace(0.3, 2.0, 7), 1.7), engine=Wrong())
    assert not report
    assert not report.named("vjp")
    assert not report.named("dot product")
    assert "argument 0[1]: gradient" in str(report)


class Vandal(Differences):
    """Leaves the caller's array changed."""

    def jvp(self, at: Linearization, tangents: Any) -> Any:
        result = super().jvp(at, tangents)
        at.args[0][0] += 1e-9
        return result


def test_verify_notices_a_changed_argument() -> None:
    report = verify(smooth, (np.linspace(0.3, 2.0, 4), 1.7), engine=Vandal())
    assert not report.named("arguments")


def test_a_derivative_that_rounding_hides_is_no_fault() -> None:
    """Where Newton's method ends does not depend on where it starts, except by rounding."""

    def root(start: float, a: float) -> float:
        z = complex(start, 0.5)
        while abs(z**3 - a) > 1e-10:
            z = z - (z**3 - a) / (3 * z**2)
        return 2 * z.real + z.imag

    assert verify(root, (1.0, 1.3))


def test_verify_says_when_differences_are_no_reference() -> None:
    report = verify(lambda x: np.modf(1e4 * np.sin(1e8 * x))[0], (np.array([0.1234567]),), engine=Differences())
    assert not report.named("differences")
