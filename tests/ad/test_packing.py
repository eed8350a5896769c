"""Tapes hold what is read of arrays that change, and what nests whose extents change store, without padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from acceptance.hessians import assert_second_order
from derivatives import assert_derivatives
from wengert.ad.reverse import packing

RNG = np.random.default_rng(17)
N = 9
TRIANGLE = N * (N - 1) // 2


# -- each program, and how many numbers its tape may hold (besides a few for each turn)


def mirrored(a):
    """A recurrence on ever longer parts, each added to its own mirror image."""
    y = np.zeros(a.size)
    y[0] = a[0]
    for k in range(1, a.size):
        c = np.sin(a[k] + np.dot(a[:k], y[:k]))
        y[:k] += c * y[:k][::-1]
        y[k] = c
    return np.sum(y**2)


def ever_shorter(a):
    y = a * 1.0
    for k in range(a.size):
        y[k + 1 :] *= 1.0 + 0.1 * y[k] * y[k + 1 :]
    return np.sum(y)


def ever_longer_downwards(a):
    y = a * 1.0
    for k in range(a.size - 1, -1, -1):
        for j in range(k + 1, a.size):
            y[j] = np.sin(y[j]) + y[k] * a[j]
    return np.sum(y)


def inner_loop_downwards(a):
    y = a * 1.0
    for k in range(1, a.size):
        for j in range(k - 1, -1, -1):
            y[j] = y[j] * np.cos(y[k]) + 0.1 * y[j] ** 2
    return np.sum(y)


def rows_below(a):
    """Elimination-like updates of a matrix, whose elements are used before they change."""
    m = np.outer(a, a + 1.0)
    for k in range(a.size):
        for i in range(k + 1, a.size):
            m[i] = m[i] - 0.1 * m[k, i] * m[i] ** 2
    return np.sum(m)


def in_every_step(a):
    y = a * 1.0
    for step in range(2):
        for k in range(1, a.size):
            y[:k] += 0.1 * (step + 1) * y[k] * y[:k] ** 2
    return np.sum(y)


def by_twos(a):
    y = a * 1.0
    for k in range(0, a.size, 2):
        for j in range(k + 1, a.size, 2):
            y[j] = np.sin(y[j]) * y[k]
    return np.sum(y)


PACKED = {
    mirrored: TRIANGLE + N,
    ever_shorter: TRIANGLE,
    ever_longer_downwards: TRIANGLE,
    inner_loop_downwards: TRIANGLE,
    rows_below: TRIANGLE * (N + 1),
    in_every_step: 2 * TRIANGLE,
}


def in_shells(a):
    """Extents that shrink by two from turn to turn, to an end that is not known to fit."""
    y = a * 1.0
    for k in range(a.size // 2):
        y[k : a.size - k] *= np.cos(y[k : a.size - k] + y[k])
    return np.sum(y**2)


def columns_after(a):
    """Parts of rows: as they are."""
    m = np.outer(a, a + 1.0)
    for k in range(a.size - 1):
        m[:, k + 1 :] *= np.sin(m[:, k : k + 1] + m[:, k + 1 :])
    return np.sum(m)


def empty_at_the_end(a):
    """The last turn's extent would be negative."""
    y = a * 1.0
    for k in range(a.size):
        for j in range(k + 2, a.size):
            y[j] = np.sin(y[j]) * y[k]
    return np.sum(y)


def on_a_condition(a):
    """What is read lies beyond the end, where it is not."""
    y = a * 1.0
    for k in range(a.size):
        s = 0.0
        for j in range(3):
            if k + j < a.size:
                s += np.sin(y[k + j] * y[k])
        y *= 1.0 + 0.1 * s
    return np.sum(y)


def two_parts(a):
    """Two loads whose ranges cannot be compared."""
    y = a * 1.0
    for k in range(1, a.size):
        s = np.sum(np.cos(y[:k])) + np.sum(np.sin(y[3:7]))
        y *= 1.0 + 0.1 * s
    return np.sum(y)


def on_stacks(a):
    y, k = a * 1.0, 1
    while k < a.size:
        y[:k] = y[:k] * np.sin(y[k] + y[:k])
        k += 1
    return np.sum(y)


def two_outer_loops(a):
    """An extent that depends on two variables."""
    y = a * 1.0
    for k in range(3):
        for m in range(3):
            for j in range(k + m):
                y[j] = np.sin(y[j] + y[m])
    return np.sum(y)


def sum_of_rows(a):
    """The whole array is wanted by a library operation, a part by loads."""
    m = np.outer(a, a)
    for k in range(1, a.size):
        m[:k, :k] = np.sin(m[:k, :k]) + 0.1 * (m @ m)[:k, :k]
    return np.sum(m)


OTHERS = [
    in_shells,
    by_twos,
    columns_after,
    empty_at_the_end,
    on_a_condition,
    two_parts,
    on_stacks,
    two_outer_loops,
    sum_of_rows,
]


@pytest.mark.parametrize("f", [*PACKED, *OTHERS])
def test_derivatives(f: Callable[..., Any]) -> None:
    assert_derivatives(f, RNG.random(N) + 0.2)


@pytest.mark.parametrize("f", PACKED)
def test_nothing_is_stored_beside_it(f: Callable[..., Any]) -> None:
    told = wg.explain(f, RNG.random(N))
    assert told.tape_bytes <= 8 * (PACKED[f] + 6 * N)


@pytest.mark.parametrize("f", [f for f in PACKED if f is not in_every_step])  # there, a step runs again
def test_it_is_packed(f: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise tapes are larger."""
    size = 40
    packed = wg.explain(f, RNG.random(size)).tape_bytes
    monkeypatch.setattr(packing, "_is_count", lambda *_: False)
    assert packed < 0.8 * wg.explain(lambda a: f(a), RNG.random(size)).tape_bytes


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("f", [ever_shorter, ever_longer_downwards, inner_loop_downwards, rows_below, in_shells])
def test_short(f: Callable[..., Any], n: int) -> None:
    assert wg.check(f, RNG.random(n))


@pytest.mark.parametrize("f", [mirrored, ever_shorter, rows_below])
def test_second_order(f: Callable[..., Any]) -> None:
    assert_second_order(f, RNG.random(6))


@pytest.mark.parametrize("f", [mirrored, rows_below])
def test_within_a_memory_limit(f: Callable[..., Any]) -> None:
    """The peak that is planned for is the one that the arena counts, packed tapes included."""
    x = RNG.random(60)
    whole = wg.explain(f, x).peak_bytes
    found = wg.grad(f, memory_limit=whole)(x)
    np.testing.assert_allclose(found, wg.grad(f)(x), rtol=1e-12)
