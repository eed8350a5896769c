"""Results of several possible kinds: the kind that holds decides what tangents and cotangents look like."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg


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
