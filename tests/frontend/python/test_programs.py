"""Adversarial programs, one question of Python's meaning each: value and derivatives as Python's, or a refusal."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import differences as fd
from wengert.transform import interpret
from wengert.verify import compare_runs, verify


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"frontend_programs_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = [_load(path) for path in sorted((Path(__file__).parent / "programs").glob("*.py"))]
CASES = [
    pytest.param(f, args, id=f"{f.__name__}-{k}")
    for module in MODULES
    for f, cases in module.CASES.items()
    for k, args in enumerate(cases)
]
REFUSED = [
    pytest.param(f, args, id=f.__name__) for module in MODULES for f, args in getattr(module, "REFUSED", {}).items()
]


@pytest.mark.parametrize(("f", "args"), CASES)
def test_program(f: Any, args: tuple[Any, ...]) -> None:
    with np.errstate(all="ignore"):
        try:
            plain = fd.run(f, args)
        except Exception as error:
            with pytest.raises(type(error)):
                wg.compile(f)(*args)
            return
        finding = compare_runs("interpreter", fd.run(interpret(f), args), plain, 1e-10)
        assert finding.ok, str(finding)
        report = verify(f, args)
        assert report, str(report)


@pytest.mark.parametrize(("f", "args"), REFUSED)
def test_refused(f: Any, args: tuple[Any, ...]) -> None:
    with pytest.raises(wg.Unsupported, match="way out"):
        wg.compile(f)(*args)
