"""What competitors are given and how they are measured; JAX and DaCe themselves where they are installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench_checkout import checkout as made
from wengert.cli.bench import dace_rival, memory
from wengert.cli.bench.case import Case
from wengert.cli.bench.contest import OWN, Setting, hold
from wengert.cli.bench.npbench import Benchmark
from wengert.cli.bench.suite import npbench
from wengert.cli.bench.verification import Limits
from wengert.cli.bench.workers import command

DACE = os.environ.get("WENGERT_BENCH_DACE", "")
JAX_PROGRAM = """
import jax
import jax.numpy as jnp

@jax.jit
def kernel(N, a, x, y):
    for i in range(1, N):
        y = y.at[i].set(a * y[i - 1] + jnp.sin(x[i]))
    return jnp.sum(x * y), y
"""
DACE_PROGRAM = """
import dace as dc
import numpy as np

N, M = (dc.symbol(s, dtype=dc.int64) for s in ("N", "M"))

@dc.program
def kernel(a: dc.float64, x: dc.float64[N], y: dc.float64[N]):
    for i in range(1, N):
        y[i] = a * y[i - 1] + np.sin(x[i])
    return np.sum(x * y)
"""


def counterpart(checkout: Path, kind: str, text: str) -> None:
    (checkout / "npbench" / "benchmarks" / "recurrence" / f"recurrence_{kind}.py").write_text(text)


def test_the_peak_of_a_call() -> None:
    size = 40_000_000
    kept = np.ones(size // 8)

    def call() -> Any:
        return float(np.sum(kept + 1.0))  # a temporary of that size, gone at the end

    call()
    value, taken = memory.peak(call)
    assert value == 2 * kept.size
    if taken is None:
        pytest.skip("the system does not let a process reset its high-water mark")
    assert 0.9 * size < taken < 1.3 * size
    assert memory.peak(lambda: 1)[1] < 0.1 * size


def test_another_interpreter_finds_wengert_and_its_own_packages() -> None:
    found = command(sys.executable)
    assert found[0] == sys.executable
    assert command("")[1:] == ["-m", "wengert.cli.bench.rivals"]
    text = found[2].replace("main()", "print(main.__module__)")
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "wengert.cli.bench.rivals"


class Symbol:
    def __init__(self, name: str, dtype: Any = None) -> None:
        self.name = name


class Scalars:
    """Stands for `dace.float64`: its arrays have a shape."""

    def __getitem__(self, shape: Any) -> Any:
        return SimpleNamespace(shape=shape if isinstance(shape, tuple) else (shape,))


def stub(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module like DaCe, as far as reading programs goes."""
    dace: Any = SimpleNamespace(symbol=Symbol, int64=None, float64=Scalars(), symbolic=SimpleNamespace(symbol=Symbol))
    dace.program = lambda f: SimpleNamespace(f=f)
    monkeypatch.setitem(sys.modules, "dace", dace)
    return dace


def test_symbols_become_the_numbers_of_the_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dace, checkout = stub(monkeypatch), made(tmp_path)
    counterpart(checkout, "dace", DACE_PROGRAM.replace("from __future__", ""))
    program = npbench(checkout).program("recurrence")
    assert isinstance(program, Benchmark) and list(program.dace()) == ["simplified", "auto-optimised"]
    x = np.ones(7)
    given = {"N": 7, "a": 0.5, "x": x, "y": x}
    kernel = dace_rival._specialised(dace, program, "simplified", given)
    assert kernel.f.__annotations__["x"].shape == (7,) and kernel.f.__globals__["N"] == 7
    assert isinstance(kernel.f.__globals__["M"], Symbol)  # nothing tells what it is
    kernel = dace_rival._specialised(dace, program, "simplified", {"x": x, "y": x})  # by the extents alone
    assert kernel.f.__annotations__["x"].shape == (7,) and dace.symbol is Symbol


def test_the_objective_around_a_dace_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dace, checkout = stub(monkeypatch), made(tmp_path)
    counterpart(checkout, "dace", DACE_PROGRAM)
    program = npbench(checkout).program("recurrence")
    x, y, weight = np.linspace(0.1, 1.0, 7), np.linspace(1.0, 2.0, 7), np.linspace(-1.0, 1.0, 7)
    args = (7, 0.5, x, y)
    case = Case(args, (3,), (2, 3), outputs=[np.float64(1.0), y], weights=[np.array(3.0), weight], returned=1)
    kernel = dace_rival._specialised(dace, program, "simplified", dict(zip(program.inputs, args, strict=True)))
    forward = SimpleNamespace(arrays={"__return": SimpleNamespace(shape=(1,)), "x": None})
    outputs = dace_rival._outputs(forward, program, case, kernel.f.__annotations__)
    assert outputs == {0: "result_0", 1: "y"}
    kernel.f.__globals__["kernel"] = kernel
    objective = dace_rival._objective(dace, tmp_path, kernel, 1, outputs, case).f
    assert objective.__annotations__["weights_1"].shape == (7,)
    objective.__globals__["kernel"] = kernel.f  # as Python it computes the same
    value, changed = np.zeros(1), y.copy()
    objective(0.5, x, changed, np.array([3.0]), weight, value)
    kernel.f(0.5, x, plain := y.copy())
    assert value[0] == pytest.approx(3 * np.sum(x * plain) + np.sum(weight * plain))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_jax(tmp_path: Path) -> None:
    checkout = made(tmp_path)
    counterpart(checkout, "jax", JAX_PROGRAM)
    suite = npbench(checkout, tmp_path / "none.py")
    contest = hold(
        suite.program("recurrence"), Setting(suite, rivals=("jax",), limits=Limits(120.0), rounds=2, turn=0.0)
    )
    assert contest.checked == "jax"
    jax, own = contest.entries["jax"], contest.entries[OWN]
    assert (jax.status, jax.source) == ("ok", "npbench") and own.gradient == jax.gradient
    assert jax.memory is not None and jax.memory.counted is not None and jax.memory.counted >= 2 * 40 * 8


@pytest.mark.skipif(not DACE and importlib.util.find_spec("dace") is None, reason="needs DaCe")
def test_dace(tmp_path: Path) -> None:
    checkout = made(tmp_path)
    counterpart(checkout, "dace", DACE_PROGRAM)
    suite, limits = npbench(checkout), Limits(240.0)
    setting = Setting(suite, rivals=("dace",), limits=limits, rounds=2, turn=0.0, pythons=(("dace", DACE),))
    contest = hold(suite.program("recurrence"), setting)
    assert contest.entries["dace"].status == "ok", contest.entries["dace"].reason
    assert contest.checked == "dace" and contest.entries["dace"].gradient is not None
    counterpart(checkout, "dace", DACE_PROGRAM.replace("np.sin", "np.cos"))
    wrong = hold(suite.program("recurrence"), setting).entries["dace"]
    assert wrong.status == "wrong" and "the objective is" in wrong.reason
