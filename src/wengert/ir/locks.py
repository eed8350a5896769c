"""Locks that a forked child finds open: the thread that held one in the parent does not exist in the child."""

from __future__ import annotations

import os
import threading
import weakref


class ForkedLock:
    """A lock that its thread may take again, and that is a new one after a fork."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _all.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        self._lock = threading.RLock()


_all: weakref.WeakSet[ForkedLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in list(_all):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
