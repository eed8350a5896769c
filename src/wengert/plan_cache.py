"""Plans on disk: a second process need not search again for a program, sizes and room that were planned before.

An entry is found by the text of the program and of its derivative without checkpoints, what a call is given, and
wengert's own version. A plan that is found is replayed like any other before it is used (see `planning`).
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wengert.ir.nodes import Module
from wengert.ir.text import show
from wengert.persist import own_version
from wengert.planning import Decided
from wengert.runtime import cache


class Plans:
    """The plans of one program and transform."""

    def __init__(self, program: Module, plain: Module) -> None:
        text = f"{own_version()}\n{show(program)}\n{show(plain)}"
        self._program = hashlib.sha256(text.encode()).hexdigest()

    def load(self, sizes: Mapping[str, int], room: int, disk: int) -> Decided | None:
        """What was stored for a call; what is not readable is not there."""
        try:
            found = pickle.loads(self._path(sizes, room, disk).read_bytes())
        except (OSError, pickle.UnpicklingError, EOFError, ValueError, AttributeError, ImportError):
            return None
        return found if isinstance(found, Decided) else None

    def save(self, sizes: Mapping[str, int], room: int, disk: int, plan: Decided) -> None:
        """Store a plan."""
        with contextlib.suppress(OSError):
            cache.write_atomically(self._path(sizes, room, disk), pickle.dumps(replace(plan, held=None)))

    def _path(self, sizes: Mapping[str, int], room: int, disk: int) -> Path:
        key = hashlib.sha256(repr((self._program, sorted(sizes.items()), room, disk)).encode()).hexdigest()
        return cache.directory() / "plans" / f"{key}.pickle"
