"""Random programs, compiled whole and in pieces, against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from amount import part
from backend.native import agree
from backend.random_modules import Program


@pytest.mark.parametrize("seed", part(range(12), 2))
def test_random_programs(seed: int) -> None:
    program = Program(seed).module(12)
    rng = np.random.default_rng(seed)
    for n in (2, 23):
        x, y, a = rng.normal(size=n), rng.normal(size=n), rng.normal(size=(n, n))
        agree(program, [x, y, a, rng.integers(0, n, n), n], rtol=1e-7)
