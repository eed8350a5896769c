"""Small programs of many fields, each in value, JVP and VJP against plain Python."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from derivatives import assert_derivatives

MODULES = sorted(path.stem for path in (Path(__file__).parent / "programs").glob("*.py"))
CASES = [
    pytest.param(function, args, id=f"{name}.{function.__name__}")
    for name in MODULES
    for function, args in importlib.import_module(f"corpus.programs.{name}").CASES.items()
]


@pytest.mark.parametrize(("function", "args"), CASES)
def test_program(function: Any, args: tuple[Any, ...]) -> None:
    assert_derivatives(function, *args)


def test_there_are_enough() -> None:
    assert len(CASES) >= 40
