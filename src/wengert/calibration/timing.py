"""Timing small things in the company of other processes: by turns, in the processor's time, the shortest of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wengert.calibration import kernels
from wengert.runtime.abi import Bind
from wengert.runtime.call import Kernel

NEAR = 1088
"""Elements of kernels that work in the first cache."""
AROUND = 24
"""Elements at the ends that they leave out."""
PAGE = 4096
TURN = 1e-4
"""Seconds that one timing takes at least."""
ROUNDS = 12

Run = Callable[[int], Any]
"""Repeats something so many times."""
Arrays = tuple[np.ndarray, ...]


def shortest(runs: Mapping[str, Run], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of one repetition of each. They take turns, since what disturbs one timing disturbs the next as well."""
    repeats = {name: _enough(run) for name, run in runs.items()}
    best = {name: float("inf") for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            run(repeats[name])  # brings the data back into the caches
            best[name] = min(best[name], _timed(run, repeats[name]) / repeats[name])
    return best


def _timed(run: Run, repeats: int) -> float:
    start = time.thread_time()
    run(repeats)
    return time.thread_time() - start


def _enough(run: Run) -> int:
    repeats = 1
    while (took := _timed(run, repeats)) < TURN and repeats < 1 << 24:
        repeats *= 4 if took < TURN / 4 else 2
    return repeats


class Bench:
    """The compiled kernels and data for them."""

    def __init__(self) -> None:
        module, names = kernels.module()
        binds = [Bind("scalar", k) for k in range(4)] + [Bind("array", 4 + k) for k in range(4)]
        self.kernel = Kernel(module, binds)
        self.numbers = {name: k for k, name in enumerate(names)}
        self.rng = np.random.default_rng(5)

    def data(self, nbytes: float, aligned: bool = False) -> Arrays:
        """Arrays of so many bytes each, at different places of a page, as few programs' are that suffer from it; rows
        of matrices are rarely `aligned`."""
        n, page = int(nbytes) // 512 * 64, PAGE // 8
        slab = np.zeros(4 * (n + page) + 16)
        first = -slab.ctypes.data % 64 // 8 + (0 if aligned else 2)
        parts = [slab[first + k * (n + page) + k * page // 4 :][:n] for k in range(4)]
        x, z, y, places = *parts[:3], parts[3].view(np.int64)
        for values in (x, z):
            values[:] = np.resize(self.rng.uniform(0.1, 0.9, min(n, NEAR)), n)
        places[:] = np.resize(self.rng.permutation(min(n, NEAR)), n)
        return x, z, y, places

    def run(self, name: str, data: Arrays, rows: int = 200) -> Run:
        which, n = self.numbers[name], len(data[0])
        return lambda repeats: self.kernel((which, n, repeats, rows, *data))

    def near(self) -> dict[str, float]:
        """Seconds per turn of every kernel's loop, all data in the first cache."""
        data = self.data(8 * NEAR)
        found = shortest({name: self.run(name, data) for name in self.numbers})
        return {name: seconds / (NEAR - AROUND) for name, seconds in found.items()}
