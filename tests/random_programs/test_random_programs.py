"""Random programs: a quick sample here, thousands by `make long-test`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from random_programs.checks import Untamed, arguments, check, text_of, write
from random_programs.generator import Generator


def test_generation_is_deterministic() -> None:
    assert text_of(3) == text_of(3)
    assert text_of(3) != text_of(4)


@pytest.mark.parametrize("seed", range(60))
def test_programs_are_valid_and_bounded(seed: int, tmp_path: Path) -> None:
    """Plain Python runs them without an exception, and nothing leaves the bound by far."""
    import numpy as np

    module = write(text_of(seed), tmp_path)
    args = arguments(seed)
    result = module.program(*args)
    for part in result:
        assert np.all(np.abs(part) < 200)
    for part in args:
        assert np.all(np.abs(part) <= 4)


@pytest.mark.parametrize("seed", range(8))
def test_seeds(seed: int, tmp_path: Path) -> None:
    try:
        check(write(text_of(seed), tmp_path), arguments(seed))
    except Untamed as reason:
        pytest.skip(str(reason))


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_drawn_programs(data: st.DataObject, tmp_path: Path) -> None:
    text = Generator(lambda low, high: data.draw(st.integers(low, high)), statements=5).program()
    note(text)
    module = write(text, tmp_path)
    try:
        check(module, arguments(0), second_order=False)
    except Untamed:
        assume(False)
