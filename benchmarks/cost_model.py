"""How well the cost model predicts: seconds of native programs and of their gradients, predicted and measured.

    python benchmarks/cost_model.py fields
    python benchmarks/cost_model.py npbench --checkout NPBENCH --preset S [--only NAMES] [--markdown] [--json FILE]

The machine is the measured one (`wengert calibrate`), or with --default the committed one. Each program runs in a
process of its own. Trip counts of `while` loops, lengths of lists and how often branches are taken come from one
counted run, everything else from the sizes of the arguments. Measured is the
shortest of many calls of the kernel, in the processor's time (other processes may run, but use the same caches).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wengert import calibration, pipeline
from wengert import differences as fd
from wengert.analysis.cost import DEFAULT, Machine, Profile, predict
from wengert.analysis.cost.profile import counted, questions
from wengert.cli.bench import suite as suites
from wengert.cli.bench.case import Case, make
from wengert.dispatch import fetcher
from wengert.frontend.python.python_values import is_ndarray
from wengert.ir.nodes import Module
from wengert.programs import primal_binds, private, program_of
from wengert.runtime.abi import Bind
from wengert.runtime.call import Kernel
from wengert.transform import Pulled

Leaves = tuple[Any, ...]


@dataclass
class Row:
    """Seconds and bytes of one kernel."""

    measured: float
    predicted: float
    core: float
    peak_measured: float
    peak_predicted: float
    moved: tuple[float, ...]
    took: float

    @property
    def ratio(self) -> float:
        return self.predicted / self.measured


@dataclass
class Found:
    name: str
    primal: Row | None = None
    gradient: Row | None = None
    note: str = ""


def fresh(leaves: Leaves) -> Leaves:
    return tuple(x.copy() if is_ndarray(x) else x for x in leaves)


def shortest(kernel: Kernel, leaves: Leaves, seconds: float) -> float:
    """Of calls over so many seconds; arguments that a call changes are made anew, outside of the time."""
    best, end = math.inf, time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or time.perf_counter() < end:
        mine = fresh(leaves)
        start = time.thread_time()
        kernel(mine)
        best = min(best, time.thread_time() - start)
        rounds += 1
    return best


def known(module: Module, binds: Sequence[Bind], leaves: Leaves) -> dict[str, float]:
    """The values of a root's scalar parameters."""
    found: dict[str, float] = {}
    for p, bind in zip(module.root.params, binds, strict=True):
        leaf = leaves[bind.leaf]
        if bind.kind == "extent":
            found[p.name] = float(leaf.shape[bind.axis])
        elif bind.kind == "scalar" and not isinstance(leaf, (complex, np.complexfloating)):
            found[p.name] = float(leaf)
    return found


def profile(module: Module, binds: Sequence[Bind], leaves: Leaves) -> Profile:
    """What a counted run says of what the sizes leave open."""
    if not questions(module):
        return Profile()
    made, asked = counted(module)
    *_, counts = Kernel(made, binds)(fresh(leaves))
    return asked.answer([float(c) for c in counts])


def row(module: Module, binds: Sequence[Bind], leaves: Leaves, machine: Machine, seconds: float) -> Row:
    kernel = Kernel(module, binds)
    measured = shortest(kernel, leaves, seconds)
    said = profile(module, binds, leaves)
    start = time.perf_counter()
    found = predict(module, known(module, binds, leaves), machine, said)
    took = time.perf_counter() - start
    peak = float(kernel.stats().last_peak)
    return Row(measured, found.seconds, found.core, peak, found.peak, found.moved, took)


def examine(suite: suites.Suite, name: str, preset: str, machine: Machine, seconds: float) -> Found:
    """Both kernels of one program."""
    program = suite.program(name)
    case: Case = make(program, preset)
    f, args = program.load(), case.args
    staged = program_of(f).stage(args, {})
    leaves = fetcher(staged, args, {})(f, args, {})
    assert leaves is not None
    leaves = private(staged, leaves)
    prepared = pipeline.prepare(staged.module, staged.names)
    made = Found(name)
    made.primal = row(pipeline.finish(prepared), primal_binds(staged), leaves, machine, seconds)
    if not case.wrt:
        made.note = case.note
        return made
    of = [*(["return"] if case.returned else []), *case.of]
    pulled = Pulled.of(f, args, {}, staged, prepared, list(case.wrt), tuple(of))
    outputs = Kernel(pulled.primal, primal_binds(staged))(fresh(leaves))
    rng = np.random.default_rng(1)
    seeds = [fd.random_like([np.asarray(outputs[i])], rng)[0] for i in pulled.seeded]
    made.gradient = row(pulled.reverse, pulled.binds, (*leaves, *seeds), machine, seconds)
    return made


def spread(ratios: Sequence[float]) -> str:
    """The geometric mean, the geometric standard deviation, how many lie within a factor 1.3."""
    logs = [math.log(r) for r in ratios]
    near = sum(abs(x) <= math.log(1.3) for x in logs)
    deviation = statistics.pstdev(logs) if len(logs) > 1 else 0.0
    return (
        f"predicted over measured: geometric mean {math.exp(statistics.fmean(logs)):.2f}, spread "
        f"{math.exp(deviation):.2f}, within 1.3: {near} of {len(logs)}"
    )


def cells(r: Row | None) -> list[str]:
    if r is None:
        return ["-"] * 5
    return [
        f"{1e3 * r.measured:.3f}",
        f"{1e3 * r.predicted:.3f}",
        f"{r.ratio:.2f}",
        f"{r.peak_measured / 1e6:.2f}",
        f"{r.peak_predicted / 1e6:.2f}",
    ]


def report(found: Sequence[Found], markdown: bool) -> str:
    heads = ["program", *(f"{what} {unit}" for what in ("primal", "gradient") for unit in
                          ("ms", "predicted", "ratio", "MB", "predicted MB"))]  # fmt: skip
    rows = [[f.name, *cells(f.primal), *cells(f.gradient)] for f in found]
    if markdown:
        lines = [f"| {' | '.join(r)} |" for r in (heads, ["---", *["---:"] * 10], *rows)]
    else:
        lines = ["  ".join(c.rjust(12) if k else c.ljust(26) for k, c in enumerate(r)) for r in rows]
    for what in ("primal", "gradient"):
        ratios = [r.ratio for f in found if (r := getattr(f, what)) is not None]
        if ratios:
            lines.append(f"{what}: {spread(ratios)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=("npbench", "fields"))
    parser.add_argument("--checkout", type=Path)
    parser.add_argument("--preset", default="S")
    parser.add_argument("--only", default="")
    parser.add_argument("--default", action="store_true")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--timeout", type=float, default=300.0)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    suite = suites.npbench(options.checkout) if options.suite == "npbench" else suites.fields()
    machine = DEFAULT if options.default else calibration.measured() or calibration.calibrate()
    names = [p.name for p in suite.programs([n for n in options.only.split(",") if n])]
    found: list[Found] = []
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as pool:
        for name in names:
            job = pool.submit(examine, suite, name, options.preset, machine, options.seconds)
            try:
                found.append(job.result(options.timeout))
            except Exception as error:  # one program less, and the table says why
                found.append(Found(name, note=f"{type(error).__name__}: {error}"))
            print(report(found[-1:], False).splitlines()[0], found[-1].note[:200], file=sys.stderr, flush=True)
    print(report([f for f in found if f.primal or f.gradient], options.markdown))
    if options.json:
        options.json.write_text(json.dumps([asdict(f) for f in found], indent=1))


if __name__ == "__main__":
    main()
