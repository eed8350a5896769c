"""`wengert passes`: what it prints of each pass, what it refuses; and the page `docs/passes.md`, which shows it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wengert import pipeline
from wengert.cli.main import app
from wengert.errors import WengertError
from wengert.ir.text import parse

PAGE = (Path(__file__).parents[2] / "docs" / "passes.md").read_text()
PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
BLOCKS = re.findall(r"```console\n\$ wengert (.*?)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return "program.py"


def passes(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["passes", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(("command", "output"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_the_page_shows_what_the_command_prints(program: str, command: str, output: str) -> None:
    assert passes(*command.split()[1:]) == output


def test_every_pass_is_on_the_page(program: str) -> None:
    done = json.loads(passes("program.py:settle", "--json"))  # it writes into its argument
    names = [step["name"] for step in (*done["program"], *done["compiled"])]
    assert ["drop_final_writes", *(one.__name__ for one in pipeline.LAST)] == [s["name"] for s in done["compiled"]]
    assert sorted(set(names)) == sorted(re.findall(r"^### `(\w+)`", PAGE, re.MULTILINE))
    shown = {name for command, _ in BLOCKS for name in re.findall(r"--print-after (\w+)", command)}
    assert shown == set(names)


def test_sizes_times_and_texts_as_json(program: str) -> None:
    done = json.loads(passes("program.py:energy", "--mode", "value", "--print-after", "fuse", "--json"))
    steps = {step["name"]: step for step in done["compiled"]}
    fuse = steps["fuse"]
    assert (fuse["before"]["loops"], fuse["after"]["loops"], fuse["changed"]) == (2, 1, True)
    assert fuse["seconds"] > 0
    assert set(fuse["texts"]) == {"after"} and not steps["contract"]["texts"]
    assert fuse["texts"]["after"].count("for ") == 1


def test_times_are_shown_on_request(program: str) -> None:
    assert not re.search(r"fuse .*\d\.\d\d", passes("program.py:energy"))
    assert re.search(r"fuse .*\d\.\d\d", passes("program.py:energy", "--time-passes"))
    both = passes("program.py:energy", "--time-passes", "--print-after", "fuse")
    assert both.startswith("# after fuse\n") and re.search(r"fuse .*\d\.\d\d", both)


def test_passes_are_left_out(program: str) -> None:
    before = os.environ.get("WENGERT_WITHOUT")
    done = json.loads(passes("program.py:energy", "--without", "fuse,split", "--json"))
    names = [step["name"] for step in done["compiled"]]
    assert names == [one.__name__ for one in pipeline.LAST if one.__name__ not in ("fuse", "split")]
    others = [step for step in done["compiled"] if step["name"] != "eliminate_dead_code"]
    assert all(step["after"]["loops"] == step["before"]["loops"] for step in others)
    assert os.environ.get("WENGERT_WITHOUT") == before


def test_all_texts_parse_with_places(program: str) -> None:
    done = passes("program.py:slope", "--print-before", "all", "--print-after", "all", "--spans")
    texts = re.split(r"^# (?:before|after) \w+\n", done, flags=re.MULTILINE)[1:]
    texts = [re.sub(r"^# \w+ \w+: as above\n", "", text, flags=re.MULTILINE) for text in texts]
    assert len(texts) > 5 and all(one != other for one, other in zip(texts, texts[1:], strict=False))
    modules = [parse(text) for text in texts]
    assert modules[-1].entry == "slope_vjp"
    assert any(s.span is not None and s.span.file.endswith("program.py") for s in modules[-1].root.body)


def test_the_gradient_of_chosen_arguments(program: str) -> None:
    text = passes("program.py:energy", "--wrt", "u", "--print-after", "split")
    assert "(u_adj)" in text and "v_adj" not in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--print-after", "fusion"], "no pass fusion here; there are eliminate_dead_code, tidy_names, independent"),
        (["--without", "fuse", "--print-before", "fuse"], "no pass fuse here"),
        (["--without", "tidy_names"], "no pass tidy_names here; there are independent"),
    ],
)
def test_unknown_passes_are_refused(program: str, options: list[str], words: str) -> None:
    with pytest.raises(WengertError, match=words):
        passes("program.py:energy", *options)


def test_an_observer_sees_only_what_runs_within(program: str) -> None:
    module = parse("entry f\n\nfunc f(x: f64) -> () {\n  let y = x * x\n}\n")
    seen: list[str] = []
    with pipeline.observed(lambda step: seen.append(step.name)):
        pipeline.prepare(module)
    pipeline.finish(module)
    assert seen == ["eliminate_dead_code", "tidy_names"]
