"""One competitor on one program, in a process of its own: `python -m wengert.cli.bench.rivals SPEC` (JSON).

It prepares (compiles, runs, compares) and says `ready`, `absent`, `failed` or `wrong`, one JSON object a line; then it
answers requests from standard input: `{"do": "time", "what": ..., "seconds": ...}`; NumPy also `slope`, wengert
`inexactness`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg
from wengert import differences as fd
from wengert.cli.bench.case import Arrays, Case, difference, make, numbers, slope
from wengert.cli.bench.memory import peak
from wengert.cli.bench.programs import Program, Variant
from wengert.cli.bench.results import Memory
from wengert.cli.bench.suite import Suite
from wengert.cli.bench.verification_worker import sensitivity
from wengert.verify import relative

CALLS = 2000  # at most, in one turn


class Wrong(Exception):
    """The competitor computes something else."""


class Absent(Exception):
    """There is no such program."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a competitor is to do, and with what."""

    suite: Suite
    name: str
    preset: str
    rival: str  # numpy, numba, jax, dace or wengert
    source: str  # which of its programs; of JAX's and DaCe's
    folder: str  # where the case and gradients are exchanged
    memory: float
    threads: int
    kept: tuple[int, ...] | None = None  # the outputs that count

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Spec:
        """From JSON, where tuples are lists."""
        kept: list[int] | None = raw["kept"]
        return replace(cls(**raw), suite=Suite(**raw["suite"]), kept=None if kept is None else tuple(kept))

    @property
    def program(self) -> Program:
        return self.suite.program(self.name)

    @property
    def case(self) -> Case:
        case = Case.load(Path(self.folder) / "case.pickle")
        return case if self.kept is None else case.restricted(self.kept)


@dataclass(slots=True)
class Prepared:
    """A competitor that is ready: what can be timed (arguments made outside the clock), how long first calls took."""

    runs: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]
    first: dict[str, float] = field(default_factory=dict[str, float])
    gradients: Arrays | None = None
    kept: list[int] | None = None
    note: str = ""
    at: Callable[[tuple[Any, ...]], Arrays] | None = None  # the gradients at other arguments
    memory: Memory | None = None


def fresh(case: Case) -> Callable[[], Any]:
    """Makes copies of the arguments, because programs write into them."""
    base = fd.floats(case.args)
    return lambda: fd.with_floats(case.args, base)


def apply(f: Variant) -> Callable[[Any], Any]:
    """Calls `f` with a tuple of arguments."""
    return lambda args: f(*args)


def clock(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result and how long it took."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def unlike(spec: Spec, case: Case, found: Arrays) -> tuple[str, str]:
    """What is wrong with a competitor's values, and what was allowed beyond the tolerance.

    Where rounding grows (chaotic orbits) ten times the error of NumPy's own result is.
    """
    wrong = difference(found, case.values, case.tolerance)
    if not wrong or [x.shape for x in found] != [x.shape for x in case.values]:
        return wrong, ""
    f = spec.program.load()
    allowed = 10 * sensitivity(f, case.args, fd.run(f, case.args))
    if allowed <= case.tolerance:
        return wrong, ""
    return difference(found, case.values, allowed), f"ill-conditioned: values allowed {allowed:.0e}"


def with_numpy(spec: Spec) -> Prepared:
    """The program itself; makes the case for the others."""
    program = spec.program
    case = make(program, spec.preset)
    case.save(Path(spec.folder) / "case.pickle")
    kept = list(range(len(case.outputs))) if case.wrt else None
    return Prepared({"primal": (fresh(case), apply(program.load()))}, kept=kept, note=case.note)


def with_numba(spec: Spec) -> Prepared:
    """The fastest of the Numba programs that runs and is right."""
    case, program = spec.case, spec.program
    best: tuple[float, float, str, Variant] | None = None
    reasons: list[str] = []
    for kind, load in program.numba(spec.threads).items():
        try:
            f = load()
            args = fresh(case)()
            value, first = clock(lambda f=f, args=args: f(*args))
            found = numbers(fd.Run(value, args), case.of)
            if value is None and len(found) < len(case.values):  # what is changed in place need not be returned, too
                missing = len(case.values) - len(found)
                found = [v for v in case.values[:missing] if any(np.array_equal(v, w) for w in case.values[missing:])]
                found += numbers(fd.Run(None, args), case.of)
            wrong, allowance = unlike(spec, case, found)
            if wrong:
                reasons.append(f"{kind} wrong: {wrong}")
                continue
            times: list[float] = []
            for _ in range(3):
                args = fresh(case)()
                times.append(clock(lambda f=f, args=args: f(*args))[1])
        except Exception as error:  # whatever Numba cannot compile
            reasons.append(f"{kind}: {type(error).__name__}: {' '.join(str(error).split())[:160]}")
            continue
        if best is None or min(times) < best[0]:
            best = (min(times), first, f"{kind}, {allowance}" if allowance else kind, f)
    if best is None:
        if any("wrong" in reason for reason in reasons):
            raise Wrong("; ".join(reasons))
        raise RuntimeError("; ".join(reasons)) if reasons else Absent("there is no Numba program")
    _, first, kind, f = best
    return Prepared({"primal": (fresh(case), apply(f))}, {"primal": first}, note="; ".join([kind, *reasons]))


def with_wengert(spec: Spec) -> Prepared:
    """The program compiled, and its pullback applied to the objective's weights (which runs the program, too)."""
    case, f = spec.case, spec.program.load()
    compiled = wg.compile(f)
    args = fresh(case)()
    value, first = clock(lambda: compiled(*args))
    wrong, allowance = unlike(spec, case, numbers(fd.Run(value, args), case.of))
    if wrong:
        raise Wrong(wrong)
    made = Prepared({"primal": (fresh(case), apply(compiled))}, {"primal": first}, note=allowance)
    if not case.wrt:
        return made
    of: list[Any] = ["return"] if any(np.any(w) for w in case.weights[: case.returned]) else []
    weights = case.weights[: case.returned] if of else []
    at = case.returned
    for position in case.of:
        count = len(fd.floats(case.args[position]))
        if any(np.any(w) for w in case.weights[at : at + count]):
            of.append(position)
            weights = weights + case.weights[at : at + count]
        at += count

    wrt, outputs_of = case.wrt, tuple(of)

    def begin(args: tuple[Any, ...]) -> tuple[Callable[[Any], Any], Any]:
        outputs, pullback = wg.vjp(f, *args, wrt=wrt, of=outputs_of)
        return pullback, fd.with_floats(outputs, weights)

    (pullback, seeds), compiling = clock(lambda: begin(case.args))
    (gradients, taken), calling = clock(lambda: peak(lambda: pullback(seeds)))  # of a first call: scratch is kept
    made.first["gradient"] = compiling + calling
    made.gradients = fd.floats(gradients)

    def elsewhere(args: tuple[Any, ...]) -> Arrays:
        pullback, seeds = begin(args)
        return fd.floats(pullback(seeds))

    made.at = elsewhere
    made.runs["gradient"] = (lambda: seeds, pullback)
    told = wg.explain(f, *case.args, wrt=wrt, of=outputs_of)
    made.memory = Memory(taken, told.peak_bytes, told.tape_bytes)
    return made


def with_jax(spec: Spec) -> Prepared:
    """JAX; see `jax_rival`, the only module that imports it."""
    from wengert.cli.bench.jax_rival import prepare

    return prepare(spec)


def with_dace(spec: Spec) -> Prepared:
    """DaCe; see `dace_rival`, the only module that imports it."""
    from wengert.cli.bench.dace_rival import prepare

    return prepare(spec)


RIVALS: dict[str, Callable[[Spec], Prepared]] = {
    "numpy": with_numpy,
    "numba": with_numba,
    "wengert": with_wengert,
    "jax": with_jax,
    "dace": with_dace,
}


def pin(threads: int) -> None:
    """Keep every thread of this process on as many cores as there may be threads."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[-threads:]
        for task in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.sched_setaffinity(int(task), cores)


def times(setup: Callable[[], Any], call: Callable[[Any], Any], seconds: float) -> list[float]:
    """One turn: calls until the time is used up, at least one, each timed alone."""
    found: list[float] = []
    while not found or (sum(found) < seconds and len(found) < CALLS):
        given = setup()
        start = time.perf_counter()
        call(given)
        found.append(time.perf_counter() - start)
    return found


def answer(spec: Spec, made: Prepared, request: dict[str, Any]) -> dict[str, Any]:
    """What a request asks for."""
    if request["do"] == "time":
        return {"times": times(*made.runs[request["what"]], request["seconds"])}
    if request["do"] == "inexactness":
        assert made.at is not None and made.gradients is not None
        return {"inexactness": inexactness(spec.case, made.at, made.gradients)}
    case = Spec.read(request["spec"]).case
    return {"slope": slope(spec.program, case, load_gradients(Path(request["gradients"])))}


def inexactness(case: Case, at: Callable[[tuple[Any, ...]], Arrays], gradients: Arrays) -> float:
    """How much the gradients change when every input moves by at most one unit in the last place."""
    rng = np.random.default_rng(5)
    base = fd.floats(case.args)
    moved = [(x * (1 + np.finfo(x.dtype).eps * rng.choice([-1, 0, 1], x.shape))).astype(x.dtype) for x in base]
    found = at(fd.with_floats(case.args, moved))
    return max(relative(x, y)[0] for x, y in zip(found, gradients, strict=True))


def save_gradients(path: Path, gradients: Arrays) -> None:
    """Write gradients for the comparison."""
    np.savez(path, *gradients)


def load_gradients(path: Path) -> Arrays:
    """Read what `save_gradients` wrote."""
    with np.load(path) as found:
        return [found[f"arr_{k}"] for k in range(len(found.files))]


def main() -> None:
    spec = Spec.read(json.loads(sys.argv[1]))
    limit = int(spec.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    np.seterr(all="ignore")
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a program prints is no reply

    def say(reply: dict[str, Any]) -> None:
        print(json.dumps(reply), file=replies, flush=True)

    try:
        made = RIVALS[spec.rival](spec)
    except Exception as error:  # whatever a competitor cannot do is its result
        text = " ".join(f"{error}".split())[:300]
        match error:
            case Wrong():
                say({"wrong": text})
            case Absent():
                say({"absent": text})
            case _:
                say({"failed": f"{type(error).__name__}: {text}"})
        return
    gradients = ""
    if made.gradients is not None:
        gradients = str(Path(spec.folder) / f"{spec.rival}-{spec.source}-{os.getpid()}.npz")
        save_gradients(Path(gradients), made.gradients)
    trial = {what: min(times(*run, 0.0)[0] for _ in range(2)) for what, run in made.runs.items()}
    pin(spec.threads)
    memory = asdict(made.memory) if made.memory else None
    found = {"kept": made.kept, "note": made.note, "gradients": gradients, "trial": trial, "memory": memory}
    say({"ready": made.first, **found})
    for line in sys.stdin:
        try:
            say(answer(spec, made, json.loads(line)))
        except Exception as error:
            say({"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
