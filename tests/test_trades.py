"""The integer program over single values: the best by brute force, with a replay of its own; large ones in time."""

from __future__ import annotations

import itertools
import math
import random
import resource
import time

import pytest

from wengert import trades
from wengert.solver import highs
from wengert.trades import Trades, Value, programmed


def random_trades(seed: int, most: int = 7) -> Trades:
    """Arrays made at points 0, 1 ..., used again mostly in the opposite order; some for others only."""
    rng = random.Random(seed)
    n = rng.randint(2, most)
    points = n + rng.randint(n, 2 * n)
    firsts = sorted(rng.sample(range(n, points), n), reverse=True)
    values: list[Value] = []
    for k in range(n):
        operands = tuple(sorted(rng.sample(range(k), min(k, rng.choice([0, 1, 1, 2])))))
        early, size = min(n - 1, k + rng.randint(0, 2)), rng.randint(1, 9) * 64
        seconds = float(rng.randint(1, 20)) if rng.random() < 0.9 else math.inf
        if rng.random() < 0.25:
            values.append(Value(f"v{k}", size, seconds, operands, early, None, None, size, rng.choice([0, 0, 128])))
            continue
        first = min(max(firsts[k] + (rng.randint(-2, 2) if rng.random() < 0.3 else 0), n), points - 1)
        last = min(points - 1, first + rng.choice([0, 0, 1, 2]))
        held = 0 if first == last and rng.random() < 0.3 else size
        values.append(Value(f"v{k}", size, seconds, operands, early, first, last, held, rng.choice([0, 0, 64, 256])))
    alive = [
        sum(v.size for k, v in enumerate(values) if k <= p <= (v.early if v.last is None else v.last))
        for p in range(points)
    ]
    return Trades(tuple(values), tuple(rng.randint(0, 5) * 64 + x for x in alive))


def followed(problem: Trades, stored: tuple[bool, ...]) -> tuple[float, float]:
    """Peak and seconds, point by point: what is there, and why."""
    values = problem.values
    made: dict[int, int] = {}

    def need(u: int, at: int) -> None:
        if not stored[u] and made.get(u, math.inf) > at:
            made[u] = at
            for w in values[u].operands:
                need(w, at)

    for u, v in enumerate(values):
        if v.first is not None:
            need(u, v.first)
    if any(math.isinf(values[u].seconds) for u in made):
        return math.inf, math.inf
    events = [-1, *sorted({v.first for v in values if v.first is not None})]
    peak = 0.0
    for p, most in enumerate(problem.most):
        here = float(most)
        for u, v in enumerate(values):
            needed = max((at for w, at in made.items() if u in values[w].operands), default=-1)
            if v.first is not None and v.last is not None:
                usual = p <= v.last
                at = made.get(u)
                there = p <= v.early or p >= (0 if at is None else at)
                there = there and (usual or p <= needed)
                size = v.held if at == v.first and v.first <= p <= v.last else v.size
                here += (size if there else 0) - (v.size if usual else 0)
            elif p > v.early:
                start = v.early if u not in made else events[events.index(made[u]) - 1]
                here += v.size if start < p <= needed and (stored[u] or u in made) else 0
        here += max((values[u].extra for u, at in made.items() if at == p), default=0)
        peak = max(peak, here)
    return peak, sum(values[u].seconds for u in made)


@pytest.mark.parametrize("part", range(6))
def test_the_choice_is_the_best_there_is(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trades, "solve", highs)  # in this process: many small ones
    for seed in range(25 * part, 25 * part + 25):
        problem = random_trades(seed)
        every = list(itertools.product((False, True), repeat=len(problem.values)))
        found = {stored: followed(problem, stored) for stored in every}
        for stored, (peak, seconds) in found.items():
            if not math.isinf(seconds):
                assert problem.of(stored) == (peak, seconds), (seed, stored)
            else:
                assert math.isinf(problem.of(stored)[1])
        possible = [x for x in found.values() if not math.isinf(x[1])]
        low, high = min(p for p, _ in possible), max(p for p, _ in possible)
        assert problem.of(problem.least)[0] == low >= problem.floor
        least = programmed(problem, None)
        assert least is not None and problem.of(least)[0] == low, seed
        for room in (low - 1, low, low + 64, (low + high) / 2, high):
            best = min((s for p, s in possible if p <= room), default=None)
            for solve in (lambda room, t=problem: programmed(t, room), problem.best):
                chosen = solve(room)
                assert (None if chosen is None else problem.of(chosen)[1]) == best, (seed, room)
                assert chosen is None or problem.of(chosen)[0] <= room


def chain(n: int, seed: int = 0) -> Trades:
    rng = random.Random(seed)
    values = [
        Value(
            f"v{k}",
            64 * rng.randint(20, 200),
            1e-6 * rng.randint(1, 20),
            (k - 1,) if k else (),
            2 * min(k + 1, n - 1) + 1,
            2 * (2 * n - 1 - k),
            2 * (2 * n - 1 - k) + 1,
            0,
        )
        for k in range(n)
    ]
    most = [sum(v.size for k, v in enumerate(values) if k <= p // 2 and p <= (v.last or 0)) for p in range(4 * n)]
    return Trades(tuple(values), tuple(most))


def test_more_than_are_enumerated_are_as_good_as_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trades, "solve", highs)
    problem = chain(14)
    few = [problem.best(room) for room in (0.3 * max(problem.most), 0.6 * max(problem.most))]
    monkeypatch.setattr(trades, "FEW", 3)
    other = chain(14)
    many = [other.best(room) for room in (0.3 * max(other.most), 0.6 * max(other.most))]
    for a, b in zip(few, many, strict=True):
        assert a is not None and b is not None
        assert problem.of(a)[1] == pytest.approx(problem.of(b)[1])


def test_without_a_solver_a_plan_is_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trades, "solve", lambda program, seconds: None)
    problem = chain(60)
    room = 0.4 * max(problem.most)
    found = problem.best(room)
    assert found is not None and problem.of(found)[0] <= room and not all(found)


def processor() -> float:
    """Seconds of the processor, of this process and of those that it has started: others may be busy."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def test_a_thousand_values_in_time() -> None:
    problem = chain(1000)
    start = processor()
    room = 0.3 * max(problem.most)
    found = problem.best(room)
    assert processor() - start < 30
    assert found is not None and problem.of(found)[0] <= room
