"""Measuring: every kernel is a valid program, and what is measured makes sense and is found again."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import pytest

from wengert import calibration
from wengert.analysis.cost.machine import DEFAULT
from wengert.calibration import kernels
from wengert.ir.verify import verify


def test_kernels_are_valid_programs() -> None:
    module, names = kernels.module()
    verify(module)
    assert len(set(names)) == len(names)
    for op in kernels.LIBRARY:
        verify(kernels.library(op))


def test_a_measured_machine_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    assert calibration.measured() is None
    made = calibration.calibrate()
    assert calibration.measured() == made
    assert set(made.operations) == set(DEFAULT.operations) and set(made.library) == set(DEFAULT.library)
    for rate in made.operations.values():
        assert 0 < rate.vector < 1e-6 and 0 < rate.scalar < 1e-6 and 0 < rate.latency < 1e-5
    for level in made.levels:
        assert 0 < level.read < 1e-8 and 0 < level.write < 1e-8 and 0 < level.scattered < 1e-7
    numbers = (made.instruction, made.load, made.store, made.single_load, made.gather, made.turn, made.entry)
    assert all(isfinite(x) and 0 < x < 1e-6 for x in numbers)
    assert made.branch >= 0 and made.forward >= 0 and made.fault >= 0
