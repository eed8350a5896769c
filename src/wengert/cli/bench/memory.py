"""The memory of one call, by the process's own high-water mark."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def _kilobytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def _settle() -> None:
    """Give back what is free, so that what the call takes is touched anew."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def peak(call: Callable[[], T]) -> tuple[T, int | None]:
    """The result of a call, and the most bytes that the process held during it beyond what it held before.

    None where the system does not let a process reset its mark. The result is alive at the end, so it is included;
    what an earlier call left allocated for the next one is not: a first call shows it, or a freed one.
    """
    _settle()
    try:
        _RESET.write_text("5")
        before = _kilobytes("VmRSS")
    except OSError:
        return call(), None
    result = call()
    return result, max(0, 1024 * (_kilobytes("VmHWM") - before))
