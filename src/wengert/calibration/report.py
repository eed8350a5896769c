"""A machine as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from wengert.analysis.cost.machine import Machine

NANO = 1e9


def lines(machine: Machine) -> Iterator[str]:
    """Every number, with its unit."""
    yield f"{machine.name}: vectors of {machine.vector_bytes:.0f} bytes"
    yield "operation        in vectors      alone   until known  (ns an element)"
    for name, rate in machine.operations.items():
        yield f"  {name:<12} {rate.vector * NANO:12.3f} {rate.scalar * NANO:10.2f} {rate.latency * NANO:13.2f}"
    yield "instructions, in ns"
    for name in ("instruction", "load", "store", "single_load", "single_store", "gather", "forward", "turn", "entry"):
        yield f"  {name:<14} {getattr(machine, name) * NANO:10.3f}"
    for name in ("branch", "call", "entered", "allocation", "region"):
        yield f"  {name:<14} {getattr(machine, name) * NANO:10.1f}"
    yield "memory           read    written   out of order  (GB/s)"
    for level in machine.levels:
        size = f"{level.size / 2**20:.1f} MiB" if isfinite(level.size) else "beyond"
        rates = [1 / t / NANO for t in (level.read, level.write, level.scattered)]
        yield f"  {size:<12} {rates[0]:8.1f} {rates[1]:10.1f} {rates[2]:14.1f}"
    yield f"  new memory   {1 / machine.fault / NANO if machine.fault else float('inf'):8.1f}"
    yield "library          start us    G operations/s    half of it at n ="
    for name, row in machine.library.items():
        yield f"  {name:<12} {row.start * 1e6:10.2f} {row.peak / NANO:17.2f} {row.half:20.0f}"
