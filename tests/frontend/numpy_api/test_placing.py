"""put, putmask and place: values repeated, positions out of range, arrays of more axes."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives


def placed(w, v, b, l, m):  # noqa: E741
    first, second, third, fourth, fifth, matrix = w.copy(), w.copy(), w.copy(), w.copy(), w.copy(), m.copy()
    np.place(first, b, v[:2])
    np.putmask(second, b, v * v)
    np.put(third, [1, 30, -40], v[:2], mode="wrap")
    fourth.put(l, v[:3], mode="clip")
    np.put(fifth, [1, -3], v[:2])
    np.place(matrix, m > 0.5, [1.5])
    np.putmask(matrix, m < 0, v[:5])
    return first * w, second * w, third, fourth * v, fifth, matrix


def test_values_and_derivatives() -> None:
    r = np.random.default_rng(3)
    args = r.normal(size=12), r.normal(size=12), r.random(12) < 0.5, r.integers(0, 20, 12), r.normal(size=(9, 10))
    for got, want in zip(wg.compile(placed)(*args), placed(*args), strict=True):
        np.testing.assert_array_equal(got, want)
    assert_derivatives(placed, *args, seeds=(0,))


def place(y, b, v):
    np.place(y, b, v)


def putmask(y, b, v):
    np.putmask(y, b, v)


def put(y, b, v):
    np.put(y, [0, 20], v)


@pytest.mark.parametrize(
    ("f", "b", "v"),
    [(place, np.ones(3, bool), np.ones(2)), (putmask, np.ones(3, bool), np.ones(2)), (put, None, np.ones(1)),
     (place, np.ones(12, bool), np.ones(0))],
)  # fmt: skip
def test_wrong_calls(f, b, v) -> None:
    errors = []
    for run in (f, wg.compile(f)):
        with pytest.raises((ValueError, IndexError)) as caught:
            run(np.zeros(12), b, v)
        errors.append(caught.type)
    assert errors[0] is errors[1]
