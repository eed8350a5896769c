"""Each construct of the IR, differentiated once and twice in every combination of modes."""

from __future__ import annotations

import numpy as np
import pytest

from ad.checks import check
from ad.programs import PROGRAMS


@pytest.mark.parametrize("name", PROGRAMS)
def test_construct(name: str) -> None:
    text, args = PROGRAMS[name]
    check(text, {k: np.asarray(v) if isinstance(v, (float, complex)) else v for k, v in args.items()})
