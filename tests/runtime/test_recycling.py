"""Large results in memory that earlier ones had."""

from __future__ import annotations

import gc
from collections.abc import Generator

import numpy as np
import pytest

import wengert as wg
from wengert.runtime import recycling

N = recycling.LEAST // 8 + 3


@pytest.fixture(autouse=True)
def _fresh() -> Generator[None]:
    recycling.release()
    yield
    recycling.release()


def _address(a: np.ndarray) -> int:
    return a.__array_interface__["data"][0]


def _made(n: int = N, zero: bool = False) -> np.ndarray:
    return recycling.array(n, np.dtype(float), zero)


def test_memory_in_use_no_more_is_used_again() -> None:
    first = _made()
    there = _address(first)
    first[:] = 1.0
    del first
    again = recycling.array((N, 1), np.dtype(np.int64), False)
    assert _address(again) == there and again.shape == (N, 1) and again.dtype == np.int64
    del again
    assert not np.any(_made(zero=True))


def test_memory_of_what_is_there_is_left_alone() -> None:
    first = _made()
    first[:] = 1.0
    view = first[10:20:3]
    held = memoryview(first)
    del first
    second = _made()
    second[:] = 2.0
    assert np.all(view == 1.0) and held[0] == 1.0
    there = _address(second)
    del view
    third = _made()
    third[:] = 3.0
    assert held[0] == 1.0 and second[0] == 2.0
    del held, third
    assert _address(second) == there and np.all(second == 2.0)


def test_another_size_is_other_memory() -> None:
    first = _made()
    first[:] = 1.0
    del first
    assert _made(N + 1).size == N + 1


def test_no_more_is_remembered_than_is_said() -> None:
    n = recycling.MOST // 8 // 11
    many = [_made(n + k) for k in range(20)]
    for k, a in enumerate(many):
        a[:] = k
    assert recycling.MOST // 2 < sum(b.size for b in recycling._blocks) <= recycling.MOST
    assert all(np.all(a == k) for k, a in enumerate(many))
    del a, many
    gc.collect()
    assert sum(b.size for b in recycling._blocks) <= recycling.MOST
    huge = recycling.MOST // 8 + 1
    assert _made(huge).size == huge and sum(b.size for b in recycling._blocks) <= recycling.MOST


def test_no_more_blocks_are_remembered_than_is_said() -> None:
    many = [_made(N) for _ in range(3 * recycling.MOST_BLOCKS)]
    addresses = {_address(a) for a in many}
    assert len(addresses) == len(many) and len(recycling._blocks) == recycling.MOST_BLOCKS
    del many
    again = [_made(N) for _ in range(recycling.MOST_BLOCKS)]
    assert {_address(a) for a in again} <= addresses and len({_address(a) for a in again}) == len(again)


def test_results_and_gradients() -> None:
    """Results that are kept do not change when the program is called again; those that are not give their memory."""

    def f(u: np.ndarray, x: float) -> np.ndarray:
        return u * x

    u = np.arange(float(N))
    compiled = wg.compile(f)
    kept = compiled(u, 2.0)
    seen = {_address(compiled(u, float(k))) for k in range(5)}
    assert len(seen) <= 2 and _address(kept) not in seen
    np.testing.assert_array_equal(kept, 2.0 * u)
    outputs, pullback = wg.vjp(f, u, 3.0)
    first = pullback(np.ones(N))
    for _ in range(3):
        pullback(np.full(N, 7.0))
    assert np.all(first[0] == 3.0) and first[1] == np.sum(u)
    np.testing.assert_array_equal(outputs, 3.0 * u)
