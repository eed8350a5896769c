"""Arrays made again, on programs that were not written for it: what reverse mode computes stays the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from corpus.cases import CASES
from wengert.backend.c.footprint import Unbounded
from wengert.memory import sizes_of
from wengert.programs import ArgumentError, private
from wengert.trading import Remade


@pytest.mark.parametrize(("function", "args"), CASES)
def test_the_same_results(function: Any, args: tuple[Any, ...]) -> None:
    try:
        _, pullback = wg.vjp(function, *args, memory_limit="1 GB")
    except ArgumentError:
        pytest.skip("nothing is returned")  # it only changes its arguments: there is no result to pull back
    private_ = vars(pullback)
    limited, shapes = private_["_reverse"], private_["_shapes"]
    rng = np.random.default_rng(0)
    seeds = [np.asarray(rng.standard_normal(r.shape), r.dtype) for r in shapes.values()]

    def given() -> tuple[Any, ...]:
        return (*private(private_["_staged"], private_["_leaves"]), *seeds)

    planner = limited.planner
    sizes = sizes_of(*planner.code(()), given())
    try:
        problem = planner.trades((), sizes)
    except Unbounded:
        pytest.skip("the memory is not bounded")  # recursion, lists: such plans are refused, see docs/memory.md
    selections = [problem.least] if problem.values else []
    selections += [tuple(bool(x) for x in rng.random(len(problem.values)) < 0.4) for _ in range(2)]
    expected, _ = limited.kernel(()).limited(given(), 2**40)
    for stored in selections:
        remade = Remade.of(problem, stored)
        if not remade or not np.isfinite(problem.of(stored)[1]):
            continue
        predicted = planner.footprint((), sizes, remade).peak
        results, peak = limited.kernel((), remade).limited(given(), predicted)
        assert peak <= predicted
        for x, y in zip(results, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-12 * (1 + np.abs(y).max(initial=0)))
