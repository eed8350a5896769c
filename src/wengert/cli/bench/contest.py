"""`wengert bench SUITE --against numpy,numba,jax`: gradients and primals timed beside those of others.

A program's competitors prepare in processes of their own, are compared, and then take turns (round robin).
"""

from __future__ import annotations

import json
import math
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wengert.cli.bench.case import TOLERANCE, Case
from wengert.cli.bench.programs import Program
from wengert.cli.bench.rivals import Spec, load_gradients
from wengert.cli.bench.suite import Suite
from wengert.cli.bench.verification import Limits
from wengert.errors import WengertError

KNOWN = ("numpy", "numba", "jax")


class UnknownRival(WengertError, ValueError):
    """There is no such competitor."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How the contest is held."""

    suite: Suite
    preset: str = "S"
    rivals: tuple[str, ...] = KNOWN
    threads: int = 1
    limits: Limits = field(default_factory=lambda: Limits(seconds=120.0))
    rounds: int = 5
    turn: float = 0.1  # seconds
    jobs: int = 1  # that prepare at a time; nothing else runs while one is timed


@dataclass(slots=True)
class Timing:
    """Seconds of one call: median and quartiles over all turns, and the first call, which compiles.

    `turns` has the median of every turn: turns of the same number of two competitors were side by side.
    """

    median: float
    lower: float
    upper: float
    calls: int
    first: float | None = None
    turns: list[float] = field(default_factory=list[float])

    @classmethod
    def of(cls, turns: Sequence[Sequence[float]], first: float | None) -> Timing:
        times = [seconds for turn in turns for seconds in turn]
        median, lower, upper = quartiles(times)
        return cls(median, lower, upper, len(times), first, [statistics.median(turn) for turn in turns])


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and the quartiles below and above it."""
    cuts = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return statistics.median(values), cuts[0], cuts[2]


@dataclass(slots=True)
class Entry:
    """One competitor on one program. `status`: ok, wrong, failed or absent."""

    status: str
    reason: str = ""
    source: str = ""
    note: str = ""
    primal: Timing | None = None
    gradient: Timing | None = None


@dataclass(slots=True)
class Contest:
    """What was found about one program."""

    name: str
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    checked: str = ""  # what wengert's gradient was compared with
    note: str = ""

    def timing(self, rival: str, what: str) -> Timing | None:
        """The times, if the competitor was right."""
        entry = self.entries.get(rival)
        return getattr(entry, what) if entry is not None and entry.status == "ok" else None

    def seconds(self, rival: str, what: str) -> float | None:
        """The median, if the competitor was right."""
        timing = self.timing(rival, what)
        return timing.median if timing is not None else None

    def ratio(self, over: tuple[str, str], under: tuple[str, str]) -> float | None:
        """One time over another: the median over the turns."""
        found = self.spread(over, under)
        return found[0] if found is not None else None

    def spread(self, over: tuple[str, str], under: tuple[str, str]) -> tuple[float, float, float] | None:
        """Median and quartiles over the turns of one time over another: a machine's ups and downs meet both."""
        a, b = self.timing(*over), self.timing(*under)
        if a is None or b is None:
            return None
        return quartiles([x / y for x, y in zip(a.turns, b.turns, strict=True)])


class Worker:
    """A competitor's process: replies to requests within the time limit, or is ended."""

    def __init__(self, spec: Spec, seconds: float) -> None:
        self.spec, self.seconds = spec, seconds
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the process)
        cache = Path(spec.folder) / "cache"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wengert.cli.bench.rivals", json.dumps(asdict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(spec.threads, cache),
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.state = self.reply()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def reply(self) -> dict[str, Any]:
        """The next reply; of one that is late or dead, why."""
        try:
            line = self.lines.get(timeout=self.seconds)
        except queue.Empty:
            self.close()
            return {"failed": f"not done after {self.seconds:g} s"}
        if line is not None:
            return json.loads(line)
        if self.errors.closed:
            return {"failed": "the process has ended"}
        self.errors.seek(0)
        last = self.errors.read().strip().splitlines()[-1:]
        return {"failed": f"exit {self.process.wait()}{''.join(f': {text}' for text in last)}"}

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for the reply."""
        try:
            assert self.process.stdin is not None
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except (BrokenPipeError, ValueError):
            return {"failed": "the process has ended"}
        return self.reply()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.errors.close()

    @property
    def ready(self) -> bool:
        return "ready" in self.state

    @property
    def kept(self) -> list[int]:
        return self.state.get("kept") or []

    @property
    def lost(self) -> str:
        """Why another was chosen."""
        status = next(iter(self.state))
        return "slower, or fewer outputs" if self.ready else f"{status}: {self.state[status]}"

    def entry(self) -> Entry:
        """What is known before anything is timed."""
        for status in ("wrong", "failed", "absent"):
            if status in self.state:
                return Entry(status, self.state[status], self.spec.source)
        return Entry("ok", "", self.spec.source, self.state.get("note", ""))


def environment(threads: int, cache: Path) -> dict[str, str]:
    """The variables by which libraries are told how many threads they may use, and an empty cache."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR", "VECLIB")
    counts = {f"{name}_{'MAXIMUM' if name == 'VECLIB' else 'NUM'}_THREADS": str(threads) for name in names}
    eigen = str(threads > 1).lower()
    flags = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    platform = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    ours = {"WENGERT_NUM_THREADS": str(threads), "WENGERT_CACHE_DIR": str(cache)}
    return {**os.environ, **counts, **platform, **ours}


def chosen_rivals(text: str) -> tuple[str, ...]:
    """The competitors named, with commas between."""
    names = tuple(dict.fromkeys(name for name in text.split(",") if name))
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise UnknownRival(f"no competitor {', '.join(unknown)}; there are {', '.join(KNOWN)}")
    return names


class Round:
    """One program: the competitors' processes, from preparation to the last turn."""

    def __init__(self, program: Program, setting: Setting, folder: Path) -> None:
        self.program, self.setting, self.folder = program, setting, folder
        self.result = Contest(program.name)
        self.workers: list[Worker] = []

    def start(self, rival: str, source: str = "", kept: Sequence[int] | None = None) -> Worker:
        spec = self.spec(rival, source, kept)
        worker = Worker(spec, self.setting.limits.seconds)
        self.workers.append(worker)
        return worker

    def spec(self, rival: str, source: str = "", kept: Sequence[int] | None = None) -> Spec:
        s = self.setting
        return Spec(
            s.suite,
            self.program.name,
            s.preset,
            rival,
            source,
            str(self.folder),
            s.limits.memory,
            s.threads,
            None if kept is None else tuple(kept),
        )

    def hold(self) -> Contest:
        """Prepare, compare, time."""
        try:
            plain = self.start("numpy")
            if not plain.ready:
                self.result.entries["numpy"] = plain.entry()
                return self.result
            self.result.note = plain.state["note"]
            with ThreadPoolExecutor(self.setting.jobs) as pool:
                other = pool.submit(self.start, "numba") if "numba" in self.setting.rivals else None
                found = self.derivatives(plain)
                numba = other.result() if other else None
            self.time({"numpy": plain, **({"numba": numba} if numba else {}), **found})
        finally:
            for worker in self.workers:
                worker.close()
        return self.result

    def derivatives(self, plain: Worker) -> dict[str, Worker]:
        """Wengert, and the JAX program that is timed: of those that are right, what returns most, then the fastest."""
        compared = "jax" in self.setting.rivals and bool(plain.kept)
        candidates = self.candidates() if compared else []
        if compared and not candidates:
            self.result.entries["jax"] = Entry("absent", "there is no JAX program")
        right = [worker for worker in candidates if worker.ready]
        right.sort(key=lambda worker: (-len(worker.kept), worker.state["trial"]["gradient"]))
        ours: Worker | None = None
        for worker in right:
            ours = self.wengert(worker.kept, ours)
            if not ours.ready:
                break
            wrong = self.compare(worker, ours, plain)
            if not wrong:
                others = [c for c in candidates if c is not worker]
                lost = [f"{c.spec.source}: {c.lost}" for c in others]
                worker.state["note"] = "; ".join([t for t in (worker.state["note"], *lost) if t])
                return {"jax": worker, "wengert": ours}
            worker.state = {"wrong": f"gradient {wrong}"}
        ours = self.wengert(plain.kept, ours)
        if ours.ready and plain.kept and not self.result.checked:
            self.result.checked = self.arbitrate(ours, plain)
        if len(candidates) > 1:
            reasons = "; ".join(f"{c.spec.source}: {c.entry().reason}" for c in candidates)
            wrong = any("wrong" in c.state for c in candidates)
            candidates[0].state = {"wrong" if wrong else "failed": reasons}
        return {**({"jax": candidates[0]} if candidates else {}), "wengert": ours}

    def candidates(self) -> list[Worker]:
        return [self.start("jax", source) for source in self.program.jax()]

    def wengert(self, kept: Sequence[int], before: Worker | None) -> Worker:
        """A process for these outputs, unless there is one."""
        if before is not None and before.spec.kept == tuple(kept):
            return before
        return self.start("wengert", kept=kept)

    def compare(self, worker: Worker, ours: Worker, plain: Worker) -> str:
        """What is wrong with a competitor's gradient; where it differs from ours, differences decide which is right."""
        theirs, found = (load_gradients(Path(w.state["gradients"])) for w in (worker, ours))
        case = Case.load(self.folder / "case.pickle").restricted(worker.kept)
        gap = case.close(theirs, found, case.tolerance)
        if not gap:
            self.result.checked = "jax"
            return ""
        inexact = ours.ask({"do": "inexactness"}).get("inexactness", 0.0)
        if not case.close(theirs, found, max(case.tolerance, 10 * inexact)):
            self.result.checked = f"jax, ill-conditioned: allowed {10 * inexact:.0e}"
            return ""
        self.result.checked = self.arbitrate(ours, plain)
        return gap

    def arbitrate(self, ours: Worker, plain: Worker) -> str:
        """Compare wengert's gradient with differences of NumPy's program along one direction."""
        request = {"do": "slope", "spec": asdict(ours.spec), "gradients": ours.state["gradients"]}
        reply = plain.ask(request)
        if "slope" not in reply:
            return f"not compared: {reply['failed']}"
        s = reply["slope"]
        if not all(math.isfinite(value) for value in s.values()):
            return "not compared: no finite differences"
        gap, note = abs(s["differences"] - s["gradient"]), ""
        if not gap <= max(TOLERANCE * s["scale"], s["error"]):
            inexact = ours.ask({"do": "inexactness"}).get("inexactness", 0.0)  # of chaotic programs
            note = f", ill-conditioned: allowed {10 * inexact:.0e}"
            if not gap <= 10 * inexact * s["scale"]:
                ours.state = {"wrong": f"{s['gradient']!r} along a direction, by differences {s['differences']!r}"}
        return f"differences to {gap / (s['scale'] or 1.0):.0e}{note}"

    def time(self, workers: dict[str, Worker]) -> None:
        """Take turns; every competitor gets `rounds` of them for each thing that it can do."""
        times: dict[tuple[str, str], list[list[float]]] = {}
        for _ in range(self.setting.rounds):
            for rival, worker in workers.items():
                for what in worker.state.get("trial", {}) if worker.ready else ():
                    reply = worker.ask({"do": "time", "what": what, "seconds": self.setting.turn})
                    if "times" not in reply:
                        worker.state = reply
                        break
                    times.setdefault((rival, what), []).append(reply["times"])
        for rival, worker in workers.items():
            entry = self.result.entries[rival] = worker.entry()
            if entry.status == "ok":
                first = worker.state["ready"]
                for what in worker.state["trial"]:
                    setattr(entry, what, Timing.of(times[rival, what], first.get(what)))


def hold(program: Program, setting: Setting) -> Contest:
    """One program's contest."""
    with tempfile.TemporaryDirectory(prefix="wengert-bench-") as folder:
        return Round(program, setting, Path(folder)).hold()


def hold_all(programs: Sequence[Program], setting: Setting, progress: Callable[[Contest], None]) -> list[Contest]:
    """All programs, one after the other."""
    results: list[Contest] = []
    for program in programs:
        results.append(hold(program, setting))
        progress(results[-1])
    return results
