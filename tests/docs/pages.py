"""The code blocks of a Markdown page, and what they print when they are run from top to bottom.

python tests/docs/pages.py docs/how_it_works.md     # writes what the commands of a page print now into it
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from wengert.cli.main import app

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CONSOLE = re.compile(r"^```console\n\$ wengert (.*?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NEEDS = re.compile(r"<!-- needs: (\w+) -->\n$")


@dataclass(frozen=True, slots=True)
class Code:
    """A block of Python: its first line on the page, what it prints ("" if the page does not say), what it needs."""

    line: int
    text: str
    output: str
    needs: str


def blocks(page: str) -> list[Code]:
    """The Python blocks of a page; a block ```output shows what the one before it prints."""
    found: list[Code] = []
    for match in FENCE.finditer(page):
        language, text = match.groups()
        if language == "python":
            needs = NEEDS.search(page[: match.start()])
            found.append(Code(page[: match.start(2)].count("\n") + 1, text, "", needs.group(1) if needs else ""))
        elif language == "output":
            found[-1] = Code(found[-1].line, found[-1].text, text, found[-1].needs)
    return found


def run(page: str, folder: Path) -> list[tuple[Code, str]]:
    """Run the blocks in one namespace, as a module whose lines are those of the page; what each printed."""
    found = [block for block in blocks(page) if not block.needs or importlib.util.find_spec(block.needs)]
    lines = [""] * (page.count("\n") + 1)
    for block in found:
        body = block.text.splitlines()
        lines[block.line - 1 : block.line - 1 + len(body)] = body
    file = folder / "page.py"
    file.write_text("\n".join(lines))
    names: dict[str, Any] = {"__name__": "page", "__file__": str(file)}
    printed: list[tuple[Code, str]] = []
    for block in found:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * (block.line - 1) + block.text, str(file), "exec"), names)
        printed.append((block, out.getvalue()))
    return printed


def commands(page: str, folder: Path) -> list[tuple[str, str, str]]:
    """The commands of the ```console blocks, what the page says they print ("" if it does not), and what they print in
    a folder with the files that the Python blocks show (# name.py in their first line)."""
    found: list[tuple[str, str, str]] = []
    for block in blocks(page):
        if name := re.match(r"# (\w+\.py)\n", block.text):
            (folder / name.group(1)).write_text(block.text)
    with contextlib.chdir(folder):
        for command, shown in CONSOLE.findall(page):
            done = CliRunner().invoke(app, re.findall(r"'[^']*'|\S+", command), catch_exceptions=False)
            assert done.exit_code == 0, f"wengert {command}: {done.output}"
            found.append((command, shown, done.output))
    return found


def rewrite(path: Path) -> None:
    """Put what the commands print now into a page."""
    page = path.read_text()
    with tempfile.TemporaryDirectory() as folder:
        printed = iter(commands(page, Path(folder)))
    path.write_text(CONSOLE.sub(lambda m: f"```console\n$ wengert {m.group(1)}\n{next(printed)[2]}```", page))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        rewrite(Path(argument))
