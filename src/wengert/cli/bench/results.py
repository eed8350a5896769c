"""What `wengert bench SUITE --against` finds: times and memory of every competitor on every program; read from JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and the quartiles below and above it."""
    cuts = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return statistics.median(values), cuts[0], cuts[2]


@dataclass(slots=True)
class Timing:
    """Seconds of one call: median and quartiles over all turns, and the first call, which compiles.

    `turns` has the median of every turn: turns of the same number of two competitors were side by side.
    """

    median: float
    lower: float
    upper: float
    calls: int
    first: float | None = None
    turns: list[float] = field(default_factory=list[float])

    @classmethod
    def of(cls, turns: Sequence[Sequence[float]], first: float | None) -> Timing:
        times = [seconds for turn in turns for seconds in turn]
        median, lower, upper = quartiles(times)
        return cls(median, lower, upper, len(times), first, [statistics.median(turn) for turn in turns])


@dataclass(slots=True)
class Memory:
    """Bytes of one gradient call above what its inputs take; results included.

    `peak`: by the process's high-water mark. `counted`: by the competitor itself (wengert's allocator; what JAX's
    compiler says about temporaries and results). `tape`: what wengert's forward sweep leaves for the reverse one.
    """

    peak: int | None = None
    counted: int | None = None
    tape: int | None = None


@dataclass(slots=True)
class Entry:
    """One competitor on one program. `status`: ok, wrong, failed or absent."""

    status: str
    reason: str = ""
    source: str = ""
    note: str = ""
    primal: Timing | None = None
    gradient: Timing | None = None
    memory: Memory | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Entry:
        """From JSON."""
        times = {what: raw.get(what) and Timing(**raw[what]) for what in ("primal", "gradient")}
        memory = raw.get("memory") and Memory(**raw["memory"])
        return cls(raw["status"], raw["reason"], raw["source"], raw["note"], times["primal"], times["gradient"], memory)


@dataclass(slots=True)
class Contest:
    """What was found about one program."""

    name: str
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    checked: str = ""  # what wengert's gradient was compared with
    note: str = ""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Contest:
        """From JSON."""
        entries = {name: Entry.read(entry) for name, entry in raw["entries"].items()}
        return cls(raw["name"], entries, raw["checked"], raw["note"])

    def timing(self, rival: str, what: str) -> Timing | None:
        """The times, if the competitor was right."""
        entry = self.entries.get(rival)
        return getattr(entry, what) if entry is not None and entry.status == "ok" else None

    def seconds(self, rival: str, what: str) -> float | None:
        """The median, if the competitor was right."""
        timing = self.timing(rival, what)
        return timing.median if timing is not None else None

    def ratio(self, over: tuple[str, str], under: tuple[str, str]) -> float | None:
        """One time over another: the median over the turns."""
        found = self.spread(over, under)
        return found[0] if found is not None else None

    def spread(self, over: tuple[str, str], under: tuple[str, str]) -> tuple[float, float, float] | None:
        """Median and quartiles over the turns of one time over another: a machine's ups and downs meet both."""
        a, b = self.timing(*over), self.timing(*under)
        if a is None or b is None:
            return None
        if not a.turns or not b.turns:  # of a run that kept medians alone
            return quartiles([a.median / b.median])
        return quartiles([x / y for x, y in zip(a.turns, b.turns, strict=False)])  # a slow one has fewer turns

    def bytes(self, rival: str, what: str = "peak") -> int | None:
        """What a gradient takes, if the competitor was right and it was measured."""
        entry = self.entries.get(rival)
        return getattr(entry.memory, what) if entry is not None and entry.status == "ok" and entry.memory else None
