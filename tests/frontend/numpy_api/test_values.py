"""NumPy's functions, methods and attributes on run-time values give what NumPy gives."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import wengert as wg

sys.path.insert(0, str(Path(__file__).parent))

import tables
from expressions import assert_expressions, groups

AREAS = {name.lower(): getattr(tables, name).strip().splitlines() for name in dir(tables) if name.isupper()}
CASES = [(area, k, group) for area, lines in AREAS.items() for k, group in enumerate(groups(lines))]


@pytest.mark.parametrize(("area", "k", "group"), CASES, ids=[f"{area}-{k}" for area, k, _ in CASES])
def test_native(area: str, k: int, group: list[str]) -> None:
    assert_expressions(group)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cross_products_in_the_plane() -> None:
    """NumPy took vectors of two components up to 2.4."""
    x, y = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    try:
        want = np.cross(x, y)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            wg.compile(np.cross)(x, y)
    else:
        assert wg.compile(np.cross)(x, y) == want
