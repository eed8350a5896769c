"""The contest of `wengert bench npbench --against`, on a small checkout of our own; needs neither JAX nor Numba."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bench_checkout import checkout as made
from wengert.cli.bench.case import Case, difference, make, match, slope
from wengert.cli.bench.contest import OWN, Round, Setting, chosen_rivals, hold, hold_all
from wengert.cli.bench.programs import Program
from wengert.cli.bench.rivals import save_gradients
from wengert.cli.bench.suite import npbench
from wengert.cli.bench.verification import Limits
from wengert.cli.bench.workers import environment
from wengert.cli.main import app


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return made(tmp_path)


def one(checkout: Path, name: str) -> Program:
    return npbench(checkout).program(name)


def quick(checkout: Path, *rivals: str, seconds: float = 60.0) -> Setting:
    return Setting(npbench(checkout), rivals=rivals, limits=Limits(seconds=seconds), rounds=2, turn=0.0)


def test_a_contest_in_processes(checkout: Path) -> None:
    said: list[str] = []
    results = hold_all(
        npbench(checkout).programs(("recurrence", "integers")), quick(checkout, "numba"), lambda c: said.append(c.name)
    )
    assert said == ["recurrence", "integers"]
    recurrence, integers = results
    assert {name: entry.status for name, entry in recurrence.entries.items()} == {
        "numpy": "ok",
        "numba": "ok",
        "wengert": "ok",
    }
    assert recurrence.checked.startswith("differences to")
    gradient = recurrence.entries["wengert"].gradient
    assert gradient is not None and gradient.calls == 2 and gradient.first is not None
    assert gradient.lower <= gradient.median <= gradient.upper
    assert "o wrong: array 0" in recurrence.entries["numba"].note
    assert recurrence.ratio(("numpy", "primal"), ("wengert", "primal")) is not None
    assert recurrence.ratio(("jax", "gradient"), ("wengert", "gradient")) is None
    memory = recurrence.entries["wengert"].memory
    assert memory is not None and memory.counted is not None and memory.counted >= 2 * 40 * 8  # two gradients
    assert memory.tape is not None and memory.tape <= memory.counted
    assert integers.note == "no gradient: no float outputs"
    assert integers.entries["wengert"].gradient is None and integers.seconds("wengert", "primal") is not None
    assert integers.entries["numba"].status == "absent"


def test_wrong_competitors_are_not_timed(checkout: Path) -> None:
    entry = hold(one(checkout, "wrong"), quick(checkout, "numba")).entries["numba"]  # parallel ones are left out
    assert (entry.status, entry.primal) == ("wrong", None)
    assert "n wrong: array 0" in entry.reason


def test_late_competitors_are_ended(checkout: Path, tmp_path: Path) -> None:
    contest = Round(one(checkout, "hangs"), quick(checkout, "numba", seconds=3.0), tmp_path)
    make(contest.program, "S").save(tmp_path / "case.pickle")
    worker = contest.start("numba")
    assert worker.entry().reason == "not done after 3 s"
    assert worker.process.poll() is not None
    assert "failed" in worker.ask({"do": "time", "what": "primal", "seconds": 0.0})


def analytic(case: Case) -> list[np.ndarray]:
    """The gradient of the recurrence's objective, by hand."""
    (n, a, x, y), weight, carried = case.args, case.weights[0], case.weights[1].copy()
    rows = [y[0]]
    for i in range(1, n):
        rows.append(a * rows[-1] + np.sin(x[i]))
    dx = weight * np.array(rows)
    carried += weight * x
    for i in range(n - 1, 0, -1):
        dx[i] += carried[i] * np.cos(x[i])
        carried[i - 1] += a * carried[i]
    return [dx, np.concatenate([carried[:1], np.zeros(n - 1)])]


def test_the_case_and_its_differences(checkout: Path) -> None:
    program = one(checkout, "recurrence")
    case = make(program, "S")
    assert (case.of, case.wrt, case.returned, len(case.outputs)) == ((3,), (2, 3), 1, 2)
    gradients = analytic(case)
    found = slope(program, case, gradients)
    assert abs(found["differences"] - found["gradient"]) <= 1e-8 * found["scale"]
    only = case.restricted([0])
    assert not np.any(only.weights[1]) and np.array_equal(only.weights[0], case.weights[0])
    found = slope(program, only, gradients)
    assert abs(found["differences"] - found["gradient"]) > 1e-3 * found["scale"]


class Stub:
    """A process that has answered."""

    def __init__(self, folder: Path, name: str, gradients: list[np.ndarray], kept: list[int]) -> None:
        save_gradients(folder / f"{name}.npz", gradients)
        self.state: dict[str, Any] = {"ready": {}, "gradients": str(folder / f"{name}.npz")}
        self.kept = kept
        self.spec: Any = None
        self.replies: dict[str, dict[str, Any]] = {"inexactness": {"inexactness": 0.0}}

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.replies[request["do"]]


def test_differences_decide_between_gradients(checkout: Path, tmp_path: Path) -> None:
    program = one(checkout, "recurrence")
    case = make(program, "S")
    case.save(tmp_path / "case.pickle")
    contest = Round(program, quick(checkout, "jax"), tmp_path)
    right = analytic(case)
    wrong = [right[0] * (1 + 1e-4), right[1]]
    plain: Any = Stub(tmp_path, "numpy", [], [0, 1])

    def compare(theirs: list[np.ndarray], ours: list[np.ndarray], inexact: float = 0.0) -> tuple[str, Any]:
        jax: Any = Stub(tmp_path, "jax", theirs, [0, 1])
        jax.spec = contest.spec("jax")
        wengert: Any = Stub(tmp_path, "wengert", ours, [0, 1])
        wengert.spec = contest.spec("wengert", kept=[0, 1])
        wengert.replies["inexactness"] = {"inexactness": inexact}
        plain.replies["slope"] = {"slope": slope(program, case, ours)}
        return contest.compare(jax, wengert, plain), wengert.state

    assert compare(right, right)[0] == ""
    assert contest.result.checked == "jax"
    text, state = compare(wrong, right)
    assert text.startswith("of argument 2, [") and "ready" in state
    assert contest.result.checked.startswith("differences to")
    assert "wrong" in compare(right, wrong)[1]
    assert compare(wrong, right, inexact=1e-4)[0] == ""
    assert "ill-conditioned" in contest.result.checked


def test_outputs_are_matched_by_value() -> None:
    a, b = np.arange(3.0), np.arange(4.0)
    assert match([b, a * (1 + 1e-9)], [a, b], 1e-6) == {0: 1, 1: 0}
    assert match([b], [a, b], 1e-6) == {1: 0}
    assert difference([a], [a + 1e-3], 1e-6).startswith("array 0[0]: ")
    assert difference([a], [b], 1e-6) == "array 0: shape (3,) instead of (4,)"
    assert difference([a, b], [a], 1e-6) == "2 arrays instead of 1"


def test_gradients_that_are_rounding_are_alike() -> None:
    case = Case((np.ones(3),), (), (0,), outputs=[np.ones(3)], weights=[np.ones(3)])
    assert case.close([np.array([1e-18, 0, 0])], [np.array([-2e-18, 0, 0])], 1e-6) == ""
    assert case.close([np.array([1e-5, 0, 0])], [np.array([2e-5, 0, 0])], 1e-6) != ""


def test_the_command(checkout: Path) -> None:
    run = CliRunner().invoke(app, ["bench", "npbench", str(checkout), "--against", "numpy", "--only", "recurrence"])
    assert run.exit_code == 0, run.output
    assert "wengert gradient / wengert primal: geometric mean" in run.output
    run = CliRunner().invoke(app, ["bench", "npbench", str(checkout)])
    assert run.exit_code == 2 and "--against" in run.output
    with pytest.raises(ValueError, match="no competitor fortran"):
        chosen_rivals("numpy,fortran")


def test_every_competitor_is_told_the_threads(tmp_path: Path) -> None:
    found = environment(2, tmp_path)
    assert {found[f"{name}_NUM_THREADS"] for name in ("WENGERT", "OMP", "OPENBLAS", "NUMBA")} == {"2"}
    assert "intra_op_parallelism_threads=2" in found["XLA_FLAGS"]


class Arrival(Round):
    """A contest whose JAX programs have prepared: what they answered, by where they come from."""

    answers: dict[str, dict[str, Any]]

    def start(self, rival: str, source: str = "", kept: Any = None) -> Any:
        stub = Stub(self.folder, f"{rival}{source}", self.gradients[rival + source], [0, 1])
        stub.spec = self.spec(rival, source, kept)
        if rival == "jax":
            stub.state |= self.answers[source]
        stub.ready, stub.lost = "ready" in stub.state, "slower, or fewer outputs"
        return stub


def test_the_suites_own_jax_program_is_timed_beside_the_fastest(checkout: Path, tmp_path: Path) -> None:
    (checkout / "npbench" / "benchmarks" / "recurrence" / "recurrence_jax.py").write_text("")
    rewrites = tmp_path / "jax.py"
    rewrites.write_text("def recurrence(N, a, x, y):\n    return x\n")
    suite = npbench(checkout, rewrites)
    program = suite.program("recurrence")
    case = make(program, "S")
    case.save(tmp_path / "case.pickle")
    right = analytic(case)
    wrong = [right[0] * 1.5, right[1]]

    def held(own: list[np.ndarray], seconds: float) -> tuple[Arrival, dict[str, Any]]:
        contest = Arrival(program, Setting(suite, rivals=("jax",)), tmp_path)
        contest.answers = {
            "npbench": {"trial": {"gradient": seconds}, "note": ""},
            "ours": {"trial": {"gradient": 1.0}, "note": ""},
        }
        contest.gradients = {"jaxnpbench": own, "jaxours": right, "wengert": right}
        plain: Any = Stub(tmp_path, "numpy", [], [0, 1])
        plain.replies["slope"] = {"slope": slope(program, case, right)}
        return contest, contest.jax(plain)

    contest, found = held(right, 5.0)
    assert found["jax"].spec.source == "ours" and found[OWN].spec.source == "npbench"
    assert "npbench: slower" in found["jax"].state["note"]
    contest, found = held(right, 0.5)
    assert found["jax"] is found[OWN]
    contest, found = held(wrong, 0.5)
    assert found["jax"].spec.source == "ours" and "gradient of argument 2" in found[OWN].state["wrong"]


def test_what_no_differences_resolve_is_said(checkout: Path, tmp_path: Path) -> None:
    program = one(checkout, "recurrence")
    contest = Round(program, quick(checkout), tmp_path)
    case = make(program, "S")
    ours: Any = Stub(tmp_path, "wengert", analytic(case), [0, 1])
    ours.spec = contest.spec("wengert", kept=[0, 1])
    plain: Any = Stub(tmp_path, "numpy", [], [0, 1])

    def said(**values: float) -> str:
        plain.replies["slope"] = {"slope": values}
        return contest.arbitrate(ours, plain)

    assert said(differences=500.0, error=100.0, gradient=1.0, scale=2.0) == "not compared: differences do not settle"
    assert "ready" in ours.state
    said(differences=500.0, error=1e-9, gradient=0.0, scale=0.0)  # a silent zero is no reason not to compare
    assert "wrong" in ours.state
