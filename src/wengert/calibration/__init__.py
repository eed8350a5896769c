"""The machine measured: small native kernels, made by our own compiler, timed once and kept in the cache.

`measured()` gives what was stored for this processor and compiler, or None; `calibrate()` measures and stores. Nothing
that is compiled depends on it: passes decide with the committed `DEFAULT`.
"""

from __future__ import annotations

from wengert.analysis.cost.machine import VERSION, Machine
from wengert.calibration.measure import measure
from wengert.runtime import cache
from wengert.runtime.compile import find_compiler, flags, processor

_RECORDS = cache.Manifest("machines")


def identity() -> str:
    """What a measured machine is stored by: the processor, the compiler with its flags, the version of the fields."""
    compiler = find_compiler()
    return "\n".join([str(VERSION), processor(), compiler.identity, *flags(compiler)])


def measured() -> Machine | None:
    """The machine as it was measured; None if it never was, or by another version."""
    found = _RECORDS.lookup(identity())
    if found is None:
        return None
    try:
        return Machine.from_json(found)
    except (KeyError, TypeError):
        return None


def calibrate() -> Machine:
    """Measure this machine and store the result; takes a few seconds."""
    machine = measure()
    _RECORDS.store(identity(), machine.as_json())
    return machine


__all__ = ["calibrate", "identity", "measure", "measured"]
