"""Results of `wengert bench SUITE --against` as files, tables, pages and charts."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench_checkout import checkout as made
from wengert.cli.bench.contest import OWN, Setting
from wengert.cli.bench.pages import tables, written
from wengert.cli.bench.report import markdown, means, table
from wengert.cli.bench.results import Contest, Entry, Memory, Timing
from wengert.cli.bench.runs import OtherRun, Run, largest, merged
from wengert.cli.bench.suite import BENCHMARKS, npbench
from wengert.cli.main import app


def timing(median: float) -> Timing:
    return Timing.of([[0.9 * median], [median], [1.1 * median]], 1.0)


def contests() -> list[Contest]:
    first = Contest(
        "first",
        {
            "numpy": Entry("ok", primal=timing(0.008)),
            "wengert": Entry(
                "ok", primal=timing(0.001), gradient=timing(0.002), memory=Memory(3000000, 2500000, 400000)
            ),
            "jax": Entry("ok", source="ours", gradient=timing(0.004), memory=Memory(6000000, 5000000)),
            OWN: Entry("ok", source="npbench", gradient=timing(0.2)),
        },
    )
    second = replace(first, name="second", entries={**first.entries, "jax": Entry("wrong", "transposed")})
    third = replace(first, name="third", entries={**first.entries, "jax": Entry("ok", gradient=timing(0.016))})
    return [first, second, third]


def run(tmp_path: Path, preset: str = "S", threads: int = 1, programs: list[Contest] | None = None) -> Run:
    found = Run.of(Setting(npbench(tmp_path), preset, ("numpy", "jax"), threads))
    found.programs = contests() if programs is None else programs
    return found


def test_means_and_tables(tmp_path: Path) -> None:
    mean = means(contests())["jax gradient / wengert gradient"]
    assert mean["programs"] == 2 and mean["arithmetic"] == pytest.approx(5.0) and mean["geometric"] == pytest.approx(4)
    assert means(contests())["jax npbench gradient / wengert gradient"]["geometric"] == pytest.approx(100.0)
    assert means(contests())["jax memory / wengert memory"]["geometric"] == pytest.approx(2.0)
    lines = list(table(run(tmp_path)))
    heads = ["program", "numpy", "wengert", "gradient", "jax", "its", "own", "jax/wg", "own/wg", "grad/pr"]
    assert lines[0].split()[: len(heads)] == heads  # nothing of Numba and DaCe, which did not take part
    cells = ["first", "8.00", "1.00", "2.00", "4.00", "200", "2.00", "100.00", "2.00", "3", "0.4", "6"]
    assert lines[1].split() == cells
    assert lines[2].split()[4] == "wrong"
    assert lines[-1] == "second, jax: wrong: transposed"
    page = list(markdown(run(tmp_path)))
    assert any(line.startswith("| second |") and "wrong" in line for line in page)
    assert "JAX as NPBench has it" in page[0] and page[-1].endswith("second, jax: wrong.")


def test_ratios_are_medians_over_turns_side_by_side() -> None:
    slow = Entry("ok", gradient=Timing.of([[1.0], [4.0]], None))  # the machine was busy in the second turn
    fast = Entry("ok", gradient=Timing.of([[0.5], [2.0], [9.0]], None))
    assert Contest("one", {"jax": slow, "wengert": fast}).spread(("jax", "gradient"), ("wengert", "gradient")) == (
        2,
        2,
        2,
    )


def test_files_of_results(tmp_path: Path) -> None:
    path, whole = tmp_path / "run.json", run(tmp_path)
    whole.save(path)
    assert Run.read(path) == whole and not list(tmp_path.glob("*.partial"))
    part = run(tmp_path, programs=[])
    assert part.resumed(path).programs == whole.programs
    assert part.resumed(tmp_path / "none.json") is part
    with pytest.raises(OtherRun, match="another setting: preset"):
        run(tmp_path, "M", programs=[]).resumed(path)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(OtherRun, match="holds no run"):
        Run.read(tmp_path / "other.json")


def test_files_are_merged_by_what_was_measured(tmp_path: Path) -> None:
    first, second, third = contests()
    again = replace(first, note="again")
    found = merged(
        [run(tmp_path, programs=[second, first]), run(tmp_path, "M", programs=[third]), run(tmp_path, programs=[again])]
    )
    assert [(one.setting["preset"], [c.name for c in one.programs]) for one in found] == [
        ("S", ["first", "second"]),
        ("M", ["third"]),
    ]
    assert found[0].programs[0].note == "again"
    (top,) = largest([*found, run(tmp_path, "M", programs=[second])])
    assert top.title == "npbench largest, 1 thread"
    assert [one.name for one in top.programs] == ["first", "third"]  # JAX was wrong in the second


def test_tables_in_pages_are_generated(tmp_path: Path) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    run(tmp_path).save(one)
    fast = replace(contests()[0].entries["wengert"], gradient=timing(0.001))
    run(tmp_path, threads=2, programs=[replace(c, entries={**c.entries, "wengert": fast}) for c in contests()]).save(
        two
    )
    found = tables([one, two])
    assert set(found) == {"npbench S, 1 thread", "npbench S, 2 threads", "npbench S, 2 threads over 1"}
    assert "| first | 2.00 | 1.00 | 1.00 | 4.00 |" in found["npbench S, 2 threads over 1"]
    page = "A\n<!-- table: npbench S, 1 thread -->\nold\n<!-- end -->\nB\n<!-- table: else -->\nkept\n<!-- end -->\n"
    text, names = written(page, found)
    assert names == ["npbench S, 1 thread"]
    assert "old" not in text and "| first |" in text and "\nB\n<!-- table: else -->\nkept\n" in text
    assert written(text, found)[0] == text
    (tmp_path / "page.md").write_text(page)
    done = CliRunner().invoke(app, ["bench", "table", str(one), str(two), "--into", str(tmp_path / "page.md")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "page.md").read_text() == text
    done = CliRunner().invoke(app, ["bench", "table", str(one)])
    assert "npbench S, 1 thread" in done.output and "| first |" in done.output


def test_the_committed_page_has_the_committed_results() -> None:
    page = (BENCHMARKS / "README.md").read_text()
    assert written(page, tables(sorted((BENCHMARKS / "results").glob("*.json"))))[0] == page


def test_a_run_is_saved_after_every_program_and_resumed(tmp_path: Path) -> None:
    checkout, path = made(tmp_path), tmp_path / "run.json"
    arguments = ["bench", "npbench", str(checkout), "--against", "numpy", "--rounds", "1", "--save", str(path)]
    done = CliRunner().invoke(app, [*arguments, "--only", "recurrence"])
    assert done.exit_code == 0, done.output
    before = json.loads(path.read_text())["programs"]
    done = CliRunner().invoke(app, [*arguments, "--only", "recurrence,integers", "--resume"])
    assert done.exit_code == 0, done.output
    after = json.loads(path.read_text())["programs"]
    assert [one["name"] for one in after] == ["recurrence", "integers"] and after[0] == before[0]


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
def test_the_chart(tmp_path: Path) -> None:
    from wengert.cli.bench.chart import plot

    for suffix, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        plot(run(tmp_path), tmp_path / f"chart.{suffix}")
        assert (tmp_path / f"chart.{suffix}").read_bytes().startswith(start)
    plot(run(tmp_path, programs=[]), tmp_path / "empty.png")
