"""Indices around a ring: neighbours by `%` and by negative positions, without divisions or checks that cannot fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from derivatives import assert_derivatives
from wengert.ir.text import show
from wengert.programs import program_of


def ahead(x, out):
    n = len(x)
    for i in range(n):
        out[i] = x[(i + 1) % n] * x[i]


def behind(x, out):
    n = len(x)
    for i in range(n):
        out[i] = x[(i - 1) % n] * x[(i - 3) % n]


def inside(x, out):
    for i in range(len(x)):
        out[i] = x[i % len(x)] ** 2


def last_period(x, out):
    n = len(x)
    for i in range(n):
        out[i] = x[(i + n - 1) % n] + x[(2 * i) % n]


def from_the_end(x, out):
    for i in range(len(x)):
        out[i] = x[i - 2] * x[i - 9]


def far(x, out):
    n = len(x)
    for i in range(n):
        out[i] = x[(i + 2 * n + 5) % n] + x[(i - 30) % n] + x[(3 * i) % n]


def backwards(x, out):
    n = len(x)
    for i in range(n - 1, -1, -1):
        out[i] = x[(i + 1) % n] - x[(i - n) % n]


def beyond(x, out):
    for i in range(len(x)):
        out[i] = x[i - 10]


RINGS = [ahead, behind, inside, last_period, from_the_end, far, backwards]
N = 13


@pytest.mark.parametrize("f", RINGS)
def test_rings(f: Any) -> None:
    x = np.random.default_rng(0).uniform(0.5, 1.5, N)
    assert_derivatives(f, x, np.zeros(N))
    assert_derivatives(f, x[:9], np.zeros(9))


@pytest.mark.parametrize("f", RINGS)
def test_what_cannot_fail_is_not_checked(f: Any) -> None:
    text = show(program_of(f).stage((np.ones(N), np.zeros(N)), {}).module)
    assert "fail" not in text
    assert ("mod(" in text) == (f is far)


def test_what_may_fail_is_checked() -> None:
    import wengert as wg

    run = wg.compile(beyond)
    out = np.zeros(N)
    run(np.arange(float(N)), out)
    assert out[0] == N - 10
    with pytest.raises(IndexError, match="index -10 is out of bounds for axis 0 with size 9"):
        run(np.ones(9), np.zeros(9))
