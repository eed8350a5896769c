"""Subclasses of numpy.ndarray: which operations are the class's own, which give an instance back, what it carries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives
from wengert.errors import Unsupported


class Pair(np.ndarray):
    """Two numbers that multiply as a complex one; `scale` travels with instances."""

    def __new__(cls, values, scale=1.0):
        made = np.asarray(values, dtype=float).view(cls)
        made.scale = scale
        return made

    def __array_finalize__(self, obj):
        if obj is None:
            return
        self.scale = getattr(obj, "scale", 1.0)

    def __mul__(self, other):
        return Pair([self[0] * other[0] - self[1] * other[1], self[0] * other[1] + self[1] * other[0]], self.scale)

    def __rmul__(self, other):
        return Pair([other * self[0], other * self[1]], self.scale)

    @property
    def length(self):
        return np.sqrt(np.sum(np.asarray(self) ** 2)) * self.scale

    def turned(self):
        return Pair([-self[1], self[0]], self.scale)


class OnBuffer(np.ndarray):
    def __new__(cls, values):
        q = np.array(values, dtype=float)
        made = super().__new__(cls, q.shape, float, q)
        made.buffer = q
        return made


def product(x, y):
    p = Pair(x, 2.0) * Pair(y)
    return np.asarray(p), p.length


def instance_after_ufunc(x, y):
    p = 0.5 * Pair(x, 3.0)
    q = (np.sin(p) + 1.0) * p.turned()
    return np.asarray(q), q.length


def in_place(x, y):
    p = Pair(x, 3.0)
    p *= p.turned()[0]
    p /= np.linalg.norm(p)
    return np.asarray(p * Pair(y)), p.scale


def shares_memory(x, y):
    p = OnBuffer(x)
    p *= 3.0
    p[0] = 7.0 * y[0]
    return np.sum(p.buffer * p.buffer * y)


def on_one_path(x, y):
    p = Pair(x, 2.0)
    if x[0] > 0:
        p = p * Pair(y)
    return p.length


def either(x, y):
    total = np.zeros(2)
    for k in range(3):
        total[:] = Pair(x) * total if total[0] > 1.0 + k else y + k
    return total


@pytest.mark.parametrize(
    "f", [product, instance_after_ufunc, in_place, shares_memory, on_one_path, either], ids=lambda f: f.__name__
)
def test_instances(f: Any) -> None:
    assert_derivatives(f, np.array([1.2, 0.3]), np.array([-0.4, 0.9]))
    assert_derivatives(f, np.array([-1.2, 0.3]), np.array([2.4, 0.9]))


def returned(x):
    return Pair(x, 2.0) * Pair(x)


def test_instance_as_result() -> None:
    x = np.array([1.5, -0.5])
    found = wg.compile(returned)(x)
    assert type(found) is Pair and found.scale == 2.0
    np.testing.assert_array_equal(np.asarray(found), np.asarray(returned(x)))
    tangent = wg.jvp(returned, (x,), (np.array([1.0, 0.0]),))[1]
    np.testing.assert_allclose(tangent, [2 * x[0], 2 * x[1]], rtol=1e-15)
    np.testing.assert_allclose(wg.vjp(returned, x)[1](np.array([1.0, 0.0]))[0], [2 * x[0], -2 * x[1]], rtol=1e-15)


def unsure(x):
    stacked = np.concatenate([Pair(x), Pair(x)])
    return np.sum((stacked * stacked)[:2])


def test_what_numpy_gives_is_not_guessed() -> None:
    with pytest.raises(Unsupported, match="whether NumPy gives a Pair or a plain array"):
        wg.compile(unsure)(np.array([1.0, 2.0]))
