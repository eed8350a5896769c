"""Results of several possible kinds: the kind that holds decides what tangents and cotangents look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives


def kinds(x):
    if x > 3:
        return None
    if x > 2:
        return np.asarray(x * x)
    if x > 1:
        return (x, np.array([x, x * x]))
    return np.sin(x)


def scalar_kinds(x):
    if x > 3:
        return None
    if x > 2:
        return np.asarray(x * x)
    return np.sin(x)


def test_values() -> None:
    compiled = wg.compile(kinds)
    assert compiled(4.0) is None
    assert isinstance(compiled(2.5), np.ndarray) and compiled(2.5) == 6.25
    number, array = compiled(1.5)
    assert number == 1.5
    np.testing.assert_array_equal(array, [1.5, 2.25])
    assert compiled(0.5) == np.sin(0.5)


def test_tangents_have_the_kind_of_the_value() -> None:
    assert wg.jvp(kinds, (4.0,), (1.0,))[1] is None
    assert wg.jvp(kinds, (2.5,), (1.0,))[1] == 5.0
    number, array = wg.jvp(kinds, (1.5,), (1.0,))[1]
    assert number == 1.0
    np.testing.assert_array_equal(array, [1.0, 3.0])
    assert wg.jvp(kinds, (0.5,), (1.0,))[1] == np.cos(0.5)


def test_cotangents_have_the_kind_of_the_value() -> None:
    assert wg.vjp(kinds, 2.5)[1](1.0) == (5.0,)
    assert wg.vjp(kinds, 1.5)[1]((1.0, np.array([1.0, 2.0]))) == (8.0,)
    assert wg.vjp(kinds, 0.5)[1](1.0) == (np.cos(0.5),)


def test_gradient_where_the_value_is_a_number() -> None:
    gradient = wg.grad(scalar_kinds)
    assert gradient(2.5) == 5.0
    assert gradient(0.5) == np.cos(0.5)
    with pytest.raises(TypeError, match="returned None this time"):
        gradient(4.0)


def with_constants(x):
    return x * x, 2.0, "text", 3, None


def test_constants_have_no_tangent() -> None:
    assert wg.jvp(with_constants, (1.5,), (1.0,)) == ((2.25, 2.0, "text", 3, None), (3.0, 0.0, None, None, None))


def converging(x, n):
    """A number that becomes an array of no axes, in a loop that may be left."""
    y = x[0] * 1.0
    total = 0.0
    for _ in range(n):
        total += (1.0 - y) * 2.0 + np.sin(y)
        if total > 100.0:
            break
        y = np.where(x[1] > 0, y + x[2], y)
    return total + y


def number_or_view(x, n):
    y = x[0] * 1.0
    if n > 2:
        y = x[1:2].reshape(())
    elif n > 0:
        y = x[2:].reshape(())
    return (1.0 - y) * np.arctan2(y, np.cos(y))


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("program", [converging, number_or_view])
def test_functions_of_numbers_or_arrays_of_no_axes(program: Any, n: int) -> None:
    """What one kind reads is not there if the other holds."""
    x = np.array([0.5, 1.5, 0.1])
    assert wg.compile(program)(x, n) == pytest.approx(program(x, n), rel=1e-14)
    assert_derivatives(program, x, n)


def flags(x, limit):
    """A single bool as an index is a mask of no axes."""
    a, m = np.asarray(x[0] * 2), x.reshape(2, 2) * 1.0
    high = x[1] > limit
    r = np.empty_like(a)
    r[high], r[~high] = a[high] * 3, -a[~high]
    m[high] = m[high] ** 2
    m[x[2] > limit] += 1.0
    twice = m.copy()
    twice[True] *= 2.0
    return np.sum(m[high] ** 2) + np.sum(m[~high]) + r + np.sum(twice * x[3]) + m[False].sum() + m[high].shape[0]


@pytest.mark.parametrize("limit", [-1.0, 1.0, 2.0])
def test_single_bools_as_indices(limit: float) -> None:
    x = np.array([0.5, 1.5, -0.3, 0.7])
    assert wg.compile(flags)(x, limit) == pytest.approx(flags(x, limit))
    assert_derivatives(flags, x, limit)


def test_single_bools_beside_other_indices_are_refused() -> None:
    with pytest.raises(wg.Unsupported, match="beside other indices"):
        wg.compile(lambda x: x[x[0] > 0, 1])(np.ones(3))
