"""Linear programs over 0 and 1, and real numbers, solved by HiGHS (SciPy's) in a process that is ended when its time is
over."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Program:
    """Minimise objective . x with low <= row . x <= high for each row, a list of (column, value); x in {0, 1}^n, or,
    for columns that `integers` says 0 of, real numbers from 0 to `upper`."""

    objective: list[float]
    rows: list[list[tuple[int, float]]]
    low: list[float]
    high: list[float]
    upper: list[float] | None = None
    integers: list[float] | None = None
    gap: float = 1e-6
    """How much worse than the best, as a part of it, an answer may be."""


def solve(program: Program, seconds: float) -> list[float] | None:
    """The best x; None if there is none, or the process failed or did not end in time."""
    data = pickle.dumps((program, seconds))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wengert.solver"], input=data, capture_output=True, timeout=seconds + 5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    try:
        return pickle.loads(done.stdout)
    except (pickle.UnpicklingError, EOFError):
        return None


def highs(program: Program, seconds: float) -> list[float] | None:
    """The same, here. If time runs out, the best x found so far."""
    import numpy as np
    from scipy import optimize, sparse  # pyright: ignore[reportMissingTypeStubs]

    lib: Any = optimize
    matrices: Any = sparse
    entries = [(r, k, v) for r, row in enumerate(program.rows) for k, v in row]
    at, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
    n = len(program.objective)
    rows = matrices.csr_array((values, (at, columns)), shape=(len(program.rows), n))
    found = lib.milp(
        np.array(program.objective),
        integrality=np.ones(n) if program.integers is None else np.array(program.integers),
        bounds=lib.Bounds(0, 1 if program.upper is None else np.array(program.upper)),
        constraints=lib.LinearConstraint(rows, program.low, program.high),
        options={"time_limit": seconds, "mip_rel_gap": program.gap},
    )
    return None if found.x is None else [float(x) for x in found.x]


def main() -> None:
    """Read a program from standard input, write the answer to standard output."""
    program, seconds = pickle.load(sys.stdin.buffer)
    answer = highs(program, seconds)
    pickle.dump(answer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
