"""The pages on kinks and on programs of other tools name tests that exist, and all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs"


def functions(pattern: str) -> set[str]:
    """The test functions of the files."""
    return {
        name for path in HERE.glob(pattern) for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("page", ["kinks.md", "right_or_loud.md"])
def test_the_tests_that_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (DOCS / page).read_text()))
    assert named
    assert named <= functions("test_*.py"), named - functions("test_*.py")


def test_every_row_is_on_the_page_on_kinks() -> None:
    text = (DOCS / "kinks.md").read_text()
    rows = set(re.findall(r'Row\(\s*"([^"]+)"', (HERE / "test_kinks.py").read_text()))
    cells = [line.rsplit("|", 2)[1] for line in text.splitlines() if line.startswith("| ") and "| tests |" not in line]
    named = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert len(rows) > 90
    assert named <= rows, named - rows
    assert all(f"`{row}`" in text for row in rows), {row for row in rows if f"`{row}`" not in text}


def test_every_program_of_other_tools_is_on_the_page() -> None:
    text = (DOCS / "right_or_loud.md").read_text()
    for pattern in ("test_right_or_loud*.py", "test_other_tools*.py"):
        missing = {name for name in functions(pattern) if f"`{name}`" not in text}
        assert not missing, missing
