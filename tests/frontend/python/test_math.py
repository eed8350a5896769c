"""Functions of `math` with two arguments that meet at steps: values, derivatives and exceptions as Python's."""

from __future__ import annotations

import math
from collections.abc import Callable

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
