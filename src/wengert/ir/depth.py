"""Room on Python's stack for programs that nest deeply: long chains of `elif` do, and so do long expressions."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from wengert.ir.locks import ForkedLock

RECURSION = 20_000
"""The depth of Python's stack while programs are taken apart."""

_lock = ForkedLock()
_open: list[int] = []
"""The limit to go back to, once for each thread (and each nesting) that needs room."""


@contextmanager
def deep() -> Generator[None]:
    """Raise the recursion limit, which all threads share, until the last that needs it is done."""
    with _lock:
        _open.append(_open[0] if _open else sys.getrecursionlimit())
        sys.setrecursionlimit(max(_open[0], RECURSION))
    try:
        yield
    finally:
        with _lock:
            before = _open.pop()
            if not _open:
                sys.setrecursionlimit(before)
