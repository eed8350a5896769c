"""Functions of `math` with steps or with exceptions of their own: values, derivatives and exceptions as Python's."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives

REMAINDERS = [math.fmod, math.remainder]
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize("function", REMAINDERS)
@pytest.mark.parametrize("at", [(7.3, 2.0), (-7.3, 2.0), (7.3, -0.7), (2.9, 2.0), (0.3, 5.0)])
def test_derivatives(function: Callable[[float, float], float], at: tuple[float, float]) -> None:
    def f(x, y):
        return function(x * x, y) * x

    assert_derivatives(f, *at)


@pytest.mark.parametrize("function", REMAINDERS)
@pytest.mark.parametrize("at", [(1.0, 0.0), (INF, 2.0), (INF, 0.0), (NAN, 0.0), (INF, NAN), (2.0, INF), (-4.0, 2.0)])
def test_exceptions_and_special_values(function: Callable[[float, float], float], at: tuple[float, float]) -> None:
    def f(x, y):
        return function(x, y)

    try:
        expected = function(*at)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)):
            wg.compile(f)(*at)
    else:
        assert repr(float(wg.compile(f)(*at))) == repr(expected)


NUMBERS = [0.0, -0.0, 0.7, -1.5, 3e-310, 5e-324, 1e300, INF, -INF, NAN]


@pytest.mark.parametrize("value", NUMBERS)
def test_frexp(value: float) -> None:
    def f(x):
        return math.frexp(x)

    part, exponent = wg.compile(f)(value)
    assert (repr(float(part)), exponent) == (repr(math.frexp(value)[0]), math.frexp(value)[1])
    assert type(exponent) is int


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("power", [0, 3, -1075, 1075, 4000, -4000, 10**15])
def test_ldexp(value: float, power: int) -> None:
    def f(x, n):
        return math.ldexp(x, n)

    try:
        expected = math.ldexp(value, power)
    except OverflowError as error:
        with pytest.raises(OverflowError, match=str(error)):
            wg.compile(f)(value, power)
    else:
        assert repr(float(wg.compile(f)(value, power))) == repr(expected)


def test_parts_of_floats_have_derivatives() -> None:
    def f(x, y):
        part, exponent = math.frexp(x * y)
        return math.ldexp(math.sin(part), exponent + 1) * y

    assert_derivatives(f, 5.3, 0.9)


def test_what_additions_lose_is_kept() -> None:
    for x in (np.array([1e100, 1.0, -1e100]), np.full(10, 0.1), np.full(10, 0.1, np.float32)):
        got = wg.compile(lambda x: (math.fsum(x), math.fsum([x[0], x[1], x[2]])))(x)
        assert got == (math.fsum(x), math.fsum(x[:3])) and type(got[0]) is float
    assert wg.compile(lambda x: math.fsum(x))(np.array([INF, 1.0])) == INF
    assert_derivatives(lambda x, y: math.fsum([x * y, 3.0, y * y]) * x, 0.7, 1.3)
