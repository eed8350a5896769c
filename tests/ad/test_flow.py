"""Minimum cuts against SciPy's maximum flows and against all cuts there are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.csgraph import maximum_flow

from wengert.ad.reverse.planners.flow import source_side


def capacity(arcs, side):
    return sum(c for tail, head, c in arcs if tail in side and head not in side)


def graph(rng, count, size, most):
    """Arcs between random vertices, some of them twice, some without capacity, some back to where they start."""
    return [
        (int(t), int(h), int(c))
        for t, h, c in zip(
            rng.integers(count, size=size), rng.integers(count, size=size), rng.integers(most, size=size)
        )
    ]


@pytest.mark.parametrize("seed", range(60))
def test_of_all_cuts_it_is_the_least_and_of_these_the_smallest(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 8))
    arcs = graph(rng, count, int(rng.integers(0, 20)), 5)
    others = range(2, count)
    sides = [{0, *chosen} for n in range(count - 1) for chosen in combinations(others, n)]
    least = min(capacity(arcs, side) for side in sides)
    smallest = set.intersection(*(side for side in sides if capacity(arcs, side) == least))
    assert source_side(count, arcs, 0, 1) == smallest


@pytest.mark.parametrize("seed", range(10))
def test_large_graphs_are_cut_as_the_flow_of_scipy_says(seed):
    rng = np.random.default_rng(seed)
    count = 400
    arcs = graph(rng, count, 2500, 1000)
    tails, heads, capacities = np.array(arcs).T
    matrix = scipy.sparse.csr_array((capacities.astype(np.int32), (tails, heads)), shape=(count, count))
    side = source_side(count, arcs, 3, 7)
    assert 3 in side and 7 not in side
    assert capacity(arcs, side) == maximum_flow(matrix, 3, 7).flow_value


def test_long_chains():
    count = 20_000
    arcs = [(k, k + 1, 5 if k != 12_345 else 2) for k in range(count - 1)]
    assert source_side(count, arcs, 0, count - 1) == set(range(12_346))
