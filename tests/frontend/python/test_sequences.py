"""Static sequences indexed by run-time integers; library functions of integers; attributes by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives
from wengert.errors import Unsupported

LETTERS = "CDEFGH"
WEIGHTS = [1.0, 2.5, -0.5, 4.0]


def letter(x):
    return LETTERS[int(x)]


def weight(x):
    name = LETTERS[int(x)]
    if name >= "E":
        return x * x
    return 3.0 * x


def table(x):
    return WEIGHTS[int(x)] * x * x


def mixed(x):
    return [x, 2 * x, x * x][int(x) % 3]


def histogram(x):
    bins = [0.0, 0.0, 0.0]
    for v in x:
        bins[int(v)] += v * v
    return bins[0] * bins[1] + bins[2]


def series(x):
    total = 0.0
    for k in range(6):
        total += x**k / math.factorial(k)
    return total


class Sensor:
    def __init__(self, gain):
        self.gain = gain
        self.bias = np.array([1.0, 2.0])

    def tidy(self):
        for name in ("gain", "bias"):
            self.__setattr__(name, np.copy(self.__getattribute__(name)) * 2.0)


def named_attributes(x):
    sensor = Sensor(x)
    sensor.tidy()
    return sensor.gain * np.sum(sensor.bias * x)


def test_element_of_text() -> None:
    compiled = wg.compile(letter)
    assert [compiled(x) for x in (0.5, 3.2, 5.9, -1.0)] == ["C", "F", "H", "H"]
    with pytest.raises(IndexError):
        compiled(6.0)


@pytest.mark.parametrize("x", [0.5, 1.5, 2.5, 3.5])
def test_positions_computed_at_run_time(x: float) -> None:
    for f in (weight, table, mixed):
        assert_derivatives(f, x, seeds=(0,))


def test_assignment_at_a_run_time_position() -> None:
    assert_derivatives(histogram, np.array([0.2, 1.3, 1.9, 2.4, 0.9, 2.2, 1.1, 0.3, 2.7]))


def test_factorial_of_the_index() -> None:
    assert_derivatives(series, 0.7)


def test_attributes_by_name() -> None:
    assert_derivatives(named_attributes, 0.7)


def divide_by_nothing(x, scale):
    return x / scale


def test_none_is_no_number() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        wg.compile(divide_by_nothing)(1.0, None)


GUESSES = [0.1 * k * k - 2.0 for k in range(40)]


def first_guess(x):
    found = 0.0
    for guess in GUESSES:
        found = guess * x
        if found > 3.0:
            break
    return found * x


def static_guesses(x):
    total = 0.0
    for guess in [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 10.5, 20.25]:
        label = f"{guess}"
        total += x * len(label)
    return total * x


def test_loops_over_longer_lists_of_floats() -> None:
    for f in (first_guess, static_guesses):
        assert_derivatives(f, 0.7, seeds=(0,))


def text_of_data(x):
    return x * len(f"{x}")


def test_text_of_run_time_data_is_refused() -> None:
    with pytest.raises(Unsupported, match="run-time value"):
        wg.compile(text_of_data)(1.5)


def bounded(x, low):
    limit = None
    if x > 1.0:
        limit = low
    if x > 2.0 and limit < x:
        return x * limit
    return x


def masked_number(x):
    y = np.sin(x)
    return np.sum(y[y > 0.5] * 3.0) + x


def test_none_does_not_order() -> None:
    assert_derivatives(bounded, 2.5, 1.5, seeds=(0,))
    assert_derivatives(bounded, 0.5, 1.5, seeds=(0,))


def test_mask_of_a_numpy_scalar() -> None:
    for x in (0.2, 1.2):
        assert_derivatives(masked_number, x, seeds=(0,))


SETS_OF_DATA = {
    "a display": lambda x: x[0] * len({x[0], x[1]}),
    "of constants too": lambda x: x[0] * len({1.0, x[0]}),
    "of tuples": lambda x: x[0] * len({(x[0], 1), (x[1], 1)}),
    "of integers": lambda x: x[0] * len({int(x[0]), int(x[1])}),
    "a comprehension": lambda x: x[0] * len({v for v in (x[0], x[1])}),
    "of an array": lambda x: x[0] * len({v for v in x}),
    "by union": lambda x: x[0] * len({1.0} | {x[0]}),
}


@pytest.mark.parametrize("program", SETS_OF_DATA.values(), ids=SETS_OF_DATA)
def test_sets_of_run_time_numbers_are_refused(program: Callable[..., Any]) -> None:
    """Which of them are equal is known at run time only: their number was wrong."""
    with pytest.raises(Unsupported, match="a set of run-time numbers"):
        wg.compile(program)(np.ones(2))


@pytest.mark.parametrize("x", [[1.0, 2.0], [1.0, 1.0], [2.0, 3.0], [np.nan, 1.0]])
def test_membership_of_a_set_of_run_time_numbers(x: list[float]) -> None:
    def f(x):
        return 2.0 * (x[1] in {x[0], 3.0}) + (x[0] not in {1.0, x[1]}) + len({len(x), 2})

    assert wg.compile(f)(np.array(x)) == f(np.array(x))


def grown(x, each):
    found = []
    while len(found) < 4 and x[len(found)] < 1.0:
        found.append(each(x, len(found)))
    return found


@pytest.mark.parametrize(
    "each", [lambda x, k: x * k, lambda x, k: x[k], lambda x, k: float(x[k]), lambda x, k: x[k] > 0.5, lambda x, k: k]
)
def test_what_a_returned_list_holds(each: Callable[..., Any]) -> None:
    """Arrays, NumPy numbers and Python numbers are not taken for one another."""
    x = np.array([0.2, 0.7, 0.9, 1.1], np.float32)
    want, got = grown(x, each), wg.compile(grown)(x, each)
    assert [type(v) for v in got] == [type(v) for v in want]
    np.testing.assert_array_equal(got, want, strict=True)
