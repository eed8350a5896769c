"""The page and the command show the table; the table names every public function of NumPy that has a handler."""

from __future__ import annotations

import importlib
import json
import types
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from wengert.cli.main import app
from wengert.frontend.python import numeric
from wengert.frontend.python.registry import HANDLERS
from wengert.supported import markdown, table, unsupported

SETTINGS = {"seterr", "row_stack"}  # a setting, and a name that NumPy is giving up
PAGE = Path(__file__).parents[2] / "docs" / "numpy.md"


def test_the_page_is_what_the_command_writes() -> None:
    assert PAGE.read_text() == markdown(), "write it again: wengert supported --markdown > docs/numpy.md"


def test_there_are_enough_of_them_and_no_name_twice() -> None:
    names = [e.name for e in table()]
    assert len(names) == len(set(names))
    assert len(names) >= 350
    assert not set(names) & {name for name, _ in unsupported()}


def test_every_handler_is_in_the_table() -> None:
    known = {e.name for e in table()} | {name for name, _ in unsupported()} | SETTINGS
    missing = []
    importlib.import_module("wengert.frontend.python.scipy_api")
    of_numpy = [("", np), ("linalg.", np.linalg), ("fft.", np.fft)]
    of_scipy = [(f"scipy.{m}.", importlib.import_module(f"scipy.{m}")) for m in ("special", "linalg", "integrate")]
    for prefix, module in of_numpy + of_scipy:
        for name in dir(module):
            found: Any = getattr(module, name)
            if name.startswith("_") or isinstance(found, (type, types.ModuleType)) or not callable(found):
                continue
            handled = found in numeric.UFUNCS if isinstance(found, np.ufunc) else found in HANDLERS
            if handled and prefix + name not in known:
                missing.append(prefix + name)
    assert not missing, "add lines for them to supported/entries.py"


def test_the_command() -> None:
    run = CliRunner().invoke
    rows = json.loads(run(app, ["supported", "--json"]).output)
    by_name = {row["name"]: row for row in rows}
    assert by_name["sin"] == {
        "name": "sin", "area": "UFUNCS", "sample": "np.sin(v)", "value": True, "jvp": True, "vjp": True, "second": True,
        "reason": "", "by": "native",
    }  # fmt: skip
    assert not by_name["argmax"]["vjp"] and by_name["argmax"]["reason"] == "integers"
    assert run(app, ["supported", "--markdown"]).output == markdown()
    assert "np.linalg.svd" not in run(app, ["supported", "fft"]).output
    assert "fft.irfft" in run(app, ["supported", "fft"]).output
    assert run(app, ["supported", "no such name"]).exit_code == 1
