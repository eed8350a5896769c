"""`wengert bench memory`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from wengert.cli.bench import memory_report as report
from wengert.cli.bench.memory_jax import Policy, best
from wengert.cli.bench.memory_runs import Measured, Strategy, Within
from wengert.cli.bench.pages import tables
from wengert.cli.main import app

PROGRAMS = """
import numpy as np

def steps(u, n):
    for _ in range(n):
        u = np.sin(u) * 1.1 + 0.1 * u * u
    return np.sum(u * u)

def broken(u):
    raise NotImplementedError(u.tofile("x"))

PROGRAMS = {"steps": (steps, lambda: (np.linspace(0, 1, 200), 30)), "broken": (broken, lambda: (np.ones(3),))}
"""


def within(limit: int, measured: float | None, predicted: float = 1.0, peak: int = 0) -> Within:
    return Within(limit, 0.1, peak, limit, predicted, measured, [])


def test_what_tables_say() -> None:
    one = Measured("one", 0.1, [within(10, 2.0), within(20, 1.0), within(30, None), within(40, 1.5, 0.5)])
    assert report.slower(one) == 1.5
    assert report.off(one) == (1 / 3, 1.0)
    assert report.exceeded(one) == 0
    assert report.exceeded(Measured("two", limits=[within(10, 1.0, peak=11)])) == 1
    one.strategies = [
        Strategy("minimum cut", None, 40, 1.0),
        Strategy("store all", None, 90, 0.5),
        Strategy("chosen", 20, 20, 2.0),
        Strategy("binomial", 20, 19, 3.0),
        Strategy("chosen", 50, 20, 2.0),
    ]
    found = dict(report.at_limits(one))
    assert set(found[20]) == {"chosen", "binomial"}
    assert set(found[50]) == {"chosen", "minimum cut"}
    assert (report.best_other(found[20]), report.best_other(found[50])) == (3.0, 1.0)
    one.jax = [Policy(4, True, 70, 3.0), Policy(1, False, 90, 2.5)]
    one.strategies.append(Strategy("beside", 70, 60, 1.5))
    assert [p.bytes for p in best([Policy(2, True, 80, 4.0), *one.jax])] == [70, 90]
    text = "\n".join(report.table([one], page=False))
    assert "4 segments, states of steps" in text
    assert "2.00" in text
    assert "larger limit took longer (by more than 15 %) for: one." in text
    assert "than all others (by more than 15 %): one." in text
    assert "slower than another: one." in text


def test_the_command(tmp_path: Path) -> None:
    path, saved = tmp_path / "programs.py", tmp_path / "memory.json"
    path.write_text(PROGRAMS)
    call = ["bench", "memory", str(path), "--seconds", "0.2", "--timeout", "60", "--save", str(saved)]
    done = CliRunner().invoke(app, [*call, "--only", "steps", "--json"])
    assert done.exit_code == 0, done.output
    (one,) = json.loads(done.stdout)["memory"]
    assert len(one["limits"]) == 20
    assert all(0 < w["peak"] == w["predicted_peak"] <= w["limit"] and w["measured"] > 0 for w in one["limits"])
    names = {s["name"] for s in one["strategies"]}
    assert names == {"chosen", "loops alone", "binomial", "minimum cut", "store all", "recompute all"}
    assert report.read(saved) == [report.read_one(one)]
    page = tables([saved])["memory"]
    assert page.startswith("| program | limits |")
    assert "exceeded the limit 0 times of 20" in page


def test_a_program_that_fails_is_said(tmp_path: Path) -> None:
    path = tmp_path / "programs.py"
    path.write_text(PROGRAMS)
    done = CliRunner().invoke(app, ["bench", "memory", str(path), "--only", "broken", "--timeout", "30"])
    assert done.exit_code == 1
    assert "broken" in done.output
    assert report.measured(path, "steps", 1.0, 0.05).reason.startswith("not done in")


@pytest.mark.parametrize("name", ["burgers", "channel", "nested_times"])
def test_our_programs_are_differentiated(name: str) -> None:
    from wengert import grad
    from wengert.cli.bench.programs import load_module
    from wengert.cli.bench.suite import BENCHMARKS

    function, make = load_module(BENCHMARKS / "memory_programs.py").PROGRAMS[name]
    args = make()
    small = [a[:9, :9] if getattr(a, "ndim", 0) == 2 else a[:9] if getattr(a, "ndim", 0) else min(a, 7) for a in args]
    if name == "channel":
        small[-1] = 1e-2
    expected = grad(function)(*small)
    g = grad(function, memory_limit="40 kB")
    assert abs(g(*small) - expected).max() < 1e-12
    assert g.memory is not None
    assert g.memory.peak <= 40_000


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
@pytest.mark.parametrize("name", ["burgers", "lstm"])
def test_the_counterparts_of_jax_have_the_same_gradient(name: str) -> None:
    import jax

    from wengert import grad
    from wengert.cli.bench.programs import load_module
    from wengert.cli.bench.suite import BENCHMARKS

    function, make = load_module(BENCHMARKS / "memory_programs.py").PROGRAMS[name]
    counterparts = load_module(BENCHMARKS / "jax_memory.py").PROGRAMS
    args = make()
    args = (*args[:3], 11) if name == "burgers" else (args[0], args[1][:11], *args[2:])
    expected = grad(function)(*args)
    for segments, steps in ((1, False), (3, True), (4, False)):
        with jax.enable_x64(True):
            gradient, given = counterparts[name](args, segments, steps)
            np.testing.assert_allclose(jax.jit(gradient)(*given), expected, rtol=1e-10, atol=1e-12)
