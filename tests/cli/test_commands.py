"""The command `wengert`: what it prints, what it refuses, how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wengert.analysis.cost.machine import DEFAULT, Machine

PROGRAM = """
import numpy as np

def energy(u, nu, n):
    for t in range(n):
        un = u.copy()
        u[1:-1] = un[1:-1] - nu * un[1:-1] * (un[1:-1] - un[:-2])
    return np.sum(u * u)

def square(x):
    return x * x

def cube(x):
    return x**3

def counts(n):
    return n + 1

def evaluates(x):
    return x * eval("2.0")

def raises(x):
    return x * [][0]

energy_args = (np.linspace(0.0, 1.0, 12), 0.1, 3)
example_args = (1.5,)
counts_args = (3,)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def wengert(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wengert.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_check_of_a_right_program(program: Path) -> None:
    done = wengert("check", f"{program}:energy")
    assert done.returncode == 0, done.stderr
    for word in ("value", "jvp", "vjp", "dot product"):
        assert word in done.stdout
    assert done.stderr == ""


def test_check_as_json(program: Path) -> None:
    done = wengert("check", f"{program}:square", "--json", "--args", "(2.5,)")
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert {"value", "vjp"} <= {finding["name"] for finding in report["findings"]}


def test_check_with_chosen_inputs(program: Path) -> None:
    assert wengert("check", f"{program}:energy", "--wrt", "nu").returncode == 0
    done = wengert("check", f"{program}:energy", "--wrt", "mu")
    assert done.returncode == 2
    assert "no parameter mu; there are u, nu, n" in done.stderr


@pytest.mark.parametrize(
    ("target", "extra", "words"),
    [
        ("energy", (), "write FILE.py:FUNC"),
        ("nowhere.py:f", (), "there is no file nowhere.py"),
        ("{program}:nothing", (), "has no 'nothing'; it defines energy, square"),
        ("{program}:energy_args", (), "not a function"),
        ("{program}:square", ("--args", "(undefined,)"), "NameError"),
        ("{program}:evaluates", (), "way out"),
        ("{program}:raises", (), "program.py:23: IndexError: list index out of range"),
    ],
)
def test_refusals_say_what_to_do(program: Path, target: str, extra: tuple[str, ...], words: str) -> None:
    done = wengert("check", target.format(program=program), *extra)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_arguments(tmp_path: Path) -> None:
    path = tmp_path / "bare.py"
    path.write_text("def f(x):\n    return x * x\n")
    done = wengert("check", f"{path}:f")
    assert done.returncode == 2
    assert "--args" in done.stderr
    assert "f_args = (...) or example_args = (...) in bare.py" in done.stderr


def test_emit_is_readable(program: Path) -> None:
    done = wengert("emit", f"{program}:energy")
    assert done.returncode == 0, done.stderr
    assert "energy" in done.stdout
    assert "program.py:7" in done.stdout
    assert "u_adj" in done.stdout
    assert "nu_adj" in done.stdout
    value = wengert("emit", f"{program}:energy", "--mode", "value").stdout
    assert "u_adj" not in value
    assert "energy" in value
    assert wengert("emit", f"{program}:energy", "--mode", "sideways").returncode == 2


def test_emit_needs_float_outputs(program: Path) -> None:
    done = wengert("emit", f"{program}:counts")
    assert done.returncode == 2
    assert "no floats" in done.stderr


def test_explain(program: Path) -> None:
    done = wengert("explain", f"{program}:energy")
    assert done.returncode == 0, done.stderr
    assert "stored" in done.stdout
    assert "un = u.copy()" in done.stdout
    found = json.loads(wengert("explain", f"{program}:energy", "--json").stdout)
    assert found["tape_bytes"] == 3 * 12 * 8
    assert {v["how"] for v in found["values"]} == {"stored", "kept", "recomputed"}


def test_doctor() -> None:
    done = wengert("doctor", "--json")
    items = {item["name"]: item for item in json.loads(done.stdout)}
    assert set(items) == {"versions", "compiler", "cache", "blas", "threads", "machine", "gradient"}
    assert all(item["ok"] for item in items.values()), done.stdout
    assert done.returncode == 0


def test_doctor_finds_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))
    done = wengert("doctor")
    assert done.returncode == 1
    assert "FAIL  compiler" in done.stdout
    assert "no-such-compiler" in done.stdout


def test_doctor_tells_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WENGERT_NUM_THREADS", "none")
    assert "FAIL  threads" in wengert("doctor").stdout
    poor = tmp_path / "cc"
    poor.write_text('#!/bin/sh\nfor a in "$@"; do [ "$a" = -fopenmp ] && exit 1; done\nexec cc "$@"\n')
    poor.chmod(0o755)
    monkeypatch.setenv("CC", str(poor))
    monkeypatch.setenv("WENGERT_NUM_THREADS", "3")
    done = wengert("doctor")
    assert done.returncode == 1
    assert "FAIL  threads    WENGERT_NUM_THREADS is 3, but the compiler has no OpenMP" in done.stdout
    assert "ok    gradient" in done.stdout


def test_bench_needs_a_checkout(tmp_path: Path) -> None:
    done = wengert("bench", "npbench", tmp_path, "--verify")
    assert done.returncode == 2
    assert "github.com/spcl/npbench" in done.stderr
    assert wengert("bench", "npbench", tmp_path).returncode == 2


def test_help_and_version() -> None:
    assert "check" in wengert("--help").stdout
    assert wengert("--version").stdout.startswith("wengert ")


def test_calibrate_shows_the_committed_machine() -> None:
    done = wengert("calibrate", "--default")
    assert done.returncode == 0
    assert "exp " in done.stdout and "GB/s" in done.stdout and "matmul" in done.stdout
    assert Machine.from_json(json.loads(wengert("calibrate", "--default", "--json").stdout)) == DEFAULT
