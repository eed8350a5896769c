"""Single arrays of straight-line programs, stored or made again within limits: the answer stays the same to the last
bits, the peak stays below and is what was predicted, time falls with room."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import wengert as wg
from programs_of_values import PROGRAMS, arguments
from wengert.backend.c.footprint import footprint
from wengert.ir.interpret import Interpreter
from wengert.memory import Limited, MemoryLimitError, sizes_of
from wengert.trading import Remade


def leaves(tree: Any) -> list[np.ndarray]:
    return [x for t in tree for x in leaves(t)] if isinstance(tree, (list, tuple)) else [np.asarray(tree)]


def least(make: Any, *args: Any) -> int:
    with pytest.raises(MemoryLimitError) as refused:
        make(1)(*args)
    assert refused.value.least is not None
    return refused.value.least


def limited_of(gradient: Any, args: tuple[Any, ...]) -> tuple[Limited, tuple[Any, ...]]:
    """What stands behind a gradient with a limit, and its leaves."""
    found = [v for kind, vs in gradient.program.variants.items() if "limited" in kind for v in vs]
    fetched = found[0].fetch(gradient.fn, args, {})
    assert fetched is not None
    return found[0].kernel, (*fetched, *found[0].plan.seeds)


@pytest.mark.parametrize("name", PROGRAMS)
def test_twenty_limits(name: str) -> None:
    f, (args, wrt) = PROGRAMS[name], arguments(name)
    expected = leaves(wg.grad(f, wrt=wrt)(*args))
    low = least(lambda limit: wg.grad(f, wrt=wrt, memory_limit=limit), *args)
    free = wg.grad(f, wrt=wrt, memory_limit="1 GB")
    free(*args)
    assert free.memory is not None
    high, before, steps = free.memory.peak, np.inf, set[Any]()
    for limit in np.linspace(low, high, 20).astype(int):
        gradient = wg.grad(f, wrt=wrt, memory_limit=int(limit))
        for _ in range(2):
            for x, y in zip(leaves(gradient(*args)), expected, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12 * np.abs(y).max())
        memory = gradient.memory
        assert memory is not None
        assert memory.peak <= memory.predicted <= limit
        kernel, given = limited_of(gradient, args)
        seconds = kernel.plan(given, int(limit), memory.outside).seconds
        assert seconds <= before + 1e-12
        before = seconds
        steps.add((memory.again, memory.loops))
    assert len(steps) > 2 or low == high, "the choice must depend on the limit"
    assert memory.again == () == memory.loops, "with enough room, all is stored"
    other = [2.0 * a + 0.01 if isinstance(a, np.ndarray) else a for a in args]
    gradient = wg.grad(f, wrt=wrt, memory_limit=low)
    for x, y in zip(leaves(gradient(*other)), leaves(wg.grad(f, wrt=wrt)(*other)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12 * np.abs(y).max())
    with pytest.raises(MemoryLimitError):
        wg.grad(f, wrt=wrt, memory_limit=low - 64)(*args)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_choice_computes_the_same(name: str) -> None:
    """Some of all combinations, good ones or not; no more is allocated than the footprint says."""
    f, (args, wrt) = PROGRAMS[name], arguments(name)
    gradient = wg.grad(f, wrt=wrt, memory_limit="1 GB")
    gradient(*args)
    kernel, given = limited_of(gradient, args)
    module, binds = kernel.planner.code(())
    sizes = sizes_of(module, binds, given)
    problem = kernel.planner.trades((), sizes)
    assert len(problem.values) > 2
    plain = kernel.kernel(())
    expected, _ = plain.limited(given, 2**40)
    rng = np.random.default_rng(0)
    every = list(itertools.product((False, True), repeat=min(len(problem.values), 10)))
    chosen = [every[k] for k in rng.permutation(len(every))[:12]]
    for part in chosen:
        stored = (*part, *(bool(x) for x in rng.integers(0, 2, len(problem.values) - len(part))))
        if not np.isfinite(problem.of(stored)[1]):
            continue
        remade = Remade.of(problem, stored)
        made, _ = kernel.planner.code((), remade)
        found = footprint(made, sizes).peak
        results, counted = kernel.kernel((), remade).limited(given, found)
        assert counted <= found
        for x, y in zip(results, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12 * (1 + np.abs(y).max(initial=0)))


def test_the_code_runs_in_the_interpreter() -> None:
    f, (args, _) = PROGRAMS["stages"], arguments("stages")
    gradient = wg.grad(f, memory_limit="1 GB")
    expected = gradient(*args)
    kernel, given = limited_of(gradient, args)
    problem = kernel.planner.trades((), sizes_of(*kernel.planner.code(()), given))
    module, _ = kernel.planner.code((), Remade.of(problem, problem.least))
    n = args[0].size
    np.testing.assert_allclose(Interpreter(module)((n, args[0].copy(), np.ones(())))[-1], expected, rtol=1e-12)


def test_forward_over_reverse_within_limits() -> None:
    f, (args, _) = PROGRAMS["stages"], arguments("stages")
    v = np.cos(np.arange(args[0].size))
    expected = wg.hvp(f)(*args, v)
    low = least(lambda limit: wg.hvp(f, memory_limit=limit), *args, v)
    free = wg.hvp(f, memory_limit="1 GB")
    free(*args, v)
    assert free.memory is not None and low < free.memory.peak
    for limit in np.linspace(low, free.memory.peak, 6).astype(int):
        product = wg.hvp(f, memory_limit=int(limit))
        np.testing.assert_allclose(product(*args, v), expected, rtol=1e-11, atol=1e-12)
        assert product.memory is not None and product.memory.peak <= limit


def test_a_pullback_within_limits() -> None:
    def f(x, weights, biases):
        for w, b in zip(weights, biases, strict=True):
            x = np.tanh(x @ w + b)
        return x

    args, _ = arguments("perceptron")
    seed = np.cos(np.arange(160.0 * 24)).reshape(160, 24)
    expected = wg.vjp(f, *args, wrt=1)[1](seed)
    _, pullback = wg.vjp(f, *args, wrt=1, memory_limit="1 GB")
    pullback(seed)
    assert pullback.memory is not None
    most = pullback.memory.peak
    with pytest.raises(MemoryLimitError) as refused:
        wg.vjp(f, *args, wrt=1, memory_limit=1)[1](seed)
    assert refused.value.least is not None and refused.value.least < most
    _, pullback = wg.vjp(f, *args, wrt=1, memory_limit=refused.value.least)
    for x, y in zip(leaves(pullback(seed)), leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)
    assert pullback.memory is not None and pullback.memory.again
