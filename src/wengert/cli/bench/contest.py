"""`wengert bench SUITE --against numpy,numba,jax,dace`: gradients and primals timed beside those of others.

A program's competitors prepare in processes of their own, are compared, and then take turns (round robin). JAX has two
entries: `jax`, the fastest of the programs that are right, and `jax npbench`, the suite's own program where that is
right; DaCe's entry is the fastest of its variants that are right.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from wengert.cli.bench.case import TOLERANCE, Case
from wengert.cli.bench.programs import Program
from wengert.cli.bench.results import Contest, Entry, Memory, Timing
from wengert.cli.bench.rivals import Spec, load_gradients
from wengert.cli.bench.suite import Suite
from wengert.cli.bench.verification import Limits
from wengert.cli.bench.workers import Worker
from wengert.cli.target import UnknownName

KNOWN = ("numpy", "numba", "jax", "dace")
UNSETTLED = 1e-2  # an error of differences, over the gradient's terms, from which on they say nothing
OWN = "jax npbench"  # the entry of the suite's own JAX program


@dataclass(frozen=True, slots=True)
class Setting:
    """How the contest is held.

    `limits.seconds` is for each thing that a competitor is asked to do. `patience`: the seconds after which one gets
    no more turns. `pythons`: interpreters of competitors that cannot be installed beside the others.
    """

    suite: Suite
    preset: str = "S"
    rivals: tuple[str, ...] = ("numpy", "numba", "jax")
    threads: int = 1
    limits: Limits = field(default_factory=lambda: Limits(seconds=120.0))
    rounds: int = 5
    turn: float = 0.1  # seconds
    jobs: int = 1  # that prepare at a time; nothing else runs while one is timed
    patience: float = 60.0
    pythons: tuple[tuple[str, str], ...] = ()


def chosen_rivals(text: str) -> tuple[str, ...]:
    """The competitors named, with commas between."""
    names = tuple(dict.fromkeys(name for name in text.split(",") if name))
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise UnknownName(f"no competitor {', '.join(unknown)}; there are {', '.join(KNOWN)}")
    return names


class Round:
    """One program: the competitors' processes, from preparation to the last turn."""

    def __init__(self, program: Program, setting: Setting, folder: Path) -> None:
        self.program, self.setting, self.folder = program, setting, folder
        self.result = Contest(program.name)
        self.workers: list[Worker] = []

    def start(self, rival: str, source: str = "", kept: Sequence[int] | None = None) -> Worker:
        spec = self.spec(rival, source, kept)
        worker = Worker(spec, self.setting.limits.seconds, dict(self.setting.pythons).get(rival, ""))
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
        """Wengert and what its gradient is compared with, each checked."""
        found = self.jax(plain)
        if "dace" in self.setting.rivals and plain.kept and found["wengert"].ready:
            found |= self.dace(found["wengert"], plain)
        ours = found["wengert"]
        if ours.ready and plain.kept and not self.result.checked:
            self.result.checked = self.arbitrate(ours, plain)
        return found

    def jax(self, plain: Worker) -> dict[str, Worker]:
        """Wengert, and the JAX programs that are timed: of those that are right what returns most, then the fastest;
        and the suite's own."""
        compared = "jax" in self.setting.rivals and bool(plain.kept)
        candidates = [self.start("jax", source) for source in self.program.jax()] if compared else []
        if compared and not candidates:
            self.result.entries["jax"] = Entry("absent", "there is no JAX program")
        right = [worker for worker in candidates if worker.ready]
        right.sort(key=lambda worker: (-len(worker.kept), worker.state["trial"]["gradient"]))
        ours: Worker | None = None
        best: Worker | None = None
        for worker in right:
            reference = self.wengert(worker.kept, ours)
            if best is None:  # wengert is timed with the outputs of the best
                ours = reference
            if not reference.ready:
                break
            wrong = self.compare(worker, reference, plain)
            if wrong:
                worker.state = {"wrong": f"gradient {wrong}"}
            else:
                best = best or worker
        if best is None or ours is None:
            ours = self.wengert(plain.kept, ours)
        found = {"wengert": ours}
        for worker in candidates:
            if worker.spec.source == "npbench":
                found[OWN] = worker
        if best is not None:
            lost = [f"{c.spec.source}: {c.lost}" for c in candidates if c is not best]
            best.state["note"] = "; ".join([text for text in (best.state["note"], *lost) if text])
            found["jax"] = best
        elif candidates:
            reasons = "; ".join(f"{c.spec.source}: {c.entry().reason}" for c in candidates)
            status = "wrong" if any("wrong" in c.state for c in candidates) else "failed"
            self.result.entries["jax"] = Entry(status, reasons)
        return found

    def dace(self, ours: Worker, plain: Worker) -> dict[str, Worker]:
        """The fastest of DaCe's variants that are right."""
        candidates = [self.start("dace", source, ours.spec.kept) for source in self.program.dace()]
        if not candidates:
            self.result.entries["dace"] = Entry("absent", "there is no DaCe program")
            return {}
        for worker in candidates:
            if worker.ready:
                reference = self.wengert(worker.kept, ours)
                wrong = self.compare(worker, reference, plain) if reference.ready else "not compared"
                if wrong:
                    worker.state = {"wrong": f"gradient {wrong}"}
        right = [worker for worker in candidates if worker.ready]
        if not right:
            reasons = "; ".join(dict.fromkeys(f"{c.spec.source}: {c.entry().reason}" for c in candidates))
            status = "wrong" if any("wrong" in c.state for c in candidates) else "failed"
            self.result.entries["dace"] = Entry(status, reasons)
            return {}
        best = min(right, key=lambda worker: worker.state["trial"]["gradient"])
        lost = [f"{c.spec.source}: {c.lost}" for c in candidates if c is not best]
        best.state["note"] = "; ".join([text for text in (best.state["note"], *lost) if text])
        return {"dace": best}

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
            self.result.checked = worker.spec.rival
            return ""
        inexact = ours.ask({"do": "inexactness"}).get("inexactness", 0.0)
        if not case.close(theirs, found, max(case.tolerance, 10 * inexact)):
            self.result.checked = f"{worker.spec.rival}, ill-conditioned: allowed {10 * inexact:.0e}"
            return ""
        self.result.checked = self.arbitrate(ours, plain)
        return gap if "not compared" not in self.result.checked else f"{gap}; {self.result.checked}"

    def arbitrate(self, ours: Worker, plain: Worker) -> str:
        """Compare wengert's gradient with differences of NumPy's program along one direction."""
        request = {"do": "slope", "spec": asdict(ours.spec), "gradients": ours.state["gradients"]}
        reply = plain.ask(request)
        if "slope" not in reply:
            return f"not compared: {reply['failed']}"
        s = reply["slope"]
        if not all(math.isfinite(value) for value in s.values()):
            return "not compared: no finite differences"
        if s["error"] > UNSETTLED * max(s["scale"], abs(s["differences"])):
            return "not compared: differences do not settle"
        gap, note = abs(s["differences"] - s["gradient"]), ""
        if not gap <= max(TOLERANCE * s["scale"], s["error"]):
            inexact = ours.ask({"do": "inexactness"}).get("inexactness", 0.0)  # of chaotic programs
            note = f", ill-conditioned: allowed {10 * inexact:.0e}"
            if not gap <= 10 * inexact * s["scale"]:
                ours.state = {"wrong": f"{s['gradient']!r} along a direction, by differences {s['differences']!r}"}
        return f"differences to {gap / (s['scale'] or 1.0):.0e}{note}"

    def time(self, workers: dict[str, Worker]) -> None:
        """Take turns; every competitor gets `rounds` of them for each thing that it can do."""
        times: dict[tuple[int, str], list[list[float]]] = {}
        unique = {id(worker): worker for worker in workers.values()}
        for _ in range(self.setting.rounds):
            for key, worker in unique.items():
                for what in worker.state.get("trial", {}) if worker.ready else ():
                    turns = times.setdefault((key, what), [])
                    if sum(map(sum, turns)) > self.setting.patience:
                        continue
                    reply = worker.ask({"do": "time", "what": what, "seconds": self.setting.turn})
                    if "times" not in reply:
                        worker.state = reply
                        break
                    turns.append(reply["times"])
        for rival, worker in workers.items():
            entry = self.result.entries[rival] = worker.entry()
            if entry.status == "ok":
                first = worker.state["ready"]
                for what in worker.state["trial"]:
                    setattr(entry, what, Timing.of(times[id(worker), what], first.get(what)))
                entry.memory = Memory(**worker.state["memory"]) if worker.state.get("memory") else None


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
