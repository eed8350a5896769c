"""`wg.explain`: the bytes it says are the bytes that tapes take."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.explanation import explain_all, size_text


def stencil(u, n):
    for _ in range(n):
        old = u.copy()
        u[1:-1] = old[1:-1] * np.sin(old[2:] - old[:-2])
    return np.sum(u * u)


def unknown_trips(x, limit):
    total = 0.0
    while total < limit:
        x = np.tanh(x) * 1.5 + 0.1
        total += np.sum(x * x)
    return total


def helper(x, k):
    return np.sum(np.exp(x * k) * x)


def several_calls(x):
    y = x
    for k in range(4):
        y = y * helper(y * 0.1, k)
    return np.sum(y)


def in_place(a, n):
    for k in range(n):
        a *= np.cos(a + k)


def test_one_state_per_step() -> None:
    found = wg.explain(stencil, np.linspace(0.1, 1, 50), 7)
    stored = [v for v in found.values if v.how == "stored"]
    assert [(v.name, v.kind, v.bytes) for v in stored] == [("old", "array", 8 * 50 * 7)]
    assert stored[0].source.strip() == "old = u.copy()"
    assert found.tape_bytes == 8 * 50 * 7
    assert found.argument_bytes == 8 * 50
    assert found.tape_bytes < found.peak_bytes < found.tape_bytes + 20 * 8 * 50


def test_sizes_follow_the_call() -> None:
    sizes = [wg.explain(stencil, np.linspace(0.1, 1, n), 5).tape_bytes for n in (10, 20, 40)]
    assert sizes == [8 * n * 5 for n in (10, 20, 40)]


def test_stacks_are_counted_after_the_forward_sweep() -> None:
    found = wg.explain(unknown_trips, np.full(30, 0.3), 80.0)
    turns, x, total = 0, np.full(30, 0.3), 0.0
    while total < 80.0:
        x = np.tanh(x) * 1.5 + 0.1
        total += np.sum(x * x)
        turns += 1
    assert 8 * 30 * turns <= found.tape_bytes <= 4 * 8 * 30 * turns
    assert found.tape_bytes <= found.peak_bytes


def test_large_stacks_hardly_exceed_what_they_hold() -> None:
    found = wg.explain(unknown_trips, np.full(3000, 0.3), 2e6)
    assert found.tape_bytes > 4_000_000
    assert found.peak_bytes <= 1.2 * found.tape_bytes


def test_called_functions_share_stacks() -> None:
    found = wg.explain(several_calls, np.linspace(0.1, 0.5, 20))
    assert found.tape_bytes >= found.shared_bytes >= 0
    assert "several_calls" in str(found)


def test_mutated_arguments_are_outputs() -> None:
    found = explain_all(in_place, (np.linspace(0.1, 1, 20), 6))
    assert found.tape_bytes >= 8 * 20 * 6


def test_nothing_to_differentiate() -> None:
    with pytest.raises(wg.WengertError, match="no argument holds floats"):
        wg.explain(stencil, np.arange(5), 3)


def test_sizes_for_people() -> None:
    assert [size_text(n) for n in (0, 999, 1000, 1234567, 5 * 10**9)] == ["0 B", "999 B", "1 kB", "1.23 MB", "5 GB"]


def test_what_a_limit_does_is_said() -> None:
    found = wg.explain(stencil, np.linspace(0.1, 1, 50), 60, memory_limit="12 kB")
    assert found.limit == 12_000
    assert found.predicted is not None and found.predicted <= found.limit
    assert abs(found.peak_bytes - found.predicted) <= 0.05 * found.predicted
    (loop,) = found.again
    assert loop.source.startswith("for _ in range(n)")
    assert (loop.turns, loop.runs is not None) == (60, True)
    text = "\n".join([*found.lines(), *found.memory_lines()])
    assert "runs again" in text and "limit 12 kB" in text and "#" in text
    assert sum(p.bytes for p in found.present) <= found.predicted
    assert max(m.most for m in found.timeline) == found.predicted
    page = found.html()
    assert "old = u.copy()" in page and "runs again" in page and "class=&#x27;" not in page


def test_the_predicted_peak_is_the_counted_one() -> None:
    for f, args in ((stencil, (np.linspace(0.1, 1, 5000), 20)), (in_place, (np.linspace(0.1, 1, 4000), 9))):
        found = explain_all(f, args)
        assert found.predicted is not None
        assert abs(found.predicted - found.peak_bytes) <= 0.05 * found.peak_bytes


def test_single_arrays_and_what_they_cost() -> None:
    def f(x):
        a = np.exp(np.sin(x))
        b = np.tanh(a) * x
        c = np.sqrt(1.0 + b * b) + a
        return np.sum(c * b) * np.sum(a)

    x = np.linspace(0, 1, 5000)
    free = wg.explain(f, x, memory_limit="1 GB")
    assert free.singles == ()
    found = wg.explain(f, x, memory_limit=free.peak_bytes - 1)
    assert {s.how for s in found.singles} <= {"stored", "made again", "kept"}
    again = [s for s in found.singles if s.how == "made again"]
    assert again and all(s.seconds is not None and s.seconds > 0 and s.bytes >= 40_000 for s in again)
    assert found.predicted == found.peak_bytes < free.peak_bytes
    assert f"made again  {again[0].name}: 40 kB" in str(found)
