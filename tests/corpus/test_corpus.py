"""Small programs of many fields, each in value, JVP and VJP against plain Python."""

from __future__ import annotations

from typing import Any

import pytest

from corpus.cases import CASES
from derivatives import assert_derivatives


@pytest.mark.parametrize(("function", "args"), CASES)
def test_program(function: Any, args: tuple[Any, ...]) -> None:
    assert_derivatives(function, *args)


def test_there_are_enough() -> None:
    assert len(CASES) >= 40
