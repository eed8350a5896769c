"""Values at joins when exceptions, returns and breaks leave a body part of the way."""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Any

import pytest

import wengert as wg
from derivatives import assert_derivatives


def returned_inside_try(x, trunc=1.79e308):
    try:
        return exp(x)
    except:  # noqa: E722
        return trunc


def perhaps_returned_inside_try(x):
    try:
        if x > 3:
            return x * x
        y = log(x)
    except ValueError:
        y = 2 * x
    return y + 1


def inside_a_loop(x):
    for _ in range(5):
        try:
            if x > 3:
                return x * x
            if x < -5:
                break
            y = log(x)
        except ValueError:
            y = 2 * x
        x = x + y
    return x


def nested(x):
    try:
        try:
            y = log(x)
            if y > 1:
                return y
        except OverflowError:
            return 1.0
        y = y + sqrt(y)
    except ValueError:
        return 5.0 * x
    else:
        y = y * 2
    return y


def finally_after_return(x):
    try:
        y = log(x)
        if y > 1:
            return y
    except ValueError:
        if x < -3:
            return 3 * x
        y = 5 * x
    finally:
        z = 2.0
    return y * z


def tuple_of_numbers(x):
    p = (x, 2 * x)
    if x > 0:
        p = (x * 3, x)
    return p[0] * p[1]


PROGRAMS = [
    returned_inside_try,
    perhaps_returned_inside_try,
    inside_a_loop,
    nested,
    finally_after_return,
    tuple_of_numbers,
]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.3, 1.5, 2.0, 4.0, -1.0, -4.0, -8.0, 900.0])
def test_values_at_joins(f: Any, x: float) -> None:
    assert wg.compile(f)(x) == pytest.approx(f(x), rel=1e-14)
    if x < 10.0:
        assert_derivatives(f, x, seeds=(0,))


def read_by_the_handler(x):
    try:
        for _ in range(4):
            y = x
            z = sqrt(x - 0.5)
            x = x - z * z / 2 - 0.4
            y = 2.0 * z
        z = 1.0
    except ValueError:
        return y * x + 1.0
    return y * z


def test_values_read_by_a_handler() -> None:
    for x in (0.6, 1.2, 2.3, 8.0):
        assert_derivatives(read_by_the_handler, x, seeds=(0,))


class Diverged(Exception):
    def __init__(self, value, turn):
        self.value, self.turn = value, turn


def diverging(x):
    if x > 1:
        raise Diverged(x, 1)
    return x


def test_exceptions_are_of_their_class() -> None:
    """Also if the constructor takes something else than a message."""
    with pytest.raises(Diverged):
        wg.compile(diverging)(2.0)
