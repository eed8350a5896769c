"""`wengert bench fields`, on a folder of our own; needs neither JAX nor Numba."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from wengert.cli.bench.case import make, slope
from wengert.cli.bench.contest import Setting, hold
from wengert.cli.bench.programs import SuiteError, scaled
from wengert.cli.bench.suite import Suite, fields
from wengert.cli.bench.verification import Limits
from wengert.cli.main import app

DECAY = """
import numpy as np

PRESETS = {"S": {"n": 40, "rate": 0.5}}

def initialize(n, rate):
    return np.random.default_rng(0).uniform(1, 2, n), rate

def half(x):
    return 0.5 * x

def decay(x, rate):
    for i in range(1, len(x)):
        x[i] -= rate * half(x[i - 1])
    return np.sum(x * x)
"""
RING = """
import numpy as np

PRESETS = {"S": {"n": 40}}

def initialize(n):
    return (np.random.default_rng(1).uniform(1, 2, n),)

def ring(x):
    return (1e4 * x) % 1.0
"""
BARE = "def bare(x):\n    return x\n"
REFUSED = DECAY.replace("decay", "refused").replace("np.sum(x * x)", "np.sum(x) * eval('2')")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "decay.py").write_text(DECAY)
    return tmp_path


def test_programs_are_read(folder: Path) -> None:
    (program,) = fields(folder).programs()
    assert (program.name, program.inputs) == ("decay", ("x", "rate"))
    assert 6 <= len(program.arguments(scaled(program, "S", 10.0, 9))[0]) <= 9
    args = program.arguments(program.presets["S"])
    np.testing.assert_array_equal(args[0], program.arguments(program.presets["S"])[0])
    assert Suite(**json.loads(json.dumps(asdict(fields(folder))))).program("decay") == program


def test_counterparts_are_found_by_name_and_not_run(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "theirs" / "jax.py"
    path.parent.mkdir()
    path.write_text("import no_such_module\n\ndef decay(x, rate):\n    return x\n")
    assert list(fields(folder, path).program("decay").jax()) == ["ours"]
    path.write_text("def decayed(x, rate):\n    return x\n")
    assert not fields(folder, path).program("decay").jax()
    assert list(fields(folder).program("decay").numba(1)) == ["njit"]


def test_what_is_no_suite_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no folder"):
        fields(tmp_path / "nowhere")
    with pytest.raises(SuiteError, match="no program rough; there are decay"):
        fields(folder).programs(["rough"])
    (folder / "bare.py").write_text(BARE)
    with pytest.raises(SuiteError, match="does not define PRESETS, initialize and bare"):
        fields(folder).programs()
    assert [p.name for p in fields(folder).programs(["decay"])] == ["decay"]


def test_without_a_counterpart_the_gradient_is_compared_with_differences(folder: Path) -> None:
    suite = fields(folder)
    setting = Setting(suite, rivals=("jax",), limits=Limits(60.0), rounds=1, turn=0.0)
    contest = hold(suite.program("decay"), setting)
    assert contest.entries["jax"].status == "absent"
    assert contest.entries["wengert"].status == "ok" and contest.entries["wengert"].gradient is not None
    assert contest.checked.startswith("differences to")


def test_differences_see_past_jumps(folder: Path) -> None:
    (folder / "ring.py").write_text(RING)
    program = fields(folder).program("ring")
    case = make(program, "S")
    found = slope(program, case, [1e4 * case.weights[0]])
    assert abs(found["differences"] - found["gradient"]) <= 1e-6 * found["scale"]
    found = slope(program, case, [1.1e4 * case.weights[0]])
    assert abs(found["differences"] - found["gradient"]) > max(1e-6 * found["scale"], found["error"])


def test_the_command(folder: Path) -> None:
    run = CliRunner().invoke(app, ["bench", "fields", str(folder), "--verify"])
    assert run.exit_code == 0, run.output
    assert "values 1/1; jvp 1/1; vjp 1/1; hvp 1/1" in run.output
    (folder / "refused.py").write_text(REFUSED)
    run = CliRunner().invoke(app, ["bench", "fields", str(folder), "--verify", "--only", "refused", "--json"])
    assert run.exit_code == 1
    assert "eval" in json.loads(run.output)["programs"][0]["reason"]
    assert CliRunner().invoke(app, ["bench", "fields", str(folder)]).exit_code == 2
