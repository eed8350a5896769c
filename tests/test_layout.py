"""The import law of the package: which part may know which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import wengert

SOURCE = Path(wengert.__file__).parent
ERRORS = {"codes", "errors"}
LAW: dict[str, set[str]] = {
    "ir": ERRORS,
    "analysis": ERRORS | {"ir"},
    "optimise": ERRORS | {"ir", "analysis"},
    "ad": ERRORS | {"ir", "analysis", "optimise"},
    "backend": ERRORS | {"ir", "analysis", "runtime"},
    "runtime": ERRORS | {"ir", "backend"},
    "frontend": ERRORS | {"ir", "analysis", "runtime"},
}


def imported(path: Path) -> set[str]:
    """The top parts of wengert that a file imports at run time."""
    package = ("wengert", *path.relative_to(SOURCE).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                modules = [a.name for a in names]
            case ast.ImportFrom(module=module, level=0, names=names):
                modules = [f"{module}.{a.name}" for a in names]
            case ast.ImportFrom(module=module, level=level, names=names):
                base = package[: len(package) - level + 1]
                modules = [".".join((*base, *([module] if module else []), a.name)) for a in names]
            case _:
                continue
        found |= {m.split(".")[1] for m in modules if m.startswith("wengert.")}
    return found


@pytest.mark.parametrize("part", sorted(LAW))
def test_parts_import_only_what_they_may(part: str) -> None:
    for path in sorted((SOURCE / part).rglob("*.py")):
        beyond = imported(path) - LAW[part] - {part}
        assert not beyond, f"{path.relative_to(SOURCE)} imports {', '.join(sorted(beyond))}"


def test_errors_know_only_the_ir() -> None:
    assert imported(SOURCE / "errors.py") <= {"codes", "ir"}
    assert not imported(SOURCE / "codes.py")
