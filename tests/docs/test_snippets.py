"""Every example of the README, of the pages and of the docstrings runs, and prints what it says."""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import wengert as wg
from wengert.cli.main import app

sys.path.insert(0, str(Path(__file__).parent))

from pages import CONSOLE, ROOT, blocks, commands, run

PAGES = sorted((ROOT / "docs").glob("*.md"))
ELSEWHERE = {"passes"}  # tests/cli/test_passes.py runs it
TEXTS = {path.stem: path.read_text() for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]}
WITH_CODE = [name for name, text in TEXTS.items() if blocks(text) and name not in ELSEWHERE]


@pytest.mark.parametrize("name", WITH_CODE)
def test_the_examples_of_a_page_run(name: str, tmp_path: Path) -> None:
    for block, printed in run(TEXTS[name], tmp_path):
        if block.output:
            assert printed == block.output, f"{name}.md:{block.line}"
        if block.needs:
            assert printed.strip() == "True", f"{name}.md:{block.line}"


@pytest.mark.parametrize("name", [n for n, text in TEXTS.items() if CONSOLE.search(text) and n not in ELSEWHERE])
def test_the_commands_of_a_page_print_what_it_shows(name: str, tmp_path: Path) -> None:
    for command, shown, printed in commands(TEXTS[name], tmp_path):
        assert shown in ("", printed), f"wengert {command}: see tests/docs/pages.py"


def test_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    ((block, printed),) = run(TEXTS["README"], tmp_path)
    shown = re.search(r"print\(du, dnu\) +# (.*)", block.text)
    assert shown and printed.startswith(shown.group(1) + "\n")
    assert printed.count("ok") > 3 and "dot product" in printed


@pytest.mark.parametrize("name", wg.__all__)
def test_the_examples_of_a_docstring_run(name: str) -> None:
    thing = getattr(wg, name)
    assert thing.__doc__, name
    for test in doctest.DocTestFinder(recurse=False).find(thing, name, globs={}):
        assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_every_public_name_is_in_the_reference() -> None:
    named = re.findall(r"^\.\. auto(?:function|exception):: (\w+)", TEXTS["api"], re.MULTILINE)
    assert sorted(named) == sorted(wg.__all__)


def test_every_page_is_in_the_contents() -> None:
    listed = {line.strip() for line in TEXTS["index"].splitlines()}
    assert {path.stem for path in PAGES} - {"index"} <= listed


COMMANDS = {
    (name, command): None
    for name, text in TEXTS.items()
    for command in re.findall(r"(?:^ {4}|^\$ |`)(wengert [a-z][^`#\n]*)", text, re.MULTILINE)
}


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_the_commands_and_options_that_are_named_exist(name: str, command: str) -> None:
    words = shlex.split(command.replace("...", ""))[1:]
    node = typer.main.get_command(app)
    while hasattr(node, "commands") and words and re.fullmatch(r"[a-z]+", words[0]):
        node = node.commands[words.pop(0)]
    known = {option for parameter in node.params for option in parameter.opts} | {"--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_the_targets_of_make_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {n for t in TEXTS.values() for n in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", t, re.MULTILINE)}
    assert named and named <= targets, named - targets


def test_help_of_every_command_reads_well() -> None:
    command = typer.main.get_command(app)
    for name in command.commands:
        done = CliRunner().invoke(app, [name, "--help"])
        assert done.exit_code == 0
        assert (command.commands[name].help or "").endswith((".", ").", "md.")), name


def test_the_text_of_links_to_pages_is_not_dead() -> None:
    for name, text in TEXTS.items():
        home = ROOT if name in ("README", "CONTRIBUTING") else ROOT / "docs"
        for target in re.findall(r"\]\(([\w./-]+\.(?:md|py))(?:#[\w-]*)?\)", text):
            assert (home / target).exists(), f"{name}: {target}"


def test_the_lines_of_the_operation_shown_are_those_of_the_source() -> None:
    shown = re.findall(r"^\+(.*)$", TEXTS["extending"], re.MULTILINE)
    files = ["src/wengert/ir/ops.py", "src/wengert/frontend/python/mathlib.py", "tests/ir/test_ops.py"]
    lines = {
        line
        for file in [*files, "tests/frontend/python/test_math.py"]
        for line in (ROOT / file).read_text().splitlines()
    }
    assert 0 < len(shown) < 15 and set(shown) <= lines, set(shown) - lines
