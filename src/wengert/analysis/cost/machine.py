"""What a machine can do, as the cost model knows it: see docs/cost_model.md for what each number means.

A `Machine` is pure data. `DEFAULT` is committed, so that what is decided with it is the same everywhere; measured ones
come from `wengert.calibration`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
    load: float
    store: float
    gather: float  # an element loaded (stored) alone into (from) a vector
    forward: float  # from a store to a load of the same element
    overlap: float  # the part of what could be hidden behind something longer that is not
    turn: float  # of a loop
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


def combined(parts: Sequence[float], overlap: float) -> float:
    """The time of things that the processor does at once: the longest, and of the others what is not hidden by it."""
    longest = max(parts, default=0.0)
    return longest + overlap * (sum(parts) - longest)


def _rates(**rows: tuple[float, float, float]) -> dict[str, Rate]:
    return {name: Rate(*(value * 1e-9 for value in row)) for name, row in rows.items()}


@dataclass(frozen=True, slots=True)
class _Defaults:
    """Nanoseconds per element in vectors, per element alone, until the result is there."""

    operations: dict[str, Rate] = field(
        default_factory=lambda: _rates(
            add=(0.04, 0.15, 0.9), mul=(0.04, 0.15, 0.9), div=(0.5, 1.4, 4.0), sqrt=(0.7, 1.8, 6.0),
            exp=(1.2, 4.0, 12.0), exp2=(1.2, 4.0, 12.0), expm1=(2.5, 9.0, 20.0), log=(1.5, 4.5, 13.0),
            log2=(1.5, 4.5, 13.0), log10=(2.5, 9.0, 20.0), log1p=(2.5, 9.0, 20.0), sin=(1.6, 6.0, 18.0),
            cos=(1.6, 6.0, 18.0), tan=(3.0, 13.0, 30.0), asin=(2.5, 9.0, 20.0), acos=(2.5, 9.0, 20.0),
            atan=(2.0, 10.0, 25.0), atan2=(4.0, 16.0, 35.0), sinh=(4.0, 13.0, 30.0), cosh=(3.0, 10.0, 25.0),
            tanh=(4.0, 13.0, 30.0), hypot=(2.0, 5.0, 15.0), cbrt=(3.0, 12.0, 25.0), erf=(2.0, 9.0, 22.0),
            pow=(5.0, 15.0, 30.0), other=(15.0, 15.0, 30.0),
        )
    )  # fmt: skip


DEFAULT = Machine(
    name="default",
    vector_bytes=32.0,
    longs=False,
    operations=_Defaults().operations,
    instruction=0.06e-9,
    load=0.15e-9,
    store=0.3e-9,
    gather=0.5e-9,
    forward=2.0e-9,
    overlap=0.2,
    turn=0.3e-9,
    entry=5e-9,
    branch=5e-9,
    call=3e-9,
    entered=2e-6,
    allocation=20e-9,
    fault=0.15e-9,
    first=32768.0,
    levels=(
        Level(512 * 1024.0, 0.012e-9, 0.02e-9, 0.06e-9),
        Level(16 * 2**20, 0.03e-9, 0.05e-9, 0.15e-9),
        Level(float("inf"), 0.08e-9, 0.16e-9, 0.5e-9),
    ),
    library={
        "small": Library(10e-9, 2e9, 0.0),
        "matmul": Library(0.5e-6, 45e9, 16.0),
        "thin": Library(0.1e-6, 8e9, 0.0),
        "vector": Library(0.2e-6, 8e9, 0.0),
        "solve": Library(1.0e-6, 30e9, 150.0),
        "triangular": Library(1.0e-6, 30e9, 100.0),
        "cholesky": Library(1.0e-6, 30e9, 200.0),
        "det": Library(1.0e-6, 30e9, 150.0),
        "eigh": Library(10e-6, 5e9, 100.0),
        "sort": Library(0.1e-6, 0.3e9, 0.0),
        "fft": Library(5e-6, 1.0e9, 0.0),
    },
    region=8e-6,
    shared=1.5,
)
