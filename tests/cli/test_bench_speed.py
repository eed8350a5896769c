"""`wengert bench speed`, on a small checkout and a table of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench_checkout import checkout as made
from wengert.cli.bench.contest import Contest, Entry, Timing
from wengert.cli.bench.programs import SuiteError
from wengert.cli.bench.speed import Reference, geometric, references, standing, suite, summary
from wengert.cli.bench.suite import BENCHMARKS
from wengert.cli.main import app


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    table = {"recurrence": {"sizes": {"N": 30, "a": 0.25}, "numpy_ms": 8.0, "hand_ms": 2.0}}
    (tmp_path / "table.json").write_text(json.dumps(table))
    return made(tmp_path)


def test_the_sizes_of_the_table_are_a_preset(checkout: Path) -> None:
    found, rows = suite(checkout, checkout / "table.json")
    assert rows == {"recurrence": Reference(8.0, 2.0)}
    (program,) = found.programs()  # those without a row are left out
    assert program.presets["hand"] == {"N": 30, "a": 0.25}
    assert len(program.arguments(program.presets["hand"])[2]) == 30
    with pytest.raises(SuiteError, match="no program wrong; there are recurrence"):
        found.programs(["wrong"])
    with pytest.raises(SuiteError, match="name a table"):
        suite(checkout, checkout / "nothing.json")


def test_our_table_has_the_twelve() -> None:
    rows = references(BENCHMARKS / "hand_written.json")
    assert len(rows) == 12 and all(0 < row.hand_ms < row.numpy_ms for row in rows.values())


def test_hand_written_times_are_scaled_by_numpy() -> None:
    entries = {
        "numpy": Entry("ok", primal=Timing.of([[0.016], [0.032], [0.016]], None)),
        "wengert": Entry("ok", gradient=Timing.of([[0.008], [0.016], [0.016]], 1.0)),
    }
    found = standing(Contest("one", entries, "differences to 1e-9"), Reference(numpy_ms=8.0, hand_ms=2.0))
    assert found.hand == pytest.approx(0.004)  # NumPy takes twice as long here as there
    assert found.multiple == pytest.approx(2.0)  # in two of three turns half of NumPy's time, a quarter by hand
    assert found.upper == pytest.approx(3.0)
    assert geometric([1.0, 4.0]) == pytest.approx(2.0)
    lost = standing(Contest("two", {"numpy": Entry("failed", "no memory")}), Reference(8.0, 2.0))
    assert lost.multiple is None and lost.reason == "numpy failed: no memory"
    assert "geometric mean of 1: 2.00" in summary([found, lost])


def test_the_command(checkout: Path) -> None:
    arguments = ["bench", "speed", str(checkout), "--table", str(checkout / "table.json"), "--rounds", "2"]
    run = CliRunner().invoke(app, [*arguments, "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.output)
    assert found["standings"][0]["multiple"] == pytest.approx(found["geometric"])
    assert found["standings"][0]["checked"].startswith("differences to")
    run = CliRunner().invoke(app, [*arguments, "--markdown"])
    assert run.exit_code == 0 and "| recurrence |" in run.output
