"""The programs of the gallery find what they look for, at small sizes; the page shows each of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "examples" / "gallery"


def run(name: str, *options: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"gallery_{name}", GALLERY / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main(options)


def test_orbit() -> None:
    found, error, truth = run("orbit", "--nights", "6")
    assert np.all(np.abs(found - truth) < 5 * error)
    assert np.all(error < 0.05)


def test_epidemic() -> None:
    found, truth, error = run("epidemic", "--weeks", "16")
    assert found.success and error < 0.25


def test_chain() -> None:
    error, loaded = run("chain", "--links", "16")
    assert error < 3e-3
    assert np.argmin(loaded[:, 1]) == 8


def test_pendulum() -> None:
    _, tilt = run("pendulum", "--steps", "60")
    assert tilt < 5


def test_deblur() -> None:
    before, after = run("deblur", "--size", "32", "--iterations", "100")
    assert after < 0.7 * before


def test_the_page_shows_every_program() -> None:
    page = (ROOT / "docs" / "gallery.md").read_text()
    names = {path.stem for path in GALLERY.glob("*.py")}
    assert len(names) >= 5
    for name in names:
        assert f"`{name}.py`" in page and f"pictures/{name}.png" in page
