"""`wengert bench SUITE --verify`: the programs of a suite as they are, native against NumPy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wengert.cli.bench.programs import Program
from wengert.cli.bench.suite import Suite


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use: seconds of wall time and GiB of address space."""

    seconds: float = 300.0
    memory: float = 16.0


@dataclass(slots=True)
class Result:
    """What was found about one program. None: not applicable, or not reached."""

    name: str
    value: bool | None = None
    jvp: bool | None = None
    vjp: bool | None = None
    hvp: bool | None = None
    compile_s: float | None = None
    numpy_s: float | None = None
    native_s: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""
    note: str = ""
    cast: str = ""
    fault: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    traceback: str = ""

    @property
    def ok(self) -> bool:
        """Value right, and derivatives right or not applicable."""
        derivatives = (self.jvp, self.vjp, self.hvp)
        return self.value is True and all(one is not False for one in derivatives) and not self.reason

    def add(self, stage: dict[str, Any]) -> None:
        """Take in one line of the worker."""
        name = stage["stage"]
        for key in ("compile_s", "numpy_s", "native_s", "parameters"):
            if key in stage:
                setattr(self, key, stage[key])
        self.note = stage.get("not_applicable") or self.note
        self.cast = stage.get("cast") or self.cast
        self.fault = stage.get("fault") or self.fault
        findings = stage.get("findings", [])
        self.findings += findings
        bad = [f"{f['name']}: {f['error']:.1e} {f['detail']}".strip() for f in findings if not f["ok"]]
        if "error" in stage:
            bad.append(f"{name}: {stage['error']}")
            self.traceback = self.traceback or stage["traceback"]
        if bad and not self.reason:
            self.reason = bad[0]
        good = {f["name"]: f["ok"] for f in findings}
        if name == "value":
            self.value = good.get("value", False)
        if name == "derivatives":
            shared = good.get("differences", False) and good.get("arguments", False)
            self.jvp = bool(good.get("jvp", False) and shared)
            self.vjp = bool(good.get("vjp", False) and good.get("dot product", False) and shared)
        if name == "curvature":
            self.hvp = bool(good) and all(good.values())

    def end(self) -> None:
        """What was not reached counts as wrong, unless it does not apply."""
        self.value = bool(self.value)
        if not self.note:
            self.jvp, self.vjp, self.hvp = bool(self.jvp), bool(self.vjp), bool(self.hvp)


def run(name: str, suite: Suite, preset: str, seed: int, limits: Limits) -> Result:
    """Verify one program in a process of its own, with an empty cache, within the limits."""
    result = Result(name)
    with tempfile.TemporaryDirectory(prefix="wengert-bench-") as scratch:
        command = [sys.executable, "-m", "wengert.cli.bench.verification_worker", json.dumps(asdict(suite))]
        command += [name, preset, str(seed), str(limits.memory)]
        environment = {**os.environ, "WENGERT_CACHE_DIR": scratch}
        with (
            open(Path(scratch) / "stderr", "w+") as stderr,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment) as process,
        ):
            try:
                output, _ = process.communicate(timeout=limits.seconds)
                late = False
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                late = True
            stages = [json.loads(line) for line in output.splitlines() if line.startswith('{"stage"')]
            for stage in stages:
                result.add(stage)
            if not stages or stages[-1]["stage"] != "done":
                stderr.seek(0)
                lines = stderr.read().strip().splitlines()
                last = f": {lines[-1]}" if lines else ""
                ending = f"not done after {limits.seconds:g} s" if late else f"exit {process.returncode}{last}"
                result.reason = result.reason or f"after {stages[-1]['stage'] if stages else 'nothing'}: {ending}"
    result.end()
    return result


def run_all(
    programs: Sequence[Program],
    suite: Suite,
    preset: str,
    seed: int,
    limits: Limits,
    jobs: int,
    progress: Callable[[Result], None],
) -> list[Result]:
    """All programs, `jobs` at a time, in the order given."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(run, program.name, suite, preset, seed, limits): program.name for program in programs}
        done: dict[str, Result] = {}
        for future in as_completed(futures):
            result = future.result()
            done[result.name] = result
            progress(result)
    return [done[program.name] for program in programs]


def _mark(flag: bool | None) -> str:
    return {True: "ok", False: "FAIL", None: "-"}[flag]


def table(results: Sequence[Result]) -> Iterator[str]:
    """The table and its summary, a line at a time."""
    width = max([len(result.name) for result in results] + [7])
    yield f"{'program':<{width}}  value  jvp   vjp   hvp   compile  reason"
    for result in results:
        seconds = f"{result.compile_s:6.2f}s" if result.compile_s is not None else "      -"
        note = result.note or (f"integers made floats: {result.cast}" if result.cast else "")
        reason = " ".join((result.reason or note).split())
        marks = f"{_mark(result.value):<5}  {_mark(result.jvp):<4}  {_mark(result.vjp):<4}  {_mark(result.hvp):<4}"
        yield f"{result.name:<{width}}  {marks}  {seconds}  {reason[:160]}".rstrip()
    yield ""
    yield summary(results)


def summary(results: Sequence[Result]) -> str:
    """One line: how many values, JVPs, VJPs and Hessian-vector products are right, and the compile times."""
    count = len(results)
    applicable = sum(not result.note for result in results)
    parts = [
        f"values {sum(result.value is True for result in results)}/{count}",
        f"jvp {sum(result.jvp is True for result in results)}/{applicable}",
        f"vjp {sum(result.vjp is True for result in results)}/{applicable}",
        f"hvp {sum(result.hvp is True for result in results)}/{applicable}",
    ]
    for what, names in (
        ("with integers made floats", [result.name for result in results if result.cast and not result.note]),
        ("without derivatives", [result.name for result in results if result.note]),
    ):
        if names:
            parts.append(f"{what}: {' and '.join(names)}")
    times = sorted(result.compile_s for result in results if result.compile_s is not None)
    if times:
        parts.append(f"gradient compiled cold in {times[len(times) // 2]:.2f} s (median), {times[-1]:.2f} s (worst)")
    return "; ".join(parts)


def as_json(results: Sequence[Result]) -> str:
    """Everything found, for scripts."""
    programs = [{**asdict(result), "ok": result.ok} for result in results]
    return json.dumps({"summary": summary(results), "programs": programs}, indent=2)
