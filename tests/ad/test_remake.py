"""What another nest of the same iteration stored and overwrote: computed again at the load, where that is legal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from acceptance.hessians import assert_second_order
from derivatives import assert_derivatives

RNG = np.random.default_rng(7)
N = 12


# -- what need not be stored: each program, and how many vectors of N its tape may take per step


def scaled_column(a, b, steps):
    """A column is used, then scaled, in every step; only the pivot has a recurrence, which memory keeps."""
    c = np.zeros((a.shape[0], steps))
    for k in range(steps):
        c[:, k] = a * np.sin(b + k)
        pivot = 2.0 + c[:, k] * b
        c[:, k] = c[:, k] / pivot
    return np.sum(c**2)


def chain_of_three(a, b, steps):
    """What was stored is computed from what another nest stored and overwrote."""
    u, w, s = np.zeros(a.size), np.zeros(a.size), np.zeros(steps)
    for k in range(steps):
        u[:] = a * a + k
        w[:] = u * b
        u[:] = np.cos(w)
        s[k] = np.sum(u * w)
        w[:] = np.sqrt(1.0 + w * w)
        s[k] += np.sum(w)
    return np.sum(s)


def parts(a, b, steps):
    """Loads of a part, shifted and in reverse."""
    u, s = np.zeros(a.size), 0.0
    for k in range(steps):
        u[:] = a * b + k
        s += np.sum(np.sin(u[2:-1]) * u[::-1][1:-2])
        u[:] = 0.0
    return s


def triangle(a, b, steps):
    """Bounds of the inner loop depend on the outer one."""
    n = a.size
    t, s = np.zeros((n, n)), 0.0
    for k in range(steps):
        for i in range(n):
            for j in range(i):
                t[i, j] = a[i] * b[j] + k
        for i in range(1, n):
            for j in range(1, i):
                s += t[i, j] ** 3
        for i in range(n):
            for j in range(i + 1):
                t[i, j] = 0.0
    return s


def downwards(a, b, steps):
    u, s = np.zeros(a.size), 0.0
    for k in range(steps):
        for i in range(a.size - 1, -1, -1):
            u[i] = a[i] * b[i] + k
        for i in range(a.size - 2, 0, -1):
            s += u[i] ** 3
        for i in range(a.size):
            u[i] = -1.0
    return s


def twice_in_a_nest(a, b, steps):
    """The store that counts is the second one to the element."""
    u, s = np.zeros(a.size), 0.0
    for k in range(steps):
        for i in range(a.size):
            u[i] = a[i]
            u[i] = a[i] * b[i] + k
        s += np.sum(u**3)
        u[:] = 0.0
    return s


FREE = [scaled_column, chain_of_three, parts, triangle, downwards, twice_in_a_nest]


# -- what must be stored, since the store is not all that the load may see


def one_element_replaced(a, b, steps):
    u, s = np.zeros(a.size), 0.0
    for k in range(steps):
        u[:] = a * b + k
        u[3] = b[1] * b[2]
        s += np.sum(u**3)
        u[:] = 0.0
    return s


def shifted_sum_between(a, b, steps):
    u, s = np.zeros(a.size), 0.0
    for k in range(steps):
        u[:] = a * b + k
        u[1:] += u[:-1] * a[1:]
        s += np.sum(u**3)
        u[:] = 0.0
    return s


def wider_than_the_store(a, b, steps):
    u, s = a * 1.0, 0.0
    for k in range(steps):
        u[1:-1] = a[1:-1] * b[1:-1] + k
        s += np.sum(u**3)
        u[:] = u * b
    return s


def on_a_condition(a, b, steps):
    u, s = a * 0.5, 0.0
    for k in range(steps):
        for i in range(a.size):
            if a[i] > 0.5:
                u[i] = a[i] * b[i] + k
        s += np.sum(u**3)
        u[:] = u * b
    return s


def until_it_ends(a, b, steps):
    u, s = a * 0.5, 0.0
    for k in range(steps):
        for i in range(a.size):
            if a[i] > 0.8:
                break
            u[i] = a[i] * b[i] + k
        s += np.sum(u**3)
        u[:] = u * b
    return s


def last_of_several(a, b, steps):
    u, s = np.zeros(a.size), 0.0
    for k in range(steps):
        for m in range(3):
            for i in range(a.size):
                u[i] = a[i] * b[m] + k
        s += np.sum(u**3)
        u[:] = 0.0
    return s


def diagonals(a, b, steps):
    """Different iterations store to the same element."""
    u, s = np.zeros(2 * a.size), 0.0
    for k in range(steps):
        for i in range(a.size):
            for j in range(a.size):
                u[i + j] = a[i] * b[j] + k
        s += np.sum(u**3)
        u[:] = 0.0
    return s


def operand_changed_between(a, b, steps):
    u, v, s = np.zeros(a.size), a * 1.0, 0.0
    for k in range(steps):
        u[:] = v * b + k
        v[:] = np.sin(v)
        s += np.sum(u**3 * v)
        u[:] = 0.0
    return s


def operand_changed_in_the_nest(a, b, steps):
    u, v, s = np.zeros(a.size), a * 1.0, 0.0
    for k in range(steps):
        for i in range(a.size):
            u[i] = v[i] * b[i]
            v[i] = np.sin(v[i])
        for i in range(a.size):
            s += u[i] ** 3 * v[i]
            v[i] = v[i] * b[i]
        u[:] = 0.0
    return s


def repeated_subscripts(a, b, steps):
    u, s = np.zeros(a.size), 0.0
    places = np.array([0, 3, 3, 5, 0, 1])
    for k in range(steps):
        u[:] = a + k
        u[places] = a[:6] * b[:6]
        s += np.sum(u**3)
        u[:] = 0.0
    return s


def through_a_view(a, b, steps):
    u, s = np.zeros(a.size), 0.0
    part = u[2:8]
    for k in range(steps):
        u[:] = a * b + k
        part *= b[2:8]
        s += np.sum(u**3)
        part[:] = a[:6]
        s += np.sum(part**2 * u[3:9])
        u[:] = 0.0
    return s


def later_iterations_store(a, b, steps):
    """The load comes in a loop that stores, for later loads, to what is loaded."""
    u, s = np.zeros(a.size), 0.0
    for k in range(steps):
        u[:] = a * b + k
        for i in range(1, a.size):
            s += u[i] ** 3
            if i + 1 < a.size:
                u[i + 1] = u[i] * b[i]
        u[:] = 0.0
    return s


def sweeps_of_a_line(a, b, steps):
    """Elimination and back substitution in place, again and again."""
    d, c, n = a * 1.0, np.zeros(a.size), a.size
    for _ in range(steps):
        c[0] = b[0] / 4.0
        d[0] /= 4.0
        for i in range(1, n):
            pivot = 4.0 - b[i] * c[i - 1]
            c[i] = b[i] / pivot
            d[i] = (d[i] - b[i] * d[i - 1]) / pivot
        for i in range(n - 2, -1, -1):
            d[i] -= c[i] * d[i + 1]
    return np.sum(d**2 * a)


def columns_of_sweeps(a, b, steps):
    """Implicit vertical advection in small: columns of many lines, whose pivots are made of what is scaled in place."""
    n = a.size
    c, d, x = np.zeros((n, steps)), np.zeros((n, steps)), np.zeros(n)
    out = np.zeros((n, steps))
    for k in range(1, steps):
        lower = -0.25 * a * (k + 1)
        c[:, k] = 0.25 * b * k
        pivot = 6.0 - lower - c[:, k]
        d[:, k] = a * np.cos(b + k) + b
        scale = 1.0 / (pivot - c[:, k - 1] * lower)
        c[:, k] = c[:, k] * scale
        d[:, k] = (d[:, k] - d[:, k - 1] * lower) * scale
    for k in range(steps - 1, -1, -1):
        now = d[:, k] - c[:, k] * x
        x[:] = now
        out[:, k] = 2.0 * (now - a)
    return np.sum(out**2)


OTHERS = [
    one_element_replaced,
    shifted_sum_between,
    wider_than_the_store,
    on_a_condition,
    until_it_ends,
    last_of_several,
    diagonals,
    operand_changed_between,
    operand_changed_in_the_nest,
    repeated_subscripts,
    through_a_view,
    later_iterations_store,
    sweeps_of_a_line,
    columns_of_sweeps,
]


@pytest.mark.parametrize("f", FREE + OTHERS)
@pytest.mark.parametrize("steps", [0, 4])
def test_derivatives(f: Callable[..., Any], steps: int) -> None:
    assert_derivatives(f, RNG.random(N), RNG.random(N), steps, wrt=("a", "b"))


@pytest.mark.parametrize(
    "f", [scaled_column, triangle, operand_changed_in_the_nest, sweeps_of_a_line, columns_of_sweeps]
)
def test_second_order(f: Callable[..., Any]) -> None:
    def of_both(x):
        return f(x[:N] * 1.0, x[N:] * 1.0, 3)

    assert_second_order(of_both, RNG.random(2 * N))


@pytest.mark.parametrize("f", FREE)
def test_nothing_is_stored(f: Callable[..., Any]) -> None:
    assert wg.explain(f, RNG.random(N), RNG.random(N), 9).tape_bytes <= 8 * 9


def test_one_state_per_sweep() -> None:
    """The right-hand side has a recurrence, and so has the solution: one vector per level of either."""
    assert wg.explain(columns_of_sweeps, RNG.random(N), RNG.random(N), 9).tape_bytes <= 8 * N * 9


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_short_loops(n: int) -> None:
    for f in (scaled_column, chain_of_three, triangle, downwards):
        assert wg.check(f, RNG.random(n), RNG.random(n), 3)


def test_values_are_the_same_where_they_are_not_finite() -> None:
    a = np.array([0.0, np.inf, 1.0, -1.0])
    b = np.array([1.0, 0.0, np.nan, 2.0])
    together = wg.grad(scaled_column, wrt=(0, 1))(a, b, 3)
    for k in range(a.size):
        alone = wg.grad(scaled_column, wrt=(0, 1))(a[k : k + 1], b[k : k + 1], 3)
        for x, y in zip(together, alone, strict=True):
            np.testing.assert_allclose(x[k], y[0], rtol=1e-13)
