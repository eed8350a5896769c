"""The NPBench harness, on a small checkout of our own and with differences in the place of the compiler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reference_engine import Differences
from wengert import differences as fd
from wengert.cli.bench import verification_worker
from wengert.cli.bench.npbench import benchmarks
from wengert.cli.bench.programs import Program, SuiteError, parameters, scaled
from wengert.cli.bench.verification import Result, as_json, summary, table
from wengert.verify import Linearization

SMOOTH_INIT = """
import numpy as np

def initialize(N):
    return np.linspace(0.1, 1.0, N), np.zeros(N)
"""
SMOOTH = """
import numpy as np

def kernel(N, a, x, y):
    for i in range(1, N):
        y[i] = a * y[i - 1] + np.sin(x[i])
    return np.sum(x * y)
"""
INTEGERS = """
def kernel(N):
    count = 0
    for i in range(N):
        count ^= i << 1
    return count
"""
SINGLE_INIT = """
import numpy as np

def initialize(N):
    return np.linspace(0.1, 1.0, N, dtype=np.float32)
"""
SINGLE = """
import numpy as np

def kernel(x):
    y = np.empty(x.shape, dtype=np.float32)
    y[:] = np.exp(x) * x
    return y
"""


def write(checkout: Path, name: str, text: str, init: str | None, info: dict[str, Any]) -> None:
    folder = checkout / "npbench" / "benchmarks" / name
    folder.mkdir(parents=True)
    (folder / f"{name}_numpy.py").write_text(text)
    (folder / f"{name}.py").write_text(init or "")
    common = {"relative_path": name, "module_name": name, "func_name": "kernel"}
    (checkout / "bench_info").mkdir(exist_ok=True)
    (checkout / "bench_info" / f"{name}.json").write_text(json.dumps({"benchmark": {**common, **info}}))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    made = {"func_name": "initialize", "input_args": ["N"], "output_args": ["x", "y"]}
    smooth = {"init": made, "input_args": ["N", "a", "x", "y"], "parameters": {"S": {"N": 40, "a": 0.5}}}
    write(tmp_path, "smooth", SMOOTH, SMOOTH_INIT, smooth)
    write(tmp_path, "integers", INTEGERS, None, {"input_args": ["N"], "parameters": {"S": {"N": 90}}})
    made = {"func_name": "initialize", "input_args": ["N"], "output_args": ["x"]}
    write(tmp_path, "single", SINGLE, SINGLE_INIT, {"init": made, "input_args": ["x"], "parameters": {"S": {"N": 9}}})
    return tmp_path


def verified(program: Program, engine: Any, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(verification_worker, "FLOATS", 30)
    result = Result(program.name)
    verification_worker.verify_program(program, "S", engine, 0, lambda stage: result.add(json.loads(json.dumps(stage))))
    return result


def test_programs_are_read(checkout: Path) -> None:
    assert [program.name for program in benchmarks(checkout)] == ["integers", "single", "smooth"]
    smooth = benchmarks(checkout, ("smooth",))[0]
    size, a, x, y = smooth.arguments(parameters(smooth, "S"))
    assert (size, a, x.shape, y.shape) == (40, 0.5, (40,), (40,))
    with pytest.raises(SuiteError, match="no preset 'XL'; it has S"):
        parameters(smooth, "XL")
    with pytest.raises(SuiteError, match="no program rough"):
        benchmarks(checkout, ("rough",))


def test_sizes_shrink_by_one_factor(checkout: Path) -> None:
    smooth = benchmarks(checkout, ("smooth",))[0]
    small = scaled(smooth, "S", seconds=10.0, floats=30)
    assert small["a"] == 0.5
    assert 6 <= small["N"] <= 15


def test_double_precision_reference(checkout: Path) -> None:
    single = benchmarks(checkout, ("single",))[0]
    args = single.arguments(parameters(single, "S"))
    assert single.load()(*args).dtype == np.float32
    assert single.load(double=True)(*fd.doubled(args)).dtype == np.float64


def test_right_programs_pass(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [verified(program, Differences(), monkeypatch) for program in benchmarks(checkout)]
    assert all(result.ok for result in results), "\n".join(table(results))
    assert [result.vjp for result in results] == [None, True, True]
    assert results[0].note == "no float inputs"
    assert [result.hvp for result in results] == [None, True, True]
    assert summary(results).startswith("values 3/3; jvp 2/2; vjp 2/2; hvp 2/2; without derivatives: integers")
    assert json.loads(as_json(results))["programs"][2]["ok"] is True


class Forgetful(Differences):
    """Loses what flows through mutated arguments."""

    def vjp(self, at: Linearization) -> Any:
        outputs, pullback = super().vjp(at)
        returned = len(fd.floats(at.f(*fd.with_floats(at.args, fd.floats(at.args)))))
        return outputs, lambda weights: pullback(weights[:returned] + [0 * w for w in weights[returned:]])


def test_wrong_gradients_are_found(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = verified(benchmarks(checkout, ("smooth",))[0], Forgetful(), monkeypatch)
    assert (result.value, result.jvp, result.vjp, result.ok) == (True, True, False, False)
    assert "vjp" in result.reason


class Broken(Differences):
    def vjp(self, *_: Any) -> Any:
        raise TypeError("smooth_numpy.py:5: no")


def test_errors_are_reported(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = verified(benchmarks(checkout, ("smooth",))[0], Broken(), monkeypatch)
    assert (result.value, result.vjp, result.ok) == (True, False, False)
    assert "no" in result.reason
    assert "Traceback" in result.traceback


def test_kinks_and_saturation_are_avoided() -> None:
    counted = verification_worker.generic((np.arange(5), np.int64(3), 4))
    assert [np.asarray(x).dtype.kind for x in counted] == ["f", "f", "i"]
    assert not np.any(counted[0] == np.round(counted[0]))
    resting = verification_worker.generic((np.zeros(5), np.arange(5)))
    assert np.ptp(resting[0]) > 0
    assert resting[1].dtype.kind == "i"

    def softmax(x: np.ndarray) -> np.ndarray:
        e = np.exp(x - np.max(x))
        return e / np.sum(e)

    x = np.array([1e3, 2e3, 3e3])
    assert np.max(verification_worker.unsaturated(softmax, (x,), ())[0]) < 300
