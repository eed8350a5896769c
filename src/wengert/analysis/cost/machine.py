"""What a machine can do, as the cost model knows it: see docs/cost_model.md for what each number means.

A `Machine` is pure data. `DEFAULT` is committed, so that what is decided with it is the same everywhere; measured ones
come from `wengert.calibration`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1
"""Of the fields and their meaning: machines stored by another version are measured again."""
LINE = 64.0
"""Bytes of a cache line."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds per element of an operation in a vector loop and in a scalar one, and until a scalar result is there."""

    vector: float
    scalar: float
    latency: float


@dataclass(frozen=True, slots=True)
class Level:
    """A cache (or, last, main memory): the bytes it holds, and seconds per byte read from it in order, written to it,
    and read from it out of order (whole lines)."""

    size: float
    read: float
    write: float
    scattered: float


@dataclass(frozen=True, slots=True)
class Library:
    """Seconds of a library operation: start + work / rate(n), where rate(n) = peak * n / (n + half)."""

    start: float
    peak: float
    half: float

    def seconds(self, work: float, n: float) -> float:
        n = max(n, 1.0)
        return self.start + work / self.peak * (n + self.half) / n


@dataclass(frozen=True, slots=True)
class Machine:
    """Times are in seconds. `operations` and `library` are by name; `levels` go from the second cache to memory."""

    name: str
    vector_bytes: float
    longs: bool  # whether vectors convert between 64-bit integers and floats
    operations: Mapping[str, Rate]
    instruction: float  # an instruction that is neither float arithmetic nor a memory access
    load: float  # of a vector
    store: float
    single_load: float  # of a number
    single_store: float
    gather: float  # an element loaded (stored) alone into (from) a vector
    forward: float  # from a store to a load of the same element
    turn: float  # of a loop whose turns are not in lanes, at the least
    entry: float  # into a loop, its end included
    branch: float  # that was not predicted
    call: float  # of a function of the module
    entered: float  # a call from Python
    allocation: float
    fault: float  # per byte of memory that the system has just given
    first: float  # bytes of the first cache
    levels: tuple[Level, ...]
    library: Mapping[str, Library]
    region: float  # starting and joining threads
    shared: float  # how many threads' worth of memory traffic all threads together get, at the most

    def rate(self, name: str) -> Rate:
        return self.operations.get(name) or self.operations["other"]

    def key(self) -> str:
        """What tells this machine from others: part of what code is found by that depends on it."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()[:20]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Machine:
        """Raises KeyError or TypeError for anything but what `as_json` gave."""
        made = dict(data)
        made["operations"] = {name: Rate(**rate) for name, rate in data["operations"].items()}
        made["levels"] = tuple(Level(**level) for level in data["levels"])
        made["library"] = {name: Library(**row) for name, row in data["library"].items()}
        return Machine(**made)

    # -- memory

    def transfer(self, footprint: float, read: float = 0.0, written: float = 0.0) -> float:
        """Seconds to read and write so many bytes in order, of data of that size altogether."""
        level = self.level(footprint)
        return 0.0 if level is None else read * level.read + written * level.write

    def level(self, footprint: float) -> Level | None:
        """Where data of that size lies; None for the first cache."""
        if footprint <= self.first:
            return None
        return next((level for level in self.levels[:-1] if footprint <= level.size), self.levels[-1])

    def stored(self, size: float, footprint: float | None = None) -> float:
        """Seconds to write so many bytes once and read them once, much later. `footprint`: what is touched in between,
        if that is more."""
        lanes = 2 * size / self.vector_bytes
        moved = self.transfer(max(size, footprint or 0.0), size, size)
        return max(lanes * (self.load + self.store) / 2, moved)

    def fresh(self, size: float) -> float:
        """Seconds until the system has given memory of that size."""
        return size * self.fault


OVERLAP = 0.15
"""The part of what could be hidden behind something longer that is not."""


def combined(parts: Sequence[float], overlap: float = OVERLAP) -> float:
    """The time of things that the processor does at once: the longest, and of the others what is not hidden by it."""
    longest = max(parts, default=0.0)
    return longest + overlap * (sum(parts) - longest)


def _rates(**rows: tuple[float, float, float]) -> dict[str, Rate]:
    return {name: Rate(*(value * 1e-9 for value in row)) for name, row in rows.items()}


_OPERATIONS = _rates(
    add=(0.046, 0.18, 0.94), mul=(0.042, 0.16, 0.94), div=(0.35, 1.08, 4.22), sqrt=(0.66, 2.38, 6.48),
    exp=(1.04, 4.37, 11.4), exp2=(0.79, 2.83, 7.36), expm1=(1.19, 6.05, 15.7), log=(1.39, 3.77, 9.8),
    log2=(1.37, 3.62, 9.41), log10=(1.43, 7.53, 19.6), log1p=(1.87, 6.64, 17.2), sin=(1.0, 9.09, 23.6),
    cos=(0.97, 9.06, 23.5), tan=(1.29, 9.67, 25.1), asin=(1.64, 4.94, 12.8), acos=(1.71, 5.54, 14.4),
    atan=(1.45, 8.87, 23.0), sinh=(1.49, 12.6, 32.8), cosh=(1.63, 7.53, 19.6), tanh=(3.37, 13.1, 33.9),
    cbrt=(1.97, 13.8, 35.7), erf=(1.29, 4.12, 10.7), pow=(6.34, 19.4, 50.3), atan2=(2.05, 18.0, 46.7),
    hypot=(0.98, 6.15, 16.0), mod=(6.1, 6.1, 8.8), floordiv=(12.0, 12.0, 17.0), other=(15.0, 15.0, 30.0),
)  # fmt: skip

DEFAULT = Machine(
    name="default",
    vector_bytes=32.0,
    longs=False,
    operations=_OPERATIONS,
    instruction=0.056e-9,
    load=0.2e-9,
    store=0.38e-9,
    single_load=0.14e-9,
    single_store=0.16e-9,
    gather=0.2e-9,
    forward=0.0,
    turn=0.32e-9,
    entry=1.3e-9,
    branch=6e-9,
    call=3e-9,
    entered=2e-6,
    allocation=10e-9,
    fault=0.07e-9,
    first=32768.0,
    levels=(
        Level(512 * 1024.0, 0.0107e-9, 0.0165e-9, 0.0147e-9),
        Level(16 * 2.0**20, 0.0205e-9, 0.027e-9, 0.03e-9),
        Level(float("inf"), 0.04e-9, 0.06e-9, 0.13e-9),
    ),
    library={
        "small": Library(10e-9, 3.2e9, 0.0),
        "matmul": Library(0.5e-6, 41e9, 12.0),
        "thin": Library(0.1e-6, 24e9, 0.0),
        "vector": Library(0.2e-6, 22e9, 0.0),
        "solve": Library(0.21e-6, 45e9, 350.0),
        "cholesky": Library(0.1e-6, 45e9, 500.0),
        "det": Library(0.13e-6, 50e9, 350.0),
        "eigh": Library(4.5e-6, 20e9, 160.0),
        "sort": Library(0.0, 0.21e9, 0.0),
        "fft": Library(15e-6, 0.9e9, 0.0),
    },
    region=8e-6,
    shared=1.5,
)
