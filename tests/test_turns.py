"""Loops of unknown length: later calls are planned with the turns that an earlier one had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.analysis.cost import Profile, predict
from wengert.memory import AGAIN, Limited, settled, sizes_of
from wengert.plan_search import UNKNOWN_TURNS
from wengert.programs import program_of
from wengert.runtime.call import Kernel

N = 2000


def decay(x, least):
    while np.max(x) > least:
        x[:] = x - 0.05 * np.sin(x)
    return np.sum(x * x)


def stops_early(x, least):
    for _ in range(5000):
        if np.max(x) < least:
            break
        x[:] = x - 0.05 * np.sin(x)
    return np.sum(x * x)


def turns_of(x: Any, least: float) -> int:
    x, n = x.copy(), 0
    while np.max(x) > least:
        x[:] = x - 0.05 * np.sin(x)
        n += 1
    return n


def limited_of(f: Any) -> Limited:
    (found,) = [v for k, vs in program_of(f).variants.items() if "limited" in k for v in vs]
    return found.kernel


X = np.linspace(0.1, 1.0, N)


@pytest.mark.parametrize("f", [decay, stops_early])
@pytest.mark.parametrize("least", [0.9, 0.5, 0.02])
def test_turns_are_counted_and_gradients_stay(f: Any, least: float) -> None:
    expected = wg.grad(f)(X, least)
    g = wg.grad(f, memory_limit="300 kB")
    for _ in range(3):
        assert np.array_equal(g(X, least), expected)
        assert g.memory is not None and g.memory.peak <= 300_000
    (turns,) = limited_of(f)._turns.values()
    ((_, n),) = turns
    assert n - turns_of(X, least) in (0, 1)  # the turn that breaks


def test_the_second_call_is_planned_with_them() -> None:
    def program(x, least):
        while np.max(x) > least:
            x[:] = x - 0.05 * np.sin(x)
        return np.sum(x * x)

    g = wg.grad(program, memory_limit="600 kB")
    g(X, 0.5)
    limited = limited_of(program)
    n = turns_of(X, 0.5)
    assert UNKNOWN_TURNS / n > 100
    plans: list[Any] = []
    search = limited.planner.plan

    def planned(*args: Any) -> Any:
        plans.append(args)
        return search(*args)

    limited.planner.plan = planned  # type: ignore[method-assign]
    for _ in range(3):
        g(X, 0.5)
    assert len(plans) <= 1, "once, or found on disk"
    limited.planner.plan = search  # type: ignore[method-assign]
    (plan,) = limited._plans.values()
    assert (plan.turns,) == tuple(limited._turns.values())
    ((_, counted),) = plan.turns
    assert counted - n in (0, 1)
    sizes = {"x_n0": N}
    few, many = (
        limited.planner.seconds(limited.planner.plan(sizes, 500_000, turns=turns), sizes) for turns in (plan.turns, ())
    )
    assert few < many / 5


def test_a_call_is_not_planned_anew_for_ever() -> None:
    def program(x, least):
        while np.max(x) > least:
            x[:] = x - 0.05 * np.sin(x)
        return np.sum(x * x)

    g = wg.grad(program, memory_limit="600 kB")
    count = 0
    for k in range(12):
        least = (0.9, 0.01)[k % 2]
        assert np.array_equal(g(X, least), wg.grad(program)(X, least))
        if k == 0:
            limited = limited_of(program)
            search = limited._planned

            def planned(*args: Any) -> Any:
                nonlocal count
                count += 1
                return search(*args)

            limited._planned = planned  # type: ignore[method-assign]
    assert 1 <= count <= AGAIN


def test_what_is_counted_is_predicted_in_both_sweeps() -> None:
    wg.grad(decay, memory_limit="1 MB")(X, 0.5)
    limited = limited_of(decay)
    module, binds = settled(*limited.planner.code(()))
    ((_, var),) = limited.planner.uncertain()
    sizes = {n: float(x) for n, x in sizes_of(module, binds, (X, 0.5, np.ones(()))).items()}

    def seconds(n: float) -> float:
        return predict(module, sizes, profile=Profile({(module.entry, var): n})).seconds

    assert 8 < (seconds(10_000.0) - seconds(0.0)) / (seconds(1000.0) - seconds(0.0)) < 12
    kernel = Kernel(module, binds, counted=[var])
    kernel((X.copy(), 0.5, np.ones(())))
    assert kernel.turns(0) - turns_of(X, 0.5) in (0, 1)
