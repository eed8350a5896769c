"""How much is tested: a part of what takes long, or all of it with WENGERT_LONG=1 (`make long-test`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

LONG = bool(os.environ.get("WENGERT_LONG"))


def part(cases: Sequence[T], share: int) -> Sequence[T]:
    """One in `share` of the cases, all of them if asked for."""
    return cases if LONG else cases[::share]
