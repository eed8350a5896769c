"""itertools over run-time data: values as Python's, derivatives."""

from __future__ import annotations

import itertools
from itertools import accumulate, combinations, islice, pairwise, permutations, starmap, zip_longest

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives


def running(v):
    total = 0.0
    for k, s in enumerate(accumulate(v)):
        total += (k + 1) * s * s
    products = list(accumulate([v[0], v[1], v[2]], lambda a, b: a * b, initial=2.0))
    return total, products[3] * products[1]


def pairs(v):
    total = 0.0
    for a, b in combinations(v[:4], 2):
        total += a * b * b
    for a, b in permutations(v[:4], 2):
        total += a / (2 + b * b)
    for p in permutations([v[0], v[1], v[2]]):
        total += p[0] * p[1] ** 2
    for a, b in itertools.combinations_with_replacement([v[0], v[1]], 2):
        total += a * b
    return total


def neighbours(v):
    total = 0.0
    for a, b in pairwise(v):
        total += a * b
    for a, b in pairwise([v[0], v[3], v[1]]):
        total += a * b * b
    return total


def parts(v):
    total = 0.0
    for a in islice(v, 2, 9, 2):
        total += a * a
    for a in islice(v, 3):
        total += a**3
    for a in islice(v, 5, None):
        total += np.sin(a)
    for k, a in enumerate(islice(v, 40)):
        total += k * a
    return total


def together(v, w):
    total = 0.0
    for a, b in zip_longest(v, w[:5], fillvalue=2.0):
        total += a * b
    for s in starmap(lambda x, y: x * y, [(v[0], w[0]), (v[1], w[2])]):
        total += s * s
    for a in itertools.chain.from_iterable([v[:2], w[:3]]):
        total += a * a
    return total


V = np.linspace(-1.2, 1.7, 12)


@pytest.mark.parametrize(
    ("f", "args"), [(running, (V,)), (pairs, (V,)), (neighbours, (V,)), (parts, (V,)), (together, (V, V[::-1] ** 2))]
)
def test_values_and_derivatives(f, args) -> None:
    assert_derivatives(f, *args, seeds=(0,))


def test_short_sequences() -> None:
    for n in (0, 1, 2, 3):
        np.testing.assert_allclose(wg.compile(neighbours_of)(V[:n]), neighbours_of(V[:n]))


def neighbours_of(v):
    total = 0.0
    for a, b in pairwise(v):
        total += a * b
    for a in islice(v, 1, 7, 2):
        total += a * a
    return total


def read_on(v):
    it = iter([v[0], v[1], v[2]])
    return sum(islice(it, 1)) + next(it)


def test_iterators_are_read_on() -> None:
    assert wg.compile(read_on)(V) == V[0] + V[1]
