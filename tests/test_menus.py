"""The integer program over menus: best by brute force, within the room; a fallback when the solver does not answer."""

from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest

import wengert as wg
from wengert import menus, solver
from wengert.menus import Item, Menu, Menus, choose, enumerated, pareto, programmed, replay
from wengert.solver import Program, highs


def random_menus(seed: int) -> Menus:
    rng = random.Random(seed)
    arounds: list[frozenset[int]] = []
    for i in range(rng.randint(1, 4)):
        outer = rng.choice([-1, *range(i)])
        arounds.append(frozenset() if outer < 0 else arounds[outer] | {outer})
    made = [
        Menu(
            around,
            tuple(
                Item(rng.randint(0, 9) * 8, rng.randint(0, 9) * 8, float(rng.randint(1, 99)), rng.randint(1, 9), 1)
                for _ in range(rng.randint(1, 5))
            ),
        )
        for around in arounds
    ]
    return Menus(tuple(made), rng.randint(4, 25) * 8)


@pytest.mark.parametrize("part", range(5))
def test_the_choice_is_the_best_there_is(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menus, "solve", highs)  # in this process: many small ones
    for seed in range(40 * part, 40 * part + 40):
        problem = random_menus(seed)
        best = None
        for chosen in itertools.product(*(range(len(m.items)) for m in problem.menus)):
            taken = replay(problem, chosen)
            if taken.peak <= problem.room and (best is None or taken.seconds < best):
                best = taken.seconds
        for solve in (choose, enumerated, programmed):
            found = solve(problem)
            if best is None:
                assert found is None
            else:
                assert found is not None
                assert replay(problem, found).seconds == pytest.approx(best, rel=1e-6)
                assert replay(problem, found).peak <= problem.room


def test_what_is_worse_in_everything_is_left_out() -> None:
    rng = random.Random(5)
    items = [Item(rng.randint(0, 30), rng.randint(0, 30), rng.random(), 1, 1) for _ in range(200)]
    kept = pareto(items)
    for x in items:
        assert any(y.resident <= x.resident and y.transient <= x.transient and y.seconds <= x.seconds for y in kept)
    assert len(kept) < 100


def test_a_thousand_decisions_and_a_process_of_its_own() -> None:
    rng = np.random.default_rng(0)
    made = tuple(
        Menu(
            frozenset(),
            tuple(Item(int(r), int(t), float(1e6 / (1 + r + t)), 1, 1) for r, t in rng.integers(0, 999, (25, 2))),
        )
        for _ in range(40)
    )
    problem = Menus(made, 12_000)
    start = time.process_time()
    found = choose(problem)
    assert found is not None
    assert replay(problem, found).peak <= problem.room
    assert time.process_time() - start < 30


def test_a_solver_that_does_not_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver.sys, "executable", "/bin/false")
    monkeypatch.setattr(menus, "SELECTIONS", 0)
    assert solver.solve(Program([1.0], [[(0, 1.0)]], [1.0], [1.0]), 1.0) is None

    def two(x, n):
        for _ in range(n):
            x = np.sin(x)
        for _ in range(n):
            x = np.cos(x) * x
        return np.sum(x)

    x = np.linspace(0.1, 1, 40)
    g = wg.grad(two, memory_limit=9000)
    np.testing.assert_allclose(g(x, 30), wg.grad(two)(x, 30), rtol=1e-12)
    assert g.memory.peak <= 9000
    assert len(g.memory.loops) >= 1
