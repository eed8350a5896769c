"""Generators: what loops over them, what they yield and change afterwards, how they end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives

X = np.random.default_rng(3).normal(size=10)


def diffusion(u: Any, n: int, dt: float) -> Iterator[Any]:
    """Yields the same array at every step, changed in place."""
    for _ in range(n):
        u[1:-1] += dt * (u[2:] - 2 * u[1:-1] + u[:-2])
        yield u


def recurrence(a: Any, b: Any) -> Iterator[Any]:
    while True:
        yield a
        a, b = b, a * 0.5 + b


def positive(x: Any) -> Iterator[Any]:
    for i in range(len(x)):
        if x[i] > 0:
            yield x[i] * 2


def differences(x: Any) -> Iterator[Any]:
    for i in range(len(x)):
        for j in range(i):
            yield i, j, x[i] - x[j]


class Tree:
    def __init__(self, value: Any, *children: Any) -> None:
        self.value, self.children = value, children

    def __iter__(self) -> Iterator[Any]:
        yield self.value
        for child in self.children:
            yield from child


def states_changed_in_place(x: Any) -> Any:
    total = 0.0
    for u in diffusion(x.copy(), 5, 0.1):
        total += (u**2).sum()
    return total


def sum_of_one_array(x: Any) -> Any:
    return (sum(diffusion(x.copy(), 4, 0.1)) ** 2).sum()


def weighted_states(x: Any) -> Any:
    return sum((u**2).sum() * w for w, u in zip([1.0, 2.0, 3.0], diffusion(x.copy(), 10, 0.1), strict=False))


def without_an_end(x: Any) -> Any:
    total = 0.0
    for k, v in enumerate(recurrence(x[0], x[1])):
        if k >= 7:
            break
        if k == 2:
            continue
        total += v * k
    return total


def a_slice(x: Any) -> Any:
    return sum(itertools.islice(recurrence(x[0], x[1]), 2, 6))


def newton(a: Any) -> Iterator[Any]:
    x = a
    while True:
        new = 0.5 * (x + a / x)
        yield new, abs(new - x)
        x = new


def left_by_return(x: Any) -> Any:
    for root, error in newton(x[0] * x[0] + 2):
        if error < 1e-12:
            return root * x[1]
    return 0.0


def last_values(x: Any) -> Any:
    last = x
    for u in diffusion(x.copy(), 6, 0.1):
        last = u
        total = u.sum()
    return last[2] * 3 + total


def tree(x: Any) -> Any:
    t = Tree(x[0], Tree(x[1] * 2, Tree(x[2])), Tree(x[3]))
    return sum(v**2 for v in t) + max(t) + np.prod(list(t))


def of_unknown_length(x: Any) -> Any:
    total = 1.0
    for p in positive(x):
        total *= 1 + p
    return total + sum(positive(x)) + len(list(positive(x)))


def first_of(x: Any) -> Any:
    return next(recurrence(x[0], x[1])) * 2 + next(positive(x))


def while_small(x: Any) -> Any:
    values = recurrence(abs(x[0]) + 0.1, abs(x[1]) + 0.1)
    return sum(v * v for v in itertools.takewhile(lambda v: v < 3.0, values))


def pairs_with_continue(x: Any) -> Any:
    f = np.zeros_like(x)
    for i, j, d in differences(x):
        if abs(d) > 1.5:
            continue
        f[i] += d**3
        f[j] -= d
    return (f**2).sum()


def ended(x: Any) -> Any:
    values = diffusion(x.copy(), 3, 0.1)
    first = sum(u.sum() for u in values)
    return first * 2 + sum(u.sum() for u in values)


PROGRAMS: list[Callable[..., Any]] = [
    states_changed_in_place, sum_of_one_array, weighted_states, without_an_end, a_slice, left_by_return, last_values,
    tree, of_unknown_length, first_of, while_small, pairs_with_continue, ended,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_programs(program: Callable[..., Any]) -> None:
    assert_derivatives(program, X.copy())


def taken_twice(x: Any) -> Any:
    values = recurrence(x[0], x[1])
    return next(values) + next(values)


def kept_while_changed(x: Any) -> Any:
    return sum(u.sum() for u in list(diffusion(x.copy(), 3, 0.1)))


@pytest.mark.parametrize(("program", "reason"), [
    (taken_twice, "used again after a part of it was taken"),
    (kept_while_changed, "after it was put into a growing list"),
])  # fmt: skip
def test_refusals(program: Callable[..., Any], reason: str) -> None:
    with pytest.raises(wg.Unsupported, match=reason):
        wg.compile(program)(X.copy())
