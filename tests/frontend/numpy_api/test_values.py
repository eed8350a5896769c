"""NumPy's functions, methods and attributes on run-time values give what NumPy gives."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import tables
from expressions import assert_expressions, groups

AREAS = {name.lower(): getattr(tables, name).strip().splitlines() for name in dir(tables) if name.isupper()}
CASES = [(area, k, group) for area, lines in AREAS.items() for k, group in enumerate(groups(lines))]


@pytest.mark.parametrize(("area", "k", "group"), CASES, ids=[f"{area}-{k}" for area, k, _ in CASES])
def test_native(area: str, k: int, group: list[str]) -> None:
    assert_expressions(group)
