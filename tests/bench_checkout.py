"""A small checkout of our own, laid out as NPBench's: for the tests of `wengert bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

INIT = """
import numpy as np

def initialize(N):
    return np.linspace(0.1, 1.0, N), np.linspace(1.0, 2.0, N)
"""
PROGRAM = """
import numpy as np

def kernel(N, a, x, y):
    for i in range(1, N):
        y[i] = a * y[i - 1] + np.sin(x[i])
    return np.sum(x * y)
"""
WRONG = PROGRAM.replace("np.sin", "np.cos")
HANGS = "import time\n\ndef kernel(N, a, x, y):\n    time.sleep(60)\n"
INTEGERS = "def kernel(N):\n    count = 0\n    for i in range(N):\n        count ^= i << 1\n    return count\n"


def checkout(folder: Path) -> Path:
    """Programs that are right, wrong, late, and without floats."""
    made = {"func_name": "initialize", "input_args": ["N"], "output_args": ["x", "y"]}
    recurrence = {"init": made, "input_args": ["N", "a", "x", "y"], "parameters": {"S": {"N": 40, "a": 0.5}}}
    write(folder, "recurrence", recurrence, INIT, {"numpy": PROGRAM, "numba_n": PROGRAM, "numba_o": WRONG})
    write(folder, "wrong", recurrence, INIT, {"numpy": PROGRAM, "numba_n": WRONG, "numba_np": PROGRAM})
    write(folder, "hangs", recurrence, INIT, {"numpy": PROGRAM, "numba_n": HANGS})
    write(folder, "integers", {"input_args": ["N"], "parameters": {"S": {"N": 9}}}, "", {"numpy": INTEGERS})
    return folder


def write(checkout: Path, name: str, info: dict[str, Any], init: str, texts: dict[str, str]) -> None:
    folder = checkout / "npbench" / "benchmarks" / name
    folder.mkdir(parents=True)
    (folder / f"{name}.py").write_text(init)
    for kind, text in texts.items():
        (folder / f"{name}_{kind}.py").write_text(text)
    common = {"relative_path": name, "module_name": name, "func_name": "kernel"}
    (checkout / "bench_info").mkdir(exist_ok=True)
    (checkout / "bench_info" / f"{name}.json").write_text(json.dumps({"benchmark": {**common, **info}}))
