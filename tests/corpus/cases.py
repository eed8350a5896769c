"""The programs of the corpus with their arguments, as parameters of tests."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

CASES = [
    pytest.param(function, args, id=f"{name}.{function.__name__}")
    for name in sorted(path.stem for path in (Path(__file__).parent / "programs").glob("*.py"))
    for function, args in importlib.import_module(f"corpus.programs.{name}").CASES.items()
]
